//! The unfinished file of a download, `NAME.part`, and the note beside it that says what it is a part of: without the
//! same address and a strong ETag nothing is ever added to it.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::super::folder::{beside, write_whole};

/// An unfinished download.
#[derive(Debug)]
pub struct Part {
    path: PathBuf,
    notes: PathBuf,
}

/// What the part is a part of.
#[derive(Debug, Serialize, Deserialize)]
struct Notes {
    address: String,
    etag: String,
    total: u64,
}

/// The beginning of a file that can be gone on with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Held {
    /// Bytes that are there.
    pub bytes: u64,
    /// The whole file's length.
    pub total: u64,
    /// The server's mark of this version of the file.
    pub etag: String,
}

impl Part {
    /// The part of a model file.
    pub fn of(file: &Path) -> Self {
        Part { path: beside(file, ".part"), notes: beside(file, ".part.toml") }
    }

    /// Where it lies.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What is there of the file at `address`; `None` when it has to begin anew.
    pub fn held(&self, address: &str) -> io::Result<Option<Held>> {
        let text = match fs::read_to_string(&self.notes) {
            Ok(text) => text,
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(e) => return Err(e),
        };
        // A note that makes no sense was cut off by a crash; what it stood for begins anew.
        let Ok(Notes { address: of, etag, total }) = toml::from_str(&text) else { return Ok(None) };
        let bytes = match fs::metadata(&self.path) {
            Ok(facts) => facts.len(),
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(e) => return Err(e),
        };
        let fits = of == address && (1..=total).contains(&bytes);
        Ok(fits.then_some(Held { bytes, total, etag }))
    }

    /// Begins anew. Without a strong ETag and a length nothing is noted, so that nobody goes on with it.
    pub fn begin(&self, address: &str, etag: Option<&str>, total: Option<u64>) -> io::Result<File> {
        self.clear()?;
        let file = File::create(&self.path)?;
        if let (Some(etag), Some(total)) = (etag, total) {
            let notes = Notes { address: address.to_owned(), etag: etag.to_owned(), total };
            write_whole(&self.notes, &toml::to_string(&notes).expect("strings and numbers"))?;
        }
        Ok(file)
    }

    /// Goes on at the end.
    pub fn resume(&self) -> io::Result<File> {
        OpenOptions::new().append(true).open(&self.path)
    }

    /// Removes it and its note, the note first: a part without one is never gone on with.
    pub fn clear(&self) -> io::Result<()> {
        self.forget()?;
        remove(&self.path)
    }

    /// Removes the note, when the part has become the file.
    pub fn forget(&self) -> io::Result<()> {
        remove(&self.notes)
    }
}

fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => Err(e),
        Ok(()) | Err(_) => Ok(()),
    }
}
