//! The clip a project belongs to, as the project file remembers it.

use std::path::{Path, PathBuf};

use rusqlite::{Connection, OptionalExtension, params};

use super::blob;
use crate::label::{ClipRecord, FrameSize};
use crate::store::numbers;

/// What the checksum of `pts` covers beside it: the only row's id and everything else in it, so that a damaged row is
/// not taken for another clip's.
fn key(clip: &ClipRecord) -> blob::RowKey {
    let ClipRecord { path, identity, size, frame_count, time_base, pts: _, average_rate } = clip;
    let rate = average_rate.map(f64::to_bits);
    let text = format!("{size} {frame_count} {time_base:?} {rate:?} {identity} ");
    [1, i64::from(blob::checksum([0, 0], &[text.as_bytes(), path_bytes(path)].concat()))]
}

/// Writes the clip's only row.
pub fn write(connection: &Connection, clip: &ClipRecord) -> rusqlite::Result<()> {
    connection.execute(
        "INSERT OR REPLACE INTO clip(id, path, identity, width, height, frame_count, time_base_num, time_base_den,
         average_rate, pts) VALUES(1, ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
        params![
            path_bytes(&clip.path),
            clip.identity,
            clip.size.width,
            clip.size.height,
            clip.frame_count,
            clip.time_base.0,
            clip.time_base.1,
            clip.average_rate,
            blob::packed(key(clip), &pts_bytes(&clip.pts)),
        ],
    )?;
    Ok(())
}

/// Reads it; `None` when there is no row.
///
/// The inner error says what is wrong with the row.
pub fn read(connection: &Connection) -> rusqlite::Result<Option<Result<ClipRecord, String>>> {
    let sql = "SELECT path, identity, width, height, frame_count, time_base_num, time_base_den, average_rate, pts
               FROM clip WHERE id = 1";
    let row = connection.query_row(sql, [], |row| {
        let clip = ClipRecord {
            path: path_from_bytes(row.get_ref(0)?.as_bytes()?),
            identity: row.get(1)?,
            size: FrameSize { width: row.get(2)?, height: row.get(3)? },
            frame_count: row.get(4)?,
            time_base: (row.get(5)?, row.get(6)?),
            pts: Vec::new(),
            average_rate: row.get(7)?,
        };
        let pts = blob::unpacked(key(&clip), row.get_ref(8)?.as_blob()?)
            .and_then(|bytes| pts_from_bytes(&bytes, clip.frame_count));
        Ok(pts.map(|pts| ClipRecord { pts, ..clip }))
    });
    row.optional()
}

/// Reads where the clip was last, and its identity, without its times and without their checksum: enough to look for a
/// project. `None` when there is no row.
pub fn read_place(connection: &Connection) -> rusqlite::Result<Option<(PathBuf, String)>> {
    let read = |row: &rusqlite::Row| Ok((path_from_bytes(row.get_ref(0)?.as_bytes()?), row.get(1)?));
    connection.query_row("SELECT path, identity FROM clip WHERE id = 1", [], read).optional()
}

/// Most bytes of a number: a step between two times may be any of 64 bits.
const MOST_BYTES: u32 = 10;

/// Differences of neighbours, each as a zigzag number: nearly always one or two bytes a frame, and nearly always the same
/// ones.
fn pts_bytes(pts: &[i64]) -> Vec<u8> {
    let (mut bytes, mut before) = (Vec::with_capacity(pts.len() * 2), 0_i64);
    for &at in pts {
        numbers::push(&mut bytes, numbers::zigzag(at.wrapping_sub(before)));
        before = at;
    }
    bytes
}

fn pts_from_bytes(mut bytes: &[u8], frame_count: u32) -> Result<Vec<i64>, String> {
    let (mut pts, mut at) = (Vec::new(), 0_i64);
    while !bytes.is_empty() {
        let number =
            numbers::take(&mut bytes, MOST_BYTES).map_err(|cause| format!("the presentation times: {cause}"))?;
        at = at.wrapping_add(numbers::from_zigzag(number));
        pts.push(at);
    }
    if pts.len() > frame_count as usize {
        return Err(format!("{} presentation times for {frame_count} frames", pts.len()));
    }
    Ok(pts)
}

/// A path as it is, also where it is not UTF-8.
#[cfg(unix)]
pub fn path_bytes(path: &Path) -> &[u8] {
    std::os::unix::ffi::OsStrExt::as_bytes(path.as_os_str())
}

#[cfg(unix)]
fn path_from_bytes(bytes: &[u8]) -> PathBuf {
    PathBuf::from(<std::ffi::OsStr as std::os::unix::ffi::OsStrExt>::from_bytes(bytes))
}

/// A path as text; elsewhere than on Unix a path that is not Unicode is remembered only about.
#[cfg(not(unix))]
pub fn path_bytes(path: &Path) -> Vec<u8> {
    path.to_string_lossy().into_owned().into_bytes()
}

#[cfg(not(unix))]
fn path_from_bytes(bytes: &[u8]) -> PathBuf {
    PathBuf::from(String::from_utf8_lossy(bytes).into_owned())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn presentation_times_come_back_as_they_went(pts in proptest::collection::vec(any::<i64>(), 0..50)) {
            prop_assert_eq!(pts_from_bytes(&pts_bytes(&pts), 50), Ok(pts));
        }

        #[test]
        fn foreign_bytes_are_refused_or_times(bytes in proptest::collection::vec(any::<u8>(), 0..60)) {
            if let Ok(pts) = pts_from_bytes(&bytes, 20) {
                prop_assert!(pts.len() <= 20);
            }
        }
    }

    #[test]
    fn a_day_of_steady_frames_takes_little_room() {
        let pts: Vec<i64> = (0..24 * 3600 * 30).map(|n| n * 512).collect();
        assert!(blob::packed([0, 0], &pts_bytes(&pts)).len() < 2_000);
    }
}
