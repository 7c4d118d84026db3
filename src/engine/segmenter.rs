//! What the engine's thread asks of a model, whichever it is: SAM 2.1 or the test engine.
//!
//! A segmenter lives on one thread, belongs to one clip at a time and remembers nothing that the requests could not tell
//! it again. It sends no events; the thread does.

use crate::label::{FrameIdx, ObjectId};

use super::frames::ClipFrames;
use super::protocol::{EngineError, LedBy, ModelInfo, ObjectResult, PromptRequest, TrackRequest};

/// The answer to a prompt.
#[derive(Debug, Clone)]
pub struct Answered {
    /// The mask that stands.
    pub result: ObjectResult,
    /// The candidates of a single first click, best first; empty otherwise.
    pub candidates: Vec<ObjectResult>,
}

/// A frame of a run.
#[derive(Debug, Clone)]
pub struct StepDone {
    /// The frame.
    pub frame: FrameIdx,
    /// Masks the app does not hold yet.
    pub results: Vec<ObjectResult>,
    /// Objects left out because the frame is damaged.
    pub skipped: Vec<ObjectId>,
    /// Frames still to be visited.
    pub remaining: u32,
}

/// How far a run's preparation is.
#[derive(Debug, Clone, PartialEq)]
pub enum Preparation {
    /// This frame is to be encoded first.
    Needs(FrameIdx),
    /// A piece is done; there is more.
    GoesOn,
    /// All is done.
    Ready {
        /// How many frames the run will visit.
        frames: u32,
        /// What leads it.
        led_by: LedBy,
    },
}

/// A model with its state for one clip.
pub trait Segmenter {
    /// What the status line says of it.
    fn info(&self) -> ModelInfo;

    /// Forgets everything about the clip; the next call brings frames of another.
    fn forget_clip(&mut self);

    /// Whether a prompt on this frame answers without encoding it first.
    fn is_encoded(&self, frame: FrameIdx) -> bool;

    /// How many frames stay encoded at once; 1 or more.
    fn encoded_capacity(&self) -> usize;

    /// Encodes a frame.
    ///
    /// # Errors
    /// When the frame cannot be read or the model fails.
    fn encode(&mut self, frames: &mut ClipFrames, frame: FrameIdx) -> Result<(), EngineError>;

    /// Answers all that is said about an object on a frame, in place of what was said there before. The same words give
    /// the same mask.
    ///
    /// # Errors
    /// When the words make no sense, the frame cannot be read or the model fails; what was said before stands then.
    fn answer(&mut self, frames: &mut ClipFrames, request: &PromptRequest) -> Result<Answered, EngineError>;

    /// Answers without remembering.
    ///
    /// # Errors
    /// As [`Segmenter::answer`].
    fn preview(&mut self, frames: &mut ClipFrames, request: &PromptRequest) -> Result<ObjectResult, EngineError>;

    /// Takes back what was said on a frame.
    fn clear_prompt(&mut self, object: ObjectId, frame: FrameIdx);

    /// Forgets an object.
    fn forget(&mut self, object: ObjectId);

    /// Takes up a run, in place of an earlier one. It runs no model.
    ///
    /// # Errors
    /// When there is nothing to track.
    fn start(&mut self, frames: &mut ClipFrames, request: &TrackRequest) -> Result<(), EngineError>;

    /// Does the next piece of what comes before a run's first frame: what is known of its objects is brought in line with
    /// the request, a prompt at a time, so that a run with many of them can be stopped and watched. To be called until it
    /// is ready.
    ///
    /// # Errors
    /// When a prompt makes no sense, its frame cannot be read, or the model fails.
    fn prepare(&mut self, frames: &mut ClipFrames) -> Result<Preparation, EngineError>;

    /// Does the next frame of the run; `None` when it is over.
    ///
    /// # Errors
    /// When a frame cannot be read or the model fails; what was tracked so far stays.
    fn step(&mut self, frames: &mut ClipFrames) -> Result<Option<StepDone>, EngineError>;
}
