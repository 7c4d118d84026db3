//! What a clip is called where files and folders are named after it.

use std::ffi::{OsStr, OsString};
use std::path::Path;

/// A clip's own name: its file's without the ending, or the whole name of its folder, where a full stop ends nothing.
/// `clip` where the path has none.
pub fn clip_name(clip: &Path) -> &OsStr {
    let name = if clip.is_dir() { clip.file_name() } else { clip.file_stem() };
    name.unwrap_or(OsStr::new("clip"))
}

/// The same, with the number of the video stream where one was chosen: what is made from another stream has another name.
pub fn name_with_stream(clip: &Path, stream: Option<u32>) -> OsString {
    let mut name = clip_name(clip).to_owned();
    if let Some(stream) = stream {
        name.push(format!("_stream{stream}"));
    }
    name
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_files_have_endings() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let frames = folder.path().join("day.1");
        std::fs::create_dir(&frames).expect("writable");
        assert_eq!(clip_name(&frames), "day.1");
        assert_eq!(clip_name(&folder.path().join("day.1.mp4")), "day.1");
        assert_eq!(clip_name(Path::new("/")), "clip");
    }

    #[test]
    fn a_stream_that_was_chosen_is_told() {
        let clip = Path::new("a.mp4");
        assert_eq!([None, Some(2)].map(|stream| name_with_stream(clip, stream)), ["a", "a_stream2"]);
    }
}
