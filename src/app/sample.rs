//! The clip that ships with the program, for trying it. It is written to the data folder, where its project can lie beside
//! it; what was labelled on it before is found again.

use std::path::{Path, PathBuf};

use crate::formats::FormatError;

use super::settings::write_own_file;

/// The clip, see assets/sample.
const CLIP: &[u8] = include_bytes!("../../assets/sample/pond.mp4");
const FOLDER: &str = "sample";
const FILE_NAME: &str = "pond.mp4";

/// What a good first click on it is, in words, and where, in pixels of its first frame.
pub(super) const FIRST_CLICK: (&str, [f32; 2]) = ("Click the duck", [594.0, 150.0]);

/// Puts the sample where it can be opened.
///
/// # Errors
/// When the folder cannot be made or the file not be written.
pub(super) fn put(data_folder: &Path) -> Result<PathBuf, FormatError> {
    let path = data_folder.join(FOLDER).join(FILE_NAME);
    if !std::fs::read(&path).is_ok_and(|bytes| bytes == CLIP) {
        write_own_file(&path, CLIP)?;
    }
    Ok(path)
}

/// Whether a clip is the sample.
pub(super) fn is_sample(clip: &Path) -> bool {
    clip.ends_with(Path::new(FOLDER).join(FILE_NAME))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sample_is_put_once_and_mended() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = put(folder.path()).expect("writable");
        assert!(is_sample(&path) && !is_sample(Path::new("/clips/pond.mp4")));
        assert_eq!(std::fs::read(&path).expect("it is there"), CLIP);
        std::fs::write(&path, b"cut").expect("writable");
        assert_eq!(put(folder.path()).expect("writable"), path);
        assert_eq!(std::fs::read(&path).expect("it is there"), CLIP);
    }
}
