//! SAM 2.1 as the engine's segmenter, asked piece by piece on the test's own thread: what prompts given and taken back
//! during a run leave behind, and how a run goes on where an earlier one ended.

mod engine_support;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use engine_support::{A, DiscClip, clicks, correcting, negative, object, positive, request, run};
use label_hub::engine::{
    ClipFrames, DeviceChoice, FramePrompt, ObjectPrompts, Preparation, Sam2Segmenter, Segmenter, TrackDirection,
};
use label_hub::label::{FrameIdx, Mask};
use label_hub::models::{STARTER_NAME, embedded};
use label_hub::sam2::checkpoint::CheckpointSource;

const LAST: u32 = 19;

/// A model and the clip it is asked about.
struct Window {
    model: Sam2Segmenter,
    frames: ClipFrames,
}

/// Masks by frame.
type Masks = BTreeMap<u32, Mask>;

impl Window {
    fn open(model: CheckpointSource, clip: &Path) -> Self {
        let model = Sam2Segmenter::load(&model, DeviceChoice::Cpu, None).expect("it loads");
        Window { model, frames: ClipFrames::open(clip).expect("it opens") }
    }

    fn small() -> Self {
        let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/small");
        Self::open(data.join("small.safetensors").into(), &data.join("frames"))
    }

    fn start(&mut self, prompts: ObjectPrompts, first: u32, last: u32, direction: TrackDirection) {
        let request = run(vec![prompts], first, last, direction);
        self.model.start(&mut self.frames, &request).expect("it starts");
    }

    /// One piece of what comes before the run; the frames to visit, where that was the last.
    fn prepare(&mut self) -> Option<u32> {
        match self.model.prepare(&mut self.frames).expect("it prepares") {
            Preparation::Needs(frame) => self.model.encode(&mut self.frames, frame).expect("it encodes"),
            Preparation::GoesOn => {}
            Preparation::Ready { frames, .. } => return Some(frames),
        }
        None
    }

    fn begin(&mut self) -> u32 {
        loop {
            if let Some(frames) = self.prepare() {
                return frames;
            }
        }
    }

    /// At most so many frames of the run.
    fn steps(&mut self, count: u32) -> Masks {
        let mut masks = Masks::new();
        for _ in 0..count {
            let Some(done) = self.model.step(&mut self.frames).expect("it tracks") else { break };
            masks.extend(done.results.into_iter().map(|result| (done.frame.0, result.mask)));
        }
        masks
    }

    fn track(&mut self, prompts: ObjectPrompts, first: u32, last: u32, direction: TrackDirection) -> Masks {
        self.start(prompts, first, last, direction);
        self.begin();
        self.steps(u32::MAX)
    }

    fn answer(&mut self, frame: u32, prompt: &FramePrompt) -> Mask {
        let answered = self.model.answer(&mut self.frames, &request(A, frame, prompt));
        answered.expect("it answers").result.mask
    }
}

fn first_click() -> FramePrompt {
    clicks(&[positive(30.0, 40.0)])
}

use TrackDirection::{Backward, Both, Forward};

#[test]
fn a_click_ahead_of_the_run_that_is_taken_back_leaves_nothing_behind() {
    let corrected = clicks(&[positive(30.0, 40.0), negative(70.0, 25.0)]);
    for has_earlier_run in [false, true] {
        // A first run leaves masks behind that the second one, from a corrected prompt, replaces.
        let second = |is_disturbed: bool| {
            let mut window = Window::small();
            let prompt = if has_earlier_run { &corrected } else { &first_click() };
            if has_earlier_run {
                window.track(object(A, &[(0, first_click())], &[]), 0, LAST, Forward);
            }
            window.start(object(A, &[(0, prompt.clone())], &[]), 0, LAST, Forward);
            window.begin();
            let mut masks = window.steps(6);
            if is_disturbed {
                window.answer(12, &clicks(&[positive(70.0, 25.0)]));
            }
            masks.extend(window.steps(u32::MAX));
            if is_disturbed {
                window.model.clear_prompt(A, FrameIdx(12));
                masks.remove(&12);
                // What Ctrl+Enter asks for: the frame whose mask went with the click.
                let lacking = object(A, &[(0, prompt.clone())], &[(0, 11), (13, LAST)]);
                masks.extend(window.track(lacking, 0, LAST, Both));
            }
            masks
        };
        let (undisturbed, disturbed) = (second(false), second(true));
        assert_eq!(undisturbed.len(), 20);
        assert!(undisturbed == disturbed, "after an earlier run: {has_earlier_run}");
    }
}

#[test]
fn a_click_on_an_earlier_frame_while_a_run_is_prepared_leaves_no_gap() {
    let mut window = Window::small();
    window.start(object(A, &[(8, first_click())], &[]), 0, LAST, Both);
    assert_eq!(window.prepare(), None, "the frame is encoded");
    assert_eq!(window.prepare(), None, "its prompt is taken up");
    let clicked = window.answer(3, &first_click());
    window.begin();
    let masks = window.steps(u32::MAX);
    assert_eq!(masks.keys().copied().collect::<Vec<_>>(), (0..=LAST).collect::<Vec<_>>());
    assert!(masks[&3] == clicked);
}

/// What the window or `track --project` asks a model that knows nothing: goes on where masks of an earlier run end.
fn resumed(prompts: &[(u32, FramePrompt)], held: (u32, u32), earlier: &Masks) -> ObjectPrompts {
    let mut object = object(A, prompts, &[held]);
    let is_prompted = |frame: &u32| prompts.iter().any(|(prompted, _)| prompted == frame);
    let is_brought = |frame: &u32| is_prompted(frame) || object.holds(FrameIdx(*frame));
    let brought = earlier.iter().filter(|(frame, _)| is_brought(frame));
    object.masks = brought.map(|(frame, mask)| (FrameIdx(*frame), Arc::new(mask.clone()))).collect();
    object
}

#[test]
fn a_run_after_a_restart_goes_on_as_if_there_had_been_none() {
    let prompts = [(0, first_click())];
    let whole = Window::small().track(object(A, &prompts, &[]), 0, LAST, Forward);
    // Only from here on, in a range, and in all of the clip.
    for first in [10, 0] {
        let mut window = Window::small();
        window.start(resumed(&prompts, (0, 9), &whole), first, LAST, Forward);
        assert_eq!(window.begin(), LAST, "frames 1 to 9 lead in to it and count");
        let rest = window.steps(u32::MAX);
        assert_eq!(rest.keys().copied().collect::<Vec<_>>(), (10..=LAST).collect::<Vec<_>>());
        assert!(rest.iter().all(|(frame, mask)| whole[frame] == *mask), "from frame {first} on");
    }
    let prompts = [(LAST, first_click())];
    let whole = Window::small().track(object(A, &prompts, &[]), 0, LAST, Backward);
    let rest = Window::small().track(resumed(&prompts, (10, LAST), &whole), 0, 9, Backward);
    assert_eq!(rest.len(), 10);
    assert!(rest.iter().all(|(frame, mask)| whole[frame] == *mask), "backward");
}

#[test]
fn saved_answers_are_gone_on_from_where_the_model_gives_them_still() {
    let prompts = [(0, first_click())];
    let whole = Window::small().track(object(A, &prompts, &[]), 0, LAST, Forward);
    let mut saved = resumed(&prompts, (0, 0), &whole);
    assert!(Window::small().track(saved.clone(), 0, LAST, Forward).iter().all(|(frame, mask)| whole[frame] == *mask));
    // Another mask, as of another model, stays what it is, and is what the others come from.
    let other = Arc::new(whole[&0].without(&whole[&1]));
    saved.masks.insert(FrameIdx(0), other);
    let from_other = Window::small().track(saved, 0, LAST, Forward);
    assert!(from_other.iter().any(|(frame, mask)| whole[frame] != *mask));
    // A correction of a tracked mask has other logits behind it now; it keeps its mask either way.
    let mut window = Window::small();
    window.track(object(A, &prompts, &[]), 0, LAST, Forward);
    let correction = correcting(&whole[&6], &[negative(34.0, 40.0)]);
    let corrected = window.answer(6, &correction);
    let both = [(0, first_click()), (6, correction)];
    let answers: Masks = [(0, whole[&0].clone()), (6, corrected.clone())].into();
    let mut saved = resumed(&both, (0, 0), &answers);
    saved.has.clear();
    assert!(Window::small().track(saved, 0, LAST, Forward)[&6] == corrected);
}

#[test]
fn where_the_origin_is_far_a_run_goes_on_from_the_masks_before_its_range() {
    let disc = DiscClip::new(160, 96, 36, true);
    let starter = CheckpointSource::Embedded(embedded(STARTER_NAME).expect("it ships"));
    let open = || Window::open(starter.clone(), disc.path());
    let prompts = [(0, clicks(&[disc.click(0)]))];
    let mut earlier: Masks = (1..30).map(|frame| (frame, disc.truth(frame))).collect();
    earlier.insert(0, open().answer(0, &prompts[0].1));
    let go_on = |earlier: &Masks| {
        let mut window = open();
        window.start(resumed(&prompts, (0, 29), earlier), 30, 32, Forward);
        assert_eq!(window.begin(), 16 + 3, "as many lead in as a frame attends to, and count");
        window.steps(u32::MAX)
    };
    let masks = go_on(&earlier);
    assert_eq!(masks.keys().copied().collect::<Vec<_>>(), [30, 31, 32]);
    for (frame, mask) in &masks {
        let iou = mask.iou(&disc.truth(*frame));
        assert!(iou > 0.9, "frame {frame}: {iou}");
    }
    for mask in earlier.range_mut(14..).map(|(_, mask)| mask) {
        *mask = Mask::empty(disc.size);
    }
    assert!(go_on(&earlier) != masks, "the masks before the range matter");
}

#[test]
fn a_mask_that_led_in_to_a_range_is_no_answer_of_this_model() {
    let prompts = [(0, first_click())];
    let whole = Window::small().track(object(A, &prompts, &[]), 0, LAST, Forward);
    // The object was marked absent on some frames. The origin is far: the nearest sixteen lead in as they are.
    let mut earlier = whole.clone();
    let absent = Mask::empty(whole[&0].size());
    earlier.range_mut(10..18).for_each(|(_, mask)| *mask = absent.clone());
    let go_on = || {
        let mut window = Window::small();
        let led = window.track(resumed(&prompts, (0, 17), &earlier), 18, LAST, Forward);
        assert_eq!(led.keys().copied().collect::<Vec<_>>(), [18, LAST]);
        (window, led)
    };
    let (mut window, led) = go_on();
    let mut lacking = resumed(&prompts, (0, 9), &whole);
    lacking.has.push((FrameIdx(18), FrameIdx(LAST)));
    let tracked = window.track(lacking, 10, 17, Forward);
    assert_eq!(tracked.keys().copied().collect::<Vec<_>>(), (10..18).collect::<Vec<_>>());
    assert!(tracked.values().all(|mask| *mask != absent), "tracked, and not what led in");
    let (mut window, _) = go_on();
    let again = window.track(object(A, &prompts, &[]), 0, LAST, Forward);
    assert!(again == whole, "everything again, also what was tracked from the masks that led in");
    assert!(led.iter().any(|(frame, mask)| whole[frame] != *mask), "those mattered");
}

#[test]
fn a_run_goes_from_the_masks_on_the_screen_or_from_new_answers_as_it_was_asked_for() {
    for prompt in [first_click(), clicks(&[positive(30.0, 40.0), negative(70.0, 25.0)])] {
        let prompts = [(0, prompt)];
        let whole = Window::small().track(object(A, &prompts, &[]), 0, LAST, Forward);
        // Tracked with another model, which had another answer.
        let mut saved = resumed(&prompts, (0, 0), &whole);
        saved.masks.insert(FrameIdx(0), Arc::new(whole[&0].without(&whole[&1])));
        let from_saved = Window::small().track(saved.clone(), 0, LAST, Forward);
        assert!(from_saved != whole);
        let mut window = Window::small();
        let all_held = ObjectPrompts { has: vec![(FrameIdx(0), FrameIdx(LAST))], ..saved.clone() };
        assert!(window.track(all_held, 0, LAST, Forward).is_empty(), "all is up to date, and the answer taken over");
        let anew = window.track(object(A, &prompts, &[]), 0, LAST, Forward);
        assert!(anew == whole, "everything again, with this model");
        assert!(window.track(saved, 0, LAST, Forward) == from_saved, "and undone");
        let redone = window.track(resumed(&prompts, (0, 0), &whole), 0, LAST, Forward);
        assert!(redone.iter().all(|(frame, mask)| whole[frame] == *mask), "and made again");
    }
}

#[test]
fn what_is_taken_back_while_a_run_is_prepared_leaves_the_run_as_it_was_asked_for() {
    let prompts = [(0, first_click())];
    let whole = Window::small().track(object(A, &prompts, &[]), 0, LAST, Forward);
    let more = clicks(&[positive(30.0, 40.0), negative(70.0, 25.0)]);
    // A click on another frame, taken up by then or not, and one more on the same.
    for (frame, pieces) in [(6, 0), (6, 3), (0, 0), (0, 2)] {
        let mut window = Window::small();
        window.start(resumed(&prompts, (0, 9), &whole), 0, LAST, Forward);
        window.answer(frame, &more);
        (0..pieces).for_each(|_| assert_eq!(window.prepare(), None));
        if frame == 0 {
            window.answer(0, &prompts[0].1);
        } else {
            window.model.clear_prompt(A, FrameIdx(frame));
        }
        assert_eq!(window.begin(), LAST, "frames 1 to 9 lead in");
        let rest = window.steps(u32::MAX);
        assert_eq!(rest.keys().copied().collect::<Vec<_>>(), (10..=LAST).collect::<Vec<_>>(), "{frame}, {pieces}");
        assert!(rest.iter().all(|(frame, mask)| whole[frame] == *mask), "{frame}, {pieces}");
    }
}

#[test]
fn states_lie_in_a_folder_that_goes_with_the_clip() {
    let cache = tempfile::tempdir().expect("a temporary folder");
    let states = cache.path().join("states");
    let left_behind = states.join("states-crashed");
    std::fs::create_dir_all(&left_behind).expect("writable");
    std::fs::write(left_behind.join("1_0.state"), "of a window that was killed").expect("writable");
    let mut window = Window::small();
    window.model = window.model.with_states_in(Some(states.clone()));
    window.track(object(A, &[(0, first_click())], &[]), 0, 3, Forward);
    let folders = || {
        let entries = std::fs::read_dir(&states).expect("readable").map(|entry| entry.expect("readable").path());
        entries.filter(|path| path.is_dir()).collect::<Vec<_>>()
    };
    let [own] = &folders()[..] else { panic!("one folder: {:?}", folders()) };
    assert!(own.join("1_3.state").is_file());
    assert_ne!(*own, left_behind);
    window.model.forget_clip();
    assert!(folders().is_empty());
}
