//! Project files whose values are changed table by table, with the checksums made right again: what reads the values must
//! stand what a checksum does not stop. The input is a list of changes to the sound project of the corpus.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use label_hub::label::FrameSize;
use rusqlite::types::Value;
use rusqlite::{Connection, Row};

use super::project::{SEED, read};
use super::{Target, corpus_folder, written};
use crate::store_support;

/// Bytes of one change: table, column, row, kind, number, two bytes more.
const CHANGE_BYTES: usize = 14;
/// Most changes of one input.
const MAX_CHANGES: usize = 16;
const TABLES: [&str; 8] = ["meta", "clip", "object", "prompt", "mark", "mask", "step", "step_changes"];

/// The target.
pub fn target() -> Target {
    Target::new("project_values", false, |folder, input| {
        static SOUND: OnceLock<Vec<u8>> = OnceLock::new();
        let sound = SOUND.get_or_init(|| sound_project(folder));
        let path = written(folder, SEED, sound);
        // What the tables refuse changes nothing.
        let refused = change_values(&path, input).err().map_or_else(String::new, |error| error.to_string());
        format!("{refused} {}", read(&path))
    })
}

/// The corpus' project. Checks that it is sound by today's rules, and that this file knows them: if not, every input
/// would end at the first checksum and nothing behind it would be tried.
fn sound_project(folder: &Path) -> Vec<u8> {
    let sound = std::fs::read(corpus_folder("project").join(SEED)).expect("the seed is kept");
    let path = written(&folder.join("check"), SEED, &sound);
    for what in ["the seed", "the seed with its checksums made anew"] {
        let (store, snapshot, notices) = store_support::open(&path).unwrap_or_else(|error| panic!("{what}: {error}"));
        assert!(notices.is_empty() && !snapshot.marks.is_empty(), "{what} is not sound, see --make-seeds: {notices:?}");
        drop(store);
        change_values(&path, &[]).unwrap_or_else(|error| panic!("{what}: {error}"));
    }
    sound
}

/// Makes the changes that `input` lists.
fn change_values(path: &PathBuf, input: &[u8]) -> rusqlite::Result<()> {
    let connection = Connection::open(path)?;
    connection
        .execute_batch("PRAGMA journal_mode=DELETE; PRAGMA foreign_keys=OFF; PRAGMA ignore_check_constraints=ON")?;
    let mut refused = Ok(());
    for change in input.chunks_exact(CHANGE_BYTES).take(MAX_CHANGES) {
        refused = refused.and(change_value(&connection, change));
    }
    seal_all(&connection)?;
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
        5 => Value::Blob(with_room(payload.to_vec())),
        6 => {
            connection.execute(&format!("DELETE FROM {table} WHERE {column} IS ?1"), [&old])?;
            return Ok(());
        }
        _ => changed_blob(&old, payload, extra),
    };
    connection.execute(&format!("UPDATE {table} SET {column} = ?1 WHERE {column} IS ?2"), [&new, &old])?;
    Ok(())
}

/// A blob with one change in its content, packed again if it was.
fn changed_blob(old: &Value, payload: &[u8], extra: u16) -> Value {
    let Value::Blob(blob) = old else { return Value::Blob(with_room(payload.to_vec())) };
    let Some((bytes, _checksum)) = blob.split_last_chunk::<4>() else { return Value::Blob(Vec::new()) };
    let unpacked = bytes.split_first_chunk::<4>().and_then(|(length, frame)| {
        let length = u32::from_le_bytes(*length) as usize;
        zstd::bulk::decompress(frame, length.min(1 << 20)).ok().filter(|content| content.len() == length)
    });
    let is_packed = unpacked.is_some();
    let mut content = unpacked.unwrap_or_else(|| bytes.to_vec());
    let at = usize::from(extra) % content.len().max(1);
    match payload[0] % 3 {
        0 => content.iter_mut().skip(at).take(1).for_each(|byte| *byte = payload[1]),
        1 => content.iter_mut().skip(at).zip(&payload[1..8]).for_each(|(byte, new)| *byte = *new),
        _ => drop(content.splice(at..at, payload[1..8].iter().copied())),
    }
    if !is_packed {
        return Value::Blob(with_room(content));
    }
    let mut packed = (content.len() as u32).to_le_bytes().to_vec();
    packed.extend(zstd::bulk::compress(&content, 1).expect("zstd takes any bytes"));
    Value::Blob(with_room(packed))
}

/// With room for a checksum.
fn with_room(mut bytes: Vec<u8>) -> Vec<u8> {
    bytes.extend([0; 4]);
    bytes
}

/// As `store` does it: a CRC-32 of the row's key, then of the bytes.
fn checksum(key: [i64; 2], bytes: &[u8]) -> u32 {
    crc32fast::hash(&[&key[0].to_le_bytes()[..], &key[1].to_le_bytes(), bytes].concat())
}

/// Writes the checksums of all rows anew. A row whose values are of the wrong kind stays as it is.
fn seal_all(connection: &Connection) -> rusqlite::Result<()> {
    for (table, blob, first, second) in
        [("mask", "data", "id", "0"), ("prompt", "body", "object", "frame"), ("step_changes", "body", "id", "step")]
    {
        for (key, bytes) in rows(connection, &format!("SELECT {first}, {second}, {blob} FROM {table}"), blob_row)? {
            let sql = format!("UPDATE {table} SET {blob} = ?1 WHERE {first} IS ?2 AND {second} IS ?3");
            connection.execute(&sql, (sealed(key, bytes), key[0], key[1]))?;
        }
    }
    let marks = "SELECT object, frame, mask, revision, area, object_score, predicted_iou, stability, provenance,
        is_approved FROM mark";
    for (key, checksum) in rows(connection, marks, mark_row)? {
        let sql = "UPDATE mark SET checksum = ?1 WHERE object IS ?2 AND frame IS ?3";
        connection.execute(sql, (checksum, key[0], key[1]))?;
    }
    let clip =
        "SELECT path, identity, width, height, frame_count, time_base_num, time_base_den, average_rate, pts FROM clip";
    for (key, bytes) in rows(connection, clip, clip_row)? {
        connection.execute("UPDATE clip SET pts = ?1", [sealed(key, bytes)])?;
    }
    Ok(())
}

/// The rows that can be read as such.
fn rows<T>(
    connection: &Connection,
    sql: &str,
    read: impl Fn(&Row<'_>) -> rusqlite::Result<T>,
) -> rusqlite::Result<Vec<T>> {
    let mut statement = connection.prepare(sql)?;
    let found = statement.query_map([], |row| Ok(read(row).ok()))?;
    Ok(found.collect::<rusqlite::Result<Vec<_>>>()?.into_iter().flatten().collect())
}

/// The bytes with a checksum in place of their last four.
fn sealed(key: [i64; 2], mut blob: Vec<u8>) -> Vec<u8> {
    if let Some((bytes, place)) = blob.split_last_chunk_mut::<4>() {
        *place = checksum(key, bytes).to_le_bytes();
    }
    blob
}

fn blob_row(row: &Row<'_>) -> rusqlite::Result<([i64; 2], Vec<u8>)> {
    Ok(([row.get(0)?, row.get(1)?], row.get(2)?))
}

fn mark_row(row: &Row<'_>) -> rusqlite::Result<([i64; 2], u32)> {
    let key = [row.get(0)?, row.get(1)?];
    let mut bytes = Vec::new();
    for column in 2..5 {
        bytes.extend(row.get::<_, i64>(column)?.to_le_bytes());
    }
    for column in 5..8 {
        let score = row.get::<_, Option<f64>>(column)?.map_or(f32::NAN, |score| score as f32);
        let score = if score.is_nan() { f32::NAN } else { score };
        bytes.extend(score.to_bits().to_le_bytes());
    }
    bytes.extend([row.get::<_, u8>(8)?, u8::from(row.get::<_, bool>(9)?)]);
    Ok((key, checksum(key, &bytes)))
}

fn clip_row(row: &Row<'_>) -> rusqlite::Result<([i64; 2], Vec<u8>)> {
    let (path, identity): (Vec<u8>, String) = (row.get(0)?, row.get(1)?);
    let size = FrameSize { width: row.get(2)?, height: row.get(3)? };
    let (frame_count, time_base): (u32, (i32, i32)) = (row.get(4)?, (row.get(5)?, row.get(6)?));
    let rate = row.get::<_, Option<f64>>(7)?.map(f64::to_bits);
    let text = format!("{size} {frame_count} {time_base:?} {rate:?} {identity} ");
    Ok(([1, i64::from(checksum([0, 0], &[text.as_bytes(), &path].concat()))], row.get(8)?))
}
