//! Turns clicks, boxes and masks into embeddings (`sam/prompt_encoder.py`).

use candle_core::{Device, Tensor};

use super::config::ModelConfig;
use super::error::Sam2Error;
use super::kernels::conv::ConvShape;
use super::kernels::norm::gelu;
use super::kernels::resize::MapSize;
use super::layers::{Conv2d, EPS_TRUNK, LayerNorm, Linear};
use super::weights::Weights;

/// What a point of a prompt is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PointKind {
    /// Nothing: stands where a point must stand.
    Padding,
    /// Not the object.
    Negative,
    /// The object.
    Positive,
    /// A box's first corner.
    TopLeft,
    /// A box's second corner.
    BottomRight,
}

/// A point in pixels of the model's input.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PromptPoint {
    /// Pixels from the left.
    pub x: f32,
    /// Pixels from the top.
    pub y: f32,
    /// What it is.
    pub kind: PointKind,
}

/// The prompt encoder.
#[derive(Debug)]
pub struct PromptEncoder {
    /// `[2][d_model / 2]`, kept on the host: points are few.
    gaussian: Vec<Vec<f32>>,
    /// For negative, positive, top-left, bottom-right.
    point_embeddings: Vec<Vec<f32>>,
    not_a_point: Vec<f32>,
    mask_convs: [(Conv2d, LayerNorm); 2],
    mask_out: Linear,
    /// `[1, d_model]`.
    no_mask: Tensor,
    image_size: usize,
    feature_side: usize,
    device: Device,
    /// Encoding of every pixel of the feature map, `[feature rows, d_model]`.
    pub dense_positions: Tensor,
}

/// Channels of the mask branch, as the reference fixes them.
const MASK_CHANNELS: usize = 16;

impl PromptEncoder {
    /// Reads `sam_prompt_encoder`.
    ///
    /// # Errors
    /// As [`Weights::get`].
    pub fn new(w: &Weights, config: &ModelConfig) -> Result<Self, Sam2Error> {
        let width = config.image_encoder.d_model;
        let side = config.feature_side();
        let gaussian =
            w.at("pe_layer").get("positional_encoding_gaussian_matrix", &[2, width / 2])?.to_vec2::<f32>()?;
        let row = |w: &Weights| -> Result<Vec<f32>, Sam2Error> {
            Ok(w.get("weight", &[1, width])?.flatten_all()?.to_vec1()?)
        };
        let shape = ConvShape { kernel: 2, stride: 2, padding: 0 };
        let mask = w.at("mask_downscaling");
        let mut dense = Vec::with_capacity(side * side * width);
        for y in 0..side {
            for x in 0..side {
                let at = |i: usize| (i as f32 + 0.5) / side as f32;
                dense.extend(fourier(&gaussian, at(x), at(y)));
            }
        }
        Ok(PromptEncoder {
            gaussian,
            point_embeddings: (0..4).map(|i| row(&w.at("point_embeddings").at(i))).collect::<Result<_, _>>()?,
            not_a_point: row(&w.at("not_a_point_embed"))?,
            mask_convs: [
                (
                    Conv2d::new(&mask.at(0), 1, MASK_CHANNELS / 4, shape)?,
                    LayerNorm::new(&mask.at(1), MASK_CHANNELS / 4, EPS_TRUNK)?,
                ),
                (
                    Conv2d::new(&mask.at(3), MASK_CHANNELS / 4, MASK_CHANNELS, shape)?,
                    LayerNorm::new(&mask.at(4), MASK_CHANNELS, EPS_TRUNK)?,
                ),
            ],
            mask_out: Linear::from_conv1x1(&mask.at(6), MASK_CHANNELS, width)?,
            no_mask: w.at("no_mask_embed").get("weight", &[1, width])?,
            image_size: config.image_size,
            feature_side: side,
            device: w.device().clone(),
            dense_positions: Tensor::from_vec(dense, (side * side, width), w.device())?,
        })
    }

    /// Points to tokens, `[points + 1, d_model]`; the last is padding, as in the reference.
    ///
    /// # Errors
    /// When the device fails.
    pub fn embed_points(&self, points: &[PromptPoint]) -> candle_core::Result<Tensor> {
        let padding = PromptPoint { x: 0.0, y: 0.0, kind: PointKind::Padding };
        let width = self.not_a_point.len();
        let mut values = Vec::with_capacity((points.len() + 1) * width);
        for point in points.iter().chain([&padding]) {
            let kind = match point.kind {
                PointKind::Padding => {
                    values.extend_from_slice(&self.not_a_point);
                    continue;
                }
                PointKind::Negative => 0,
                PointKind::Positive => 1,
                PointKind::TopLeft => 2,
                PointKind::BottomRight => 3,
            };
            // Half a pixel: to the pixel's centre.
            let at = |v: f32| (v + 0.5) / self.image_size as f32;
            let encoded = fourier(&self.gaussian, at(point.x), at(point.y));
            values.extend(encoded.zip(&self.point_embeddings[kind]).map(|(a, b)| a + b));
        }
        Tensor::from_vec(values, (points.len() + 1, width), &self.device)
    }

    /// A mask's logits (`[low-res rows, 1]`) as something to add to the features; without one, the learnt stand-in
    /// (`[1, d_model]`, to be broadcast).
    ///
    /// # Errors
    /// When shapes do not fit, or the device fails.
    pub fn embed_mask(&self, mask: Option<&Tensor>) -> candle_core::Result<Tensor> {
        let Some(mask) = mask else { return Ok(self.no_mask.clone()) };
        let mut x = mask.clone();
        let mut map = MapSize::square(self.feature_side * 4);
        for (conv, norm) in &self.mask_convs {
            (x, map) = conv.forward(&x, map)?;
            x = gelu(&norm.forward(&x)?)?;
        }
        self.mask_out.forward(&x)
    }
}

/// Random Fourier features of a place given in 0..1: sines, then cosines.
fn fourier(gaussian: &[Vec<f32>], x: f32, y: f32) -> impl Iterator<Item = f32> {
    let (x, y) = (2.0 * x - 1.0, 2.0 * y - 1.0);
    let angle = move |(gx, gy): (&f32, &f32)| 2.0 * std::f32::consts::PI * (x * gx + y * gy);
    let angles = move || gaussian[0].iter().zip(&gaussian[1]).map(angle);
    angles().map(f32::sin).chain(angles().map(f32::cos))
}
