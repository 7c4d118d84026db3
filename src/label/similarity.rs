//! How close a mask is to the truth: the two measures of the DAVIS benchmark (Perazzi et al., 2016).
//!
//! Two masks in, two numbers out. Which frames and objects are averaged is said elsewhere.

use super::{FrameSize, Mask};

/// A boundary is found when it lies this close to the true one, as a share of the picture's diagonal.
const TOLERANCE: f64 = 0.008;

/// How close a mask is to the truth, each from 0 to 1.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Similarity {
    /// J: intersection over union of the regions.
    pub region: f64,
    /// F: harmonic mean of how much of the boundary is true and how much of the true boundary is there.
    pub boundary: f64,
}

impl Similarity {
    /// Compares a mask with the truth. Where both are empty both measures are 1; where one is, both are 0. Masks of
    /// different frame sizes have nothing in common.
    pub fn between(found: &Mask, truth: &Mask) -> Self {
        if found.size() != truth.size() {
            return Similarity { region: 0.0, boundary: 0.0 };
        }
        Similarity { region: found.iou(truth), boundary: boundary_similarity(found, truth) }
    }

    /// J&F: the mean of both.
    pub fn mean(self) -> f64 {
        f64::midpoint(self.region, self.boundary)
    }
}

fn boundary_similarity(found: &Mask, truth: &Mask) -> f64 {
    let size = found.size();
    let (found, truth) = (boundary(found), boundary(truth));
    let precision = share_near(&found, &truth, size);
    let recall = share_near(&truth, &found, size);
    match (precision, recall) {
        (None, None) => 1.0,
        (Some(precision), Some(recall)) if precision + recall > 0.0 => 2.0 * precision * recall / (precision + recall),
        _ => 0.0,
    }
}

/// The pixels whose right, lower or lower right neighbour is on the other side. Outside the picture nothing is.
fn boundary(mask: &Mask) -> Vec<(usize, usize)> {
    let FrameSize { width, height } = mask.size();
    let (width, height) = (width as usize, height as usize);
    let pixels = mask.to_pixels();
    let mut found = Vec::new();
    for y in 0..height {
        for x in 0..width {
            let here = pixels[y * width + x];
            let (right, below) = (x + 1 < width, y + 1 < height);
            if (right && pixels[y * width + x + 1] != here)
                || (below && pixels[(y + 1) * width + x] != here)
                || (right && below && pixels[(y + 1) * width + x + 1] != here)
            {
                found.push((x, y));
            }
        }
    }
    found
}

/// Which part of a boundary lies within the tolerance of another; `None` when there is no boundary.
fn share_near(boundary: &[(usize, usize)], other: &[(usize, usize)], size: FrameSize) -> Option<f64> {
    if boundary.is_empty() {
        return None;
    }
    let near = dilated(other, size);
    let count = boundary.iter().filter(|(x, y)| near[y * size.width as usize + x]).count();
    Some(count as f64 / boundary.len() as f64)
}

/// The pixels within the tolerance of a boundary: it is painted over with a disc, row by row of the disc.
fn dilated(boundary: &[(usize, usize)], size: FrameSize) -> Vec<bool> {
    let (width, height) = (size.width as usize, size.height as usize);
    let radius = (TOLERANCE * f64::from(size.width).hypot(f64::from(size.height))).ceil() as usize;
    let half_widths: Vec<usize> = (0..=radius).map(|dy| (radius * radius - dy * dy).isqrt()).collect();
    let mut near = vec![false; size.area()];
    for &(x, y) in boundary {
        for row in y.saturating_sub(radius)..=(y + radius).min(height - 1) {
            let reach = half_widths[row.abs_diff(y)];
            let (left, right) = (x.saturating_sub(reach), (x + reach).min(width - 1));
            near[row * width + left..=row * width + right].fill(true);
        }
    }
    near
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn shape(size: FrameSize, is_object: impl Fn(i64, i64) -> bool) -> Mask {
        Mask::from_fn(size, |i| is_object(i as i64 % i64::from(size.width), i as i64 / i64::from(size.width)))
    }

    fn disc(x: i64, y: i64, radius: i64) -> impl Fn(i64, i64) -> bool {
        move |px, py| (px - x).pow(2) + (py - y).pow(2) <= radius * radius
    }

    /// The definition, word by word: every pixel is asked, every pair of boundary pixels is measured.
    fn by_brute_force(found: &Mask, truth: &Mask) -> f64 {
        let size = found.size();
        let edge = |mask: &Mask| -> Vec<(u32, u32)> {
            let all = (0..size.height).flat_map(|y| (0..size.width).map(move |x| (x, y)));
            let differs = |x: u32, y: u32, dx: u32, dy: u32| {
                x + dx < size.width && y + dy < size.height && mask.contains(x, y) != mask.contains(x + dx, y + dy)
            };
            all.filter(|&(x, y)| differs(x, y, 1, 0) || differs(x, y, 0, 1) || differs(x, y, 1, 1)).collect()
        };
        let (a, b) = (edge(found), edge(truth));
        if a.is_empty() && b.is_empty() {
            return 1.0;
        }
        if a.is_empty() || b.is_empty() {
            return 0.0;
        }
        let reach = (0.008 * f64::from(size.width.pow(2) + size.height.pow(2)).sqrt()).ceil();
        let part = |these: &[(u32, u32)], those: &[(u32, u32)]| {
            let close = |&&(x, y): &&(u32, u32)| {
                those.iter().any(|&(u, v)| f64::from(x.abs_diff(u)).hypot(f64::from(y.abs_diff(v))) <= reach)
            };
            these.iter().filter(close).count() as f64 / these.len() as f64
        };
        let (precision, recall) = (part(&a, &b), part(&b, &a));
        if precision + recall == 0.0 { 0.0 } else { 2.0 * precision * recall / (precision + recall) }
    }

    fn assert_close(name: &str, found: &Mask, truth: &Mask, region: f64, boundary: f64) {
        let similarity = Similarity::between(found, truth);
        assert!((similarity.region - region).abs() < 1e-6, "{name}: J {}", similarity.region);
        assert!((similarity.boundary - boundary).abs() < 1e-6, "{name}: F {}", similarity.boundary);
    }

    /// The figures were worked out once with numpy and scipy (distance transforms instead of discs).
    #[test]
    fn known_shapes_have_known_figures() {
        let size = FrameSize { width: 320, height: 180 };
        let here = disc(160, 90, 40);
        let truth = shape(size, &here);
        assert_close("same", &truth, &truth, 1.0, 1.0);
        assert_close("shifted", &shape(size, disc(164, 92, 40)), &truth, 0.866989, 0.577160);
        assert_close("larger", &shape(size, disc(160, 90, 45)), &truth, 0.789970, 0.0);
        let hole = disc(160, 90, 20);
        assert_close("ring", &shape(size, |x, y| here(x, y) && !hole(x, y)), &truth, 0.749851, 0.798030);
        let (corner, other) = (shape(size, |x, y| x < 70 && y < 44), shape(size, |x, y| x < 60 && y < 50));
        assert_close("corner", &corner, &other, 0.767442, 0.063063);
        let (edge, other) = (shape(size, |x, y| x >= 250 && y >= 100), shape(size, |x, y| x >= 252 && y >= 108));
        assert_close("edge", &edge, &other, 0.874286, 0.510368);
        assert_close("far", &shape(size, disc(60, 90, 20)), &shape(size, disc(200, 90, 20)), 0.0, 0.0);
        let size = FrameSize { width: 854, height: 480 };
        let (found, truth) = (shape(size, disc(309, 204, 84)), shape(size, disc(300, 200, 90)));
        assert_close("8 pixels of tolerance", &found, &truth, 0.841325, 0.577958);
    }

    #[test]
    fn absence_counts_as_the_benchmark_says() {
        let size = FrameSize { width: 40, height: 30 };
        let (nothing, something) = (Mask::empty(size), shape(size, disc(20, 15, 6)));
        assert_close("rightly nothing", &nothing, &nothing, 1.0, 1.0);
        assert_close("missed", &nothing, &something, 0.0, 0.0);
        assert_close("invented", &something, &nothing, 0.0, 0.0);
        // The whole picture has no boundary inside it.
        let everything = shape(size, |_, _| true);
        assert_close("everything", &everything, &everything, 1.0, 1.0);
        assert_close("too much", &everything, &something, something.area() as f64 / 1200.0, 0.0);
        let other_size = Mask::empty(FrameSize { width: 30, height: 40 });
        assert_close("other size", &other_size, &nothing, 0.0, 0.0);
    }

    proptest! {
        #[test]
        fn boundary_agrees_with_brute_force(
            // The diagonal reaches from a tolerance of 1 pixel to one of 3.
            width in 20_u32..300,
            height in 15_u32..160,
            discs in proptest::collection::vec((0.0..1.0, 0.0..1.0, 0.03..0.4), 2..5),
            shared in 0_usize..3,
        ) {
            let size = FrameSize { width, height };
            let scaled = |share: f64, side: u32| (share * f64::from(side)) as i64;
            let union = |discs: &[(f64, f64, f64)]| {
                let is_in = |&(dx, dy, r): &(f64, f64, f64), x, y| {
                    disc(scaled(dx, width), scaled(dy, height), scaled(r, height))(x, y)
                };
                shape(size, |x, y| discs.iter().any(|one| is_in(one, x, y)))
            };
            let (found, truth) = (union(&discs[..shared.min(discs.len())]), union(&discs[1..]));
            let similarity = Similarity::between(&found, &truth);
            prop_assert!((similarity.boundary - by_brute_force(&found, &truth)).abs() < 1e-12);
            prop_assert!((similarity.mean() - (found.iou(&truth) + similarity.boundary) / 2.0).abs() < 1e-12);
        }
    }
}
