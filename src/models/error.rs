//! What can go wrong with getting and keeping models, said so that somebody without a network knows what to do too.

use std::io;
use std::path::{Path, PathBuf};

/// Errors of the `models` room.
#[derive(Debug, thiserror::Error)]
pub enum ModelsError {
    /// No such name in the registry.
    #[error("{name}: no model of this name is known; there are {known}")]
    Unknown {
        /// As given.
        name: String,
        /// All names.
        known: String,
    },
    /// Asked for what makes no sense for a model in the program.
    #[error("{name} ships in the program ({note}); there is no file to {action}")]
    InProgram {
        /// The model.
        name: String,
        /// What is said wherever it is shown.
        note: &'static str,
        /// "get", "verify" or "remove".
        action: &'static str,
    },
    /// A model that is not on this machine.
    #[error("{name}: no such model here; looked for{looked_for}\n{way_out}")]
    NotHere {
        /// As given.
        name: String,
        /// One line per place.
        looked_for: String,
        /// How to get it.
        way_out: String,
    },
    /// No folder for models is known.
    #[error(
        "no folder for models is known, since the system has no home folder; set {}",
        crate::folders::HOME_VARIABLE
    )]
    NoFolder,
    /// Somebody else is at the same file.
    #[error("{}: another download of this file is running; wait for it, or end that program", path.display())]
    Busy {
        /// The model file.
        path: PathBuf,
    },
    /// The disk is too full.
    #[error(
        "{}: {} MB are needed and {} MB are free; make room there, or set {} to a folder on another disk",
        path.display(), needed.div_ceil(1_000_000), free / 1_000_000, crate::folders::HOME_VARIABLE
    )]
    NoRoom {
        /// The folder.
        path: PathBuf,
        /// Bytes still to come.
        needed: u64,
        /// Bytes free.
        free: u64,
    },
    /// The server's answer is no model; asking again would not help.
    #[error("{address}: {reason}.\n{}", by_hand(address, file))]
    Refused {
        /// Where it was asked for.
        address: String,
        /// What came instead.
        reason: String,
        /// Where the file would lie.
        file: PathBuf,
    },
    /// The network failed too often.
    #[error(
        "{address}: {reason}; gave up after {attempts} attempts.\nThe same command goes on from what is there. {}",
        by_hand(address, file)
    )]
    Unreachable {
        /// Where it was asked for.
        address: String,
        /// What went wrong last.
        reason: String,
        /// How often it was tried.
        attempts: u32,
        /// Where the file would lie.
        file: PathBuf,
    },
    /// Somebody asked to stop.
    #[error("stopped; asking again goes on from what is there")]
    Cancelled,
    /// Other content than published, or than was first seen.
    #[error(
        "{}: its SHA-256 is {found}, {}", path.display(),
        match record {
            None => format!("the publisher's is {expected}. It is damaged or not the real one, and is not used"),
            Some(record) => format!(
                "the one first seen here was {expected}. It is damaged or was replaced, and is not used. \
                 If the new one is the right one, remove {} and try again", record.display()
            ),
        }
    )]
    HashDiffers {
        /// The file, or the address it came from.
        path: PathBuf,
        /// Its hash.
        found: String,
        /// The hash it should have.
        expected: String,
        /// What remembers the hash first seen; `None` when the publisher says it.
        record: Option<PathBuf>,
    },
    /// The file holds another model, or none.
    #[error("{}: this is not {id}, or it is damaged: {reason}", path.display())]
    NotTheModel {
        /// The file, or the address it came from.
        path: PathBuf,
        /// What it should be.
        id: String,
        /// The model reader's words.
        reason: String,
    },
    /// The operating system refused.
    #[error("{}: cannot be {action} ({source}); check the folder, its permissions and the disk", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// "read", "written" and so on.
        action: &'static str,
        /// What the system said.
        source: io::Error,
    },
}

impl ModelsError {
    /// [`ModelsError::Io`] for use with `map_err`.
    pub(super) fn io(path: &Path, action: &'static str) -> impl FnOnce(io::Error) -> ModelsError {
        let path = path.to_owned();
        move |source| ModelsError::Io { path, action, source }
    }
}

/// The way for a machine without a network.
pub(super) fn by_hand(address: &str, file: &Path) -> String {
    format!("Without a network: download {address} on another machine and put the file here: {}", file.display())
}
