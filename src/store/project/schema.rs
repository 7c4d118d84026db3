//! The tables of the project file, its version, and how a connection to it is set up.
//!
//! | table | a row is |
//! |---|---|
//! | `meta` | one fact about the whole project: in and out, classes, session, highest revision and mask id ever given, count of commits, of which damaged file it was recovered |
//! | `clip` | the clip the labels are of (one row) |
//! | `object` | an object |
//! | `prompt` | what is said about an object on a frame |
//! | `mark` | an object's mask on a frame: which one and how good; in columns, so that other programs can read it |
//! | `mask` | a mask: `runs` and a checksum |
//! | `step` | a step of the undo history: made or undone, and its place in that stack |
//! | `step_changes` | some of a step's changes, in order of `id`: a run's step gets a row for every frame |
//!
//! Migrations only ever go forward; each runs in a transaction of its own together with the new version number.

use std::path::Path;
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags, TransactionBehavior};

/// "LbHb": tells `file` and us what this database is.
pub const APPLICATION_ID: i32 = 0x4C62_4862;

/// How long a connection waits for another program's lock.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// The newest form of the file and the way to it: `migrations[n]` leads from version `n + 1` to `n + 2`.
#[derive(Debug, Clone, Copy)]
pub struct Schema {
    /// Makes version 1 in an empty file.
    pub first: &'static str,
    /// What came after.
    pub migrations: &'static [&'static str],
}

/// What this program writes.
pub const SCHEMA: Schema = Schema { first: FIRST, migrations: &[CORRECTED] };

// Version 2: the record of what is said may hold the mask it corrects. Older programs cannot read such a record.
const CORRECTED: &str = "";

// Short, so that it fits the first page with room to spare: recovery of a file whose first page is damaged relies on it.
const FIRST: &str = "
CREATE TABLE meta(key TEXT PRIMARY KEY, value) WITHOUT ROWID;
CREATE TABLE clip(id INTEGER PRIMARY KEY CHECK(id = 1), path BLOB NOT NULL, identity TEXT NOT NULL,
 width INTEGER NOT NULL, height INTEGER NOT NULL, frame_count INTEGER NOT NULL, time_base_num INTEGER NOT NULL,
 time_base_den INTEGER NOT NULL, average_rate REAL, pts BLOB NOT NULL);
CREATE TABLE object(id INTEGER PRIMARY KEY, name TEXT NOT NULL, class TEXT, colour INTEGER NOT NULL,
 is_hidden INTEGER NOT NULL, is_locked INTEGER NOT NULL, revision INTEGER NOT NULL);
CREATE TABLE prompt(object INTEGER, frame INTEGER, body BLOB NOT NULL, PRIMARY KEY(object, frame)) WITHOUT ROWID;
CREATE TABLE mark(object INTEGER, frame INTEGER, mask INTEGER NOT NULL, provenance INTEGER NOT NULL,
 revision INTEGER NOT NULL, is_approved INTEGER NOT NULL, area INTEGER NOT NULL, object_score REAL,
 predicted_iou REAL, stability REAL, checksum INTEGER NOT NULL, PRIMARY KEY(object, frame)) WITHOUT ROWID;
CREATE TABLE mask(id INTEGER PRIMARY KEY, data BLOB NOT NULL);
CREATE TABLE step(id INTEGER PRIMARY KEY, is_undone INTEGER NOT NULL, position INTEGER NOT NULL, name TEXT NOT NULL,
 is_follow_up INTEGER NOT NULL);
CREATE TABLE step_changes(id INTEGER PRIMARY KEY, step INTEGER NOT NULL REFERENCES step(id) ON DELETE CASCADE,
 body BLOB NOT NULL);
CREATE INDEX step_changes_step ON step_changes(step);
";

impl Schema {
    /// The newest version.
    pub fn version(&self) -> i64 {
        1 + self.migrations.len() as i64
    }

    /// Makes the tables of the newest version in an empty database.
    pub fn create(&self, connection: &mut Connection) -> rusqlite::Result<()> {
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        transaction.execute_batch(self.first)?;
        for migration in self.migrations {
            transaction.execute_batch(migration)?;
        }
        transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
        transaction.pragma_update(None, "user_version", self.version())?;
        transaction.commit()
    }

    /// Brings a database of an older version to the newest.
    pub fn migrate(&self, connection: &mut Connection, from: i64) -> rusqlite::Result<()> {
        for version in from..self.version() {
            let step = usize::try_from(version - 1).expect("the caller migrates from version 1 on");
            let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            transaction.execute_batch(self.migrations[step])?;
            transaction.pragma_update(None, "user_version", version + 1)?;
            transaction.commit()?;
        }
        Ok(())
    }
}

/// Opens an existing database for the writing connection, guarded against damaged and hostile files.
///
/// Until [`checkpoint_on_close`] allows it, closing the connection leaves database and WAL as they are.
pub fn open_writer(path: &Path) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
    guard(&connection)?;
    Ok(connection)
}

/// Opens a connection that only reads.
pub fn open_reader(path: &Path) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    guard(&connection)?;
    Ok(connection)
}

/// Opens a connection that reads the database as it lies there, without its WAL, and neither takes nor heeds locks:
/// leaves no trace, and may see something half written.
pub fn open_unlocked(path: &Path) -> rusqlite::Result<Connection> {
    let text = path.to_str().ok_or_else(|| rusqlite::Error::InvalidPath(path.to_owned()))?;
    let text = text.replace('%', "%25").replace('?', "%3f").replace('#', "%23");
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX | OpenFlags::SQLITE_OPEN_URI;
    let connection = Connection::open_with_flags(format!("file:{text}?immutable=1"), flags)?;
    guard(&connection)?;
    Ok(connection)
}

/// Opens a file that does not count yet, making it where there is none: fast, and safe only once the caller has synced
/// and renamed it.
pub fn open_new(path: &Path) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    guard(&connection)?;
    connection.pragma_update(None, "synchronous", "off")?;
    connection.pragma_update_and_check(None, "journal_mode", "memory", |_| Ok(()))?;
    Ok(connection)
}

fn guard(connection: &Connection) -> rusqlite::Result<()> {
    connection.busy_timeout(BUSY_TIMEOUT)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA, false)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_FKEY, true)?;
    connection.pragma_update(None, "cell_size_check", true)?;
    connection.set_prepared_statement_cache_capacity(64);
    Ok(())
}

/// Whether closing the last connection folds the WAL into the database.
pub fn checkpoint_on_close(connection: &Connection, is_allowed: bool) -> rusqlite::Result<()> {
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, !is_allowed)?;
    Ok(())
}

/// Folds the WAL into the database as far as nobody reads in it; says whether all of it is there now, as it is where
/// there is none. Waits for nobody and takes nothing from the WAL, so what is saved stays saved whatever happens.
pub fn checkpoint(connection: &Connection) -> rusqlite::Result<bool> {
    // Written out, because rusqlite refuses a pragma's name with an argument in it. The second and third are the frames
    // in the WAL and those of them in the database; both are -1 without a WAL.
    let (in_wal, folded): (i64, i64) =
        connection.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |row| Ok((row.get(1)?, row.get(2)?)))?;
    Ok(in_wal == folded)
}

/// What `quick_check` finds wrong, a few lines at most; `None` when the file is sound.
pub fn damage(connection: &Connection) -> rusqlite::Result<Option<String>> {
    let mut statement = connection.prepare("PRAGMA quick_check(3)")?;
    let lines = statement.query_map([], |row| row.get::<_, String>(0))?.collect::<Result<Vec<_>, _>>()?;
    Ok((lines != ["ok"]).then(|| lines.join("; ")))
}

/// The version a file says it has.
pub fn version(connection: &Connection) -> rusqlite::Result<i64> {
    connection.pragma_query_value(None, "user_version", |row| row.get(0))
}
