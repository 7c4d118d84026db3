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

/// Bytes that may still be read for the current item; shared by the reader and the parser's driver.
#[derive(Debug, Clone)]
pub(super) struct Budget {
    left: Rc<Cell<u64>>,
    limit: u64,
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
        Budget { left: Rc::new(Cell::new(limit)), limit }
    }

    /// For what is skipped and never held.
    pub fn unlimited() -> Self {
        Budget { left: Rc::new(Cell::new(u64::MAX)), limit: u64::MAX }
    }

    /// Starts the next item.
    pub fn renew(&self) {
        self.left.set(self.limit);
    }

    /// What follows is skipped and not held.
    pub fn lift(&self) {
        self.left.set(u64::MAX);
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
        let left = self.budget.left.get();
        if read as u64 > left {
            let cause = format!("one item is longer than {} MiB", self.budget.limit >> 20);
            return Err(io::Error::new(io::ErrorKind::InvalidData, cause));
        }
        self.budget.left.set(left - read as u64);
        Ok(read)
    }
}
