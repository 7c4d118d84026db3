//! Takes what can be read out of a damaged project into a new one. The damaged file itself is only ever copied.
//!
//! Called by `open`. SQLite's own recovery is not in the library, and it knows nothing of what the rows mean; this one
//! reads around bad pages (`salvage`), checks every value, and leaves out what would not hold together: marks whose mask
//! is gone, and the undo history unless all of it is there.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::fs::{self, File};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags, params};
use sha2::{Digest, Sha256};

use super::front::mask_from;
use super::leaves::{self, Found};
use super::paths::{COMPANIONS, companion};
use super::records::ChangeRecord;
use super::salvage::{Key, Losses, rows};
use super::schema::{self, Schema};
use super::snapshot::{self, LoadError, column, mark_from, object_from, prompt_from};
use super::unit::{self, write_meta};
use super::{ClipRecord, blob, clip, copy, paths};
use crate::label::{Change, FrameIdx, FrameMark, FramePrompt, MaskId, ObjectFacts, ObjectId, hex, palette};

/// The fact of a recovery that says which damage it is of.
const MADE_OF: &str = "made_of";

/// Where the copy of a project lies in a folder of its own.
pub fn copied_path(folder: &Path) -> PathBuf {
    folder.join("project.labelhub")
}

/// Copies a database that nobody has open, with what belongs to it, into a folder; gives the copy's path.
///
/// # Errors
/// When a file cannot be read, or the folder cannot take it.
pub fn copy_with_companions(path: &Path, folder: &Path) -> std::io::Result<PathBuf> {
    let target = copied_path(folder);
    let copy_one = |from: &Path, to: &Path| -> std::io::Result<()> {
        // Not `fs::copy`, which would copy the write protection too.
        std::io::copy(&mut File::open(from)?, &mut File::create(to)?)?;
        Ok(())
    };
    copy_one(path, &target)?;
    for suffix in COMPANIONS {
        let from = companion(path, suffix);
        if from.exists() {
            copy_one(&from, &companion(&target, suffix))?;
        }
    }
    Ok(target)
}

/// What was read.
#[derive(Debug, Default)]
struct Salvaged {
    clip: Option<ClipRecord>,
    objects: BTreeMap<ObjectId, ObjectFacts>,
    prompts: BTreeMap<(ObjectId, FrameIdx), FramePrompt>,
    marks: BTreeMap<(ObjectId, FrameIdx), FrameMark>,
    masks: HashSet<MaskId>,
    steps: Vec<(i64, bool, i64, String, bool)>,
    changes: Vec<(i64, i64, Vec<Change>)>,
    /// Some prompts or marks could not be reached.
    has_gaps: bool,
    /// What is missing, a phrase each.
    lost: Vec<String>,
}

/// Recovers `damaged` into a new file at `target`, which remembers the fingerprint `made_of`; says what was lost.
///
/// # Errors
/// A text, when nothing could be read or the new file cannot be written; there is then none.
pub fn recover(
    damaged: &Path,
    target: &Path,
    made_of: Option<&str>,
    given: &ClipRecord,
    schema: &Schema,
) -> Result<Vec<String>, String> {
    let beside = target.parent().ok_or("it has no folder")?;
    let folder = tempfile::Builder::new().prefix(".labelhub-").tempdir_in(beside);
    let folder = folder.map_err(|e| format!("no room for a copy of it: {e}"))?;
    let path = copy_with_companions(damaged, folder.path()).map_err(|e| format!("it cannot be copied: {e}"))?;
    let source = open_copy(&path, folder.path(), schema)?;
    let part = copy::part_path(target);
    let recovered = write_recovered((&source, &path), &part, made_of, given, schema)
        .and_then(|lost| fs::rename(&part, target).map_err(|e| e.to_string()).map(|()| lost));
    if recovered.is_err() {
        // The first error is what matters; a `.part` that stays is overwritten next time.
        fs::remove_file(&part).ok();
    }
    copy::sync_folder(target);
    recovered
}

/// Opens the private copy so that as much as possible can be read, giving it a new first page where it needs one.
fn open_copy(path: &Path, folder: &Path, schema: &Schema) -> Result<Connection, String> {
    let open = || -> rusqlite::Result<Connection> {
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let mut connection = Connection::open_with_flags(path, flags)?;
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA, false)?;
        // Lets a file be read that is shorter than its first page says.
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_WRITABLE_SCHEMA, true)?;
        connection.pragma_update(None, "cell_size_check", true)?;
        // Into one file, where what cannot be reached is looked for page by page.
        schema::checkpoint(&connection).ok();
        let version = schema::version(&connection)?;
        if (1..schema.version()).contains(&version) {
            schema.migrate(&mut connection, version)?;
        }
        // One transaction for all reading: it is many small queries.
        connection.execute_batch("BEGIN")?;
        // Without its tables nothing can be read.
        for table in TABLES {
            connection.prepare(&format!("SELECT * FROM {table}"))?;
        }
        Ok(connection)
    };
    open().or_else(|_| {
        give_new_first_page(path, folder, schema).map_err(|e| e.to_string())?;
        open().map_err(|e| e.to_string())
    })
}

const TABLES: [&str; 8] = ["meta", "clip", "object", "prompt", "mark", "mask", "step", "step_changes"];

/// Puts the first page of a fresh project in place of a damaged one. It lists where each table begins, and that is the
/// same in every project of a version, because all tables are made at once before there is anything else.
fn give_new_first_page(path: &Path, folder: &Path, schema: &Schema) -> Result<(), String> {
    let fresh = folder.join("fresh.labelhub");
    let mut connection = schema::open_new(&fresh).map_err(|e| e.to_string())?;
    schema.create(&mut connection).map_err(|e| e.to_string())?;
    let page_size: u32 =
        connection.pragma_query_value(None, "page_size", |row| row.get(0)).map_err(|e| e.to_string())?;
    connection.close().map_err(|(_, e)| e.to_string())?;
    let mut page = fs::read(&fresh).map_err(|e| e.to_string())?;
    page.truncate(page_size as usize);
    // No page count that counts (24 and 92 differ), no free pages (32..40): SQLite then goes by the file's length.
    page[24..28].copy_from_slice(&1_u32.to_be_bytes());
    page[92..96].copy_from_slice(&0_u32.to_be_bytes());
    page[32..40].fill(0);
    let write = || -> std::io::Result<()> {
        let mut file = fs::OpenOptions::new().write(true).open(path)?;
        file.seek(SeekFrom::Start(0))?;
        file.write_all(&page)
    };
    write().map_err(|e| e.to_string())
}

fn write_recovered(
    (source, source_path): (&Connection, &Path),
    part: &Path,
    made_of: Option<&str>,
    given: &ClipRecord,
    schema: &Schema,
) -> Result<Vec<String>, String> {
    copy::remove_old(part).map_err(|e| e.to_string())?;
    let mut connection = schema::open_new(part).map_err(|e| e.to_string())?;
    schema.create(&mut connection).map_err(|e| e.to_string())?;
    let transaction = connection.transaction().map_err(|e| e.to_string())?;
    let mut found = Salvaged::default();
    read_small_tables(source, &mut found);
    let masks = copy_masks(source, &transaction, &mut found).map_err(|e| e.to_string())?;
    if found.has_gaps || !masks.is_none() {
        copy_leaves(source_path, &transaction, &mut found)?;
    }
    copy_meta(source, &transaction, &mut found).map_err(|e| e.to_string())?;
    if found.clip.is_none() && found.objects.is_empty() && found.marks.is_empty() && found.prompts.is_empty() {
        return Err("nothing in it can be read".to_owned());
    }
    complete(&mut found);
    write_tables(&transaction, &found, given).map_err(|e| e.to_string())?;
    if let Some(made_of) = made_of {
        write_meta(&transaction, MADE_OF, made_of).map_err(|e| e.to_string())?;
    }
    transaction.commit().map_err(|e| e.to_string())?;
    connection.close().map_err(|(_, e)| e.to_string())?;
    File::open(part).and_then(|file| file.sync_all()).map_err(|e| e.to_string())?;
    Ok(found.lost)
}

fn read_small_tables(source: &Connection, found: &mut Salvaged) {
    match clip::read(source) {
        Ok(Some(Ok(clip))) => found.clip = Some(clip),
        Ok(Some(Err(_)) | None) | Err(_) => found.lost.push("what clip it was made for".to_owned()),
    }
    let mut note = |losses: Losses, what: &str| {
        if !losses.is_none() {
            found.lost.push(what.to_owned());
        }
    };
    note(
        rows(source, snapshot::OBJECTS, Key::Id, |row| {
            let (id, facts) = object_from(row)?;
            found.objects.insert(id, facts);
            Ok(())
        }),
        "the names of some objects",
    );
    let prompts = rows(source, snapshot::PROMPTS, Key::ObjectFrame, |row| {
        let (object, frame, prompt) = prompt_from(row)?;
        found.prompts.insert((object, frame), prompt);
        Ok(())
    });
    note(prompts, "perhaps some prompts");
    let marks = rows(source, snapshot::MARKS, Key::ObjectFrame, |row| {
        let (object, frame, mark) = mark_from(row)?;
        found.marks.insert((object, frame), mark);
        Ok(())
    });
    note(marks, "perhaps some frames' masks");
    found.has_gaps = !prompts.is_none() || !marks.is_none();
    let steps = rows(source, snapshot::STEPS, Key::Id, |row| {
        found.steps.push((column(row, 0)?, column(row, 1)?, column(row, 2)?, column(row, 3)?, column(row, 4)?));
        Ok(())
    });
    let changes = rows(source, snapshot::STEP_CHANGES, Key::Id, |row| {
        let key = [column(row, 0)?, column(row, 1)?];
        let records: Vec<ChangeRecord> =
            blob::unpacked_record(key, &column::<Vec<u8>>(row, 2)?).map_err(LoadError::Content)?;
        let changes =
            records.into_iter().map(Change::try_from).collect::<Result<_, _>>().map_err(LoadError::Content)?;
        found.changes.push((key[0], key[1], changes));
        Ok(())
    });
    // A step without all its changes is worse than none.
    let with_changes: BTreeSet<i64> = found.changes.iter().map(|(_, step, _)| *step).collect();
    let steps_there: BTreeSet<i64> = found.steps.iter().map(|(step, ..)| *step).collect();
    if !steps.is_none() || !changes.is_none() || with_changes != steps_there {
        found.lost.push(HISTORY.to_owned());
    }
}

const HISTORY: &str = "the undo history";

/// Copies every mask that is whole.
fn copy_masks(source: &Connection, target: &Connection, found: &mut Salvaged) -> rusqlite::Result<Losses> {
    let mut written = Ok(());
    // What stays lost here shows in the marks that name it.
    let losses = rows(source, "id, data FROM mask", Key::Id, |row| {
        let (id, data): (i64, Vec<u8>) = (column(row, 0)?, column(row, 1)?);
        mask_from(MaskId(id as u64), &data).map_err(LoadError::Content)?;
        found.masks.insert(MaskId(id as u64));
        if written.is_ok() {
            written = insert_mask(target, MaskId(id as u64), &data);
        }
        Ok(())
    });
    written.map(|()| losses)
}

fn insert_mask(target: &Connection, id: MaskId, data: &[u8]) -> rusqlite::Result<()> {
    target.prepare_cached("INSERT INTO mask(id, data) VALUES(?1, ?2)")?.execute(params![id.0 as i64, data])?;
    Ok(())
}

/// Adds what lies on pages that could not be reached.
fn copy_leaves(source_path: &Path, target: &Connection, found: &mut Salvaged) -> Result<(), String> {
    let (reached_marks, mut written) = (found.marks.keys().copied().collect::<HashSet<_>>(), Ok(()));
    let scanned = leaves::scan(source_path, |row| match row {
        Found::Mask(id, data) => {
            if found.masks.insert(id) && written.is_ok() {
                written = insert_mask(target, id, &data);
            }
        }
        Found::Mark(object, frame, mark) => {
            // Of several that were never cleared away, the newest mask is the last that was there.
            let is_newer = |earlier: &FrameMark| earlier.mask < mark.mask;
            let key = (object, frame);
            if !reached_marks.contains(&key) && found.marks.get(&key).is_none_or(is_newer) {
                found.marks.insert(key, mark);
            }
        }
        Found::Prompt(object, frame, prompt) => {
            found.prompts.entry((object, frame)).or_insert(prompt);
        }
    });
    scanned.map_err(|e| e.to_string())?;
    written.map_err(|e| e.to_string())
}

/// Copies the facts about the whole project, where they make sense.
fn copy_meta(source: &Connection, target: &Connection, found: &mut Salvaged) -> rusqlite::Result<()> {
    for key in ["commits", "last_revision", "last_mask"] {
        if let Ok(Some(number)) = snapshot::read_meta::<i64>(source, key) {
            write_meta(target, key, number)?;
        }
    }
    let frame_count = found.clip.as_ref().map_or(u32::MAX, |clip| clip.frame_count);
    let is_sound = |key: &str| match key {
        "in_out" => snapshot::read_in_out(source, frame_count).is_ok(),
        "classes" => snapshot::read_classes(source).is_ok(),
        _ => true,
    };
    for (key, what) in [("in_out", "the in and out frames"), ("classes", "the list of classes"), ("session", "")] {
        match snapshot::read_meta::<String>(source, key) {
            Ok(Some(text)) if is_sound(key) => write_meta(target, key, text)?,
            Ok(None) => {}
            Ok(Some(_)) | Err(_) => found.lost.extend((!what.is_empty()).then(|| what.to_owned())),
        }
    }
    Ok(())
}

/// Leaves out what does not hold together any more, and makes up the names of objects that lost theirs.
fn complete(found: &mut Salvaged) {
    let mut missing: HashMap<ObjectId, Vec<u32>> = HashMap::new();
    found.marks.retain(|(object, frame), mark| {
        let is_there = found.masks.contains(&mark.mask);
        if !is_there {
            missing.entry(*object).or_default().push(frame.0);
        }
        is_there
    });
    let mut missing: Vec<_> = missing.into_iter().collect();
    missing.sort_unstable();
    for (object, frames) in missing {
        let (first, last) = (frames.first().expect("listed with a frame"), frames.last().expect("likewise"));
        found.lost.push(match frames.len() {
            1 => format!("the mask of object {object} on frame {first}"),
            count => format!("{count} masks of object {object} on frames {first} to {last}"),
        });
    }
    let named = found.marks.keys().chain(found.prompts.keys()).map(|(object, _)| *object);
    let nameless: BTreeSet<ObjectId> = named.filter(|object| !found.objects.contains_key(object)).collect();
    for object in nameless {
        let name = format!("object {object}");
        let colour = palette::colour_of(object);
        // The revision of the tracked masks, so that they do not all count as stale.
        let revision = found.marks.iter().filter(|((id, _), _)| *id == object).map(|(_, mark)| mark.revision).max();
        let revision = revision.unwrap_or(0);
        let facts = ObjectFacts { name, class: None, colour, is_hidden: false, is_locked: false, revision };
        found.lost.push(format!("name and class of object {object}"));
        found.objects.insert(object, facts);
    }
    let mut masks_of_steps = found.changes.iter().flat_map(|(.., changes)| changes).flat_map(masks_of);
    if masks_of_steps.any(|mask| !found.masks.contains(&mask)) && !found.lost.iter().any(|what| what == HISTORY) {
        found.lost.push(HISTORY.to_owned());
    }
    // Steps go from one exact state to the next; with anything missing they would undo what is not there.
    if !found.lost.is_empty() {
        if !found.steps.is_empty() && !found.lost.iter().any(|what| what == HISTORY) {
            found.lost.push(HISTORY.to_owned());
        }
        found.steps.clear();
        found.changes.clear();
    }
}

fn masks_of(change: &Change) -> Vec<MaskId> {
    match change {
        Change::Mark { before, after, .. } => before.iter().chain(after).map(|mark| mark.mask).collect(),
        Change::Object { .. } | Change::Prompt { .. } | Change::InOut { .. } | Change::Classes { .. } => Vec::new(),
    }
}

fn write_tables(target: &Connection, found: &Salvaged, given: &ClipRecord) -> rusqlite::Result<()> {
    clip::write(target, found.clip.as_ref().unwrap_or(given))?;
    for (id, facts) in &found.objects {
        unit::write_object(target, *id, Some(facts))?;
    }
    for ((object, frame), prompt) in &found.prompts {
        unit::write_prompt(target, *object, *frame, Some(prompt))?;
    }
    for ((object, frame), mark) in &found.marks {
        unit::write_mark(target, *object, *frame, Some(mark))?;
    }
    for (step, is_undone, position, name, is_follow_up) in &found.steps {
        target.execute(
            "INSERT INTO step(id, is_undone, position, name, is_follow_up) VALUES(?1, ?2, ?3, ?4, ?5)",
            params![step, is_undone, position, name, is_follow_up],
        )?;
    }
    for (row, step, changes) in &found.changes {
        unit::write_changes(target, *row, *step, changes)?;
    }
    // Masks that only the lost history named.
    let used: HashSet<MaskId> = found
        .marks
        .values()
        .map(|mark| mark.mask)
        .chain(found.changes.iter().flat_map(|(.., c)| c).flat_map(masks_of))
        .collect();
    for id in found.masks.difference(&used) {
        target.prepare_cached("DELETE FROM mask WHERE id = ?1")?.execute(params![id.0 as i64])?;
    }
    Ok(())
}

/// `clip.mp4.recovered-3.labelhub` of `clip.mp4.labelhub`; numbers go from 1.
pub fn recovered_path(path: &Path, number: u32) -> PathBuf {
    paths::with_mark(path, &format!("recovered-{number}"))
}

/// What was recovered of a project before.
#[derive(Debug)]
pub struct Recoveries {
    /// The newest that was made of the bytes that are there now.
    pub fitting: Option<PathBuf>,
    /// The newest of all, where it was made of other bytes. Work may have gone on in it.
    pub passed_over: Option<PathBuf>,
    /// The number of the next.
    pub next: u32,
}

/// The earlier recoveries of a project as it is damaged now.
///
/// One that was made of other bytes is passed over: the project was put back since, worked on and damaged again, and
/// that work is not in there; or it was damaged further. Where either is not known, as when the project is gone, the
/// newest is taken.
pub fn earlier_recoveries(path: &Path, damaged: Option<&str>) -> Recoveries {
    let next = (1..).find(|number| !recovered_path(path, *number).exists()).expect("numbers do not end");
    let is_of_it = |recovery: &PathBuf| match (damaged, made_of(recovery)) {
        (Some(damaged), Some(made_of)) => damaged == made_of,
        (None, _) | (_, None) => true,
    };
    let mut newest_first = (1..next).rev().map(|number| recovered_path(path, number)).peekable();
    let passed_over = newest_first.next_if(|newest| !is_of_it(newest));
    Recoveries { fitting: newest_first.find(is_of_it), passed_over, next }
}

/// What a damaged file is known by: SHA-256 of its bytes, in hex. Its log's do not count: that may go when somebody
/// tidies up.
///
/// # Errors
/// When it cannot be read.
pub fn fingerprint(path: &Path) -> std::io::Result<String> {
    let (mut file, mut hasher, mut chunk) = (File::open(path)?, Sha256::new(), vec![0; 1 << 20]);
    loop {
        match file.read(&mut chunk) {
            Ok(0) => return Ok(hex(hasher.finalize())),
            Ok(count) => hasher.update(&chunk[..count]),
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

/// The fingerprint of what a recovery was made of; `None` where it cannot be read, or was made before that was noted.
pub fn made_of(recovery: &Path) -> Option<String> {
    let connection = schema::open_unlocked(recovery).ok()?;
    snapshot::read_meta(&connection, MADE_OF).ok()?
}
