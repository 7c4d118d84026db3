//! What can go wrong while reading a clip, and what a labeller should know about a clip that opened.
//!
//! Every public function of the room returns [`VideoError`]; the command line and the window show its message as it is.
//! Messages say what happened, to which file, and what to do next. Nothing here logs.

use std::fmt;
use std::path::PathBuf;

use serde::Serialize;

use super::clip::VideoStream;
use crate::label::{FrameIdx, FrameSize, counted};

/// Why a clip, or a frame of it, cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum VideoError {
    /// The program was built without the `video` feature.
    #[error("{path}: this build reads folders of images only. Rebuild with `--features video`, or extract the frames first", path = path.display())]
    NotInThisBuild {
        /// The file asked for.
        path: PathBuf,
    },
    /// The operating system refused.
    #[error("{path}: cannot be read: {source}. Check that it exists and that you may read it", path = path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// Not a video, or one in a container outside the whitelist.
    #[error("{path}: not a video this program opens ({detail}). Check that the file is complete and really a video", path = path.display())]
    NotAVideo {
        /// The file.
        path: PathBuf,
        /// What ffmpeg or our own check found.
        detail: String,
    },
    /// An MP4 whose table of contents was never written.
    #[error("{path}: the MP4's index (moov) is missing, the recording or copy was cut short. Copy it again, or repair it with a tool such as untrunc", path = path.display())]
    MoovMissing {
        /// The file.
        path: PathBuf,
    },
    /// Sound or data only.
    #[error("{path}: no video stream in this file. Choose a file with pictures", path = path.display())]
    NoVideoStream {
        /// The file.
        path: PathBuf,
    },
    /// The stream that was asked for is not there, or is no moving picture.
    #[error("{path}: stream {stream} is not a video stream that can be shown. Choose one of: {}", listed(streams), path = path.display())]
    NoSuchStream {
        /// The file.
        path: PathBuf,
        /// The number asked for.
        stream: u32,
        /// Those that can be chosen.
        streams: Vec<VideoStream>,
    },
    /// A stream was asked for where there are none.
    #[error("{path}: images have no streams, and stream {stream} was asked for. Open them without a stream's number", path = path.display())]
    NoStreams {
        /// The folder or image.
        path: PathBuf,
        /// The number asked for.
        stream: u32,
    },
    /// No decoder for the stream.
    #[error("{path}: the installed ffmpeg has no decoder for {codec}. Convert the file, for example `ffmpeg -i IN -c:v libx264 OUT.mp4`", path = path.display())]
    NoDecoder {
        /// The file.
        path: PathBuf,
        /// Codec name.
        codec: String,
    },
    /// The container opened and yields no picture at all.
    #[error("{path}: not one frame can be decoded, the picture data is damaged. Copy the file again from its source", path = path.display())]
    NoFrames {
        /// The file.
        path: PathBuf,
    },
    /// A limit stopped us before memory was spent.
    #[error("{path}: {what} is beyond the limit of {limit}. Scale or split the clip first", path = path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// What is too large.
        what: String,
        /// The limit.
        limit: String,
    },
    /// The container's header asks for more than we give.
    #[error("{path}: its header asks for more than {streams} streams or {mebibytes} MiB of memory. Copy the pictures alone into a new file, for example `ffmpeg -i IN -map 0:v:0 -c copy OUT.mkv`", path = path.display())]
    HeaderTooLarge {
        /// The file.
        path: PathBuf,
        /// Most streams a file may have.
        streams: u32,
        /// Most memory for one thing in it.
        mebibytes: usize,
    },
    /// A folder without pictures.
    #[error("{path}: no images in this folder (png, jpg, webp, bmp, tiff, gif). Choose the folder that holds the frames", path = path.display())]
    EmptyFolder {
        /// The folder.
        path: PathBuf,
    },
    /// Images of several sizes.
    #[error("{path}: the image is {found}, but {first_name} is {expected}. All frames of a clip have one size; move the odd ones out", path = path.display())]
    MixedSizes {
        /// The first image that differs.
        path: PathBuf,
        /// Its size.
        found: FrameSize,
        /// Name of the first image.
        first_name: String,
        /// Size of the first image.
        expected: FrameSize,
    },
    /// The caller's progress callback said stop.
    #[error("{path}: opening was cancelled", path = path.display())]
    Cancelled {
        /// The file.
        path: PathBuf,
    },
    /// Storage did not answer in time.
    #[error("{path}: no answer from the storage in {limit_secs} s. Check the disk or the network share and open it again", path = path.display())]
    TimedOut {
        /// The file.
        path: PathBuf,
        /// How long we waited.
        limit_secs: u64,
    },
    /// Not a frame of this clip.
    #[error("{path}: frame {idx} asked for, the clip has frames 0 to {last}", path = path.display())]
    OutOfRange {
        /// The file.
        path: PathBuf,
        /// The frame asked for.
        idx: FrameIdx,
        /// Last frame of the clip.
        last: u32,
    },
    /// The file is not the one that was indexed.
    #[error("{path}: the file changed since it was opened ({detail}). Open it again", path = path.display())]
    Changed {
        /// The file.
        path: PathBuf,
        /// What differs.
        detail: String,
    },
    /// A picture could not be converted.
    #[error("{path}: frame {idx} cannot be converted: {detail}. Convert the clip to H.264 yuv420p", path = path.display())]
    Convert {
        /// The file.
        path: PathBuf,
        /// The frame.
        idx: FrameIdx,
        /// What swscale said.
        detail: String,
    },
    /// A video could not be written.
    #[error("{path}: the video cannot be written: {detail}. Check free space and which encoders ffmpeg has", path = path.display())]
    Encode {
        /// The file.
        path: PathBuf,
        /// What ffmpeg said.
        detail: String,
    },
    /// The decode thread could not be started or has ended.
    #[error("the decode thread is not running: {detail}. Open the clip again")]
    Thread {
        /// Why.
        detail: String,
    },
}

/// Streams in a sentence.
fn listed(streams: &[VideoStream]) -> String {
    streams.iter().map(ToString::to_string).collect::<Vec<String>>().join(", ")
}

/// Something about an opened clip its labeller should know.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Notice {
    /// Fields are shown as they are stored.
    Interlaced,
    /// PQ or HLG pictures are brought to the range of the screen and of the model.
    HdrToneMapped,
    /// The file ends before its header says it does.
    Truncated {
        /// Frames that are there.
        readable: u32,
        /// Frames the header announces, as far as it tells.
        announced: Option<u32>,
    },
    /// The size changes on the way; frames of another size than the first are damaged.
    SizeChanges {
        /// Size of the first frame, as stored.
        first: FrameSize,
        /// The first other size, as stored.
        other: FrameSize,
    },
    /// Jumping is slow: the file cannot be sought, so a jump back decodes from the start.
    SequentialOnly,
    /// The order of the frames was found by decoding once, because the file's timestamps do not tell it.
    OrderFoundByDecoding,
    /// More than one video stream; the best one was taken, or the one asked for.
    SeveralVideoStreams {
        /// How many there are.
        count: u32,
        /// Index of the one in use.
        chosen: u32,
    },
    /// The display matrix is not a right angle and is ignored.
    OddRotationIgnored,
    /// Images that cannot be read; their frames are damaged.
    UnreadableImages {
        /// How many.
        count: u32,
        /// The first one.
        first_name: String,
    },
    /// Animated images and images of several pages give their first picture only.
    AnimatedImages {
        /// How many.
        count: u32,
    },
    /// Pictures at the start, before the first key frame, cannot be decoded and are not counted.
    LeadingPicturesDropped {
        /// How many.
        count: u32,
    },
}

impl fmt::Display for Notice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Notice::Interlaced => f.write_str("interlaced: fields are shown as they are stored"),
            Notice::HdrToneMapped => f.write_str("HDR: tone mapped for the screen and the model"),
            Notice::Truncated { readable, announced: Some(announced) } => {
                write!(f, "truncated: {readable} of {announced} frames are there")
            }
            Notice::Truncated { readable, announced: None } => write!(f, "truncated: {readable} frames are there"),
            Notice::SizeChanges { first, other } => {
                write!(f, "the size changes from {first} to {other}: frames of another size than the first are damaged")
            }
            Notice::SequentialOnly => f.write_str("the file cannot be sought: jumping back decodes from the start"),
            Notice::OrderFoundByDecoding => {
                f.write_str("the timestamps do not tell the order of the frames: it was found by decoding once")
            }
            Notice::SeveralVideoStreams { count, chosen } => {
                write!(f, "{count} video streams: stream {chosen} is shown")
            }
            Notice::OddRotationIgnored => f.write_str("the rotation is not a right angle and is ignored"),
            Notice::UnreadableImages { count, first_name } => {
                write!(f, "{} unreadable and marked as damaged (first: {first_name})", counted(*count, "image"))
            }
            Notice::AnimatedImages { count } => {
                let images = counted(*count, "image");
                write!(f, "{images} with several pictures: only the first of each is used")
            }
            Notice::LeadingPicturesDropped { count } => {
                write!(f, "{} before the first key frame, not decodable and not counted", counted(*count, "picture"))
            }
        }
    }
}
