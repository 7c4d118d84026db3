//! A file with several video streams in the window: the choice is offered, and each stream has labels of its own.
#![cfg(all(feature = "gui", feature = "video"))]

mod app_support;
mod video_support;

use std::fs;
use std::path::{Path, PathBuf};

use app_support::{Lab, click, test_engine};
use label_hub::app::action::{Action, ProjectChoice};
use label_hub::app::facts::{AppFacts, ClipState, ModelState};
use label_hub::app::notices::{Notice, Notices};
use label_hub::app::settings::Settings;
use label_hub::app::state::OpenClip;
use label_hub::label::{FrameSize, ObjectId, Point, PointLabel};
use video_support::two_streams;

/// A clip with two streams in a folder of its own.
fn clip() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let clip = folder.path().canonicalize().expect("it is there").join("two.mkv");
    fs::copy(two_streams("two_streams.mkv"), &clip).expect("writable");
    (folder, clip)
}

fn show(clip: &Path, stream: u32) -> Action {
    Action::OpenWith(clip.to_owned(), Some(stream), ProjectChoice::Own)
}

/// Opens a clip and waits until it is open or given up.
fn try_open(lab: &mut Lab, action: Action) {
    lab.act(action);
    lab.wait("the clip is open or refused", |world| world.resource::<AppFacts>().clip != ClipState::Opening);
}

/// Clicks the middle and names the object that comes of it.
fn label(lab: &mut Lab, name: &str) {
    lab.act(click(Point { x: 80.0, y: 50.0, label: PointLabel::Positive }));
    lab.wait_for_answers();
    lab.act(Action::Rename(ObjectId(1), name.to_owned()));
}

/// Number, size and length of the stream on screen.
fn shown(lab: &Lab) -> (Option<u32>, FrameSize, u32) {
    let clip = lab.app.world().resource::<OpenClip>().clip().expect("a clip is open");
    (clip.facts().stream, clip.size(), clip.frame_count())
}

/// The notice on screen that there are several streams.
fn said_of_streams(lab: &Lab) -> Option<Notice> {
    let notices = lab.app.world().resource::<Notices>().on_screen();
    notices.iter().find(|notice| notice.text.contains("video streams")).cloned()
}

const STREAM_0: (Option<u32>, FrameSize, u32) = (Some(0), FrameSize { width: 160, height: 120 }, 60);
const STREAM_1: (Option<u32>, FrameSize, u32) = (Some(1), FrameSize { width: 160, height: 96 }, 40);

#[test]
fn every_stream_has_labels_of_its_own_and_comes_back_with_its_project() {
    let (folder, clip) = clip();
    let mut lab = Lab::with_clip(&clip);
    assert_eq!(shown(&lab), STREAM_0);
    label(&mut lab, "of 0");
    let of_0 = lab.labels();
    let notice = said_of_streams(&lab).expect("nobody asked for a stream");
    assert_eq!(notice.text, "2 video streams: stream 0 is shown");
    assert_eq!(notice.ways_out, [("Show stream 1 (mpeg4, 160x96)".to_owned(), show(&clip, 1))]);

    try_open(&mut lab, notice.ways_out[0].1.clone());
    assert_eq!((shown(&lab), lab.facts().objects.len()), (STREAM_1, 0), "what was labelled on stream 0 is not here");
    label(&mut lab, "of 1");
    let of_1 = lab.labels();
    assert_ne!(of_0, of_1);
    assert_eq!(said_of_streams(&lab), None, "whoever asked for a stream knows");
    let project = clip.with_file_name("two.mkv.stream1.labelhub");
    assert_eq!(lab.app.world().resource::<Settings>().recent, [project.clone(), clip.clone()]);
    // The open project is not read a second time to know its clip.
    try_open(&mut lab, Action::Open(project.clone()));
    assert_eq!((shown(&lab), lab.labels()), (STREAM_1, of_1.clone()));
    try_open(&mut lab, show(&clip, 0));
    assert_eq!((shown(&lab), lab.labels()), (STREAM_0, of_0.clone()), "asked for by its number it is the same clip");
    drop(lab);

    let mut names: Vec<_> =
        fs::read_dir(folder.path()).expect("readable").map(|entry| entry.expect("readable").file_name()).collect();
    names.sort();
    assert_eq!(names, ["two.mkv", "two.mkv.labelhub", "two.mkv.stream1.labelhub"]);
    for (action, stream, labels) in [
        (Action::Open(project), STREAM_1, &of_1),
        (Action::Open(clip.clone()), STREAM_0, &of_0),
        (Action::Open(clip.with_file_name("two.mkv.labelhub")), STREAM_0, &of_0),
        (show(&clip, 1), STREAM_1, &of_1),
    ] {
        let mut lab = Lab::new();
        try_open(&mut lab, action);
        assert_eq!((shown(&lab), &lab.labels()), (stream, labels));
    }
}

#[test]
fn labels_of_one_stream_do_not_get_onto_another_unasked() {
    let (_folder, clip) = clip();
    let mut lab = Lab::new();
    lab.act(Action::LoadModel(test_engine()));
    try_open(&mut lab, show(&clip, 1));
    lab.wait("the model is there", |world| world.resource::<AppFacts>().model == ModelState::Ready);
    label(&mut lab, "of 1");
    drop(lab);
    let project = clip.with_file_name("two.mkv.stream1.labelhub");
    let mut lab = Lab::new();
    try_open(&mut lab, Action::OpenWith(clip.clone(), None, ProjectChoice::At(project.clone())));
    assert_eq!(lab.facts().clip, ClipState::None);
    let said = lab.said().join("\n");
    assert!(said.contains("the labels are of another clip") && said.contains("two.mkv, stream 1)"), "{said}");

    try_open(&mut lab, show(&clip, 5));
    let said = lab.said().join("\n");
    assert!(said.contains("stream 5 is not a video stream") && said.contains("1 (mpeg4, 160x96)"), "{said}");
    try_open(&mut lab, Action::Open(project));
    assert_eq!((shown(&lab), lab.facts().objects.len()), (STREAM_1, 1));
}
