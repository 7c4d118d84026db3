//! The rules of opening a project file: whose it is, whether it is sound, which version, which clip.
//!
//! Nothing is written to a file before all of that is settled; what is damaged, newer or write-protected is only read.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use crossbeam_channel::bounded;
use rusqlite::{Connection, ErrorCode};

use super::backups::{self, Backups};
use super::clock::Clock;
use super::front::{ProjectHandle, ProjectStore};
use super::lock::{ProjectLock, Taken, lock_path};
use super::notice::{OpenNotice, OpenOptions};
use super::queue::Shared;
use super::reading::Private;
use super::recover::Recoveries;
use super::schema::{self, SCHEMA, Schema};
use super::snapshot::{LoadError, Loaded, load};
use super::unit::Op;
use super::whose::check_clip;
use super::writer::Writer;
use super::{ClipRecord, Snapshot, copy, create, filesystem, paths, recover, renamed};
use crate::store::{Durability, LabelStore, StoreError};

/// Messages that may wait for the store's thread; units do not travel here.
const CONTROL_CAPACITY: usize = 16;
/// Disk that the log may keep once it is folded in.
const WAL_LIMIT_BYTES: i64 = 16 << 20;

/// What opening takes from the world around it; tests set it.
#[derive(Clone)]
pub struct Surroundings {
    /// The newest form of the file.
    pub schema: Schema,
    /// Whether a path lies across a network.
    pub is_network: fn(&Path) -> bool,
    /// Names backups and spaces them out.
    pub clock: Clock,
}

impl Default for Surroundings {
    fn default() -> Self {
        Surroundings { schema: SCHEMA, is_network: filesystem::is_network, clock: Clock::default() }
    }
}

pub type Opened = (ProjectStore, Snapshot, Vec<OpenNotice>);

/// A file that may be opened: its lock is ours, or it cannot be written anyway.
struct Claimed {
    path: PathBuf,
    lock: Option<ProjectLock>,
    /// Why it must not be written.
    protection: Option<String>,
}

/// A file that was opened.
struct Sound {
    connection: Connection,
    loaded: Loaded,
    /// The copy that stands for a file that is only read.
    private: Option<Private>,
    /// Why it is only read.
    protection: Option<String>,
}

/// What there is to be opened.
#[derive(Debug, PartialEq, Eq)]
enum Found {
    Project,
    /// One that was just made.
    New,
    /// The project is gone, and what was recovered of it is there.
    RecoveryOnly,
}

/// Why a project of ours could not be opened as it is.
enum Trouble {
    Damaged(String),
    Store(StoreError),
}

impl From<StoreError> for Trouble {
    fn from(error: StoreError) -> Self {
        Trouble::Store(error)
    }
}

/// One opening.
struct Opening<'a> {
    given: &'a ClipRecord,
    options: &'a OpenOptions,
    around: &'a Surroundings,
    backup_folder: Option<PathBuf>,
    notices: Vec<OpenNotice>,
}

/// Opens or makes a project.
pub fn open(
    path: &Path,
    given: &ClipRecord,
    options: &OpenOptions,
    around: &Surroundings,
) -> Result<Opened, StoreError> {
    let data_folder = options.data_folder.as_ref();
    // The program's own folder is made when it is needed; anywhere else a missing folder is a mistake.
    if let Some(parent) = path.parent().filter(|parent| data_folder.is_some_and(|data| parent.starts_with(data))) {
        std::fs::create_dir_all(parent).map_err(|error| Opening::failed(path, error))?;
    }
    let backup_folder = data_folder.map(|folder| backups::folder(folder, given, path));
    let mut opening = Opening { given, options, around, backup_folder, notices: Vec::new() };
    let mut claimed = opening.claim(path)?;
    let found = opening.find_or_make(&claimed)?;
    let is_new = found == Found::New;
    let opened = match found {
        Found::RecoveryOnly => Err(Trouble::Damaged("it is not there any more".to_owned())),
        Found::New | Found::Project => opening.open_sound(&claimed),
    };
    let (sound, is_recovered) = match opened {
        Ok(sound) => (sound, false),
        Err(Trouble::Store(error)) => return Err(error),
        Err(Trouble::Damaged(cause)) => {
            let (recovered, sound) = opening.recovered(&claimed, &cause)?;
            claimed = recovered;
            (sound, true)
        }
    };
    let is_other_record =
        match check_clip(&claimed.path, &sound.loaded.snapshot, given, options.on_other_clip, &mut opening.notices) {
            Ok(is_other_record) => is_other_record,
            Err(error) => {
                drop(sound);
                create::sweep(&claimed.path);
                return Err(error);
            }
        };
    opening.start(claimed, sound, is_new, is_other_record, is_new || is_recovered)
}

/// Opens a copy that was taken of the project at `path`. The inner error says what is damaged.
pub fn open_copy(
    path: &Path,
    private: Private,
    given: &ClipRecord,
    options: &OpenOptions,
    around: &Surroundings,
) -> Result<Result<Opened, String>, StoreError> {
    let mut opening = Opening { given, options, around, backup_folder: None, notices: Vec::new() };
    let newer = create::version_in_head(&private.path).filter(|version| *version > around.schema.version());
    let sound = match opening.read_private(path, private, "it is only being read".to_owned(), newer) {
        Ok(sound) => sound,
        Err(Trouble::Store(error)) => return Err(error),
        Err(Trouble::Damaged(cause)) => return Ok(Err(cause)),
    };
    check_clip(path, &sound.loaded.snapshot, given, options.on_other_clip, &mut opening.notices)?;
    let claimed = Claimed { path: path.to_owned(), lock: None, protection: None };
    opening.start(claimed, sound, false, false, false).map(Ok)
}

impl Opening<'_> {
    fn failed(path: &Path, cause: impl ToString) -> StoreError {
        StoreError::Open { path: path.to_owned(), cause: cause.to_string() }
    }

    fn newest_backup(&self) -> Option<PathBuf> {
        self.backup_folder.as_deref().and_then(backups::newest)
    }

    /// Makes sure that nobody else has the file.
    fn claim(&mut self, path: &Path) -> Result<Claimed, StoreError> {
        let path = paths::canonical(path).map_err(|error| Self::failed(path, error))?;
        let (lock, barred) = match ProjectLock::take(&path)? {
            Taken::Held(lock) => (Some(lock), None),
            Taken::ReadOnlyFolder => (None, None),
            Taken::Barred(error) => {
                (None, Some(format!("its lock file, {}, cannot be opened ({error})", lock_path(&path).display())))
            }
            Taken::NoLocks(error) => {
                self.notices.push(OpenNotice::NotLocked { path: path.clone(), reason: error.to_string() });
                (None, None)
            }
        };
        let is_backup = self.options.data_folder.as_deref().is_some_and(|data| backups::is_backup(&path, data));
        let protection = if is_backup {
            Some("it is a backup".to_owned())
        } else if barred.is_some() {
            barred
        } else {
            filesystem::write_protection(&path).map_err(|error| Self::failed(&path, error))?
        };
        Ok(Claimed { path, lock, protection })
    }

    /// Makes a new project where there is no file, or an empty one; refuses a file of another origin.
    fn find_or_make(&mut self, claimed: &Claimed) -> Result<Found, StoreError> {
        let path = &claimed.path;
        match create::look(path).map_err(|error| Self::failed(path, error))? {
            create::Kind::Foreign(cause) => return Err(StoreError::Foreign { path: path.clone(), cause }),
            create::Kind::Ours => return Ok(Found::Project),
            create::Kind::Absent if paths::is_project_there(path) => return Ok(Found::RecoveryOnly),
            create::Kind::Absent => {}
            create::Kind::Empty => {
                let newest_backup = self.newest_backup();
                self.notices.push(OpenNotice::WasEmpty { path: path.clone(), newest_backup });
            }
        }
        if let Some(protection) = &claimed.protection {
            return Err(Self::failed(path, protection));
        }
        let files = create::set_leftovers_aside(path).map_err(|error| Self::failed(path, error))?;
        if !files.is_empty() {
            self.notices.push(OpenNotice::SetAside { files });
        }
        create::create(path, self.given, &self.around.schema).map_err(|cause| Self::failed(path, cause))?;
        let elsewhere = renamed::projects_without_clip(self.given);
        if !elsewhere.is_empty() {
            self.notices.push(OpenNotice::LabelsElsewhere { path: path.clone(), projects: elsewhere });
        }
        Ok(Found::New)
    }

    /// Opens a file, or a private copy of one that must not be written, and reads it.
    fn open_sound(&mut self, claimed: &Claimed) -> Result<Sound, Trouble> {
        let path = &claimed.path;
        let newer = create::version_in_head(path).filter(|version| *version > self.around.schema.version());
        let protection = match newer {
            Some(version) => Some(newer_text(version)),
            None => claimed.protection.clone(),
        };
        if let Some(protection) = protection {
            return self.open_private(claimed, protection, newer);
        }
        let (mut connection, version) = self.open_checked(path).inspect_err(|_| create::sweep(path))?;
        if version > self.around.schema.version() {
            // The log had the new version, the head not yet.
            drop(connection);
            create::sweep(path);
            return self.open_private(claimed, newer_text(version), Some(version));
        }
        self.migrate(path, &mut connection, version)?;
        let loaded = match load(&connection) {
            Ok(loaded) => loaded,
            Err(error) => {
                drop(connection);
                create::sweep(path);
                return Err(load_trouble(path, error));
            }
        };
        Ok(Sound { connection, loaded, private: None, protection: None })
    }

    fn open_private(&mut self, claimed: &Claimed, protection: String, newer: Option<i64>) -> Result<Sound, Trouble> {
        let path = &claimed.path;
        let private = Private::of_files(path).map_err(|error| {
            Self::failed(path, format!("{protection}, and it cannot be copied to be read: {error}"))
        })?;
        let sound = self.read_private(path, private, protection.clone(), newer)?;
        self.notices.push(OpenNotice::ReadOnly { path: path.clone(), reason: protection });
        Ok(sound)
    }

    /// Opens the copy that stands for the project at `path`.
    fn read_private(
        &self,
        path: &Path,
        private: Private,
        protection: String,
        newer: Option<i64>,
    ) -> Result<Sound, Trouble> {
        let (mut connection, version) = self.open_checked(&private.path)?;
        let newer = newer.or_else(|| (version > self.around.schema.version()).then_some(version));
        if version < self.around.schema.version() {
            // A private copy needs no backup.
            self.around.schema.migrate(&mut connection, version).map_err(|error| trouble(path, &error))?;
        }
        let loaded = match (load(&connection), newer) {
            (Ok(loaded), _) => loaded,
            (Err(error), None) => return Err(load_trouble(path, error)),
            (Err(error), Some(version)) => {
                let cause = error.to_string();
                return Err(StoreError::Newer { path: path.to_owned(), version, cause }.into());
            }
        };
        Ok(Sound { connection, loaded, private: Some(private), protection: Some(protection) })
    }

    /// Opens a database that SQLite finds sound; gives its version too.
    fn open_checked(&self, path: &Path) -> Result<(Connection, i64), Trouble> {
        let trouble = |error: rusqlite::Error| trouble(path, &error);
        let connection = schema::open_writer(path).map_err(trouble)?;
        if (self.around.is_network)(path) {
            // A log needs memory shared between programs, which a network does not give; alone, it needs none.
            connection.pragma_update(None, "locking_mode", "exclusive").map_err(trouble)?;
        }
        if let Some(damage) = schema::damage(&connection).map_err(trouble)? {
            return Err(Trouble::Damaged(damage));
        }
        let version = schema::version(&connection).map_err(trouble)?;
        if version < 1 {
            return Err(Trouble::Damaged(format!("it says it has version {version}")));
        }
        Ok((connection, version))
    }

    /// Brings an older project up to date, after a copy.
    fn migrate(&mut self, path: &Path, connection: &mut Connection, from: i64) -> Result<(), Trouble> {
        let to = self.around.schema.version();
        if from == to {
            return Ok(());
        }
        let folder = self.backup_folder.as_deref().or(path.parent()).unwrap_or(Path::new("/"));
        std::fs::create_dir_all(folder).map_err(|error| Self::failed(folder, error))?;
        let name = path.file_name().map_or_else(|| "project".into(), PathBuf::from);
        let backup = (1..)
            .map(|number| paths::with_mark(&folder.join(&name), &format!("version-{from}-{number}")))
            .find(|backup| !backup.exists())
            .expect("numbers do not end");
        copy::write_copy(connection, &backup, |_| Ok(()))?;
        self.around.schema.migrate(connection, from).map_err(|error| trouble(path, &error))?;
        self.notices.push(OpenNotice::Migrated { from, to, backup });
        Ok(())
    }

    /// Opens what was recovered earlier from a project that is damaged or gone, or recovers it now.
    fn recovered(&mut self, damaged: &Claimed, cause: &str) -> Result<(Claimed, Sound), StoreError> {
        let is_gone = !damaged.path.exists();
        // Of what cannot be read nothing new can be recovered: any earlier recovery will do.
        let mut made_of = recover::fingerprint(&damaged.path).ok();
        let Recoveries { fitting, passed_over, next } = recover::earlier_recoveries(&damaged.path, made_of.as_deref());
        let newest_backup = self.newest_backup();
        let unrecoverable = |cause: String| StoreError::Unrecoverable {
            path: damaged.path.clone(),
            cause,
            passed_over: passed_over.clone(),
            newest_backup: newest_backup.clone(),
        };
        let mut source = damaged.path.clone();
        if let Some(path) = fitting {
            let claimed = self.claim(&path)?;
            match self.open_sound(&claimed) {
                Ok(sound) => {
                    let (path, recovered) = (damaged.path.clone(), claimed.path.clone());
                    self.notices.push(match is_gone {
                        true => OpenNotice::OpenedInPlaceOf { gone: path, recovered },
                        false => OpenNotice::OpenedRecovered { damaged: path, recovered },
                    });
                    return Ok((claimed, sound));
                }
                Err(Trouble::Store(error)) => return Err(error),
                // Damaged as well: the work of the time since is in there, not in the first one.
                Err(Trouble::Damaged(_)) => {
                    made_of = made_of.or_else(|| recover::made_of(&path));
                    source = path;
                }
            }
        }
        if let Some(protection) = &damaged.protection {
            return Err(unrecoverable(format!("{cause}; {protection}, so nothing can be written beside it")));
        }
        let target = recover::recovered_path(&damaged.path, next);
        let claimed = self.claim(&target)?;
        let lost = recover::recover(&source, &claimed.path, made_of.as_deref(), self.given, &self.around.schema)
            .map_err(|why| unrecoverable(format!("{cause}; {why}")))?;
        let recovered = claimed.path.clone();
        self.notices.push(OpenNotice::Recovered {
            damaged: source,
            recovered,
            lost,
            passed_over: passed_over.clone(),
            newest_backup: newest_backup.clone(),
        });
        match self.open_sound(&claimed) {
            Ok(sound) => Ok((claimed, sound)),
            Err(Trouble::Store(error)) => Err(error),
            Err(Trouble::Damaged(why)) => Err(unrecoverable(format!("{cause}; what was recovered: {why}"))),
        }
    }

    /// Sets the file up for writing and starts the thread.
    fn start(
        self,
        claimed: Claimed,
        sound: Sound,
        is_new: bool,
        is_other_record: bool,
        is_first_backup_later: bool,
    ) -> Result<Opened, StoreError> {
        let Claimed { path, lock, .. } = claimed;
        let Sound { connection, loaded, private, protection } = sound;
        let failed = |cause: String| Self::failed(&path, cause);
        let file = private.as_ref().map_or(&path, |private| &private.path);
        choose_journal(&connection, (self.around.is_network)(file));
        let reader = schema::open_reader(file).map_err(|e| failed(e.to_string()))?;
        let is_read_only = protection.is_some();
        let refusal = protection.map(|reason| {
            format!("{}: not saved, {reason}. Save a copy elsewhere to keep the changes", path.display())
        });
        let mut backups =
            self.backup_folder.filter(|_| !is_read_only).map(|folder| Backups::new(folder, self.around.clock.clone()));
        if let (Some(backups), true) = (&mut backups, is_first_backup_later) {
            backups.note_start();
        }
        let shared = Arc::new(Shared::default());
        let (control, inbox) = bounded(CONTROL_CAPACITY);
        let (alive, ended) = bounded(0);
        let waker = self.options.waker.clone();
        let mut writer = Writer::new(connection, path.clone(), shared.clone(), inbox, alive, waker)
            .map_err(|e| failed(e.to_string()))?;
        writer.refusal = refusal;
        writer.backups = backups;
        let thread = std::thread::Builder::new()
            .name("store".to_owned())
            .spawn(move || writer.run())
            .map_err(|e| failed(e.to_string()))?;
        let Loaded { mut snapshot, steps, masks, last_mask } = loaded;
        snapshot.clip = self.given.clone();
        let mut store = ProjectStore {
            handle: ProjectHandle { shared, control, ended, path, is_read_only },
            reader: Some(Mutex::new(reader)),
            thread: Some(thread),
            steps,
            byte_count: masks.values().map(|length| *length as usize).sum(),
            masks,
            last_mask,
            last_revision: snapshot.last_revision,
            ops: Vec::new(),
            session: None,
            size: self.given.size,
            is_untouched: is_new,
            lock,
            private_folder: private.map(|private| private.folder),
        };
        if is_other_record && !is_read_only {
            store.ops.push(Op::Clip(self.given.clone()));
            store.finish(Durability::Durable);
        }
        Ok((store, snapshot, self.notices))
    }
}

fn newer_text(version: i64) -> String {
    format!("it was made by a newer Label Hub (project version {version})")
}

fn trouble(path: &Path, error: &rusqlite::Error) -> Trouble {
    match error.sqlite_error_code() {
        // SQLite says no more than "error" of some damaged heads and lists of tables.
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase | ErrorCode::Unknown) => {
            Trouble::Damaged(error.to_string())
        }
        _ => Trouble::Store(Opening::failed(path, error)),
    }
}

fn load_trouble(path: &Path, error: LoadError) -> Trouble {
    match error {
        LoadError::Sqlite(error) => trouble(path, &error),
        LoadError::Content(cause) => Trouble::Damaged(cause),
    }
}

/// A write-ahead log where the disk allows it: commits cost one sync, and readers never wait. Every mode is safe, so
/// where the mode cannot be changed, whatever it is will do.
fn choose_journal(connection: &Connection, is_network: bool) {
    let set =
        |mode: &str| connection.pragma_update_and_check(None, "journal_mode", mode, |row| row.get::<_, String>(0));
    if is_network || set("wal").is_ok_and(|mode| mode != "wal") {
        set("delete").ok();
    }
    if is_network {
        // Let other connections in again; the lock goes with the next reading.
        connection.pragma_update(None, "locking_mode", "normal").ok();
        schema::version(connection).ok();
    }
    connection.pragma_update(None, "journal_size_limit", WAL_LIMIT_BYTES).ok();
}
