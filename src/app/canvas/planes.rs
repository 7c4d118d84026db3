//! A frame's planes as they go to the GPU: one copy each, without row padding.
//!
//! Called by the canvas systems. Knows nothing of assets or of the ECS; must not convert colours, which is the shader's
//! work; HDR is tone mapped on the CPU, by the decode thread, or here where nobody did: correct and slow.

use std::borrow::Cow;

use bevy::math::Vec2;
use bevy::render::render_resource::TextureFormat;

use super::colour_transform::{ColourTransform, chroma_placement};
use crate::label::FrameSize;
use crate::video::{Frame, Layout, Plane, PlaneFormat, RgbImage};

/// Where the shader finds the parts of a colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub(super) enum PlaneKind {
    /// Red, green and blue in the first texture.
    #[default]
    Rgb,
    /// Luma alone.
    Luma,
    /// Luma, and chroma in two textures.
    ThreePlanes,
    /// Luma, and chroma in the two channels of one texture.
    TwoPlanes,
}

impl PlaneKind {
    /// What overlay.wgsl knows it by.
    pub fn shader_def(self) -> &'static str {
        match self {
            PlaneKind::Rgb => "PLANES_RGB",
            PlaneKind::Luma => "PLANES_LUMA",
            PlaneKind::ThreePlanes => "PLANES_THREE",
            PlaneKind::TwoPlanes => "PLANES_TWO",
        }
    }
}

/// How the shader reads the textures of a frame.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct FrameReading {
    pub kind: PlaneKind,
    /// Above 8 bits.
    pub has_two_byte_samples: bool,
    pub transform: ColourTransform,
    /// What the two channels of a sample weigh: a sample above 8 bits is two bytes, lowest first.
    pub byte_weights: Vec2,
    pub chroma_scale: Vec2,
    pub chroma_offset: Vec2,
}

impl Default for FrameReading {
    fn default() -> Self {
        FrameReading {
            kind: PlaneKind::default(),
            has_two_byte_samples: false,
            transform: ColourTransform::IDENTITY,
            byte_weights: Vec2::X,
            chroma_scale: Vec2::ONE,
            chroma_offset: Vec2::ZERO,
        }
    }
}

/// One texture's worth of samples, rows without padding.
#[derive(Debug, PartialEq)]
pub(super) struct Texels {
    pub size: FrameSize,
    pub format: TextureFormat,
    pub bytes: Vec<u8>,
}

/// The textures of a frame, one to three, and how to read them. `rgb` is the frame converted elsewhere, if it was.
pub(super) fn texels_of(frame: &Frame, rgb: Option<&RgbImage>) -> (Vec<Texels>, FrameReading) {
    if frame.colour().is_hdr() {
        let image = rgb.map_or_else(|| Cow::Owned(frame.to_rgb()), Cow::Borrowed);
        let plane = Plane { data: &image.pixels, stride: image.size.width as usize * 3, size: image.size };
        return (vec![rgba_texels(plane)], FrameReading::default());
    }
    let format = frame.format();
    if format.layout == Layout::Rgb {
        return (vec![rgba_texels(frame.plane(0))], FrameReading::default());
    }
    let textures = frame.planes().enumerate().map(|(number, plane)| plane_texels(plane, format, number)).collect();
    (textures, reading(format, ColourTransform::new(format, frame.colour())))
}

fn reading(format: PlaneFormat, transform: ColourTransform) -> FrameReading {
    let kind = match format.layout {
        Layout::Rgb => PlaneKind::Rgb,
        Layout::Gray => PlaneKind::Luma,
        Layout::Nv12 => PlaneKind::TwoPlanes,
        Layout::Yuv420 | Layout::Yuv422 | Layout::Yuv440 | Layout::Yuv444 => PlaneKind::ThreePlanes,
    };
    let byte_weights = if format.bit_depth > 8 {
        // A byte arrives as a share of 255; the sum becomes a share of the largest code.
        Vec2::new(255.0, 65_280.0) / ((1_u32 << format.bit_depth) - 1) as f32
    } else {
        Vec2::X
    };
    let (chroma_scale, chroma_offset) = chroma_placement(format.layout);
    FrameReading {
        kind,
        has_two_byte_samples: format.bit_depth > 8,
        transform,
        byte_weights,
        chroma_scale,
        chroma_offset,
    }
}

fn plane_texels(plane: Plane<'_>, format: PlaneFormat, number: usize) -> Texels {
    let row_bytes = plane.size.width as usize * format.sample_bytes(number);
    let bytes = if plane.stride == row_bytes {
        plane.data[..row_bytes * plane.size.height as usize].to_vec()
    } else {
        let mut bytes = Vec::with_capacity(row_bytes * plane.size.height as usize);
        for row in plane.data.chunks(plane.stride).take(plane.size.height as usize) {
            bytes.extend_from_slice(&row[..row_bytes]);
        }
        bytes
    };
    let format = match format.sample_bytes(number) {
        1 => TextureFormat::R8Unorm,
        2 => TextureFormat::Rg8Unorm,
        other => unreachable!("planes of luma and chroma have 1 or 2 bytes a sample, not {other}"),
    };
    Texels { size: plane.size, format, bytes }
}

/// GPUs have no 3-byte format.
fn rgba_texels(plane: Plane<'_>) -> Texels {
    let row_bytes = plane.size.width as usize * 3;
    let mut bytes = vec![255; plane.size.area() * 4];
    let rows = plane.data.chunks(plane.stride).zip(bytes.chunks_exact_mut(plane.size.width as usize * 4));
    for (row, out) in rows {
        for (rgb, rgba) in row[..row_bytes].chunks_exact(3).zip(out.chunks_exact_mut(4)) {
            rgba[..3].copy_from_slice(rgb);
        }
    }
    Texels { size: plane.size, format: TextureFormat::Rgba8Unorm, bytes }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::video::{Colour, Matrix, Range, Transfer};

    #[test]
    fn row_padding_is_dropped() {
        let size = FrameSize { width: 2, height: 2 };
        let data = [1, 2, 9, 9, 3, 4];
        let format = PlaneFormat { layout: Layout::Gray, bit_depth: 8 };
        let texels = plane_texels(Plane { data: &data, stride: 4, size }, format, 0);
        assert_eq!(texels, Texels { size, format: TextureFormat::R8Unorm, bytes: vec![1, 2, 3, 4] });
        let rgb = [1, 2, 3, 4, 5, 6, 0, 0, 7, 8, 9, 10, 11, 12];
        let texels = rgba_texels(Plane { data: &rgb, stride: 8, size });
        assert_eq!(texels.bytes, [1, 2, 3, 255, 4, 5, 6, 255, 7, 8, 9, 255, 10, 11, 12, 255]);
    }

    #[test]
    fn two_bytes_make_one_value() {
        let format = PlaneFormat { layout: Layout::Yuv420, bit_depth: 10 };
        let colour = Colour { matrix: Matrix::Bt709, range: Range::Limited, transfer: Transfer::Sdr };
        let reading = reading(format, ColourTransform::new(format, colour));
        let value = |code: u16| {
            let [low, high] = code.to_le_bytes().map(|byte| f32::from(byte) / 255.0);
            Vec2::new(low, high).dot(reading.byte_weights)
        };
        for code in [0, 1, 255, 256, 511, 512, 1023] {
            assert!((value(code) - f32::from(code) / 1023.0).abs() < 1e-5, "{code}");
        }
    }
}
