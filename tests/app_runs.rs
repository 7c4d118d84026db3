//! Runs in the window: what they cover, what they leave out, and what is said at their end.
#![cfg(feature = "gui")]

mod app_support;
mod engine_support;

use app_support::{Lab, click, test_engine};
use engine_support::DiscClip;
use engine_support::scripted::scripted_thread;
use label_hub::app::action::{Action, TrackScope};
use label_hub::app::facts::{AppFacts, ClipState, ModelState};
use label_hub::app::notices::Notices;
use label_hub::app::state::{EngineLink, Waker};
use label_hub::label::{FrameIdx, ObjectId};

const ALL: Action = Action::Track(TrackScope::StaleOrMissing);

/// With a click on the first frame for each of two objects.
fn two_objects(clip: &DiscClip) -> Lab {
    let mut lab = Lab::with_clip(clip.path());
    for _ in 0..2 {
        lab.act(Action::NewObject);
        lab.act(click(clip.click(0)));
        lab.wait_for_answers();
    }
    lab
}

/// What the button of a notice does that was told so many times.
fn offer(lab: &Lab, text: &str, count: u32) -> Action {
    let mut on_screen = lab.app.world().resource::<Notices>().on_screen().iter();
    let notice = on_screen.find(|notice| (notice.text.as_str(), notice.count) == (text, count));
    let (_, action) = notice.and_then(|notice| notice.ways_out.first()).unwrap_or_else(|| panic!("{:?}", lab.said()));
    action.clone()
}

#[test]
fn what_a_run_left_out_as_damaged_is_offered_for_that_run_alone() {
    let clip = DiscClip::new(160, 96, 12, false);
    clip.damage(4);
    let mut lab = two_objects(&clip);
    let (damaged, elsewhere) = (FrameIdx(4), FrameIdx(9));
    lab.act(Action::GoTo(damaged));
    lab.act(Action::Select(ObjectId(1)));
    lab.act(Action::TrackSelected(TrackScope::ThisFrame));
    lab.wait_for_run();
    let nothing = "Nothing was tracked. Left out as damaged: 1 frame, the first is 4.";
    let that_frame = offer(&lab, nothing, 1);
    // Wherever the labeller is by then.
    lab.act(Action::GoTo(elsewhere));
    lab.act(Action::Select(ObjectId(2)));
    lab.act(that_frame);
    lab.wait_for_run();
    let tracked = |lab: &Lab, object| (1..clip.frames).filter(|frame| lab.mark(object, *frame).is_some()).collect();
    let (first, second): (Vec<u32>, Vec<u32>) = (tracked(&lab, 1), tracked(&lab, 2));
    assert_eq!((first, second), (vec![4], vec![]), "{:?}", lab.said());

    // The whole clip and all objects where the run was of these.
    lab.act(ALL);
    lab.wait_for_run();
    offer(&lab, "Tracked: 20 new masks. Left out as damaged: 1 frame, the first is 4.", 1);
    lab.act(ALL);
    lab.wait_for_run();
    let whole_clip = offer(&lab, nothing, 2);
    lab.act(whole_clip);
    lab.wait_for_run();
    assert!((0..clip.frames).all(|frame| lab.mark(1, frame).is_some() && lab.mark(2, frame).is_some()));
    lab.act(ALL);
    lab.wait_for_run();
    let said = lab.said();
    assert_eq!(said.last().map(String::as_str), Some("Nothing to do: all masks in the range are up to date."));
}

#[test]
fn a_run_whose_objects_are_deleted_says_that_and_nothing_else() {
    let clip = DiscClip::new(160, 96, 12, false);
    let mut lab = two_objects(&clip);
    let deletions = [1, 2].map(|object| Action::DeleteObject(Some(ObjectId(object))));
    lab.act_at_once([ALL].into_iter().chain(deletions));
    lab.wait_for_run();
    let said = lab.said();
    assert!(said.iter().any(|text| text == "Tracking is over: what it tracked was deleted."), "{said:?}");
    assert!(!said.iter().any(|text| text.contains("Nothing to do") || text.contains("kept")), "{said:?}");
}

#[test]
fn a_run_that_was_undone_as_it_came_to_its_end_does_not_count_its_masks() {
    let clip = DiscClip::new(160, 96, 3, false);
    let mut lab = Lab::new();
    let waker = lab.app.world().resource::<Waker>().0.clone();
    let (engine, director) = scripted_thread(true, move || waker());
    lab.app.insert_resource(EngineLink(engine));
    lab.act(Action::LoadModel(test_engine()));
    lab.act(Action::Open(clip.path().to_owned()));
    lab.wait("clip and model are there", |world| {
        let facts = world.resource::<AppFacts>();
        facts.clip == ClipState::Open && facts.model == ModelState::Ready
    });
    lab.act(click(clip.click(0)));
    lab.wait_for_answers();
    let before = lab.labels();
    lab.act(ALL);
    director.let_pass(3);
    // In the step that finds no frame any more, which nobody can stop.
    (0..4).for_each(|_| director.wait_until_in_work());
    lab.app.update();
    assert!(lab.mark(1, 2).is_some());
    lab.act(Action::Undo);
    director.let_pass(1);
    lab.wait_for_run();
    assert_eq!(lab.labels(), before);
    let said = lab.said();
    assert_eq!(said.last().map(String::as_str), Some("Tracking was stopped and its masks are taken back."), "{said:?}");
}
