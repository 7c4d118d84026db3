//! The operations SAM 2 spends its time in, one file per family.
//!
//! Each public function takes and returns candle tensors. On the CPU in f32 it runs a kernel of ours (threaded,
//! vectorised, fused); anywhere else it is spelt out in candle's own operations, which is what CUDA and Metal run.
//! Feature maps are `[height * width, channels]`, row-major: one layout everywhere, and every 1x1 convolution is a
//! matrix product.

pub mod attention;
pub mod bf16;
pub mod conv;
pub mod linear;
pub mod norm;
pub mod resize;
pub mod rope;
pub mod simd;
pub mod window;

#[cfg(test)]
mod agreement_tests;

use candle_core::{CpuStorage, DType, Layout, Result, Tensor};

/// How operands enter the large matrix products of image encoder and memory attention. Everything else is f32 always.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Precision {
    /// As they are.
    #[default]
    F32,
    /// Rounded to bf16, summed in f32. Only on the CPU.
    Bf16,
}

/// Whether our own kernel serves this tensor.
fn on_cpu_f32(x: &Tensor) -> bool {
    x.device().is_cpu() && x.dtype() == DType::F32
}

/// The values of a contiguous f32 CPU tensor.
fn contiguous<'a>(storage: &'a CpuStorage, layout: &Layout) -> Result<&'a [f32]> {
    let values = storage.as_slice::<f32>()?;
    match layout.contiguous_offsets() {
        Some((start, end)) => Ok(&values[start..end]),
        None => candle_core::bail!("this kernel needs a contiguous tensor, got {layout:?}"),
    }
}

/// A pointer that may cross threads: the kernels write disjoint parts of one buffer from several of them.
#[derive(Clone, Copy)]
struct SharedPtr(*mut f32);

// SAFETY: every kernel that shares one gives each task its own range; the buffer outlives the parallel section.
unsafe impl Send for SharedPtr {}
// SAFETY: as above.
unsafe impl Sync for SharedPtr {}

impl SharedPtr {
    /// The part of the buffer one task owns.
    ///
    /// # Safety
    /// `offset..offset + len` lies in the buffer and no other task touches it meanwhile.
    #[allow(clippy::mut_from_ref, reason = "the caller promises that ranges do not overlap")]
    unsafe fn slice(&self, offset: usize, len: usize) -> &mut [f32] {
        // SAFETY: promised by the caller.
        unsafe { std::slice::from_raw_parts_mut(self.0.add(offset), len) }
    }
}

/// A row-major matrix seen through a pointer: `at(r, c) = ptr[r * stride + c]`.
#[derive(Clone, Copy)]
struct MatRef {
    ptr: *const f32,
    stride: usize,
}

// SAFETY: read-only view; the kernels keep the tensor it points into alive.
unsafe impl Send for MatRef {}
// SAFETY: as above.
unsafe impl Sync for MatRef {}

impl MatRef {
    /// `len` values of a row from `column` on.
    ///
    /// # Safety
    /// The matrix holds them, for as long as the slice is used.
    unsafe fn values<'a>(&self, row: usize, column: usize, len: usize) -> &'a [f32] {
        // SAFETY: promised by the caller.
        unsafe { std::slice::from_raw_parts(self.ptr.add(row * self.stride + column), len) }
    }

    /// The matrix from that row and column on.
    ///
    /// # Safety
    /// The matrix holds them.
    unsafe fn from(&self, row: usize, column: usize) -> MatRef {
        // SAFETY: promised by the caller.
        MatRef { ptr: unsafe { self.ptr.add(row * self.stride + column) }, ..*self }
    }
}

/// `dst[m, n] = keep * dst + factor * a[m, k] . b`, where `b` is `[n, k]` when `transposed`, else `[k, n]`.
struct Product {
    m: usize,
    n: usize,
    k: usize,
    keep: bool,
    factor: f32,
    transposed: bool,
    threads: usize,
    /// Most terms summed in one go. Long sums in f32 lose bits, and a memory's bf16 rounding or a mask's sign can hang
    /// on them; sums of short sums lose fewer. Shorter is more exact and slower.
    terms: usize,
}

/// Short enough to agree with the reference, long enough to cost nothing.
const MANY_TERMS: usize = 128;
/// For small products, where exactness is cheap and masks are decided.
const FEW_TERMS: usize = 64;
/// Results of at most this many values count as small.
const SMALL_RESULT: usize = 1 << 21;

impl Product {
    /// # Safety
    /// The three matrices must hold `m x k`, `n x k` (or `k x n`) and `m x n` values with their strides, and `dst` must
    /// not overlap the others. When `keep` is set, `dst` is initialised.
    unsafe fn run(&self, a: MatRef, b: MatRef, dst: *mut f32, dst_stride: usize) {
        for at in (0..self.k).step_by(self.terms) {
            let part = Product { k: self.terms.min(self.k - at), keep: self.keep || at > 0, ..*self };
            // SAFETY: promised by the caller; each part reads its own columns of `a` and as many of `b`.
            unsafe {
                let a = MatRef { ptr: a.ptr.add(at), ..a };
                let b = MatRef { ptr: b.ptr.add(if self.transposed { at } else { at * b.stride }), ..b };
                part.run_at_once(a, b, dst, dst_stride);
            }
        }
    }

    /// # Safety
    /// As [`Product::run`].
    unsafe fn run_at_once(&self, a: MatRef, b: MatRef, dst: *mut f32, dst_stride: usize) {
        let (b_cs, b_rs) = if self.transposed { (b.stride as isize, 1) } else { (1, b.stride as isize) };
        let parallelism =
            if self.threads > 1 { gemm::Parallelism::Rayon(self.threads) } else { gemm::Parallelism::None };
        // SAFETY: promised by the caller; strides are those of row-major matrices.
        unsafe {
            gemm::gemm(
                self.m,
                self.n,
                self.k,
                dst,
                1,
                dst_stride as isize,
                self.keep,
                a.ptr,
                1,
                a.stride as isize,
                b.ptr,
                b_cs,
                b_rs,
                if self.keep { 1.0 } else { 0.0 },
                self.factor,
                false,
                false,
                false,
                parallelism,
            );
        }
    }
}
