//! The clip that comes after this one in its folder.

use std::path::{Path, PathBuf};

use crate::formats::MANIFEST_NAME;

/// The next video file beside a video, or the next folder beside a folder, by name as people sort it.
pub(super) fn next_clip(clip: &Path) -> Option<PathBuf> {
    let is_folder = clip.is_dir();
    let parent = clip.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let entries = std::fs::read_dir(parent).ok()?;
    let is_alike = |path: &Path| {
        let is_hidden = path.file_name().is_some_and(|name| name.to_string_lossy().starts_with('.'));
        let is_clip = if is_folder {
            // What we wrote ourselves lies beside the clips by default.
            let is_ours = path.join(MANIFEST_NAME).exists()
                || path.file_name().is_some_and(|name| name.to_string_lossy().ends_with("_masks"));
            path.is_dir() && !is_ours
        } else {
            crate::video::is_video_name(path)
        };
        is_clip && !is_hidden
    };
    let mut names: Vec<PathBuf> =
        entries.filter_map(|entry| Some(entry.ok()?.path())).filter(|p| is_alike(p)).collect();
    names.sort_by(|a, b| crate::video::natural_order(&name(a), &name(b)));
    let own = name(clip);
    let mut later = names.into_iter().filter(|path| crate::video::natural_order(&name(path), &own).is_gt());
    later.find(|path| !is_folder || crate::video::holds_images(path))
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
        for name in ["clip10.mp4", "clip2.M2TS", "clip1.mp4", "clip1.notes.txt", ".clip3.mp4"] {
            std::fs::write(folder.path().join(name), "").expect("a file");
        }
        let at = |name: &str| folder.path().join(name);
        assert_eq!(next_clip(&at("clip1.mp4")), Some(at("clip2.M2TS")));
        assert_eq!(next_clip(&at("clip2.M2TS")), Some(at("clip10.mp4")));
        assert_eq!(next_clip(&at("clip10.mp4")), None);
    }

    #[test]
    fn a_folder_of_images_is_followed_by_the_next_one_and_not_by_what_was_exported() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let at = |name: &str| folder.path().join(name);
        for name in ["clip1", "clip1_coco", "clip1_masks", "clip1_notes", "clip2"] {
            std::fs::create_dir(at(name)).expect("a folder");
            std::fs::write(at(name).join(if name == "clip1_notes" { "a.txt" } else { "0.png" }), "").expect("a file");
        }
        std::fs::write(at("clip1_coco").join(MANIFEST_NAME), "{}").expect("a file");
        assert_eq!(next_clip(&at("clip1")), Some(at("clip2")));
    }
}
