//! `track --truth`: what is scored, what is said, and what is refused, with a tracker whose masks are known.

mod checkpoint_support;

use std::cell::Cell;
use std::fs;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use clap::Parser;
use label_hub::cli::exit::{CliError, Exit};
use label_hub::cli::signals::StopFlag;
use label_hub::cli::track::{Surroundings, TrackArgs, run_with};
use label_hub::cli::tracker::{MaskStream, TrackJob, TrackedClip, TrackedFrame, TrackedMask, Tracker};
use label_hub::label::{FrameIdx, FrameSize, Mask, ObjectId, Similarity};
use label_hub::sam2::checkpoint::Checkpoint;
use serde_json::Value;

const SIZE: FrameSize = FrameSize { width: 48, height: 32 };
const FRAMES: u32 = 6;

#[derive(Parser)]
struct Line {
    #[command(flatten)]
    args: TrackArgs,
}

/// What the tracker finds: a square that moves on by two pixels a frame, lower down for later objects.
fn found(frame: u32, object: u32) -> Mask {
    square(4 + 2 * frame, 13 * object - 11)
}

fn square(left: u32, top: u32) -> Mask {
    Mask::from_fn(SIZE, |i| {
        let (x, y) = (i as u32 % SIZE.width, i as u32 / SIZE.width);
        (left..left + 10).contains(&x) && (top..top + 9).contains(&y)
    })
}

#[derive(Default)]
struct State {
    starts: Cell<u32>,
    interrupt_at: Cell<Option<u32>>,
}

struct KnownTracker {
    clip: TrackedClip,
    state: Rc<State>,
    stop: StopFlag,
}

struct KnownStream<'a> {
    tracker: &'a KnownTracker,
    job: &'a TrackJob,
    next: u32,
}

impl Tracker for KnownTracker {
    fn clip(&self) -> &TrackedClip {
        &self.clip
    }

    fn frame_total(&self, job: &TrackJob) -> u32 {
        job.last.0 - job.first.0 + 1
    }

    fn start<'a>(&'a mut self, _: &Checkpoint, job: &'a TrackJob) -> Result<Box<dyn MaskStream + 'a>, CliError> {
        self.state.starts.set(self.state.starts.get() + 1);
        Ok(Box::new(KnownStream { tracker: self, job, next: job.first.0 }))
    }
}

impl MaskStream for KnownStream<'_> {
    fn next_frame(&mut self) -> Option<Result<TrackedFrame, CliError>> {
        let frame = self.next;
        if frame > self.job.last.0 {
            return None;
        }
        self.next += 1;
        if self.tracker.state.interrupt_at.get() == Some(frame) {
            self.tracker.stop.interrupt();
        }
        let masks = self.job.prompts.objects.keys().map(|&object| TrackedMask {
            object,
            mask: found(frame, object.0),
            object_score: 2.0,
            predicted_iou: 0.9,
            stability: 0.5,
        });
        Some(Ok(TrackedFrame { frame: FrameIdx(frame), name: None, masks: masks.collect(), is_damaged: false }))
    }
}

struct World {
    folder: tempfile::TempDir,
    state: Rc<State>,
}

/// What a run said and how it ended.
struct Told {
    outcome: Result<Exit, CliError>,
    stdout: String,
    stderr: String,
}

impl Told {
    fn refusal(self) -> (Exit, String) {
        match self.outcome {
            Err(CliError::Told { exit, message }) => (exit, message),
            other => panic!("{other:?}"),
        }
    }
}

impl World {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let model = checkpoint_support::pt(&checkpoint_support::two_tensors());
        fs::write(folder.path().join("model.pt"), model).expect("writable");
        fs::create_dir(folder.path().join("truth")).expect("writable");
        World { folder, state: Rc::default() }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Writes a frame's truth: objects by number.
    fn truth(&self, name: &str, objects: &[(u8, Mask)]) {
        let mut pixels = vec![0; SIZE.area()];
        for (number, mask) in objects {
            mask.spans().for_each(|(start, end)| pixels[start..end].fill(*number));
        }
        let file = fs::File::create(self.path("truth").join(name)).expect("writable");
        let mut encoder = png::Encoder::new(file, SIZE.width, SIZE.height);
        encoder.set_color(png::ColorType::Indexed);
        encoder.set_depth(png::BitDepth::Eight);
        encoder.set_palette([0; 768].as_slice());
        encoder.write_header().expect("a header").write_image_data(&pixels).expect("pixels");
    }

    /// The truth of both objects on all frames; object 2 is `off` pixels higher than the tracker finds it.
    fn whole_truth(&self, off: u32) {
        for frame in 0..FRAMES {
            let objects = [(1, found(frame, 1)), (2, square(4 + 2 * frame, 15 - off))];
            self.truth(&format!("{frame:05}.png"), &objects);
        }
    }

    fn track(&self, flags: &str) -> Told {
        let shown = |name: &str| self.path(name).display().to_string();
        let fixed = [
            "label-hub".into(),
            shown("clip.mp4"),
            "--model".into(),
            shown("model.pt"),
            "--out".into(),
            shown("out"),
            "--truth".into(),
            shown("truth"),
        ];
        let line = fixed.into_iter().chain(flags.split_whitespace().map(str::to_owned));
        let args = Line::try_parse_from(line).expect("sound flags").args;
        let stop = StopFlag::default();
        let open = |_: &Path| -> Result<Box<dyn Tracker>, CliError> {
            let clip = TrackedClip { identity: "1".into(), size: SIZE, frame_count: FRAMES, notices: Vec::new() };
            Ok(Box::new(KnownTracker { clip, state: Rc::clone(&self.state), stop: stop.clone() }))
        };
        let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
        let around = Surroundings { stop: &stop, is_terminal: false, stdout: &mut stdout, stderr: &mut stderr };
        let outcome = run_with(&args, &open, around);
        let text = |bytes| String::from_utf8(bytes).expect("text");
        Told { outcome, stdout: text(stdout), stderr: text(stderr) }
    }
}

const BOTH: &str = "--point 0:1:8,7 --point 0:2:8,18";

#[test]
fn score_is_told_on_standard_output_with_a_line_per_object() {
    let world = World::new();
    world.whole_truth(0);
    // What the labeller said is not what is judged: the truth of the prompted frame is wrong, and that does not count.
    world.truth("00000.png", &[(1, square(30, 20)), (2, square(30, 2))]);
    let told = world.track(BOTH);
    assert_eq!(told.outcome.expect("it runs"), Exit::Success);
    let expected = "J&F 1.00 (J 1.00, F 1.00) over 5 frames, 2 objects\n\
                    object 1: J&F 1.00 (J 1.00, F 1.00) over 5 frames\n\
                    object 2: J&F 1.00 (J 1.00, F 1.00) over 5 frames\n";
    assert_eq!(told.stdout, expected);
    assert!(told.stderr.contains("12 masks") && !told.stderr.contains("J&F"), "{}", told.stderr);
}

#[test]
fn figures_are_means_over_frames_and_then_over_objects() {
    let world = World::new();
    world.whole_truth(3);
    // On frame 4 object 1 is not there, but found.
    world.truth("00004.png", &[(2, square(12, 12))]);
    let prompts = r#"{"objects":[{"id":1,"name":"fox","prompts":[{"frame":0,"points":[[8,7]],"labels":[1]}]},
        {"id":2,"prompts":[{"frame":0,"points":[[8,18]],"labels":[1]},{"frame":3,"points":[[12,18]],"labels":[1]}]}]}"#;
    fs::write(world.path("prompts.json"), prompts).expect("writable");
    let told = world.track(&format!("--prompts {} --json", world.path("prompts.json").display()));
    assert_eq!(told.outcome.expect("it runs"), Exit::Success);
    let last = told.stdout.lines().last().expect("lines");
    let score: Value = serde_json::from_str(last).expect("JSON");

    let shifted = Similarity::between(&found(1, 2), &square(6, 12));
    assert!(0.1 < shifted.region && shifted.region < 0.9 && shifted.boundary < 0.9, "{shifted:?}");
    assert_eq!((&score["event"], &score["frames"]), (&"score".into(), &5.into()));
    let near = |value: &Value, expected: f64| {
        let value = value.as_f64().expect("a number");
        assert!((value - expected).abs() < 1e-9, "{value} is not {expected}: {last}");
    };
    let (first, second) = (&score["objects"][0], &score["objects"][1]);
    assert_eq!((&first["object"], &first["name"], &first["frames"]), (&1.into(), &"fox".into(), &5.into()));
    assert_eq!((&second["object"], &second["name"], &second["frames"]), (&2.into(), &Value::Null, &4.into()));
    near(&first["j"], 0.8);
    near(&first["f"], 0.8);
    near(&second["j"], shifted.region);
    near(&second["f"], shifted.boundary);
    near(&score["j"], f64::midpoint(0.8, shifted.region));
    near(&score["f"], f64::midpoint(0.8, shifted.boundary));
    near(&score["j_and_f"], f64::midpoint(0.8, shifted.mean()));
}

#[test]
fn what_is_not_scored_is_said() {
    let world = World::new();
    world.whole_truth(0);
    fs::remove_file(world.path("truth/00002.png")).expect("it is there");
    let told = world.track("--point 0:1:8,7");
    assert_eq!(told.outcome.expect("it runs"), Exit::Success);
    assert!(told.stdout.starts_with("J&F 1.00 (J 1.00, F 1.00) over 4 frames, 1 object\n"), "{}", told.stdout);
    for part in ["their truth is not there: 1 frame", "does not track them: objects 2"] {
        assert!(told.stderr.contains(part), "{part} is not in: {}", told.stderr);
    }
}

#[test]
fn finished_run_is_scored_without_tracking_again_and_a_stopped_one_is_not() {
    let world = World::new();
    world.whole_truth(0);
    world.state.interrupt_at.set(Some(2));
    let told = world.track(BOTH);
    assert_eq!((told.outcome.expect("it stops in order"), told.stdout.as_str()), (Exit::Interrupted, ""));
    world.state.interrupt_at.set(None);
    let went_on = world.track(BOTH).stdout;
    assert!(went_on.starts_with("J&F 1.00 (J 1.00, F 1.00) over 5 frames, 2 objects\n"), "{went_on}");
    assert_eq!(world.track(BOTH).stdout, went_on);
    assert_eq!(world.state.starts.get(), 2);
}

#[test]
fn truth_that_does_not_fit_is_refused_before_the_model_starts() {
    type Case = (&'static str, fn(&World), Exit, &'static str);
    let cases: [Case; 4] = [
        (
            "--point 0:3:8,7",
            |world| world.whole_truth(0),
            Exit::Usage,
            "object 3 is on none of its frames, which have the objects 1, 2",
        ),
        (BOTH, |world| world.truth("00006.png", &[]), Exit::Input, "00006.png is of frame 6"),
        (BOTH, |_| (), Exit::Input, "no PNG is in it"),
        (
            BOTH,
            |world| fs::write(world.path("truth/00001.png"), b"no picture").expect("writable"),
            Exit::Input,
            "00001.png: not a usable PNG",
        ),
    ];
    for (flags, prepare, expected, part) in cases {
        let world = World::new();
        prepare(&world);
        let (exit, message) = world.track(flags).refusal();
        assert_eq!(exit, expected, "{message}");
        assert!(message.contains(part) && message.contains("truth"), "{part} is not in: {message}");
        assert_eq!(world.state.starts.get(), 0, "{part}");
        assert!(!world.path("out").exists(), "{part}: nothing is begun");
    }
}

#[test]
fn truth_of_the_prompted_frame_alone_gives_no_score_and_keeps_the_masks() {
    let world = World::new();
    world.truth("00000.png", &[(1, found(0, 1))]);
    let (exit, message) = world.track("--point 0:1:8,7").refusal();
    assert_eq!(exit, Exit::Usage);
    assert!(message.contains("apart from the prompted ones") && message.contains("the masks are in"), "{message}");
    let object = ObjectId(1);
    assert!(world.path(&format!("out/5_{object}.npy")).exists());
}
