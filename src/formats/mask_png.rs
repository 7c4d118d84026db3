//! Reads a mask painted in another program, as PNG.
//!
//! For `--mask FRAME:OBJECT:FILE.png`. A pixel belongs to the object when it is neither black nor fully transparent;
//! palette pictures are judged by their colours, so index 0 must be black, as in DAVIS.

use std::fs::File;
use std::io::BufReader;
use std::path::Path;

use image::codecs::png::PngDecoder;
use image::{ImageDecoder, ImageError, Limits};

use super::FormatError;
use crate::label::{FrameSize, Mask};

/// Reads a mask that must have the size of the clip's frames.
///
/// # Errors
/// When the file cannot be read, is not a PNG, is cut short, or has another size.
pub fn read_mask(path: &Path, expected: FrameSize) -> Result<Mask, FormatError> {
    let fault = |e: ImageError| match e {
        ImageError::IoError(source) if source.kind() != std::io::ErrorKind::UnexpectedEof => {
            FormatError::Read { path: path.to_path_buf(), source }
        }
        other => FormatError::Png { path: path.to_path_buf(), cause: other.to_string() },
    };
    let file = File::open(path).map_err(|source| FormatError::Read { path: path.to_path_buf(), source })?;
    // The decoder may take what 16-bit RGBA of the right size takes, twice over; a bomb of another size stops earlier.
    let mut limits = Limits::default();
    limits.max_alloc = Some((expected.area() as u64 * 16).max(1 << 20));
    let decoder = PngDecoder::with_limits(BufReader::new(file), limits).map_err(fault)?;
    let (width, height) = decoder.dimensions();
    if (width, height) != (expected.width, expected.height) {
        let found = format!("{width}x{height}");
        return Err(FormatError::WrongSize { path: path.to_path_buf(), found, expected });
    }
    let color = decoder.color_type();
    let channels = usize::from(color.channel_count());
    let pixel_bytes = usize::from(color.bytes_per_pixel());
    let channel_bytes = pixel_bytes / channels;
    let color_bytes = if color.has_alpha() { pixel_bytes - channel_bytes } else { pixel_bytes };
    let mut bytes = vec![0; expected.area() * pixel_bytes];
    decoder.read_image(&mut bytes).map_err(fault)?;
    let is_object = |i: usize| {
        let (colors, alpha) = bytes[i * pixel_bytes..(i + 1) * pixel_bytes].split_at(color_bytes);
        colors.iter().any(|&byte| byte != 0) && (alpha.is_empty() || alpha.iter().any(|&byte| byte != 0))
    };
    Ok(Mask::from_fn(expected, is_object))
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;
    use image::{ExtendedColorType, ImageEncoder, codecs::png::PngEncoder};

    const SIZE: FrameSize = FrameSize { width: 2, height: 2 };

    fn png(width: u32, height: u32, color: ExtendedColorType, pixels: &[u8]) -> Vec<u8> {
        let mut bytes = Cursor::new(Vec::new());
        PngEncoder::new(&mut bytes).write_image(pixels, width, height, color).expect("encoding in memory");
        bytes.into_inner()
    }

    fn read(content: &[u8]) -> Result<Mask, FormatError> {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("mask.png");
        std::fs::write(&path, content).expect("writable");
        read_mask(&path, SIZE)
    }

    #[test]
    fn pixels_that_are_not_black_are_the_object() {
        let cases: [(&str, ExtendedColorType, Vec<u8>); 5] = [
            ("grey", ExtendedColorType::L8, vec![0, 1, 0, 255]),
            ("grey, 16 bits, low byte", ExtendedColorType::L16, vec![0, 0, 0, 1, 0, 0, 1, 0]),
            ("colour", ExtendedColorType::Rgb8, vec![0, 0, 0, 0, 0, 9, 0, 0, 0, 128, 0, 0]),
            ("opaque background", ExtendedColorType::La8, vec![0, 255, 255, 255, 0, 255, 9, 9]),
            ("transparent colour", ExtendedColorType::Rgba8, vec![9, 9, 9, 0, 9, 9, 9, 1, 0, 0, 0, 9, 1, 0, 0, 255]),
        ];
        for (name, color, pixels) in cases {
            assert_eq!(read(&png(2, 2, color, &pixels)).expect(name).to_pixels(), [0, 1, 0, 1], "{name}");
        }
    }

    #[test]
    fn unusable_files_say_why() {
        let whole = png(2, 2, ExtendedColorType::L8, &[0, 1, 0, 1]);
        let cases = [
            ("PNG", b"not a picture".to_vec()),
            ("PNG", whole[..whole.len() - 20].to_vec()),
            ("3x1", png(3, 1, ExtendedColorType::L8, &[0, 0, 0])),
            ("4000x4000", png(4000, 4000, ExtendedColorType::L8, &vec![0; 16_000_000])),
        ];
        for (part, content) in cases {
            let message = read(&content).expect_err(part).to_string();
            assert!(message.contains(part) && message.contains("mask.png"), "{part} is not in: {message}");
        }
    }
}
