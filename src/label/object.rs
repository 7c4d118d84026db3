//! What is known of an object, and of its mask on each frame, apart from the pixels.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{Mask, Prompt};

/// Red, green and blue codes as shown on screen.
pub type Rgb = [u8; 3];

/// What the labeller decided about an object as a whole.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "gui", derive(bevy::ecs::component::Component))]
pub struct ObjectFacts {
    /// What it is called.
    pub name: String,
    /// Its class in an exported dataset.
    pub class: Option<String>,
    /// Its colour on screen.
    pub colour: Rgb,
    /// Not drawn.
    pub is_hidden: bool,
    /// Protected from every change but unlocking.
    pub is_locked: bool,
    /// Changes whenever a prompt of the object changes; masks tracked at another revision are stale. Never reused.
    pub revision: u64,
}

/// Everything said about one object on one frame, with the candidate the labeller chose.
#[derive(Debug, Clone, PartialEq)]
pub struct FramePrompt {
    /// Clicks, a box, or a mask.
    pub prompt: Arc<Prompt>,
    /// Which of the candidates of the first click stands; `None` is the model's own choice.
    pub candidate: Option<u8>,
    /// The mask the frame had before anything was said there, which clicks correct; `None` when they start from the
    /// picture alone. It is kept with the words, so that they mean the same to every model at any time.
    pub base: Option<Arc<Mask>>,
}

/// A mask whose guessed IoU is lower is doubtful.
pub const LEAST_SURE_IOU: f32 = 0.5;
/// A mask that is less stable is doubtful.
pub const LEAST_SURE_STABILITY: f32 = 0.8;

/// Where a mask came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Provenance {
    /// The model's answer to clicks or a box on this very frame.
    Prompted,
    /// Painted or imported: exactly what the labeller gave.
    Painted,
    /// Carried here from other frames by the model.
    Tracked,
}

/// A mask in the store. Ids are never reused, so an undo step can name a mask instead of copying it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct MaskId(pub u64);

/// What is known of an object on one frame: its mask's place in the store and how good it is.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct FrameMark {
    /// The mask.
    pub mask: MaskId,
    /// Where it came from.
    pub provenance: Provenance,
    /// The object's revision at the time.
    pub revision: u64,
    /// Looked at and found right: locked.
    pub is_approved: bool,
    /// Object pixels; 0 means the object is not in the frame.
    pub area: u64,
    /// The model's object score: above 0 the object is there.
    pub object_score: f32,
    /// The model's guess of the mask's IoU, 0 to 1.
    pub predicted_iou: f32,
    /// How little the mask changes when its threshold moves, 0 to 1.
    pub stability: f32,
}

impl FrameMark {
    /// A mask as the labeller gave it, which no model scored.
    pub fn painted(mask: MaskId, pixels: &Mask, revision: u64) -> Self {
        FrameMark {
            mask,
            provenance: Provenance::Painted,
            revision,
            is_approved: false,
            area: pixels.area(),
            object_score: f32::INFINITY,
            predicted_iou: 1.0,
            stability: 1.0,
        }
    }

    /// Whether the model was not sure of it. What the labeller made is sure, and an object that is not there has no mask
    /// to be sure of.
    pub fn is_doubtful(&self) -> bool {
        match self.provenance {
            Provenance::Painted => false,
            Provenance::Prompted | Provenance::Tracked => {
                let is_below = self.object_score < 0.0
                    || self.predicted_iou < LEAST_SURE_IOU
                    || self.stability < LEAST_SURE_STABILITY;
                self.area > 0 && is_below
            }
        }
    }

    /// Whether the prompts have changed since the model made it. What the labeller made is never stale.
    pub fn is_stale(&self, object_revision: u64) -> bool {
        match self.provenance {
            Provenance::Prompted | Provenance::Painted => false,
            Provenance::Tracked => !self.is_approved && self.revision != object_revision,
        }
    }
}
