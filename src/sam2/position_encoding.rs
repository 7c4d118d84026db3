//! Position tables, computed once when a model is loaded for an input size (`position_encoding.py`, and the bicubic
//! part of `hieradet.py`).

use candle_core::{Device, Tensor};

use super::kernels::resize::MapSize;

/// Base of the sine encodings and of the rotary one.
const TEMPERATURE: f32 = 10_000.0;

/// Sine encoding of a square map, `[side * side, channels]`: the first half of the channels encodes y, the second x.
///
/// # Errors
/// When the device fails.
pub fn sine_2d(side: usize, channels: usize, device: &Device) -> candle_core::Result<Tensor> {
    let half = channels / 2;
    let scale = 2.0 * std::f32::consts::PI;
    let frequencies: Vec<f32> = (0..half).map(|i| TEMPERATURE.powf(2.0 * (i / 2) as f32 / half as f32)).collect();
    let encode = |position: usize| {
        let at = (position + 1) as f32 / (side as f32 + 1e-6) * scale;
        let value = |(i, f): (usize, &f32)| if i % 2 == 0 { (at / f).sin() } else { (at / f).cos() };
        frequencies.iter().enumerate().map(value).collect::<Vec<f32>>()
    };
    let lines: Vec<Vec<f32>> = (0..side).map(encode).collect();
    let mut values = Vec::with_capacity(side * side * channels);
    for y in 0..side {
        for line in &lines {
            values.extend_from_slice(&lines[y]);
            values.extend_from_slice(line);
        }
    }
    Tensor::from_vec(values, (side * side, 2 * half), device)
}

/// Sine encoding of times, `[positions, width]`: sines in the first half, cosines in the second.
///
/// # Errors
/// When the device fails.
pub fn sine_1d(positions: &[f32], width: usize, device: &Device) -> candle_core::Result<Tensor> {
    let half = width / 2;
    let mut values = Vec::with_capacity(positions.len() * half * 2);
    for position in positions {
        let angle = |i: usize| position / TEMPERATURE.powf(2.0 * (i / 2) as f32 / half as f32);
        values.extend((0..half).map(|i| angle(i).sin()));
        values.extend((0..half).map(|i| angle(i).cos()));
    }
    Tensor::from_vec(values, (positions.len(), half * 2), device)
}

/// Cosines and sines of the axial rotary encoding of a square map, each `[side * side, width / 2]`: the first half of
/// the pairs turns with x, the second with y.
///
/// # Errors
/// When the device fails.
pub fn rotary_2d(side: usize, width: usize, device: &Device) -> candle_core::Result<(Tensor, Tensor)> {
    let quarter = width / 4;
    let frequencies: Vec<f32> = (0..quarter).map(|i| 1.0 / TEMPERATURE.powf((4 * i) as f32 / width as f32)).collect();
    let (mut cos, mut sin) = (Vec::new(), Vec::new());
    for i in 0..side * side {
        for at in [(i % side) as f32, (i / side) as f32] {
            cos.extend(frequencies.iter().map(|f| (at * f).cos()));
            sin.extend(frequencies.iter().map(|f| (at * f).sin()));
        }
    }
    let shape = (side * side, quarter * 2);
    Ok((Tensor::from_vec(cos, shape, device)?, Tensor::from_vec(sin, shape, device)?))
}

/// Hiera's absolute position embedding for a map: the background embedding (`[1, c, h, w]`) resized bicubically, plus
/// the window embedding (`[1, c, win, win]`) tiled. Returns `[map rows, c]`.
///
/// # Errors
/// When shapes do not fit, or the device fails.
pub fn hiera_2d(background: &Tensor, window: &Tensor, map: MapSize) -> candle_core::Result<Tensor> {
    let (_, channels, from_h, from_w) = background.dims4()?;
    let (_, _, window_h, window_w) = window.dims4()?;
    let rows = cubic_matrix(from_h, map.height);
    let columns = cubic_matrix(from_w, map.width);
    let device = background.device();
    let rows = Tensor::from_vec(rows, (map.height, from_h), device)?;
    let columns = Tensor::from_vec(columns, (map.width, from_w), device)?;
    // [c, h, w] -> [c, H, w] -> [c, H, W]
    let x = background.squeeze(0)?;
    let x = rows.broadcast_left(channels)?.contiguous()?.matmul(&x.contiguous()?)?;
    let x = x.contiguous()?.matmul(&columns.t()?.contiguous()?.broadcast_left(channels)?.contiguous()?)?;
    let tiled = window.squeeze(0)?.repeat((1, map.height / window_h, map.width / window_w))?;
    (x + tiled)?.permute((1, 2, 0))?.contiguous()?.reshape((map.area(), channels))
}

/// Bicubic interpolation as a matrix `[to, from]`, row-major: PyTorch's (a = -0.75, corners not aligned, edges clamped).
fn cubic_matrix(from: usize, to: usize) -> Vec<f32> {
    const A: f32 = -0.75;
    let near = |t: f32| ((A + 2.0) * t - (A + 3.0)) * t * t + 1.0;
    let far = |t: f32| ((A * t - 5.0 * A) * t + 8.0 * A) * t - 4.0 * A;
    let scale = from as f32 / to as f32;
    let mut matrix = vec![0.0; from * to];
    for (i, row) in matrix.chunks_exact_mut(from).enumerate() {
        let centre = (i as f32 + 0.5) * scale - 0.5;
        let t = centre - centre.floor();
        let weights = [far(t + 1.0), near(t), near(1.0 - t), far(2.0 - t)];
        for (tap, weight) in weights.into_iter().enumerate() {
            let at = (centre.floor() as isize + tap as isize - 1).clamp(0, from as isize - 1);
            row[at as usize] += weight;
        }
    }
    matrix
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cubic_rows_sum_to_one() {
        for (from, to) in [(7, 256), (14, 128), (7, 5), (1, 9)] {
            for row in cubic_matrix(from, to).chunks_exact(from) {
                assert!((row.iter().sum::<f32>() - 1.0).abs() < 1e-5, "{from} to {to}");
            }
        }
    }

    #[test]
    fn rotary_table_turns_with_x_then_y() {
        let (cos, sin) = rotary_2d(3, 8, &Device::Cpu).expect("small tables");
        let (cos, sin) = (cos.to_vec2::<f32>().expect("2d"), sin.to_vec2::<f32>().expect("2d"));
        // Pixel 5 is x = 2, y = 1; the two frequencies are 1 and 1 / sqrt(10000).
        for (i, angle) in [2.0_f32, 0.02, 1.0, 0.01].into_iter().enumerate() {
            assert!((cos[5][i] - angle.cos()).abs() < 1e-6 && (sin[5][i] - angle.sin()).abs() < 1e-6, "pair {i}");
        }
    }
}
