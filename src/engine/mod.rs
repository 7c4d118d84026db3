//! The boundary to the model: what the window may ask, what it gets back, and the thread in between.
//!
//! The app sends [`EngineCommand`]s and drains [`EngineEvent`]s; no tensor and no decoder crosses. Every request carries
//! what the labeller said in full, with the masks that her clicks correct and those she has accepted, so the engine holds
//! nothing that decides a mask and could not be rebuilt from the app's own state: after a failure, a change of model or a
//! restart work goes on from the masks on the screen. The room uses `label`, `video` and `sam2`, never Bevy.

mod device;
mod frames;
mod mailbox;
mod memory;
mod plan;
mod protocol;
mod sam2;
mod segmenter;
mod state_folder;
mod test_engine;
mod worker;

pub use device::{OpenDevice, open_device};
pub use frames::ClipFrames;
pub use memory::{available_kib, keep_freed, peak_mib, resident_kib};
pub use plan::{lacking_frames, lead_in_frames};
pub use protocol::{
    DeviceChoice, EngineCommand, EngineError, EngineEvent, FramePrompt, Generation, LedBy, ModelChoice, ModelInfo,
    ModelSource, ObjectPrompts, ObjectResult, PromptRequest, TrackDirection, TrackEnd, TrackRequest,
};
pub use sam2::Sam2Segmenter;
pub use segmenter::{Answered, Preparation, Segmenter, StepDone};
pub use test_engine::TestEngine;
pub use worker::{EngineThread, Loader, load_model};
