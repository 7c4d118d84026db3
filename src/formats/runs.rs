//! Masks built run by run, and the rectangle of pixels around an object.
//!
//! Every format has its own order of pixels; these two keep the readers from holding more than one frame of them.

use crate::label::{FrameSize, Mask, MaskError};

/// Collects runs in row-major order; neighbours of one kind are joined.
pub(super) struct RunBuilder {
    size: FrameSize,
    runs: Vec<u32>,
    covered: u64,
}

impl RunBuilder {
    pub fn new(size: FrameSize) -> Self {
        RunBuilder { size, runs: vec![0], covered: 0 }
    }

    /// Adds pixels. Those past the frame's end are counted, and refused by [`finish`](Self::finish).
    pub fn push(&mut self, is_object: bool, length: u64) {
        self.covered = self.covered.saturating_add(length);
        if length == 0 || self.covered > self.size.area() as u64 {
            return;
        }
        let length = u32::try_from(length).expect("no longer than the frame");
        // An odd number of runs ends with background.
        if is_object == self.runs.len().is_multiple_of(2) {
            *self.runs.last_mut().expect("starts with one run") += length;
        } else {
            self.runs.push(length);
        }
    }

    /// Background up to pixel `at`, which must not lie before what has been added.
    pub fn background_to(&mut self, at: u64) {
        self.push(false, at - self.covered);
    }

    /// The mask.
    ///
    /// # Errors
    /// When the runs do not cover the frame exactly.
    pub fn finish(self) -> Result<Mask, MaskError> {
        let expected = self.size.area() as u64;
        if self.covered != expected {
            return Err(MaskError::WrongTotal { size: self.size, covered: self.covered, expected });
        }
        Mask::from_runs(self.size, self.runs)
    }
}

/// A rectangle of a mask, one byte a pixel, row-major; every value but 0 is the object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Crop {
    /// Left column in the frame.
    pub x: u32,
    /// Top row in the frame.
    pub y: u32,
    /// Columns.
    pub width: u32,
    /// Rows.
    pub height: u32,
    /// `height * width` bytes.
    pub pixels: Vec<u8>,
}

impl Crop {
    /// The smallest rectangle around the object; `None` when there is none.
    pub fn around(mask: &Mask) -> Option<Crop> {
        let found = mask.bounding_box()?;
        let (width, height) = (found.x1 - found.x0, found.y1 - found.y0);
        let mut crop = Crop { x: found.x0, y: found.y0, width, height, pixels: Vec::new() };
        crop.pixels = vec![0; width as usize * height as usize];
        for (row, x0, x1) in row_spans(mask) {
            let start = (row - crop.y) as usize * width as usize;
            crop.pixels[start + (x0 - crop.x) as usize..start + (x1 - crop.x) as usize].fill(1);
        }
        Some(crop)
    }

    /// The mask with this rectangle in an empty frame.
    ///
    /// # Errors
    /// When the rectangle does not lie inside the frame, or the number of pixels is not its area.
    pub fn to_mask(&self, size: FrameSize) -> Result<Mask, String> {
        let (right, bottom) = (u64::from(self.x) + u64::from(self.width), u64::from(self.y) + u64::from(self.height));
        if right > u64::from(size.width) || bottom > u64::from(size.height) {
            return Err(format!("its rectangle reaches to {right}, {bottom}, outside the {size} frame"));
        }
        if self.pixels.len() as u64 != u64::from(self.width) * u64::from(self.height) {
            return Err(format!("{} pixels fill no {}x{} rectangle", self.pixels.len(), self.width, self.height));
        }
        let mut runs = RunBuilder::new(size);
        for (row, pixels) in self.pixels.chunks(self.width.max(1) as usize).enumerate() {
            runs.background_to((u64::from(self.y) + row as u64) * u64::from(size.width) + u64::from(self.x));
            for same in pixels.chunk_by(|a, b| (*a != 0) == (*b != 0)) {
                runs.push(same[0] != 0, same.len() as u64);
            }
        }
        runs.background_to(size.area() as u64);
        runs.finish().map_err(|e| e.to_string())
    }
}

/// The mask's runs cut at row ends: row, first column, one past the last column.
pub(super) fn row_spans(mask: &Mask) -> impl Iterator<Item = (u32, u32, u32)> + '_ {
    let width = mask.size().width as usize;
    mask.spans().flat_map(move |(start, end)| {
        (start / width..=(end - 1) / width).map(move |row| {
            let (from, to) = (start.max(row * width), end.min((row + 1) * width));
            (row as u32, (from - row * width) as u32, (to - row * width) as u32)
        })
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SIZE: FrameSize = FrameSize { width: 7, height: 5 };

    proptest! {
        #[test]
        fn crops_come_back_as_the_mask(pixels in proptest::collection::vec(0_u8..2, 35)) {
            let mask = Mask::from_pixels(SIZE, &pixels).expect("35 pixels");
            match Crop::around(&mask) {
                Some(crop) => {
                    prop_assert_eq!(crop.pixels.iter().map(|&p| u64::from(p)).sum::<u64>(), mask.area());
                    prop_assert_eq!(crop.to_mask(SIZE), Ok(mask));
                }
                None => prop_assert!(mask.is_empty()),
            }
        }
    }

    #[test]
    fn rectangles_outside_the_frame_are_refused() {
        let crop = |x, y, width, height, pixels| Crop { x, y, width, height, pixels: vec![1; pixels] };
        assert!(crop(5, 0, 3, 1, 3).to_mask(SIZE).is_err());
        assert!(crop(u32::MAX, 0, 2, 1, 2).to_mask(SIZE).is_err());
        assert!(crop(0, 0, 2, 2, 3).to_mask(SIZE).is_err());
        assert!(crop(0, 0, 7, 5, 35).to_mask(SIZE).is_ok());
        assert!(crop(7, 5, 0, 0, 0).to_mask(SIZE).is_ok_and(|mask| mask.is_empty()));
    }

    #[test]
    fn runs_must_cover_the_frame() {
        let mut short = RunBuilder::new(SIZE);
        short.push(true, 34);
        assert!(short.finish().is_err());
        let mut long = RunBuilder::new(SIZE);
        long.push(true, u64::MAX);
        long.push(true, u64::MAX);
        assert!(long.finish().is_err());
    }
}
