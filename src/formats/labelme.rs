//! labelme: one JSON per frame, which lies beside its picture. X-AnyLabeling reads the same.
//!
//! ```text
//! CLIP_00000.json   shapes of type "mask": the corners of a rectangle, and a PNG of what is in it
//! CLIP_00000.png    where pictures are wanted
//! ```
//!
//! Corners are whole pixels, both included. `group_id` is the object's track; labelme numbers groups for each label anew.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::io::Cursor;
use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::crop::Crop;
use super::json_stream::{read_object, read_value};
use super::output::Output;
use super::palette_png::{binary_bytes, read_values_from};
use super::reading::{FrameRef, ObjectKey, ObjectRef, Place, Sink, whole_number};
use super::resolved::Dataset;
use super::side_by_side::WantedClips;
use super::{FormatError, FormatId, files, polygon_fill};
use crate::label::{FrameSize, Mask};

/// The version whose files these are.
const VERSION: &str = "5.5.0";

/// Writes the dataset.
pub(super) fn write(dataset: &Dataset<'_>, output: &mut Output<'_>) -> Result<(), FormatError> {
    for clip in &dataset.clips {
        for frame in &clip.frames {
            let mut shapes = Vec::new();
            for (object, mask) in clip.masks_on(frame.idx)? {
                let crop = Crop::around(&mask).expect("it is not empty");
                let (right, bottom) = (crop.x + crop.width - 1, crop.y + crop.height - 1);
                let size = FrameSize { width: crop.width, height: crop.height };
                let png = binary_bytes(size, &crop.pixels).map_err(|e| FormatError::Write {
                    path: format!("{}.json", frame.name).into(),
                    source: e.into(),
                })?;
                shapes.push(json!({
                    "label": dataset.classes[object.class],
                    "points": [[crop.x, crop.y], [right, bottom]],
                    "group_id": clip.track(object),
                    "description": object.name,
                    "shape_type": "mask",
                    "flags": {},
                    "mask": STANDARD.encode(png),
                }));
                output.masks += 1;
            }
            let mut file = output.file(&format!("{}.json", frame.name))?;
            file.json(&json!({
                "version": VERSION,
                "flags": {},
                "shapes": shapes,
                "imagePath": format!("{}{}", frame.name, output.image_ending(clip, frame)),
                "imageData": null,
                "imageHeight": clip.size().height,
                "imageWidth": clip.size().width,
            }))?;
            file.finish()?;
            output.image(clip, frame, &frame.name)?;
            output.frame_done()?;
        }
    }
    Ok(())
}

/// Reads a folder of JSON files, or one of them.
pub(super) fn read(path: &Path, sink: &mut dyn Sink) -> Result<(), FormatError> {
    let files = files::json_files(path, FormatId::Labelme)?;
    let wanted = WantedClips::choose(sink, |each| {
        files.iter().try_for_each(|file| {
            // A file that cannot be read is told of below; it names no clip.
            let Ok(image) = read_object(file, FormatId::Labelme, "imagePath") else { return Ok(()) };
            each(image.as_str().unwrap_or(&files::name_of(file)), None)
        })
    })?;
    for file in files {
        let name = files::name_of(&file);
        match read_value(&file, FormatId::Labelme) {
            Ok(frame) => read_frame(&name, &frame, &wanted, sink)?,
            Err(error) if file == path => return Err(error),
            Err(error) => sink.fault(&name, &error.to_string()),
        }
    }
    Ok(())
}

/// Whether a JSON object with these keys looks like this format.
pub(super) fn is_likely(keys: &[String]) -> bool {
    let has = |wanted: &str| keys.iter().any(|key| key == wanted);
    has("shapes") && has("imagePath")
}

fn read_frame(file: &str, frame: &Value, wanted: &WantedClips, sink: &mut dyn Sink) -> Result<(), FormatError> {
    let image = frame["imagePath"].as_str().unwrap_or(file);
    if !wanted.hold(sink, image, None) {
        return Ok(());
    }
    let Some(place) = sink.locate(&FrameRef::file("", files::stem_of_text(image)))? else { return Ok(()) };
    let side = |key: &str| whole_number(&frame[key]);
    if let (Some(width), Some(height)) = (side("imageWidth"), side("imageHeight"))
        && (width, height) != (u64::from(place.size.width), u64::from(place.size.height))
    {
        sink.fault(file, &format!("its image is {width}x{height}, the clip's frames are {}", place.size));
        return Ok(());
    }
    // Shapes of one group and label are parts of one object: its position below, by both.
    let mut groups: HashMap<(u64, Option<String>), usize> = HashMap::new();
    let mut objects: Vec<(ObjectRef, Parts)> = Vec::new();
    let mut untracked = 0;
    let shapes = frame["shapes"].as_array().map_or(&[][..], Vec::as_slice);
    for (i, shape) in shapes.iter().enumerate() {
        let mask = match read_shape(shape, place) {
            Ok(mask) => mask,
            Err(cause) => {
                sink.fault(&format!("{file}, shape {i}"), &cause);
                continue;
            }
        };
        let text = |key: &str| shape[key].as_str().filter(|text| !text.is_empty()).map(str::to_owned);
        let (class, name) = (text("label"), text("description"));
        let Some(group) = whole_number(&shape["group_id"]) else {
            objects.push((ObjectRef { key: ObjectKey::Ordinal(untracked), name, class }, Parts::One(mask)));
            untracked += 1;
            continue;
        };
        match groups.entry((group, class.clone())) {
            Entry::Occupied(known) => objects[*known.get()].1.add(&mask),
            Entry::Vacant(free) => {
                free.insert(objects.len());
                objects.push((ObjectRef { key: ObjectKey::TrackOfClass(group), name, class }, Parts::One(mask)));
            }
        }
    }
    for (object, parts) in objects {
        sink.mask(place, &object, parts.joined(place.size))?;
    }
    Ok(())
}

/// The shapes of one object.
enum Parts {
    One(Mask),
    /// Several, as one byte a pixel, so that the next one costs no more than itself.
    Joined(Vec<u8>),
}

impl Parts {
    fn add(&mut self, part: &Mask) {
        if let Parts::One(mask) = self {
            *self = Parts::Joined(mask.to_pixels());
        }
        if let Parts::Joined(pixels) = self {
            part.spans().for_each(|(start, end)| pixels[start..end].fill(1));
        }
    }

    fn joined(self, size: FrameSize) -> Mask {
        match self {
            Parts::One(mask) => mask,
            Parts::Joined(pixels) => Mask::from_fn(size, |i| pixels[i] != 0),
        }
    }
}

fn read_shape(shape: &Value, place: Place) -> Result<Mask, String> {
    let points = points(&shape["points"])?;
    match shape["shape_type"].as_str() {
        Some("mask") => read_crop(shape, &points, place.size),
        Some("polygon") => polygon_fill::fill(place.size, &[points]),
        Some("rectangle") => {
            let [a, b] = points.as_slice() else { return Err("a rectangle has two corners".to_owned()) };
            polygon_fill::fill(place.size, &[vec![(a.0, a.1), (b.0, a.1), (b.0, b.1), (a.0, b.1)]])
        }
        other => Err(format!("a shape of type {other:?} is no mask")),
    }
}

fn points(list: &Value) -> Result<Vec<(f64, f64)>, String> {
    let point = |point: &Value| Some((point[0].as_f64()?, point[1].as_f64()?));
    let points: Option<Vec<_>> = list.as_array().and_then(|list| list.iter().map(point).collect());
    points.ok_or_else(|| "its points are no pairs of numbers".to_owned())
}

fn read_crop(shape: &Value, points: &[(f64, f64)], size: FrameSize) -> Result<Mask, String> {
    let &[(x0, y0), (x1, y1)] = points else { return Err("a mask has two corners".to_owned()) };
    let whole = |n: f64| (0.0..1e6).contains(&n).then(|| n.round() as u32);
    let corners = whole(x0).zip(whole(y0)).zip(whole(x1).zip(whole(y1)));
    let ((x, y), (right, bottom)) = corners.ok_or("its corners lie outside the frame")?;
    if right < x || bottom < y || right >= size.width || bottom >= size.height {
        return Err(format!("its rectangle {x}, {y} to {right}, {bottom} does not lie in the {size} frame"));
    }
    let expected = FrameSize { width: right - x + 1, height: bottom - y + 1 };
    let text = shape["mask"].as_str().ok_or("it has no picture")?;
    let bytes = STANDARD.decode(text).map_err(|e| format!("its picture is no base64 ({e})"))?;
    let (_, values) = read_values_from(Cursor::new(bytes), Some(expected))?;
    let pixels = values.iter().map(|&value| u8::from(value != 0)).collect();
    Crop { x, y, width: expected.width, height: expected.height, pixels }.to_mask(size)
}
