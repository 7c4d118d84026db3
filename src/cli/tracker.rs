//! The seam between `track` and the model: what it asks for, and what it gets back frame by frame.
//!
//! `track` knows prompts, files, signals and progress; behind [`Tracker`] are the decoder and SAM 2.1. Tests put a fake
//! behind it. [`open_tracker`] is the only function that knows the real ones.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::exit::CliError;
use super::prompts::JobPrompts;
use super::signals::StopFlag;
use crate::engine::OpenDevice;
use crate::label::{FrameIdx, FrameSize, Mask, ObjectId};
use crate::sam2::checkpoint::Checkpoint;

/// What `track` needs to know about a clip.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrackedClip {
    /// A hash that names the clip whatever its path.
    pub identity: String,
    /// Size of every frame and every mask.
    pub size: FrameSize,
    /// Frames in the clip.
    pub frame_count: u32,
    /// What the user should know about it.
    pub notices: Vec<String>,
}

/// Which way to track from the prompts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Direction {
    /// Towards the clip's end.
    Forward,
    /// Towards its beginning.
    Backward,
    /// Forward, then backward from the first prompt.
    Both,
}

/// What happens on frames that do not decode soundly.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum DamagedFrames {
    /// No mask is written, but for an object with a prompt on that very frame: what was said stands.
    Skip,
    /// As skip, and the other objects' last masks are written again.
    Hold,
    /// The model runs on whatever was decoded.
    Use,
}

/// A run, checked: every prompt is inside the clip, the folder is ours.
#[derive(Debug)]
pub struct TrackJob {
    /// What is tracked.
    pub prompts: JobPrompts,
    /// First frame, included.
    pub first: FrameIdx,
    /// Last frame, included.
    pub last: FrameIdx,
    /// Which way.
    pub direction: Direction,
    /// Side of the square the model sees, in pixels; `None` is the model's own.
    pub resolution: Option<u32>,
    /// Frames that do not decode.
    pub damaged: DamagedFrames,
    /// Whether a pixel belongs to one object at most.
    pub no_overlap: bool,
    /// Where the model runs; opened before anything was written.
    pub device: OpenDevice,
    /// Threads to use; `None` leaves the choice to the model.
    pub threads: Option<usize>,
    /// Masks of an earlier, stopped run; they are not written again.
    pub done: BTreeSet<(FrameIdx, ObjectId)>,
    /// A folder of the run's own for spilled state; made by who needs it.
    pub state_folder: PathBuf,
}

/// One mask.
#[derive(Debug, Clone, PartialEq)]
pub struct TrackedMask {
    /// Whose.
    pub object: ObjectId,
    /// All zero when the object is absent.
    pub mask: Mask,
    /// Object score as the model gives it: above 0 the object is there.
    pub object_score: f32,
    /// The model's guess of the mask's IoU, 0 to 1.
    pub predicted_iou: f32,
    /// How little the mask changes when its threshold moves, 0 to 1: IoU of the masks at logits +1 and -1.
    pub stability: f32,
}

/// All that came of one frame.
#[derive(Debug, Clone, PartialEq)]
pub struct TrackedFrame {
    /// The frame.
    pub frame: FrameIdx,
    /// Its file's name; only frames of folders have one.
    pub name: Option<String>,
    /// One per object; on a damaged frame as `--damaged` says, so possibly none.
    pub masks: Vec<TrackedMask>,
    /// Whether it did not decode properly.
    pub is_damaged: bool,
}

/// Masks as they are made, in the order of tracking.
pub trait MaskStream {
    /// The next frame; `None` when all are done.
    fn next_frame(&mut self) -> Option<Result<TrackedFrame, CliError>>;
}

/// A clip opened for tracking.
pub trait Tracker {
    /// Its facts.
    fn clip(&self) -> &TrackedClip;

    /// Frames the run will yield, damaged ones included.
    fn frame_total(&self, job: &TrackJob) -> u32;

    /// Loads the model and starts.
    ///
    /// # Errors
    /// When the model does not fit (code 4), or the device cannot be used (code 4).
    fn start<'a>(&'a mut self, model: &Checkpoint, job: &'a TrackJob) -> Result<Box<dyn MaskStream + 'a>, CliError>;
}

/// Opens a video file, with this video stream or the best one, or an image folder for tracking.
///
/// # Errors
/// When there is no such stream (code 2), the clip cannot be read (code 5), this build cannot read it (code 3), or
/// somebody asked to stop meanwhile.
pub fn open_tracker(clip: &Path, stream: Option<u32>, stop: &StopFlag) -> Result<Box<dyn Tracker>, CliError> {
    Ok(Box::new(super::sam2_tracker::Sam2Tracker::open(clip, stream, stop)?))
}
