//! Linear layers with their bias, activation and residual fused in.

use candle_core::{CpuStorage, CustomOp1, CustomOp2, Layout, Result, Shape, Tensor};
use rayon::prelude::*;

use super::bf16::{Packed, Part, Rows, multiply};
use super::{FEW_TERMS, MANY_TERMS, MatRef, Precision, Product, SMALL_RESULT, contiguous, on_cpu_f32, simd};

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

/// Rows a task multiplies at once where the weight is rounded: whole tiles, and few enough that they stay in the cache.
const ROW_BLOCK: usize = 126;

/// A layer's weight, `[out, in]`.
#[derive(Debug)]
pub struct Weight(Kept);

#[derive(Debug)]
enum Kept {
    Full(Tensor),
    Rounded(Packed),
}

impl Weight {
    /// Keeps a weight for products of that precision.
    ///
    /// # Errors
    /// When bf16 is asked for elsewhere than on the CPU.
    pub fn new(weight: Tensor, precision: Precision) -> Result<Self> {
        if precision == Precision::F32 {
            return Ok(Weight(Kept::Full(weight)));
        }
        let (columns, terms) = weight.dims2()?;
        let (storage, layout) = weight.storage_and_layout();
        let candle_core::Storage::Cpu(storage) = &*storage else {
            candle_core::bail!("products of bf16 are for the CPU, not for {:?}", weight.device());
        };
        let values = MatRef { ptr: contiguous(storage, layout)?.as_ptr(), stride: terms };
        // SAFETY: a contiguous tensor of that shape.
        Ok(Weight(Kept::Rounded(unsafe { Packed::transposed(values, columns, terms) })))
    }
}

impl From<Tensor> for Weight {
    fn from(weight: Tensor) -> Self {
        Weight(Kept::Full(weight))
    }
}

/// `activation(x . weightᵀ + bias)`, plus `residual` if given (only without an activation).
///
/// `x` is `[rows, in]`, `bias` `[out]`, `residual` `[rows, out]`; returns `[rows, out]`.
///
/// # Errors
/// When shapes or devices do not agree.
pub fn linear(
    x: &Tensor,
    weight: &Weight,
    bias: Option<&Tensor>,
    activation: Activation,
    residual: Option<&Tensor>,
) -> Result<Tensor> {
    debug_assert!(residual.is_none() || activation == Activation::None);
    if on_cpu_f32(x) {
        let op = Linear { weight: &weight.0, bias, activation };
        return match residual {
            Some(residual) => x.contiguous()?.apply_op2_no_bwd(&residual.contiguous()?, &op),
            None => x.contiguous()?.apply_op1_no_bwd(&op),
        };
    }
    let Kept::Full(weight) = &weight.0 else {
        candle_core::bail!(
            "a layer's weight is rounded for the CPU, its input is on {:?} in {:?}",
            x.device(),
            x.dtype()
        );
    };
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

struct Linear<'a> {
    weight: &'a Kept,
    bias: Option<&'a Tensor>,
    activation: Activation,
}

impl Kept {
    /// Input and output channels.
    fn channels(&self) -> Result<(usize, usize)> {
        match self {
            Kept::Full(weight) => weight.dims2().map(|(n, k)| (k, n)),
            Kept::Rounded(weight) => Ok((weight.terms(), weight.columns())),
        }
    }
}

impl Linear<'_> {
    fn forward(&self, x: &[f32], x_layout: &Layout, residual: Option<&[f32]>) -> Result<(CpuStorage, Shape)> {
        let (rows, k) = x_layout.shape().dims2()?;
        let (weight_k, n) = self.weight.channels()?;
        if k != weight_k {
            candle_core::bail!("a linear layer for {weight_k} channels was given {k}");
        }
        let bias = match &self.bias {
            Some(bias) => bias.to_vec1::<f32>()?,
            None => vec![0.0; n],
        };
        let out = match self.weight {
            Kept::Full(weight) => self.in_f32(x, weight, &bias, residual)?,
            Kept::Rounded(weight) => self.in_bf16(x, weight, &bias, residual),
        };
        Ok((CpuStorage::F32(out), Shape::from((rows, n))))
    }

    /// Adds the bias to rows of the product and takes them through the activation.
    fn finish(&self, rows: &mut [f32], bias: &[f32]) {
        for row in rows.chunks_exact_mut(bias.len()) {
            match self.activation {
                Activation::None => simd::add(row, bias),
                Activation::Relu => simd::add_relu(row, bias),
                Activation::Gelu => simd::add_gelu(row, bias),
            }
        }
    }

    fn in_f32(&self, x: &[f32], weight: &Tensor, bias: &[f32], residual: Option<&[f32]>) -> Result<Vec<f32>> {
        let (n, k) = weight.dims2()?;
        let rows = x.len() / k;
        let mut out = match residual {
            Some(residual) => residual.to_vec(),
            None => vec![0.0_f32; rows * n],
        };
        {
            let (storage, layout) = weight.storage_and_layout();
            let candle_core::Storage::Cpu(storage) = &*storage else {
                candle_core::bail!("the weights of a CPU layer are on another device");
            };
            let weight = contiguous(storage, layout)?;
            let terms = if rows * n <= SMALL_RESULT { FEW_TERMS } else { MANY_TERMS };
            let threads = rayon::current_num_threads();
            let keep = residual.is_some();
            let product = Product { m: rows, n, k, keep, factor: 1.0, transposed: true, threads, terms };
            // SAFETY: `x` holds rows * k values, `weight` n * k and `out` rows * n.
            unsafe {
                product.run(
                    MatRef { ptr: x.as_ptr(), stride: k },
                    MatRef { ptr: weight.as_ptr(), stride: k },
                    out.as_mut_ptr(),
                    n,
                );
            }
        }
        if self.bias.is_some() || self.activation != Activation::None {
            let rows_per_task = (16_384 / n).max(1);
            out.par_chunks_mut(rows_per_task * n).for_each(|rows| self.finish(rows, bias));
        }
        Ok(out)
    }

    /// A block of rows goes through all of it while it is in the cache: at this pace memory is what a layer waits for.
    fn in_bf16(&self, x: &[f32], weight: &Packed, bias: &[f32], residual: Option<&[f32]>) -> Vec<f32> {
        let (k, n) = (weight.terms(), weight.columns());
        let size = x.len() / k * n;
        let mut out = Vec::with_capacity(size);
        let blocks = out.spare_capacity_mut()[..size].par_chunks_mut(ROW_BLOCK * n);
        blocks.enumerate().for_each_init(Rows::default, |left, (block, out)| {
            let rows = out.len() / n;
            let x = MatRef { ptr: x[block * ROW_BLOCK * k..][..rows * k].as_ptr(), stride: k };
            let part = Part { rows, first_term: 0, terms: k, first_column: 0, columns: n, keep: residual.is_some() };
            if let Some(residual) = residual {
                out.write_copy_of_slice(&residual[block * ROW_BLOCK * n..][..rows * n]);
            }
            // SAFETY: `x` holds rows * k values; `out` has room for rows * n, which the residual or the product fills.
            let rows = unsafe {
                left.fill(x, rows, k, 1.0);
                multiply(&part, left, weight, out.as_mut_ptr().cast(), n);
                out.assume_init_mut()
            };
            self.finish(rows, bias);
        });
        // SAFETY: every block was filled.
        unsafe { out.set_len(size) };
        out
    }
}

impl CustomOp1 for Linear<'_> {
    fn name(&self) -> &'static str {
        "linear"
    }

    fn cpu_fwd(&self, x: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        self.forward(contiguous(x, layout)?, layout, None)
    }
}

impl CustomOp2 for Linear<'_> {
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
        if residual.len() != rows * self.weight.channels()?.1 {
            candle_core::bail!("a residual of {} values does not fit {rows} rows", residual.len());
        }
        self.forward(contiguous(x, x_layout)?, x_layout, Some(residual))
    }
}
