//! The clip that comes after this one in its folder.

use std::path::{Path, PathBuf};

/// Endings of files that are taken for clips when going from one to the next.
const VIDEO_ENDINGS: [&str; 12] = ["mp4", "mov", "m4v", "mkv", "webm", "avi", "mpg", "mpeg", "ts", "mts", "ogv", "gif"];

/// The next video file beside a video, or the next folder beside a folder, by name as people sort it.
pub(super) fn next_clip(clip: &Path) -> Option<PathBuf> {
    let is_folder = clip.is_dir();
    let parent = clip.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let entries = std::fs::read_dir(parent).ok()?;
    let is_alike = |path: &Path| {
        let is_hidden = path.file_name().is_some_and(|name| name.to_string_lossy().starts_with('.'));
        let ending = path.extension().map(|ending| ending.to_string_lossy().to_lowercase());
        let is_clip = if is_folder {
            path.is_dir() && !path.file_name().is_some_and(|name| name.to_string_lossy().ends_with("_masks"))
        } else {
            ending.is_some_and(|ending| VIDEO_ENDINGS.contains(&ending.as_str()))
        };
        is_clip && !is_hidden
    };
    let mut names: Vec<PathBuf> =
        entries.filter_map(|entry| Some(entry.ok()?.path())).filter(|p| is_alike(p)).collect();
    names.sort_by(|a, b| crate::video::natural_order(&name(a), &name(b)));
    let own = name(clip);
    names.into_iter().find(|path| crate::video::natural_order(&name(path), &own).is_gt())
}

fn name(path: &Path) -> String {
    path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clips_follow_each_other_as_people_sort_them() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        for name in ["clip10.mp4", "clip2.mp4", "clip1.mp4", "notes.txt", ".clip3.mp4"] {
            std::fs::write(folder.path().join(name), "").expect("a file");
        }
        let at = |name: &str| folder.path().join(name);
        assert_eq!(next_clip(&at("clip1.mp4")), Some(at("clip2.mp4")));
        assert_eq!(next_clip(&at("clip2.mp4")), Some(at("clip10.mp4")));
        assert_eq!(next_clip(&at("clip10.mp4")), None);
    }
}
