//! The one writer: turns actions and the model's answers into edits, and edits into the world.
//!
//! Called once per update with everything that arrived. Every change of the labels goes through [`make`], and [`commit`]
//! where the labeller made it: world, undo history, store and log see the same edit. Approved and locked masks are
//! protected here and nowhere else. Nothing here draws, decodes or runs a model.

mod clips;
mod datasets;
mod edits;
mod engine_events;
mod objects;
mod prompts;
mod time;
mod tracking;
mod view;

use bevy::prelude::*;

use crate::engine::{EngineCommand, EngineEvent};
use crate::label::{Change, Edit, FrameIdx, ObjectId};
use crate::store::{Durability, HistoryChange};

use super::action::Action;
use super::action_log::ActionLog;
use super::gather::gather_facts;
use super::history::{History, Joins};
use super::labels;
use super::model_files;
use super::notices::{Notices, Severity};
use super::playback;
use super::project::{self, session};
use super::state::{ActionQueue, Answers, CurrentRun, EngineLink, Playhead, Selection, StoreLink};

/// Masks that nothing names any more may be one in so many of all, before they are looked for.
const SWEPT_SHARE: usize = 50;

pub(super) use clips::{clip_failed, clip_indexed, clip_opened, close_clip, is_test_engine};
pub(super) use edits::newest_run;
pub(super) use prompts::ask_model;
pub(super) use tracking::pairs_to_track;

/// What the model's thread sent since the last update.
#[derive(Resource, Default)]
pub struct EngineInbox(pub Vec<EngineEvent>);

/// The system: the model's news first, then what the labeller wants, in the order they wanted it.
pub(super) fn apply_everything(world: &mut World) {
    let events = std::mem::take(&mut world.resource_mut::<EngineInbox>().0);
    for event in events {
        let durability = match event {
            EngineEvent::Tracked { .. } => Durability::Batched,
            _ => Durability::Durable,
        };
        engine_events::take(world, event);
        finish_unit(world, durability);
    }
    // Only what waits now: an action that sends another one is answered in the next update.
    datasets::take_events(world);
    finish_unit(world, Durability::Durable);
    let actions = std::mem::take(&mut world.resource_mut::<ActionQueue>().0);
    for action in actions {
        perform(world, action);
        finish_unit(world, Durability::Durable);
    }
    drop_unused_masks(world);
    finish_unit(world, Durability::Batched);
    objects::mend_solo(world);
    // Only now: the actions were about the frame that was on screen.
    world.run_system_cached(playback::advance).expect("what it needs is there from the start");
    let facts = gather_facts(world);
    world.insert_resource(facts);
}

/// What one action or one event did becomes one unit in the store: all of it is there after a crash, or nothing.
fn finish_unit(world: &mut World, durability: Durability) {
    let journal = std::mem::take(&mut world.resource_mut::<History>().journal);
    let is_step = |change: &HistoryChange| {
        use HistoryChange::{Insert, Push, Redo, Undo};
        matches!(change, Push { is_follow_up: false, .. } | Insert { below: 0, .. } | Undo(_) | Redo(_))
    };
    world.resource_mut::<Notices>().settle(journal.iter().any(is_step));
    let store = world.resource::<StoreLink>().clone();
    let mut store = store.write();
    for change in journal {
        store.note_history(change);
    }
    store.finish(durability);
}

/// Acts on one action, or says why not.
fn perform(world: &mut World, action: Action) {
    let facts = gather_facts(world);
    if let Some(reason) = action.unavailable_because(&facts) {
        tell(world, Severity::Info, format!("{}: {reason}", action.label()), Vec::new());
        return;
    }
    world.resource_mut::<ActionLog>().note(&action, facts.frame, facts.selected);
    if let Some(failure) = world.resource_mut::<ActionLog>().failure.take() {
        tell(world, Severity::Warning, failure, Vec::new());
    }
    match action {
        Action::Ask(_)
        | Action::Open(_)
        | Action::OpenAnyway(..)
        | Action::OpenWith(..)
        | Action::RetryWriting
        | Action::SaveProjectCopy(_)
        | Action::OpenSample
        | Action::NextClip
        | Action::TellSaved
        | Action::SaveMasks
        | Action::SaveMasksTo(_)
        | Action::SaveMasksAnyway(_)
        | Action::StopSaving
        | Action::ImportClasses(_)
        | Action::LoadModel(_)
        | Action::RetryModel
        | Action::Quit
        | Action::QuitAnyway => clips::perform(world, action),
        Action::UseModel(_)
        | Action::GetModel(_)
        | Action::CheckModel(_)
        | Action::MeasureModel(_)
        | Action::StopModelJob
        | Action::RemoveModel(_)
        | Action::OfferModel(_) => model_files::perform(world, &action),
        Action::Export(_) | Action::ImportLabels(_) | Action::StopExport => datasets::perform(world, action),
        Action::Undo | Action::Redo | Action::ResetAll => edits::perform(world, &action),
        Action::Step(_)
        | Action::GoTo(_)
        | Action::First
        | Action::Last
        | Action::NextPrompted
        | Action::PreviousPrompted
        | Action::NextToReview
        | Action::PreviousToReview
        | Action::PlayPause
        | Action::ShuttleBack
        | Action::ShuttleStop
        | Action::ShuttleForward
        | Action::ToggleLoop
        | Action::SetIn
        | Action::SetOut
        | Action::SetInOut(..)
        | Action::ClearInOut => time::perform(world, &action),
        Action::NewObject
        | Action::SelectNth(_)
        | Action::Select(_)
        | Action::NextObject
        | Action::PreviousObject
        | Action::DeleteObject(_)
        | Action::Rename(..)
        | Action::SetClass(..)
        | Action::AddClass(_)
        | Action::RenameClass(..)
        | Action::RemoveClass(_)
        | Action::SetColour(..)
        | Action::ToggleHidden(_)
        | Action::ToggleSolo(_)
        | Action::ToggleLock(_) => objects::perform(world, action),
        Action::AddPoint(_)
        | Action::MovePoint { .. }
        | Action::DeletePoint { .. }
        | Action::SetBox(_)
        | Action::Paint(_)
        | Action::UseMaskAsPrompt
        | Action::ClearPrompts
        | Action::MarkAbsent
        | Action::MarkRangeAbsent
        | Action::ClearMask
        | Action::ClearRangeMasks
        | Action::AskAgain(..)
        | Action::CycleCandidate
        | Action::ToggleApproved
        | Action::ToggleAllApproved
        | Action::ToggleRangeApproved => prompts::perform(world, action),
        Action::Track(_) | Action::TrackSelected(_) | Action::StopTracking => tracking::perform(world, &action),
        Action::MoveCrosshair(..)
        | Action::ClickCrosshair(_)
        | Action::UseTool(_)
        | Action::BrushLarger
        | Action::BrushSmaller
        | Action::ZoomIn
        | Action::ZoomOut
        | Action::ZoomFit
        | Action::ZoomActual
        | Action::ToggleOutlineOnly
        | Action::ToggleOverlay
        | Action::SetFillOpacity(_)
        | Action::SetOutlineWidth(_)
        | Action::SetUiScale(_)
        | Action::SetTheme(_)
        | Action::TogglePanel(_)
        | Action::SetExportFolder(_)
        | Action::StartRename
        | Action::Tour(_)
        | Action::DismissNotice(_)
        | Action::Cancel => view::perform(world, &action),
    }
}

/// Makes the labeller's edit: world, store, history. Changes that change nothing are left out.
fn commit(world: &mut World, name: impl Into<String>, changes: Vec<Change>, joins: Joins) {
    let changes: Vec<Change> = changes.into_iter().filter(|change| !change.is_idle()).collect();
    if changes.is_empty() {
        return;
    }
    let edit = Edit { name: name.into(), changes };
    make(world, &edit);
    world.resource_mut::<History>().push(edit, joins);
}

/// Makes an edit in the world and the store, apart from the history.
fn make(world: &mut World, edit: &Edit) {
    labels::apply(world, edit);
    let store = world.resource::<StoreLink>().clone();
    let session = session(world);
    let inherited = project::take_inherited_classes(world);
    let mut held = store.write();
    held.record(edit);
    if let Some(classes) = inherited {
        held.record(&classes);
    }
    held.note_session(&session);
    drop(held);
    ask_about(world, edit);
    mend_selection(world);
}

/// Keeps the open questions, and what the model remembers, in step with the prompts and objects an edit touched. A
/// prompt that came with its mask needs no answer; the mask of one that was undone or removed must not arrive any more,
/// nor lead others.
fn ask_about(world: &mut World, edit: &Edit) {
    for change in &edit.changes {
        match change {
            Change::Object { id, after: None, .. } => {
                world.resource::<EngineLink>().0.send(EngineCommand::Forget { object: *id });
                // What the run still brings of it must not reach the next object of that number.
                if let Some(run) = world.resource_mut::<CurrentRun>().0.as_mut() {
                    run.revisions.remove(id);
                }
            }
            Change::Prompt { object, frame, after: None, .. } => {
                let command = EngineCommand::ClearPrompt { object: *object, frame: *frame };
                let generation = world.resource::<EngineLink>().0.send(command);
                if let Some(run) = world.resource_mut::<CurrentRun>().0.as_mut() {
                    run.taken_back = Some(generation);
                }
            }
            _ => {}
        }
        let Change::Prompt { object, frame, .. } = change else { continue };
        let key = (*object, *frame);
        reword_run(world, key);
        let needs_answer = labels::is_unanswered(world, *object, *frame);
        let mut answers = world.resource_mut::<Answers>();
        answers.pending.remove(&key);
        answers.candidates = answers.candidates.take().filter(|c| (c.object, c.frame) != key);
        if needs_answer {
            answers.wanted.insert(key);
        } else {
            answers.wanted.remove(&key);
        }
    }
}

/// What a run brings after its object's prompts changed is stale whatever comes of the change: undone, it gives the object
/// its revision back, but the run was led by the words that are gone, or by the lack of those that are back. Unless they
/// came early enough to lead it, which the model says when its frames begin.
fn reword_run(world: &mut World, (object, frame): (ObjectId, FrameIdx)) {
    let Some(run) = world.resource_mut::<CurrentRun>().into_inner().0.as_mut() else { return };
    run.is_outdated = true;
    if !run.revisions.contains_key(&object) {
        return;
    }
    let revision = world.resource_mut::<super::state::Revisions>().give();
    if let Some(run) = world.resource_mut::<CurrentRun>().0.as_mut() {
        run.revisions.insert(object, revision);
        run.reworded.insert((object, frame));
        if !run.has_begun {
            run.untold.insert((object, frame));
        }
    }
}

/// A selected object that has gone gives way to its neighbour.
fn mend_selection(world: &mut World) {
    let index = world.resource::<labels::LabelIndex>();
    let Some(selected) = world.resource::<Selection>().0 else { return };
    if index.object(selected).is_some() {
        return;
    }
    let before = index.objects().rev().find(|(id, _)| *id < selected);
    let neighbour = before.or_else(|| index.objects().next()).map(|(id, _)| id);
    world.resource_mut::<Selection>().0 = neighbour;
}

/// When undo steps were dropped, masks nothing names any more leave the store.
fn drop_unused_masks(world: &mut World) {
    // Masks that are being written out are read one by one, by id.
    let is_reading = world.resource::<super::state::Saving>().progress.is_some()
        || world.resource::<super::export::Exporting>().events.is_some();
    let dropped = world.resource::<History>().dropped_marks;
    if is_reading || dropped == 0 {
        return;
    }
    let mut all_marks = world.query::<&labels::Marks>();
    // The look at every mask takes 100 ms where there are two million: it waits until it may be worth it.
    let total: usize = all_marks.iter(world).map(|marks| marks.frames.len()).sum();
    if dropped <= total / SWEPT_SHARE {
        return;
    }
    world.resource_mut::<History>().dropped_marks = 0;
    let mut used = std::collections::HashSet::new();
    world.resource::<History>().add_masks(&mut used);
    used.extend(all_marks.iter(world).flat_map(|marks| marks.frames.values().map(|mark| mark.mask)));
    let store = world.resource::<StoreLink>().clone();
    store.write().keep_only(&used);
}

/// A new revision for an object whose prompts change: what was tracked before is stale.
fn bump_revision(world: &mut World, object: ObjectId) -> Option<Change> {
    let before = labels::facts(world, object)?.clone();
    let revision = world.resource_mut::<super::state::Revisions>().give();
    let after = crate::label::ObjectFacts { revision, ..before.clone() };
    Some(Change::Object { id: object, before: Some(before), after: Some(after) })
}

/// Says something to the labeller.
fn tell(world: &mut World, severity: Severity, text: impl Into<String>, ways_out: Vec<(String, Action)>) {
    world.resource_mut::<Notices>().push(severity, text, ways_out);
}

/// The current frame.
fn playhead(world: &World) -> FrameIdx {
    world.resource::<Playhead>().0
}

/// The run that is going on, if its frames still count.
fn owns_run(world: &World) -> bool {
    world.resource::<CurrentRun>().0.as_ref().is_some_and(|run| !run.is_disowned)
}
