//! A limit on how much one item of a foreign file may hold.
//!
//! Parsers keep an item in memory before anybody can judge it. Whoever drives the parser renews the budget between items.

use std::cell::Cell;
use std::io::{self, Read};
use std::rc::Rc;

use super::FormatId;

/// Longest item in most formats: run lengths of an 8K checkerboard.
const MAX_MASK_BYTES: u64 = 64 << 20;
/// Longest item where it holds one object's masks on all frames.
const MAX_TRACK_BYTES: u64 = 1 << 30;
/// Longest item where it holds a whole frame's masks, with every byte spelled out as a number.
const MAX_TASK_BYTES: u64 = 256 << 20;

/// Values of one item, whatever its length: two bytes of text, `0,`, become thirty bytes in memory.
const MAX_VALUES: u64 = 1 << 24;
/// Bytes for each value that an item may have. Runs of masks are longer, or their numbers more.
const BYTES_PER_VALUE: u64 = 16;

/// What may still be read for the current item; shared by the reader and the parser's driver.
#[derive(Debug, Clone)]
pub(super) struct Budget {
    bytes_left: Rc<Cell<u64>>,
    values_left: Rc<Cell<u64>>,
    max_bytes: u64,
    max_values: u64,
}

impl Budget {
    /// What one item of a format may hold.
    pub fn of(format: FormatId) -> Self {
        let limit = match format {
            FormatId::YtVis => MAX_TRACK_BYTES,
            FormatId::LabelStudio => MAX_TASK_BYTES,
            FormatId::Npy
            | FormatId::NpyStack
            | FormatId::Davis
            | FormatId::Png
            | FormatId::Coco
            | FormatId::YtVos
            | FormatId::Sav
            | FormatId::Yolo
            | FormatId::Mots
            | FormatId::CvatImages
            | FormatId::CvatVideo
            | FormatId::Datumaro
            | FormatId::Labelme
            | FormatId::Overlay => MAX_MASK_BYTES,
        };
        Budget::with_limits(limit, MAX_VALUES.min(limit / BYTES_PER_VALUE))
    }

    /// For what is skipped and never held.
    pub fn unlimited() -> Self {
        Budget::with_limits(u64::MAX, u64::MAX)
    }

    fn with_limits(bytes: u64, values: u64) -> Self {
        let left = |limit| Rc::new(Cell::new(limit));
        Budget { bytes_left: left(bytes), values_left: left(values), max_bytes: bytes, max_values: values }
    }

    /// Starts the next item.
    pub fn renew(&self) {
        self.bytes_left.set(self.max_bytes);
        self.values_left.set(self.max_values);
    }

    /// What follows is skipped and not held.
    pub fn lift(&self) {
        self.bytes_left.set(u64::MAX);
        self.values_left.set(u64::MAX);
    }

    /// Takes note of values that a parser is about to hold.
    pub fn count_values(&self, count: u64) -> io::Result<()> {
        let left = self.values_left.get().checked_sub(count);
        let too_many =
            || io::Error::new(io::ErrorKind::InvalidData, format!("one item has more than {} values", self.max_values));
        self.values_left.set(left.ok_or_else(too_many)?);
        Ok(())
    }
}

/// Fails when more is read than the budget allows.
pub(super) struct Budgeted<R> {
    inner: R,
    budget: Budget,
}

impl<R> Budgeted<R> {
    pub fn new(inner: R, budget: Budget) -> Self {
        Budgeted { inner, budget }
    }
}

impl<R: Read> Read for Budgeted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        let left = self.budget.bytes_left.get();
        if read as u64 > left {
            let cause = format!("one item is longer than {} MiB", self.budget.max_bytes >> 20);
            return Err(io::Error::new(io::ErrorKind::InvalidData, cause));
        }
        self.budget.bytes_left.set(left - read as u64);
        Ok(read)
    }
}
