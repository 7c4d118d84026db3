//! A stroke of a round brush, as rows of pixels, and what it makes of a mask.
//!
//! Works on runs throughout: the cost depends on the stroke and the mask's outline, not on the size of the picture, so
//! painting on 8K is as smooth as on a postage stamp.

use super::{FrameSize, Mask};

/// The pixels a brush has passed over. A pixel belongs to it when its centre does.
#[derive(Debug, Clone, PartialEq)]
pub struct Stroke {
    size: FrameSize,
    radius: f32,
    /// Per row, intervals `[start, end)` of columns: ascending and apart.
    rows: Vec<Vec<(u32, u32)>>,
    last: Option<(f32, f32)>,
}

impl Stroke {
    /// An empty stroke of a brush with a radius in pixels, on a frame of `size`.
    pub fn new(size: FrameSize, radius: f32) -> Self {
        Stroke { size, radius: radius.max(0.0), rows: vec![Vec::new(); size.height as usize], last: None }
    }

    /// Moves the brush to a place, in pixels of the frame; the centre of the top-left pixel is (0, 0).
    pub fn move_to(&mut self, x: f32, y: f32) {
        if !(x.is_finite() && y.is_finite()) {
            return;
        }
        let (x0, y0) = self.last.unwrap_or((x, y));
        self.last = Some((x, y));
        // Even the smallest brush paints the pixel it is on.
        let radius = self.radius.max(0.5);
        let top = (y.min(y0) - radius).floor().max(0.0);
        let bottom = (y.max(y0) + radius).ceil().min(self.size.height as f32 - 1.0);
        if bottom < top {
            return;
        }
        for row in top as u32..=bottom as u32 {
            if let Some((left, right)) = capsule_row((x0, y0), (x, y), radius, row as f32) {
                let start = left.ceil().max(0.0);
                let end = right.floor().min(self.size.width as f32 - 1.0);
                if start <= end {
                    add_interval(&mut self.rows[row as usize], start as u32, end as u32 + 1);
                }
            }
        }
    }

    /// Whether it covers no pixel.
    pub fn is_empty(&self) -> bool {
        self.rows.iter().all(Vec::is_empty)
    }

    /// The stroke's pixels as row-major intervals.
    fn spans(&self) -> impl Iterator<Item = (usize, usize)> + '_ {
        let width = self.size.width as usize;
        self.rows.iter().enumerate().flat_map(move |(row, intervals)| {
            intervals.iter().map(move |&(start, end)| (row * width + start as usize, row * width + end as usize))
        })
    }
}

/// Where the row crosses the brush drawn from `a` to `b`, if it does.
fn capsule_row(a: (f32, f32), b: (f32, f32), radius: f32, row: f32) -> Option<(f32, f32)> {
    let mut reach: Option<(f32, f32)> = None;
    let mut include = |left: f32, right: f32| {
        let (l, r) = reach.unwrap_or((left, right));
        reach = Some((l.min(left), r.max(right)));
    };
    for (x, y) in [a, b] {
        let half = radius * radius - (row - y) * (row - y);
        if half >= 0.0 {
            include(x - half.sqrt(), x + half.sqrt());
        }
    }
    // The straight part: points whose foot lies between the ends and whose distance to the line is at most the radius.
    let (dx, dy) = (b.0 - a.0, b.1 - a.1);
    let length = dx.hypot(dy);
    if length > 0.0 {
        let (ux, uy) = (dx / length, dy / length);
        // along = (x - ax) ux + (row - ay) uy in [0, length]; across = |(x - ax) uy - (row - ay) ux| <= radius.
        let offset = row - a.1;
        let along = bounds(ux, offset * uy, 0.0, length);
        let across = bounds(uy, -offset * ux, -radius, radius);
        if let (Some((l0, r0)), Some((l1, r1))) = (along, across) {
            let (left, right) = (l0.max(l1), r0.min(r1));
            if left <= right {
                include(a.0 + left, a.0 + right);
            }
        }
    }
    reach
}

/// The `t` for which `slope * t + offset` lies in `[low, high]`; everything when the slope is 0 and the offset does.
fn bounds(slope: f32, offset: f32, low: f32, high: f32) -> Option<(f32, f32)> {
    if slope.abs() < 1e-6 {
        return (offset >= low && offset <= high).then_some((-1e9, 1e9));
    }
    let (t0, t1) = ((low - offset) / slope, (high - offset) / slope);
    Some((t0.min(t1), t0.max(t1)))
}

fn add_interval(row: &mut Vec<(u32, u32)>, mut start: u32, mut end: u32) {
    let first = row.partition_point(|&(_, e)| e < start);
    let after = row.partition_point(|&(s, _)| s <= end);
    if first < after {
        start = start.min(row[first].0);
        end = end.max(row[after - 1].1);
    }
    row.splice(first..after, [(start, end)]);
}

impl Mask {
    /// This mask and the stroke. Panics when they lie on frames of different sizes.
    #[must_use]
    pub fn painted(&self, stroke: &Stroke) -> Mask {
        assert_eq!(self.size(), stroke.size, "a stroke is painted on the frame it was made for");
        let mut spans: Vec<(usize, usize)> = self.spans().chain(stroke.spans()).collect();
        spans.sort_unstable();
        Mask::from_spans(self.size(), spans)
    }

    /// This mask without the stroke. Panics when they lie on frames of different sizes.
    #[must_use]
    pub fn erased(&self, stroke: &Stroke) -> Mask {
        assert_eq!(self.size(), stroke.size, "a stroke is erased on the frame it was made for");
        self.without_spans(stroke.spans())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SIZE: FrameSize = FrameSize { width: 40, height: 30 };

    /// Distance from a pixel's centre to the line from `a` to `b`.
    fn distance(p: (f32, f32), a: (f32, f32), b: (f32, f32)) -> f32 {
        let (dx, dy) = (b.0 - a.0, b.1 - a.1);
        let squared = dx * dx + dy * dy;
        let t = if squared == 0.0 { 0.0 } else { ((p.0 - a.0) * dx + (p.1 - a.1) * dy) / squared };
        let t = t.clamp(0.0, 1.0);
        (p.0 - a.0 - t * dx).hypot(p.1 - a.1 - t * dy)
    }

    #[test]
    fn a_dot_of_half_a_pixel_is_one_pixel() {
        let mut stroke = Stroke::new(SIZE, 0.1);
        stroke.move_to(7.2, 3.9);
        let mask = Mask::empty(SIZE).painted(&stroke);
        assert_eq!(mask.spans().collect::<Vec<_>>(), [(4 * 40 + 7, 4 * 40 + 8)]);
    }

    proptest! {
        #[test]
        fn a_stroke_covers_what_lies_within_its_radius(
            path in proptest::collection::vec((-5.0_f32..45.0, -5.0_f32..35.0), 1..5),
            radius in 0.6_f32..9.0,
        ) {
            let mut stroke = Stroke::new(SIZE, radius);
            path.iter().for_each(|p| stroke.move_to(p.0, p.1));
            let mask = Mask::empty(SIZE).painted(&stroke);
            for (i, covered) in mask.to_pixels().into_iter().enumerate() {
                let p = ((i % 40) as f32, (i / 40) as f32);
                let first = distance(p, path[0], path[0]);
                let near = path.windows(2).map(|w| distance(p, w[0], w[1])).fold(first, f32::min);
                // Right at the rim rounding may decide either way.
                if (near - radius).abs() > 1e-2 {
                    prop_assert_eq!(covered == 1, near < radius, "pixel {:?}, distance {}", p, near);
                }
            }
        }

        #[test]
        fn painting_and_erasing_agree_with_pixels(
            pixels in proptest::collection::vec(0_u8..2, 1200),
            path in proptest::collection::vec((0.0_f32..40.0, 0.0_f32..30.0), 1..4),
            radius in 0.6_f32..9.0,
        ) {
            let mask = Mask::from_pixels(SIZE, &pixels).expect("1200 pixels");
            let mut stroke = Stroke::new(SIZE, radius);
            path.iter().for_each(|p| stroke.move_to(p.0, p.1));
            let covered = Mask::empty(SIZE).painted(&stroke).to_pixels();
            prop_assert_eq!(mask.painted(&stroke), Mask::from_fn(SIZE, |i| pixels[i] + covered[i] > 0));
            prop_assert_eq!(mask.erased(&stroke), Mask::from_fn(SIZE, |i| pixels[i] == 1 && covered[i] == 0));
        }
    }
}
