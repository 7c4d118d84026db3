//! Guesses the format of a dataset from what lies in it.

use std::path::Path;

use super::{
    FormatId, binary_png, coco, cvat_images, datumaro, davis, files, json_stream, labelme, labelstudio, mots,
    npy_frames, npy_stack, sav, yolo, ytvis,
};

/// JSON files of one folder that are looked into: they are all of one kind.
const MAX_LOOKED_INTO: usize = 5;

/// The format of the dataset at `path`, a folder or one of its files; `None` when none fits. Only the contents that
/// tell formats apart are looked at.
pub fn detect(path: &Path) -> Option<FormatId> {
    if path.is_dir() { detect_folder(path) } else { detect_file(path) }
}

fn detect_file(path: &Path) -> Option<FormatId> {
    let ending = path.extension()?.to_ascii_lowercase();
    match ending.to_str()? {
        "json" => detect_json(path),
        "xml" => cvat_images::is_likely(path).then_some(FormatId::CvatImages),
        "npy" => npy_stack::is_likely(path).then_some(FormatId::NpyStack),
        _ => None,
    }
}

/// Says whether a JSON object with these keys is of a format.
type IsLikelyKeys = fn(&[String]) -> bool;
/// Says whether a folder holds a format.
type IsLikelyFolder = fn(&Path) -> bool;

fn detect_json(path: &Path) -> Option<FormatId> {
    if labelstudio::is_likely(path) {
        return Some(FormatId::LabelStudio);
    }
    let kinds: [(FormatId, IsLikelyKeys); 5] = [
        (FormatId::Coco, coco::is_likely),
        (FormatId::YtVis, ytvis::is_likely),
        (FormatId::Datumaro, datumaro::is_likely),
        (FormatId::Labelme, labelme::is_likely),
        (FormatId::Sav, sav::is_likely_json),
    ];
    let mut found = None;
    json_stream::has_keys(path, &mut |keys| {
        found = kinds.iter().find(|(_, is_likely)| is_likely(keys)).map(|(format, _)| *format);
        // A COCO file of videos has `videos` too, and `images` may come last.
        found.is_some_and(|format| format != FormatId::YtVis)
    });
    found
}

fn detect_folder(path: &Path) -> Option<FormatId> {
    let kinds: [(FormatId, IsLikelyFolder); 8] = [
        (FormatId::Davis, davis::is_likely),
        (FormatId::Sav, sav::is_likely),
        (FormatId::CvatImages, cvat_images::is_likely),
        (FormatId::Mots, mots::is_likely),
        (FormatId::Yolo, yolo::is_likely),
        (FormatId::Png, binary_png::is_likely),
        (FormatId::Npy, npy_frames::is_likely),
        (FormatId::NpyStack, npy_stack::is_likely),
    ];
    let by_folders = kinds.into_iter().find(|(_, is_likely)| is_likely(path)).map(|(format, _)| format);
    by_folders.or_else(|| {
        [path.join("annotations"), path.to_owned()].iter().find_map(|folder| {
            let mut found = files::with_ending(folder, &["json"]).ok()?;
            found.retain(|file| !files::is_own_note(file));
            found.iter().take(MAX_LOOKED_INTO).find_map(|file| detect_json(file))
        })
    })
}
