//! A video frame becomes the model's input: resized as Pillow does, then normalised.
//!
//! The reference loads frames with Pillow's bicubic resize, which works on bytes with fixed-point weights and shrinks
//! with antialiasing; matching it to the bit is what makes the first layer agree. Aspect ratio is not kept.

use candle_core::{Device, Tensor};
use rayon::prelude::*;

use crate::label::FrameSize;

/// A picture as red, green, blue bytes, row by row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RgbFrame {
    /// Size in pixels.
    pub size: FrameSize,
    /// `width * height * 3` bytes.
    pub pixels: Vec<u8>,
}

/// ImageNet's channel means and deviations, which the backbone was trained with.
const MEAN: [f32; 3] = [0.485, 0.456, 0.406];
const DEVIATION: [f32; 3] = [0.229, 0.224, 0.225];

/// The normalised input `[side * side, 3]` of a frame.
///
/// # Errors
/// When the frame's bytes do not fit its size or the device is out of memory.
pub fn model_input(frame: &RgbFrame, side: usize, device: &Device) -> candle_core::Result<Tensor> {
    let FrameSize { width, height } = frame.size;
    if width == 0 || height == 0 || frame.pixels.len() != frame.size.area() * 3 {
        candle_core::bail!("a {} frame was given {} bytes", frame.size, frame.pixels.len());
    }
    let resized = resize_bicubic(&frame.pixels, width as usize, height as usize, side);
    let mut values = vec![0.0_f32; side * side * 3];
    values.par_chunks_mut(side * 3).zip(resized.par_chunks(side * 3)).for_each(|(out, row)| {
        for (out, pixel) in out.chunks_exact_mut(3).zip(row.chunks_exact(3)) {
            for c in 0..3 {
                out[c] = (f32::from(pixel[c]) / 255.0 - MEAN[c]) / DEVIATION[c];
            }
        }
    });
    Tensor::from_vec(values, (side * side, 3), device)
}

/// Bits after the binary point of Pillow's weights.
const PRECISION_BITS: u32 = 32 - 8 - 2;

/// The inputs one output takes and their fixed-point weights.
struct Taps {
    first: usize,
    weights: Vec<i32>,
}

/// Pillow's bicubic kernel (a = -0.5).
fn bicubic(x: f64) -> f64 {
    const A: f64 = -0.5;
    let x = x.abs();
    if x < 1.0 {
        ((A + 2.0) * x - (A + 3.0)) * x * x + 1.0
    } else if x < 2.0 {
        (((x - 5.0) * x + 8.0) * x - 4.0) * A
    } else {
        0.0
    }
}

/// Normalised weights of every output of a resampling from `input` to `output` pixels, with the kernel widened when
/// shrinking: `(first input, weights)` for each.
pub fn antialias_weights(
    input: usize,
    output: usize,
    kernel: impl Fn(f64) -> f64,
    kernel_radius: f64,
) -> Vec<(usize, Vec<f64>)> {
    let scale = input as f64 / output as f64;
    let widen = scale.max(1.0);
    let radius = kernel_radius * widen;
    (0..output)
        .map(|i| {
            let centre = (i as f64 + 0.5) * scale;
            // `as usize` cuts towards zero and negative values to 0, as the original's casts and clamps do.
            let first = (centre - radius + 0.5) as usize;
            let last = ((centre + radius + 0.5) as usize).min(input);
            let mut weights: Vec<f64> = (first..last).map(|x| kernel((x as f64 - centre + 0.5) / widen)).collect();
            let sum: f64 = weights.iter().sum();
            weights.iter_mut().for_each(|w| *w /= sum);
            (first, weights)
        })
        .collect()
}

fn fixed_point_taps(input: usize, output: usize) -> Vec<Taps> {
    let to_fixed = |w: f64| {
        let scaled = w * f64::from(1_u32 << PRECISION_BITS);
        // Rounds half away from zero, then cuts: the original's way.
        (if scaled < 0.0 { scaled - 0.5 } else { scaled + 0.5 }) as i32
    };
    antialias_weights(input, output, bicubic, 2.0)
        .into_iter()
        .map(|(first, weights)| Taps { first, weights: weights.into_iter().map(to_fixed).collect() })
        .collect()
}

fn to_byte(sum: i32) -> u8 {
    (sum >> PRECISION_BITS).clamp(0, 255) as u8
}

/// Resizes to `side x side`: columns first, then rows, rounding to bytes in between as Pillow does.
fn resize_bicubic(pixels: &[u8], width: usize, height: usize, side: usize) -> Vec<u8> {
    const HALF: i32 = 1 << (PRECISION_BITS - 1);
    let columns = fixed_point_taps(width, side);
    let mut wide = vec![0_u8; height * side * 3];
    wide.par_chunks_mut(side * 3).zip(pixels.par_chunks(width * 3)).for_each(|(out, row)| {
        for (out, taps) in out.chunks_exact_mut(3).zip(&columns) {
            let mut sums = [HALF; 3];
            for (pixel, w) in row[taps.first * 3..].chunks_exact(3).zip(&taps.weights) {
                for c in 0..3 {
                    sums[c] += i32::from(pixel[c]) * w;
                }
            }
            out.copy_from_slice(&sums.map(to_byte));
        }
    });
    let rows = fixed_point_taps(height, side);
    let mut out = vec![0_u8; side * side * 3];
    out.par_chunks_mut(side * 3).zip(&rows).for_each_init(Vec::new, |sums, (out, taps)| {
        sums.clear();
        sums.resize(side * 3, HALF);
        for (row, w) in wide[taps.first * side * 3..].chunks_exact(side * 3).zip(&taps.weights) {
            for (sum, v) in sums.iter_mut().zip(row) {
                *sum += i32::from(*v) * w;
            }
        }
        for (o, sum) in out.iter_mut().zip(sums.iter()) {
            *o = to_byte(*sum);
        }
    });
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn resizing_to_the_same_size_changes_nothing() {
        let pixels: Vec<u8> = (0..8 * 8 * 3).map(|i| (i * 37 % 256) as u8).collect();
        assert_eq!(resize_bicubic(&pixels, 8, 8, 8), pixels);
    }

    #[test]
    fn a_flat_picture_stays_flat_at_any_size() {
        for (width, height, side) in [(3, 5, 16), (40, 30, 16), (1, 1, 32)] {
            let resized = resize_bicubic(&vec![200; width * height * 3], width, height, side);
            assert!(resized.iter().all(|&v| v == 200), "{width}x{height} to {side}");
        }
    }

    #[test]
    fn matches_pillow_on_a_ramp() {
        // Image.fromarray(np.arange(0, 250, 25, np.uint8)[None].repeat(10, 0)).convert("RGB").resize((4, 4))
        let row: Vec<u8> = (0..10).flat_map(|x| [x * 25; 3]).collect();
        let resized = resize_bicubic(&row.repeat(10), 10, 10, 4);
        let first: Vec<u8> = resized.chunks_exact(3).take(4).map(|p| p[0]).collect();
        assert_eq!(first, [20, 80, 145, 205]);
    }

    #[test]
    fn frames_with_missing_bytes_are_refused() {
        let frame = RgbFrame { size: FrameSize { width: 4, height: 4 }, pixels: vec![0; 47] };
        assert!(model_input(&frame, 64, &Device::Cpu).is_err());
    }
}
