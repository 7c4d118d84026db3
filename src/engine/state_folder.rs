//! A folder for the states a tracker does not keep in memory. It goes with its owner; one that a crash left behind goes
//! when the next is made.

use std::fs::{self, File};
use std::io;
use std::path::Path;

use tempfile::TempDir;

/// What the folders' names begin with.
const PREFIX: &str = "states-";
/// In a folder, locked as long as its owner lives; beside the folders, while one is made.
const LOCK: &str = "lock";

/// A folder of one's own in a folder that all have in common.
pub struct StateFolder {
    folder: TempDir,
    _lock: File,
}

impl StateFolder {
    /// Makes one in `parent`, after removing those there whose owner is gone.
    ///
    /// # Errors
    /// When `parent` cannot be written, or has no locks.
    pub fn make(parent: &Path) -> io::Result<Self> {
        fs::create_dir_all(parent)?;
        // One at a time: a folder that is made and not locked yet has an owner all the same.
        let gate = File::create(parent.join(LOCK))?;
        gate.lock()?;
        remove_abandoned(parent)?;
        let folder = tempfile::Builder::new().prefix(PREFIX).tempdir_in(parent)?;
        let lock = File::create(folder.path().join(LOCK))?;
        lock.lock()?;
        Ok(StateFolder { folder, _lock: lock })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        self.folder.path()
    }
}

fn remove_abandoned(parent: &Path) -> io::Result<()> {
    for entry in fs::read_dir(parent)? {
        let entry = entry?;
        let is_states = entry.file_name().to_string_lossy().starts_with(PREFIX) && entry.file_type()?.is_dir();
        if is_states && is_free(&entry.path().join(LOCK)) {
            // One that cannot be removed costs space and nothing else; the next one to be made tries again.
            fs::remove_dir_all(entry.path()).ok();
        }
    }
    Ok(())
}

/// Whether nobody holds this lock.
fn is_free(lock: &Path) -> bool {
    match File::open(lock) {
        Ok(file) => file.try_lock().is_ok(),
        Err(error) => error.kind() == io::ErrorKind::NotFound,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_crash_left_behind_goes_and_what_is_in_use_stays() {
        let cache = tempfile::tempdir().expect("a temporary folder");
        let parent = cache.path().join("states");
        let in_use = StateFolder::make(&parent).expect("a folder is made");
        fs::write(in_use.path().join("1_0.state"), "of another window").expect("writable");
        // As after a crash: the lock is there and nobody holds it, or it never came to be.
        for (name, is_locked_once) in [("states-crashed", true), ("states-early", false)] {
            fs::create_dir(parent.join(name)).expect("writable");
            fs::write(parent.join(name).join("1_0.state"), "").expect("writable");
            if is_locked_once {
                fs::write(parent.join(name).join(LOCK), "").expect("writable");
            }
        }
        fs::create_dir(parent.join("of somebody else")).expect("writable");

        let own = StateFolder::make(&parent).expect("a folder is made");
        let names = || {
            let entries = fs::read_dir(&parent).expect("readable").map(|entry| entry.expect("readable").path());
            entries.filter(|path| path.is_dir()).collect::<std::collections::BTreeSet<_>>()
        };
        let stay = [in_use.path(), own.path(), &parent.join("of somebody else")].map(Path::to_path_buf);
        assert_eq!(names(), stay.into());
        assert!(in_use.path().join("1_0.state").is_file());
        drop((own, in_use));
        assert_eq!(names(), [parent.join("of somebody else")].into());
    }
}
