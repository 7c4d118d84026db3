//! Carrying a shape to another frame: where did its pixels go, and which pixels there have its colours. A pure function
//! of two pictures, the shape and the object's colours.

use super::grow::difference;
use super::picture::{Picture, Shape, coordinates, place};

/// How far an object may move between two frames, in pixels of the picture.
const REACH: i32 = 20;
/// How many of the shape's pixels are compared to find its motion.
const SAMPLES: usize = 500;
/// What a pixel that moves out of the picture costs, in steps of 8-bit RGB.
const OUTSIDE_COST: f32 = 60.0;
/// What a pixel of motion costs: among equals the shortest way wins.
const MOTION_COST: f32 = 0.02;
/// How far beyond the moved shape its edge is looked for.
const BAND: i32 = 3;
/// Colours closer than this are one.
const SAME_COLOUR: f32 = 40.0;
/// Colours farther from everything known than this say nothing.
const STRANGE_COLOUR: f32 = 70.0;
/// By how much a colour must be nearer to the other side to change sides.
const BIAS: f32 = 8.0;
/// An object of which less than this share kept its colours is lost.
const LOST_SHARE: f32 = 0.25;
/// So is one that shrank to less than this share of what it was when it was prompted.
const LOST_AREA: f32 = 0.04;

/// A few colours that stand for many.
#[derive(Debug, Clone)]
pub struct Palette(Vec<[f32; 3]>);

impl Palette {
    /// The colours of a shape's pixels, at most `most`.
    pub fn of(picture: &Picture, shape: &Shape, most: usize) -> Self {
        let mut clusters: Vec<([f32; 3], f32)> = Vec::new();
        for i in sampled(shape, SAMPLES) {
            let colour = picture.pixels[i].map(f32::from);
            let distances = clusters.iter().map(|(mean, _)| difference(*mean, colour));
            match distances.enumerate().min_by(|(_, a), (_, b)| a.total_cmp(b)) {
                Some((nearest, distance)) if distance <= SAME_COLOUR => {
                    let (mean, count) = &mut clusters[nearest];
                    *count += 1.0;
                    for (mean, value) in mean.iter_mut().zip(colour) {
                        *mean += (value - *mean) / *count;
                    }
                }
                Some(_) | None if clusters.len() < most => clusters.push((colour, 1.0)),
                Some(_) | None => {}
            }
        }
        Palette(clusters.into_iter().map(|(colour, _)| colour).collect())
    }

    /// Distance to the nearest of them.
    fn distance(&self, colour: [f32; 3]) -> f32 {
        self.0.iter().map(|known| difference(*known, colour)).fold(f32::INFINITY, f32::min)
    }
}

/// An object as it was prompted.
#[derive(Debug, Clone)]
pub struct Likeness {
    colours: Palette,
    area: usize,
}

impl Likeness {
    /// Of a prompted shape; its blended outermost pixels are left out where it has others.
    pub fn of(picture: &Picture, shape: &Shape) -> Self {
        let inner = shape.eroded();
        let colours = Palette::of(picture, if inner.area() > 0 { &inner } else { shape }, 10);
        Likeness { colours, area: shape.area() }
    }
}

/// Where an object went.
#[derive(Debug, Clone)]
pub struct Followed {
    /// Empty when it was lost.
    pub shape: Shape,
    /// The share of its pixels that kept their colours.
    pub kept: f32,
}

/// Finds the object of `shape` on `from` again on `to`.
pub fn follow(from: &Picture, shape: &Shape, to: &Picture, likeness: &Likeness) -> Followed {
    let (dx, dy) = motion(from, shape, to);
    let moved = shape.moved(dx, dy);
    let around = shape.dilated(2 * BAND);
    let near = shape.dilated(1);
    let mut ring = around;
    near.pixels().for_each(|i| ring.on[i] = false);
    let others = Palette::of(from, &ring, 16);

    let mut found = Shape::empty(to.size);
    for i in moved.dilated(BAND).pixels() {
        let colour = to.pixels[i].map(f32::from);
        let (own, other) = (likeness.colours.distance(colour), others.distance(colour));
        found.on[i] = if own.min(other) > STRANGE_COLOUR {
            moved.on[i]
        } else if moved.on[i] {
            own <= other + BIAS
        } else {
            own + BIAS < other
        };
    }
    keep_joined(&mut found, &moved);
    let kept = moved.pixels().filter(|i| found.on[*i]).count() as f32 / moved.area().max(1) as f32;
    let is_lost = kept < LOST_SHARE || (found.area() as f32) < LOST_AREA * likeness.area as f32 || found.area() == 0;
    if is_lost { Followed { shape: Shape::empty(to.size), kept } } else { Followed { shape: found, kept } }
}

/// The shift at which the shape's pixels look most like before.
fn motion(from: &Picture, shape: &Shape, to: &Picture) -> (i32, i32) {
    let samples: Vec<(i32, i32, [f32; 3])> = sampled(shape, SAMPLES)
        .map(|i| {
            let (x, y) = coordinates(from.size, i);
            (x, y, from.pixels[i].map(f32::from))
        })
        .collect();
    let mut best = (f32::INFINITY, 0, 0);
    for dy in -REACH..=REACH {
        for dx in -REACH..=REACH {
            let length = (dx as f32).hypot(dy as f32);
            let limit = best.0 * samples.len() as f32;
            let mut cost = MOTION_COST * length * samples.len() as f32;
            for (x, y, colour) in &samples {
                if cost >= limit {
                    break;
                }
                cost += match place(to.size, x + dx, y + dy) {
                    Some(i) => difference(to.pixels[i].map(f32::from), *colour),
                    None => OUTSIDE_COST,
                };
            }
            if cost < limit {
                best = (cost / samples.len() as f32, dx, dy);
            }
        }
    }
    (best.1, best.2)
}

/// Up to about `most` of a shape's pixels, evenly.
fn sampled(shape: &Shape, most: usize) -> impl Iterator<Item = usize> + '_ {
    shape.pixels().step_by(shape.area().div_ceil(most).max(1))
}

/// Removes what is not joined to `core`.
fn keep_joined(shape: &mut Shape, core: &Shape) {
    let mut joined = Shape::empty(shape.size);
    let mut open: Vec<usize> = core.pixels().filter(|i| shape.on[*i]).collect();
    open.iter().for_each(|i| joined.on[*i] = true);
    while let Some(i) = open.pop() {
        let (x, y) = coordinates(shape.size, i);
        for (dx, dy) in [(1, 0), (-1, 0), (0, 1), (0, -1)] {
            if let Some(next) = place(shape.size, x + dx, y + dy)
                && shape.on[next]
                && !joined.on[next]
            {
                joined.on[next] = true;
                open.push(next);
            }
        }
    }
    *shape = joined;
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::label::FrameSize;

    const SIZE: FrameSize = FrameSize { width: 60, height: 40 };

    /// A striped square of 12 pixels at (`x`, `y`) on a speckled ground, and its shape.
    fn scene(x: i32, y: i32) -> (Picture, Shape) {
        let mut shape = Shape::empty(SIZE);
        let pixels = (0..SIZE.area()).map(|i| {
            let (px, py) = coordinates(SIZE, i);
            shape.on[i] = (x..x + 12).contains(&px) && (y..y + 12).contains(&py);
            match (shape.on[i], (px - x) % 4 < 2) {
                (true, true) => [220, 200, 30],
                (true, false) => [180, 40, 160],
                (false, _) => [30 + ((px * 7 + py * 3) % 5 * 10) as u8, 100, 60],
            }
        });
        let pixels = pixels.collect();
        (Picture { size: SIZE, pixels }, shape)
    }

    #[test]
    fn a_moved_object_is_found_to_the_pixel() {
        let (from, shape) = scene(10, 10);
        let likeness = Likeness::of(&from, &shape);
        for (x, y) in [(10, 10), (13, 8), (26, 20), (0, 0)] {
            let (to, expected) = scene(x, y);
            let followed = follow(&from, &shape, &to, &likeness);
            assert_eq!(followed.shape, expected, "at {x}, {y}");
            assert_eq!(followed.kept, 1.0);
        }
    }

    #[test]
    fn an_object_that_is_gone_leaves_nothing() {
        let (from, shape) = scene(10, 10);
        let (to, _) = scene(100, 100);
        let followed = follow(&from, &shape, &to, &Likeness::of(&from, &shape));
        assert_eq!(followed.shape.area(), 0);
    }

    #[test]
    fn an_empty_shape_stays_empty() {
        let (from, _) = scene(10, 10);
        let nothing = Shape::empty(SIZE);
        assert_eq!(follow(&from, &nothing, &from, &Likeness::of(&from, &nothing)).shape.area(), 0);
    }
}
