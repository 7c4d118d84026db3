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
            output.masks += write_track(clip, object, &dataset.classes[object.class], &mut file, output)?;
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
    output: &mut Output<'_>,
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
    for (k, frame) in clip.frames.iter().enumerate() {
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
        // A track goes on until something ends it; what was not exported must not look labelled.
        let next = frame.idx.0 + 1;
        let is_next_exported = clip.frames.get(k + 1).is_some_and(|following| following.idx.0 == next);
        let ends = !is_next_exported && (next as usize) < clip.facts().frames.len();
        if let Some(shape) = shown.take_if(|_| ends) {
            mask_tag(file, next, 1, &shape)?;
        }
        output.keep_going()?;
    }
    if count > 0 {
        file.text("</track>\n")?;
    }
    Ok(count)
}

/// Reads what [`write`] wrote, to check it, as CVAT does: a mask stays until the next one of its track.
pub(super) fn read(path: &Path, sink: &mut dyn Sink) -> Result<(), FormatError> {
    let own = path.join("annotations.xml");
    let clips = if own.is_file() { vec![path.to_owned()] } else { files::folders_in(path)? };
    let names: Vec<String> = clips.iter().map(|folder| files::name_of(folder)).collect();
    for chosen in sink.choose_sequences(&names)? {
        let mut frame_count = 0;
        let mut track: Option<Track> = None;
        walk(&clips[chosen].join("annotations.xml"), FormatId::CvatVideo, &mut |tag| match tag {
            Tag::Begin(tag) if tag.name == "track" => {
                let number = tag.number("id").map(|id| u64::from(id) + 1);
                track = number.map(|number| Track { number, class: tag.get("label"), shown: None });
                Ok(())
            }
            Tag::Begin(tag) if tag.name == "mask" => match &mut track {
                Some(track) => track.read_mask(tag, &names[chosen], sink),
                None => Ok(()),
            },
            Tag::End { name: "track", .. } => {
                track.take().into_iter().for_each(|mut track| track.show(None, frame_count, sink));
                Ok(())
            }
            Tag::End { name: "size", text } => {
                frame_count = text.parse().unwrap_or(0);
                Ok(())
            }
            Tag::Begin(_) | Tag::End { .. } => Ok(()),
        })?;
    }
    Ok(())
}

/// A track being read.
struct Track {
    number: u64,
    class: Option<String>,
    /// The frame of the mask that is still shown.
    shown: Option<u32>,
}

impl Track {
    fn read_mask(&mut self, tag: &Attributes<'_>, sequence: &str, sink: &mut dyn Sink) -> Result<(), FormatError> {
        let Some(frame) = tag.number("frame") else {
            sink.fault("a mask", "it has no frame");
            return Ok(());
        };
        let is_shown = tag.get("outside").as_deref() == Some("0");
        self.show(is_shown.then_some(frame), frame, sink);
        if !is_shown {
            return Ok(());
        }
        let Some(place) = sink.locate(&FrameRef::number(sequence, frame))? else { return Ok(()) };
        let object = ObjectRef { key: ObjectKey::Number(self.number), name: None, class: self.class.clone() };
        match cvat_rle::read(tag, place.size) {
            Ok(mask) => sink.mask(place, &object, mask),
            Err(cause) => {
                sink.fault(&format!("a mask on frame {frame}"), &cause);
                Ok(())
            }
        }
    }

    /// Ends on frame `end` what was shown, and begins with what is shown from there on. Masks that stay for longer than
    /// their own frame would be shown where none was exported.
    fn show(&mut self, next: Option<u32>, end: u32, sink: &mut dyn Sink) {
        if let Some(frame) = std::mem::replace(&mut self.shown, next)
            && frame.saturating_add(1) < end
        {
            sink.fault(
                &format!("track {}", self.number),
                &format!("its mask of frame {frame} stays until frame {end}"),
            );
        }
    }
}
