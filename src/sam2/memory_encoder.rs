//! Makes a memory of a frame and its mask (`memory_encoder.py`).

use candle_core::Tensor;

use super::config::ModelConfig;
use super::error::Sam2Error;
use super::kernels::conv::{ConvShape, DEPTHWISE_KERNEL, depthwise7};
use super::kernels::linear::Activation;
use super::kernels::norm::gelu;
use super::kernels::resize::MapSize;
use super::layers::{Conv2d, EPS_TRUNK, LayerNorm, Linear};
use super::position_encoding::sine_2d;
use super::weights::Weights;

/// The memory encoder.
#[derive(Debug)]
pub struct MemoryEncoder {
    downsample: Vec<(Conv2d, LayerNorm)>,
    mask_out: Linear,
    pix_feat_proj: Linear,
    fuser: Vec<FuserBlock>,
    /// Absent where memories are as wide as the model.
    out_proj: Option<Linear>,
    image_size: usize,
    /// Where each pixel of a memory lies, `[feature rows, memory channels]`.
    pub positions: Tensor,
}

impl MemoryEncoder {
    /// Reads `memory_encoder`.
    ///
    /// # Errors
    /// As [`Weights::get`].
    pub fn new(w: &Weights, config: &ModelConfig) -> Result<Self, Sam2Error> {
        let width = config.image_encoder.d_model;
        let out_dim = config.memory_encoder.out_dim;
        let encoder = w.at("mask_downsampler").at("encoder");
        let shape = ConvShape { kernel: 3, stride: 2, padding: 1 };
        let mut downsample = Vec::new();
        let mut channels = 1;
        // Four halvings, each with four times the channels; the checkpoint counts conv, norm, activation.
        for step in 0..4 {
            let conv = Conv2d::new(&encoder.at(3 * step), channels, channels * 4, shape)?;
            channels *= 4;
            downsample.push((conv, LayerNorm::new(&encoder.at(3 * step + 1), channels, EPS_TRUNK)?));
        }
        let fuser = (0..config.memory_encoder.fuser_layers)
            .map(|i| FuserBlock::new(&w.at("fuser").at("layers").at(i), width))
            .collect::<Result<_, _>>()?;
        Ok(MemoryEncoder {
            downsample,
            mask_out: Linear::from_conv1x1(&encoder.at(12), channels, width)?,
            pix_feat_proj: Linear::from_conv1x1(&w.at("pix_feat_proj"), width, width)?,
            fuser,
            out_proj: if out_dim == width {
                None
            } else {
                Some(Linear::from_conv1x1(&w.at("out_proj"), width, out_dim)?)
            },
            image_size: config.image_size,
            positions: sine_2d(config.feature_side(), out_dim, w.device())?,
        })
    }

    /// Features `[feature rows, d_model]` and a mask `[image rows, 1]` (already scaled to -10..10) to a memory
    /// `[feature rows, memory channels]`.
    ///
    /// # Errors
    /// When shapes do not fit, or the device fails.
    pub fn forward(&self, features: &Tensor, mask: &Tensor) -> candle_core::Result<Tensor> {
        let mut x = mask.clone();
        let mut map = MapSize::square(self.image_size);
        for (conv, norm) in &self.downsample {
            (x, map) = conv.forward(&x, map)?;
            x = gelu(&norm.forward(&x)?)?;
        }
        let mask = self.mask_out.forward(&x)?;
        let mut x = self.pix_feat_proj.forward_add(features, &mask)?;
        for block in &self.fuser {
            x = block.forward(&x, map)?;
        }
        match &self.out_proj {
            Some(out_proj) => out_proj.forward(&x),
            None => Ok(x),
        }
    }
}

/// A ConvNeXt block.
#[derive(Debug)]
struct FuserBlock {
    /// `[49, channels]`.
    depthwise: Tensor,
    depthwise_bias: Tensor,
    norm: LayerNorm,
    pwconv1: Linear,
    pwconv2: Linear,
    /// The block's learnt scale, `[channels]`. Folded into the layer before it, it would round every weight once more,
    /// and memories are compared to the last bit when they are rounded to bf16.
    gamma: Tensor,
}

impl FuserBlock {
    fn new(w: &Weights, width: usize) -> Result<Self, Sam2Error> {
        let side = DEPTHWISE_KERNEL;
        let depthwise = w.at("dwconv").get("weight", &[width, 1, side, side])?;
        Ok(FuserBlock {
            depthwise: depthwise.reshape((width, side * side))?.t()?.contiguous()?,
            depthwise_bias: w.at("dwconv").get("bias", &[width])?,
            norm: LayerNorm::new(&w.at("norm"), width, EPS_TRUNK)?,
            pwconv1: Linear::new(&w.at("pwconv1"), width, 4 * width)?,
            pwconv2: Linear::new(&w.at("pwconv2"), 4 * width, width)?,
            gamma: w.get("gamma", &[width])?,
        })
    }

    fn forward(&self, x: &Tensor, map: MapSize) -> candle_core::Result<Tensor> {
        let y = depthwise7(x, map, &self.depthwise, &self.depthwise_bias)?;
        let y = self.pwconv1.forward_with(&self.norm.forward(&y)?, Activation::Gelu)?;
        x + self.pwconv2.forward(&y)?.broadcast_mul(&self.gamma)?
    }
}
