//! Folders of images as clips: order, names, rotation, depth, limits and damage. Needs no ffmpeg.

use std::fs;
use std::path::Path;

use image::{DynamicImage, ImageFormat, Rgb, RgbImage};
use label_hub::label::{FrameIdx, FrameSize};
use label_hub::video::{self, Clip, Damage, Notice, VideoError};

fn folder() -> tempfile::TempDir {
    tempfile::tempdir().expect("a temp folder can be made")
}

fn coloured(red: u8) -> RgbImage {
    RgbImage::from_fn(12, 8, |x, y| Rgb([red, x as u8 * 20, y as u8 * 30]))
}

fn save(path: &Path, image: impl Into<DynamicImage>, format: ImageFormat) {
    image.into().save_with_format(path, format).expect("the temp folder is writable");
}

fn open(path: &Path) -> Clip {
    video::open_quietly(path).unwrap_or_else(|error| panic!("{error}"))
}

fn red_of(clip: &Clip, idx: u32) -> u8 {
    clip.reader().expect("a reader").frame(FrameIdx(idx)).expect("the frame").to_rgb().pixel(0, 0)[0]
}

#[test]
fn frames_follow_the_numbers_in_their_names_and_gaps_stay_names() {
    let folder = folder();
    for (name, red) in [("10.png", 10), ("2.PNG", 2), ("1.png", 1), ("\u{e9}t\u{e9} 3.png", 50)] {
        save(&folder.path().join(name), coloured(red), ImageFormat::Png);
    }
    for other in ["._1.png", ".hidden.png", "Thumbs.db", "notes.txt"] {
        fs::write(folder.path().join(other), b"not an image").expect("writable");
    }
    let clip = open(folder.path());
    let names: Vec<_> = (0..4).map(|idx| clip.index().name(FrameIdx(idx)).expect("a name").to_owned()).collect();
    assert_eq!(names, ["1.png", "2.PNG", "10.png", "\u{e9}t\u{e9} 3.png"]);
    assert_eq!([0, 1, 2, 3].map(|idx| red_of(&clip, idx)), [1, 2, 10, 50]);
    assert_eq!(clip.size(), FrameSize { width: 12, height: 8 });
    assert_eq!(clip.notices(), []);
}

#[cfg(unix)]
#[test]
fn links_in_circles_are_ignored() {
    let folder = folder();
    save(&folder.path().join("1.png"), coloured(1), ImageFormat::Png);
    std::os::unix::fs::symlink(folder.path().join("b.png"), folder.path().join("a.png")).expect("links work here");
    std::os::unix::fs::symlink(folder.path().join("a.png"), folder.path().join("b.png")).expect("links work here");
    std::os::unix::fs::symlink(folder.path(), folder.path().join("loop")).expect("links work here");
    assert_eq!(open(folder.path()).frame_count(), 1);
}

#[test]
fn the_first_image_of_another_size_is_named() {
    let folder = folder();
    save(&folder.path().join("1.png"), coloured(1), ImageFormat::Png);
    save(&folder.path().join("2.png"), RgbImage::new(13, 8), ImageFormat::Png);
    save(&folder.path().join("3.png"), RgbImage::new(14, 8), ImageFormat::Png);
    let error = video::open_quietly(folder.path()).expect_err("mixed sizes");
    assert!(matches!(&error, VideoError::MixedSizes { path, .. } if path.ends_with("2.png")), "{error}");
}

#[test]
fn folders_without_images_are_refused() {
    let folder = folder();
    fs::write(folder.path().join("notes.txt"), b"hello").expect("writable");
    let error = video::open_quietly(folder.path()).expect_err("nothing to show");
    assert!(matches!(error, VideoError::EmptyFolder { .. }), "{error}");
}

/// A JPEG with this EXIF orientation.
fn with_orientation(image: &RgbImage, orientation: u8) -> Vec<u8> {
    let mut jpeg = Vec::new();
    image::codecs::jpeg::JpegEncoder::new_with_quality(&mut jpeg, 100).encode_image(image).expect("encodes");
    let mut exif = b"Exif\0\0MM\0\x2a\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0".to_vec();
    exif.extend_from_slice(&[orientation, 0, 0, 0, 0, 0, 0]);
    let mut segment = vec![0xff, 0xe1, 0, exif.len() as u8 + 2];
    segment.extend_from_slice(&exif);
    jpeg.splice(2..2, segment);
    jpeg
}

#[test]
fn exif_orientation_turns_the_picture_once() {
    let mut image = RgbImage::new(24, 16);
    for y in 0..8 {
        for x in 0..8 {
            image.put_pixel(x, y, Rgb([255, 255, 255]));
        }
    }
    // Where the white corner ends up: (right, bottom).
    let corners = [
        (false, false),
        (true, false),
        (true, true),
        (false, true),
        (false, false),
        (true, false),
        (true, true),
        (false, true),
    ];
    for (orientation, (is_right, is_bottom)) in (1..=8).zip(corners) {
        let folder = folder();
        fs::write(folder.path().join("1.JPG"), with_orientation(&image, orientation)).expect("writable");
        let clip = open(folder.path());
        let size =
            if orientation > 4 { FrameSize { width: 16, height: 24 } } else { FrameSize { width: 24, height: 16 } };
        assert_eq!(clip.size(), size, "orientation {orientation}");
        let rgb = clip.reader().expect("a reader").frame(FrameIdx(0)).expect("the frame").to_rgb();
        let x = if is_right { size.width - 3 } else { 2 };
        let y = if is_bottom { size.height - 3 } else { 2 };
        assert!(rgb.pixel(x, y)[1] > 200, "orientation {orientation}");
        assert!(rgb.pixel(size.width - 1 - x, size.height - 1 - y)[1] < 60, "orientation {orientation}");
    }
}

#[test]
fn sixteen_bit_gray_and_alpha_become_rgb() {
    let folder = folder();
    let deep = image::ImageBuffer::<Rgb<u16>, _>::from_pixel(4, 4, Rgb([0xffff, 0x8080, 0]));
    save(&folder.path().join("1.png"), deep, ImageFormat::Png);
    save(&folder.path().join("2.png"), image::GrayImage::from_pixel(4, 4, image::Luma([90])), ImageFormat::Png);
    save(&folder.path().join("3.png"), image::RgbaImage::from_pixel(4, 4, image::Rgba([1, 2, 3, 0])), ImageFormat::Png);
    let clip = open(folder.path());
    let mut reader = clip.reader().expect("a reader");
    let pixels = [0, 1, 2].map(|idx| reader.frame(FrameIdx(idx)).expect("the frame").to_rgb().pixel(1, 1));
    assert_eq!(pixels, [[255, 128, 0], [90, 90, 90], [1, 2, 3]]);
}

#[test]
fn a_picture_in_print_colours_becomes_rgb() {
    let folder = folder();
    // Cyan 0, magenta and yellow full, black 0; made with Pillow.
    fs::write(folder.path().join("1.jpg"), include_bytes!("data/cmyk_red.jpg")).expect("writable");
    let clip = open(folder.path());
    let frame = clip.reader().expect("a reader").frame(FrameIdx(0)).expect("the frame");
    assert_eq!(frame.damage(), None);
    let red = frame.to_rgb().pixel(3, 3);
    assert!(red[0] > 220 && red[1] < 60 && red[2] < 60, "{red:?}");
}

#[test]
fn a_truncated_image_is_damaged_and_repeats_the_last_good_one() {
    let folder = folder();
    for name in ["1.png", "2.png", "3.png", "4.png"] {
        let red = name.as_bytes()[0];
        save(&folder.path().join(name), coloured(red), ImageFormat::Png);
    }
    let whole = fs::read(folder.path().join("3.png")).expect("just written");
    fs::write(folder.path().join("3.png"), &whole[..60]).expect("writable");
    fs::write(folder.path().join("4.png"), b"").expect("writable");
    let clip = open(folder.path());
    assert_eq!(clip.frame_count(), 4);
    assert!(matches!(clip.notices(), [Notice::UnreadableImages { count: 1, first_name }] if first_name == "4.png"));
    for order in [[0, 1, 2, 3], [3, 2, 1, 0]] {
        let mut reader = clip.reader().expect("a reader");
        for idx in order {
            let frame = reader.frame(FrameIdx(idx)).expect("damaged frames are frames");
            assert_eq!(matches!(frame.damage(), Some(Damage::Unreadable { .. })), idx >= 2, "frame {idx}");
            assert_eq!(frame.to_rgb().pixel(0, 0)[0], if idx == 0 { b'1' } else { b'2' }, "frame {idx}");
        }
    }
}

#[test]
fn a_jpeg_the_decoder_fills_in_is_damaged_and_shown_as_it_came() {
    // Noise fills the file with picture data.
    let noise =
        RgbImage::from_fn(96, 64, |x, y| Rgb([x * x + 7 * y, (31 * x) ^ (y * y), x * y + 3 * x].map(|v| v as u8)));
    let whole = with_orientation(&noise, 1);
    let (middle, end) = (whole.len() / 2, whole.len() - 2);
    let with_middle = |bytes: &[u8]| [&whole[..middle], bytes, &whole[middle + bytes.len()..]].concat();
    let cases: [(&str, Vec<u8>, bool); 12] = [
        ("whole", whole.clone(), true),
        ("with data of the phone behind it", [&whole[..], b"junk \xff\xd8\xff\xd9"].concat(), true),
        ("with fill bytes before its end", [&whole[..end], b"\xff\xff", &whole[end..]].concat(), true),
        ("filled up to a word", [&whole[..end], b"\0\0\0", &whole[end..]].concat(), true),
        ("filled up to a block", [&whole[..end], &[0; 8], &whole[end..]].concat(), true),
        ("filled up with more than zeros", [&whole[..end], &[0x5a; 8], &whole[end..]].concat(), false),
        ("without its end", whole[..end].to_vec(), true),
        ("with zeros for its end", [&whole[..end - 6], &[0; 8]].concat(), false),
        ("cut", whole[..middle].to_vec(), false),
        ("cut and ended", [&whole[..middle], b"\xff\xd9"].concat(), false),
        ("zeroed in the middle", with_middle(&[0; 40]), false),
        ("with something else in the middle", with_middle(&[0x5a; 40]), false),
    ];
    for (what, bytes, is_whole) in cases {
        let folder = folder();
        for (name, bytes) in [("1.jpg", &whole), ("2.jpg", &bytes), ("3.jpg", &whole)] {
            fs::write(folder.path().join(name), bytes).expect("writable");
        }
        let clip = open(folder.path());
        let mut reader = clip.reader().expect("a reader");
        let damage = [0, 1, 2].map(|idx| reader.frame(FrameIdx(idx)).expect("the frame").damage().cloned());
        assert_eq!(damage, [None, (!is_whole).then_some(Damage::Concealed), None], "a JPEG {what}");
        let [first, second] = [0, 1].map(|idx| reader.frame(FrameIdx(idx)).expect("the frame").to_rgb());
        assert_eq!(first.pixel(0, 0), second.pixel(0, 0), "a JPEG {what}");
    }
}

#[test]
fn a_bomb_is_refused_before_it_is_decoded() {
    let cases = [
        (30_000_u32, 30_000_u32, "1.png: the picture size 30000x30000 is beyond the limit of 141557760 pixels"),
        (1 << 31, 1, "1.png: its width or height is beyond the limit of 32768 pixels. Scale"),
        (60_000, 1, "1.png: its width or height is beyond the limit of 32768 pixels. Scale"),
    ];
    for (width, height, words) in cases {
        let folder = folder();
        let path = folder.path().join("1.png");
        save(&path, coloured(1), ImageFormat::Png);
        let mut bytes = fs::read(&path).expect("just written");
        // IHDR's width and height, and its checksum.
        bytes[16..20].copy_from_slice(&width.to_be_bytes());
        bytes[20..24].copy_from_slice(&height.to_be_bytes());
        let checksum = crc32(&bytes[12..29]);
        bytes[29..33].copy_from_slice(&checksum.to_be_bytes());
        fs::write(&path, bytes).expect("writable");
        let error = video::open_quietly(folder.path()).expect_err("too large");
        assert!(matches!(error, VideoError::TooLarge { .. }) && error.to_string().contains(words), "{error}");
    }
}

fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(u32::MAX, |crc, &byte| {
        (0..8).fold(crc ^ u32::from(byte), |crc, _| if crc & 1 == 1 { crc >> 1 ^ 0xedb8_8320 } else { crc >> 1 })
    })
}

#[test]
fn a_single_image_is_a_clip_of_one_frame() {
    let folder = folder();
    let path = folder.path().join("still.bmp");
    save(&path, coloured(9), ImageFormat::Bmp);
    let clip = open(&path);
    assert_eq!((clip.frame_count(), red_of(&clip, 0)), (1, 9));
    let text = folder.path().join("text.png");
    fs::write(&text, b"hello").expect("writable");
    let error = video::open_quietly(&text).expect_err("not an image");
    assert!(matches!(error, VideoError::NotAVideo { .. }), "{error}");
}

#[test]
fn identity_follows_the_images_not_the_folder() {
    let (first, second) = (folder(), folder());
    for folder in [&first, &second] {
        save(&folder.path().join("1.png"), coloured(1), ImageFormat::Png);
    }
    assert_eq!(open(first.path()).identity(), open(second.path()).identity());
    save(&second.path().join("2.png"), coloured(2), ImageFormat::Png);
    assert_ne!(open(first.path()).identity(), open(second.path()).identity());
}

#[test]
fn a_picture_of_several_pages_says_that_the_first_is_used() {
    let folder = folder();
    let path = folder.path().join("1.tif");
    save(&path, coloured(7), ImageFormat::Tiff);
    assert_eq!(open(&path).notices(), []);
    let mut bytes = fs::read(&path).expect("just written");
    assert_eq!(&bytes[..2], b"II", "written with the low byte first");
    // Its description says how many entries of 12 bytes it has, and behind them where the next page's is.
    let start = u32::from_le_bytes(bytes[4..8].try_into().expect("four bytes")) as usize;
    let next = start + 2 + 12 * usize::from(u16::from_le_bytes([bytes[start], bytes[start + 1]]));
    let (page, end) = (bytes[start..next + 4].to_vec(), bytes.len() as u32);
    bytes.extend(page);
    bytes[next..next + 4].copy_from_slice(&end.to_le_bytes());
    fs::write(&path, bytes).expect("writable");
    let clip = open(&path);
    assert_eq!((clip.notices(), red_of(&clip, 0)), (&[Notice::AnimatedImages { count: 1 }][..], 7));
}

#[cfg(not(feature = "video"))]
#[test]
fn without_ffmpeg_a_video_is_answered_with_the_way_out() {
    let folder = folder();
    let path = folder.path().join("clip.mp4");
    fs::write(&path, b"anything").expect("writable");
    let error = video::open_quietly(&path).expect_err("no ffmpeg in this build");
    assert!(matches!(error, VideoError::NotInThisBuild { .. }), "{error}");
}
