//! YOLO segmentation as Ultralytics reads it: per frame a text, per object a line of class and outline.
//!
//! ```text
//! labels/train/CLIP_00000.txt    CLASS X Y X Y …, from 0 to 1; empty where nothing is
//! images/train/CLIP_00000.png    where pictures are wanted
//! data.yaml                      classes and folders
//! ```
//!
//! A line has one outer outline: holes are filled, parts are joined by thin lines, and nothing says which object it is
//! on the next frame. How much that changes is measured by filling the outlines again.

use std::path::{Path, PathBuf};

use super::dataset::Split;
use super::outline::{fill, outline_of};
use super::output::Output;
use super::reading::{FrameRef, ObjectKey, ObjectRef, Place, Sink};
use super::resolved::Dataset;
use super::side_by_side::WantedClips;
use super::yolo_yaml::class_names;
use super::{FormatError, FormatId, files};
use crate::label::{FrameSize, Mask};

/// Readers cut coordinates down to whole pixels, some after rounding to 32-bit floats: this much keeps them above.
const MARGIN: f64 = 0.01;
/// Texts longer than this hold no labels: forty thousand outlines of a hundred corners have it.
const MAX_TEXT_BYTES: u64 = 64 << 20;

/// Writes the dataset.
pub(super) fn write(dataset: &Dataset<'_>, output: &mut Output<'_>) -> Result<(), FormatError> {
    write_yaml(dataset, output)?;
    for clip in &dataset.clips {
        let split = clip.split.name();
        for frame in &clip.frames {
            let mut file = output.file(&format!("labels/{split}/{}.txt", frame.name))?;
            for (object, mask) in clip.masks_on(frame.idx)? {
                let outline = outline_of(&mask).map_err(|_| FormatError::TooComplex {
                    clip: clip.facts().name.clone(),
                    object: object.name.clone(),
                    frame: frame.idx,
                    format: FormatId::Yolo,
                })?;
                let outline = outline.expect("it is not empty");
                output.losses.holes += u64::from(outline.has_holes);
                output.losses.joined_parts += u64::from(outline.parts > 1);
                output.losses.tiny_parts += outline.tiny_parts as u64;
                file.text(&object.class.to_string())?;
                for (x, y) in outline.points {
                    let share = |at: i64, side: u32| (at as f64 + MARGIN) / f64::from(side);
                    file.text(&format!(" {:.7} {:.7}", share(x, clip.size().width), share(y, clip.size().height)))?;
                }
                file.text("\n")?;
                output.masks += 1;
            }
            file.finish()?;
            output.image(clip, frame, &format!("images/{split}/{}", frame.name))?;
            output.frame_done()?;
        }
    }
    Ok(())
}

fn write_yaml(dataset: &Dataset<'_>, output: &mut Output<'_>) -> Result<(), FormatError> {
    let splits: Vec<Split> = dataset.splits().collect();
    let mut file = output.file("data.yaml")?;
    // Ultralytics asks for both; paths are taken from where this file lies.
    for wanted in [Split::Train, Split::Val] {
        let used = if splits.contains(&wanted) { wanted } else { splits[0] };
        file.text(&format!("{}: images/{}\n", wanted.name(), used.name()))?;
    }
    if splits.contains(&Split::Test) {
        file.text("test: images/test\n")?;
    }
    file.text("names:\n")?;
    for (i, class) in dataset.classes.iter().enumerate() {
        // A JSON text is a YAML text.
        file.text(&format!("  {i}: "))?;
        file.json(class)?;
        file.text("\n")?;
    }
    file.finish()
}

/// Reads a dataset, its `labels` folder, or a folder of texts.
pub(super) fn read(path: &Path, sink: &mut dyn Sink) -> Result<(), FormatError> {
    let folders = label_folders(path)?;
    if folders.is_empty() {
        let cause = "no text files are in it; choose the folder that holds data.yaml".to_owned();
        return Err(FormatError::Dataset { path: path.to_owned(), format: FormatId::Yolo, cause });
    }
    let classes = path.ancestors().take(3).find_map(|folder| class_names(&folder.join("data.yaml")));
    let classes = classes.unwrap_or_else(|| {
        sink.fault("data.yaml", "it is missing or lists no names; classes are called by their numbers");
        Vec::new()
    });
    let below = |file: &Path| file.strip_prefix(path).unwrap_or(file).to_string_lossy().into_owned();
    let mut texts = Vec::new();
    for folder in folders {
        texts.extend(files::with_ending(&folder, &["txt"])?.into_iter().filter(|file| !is_list(file)));
    }
    let wanted = WantedClips::choose(sink, |each| texts.iter().try_for_each(|file| each(&below(file), None)))?;
    for file in texts {
        let name = files::stem_of(&file);
        if wanted.hold(sink, &below(&file), None)
            && let Some(place) = sink.locate(&FrameRef::file("", &name))?
        {
            read_file(&file, &name, place, &classes, sink)?;
        }
    }
    Ok(())
}

/// Whether a text is a list of frames or classes, as darknet has them, and not one of labels. Ours may have any name.
fn is_list(file: &Path) -> bool {
    let is_in_labels = file.ancestors().skip(1).any(|folder| files::name_of(folder) == "labels");
    !is_in_labels && matches!(files::stem_of(file).as_str(), "train" | "val" | "test" | "classes")
}

fn label_folders(path: &Path) -> Result<Vec<PathBuf>, FormatError> {
    let labels = path.join("labels");
    files::folders_with(if labels.is_dir() { &labels } else { path }, "txt", 2)
}

/// Whether a folder looks like a dataset of this kind.
pub(super) fn is_likely(path: &Path) -> bool {
    let has_texts = || label_folders(path).is_ok_and(|folders| !folders.is_empty());
    path.is_dir() && (path.join("data.yaml").is_file() || path.join("labels").is_dir()) && has_texts()
}

fn read_file(
    file: &Path,
    name: &str,
    place: Place,
    classes: &[String],
    sink: &mut dyn Sink,
) -> Result<(), FormatError> {
    let text = match files::read_text(file, MAX_TEXT_BYTES) {
        Ok(text) => text,
        Err(cause) => {
            sink.fault(&format!("{name}.txt"), &cause);
            return Ok(());
        }
    };
    let mut ordinal = 0;
    for (number, line) in (1..).zip(text.lines()) {
        if line.trim().is_empty() {
            continue;
        }
        match read_line(line, place.size) {
            Ok((class, mask)) => {
                let class = classes.get(class).cloned().unwrap_or_else(|| class.to_string());
                let object = ObjectRef { key: ObjectKey::Ordinal(ordinal), name: None, class: Some(class) };
                sink.mask(place, &object, mask)?;
                ordinal += 1;
            }
            Err(cause) => sink.fault(&format!("{name}.txt, line {number}"), &cause),
        }
    }
    Ok(())
}

fn read_line(line: &str, size: FrameSize) -> Result<(usize, Mask), String> {
    let mut words = line.split_ascii_whitespace();
    let class = words.next().and_then(|word| word.parse().ok()).ok_or("it does not begin with a class number")?;
    let numbers: Result<Vec<f64>, _> = words.map(str::parse).collect();
    let numbers = numbers.map_err(|_| "a coordinate is no number")?;
    if numbers.len() == 4 {
        return Err("it is a box; only outlines are read".to_owned());
    }
    if numbers.len() < 6 || numbers.len() % 2 == 1 {
        return Err(format!("it has {} coordinates, not 3 or more pairs", numbers.len()));
    }
    if numbers.iter().any(|n| !(-1.0..=2.0).contains(n)) {
        return Err("a coordinate is not between 0 and 1".to_owned());
    }
    let at = |share: f64, side: u32| (share * f64::from(side)).floor() as i64;
    let points: Vec<_> =
        numbers.chunks_exact(2).map(|pair| (at(pair[0], size.width), at(pair[1], size.height))).collect();
    Ok((class, fill(size, &points)?))
}
