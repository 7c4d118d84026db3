//! What can go wrong with a file in a known format.

use std::io;
use std::path::PathBuf;

use super::FormatId;
use crate::label::{FrameIdx, FrameSize};
use crate::video::VideoError;

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
    /// Something is already there, and nobody agreed to replace it.
    #[error("{}: already there; choose another folder, or allow it to be replaced", path.display())]
    Exists {
        /// The folder.
        path: PathBuf,
    },
    /// What is there is not an earlier export: replacing it could destroy anything.
    #[error("{}: holds other things than an earlier export and is not replaced; choose another folder", path.display())]
    NotAnExport {
        /// The folder.
        path: PathBuf,
    },
    /// Somebody put something into an earlier export: replacing that would lose it.
    #[error("{}: holds {entry:?}, which is no part of the earlier export, and is not replaced; move that away or choose another folder", path.display())]
    HoldsOther {
        /// The folder.
        path: PathBuf,
        /// What is in it.
        entry: String,
    },
    /// Somebody put something into the folders of an earlier export: replacing that would lose it.
    #[error("{}: holds {found} files, the earlier export wrote {written}, and is not replaced; move the others out of its folders or choose another folder", path.display())]
    HoldsMore {
        /// The folder.
        path: PathBuf,
        /// How many files are in it.
        found: u64,
        /// How many the export wrote.
        written: u64,
    },
    /// Where an unfinished export would lie there is something else.
    #[error("{}: is in the way and was not left by an export; move it away or choose another folder", path.display())]
    InTheWay {
        /// The folder.
        path: PathBuf,
    },
    /// The export would replace the clip it is made from.
    #[error("{}: the clip {} lies there; choose another folder", path.display(), clip.display())]
    HoldsClip {
        /// The folder.
        path: PathBuf,
        /// The clip.
        clip: PathBuf,
    },
    /// The user stopped it.
    #[error("stopped; nothing was left behind")]
    Cancelled,
    /// No frame meets the choice.
    #[error("no frame meets the choice of frames and objects; choose more")]
    NothingToExport,
    /// A format that counts objects in bytes.
    #[error("{clip}: {count} objects, {format} holds {limit}; choose fewer, or a format with a file per object (png)")]
    TooManyObjects {
        /// The clip.
        clip: String,
        /// The format.
        format: FormatId,
        /// How many there are.
        count: usize,
        /// How many it holds.
        limit: usize,
    },
    /// A format that counts classes in bytes.
    #[error("{count} classes, {format} holds {limit}; choose fewer, or another format (coco)")]
    TooManyClasses {
        /// The format.
        format: FormatId,
        /// How many there are.
        count: usize,
        /// How many it holds.
        limit: usize,
    },
    /// An outline with more corners than a reader could be asked to fill.
    #[error(
        "{clip}: the outline of {object:?} on frame {frame} is too complex for {format}; paint it smoother, or choose a format of masks (coco)"
    )]
    TooComplex {
        /// The clip.
        clip: String,
        /// The object.
        object: String,
        /// The frame.
        frame: FrameIdx,
        /// The format.
        format: FormatId,
    },
    /// An object's class is not in the list that was given.
    #[error(
        "object {object:?} is of class {class:?}, which is not in the list of classes; add it there or change the object's class"
    )]
    UnknownClass {
        /// The object.
        object: String,
        /// Its class.
        class: String,
    },
    /// The project could not give a mask.
    #[error("{clip}: no mask of {object:?} on frame {frame} ({cause}); track or paint that frame again")]
    Labels {
        /// The clip.
        clip: String,
        /// The object.
        object: String,
        /// The frame.
        frame: FrameIdx,
        /// What was said.
        cause: String,
    },
    /// The clip could not give a picture.
    #[error(
        "{clip}: no picture of frame {frame} ({cause}); check that the clip is in its place, or export without images"
    )]
    Picture {
        /// The clip.
        clip: String,
        /// The frame.
        frame: FrameIdx,
        /// What was said.
        cause: String,
    },
    /// A video could not be written or read back.
    #[error(transparent)]
    Video(#[from] VideoError),
    /// Reading back what was written did not give what went in.
    #[error("{}: {count} masks read back differ from the project's ({first}); the export was not kept; please report this", path.display())]
    SelfCheck {
        /// The folder.
        path: PathBuf,
        /// How many differ.
        count: u64,
        /// The first of them.
        first: String,
    },
    /// A format without a reader.
    #[error("{format} cannot be imported; choose one of the formats that can, for example coco")]
    NoImport {
        /// The format.
        format: FormatId,
    },
    /// No format fits.
    #[error("{}: not a dataset of a known format; unpack an archive first, name the format, or check the folder", path.display())]
    Unrecognised {
        /// The file or folder.
        path: PathBuf,
    },
    /// A dataset of the right format, but broken as a whole.
    #[error("{}: not a usable {format} dataset: {cause}", path.display())]
    Dataset {
        /// The file or folder.
        path: PathBuf,
        /// The format.
        format: FormatId,
        /// What is wrong and what to do.
        cause: String,
    },
}

impl FormatError {
    /// Turns a system error on reading `path` into ours.
    pub(super) fn reading(path: &std::path::Path) -> impl FnOnce(io::Error) -> FormatError + '_ {
        move |source| FormatError::Read { path: path.to_path_buf(), source }
    }

    /// Turns a system error on writing `path` into ours.
    pub(super) fn writing(path: &std::path::Path) -> impl FnOnce(io::Error) -> FormatError + '_ {
        move |source| FormatError::Write { path: path.to_path_buf(), source }
    }
}
