//! The command line, one file per sub-command.

pub mod device;
pub mod parity;
mod picture_folder;
