//! Polygons as masks: a pixel belongs to a ring when its centre lies inside.
//!
//! Used to read the polygons of COCO, CVAT, labelme and Datumaro, whose coordinates run from pixel edge to pixel edge.

use super::row_spans::RowSpans;
use crate::label::{FrameSize, Mask};

/// The union of the rings, each filled by the even-odd rule. Corners are x, y in pixels.
///
/// # Errors
/// When a ring has fewer than three corners or one that is not finite, or the polygon is endlessly complex.
pub(super) fn fill(size: FrameSize, rings: &[Vec<(f64, f64)>]) -> Result<Mask, String> {
    for ring in rings {
        if ring.len() < 3 {
            return Err(format!("a polygon has {} corners, not 3 or more", ring.len()));
        }
        if ring.iter().any(|(x, y)| !x.is_finite() || !y.is_finite()) {
            return Err("a polygon has a corner that is not a number".to_owned());
        }
    }
    // The first row whose centre lies at or below a height; the cast saturates.
    let row_at = |y: f64| (((y - 0.5).ceil().max(0.0)) as usize).min(size.height as usize);
    let rows_of = |ring: &[(f64, f64)]| {
        let heights = || ring.iter().map(|(_, y)| *y);
        row_at(heights().fold(f64::INFINITY, f64::min))..row_at(heights().fold(f64::NEG_INFINITY, f64::max))
    };
    let all = rings.iter().map(|ring| rows_of(ring)).reduce(|a, b| a.start.min(b.start)..a.end.max(b.end));
    let mut spans = RowSpans::new(all.unwrap_or(0..0));
    for ring in rings {
        let rows = rows_of(ring);
        let mut crossings: Vec<Vec<f64>> = vec![Vec::new(); rows.len()];
        for (i, &a) in ring.iter().enumerate() {
            let b = ring[(i + 1) % ring.len()];
            let (top, bottom) = if a.1 <= b.1 { (a, b) } else { (b, a) };
            for row in row_at(top.1)..row_at(bottom.1) {
                let share = (row as f64 + 0.5 - top.1) / (bottom.1 - top.1);
                crossings[row - rows.start].push(top.0 + share * (bottom.0 - top.0));
                spans.count()?;
            }
        }
        for (row, mut crossings) in rows.zip(crossings) {
            crossings.sort_by(f64::total_cmp);
            let column = |x: f64| ((x - 0.5).ceil().max(0.0) as u64).min(u64::from(size.width));
            for pair in crossings.chunks_exact(2) {
                spans.add(row, column(pair[0]), column(pair[1]));
            }
        }
    }
    Ok(spans.into_mask(size))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIZE: FrameSize = FrameSize { width: 6, height: 5 };

    fn filled(rings: &[&[(f64, f64)]]) -> Vec<u8> {
        let rings: Vec<Vec<(f64, f64)>> = rings.iter().map(|ring| ring.to_vec()).collect();
        fill(SIZE, &rings).expect("sound rings").to_pixels()
    }

    fn pixels(is_inside: impl Fn(usize, usize) -> bool) -> Vec<u8> {
        (0..30).map(|i| u8::from(is_inside(i % 6, i / 6))).collect()
    }

    #[test]
    fn rectangles_fill_from_edge_to_edge() {
        let square = [(1.0, 1.0), (4.0, 1.0), (4.0, 3.0), (1.0, 3.0)];
        assert_eq!(filled(&[&square]), pixels(|x, y| (1..4).contains(&x) && (1..3).contains(&y)));
        let beyond = [(-9.0, -9.0), (99.0, -9.0), (99.0, 99.0), (-9.0, 99.0)];
        assert_eq!(filled(&[&beyond]), pixels(|_, _| true));
    }

    #[test]
    fn overlapping_rings_are_one_area() {
        let a = [(0.0, 0.0), (3.0, 0.0), (3.0, 2.0), (0.0, 2.0)];
        let b = [(2.0, 1.0), (5.0, 1.0), (5.0, 4.0), (2.0, 4.0)];
        assert_eq!(filled(&[&a, &b]), pixels(|x, y| (x < 3 && y < 2) || ((2..5).contains(&x) && (1..4).contains(&y))));
    }

    #[test]
    fn slanted_edges_take_pixels_by_their_centre() {
        let triangle = [(0.0, 0.0), (6.0, 0.0), (0.0, 6.0)];
        assert_eq!(filled(&[&triangle]), pixels(|x, y| x + y < 5));
    }

    #[test]
    fn unsound_rings_are_refused() {
        assert!(fill(SIZE, &[vec![(0.0, 0.0), (1.0, 1.0)]]).is_err());
        assert!(fill(SIZE, &[vec![(0.0, 0.0), (f64::NAN, 1.0), (3.0, 3.0)]]).is_err());
        let huge = vec![(0.0, -1e300), (1.0, 1e300), (f64::MAX, f64::MIN)];
        assert!(fill(SIZE, &[huge]).is_ok());
    }
}
