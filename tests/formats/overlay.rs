//! The overlay video: every frame, at its time, with what was asked for on it.

use label_hub::formats::{FormatError, FormatId, OverlayStyle};
use label_hub::label::FrameIdx;
use label_hub::video;

use super::made_up::{Pictures, difficult, export_quietly};

#[test]
fn overlay_shows_every_frame_at_its_time() {
    for (style, width, height) in
        [(OverlayStyle::Tint, 64, 48), (OverlayStyle::Matte, 63, 47), (OverlayStyle::CutOut, 64, 48)]
    {
        let clip = difficult("clip", width, height);
        let folder = tempfile::tempdir().expect("a temporary folder");
        let target = folder.path().join("out");
        let mut pictures = Pictures(clip.size());
        let mut plan = clip.plan();
        plan.overlay = style;
        plan.clips[0].images = Some(&mut pictures);
        let report = export_quietly(FormatId::Overlay, plan, &target).unwrap_or_else(|e| panic!("{style:?}: {e}"));
        assert_eq!((report.frames, report.masks), (7, 11));
        let video = video::open_quietly(&target.join("clip.mp4")).expect("playable");
        assert_eq!(video.frame_count(), 7);
        assert_eq!((video.size().width, video.size().height), (width.next_multiple_of(2), height.next_multiple_of(2)));
        assert!((video.index().duration_secs() - 7.0 / 25.0).abs() < 0.002, "{}", video.index().duration_secs());
        let mut reader = video.reader().expect("a decoder");
        let frame = reader.frame(FrameIdx(6)).expect("in range").to_rgb();
        let (left, right) = (frame.pixel(width / 4, height / 2), frame.pixel(width - width / 4, height / 2));
        match style {
            OverlayStyle::Tint => {
                let far = left.iter().zip(right).map(|(a, b)| a.abs_diff(b)).max().expect("three");
                assert!(far > 40, "left {left:?} and right {right:?} belong to objects of other colours");
            }
            OverlayStyle::Matte => assert!(left.iter().chain(&right).all(|&v| v > 240), "{left:?} {right:?}"),
            OverlayStyle::CutOut => {
                let empty = reader.frame(FrameIdx(4)).expect("in range").to_rgb();
                assert!(empty.pixel(width / 2, 2).iter().all(|&v| v < 30), "{:?}", empty.pixel(width / 2, 2));
            }
        }
    }
}

#[test]
fn overlay_needs_pictures() {
    let clip = difficult("clip", 64, 48);
    let folder = tempfile::tempdir().expect("a temporary folder");
    let refused = export_quietly(FormatId::Overlay, clip.plan(), &folder.path().join("out"));
    assert!(matches!(refused, Err(FormatError::Picture { .. })), "{refused:?}");
}
