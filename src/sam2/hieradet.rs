//! The backbone: Hiera with window attention (`backbones/hieradet.py`).

use candle_core::Tensor;

use super::config::ModelConfig;
use super::error::Sam2Error;
use super::kernels::Precision;
use super::kernels::conv::ConvShape;
use super::kernels::linear::Activation;
use super::kernels::resize::{MapSize, max_pool2};
use super::kernels::window::WindowAttention;
use super::layers::{Conv2d, EPS_TRUNK, LayerNorm, Linear, Mlp};
use super::position_encoding::hiera_2d;
use super::weights::Weights;

/// The backbone, ready for one input size.
#[derive(Debug)]
pub struct Hiera {
    patch_embed: Conv2d,
    /// `[map rows, embed_dim]`, for the input size the model was loaded at.
    positions: Tensor,
    blocks: Vec<Block>,
    /// Last block of each stage.
    stage_ends: Vec<usize>,
}

/// A stage's output.
#[derive(Debug, Clone)]
pub struct StageMap {
    /// `[map rows, channels]`.
    pub features: Tensor,
    /// Its size.
    pub map: MapSize,
}

impl Hiera {
    /// Reads `image_encoder.trunk`.
    ///
    /// # Errors
    /// As [`Weights::get`].
    pub fn new(w: &Weights, config: &ModelConfig) -> Result<Self, Sam2Error> {
        let encoder = &config.image_encoder;
        let embed_dim = encoder.embed_dim;
        let shape = ConvShape { kernel: 7, stride: 4, padding: 3 };
        let patch_embed = Conv2d::new(&w.at("patch_embed").at("proj"), 3, embed_dim, shape)?;
        let [background_h, background_w] = encoder.window_pos_embed_bkg_spatial_size;
        let window = encoder.window_spec[0];
        let background = w.get("pos_embed", &[1, embed_dim, background_h, background_w])?;
        let window = w.get("pos_embed_window", &[1, embed_dim, window, window])?;
        let map = MapSize::square(config.image_size / 4);
        let positions = hiera_2d(&background, &window, map)?;

        let mut blocks = Vec::new();
        let mut stage_ends = Vec::new();
        let (mut channels, mut heads) = (embed_dim, encoder.num_heads);
        for (stage, &count) in encoder.stages.iter().enumerate() {
            for i in 0..count {
                let index = blocks.len();
                let first_of_later_stage = stage > 0 && i == 0;
                // A stage's first block still works in the windows of the stage before; pooling then shrinks them.
                let window_stage = if first_of_later_stage { stage - 1 } else { stage };
                let input = channels;
                if first_of_later_stage {
                    channels *= 2;
                    heads *= 2;
                }
                let is_global = encoder.global_att_blocks.contains(&index);
                blocks.push(Block::new(
                    &w.at("blocks").at(index),
                    input,
                    channels,
                    heads,
                    if is_global { 0 } else { encoder.window_spec[window_stage] },
                    first_of_later_stage && stage <= encoder.q_pool,
                )?);
            }
            stage_ends.push(blocks.len() - 1);
        }
        Ok(Hiera { patch_embed, positions, blocks, stage_ends })
    }

    /// A normalised picture `[side * side, 3]` to the four stages' maps, finest first.
    ///
    /// # Errors
    /// When shapes do not fit, or the device fails.
    pub fn forward(&self, image: &Tensor, side: usize) -> candle_core::Result<Vec<StageMap>> {
        let (x, mut map) = self.patch_embed.forward(image, MapSize::square(side))?;
        let mut x = (x + &self.positions)?;
        let mut stages = Vec::with_capacity(4);
        for (i, block) in self.blocks.iter().enumerate() {
            (x, map) = block.forward(&x, map)?;
            if self.stage_ends.contains(&i) {
                stages.push(StageMap { features: x.clone(), map });
            }
        }
        Ok(stages)
    }
}

#[derive(Debug)]
struct Block {
    norm1: LayerNorm,
    qkv: Linear,
    attention_out: Linear,
    norm2: LayerNorm,
    mlp: Mlp,
    /// Widens the shortcut where the stage changes.
    widen: Option<Linear>,
    heads: usize,
    window: usize,
    pool: bool,
    precision: Precision,
}

impl Block {
    fn new(
        w: &Weights,
        input: usize,
        output: usize,
        heads: usize,
        window: usize,
        pool: bool,
    ) -> Result<Self, Sam2Error> {
        Ok(Block {
            norm1: LayerNorm::new(&w.at("norm1"), input, EPS_TRUNK)?,
            qkv: Linear::new(&w.at("attn").at("qkv"), input, 3 * output)?,
            attention_out: Linear::new(&w.at("attn").at("proj"), output, output)?,
            norm2: LayerNorm::new(&w.at("norm2"), output, EPS_TRUNK)?,
            mlp: Mlp::new(&w.at("mlp"), &[output, 4 * output, output], Activation::Gelu)?,
            widen: if input == output { None } else { Some(Linear::new(&w.at("proj"), input, output)?) },
            heads,
            window,
            pool,
            precision: w.precision(),
        })
    }

    fn forward(&self, x: &Tensor, map: MapSize) -> candle_core::Result<(Tensor, MapSize)> {
        let normed = self.norm1.forward(x)?;
        let mut shortcut = match &self.widen {
            Some(widen) => widen.forward(&normed)?,
            None => x.clone(),
        };
        let mut out_map = map;
        if self.pool {
            shortcut = max_pool2(&shortcut, map)?;
            out_map = map.halved();
        }
        let qkv = self.qkv.forward(&normed)?;
        let attend =
            WindowAttention { map, window: self.window, heads: self.heads, pool: self.pool, precision: self.precision };
        let mixed = attend.forward(&qkv, self.qkv.bias())?;
        let x = self.attention_out.forward_add(&mixed, &shortcut)?;
        let x = self.mlp.forward_add(&self.norm2.forward(&x)?, &x)?;
        Ok((x, out_map))
    }
}
