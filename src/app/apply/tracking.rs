//! Starting and stopping runs: which objects, which frames, and what the model need not bring again.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Instant;

use bevy::prelude::*;

use crate::engine::{EngineCommand, ObjectPrompts, TrackDirection, TrackRequest, lead_in_frames};
use crate::label::{FrameIdx, FrameMark, Mask, ObjectId, Provenance};
use crate::store::StoreError;

use super::super::action::{Action, TrackScope, TrackSpan};
use super::super::history::History;
use super::super::labels::{self, InOut, LabelIndex};
use super::super::notices::Severity;
use super::super::state::{Answers, CurrentRun, EngineLink, OpenClip, Selection, StoreLink, Tracking};
use super::{owns_run, playhead, tell};

pub(super) fn perform(world: &mut World, action: &Action) {
    match action {
        Action::Track(scope @ TrackScope::Again(span)) => track(world, *scope, span.only),
        Action::Track(scope) => track(world, *scope, None),
        Action::TrackSelected(scope) => {
            let selected = world.resource::<Selection>().0;
            track(world, *scope, selected);
        }
        Action::StopTracking => {
            if let Some(run) = world.resource_mut::<CurrentRun>().0.as_mut() {
                run.goes_on = false;
            }
            world.resource::<EngineLink>().0.send(EngineCommand::StopTracking);
        }
        _ => unreachable!("perform sends actions about tracking here"),
    }
}

/// Starts a run, or ends the one that is going on.
pub(super) fn track(world: &mut World, scope: TrackScope, only: Option<ObjectId>) {
    if owns_run(world) {
        // The big verb and its key are also the stop: one press ends what the other began. After words that the run does
        // not know it means them: it ends, and the next one begins.
        let is_whole = scope == TrackScope::StaleOrMissing && only.is_none();
        if let Some(run) = world.resource_mut::<CurrentRun>().0.as_mut() {
            run.goes_on = is_whole && run.is_outdated;
        }
        world.resource::<EngineLink>().0.send(EngineCommand::StopTracking);
        return;
    }
    let Some(frame_count) = world.resource::<OpenClip>().clip().map(crate::video::Clip::frame_count) else { return };
    if let Some((first, last)) = world.resource::<InOut>().0 {
        let here = playhead(world);
        let beyond = match scope {
            TrackScope::From(TrackDirection::Forward) if here > last => Some("after the out point"),
            TrackScope::From(TrackDirection::Backward) if here < first => Some("before the in point"),
            _ => None,
        };
        if let Some(beyond) = beyond {
            let text = format!("This frame is {beyond}: there is nothing to track that way. Clear the range first.");
            return tell(world, Severity::Info, text, vec![("Clear in and out".to_owned(), Action::ClearInOut)]);
        }
    }
    let mut objects = objects_to_track(world, only);
    for object in &mut objects {
        match answers_of(world, object) {
            Ok(masks) => object.masks = masks,
            // Tracked from other masks than those on the screen, a run would undo what was accepted.
            Err(error) => return tell(world, Severity::Error, error.to_string(), Vec::new()),
        }
    }
    let is_anew = match scope {
        TrackScope::Again(span) => span.is_anew,
        _ => scope == TrackScope::Anew,
    };
    if is_anew {
        for object in &mut objects {
            object.has = kept_anew(world, object.object);
            // What is made again is answered again.
            object.masks.retain(|frame, _| object.has.iter().any(|(first, last)| (first..=last).contains(&frame)));
        }
    }
    if objects.is_empty() {
        let text = "Nothing to track: the objects are locked or have no prompt. Click an object first.";
        tell(world, Severity::Info, text, Vec::new());
        return;
    }
    let (first, last, direction) = span(world, scope, frame_count, &objects);
    for object in &mut objects {
        let lead_in = lead_in_frames(first, last, direction, frame_count);
        if let Err(error) = add_held(world, object, lead_in) {
            return tell(world, Severity::Error, error.to_string(), Vec::new());
        }
    }
    let name = match objects.as_slice() {
        [one] => format!("track {}", labels::facts(world, one.object).map_or("object", |facts| facts.name.as_str())),
        several => format!("track {} objects", several.len()),
    };
    let revision_of = |object: &ObjectPrompts| Some((object.object, labels::facts(world, object.object)?.revision));
    let revisions = objects.iter().filter_map(revision_of).collect();
    let uses_damaged = match scope {
        TrackScope::Again(span) => span.uses_damaged,
        _ => scope == TrackScope::DamagedToo,
    };
    let request = TrackRequest { objects, first, last, direction, uses_damaged };
    let generation = world.resource::<EngineLink>().0.send(EngineCommand::Track(request));
    world.resource_mut::<History>().await_run(generation);
    world.resource_mut::<CurrentRun>().0 = Some(Tracking {
        generation,
        name,
        total: 0,
        remaining: 0,
        revisions,
        reworded: BTreeSet::new(),
        untold: BTreeSet::new(),
        taken_back: None,
        has_begun: false,
        is_outdated: false,
        goes_on: false,
        span: TrackSpan { only, first, last, direction, uses_damaged, is_anew },
        masks: 0,
        damaged: BTreeSet::new(),
        since: Instant::now(),
        is_disowned: false,
    });
}

/// Objects that are not locked and have a prompt, with all their prompts and what is up to date.
fn objects_to_track(world: &World, only: Option<ObjectId>) -> Vec<ObjectPrompts> {
    let index = world.resource::<LabelIndex>();
    let ids = index.objects().map(|(id, _)| id).filter(|id| only.is_none_or(|only| only == *id));
    let is_free = |id: &ObjectId| labels::facts(world, *id).is_some_and(|facts| !facts.is_locked);
    let with_prompts = ids.filter(is_free).map(|object| {
        let (frames, has) = (labels::said_of(world, object), up_to_date(world, object));
        ObjectPrompts { object, frames, masks: BTreeMap::new(), has, asked: None }
    });
    with_prompts.filter(|prompts| !prompts.frames.is_empty()).collect()
}

/// The masks on the screen that answer the prompts, where they are no question any more.
fn answers_of(world: &World, prompts: &ObjectPrompts) -> Result<BTreeMap<FrameIdx, Arc<Mask>>, StoreError> {
    let (object, open) = (prompts.object, world.resource::<Answers>());
    let is_open = |frame| open.pending.contains_key(&(object, frame)) || open.wanted.contains(&(object, frame));
    let store = world.resource::<StoreLink>().read();
    let of_frame = |&frame: &FrameIdx| {
        let mark = labels::mark(world, object, frame).filter(|mark| mark.provenance == Provenance::Prompted)?;
        Some(store.get(mark.mask).map(|mask| (frame, Arc::new(mask))))
    };
    prompts.frames.keys().filter(|frame| !is_open(**frame)).filter_map(of_frame).collect()
}

/// Adds the masks on the screen that are up to date on these frames and answer no prompt.
fn add_held(
    world: &World,
    prompts: &mut ObjectPrompts,
    frames: impl Iterator<Item = FrameIdx>,
) -> Result<(), StoreError> {
    let store = world.resource::<StoreLink>().read();
    for frame in frames {
        if prompts.holds(frame)
            && !prompts.frames.contains_key(&frame)
            && let Some(mark) = labels::mark(world, prompts.object, frame)
        {
            prompts.masks.insert(frame, Arc::new(store.get(mark.mask)?));
        }
    }
    Ok(())
}

/// The ranges of frames whose masks need not come again.
fn up_to_date(world: &World, object: ObjectId) -> Vec<(FrameIdx, FrameIdx)> {
    let Some(revision) = labels::facts(world, object).map(|facts| facts.revision) else { return Vec::new() };
    ranges_where(world, object, |mark| !mark.is_stale(revision))
}

/// The ranges of frames whose masks stay when everything else is made again.
fn kept_anew(world: &World, object: ObjectId) -> Vec<(FrameIdx, FrameIdx)> {
    ranges_where(world, object, |mark| mark.is_approved || mark.provenance == Provenance::Painted)
}

/// Ranges of frames with such a mask, ascending and apart.
fn ranges_where(world: &World, object: ObjectId, holds: impl Fn(&FrameMark) -> bool) -> Vec<(FrameIdx, FrameIdx)> {
    let mut ranges: Vec<(FrameIdx, FrameIdx)> = Vec::new();
    let Some(marks) = labels::marks(world, object) else { return ranges };
    for (frame, _) in marks.frames.iter().filter(|(_, mark)| holds(mark)) {
        match ranges.last_mut() {
            Some((_, last)) if last.0 + 1 == frame.0 => *last = *frame,
            _ => ranges.push((*frame, *frame)),
        }
    }
    ranges
}

/// What a run over what is stale or missing would make: pairs of object and frame.
pub(in super::super) fn pairs_to_track(world: &World) -> u64 {
    let Some(frame_count) = world.resource::<OpenClip>().clip().map(crate::video::Clip::frame_count) else { return 0 };
    let (first, last) = world.resource::<InOut>().0.unwrap_or((FrameIdx(0), FrameIdx(frame_count - 1)));
    let in_range =
        |(from, to): (FrameIdx, FrameIdx)| u64::from((to.0.min(last.0) + 1).saturating_sub(from.0.max(first.0)));
    let to_do = |object: &ObjectPrompts| {
        let done: u64 = object.has.iter().copied().map(in_range).sum();
        in_range((first, last)).saturating_sub(done)
    };
    objects_to_track(world, None).iter().map(to_do).sum()
}

/// First and last frame and direction of a run.
fn span(
    world: &World,
    scope: TrackScope,
    frame_count: u32,
    objects: &[ObjectPrompts],
) -> (FrameIdx, FrameIdx, TrackDirection) {
    let here = playhead(world);
    let (first, last) = world.resource::<InOut>().0.unwrap_or((FrameIdx(0), FrameIdx(frame_count - 1)));
    match scope {
        TrackScope::Again(TrackSpan { first, last, direction, .. }) => (first, last, direction),
        TrackScope::From(TrackDirection::Forward) => (here, last.max(here), TrackDirection::Forward),
        TrackScope::From(TrackDirection::Backward) => (first.min(here), here, TrackDirection::Backward),
        TrackScope::From(TrackDirection::Both)
        | TrackScope::StaleOrMissing
        | TrackScope::DamagedToo
        | TrackScope::Anew => (first, last, TrackDirection::Both),
        TrackScope::ThisFrame => {
            let starts_later = |prompts: &ObjectPrompts| prompts.frames.keys().next().is_some_and(|f| *f > here);
            let is_backward = objects.iter().all(starts_later);
            (here, here, if is_backward { TrackDirection::Backward } else { TrackDirection::Forward })
        }
    }
}
