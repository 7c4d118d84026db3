//! The whole model: what the modules do together for one frame and one object (`sam2_base.py`).
//!
//! Holds weights and tables only; which frames remember which is the predictor's business.

mod memories;
mod recognise;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Mutex, OnceLock};
use std::time::{Duration, Instant};

use candle_core::{DType, Device, Tensor};

use super::checkpoint::Checkpoint;
use super::config::ModelConfig;
use super::error::Sam2Error;
use super::image::{RgbFrame, model_input};
use super::image_encoder::{ImageEncoder, Pyramid};
use super::kernels::Precision;
use super::kernels::conv::ConvShape;
use super::kernels::linear::Activation;
use super::kernels::resize::{MapSize, bilinear};
use super::layers::{Conv2d, Linear, Mlp};
use super::mask_decoder::{Decoded, MaskDecoder, best};
use super::masks::resize_antialias;
use super::memory_attention::MemoryAttention;
use super::memory_encoder::MemoryEncoder;
use super::prompt_encoder::{PromptEncoder, PromptPoint};
use super::weights::{Root, Weights};

pub use memories::{MemoryAt, PointerAt};

/// Logit of every pixel of an object that is not in the frame.
pub const NO_OBJECT_LOGIT: f32 = -1024.0;
/// Mask probabilities enter the memory encoder as `p * 20 - 10`; a supplied mask counts as such logits.
const MASK_SCALE: f64 = 20.0;
const MASK_OFFSET: f64 = -10.0;

/// A loaded model, ready for one input size on one device.
pub struct Sam2 {
    config: ModelConfig,
    device: Device,
    image_encoder: ImageEncoder,
    memory_attention: MemoryAttention,
    memory_encoder: MemoryEncoder,
    prompt_encoder: PromptEncoder,
    mask_decoder: MaskDecoder,
    /// One row per place in the memory bank, newest first, prompted frames last: `[num_maskmem, memory channels]`.
    time_embeddings: Tensor,
    /// Added to a frame that has no memories, `[1, d_model]`.
    no_memory: Tensor,
    /// Stands for the pointer of an absent object, `[1, d_model]`.
    no_object_pointer: Tensor,
    /// Marks memories of frames without the object, `[1, memory channels]`; SAM 2.1 only.
    no_object_memory: Option<Tensor>,
    memory_dtype: DType,
    mask_downsample: Conv2d,
    pointer_projection: Mlp,
    pointer_time_projection: Option<Linear>,
    observer: Mutex<Option<Observer>>,
}

/// How to load a checkpoint.
#[derive(Debug, Default)]
pub struct LoadOptions {
    /// Side of the input in pixels, where it is not to be the model's own.
    pub image_size: Option<usize>,
    /// Values to use in place of a tensor's own; for experiments and parity scenarios.
    pub replace: BTreeMap<String, Vec<f32>>,
    /// Keeps memories as they come out of the memory encoder, where they are otherwise rounded to bf16. For parity
    /// scenarios: the rounding makes a long chain of corrections hang on the last bit of a sum.
    pub float32_memories: bool,
    /// How the large products of image encoder and memory attention are done.
    pub precision: Precision,
}

/// Sees what each module returned and how long it took; for parity tests and the benchmark.
pub type Observer = Box<dyn FnMut(&Observation, Duration) + Send>;

/// A module's result.
pub enum Observation<'a> {
    /// The normalised input, `[side * side, 3]`.
    Input(&'a Tensor),
    /// The feature pyramid.
    ImageEncoder(&'a Pyramid),
    /// The memory-conditioned features, `[feature rows, d_model]`.
    MemoryAttention(&'a Tensor),
    /// A memory, before it is rounded to bf16: `[feature rows, memory channels]`.
    MemoryEncoder(&'a Tensor),
    /// The prompt's tokens, `[tokens, d_model]`.
    PromptEncoder(&'a Tensor),
    /// Masks, predicted IoUs, tokens, score.
    MaskDecoder(&'a Decoded),
}

/// What is kept of a frame: its features, ready for every module.
#[derive(Debug)]
pub struct FrameFeatures {
    /// Stride 16, `[feature rows, d_model]`.
    top: Tensor,
    /// Stride 8, as the decoder uses it: `[4 * feature rows, d_model / 4]`.
    stride8: Tensor,
    /// Stride 4, as the decoder uses it: `[16 * feature rows, d_model / 8]`.
    stride4: Tensor,
    /// Through the first self-attention of memory attention; made when first needed, shared by all objects.
    prepared: OnceLock<Tensor>,
}

impl FrameFeatures {
    /// Memory the features hold once prepared.
    pub fn bytes(&self) -> usize {
        let size = |t: &Tensor| t.elem_count() * t.dtype().size_in_bytes();
        2 * size(&self.top) + size(&self.stride8) + size(&self.stride4)
    }
}

/// The mask heads' answer for one object.
#[derive(Debug, Clone)]
pub struct HeadsOutput {
    /// The chosen mask's logits, `[low-res side, low-res side]`.
    pub low_res: Tensor,
    /// Its predicted IoU.
    pub predicted_iou: f32,
    /// The object's pointer, `[1, d_model]`.
    pub pointer: Tensor,
    /// Above 0 when the object is in the frame.
    pub object_score: f32,
}

impl Sam2 {
    /// Loads a checkpoint at the model's own input size, or at `image_size`.
    ///
    /// # Errors
    /// As [`Sam2::load_with`].
    pub fn load(path: &Path, image_size: Option<usize>, device: &Device) -> Result<Sam2, Sam2Error> {
        Self::load_with(path, &LoadOptions { image_size, ..LoadOptions::default() }, device)
    }

    /// Loads a checkpoint. A TOML file of the same stem next to it describes the model; without one, it must be one of
    /// the published models.
    ///
    /// # Errors
    /// When the file cannot be read, is no model we know, or does not hold exactly the tensors the model needs.
    pub fn load_with(path: &Path, options: &LoadOptions, device: &Device) -> Result<Sam2, Sam2Error> {
        Self::from_checkpoint(&Checkpoint::open(path)?, options, device)
    }

    /// [`Sam2::load_with`] for a checkpoint that is open already.
    ///
    /// # Errors
    /// As [`Sam2::load_with`].
    pub fn from_checkpoint(checkpoint: &Checkpoint, options: &LoadOptions, device: &Device) -> Result<Sam2, Sam2Error> {
        let mut config = recognise::config_of(checkpoint)?;
        if let Some(image_size) = options.image_size {
            config = config.at_image_size(image_size)?;
        }
        let root = Root::new(checkpoint, device.clone(), &options.replace);
        let mut model = Self::build(&root.weights(), &config, options.precision)?;
        if options.float32_memories {
            model.memory_dtype = DType::F32;
        }
        root.finish()?;
        Ok(model)
    }

    /// Says which model a checkpoint is, and checks that it holds exactly the tensors that one needs, by their names and
    /// shapes: no weight is read, so it takes milliseconds.
    ///
    /// # Errors
    /// When it is no model we know, or its tensors are not that model's.
    pub fn recognise(checkpoint: &Checkpoint) -> Result<ModelConfig, Sam2Error> {
        let config = recognise::config_of(checkpoint)?;
        let replace = BTreeMap::new();
        let root = Root::new(checkpoint, Device::Cpu, &replace).without_values();
        Self::build(&root.weights(), &config, Precision::F32)?;
        root.finish()?;
        Ok(config)
    }

    fn build(w: &Weights, config: &ModelConfig, precision: Precision) -> Result<Sam2, Sam2Error> {
        let width = config.image_encoder.d_model;
        let memory = config.memory_encoder.out_dim;
        let num_maskmem = config.memory.num_maskmem;
        w.unused("no_mem_pos_enc", &[1, 1, width]);
        // Two modules do nearly all of the work, and what they lose by rounding the others hardly see.
        let wide = w.with_precision(precision);
        Ok(Sam2 {
            image_encoder: ImageEncoder::new(&wide.at("image_encoder"), config)?,
            memory_attention: MemoryAttention::new(&wide.at("memory_attention"), config)?,
            memory_encoder: MemoryEncoder::new(&w.at("memory_encoder"), config)?,
            prompt_encoder: PromptEncoder::new(&w.at("sam_prompt_encoder"), config)?,
            mask_decoder: MaskDecoder::new(&w.at("sam_mask_decoder"), config)?,
            time_embeddings: w.get("maskmem_tpos_enc", &[num_maskmem, 1, 1, memory])?.reshape((num_maskmem, memory))?,
            no_memory: w.get("no_mem_embed", &[1, 1, width])?.reshape((1, width))?,
            no_object_pointer: w.get("no_obj_ptr", &[1, width])?,
            no_object_memory: if config.version.no_obj_embed_spatial {
                Some(w.get("no_obj_embed_spatial", &[1, memory])?)
            } else {
                None
            },
            memory_dtype: DType::BF16,
            mask_downsample: Conv2d::new(
                &w.at("mask_downsample"),
                1,
                1,
                ConvShape { kernel: 4, stride: 4, padding: 0 },
            )?,
            pointer_projection: Mlp::new(&w.at("obj_ptr_proj"), &[width; 4], Activation::Relu)?,
            pointer_time_projection: if config.version.proj_tpos_enc_in_obj_ptrs {
                Some(Linear::new(&w.at("obj_ptr_tpos_proj"), width, memory)?)
            } else {
                None
            },
            config: config.clone(),
            device: w.device().clone(),
            observer: Mutex::new(None),
        })
    }

    /// The model's dimensions.
    pub fn config(&self) -> &ModelConfig {
        &self.config
    }

    /// Where it runs.
    pub fn device(&self) -> &Device {
        &self.device
    }

    /// Sets or removes who watches the modules.
    pub fn observe(&self, observer: Option<Observer>) {
        *self.observer.lock().expect("no observer panicked") = observer;
    }

    /// Runs a module and shows its result to the observer, if there is one.
    fn watched<T>(
        &self,
        run: impl FnOnce() -> candle_core::Result<T>,
        show: impl for<'a> FnOnce(&'a T) -> Observation<'a>,
    ) -> candle_core::Result<T> {
        let is_watched = self.observer.lock().expect("no observer panicked").is_some();
        if !is_watched {
            return run();
        }
        let start = Instant::now();
        let result = run()?;
        // A GPU works on after the call returns.
        self.device.synchronize()?;
        let elapsed = start.elapsed();
        if let Some(observer) = self.observer.lock().expect("no observer panicked").as_mut() {
            observer(&show(&result), elapsed);
        }
        Ok(result)
    }

    /// A frame's features (`forward_image` of `sam2_base.py`).
    ///
    /// # Errors
    /// When the frame is malformed or the device fails.
    pub fn encode_frame(&self, frame: &RgbFrame) -> candle_core::Result<FrameFeatures> {
        let input = self
            .watched(|| model_input(frame, self.config.image_size, &self.device), |input| Observation::Input(input))?;
        let mut fine = None;
        let pyramid = self.watched(
            || {
                let pyramid = self.image_encoder.forward(&input)?;
                // The reference counts these two projections as the encoder's work too.
                fine = Some(self.mask_decoder.project_fine_levels(&pyramid.level0, &pyramid.level1)?);
                Ok(pyramid)
            },
            |pyramid| Observation::ImageEncoder(pyramid),
        )?;
        let (stride4, stride8) = fine.expect("the closure above ran");
        Ok(FrameFeatures { top: pyramid.level2, stride8, stride4, prepared: OnceLock::new() })
    }

    /// Features of a frame without any memory, `[feature rows, d_model]` (`_prepare_memory_conditioned_features` of an
    /// initial conditioning frame).
    ///
    /// # Errors
    /// When the device fails.
    pub fn without_memory(&self, frame: &FrameFeatures) -> candle_core::Result<Tensor> {
        frame.top.broadcast_add(&self.no_memory)
    }

    /// Features of a frame with memories and pointers mixed in, `[feature rows, d_model]`; at least one memory
    /// (`_prepare_memory_conditioned_features`).
    ///
    /// # Errors
    /// When shapes do not fit, or the device fails.
    pub fn with_memory(
        &self,
        frame: &FrameFeatures,
        memories: &[MemoryAt],
        pointers: &[PointerAt],
        max_pointers: usize,
    ) -> candle_core::Result<Tensor> {
        self.watched(
            || {
                let prepared = match frame.prepared.get() {
                    Some(prepared) => prepared,
                    None => {
                        let prepared = self.memory_attention.prepare(&frame.top)?;
                        frame.prepared.get_or_init(|| prepared)
                    }
                };
                let memories = self.gather(memories, pointers, max_pointers)?;
                self.memory_attention.forward(prepared, &memories)
            },
            |features| Observation::MemoryAttention(features),
        )
    }

    /// Predicts the mask of one object from conditioned features (`[feature rows, d_model]`), a prompt (no points for a
    /// tracked frame) and, when refining, the logits of the mask before (`[low-res side, low-res side]`). The reference's
    /// `_forward_sam_heads`.
    ///
    /// # Errors
    /// When shapes do not fit, or the device fails.
    pub fn predict(
        &self,
        frame: &FrameFeatures,
        features: &Tensor,
        points: &[PromptPoint],
        previous: Option<&Tensor>,
        multimask: bool,
    ) -> candle_core::Result<HeadsOutput> {
        let decoded = self.decode(frame, features, points, previous, multimask)?;
        self.candidate(&decoded, best(&decoded.ious))
    }

    /// The three candidates of an ambiguous prompt, the likeliest first; that one is what [`Sam2::predict`] answers with
    /// `multimask`.
    ///
    /// # Errors
    /// When shapes do not fit, or the device fails.
    pub fn predict_candidates(
        &self,
        frame: &FrameFeatures,
        features: &Tensor,
        points: &[PromptPoint],
        previous: Option<&Tensor>,
    ) -> candle_core::Result<Vec<HeadsOutput>> {
        let decoded = self.decode(frame, features, points, previous, true)?;
        let mut order: Vec<usize> = (0..decoded.ious.len()).collect();
        // Stable, so that among equals the first one leads, as `best` has it.
        order.sort_by(|a, b| decoded.ious[*b].total_cmp(&decoded.ious[*a]));
        order.into_iter().map(|chosen| self.candidate(&decoded, chosen)).collect()
    }

    /// One of the decoder's masks as the heads' answer.
    fn candidate(&self, decoded: &Decoded, chosen: usize) -> candle_core::Result<HeadsOutput> {
        let side = self.config.low_res_side();
        let is_there = decoded.object_score > 0.0;
        let low_res = if is_there {
            decoded.masks.get(chosen)?.reshape((side, side))?.contiguous()?
        } else {
            Tensor::full(NO_OBJECT_LOGIT, (side, side), &self.device)?
        };
        let token = decoded.tokens.narrow(0, chosen.min(decoded.tokens.dim(0)? - 1), 1)?;
        let pointer = self.pointer(&token, is_there)?;
        Ok(HeadsOutput { low_res, predicted_iou: decoded.ious[chosen], pointer, object_score: decoded.object_score })
    }

    fn decode(
        &self,
        frame: &FrameFeatures,
        features: &Tensor,
        points: &[PromptPoint],
        mask_logits: Option<&Tensor>,
        multimask: bool,
    ) -> candle_core::Result<Decoded> {
        // Without a prompt the reference feeds one padding point (and pads it once more).
        let nothing = [PromptPoint { x: 0.0, y: 0.0, kind: super::prompt_encoder::PointKind::Padding }];
        let points = if points.is_empty() { &nothing } else { points };
        let sparse = self.watched(|| self.prompt_encoder.embed_points(points), |t| Observation::PromptEncoder(t))?;
        self.watched(
            || {
                let rows = mask_logits.map(|m| m.reshape((m.elem_count(), 1))).transpose()?;
                let dense = self.prompt_encoder.embed_mask(rows.as_ref())?;
                self.mask_decoder.forward(
                    features,
                    &self.prompt_encoder.dense_positions,
                    &sparse,
                    &dense,
                    (&frame.stride4, &frame.stride8),
                    multimask,
                )
            },
            |decoded| Observation::MaskDecoder(decoded),
        )
    }

    /// The object's pointer; the learnt stand-in when it is not in the frame.
    fn pointer(&self, token: &Tensor, is_there: bool) -> candle_core::Result<Tensor> {
        if is_there { self.pointer_projection.forward(token) } else { Ok(self.no_object_pointer.clone()) }
    }

    /// Takes a supplied mask (0.0 or 1.0, `[side * side]` at the input size) as the answer; the heads only make its
    /// pointer (`_use_mask_as_output`).
    ///
    /// # Errors
    /// When the mask has another size, or the device fails.
    pub fn take_mask(&self, frame: &FrameFeatures, mask: &[f32]) -> candle_core::Result<HeadsOutput> {
        let side = self.config.image_size;
        let is_there = mask.iter().any(|&v| v > 0.0);
        let low_res = self.mask_logits(mask)?;
        let plane = Tensor::from_slice(mask, (side * side, 1), &self.device)?;
        let (downsampled, _) = self.mask_downsample.forward(&plane, MapSize::square(side))?;
        // The reference gives the heads the raw features here, without the no-memory embedding.
        let made = self.predict(frame, &frame.top, &[], Some(&downsampled), false)?;
        let pointer = if is_there { made.pointer } else { self.no_object_pointer.clone() };
        let object_score = if is_there { MASK_SCALE + MASK_OFFSET } else { MASK_OFFSET } as f32;
        Ok(HeadsOutput { low_res, predicted_iou: 1.0, pointer, object_score })
    }

    /// A supplied mask (0.0 or 1.0 at the input size) as logits, `[low-res side, low-res side]`.
    ///
    /// # Errors
    /// When the device fails.
    pub fn mask_logits(&self, mask: &[f32]) -> candle_core::Result<Tensor> {
        let (side, low_side) = (self.config.image_size, self.config.image_size / 4);
        let logits: Vec<f32> = mask.iter().map(|v| v * MASK_SCALE as f32 + MASK_OFFSET as f32).collect();
        let low = resize_antialias(&logits, MapSize::square(side), MapSize::square(low_side));
        Tensor::from_vec(low, (low_side, low_side), &self.device)
    }

    /// Makes the memory of a frame and a mask (`[low-res side, low-res side]` logits): `[feature rows, memory channels]`, rounded to bf16 as the reference
    /// stores it, unless the model was loaded to keep it whole. On frames the user prompted the mask enters as a hard one
    /// (`_encode_new_memory`).
    ///
    /// # Errors
    /// When shapes do not fit, or the device fails.
    pub fn remember(
        &self,
        frame: &FrameFeatures,
        low_res: &Tensor,
        object_score: f32,
        is_prompted: bool,
    ) -> candle_core::Result<Tensor> {
        let side = self.config.image_size;
        let logits = bilinear(low_res, MapSize::square(side))?.reshape((side * side, 1))?;
        let probability =
            if is_prompted { logits.gt(0.0)?.to_dtype(DType::F32)? } else { candle_nn::ops::sigmoid(&logits)? };
        let mask = probability.affine(MASK_SCALE, MASK_OFFSET)?;
        let memory = self
            .watched(|| self.memory_encoder.forward(&frame.top, &mask), |memory| Observation::MemoryEncoder(memory))?;
        let memory = match &self.no_object_memory {
            Some(mark) if object_score <= 0.0 => memory.broadcast_add(mark)?,
            _ => memory,
        };
        memory.to_dtype(self.memory_dtype)
    }
}
