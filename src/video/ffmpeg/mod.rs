//! The only place that speaks to ffmpeg. Nothing of ffmpeg's leaves it but counted picture buffers inside a
//! [`Frame`](super::Frame).
//!
//! `demuxer` opens files safely, `scan` makes the index, `packets` says which packet holds which frame, `run` decodes
//! forward, `source` finds exact frames, `pixels` turns ffmpeg's pictures into ours.

mod demuxer;
mod packets;
mod pixels;
mod run;
mod scan;
mod source;
mod visibility;

pub(super) use pixels::{plane_of, rgb_from_planes};
pub(super) use scan::{OpenedVideo, open_video};
pub(super) use source::{FrameSource, Shared};

/// The libavcodec in use, for `label-hub info`.
pub(super) fn library_version() -> String {
    let version = ffmpeg_next::codec::version();
    format!("libavcodec {}.{}.{}", version >> 16, (version >> 8) & 0xff, version & 0xff)
}
