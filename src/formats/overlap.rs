//! Masks for formats that hold one object per pixel: where masks overlap, the lowest number has the pixel.
//!
//! The same rule as in SAM 2's own tools.

use crate::label::{FrameSize, Mask};

/// Masks that share no pixel.
pub(super) struct Apart {
    /// As given, less what lower numbers have.
    pub masks: Vec<Option<Mask>>,
    /// One value per pixel, row-major: the position in `masks` plus 1, 0 where there is none.
    pub label_map: Vec<u16>,
    /// Pixels that were in more than one mask.
    pub overlap_pixels: u64,
}

/// Gives each pixel to the first of the masks that has it. All have the size of the frame; at most 65 535.
pub(super) fn without_overlap(size: FrameSize, masks: &[Option<Mask>]) -> Apart {
    let mut label_map = vec![0_u16; size.area()];
    let mut overlap_pixels = 0;
    let mut is_shared = vec![false; 0];
    for (value, mask) in (1_u16..).zip(masks) {
        for (start, end) in mask.iter().flat_map(Mask::spans) {
            for pixel in start..end {
                if label_map[pixel] == 0 {
                    label_map[pixel] = value;
                } else {
                    if is_shared.is_empty() {
                        is_shared.resize(size.area(), false);
                    }
                    overlap_pixels += u64::from(!std::mem::replace(&mut is_shared[pixel], true));
                }
            }
        }
    }
    let apart = |(value, mask): (u16, &Option<Mask>)| match mask {
        Some(mask) if overlap_pixels == 0 => Some(mask.clone()),
        Some(_) => Some(Mask::from_fn(size, |i| label_map[i] == value)),
        None => None,
    };
    let masks = (1_u16..).zip(masks).map(apart).collect();
    Apart { masks, label_map, overlap_pixels }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lowest_number_has_shared_pixels() {
        let size = FrameSize { width: 4, height: 1 };
        let mask = |pixels: [u8; 4]| Some(Mask::from_pixels(size, &pixels).expect("four pixels"));
        let apart = without_overlap(size, &[mask([0, 1, 1, 0]), None, mask([1, 1, 0, 0]), mask([1, 1, 1, 1])]);
        assert_eq!(apart.label_map, [3, 1, 1, 4]);
        assert_eq!(apart.masks, [mask([0, 1, 1, 0]), None, mask([1, 0, 0, 0]), mask([0, 0, 0, 1])]);
        assert_eq!(apart.overlap_pixels, 3);
    }
}
