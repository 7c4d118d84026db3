//! Complete copies of a project, each there as a whole or not at all.
//!
//! Used for "save a copy", for backups, and before a migration. SQLite writes them (`VACUUM INTO`): copying the file by
//! hand would miss what is still in the WAL.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use rusqlite::Connection;

use super::paths::{COMPANIONS, companion, with_suffix};
use super::{clip, schema};
use crate::store::StoreError;

/// Writes a copy to `target`, where no file may be yet. `finish` may add to the copy before it gets its name.
pub fn write_copy(
    source: &Connection,
    target: &Path,
    finish: impl FnOnce(&mut Connection) -> rusqlite::Result<()>,
) -> Result<(), StoreError> {
    let failed = |cause: String| StoreError::Copy { path: target.to_owned(), cause };
    if target.symlink_metadata().is_ok() {
        return Err(failed("there is a file of this name already".to_owned()));
    }
    let part = part_path(target);
    let written = write_part(source, &part, finish).and_then(|()| fs::rename(&part, target).map_err(|e| e.to_string()));
    written.map_err(|cause| {
        // The first error is what matters; a `.part` that stays is overwritten by the next copy.
        fs::remove_file(&part).ok();
        failed(cause)
    })?;
    sync_folder(target);
    Ok(())
}

fn write_part(
    source: &Connection,
    part: &Path,
    finish: impl FnOnce(&mut Connection) -> rusqlite::Result<()>,
) -> Result<(), String> {
    remove_old(part).map_err(|e| e.to_string())?;
    // As bytes, because a path need not be UTF-8.
    source.execute("VACUUM INTO CAST(?1 AS TEXT)", [clip::path_bytes(part)]).map_err(|e| e.to_string())?;
    let mut copy = schema::open_new(part).map_err(|e| e.to_string())?;
    finish(&mut copy).map_err(|e| e.to_string())?;
    copy.close().map_err(|(_, e)| e.to_string())?;
    File::open(part).and_then(|file| file.sync_all()).map_err(|e| e.to_string())
}

/// Removes what an interrupted attempt left. Its journal too: SQLite would apply it to the next file of that name.
pub fn remove_old(part: &Path) -> std::io::Result<()> {
    let journals = COMPANIONS.map(|suffix| companion(part, suffix));
    journals.iter().map(PathBuf::as_path).chain([part]).try_for_each(|path| match fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error),
        Ok(()) | Err(_) => Ok(()),
    })
}

/// `NAME.part` beside a file: what is being written and does not count yet.
pub fn part_path(path: &Path) -> PathBuf {
    with_suffix(path, "part")
}

/// Makes a rename last over a power cut, where the system can do that.
#[cfg_attr(not(unix), allow(unused_variables))]
pub fn sync_folder(path: &Path) {
    #[cfg(unix)]
    if let Some(folder) = path.parent() {
        // Some file systems refuse to sync a folder; the file itself is on the disk either way.
        File::open(folder).and_then(|folder| folder.sync_all()).ok();
    }
}
