//! What is remembered of a model file: the hash it had when it was first seen, in a small TOML beside it.
//!
//! The published checkpoints come without hashes. So the first file stands, unverified but for being the model it
//! claims to be, and every later one must be the same. It also remembers length and time of the file, so that one which
//! has not changed need not be read whole before every use.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use serde::{Deserialize, Serialize};

use super::check::HashStatus;
use super::error::ModelsError;
use super::folder::{beside, write_whole};

const HEADING: &str =
    "# Written by Label Hub. The hash this model file had when it was first seen here; later files must have it too.\n";

/// What is remembered of a model file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Record {
    pub sha256: String,
    /// In words, for whoever looks into it.
    pub status: String,
    #[serde(flatten)]
    pub facts: Facts,
    /// The address it came from; absent when it was put there by hand.
    pub from: Option<String>,
}

/// What shows that a file has not changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Facts {
    pub bytes: u64,
    /// Seconds and nanoseconds since 1970; empty where the file system does not say.
    pub modified: String,
}

impl Facts {
    /// Of a file that is there.
    pub fn of(file: &Path) -> Result<Facts, ModelsError> {
        let facts = fs::metadata(file).map_err(ModelsError::io(file, "read"))?;
        let since = facts.modified().ok().and_then(|time| time.duration_since(UNIX_EPOCH).ok());
        let modified = since.map_or_else(String::new, |t| format!("{}.{:09}", t.as_secs(), t.subsec_nanos()));
        Ok(Facts { bytes: facts.len(), modified })
    }
}

/// Where the record of a model file lies.
pub(super) fn record_path(file: &Path) -> PathBuf {
    beside(file, ".seen.toml")
}

impl Record {
    pub fn new(sha256: String, status: HashStatus, facts: Facts, from: Option<String>) -> Self {
        Record { sha256, status: status.to_string(), facts, from }
    }

    /// The record of a model file; `None` when it was never seen.
    pub fn read(file: &Path) -> Result<Option<Record>, ModelsError> {
        let path = record_path(file);
        let text = match fs::read_to_string(&path) {
            Ok(text) => text,
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(e) => return Err(ModelsError::io(&path, "read")(e)),
        };
        let unsound = |e: toml::de::Error| io::Error::new(io::ErrorKind::InvalidData, e.message().to_owned());
        toml::from_str(&text).map(Some).map_err(|e| ModelsError::io(&path, "understood")(unsound(e)))
    }

    /// Keeps it beside `file`.
    pub fn write(&self, file: &Path) -> Result<(), ModelsError> {
        let path = record_path(file);
        let text = toml::to_string(self).expect("strings and numbers");
        write_whole(&path, &format!("{HEADING}{text}")).map_err(ModelsError::io(&path, "written"))
    }

    /// Whether the file is as it was when its hash was taken, as far as length and time tell.
    pub fn is_about(&self, facts: &Facts) -> bool {
        self.facts == *facts && !facts.modified.is_empty()
    }
}
