//! Frame N is frame N however it is reached: one clip per way of storing video.

#![cfg(feature = "video")]

mod video_support;

use label_hub::label::{FrameIdx, FrameSize};
use label_hub::video::{ClipIdentity, Matrix, Notice, Range};
use video_support::{
    FRAMES, base, check_jumps_in, check_random_equals_sequential, encoded, ffmpeg, folder, has_encoder, made, open,
    open_stream, plain, text, two_streams,
};

/// Checks a clip that holds the whole base clip.
fn holds_every_frame(name: &str, encoder: &str, arguments: &[&str]) {
    if !has_encoder(encoder) {
        return;
    }
    let mut all = vec!["-c:v", encoder];
    all.extend_from_slice(arguments);
    let path = encoded(name, &all);
    let numbers = check_random_equals_sequential(&path);
    assert_eq!(numbers, (0..FRAMES).collect::<Vec<u32>>(), "{name}");
}

macro_rules! every_frame {
    ($($test:ident: $name:literal $encoder:literal $arguments:expr;)*) => {
        $(#[test]
        fn $test() {
            holds_every_frame($name, $encoder, &$arguments);
        })*
    };
}

every_frame! {
    h264_with_b_frames_is_exact: "h264_bframes.mp4" "libx264" ["-bf", "3", "-g", "12"];
    h264_without_b_frames_is_exact: "h264_no_b.mp4" "libx264" ["-bf", "0", "-g", "12"];
    open_gop_is_exact: "open_gop.mp4" "libx264"
        ["-bf", "3", "-x264-params", "open-gop=1:keyint=10:min-keyint=10:scenecut=0"];
    long_gop_is_exact: "long_gop.mkv" "libx264" ["-bf", "3", "-g", "600", "-sc_threshold", "0"];
    all_key_frames_are_exact: "all_key.mp4" "libx264" ["-g", "1"];
    intra_refresh_is_exact: "intra_refresh.mp4" "libx264" ["-x264-params", "intra-refresh=1:keyint=12:bframes=0"];
    mpeg_ts_is_exact: "h264.ts" "libx264" ["-bf", "2", "-g", "12"];
    mpeg_ts_with_open_gop_is_exact: "open_gop.ts" "libx264"
        ["-bf", "3", "-x264-params", "open-gop=1:keyint=10:min-keyint=10:scenecut=0"];
    timestamps_that_wrap_are_exact: "wrap.ts" "libx264" ["-bf", "2", "-g", "12", "-output_ts_offset", "95440"];
    mpeg2_ts_is_exact: "mpeg2.ts" "mpeg2video" ["-bf", "2", "-g", "12", "-q:v", "3"];
    mpeg_ps_is_exact: "mpeg2.mpg" "mpeg2video" ["-bf", "2", "-g", "12", "-q:v", "3"];
    raw_h264_is_exact: "raw.h264" "libx264" ["-bf", "2", "-g", "12"];
    raw_hevc_is_exact: "raw.hevc" "libx265" ["-x265-params", "log-level=none:keyint=12:min-keyint=12"];
    hevc_is_exact: "hevc.mp4" "libx265" ["-x265-params", "log-level=none:keyint=12:min-keyint=12:open-gop=1"];
    vp8_with_hidden_frames_is_exact: "vp8.webm" "libvpx"
        ["-auto-alt-ref", "1", "-lag-in-frames", "16", "-g", "25", "-b:v", "400k", "-deadline", "good", "-cpu-used", "4"];
    vp9_with_hidden_frames_is_exact: "vp9.webm" "libvpx-vp9"
        ["-auto-alt-ref", "1", "-lag-in-frames", "16", "-g", "25", "-b:v", "400k", "-cpu-used", "6"];
    av1_is_exact: "av1.mkv" "libsvtav1" ["-preset", "12", "-g", "20", "-crf", "30"];
    mpeg4_avi_is_exact: "mpeg4.avi" "mpeg4" ["-bf", "0", "-g", "12", "-q:v", "3"];
    mpeg4_avi_with_b_frames_is_exact: "mpeg4_b.avi" "mpeg4" ["-bf", "2", "-g", "12", "-q:v", "3"];
    h264_avi_without_timestamps_is_exact: "h264.avi" "libx264" ["-bf", "2", "-g", "12"];
    motion_jpeg_is_exact: "mjpeg.avi" "mjpeg" ["-q:v", "3"];
    flash_video_is_exact: "h264.flv" "libx264" ["-bf", "2", "-g", "12"];
    ten_bit_is_exact: "ten_bit.mkv" "libx265"
        ["-pix_fmt", "yuv420p10le", "-x265-params", "log-level=none:keyint=12"];
    four_two_two_is_exact: "yuv422.mp4" "libx264" ["-pix_fmt", "yuv422p", "-g", "12"];
    four_four_four_is_exact: "yuv444.mp4" "libx264" ["-pix_fmt", "yuv444p", "-g", "12"];
    gray_is_exact: "gray.mp4" "libx264" ["-pix_fmt", "gray", "-g", "12"];
    gbr_planes_are_exact: "gbrp.mkv" "ffv1" ["-pix_fmt", "gbrp"];
    alpha_is_exact: "alpha.mkv" "ffv1" ["-pix_fmt", "yuva420p"];
    palette_gif_is_exact: "pal8.gif" "gif" [];
    interlaced_ts_is_exact: "interlaced.ts" "libx264" ["-flags", "+ilme+ildct", "-bf", "2", "-g", "12"];
    start_offset_in_mp4_is_exact: "offset.mp4" "libx264" ["-bf", "2", "-g", "12", "-output_ts_offset", "5"];
    start_offset_in_mkv_is_exact: "offset.mkv" "libx264" ["-bf", "2", "-g", "12", "-output_ts_offset", "5"];
    odd_size_is_exact: "odd.mkv" "ffv1" ["-vf", "crop=159:119:0:0:exact=1", "-pix_fmt", "yuv420p"];
    odd_size_vp9_is_exact: "odd.webm" "libvpx-vp9" ["-vf", "crop=159:119:0:0:exact=1", "-cpu-used", "6", "-b:v", "400k"];
}

#[test]
fn variable_frame_rate_counts_frames_not_time() {
    let filter = "select='not(eq(mod(n,7),3)+eq(mod(n,11),5))'";
    for name in ["vfr.mkv", "vfr.mp4"] {
        let path = encoded(name, &["-vf", filter, "-vsync", "vfr", "-c:v", "libx264", "-bf", "2", "-g", "12"]);
        let kept: Vec<u32> = (0..FRAMES).filter(|n| n % 7 != 3 && n % 11 != 5).collect();
        assert_eq!(check_random_equals_sequential(&path), kept, "{name}");
        let clip = open(&path);
        assert!(clip.index().has_variable_rate());
        for (idx, &number) in kept.iter().enumerate() {
            let secs = clip.index().pts_secs(FrameIdx(idx as u32)).expect("within the clip");
            let start = clip.index().start_secs();
            assert!((secs - start - f64::from(number) / 25.0).abs() < 0.002, "{name}: frame {idx} at {secs}");
        }
    }
    assert!(!open(&plain()).index().has_variable_rate());
}

#[test]
fn a_cut_without_a_key_frame_starts_at_its_first_shown_frame() {
    for (name, seek) in [("cut.mp4", "0.9"), ("cut_late.mp4", "1.36")] {
        let source = text(&plain());
        let path = made(name, |path| {
            ffmpeg(&["-ss", seek, "-i", &source, "-c", "copy", "-avoid_negative_ts", "disabled", &text(path)]);
        });
        let numbers = check_random_equals_sequential(&path);
        let first = (seek.parse::<f64>().expect("a number") * 25.0).ceil() as u32;
        assert!(numbers[0].abs_diff(first) <= 1, "{name} starts with {}", numbers[0]);
        assert!(numbers.windows(2).all(|pair| pair[1] == pair[0] + 1), "{name}: {numbers:?}");
        assert_eq!(numbers.last(), Some(&(FRAMES - 1)), "{name}");
    }
}

#[test]
fn a_stream_cut_between_key_frames_starts_at_its_first_key_frame() {
    let source = std::fs::read(encoded("h264.ts", &["-c:v", "libx264", "-bf", "2", "-g", "12"])).expect("just made");
    let path = made("headless.ts", |path| {
        // Whole transport packets from the middle on.
        let start = source.len() / 3 / 188 * 188;
        std::fs::write(path, &source[start..]).expect("writable");
    });
    let numbers = check_random_equals_sequential(&path);
    assert!(numbers[0] > 0 && numbers[0].is_multiple_of(12), "starts with {}", numbers[0]);
    assert!(numbers.windows(2).all(|pair| pair[1] == pair[0] + 1), "{numbers:?}");
}

#[test]
fn an_open_gop_cut_at_its_key_frame_drops_what_cannot_be_decoded() {
    let source = std::fs::read(encoded(
        "open_gop.ts",
        &["-c:v", "libx264", "-bf", "3", "-x264-params", "open-gop=1:keyint=10:min-keyint=10:scenecut=0"],
    ))
    .expect("just made");
    let path = made("headless_open_gop.ts", |path| {
        let start = source.len() / 3 / 188 * 188;
        std::fs::write(path, &source[start..]).expect("writable");
    });
    let numbers = check_random_equals_sequential(&path);
    assert!(numbers.windows(2).all(|pair| pair[1] == pair[0] + 1), "{numbers:?}");
    assert_eq!(video_support::damaged_frames(&path), Vec::<u32>::new());
}

#[test]
fn a_clock_that_jumps_back_does_not_mix_frames() {
    let source = std::fs::read(encoded("h264.ts", &["-c:v", "libx264", "-bf", "2", "-g", "12"])).expect("just made");
    let path = made("spliced.ts", |path| std::fs::write(path, source.repeat(2)).expect("writable"));
    let numbers = check_random_equals_sequential(&path);
    let expected: Vec<u32> = (0..FRAMES).chain(0..FRAMES).collect();
    assert_eq!(numbers, expected);
}

#[test]
fn two_streams_and_cover_art_show_the_default_stream() {
    let (base, cover) = (text(&base()), text(&cover()));
    let path = made("streams.mp4", |path| {
        let arguments = [
            "-i",
            &base,
            "-f",
            "lavfi",
            "-i",
            "testsrc2=size=320x240:rate=25:duration=1",
            "-i",
            &cover,
            "-map",
            "1:v",
            "-map",
            "0:v",
            "-map",
            "2:v",
            "-c:v:0",
            "libx264",
            "-c:v:1",
            "libx264",
            "-c:v:2",
            "png",
            "-disposition:v:0",
            "0",
            "-disposition:v:1",
            "default",
            "-disposition:v:2",
            "attached_pic",
            &text(path),
        ];
        ffmpeg(&arguments);
    });
    let clip = open(&path);
    assert_eq!(clip.size(), FrameSize { width: 160, height: 120 }, "the default stream, not the largest or the cover");
    assert!(clip.notices().iter().any(|notice| matches!(notice, Notice::SeveralVideoStreams { count: 2, .. })));
    assert_eq!(check_random_equals_sequential(&path), (0..FRAMES).collect::<Vec<u32>>());
}

#[test]
fn a_stream_that_is_chosen_gives_its_own_frames() {
    for name in ["two_streams.mp4", "two_streams.mkv", "two_streams.ts"] {
        let path = two_streams(name);
        let chosen = open_stream(&path, 1).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(chosen.size(), FrameSize { width: 160, height: 96 }, "{name}");
        assert_eq!((chosen.facts().stream, chosen.chosen_stream()), (Some(1), Some(1)), "{name}");
        assert_eq!(check_jumps_in(&chosen, 60), (20..FRAMES).collect::<Vec<u32>>(), "{name}");
        assert!(
            !chosen.notices().iter().any(|n| matches!(n, Notice::SeveralVideoStreams { .. })),
            "{name}: it was asked for"
        );
        let listed: Vec<String> = chosen.facts().streams.iter().map(ToString::to_string).collect();
        assert_eq!(listed, ["0 (h264, 160x120)", "1 (mpeg4, 160x96)"], "{name}");

        let by_default = open(&path);
        let of_file = ClipIdentity::of_file(&path).expect("readable");
        assert_eq!((by_default.identity(), by_default.chosen_stream()), (&of_file, None), "{name}: as ever");
        assert_ne!(chosen.identity(), by_default.identity(), "{name}");
        let asked = open_stream(&path, 0).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!((asked.identity(), asked.facts()), (by_default.identity(), by_default.facts()), "{name}: the same");
        assert_eq!(check_jumps_in(&asked, 20), (0..FRAMES).collect::<Vec<u32>>(), "{name}");
    }
}

#[test]
fn a_stream_that_is_not_there_is_refused_with_those_that_are() {
    let path = two_streams("two_streams.mp4");
    let error = open_stream(&path, 2).expect_err("there are two");
    let words = error.to_string();
    for part in ["two_streams.mp4: stream 2 is not", "0 (h264, 160x120), 1 (mpeg4, 160x96)"] {
        assert!(words.contains(part), "{part} is not in: {words}");
    }
    let base = text(&base());
    let with_sound = made("with_sound.mp4", |path| {
        let sound =
            ["-f", "lavfi", "-i", "sine=duration=1", "-map", "0", "-map", "1", "-c:v", "libx264", "-c:a", "aac"];
        ffmpeg(&[&["-i", &base][..], &sound, &[&text(path)]].concat());
    });
    let words = open_stream(&with_sound, 1).expect_err("that is sound").to_string();
    assert!(words.contains("stream 1 is not a video stream") && words.ends_with("0 (h264, 160x120)"), "{words}");
    for images in [cover(), folder()] {
        let words = open_stream(&images, 0).expect_err("images").to_string();
        assert!(words.contains("images have no streams, and stream 0 was asked for"), "{words}");
    }
}

fn cover() -> std::path::PathBuf {
    made("cover.png", |path| {
        ffmpeg(&["-f", "lavfi", "-i", "color=red:size=600x600", "-frames:v", "1", &text(path)]);
    })
}

#[test]
fn one_frame_is_a_clip() {
    let path = encoded("one.mp4", &["-frames:v", "1", "-c:v", "libx264"]);
    let clip = open(&path);
    assert_eq!(clip.frame_count(), 1);
    assert!(clip.index().is_key(FrameIdx(0)));
    assert_eq!(check_random_equals_sequential(&path), [0]);
}

#[test]
fn sample_aspect_ratio_changes_the_view_only() {
    let path = encoded("sar.mp4", &["-vf", "setsar=4/3", "-c:v", "libx264"]);
    let clip = open(&path);
    assert_eq!(clip.size(), FrameSize { width: 160, height: 120 });
    assert_eq!(clip.sample_aspect_ratio(), (4, 3));
}

#[test]
fn interlaced_clips_say_so() {
    let path = encoded("interlaced.ts", &["-c:v", "libx264", "-flags", "+ilme+ildct", "-bf", "2", "-g", "12"]);
    assert!(open(&path).notices().contains(&Notice::Interlaced));
    assert!(!open(&plain()).notices().contains(&Notice::Interlaced));
}

#[test]
fn tiny_and_narrow_pictures_work() {
    for (name, size) in [("1x1.mkv", (1, 1)), ("1x2048.mkv", (1, 2048)), ("3x5.mkv", (3, 5))] {
        let path = made(name, |path| {
            let source = format!("testsrc2=size=64x64:rate=25:duration=0.4,scale={}:{}", size.0, size.1);
            ffmpeg(&["-f", "lavfi", "-i", &source, "-c:v", "ffv1", "-pix_fmt", "yuv420p", &text(path)]);
        });
        let clip = open(&path);
        assert_eq!(clip.size(), FrameSize { width: size.0, height: size.1 }, "{name}");
        let frame = clip.reader().expect("a reader").frame(FrameIdx(5)).expect("frame 5");
        assert_eq!(frame.to_rgb().pixels.len(), (size.0 * size.1 * 3) as usize);
    }
}

#[test]
fn colour_facts_follow_the_stream() {
    let full = encoded("full.mp4", &["-vf", "scale=out_range=full", "-pix_fmt", "yuvj420p", "-c:v", "libx264"]);
    let clip = open(&full);
    assert_eq!(clip.facts().colour.range, Range::Full);
    let tagged = encoded("bt709.mp4", &["-c:v", "libx264", "-colorspace", "bt709"]);
    assert_eq!(open(&tagged).facts().colour.matrix, Matrix::Bt709);
    assert_eq!(open(&plain()).facts().colour.matrix, Matrix::Bt601, "small and untagged");
}
