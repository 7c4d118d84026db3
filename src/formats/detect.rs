//! Guesses the format of a dataset from what lies in it.

use std::path::Path;

use super::{FormatId, coco, davis, json_stream};

/// The format of the dataset at `path`, a folder or one of its files; `None` when none fits. Only the contents that
/// tell formats apart are looked at.
pub fn detect(path: &Path) -> Option<FormatId> {
    if path.is_dir() { detect_folder(path) } else { detect_file(path) }
}

fn detect_file(path: &Path) -> Option<FormatId> {
    let ending = path.extension()?.to_ascii_lowercase();
    match ending.to_str()? {
        "json" => detect_json(path),
        _ => None,
    }
}

fn detect_json(path: &Path) -> Option<FormatId> {
    let keys = json_stream::top_level_keys(path)?;
    coco::is_likely(&keys).then_some(FormatId::Coco)
}

fn detect_folder(path: &Path) -> Option<FormatId> {
    if davis::is_likely(path) {
        return Some(FormatId::Davis);
    }
    let folders = [path.to_owned(), path.join("annotations")];
    folders.iter().find_map(|folder| {
        let files = super::files::with_ending(folder, &["json"]).ok()?;
        files.iter().take(20).find_map(|file| detect_json(file))
    })
}
