//! Rolling backups: copies of a project in the program's data folder, many of the last hour and some of every age.
//!
//! Their order is their number's, not their time's: clocks jump. Copies made before a migration have other names and are
//! never taken away here. Which thread makes them is the writer's business.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::Connection;

use super::clock::{self, Clock};
use super::{ClipRecord, blob, copy, paths, schema};
use crate::store::StoreError;

/// Shortest time between two backups while something goes on.
const INTERVAL: Duration = Duration::from_secs(10 * 60);
/// Backups kept of each age.
const KEPT_PER_AGE: usize = 20;
/// Where an age ends, in seconds: the last hour, today, the last 7 days; then everything older.
const AGE_ENDS_SECS: [i64; 3] = [3600, 24 * 3600, 7 * 24 * 3600];
/// Disk that one project's backups may take; the newest stays whatever it takes.
const BYTE_BOUND: u64 = 1 << 30;

/// The backups of one project.
#[derive(Debug)]
pub struct Backups {
    folder: PathBuf,
    clock: Clock,
    last_at: Option<Duration>,
    /// Commits that the newest backup holds.
    last_commits: Option<i64>,
}

/// One of them.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Entry {
    path: PathBuf,
    number: u64,
    unix_seconds: i64,
    byte_count: u64,
}

/// Where all backups lie.
fn root(data_folder: &Path) -> PathBuf {
    data_folder.join("backups")
}

/// Where a project's backups lie: with the clip's others, in a folder of its own, because a clip may have several projects.
pub fn folder(data_folder: &Path, clip: &ClipRecord, project: &Path) -> PathBuf {
    let project = paths::canonical(project).unwrap_or_else(|_| project.to_owned());
    let key = blob::checksum([0, 0], project.as_os_str().as_encoded_bytes());
    root(data_folder).join(paths::keyed_name(&clip.path, &clip.identity)).join(format!("{key:08x}"))
}

/// The newest backup in a project's folder; without any, as when the project was moved, the clip's newest.
pub fn newest(folder: &Path) -> Option<PathBuf> {
    let own = entries(folder).pop();
    let others = || {
        let folders = fs::read_dir(folder.parent()?).ok()?;
        let all = folders.filter_map(|other| entries(&other.ok()?.path()).pop());
        all.max_by_key(|entry| entry.unix_seconds)
    };
    own.or_else(others).map(|entry| entry.path)
}

/// Whether a file is a backup: it is only read, since it would be taken away one day with the work in it.
pub fn is_backup(path: &Path, data_folder: &Path) -> bool {
    let (path, root) = (paths::canonical(path), root(data_folder).canonicalize());
    matches!((path, root), (Ok(path), Ok(root)) if path.starts_with(&root))
}

impl Backups {
    pub fn new(folder: PathBuf, clock: Clock) -> Self {
        let last_commits = entries(&folder).pop().and_then(|newest| commits(&newest.path));
        Backups { folder, clock, last_at: None, last_commits }
    }

    /// From now on the interval counts; what is there already need not be copied soon.
    pub fn note_start(&mut self) {
        self.last_at = Some((self.clock.steady)());
    }

    /// Whether the last one is old enough.
    pub fn is_due(&self) -> bool {
        self.last_at.is_none_or(|last| (self.clock.steady)().saturating_sub(last) >= INTERVAL)
    }

    /// From now on the interval counts. Whether there is something to copy: the newest may hold the same.
    pub fn begin(&mut self, commits: i64) -> bool {
        self.note_start();
        self.last_commits != Some(commits)
    }

    /// Makes one and takes away those that are too many.
    ///
    /// # Errors
    /// When it could not be written; the project is as before, and the next attempt comes after the interval.
    pub fn make(&mut self, connection: &Connection) -> Result<(), StoreError> {
        let failed = |path: &Path, error: std::io::Error| StoreError::Copy {
            path: path.to_owned(),
            cause: format!("a backup: {error}"),
        };
        fs::create_dir_all(&self.folder).map_err(|error| failed(&self.folder, error))?;
        let number = entries(&self.folder).last().map_or(1, |newest| newest.number + 1);
        let now = clock::unix_seconds((self.clock.wall)());
        let name = format!("{}-{number:06}.{}", clock::utc_text(now), paths::EXTENSION);
        let path = self.folder.join(name);
        copy::write_copy(connection, &path, |_| Ok(()))?;
        self.last_commits = commits(&path);
        let entries = entries(&self.folder);
        for index in superfluous(&entries, now) {
            let path = &entries[index].path;
            fs::remove_file(path).map_err(|error| failed(path, error))?;
        }
        Ok(())
    }
}

/// How many commits a backup holds.
fn commits(backup: &Path) -> Option<i64> {
    let connection = schema::open_reader(backup).ok()?;
    connection.query_row("SELECT value FROM meta WHERE key = 'commits'", [], |row| row.get(0)).ok()
}

/// All backups in a folder, the oldest first.
fn entries(folder: &Path) -> Vec<Entry> {
    let Ok(files) = fs::read_dir(folder) else { return Vec::new() };
    let mut entries: Vec<Entry> = files.filter_map(|file| entry(&file.ok()?.path())).collect();
    entries.sort_by_key(|entry| entry.number);
    entries
}

fn entry(path: &Path) -> Option<Entry> {
    let stem = path.file_name()?.to_str()?.strip_suffix(paths::EXTENSION)?.strip_suffix('.')?;
    let (time, number) = stem.split_once('-')?;
    Some(Entry {
        path: path.to_owned(),
        number: number.parse().ok()?,
        unix_seconds: clock::seconds_from_utc_text(time)?,
        byte_count: fs::metadata(path).ok()?.len(),
    })
}

/// Which backups are too many. `entries` go from the oldest to the newest, which always stays.
fn superfluous(entries: &[Entry], now: i64) -> Vec<usize> {
    let Some(newest) = entries.len().checked_sub(1) else { return Vec::new() };
    let mut kept: Vec<usize> = Vec::new();
    for age in 0..=AGE_ENDS_SECS.len() {
        let of_age = (0..newest).filter(|index| age_of(&entries[*index], now) == age);
        kept.extend(thinned(entries, of_age.collect()));
    }
    kept.sort_unstable();
    let mut bytes: u64 = entries[newest].byte_count;
    // From the newest back: the oldest go first when there is not enough room for all.
    let first_that_fits = kept.iter().rposition(|index| {
        bytes = bytes.saturating_add(entries[*index].byte_count);
        bytes > BYTE_BOUND
    });
    kept.drain(..first_that_fits.map_or(0, |too_much| too_much + 1));
    (0..newest).filter(|index| !kept.contains(index)).collect()
}

/// 0 is the last hour. A backup from the future was made before the clock was set back, perhaps a moment ago.
fn age_of(entry: &Entry, now: i64) -> usize {
    let age_secs = now.saturating_sub(entry.unix_seconds);
    AGE_ENDS_SECS.iter().position(|end| age_secs < *end).unwrap_or(AGE_ENDS_SECS.len())
}

/// Leaves [`KEPT_PER_AGE`]: again and again the one goes whose neighbours are closest, so that those left are spread out.
fn thinned(entries: &[Entry], mut indices: Vec<usize>) -> Vec<usize> {
    while indices.len() > KEPT_PER_AGE {
        let gap = |at: usize| entries[indices[at + 1]].number - entries[indices[at - 1]].number;
        let closest = (1..indices.len() - 1).min_by_key(|at| gap(*at)).expect("there are more than two");
        indices.remove(closest);
    }
    indices
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: i64 = 3600;

    fn entry_at(number: u64, unix_seconds: i64, byte_count: u64) -> Entry {
        Entry { path: PathBuf::from(number.to_string()), number, unix_seconds, byte_count }
    }

    /// Makes a backup every so many seconds and thins each time, as the store does.
    fn left_after(count: u64, every_secs: i64, byte_count: u64) -> (Vec<Entry>, i64) {
        let (mut entries, mut now) = (Vec::new(), 1_800_000_000);
        for number in 1..=count {
            now += every_secs;
            entries.push(entry_at(number, now, byte_count));
            let gone = superfluous(&entries, now);
            entries = (0..entries.len()).filter(|i| !gone.contains(i)).map(|i| entries[i].clone()).collect();
        }
        (entries, now)
    }

    #[test]
    fn twenty_of_every_age_stay() {
        let cases = [("every minute", 3_000, 60), ("every ten minutes", 3_000, 600), ("every day", 300, 24 * HOUR)];
        for (name, count, every_secs) in cases {
            let (entries, now) = left_after(count, every_secs, 1000);
            for age in 0..4 {
                let of_age = entries.iter().filter(|e| age_of(e, now) == age).count();
                assert!(of_age <= KEPT_PER_AGE + usize::from(age == 0), "{name}: {of_age} of age {age}");
            }
            assert_eq!(entries.last().map(|e| e.number), Some(count), "{name}: the newest stays");
        }
        let (entries, now) = left_after(3_000, 600, 1000);
        let ages: Vec<i64> = entries.iter().map(|e| (now - e.unix_seconds) / HOUR).collect();
        assert!(entries.len() > 60, "{ages:?}");
        assert!(ages[0] > 300, "some are old: {ages:?}");
        assert!(ages.iter().filter(|age| (1..24).contains(*age)).count() == KEPT_PER_AGE, "{ages:?}");
    }

    #[test]
    fn the_oldest_go_when_they_take_too_much_room_but_the_newest_stays() {
        let (entries, _) = left_after(30, 60, 300 << 20);
        assert_eq!(entries.iter().map(|e| e.number).collect::<Vec<_>>(), [28, 29, 30]);
        let (entries, _) = left_after(30, 60, 5 << 30);
        assert_eq!(entries.iter().map(|e| e.number).collect::<Vec<_>>(), [30]);
    }

    #[test]
    fn a_clock_that_jumps_back_changes_no_order() {
        let now = 1_800_000_000;
        // Made when the clock was a year ahead; then it was set right.
        let mut entries: Vec<Entry> = (1..=25).map(|n| entry_at(n, now + 365 * 24 * HOUR, 10)).collect();
        entries.push(entry_at(26, now, 10));
        let gone = superfluous(&entries, now);
        assert_eq!(gone.len(), 5, "twenty of the last hour, and the newest by number: {gone:?}");
        assert!(!gone.contains(&25));
        assert!(!gone.contains(&24));
    }
}
