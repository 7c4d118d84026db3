//! The real [`Tracker`]: the clip's decoder and SAM 2.1.

use std::collections::{BTreeMap, VecDeque};
use std::path::Path;
use std::sync::Arc;

use crate::engine::{self, ClipFrames};
use crate::label::{FrameIdx, ObjectId, Prompt};
use crate::sam2::Sam2;
use crate::sam2::checkpoint::Checkpoint;
use crate::sam2::model::LoadOptions;
use crate::sam2::predictor::{ClickPrompt, FrameMasks, Predictor, PredictorOptions, Propagation, PropagationRequest};
use crate::video::Clip;

use super::clip::open_clip;
use super::exit::CliError;
use super::signals::StopFlag;
use super::tracker::{DamagedFrames, Direction, MaskStream, TrackJob, TrackedClip, TrackedFrame, TrackedMask, Tracker};

/// An opened clip.
pub struct Sam2Tracker {
    clip: Clip,
    facts: TrackedClip,
}

impl Sam2Tracker {
    /// Opens a video file or a folder of pictures.
    ///
    /// # Errors
    /// When it cannot be read (code 5), this build cannot read it (code 3), or somebody asked to stop meanwhile.
    pub fn open(path: &Path, stop: &StopFlag) -> Result<Self, CliError> {
        let clip = open_clip(path, stop)?;
        let facts = TrackedClip {
            identity: clip.identity().to_string(),
            size: clip.size(),
            frame_count: clip.frame_count(),
            notices: clip.notices().iter().map(ToString::to_string).collect(),
        };
        Ok(Sam2Tracker { clip, facts })
    }
}

impl Tracker for Sam2Tracker {
    fn clip(&self) -> &TrackedClip {
        &self.facts
    }

    fn frame_total(&self, job: &TrackJob) -> u32 {
        let spans: Vec<(ObjectId, FrameIdx, FrameIdx)> = job
            .prompts
            .objects
            .iter()
            .filter_map(|(id, o)| Some((*id, *o.frames.keys().next()?, *o.frames.keys().next_back()?)))
            .collect();
        let forward = |f: FrameIdx, earliest: FrameIdx| f >= earliest;
        // A backward pass after a forward one finds everything from the first prompt on done.
        let backward = |f: FrameIdx, earliest: FrameIdx, latest: FrameIdx| match job.direction {
            Direction::Both => f < earliest,
            Direction::Forward | Direction::Backward => f <= latest,
        };
        let count = |is_reached: &dyn Fn(FrameIdx, FrameIdx, FrameIdx) -> bool| {
            let has_work = |f: &FrameIdx| {
                spans.iter().any(|&(id, earliest, latest)| {
                    let is_prompted = job.prompts.objects[&id].frames.contains_key(f);
                    is_reached(*f, earliest, latest) && (is_prompted || !job.done.contains(&(*f, id)))
                })
            };
            (job.first.0..=job.last.0).map(FrameIdx).filter(has_work).count() as u32
        };
        passes(job.direction)
            .iter()
            .map(
                |is_reverse| if *is_reverse { count(&backward) } else { count(&|f, earliest, _| forward(f, earliest)) },
            )
            .sum()
    }

    fn start<'a>(&'a mut self, model: &Checkpoint, job: &'a TrackJob) -> Result<Box<dyn MaskStream + 'a>, CliError> {
        super::threads::use_threads(job.threads)?;
        let device = engine::open_device(job.device)?;
        let options = LoadOptions { image_size: job.resolution.map(|side| side as usize), ..LoadOptions::default() };
        let model = Arc::new(Sam2::from_checkpoint(model, &options, &device)?);
        let options =
            PredictorOptions { spill_folder: Some(job.state_folder.clone()), ..PredictorOptions::unattended() };
        let predictor = Predictor::new(model, self.clip.frame_count(), self.clip.size(), options)?;
        let frames = ClipFrames::of(self.clip.clone(), job.damaged == DamagedFrames::Use)?;
        let objects = job.prompts.objects.iter();
        let prompts = objects.flat_map(|(id, o)| o.frames.iter().map(|(frame, prompt)| (*id, *frame, prompt)));
        Ok(Box::new(Stream {
            predictor,
            frames,
            job,
            prompts: prompts.collect(),
            passes: passes(job.direction),
            run: None,
            held: BTreeMap::new(),
        }))
    }
}

/// The passes of a direction, the next one last; true is backward.
fn passes(direction: Direction) -> Vec<bool> {
    match direction {
        Direction::Forward => vec![false],
        Direction::Backward => vec![true],
        Direction::Both => vec![true, false],
    }
}

/// A run: one pass or two.
struct Stream<'a> {
    predictor: Predictor,
    frames: ClipFrames,
    job: &'a TrackJob,
    /// Prompts still to be answered.
    prompts: VecDeque<(ObjectId, FrameIdx, &'a Prompt)>,
    /// Passes still to come, the next one last; true is backward.
    passes: Vec<bool>,
    run: Option<Propagation>,
    /// The latest mask of each object, for `--damaged hold`.
    held: BTreeMap<ObjectId, TrackedMask>,
}

impl Stream<'_> {
    fn next(&mut self) -> Result<Option<TrackedFrame>, CliError> {
        loop {
            let Some(run) = &mut self.run else {
                let Some(is_reverse) = self.passes.pop() else { return Ok(None) };
                self.run = Some(self.begin(is_reverse)?);
                continue;
            };
            match self.predictor.step(run, &mut self.frames)? {
                Some(masks) => return self.deliver(&masks).map(Some),
                None => {
                    self.run = None;
                    self.held.clear();
                }
            }
        }
    }

    fn answer(&mut self, object: ObjectId, frame: FrameIdx, prompt: &Prompt) -> Result<(), CliError> {
        match prompt {
            Prompt::Clicks { points, bounds } => {
                let prompt = ClickPrompt { points, bounds: *bounds, keep_earlier: false };
                self.predictor.add_clicks(&mut self.frames, frame, object, prompt)?;
            }
            Prompt::Mask(mask) => {
                self.predictor.add_mask(&mut self.frames, frame, object, mask)?;
            }
        }
        Ok(())
    }

    /// Plans a pass over the range and takes up what an earlier, stopped run has done of it.
    fn begin(&mut self, is_reverse: bool) -> Result<Propagation, CliError> {
        let (first, last) = (self.job.first, self.job.last);
        let request = PropagationRequest {
            start: Some(if is_reverse { last } else { first }),
            max_frames: Some(last.0 - first.0),
            is_reverse,
            objects: None,
        };
        let run = self.predictor.start(&mut self.frames, &request)?;
        for &(frame, object) in &self.job.done {
            self.predictor.resume_frame(frame, object, is_reverse);
        }
        Ok(run)
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
        Ok(TrackedFrame { frame: masks.frame, masks: delivered, is_damaged })
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
            })
            .collect()
    }

    /// The object's latest mask before a damaged frame; after a resumed start, the one the stopped run left behind.
    fn held_mask(&mut self, object: ObjectId, frame: FrameIdx) -> Result<Option<TrackedMask>, CliError> {
        let is_reverse = self.run.as_ref().is_some_and(Propagation::is_reverse);
        let mut at = frame.0;
        while !self.held.contains_key(&object) && at != if is_reverse { self.job.last.0 } else { self.job.first.0 } {
            at = if is_reverse { at + 1 } else { at - 1 };
            let masks = self.predictor.masks(FrameIdx(at))?;
            self.held.extend(self.tracked_masks(&masks).into_iter().find(|m| m.object == object).map(|m| (object, m)));
        }
        Ok(self.held.get(&object).cloned())
    }
}

impl MaskStream for Stream<'_> {
    fn prepare(&mut self) -> Option<Result<(), CliError>> {
        let (object, frame, prompt) = self.prompts.pop_front()?;
        Some(self.answer(object, frame, prompt))
    }

    fn next_frame(&mut self) -> Option<Result<TrackedFrame, CliError>> {
        self.next().transpose()
    }
}
