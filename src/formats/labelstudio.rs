//! Label Studio: one task per frame, its masks as brush labels.
//!
//! ```text
//! tasks.json              for Import
//! label_config.xml        for Settings, Labeling Interface
//! images/CLIP_00000.png   where pictures are wanted; their address in the tasks is for local file serving
//! ```
//!
//! Label Studio has no masks in videos, so every frame is an image task; results say their object in `meta`. Its own
//! COCO and YOLO exports leave brush labels out.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::json_stream::for_each_element;
use super::output::Output;
use super::reading::{FrameId, FrameRef, ObjectKey, ObjectRef, Place, Sink, whole_number};
use super::resolved::{Dataset, DatasetClip};
use super::side_by_side::WantedClips;
use super::xml_stream::escaped;
use super::{FormatError, FormatId, files, labelstudio_rle};
use crate::label::Mask;

/// Writes the dataset.
pub(super) fn write(dataset: &Dataset<'_>, output: &mut Output<'_>) -> Result<(), FormatError> {
    let mut config = output.file("label_config.xml")?;
    config.text("<View>\n  <Image name=\"image\" value=\"$image\" zoom=\"true\"/>\n  <BrushLabels name=\"tag\" toName=\"image\">\n")?;
    for class in &dataset.classes {
        config.text(&format!("    <Label value=\"{}\"/>\n", escaped(class)))?;
    }
    config.text("  </BrushLabels>\n</View>\n")?;
    config.finish()?;

    let mut file = output.file("tasks.json")?;
    let mut task = 0;
    for clip in &dataset.clips {
        for frame in &clip.frames {
            task += 1;
            let mut results = Vec::new();
            for (object, mask) in clip.masks_on(frame.idx)? {
                let class = &dataset.classes[object.class];
                results.push(result(clip, object.number, &object.name, class, task, &mask));
                output.masks += 1;
            }
            let name = format!("{}{}", frame.name, output.image_ending(clip, frame));
            file.text(if task == 1 { "[\n" } else { ",\n" })?;
            file.json(&json!({
                "id": task,
                "data": {
                    "image": format!("/data/local-files/?d=images/{}", percent_encoded(&name)),
                    "clip": clip.facts().name,
                    "frame": frame.idx.0,
                },
                "annotations": [{"id": task, "result": results}],
            }))?;
            output.image(clip, frame, &format!("images/{}", frame.name))?;
            output.frame_done()?;
        }
    }
    file.text("\n]\n")?;
    file.finish()
}

fn result(clip: &DatasetClip<'_>, number: u32, name: &str, class: &str, task: u64, mask: &Mask) -> Value {
    let track = clip.tracks_before + number;
    json!({
        "id": format!("t{task}o{track}"),
        "type": "brushlabels",
        "from_name": "tag",
        "to_name": "image",
        "original_width": clip.size().width,
        "original_height": clip.size().height,
        "image_rotation": 0,
        "value": {"format": "rle", "rle": labelstudio_rle::encode(mask), "brushlabels": [class]},
        "meta": {"text": [name], "track_id": track},
    })
}

/// Reads a `tasks.json`, an export from Label Studio (JSON), or the folder that holds it or several of them.
pub(super) fn read(path: &Path, sink: &mut dyn Sink) -> Result<(), FormatError> {
    let files = task_files(path)?;
    let wanted = WantedClips::choose(sink, |each| {
        files.iter().try_for_each(|file| {
            for_each_element(file, FormatId::LabelStudio, &mut |task| {
                image_of(&task).map_or(Ok(()), |image| each(&image, clip_of(&task)))
            })
        })
    })?;
    files
        .iter()
        .try_for_each(|file| for_each_element(file, FormatId::LabelStudio, &mut |task| read_task(&task, &wanted, sink)))
}

/// The file of a task's image, as it was called before it was uploaded.
fn image_of(task: &Value) -> Option<String> {
    let data = &task["data"];
    let address = data["image"].as_str().or_else(|| data.as_object()?.values().find_map(Value::as_str))?;
    // Local files stand behind `?d=`; elsewhere what follows the question mark is no part of the path.
    let path = address.split_once("?d=").map_or_else(|| address.split('?').next(), |(_, file)| Some(file));
    let path = percent_decoded(path.expect("split gives at least one"));
    let (folders, name) = path.rsplit_once('/').map_or(("", path.as_str()), |(folders, name)| (folders, name));
    Some(format!("{folders}/{}", without_upload_prefix(name)))
}

/// The clip our own export names.
fn clip_of(task: &Value) -> Option<&str> {
    task["data"]["clip"].as_str()
}

/// Label Studio puts eight hexadecimal digits and a dash before the names of uploads.
fn without_upload_prefix(name: &str) -> &str {
    match name.split_once('-') {
        Some((prefix, rest)) if prefix.len() == 8 && prefix.bytes().all(|b| b.is_ascii_hexdigit()) => rest,
        _ => name,
    }
}

/// A path as it may stand in an address.
fn percent_encoded(path: &str) -> String {
    let mut safe = String::with_capacity(path.len());
    for byte in path.bytes() {
        match byte {
            b'/' | b'-' | b'.' | b'_' | b'~' => safe.push(char::from(byte)),
            byte if byte.is_ascii_alphanumeric() => safe.push(char::from(byte)),
            byte => safe.push_str(&format!("%{byte:02X}")),
        }
    }
    safe
}

/// A path from an address. A `%` that no two digits follow stays.
fn percent_decoded(path: &str) -> String {
    let mut bytes = Vec::with_capacity(path.len());
    let mut rest = path.as_bytes();
    while let Some((&byte, behind)) = rest.split_first() {
        let digit = |at: usize| char::from(*behind.get(at)?).to_digit(16);
        match (byte, digit(0), digit(1)) {
            (b'%', Some(high), Some(low)) => {
                bytes.push((high * 16 + low) as u8);
                rest = &behind[2..];
            }
            _ => {
                bytes.push(byte);
                rest = behind;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

fn task_files(path: &Path) -> Result<Vec<PathBuf>, FormatError> {
    let own = path.join("tasks.json");
    if own.is_file() {
        return Ok(vec![own]);
    }
    let mut found = files::json_files(path, FormatId::LabelStudio)?;
    // A single file that cannot be read says itself what is wrong with it.
    if found.len() > 1 {
        found.retain(|file| is_likely(file));
    }
    if found.is_empty() {
        let cause = "no JSON file in it holds tasks with annotations; choose the file or its folder".to_owned();
        return Err(FormatError::Dataset { path: path.to_owned(), format: FormatId::LabelStudio, cause });
    }
    Ok(found)
}

/// Whether a file holds tasks of this kind.
pub(super) fn is_likely(path: &Path) -> bool {
    let mut has_tasks = false;
    let read = for_each_element(path, FormatId::LabelStudio, &mut |task| {
        has_tasks = task["data"].is_object() && (task["annotations"].is_array() || task["predictions"].is_array());
        // The first task tells it.
        Err(FormatError::Cancelled)
    });
    has_tasks && matches!(read, Err(FormatError::Cancelled))
}

fn read_task(task: &Value, wanted: &WantedClips, sink: &mut dyn Sink) -> Result<(), FormatError> {
    let item = format!("task {}", task["id"]);
    let Some(image) = image_of(task) else {
        sink.fault(&item, "it has no image");
        return Ok(());
    };
    if !wanted.hold(sink, &image, clip_of(task)) {
        return Ok(());
    }
    let index = whole_number(&task["data"]["frame"]).and_then(|index| u32::try_from(index).ok());
    let frame = FrameRef { sequence: "", id: FrameId::File { name: files::stem_of_text(&image), index } };
    let Some(place) = sink.locate(&frame)? else { return Ok(()) };
    // Several people may have labelled the task; the first one counts.
    let annotations = task["annotations"].as_array().or_else(|| task["predictions"].as_array());
    let results = annotations.and_then(|list| list.first()).and_then(|first| first["result"].as_array());
    let mut untracked = 0;
    for result in results.map_or(&[][..], Vec::as_slice) {
        let item = format!("{item}, result {}", result["id"]);
        if result["type"] != "brushlabels" {
            sink.fault(&item, "only brush labels are read");
            continue;
        }
        match read_result(result, place) {
            Ok(mask) => {
                let key = whole_number(&result["meta"]["track_id"]).map_or_else(
                    || {
                        untracked += 1;
                        ObjectKey::Ordinal(untracked - 1)
                    },
                    ObjectKey::Track,
                );
                let name = result["meta"]["text"][0].as_str().map(str::to_owned);
                let class = result["value"]["brushlabels"][0].as_str().map(str::to_owned);
                sink.mask(place, &ObjectRef { key, name, class }, mask)?;
            }
            Err(cause) => sink.fault(&item, &cause),
        }
    }
    Ok(())
}

fn read_result(result: &Value, place: Place) -> Result<Mask, String> {
    let side = |key: &str| whole_number(&result[key]);
    if let (Some(width), Some(height)) = (side("original_width"), side("original_height"))
        && (width, height) != (u64::from(place.size.width), u64::from(place.size.height))
    {
        return Err(format!("its image is {width}x{height}, the clip's frames are {}", place.size));
    }
    let bytes = result["value"]["rle"].as_array().ok_or("it has no rle")?;
    let byte = |value: &Value| value.as_u64().and_then(|value| u8::try_from(value).ok());
    let bytes: Option<Vec<u8>> = bytes.iter().map(byte).collect();
    labelstudio_rle::decode(&bytes.ok_or("its rle holds something that is no byte")?, place.size)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn images_are_called_as_before_their_upload() {
        let name = "кот 1+2?#%.jpg";
        assert_eq!(percent_decoded(&percent_encoded(name)), name);
        let local = format!("/data/local-files/?d=images/{}", percent_encoded(name));
        assert!(local.is_ascii() && !local.contains([' ', '#', '+']), "{local}");
        for (address, file) in [
            (local.as_str(), "images/кот 1+2?#%.jpg"),
            ("/data/upload/3/ab12cd34-1.jpg", "/data/upload/3/1.jpg"),
            ("https://host/a/b%20c/2.jpg?sig=x/y.z", "https://host/a/b c/2.jpg"),
            ("s3://100%/x-1.jpg", "s3://100%/x-1.jpg"),
            ("1.jpg", "/1.jpg"),
        ] {
            let task = json!({"data": {"image": address}});
            assert_eq!(image_of(&task).as_deref(), Some(file));
        }
    }
}
