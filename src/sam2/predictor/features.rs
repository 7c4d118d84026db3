//! Features of recent frames, bounded by bytes: encoding a frame is a third of the work of tracking it, and all of the
//! work of the first click on it.

use std::collections::VecDeque;
use std::sync::Arc;

use crate::label::FrameIdx;

use super::super::error::Sam2Error;
use super::super::model::{FrameFeatures, Sam2};
use super::FrameSource;

/// Least recently used frames go first.
pub struct FeatureCache {
    budget_bytes: usize,
    /// Most recently used last.
    kept: VecDeque<(FrameIdx, Arc<FrameFeatures>)>,
}

impl FeatureCache {
    /// Keeps at most `budget_bytes`, but always the latest frame.
    pub fn new(budget_bytes: usize) -> Self {
        FeatureCache { budget_bytes, kept: VecDeque::new() }
    }

    /// Whether a frame's features are kept.
    pub fn holds(&self, frame: FrameIdx) -> bool {
        self.kept.iter().any(|(kept, _)| *kept == frame)
    }

    /// How many frames fit, judged by the latest; `None` before the first.
    pub fn capacity(&self) -> Option<usize> {
        self.kept.back().map(|(_, features)| (self.budget_bytes / features.bytes().max(1)).max(1))
    }

    /// The features of a frame, encoded if they are not kept.
    ///
    /// # Errors
    /// When the frame cannot be read or the device fails.
    pub fn get(
        &mut self,
        model: &Sam2,
        frames: &mut dyn FrameSource,
        frame: FrameIdx,
    ) -> Result<Arc<FrameFeatures>, Sam2Error> {
        if let Some(at) = self.kept.iter().position(|(kept, _)| *kept == frame) {
            let entry = self.kept.remove(at).expect("the position was just found");
            self.kept.push_back(entry.clone());
            return Ok(entry.1);
        }
        let picture = frames.frame(frame).map_err(|reason| Sam2Error::Frame { frame, reason })?;
        let features = Arc::new(model.encode_frame(&picture)?);
        self.kept.push_back((frame, features.clone()));
        while self.kept.len() > 1 && self.kept.iter().map(|(_, f)| f.bytes()).sum::<usize>() > self.budget_bytes {
            self.kept.pop_front();
        }
        Ok(features)
    }
}
