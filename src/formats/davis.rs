//! DAVIS 2016/2017: one palette PNG per frame, pixel values are object numbers.
//!
//! ```text
//! JPEGImages/480p/CLIP/00000.jpg   where pictures are wanted; readers look for .jpg only
//! Annotations/480p/CLIP/00000.png  8-bit palette PNG
//! ImageSets/2017/train.txt         one clip a line; also val.txt, test-dev.txt
//! ```
//!
//! The folder is called `480p` whatever the size, because that is where readers look. Objects are numbered from 1
//! without gaps; 255 means "not judged", so 254 objects fit. Read by the DAVIS tools, XMem, Cutie, SAM 2. A clip that has
//! nothing but 0 and 255 is of DAVIS 2016, where 255 is the object.

use std::path::{Path, PathBuf};

use super::dataset::Split;
use super::output::Output;
use super::overlap::without_overlap;
use super::palette_png::{masks_in, read_values, write_palette};
use super::reading::{FrameRef, ObjectKey, ObjectRef, Place, Sink};
use super::resolved::{Dataset, DatasetClip, DatasetFrame};
use super::{FormatError, FormatId, files};
use crate::label::{Mask, counted};

/// Numbers from 1 up to this one are objects.
const MAX_OBJECTS: usize = 254;
/// Pixels that are not judged.
const VOID: u16 = 255;

/// Writes the dataset.
pub(super) fn write(dataset: &Dataset<'_>, output: &mut Output<'_>) -> Result<(), FormatError> {
    check_object_count(dataset, output.format)?;
    for clip in &dataset.clips {
        for frame in &clip.frames {
            let name = format!("480p/{}/{}", clip.name, frame.name);
            output.image(clip, frame, &format!("JPEGImages/{name}"))?;
            write_frame(clip, frame, &format!("Annotations/{name}.png"), output)?;
        }
        let first = clip.frames.first().expect("a clip has a frame").idx;
        let late = clip.objects.iter().filter(|o| clip.labels.mark(o.id, first).is_none_or(|mark| mark.area == 0));
        let late = late.count();
        if late > 0 {
            output.notes.push(format!(
                "{}: {} not on the first frame; the DAVIS evaluation asks that all are",
                clip.name,
                counted(late, "object")
            ));
        }
    }
    for split in dataset.splits() {
        let name = match split {
            Split::Train => "train",
            Split::Val => "val",
            Split::Test => "test-dev",
        };
        let mut list = output.file(&format!("ImageSets/2017/{name}.txt"))?;
        for clip in dataset.clips_of(split) {
            list.text(&format!("{}\n", clip.name))?;
        }
        list.finish()?;
    }
    Ok(())
}

/// Refuses clips with more objects than a byte can tell apart.
pub(super) fn check_object_count(dataset: &Dataset<'_>, format: FormatId) -> Result<(), FormatError> {
    match dataset.clips.iter().find(|clip| clip.objects.len() > MAX_OBJECTS) {
        Some(clip) => Err(FormatError::TooManyObjects {
            clip: clip.facts().name.clone(),
            format,
            count: clip.objects.len(),
            limit: MAX_OBJECTS,
        }),
        None => Ok(()),
    }
}

/// Writes one frame's objects as a palette PNG and says, by object, which of them can be seen.
pub(super) fn write_frame(
    clip: &DatasetClip<'_>,
    frame: &DatasetFrame,
    name: &str,
    output: &mut Output<'_>,
) -> Result<Vec<bool>, FormatError> {
    let mut masks = Vec::with_capacity(clip.objects.len());
    for object in &clip.objects {
        masks.push(clip.mask(object, frame.idx)?.filter(|mask| !mask.is_empty()));
    }
    let apart = without_overlap(clip.size(), &masks);
    let values: Vec<u8> = apart.label_map.iter().map(|&value| value as u8).collect();
    write_palette(&output.path(name)?, clip.size(), &values)?;
    output.masks += masks.iter().flatten().count() as u64;
    output.losses.overlap_pixels += apart.overlap_pixels;
    output.losses.overlap_frames += u64::from(apart.overlap_pixels > 0);
    output.frame_done()?;
    Ok(apart.masks.iter().map(|mask| mask.as_ref().is_some_and(|mask| !mask.is_empty())).collect())
}

/// Reads a dataset: its root, `Annotations`, a resolution's folder, or one clip's folder of PNGs.
pub(super) fn read(path: &Path, sink: &mut dyn Sink) -> Result<(), FormatError> {
    let clips = clip_folders(path)?;
    if clips.is_empty() {
        let cause = "no folder of PNGs is in it; choose the folder that holds Annotations".to_owned();
        return Err(FormatError::Dataset { path: path.to_owned(), format: FormatId::Davis, cause });
    }
    let names: Vec<String> = clips.iter().map(|folder| files::name_of(folder)).collect();
    for chosen in sink.choose_sequences(&names)? {
        let mut sequence = Sequence { name: &names[chosen], only_void: Some(Vec::new()) };
        for file in files::with_ending(&clips[chosen], &["png"])? {
            sequence.read_frame(&file, sink)?;
        }
        sequence.finish(sink)?;
    }
    Ok(())
}

/// A clip being read.
struct Sequence<'a> {
    name: &'a str,
    /// Where nothing but 0 and 255 has been met so far: the masks of 255. DAVIS 2016 and many tools write their one object
    /// so.
    only_void: Option<Vec<(Place, Mask)>>,
}

impl Sequence<'_> {
    fn read_frame(&mut self, file: &Path, sink: &mut dyn Sink) -> Result<(), FormatError> {
        let name = files::stem_of(file);
        let Some(place) = sink.locate(&FrameRef::file(self.name, &name))? else { return Ok(()) };
        let values = match read_values(file, place.size) {
            Ok(values) => values,
            Err(cause) => {
                sink.fault(&format!("{}/{name}.png", self.name), &cause);
                return Ok(());
            }
        };
        for (value, mask) in masks_in(place.size, &values, |_| false) {
            if value == VOID {
                if let Some(masks) = &mut self.only_void {
                    masks.push((place, mask));
                }
            } else {
                self.only_void = None;
                sink.mask(place, &object(value), mask)?;
            }
        }
        Ok(())
    }

    fn finish(self, sink: &mut dyn Sink) -> Result<(), FormatError> {
        // With other values beside it, 255 is what the format means by it: nobody knows.
        let Some(masks) = self.only_void else { return Ok(()) };
        if !masks.is_empty() {
            sink.notice(format!("{}: its pixels are 0 and 255 only; 255 is taken as the object", self.name));
        }
        for (place, mask) in masks {
            sink.mask(place, &object(1), mask)?;
        }
        Ok(())
    }
}

fn object(number: u16) -> ObjectRef {
    ObjectRef { key: ObjectKey::Number(u64::from(number)), name: None, class: None }
}

/// The folders of PNGs, one per clip.
pub(super) fn clip_folders(path: &Path) -> Result<Vec<PathBuf>, FormatError> {
    let annotations = path.join("Annotations");
    // Annotations, resolution, clip.
    files::folders_with(if annotations.is_dir() { &annotations } else { path }, "png", 2)
}

/// Whether a folder looks like a dataset of this kind.
pub(super) fn is_likely(path: &Path) -> bool {
    path.join("Annotations").is_dir() && clip_folders(path).is_ok_and(|clips| !clips.is_empty())
}
