//! Looking labels through and mending them: absent and cleared frames, the review pass, approval, classes, saving.
#![cfg(feature = "gui")]

mod app_support;
mod engine_support;

use app_support::{Lab, click, exclude};
use engine_support::DiscClip;
use label_hub::app::action::{Action, TrackScope};
use label_hub::app::input::Keymap;
use label_hub::app::labels::{self, Classes};
use label_hub::app::state::ActionQueue;
use label_hub::label::{BoxPrompt, Change, Edit, FrameIdx, FrameMark, ObjectId, Provenance};

const ALL: Action = Action::Track(TrackScope::StaleOrMissing);

fn disc() -> DiscClip {
    DiscClip::new(160, 96, 12, false)
}

/// A clip with one object, tracked to its end.
fn tracked(clip: &DiscClip) -> Lab {
    let mut lab = Lab::with_clip(clip.path());
    lab.act(click(clip.click(0)));
    lab.wait_for_answers();
    lab.act(ALL);
    lab.wait_for_run();
    lab
}

fn set_range(lab: &mut Lab, first: u32, last: u32) {
    lab.act(Action::SetInOut(FrameIdx(first), FrameIdx(last)));
}

fn is_absent(mark: Option<FrameMark>) -> bool {
    mark.is_some_and(|mark| mark.area == 0 && mark.provenance == Provenance::Painted)
}

fn last_said(lab: &Lab) -> String {
    lab.said().last().cloned().unwrap_or_default()
}

#[test]
fn an_object_is_said_to_be_absent_and_tracking_keeps_it() {
    let clip = disc();
    let mut lab = tracked(&clip);
    set_range(&mut lab, 3, 6);
    lab.act(Action::GoTo(FrameIdx(4)));
    lab.act(Action::ToggleApproved);
    let (before, approved) = (lab.labels(), lab.mark(1, 4));
    lab.act(Action::MarkRangeAbsent);
    let absent = |lab: &Lab| (0..clip.frames).filter(|frame| is_absent(lab.mark(1, *frame))).collect::<Vec<_>>();
    assert_eq!((absent(&lab), lab.mark(1, 4)), (vec![3, 5, 6], approved));
    let said = last_said(&lab);
    assert!(said.contains("absent on 3 frames") && said.contains("left alone: 1 frame"), "{said}");
    lab.act(Action::ClearInOut);
    lab.act(Action::Track(TrackScope::Anew));
    lab.wait_for_run();
    assert_eq!(absent(&lab), [3, 5, 6], "no run writes over it");
    lab.act(Action::Undo);
    lab.act(Action::Undo);
    lab.act(Action::Undo);
    assert_eq!(lab.labels(), before, "one step");
    // Without the range it is this frame alone, and what was said there goes.
    lab.act(Action::GoTo(FrameIdx(9)));
    lab.act(exclude(clip.click(9).x - 12.0, clip.click(9).y));
    lab.wait_for_answers();
    lab.act(Action::MarkAbsent);
    assert_eq!(absent(&lab), [9]);
    assert!(lab.facts().prompt_here.is_none());
    lab.act(Action::GoTo(FrameIdx(4)));
    lab.act(Action::ClearInOut);
    lab.act(Action::MarkAbsent);
    assert!(last_said(&lab).contains("approved") && lab.mark(1, 4) == approved);
}

#[test]
fn masks_are_cleared_but_for_those_that_are_approved() {
    let clip = disc();
    let mut lab = tracked(&clip);
    lab.act(Action::GoTo(FrameIdx(8)));
    lab.act(exclude(clip.click(8).x - 12.0, clip.click(8).y));
    lab.wait_for_answers();
    lab.act(Action::GoTo(FrameIdx(7)));
    lab.act(Action::ToggleApproved);
    set_range(&mut lab, 6, 9);
    let before = lab.labels();
    lab.act(Action::ClearRangeMasks);
    let left = |lab: &Lab| (0..clip.frames).filter(|frame| lab.mark(1, *frame).is_some()).collect::<Vec<_>>();
    assert_eq!(left(&lab), [0, 1, 2, 3, 4, 5, 7, 10, 11]);
    let said = last_said(&lab);
    assert!(said.contains("3 frames") && said.contains("Prompts") && said.contains("left alone: 1 frame"), "{said}");
    lab.act(Action::Undo);
    lab.wait_for_answers();
    assert_eq!(lab.labels(), before, "one step");
    lab.act(Action::ClearInOut);
    lab.act(Action::GoTo(FrameIdx(3)));
    lab.act(Action::ClearMask);
    assert_eq!(left(&lab).len(), 11, "this frame alone");
    lab.act(ALL);
    lab.wait_for_run();
    assert_eq!(left(&lab).len(), 12, "it is missing, so it is tracked again");
}

#[test]
fn the_review_pass_stops_where_a_look_is_worth_it() {
    let clip = disc();
    let mut lab = tracked(&clip);
    let mark = lab.mark(1, 4).expect("tracked");
    let odd = [
        (4, FrameMark { predicted_iou: 0.3, ..mark }),
        (6, FrameMark { stability: 0.5, is_approved: true, ..mark }),
        // Lost, and then still not there.
        (7, FrameMark { area: 0, object_score: -3.0, ..mark }),
        (8, FrameMark { area: 0, object_score: -3.0, ..mark }),
        (10, FrameMark { revision: mark.revision + 1000, ..mark }),
    ];
    let changes = odd.map(|(frame, mark)| Change::Mark {
        object: ObjectId(1),
        frame: FrameIdx(frame),
        before: None,
        after: Some(mark),
    });
    labels::apply(lab.app.world_mut(), &Edit { name: "odd".to_owned(), changes: changes.to_vec() });
    let walk = |lab: &mut Lab, action: &Action| {
        let mut stops = Vec::new();
        for _ in 0..5 {
            let before = lab.facts().frame;
            lab.act(action.clone());
            if lab.facts().frame == before {
                break;
            }
            stops.push(lab.facts().frame.0);
        }
        stops
    };
    lab.act(Action::First);
    assert_eq!(walk(&mut lab, &Action::NextToReview), [4, 7, 10]);
    assert!(last_said(&lab).contains("nothing to review after"), "{}", last_said(&lab));
    assert_eq!(walk(&mut lab, &Action::PreviousToReview), [7, 4]);
    lab.act(Action::ToggleApproved);
    lab.act(Action::First);
    assert_eq!(walk(&mut lab, &Action::NextToReview), [7, 10], "what is approved was looked at");
}

#[test]
fn the_review_goes_on_to_the_other_objects_and_selects_them() {
    let clip = disc();
    let mut lab = tracked(&clip);
    lab.act(Action::NewObject);
    lab.act(Action::NewObject);
    let doubtful = FrameMark { predicted_iou: 0.3, ..lab.mark(1, 4).expect("tracked") };
    let change = |(object, frame)| Change::Mark {
        object: ObjectId(object),
        frame: FrameIdx(frame),
        before: None,
        after: Some(doubtful),
    };
    let changes = [(1, 4), (1, 8), (3, 2), (3, 6)].map(change);
    labels::apply(lab.app.world_mut(), &Edit { name: "odd".to_owned(), changes: changes.to_vec() });
    lab.act(Action::First);
    lab.act(Action::Cancel);
    assert_eq!(lab.facts().selected, None);
    let step = |lab: &mut Lab, action: Action| {
        lab.act(action);
        (lab.facts().selected.map(|id| id.0), lab.facts().frame.0)
    };
    let next: Vec<_> = (0..4).map(|_| step(&mut lab, Action::NextToReview)).collect();
    assert_eq!(next, [(Some(3), 2), (Some(3), 6), (Some(1), 4), (Some(1), 8)], "the nearest, then object by object");
    assert!(last_said(&lab).contains("object 3 has nothing to review after this frame; on to object 1"));
    assert_eq!(step(&mut lab, Action::NextToReview), (Some(3), 2));
    let back: Vec<_> = (0..3).map(|_| step(&mut lab, Action::PreviousToReview)).collect();
    assert_eq!(back, [(Some(1), 8), (Some(1), 4), (Some(3), 6)]);
    // An object without any masks is no end either.
    lab.act(Action::Select(ObjectId(2)));
    assert_eq!(step(&mut lab, Action::NextToReview), (Some(3), 2));
    lab.act(Action::Last);
    lab.act(Action::Cancel);
    assert_eq!(step(&mut lab, Action::NextToReview), (None, 11));
    assert!(last_said(&lab).starts_with("There is nothing to review after this frame"), "{}", last_said(&lab));
    assert_eq!(step(&mut lab, Action::PreviousToReview), (Some(1), 8));
    lab.act(Action::Cancel);
    lab.act(Action::MarkAbsent);
    assert!(last_said(&lab).contains("Select an object first"), "{}", last_said(&lab));
}

#[test]
fn a_frame_is_approved_for_all_objects_and_a_range_says_how_much_it_was() {
    let clip = disc();
    let mut lab = tracked(&clip);
    lab.act(Action::First);
    for place in 2..=3 {
        lab.act(Action::NewObject);
        lab.act(Action::SetBox(BoxPrompt { x0: 2.0, y0: 2.0, x1: 30.0, y1: 20.0 }));
        lab.wait_for_answers();
        assert!(lab.mark(place, 0).is_some());
    }
    lab.act(Action::ToggleLock(Some(ObjectId(3))));
    let approved = |lab: &Lab| [1, 2, 3].map(|object| lab.mark(object, 0).is_some_and(|mark| mark.is_approved));
    lab.act(Action::ToggleAllApproved);
    assert_eq!(approved(&lab), [true, true, false], "a locked object is left alone");
    lab.act(Action::ToggleAllApproved);
    assert_eq!(approved(&lab), [false; 3]);
    lab.act(Action::Undo);
    assert_eq!(approved(&lab), [true, true, false], "one step");
    lab.act(Action::Select(ObjectId(1)));
    lab.act(Action::ToggleRangeApproved);
    let said = last_said(&lab);
    assert!(said.contains("11 frames") && said.contains("whole clip"), "{said}");
}

#[test]
fn the_list_of_classes_can_be_mended() {
    let clip = disc();
    let mut lab = Lab::with_clip(clip.path());
    lab.act(Action::NewObject);
    lab.act(Action::SetClass(ObjectId(1), Some("car".to_owned())));
    lab.act(Action::AddClass("dog".to_owned()));
    let classes = |lab: &Lab| lab.app.world().resource::<Classes>().0.join(" ");
    lab.act(Action::RemoveClass("car".to_owned()));
    assert!(classes(&lab) == "car dog" && last_said(&lab).contains("object 1"), "{}", last_said(&lab));
    lab.act(Action::RemoveClass("dog".to_owned()));
    assert_eq!(classes(&lab), "car");
    lab.act(Action::Undo);
    assert_eq!(classes(&lab), "car dog");
    let before = lab.labels();
    lab.act(Action::RenameClass("car".to_owned(), "dog".to_owned()));
    assert!(last_said(&lab).contains("dog already"));
    lab.act(Action::RenameClass("car".to_owned(), " bus ".to_owned()));
    let class = labels::facts(lab.app.world(), ObjectId(1)).and_then(|facts| facts.class.clone());
    assert_eq!((classes(&lab).as_str(), class.as_deref()), ("bus dog", Some("bus")));
    lab.act(Action::Undo);
    assert_eq!(lab.labels(), before, "one step");
    lab.act(Action::ToggleLock(Some(ObjectId(1))));
    lab.act(Action::RenameClass("car".to_owned(), "bus".to_owned()));
    assert!(classes(&lab) == "car dog" && last_said(&lab).contains("locked"), "{}", last_said(&lab));
}

#[test]
fn the_save_key_says_that_everything_is_saved_and_writes_no_masks() {
    let clip = disc();
    let mut lab = tracked(&clip);
    lab.app.insert_resource(Keymap::default());
    lab.act(Action::TellSaved);
    let name = clip.project().file_name().expect("a file").to_string_lossy().into_owned();
    assert_eq!(last_said(&lab), format!("Everything is saved already, in {name}. Ctrl+E exports."));
    assert!(!lab.facts().is_saving);
    let folder = tempfile::tempdir().expect("a temporary folder");
    let folder = folder.path().join("masks");
    lab.act(Action::StopSaving);
    assert!(last_said(&lab).contains("No masks are being written"));
    for action in [Action::SaveMasksTo(folder.clone()), Action::StopSaving] {
        lab.app.world_mut().resource_mut::<ActionQueue>().send(action);
    }
    lab.wait_for_saving();
    // A disk may be faster than the hand that stops it.
    assert!(["Stopped; ", "Saved "].iter().any(|end| last_said(&lab).starts_with(end)), "{}", last_said(&lab));
    lab.act(Action::SaveMasksTo(folder));
    lab.wait_for_saving();
    assert!(last_said(&lab).starts_with("Saved 12 masks"), "{}", last_said(&lab));
}
