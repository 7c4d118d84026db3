//! Which clip this is, whatever its name or folder.
//!
//! Used to find a project again for a moved video and to refuse resuming a run on another one. Reads the first and last
//! mebibyte only, so it is instant on any file.

use std::fmt;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

const CHUNK_BYTES: u64 = 1 << 20;
const IMAGE_CHUNK_BYTES: u64 = 4096;

/// SHA-256, in hex, over a file's length, head and tail; of a folder, over every image's name, length and head.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ClipIdentity(String);

impl ClipIdentity {
    /// Identity of a single file.
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
    pub fn of_images(paths: &[PathBuf]) -> io::Result<Self> {
        let mut hasher = Sha256::new();
        let mut chunk = Vec::new();
        for path in paths {
            let file = File::open(path)?;
            let name = path.file_name().map(|name| name.as_encoded_bytes().to_vec()).unwrap_or_default();
            hasher.update((name.len() as u64).to_le_bytes());
            hasher.update(&name);
            hasher.update(file.metadata()?.len().to_le_bytes());
            chunk.clear();
            file.take(IMAGE_CHUNK_BYTES).read_to_end(&mut chunk)?;
            hasher.update(&chunk);
        }
        Ok(Self::from_hasher(hasher))
    }

    /// Identity of bytes in memory, for tests.
    pub fn of_bytes(bytes: &[u8]) -> Self {
        let mut hasher = Sha256::new();
        hasher.update(bytes);
        Self::from_hasher(hasher)
    }

    /// The hash in hex.
    pub fn as_hex(&self) -> &str {
        &self.0
    }

    fn from_hasher(hasher: Sha256) -> Self {
        ClipIdentity(hasher.finalize().iter().map(|byte| format!("{byte:02x}")).collect())
    }
}

impl fmt::Display for ClipIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
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
}
