//! A decoded frame: upright planes, what they mean, and RGB on request.
//!
//! Made by the readers, passed about as `Arc<Frame>`. A frame is complete by itself: it may outlive its reader and cross
//! threads. Pixels decoded by ffmpeg stay in ffmpeg's own counted buffers and are never copied for the window's sake.

use serde::Serialize;

use super::colour::Colour;
use crate::label::{FrameIdx, FrameSize};

/// How samples are spread over planes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Layout {
    /// Three planes, chroma halved both ways.
    Yuv420,
    /// Three planes, chroma halved across.
    Yuv422,
    /// Three planes, chroma halved down.
    Yuv440,
    /// Three planes of one size.
    Yuv444,
    /// Luma, then interleaved chroma halved both ways.
    Nv12,
    /// One plane of luma.
    Gray,
    /// One plane of red, green, blue bytes.
    Rgb,
}

impl Layout {
    /// Number of planes.
    pub fn plane_count(self) -> usize {
        match self {
            Layout::Yuv420 | Layout::Yuv422 | Layout::Yuv440 | Layout::Yuv444 => 3,
            Layout::Nv12 => 2,
            Layout::Gray | Layout::Rgb => 1,
        }
    }

    /// By which powers of two chroma is smaller, across and down.
    pub fn chroma_shift(self) -> (u32, u32) {
        match self {
            Layout::Yuv420 | Layout::Nv12 => (1, 1),
            Layout::Yuv422 => (1, 0),
            Layout::Yuv440 => (0, 1),
            Layout::Yuv444 | Layout::Gray | Layout::Rgb => (0, 0),
        }
    }

    /// Samples of one plane of a picture of `size`; odd sizes round up.
    pub fn plane_size(self, size: FrameSize, plane: usize) -> FrameSize {
        let (across, down) = if plane == 0 { (0, 0) } else { self.chroma_shift() };
        FrameSize { width: size.width.div_ceil(1 << across), height: size.height.div_ceil(1 << down) }
    }

    /// Values per sample of a plane.
    pub fn channels(self, plane: usize) -> usize {
        match (self, plane) {
            (Layout::Rgb, _) => 3,
            (Layout::Nv12, 1) => 2,
            _ => 1,
        }
    }
}

/// Layout and depth. Above 8 bits a value is two bytes, little endian, in the low bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct PlaneFormat {
    /// How samples are spread over planes.
    pub layout: Layout,
    /// Bits per value.
    pub bit_depth: u8,
}

impl PlaneFormat {
    /// 8-bit RGB.
    pub const RGB: PlaneFormat = PlaneFormat { layout: Layout::Rgb, bit_depth: 8 };

    /// Bytes of one sample of a plane.
    pub fn sample_bytes(self, plane: usize) -> usize {
        self.layout.channels(plane) * if self.bit_depth > 8 { 2 } else { 1 }
    }
}

/// One plane of a frame.
#[derive(Debug, Clone, Copy)]
pub struct Plane<'a> {
    /// Rows, top first; the last row may be cut after its last sample.
    pub data: &'a [u8],
    /// Bytes from one row to the next.
    pub stride: usize,
    /// Samples across and down.
    pub size: FrameSize,
}

/// Why a frame is not what was recorded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Damage {
    /// The decoder gave nothing; the last good picture stands in.
    Missing,
    /// The decoder patched parts of the picture, or pictures it may be predicted from are damaged or missing.
    Concealed,
    /// The picture has another size than the clip; the last good picture stands in.
    OtherSize {
        /// The size it has, as stored.
        found: FrameSize,
    },
    /// The image file cannot be read; the last good picture stands in.
    Unreadable {
        /// What the image decoder said.
        detail: String,
    },
}

impl std::fmt::Display for Damage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Damage::Missing => f.write_str("cannot be decoded"),
            Damage::Concealed => f.write_str("decoded with errors"),
            Damage::OtherSize { found } => write!(f, "is {found}, unlike the clip"),
            Damage::Unreadable { detail } => write!(f, "cannot be read: {detail}"),
        }
    }
}

/// Interleaved 8-bit RGB, rows without padding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RgbImage {
    /// Columns and rows.
    pub size: FrameSize,
    /// `height * width * 3` bytes.
    pub pixels: Vec<u8>,
}

impl RgbImage {
    /// Red, green and blue at a position. Panics outside the picture.
    pub fn pixel(&self, x: u32, y: u32) -> [u8; 3] {
        assert!(x < self.size.width && y < self.size.height, "({x}, {y}) is outside {}", self.size);
        let start = (y as usize * self.size.width as usize + x as usize) * 3;
        [self.pixels[start], self.pixels[start + 1], self.pixels[start + 2]]
    }
}

/// A plane we own, with spare bytes behind the last row for swscale's wide reads.
#[derive(Debug, Clone)]
pub(super) struct OwnedPlane {
    pub data: Vec<u8>,
    pub stride: usize,
}

/// Where the samples live.
pub(super) enum Storage {
    /// ffmpeg's own counted buffers.
    #[cfg(feature = "video")]
    Av(ffmpeg_next::frame::Video),
    /// Ours.
    Owned(Vec<OwnedPlane>),
}

/// The picture of a frame without its place in the clip; shared by a frame and the placeholders that repeat it.
pub(super) struct Picture {
    pub size: FrameSize,
    pub format: PlaneFormat,
    pub colour: Colour,
    pub storage: Storage,
}

impl Picture {
    /// A picture from tightly packed RGB.
    pub fn from_rgb(image: RgbImage) -> Self {
        let stride = image.size.width as usize * 3;
        let storage = Storage::Owned(vec![OwnedPlane { data: image.pixels, stride }]);
        Picture { size: image.size, format: PlaneFormat::RGB, colour: Colour::RGB, storage }
    }

    /// All black, for a clip that starts with damage.
    pub fn black(size: FrameSize) -> Self {
        Picture::from_rgb(RgbImage { size, pixels: vec![0; size.area() * 3] })
    }

    pub fn plane(&self, plane: usize) -> Plane<'_> {
        assert!(plane < self.format.layout.plane_count(), "the layout has no plane {plane}");
        let size = self.format.layout.plane_size(self.size, plane);
        let (data, stride) = match &self.storage {
            #[cfg(feature = "video")]
            Storage::Av(frame) => super::ffmpeg::plane_of(frame, plane, size, self.format.sample_bytes(plane)),
            Storage::Owned(planes) => (planes[plane].data.as_slice(), planes[plane].stride),
        };
        Plane { data, stride, size }
    }

    pub fn byte_count(&self) -> usize {
        (0..self.format.layout.plane_count())
            .map(|plane| {
                let plane = self.plane(plane);
                plane.stride * plane.size.height as usize
            })
            .sum()
    }

    pub fn to_rgb(&self) -> RgbImage {
        match self.format.layout {
            Layout::Rgb => {
                let plane = self.plane(0);
                let row_bytes = self.size.width as usize * 3;
                let mut pixels = Vec::with_capacity(self.size.area() * 3);
                for row in plane.data.chunks(plane.stride).take(self.size.height as usize) {
                    pixels.extend_from_slice(&row[..row_bytes]);
                }
                RgbImage { size: self.size, pixels }
            }
            #[cfg(feature = "video")]
            Layout::Yuv420 | Layout::Yuv422 | Layout::Yuv440 | Layout::Yuv444 | Layout::Nv12 | Layout::Gray => {
                super::ffmpeg::rgb_from_planes(self)
            }
            #[cfg(not(feature = "video"))]
            Layout::Yuv420 | Layout::Yuv422 | Layout::Yuv440 | Layout::Yuv444 | Layout::Nv12 | Layout::Gray => {
                unreachable!("without ffmpeg every picture is RGB")
            }
        }
    }
}

/// One frame of the clip, upright.
#[derive(Clone)]
pub struct Frame {
    pub(super) idx: FrameIdx,
    pub(super) pts_secs: f64,
    pub(super) damage: Option<Damage>,
    pub(super) picture: std::sync::Arc<Picture>,
}

impl Frame {
    /// Its rank in the clip.
    pub fn idx(&self) -> FrameIdx {
        self.idx
    }

    /// When it is shown, in seconds on the file's own clock.
    pub fn pts_secs(&self) -> f64 {
        self.pts_secs
    }

    /// Size after the display rotation: the same for every frame of a clip.
    pub fn size(&self) -> FrameSize {
        self.picture.size
    }

    /// How the planes are laid out.
    pub fn format(&self) -> PlaneFormat {
        self.picture.format
    }

    /// What the samples mean.
    pub fn colour(&self) -> Colour {
        self.picture.colour
    }

    /// Why the picture is not what was recorded, `None` for a good frame.
    pub fn damage(&self) -> Option<&Damage> {
        self.damage.as_ref()
    }

    /// One plane; luma first. Panics when the layout has no such plane.
    pub fn plane(&self, plane: usize) -> Plane<'_> {
        self.picture.plane(plane)
    }

    /// All planes, luma first.
    pub fn planes(&self) -> impl Iterator<Item = Plane<'_>> {
        (0..self.picture.format.layout.plane_count()).map(|plane| self.picture.plane(plane))
    }

    /// Memory the picture takes, padding included.
    pub fn byte_count(&self) -> usize {
        self.picture.byte_count()
    }

    /// The picture as 8-bit RGB with full-range sRGB-like codes; HDR is tone mapped.
    ///
    /// The same numbers on screen, in exports and for the model: swscale with the stream's own matrix and range,
    /// accurate rounding and full chroma interpolation.
    pub fn to_rgb(&self) -> RgbImage {
        self.picture.to_rgb()
    }
}

impl std::fmt::Debug for Frame {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Frame")
            .field("idx", &self.idx)
            .field("pts_secs", &self.pts_secs)
            .field("size", &self.picture.size)
            .field("format", &self.picture.format)
            .field("damage", &self.damage)
            .finish_non_exhaustive()
    }
}
