//! Every action in every state: nothing panics, what is unavailable says why, every edit can be undone and made again.
#![cfg(feature = "gui")]

mod app_support;
mod engine_support;

use app_support::{Lab, click};
use bevy::ecs::schedule::{LogLevel, ScheduleBuildSettings};
use bevy::prelude::*;
use engine_support::DiscClip;
use label_hub::app::action::{Action, TrackScope};
use label_hub::app::history::History;
use label_hub::label::FrameIdx;

/// What would leave the test's own files, or end it.
fn is_harmless(action: &Action) -> bool {
    !matches!(
        action,
        Action::Open(_)
            | Action::OpenAnyway(..)
            | Action::OpenWith(..)
            | Action::SaveProjectCopy(_)
            | Action::QuitAnyway
            | Action::NextClip
            | Action::OpenSample
            | Action::Export(_)
            | Action::ImportLabels(_)
            | Action::SaveMasks
            | Action::SaveMasksTo(_)
            | Action::SaveMasksAnyway(_)
            | Action::ImportClasses(_)
            | Action::Quit
    )
}

#[test]
fn every_action_is_possible_or_says_why_not() {
    let clip = DiscClip::new(64, 48, 4, false);
    let mut empty = Lab::new();
    for action in Action::all().into_iter().filter(is_harmless) {
        let reason = action.unavailable_because(empty.facts());
        empty.act(action.clone());
        if let Some(reason) = reason {
            assert!(empty.said().iter().any(|text| text.contains(reason)), "{action:?} was silent about {reason:?}");
        }
    }
    let mut labelled = Lab::with_clip(clip.path());
    labelled.act(click(clip.click(0)));
    labelled.wait_for_answers();
    for action in Action::all().into_iter().filter(is_harmless) {
        labelled.act(action);
    }
    labelled.wait_for_run();
}

#[test]
fn every_edit_goes_back_and_comes_again() {
    let clip = DiscClip::new(64, 48, 6, false);
    for action in Action::all().into_iter().filter(|action| action.is_undoable() && is_harmless(action)) {
        let mut lab = Lab::with_clip(clip.path());
        lab.act(click(clip.click(0)));
        lab.wait_for_answers();
        lab.act(Action::SetOut);
        if matches!(action, Action::Track(_) | Action::TrackSelected(_)) {
            lab.act(Action::ClearInOut);
            lab.act(Action::GoTo(FrameIdx(1)));
        }
        let before = lab.labels();
        if action.unavailable_because(lab.facts()).is_some() {
            continue;
        }
        lab.act(action.clone());
        lab.wait_for_run();
        lab.wait_for_answers();
        let after = lab.labels();
        if after == before {
            // Tracking backward from the first prompt, clearing what is clear: nothing to take back.
            continue;
        }
        lab.act(Action::Undo);
        assert_eq!(lab.labels(), before, "{action:?} undone");
        lab.act(Action::Redo);
        lab.wait_for_answers();
        assert_eq!(lab.labels(), after, "{action:?} made again");
    }
}

#[test]
fn no_two_systems_race() {
    let mut lab = Lab::new();
    lab.app.edit_schedule(Update, |schedule| {
        schedule.set_build_settings(ScheduleBuildSettings { ambiguity_detection: LogLevel::Error, ..default() });
    });
    // Building the schedule panics when two of its systems could run in either order with different results.
    lab.app.update();
}

#[test]
fn thousands_of_actions_keep_masks_and_history_bounded() {
    let clip = DiscClip::new(64, 48, 12, false);
    let mut lab = Lab::with_clip(clip.path());
    lab.app.insert_resource(History::new(64 << 10));
    let mut sizes = Vec::new();
    for round in 0..360_u32 {
        let frame = round * 7 % 12;
        lab.act(Action::GoTo(FrameIdx(frame)));
        lab.act(click(clip.click(frame)));
        lab.act(Action::CycleCandidate);
        lab.wait_for_answers();
        if round % 20 == 0 {
            lab.act(Action::Track(TrackScope::StaleOrMissing));
            lab.wait_for_run();
        }
        lab.act(Action::ClearPrompts);
        for _ in 0..3 {
            lab.act(Action::Undo);
        }
        lab.act(Action::Redo);
        lab.act(Action::Step(1));
        lab.wait_for_answers();
        let store = lab.app.world().resource::<label_hub::app::state::StoreLink>();
        sizes.push(store.0.read().expect("nobody panics").byte_count());
    }
    let (early, late) = (sizes[..60].iter().max().expect("rounds"), sizes[300..].iter().max().expect("rounds"));
    assert!(*late <= early * 2 + 65_536, "masks in memory grew from {early} to {late} bytes");
}
