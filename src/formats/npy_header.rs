//! Headers of `.npy` files: written as numpy does, read with limits.

use std::fs::File;
use std::io::{self, Read};

use ndarray_npy::npy::header::{Header, Layout};

use crate::label::FrameSize;

/// Longest header accepted, as in numpy.
const MAX_HEADER_BYTES: usize = 10_000;
/// Most brackets in a header; a plain array's has two. The header's parser recurses on them.
const MAX_BRACKETS: usize = 16;

/// Rows and columns.
pub(super) fn shape_of(size: FrameSize) -> [usize; 2] {
    [size.height as usize, size.width as usize]
}

/// The very bytes `numpy.save` writes before such an array (`ndarray-npy` leaves out a comma), so files compare equal.
pub(super) fn written(dtype: &str, shape: &[usize]) -> Vec<u8> {
    let sides: Vec<String> = shape.iter().map(usize::to_string).collect();
    let comma = if shape.len() == 1 { "," } else { "" };
    let dict = format!("{{'descr': '{dtype}', 'fortran_order': False, 'shape': ({}{comma}), }}", sides.join(", "));
    // 10 bytes before the text and a newline after it make a multiple of 64.
    let text_bytes = (10 + dict.len() + 1).next_multiple_of(64) - 10;
    let length = u16::try_from(text_bytes).expect("a few numbers make a short header");
    let mut header = b"\x93NUMPY\x01\x00".to_vec();
    header.extend(length.to_le_bytes());
    header.extend(format!("{dict:<width$}\n", width = text_bytes - 1).bytes());
    header
}

/// What a header says of the array behind it.
pub(super) struct ArrayHeader {
    pub shape: Vec<usize>,
    pub layout: Layout,
    pub dtype: String,
    pub element_bytes: usize,
}

/// Why a header cannot be read.
pub(super) enum HeaderFault {
    Io(io::Error),
    Unsound(String),
}

/// Reads the header, bounded in length and nesting before the crate's parser sees it.
pub(super) fn read(file: &mut File) -> Result<ArrayHeader, HeaderFault> {
    let unsound = |cause: &str| HeaderFault::Unsound(cause.to_owned());
    let mut start = Vec::new();
    Read::by_ref(file).take(12).read_to_end(&mut start).map_err(HeaderFault::Io)?;
    if start.len() < 12 || &start[..6] != b"\x93NUMPY" {
        return Err(unsound("it does not begin like one"));
    }
    let (prefix_bytes, header_bytes) = match start[6] {
        1 => (10, usize::from(u16::from_le_bytes([start[8], start[9]]))),
        2 | 3 => (12, u32::from_le_bytes([start[8], start[9], start[10], start[11]]) as usize),
        version => return Err(HeaderFault::Unsound(format!("its format version {version} is not known"))),
    };
    if header_bytes > MAX_HEADER_BYTES {
        return Err(HeaderFault::Unsound(format!(
            "its header has {header_bytes} bytes, the limit is {MAX_HEADER_BYTES}"
        )));
    }
    let rest_bytes = (prefix_bytes + header_bytes).saturating_sub(start.len());
    Read::by_ref(file).take(rest_bytes as u64).read_to_end(&mut start).map_err(HeaderFault::Io)?;
    if start.len() != prefix_bytes + header_bytes {
        return Err(unsound("its header ends early"));
    }
    if start.iter().filter(|byte| b"([{".contains(byte)).count() > MAX_BRACKETS {
        return Err(unsound("its header is not a plain array's"));
    }
    let header = Header::from_reader(&mut start.as_slice()).map_err(|e| HeaderFault::Unsound(e.to_string()))?;
    let dtype = header.type_descriptor.as_string().ok_or_else(|| unsound("its element type is a structure"))?;
    let element_bytes = element_bytes(dtype)
        .ok_or_else(|| HeaderFault::Unsound(format!("its element type is {:?}", dtype.escape_debug().to_string())))?;
    let dtype = dtype.to_owned();
    Ok(ArrayHeader { shape: header.shape, layout: header.layout, dtype, element_bytes })
}

/// Bytes per element of a bool or integer dtype (`|b1`, `|u1`, `<i4`, `u1` …).
fn element_bytes(dtype: &str) -> Option<usize> {
    match dtype.trim_start_matches(['<', '>', '|', '=']) {
        "b1" | "u1" | "i1" | "?" => Some(1),
        "u2" | "i2" => Some(2),
        "u4" | "i4" => Some(4),
        "u8" | "i8" => Some(8),
        _ => None,
    }
}
