//! How a command ends: the exit codes, and the error that carries one.
//!
//! Every command returns `Result<Exit, CliError>`; `cli::main` prints an error once and turns either into the
//! process's exit code. Nothing else in the program decides on an exit code.

use std::fmt;
use std::io;

use crate::engine::EngineError;
use crate::formats::FormatError;
use crate::models::ModelsError;
use crate::sam2::Sam2Error;
use crate::sam2::checkpoint::CheckpointError;
use crate::store::StoreError;
use crate::video::VideoError;

/// The table shown by `--help`.
pub const EXIT_CODES_HELP: &str = "\
Exit codes:
    0  all done
    1  some items failed; they are listed
    2  wrong usage: arguments, prompts, or an output folder made from other inputs
    3  not in this build (for example without the `video` feature)
    4  model or device cannot be used
    5  input cannot be read, or its project cannot be opened
   75  stopped by SIGTERM; the same command goes on
  130  stopped by Ctrl-C; the same command goes on";

/// The process's exit codes; [`EXIT_CODES_HELP`] says them in words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// All done.
    Success,
    /// Some items failed and were listed.
    SomeFailed,
    /// Wrong usage.
    Usage,
    /// This build cannot do it.
    NotInBuild,
    /// Model or device.
    Model,
    /// Input unreadable, or a project that cannot be opened.
    Input,
    /// SIGTERM; the same command goes on.
    Terminated,
    /// Ctrl-C; the same command goes on.
    Interrupted,
}

impl Exit {
    /// The number the process ends with.
    pub fn code(self) -> u8 {
        match self {
            Exit::Success => 0,
            Exit::SomeFailed => 1,
            Exit::Usage => 2,
            Exit::NotInBuild => 3,
            Exit::Model => 4,
            Exit::Input => 5,
            Exit::Terminated => 75,
            Exit::Interrupted => 130,
        }
    }
}

/// Why a command ended early.
#[derive(Debug)]
pub enum CliError {
    /// To be told: what, which file, what to do next.
    Told {
        /// The exit code.
        exit: Exit,
        /// One or more lines for stderr.
        message: String,
    },
    /// Nobody reads standard output any more (`label-hub info | head -1`); there is nobody to tell.
    StdoutClosed,
}

impl CliError {
    /// An error with its exit code.
    pub fn new(exit: Exit, message: impl Into<String>) -> Self {
        CliError::Told { exit, message: message.into() }
    }

    /// Wrong usage.
    pub fn usage(message: impl Into<String>) -> Self {
        Self::new(Exit::Usage, message)
    }

    /// Input that cannot be read.
    pub fn input(message: impl Into<String>) -> Self {
        Self::new(Exit::Input, message)
    }

    /// From a failed write to standard output.
    pub fn from_stdout(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::BrokenPipe => CliError::StdoutClosed,
            _ => Self::new(Exit::SomeFailed, format!("standard output: {error}; check where it is redirected to")),
        }
    }
}

impl fmt::Display for CliError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            CliError::Told { message, .. } => f.write_str(message),
            CliError::StdoutClosed => f.write_str("standard output was closed"),
        }
    }
}

impl std::error::Error for CliError {}

impl From<anyhow::Error> for CliError {
    /// Keeps the code of an error of ours wherever it is in the chain; what is left is a file that cannot be read.
    fn from(error: anyhow::Error) -> Self {
        let message = format!("{error:#}");
        let exit = error.chain().find_map(|cause| {
            if cause.is::<CheckpointError>() {
                return Some(Exit::Model);
            }
            if cause.is::<FormatError>() {
                return Some(Exit::SomeFailed);
            }
            let sam2 = cause.downcast_ref::<Sam2Error>().map(Exit::from);
            sam2.or_else(|| cause.downcast_ref::<VideoError>().map(Exit::from))
        });
        match error.downcast::<CliError>() {
            Ok(told) => told,
            Err(_) => CliError::new(exit.unwrap_or(Exit::Input), message),
        }
    }
}

impl From<&Sam2Error> for Exit {
    fn from(error: &Sam2Error) -> Self {
        match error {
            Sam2Error::Frame { .. } => Exit::Input,
            Sam2Error::Prompt { .. } | Sam2Error::NoPrompt { .. } | Sam2Error::NoObjects => Exit::Usage,
            Sam2Error::Spill { .. } => Exit::SomeFailed,
            Sam2Error::Checkpoint(_)
            | Sam2Error::ReadConfig { .. }
            | Sam2Error::BadConfig { .. }
            | Sam2Error::UnknownModel { .. }
            | Sam2Error::BadImageSize { .. }
            | Sam2Error::Device { .. }
            | Sam2Error::Compute(_)
            | Sam2Error::NotANumber { .. } => Exit::Model,
        }
    }
}

impl From<&VideoError> for Exit {
    fn from(error: &VideoError) -> Self {
        match error {
            VideoError::NotInThisBuild { .. } => Exit::NotInBuild,
            VideoError::NoSuchStream { .. } | VideoError::NoStreams { .. } => Exit::Usage,
            _ => Exit::Input,
        }
    }
}

impl From<Sam2Error> for CliError {
    fn from(error: Sam2Error) -> Self {
        CliError::new(Exit::from(&error), error.to_string())
    }
}

impl From<VideoError> for CliError {
    fn from(error: VideoError) -> Self {
        CliError::new(Exit::from(&error), error.to_string())
    }
}

impl From<CheckpointError> for CliError {
    fn from(error: CheckpointError) -> Self {
        CliError::new(Exit::Model, error.to_string())
    }
}

impl From<ModelsError> for CliError {
    fn from(error: ModelsError) -> Self {
        let exit = match &error {
            ModelsError::Unknown { .. } | ModelsError::InProgram { .. } => Exit::Usage,
            ModelsError::Cancelled => Exit::Interrupted,
            ModelsError::NotHere { .. }
            | ModelsError::NoFolder
            | ModelsError::Busy { .. }
            | ModelsError::NoRoom { .. }
            | ModelsError::Refused { .. }
            | ModelsError::Unreachable { .. }
            | ModelsError::HashDiffers { .. }
            | ModelsError::NotTheModel { .. }
            | ModelsError::Io { .. } => Exit::Model,
        };
        CliError::new(exit, error.to_string())
    }
}

impl From<StoreError> for CliError {
    fn from(error: StoreError) -> Self {
        let exit = match &error {
            StoreError::Unknown(_)
            | StoreError::Damaged { .. }
            | StoreError::Read { .. }
            | StoreError::Open { .. }
            | StoreError::Locked { .. }
            | StoreError::Foreign { .. }
            | StoreError::Newer { .. }
            | StoreError::OtherClip { .. }
            | StoreError::OtherFrames { .. }
            | StoreError::OtherPictures { .. }
            | StoreError::Misfit { .. }
            | StoreError::NoClip { .. }
            | StoreError::Unrecoverable { .. } => Exit::Input,
            StoreError::Copy { .. } | StoreError::NotSaved { .. } => Exit::SomeFailed,
        };
        CliError::new(exit, error.to_string())
    }
}

impl From<EngineError> for CliError {
    fn from(error: EngineError) -> Self {
        let exit = match &error {
            EngineError::NoClip | EngineError::Frame { .. } => Exit::Input,
            EngineError::Prompt(_) => Exit::Usage,
            EngineError::NoModel | EngineError::Model(_) | EngineError::Inference(_) | EngineError::Panicked(_) => {
                Exit::Model
            }
        };
        CliError::new(exit, error.to_string())
    }
}

impl From<FormatError> for CliError {
    fn from(error: FormatError) -> Self {
        let exit = match &error {
            FormatError::Read { .. }
            | FormatError::Npy { .. }
            | FormatError::Png { .. }
            | FormatError::Labels { .. }
            | FormatError::Picture { .. }
            | FormatError::Unrecognised { .. }
            | FormatError::Dataset { .. } => Exit::Input,
            FormatError::Write { .. } | FormatError::SelfCheck { .. } | FormatError::Cancelled => Exit::SomeFailed,
            FormatError::Video(error) => Exit::from(error),
            FormatError::WrongSize { .. }
            | FormatError::Exists { .. }
            | FormatError::NotAnExport { .. }
            | FormatError::HoldsOther { .. }
            | FormatError::HoldsMore { .. }
            | FormatError::InTheWay { .. }
            | FormatError::HoldsClip { .. }
            | FormatError::NothingToExport
            | FormatError::TooManyObjects { .. }
            | FormatError::TooManyClasses { .. }
            | FormatError::TooComplex { .. }
            | FormatError::UnknownClass { .. }
            | FormatError::NoImport { .. } => Exit::Usage,
        };
        // The window has a button for it.
        let flag = if matches!(error, FormatError::Exists { .. }) { " (--overwrite)" } else { "" };
        CliError::new(exit, format!("{error}{flag}"))
    }
}
