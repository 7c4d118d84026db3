//! The vocabulary every room speaks: frames, objects, prompts, masks, and edits to them.
//!
//! Plain data and the rules that keep it sound. Nothing here decodes, infers, draws or stores;
//! the room uses std and serde only (with the `gui` feature, types the window keeps in its world also derive
//! Bevy's `Component`).

mod clip_name;
mod clip_record;
mod edit;
mod ids;
mod mask;
mod object;
pub mod palette;
mod prompt;
mod run_builder;
mod similarity;
mod stroke;
mod wording;

pub use clip_name::{clip_name, name_with_stream};
pub use clip_record::{ClipRecord, STREAM_MARK, chosen_stream};
pub use edit::{Change, Edit, open_prompts};
pub use ids::{FrameIdx, FrameSize, ObjectId};
pub use mask::{BoundingBox, Mask, MaskError};
pub use object::{FrameMark, FramePrompt, LEAST_SURE_IOU, LEAST_SURE_STABILITY, MaskId, ObjectFacts, Provenance, Rgb};
pub use prompt::{BoxPrompt, MAX_CLICKS, Point, PointLabel, Prompt};
pub use run_builder::RunBuilder;
pub use similarity::Similarity;
pub use stroke::Stroke;
pub use wording::{counted, hex};
