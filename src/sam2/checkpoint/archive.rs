//! The zip container of a PyTorch checkpoint, read by position: the directory up front, an entry's bytes on demand.
//!
//! Called by `Checkpoint`. PyTorch stores its entries uncompressed, so an entry is a range of the file and nothing is
//! ever inflated. The file is not trusted: every count, length and offset is checked against a limit and the file's
//! length before anything is allocated for it. Layout: PKWARE APPNOTE 4.3, with the ZIP64 records PyTorch writes.

use std::collections::BTreeMap;
use std::io::{self, Read, Seek, SeekFrom};

use super::source::Content as Source;

/// Most entries accepted; the large model has 903 tensors.
const MAX_ENTRIES: u64 = 2000;
/// Longest directory accepted, in bytes.
const MAX_DIRECTORY_BYTES: u64 = 4 << 20;
/// Longest `data.pkl` accepted, in bytes.
const MAX_PICKLE_BYTES: u64 = 16 << 20;

const END_SIGNATURE: u32 = 0x0605_4b50;
const END_BYTES: usize = 22;
const END64_LOCATOR_SIGNATURE: u32 = 0x0706_4b50;
const END64_LOCATOR_BYTES: usize = 20;
const END64_SIGNATURE: u32 = 0x0606_4b50;
const END64_BYTES: usize = 56;
const DIRECTORY_SIGNATURE: u32 = 0x0201_4b50;
const DIRECTORY_BYTES: usize = 46;
const LOCAL_SIGNATURE: u32 = 0x0403_4b50;
const LOCAL_BYTES: usize = 30;

/// Why a zip file is not a sound PyTorch archive.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    /// The operating system refused.
    #[error("reading failed ({0})")]
    Io(#[from] io::Error),
    /// The file ends early or was cut.
    #[error("the zip directory at its end is missing, so the file is cut short")]
    NoDirectory,
    /// A field contradicts another or the file's length.
    #[error("{0}")]
    Unsound(String),
    /// More than this reader accepts.
    #[error("{what} is {got}, the limit is {limit}")]
    Limit {
        /// What is too large.
        what: &'static str,
        /// Its size.
        got: u64,
        /// The most accepted.
        limit: u64,
    },
}

/// A stored entry: where its header lies and how long its bytes are.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    header_offset: u64,
    name_length: u16,
    /// Bytes of content.
    pub(super) size: u64,
    crc32: u32,
}

/// A checked PyTorch archive: its entries by name, without the folder they all lie in.
#[derive(Debug)]
pub(super) struct Archive {
    entries: BTreeMap<String, Entry>,
    file_bytes: u64,
}

/// The bytes of (part of) an entry, and whether the archive's checksum vouches for them.
pub(super) struct Content {
    /// The bytes asked for.
    pub(super) bytes: Vec<u8>,
    /// `Some(false)`: the whole entry was read and its checksum differs. `None`: only part of it was read.
    pub(super) checksum_holds: Option<bool>,
}

impl Archive {
    /// Reads and checks the directory of `file`, which is `file_bytes` long.
    pub(super) fn open(file: &mut Source, file_bytes: u64) -> Result<Self, ArchiveError> {
        let (offset, length, count) = find_directory(file, file_bytes)?;
        let directory = read_range(file, offset, length)?;
        let mut entries = BTreeMap::new();
        let mut content_bytes = 0_u64;
        let mut rest = directory.as_slice();
        for _ in 0..count {
            let (name, entry) = parse_directory_entry(&mut rest)?;
            content_bytes = content_bytes.saturating_add(entry.size);
            if entry.header_offset.checked_add(LOCAL_BYTES as u64).is_none_or(|end| end > offset) {
                return Err(ArchiveError::Unsound(format!("entry {name:?} lies outside the file")));
            }
            if entries.insert(name.clone(), entry).is_some() {
                return Err(ArchiveError::Unsound(format!("entry {name:?} appears twice")));
            }
        }
        if content_bytes > file_bytes {
            return Err(ArchiveError::Unsound("the entries are longer than the file, so it is cut short".into()));
        }
        let mut archive = Archive { entries: strip_folder(entries)?, file_bytes };
        archive.check_byte_order(file)?;
        Ok(archive)
    }

    /// The entry called `name`, folder left out (`data.pkl`, `data/17`).
    pub(super) fn entry(&self, name: &str) -> Option<&Entry> {
        self.entries.get(name)
    }

    /// The pickled list of tensors.
    pub(super) fn read_pickle(&self, file: &mut Source) -> Result<Vec<u8>, ArchiveError> {
        let entry = self.entries.get("data.pkl").expect("strip_folder found it");
        if entry.size > MAX_PICKLE_BYTES {
            return Err(ArchiveError::Limit { what: "data.pkl", got: entry.size, limit: MAX_PICKLE_BYTES });
        }
        let content = self.read(file, entry, 0, entry.size)?;
        if content.checksum_holds == Some(false) {
            return Err(ArchiveError::Unsound("data.pkl does not match its checksum".into()));
        }
        Ok(content.bytes)
    }

    /// `length` bytes of `entry` from `start` on.
    pub(super) fn read(
        &self,
        file: &mut Source,
        entry: &Entry,
        start: u64,
        length: u64,
    ) -> Result<Content, ArchiveError> {
        let header = read_range(file, entry.header_offset, LOCAL_BYTES as u64)?;
        if u32_at(&header, 0) != LOCAL_SIGNATURE || u16_at(&header, 26) != entry.name_length {
            return Err(ArchiveError::Unsound("an entry's header is not where the directory says".into()));
        }
        let header_bytes = LOCAL_BYTES as u64 + u64::from(u16_at(&header, 26)) + u64::from(u16_at(&header, 28));
        let data_offset = entry.header_offset + header_bytes;
        let inside = start.checked_add(length).is_some_and(|end| end <= entry.size)
            && data_offset.checked_add(entry.size).is_some_and(|end| end <= self.file_bytes);
        if !inside {
            return Err(ArchiveError::Unsound("an entry reaches past the end of the file".into()));
        }
        let bytes = read_range(file, data_offset + start, length)?;
        let whole = start == 0 && length == entry.size;
        let checksum_holds = whole.then(|| crc32fast::hash(&bytes) == entry.crc32);
        Ok(Content { bytes, checksum_holds })
    }

    fn check_byte_order(&mut self, file: &mut Source) -> Result<(), ArchiveError> {
        let Some(entry) = self.entries.get("byteorder") else {
            return Ok(()); // written since PyTorch 2.1; older files are little endian
        };
        let order = self.read(file, entry, 0, entry.size.min(16))?.bytes;
        if order.trim_ascii() == b"little" {
            return Ok(());
        }
        Err(ArchiveError::Unsound(format!("its byte order is {:?}, only little endian is read", order.escape_ascii())))
    }
}

/// Offset, length and entry count of the directory.
fn find_directory(file: &mut Source, file_bytes: u64) -> Result<(u64, u64, u64), ArchiveError> {
    let longest_tail = (END64_BYTES + END64_LOCATOR_BYTES + END_BYTES + usize::from(u16::MAX)) as u64;
    let tail_bytes = file_bytes.min(longest_tail);
    let tail_offset = file_bytes - tail_bytes;
    let tail = read_range(file, tail_offset, tail_bytes)?;
    let last = tail.len().checked_sub(END_BYTES).ok_or(ArchiveError::NoDirectory)?;
    let end = (0..=last)
        .rev()
        .find(|&at| {
            u32_at(&tail, at) == END_SIGNATURE && at + END_BYTES + usize::from(u16_at(&tail, at + 20)) == tail.len()
        })
        .ok_or(ArchiveError::NoDirectory)?;

    let (mut count, mut length, mut offset) =
        (u64::from(u16_at(&tail, end + 10)), u64::from(u32_at(&tail, end + 12)), u64::from(u32_at(&tail, end + 16)));
    let end64 = end.checked_sub(END64_LOCATOR_BYTES).filter(|&at| u32_at(&tail, at) == END64_LOCATOR_SIGNATURE);
    if let Some(locator) = end64 {
        let record = read_range_within(file, u64_at(&tail, locator + 8), END64_BYTES as u64, file_bytes)?;
        if u32_at(&record, 0) != END64_SIGNATURE {
            return Err(ArchiveError::Unsound("the ZIP64 directory record is not where the file says".into()));
        }
        (count, length, offset) = (u64_at(&record, 32), u64_at(&record, 40), u64_at(&record, 48));
    }
    if count > MAX_ENTRIES {
        return Err(ArchiveError::Limit { what: "the number of entries", got: count, limit: MAX_ENTRIES });
    }
    if length > MAX_DIRECTORY_BYTES {
        return Err(ArchiveError::Limit { what: "the zip directory", got: length, limit: MAX_DIRECTORY_BYTES });
    }
    if offset.checked_add(length).is_none_or(|after| after > tail_offset + end as u64) {
        return Err(ArchiveError::Unsound("the zip directory reaches past its end".into()));
    }
    Ok((offset, length, count))
}

/// Takes one directory record off the front of `rest`.
fn parse_directory_entry(rest: &mut &[u8]) -> Result<(String, Entry), ArchiveError> {
    let short = || ArchiveError::Unsound("the zip directory is cut short".into());
    let fixed = rest.get(..DIRECTORY_BYTES).ok_or_else(short)?;
    if u32_at(fixed, 0) != DIRECTORY_SIGNATURE {
        return Err(ArchiveError::Unsound("the zip directory holds something else than entries".into()));
    }
    let (flags, method) = (u16_at(fixed, 8), u16_at(fixed, 10));
    let crc32 = u32_at(fixed, 16);
    let (packed, size) = (u32_at(fixed, 20), u32_at(fixed, 24));
    let (name_length, extra_length, comment_length) = (u16_at(fixed, 28), u16_at(fixed, 30), u16_at(fixed, 32));
    let header_offset = u32_at(fixed, 42);

    let name_end = DIRECTORY_BYTES + usize::from(name_length);
    let extra_end = name_end + usize::from(extra_length);
    let name = rest.get(DIRECTORY_BYTES..name_end).ok_or_else(short)?;
    let extra = rest.get(name_end..extra_end).ok_or_else(short)?;
    let name =
        std::str::from_utf8(name).map_err(|_| ArchiveError::Unsound("an entry's name is not UTF-8".into()))?.to_owned();
    *rest = rest.get(extra_end + usize::from(comment_length)..).ok_or_else(short)?;

    let (packed, size, header_offset) = widen(extra, packed, size, header_offset)?;
    if method != 0 || flags & 1 != 0 || packed != size {
        return Err(ArchiveError::Unsound(format!(
            "entry {name:?} is compressed or encrypted, PyTorch only writes stored entries"
        )));
    }
    Ok((name, Entry { header_offset, name_length, size, crc32 }))
}

/// Replaces fields that are all ones by their 64-bit values from the ZIP64 extra field, in the standard's order.
fn widen(extra: &[u8], packed: u32, size: u32, header_offset: u32) -> Result<(u64, u64, u64), ArchiveError> {
    let missing = || ArchiveError::Unsound("an entry's ZIP64 field is cut short".into());
    let mut wide: &[u8] = &[];
    let mut at = 0;
    while at + 4 <= extra.len() {
        let (id, length) = (u16_at(extra, at), usize::from(u16_at(extra, at + 2)));
        let body = extra.get(at + 4..at + 4 + length).ok_or_else(missing)?;
        if id == 1 {
            wide = body;
        }
        at += 4 + length;
    }
    let mut field = |narrow: u32| -> Result<u64, ArchiveError> {
        if narrow != u32::MAX {
            return Ok(u64::from(narrow));
        }
        let (value, rest) = wide.split_at_checked(8).ok_or_else(missing)?;
        wide = rest;
        Ok(u64_at(value, 0))
    };
    let size = field(size)?;
    let packed = field(packed)?;
    let header_offset = field(header_offset)?;
    Ok((packed, size, header_offset))
}

/// All entries lie in one folder, named after the file when it was saved; finds it by `data.pkl`.
fn strip_folder(entries: BTreeMap<String, Entry>) -> Result<BTreeMap<String, Entry>, ArchiveError> {
    let mut folders = entries.keys().filter_map(|name| match name.strip_suffix("data.pkl") {
        Some(folder) if folder.is_empty() || folder.ends_with('/') => Some(folder.to_owned()),
        Some(_) | None => None,
    });
    let folder = folders.next().ok_or_else(|| ArchiveError::Unsound("it has no data.pkl".into()))?;
    if folders.next().is_some() {
        return Err(ArchiveError::Unsound("it has more than one data.pkl".into()));
    }
    drop(folders);
    let inside = |(name, entry): (String, Entry)| name.strip_prefix(&folder).map(|short| (short.to_owned(), entry));
    Ok(entries.into_iter().filter_map(inside).collect())
}

fn read_range_within(file: &mut Source, offset: u64, length: u64, file_bytes: u64) -> Result<Vec<u8>, ArchiveError> {
    if offset.checked_add(length).is_none_or(|end| end > file_bytes) {
        return Err(ArchiveError::NoDirectory);
    }
    Ok(read_range(file, offset, length)?)
}

/// Reads exactly `length` bytes; callers have checked `length` against the file, so the allocation is bounded by it.
pub(super) fn read_range(file: &mut Source, offset: u64, length: u64) -> io::Result<Vec<u8>> {
    file.seek(SeekFrom::Start(offset))?;
    let length = usize::try_from(length).map_err(|_| io::Error::from(io::ErrorKind::OutOfMemory))?;
    let mut bytes = vec![0; length];
    file.read_exact(&mut bytes)?;
    Ok(bytes)
}

fn u16_at(bytes: &[u8], at: usize) -> u16 {
    u16::from_le_bytes(bytes[at..at + 2].try_into().expect("a slice of two"))
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(bytes[at..at + 4].try_into().expect("a slice of four"))
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(bytes[at..at + 8].try_into().expect("a slice of eight"))
}
