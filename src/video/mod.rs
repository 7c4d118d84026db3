//! Video in: exact frames from any file ffmpeg reads and from folders of images.
//!
//! [`open`] makes the frame index and gives a [`Clip`]; a [`Reader`] gives frames by index; [`VideoThread`] does so in
//! the background for the window. A frame is known by its rank in presentation order and nothing else
//! ([`FrameIdx`](crate::label::FrameIdx)); timestamps stay in this room. Frames are upright, of one size, and the same
//! whether reached by playing or by jumping; what cannot be decoded is marked as damaged and never passed off as good.
//!
//! ffmpeg lives in `ffmpeg/` behind the `video` feature. Without it folders of images still work and a video file is
//! answered with [`VideoError::NotInThisBuild`]. [`VideoWriter`] writes previews. The room uses `label` only.

mod cache;
mod clip;
#[cfg_attr(not(feature = "video"), allow(dead_code, reason = "only videos are HDR"))]
mod colour;
mod errors;
#[cfg(feature = "video")]
mod ffmpeg;
mod frame;
mod identity;
mod images;
mod index;
mod jpeg;
#[cfg_attr(not(feature = "video"), allow(dead_code, reason = "most limits are for containers"))]
mod limits;
mod natural_order;
#[cfg_attr(not(feature = "video"), allow(dead_code, reason = "only videos have display matrices"))]
mod orientation;
mod reader;
mod worker;
mod writer;

use std::ops::ControlFlow;
use std::path::Path;

pub use cache::FrameCache;
pub use clip::{Clip, StreamFacts, VideoStream};
pub use colour::{Colour, Matrix, Range, Transfer};
pub use errors::{Notice, VideoError};
pub use frame::{Damage, Frame, Layout, Plane, PlaneFormat, RgbImage};
pub use identity::ClipIdentity;
pub use images::holds_images;
pub use index::{FrameEntry, FrameIndex, TimeBase};
pub use limits::is_video_name;
pub use natural_order::compare as natural_order;
pub use reader::Reader;
pub use worker::{Generation, SameClip, VideoCommand, VideoEvent, VideoThread, WorkerOptions};
pub use writer::VideoWriter;

/// How far indexing has come.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct IndexProgress {
    /// Frames found so far.
    pub frames_seen: u32,
    /// Share of the file read, 0 to 1, where it is known.
    pub fraction: Option<f32>,
}

/// Opens a video file, a folder of images, or a single image. `progress` is called every few frames; breaking cancels.
/// Of several video streams it is the one that a player shows.
///
/// # Errors
/// When it is no such thing, cannot be read, is too large, or `progress` breaks.
pub fn open(path: &Path, progress: &mut dyn FnMut(IndexProgress) -> ControlFlow<()>) -> Result<Clip, VideoError> {
    open_stream(path, None, progress)
}

/// Like [`open`], with the video stream of this number, as the container and ffprobe count; `None` takes the best one.
///
/// # Errors
/// As [`open`], and when there is no video stream of this number, as in images.
pub fn open_stream(
    path: &Path,
    stream: Option<u32>,
    progress: &mut dyn FnMut(IndexProgress) -> ControlFlow<()>,
) -> Result<Clip, VideoError> {
    let metadata = std::fs::metadata(path).map_err(|source| VideoError::Io { path: path.to_owned(), source })?;
    if let Some(stream) = stream.filter(|_| metadata.is_dir() || images::is_still_image(path)) {
        return Err(VideoError::NoStreams { path: path.to_owned(), stream });
    }
    if metadata.is_dir() {
        return Ok(Clip::from_images(path, images::open_folder(path, progress)?));
    }
    if images::is_still_image(path) {
        return Ok(Clip::from_images(path, images::open_single(path, progress)?));
    }
    open_video_file(path, stream, progress)
}

/// Opens without progress or cancel.
///
/// # Errors
/// As [`open`].
pub fn open_quietly(path: &Path) -> Result<Clip, VideoError> {
    open(path, &mut |_| ControlFlow::Continue(()))
}

/// The ffmpeg in this build, for `label-hub info`; `None` without the `video` feature.
pub fn library_version() -> Option<String> {
    #[cfg(feature = "video")]
    return Some(ffmpeg::library_version());
    #[cfg(not(feature = "video"))]
    return None;
}

/// Common codecs this build decodes; none without the `video` feature.
pub fn common_decoders() -> Vec<&'static str> {
    #[cfg(feature = "video")]
    return ffmpeg::common_decoders();
    #[cfg(not(feature = "video"))]
    return Vec::new();
}

#[cfg(feature = "video")]
fn open_video_file(
    path: &Path,
    stream: Option<u32>,
    progress: &mut dyn FnMut(IndexProgress) -> ControlFlow<()>,
) -> Result<Clip, VideoError> {
    Ok(Clip::from_video(path, ffmpeg::open_video(path, stream, progress)?))
}

#[cfg(not(feature = "video"))]
fn open_video_file(
    path: &Path,
    _stream: Option<u32>,
    _progress: &mut dyn FnMut(IndexProgress) -> ControlFlow<()>,
) -> Result<Clip, VideoError> {
    Err(VideoError::NotInThisBuild { path: path.to_owned() })
}
