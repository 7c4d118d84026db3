//! YouTube-VOS: palette PNGs as in DAVIS, and a list of which object is on which frame.
//!
//! ```text
//! train/JPEGImages/CLIP/00000.jpg    where pictures are wanted
//! train/Annotations/CLIP/00000.png   8-bit palette PNG
//! train/meta.json                    also val, test
//! ```
//!
//! The readers take the frames of all objects in `meta.json` as the frames to predict. Not imported: `davis` reads the
//! same PNGs.

use std::path::Path;

use serde_json::{Map, Value, json};

use super::output::Output;
use super::reading::Sink;
use super::resolved::Dataset;
use super::{FormatError, davis, files};

/// Writes the dataset.
pub(super) fn write(dataset: &Dataset<'_>, output: &mut Output<'_>) -> Result<(), FormatError> {
    davis::check_object_count(dataset, output.format)?;
    for split in dataset.splits() {
        let mut videos = Map::new();
        for clip in dataset.clips_of(split) {
            // By object: the frames on which it can be seen.
            let mut frames_of: Vec<Vec<&str>> = vec![Vec::new(); clip.objects.len()];
            for frame in &clip.frames {
                let name = format!("{}/{}", clip.name, frame.name);
                output.image(clip, frame, &format!("{}/JPEGImages/{name}", split.name()))?;
                let path = format!("{}/Annotations/{name}.png", split.name());
                let is_seen = davis::write_frame(clip, frame, &path, output)?;
                for (frames, _) in frames_of.iter_mut().zip(is_seen).filter(|(_, is_seen)| *is_seen) {
                    frames.push(&frame.name);
                }
            }
            let mut objects = Map::new();
            for (object, frames) in clip.objects.iter().zip(frames_of).filter(|(_, frames)| !frames.is_empty()) {
                let entry = json!({"category": dataset.classes[object.class], "frames": frames});
                objects.insert(object.number.to_string(), entry);
            }
            videos.insert(clip.name.clone(), json!({ "objects": objects }));
        }
        let mut file = output.file(&format!("{}/meta.json", split.name()))?;
        file.json(&Value::from(Map::from_iter([("videos".to_owned(), videos.into())])))?;
        file.finish()?;
    }
    Ok(())
}

/// Reads what [`write`] wrote, to check it.
pub(super) fn read(path: &Path, sink: &mut dyn Sink) -> Result<(), FormatError> {
    for split in files::folders_in(path)? {
        davis::read(&split, sink)?;
    }
    Ok(())
}
