//! What the store was told between two `finish`es, in a form that can be written to a database any number of times.
//!
//! The front gathers [`Op`]s, the writer's thread applies whole [`Unit`]s inside a transaction. All row ids and places
//! are decided by the front, so that trying again after a failure, or writing into a copy, gives the same rows.

use std::sync::Arc;

use rusqlite::{Connection, params};

use super::records::{ChangeRecord, PromptRecord, provenance_code};
use super::{ClipRecord, blob, clip};
use crate::label::{Change, Edit, FrameIdx, FrameMark, FramePrompt, MaskId, ObjectFacts, ObjectId};
use crate::store::Durability;

/// One thing to do to the tables.
#[derive(Debug)]
pub enum Op {
    /// A new mask; the bytes carry their checksum.
    PutMask(MaskId, Arc<[u8]>),
    /// Masks nobody names any more.
    DropMasks(Vec<MaskId>),
    /// An edit: what holds after it.
    Apply(Edit),
    /// A new step with its first changes.
    PushStep { step: i64, place: Place, name: String, is_follow_up: bool },
    /// Changes of a step, first ones or more, as a row of their own.
    AddChanges { row: i64, step: i64, changes: Vec<Change> },
    /// A step went to the other stack.
    MoveStep { step: i64, place: Place },
    /// Steps that were forgotten.
    DropSteps(Vec<i64>),
    /// The app's session.
    Session(String),
    /// The clip the labels now belong to.
    Clip(ClipRecord),
}

/// A step's place: the stack, and its rank there, the newest highest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// On the stack of undone steps.
    pub is_undone: bool,
    /// Its rank.
    pub position: i64,
}

/// Ops that belong together.
#[derive(Debug)]
pub struct Unit {
    /// In the order they were made.
    pub ops: Vec<Op>,
    /// How soon it must be safe.
    pub durability: Durability,
    /// The highest revision given so far.
    pub last_revision: u64,
    /// The highest mask id given so far.
    pub last_mask: u64,
    /// Memory it takes, about.
    pub byte_count: usize,
}

impl Op {
    /// Memory it takes, about.
    pub fn byte_count(&self) -> usize {
        let heap = match self {
            Op::PutMask(_, data) => data.len(),
            Op::DropMasks(ids) => size_of_val(ids.as_slice()),
            Op::Apply(edit) => edit.byte_count(),
            Op::AddChanges { changes, .. } => changes.iter().map(Change::byte_count).sum(),
            Op::PushStep { name, .. } => name.len(),
            Op::MoveStep { .. } => 0,
            Op::DropSteps(ids) => size_of_val(ids.as_slice()),
            Op::Session(text) => text.len(),
            Op::Clip(clip) => size_of_val(clip.pts.as_slice()),
        };
        size_of::<Op>() + heap
    }

    fn apply(&self, connection: &Connection) -> rusqlite::Result<()> {
        let run = |sql: &str, params: &[&dyn rusqlite::ToSql]| connection.prepare_cached(sql)?.execute(params);
        match self {
            Op::PutMask(id, data) => {
                run("INSERT OR REPLACE INTO mask(id, data) VALUES(?1, ?2)", params![id.0 as i64, &**data])?;
            }
            Op::DropMasks(ids) => {
                for id in ids {
                    run("DELETE FROM mask WHERE id = ?1", params![id.0 as i64])?;
                }
            }
            Op::Apply(edit) => edit.changes.iter().try_for_each(|change| apply_change(connection, change))?,
            Op::PushStep { step, place, name, is_follow_up } => {
                run(
                    "INSERT OR REPLACE INTO step(id, is_undone, position, name, is_follow_up) VALUES(?1, ?2, ?3, ?4, ?5)",
                    params![step, place.is_undone, place.position, name, is_follow_up],
                )?;
            }
            Op::AddChanges { row, step, changes } => write_changes(connection, *row, *step, changes)?,
            Op::MoveStep { step, place } => {
                run(
                    "UPDATE step SET is_undone = ?2, position = ?3 WHERE id = ?1",
                    params![step, place.is_undone, place.position],
                )?;
            }
            Op::DropSteps(steps) => {
                for step in steps {
                    run("DELETE FROM step WHERE id = ?1", params![step])?;
                }
            }
            Op::Session(text) => write_meta(connection, "session", text)?,
            Op::Clip(record) => clip::write(connection, record)?,
        }
        Ok(())
    }
}

impl Unit {
    /// Does everything it holds, inside the caller's transaction.
    pub fn apply(&self, connection: &Connection) -> rusqlite::Result<()> {
        self.ops.iter().try_for_each(|op| op.apply(connection))
    }
}

/// Writes one fact about the whole project.
pub fn write_meta(connection: &Connection, key: &str, value: impl rusqlite::ToSql) -> rusqlite::Result<()> {
    connection
        .prepare_cached("INSERT OR REPLACE INTO meta(key, value) VALUES(?1, ?2)")?
        .execute(params![key, value])?;
    Ok(())
}

/// Some of a step's changes.
pub fn write_changes(connection: &Connection, row: i64, step: i64, changes: &[Change]) -> rusqlite::Result<()> {
    let records: Vec<ChangeRecord> = changes.iter().map(Into::into).collect();
    connection
        .prepare_cached("INSERT OR REPLACE INTO step_changes(id, step, body) VALUES(?1, ?2, ?3)")?
        .execute(params![row, step, blob::packed_record([row, step], &records)])?;
    Ok(())
}

fn apply_change(connection: &Connection, change: &Change) -> rusqlite::Result<()> {
    match change {
        Change::Object { id, after, .. } => write_object(connection, *id, after.as_ref()),
        Change::Prompt { object, frame, after, .. } => write_prompt(connection, *object, *frame, after.as_ref()),
        Change::Mark { object, frame, after, .. } => write_mark(connection, *object, *frame, after.as_ref()),
        Change::InOut { after, .. } => {
            let frames = after.map(|(first, last)| [first, last]);
            write_meta(connection, "in_out", serde_json::to_string(&frames).expect("numbers are JSON"))
        }
        Change::Classes { after, .. } => {
            write_meta(connection, "classes", serde_json::to_string(&**after).expect("strings are JSON"))
        }
    }
}

pub fn write_object(connection: &Connection, id: ObjectId, facts: Option<&ObjectFacts>) -> rusqlite::Result<()> {
    let Some(facts) = facts else {
        connection.prepare_cached("DELETE FROM object WHERE id = ?1")?.execute(params![id.0])?;
        return Ok(());
    };
    let [red, green, blue] = facts.colour;
    connection
        .prepare_cached(
            "INSERT OR REPLACE INTO object(id, name, class, colour, is_hidden, is_locked, revision)
             VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7)",
        )?
        .execute(params![
            id.0,
            facts.name,
            facts.class,
            u32::from_be_bytes([0, red, green, blue]),
            facts.is_hidden,
            facts.is_locked,
            facts.revision as i64,
        ])?;
    Ok(())
}

pub fn write_prompt(
    connection: &Connection,
    object: ObjectId,
    frame: FrameIdx,
    prompt: Option<&FramePrompt>,
) -> rusqlite::Result<()> {
    let Some(prompt) = prompt else {
        let sql = "DELETE FROM prompt WHERE object = ?1 AND frame = ?2";
        connection.prepare_cached(sql)?.execute(params![object.0, frame.0])?;
        return Ok(());
    };
    connection.prepare_cached("INSERT OR REPLACE INTO prompt(object, frame, body) VALUES(?1, ?2, ?3)")?.execute(
        params![
            object.0,
            frame.0,
            blob::packed_record([i64::from(object.0), i64::from(frame.0)], &PromptRecord::from(prompt))
        ],
    )?;
    Ok(())
}

/// Of all a mark's row says: a wrong mask on a frame is worse than none.
pub fn mark_checksum(object: ObjectId, frame: FrameIdx, mark: &FrameMark) -> u32 {
    let FrameMark { mask, provenance, revision, is_approved, area, object_score, predicted_iou, stability } = *mark;
    let mut bytes = [0; 38];
    bytes[..8].copy_from_slice(&mask.0.to_le_bytes());
    bytes[8..16].copy_from_slice(&revision.to_le_bytes());
    bytes[16..24].copy_from_slice(&area.to_le_bytes());
    for (score, at) in [object_score, predicted_iou, stability].into_iter().zip((24..).step_by(4)) {
        // Every NaN is stored as the same nothing.
        let bits = if score.is_nan() { f32::NAN.to_bits() } else { score.to_bits() };
        bytes[at..at + 4].copy_from_slice(&bits.to_le_bytes());
    }
    bytes[36..].copy_from_slice(&[provenance_code(provenance), u8::from(is_approved)]);
    blob::checksum([i64::from(object.0), i64::from(frame.0)], &bytes)
}

pub fn write_mark(
    connection: &Connection,
    object: ObjectId,
    frame: FrameIdx,
    mark: Option<&FrameMark>,
) -> rusqlite::Result<()> {
    let Some(mark) = mark else {
        let sql = "DELETE FROM mark WHERE object = ?1 AND frame = ?2";
        connection.prepare_cached(sql)?.execute(params![object.0, frame.0])?;
        return Ok(());
    };
    // SQLite keeps infinities and turns NaN into NULL, which is read as NaN again.
    connection
        .prepare_cached(
            "INSERT OR REPLACE INTO mark(object, frame, mask, provenance, revision, is_approved, area, object_score,
             predicted_iou, stability, checksum) VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
        )?
        .execute(params![
            object.0,
            frame.0,
            mark.mask.0 as i64,
            provenance_code(mark.provenance),
            mark.revision as i64,
            mark.is_approved,
            mark.area as i64,
            mark.object_score,
            mark.predicted_iou,
            mark.stability,
            mark_checksum(object, frame, mark),
        ])?;
    Ok(())
}
