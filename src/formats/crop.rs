//! The rectangle of pixels around an object, and a mask's runs cut at row ends: what formats with an order of pixels of
//! their own write from, and read into.

use crate::label::{FrameSize, Mask, RunBuilder};

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
            runs.push_pixels(pixels);
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
}
