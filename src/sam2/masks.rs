//! Masks in and out of the model: resampling prompts, filling holes, and logits to masks at the video's size.

use std::ops::Range;
use std::sync::Arc;

use rayon::prelude::*;

use crate::label::{FrameSize, Mask, RunBuilder};

use super::image::antialias_weights;
use super::kernels::resize::{BilinearRows, MapSize};

/// Logit given to filled holes, as in the reference.
const HOLE_LOGIT: f32 = 0.1;

/// A square of mask logits as the decoder returns them; above 0 is the object.
#[derive(Debug, Clone, PartialEq)]
pub struct LowResLogits {
    /// Side in pixels.
    pub side: usize,
    /// `side * side` values, row-major.
    pub values: Arc<[f32]>,
}

impl LowResLogits {
    /// The mask at the video's size: bilinear interpolation of the logits, thresholded.
    pub fn mask(&self, size: FrameSize) -> Mask {
        masks_at_video_size(&[self], size, false).pop().expect("one mask in, one mask out")
    }

    /// The logits at the video's size, row-major.
    pub fn at_video_size(&self, size: FrameSize) -> Vec<f32> {
        let out = MapSize { height: size.height as usize, width: size.width as usize };
        let rows = BilinearRows::new(&self.values, MapSize::square(self.side), out);
        let mut logits = vec![0.0; out.area()];
        logits.par_chunks_mut(out.width.max(1)).enumerate().for_each(|(y, row)| rows.row(y, row));
        logits
    }
}

/// Rows that a thread turns into runs at once.
const ROWS_PER_TASK: usize = 64;

/// Masks of several objects at the video's size, encoded band by band: neither logits nor pixels of a whole picture
/// ever exist. With `exclusive` a pixel goes to the object with the highest logit alone.
pub fn masks_at_video_size(logits: &[&LowResLogits], size: FrameSize, exclusive: bool) -> Vec<Mask> {
    let out = MapSize { height: size.height as usize, width: size.width as usize };
    let sources: Vec<BilinearRows> =
        logits.iter().map(|l| BilinearRows::new(&l.values, MapSize::square(l.side), out)).collect();
    let bands: Vec<Vec<Mask>> = (0..out.height.div_ceil(ROWS_PER_TASK))
        .into_par_iter()
        .map(|band| {
            let rows = band * ROWS_PER_TASK..((band + 1) * ROWS_PER_TASK).min(out.height);
            encode_band(&sources, size.width, rows, exclusive)
        })
        .collect();
    (0..logits.len())
        .map(|object| {
            let mut runs = RunBuilder::new(size);
            for band in &bands {
                runs.append(&band[object]);
            }
            runs.finish().expect("the bands cover the picture once")
        })
        .collect()
}

fn encode_band(sources: &[BilinearRows], width: u32, rows: Range<usize>, exclusive: bool) -> Vec<Mask> {
    let size = FrameSize { width, height: rows.len() as u32 };
    let mut runs = vec![RunBuilder::new(size); sources.len()];
    let mut lines = vec![vec![0.0_f32; width as usize]; sources.len()];
    for y in rows {
        for (source, line) in sources.iter().zip(&mut lines) {
            source.row(y, line);
        }
        if exclusive {
            keep_highest(&mut lines);
        }
        for (line, runs) in lines.iter().zip(&mut runs) {
            push_line(runs, line);
        }
    }
    runs.into_iter().map(|runs| runs.finish().expect("every line is as wide as the picture")).collect()
}

fn push_line(runs: &mut RunBuilder, line: &[f32]) {
    let mut start = 0;
    while start < line.len() {
        let is_object = line[start] > 0.0;
        let length = line[start..].iter().position(|v| (*v > 0.0) != is_object).unwrap_or(line.len() - start);
        runs.push(is_object, length as u64);
        start += length;
    }
}

/// Lowers all but the highest logit at each place; among equals the first stays.
fn keep_highest(lines: &mut [Vec<f32>]) {
    let width = lines.first().map_or(0, Vec::len);
    for x in 0..width {
        let highest =
            lines.iter().enumerate().fold(0, |best, (i, line)| if line[x] > lines[best][x] { i } else { best });
        for (i, line) in lines.iter_mut().enumerate() {
            if i != highest {
                line[x] = f32::NEG_INFINITY;
            }
        }
    }
}

/// A mask prompt at the model's input size: antialiased bilinear, then thresholded at one half, 0.0 and 1.0. The
/// reference loses a mask that covers no pixel by half; with `keeps_specks` what it covers most stands for it.
pub fn mask_at_input_size(mask: &Mask, side: usize, keeps_specks: bool) -> Vec<f32> {
    let size = mask.size();
    let pixels: Vec<f32> = mask.to_pixels().into_iter().map(f32::from).collect();
    if (size.width as usize, size.height as usize) == (side, side) {
        return pixels;
    }
    let map = MapSize { height: size.height as usize, width: size.width as usize };
    let resized = resize_antialias(&pixels, map, MapSize::square(side));
    let highest = resized.iter().copied().fold(0.0, f32::max);
    let least = if keeps_specks && highest > 0.0 { highest.min(0.5) } else { 0.5 };
    resized.into_iter().map(|v| if v >= least { 1.0 } else { 0.0 }).collect()
}

/// Bilinear resampling with antialiasing, as PyTorch's `interpolate(antialias=True)`.
pub fn resize_antialias(plane: &[f32], from: MapSize, to: MapSize) -> Vec<f32> {
    let triangle = |x: f64| (1.0 - x.abs()).max(0.0);
    let columns = antialias_weights(from.width, to.width, triangle, 1.0);
    let rows = antialias_weights(from.height, to.height, triangle, 1.0);
    let mut wide = vec![0.0_f32; from.height * to.width];
    wide.par_chunks_mut(to.width).zip(plane.par_chunks(from.width)).for_each(|(out, row)| {
        for (o, (first, weights)) in out.iter_mut().zip(&columns) {
            *o = row[*first..].iter().zip(weights).map(|(v, w)| v * *w as f32).sum();
        }
    });
    let mut out = vec![0.0_f32; to.area()];
    out.par_chunks_mut(to.width).zip(&rows).for_each(|(out, (first, weights))| {
        for (row, w) in wide[first * to.width..].chunks_exact(to.width).zip(weights) {
            for (o, v) in out.iter_mut().zip(row) {
                *o += v * *w as f32;
            }
        }
    });
    out
}

/// Fills background islands of at most `largest` pixels (8-connected): small holes become object.
///
/// The reference does this only where its CUDA extension is built; here every device does.
pub fn fill_holes(logits: &mut [f32], side: usize, largest: usize) {
    let mut seen = vec![false; logits.len()];
    let mut island = Vec::new();
    let mut open = Vec::new();
    for start in 0..logits.len() {
        if seen[start] || logits[start] > 0.0 {
            continue;
        }
        island.clear();
        seen[start] = true;
        open.push(start);
        while let Some(at) = open.pop() {
            island.push(at);
            let (y, x) = (at / side, at % side);
            for ny in y.saturating_sub(1)..=(y + 1).min(side - 1) {
                for nx in x.saturating_sub(1)..=(x + 1).min(side - 1) {
                    let next = ny * side + nx;
                    if !seen[next] && logits[next] <= 0.0 {
                        seen[next] = true;
                        open.push(next);
                    }
                }
            }
        }
        if island.len() <= largest {
            for &at in &island {
                logits[at] = HOLE_LOGIT;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn logits(side: usize, text: &str) -> Vec<f32> {
        let values: Vec<f32> =
            text.chars().filter(|c| !c.is_whitespace()).map(|c| if c == '#' { 1.0 } else { -1.0 }).collect();
        assert_eq!(values.len(), side * side);
        values
    }

    #[test]
    fn small_holes_are_filled_and_large_ones_stay() {
        let mut values = logits(6, "######  #.####  ##.###  ######  ###...  ###...");
        fill_holes(&mut values, 6, 2);
        // The two diagonal pixels are one hole of two; the corner of six stays.
        assert_eq!((values[7], values[14]), (HOLE_LOGIT, HOLE_LOGIT));
        assert_eq!(values[27], -1.0);
        let mut values = logits(6, "######  #.####  ##.###  ######  ###...  ###...");
        fill_holes(&mut values, 6, 1);
        assert_eq!(values[7], -1.0);
    }

    #[test]
    fn bands_join_to_what_thresholded_logits_say() {
        // A checkerboard taller than a band, whose object runs cross from one band into the next.
        let values: Vec<f32> = (0..256).map(|i| if (i / 16 + i % 16) % 3 == 0 { 1.0 } else { -0.7 }).collect();
        let low = LowResLogits { side: 16, values: values.into() };
        for (width, height) in [(1, 200), (33, 130), (64, 64), (7, 1)] {
            let size = FrameSize { width, height };
            let logits = low.at_video_size(size);
            assert_eq!(low.mask(size), Mask::from_fn(size, |i| logits[i] > 0.0), "{size}");
        }
        let full = LowResLogits { side: 2, values: vec![1.0; 4].into() };
        assert_eq!(full.mask(FrameSize { width: 5, height: 150 }).runs(), [0, 750]);
    }

    #[test]
    fn exclusive_masks_share_no_pixel_and_cover_the_same() {
        let low = |f: fn(usize) -> f32| LowResLogits { side: 4, values: (0..16).map(f).collect() };
        let (a, b) = (low(|i| i as f32 - 6.0), low(|i| 9.0 - i as f32));
        let size = FrameSize { width: 10, height: 7 };
        let free = masks_at_video_size(&[&a, &b], size, false);
        let exclusive = masks_at_video_size(&[&a, &b], size, true);
        assert!(free[0].intersection(&free[1]) > 0);
        assert_eq!(exclusive[0].intersection(&exclusive[1]), 0);
        let union = free[0].area() + free[1].area() - free[0].intersection(&free[1]);
        assert_eq!(exclusive[0].area() + exclusive[1].area(), union);
        assert_eq!(a.mask(size), free[0]);
    }

    #[test]
    fn a_speck_is_kept_where_it_is_wanted() {
        let size = FrameSize { width: 128, height: 72 };
        let speck = Mask::from_fn(size, |i| (i % 128, i / 128) == (40, 30));
        assert!(mask_at_input_size(&speck, 32, false).iter().all(|v| *v == 0.0), "as the reference has it");
        let kept = mask_at_input_size(&speck, 32, true);
        let at: Vec<usize> = (0..kept.len()).filter(|i| kept[*i] > 0.0).collect();
        assert_eq!(at, [13 * 32 + 10], "the pixel under it");
        assert!(mask_at_input_size(&Mask::empty(size), 32, true).iter().all(|v| *v == 0.0), "nothing stays nothing");
        let large = Mask::from_fn(size, |i| i % 128 < 61);
        assert_eq!(mask_at_input_size(&large, 32, true), mask_at_input_size(&large, 32, false));
    }

    #[test]
    fn antialiased_halving_averages_with_a_triangle() {
        // torch: interpolate(tensor([[[[0., 0, 1, 1]]]]), size=(1, 2), mode="bilinear", antialias=True)
        let out =
            resize_antialias(&[0.0, 0.0, 1.0, 1.0], MapSize { height: 1, width: 4 }, MapSize { height: 1, width: 2 });
        assert!((out[0] - 1.0 / 7.0).abs() < 1e-6 && (out[1] - 6.0 / 7.0).abs() < 1e-6, "{out:?}");
    }
}
