//! The scenario format.

use serde::Deserialize;

/// A sequence of predictor calls.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scenario {
    /// The model it was made for; the checkpoint decides, this is for people.
    pub model: String,
    /// Frames of the clip.
    pub frames: u32,
    /// Whether the golden samples each module's first calls.
    #[serde(default)]
    pub probes: bool,
    /// Overrides the bias of the object score, to make objects absent.
    #[serde(default)]
    pub object_score_bias: Option<f32>,
    /// Switches of the predictor.
    #[serde(default)]
    pub options: Options,
    /// The calls.
    pub steps: Vec<Step>,
}

/// Switches of the predictor.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Options {
    /// Whether a correction on a tracked frame conditions.
    #[serde(default)]
    pub add_all_frames_to_correct_as_cond: bool,
    /// Input size.
    #[serde(default)]
    pub image_size: Option<usize>,
    /// Memories that are not rounded to bf16.
    #[serde(default)]
    pub float32_memories: bool,
}

/// One call.
#[derive(Debug, Deserialize)]
#[serde(tag = "op", rename_all = "snake_case", deny_unknown_fields)]
pub enum Step {
    /// Clicks, a box, or both.
    AddPoints {
        /// The frame.
        frame: u32,
        /// The object.
        object: u32,
        /// Clicks in pixels of the clip.
        #[serde(default)]
        points: Vec<[f32; 2]>,
        /// 1 for the object, 0 for not the object; as many as points.
        #[serde(default)]
        labels: Vec<u8>,
        /// x0, y0, x1, y1.
        #[serde(default, rename = "box")]
        bounds: Option<[f32; 4]>,
        /// Whether earlier clicks of the frame go.
        #[serde(default = "yes")]
        clear_old: bool,
    },
    /// A filled rectangle as a mask.
    AddMask {
        /// The frame.
        frame: u32,
        /// The object.
        object: u32,
        /// x0, y0, x1, y1; the ends are not part of it.
        rect: [u32; 4],
    },
    /// A run of tracking.
    Propagate {
        /// First frame.
        #[serde(default)]
        start: Option<u32>,
        /// Towards frame 0.
        #[serde(default)]
        reverse: bool,
        /// Frames beyond the start.
        #[serde(default)]
        max: Option<u32>,
        /// Frames whose results the golden holds; all when absent.
        #[serde(default)]
        record: Option<Vec<u32>>,
    },
    /// Forgets a frame's prompts.
    ClearPoints {
        /// The frame.
        frame: u32,
        /// The object.
        object: u32,
    },
    /// Forgets an object.
    RemoveObject {
        /// The object.
        object: u32,
    },
    /// Forgets everything.
    Reset,
}

fn yes() -> bool {
    true
}
