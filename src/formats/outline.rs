//! Outer outlines of a mask as polygons through pixel centres, and back.
//!
//! For formats that know polygons only. An outline runs over the outermost pixels of a part (neighbours may touch by a
//! corner), so that whoever fills it and draws its edge, as OpenCV does, gets the part back with its holes filled.

use super::crop::Crop;
use super::row_spans::RowSpans;
use crate::label::{FrameSize, Mask};

/// A pixel: column, row.
pub(super) type Pixel = (i64, i64);

/// The eight neighbours clockwise, from the one to the right.
const AROUND: [Pixel; 8] = [(1, 0), (1, 1), (0, 1), (-1, 1), (-1, 0), (-1, -1), (0, -1), (1, -1)];
/// Points of an outline that are tried to find the shortest bridge to the next part.
const MAX_BRIDGE_POINTS: usize = 500;

/// The outline of a whole object in one line, and what it could not show.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Outline {
    /// Corners; consecutive ones differ by a straight or diagonal step of any length. At least three, possibly alike.
    pub points: Vec<Pixel>,
    /// Parts that were joined.
    pub parts: usize,
    /// Parts of fewer than three corners.
    pub tiny_parts: usize,
    /// Whether holes were filled.
    pub has_holes: bool,
}

/// The outline of an object; `None` when the mask is empty.
///
/// # Errors
/// When it has more corners than [`fill`] takes.
pub(super) fn outline_of(mask: &Mask) -> Result<Option<Outline>, String> {
    let Some(crop) = Crop::around(mask) else { return Ok(None) };
    let (rings, filled_area) = outer_rings(&crop)?;
    let offset = |&(x, y): &Pixel| (x + i64::from(crop.x), y + i64::from(crop.y));
    let tiny_parts = rings.iter().filter(|ring| simplified(ring).len() < 3).count();
    let mut points: Vec<Pixel> = simplified(&joined(&rings)).iter().map(offset).collect();
    let last = *points.last().expect("a part has a pixel");
    points.resize(points.len().max(3), last);
    Ok(Some(Outline { points, parts: rings.len(), tiny_parts, has_holes: filled_area > mask.area() }))
}

/// The outline of each part that lies in no other part's hole, pixel by pixel, the first pixel not repeated; and how
/// many pixels they hold with their holes.
fn outer_rings(crop: &Crop) -> Result<(Vec<Vec<Pixel>>, u64), String> {
    let (width, height) = (i64::from(crop.width), i64::from(crop.height));
    let size = FrameSize { width: crop.width, height: crop.height };
    let at = |(x, y): Pixel| (y * width + x) as usize;
    let is_object = |(x, y): Pixel| (0..width).contains(&x) && (0..height).contains(&y) && crop.pixels[at((x, y))] != 0;
    let mut is_done = vec![false; crop.pixels.len()];
    let (mut rings, mut filled_area) = (Vec::new(), 0);
    for start in (0..height).flat_map(|y| (0..width).map(move |x| (x, y))) {
        // The first pixel of a part that rows meet lies on its outer edge.
        if !is_object(start) || is_done[at(start)] {
            continue;
        }
        let ring = trace(start, is_object);
        spans_of(size, &ring)?.for_each(|row, from, to| {
            is_done[row * width as usize..][from as usize..to as usize].fill(true);
            filled_area += to - from;
        });
        rings.push(ring);
    }
    Ok((rings, filled_area))
}

/// Walks around a part, keeping the outside to the left; `start` is the first of its pixels in reading order.
fn trace(start: Pixel, is_object: impl Fn(Pixel) -> bool) -> Vec<Pixel> {
    let step = |(x, y): Pixel, direction: usize| (x + AROUND[direction].0, y + AROUND[direction].1);
    // Searches clockwise, beginning just after the direction that is known to be outside.
    let next = |from: Pixel, outside: usize| {
        (1..=8).map(|turn| (outside + turn) % 8).find(|direction| is_object(step(from, *direction)))
    };
    // Nothing of the part lies to the left of its first pixel.
    let Some(first) = next(start, 4) else { return vec![start] };
    let mut ring = Vec::new();
    let (mut at, mut direction) = (start, first);
    loop {
        ring.push(at);
        at = step(at, direction);
        // Looking back, the neighbour before the way we came from was found to be outside.
        let outside = (direction + if direction % 2 == 0 { 6 } else { 5 }) % 8;
        direction = next(at, outside).expect("the pixel before is there");
        if at == start && direction == first {
            return ring;
        }
    }
}

/// All rings as one line that goes out over bridges and comes back the same way, so that bridges enclose nothing.
fn joined(rings: &[Vec<Pixel>]) -> Vec<Pixel> {
    let bridges: Vec<(usize, usize)> = rings.windows(2).map(|pair| shortest_bridge(&pair[0], &pair[1])).collect();
    let (mut there, mut back) = (Vec::new(), Vec::new());
    for (k, ring) in rings.iter().enumerate() {
        let entry = if k == 0 { 0 } else { bridges[k - 1].1 };
        // The first is where the walk begins, the last after `steps` steps.
        let walk = |from: usize, steps: usize| (0..=steps).map(move |i| ring[(from + i) % ring.len()]);
        match bridges.get(k) {
            Some(&(exit, next_entry)) => {
                let steps = (exit + ring.len() - entry) % ring.len();
                there.extend(walk(entry, steps));
                let bridge = stairs(ring[exit], rings[k + 1][next_entry]);
                there.push(bridge);
                // Goes behind everything that follows: the bridge back, then the rest of this ring.
                let mut rest = vec![bridge];
                rest.extend(walk(exit, ring.len() - steps));
                back.push(rest);
            }
            None => there.extend(walk(entry, ring.len())),
        }
    }
    there.extend(back.into_iter().rev().flatten());
    there
}

/// Positions in both rings of two points that lie close.
fn shortest_bridge(a: &[Pixel], b: &[Pixel]) -> (usize, usize) {
    let some = |ring: &[Pixel]| (0..ring.len()).step_by(ring.len().div_ceil(MAX_BRIDGE_POINTS)).collect::<Vec<_>>();
    let distance = |i: usize, k: usize| (a[i].0 - b[k].0).pow(2) + (a[i].1 - b[k].1).pow(2);
    let in_b = some(b);
    let pairs = some(a).into_iter().flat_map(|i| in_b.iter().map(move |&k| (i, k)));
    pairs.min_by_key(|&(i, k)| distance(i, k)).expect("rings are not empty")
}

/// The corner between two points on a way of one diagonal and one straight piece, which every program draws alike.
fn stairs(from: Pixel, to: Pixel) -> Pixel {
    let (dx, dy) = (to.0 - from.0, to.1 - from.1);
    let diagonal = dx.abs().min(dy.abs());
    (from.0 + dx.signum() * diagonal, from.1 + dy.signum() * diagonal)
}

/// Without points in the middle of a straight piece, and without repeated ones; the last and first are neighbours.
fn simplified(ring: &[Pixel]) -> Vec<Pixel> {
    let mut points: Vec<Pixel> = Vec::with_capacity(ring.len());
    for &point in ring {
        while let [.., a, b] = points.as_slice()
            && is_between(*a, *b, point)
        {
            points.pop();
        }
        if points.last() != Some(&point) {
            points.push(point);
        }
    }
    while points.len() > 1 && points.first() == points.last() {
        points.pop();
    }
    points
}

/// Whether `b` lies on the way from `a` to `c`, so that leaving it out changes nothing.
fn is_between(a: Pixel, b: Pixel, c: Pixel) -> bool {
    let (ab, bc) = ((b.0 - a.0, b.1 - a.1), (c.0 - b.0, c.1 - b.1));
    ab.0 * bc.1 == ab.1 * bc.0 && ab.0 * bc.0 + ab.1 * bc.1 > 0
}

/// The polygon's inside by the even-odd rule and all pixels of its edge, as OpenCV's `fillPoly` draws them. Corners
/// outside the frame are allowed.
///
/// # Errors
/// When the polygon is endlessly complex.
pub(super) fn fill(size: FrameSize, points: &[Pixel]) -> Result<Mask, String> {
    Ok(spans_of(size, points)?.into_mask(size))
}

/// What [`fill`] fills, as pieces of rows.
fn spans_of(size: FrameSize, points: &[Pixel]) -> Result<RowSpans, String> {
    let (width, height) = (i64::from(size.width), i64::from(size.height));
    let heights = || points.iter().map(|point| point.1);
    let first = heights().min().unwrap_or(0).clamp(0, height);
    let end = heights().max().map_or(0, |last| (last + 1).clamp(0, height)).max(first);
    let mut spans = RowSpans::new(first as usize..end as usize);
    let mut crossings: Vec<Vec<f64>> = vec![Vec::new(); (end - first) as usize];
    // Both columns are meant.
    let add = |spans: &mut RowSpans, row: i64, from: i64, to: i64| {
        let (from, to) = (from.max(0), to.min(width - 1));
        if from <= to {
            spans.add(row as usize, from as u64, to as u64 + 1);
        }
    };
    for (i, &a) in points.iter().enumerate() {
        let b = points[(i + 1) % points.len()];
        let (top, bottom) = if a.1 <= b.1 { (a, b) } else { (b, a) };
        let x_at = |row: i64| {
            let share = (row - top.1) as f64 / (bottom.1 - top.1) as f64;
            top.0 as f64 + share * (bottom.0 - top.0) as f64
        };
        for row in top.1.max(0)..bottom.1.min(height) {
            crossings[(row - first) as usize].push(x_at(row));
            spans.count()?;
        }
        // The edge itself: per row the columns within half a row of it.
        for row in top.1.max(0)..=bottom.1.min(height - 1) {
            spans.count()?;
            if top.1 == bottom.1 {
                add(&mut spans, row, top.0.min(bottom.0), top.0.max(bottom.0));
                continue;
            }
            let slope = (bottom.0 - top.0) as f64 / (bottom.1 - top.1) as f64;
            if slope.abs() <= 1.0 {
                let x = x_at(row).round() as i64;
                add(&mut spans, row, x, x);
            } else {
                let (low, high) = (top.0.min(bottom.0) as f64, top.0.max(bottom.0) as f64);
                let (left, right) = (x_at(row) - slope.abs() / 2.0, x_at(row) + slope.abs() / 2.0);
                add(&mut spans, row, left.max(low).ceil() as i64, right.min(high).floor() as i64);
            }
        }
    }
    for (row, mut crossings) in (first..).zip(crossings) {
        crossings.sort_by(f64::total_cmp);
        for pair in crossings.chunks_exact(2) {
            add(&mut spans, row, pair[0].ceil() as i64, pair[1].floor() as i64);
        }
    }
    Ok(spans)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn mask(rows: &[&str]) -> Mask {
        let size = FrameSize { width: rows[0].len() as u32, height: rows.len() as u32 };
        let pixels: Vec<u8> = rows.iter().flat_map(|row| row.bytes().map(|c| u8::from(c == b'#'))).collect();
        Mask::from_pixels(size, &pixels).expect("rows are alike")
    }

    fn came_back(mask: &Mask) -> (Outline, Mask) {
        let outline = outline_of(mask).expect("not complex").expect("not empty");
        let filled = fill(mask.size(), &outline.points).expect("not complex");
        (outline, filled)
    }

    #[test]
    fn single_parts_come_back_exactly() {
        let cases: [&[&str]; 8] = [
            &["#"],
            &["....", ".#..", "...."],
            &["###", "###"],
            &[".#.", "###", ".#."],
            &["#...", ".#..", "..#.", "...#"],
            &["#.#.#", ".#.#.", "#.#.#"],
            &["##...", ".#...", ".####", "...#.", "...##"],
            &["#####", "....#", "###.#", "#...#", "#####"],
        ];
        for rows in cases {
            let mask = mask(rows);
            let (outline, filled) = came_back(&mask);
            assert_eq!(outline.parts, 1, "{rows:?}");
            let holes_filled = filled.area() - mask.area();
            assert_eq!(filled.intersection(&mask), mask.area(), "{rows:?}");
            assert_eq!(outline.has_holes, holes_filled > 0, "{rows:?}");
        }
    }

    #[test]
    fn holes_are_filled_and_told() {
        let (outline, filled) = came_back(&mask(&["#####", "#...#", "#.#.#", "#...#", "#####"]));
        assert!(outline.has_holes);
        assert_eq!(outline.parts, 1, "the island in the hole is covered");
        assert_eq!(filled.area(), 25);
        // The corner-touching diamond encloses its middle.
        let (outline, filled) = came_back(&mask(&[".#.", "#.#", ".#."]));
        assert!(outline.has_holes);
        assert_eq!(filled.area(), 5);
    }

    #[test]
    fn parts_are_joined_by_lines() {
        let two = mask(&["##...", "##...", ".....", "...##", "...##"]);
        let (outline, filled) = came_back(&two);
        assert_eq!((outline.parts, outline.has_holes), (2, false));
        assert_eq!(filled.to_pixels(), mask(&["##...", "##...", "..#..", "...##", "...##"]).to_pixels());
        let (outline, _) = came_back(&mask(&["#.#", "...", "#.#"]));
        assert_eq!((outline.parts, outline.tiny_parts), (4, 4));
    }

    #[test]
    fn polygons_may_reach_beyond_the_frame() {
        let size = FrameSize { width: 4, height: 3 };
        let area = |points: &[Pixel]| fill(size, points).expect("not complex").area();
        assert_eq!(area(&[(-9, -9), (9, -9), (9, 9), (-9, 9)]), 12);
        assert_eq!(area(&[(9, 9), (10, 9), (10, 10)]), 0);
        assert_eq!(area(&[(-9, -9), (9, -9), (9, -8)]), 0);
        assert_eq!(area(&[(0, 2), (3, 2), (3, 2)]), 4);
    }

    #[test]
    fn polygons_that_cross_every_row_endlessly_are_refused() {
        let size = FrameSize { width: 1920, height: 1080 };
        // What fits into a megabyte of text: up and down, a hundred thousand times.
        let zigzag = |corners: i64| (0..corners).map(|i| (i % 1920, i % 2 * 1079)).collect::<Vec<Pixel>>();
        assert!(fill(size, &zigzag(100_000)).is_err());
        assert!(fill(size, &zigzag(5_000)).is_ok());
    }

    proptest! {
        #[test]
        fn outlines_hold_every_pixel(pixels in proptest::collection::vec(0_u8..2, 12 * 9)) {
            let size = FrameSize { width: 12, height: 9 };
            let mask = Mask::from_pixels(size, &pixels).expect("108 pixels");
            if let Some(outline) = outline_of(&mask).expect("not complex") {
                let filled = fill(size, &outline.points).expect("not complex");
                prop_assert_eq!(filled.intersection(&mask), mask.area());
                if outline.parts == 1 && !outline.has_holes {
                    prop_assert_eq!(filled, mask);
                }
            }
        }
    }
}
