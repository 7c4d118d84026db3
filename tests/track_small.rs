//! `label-hub track` from the outside, on the project's own small model and frames: files, resuming, both directions.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::Arc;

use label_hub::engine::{
    ClipFrames, DeviceChoice, FramePrompt, ObjectPrompts, Preparation, PromptRequest, Sam2Segmenter, Segmenter,
    TrackDirection, TrackRequest,
};
use label_hub::formats::npy;
use label_hub::label::{FrameIdx, Mask, ObjectId, Point, PointLabel, Prompt};
use label_hub::sam2::checkpoint::CheckpointSource;

const FRAMES: usize = 20;

fn data() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/small")
}

/// The command with two objects: clicks on one, a box on the other in the middle of the clip.
fn track(out: &Path, more: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_label-hub"));
    command
        .arg("track")
        .arg(data().join("frames"))
        .arg("--model")
        .arg(data().join("small.safetensors"))
        .args(["--point", "0:1:30,40", "--point", "0:1:70,10:neg", "--box", "8:2:40,20,70,60", "--threads", "2"])
        .args(["--out", out.to_str().expect("temporary folders have plain names")])
        .args(more);
    command
}

fn run(command: &mut Command) -> Output {
    let output = command.output().expect("the program starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    output
}

/// Every mask file by name.
fn masks(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    std::fs::read_dir(folder)
        .expect("the output folder is there")
        .map(|entry| entry.expect("readable folder").path())
        .filter(|path| path.extension().is_some_and(|e| e == "npy"))
        .map(|path| {
            let name = path.file_name().expect("a file").to_string_lossy().into_owned();
            (name, std::fs::read(&path).expect("a readable mask"))
        })
        .collect()
}

#[test]
fn forward_writes_every_frame_from_each_objects_first_prompt() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    run(&mut track(folder.path(), &[]));
    let masks = masks(folder.path());
    let expected: Vec<String> =
        (0..FRAMES).map(|f| format!("{f}_1.npy")).chain((8..FRAMES).map(|f| format!("{f}_2.npy"))).collect();
    assert_eq!(masks.len(), expected.len());
    for name in expected {
        let bytes = &masks[&name];
        assert_eq!(&bytes[..6], b"\x93NUMPY", "{name}");
        assert_eq!(bytes.len(), 128 + 96 * 72, "{name} holds 72 rows of 96 bytes");
        assert!(bytes[128..].iter().all(|v| *v <= 1), "{name} is binary");
    }
}

#[test]
fn both_directions_cover_the_range_for_every_object() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    run(&mut track(folder.path(), &["--direction", "both", "--range", "0..12"]));
    let names: Vec<String> = masks(folder.path()).into_keys().collect();
    let mut expected: Vec<String> = (0..=12).flat_map(|f| [format!("{f}_1.npy"), format!("{f}_2.npy")]).collect();
    expected.sort();
    assert_eq!(names, expected);
}

#[test]
fn a_killed_run_goes_on_to_the_same_bytes() {
    // More prompted frames than attention takes, so that some wait on disk.
    let many = ["--point", "3:1:40,40", "--point", "6:1:42,41", "--point", "12:1:45,44", "--point", "15:1:46,45"];
    let more = ["--point", "17:1:48,46", "--point", "19:1:50,46"];
    // Corrections of what was tracked, some of them before the stop.
    let corrections = ["--point", "4:1:40,40:neg", "--point", "6:1:42,41:neg", "--point", "11:2:45,44:neg"];
    let cases: [(&str, usize, Vec<&str>); 5] = [
        ("forward", 2, vec!["--direction", "forward"]),
        ("both", 2, vec!["--direction", "both"]),
        ("many prompts", 2, many.into_iter().chain(more).collect()),
        ("before corrections", 2, corrections.to_vec()),
        ("between corrections", 9, corrections.into_iter().chain(["--direction", "both"]).collect()),
    ];
    for (name, count, options) in cases {
        let whole = tempfile::tempdir().expect("a temporary folder");
        run(&mut track(whole.path(), &options));
        let expected = masks(whole.path());

        let broken = tempfile::tempdir().expect("a temporary folder");
        let mut child = track(broken.path(), &options)
            .arg("--json")
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("the program starts");
        // Killed as soon as it reports that mask.
        let lines = BufReader::new(child.stdout.take().expect("standard output is piped")).lines();
        let reported =
            lines.map_while(Result::ok).filter(|line| line.contains(r#""event":"frame""#)).take(count).count();
        assert_eq!(reported, count);
        child.kill().expect("the program still runs");
        child.wait().expect("the program ends");
        let left = masks(broken.path());
        assert!(left.len() >= count && left.len() < expected.len(), "{name}: {} masks were left", left.len());
        assert!(left.iter().all(|(file, bytes)| expected[file] == *bytes), "{name}: what was left is whole");

        run(&mut track(broken.path(), &options));
        assert_eq!(masks(broken.path()), expected, "{name}");
    }
}

/// The engine is what the window asks: tracks the object to a frame and then hears the correction.
#[test]
fn a_correction_means_what_it_means_in_the_window() {
    let (object, at) = (ObjectId(1), FrameIdx(6));
    let point = |x: f32, y: f32, label| Point { x, y, label };
    let said = |points: Vec<Point>, base: Option<&Mask>| FramePrompt {
        prompt: Arc::new(Prompt::Clicks { points, bounds: None }),
        candidate: None,
        base: base.cloned().map(Arc::new),
    };
    let first = said(vec![point(30.0, 40.0, PointLabel::Positive), point(70.0, 10.0, PointLabel::Negative)], None);
    let model = CheckpointSource::File(data().join("small.safetensors"));
    let mut window = Sam2Segmenter::load(&model, DeviceChoice::Cpu, None).expect("it loads");
    let mut frames = ClipFrames::open(&data().join("frames")).expect("it opens");
    let frames_said = [(FrameIdx(0), first)].into();
    let objects =
        vec![ObjectPrompts { object, frames: frames_said, masks: BTreeMap::new(), has: Vec::new(), asked: None }];
    let request =
        TrackRequest { objects, first: FrameIdx(0), last: at, direction: TrackDirection::Forward, uses_damaged: false };
    window.start(&mut frames, &request).expect("it starts");
    loop {
        match window.prepare(&mut frames).expect("it prepares") {
            Preparation::Needs(frame) => window.encode(&mut frames, frame).expect("it encodes"),
            Preparation::GoesOn => {}
            Preparation::Ready { .. } => break,
        }
    }
    let mut tracked = Vec::new();
    while let Some(step) = window.step(&mut frames).expect("it tracks") {
        tracked.extend(step.results.into_iter().map(|result| result.mask));
    }
    // Where the track has the object on that frame.
    let (on, _) = tracked[6].spans().next().expect("the object is there");
    let width = tracked[6].size().width as usize;
    let (x, y) = (on % width, on / width);
    let prompt = said(vec![point(x as f32, y as f32, PointLabel::Negative)], Some(&tracked[6]));
    let answer = window.answer(&mut frames, &PromptRequest { object, frame: at, prompt }).expect("it answers");
    assert_ne!(answer.result.mask, tracked[6], "the correction matters");

    let folder = tempfile::tempdir().expect("a temporary folder");
    run(&mut track(folder.path(), &["--device", "cpu", "--point", &format!("6:1:{x},{y}:neg")]));
    let written = |frame: u32| {
        let path = folder.path().join(format!("{frame}_1.npy"));
        npy::read_mask(&path, tracked[6].size()).expect("a mask")
    };
    for frame in 0..6 {
        assert!(written(frame) == tracked[frame as usize], "frame {frame} comes before the correction");
    }
    assert!(written(6) == answer.result.mask);
}

/// Boxes on the same thing, on frames far apart, and a mask that one of them is given.
#[test]
fn without_overlap_no_pixel_belongs_to_two_objects_and_a_given_mask_stays() {
    let given = tempfile::tempdir().expect("a temporary folder");
    let size = label_hub::label::FrameSize { width: 96, height: 72 };
    let drawn = Mask::from_fn(size, |i| (30..50).contains(&(i % 96)) && (20..50).contains(&(i / 96)));
    let drawn_path = given.path().join("drawn.npy");
    npy::write_mask(&drawn_path, &drawn).expect("writable");
    let drawn_flag = format!("12:3:{}", drawn_path.display());
    let options = ["--direction", "both", "--range", "4..14", "--mask", &drawn_flag, "--no-overlap"];
    let boxes = ["--box", "8:1:40,20,70,60", "--box", "10:2:40,20,70,60"];
    let track = |out: &Path, more: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_label-hub"));
        command.arg("track").arg(data().join("frames")).arg("--model").arg(data().join("small.safetensors"));
        command.args(["--threads", "2", "--device", "cpu"]).args(boxes).arg("--out").arg(out).args(more);
        command
    };
    let shared = |folder: &Path| -> u64 {
        let read = |frame: u32, object: u32| {
            npy::read_mask(&folder.join(format!("{frame}_{object}.npy")), size).expect("a mask")
        };
        let pairs = [(1, 2), (1, 3), (2, 3)];
        (4..=14).flat_map(|frame| pairs.map(|(a, b)| read(frame, a).intersection(&read(frame, b)))).sum()
    };
    let free = tempfile::tempdir().expect("a temporary folder");
    run(&mut track(free.path(), &options[..options.len() - 1]));
    assert!(shared(free.path()) > 0, "these objects do overlap");
    let whole = tempfile::tempdir().expect("a temporary folder");
    run(&mut track(whole.path(), &options));
    assert_eq!(shared(whole.path()), 0);
    assert!(npy::read_mask(&whole.path().join("12_3.npy"), size).expect("a mask") == drawn, "what was given stays");

    // A run that lost some of a frame's masks comes to the same ones beside those that are left.
    let expected = masks(whole.path());
    for lost in ["12_1.npy", "12_3.npy", "9_2.npy", "5_2.npy"] {
        std::fs::remove_file(whole.path().join(lost)).expect("it is there");
    }
    run(&mut track(whole.path(), &options));
    assert_eq!(masks(whole.path()), expected);
}

#[test]
fn a_finished_run_leaves_masks_and_its_record_only() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    run(&mut track(folder.path(), &["--range", "0..9"]));
    let mut others: Vec<String> = std::fs::read_dir(folder.path())
        .expect("the output folder is there")
        .map(|entry| entry.expect("readable folder").file_name().to_string_lossy().into_owned())
        .filter(|name| !name.ends_with(".npy"))
        .collect();
    others.sort();
    assert!(others.iter().all(|name| name == "labelhub-run.json" || name.ends_with(".lock")), "{others:?}");
}

#[test]
fn other_inputs_do_not_go_on_from_a_stopped_run() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    run(&mut track(folder.path(), &["--range", "0..9"]));
    let other = track(folder.path(), &["--range", "0..10"]).output().expect("the program starts");
    assert_eq!(other.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&other.stderr).contains("--range"), "the difference is named");
    run(&mut track(folder.path(), &["--range", "0..10", "--overwrite"]));
    assert_eq!(masks(folder.path()).len(), 11 + 3);
}
