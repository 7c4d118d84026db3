//! What `track` tells while it works, into a folder or into a project, and in which words.

use std::time::Instant;

use serde::Serialize;

use super::exit::CliError;
use super::progress::{Kept, Reporter};
use super::score::Score;
use crate::label::{FrameIdx, ObjectId, counted};

/// With `--json` each is a line, its kind under `event`.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "event", rename_all = "lowercase")]
enum Event<'a> {
    Start(&'a Start),
    Frame(&'a MaskMade),
    Done(&'a Done),
    Score(&'a Score),
}

/// The run begins.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Start {
    /// The clip's path.
    pub clip: String,
    /// The output folder, or the project.
    pub out: String,
    /// Frames that will be tracked.
    pub frames: u32,
    /// Objects that will be tracked.
    pub objects: Vec<ObjectId>,
    /// Masks that are there already.
    pub resumed: usize,
}

/// A mask is on the disk, or on its way into the project.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct MaskMade {
    /// Frame.
    pub frame: FrameIdx,
    /// The frame's file; only folders of images have names.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Object.
    pub object: ObjectId,
    /// Object pixels.
    pub area: u64,
    /// Object score; above 0 the object is there.
    pub score: f32,
    /// The model's guess of the mask's IoU.
    pub iou: f32,
    /// How little the mask changes when its threshold moves, 0 to 1.
    pub stability: f32,
    /// File name in the output folder; masks in a project have none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
}

/// The run came to its end.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Done {
    /// Frames tracked by this call.
    pub frames: u32,
    /// Masks in the folder; with a project, masks this call put into it.
    pub masks: usize,
    /// Time this call took.
    pub seconds: f64,
    /// Frames per second of this call.
    pub fps: f64,
    /// Frames that did not decode.
    pub damaged: Vec<FrameIdx>,
}

impl Done {
    /// Of a run that tracked so many frames since `start`.
    pub fn since(start: Instant, frames: u32, masks: usize, damaged: Vec<FrameIdx>) -> Self {
        let seconds = start.elapsed().as_secs_f64();
        let fps = if seconds > 0.0 { f64::from(frames) / seconds } else { 0.0 };
        Done { frames, masks, seconds, fps, damaged }
    }
}

/// Tells that a run begins.
///
/// # Errors
/// When standard output is closed or full; so do the others here.
pub fn start(reporter: &mut Reporter<'_>, start: &Start) -> Result<(), CliError> {
    reporter.expect_frames(start.frames);
    reporter.tell(&Event::Start(start), &format!("tracking {} into {}", counted(start.frames, "frame"), start.out))
}

/// Tells of a mask.
pub fn mask(reporter: &mut Reporter<'_>, made: &MaskMade) -> Result<(), CliError> {
    let MaskMade { frame, object, area, file, .. } = made;
    let file = file.as_ref().map_or_else(String::new, |file| format!(", {file}"));
    reporter.of_frame(&Event::Frame(made), format!("frame {frame} object {object}: {area} pixels{file}"))
}

/// Tells that a run came to its end.
pub fn done(reporter: &mut Reporter<'_>, done: &Done) -> Result<(), CliError> {
    let Done { frames, masks, seconds, fps, damaged } = done;
    let (frames, masks) = (counted(*frames, "frame"), counted(*masks, "mask"));
    let mut words = format!("done: {frames} in {seconds:.1} s ({fps:.2} frames/s), {masks}");
    if !damaged.is_empty() {
        words.push_str(&format!("; {}: {}", counted(damaged.len(), "damaged frame"), ranges(damaged)));
    }
    reporter.clear();
    reporter.tell(&Event::Done(done), &words)
}

/// Tells how close the masks are to the ground truth. That is a result and goes to standard output.
pub fn score(reporter: &mut Reporter<'_>, score: &Score) -> Result<(), CliError> {
    reporter.result(&Event::Score(score), &score.to_string())
}

/// Tells that a run was asked to stop, and how to go on.
pub fn stopped(reporter: &mut Reporter<'_>, kept: Kept) -> Result<(), CliError> {
    let (frames, masks) = (counted(kept.frames, "frame"), counted(kept.masks, "mask"));
    let words = format!("stopped after {frames}, {masks} kept; run the same command again to go on");
    reporter.stopped(&words, Some(kept))
}

/// Frames in rising order, those in a row as `--range` takes them: `7 31..246`.
pub(super) fn ranges(frames: &[FrameIdx]) -> String {
    let in_a_row = frames.chunk_by(|one, next| one.0 + 1 == next.0);
    let words = in_a_row.map(|run| match run {
        [one] => one.to_string(),
        run => format!("{}..{}", run[0], run[run.len() - 1]),
    });
    words.collect::<Vec<String>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_in_a_row_are_told_as_a_range() {
        assert_eq!(ranges(&[7, 31, 32, 33, 40].map(FrameIdx)), "7 31..33 40");
    }
}
