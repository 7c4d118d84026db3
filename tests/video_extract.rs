//! `extract` and the clip facts: exact files, resuming, no silent overwriting.

#![cfg(feature = "video")]

mod video_support;

use std::fs;
use std::ops::ControlFlow;
use std::path::Path;

use label_hub::cli::clip_facts::ClipReport;
use label_hub::cli::exit::{CliError, Exit};
use label_hub::cli::extract::{self, ExtractArgs, ExtractSummary, Extracted, ImageFormat};
use label_hub::cli::signals::StopFlag;
use label_hub::cli::track::Surroundings;
use label_hub::video::RgbImage;
use video_support::{FRAMES, number_in, open, plain};

fn arguments(out: &Path) -> ExtractArgs {
    ExtractArgs { video: plain(), stream: None, out: out.to_owned(), every: 7, format: ImageFormat::Png, json: false }
}

fn number_in_file(path: &Path) -> u32 {
    let image = image::open(path).unwrap_or_else(|error| panic!("{}: {error}", path.display())).into_rgb8();
    let size = label_hub::label::FrameSize { width: image.width(), height: image.height() };
    number_in(&RgbImage { size, pixels: image.into_raw() })
}

fn go_on(_: &Extracted<'_>) -> Result<ControlFlow<()>, CliError> {
    Ok(ControlFlow::Continue(()))
}

/// Extracts without a word.
fn extract(
    args: &ExtractArgs,
    each: &mut dyn FnMut(&Extracted<'_>) -> Result<ControlFlow<()>, CliError>,
) -> anyhow::Result<ExtractSummary> {
    extract::run(args, &open(&args.video), each)
}

#[test]
fn every_nth_frame_is_extracted_with_its_time() {
    let folder = tempfile::tempdir().expect("a temp folder");
    let out = folder.path().join("new/frames");
    let summary = extract(&arguments(&out), &mut go_on).expect("extracts");
    assert_eq!((summary.written, summary.already_there, summary.is_stopped), (9, 0, false));
    for number in (0..FRAMES).step_by(7) {
        assert_eq!(number_in_file(&out.join(format!("{number:05}.png"))), number);
    }
    let table = fs::read_to_string(out.join("frames.csv")).expect("the table");
    let lines: Vec<&str> = table.lines().collect();
    assert_eq!(lines.len(), 10);
    assert_eq!(lines[0], "index,pts,seconds,file,damaged,name");
    assert!(lines[2].starts_with("7,") && lines[2].contains(",0.280000,00007.png,"), "{}", lines[2]);
}

#[test]
fn a_stopped_run_goes_on_to_the_same_files() {
    let folder = tempfile::tempdir().expect("a temp folder");
    let (broken, whole) = (folder.path().join("broken"), folder.path().join("whole"));
    let mut done = 0;
    let stop_after_three = &mut |_: &Extracted<'_>| {
        done += 1;
        Ok(if done == 3 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
    };
    let first = extract(&arguments(&broken), stop_after_three).expect("stops");
    assert_eq!((first.written, first.is_stopped), (3, true));
    let second = extract(&arguments(&broken), &mut go_on).expect("goes on");
    assert_eq!((second.written, second.already_there), (6, 3));
    extract(&arguments(&whole), &mut go_on).expect("extracts");
    for entry in fs::read_dir(&whole).expect("readable") {
        let name = entry.expect("readable").file_name();
        let same = fs::read(whole.join(&name)).expect("there") == fs::read(broken.join(&name)).expect("there as well");
        assert!(same, "{}", name.to_string_lossy());
    }
}

#[test]
fn a_stop_while_the_clip_is_read_ends_at_once_and_makes_nothing() {
    let folder = tempfile::tempdir().expect("a temp folder");
    let out = folder.path().join("out");
    let stop = StopFlag::default();
    stop.interrupt();
    let (stdout, stderr) = (&mut Vec::new(), &mut Vec::new());
    let around = Surroundings { stop: &stop, is_terminal: false, stdout, stderr };
    let stopped = extract::command_with(&arguments(&out), around);
    assert!(matches!(stopped, Err(CliError::Told { exit: Exit::Interrupted, .. })), "{stopped:?}");
    assert!(!out.exists());
}

#[test]
fn nothing_foreign_is_overwritten() {
    let folder = tempfile::tempdir().expect("a temp folder");
    fs::write(folder.path().join("00000.png"), b"mine").expect("writable");
    let error = extract(&arguments(folder.path()), &mut go_on).expect_err("not empty");
    assert!(error.to_string().contains("not empty"), "{error}");
    let out = folder.path().join("out");
    extract(&arguments(&out), &mut go_on).expect("extracts");
    let other = ExtractArgs { format: ImageFormat::Jpg, ..arguments(&out) };
    let error = extract(&other, &mut go_on).expect_err("other options");
    assert!(error.to_string().contains("--format png"), "{error}");
}

#[test]
fn facts_of_a_clip_are_complete() {
    let clip = open(&plain());
    let mut facts = ClipReport::of(&clip);
    let mut seen = 0;
    facts.look_for_damage(&clip, &mut || ControlFlow::Break(())).expect("readable");
    assert_eq!(facts.damaged_frames, None, "who stops early knows nothing");
    let each = &mut || {
        seen += 1;
        ControlFlow::Continue(())
    };
    facts.look_for_damage(&clip, each).expect("readable");
    assert_eq!(seen, FRAMES);
    assert_eq!((facts.frame_count, facts.key_frame_count, facts.codec.as_str()), (60, 5, "h264"));
    assert_eq!(facts.damaged_frames, Some(Vec::new()));
    assert!((facts.duration_secs - 2.4).abs() < 1e-6, "{}", facts.duration_secs);
    let json = serde_json::to_value(&facts).expect("serialises");
    assert_eq!(json["size"]["width"], 160);
    let shown = facts.to_string();
    assert!(shown.contains("60 (5 key frames)") && shown.contains("25.000 frames/s"), "{shown}");
}
