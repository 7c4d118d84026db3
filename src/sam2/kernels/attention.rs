//! Scaled dot-product attention, blocked so that no score matrix ever exists whole.
//!
//! A task takes a block of queries through the keys chunk by chunk, keeping a running maximum and sum per query (the
//! streaming softmax of Milakov and Gimelshein that FlashAttention builds on). Scores stay in the second-level cache.

use candle_core::{CpuStorage, CustomOp3, D, Layout, Result, Shape, Tensor};
use rayon::prelude::*;

use super::{MANY_TERMS, MatRef, Product, SharedPtr, contiguous, on_cpu_f32, simd};

/// Queries a task takes through the keys at once.
const QUERY_BLOCK: usize = 256;
/// Keys scored at once.
const KEY_CHUNK: usize = 512;

/// `softmax(q . kᵀ / sqrt(d)) . v` for each head, where `d` is a head's width.
///
/// `q` is `[queries, heads * d]`, `k` `[keys, heads * d]`, `v` `[keys, heads * e]`; returns `[queries, heads * e]`.
/// `e` may differ from `d`: memory attention mixes 64-wide memories by 256-wide keys.
///
/// # Errors
/// When shapes or devices do not agree.
pub fn attention(q: &Tensor, k: &Tensor, v: &Tensor, heads: usize) -> Result<Tensor> {
    if on_cpu_f32(q) {
        return q.contiguous()?.apply_op3_no_bwd(&k.contiguous()?, &v.contiguous()?, &Attention { heads });
    }
    let split = |x: &Tensor| -> Result<Tensor> {
        let (n, c) = x.dims2()?;
        x.reshape((n, heads, c / heads))?.transpose(0, 1)?.contiguous()
    };
    let (q, k, v) = (split(q)?, split(k)?, split(v)?);
    let scale = 1.0 / (q.dim(D::Minus1)? as f64).sqrt();
    let (_, queries, _) = q.dims3()?;
    // Blocks of queries bound the score matrix here too.
    let mut blocks = Vec::new();
    for start in (0..queries).step_by(1024) {
        let block = q.narrow(1, start, 1024.min(queries - start))?;
        let scores = (block.contiguous()?.matmul(&k.transpose(1, 2)?)? * scale)?;
        blocks.push(candle_nn::ops::softmax_last_dim(&scores)?.matmul(&v)?);
    }
    let out = Tensor::cat(&blocks, 1)?;
    let (heads, queries, e) = out.dims3()?;
    out.transpose(0, 1)?.contiguous()?.reshape((queries, heads * e))
}

struct Attention {
    heads: usize,
}

impl CustomOp3 for Attention {
    fn name(&self) -> &'static str {
        "attention"
    }

    fn cpu_fwd(
        &self,
        q: &CpuStorage,
        q_layout: &Layout,
        k: &CpuStorage,
        k_layout: &Layout,
        v: &CpuStorage,
        v_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let (queries, q_width) = q_layout.shape().dims2()?;
        let (keys, k_width) = k_layout.shape().dims2()?;
        let (v_keys, v_width) = v_layout.shape().dims2()?;
        if q_width != k_width || keys != v_keys || q_width % self.heads != 0 || v_width % self.heads != 0 || keys == 0 {
            candle_core::bail!(
                "attention of {} heads was given q {:?}, k {:?}, v {:?}",
                self.heads,
                q_layout.dims(),
                k_layout.dims(),
                v_layout.dims()
            );
        }
        let (q, k, v) = (contiguous(q, q_layout)?, contiguous(k, k_layout)?, contiguous(v, v_layout)?);
        let mut out = vec![0.0; queries * v_width];
        // SAFETY: sizes were checked above and the buffers are those of the tensors.
        unsafe {
            heads_attention(
                &HeadsAttention {
                    heads: self.heads,
                    queries,
                    keys,
                    key_width: q_width / self.heads,
                    value_width: v_width / self.heads,
                    q: MatRef { ptr: q.as_ptr(), stride: q_width },
                    k: MatRef { ptr: k.as_ptr(), stride: k_width },
                    v: MatRef { ptr: v.as_ptr(), stride: v_width },
                },
                SharedPtr(out.as_mut_ptr()),
            );
        }
        Ok((CpuStorage::F32(out), Shape::from((queries, v_width))))
    }
}

/// Attention over whole maps: head `h` reads columns `h * width ..` of each matrix.
pub(super) struct HeadsAttention {
    pub heads: usize,
    pub queries: usize,
    pub keys: usize,
    pub key_width: usize,
    pub value_width: usize,
    pub q: MatRef,
    pub k: MatRef,
    pub v: MatRef,
}

/// Runs all heads and query blocks in parallel and writes `[queries, heads * value_width]`.
///
/// # Safety
/// The matrices hold `queries` and `keys` rows of `heads` heads; `out` holds the result's size.
pub(super) unsafe fn heads_attention(a: &HeadsAttention, out: SharedPtr) {
    // Blocks do not depend on the number of threads: neither does a single bit of the result, then.
    let block = QUERY_BLOCK.min(a.queries).max(1);
    let blocks = a.queries.div_ceil(block);
    (0..a.heads * blocks).into_par_iter().for_each_init(Scratch::default, |scratch, task| {
        let (head, start) = (task / blocks, (task % blocks) * block);
        let problem = Problem {
            queries: block.min(a.queries - start),
            keys: a.keys,
            key_width: a.key_width,
            value_width: a.value_width,
        };
        // SAFETY: offsets stay inside the matrices; each task writes its own rows and columns of the output.
        unsafe {
            let q = MatRef { ptr: a.q.ptr.add(start * a.q.stride + head * a.key_width), ..a.q };
            let k = MatRef { ptr: a.k.ptr.add(head * a.key_width), ..a.k };
            let v = MatRef { ptr: a.v.ptr.add(head * a.value_width), ..a.v };
            let stride = a.heads * a.value_width;
            let result = scratch.run(&problem, q, k, v);
            for (row, values) in result.chunks_exact(a.value_width).enumerate() {
                out.slice((start + row) * stride + head * a.value_width, a.value_width).copy_from_slice(values);
            }
        }
    });
}

/// One block of queries of one head.
pub(super) struct Problem {
    pub queries: usize,
    pub keys: usize,
    pub key_width: usize,
    pub value_width: usize,
}

/// A thread's working memory.
#[derive(Default)]
pub(super) struct Scratch {
    scores: Vec<f32>,
    mixed: Vec<f32>,
    largest: Vec<f32>,
    sums: Vec<f32>,
}

impl Scratch {
    /// Attention of one block; the result is `[queries, value_width]`, valid until the next call.
    ///
    /// # Safety
    /// The matrices hold the problem's rows and columns.
    pub(super) unsafe fn run(&mut self, p: &Problem, q: MatRef, k: MatRef, v: MatRef) -> &[f32] {
        let scale = 1.0 / (p.key_width as f32).sqrt();
        // Key chunks of equal length, so that the last one is not a sliver.
        let chunks = p.keys.div_ceil(KEY_CHUNK);
        let chunk = p.keys.div_ceil(chunks);
        self.scores.resize(p.queries * chunk, 0.0);
        self.mixed.clear();
        self.mixed.resize(p.queries * p.value_width, 0.0);
        self.largest.clear();
        self.largest.resize(p.queries, f32::NEG_INFINITY);
        self.sums.clear();
        self.sums.resize(p.queries, 0.0);
        for start in (0..p.keys).step_by(chunk) {
            let count = chunk.min(p.keys - start);
            let score = Product {
                m: p.queries,
                n: count,
                k: p.key_width,
                keep: false,
                factor: scale,
                transposed: true,
                threads: 1,
                terms: MANY_TERMS,
            };
            // SAFETY: the caller's matrices hold these rows; `scores` holds queries * chunk values.
            unsafe {
                let k = MatRef { ptr: k.ptr.add(start * k.stride), ..k };
                score.run(q, k, self.scores.as_mut_ptr(), chunk);
            }
            for row in 0..p.queries {
                let scores = &mut self.scores[row * chunk..row * chunk + count];
                let before = self.largest[row];
                let largest = simd::max(scores).max(before);
                if largest > before {
                    if start > 0 {
                        let shrink = (before - largest).exp();
                        self.sums[row] *= shrink;
                        simd::scale(&mut self.mixed[row * p.value_width..(row + 1) * p.value_width], shrink);
                    }
                    self.largest[row] = largest;
                }
                self.sums[row] += simd::exp_in_place(scores, self.largest[row]);
            }
            let mix = Product {
                m: p.queries,
                n: p.value_width,
                k: count,
                keep: start > 0,
                factor: 1.0,
                transposed: false,
                threads: 1,
                terms: MANY_TERMS,
            };
            // SAFETY: as above; `mixed` holds queries * value_width values.
            unsafe {
                let v = MatRef { ptr: v.ptr.add(start * v.stride), ..v };
                mix.run(MatRef { ptr: self.scores.as_ptr(), stride: chunk }, v, self.mixed.as_mut_ptr(), p.value_width);
            }
        }
        for (row, sum) in self.mixed.chunks_exact_mut(p.value_width).zip(&self.sums) {
            simd::scale(row, 1.0 / sum);
        }
        &self.mixed
    }
}
