//! Finds rows in a damaged database without going by its trees: looks at every page for rows whose checksum fits.
//!
//! Used by `recover` for what could not be reached, above all when a page that leads to many others is gone. The
//! checksum covers the row's key too, so a row that fits is one of ours and says where it belongs. Pages on the list of
//! free pages are left out: their rows were deleted. The layout of pages and records is SQLite's file format, which is
//! fixed (<https://sqlite.org/fileformat2.html>).

use std::collections::HashSet;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;

use super::blob;
use super::front::mask_from;
use super::records::{PromptRecord, provenance_from_code};
use super::unit::mark_checksum;
use crate::label::{FrameIdx, FrameMark, FramePrompt, MaskId, ObjectId};

/// Every project has SQLite's default page size.
pub const PAGE_BYTES: usize = 4096;
/// Where the first page's own content begins.
const HEAD_BYTES: usize = 100;
/// Longest row that is put together from overflow pages: far more than any mask or prompt takes.
const MAX_ROW_BYTES: usize = 64 << 20;
/// How often an overflow page is read, on average over the file; in a sound one it belongs to a single row.
const MAX_OVERFLOW_READS: u64 = 16;
/// Pages looked at to tell whether a file without a head is a project.
const PROBED_PAGES: u32 = 256;

/// A row whose checksum fits.
pub enum Found {
    /// A mask, as it lies in its row.
    Mask(MaskId, Vec<u8>),
    /// What is known of an object on a frame.
    Mark(ObjectId, FrameIdx, FrameMark),
    /// What is said about an object on a frame.
    Prompt(ObjectId, FrameIdx, FramePrompt),
}

/// Looks through a database that nobody writes to, and gives every row it finds to `take`.
///
/// # Errors
/// When the file cannot be read.
pub fn scan(path: &Path, mut take: impl FnMut(Found)) -> io::Result<()> {
    let mut pages = Pages::open(path)?;
    let free = pages.free_list();
    for number in (1..=pages.count).filter(|number| !free.contains(number)) {
        pages.rows_of(number, &mut take)?;
    }
    Ok(())
}

/// Whether a file that does not begin like a project holds rows of one.
pub fn has_our_rows(path: &Path) -> io::Result<bool> {
    let mut pages = Pages::open(path)?;
    let mut is_ours = false;
    for number in 1..=pages.count.min(PROBED_PAGES) {
        pages.rows_of(number, &mut |_| is_ours = true)?;
        if is_ours {
            break;
        }
    }
    Ok(is_ours)
}

/// A value of a row.
enum Value<'a> {
    Null,
    Int(i64),
    Real(f64),
    Bytes(&'a [u8]),
}

struct Pages {
    file: File,
    count: u32,
    /// Overflow pages that may still be read. Damaged chains can go in circles, and many rows can begin at one place.
    overflow_left: u64,
}

impl Pages {
    fn open(path: &Path) -> io::Result<Self> {
        let file = File::open(path)?;
        let count = u32::try_from(file.metadata()?.len() / PAGE_BYTES as u64).unwrap_or(u32::MAX);
        Ok(Pages { file, count, overflow_left: u64::from(count) * MAX_OVERFLOW_READS })
    }

    fn page(&mut self, number: u32) -> io::Result<Vec<u8>> {
        let mut page = vec![0; PAGE_BYTES];
        self.file.seek(SeekFrom::Start(u64::from(number - 1) * PAGE_BYTES as u64))?;
        self.file.read_exact(&mut page)?;
        Ok(page)
    }

    /// The pages whose rows were deleted, as far as the list of them can be followed.
    fn free_list(&mut self) -> HashSet<u32> {
        let mut free = HashSet::new();
        let mut next = self.page(1).ok().and_then(|page| number_at(&page, 32)).unwrap_or(0);
        while (2..=self.count).contains(&next) && free.insert(next) {
            let Ok(trunk) = self.page(next) else { break };
            let count = number_at(&trunk, 4).unwrap_or(0).min(PAGE_BYTES as u32 / 4 - 2) as usize;
            free.extend((0..count).filter_map(|n| number_at(&trunk, 8 + 4 * n)));
            next = number_at(&trunk, 0).unwrap_or(0);
        }
        free
    }

    fn rows_of(&mut self, number: u32, take: &mut impl FnMut(Found)) -> io::Result<()> {
        let page = self.page(number)?;
        let start = if number == 1 { HEAD_BYTES } else { 0 };
        // Rows with a row id lie in table leaves; rows without lie in the leaves and forks of an index.
        let (is_table, fork_bytes) = match page[start] {
            0x0D => (true, 0),
            0x0A => (false, 0),
            0x02 => (false, 4),
            _ => return Ok(()),
        };
        let count = usize::from(u16::from_be_bytes([page[start + 3], page[start + 4]]));
        // In a sound page every row has one place; thousands of pointers to one would have it unpacked as often.
        let mut seen = HashSet::new();
        for n in 0..count.min(PAGE_BYTES / 2) {
            let Some(pointer) = page.get(start + 8 + fork_bytes + 2 * n..).and_then(|rest| rest.first_chunk::<2>())
            else {
                break;
            };
            let at = usize::from(u16::from_be_bytes(*pointer)) + fork_bytes;
            if seen.insert(at)
                && let Some((row_id, record)) = self.record(&page, at, is_table)
                && let Some(found) = row_id.map_or_else(|| row_without_id(&record), |id| row_with_id(id, &record))
            {
                take(found);
            }
        }
        Ok(())
    }

    /// The row id, where there is one, and the whole record of the cell at a place in a page.
    fn record(&mut self, page: &[u8], at: usize, is_table: bool) -> Option<(Option<i64>, Vec<u8>)> {
        let mut cell = page.get(at..)?;
        let length = usize::try_from(take_varint(&mut cell)?).ok().filter(|length| *length <= MAX_ROW_BYTES)?;
        let row_id = if is_table { Some(take_varint(&mut cell)?) } else { None };
        // How much of a long row lies in its page.
        let most = if is_table { PAGE_BYTES - 35 } else { (PAGE_BYTES - 12) * 64 / 255 - 23 };
        let least = (PAGE_BYTES - 12) * 32 / 255 - 23;
        if length <= most {
            return Some((row_id, cell.get(..length)?.to_vec()));
        }
        let spread = least + (length - least) % (PAGE_BYTES - 4);
        let local = if spread <= most { spread } else { least };
        let mut record = cell.get(..local)?.to_vec();
        let mut next = number_at(cell, local)?;
        while record.len() < length {
            if !(2..=self.count).contains(&next) {
                return None;
            }
            self.overflow_left = self.overflow_left.checked_sub(1)?;
            let overflow = self.page(next).ok()?;
            let wanted = (length - record.len()).min(PAGE_BYTES - 4);
            record.extend_from_slice(&overflow[4..4 + wanted]);
            next = number_at(&overflow, 0)?;
        }
        Some((row_id, record))
    }
}

fn number_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_be_bytes(*bytes.get(at..)?.first_chunk()?))
}

/// SQLite's number of variable length: 7 bits a byte, the highest first; a ninth byte counts whole.
fn take_varint(bytes: &mut &[u8]) -> Option<i64> {
    let mut number = 0_u64;
    for n in 0..9 {
        let (&byte, rest) = bytes.split_first()?;
        *bytes = rest;
        if n == 8 {
            return Some((number << 8 | u64::from(byte)) as i64);
        }
        number = number << 7 | u64::from(byte & 0x7F);
        if byte & 0x80 == 0 {
            break;
        }
    }
    Some(number as i64)
}

/// The values of a record; `None` when it is none.
fn values(record: &[u8]) -> Option<Vec<Value<'_>>> {
    let mut head = record;
    let head_bytes = usize::try_from(take_varint(&mut head)?).ok()?;
    let mut types = record.get(record.len() - head.len()..head_bytes)?;
    let mut body = record.get(head_bytes..)?;
    let mut values = Vec::new();
    while !types.is_empty() {
        let kind = take_varint(&mut types)?;
        let length = match kind {
            0 | 8 | 9 => 0,
            1..=4 => kind as usize,
            5 => 6,
            6 | 7 => 8,
            12.. => (kind as usize - 12) / 2,
            _ => return None,
        };
        let (bytes, rest) = body.split_at_checked(length)?;
        body = rest;
        values.push(match kind {
            0 => Value::Null,
            8 | 9 => Value::Int(kind - 8),
            7 => Value::Real(f64::from_be_bytes(*bytes.first_chunk()?)),
            12.. => Value::Bytes(bytes),
            _ => {
                // The sign comes from the first byte.
                let sign = if bytes[0] & 0x80 == 0 { 0 } else { -1 };
                Value::Int(bytes.iter().fold(sign, |number, byte| number << 8 | i64::from(*byte)))
            }
        });
    }
    Some(values)
}

fn row_with_id(id: i64, record: &[u8]) -> Option<Found> {
    match values(record)?.as_slice() {
        // The id's own column is empty where it is the row id.
        [Value::Null, Value::Bytes(data)] => {
            let id = MaskId(id as u64);
            mask_from(id, data).ok().map(|_| Found::Mask(id, data.to_vec()))
        }
        _ => None,
    }
}

fn row_without_id(record: &[u8]) -> Option<Found> {
    let score = |value: &Value<'_>| match value {
        Value::Null => Some(f32::NAN),
        // A score without a fraction is stored as a whole number.
        Value::Int(whole) => Some(*whole as f32),
        Value::Real(score) => Some(*score as f32),
        Value::Bytes(_) => None,
    };
    match values(record)?.as_slice() {
        [Value::Int(object), Value::Int(frame), Value::Bytes(body)] => {
            let prompt: PromptRecord = blob::unpacked_record([*object, *frame], body).ok()?;
            let (object, frame) = (ObjectId(u32::try_from(*object).ok()?), FrameIdx(u32::try_from(*frame).ok()?));
            Some(Found::Prompt(object, frame, FramePrompt::try_from(prompt).ok()?))
        }
        [
            Value::Int(object),
            Value::Int(frame),
            Value::Int(mask),
            Value::Int(provenance),
            Value::Int(revision),
            Value::Int(is_approved),
            Value::Int(area),
            object_score,
            predicted_iou,
            stability,
            Value::Int(checksum),
        ] => {
            let (object, frame) = (ObjectId(u32::try_from(*object).ok()?), FrameIdx(u32::try_from(*frame).ok()?));
            let mark = FrameMark {
                mask: MaskId(*mask as u64),
                provenance: provenance_from_code(u8::try_from(*provenance).ok()?).ok()?,
                revision: *revision as u64,
                is_approved: *is_approved != 0,
                area: *area as u64,
                object_score: score(object_score)?,
                predicted_iou: score(predicted_iou)?,
                stability: score(stability)?,
            };
            (i64::from(mark_checksum(object, frame, &mark)) == *checksum).then_some(Found::Mark(object, frame, mark))
        }
        _ => None,
    }
}
