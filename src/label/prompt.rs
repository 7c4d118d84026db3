//! What a labeller says about one object on one frame.

use serde::{Deserialize, Serialize};

use super::Mask;

/// Most clicks on one object on one frame; more make the model slower and no better.
pub const MAX_CLICKS: usize = 1000;

/// Whether a click belongs to the object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "u8", try_from = "u8")]
pub enum PointLabel {
    /// Not the object (0 in files).
    Negative,
    /// The object (1 in files).
    Positive,
}

impl From<PointLabel> for u8 {
    fn from(label: PointLabel) -> u8 {
        match label {
            PointLabel::Negative => 0,
            PointLabel::Positive => 1,
        }
    }
}

impl TryFrom<u8> for PointLabel {
    type Error = String;

    fn try_from(value: u8) -> Result<Self, String> {
        match value {
            0 => Ok(PointLabel::Negative),
            1 => Ok(PointLabel::Positive),
            other => Err(format!("a point label is 0 (negative) or 1 (positive), not {other}")),
        }
    }
}

/// A click, in pixels of the frame; the centre of the top-left pixel is (0, 0), as in the tools users come from.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Point {
    /// Pixels from the left.
    pub x: f32,
    /// Pixels from the top.
    pub y: f32,
    /// Object or not.
    pub label: PointLabel,
}

/// A box around the object, in pixels of the frame, `x0 < x1` and `y0 < y1`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(into = "[f32; 4]", from = "[f32; 4]")]
pub struct BoxPrompt {
    /// Left.
    pub x0: f32,
    /// Top.
    pub y0: f32,
    /// Right.
    pub x1: f32,
    /// Bottom.
    pub y1: f32,
}

impl From<BoxPrompt> for [f32; 4] {
    fn from(b: BoxPrompt) -> [f32; 4] {
        [b.x0, b.y0, b.x1, b.y1]
    }
}

impl From<[f32; 4]> for BoxPrompt {
    /// Corners in any order.
    fn from([x0, y0, x1, y1]: [f32; 4]) -> Self {
        BoxPrompt { x0: x0.min(x1), y0: y0.min(y1), x1: x0.max(x1), y1: y0.max(y1) }
    }
}

/// Everything said about one object on one frame. A mask stands alone: it replaces clicks and box.
#[derive(Debug, Clone, PartialEq)]
pub enum Prompt {
    /// Clicks, a box, or both; at least one of them.
    Clicks {
        /// In the order they were made.
        points: Vec<Point>,
        /// The box, if one was drawn.
        bounds: Option<BoxPrompt>,
    },
    /// A painted or imported mask.
    Mask(Mask),
}
