//! Going through time: steps, jumps, playing, the in/out range.

use std::ops::Bound;

use bevy::prelude::*;

use crate::label::{Change, FrameIdx};

use super::super::action::Action;
use super::super::history::Joins;
use super::super::labels::{self, InOut, LabelIndex};
use super::super::notices::Severity;
use super::super::state::{OpenClip, Playback, Playhead, Selection, Shown, Stretch};
use super::{commit, playhead, tell};

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

/// Goes to the nearest frame to review, one way or the other; without one it says where there is one else.
fn review(world: &mut World, is_forward: bool) {
    let (Some(object), here) = (world.resource::<Selection>().0, playhead(world)) else { return };
    let (Some(facts), Some(marks)) = (labels::facts(world, object), labels::marks(world, object)) else { return };
    let is_wanted = |frame: &FrameIdx| marks.wants_review(*frame, facts.revision);
    let after = marks.frames.range((Bound::Excluded(here), Bound::Unbounded)).map(|(frame, _)| *frame).find(is_wanted);
    let before = marks.frames.range(..here).rev().map(|(frame, _)| *frame).find(is_wanted);
    let (found, elsewhere, side) = if is_forward { (after, before, "after") } else { (before, after, "before") };
    let text = format!("{} has nothing to review {side} this frame: no stale or doubtful mask.", facts.name);
    match found {
        Some(frame) => jump(world, frame),
        None => {
            let way_out = elsewhere.map(|frame| (format!("Go to frame {frame}"), Action::GoTo(frame)));
            tell(world, Severity::Info, text, way_out.into_iter().collect());
        }
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
