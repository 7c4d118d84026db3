//! One black-and-white PNG per frame and object, for everything that reads pictures; objects may overlap.
//!
//! ```text
//! masks/CLIP/OBJECT/00000.png   8-bit grey, 0 and 255
//! images/CLIP/00000.png         where pictures are wanted
//! ```
//!
//! Every object has a file on every exported frame; where it is not in the frame the picture is black.

use std::path::{Path, PathBuf};

use super::output::Output;
use super::palette_png::{read_values, write_binary};
use super::reading::{FrameRef, ObjectKey, ObjectRef, Sink};
use super::resolved::Dataset;
use super::{FormatError, FormatId, files};
use crate::label::Mask;

/// Writes the dataset.
pub(super) fn write(dataset: &Dataset<'_>, output: &mut Output<'_>) -> Result<(), FormatError> {
    for clip in &dataset.clips {
        for frame in &clip.frames {
            for object in &clip.objects {
                let mask = clip.mask(object, frame.idx)?.unwrap_or_else(|| Mask::empty(clip.size()));
                let path = output.path(&format!("masks/{}/{}/{}.png", clip.name, object.file_name, frame.name))?;
                write_binary(&path, &mask)?;
                output.masks += u64::from(!mask.is_empty());
            }
            output.image(clip, frame, &format!("images/{}/{}", clip.name, frame.name))?;
            output.frame_done()?;
        }
    }
    Ok(())
}

/// Reads a dataset, its `masks` folder, or one clip's folder of objects.
pub(super) fn read(path: &Path, sink: &mut dyn Sink) -> Result<(), FormatError> {
    let clips = clip_folders(path)?;
    if clips.is_empty() {
        let cause = "it holds no folder with a folder of PNGs per object".to_owned();
        return Err(FormatError::Dataset { path: path.to_owned(), format: FormatId::Png, cause });
    }
    let names: Vec<String> = clips.iter().map(|folder| files::name_of(folder)).collect();
    for chosen in sink.choose_sequences(&names)? {
        for object_folder in files::folders_in(&clips[chosen])? {
            read_object(&names[chosen], &object_folder, ObjectKey::Name(files::name_of(&object_folder)), sink)?;
        }
    }
    Ok(())
}

/// Reads one object's folder of PNGs.
pub(super) fn read_object(
    sequence: &str,
    folder: &Path,
    key: ObjectKey,
    sink: &mut dyn Sink,
) -> Result<(), FormatError> {
    let object = ObjectRef { key, name: None, class: None };
    for file in files::with_ending(folder, &["png"])? {
        let name = files::stem_of(&file);
        let Some(place) = sink.locate(&FrameRef::file(sequence, &name))? else { continue };
        match read_values(&file, place.size) {
            Ok(values) => sink.mask(place, &object, Mask::from_fn(place.size, |i| values[i] != 0))?,
            Err(cause) => sink.fault(&format!("{}/{name}.png", files::name_of(folder)), &cause),
        }
    }
    Ok(())
}

/// The folders that hold a folder of PNGs per object.
fn clip_folders(path: &Path) -> Result<Vec<PathBuf>, FormatError> {
    let masks = path.join("masks");
    let start = if masks.is_dir() { masks.as_path() } else { path };
    let object_folders = files::folders_with(start, "png", 2)?;
    let mut clips: Vec<PathBuf> = Vec::new();
    for folder in object_folders {
        let clip = folder.parent().filter(|_| folder != start);
        if let Some(clip) = clip.filter(|clip| clips.last().map(PathBuf::as_path) != Some(*clip)) {
            clips.push(clip.to_owned());
        }
    }
    Ok(clips)
}

/// Whether a folder looks like a dataset of this kind.
pub(super) fn is_likely(path: &Path) -> bool {
    path.join("masks").is_dir() && clip_folders(path).is_ok_and(|clips| !clips.is_empty())
}
