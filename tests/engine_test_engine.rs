//! The test engine finds and follows what it is meant for, and is quick enough to try the app with.

mod engine_support;

use std::path::Path;

use engine_support::{
    A, DiscClip, ask, clicks, engine, negative, object, open, positive, request, run, test_engine, track,
};
use label_hub::engine::{FramePrompt, TrackDirection};
use label_hub::label::{BoxPrompt, Prompt};

#[test]
fn a_moving_disc_is_found_and_followed() {
    for (width, height, is_speckled) in [(160, 96, false), (320, 200, true), (1280, 720, true)] {
        let disc = DiscClip::new(width, height, 14, is_speckled);
        let engine = engine(&disc.open(), test_engine());
        let prompt = clicks(&[disc.click(4)]);
        let (answer, _) = ask(&engine, request(A, 4, &prompt));
        assert!(answer.mask.iou(&disc.truth(4)) > 0.95, "{width}x{height}: {}", answer.mask.iou(&disc.truth(4)));
        let brought = track(&engine, run(vec![object(A, &[(4, prompt)], &[])], 0, 13, TrackDirection::Both));
        for frame in 0..14 {
            let iou = brought.mask(frame, A).iou(&disc.truth(frame));
            assert!(iou > 0.9, "{width}x{height}, frame {frame}: {iou}");
        }
    }
}

#[test]
fn an_object_that_leaves_is_reported_as_absent() {
    let disc = DiscClip::new(160, 96, 60, false);
    let engine = engine(&disc.open(), test_engine());
    let prompt = clicks(&[disc.click(0)]);
    let brought = track(&engine, run(vec![object(A, &[(0, prompt)], &[])], 0, 59, TrackDirection::Forward));
    let (_, last) = brought.masks.last().expect("59 frames");
    assert!(last.mask.is_empty() && last.object_score < 0.0);
    assert!(brought.masks[5].1.object_score > 0.0);
}

#[test]
fn negative_clicks_and_boxes_limit_what_grows() {
    let disc = DiscClip::new(160, 96, 1, false);
    let engine = engine(&disc.open(), test_engine());
    let background = positive(150.0, 5.0);
    let everything_else = ask(&engine, request(A, 0, &clicks(&[background]))).0;
    assert_eq!(everything_else.mask.intersection(&disc.truth(0)), 0);
    let halved = ask(&engine, request(A, 0, &clicks(&[background, negative(10.0, 90.0)]))).0;
    assert!(halved.mask.area() < everything_else.mask.area() * 9 / 10, "two clicks on one colour share it");
    assert!(halved.mask.area() > 0);
    let bounds = Some(BoxPrompt { x0: 100.0, y0: 10.0, x1: 120.0, y1: 30.0 });
    let boxed = FramePrompt { prompt: Prompt::Clicks { points: vec![], bounds }.into(), candidate: None, base: None };
    assert_eq!(ask(&engine, request(A, 0, &boxed)).0.mask.area(), 21 * 21, "a box holds the region");
    let nothing = ask(&engine, request(A, 0, &clicks(&[negative(80.0, 48.0)]))).0;
    assert!(nothing.mask.is_empty() && nothing.object_score < 0.0);
}

#[test]
fn a_real_clip_gives_something_sensible() {
    let shared = std::env::var_os("LABEL_HUB_SHARED")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared"), Into::into);
    let path = shared.join("video/juggle.mp4");
    if !path.is_file() || !cfg!(feature = "video") {
        eprintln!("SKIPPED: {} or video support is not there", path.display());
        return;
    }
    let clip = open(&path);
    let engine = engine(&clip, test_engine());
    // The man's shirt and the lit side of his ball.
    for (name, x, y, least) in [("shirt", 700.0, 230.0, 15_000), ("ball", 640.0, 325.0, 2_000)] {
        let prompt = clicks(&[positive(x, y)]);
        let (answer, candidates) = ask(&engine, request(A, 0, &prompt));
        assert_eq!(candidates.len(), 3);
        let area = answer.mask.area();
        assert!((least..60_000).contains(&area), "{name}: {area} pixels");
        let brought = track(&engine, run(vec![object(A, &[(0, prompt)], &[])], 0, 30, TrackDirection::Forward));
        let areas: Vec<u64> = brought.masks.iter().map(|(_, result)| result.mask.area()).collect();
        assert_eq!(areas.len(), 31);
        assert!(areas.iter().all(|a| (area / 3..area * 2).contains(a)), "{name}: {areas:?}");
    }
}
