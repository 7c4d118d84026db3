//! The test engine's eyes: frames at a size that is quick to look at, and shapes on them. Nothing here decides anything.

use crate::label::{FrameSize, Mask};
use crate::sam2::image::RgbFrame;

/// Longest side of the pictures that are looked at, in pixels.
const LONGEST_SIDE: u32 = 320;

/// A frame, shrunk.
#[derive(Debug)]
pub struct Picture {
    /// Its size.
    pub size: FrameSize,
    /// Red, green, blue, row by row.
    pub pixels: Vec<[u8; 3]>,
}

impl Picture {
    /// The size at which a frame of `full` is looked at; small ones as they are.
    pub fn size_for(full: FrameSize) -> FrameSize {
        let longest = full.width.max(full.height);
        if longest <= LONGEST_SIDE {
            return full;
        }
        let shrink = |side: u32| ((side * LONGEST_SIDE + longest / 2) / longest).max(1);
        FrameSize { width: shrink(full.width), height: shrink(full.height) }
    }

    /// Shrinks a frame; each pixel is the mean of those it stands for.
    pub fn of(frame: &RgbFrame) -> Self {
        let (full, size) = (frame.size, Self::size_for(frame.size));
        let row_bytes = full.width as usize * 3;
        let mut pixels = Vec::with_capacity(size.area());
        for y in 0..size.height {
            let (top, bottom) = part(y, size.height, full.height);
            for x in 0..size.width {
                let (left, right) = part(x, size.width, full.width);
                let mut sums = [0_u32; 3];
                for row in frame.pixels.chunks_exact(row_bytes).take(bottom).skip(top) {
                    for pixel in row[left * 3..right * 3].chunks_exact(3) {
                        for (sum, value) in sums.iter_mut().zip(pixel) {
                            *sum += u32::from(*value);
                        }
                    }
                }
                let count = ((bottom - top) * (right - left)) as u32;
                pixels.push(sums.map(|sum| ((sum + count / 2) / count) as u8));
            }
        }
        Picture { size, pixels }
    }
}

/// The pixels of a side of `full` that the `at`th of `count` stands for.
fn part(at: u32, count: u32, full: u32) -> (usize, usize) {
    let edge = |i: u32| (u64::from(i) * u64::from(full) / u64::from(count)) as usize;
    (edge(at), edge(at + 1).max(edge(at) + 1))
}

/// A set of pixels of a [`Picture`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shape {
    /// The picture's size.
    pub size: FrameSize,
    /// One flag per pixel, row by row.
    pub on: Vec<bool>,
}

impl Shape {
    /// Without a pixel.
    pub fn empty(size: FrameSize) -> Self {
        Shape { size, on: vec![false; size.area()] }
    }

    /// The pixels of a small mask.
    pub fn of(small: &Mask) -> Self {
        Shape { size: small.size(), on: small.to_pixels().into_iter().map(|pixel| pixel != 0).collect() }
    }

    /// As a mask of the same size: a few bytes, to be kept.
    pub fn packed(&self) -> Mask {
        Mask::from_fn(self.size, |i| self.on[i])
    }

    /// A mask of the clip, shrunk: pixels that are at least half covered.
    pub fn shrunk(mask: &Mask) -> Self {
        let (full, size) = (mask.size(), Picture::size_for(mask.size()));
        let pixels = mask.to_pixels();
        let mut shape = Shape::empty(size);
        for y in 0..size.height {
            let (top, bottom) = part(y, size.height, full.height);
            for x in 0..size.width {
                let (left, right) = part(x, size.width, full.width);
                let rows = pixels.chunks_exact(full.width as usize).take(bottom).skip(top);
                let covered: usize = rows.map(|row| row[left..right].iter().filter(|p| **p != 0).count()).sum();
                shape.on[(y * size.width + x) as usize] = 2 * covered >= (bottom - top) * (right - left);
            }
        }
        shape
    }

    /// As a mask of the clip: interpolated, so that edges are smooth.
    pub fn grown(&self, full: FrameSize) -> Mask {
        let (width, height) = (self.size.width as usize, self.size.height as usize);
        let columns: Vec<(usize, usize, f32)> = (0..full.width).map(|x| taps(x, full.width, self.size.width)).collect();
        let mut line = vec![0.0_f32; width];
        let mut at_row = usize::MAX;
        Mask::from_fn(full, |i| {
            let (y, x) = (i / full.width as usize, i % full.width as usize);
            if y != at_row {
                at_row = y;
                let (upper, lower, share) = taps(y as u32, full.height, height as u32);
                for (column, value) in line.iter_mut().enumerate() {
                    let at = |row: usize| f32::from(u8::from(self.on[row * width + column]));
                    *value = at(upper) * (1.0 - share) + at(lower) * share;
                }
            }
            let (left, right, share) = columns[x];
            line[left] * (1.0 - share) + line[right] * share > 0.5
        })
    }

    /// How many pixels.
    pub fn area(&self) -> usize {
        self.on.iter().filter(|on| **on).count()
    }

    /// Positions of the pixels.
    pub fn pixels(&self) -> impl Iterator<Item = usize> + '_ {
        self.on.iter().enumerate().filter_map(|(i, on)| on.then_some(i))
    }

    /// Whether a place is in it; places outside the picture are not.
    pub fn has(&self, x: i32, y: i32) -> bool {
        place(self.size, x, y).is_some_and(|i| self.on[i])
    }

    /// Moved by (`dx`, `dy`); what leaves the picture is gone.
    pub fn moved(&self, dx: i32, dy: i32) -> Shape {
        let mut moved = Shape::empty(self.size);
        for i in self.pixels() {
            let (x, y) = coordinates(self.size, i);
            if let Some(to) = place(self.size, x + dx, y + dy) {
                moved.on[to] = true;
            }
        }
        moved
    }

    /// With everything at most `reach` pixels away, measured along rows and columns.
    pub fn dilated(&self, reach: i32) -> Shape {
        let wide = self.smeared(reach, |step| (step, 0));
        wide.smeared(reach, |step| (0, step))
    }

    fn smeared(&self, reach: i32, offset: impl Fn(i32) -> (i32, i32)) -> Shape {
        let mut smeared = Shape::empty(self.size);
        for i in self.pixels() {
            let (x, y) = coordinates(self.size, i);
            for step in -reach..=reach {
                let (dx, dy) = offset(step);
                if let Some(to) = place(self.size, x + dx, y + dy) {
                    smeared.on[to] = true;
                }
            }
        }
        smeared
    }

    /// Without its outermost pixels.
    pub fn eroded(&self) -> Shape {
        let mut eroded = self.clone();
        for i in self.pixels() {
            let (x, y) = coordinates(self.size, i);
            eroded.on[i] = [(1, 0), (-1, 0), (0, 1), (0, -1)].iter().all(|(dx, dy)| self.has(x + dx, y + dy));
        }
        eroded
    }
}

/// The two source pixels an enlarged one lies between, and the second one's share.
fn taps(at: u32, full: u32, small: u32) -> (usize, usize, f32) {
    let centre = (at as f32 + 0.5) * small as f32 / full as f32 - 0.5;
    let centre = centre.clamp(0.0, (small - 1) as f32);
    let first = centre.floor();
    (first as usize, (first as usize + 1).min(small as usize - 1), centre - first)
}

/// Column and row of a position.
pub fn coordinates(size: FrameSize, i: usize) -> (i32, i32) {
    let width = size.width as usize;
    ((i % width) as i32, (i / width) as i32)
}

/// The position of a column and a row, if the picture has it.
pub fn place(size: FrameSize, x: i32, y: i32) -> Option<usize> {
    let is_inside = x >= 0 && y >= 0 && x < size.width as i32 && y < size.height as i32;
    is_inside.then(|| y as usize * size.width as usize + x as usize)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_frames_are_looked_at_as_they_are() {
        let size = FrameSize { width: 3, height: 2 };
        let frame = RgbFrame { size, pixels: (0..18).collect() };
        let picture = Picture::of(&frame);
        assert_eq!((picture.size, picture.pixels[5]), (size, [15, 16, 17]));
        let mask = Mask::from_fn(size, |i| i % 2 == 1);
        assert_eq!(Shape::shrunk(&mask).grown(size), mask);
    }

    #[test]
    fn shrinking_and_growing_keeps_a_disc() {
        for (width, height) in [(1920, 1080), (640, 1137), (401, 99)] {
            let full = FrameSize { width, height };
            let radius = f64::from(height.min(width)) / 3.0;
            let disc = Mask::from_fn(full, |i| {
                let (x, y) = ((i as u32 % width) as f64, (i as u32 / width) as f64);
                (x - f64::from(width) / 2.0).hypot(y - f64::from(height) / 2.0) < radius
            });
            let shape = Shape::shrunk(&disc);
            assert!(shape.size.width.max(shape.size.height) == 320, "{full}");
            assert!(shape.grown(full).iou(&disc) > 0.95, "{full}");
        }
    }

    #[test]
    fn moving_dilating_and_eroding_stop_at_the_edge() {
        let size = FrameSize { width: 5, height: 4 };
        let mut shape = Shape::empty(size);
        shape.on[0] = true;
        assert_eq!(shape.dilated(1).pixels().collect::<Vec<_>>(), [0, 1, 5, 6]);
        assert_eq!(shape.dilated(1).eroded().area(), 0, "outside the picture there is nothing");
        assert_eq!(shape.moved(4, 3).pixels().collect::<Vec<_>>(), [19]);
        assert_eq!(shape.moved(-1, 0).area(), 0);
    }
}
