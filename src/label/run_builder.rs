//! A mask built run by run.
//!
//! Whoever makes a mask in order of its pixels makes it with this: no frame of pixels is held, and runs that do not add
//! up to the frame, as a file may claim, are refused.

use super::{FrameSize, Mask, MaskError};

/// Collects runs in row-major order; neighbours of one kind are joined.
#[derive(Debug, Clone)]
pub struct RunBuilder {
    size: FrameSize,
    runs: Vec<u32>,
    covered: u64,
}

impl RunBuilder {
    /// For a frame of this size, with no pixel added yet.
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

    /// Adds pixels of a byte each; every value but 0 is the object.
    pub fn push_pixels(&mut self, pixels: &[u8]) {
        for same in pixels.chunk_by(|a, b| (*a != 0) == (*b != 0)) {
            self.push(same[0] != 0, same.len() as u64);
        }
    }

    /// Background up to pixel `at`, which must not lie before what has been added.
    pub fn background_to(&mut self, at: u64) {
        self.push(false, at - self.covered);
    }

    /// The pixels of a mask, which lies on the next rows of the frame and is as wide.
    pub fn append(&mut self, rows: &Mask) {
        for (i, &run) in rows.runs().iter().enumerate() {
            self.push(i % 2 == 1, u64::from(run));
        }
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

#[cfg(test)]
mod tests {
    use super::*;

    const SIZE: FrameSize = FrameSize { width: 7, height: 5 };

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

    #[test]
    fn rows_are_joined_where_they_meet() {
        let rows = |height| FrameSize { width: 7, height };
        let mask = Mask::from_fn(SIZE, |i| i % 5 < 3);
        let (top, rest) = (Mask::from_fn(rows(2), |i| i % 5 < 3), Mask::from_fn(rows(3), |i| (i + 14) % 5 < 3));
        let mut runs = RunBuilder::new(SIZE);
        runs.append(&top);
        runs.append(&rest);
        assert_eq!(runs.finish(), Ok(mask));
    }
}
