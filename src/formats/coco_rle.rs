//! COCO's run-length encoding: runs down the columns, as numbers or as a compact string.
//!
//! Used by every format that borrowed it (COCO, YouTube-VIS, SA-V, MOTS, Datumaro). The string holds each run, from the
//! fourth on as the difference to the run before the last, in groups of five bits, the lowest first; bit 5 says that
//! more follow, and the sum with 48 is a printable character. pycocotools reads garbage where runs fall short of the
//! frame, so here they are refused.

use crate::label::{FrameSize, Mask, RunBuilder};

/// Why runs are not a mask of the expected size.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RleError {
    /// They cover another number of pixels.
    #[error("the runs cover {covered} pixels, a {size} mask has {}", size.area())]
    WrongTotal {
        /// Sum of the runs, as far as it was counted.
        covered: u64,
        /// Size of the frame.
        size: FrameSize,
    },
    /// A character that the encoding does not use.
    #[error("character {0} of the runs is none of the encoding's")]
    Character(usize),
    /// The last number has no end.
    #[error("the runs end in the middle of a number")]
    CutShort,
    /// A run is below zero or longer than any frame.
    #[error("run {0} is negative or too long")]
    BadRun(usize),
}

/// The runs down the columns: background, object, background … The first may be 0.
pub fn counts(mask: &Mask) -> Vec<u32> {
    let size = mask.size();
    let height = u64::from(size.height);
    let Some(found) = mask.bounding_box() else { return vec![size.area() as u32] };
    let rows = (found.y1 - found.y0) as usize;
    let mut columns = vec![0_u8; (found.x1 - found.x0) as usize * rows];
    for (y, x0, x1) in super::crop::row_spans(mask) {
        let row = (y - found.y0) as usize;
        for x in x0..x1 {
            columns[(x - found.x0) as usize * rows + row] = 1;
        }
    }
    let turned = FrameSize { width: size.height, height: size.width };
    let mut runs = RunBuilder::new(turned);
    for (x, column) in (u64::from(found.x0)..).zip(columns.chunks(rows)) {
        runs.background_to(x * height + u64::from(found.y0));
        runs.push_pixels(column);
    }
    runs.background_to(size.area() as u64);
    runs.finish().expect("every column lies inside the frame").runs().to_vec()
}

/// The mask of a frame of this size from its runs down the columns.
///
/// # Errors
/// When they do not add up to the frame's area.
pub fn mask_from_counts(size: FrameSize, counts: &[u32]) -> Result<Mask, RleError> {
    let covered: u64 = counts.iter().map(|&run| u64::from(run)).sum();
    if covered != size.area() as u64 {
        return Err(RleError::WrongTotal { covered, size });
    }
    let (width, height) = (size.width as usize, size.height as usize);
    let mut spans = Vec::with_capacity(counts.len() / 2);
    let mut at = 0_usize;
    for (i, &run) in counts.iter().enumerate() {
        if i % 2 == 1 && run > 0 {
            spans.push((at, at + run as usize));
        }
        at += run as usize;
    }
    let (Some(first), Some(last)) = (spans.first(), spans.last()) else { return Ok(Mask::empty(size)) };
    // Only the columns that the object touches are held as pixels.
    let (left, right) = (first.0 / height, (last.1 - 1) / height + 1);
    let columns = right - left;
    let mut pixels = vec![0_u8; columns * height];
    for (start, end) in spans {
        for column in start / height..=(end - 1) / height {
            let rows = start.max(column * height) - column * height..end.min((column + 1) * height) - column * height;
            for row in rows {
                pixels[row * columns + column - left] = 1;
            }
        }
    }
    let mut runs = RunBuilder::new(size);
    for (y, row) in pixels.chunks(columns).enumerate() {
        runs.background_to((y * width + left) as u64);
        runs.push_pixels(row);
    }
    runs.background_to(size.area() as u64);
    Ok(runs.finish().expect("as many pixels as the frame has"))
}

/// The mask as COCO's string.
pub fn encode(mask: &Mask) -> String {
    let counts = counts(mask);
    let mut text = String::with_capacity(counts.len() * 2);
    for (i, &run) in counts.iter().enumerate() {
        let before = if i > 2 { i64::from(counts[i - 2]) } else { 0 };
        let mut rest = i64::from(run) - before;
        loop {
            let group = (rest & 0x1F) as u8;
            rest >>= 5;
            // Done when what is left is only the sign, and the group's top bit says that sign.
            let more = if group & 0x10 == 0 { rest != 0 } else { rest != -1 };
            text.push(char::from(48 + group + if more { 0x20 } else { 0 }));
            if !more {
                break;
            }
        }
    }
    text
}

/// The mask of a frame of this size from COCO's string.
///
/// # Errors
/// When it is not such a string, or does not add up to the frame's area.
pub fn decode(size: FrameSize, text: &str) -> Result<Mask, RleError> {
    mask_from_counts(size, &parse_counts(size, text.as_bytes())?)
}

fn parse_counts(size: FrameSize, text: &[u8]) -> Result<Vec<u32>, RleError> {
    let mut counts: Vec<u32> = Vec::new();
    let (mut number, mut shift, mut covered) = (0_i64, 0_u32, 0_u64);
    for (position, &character) in text.iter().enumerate() {
        let group = character.checked_sub(48).filter(|group| *group < 64).ok_or(RleError::Character(position))?;
        // Seven groups hold every difference of two 32-bit numbers.
        if shift >= 35 {
            return Err(RleError::BadRun(counts.len()));
        }
        number |= i64::from(group & 0x1F) << shift;
        shift += 5;
        if group & 0x20 != 0 {
            continue;
        }
        if group & 0x10 != 0 {
            number |= -1 << shift;
        }
        let i = counts.len();
        let before = if i > 2 { i64::from(counts[i - 2]) } else { 0 };
        let run = u32::try_from(number + before).map_err(|_| RleError::BadRun(i))?;
        covered += u64::from(run);
        if covered > size.area() as u64 {
            return Err(RleError::WrongTotal { covered, size });
        }
        counts.push(run);
        (number, shift) = (0, 0);
    }
    if shift > 0 { Err(RleError::CutShort) } else { Ok(counts) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn size(width: u32, height: u32) -> FrameSize {
        FrameSize { width, height }
    }

    /// Column-major runs as the definition says, pixel by pixel.
    fn naive_counts(size: FrameSize, pixels: &[u8]) -> Vec<u32> {
        let (mut runs, mut current) = (vec![0], 0);
        for x in 0..size.width {
            for y in 0..size.height {
                let pixel = pixels[(y * size.width + x) as usize];
                if pixel != current {
                    runs.push(0);
                    current = pixel;
                }
                *runs.last_mut().expect("never empty") += 1;
            }
        }
        runs
    }

    /// The string the other way round: all differences in two's complement, cut to the shortest that keeps the sign.
    fn naive_text(counts: &[u32]) -> String {
        let mut text = String::new();
        for (i, &run) in counts.iter().enumerate() {
            let number = i64::from(run) - if i > 2 { i64::from(counts[i - 2]) } else { 0 };
            let groups = (1..=13).find(|n| number >= -(1 << (5 * n - 1)) && number < 1 << (5 * n - 1));
            let groups = groups.expect("a 64-bit number has at most 13 groups");
            for k in 0..groups {
                let bits = (number >> (5 * k)) & 31;
                text.push((48 + bits as u8 + if k + 1 < groups { 32 } else { 0 }) as char);
            }
        }
        text
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(100))]

        #[test]
        fn agrees_with_the_definition(
            (width, height, pixels) in (1_u32..40, 1_u32..40).prop_flat_map(|(w, h)| {
                (Just(w), Just(h), proptest::collection::vec(0_u8..2, (w * h) as usize))
            }),
        ) {
            let size = size(width, height);
            let mask = Mask::from_pixels(size, &pixels).expect("as many pixels");
            let naive = naive_counts(size, &pixels);
            prop_assert_eq!(&counts(&mask), &naive);
            let text = encode(&mask);
            prop_assert_eq!(&text, &naive_text(&naive));
            prop_assert_eq!(decode(size, &text), Ok(mask));
        }

        #[test]
        fn long_runs_survive(cuts in proptest::collection::vec(1_u32..200_000, 1..10)) {
            let total: u32 = cuts.iter().sum();
            let size = size(1, total);
            let mask = Mask::from_runs(size, cuts).expect("they add up");
            prop_assert_eq!(decode(size, &encode(&mask)), Ok(mask));
        }

        #[test]
        fn foreign_text_is_refused_or_a_mask(text in proptest::collection::vec(40_u8..120, 0..30)) {
            let text = String::from_utf8(text).expect("ASCII");
            if let Ok(mask) = decode(size(5, 4), &text) {
                prop_assert_eq!(mask.size(), size(5, 4));
            }
        }
    }

    #[test]
    fn known_strings() {
        let identity = Mask::from_fn(size(4, 4), |i| i / 4 == i % 4);
        let cases =
            [(Mask::empty(size(4, 3)), "<"), (Mask::from_fn(size(4, 3), |_| true), "0<"), (identity, "01400000")];
        for (mask, text) in cases {
            assert_eq!(encode(&mask), text);
            assert_eq!(decode(mask.size(), text), Ok(mask));
        }
    }

    #[test]
    fn unsound_runs_are_refused() {
        let s = size(4, 3);
        assert!(matches!(decode(s, ""), Err(RleError::WrongTotal { covered: 0, .. })));
        assert!(matches!(decode(s, ";"), Err(RleError::WrongTotal { covered: 11, .. })));
        assert!(matches!(decode(s, "="), Err(RleError::WrongTotal { covered: 13, .. })));
        assert!(matches!(decode(s, "\\"), Err(RleError::CutShort)));
        assert!(matches!(decode(s, "O"), Err(RleError::BadRun(0))), "minus one");
        assert!(matches!(decode(s, "oooooooooooooooo0"), Err(RleError::BadRun(0))));
        assert!(matches!(decode(s, "<é"), Err(RleError::Character(1))));
        assert!(matches!(decode(s, "< "), Err(RleError::Character(1))));
        assert!(matches!(mask_from_counts(s, &[u32::MAX, u32::MAX]), Err(RleError::WrongTotal { .. })));
        // Empty runs in the middle are legal and join their neighbours.
        assert_eq!(mask_from_counts(s, &[3, 0, 9]), Ok(Mask::empty(s)));
        assert_eq!(mask_from_counts(s, &[0, 5, 0, 7]), Ok(Mask::from_fn(s, |_| true)));
    }
}
