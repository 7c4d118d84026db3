//! Older and newer versions, network disks, clocks.

use std::sync::Mutex;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crossbeam_channel::bounded;

use super::*;
use crate::store::project::clock::Clock;
use crate::store::project::schema::{SCHEMA, Schema};
use crate::store::project::{backups, clip as clip_row, schema};

fn names(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).expect("a readable folder");
    let mut names: Vec<String> =
        entries.map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

#[test]
fn the_tables_fit_the_first_page_and_begin_where_every_project_has_them() {
    let folder = folder();
    let path = folder.path().join("p.labelhub");
    let (mut store, ..) = open_plainly(&path);
    for frame in 0..50 {
        click(&mut store, frame);
    }
    let copy = folder.path().join("copy.labelhub");
    store.handle().save_copy(&copy).expect("a writable folder");
    drop(store);
    let roots = |path: &Path| -> Vec<(String, i64)> {
        let connection = schema::open_reader(path).expect("a project");
        let mut statement = connection.prepare("SELECT name, rootpage FROM sqlite_schema ORDER BY name").expect("SQL");
        let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).expect("rows");
        rows.map(|row| row.expect("a row")).collect()
    };
    assert_eq!(roots(&path), roots(&copy));
    let first_page = std::fs::read(&path).expect("the project");
    assert_eq!(first_page[100], 0x0D, "the list of tables is one page");
    let first_cell = u16::from_be_bytes([first_page[105], first_page[106]]);
    assert!(first_cell > 100 + 8 + 2 * 12 + 300, "there is room for a migration or two: {first_cell}");
}

#[test]
fn an_older_project_is_copied_and_then_brought_up_to_date() {
    let folder = folder();
    let path = folder.path().join("clip.mp4.labelhub");
    let (mut store, ..) = open_plainly(&path);
    click(&mut store, 3);
    drop(store);
    const MIGRATIONS: &[&str] = &[
        SCHEMA.migrations[0],
        "ALTER TABLE object ADD COLUMN note TEXT",
        "CREATE TABLE third(id INTEGER PRIMARY KEY)",
    ];
    let newer =
        Surroundings { schema: Schema { first: SCHEMA.first, migrations: MIGRATIONS }, ..Surroundings::default() };
    let (store, snapshot, notices) = open(&path, &clip(), &options(|| {}), &newer).expect("an older project");
    let backup = folder.path().join("clip.mp4.version-2-1.labelhub");
    assert_eq!(notices, [OpenNotice::Migrated { from: 2, to: 4, backup: backup.clone() }]);
    assert_eq!(frames(&store, &snapshot), [3]);
    drop(store);
    let (store, snapshot, notices) = open_plainly(&backup);
    assert_eq!((frames(&store, &snapshot), notices), (vec![3], Vec::new()));
    drop(store);
    let (store, _, notices) = open(&path, &clip(), &options(|| {}), &newer).expect("up to date now");
    assert_eq!(notices, []);
    drop(store);

    // To this program, that is a newer project now.
    let before = std::fs::read(&path).expect("the project");
    let (mut store, snapshot, notices) = open_plainly(&path);
    assert!(
        matches!(&notices[..], [OpenNotice::ReadOnly { reason, .. }] if reason.contains("version 4")),
        "{notices:?}"
    );
    assert_eq!((frames(&store, &snapshot), store.is_read_only()), (vec![3], true));
    click(&mut store, 4);
    assert!(matches!(store.handle().flush(), Err(StoreError::NotSaved { .. })));
    drop(store);
    assert_eq!(std::fs::read(&path).expect("the project"), before, "a newer project is not touched");
}

#[test]
fn a_migration_that_fails_leaves_the_old_project() {
    let folder = folder();
    let path = folder.path().join("p.labelhub");
    let (mut store, ..) = open_plainly(&path);
    click(&mut store, 3);
    drop(store);
    const MIGRATIONS: &[&str] = &[SCHEMA.migrations[0], "CREATE TABLE second(id); CREATE TABLE mask(id)"];
    let broken =
        Surroundings { schema: Schema { first: SCHEMA.first, migrations: MIGRATIONS }, ..Surroundings::default() };
    let error = refusal(open(&path, &clip(), &options(|| {}), &broken));
    assert!(matches!(error, StoreError::Open { .. }), "{error}");
    let (store, snapshot, notices) = open_plainly(&path);
    assert_eq!((frames(&store, &snapshot), notices), (vec![3], Vec::new()));
}

#[test]
fn a_newer_project_that_cannot_be_read_is_refused_with_its_version() {
    let folder = folder();
    let path = folder.path().join("p.labelhub");
    const MIGRATIONS: &[&str] = &[SCHEMA.migrations[0], "ALTER TABLE object RENAME TO thing"];
    let newer =
        Surroundings { schema: Schema { first: SCHEMA.first, migrations: MIGRATIONS }, ..Surroundings::default() };
    // It can be made, though not read by this test's reader; that is what an older program would find.
    super::super::create::create(&path, &clip(), &newer.schema).expect("a writable folder");
    let before = std::fs::read(&path).expect("the project");
    let error = refusal(open(&path, &clip(), &options(|| {}), &Surroundings::default()));
    assert!(matches!(error, StoreError::Newer { version: 3, .. }), "{error}");
    assert_eq!(std::fs::read(&path).expect("the project"), before);
    assert_eq!(names(folder.path()), ["p.labelhub"]);
}

#[test]
fn a_network_disk_gets_no_log() {
    let folder = folder();
    let path = folder.path().join("p.labelhub");
    let (mut store, ..) = open_plainly(&path);
    click(&mut store, 1);
    store.handle().flush().expect("a writable folder");
    assert!(names(folder.path()).contains(&"p.labelhub-wal".to_owned()));
    // A program that was killed leaves a log; it must not be lost.
    let other = folder.path().join("other");
    std::fs::create_dir(&other).expect("a new folder");
    for name in ["p.labelhub", "p.labelhub-wal"] {
        std::fs::copy(folder.path().join(name), other.join(name)).expect("copied");
    }
    let network = Surroundings { is_network: |_| true, ..Surroundings::default() };
    let path = other.join("p.labelhub");
    let (mut store, snapshot, notices) = open(&path, &clip(), &options(|| {}), &network).expect("a project");
    assert_eq!((frames(&store, &snapshot), notices), (vec![1], Vec::new()));
    click(&mut store, 2);
    store.handle().flush().expect("a writable folder");
    assert_eq!(names(&other), ["p.labelhub", "p.labelhub.lock"]);
    assert_eq!(store.get(MaskId(2)), Ok(mask(2)), "the reader is let in");
    drop(store);
    let (store, snapshot, _) = open_plainly(&path);
    assert_eq!(frames(&store, &snapshot), [1, 2]);
}

#[test]
fn without_a_log_no_backup_holds_commits_up() {
    let folder = folder();
    let path = folder.path().join("p.labelhub");
    let data_folder = folder.path().join("data");
    let options = OpenOptions { data_folder: Some(data_folder.clone()), ..options(|| {}) };
    let clock = SetClock::new();
    let network = Surroundings { is_network: |_| true, ..clock.surroundings() };
    let (mut store, ..) = open(&path, &clip(), &options, &network).expect("a new project");
    click(&mut store, 0);
    store.close().expect("a writable folder");
    drop(store);
    let (mut store, ..) = open(&path, &clip(), &options, &network).expect("a project");
    store.handle().flush().expect("a writable folder");
    assert_eq!(names(&backups::folder(&data_folder, &clip(), &path)).len(), 1, "on opening there is one");
    // From now on every attempt would be told.
    std::fs::remove_dir_all(&data_folder).expect("it is ours");
    std::fs::write(&data_folder, "in the way").expect("writable");
    for minutes in 1..4 {
        clock.set(1_785_485_350, minutes * 600);
        click(&mut store, minutes as u32);
        store.handle().flush().expect("a writable folder");
    }
    let handle = store.handle();
    store.close().expect("a writable folder");
    assert_eq!(handle.backup_problem(), None, "nobody tried");
}

/// Clocks that the test sets.
#[derive(Clone)]
struct SetClock(Arc<Mutex<(u64, Duration)>>);

impl SetClock {
    fn new() -> Self {
        SetClock(Arc::new(Mutex::new((1_785_485_350, Duration::ZERO))))
    }

    fn set(&self, wall_secs: u64, steady_secs: u64) {
        *self.0.lock().expect("no holder panics") = (wall_secs, Duration::from_secs(steady_secs));
    }

    fn surroundings(&self) -> Surroundings {
        let (wall, steady) = (self.0.clone(), self.0.clone());
        let wall = move || -> SystemTime { UNIX_EPOCH + Duration::from_secs(wall.lock().expect("no holder panics").0) };
        let steady = move || steady.lock().expect("no holder panics").1;
        Surroundings { clock: Clock { wall: Arc::new(wall), steady: Arc::new(steady) }, ..Surroundings::default() }
    }
}

#[test]
fn backups_come_on_opening_and_every_ten_minutes_and_keep_their_order_when_the_clock_jumps() {
    let folder = folder();
    let path = folder.path().join("p.labelhub");
    let data_folder = folder.path().join("data");
    let (sender, news) = bounded(1000);
    let waker = move || {
        // Full or closed: the test has seen enough.
        sender.try_send(()).ok();
    };
    let options = OpenOptions { data_folder: Some(data_folder.clone()), ..options(waker) };
    let clock = SetClock::new();
    let open_again = || open(&path, &clip(), &options, &clock.surroundings()).expect("a project");
    let backup_folder = backups::folder(&data_folder, &clip(), &path);
    let of_clip = backup_folder.parent().expect("a folder of the clip");
    assert!(of_clip.ends_with("backups/clip-0123456789ab"), "{}", backup_folder.display());

    let (mut store, ..) = open_again();
    click(&mut store, 0);
    store.close().expect("a writable folder");
    assert!(!backup_folder.exists(), "a new project is not copied at once");

    clock.set(1_785_485_350, 100);
    let (mut store, ..) = open_again();
    store.handle().flush().expect("a writable folder");
    assert_eq!(names(&backup_folder), ["20260731T080910Z-000001.labelhub"], "of the project as it was found");
    click(&mut store, 1);
    store.handle().flush().expect("a writable folder");
    assert_eq!(names(&backup_folder).len(), 1, "not ten minutes later");

    // Ten minutes later, and a clock that was set back by a year.
    clock.set(1_785_485_350 - 365 * 24 * 3600, 100 + 600);
    click(&mut store, 2);
    // The copy is made once nothing waits to be written.
    while names(&backup_folder) != ["20250731T080910Z-000002.labelhub", "20260731T080910Z-000001.labelhub"] {
        news.recv_timeout(Duration::from_secs(30)).expect("news of the backup");
    }
    let newest = backups::newest(&backup_folder).expect("two backups");
    assert!(newest.ends_with("20250731T080910Z-000002.labelhub"), "by number, not by time");
    store.close().expect("a writable folder");
    drop(store);

    // A backup itself is only read: work that went into it would go with it one day.
    let (backup, snapshot, notices) =
        open(&newest, &clip(), &options, &Surroundings::default()).expect("a backup is a project");
    assert!(backup.is_read_only());
    assert_eq!(frames(&backup, &snapshot), [0, 1, 2]);
    assert!(notices.iter().any(|notice| notice.to_string().contains("it is a backup")), "{notices:?}");
    drop(backup);

    // Another project of the clip has backups of its own, and finds these while it has none.
    let other = backups::folder(&data_folder, &clip(), &folder.path().join("q.labelhub"));
    assert_ne!(other, backup_folder);
    assert_eq!(backups::newest(&other).expect("the clip's"), newest);

    let restored = folder.path().join("restored.labelhub");
    std::fs::copy(&newest, &restored).expect("a backup is a project");
    let (store, snapshot, _) = open_plainly(&restored);
    assert_eq!(frames(&store, &snapshot), [0, 1, 2]);

    let (store, ..) = open_again();
    store.handle().flush().expect("a writable folder");
    assert_eq!(names(&backup_folder).len(), 2, "nothing has changed since the newest");
}

#[test]
fn a_backup_that_cannot_be_made_is_told_and_stops_nothing() {
    let folder = folder();
    let path = folder.path().join("p.labelhub");
    let (mut store, ..) = open_plainly(&path);
    click(&mut store, 0);
    drop(store);
    let data_folder = folder.path().join("data");
    std::fs::write(&data_folder, "in the way").expect("writable");
    let options = OpenOptions { data_folder: Some(data_folder.clone()), ..options(|| {}) };
    let (mut store, ..) = open(&path, &clip(), &options, &Surroundings::default()).expect("a project");
    click(&mut store, 1);
    store.handle().flush().expect("saving works");
    let problem = store.handle().backup_problem().expect("told");
    assert!(problem.contains("data/backups"), "{problem}");
}

#[test]
fn the_clip_is_read_in_place_without_a_trace_whatever_the_file_is_called() {
    let folder = folder();
    let name = "50 %20 #1?.labelhub";
    let path = folder.path().join(name);
    let (mut store, ..) = open_plainly(&path);
    click(&mut store, 0);
    store.close().expect("a writable folder");
    drop(store);
    let connection = schema::open_unlocked(&path).expect("a database");
    assert_eq!(clip_row::read(&connection), Ok(Some(Ok(clip()))));
    assert_eq!(names(folder.path()), [name]);
}
