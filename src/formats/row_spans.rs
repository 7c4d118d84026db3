//! Pieces of rows, gathered while a polygon is filled.
//!
//! Only the rows a polygon touches are held, and what it costs is counted: a short text can describe a polygon that
//! crosses every row of a frame a hundred thousand times.

use std::ops::Range;

use crate::label::{FrameSize, Mask, RunBuilder};

/// Row crossings and edge pieces of one polygon; more than any drawn by hand or traced has, few enough for a quarter of a
/// gigabyte and a second.
const MAX_PIECES: usize = 1 << 24;

/// Pieces of rows, in any order, overlapping or not.
pub(super) struct RowSpans {
    rows: Range<usize>,
    /// By row from the first: columns `[start, end)`.
    spans: Vec<Vec<(u64, u64)>>,
    count: usize,
}

impl RowSpans {
    /// For a polygon that touches these rows of the frame.
    pub fn new(rows: Range<usize>) -> Self {
        let spans = vec![Vec::new(); rows.len()];
        RowSpans { rows, spans, count: 0 }
    }

    /// Counts a piece that is about to be held.
    ///
    /// # Errors
    /// When there are too many.
    pub fn count(&mut self) -> Result<(), String> {
        self.count += 1;
        if self.count > MAX_PIECES { Err("a polygon has too many corners".to_owned()) } else { Ok(()) }
    }

    /// Adds columns `[start, end)` of a row of the polygon; nothing where they are none.
    pub fn add(&mut self, row: usize, start: u64, end: u64) {
        if start < end {
            self.spans[row - self.rows.start].push((start, end));
        }
    }

    /// Calls `take` with every row and columns of it, from top and left, without overlaps.
    pub fn for_each(self, mut take: impl FnMut(usize, u64, u64)) {
        for (row, mut spans) in self.rows.zip(self.spans) {
            spans.sort_unstable();
            let mut at = 0;
            for (start, end) in spans {
                if end > at {
                    take(row, start.max(at), end);
                    at = end;
                }
            }
        }
    }

    /// The mask of a frame that holds all rows and columns.
    pub fn into_mask(self, size: FrameSize) -> Mask {
        let mut runs = RunBuilder::new(size);
        self.for_each(|row, start, end| {
            runs.background_to(row as u64 * u64::from(size.width) + start);
            runs.push(true, end - start);
        });
        runs.background_to(size.area() as u64);
        runs.finish().expect("spans lie inside their rows")
    }
}
