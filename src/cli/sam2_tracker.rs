//! The real [`Tracker`]: the clip's decoder and SAM 2.1.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use crate::engine::ClipFrames;
use crate::label::{FrameIdx, ObjectId, Prompt};
use crate::sam2::Sam2;
use crate::sam2::checkpoint::Checkpoint;
use crate::sam2::predictor::{FrameMasks, Predictor, PredictorOptions, WholePrompt};
use crate::video::Clip;

use super::clip::{notices_of, open_clip};
use super::exit::CliError;
use super::signals::StopFlag;
use super::tracker::{DamagedFrames, Direction, MaskStream, TrackJob, TrackedClip, TrackedFrame, TrackedMask, Tracker};

/// An opened clip.
pub struct Sam2Tracker {
    clip: Clip,
    facts: TrackedClip,
}

impl Sam2Tracker {
    /// Opens a video file, with this video stream or the best one, or a folder of pictures.
    ///
    /// # Errors
    /// When there is no such stream (code 2), it cannot be read (code 5), this build cannot read it (code 3), or
    /// somebody asked to stop meanwhile.
    pub fn open(path: &Path, stream: Option<u32>, stop: &StopFlag) -> Result<Self, CliError> {
        let clip = open_clip(path, stream, stop)?;
        let facts = TrackedClip {
            identity: clip.identity().to_string(),
            size: clip.size(),
            frame_count: clip.frame_count(),
            notices: notices_of(&clip),
        };
        Ok(Sam2Tracker { clip, facts })
    }
}

impl Tracker for Sam2Tracker {
    fn clip(&self) -> &TrackedClip {
        &self.facts
    }

    fn frame_total(&self, job: &TrackJob) -> u32 {
        let has_work = |&(frame, is_reverse): &(FrameIdx, bool)| {
            reached(job, frame, is_reverse).any(|(id, prompt)| prompt.is_some() || !job.done.contains(&(frame, id)))
        };
        visits(job).filter(has_work).count() as u32
    }

    fn start<'a>(&'a mut self, model: &Checkpoint, job: &'a TrackJob) -> Result<Box<dyn MaskStream + 'a>, CliError> {
        super::threads::use_threads(job.threads)?;
        let options = job.device.load_options(job.resolution);
        let model = Arc::new(Sam2::from_checkpoint(model, &options, &job.device.device)?);
        let options = PredictorOptions {
            spill_folder: Some(job.state_folder.clone()),
            non_overlapping: job.no_overlap,
            ..PredictorOptions::unattended()
        };
        let predictor = Predictor::new(model, self.clip.frame_count(), self.clip.size(), options)?;
        let frames = ClipFrames::of(self.clip.clone(), job.damaged == DamagedFrames::Use)?;
        let objects = job.prompts.objects.keys().copied().collect();
        Ok(Box::new(Stream {
            predictor,
            frames,
            job,
            objects,
            visits: Box::new(visits(job)),
            is_reverse: false,
            held: BTreeMap::new(),
        }))
    }
}

/// The frames of a run in the order of tracking, each with whether the pass goes backward.
fn visits(job: &TrackJob) -> impl Iterator<Item = (FrameIdx, bool)> + use<> {
    let (first, last) = (job.first.0, job.last.0);
    let passes: &[bool] = match job.direction {
        Direction::Forward => &[false],
        Direction::Backward => &[true],
        Direction::Both => &[false, true],
    };
    passes.iter().flat_map(move |&is_reverse| {
        (first..=last).map(move |at| (FrameIdx(if is_reverse { last - (at - first) } else { at }), is_reverse))
    })
}

/// The objects that a pass reaches on a frame, each with what is said about it there.
fn reached(
    job: &TrackJob,
    frame: FrameIdx,
    is_reverse: bool,
) -> impl Iterator<Item = (ObjectId, Option<&Prompt>)> + use<'_> {
    job.prompts.objects.iter().filter_map(move |(&id, said)| {
        let (&earliest, &latest) = (said.frames.keys().next()?, said.frames.keys().next_back()?);
        let is_reached = match (job.direction, is_reverse) {
            (_, false) => frame >= earliest,
            // The forward pass has done everything from the first prompt on.
            (Direction::Both, true) => frame < earliest,
            (Direction::Forward | Direction::Backward, true) => frame <= latest,
        };
        is_reached.then(|| (id, said.frames.get(&frame)))
    })
}

/// A run: one pass or two.
///
/// What is said about a frame is answered when its pass gets there. Clicks then correct what the frame was tracked to,
/// as they do in the window, and count from there on; the frames before are not tracked again. A run that goes on does
/// the same with what the stopped one left in its state folder, and so comes to the same masks.
struct Stream<'a> {
    predictor: Predictor,
    frames: ClipFrames,
    job: &'a TrackJob,
    /// All objects of the run.
    objects: Vec<ObjectId>,
    /// Frames still to be visited; true is backward.
    visits: Box<dyn Iterator<Item = (FrameIdx, bool)>>,
    /// Whether the present pass goes backward.
    is_reverse: bool,
    /// The latest mask of each object, for `--damaged hold`.
    held: BTreeMap<ObjectId, TrackedMask>,
}

impl Stream<'_> {
    fn next(&mut self) -> Result<Option<TrackedFrame>, CliError> {
        while let Some((frame, is_reverse)) = self.visits.next() {
            if std::mem::replace(&mut self.is_reverse, is_reverse) != is_reverse {
                self.held.clear();
            }
            if let Some(masks) = self.visit(frame)? {
                return self.deliver(&masks).map(Some);
            }
        }
        Ok(None)
    }

    /// Tracks a frame; `None` where no object is reached, or an earlier, stopped run has done it.
    fn visit(&mut self, frame: FrameIdx) -> Result<Option<FrameMasks>, CliError> {
        let (job, mut due) = (self.job, Vec::new());
        for (object, prompt) in reached(job, frame, self.is_reverse) {
            if let Some(prompt) = prompt {
                self.answer(object, frame, prompt)?;
            } else if job.done.contains(&(frame, object)) && self.predictor.resume_frame(frame, object, self.is_reverse)
            {
                continue;
            }
            due.push(object);
        }
        if due.is_empty() {
            return Ok(None);
        }
        Ok(Some(self.predictor.visit(&mut self.frames, frame, &due, &self.objects, self.is_reverse)?))
    }

    fn answer(&mut self, object: ObjectId, frame: FrameIdx, prompt: &Prompt) -> Result<(), CliError> {
        let base;
        let whole = match prompt {
            Prompt::Clicks { points, bounds } => {
                // What the clicks start from, unless they are the object's first.
                self.predictor.visit(&mut self.frames, frame, &[object], &self.objects, self.is_reverse)?;
                base = self
                    .predictor
                    .mask_of(object, frame)?
                    .map(|mask| Arc::new(mask.logits.mask(self.predictor.size())));
                WholePrompt::Clicks { points, bounds: *bounds, candidate: None, base: base.as_ref() }
            }
            Prompt::Mask(mask) => WholePrompt::Mask(mask),
        };
        self.predictor.answer(&mut self.frames, frame, object, &whole)?;
        self.predictor.take_up(&mut self.frames, object, frame)?;
        Ok(())
    }

    /// What is written for a frame: its masks, and on a damaged one what `--damaged` says.
    fn deliver(&mut self, masks: &FrameMasks) -> Result<TrackedFrame, CliError> {
        let mut delivered = self.tracked_masks(masks);
        match self.job.damaged {
            DamagedFrames::Hold => {
                for made in &delivered {
                    self.held.insert(made.object, made.clone());
                }
                for &object in &masks.skipped {
                    delivered.extend(self.held_mask(object, masks.frame)?);
                }
            }
            DamagedFrames::Skip | DamagedFrames::Use => {}
        }
        delivered.retain(|made| !self.job.done.contains(&(masks.frame, made.object)));
        let is_damaged = !masks.skipped.is_empty() || self.frames.damaged().contains(&masks.frame);
        let name = self.frames.name(masks.frame).map(str::to_owned);
        Ok(TrackedFrame { frame: masks.frame, name, masks: delivered, is_damaged })
    }

    fn tracked_masks(&self, masks: &FrameMasks) -> Vec<TrackedMask> {
        let made = self.predictor.video_masks(masks);
        let pairs = masks.objects.iter().zip(made);
        pairs
            .map(|(object, mask)| TrackedMask {
                object: object.object,
                mask,
                object_score: object.object_score,
                predicted_iou: object.predicted_iou,
                stability: object.stability,
            })
            .collect()
    }

    /// The object's latest mask before a damaged frame; after a resumed start, the one the stopped run left behind.
    fn held_mask(&mut self, object: ObjectId, frame: FrameIdx) -> Result<Option<TrackedMask>, CliError> {
        let (start, mut at) = (if self.is_reverse { self.job.last.0 } else { self.job.first.0 }, frame.0);
        while !self.held.contains_key(&object) && at != start {
            at = if self.is_reverse { at + 1 } else { at - 1 };
            let masks = self.predictor.masks(FrameIdx(at))?;
            self.held.extend(self.tracked_masks(&masks).into_iter().find(|m| m.object == object).map(|m| (object, m)));
        }
        Ok(self.held.get(&object).cloned())
    }
}

impl MaskStream for Stream<'_> {
    fn next_frame(&mut self) -> Option<Result<TrackedFrame, CliError>> {
        self.next().transpose()
    }
}
