//! Regions of like colour around clicks: how the test engine answers prompts. A pure function of the picture, the words
//! and the mask they correct.

use crate::label::{BoxPrompt, FrameSize, Point, PointLabel};

use super::picture::{Picture, Shape, coordinates, place};

/// How far colours may be from the clicked one, in steps of 8-bit RGB: narrow, middle, wide.
const TOLERANCES: [f32; 3] = [40.0, 20.0, 75.0];
/// How much a pixel of distance from a click counts against a step of colour, where clicks compete.
const STEPS_PER_PIXEL: f32 = 0.25;
/// Tolerances are moved by this share to see whether a region is stable.
const STABILITY_SHARE: f32 = 0.15;
/// A region that covers more than this share of the picture is probably not the object.
const LIKELY_SHARE: f64 = 0.6;

/// A shape, and how sure it is, 0 to 1.
#[derive(Debug, Clone)]
pub struct Candidate {
    /// The shape.
    pub shape: Shape,
    /// How little it changes with the tolerance.
    pub stability: f32,
    /// How likely it is what was meant.
    pub quality: f32,
}

/// Clicks and a box, in pixels of the picture.
pub struct Words {
    points: Vec<(i32, i32, PointLabel)>,
    bounds: Option<(i32, i32, i32, i32)>,
}

impl Words {
    /// From pixels of a clip of size `full`.
    pub fn new(points: &[Point], bounds: Option<BoxPrompt>, full: FrameSize) -> Self {
        let size = Picture::size_for(full);
        let column =
            |x: f32| (((x + 0.5) * size.width as f32 / full.width as f32) as i32).clamp(0, size.width as i32 - 1);
        let row =
            |y: f32| (((y + 0.5) * size.height as f32 / full.height as f32) as i32).clamp(0, size.height as i32 - 1);
        Words {
            points: points.iter().map(|p| (column(p.x), row(p.y), p.label)).collect(),
            bounds: bounds.map(|b| (column(b.x0), row(b.y0), column(b.x1), row(b.y1))),
        }
    }

    fn of(&self, label: PointLabel) -> Vec<(i32, i32)> {
        self.points.iter().filter(|(.., l)| *l == label).map(|(x, y, _)| (*x, *y)).collect()
    }
}

/// The candidates of the words, the likeliest first: three for a single positive click, else one. `choice` says which
/// candidate of the first click the later ones build on.
pub fn candidates(picture: &Picture, words: &Words, base: Option<&Shape>, choice: usize) -> Vec<Candidate> {
    let first = match (words.bounds, words.points.first()) {
        (None, Some(&(x, y, PointLabel::Positive))) => Some(ranked(picture, x, y, base)),
        (Some(_), _) | (None, Some((_, _, PointLabel::Negative)) | None) => None,
    };
    match first {
        Some(ranked) if words.points.len() == 1 => ranked.into_iter().map(|(_, candidate)| candidate).collect(),
        Some(ranked) => {
            let tolerance = ranked.get(choice).map_or(TOLERANCES[0], |(tolerance, _)| *tolerance);
            vec![candidate(picture, words, base, tolerance)]
        }
        None => vec![candidate(picture, words, base, TOLERANCES[0])],
    }
}

/// The three candidates of a click, each with its tolerance.
fn ranked(picture: &Picture, x: i32, y: i32, base: Option<&Shape>) -> Vec<(f32, Candidate)> {
    let words = Words { points: vec![(x, y, PointLabel::Positive)], bounds: None };
    let mut ranked: Vec<(f32, Candidate)> =
        TOLERANCES.iter().map(|&tolerance| (tolerance, candidate(picture, &words, base, tolerance))).collect();
    // Stable: among equals the middle tolerance leads.
    ranked.sort_by(|(_, a), (_, b)| b.quality.total_cmp(&a.quality));
    ranked
}

fn candidate(picture: &Picture, words: &Words, base: Option<&Shape>, tolerance: f32) -> Candidate {
    let shape = shape(picture, words, base, tolerance);
    let narrow = self::shape(picture, words, base, tolerance * (1.0 - STABILITY_SHARE));
    let wide = self::shape(picture, words, base, tolerance * (1.0 + STABILITY_SHARE));
    let shared = narrow.pixels().filter(|i| wide.on[*i]).count();
    let union = narrow.area() + wide.area() - shared;
    let stability = if union == 0 { 1.0 } else { shared as f32 / union as f32 };
    let is_too_large = shape.area() as f64 > LIKELY_SHARE * picture.size.area() as f64;
    let quality = 0.5 + 0.5 * stability - if is_too_large { 0.4 } else { 0.0 };
    Candidate { shape, stability, quality }
}

/// What the positive clicks reach, and the mask they correct, without what is nearer to a negative one.
fn shape(picture: &Picture, words: &Words, base: Option<&Shape>, tolerance: f32) -> Shape {
    let size = picture.size;
    let mut positives = words.of(PointLabel::Positive);
    if let (true, Some((x0, y0, x1, y1))) = (positives.is_empty(), words.bounds) {
        positives.push(((x0 + x1) / 2, (y0 + y1) / 2));
    }
    let negatives = words.of(PointLabel::Negative);
    let mut shape = base.cloned().unwrap_or_else(|| Shape::empty(size));
    let costs_of = |clicks: &[(i32, i32)]| -> Vec<f32> {
        let mut costs = vec![f32::INFINITY; size.area()];
        for &(x, y) in clicks {
            grow(picture, (x, y), words.bounds, tolerance, &mut costs);
        }
        costs
    };
    let (wanted, unwanted) = (costs_of(&positives), costs_of(&negatives));
    for i in 0..size.area() {
        shape.on[i] = (shape.on[i] || wanted[i].is_finite()) && unwanted[i] >= wanted[i].min(f32::MAX);
    }
    shape
}

/// Lowers the cost of every pixel that is joined to the click by pixels of like colour, inside the box.
fn grow(picture: &Picture, click: (i32, i32), bounds: Option<(i32, i32, i32, i32)>, tolerance: f32, costs: &mut [f32]) {
    let size = picture.size;
    let colour = colour_around(picture, click);
    let is_allowed =
        |x: i32, y: i32| bounds.is_none_or(|(x0, y0, x1, y1)| (x0..=x1).contains(&x) && (y0..=y1).contains(&y));
    let Some(start) = place(size, click.0, click.1).filter(|_| is_allowed(click.0, click.1)) else { return };
    let mut seen = vec![false; size.area()];
    let mut open = vec![start];
    seen[start] = true;
    while let Some(i) = open.pop() {
        let (x, y) = coordinates(size, i);
        let away = ((x - click.0) as f32).hypot((y - click.1) as f32);
        costs[i] = costs[i].min(difference(picture.pixels[i].map(f32::from), colour) + STEPS_PER_PIXEL * away);
        for (dx, dy) in [(1, 0), (-1, 0), (0, 1), (0, -1)] {
            if let Some(next) = place(size, x + dx, y + dy)
                && !seen[next]
                && is_allowed(x + dx, y + dy)
                && difference(picture.pixels[next].map(f32::from), colour) <= tolerance
            {
                seen[next] = true;
                open.push(next);
            }
        }
    }
}

/// The clicked colour: the middle value of each channel among the neighbours, so that one odd pixel does not decide.
fn colour_around(picture: &Picture, (x, y): (i32, i32)) -> [f32; 3] {
    let around = (-1..=1).flat_map(|dy| (-1..=1).map(move |dx| (x + dx, y + dy)));
    let near: Vec<[u8; 3]> = around.filter_map(|(x, y)| place(picture.size, x, y)).map(|i| picture.pixels[i]).collect();
    [0, 1, 2].map(|channel| {
        let mut values: Vec<u8> = near.iter().map(|pixel| pixel[channel]).collect();
        values.sort_unstable();
        values.get(values.len() / 2).map_or(0.0, |value| f32::from(*value))
    })
}

/// Distance of two colours.
pub fn difference(a: [f32; 3], b: [f32; 3]) -> f32 {
    a.iter().zip(b).map(|(a, b)| (a - b) * (a - b)).sum::<f32>().sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIZE: FrameSize = FrameSize { width: 40, height: 20 };

    /// A red rectangle with a darker right half on grey.
    fn picture() -> Picture {
        let pixels = (0..SIZE.area()).map(|i| match coordinates(SIZE, i) {
            (10..20, 5..15) => [200, 40, 40],
            (20..30, 5..15) => [150, 30, 30],
            _ => [90, 90, 90],
        });
        Picture { size: SIZE, pixels: pixels.collect() }
    }

    fn words(points: &[(f32, f32, PointLabel)], bounds: Option<BoxPrompt>) -> Words {
        let points: Vec<Point> = points.iter().map(|&(x, y, label)| Point { x, y, label }).collect();
        Words::new(&points, bounds, SIZE)
    }

    #[test]
    fn a_click_reads_as_a_part_and_as_the_whole() {
        let made = candidates(&picture(), &words(&[(15.0, 10.0, PointLabel::Positive)], None), None, 0);
        let mut areas: Vec<usize> = made.iter().map(|candidate| candidate.shape.area()).collect();
        areas.sort_unstable();
        assert_eq!(areas, [100, 100, 200], "one half by the two narrow tolerances, both by the wide one");
        assert!(made.is_sorted_by(|a, b| a.quality >= b.quality));
    }

    #[test]
    fn later_clicks_build_on_the_chosen_candidate() {
        let picture = picture();
        let first = words(&[(15.0, 10.0, PointLabel::Positive)], None);
        let single = candidates(&picture, &first, None, 0);
        let wide = single.iter().position(|candidate| candidate.shape.area() == 200).expect("the wide candidate");
        let both = words(&[(15.0, 10.0, PointLabel::Positive), (5.0, 10.0, PointLabel::Negative)], None);
        assert_eq!(candidates(&picture, &both, None, wide)[0].shape, single[wide].shape);
        let narrow = (wide + 1) % 3;
        assert_eq!(candidates(&picture, &both, None, narrow)[0].shape, single[narrow].shape);
    }

    #[test]
    fn clicks_correct_the_mask_they_start_from() {
        let picture = picture();
        let mut base = Shape::empty(SIZE);
        base.on[..400].fill(true);
        let words = words(&[(15.0, 12.0, PointLabel::Positive), (2.0, 2.0, PointLabel::Negative)], None);
        let made = &candidates(&picture, &words, Some(&base), 0)[0].shape;
        assert!(made.has(15, 12) && !made.has(2, 2) && !made.has(35, 5), "grey goes, red comes");
        assert!(made.has(25, 7), "what nobody spoke of stays");
    }

    #[test]
    fn a_box_holds_what_grows_from_its_middle() {
        let bounds = Some(BoxPrompt { x0: 12.0, y0: 6.0, x1: 17.0, y1: 9.0 });
        let made = &candidates(&picture(), &words(&[], bounds), None, 0)[0];
        assert_eq!(made.shape.area(), 6 * 4);
    }
}
