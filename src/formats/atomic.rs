//! Writing a file so that it is there whole or not at all.

use std::fs::{self, File};
use std::io::{self, BufWriter};
use std::path::{Path, PathBuf};

use super::FormatError;

/// Writes `path` through `NAME.part` beside it, which is renamed when its content is on the disk.
///
/// The content is synced before the rename: a resumed run takes every file under its final name as done, so after a
/// power cut a name must never stand for an empty file. The folder itself is not synced; losing the rename only means
/// that one file is made again. A `.part` left by a killed run is overwritten by the next one.
///
/// # Errors
/// When the file cannot be written; nothing is then left under `path`.
pub fn write_atomically(
    path: &Path,
    write: impl FnOnce(&mut BufWriter<File>) -> io::Result<()>,
) -> Result<(), FormatError> {
    let part = part_path(path);
    let written = write_part(&part, write).and_then(|()| fs::rename(&part, path));
    written.map_err(|source| {
        // The write error is what matters; a `.part` that cannot be removed is overwritten next time.
        fs::remove_file(&part).ok();
        FormatError::Write { path: path.to_path_buf(), source }
    })
}

fn write_part(part: &Path, write: impl FnOnce(&mut BufWriter<File>) -> io::Result<()>) -> io::Result<()> {
    let mut writer = BufWriter::new(File::create(part)?);
    write(&mut writer)?;
    let file = writer.into_inner().map_err(io::IntoInnerError::into_error)?;
    file.sync_data()
}

fn part_path(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".part");
    PathBuf::from(name)
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn failed_write_leaves_the_old_file_and_no_part() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("0_1.npy");
        write_atomically(&path, |w| w.write_all(b"old")).expect("a writable folder");
        let error = write_atomically(&path, |w| {
            w.write_all(b"half of the ne")?;
            Err(io::Error::from(io::ErrorKind::StorageFull))
        });
        assert!(matches!(error, Err(FormatError::Write { .. })));
        assert_eq!(fs::read(&path).expect("still there"), b"old");
        assert_eq!(fs::read_dir(folder.path()).expect("readable").count(), 1);
    }

    #[test]
    fn leftover_of_a_killed_run_is_overwritten() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("0_1.npy");
        fs::write(folder.path().join("0_1.npy.part"), b"a longer leftover").expect("writable");
        write_atomically(&path, |w| w.write_all(b"new")).expect("a writable folder");
        assert_eq!(fs::read(&path).expect("written"), b"new");
        assert_eq!(fs::read_dir(folder.path()).expect("readable").count(), 1);
    }
}
