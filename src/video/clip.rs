//! An opened clip: its size, its index, what there is to know about it, and the way to its frames.
//!
//! Made by [`open`](super::open); cheap to clone and shared by every thread that needs frames. It holds no decoder:
//! each [`Reader`] has its own.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::Serialize;

use super::colour::Colour;
use super::errors::{Notice, VideoError};
use super::identity::ClipIdentity;
use super::images::{ImageList, OpenedImages};
use super::index::FrameIndex;
use super::reader::Reader;
use crate::label::{ClipRecord, FrameIdx, FrameSize};

/// An opened clip. Cloning it is cheap.
#[derive(Clone)]
pub struct Clip(Arc<ClipInner>);

struct ClipInner {
    path: PathBuf,
    size: FrameSize,
    index: Arc<FrameIndex>,
    frame_rate_hint: Option<f64>,
    sample_aspect_ratio: (u32, u32),
    notices: Vec<Notice>,
    facts: StreamFacts,
    source: Source,
}

/// Where the frames come from.
#[derive(Clone)]
pub(super) enum Source {
    Images(Arc<ImageList>),
    #[cfg(feature = "video")]
    Video(Arc<super::ffmpeg::Shared>),
}

/// Facts about how the pictures are stored.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct StreamFacts {
    /// Container by ffmpeg's name, or `images`.
    pub container: String,
    /// Codec, or the image format of the first file.
    pub codec: String,
    /// Pixel format by ffmpeg's name.
    pub pixel_format: String,
    /// Matrix, range and transfer of the first picture.
    pub colour: Colour,
    /// Stream number in the container; images have none.
    pub stream: Option<u32>,
    /// The moving pictures in the container, that one among them; images have none.
    pub streams: Vec<VideoStream>,
    /// Size before the display rotation.
    pub stored_size: FrameSize,
    /// Clockwise turn that was applied.
    pub rotation_degrees: u32,
    /// Whether pictures were mirrored left to right before the turn.
    pub is_mirrored: bool,
}

/// A stream of moving pictures in a container.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct VideoStream {
    /// Its number in the container, as ffprobe counts too.
    pub index: u32,
    /// Codec by ffmpeg's name.
    pub codec: String,
    /// Size of its pictures before the display rotation, as the container announces it.
    pub size: FrameSize,
}

impl fmt::Display for VideoStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({}, {})", self.index, self.codec, self.size)
    }
}

impl Clip {
    pub(super) fn from_images(path: &Path, opened: OpenedImages) -> Self {
        let facts = StreamFacts {
            container: "images".to_owned(),
            codec: opened.format,
            pixel_format: "rgb24".to_owned(),
            colour: Colour::RGB,
            stream: None,
            streams: Vec::new(),
            stored_size: opened.size,
            rotation_degrees: 0,
            is_mirrored: false,
        };
        Clip(Arc::new(ClipInner {
            path: path.to_owned(),
            size: opened.size,
            index: Arc::new(opened.index),
            frame_rate_hint: None,
            sample_aspect_ratio: (1, 1),
            notices: opened.notices,
            facts,
            source: Source::Images(Arc::new(opened.list)),
        }))
    }

    #[cfg(feature = "video")]
    pub(super) fn from_video(path: &Path, opened: super::ffmpeg::OpenedVideo) -> Self {
        Clip(Arc::new(ClipInner {
            path: path.to_owned(),
            size: opened.size,
            index: Arc::clone(&opened.shared.index),
            frame_rate_hint: opened.frame_rate_hint,
            sample_aspect_ratio: opened.sample_aspect_ratio,
            notices: opened.notices,
            facts: opened.facts,
            source: Source::Video(opened.shared),
        }))
    }

    /// The file or folder it was opened from.
    pub fn path(&self) -> &Path {
        &self.0.path
    }

    /// Size of every frame, after the display rotation.
    pub fn size(&self) -> FrameSize {
        self.0.size
    }

    /// Number of frames, at least 1.
    pub fn frame_count(&self) -> u32 {
        self.0.index.len()
    }

    /// Times, key frames and names.
    pub fn index(&self) -> &FrameIndex {
        &self.0.index
    }

    /// Which clip this is, whatever its name.
    pub fn identity(&self) -> &ClipIdentity {
        self.0.index.identity()
    }

    /// The stream that was chosen; `None` for the one the file shows by itself, also when that was asked for by number.
    pub fn chosen_stream(&self) -> Option<u32> {
        self.identity().chosen_stream()
    }

    /// Frames per second the container speaks of; folders of images have none.
    pub fn frame_rate_hint(&self) -> Option<f64> {
        self.0.frame_rate_hint
    }

    /// Width to height of a pixel on screen, after the display rotation. Changes the view only.
    pub fn sample_aspect_ratio(&self) -> (u32, u32) {
        self.0.sample_aspect_ratio
    }

    /// What its labeller should know.
    pub fn notices(&self) -> &[Notice] {
        &self.0.notices
    }

    /// How the pictures are stored.
    pub fn facts(&self) -> &StreamFacts {
        &self.0.facts
    }

    /// What a project remembers of it.
    pub fn record(&self) -> ClipRecord {
        let (index, frames) = (self.index(), (0..self.frame_count()).map(FrameIdx));
        ClipRecord {
            path: self.path().to_owned(),
            identity: self.identity().as_str().to_owned(),
            size: self.size(),
            frame_count: self.frame_count(),
            time_base: (index.time_base().num, index.time_base().den),
            pts: frames.map(|frame| index.pts(frame).expect("the index has every frame")).collect(),
            average_rate: index.average_rate(),
        }
    }

    /// A reader with a decoder of its own, using every core.
    ///
    /// # Errors
    /// When the file cannot be opened any more, or has no decoder.
    pub fn reader(&self) -> Result<Reader, VideoError> {
        self.reader_with_threads(0)
    }

    /// A reader whose decoder uses this many threads; 0 means one per core.
    ///
    /// # Errors
    /// As [`Clip::reader`].
    pub fn reader_with_threads(&self, threads: usize) -> Result<Reader, VideoError> {
        Ok(Reader::new(self.clone(), threads))
    }

    pub(super) fn source(&self) -> &Source {
        &self.0.source
    }
}

impl fmt::Debug for Clip {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Clip")
            .field("path", &self.0.path)
            .field("size", &self.0.size)
            .field("frame_count", &self.frame_count())
            .finish_non_exhaustive()
    }
}
