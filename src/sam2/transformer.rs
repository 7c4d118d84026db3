//! The mask decoder's transformer: tokens and picture attend to each other (`sam/transformer.py`).

use candle_core::Tensor;

use super::error::Sam2Error;
use super::kernels::Precision;
use super::kernels::attention::attention;
use super::kernels::linear::Activation;
use super::layers::{EPS_TRANSFORMER, LayerNorm, Linear, Mlp};
use super::weights::Weights;

/// Layers, heads and hidden width are fixed in the reference's code.
const DEPTH: usize = 2;
const HEADS: usize = 8;
const MLP_WIDTH: usize = 2048;

/// Attention with its own projections; `downsample` narrows the inner width.
#[derive(Debug)]
struct Attention {
    q_proj: Linear,
    k_proj: Linear,
    v_proj: Linear,
    out_proj: Linear,
}

impl Attention {
    fn new(w: &Weights, width: usize, downsample: usize) -> Result<Self, Sam2Error> {
        let inner = width / downsample;
        Ok(Attention {
            q_proj: Linear::new(&w.at("q_proj"), width, inner)?,
            k_proj: Linear::new(&w.at("k_proj"), width, inner)?,
            v_proj: Linear::new(&w.at("v_proj"), width, inner)?,
            out_proj: Linear::new(&w.at("out_proj"), inner, width)?,
        })
    }

    fn mix(&self, q: &Tensor, k: &Tensor, v: &Tensor) -> candle_core::Result<Tensor> {
        attention(&self.q_proj.forward(q)?, &self.k_proj.forward(k)?, &self.v_proj.forward(v)?, HEADS, Precision::F32)
    }

    fn forward(&self, q: &Tensor, k: &Tensor, v: &Tensor) -> candle_core::Result<Tensor> {
        self.out_proj.forward(&self.mix(q, k, v)?)
    }

    fn forward_add(&self, q: &Tensor, k: &Tensor, v: &Tensor, residual: &Tensor) -> candle_core::Result<Tensor> {
        self.out_proj.forward_add(&self.mix(q, k, v)?, residual)
    }
}

#[derive(Debug)]
struct Block {
    self_attn: Attention,
    norm1: LayerNorm,
    token_to_image: Attention,
    norm2: LayerNorm,
    mlp: Mlp,
    norm3: LayerNorm,
    image_to_token: Attention,
    norm4: LayerNorm,
}

impl Block {
    fn new(w: &Weights, width: usize) -> Result<Self, Sam2Error> {
        let norm = |name: &str| LayerNorm::new(&w.at(name), width, EPS_TRANSFORMER);
        Ok(Block {
            self_attn: Attention::new(&w.at("self_attn"), width, 1)?,
            norm1: norm("norm1")?,
            token_to_image: Attention::new(&w.at("cross_attn_token_to_image"), width, 2)?,
            norm2: norm("norm2")?,
            mlp: Mlp::new(&w.at("mlp"), &[width, MLP_WIDTH, width], Activation::Relu)?,
            norm3: norm("norm3")?,
            image_to_token: Attention::new(&w.at("cross_attn_image_to_token"), width, 2)?,
            norm4: norm("norm4")?,
        })
    }
}

/// The two-way transformer.
#[derive(Debug)]
pub struct TwoWayTransformer {
    blocks: Vec<Block>,
    final_token_to_image: Attention,
    norm_final: LayerNorm,
}

impl TwoWayTransformer {
    /// Reads `transformer`.
    ///
    /// # Errors
    /// As [`Weights::get`].
    pub fn new(w: &Weights, width: usize) -> Result<Self, Sam2Error> {
        Ok(TwoWayTransformer {
            blocks: (0..DEPTH).map(|i| Block::new(&w.at("layers").at(i), width)).collect::<Result<_, _>>()?,
            final_token_to_image: Attention::new(&w.at("final_attn_token_to_image"), width, 2)?,
            norm_final: LayerNorm::new(&w.at("norm_final_attn"), width, EPS_TRANSFORMER)?,
        })
    }

    /// Picture `[feature rows, width]` with its positions, and tokens `[tokens, width]`; returns tokens and picture.
    ///
    /// # Errors
    /// When shapes do not fit, or the device fails.
    pub fn forward(
        &self,
        image: &Tensor,
        image_positions: &Tensor,
        tokens: &Tensor,
    ) -> candle_core::Result<(Tensor, Tensor)> {
        let (mut queries, mut keys) = (tokens.clone(), image.clone());
        for (i, block) in self.blocks.iter().enumerate() {
            // The first layer's tokens are their own positions, so nothing is added and nothing is kept.
            queries = if i == 0 {
                block.self_attn.forward(&queries, &queries, &queries)?
            } else {
                let q = (&queries + tokens)?;
                block.self_attn.forward_add(&q, &q, &queries, &queries)?
            };
            queries = block.norm1.forward(&queries)?;

            let q = (&queries + tokens)?;
            let k = (&keys + image_positions)?;
            queries = block.token_to_image.forward_add(&q, &k, &keys, &queries)?;
            queries = block.norm2.forward(&queries)?;
            queries = block.norm3.forward(&block.mlp.forward_add(&queries, &queries)?)?;

            let q = (&queries + tokens)?;
            keys = block.image_to_token.forward_add(&k, &q, &queries, &keys)?;
            keys = block.norm4.forward(&keys)?;
        }
        let q = (&queries + tokens)?;
        let k = (&keys + image_positions)?;
        queries = self.final_token_to_image.forward_add(&q, &k, &keys, &queries)?;
        Ok((self.norm_final.forward(&queries)?, keys))
    }
}
