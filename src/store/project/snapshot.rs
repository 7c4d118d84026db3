//! Reads everything but the masks' pixels out of a project file.
//!
//! Values are checked on the way: the file may be damaged in ways SQLite does not see, or not made by us. What is wrong
//! is an error of its own kind, because it leads to recovery.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use rusqlite::{Connection, OptionalExtension, Row};

use super::records::{ChangeRecord, PromptRecord, provenance_from_code};
use super::steps::StepRows;
use super::unit::mark_checksum;
use super::{Snapshot, StoredStep};
use super::{blob, clip};
use crate::label::{Change, Edit, FrameIdx, FrameMark, FramePrompt, MaskId, ObjectFacts, ObjectId};

/// Why a file could not be read.
#[derive(Debug)]
pub enum LoadError {
    /// SQLite refused, be it for damage or because of the disk.
    Sqlite(rusqlite::Error),
    /// A value that cannot be.
    Content(String),
}

impl From<rusqlite::Error> for LoadError {
    fn from(error: rusqlite::Error) -> Self {
        LoadError::Sqlite(error)
    }
}

impl std::fmt::Display for LoadError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            LoadError::Sqlite(error) => error.fmt(f),
            LoadError::Content(what) => f.write_str(what),
        }
    }
}

/// A file's content, with what the store needs to go on writing it.
#[derive(Debug)]
pub struct Loaded {
    pub snapshot: Snapshot,
    pub steps: StepRows,
    /// Each mask's length in bytes.
    pub masks: HashMap<MaskId, u32>,
    pub last_mask: u64,
}

/// Reads it all in one transaction.
pub fn load(connection: &Connection) -> Result<Loaded, LoadError> {
    let transaction = connection.unchecked_transaction()?;
    let clip = match clip::read(&transaction)? {
        Some(clip) => clip.map_err(|cause| LoadError::Content(format!("the clip's record: {cause}")))?,
        None => return Err(LoadError::Content("the clip's record is missing".to_owned())),
    };
    let (done, undone, steps) = read_steps(&transaction)?;
    let masks = read_mask_lengths(&transaction)?;
    let mut snapshot = Snapshot {
        objects: all(&transaction, OBJECTS, "id", object_from)?,
        prompts: all(&transaction, PROMPTS, "object, frame", prompt_from)?,
        marks: all(&transaction, MARKS, "object, frame", mark_from)?,
        in_out: read_in_out(&transaction, clip.frame_count)?,
        classes: read_classes(&transaction)?,
        done,
        undone,
        last_revision: 0,
        session: read_meta(&transaction, "session")?,
        clip,
    };
    let given: Option<i64> = read_meta(&transaction, "last_revision")?;
    snapshot.last_revision = highest_revision(&snapshot).max(given.unwrap_or(0) as u64);
    let given: Option<i64> = read_meta(&transaction, "last_mask")?;
    let last_mask = masks.keys().map(|id| id.0).max().unwrap_or(0).max(given.unwrap_or(0) as u64);
    Ok(Loaded { snapshot, steps, masks, last_mask })
}

pub const OBJECTS: &str = "id, name, class, colour, is_hidden, is_locked, revision FROM object";
pub const PROMPTS: &str = "object, frame, body FROM prompt";
pub const MARKS: &str = "object, frame, mask, provenance, revision, is_approved, area, object_score, predicted_iou,
    stability, checksum FROM mark";
pub const STEPS: &str = "id, is_undone, position, name, is_follow_up FROM step";
pub const STEP_CHANGES: &str = "id, step, body FROM step_changes";

fn all<T>(
    connection: &Connection,
    columns_and_table: &str,
    order: &str,
    mut read: impl FnMut(&Row<'_>) -> Result<T, LoadError>,
) -> Result<Vec<T>, LoadError> {
    let mut statement = connection.prepare(&format!("SELECT {columns_and_table} ORDER BY {order}"))?;
    let mut rows = statement.query([])?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        found.push(read(row)?);
    }
    Ok(found)
}

/// A column, where a value of the wrong kind counts as damage.
pub fn column<T: rusqlite::types::FromSql>(row: &Row<'_>, index: usize) -> Result<T, LoadError> {
    row.get(index).map_err(|e| LoadError::Content(e.to_string()))
}

pub fn object_from(row: &Row<'_>) -> Result<(ObjectId, ObjectFacts), LoadError> {
    let [_, red, green, blue] = column::<u32>(row, 3)?.to_be_bytes();
    let facts = ObjectFacts {
        name: column(row, 1)?,
        class: column(row, 2)?,
        colour: [red, green, blue],
        is_hidden: column(row, 4)?,
        is_locked: column(row, 5)?,
        revision: column::<i64>(row, 6)? as u64,
    };
    Ok((ObjectId(column(row, 0)?), facts))
}

pub fn prompt_from(row: &Row<'_>) -> Result<(ObjectId, FrameIdx, FramePrompt), LoadError> {
    let (object, frame) = (ObjectId(column(row, 0)?), FrameIdx(column(row, 1)?));
    let record: Result<PromptRecord, String> =
        blob::unpacked_record([i64::from(object.0), i64::from(frame.0)], &column::<Vec<u8>>(row, 2)?);
    let prompt = record
        .and_then(FramePrompt::try_from)
        .map_err(|cause| LoadError::Content(format!("the prompts of object {object} on frame {frame}: {cause}")))?;
    Ok((object, frame, prompt))
}

pub fn mark_from(row: &Row<'_>) -> Result<(ObjectId, FrameIdx, FrameMark), LoadError> {
    let score = |index| column::<Option<f64>>(row, index).map(|score| score.map_or(f32::NAN, |score| score as f32));
    let mark = FrameMark {
        mask: MaskId(column::<i64>(row, 2)? as u64),
        provenance: provenance_from_code(column(row, 3)?).map_err(LoadError::Content)?,
        revision: column::<i64>(row, 4)? as u64,
        is_approved: column(row, 5)?,
        area: column::<i64>(row, 6)? as u64,
        object_score: score(7)?,
        predicted_iou: score(8)?,
        stability: score(9)?,
    };
    let (object, frame) = (ObjectId(column(row, 0)?), FrameIdx(column(row, 1)?));
    if mark_checksum(object, frame, &mark) != column::<u32>(row, 10)? {
        return Err(LoadError::Content(format!("the mask of object {object} on frame {frame}: its checksum is wrong")));
    }
    Ok((object, frame, mark))
}

/// One fact about the whole project.
pub fn read_meta<T: rusqlite::types::FromSql>(connection: &Connection, key: &str) -> Result<Option<T>, LoadError> {
    let found = connection.query_row("SELECT value FROM meta WHERE key = ?1", [key], |row| row.get(0)).optional();
    found.map_err(|error| match error {
        rusqlite::Error::InvalidColumnType(..) => LoadError::Content(format!("{key}: {error}")),
        other => LoadError::Sqlite(other),
    })
}

pub fn read_in_out(connection: &Connection, frame_count: u32) -> Result<Option<(FrameIdx, FrameIdx)>, LoadError> {
    let Some(text) = read_meta::<String>(connection, "in_out")? else { return Ok(None) };
    let frames: Option<(u32, u32)> =
        serde_json::from_str(&text).map_err(|e| LoadError::Content(format!("in and out: {e}")))?;
    match frames {
        Some((first, last)) if first > last || last >= frame_count => {
            Err(LoadError::Content(format!("in and out: {first} to {last} in a clip of {frame_count} frames")))
        }
        frames => Ok(frames.map(|(first, last)| (FrameIdx(first), FrameIdx(last)))),
    }
}

pub fn read_classes(connection: &Connection) -> Result<Arc<[String]>, LoadError> {
    let text: Option<String> = read_meta(connection, "classes")?;
    let classes: Vec<String> = text
        .map_or(Ok(Vec::new()), |text| serde_json::from_str(&text))
        .map_err(|e| LoadError::Content(format!("the classes: {e}")))?;
    Ok(classes.into())
}

fn read_mask_lengths(connection: &Connection) -> Result<HashMap<MaskId, u32>, LoadError> {
    let lengths = all(connection, "id, length(data) FROM mask", "id", |row| {
        Ok((MaskId(column::<i64>(row, 0)? as u64), column::<u32>(row, 1)?))
    })?;
    Ok(lengths.into_iter().collect())
}

type Steps = (Vec<StoredStep>, Vec<StoredStep>, StepRows);

fn read_steps(connection: &Connection) -> Result<Steps, LoadError> {
    let mut changes: HashMap<i64, Vec<Change>> = HashMap::new();
    let mut last_changes = 0;
    all(connection, STEP_CHANGES, "id", |row| {
        let (id, step): (i64, i64) = (column(row, 0)?, column(row, 1)?);
        last_changes = id;
        let records: Result<Vec<ChangeRecord>, String> = blob::unpacked_record([id, step], &column::<Vec<u8>>(row, 2)?);
        let new = records.and_then(|records| records.into_iter().map(Change::try_from).collect::<Result<Vec<_>, _>>());
        let new = new.map_err(|cause| LoadError::Content(format!("changes {id} of step {step}: {cause}")))?;
        changes.entry(step).or_default().extend(new);
        Ok(())
    })?;
    let (mut done, mut undone) = (Vec::new(), Vec::new());
    let (mut done_rows, mut undone_rows) = (VecDeque::new(), Vec::new());
    all(connection, STEPS, "is_undone, position", |row| {
        let (id, position): (i64, i64) = (column(row, 0)?, column(row, 2)?);
        let edit = Edit {
            name: column(row, 3)?,
            changes: changes
                .remove(&id)
                .ok_or_else(|| LoadError::Content(format!("step {id} has lost its changes")))?,
        };
        let step = StoredStep { edit, is_follow_up: column(row, 4)? };
        if column(row, 1)? {
            undone.push(step);
            undone_rows.push(id);
        } else {
            done.push(step);
            done_rows.push_back((id, position));
        }
        Ok(())
    })?;
    if let Some(step) = changes.keys().next() {
        return Err(LoadError::Content(format!("step {step} is missing, its changes are not")));
    }
    Ok((done, undone, StepRows::new(done_rows, undone_rows, last_changes)))
}

/// The highest revision anything in the project names.
fn highest_revision(snapshot: &Snapshot) -> u64 {
    let steps = snapshot.done.iter().chain(&snapshot.undone).flat_map(|step| &step.edit.changes);
    let objects = snapshot.objects.iter().map(|(_, facts)| facts.revision);
    let marks = snapshot.marks.iter().map(|(_, _, mark)| mark.revision);
    steps.map(revision_of).chain(objects).chain(marks).max().unwrap_or(0)
}

/// The highest revision a change names.
pub fn revision_of(change: &Change) -> u64 {
    match change {
        Change::Object { before, after, .. } => before.iter().chain(after).map(|facts| facts.revision).max(),
        Change::Mark { before, after, .. } => before.iter().chain(after).map(|mark| mark.revision).max(),
        Change::Prompt { .. } | Change::InOut { .. } | Change::Classes { .. } => None,
    }
    .unwrap_or(0)
}
