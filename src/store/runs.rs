//! A mask as bytes: its size and runs as variable-length numbers. Small, and read back exactly or not at all.
//!
//! Each run is written as its difference from the run before the last, the one of the same kind: in a blob that is the
//! row above, so most runs take one byte instead of two. The numbers are part of the project file's format.

use super::numbers;
use crate::label::{FrameSize, Mask};

/// Most bytes of a number: a side, or a step either way between two runs, has 33 bits at the most.
const MOST_BYTES: u32 = 5;

fn take_length(bytes: &mut &[u8]) -> Result<u32, String> {
    u32::try_from(numbers::take(bytes, MOST_BYTES)?).map_err(|_| "a side is too long".to_owned())
}

/// The mask as bytes.
pub fn encode(mask: &Mask) -> Box<[u8]> {
    let runs = mask.runs();
    let mut bytes = Vec::with_capacity(runs.len() + runs.len() / 4 + 8);
    numbers::push(&mut bytes, u64::from(mask.size().width));
    numbers::push(&mut bytes, u64::from(mask.size().height));
    for (i, &run) in runs.iter().enumerate() {
        let above = if i < 2 { 0 } else { runs[i - 2] };
        numbers::push(&mut bytes, numbers::zigzag(i64::from(run) - i64::from(above)));
    }
    bytes.into_boxed_slice()
}

/// The mask in `bytes`.
///
/// # Errors
/// Says what is wrong with them.
pub fn decode(mut bytes: &[u8]) -> Result<Mask, String> {
    let size = FrameSize { width: take_length(&mut bytes)?, height: take_length(&mut bytes)? };
    let mut runs: Vec<u32> = Vec::with_capacity(bytes.len());
    while !bytes.is_empty() {
        let step = numbers::from_zigzag(numbers::take(&mut bytes, MOST_BYTES)?);
        let above = if runs.len() < 2 { 0 } else { runs[runs.len() - 2] };
        runs.push(u32::try_from(i64::from(above) + step).map_err(|_| "a run has no possible length".to_owned())?);
    }
    Mask::from_runs(size, runs).map_err(|e| e.to_string())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn masks_come_back_as_they_went(pixels in proptest::collection::vec(0_u8..2, 300 * 3)) {
            let mask = Mask::from_pixels(FrameSize { width: 300, height: 3 }, &pixels).expect("900 pixels");
            prop_assert_eq!(decode(&encode(&mask)), Ok(mask));
        }

        #[test]
        fn foreign_bytes_are_refused_or_a_mask(bytes in proptest::collection::vec(any::<u8>(), 0..40)) {
            if let Ok(mask) = decode(&bytes) {
                prop_assert_eq!(mask.runs().iter().map(|&r| u64::from(r)).sum::<u64>(), mask.size().area() as u64);
            }
        }
    }

    #[test]
    fn every_cut_of_a_mask_is_refused() {
        let mask = Mask::from_fn(FrameSize { width: 200, height: 200 }, |i| i % 177 < 9);
        let bytes = encode(&mask);
        for end in 0..bytes.len() {
            assert!(decode(&bytes[..end]).is_err(), "cut at {end}");
        }
    }
}
