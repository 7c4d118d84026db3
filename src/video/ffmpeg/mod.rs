//! The only place that speaks to ffmpeg. Nothing of ffmpeg's leaves it but counted picture buffers inside a
//! [`Frame`](super::Frame).
//!
//! `demuxer` opens files safely, `scan` makes the index, `keys` and `visibility` look into packets, `packets` says which
//! packet holds which frame, `run` decodes forward, `patches` hears of patched pictures, `references` says which damage
//! stays in its own picture, `source` finds exact frames, `pixels` turns ffmpeg's pictures into ours, `encode` writes a
//! video.

mod demuxer;
mod encode;
mod keys;
mod packets;
mod patches;
mod pixels;
mod references;
mod run;
mod scan;
mod source;
mod visibility;

pub(super) use encode::Encoder;
pub(super) use pixels::{plane_of, rgb_from_planes};
pub(super) use scan::{OpenedVideo, open_video};
pub(super) use source::{FrameSource, Shared};

/// Codecs that labellers' clips come in.
const COMMON_CODECS: [&str; 14] = [
    "h264",
    "hevc",
    "av1",
    "vp9",
    "vp8",
    "mpeg4",
    "mpeg2video",
    "mpeg1video",
    "prores",
    "dnxhd",
    "ffv1",
    "mjpeg",
    "vc1",
    "gif",
];

/// Those of [`COMMON_CODECS`] that this ffmpeg decodes, for `label-hub info`.
pub(super) fn common_decoders() -> Vec<&'static str> {
    // A decoder may go by its library's name, so it is looked for by the codec's.
    let is_there = |name: &&str| {
        let descriptor = std::ffi::CString::new(*name).expect("codec names hold no zero byte");
        // SAFETY: the name is a C string; the answer is null or points to a static table.
        unsafe {
            let descriptor = ffmpeg_next::ffi::avcodec_descriptor_get_by_name(descriptor.as_ptr());
            !descriptor.is_null() && !ffmpeg_next::ffi::avcodec_find_decoder((*descriptor).id).is_null()
        }
    };
    COMMON_CODECS.into_iter().filter(is_there).collect()
}

/// The libavcodec in use, for `label-hub info`.
pub(super) fn library_version() -> String {
    let version = ffmpeg_next::codec::version();
    format!("libavcodec {}.{}.{}", version >> 16, (version >> 8) & 0xff, version & 0xff)
}
