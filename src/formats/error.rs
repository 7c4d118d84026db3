//! What can go wrong with a file in a known format.

use std::io;
use std::path::PathBuf;

use crate::label::FrameSize;

/// Why a file could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum FormatError {
    /// The operating system refused to read.
    #[error("{}: cannot read it ({source}); check the path and its permissions", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The operating system refused to write.
    #[error("{}: cannot write it ({source}); check free space and permissions, then run again", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Not a mask in the `.npy` format.
    #[error("{}: not a usable .npy mask: {cause}; save a 2-D array of bool, uint8 or another integer type", path.display())]
    Npy {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        cause: String,
    },
    /// Not a picture.
    #[error("{}: not a usable PNG mask: {cause}; save the mask again as PNG", path.display())]
    Png {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        cause: String,
    },
    /// A mask of another size than the frames.
    #[error("{}: the mask is {found}, the clip's frames are {expected}; make it for this clip's size", path.display())]
    WrongSize {
        /// The file.
        path: PathBuf,
        /// Width x height in the file.
        found: String,
        /// Size of the frames.
        expected: FrameSize,
    },
}
