//! `.npy`: a mask for `--mask`, and masks and stacks of them as a dataset.

use label_hub::formats::npy;

use super::dataset::import_file;
use super::{SIZE, Target, written};
use label_hub::formats::FormatId;

/// The targets.
pub fn targets() -> Vec<Target> {
    let mask =
        Target::new("npy", false, |folder, input| match npy::read_mask(&written(folder, "mask.npy", input), SIZE) {
            Ok(mask) => {
                assert_eq!(mask.size(), SIZE);
                format!("read, {}", if mask.is_empty() { "empty" } else { "not empty" })
            }
            Err(error) => error.to_string(),
        });
    let stack = Target::new("npy_stack", false, |folder, input| {
        import_file(folder, FormatId::NpyStack, "clip/masks/1.npy", input, &[])
    });
    let frame = Target::new("npy_frames", false, |folder, input| {
        import_file(folder, FormatId::Npy, "clip/1_1.npy", input, &[])
    });
    vec![mask.with_repair(repair), stack.with_repair(repair), frame.with_repair(repair)]
}

/// Sets the header's length to where its line ends.
fn repair(bytes: &mut [u8]) {
    const BEFORE: usize = 10;
    let Some(end) = bytes.iter().skip(BEFORE).position(|&byte| byte == b'\n') else { return };
    if bytes.starts_with(b"\x93NUMPY\x01") {
        bytes[8..BEFORE].copy_from_slice(&(end as u16 + 1).to_le_bytes());
    }
}
