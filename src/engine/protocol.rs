//! The words the window and the model's thread exchange.
//!
//! Plain data. Masks cross as runs; a request carries everything it needs, an answer carries its request's
//! [`Generation`], and whoever asked drops answers that are older than what it asked last.

use std::collections::BTreeMap;
use std::sync::Arc;

pub use crate::label::FramePrompt;
use crate::label::{FrameIdx, Mask, ObjectId};
use crate::sam2::checkpoint::CheckpointSource;
use crate::video::Clip;

/// Tells requests apart; a larger one is newer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Generation(pub u64);

/// Where masks come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ModelSource {
    /// The small, deterministic segmenter for tests and trials: region growing on colour.
    TestEngine,
    /// A checkpoint of the SAM 2 family: a file, or one that ships in the program.
    Checkpoint(CheckpointSource),
}

/// Where the model runs, and on the processor in which arithmetic.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum DeviceChoice {
    /// The first GPU this build can use, else the processor.
    #[default]
    Auto,
    /// The processor: large products in bf16 where it has instructions for that, else in f32.
    Cpu,
    /// The processor, everything in f32.
    CpuF32,
    /// The processor, large products in bf16.
    CpuBf16,
    /// An NVIDIA GPU by number.
    Cuda(usize),
    /// An Apple GPU by number.
    Metal(usize),
}

/// Which model, where, how sharp.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModelChoice {
    /// The weights.
    pub source: ModelSource,
    /// The device.
    pub device: DeviceChoice,
    /// Side of the square the model sees, in pixels; `None` is the model's own.
    pub resolution: Option<u32>,
}

/// What the status line says of a loaded model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModelInfo {
    /// Short name, for example "tiny" or "test engine".
    pub name: String,
    /// Device in words, for example "CPU" or "CUDA 0".
    pub device: String,
    /// Side of the square the model sees, in pixels; `None` where the word has no meaning.
    pub resolution: Option<u32>,
    /// Whether a click may have several candidates the labeller can choose among.
    pub has_candidates: bool,
}

/// All prompts of one object.
#[derive(Debug, Clone, PartialEq)]
pub struct ObjectPrompts {
    /// The object.
    pub object: ObjectId,
    /// By frame.
    pub frames: BTreeMap<FrameIdx, FramePrompt>,
    /// The masks of those frames that the app holds as the answer to exactly these words. A model that has not answered
    /// them itself takes these over and remembers them, instead of answering anew what the labeller has already accepted.
    /// And those it holds on the other frames of [`lead_in_frames`](super::lead_in_frames), for such a model to go on from.
    pub masks: BTreeMap<FrameIdx, Arc<Mask>>,
    /// Frame ranges (both ends included, ascending, apart) whose masks the app holds and that are up to date. The model
    /// may have to run there for its memory, but they are not delivered again.
    pub has: Vec<(FrameIdx, FrameIdx)>,
    /// As it was asked for, where something else was said since.
    pub asked: Option<Box<ObjectPrompts>>,
}

/// What is said of a run's objects, by frame.
pub type LedBy = BTreeMap<ObjectId, BTreeMap<FrameIdx, FramePrompt>>;

/// A question about one object on one frame.
#[derive(Debug, Clone, PartialEq)]
pub struct PromptRequest {
    /// The object.
    pub object: ObjectId,
    /// The frame.
    pub frame: FrameIdx,
    /// All that is said there, in order; an earlier answer for the frame is replaced.
    pub prompt: FramePrompt,
}

/// Which way to track.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TrackDirection {
    /// From the start frame towards the clip's end.
    Forward,
    /// From the start frame towards its beginning.
    Backward,
    /// Each object forward from its first prompt in the range, then backward from it.
    Both,
}

/// A run.
#[derive(Debug, Clone, PartialEq)]
pub struct TrackRequest {
    /// The chosen objects with all their prompts, also those outside the range.
    pub objects: Vec<ObjectPrompts>,
    /// First frame, included.
    pub first: FrameIdx,
    /// Last frame, included.
    pub last: FrameIdx,
    /// Which way.
    pub direction: TrackDirection,
    /// Whether the model runs on damaged frames as on others; else they get no mask.
    pub uses_damaged: bool,
}

impl TrackRequest {
    /// Puts in what was said (`None`: taken back) after the run was asked for. The masks the app held of the object then
    /// are out of date, until all is said as it was.
    pub(super) fn amend(&mut self, object: ObjectId, frame: FrameIdx, prompt: Option<&FramePrompt>) {
        for prompts in self.objects.iter_mut().filter(|prompts| prompts.object == object) {
            let asked = prompts.asked.take().unwrap_or_else(|| Box::new(prompts.clone()));
            match prompt {
                Some(prompt) => prompts.frames.insert(frame, prompt.clone()),
                None => prompts.frames.remove(&frame),
            };
            if prompts.frames == asked.frames {
                *prompts = *asked;
                continue;
            }
            let is_as_asked = |frame: &FrameIdx| prompts.frames.get(frame) == asked.frames.get(frame);
            prompts.masks = asked.masks.clone();
            prompts.masks.retain(|frame, _| is_as_asked(frame));
            prompts.has.clear();
            prompts.asked = Some(asked);
        }
    }
}

/// What the engine can be asked for.
#[derive(Debug, Clone)]
pub enum EngineCommand {
    /// Loads a model and drops the one before.
    Load(ModelChoice),
    /// Takes over a clip and forgets everything about the one before.
    UseClip(Clip),
    /// The object's mask on a frame, from what is said there.
    Prompt(PromptRequest),
    /// The same for a click that is only being considered; nothing is remembered. Only the newest counts.
    Preview(PromptRequest),
    /// Takes back what was said about an object on a frame.
    ClearPrompt {
        /// The object.
        object: ObjectId,
        /// The frame.
        frame: FrameIdx,
    },
    /// Forgets an object.
    Forget {
        /// The object.
        object: ObjectId,
    },
    /// Frames to encode while there is nothing else to do, the most wanted first. Replaces earlier wishes.
    Warm(Vec<FrameIdx>),
    /// Tracks. Prompts are answered between its frames; a second run waits for the first.
    Track(TrackRequest),
    /// Ends the run after the frame in work, and drops waiting ones.
    StopTracking,
}

/// One object's mask on one frame, as the model sees it.
#[derive(Debug, Clone, PartialEq)]
pub struct ObjectResult {
    /// The object.
    pub object: ObjectId,
    /// Empty when the object is not in the frame.
    pub mask: Mask,
    /// Above 0 when the object is in the frame.
    pub object_score: f32,
    /// The model's guess of the mask's IoU, 0 to 1.
    pub predicted_iou: f32,
    /// How little the mask changes when its threshold moves, 0 to 1.
    pub stability: f32,
}

/// How a run ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TrackEnd {
    /// All frames are done.
    Completed,
    /// The labeller stopped it; what was delivered stands.
    Stopped,
    /// It failed; what was delivered stands.
    Failed(EngineError),
}

/// What the engine answers.
#[derive(Debug, Clone)]
pub enum EngineEvent {
    /// The model is there.
    ModelReady {
        /// The request.
        generation: Generation,
        /// What was loaded.
        info: ModelInfo,
    },
    /// The model could not be loaded, or died; prompts are answered with [`EngineEvent::Failed`] until another is loaded.
    ModelFailed {
        /// The request.
        generation: Generation,
        /// Why.
        error: EngineError,
    },
    /// A frame is being encoded, for a prompt that waits for it.
    Encoding {
        /// The frame.
        frame: FrameIdx,
    },
    /// A frame is encoded: a click on it answers at once.
    Encoded {
        /// The frame.
        frame: FrameIdx,
    },
    /// The answer to [`EngineCommand::Prompt`].
    Answer {
        /// The request.
        generation: Generation,
        /// The frame.
        frame: FrameIdx,
        /// The mask.
        result: ObjectResult,
        /// The candidates of a single first click, best first as the model ranks them; empty otherwise.
        candidates: Vec<ObjectResult>,
    },
    /// The answer to [`EngineCommand::Preview`].
    Previewed {
        /// The request.
        generation: Generation,
        /// The frame.
        frame: FrameIdx,
        /// The mask.
        result: ObjectResult,
    },
    /// A prompt, preview or warm-up failed.
    Failed {
        /// The request.
        generation: Generation,
        /// The frame it was about.
        frame: FrameIdx,
        /// The object it was about.
        object: Option<ObjectId>,
        /// Why.
        error: EngineError,
    },
    /// A run's prompts are remembered, and its frames begin.
    TrackStarted {
        /// The request.
        generation: Generation,
        /// Frames it will visit, as far as is known; a frame visited in both directions counts twice.
        frames: u32,
        /// What leads it: the words of the request, and those that came before its frames began.
        led_by: LedBy,
        /// The newest command that was carried out by then.
        heard: Generation,
    },
    /// A frame of a run is done.
    Tracked {
        /// The request.
        generation: Generation,
        /// The frame.
        frame: FrameIdx,
        /// The masks the app does not hold yet.
        results: Vec<ObjectResult>,
        /// Objects left out because the frame is damaged.
        skipped: Vec<ObjectId>,
        /// Whether it is damaged, as far as it was read.
        is_damaged: bool,
        /// Frames still to be visited.
        remaining: u32,
    },
    /// A run is over.
    TrackFinished {
        /// The request.
        generation: Generation,
        /// How.
        end: TrackEnd,
    },
}

/// Why the engine could not do what it was asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EngineError {
    /// No model is loaded.
    #[error("no model is loaded; choose one in the settings, or the test engine to try things out")]
    NoModel,
    /// No clip is open.
    #[error("no clip is open")]
    NoClip,
    /// The model could not be loaded or its device cannot be used.
    #[error("{0}")]
    Model(String),
    /// A frame could not be read.
    #[error("frame {frame}: {reason}")]
    Frame {
        /// The frame.
        frame: FrameIdx,
        /// What the reader said.
        reason: String,
    },
    /// The prompt makes no sense to the model.
    #[error("{0}")]
    Prompt(String),
    /// The model failed on a frame; memory, numbers or the device.
    #[error("the model failed: {0}")]
    Inference(String),
    /// The engine's code panicked; the model was dropped.
    #[error("the model's thread stopped on an error of its own ({0}); load the model again")]
    Panicked(String),
}
