//! Which clip this is, whatever its name or folder.
//!
//! Used to find a project again for a moved video and to refuse resuming a run on another one. Reads the first and last
//! mebibyte only, so it is instant on any file. Of images it reads the head, where compression lets every pixel of the
//! picture tell on the length of the file; of those that are not compressed two places further on as well.

use std::fmt;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::label::{STREAM_MARK, chosen_stream};

const CHUNK_BYTES: u64 = 1 << 20;
const IMAGE_CHUNK_BYTES: u64 = 4096;

/// Images whose files are as long whatever they show.
const UNCOMPRESSED: [&str; 3] = ["bmp", "tif", "tiff"];

/// SHA-256, in hex, over a file's length, head and tail; of a folder, over every image's name, length and head, and of
/// an image that is not compressed, over what lies at a third and at two thirds of it.
///
/// A file with several video streams is several clips. The one it shows by itself has the identity of the file; another
/// one has a hash of its own, with its number behind it: `HASH:1`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ClipIdentity(String);

impl ClipIdentity {
    /// Identity of a single file.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn of_file(path: &Path) -> io::Result<Self> {
        let mut file = File::open(path)?;
        let length = file.metadata()?.len();
        let mut hasher = Sha256::new();
        hasher.update(length.to_le_bytes());
        let mut chunk = Vec::new();
        file.by_ref().take(CHUNK_BYTES).read_to_end(&mut chunk)?;
        if length > CHUNK_BYTES {
            file.seek(SeekFrom::Start(CHUNK_BYTES.max(length - CHUNK_BYTES)))?;
            file.take(CHUNK_BYTES).read_to_end(&mut chunk)?;
        }
        hasher.update(&chunk);
        Ok(Self::from_hasher(hasher))
    }

    /// Identity of a folder of images, given in clip order.
    ///
    /// # Errors
    /// When one of them cannot be read.
    pub fn of_images(paths: &[PathBuf]) -> io::Result<Self> {
        let mut hasher = Sha256::new();
        let mut chunk = Vec::new();
        for path in paths {
            let mut file = File::open(path)?;
            let name = path.file_name().map(|name| name.as_encoded_bytes().to_vec()).unwrap_or_default();
            hasher.update((name.len() as u64).to_le_bytes());
            hasher.update(&name);
            let length = file.metadata()?.len();
            hasher.update(length.to_le_bytes());
            let is_uncompressed = path
                .extension()
                .is_some_and(|extension| UNCOMPRESSED.iter().any(|known| extension.eq_ignore_ascii_case(known)));
            let places: &[u64] = if is_uncompressed { &[0, length / 3, length / 3 * 2] } else { &[0] };
            for place in places {
                chunk.clear();
                file.seek(SeekFrom::Start(*place))?;
                file.by_ref().take(IMAGE_CHUNK_BYTES).read_to_end(&mut chunk)?;
                hasher.update(&chunk);
            }
        }
        Ok(Self::from_hasher(hasher))
    }

    /// Identity of another stream of this file than the one it shows by itself.
    #[cfg_attr(not(feature = "video"), allow(dead_code, reason = "images have no streams"))]
    pub(super) fn of_stream(&self, stream: u32) -> Self {
        let mut hasher = Sha256::new();
        hasher.update(self.0.as_bytes());
        hasher.update(stream.to_le_bytes());
        let ClipIdentity(hash) = Self::from_hasher(hasher);
        ClipIdentity(format!("{hash}{STREAM_MARK}{stream}"))
    }

    /// Identity of bytes in memory, for tests.
    pub fn of_bytes(bytes: &[u8]) -> Self {
        let mut hasher = Sha256::new();
        hasher.update(bytes);
        Self::from_hasher(hasher)
    }

    /// As it is written down.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The stream that was chosen, as the container counts; `None` where it is the one the file shows by itself.
    pub fn chosen_stream(&self) -> Option<u32> {
        chosen_stream(&self.0)
    }

    fn from_hasher(hasher: Sha256) -> Self {
        ClipIdentity(crate::label::hex(hasher.finalize()))
    }
}

impl fmt::Display for ClipIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn identity_follows_content_not_name() {
        let folder = tempfile::tempdir().expect("a temp folder can be made");
        let write = |name: &str, bytes: &[u8]| {
            let path = folder.path().join(name);
            std::fs::write(&path, bytes).expect("the temp folder is writable");
            ClipIdentity::of_file(&path).expect("the file was just written")
        };
        let mut long = vec![7u8; 3 << 20];
        let original = write("a", &long);
        assert_eq!(original, write("b", &long));
        *long.last_mut().expect("not empty") = 8;
        assert_ne!(original, write("c", &long), "the tail counts");
        assert_ne!(write("d", b"x"), write("e", b"xx"), "the length counts");
    }

    #[test]
    fn streams_of_one_file_are_told_apart() {
        let file = ClipIdentity::of_bytes(b"x");
        let (first, second) = (file.of_stream(1), file.of_stream(12));
        assert_eq!([&file, &first, &second].map(ClipIdentity::chosen_stream), [None, Some(1), Some(12)]);
        let heads: BTreeSet<&str> = [&file, &first, &second].map(|identity| &identity.as_str()[..12]).into();
        assert_eq!(heads.len(), 3, "files are named after the beginning");
    }

    #[test]
    fn images_that_are_not_compressed_are_told_apart_by_what_is_in_them() {
        let folder = tempfile::tempdir().expect("a temp folder can be made");
        let identity = |name: &str, changed_at: Option<usize>| {
            let mut bytes = vec![7_u8; 90_000];
            if let Some(at) = changed_at {
                bytes[at] = 8;
            }
            let path = folder.path().join(name);
            std::fs::write(&path, bytes).expect("the temp folder is writable");
            ClipIdentity::of_images(&[path]).expect("the file was just written")
        };
        for name in ["1.bmp", "1.TIF", "1.tiff"] {
            for at in [100, 30_001, 60_001] {
                assert_ne!(identity(name, None), identity(name, Some(at)), "{name} at {at}");
            }
        }
        assert_eq!(identity("1.png", None), identity("1.png", Some(30_001)), "those of other files stay as they were");
        assert_ne!(identity("1.png", None), identity("1.png", Some(100)));
    }
}
