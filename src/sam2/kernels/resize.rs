//! Changing the size of maps: pooling, doubling, pixel shuffle, and bilinear interpolation of mask logits.

use candle_core::{CpuStorage, CustomOp1, Layout, Result, Shape, Tensor};
use rayon::prelude::*;

use super::{contiguous, on_cpu_f32, simd};

/// Height and width of a feature map; the map's tensor has `height * width` rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MapSize {
    /// Rows of pixels.
    pub height: usize,
    /// Columns of pixels.
    pub width: usize,
}

impl MapSize {
    /// A square map.
    pub fn square(side: usize) -> Self {
        MapSize { height: side, width: side }
    }

    /// Number of pixels.
    pub fn area(self) -> usize {
        self.height * self.width
    }

    /// Half the size, rounded down.
    pub fn halved(self) -> Self {
        MapSize { height: self.height / 2, width: self.width / 2 }
    }
}

/// Largest value of each 2x2 block, per channel: `[h * w, c]` to `[h/2 * w/2, c]`.
///
/// # Errors
/// When `x` does not cover the map.
pub fn max_pool2(x: &Tensor, map: MapSize) -> Result<Tensor> {
    if on_cpu_f32(x) {
        return x.contiguous()?.apply_op1_no_bwd(&MaxPool2 { map });
    }
    let channels = x.dim(1)?;
    let half = map.halved();
    let x =
        x.reshape((map.height, map.width, channels))?.narrow(0, 0, half.height * 2)?.narrow(1, 0, half.width * 2)?;
    let x = x.contiguous()?.reshape((half.height, 2, half.width, 2, channels))?;
    x.max(3)?.max(1)?.reshape((half.area(), channels))
}

struct MaxPool2 {
    map: MapSize,
}

impl CustomOp1 for MaxPool2 {
    fn name(&self) -> &'static str {
        "max-pool-2x2"
    }

    fn cpu_fwd(&self, x: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let (rows, channels) = layout.shape().dims2()?;
        let x = contiguous(x, layout)?;
        let half = self.map.halved();
        if rows != self.map.area() || half.area() == 0 {
            candle_core::bail!("pooling a {:?} map was given {rows} rows", self.map);
        }
        let mut out = vec![0.0; half.area() * channels];
        out.par_chunks_mut(half.width * channels).enumerate().for_each(|(y, row)| {
            for (i, pixel) in row.chunks_exact_mut(channels).enumerate() {
                let at = |dy: usize, dx: usize| ((2 * y + dy) * self.map.width + 2 * i + dx) * channels;
                pixel.copy_from_slice(&x[at(0, 0)..at(0, 0) + channels]);
                for from in [at(0, 1), at(1, 0), at(1, 1)] {
                    simd::max_with(pixel, &x[from..from + channels]);
                }
            }
        });
        Ok((CpuStorage::F32(out), Shape::from((half.area(), channels))))
    }
}

/// Doubles a map by repeating pixels: `[h * w, c]` to `[2h * 2w, c]`.
///
/// # Errors
/// When `x` does not cover the map.
pub fn double_nearest(x: &Tensor, map: MapSize) -> Result<Tensor> {
    let channels = x.dim(1)?;
    x.reshape((map.height, 1, map.width, 1, channels))?
        .broadcast_as((map.height, 2, map.width, 2, channels))?
        .contiguous()?
        .reshape((map.area() * 4, channels))
}

/// Spreads four groups of channels over 2x2 pixels: `[h * w, 4 * c]`, groups in the order top-left, top-right,
/// bottom-left, bottom-right, to `[2h * 2w, c]`. With a matrix product before it, this is a 2x2 transposed convolution
/// of stride 2.
///
/// # Errors
/// When `x` does not cover the map.
pub fn pixel_shuffle2(x: &Tensor, map: MapSize) -> Result<Tensor> {
    let channels = x.dim(1)? / 4;
    if on_cpu_f32(x) {
        return x.contiguous()?.apply_op1_no_bwd(&PixelShuffle2 { map });
    }
    x.reshape((map.height, map.width, 2, 2, channels))?
        .permute((0, 2, 1, 3, 4))?
        .contiguous()?
        .reshape((map.area() * 4, channels))
}

struct PixelShuffle2 {
    map: MapSize,
}

impl CustomOp1 for PixelShuffle2 {
    fn name(&self) -> &'static str {
        "pixel-shuffle-2x2"
    }

    fn cpu_fwd(&self, x: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let (rows, width) = layout.shape().dims2()?;
        let x = contiguous(x, layout)?;
        if rows != self.map.area() || width % 4 != 0 || width == 0 {
            candle_core::bail!("shuffling a {:?} map was given {:?}", self.map, layout.dims());
        }
        let channels = width / 4;
        let mut out = vec![0.0; x.len()];
        out.par_chunks_mut(self.map.width * 2 * channels).enumerate().for_each(|(y, row)| {
            for (i, pair) in row.chunks_exact_mut(2 * channels).enumerate() {
                let at = (y / 2 * self.map.width + i) * width + (y % 2) * 2 * channels;
                pair.copy_from_slice(&x[at..at + 2 * channels]);
            }
        });
        Ok((CpuStorage::F32(out), Shape::from((rows * 4, channels))))
    }
}

/// Bilinear interpolation of one plane (`[h, w]`), corners not aligned, as PyTorch's `interpolate` does.
///
/// # Errors
/// When the device fails.
pub fn bilinear(x: &Tensor, out: MapSize) -> Result<Tensor> {
    let (height, width) = x.dims2()?;
    if (height, width) == (out.height, out.width) {
        return Ok(x.clone());
    }
    if on_cpu_f32(x) {
        return x.contiguous()?.apply_op1_no_bwd(&Bilinear { out });
    }
    x.reshape((1, 1, height, width))?
        .contiguous()?
        .upsample_bilinear2d(out.height, out.width, false)?
        .reshape((out.height, out.width))
}

struct Bilinear {
    out: MapSize,
}

impl CustomOp1 for Bilinear {
    fn name(&self) -> &'static str {
        "bilinear"
    }

    fn cpu_fwd(&self, x: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let (height, width) = layout.shape().dims2()?;
        let x = contiguous(x, layout)?;
        let mut out = vec![0.0; self.out.area()];
        let rows = BilinearRows::new(x, MapSize { height, width }, self.out);
        out.par_chunks_mut(self.out.width).enumerate().for_each(|(y, row)| rows.row(y, row));
        Ok((CpuStorage::F32(out), Shape::from((self.out.height, self.out.width))))
    }
}

/// Bilinear interpolation one output row at a time, so that a video-sized picture of logits need not exist whole.
///
/// Columns come first, then rows, as in PyTorch: where a logit is all but zero, its sign hangs on the order.
pub struct BilinearRows {
    /// The input's rows at the output's width.
    wide: Vec<f32>,
    width: usize,
    rows: Vec<Tap>,
}

/// Two neighbours and the weight of the second.
#[derive(Clone, Copy)]
struct Tap {
    first: usize,
    second: usize,
    weight: f32,
}

impl BilinearRows {
    /// Prepares the interpolation of `plane` (row-major, `map.area()` values) to the size `out`.
    pub fn new(plane: &[f32], map: MapSize, out: MapSize) -> Self {
        assert_eq!(plane.len(), map.area(), "the plane covers its map");
        let columns = taps(map.width, out.width);
        let mut wide = Vec::with_capacity(map.height * out.width);
        for row in plane.chunks_exact(map.width.max(1)) {
            wide.extend(columns.iter().map(|tap| tap.of(row[tap.first], row[tap.second])));
        }
        BilinearRows { wide, width: out.width, rows: taps(map.height, out.height) }
    }

    /// Writes row `y` of the result.
    pub fn row(&self, y: usize, out: &mut [f32]) {
        let tap = self.rows[y];
        let line = |i: usize| &self.wide[i * self.width..(i + 1) * self.width];
        for ((o, a), b) in out.iter_mut().zip(line(tap.first)).zip(line(tap.second)) {
            *o = tap.of(*a, *b);
        }
    }
}

impl Tap {
    fn of(self, first: f32, second: f32) -> f32 {
        first * (1.0 - self.weight) + second * self.weight
    }
}

fn taps(input: usize, output: usize) -> Vec<Tap> {
    let scale = input as f32 / output as f32;
    (0..output)
        .map(|i| {
            let centre = ((i as f32 + 0.5) * scale - 0.5).max(0.0);
            let first = (centre as usize).min(input - 1);
            Tap { first, second: (first + 1).min(input - 1), weight: centre - first as f32 }
        })
        .collect()
}
