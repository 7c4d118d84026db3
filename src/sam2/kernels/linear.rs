//! Linear layers with their bias, activation and residual fused in.

use candle_core::{CpuStorage, CustomOp1, CustomOp2, Layout, Result, Shape, Tensor};
use rayon::prelude::*;

use super::{FEW_TERMS, MANY_TERMS, MatRef, Product, SMALL_RESULT, contiguous, on_cpu_f32, simd};

/// What follows the matrix product.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Activation {
    /// Nothing.
    None,
    /// max(x, 0).
    Relu,
    /// The exact (erf) GELU.
    Gelu,
}

/// `activation(x . weightᵀ + bias)`, plus `residual` if given (only without an activation).
///
/// `x` is `[rows, in]`, `weight` `[out, in]`, `bias` `[out]`, `residual` `[rows, out]`; returns `[rows, out]`.
///
/// # Errors
/// When shapes or devices do not agree.
pub fn linear(
    x: &Tensor,
    weight: &Tensor,
    bias: Option<&Tensor>,
    activation: Activation,
    residual: Option<&Tensor>,
) -> Result<Tensor> {
    debug_assert!(residual.is_none() || activation == Activation::None);
    if on_cpu_f32(x) {
        let op = Linear { weight: weight.clone(), bias: bias.cloned(), activation };
        return match residual {
            Some(residual) => x.contiguous()?.apply_op2_no_bwd(&residual.contiguous()?, &op),
            None => x.contiguous()?.apply_op1_no_bwd(&op),
        };
    }
    let mut y = x.matmul(&weight.t()?)?;
    if let Some(bias) = bias {
        y = y.broadcast_add(bias)?;
    }
    y = match activation {
        Activation::None => y,
        Activation::Relu => y.relu()?,
        Activation::Gelu => y.gelu_erf()?,
    };
    match residual {
        Some(residual) => y + residual,
        None => Ok(y),
    }
}

struct Linear {
    weight: Tensor,
    bias: Option<Tensor>,
    activation: Activation,
}

impl Linear {
    fn forward(&self, x: &[f32], x_layout: &Layout, residual: Option<&[f32]>) -> Result<(CpuStorage, Shape)> {
        let (rows, k) = x_layout.shape().dims2()?;
        let (n, weight_k) = self.weight.dims2()?;
        if k != weight_k {
            candle_core::bail!("a linear layer for {weight_k} channels was given {k}");
        }
        let mut out = match residual {
            Some(residual) => residual.to_vec(),
            None => vec![0.0_f32; rows * n],
        };
        let threads = rayon::current_num_threads();
        {
            let (storage, layout) = self.weight.storage_and_layout();
            let candle_core::Storage::Cpu(storage) = &*storage else {
                candle_core::bail!("the weights of a CPU layer are on another device");
            };
            let weight = contiguous(storage, layout)?;
            let terms = if rows * n <= SMALL_RESULT { FEW_TERMS } else { MANY_TERMS };
            let keep = residual.is_some();
            let product = Product { m: rows, n, k, keep, factor: 1.0, transposed: true, threads, terms };
            // SAFETY: sizes were checked above; `out` is a fresh buffer of rows * n values.
            unsafe {
                product.run(
                    MatRef { ptr: x.as_ptr(), stride: k },
                    MatRef { ptr: weight.as_ptr(), stride: k },
                    out.as_mut_ptr(),
                    n,
                );
            }
        }
        let bias = match &self.bias {
            Some(bias) => bias.to_vec1::<f32>()?,
            None => vec![0.0; n],
        };
        if self.bias.is_some() || self.activation != Activation::None {
            let rows_per_task = (16_384 / n).max(1);
            out.par_chunks_mut(rows_per_task * n).for_each(|chunk| {
                for row in chunk.chunks_exact_mut(n) {
                    match self.activation {
                        Activation::None => simd::add(row, &bias),
                        Activation::Relu => simd::add_relu(row, &bias),
                        Activation::Gelu => simd::add_gelu(row, &bias),
                    }
                }
            });
        }
        Ok((CpuStorage::F32(out), Shape::from((rows, n))))
    }
}

impl CustomOp1 for Linear {
    fn name(&self) -> &'static str {
        "linear"
    }

    fn cpu_fwd(&self, x: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        self.forward(contiguous(x, layout)?, layout, None)
    }
}

impl CustomOp2 for Linear {
    fn name(&self) -> &'static str {
        "linear-residual"
    }

    fn cpu_fwd(
        &self,
        x: &CpuStorage,
        x_layout: &Layout,
        residual: &CpuStorage,
        residual_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let residual = contiguous(residual, residual_layout)?;
        let (rows, _) = x_layout.shape().dims2()?;
        if residual.len() != rows * self.weight.dim(0)? {
            candle_core::bail!("a residual of {} values does not fit {rows} rows", residual.len());
        }
        self.forward(contiguous(x, x_layout)?, x_layout, Some(residual))
    }
}
