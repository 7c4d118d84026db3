//! What the labeller says about an object on the current frame: clicks, boxes, paint; and approval.
//!
//! A prompt is replaced whole: the model is asked with everything that is said on the frame, so the same list always
//! gives the same mask, whatever was undone in between.

use std::collections::BTreeSet;
use std::sync::Arc;

use bevy::prelude::*;

use crate::engine::{EngineCommand, PromptRequest};
use crate::label::{
    Change, FrameIdx, FrameMark, FramePrompt, MAX_CLICKS, Mask, ObjectId, Point, PointLabel, Prompt, Provenance,
    counted,
};

use super::super::action::Action;
use super::super::history::Joins;
use super::super::labels::{self, InOut, LabelIndex};
use super::super::notices::Severity;
use super::super::state::{
    Answers, CurrentRun, EngineLink, Model, ModelStatus, OpenClip, Playback, Revisions, Selection, StoreLink,
};
use super::{bump_revision, commit, objects, playhead, tell};

pub(super) fn perform(world: &mut World, action: Action) {
    let frame = playhead(world);
    let is_about_others =
        matches!(action, Action::AskAgain(..) | Action::ToggleAllApproved | Action::ToggleRangeApproved);
    if !is_about_others && action != Action::ToggleApproved {
        // Whoever says something about a frame wants to see what comes of it there.
        world.resource_mut::<Playback>().running = None;
    }
    match action {
        Action::AddPoint(point) => add_point(world, frame, point),
        Action::MovePoint { index, x, y } => edit_points(world, frame, "move point", |points| {
            if let Some(point) = points.get_mut(index) {
                (point.x, point.y) = (x, y);
            }
        }),
        Action::DeletePoint { index } => edit_points(world, frame, "delete point", |points| {
            if index < points.len() {
                points.remove(index);
            }
        }),
        Action::SetBox(bounds) => {
            let said = selected(world).and_then(|object| labels::frame_prompt(world, object, frame));
            if said.is_some_and(|said| matches!(said.prompt.as_ref(), Prompt::Mask(_))) {
                tell_replaced(world, "box");
            }
            let points = clicks(world, frame);
            say(world, frame, "box", Prompt::Clicks { points, bounds: Some(bounds) }, None);
        }
        Action::Paint(mask) => paint(world, frame, mask),
        Action::UseMaskAsPrompt => use_mask(world, frame),
        Action::ClearPrompts => clear(world, frame),
        Action::MarkAbsent => mark_absent(world, (frame, frame)),
        Action::ClearMask => clear_masks(world, (frame, frame)),
        Action::MarkRangeAbsent | Action::ClearRangeMasks => {
            let Some(range) = world.resource::<InOut>().0 else { return };
            if action == Action::MarkRangeAbsent { mark_absent(world, range) } else { clear_masks(world, range) }
        }
        Action::AskAgain(object, frame) => {
            if labels::frame_prompt(world, object, frame).is_some() {
                world.resource_mut::<Answers>().wanted.insert((object, frame));
            }
        }
        Action::CycleCandidate => cycle_candidate(world, frame),
        Action::ToggleApproved => {
            let object = selected(world);
            approve(world, object, frame, frame);
        }
        Action::ToggleAllApproved => {
            let free = |id: &ObjectId| labels::facts(world, *id).is_some_and(|facts| !facts.is_locked);
            let objects: Vec<_> = world.resource::<LabelIndex>().objects().map(|(id, _)| id).filter(free).collect();
            approve(world, objects, frame, frame);
        }
        Action::ToggleRangeApproved => approve_range(world),
        _ => unreachable!("perform sends actions about prompts here"),
    }
}

fn selected(world: &World) -> Option<ObjectId> {
    world.resource::<Selection>().0
}

/// The clicks of the selected object on a frame; none where it is painted.
fn clicks(world: &World, frame: FrameIdx) -> Vec<Point> {
    let said = selected(world).and_then(|object| labels::frame_prompt(world, object, frame));
    match said.map(|said| said.prompt.as_ref()) {
        Some(Prompt::Clicks { points, .. }) => points.clone(),
        Some(Prompt::Mask(_)) | None => Vec::new(),
    }
}

/// The mask that words on a frame correct: what the frame had before anything was said there. `Err` when it cannot be
/// read, which the labeller is told.
fn base(world: &mut World, object: ObjectId, frame: FrameIdx) -> Result<Option<Arc<Mask>>, ()> {
    if let Some(said) = labels::frame_prompt(world, object, frame) {
        return Ok(said.base.clone());
    }
    let Some(mark) = labels::mark(world, object, frame) else { return Ok(None) };
    let store = world.resource::<StoreLink>().clone();
    let mask = store.read().get(mark.mask);
    mask.map(|mask| Some(Arc::new(mask))).map_err(|error| tell(world, Severity::Error, error.to_string(), Vec::new()))
}

fn add_point(world: &mut World, frame: FrameIdx, point: Point) {
    let Some(size) = world.resource::<OpenClip>().clip().map(crate::video::Clip::size) else { return };
    let is_inside = |at: f32, side: u32| at >= -0.5 && at <= side as f32 - 0.5;
    if !(is_inside(point.x, size.width) && is_inside(point.y, size.height)) {
        return;
    }
    let said = selected(world).and_then(|object| labels::frame_prompt(world, object, frame)).cloned();
    let has_mask = selected(world).is_some_and(|object| labels::mark(world, object, frame).is_some());
    if point.label == PointLabel::Negative && said.is_none() && !has_mask {
        let text = "Click the object first: a negative click takes away from a mask, and there is none here.";
        tell(world, Severity::Info, text, Vec::new());
        return;
    }
    let (mut points, bounds, candidate) = match said.as_ref().map(|said| (said.prompt.as_ref(), said.candidate)) {
        Some((Prompt::Clicks { points, bounds }, candidate)) => (points.clone(), *bounds, candidate),
        Some((Prompt::Mask(_), _)) => {
            tell_replaced(world, "click");
            (Vec::new(), None, None)
        }
        None => (Vec::new(), None, None),
    };
    if points.len() >= MAX_CLICKS {
        tell(
            world,
            Severity::Info,
            format!("{MAX_CLICKS} clicks are enough for one frame; paint the rest"),
            Vec::new(),
        );
        return;
    }
    points.push(point);
    say(world, frame, "click", Prompt::Clicks { points, bounds }, candidate);
}

fn tell_replaced(world: &mut World, by: &str) {
    let text = format!("The {by} replaced the painted mask of this frame.");
    tell(world, Severity::Info, text, vec![("Undo".to_owned(), Action::Undo)]);
}

/// Changes the list of clicks; without clicks and box nothing is said any more.
fn edit_points(world: &mut World, frame: FrameIdx, name: &str, change: impl FnOnce(&mut Vec<Point>)) {
    let said =
        selected(world).and_then(|object| labels::frame_prompt(world, object, frame)).map(|said| said.prompt.clone());
    let Some(Prompt::Clicks { points, bounds }) = said.as_deref() else { return };
    let mut points = points.clone();
    change(&mut points);
    if points.is_empty() && bounds.is_none() {
        clear(world, frame);
    } else {
        say(world, frame, name, Prompt::Clicks { points, bounds: *bounds }, None);
    }
}

/// The object that is about to be told something, made when none is selected, and the changes that go with it.
fn target(world: &mut World) -> (ObjectId, Vec<Change>) {
    match selected(world) {
        Some(object) => (object, bump_revision(world, object).into_iter().collect()),
        None => {
            let (object, creation) = objects::creation(world);
            objects::select(world, object);
            (object, vec![creation])
        }
    }
}

/// The mask that is here becomes what the labeller says: a prompt to track from.
fn use_mask(world: &mut World, frame: FrameIdx) {
    let Some(mark) = world.resource::<Selection>().0.and_then(|object| labels::mark(world, object, frame)) else {
        return;
    };
    let store = world.resource::<StoreLink>().clone();
    let mask = store.read().get(mark.mask);
    match mask {
        Ok(mask) => paint(world, frame, mask),
        Err(error) => tell(world, Severity::Error, error.to_string(), Vec::new()),
    }
}

/// Replaces what is said about the selected object on a frame; makes an object when there is none.
fn say(world: &mut World, frame: FrameIdx, name: &str, prompt: Prompt, candidate: Option<u8>) {
    let (object, mut changes) = target(world);
    let Ok(base) = base(world, object, frame) else { return };
    let before = labels::frame_prompt(world, object, frame).cloned();
    let after = Some(FramePrompt { prompt: Arc::new(prompt), candidate, base });
    changes.push(Change::Prompt { object, frame, before, after });
    commit(world, name, changes, Joins::Nothing);
    world.resource_mut::<Answers>().wanted.insert((object, frame));
}

fn paint(world: &mut World, frame: FrameIdx, mask: Mask) {
    if world.resource::<OpenClip>().clip().is_none_or(|clip| clip.size() != mask.size()) {
        // Painted on another clip; nothing of it belongs here.
        return;
    }
    let (object, mut changes) = target(world);
    let Ok(base) = base(world, object, frame) else { return };
    let revision = world.resource_mut::<Revisions>().give();
    let store = world.resource::<StoreLink>().clone();
    let id = store.write().put(&mask);
    let after = FrameMark::painted(id, &mask, revision);
    let before = labels::frame_prompt(world, object, frame).cloned();
    let said = FramePrompt { prompt: Arc::new(Prompt::Mask(mask)), candidate: None, base };
    changes.push(Change::Prompt { object, frame, before, after: Some(said) });
    let before = labels::mark(world, object, frame);
    changes.push(Change::Mark { object, frame, before, after: Some(after) });
    commit(world, "paint", changes, Joins::Nothing);
}

/// Takes back what was said. The mask that came of it gives way to the one it corrected; without one it goes. Either way
/// the frame waits to be tracked.
fn clear(world: &mut World, frame: FrameIdx) {
    let Some(object) = selected(world) else { return };
    let before = labels::frame_prompt(world, object, frame).cloned();
    let corrected = before.as_ref().and_then(|said| said.base.clone());
    let revision = labels::facts(world, object).map_or(0, |facts| facts.revision);
    let mut changes: Vec<Change> = bump_revision(world, object).into_iter().collect();
    changes.push(Change::Prompt { object, frame, before, after: None });
    if let Some(mark) = labels::mark(world, object, frame) {
        match mark.provenance {
            Provenance::Prompted | Provenance::Painted => {
                let after = corrected.map(|mask| {
                    let store = world.resource::<StoreLink>().clone();
                    let id = store.write().put(&mask);
                    FrameMark { provenance: Provenance::Tracked, ..FrameMark::painted(id, &mask, revision) }
                });
                changes.push(Change::Mark { object, frame, before: Some(mark), after });
            }
            Provenance::Tracked => {}
        }
    }
    commit(world, "clear prompts", changes, Joins::Nothing);
}

fn cycle_candidate(world: &mut World, frame: FrameIdx) {
    let Some(candidates) = world.resource::<Answers>().candidates.clone() else { return };
    let Some(said) = labels::frame_prompt(world, candidates.object, frame).cloned() else { return };
    let count = candidates.predicted_ious.len() as u8;
    let next = said.candidate.map_or(1, |now| now + 1) % count;
    say(world, frame, "next candidate", Prompt::clone(&said.prompt), Some(next));
    // The candidates are the same ones.
    world.resource_mut::<Answers>().candidates = Some(candidates);
}

/// Approves the objects' masks from `first` to `last`; when all of them are approved, takes that back. Says which it did.
/// A mask whose prompt the model has not answered is not what the labeller asked for, and is left alone.
fn approve(
    world: &mut World,
    objects: impl IntoIterator<Item = ObjectId>,
    first: FrameIdx,
    last: FrameIdx,
) -> (bool, usize) {
    let marks = objects.into_iter().filter_map(|object| Some((object, labels::marks(world, object)?)));
    let found: Vec<(ObjectId, FrameIdx, FrameMark)> = marks
        .flat_map(|(object, marks)| marks.frames.range(first..=last).map(move |(f, m)| (object, *f, *m)))
        .collect();
    let answers = world.resource::<Answers>();
    let is_open = |(object, frame, _): &(ObjectId, FrameIdx, FrameMark)| {
        let key = (*object, *frame);
        answers.pending.contains_key(&key) || answers.wanted.contains(&key)
    };
    let (open, found): (Vec<_>, Vec<_>) = found.into_iter().partition(is_open);
    if !open.is_empty() {
        let masks = counted(open.len(), "mask");
        let text = format!("{masks} left as before: the model has not answered the prompt there yet.");
        tell(world, Severity::Info, text, Vec::new());
    }
    let is_approved = !found.iter().all(|(.., mark)| mark.is_approved);
    let changing = found.into_iter().filter(|(.., mark)| mark.is_approved != is_approved);
    let changes = changing.map(|(object, frame, mark)| {
        let after = Some(FrameMark { is_approved, ..mark });
        Change::Mark { object, frame, before: Some(mark), after }
    });
    let changes: Vec<Change> = changes.collect();
    let (name, count) = (if is_approved { "approve" } else { "take approval back" }, changes.len());
    commit(world, name, changes, Joins::Nothing);
    (is_approved, count)
}

/// Without in and out points that is the whole clip, so it says how much it was.
fn approve_range(world: &mut World) {
    let Some(object) = selected(world) else { return };
    let last = world.resource::<OpenClip>().clip().map_or(0, |clip| clip.frame_count() - 1);
    let range = world.resource::<InOut>().0;
    let (first, last) = range.unwrap_or((FrameIdx(0), FrameIdx(last)));
    let (is_approved, count) = approve(world, [object], first, last);
    if count == 0 {
        return;
    }
    let name = labels::facts(world, object).map_or_else(String::new, |facts| facts.name.clone());
    let place = if range.is_some() { "in the range" } else { "in the whole clip" };
    let frames = counted(count, "frame");
    let text = if is_approved {
        format!("{name} is approved on {frames} more, {place}.")
    } else {
        format!("The approval of {name} was taken back on {frames}, {place}.")
    };
    tell(world, Severity::Info, text, vec![("Undo".to_owned(), Action::Undo)]);
}

/// Says that the selected object is not there: empty masks, the labeller's own, so that no run writes over them. What was
/// said there before goes.
fn mark_absent(world: &mut World, (first, last): (FrameIdx, FrameIdx)) {
    let Some(object) = selected(world) else { return };
    let Some(size) = world.resource::<OpenClip>().clip().map(crate::video::Clip::size) else { return };
    let empty = Mask::empty(size);
    let store = world.resource::<StoreLink>().clone();
    let id = store.write().put(&empty);
    let revision = world.resource_mut::<Revisions>().give();
    let mark = FrameMark::painted(id, &empty, revision);
    let frames = (first.0..=last.0).map(FrameIdx);
    let is_absent = |mark: FrameMark| mark.area == 0 && mark.provenance == Provenance::Painted;
    let to_do = frames.filter(|frame| {
        let has_prompt = labels::frame_prompt(world, object, *frame).is_some();
        has_prompt || !labels::mark(world, object, *frame).is_some_and(is_absent)
    });
    let to_do: Vec<FrameIdx> = to_do.collect();
    replace_masks(world, object, "mark absent", &to_do, Some(mark), first != last);
}

/// Removes the selected object's masks, so that they are missing as if they had never been made.
fn clear_masks(world: &mut World, (first, last): (FrameIdx, FrameIdx)) {
    let Some(object) = selected(world) else { return };
    let index = world.resource::<LabelIndex>();
    let prompted = index.prompts_of(object).map(|(frame, _)| frame).filter(|frame| (first..=last).contains(frame));
    let masks = labels::marks(world, object).into_iter().flat_map(|marks| marks.frames.range(first..=last));
    let to_do: BTreeSet<FrameIdx> = masks.map(|(frame, _)| *frame).chain(prompted).collect();
    replace_masks(world, object, "clear masks", &Vec::from_iter(to_do), None, first != last);
}

/// Puts this mask, or none, in the place of the object's masks and prompts on these frames, but for those that are
/// approved; over a range it says what it did.
fn replace_masks(
    world: &mut World,
    object: ObjectId,
    name: &str,
    frames: &[FrameIdx],
    after: Option<FrameMark>,
    is_range: bool,
) {
    let (mut changes, mut unsaid, mut kept) = (Vec::new(), 0, 0);
    for &frame in frames {
        let before = labels::mark(world, object, frame);
        if before.is_some_and(|mark| mark.is_approved) {
            kept += 1;
            continue;
        }
        if let Some(said) = labels::frame_prompt(world, object, frame).cloned() {
            changes.push(Change::Prompt { object, frame, before: Some(said), after: None });
            unsaid += 1;
        }
        changes.push(Change::Mark { object, frame, before, after });
    }
    let count = frames.len() - kept;
    // Only what was said decides what the model makes of other frames.
    let bump = if unsaid > 0 { bump_revision(world, object) } else { None };
    commit(world, name, bump.into_iter().chain(changes).collect(), Joins::Nothing);
    if !is_range {
        return;
    }
    let what = labels::facts(world, object).map_or_else(String::new, |facts| facts.name.clone());
    let frames = counted(count, "frame");
    let mut text = match after {
        Some(_) => format!("{what} was marked absent on {frames} of the range."),
        None => format!("{what} has lost its masks on {frames} of the range."),
    };
    if unsaid > 0 {
        text.push_str(&format!(" Prompts went with them on {}.", counted(unsaid, "frame")));
    }
    if kept > 0 {
        text.push_str(&format!(" Approved and left alone: {}.", counted(kept, "frame")));
    }
    let ways_out = if count > 0 { vec![("Undo".to_owned(), Action::Undo)] } else { Vec::new() };
    tell(world, Severity::Info, text, ways_out);
}

/// Sends the model what it has not been asked yet, and words that can still lead the run. A system of the `Request` stage;
/// without a model the questions wait.
pub(in super::super) fn ask_model(world: &mut World) {
    if !matches!(world.resource::<Model>().status, ModelStatus::Ready(_)) {
        return;
    }
    let wanted = std::mem::take(&mut world.resource_mut::<Answers>().wanted);
    for (object, frame) in wanted {
        let Some(said) = labels::frame_prompt(world, object, frame).cloned() else { continue };
        let request = EngineCommand::Prompt(PromptRequest { object, frame, prompt: said });
        let generation = world.resource::<EngineLink>().0.send(request);
        world.resource_mut::<Answers>().pending.insert((object, frame), generation);
    }
    let untold = world.resource_mut::<CurrentRun>().0.as_mut().map(|run| std::mem::take(&mut run.untold));
    for (object, frame) in untold.into_iter().flatten() {
        // Words that undo brought back with their mask: nobody waits for an answer, but the run is to be led by them.
        let is_asked = world.resource::<Answers>().pending.contains_key(&(object, frame));
        let said = labels::frame_prompt(world, object, frame).filter(|_| !is_asked).cloned();
        if let Some(prompt) = said {
            let request = EngineCommand::Prompt(PromptRequest { object, frame, prompt });
            world.resource::<EngineLink>().0.send(request);
        }
    }
}
