//! The folder an export appears in, whole or not at all.
//!
//! Everything is written to `FOLDER.part`, synced and renamed at the end. What lies there already is replaced only with
//! consent, and only when it is an earlier export into which nobody has put anything. A `.part` of a broken export is
//! always replaced; one that no export made is not touched.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use super::FormatError;
use super::manifest::Manifest;

/// How the folder's name ends until it is whole.
const PART: &str = ".part";
/// Lies in a folder that an export is writing.
const MARK: &str = "labelhub-unfinished";

/// A folder being written.
#[derive(Debug)]
pub(super) struct ExportFolder {
    target: PathBuf,
    part: PathBuf,
}

impl ExportFolder {
    /// Makes `TARGET.part`, after checking that the target may be written.
    pub fn begin(target: &Path, clips: &[PathBuf], overwrite: bool) -> Result<Self, FormatError> {
        check_target(target, clips, overwrite)?;
        let part = with_suffix(target, PART);
        if is_there(&part)? {
            remove(&part).map_err(FormatError::writing(&part))?;
        }
        fs::create_dir_all(&part).map_err(FormatError::writing(&part))?;
        let mark = part.join(MARK);
        File::create(&mark).map_err(FormatError::writing(&mark))?;
        Ok(ExportFolder { target: target.to_owned(), part })
    }

    /// Where to write.
    pub fn part(&self) -> &Path {
        &self.part
    }

    /// What has been written directly into the folder so far, by name.
    pub fn entries(&self) -> Result<Vec<String>, FormatError> {
        let mut names = names_in(&self.part)?;
        names.retain(|name| name != MARK);
        Ok(names)
    }

    /// How many files have been written so far, those in folders included.
    pub fn file_count(&self) -> Result<u64, FormatError> {
        Ok(files_below(&self.part)? - 1) // the mark
    }

    /// Puts the whole export under its name. The answer is a note on what could not be cleaned up, if anything.
    pub fn finish(&self) -> Result<Option<String>, FormatError> {
        sync_all(&self.part).map_err(FormatError::writing(&self.part))?;
        let mark = self.part.join(MARK);
        fs::remove_file(&mark).map_err(FormatError::writing(&mark))?;
        let fault = |source| FormatError::Write { path: self.target.clone(), source };
        if !is_there(&self.target)? {
            fs::rename(&self.part, &self.target).map_err(fault)?;
        } else if is_empty_folder(&self.target) {
            fs::remove_dir(&self.target).and_then(|()| fs::rename(&self.part, &self.target)).map_err(fault)?;
        } else {
            let old = free_name(&self.target)?;
            fs::rename(&self.target, &old).map_err(FormatError::writing(&self.target))?;
            if let Err(source) = fs::rename(&self.part, &self.target) {
                // The earlier export goes back to its place; if even that fails, it is still there under its other name.
                fs::rename(&old, &self.target).ok();
                return Err(fault(source));
            }
            if let Err(e) = remove(&old) {
                return Ok(Some(format!("the export that was replaced is left at {} ({e})", old.display())));
            }
        }
        Ok(None)
    }

    /// Takes away what was written. What cannot be removed is replaced by the next export.
    pub fn abandon(&self) {
        fs::remove_dir_all(&self.part).ok();
    }
}

/// Checks that an export may be written to `target`, which holds none of `clips`. Nothing is changed.
///
/// # Errors
/// When it has no name, a clip lies in it, or what is there may not be replaced.
pub fn check_target(target: &Path, clips: &[PathBuf], overwrite: bool) -> Result<(), FormatError> {
    let invalid = || io::Error::new(io::ErrorKind::InvalidInput, "it has no name of its own");
    if target.file_name().is_none() {
        return Err(FormatError::writing(target)(invalid()));
    }
    let part = with_suffix(target, PART);
    for folder in [target, part.as_path()] {
        if let Some(clip) = clips.iter().find(|clip| holds(folder, clip)) {
            return Err(FormatError::HoldsClip { path: folder.to_owned(), clip: clip.clone() });
        }
    }
    if is_there(target)? && !is_empty_folder(target) {
        if !overwrite {
            return Err(FormatError::Exists { path: target.to_owned() });
        }
        let earlier =
            Manifest::in_folder(target).ok_or_else(|| FormatError::NotAnExport { path: target.to_owned() })?;
        if let Some(entry) = names_in(target)?.into_iter().find(|name| !earlier.entries.contains(name)) {
            return Err(FormatError::HoldsOther { path: target.to_owned(), entry });
        }
        // Exports of earlier versions do not say how many files they wrote.
        let found = files_below(target)?;
        if let Some(written) = earlier.files.filter(|written| *written < found) {
            return Err(FormatError::HoldsMore { path: target.to_owned(), found, written });
        }
    }
    // The mark goes a moment before the folder gets its name.
    let is_ours = |part: &Path| part.join(MARK).exists() || Manifest::in_folder(part).is_some();
    if is_there(&part)? && !is_empty_folder(&part) && !is_ours(&part) {
        return Err(FormatError::InTheWay { path: part });
    }
    Ok(())
}

/// Everything directly in a folder, by name.
fn names_in(folder: &Path) -> Result<Vec<String>, FormatError> {
    let mut names = Vec::new();
    for entry in fs::read_dir(folder).map_err(FormatError::reading(folder))? {
        names.push(entry.map_err(FormatError::reading(folder))?.file_name().to_string_lossy().into_owned());
    }
    names.sort_unstable();
    Ok(names)
}

/// How many files are in a folder and all below it. Links count as files and are not followed.
fn files_below(folder: &Path) -> Result<u64, FormatError> {
    let mut count = 0;
    for entry in fs::read_dir(folder).map_err(FormatError::reading(folder))? {
        let entry = entry.map_err(FormatError::reading(folder))?;
        let is_folder = entry.file_type().map_err(FormatError::reading(folder))?.is_dir();
        count += if is_folder { files_below(&entry.path())? } else { 1 };
    }
    Ok(count)
}

/// Where an export that is being replaced can lie meanwhile: one of an earlier day may have been left there.
fn free_name(target: &Path) -> Result<PathBuf, FormatError> {
    let mut old = with_suffix(target, ".old");
    for number in 2.. {
        if !is_there(&old)? {
            break;
        }
        old = with_suffix(target, &format!(".old-{number}"));
    }
    Ok(old)
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.file_name().expect("checked at the start").to_owned();
    name.push(suffix);
    path.with_file_name(name)
}

fn is_there(path: &Path) -> Result<bool, FormatError> {
    match fs::symlink_metadata(path) {
        Ok(_) => Ok(true),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(e) => Err(FormatError::reading(path)(e)),
    }
}

fn is_empty_folder(path: &Path) -> bool {
    let is_link = fs::symlink_metadata(path).is_ok_and(|metadata| metadata.is_symlink());
    !is_link && fs::read_dir(path).is_ok_and(|mut entries| entries.next().is_none())
}

/// Removes a folder, a file or a link, never what a link leads to.
fn remove(path: &Path) -> io::Result<()> {
    if fs::symlink_metadata(path)?.is_dir() { fs::remove_dir_all(path) } else { fs::remove_file(path) }
}

/// Whether `clip` is `folder` or lies in it, links followed.
fn holds(folder: &Path, clip: &Path) -> bool {
    let real = |path: &Path| fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    real(clip).starts_with(real(folder))
}

/// Waits until every file below is on the disk, so that after a power cut the final name stands for whole files.
fn sync_all(folder: &Path) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            sync_all(&path)?;
        } else {
            File::open(&path)?.sync_data()?;
        }
    }
    Ok(())
}
