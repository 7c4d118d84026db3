//! A binary mask, run-length encoded.
//!
//! Masks are what the whole program moves about: they cross threads, go to disk and come back, so they are small and
//! always sound. Pixels exist only where somebody asks for them.

use serde::{Deserialize, Serialize};

use super::{FrameSize, RunBuilder};

/// A binary mask over a frame, as runs in row-major order.
///
/// Runs alternate background, object, background …, starting with background (which may be 0 long); only the first run
/// may be 0, and the runs add up to the frame's area. Every constructor checks this.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "gui", derive(bevy::ecs::component::Component))]
#[serde(try_from = "RawMask", into = "RawMask")]
pub struct Mask {
    size: FrameSize,
    runs: Vec<u32>,
}

/// Why runs or pixels are not a mask.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MaskError {
    /// The runs cover fewer or more pixels than the frame has.
    #[error("the mask's runs cover {covered} pixels, the {size} frame has {expected}")]
    WrongTotal {
        /// Frame size.
        size: FrameSize,
        /// Sum of the runs.
        covered: u64,
        /// Pixels in the frame.
        expected: u64,
    },
    /// A run other than the first is empty.
    #[error("run {index} of the mask is empty")]
    EmptyRun {
        /// Its position.
        index: usize,
    },
    /// The pixel buffer has the wrong length.
    #[error("{got} pixels were given for a {size} mask")]
    WrongLength {
        /// Frame size.
        size: FrameSize,
        /// Length of the buffer.
        got: usize,
    },
}

/// Smallest rectangle that holds the mask; `x1` and `y1` are one past the last pixel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BoundingBox {
    /// Left.
    pub x0: u32,
    /// Top.
    pub y0: u32,
    /// One past the right.
    pub x1: u32,
    /// One past the bottom.
    pub y1: u32,
}

#[derive(Serialize, Deserialize)]
struct RawMask {
    size: FrameSize,
    runs: Vec<u32>,
}

impl TryFrom<RawMask> for Mask {
    type Error = MaskError;

    fn try_from(raw: RawMask) -> Result<Self, MaskError> {
        Mask::from_runs(raw.size, raw.runs)
    }
}

impl From<Mask> for RawMask {
    fn from(mask: Mask) -> Self {
        RawMask { size: mask.size, runs: mask.runs }
    }
}

impl Mask {
    /// A mask without a single pixel.
    pub fn empty(size: FrameSize) -> Self {
        Mask { size, runs: vec![u32::try_from(size.area()).expect("frames are under 2^32 pixels")] }
    }

    /// Encodes one flag per pixel, row-major.
    pub fn from_fn(size: FrameSize, mut is_object: impl FnMut(usize) -> bool) -> Self {
        let mut runs = RunBuilder::new(size);
        let (mut inside, mut start) = (false, 0);
        for i in 0..size.area() {
            if is_object(i) != inside {
                runs.push(inside, (i - start) as u64);
                (inside, start) = (!inside, i);
            }
        }
        runs.push(inside, (size.area() - start) as u64);
        runs.finish().expect("every pixel was asked for")
    }

    /// Encodes a row-major buffer in which every value but 0 is the object.
    ///
    /// # Errors
    /// When the buffer's length is not the frame's area.
    pub fn from_pixels(size: FrameSize, pixels: &[u8]) -> Result<Self, MaskError> {
        if pixels.len() != size.area() {
            return Err(MaskError::WrongLength { size, got: pixels.len() });
        }
        Ok(Self::from_fn(size, |i| pixels[i] != 0))
    }

    /// Takes runs made elsewhere.
    ///
    /// # Errors
    /// When they do not add up to the frame's area or hold an empty run after the first.
    pub fn from_runs(size: FrameSize, runs: Vec<u32>) -> Result<Self, MaskError> {
        let covered: u64 = runs.iter().map(|&r| u64::from(r)).sum();
        let expected = size.area() as u64;
        if covered != expected {
            return Err(MaskError::WrongTotal { size, covered, expected });
        }
        if let Some(index) = runs.iter().skip(1).position(|&r| r == 0) {
            return Err(MaskError::EmptyRun { index: index + 1 });
        }
        Ok(Mask { size, runs })
    }

    /// Encodes row-major pixel intervals `[start, end)` that ascend by their start and lie inside the frame; they may
    /// overlap and touch. Panics when they do not.
    pub(super) fn from_spans(size: FrameSize, spans: impl IntoIterator<Item = (usize, usize)>) -> Self {
        let mut runs = RunBuilder::new(size);
        let mut at = 0_usize;
        for (start, end) in spans {
            let start = start.max(at);
            if start < end {
                runs.background_to(start as u64);
                runs.push(true, (end - start) as u64);
                at = end;
            }
        }
        runs.background_to(size.area() as u64);
        runs.finish().expect("intervals lie inside the frame")
    }

    /// This mask without the pixels of another. Panics when they lie on frames of different sizes.
    #[must_use]
    pub fn without(&self, other: &Mask) -> Mask {
        assert_eq!(self.size, other.size, "masks of one frame are cut from each other");
        self.without_spans(other.spans())
    }

    /// This mask without row-major pixel intervals `[start, end)` that ascend and share no pixel.
    pub(super) fn without_spans(&self, cuts: impl Iterator<Item = (usize, usize)>) -> Mask {
        let mut cuts = cuts.peekable();
        let mut left = Vec::new();
        for (mut start, end) in self.spans() {
            while let Some(&(cut_start, cut_end)) = cuts.peek() {
                if cut_end <= start {
                    cuts.next();
                } else if cut_start >= end {
                    break;
                } else {
                    if cut_start > start {
                        left.push((start, cut_start));
                    }
                    start = cut_end.min(end);
                    if cut_end > end {
                        break;
                    }
                    cuts.next();
                }
            }
            if start < end {
                left.push((start, end));
            }
        }
        Mask::from_spans(self.size(), left)
    }

    /// Whether a pixel belongs to the object; false outside the frame.
    pub fn contains(&self, x: u32, y: u32) -> bool {
        if x >= self.size.width || y >= self.size.height {
            return false;
        }
        let pixel = y as usize * self.size.width as usize + x as usize;
        self.spans().take_while(|(start, _)| *start <= pixel).any(|(_, end)| pixel < end)
    }

    /// Size of the frame the mask lies on.
    pub fn size(&self) -> FrameSize {
        self.size
    }

    /// The runs: background, object, background …
    pub fn runs(&self) -> &[u32] {
        &self.runs
    }

    /// Object pixels.
    pub fn area(&self) -> u64 {
        self.runs.iter().skip(1).step_by(2).map(|&r| u64::from(r)).sum()
    }

    /// Whether no pixel belongs to the object.
    pub fn is_empty(&self) -> bool {
        self.runs.len() <= 1
    }

    /// Start and end (exclusive) of each object run, as row-major pixel positions.
    pub fn spans(&self) -> impl Iterator<Item = (usize, usize)> + '_ {
        let mut at = 0_usize;
        self.runs.iter().enumerate().filter_map(move |(i, &run)| {
            let start = at;
            at += run as usize;
            (i % 2 == 1).then_some((start, at))
        })
    }

    /// One byte per pixel, row-major: 1 on the object, 0 elsewhere.
    pub fn to_pixels(&self) -> Vec<u8> {
        let mut pixels = vec![0; self.size.area()];
        for (start, end) in self.spans() {
            pixels[start..end].fill(1);
        }
        pixels
    }

    /// The smallest rectangle around the object; `None` when the mask is empty.
    pub fn bounding_box(&self) -> Option<BoundingBox> {
        let width = self.size.width as usize;
        let mut found: Option<BoundingBox> = None;
        for (start, end) in self.spans() {
            let (top, bottom) = (start / width, (end - 1) / width);
            let (left, right) = if top == bottom { (start % width, (end - 1) % width) } else { (0, width - 1) };
            let (x0, y0, x1, y1) = (left as u32, top as u32, right as u32 + 1, bottom as u32 + 1);
            found = Some(match found {
                None => BoundingBox { x0, y0, x1, y1 },
                Some(b) => BoundingBox { x0: b.x0.min(x0), y0: b.y0.min(y0), x1: b.x1.max(x1), y1: b.y1.max(y1) },
            });
        }
        // A run that wraps over a row end but stays short still touches both columns, so the box above is exact.
        found
    }

    /// Pixels in both masks. Masks of different frames sizes share none.
    pub fn intersection(&self, other: &Mask) -> u64 {
        if self.size != other.size {
            return 0;
        }
        let (mut a, mut b) = (self.spans().peekable(), other.spans().peekable());
        let mut shared = 0_u64;
        while let (Some(&(a0, a1)), Some(&(b0, b1))) = (a.peek(), b.peek()) {
            shared += a1.min(b1).saturating_sub(a0.max(b0)) as u64;
            if a1 <= b1 {
                a.next();
            } else {
                b.next();
            }
        }
        shared
    }

    /// Intersection over union; two empty masks agree completely.
    pub fn iou(&self, other: &Mask) -> f64 {
        let shared = self.intersection(other);
        let union = self.area() + other.area() - shared;
        if union == 0 { 1.0 } else { shared as f64 / union as f64 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const SIZE: FrameSize = FrameSize { width: 4, height: 3 };

    #[test]
    fn known_pixels_give_known_runs() {
        let cases: [(&str, [u8; 12], &[u32]); 4] = [
            ("empty", [0; 12], &[12]),
            ("full", [1; 12], &[0, 12]),
            ("first pixel", [1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0], &[0, 1, 11]),
            ("wraps over a row", [0, 0, 0, 9, 9, 0, 0, 0, 0, 0, 0, 1], &[3, 2, 6, 1]),
        ];
        for (name, pixels, runs) in cases {
            assert_eq!(Mask::from_pixels(SIZE, &pixels).expect(name).runs(), runs, "{name}");
        }
    }

    #[test]
    fn unsound_runs_are_refused() {
        assert!(matches!(Mask::from_runs(SIZE, vec![11]), Err(MaskError::WrongTotal { covered: 11, .. })));
        assert!(matches!(Mask::from_runs(SIZE, vec![u32::MAX, u32::MAX]), Err(MaskError::WrongTotal { .. })));
        assert!(matches!(Mask::from_runs(SIZE, vec![6, 0, 6]), Err(MaskError::EmptyRun { index: 1 })));
        assert!(matches!(Mask::from_pixels(SIZE, &[0; 11]), Err(MaskError::WrongLength { got: 11, .. })));
        assert!(serde_json::from_str::<Mask>(r#"{"size":{"width":4,"height":3},"runs":[13]}"#).is_err());
    }

    proptest! {
        #[test]
        fn measures_agree_with_pixels(a in proptest::collection::vec(0_u8..2, 12), b in proptest::collection::vec(0_u8..2, 12)) {
            let (ma, mb) = (Mask::from_pixels(SIZE, &a).expect("12 pixels"), Mask::from_pixels(SIZE, &b).expect("12 pixels"));
            prop_assert_eq!(&ma.to_pixels(), &a);
            prop_assert_eq!(&Mask::from_runs(SIZE, ma.runs().to_vec()).expect("own runs"), &ma);
            let inside: Vec<u8> = (0..12).map(|i| u8::from(ma.contains(i % 4, i / 4))).collect();
            prop_assert_eq!(&inside, &a);
            prop_assert_eq!(ma.area(), a.iter().map(|&v| u64::from(v)).sum::<u64>());
            prop_assert_eq!(ma.is_empty(), ma.area() == 0);
            let shared = a.iter().zip(&b).filter(|(x, y)| **x + **y == 2).count() as u64;
            prop_assert_eq!(ma.intersection(&mb), shared);
            let left: Vec<u8> = a.iter().zip(&b).map(|(x, y)| u8::from(*x > *y)).collect();
            prop_assert_eq!(&ma.without(&mb), &Mask::from_pixels(SIZE, &left).expect("12 pixels"));
            let set: Vec<usize> = (0..12).filter(|&i| a[i] == 1).collect();
            let expected = set.first().map(|_| BoundingBox {
                x0: set.iter().map(|i| i % 4).min().expect("set") as u32,
                y0: set.iter().map(|i| i / 4).min().expect("set") as u32,
                x1: set.iter().map(|i| i % 4).max().expect("set") as u32 + 1,
                y1: set.iter().map(|i| i / 4).max().expect("set") as u32 + 1,
            });
            prop_assert_eq!(ma.bounding_box(), expected);
        }
    }
}
