//! Lays out what a frame attends to: memories and object pointers as rows of one table, with their places in space and
//! time. Which ones those are is the predictor's choice.

use candle_core::{DType, Tensor};

use super::super::memory_attention::Memories;
use super::super::position_encoding::sine_1d;
use super::Sam2;

/// A memory the predictor kept, and how it is placed in time.
pub struct MemoryAt<'a> {
    /// `[feature rows, memory channels]`, bf16 unless the model keeps memories whole.
    pub memory: &'a Tensor,
    /// Row of the time table: 0 is the previous frame, the last is any prompted frame.
    pub time: usize,
}

/// A pointer the predictor kept and its distance in frames.
pub struct PointerAt<'a> {
    /// `[1, d_model]`.
    pub pointer: &'a Tensor,
    /// Frames from it to the current one, signed by the direction of travel.
    pub distance: i64,
}

impl Sam2 {
    /// Lays memories and pointers out as rows of one table: the middle part of `_prepare_memory_conditioned_features`.
    pub(super) fn gather(
        &self,
        memories: &[MemoryAt],
        pointers: &[PointerAt],
        max_pointers: usize,
    ) -> candle_core::Result<Memories> {
        let mut values = Vec::with_capacity(memories.len() + 1);
        let mut positions = Vec::with_capacity(memories.len() + 1);
        for memory in memories {
            values.push(memory.memory.to_dtype(DType::F32)?);
            positions.push(self.memory_encoder.positions.broadcast_add(&self.time_embeddings.narrow(
                0,
                memory.time,
                1,
            )?)?);
        }
        let channels = self.config.memory_encoder.out_dim;
        // A pointer is as wide as several memories, so it becomes several tokens.
        let tokens = self.config.image_encoder.d_model / channels;
        if !pointers.is_empty() {
            let rows: Vec<&Tensor> = pointers.iter().map(|p| p.pointer).collect();
            values.push(Tensor::cat(&rows, 0)?.reshape((pointers.len() * tokens, channels))?);
            let times = self.pointer_times(pointers, max_pointers)?;
            positions.push(
                times
                    .unsqueeze(1)?
                    .broadcast_as((pointers.len(), tokens, channels))?
                    .contiguous()?
                    .reshape((pointers.len() * tokens, channels))?,
            );
        }
        Ok(Memories {
            values: Tensor::cat(&values, 0)?,
            positions: Tensor::cat(&positions, 0)?,
            pointer_rows: pointers.len() * tokens,
        })
    }

    /// When each pointer was made, `[pointers, memory channels]`.
    fn pointer_times(&self, pointers: &[PointerAt], max_pointers: usize) -> candle_core::Result<Tensor> {
        let version = &self.config.version;
        let channels = self.config.memory_encoder.out_dim;
        if !version.add_tpos_enc_to_obj_ptrs {
            return Tensor::zeros((pointers.len(), channels), DType::F32, &self.device);
        }
        // A clip of one frame has nothing to measure distances by; the reference divides by zero there.
        let furthest = (max_pointers.max(2) - 1) as f32;
        let times: Vec<f32> = pointers
            .iter()
            .map(|p| if version.use_signed_tpos_enc_to_obj_ptrs { p.distance } else { p.distance.abs() })
            .map(|distance| distance as f32 / furthest)
            .collect();
        match &self.pointer_time_projection {
            Some(projection) => projection.forward(&sine_1d(&times, self.config.image_encoder.d_model, &self.device)?),
            None => sine_1d(&times, channels, &self.device),
        }
    }
}
