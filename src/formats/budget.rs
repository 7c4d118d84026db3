//! A limit on how much one item of a foreign file may hold.
//!
//! Parsers keep an item in memory before anybody can judge it. Whoever drives the parser renews the budget between items.

use std::cell::Cell;
use std::io::{self, Read};
use std::rc::Rc;

/// Longest item, in bytes: run lengths of an 8K checkerboard.
const MAX_ITEM_BYTES: u64 = 64 << 20;

/// Bytes that may still be read for the current item; shared by the reader and the parser's driver.
#[derive(Debug, Clone)]
pub(super) struct Budget(Rc<Cell<u64>>);

impl Default for Budget {
    fn default() -> Self {
        Budget(Rc::new(Cell::new(MAX_ITEM_BYTES)))
    }
}

impl Budget {
    /// For what is skipped and never held.
    pub fn unlimited() -> Self {
        Budget(Rc::new(Cell::new(u64::MAX)))
    }

    /// Starts the next item.
    pub fn renew(&self) {
        self.0.set(MAX_ITEM_BYTES);
    }

    /// What follows is skipped and not held.
    pub fn lift(&self) {
        self.0.set(u64::MAX);
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
        let left = self.budget.0.get();
        if read as u64 > left {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "one item is longer than 64 MiB"));
        }
        self.budget.0.set(left - read as u64);
        Ok(read)
    }
}
