//! NumPy masks as a dataset: one array per frame and object, `FRAME_OBJECT.npy`.
//!
//! ```text
//! 0_1.npy                 frame and object id, without padding; of several clips, in a folder per clip
//! images/CLIP/00000.png   where pictures are wanted
//! ```
//!
//! What `label-hub track --out` and the tool before it write: uint8, 0 and 1, [height, width]. An object that was looked
//! for on a frame and is not there has an array of zeros; where nobody looked, or the frame is damaged, there is no file.

use std::path::Path;

use super::npy_header::{self, shape_of};
use super::output::Output;
use super::reading::{FrameRef, ObjectKey, ObjectRef, Sink};
use super::resolved::Dataset;
use super::{FormatError, FormatId, files, npy};

/// Writes the dataset.
pub(super) fn write(dataset: &Dataset<'_>, output: &mut Output<'_>) -> Result<(), FormatError> {
    let mut has_files = false;
    for clip in &dataset.clips {
        let folder = if dataset.clips.len() == 1 { String::new() } else { format!("{}/", clip.name) };
        let header = npy_header::written("|u1", &shape_of(clip.size()));
        for frame in &clip.frames {
            for object in &clip.objects {
                let Some(mask) = clip.mask(object, frame.idx)? else { continue };
                has_files = true;
                let mut file = output.file(&format!("{folder}{}", npy::file_name(frame.idx, object.id, 0)))?;
                file.bytes(&header)?;
                file.bytes(&mask.to_pixels())?;
                file.finish()?;
                output.masks += u64::from(!mask.is_empty());
            }
            output.image(clip, frame, &format!("images/{}/{}", clip.name, frame.name))?;
            output.frame_done()?;
        }
    }
    if has_files { Ok(()) } else { Err(FormatError::NothingToExport) }
}

/// Reads a folder of such files, or of one such folder per clip.
pub(super) fn read(path: &Path, sink: &mut dyn Sink) -> Result<(), FormatError> {
    let clips = files::folders_with(path, "npy", 1)?;
    if clips.is_empty() {
        let cause = "no FRAME_OBJECT.npy is in it; choose the folder that holds them".to_owned();
        return Err(FormatError::Dataset { path: path.to_owned(), format: FormatId::Npy, cause });
    }
    let names: Vec<String> = clips.iter().map(|folder| files::name_of(folder)).collect();
    for chosen in sink.choose_sequences(&names)? {
        for file in files::with_ending(&clips[chosen], &["npy"])? {
            let name = files::stem_of(&file);
            let Some((frame, object)) = npy::frame_and_object(&name) else {
                sink.fault(&format!("{name}.npy"), "its name is not FRAME_OBJECT.npy");
                continue;
            };
            let Some(place) = sink.locate(&FrameRef::number(&names[chosen], frame.0))? else { continue };
            match npy::read_mask(&file, place.size) {
                Ok(mask) => {
                    let object = ObjectRef { key: ObjectKey::Id(object.0), name: None, class: None };
                    sink.mask(place, &object, mask)?;
                }
                Err(error) => sink.fault(&format!("{name}.npy"), &error.to_string()),
            }
        }
    }
    Ok(())
}

/// Whether a folder looks like a dataset of this kind.
pub(super) fn is_likely(path: &Path) -> bool {
    let has_such = |folder: &Path| {
        files::with_ending(folder, &["npy"])
            .is_ok_and(|found| found.iter().take(20).any(|file| npy::frame_and_object(&files::stem_of(file)).is_some()))
    };
    files::folders_with(path, "npy", 1).is_ok_and(|folders| folders.first().is_some_and(|folder| has_such(folder)))
}
