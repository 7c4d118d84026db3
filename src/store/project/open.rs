//! The rules of opening a project file: whose it is, whether it is sound, which version, which clip.
//!
//! Nothing is written to a file before all of that is settled.

use std::fmt;
use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use crossbeam_channel::bounded;
use rusqlite::{Connection, ErrorCode};

use super::front::{ProjectHandle, ProjectStore};
use super::lock::{ProjectLock, Taken};
use super::queue::Shared;
use super::schema::{self, APPLICATION_ID, Schema};
use super::snapshot::{LoadError, Loaded, load};
use super::unit::Op;
use super::writer::Writer;
use super::{ClipRecord, Snapshot, Waker, clip, copy, paths};
use crate::label::FrameIdx;
use crate::store::{Durability, LabelStore, StoreError};

/// Messages that may wait for the store's thread; units do not travel here.
const CONTROL_CAPACITY: usize = 16;
/// Disk that the WAL may keep once it is folded in.
const WAL_LIMIT_BYTES: i64 = 16 << 20;

/// How to open.
#[derive(Clone)]
pub struct OpenOptions {
    /// What to do with another clip's project.
    pub on_other_clip: OnOtherClip,
    /// The program's data folder, for backups; without it there are none.
    pub data_folder: Option<PathBuf>,
    /// Told when the state of saving may have changed.
    pub waker: Waker,
}

/// What to do when a project belongs to another clip than the one given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnOtherClip {
    /// Refuse with [`StoreError::OtherClip`].
    Refuse,
    /// The user has agreed to link the labels to this clip. Refused all the same when size or frame count differ.
    Relink,
}

/// What the user should know about an opening that worked. `Display` gives the text to show.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum OpenNotice {
    /// The project was damaged; what could be read is in a new file, which is open now.
    Recovered {
        /// The damaged file, as it was.
        damaged: PathBuf,
        /// The new one.
        recovered: PathBuf,
        /// What is missing, a phrase each; empty when nothing is.
        lost: Vec<String>,
        /// The newest backup.
        newest_backup: Option<PathBuf>,
    },
    /// The project is damaged and was recovered before; that file is open now.
    OpenedRecovered {
        /// The damaged file.
        damaged: PathBuf,
        /// The one that is open.
        recovered: PathBuf,
    },
    /// It is open for reading only.
    ReadOnly {
        /// The file.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// It was made by an older program and brought up to date.
    Migrated {
        /// Its version before.
        from: i64,
        /// Its version now.
        to: i64,
        /// The copy that was made before.
        backup: PathBuf,
    },
    /// The labels now belong to the clip that was given.
    Relinked {
        /// Where their clip was before.
        from: PathBuf,
    },
    /// The file was empty, as after a power cut, and was started anew.
    WasEmpty {
        /// The file.
        path: PathBuf,
        /// The newest backup.
        newest_backup: Option<PathBuf>,
    },
    /// Files of a project that is gone lay there and were renamed.
    SetAside {
        /// Their new names.
        files: Vec<PathBuf>,
    },
    /// Nothing keeps other programs from opening it at the same time.
    NotLocked {
        /// The file.
        path: PathBuf,
        /// Why.
        reason: String,
    },
}

impl fmt::Display for OpenNotice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let backup = |newest: &Option<PathBuf>| {
            newest.as_ref().map_or_else(String::new, |path| format!(" The newest backup is {}.", path.display()))
        };
        match self {
            OpenNotice::Recovered { damaged, recovered, lost, newest_backup } => {
                let lost = if lost.is_empty() { "nothing".to_owned() } else { lost.join(", ") };
                write!(
                    f,
                    "{}: the project was damaged and is left as it was. What could be read is now in {}; lost: {lost}.{}",
                    damaged.display(),
                    recovered.display(),
                    backup(newest_backup),
                )
            }
            OpenNotice::OpenedRecovered { damaged, recovered } => write!(
                f,
                "{}: the project is damaged; what was recovered from it earlier, {}, is open instead.",
                damaged.display(),
                recovered.display()
            ),
            OpenNotice::ReadOnly { path, reason } => write!(
                f,
                "{}: open for reading only, {reason}. Save a copy elsewhere to change labels.",
                path.display()
            ),
            OpenNotice::Migrated { from, to, backup } => write!(
                f,
                "The project was brought from version {from} to {to}. A copy from before is in {}.",
                backup.display()
            ),
            OpenNotice::Relinked { from } => {
                write!(f, "The labels of {} now belong to this clip.", from.display())
            }
            OpenNotice::WasEmpty { path, newest_backup } => {
                write!(
                    f,
                    "{}: the project file was empty and was started anew.{}",
                    path.display(),
                    backup(newest_backup)
                )
            }
            OpenNotice::SetAside { files } => {
                let names: Vec<String> = files.iter().map(|path| path.display().to_string()).collect();
                write!(f, "Files of an earlier project whose main file is gone were renamed: {}.", names.join(", "))
            }
            OpenNotice::NotLocked { path, reason } => write!(
                f,
                "{}: this disk cannot lock files ({reason}). Do not open the project in a second window.",
                path.display()
            ),
        }
    }
}

type Opened = (ProjectStore, Snapshot, Vec<OpenNotice>);

/// Opens or makes a project in the newest form of `schema`.
pub fn open(path: &Path, given: &ClipRecord, options: OpenOptions, schema: &Schema) -> Result<Opened, StoreError> {
    let failed = |cause: String| StoreError::Open { path: path.to_owned(), cause };
    let path = paths::canonical(path).map_err(|error| failed(error.to_string()))?;
    let mut notices = Vec::new();
    let lock = match ProjectLock::take(&path)? {
        Taken::Held(lock) => Some(lock),
        Taken::ReadOnlyFolder(error) => return Err(failed(error.to_string())),
        Taken::NoLocks(error) => {
            notices.push(OpenNotice::NotLocked { path: path.clone(), reason: error.to_string() });
            None
        }
    };
    let is_new = match look(&path).map_err(|error| failed(error.to_string()))? {
        Kind::Absent => true,
        Kind::Empty => {
            notices.push(OpenNotice::WasEmpty { path: path.clone(), newest_backup: None });
            true
        }
        Kind::Ours => false,
        Kind::Foreign(cause) => return Err(StoreError::Foreign { path, cause }),
        Kind::Damaged(cause) => {
            return Err(StoreError::Unrecoverable { path, cause, newest_backup: None });
        }
    };
    if is_new {
        create(&path, given, schema)?;
    }
    let (connection, loaded) = match open_sound(&path, schema) {
        Ok(sound) => sound,
        Err(Trouble::Damaged(cause)) => return Err(StoreError::Unrecoverable { path, cause, newest_backup: None }),
        Err(Trouble::Newer(version)) => {
            return Err(StoreError::Newer { path, version, cause: "it is newer".to_owned() });
        }
        Err(Trouble::Store(error)) => return Err(error),
    };
    let is_other_record = check_clip(&path, &loaded.snapshot, given, options.on_other_clip, &mut notices)?;
    let mut store = start(path, connection, loaded, given, options.waker, lock)?;
    let snapshot = store.1;
    store.0.is_untouched = is_new;
    if is_other_record {
        store.0.ops.push(Op::Clip(given.clone()));
        store.0.finish(Durability::Durable);
    }
    Ok((store.0, snapshot, notices))
}

/// What lies at a path.
enum Kind {
    Absent,
    Empty,
    Ours,
    Foreign(String),
    Damaged(String),
}

const MAGIC: &[u8; 16] = b"SQLite format 3\0";
/// Looked at to tell a damaged project from something else.
const HEAD_BYTES: u64 = 4096;

/// Looks at a file's head without SQLite, which would lock or mend it.
fn look(path: &Path) -> std::io::Result<Kind> {
    let mut head = Vec::new();
    match File::open(path) {
        Ok(file) => file.take(HEAD_BYTES).read_to_end(&mut head)?,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Kind::Absent),
        Err(error) => return Err(error),
    };
    if head.is_empty() {
        return Ok(Kind::Empty);
    }
    let is_database = head.starts_with(MAGIC);
    let has_our_id = head.get(68..72) == Some(APPLICATION_ID.to_be_bytes().as_slice());
    if is_database && has_our_id {
        return Ok(Kind::Ours);
    }
    let table = b"CREATE TABLE step_changes(";
    let has_our_tables = head.windows(table.len()).any(|window| window == table);
    let is_cut = head.len() < 100 && head.iter().zip(MAGIC).all(|(a, b)| a == b);
    Ok(match (is_database, has_our_id || has_our_tables || is_cut) {
        (_, true) => Kind::Damaged("its first bytes are not those of a project".to_owned()),
        (true, false) => Kind::Foreign("it is another program's SQLite database".to_owned()),
        (false, false) => Kind::Foreign("it is no SQLite database".to_owned()),
    })
}

/// Makes a new project. The file gets its name when it is complete, so a name never stands for half a project.
fn create(path: &Path, given: &ClipRecord, schema: &Schema) -> Result<(), StoreError> {
    let part = copy::part_path(path);
    let made = (|| {
        match fs::remove_file(&part) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error.to_string()),
            _ => {}
        }
        let mut connection = schema::open_new(&part).map_err(|e| e.to_string())?;
        schema.create(&mut connection).map_err(|e| e.to_string())?;
        clip::write(&connection, given).map_err(|e| e.to_string())?;
        connection.close().map_err(|(_, e)| e.to_string())?;
        fs::rename(&part, path).map_err(|e| e.to_string())
    })();
    made.map_err(|cause| {
        // The first error is what matters; a `.part` that stays is overwritten next time.
        fs::remove_file(&part).ok();
        StoreError::Open { path: path.to_owned(), cause }
    })?;
    copy::sync_folder(path);
    Ok(())
}

/// Why a project of ours could not be opened as it is.
enum Trouble {
    Damaged(String),
    Newer(i64),
    Store(StoreError),
}

/// Opens a file and reads it, changing nothing but its version.
fn open_sound(path: &Path, schema: &Schema) -> Result<(Connection, Loaded), Trouble> {
    let trouble = |error: rusqlite::Error| match error.sqlite_error_code() {
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => Trouble::Damaged(error.to_string()),
        _ => Trouble::Store(StoreError::Open { path: path.to_owned(), cause: error.to_string() }),
    };
    let connection = schema::open_writer(path).map_err(trouble)?;
    if let Some(damage) = schema::damage(&connection).map_err(trouble)? {
        return Err(Trouble::Damaged(damage));
    }
    let version = schema::version(&connection).map_err(trouble)?;
    if version > schema.version() {
        return Err(Trouble::Newer(version));
    }
    let loaded = load(&connection).map_err(|error| match error {
        LoadError::Sqlite(error) => trouble(error),
        LoadError::Content(cause) => Trouble::Damaged(cause),
    })?;
    Ok((connection, loaded))
}

/// Whether the labels fit the clip that was given; says whether the clip's record is to be written anew.
fn check_clip(
    path: &Path,
    snapshot: &Snapshot,
    given: &ClipRecord,
    on_other_clip: OnOtherClip,
    notices: &mut Vec<OpenNotice>,
) -> Result<bool, StoreError> {
    let recorded = &snapshot.clip;
    let misfit = |reason: String| StoreError::Misfit { path: path.to_owned(), reason };
    let is_other = recorded.identity != given.identity;
    if is_other && on_other_clip == OnOtherClip::Refuse {
        let (recorded, given) = (recorded.path.clone(), given.path.clone());
        return Err(StoreError::OtherClip { path: path.to_owned(), recorded, given });
    }
    if recorded.size != given.size {
        return Err(misfit(format!("its frames are {}, the labels are for {}", given.size, recorded.size)));
    }
    if is_other && recorded.frame_count != given.frame_count {
        let (has, wants) = (given.frame_count, recorded.frame_count);
        return Err(misfit(format!("it has {has} frames, the labels are for {wants}")));
    }
    // The same content may be indexed differently by another version of the program.
    if let Some(frame) = last_frame(snapshot).filter(|frame| frame.0 >= given.frame_count) {
        return Err(misfit(format!("it has {} frames, there are labels on frame {frame}", given.frame_count)));
    }
    if is_other {
        notices.push(OpenNotice::Relinked { from: recorded.path.clone() });
    }
    Ok(recorded != given)
}

/// The last frame that anything is said about.
fn last_frame(snapshot: &Snapshot) -> Option<FrameIdx> {
    let prompts = snapshot.prompts.iter().map(|(_, frame, _)| *frame);
    let marks = snapshot.marks.iter().map(|(_, frame, _)| *frame);
    prompts.chain(marks).chain(snapshot.in_out.map(|(_, last)| last)).max()
}

/// Sets the file up for writing and starts the thread.
fn start(
    path: PathBuf,
    connection: Connection,
    loaded: Loaded,
    given: &ClipRecord,
    waker: Waker,
    lock: Option<ProjectLock>,
) -> Result<(ProjectStore, Snapshot), StoreError> {
    let failed = |cause: String| StoreError::Open { path: path.clone(), cause };
    choose_journal(&connection);
    let reader = schema::open_reader(&path).map_err(|e| failed(e.to_string()))?;
    let shared = Arc::new(Shared::default());
    let (control, inbox) = bounded(CONTROL_CAPACITY);
    let writer =
        Writer::new(connection, path.clone(), shared.clone(), inbox, waker, None).map_err(|e| failed(e.to_string()))?;
    let thread = std::thread::Builder::new()
        .name("store".to_owned())
        .spawn(move || writer.run())
        .map_err(|e| failed(e.to_string()))?;
    let Loaded { mut snapshot, steps, masks, last_mask } = loaded;
    snapshot.clip = given.clone();
    let store = ProjectStore {
        handle: ProjectHandle { shared, control, path, is_read_only: false },
        reader: Some(Mutex::new(reader)),
        thread: Some(thread),
        steps,
        byte_count: masks.values().map(|length| *length as usize).sum(),
        masks,
        last_mask,
        last_revision: snapshot.last_revision,
        ops: Vec::new(),
        session: None,
        size: given.size,
        is_untouched: false,
        lock,
        private_folder: None,
    };
    Ok((store, snapshot))
}

/// A write-ahead log where the disk allows it: commits cost one sync, and readers never wait.
fn choose_journal(connection: &Connection) {
    let set =
        |mode: &str| connection.pragma_update_and_check(None, "journal_mode", mode, |row| row.get::<_, String>(0));
    let is_wal = set("wal").is_ok_and(|mode| mode == "wal");
    if !is_wal {
        // The mode it was made in; every mode is safe, so whatever it now is will do.
        set("delete").ok();
    }
    connection.pragma_update(None, "journal_size_limit", WAL_LIMIT_BYTES).ok();
}
