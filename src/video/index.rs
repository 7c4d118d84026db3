//! The frame index: which frames a clip has, in which order, and when each is shown.
//!
//! Built once when a clip is opened, by the packet scan or by the image folder; everybody reads it through
//! [`Clip::index`](super::Clip::index). It knows nothing of packets and holds no pixels.

use serde::{Deserialize, Serialize};

use super::identity::ClipIdentity;
use crate::label::FrameIdx;

/// Seconds per tick, as a fraction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct TimeBase {
    /// Numerator.
    pub num: i32,
    /// Denominator, never 0.
    pub den: i32,
}

impl TimeBase {
    /// Ticks to seconds.
    pub fn secs(self, ticks: i64) -> f64 {
        ticks as f64 * f64::from(self.num) / f64::from(self.den)
    }

    /// Seconds to the nearest tick.
    pub fn ticks(self, secs: f64) -> i64 {
        (secs * f64::from(self.den) / f64::from(self.num)).round() as i64
    }
}

/// One frame of the clip.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct FrameEntry {
    /// Presentation time in ticks of the index's time base.
    pub pts: i64,
    /// Whether decoding can start here.
    pub is_key: bool,
}

/// All frames of a clip by rank of presentation time.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FrameIndex {
    time_base: TimeBase,
    frames: Vec<FrameEntry>,
    last_duration: i64,
    names: Vec<String>,
    identity: ClipIdentity,
}

impl FrameIndex {
    /// An index over frames sorted by pts. `last_duration` is how long the last frame is shown, in ticks.
    pub fn new(
        time_base: TimeBase,
        frames: Vec<FrameEntry>,
        last_duration: i64,
        names: Vec<String>,
        identity: ClipIdentity,
    ) -> Self {
        debug_assert!(names.is_empty() || names.len() == frames.len(), "one name per frame, or none");
        debug_assert!(frames.is_sorted_by_key(|frame| frame.pts), "frames are sorted by pts");
        FrameIndex { time_base, frames, last_duration, names, identity }
    }

    /// Number of frames.
    pub fn len(&self) -> u32 {
        u32::try_from(self.frames.len()).expect("limits keep the count below 2^32")
    }

    /// Whether there are no frames; an opened clip has at least one.
    pub fn is_empty(&self) -> bool {
        self.frames.is_empty()
    }

    /// Seconds per tick.
    pub fn time_base(&self) -> TimeBase {
        self.time_base
    }

    /// Facts of a frame, `None` past the end.
    pub fn entry(&self, idx: FrameIdx) -> Option<FrameEntry> {
        self.frames.get(idx.as_usize()).copied()
    }

    /// Presentation time of a frame in ticks, `None` past the end.
    pub fn pts(&self, idx: FrameIdx) -> Option<i64> {
        self.entry(idx).map(|entry| entry.pts)
    }

    /// Presentation time of a frame in seconds on the file's own clock, `None` past the end.
    pub fn pts_secs(&self, idx: FrameIdx) -> Option<f64> {
        self.pts(idx).map(|pts| self.time_base.secs(pts))
    }

    /// Whether decoding can start at this frame.
    pub fn is_key(&self, idx: FrameIdx) -> bool {
        self.entry(idx).is_some_and(|entry| entry.is_key)
    }

    /// File name of a frame; only folders of images have names.
    pub fn name(&self, idx: FrameIdx) -> Option<&str> {
        self.names.get(idx.as_usize()).map(String::as_str)
    }

    /// First presentation time in seconds.
    pub fn start_secs(&self) -> f64 {
        self.frames.first().map_or(0.0, |frame| self.time_base.secs(frame.pts))
    }

    /// From the first frame's appearance to the last one's end, in seconds.
    pub fn duration_secs(&self) -> f64 {
        match (self.frames.first(), self.frames.last()) {
            (Some(first), Some(last)) => self.time_base.secs(last.pts - first.pts + self.last_duration),
            _ => 0.0,
        }
    }

    /// The frame on screen at `secs` on the file's own clock; the first before the start, the last after the end.
    pub fn frame_at_secs(&self, secs: f64) -> FrameIdx {
        let later = self.frames.partition_point(|frame| self.time_base.secs(frame.pts) <= secs + 1e-9);
        FrameIdx(u32::try_from(later.saturating_sub(1)).expect("limits keep the count below 2^32"))
    }

    /// Whether the gaps between frames differ by more than rounding.
    pub fn has_variable_rate(&self) -> bool {
        let gaps = self.frames.windows(2).map(|pair| pair[1].pts - pair[0].pts);
        match (gaps.clone().min(), gaps.max()) {
            (Some(shortest), Some(longest)) => longest - shortest > 2,
            _ => false,
        }
    }

    /// Average frames per second, `None` for a single frame.
    pub fn average_rate(&self) -> Option<f64> {
        let (first, last) = (self.frames.first()?, self.frames.last()?);
        let secs = self.time_base.secs(last.pts - first.pts);
        (secs > 0.0).then(|| (self.frames.len() - 1) as f64 / secs)
    }

    /// Which file this is, whatever its name.
    pub fn identity(&self) -> &ClipIdentity {
        &self.identity
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn index(pts: &[i64]) -> FrameIndex {
        let frames = pts.iter().map(|&pts| FrameEntry { pts, is_key: pts == 0 }).collect();
        FrameIndex::new(TimeBase { num: 1, den: 10 }, frames, 1, Vec::new(), ClipIdentity::of_bytes(b"x"))
    }

    #[test]
    fn frame_at_a_time_is_the_one_on_screen() {
        let index = index(&[5, 6, 9]);
        for (secs, expected) in [(-1.0, 0), (0.5, 0), (0.59, 0), (0.6, 1), (0.89, 1), (0.9, 2), (99.0, 2)] {
            assert_eq!(index.frame_at_secs(secs), FrameIdx(expected), "at {secs} s");
        }
        assert!((index.duration_secs() - 0.5).abs() < 1e-9);
    }

    #[test]
    fn rounding_is_not_variable_rate() {
        assert!(!index(&[0, 33, 67, 100]).has_variable_rate());
        assert!(index(&[0, 33, 100, 133]).has_variable_rate());
        assert!(!index(&[0]).has_variable_rate());
        assert_eq!(index(&[0]).average_rate(), None);
    }
}
