//! From plane samples to RGB codes, as one affine map the shader applies.
//!
//! Must agree with [`Frame::to_rgb`](crate::video::Frame::to_rgb) within two codes; `tests/canvas_colour.rs` compares
//! the two on every matrix, range and depth.

use bevy::math::{Vec2, Vec4};

use crate::video::{Colour, Layout, Matrix, PlaneFormat, Range};

/// Rows of a 3×4 matrix: `rgb = rows · (y, u, v, 1)`, samples as shares of the largest code, results as shares of 255.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ColourTransform {
    /// Red, green, blue.
    pub rows: [Vec4; 3],
}

/// Weights of red and blue in luma; green has the rest.
fn luma_weights(matrix: Matrix) -> (f64, f64) {
    match matrix {
        // Planes that claim to be RGB are read as swscale reads them.
        Matrix::Bt601 | Matrix::Rgb => (0.299, 0.114),
        Matrix::Bt709 => (0.2126, 0.0722),
        Matrix::Bt2020 => (0.2627, 0.0593),
        Matrix::Fcc => (0.30, 0.11),
        Matrix::Smpte240m => (0.212, 0.087),
    }
}

impl ColourTransform {
    /// Leaves red, green and blue alone.
    pub const IDENTITY: ColourTransform = ColourTransform { rows: [Vec4::X, Vec4::Y, Vec4::Z] };

    /// The map for planes of this format and meaning.
    pub fn new(format: PlaneFormat, colour: Colour) -> Self {
        let largest = f64::from((1_u32 << format.bit_depth) - 1);
        // One 8-bit step in this depth, as a share of the largest code.
        let step = f64::from(1_u32 << (format.bit_depth - 8)) / largest;
        let is_plain_grey = format == PlaneFormat { layout: Layout::Gray, bit_depth: 8 };
        // swscale takes 8-bit grey as it is, whatever range it claims; deeper grey it does scale.
        let range = if is_plain_grey { Range::Full } else { colour.range };
        let (black, luma_span, chroma_span) = match range {
            Range::Limited => (16.0 * step, 219.0 * step, 224.0 * step),
            Range::Full => (0.0, 1.0, 1.0),
        };
        let neutral = 128.0 * step;
        let luma = 1.0 / luma_span;
        let (red, blue) = luma_weights(colour.matrix);
        let green = 1.0 - red - blue;
        let to_red = 2.0 * (1.0 - red) / chroma_span;
        let to_blue = 2.0 * (1.0 - blue) / chroma_span;
        let row = |u: f64, v: f64| {
            let offset = -black * luma - (u + v) * neutral;
            Vec4::new(luma as f32, u as f32, v as f32, offset as f32)
        };
        match format.layout {
            Layout::Rgb => Self::IDENTITY,
            Layout::Gray => ColourTransform { rows: [row(0.0, 0.0); 3] },
            Layout::Yuv420 | Layout::Yuv422 | Layout::Yuv440 | Layout::Yuv444 | Layout::Nv12 => ColourTransform {
                rows: [row(0.0, to_red), row(-to_blue * blue / green, -to_red * red / green), row(to_blue, 0.0)],
            },
        }
    }

    /// What the shader computes, for tests: samples as shares of the largest code to 8-bit codes.
    pub fn apply(&self, samples: [f32; 3]) -> [u8; 3] {
        let [y, u, v] = samples;
        self.rows.map(|row| (row.dot(Vec4::new(y, u, v, 1.0)).clamp(0.0, 1.0) * 255.0).round() as u8)
    }
}

/// Where chroma samples lie: `chroma texel = frame texel * scale + offset`, texels counted from the picture's edge.
///
/// Each chroma sample sits in the middle of the luma samples it stands for, as swscale has it without further word.
pub fn chroma_placement(layout: Layout) -> (Vec2, Vec2) {
    let (across, down) = layout.chroma_shift();
    (Vec2::new(1.0 / (1 << across) as f32, 1.0 / (1 << down) as f32), Vec2::ZERO)
}
