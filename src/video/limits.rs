//! What a file may ask of us: protocols, containers, sizes, counts and waiting times.
//!
//! Read by the ffmpeg side and by the image side before anything is allocated. A video is hostile until shown otherwise.

use std::path::Path;
use std::time::Duration;

use super::errors::VideoError;
use crate::label::FrameSize;

/// Only local files: a playlist that names a URL, or another scheme, is refused by ffmpeg itself.
pub const PROTOCOL_WHITELIST: &str = "file";

/// Every container we open, by demuxer name, with the endings its videos have; a demuxer with several names is listed
/// under each. Playlists (`hls`, `dash`, `concat`, `imf`), devices, subtitles and text-driven formats are left out: they
/// make ffmpeg open other files. `image2` is for single pictures the `image` crate does not read, and never with a
/// pattern in the name. What decides on opening is what a file holds; endings are for finding videos in a folder, so those
/// of sound, pictures and scripts are not here.
pub const FORMAT_WHITELIST: &[(&str, &[&str])] = &[
    // containers
    ("mov", &["mov", "qt"]),
    ("mp4", &["mp4", "f4v"]),
    ("m4a", &[]),
    ("3gp", &["3gp"]),
    ("3g2", &["3g2"]),
    ("mj2", &["mj2"]),
    ("matroska", &["mkv", "mk3d"]),
    ("webm", &["webm"]),
    ("avi", &["avi", "divx"]),
    ("mpegts", &["ts", "mts", "m2ts", "m2t"]),
    ("mpeg", &["mpg", "mpeg"]),
    ("vob", &["vob"]),
    ("ogg", &["ogv", "ogm"]),
    ("flv", &["flv"]),
    ("live_flv", &[]),
    ("asf", &["wmv", "asf"]),
    ("mxf", &["mxf"]),
    ("gxf", &["gxf"]),
    ("nut", &["nut"]),
    ("ivf", &["ivf"]),
    ("rm", &["rm", "rmvb"]),
    ("wtv", &["wtv"]),
    ("dv", &["dv", "dif"]),
    ("yuv4mpegpipe", &["y4m"]),
    ("gif", &["gif"]),
    ("apng", &["apng"]),
    // raw streams
    ("h264", &["h264", "264", "avc"]),
    ("hevc", &["hevc", "h265", "265"]),
    ("m4v", &["m4v"]),
    ("mpegvideo", &["m1v", "m2v", "mpv"]),
    ("mjpeg", &["mjpeg", "mjpg"]),
    ("mjpeg_2000", &[]),
    ("obu", &["obu"]),
    ("av1", &["av1"]),
    ("vc1", &["vc1"]),
    ("h263", &["h263"]),
    ("h261", &["h261"]),
    ("dirac", &["drc"]),
    ("cavsvideo", &["cavs"]),
    // single pictures
    ("image2", &[]),
    ("png_pipe", &[]),
    ("jpeg_pipe", &[]),
    ("bmp_pipe", &[]),
    ("tiff_pipe", &[]),
    ("webp_pipe", &[]),
    ("dpx_pipe", &[]),
    ("exr_pipe", &[]),
    ("j2k_pipe", &[]),
    ("jpegxl_pipe", &[]),
    ("pgm_pipe", &[]),
    ("ppm_pipe", &[]),
    ("tga_pipe", &[]),
];

/// Streams a container may declare. RELIABILITY.md 4.2 says 16, but real files have more: a film with twenty subtitles, a
/// recording with sixteen mono tracks of sound.
pub const MAX_STREAMS: u32 = 256;
/// Pixels of one picture: 16K UHD.
pub const MAX_PIXELS: u64 = 16384 * 8640;
/// Longest side of a picture.
pub const MAX_SIDE: u32 = 32768;
/// Largest single allocation inside ffmpeg.
pub const MAX_ALLOC_BYTES: usize = 1 << 30;
/// Largest allocation for one still image.
pub const MAX_IMAGE_ALLOC_BYTES: u64 = 1 << 30;
/// Packets of one stream: 24 hours at 240 fps.
pub const MAX_PACKETS: usize = 24 * 3600 * 240;
/// Images in one folder.
pub const MAX_IMAGES: usize = 5_000_000;
/// Read errors in a row after which the rest of the file counts as lost.
pub const MAX_READ_ERRORS: u32 = 256;
/// How long one read, seek or probe may take before it is given up.
pub const STALL_LIMIT: Duration = Duration::from_secs(30);

/// Whether a file is called as a video that we open. What it holds may be something else.
pub fn is_video_name(path: &Path) -> bool {
    let Some(ending) = path.extension() else { return false };
    FORMAT_WHITELIST.iter().flat_map(|(_, endings)| *endings).any(|known| ending.eq_ignore_ascii_case(known))
}

/// Refuses sizes we would not allocate.
pub fn check_size(path: &Path, size: FrameSize) -> Result<(), VideoError> {
    let pixels = u64::from(size.width) * u64::from(size.height);
    if pixels == 0 {
        return Err(VideoError::NotAVideo { path: path.to_owned(), detail: format!("its pictures are {size}") });
    }
    if pixels > MAX_PIXELS || size.width > MAX_SIDE || size.height > MAX_SIDE {
        return Err(VideoError::TooLarge {
            path: path.to_owned(),
            what: format!("the picture size {size}"),
            limit: format!("{MAX_PIXELS} pixels and {MAX_SIDE} a side"),
        });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn playlists_are_not_on_the_whitelist() {
        for name in ["hls", "dash", "concat", "applehttp", "imf", "sdp", "rtsp", "lavfi", "subviewer"] {
            assert!(FORMAT_WHITELIST.iter().all(|(known, _)| *known != name), "{name} opens other files");
        }
    }

    #[test]
    fn videos_are_told_by_the_endings_of_what_we_open() {
        for name in ["a.mp4", "A.MOV", "00001.m2ts", "x.3gp", "x.WMV", "x.vob", "x.mxf", "x.flv", "x.h264", "x.gif"] {
            assert!(is_video_name(Path::new(name)), "{name}");
        }
        for name in ["a.txt", "mp4", ".mp4", "a.m4a", "a.ogg", "a.m3u8", "a.avs"] {
            assert!(!is_video_name(Path::new(name)), "{name}");
        }
        for ending in FORMAT_WHITELIST.iter().flat_map(|(_, endings)| *endings) {
            let name = format!("x.{ending}");
            assert!(!super::super::images::is_still_image(Path::new(&name)), "{name} is a picture");
        }
    }

    #[test]
    fn sizes_beyond_the_limit_are_refused() {
        let path = Path::new("x");
        assert!(check_size(path, FrameSize { width: 1, height: 1 }).is_ok());
        assert!(check_size(path, FrameSize { width: 1, height: 8192 }).is_ok());
        assert!(check_size(path, FrameSize { width: 16384, height: 16384 }).is_err());
        assert!(check_size(path, FrameSize { width: 65535, height: 1 }).is_err());
        assert!(check_size(path, FrameSize { width: 0, height: 4 }).is_err());
    }
}
