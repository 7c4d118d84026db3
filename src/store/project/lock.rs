//! One program at a time: a locked file beside the project, with the holder's computer and process in it.
//!
//! The operating system ends the lock with the process, so a lock file left by a crash holds nobody off.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::path::{Path, PathBuf};

use super::{filesystem, paths};
use crate::store::StoreError;

/// Attempts against a holder that takes its lock file away at the same moment.
const ATTEMPTS: usize = 10;

/// A held lock; let go, and its file taken away, when it is dropped.
#[derive(Debug)]
pub struct ProjectLock {
    path: PathBuf,
    /// Holds the lock while it is open.
    _file: File,
}

/// How taking the lock went when nobody else has it.
#[derive(Debug)]
pub enum Taken {
    /// It is ours.
    Held(ProjectLock),
    /// The folder cannot be written, so there can be no lock, and no other writer either.
    ReadOnlyFolder,
    /// The project could be written, but somebody else's lock file is there and must not be opened.
    Barred(io::Error),
    /// This file system has no locks. The text says so.
    NoLocks(io::Error),
}

/// `NAME.labelhub.lock`.
pub fn lock_path(project: &Path) -> PathBuf {
    paths::with_suffix(project, "lock")
}

impl ProjectLock {
    /// Takes the lock of a project, given by its canonical path.
    ///
    /// # Errors
    /// [`StoreError::Locked`] when somebody else has it.
    pub fn take(project: &Path) -> Result<Taken, StoreError> {
        let path = lock_path(project);
        if project.parent().is_some_and(filesystem::is_protected_folder) {
            return Self::look(project, &path, &io::ErrorKind::PermissionDenied.into());
        }
        for _ in 0..ATTEMPTS {
            let mut options = OpenOptions::new();
            let mut file = match options.read(true).write(true).create(true).truncate(false).open(&path) {
                Ok(file) => file,
                Err(error) if error.kind() == io::ErrorKind::PermissionDenied && is_writable(project) => {
                    // Left by a crash of somebody else's program. To be locked it need not be written.
                    match File::open(&path) {
                        Ok(file) => file,
                        Err(error) => return Ok(Taken::Barred(error)),
                    }
                }
                Err(error) => return Self::look(project, &path, &error),
            };
            match file.try_lock() {
                Ok(()) => {}
                Err(TryLockError::WouldBlock) => return Err(locked(project, &mut file)),
                Err(TryLockError::Error(error)) => return Ok(Taken::NoLocks(error)),
            }
            // The holder before us may have taken the file away between our opening and our locking it.
            if is_same_file(&file, &path) {
                // Only a help for whoever finds the project locked; the lock holds without it.
                write_holder(&mut file).ok();
                return Ok(Taken::Held(ProjectLock { path, _file: file }));
            }
        }
        Err(StoreError::Locked { path: project.to_owned(), host: "unknown".to_owned(), pid: 0 })
    }

    /// Where no lock file can be made: refuses all the same when there is one and it is locked.
    fn look(project: &Path, path: &Path, error: &io::Error) -> Result<Taken, StoreError> {
        if let Ok(mut file) = File::open(path)
            && let Err(TryLockError::WouldBlock) = file.try_lock_shared()
        {
            return Err(locked(project, &mut file));
        }
        match error.kind() {
            io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => Ok(Taken::ReadOnlyFolder),
            _ => Err(StoreError::Open { path: project.to_owned(), cause: format!("its lock: {error}") }),
        }
    }
}

impl Drop for ProjectLock {
    fn drop(&mut self) {
        // Still locked here, so nobody else's file is taken away. One that stays behind does no harm.
        fs::remove_file(&self.path).ok();
    }
}

fn is_writable(project: &Path) -> bool {
    matches!(filesystem::write_protection(project), Ok(None))
}

fn write_holder(file: &mut File) -> io::Result<()> {
    file.set_len(0)?;
    file.rewind()?;
    writeln!(file, "{}\n{}", host_name(), std::process::id())
}

fn locked(project: &Path, file: &mut File) -> StoreError {
    let mut text = String::new();
    // Where locks keep readers off, or the holder is just writing, the holder stays unknown.
    let is_read = file.take(1024).read_to_string(&mut text).is_ok();
    let mut lines = text.lines().filter(|_| is_read);
    let host = lines.next().filter(|line| !line.is_empty()).unwrap_or("unknown").to_owned();
    let pid = lines.next().and_then(|line| line.parse().ok()).unwrap_or(0);
    StoreError::Locked { path: project.to_owned(), host, pid }
}

fn host_name() -> String {
    let from_system = fs::read_to_string("/proc/sys/kernel/hostname").or_else(|_| fs::read_to_string("/etc/hostname"));
    let name = from_system.ok().or_else(|| std::env::var("COMPUTERNAME").ok());
    name.or_else(|| std::env::var("HOSTNAME").ok()).map_or_else(|| "unknown".to_owned(), |name| name.trim().to_owned())
}

#[cfg(unix)]
fn is_same_file(file: &File, path: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    let id = |facts: fs::Metadata| (facts.dev(), facts.ino());
    matches!((file.metadata(), fs::metadata(path)), (Ok(ours), Ok(there)) if id(ours.clone()) == id(there.clone()))
}

/// Elsewhere an open file keeps its name.
#[cfg(not(unix))]
fn is_same_file(_file: &File, path: &Path) -> bool {
    path.exists()
}
