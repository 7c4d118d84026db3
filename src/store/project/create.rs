//! Looks at what lies at a project's place before SQLite does, and makes new projects there.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use super::paths::{COMPANIONS, companion};
use super::schema::{self, APPLICATION_ID, Schema};
use super::{ClipRecord, clip, copy, leaves, paths};

/// What lies at a path.
#[derive(Debug)]
pub enum Kind {
    /// Nothing.
    Absent,
    /// A file without content.
    Empty,
    /// A project of ours, sound or not.
    Ours,
    /// Something else; the text says how that was seen.
    Foreign(String),
}

const MAGIC: &[u8; 16] = b"SQLite format 3\0";
/// Looked at to tell a damaged project from something else.
const HEAD_BYTES: u64 = 4096;
const VERSION_AT: std::ops::Range<usize> = 60..64;
const APPLICATION_ID_AT: std::ops::Range<usize> = 68..72;

fn head(path: &Path) -> io::Result<Vec<u8>> {
    let mut head = Vec::new();
    File::open(path)?.take(HEAD_BYTES).read_to_end(&mut head)?;
    Ok(head)
}

/// Looks at a file's head without SQLite, which would lock or mend it.
pub fn look(path: &Path) -> io::Result<Kind> {
    let head = match head(path) {
        Ok(head) => head,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Kind::Absent),
        Err(error) => return Err(error),
    };
    if head.is_empty() {
        return Ok(Kind::Empty);
    }
    // Any of these may be damaged: one of them is enough to treat a file as a project in need of recovery, and not to
    // hand a project that lost its first bytes back as somebody else's.
    let is_database = head.starts_with(MAGIC);
    let has_our_id = head.get(APPLICATION_ID_AT) == Some(APPLICATION_ID.to_be_bytes().as_slice());
    let table = b"CREATE TABLE step_changes(";
    let has_our_tables = head.windows(table.len()).any(|window| window == table);
    let is_cut = head.len() < 100 && head.iter().zip(MAGIC).all(|(a, b)| a == b);
    let is_blank = head.iter().all(|byte| *byte == 0);
    let is_project = has_our_id || has_our_tables || is_cut || is_blank;
    Ok(match is_database {
        _ if is_project || leaves::has_our_rows(path)? => Kind::Ours,
        true => Kind::Foreign("it is another program's SQLite database".to_owned()),
        false => Kind::Foreign("it is no SQLite database".to_owned()),
    })
}

/// The version in a project's head; its log may know a newer one.
pub fn version_in_head(path: &Path) -> Option<i64> {
    let head = head(path).ok()?;
    let has_our_id = head.get(APPLICATION_ID_AT) == Some(APPLICATION_ID.to_be_bytes().as_slice());
    let bytes = head.get(VERSION_AT).filter(|_| head.starts_with(MAGIC) && has_our_id)?;
    Some(i64::from(i32::from_be_bytes(bytes.try_into().expect("four bytes"))))
}

/// Renames logs that lie where a project is to be made: SQLite would take them for the new one's, and somebody who has
/// the main file elsewhere may still need them. Gives their new names.
pub fn set_leftovers_aside(path: &Path) -> io::Result<Vec<PathBuf>> {
    let mut renamed = Vec::new();
    for suffix in COMPANIONS {
        let from = companion(path, suffix);
        // An empty one holds nothing.
        match fs::metadata(&from) {
            Err(_) => continue,
            Ok(facts) if facts.len() == 0 => fs::remove_file(&from)?,
            Ok(_) => {
                let names = (1..).map(|number| paths::with_suffix(&from, &format!("aside-{number}")));
                let to = names.into_iter().find(|to| !to.exists()).expect("numbers do not end");
                fs::rename(&from, &to)?;
                renamed.push(to);
            }
        }
    }
    Ok(renamed)
}

/// Takes away the empty log that looking at a database leaves; one with content stays.
pub fn sweep(path: &Path) {
    let wal = companion(path, "wal");
    if fs::metadata(&wal).is_ok_and(|facts| facts.len() == 0) {
        // What stays behind is empty and does no harm.
        fs::remove_file(wal).ok();
        fs::remove_file(companion(path, "shm")).ok();
    }
}

/// Makes a new project. The file gets its name when it is complete, so a name never stands for half a project.
///
/// # Errors
/// The cause, when it cannot be written; nothing is left then.
pub fn create(path: &Path, given: &ClipRecord, schema: &Schema) -> Result<(), String> {
    let part = copy::part_path(path);
    let made = (|| {
        copy::remove_old(&part).map_err(|e| e.to_string())?;
        let mut connection = schema::open_new(&part).map_err(|e| e.to_string())?;
        schema.create(&mut connection).map_err(|e| e.to_string())?;
        clip::write(&connection, given).map_err(|e| e.to_string())?;
        connection.close().map_err(|(_, e)| e.to_string())?;
        File::open(&part).and_then(|file| file.sync_all()).map_err(|e| e.to_string())?;
        fs::rename(&part, path).map_err(|e| e.to_string())
    })();
    if made.is_err() {
        // The first error is what matters; a `.part` that stays is overwritten next time.
        fs::remove_file(&part).ok();
    }
    copy::sync_folder(path);
    made
}
