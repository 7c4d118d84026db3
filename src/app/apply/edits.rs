//! Undo, redo, reset.

use bevy::prelude::*;

use crate::engine::EngineCommand;
use crate::label::Change;

use super::super::action::Action;
use super::super::history::{History, Joins};
use super::super::labels::{InOut, LabelIndex};
use super::super::notices::Severity;
use super::super::state::{CurrentRun, EngineLink};
use super::super::wording::counted;
use super::{commit, make, objects, owns_run, tell};

pub(super) fn perform(world: &mut World, action: &Action) {
    match action {
        Action::Undo => {
            stop_run_if_newest(world);
            for edit in world.resource_mut::<History>().take_undo() {
                make(world, &edit.reversed());
            }
        }
        Action::Redo => {
            for edit in world.resource_mut::<History>().take_redo() {
                make(world, &edit);
            }
        }
        Action::ResetAll => reset_all(world),
        _ => unreachable!("perform sends undo, redo and reset here"),
    }
}

/// Undoing the frames of a run that is still going on ends it; its late frames must not come back.
fn stop_run_if_newest(world: &mut World) {
    let Some(generation) = world.resource::<CurrentRun>().0.as_ref().map(|run| run.generation) else { return };
    if world.resource::<History>().is_newest_run(generation) {
        disown_run(world);
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
    changes.push(Change::InOut { before: world.resource::<InOut>().0, after: None });
    commit(world, "reset all", changes, Joins::Nothing);
    let gone = if masks == 1 { "is" } else { "are" };
    let text = format!("Everything was reset: {} {gone} gone.", counted(masks, "mask"));
    tell(world, Severity::Info, text, vec![("Undo".to_owned(), Action::Undo)]);
}
