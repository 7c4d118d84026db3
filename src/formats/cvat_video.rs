//! CVAT for video 1.1: one XML per clip, a track of masks per object.
//!
//! ```text
//! annotations.xml             of several clips: CLIP/annotations.xml
//! images/frame_000000.png     where pictures are wanted
//! ```
//!
//! Every exported frame is a key frame of every track that is there, and a track ends with an `outside` frame where the
//! object leaves. Older CVAT servers do not take masks in tracks; `cvat-images` works everywhere. Not imported.

use std::path::Path;

use super::output::{OutFile, Output};
use super::reading::{FrameRef, ObjectKey, ObjectRef, Sink};
use super::resolved::{Dataset, DatasetClip, DatasetObject};
use super::xml_stream::{Attributes, Tag, escaped, walk};
use super::{FormatError, FormatId, cvat_meta, cvat_rle, files};

/// Writes the dataset.
pub(super) fn write(dataset: &Dataset<'_>, output: &mut Output<'_>) -> Result<(), FormatError> {
    for clip in &dataset.clips {
        let folder = if dataset.clips.len() == 1 { String::new() } else { format!("{}/", clip.name) };
        let mut file = output.file(&format!("{folder}annotations.xml"))?;
        let size = Some((clip.size().width, clip.size().height));
        let facts = clip.facts();
        cvat_meta::write_head(&mut file, &facts.name, "interpolation", facts.frames.len(), size, &dataset.classes)?;
        for object in &clip.objects {
            output.masks += write_track(clip, object, &dataset.classes[object.class], &mut file)?;
        }
        file.text("</annotations>\n")?;
        file.finish()?;
        for frame in &clip.frames {
            output.image(clip, frame, &format!("{folder}images/frame_{:06}", frame.idx.0))?;
            output.frame_done()?;
        }
    }
    Ok(())
}

/// Writes one object's masks and says how many; an object without any gets no track.
fn write_track(
    clip: &DatasetClip<'_>,
    object: &DatasetObject,
    class: &str,
    file: &mut OutFile,
) -> Result<u64, FormatError> {
    let attributes = cvat_meta::attribute_tags(clip.track(object), &object.name);
    let mask_tag = |file: &mut OutFile, frame: u32, outside: u8, shape: &str| {
        file.text(&format!(
            "<mask frame=\"{frame}\" keyframe=\"1\" outside=\"{outside}\" occluded=\"0\" {shape} z_order=\"0\">\
             {attributes}</mask>\n"
        ))
    };
    let mut count = 0;
    // The mask shown last, as long as nothing has ended it.
    let mut shown: Option<String> = None;
    for frame in &clip.frames {
        match clip.mask(object, frame.idx)?.as_ref().and_then(cvat_rle::attributes) {
            Some(shape) => {
                if count == 0 {
                    let (id, label) = (object.number - 1, escaped(class));
                    file.text(&format!("<track id=\"{id}\" label=\"{label}\" source=\"manual\">\n"))?;
                }
                count += 1;
                mask_tag(file, frame.idx.0, 0, &shape)?;
                shown = Some(shape);
            }
            None => {
                if let Some(shape) = shown.take() {
                    mask_tag(file, frame.idx.0, 1, &shape)?;
                }
            }
        }
    }
    // A track goes on until something ends it; what was not exported must not look labelled.
    let next = clip.frames.last().expect("a clip has a frame").idx.0 + 1;
    if let Some(shape) = shown.filter(|_| (next as usize) < clip.facts().frames.len()) {
        mask_tag(file, next, 1, &shape)?;
    }
    if count > 0 {
        file.text("</track>\n")?;
    }
    Ok(count)
}

/// Reads what [`write`] wrote, to check it.
pub(super) fn read(path: &Path, sink: &mut dyn Sink) -> Result<(), FormatError> {
    let own = path.join("annotations.xml");
    let clips = if own.is_file() { vec![path.to_owned()] } else { files::folders_in(path)? };
    let names: Vec<String> = clips.iter().map(|folder| files::name_of(folder)).collect();
    for chosen in sink.choose_sequences(&names)? {
        let mut track: Option<(u64, Option<String>)> = None;
        walk(&clips[chosen].join("annotations.xml"), FormatId::CvatVideo, &mut |tag| match tag {
            Tag::Begin(tag) if tag.name == "track" => {
                track = tag.number("id").map(|id| (u64::from(id) + 1, tag.get("label")));
                Ok(())
            }
            Tag::Begin(tag) if tag.name == "mask" && tag.get("outside").as_deref() == Some("0") => {
                let Some((number, class)) = track.clone() else { return Ok(()) };
                read_mask(tag, &names[chosen], ObjectRef { key: ObjectKey::Number(number), name: None, class }, sink)
            }
            Tag::Begin(_) | Tag::End { .. } => Ok(()),
        })?;
    }
    Ok(())
}

fn read_mask(tag: &Attributes<'_>, sequence: &str, object: ObjectRef, sink: &mut dyn Sink) -> Result<(), FormatError> {
    let number = tag.number("frame");
    let name = number.map_or_else(String::new, |number| number.to_string());
    let Some(place) = sink.locate(&FrameRef { sequence, name: &name, index: number }) else { return Ok(()) };
    match cvat_rle::read(tag, place.size) {
        Ok(mask) => sink.mask(place, &object, mask),
        Err(cause) => {
            sink.fault(&format!("a mask on frame {name}"), &cause);
            Ok(())
        }
    }
}
