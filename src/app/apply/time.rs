//! Going through time: steps, jumps, playing, the in/out range.

use std::ops::Bound;

use bevy::prelude::*;

use crate::label::{Change, FrameIdx, ObjectId};

use super::super::action::Action;
use super::super::history::Joins;
use super::super::labels::{self, InOut, LabelIndex};
use super::super::notices::Severity;
use super::super::state::{OpenClip, Playback, Playhead, Selection, Shown, Stretch};
use super::{commit, objects, playhead, tell};

/// Fastest shuttle.
const MAX_SPEED: f64 = 16.0;

pub(super) fn perform(world: &mut World, action: &Action) {
    let Some(last) = world.resource::<OpenClip>().clip().map(|clip| FrameIdx(clip.frame_count() - 1)) else { return };
    let here = playhead(world);
    match action {
        Action::Step(by) => jump(world, FrameIdx(here.0.saturating_add_signed(*by).min(last.0))),
        Action::GoTo(frame) => jump(world, (*frame).min(last)),
        Action::First => jump(world, FrameIdx(0)),
        Action::Last => jump(world, last),
        Action::NextPrompted => jump_to_found(world, |index| index.prompted_after(here)),
        Action::PreviousPrompted => jump_to_found(world, |index| index.prompted_before(here)),
        Action::NextToReview => review(world, true),
        Action::PreviousToReview => review(world, false),
        Action::PlayPause => {
            let is_playing = world.resource::<Playback>().running.is_some();
            play(world, if is_playing { None } else { Some(1.0) });
        }
        Action::ShuttleStop => play(world, None),
        Action::ShuttleForward => shuttle(world, 1.0),
        Action::ShuttleBack => shuttle(world, -1.0),
        Action::ToggleLoop => {
            let mut playback = world.resource_mut::<Playback>();
            playback.is_looping = !playback.is_looping;
        }
        Action::SetIn => {
            // A point beyond the other one begins a new range.
            let end = world.resource::<InOut>().0.map(|(_, end)| end).filter(|end| *end >= here);
            set_in_out(world, Some((here, end.unwrap_or(last))));
        }
        Action::SetOut => {
            let start = world.resource::<InOut>().0.map(|(start, _)| start).filter(|start| *start <= here);
            set_in_out(world, Some((start.unwrap_or(FrameIdx(0)), here)));
        }
        Action::SetInOut(first, end) => set_in_out(world, Some((*first.min(end), (*end.max(first)).min(last)))),
        Action::ClearInOut => set_in_out(world, None),
        _ => unreachable!("perform sends actions about time here"),
    }
}

/// Goes to a frame; who jumps does not want to go on playing.
fn jump(world: &mut World, frame: FrameIdx) {
    world.resource_mut::<Playback>().running = None;
    world.resource_mut::<Playhead>().0 = frame;
    // Who goes to a frame that could not be read wants it tried again.
    world.resource_mut::<Shown>().failed.take_if(|(failed, _)| *failed == frame);
}

fn jump_to_found(world: &mut World, find: impl FnOnce(&LabelIndex) -> Option<FrameIdx>) {
    if let Some(frame) = find(world.resource::<LabelIndex>()) {
        jump(world, frame);
    }
}

/// Goes to the nearest frame to review of the selected object, one way or the other, and from its last to the next object
/// that has any. With none selected all objects are looked at, and the one that is found is selected.
fn review(world: &mut World, is_forward: bool) {
    let (selected, beyond) = (world.resource::<Selection>().0, Bound::Excluded(playhead(world)));
    let mut ids: Vec<ObjectId> = world.resource::<LabelIndex>().objects().map(|(id, _)| id).collect();
    let found = match selected {
        Some(object) => {
            let own = to_review(world, object, beyond, is_forward).map(|frame| (object, frame));
            ids.retain(|id| *id != object);
            let next = ids.partition_point(|id| *id < object);
            ids.rotate_left(next);
            if !is_forward {
                ids.reverse();
            }
            let of = |id: &ObjectId| Some((*id, to_review(world, *id, Bound::Unbounded, is_forward)?));
            own.or_else(|| ids.iter().find_map(of))
        }
        None => nearest_to_review(world, &ids, beyond, is_forward),
    };
    let name = |object: ObjectId| labels::facts(world, object).map_or("", |facts| facts.name.as_str());
    let side = if is_forward { "after" } else { "before" };
    let is_over = selected.map(|object| format!("{} has nothing to review {side} this frame", name(object)));
    let Some((object, frame)) = found else {
        let elsewhere = match selected {
            Some(object) => to_review(world, object, beyond, !is_forward),
            None => nearest_to_review(world, &ids, beyond, !is_forward).map(|(_, frame)| frame),
        };
        let way_out = elsewhere.map(|frame| (format!("Go to frame {frame}"), Action::GoTo(frame)));
        let is_over = is_over.unwrap_or_else(|| format!("There is nothing to review {side} this frame"));
        let text = format!("{is_over}: no stale or doubtful mask.");
        return tell(world, Severity::Info, text, way_out.into_iter().collect());
    };
    let on_to = is_over.filter(|_| selected != Some(object)).map(|over| format!("{over}; on to {}.", name(object)));
    objects::select(world, object);
    jump(world, frame);
    if let Some(text) = on_to {
        tell(world, Severity::Info, text, Vec::new());
    }
}

/// The nearest frame to review of all objects; of several on one frame the first object's.
fn nearest_to_review(
    world: &World,
    ids: &[ObjectId],
    beyond: Bound<FrameIdx>,
    is_forward: bool,
) -> Option<(ObjectId, FrameIdx)> {
    let found = ids.iter().filter_map(|id| Some((*id, to_review(world, *id, beyond, is_forward)?)));
    found.min_by_key(|(_, frame)| if is_forward { i64::from(frame.0) } else { -i64::from(frame.0) })
}

/// An object's nearest frame to review beyond a frame, or its first or last.
fn to_review(world: &World, object: ObjectId, beyond: Bound<FrameIdx>, is_forward: bool) -> Option<FrameIdx> {
    let (facts, marks) = (labels::facts(world, object)?, labels::marks(world, object)?);
    let is_wanted = |frame: &&FrameIdx| marks.wants_review(**frame, facts.revision);
    if is_forward {
        marks.frames.range((beyond, Bound::Unbounded)).map(|(frame, _)| frame).find(is_wanted).copied()
    } else {
        marks.frames.range((Bound::Unbounded, beyond)).map(|(frame, _)| frame).rev().find(is_wanted).copied()
    }
}

fn shuttle(world: &mut World, direction: f64) {
    let speed = world.resource::<Playback>().running.map_or(0.0, |stretch| stretch.speed);
    let next = if speed * direction > 0.0 { (speed * 2.0).clamp(-MAX_SPEED, MAX_SPEED) } else { direction };
    play(world, Some(next));
}

fn play(world: &mut World, speed: Option<f64>) {
    let here = playhead(world);
    let (first, last) = range(world);
    // Playing on from the end means from the start.
    let from = match speed {
        Some(speed) if speed > 0.0 && here >= last => first,
        Some(speed) if speed < 0.0 && here <= first => last,
        Some(_) | None => here,
    };
    let since = world.resource::<Time<Real>>().elapsed();
    let Some(from_secs) = world.resource::<OpenClip>().clip().and_then(|clip| clip.index().pts_secs(from)) else {
        return;
    };
    world.resource_mut::<Playback>().running = speed.map(|speed| Stretch { speed, from_secs, since });
}

/// The frames that playing stays in.
pub(in super::super) fn range(world: &World) -> (FrameIdx, FrameIdx) {
    let last = world.resource::<OpenClip>().clip().map_or(0, |clip| clip.frame_count() - 1);
    world.resource::<InOut>().0.unwrap_or((FrameIdx(0), FrameIdx(last)))
}

fn set_in_out(world: &mut World, after: Option<(FrameIdx, FrameIdx)>) {
    let before = world.resource::<InOut>().0;
    commit(world, "in/out range", vec![Change::InOut { before, after }], Joins::Nothing);
}
