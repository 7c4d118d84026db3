//! Backbone and feature pyramid (`backbones/image_encoder.py`), and what the rest of the model keeps of a frame.

use candle_core::Tensor;

use super::config::ModelConfig;
use super::error::Sam2Error;
use super::hieradet::Hiera;
use super::kernels::resize::double_nearest;
use super::layers::Linear;
use super::weights::Weights;

/// The image encoder.
#[derive(Debug)]
pub struct ImageEncoder {
    trunk: Hiera,
    /// One 1x1 convolution per level, finest first (the checkpoint numbers them coarsest first).
    convs: Vec<Linear>,
    top_down: [bool; 4],
    image_size: usize,
}

/// The pyramid's three finest levels, finest first: strides 4, 8 and 16, each `[map rows, d_model]`.
#[derive(Debug, Clone)]
pub struct Pyramid {
    /// Stride 4.
    pub level0: Tensor,
    /// Stride 8.
    pub level1: Tensor,
    /// Stride 16: the frame's features.
    pub level2: Tensor,
}

impl ImageEncoder {
    /// Reads `image_encoder`.
    ///
    /// # Errors
    /// As [`Weights::get`].
    pub fn new(w: &Weights, config: &ModelConfig) -> Result<Self, Sam2Error> {
        let encoder = &config.image_encoder;
        let trunk = Hiera::new(&w.at("trunk"), config)?;
        let convs = (0..4)
            .map(|level| {
                let conv = w.at("neck").at("convs").at(3 - level).at("conv");
                Linear::from_conv1x1(&conv, encoder.embed_dim << level, encoder.d_model)
            })
            .collect::<Result<_, _>>()?;
        let top_down = std::array::from_fn(|level| encoder.fpn_top_down_levels.contains(&level));
        Ok(ImageEncoder { trunk, convs, top_down, image_size: config.image_size })
    }

    /// A normalised picture `[side * side, 3]` to its pyramid. The coarsest level only feeds the one above it.
    ///
    /// # Errors
    /// When shapes do not fit, or the device fails.
    pub fn forward(&self, image: &Tensor) -> candle_core::Result<Pyramid> {
        let stages = self.trunk.forward(image, self.image_size)?;
        let mut levels = Vec::with_capacity(4);
        for level in (0..4).rev() {
            let lateral = &self.convs[level];
            let coarser = levels.last().filter(|_| self.top_down[level]);
            levels.push(match coarser {
                Some(coarser) => {
                    let from_above = double_nearest(coarser, stages[level + 1].map)?;
                    lateral.forward_add(&stages[level].features, &from_above)?
                }
                None => lateral.forward(&stages[level].features)?,
            });
        }
        let mut finest_first = levels.into_iter().rev();
        let mut next = || finest_first.next().expect("four levels were pushed");
        Ok(Pyramid { level0: next(), level1: next(), level2: next() })
    }
}
