//! The clip that labels are of, as a project remembers it. Reads and compares nothing.

use std::path::PathBuf;

use super::FrameSize;

/// What identifies a clip and its frames. Plain values, so that the labels' file needs no decoder.
#[derive(Debug, Clone, PartialEq)]
pub struct ClipRecord {
    /// Where it was opened: a file, or a folder of images.
    pub path: PathBuf,
    /// SHA-256 in hex of what the clip is made of (`video::ClipIdentity`): the same for the same content anywhere. That of
    /// a stream that was chosen ends with its number; see [`chosen_stream`].
    pub identity: String,
    /// Size of its frames, after the display rotation.
    pub size: FrameSize,
    /// How many frames it has.
    pub frame_count: u32,
    /// Seconds of one tick of `pts`, as numerator and denominator.
    pub time_base: (i32, i32),
    /// Presentation time of each frame in ticks; may be shorter than the clip, or empty, where times are not known.
    pub pts: Vec<i64>,
    /// Frames per second on average, where the file says so.
    pub average_rate: Option<f64>,
}

/// Between the hash and the number in the identity of a stream that was chosen.
pub const STREAM_MARK: char = ':';

/// The stream that the identity of a clip names, as its container counts; `None` where it is the one that the file shows
/// by itself.
pub fn chosen_stream(identity: &str) -> Option<u32> {
    identity.split_once(STREAM_MARK)?.1.parse().ok()
}
