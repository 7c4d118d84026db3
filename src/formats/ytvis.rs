//! YouTube-VIS: one JSON per part of the dataset; each object has one run-length mask, or null, per frame.
//!
//! ```text
//! annotations/train.json             also val.json, test.json
//! JPEGImages/CLIP/00000.jpg          where pictures are wanted
//! ```

use std::collections::HashMap;
use std::path::Path;

use serde::Serialize;
use serde_json::{Value, json};

use super::coco::{Segmentation, bbox, categories};
use super::coco_segmentation::read_segmentation;
use super::json_stream::for_each_item;
use super::output::Output;
use super::reading::{FrameRef, ObjectKey, ObjectRef, Sink, whole_number};
use super::resolved::Dataset;
use super::{FormatError, FormatId, files};

#[derive(Serialize)]
struct Annotation<'a> {
    id: u32,
    video_id: usize,
    category_id: usize,
    iscrowd: u8,
    width: u32,
    height: u32,
    length: usize,
    segmentations: Vec<Option<Segmentation>>,
    bboxes: Vec<Option<[u32; 4]>>,
    areas: Vec<Option<u64>>,
    name: &'a str,
}

/// Writes the dataset.
pub(super) fn write(dataset: &Dataset<'_>, output: &mut Output<'_>) -> Result<(), FormatError> {
    for split in dataset.splits() {
        let mut file = output.file(&format!("annotations/{}.json", split.name()))?;
        file.text("{\"info\":{\"description\":\"Label Hub\"},\"licenses\":[],\"categories\":")?;
        file.json(&categories(&dataset.classes))?;
        file.text(",\"videos\":[")?;
        for (id, clip) in (1..).zip(dataset.clips_of(split)) {
            let names: Vec<String> =
                clip.frames.iter().map(|frame| format!("{}/{}.jpg", clip.name, frame.name)).collect();
            file.text(if id == 1 { "\n" } else { ",\n" })?;
            file.json(&json!({
                "id": id,
                "width": clip.size().width,
                "height": clip.size().height,
                "length": names.len(),
                "file_names": names,
            }))?;
        }
        file.text("],\"annotations\":[")?;
        let mut is_first = true;
        for (video_id, clip) in (1..).zip(dataset.clips_of(split)) {
            for object in &clip.objects {
                let length = clip.frames.len();
                let (mut segmentations, mut bboxes, mut areas) = (Vec::new(), Vec::new(), Vec::new());
                for frame in &clip.frames {
                    let mask = clip.mask(object, frame.idx)?.filter(|mask| !mask.is_empty());
                    segmentations.push(mask.as_ref().map(Segmentation::of));
                    bboxes.push(mask.as_ref().map(bbox));
                    areas.push(mask.as_ref().map(crate::label::Mask::area));
                    output.masks += u64::from(mask.is_some());
                    output.keep_going()?;
                }
                if areas.iter().all(Option::is_none) {
                    continue;
                }
                file.text(if is_first { "\n" } else { ",\n" })?;
                is_first = false;
                let (width, height) = (clip.size().width, clip.size().height);
                let (id, category_id, name) = (clip.track(object), object.class + 1, object.name.as_str());
                let iscrowd = 0;
                file.json(&Annotation {
                    id,
                    video_id,
                    category_id,
                    iscrowd,
                    width,
                    height,
                    length,
                    segmentations,
                    bboxes,
                    areas,
                    name,
                })?;
            }
            for frame in &clip.frames {
                output.image(clip, frame, &format!("JPEGImages/{}/{}", clip.name, frame.name))?;
                output.frame_done()?;
            }
        }
        file.text("]}\n")?;
        file.finish()?;
    }
    Ok(())
}

/// Whether a JSON object with these keys looks like this format.
pub(super) fn is_likely(keys: &[String]) -> bool {
    let has = |wanted: &str| keys.iter().any(|key| key == wanted);
    has("videos") && has("annotations") && !has("images")
}

/// Reads a JSON file, or those in a folder's `annotations`. The clip is looked for in all of them before any is read: one
/// of them alone may hold nothing but another clip.
pub(super) fn read(path: &Path, sink: &mut dyn Sink) -> Result<(), FormatError> {
    let files = files::json_files(path, FormatId::YtVis)?;
    let mut parts = Vec::with_capacity(files.len());
    for file in &files {
        parts.push(read_videos(file, sink)?);
    }
    let mut all: Vec<(usize, u64)> = Vec::new();
    for (part, Part { videos, .. }) in parts.iter().enumerate() {
        let mut ids: Vec<u64> = videos.keys().copied().collect();
        ids.sort_unstable();
        all.extend(ids.into_iter().map(|id| (part, id)));
    }
    let names: Vec<String> = all.iter().map(|(part, id)| parts[*part].videos[id].sequence.clone()).collect();
    for chosen in sink.choose_sequences(&names)? {
        let (part, id) = all[chosen];
        parts[part].videos.entry(id).and_modify(|video| video.is_wanted = true);
    }
    for (file, part) in files.iter().zip(&parts) {
        if part.videos.values().any(|video| video.is_wanted) {
            for_each_item(file, FormatId::YtVis, &["annotations"], &mut |_, item| read_annotation(&item, part, sink))?;
        }
    }
    Ok(())
}

/// What a JSON file says before its annotations.
#[derive(Default)]
struct Part {
    videos: HashMap<u64, Video>,
    classes: HashMap<u64, String>,
}

/// The frames of a video, as its files are named.
struct Video {
    sequence: String,
    names: Vec<String>,
    is_wanted: bool,
}

fn read_videos(file: &Path, sink: &mut dyn Sink) -> Result<Part, FormatError> {
    let mut part = Part::default();
    for_each_item(file, FormatId::YtVis, &["videos", "categories"], &mut |key, item| {
        let Some(id) = whole_number(&item["id"]) else {
            sink.fault(key, "one has no id");
            return Ok(());
        };
        if key == "categories" {
            match item["name"].as_str() {
                Some(name) => drop(part.classes.insert(id, name.to_owned())),
                None => sink.fault(&format!("category {id}"), "it has no name; its objects come without a class"),
            }
            return Ok(());
        }
        let names = item["file_names"].as_array().map_or(&[][..], Vec::as_slice).iter();
        let names: Option<Vec<String>> = names.map(|name| name.as_str().map(str::to_owned)).collect();
        let Some(names) = names else {
            sink.fault(&format!("video {id}"), "a file name is not text");
            return Ok(());
        };
        let folder = names.first().and_then(|name| name.rsplit_once('/')).map_or("", |(folder, _)| folder);
        let sequence = folder.rsplit_once('/').map_or(folder, |(_, last)| last).to_owned();
        part.videos.entry(id).or_insert(Video { sequence, names, is_wanted: false });
        Ok(())
    })?;
    Ok(part)
}

fn read_annotation(item: &Value, part: &Part, sink: &mut dyn Sink) -> Result<(), FormatError> {
    let label = format!("annotation {}", item["id"]);
    let Some(video) = whole_number(&item["video_id"]).and_then(|id| part.videos.get(&id)) else {
        sink.fault(&label, "its video is not in the list");
        return Ok(());
    };
    if !video.is_wanted {
        return Ok(());
    }
    let Some(id) = whole_number(&item["id"]) else {
        sink.fault(&label, "it has no id");
        return Ok(());
    };
    let class = whole_number(&item["category_id"]).and_then(|id| part.classes.get(&id)).cloned();
    let object = ObjectRef { key: ObjectKey::Track(id), name: item["name"].as_str().map(str::to_owned), class };
    let masks = item["segmentations"].as_array().map_or(&[][..], Vec::as_slice);
    if masks.len() != video.names.len() {
        sink.fault(&label, &format!("it has {} masks for {} frames", masks.len(), video.names.len()));
    }
    for (name, mask) in video.names.iter().zip(masks).filter(|(_, mask)| !mask.is_null()) {
        let frame = FrameRef::file(&video.sequence, files::stem_of_text(name));
        let Some(place) = sink.locate(&frame)? else { continue };
        match read_segmentation(mask, place.size) {
            Ok(mask) => sink.mask(place, &object, mask)?,
            Err(cause) => sink.fault(&format!("{label}, {name}"), &cause),
        }
    }
    Ok(())
}
