//! `label-hub track --project`: goes on without a window with what was begun in one, and the other way round.
//!
//! The project's prompts go to the engine as the window sends them; what comes back goes into the project frame by frame,
//! so that a stopped or killed run loses nothing and the next one brings what is still missing. What the labeller made,
//! painted or approved is never changed, locked objects are left alone, and a run is one undo step.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crossbeam_channel::RecvTimeoutError;

use super::exit::{CliError, Exit};
use super::export::export_plan;
use super::model_file::model_source;
use super::progress::{Kept, Reporter};
use super::project::{Project, WithoutProject, no_object};
use super::prompts::check_range;
use super::signals::StopFlag;
use super::track::{Surroundings, TrackArgs};
use super::track_events::{self, Done, MaskMade, Start};
use super::tracker::{DamagedFrames, Direction};
use crate::engine::{
    EngineCommand, EngineError, EngineEvent, EngineThread, ModelChoice, ModelSource, ObjectPrompts, ObjectResult,
    TrackDirection, TrackEnd, TrackRequest, lacking_frames, lead_in_frames, load_model, open_device,
};
use crate::folders;
use crate::formats::{
    ClipPlan, ExportPlan, ExportReport, FormatId, FrameChoice, FramesWith, ImageChoice, OverlayStyle, Split,
    check_target,
};
use crate::label::{
    Change, Edit, FrameIdx, FrameMark, FramePrompt, ObjectFacts, ObjectId, Provenance, counted, open_prompts,
};
use crate::sam2::Sam2;
use crate::sam2::checkpoint::Checkpoint;
use crate::store::{Durability, LabelStore, SaveState, StoreError};

/// How often a run that waits for the model looks whether it should stop.
const PATIENCE: Duration = Duration::from_millis(100);

/// Runs `label-hub track --project`.
///
/// # Errors
/// With the exit code and what to do next. What was tracked until then is in the project.
pub fn run(args: &TrackArgs, named: &Path, around: Surroundings<'_>) -> Result<Exit, CliError> {
    let Surroundings { stop, is_terminal, stdout, stderr } = around;
    let model = model_choice(args)?;
    let mut project = Project::open_to_write(named, WithoutProject::Refuse, stop)?;
    if let Some(out) = &args.out {
        // Tracking takes long; a folder that cannot be had is told before.
        check_target(out, &[project.clip.path().to_owned()], args.overwrite)?;
    }
    let mut reporter = Reporter::new(args.json, is_terminal, stdout, stderr);
    let ended = work(args, model, &mut project, stop, &mut reporter);
    reporter.clear();
    ended
}

/// How a run ended.
enum Ended {
    /// All is in the project. Not told yet: with `--out` the masks are still to be written.
    Done(Done),
    /// Somebody asked for it, and it was told.
    Stopped(Exit),
}

fn work(
    args: &TrackArgs,
    model: ModelChoice,
    project: &mut Project,
    stop: &StopFlag,
    reporter: &mut Reporter<'_>,
) -> Result<Exit, CliError> {
    let done = match track(args, model, project, stop, reporter)? {
        Ended::Done(done) => done,
        Ended::Stopped(exit) => return Ok(exit),
    };
    if let Some(out) = &args.out {
        match write_masks(args, project, out, stop, reporter)? {
            Some(report) => {
                let masks = counted(report.masks, "mask");
                reporter.notice(&format!("{}: {masks} written as FRAME_OBJECT.npy", report.folder.display()))?;
            }
            None => {
                let words = format!("{}: nothing was written; the masks are in the project", out.display());
                reporter.stopped(&words, Some(Kept { frames: done.frames, masks: done.masks }))?;
                return Ok(stop.requested().unwrap_or(Exit::Interrupted));
            }
        }
    }
    track_events::done(reporter, &done, args.damaged)?;
    Ok(Exit::Success)
}

/// The model of `--model`; what can be checked of it is, before anything else takes time.
fn model_choice(args: &TrackArgs) -> Result<ModelChoice, CliError> {
    let source = model_source(&args.model)?;
    if let ModelSource::Checkpoint(found) = &source {
        Sam2::recognise(&Checkpoint::of(found)?)?;
        open_device(args.device)?;
    }
    Ok(ModelChoice { source, device: args.device, resolution: args.resolution })
}

fn track(
    args: &TrackArgs,
    model: ModelChoice,
    project: &mut Project,
    stop: &StopFlag,
    reporter: &mut Reporter<'_>,
) -> Result<Ended, CliError> {
    for message in std::mem::take(&mut project.notices) {
        reporter.notice(&message)?;
    }
    let mut objects = objects_to_track(args, project, reporter)?;
    let (first, last) = range(args, project)?;
    let direction = match args.direction {
        Some(Direction::Forward) => TrackDirection::Forward,
        Some(Direction::Backward) => TrackDirection::Backward,
        Some(Direction::Both) | None => TrackDirection::Both,
    };
    for object in &mut objects {
        add_held(project, object, lead_in_frames(first, last, direction, project.clip.frame_count()))?;
    }
    let uses_damaged = match args.damaged {
        DamagedFrames::Skip => false,
        DamagedFrames::Use => true,
        DamagedFrames::Hold => {
            return Err(CliError::usage("--damaged hold is for .npy files; a project takes skip or use"));
        }
    };
    let request = TrackRequest { objects, first, last, direction, uses_damaged };
    if lacking_frames(&request, project.clip.frame_count())? == 0 {
        reporter.notice("nothing to do: all masks in the range are up to date")?;
        return Ok(Ended::Done(Done { frames: 0, masks: 0, seconds: 0.0, fps: 0.0, damaged: Vec::new() }));
    }
    super::threads::use_threads(args.threads.map(usize::from))?;
    Run::new(project, &request, reporter).follow(model, request, stop)
}

/// The objects that are not locked and have a prompt, with all their prompts and what is up to date.
fn objects_to_track(
    args: &TrackArgs,
    project: &Project,
    reporter: &mut Reporter<'_>,
) -> Result<Vec<ObjectPrompts>, CliError> {
    if let Some(id) = args.objects.iter().find(|id| !project.has_object(**id)) {
        return Err(no_object(*id, &[project]));
    }
    let mut objects = Vec::new();
    for (id, facts) in &project.snapshot.objects {
        let is_named = args.objects.contains(&id.0);
        if !args.objects.is_empty() && !is_named {
            continue;
        }
        let prompts = prompts_of(project, *id, facts)?;
        let reason = match (facts.is_locked, prompts.frames.is_empty()) {
            (true, _) => "is locked",
            (false, true) => "has no prompt",
            (false, false) => {
                objects.push(prompts);
                continue;
            }
        };
        reporter.notice(&format!("object {id} ({}) {reason} and is left alone", facts.name))?;
    }
    if objects.is_empty() {
        return Err(CliError::usage(
            "there is nothing to track: no object has a prompt and is not locked; click one in the window first",
        ));
    }
    Ok(objects)
}

fn prompts_of(project: &Project, object: ObjectId, facts: &ObjectFacts) -> Result<ObjectPrompts, StoreError> {
    let said = project.snapshot.prompts.iter().filter(|(of, ..)| *of == object);
    let frames: BTreeMap<FrameIdx, FramePrompt> = said.map(|(_, frame, said)| (*frame, said.clone())).collect();
    let mut has: Vec<(FrameIdx, FrameIdx)> = Vec::new();
    let marks = project.marks.range((object, FrameIdx(0))..=(object, FrameIdx(u32::MAX)));
    let open = open_prompts(project.snapshot.done.iter().map(|step| &step.edit), |object, frame| {
        project.marks.get(&(object, frame)).map(|mark| mark.mask)
    });
    let mut masks = BTreeMap::new();
    for ((_, frame), mark) in marks.clone() {
        let is_answer = mark.provenance == Provenance::Prompted && !open.contains(&(object, *frame));
        if is_answer && frames.contains_key(frame) {
            masks.insert(*frame, Arc::new(project.store.get(mark.mask)?));
        }
    }
    for ((_, frame), _) in marks.filter(|(_, mark)| !mark.is_stale(facts.revision)) {
        match has.last_mut() {
            Some((_, last)) if last.0 + 1 == frame.0 => *last = *frame,
            _ => has.push((*frame, *frame)),
        }
    }
    Ok(ObjectPrompts { object, frames, masks, has, asked: None })
}

/// Adds the masks that are up to date on these frames and answer no prompt.
fn add_held(
    project: &Project,
    prompts: &mut ObjectPrompts,
    frames: impl Iterator<Item = FrameIdx>,
) -> Result<(), StoreError> {
    for frame in frames {
        if prompts.holds(frame)
            && !prompts.frames.contains_key(&frame)
            && let Some(mark) = project.marks.get(&(prompts.object, frame))
        {
            prompts.masks.insert(frame, Arc::new(project.store.get(mark.mask)?));
        }
    }
    Ok(())
}

/// `--range`, or the project's in and out frames, or the whole clip.
fn range(args: &TrackArgs, project: &Project) -> Result<(FrameIdx, FrameIdx), CliError> {
    check_range(args.range, project.clip.frame_count())?;
    Ok(args.range.or(project.snapshot.in_out).unwrap_or((FrameIdx(0), project.last_frame())))
}

/// A run, and what it has done so far.
struct Run<'a, 'r> {
    project: &'a mut Project,
    reporter: &'a mut Reporter<'r>,
    /// What the undo step is called.
    name: String,
    objects: Vec<ObjectId>,
    prompted: BTreeSet<(ObjectId, FrameIdx)>,
    resumed: usize,
    frames: u32,
    masks: usize,
    uses_damaged: bool,
    /// Frames that were left out as damaged, or else tracked as they decoded.
    damaged: BTreeSet<FrameIdx>,
    started: Instant,
}

impl<'a, 'r> Run<'a, 'r> {
    fn new(project: &'a mut Project, request: &TrackRequest, reporter: &'a mut Reporter<'r>) -> Self {
        let name = match request.objects.as_slice() {
            [one] => {
                let facts = project.snapshot.objects.iter().find(|(id, _)| *id == one.object);
                format!("track {}", facts.map_or("object", |(_, facts)| facts.name.as_str()))
            }
            several => format!("track {} objects", several.len()),
        };
        let in_range = |(a, b): &(FrameIdx, FrameIdx)| {
            let (a, b) = ((*a).max(request.first), (*b).min(request.last));
            (b.0 + 1).saturating_sub(a.0) as usize
        };
        let resumed = request.objects.iter().flat_map(|prompts| &prompts.has).map(in_range).sum();
        let objects = request.objects.iter().map(|prompts| prompts.object).collect();
        let prompted = project.snapshot.prompts.iter().map(|(object, frame, _)| (*object, *frame)).collect();
        Run {
            project,
            reporter,
            name,
            objects,
            prompted,
            resumed,
            frames: 0,
            masks: 0,
            uses_damaged: request.uses_damaged,
            damaged: BTreeSet::new(),
            started: Instant::now(),
        }
    }

    /// Has the engine make the run and takes up what it brings, until it ends or somebody asks to stop.
    fn follow(mut self, model: ModelChoice, request: TrackRequest, stop: &StopFlag) -> Result<Ended, CliError> {
        let load = |choice: &ModelChoice| load_model(choice, folders::states_folder().as_deref());
        let engine = EngineThread::spawn_with(Box::new(load), || {})?;
        engine.send(EngineCommand::UseClip(self.project.clip.clone()));
        engine.send(EngineCommand::Load(model));
        engine.send(EngineCommand::Track(request));
        let mut is_stopping = false;
        let end = loop {
            let wants_stop = stop.requested().is_some() || self.is_failing();
            if wants_stop && !std::mem::replace(&mut is_stopping, true) {
                engine.send(EngineCommand::StopTracking);
            }
            match engine.events().recv_timeout(PATIENCE) {
                Ok(event) => {
                    if let Some(end) = self.take(event)? {
                        break end;
                    }
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => {
                    break TrackEnd::Failed(EngineError::Panicked("no reason given".to_owned()));
                }
            }
        };
        drop(engine);
        // Everything is in the file from here on, or the reason why not is the error.
        self.project.store.handle().flush()?;
        self.finish(end, stop)
    }

    /// Whether the project cannot be written at present. Masks would then pile up in memory only.
    fn is_failing(&self) -> bool {
        matches!(self.project.store.saved(), SaveState::Failed(_))
    }

    /// Takes up one event; the run's end, if it is that.
    fn take(&mut self, event: EngineEvent) -> Result<Option<TrackEnd>, CliError> {
        match event {
            EngineEvent::TrackStarted { frames, .. } => {
                self.started = Instant::now();
                let start = Start {
                    clip: self.project.clip.path().display().to_string(),
                    out: self.project.store.path().display().to_string(),
                    frames,
                    objects: self.objects.clone(),
                    resumed: self.resumed,
                };
                track_events::start(self.reporter, &start)?;
            }
            EngineEvent::Tracked { frame, results, skipped, is_damaged, .. } => {
                self.frames += 1;
                let is_used = is_damaged && self.uses_damaged && !results.is_empty();
                if is_used || !skipped.is_empty() {
                    self.damaged.insert(frame);
                }
                self.keep(frame, results)?;
                self.reporter.frame_done();
            }
            EngineEvent::TrackFinished { end, .. } => return Ok(Some(end)),
            EngineEvent::ModelFailed { error, .. } => return Ok(Some(TrackEnd::Failed(error))),
            // Nothing else was asked for.
            EngineEvent::ModelReady { .. }
            | EngineEvent::Encoding { .. }
            | EngineEvent::Encoded { .. }
            | EngineEvent::Answer { .. }
            | EngineEvent::Previewed { .. }
            | EngineEvent::Failed { .. } => {}
        }
        Ok(None)
    }

    /// Puts a frame's masks into the project, where they are stale or missing.
    fn keep(&mut self, frame: FrameIdx, results: Vec<ObjectResult>) -> Result<(), CliError> {
        let project = &mut *self.project;
        let mut changes = Vec::new();
        let mut kept = Vec::new();
        for result in results {
            let object = result.object;
            let Some((_, facts)) = project.snapshot.objects.iter().find(|(id, _)| *id == object) else { continue };
            let before = project.marks.get(&(object, frame)).copied();
            // The engine was not asked for these; what the labeller made and approved does not hang on that.
            if facts.is_locked || before.is_some_and(|mark| !mark.is_stale(facts.revision)) {
                continue;
            }
            let is_prompted = self.prompted.contains(&(object, frame));
            let mark = FrameMark {
                mask: project.store.put(&result.mask),
                provenance: if is_prompted { Provenance::Prompted } else { Provenance::Tracked },
                revision: facts.revision,
                is_approved: false,
                area: result.mask.area(),
                object_score: result.object_score,
                predicted_iou: result.predicted_iou,
                stability: result.stability,
            };
            changes.push(Change::Mark { object, frame, before, after: Some(mark) });
            kept.push((object, mark));
        }
        if changes.is_empty() {
            return Ok(());
        }
        let edit = Edit { name: self.name.clone(), changes };
        if self.masks == 0 {
            project.push_step(edit, Durability::Batched);
        } else {
            project.extend_step(edit, Durability::Batched);
        }
        self.masks += kept.len();
        for (object, mark) in kept {
            let name = self.project.clip.index().name(frame).map(str::to_owned);
            let FrameMark { area, object_score: score, predicted_iou: iou, stability, .. } = mark;
            let made = MaskMade { frame, name, object, area, score, iou, stability, file: None };
            track_events::mask(self.reporter, &made)?;
        }
        Ok(())
    }

    fn finish(self, end: TrackEnd, stop: &StopFlag) -> Result<Ended, CliError> {
        let (frames, masks) = (self.frames, self.masks);
        match end {
            TrackEnd::Completed => {
                let damaged = self.damaged.into_iter().collect();
                Ok(Ended::Done(Done::since(self.started, frames, masks, damaged)))
            }
            TrackEnd::Stopped => {
                track_events::stopped(self.reporter, Kept { frames, masks })?;
                Ok(Ended::Stopped(stop.requested().unwrap_or(Exit::SomeFailed)))
            }
            TrackEnd::Failed(error) => match CliError::from(error) {
                CliError::Told { exit, message } => {
                    let kept = counted(masks, "new mask");
                    Err(CliError::new(exit, format!("{message}\nThe project keeps {kept} of this run")))
                }
                closed => Err(closed),
            },
        }
    }
}

/// Writes the masks of the range as `track --out` does: one `.npy` per frame and object; none where a frame is damaged or
/// was not tracked. `None` when somebody asked to stop.
fn write_masks(
    args: &TrackArgs,
    project: &Project,
    out: &Path,
    stop: &StopFlag,
    reporter: &mut Reporter<'_>,
) -> Result<Option<ExportReport>, CliError> {
    let labels = project.labels();
    let objects = (!args.objects.is_empty()).then(|| args.objects.iter().map(|id| ObjectId(*id)).collect());
    let plan = ExportPlan {
        clips: vec![ClipPlan { labels: &labels, images: None, objects, split: Split::Train }],
        classes: Vec::new(),
        frames: FrameChoice { with: FramesWith::Anything, every: 1, range: Some(range(args, project)?) },
        images: ImageChoice::None,
        overlay: OverlayStyle::default(),
        overwrite: args.overwrite,
    };
    export_plan(FormatId::Npy, plan, out, stop, reporter)
}
