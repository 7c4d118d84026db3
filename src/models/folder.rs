//! The folder of model files: how files in it are called, and what lies there. It reads no model and opens no network.

use std::fs::{self, File, TryLockError};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use super::error::ModelsError;
use super::registry::{Entry, Registry};
use crate::folders;

/// Endings a model file may have, in the order they are tried.
pub(super) const ENDINGS: [&str; 2] = ["safetensors", "pt"];

/// The folder of model files. It need not exist yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModelsFolder {
    path: PathBuf,
}

impl ModelsFolder {
    /// The user's.
    ///
    /// # Errors
    /// When the system has no home folder and none is set.
    pub fn of_user() -> Result<Self, ModelsError> {
        folders::models_folder().map(|path| ModelsFolder { path }).ok_or(ModelsError::NoFolder)
    }

    /// Any folder.
    pub fn at(path: impl Into<PathBuf>) -> Self {
        ModelsFolder { path: path.into() }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Where a model's download goes, and where somebody without a network puts it.
    pub fn file(&self, entry: &Entry) -> PathBuf {
        self.path.join(format!("{}.pt", entry.id))
    }

    /// The places a model of this name may lie, in the order they are tried.
    pub fn places(&self, name: &str) -> [PathBuf; 2] {
        ENDINGS.map(|ending| self.path.join(format!("{name}.{ending}")))
    }

    /// The file of this name, where there is one.
    pub fn installed(&self, name: &str) -> Option<PathBuf> {
        self.places(name).into_iter().find(|path| path.is_file())
    }

    /// Files of the user's own: models that are in the folder and not in the registry. A folder that is not there has
    /// none.
    ///
    /// # Errors
    /// When the folder cannot be read.
    pub fn own_files(&self, registry: &Registry) -> Result<Vec<PathBuf>, ModelsError> {
        let mut files = Vec::new();
        let entries = match fs::read_dir(&self.path) {
            Ok(entries) => entries,
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(files),
            Err(e) => return Err(ModelsError::io(&self.path, "read")(e)),
        };
        for entry in entries {
            let path = entry.map_err(ModelsError::io(&self.path, "read"))?.path();
            let is_model = path.extension().is_some_and(|ending| ENDINGS.iter().any(|known| ending == *known));
            let is_known = path.file_stem().and_then(|stem| stem.to_str()).is_some_and(|id| registry.get(id).is_some());
            if is_model && !is_known && path.is_file() {
                files.push(path);
            }
        }
        files.sort();
        Ok(files)
    }

    /// Whether an unfinished download of a model is here.
    pub fn has_part(&self, entry: &Entry) -> bool {
        beside(&self.file(entry), ".part").exists()
    }

    /// Removes a model's files and what is left of downloads; gives the model files that were there. What is known of
    /// its hash stays: a file that comes later must be the same.
    ///
    /// # Errors
    /// When a file cannot be removed, or it is being downloaded.
    pub fn remove(&self, entry: &Entry) -> Result<Vec<PathBuf>, ModelsError> {
        if !self.path.is_dir() {
            return Ok(Vec::new());
        }
        let file = self.file(entry);
        let lock = lock(&file)?;
        let mut removed = Vec::new();
        for path in self.places(&entry.id) {
            if remove_if_there(&path)? {
                removed.push(path);
            }
        }
        for suffix in [".part", ".part.toml"] {
            remove_if_there(&beside(&file, suffix))?;
        }
        drop(lock);
        Ok(removed)
    }
}

/// A file beside another: its whole name and a suffix.
pub(super) fn beside(file: &Path, suffix: &str) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

fn remove_if_there(path: &Path) -> Result<bool, ModelsError> {
    match fs::remove_file(path) {
        Ok(()) => Ok(true),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(e) => Err(ModelsError::io(path, "removed")(e)),
    }
}

/// Keeps others off a model file as long as it lives. The lock ends with the process; its empty file stays, since
/// taking it away could take another's lock with it.
pub(super) fn lock(file: &Path) -> Result<File, ModelsError> {
    let path = beside(file, ".lock");
    let mut options = fs::OpenOptions::new();
    let opened = options.write(true).create(true).truncate(false).open(&path);
    let opened = opened.map_err(ModelsError::io(&path, "opened"))?;
    match opened.try_lock() {
        Ok(()) => Ok(opened),
        Err(TryLockError::WouldBlock) => Err(ModelsError::Busy { path: file.to_owned() }),
        // A file system without locks: two downloads at once would only spoil each other's `.part`, which is checked.
        Err(TryLockError::Error(e)) if e.kind() == io::ErrorKind::Unsupported => Ok(opened),
        Err(TryLockError::Error(e)) => Err(ModelsError::io(&path, "locked")(e)),
    }
}

/// Writes a small file, whole or not at all.
pub(super) fn write_whole(path: &Path, text: &str) -> io::Result<()> {
    let new = beside(path, ".new");
    let mut file = File::create(&new)?;
    file.write_all(text.as_bytes())?;
    file.sync_data()?;
    drop(file);
    fs::rename(&new, path)
}

/// Makes a rename last through a power cut.
pub(super) fn sync_folder(folder: &Path) -> io::Result<()> {
    // Elsewhere folders cannot be opened, and their file systems keep renames in order.
    if cfg!(unix) { File::open(folder)?.sync_all() } else { Ok(()) }
}
