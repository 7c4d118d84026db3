//! Label Studio's brush masks: an RGBA picture as a stream of bits.
//!
//! The stream, top bit first: 32 bits number of bytes (width * height * 4), 5 bits word size less one (8 bits), four
//! times 4 bits for the block lengths' sizes less one (3, 4, 8, 16 bits). Then blocks: one bit that says whether one
//! value is repeated, two bits that choose the length's size, the length less one, and the value once or as often as
//! the block is long. Every pixel is its value four times; 255 is the object.

use crate::label::{FrameSize, Mask, RunBuilder};

/// Bits of a block's length, by index.
const SIZES: [u32; 4] = [3, 4, 8, 16];
/// Longest block.
const MAX_BLOCK: u64 = 1 << 16;

/// The stream as bytes.
pub(super) fn encode(mask: &Mask) -> Vec<u8> {
    let mut bits = BitWriter::default();
    bits.push(mask.size().area() as u64 * 4, 32);
    bits.push(7, 5);
    for size in SIZES {
        bits.push(u64::from(size) - 1, 4);
    }
    for (i, &run) in mask.runs().iter().enumerate() {
        let value = if i % 2 == 1 { 255 } else { 0 };
        let mut left = u64::from(run) * 4;
        while left > 0 {
            let length = left.min(MAX_BLOCK);
            let index = SIZES.iter().position(|&size| length <= 1 << size).expect("16 bits hold every block");
            bits.push(1, 1);
            bits.push(index as u64, 2);
            bits.push(length - 1, SIZES[index]);
            bits.push(value, 8);
            left -= length;
        }
    }
    bits.finish()
}

/// The mask in a stream of a picture of this size. As Label Studio does, it takes the last of each pixel's four values.
///
/// # Errors
/// Says what is wrong with the stream.
pub(super) fn decode(bytes: &[u8], size: FrameSize) -> Result<Mask, String> {
    let mut bits = BitReader { bytes, at: 0 };
    let total = size.area() as u64 * 4;
    let found = bits.take(32)?;
    if found != total {
        return Err(format!("its runs cover {found} values, a {size} picture has {total}"));
    }
    let word = bits.take(5)? as u32 + 1;
    if word != 8 {
        return Err(format!("its values have {word} bits, not 8"));
    }
    let mut sizes = [0; 4];
    for size in &mut sizes {
        *size = bits.take(4)? as u32 + 1;
    }
    let mut runs = RunBuilder::new(size);
    let mut at = 0;
    while at < total {
        let is_run = bits.take(1)? == 1;
        let index = bits.take(2)? as usize;
        let length = (bits.take(sizes[index])? + 1).min(total - at);
        let mut left = length;
        while left > 0 {
            let value = bits.take(8)?;
            let count = if is_run { left } else { 1 };
            // Values at 3, 7, 11 … are pixels' alpha.
            runs.push(value != 0, (at + count) / 4 - at / 4);
            at += count;
            left -= count;
        }
    }
    runs.finish().map_err(|e| e.to_string())
}

#[derive(Default)]
struct BitWriter {
    bytes: Vec<u8>,
    pending: u64,
    pending_bits: u32,
}

impl BitWriter {
    fn push(&mut self, value: u64, bits: u32) {
        self.pending = self.pending << bits | value;
        self.pending_bits += bits;
        while self.pending_bits >= 8 {
            self.pending_bits -= 8;
            self.bytes.push((self.pending >> self.pending_bits) as u8);
        }
        self.pending &= (1 << self.pending_bits) - 1;
    }

    fn finish(mut self) -> Vec<u8> {
        if self.pending_bits > 0 {
            self.push(0, 8 - self.pending_bits);
        }
        self.bytes
    }
}

struct BitReader<'a> {
    bytes: &'a [u8],
    /// In bits.
    at: usize,
}

impl BitReader<'_> {
    fn take(&mut self, bits: u32) -> Result<u64, String> {
        let mut value = 0;
        for _ in 0..bits {
            let byte = self.bytes.get(self.at / 8).ok_or("its runs end early")?;
            value = value << 1 | u64::from(byte >> (7 - self.at % 8) & 1);
            self.at += 1;
        }
        Ok(value)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SIZE: FrameSize = FrameSize { width: 9, height: 5 };

    proptest! {
        #[test]
        fn masks_come_back(pixels in proptest::collection::vec(0_u8..2, 45)) {
            let mask = Mask::from_pixels(SIZE, &pixels).expect("45 pixels");
            prop_assert_eq!(decode(&encode(&mask), SIZE), Ok(mask));
        }

        #[test]
        fn foreign_bytes_are_refused_or_a_mask(mut bytes in proptest::collection::vec(any::<u8>(), 8..60)) {
            bytes[..7].copy_from_slice(&encode(&Mask::empty(SIZE))[..7]);
            if let Ok(mask) = decode(&bytes, SIZE) {
                prop_assert_eq!(mask.size(), SIZE);
            }
        }
    }

    #[test]
    fn long_runs_are_cut_into_blocks() {
        let size = FrameSize { width: 300, height: 300 };
        let mask = Mask::from_fn(size, |i| i > 40_000);
        assert_eq!(decode(&encode(&mask), size), Ok(mask));
    }

    #[test]
    fn literal_blocks_are_read() {
        // Two pixels; a literal block of eight values: 0 0 0 255, 0 0 0 0.
        let mut bits = BitWriter::default();
        for (value, count) in [(8, 32), (7, 5), (2, 4), (3, 4), (7, 4), (15, 4), (0, 1), (0, 2), (7, 3)] {
            bits.push(value, count);
        }
        [0, 0, 0, 255, 0, 0, 0, 0].into_iter().for_each(|value| bits.push(value, 8));
        let mask = decode(&bits.finish(), FrameSize { width: 2, height: 1 }).expect("sound");
        assert_eq!(mask.to_pixels(), [1, 0]);
    }

    #[test]
    fn every_cut_is_refused() {
        let bytes = encode(&Mask::from_fn(SIZE, |i| i % 3 == 0));
        for end in 0..bytes.len() {
            assert!(decode(&bytes[..end], SIZE).is_err(), "cut at {end}");
        }
        assert!(decode(&bytes, FrameSize { width: 5, height: 5 }).is_err());
    }
}
