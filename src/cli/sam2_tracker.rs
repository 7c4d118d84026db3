//! The real [`Tracker`]: the clip's decoder and SAM 2.1.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;

use crate::label::{FrameIdx, ObjectId, Prompt};
use crate::sam2::Sam2;
use crate::sam2::checkpoint::Checkpoint;
use crate::sam2::model::LoadOptions;
use crate::sam2::predictor::{
    ClickPrompt, FrameMasks, Predictor, PredictorOptions, Propagation, PropagationRequest, Tracked,
};
use crate::video::{self, Clip};

use super::exit::CliError;
use super::frames::ClipFrames;
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
    /// When it cannot be read (code 5) or this build cannot read it (code 3).
    pub fn open(path: &Path) -> Result<Self, CliError> {
        let clip = video::open(path, &mut |_| ControlFlow::Continue(()))?;
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
        let prompted = || job.prompts.objects.values().flat_map(|object| object.frames.keys());
        let (Some(&earliest), Some(&latest)) = (prompted().min(), prompted().max()) else { return 0 };
        let span = |from: FrameIdx, to: FrameIdx| (to.0 + 1).saturating_sub(from.0);
        match job.direction {
            Direction::Forward => span(job.first.max(earliest), job.last),
            Direction::Backward => span(job.first, job.last.min(latest)),
            Direction::Both => span(job.first, job.last),
        }
    }

    fn start<'a>(&'a mut self, model: &Checkpoint, job: &'a TrackJob) -> Result<Box<dyn MaskStream + 'a>, CliError> {
        super::threads::use_threads(job.threads)?;
        let device = super::device::open(job.device)?;
        let options = LoadOptions { image_size: job.resolution.map(|side| side as usize), ..LoadOptions::default() };
        let model = Arc::new(Sam2::from_checkpoint(model, &options, &device)?);
        let options =
            PredictorOptions { spill_folder: Some(job.state_folder.clone()), ..PredictorOptions::unattended() };
        let mut predictor = Predictor::new(model, self.clip.frame_count(), self.clip.size(), options)?;
        let mut frames = ClipFrames::of(self.clip.clone(), job.damaged == DamagedFrames::Use)?;
        for (&object, prompts) in &job.prompts.objects {
            for (&frame, prompt) in &prompts.frames {
                match prompt {
                    Prompt::Clicks { points, bounds } => {
                        let prompt = ClickPrompt { points, bounds: *bounds, keep_earlier: false };
                        predictor.add_clicks(&mut frames, frame, object, prompt)?;
                    }
                    Prompt::Mask(mask) => {
                        predictor.add_mask(&mut frames, frame, object, mask)?;
                    }
                }
            }
        }
        let passes = match job.direction {
            Direction::Forward => vec![false],
            Direction::Backward => vec![true],
            // Backward is taken from the end of this list last.
            Direction::Both => vec![true, false],
        };
        Ok(Box::new(Stream { predictor, frames, job, passes, run: None, held: BTreeMap::new() }))
    }
}

/// A run: one pass or two.
struct Stream<'a> {
    predictor: Predictor,
    frames: ClipFrames,
    job: &'a TrackJob,
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
                Some(Tracked::Masks(masks)) => return Ok(Some(self.deliver(&masks))),
                Some(Tracked::Skipped(frame)) => {
                    let masks = match self.job.damaged {
                        DamagedFrames::Hold => self.hold(frame)?,
                        DamagedFrames::Skip | DamagedFrames::Use => Vec::new(),
                    };
                    return Ok(Some(TrackedFrame { frame, masks, is_damaged: true }));
                }
                None => {
                    self.run = None;
                    self.held.clear();
                }
            }
        }
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

    /// The latest masks before a damaged frame. After a resumed start they are those the stopped run left behind.
    fn hold(&mut self, frame: FrameIdx) -> Result<Vec<TrackedMask>, CliError> {
        let is_reverse = self.run.as_ref().is_some_and(Propagation::is_reverse);
        let mut at = frame.0;
        while self.held.is_empty() && at != if is_reverse { self.job.last.0 } else { self.job.first.0 } {
            at = if is_reverse { at + 1 } else { at - 1 };
            let masks = self.predictor.masks(FrameIdx(at))?;
            self.deliver(&masks);
        }
        Ok(self.held.values().cloned().collect())
    }

    fn deliver(&mut self, masks: &FrameMasks) -> TrackedFrame {
        let made = self.predictor.video_masks(masks);
        let mut delivered = Vec::with_capacity(made.len());
        for (object, mask) in masks.objects.iter().zip(made) {
            let mask = TrackedMask {
                object: object.object,
                mask,
                object_score: object.object_score,
                predicted_iou: object.predicted_iou,
            };
            if self.job.damaged == DamagedFrames::Hold {
                self.held.insert(object.object, mask.clone());
            }
            if !self.job.done.contains(&(masks.frame, object.object)) {
                delivered.push(mask);
            }
        }
        let is_damaged = self.frames.damaged().contains(&masks.frame);
        TrackedFrame { frame: masks.frame, masks: delivered, is_damaged }
    }
}

impl MaskStream for Stream<'_> {
    fn next_frame(&mut self) -> Option<Result<TrackedFrame, CliError>> {
        self.next().transpose()
    }
}
