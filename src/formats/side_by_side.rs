//! Datasets that put the frames of all their clips side by side: which of the frames to read.
//!
//! Nothing in such a format says where one clip ends and the next begins, but folders and names do. What cannot be told
//! apart is one clip; it is for the sink to refuse several.

use std::collections::{BTreeSet, HashSet};

use super::FormatError;
use super::reading::Sink;

/// Folders that say which part of a dataset a file is in, or what kind of file it is, and nothing of the clip. Also with
/// a year behind them (`train2017`).
const NO_CLIPS: [&str; 16] = [
    "train",
    "val",
    "valid",
    "validation",
    "test",
    "images",
    "image",
    "imgs",
    "img",
    "labels",
    "annotations",
    "frames",
    "data",
    "default",
    "jpegimages",
    "obj_train_data",
];

/// The clips whose frames are wanted.
pub(super) struct WantedClips {
    /// `None` where frames need no clip to be found by.
    names: Option<HashSet<String>>,
}

impl WantedClips {
    /// Asks the sink. `each_file` walks through all frames of the dataset and tells each one's file, with its folders, and
    /// the clip where the format names it after all.
    ///
    /// # Errors
    /// When the dataset cannot be read, or the sink cannot choose.
    pub fn choose(
        sink: &mut dyn Sink,
        each_file: impl FnOnce(&mut dyn FnMut(&str, Option<&str>) -> Result<(), FormatError>) -> Result<(), FormatError>,
    ) -> Result<Self, FormatError> {
        if sink.knows_frame_names() {
            return Ok(WantedClips { names: None });
        }
        let mut found = BTreeSet::new();
        each_file(&mut |file, clip| {
            sink.keep_going()?;
            found.insert(clip_of(sink, file, clip));
            Ok(())
        })?;
        let found: Vec<String> = found.into_iter().collect();
        let chosen = sink.choose_sequences(&found)?;
        Ok(WantedClips { names: Some(chosen.into_iter().map(|position| found[position].clone()).collect()) })
    }

    /// Whether a frame of this file and clip is wanted.
    pub fn hold(&self, sink: &dyn Sink, file: &str, clip: Option<&str>) -> bool {
        self.names.as_ref().is_none_or(|names| names.contains(&clip_of(sink, file, clip)))
    }
}

fn clip_of(sink: &dyn Sink, file: &str, clip: Option<&str>) -> String {
    clip.map_or_else(|| sink.clip_of_file(file), str::to_owned)
}

/// The folder of a file that may be called like a clip; empty where there is none. Both kinds of slash separate.
pub(super) fn folder_of(file: &str) -> &str {
    let folders = file.rsplit(['/', '\\']).skip(1);
    let is_clip = |folder: &&str| {
        let name = folder.trim_end_matches(|c: char| c.is_ascii_digit()).to_ascii_lowercase();
        !matches!(*folder, "" | "." | "..") && !NO_CLIPS.contains(&name.as_str())
    };
    folders.into_iter().find(is_clip).unwrap_or("")
}

/// What stands before the number at the end of a name: `clip` of `clip_00012`.
pub(super) fn before_number(name: &str) -> &str {
    without_separators(name.trim_end_matches(|c: char| c.is_ascii_digit()))
}

/// Without the signs at the end that stand between a clip's name and a frame's.
pub(super) fn without_separators(name: &str) -> &str {
    name.trim_end_matches(['_', '-', '.', ' '])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_and_names_tell_clips_apart() {
        let cases = [
            ("vidA/00001.jpg", "vidA"),
            ("images\\train2017\\vidA\\00001.jpg", "vidA"),
            ("vidA/images/00001.jpg", "vidA"),
            ("../vidA/./1.jpg", "vidA"),
            ("images/Train/00001.jpg", ""),
            ("00001.jpg", ""),
            ("2017/1.jpg", "2017"),
        ];
        for (file, folder) in cases {
            assert_eq!(folder_of(file), folder, "{file}");
        }
        let cases = [("clip_00012", "clip"), ("clip2_00012", "clip2"), ("00012", ""), ("a - 1", "a"), ("cat", "cat")];
        for (name, before) in cases {
            assert_eq!(before_number(name), before, "{name}");
        }
    }
}
