//! Labels gathered from a project: facts and marks in memory, pixels asked for one at a time. How the window and the
//! command line hand their project to an export.

use std::collections::BTreeMap;

use super::dataset::{ClipFacts, LabelSource, ObjectInfo, SourceError};
use crate::label::{FrameIdx, FrameMark, Mask, MaskId, ObjectId};

/// Labels whose masks come from `read`, by id.
pub struct GatheredLabels<R> {
    /// The clip.
    pub clip: ClipFacts,
    /// All objects.
    pub objects: Vec<ObjectInfo>,
    /// What is known of each mask.
    pub marks: BTreeMap<(ObjectId, FrameIdx), FrameMark>,
    /// Reads a mask.
    pub read: R,
}

impl<R: Fn(MaskId) -> Result<Mask, SourceError>> LabelSource for GatheredLabels<R> {
    fn clip(&self) -> &ClipFacts {
        &self.clip
    }

    fn objects(&self) -> &[ObjectInfo] {
        &self.objects
    }

    fn mark(&self, object: ObjectId, frame: FrameIdx) -> Option<FrameMark> {
        self.marks.get(&(object, frame)).copied()
    }

    fn mask(&self, object: ObjectId, frame: FrameIdx) -> Result<Option<Mask>, SourceError> {
        self.mark(object, frame).map(|mark| (self.read)(mark.mask)).transpose()
    }
}
