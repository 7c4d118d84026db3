//! Mixes memories into a frame's features (`memory_attention.py` and `RoPEAttention`): two thirds of tracking's cost.
//!
//! Two exact rewrites save a third of it. Values are mixed *before* their projection: a memory has 64 channels, its
//! projected value 256, and softmax rows sum to one, so `softmax(qkᵀ)(mWᵀ + b) = (softmax(qkᵀ)m)Wᵀ + b`. And the first
//! layer's self-attention sees the frame alone, so it is computed once per frame, not once per object.

use candle_core::Tensor;

use super::config::ModelConfig;
use super::error::Sam2Error;
use super::kernels::Precision;
use super::kernels::attention::attention;
use super::kernels::linear::Activation;
use super::kernels::rope::rotate;
use super::layers::{EPS_TRANSFORMER, LayerNorm, Linear};
use super::position_encoding::{rotary_2d, sine_2d};
use super::weights::Weights;

/// The memory attention stack.
#[derive(Debug)]
pub struct MemoryAttention {
    layers: Vec<Layer>,
    norm: LayerNorm,
    /// A tenth of the frame's sine encoding, `[feature rows, d_model]`.
    input_positions: Tensor,
    rotary: Rotary,
}

/// The rotary table for the feature map.
#[derive(Debug)]
struct Rotary {
    cos: Tensor,
    sin: Tensor,
}

impl Rotary {
    fn rotate(&self, x: &Tensor, rows: usize) -> candle_core::Result<Tensor> {
        rotate(x, &self.cos, &self.sin, rows)
    }
}

/// What a frame attends to.
#[derive(Debug)]
pub struct Memories {
    /// Memories, then pointer tokens: `[rows, memory channels]`.
    pub values: Tensor,
    /// Their places in space and time, added to the keys only.
    pub positions: Tensor,
    /// How many of the last rows are pointers: they have no place on the map, so they are not rotated.
    pub pointer_rows: usize,
}

impl MemoryAttention {
    /// Reads `memory_attention`.
    ///
    /// # Errors
    /// As [`Weights::get`].
    pub fn new(w: &Weights, config: &ModelConfig) -> Result<Self, Sam2Error> {
        let width = config.image_encoder.d_model;
        let side = config.feature_side();
        let layers = (0..config.memory_attention.num_layers)
            .map(|i| Layer::new(&w.at("layers").at(i), config))
            .collect::<Result<_, _>>()?;
        let (cos, sin) = rotary_2d(side, width, w.device())?;
        Ok(MemoryAttention {
            layers,
            norm: LayerNorm::new(&w.at("norm"), width, EPS_TRANSFORMER)?,
            input_positions: (sine_2d(side, width, w.device())? * 0.1)?,
            rotary: Rotary { cos, sin },
        })
    }

    /// The part that depends on the frame alone: features `[feature rows, d_model]` through the first self-attention.
    ///
    /// # Errors
    /// When shapes do not fit, or the device fails.
    pub fn prepare(&self, features: &Tensor) -> candle_core::Result<Tensor> {
        let x = (features + &self.input_positions)?;
        self.layers[0].self_attention(&x, &self.rotary)
    }

    /// The prepared frame with the memories mixed in, `[feature rows, d_model]`.
    ///
    /// # Errors
    /// When shapes do not fit, or the device fails.
    pub fn forward(&self, prepared: &Tensor, memories: &Memories) -> candle_core::Result<Tensor> {
        let keys = (&memories.values + &memories.positions)?;
        let mut x = prepared.clone();
        for (i, layer) in self.layers.iter().enumerate() {
            if i > 0 {
                x = layer.self_attention(&x, &self.rotary)?;
            }
            x = layer.cross_attention(&x, &keys, memories, &self.rotary)?;
            x = layer.mlp(&x)?;
        }
        self.norm.forward(&x)
    }
}

#[derive(Debug)]
struct Layer {
    norm1: LayerNorm,
    self_q: Linear,
    self_k: Linear,
    self_v: Linear,
    self_out: Linear,
    norm2: LayerNorm,
    cross_q: Linear,
    cross_k: Linear,
    cross_v: Linear,
    cross_out: Linear,
    norm3: LayerNorm,
    linear1: Linear,
    linear2: Linear,
    precision: Precision,
}

impl Layer {
    fn new(w: &Weights, config: &ModelConfig) -> Result<Self, Sam2Error> {
        let width = config.image_encoder.d_model;
        let memory = config.memory_encoder.out_dim;
        let hidden = config.memory_attention.dim_feedforward;
        let norm = |name: &str| LayerNorm::new(&w.at(name), width, EPS_TRANSFORMER);
        let own = w.at("self_attn");
        let cross = w.at("cross_attn_image");
        Ok(Layer {
            norm1: norm("norm1")?,
            self_q: Linear::new(&own.at("q_proj"), width, width)?,
            self_k: Linear::new(&own.at("k_proj"), width, width)?,
            self_v: Linear::new(&own.at("v_proj"), width, width)?,
            self_out: Linear::new(&own.at("out_proj"), width, width)?,
            norm2: norm("norm2")?,
            cross_q: Linear::new(&cross.at("q_proj"), width, width)?,
            cross_k: Linear::new(&cross.at("k_proj"), memory, width)?,
            cross_v: Linear::new(&cross.at("v_proj"), memory, width)?,
            cross_out: Linear::new(&cross.at("out_proj"), width, width)?,
            norm3: norm("norm3")?,
            linear1: Linear::new(&w.at("linear1"), width, hidden)?,
            linear2: Linear::new(&w.at("linear2"), hidden, width)?,
            precision: w.precision(),
        })
    }

    fn self_attention(&self, x: &Tensor, rotary: &Rotary) -> candle_core::Result<Tensor> {
        let normed = self.norm1.forward(x)?;
        let rows = normed.dim(0)?;
        let q = rotary.rotate(&self.self_q.forward(&normed)?, rows)?;
        let k = rotary.rotate(&self.self_k.forward(&normed)?, rows)?;
        let v = self.self_v.forward(&normed)?;
        self.self_out.forward_add(&attention(&q, &k, &v, 1, self.precision)?, x)
    }

    fn cross_attention(
        &self,
        x: &Tensor,
        keys: &Tensor,
        memories: &Memories,
        rotary: &Rotary,
    ) -> candle_core::Result<Tensor> {
        let normed = self.norm2.forward(x)?;
        let q = rotary.rotate(&self.cross_q.forward(&normed)?, normed.dim(0)?)?;
        let k = self.cross_k.forward(keys)?;
        let spatial_rows = k.dim(0)? - memories.pointer_rows;
        let k = rotary.rotate(&k, spatial_rows)?;
        // Memories are mixed before they become values (see the top of this file).
        let mixed = attention(&q, &k, &memories.values, 1, self.precision)?;
        self.cross_out.forward_add(&self.cross_v.forward(&mixed)?, x)
    }

    fn mlp(&self, x: &Tensor) -> candle_core::Result<Tensor> {
        let hidden = self.linear1.forward_with(&self.norm3.forward(x)?, Activation::Relu)?;
        self.linear2.forward_add(&hidden, x)
    }
}
