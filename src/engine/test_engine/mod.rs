//! The test engine: a real, small, deterministic segmenter without a model. A click grows a region of like colour, a run
//! follows it by motion and colours. It keeps the rules that SAM 2.1 keeps here (the same words give the same mask,
//! corrections start from the tracked mask and stay, held frames are not delivered again), so that the app can be
//! tested, and tried, without a checkpoint. It works on pictures of at most 320 pixels a side.

mod follow;
mod grow;
mod picture;

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use crate::label::{FrameIdx, Mask, ObjectId, Prompt};
use crate::sam2::predictor::FrameSource;

use super::frames::ClipFrames;
use super::plan::{Plan, PlannedFrame};
use super::protocol::{
    EngineError, FramePrompt, LedBy, ModelInfo, ObjectPrompts, ObjectResult, PromptRequest, TrackRequest,
};
use super::segmenter::{Answered, Preparation, Segmenter, StepDone};

use follow::{Likeness, follow};
use grow::{Words, candidates};
use picture::{Picture, Shape};

/// Shrunk frames that are kept, about 170 KB each.
const KEPT_PICTURES: usize = 128;
/// Object score of a shape that is there and sure; one that is absent has the negative.
const SURE_SCORE: f32 = 10.0;

/// The segmenter.
#[derive(Default)]
pub struct TestEngine {
    /// Most recently used last.
    pictures: VecDeque<(FrameIdx, Arc<Picture>)>,
    tracks: BTreeMap<ObjectId, Track>,
    plan: Plan,
}

/// What is known of an object.
#[derive(Default)]
struct Track {
    given: BTreeMap<FrameIdx, Given>,
    found: BTreeMap<FrameIdx, Found>,
    /// Counts changes of what is said; frames found at an older count are stale.
    revision: u32,
    /// The prompted frame the run goes by, with what the object looks like there.
    likeness: Option<(FrameIdx, Likeness)>,
    /// The frame the run goes on from.
    anchor: Option<(FrameIdx, Arc<Picture>)>,
}

/// A prompted frame.
struct Given {
    prompt: FramePrompt,
    /// Shrunk.
    shape: Mask,
    result: ObjectResult,
}

/// A tracked frame.
struct Found {
    /// Shrunk.
    shape: Mask,
    result: ObjectResult,
    revision: u32,
}

/// A candidate as the app gets it, and its shape.
struct Read {
    shape: Shape,
    result: ObjectResult,
}

impl TestEngine {
    /// Knows nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    fn picture(&mut self, frames: &mut ClipFrames, frame: FrameIdx) -> Result<Arc<Picture>, EngineError> {
        let kept = self.pictures.iter().position(|(kept, _)| *kept == frame);
        if let Some(entry) = kept.and_then(|at| self.pictures.remove(at)) {
            let picture = entry.1.clone();
            self.pictures.push_back(entry);
            return Ok(picture);
        }
        let rgb = frames.frame(frame).map_err(|reason| EngineError::Frame { frame, reason })?;
        let picture = Arc::new(Picture::of(&rgb));
        self.pictures.push_back((frame, picture.clone()));
        if self.pictures.len() > KEPT_PICTURES {
            self.pictures.pop_front();
        }
        Ok(picture)
    }

    /// The candidates of what is said, the likeliest first, and which of them stands.
    fn read(&mut self, frames: &mut ClipFrames, request: &PromptRequest) -> Result<(Vec<Read>, usize), EngineError> {
        let (object, frame) = (request.object, request.frame);
        let wrong = |reason: &str| EngineError::Prompt(format!("object {object}, frame {frame}: {reason}"));
        let (points, bounds) = match &*request.prompt.prompt {
            Prompt::Mask(mask) if mask.size() != frames.size() => {
                return Err(wrong(&format!("the mask is {}, the clip {}", mask.size(), frames.size())));
            }
            Prompt::Mask(mask) => {
                let result = result(object, mask.clone(), 1.0, 1.0);
                return Ok((vec![Read { shape: Shape::shrunk(mask), result }], 0));
            }
            Prompt::Clicks { points, bounds } => (points, *bounds),
        };
        if points.is_empty() && bounds.is_none() {
            return Err(wrong("the prompt has neither a click nor a box"));
        }
        let corners = bounds.map(<[f32; 4]>::from);
        if !points.iter().flat_map(|p| [p.x, p.y]).chain(corners.into_iter().flatten()).all(f32::is_finite) {
            return Err(wrong("a coordinate is not a number"));
        }
        let base = request.prompt.base.as_deref();
        if let Some(base) = base.filter(|base| base.size() != frames.size()) {
            return Err(wrong(&format!("the mask to correct is {}, the clip {}", base.size(), frames.size())));
        }
        let picture = self.picture(frames, frame)?;
        let base = base.map(Shape::shrunk);
        let choice = request.prompt.candidate.map_or(0, usize::from);
        let read = candidates(&picture, &Words::new(points, bounds, frames.size()), base.as_ref(), choice);
        let read: Vec<Read> = read
            .into_iter()
            .map(|candidate| {
                let mask = candidate.shape.grown(frames.size());
                Read { result: result(object, mask, candidate.quality, candidate.stability), shape: candidate.shape }
            })
            .collect();
        let standing = if read.len() > 1 { choice } else { 0 };
        if standing >= read.len() {
            return Err(wrong(&format!("candidate {choice} was chosen of a click that has {}", read.len())));
        }
        Ok((read, standing))
    }

    /// Brings what is known of the request's objects in line with the request.
    fn sync(&mut self, frames: &mut ClipFrames, objects: &[ObjectPrompts]) -> Result<(), EngineError> {
        for prompts in objects {
            let known = self.tracks.get(&prompts.object);
            let known: Vec<FrameIdx> = known.map_or_else(Vec::new, |track| track.given.keys().copied().collect());
            for frame in known.into_iter().filter(|frame| !prompts.frames.contains_key(frame)) {
                self.clear_prompt(prompts.object, frame);
            }
            for (&frame, prompt) in &prompts.frames {
                let given = self.tracks.get(&prompts.object).and_then(|track| track.given.get(&frame));
                if given.is_some_and(|given| given.prompt == *prompt) {
                    continue;
                }
                match prompts.masks.get(&frame) {
                    Some(mask) => {
                        let result = result(prompts.object, Mask::clone(mask), 1.0, 1.0);
                        self.give(prompts.object, frame, prompt.clone(), &Shape::shrunk(mask), result);
                    }
                    None => {
                        let request = PromptRequest { object: prompts.object, frame, prompt: prompt.clone() };
                        self.answer(frames, &request)?;
                    }
                }
            }
        }
        Ok(())
    }

    /// Remembers an answer.
    fn give(&mut self, object: ObjectId, frame: FrameIdx, prompt: FramePrompt, shape: &Shape, result: ObjectResult) {
        let track = self.tracks.entry(object).or_default();
        let is_new = track.given.get(&frame).is_none_or(|before| before.prompt != prompt);
        track.given.insert(frame, Given { prompt, shape: shape.packed(), result });
        if is_new {
            track.changed();
        }
    }

    fn is_current(&self, object: ObjectId, frame: FrameIdx) -> bool {
        self.tracks.get(&object).is_some_and(|track| track.is_current(frame))
    }

    /// Follows an object to a frame from the nearest one behind on which it is known. Nothing happens where there is
    /// none: its prompts were taken back during the run.
    fn follow_to(
        &mut self,
        frames: &mut ClipFrames,
        object: ObjectId,
        frame: FrameIdx,
        is_reverse: bool,
    ) -> Result<(), EngineError> {
        let Some(track) = self.tracks.get_mut(&object) else { return Ok(()) };
        let Some((prompted, from, shape)) = track.behind(frame, is_reverse) else { return Ok(()) };
        let (likeness, anchor) = (track.likeness.take(), track.anchor.take());
        let likeness = match likeness.filter(|(of, _)| *of == prompted) {
            Some((_, likeness)) => likeness,
            None => {
                let given = track.given.get(&prompted).map(|given| Shape::of(&given.shape));
                let given = given.unwrap_or_else(|| Shape::of(&shape));
                Likeness::of(&*self.picture(frames, prompted)?, &given)
            }
        };
        let from_picture = match anchor.filter(|(of, _)| *of == from) {
            Some((_, picture)) => picture,
            None => self.picture(frames, from)?,
        };
        let to_picture = self.picture(frames, frame)?;
        let followed = follow(&from_picture, &Shape::of(&shape), &to_picture, &likeness);
        let track = self.tracks.entry(object).or_default();
        let mask = followed.shape.grown(frames.size());
        track.anchor = Some(if mask.is_empty() { (from, from_picture) } else { (frame, to_picture) });
        track.likeness = Some((prompted, likeness));
        let result = result(object, mask, followed.kept, followed.kept);
        let found = Found { shape: followed.shape.packed(), result, revision: track.revision };
        track.found.insert(frame, found);
        Ok(())
    }
}

impl Track {
    fn is_current(&self, frame: FrameIdx) -> bool {
        self.given.contains_key(&frame) || self.found.get(&frame).is_some_and(|f| f.revision == self.revision)
    }

    /// Something else was said: all that was found is stale.
    fn changed(&mut self) {
        self.revision += 1;
        self.likeness = None;
        self.anchor = None;
    }

    /// The nearest prompted frame behind `frame` in a run's direction, and the nearest frame on which the object was
    /// seen, with its shape there.
    fn behind(&self, frame: FrameIdx, is_reverse: bool) -> Option<(FrameIdx, FrameIdx, Mask)> {
        let after = FrameIdx(frame.0.saturating_add(1));
        let (prompted, given) =
            if is_reverse { self.given.range(after..).next()? } else { self.given.range(..frame).next_back()? };
        let is_seen = |found: &Found| found.revision == self.revision && !found.shape.is_empty();
        let found = if is_reverse {
            self.found.range(after..*prompted).find(|(_, found)| is_seen(found))
        } else {
            self.found.range(*prompted..frame).rev().find(|(_, found)| is_seen(found))
        };
        Some(match found {
            Some((from, found)) => (*prompted, *from, found.shape.clone()),
            None => (*prompted, *prompted, given.shape.clone()),
        })
    }

    fn result(&self, frame: FrameIdx) -> Option<&ObjectResult> {
        self.given.get(&frame).map(|given| &given.result).or_else(|| self.found.get(&frame).map(|found| &found.result))
    }
}

impl Segmenter for TestEngine {
    fn info(&self) -> ModelInfo {
        ModelInfo { name: "test engine".to_owned(), device: "CPU".to_owned(), resolution: None, has_candidates: true }
    }

    fn forget_clip(&mut self) {
        *self = Self::default();
    }

    fn is_encoded(&self, frame: FrameIdx) -> bool {
        self.pictures.iter().any(|(kept, _)| *kept == frame)
    }

    fn encoded_capacity(&self) -> usize {
        KEPT_PICTURES
    }

    fn encode(&mut self, frames: &mut ClipFrames, frame: FrameIdx) -> Result<(), EngineError> {
        self.picture(frames, frame).map(drop)
    }

    fn answer(&mut self, frames: &mut ClipFrames, request: &PromptRequest) -> Result<Answered, EngineError> {
        let (read, standing) = self.read(frames, request)?;
        let Read { shape, result } = &read[standing];
        let result = result.clone();
        self.give(request.object, request.frame, request.prompt.clone(), shape, result.clone());
        let candidates = if read.len() > 1 { read.into_iter().map(|read| read.result).collect() } else { Vec::new() };
        Ok(Answered { result, candidates })
    }

    fn preview(&mut self, frames: &mut ClipFrames, request: &PromptRequest) -> Result<ObjectResult, EngineError> {
        let (mut read, standing) = self.read(frames, request)?;
        Ok(read.swap_remove(standing).result)
    }

    fn clear_prompt(&mut self, object: ObjectId, frame: FrameIdx) {
        if let Some(track) = self.tracks.get_mut(&object)
            && track.given.remove(&frame).is_some()
        {
            track.changed();
            // It may have come from the prompt that is gone.
            track.found.clear();
        }
    }

    fn forget(&mut self, object: ObjectId) {
        self.tracks.remove(&object);
    }

    fn start(&mut self, frames: &mut ClipFrames, request: &TrackRequest) -> Result<(), EngineError> {
        self.plan = Plan::new(request, frames.frame_count(), &|_, _| false)?;
        self.sync(frames, &request.objects)?;
        let is_current = |object, frame| self.is_current(object, frame);
        let plan = Plan::new(request, frames.frame_count(), &is_current)?;
        self.plan = plan;
        Ok(())
    }

    fn prepare(&mut self, _frames: &mut ClipFrames) -> Result<Preparation, EngineError> {
        let words = |track: &Track| track.given.iter().map(|(frame, given)| (*frame, given.prompt.clone())).collect();
        let of_object = |object: &ObjectId| Some((*object, words(self.tracks.get(object)?)));
        let led_by: LedBy = self.plan.objects.iter().filter_map(of_object).collect();
        Ok(Preparation::Ready { frames: self.plan.remaining(), led_by })
    }

    fn step(&mut self, frames: &mut ClipFrames) -> Result<Option<StepDone>, EngineError> {
        let Some(PlannedFrame { frame, is_reverse, objects }) = self.plan.next().cloned() else { return Ok(None) };
        let (mut results, mut skipped) = (Vec::new(), Vec::new());
        for planned in objects {
            let object = planned.object;
            if !self.is_current(object, frame) {
                if frames.is_usable(frame).map_err(|reason| EngineError::Frame { frame, reason })? {
                    self.follow_to(frames, object, frame, is_reverse)?;
                } else if planned.is_wanted {
                    skipped.push(object);
                }
            }
            if planned.is_wanted && self.is_current(object, frame) {
                results.extend(self.tracks.get(&object).and_then(|track| track.result(frame)).cloned());
            }
        }
        self.plan.done();
        Ok(Some(StepDone { frame, results, skipped, remaining: self.plan.remaining() }))
    }
}

fn result(object: ObjectId, mask: Mask, predicted_iou: f32, stability: f32) -> ObjectResult {
    let object_score = if mask.is_empty() { -SURE_SCORE } else { SURE_SCORE * stability };
    ObjectResult { object, mask, object_score, predicted_iou, stability }
}
