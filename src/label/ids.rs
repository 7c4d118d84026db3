//! Names for frames and objects, and the size of a picture.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A frame of the open clip: its rank by presentation time, from 0.
///
/// This is the only clock outside `video/`; presentation timestamps stay in there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "gui", derive(bevy::ecs::component::Component))]
#[serde(transparent)]
pub struct FrameIdx(pub u32);

impl FrameIdx {
    /// The rank as a position in a slice.
    pub fn as_usize(self) -> usize {
        self.0 as usize
    }
}

impl fmt::Display for FrameIdx {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// An object the labeller follows. Ids are chosen by the user and need not be contiguous.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "gui", derive(bevy::ecs::component::Component))]
#[serde(transparent)]
pub struct ObjectId(pub u32);

impl fmt::Display for ObjectId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Width and height in pixels. For a video: stored pixels after the display rotation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct FrameSize {
    /// Columns.
    pub width: u32,
    /// Rows.
    pub height: u32,
}

impl FrameSize {
    /// Number of pixels.
    pub fn area(self) -> usize {
        self.width as usize * self.height as usize
    }
}

impl fmt::Display for FrameSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}x{}", self.width, self.height)
    }
}
