//! Hands a clip's frames to the model and minds the damaged ones. Used by whoever runs the model: the engine's thread and
//! the command line. It decodes through `video` and knows nothing of prompts.

use std::collections::BTreeSet;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;

use crate::label::{FrameIdx, FrameSize};
use crate::sam2::image::RgbFrame;
use crate::sam2::predictor::FrameSource;
use crate::video::{self, Clip, Frame, Reader, VideoError};

/// A clip as the model sees it.
pub struct ClipFrames {
    clip: Clip,
    reader: Reader,
    /// Whether damaged frames are given to the model like others.
    uses_damaged: bool,
    damaged: BTreeSet<FrameIdx>,
    /// The frame asked for last: the model asks whether it is usable, then for its picture.
    latest: Option<(FrameIdx, Arc<Frame>)>,
}

impl ClipFrames {
    /// Opens a video or a folder of pictures.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn open(path: &Path) -> Result<Self, VideoError> {
        Self::of(video::open(path, &mut |_| ControlFlow::Continue(()))?, false)
    }

    /// Reads an open clip.
    ///
    /// # Errors
    /// When no decoder can be started.
    pub fn of(clip: Clip, uses_damaged: bool) -> Result<Self, VideoError> {
        let reader = clip.reader()?;
        Ok(ClipFrames { clip, reader, uses_damaged, damaged: BTreeSet::new(), latest: None })
    }

    /// Frames of the clip.
    pub fn frame_count(&self) -> u32 {
        self.clip.frame_count()
    }

    /// Size of its frames.
    pub fn size(&self) -> FrameSize {
        self.clip.size()
    }

    /// File name of a frame; only folders of pictures have names.
    pub fn name(&self, frame: FrameIdx) -> Option<&str> {
        self.clip.index().name(frame)
    }

    /// Whether the model is run on damaged frames as on others from here on.
    pub fn use_damaged(&mut self, uses_damaged: bool) {
        self.uses_damaged = uses_damaged;
    }

    /// Damaged frames met so far.
    pub fn damaged(&self) -> &BTreeSet<FrameIdx> {
        &self.damaged
    }

    fn read(&mut self, frame: FrameIdx) -> Result<Arc<Frame>, String> {
        if let Some((latest, picture)) = &self.latest
            && *latest == frame
        {
            return Ok(picture.clone());
        }
        let picture = self.reader.frame(frame).map_err(|e| e.to_string())?;
        if picture.damage().is_some() {
            self.damaged.insert(frame);
        }
        self.latest = Some((frame, picture.clone()));
        Ok(picture)
    }
}

impl FrameSource for ClipFrames {
    fn frame(&mut self, frame: FrameIdx) -> Result<RgbFrame, String> {
        let rgb = self.read(frame)?.to_rgb();
        Ok(RgbFrame { size: rgb.size, pixels: rgb.pixels })
    }

    fn is_usable(&mut self, frame: FrameIdx) -> Result<bool, String> {
        Ok(self.uses_damaged || self.read(frame)?.damage().is_none())
    }
}
