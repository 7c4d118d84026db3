//! PNGs whose pixels are numbers: palette masks (DAVIS, YouTube-VOS), black and white ones, and 16-bit ones (MOTS).
//!
//! Palette masks carry the PASCAL VOC colours, all 256 of them at 8 bits a pixel: fewer colours make PIL write fewer
//! bits and change the numbers. Readers of palette and grey masks alike take the raw numbers.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::BufReader;
use std::path::Path;

use png::{BitDepth, ColorType, Compression, Encoder, Filter, Limits, Transformations};

use super::FormatError;
use super::picture_file::write_buffered;
use crate::label::{FrameSize, Mask, RunBuilder};

/// The colour map of PASCAL VOC: bits 0, 1, 2 of the number go to red, green and blue from the top bit down, then bits
/// 3, 4, 5, then 6 and 7.
pub(super) fn voc_palette() -> Vec<u8> {
    let mut palette = Vec::with_capacity(768);
    for index in 0..=255_u8 {
        for channel in 0..3 {
            let bit = |level: u32| index.checked_shr(3 * level + channel).unwrap_or(0) & 1;
            palette.push(bit(0) << 7 | bit(1) << 6 | bit(2) << 5);
        }
    }
    palette
}

/// Writes numbers up to 255 as an 8-bit palette PNG, row-major.
pub(super) fn write_palette(path: &Path, size: FrameSize, values: &[u8]) -> Result<(), FormatError> {
    write(path, size, ColorType::Indexed, BitDepth::Eight, values)
}

/// Writes a mask as an 8-bit grey PNG of 0 and 255.
pub(super) fn write_binary(path: &Path, mask: &Mask) -> Result<(), FormatError> {
    let mut pixels = vec![0; mask.size().area()];
    for (start, end) in mask.spans() {
        pixels[start..end].fill(255);
    }
    write(path, mask.size(), ColorType::Grayscale, BitDepth::Eight, &pixels)
}

/// Pixels as an 8-bit grey PNG of 0 and 255 in memory; every value but 0 is the object.
pub(super) fn binary_bytes(size: FrameSize, pixels: &[u8]) -> Result<Vec<u8>, png::EncodingError> {
    let mut bytes = Vec::new();
    let pixels: Vec<u8> = pixels.iter().map(|&pixel| if pixel == 0 { 0 } else { 255 }).collect();
    encode(&mut bytes, size, ColorType::Grayscale, BitDepth::Eight, &pixels)?;
    Ok(bytes)
}

/// Writes numbers as a 16-bit grey PNG, row-major.
pub(super) fn write_grey16(path: &Path, size: FrameSize, values: &[u16]) -> Result<(), FormatError> {
    let bytes: Vec<u8> = values.iter().flat_map(|value| value.to_be_bytes()).collect();
    write(path, size, ColorType::Grayscale, BitDepth::Sixteen, &bytes)
}

fn write(path: &Path, size: FrameSize, color: ColorType, depth: BitDepth, bytes: &[u8]) -> Result<(), FormatError> {
    write_buffered(path, |file| Ok(encode(file, size, color, depth, bytes)?)).map_err(FormatError::writing(path))
}

fn encode(
    target: impl std::io::Write,
    size: FrameSize,
    color: ColorType,
    depth: BitDepth,
    bytes: &[u8],
) -> Result<(), png::EncodingError> {
    let mut encoder = Encoder::new(target, size.width, size.height);
    encoder.set_color(color);
    encoder.set_depth(depth);
    encoder.set_compression(Compression::Balanced);
    // Numbers of objects are not brightness: neighbours are equal or unrelated, so nothing is gained by predicting them.
    encoder.set_filter(Filter::NoFilter);
    if color == ColorType::Indexed {
        encoder.set_palette(voc_palette());
    }
    let mut writer = encoder.write_header()?;
    writer.write_image_data(bytes)?;
    writer.finish()
}

/// The numbers of a palette or grey PNG of the expected size, row-major.
///
/// # Errors
/// Says what is wrong with the file.
pub(super) fn read_values(path: &Path, expected: FrameSize) -> Result<Vec<u16>, String> {
    let file = File::open(path).map_err(|e| format!("cannot read it ({e})"))?;
    read_values_from(BufReader::new(file), Some(expected)).map(|(_, values)| values)
}

/// The numbers of a palette or grey PNG, row-major, and its size.
///
/// # Errors
/// When it is no such PNG, has another size than expected, or is larger than any frame.
pub(super) fn read_values_from(
    reader: impl std::io::BufRead + std::io::Seek,
    expected: Option<FrameSize>,
) -> Result<(FrameSize, Vec<u16>), String> {
    // Rows are decoded one after the other; only the palette and texts count towards this.
    let limits = Limits { bytes: 64 << 20 };
    let mut decoder = png::Decoder::new_with_limits(reader, limits);
    decoder.set_transformations(Transformations::IDENTITY);
    let mut reader = decoder.read_info().map_err(|e| format!("not a usable PNG: {e}"))?;
    let info = reader.info();
    let size = FrameSize { width: info.width, height: info.height };
    if let Some(expected) = expected.filter(|expected| *expected != size) {
        return Err(format!("it is {size}, the clip's frames are {expected}"));
    }
    let depth = info.bit_depth;
    if !matches!(info.color_type, ColorType::Indexed | ColorType::Grayscale) {
        return Err(format!(
            "its pixels are colours ({:?}), not numbers of objects; save it with a palette",
            info.color_type
        ));
    }
    let buffer_bytes = reader.output_buffer_size().filter(|bytes| *bytes <= 1 << 30);
    let mut bytes = vec![0; buffer_bytes.ok_or("it is larger than any frame")?];
    reader.next_frame(&mut bytes).map_err(|e| format!("not a usable PNG: {e}"))?;
    let width = size.width as usize;
    let row_bytes = bytes.len() / size.height.max(1) as usize;
    let mut values = Vec::with_capacity(size.area());
    for row in bytes.chunks(row_bytes.max(1)) {
        match depth {
            BitDepth::Sixteen => values.extend(row.chunks_exact(2).map(|pair| u16::from_be_bytes([pair[0], pair[1]]))),
            BitDepth::Eight => values.extend(row.iter().map(|&byte| u16::from(byte))),
            BitDepth::One | BitDepth::Two | BitDepth::Four => {
                let bits = depth as usize;
                let value = |x: usize| row[x * bits / 8] >> (8 - bits - x * bits % 8) & ((1 << bits) - 1) as u8;
                values.extend((0..width).map(|x| u16::from(value(x))));
            }
        }
    }
    if values.len() == size.area() { Ok((size, values)) } else { Err("it has too few pixels".to_owned()) }
}

/// The masks in numbers, row-major: each number but 0 and those `is_ignored` says, ascending.
pub(super) fn masks_in(size: FrameSize, values: &[u16], is_ignored: impl Fn(u16) -> bool) -> Vec<(u16, Mask)> {
    let mut builders: BTreeMap<u16, RunBuilder> = BTreeMap::new();
    let mut at = 0_u64;
    for same in values.chunk_by(|a, b| a == b) {
        let length = same.len() as u64;
        if same[0] != 0 && !is_ignored(same[0]) {
            let builder = builders.entry(same[0]).or_insert_with(|| RunBuilder::new(size));
            builder.background_to(at);
            builder.push(true, length);
        }
        at += length;
    }
    let finish = |(value, mut builder): (u16, RunBuilder)| {
        builder.background_to(size.area() as u64);
        (value, builder.finish().expect("one value per pixel"))
    };
    builders.into_iter().map(finish).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIZE: FrameSize = FrameSize { width: 5, height: 2 };

    #[test]
    #[cfg(target_os = "linux")]
    fn a_disk_that_is_full_at_the_last_byte_is_an_error() {
        assert!(write_binary(Path::new("/dev/full"), &Mask::empty(SIZE)).is_err());
    }

    #[test]
    fn palette_is_pascal_vocs() {
        let palette = voc_palette();
        let colour = |i: usize| [palette[3 * i], palette[3 * i + 1], palette[3 * i + 2]];
        let known = [
            (0, [0, 0, 0]),
            (1, [128, 0, 0]),
            (2, [0, 128, 0]),
            (3, [128, 128, 0]),
            (4, [0, 0, 128]),
            (8, [64, 0, 0]),
            (15, [192, 128, 128]),
            (64, [32, 0, 0]),
            (255, [224, 224, 192]),
        ];
        for (i, expected) in known {
            assert_eq!(colour(i), expected, "{i}");
        }
    }

    #[test]
    fn palette_file_has_8_bits_and_all_colours() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("0.png");
        let values = [0, 1, 2, 254, 255, 0, 0, 3, 3, 1];
        write_palette(&path, SIZE, &values).expect("writable");
        let bytes = std::fs::read(&path).expect("written");
        // Bit depth, colour type, compression, filter, interlace.
        assert_eq!(&bytes[24..29], [8, 3, 0, 0, 0]);
        let at = bytes.windows(4).position(|w| w == b"PLTE").expect("a palette");
        assert_eq!(&bytes[at - 4..at], 768_u32.to_be_bytes());
        assert_eq!(read_values(&path, SIZE).expect("own file"), values.map(u16::from));
    }

    #[test]
    fn numbers_of_every_depth_are_read() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("0.png");
        type Case = (&'static str, BitDepth, ColorType, &'static [u8], [u16; 10]);
        let cases: [Case; 4] = [
            ("1 bit", BitDepth::One, ColorType::Grayscale, &[0b0100_1000, 0b1000_0000], [0, 1, 0, 0, 1, 1, 0, 0, 0, 0]),
            ("2 bits", BitDepth::Two, ColorType::Indexed, &[0x1B, 0x40, 0, 0x80], [0, 1, 2, 3, 1, 0, 0, 0, 0, 2]),
            (
                "4 bits",
                BitDepth::Four,
                ColorType::Indexed,
                &[0x1F, 0, 0x70, 0, 0, 0x10],
                [1, 15, 0, 0, 7, 0, 0, 0, 0, 1],
            ),
            (
                "16 bits",
                BitDepth::Sixteen,
                ColorType::Grayscale,
                &[0, 1, 7, 208, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 255, 255],
                [1, 2000, 0, 0, 0, 0, 0, 0, 0, 65535],
            ),
        ];
        for (name, depth, color, bytes, expected) in cases {
            write(&path, SIZE, color, depth, bytes).expect("writable");
            assert_eq!(read_values(&path, SIZE).expect(name), expected, "{name}");
        }
    }

    #[test]
    fn numbers_become_masks() {
        let values = [0, 7, 7, 9, 255, 7, 0, 0, 9, 9];
        let masks = masks_in(SIZE, &values, |value| value == 255);
        let mask = |wanted: u16| Mask::from_fn(SIZE, |i| values[i] == wanted);
        assert_eq!(masks, [(7, mask(7)), (9, mask(9))]);
    }

    #[test]
    fn unusable_files_say_why() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("0.png");
        write(&path, SIZE, ColorType::Rgb, BitDepth::Eight, &[9; 30]).expect("writable");
        assert!(read_values(&path, SIZE).expect_err("colours").contains("colours"));
        write_palette(&path, SIZE, &[1; 10]).expect("writable");
        assert!(read_values(&path, FrameSize { width: 2, height: 5 }).expect_err("turned").contains("5x2"));
        let whole = std::fs::read(&path).expect("written");
        std::fs::write(&path, &whole[..whole.len() - 20]).expect("writable");
        assert!(read_values(&path, SIZE).is_err());
        std::fs::write(&path, b"no picture").expect("writable");
        assert!(read_values(&path, SIZE).is_err());
        assert!(read_values(&folder.path().join("absent.png"), SIZE).is_err());
    }
}
