//! The shader's colour matrix against `Frame::to_rgb`, on the CPU: every matrix, range and depth the canvas knows.

#![cfg(all(feature = "gui", feature = "video"))]

mod canvas_support;
mod video_support;

use canvas_support::{difference, frame_of};
use label_hub::app::canvas::{ColourTransform, chroma_placement};
use label_hub::label::FrameSize;
use label_hub::video::{Frame, Matrix, Range};
use video_support::Seeded;

const SIZE: FrameSize = FrameSize { width: 64, height: 64 };
/// Flat blocks, so that chroma filters do not matter in their middle.
const BLOCK: u32 = 16;

/// Blocks of random samples; all codes may occur, also those that are no colour.
fn blocks(bit_depth: u32, chroma_shift: (u32, u32), is_gray: bool, seed: u64) -> Vec<u8> {
    let mut seeded = Seeded(seed);
    let mut bytes = Vec::new();
    for plane in 0..if is_gray { 1 } else { 3 } {
        let (across, down) = if plane == 0 { (0, 0) } else { chroma_shift };
        let codes: Vec<u32> = (0..16).map(|_| seeded.below(1 << bit_depth)).collect();
        for y in 0..SIZE.height >> down {
            for x in 0..SIZE.width >> across {
                let code = codes[((y << down) / BLOCK * 4 + (x << across) / BLOCK) as usize];
                let code = (code as u16).to_le_bytes();
                bytes.extend_from_slice(&code[..if bit_depth > 8 { 2 } else { 1 }]);
            }
        }
    }
    bytes
}

/// The sample of a plane at a chosen place, as a share of the largest code.
fn sample(frame: &Frame, plane: usize, x: u32, y: u32) -> f32 {
    let format = frame.format();
    if plane >= format.layout.plane_count() {
        return 0.0;
    }
    let view = frame.plane(plane);
    let at = y as usize * view.stride + x as usize * format.sample_bytes(plane);
    let code = match format.sample_bytes(plane) {
        1 => u16::from(view.data[at]),
        _ => u16::from_le_bytes([view.data[at], view.data[at + 1]]),
    };
    f32::from(code) / ((1_u32 << format.bit_depth) - 1) as f32
}

#[test]
fn the_matrix_gives_what_to_rgb_gives() {
    let matrices = [
        ("smpte170m", Matrix::Bt601),
        ("bt709", Matrix::Bt709),
        ("bt2020nc", Matrix::Bt2020),
        ("fcc", Matrix::Fcc),
        ("smpte240m", Matrix::Smpte240m),
    ];
    let formats = [
        ("yuv420p", 8, (1, 1), false),
        ("yuv422p10le", 10, (1, 0), false),
        ("yuv444p", 8, (0, 0), false),
        ("yuv420p10le", 10, (1, 1), false),
        ("yuv444p12le", 12, (0, 0), false),
        ("gray", 8, (0, 0), true),
        ("gray10le", 10, (0, 0), true),
    ];
    let mut problems = Vec::new();
    for (colorspace, matrix) in matrices {
        for (range_word, range) in [("tv", Range::Limited), ("pc", Range::Full)] {
            for (pixel_format, bit_depth, shift, is_gray) in formats {
                let name = format!("canvas-{pixel_format}-{colorspace}-{range_word}.mkv");
                let samples = blocks(bit_depth, shift, is_gray, 0x5eed_0001 + u64::from(bit_depth));
                let frame = frame_of(&name, pixel_format, SIZE, &samples, colorspace, range_word);
                assert_eq!(u32::from(frame.format().bit_depth), bit_depth, "{name}");
                if !is_gray {
                    assert_eq!((frame.colour().matrix, frame.colour().range), (matrix, range), "{name}");
                }
                let transform = ColourTransform::new(frame.format(), frame.colour());
                let rgb = frame.to_rgb();
                let mut worst = 0;
                for block in 0..16 {
                    let (x, y) = (block % 4 * BLOCK + BLOCK / 2, block / 4 * BLOCK + BLOCK / 2);
                    let (cx, cy) = (x >> shift.0, y >> shift.1);
                    let samples = [sample(&frame, 0, x, y), sample(&frame, 1, cx, cy), sample(&frame, 2, cx, cy)];
                    worst = worst.max(difference(transform.apply(samples), rgb.pixel(x, y)));
                }
                if worst > 2 {
                    problems.push(format!("{name} ({:?}): {worst}", frame.colour()));
                }
            }
        }
    }
    assert!(problems.is_empty(), "{problems:#?}");
}

/// How far a chroma edge in `to_rgb` lies from where the shader puts it, in luma pixels.
#[test]
fn chroma_lies_where_to_rgb_puts_it() {
    for (pixel_format, is_vertical) in [("yuv420p", false), ("yuv420p", true), ("yuv422p", false)] {
        let half = 0.5;
        let is_420 = pixel_format == "yuv420p";
        let (chroma_width, chroma_height) = (SIZE.width / 2, if is_420 { SIZE.height / 2 } else { SIZE.height });
        let mut samples = vec![128; SIZE.area()];
        samples.resize(SIZE.area() + (chroma_width * chroma_height) as usize, 128);
        for y in 0..chroma_height {
            for x in 0..chroma_width {
                let along = if is_vertical { y } else { x };
                samples.push(if along < 16 { 98 } else { 158 });
            }
        }
        let name = format!("canvas-edge-{pixel_format}-{is_vertical}.mkv");
        let frame = frame_of(&name, pixel_format, SIZE, &samples, "bt709", "tv");
        let rgb = frame.to_rgb();
        let red = |along: u32| {
            let [r, ..] = if is_vertical { rgb.pixel(32, along) } else { rgb.pixel(along, 32) };
            f32::from(r)
        };
        // The middle of the edge, weighed over its pixels: steps of red times where they happen.
        let (low, high) = (red(10), red(54));
        let middle: f32 = (10..54).map(|at| (red(at + 1) - red(at)) * (at as f32 + 1.0)).sum::<f32>() / (high - low);
        let (scale, offset) = chroma_placement(frame.format().layout);
        let (scale, offset) = if is_vertical { (scale.y, offset.y) } else { (scale.x, offset.x) };
        let ours = (16.0 - offset) / scale;
        eprintln!("{pixel_format} vertical {is_vertical}: chroma edge at {middle:.3}, shader {ours:.3}");
        assert!((middle - ours).abs() < 0.1 * half, "{pixel_format}: to_rgb {middle}, shader {ours}");
    }
}
