//! All prompts of a run, gathered from flags and a file, and checked against the clip.
//!
//! `track` fills it before the model is loaded, so that a typing error costs seconds. After [`Statements::check`] every
//! prompt lies in the clip and in the picture, and after [`JobPrompts::expect_start`] every object has something positive
//! to start from.

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::exit::CliError;
use super::tracker::Direction;
use crate::formats::{mask_png, npy};
use crate::label::{BoxPrompt, FrameIdx, FrameSize, MAX_CLICKS, Mask, ObjectId, Point, PointLabel, Prompt};

/// The prompts of a run.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct JobPrompts {
    /// By object.
    pub objects: BTreeMap<ObjectId, JobObject>,
    /// First and last frame to track, both included; `None` is the whole clip.
    pub range: Option<(FrameIdx, FrameIdx)>,
}

/// The prompts of one object.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct JobObject {
    /// What the user calls it.
    pub name: Option<String>,
    /// By frame.
    pub frames: BTreeMap<FrameIdx, Prompt>,
}

/// Where a mask prompt comes from.
#[derive(Debug, Clone, PartialEq)]
pub enum MaskSource {
    /// A `.png` or `.npy`.
    File(PathBuf),
    /// Runs written in the prompts file.
    Inline(Mask),
}

/// A single statement about an object on a frame, as flags and files make them.
#[derive(Debug, Clone, PartialEq)]
pub enum Statement {
    /// A click.
    Click(Point),
    /// A box.
    Bounds(BoxPrompt),
    /// A mask, not read yet: its size is checked against the clip's.
    Mask(MaskSource),
}

/// What was stated, before the clip is known.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Statements {
    /// In the order they were made.
    pub list: Vec<(FrameIdx, ObjectId, Statement)>,
    /// Names of objects.
    pub names: BTreeMap<ObjectId, String>,
    /// Range from the prompts file or `--range`.
    pub range: Option<(FrameIdx, FrameIdx)>,
}

/// What is said about one object on one frame, while it is gathered.
#[derive(Default)]
struct Gathered {
    clicks: Vec<Point>,
    bounds: Option<BoxPrompt>,
    mask: Option<MaskSource>,
}

impl Statements {
    /// Checks that there is something to track; needs no clip.
    ///
    /// # Errors
    /// When nothing was stated.
    pub fn expect_some(&self) -> Result<(), CliError> {
        if !self.list.is_empty() {
            return Ok(());
        }
        Err(CliError::usage(
            "no prompt was given, so there is nothing to track; add --point FRAME:OBJECT:X,Y, --box, --mask or --prompts",
        ))
    }

    /// Puts the statements together and checks them against a clip of `frame_count` frames of `size`. The second value
    /// are hints: what was adjusted.
    ///
    /// # Errors
    /// Naming the object, the frame and the way out.
    pub fn check(self, size: FrameSize, frame_count: u32) -> Result<(JobPrompts, Vec<String>), CliError> {
        self.expect_some()?;
        check_range(self.range, frame_count)?;
        let mut hints = Vec::new();
        let mut job = JobPrompts { range: self.range, ..JobPrompts::default() };
        for ((object, frame), gathered) in gather(self.list)? {
            let place = format!("object {object}, frame {frame}");
            if frame.0 >= frame_count {
                let last = frame_count.saturating_sub(1);
                return Err(CliError::usage(format!("{place}: the clip's frames are 0 to {last}; choose one of them")));
            }
            if let Some((first, last)) = self.range.filter(|(first, last)| frame < *first || frame > *last) {
                let message = format!("{place}: the prompt lies outside the range {first}..{last}; widen --range");
                return Err(CliError::usage(message));
            }
            let prompt = gathered.into_prompt(&place, size, &mut hints)?;
            job.objects.entry(object).or_default().frames.insert(frame, prompt);
        }
        for (object, name) in self.names {
            if let Some(prompts) = job.objects.get_mut(&object) {
                prompts.name = Some(name);
            }
        }
        Ok((job, hints))
    }
}

impl JobPrompts {
    /// Checks that each object is shown where its track begins: negative clicks can only correct what was tracked.
    ///
    /// # Errors
    /// Naming the object, the frame and the way out.
    pub fn expect_start(&self, direction: Direction) -> Result<(), CliError> {
        for (object, prompts) in &self.objects {
            let start = match direction {
                Direction::Forward | Direction::Both => prompts.frames.first_key_value(),
                Direction::Backward => prompts.frames.last_key_value(),
            };
            if let Some((frame, _)) = start.filter(|(_, prompt)| !is_positive(prompt)) {
                return Err(CliError::usage(format!(
                    "object {object} begins on frame {frame} with only negative clicks; \
                     add a positive click, a box or a mask there that shows where it is"
                )));
            }
        }
        Ok(())
    }
}

/// Checks a range against a clip of so many frames.
///
/// # Errors
/// When it runs backwards or passes the clip's end.
pub fn check_range(range: Option<(FrameIdx, FrameIdx)>, frame_count: u32) -> Result<(), CliError> {
    let Some((first, last)) = range else { return Ok(()) };
    if first > last {
        return Err(CliError::usage(format!("--range {first}..{last} runs backwards; write the smaller frame first")));
    }
    if last.0 >= frame_count {
        let end = frame_count.saturating_sub(1);
        return Err(CliError::usage(format!(
            "--range {first}..{last} passes the clip's last frame, {end}; end it there"
        )));
    }
    Ok(())
}

fn gather(list: Vec<(FrameIdx, ObjectId, Statement)>) -> Result<BTreeMap<(ObjectId, FrameIdx), Gathered>, CliError> {
    let mut all: BTreeMap<(ObjectId, FrameIdx), Gathered> = BTreeMap::new();
    for (frame, object, statement) in list {
        let gathered = all.entry((object, frame)).or_default();
        let twice = |what: &str| {
            CliError::usage(format!("object {object}, frame {frame}: two {what} were given; keep one of them"))
        };
        match statement {
            Statement::Click(point) => gathered.clicks.push(point),
            Statement::Bounds(_) if gathered.bounds.is_some() => return Err(twice("boxes")),
            Statement::Bounds(bounds) => gathered.bounds = Some(bounds),
            Statement::Mask(_) if gathered.mask.is_some() => return Err(twice("masks")),
            Statement::Mask(mask) => gathered.mask = Some(mask),
        }
    }
    Ok(all)
}

impl Gathered {
    fn into_prompt(self, place: &str, size: FrameSize, hints: &mut Vec<String>) -> Result<Prompt, CliError> {
        if let Some(source) = self.mask {
            if !self.clicks.is_empty() || self.bounds.is_some() {
                return Err(CliError::usage(format!(
                    "{place}: a mask and clicks or a box were given; a mask stands alone, so keep one kind"
                )));
            }
            return read_mask(source, place, size).map(Prompt::Mask);
        }
        if self.clicks.len() > MAX_CLICKS {
            let count = self.clicks.len();
            return Err(CliError::usage(format!(
                "{place}: {count} clicks, the limit is {MAX_CLICKS}; give a mask instead"
            )));
        }
        for click in &self.clicks {
            check_click(click, place, size)?;
        }
        let bounds = self.bounds.map(|bounds| clamp_box(bounds, place, size, hints)).transpose()?;
        Ok(Prompt::Clicks { points: self.clicks, bounds })
    }
}

fn read_mask(source: MaskSource, place: &str, size: FrameSize) -> Result<Mask, CliError> {
    let (mask, shown) = match source {
        MaskSource::File(path) => {
            let is_npy = path.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("npy"));
            let mask = if is_npy { npy::read_mask(&path, size) } else { mask_png::read_mask(&path, size) };
            (mask?, path.display().to_string())
        }
        MaskSource::Inline(mask) => (mask, "its mask".to_owned()),
    };
    if mask.size() != size {
        let found = mask.size();
        return Err(CliError::usage(format!(
            "{place}: {shown} is {found}, the clip's frames are {size}; make it that size"
        )));
    }
    if mask.is_empty() {
        return Err(CliError::usage(format!("{place}: {shown} has no object pixel; paint the object or leave it out")));
    }
    Ok(mask)
}

/// A pixel's centre is a whole number, so the picture reaches half a pixel further on each side.
fn check_click(click: &Point, place: &str, size: FrameSize) -> Result<(), CliError> {
    let inside = |at: f32, side: u32| at.is_finite() && f64::from(at) >= -0.5 && f64::from(at) <= f64::from(side) - 0.5;
    if inside(click.x, size.width) && inside(click.y, size.height) {
        return Ok(());
    }
    let (x, y) = (click.x, click.y);
    Err(CliError::usage(format!(
        "{place}: the click {x},{y} is outside the {size} picture; x and y are pixels from its top left"
    )))
}

/// A box drawn past the border means the border.
fn clamp_box(drawn: BoxPrompt, place: &str, size: FrameSize, hints: &mut Vec<String>) -> Result<BoxPrompt, CliError> {
    let corners: [f32; 4] = drawn.into();
    let [x0, y0, x1, y1] = corners;
    if corners.iter().any(|at| !at.is_finite()) {
        return Err(CliError::usage(format!("{place}: the box {x0},{y0},{x1},{y1} has a corner that is no number")));
    }
    let (right, bottom) = (size.width as f32, size.height as f32);
    let clamped = BoxPrompt {
        x0: x0.clamp(0.0, right),
        y0: y0.clamp(0.0, bottom),
        x1: x1.clamp(0.0, right),
        y1: y1.clamp(0.0, bottom),
    };
    if clamped.x0 >= clamped.x1 || clamped.y0 >= clamped.y1 {
        return Err(CliError::usage(format!(
            "{place}: the box {x0},{y0},{x1},{y1} covers nothing of the {size} picture; give two different corners inside it"
        )));
    }
    if clamped != drawn {
        hints.push(format!("{place}: the box {x0},{y0},{x1},{y1} was cut at the border of the {size} picture"));
    }
    Ok(clamped)
}

fn is_positive(prompt: &Prompt) -> bool {
    match prompt {
        Prompt::Clicks { points, bounds } => {
            bounds.is_some() || points.iter().any(|point| point.label == PointLabel::Positive)
        }
        Prompt::Mask(_) => true,
    }
}
