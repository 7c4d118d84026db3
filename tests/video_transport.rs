//! Transport streams of which packets are lost: what is marked, and what is not.

#![cfg(feature = "video")]

mod video_support;

use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};

use label_hub::label::FrameIdx;
use label_hub::video::Damage;
use video_support::{check_jumps, damaged_frames, encoded, has_encoder, made, open};

/// Which packet of a transport stream is lost, of those that a picture comes in.
#[derive(Clone, Copy)]
enum Loss {
    First,
    Middle,
}

/// The clip, a transport stream of pictures alone, without one packet of its `picture`th picture in the file.
fn lossy(source: &Path, picture: usize, loss: Loss) -> PathBuf {
    let stem = source.file_stem().expect("a name").to_string_lossy();
    let bytes = fs::read(source).expect("just made");
    made(&format!("{stem}_loss_{picture}.ts"), |path| {
        let packets: Vec<&[u8]> = bytes.chunks(188).collect();
        // ISO/IEC 13818-1, 2.4.3.2: 13 bits name what a packet is part of; another bit says that a picture starts in it.
        let of_pictures = |at: &usize| u16::from_be_bytes([packets[*at][1], packets[*at][2]]) & 0x1fff == 0x100;
        let of_pictures: Vec<usize> = (0..packets.len()).filter(of_pictures).collect();
        let runs: Vec<&[usize]> = of_pictures.chunk_by(|_, &next| packets[next][1] & 0x40 == 0).collect();
        let run = runs[picture];
        assert!(run.len() > 2, "{stem}: picture {picture} comes in {} packets", run.len());
        let lost = match loss {
            Loss::First => run[0],
            Loss::Middle => run[run.len() / 2],
        };
        let rest = [&bytes[..lost * 188], &bytes[(lost + 1) * 188..]].concat();
        fs::write(path, rest).expect("the target folder is writable");
    })
}

#[test]
fn what_a_transport_stream_loses_is_marked_where_it_is_lost() {
    let cases: [(&str, &str, &[&str]); 3] = [
        ("loss_h264.ts", "libx264", &["-x264-params", "scenecut=0"]),
        ("loss_hevc.ts", "libx265", &["-x265-params", "scenecut=0:open-gop=0:keyint=30:bframes=0:log-level=error"]),
        ("loss_mpeg2.ts", "mpeg2video", &["-q:v", "3", "-sc_threshold", "1000000000"]),
    ];
    for (name, encoder, arguments) in cases {
        if !has_encoder(encoder) {
            continue;
        }
        let sound = encoded(name, &[&["-c:v", encoder, "-g", "30", "-bf", "0"], arguments].concat());
        // The first key frame, a packet amid its group, and the next key frame.
        for (picture, marked) in [(0, 0..30), (20, 20..30), (30, 30..60)] {
            let path = lossy(&sound, picture, Loss::Middle);
            assert_eq!(damaged_frames(&path), marked.collect::<Vec<u32>>(), "{name}, picture {picture}");
            check_jumps(&path, 40);
        }
    }
}

#[test]
fn a_picture_that_swallowed_another_is_not_the_only_damaged_one() {
    // I P B B P B B P …: without its start, the P of packet 22 goes on the B before it, which nothing is predicted from.
    let b_frames = ["-bf", "2", "-x264-params", "b-adapt=0:b-pyramid=none:scenecut=0"];
    let sound = encoded("swallow_h264.ts", &[&["-c:v", "libx264", "-g", "30"], &b_frames[..]].concat());
    let path = lossy(&sound, 22, Loss::First);
    let pictures = |path: &Path, is_wanted: fn(Option<&Damage>) -> bool| {
        let clip = open(path);
        let mut reader = clip.reader().expect("a reader");
        let frames = (0..clip.frame_count()).map(|idx| reader.frame(FrameIdx(idx)).expect("a frame"));
        frames.filter(|frame| is_wanted(frame.damage())).map(|frame| frame.to_rgb().pixels).collect::<HashSet<_>>()
    };
    let passed_as_sound = pictures(&path, |damage| damage.is_none());
    assert!(passed_as_sound.is_subset(&pictures(&sound, |_| true)), "a wrong picture is not marked");
    assert!(passed_as_sound.len() > 40, "{} pictures are sound", passed_as_sound.len());
    check_jumps(&path, 40);
}
