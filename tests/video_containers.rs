//! What containers say of their streams and is not so, or not all: order, key frames, colours, pixels, times, lengths.

#![cfg(feature = "video")]

mod video_support;

use std::fs;
use std::path::{Path, PathBuf};

use label_hub::label::FrameIdx;
use label_hub::video::{self, Notice, VideoError};
use video_support::{
    FRAMES, WIDTH, base, check_jumps, check_random_equals_sequential, encoded, ffmpeg, find, has_encoder, made, open,
    text,
};

/// Another clip's streams in another container.
fn copied(name: &str, source: &Path, arguments: &[&str]) -> PathBuf {
    let source = text(source);
    made(name, |path| {
        ffmpeg(&[&["-i", &source, "-c", "copy"], arguments, &["-bitexact", &text(path)]].concat());
    })
}

fn all_numbers() -> Vec<u32> {
    (0..FRAMES).collect()
}

#[test]
fn a_copy_without_display_times_is_played_in_display_order() {
    let h264 = ["-c:v", "libx264", "-bf", "2", "-g", "12"];
    let mpeg2 = ["-c:v", "mpeg2video", "-bf", "2", "-g", "12", "-q:v", "3"];
    let copies = [
        copied("avi_copy.mp4", &encoded("h264.avi", &h264), &[]),
        encoded("h264.mxf", &h264),
        copied("m2v_copy.mp4", &encoded("mpeg2.m2v", &mpeg2), &["-avoid_negative_ts", "make_zero"]),
    ];
    for path in copies {
        let numbers = check_random_equals_sequential(&path);
        assert_eq!(numbers, all_numbers(), "{}", path.display());
        assert!(open(&path).notices().contains(&Notice::OrderFoundByDecoding), "{}", path.display());
    }
    // ffmpeg starts this one before zero and cuts that off with an edit list: two pictures are not shown, in no player.
    let numbers = check_random_equals_sequential(&copied("raw_copy.mp4", &encoded("raw.h264", &h264), &[]));
    assert!(numbers.len() > 50 && numbers.is_sorted(), "{numbers:?}");
}

#[test]
fn streams_without_b_frames_are_not_decoded_to_find_their_order() {
    let avi = encoded("h264_no_b.avi", &["-c:v", "libx264", "-bf", "0", "-g", "12"]);
    let paths = [
        copied("no_b_copy.mp4", &avi, &[]),
        // MPEG-2 announces a delay whether it has B-frames or not.
        encoded("mpeg2_no_b.mp4", &["-c:v", "mpeg2video", "-bf", "0", "-g", "12", "-q:v", "3"]),
        encoded("mpeg2_no_b.ts", &["-c:v", "mpeg2video", "-bf", "0", "-g", "12", "-q:v", "3"]),
    ];
    for path in paths {
        assert_eq!(open(&path).notices(), [], "{}", path.display());
        assert_eq!(check_jumps(&path, 40), all_numbers(), "{}", path.display());
    }
}

/// An AVI as a recorder leaves it that was switched off: the index behind the packets was never written.
fn without_index(name: &str, encoder: &str, arguments: &[&str]) -> PathBuf {
    let whole = encoded(&format!("whole_{name}"), &[&["-c:v", encoder], arguments].concat());
    made(name, |path| {
        let bytes = fs::read(&whole).expect("just made");
        fs::write(path, &bytes[..find(&bytes, b"idx1")]).expect("the target folder is writable");
    })
}

fn key_frames(path: &Path) -> Vec<u32> {
    let clip = open(path);
    (0..clip.frame_count()).filter(|&idx| clip.index().is_key(FrameIdx(idx))).collect()
}

#[test]
fn key_frames_are_found_where_the_container_flags_every_packet() {
    let codecs = [
        ("ffv1", "ffv1", &["-level", "1"][..]),
        ("ffv1_sliced", "ffv1", &["-level", "3"]),
        ("msmpeg4v2", "msmpeg4v2", &["-q:v", "3"]),
        ("msmpeg4v3", "msmpeg4", &["-q:v", "3"]),
        ("wmv1", "wmv1", &["-q:v", "3"]),
        ("wmv2", "wmv2", &["-q:v", "3"]),
        ("flv1", "flv", &["-q:v", "3"]),
        ("h263", "h263", &["-vf", "pad=176:144", "-q:v", "3"]),
        ("h263p", "h263p", &["-q:v", "3"]),
        ("zmbv", "zmbv", &[]),
        ("cinepak", "cinepak", &[]),
    ];
    for (name, encoder, arguments) in codecs {
        if !has_encoder(encoder) {
            continue;
        }
        let path = without_index(&format!("no_index_{name}.avi"), encoder, &[arguments, &["-g", "20"]].concat());
        assert_eq!(check_jumps(&path, 100), all_numbers(), "{name}");
        let keys = key_frames(&path);
        assert!(keys[0] == 0 && (3..6).contains(&keys.len()), "{name}: {keys:?}");
        assert_eq!(open(&path).notices(), [], "{name}");
    }
}

#[test]
fn a_codec_that_does_not_tell_key_frames_is_decoded_from_the_start() {
    let h261 = encoded("cif.h261", &["-vf", "pad=176:144", "-c:v", "h261", "-g", "20", "-q:v", "3"]);
    for path in [without_index("no_index_msvideo1.avi", "msvideo1", &["-g", "20"]), h261] {
        let name = path.display();
        assert_eq!(check_jumps(&path, 40), all_numbers(), "{name}");
        assert_eq!(key_frames(&path), [0], "{name}");
        assert!(open(&path).notices().contains(&Notice::SequentialOnly), "{name}");
    }
}

#[test]
fn pictures_on_their_own_stay_key_frames() {
    for (name, arguments) in [
        ("ffv1_intra", &["-c:v", "ffv1", "-g", "1"][..]),
        ("png", &["-c:v", "png"]),
        ("huffyuv", &["-c:v", "huffyuv"]),
        ("mjpeg", &["-c:v", "mjpeg", "-q:v", "3"]),
        ("h264_intra", &["-c:v", "libx264", "-g", "1"]),
    ] {
        let path = without_index(&format!("intra_{name}.avi"), arguments[1], &arguments[2..]);
        assert_eq!(key_frames(&path), all_numbers(), "{name}");
        assert!(!open(&path).notices().contains(&Notice::SequentialOnly), "{name}");
        assert_eq!(check_jumps(&path, 40), all_numbers(), "{name}");
    }
    // A QuickTime file says of each packet what it is; the animation codec's packets do not.
    let animation = encoded("intra.mov", &["-c:v", "qtrle", "-g", "1"]);
    assert_eq!((key_frames(&animation), open(&animation).notices()), (all_numbers(), &[][..]));
}

#[test]
fn a_palette_holds_after_a_jump_too() {
    let raw = encoded("pal8.avi", &["-c:v", "rawvideo", "-pix_fmt", "pal8"]);
    assert_eq!(check_jumps(&raw, 40), all_numbers());
    if has_encoder("smc") {
        // What this encoder makes of the numbers is its own affair.
        check_jumps(&encoded("smc.mov", &["-c:v", "smc", "-g", "12"]), 40);
    }
}

#[test]
fn the_containers_pixel_aspect_is_used() {
    let wide = ["-vf", "setsar=64/45"];
    let paths = [
        encoded("aspect.mov", &[&wide[..], &["-c:v", "prores_ks"]].concat()),
        encoded("aspect_ffv1.mkv", &[&wide[..], &["-c:v", "ffv1"]].concat()),
    ];
    for path in paths {
        assert_eq!(open(&path).sample_aspect_ratio(), (64, 45), "{}", path.display());
    }
    // The stream says square, or nothing; the container was told otherwise.
    for name in ["aspect_copy.mp4", "aspect_copy.mkv"] {
        let path = copied(name, &video_support::plain(), &["-aspect", "16:9"]);
        assert_eq!(open(&path).sample_aspect_ratio(), (4, 3), "{name}");
    }
}

#[test]
fn an_interlaced_stream_of_whole_frames_keeps_its_times() {
    let path = encoded("interlaced.ts", &["-c:v", "libx264", "-flags", "+ilme+ildct", "-bf", "2", "-g", "12"]);
    let clip = open(&path);
    assert_eq!(clip.notices(), [Notice::Interlaced], "nothing had to be decoded");
    // ffmpeg's transport streams start decoding at 1.4 s; with B-frames the first picture is shown two frames later.
    assert!((clip.index().start_secs() - 1.48).abs() < 0.001, "starts at {}", clip.index().start_secs());
    assert_eq!(check_random_equals_sequential(&path), all_numbers());
}

#[test]
fn two_fields_in_two_packets_are_one_frame() {
    let raw = made("fields.h264", |path| fs::write(path, h264_of_fields()).expect("the target folder is writable"));
    let path = made("fields.ts", |path| {
        // 50 fields a second, in the ticks of a transport stream.
        let times = "setts=ts=N*1800";
        ffmpeg(&["-i", &text(&raw), "-c", "copy", "-bsf:v", times, "-bitexact", &text(path)]);
    });
    let clip = open(&path);
    assert_eq!(clip.notices(), [Notice::OrderFoundByDecoding, Notice::Interlaced]);
    assert_eq!(check_random_equals_sequential(&path), all_numbers());
    let times: Vec<f64> = (0..FRAMES).map(|idx| clip.index().pts_secs(FrameIdx(idx)).expect("in the clip")).collect();
    assert!(times.windows(2).all(|pair| (pair[1] - pair[0] - 0.04).abs() < 0.001), "{times:?}");
}

/// H.264 whose pictures are coded as two fields each, which no encoder at hand makes: uncompressed, all key frames.
fn h264_of_fields() -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut sps = BitWriter::default();
    sps.put(77 << 16 | 30, 24);
    // Identity, frame number and time of four and eight bits, one reference, 10 x 4 macroblocks in a field.
    [0, 0, 0, 4, 1].into_iter().for_each(|value| sps.put_ue(value));
    sps.put(0, 1);
    [9, 3].into_iter().for_each(|value| sps.put_ue(value));
    // Fields, each whole picture either way; 8 of 128 lines are cut off; nothing about its use.
    sps.put(0b0011, 4);
    [0, 0, 0, 2].into_iter().for_each(|value| sps.put_ue(value));
    sps.put(0, 1);
    sps.end(0x67, &mut bytes);
    let mut pps = BitWriter::default();
    pps.put(0b1100_1110_0011_1100, 16);
    pps.end(0x68, &mut bytes);
    for number in 0..FRAMES {
        for is_bottom in [false, true] {
            let mut slice = BitWriter::default();
            [0, 7, 0].into_iter().for_each(|value| slice.put_ue(value));
            // Frame number 0, a field, which one.
            slice.put(0b00_0010 | u32::from(is_bottom), 6);
            if !is_bottom {
                slice.put_ue(number % 2);
            }
            slice.put(u32::from(is_bottom), 8);
            // How references are kept, quality, no smoothing.
            slice.put(0, if is_bottom { 1 } else { 2 });
            slice.put_ue(0);
            slice.put_ue(1);
            for block in 0..WIDTH / 16 * 4 {
                slice.put_ue(25);
                slice.align();
                let is_white = block < 10 && number >> block & 1 == 1;
                let top = if is_white { 235 } else { 16 };
                slice.bytes.extend([[if block < 10 { top } else { 100 }; 128], [100; 128]].concat());
                slice.bytes.extend([128; 128]);
            }
            slice.end(if is_bottom { 0x61 } else { 0x65 }, &mut bytes);
        }
    }
    bytes
}

#[derive(Default)]
struct BitWriter {
    bytes: Vec<u8>,
    free_bits: u32,
}

impl BitWriter {
    fn put(&mut self, value: u32, count: u32) {
        for bit in (0..count).rev() {
            if self.free_bits == 0 {
                self.bytes.push(0);
                self.free_bits = 8;
            }
            self.free_bits -= 1;
            *self.bytes.last_mut().expect("just pushed") |= ((value >> bit & 1) as u8) << self.free_bits;
        }
    }

    /// Exp-Golomb.
    fn put_ue(&mut self, value: u32) {
        let length = 32 - (value + 1).leading_zeros();
        self.put(value + 1, 2 * length - 1);
    }

    fn align(&mut self) {
        self.free_bits = 0;
    }

    /// Ends the unit and appends it, with a 3 wherever its bytes would look like a start code.
    fn end(mut self, header: u8, stream: &mut Vec<u8>) {
        self.put(1, 1);
        stream.extend([0, 0, 0, 1, header]);
        let mut zeros = 0;
        for byte in self.bytes {
            if zeros == 2 && byte <= 3 {
                stream.push(3);
                zeros = 0;
            }
            zeros = if byte == 0 { zeros + 1 } else { 0 };
            stream.push(byte);
        }
    }
}

/// A clip with one line of subtitles in so many tracks.
fn with_subtitles(name: &str, tracks: usize) -> PathBuf {
    let (clip, words) = (text(&video_support::plain()), "1\n00:00:00,000 --> 00:00:01,000\nhello\n");
    let subtitles = made("words.srt", |path| fs::write(path, words).expect("the target folder is writable"));
    made(name, |path| {
        let subtitles = text(&subtitles);
        let mut arguments = vec!["-i", &clip, "-i", &subtitles, "-map", "0:v"];
        (0..tracks).for_each(|_| arguments.extend(["-map", "1:0"]));
        let path = text(path);
        arguments.extend(["-c:v", "copy", "-c:s", "srt", "-bitexact", &path]);
        ffmpeg(&arguments);
    })
}

#[test]
fn many_streams_are_no_reason_to_refuse_a_file() {
    assert_eq!(open(&with_subtitles("subtitles.mkv", 20)).frame_count(), FRAMES);
    let error = video::open_quietly(&with_subtitles("too_many.mkv", 260)).expect_err("that is too many");
    assert!(matches!(error, VideoError::HeaderTooLarge { streams: 256, .. }), "{error}");
    let words = error.to_string();
    assert!(words.contains("too_many.mkv") && words.contains("256 streams") && words.contains("-map 0:v:0"), "{words}");
}

#[test]
fn sound_that_goes_on_longer_does_not_make_a_clip_truncated() {
    let base = text(&base());
    let path = made("long_sound.mkv", |path| {
        let sound = ["-f", "lavfi", "-i", "sine=duration=12", "-c:v", "libx264", "-g", "12", "-c:a", "aac"];
        ffmpeg(&[&["-i", &base], &sound[..], &[&text(path)]].concat());
    });
    assert_eq!(open(&path).notices(), []);

    let bytes = fs::read(&path).expect("just made");
    let half = made("long_sound_cut.mkv", |path| {
        fs::write(path, &bytes[..bytes.len() / 4]).expect("the target folder is writable");
    });
    let clip = open(&half);
    let is_told = |notice: &Notice| {
        matches!(notice, Notice::Truncated { readable, announced: Some(announced) }
            if *readable == clip.frame_count() && *readable < FRAMES && announced.abs_diff(FRAMES) <= 2)
    };
    assert!(clip.notices().iter().any(is_told), "{:?}", clip.notices());
}

#[test]
fn short_segments_put_together_do_not_mix() {
    let arguments = ["-frames:v", "25", "-c:v", "libx264", "-bf", "2", "-g", "12"];
    let second = ["-vf", "trim=start_frame=25,setpts=PTS-STARTPTS"];
    let segments = [encoded("first.ts", &arguments), encoded("second.ts", &[&second[..], &arguments].concat())];
    let bytes: Vec<u8> = segments.iter().flat_map(|segment| fs::read(segment).expect("just made")).collect();
    let path = made("segments.ts", |path| fs::write(path, bytes).expect("the target folder is writable"));
    assert_eq!(check_random_equals_sequential(&path), (0..50).collect::<Vec<u32>>());
}

#[test]
fn frames_dropped_while_recording_an_avi_are_not_missing_at_its_end() {
    let dropping = ["-vf", "select='mod(n,3)'", "-vsync", "vfr", "-g", "12"];
    let cases: [(&str, &[&str]); 3] = [
        ("dropped_mjpeg.avi", &["-c:v", "mjpeg", "-q:v", "3"]),
        ("dropped_mpeg4_b.avi", &["-c:v", "mpeg4", "-q:v", "3", "-bf", "2"]),
        ("dropped_h264_b.avi", &["-c:v", "libx264", "-bf", "2"]),
    ];
    for (name, arguments) in cases {
        let path = encoded(name, &[arguments, &dropping].concat());
        let clip = open(&path);
        let is_truncated = |notice: &&Notice| matches!(notice, Notice::Truncated { .. });
        assert_eq!((clip.frame_count(), clip.notices().iter().find(is_truncated)), (FRAMES * 2 / 3, None), "{name}");

        let bytes = fs::read(&path).expect("just made");
        let half = made(&format!("half_{name}"), |path| {
            fs::write(path, &bytes[..bytes.len() / 2]).expect("the target folder is writable");
        });
        let clip = open(&half);
        let is_told = |notice: &Notice| {
            matches!(notice, Notice::Truncated { readable, announced: Some(announced) }
                if *readable == clip.frame_count() && (readable + 5..FRAMES).contains(announced))
        };
        assert!(clip.notices().iter().any(is_told), "{name}: {:?}", clip.notices());
    }
}
