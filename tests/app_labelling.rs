//! The whole job without a window: click, track, correct, undo, approve, save; on real threads with the test engine.
#![cfg(feature = "gui")]

mod app_support;
mod engine_support;

use app_support::{Lab, click, exclude, test_engine};
use bevy::prelude::World;
use engine_support::DiscClip;
use label_hub::app::action::{Action, ProjectChoice, TrackScope};
use label_hub::app::facts::{AppFacts, ClipState, ModelState};
use label_hub::app::labels;
use label_hub::app::notices::{Notices, Severity};
use label_hub::app::state::{ActionQueue, Playback};
use label_hub::engine::TrackDirection;
use label_hub::formats::npy;
use label_hub::label::{BoxPrompt, FrameIdx, Mask, ObjectId, Point, PointLabel, Provenance, Stroke};

const ALL: Action = Action::Track(TrackScope::StaleOrMissing);

fn disc() -> DiscClip {
    DiscClip::new(160, 96, 12, false)
}

#[test]
fn a_click_makes_an_object_and_its_mask() {
    let clip = disc();
    let mut lab = Lab::with_clip(clip.path());
    lab.act(click(clip.click(0)));
    assert_eq!(lab.facts().objects, [ObjectId(1)]);
    lab.wait_for_answers();
    assert!(lab.mask(1, 0).expect("a mask").iou(&clip.truth(0)) > 0.9);
    assert_eq!(lab.mark(1, 0).expect("a mark").provenance, Provenance::Prompted);
    assert!(lab.facts().candidates_here > 1, "a single click has several candidates");
    // The click and its mask are one step.
    lab.act(Action::Undo);
    assert_eq!((lab.facts().objects.len(), lab.mark(1, 0)), (0, None));
    lab.act(Action::Redo);
    assert!(lab.mask(1, 0).expect("the mask is back").iou(&clip.truth(0)) > 0.9);
}

#[test]
fn tracking_fills_the_clip_and_one_undo_takes_it_back() {
    let clip = disc();
    let mut lab = Lab::with_clip(clip.path());
    lab.act(click(clip.click(0)));
    lab.wait_for_answers();
    let before = lab.labels();
    lab.act(ALL);
    lab.wait_for_run();
    for frame in 0..clip.frames {
        let iou = lab.mask(1, frame).expect("tracked").iou(&clip.truth(frame));
        assert!(iou > 0.9, "frame {frame}: {iou}");
    }
    let after = lab.labels();
    lab.act(Action::Undo);
    assert_eq!(lab.labels(), before);
    lab.act(Action::Redo);
    assert_eq!(lab.labels(), after);
    // Everything is up to date, so there is nothing to do.
    lab.act(ALL);
    lab.wait_for_run();
    assert_eq!(lab.labels(), after);
    assert!(lab.said().iter().any(|text| text.starts_with("Nothing to do")), "{:?}", lab.said());
}

#[test]
fn a_correction_makes_the_rest_stale_and_stays_when_tracked_again() {
    let clip = disc();
    let mut lab = Lab::with_clip(clip.path());
    lab.act(click(clip.click(0)));
    lab.wait_for_answers();
    lab.act(ALL);
    lab.wait_for_run();
    lab.act(Action::GoTo(FrameIdx(5)));
    let far = clip.click(5);
    lab.act(exclude(far.x - 12.0, far.y));
    lab.wait_for_answers();
    let corrected = lab.mask(1, 5).expect("corrected");
    assert_eq!(lab.mark(1, 5).expect("a mark").provenance, Provenance::Prompted);
    assert!(!lab.is_stale(1, 0) && !lab.is_stale(1, 5), "what the labeller said is never stale");
    assert!(lab.is_stale(1, 3) && lab.is_stale(1, 8));
    lab.act(ALL);
    lab.wait_for_run();
    assert_eq!(lab.mask(1, 5).expect("still there"), corrected);
    assert!((0..clip.frames).all(|frame| !lab.is_stale(1, frame)));
}

#[test]
fn approved_masks_are_not_written_over_and_cannot_be_clicked_away() {
    let clip = disc();
    let mut lab = Lab::with_clip(clip.path());
    lab.act(click(clip.click(0)));
    lab.wait_for_answers();
    lab.act(ALL);
    lab.wait_for_run();
    lab.act(Action::GoTo(FrameIdx(4)));
    lab.act(Action::SetIn);
    lab.act(Action::GoTo(FrameIdx(6)));
    lab.act(Action::SetOut);
    lab.act(Action::ToggleRangeApproved);
    let approved: Vec<_> = (4..=6).map(|frame| lab.mark(1, frame)).collect();
    assert!(approved.iter().all(|mark| mark.expect("a mark").is_approved));
    let point = clip.click(6);
    lab.act(exclude(point.x, point.y));
    assert!(lab.said().last().is_some_and(|text| text.contains("approved")), "{:?}", lab.said());
    lab.act(Action::ClearInOut);
    lab.act(Action::GoTo(FrameIdx(9)));
    let point = clip.click(9);
    lab.act(exclude(point.x - 12.0, point.y));
    lab.wait_for_answers();
    lab.act(ALL);
    lab.wait_for_run();
    assert_eq!((4..=6).map(|frame| lab.mark(1, frame)).collect::<Vec<_>>(), approved);
    assert!(!lab.is_stale(1, 8));
}

#[test]
fn everything_is_tracked_again_but_for_what_was_painted_or_approved() {
    let clip = disc();
    let mut lab = Lab::with_clip(clip.path());
    lab.act(click(clip.click(0)));
    lab.wait_for_answers();
    lab.act(ALL);
    lab.wait_for_run();
    lab.act(Action::GoTo(FrameIdx(4)));
    lab.act(Action::ToggleApproved);
    lab.act(Action::GoTo(FrameIdx(8)));
    let painted = lab.mask(1, 8).expect("tracked");
    lab.act(Action::Paint(painted));
    lab.act(ALL);
    lab.wait_for_run();
    let masks = |lab: &Lab| (0..clip.frames).map(|frame| lab.mark(1, frame).expect("a mark").mask).collect::<Vec<_>>();
    let (before, labels) = (masks(&lab), lab.labels());
    lab.act(Action::Track(TrackScope::Anew));
    lab.wait_for_run();
    lab.wait_for_answers();
    let after = masks(&lab);
    let kept: Vec<u32> = (0..clip.frames).filter(|frame| before[*frame as usize] == after[*frame as usize]).collect();
    assert_eq!(kept, [4, 8], "the others were made again, the clicked one too");
    assert!((0..clip.frames).all(|frame| !lab.is_stale(1, frame)));
    lab.act(Action::Undo);
    assert_eq!(lab.labels(), labels, "one undo brings the earlier track back");
    let pace = lab.app.world().resource::<label_hub::app::state::Pace>().0;
    assert!(pace.is_some_and(|secs| secs > 0.0), "{pace:?}");
}

#[test]
fn a_second_object_leaves_the_first_as_it_is() {
    let clip = disc();
    let mut lab = Lab::with_clip(clip.path());
    lab.act(click(clip.click(0)));
    lab.wait_for_answers();
    lab.act(ALL);
    lab.wait_for_run();
    let first: Vec<_> = (0..clip.frames).map(|frame| lab.mark(1, frame)).collect();
    lab.act(Action::GoTo(FrameIdx(6)));
    lab.act(Action::NewObject);
    lab.act(Action::SetBox(BoxPrompt { x0: 2.0, y0: 2.0, x1: 30.0, y1: 20.0 }));
    lab.wait_for_answers();
    lab.act(Action::Track(TrackScope::From(TrackDirection::Forward)));
    lab.wait_for_run();
    assert_eq!((0..clip.frames).map(|frame| lab.mark(1, frame)).collect::<Vec<_>>(), first);
    assert!(lab.mark(2, 6).is_some() && lab.mark(2, 11).is_some() && lab.mark(2, 3).is_none());
}

#[test]
fn paint_is_kept_exactly_and_is_a_prompt() {
    let clip = disc();
    let mut lab = Lab::with_clip(clip.path());
    let mut stroke = Stroke::new(clip.size, 9.0);
    stroke.move_to(50.0, 40.0);
    stroke.move_to(90.0, 60.0);
    let painted = Mask::empty(clip.size).painted(&stroke);
    lab.act(Action::Paint(painted.clone()));
    assert_eq!(lab.mask(1, 0), Some(painted.clone()));
    lab.act(ALL);
    lab.wait_for_run();
    assert_eq!(lab.mask(1, 0), Some(painted), "tracking does not touch it");
    assert!(lab.mark(1, 1).is_some());
}

#[test]
fn masks_are_saved_as_the_replaced_tool_did() {
    let clip = disc();
    let mut lab = Lab::with_clip(clip.path());
    lab.act(click(clip.click(0)));
    lab.wait_for_answers();
    lab.act(ALL);
    lab.wait_for_run();
    let folder = tempfile::tempdir().expect("a temporary folder");
    let folder = folder.path().join("disc_masks");
    lab.act(Action::SaveMasksTo(folder.clone()));
    lab.wait_for_saving();
    for frame in 0..clip.frames {
        let written = npy::read_mask(&folder.join(format!("{frame}_1.npy")), clip.size).expect("readable");
        assert_eq!(Some(written), lab.mask(1, frame));
    }
}

#[test]
fn masks_that_were_not_saved_are_saved_again_to_the_same_folder() {
    let clip = disc();
    let mut lab = Lab::with_clip(clip.path());
    lab.act(click(clip.click(0)));
    lab.wait_for_answers();
    let folder = tempfile::tempdir().expect("a temporary folder");
    let folder = folder.path().join("disc_masks");
    let in_the_way = folder.join("0_1.npy");
    std::fs::create_dir_all(in_the_way.join("x")).expect("writable");
    std::fs::write(folder.join("labelhub-masks.json"), r#"{"files":[]}"#).expect("writable");
    lab.act(Action::SaveMasksTo(folder.clone()));
    lab.wait_for_saving();
    let notice = lab.app.world().resource::<Notices>().on_screen().last().expect("it failed").clone();
    std::fs::remove_dir_all(&in_the_way).expect("it was made here");
    assert_eq!(notice.ways_out[0].1, Action::SaveMasksTo(folder), "{}", notice.text);
    lab.act(notice.ways_out[0].1.clone());
    lab.wait_for_saving();
    assert!(in_the_way.is_file());
}

#[test]
fn clicks_wait_for_a_model_and_are_answered_when_it_comes() {
    let clip = disc();
    let mut lab = Lab::new();
    lab.act(Action::Open(clip.path().to_owned()));
    lab.wait("the clip is open", |world| world.resource::<label_hub::app::facts::AppFacts>().frame_count == 12);
    lab.act(click(clip.click(0)));
    lab.act(click(clip.click(0)));
    assert!(lab.facts().has_prompts && lab.mark(1, 0).is_none());
    lab.act(Action::LoadModel(test_engine()));
    lab.wait_for_answers();
    assert!(lab.mask(1, 0).expect("answered").iou(&clip.truth(0)) > 0.9);
}

#[test]
fn an_answer_to_an_undone_click_is_dropped() {
    let clip = disc();
    let mut lab = Lab::with_clip(clip.path());
    lab.act(click(clip.click(0)));
    lab.act(Action::Undo);
    // A later question is answered after the dropped one: the engine answers in order.
    lab.act(Action::GoTo(FrameIdx(1)));
    lab.act(click(clip.click(1)));
    lab.wait_for_answers();
    assert!(lab.mark(1, 0).is_none() && lab.mark(1, 1).is_some());
}

#[test]
fn a_click_that_the_model_failed_on_is_asked_about_again() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let images = folder.path().join("clip");
    std::fs::create_dir(&images).expect("a writable folder");
    let picture = |number: u32| images.join(format!("{number}.png"));
    for number in 0..40 {
        image::RgbImage::from_fn(64, 48, |x, _| image::Rgb([if x < 20 { 250 } else { 10 }; 3]))
            .save(picture(number))
            .expect("a writable folder");
    }
    let mut lab = Lab::with_clip(&images);
    // Far enough that nobody has read it ahead.
    std::fs::rename(picture(30), images.join("gone")).expect("the same folder");
    lab.act(Action::GoTo(FrameIdx(30)));
    lab.act(click(Point { x: 5.0, y: 5.0, label: PointLabel::Positive }));
    lab.wait_for_answers();
    assert!(lab.mark(1, 30).is_none());
    std::fs::rename(images.join("gone"), picture(30)).expect("the same folder");
    let notices = lab.app.world().resource::<Notices>().on_screen();
    let mut ways_out = notices.iter().flat_map(|notice| notice.ways_out.iter().map(|(_, action)| action));
    let again = ways_out.find(|action| matches!(action, Action::AskAgain(..))).expect("a way on").clone();
    lab.act(again);
    lab.wait_for_answers();
    assert!(lab.mark(1, 30).is_some_and(|mark| mark.area > 0), "{:?}", lab.said());
}

#[test]
fn undoing_a_run_while_it_goes_on_ends_it_for_good() {
    let clip = DiscClip::new(320, 192, 40, true);
    let mut lab = Lab::with_clip(clip.path());
    lab.act(click(clip.click(0)));
    lab.wait_for_answers();
    let before = lab.labels();
    lab.act(ALL);
    lab.wait("the first frame is tracked", |world| {
        world
            .resource::<label_hub::app::facts::AppFacts>()
            .undo
            .as_deref()
            .is_some_and(|name| name.starts_with("track"))
    });
    lab.act(Action::Undo);
    lab.wait_for_run();
    assert_eq!(lab.labels(), before);
}

#[test]
fn a_run_that_was_taken_back_is_not_in_the_way_of_the_next() {
    let clip = DiscClip::new(320, 192, 40, true);
    let mut lab = Lab::with_clip(clip.path());
    lab.act(click(clip.click(0)));
    lab.wait_for_answers();
    lab.act(ALL);
    let masks = |world: &World| labels::marks(world, ObjectId(1)).map_or(0, |marks| marks.frames.len());
    lab.wait("the run is on its way", |world| masks(world) > 2);
    lab.act_at_once([Action::Undo, ALL]);
    lab.wait_for_run();
    assert_eq!(masks(lab.app.world()), 40);
    let said = lab.said();
    assert!(!said.iter().any(|text| text.contains("kept")), "{said:?}");
}

#[test]
fn what_undo_or_redo_brings_back_is_selected() {
    let clip = disc();
    let mut lab = Lab::with_clip(clip.path());
    lab.act(click(clip.click(0)));
    lab.wait_for_answers();
    for action in [Action::Undo, Action::Redo] {
        lab.act(action);
    }
    assert_eq!(lab.facts().selected, Some(ObjectId(1)));
    lab.act_at_once([Action::NewObject, Action::DeleteObject(Some(ObjectId(1))), Action::Undo]);
    assert_eq!(lab.facts().selected, Some(ObjectId(1)));
    lab.act_at_once([Action::ResetAll, Action::Undo]);
    assert_eq!((lab.facts().objects.len(), lab.facts().selected), (2, Some(ObjectId(1))));
}

#[test]
fn an_answer_that_comes_after_undo_does_not_outlive_its_object() {
    let clip = disc();
    let mut lab = Lab::with_clip(clip.path());
    // The deletion that is made again knows nothing of the mask.
    lab.act_at_once([click(clip.click(0)), Action::DeleteObject(None), Action::Undo]);
    lab.wait_for_answers();
    let answered = lab.labels();
    let mask = lab.mask(1, 0).expect("answered");
    for _ in 0..2 {
        lab.act(Action::Redo);
        assert!(lab.facts().objects.is_empty());
        lab.act(Action::Undo);
        assert_eq!((lab.labels(), lab.mask(1, 0)), (answered.clone(), Some(mask.clone())));
    }
    lab.act(Action::Redo);
    lab.act(Action::NewObject);
    assert_eq!((lab.facts().objects.as_slice(), lab.mask(1, 0)), ([ObjectId(1)].as_slice(), None));
    drop(lab);
    assert_eq!(Lab::with_project(clip.path()).mask(1, 0), None, "nor in the file");
}

#[test]
fn a_mask_that_does_not_answer_its_prompt_yet_is_not_approved() {
    let clip = disc();
    let mut lab = Lab::with_clip(clip.path());
    lab.act(click(clip.click(0)));
    lab.wait_for_answers();
    lab.act(ALL);
    lab.wait_for_run();
    lab.act(Action::GoTo(FrameIdx(4)));
    let tracked = lab.mask(1, 4);
    let middle = clip.click(4);
    lab.act_at_once([exclude(middle.x - 12.0, middle.y), Action::ToggleApproved]);
    let said = lab.said();
    assert!(said.last().is_some_and(|text| text.contains("not answered")), "{said:?}");
    lab.wait_for_answers();
    assert_ne!(lab.mask(1, 4), tracked);
    assert!(!lab.facts().is_approved_here);
    lab.act(Action::ToggleApproved);
    assert!(lab.facts().is_approved_here);
}

#[test]
fn undo_takes_a_misclick_during_a_run_back_and_the_run_goes_on() {
    let clip = DiscClip::new(320, 192, 80, true);
    let mut lab = Lab::with_clip(clip.path());
    lab.act(click(clip.click(0)));
    lab.wait_for_answers();
    let before = lab.labels();
    lab.act(ALL);
    let masks = |world: &World| labels::marks(world, ObjectId(1)).map_or(0, |marks| marks.frames.len());
    lab.wait("the run is on its way", |world| masks(world) > 2);
    // Undone once before its answer is there, and once with the answer and later frames on top of it.
    for waits in [false, true] {
        lab.act(Action::GoTo(FrameIdx(79)));
        lab.act(click(clip.click(20)));
        if waits {
            lab.wait_for_answers();
            let now = masks(lab.app.world());
            lab.wait("more frames came", |world| masks(world) > now + 2);
        }
        assert_eq!(lab.facts().undo.as_deref(), Some("click"));
        lab.act(Action::Undo);
        assert!(labels::frame_prompt(lab.app.world(), ObjectId(1), FrameIdx(79)).is_none(), "the click is gone");
    }
    lab.wait_for_run();
    lab.wait_for_answers();
    assert_eq!(masks(lab.app.world()), 80, "the run went on");
    lab.act(Action::Undo);
    assert_eq!(lab.labels(), before, "and it is one step");
}

#[test]
fn undo_right_after_track_is_pressed_takes_only_that_back() {
    let clip = disc();
    let mut lab = Lab::with_clip(clip.path());
    lab.act(click(clip.click(0)));
    lab.wait_for_answers();
    let before = lab.labels();
    lab.act_at_once([ALL, Action::Undo]);
    lab.wait_for_run();
    assert_eq!(lab.labels(), before);
    assert_eq!(lab.facts().undo.as_deref(), Some("click"));
    // What was done between the press and the first frame lies on top of the run.
    lab.act_at_once([ALL, Action::NewObject]);
    lab.wait_for_run();
    assert_eq!(lab.facts().undo.as_deref(), Some("new object"));
    lab.act(Action::Undo);
    lab.act(Action::Undo);
    assert_eq!(lab.labels(), before);
}

#[test]
fn undo_after_a_late_answer_takes_back_what_was_done_last() {
    let clip = disc();
    let mut lab = Lab::with_clip(clip.path());
    // The answer comes after the labeller has gone on.
    lab.act_at_once([click(clip.click(0)), Action::NewObject]);
    lab.wait_for_answers();
    let mask = lab.mask(1, 0).expect("the answer");
    lab.act(Action::Undo);
    assert_eq!((lab.facts().objects.as_slice(), lab.mask(1, 0)), ([ObjectId(1)].as_slice(), Some(mask)));
    lab.act(Action::Undo);
    assert_eq!((lab.facts().objects.len(), lab.facts().undo.clone()), (0, None), "the click goes with its mask");
    lab.act(Action::Redo);
    lab.act(Action::Redo);
    assert!(lab.facts().objects.len() == 2 && lab.mask(1, 0).is_some());
}

#[test]
fn a_prompt_that_a_run_answered_is_asked_about_when_the_run_is_undone() {
    let clip = disc();
    let mut lab = Lab::new();
    lab.act(Action::Open(clip.path().to_owned()));
    lab.wait("the clip is open", |world| world.resource::<AppFacts>().frame_count == 12);
    lab.act(click(clip.click(0)));
    lab.act(Action::LoadModel(test_engine()));
    // The run may come to the clicked frame before the click is answered; either way the click is not left without.
    lab.wait("the model is there", |world| world.resource::<AppFacts>().model == ModelState::Ready);
    lab.act(ALL);
    lab.wait_for_run();
    lab.wait_for_answers();
    lab.act(Action::Undo);
    lab.wait_for_answers();
    assert!(lab.mask(1, 0).expect("a mask").iou(&clip.truth(0)) > 0.9);
    assert!(lab.mark(1, 5).is_none());
}

/// All in one update: nothing arrives in between.
#[test]
fn a_click_that_was_undone_before_its_answer_is_answered_when_it_comes_back() {
    let clip = disc();
    let (first, second) = (click(clip.click(0)), exclude(clip.click(0).x - 12.0, clip.click(0).y));
    let mut lab = Lab::with_clip(clip.path());
    lab.act(first);
    lab.wait_for_answers();
    let of_first = lab.mask(1, 0);
    lab.act_at_once([second.clone(), Action::Undo, Action::Redo]);
    lab.wait_for_answers();
    let of_both = lab.mask(1, 0);
    assert_ne!(of_both, of_first, "the mask of the first click must not stand under both");
    // The same where the mask went with the words, and both came back.
    lab.act_at_once([Action::Undo, second.clone(), Action::ClearMask, Action::Undo]);
    lab.wait_for_answers();
    assert_eq!(lab.mask(1, 0), of_both);
    // And where a third click took the second one's answer away, and it came after all.
    lab.act_at_once([Action::Undo, second, click(clip.click(0))]);
    lab.wait_for_answers();
    for _ in 0..2 {
        lab.act(Action::Undo);
        lab.wait_for_answers();
        assert_eq!(lab.mask(1, 0), of_both);
        lab.act(Action::Redo);
        lab.wait_for_answers();
    }
    lab.act(Action::Undo);
    drop(lab);
    let mut lab = Lab::with_project(clip.path());
    lab.wait_for_answers();
    assert_eq!(lab.mask(1, 0), of_both, "opened again");
}

#[test]
fn a_click_while_playing_is_for_the_frame_that_was_on_screen() {
    let clip = disc();
    let mut lab = Lab::with_clip(clip.path());
    lab.act(Action::PlayPause);
    let frame = lab.facts().frame;
    // Time goes on between the picture and the click.
    let mut playback = lab.app.world_mut().resource_mut::<Playback>();
    playback.running.as_mut().expect("it plays").from_secs += 0.2;
    lab.act(click(clip.click(frame.0)));
    lab.wait_for_answers();
    assert!(lab.mark(1, frame.0).is_some(), "{:?}", lab.labels());
    assert_eq!(lab.facts().frame, frame, "and playing has stopped there");
}

#[test]
fn taking_the_only_click_away_brings_the_mask_back_that_it_corrected() {
    let clip = disc();
    let mut lab = Lab::with_clip(clip.path());
    lab.act(click(clip.click(0)));
    lab.wait_for_answers();
    lab.act(Action::Track(TrackScope::StaleOrMissing));
    lab.wait_for_run();
    lab.act(Action::GoTo(FrameIdx(5)));
    let before = lab.mask(1, 5);
    lab.act(exclude(clip.click(5).x - 12.0, clip.click(5).y));
    lab.wait_for_answers();
    assert_ne!(lab.mask(1, 5), before);
    lab.act(Action::DeletePoint { index: 0 });
    assert_eq!(lab.mask(1, 5), before);
    assert!(lab.is_stale(1, 5));
}

#[test]
fn a_clip_that_is_being_opened_can_be_given_up_and_its_predecessor_is_out_of_reach_meanwhile() {
    let (clip, other) = (disc(), disc());
    let mut lab = Lab::with_clip(clip.path());
    lab.act(click(clip.click(0)));
    lab.wait_for_answers();
    let labels = lab.labels();
    let open = Action::Open(other.path().to_owned());
    lab.act_at_once([open.clone(), Action::Undo, Action::DeleteObject(None), Action::Cancel]);
    assert_eq!((lab.facts().clip, lab.labels()), (ClipState::Open, labels));
    assert!(lab.said().iter().any(|text| text.contains("was not opened")), "{:?}", lab.said());
    lab.wait_for_picture();
    // Without a clip before there is none after either.
    let mut lab = Lab::new();
    lab.act_at_once([open.clone(), Action::Cancel]);
    assert_eq!(lab.facts().clip, ClipState::None);
    lab.act(open);
    lab.wait("the clip is there", |world| world.resource::<AppFacts>().clip == ClipState::Open);
}

#[test]
fn a_run_is_not_ended_unasked_by_leaving_the_clip() {
    let (clip, other) = (disc(), disc());
    let mut lab = Lab::with_clip(clip.path());
    lab.act(click(clip.click(0)));
    lab.wait_for_answers();
    let leaving = [Action::Open(other.path().to_owned()), Action::Quit];
    for leave in leaving {
        lab.act_at_once([Action::Track(TrackScope::Anew), leave]);
        assert_eq!(lab.facts().clip, ClipState::Open);
        let asked = lab.said().pop().expect("something is told");
        assert!(asked.contains("is going on"), "{asked}");
        lab.wait_for_run();
        let mut on_screen = lab.app.world().resource::<Notices>().on_screen().iter();
        assert!(on_screen.all(|notice| notice.text != asked), "there is nothing to be asked any more");
    }
    assert!(lab.mark(1, 11).is_some());
}

#[test]
fn a_point_beyond_the_other_begins_a_new_range_and_tracking_out_of_it_is_told() {
    let clip = disc();
    let mut lab = Lab::with_clip(clip.path());
    lab.act(click(clip.click(0)));
    lab.wait_for_answers();
    lab.act(Action::SetInOut(FrameIdx(2), FrameIdx(4)));
    lab.act(Action::GoTo(FrameIdx(7)));
    lab.act(Action::Track(TrackScope::From(TrackDirection::Forward)));
    assert!(!lab.facts().is_tracking && lab.said().pop().expect("told").contains("after the out point"));
    lab.act(Action::SetIn);
    assert_eq!(lab.facts().in_out, Some((FrameIdx(7), FrameIdx(11))));
    lab.act(Action::GoTo(FrameIdx(3)));
    lab.act(Action::SetOut);
    assert_eq!(lab.facts().in_out, Some((FrameIdx(0), FrameIdx(3))));
}

#[test]
fn another_clip_starts_empty_and_going_on_with_it_works() {
    let (one, two) = (disc(), disc());
    let mut lab = Lab::with_clip(one.path());
    lab.act(click(one.click(0)));
    lab.act(Action::OpenAnyway(two.path().to_owned(), None, ProjectChoice::Own));
    lab.wait("the second clip is open", |world| {
        world.resource::<label_hub::app::facts::AppFacts>().clip == label_hub::app::facts::ClipState::Open
    });
    assert_eq!((lab.facts().objects.len(), lab.facts().undo.clone()), (0, None));
    lab.act(click(two.click(0)));
    lab.wait_for_answers();
    assert!(lab.mask(1, 0).expect("a mask").iou(&two.truth(0)) > 0.9);
}

#[test]
fn stepping_shows_the_very_frame() {
    let clip = disc();
    let mut lab = Lab::with_clip(clip.path());
    for action in [Action::Step(1), Action::Step(10), Action::Step(10), Action::Step(-1), Action::First, Action::Last] {
        lab.act(action);
        lab.wait_for_picture();
    }
    assert_eq!(lab.facts().frame, FrameIdx(11));
}

#[test]
fn a_model_that_cannot_be_loaded_is_told_with_a_way_on() {
    use label_hub::engine::{DeviceChoice, ModelChoice, ModelSource};
    let clip = disc();
    let mut lab = Lab::with_clip(clip.path());
    let source = ModelSource::Checkpoint(clip.path().join("000.png").into());
    lab.act(Action::LoadModel(ModelChoice { source, device: DeviceChoice::Auto, resolution: None }));
    lab.wait("the failure is told", |world| {
        world.resource::<label_hub::app::facts::AppFacts>().model == label_hub::app::facts::ModelState::Failed
    });
    let notices = lab.app.world().resource::<label_hub::app::notices::Notices>();
    let notice = notices.on_screen().last().expect("a notice");
    assert!(notice.ways_out.iter().any(|(_, action)| *action == Action::RetryModel), "{notice:?}");
    // The labeller goes on without it.
    lab.act(Action::NewObject);
    assert_eq!(lab.facts().objects.len(), 1);
}

#[test]
fn masks_that_are_being_written_keep_the_clip_open() {
    let (one, two) = (disc(), disc());
    let mut lab = Lab::with_clip(one.path());
    lab.act(click(one.click(0)));
    lab.wait_for_answers();
    let folder = tempfile::tempdir().expect("a temporary folder");
    // All in one update, before anything can be written.
    let open = Action::Open(two.path().to_owned());
    lab.act_at_once([Action::SaveMasksTo(folder.path().join("masks")), open.clone()]);
    assert_eq!((lab.facts().objects.len(), lab.facts().clip), (1, ClipState::Open), "the clip is still there");
    let notices = lab.app.world().resource::<Notices>();
    let ways_out = &notices.on_screen().last().expect("it is told").ways_out;
    assert!(
        ways_out
            .iter()
            .any(|(_, action)| *action == Action::OpenAnyway(two.path().to_owned(), None, ProjectChoice::Own)),
        "{ways_out:?}"
    );
    lab.wait_for_saving();
    lab.act(open);
    lab.wait("the next clip is open", |world| {
        let facts = world.resource::<AppFacts>();
        facts.clip == ClipState::Open && facts.objects.is_empty()
    });
    lab.act(Action::Quit);
    assert!(lab.app.should_exit().is_some(), "with nothing to lose it ends");
}

#[test]
fn a_clip_that_cannot_be_opened_leaves_the_open_one_as_it_is() {
    let one = disc();
    let broken = tempfile::tempdir().expect("a temporary folder");
    let broken = broken.path().join("empty");
    std::fs::create_dir(&broken).expect("a folder");
    let mut lab = Lab::with_clip(one.path());
    lab.act(click(one.click(0)));
    lab.wait_for_answers();
    let before = lab.labels();
    lab.act(Action::OpenAnyway(broken, None, ProjectChoice::Own));
    lab.wait("the failure is told", |world| {
        let said = world.resource::<Notices>().on_screen().iter().any(|notice| notice.severity == Severity::Error);
        said && world.resource::<AppFacts>().clip == ClipState::Open
    });
    assert_eq!(lab.labels(), before);
    lab.wait_for_picture();
    lab.act(ALL);
    lab.wait_for_run();
    assert!(lab.mask(1, 11).expect("tracked").iou(&one.truth(11)) > 0.9, "work goes on");
    let other = disc();
    lab.act(Action::Open(other.path().to_owned()));
    lab.wait("the other clip is open", |world| {
        let facts = world.resource::<AppFacts>();
        facts.clip == ClipState::Open && facts.objects.is_empty()
    });
    let notices = lab.app.world().resource::<Notices>().on_screen();
    assert!(notices.iter().all(|notice| notice.severity != Severity::Error), "the failure is past: {notices:?}");
}

#[test]
fn a_model_given_up_for_another_fails_without_taking_that_one_along() {
    use label_hub::engine::{DeviceChoice, ModelChoice, ModelSource};
    let clip = disc();
    let mut lab = Lab::new();
    let source = ModelSource::Checkpoint(clip.path().join("000.png").into());
    let broken = Action::LoadModel(ModelChoice { source, device: DeviceChoice::Auto, resolution: None });
    // Both in one update: the second is on its way when the first fails.
    for action in [broken, Action::LoadModel(test_engine())] {
        lab.app.world_mut().resource_mut::<ActionQueue>().send(action);
    }
    lab.wait("a model is there or has failed", |world| {
        world.resource::<AppFacts>().model != label_hub::app::facts::ModelState::Loading
    });
    assert_eq!(lab.facts().model, label_hub::app::facts::ModelState::Ready, "{:?}", lab.said());
}

/// Whether an "Undo" is offered on screen.
fn offers_undo(lab: &Lab) -> bool {
    let notices = lab.app.world().resource::<Notices>().on_screen();
    notices.iter().any(|notice| notice.ways_out.iter().any(|(_, action)| *action == Action::Undo))
}

#[test]
fn an_offered_undo_goes_when_it_would_undo_something_else() {
    let clip = disc();
    let mut lab = Lab::with_clip(clip.path());
    for next in [Action::NewObject, Action::Undo] {
        lab.act(Action::NewObject);
        lab.act(Action::NewObject);
        lab.act(Action::DeleteObject(None));
        lab.act(Action::Step(1));
        assert!(offers_undo(&lab), "it is offered while it means the deletion");
        lab.act(next);
        assert!(!offers_undo(&lab));
    }
    let mut stroke = Stroke::new(clip.size, 9.0);
    stroke.move_to(50.0, 40.0);
    for _ in 0..2 {
        lab.act(Action::Paint(Mask::empty(clip.size).painted(&stroke)));
        lab.act(click(clip.click(1)));
        assert!(offers_undo(&lab), "a step's own offer stays, also when the same was said before");
    }
}

#[test]
#[cfg(target_os = "linux")]
fn a_log_that_cannot_be_written_is_told_once() {
    use label_hub::app::action_log::ActionLog;
    let mut lab = Lab::new();
    let full = ActionLog::to_file(std::path::Path::new("/dev/full")).expect("Linux has it");
    lab.app.insert_resource(full);
    lab.act(Action::ToggleOverlay);
    lab.act(Action::ToggleOverlay);
    let told = lab.said().iter().filter(|text| text.contains("it ends here")).count();
    assert_eq!(told, 1, "{:?}", lab.said());
}

#[test]
fn solo_goes_with_the_selection() {
    use label_hub::app::state::Overlay;
    let clip = disc();
    let mut lab = Lab::with_clip(clip.path());
    for _ in 0..3 {
        lab.act(Action::NewObject);
    }
    let solo = |lab: &Lab| lab.app.world().resource::<Overlay>().solo;
    lab.act(Action::ToggleSolo(Some(ObjectId(1))));
    assert_eq!((solo(&lab), lab.facts().selected), (Some(ObjectId(1)), Some(ObjectId(1))));
    lab.act(Action::Select(ObjectId(2)));
    assert_eq!((solo(&lab), lab.facts().solo), (Some(ObjectId(2)), Some(ObjectId(2))));
    lab.act(Action::DeleteObject(None));
    assert_eq!(solo(&lab), lab.facts().selected, "also when it moves on by itself");
    lab.act(Action::Cancel);
    assert_eq!((solo(&lab), lab.facts().selected), (None, Some(ObjectId(1))));
}
