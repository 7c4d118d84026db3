//! CVAT for images 1.1: one XML, every frame with its masks.
//!
//! ```text
//! annotations.xml
//! images/CLIP_00000.png   where pictures are wanted
//! ```
//!
//! Packed as a zip it is what CVAT imports. It goes by the images' names, and where its task has no such names, as that of
//! a video, by their ids: the frames' numbers in the clip, or a running number where there are several clips.
//! Masks carry the attributes `track_id` and `name`; CVAT keeps them where the task's labels have such attributes. A mask
//! that CVAT's users add has no track: it is an object by itself.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use super::cvat_meta::NO_TRACK;
use super::output::Output;
use super::reading::{FrameRef, ObjectKey, ObjectRef, Place, Sink};
use super::resolved::Dataset;
use super::side_by_side::WantedClips;
use super::xml_stream::{Attributes, Tag, escaped, walk};
use super::{FormatError, FormatId, cvat_meta, cvat_rle, files, polygon_fill};
use crate::label::{FrameSize, Mask};

/// Writes the dataset.
pub(super) fn write(dataset: &Dataset<'_>, output: &mut Output<'_>) -> Result<(), FormatError> {
    let mut file = output.file("annotations.xml")?;
    let first = &dataset.clips[0];
    let is_one_size = dataset.clips.iter().all(|clip| clip.size() == first.size());
    let size = is_one_size.then(|| (first.size().width, first.size().height));
    let count = dataset.frame_count() as usize;
    cvat_meta::write_head(&mut file, &first.facts().name, "annotation", count, size, &dataset.classes)?;
    let is_one_clip = dataset.clips.len() == 1;
    let mut images_before = 0;
    for clip in &dataset.clips {
        for frame in &clip.frames {
            // CVAT takes it for the frame where the name matches none, so it is not the place among those exported.
            let id = if is_one_clip { frame.idx.0 } else { images_before };
            let name = escaped(&format!("{}{}", frame.name, output.image_ending(clip, frame)));
            let (width, height) = (clip.size().width, clip.size().height);
            file.text(&format!("<image id=\"{id}\" name=\"{name}\" width=\"{width}\" height=\"{height}\">\n"))?;
            images_before += 1;
            for (object, mask) in clip.masks_on(frame.idx)? {
                let shape = cvat_rle::attributes(&mask).expect("it is not empty");
                file.text(&format!(
                    "<mask label=\"{}\" source=\"manual\" occluded=\"0\" {shape} z_order=\"0\">{}</mask>\n",
                    escaped(&dataset.classes[object.class]),
                    cvat_meta::attribute_tags(clip.track(object), &object.name),
                ))?;
                output.masks += 1;
            }
            file.text("</image>\n")?;
            output.image(clip, frame, &format!("images/{}", frame.name))?;
            output.frame_done()?;
        }
    }
    file.text("</annotations>\n")?;
    file.finish()
}

/// Reads an `annotations.xml` or the folder that holds it.
pub(super) fn read(path: &Path, sink: &mut dyn Sink) -> Result<(), FormatError> {
    let file = xml_file(path);
    let wanted = WantedClips::choose(sink, |each| {
        walk(&file, FormatId::CvatImages, &mut |tag| match tag {
            Tag::Begin(tag) if tag.name == "image" => tag.get("name").map_or(Ok(()), |name| each(&name, None)),
            Tag::Begin(_) | Tag::End { .. } => Ok(()),
        })
    })?;
    let other_shapes = HashMap::new();
    let mut reader = Reader { sink, wanted, image: None, shape: None, untracked: 0, other_shapes };
    walk(&file, FormatId::CvatImages, &mut |tag| reader.visit(tag))?;
    for (shape, count) in reader.other_shapes {
        sink.fault(&format!("{count} {shape}"), "only masks and polygons are read");
    }
    Ok(())
}

/// The XML of a dataset.
pub(super) fn xml_file(path: &Path) -> PathBuf {
    if path.is_dir() { path.join("annotations.xml") } else { path.to_owned() }
}

/// Whether a file or folder looks like this format.
pub(super) fn is_likely(path: &Path) -> bool {
    let (mut has_images, mut is_cvat) = (false, false);
    // The first image tells it; ending the walk early is no failure.
    let walked = walk(&xml_file(path), FormatId::CvatImages, &mut |tag| {
        match tag {
            Tag::Begin(tag) if tag.name == "image" && tag.get("name").is_some() => has_images = true,
            Tag::Begin(tag) if tag.name == "annotations" => is_cvat = true,
            Tag::Begin(_) | Tag::End { .. } => {}
        }
        if has_images { Err(FormatError::Cancelled) } else { Ok(()) }
    });
    has_images && is_cvat && matches!(walked, Err(FormatError::Cancelled))
}

struct Reader<'a> {
    sink: &'a mut dyn Sink,
    wanted: WantedClips,
    image: Option<(String, Place)>,
    shape: Option<Shape>,
    /// Masks without a track on the current image.
    untracked: u32,
    other_shapes: HashMap<String, u32>,
}

/// A mask whose attributes are still coming.
struct Shape {
    mask: Result<Mask, String>,
    class: Option<String>,
    track: Option<u64>,
    name: Option<String>,
    /// Which attribute the text to come is for.
    attribute: Option<String>,
}

impl Reader<'_> {
    fn visit(&mut self, tag: Tag<'_>) -> Result<(), FormatError> {
        match tag {
            Tag::Begin(tag) => self.begin(tag)?,
            Tag::End { name: "image", .. } => self.image = None,
            Tag::End { name: "mask" | "polygon", .. } => return self.end_shape(),
            Tag::End { name: "attribute", text } => {
                if let Some(shape) = &mut self.shape {
                    match shape.attribute.take().as_deref() {
                        // Masks made in CVAT have the attribute's default.
                        Some("track_id") => shape.track = text.parse().ok().filter(|track| *track != NO_TRACK),
                        Some("name") => shape.name = Some(text.to_owned()).filter(|name| !name.is_empty()),
                        _ => {}
                    }
                }
            }
            Tag::End { .. } => {}
        }
        Ok(())
    }

    fn begin(&mut self, tag: &Attributes<'_>) -> Result<(), FormatError> {
        match (tag.name, &self.image) {
            ("image", _) => self.image = self.begin_image(tag)?,
            ("mask" | "polygon", Some((_, place))) => {
                let mask = match tag.name {
                    "mask" => cvat_rle::read(tag, place.size),
                    _ => read_polygon(tag, place.size),
                };
                let class = tag.get("label");
                self.shape = Some(Shape { mask, class, track: None, name: None, attribute: None });
            }
            ("attribute", Some(_)) => {
                if let Some(shape) = &mut self.shape {
                    shape.attribute = tag.get("name");
                }
            }
            (other @ ("box" | "polyline" | "points" | "ellipse" | "cuboid" | "skeleton" | "tag"), Some(_)) => {
                *self.other_shapes.entry(other.to_owned()).or_insert(0) += 1;
            }
            _ => {}
        }
        Ok(())
    }

    /// `None` for an image that is not read.
    fn begin_image(&mut self, tag: &Attributes<'_>) -> Result<Option<(String, Place)>, FormatError> {
        self.untracked = 0;
        let Some(name) = tag.get("name") else {
            self.sink.fault("an image", "it has no name");
            return Ok(None);
        };
        if !self.wanted.hold(self.sink, &name, None) {
            return Ok(None);
        }
        let Some(place) = self.sink.locate(&FrameRef::file("", files::stem_of_text(&name)))? else { return Ok(None) };
        if let (Some(width), Some(height)) = (tag.number("width"), tag.number("height"))
            && (FrameSize { width, height }) != place.size
        {
            self.sink.fault(&name, &format!("it is {width}x{height}, the clip's frames are {}", place.size));
            return Ok(None);
        }
        Ok(Some((name, place)))
    }

    fn end_shape(&mut self) -> Result<(), FormatError> {
        let (Some(shape), Some((image, place))) = (self.shape.take(), &self.image) else { return Ok(()) };
        match shape.mask {
            Ok(mask) => {
                let key = shape.track.map_or_else(
                    || {
                        self.untracked += 1;
                        ObjectKey::Ordinal(self.untracked - 1)
                    },
                    // Relabelling one mask of a track in CVAT makes it another object.
                    ObjectKey::TrackOfClass,
                );
                let object = ObjectRef { key, name: shape.name, class: shape.class };
                self.sink.mask(*place, &object, mask)
            }
            Err(cause) => {
                self.sink.fault(&format!("{image}, {:?}", shape.class.unwrap_or_default()), &cause);
                Ok(())
            }
        }
    }
}

/// `x,y;x,y;…`
fn read_polygon(tag: &Attributes<'_>, size: FrameSize) -> Result<Mask, String> {
    let text = tag.get("points").ok_or("it has no points")?;
    let corner = |pair: &str| {
        let (x, y) = pair.split_once(',')?;
        Some((x.trim().parse().ok()?, y.trim().parse().ok()?))
    };
    let ring: Option<Vec<(f64, f64)>> = text.split(';').map(corner).collect();
    polygon_fill::fill(size, &[ring.ok_or("a point is not two numbers")?])
}
