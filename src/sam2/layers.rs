//! The small parts modules are made of: linear layers, norms, MLPs.

use candle_core::Tensor;

use super::error::Sam2Error;
use super::kernels::conv::ConvShape;
use super::kernels::linear::{Activation, Weight, linear};
use super::kernels::norm::layer_norm;
use super::weights::Weights;

/// Epsilon of `LayerNorm` in the trunk and of every `LayerNorm2d`.
pub const EPS_TRUNK: f64 = 1e-6;
/// PyTorch's default, used by memory attention and the mask decoder's transformer.
pub const EPS_TRANSFORMER: f64 = 1e-5;

/// `x . weightᵀ + bias`.
#[derive(Debug)]
pub struct Linear {
    weight: Weight,
    bias: Tensor,
}

impl Linear {
    /// Reads `weight` and `bias` of a linear layer.
    ///
    /// # Errors
    /// As [`Weights::get`].
    pub fn new(w: &Weights, input: usize, output: usize) -> Result<Self, Sam2Error> {
        Self::of(w, w.get("weight", &[output, input])?, output)
    }

    /// Reads a 1x1 convolution, which in our layout is a linear layer.
    ///
    /// # Errors
    /// As [`Weights::get`].
    pub fn from_conv1x1(w: &Weights, input: usize, output: usize) -> Result<Self, Sam2Error> {
        let weight = w.get("weight", &[output, input, 1, 1])?.reshape((output, input))?;
        Self::of(w, weight, output)
    }

    fn of(w: &Weights, weight: Tensor, output: usize) -> Result<Self, Sam2Error> {
        Ok(Linear { weight: Weight::new(weight, w.precision())?, bias: w.get("bias", &[output])? })
    }

    /// From tensors: `weight` `[out, in]`, `bias` `[out]`.
    pub fn from_tensors(weight: Tensor, bias: Tensor) -> Self {
        Linear { weight: weight.into(), bias }
    }

    /// The bias, `[out]`.
    pub fn bias(&self) -> &Tensor {
        &self.bias
    }

    /// `[rows, in]` to `[rows, out]`.
    ///
    /// # Errors
    /// When shapes do not fit, or the device fails.
    pub fn forward(&self, x: &Tensor) -> candle_core::Result<Tensor> {
        self.forward_with(x, Activation::None)
    }

    /// `[rows, in]` to `[rows, out]`, followed by an activation.
    ///
    /// # Errors
    /// When shapes do not fit, or the device fails.
    pub fn forward_with(&self, x: &Tensor, activation: Activation) -> candle_core::Result<Tensor> {
        linear(x, &self.weight, Some(&self.bias), activation, None)
    }

    /// `[rows, in]` to `[rows, out]`, added to `residual`.
    ///
    /// # Errors
    /// When shapes do not fit, or the device fails.
    pub fn forward_add(&self, x: &Tensor, residual: &Tensor) -> candle_core::Result<Tensor> {
        linear(x, &self.weight, Some(&self.bias), Activation::None, Some(residual))
    }
}

/// Normalisation over channels.
#[derive(Debug)]
pub struct LayerNorm {
    weight: Tensor,
    bias: Tensor,
    eps: f64,
}

impl LayerNorm {
    /// Reads `weight` and `bias`.
    ///
    /// # Errors
    /// As [`Weights::get`].
    pub fn new(w: &Weights, channels: usize, eps: f64) -> Result<Self, Sam2Error> {
        Ok(LayerNorm { weight: w.get("weight", &[channels])?, bias: w.get("bias", &[channels])?, eps })
    }

    /// `[rows, channels]`, row by row.
    ///
    /// # Errors
    /// When shapes do not fit, or the device fails.
    pub fn forward(&self, x: &Tensor) -> candle_core::Result<Tensor> {
        layer_norm(x, &self.weight, &self.bias, self.eps)
    }
}

/// Linear layers with an activation between them.
#[derive(Debug)]
pub struct Mlp {
    layers: Vec<Linear>,
    activation: Activation,
}

impl Mlp {
    /// Reads `layers.0 ..` of the given widths, the first being the input's.
    ///
    /// # Errors
    /// As [`Weights::get`].
    pub fn new(w: &Weights, widths: &[usize], activation: Activation) -> Result<Self, Sam2Error> {
        let layers = widths
            .windows(2)
            .enumerate()
            .map(|(i, pair)| Linear::new(&w.at("layers").at(i), pair[0], pair[1]))
            .collect::<Result<_, _>>()?;
        Ok(Mlp { layers, activation })
    }

    /// `[rows, first width]` to `[rows, last width]`.
    ///
    /// # Errors
    /// When shapes do not fit, or the device fails.
    pub fn forward(&self, x: &Tensor) -> candle_core::Result<Tensor> {
        let (last, first) = self.layers.split_last().expect("an MLP has layers");
        last.forward(&self.hidden(x, first)?)
    }

    /// The same, added to `residual`.
    ///
    /// # Errors
    /// When shapes do not fit, or the device fails.
    pub fn forward_add(&self, x: &Tensor, residual: &Tensor) -> candle_core::Result<Tensor> {
        let (last, first) = self.layers.split_last().expect("an MLP has layers");
        last.forward_add(&self.hidden(x, first)?, residual)
    }

    fn hidden(&self, x: &Tensor, layers: &[Linear]) -> candle_core::Result<Tensor> {
        layers.iter().try_fold(x.clone(), |x, layer| layer.forward_with(&x, self.activation))
    }
}

/// A convolution with its weight laid out for our kernel.
#[derive(Debug)]
pub struct Conv2d {
    weight: Weight,
    bias: Tensor,
    shape: ConvShape,
}

impl Conv2d {
    /// Reads `weight` and `bias`.
    ///
    /// # Errors
    /// As [`Weights::get`].
    pub fn new(w: &Weights, input: usize, output: usize, shape: ConvShape) -> Result<Self, Sam2Error> {
        let weight = w.get("weight", &[output, input, shape.kernel, shape.kernel])?;
        Ok(Conv2d { weight: ConvShape::flatten_weight(&weight)?.into(), bias: w.get("bias", &[output])?, shape })
    }

    /// A map `[h * w, in]` to `[h' * w', out]`.
    ///
    /// # Errors
    /// When shapes do not fit, or the device fails.
    pub fn forward(
        &self,
        x: &Tensor,
        map: super::kernels::resize::MapSize,
    ) -> candle_core::Result<(Tensor, super::kernels::resize::MapSize)> {
        let y = super::kernels::conv::conv2d(x, map, self.shape, &self.weight, &self.bias)?;
        Ok((y, self.shape.out_map(map)))
    }
}
