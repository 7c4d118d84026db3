//! What an export did, what its format could not hold, and whether it reads back as it went in.

use std::path::PathBuf;

use serde::Serialize;

use super::FormatId;
use super::file_names::Renamed;
use crate::label::counted;

/// Differences told one by one; the rest is counted.
const MAX_TOLD: usize = 100;

/// What an export did.
#[derive(Debug, Clone, PartialEq)]
pub struct ExportReport {
    /// The format.
    pub format: FormatId,
    /// Where it is.
    pub folder: PathBuf,
    /// Clips written.
    pub clips: u64,
    /// Frames written, of all clips.
    pub frames: u64,
    /// Masks written that are not empty.
    pub masks: u64,
    /// Masks, empty ones included, whose prompts have changed since they were tracked.
    pub stale: u64,
    /// Pictures written.
    pub images: u64,
    /// What the format could not hold.
    pub losses: Losses,
    /// What the reading back found.
    pub check: CheckReport,
    /// Names that the files could not carry as they were; also in `labelhub-names.json`.
    pub renamed: Vec<Renamed>,
    /// What else its reader should know.
    pub notes: Vec<String>,
}

impl ExportReport {
    /// What is to be said of stale masks, if there are any.
    pub fn stale_line(&self) -> Option<String> {
        let is_one = self.stale == 1;
        let (be, they) = if is_one { ("is", "it was") } else { ("are", "they were") };
        let exported = counted(self.stale, "exported mask");
        let text =
            format!("{exported} {be} stale: the prompts have changed since {they} tracked; track and export again");
        (self.stale > 0).then_some(text)
    }
}

/// What a format could not hold, counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Losses {
    /// Masks that had holes, which outlines cannot show.
    pub holes: u64,
    /// Masks of several parts that were joined by lines.
    pub joined_parts: u64,
    /// Parts too small for an outline of three points, drawn with repeated points.
    pub tiny_parts: u64,
    /// Pixels that belonged to more than one object and went to the one with the lowest number.
    pub overlap_pixels: u64,
    /// Frames with such pixels.
    pub overlap_frames: u64,
    /// Frames whose picture is not what was recorded, because the clip is damaged there.
    pub damaged_pictures: u64,
}

impl Losses {
    /// One line for each loss that happened.
    pub fn lines(&self) -> Vec<String> {
        let Losses { holes, joined_parts, tiny_parts, overlap_pixels, overlap_frames, damaged_pictures } = *self;
        let all = [
            (holes, format!("{} with holes, which are filled", counted(holes, "mask"))),
            (joined_parts, format!("{} of several parts, joined by lines", counted(joined_parts, "mask"))),
            (tiny_parts, format!("{} too small for a polygon, with a point repeated", counted(tiny_parts, "part"))),
            (
                overlap_pixels,
                format!(
                    "{} on {} with several objects, given to the first one",
                    counted(overlap_pixels, "pixel"),
                    counted(overlap_frames, "frame")
                ),
            ),
            (damaged_pictures, format!("{} standing in for what is damaged", counted(damaged_pictures, "picture"))),
        ];
        all.into_iter().filter(|(count, _)| *count > 0).map(|(_, line)| line).collect()
    }
}

/// What reading the written files back found. IoU is taken against the project's masks that are not empty.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct CheckReport {
    /// Masks compared.
    pub masks: u64,
    /// The worst IoU; 1 when nothing was compared.
    pub min_iou: f64,
    /// The average IoU; 1 when nothing was compared.
    pub mean_iou: f64,
    /// Masks that differ from what the format should hold.
    pub difference_count: u64,
    /// The first of them.
    pub differences: Vec<String>,
}

impl Default for CheckReport {
    fn default() -> Self {
        CheckReport { masks: 0, min_iou: 1.0, mean_iou: 1.0, difference_count: 0, differences: Vec::new() }
    }
}

impl CheckReport {
    pub(super) fn note(&mut self, difference: String) {
        self.difference_count += 1;
        if self.differences.len() < MAX_TOLD {
            self.differences.push(difference);
        }
    }
}
