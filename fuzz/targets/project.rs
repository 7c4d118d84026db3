//! Project files: the bytes of a small one changed, and the values in its tables changed behind sound checksums.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use label_hub::label::Change;
use label_hub::store::{LabelStore, OpenNotice, ProjectCopy, ProjectStore, Snapshot};
use rusqlite::Connection;
use rusqlite::types::Value;

use super::{Target, corpus_folder, written};
use crate::store_support::{self, FRAMES};

/// The seed that [`targets`] change the values of.
pub const SEED: &str = "small.labelhub";

/// The targets.
pub fn targets() -> Vec<Target> {
    let file = Target::new("project", false, |folder, input| read(&written(folder, SEED, input)));
    let values = Target::new("project_values", false, |folder, input| {
        static SOUND: OnceLock<Vec<u8>> = OnceLock::new();
        let sound = SOUND.get_or_init(|| std::fs::read(corpus_folder("project").join(SEED)).expect("the seed is kept"));
        let path = written(folder, SEED, sound);
        // A statement that the tables refuse changes nothing.
        let refused = change_values(&path, input).err().map_or_else(String::new, |error| error.to_string());
        format!("{refused} {}", read(&path))
    });
    vec![file, values]
}

/// Opens a project as its window does and as an export does, and reads all masks.
fn read(path: &Path) -> String {
    let copied = match ProjectCopy::take(path) {
        Ok(copy) => match copy.clip() {
            Ok(clip) => match copy.open(&clip, &store_support::options()) {
                Ok((store, snapshot, _)) => format!("copy {}", masks(&store, &snapshot)),
                Err(error) => format!("copy: {error}"),
            },
            Err(error) => format!("clip: {error}"),
        },
        Err(error) => format!("no copy: {error}"),
    };
    let (mut store, snapshot, notices) = match store_support::open(path) {
        Ok(opened) => opened,
        Err(error) => return format!("{error} {copied}"),
    };
    check_frames(&snapshot);
    let said = masks(&store, &snapshot);
    let notices: Vec<String> = notices.iter().map(kind_of).collect();
    let kept = store.path().to_owned();
    store.close().expect("a writable folder");
    drop(store);
    reads_the_same(&kept, &snapshot);
    format!("{said} {} {copied}", notices.join(" "))
}

/// What the program relies on: all frames are frames of the clip.
fn check_frames(snapshot: &Snapshot) {
    let of_prompts = snapshot.prompts.iter().map(|(_, frame, _)| *frame);
    let of_marks = snapshot.marks.iter().map(|(_, frame, _)| *frame);
    let in_and_out = snapshot.in_out.into_iter().flat_map(|(first, last)| [first, last]);
    for frame in of_prompts.chain(of_marks).chain(in_and_out) {
        assert!(frame.0 < FRAMES, "labels on frame {frame} of {FRAMES}");
    }
}

/// What opened once opens again with the same labels.
fn reads_the_same(path: &Path, before: &Snapshot) {
    if !path.exists() {
        // One without any labels is taken away on closing.
        return;
    }
    let (_, after, _) = store_support::open(path).unwrap_or_else(|error| panic!("opened before, now not: {error}"));
    // As text, because scores may be NaN.
    assert_eq!(format!("{before:?}"), format!("{after:?}"), "the same labels as before");
}

/// How many masks can be read, and why the first of the others cannot.
fn masks(store: &ProjectStore, snapshot: &Snapshot) -> String {
    let steps = snapshot.done.iter().chain(&snapshot.undone).flat_map(|step| &step.edit.changes);
    let in_steps = steps.filter_map(|change| match change {
        Change::Mark { before, after, .. } => Some(before.iter().chain(after)),
        _ => None,
    });
    let ids = snapshot.marks.iter().map(|(_, _, mark)| mark).chain(in_steps.flatten()).map(|mark| mark.mask);
    let (mut sound, mut first_fault) = (0, None);
    for id in ids {
        match store.get(id) {
            Ok(mask) => {
                assert_eq!(mask.size(), snapshot.clip.size, "{id:?}");
                sound += 1;
            }
            Err(error) => first_fault = first_fault.or_else(|| Some(error.to_string())),
        }
    }
    let (objects, prompts, steps) = (snapshot.objects.len(), snapshot.prompts.len(), snapshot.done.len());
    let some = |letter: &str, count: usize| letter.repeat(count.min(8));
    let counts = [some("o", objects), some("p", prompts), some("s", steps), some("m", sound)].join(" ");
    format!("{counts} {}", first_fault.unwrap_or_default())
}

/// A notice without its paths and times.
fn kind_of(notice: &OpenNotice) -> String {
    match notice {
        OpenNotice::Recovered { lost, .. } => format!("recovered without {}", lost.join(", ")),
        OpenNotice::OpenedRecovered { .. } => "opened recovered".to_owned(),
        OpenNotice::ReadOnly { reason, .. } => format!("read only: {reason}"),
        OpenNotice::Migrated { .. } => "migrated".to_owned(),
        other => other.to_string(),
    }
}

/// Bytes of one change: table, column, row, kind, number, two bytes more.
const CHANGE_BYTES: usize = 14;
const TABLES: [&str; 8] = ["meta", "clip", "object", "prompt", "mark", "mask", "step", "step_changes"];

/// Makes the changes that `input` lists.
fn change_values(path: &PathBuf, input: &[u8]) -> rusqlite::Result<()> {
    let connection = Connection::open(path)?;
    connection
        .execute_batch("PRAGMA journal_mode=DELETE; PRAGMA foreign_keys=OFF; PRAGMA ignore_check_constraints=ON")?;
    let mut refused = Ok(());
    for change in input.chunks_exact(CHANGE_BYTES).take(16) {
        refused = refused.and(change_value(&connection, change));
    }
    connection.close().map_err(|(_, error)| error)?;
    refused
}

fn change_value(connection: &Connection, change: &[u8]) -> rusqlite::Result<()> {
    let &[table, column, row, kind, ref payload @ ..] = change else { return Ok(()) };
    let table = TABLES[usize::from(table) % TABLES.len()];
    let mut columns = connection.prepare(&format!("SELECT name FROM pragma_table_info('{table}')"))?;
    let columns: Vec<String> = columns.query_map([], |row| row.get(0))?.collect::<rusqlite::Result<_>>()?;
    let column = &columns[usize::from(column) % columns.len()];
    let count: i64 = connection.query_row(&format!("SELECT count(*) FROM {table}"), [], |row| row.get(0))?;
    let one = format!("SELECT {column} FROM {table} LIMIT 1 OFFSET {}", i64::from(row) % count.max(1));
    let old: Value = connection.query_row(&one, [], |row| row.get(0))?;
    let number = i64::from_le_bytes(payload[..8].try_into().expect("eight bytes"));
    let extra = u16::from_le_bytes([payload[8], payload[9]]);
    let new = match kind % 8 {
        0 => Value::Null,
        1 => Value::Integer(number),
        2 => Value::Integer(i64::from(extra)),
        3 => Value::Real(f64::from_bits(number as u64)),
        4 => Value::Text(format!("{number}\0")),
        5 => Value::Blob(sealed(payload.to_vec())),
        6 => {
            connection.execute(&format!("DELETE FROM {table} WHERE {column} IS ?1"), [&old])?;
            return Ok(());
        }
        _ => changed_blob(&old, payload, extra),
    };
    connection.execute(&format!("UPDATE {table} SET {column} = ?1 WHERE {column} IS ?2"), [&new, &old])?;
    Ok(())
}

/// A blob with one change in its content, sealed (and packed, if it was) as the store does.
fn changed_blob(old: &Value, payload: &[u8], extra: u16) -> Value {
    let Value::Blob(blob) = old else { return Value::Blob(sealed(payload.to_vec())) };
    let Some((bytes, _checksum)) = blob.split_last_chunk::<4>() else { return Value::Blob(Vec::new()) };
    let unpacked = bytes.split_first_chunk::<4>().and_then(|(length, frame)| {
        let length = u32::from_le_bytes(*length) as usize;
        zstd::bulk::decompress(frame, length.min(1 << 20)).ok().filter(|content| content.len() == length)
    });
    let mut content = unpacked.clone().unwrap_or_else(|| bytes.to_vec());
    let at = usize::from(extra) % content.len().max(1);
    match payload[0] % 3 {
        0 => content.iter_mut().skip(at).take(1).for_each(|byte| *byte = payload[1]),
        1 => content.iter_mut().skip(at).zip(&payload[1..8]).for_each(|(byte, new)| *byte = *new),
        _ => drop(content.splice(at..at, payload[1..8].iter().copied())),
    }
    let Some(_) = unpacked else { return Value::Blob(sealed(content)) };
    let mut packed = (content.len() as u32).to_le_bytes().to_vec();
    packed.extend(zstd::bulk::compress(&content, 1).expect("zstd takes any bytes"));
    Value::Blob(sealed(packed))
}

fn sealed(mut bytes: Vec<u8>) -> Vec<u8> {
    bytes.extend(crc32fast::hash(&bytes).to_le_bytes());
    bytes
}
