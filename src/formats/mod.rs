//! Files other tools read and write, one Rust file per format.
//!
//! Everything read here may come from anywhere: sizes are checked before memory is asked for them, and an error names
//! the file, what is wrong and a way on. Everything written appears under its name only when it is whole.

mod atomic;
mod error;
pub mod mask_png;
pub mod npy;

pub use atomic::write_atomically;
pub use error::FormatError;
