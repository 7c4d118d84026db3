//! The header of a safetensors file: names, types, shapes and byte ranges.
//!
//! Called by `Checkpoint`. Parsing and the checks on ranges (no gap, no overlap, length fits shape) are the
//! `safetensors` crate's; this file bounds the header before reading it and compares the ranges with the file's length.
//! The file is read, not mapped: one that shrinks while mapped would kill the program.

use safetensors::tensor::{Dtype, Metadata};

use super::archive::read_range;
use super::source::Content;

/// Longest header accepted, in bytes. The format allows 100 MB; the large model needs about 0.1 MB.
const MAX_HEADER_BYTES: u64 = 16 << 20;
/// Bytes before the header: its length.
const LENGTH_BYTES: u64 = 8;

/// A tensor in the file.
#[derive(Debug)]
pub(super) struct HeaderTensor {
    /// Name.
    pub(super) name: String,
    /// Element type.
    pub(super) dtype: Dtype,
    /// Shape.
    pub(super) shape: Vec<usize>,
    /// First byte in the file.
    pub(super) start: u64,
}

/// Whether the first bytes can be a safetensors header: a length, then a JSON object.
pub(super) fn is_safetensors(first_bytes: &[u8]) -> bool {
    first_bytes.len() > LENGTH_BYTES as usize && first_bytes[LENGTH_BYTES as usize] == b'{'
}

/// Reads and checks the header of `file`, which is `file_bytes` long.
pub(super) fn read_header(file: &mut Content, file_bytes: u64) -> Result<Vec<HeaderTensor>, String> {
    let read =
        |file: &mut Content, at, length| read_range(file, at, length).map_err(|e| format!("reading failed ({e})"));
    let length = read(file, 0, LENGTH_BYTES)?;
    let header_bytes = u64::from_le_bytes(length.try_into().expect("eight bytes were read"));
    if header_bytes > file_bytes - LENGTH_BYTES {
        return Err(format!("its header claims {header_bytes} bytes, the file has {file_bytes}"));
    }
    if header_bytes > MAX_HEADER_BYTES {
        return Err(format!("its header has {header_bytes} bytes, the limit is {MAX_HEADER_BYTES}"));
    }
    let header = read(file, LENGTH_BYTES, header_bytes)?;
    let metadata: Metadata = serde_json::from_slice(&header).map_err(|e| format!("its header is unsound ({e})"))?;
    let data_start = LENGTH_BYTES + header_bytes;
    if data_start.checked_add(metadata.data_len() as u64) != Some(file_bytes) {
        let data_bytes = file_bytes - data_start;
        return Err(format!("its tensors need {} bytes, the file has {data_bytes}", metadata.data_len()));
    }
    let tensors = metadata.tensors().into_iter().map(|(name, info)| HeaderTensor {
        name,
        dtype: info.dtype,
        shape: info.shape.clone(),
        start: data_start + info.data_offsets.0 as u64,
    });
    Ok(tensors.collect())
}
