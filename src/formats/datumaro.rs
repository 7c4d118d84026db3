//! Datumaro's own format: one JSON per part of the dataset, masks as COCO run lengths, tracks as an attribute.
//!
//! ```text
//! annotations/train.json
//! images/train/CLIP_00000.png   where pictures are wanted
//! ```

use std::collections::HashMap;
use std::path::Path;

use serde::Serialize;
use serde_json::{Value, json};

use super::coco::Segmentation;
use super::coco_segmentation::read_runs;
use super::json_stream::{for_each_item, read_object};
use super::output::Output;
use super::reading::{FrameId, FrameRef, ObjectKey, ObjectRef, Place, Sink, whole_number};
use super::resolved::Dataset;
use super::side_by_side::WantedClips;
use super::{FormatError, FormatId, files, polygon_fill};
use crate::label::{FrameSize, Mask};

#[derive(Serialize)]
struct Item<'a> {
    id: &'a str,
    attr: ItemAttributes,
    image: Image,
    annotations: Vec<Annotation<'a>>,
}

#[derive(Serialize)]
struct ItemAttributes {
    /// The frame's number in its clip.
    frame: u32,
}

#[derive(Serialize)]
struct Image {
    path: String,
    /// Height, width.
    size: [u32; 2],
}

#[derive(Serialize)]
struct Annotation<'a> {
    id: u64,
    #[serde(rename = "type")]
    kind: &'static str,
    attributes: Attributes<'a>,
    group: u32,
    label_id: usize,
    rle: Segmentation,
    z_order: u32,
}

#[derive(Serialize)]
struct Attributes<'a> {
    track_id: u32,
    name: &'a str,
}

/// Writes the dataset.
pub(super) fn write(dataset: &Dataset<'_>, output: &mut Output<'_>) -> Result<(), FormatError> {
    for split in dataset.splits() {
        let mut file = output.file(&format!("annotations/{}.json", split.name()))?;
        let labels: Vec<Value> =
            dataset.classes.iter().map(|name| json!({"name": name, "parent": "", "attributes": []})).collect();
        let categories = json!({"label": {"labels": labels, "label_groups": [], "attributes": ["track_id", "name"]}});
        file.text("{\"dm_format_version\":\"1.0\",\"media_type\":2,\"infos\":{},\"categories\":")?;
        file.json(&categories)?;
        file.text(",\"items\":[")?;
        let (mut id, mut is_first) = (0, true);
        for clip in dataset.clips_of(split) {
            for frame in &clip.frames {
                let mut annotations = Vec::new();
                for (object, mask) in clip.masks_on(frame.idx)? {
                    let attributes = Attributes { track_id: clip.track(object), name: &object.name };
                    let (label_id, rle) = (object.class, Segmentation::of(&mask));
                    annotations.push(Annotation { id, kind: "mask", attributes, group: 0, label_id, rle, z_order: 0 });
                    id += 1;
                    output.masks += 1;
                }
                file.text(if is_first { "\n" } else { ",\n" })?;
                is_first = false;
                let path = format!("{}{}", frame.name, output.image_ending(clip, frame));
                file.json(&Item {
                    id: &frame.name,
                    attr: ItemAttributes { frame: frame.idx.0 },
                    image: Image { path, size: [clip.size().height, clip.size().width] },
                    annotations,
                })?;
                output.image(clip, frame, &format!("images/{}/{}", split.name(), frame.name))?;
                output.frame_done()?;
            }
        }
        file.text("]}\n")?;
        file.finish()?;
    }
    Ok(())
}

/// Reads a JSON file, or those in a folder's `annotations`.
pub(super) fn read(path: &Path, sink: &mut dyn Sink) -> Result<(), FormatError> {
    let files = files::json_files(path, FormatId::Datumaro)?;
    let wanted = WantedClips::choose(sink, |each| {
        files.iter().try_for_each(|file| {
            for_each_item(file, FormatId::Datumaro, &["items"], &mut |_, item| {
                file_of(&item).map_or(Ok(()), |file| each(file, None))
            })
        })
    })?;
    files.iter().try_for_each(|file| read_file(file, &wanted, sink))
}

/// The file of an item's image. An item's id is its path without the ending.
fn file_of(item: &Value) -> Option<&str> {
    item["image"]["path"].as_str().or_else(|| item["id"].as_str())
}

/// Whether a JSON object with these keys looks like this format.
pub(super) fn is_likely(keys: &[String]) -> bool {
    let has = |wanted: &str| keys.iter().any(|key| key == wanted);
    has("items") && has("categories")
}

fn read_file(file: &Path, wanted: &WantedClips, sink: &mut dyn Sink) -> Result<(), FormatError> {
    let categories = read_object(file, FormatId::Datumaro, "categories")?;
    let labels = categories["label"]["labels"].as_array().map_or(&[][..], Vec::as_slice);
    let classes: Vec<Option<&str>> = labels.iter().map(|label| label["name"].as_str()).collect();
    for_each_item(file, FormatId::Datumaro, &["items"], &mut |_, item| {
        let Some(id) = item["id"].as_str() else {
            sink.fault("an item", "it has no id");
            return Ok(());
        };
        let path = file_of(&item).unwrap_or(id);
        if !wanted.hold(sink, path, None) {
            return Ok(());
        }
        let index = whole_number(&item["attr"]["frame"]).and_then(|index| u32::try_from(index).ok());
        let name = if item["image"]["path"].is_string() { files::stem_of_text(path) } else { id };
        let frame = FrameRef { sequence: "", id: FrameId::File { name, index } };
        let Some(place) = sink.locate(&frame)? else { return Ok(()) };
        let annotations = item["annotations"].as_array().map_or(&[][..], Vec::as_slice);
        read_annotations(id, annotations, place, &classes, sink)
    })
}

fn read_annotations(
    item: &str,
    annotations: &[Value],
    place: Place,
    classes: &[Option<&str>],
    sink: &mut dyn Sink,
) -> Result<(), FormatError> {
    let mut untracked = 0;
    let mut other_kinds: HashMap<&str, u32> = HashMap::new();
    for annotation in annotations {
        let kind = annotation["type"].as_str().unwrap_or("annotation");
        let mask = match kind {
            "mask" => read_runs(&annotation["rle"], place.size),
            "polygon" => read_polygon(&annotation["points"], place.size),
            other => {
                *other_kinds.entry(other).or_insert(0) += 1;
                continue;
            }
        };
        let mask = match mask {
            Ok(mask) => mask,
            Err(cause) => {
                sink.fault(&format!("{item}, annotation {}", annotation["id"]), &cause);
                continue;
            }
        };
        let class = whole_number(&annotation["label_id"]).and_then(|id| *classes.get(usize::try_from(id).ok()?)?);
        let attributes = &annotation["attributes"];
        let key = whole_number(&attributes["track_id"]).map_or_else(
            || {
                untracked += 1;
                ObjectKey::Ordinal(untracked - 1)
            },
            ObjectKey::Track,
        );
        let name = attributes["name"].as_str().map(str::to_owned);
        sink.mask(place, &ObjectRef { key, name, class: class.map(str::to_owned) }, mask)?;
    }
    for (kind, count) in other_kinds {
        sink.fault(&format!("{item}: {count} {kind}"), "only masks and polygons are read");
    }
    Ok(())
}

fn read_polygon(points: &Value, size: FrameSize) -> Result<Mask, String> {
    let numbers: Option<Vec<f64>> = points.as_array().and_then(|points| points.iter().map(Value::as_f64).collect());
    let numbers = numbers.ok_or("its points are no numbers")?;
    polygon_fill::fill(size, &[numbers.chunks_exact(2).map(|pair| (pair[0], pair[1])).collect()])
}
