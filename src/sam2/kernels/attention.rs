//! Scaled dot-product attention, blocked so that no score matrix ever exists whole.
//!
//! A task takes a block of queries through the keys chunk by chunk, keeping a running maximum and sum per query (the
//! streaming softmax of Milakov and Gimelshein that FlashAttention builds on). Scores stay in the second-level cache.

use candle_core::{CpuStorage, CustomOp3, D, Layout, Result, Shape, Tensor};
use rayon::prelude::*;

use super::bf16::{PANEL, Packed, Part, Rows, multiply};
use super::{MANY_TERMS, MatRef, Precision, Product, SharedPtr, contiguous, on_cpu_f32, simd};

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
pub fn attention(q: &Tensor, k: &Tensor, v: &Tensor, heads: usize, precision: Precision) -> Result<Tensor> {
    if on_cpu_f32(q) {
        return q.contiguous()?.apply_op3_no_bwd(&k.contiguous()?, &v.contiguous()?, &Attention { heads, precision });
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
    precision: Precision,
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
                    precision: self.precision,
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
    pub precision: Precision,
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
    // Every block of a head reads the same keys and values: they are packed once.
    let packed: Vec<(Packed, Packed)> = match a.precision {
        Precision::F32 => Vec::new(),
        Precision::Bf16 => (0..a.heads)
            .map(|head| {
                // SAFETY: promised by the caller.
                unsafe {
                    (
                        Packed::transposed(a.k.from(0, head * a.key_width), a.keys, a.key_width),
                        Packed::straight(a.v.from(0, head * a.value_width), a.keys, a.value_width),
                    )
                }
            })
            .collect(),
    };
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
            let q = a.q.from(start, head * a.key_width);
            let result = match packed.get(head) {
                Some((keys, values)) => scratch.run_bf16(&problem, q, keys, values),
                None => {
                    let (k, v) = (a.k.from(0, head * a.key_width), a.v.from(0, head * a.value_width));
                    scratch.run(&problem, q, k, v)
                }
            };
            let stride = a.heads * a.value_width;
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

/// Keys that are scored at once: `count` from `start` on. A query's scores lie `stride` after those of the one before.
struct Chunk {
    start: usize,
    count: usize,
    stride: usize,
}

/// The two products of attention for one block of queries, a chunk of keys at a time.
trait Products {
    /// Chunks of keys are multiples of this many.
    const KEY_STEP: usize;

    /// Scores of the block's queries against a chunk of keys, scaled.
    ///
    /// # Safety
    /// `scores` has room for `stride` values a query.
    unsafe fn score(&self, p: &Problem, chunk: &Chunk, scores: *mut f32);

    /// `mixed[queries, value_width] += scores . v` over the chunk's keys; the first chunk's are written, not added.
    ///
    /// # Safety
    /// `scores` holds `stride` values a query, `mixed` `value_width`.
    unsafe fn mix(&mut self, p: &Problem, chunk: &Chunk, scores: *const f32, mixed: *mut f32);
}

/// In f32.
struct Full {
    q: MatRef,
    k: MatRef,
    v: MatRef,
}

impl Products for Full {
    const KEY_STEP: usize = 1;

    unsafe fn score(&self, p: &Problem, chunk: &Chunk, scores: *mut f32) {
        let product = Product {
            m: p.queries,
            n: chunk.count,
            k: p.key_width,
            keep: false,
            factor: 1.0 / (p.key_width as f32).sqrt(),
            transposed: true,
            threads: 1,
            terms: MANY_TERMS,
        };
        // SAFETY: the matrices hold the problem's rows; the caller promised `scores`.
        unsafe { product.run(self.q, self.k.from(chunk.start, 0), scores, chunk.stride) };
    }

    unsafe fn mix(&mut self, p: &Problem, chunk: &Chunk, scores: *const f32, mixed: *mut f32) {
        let product = Product {
            m: p.queries,
            n: p.value_width,
            k: chunk.count,
            keep: chunk.start > 0,
            factor: 1.0,
            transposed: false,
            threads: 1,
            terms: MANY_TERMS,
        };
        // SAFETY: as above.
        unsafe {
            let scores = MatRef { ptr: scores, stride: chunk.stride };
            product.run(scores, self.v.from(chunk.start, 0), mixed, p.value_width);
        }
    }
}

/// With operands rounded to bf16.
struct Rounded<'a> {
    q: &'a Rows,
    keys: &'a Packed,
    values: &'a Packed,
    scores: &'a mut Rows,
}

impl Products for Rounded<'_> {
    const KEY_STEP: usize = PANEL;

    unsafe fn score(&self, p: &Problem, chunk: &Chunk, scores: *mut f32) {
        let part = Part {
            rows: p.queries,
            first_term: 0,
            terms: p.key_width,
            first_column: chunk.start,
            columns: chunk.count,
            keep: false,
        };
        // SAFETY: promised by the caller.
        unsafe { multiply(&part, self.q, self.keys, scores, chunk.stride) };
    }

    unsafe fn mix(&mut self, p: &Problem, chunk: &Chunk, scores: *const f32, mixed: *mut f32) {
        let part = Part {
            rows: p.queries,
            first_term: chunk.start,
            terms: chunk.count,
            first_column: 0,
            columns: p.value_width,
            keep: chunk.start > 0,
        };
        // SAFETY: promised by the caller.
        unsafe {
            let scores = MatRef { ptr: scores, stride: chunk.stride };
            self.scores.fill(scores, p.queries, chunk.count, 1.0);
            multiply(&part, self.scores, self.values, mixed, p.value_width);
        }
    }
}

/// A thread's working memory.
#[derive(Default)]
pub(super) struct Scratch {
    softmax: Softmax,
    queries: Rows,
    rounded: Rows,
}

impl Scratch {
    /// Attention of one block in f32; the result is `[queries, value_width]`, valid until the next call.
    ///
    /// # Safety
    /// The matrices hold the problem's rows and columns.
    pub(super) unsafe fn run(&mut self, p: &Problem, q: MatRef, k: MatRef, v: MatRef) -> &[f32] {
        // SAFETY: promised by the caller.
        unsafe { self.softmax.run(p, &mut Full { q, k, v }) }
    }

    /// The same with packed keys and values of the head.
    ///
    /// # Safety
    /// `q` holds the problem's rows and columns.
    unsafe fn run_bf16(&mut self, p: &Problem, q: MatRef, keys: &Packed, values: &Packed) -> &[f32] {
        // SAFETY: promised by the caller; a packed operand knows its own bounds.
        unsafe {
            self.queries.fill(q, p.queries, p.key_width, 1.0 / (p.key_width as f32).sqrt());
            let mut products = Rounded { q: &self.queries, keys, values, scores: &mut self.rounded };
            self.softmax.run(p, &mut products)
        }
    }
}

/// A streaming softmax and its working memory.
#[derive(Default)]
struct Softmax {
    scores: Vec<f32>,
    mixed: Vec<f32>,
    largest: Vec<f32>,
    sums: Vec<f32>,
}

impl Softmax {
    /// # Safety
    /// The products' operands hold the problem's rows and columns.
    unsafe fn run<P: Products>(&mut self, p: &Problem, products: &mut P) -> &[f32] {
        // Key chunks of about equal length, so that the last one is not a sliver.
        let chunks = p.keys.div_ceil(KEY_CHUNK);
        let stride = p.keys.div_ceil(chunks).next_multiple_of(P::KEY_STEP);
        self.scores.resize(p.queries * stride, 0.0);
        self.mixed.clear();
        self.mixed.resize(p.queries * p.value_width, 0.0);
        self.largest.clear();
        self.largest.resize(p.queries, f32::NEG_INFINITY);
        self.sums.clear();
        self.sums.resize(p.queries, 0.0);
        for start in (0..p.keys).step_by(stride) {
            let chunk = Chunk { start, count: stride.min(p.keys - start), stride };
            // SAFETY: promised by the caller; `scores` holds queries * stride values.
            unsafe { products.score(p, &chunk, self.scores.as_mut_ptr()) };
            for row in 0..p.queries {
                let scores = &mut self.scores[row * stride..row * stride + chunk.count];
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
            // SAFETY: as above; `mixed` holds queries * value_width values.
            unsafe { products.mix(p, &chunk, self.scores.as_ptr(), self.mixed.as_mut_ptr()) };
        }
        for (row, sum) in self.mixed.chunks_exact_mut(p.value_width).zip(&self.sums) {
            simd::scale(row, 1.0 / sum);
        }
        &self.mixed
    }
}
