//! How a format's reader hands over what it finds.
//!
//! A reader walks through its files and asks the [`Sink`] where each frame belongs before it decodes a mask, so that
//! nothing is ever larger than a frame of the target. Two sinks exist: `import.rs` collects labels for a clip,
//! `check.rs` compares them with what was written. Formats that put the frames of all clips side by side ask through
//! `side_by_side.rs` which of them are wanted.

use super::FormatError;
use crate::label::{FrameIdx, FrameSize, Mask};

/// A frame as a dataset names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct FrameRef<'a> {
    /// The clip's name in the dataset; empty where the format puts all clips side by side.
    pub sequence: &'a str,
    pub id: FrameId<'a>,
}

/// What tells one frame of a clip from another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum FrameId<'a> {
    /// Its position in the clip, from 0. The names of the clip's files have no say in it.
    Number(u32),
    /// Its file.
    File {
        /// The name without folder and ending.
        name: &'a str,
        /// Its position, where the format says that besides. A folder's own names come first: files may have been taken
        /// away since.
        index: Option<u32>,
    },
}

impl<'a> FrameRef<'a> {
    pub fn number(sequence: &'a str, number: u32) -> Self {
        FrameRef { sequence, id: FrameId::Number(number) }
    }

    pub fn file(sequence: &'a str, name: &'a str) -> Self {
        FrameRef { sequence, id: FrameId::File { name, index: None } }
    }

    /// For messages.
    pub fn shown(&self) -> String {
        match self.id {
            FrameId::Number(number) => format!("frame {number}"),
            FrameId::File { name, .. } => name.to_owned(),
        }
    }
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
    /// A number that is the object's own among those of its class in the whole dataset.
    TrackOfClass(u64),
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

    /// Whether no two clips share a frame's name, so that [`locate`](Self::locate) needs no clip to go by.
    fn knows_frame_names(&self) -> bool;

    /// The clip that a frame belongs to by its file and folders, where the format puts the frames of all clips side by
    /// side. Only asked where [`knows_frame_names`](Self::knows_frame_names) says no.
    fn clip_of_file(&self, file: &str) -> String;

    /// Where a frame belongs; `None` when it is not wanted, which the sink has noted if it must be.
    ///
    /// # Errors
    /// When reading should stop.
    fn locate(&mut self, frame: &FrameRef<'_>) -> Result<Option<Place>, FormatError>;

    /// Takes a mask, which has the size of its place.
    ///
    /// # Errors
    /// When reading should stop.
    fn mask(&mut self, place: Place, object: &ObjectRef, mask: Mask) -> Result<(), FormatError>;

    /// Takes note that one item could not be read.
    fn fault(&mut self, item: &str, cause: &str);

    /// Takes note of how something was understood that can be meant in two ways.
    fn notice(&mut self, notice: String);

    /// Called where a reader works for long without finding anything to hand over.
    ///
    /// # Errors
    /// When reading should stop.
    fn keep_going(&mut self) -> Result<(), FormatError>;
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
