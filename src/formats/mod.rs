//! Files other tools read and write, one Rust file per format.
