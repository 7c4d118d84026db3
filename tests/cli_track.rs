//! `track` from arguments to files, with a fake tracker in the model's place.

mod checkpoint_support;

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::rc::Rc;

use candle_core::Device;
use clap::Parser;
use label_hub::cli::exit::{CliError, Exit};
use label_hub::cli::manifest::Manifest;
use label_hub::cli::run_folder::default_folder;
use label_hub::cli::signals::StopFlag;
use label_hub::cli::track::{Surroundings, TrackArgs, run_with};
use label_hub::cli::tracker::{MaskStream, TrackJob, TrackedClip, TrackedFrame, TrackedMask, Tracker};
use label_hub::engine::OpenDevice;
use label_hub::formats::npy;
use label_hub::label::{FrameIdx, FrameSize, Mask};
use label_hub::sam2::checkpoint::Checkpoint;
use label_hub::sam2::kernels::Precision;

const SIZE: FrameSize = FrameSize { width: 5, height: 4 };

#[derive(Parser)]
struct Line {
    #[command(flatten)]
    args: TrackArgs,
}

/// A world with one model and one clip of ten frames.
struct World {
    folder: tempfile::TempDir,
    state: Rc<State>,
}

/// What happens in it, set by each test.
#[derive(Default)]
struct State {
    /// Which clip lies there.
    identity: Cell<u32>,
    damaged: RefCell<Vec<u32>>,
    /// Ctrl-C arrives while this frame is tracked.
    interrupt_at: Cell<Option<u32>>,
    /// The model fails on this frame.
    fail_at: Cell<Option<u32>>,
    stop: RefCell<StopFlag>,
    /// How many masks were there already, per start of the tracker.
    starts: RefCell<Vec<usize>>,
}

struct FakeTracker {
    state: Rc<State>,
    clip: TrackedClip,
}

struct FakeStream<'a> {
    state: Rc<State>,
    job: &'a TrackJob,
    next: u32,
}

impl Tracker for FakeTracker {
    fn clip(&self) -> &TrackedClip {
        &self.clip
    }

    fn frame_total(&self, job: &TrackJob) -> u32 {
        job.last.0 - job.first.0 + 1
    }

    fn start<'a>(&'a mut self, _: &Checkpoint, job: &'a TrackJob) -> Result<Box<dyn MaskStream + 'a>, CliError> {
        self.state.starts.borrow_mut().push(job.done.len());
        Ok(Box::new(FakeStream { state: Rc::clone(&self.state), job, next: job.first.0 }))
    }
}

impl MaskStream for FakeStream<'_> {
    fn next_frame(&mut self) -> Option<Result<TrackedFrame, CliError>> {
        let frame = self.next;
        if frame > self.job.last.0 {
            return None;
        }
        self.next += 1;
        if self.state.fail_at.get() == Some(frame) {
            return Some(Err(CliError::new(Exit::Model, "the device was lost")));
        }
        if self.state.interrupt_at.get() == Some(frame) {
            self.state.stop.borrow().interrupt();
        }
        let is_damaged = self.state.damaged.borrow().contains(&frame);
        let objects = self.job.prompts.objects.keys().filter(|_| !is_damaged);
        let masks = objects.map(|&object| TrackedMask {
            object,
            mask: Mask::from_fn(SIZE, |i| i as u32 % 7 == (frame + object.0) % 7),
            object_score: 2.5,
            predicted_iou: 0.75,
            stability: 0.5,
        });
        let name = Some(format!("{frame}.png"));
        Some(Ok(TrackedFrame { frame: FrameIdx(frame), name, masks: masks.collect(), is_damaged }))
    }
}

impl World {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let model = checkpoint_support::pt(&checkpoint_support::two_tensors());
        fs::write(folder.path().join("model.pt"), model).expect("writable");
        World { folder, state: Rc::default() }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Runs `track clip.mp4 --model model.pt --out out` with more flags; gives the outcome and standard output.
    fn track(&self, flags: &str) -> (Result<Exit, CliError>, String) {
        let mut stdout = Vec::new();
        let outcome = self.track_into(flags, &mut stdout);
        (outcome, String::from_utf8(stdout).expect("text"))
    }

    fn track_into(&self, flags: &str, stdout: &mut dyn Write) -> Result<Exit, CliError> {
        self.state.stop.replace(StopFlag::default());
        let shown = |name: &str| self.path(name).display().to_string();
        let fixed = ["label-hub".into(), shown("clip.mp4"), "--model".into(), shown("model.pt"), "--out".into()];
        let flags = flags.split_whitespace().map(str::to_owned);
        let line = fixed.into_iter().chain([shown("out")]).chain(flags);
        let args = Line::try_parse_from(line).expect("sound flags").args;
        let open = |_: &Path| -> Result<Box<dyn Tracker>, CliError> {
            let clip = TrackedClip {
                identity: self.state.identity.get().to_string(),
                size: SIZE,
                frame_count: 10,
                notices: vec!["the clip is odd".into()],
            };
            Ok(Box::new(FakeTracker { state: Rc::clone(&self.state), clip }))
        };
        let stop = self.state.stop.borrow().clone();
        run_with(&args, &open, Surroundings { stop: &stop, is_terminal: false, stdout, stderr: &mut io::sink() })
    }

    /// Names and contents of the masks in the output folder.
    fn masks(&self) -> BTreeMap<String, Vec<u8>> {
        let entries = fs::read_dir(self.path("out")).expect("the run made it");
        let paths = entries.map(|entry| entry.expect("readable").path());
        let masks = paths.filter(|path| path.extension().is_some_and(|ending| ending == "npy"));
        let name = |path: &Path| path.file_name().expect("an entry").to_string_lossy().into_owned();
        masks.map(|path| (name(&path), fs::read(&path).expect("readable"))).collect()
    }
}

fn refusal(outcome: Result<Exit, CliError>) -> (Exit, String) {
    match outcome {
        Err(CliError::Told { exit, message }) => (exit, message),
        other => panic!("{other:?}"),
    }
}

const CLICK: &str = "--point 0:1:2,2 --range 0..3";

#[test]
fn every_frame_and_object_gets_its_file_and_json_line() {
    let world = World::new();
    let (outcome, stdout) = world.track("--point 0:1:2,2 --point 1:12:1,1 --range 0..3 --json");
    assert_eq!(outcome.expect("it runs"), Exit::Success);
    let names: Vec<_> = world.masks().into_keys().collect();
    assert_eq!(names, ["0_1.npy", "0_12.npy", "1_1.npy", "1_12.npy", "2_1.npy", "2_12.npy", "3_1.npy", "3_12.npy"]);
    let mask = npy::read_mask(&world.path("out/2_12.npy"), SIZE).expect("sound");
    assert_eq!(mask, Mask::from_fn(SIZE, |i| i % 7 == 0));

    let lines = stdout.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).expect("JSON"));
    let lines: Vec<_> = lines.collect();
    let kinds: Vec<_> = lines.iter().map(|line| line["event"].as_str().expect("a kind")).collect();
    assert_eq!(kinds[..2], ["notice", "start"]);
    assert_eq!(kinds[2..10], ["frame"; 8]);
    assert_eq!(kinds[10..], ["done"]);
    assert_eq!(lines[1]["objects"], serde_json::json!([1, 12]));
    let area = mask.area();
    let expected = serde_json::json!({"event": "frame", "frame": 2, "name": "2.png", "object": 12, "area": area,
        "score": 2.5, "iou": 0.75, "stability": 0.5, "file": "2_12.npy"});
    assert_eq!(lines[7], expected);
    assert_eq!((&lines[10]["frames"], &lines[10]["masks"]), (&4.into(), &8.into()));
}

#[test]
fn padding_changes_names_only() {
    let world = World::new();
    world.track(&format!("{CLICK} --pad 5")).0.expect("it runs");
    assert_eq!(world.masks().into_keys().next().expect("a mask"), "00000_1.npy");
    let (exit, message) = refusal(world.track(CLICK).0);
    assert!(exit == Exit::Usage && message.contains("--pad was 5 and is now 0"), "{message}");
}

#[test]
fn stopped_run_goes_on_to_the_same_bytes() {
    let whole = World::new();
    whole.track(CLICK).0.expect("it runs");

    let world = World::new();
    world.state.interrupt_at.set(Some(1));
    let (outcome, stdout) = world.track(&format!("{CLICK} --json"));
    assert_eq!(outcome.expect("it stops in order"), Exit::Interrupted);
    let last = serde_json::from_str::<serde_json::Value>(stdout.lines().last().expect("some")).expect("JSON");
    assert_eq!((&last["event"], &last["frames"], &last["masks"]), (&"stopped".into(), &2.into(), &2.into()));
    assert!(last["message"].as_str().is_some_and(|text| text.contains("again to go on")), "{last}");
    assert_eq!(world.masks().len(), 2, "frames 0 and 1 are whole");
    world.state.interrupt_at.set(None);
    // A killed run may leave a part and no more.
    fs::write(world.path("out/2_1.npy.part"), b"half").expect("writable");
    let (outcome, stdout) = world.track(&format!("{CLICK} --json"));
    assert_eq!(outcome.expect("it goes on"), Exit::Success);
    assert!(stdout.contains(r#""resumed":2"#), "{stdout}");
    assert_eq!(*world.state.starts.borrow(), [0, 2]);
    assert_eq!(world.masks(), whole.masks());
    assert!(!world.path("out/2_1.npy.part").exists());
}

#[test]
fn failing_model_keeps_what_was_made_and_its_exit_code() {
    let world = World::new();
    world.state.fail_at.set(Some(2));
    let (exit, message) = refusal(world.track(CLICK).0);
    assert_eq!((exit, message.as_str()), (Exit::Model, "the device was lost"));
    assert_eq!(world.masks().len(), 2);
    world.state.fail_at.set(None);
    assert_eq!(world.track(CLICK).0.expect("it goes on"), Exit::Success);
    assert_eq!(world.masks().len(), 4);
}

#[test]
fn run_that_failed_before_its_first_mask_is_not_in_the_way_of_the_corrected_one() {
    let world = World::new();
    world.state.fail_at.set(Some(0));
    let (exit, message) = refusal(world.track(CLICK).0);
    assert_eq!((exit, message.as_str()), (Exit::Model, "the device was lost"));
    // What a killed run may leave of its first mask is no mask yet.
    fs::write(world.path("out/0_1.npy.part"), b"half").expect("writable");
    fs::create_dir(world.path("out/.labelhub-state")).expect("writable");
    world.state.fail_at.set(None);
    fs::write(world.path("model.toml"), "dim = 8").expect("writable");
    assert_eq!(world.track(CLICK).0.expect("it starts anew"), Exit::Success);
    assert_eq!(world.masks().len(), 4);
    assert!(!world.path("out/.labelhub-state").exists() && !world.path("out/0_1.npy.part").exists());
}

#[test]
fn finished_run_does_not_start_the_model_again_unless_a_mask_is_gone() {
    let world = World::new();
    for _ in 0..2 {
        assert_eq!(world.track(CLICK).0.expect("it runs"), Exit::Success);
    }
    assert_eq!(*world.state.starts.borrow(), [0]);
    let before = world.masks();
    fs::remove_file(world.path("out/1_1.npy")).expect("it is there");
    world.track(CLICK).0.expect("it runs");
    assert_eq!(*world.state.starts.borrow(), [0, 3]);
    assert_eq!(world.masks(), before);
}

#[test]
fn other_inputs_are_refused_and_named() {
    let world = World::new();
    world.track(CLICK).0.expect("it runs");
    let cases = [
        ("--point 0:1:2,2 --range 0..4", "--range was 0..3 and is now 0..4"),
        ("--point 0:1:2,2", "now the whole clip"),
        ("--point 0:1:2,3 --range 0..3", "object 1 on frame 0 has changed"),
        ("--point 1:1:2,2 --range 0..3", "no longer prompted on frame 0"),
        ("--point 0:2:2,2 --range 0..3", "object 1 is no longer prompted"),
        ("--point 0:1:2,2 --point 0:2:2,2 --range 0..3", "object 2 is new"),
        ("--point 0:1:2,2 --point 3:1:2,2 --range 0..3", "new prompt on frame 3"),
        ("--point 0:1:2,2 --range 0..3 --direction both", "--direction was forward and is now both"),
        ("--point 0:1:2,2 --range 0..3 --resolution 512", "--resolution was the model's own and is now 512"),
        ("--point 0:1:2,2 --range 0..3 --damaged use", "--damaged was skip and is now use"),
        ("--point 0:1:2,2 --range 0..3 --no-overlap", "--no-overlap was not given and is now given"),
    ];
    for (flags, part) in cases {
        let (exit, message) = refusal(world.track(flags).0);
        assert_eq!(exit, Exit::Usage, "{flags}");
        assert!(message.contains(part) && message.contains("--overwrite"), "{part} is not in: {message}");
    }
    world.state.identity.set(1);
    let (_, message) = refusal(world.track(CLICK).0);
    assert!(message.contains("the clip was clip.mp4"), "{message}");
    world.state.identity.set(0);
    let other_model = checkpoint_support::pt(&checkpoint_support::two_tensors()[..1]);
    fs::write(world.path("model.pt"), other_model).expect("writable");
    let (_, message) = refusal(world.track(CLICK).0);
    assert!(message.contains("the model was model.pt"), "{message}");
    assert_eq!(world.masks().len(), 4, "nothing was touched");
}

#[test]
fn device_is_opened_before_anything_is_written_and_recorded_as_what_it_is() {
    let world = World::new();
    // No machine has that many, and a build without CUDA has none.
    let (exit, message) = refusal(world.track(&format!("{CLICK} --device cuda:99")).0);
    assert!(exit == Exit::Model && message.contains("cuda:99"), "{message}");
    assert!(!world.path("out").exists());
    world.track(&format!("{CLICK} --device cpu:f32")).0.expect("it runs");
    let path = world.path("out/labelhub-run.json");
    let record = fs::read_to_string(&path).expect("the run made it");
    assert!(record.contains(r#""device": "CPU""#), "{record}");
    fs::write(&path, record.replace("CPU", "CUDA 0")).expect("writable");
    let (_, message) = refusal(world.track(&format!("{CLICK} --device cpu:f32")).0);
    assert!(message.contains("--device was CUDA 0 and is now CPU"), "{message}");
    // As on a processor with bf16, whichever this one is.
    let old: Manifest = serde_json::from_str(&record).expect("our own");
    let mut now = old.clone();
    now.options.device = OpenDevice { device: Device::Cpu, precision: Precision::Bf16 }.words();
    let difference = old.first_difference(&now).expect("another device");
    assert_eq!(difference, "--device was CPU and is now CPU (bf16); --device cpu:f32 goes on with it");
}

#[test]
fn description_beside_the_weights_belongs_to_the_model() {
    let world = World::new();
    fs::write(world.path("model.toml"), "dim = 8").expect("writable");
    world.track(CLICK).0.expect("it runs");
    fs::write(world.path("model.toml"), "dim = 9").expect("writable");
    let (_, message) = refusal(world.track(CLICK).0);
    assert!(message.contains("description of the model"), "{message}");
}

#[test]
fn overwrite_removes_what_the_run_wrote_and_nothing_else() {
    let world = World::new();
    world.track(CLICK).0.expect("it runs");
    let cases = [
        ("out/notes.txt", true),
        ("out/mask_1.npy", true),
        ("out/9_2.npy", true),  // the run had no object 2
        ("out/10_1.npy", true), // the clip has ten frames
        ("out/9_1.npy", false),
        ("out/9_1.npy.part", false),
    ];
    for (name, stays) in cases {
        fs::write(world.path(name), b"x").expect("writable");
        world.track("--point 0:1:2,2 --range 0..1 --overwrite").0.expect("it starts anew");
        assert_eq!(world.path(name).exists(), stays, "{name}");
        fs::remove_file(world.path(name)).ok();
    }
    assert_eq!(world.masks().into_keys().collect::<Vec<_>>(), ["0_1.npy", "1_1.npy"]);
}

#[test]
fn masks_of_another_origin_are_never_touched() {
    let world = World::new();
    fs::create_dir(world.path("out")).expect("writable");
    fs::write(world.path("out/0_1.npy"), b"precious").expect("writable");
    for flags in [CLICK.to_owned(), format!("{CLICK} --overwrite")] {
        let (exit, message) = refusal(world.track(&flags).0);
        assert!(exit == Exit::Usage && message.contains("another origin"), "{message}");
    }
    assert_eq!(fs::read(world.path("out/0_1.npy")).expect("still there"), b"precious");
}

#[test]
fn damaged_manifest_is_named_with_a_way_out() {
    let world = World::new();
    world.track(CLICK).0.expect("it runs");
    fs::write(world.path("out/labelhub-run.json"), b"{").expect("writable");
    let (exit, message) = refusal(world.track(CLICK).0);
    assert!(
        exit == Exit::Usage && message.contains("labelhub-run.json") && message.contains("--overwrite"),
        "{message}"
    );
    world.track(&format!("{CLICK} --overwrite")).0.expect("it starts anew");
}

#[test]
fn damaged_frames_get_no_file_and_stay_listed_over_a_stop() {
    let world = World::new();
    let flags = "--point 1:1:2,2 --range 0..3 --json";
    world.state.damaged.replace(vec![0, 3]);
    world.state.interrupt_at.set(Some(1));
    assert_eq!(world.track(flags).0.expect("it stops"), Exit::Interrupted);
    assert_eq!(world.masks().into_keys().collect::<Vec<_>>(), ["1_1.npy"]);
    // A tracker that goes on from its spilled state does not see frame 0 again.
    world.state.damaged.replace(vec![3]);
    world.state.interrupt_at.set(None);
    for case in ["goes on", "is finished"] {
        let (_, stdout) = world.track(flags);
        assert!(stdout.contains(r#""damaged":[0,3]"#), "{case}: {stdout}");
    }
    assert!(!world.path("out/3_1.npy").exists());
}

#[test]
fn folder_in_use_is_refused() {
    let world = World::new();
    world.track(CLICK).0.expect("it runs");
    let lock = fs::File::open(world.path("out/.labelhub-run.lock")).expect("the run made it");
    lock.lock().expect("nobody holds it");
    let (exit, message) = refusal(world.track(CLICK).0);
    assert!(exit == Exit::Usage && message.contains("another label-hub"), "{message}");
}

#[test]
fn closed_standard_output_ends_quietly_and_can_go_on() {
    struct Closed;
    impl Write for Closed {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(io::ErrorKind::BrokenPipe.into())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let world = World::new();
    let outcome = world.track_into(&format!("{CLICK} --json"), &mut Closed);
    assert!(matches!(outcome, Err(CliError::StdoutClosed)), "{outcome:?}");
    assert_eq!(world.track(CLICK).0.expect("it goes on"), Exit::Success);
}

#[test]
fn masks_go_beside_the_clip_or_here_where_that_is_read_only() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let here = Path::new("/work/here");
    let clip = folder.path().join("juggle.part1.mp4");
    fs::write(&clip, b"").expect("writable");
    let frames = folder.path().join("frames.v2");
    fs::create_dir(&frames).expect("writable");
    assert_eq!(default_folder(&clip, None, here), folder.path().join("juggle.part1_masks"));
    assert_eq!(default_folder(&clip, Some(1), here), folder.path().join("juggle.part1_stream1_masks"));
    assert_eq!(default_folder(&frames, None, here), folder.path().join("frames.v2_masks"));
    // A folder that does not exist cannot be written to by anyone, root included.
    assert_eq!(default_folder(Path::new("/nonexistent/clip.mp4"), None, here), here.join("clip_masks"));
}
