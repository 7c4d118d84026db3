//! SAM 2 and SAM 2.1 in candle.

pub mod checkpoint;
