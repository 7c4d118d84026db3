//! Predicts masks from features and a prompt (`sam/mask_decoder.py`).

use candle_core::{D, Tensor};

use super::config::ModelConfig;
use super::error::Sam2Error;
use super::kernels::linear::{Activation, linear};
use super::kernels::norm::gelu;
use super::kernels::resize::{MapSize, pixel_shuffle2};
use super::layers::{EPS_TRUNK, LayerNorm, Linear, Mlp};
use super::transformer::TwoWayTransformer;
use super::weights::Weights;

/// One mask for a clear prompt and three for an ambiguous one.
const MASK_TOKENS: usize = 4;
/// Logits within this distance of zero decide whether a mask is stable.
const STABILITY_DELTA: f32 = 0.05;
/// A single mask less stable than this gives way to the best of the three.
const STABILITY_THRESHOLD: f32 = 0.98;

/// The mask decoder.
#[derive(Debug)]
pub struct MaskDecoder {
    transformer: TwoWayTransformer,
    /// Score token, quality token and mask tokens, `[6, d_model]`.
    output_tokens: Tensor,
    upscale1: UpConv,
    upscale_norm: LayerNorm,
    upscale2: UpConv,
    conv_s0: Linear,
    conv_s1: Linear,
    hypernetworks: Vec<Mlp>,
    iou_head: Mlp,
    score_head: Mlp,
    feature_side: usize,
}

/// What the decoder says.
#[derive(Debug, Clone)]
pub struct Decoded {
    /// Mask logits, `[masks, low-res rows]`: three for an ambiguous prompt, else one.
    pub masks: Tensor,
    /// Predicted IoU of each.
    pub ious: Vec<f32>,
    /// Output token of each mask, `[masks, d_model]`; for a single mask always token 0, as the reference has it.
    pub tokens: Tensor,
    /// Above 0 when the object is in the frame.
    pub object_score: f32,
}

/// A 2x2 transposed convolution of stride 2, as a matrix product and a shuffle.
#[derive(Debug)]
struct UpConv {
    /// `[4 * out, in]`.
    linear: Linear,
}

impl UpConv {
    fn new(w: &Weights, input: usize, output: usize) -> Result<Self, Sam2Error> {
        let weight = w.get("weight", &[input, output, 2, 2])?;
        let bias = w.get("bias", &[output])?;
        let weight = weight.permute((2, 3, 1, 0))?.contiguous()?.reshape((4 * output, input))?;
        Ok(UpConv { linear: Linear::from_tensors(weight, bias.repeat(4)?) })
    }

    fn forward(&self, x: &Tensor, map: MapSize) -> candle_core::Result<Tensor> {
        pixel_shuffle2(&self.linear.forward(x)?, map)
    }
}

impl MaskDecoder {
    /// Reads `sam_mask_decoder`.
    ///
    /// # Errors
    /// As [`Weights::get`].
    pub fn new(w: &Weights, config: &ModelConfig) -> Result<Self, Sam2Error> {
        let width = config.image_encoder.d_model;
        let token = |name: &str, count: usize| w.at(name).get("weight", &[count, width]);
        let output_tokens = Tensor::cat(
            &[token("obj_score_token", 1)?, token("iou_token", 1)?, token("mask_tokens", MASK_TOKENS)?],
            0,
        )?;
        let upscaling = w.at("output_upscaling");
        Ok(MaskDecoder {
            transformer: TwoWayTransformer::new(&w.at("transformer"), width)?,
            output_tokens,
            upscale1: UpConv::new(&upscaling.at(0), width, width / 4)?,
            upscale_norm: LayerNorm::new(&upscaling.at(1), width / 4, EPS_TRUNK)?,
            upscale2: UpConv::new(&upscaling.at(3), width / 4, width / 8)?,
            conv_s0: Linear::from_conv1x1(&w.at("conv_s0"), width, width / 8)?,
            conv_s1: Linear::from_conv1x1(&w.at("conv_s1"), width, width / 4)?,
            hypernetworks: (0..MASK_TOKENS)
                .map(|i| {
                    let mlp = w.at("output_hypernetworks_mlps").at(i);
                    Mlp::new(&mlp, &[width, width, width, width / 8], Activation::Relu)
                })
                .collect::<Result<_, _>>()?,
            iou_head: Mlp::new(&w.at("iou_prediction_head"), &[width, 256, 256, MASK_TOKENS], Activation::Relu)?,
            score_head: Mlp::new(&w.at("pred_obj_score_head"), &[width, width, width, 1], Activation::Relu)?,
            feature_side: config.feature_side(),
        })
    }

    /// The two fine pyramid levels as the decoder uses them, computed once per frame: strides 4 and 8.
    ///
    /// # Errors
    /// When shapes do not fit, or the device fails.
    pub fn project_fine_levels(&self, level0: &Tensor, level1: &Tensor) -> candle_core::Result<(Tensor, Tensor)> {
        Ok((self.conv_s0.forward(level0)?, self.conv_s1.forward(level1)?))
    }

    /// Predicts masks. `features` and `positions` are `[feature rows, d_model]`, `sparse` the prompt's tokens,
    /// `[tokens, d_model]`, `dense` what the mask prompt adds to each feature row, `fine` the projected levels of strides 4
    /// and 8; `multimask` asks for three masks.
    ///
    /// # Errors
    /// When shapes do not fit, or the device fails.
    pub fn forward(
        &self,
        features: &Tensor,
        positions: &Tensor,
        sparse: &Tensor,
        dense: &Tensor,
        fine: (&Tensor, &Tensor),
        multimask: bool,
    ) -> candle_core::Result<Decoded> {
        let tokens = Tensor::cat(&[&self.output_tokens, sparse], 0)?;
        let image = features.broadcast_add(dense)?;
        let (tokens, image) = self.transformer.forward(&image, positions, &tokens)?;
        let mask_tokens = tokens.narrow(0, 2, MASK_TOKENS)?;

        let map = MapSize::square(self.feature_side);
        let (stride4, stride8) = fine;
        let up = (self.upscale1.forward(&image, map)? + stride8)?;
        let up = gelu(&self.upscale_norm.forward(&up)?)?;
        let doubled = MapSize::square(self.feature_side * 2);
        let up = gelu(&(self.upscale2.forward(&up, doubled)? + stride4)?)?;

        let mixers = self
            .hypernetworks
            .iter()
            .enumerate()
            .map(|(i, mlp)| mlp.forward(&mask_tokens.narrow(0, i, 1)?))
            .collect::<candle_core::Result<Vec<_>>>()?;
        // [low-res rows, 4] by a thin product, then mask by mask.
        let masks = linear(&up, &Tensor::cat(&mixers, 0)?.into(), None, Activation::None, None)?.t()?.contiguous()?;
        let ious = candle_nn::ops::sigmoid(&self.iou_head.forward(&tokens.narrow(0, 1, 1)?)?)?;
        let ious: Vec<f32> = ious.flatten_all()?.to_vec1()?;
        let object_score = self.score_head.forward(&tokens.narrow(0, 0, 1)?)?.flatten_all()?.to_vec1::<f32>()?[0];
        self.select(masks, &ious, &mask_tokens, object_score, multimask)
    }

    /// The three masks, or the single one (replaced by the best of the three when it is unstable).
    fn select(
        &self,
        masks: Tensor,
        ious: &[f32],
        tokens: &Tensor,
        object_score: f32,
        multimask: bool,
    ) -> candle_core::Result<Decoded> {
        if multimask {
            return Ok(Decoded {
                masks: masks.narrow(0, 1, MASK_TOKENS - 1)?,
                ious: ious[1..].to_vec(),
                tokens: tokens.narrow(0, 1, MASK_TOKENS - 1)?,
                object_score,
            });
        }
        let single = stability(&masks.get(0)?, STABILITY_DELTA)?;
        let index = if single >= STABILITY_THRESHOLD { 0 } else { 1 + best(&ious[1..]) };
        Ok(Decoded {
            masks: masks.narrow(0, index, 1)?,
            ious: vec![ious[index]],
            tokens: tokens.narrow(0, 0, 1)?,
            object_score,
        })
    }
}

/// Position of the largest value; the first one among equals.
pub fn best(values: &[f32]) -> usize {
    let better = |at: usize, i: usize| if values[i] > values[at] { i } else { at };
    (0..values.len()).fold(0, better)
}

/// How little a mask changes when its threshold moves: IoU of the masks at `+delta` and `-delta`.
///
/// # Errors
/// When the device fails.
pub fn stability(logits: &Tensor, delta: f32) -> candle_core::Result<f32> {
    let count = |threshold: f64| -> candle_core::Result<f32> {
        logits.flatten_all()?.gt(threshold)?.to_dtype(candle_core::DType::F32)?.sum(D::Minus1)?.to_scalar::<f32>()
    };
    let (inner, outer) = (count(f64::from(delta))?, count(f64::from(-delta))?);
    Ok(if outer > 0.0 { inner / outer } else { 1.0 })
}
