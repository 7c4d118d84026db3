//! The picture itself: rotation, colour, depth, against ffmpeg's own conversion and by hand.

#![cfg(feature = "video")]

mod video_support;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use label_hub::label::{FrameIdx, FrameSize};
use label_hub::video::{Layout, Notice, RgbImage};
use video_support::{check_random_equals_sequential, encoded, find, has_encoder, made, open, plain, text};

const ONE: i32 = 1 << 16;

/// The plain clip with another display matrix in its track header.
fn turned(name: &str, matrix: [i32; 4]) -> PathBuf {
    let source = plain();
    made(name, |path| {
        let mut bytes = fs::read(&source).expect("just made");
        // tkhd version 0: the matrix starts 44 bytes after the type.
        let start = find(&bytes, b"tkhd") + 44;
        let [a, b, c, d] = matrix;
        for (place, value) in [(0, a), (1, b), (3, c), (4, d)] {
            bytes[start + place * 4..start + place * 4 + 4].copy_from_slice(&value.to_be_bytes());
        }
        fs::write(path, bytes).expect("writable");
    })
}

fn rgb(path: &Path, idx: u32) -> RgbImage {
    open(path).reader().expect("a reader").frame(FrameIdx(idx)).expect("the frame").to_rgb()
}

#[test]
fn display_matrices_are_applied_once_and_for_all() {
    let stored = rgb(&plain(), 37);
    let (w, h) = (stored.size.width - 1, stored.size.height - 1);
    // Where a pixel of the shown picture comes from in the stored one.
    type From = fn(u32, u32, u32, u32) -> (u32, u32);
    let cases: [(&str, [i32; 4], bool, From); 7] = [
        ("rotate90.mp4", [0, ONE, -ONE, 0], true, |x, y, _, h| (y, h - x)),
        ("rotate180.mp4", [-ONE, 0, 0, -ONE], false, |x, y, w, h| (w - x, h - y)),
        ("rotate270.mp4", [0, -ONE, ONE, 0], true, |x, y, w, _| (w - y, x)),
        ("mirror.mp4", [-ONE, 0, 0, ONE], false, |x, y, w, _| (w - x, y)),
        ("upside_down.mp4", [ONE, 0, 0, -ONE], false, |x, y, _, h| (x, h - y)),
        ("transpose.mp4", [0, ONE, ONE, 0], true, |x, y, _, _| (y, x)),
        ("transverse.mp4", [0, -ONE, -ONE, 0], true, |x, y, w, h| (w - y, h - x)),
    ];
    for (name, matrix, is_transposed, from) in cases {
        let path = turned(name, matrix);
        let shown = rgb(&path, 37);
        let size = if is_transposed {
            FrameSize { width: stored.size.height, height: stored.size.width }
        } else {
            stored.size
        };
        assert_eq!(shown.size, size, "{name}");
        assert_eq!(open(&path).size(), size, "{name}");
        assert_eq!(open(&path).facts().stored_size, stored.size, "{name}");
        let mut sum = 0u64;
        for y in 0..size.height {
            for x in 0..size.width {
                let (from_x, from_y) = from(x, y, w, h);
                let (a, b) = (shown.pixel(x, y), stored.pixel(from_x, from_y));
                sum += (0..3).map(|channel| u64::from(a[channel].abs_diff(b[channel]))).sum::<u64>();
            }
        }
        // Only the place of chroma between pixels may differ.
        let mean = sum as f64 / (stored.pixels.len() as f64);
        assert!(mean < 4.0, "{name}: mean difference {mean}");
        check_random_equals_sequential(&path);
    }
}

#[test]
fn slanted_matrices_are_ignored_with_a_notice() {
    let clip = open(&turned("slanted.mp4", [46341, 46341, -46341, 46341]));
    assert!(clip.notices().contains(&Notice::OddRotationIgnored));
    assert_eq!(clip.size(), FrameSize { width: 160, height: 120 });
}

/// One frame as the ffmpeg program converts it, by the named matrix and range.
fn by_ffmpeg(path: &Path, idx: u32, matrix: &str, range: &str) -> Vec<u8> {
    let filter = format!(
        "select=eq(n\\,{idx}),scale=in_color_matrix={matrix}:in_range={range}:flags=bicubic+accurate_rnd+full_chroma_int"
    );
    let output = Command::new("ffmpeg")
        .args(["-hide_banner", "-loglevel", "error", "-nostdin", "-i", &text(path), "-vf", &filter])
        .args(["-frames:v", "1", "-f", "rawvideo", "-pix_fmt", "rgb24", "-"])
        .output()
        .expect("ffmpeg is installed");
    output.stdout
}

#[test]
fn colours_equal_swscale_with_the_streams_matrix_and_range() {
    let jpeg = ["-vf", "scale=out_range=full", "-pix_fmt", "yuvj420p", "-c:v", "libx264"];
    let cases: [(&str, &[&str], &str, &str); 8] = [
        ("h264_bframes.mp4", &["-c:v", "libx264", "-bf", "3", "-g", "12"], "bt601", "tv"),
        ("bt709.mp4", &["-c:v", "libx264", "-colorspace", "bt709"], "bt709", "tv"),
        ("full.mp4", &jpeg, "bt601", "pc"),
        ("yuv422.mp4", &["-c:v", "libx264", "-pix_fmt", "yuv422p", "-g", "12"], "bt601", "tv"),
        ("yuv444.mp4", &["-c:v", "libx264", "-pix_fmt", "yuv444p", "-g", "12"], "bt601", "tv"),
        ("gray.mp4", &["-c:v", "libx264", "-pix_fmt", "gray", "-g", "12"], "bt601", "pc"),
        ("odd.mkv", &["-c:v", "ffv1", "-vf", "crop=159:119:0:0:exact=1", "-pix_fmt", "yuv420p"], "bt601", "tv"),
        ("gbrp.mkv", &["-c:v", "ffv1", "-pix_fmt", "gbrp"], "bt601", "pc"),
    ];
    for (name, arguments, matrix, range) in cases {
        let path = encoded(name, arguments);
        let expected = by_ffmpeg(&path, 20, matrix, range);
        let ours = rgb(&path, 20);
        assert_eq!(ours.pixels.len(), expected.len(), "{name}");
        let worst = ours.pixels.iter().zip(&expected).map(|(a, b)| a.abs_diff(*b)).max();
        assert_eq!(worst, Some(0), "{name}");
    }
}

#[test]
fn known_colours_come_out_in_every_matrix_range_and_depth() {
    let cases: [(&str, &str, &[&str]); 6] = [
        (
            "red601.mkv",
            "bt601:out_range=tv",
            &["-pix_fmt", "yuv444p", "-colorspace", "smpte170m", "-color_range", "tv"],
        ),
        ("red709.mkv", "bt709:out_range=tv", &["-pix_fmt", "yuv444p", "-colorspace", "bt709", "-color_range", "tv"]),
        (
            "red2020.mkv",
            "bt2020:out_range=tv",
            &["-pix_fmt", "yuv444p", "-colorspace", "bt2020nc", "-color_range", "tv"],
        ),
        (
            "red709full.mkv",
            "bt709:out_range=pc",
            &["-pix_fmt", "yuv444p", "-colorspace", "bt709", "-color_range", "pc"],
        ),
        ("red10.mkv", "bt709:out_range=tv", &["-pix_fmt", "yuv420p10le", "-colorspace", "bt709", "-color_range", "tv"]),
        ("red12.mkv", "bt709:out_range=tv", &["-pix_fmt", "yuv422p12le", "-colorspace", "bt709", "-color_range", "tv"]),
    ];
    for (name, target, arguments) in cases {
        let path = made(name, |path| {
            let filter = format!("format=rgb24,scale=out_color_matrix={target}");
            let path = text(path);
            let mut all = vec!["-f", "lavfi", "-i", "color=0xC82814:size=64x48:rate=5:duration=1", "-vf", &filter];
            all.extend_from_slice(&["-c:v", "ffv1"]);
            all.extend_from_slice(arguments);
            all.push(&path);
            video_support::ffmpeg(&all);
        });
        let [r, g, b] = rgb(&path, 2).pixel(30, 20);
        let is_close = r.abs_diff(0xc8) <= 3 && g.abs_diff(0x28) <= 3 && b.abs_diff(0x14) <= 3;
        assert!(is_close, "{name}: {r} {g} {b}");
    }
}

#[test]
fn hdr_is_tone_mapped_with_a_notice() {
    for (name, transfer) in [("pq.mkv", "smpte2084"), ("hlg.mkv", "arib-std-b67")] {
        let arguments = [
            "-c:v",
            "ffv1",
            "-pix_fmt",
            "yuv420p10le",
            "-color_trc",
            transfer,
            "-colorspace",
            "bt2020nc",
            "-color_primaries",
            "bt2020",
        ];
        let path = encoded(name, &arguments);
        let clip = open(&path);
        assert!(clip.notices().contains(&Notice::HdrToneMapped), "{name}: {:?}", clip.notices());
        let image = rgb(&path, 3);
        assert_eq!(image.pixels.len(), image.size.area() * 3);
        assert!(image.pixels.iter().any(|&value| value > 200) && image.pixels.iter().any(|&value| value < 20));
    }
    assert!(!open(&plain()).notices().contains(&Notice::HdrToneMapped));
}

#[test]
fn planes_reach_the_window_as_they_are_stored() {
    let mut cases = vec![
        ("h264_bframes.mp4", vec!["-c:v", "libx264", "-bf", "3", "-g", "12"], Layout::Yuv420, 8),
        ("yuv422.mp4", vec!["-c:v", "libx264", "-pix_fmt", "yuv422p", "-g", "12"], Layout::Yuv422, 8),
        ("yuv444.mp4", vec!["-c:v", "libx264", "-pix_fmt", "yuv444p", "-g", "12"], Layout::Yuv444, 8),
        ("gray.mkv", vec!["-c:v", "ffv1", "-pix_fmt", "gray"], Layout::Gray, 8),
        ("pal8.gif", vec!["-c:v", "gif"], Layout::Rgb, 8),
    ];
    if has_encoder("libx265") {
        let ten = vec!["-c:v", "libx265", "-pix_fmt", "yuv420p10le", "-x265-params", "log-level=none:keyint=12"];
        cases.push(("ten_bit.mkv", ten, Layout::Yuv420, 10));
    }
    for (name, arguments, layout, bit_depth) in cases {
        let clip = open(&encoded(name, &arguments));
        let frame = clip.reader().expect("a reader").frame(FrameIdx(9)).expect("frame 9");
        assert_eq!((frame.format().layout, frame.format().bit_depth), (layout, bit_depth), "{name}");
        assert_eq!(frame.planes().count(), layout.plane_count(), "{name}");
        for (number, plane) in frame.planes().enumerate() {
            assert_eq!(plane.size, layout.plane_size(frame.size(), number), "{name}");
            let row_bytes = plane.size.width as usize * frame.format().sample_bytes(number);
            assert!(plane.stride >= row_bytes, "{name}");
            assert!(plane.data.len() >= plane.stride * (plane.size.height as usize - 1) + row_bytes, "{name}");
        }
    }
}

#[test]
fn a_frame_outlives_its_reader_and_crosses_threads() {
    let clip = open(&plain());
    let mut reader = clip.reader().expect("a reader");
    let frame = reader.frame(FrameIdx(30)).expect("frame 30");
    drop((reader, clip));
    let number = std::thread::Builder::new()
        .name("test".to_owned())
        .spawn(move || video_support::number_in(&frame.to_rgb()))
        .expect("a thread")
        .join()
        .expect("no panic");
    assert_eq!(number, 30);
}
