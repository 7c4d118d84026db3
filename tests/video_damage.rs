//! Truncated, damaged, hostile and wrong files: what opens, what is marked, what is refused and how it says so.

#![cfg(feature = "video")]

mod video_support;

use std::fs;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::process::Command;

use label_hub::label::{FrameIdx, FrameSize};
use label_hub::video::{self, Damage, Notice, VideoError};
use video_support::{
    FRAMES, Seeded, check_jumps, check_random_equals_sequential, damaged_frames, encoded, ffmpeg, find, has_encoder,
    made, open, plain, text,
};

fn written(name: &str, bytes: impl FnOnce() -> Vec<u8>) -> PathBuf {
    if video_support::folder().join(name).exists() {
        return video_support::folder().join(name);
    }
    // Outside of `made`, which does not nest: the bytes come from other clips.
    let bytes = bytes();
    made(name, |path| fs::write(path, bytes).expect("the target folder is writable"))
}

fn bytes_of(path: &Path) -> Vec<u8> {
    fs::read(path).expect("just made")
}

fn refusal(path: &Path) -> VideoError {
    let error = video::open_quietly(path).expect_err("this file must be refused");
    let file_name = path.file_name().expect("a file").to_string_lossy().into_owned();
    assert!(error.to_string().contains(&file_name), "the message names the file: {error}");
    error
}

fn faststart() -> PathBuf {
    encoded("faststart.mp4", &["-c:v", "libx264", "-bf", "2", "-g", "12", "-movflags", "+faststart"])
}

#[test]
fn a_truncated_mp4_shows_what_is_there() {
    let path = written("truncated.mp4", || {
        let whole = bytes_of(&faststart());
        whole[..whole.len() / 2].to_vec()
    });
    let numbers = check_random_equals_sequential(&path);
    let clip = open(&path);
    let count = clip.frame_count();
    assert!((10..FRAMES).contains(&count), "{count} frames");
    let truncated = Notice::Truncated { readable: count, announced: Some(FRAMES) };
    assert!(clip.notices().contains(&truncated), "{:?}", clip.notices());
    let damaged = damaged_frames(&path);
    assert!(damaged.len() <= 5, "only the last few frames suffer: {damaged:?}");
    let good = (0..count).filter(|idx| !damaged.contains(idx)).collect::<Vec<u32>>();
    assert!(good.windows(2).all(|pair| numbers[pair[0] as usize] < numbers[pair[1] as usize]), "{numbers:?}");
}

#[test]
fn a_truncated_mkv_shows_what_is_there() {
    let path = written("truncated.mkv", || {
        let whole = bytes_of(&encoded("plain.mkv", &["-c:v", "libx264", "-bf", "2", "-g", "12"]));
        whole[..whole.len() / 2].to_vec()
    });
    check_random_equals_sequential(&path);
    let clip = open(&path);
    assert!((10..FRAMES).contains(&clip.frame_count()), "{} frames", clip.frame_count());
    let announced = clip.notices().iter().find_map(|notice| match notice {
        Notice::Truncated { announced, .. } => *announced,
        _ => None,
    });
    assert!(announced.is_some_and(|announced| announced.abs_diff(FRAMES) <= 2), "{:?}", clip.notices());
}

fn flipped(name: &str, source: &Path, flips: u32, seed: u64) -> PathBuf {
    written(name, || {
        let mut bytes = bytes_of(source);
        let mut seeded = Seeded(seed);
        // Leave the header and the index alone.
        let (start, length) = (bytes.len() / 4, bytes.len() / 2);
        for _ in 0..flips {
            let place = start + seeded.below(length as u32) as usize;
            bytes[place] ^= 1 << seeded.below(8);
        }
        bytes
    })
}

#[test]
fn flipped_bits_mark_frames_and_stay_repeatable() {
    let sources = [
        ("flips_h264", "mp4", faststart()),
        ("flips_ts", "ts", encoded("h264.ts", &["-c:v", "libx264", "-bf", "2", "-g", "12"])),
        ("flips_mpeg4", "avi", encoded("mpeg4.avi", &["-c:v", "mpeg4", "-bf", "0", "-g", "12", "-q:v", "3"])),
    ];
    for (name, ending, source) in sources {
        for (flips, seed) in [(3, 11), (12, 22), (60, 33)] {
            let path = flipped(&format!("{name}_{flips}.{ending}"), &source, flips, seed);
            check_random_equals_sequential(&path);
            let damaged = damaged_frames(&path);
            eprintln!("{name} with {flips} flips: {} damaged of {}", damaged.len(), open(&path).frame_count());
            if flips >= 12 && name != "flips_mpeg4" {
                assert!(!damaged.is_empty(), "{name} with {flips} flips shows no damage");
            }
        }
    }
}

/// Where the packets of a clip lie in its file: start and length in bytes, in the order of the file.
fn packets_of(path: &Path) -> Vec<(usize, usize)> {
    let output = Command::new("ffprobe")
        .args(["-v", "error", "-select_streams", "v:0", "-show_entries", "packet=size,pos", "-of", "csv=p=0"])
        .arg(path)
        .output()
        .expect("ffprobe comes with ffmpeg");
    let lines = String::from_utf8(output.stdout).expect("digits and commas");
    // An AVI's packets are said to lie where their eight bytes of header do.
    let header = if path.extension().is_some_and(|ending| ending == "avi") { 8 } else { 0 };
    let packets = lines.lines().map(|line| {
        let mut numbers = line.split(',').map(|number| number.parse::<usize>().expect("a size and a position"));
        let (size, start) = (numbers.next().expect("a size"), numbers.next().expect("a position"));
        (start + header, size)
    });
    packets.collect()
}

/// Which third of a packet is zeroed.
#[derive(Clone, Copy)]
enum Hit {
    First,
    Middle,
}

/// The clip with a third of one packet zeroed.
fn hit(source: &Path, packet: usize, third: Hit) -> PathBuf {
    let (stem, ending) = (source.file_stem().expect("a name"), source.extension().expect("an ending"));
    let name = format!("{}_hit_{packet}.{}", stem.to_string_lossy(), ending.to_string_lossy());
    written(&name, || {
        let mut bytes = bytes_of(source);
        let (start, size) = packets_of(source)[packet];
        let third = match third {
            Hit::First => start..start + size / 3,
            Hit::Middle => start + size / 3..start + size * 2 / 3,
        };
        bytes[third].fill(0);
        bytes
    })
}

/// Frames of two clips whose pixels differ.
fn unlike(one: &Path, other: &Path) -> Vec<u32> {
    let (one, other) = (open(one), open(other));
    assert_eq!(one.frame_count(), other.frame_count());
    let mut readers = [&one, &other].map(|clip| clip.reader().expect("a reader"));
    let is_unlike = |idx: &u32| {
        let [one, other] = readers.each_mut().map(|reader| reader.frame(FrameIdx(*idx)).expect("a frame").to_rgb());
        one != other
    };
    (0..one.frame_count()).filter(is_unlike).collect()
}

#[test]
fn what_is_predicted_from_damage_is_marked_up_to_the_next_key_frame() {
    let cases: [(&str, &str, Hit, &[&str]); 7] = [
        ("spread_h264.mp4", "libx264", Hit::Middle, &["-bf", "0", "-x264-params", "scenecut=0"]),
        (
            "spread_h264_b.mp4",
            "libx264",
            Hit::Middle,
            &["-bf", "3", "-x264-params", "scenecut=0:b-adapt=0:b-pyramid=normal"],
        ),
        (
            "spread_h264_open.mkv",
            "libx264",
            Hit::Middle,
            &["-bf", "2", "-x264-params", "scenecut=0:b-adapt=0:open-gop=1"],
        ),
        ("spread_mpeg4.mp4", "mpeg4", Hit::Middle, &["-q:v", "3", "-sc_threshold", "1000000000"]),
        ("spread_mpeg4_b.avi", "mpeg4", Hit::Middle, &["-bf", "2", "-q:v", "3", "-sc_threshold", "1000000000"]),
        ("spread_mpeg2.mkv", "mpeg2video", Hit::Middle, &["-bf", "2", "-q:v", "3", "-sc_threshold", "1000000000"]),
        // Its arithmetic coder makes something of any bytes but the header's.
        ("spread_vp9.mp4", "libvpx-vp9", Hit::First, &["-b:v", "600k", "-deadline", "realtime", "-cpu-used", "8"]),
    ];
    for (name, encoder, third, arguments) in cases {
        if !has_encoder(encoder) {
            continue;
        }
        let sound = encoded(name, &[&["-c:v", encoder, "-g", "30"], arguments].concat());
        assert!(damaged_frames(&sound).is_empty(), "{name}");
        // A packet amid the group, one before the next key, and that key.
        for packet in [20, 21, 28, 30] {
            let path = hit(&sound, packet, third);
            let marked = damaged_frames(&path);
            let unlike = unlike(&sound, &path);
            assert!(!marked.is_empty(), "{name}, packet {packet}: nothing is marked");
            let passed_off = unlike.iter().filter(|&idx| !marked.contains(idx)).collect::<Vec<&u32>>();
            assert!(passed_off.is_empty(), "{name}, packet {packet}: {passed_off:?} unmarked, {marked:?} marked");
            // A few pictures before the packet in the file are shown after it.
            let in_reach = (packet as u32 - 4)..if packet < 27 { 30 } else { FRAMES };
            assert!(marked.iter().all(|idx| in_reach.contains(idx)), "{name}, packet {packet}: {marked:?} marked");
            check_jumps(&path, 40);
        }
    }
}

#[test]
fn damage_in_a_picture_nothing_is_predicted_from_stays_there() {
    let cases: [(&str, &[&str], usize); 4] = [
        // I P B B P B B P …: two of three packets are such pictures.
        ("stays_h264.mp4", &["-c:v", "libx264", "-bf", "2", "-x264-params", "b-adapt=0:b-pyramid=none:scenecut=0"], 20),
        ("stays_mpeg4.avi", &["-c:v", "mpeg4", "-bf", "2", "-q:v", "3", "-sc_threshold", "1000000000"], 20),
        ("stays_mpeg2.mkv", &["-c:v", "mpeg2video", "-bf", "2", "-q:v", "3", "-sc_threshold", "1000000000"], 20),
        ("stays_mjpeg.avi", &["-c:v", "mjpeg", "-q:v", "3"], 20),
    ];
    for (name, arguments, packet) in cases {
        let sound = encoded(name, &[arguments, &["-g", "30"]].concat());
        let path = hit(&sound, packet, Hit::Middle);
        let marked = damaged_frames(&path);
        assert_eq!((marked.len(), &marked), (1, &unlike(&sound, &path)), "{name}");
        check_random_equals_sequential(&path);
    }
}

#[test]
fn the_frame_that_the_end_of_the_file_cuts_is_marked() {
    let cases: [(&str, &str, &[&str]); 5] = [
        ("tail_mjpeg.mov", "mjpeg", &["-q:v", "3", "-movflags", "+faststart"]),
        ("tail_vp9.mp4", "libvpx-vp9", &["-b:v", "600k", "-cpu-used", "8", "-movflags", "+faststart"]),
        ("tail_vp8.avi", "libvpx", &["-b:v", "600k", "-auto-alt-ref", "0", "-deadline", "realtime"]),
        ("tail_cinepak.mov", "cinepak", &["-frames:v", "20", "-movflags", "+faststart"]),
        ("tail_ffv1.mov", "ffv1", &["-level", "1", "-movflags", "+faststart"]),
    ];
    for (name, encoder, arguments) in cases {
        if !has_encoder(encoder) {
            continue;
        }
        let sound = encoded(name, &[&["-c:v", encoder, "-g", "12"], arguments].concat());
        let path = written(&name.replace("tail", "tail_cut"), || {
            let (start, size) = packets_of(&sound)[15];
            bytes_of(&sound)[..start + size / 2].to_vec()
        });
        let last = open(&path).frame_count() - 1;
        assert_eq!((last, damaged_frames(&path)), (15, vec![15]), "{name}");
        check_random_equals_sequential(&path);
    }
}

#[test]
fn a_last_frame_with_lost_codes_is_damaged_whichever_way_it_is_reached() {
    let arguments = ["-frames:v", "41", "-c:v", "libx264", "-bf", "2", "-g", "20", "-x264-params", "scenecut=0"];
    let sound = encoded("last_key.mp4", &arguments);
    // The decoder has an error for the first, and says of the other no more than that it patched it.
    for fill in [0, 0xff] {
        let path = written(&format!("last_key_{fill}.mp4"), || {
            let mut bytes = bytes_of(&sound);
            let (start, size) = packets_of(&sound)[40];
            bytes[start + size / 4..start + size].fill(fill);
            bytes
        });
        assert_eq!(damaged_frames(&path), [40], "filled with {fill}");
        let clip = open(&path);
        for _ in 0..20 {
            let frame = clip.reader_with_threads(4).expect("a reader").frame(FrameIdx(40)).expect("a frame");
            assert_eq!(frame.damage(), Some(&Damage::Concealed), "filled with {fill}");
        }
        check_jumps(&path, 40);
    }
}

/// A copy out of an AVI, which has no display times, with most of one packet filled.
fn filled_copy(packet: usize, fill: u8) -> PathBuf {
    let avi = text(&encoded("h264.avi", &["-c:v", "libx264", "-bf", "2", "-g", "12"]));
    let sound = made("order_copy.mp4", |path| ffmpeg(&["-i", &avi, "-c", "copy", "-bitexact", &text(path)]));
    written(&format!("order_copy_{packet}_{fill}.mp4"), || {
        let mut bytes = bytes_of(&sound);
        let (start, size) = packets_of(&sound)[packet];
        bytes[start + size / 4..start + size].fill(fill);
        bytes
    })
}

#[test]
fn what_is_patched_without_an_error_is_marked_every_time() {
    for packet in [20, 57] {
        let path = filled_copy(packet, 0xff);
        let marked = damaged_frames(&path);
        assert!(!marked.is_empty(), "packet {packet}");
        for _ in 0..10 {
            assert_eq!(damaged_frames(&path), marked, "packet {packet}");
        }
    }
}

#[test]
fn an_order_found_by_decoding_holds_the_frames_before_a_damaged_end() {
    let clip = open(&filled_copy(58, 0));
    assert!(clip.notices().contains(&Notice::OrderFoundByDecoding), "{:?}", clip.notices());
    assert_eq!(clip.frame_count(), FRAMES);
}

#[test]
fn a_frame_that_is_gone_repeats_the_last_good_one() {
    // Empty the picture data of a stretch of frames, key frame included.
    let path = written("hole.mp4", || {
        let mut bytes = bytes_of(&faststart());
        let start = find(&bytes, b"mdat") + 4;
        let hole = start + (bytes.len() - start) / 2..start + (bytes.len() - start) * 3 / 4;
        bytes[hole].fill(0);
        bytes
    });
    check_random_equals_sequential(&path);
    let clip = open(&path);
    assert_eq!(clip.frame_count(), FRAMES, "damaged frames keep their index");
    let mut reader = clip.reader().expect("a reader");
    let mut last_good = None;
    let mut missing = 0;
    for idx in (0..FRAMES).map(FrameIdx) {
        let frame = reader.frame(idx).expect("damaged frames are frames");
        let rgb = frame.to_rgb();
        match frame.damage() {
            None => last_good = Some(rgb),
            Some(Damage::Missing) => {
                missing += 1;
                assert_eq!(Some(&rgb), last_good.as_ref(), "frame {idx} repeats the last good picture");
            }
            Some(Damage::Concealed) => {}
            Some(other) => panic!("frame {idx}: {other}"),
        }
    }
    assert!(missing > 0, "the hole swallows frames");
}

#[test]
fn a_size_change_midway_is_marked_and_never_resized() {
    let path = written("size_change.ts", || {
        let small = encoded("h264.ts", &["-c:v", "libx264", "-bf", "2", "-g", "12"]);
        let large = encoded("large.ts", &["-vf", "scale=320:240", "-c:v", "libx264", "-g", "12", "-frames:v", "20"]);
        [bytes_of(&small), bytes_of(&large)].concat()
    });
    check_random_equals_sequential(&path);
    let clip = open(&path);
    assert_eq!(clip.size(), FrameSize { width: 160, height: 120 });
    assert!(
        clip.notices().iter().any(|notice| matches!(notice, Notice::SizeChanges { other, .. } if other.width == 320)),
        "{:?}",
        clip.notices()
    );
    let frame = clip.reader().expect("a reader").frame(FrameIdx(clip.frame_count() - 1)).expect("the last frame");
    assert_eq!(frame.damage(), Some(&Damage::OtherSize { found: FrameSize { width: 320, height: 240 } }));
    assert_eq!(frame.size(), clip.size());
}

#[test]
fn the_decoders_size_wins_over_the_header() {
    let path = written("huge_header.mp4", || {
        let mut bytes = bytes_of(&plain());
        // avc1: 4 type, 6 reserved, 2 reference, 16 predefined, then width and height.
        let size = find(&bytes, b"avc1") + 4 + 24;
        bytes[size..size + 4].fill(0xff);
        bytes
    });
    let clip = open(&path);
    assert_eq!(clip.size(), FrameSize { width: 160, height: 120 });
    assert_eq!(clip.frame_count(), FRAMES);
}

#[test]
fn pictures_beyond_the_limit_are_refused() {
    // A PNG-like codec whose own header asks for 60000 x 60000.
    let path = written("bomb.gif", || {
        let mut bytes = b"GIF89a".to_vec();
        bytes.extend_from_slice(&[0xff, 0xff, 0xff, 0xff, 0x80, 0, 0]);
        bytes.extend_from_slice(&[0; 6]);
        bytes.extend_from_slice(&[0x2c, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0, 2, 2, 0x4c, 1, 0, 0x3b]);
        bytes
    });
    refusal(&path);
}

#[test]
fn files_that_are_no_video_are_refused_by_name_and_cause() {
    let garbage = || {
        let mut seeded = Seeded(5);
        (0..50_000).map(|_| seeded.below(256) as u8).collect::<Vec<u8>>()
    };
    let cases: [(&str, Vec<u8>); 4] = [
        ("empty.mp4", Vec::new()),
        ("text.mp4", b"Dear labeller, this is not a video.\n".repeat(100)),
        ("garbage.mp4", garbage()),
        ("tiny.mkv", vec![0x1a]),
    ];
    for (name, bytes) in cases {
        let error = refusal(&written(name, || bytes));
        assert!(matches!(error, VideoError::NotAVideo { .. }), "{name}: {error}");
    }
}

#[test]
fn a_missing_moov_is_named() {
    let path = written("no_moov.mp4", || {
        // Without faststart the index is at the end: a cut recording has none.
        let whole = bytes_of(&plain());
        whole[..whole.len() / 2].to_vec()
    });
    let error = refusal(&path);
    assert!(matches!(error, VideoError::MoovMissing { .. }), "{error}");
}

#[test]
fn playlists_that_name_other_files_are_refused() {
    let secret = text(&plain());
    let cases = [
        ("evil.m3u8", format!("#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXTINF:10,\n{secret}\n#EXT-X-ENDLIST\n")),
        ("evil_renamed.mp4", format!("#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXTINF:10,\n{secret}\n#EXT-X-ENDLIST\n")),
        ("evil_remote.mp4", "#EXTM3U\n#EXTINF:10,\nhttp://127.0.0.1:1/x.ts\n#EXT-X-ENDLIST\n".to_owned()),
        ("evil_concat.mp4", format!("ffconcat version 1.0\nfile {secret}\n")),
    ];
    for (name, content) in cases {
        let error = refusal(&written(name, || content.into_bytes()));
        assert!(matches!(error, VideoError::NotAVideo { .. }), "{name}: {error}");
    }
}

#[test]
fn names_that_look_like_protocols_or_patterns_are_just_names() {
    let folder = tempfile::tempdir().expect("a temp folder");
    for name in ["concat:a.mp4", "frame%03d.mp4", "http:x.mp4", "a|b.mp4", "\u{e9}\u{4e2d}.mp4"] {
        let path = folder.path().join(name);
        fs::copy(plain(), &path).expect("the temp folder is writable");
        assert_eq!(open(&path).frame_count(), FRAMES, "{name}");
    }
}

#[cfg(unix)]
#[test]
fn names_that_are_not_utf8_open() {
    use std::os::unix::ffi::OsStrExt as _;
    let folder = tempfile::tempdir().expect("a temp folder");
    let path = folder.path().join(std::ffi::OsStr::from_bytes(b"clip\xff.mp4"));
    fs::copy(plain(), &path).expect("the temp folder is writable");
    assert_eq!(open(&path).frame_count(), FRAMES);
}

#[test]
fn sound_without_pictures_is_refused() {
    for name in ["sound.mp4", "sound_with_cover.mp4"] {
        let path = made(name, |path| {
            let path = text(path);
            let mut arguments =
                vec!["-f", "lavfi", "-i", "sine=duration=1", "-f", "lavfi", "-i", "color=red:size=64x64:duration=1"];
            if name == "sound_with_cover.mp4" {
                arguments.extend([
                    "-map",
                    "0",
                    "-map",
                    "1",
                    "-frames:v",
                    "1",
                    "-c:v",
                    "png",
                    "-disposition:v:0",
                    "attached_pic",
                ]);
            } else {
                arguments.extend(["-map", "0"]);
            }
            arguments.extend(["-c:a", "aac", &path]);
            ffmpeg(&arguments);
        });
        let error = refusal(&path);
        assert!(matches!(error, VideoError::NoVideoStream { .. }), "{name}: {error}");
    }
}

#[test]
fn a_clip_whose_pictures_are_all_lost_is_refused() {
    let path = written("all_lost.mp4", || {
        let mut bytes = bytes_of(&faststart());
        let start = find(&bytes, b"mdat") + 4;
        bytes[start..].fill(0xff);
        bytes
    });
    let error = refusal(&path);
    assert!(matches!(error, VideoError::NoFrames { .. }), "{error}");
}

#[test]
fn missing_files_and_folders_say_so() {
    let error = refusal(Path::new("/no/such/clip.mp4"));
    assert!(matches!(error, VideoError::Io { .. }), "{error}");
}

#[test]
fn opening_can_be_cancelled() {
    let error = video::open(&plain(), &mut |_| ControlFlow::Break(())).expect_err("cancelled");
    assert!(matches!(error, VideoError::Cancelled { .. }), "{error}");
}

#[test]
fn a_frame_past_the_end_is_an_error() {
    let error = open(&plain()).reader().expect("a reader").frame(FrameIdx(FRAMES)).expect_err("past the end");
    assert!(matches!(error, VideoError::OutOfRange { last: 59, .. }), "{error}");
}

#[test]
fn a_file_replaced_after_opening_is_noticed() {
    let folder = tempfile::tempdir().expect("a temp folder");
    let path = folder.path().join("clip.mp4");
    fs::copy(plain(), &path).expect("writable");
    let clip = open(&path);
    fs::copy(encoded("h264_no_b.mp4", &["-c:v", "libx264", "-bf", "0", "-g", "12"]), &path).expect("writable");
    let error = clip.reader().expect("a reader").frame(FrameIdx(30)).expect_err("another file lies there now");
    assert!(matches!(error, VideoError::Changed { .. }), "{error}");
}
