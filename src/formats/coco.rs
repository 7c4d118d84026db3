//! COCO instances: one JSON per part of the dataset, masks as compressed run lengths.
//!
//! ```text
//! annotations/instances_train.json
//! images/train/CLIP_00000.jpg       where pictures are wanted
//! ```
//!
//! Every annotation has a `track_id`; every image says its `video_id` and `frame_index`. Run lengths stand with
//! `iscrowd: 0`, which pycocotools, supervision, datumaro and FiftyOne read as exact instance masks.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};

use serde::Serialize;
use serde_json::{Value, json};

use super::coco_segmentation::read_segmentation;
use super::json_stream::for_each_item;
use super::output::Output;
use super::reading::{FrameId, FrameRef, ObjectKey, ObjectRef, Place, Sink, whole_number};
use super::resolved::Dataset;
use super::side_by_side::WantedClips;
use super::{FormatError, FormatId, coco_rle, files};
use crate::label::Mask;

#[derive(Serialize)]
struct Image<'a> {
    id: u64,
    file_name: String,
    width: u32,
    height: u32,
    video_id: usize,
    video: &'a str,
    frame_index: u32,
}

#[derive(Serialize)]
struct Annotation<'a> {
    id: u64,
    image_id: u64,
    category_id: usize,
    iscrowd: u8,
    area: u64,
    bbox: [u32; 4],
    segmentation: Segmentation,
    track_id: u32,
    attributes: Attributes<'a>,
}

/// Where tools that know no tracks keep what else is said of an annotation.
#[derive(Serialize)]
struct Attributes<'a> {
    track_id: u32,
    name: &'a str,
}

/// A mask as COCO's string.
#[derive(Serialize)]
pub(super) struct Segmentation {
    /// Height, width.
    size: [u32; 2],
    counts: String,
}

impl Segmentation {
    pub fn of(mask: &Mask) -> Self {
        Segmentation { size: [mask.size().height, mask.size().width], counts: coco_rle::encode(mask) }
    }
}

/// Left, top, width, height; zeros for an empty mask.
pub(super) fn bbox(mask: &Mask) -> [u32; 4] {
    mask.bounding_box().map_or([0; 4], |b| [b.x0, b.y0, b.x1 - b.x0, b.y1 - b.y0])
}

/// The list of classes as COCO numbers them, from 1.
pub(super) fn categories(classes: &[String]) -> Vec<Value> {
    (1..).zip(classes).map(|(id, name): (u32, _)| json!({"id": id, "name": name, "supercategory": ""})).collect()
}

/// Writes the dataset.
pub(super) fn write(dataset: &Dataset<'_>, output: &mut Output<'_>) -> Result<(), FormatError> {
    for split in dataset.splits() {
        let mut file = output.file(&format!("annotations/instances_{}.json", split.name()))?;
        file.text("{\"info\":{\"description\":\"Label Hub\"},\"licenses\":[],\"categories\":")?;
        file.json(&categories(&dataset.classes))?;
        file.text(",\"images\":[")?;
        let mut id = 0;
        for (video_id, clip) in (1..).zip(dataset.clips_of(split)) {
            for frame in &clip.frames {
                let file_name = format!("{}{}", frame.name, output.image_ending(clip, frame));
                let (width, height, frame_index) = (clip.size().width, clip.size().height, frame.idx.0);
                file.text(if id == 0 { "\n" } else { ",\n" })?;
                id += 1;
                file.json(&Image { id, file_name, width, height, video_id, video: &clip.facts().name, frame_index })?;
            }
        }
        file.text("],\"annotations\":[")?;
        let (mut id, mut image_id) = (0, 0);
        for clip in dataset.clips_of(split) {
            for frame in &clip.frames {
                image_id += 1;
                for (object, mask) in clip.masks_on(frame.idx)? {
                    file.text(if id == 0 { "\n" } else { ",\n" })?;
                    id += 1;
                    let track_id = clip.track(object);
                    file.json(&Annotation {
                        id,
                        image_id,
                        category_id: object.class + 1,
                        iscrowd: 0,
                        area: mask.area(),
                        bbox: bbox(&mask),
                        segmentation: Segmentation::of(&mask),
                        track_id,
                        attributes: Attributes { track_id, name: &object.name },
                    })?;
                    output.masks += 1;
                }
                output.image(clip, frame, &format!("images/{}/{}", split.name(), frame.name))?;
                output.frame_done()?;
            }
        }
        file.text("]}\n")?;
        file.finish()?;
    }
    Ok(())
}

/// Reads a JSON file, or a folder's `annotations/instances_*.json`, or the JSON files of a folder.
pub(super) fn read(path: &Path, sink: &mut dyn Sink) -> Result<(), FormatError> {
    let files = json_files(path)?;
    let wanted = WantedClips::choose(sink, |each| {
        files.iter().try_for_each(|file| {
            for_each_item(file, FormatId::Coco, &["images"], &mut |_, item| {
                item["file_name"].as_str().map_or(Ok(()), |name| each(name, clip_of(&item).as_deref()))
            })
        })
    })?;
    for file in files {
        let reader = Reader {
            wanted: &wanted,
            images: HashMap::new(),
            classes: HashMap::new(),
            seen_ids: HashSet::new(),
            untracked: HashMap::new(),
            unknown_classes: HashSet::new(),
        };
        reader.read(&file, sink)?;
    }
    Ok(())
}

/// The clip an image says it is of.
fn clip_of(image: &Value) -> Option<String> {
    let id = || whole_number(&image["video_id"]).map(|id| format!("video {id}"));
    image["video"].as_str().map(str::to_owned).or_else(id)
}

/// Other lists, such as captions, may lie beside those of instances.
fn json_files(path: &Path) -> Result<Vec<PathBuf>, FormatError> {
    let mut found = files::json_files(path, FormatId::Coco)?;
    let is_instances = |file: &PathBuf| files::name_of(file).starts_with("instances_");
    if path.is_dir() && found.iter().any(is_instances) {
        found.retain(is_instances);
    }
    Ok(found)
}

/// Whether a JSON object with these keys looks like this format.
pub(super) fn is_likely(keys: &[String]) -> bool {
    let has = |wanted: &str| keys.iter().any(|key| key == wanted);
    has("images") && has("annotations")
}

struct Reader<'a> {
    wanted: &'a WantedClips,
    /// Where the frames of images lie, by image id; `None` for those that are not wanted.
    images: HashMap<u64, Option<Place>>,
    classes: HashMap<u64, String>,
    seen_ids: HashSet<u64>,
    /// Annotations without a track so far, by image.
    untracked: HashMap<u64, u32>,
    unknown_classes: HashSet<u64>,
}

impl Reader<'_> {
    fn read(mut self, file: &Path, sink: &mut dyn Sink) -> Result<(), FormatError> {
        for_each_item(file, FormatId::Coco, &["images", "categories"], &mut |key, item| {
            let taken = if key == "images" { self.take_image(&item, sink)? } else { self.take_class(&item) };
            if let Err(cause) = taken {
                sink.fault(&format!("{key}: {}", label_of(&item)), &cause);
            }
            Ok(())
        })?;
        for_each_item(file, FormatId::Coco, &["annotations"], &mut |_, item| {
            match self.annotation(&item, sink) {
                Ok(Some((place, object, mask))) => sink.mask(place, &object, mask)?,
                Ok(None) => {}
                Err(cause) => sink.fault(&format!("annotation {}", label_of(&item)), &cause),
            }
            Ok(())
        })
    }

    /// The inner result says what is wrong with the image.
    fn take_image(&mut self, item: &Value, sink: &mut dyn Sink) -> Result<Result<(), String>, FormatError> {
        let Some(id) = whole_number(&item["id"]) else { return Ok(Err("it has no id".to_owned())) };
        let Some(name) = item["file_name"].as_str() else { return Ok(Err("it has no file_name".to_owned())) };
        if self.images.contains_key(&id) {
            return Ok(Err("its id is there twice; the first one is kept".to_owned()));
        }
        let index = whole_number(&item["frame_index"]).and_then(|index| u32::try_from(index).ok());
        let is_wanted = self.wanted.hold(sink, name, clip_of(item).as_deref());
        let frame = FrameRef { sequence: "", id: FrameId::File { name: files::stem_of_text(name), index } };
        let place = if is_wanted { sink.locate(&frame)? } else { None };
        self.images.insert(id, place);
        let size = |key: &str| whole_number(&item[key]);
        if let (Some(place), Some(width), Some(height)) = (place, size("width"), size("height"))
            && (width, height) != (u64::from(place.size.width), u64::from(place.size.height))
        {
            self.images.insert(id, None);
            return Ok(Err(format!("it is {width}x{height}, the clip's frames are {}", place.size)));
        }
        Ok(Ok(()))
    }

    fn take_class(&mut self, item: &Value) -> Result<(), String> {
        let id = whole_number(&item["id"]).ok_or("it has no id")?;
        let name = item["name"].as_str().ok_or("it has no name")?;
        if self.classes.contains_key(&id) {
            return Err("its id is there twice; the first one is kept".to_owned());
        }
        self.classes.insert(id, name.to_owned());
        Ok(())
    }

    /// `None` for an annotation of a frame that is not wanted.
    fn annotation(&mut self, item: &Value, sink: &mut dyn Sink) -> Result<Option<(Place, ObjectRef, Mask)>, String> {
        let image_id = whole_number(&item["image_id"]).ok_or("it has no image_id")?;
        let image = self.images.get(&image_id).ok_or_else(|| format!("there is no image {image_id}"))?;
        let Some(place) = *image else { return Ok(None) };
        if let Some(id) = whole_number(&item["id"])
            && !self.seen_ids.insert(id)
        {
            return Err("its id is there twice; the first one is kept".to_owned());
        }
        let mask = read_segmentation(&item["segmentation"], place.size)?;
        let class_id = whole_number(&item["category_id"]).ok_or("it has no category_id")?;
        let class = self.classes.get(&class_id).cloned();
        if class.is_none() && self.unknown_classes.insert(class_id) {
            sink.fault(&format!("category {class_id}"), "it is not in the list; its masks come without a class");
        }
        let attributes = &item["attributes"];
        let track = whole_number(&item["track_id"]).or_else(|| whole_number(&attributes["track_id"]));
        let key = track.map_or_else(
            || {
                let next = self.untracked.entry(image_id).or_insert(0);
                *next += 1;
                ObjectKey::Ordinal(*next - 1)
            },
            ObjectKey::Track,
        );
        let name = attributes["name"].as_str().map(str::to_owned);
        Ok(Some((place, ObjectRef { key, name, class }, mask)))
    }
}

/// How an item is told from the others in a message.
fn label_of(item: &Value) -> String {
    match &item["id"] {
        Value::Null => "without id".to_owned(),
        id => id.to_string(),
    }
}
