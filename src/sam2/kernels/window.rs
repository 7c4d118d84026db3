//! Hiera's attention: inside windows or over the whole map, with queries optionally max-pooled 2x2.

use candle_core::{CpuStorage, CustomOp2, Layout, Result, Shape, Tensor};
use rayon::prelude::*;

use super::attention::{HeadsAttention, Problem, Scratch, attention, heads_attention};
use super::resize::{MapSize, max_pool2};
use super::{MatRef, Precision, SharedPtr, contiguous, on_cpu_f32, simd};

/// How a block attends.
#[derive(Debug, Clone, Copy)]
pub struct WindowAttention {
    /// Size of the map that `qkv` covers.
    pub map: MapSize,
    /// Side of a window in pixels of the map; 0 attends over the whole map.
    pub window: usize,
    /// Attention heads.
    pub heads: usize,
    /// Whether queries are max-pooled 2x2, which halves the map.
    pub pool: bool,
    /// Of attention over the whole map; windows are small and stay in f32.
    pub precision: Precision,
}

impl WindowAttention {
    /// Attends over `qkv` (`[height * width, 3 * channels]`: queries, keys, values) and returns `[rows, channels]`,
    /// one row per pixel of the map (of the halved map when pooling).
    ///
    /// The reference pads the map to whole windows with zeros *before* the qkv layer, so a padded pixel's query, key
    /// and value are that layer's `bias` (`[3 * channels]`) and real pixels do attend to them.
    ///
    /// # Errors
    /// When shapes or devices do not agree.
    pub fn forward(&self, qkv: &Tensor, bias: &Tensor) -> Result<Tensor> {
        let (rows, width) = qkv.dims2()?;
        let (side_y, side_x) = self.sides();
        if rows != self.map.area()
            || width % (3 * self.heads) != 0
            || bias.elem_count() != width
            || (self.pool && (side_y % 2 != 0 || side_x % 2 != 0))
        {
            candle_core::bail!("attention {self:?} was given {:?} and a bias of {:?}", qkv.dims(), bias.dims());
        }
        if on_cpu_f32(qkv) {
            return qkv.contiguous()?.apply_op2_no_bwd(bias, &CheckedAttention(*self));
        }
        self.forward_generic(qkv, bias)
    }

    /// Height and width of a window.
    fn sides(&self) -> (usize, usize) {
        if self.window == 0 { (self.map.height, self.map.width) } else { (self.window, self.window) }
    }

    /// The map of the result.
    fn out_map(&self) -> MapSize {
        if self.pool { self.map.halved() } else { self.map }
    }

    fn forward_generic(&self, qkv: &Tensor, bias: &Tensor) -> Result<Tensor> {
        let width = qkv.dim(1)?;
        let channels = width / 3;
        if self.window == 0 && !self.pool {
            // One window over the whole map: its score matrix would take half a GB, so it goes in blocks.
            let part = |i: usize| qkv.narrow(1, i * channels, channels);
            return attention(&part(0)?, &part(1)?, &part(2)?, self.heads, self.precision);
        }
        let (side_y, side_x) = self.sides();
        let (down, across) = (self.map.height.div_ceil(side_y), self.map.width.div_ceil(side_x));
        let (padded_h, padded_w) = (down * side_y, across * side_x);
        let mut x = qkv.reshape((self.map.height, self.map.width, width))?;
        if padded_w > self.map.width {
            let pad = bias.broadcast_as((self.map.height, padded_w - self.map.width, width))?;
            x = Tensor::cat(&[&x, &pad.contiguous()?], 1)?;
        }
        if padded_h > self.map.height {
            let pad = bias.broadcast_as((padded_h - self.map.height, padded_w, width))?;
            x = Tensor::cat(&[&x, &pad.contiguous()?], 0)?;
        }
        let windows = |x: &Tensor, side_y: usize, side_x: usize| -> Result<Tensor> {
            x.reshape((down, side_y, across, side_x, x.dim(2)?))?
                .transpose(1, 2)?
                .reshape((down * across, side_y * side_x, self.heads, x.dim(2)? / self.heads))?
                .transpose(1, 2)?
                .contiguous()
        };
        let part = |i: usize| x.narrow(2, i * channels, channels)?.contiguous();
        let (q, k, v) = (part(0)?, part(1)?, part(2)?);
        let (q, q_side_y, q_side_x) = if self.pool {
            let map = MapSize { height: padded_h, width: padded_w };
            let pooled = max_pool2(&q.reshape((padded_h * padded_w, channels))?, map)?;
            (pooled.reshape((padded_h / 2, padded_w / 2, channels))?, side_y / 2, side_x / 2)
        } else {
            (q, side_y, side_x)
        };
        let (q, k, v) = (windows(&q, q_side_y, q_side_x)?, windows(&k, side_y, side_x)?, windows(&v, side_y, side_x)?);
        let scale = 1.0 / ((channels / self.heads) as f64).sqrt();
        let scores = (q.matmul(&k.transpose(2, 3)?.contiguous()?)? * scale)?;
        let mixed = candle_nn::ops::softmax_last_dim(&scores)?.matmul(&v)?;
        let out = mixed
            .transpose(1, 2)?
            .reshape((down, across, q_side_y, q_side_x, channels))?
            .transpose(1, 2)?
            .reshape((down * q_side_y, across * q_side_x, channels))?;
        let map = self.out_map();
        out.narrow(0, 0, map.height)?.narrow(1, 0, map.width)?.contiguous()?.reshape((map.area(), channels))
    }

    /// Attention inside one window for one head.
    fn one_window(&self, qkv: &[f32], bias: &[f32], task: Task, memory: &mut Memory, out: SharedPtr) {
        let (side_y, side_x) = self.sides();
        let channels = bias.len() / 3;
        let d = channels / self.heads;
        let keys = side_y * side_x;
        let gather = |part: usize, into: &mut Vec<f32>| {
            into.clear();
            let column = part * channels + task.head * d;
            for y in task.top..task.top + side_y {
                for x in task.left..task.left + side_x {
                    let row = if y < self.map.height && x < self.map.width {
                        let at = (y * self.map.width + x) * 3 * channels;
                        &qkv[at..at + 3 * channels]
                    } else {
                        bias
                    };
                    into.extend_from_slice(&row[column..column + d]);
                }
            }
        };
        gather(0, &mut memory.q);
        gather(1, &mut memory.k);
        gather(2, &mut memory.v);
        let step = if self.pool { 2 } else { 1 };
        let (q_side_y, q_side_x) = (side_y / step, side_x / step);
        if self.pool {
            memory.pooled.clear();
            for y in 0..q_side_y {
                for x in 0..q_side_x {
                    let pixel = |dy: usize, dx: usize| ((2 * y + dy) * side_x + 2 * x + dx) * d;
                    let start = memory.pooled.len();
                    memory.pooled.extend_from_slice(&memory.q[pixel(0, 0)..pixel(0, 0) + d]);
                    for at in [pixel(0, 1), pixel(1, 0), pixel(1, 1)] {
                        simd::max_with(&mut memory.pooled[start..], &memory.q[at..at + d]);
                    }
                }
            }
        }
        let q = if self.pool { &memory.pooled } else { &memory.q };
        let problem = Problem { queries: q_side_y * q_side_x, keys, key_width: d, value_width: d };
        // SAFETY: the gathered matrices hold exactly these rows of d values.
        let result = unsafe {
            memory.scratch.run(
                &problem,
                MatRef { ptr: q.as_ptr(), stride: d },
                MatRef { ptr: memory.k.as_ptr(), stride: d },
                MatRef { ptr: memory.v.as_ptr(), stride: d },
            )
        };
        let map = self.out_map();
        let (top, left) = (task.top / step, task.left / step);
        for (i, values) in result.chunks_exact(d).enumerate() {
            let (y, x) = (top + i / q_side_x, left + i % q_side_x);
            if y < map.height && x < map.width {
                // SAFETY: inside the output; windows and heads do not overlap.
                unsafe { out.slice((y * map.width + x) * channels + task.head * d, d) }.copy_from_slice(values);
            }
        }
    }
}

/// One window of one head; `top` and `left` are pixels of the input map.
#[derive(Clone, Copy)]
struct Task {
    top: usize,
    left: usize,
    head: usize,
}

/// A thread's working memory.
#[derive(Default)]
struct Memory {
    q: Vec<f32>,
    k: Vec<f32>,
    v: Vec<f32>,
    pooled: Vec<f32>,
    scratch: Scratch,
}

/// A [`WindowAttention`] whose inputs [`WindowAttention::forward`] has checked.
struct CheckedAttention(WindowAttention);

impl CustomOp2 for CheckedAttention {
    fn name(&self) -> &'static str {
        "window-attention"
    }

    fn cpu_fwd(
        &self,
        qkv: &CpuStorage,
        qkv_layout: &Layout,
        bias: &CpuStorage,
        bias_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let op = &self.0;
        let (qkv, bias) = (contiguous(qkv, qkv_layout)?, contiguous(bias, bias_layout)?);
        let channels = bias.len() / 3;
        let map = op.out_map();
        let mut out = vec![0.0; map.area() * channels];
        let shared = SharedPtr(out.as_mut_ptr());
        if op.window == 0 && !op.pool {
            let part = |i: usize| MatRef { ptr: qkv[i * channels..].as_ptr(), stride: 3 * channels };
            let d = channels / op.heads;
            // SAFETY: `forward` checked the sizes; `out` holds one row per pixel.
            unsafe {
                heads_attention(
                    &HeadsAttention {
                        heads: op.heads,
                        precision: op.precision,
                        queries: op.map.area(),
                        keys: op.map.area(),
                        key_width: d,
                        value_width: d,
                        q: part(0),
                        k: part(1),
                        v: part(2),
                    },
                    shared,
                );
            }
        } else {
            let (side_y, side_x) = op.sides();
            let across = op.map.width.div_ceil(side_x);
            let windows = op.map.height.div_ceil(side_y) * across;
            (0..windows * op.heads).into_par_iter().for_each_init(Memory::default, |memory, i| {
                let (window, head) = (i / op.heads, i % op.heads);
                let task = Task { top: window / across * side_y, left: window % across * side_x, head };
                op.one_window(qkv, bias, task, memory, shared);
            });
        }
        Ok((CpuStorage::F32(out), Shape::from((map.area(), channels))))
    }
}
