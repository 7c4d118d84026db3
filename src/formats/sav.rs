//! SA-V, both of its layouts.
//!
//! ```text
//! CLIP/CLIP_manual.json                   as its training set: a list of frames of lists of objects
//! JPEGImages_24fps/CLIP/00000.jpg         as its validation set: where pictures are wanted
//! Annotations_6fps/CLIP/000/00000.png     one black-and-white PNG per object (from 0) and frame; objects may overlap
//! ```
//!
//! The JSON holds every exported frame. SAM 2's loader takes the k-th entry for frame `k * (24 / fps)`, so `fps` is 24
//! when every frame was exported, and less when every n-th was. An absent object is the run-length code of an empty
//! mask, as in the published files.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::binary_png::read_object;
use super::coco::Segmentation;
use super::coco_segmentation::read_runs;
use super::json_stream::{for_each_item, read_object as json_value};
use super::output::Output;
use super::palette_png::write_binary;
use super::reading::{FrameRef, ObjectKey, ObjectRef, Sink, whole_number};
use super::resolved::{Dataset, DatasetClip};
use super::{FormatError, FormatId, files};
use crate::label::Mask;

/// Sides below which an object counts as small and medium.
const SMALL_AREA: f64 = 32.0 * 32.0;
const MEDIUM_AREA: f64 = 96.0 * 96.0;
/// How the names of files end whose masks were made by hand, or by machine.
const MANUAL: &str = "_manual";
const AUTO: &str = "_auto";
/// Frames per second the loader assumes of every video.
const LOADER_FPS: u32 = 24;

/// Writes the dataset.
pub(super) fn write(dataset: &Dataset<'_>, output: &mut Output<'_>) -> Result<(), FormatError> {
    for clip in &dataset.clips {
        write_json(clip, dataset, output)?;
        for frame in &clip.frames {
            for object in &clip.objects {
                let mask = clip.mask(object, frame.idx)?.unwrap_or_else(|| Mask::empty(clip.size()));
                let folder = format!("Annotations_6fps/{}/{:03}", clip.name, object.number - 1);
                write_binary(&output.path(&format!("{folder}/{}.png", frame.name))?, &mask)?;
            }
            output.image(clip, frame, &format!("JPEGImages_24fps/{}/{}", clip.name, frame.name))?;
            output.frame_done()?;
        }
    }
    Ok(())
}

/// The `fps` that makes SAM 2's loader find the right frames, where there is one.
fn loader_fps(clip: &DatasetClip<'_>) -> Option<u32> {
    let step = clip.frames.get(1).map_or(1, |second| second.idx.0 - clip.frames[0].idx.0);
    let is_even = (0..).zip(&clip.frames).all(|(k, frame)| frame.idx.0 == k * step);
    (is_even && LOADER_FPS.is_multiple_of(step)).then(|| LOADER_FPS / step)
}

fn write_json(clip: &DatasetClip<'_>, dataset: &Dataset<'_>, output: &mut Output<'_>) -> Result<(), FormatError> {
    let (facts, size) = (clip.facts(), clip.size());
    let count = clip.objects.len();
    let mut file = output.file(&format!("{0}/{0}_manual.json", clip.name))?;
    let rate = facts.average_rate.unwrap_or(f64::from(LOADER_FPS));
    let fps = loader_fps(clip);
    if fps.is_none() {
        output.notes.push(format!(
            "{}: the exported frames are not every 1st, 2nd, 3rd, 4th, 6th, 8th, 12th or 24th from the start, so SAM 2's \
             loader cannot find them by `fps`; the key `frames` lists them",
            clip.name
        ));
    }
    let head = json!({
        "video_id": clip.name,
        "video_duration": facts.frames.len() as f64 / rate,
        "video_frame_count": facts.frames.len() as f64,
        "video_height": f64::from(size.height),
        "video_width": f64::from(size.width),
        "video_resolution": size.area() as f64,
        "video_environment": "",
        "video_split": clip.split.name(),
        "fps": fps.unwrap_or(LOADER_FPS),
        "frames": clip.frames.iter().map(|frame| frame.idx.0).collect::<Vec<_>>(),
    });
    // The list of masks is long, so the object is left open behind its other keys.
    let head = head.to_string();
    file.text(head.strip_suffix('}').expect("an object ends so"))?;
    file.text(",\"masklet\":[")?;
    let mut objects = vec![ObjectStatistics::default(); count];
    for (k, frame) in clip.frames.iter().enumerate() {
        let mut row = Vec::with_capacity(count);
        for (object, statistics) in clip.objects.iter().zip(&mut objects) {
            let mask = clip.mask(object, frame.idx)?.unwrap_or_else(|| Mask::empty(size));
            statistics.take(k, mask.area());
            output.masks += u64::from(!mask.is_empty());
            row.push(Segmentation::of(&mask));
        }
        file.text(if k == 0 { "\n" } else { ",\n" })?;
        file.json(&row)?;
        output.keep_going()?;
    }
    let all = |of: &dyn Fn(&ObjectStatistics) -> Value| objects.iter().map(of).collect::<Vec<Value>>();
    let tail = json!({
        "masklet_id": (0..count).collect::<Vec<_>>(),
        "masklet_num": count,
        "masklet_size_rel": all(&|o| (o.mean_area() / size.area() as f64).into()),
        "masklet_size_abs": all(&|o| o.mean_area().into()),
        "masklet_size_bucket": all(&|o| o.bucket().into()),
        "masklet_visibility_changes": all(&|o| o.changes.into()),
        "masklet_first_appeared_frame": all(&|o| (o.first.unwrap_or(0) as f64).into()),
        "masklet_frame_count": vec![clip.frames.len(); count],
        "masklet_edited_frame_count": vec![clip.frames.len(); count],
        "masklet_type": vec!["manual"; count],
        "masklet_stability_score": vec![Value::Null; count],
        "masklet_name": clip.objects.iter().map(|object| &object.name).collect::<Vec<_>>(),
        "masklet_class": clip.objects.iter().map(|object| &dataset.classes[object.class]).collect::<Vec<_>>(),
    });
    let tail = tail.to_string();
    file.text("],")?;
    file.text(tail.strip_prefix('{').expect("an object begins so"))?;
    file.finish()
}

/// What the JSON says of an object.
#[derive(Debug, Clone, Default)]
struct ObjectStatistics {
    area_sum: u64,
    visible: u64,
    first: Option<usize>,
    changes: u32,
    is_visible: bool,
}

impl ObjectStatistics {
    fn take(&mut self, position: usize, area: u64) {
        let is_visible = area > 0;
        if position > 0 && is_visible != self.is_visible {
            self.changes += 1;
        }
        self.is_visible = is_visible;
        if is_visible {
            self.first.get_or_insert(position);
            self.visible += 1;
            self.area_sum += area;
        }
    }

    fn mean_area(&self) -> f64 {
        self.area_sum as f64 / self.visible.max(1) as f64
    }

    fn bucket(&self) -> [&'static str; 1] {
        let area = self.mean_area();
        [if area < SMALL_AREA {
            "small"
        } else if area < MEDIUM_AREA {
            "medium"
        } else {
            "large"
        }]
    }
}

/// Reads a folder that holds `Annotations_6fps`, a folder of `_manual.json` or `_auto.json`, or one of these files.
pub(super) fn read(path: &Path, sink: &mut dyn Sink) -> Result<(), FormatError> {
    if path.is_file() {
        let chosen = sink.choose_sequences(&[clip_of(&files::stem_of(path)).to_owned()])?;
        if chosen.is_empty() { Ok(()) } else { read_json(path, sink) }
    } else if path.join("Annotations_6fps").is_dir() {
        read_pngs(path, sink)
    } else {
        read_jsons(path, sink)
    }
}

/// Reads the validation set's layout.
pub(super) fn read_pngs(path: &Path, sink: &mut dyn Sink) -> Result<(), FormatError> {
    let clips = files::folders_in(&path.join("Annotations_6fps"))?;
    let names: Vec<String> = clips.iter().map(|folder| files::name_of(folder)).collect();
    for chosen in sink.choose_sequences(&names)? {
        for object in files::folders_in(&clips[chosen])? {
            match files::name_of(&object).parse::<u32>() {
                Ok(id) => read_object(&names[chosen], &object, ObjectKey::Number(u64::from(id) + 1), sink)?,
                Err(_) => sink.fault(&files::name_of(&object), "an object's folder is not called by a number"),
            }
        }
    }
    Ok(())
}

/// Reads the training set's layout.
pub(super) fn read_jsons(path: &Path, sink: &mut dyn Sink) -> Result<(), FormatError> {
    let mut found = json_files(path)?;
    if found.is_empty() {
        let cause = "it holds no _manual.json or _auto.json and no Annotations_6fps".to_owned();
        return Err(FormatError::Dataset { path: path.to_owned(), format: FormatId::Sav, cause });
    }
    // The published training set has both for one clip: labels by hand, and more of them by machine.
    let manual: HashSet<String> =
        found.iter().map(|file| files::stem_of(file)).filter(|s| s.ends_with(MANUAL)).collect();
    found.retain(|file| {
        let stem = files::stem_of(file);
        let is_second = stem.ends_with(AUTO) && manual.contains(&format!("{}{MANUAL}", clip_of(&stem)));
        if is_second {
            sink.notice(format!(
                "{stem}.json is left out, {}{MANUAL}.json is read; choose the file to read it",
                clip_of(&stem)
            ));
        }
        !is_second
    });
    let names: Vec<String> = found.iter().map(|file| clip_of(&files::stem_of(file)).to_owned()).collect();
    for chosen in sink.choose_sequences(&names)? {
        read_json(&found[chosen], sink)?;
    }
    Ok(())
}

fn clip_of(stem: &str) -> &str {
    stem.strip_suffix(MANUAL).or_else(|| stem.strip_suffix(AUTO)).unwrap_or(stem)
}

fn json_files(path: &Path) -> Result<Vec<PathBuf>, FormatError> {
    let mut found = files::with_ending(path, &["json"])?;
    for folder in files::folders_in(path)? {
        found.extend(files::with_ending(&folder, &["json"])?);
    }
    found.retain(|file| clip_of(&files::stem_of(file)) != files::stem_of(file));
    Ok(found)
}

/// Whether a folder looks like a dataset of this kind.
pub(super) fn is_likely(path: &Path) -> bool {
    path.join("Annotations_6fps").is_dir() || json_files(path).is_ok_and(|found| !found.is_empty())
}

/// Whether a JSON object with these keys looks like this format.
pub(super) fn is_likely_json(keys: &[String]) -> bool {
    keys.iter().any(|key| key == "masklet")
}

fn read_json(file: &Path, sink: &mut dyn Sink) -> Result<(), FormatError> {
    let stem = files::stem_of(file);
    let sequence = clip_of(&stem);
    let list = |key: &str| -> Result<Vec<Value>, FormatError> {
        Ok(match json_value(file, FormatId::Sav, key)? {
            Value::Array(list) => list,
            _ => Vec::new(),
        })
    };
    let (numbers, names, classes) = (list("frames")?, list("masklet_name")?, list("masklet_class")?);
    // Published files are labelled on every fourth frame.
    let fps = whole_number(&json_value(file, FormatId::Sav, "fps")?).filter(|fps| *fps > 0).unwrap_or(6);
    let step = (u64::from(LOADER_FPS) / fps).max(1);
    let mut k = 0;
    for_each_item(file, FormatId::Sav, &["masklet"], &mut |_, row| {
        let number = if numbers.is_empty() { Some(k as u64 * step) } else { numbers.get(k).and_then(whole_number) };
        let number = number.and_then(|number| u32::try_from(number).ok());
        k += 1;
        let Some(number) = number else {
            sink.fault(&format!("entry {k}"), "`frames` names no frame for it");
            return Ok(());
        };
        let Some(place) = sink.locate(&FrameRef::number(sequence, number))? else { return Ok(()) };
        for (i, mask) in row.as_array().map_or(&[][..], Vec::as_slice).iter().enumerate() {
            let text = |list: &[Value]| list.get(i).and_then(Value::as_str).map(str::to_owned);
            let object = ObjectRef { key: ObjectKey::Number(i as u64 + 1), name: text(&names), class: text(&classes) };
            match read_runs(mask, place.size) {
                Ok(mask) => sink.mask(place, &object, mask)?,
                Err(_) if mask.is_null() => {}
                Err(cause) => sink.fault(&format!("frame {number}, object {i}"), &cause),
            }
        }
        Ok(())
    })
}
