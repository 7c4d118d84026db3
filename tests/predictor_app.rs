//! What labellers rely on in the predictor's own mode, on the small model: corrections stay, only changed objects run
//! again, memory stays bounded, a run can be stopped anywhere.

use std::cell::Cell;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use candle_core::Device;

use label_hub::engine::ClipFrames;
use label_hub::label::{BoxPrompt, FrameIdx, FrameSize, Mask, ObjectId, Point, PointLabel};
use label_hub::sam2::image::RgbFrame;
use label_hub::sam2::predictor::{
    ClickPrompt, FrameMasks, FrameSource, Predictor, PredictorOptions, PropagationRequest,
};
use label_hub::sam2::{Sam2, Sam2Error};

const FRAMES: u32 = 20;
const A: ObjectId = ObjectId(1);
const B: ObjectId = ObjectId(2);

fn data() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/small")
}

fn model() -> Arc<Sam2> {
    Arc::new(Sam2::load(&data().join("small.safetensors"), None, &Device::Cpu).expect("the small model loads"))
}

/// The frames, with some of them damaged, counting how often one is read.
struct Frames {
    clip: ClipFrames,
    damaged: Vec<u32>,
    reads: Cell<usize>,
}

impl Frames {
    fn open() -> Self {
        let clip = ClipFrames::open(&data().join("frames")).expect("the frames are in the repository");
        Frames { clip, damaged: Vec::new(), reads: Cell::new(0) }
    }
}

impl FrameSource for Frames {
    fn frame(&mut self, frame: FrameIdx) -> Result<RgbFrame, String> {
        self.reads.set(self.reads.get() + 1);
        self.clip.frame(frame)
    }

    fn is_usable(&mut self, frame: FrameIdx) -> Result<bool, String> {
        Ok(!self.damaged.contains(&frame.0))
    }
}

fn predictor(frames: &Frames, options: PredictorOptions) -> Predictor {
    Predictor::new(model(), FRAMES, frames.clip.size(), options).expect("a temporary folder")
}

fn point(x: f32, y: f32, label: PointLabel) -> Point {
    Point { x, y, label }
}

fn click(predictor: &mut Predictor, frames: &mut Frames, frame: u32, object: ObjectId, points: &[Point]) -> FrameMasks {
    let prompt = ClickPrompt { points, bounds: None, keep_earlier: false };
    predictor.add_clicks(frames, FrameIdx(frame), object, prompt).expect("the click is answered")
}

/// Runs to the end; the masks by frame and object, in the order they came.
fn track(
    predictor: &mut Predictor,
    frames: &mut dyn FrameSource,
    request: &PropagationRequest,
) -> Vec<(u32, ObjectId, Mask)> {
    let mut run = predictor.start(frames, request).expect("the run starts");
    let mut all = Vec::new();
    while let Some(masks) = predictor.step(&mut run, frames).expect("the frame is tracked") {
        let made = predictor.video_masks(&masks);
        all.extend(masks.objects.iter().zip(made).map(|(o, mask)| (masks.frame.0, o.object, mask)));
    }
    all
}

fn of(all: &[(u32, ObjectId, Mask)], frame: u32, object: ObjectId) -> &Mask {
    let found = all.iter().find(|(f, o, _)| (*f, *o) == (frame, object));
    &found.expect("the frame was tracked").2
}

fn rectangle(frames: &Frames, x0: usize, y0: usize, x1: usize, y1: usize) -> Mask {
    let size = frames.clip.size();
    let width = size.width as usize;
    Mask::from_fn(size, |i| (x0..x1).contains(&(i % width)) && (y0..y1).contains(&(i / width)))
}

#[test]
fn a_supplied_mask_comes_back_exactly_and_survives_tracking() {
    let mut frames = Frames::open();
    let mut predictor = predictor(&frames, PredictorOptions::app());
    // One pixel wide in places: a detail the model's own resolution cannot hold.
    let mask = rectangle(&frames, 10, 20, 43, 21);
    let answer = predictor.add_mask(&mut frames, FrameIdx(3), A, &mask).expect("the mask is taken");
    assert_eq!(predictor.video_masks(&answer), std::slice::from_ref(&mask));
    let all = track(&mut predictor, &mut frames, &PropagationRequest::default());
    assert_eq!(all.len(), 17);
    assert_eq!(*of(&all, 3, A), mask);
}

#[test]
fn a_correction_on_a_tracked_frame_conditions_and_is_not_overwritten() {
    let mut frames = Frames::open();
    let mut predictor = predictor(&frames, PredictorOptions::app());
    click(&mut predictor, &mut frames, 0, A, &[point(30.0, 40.0, PointLabel::Positive)]);
    let before = track(&mut predictor, &mut frames, &PropagationRequest::default());
    let painted = rectangle(&frames, 20, 20, 60, 50);
    predictor.add_mask(&mut frames, FrameIdx(10), A, &painted).expect("the correction is taken");
    let after = track(&mut predictor, &mut frames, &PropagationRequest::default());
    assert_eq!(after.len(), 20, "the object changed, so every frame of it is stale");
    assert_eq!(*of(&after, 10, A), painted);
    assert_eq!(of(&after, 0, A), of(&before, 0, A), "the first prompt's mask stays");
    assert!((11..20).any(|f| of(&after, f, A) != of(&before, f, A)), "the correction reaches later frames");
}

#[test]
fn only_changed_objects_run_again() {
    let mut frames = Frames::open();
    let mut predictor = predictor(&frames, PredictorOptions::app());
    click(&mut predictor, &mut frames, 0, A, &[point(30.0, 40.0, PointLabel::Positive)]);
    click(&mut predictor, &mut frames, 5, B, &[point(70.0, 25.0, PointLabel::Positive)]);
    let first = track(&mut predictor, &mut frames, &PropagationRequest::default());
    assert_eq!(first.iter().filter(|(_, o, _)| *o == A).count(), 20);
    assert_eq!(first.iter().filter(|(_, o, _)| *o == B).count(), 15, "an object starts at its own prompt");

    let again = track(&mut predictor, &mut frames, &PropagationRequest::default());
    assert_eq!(again, [], "nothing changed");

    click(&mut predictor, &mut frames, 12, B, &[point(60.0, 30.0, PointLabel::Positive)]);
    let changed = track(&mut predictor, &mut frames, &PropagationRequest::default());
    assert!(changed.iter().all(|(_, o, _)| *o == B));
    assert_eq!(changed.len(), 15);

    let backward = PropagationRequest { is_reverse: true, ..PropagationRequest::default() };
    let before = track(&mut predictor, &mut frames, &backward);
    assert_eq!(
        before.iter().map(|(f, o, _)| (*f, *o)).collect::<Vec<_>>(),
        (0..5).rev().map(|f| (f, B)).collect::<Vec<_>>()
    );
}

#[test]
fn stopping_and_going_on_gives_the_same_masks_as_one_run() {
    let mut frames = Frames::open();
    let whole = {
        let mut predictor = predictor(&frames, PredictorOptions::app());
        click(&mut predictor, &mut frames, 0, A, &[point(30.0, 40.0, PointLabel::Positive)]);
        track(&mut predictor, &mut frames, &PropagationRequest::default())
    };
    let mut predictor = predictor(&frames, PredictorOptions::app());
    click(&mut predictor, &mut frames, 0, A, &[point(30.0, 40.0, PointLabel::Positive)]);
    let mut parts = Vec::new();
    for max_frames in [4, 9, 30] {
        let request = PropagationRequest { max_frames: Some(max_frames), ..PropagationRequest::default() };
        parts.extend(track(&mut predictor, &mut frames, &request));
    }
    assert_eq!(parts, whole);
}

#[test]
fn a_memory_that_was_let_go_is_made_anew_when_a_correction_needs_it() {
    let mut frames = Frames::open();
    let folder = tempfile::tempdir().expect("a temporary folder");
    let options = PredictorOptions {
        spill_folder: Some(folder.path().to_owned()),
        feature_cache_bytes: 0,
        ..PredictorOptions::app()
    };
    let mut predictor = predictor(&frames, options);
    click(&mut predictor, &mut frames, 0, A, &[point(30.0, 40.0, PointLabel::Positive)]);
    track(&mut predictor, &mut frames, &PropagationRequest::default());
    let memory_of = |frame: u32| folder.path().join(format!("1_{frame}.memory"));
    assert!(memory_of(19).is_file(), "what the next frames would attend to is kept");
    assert!(memory_of(2).is_file(), "so is what a run back from the prompt would attend to");
    assert!(!memory_of(9).is_file(), "what no frame nearby attends to is not");
    assert!(folder.path().join("1_9.state").is_file());
    // Frame 12 attends to frames 6 to 11, and the memories of most of them are gone.
    let reads = frames.reads.get();
    let answer = click(&mut predictor, &mut frames, 12, A, &[point(35.0, 42.0, PointLabel::Positive)]);
    assert_eq!(answer.objects.len(), 1);
    assert!(frames.reads.get() > reads, "frames are read again to make memories anew");
    let all = track(&mut predictor, &mut frames, &PropagationRequest::default());
    assert_eq!(all.len(), 20);
}

#[test]
fn damaged_frames_are_skipped_and_named() {
    let mut frames = Frames::open();
    frames.damaged = vec![4, 5];
    let mut predictor = predictor(&frames, PredictorOptions::app());
    click(&mut predictor, &mut frames, 0, A, &[point(30.0, 40.0, PointLabel::Positive)]);
    let mut run = predictor.start(&mut frames, &PropagationRequest::default()).expect("the run starts");
    let (mut tracked, mut skipped) = (Vec::new(), Vec::new());
    while let Some(masks) = predictor.step(&mut run, &mut frames).expect("the frame is tracked") {
        tracked.extend(masks.objects.iter().map(|_| masks.frame.0));
        skipped.extend(masks.skipped.iter().map(|_| masks.frame.0));
    }
    assert_eq!(skipped, [4, 5]);
    assert_eq!(tracked, (0..20).filter(|f| ![4, 5].contains(f)).collect::<Vec<_>>());
}

#[test]
fn a_click_during_a_run_reaches_later_frames_in_the_next_run() {
    let mut frames = Frames::open();
    let mut predictor = predictor(&frames, PredictorOptions::app());
    click(&mut predictor, &mut frames, 0, A, &[point(30.0, 40.0, PointLabel::Positive)]);
    let mut run = predictor.start(&mut frames, &PropagationRequest::default()).expect("the run starts");
    for _ in 0..6 {
        predictor.step(&mut run, &mut frames).expect("the frame is tracked");
    }
    // One click on a frame the run has passed, one on a frame it has yet to reach.
    click(&mut predictor, &mut frames, 3, A, &[point(60.0, 20.0, PointLabel::Positive)]);
    let painted = rectangle(&frames, 5, 5, 50, 40);
    predictor.add_mask(&mut frames, FrameIdx(12), A, &painted).expect("the mask is taken");
    let mut rest = Vec::new();
    while let Some(masks) = predictor.step(&mut run, &mut frames).expect("the frame is tracked") {
        rest.push((masks.frame.0, masks.objects[0].is_prompted, predictor.video_masks(&masks).remove(0)));
    }
    let shown = rest.iter().find(|(f, ..)| *f == 12).expect("the run went on to the end");
    assert!(shown.1 && shown.2 == painted, "what the user painted is not tracked over");
    let again = track(&mut predictor, &mut frames, &PropagationRequest::default());
    assert_eq!(again.len(), 20, "every frame is stale");
    assert!(rest.iter().any(|(f, _, mask)| of(&again, *f, A) != mask), "the clicks reach frames after them");
}

#[test]
fn a_click_on_a_damaged_frame_during_a_run_that_is_taken_back_is_not_tracked() {
    let mut frames = Frames::open();
    frames.damaged = vec![12];
    let mut predictor = predictor(&frames, PredictorOptions::app());
    click(&mut predictor, &mut frames, 0, A, &[point(30.0, 40.0, PointLabel::Positive)]);
    let mut run = predictor.start(&mut frames, &PropagationRequest::default()).expect("the run starts");
    predictor.step(&mut run, &mut frames).expect("the frame is tracked");
    let clicked = click(&mut predictor, &mut frames, 12, A, &[point(60.0, 20.0, PointLabel::Positive)]);
    let mut shown = None;
    while let Some(masks) = predictor.step(&mut run, &mut frames).expect("the frame is tracked") {
        if masks.frame.0 == 12 {
            shown = Some(predictor.video_masks(&masks));
        }
    }
    assert_eq!(shown, Some(predictor.video_masks(&clicked)));
    predictor.clear_prompts(FrameIdx(12), A);
    assert!(predictor.mask_of(A, FrameIdx(12)).expect("states are there").is_none());
    assert!(!predictor.is_current(A, FrameIdx(12)));
}

#[test]
fn a_supplied_mask_of_a_few_pixels_is_there() {
    /// Grey pictures much larger than the model's input.
    struct Grey(FrameSize);
    impl FrameSource for Grey {
        fn frame(&mut self, _frame: FrameIdx) -> Result<RgbFrame, String> {
            Ok(RgbFrame { size: self.0, pixels: vec![90; self.0.width as usize * self.0.height as usize * 3] })
        }
    }
    let size = FrameSize { width: 1280, height: 720 };
    let speck = Mask::from_fn(size, |i| (600..603).contains(&(i % 1280)) && (300..303).contains(&(i / 1280)));
    let mut predictor = Predictor::new(model(), 1, size, PredictorOptions::app()).expect("a temporary folder");
    let masks = predictor.add_mask(&mut Grey(size), FrameIdx(0), A, &speck).expect("the mask is taken");
    assert!(masks.objects[0].object_score > 0.0, "{}", masks.objects[0].object_score);
    assert_eq!(predictor.video_masks(&masks), std::slice::from_ref(&speck));
    let none = predictor.add_mask(&mut Grey(size), FrameIdx(0), A, &Mask::empty(size)).expect("the mask is taken");
    assert!(none.objects[0].object_score < 0.0, "an empty one says that it is not there");
    // The reference loses it.
    let mut upstream = Predictor::new(model(), 1, size, PredictorOptions::upstream()).expect("a temporary folder");
    let masks = upstream.add_mask(&mut Grey(size), FrameIdx(0), A, &speck).expect("the mask is taken");
    assert!(masks.objects[0].object_score < 0.0);
}

#[test]
fn prompts_survive_a_frame_that_cannot_be_read() {
    /// Frames whose reading fails as often as it says.
    struct Failing(Frames, usize);
    impl FrameSource for Failing {
        fn frame(&mut self, frame: FrameIdx) -> Result<RgbFrame, String> {
            if self.1 > 0 {
                self.1 -= 1;
                return Err("the disk went away".to_owned());
            }
            self.0.frame(frame)
        }
    }
    let frames = Frames::open();
    let options = PredictorOptions { feature_cache_bytes: 0, ..PredictorOptions::app() };
    let mut predictor = predictor(&frames, options);
    let mut failing = Failing(frames, 1);
    let points = [point(30.0, 40.0, PointLabel::Positive)];
    let prompt = ClickPrompt { points: &points, bounds: None, keep_earlier: true };
    let refused = predictor.add_clicks(&mut failing, FrameIdx(0), A, prompt);
    assert!(matches!(refused, Err(Sam2Error::Frame { .. })));
    assert_eq!(predictor.objects().count(), 0);
    predictor.add_clicks(&mut failing, FrameIdx(0), A, prompt).expect("the second attempt is answered");
    predictor.add_clicks(&mut failing, FrameIdx(9), A, prompt).expect("so is another frame");
    failing.1 = 1;
    let stopped = predictor.start(&mut failing, &PropagationRequest::default());
    assert!(matches!(stopped, Err(Sam2Error::Frame { .. })));
    let all = track(&mut predictor, &mut failing.0, &PropagationRequest::default());
    assert_eq!(all.len(), 20);
    assert!(predictor.masks(FrameIdx(9)).expect("states are there").objects[0].is_prompted);
}

#[test]
fn masks_are_the_same_from_memory_and_from_disk() {
    let mut frames = Frames::open();
    let mut predictor = predictor(&frames, PredictorOptions::app());
    // More prompted frames than attention takes: the far ones go to disk.
    for frame in [0, 2, 4, 6, 8, 18, 19] {
        click(&mut predictor, &mut frames, frame, A, &[point(30.0 + frame as f32, 40.0, PointLabel::Positive)]);
    }
    let before: Vec<Mask> = [0, 18, 19]
        .map(|f| {
            let masks = predictor.masks(FrameIdx(f)).expect("states are there");
            predictor.video_masks(&masks).remove(0)
        })
        .into();
    let all = track(&mut predictor, &mut frames, &PropagationRequest::default());
    for (frame, mask) in [0, 18, 19].into_iter().zip(&before) {
        assert_eq!(of(&all, frame, A), mask, "frame {frame} as delivered");
    }
    for (frame, _, mask) in &all {
        let masks = predictor.masks(FrameIdx(*frame)).expect("states are there");
        assert_eq!(predictor.video_masks(&masks), std::slice::from_ref(mask), "frame {frame} as looked up");
    }
}

#[test]
fn a_clip_of_one_frame_can_be_clicked_tracked_and_corrected() {
    let mut frames = Frames::open();
    let mut predictor =
        Predictor::new(model(), 1, frames.clip.size(), PredictorOptions::app()).expect("a temporary folder");
    click(&mut predictor, &mut frames, 0, A, &[point(30.0, 40.0, PointLabel::Positive)]);
    assert_eq!(track(&mut predictor, &mut frames, &PropagationRequest::default()).len(), 1);
    let answer = click(&mut predictor, &mut frames, 0, A, &[point(40.0, 45.0, PointLabel::Negative)]);
    assert!(answer.objects[0].object_score.is_finite());
}

#[test]
fn tracking_one_object_keeps_the_memories_of_another() {
    let mut frames = Frames::open();
    let folder = tempfile::tempdir().expect("a temporary folder");
    let options = PredictorOptions { spill_folder: Some(folder.path().to_owned()), ..PredictorOptions::app() };
    let mut predictor = predictor(&frames, options);
    click(&mut predictor, &mut frames, 19, A, &[point(30.0, 40.0, PointLabel::Positive)]);
    click(&mut predictor, &mut frames, 0, B, &[point(70.0, 25.0, PointLabel::Positive)]);
    let of_a = PropagationRequest { is_reverse: true, objects: Some(vec![A]), ..PropagationRequest::default() };
    track(&mut predictor, &mut frames, &of_a);
    let first = folder.path().join("1_0.memory");
    assert!(first.is_file());
    let of_b = PropagationRequest { objects: Some(vec![B]), ..PropagationRequest::default() };
    track(&mut predictor, &mut frames, &of_b);
    assert!(first.is_file(), "the run of B went far from frame 0, but A's memory of it is not B's to drop");
}

#[test]
fn what_was_tracked_from_a_deleted_prompt_goes_with_it() {
    let mut frames = Frames::open();
    let mut predictor = predictor(&frames, PredictorOptions::app());
    click(&mut predictor, &mut frames, 0, A, &[point(30.0, 40.0, PointLabel::Positive)]);
    click(&mut predictor, &mut frames, 10, A, &[point(70.0, 25.0, PointLabel::Positive)]);
    track(&mut predictor, &mut frames, &PropagationRequest::default());
    predictor.clear_prompts(FrameIdx(0), A);
    assert_eq!(predictor.masks(FrameIdx(5)).expect("states are there").objects.len(), 0);
    let with_one = track(&mut predictor, &mut frames, &PropagationRequest::default());
    let mut fresh = self::predictor(&frames, PredictorOptions::app());
    click(&mut fresh, &mut frames, 10, A, &[point(70.0, 25.0, PointLabel::Positive)]);
    let expected = track(&mut fresh, &mut frames, &PropagationRequest::default());
    assert_eq!(with_one, expected, "nothing of the deleted prompt leads the frames after the other one");
}

#[test]
fn a_second_click_on_a_frame_reads_no_frame() {
    let mut frames = Frames::open();
    let mut predictor = predictor(&frames, PredictorOptions::app());
    predictor.warm(&mut frames, FrameIdx(6)).expect("the frame is encoded");
    let before = frames.reads.get();
    click(&mut predictor, &mut frames, 6, A, &[point(30.0, 40.0, PointLabel::Positive)]);
    click(&mut predictor, &mut frames, 6, B, &[point(70.0, 25.0, PointLabel::Positive)]);
    assert_eq!(frames.reads.get(), before);
}

#[test]
fn non_overlapping_masks_share_no_pixel() {
    let mut frames = Frames::open();
    let options = PredictorOptions { non_overlapping: true, ..PredictorOptions::app() };
    let mut exclusive = predictor(&frames, options);
    let mut free = predictor(&frames, PredictorOptions::app());
    for predictor in [&mut exclusive, &mut free] {
        let bounds = Some(BoxPrompt { x0: 10.0, y0: 10.0, x1: 60.0, y1: 60.0 });
        for object in [A, B] {
            let points = [point(30.0 + object.0 as f32, 40.0, PointLabel::Positive)];
            let prompt = ClickPrompt { points: &points, bounds, keep_earlier: false };
            predictor.add_clicks(&mut frames, FrameIdx(0), object, prompt).expect("the prompt is answered");
        }
    }
    let masks = free.masks(FrameIdx(0)).expect("states are there");
    let masks = free.video_masks(&masks);
    assert!(masks[0].intersection(&masks[1]) > 0, "these prompts do overlap");
    let masks = exclusive.masks(FrameIdx(0)).expect("states are there");
    let masks = exclusive.video_masks(&masks);
    assert_eq!(masks[0].intersection(&masks[1]), 0);

    // What the user supplied stays as it is; only its own pixels are taken from the other.
    let drawn = Mask::from_fn(exclusive.size(), |i| i % 96 < 40 && i / 96 < 50);
    for predictor in [&mut exclusive, &mut free] {
        predictor.add_mask(&mut frames, FrameIdx(0), B, &drawn).expect("the mask is taken");
    }
    let tracked = free.video_masks(&free.masks(FrameIdx(0)).expect("states are there"));
    let masks = exclusive.video_masks(&exclusive.masks(FrameIdx(0)).expect("states are there"));
    assert!(tracked[0].intersection(&drawn) > 0, "they do overlap");
    assert_eq!(masks[1], drawn);
    assert_eq!(masks[0], tracked[0].without(&drawn));
}

#[test]
fn cleared_prompts_removed_objects_and_reset_leave_nothing_behind() {
    let mut frames = Frames::open();
    let mut predictor = predictor(&frames, PredictorOptions::app());
    click(&mut predictor, &mut frames, 0, A, &[point(30.0, 40.0, PointLabel::Positive)]);
    click(&mut predictor, &mut frames, 0, B, &[point(70.0, 25.0, PointLabel::Positive)]);
    predictor.clear_prompts(FrameIdx(0), B);
    let all = track(&mut predictor, &mut frames, &PropagationRequest::default());
    assert!(all.iter().all(|(_, o, _)| *o == A), "an object without a prompt is not tracked");
    predictor.remove_object(A);
    assert_eq!(predictor.objects().collect::<Vec<_>>(), [B]);
    assert_eq!(predictor.masks(FrameIdx(7)).expect("states are there").objects.len(), 0);
    predictor.reset();
    let refused = predictor.start(&mut frames, &PropagationRequest::default());
    assert!(matches!(refused, Err(Sam2Error::NoObjects)));
}

#[test]
fn prompts_that_make_no_sense_are_refused_with_a_reason() {
    let mut frames = Frames::open();
    let mut predictor = predictor(&frames, PredictorOptions::app());
    let good = [point(30.0, 40.0, PointLabel::Positive)];
    let bad = [point(f32::NAN, 40.0, PointLabel::Positive)];
    let bounds = Some(BoxPrompt { x0: 0.0, y0: 0.0, x1: 9.0, y1: 9.0 });
    let cases = [
        ("nothing", 0, ClickPrompt { points: &[], bounds: None, keep_earlier: false }),
        ("not a number", 0, ClickPrompt { points: &bad, bounds: None, keep_earlier: false }),
        ("a box on top of clicks", 0, ClickPrompt { points: &good, bounds, keep_earlier: true }),
        ("after the end", FRAMES, ClickPrompt { points: &good, bounds: None, keep_earlier: false }),
    ];
    for (name, frame, prompt) in cases {
        let refused = predictor.add_clicks(&mut frames, FrameIdx(frame), A, prompt);
        assert!(matches!(refused, Err(Sam2Error::Prompt { .. })), "{name}");
    }
    assert_eq!(predictor.objects().count(), 0, "a refused prompt makes no object");
    let small = Mask::empty(label_hub::label::FrameSize { width: 4, height: 4 });
    assert!(matches!(predictor.add_mask(&mut frames, FrameIdx(0), A, &small), Err(Sam2Error::Prompt { .. })));
}
