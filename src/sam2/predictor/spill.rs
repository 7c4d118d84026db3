//! States of frames on disk, one pair of files per object and frame, each written whole or not at all.
//!
//! `O_F.state` holds what a later prompt on the frame needs (logits as f16, clamped as the decoder would clamp them,
//! pointer, scores), compressed. `O_F.memory` holds the frame's memory, exactly, and only while frames nearby may still
//! attend to it; a memory that is needed again after that is made anew from the frame and its logits.

use std::collections::HashMap;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use candle_core::{DType, Device, Tensor};
use safetensors::SafeTensors;
use safetensors::tensor::TensorView;

use crate::label::{FrameSize, Mask, ObjectId};

use super::super::error::Sam2Error;
use super::track::FrameState;

/// The decoder clamps logits it is shown again to this.
pub const LOGIT_LIMIT: f64 = 32.0;
/// Most bytes a state may unpack to: a guard against damaged files, far above any real state.
const MAX_STATE_BYTES: u64 = 256 << 20;

/// A folder of states.
pub struct Spill {
    folder: PathBuf,
    /// Removes the folder with the predictor, when nobody named it.
    _temporary: Option<tempfile::TempDir>,
}

impl Spill {
    /// Uses `folder`, or a temporary one.
    pub fn new(folder: Option<PathBuf>) -> Result<Self, Sam2Error> {
        match folder {
            Some(folder) => {
                std::fs::create_dir_all(&folder).map_err(|e| failed(&folder, "cannot be written", &e))?;
                Ok(Spill { folder, _temporary: None })
            }
            None => {
                let temporary = tempfile::Builder::new()
                    .prefix("label-hub-state-")
                    .tempdir()
                    .map_err(|e| failed(&std::env::temp_dir(), "cannot be written", &e))?;
                Ok(Spill { folder: temporary.path().to_owned(), _temporary: Some(temporary) })
            }
        }
    }

    fn path(&self, object: ObjectId, frame: u32, kind: &str) -> PathBuf {
        self.folder.join(format!("{object}_{frame}.{kind}"))
    }

    /// Writes a state: the memory first, so that a state without one is known to be old, not cut short.
    pub fn write(&self, object: ObjectId, frame: u32, state: &FrameState) -> Result<(), Sam2Error> {
        if let Some(memory) = &state.memory {
            let path = self.path(object, frame, "memory");
            self.write_file(&path, &serialize(&[("memory", memory)], &path)?)?;
        }
        let path = self.path(object, frame, "state");
        let low_res = spilled_logits(&state.low_res)?;
        let scores = Tensor::new(&[state.object_score, state.predicted_iou], &Device::Cpu)?;
        let mut tensors = vec![("low_res", &low_res), ("pointer", &state.pointer), ("scores", &scores)];
        let (size, runs);
        if let Some(mask) = &state.supplied {
            size = Tensor::new(&[mask.size().width, mask.size().height], &Device::Cpu)?;
            runs = Tensor::new(mask.runs(), &Device::Cpu)?;
            tensors.extend([("supplied_size", &size), ("supplied_runs", &runs)]);
        }
        let pack = |bytes: Vec<u8>| -> std::io::Result<Vec<u8>> {
            let mut encoder = zstd::stream::write::Encoder::new(Vec::new(), 1)?;
            encoder.include_checksum(true)?;
            std::io::Write::write_all(&mut encoder, &bytes)?;
            encoder.finish()
        };
        let packed = pack(serialize(&tensors, &path)?).map_err(|e| failed(&path, "cannot be written", &e))?;
        self.write_file(&path, &packed)
    }

    fn write_file(&self, path: &Path, bytes: &[u8]) -> Result<(), Sam2Error> {
        use std::io::Write;
        let write = || -> std::io::Result<()> {
            let mut file = tempfile::NamedTempFile::new_in(&self.folder)?;
            file.write_all(bytes)?;
            file.persist(path).map_err(|e| e.error)?;
            Ok(())
        };
        write().map_err(|e| failed(path, "cannot be written", &e))
    }

    /// Reads a state back; its memory is there only while it is kept.
    pub fn read(&self, object: ObjectId, frame: u32, device: &Device) -> Result<FrameState, Sam2Error> {
        let path = self.path(object, frame, "state");
        let packed = std::fs::read(&path).map_err(|e| failed(&path, "cannot be read", &e))?;
        let mut bytes = Vec::new();
        zstd::stream::read::Decoder::with_buffer(&packed[..])
            .and_then(|decoder| std::io::Read::read_to_end(&mut decoder.take(MAX_STATE_BYTES), &mut bytes))
            .map_err(|e| failed(&path, "cannot be read", &e))?;
        let tensors = deserialize(&bytes, device, &path)?;
        let get = |name: &str| tensors.get(name).ok_or_else(|| failed(&path, "cannot be read", &format!("no {name}")));
        let scores: Vec<f32> = get("scores")?.to_vec1()?;
        let [object_score, predicted_iou] = scores[..] else {
            return Err(failed(&path, "cannot be read", &"two scores were expected"));
        };
        let supplied = match (tensors.get("supplied_size"), tensors.get("supplied_runs")) {
            (Some(size), Some(runs)) => {
                let size: Vec<u32> = size.to_vec1()?;
                let [width, height] = size[..] else {
                    return Err(failed(&path, "cannot be read", &"a mask's size has two numbers"));
                };
                let mask = Mask::from_runs(FrameSize { width, height }, runs.to_vec1()?)
                    .map_err(|e| failed(&path, "cannot be read", &e))?;
                Some(Arc::new(mask))
            }
            _ => None,
        };
        let memory_path = self.path(object, frame, "memory");
        let memory = match std::fs::read(&memory_path) {
            Ok(bytes) => deserialize(&bytes, device, &memory_path)?.remove("memory"),
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => None,
            Err(e) => return Err(failed(&memory_path, "cannot be read", &e)),
        };
        let (height, width) = get("low_res")?.dims2()?;
        if height != width || height == 0 {
            return Err(failed(&path, "cannot be read", &format!("logits of {width} x {height} are no square")));
        }
        Ok(FrameState {
            low_res: get("low_res")?.to_dtype(DType::F32)?,
            pointer: get("pointer")?.clone(),
            object_score,
            predicted_iou,
            memory,
            supplied,
        })
    }

    /// Lets go of a memory that no frame nearby will attend to.
    pub fn drop_memory(&self, object: ObjectId, frame: u32) {
        remove(&self.path(object, frame, "memory"));
    }

    /// Removes what was kept of a frame.
    pub fn remove_state(&self, object: ObjectId, frame: u32) {
        self.drop_memory(object, frame);
        remove(&self.path(object, frame, "state"));
    }
}

/// Removes a file that only costs space. Failing to is no reason to stop a labeller's work: a state that stays is
/// overwritten when its frame is tracked again, and goes with the folder in the end.
fn remove(path: &Path) {
    std::fs::remove_file(path).ok();
}

/// Logits as the spill folder keeps them: clamped to what the decoder looks at, in f16.
pub fn spilled_logits(logits: &Tensor) -> candle_core::Result<Tensor> {
    logits.clamp(-LOGIT_LIMIT, LOGIT_LIMIT)?.to_dtype(DType::F16)
}

fn failed(path: &Path, action: &'static str, reason: &dyn std::fmt::Display) -> Sam2Error {
    Sam2Error::Spill { path: path.to_owned(), action, reason: reason.to_string() }
}

fn serialize(tensors: &[(&str, &Tensor)], path: &Path) -> Result<Vec<u8>, Sam2Error> {
    let on_host: Vec<(&str, Tensor)> = tensors
        .iter()
        .map(|(name, t)| Ok((*name, t.to_device(&Device::Cpu)?.contiguous()?)))
        .collect::<candle_core::Result<_>>()?;
    let bytes: Vec<(&str, safetensors::Dtype, Vec<usize>, Vec<u8>)> = on_host
        .iter()
        .map(|(name, t)| Ok((*name, dtype_of(t)?, t.dims().to_vec(), bytes_of(t)?)))
        .collect::<candle_core::Result<_>>()?;
    let views = bytes
        .iter()
        .map(|(name, dtype, shape, bytes)| Ok((*name, TensorView::new(*dtype, shape.clone(), bytes)?)))
        .collect::<Result<Vec<_>, safetensors::SafeTensorError>>()
        .map_err(|e| failed(path, "cannot be written", &e))?;
    safetensors::serialize(views, None).map_err(|e| failed(path, "cannot be written", &e))
}

fn dtype_of(t: &Tensor) -> candle_core::Result<safetensors::Dtype> {
    match t.dtype() {
        DType::F32 => Ok(safetensors::Dtype::F32),
        DType::F16 => Ok(safetensors::Dtype::F16),
        DType::BF16 => Ok(safetensors::Dtype::BF16),
        DType::U32 => Ok(safetensors::Dtype::U32),
        other => candle_core::bail!("states hold no {other:?}"),
    }
}

fn bytes_of(t: &Tensor) -> candle_core::Result<Vec<u8>> {
    let t = t.flatten_all()?;
    match t.dtype() {
        DType::F32 => Ok(t.to_vec1::<f32>()?.iter().flat_map(|v| v.to_le_bytes()).collect()),
        DType::F16 => Ok(t.to_vec1::<half::f16>()?.iter().flat_map(|v| v.to_le_bytes()).collect()),
        DType::BF16 => Ok(t.to_vec1::<half::bf16>()?.iter().flat_map(|v| v.to_le_bytes()).collect()),
        DType::U32 => Ok(t.to_vec1::<u32>()?.iter().flat_map(|v| v.to_le_bytes()).collect()),
        other => candle_core::bail!("states hold no {other:?}"),
    }
}

fn deserialize(bytes: &[u8], device: &Device, path: &Path) -> Result<HashMap<String, Tensor>, Sam2Error> {
    let file = SafeTensors::deserialize(bytes).map_err(|e| failed(path, "cannot be read", &e))?;
    file.iter()
        .map(|(name, view)| {
            let dtype = match view.dtype() {
                safetensors::Dtype::F32 => DType::F32,
                safetensors::Dtype::F16 => DType::F16,
                safetensors::Dtype::BF16 => DType::BF16,
                safetensors::Dtype::U32 => DType::U32,
                other => return Err(failed(path, "cannot be read", &format!("unexpected type {other:?}"))),
            };
            Ok((name.to_owned(), Tensor::from_raw_buffer(view.data(), dtype, view.shape(), device)?))
        })
        .collect()
}
