//! Exact frames by index, one thread's worth.
//!
//! [`Reader`] belongs to whoever decodes: the decode thread, the engine, the command line. Reading onward streams;
//! reading anywhere else seeks and gives the same pixels.

use std::ops::ControlFlow;
use std::sync::Arc;

use super::clip::{Clip, Source};
use super::errors::VideoError;
use super::frame::Frame;
use super::images::{ImageFrames, ImageList};
use crate::label::FrameIdx;

/// Reads frames of one clip; owns its decoder.
pub struct Reader {
    clip: Clip,
    source: FrameSource,
    latest: Option<Arc<Frame>>,
}

enum FrameSource {
    Images(Arc<ImageList>, ImageFrames),
    #[cfg(feature = "video")]
    Video(Box<super::ffmpeg::FrameSource>),
}

impl Reader {
    pub(super) fn new(clip: Clip, threads: usize) -> Self {
        let source = match clip.source() {
            Source::Images(list) => FrameSource::Images(Arc::clone(list), ImageFrames::new(clip.size())),
            #[cfg(feature = "video")]
            Source::Video(shared) => {
                FrameSource::Video(Box::new(super::ffmpeg::FrameSource::new(Arc::clone(shared), threads)))
            }
        };
        #[cfg(not(feature = "video"))]
        let _unused_without_ffmpeg = threads;
        Reader { clip, source, latest: None }
    }

    /// The clip it reads.
    pub fn clip(&self) -> &Clip {
        &self.clip
    }

    /// The frame at `idx`, exactly. A frame that cannot be decoded comes as a damaged one.
    ///
    /// # Errors
    /// When the file itself is out of reach, or `idx` is past the end.
    pub fn frame(&mut self, idx: FrameIdx) -> Result<Arc<Frame>, VideoError> {
        let frame = self.frame_or_stop(idx, &mut |_| ControlFlow::Continue(()))?;
        Ok(frame.expect("only the callback stops a search"))
    }

    /// Like [`frame`](Reader::frame); every other frame decoded on the way is handed to `passed`, which can stop the
    /// search by breaking. Then the answer is `None`.
    ///
    /// # Errors
    /// As [`frame`](Reader::frame).
    pub fn frame_or_stop(
        &mut self,
        idx: FrameIdx,
        passed: &mut dyn FnMut(Arc<Frame>) -> ControlFlow<()>,
    ) -> Result<Option<Arc<Frame>>, VideoError> {
        if idx.0 >= self.clip.frame_count() {
            return Err(VideoError::OutOfRange {
                path: self.clip.path().to_owned(),
                idx,
                last: self.clip.frame_count() - 1,
            });
        }
        if let Some(latest) = &self.latest
            && latest.idx() == idx
        {
            return Ok(Some(Arc::clone(latest)));
        }
        let frame = match &mut self.source {
            FrameSource::Images(list, images) => Some(images.frame(list, self.clip.index(), idx)?),
            #[cfg(feature = "video")]
            FrameSource::Video(source) => source.frame(idx, &mut |frame| passed(Arc::new(frame)))?,
        };
        #[cfg(not(feature = "video"))]
        let _images_pass_nothing = passed;
        let Some(frame) = frame else { return Ok(None) };
        let frame = Arc::new(frame);
        self.latest = Some(Arc::clone(&frame));
        Ok(Some(frame))
    }
}
