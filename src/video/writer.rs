//! Writes a video file, for previews and exports.
//!
//! Without the `video` feature it cannot be made, so that callers need no feature of their own.

use std::path::Path;

use super::errors::VideoError;
use super::frame::RgbImage;
use crate::label::FrameSize;

/// An MP4 being written. It is playable only after [`finish`](Self::finish).
pub struct VideoWriter {
    #[cfg(feature = "video")]
    encoder: super::ffmpeg::Encoder,
    #[cfg(not(feature = "video"))]
    never: std::convert::Infallible,
}

#[cfg(feature = "video")]
impl VideoWriter {
    /// Begins a file for pictures of this size; odd sides are made even by repeating the last row or column.
    /// `frames_per_sec` is a hint for the encoder.
    ///
    /// # Errors
    /// When the file cannot be written or no encoder is installed.
    pub fn create(path: &Path, size: FrameSize, frames_per_sec: f64) -> Result<Self, VideoError> {
        Ok(VideoWriter { encoder: super::ffmpeg::Encoder::create(path, size, frames_per_sec)? })
    }

    /// Adds a picture, shown from `secs` on; times ascend. Panics when it has another size.
    ///
    /// # Errors
    /// When it cannot be encoded or written.
    pub fn write(&mut self, image: &RgbImage, secs: f64, duration_secs: f64) -> Result<(), VideoError> {
        self.encoder.write(image, secs, duration_secs)
    }

    /// Completes the file.
    ///
    /// # Errors
    /// When the rest cannot be written.
    pub fn finish(self) -> Result<(), VideoError> {
        self.encoder.finish()
    }
}

#[cfg(not(feature = "video"))]
impl VideoWriter {
    /// Always an error in this build.
    ///
    /// # Errors
    /// [`VideoError::NotInThisBuild`].
    pub fn create(path: &Path, _size: FrameSize, _frames_per_sec: f64) -> Result<Self, VideoError> {
        Err(VideoError::NotInThisBuild { path: path.to_owned() })
    }

    /// Cannot be called.
    ///
    /// # Errors
    /// None.
    pub fn write(&mut self, _image: &RgbImage, _secs: f64, _duration_secs: f64) -> Result<(), VideoError> {
        match self.never {}
    }

    /// Cannot be called.
    ///
    /// # Errors
    /// None.
    pub fn finish(self) -> Result<(), VideoError> {
        match self.never {}
    }
}
