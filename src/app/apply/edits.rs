//! Undo, redo, reset.

use std::collections::{BTreeSet, HashSet};

use bevy::prelude::*;

use crate::engine::EngineCommand;
use crate::label::{Change, Edit, FrameIdx, ObjectId, Provenance, counted};

use super::super::action::Action;
use super::super::history::{History, Joins};
use super::super::labels::{self, InOut, LabelIndex};
use super::super::notices::Severity;
use super::super::state::{Answers, CurrentRun, EngineLink, Selection, Tracking};
use super::{commit, make, objects, owns_run, tell};

pub(super) fn perform(world: &mut World, action: &Action) {
    match action {
        Action::Undo => {
            if stop_run_if_newest(world) {
                return;
            }
            for edit in world.resource_mut::<History>().take_undo() {
                make_again(world, &edit.reversed());
            }
        }
        Action::Redo => {
            for edit in world.resource_mut::<History>().take_redo() {
                drop_left_over(world, &edit);
                make_again(world, &edit);
                drop_orphans(world, &edit);
            }
        }
        Action::ResetAll => reset_all(world),
        _ => unreachable!("perform sends undo, redo and reset here"),
    }
}

/// Undoing a run that is still going on ends it; its late frames must not come back. True when it has brought none yet:
/// then there is nothing else to take back.
fn stop_run_if_newest(world: &mut World) -> bool {
    let Some(run) = newest_run(world).map(|run| run.generation) else { return false };
    disown_run(world);
    world.resource::<History>().is_awaited_newest(run)
}

/// The run that is going on, if it is what undo would take back.
pub(in super::super) fn newest_run(world: &World) -> Option<&Tracking> {
    let run = world.resource::<CurrentRun>().0.as_ref().filter(|run| !run.is_disowned)?;
    world.resource::<History>().is_newest_run(run.generation).then_some(run)
}

/// Makes an edit of the history. A prompt that loses its mask by it, as one that a run had answered, is asked about again,
/// and so is one whose answer never came; one that gets its mask back is not.
fn make_again(world: &mut World, edit: &Edit) {
    make(world, edit);
    select_returned(world, edit);
    for change in &edit.changes {
        let Change::Mark { object, frame, before, after } = change else { continue };
        let key = (*object, *frame);
        let is_said = labels::frame_prompt(world, *object, *frame).is_some();
        let mut answers = world.resource_mut::<Answers>();
        if before.is_none() && after.is_some() {
            answers.wanted.remove(&key);
            answers.pending.remove(&key);
        } else if after.is_none() && is_said && !answers.pending.contains_key(&key) {
            answers.wanted.insert(key);
        }
    }
    // Last: the mask that came back may be one of earlier words.
    if edit.changes.iter().any(|change| matches!(change, Change::Prompt { after: Some(_), .. })) {
        let open = labels::open_prompts(world);
        let said = edit.changes.iter().filter_map(|change| match change {
            Change::Prompt { object, frame, after: Some(_), .. } => Some((*object, *frame)),
            _ => None,
        });
        world.resource_mut::<Answers>().wanted.extend(said.filter(|key| open.contains(key)));
    }
}

/// Whoever brings an object back wants to go on with it. Of several the first is taken, where none is selected.
fn select_returned(world: &mut World, edit: &Edit) {
    let returned = edit.changes.iter().filter_map(|change| match change {
        Change::Object { id, before: None, after: Some(_) } => Some(*id),
        _ => None,
    });
    let returned: BTreeSet<ObjectId> = returned.collect();
    let is_any_selected = world.resource::<Selection>().0.is_some();
    if let Some(first) = returned.first().filter(|_| returned.len() == 1 || !is_any_selected) {
        objects::select(world, *first);
    }
}

/// A mask that came while the removal of its object was undone, and that the removal therefore does not name, goes with
/// the object: it would be the next one's of that number.
fn drop_left_over(world: &mut World, edit: &Edit) {
    let removed = edit.changes.iter().filter_map(|change| match change {
        Change::Object { id, after: None, .. } => Some(*id),
        _ => None,
    });
    let removed: BTreeSet<ObjectId> = removed.collect();
    if removed.is_empty() {
        return;
    }
    let named = edit.changes.iter().filter_map(|change| match change {
        Change::Mark { object, frame, .. } => Some((*object, *frame)),
        _ => None,
    });
    let named: HashSet<(ObjectId, FrameIdx)> = named.collect();
    let marks = removed.iter().filter_map(|id| Some((*id, labels::marks(world, *id)?)));
    let marks = marks.flat_map(|(id, marks)| marks.frames.iter().map(move |(frame, mark)| (id, *frame, *mark)));
    let left_over = marks.filter(|(object, frame, _)| !named.contains(&(*object, *frame)));
    let changes: Vec<Change> = left_over
        .map(|(object, frame, mark)| Change::Mark { object, frame, before: Some(mark), after: None })
        .collect();
    if changes.is_empty() {
        return;
    }
    make(world, &Edit { name: edit.name.clone(), changes: changes.clone() });
    for change in changes {
        world.resource_mut::<History>().follow_prompt(change);
    }
}

/// A prompt that had no answer when it was taken back may have got one now, between two steps made again: it goes with
/// the prompt.
fn drop_orphans(world: &mut World, edit: &Edit) {
    for change in &edit.changes {
        let Change::Prompt { object, frame, after: None, .. } = *change else { continue };
        let before = labels::mark(world, object, frame).filter(|mark| mark.provenance == Provenance::Prompted);
        if before.is_none() || labels::frame_prompt(world, object, frame).is_some() {
            continue;
        }
        let change = Change::Mark { object, frame, before, after: None };
        make(world, &Edit { name: edit.name.clone(), changes: vec![change.clone()] });
        world.resource_mut::<History>().follow_prompt(change);
    }
}

/// Ends the run and refuses what it still delivers.
pub(super) fn disown_run(world: &mut World) {
    if !owns_run(world) {
        return;
    }
    if let Some(run) = &mut world.resource_mut::<CurrentRun>().0 {
        run.is_disowned = true;
    }
    world.resource::<EngineLink>().0.send(EngineCommand::StopTracking);
}

fn reset_all(world: &mut World) {
    disown_run(world);
    let ids: Vec<_> = world.resource::<LabelIndex>().objects().map(|(id, _)| id).collect();
    let mut changes = Vec::new();
    for id in &ids {
        changes.extend(objects::removal(world, *id));
    }
    let masks = changes.iter().filter(|change| matches!(change, Change::Mark { .. })).count();
    let is_approved = |change: &&Change| matches!(change, Change::Mark { before: Some(mark), .. } if mark.is_approved);
    let approved = changes.iter().filter(is_approved).count();
    changes.push(Change::InOut { before: world.resource::<InOut>().0, after: None });
    commit(world, "reset all", changes, Joins::Nothing);
    let gone = if masks == 1 { "is" } else { "are" };
    let with_approved = if approved > 0 { format!(", {approved} of them approved") } else { String::new() };
    let text = format!("Everything was reset: {} {gone} gone{with_approved}.", counted(masks, "mask"));
    tell(world, Severity::Info, text, vec![("Undo".to_owned(), Action::Undo)]);
}
