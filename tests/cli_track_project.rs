//! `track --project` with the test engine: what comes into the project, what stays, and that stopped and killed runs go
//! on.

mod cli_support;
mod engine_support;

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;

use cli_support::{
    FRAMES, Seed, act, begin, begin_on, click, disc, expect, fox, json_lines, look, of_kind, shown, start,
};
use engine_support::{DiscClip, clicks, positive};
use label_hub::label::{Change, FrameIdx, FrameMark, Mask, ObjectFacts, Provenance};
use label_hub::store::{LabelStore, ProjectCopy};

fn home() -> tempfile::TempDir {
    tempfile::tempdir().expect("a temporary folder")
}

fn track<'a>(clip: &'a DiscClip, flags: &[&'a str]) -> Vec<&'a str> {
    [&["track", "--project", shown(clip.path()), "--model", "fake", "--json"], flags].concat()
}

#[test]
fn tracked_masks_come_into_the_project_and_a_second_run_has_nothing_to_do() {
    let (clip, home) = (disc(), home());
    let locked = Seed { id: 2, name: "rock", class: None, is_locked: true, clicked: &[0] };
    let untold = Seed { id: 3, name: "tree", class: None, is_locked: false, clicked: &[] };
    begin(&clip, &[fox(&[4]), locked, untold]);
    let (stdout, _) = expect(home.path(), 0, &track(&clip, &[]));
    let lines = json_lines(&stdout);
    let notices: Vec<_> = of_kind(&lines, "notice").iter().map(|line| line["message"].to_string()).collect();
    assert!(notices[0].contains("rock") && notices[0].contains("locked"), "{notices:?}");
    assert!(notices[1].contains("tree") && notices[1].contains("no prompt"), "{notices:?}");
    assert_eq!(of_kind(&lines, "start")[0]["objects"], serde_json::json!([1]));
    assert_eq!(of_kind(&lines, "frame").len(), FRAMES as usize);
    assert_eq!(of_kind(&lines, "done")[0]["masks"], FRAMES);

    let seen = look(clip.path());
    assert_eq!(seen.frames(1), (0..FRAMES).collect::<Vec<_>>());
    assert_eq!(seen.marks.len(), FRAMES as usize, "the others are left alone");
    for ((_, frame), mark) in &seen.marks {
        let expected = if *frame == 4 { Provenance::Prompted } else { Provenance::Tracked };
        assert_eq!((mark.provenance, mark.revision, mark.is_approved), (expected, 1, false), "frame {frame}");
        let mask = &seen.masks[&(1, *frame)];
        assert!(mask.iou(&clip.truth(*frame)) > 0.9, "frame {frame}");
        assert_eq!(mark.area, mask.area());
        assert!(mark.object_score > 0.0 && mark.predicted_iou > 0.0 && mark.stability > 0.0, "{mark:?}");
    }
    assert_eq!(seen.steps(), ["labels", "track fox"], "one step for the run");
    assert_eq!(seen.done[1].edit.changes.len(), FRAMES as usize);

    let (stdout, _) = expect(home.path(), 0, &track(&clip, &[]));
    let lines = json_lines(&stdout);
    assert!(stdout.contains("nothing to do"), "{stdout}");
    let done = of_kind(&lines, "done")[0];
    assert_eq!((&done["frames"], &done["masks"]), (&0.into(), &0.into()));
    assert_eq!(look(clip.path()), seen);
    let beside = fs::read_dir(clip.path().parent().expect("a folder")).expect("readable").count();
    assert_eq!(beside, 2, "the clip and its project, no masks");
}

#[test]
fn what_the_labeller_made_stays_and_what_is_stale_comes_anew() {
    let (clip, home) = (disc(), home());
    begin(&clip, &[fox(&[4])]);
    expect(home.path(), 0, &track(&clip, &[]));
    // Frame 2 is approved, frame 6 painted over, frame 8 corrected; the correction makes the rest stale.
    let painted = Mask::from_fn(clip.size, |i| i < 50);
    act(&clip, |store, snapshot| {
        let (id, facts) = snapshot.objects[0].clone();
        let mark = |frame: u32| snapshot.marks.iter().find(|(_, f, _)| f.0 == frame).map(|(.., mark)| *mark);
        let revision = snapshot.last_revision + 1;
        let approved = mark(2).map(|mark| FrameMark { is_approved: true, ..mark });
        let paint = FrameMark::painted(store.put(&painted), &painted, revision);
        let change =
            |frame: u32, after| Change::Mark { object: id, frame: FrameIdx(frame), before: mark(frame), after };
        vec![
            Change::Object { id, before: Some(facts.clone()), after: Some(ObjectFacts { revision, ..facts }) },
            Change::Prompt { object: id, frame: FrameIdx(8), before: None, after: Some(click(&clip, 8)) },
            change(2, approved),
            change(6, Some(paint)),
        ]
    });
    let before = look(clip.path());
    expect(home.path(), 0, &track(&clip, &[]));
    let after = look(clip.path());
    for frame in [2, 4, 6] {
        assert_eq!(after.marks[&(1, frame)], before.marks[&(1, frame)], "frame {frame}");
    }
    assert_eq!(after.masks[&(1, 6)], painted);
    let revision = after.objects[&1].revision;
    for frame in [0, 1, 3, 5, 7, 8, 9, 10, 11] {
        let mark = after.marks[&(1, frame)];
        assert_eq!(mark.revision, revision, "frame {frame}");
        let expected = if frame == 8 { Provenance::Prompted } else { Provenance::Tracked };
        assert_eq!(mark.provenance, expected, "frame {frame}");
    }
    assert_eq!(after.steps(), ["labels", "track fox", "labels", "track fox"]);
    let step = &after.done[3].edit;
    assert_eq!(step.changes.len(), 9);
    for change in &step.changes {
        let Change::Mark { frame, before: old, .. } = change else { panic!("{change:?}") };
        assert_eq!(old, &Some(before.marks[&(1, frame.0)]), "undo brings back what was there");
    }
}

#[test]
fn range_direction_and_in_and_out_limit_a_run() {
    type Case = (&'static str, &'static [&'static str], Option<(u32, u32)>, &'static [u32]);
    let cases: [Case; 5] = [
        ("forward", &["--direction", "forward"], None, &[4, 5, 6, 7, 8, 9, 10, 11]),
        ("range", &["--range", "3..5"], None, &[3, 4, 5]),
        ("backward in a range", &["--range", "2..9", "--direction", "backward"], None, &[2, 3, 4]),
        ("in and out", &[], Some((4, 6)), &[4, 5, 6]),
        ("a range over in and out", &["--range", "6..7"], Some((4, 6)), &[6, 7]),
    ];
    for (name, flags, in_out, expected) in cases {
        let (clip, home) = (disc(), home());
        begin(&clip, &[fox(&[4])]);
        let after = in_out.map(|(first, last)| (FrameIdx(first), FrameIdx(last)));
        act(&clip, |_, _| vec![Change::InOut { before: None, after }]);
        expect(home.path(), 0, &track(&clip, flags));
        assert_eq!(look(clip.path()).frames(1), expected, "{name}");
    }
}

#[test]
fn masks_are_written_too_when_a_folder_is_named() {
    let (clip, home) = (disc(), home());
    begin(&clip, &[fox(&[4])]);
    for _ in 0..2 {
        let (stdout, _) = expect(home.path(), 0, &track(&clip, &["--range", "3..4", "--out", "masks", "--overwrite"]));
        let lines = json_lines(&stdout);
        assert_eq!(of_kind(&lines, "done").len(), 1);
        assert_eq!(lines.last().expect("some")["event"], "done", "when the masks are written too: {stdout}");
        let masks = home.path().join("masks");
        let mask = label_hub::formats::npy::read_mask(&masks.join("3_1.npy"), clip.size).expect("a mask");
        assert_eq!(mask, look(clip.path()).masks[&(1, 3)]);
        assert!(masks.join("4_1.npy").exists() && !masks.join("5_1.npy").exists());
    }
}

#[test]
fn damaged_frames_get_no_mask_and_are_listed() {
    let (clip, home) = (disc(), home());
    clip.damage(7);
    begin(&clip, &[fox(&[4])]);
    let (stdout, _) = expect(home.path(), 0, &track(&clip, &["--out", "masks"]));
    let lines: Vec<_> = stdout.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
    assert_eq!(of_kind(&lines, "done")[0]["damaged"], serde_json::json!([7]));
    assert!(!look(clip.path()).frames(1).contains(&7));
    let masks = home.path().join("masks");
    assert!(masks.join("6_1.npy").exists() && !masks.join("7_1.npy").exists());
    // Asked for, they get what the model makes of them, and are listed all the same.
    let (stdout, _) = expect(home.path(), 0, &track(&clip, &["--damaged", "use"]));
    let lines: Vec<_> = stdout.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
    assert_eq!(of_kind(&lines, "done")[0]["damaged"], serde_json::json!([7]));
    assert!(look(clip.path()).frames(1).contains(&7));
    let (_, stderr) = expect(home.path(), 2, &track(&clip, &["--damaged", "hold"]));
    assert!(stderr.contains("skip or use"), "{stderr}");
}

#[test]
fn a_folder_that_cannot_be_had_is_told_before_anything_is_tracked() {
    let (clip, home) = (disc(), home());
    begin(&clip, &[fox(&[4])]);
    std::fs::create_dir(home.path().join("masks")).expect("writable");
    std::fs::write(home.path().join("masks/mine.txt"), b"x").expect("writable");
    for flags in [&["--out", "masks"][..], &["--out", "masks", "--overwrite"]] {
        let (_, stderr) = expect(home.path(), 2, &track(&clip, flags));
        assert!(stderr.contains("masks"), "{stderr}");
        assert_eq!(look(clip.path()).frames(1), [0_u32; 0], "{flags:?}");
    }
}

#[test]
fn the_model_gives_the_masks_it_gives_without_a_project() {
    let home = home();
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/small");
    let clip = home.path().join("clip");
    fs::create_dir(&clip).expect("writable");
    for entry in fs::read_dir(data.join("frames")).expect("readable") {
        let entry = entry.expect("readable");
        fs::copy(entry.path(), clip.join(entry.file_name())).expect("writable");
    }
    // One click: of several, the engine takes one after the other, as they are made in the window.
    begin_on(&clip, &[fox(&[1])], |_| clicks(&[positive(40.0, 30.0)]));
    let model = data.join("small.safetensors");
    let with_project =
        ["track", "--project", shown(&clip), "--model", shown(&model), "--device", "cpu", "--direction", "forward"];
    expect(home.path(), 0, &with_project);
    let alone = ["track", shown(&clip), "--model", shown(&model), "--device", "cpu", "--out", "alone"];
    expect(home.path(), 0, &[&alone[..], &["--point", "1:1:40,30"]].concat());

    let seen = look(&clip);
    assert!(seen.marks.len() > 2);
    for ((object, frame), mask) in &seen.masks {
        let path = home.path().join(format!("alone/{frame}_{object}.npy"));
        let other = label_hub::formats::npy::read_mask(&path, mask.size()).expect("a mask");
        assert!(other == *mask, "frame {frame}: IoU {}", other.iou(mask));
    }
}

#[cfg(feature = "video")]
#[test]
fn a_video_is_tracked_and_exported_like_a_folder() {
    // Large and plain enough to come through an encoder.
    let (clip, home) = (DiscClip::new(320, 200, FRAMES, false), home());
    begin(&clip, &[fox(&[4])]);
    // The overlay without a mask in it is the clip as a video.
    expect(home.path(), 0, &["export", shown(clip.path()), "--format", "overlay", "--out", "as-video"]);
    let video = home.path().join("as-video/disc.mp4");
    begin_on(&video, &[fox(&[4])], |frame| click(&clip, frame));
    expect(home.path(), 0, &["track", "--project", shown(&video), "--model", "fake"]);
    let seen = look(&video);
    assert_eq!(seen.frames(1), (0..FRAMES).collect::<Vec<_>>());
    for ((_, frame), mask) in &seen.masks {
        let iou = mask.iou(&clip.truth(*frame));
        assert!(iou > 0.9, "frame {frame}: {iou}");
    }
    let project = home.path().join("as-video/disc.mp4.labelhub");
    let (stdout, _) =
        expect(home.path(), 0, &["export", shown(&project), "--format", "coco", "--images", "png", "--out", "coco"]);
    assert!(stdout.contains("12 masks, 12 pictures"), "{stdout}");
}

#[test]
fn a_model_that_cannot_be_used_ends_with_4_before_anything_happens() {
    let (clip, home) = (disc(), home());
    begin(&clip, &[fox(&[4])]);
    fs::write(home.path().join("broken.pt"), b"PK\x03\x04").expect("writable");
    let before = fs::read(clip.project()).expect("readable");
    for model in ["sam2.1_hiera_tiny", "none.pt", "broken.pt"] {
        let (_, stderr) = expect(home.path(), 4, &["track", "--project", shown(clip.path()), "--model", model]);
        assert!(stderr.contains(model), "{stderr}");
    }
    assert_eq!(fs::read(clip.project()).expect("readable"), before);
}

/// Ten objects of one click on a long clip: so many lines that the program cannot get rid of all before somebody reads
/// them, and stands in the middle of its run.
fn crowd() -> DiscClip {
    let clip = DiscClip::new(48, 32, 160, false);
    let seeds: Vec<Seed> =
        (1..=10).map(|id| Seed { id, name: "one of many", class: None, is_locked: false, clicked: &[0] }).collect();
    begin(&clip, &seeds);
    clip
}

#[test]
fn a_killed_run_keeps_what_it_made_and_the_next_one_goes_on() {
    let (clip, home) = (crowd(), home());
    let mut child = start(home.path(), &track(&clip, &[]));
    let mut lines = BufReader::new(child.stdout.take().expect("piped")).lines();
    for _ in 0..60 {
        lines.next().expect("more of the run").expect("readable");
    }
    // Until the first frames are in the file; whoever has it open does not keep us from reading.
    let saved = || look(&clip.project()).marks.len();
    while saved() < 20 {}
    let (_, stderr) = expect(home.path(), 5, &track(&clip, &[]));
    assert!(stderr.contains(&format!("process {}", child.id())), "{stderr}");
    expect(home.path(), 0, &["export", shown(clip.path()), "--format", "coco", "--out", "while-it-runs"]);
    child.kill().expect("a child of ours");
    child.wait().expect("a child of ours");

    let kept = look(&clip.project());
    let total = 10 * clip.frames as usize;
    assert!((20..total).contains(&kept.marks.len()), "{} masks", kept.marks.len());
    assert_eq!(kept.steps(), ["labels", "track 10 objects"]);
    assert_eq!(kept.done[1].edit.changes.len(), kept.marks.len(), "the step holds what is there");
    let (stdout, _) = expect(home.path(), 0, &track(&clip, &[]));
    let lines = json_lines(&stdout);
    assert_eq!(of_kind(&lines, "start")[0]["resumed"], kept.marks.len());
    assert_eq!(of_kind(&lines, "done")[0]["masks"], total - kept.marks.len());
    let resumed = look(clip.path());

    let whole = crowd();
    expect(home.path(), 0, &track(&whole, &[]));
    assert_eq!(resumed.masks, look(whole.path()).masks, "the same masks as in one go");
    for (key, mark) in &kept.marks {
        assert_eq!(resumed.marks[key], *mark, "what was there was not made again");
    }
}

#[cfg(unix)]
#[test]
fn ctrl_c_ends_a_run_in_order_and_it_goes_on() {
    let (clip, home) = (crowd(), home());
    let mut child = start(home.path(), &track(&clip, &[]));
    let mut lines = BufReader::new(child.stdout.take().expect("piped")).lines();
    let mut all: Vec<String> = lines.by_ref().take(60).map(|line| line.expect("readable")).collect();
    let id = child.id().to_string();
    let sent = std::process::Command::new("sh").args(["-c", "kill -INT $0", &id]).status().expect("a shell");
    assert!(sent.success());
    all.extend(lines.map(|line| line.expect("readable")));
    assert_eq!(child.wait().expect("a child of ours").code(), Some(130));
    let lines = json_lines(&all.join("\n"));
    let stopped = of_kind(&lines, "stopped")[0];
    let kept = look(clip.path());
    assert_eq!(stopped["masks"], kept.marks.len(), "what it says it kept is there");
    assert!(stopped["message"].as_str().is_some_and(|text| text.contains("again to go on")), "{stopped}");
    assert!(kept.marks.len() < 10 * clip.frames as usize);
    expect(home.path(), 0, &track(&clip, &[]));
    assert_eq!(look(clip.path()).marks.len(), 10 * clip.frames as usize);
}

#[test]
fn a_damaged_project_is_recovered_and_shown_before_it_is_worked_on() {
    let (clip, home) = (disc(), home());
    begin(&clip, &[fox(&[4])]);
    expect(home.path(), 0, &track(&clip, &["--range", "4..6"]));
    // One mask's bytes: the database is sound for SQLite's eyes only when its pages are, so a page is spoilt.
    let project = clip.project();
    let mut bytes = fs::read(&project).expect("readable");
    let last = bytes.len() - 4096;
    bytes[last..].fill(0xEE);
    fs::write(&project, bytes).expect("writable");
    let (_, stderr) = expect(home.path(), 5, &track(&clip, &[]));
    assert!(stderr.contains("was damaged") && stderr.contains("recovered-1"), "{stderr}");
    let (stdout, _) = expect(home.path(), 0, &track(&clip, &[]));
    assert!(stdout.contains("recovered"), "{stdout}");
    let recovered = project.with_file_name("disc.recovered-1.labelhub");
    assert_eq!(look(&recovered).frames(1).len(), FRAMES as usize);
    expect(home.path(), 0, &["export", shown(&project), "--format", "npy", "--out", "from-recovered"]);
    assert!(ProjectCopy::take(&project).is_ok(), "the damaged one is still there");
    assert_eq!(look(&project).objects[&1].name, "fox");
    assert_eq!(look(&project).marks, look(&recovered).marks, "a look at the damaged one shows what was recovered");
}
