//! Masks as `.npy`, one file per frame and object.
//!
//! Written as the tool this one replaces did: version 1.0, uint8, 0 and 1, shape [height, width], C order. Read for
//! `--mask`: any 2-D bool or integer array, both orders; whatever is not 0 is the object.

use std::fs::File;
use std::io::{self, Read, Write};
use std::path::Path;

use ndarray_npy::npy::header::Layout;

use super::npy_header::{HeaderFault, shape_of};
use super::{FormatError, npy_header, write_atomically};
use crate::label::{FrameIdx, FrameSize, Mask, ObjectId};

/// The name of a mask's file, `FRAME_OBJECT.npy`; the frame's number has at least `pad` digits.
pub fn file_name(frame: FrameIdx, object: ObjectId, pad: usize) -> String {
    format!("{:0pad$}_{object}.npy", frame.0)
}

/// The frame and the object in a name without its ending, however they are padded.
pub fn frame_and_object(stem: &str) -> Option<(FrameIdx, ObjectId)> {
    let (frame, object) = stem.split_once('_')?;
    Some((FrameIdx(frame.parse().ok()?), ObjectId(object.parse().ok()?)))
}

/// Whether a file's name is like a mask's, whoever gave it: two numbers, however long.
pub fn is_mask_name(name: &str) -> bool {
    let is_number = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    name.strip_suffix(".npy").and_then(|stem| stem.split_once('_')).is_some_and(|(f, o)| is_number(f) && is_number(o))
}

/// Writes a mask; the file appears under its name only when it is whole.
///
/// # Errors
/// When the file cannot be written.
pub fn write_mask(path: &Path, mask: &Mask) -> Result<(), FormatError> {
    write_atomically(path, |writer| {
        writer.write_all(&npy_header::written("|u1", &shape_of(mask.size())))?;
        writer.write_all(&mask.to_pixels())
    })
}

/// Reads a mask that must have the size of the clip's frames.
///
/// # Errors
/// When the file cannot be read, is not such an array, or has another size.
pub fn read_mask(path: &Path, expected: FrameSize) -> Result<Mask, FormatError> {
    let unreadable = |source| FormatError::Read { path: path.to_path_buf(), source };
    let unsound = |cause: String| FormatError::Npy { path: path.to_path_buf(), cause };
    let mut file = File::open(path).map_err(unreadable)?;
    let header = npy_header::read(&mut file).map_err(|fault| match fault {
        HeaderFault::Io(source) => unreadable(source),
        HeaderFault::Unsound(cause) => unsound(cause),
    })?;
    let &[height, width] = header.shape.as_slice() else {
        return Err(unsound(format!("its shape is {:?}, not [height, width]", header.shape)));
    };
    if (height, width) != (expected.height as usize, expected.width as usize) {
        let found = format!("{width}x{height}");
        return Err(FormatError::WrongSize { path: path.to_path_buf(), found, expected });
    }
    let element_bytes = header.element_bytes;
    let mut bytes = vec![0; expected.area() * element_bytes];
    file.read_exact(&mut bytes).map_err(|e| match e.kind() {
        io::ErrorKind::UnexpectedEof => unsound("its data ends early".into()),
        _ => unreadable(e),
    })?;
    // An integer is 0 exactly when all its bytes are, in either byte order.
    let is_object = |at: usize| bytes[at * element_bytes..(at + 1) * element_bytes].iter().any(|&byte| byte != 0);
    Ok(match header.layout {
        Layout::Standard => Mask::from_fn(expected, is_object),
        Layout::Fortran => Mask::from_fn(expected, |i| is_object(i % width * height + i / width)),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIZE: FrameSize = FrameSize { width: 3, height: 2 };

    #[test]
    fn names_say_frame_and_object() {
        let (frame, object) = (FrameIdx(7), ObjectId(12));
        assert_eq!([0, 5].map(|pad| file_name(frame, object, pad)), ["7_12.npy", "00007_12.npy"]);
        assert_eq!(["7_12", "00007_12"].map(frame_and_object), [Some((frame, object)); 2]);
        assert_eq!(["7", "7_12_1", "7_b", "99999999999_1"].map(frame_and_object), [None; 4]);
        assert!(["7_12.npy", "00007_12.npy", "99999999999_1.npy"].into_iter().all(is_mask_name));
        assert!(!["7_12", "7_.npy", "+7_12.npy", "7_12.npy.part"].into_iter().any(is_mask_name));
    }

    fn file(header: &str, data: &[u8]) -> Vec<u8> {
        let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
        bytes.extend((header.len() as u16 + 1).to_le_bytes());
        bytes.extend(header.as_bytes());
        bytes.push(b'\n');
        bytes.extend(data);
        bytes
    }

    fn read(content: &[u8]) -> Result<Mask, FormatError> {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("mask.npy");
        std::fs::write(&path, content).expect("writable");
        read_mask(&path, SIZE)
    }

    #[test]
    fn written_bytes_are_numpys_own() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("7_1.npy");
        let mask = Mask::from_pixels(SIZE, &[0, 1, 1, 0, 0, 1]).expect("six pixels");
        write_mask(&path, &mask).expect("writable");
        let bytes = std::fs::read(&path).expect("written");
        // numpy.save of the same array: 128 bytes of header, then the pixels.
        let dict = "{'descr': '|u1', 'fortran_order': False, 'shape': (2, 3), }";
        assert_eq!(&bytes[..10], b"\x93NUMPY\x01\x00\x76\x00");
        assert_eq!(std::str::from_utf8(&bytes[10..128]).expect("ASCII"), format!("{dict:<117}\n"));
        assert_eq!(&bytes[128..], [0, 1, 1, 0, 0, 1]);
        assert_eq!(read_mask(&path, SIZE).expect("own file"), mask);
    }

    #[test]
    fn foreign_arrays_are_read() {
        let header =
            |dtype: &str, order: &str| format!("{{'descr': '{dtype}', 'fortran_order': {order}, 'shape': (2, 3), }}");
        let wide = |size: usize, at: usize| {
            let mut bytes = vec![0; 6 * size];
            bytes[at] = 255;
            bytes
        };
        let cases: [(&str, String, Vec<u8>, [u8; 6]); 6] = [
            ("bool", header("|b1", "False"), vec![1, 0, 0, 0, 0, 1], [1, 0, 0, 0, 0, 1]),
            ("0 and 255", header("|u1", "False"), vec![0, 255, 0, 0, 0, 0], [0, 1, 0, 0, 0, 0]),
            ("little i8, top byte only", header("<i8", "False"), wide(8, 23), [0, 0, 1, 0, 0, 0]),
            ("big i2", header(">i2", "False"), wide(2, 11), [0, 0, 0, 0, 0, 1]),
            ("Fortran order", header("|u1", "True"), vec![1, 0, 0, 1, 0, 0], [1, 0, 0, 0, 1, 0]),
            ("no byte order", header("u1", "False"), vec![0, 0, 0, 1, 0, 0], [0, 0, 0, 1, 0, 0]),
        ];
        for (name, header, data, pixels) in cases {
            assert_eq!(read(&file(&header, &data)).expect(name).to_pixels(), pixels, "{name}");
        }
    }

    #[test]
    fn unusable_files_say_why() {
        let header =
            |dtype: &str, shape: &str| format!("{{'descr': {dtype}, 'fortran_order': False, 'shape': {shape}, }}");
        let mut long_header = b"\x93NUMPY\x02\x00\xff\xff\xff\xff".to_vec();
        long_header.extend([b' '; 64]);
        let cases = [
            ("does not begin", b"PNG".to_vec()),
            ("version 9", b"\x93NUMPY\x09\x00\x00\x00\x00\x00".to_vec()),
            ("limit is", long_header),
            ("header ends early", b"\x93NUMPY\x01\x00\x76\x00{'descr'".to_vec()),
            ("plain array", file(&"(".repeat(9000), &[])),
            ("structure", file(&header("[('a', '|u1')]", "(2, 3)"), &[0; 6])),
            ("<f4", file(&header("'<f4'", "(2, 3)"), &[0; 24])),
            ("[1, 2, 3]", file(&header("'|u1'", "(1, 2, 3)"), &[0; 6])),
            ("2x3", file(&header("'|u1'", "(3, 2)"), &[0; 6])),
            ("100000000000x100000000000", file(&header("'|u1'", "(100000000000, 100000000000)"), &[0; 6])),
            ("ends early", file(&header("'|u1'", "(2, 3)"), &[0; 5])),
        ];
        for (part, content) in cases {
            let message = read(&content).expect_err(part).to_string();
            assert!(message.contains(part) && message.contains("mask.npy"), "{part} is not in: {message}");
        }
    }
}
