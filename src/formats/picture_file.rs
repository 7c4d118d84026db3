//! Pictures as files: how they are encoded, for every export and for `label-hub extract`.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;

use image::codecs::jpeg::JpegEncoder;
use image::codecs::png::{CompressionType, FilterType, PngEncoder};
use image::{ExtendedColorType, ImageEncoder, ImageError};

use crate::video::RgbImage;

/// High enough that no edge moves.
const JPEG_QUALITY: u8 = 95;

/// Kind of a picture's file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PictureFile {
    /// Exact.
    Png,
    /// Smaller, slightly changed (quality 95).
    Jpeg,
}

/// Writes a picture.
///
/// # Errors
/// When it cannot be written.
pub fn encode_picture(picture: &RgbImage, kind: PictureFile, file: &mut dyn Write) -> io::Result<()> {
    let (width, height) = (picture.size.width, picture.size.height);
    let written = match kind {
        PictureFile::Png => PngEncoder::new_with_quality(file, CompressionType::Fast, FilterType::Adaptive)
            .write_image(&picture.pixels, width, height, ExtendedColorType::Rgb8),
        PictureFile::Jpeg => JpegEncoder::new_with_quality(file, JPEG_QUALITY).write_image(
            &picture.pixels,
            width,
            height,
            ExtendedColorType::Rgb8,
        ),
    };
    written.map_err(|e| match e {
        ImageError::IoError(e) => e,
        other => io::Error::other(other),
    })
}

/// Makes a file with what `write` puts into it. What is still in the buffer at the end can fail too, when the disk is
/// full; dropping the buffer would not say so.
pub(super) fn write_buffered(path: &Path, write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> io::Result<()> {
    let mut writer = BufWriter::new(File::create(path)?);
    write(&mut writer)?;
    writer.flush()
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;
    use crate::label::FrameSize;

    #[test]
    fn a_disk_that_is_full_at_the_last_byte_is_an_error() {
        let size = FrameSize { width: 2, height: 2 };
        let picture = RgbImage { size, pixels: vec![7; 12] };
        for kind in [PictureFile::Png, PictureFile::Jpeg] {
            let full = write_buffered(Path::new("/dev/full"), |file| encode_picture(&picture, kind, file));
            assert!(full.is_err(), "{kind:?}");
        }
    }
}
