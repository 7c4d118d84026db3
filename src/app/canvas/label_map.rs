//! The picture of all visible masks: for every pixel, which objects are there.
//!
//! Composed on the CPU from run lengths, span by span, whenever a mask, the visibility or the order changes; colour,
//! opacity, outline, selection and hover are the shader's and never come here. Called by the canvas systems only.

use crate::label::{FrameSize, Mask};

/// How many objects a pixel remembers. Under more, the lowest are drawn as if they ended there.
pub const MAX_DEPTH: usize = 3;
/// The highest slot a layer may have; the one above is the hover preview's.
pub const MAX_SLOT: u8 = 254;

/// One byte per pixel and level: the slot of the topmost object, below it that of the next, and so on; 0 is none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LabelMap {
    /// Columns and rows.
    pub size: FrameSize,
    /// Levels in `slots`: 1 where no two objects overlap, at most [`MAX_DEPTH`].
    pub depth: usize,
    /// `depth` planes of `height * width` bytes, the topmost first.
    pub slots: Vec<u8>,
}

impl LabelMap {
    /// Composes masks, bottom first, each with its slot (1 to [`MAX_SLOT`]). Masks of another size are left out.
    pub fn compose<'a>(size: FrameSize, masks: impl IntoIterator<Item = (u8, &'a Mask)>) -> Self {
        let mut map = LabelMap { size, depth: 1, slots: vec![0; size.area()] };
        for (slot, mask) in masks {
            debug_assert!((1..=MAX_SLOT).contains(&slot), "slot {slot}");
            if mask.size() == size {
                for (start, end) in mask.spans() {
                    map.cover(slot, start, end);
                }
            }
        }
        map
    }

    /// Lays one span on top. What was there moves one level down; where nothing was, nothing moves.
    fn cover(&mut self, slot: u8, start: usize, end: usize) {
        let area = self.size.area();
        if holds_any(&self.slots[start..end]) {
            let lowest = (self.depth - 1) * area;
            if self.depth < MAX_DEPTH && holds_any(&self.slots[lowest + start..lowest + end]) {
                self.depth += 1;
                self.slots.resize(self.depth * area, 0);
            }
            for level in (1..self.depth).rev() {
                let above = (level - 1) * area;
                self.slots.copy_within(above + start..above + end, level * area + start);
            }
        }
        self.slots[start..end].fill(slot);
    }
}

/// Without an early exit, so that the compiler uses wide registers: spans are short.
fn holds_any(bytes: &[u8]) -> bool {
    bytes.iter().fold(0, |all, byte| all | byte) != 0
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use proptest::prelude::*;

    use super::*;

    /// The same, pixel by pixel.
    fn naive(size: FrameSize, masks: &[(u8, Mask)]) -> LabelMap {
        let pixels: Vec<Vec<u8>> = masks.iter().map(|(_, mask)| mask.to_pixels()).collect();
        let stacks: Vec<Vec<u8>> = (0..size.area())
            .map(|i| masks.iter().zip(&pixels).rev().filter(|(_, p)| p[i] == 1).map(|((slot, _), _)| *slot).collect())
            .collect();
        let depth = stacks.iter().map(Vec::len).max().unwrap_or(0).clamp(1, MAX_DEPTH);
        let slots = (0..depth).flat_map(|level| stacks.iter().map(move |s| s.get(level).copied().unwrap_or(0)));
        LabelMap { size, depth, slots: slots.collect() }
    }

    proptest! {
        #[test]
        fn composing_by_spans_equals_composing_by_pixels(
            pixels in prop::collection::vec(prop::collection::vec(0_u8..2, 7 * 5), 0..6)
        ) {
            let size = FrameSize { width: 7, height: 5 };
            let masks: Vec<(u8, Mask)> = pixels
                .iter()
                .enumerate()
                .map(|(i, p)| (i as u8 * 3 + 1, Mask::from_pixels(size, p).expect("35 pixels")))
                .collect();
            let map = LabelMap::compose(size, masks.iter().map(|(slot, mask)| (*slot, mask)));
            prop_assert_eq!(map, naive(size, &masks));
        }
    }

    #[test]
    fn separate_objects_take_one_level_and_odd_sizes_are_left_out() {
        let size = FrameSize { width: 4, height: 1 };
        let left = Mask::from_pixels(size, &[1, 1, 0, 0]).expect("4 pixels");
        let right = Mask::from_pixels(size, &[0, 0, 1, 1]).expect("4 pixels");
        let other = Mask::from_fn(FrameSize { width: 2, height: 2 }, |_| true);
        let map = LabelMap::compose(size, [(1, &left), (2, &right), (3, &other)]);
        assert_eq!(map, LabelMap { size, depth: 1, slots: vec![1, 1, 2, 2] });
    }

    /// 20 discs on a 1080p frame, some of them overlapping.
    pub(crate) fn twenty_discs(size: FrameSize) -> Vec<Mask> {
        (0..20)
            .map(|i| {
                let (cx, cy) = (150.0 + f64::from(i % 7) * 270.0, 200.0 + f64::from(i / 7) * 330.0);
                let radius = 110.0 + f64::from(i) * 3.0;
                Mask::from_fn(size, |at| {
                    let (x, y) = ((at % size.width as usize) as f64, (at / size.width as usize) as f64);
                    (x - cx).powi(2) + (y - cy).powi(2) < radius * radius
                })
            })
            .collect()
    }

    /// Prints the time; a bound would fail on a busy machine. Run with `--release --nocapture` for the figure.
    #[test]
    fn twenty_objects_at_1080p_are_quick() {
        let size = FrameSize { width: 1920, height: 1080 };
        let masks = twenty_discs(size);
        let mut times: Vec<f64> = (0..41)
            .map(|_| {
                let start = Instant::now();
                let map = LabelMap::compose(size, masks.iter().enumerate().map(|(i, mask)| (i as u8 + 1, mask)));
                let elapsed = start.elapsed().as_secs_f64() * 1e3;
                assert_eq!(map.depth, 2);
                elapsed
            })
            .collect();
        times.sort_by(f64::total_cmp);
        eprintln!("label map, 20 objects at 1080p: median {:.3} ms, worst {:.3} ms", times[20], times[40]);
    }
}
