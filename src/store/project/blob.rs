//! How longer values lie in the project file: packed, and with a checksum that notices damage SQLite itself cannot see.
//!
//! Used by the tables' readers and writers in this folder. Every blob ends in a CRC-32 of its row's key and of what comes
//! before it, so that a row under a wrong key is noticed too. A packed blob is the length of its content (four bytes,
//! lowest first) and the content as one zstd frame.

use std::cell::RefCell;
use std::io::Read;
use std::sync::Arc;

use serde::Serialize;
use serde::de::DeserializeOwned;
use zstd::bulk::Compressor;

/// Longest content of a packed blob; a step of a long run is cut into many, so real ones stay far below.
const MAX_CONTENT_BYTES: usize = 1 << 30;
const ZSTD_LEVEL: i32 = 3;
const CHECKSUM_BYTES: usize = 4;

/// The key of the row a blob lies in: one column, or two.
pub type RowKey = [i64; 2];

thread_local! {
    // Making one costs more than packing a small blob, and there are thousands.
    static COMPRESSOR: RefCell<Compressor<'static>> =
        RefCell::new(Compressor::new(ZSTD_LEVEL).expect("zstd knows its own level"));
}

/// The checksum of a row's key and more.
pub fn checksum(key: RowKey, bytes: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    key.iter().for_each(|part| hasher.update(&part.to_le_bytes()));
    hasher.update(bytes);
    hasher.finalize()
}

/// The bytes with their checksum after them.
pub fn sealed(key: RowKey, bytes: &[u8]) -> Arc<[u8]> {
    let mut blob = Vec::with_capacity(bytes.len() + CHECKSUM_BYTES);
    blob.extend_from_slice(bytes);
    blob.extend_from_slice(&checksum(key, bytes).to_le_bytes());
    blob.into()
}

/// The bytes without their checksum.
///
/// # Errors
/// When they are not what was sealed under this key.
pub fn unsealed(key: RowKey, blob: &[u8]) -> Result<&[u8], String> {
    let (bytes, found) = blob.split_last_chunk::<CHECKSUM_BYTES>().ok_or("it ends early")?;
    if checksum(key, bytes) == u32::from_le_bytes(*found) { Ok(bytes) } else { Err("its checksum is wrong".to_owned()) }
}

/// Packs and seals.
pub fn packed(key: RowKey, content: &[u8]) -> Vec<u8> {
    let mut blob = u32::try_from(content.len()).expect("content is far under 4 GiB").to_le_bytes().to_vec();
    let frame = COMPRESSOR.with_borrow_mut(|compressor| compressor.compress(content));
    blob.extend(frame.expect("zstd takes any bytes"));
    let checksum = checksum(key, &blob);
    blob.extend(checksum.to_le_bytes());
    blob
}

/// The content of a packed blob.
///
/// # Errors
/// When it is not what was packed under this key.
pub fn unpacked(key: RowKey, blob: &[u8]) -> Result<Vec<u8>, String> {
    let (length, frame) = unsealed(key, blob)?.split_first_chunk::<4>().ok_or("it ends early")?;
    let length = u32::from_le_bytes(*length) as usize;
    if length > MAX_CONTENT_BYTES {
        return Err(format!("it would be {length} bytes long"));
    }
    // Memory is taken as content comes, not as the length claims: a damaged blob of a few bytes may claim a gigabyte.
    let mut content = Vec::new();
    let decoder = zstd::Decoder::with_buffer(frame).map_err(|e| e.to_string())?;
    decoder.take(length as u64 + 1).read_to_end(&mut content).map_err(|e| e.to_string())?;
    if content.len() == length { Ok(content) } else { Err("its length is wrong".to_owned()) }
}

/// A record as CBOR, packed.
pub fn packed_record(key: RowKey, record: &impl Serialize) -> Vec<u8> {
    let mut content = Vec::new();
    ciborium::into_writer(record, &mut content).expect("records are plain data and memory takes every write");
    packed(key, &content)
}

/// A record from packed CBOR.
///
/// # Errors
/// When the blob is damaged or holds something else.
pub fn unpacked_record<T: DeserializeOwned>(key: RowKey, blob: &[u8]) -> Result<T, String> {
    ciborium::from_reader(unpacked(key, blob)?.as_slice()).map_err(|e| e.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: RowKey = [7, -1];

    #[test]
    fn every_changed_byte_is_noticed() {
        let content: Vec<u8> = (1..300_u32).flat_map(|n| (n * n).to_le_bytes()).collect();
        for blob in [sealed(KEY, &content).to_vec(), packed(KEY, &content)] {
            for at in 0..blob.len() {
                let mut other = blob.clone();
                other[at] ^= 0x10;
                assert!(unsealed(KEY, &other).is_err(), "byte {at}");
                assert!(unpacked(KEY, &other).is_err(), "byte {at}");
                assert!(unsealed(KEY, &blob[..at]).is_err(), "cut at {at}");
            }
        }
        assert!(unpacked([8, -1], &packed(KEY, &content)).is_err(), "another row");
        assert_eq!(unsealed(KEY, &sealed(KEY, &content)), Ok(content.as_slice()));
        assert_eq!(unpacked(KEY, &packed(KEY, &content)), Ok(content));
        assert_eq!(unpacked(KEY, &packed(KEY, &[])), Ok(Vec::new()));
    }

    #[test]
    fn lengths_that_lie_are_refused() {
        let mut blob = packed(KEY, &[7; 1000]);
        for length in [0_u32, 999, 1001, u32::MAX] {
            blob.truncate(blob.len() - CHECKSUM_BYTES);
            blob[..4].copy_from_slice(&length.to_le_bytes());
            let checksum = checksum(KEY, &blob);
            blob.extend(checksum.to_le_bytes());
            assert!(unpacked(KEY, &blob).is_err(), "{length}");
        }
    }
}
