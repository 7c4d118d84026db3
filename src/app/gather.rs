//! Gathers [`AppFacts`] from the world. Reads only.

use bevy::prelude::*;

use crate::label::{FrameIdx, Provenance};
use crate::store::ProjectHandle;

use super::apply::newest_run;
use super::canvas::LargestPicture;
use super::export::Exporting;
use super::facts::{AppFacts, ClipState, ModelState};
use super::history::History;
use super::labels::{self, InOut, LabelIndex, Marks};
use super::model_files::ModelFiles;
use super::pointer::Pointer;
use super::project::Project;
use super::state::{
    Answers, ClipStatus, Crosshair, CurrentRun, Model, ModelStatus, OpenClip, Overlay, Playback, Playhead, Saving,
    Selection, Shown, ToolInHand, Windows,
};
use super::tour::Tour;

/// The facts as they are now.
pub(super) fn gather_facts(world: &World) -> AppFacts {
    let open = world.resource::<OpenClip>();
    let frame = world.resource::<Playhead>().0;
    let index = world.resource::<LabelIndex>();
    let selected = world.resource::<Selection>().0;
    let history = world.resource::<History>();
    let shown = world.resource::<Shown>();
    let overlay = world.resource::<Overlay>();
    let mut facts = AppFacts {
        clip: match open.status {
            ClipStatus::None => ClipState::None,
            ClipStatus::Opening { .. } => ClipState::Opening,
            ClipStatus::Open(_) => ClipState::Open,
        },
        frame_count: open.clip().map_or(0, crate::video::Clip::frame_count),
        frame,
        is_damaged: shown.frame.as_ref().is_some_and(|shown| shown.idx() == frame && shown.damage().is_some()),
        is_unreadable: shown.failure(frame).is_some(),
        largest_side: largest_side(world),
        in_out: world.resource::<InOut>().0,
        is_playing: world.resource::<Playback>().running.is_some(),
        objects: index.objects().map(|(id, _)| id).collect(),
        locked: index.objects().map(|(id, _)| id).filter(|id| is_locked(world, *id)).collect(),
        selected,
        has_prompts: index.prompt_count() > 0,
        prompted_before: index.prompted_before(frame).is_some(),
        prompted_after: index.prompted_after(frame).is_some(),
        has_masks: index.objects().any(|(_, e)| world.get::<Marks>(e).is_some_and(|marks| !marks.frames.is_empty())),
        has_free_mask_here: index
            .objects()
            .any(|(id, _)| labels::mark(world, id, frame).is_some() && !is_locked(world, id)),
        has_model_job: world.resource::<ModelFiles>().job().is_some(),
        is_touring: world.resource::<Tour>().0.is_some(),
        undo: newest_run(world).map(|run| run.name.as_str()).or(history.undo_name()).map(str::to_owned),
        redo: history.redo_name().map(str::to_owned),
        model: match world.resource::<Model>().status {
            ModelStatus::None => ModelState::None,
            ModelStatus::Loading(_) => ModelState::Loading,
            ModelStatus::Ready(_) => ModelState::Ready,
            ModelStatus::Failed(_) => ModelState::Failed,
        },
        is_tracking: world.resource::<CurrentRun>().0.is_some(),
        is_exporting: world.resource::<Exporting>().events.is_some(),
        has_project: world.resource::<Project>().handle.is_some(),
        is_read_only: world.resource::<Project>().handle.as_ref().is_some_and(ProjectHandle::is_read_only),
        is_saving: world.resource::<Saving>().progress.is_some(),
        tool: world.resource::<ToolInHand>().tool,
        is_crosshair_shown: world.resource::<Crosshair>().0.is_some(),
        has_first_corner: world.get_resource::<Pointer>().is_some_and(|pointer| pointer.first_corner.is_some()),
        has_next_clip: open.next.is_some(),
        can_retry_model: matches!(world.resource::<Model>().status, ModelStatus::Failed(_)),
        panel: world.resource::<Windows>().panel,
        is_overlay_off: overlay.is_off,
        solo: overlay.solo,
        ..AppFacts::default()
    };
    if facts.is_touring {
        facts.has_tracked = index.objects().any(|(_, e)| world.get::<Marks>(e).is_some_and(has_tracked));
        facts.has_correction = index.objects().any(|(id, _)| index.prompts_of(id).nth(1).is_some());
        facts.has_stale = index.objects().any(|(id, e)| has_stale(world, id, e));
    }
    if let Some(object) = selected {
        gather_selected(world, object, &mut facts);
    }
    facts
}

/// What the graphics device can show, where that is less than the clip's picture.
fn largest_side(world: &World) -> Option<u32> {
    let (clip, largest) = (world.resource::<OpenClip>().clip()?, world.get_resource::<LargestPicture>()?);
    (!largest.fits(clip.size())).then_some(largest.0)
}

fn has_tracked(marks: &Marks) -> bool {
    marks.frames.values().any(|mark| matches!(mark.provenance, Provenance::Tracked))
}

fn has_stale(world: &World, object: crate::label::ObjectId, entity: Entity) -> bool {
    let (Some(facts), Some(marks)) = (labels::facts(world, object), world.get::<Marks>(entity)) else { return false };
    marks.frames.values().any(|mark| mark.is_stale(facts.revision))
}

fn is_locked(world: &World, object: crate::label::ObjectId) -> bool {
    labels::facts(world, object).is_some_and(|object| object.is_locked)
}

fn gather_selected(world: &World, object: crate::label::ObjectId, facts: &mut AppFacts) {
    let frame = facts.frame;
    facts.is_selected_locked = is_locked(world, object);
    facts.is_selected_hidden = labels::facts(world, object).is_some_and(|object| object.is_hidden);
    facts.prompt_here = labels::frame_prompt(world, object, frame).map(|said| said.prompt.clone());
    let mark = labels::mark(world, object, frame);
    facts.has_mask_here = mark.is_some();
    facts.is_approved_here = mark.is_some_and(|mark| mark.is_approved);
    let (first, last) = facts.in_out.unwrap_or((FrameIdx(0), FrameIdx(facts.frame_count.saturating_sub(1))));
    let marks = labels::marks(world, object);
    facts.has_masks_in_range = marks.is_some_and(|marks| marks.frames.range(first..=last).next().is_some());
    let candidates = world.resource::<Answers>().candidates.as_ref();
    facts.candidates_here =
        candidates.filter(|c| (c.object, c.frame) == (object, frame)).map_or(0, |c| c.predicted_ious.len());
}
