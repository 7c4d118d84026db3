//! What can go wrong with a model, said so that a labeller knows what to do next.

use std::path::PathBuf;

use crate::label::{FrameIdx, ObjectId};

use super::checkpoint::CheckpointError;

/// Errors of the `sam2` room.
#[derive(Debug, thiserror::Error)]
pub enum Sam2Error {
    /// The weights could not be read.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// A model's description could not be read.
    #[error("{path}: the model's description cannot be read: {source}")]
    ReadConfig {
        /// The TOML file.
        path: PathBuf,
        /// The cause.
        source: std::io::Error,
    },
    /// A model's description is wrong.
    #[error("{path}: not a usable model description: {reason}")]
    BadConfig {
        /// The TOML file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The weights belong to no model we know.
    #[error(
        "{path}: not one of the published SAM 2 models (closest: {closest}; {differences}). \
         For a model of your own, put its description next to it as {toml}"
    )]
    UnknownModel {
        /// The checkpoint.
        path: PathBuf,
        /// The published model it resembles most.
        closest: String,
        /// How it differs from it.
        differences: String,
        /// Where a description would be looked for.
        toml: PathBuf,
    },
    /// The model cannot run at this input size.
    #[error("the model cannot run at {image_size} x {image_size}: {reason}")]
    BadImageSize {
        /// The size asked for.
        image_size: usize,
        /// Why not.
        reason: String,
    },
    /// The device asked for is not there.
    #[error("device {device} cannot be used: {reason}. Run with --device cpu, or see `label-hub info`")]
    Device {
        /// As the user wrote it.
        device: String,
        /// The driver's words.
        reason: String,
    },
    /// The arithmetic failed: out of memory, a lost device.
    #[error("the model failed: {0}")]
    Compute(#[from] candle_core::Error),
    /// The model returned something that is not a number.
    #[error("the model returned NaN for object {object} on frame {frame}; the weights or the device are damaged")]
    NotANumber {
        /// The object.
        object: ObjectId,
        /// The frame.
        frame: FrameIdx,
    },
    /// A frame could not be had from the video.
    #[error("frame {frame} cannot be read: {reason}")]
    Frame {
        /// The frame.
        frame: FrameIdx,
        /// The video room's words.
        reason: String,
    },
    /// A prompt makes no sense.
    #[error("object {object}, frame {frame}: {reason}")]
    Prompt {
        /// The object.
        object: ObjectId,
        /// The frame.
        frame: FrameIdx,
        /// What is wrong and what to do.
        reason: String,
    },
    /// Tracking was asked for without anything to track.
    #[error("object {object} has no prompt; click it, box it or paint it on one frame first")]
    NoPrompt {
        /// The object.
        object: ObjectId,
    },
    /// Tracking was asked for without any object.
    #[error("there is no object to track; add one with a click, a box or a mask")]
    NoObjects,
    /// The tracker's state could not be kept or read back.
    #[error("{path}: the tracker's state {action}: {reason}")]
    Spill {
        /// The file.
        path: PathBuf,
        /// "cannot be written" or "cannot be read".
        action: &'static str,
        /// The cause.
        reason: String,
    },
}
