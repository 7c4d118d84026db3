//! MOTS: 16-bit PNGs, and the same as text with COCO run lengths.
//!
//! ```text
//! CLIP/instances/000000.png   pixel = class * 1000 + object, classes from 1; 10000 means "not judged"
//! CLIP/instances/labels.txt   class names, the first is class 1
//! CLIP/images/000000.png      where pictures are wanted
//! instances_txt/CLIP.txt      FRAME ID CLASS HEIGHT WIDTH RLE
//! ```
//!
//! The PNGs are as datumaro and CVAT lay them out, the texts as in KITTI MOTS. KITTI's classes are 1 car, 2 pedestrian:
//! give the list of classes in that order to be judged by its tools.

use std::collections::HashSet;
use std::path::Path;

use super::output::Output;
use super::overlap::without_overlap;
use super::palette_png::{masks_in, read_values, write_grey16};
use super::reading::{FrameRef, ObjectKey, ObjectRef, Sink};
use super::resolved::{Dataset, DatasetClip};
use super::{FormatError, FormatId, coco_rle, files};

/// Objects of one class.
const MAX_OBJECTS: usize = 999;
/// Classes whose ids fit 16 bits.
const MAX_CLASSES: usize = 64;
/// Pixels that are not judged.
const IGNORED: u16 = 10_000;
/// Longest line of a text: run lengths of an 8K checkerboard.
const MAX_LINE_BYTES: u64 = 64 << 20;

/// Writes the dataset.
pub(super) fn write(dataset: &Dataset<'_>, output: &mut Output<'_>) -> Result<(), FormatError> {
    check_limits(dataset, output.format)?;
    for clip in &dataset.clips {
        let mut labels = output.file(&format!("{}/instances/labels.txt", clip.name))?;
        for class in &dataset.classes {
            labels.text(&format!("{class}\n"))?;
        }
        labels.finish()?;
        let mut lines = output.file(&format!("instances_txt/{}.txt", clip.name))?;
        let values: Vec<u16> =
            clip.objects.iter().map(|object| ((object.class + 1) * 1000) as u16 + object.number as u16).collect();
        let (width, height) = (clip.size().width, clip.size().height);
        for frame in &clip.frames {
            let mut masks = Vec::with_capacity(clip.objects.len());
            for object in &clip.objects {
                masks.push(clip.mask(object, frame.idx)?.filter(|mask| !mask.is_empty()));
            }
            let apart = without_overlap(clip.size(), &masks);
            output.masks += masks.iter().flatten().count() as u64;
            output.losses.overlap_pixels += apart.overlap_pixels;
            output.losses.overlap_frames += u64::from(apart.overlap_pixels > 0);
            for ((object, value), mask) in clip.objects.iter().zip(&values).zip(&apart.masks) {
                if let Some(mask) = mask.as_ref().filter(|mask| !mask.is_empty()) {
                    let (class, rle) = (object.class + 1, coco_rle::encode(mask));
                    lines.text(&format!("{} {value} {class} {height} {width} {rle}\n", frame.idx))?;
                }
            }
            let value_of = |&position: &u16| if position == 0 { 0 } else { values[usize::from(position) - 1] };
            let pixels: Vec<u16> = apart.label_map.iter().map(value_of).collect();
            let name = format!("{:06}", frame.idx.0);
            write_grey16(&output.path(&format!("{}/instances/{name}.png", clip.name))?, clip.size(), &pixels)?;
            output.image(clip, frame, &format!("{}/images/{name}", clip.name))?;
            output.frame_done()?;
        }
        lines.finish()?;
    }
    Ok(())
}

fn check_limits(dataset: &Dataset<'_>, format: FormatId) -> Result<(), FormatError> {
    let too_many = |clip: &DatasetClip<'_>, count: usize, limit: usize| FormatError::TooManyObjects {
        clip: clip.facts().name.clone(),
        format,
        count,
        limit,
    };
    for clip in &dataset.clips {
        if clip.objects.len() > MAX_OBJECTS {
            return Err(too_many(clip, clip.objects.len(), MAX_OBJECTS));
        }
    }
    match dataset.classes.len() {
        count if count > MAX_CLASSES => Err(FormatError::TooManyClasses { format, count, limit: MAX_CLASSES }),
        _ => Ok(()),
    }
}

/// Reads a dataset, one clip's folder, or a text.
pub(super) fn read(path: &Path, sink: &mut dyn Sink) -> Result<(), FormatError> {
    if path.is_file() {
        let is_chosen = !sink.choose_sequences(&[files::stem_of(path)])?.is_empty();
        return if is_chosen { read_text(path, &[], sink) } else { Ok(()) };
    }
    let mut clips = files::folders_in(path)?;
    clips.retain(|folder| folder.join("instances").is_dir());
    if path.join("instances").is_dir() {
        clips = vec![path.to_owned()];
    }
    if clips.is_empty() {
        return read_texts(path, sink);
    }
    let names: Vec<String> = clips.iter().map(|folder| files::name_of(folder)).collect();
    for chosen in sink.choose_sequences(&names)? {
        let folder = clips[chosen].join("instances");
        let classes = read_classes(&folder);
        for file in files::with_ending(&folder, &["png"])? {
            let name = files::stem_of(&file);
            let Some(place) = sink.locate(&FrameRef::file(&names[chosen], &name))? else { continue };
            match read_values(&file, place.size) {
                Ok(values) => {
                    for (value, mask) in masks_in(place.size, &values, |value| value == IGNORED) {
                        sink.mask(place, &object(u32::from(value), &classes), mask)?;
                    }
                }
                Err(cause) => sink.fault(&format!("{name}.png"), &cause),
            }
        }
    }
    Ok(())
}

/// Reads the texts of a dataset.
pub(super) fn read_texts(path: &Path, sink: &mut dyn Sink) -> Result<(), FormatError> {
    let texts = path.join("instances_txt");
    let found = files::with_ending(if texts.is_dir() { &texts } else { path }, &["txt"])?;
    if found.is_empty() {
        let cause = "it holds neither instances nor instances_txt".to_owned();
        return Err(FormatError::Dataset { path: path.to_owned(), format: FormatId::Mots, cause });
    }
    let names: Vec<String> = found.iter().map(|file| files::stem_of(file)).collect();
    for chosen in sink.choose_sequences(&names)? {
        let classes = read_classes(&path.join(&names[chosen]).join("instances"));
        read_text(&found[chosen], &classes, sink)?;
    }
    Ok(())
}

fn read_text(path: &Path, classes: &[String], sink: &mut dyn Sink) -> Result<(), FormatError> {
    let sequence = files::stem_of(path);
    let mut unknown = HashSet::new();
    files::for_each_line(path, MAX_LINE_BYTES, &mut |number, line| {
        let item = || format!("{sequence}.txt, line {number}");
        match line {
            Ok(line) if line.trim().is_empty() => Ok(()),
            Ok(line) => read_line(line, &sequence, classes, &mut unknown, &item, sink),
            Err(cause) => {
                sink.fault(&item(), &cause);
                Ok(())
            }
        }
    })
}

/// `unknown` are the frames that were asked for in vain.
fn read_line(
    line: &str,
    sequence: &str,
    classes: &[String],
    unknown: &mut HashSet<u32>,
    item: &dyn Fn() -> String,
    sink: &mut dyn Sink,
) -> Result<(), FormatError> {
    let words: Vec<&str> = line.split_ascii_whitespace().take(7).collect();
    let &[frame, id, _class, height, width, rle] = words.as_slice() else {
        sink.fault(&item(), &format!("it has {} words, not 6", words.len()));
        return Ok(());
    };
    let (Ok(frame), Ok(id)) = (frame.parse::<u32>(), id.parse::<u32>()) else {
        sink.fault(&item(), "frame or id is no whole number");
        return Ok(());
    };
    if id == u32::from(IGNORED) || unknown.contains(&frame) {
        return Ok(());
    }
    let Some(place) = sink.locate(&FrameRef::number(sequence, frame))? else {
        unknown.insert(frame);
        return Ok(());
    };
    if (width.parse(), height.parse()) != (Ok(place.size.width), Ok(place.size.height)) {
        sink.fault(&item(), &format!("its mask is {width}x{height}, the clip's frames are {}", place.size));
        return Ok(());
    }
    match coco_rle::decode(place.size, rle) {
        Ok(mask) => sink.mask(place, &object(id, classes), mask),
        Err(error) => {
            sink.fault(&item(), &error.to_string());
            Ok(())
        }
    }
}

fn read_classes(folder: &Path) -> Vec<String> {
    let text = files::read_text(&folder.join("labels.txt"), 1 << 20).unwrap_or_else(|_| String::new());
    text.lines().map(str::to_owned).collect()
}

fn object(id: u32, classes: &[String]) -> ObjectRef {
    let (class, number) = (id / 1000, id % 1000);
    let name = class.checked_sub(1).and_then(|class| classes.get(class as usize));
    ObjectRef { key: ObjectKey::Instance { class, number }, name: None, class: name.cloned() }
}

/// Whether a folder looks like a dataset of this kind.
pub(super) fn is_likely(path: &Path) -> bool {
    let has_instances = |folder: &Path| folder.join("instances").is_dir();
    let below = files::folders_in(path).unwrap_or_else(|_| Vec::new());
    has_instances(path) || path.join("instances_txt").is_dir() || below.iter().any(|folder| has_instances(folder))
}
