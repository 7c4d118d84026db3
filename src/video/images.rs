//! Folders of images as clips, and a single image as a clip of one frame.
//!
//! Works without ffmpeg. Sizes and limits are checked from the headers before a pixel is allocated; names keep their
//! gaps and sort as a person expects. Called by [`open`](super::open) and by [`Reader`](super::Reader).

use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use image::error::LimitErrorKind;
use image::metadata::Orientation;
use image::{DynamicImage, ImageDecoder, ImageReader, Limits};

use super::IndexProgress;
use super::errors::{Notice, VideoError};
use super::frame::{Damage, Frame, Picture, RgbImage};
use super::identity::ClipIdentity;
use super::index::{FrameEntry, FrameIndex, TimeBase};
use super::jpeg;
use super::limits;
use super::natural_order;
use crate::label::{FrameIdx, FrameSize};

/// Images have no clock; they are shown at this rate.
const NOMINAL_TIME_BASE: TimeBase = TimeBase { num: 1, den: 25 };
const EXTENSIONS: [&str; 9] = ["png", "jpg", "jpeg", "jpe", "webp", "bmp", "tif", "tiff", "gif"];
const HEAD_BYTES: u64 = 1024;
const JPEG_START: &[u8] = &[0xff, 0xd8];

/// Whether a path names a still image we read ourselves. A lone GIF is a video: it may be animated.
pub(super) fn is_still_image(path: &Path) -> bool {
    extension_of(path).is_some_and(|extension| extension != "gif" && EXTENSIONS.contains(&extension.as_str()))
}

/// Whether a folder has a picture that would be a frame. False for one that cannot be read.
pub fn holds_images(folder: &Path) -> bool {
    let Ok(mut entries) = fs::read_dir(folder) else { return false };
    entries.any(|entry| entry.is_ok_and(|entry| is_wanted(&entry.path()) && entry.path().is_file()))
}

/// The files of a clip made of images.
#[derive(Debug)]
pub(super) struct ImageList {
    files: Vec<PathBuf>,
}

/// What opening a folder or image finds.
pub(super) struct OpenedImages {
    pub list: ImageList,
    pub size: FrameSize,
    pub index: FrameIndex,
    pub notices: Vec<Notice>,
    pub format: String,
}

/// Opens a folder: every image in it is a frame, in natural order of the names.
pub(super) fn open_folder(
    folder: &Path,
    progress: &mut dyn FnMut(IndexProgress) -> ControlFlow<()>,
) -> Result<OpenedImages, VideoError> {
    let io_error = |source| VideoError::Io { path: folder.to_owned(), source };
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).map_err(io_error)? {
        let path = entry.map_err(io_error)?.path();
        // `is_file` follows links; a link that leads in circles or nowhere is simply not a file.
        if is_wanted(&path) && path.is_file() {
            files.push(path);
        }
        if files.len() > limits::MAX_IMAGES {
            return Err(VideoError::TooLarge {
                path: folder.to_owned(),
                what: "the number of images".to_owned(),
                limit: limits::MAX_IMAGES.to_string(),
            });
        }
    }
    if files.is_empty() {
        return Err(VideoError::EmptyFolder { path: folder.to_owned() });
    }
    files.sort_by_cached_key(|path| NaturalName(name_of(path)));
    open_list(folder, files, progress)
}

/// Opens one image as a clip of one frame.
pub(super) fn open_single(
    path: &Path,
    progress: &mut dyn FnMut(IndexProgress) -> ControlFlow<()>,
) -> Result<OpenedImages, VideoError> {
    File::open(path).map_err(|source| VideoError::Io { path: path.to_owned(), source })?;
    open_list(path, vec![path.to_owned()], progress)
}

fn open_list(
    whole: &Path,
    files: Vec<PathBuf>,
    progress: &mut dyn FnMut(IndexProgress) -> ControlFlow<()>,
) -> Result<OpenedImages, VideoError> {
    let mut first: Option<(String, FrameSize)> = None;
    let (mut unreadable, mut first_unreadable, mut animated) = (0, None, 0);
    for (position, path) in files.iter().enumerate() {
        match header_of(path)? {
            Ok(header) => {
                animated += u32::from(header.is_animated);
                match &first {
                    None => first = Some((name_of(path), header.size)),
                    Some((_, expected)) if *expected == header.size => {}
                    Some((first_name, expected)) => {
                        return Err(VideoError::MixedSizes {
                            path: path.clone(),
                            found: header.size,
                            first_name: first_name.clone(),
                            expected: *expected,
                        });
                    }
                }
            }
            Err(detail) => {
                unreadable += 1;
                first_unreadable.get_or_insert((name_of(path), detail));
            }
        }
        let fraction = Some((position + 1) as f32 / files.len() as f32);
        let frames_seen = u32::try_from(position + 1).expect("limited to five million");
        if progress(IndexProgress { frames_seen, fraction }).is_break() {
            return Err(VideoError::Cancelled { path: whole.to_owned() });
        }
    }
    let Some((_, size)) = first else {
        return Err(match first_unreadable {
            Some((_, detail)) if files.len() == 1 => VideoError::NotAVideo { path: whole.to_owned(), detail },
            _ => VideoError::NoFrames { path: whole.to_owned() },
        });
    };
    let mut notices = Vec::new();
    if let Some((first_name, _)) = first_unreadable {
        notices.push(Notice::UnreadableImages { count: unreadable, first_name });
    }
    if animated > 0 {
        notices.push(Notice::AnimatedImages { count: animated });
    }
    let identity =
        ClipIdentity::of_images(&files).map_err(|source| VideoError::Io { path: whole.to_owned(), source })?;
    let frames = (0..files.len()).map(|rank| FrameEntry { pts: rank as i64, is_key: true }).collect();
    let names = files.iter().map(|path| name_of(path)).collect();
    let index = FrameIndex::new(NOMINAL_TIME_BASE, frames, 1, names, identity);
    let format = extension_of(&files[0]).unwrap_or_default();
    Ok(OpenedImages { list: ImageList { files }, size, index, notices, format })
}

/// Decodes the images of a list, one at a time.
pub(super) struct ImageFrames {
    size: FrameSize,
    last_good: Option<(FrameIdx, Arc<Picture>)>,
}

impl ImageFrames {
    pub fn new(size: FrameSize) -> Self {
        ImageFrames { size, last_good: None }
    }

    /// The frame at `idx`, which the caller has checked to be in the index.
    ///
    /// # Errors
    /// When the file is out of reach. The next time it may be back, so that is no damage.
    pub fn frame(&mut self, list: &ImageList, index: &FrameIndex, idx: FrameIdx) -> Result<Frame, VideoError> {
        let path = &list.files[idx.as_usize()];
        let (picture, damage) = match decode(path, self.size) {
            Ok(Decoded { image, is_whole }) => {
                let picture = Arc::new(Picture::from_rgb(image));
                if is_whole {
                    self.last_good = Some((idx, Arc::clone(&picture)));
                }
                (picture, (!is_whole).then_some(Damage::Concealed))
            }
            Err(Fault::Damaged(damage)) => (self.good_picture_before(list, idx), Some(damage)),
            Err(Fault::OutOfReach(source)) => return Err(VideoError::Io { path: path.clone(), source }),
        };
        Ok(Frame { idx, pts_secs: index.pts_secs(idx).expect("the caller checked idx"), damage, picture })
    }

    fn good_picture_before(&mut self, list: &ImageList, idx: FrameIdx) -> Arc<Picture> {
        for earlier in (0..idx.0).rev().map(FrameIdx) {
            if let Some((known, picture)) = &self.last_good
                && *known == earlier
            {
                return Arc::clone(picture);
            }
            if let Ok(Decoded { image, is_whole: true }) = decode(&list.files[earlier.as_usize()], self.size) {
                let picture = Arc::new(Picture::from_rgb(image));
                self.last_good = Some((earlier, Arc::clone(&picture)));
                return picture;
            }
        }
        Arc::new(Picture::black(self.size))
    }
}

struct Header {
    size: FrameSize,
    is_animated: bool,
}

/// Outer error: refuse the clip. Inner error: this image is damaged.
fn header_of(path: &Path) -> Result<Result<Header, String>, VideoError> {
    let mut decoder = match decoder_of(path) {
        Ok(decoder) => decoder,
        // A header that asks for more than the limits is refused, not skipped.
        Err(image::ImageError::Limits(error)) => {
            let (what, limit) = match error.kind() {
                LimitErrorKind::DimensionError => ("its width or height", format!("{} pixels", limits::MAX_SIDE)),
                _ => ("the memory it asks for", format!("{} MiB", limits::MAX_IMAGE_ALLOC_BYTES >> 20)),
            };
            return Err(VideoError::TooLarge { path: path.to_owned(), what: what.to_owned(), limit });
        }
        Err(error) => return Ok(Err(error.to_string())),
    };
    let (width, height) = decoder.dimensions();
    limits::check_size(path, FrameSize { width, height })?;
    if decoder.total_bytes() > limits::MAX_IMAGE_ALLOC_BYTES {
        return Err(VideoError::TooLarge {
            path: path.to_owned(),
            what: format!("{} MiB of pixels", decoder.total_bytes() >> 20),
            limit: format!("{} MiB", limits::MAX_IMAGE_ALLOC_BYTES >> 20),
        });
    }
    let size = match decoder.orientation().unwrap_or(Orientation::NoTransforms) {
        Orientation::Rotate90 | Orientation::Rotate270 | Orientation::Rotate90FlipH | Orientation::Rotate270FlipH => {
            FrameSize { width: height, height: width }
        }
        Orientation::NoTransforms
        | Orientation::Rotate180
        | Orientation::FlipHorizontal
        | Orientation::FlipVertical => FrameSize { width, height },
    };
    Ok(Ok(Header { size, is_animated: is_animated(path) }))
}

/// Why an image gives no picture.
enum Fault {
    /// It was read, and is not sound.
    Damaged(Damage),
    /// The system could not read it.
    OutOfReach(io::Error),
}

impl From<image::ImageError> for Fault {
    fn from(error: image::ImageError) -> Self {
        match error {
            // A file that ends early is an error of the decoder, for which the system has no number.
            image::ImageError::IoError(source) if source.raw_os_error().is_some() => Fault::OutOfReach(source),
            error => Fault::Damaged(Damage::Unreadable { detail: error.to_string() }),
        }
    }
}

impl From<io::Error> for Fault {
    fn from(source: io::Error) -> Self {
        Fault::OutOfReach(source)
    }
}

/// What the decoder made of an image.
struct Decoded {
    image: RgbImage,
    /// Nothing of it was filled in by the decoder, as far as can be told.
    is_whole: bool,
}

fn decode(path: &Path, expected: FrameSize) -> Result<Decoded, Fault> {
    let mut decoder = decoder_of(path)?;
    let (width, height) = decoder.dimensions();
    // The file may have been replaced since the folder was opened: check again before allocating.
    limits::check_size(path, FrameSize { width, height })
        .map_err(|error| Fault::Damaged(Damage::Unreadable { detail: error.to_string() }))?;
    let orientation = decoder.orientation().unwrap_or(Orientation::NoTransforms);
    let mut image = DynamicImage::from_decoder(decoder)?;
    image.apply_orientation(orientation);
    let pixels = image.into_rgb8();
    let size = FrameSize { width: pixels.width(), height: pixels.height() };
    if size != expected {
        return Err(Fault::Damaged(Damage::OtherSize { found: size }));
    }
    Ok(Decoded { image: RgbImage { size, pixels: pixels.into_raw() }, is_whole: is_whole(path)? })
}

/// Only the JPEG decoder fills in what is missing; the others refuse such a file.
fn is_whole(path: &Path) -> io::Result<bool> {
    let mut file = BufReader::new(File::open(path)?);
    if !file.fill_buf()?.starts_with(JPEG_START) {
        return Ok(true);
    }
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes)?;
    Ok(jpeg::is_whole(&bytes))
}

fn decoder_of(path: &Path) -> image::ImageResult<impl ImageDecoder + use<>> {
    let mut reader = ImageReader::new(BufReader::new(File::open(path)?)).with_guessed_format()?;
    let mut image_limits = Limits::default();
    image_limits.max_image_width = Some(limits::MAX_SIDE);
    image_limits.max_image_height = Some(limits::MAX_SIDE);
    image_limits.max_alloc = Some(limits::MAX_IMAGE_ALLOC_BYTES);
    reader.limits(image_limits);
    reader.into_decoder()
}

/// Looks for the marks of APNG, animated WebP and looping GIF near the start, and for a TIFF's second page; a wrong guess
/// costs a notice, no pixels.
fn is_animated(path: &Path) -> bool {
    let mut head = Vec::new();
    let read = File::open(path).and_then(|file| file.take(HEAD_BYTES).read_to_end(&mut head));
    let has = |mark: &[u8]| head.windows(mark.len()).any(|window| window == mark);
    read.is_ok()
        && ((head.starts_with(b"\x89PNG") && has(b"acTL"))
            || (head.starts_with(b"RIFF") && has(b"ANIM"))
            || (head.starts_with(b"GIF8") && has(b"NETSCAPE2.0"))
            || File::open(path).is_ok_and(|file| second_tiff_page(BufReader::new(file)).is_some_and(|page| page != 0)))
}

/// Where a TIFF's second page is described, 0 where there is none; `None` where it is no TIFF, or a damaged one.
fn second_tiff_page(mut file: impl Read + Seek) -> Option<u64> {
    let mut read = |position: Option<u64>, count: usize, is_little: bool| {
        if let Some(position) = position {
            file.seek(SeekFrom::Start(position)).ok()?;
        }
        let mut bytes = [0; 8];
        file.read_exact(&mut bytes[..count]).ok()?;
        Some(if is_little { u64::from_le_bytes(bytes) } else { u64::from_be_bytes(bytes) >> (64 - 8 * count) })
    };
    let is_little = match read(Some(0), 2, false)? {
        0x4949 => true,
        0x4d4d => false,
        _ => return None,
    };
    // A page: how many entries, the entries, where the next page is. BigTIFF has the same with wider numbers.
    let (first, count_bytes, entry_bytes, place_bytes) = match read(None, 2, is_little)? {
        42 => (read(None, 4, is_little)?, 2, 12, 4),
        43 => (read(Some(8), 8, is_little)?, 8, 20, 8),
        _ => return None,
    };
    let entries = read(Some(first), count_bytes, is_little)?;
    let end = first.checked_add(count_bytes as u64)?.checked_add(entries.checked_mul(entry_bytes)?)?;
    read(Some(end), place_bytes, is_little)
}

fn is_wanted(path: &Path) -> bool {
    let is_hidden = path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"."));
    !is_hidden && extension_of(path).is_some_and(|extension| EXTENSIONS.contains(&extension.as_str()))
}

fn extension_of(path: &Path) -> Option<String> {
    path.extension().map(|extension| extension.to_string_lossy().to_ascii_lowercase())
}

fn name_of(path: &Path) -> String {
    path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}

#[derive(PartialEq, Eq)]
struct NaturalName(String);

impl Ord for NaturalName {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        natural_order::compare(&self.0, &other.0)
    }
}

impl PartialOrd for NaturalName {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_second_page_of_a_tiff_is_found() {
        let page = |bytes: &[u8]| second_tiff_page(io::Cursor::new(bytes));
        let little = b"II\x2a\0\x08\0\0\0\x01\0............\x07\0\0\0";
        let big = b"MM\0\x2a\0\0\0\x08\0\x01............\0\0\0\0";
        let wide = b"II\x2b\0\x08\0\0\0\x10\0\0\0\0\0\0\0\x01\0\0\0\0\0\0\0....................\x09\0\0\0\0\0\0\0";
        assert_eq!([page(little), page(big), page(wide)], [Some(7), Some(0), Some(9)]);
        assert_eq!([page(b"II\x2a\0\xff\0\0\0"), page(b"GIF89a"), page(b"")], [None; 3]);
    }
}
