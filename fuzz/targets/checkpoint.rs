//! Model files: `.pt` as a whole, the pickle in it, and safetensors. All tensors are read.

use std::path::Path;

use label_hub::sam2::checkpoint::Checkpoint;

use super::{Target, written};
use crate::checkpoint_support::{pt_with_pickle, two_tensors};

/// Bytes of tensors behind the header of our safetensors seeds.
pub const SAFETENSORS_DATA_BYTES: usize = 32;

/// The targets.
pub fn targets() -> Vec<Target> {
    // A pickle's checksum would stop every change of it, so it gets a sound archive.
    let pickle = |folder: &Path, input: &[u8]| read(folder, &pt_with_pickle(input.to_vec(), &two_tensors()));
    let repair = |bytes: &mut [u8]| {
        if let Some(length) = bytes.len().checked_sub(8 + SAFETENSORS_DATA_BYTES) {
            bytes[..8].copy_from_slice(&(length as u64).to_le_bytes());
        }
    };
    vec![
        Target::new("pt", false, read),
        Target::new("pickle", false, pickle),
        Target::new("safetensors", true, read).with_repair(repair),
    ]
}

fn read(folder: &Path, input: &[u8]) -> String {
    let checkpoint = match Checkpoint::open(&written(folder, "model.bin", input)) {
        Ok(checkpoint) => checkpoint,
        Err(error) => return error.to_string(),
    };
    let mut said = format!("opened {}", "t".repeat(checkpoint.tensors().len().min(8)));
    for (name, facts) in checkpoint.tensors() {
        match checkpoint.read_f32(name) {
            Ok(values) => {
                assert_eq!(values.len(), facts.shape.iter().product::<usize>(), "{name}: as many values as its shape");
                assert!(values.iter().all(|value| value.is_finite()), "{name}: all finite");
                said.push_str(&format!(" {:?}", facts.dtype));
            }
            Err(error) => said.push_str(&format!(" {error}")),
        }
    }
    said
}
