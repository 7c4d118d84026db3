//! The vocabulary every room speaks: frames, objects, prompts and masks.
//!
//! Plain data and the rules that keep it sound. Nothing here decodes, infers, draws or stores;
//! the room uses std and serde only (with the `gui` feature, types the window keeps in its world also derive
//! Bevy's `Component`).

mod ids;
mod mask;
mod prompt;

pub use ids::{FrameIdx, FrameSize, ObjectId};
pub use mask::{BoundingBox, Mask, MaskError};
pub use prompt::{BoxPrompt, Point, PointLabel, Prompt};
