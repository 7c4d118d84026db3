//! The ground truth of a clip, to compare masks with: a folder of DAVIS palette PNGs, one per frame.
//!
//! ```text
//! 00000.png   named by the frame's number; the numbers in its pixels are objects, 255 is not judged
//! ```
//!
//! Not every frame needs one. Here they are only read and compared; what is averaged is for others to say.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use super::palette_png::{masks_in, read_values};
use super::{FormatError, FormatId, files};
use crate::label::{FrameIdx, FrameSize, Mask, ObjectId, Similarity};

/// Pixels that are not judged.
const VOID: u16 = 255;

/// What is really there, frame by frame.
#[derive(Debug, Clone, PartialEq)]
pub struct Truth {
    size: FrameSize,
    frames: BTreeMap<FrameIdx, FrameTruth>,
}

#[derive(Debug, Clone, PartialEq)]
struct FrameTruth {
    objects: BTreeMap<ObjectId, Mask>,
    /// What is not judged, where there is any.
    void: Option<Mask>,
}

impl Truth {
    /// Reads a folder for a clip of `frame_count` frames of `size`.
    ///
    /// # Errors
    /// When the folder holds no PNG, a PNG is not named by a frame of the clip, or one cannot be read or has another size.
    pub fn read(folder: &Path, size: FrameSize, frame_count: u32) -> Result<Self, FormatError> {
        let refuse = |cause: String| FormatError::Dataset { path: folder.to_owned(), format: FormatId::Davis, cause };
        let mut frames = BTreeMap::new();
        for path in files::with_ending(folder, &["png"])? {
            let name = files::name_of(&path);
            let Ok(number) = files::stem_of(&path).parse::<u32>() else {
                return Err(refuse(format!("{name} is not named by its frame's number, as 00000.png is; rename it")));
            };
            if number >= frame_count {
                let last = frame_count.saturating_sub(1);
                return Err(refuse(format!(
                    "{name} is of frame {number}, the clip's frames are 0 to {last}; give the truth of this clip"
                )));
            }
            let values = read_values(&path, size)
                .map_err(|cause| refuse(format!("{name}: {cause}; give the truth of this clip")))?;
            let (void, objects) = masks_in(size, &values, |_| false).into_iter().partition(|(value, _)| *value == VOID);
            let objects = Vec::into_iter(objects).map(|(value, mask)| (ObjectId(u32::from(value)), mask)).collect();
            let void = Vec::into_iter(void).next().map(|(_, mask)| mask);
            if frames.insert(FrameIdx(number), FrameTruth { objects, void }).is_some() {
                return Err(refuse(format!("two files are of frame {number}; remove the wrong one")));
            }
        }
        if frames.is_empty() {
            return Err(refuse("no PNG is in it; choose the folder that holds 00000.png".to_owned()));
        }
        Ok(Truth { size, frames })
    }

    /// The frames whose truth is known.
    pub fn frames(&self) -> impl Iterator<Item = FrameIdx> + '_ {
        self.frames.keys().copied()
    }

    /// The objects that are seen on any of them.
    pub fn objects(&self) -> BTreeSet<ObjectId> {
        self.frames.values().flat_map(|frame| frame.objects.keys().copied()).collect()
    }

    /// An object's true mask; empty where it is not seen. `None` when the frame's truth is not known.
    pub fn mask(&self, frame: FrameIdx, object: ObjectId) -> Option<Mask> {
        let truth = self.frames.get(&frame)?;
        Some(truth.objects.get(&object).cloned().unwrap_or_else(|| Mask::empty(self.size)))
    }

    /// How close a mask is to the truth, apart from pixels that are not judged. `None` when the frame's truth is not
    /// known.
    pub fn compare(&self, frame: FrameIdx, object: ObjectId, found: &Mask) -> Option<Similarity> {
        let truth = self.mask(frame, object)?;
        Some(match &self.frames.get(&frame)?.void {
            None => Similarity::between(found, &truth),
            Some(void) => {
                let (pixels, void) = (found.to_pixels(), void.to_pixels());
                let judged = Mask::from_fn(found.size(), |i| pixels[i] != 0 && void[i] == 0);
                Similarity::between(&judged, &truth)
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::palette_png::write_palette;
    use super::*;

    const SIZE: FrameSize = FrameSize { width: 5, height: 2 };

    fn folder(files: &[(&str, [u8; 10])]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().expect("a temporary folder");
        for (name, values) in files {
            write_palette(&folder.path().join(name), SIZE, values).expect("writable");
        }
        folder
    }

    #[test]
    fn masks_are_compared_by_frame_and_number() {
        let folder =
            folder(&[("00000.png", [1, 1, 0, 0, 2, 0, 0, 0, 0, 2]), ("00002.png", [1, 1, 255, 255, 0, 0, 0, 0, 0, 0])]);
        let truth = Truth::read(folder.path(), SIZE, 3).expect("sound");
        assert_eq!(truth.frames().collect::<Vec<_>>(), [FrameIdx(0), FrameIdx(2)]);
        assert_eq!(truth.objects(), BTreeSet::from([ObjectId(1), ObjectId(2)]));

        let found = Mask::from_fn(SIZE, |i| i < 4);
        let region = |frame, object| truth.compare(FrameIdx(frame), ObjectId(object), &found).map(|s| s.region);
        assert_eq!(region(0, 1), Some(0.5));
        assert_eq!(region(1, 1), None, "no truth");
        assert_eq!(region(2, 1), Some(1.0), "what is not judged does not count");
        assert_eq!(region(2, 2), Some(0.0), "not seen there");
        assert_eq!(truth.compare(FrameIdx(2), ObjectId(2), &Mask::empty(SIZE)).map(|s| s.mean()), Some(1.0));
    }

    #[test]
    fn truth_of_another_clip_is_refused_and_says_why() {
        let ones = [1; 10];
        type Case = (&'static [(&'static str, [u8; 10])], FrameSize, &'static str);
        let one: &[(&str, [u8; 10])] = &[("00000.png", [1; 10])];
        let cases: [Case; 5] = [
            (&[], SIZE, "no PNG is in it"),
            (&[("first.png", [1; 10])], SIZE, "first.png is not named by its frame's number"),
            (&[("00003.png", [1; 10])], SIZE, "00003.png is of frame 3, the clip's frames are 0 to 2"),
            (&[("0.png", [1; 10]), ("00.png", [1; 10])], SIZE, "two files are of frame 0"),
            (one, FrameSize { width: 2, height: 5 }, "00000.png: it is 5x2, the clip's frames are 2x5"),
        ];
        for (files, size, part) in cases {
            let folder = folder(files);
            let message = Truth::read(folder.path(), size, 3).expect_err(part).to_string();
            let shown = folder.path().display().to_string();
            assert!(message.contains(part) && message.contains(&shown), "{part} is not in: {message}");
        }
        let broken = folder(&[("00000.png", ones)]);
        std::fs::write(broken.path().join("00001.png"), b"no picture").expect("writable");
        let message = Truth::read(broken.path(), SIZE, 3).expect_err("broken").to_string();
        assert!(message.contains("00001.png: not a usable PNG"), "{message}");
        assert!(Truth::read(&broken.path().join("absent"), SIZE, 3).is_err());
    }
}
