//! Layer normalisation over channels, and GELU on its own.

use candle_core::{CpuStorage, CustomOp1, CustomOp3, Layout, Result, Shape, Tensor};
use rayon::prelude::*;

use super::{contiguous, on_cpu_f32, simd};

/// Values a task handles at once: large enough to hide the cost of a task, small enough to share out evenly.
const VALUES_PER_TASK: usize = 1 << 15;

/// Normalises each row of `x` (`[rows, channels]`) over its channels. In this layout the reference's `LayerNorm` and
/// `LayerNorm2d` are the same thing.
///
/// # Errors
/// When shapes or devices do not agree.
pub fn layer_norm(x: &Tensor, weight: &Tensor, bias: &Tensor, eps: f64) -> Result<Tensor> {
    if on_cpu_f32(x) {
        return x.contiguous()?.apply_op3_no_bwd(weight, bias, &LayerNorm { eps: eps as f32 });
    }
    candle_nn::ops::layer_norm(&x.contiguous()?, weight, bias, eps as f32)
}

struct LayerNorm {
    eps: f32,
}

impl CustomOp3 for LayerNorm {
    fn name(&self) -> &'static str {
        "layer-norm"
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
        let (x, weight, bias) =
            (contiguous(x, x_layout)?, contiguous(weight, weight_layout)?, contiguous(bias, bias_layout)?);
        let width = weight.len();
        if width == 0 || x_layout.dims().last() != Some(&width) || bias.len() != width {
            candle_core::bail!("a norm over {width} channels was given {:?}", x_layout.dims());
        }
        let mut out = vec![0.0; x.len()];
        let chunk = (VALUES_PER_TASK / width).max(1) * width;
        out.par_chunks_mut(chunk)
            .zip(x.par_chunks(chunk))
            .for_each(|(out, x)| simd::layer_norm(x, out, weight, bias, self.eps));
        Ok((CpuStorage::F32(out), x_layout.shape().clone()))
    }
}

/// The exact (erf) GELU of every value.
///
/// # Errors
/// When the device fails.
pub fn gelu(x: &Tensor) -> Result<Tensor> {
    if on_cpu_f32(x) {
        return x.contiguous()?.apply_op1_no_bwd(&Gelu);
    }
    x.gelu_erf()
}

struct Gelu;

impl CustomOp1 for Gelu {
    fn name(&self) -> &'static str {
        "gelu"
    }

    fn cpu_fwd(&self, x: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let x = contiguous(x, layout)?;
        let mut out = vec![0.0; x.len()];
        out.par_chunks_mut(VALUES_PER_TASK).zip(x.par_chunks(VALUES_PER_TASK)).for_each(|(out, x)| simd::gelu(x, out));
        Ok((CpuStorage::F32(out), layout.shape().clone()))
    }
}
