//! What a correction is worth: during a run, after undoing, after the program was started anew, with another model.
#![cfg(feature = "gui")]

mod app_support;
mod engine_support;

use app_support::{Lab, click, exclude, test_engine};
use bevy::prelude::World;
use engine_support::{DiscClip, small_model};
use label_hub::app::action::{Action, TrackScope};
use label_hub::app::labels;
use label_hub::app::notices::Notices;
use label_hub::engine::{ModelChoice, TrackDirection};
use label_hub::label::{FrameIdx, Mask, ObjectId, Point, Provenance};

const ALL: Action = Action::Track(TrackScope::StaleOrMissing);
/// The frame that is corrected.
const CORRECTED: u32 = 5;

fn disc() -> DiscClip {
    DiscClip::new(160, 96, 12, false)
}

fn load(lab: &mut Lab, model: ModelChoice) {
    lab.act(Action::LoadModel(model));
    lab.wait("the model is there", |world| {
        let facts = world.resource::<label_hub::app::facts::AppFacts>();
        facts.model == label_hub::app::facts::ModelState::Ready
    });
}

fn tracked(clip: &DiscClip, model: ModelChoice) -> Lab {
    let mut lab = Lab::with_clip(clip.path());
    load(&mut lab, model);
    lab.act(click(clip.click(0)));
    lab.wait_for_answers();
    lab.act(ALL);
    lab.wait_for_run();
    lab
}

/// Takes away a part of the disc.
fn correct(lab: &mut Lab, clip: &DiscClip) {
    lab.act(Action::GoTo(FrameIdx(CORRECTED)));
    let middle = clip.click(CORRECTED);
    lab.act(exclude(middle.x - 12.0, middle.y));
    lab.wait_for_answers();
}

/// Clicks on a frame without a mask.
fn correct_anew(lab: &mut Lab, clip: &DiscClip) {
    lab.act(Action::GoTo(FrameIdx(CORRECTED)));
    lab.act(click(clip.click(CORRECTED)));
    lab.wait_for_answers();
}

/// A clip with more frames than a model can track ahead of the window: it waits while 64 events wait to be drained, and
/// they are drained twice before what is done in a run has reached it.
fn long_disc() -> DiscClip {
    DiscClip::new(160, 96, 160, true)
}

/// Begins a run and waits until it has brought something.
fn begin_run(lab: &mut Lab) {
    lab.act(ALL);
    let masks = |world: &World| labels::marks(world, ObjectId(1)).map_or(0, |marks| marks.frames.len());
    let before = masks(lab.app.world());
    lab.wait("the run is on its way", |world| masks(world) > before + 2);
}

fn masks(lab: &Lab, clip: &DiscClip) -> Vec<Mask> {
    (0..clip.frames).map(|frame| lab.mask(1, frame).unwrap_or_else(|| panic!("a mask on frame {frame}"))).collect()
}

#[test]
fn a_click_during_a_run_leaves_what_the_run_still_brings_stale() {
    for model in [test_engine(), small_model()] {
        let clip = long_disc();
        let mut lab = Lab::with_clip(clip.path());
        load(&mut lab, model.clone());
        lab.act(click(clip.click(0)));
        lab.wait_for_answers();
        begin_run(&mut lab);
        lab.act(click(Point { x: clip.click(0).x + 3.0, ..clip.click(0) }));
        assert!(lab.facts().is_tracking);
        lab.wait_for_run();
        lab.wait_for_answers();
        let is_stale = |lab: &Lab| (1..clip.frames).map(|frame| lab.is_stale(1, frame)).collect::<Vec<_>>();
        assert!(is_stale(&lab).iter().all(|is_stale| *is_stale), "{model:?}: they were asked for before the click");
        lab.act(ALL);
        lab.wait_for_run();
        assert!(is_stale(&lab).iter().all(|is_stale| !*is_stale), "{model:?}");
    }
}

#[test]
fn tracking_asked_for_again_after_a_correction_goes_on_with_it() {
    for model in [test_engine(), small_model()] {
        let clip = disc();
        let mut lab = Lab::with_clip(clip.path());
        load(&mut lab, model.clone());
        lab.act(click(clip.click(0)));
        lab.wait_for_answers();
        let more = click(label_hub::label::Point { x: clip.click(0).x + 3.0, ..clip.click(0) });
        lab.act_at_once([ALL, more.clone(), ALL]);
        lab.wait_for_run();
        lab.wait_for_answers();
        assert!((0..clip.frames).all(|frame| lab.mark(1, frame).is_some() && !lab.is_stale(1, frame)), "{model:?}");
        assert!(!lab.said().iter().any(|text| text.starts_with("Stopped")), "{:?}", lab.said());
        // F stays the stop, and so does Ctrl+Enter without news, or after F.
        for stop in [
            vec![ALL, more.clone(), Action::Track(TrackScope::From(TrackDirection::Forward))],
            vec![ALL, ALL],
            vec![ALL, more.clone(), ALL, Action::StopTracking],
        ] {
            lab.act(Action::SetInOut(FrameIdx(1), FrameIdx(11)));
            lab.act(Action::ClearRangeMasks);
            // What is said again while it is on screen is not logged again.
            lab.app.world_mut().resource_mut::<Notices>().dismiss_where(|_| true);
            let said = lab.said().len();
            lab.act_at_once(stop.clone());
            lab.wait_for_run();
            lab.wait_for_answers();
            let ends = |text: &&String| text.starts_with("Stopped") || text.starts_with("Tracked");
            let ends: Vec<_> = lab.said().split_off(said).iter().filter(ends).cloned().collect();
            assert!(ends.len() == 1 && ends[0].starts_with("Stopped"), "{stop:?}: {ends:?}");
        }
    }
}

/// A run over the long clip that is on its way, and a click that it does not know.
fn corrected_during_a_run() -> (DiscClip, Lab) {
    let clip = long_disc();
    let mut lab = Lab::with_clip(clip.path());
    lab.act(click(clip.click(0)));
    lab.wait_for_answers();
    begin_run(&mut lab);
    lab.act(click(Point { x: clip.click(0).x + 3.0, ..clip.click(0) }));
    (clip, lab)
}

#[test]
fn a_run_says_what_a_correction_left_stale() {
    let (_clip, mut lab) = corrected_during_a_run();
    lab.wait_for_run();
    let said = lab.said().last().cloned().expect("a notice");
    assert_eq!(said, "Tracked: 159 new masks. 159 masks are stale by your corrections.");
    let notices = lab.app.world().resource::<Notices>().on_screen();
    assert!(notices.last().is_some_and(|notice| notice.ways_out.iter().any(|(_, action)| *action == ALL)));
    lab.act(ALL);
    lab.wait_for_run();
    assert_eq!(lab.said().last().map(String::as_str), Some("Tracked: 159 new masks."));
}

#[test]
fn a_run_speaks_of_those_stale_masks_only_that_its_button_tracks() {
    let (_clip, mut lab) = corrected_during_a_run();
    lab.act(Action::SetInOut(FrameIdx(0), FrameIdx(9)));
    lab.wait_for_run();
    assert_eq!(
        lab.said().last().map(String::as_str),
        Some("Tracked: 159 new masks. 9 masks are stale by your corrections.")
    );
    lab.act(ALL);
    lab.wait_for_run();
    assert_eq!(lab.said().last().map(String::as_str), Some("Tracked: 9 new masks."));
}

#[test]
fn clicks_taken_back_during_a_run_leave_nothing_that_counts_as_up_to_date() {
    for model in [test_engine(), small_model()] {
        let clip = disc();
        let mut lab = tracked(&clip, model.clone());
        correct(&mut lab, &clip);
        lab.act_at_once([ALL, Action::ClearPrompts]);
        lab.wait_for_run();
        lab.act(ALL);
        lab.wait_for_run();
        let other = disc();
        let fresh = tracked(&other, model.clone());
        assert_eq!(masks(&lab, &clip), masks(&fresh, &other), "{model:?}: as if the correction had never been");
        assert!((0..clip.frames).all(|frame| !lab.is_stale(1, frame)), "{model:?}");
    }
}

#[test]
fn a_prompt_taken_back_and_brought_again_during_a_run_leaves_what_the_run_still_brings_stale() {
    for model in [test_engine(), small_model()] {
        let clip = long_disc();
        let mut lab = Lab::with_clip(clip.path());
        load(&mut lab, model.clone());
        lab.act(click(clip.click(0)));
        lab.wait_for_answers();
        correct_anew(&mut lab, &clip);
        begin_run(&mut lab);
        // The run forgets the second prompt, and undo gives the object its revision back.
        lab.act_at_once([Action::ClearPrompts, Action::Undo]);
        assert!(lab.facts().is_tracking);
        lab.wait_for_run();
        lab.wait_for_answers();
        assert!(!lab.is_stale(1, 1), "{model:?}: led by both");
        assert!(lab.is_stale(1, clip.frames - 1), "{model:?}: led by one prompt of two");
        lab.act(ALL);
        lab.wait_for_run();
        assert!((0..clip.frames).all(|frame| !lab.is_stale(1, frame) && lab.mark(1, frame).is_some()), "{model:?}");
    }
}

/// A project with masks on all frames from prompts on two, opened in a new window: a run has to be prepared.
fn reopened(clip: &DiscClip) -> Lab {
    let mut lab = Lab::with_clip(clip.path());
    load(&mut lab, small_model());
    lab.act(click(clip.click(0)));
    lab.wait_for_answers();
    correct_anew(&mut lab, clip);
    lab.act(ALL);
    lab.wait_for_run();
    drop(lab);
    let mut lab = Lab::with_project(clip.path());
    load(&mut lab, small_model());
    lab.act(Action::Select(ObjectId(1)));
    lab
}

#[test]
fn a_click_that_is_taken_back_while_a_run_is_prepared_costs_no_mask() {
    // On a frame of its own, and on one that is prompted: there undo brings the words back with their mask.
    for (frame, is_at_once) in [(3, true), (3, false), (0, true), (0, false)] {
        let clip = disc();
        let mut lab = reopened(&clip);
        lab.act(Action::GoTo(FrameIdx(frame)));
        let before = lab.labels();
        let more = click(Point { x: clip.click(frame).x + 3.0, ..clip.click(frame) });
        if is_at_once {
            lab.act_at_once([ALL, more, Action::Undo]);
        } else {
            lab.act_at_once([ALL, more]);
            lab.act(Action::Undo);
        }
        lab.wait_for_run();
        lab.wait_for_answers();
        assert_eq!(lab.labels(), before, "frame {frame}, at once: {is_at_once}");
    }
}

#[test]
fn masks_are_up_to_date_with_a_click_that_came_before_the_runs_frames() {
    let clip = disc();
    let mut lab = reopened(&clip);
    lab.act(Action::GoTo(FrameIdx(3)));
    lab.act_at_once([ALL, click(clip.click(3))]);
    lab.wait_for_run();
    lab.wait_for_answers();
    assert!((0..clip.frames).all(|frame| !lab.is_stale(1, frame)), "the click was taken up with the other prompts");
    let led = masks(&lab, &clip);
    drop(lab);
    let clip = disc();
    let mut lab = reopened(&clip);
    lab.act(Action::GoTo(FrameIdx(3)));
    lab.act(click(clip.click(3)));
    lab.wait_for_answers();
    lab.act(ALL);
    lab.wait_for_run();
    assert_eq!(led, masks(&lab, &clip), "as if it had come before the run");
}

#[test]
fn tracking_everything_again_does_not_answer_words_that_were_taken_back() {
    let clip = DiscClip::new(320, 192, 80, true);
    let last = FrameIdx(30);
    let mut lab = Lab::with_clip(clip.path());
    lab.act(click(clip.click(0)));
    lab.wait_for_answers();
    lab.act(ALL);
    lab.wait_for_run();
    let middle = clip.click(last.0);
    lab.act(Action::GoTo(last));
    lab.act(click(middle));
    lab.wait_for_answers();
    let corrected = lab.mask(1, last.0).expect("answered");
    lab.act(Action::Track(TrackScope::Anew));
    lab.act(exclude(middle.x - 12.0, middle.y));
    lab.wait_for_answers();
    assert_ne!(lab.mask(1, last.0), Some(corrected.clone()));
    assert!(lab.facts().is_tracking, "the run has not come to this frame");
    lab.act(Action::Undo);
    lab.wait_for_run();
    assert_eq!(lab.mask(1, last.0), Some(corrected));
}

#[test]
fn a_correction_starts_from_the_mask_on_the_screen_whoever_made_it() {
    let clip = disc();
    let mut lab = tracked(&clip, test_engine());
    let shown = masks(&lab, &clip);
    correct(&mut lab, &clip);
    let at_once = lab.mask(1, CORRECTED).expect("answered");
    assert_ne!(at_once, shown[CORRECTED as usize]);
    let further = |lab: &mut Lab| {
        lab.act(Action::Select(ObjectId(1)));
        lab.act(Action::GoTo(FrameIdx(CORRECTED)));
        lab.act(click(clip.click(CORRECTED)));
        lab.wait_for_answers();
        lab.mask(1, CORRECTED).expect("answered")
    };
    let then = further(&mut lab);
    assert_ne!(then, at_once);
    lab.act(Action::Undo);
    lab.act(Action::Undo);
    assert_eq!(lab.mask(1, CORRECTED).as_ref(), Some(&shown[CORRECTED as usize]));
    drop(lab);

    // The program is started anew: the engine knows nothing of the tracked frame.
    let mut lab = Lab::with_project(clip.path());
    correct(&mut lab, &clip);
    let said = labels::frame_prompt(lab.app.world(), ObjectId(1), FrameIdx(CORRECTED)).expect("a correction");
    assert_eq!(said.base.as_deref(), Some(&shown[CORRECTED as usize]));
    assert_eq!(lab.mask(1, CORRECTED), Some(at_once), "the same click means the same");
    drop(lab);

    // And once more, with the correction in the project: a further click goes on from it.
    let mut lab = Lab::with_project(clip.path());
    assert_eq!(further(&mut lab), then);
}

#[test]
fn corrections_outlive_another_model_and_tracking_everything_again() {
    let clip = disc();
    let mut lab = tracked(&clip, test_engine());
    correct(&mut lab, &clip);
    lab.act(ALL);
    lab.wait_for_run();
    let before = masks(&lab, &clip);
    load(&mut lab, test_engine());
    lab.act(Action::Track(TrackScope::Anew));
    lab.wait_for_run();
    assert_eq!(masks(&lab, &clip), before, "a lone negative click means what it corrects, not the picture alone");
}

#[test]
fn a_run_of_a_new_engine_goes_by_the_masks_on_the_screen() {
    let clip = disc();
    let mut lab = tracked(&clip, test_engine());
    correct(&mut lab, &clip);
    lab.act(ALL);
    lab.wait_for_run();
    let corrected = lab.mask(1, CORRECTED).expect("answered");
    drop(lab);

    // Another model would answer the click quite differently; the frame is the labeller's all the same.
    let mut lab = Lab::with_project(clip.path());
    load(&mut lab, small_model());
    lab.act(Action::Select(ObjectId(1)));
    lab.act(Action::GoTo(FrameIdx(9)));
    lab.act(Action::Paint(clip.truth(9)));
    lab.act(ALL);
    lab.wait_for_run();
    assert!((0..clip.frames).all(|frame| !lab.is_stale(1, frame)));
    assert_eq!(lab.mask(1, CORRECTED), Some(corrected.clone()));
    assert_eq!(lab.mark(1, CORRECTED).expect("a mark").provenance, Provenance::Prompted);
}

#[test]
fn nothing_that_a_run_still_brings_reaches_the_object_that_gets_a_deleted_ones_number() {
    let clip = DiscClip::new(320, 192, 80, true);
    let mut lab = Lab::with_clip(clip.path());
    lab.act(click(clip.click(0)));
    lab.wait_for_answers();
    lab.act(ALL);
    let masks = |world: &World| labels::marks(world, ObjectId(1)).map_or(0, |marks| marks.frames.len());
    lab.wait("the run is on its way", |world| masks(world) > 2);
    lab.act_at_once([Action::DeleteObject(None), Action::NewObject]);
    lab.wait_for_run();
    assert_eq!(lab.facts().objects, [ObjectId(1)], "the new one has the number of the deleted one");
    assert_eq!(masks(lab.app.world()), 0);
}

#[test]
fn nothing_of_an_undone_object_reaches_the_one_that_gets_its_number() {
    let clip = disc();
    let elsewhere = Point { x: 150.0, y: 5.0, ..clip.click(0) };
    let answer = |before: &dyn Fn(&mut Lab)| {
        let clip = disc();
        let mut lab = Lab::with_clip(clip.path());
        before(&mut lab);
        lab.act(Action::GoTo(FrameIdx(4)));
        lab.act(click(elsewhere));
        lab.wait_for_answers();
        assert_eq!(lab.facts().objects, [ObjectId(1)]);
        lab.mask(1, 4).expect("answered")
    };
    let after_undo = answer(&|lab| {
        lab.act(click(clip.click(0)));
        lab.wait_for_answers();
        lab.act(ALL);
        lab.wait_for_run();
        lab.act(Action::Undo);
        lab.act(Action::Undo);
        assert!(lab.facts().objects.is_empty());
    });
    assert_eq!(after_undo, answer(&|_| ()));
}
