//! How a format's reader hands over what it finds.
//!
//! A reader walks through its files and asks the [`Sink`] where each frame belongs before it decodes a mask, so that
//! nothing is ever larger than a frame of the target. Two sinks exist: `import.rs` collects labels for a clip,
//! `check.rs` compares them with what was written.

use super::FormatError;
use crate::label::{FrameIdx, FrameSize, Mask};

/// A frame as a dataset names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct FrameRef<'a> {
    /// The clip's name in the dataset; empty where the format puts all clips side by side.
    pub sequence: &'a str,
    /// The frame's file name without folder and ending.
    pub name: &'a str,
    /// The frame's number, where the format says it.
    pub index: Option<u32>,
}

/// Where a frame belongs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    /// The clip's position among the sink's.
    pub clip: usize,
    /// The frame.
    pub frame: FrameIdx,
    /// The size its masks must have.
    pub size: FrameSize,
}

/// What tells one object of a dataset from another.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum ObjectKey {
    /// A number that is the object's own in its clip.
    Number(u64),
    /// A number that is the object's own in the whole dataset.
    Track(u64),
    /// A number that is the object's own among those of its class in its clip.
    Instance {
        /// From 1.
        class: u32,
        /// From 1.
        number: u32,
    },
    /// An id of our project.
    Id(u32),
    /// A name that is the object's own in its clip.
    Name(String),
    /// The n-th object of its frame, from 0; nothing says that it is the same one on the next.
    Ordinal(u32),
}

/// An object as a dataset names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ObjectRef {
    pub key: ObjectKey,
    /// What it is called, where the format says it.
    pub name: Option<String>,
    /// Its class, where the format says it.
    pub class: Option<String>,
}

/// Takes what a reader finds.
pub(super) trait Sink {
    /// Which of the dataset's clips to read, by position in `found`.
    ///
    /// # Errors
    /// When the sink cannot choose.
    fn choose_sequences(&mut self, found: &[String]) -> Result<Vec<usize>, FormatError>;

    /// Where a frame belongs; `None` when it is not wanted, which the sink has noted if it must be.
    fn locate(&mut self, frame: &FrameRef<'_>) -> Option<Place>;

    /// Takes a mask, which has the size of its place.
    ///
    /// # Errors
    /// When reading should stop.
    fn mask(&mut self, place: Place, object: &ObjectRef, mask: Mask) -> Result<(), FormatError>;

    /// Takes note that one item could not be read.
    fn fault(&mut self, item: &str, cause: &str);
}

/// A whole number from JSON or text that says `3`, `3.0` or `"3"`.
pub(super) fn whole_number(value: &serde_json::Value) -> Option<u64> {
    match value {
        serde_json::Value::Number(number) => number
            .as_u64()
            .or_else(|| number.as_f64().filter(|n| n.fract() == 0.0 && *n >= 0.0 && *n < 9e15).map(|n| n as u64)),
        serde_json::Value::String(text) => text.trim().parse().ok(),
        _ => None,
    }
}
