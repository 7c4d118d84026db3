//! A folder of pictures in name order, as the reference reads one; for `parity`, where frames must be exactly these
//! bytes. Everything else opens clips through `crate::video`.

use std::path::{Path, PathBuf};

use anyhow::{Context, ensure};

use crate::label::{FrameIdx, FrameSize};
use crate::sam2::image::RgbFrame;
use crate::sam2::predictor::FrameSource;

/// The pictures of a folder.
pub struct PictureFolder {
    paths: Vec<PathBuf>,
    size: FrameSize,
}

impl PictureFolder {
    /// Lists the folder's pictures and measures the first.
    pub fn open(folder: &Path) -> anyhow::Result<Self> {
        let entries =
            std::fs::read_dir(folder).with_context(|| format!("{}: the folder cannot be read", folder.display()))?;
        let mut paths: Vec<PathBuf> = entries
            .map(|entry| entry.map(|entry| entry.path()))
            .collect::<Result<_, _>>()
            .with_context(|| format!("{}: the folder cannot be read", folder.display()))?;
        paths.retain(|path| {
            let extension = path.extension().map(|e| e.to_string_lossy().to_lowercase());
            matches!(extension.as_deref(), Some("png" | "jpg" | "jpeg"))
        });
        paths.sort();
        ensure!(!paths.is_empty(), "{}: no PNG or JPEG in this folder", folder.display());
        let (width, height) =
            image::image_dimensions(&paths[0]).with_context(|| format!("{}: not a picture", paths[0].display()))?;
        Ok(PictureFolder { paths, size: FrameSize { width, height } })
    }

    /// Number of pictures.
    pub fn len(&self) -> usize {
        self.paths.len()
    }

    /// Size of the first picture.
    pub fn size(&self) -> FrameSize {
        self.size
    }
}

impl FrameSource for PictureFolder {
    fn frame(&mut self, frame: FrameIdx) -> Result<RgbFrame, String> {
        let path = self.paths.get(frame.as_usize()).ok_or("the folder has fewer pictures")?;
        let picture = image::open(path).map_err(|e| format!("{}: {e}", path.display()))?.into_rgb8();
        let size = FrameSize { width: picture.width(), height: picture.height() };
        Ok(RgbFrame { size, pixels: picture.into_raw() })
    }
}
