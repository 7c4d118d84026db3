//! The few true convolutions: patches to rows (then a matrix product), and depthwise 7x7.

use candle_core::{CpuStorage, CustomOp1, CustomOp3, Layout, Result, Shape, Tensor};
use rayon::prelude::*;

use super::linear::{Activation, Weight, linear};
use super::resize::MapSize;
use super::{contiguous, on_cpu_f32, simd};

/// A convolution's geometry: square kernel, the same in both directions.
#[derive(Debug, Clone, Copy)]
pub struct ConvShape {
    /// Side of the kernel.
    pub kernel: usize,
    /// Step between outputs.
    pub stride: usize,
    /// Zeros added on every side.
    pub padding: usize,
}

impl ConvShape {
    /// Size of the result.
    pub fn out_map(self, map: MapSize) -> MapSize {
        let out = |n: usize| (n + 2 * self.padding - self.kernel) / self.stride + 1;
        MapSize { height: out(map.height), width: out(map.width) }
    }

    /// Turns a PyTorch weight `[out, in, k, k]` into the rows `[out, k * k * in]` that [`conv2d`] multiplies by.
    ///
    /// # Errors
    /// When the weight has another rank.
    pub fn flatten_weight(weight: &Tensor) -> Result<Tensor> {
        let (out, input, kh, kw) = weight.dims4()?;
        weight.permute((0, 2, 3, 1))?.contiguous()?.reshape((out, kh * kw * input))
    }
}

/// Convolution of a map `[h * w, in]` with a weight from [`ConvShape::flatten_weight`]; returns `[h' * w', out]`.
///
/// # Errors
/// When shapes or devices do not agree.
pub fn conv2d(x: &Tensor, map: MapSize, shape: ConvShape, weight: &Weight, bias: &Tensor) -> Result<Tensor> {
    let patches = if on_cpu_f32(x) {
        x.contiguous()?.apply_op1_no_bwd(&Patches { map, shape })?
    } else {
        patches_generic(x, map, shape)?
    };
    linear(&patches, weight, Some(bias), Activation::None, None)
}

/// The patches by strided views, in candle's own operations.
fn patches_generic(x: &Tensor, map: MapSize, shape: ConvShape) -> Result<Tensor> {
    let channels = x.dim(1)?;
    let out = shape.out_map(map);
    let x = x
        .reshape((map.height, map.width, channels))?
        .pad_with_zeros(0, shape.padding, shape.padding + shape.stride)?
        .pad_with_zeros(1, shape.padding, shape.padding + shape.stride)?;
    let mut views = Vec::with_capacity(shape.kernel * shape.kernel);
    for ky in 0..shape.kernel {
        for kx in 0..shape.kernel {
            let view = x
                .narrow(0, ky, out.height * shape.stride)?
                .narrow(1, kx, out.width * shape.stride)?
                .contiguous()?
                .reshape((out.height, shape.stride, out.width, shape.stride, channels))?
                .narrow(1, 0, 1)?
                .narrow(3, 0, 1)?
                .contiguous()?
                .reshape((out.area(), channels))?;
            views.push(view);
        }
    }
    Tensor::cat(&views, 1)
}

struct Patches {
    map: MapSize,
    shape: ConvShape,
}

impl CustomOp1 for Patches {
    fn name(&self) -> &'static str {
        "patches"
    }

    fn cpu_fwd(&self, x: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let (rows, channels) = layout.shape().dims2()?;
        let x = contiguous(x, layout)?;
        let MapSize { height, width } = self.map;
        if rows != self.map.area() {
            candle_core::bail!("patches of a {:?} map were asked of {rows} rows", self.map);
        }
        let ConvShape { kernel, stride, padding } = self.shape;
        let out_map = self.shape.out_map(self.map);
        let patch = kernel * kernel * channels;
        let mut out = vec![0.0; out_map.area() * patch];
        out.par_chunks_mut(out_map.width * patch).enumerate().for_each(|(oy, line)| {
            for (ox, patch) in line.chunks_exact_mut(patch).enumerate() {
                // Columns of the patch that lie in the picture; what lies outside stays zero.
                let left = (ox * stride).saturating_sub(padding);
                let right = (ox * stride + kernel).saturating_sub(padding).min(width);
                let skip = left + padding - ox * stride;
                for ky in 0..kernel {
                    let Some(y) = (oy * stride + ky).checked_sub(padding).filter(|y| *y < height) else { continue };
                    let from = &x[(y * width + left) * channels..(y * width + right) * channels];
                    let at = (ky * kernel + skip) * channels;
                    patch[at..at + from.len()].copy_from_slice(from);
                }
            }
        });
        Ok((CpuStorage::F32(out), Shape::from((out_map.area(), patch))))
    }
}

/// Side of the only depthwise kernel in the family.
pub const DEPTHWISE_KERNEL: usize = 7;

/// Depthwise 7x7 convolution with padding 3: `x` `[h * w, c]`, `weight` `[49, c]`, `bias` `[c]`.
///
/// # Errors
/// When shapes or devices do not agree.
pub fn depthwise7(x: &Tensor, map: MapSize, weight: &Tensor, bias: &Tensor) -> Result<Tensor> {
    if on_cpu_f32(x) {
        return x.contiguous()?.apply_op3_no_bwd(weight, bias, &Depthwise7 { map });
    }
    let channels = x.dim(1)?;
    let side = DEPTHWISE_KERNEL;
    let padded = x.reshape((map.height, map.width, channels))?.pad_with_zeros(0, side / 2, side / 2)?.pad_with_zeros(
        1,
        side / 2,
        side / 2,
    )?;
    let mut sum = bias.broadcast_as((map.height, map.width, channels))?.contiguous()?;
    for ky in 0..side {
        for kx in 0..side {
            let view = padded.narrow(0, ky, map.height)?.narrow(1, kx, map.width)?;
            sum = (sum + view.broadcast_mul(&weight.get(ky * side + kx)?)?)?;
        }
    }
    sum.reshape((map.area(), channels))
}

struct Depthwise7 {
    map: MapSize,
}

impl CustomOp3 for Depthwise7 {
    fn name(&self) -> &'static str {
        "depthwise-7x7"
    }

    fn cpu_fwd(
        &self,
        x: &CpuStorage,
        x_layout: &Layout,
        weight: &CpuStorage,
        weight_layout: &Layout,
        bias: &CpuStorage,
        bias_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let (rows, channels) = x_layout.shape().dims2()?;
        let (x, weight, bias) =
            (contiguous(x, x_layout)?, contiguous(weight, weight_layout)?, contiguous(bias, bias_layout)?);
        let side = DEPTHWISE_KERNEL;
        if rows != self.map.area() || weight.len() != side * side * channels || bias.len() != channels {
            candle_core::bail!("a depthwise kernel {:?} does not fit {:?}", weight_layout.dims(), x_layout.dims());
        }
        let MapSize { height, width } = self.map;
        let mut out = vec![0.0; x.len()];
        out.par_chunks_mut(width * channels).enumerate().for_each(|(oy, line)| {
            for (ox, pixel) in line.chunks_exact_mut(channels).enumerate() {
                pixel.copy_from_slice(bias);
                for ky in 0..side {
                    let Some(y) = (oy + ky).checked_sub(side / 2).filter(|y| *y < height) else { continue };
                    for kx in 0..side {
                        let Some(x_at) = (ox + kx).checked_sub(side / 2).filter(|x| *x < width) else { continue };
                        let from = (y * width + x_at) * channels;
                        let tap = (ky * side + kx) * channels;
                        simd::multiply_add(pixel, &x[from..from + channels], &weight[tap..tap + channels]);
                    }
                }
            }
        });
        Ok((CpuStorage::F32(out), x_layout.shape().clone()))
    }
}
