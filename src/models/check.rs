//! Whether a model file is what it claims to be: its hash, and a look by the model reader, which trusts nothing.
//!
//! Done once after a download or when a file that was put there by hand is first used, and again whenever the file has
//! changed. It reads files and remembers hashes beside them; it never changes a model file.

use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use candle_core::Device;
use sha2::{Digest, Sha256};

use super::cancel::Cancel;
use super::error::ModelsError;
use super::record::{Facts, Record, record_path};
use super::registry::{Entry, Origin};
use crate::label::hex;
use crate::sam2::Sam2;

/// Bytes hashed at once.
const CHUNK: usize = 1 << 20;

/// What vouches for a file's content.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HashStatus {
    /// Its hash is the publisher's.
    Published,
    /// Nobody says which hash it should have; it is the file first seen on this machine.
    FirstSeen,
}

impl fmt::Display for HashStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            HashStatus::Published => "verified, as published",
            HashStatus::FirstSeen => "unverified, first seen",
        })
    }
}

/// A model file that passed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckedFile {
    /// The file.
    pub path: PathBuf,
    /// Its length.
    pub bytes: u64,
    /// Its SHA-256 in lower-case hex.
    pub sha256: String,
    /// What vouches for it.
    pub status: HashStatus,
}

/// Opens a file as the model of that name and says what is wrong with it. [`confirm_model`], or a test's own.
pub type Confirm = fn(&Path, &str) -> Result<(), String>;

/// Reads the whole model: every tensor must be there, sound and in the right shape.
///
/// # Errors
/// The model reader's words, or which model it is instead.
pub fn confirm_model(path: &Path, id: &str) -> Result<(), String> {
    let model = Sam2::load(path, None, &Device::Cpu).map_err(|e| e.to_string())?;
    let name = &model.config().name;
    if name == id { Ok(()) } else { Err(format!("it is {name}")) }
}

/// What is known of a file without reading it: that it has not changed since it was checked. `None` when it has, or was
/// never checked.
///
/// # Errors
/// When its hash, taken then, is not the publisher's.
pub fn known(entry: &Entry, file: &Path) -> Result<Option<CheckedFile>, ModelsError> {
    let facts = Facts::of(file)?;
    let Some(record) = Record::read(file)?.filter(|record| record.is_about(&facts)) else { return Ok(None) };
    let status = judge_hash(entry, file, file, &record.sha256, None)?;
    Ok(Some(CheckedFile { path: file.to_owned(), bytes: facts.bytes, sha256: record.sha256, status }))
}

/// Checks an installed file before it is used: quickly when it has not changed since the last time, else all of it.
///
/// # Errors
/// When it is not the file it should be.
pub fn check_before_use(
    entry: &Entry,
    file: &Path,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<CheckedFile, ModelsError> {
    if let Some(known) = known(entry, file)? {
        return Ok(known);
    }
    verify(entry, file, confirm_model, &Cancel::default(), progress)
}

/// Checks all of an installed file, whatever is known of it. `progress` is told the bytes hashed, and all of them.
///
/// # Errors
/// When it is not the file it should be.
pub fn verify(
    entry: &Entry,
    file: &Path,
    confirm: Confirm,
    cancel: &Cancel,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<CheckedFile, ModelsError> {
    let before = Record::read(file)?;
    let (checked, facts) =
        examine(entry, file, file, before.as_ref(), confirm, cancel, progress).map_err(with_way_out)?;
    let from = before.and_then(|record| record.from);
    keep(Record::new(checked.sha256.clone(), checked.status, facts, from).write(file))?;
    Ok(checked)
}

/// In a folder that may not be written, as one shared by many users, the next use reads the file again; no more. Any other
/// failure is told: without its record a later file would pass for the one first seen.
fn keep(written: Result<(), ModelsError>) -> Result<(), ModelsError> {
    match written {
        Err(ModelsError::Io { source, .. })
            if matches!(source.kind(), io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem) =>
        {
            Ok(())
        }
        told => told,
    }
}

/// Says what to do about an installed file that is not the model.
fn with_way_out(error: ModelsError) -> ModelsError {
    match error {
        ModelsError::NotTheModel { path, id, reason } => {
            let reason = format!("{reason}\nRemove it with\n  label-hub models remove {id}\nand get it again.");
            ModelsError::NotTheModel { path, id, reason }
        }
        other => other,
    }
}

/// Hashes and opens `content`, which is or will become `file`.
pub(super) fn examine(
    entry: &Entry,
    content: &Path,
    file: &Path,
    before: Option<&Record>,
    confirm: Confirm,
    cancel: &Cancel,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<(CheckedFile, Facts), ModelsError> {
    let facts = Facts::of(content)?;
    let sha256 = hash(content, facts.bytes, cancel, progress)?;
    let status = judge_hash(entry, content, file, &sha256, before)?;
    confirm(content, &entry.id).map_err(|reason| ModelsError::NotTheModel {
        path: content.to_owned(),
        id: entry.id.clone(),
        reason,
    })?;
    Ok((CheckedFile { path: file.to_owned(), bytes: facts.bytes, sha256, status }, facts))
}

/// Compares a hash with the publisher's and with the one first seen.
fn judge_hash(
    entry: &Entry,
    content: &Path,
    file: &Path,
    found: &str,
    before: Option<&Record>,
) -> Result<HashStatus, ModelsError> {
    let differs = |expected: &str, record| ModelsError::HashDiffers {
        path: content.to_owned(),
        found: found.to_owned(),
        expected: expected.to_owned(),
        record,
    };
    // The publisher's hash is that of the `.pt`; a file converted to safetensors has one of its own.
    if let Origin::Published { sha256: Some(expected), .. } = &entry.origin
        && file.extension().is_some_and(|ending| ending == "pt")
    {
        return if expected == found { Ok(HashStatus::Published) } else { Err(differs(expected, None)) };
    }
    match before {
        Some(record) if record.sha256 != found => Err(differs(&record.sha256, Some(record_path(file)))),
        Some(_) | None => Ok(HashStatus::FirstSeen),
    }
}

fn hash(path: &Path, bytes: u64, cancel: &Cancel, progress: &mut dyn FnMut(u64, u64)) -> Result<String, ModelsError> {
    let failed = |e| ModelsError::io(path, "read")(e);
    let mut file = File::open(path).map_err(failed)?;
    let mut hasher = Sha256::new();
    let mut buffer = vec![0; CHUNK];
    let mut done = 0;
    loop {
        if cancel.is_cancelled() {
            return Err(ModelsError::Cancelled);
        }
        match file.read(&mut buffer) {
            Ok(0) => return Ok(hex(hasher.finalize())),
            Ok(count) => {
                hasher.update(&buffer[..count]);
                done += count as u64;
                progress(done, bytes);
            }
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(failed(e)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_folder_that_may_not_be_written_excuses_a_record_that_was_not_kept() {
        let cases = [
            (io::ErrorKind::PermissionDenied, true),
            (io::ErrorKind::ReadOnlyFilesystem, true),
            (io::ErrorKind::StorageFull, false),
            (io::ErrorKind::NotADirectory, false),
        ];
        for (kind, is_excused) in cases {
            let written = Err(ModelsError::io(Path::new("model.pt.seen.toml"), "written")(kind.into()));
            assert_eq!(keep(written).is_ok(), is_excused, "{kind}");
        }
    }
}
