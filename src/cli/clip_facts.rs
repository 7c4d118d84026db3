//! The facts of a clip for `label-hub info VIDEO`: as a table for people, as JSON for programs.
//!
//! Called by the command line. Reads the index only, unless asked to look for damaged frames.

use std::fmt;
use std::ops::ControlFlow;
use std::path::PathBuf;

use serde::Serialize;

use super::track_events::ranges;
use crate::label::{FrameIdx, FrameSize};
use crate::video::{self, Clip, Colour, Notice, VideoError, VideoStream};

/// What there is to know about a clip before labelling it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ClipReport {
    /// File or folder.
    pub path: PathBuf,
    /// SHA-256 over length, head and tail; see [`ClipIdentity`](crate::video::ClipIdentity).
    pub identity: String,
    /// Size of the frames, and of the masks, after the display rotation.
    pub size: FrameSize,
    /// Size before the rotation.
    pub stored_size: FrameSize,
    /// Clockwise turn that is applied.
    pub rotation_degrees: u32,
    /// Whether the pictures are mirrored before the turn.
    pub is_mirrored: bool,
    /// Number of frames.
    pub frame_count: u32,
    /// Frames decoding can start at.
    pub key_frame_count: u32,
    /// Container by ffmpeg's name, or `images`.
    pub container: String,
    /// Codec or image format.
    pub codec: String,
    /// Pixel format by ffmpeg's name.
    pub pixel_format: String,
    /// Matrix, range and transfer.
    pub colour: Colour,
    /// Number of the video stream in the container; images have none.
    pub stream: Option<u32>,
    /// The video streams that `--stream` can choose; images have none.
    pub streams: Vec<VideoStream>,
    /// Frames per second the container speaks of.
    pub frames_per_second: Option<f64>,
    /// Frames per second on average, by the index.
    pub average_frames_per_second: Option<f64>,
    /// Whether the gaps between frames differ.
    pub has_variable_frame_rate: bool,
    /// Time of the first frame.
    pub start_secs: f64,
    /// From the first frame to the end of the last.
    pub duration_secs: f64,
    /// Width to height of a pixel on screen.
    pub sample_aspect_ratio: (u32, u32),
    /// Damaged frames; `None` when nobody looked.
    pub damaged_frames: Option<Vec<FrameIdx>>,
    /// What its labeller should know.
    pub notices: Vec<Notice>,
}

impl ClipReport {
    /// Facts of an opened clip, without decoding it.
    pub fn of(clip: &Clip) -> Self {
        let (index, facts) = (clip.index(), clip.facts());
        let keys = (0..clip.frame_count()).filter(|&idx| index.is_key(FrameIdx(idx))).count();
        ClipReport {
            path: clip.path().to_owned(),
            identity: clip.identity().to_string(),
            size: clip.size(),
            stored_size: facts.stored_size,
            rotation_degrees: facts.rotation_degrees,
            is_mirrored: facts.is_mirrored,
            frame_count: clip.frame_count(),
            key_frame_count: u32::try_from(keys).expect("no more than there are frames"),
            container: facts.container.clone(),
            codec: facts.codec.clone(),
            pixel_format: facts.pixel_format.clone(),
            colour: facts.colour,
            stream: facts.stream,
            streams: facts.streams.clone(),
            frames_per_second: clip.frame_rate_hint(),
            average_frames_per_second: index.average_rate(),
            has_variable_frame_rate: index.has_variable_rate(),
            start_secs: index.start_secs(),
            duration_secs: index.duration_secs(),
            sample_aspect_ratio: clip.sample_aspect_ratio(),
            damaged_frames: None,
            notices: clip.notices().to_vec(),
        }
    }

    /// Decodes every frame to find the damaged ones. `each` is called after each of them; breaking leaves them unknown.
    ///
    /// # Errors
    /// When a frame is out of reach.
    pub fn look_for_damage(
        &mut self,
        clip: &Clip,
        each: &mut dyn FnMut() -> ControlFlow<()>,
    ) -> Result<(), VideoError> {
        let mut reader = clip.reader()?;
        let mut damaged = Vec::new();
        for idx in (0..clip.frame_count()).map(FrameIdx) {
            if reader.frame(idx)?.damage().is_some() {
                damaged.push(idx);
            }
            if each().is_break() {
                return Ok(());
            }
        }
        self.damaged_frames = Some(damaged);
        Ok(())
    }
}

/// The ffmpeg this program decodes with, `None` without the `video` feature.
pub fn decoder_version() -> Option<String> {
    video::library_version()
}

impl fmt::Display for ClipReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut line = |name: &str, value: String| writeln!(f, "{name:<12} {value}");
        line("file", self.path.display().to_string())?;
        let keys = crate::label::counted(self.key_frame_count, "key frame");
        line("frames", format!("{} ({keys})", self.frame_count))?;
        let turn = match (self.rotation_degrees, self.is_mirrored) {
            (0, false) => String::new(),
            (degrees, false) => format!(" (stored {}, turned {degrees}°)", self.stored_size),
            (degrees, true) => format!(" (stored {}, mirrored and turned {degrees}°)", self.stored_size),
        };
        line("size", format!("{}{turn}", self.size))?;
        if self.sample_aspect_ratio != (1, 1) {
            line("pixels", format!("{}:{}", self.sample_aspect_ratio.0, self.sample_aspect_ratio.1))?;
        }
        let rate = match self.frames_per_second.or(self.average_frames_per_second) {
            Some(rate) => format!(", {rate:.3} frames/s"),
            None => String::new(),
        };
        let variable = if self.has_variable_frame_rate { ", variable" } else { "" };
        line("time", format!("{:.3} s from {:.3} s{rate}{variable}", self.duration_secs, self.start_secs))?;
        line("stored as", format!("{} in {}, {}", self.codec, self.container, self.pixel_format))?;
        if self.streams.len() > 1 {
            let name =
                |s: &VideoStream| if Some(s.index) == self.stream { format!("{s}, shown") } else { s.to_string() };
            let streams: Vec<String> = self.streams.iter().map(name).collect();
            line("streams", format!("{}; --stream N shows another", streams.join("; ")))?;
        }
        line("identity", self.identity.clone())?;
        match &self.damaged_frames {
            None => {}
            Some(damaged) if damaged.is_empty() => line("damaged", "none".to_owned())?,
            Some(damaged) => {
                line("damaged", format!("{}: {}", crate::label::counted(damaged.len(), "frame"), ranges(damaged)))?
            }
        }
        self.notices.iter().try_for_each(|notice| line("note", notice.to_string()))
    }
}
