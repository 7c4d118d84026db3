//! What the model's thread answered: masks become edits, failures become notices.
//!
//! An answer counts only while its question does: its generation must be the newest for its object and frame, its object
//! must still be there, and what the labeller fixed is never written over.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Instant;

use bevy::prelude::*;

use crate::engine::{DeviceChoice, EngineEvent, Generation, LedBy, ObjectResult, TrackEnd};
use crate::label::{Change, Edit, FrameIdx, FrameMark, ObjectId, Provenance, counted};

use super::super::action::{Action, TrackScope, TrackSpan};
use super::super::history::History;
use super::super::labels::{self, InOut};
use super::super::notices::{Notices, Severity};
use super::super::state::{Answers, Candidates, CurrentRun, Model, ModelStatus, Pace, Preview, StoreLink, Tracking};
use super::{clips, make, tell, tracking};

/// A run over fewer frames says nothing about the model's speed.
const LEAST_MEASURED_FRAMES: u32 = 4;

/// Takes one event up.
pub(super) fn take(world: &mut World, event: EngineEvent) {
    match event {
        EngineEvent::ModelReady { generation, info } => {
            let mut model = world.resource_mut::<Model>();
            if model.status == ModelStatus::Loading(generation) {
                model.status = ModelStatus::Ready(info);
            }
        }
        EngineEvent::ModelFailed { generation, error } => {
            // One that was given up for another: that one is on its way, and asked what this one did not answer.
            let is_given_up = match world.resource::<Model>().status {
                ModelStatus::Loading(wanted) => generation < wanted,
                ModelStatus::None | ModelStatus::Ready(_) | ModelStatus::Failed(_) => false,
            };
            if is_given_up {
                world.resource_mut::<Notices>().note(Severity::Warning, error.to_string());
            } else {
                model_failed(world, &error.to_string());
            }
        }
        EngineEvent::Encoding { frame } => world.resource_mut::<Answers>().encoding = Some(frame),
        EngineEvent::Encoded { frame } => {
            let mut answers = world.resource_mut::<Answers>();
            answers.encoded.insert(frame);
            answers.encoding = answers.encoding.filter(|encoding| *encoding != frame);
        }
        EngineEvent::Answer { generation, frame, result, candidates } => {
            answer(world, generation, frame, result, &candidates);
        }
        EngineEvent::Previewed { generation, result, .. } => {
            let mut preview = world.resource_mut::<Preview>();
            if preview.pending == Some(generation) {
                preview.pending = None;
                preview.mask = Some(Arc::new(result.mask));
            }
        }
        EngineEvent::Failed { generation, frame, object, error } => {
            failed(world, generation, frame, object, &error.to_string());
        }
        EngineEvent::TrackStarted { generation, frames, led_by, heard } => {
            with_run(world, generation, |run| {
                (run.total, run.remaining) = (frames, frames);
                run.has_begun = true;
                run.since = Instant::now();
            });
            give_revisions(world, generation, &led_by, heard);
        }
        EngineEvent::Tracked { generation, frame, results, skipped, remaining, .. } => {
            with_run(world, generation, |run| {
                run.remaining = remaining;
                if !skipped.is_empty() {
                    run.damaged.insert(frame);
                }
            });
            tracked(world, generation, frame, results);
        }
        EngineEvent::TrackFinished { generation, end } => finished(world, generation, end),
    }
}

fn model_failed(world: &mut World, error: &str) {
    let mut answers = world.resource_mut::<Answers>();
    // What was asked is asked again of the next model.
    let pending = std::mem::take(&mut answers.pending);
    answers.wanted.extend(pending.into_keys());
    answers.encoding = None;
    answers.encoded.clear();
    world.resource_mut::<Model>().status = ModelStatus::Failed(error.to_owned());
    let mut ways_out = vec![("Try again".to_owned(), Action::RetryModel)];
    let choice = world.resource::<Model>().choice.clone();
    // These two work on every processor; `CpuBf16` needs instructions that not all have.
    if let Some(choice) = choice.filter(|choice| !matches!(choice.device, DeviceChoice::Cpu | DeviceChoice::CpuF32)) {
        let on_cpu = crate::engine::ModelChoice { device: DeviceChoice::Cpu, ..choice };
        ways_out.push(("Use the processor".to_owned(), Action::LoadModel(on_cpu)));
    }
    ways_out.push(("Choose a model…".to_owned(), Action::Ask(super::super::action::FileQuestion::OpenModel)));
    tell(world, Severity::Error, error, ways_out);
}

fn failed(world: &mut World, generation: Generation, frame: FrameIdx, object: Option<ObjectId>, error: &str) {
    let mut preview = world.resource_mut::<Preview>();
    if preview.pending == Some(generation) {
        // Nobody asked for it in earnest.
        preview.pending = None;
        return;
    }
    let mut answers = world.resource_mut::<Answers>();
    answers.encoding = answers.encoding.filter(|encoding| *encoding != frame);
    let Some(object) = object else {
        // A frame encoded ahead, which nobody has clicked on; the click will say what is wrong.
        return;
    };
    if answers.pending.get(&(object, frame)) != Some(&generation) {
        return;
    }
    answers.pending.remove(&(object, frame));
    let text = format!("No mask for the click on frame {frame}: {error}");
    tell(world, Severity::Error, text, vec![("Try again".to_owned(), Action::AskAgain(object, frame))]);
}

/// The facts of a mask that a model made when the object was at a revision.
fn mark_of(world: &World, result: &ObjectResult, provenance: Provenance, revision: u64) -> FrameMark {
    let store = world.resource::<StoreLink>().clone();
    let mask = store.write().put(&result.mask);
    FrameMark {
        mask,
        provenance,
        revision,
        is_approved: false,
        area: result.mask.area(),
        object_score: result.object_score,
        predicted_iou: result.predicted_iou,
        stability: result.stability,
    }
}

fn answer(
    world: &mut World,
    generation: Generation,
    frame: FrameIdx,
    result: ObjectResult,
    candidates: &[ObjectResult],
) {
    let object = result.object;
    let mut answers = world.resource_mut::<Answers>();
    if answers.pending.get(&(object, frame)) != Some(&generation) {
        return;
    }
    answers.pending.remove(&(object, frame));
    answers.encoded.insert(frame);
    if !candidates.is_empty() {
        let predicted_ious = candidates.iter().map(|candidate| candidate.predicted_iou).collect();
        answers.candidates = Some(Candidates { object, frame, predicted_ious });
    }
    let before = labels::mark(world, object, frame);
    if before.is_some_and(|mark| mark.is_approved) {
        return;
    }
    let Some(revision) = labels::facts(world, object).map(|facts| facts.revision) else { return };
    let after = mark_of(world, &result, Provenance::Prompted, revision);
    let change = Change::Mark { object, frame, before, after: Some(after) };
    make(world, &Edit { name: "answer".to_owned(), changes: vec![change.clone()] });
    world.resource_mut::<History>().follow_prompt(change);
}

fn with_run(world: &mut World, generation: Generation, act: impl FnOnce(&mut Tracking)) {
    if let Some(run) = world.resource_mut::<CurrentRun>().0.as_mut().filter(|run| run.generation == generation) {
        act(run);
    }
}

/// A run that was reworded before its frames began, and is led by the words that stand now, makes masks of those. Not
/// where the model was told since that a prompt is taken back: it is led by that one no more.
fn give_revisions(world: &mut World, generation: Generation, led_by: &LedBy, heard: Generation) {
    let run = world.resource::<CurrentRun>().0.as_ref().filter(|run| run.generation == generation);
    let Some(run) = run.filter(|run| run.taken_back.is_none_or(|taken_back| taken_back <= heard)) else { return };
    let reworded: BTreeSet<ObjectId> = run.reworded.iter().map(|(object, _)| *object).collect();
    let is_led = |object: &ObjectId| {
        run.revisions.contains_key(object) && led_by.get(object) == Some(&labels::said_of(world, *object))
    };
    let revision_of = |object: ObjectId| Some((object, labels::facts(world, object)?.revision));
    let revisions: Vec<_> = reworded.into_iter().filter(is_led).filter_map(revision_of).collect();
    with_run(world, generation, |run| run.revisions.extend(revisions));
}

fn tracked(world: &mut World, generation: Generation, frame: FrameIdx, results: Vec<ObjectResult>) {
    let run = world.resource::<CurrentRun>().0.as_ref().filter(|run| run.generation == generation && !run.is_disowned);
    let Some(run) = run.cloned() else { return };
    let mut changes = Vec::new();
    for result in results {
        let object = result.object;
        let is_protected = labels::facts(world, object).is_none_or(|facts| facts.is_locked);
        let before = labels::mark(world, object, frame);
        let is_prompted = labels::frame_prompt(world, object, frame).is_some();
        // What the labeller made or approved stays; a prompt whose mask is still the old track is answered by the run.
        let is_own = |mark: FrameMark| match mark.provenance {
            Provenance::Painted => true,
            Provenance::Prompted => {
                mark.is_approved || (is_prompted && (!run.span.is_anew || run.reworded.contains(&(object, frame))))
            }
            Provenance::Tracked => mark.is_approved,
        };
        if is_protected || before.is_some_and(is_own) {
            continue;
        }
        let provenance = if is_prompted { Provenance::Prompted } else { Provenance::Tracked };
        let Some(revision) = run.revisions.get(&object) else { continue };
        let after = mark_of(world, &result, provenance, *revision);
        changes.push(Change::Mark { object, frame, before, after: Some(after) });
    }
    if changes.is_empty() {
        return;
    }
    let count = changes.len();
    make(world, &Edit { name: run.name.clone(), changes: changes.clone() });
    world.resource_mut::<History>().follow_run(generation, &run.name, changes);
    with_run(world, generation, |run| run.masks += count);
}

fn finished(world: &mut World, generation: Generation, end: TrackEnd) {
    let is_this = world.resource::<CurrentRun>().0.as_ref().is_some_and(|run| run.generation == generation);
    let Some(run) = world.resource_mut::<CurrentRun>().0.take_if(|_| is_this) else { return };
    let asked = clips::going_on(&run);
    world.resource_mut::<Notices>().dismiss_where(|notice| notice.text.starts_with(&asked));
    let (visited, secs) = (run.total - run.remaining.min(run.total), run.since.elapsed().as_secs_f32());
    if visited >= LEAST_MEASURED_FRAMES && !run.revisions.is_empty() {
        world.resource_mut::<Pace>().0 = Some(secs / visited as f32 / run.revisions.len() as f32);
    }
    if run.goes_on && !run.is_disowned && !matches!(end, TrackEnd::Failed(_)) {
        return tracking::track(world, TrackScope::StaleOrMissing, None);
    }
    if run.revisions.is_empty() {
        return tell(world, Severity::Info, "Tracking is over: what it tracked was deleted.", Vec::new());
    }
    if run.is_disowned {
        return tell(world, Severity::Info, "Tracking was stopped and its masks are taken back.", Vec::new());
    }
    let again = |span| Action::Track(TrackScope::Again(span));
    let (damaged, mut offers) = match run.damaged.first() {
        None => (String::new(), Vec::new()),
        Some(first) => (
            format!(" Left out as damaged: {}, the first is {first}.", counted(run.damaged.len(), "frame")),
            // Of what it made, even anew, nothing is missing but these.
            vec![("Track them too".to_owned(), again(TrackSpan { uses_damaged: true, is_anew: false, ..run.span }))],
        ),
    };
    let stale = stale_of(world, &run);
    if !stale.is_empty() {
        offers.push(("Track those".to_owned(), Action::Track(TrackScope::StaleOrMissing)));
    }
    let new = counted(run.masks, "new mask");
    match end {
        TrackEnd::Completed => {
            let done = match (run.masks, stale.is_empty() && damaged.is_empty()) {
                (0, true) => "Nothing to do: all masks in the range are up to date.".to_owned(),
                (0, false) => "Nothing was tracked.".to_owned(),
                _ => format!("Tracked: {new}."),
            };
            tell(world, Severity::Info, format!("{done}{stale}{damaged}"), offers);
        }
        TrackEnd::Stopped => {
            tell(world, Severity::Info, format!("Stopped; kept {new}.{stale}{damaged}"), Vec::new());
        }
        TrackEnd::Failed(error) => {
            let text = format!("Tracking failed; kept {new}: {error}");
            tell(world, Severity::Error, text, vec![("Try again".to_owned(), again(run.span))]);
        }
    }
}

/// What a run's end says of the masks that are stale because prompts changed while it went on; empty without any. Its
/// button tracks those between the in and out points, of objects that are not locked, so no others are counted.
fn stale_of(world: &World, run: &Tracking) -> String {
    let objects: BTreeSet<ObjectId> = run.reworded.iter().map(|(object, _)| *object).collect();
    let (first, last) = world.resource::<InOut>().0.unwrap_or((FrameIdx(0), FrameIdx(u32::MAX)));
    let of_object = |id: &ObjectId| {
        let facts = labels::facts(world, *id).filter(|facts| !facts.is_locked)?;
        let marks = labels::marks(world, *id)?.frames.iter().filter(|(frame, _)| (first..=last).contains(frame));
        Some(marks.filter(|(_, mark)| mark.is_stale(facts.revision)).count())
    };
    match objects.iter().filter_map(of_object).sum() {
        0 => String::new(),
        1 => " 1 mask is stale by your corrections.".to_owned(),
        count => format!(" {count} masks are stale by your corrections."),
    }
}
