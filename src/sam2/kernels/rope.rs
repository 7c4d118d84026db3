//! Rotary position encoding of queries and keys.

use candle_core::{CpuStorage, CustomOp3, Layout, Result, Shape, Tensor};
use rayon::prelude::*;

use super::{contiguous, on_cpu_f32};

/// Rotates neighbouring pairs of the first `rotated` rows of `x` (`[rows, width]`); row `i` takes the angles of table
/// row `i % table`, so one table serves any number of memories. Later rows (object pointers) pass through.
///
/// `cos` and `sin` are `[table, width / 2]`.
///
/// # Errors
/// When shapes or devices do not agree.
pub fn rotate(x: &Tensor, cos: &Tensor, sin: &Tensor, rotated: usize) -> Result<Tensor> {
    if on_cpu_f32(x) {
        return x.contiguous()?.apply_op3_no_bwd(cos, sin, &Rotate { rotated });
    }
    let (rows, width) = x.dims2()?;
    let repeats = rotated.div_ceil(cos.dim(0)?).max(1);
    let tile = |t: &Tensor| t.repeat((repeats, 1))?.narrow(0, 0, rotated)?.contiguous();
    let turned = candle_nn::rotary_emb::rope_i(
        &x.narrow(0, 0, rotated)?.reshape((1, 1, rotated, width))?.contiguous()?,
        &tile(cos)?,
        &tile(sin)?,
    )?
    .reshape((rotated, width))?;
    if rotated == rows { Ok(turned) } else { Tensor::cat(&[turned, x.narrow(0, rotated, rows - rotated)?], 0) }
}

struct Rotate {
    rotated: usize,
}

impl CustomOp3 for Rotate {
    fn name(&self) -> &'static str {
        "rotate"
    }

    fn cpu_fwd(
        &self,
        x: &CpuStorage,
        x_layout: &Layout,
        cos: &CpuStorage,
        cos_layout: &Layout,
        sin: &CpuStorage,
        sin_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let (rows, width) = x_layout.shape().dims2()?;
        let (table, half) = cos_layout.shape().dims2()?;
        let (x, cos, sin) = (contiguous(x, x_layout)?, contiguous(cos, cos_layout)?, contiguous(sin, sin_layout)?);
        if half * 2 != width || sin.len() != cos.len() || self.rotated > rows || table == 0 {
            candle_core::bail!("a rotary table {:?} does not fit {:?}", cos_layout.dims(), x_layout.dims());
        }
        let mut out = x.to_vec();
        out[..self.rotated * width].par_chunks_mut(width).enumerate().with_min_len(64).for_each(|(i, row)| {
            let at = (i % table) * half;
            for ((pair, c), s) in row.chunks_exact_mut(2).zip(&cos[at..at + half]).zip(&sin[at..at + half]) {
                let (a, b) = (pair[0], pair[1]);
                pair[0] = a * c - b * s;
                pair[1] = a * s + b * c;
            }
        });
        Ok((CpuStorage::F32(out), x_layout.shape().clone()))
    }
}
