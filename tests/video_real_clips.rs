//! Random access equals sequential on the shared real clips, and their frames are the ones extracted elsewhere.

#![cfg(feature = "video")]

mod video_support;

use std::path::PathBuf;

use label_hub::label::FrameIdx;
use video_support::{check_jumps, damaged_frames, open};

/// The folder of real clips, or `None` with a word about it.
fn real_clips() -> Option<PathBuf> {
    let from_videos = std::env::var_os("LABEL_HUB_TEST_VIDEOS").map(PathBuf::from);
    let from_shared = std::env::var_os("LABEL_HUB_SHARED").map(|shared| PathBuf::from(shared).join("video"));
    let beside = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../shared/video");
    let folder = from_videos.or(from_shared).unwrap_or(beside);
    if folder.join("bedroom.mp4").exists() {
        return Some(folder);
    }
    eprintln!("SKIPPED: no real clips in {} (set LABEL_HUB_TEST_VIDEOS)", folder.display());
    None
}

#[test]
fn real_clips_are_exact() {
    let Some(folder) = real_clips() else { return };
    for (name, frames) in [("bedroom.mp4", 200), ("juggle.mp4", 247), ("dog.mp4", 289)] {
        let path = folder.join(name);
        assert_eq!(open(&path).frame_count(), frames, "{name}");
        check_jumps(&path, 20);
        assert_eq!(damaged_frames(&path), Vec::<u32>::new(), "{name}");
    }
}

#[test]
fn every_third_bedroom_frame_is_the_shared_image() {
    let Some(folder) = real_clips() else { return };
    let (clip, images) = (open(&folder.join("bedroom.mp4")), open(&folder.join("bedroom_png")));
    let (mut frames, mut pictures) = (clip.reader().expect("a reader"), images.reader().expect("a reader"));
    for idx in 0..images.frame_count() {
        let expected = pictures.frame(FrameIdx(idx)).expect("readable").to_rgb();
        let distance = |frame: FrameIdx, frames: &mut label_hub::video::Reader| {
            let ours = frames.frame(frame).expect("readable").to_rgb();
            let sum: u64 = ours.pixels.iter().zip(&expected.pixels).map(|(a, b)| u64::from(a.abs_diff(*b))).sum();
            sum as f64 / ours.pixels.len() as f64
        };
        // The images were converted with coarser chroma; a neighbouring frame is further away than that.
        let same = distance(FrameIdx(idx * 3), &mut frames);
        assert!(same < 2.0, "image {idx} differs by {same}");
        assert!(distance(FrameIdx(idx * 3 + 1), &mut frames) > same, "image {idx} is frame {}", idx * 3);
    }
}
