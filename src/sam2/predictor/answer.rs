//! Answers to the whole prompt of an object on a frame, for a labeller who may change her mind: the same prompt gives the
//! same mask, whatever was given and taken back in between. Used by the engine; [`Mode::App`](super::Mode::App) only.
//!
//! Clicks are answered one by one, each refining the mask before, a box first. What they start from comes with them: the
//! picture alone, or the mask they correct. Where that is what the frame was tracked to, its logits are used and the
//! object's memories, as the reference does; any other mask is taken as it is. A list that only appends to the one answered
//! before goes on from its answer, any other one starts over, and so does one that goes on from another model's mask.

use std::sync::Arc;

use candle_core::Tensor;

use crate::label::{BoxPrompt, FrameIdx, Mask, ObjectId, Point};

use super::super::error::Sam2Error;
use super::super::model::FrameFeatures;
use super::super::prompt_encoder::{PointKind, PromptPoint};
use super::spill::LOGIT_LIMIT;
use super::track::{Base, FrameState, PromptContext};
use super::{ClickPrompt, FrameSource, ObjectMask, Predictor};

/// Everything an object is prompted with on a frame: not what a click adds, but all of it.
#[derive(Debug, Clone, Copy)]
pub enum WholePrompt<'a> {
    /// Clicks, a box, or both.
    Clicks {
        /// In the order they were made, in pixels of the clip.
        points: &'a [Point],
        /// The box.
        bounds: Option<BoxPrompt>,
        /// Which of the first click's candidates stands; `None` is the likeliest. A box has one candidate only.
        candidate: Option<usize>,
        /// The mask they correct; `None` where there was none.
        base: Option<&'a Arc<Mask>>,
    },
    /// The mask itself.
    Mask(&'a Mask),
}

/// The answer to a prompt.
#[derive(Debug, Clone)]
pub struct Answer {
    /// The mask that stands.
    pub mask: ObjectMask,
    /// The candidates of a single click, the likeliest first; empty when there is more in the prompt, and when the object is not there.
    pub candidates: Vec<ObjectMask>,
}

/// A frame's features with an object's memories mixed in.
pub(super) struct CorrectionFeatures {
    object: ObjectId,
    frame: FrameIdx,
    features: Tensor,
}

/// An answer that nothing remembers yet.
struct Draft {
    points: Vec<PromptPoint>,
    context: PromptContext,
    state: FrameState,
    candidates: Vec<FrameState>,
}

impl Predictor {
    /// Answers the whole prompt of an object on a frame and remembers it, in place of the one before.
    ///
    /// # Errors
    /// When the prompt makes no sense, the frame cannot be read, or the model fails; the one before stands then.
    pub fn answer(
        &mut self,
        frames: &mut dyn FrameSource,
        frame: FrameIdx,
        object: ObjectId,
        prompt: &WholePrompt,
    ) -> Result<Answer, Sam2Error> {
        let draft = self.draft(frames, frame, object, prompt)?;
        let answer = draft.answer(object)?;
        self.keep_draft(frame, object, draft)?;
        Ok(answer)
    }

    /// Remembers a prompt with a mask that came of it elsewhere: from another model, or before the program was
    /// started anew. The frame keeps exactly this mask. Where clicks have the same answer here, that is remembered, so
    /// that frames are tracked from it as they were when it was given; elsewhere the mask is taken like a supplied one.
    ///
    /// # Errors
    /// As [`Predictor::answer`].
    pub fn adopt(
        &mut self,
        frames: &mut dyn FrameSource,
        frame: FrameIdx,
        object: ObjectId,
        prompt: &WholePrompt,
        mask: &Arc<Mask>,
    ) -> Result<(), Sam2Error> {
        let (points, context) = match *prompt {
            WholePrompt::Clicks { points, bounds, candidate, base } => {
                let points = self.checked_points(frame, object, points, bounds)?;
                let context = PromptContext { candidate, base: self.base(frame, object, base)? };
                let own = self.draft_clicks(frames, frame, object, points.clone(), context.clone());
                // One that fails, for want of the chosen candidate, is another answer as well.
                if let Ok(own) = own
                    && self.shows(&own.state, object, mask)?
                {
                    return self.keep_draft(frame, object, own);
                }
                (points, context)
            }
            WholePrompt::Mask(_) => (Vec::new(), PromptContext { candidate: None, base: None }),
        };
        let output = self.take_mask(frames, frame, object, mask)?;
        let state = self.settled(FrameState::new(output, Some(mask.clone())), frame, object)?;
        self.keep_draft(frame, object, Draft { points, context, state, candidates: Vec::new() })
    }

    fn keep_draft(&mut self, frame: FrameIdx, object: ObjectId, draft: Draft) -> Result<(), Sam2Error> {
        let is_standing = self.is_standing(frame, object, &draft.state)?;
        let track = self.track_mut(object);
        track.contexts.insert(frame.0, draft.context);
        if draft.points.is_empty() {
            track.points.remove(&frame.0);
        } else {
            track.points.insert(frame.0, draft.points);
        }
        if is_standing {
            // Given, taken back, given again: what was tracked with it stays current.
            track.drop_pending(frame.0);
        } else {
            track.set_pending(true, frame.0, draft.state);
        }
        Ok(())
    }

    /// Answers as [`Predictor::answer`] would, and remembers nothing.
    ///
    /// # Errors
    /// As [`Predictor::answer`].
    pub fn consider(
        &mut self,
        frames: &mut dyn FrameSource,
        frame: FrameIdx,
        object: ObjectId,
        prompt: &WholePrompt,
    ) -> Result<ObjectMask, Sam2Error> {
        Ok(self.draft(frames, frame, object, prompt)?.answer(object)?.mask)
    }

    /// Whether exactly this was answered on the frame last, with this mask; with `None`, by this model and not by
    /// [`Predictor::adopt`] of another one's mask.
    ///
    /// # Errors
    /// When the frame cannot have this prompt, or a state that was put on the disk cannot be read.
    pub fn is_answered(
        &self,
        frame: FrameIdx,
        object: ObjectId,
        prompt: &WholePrompt,
        mask: Option<&Mask>,
    ) -> Result<bool, Sam2Error> {
        let Some(track) = self.objects.iter().find(|track| track.id == object) else { return Ok(false) };
        if !track.is_prompted(frame.0) {
            return Ok(false);
        }
        if let WholePrompt::Clicks { points, bounds, candidate, base } = prompt {
            let wanted = self.checked_points(frame, object, points, *bounds)?;
            let is_heard = track.contexts.get(&frame.0).is_some_and(|context| context.is(*candidate, *base));
            if !is_heard || track.points.get(&frame.0) != Some(&wanted) {
                return Ok(false);
            }
        }
        let Some(state) = track.latest(frame.0, &self.spill, self.model.device())? else { return Ok(false) };
        match (*prompt, mask) {
            (_, Some(mask)) | (WholePrompt::Mask(mask), None) => self.shows(&state, object, mask),
            (WholePrompt::Clicks { .. }, None) => Ok(state.supplied.is_none()),
        }
    }

    /// Whether this is the state's mask, as [`Predictor::video_masks`] gives it.
    fn shows(&self, state: &FrameState, object: ObjectId, mask: &Mask) -> Result<bool, Sam2Error> {
        match &state.supplied {
            Some(supplied) => Ok(**supplied == *mask),
            None => Ok(state.object_mask(object, true)?.logits.mask(self.size) == *mask),
        }
    }

    fn draft(
        &mut self,
        frames: &mut dyn FrameSource,
        frame: FrameIdx,
        object: ObjectId,
        prompt: &WholePrompt,
    ) -> Result<Draft, Sam2Error> {
        match *prompt {
            WholePrompt::Clicks { points, bounds, candidate, base } => {
                let points = self.checked_points(frame, object, points, bounds)?;
                let context = PromptContext { candidate, base: self.base(frame, object, base)? };
                self.draft_clicks(frames, frame, object, points, context)
            }
            WholePrompt::Mask(mask) => {
                let output = self.take_mask(frames, frame, object, mask)?;
                let context = PromptContext { candidate: None, base: None };
                let state = self.settled(FrameState::new(output, Some(Arc::new(mask.clone()))), frame, object)?;
                Ok(Draft { points: Vec::new(), context, state, candidates: Vec::new() })
            }
        }
    }

    fn draft_clicks(
        &mut self,
        frames: &mut dyn FrameSource,
        frame: FrameIdx,
        object: ObjectId,
        points: Vec<PromptPoint>,
        context: PromptContext,
    ) -> Result<Draft, Sam2Error> {
        // A single click always starts over: its candidates are wanted as well as its mask.
        let going_on = if points.len() > 1 { self.appended_to(frame, object, &points, &context)? } else { None };
        let (mut done, mut state) = match going_on {
            Some((done, state)) => (done, Some(state)),
            None => (0, None),
        };
        let features = self.features.get(&self.model, frames, frame)?;
        let conditioned = self.features_to_correct(frames, frame, object, context.base.as_ref(), &features)?;
        let model = self.model.clone();
        let mut candidates = Vec::new();
        while done < points.len() {
            done += if points[done].kind == PointKind::TopLeft { 2 } else { 1 };
            let previous = state.as_ref().map(|s: &FrameState| &s.low_res);
            let previous = previous.or(context.base.as_ref().and_then(|base| base.low_res.as_ref()));
            let previous = previous.map(|logits| logits.clamp(-LOGIT_LIMIT, LOGIT_LIMIT)).transpose()?;
            if done == 1 {
                let made = model.predict_candidates(&features, &conditioned, &points[..1], previous.as_ref())?;
                let made = made.into_iter().map(|output| self.settled(FrameState::new(output, None), frame, object));
                candidates = made.collect::<Result<Vec<_>, _>>()?;
                let chosen = context.candidate.unwrap_or(0);
                let count = candidates.len();
                state = Some(candidates.get(chosen).cloned().ok_or_else(|| {
                    let reason = format!("candidate {chosen} was chosen of a click that has {count}");
                    Sam2Error::Prompt { object, frame, reason }
                })?);
            } else {
                let output = model.predict(&features, &conditioned, &points[..done], previous.as_ref(), false)?;
                state = Some(self.settled(FrameState::new(output, None), frame, object)?);
            }
        }
        if points.len() > 1 {
            candidates.clear();
        }
        let state = state.expect("checked points are at least one");
        Ok(Draft { points, context, state, candidates })
    }

    /// Where the frame's last answer covers the beginning of this list: how much of it, and the answer.
    fn appended_to(
        &self,
        frame: FrameIdx,
        object: ObjectId,
        points: &[PromptPoint],
        context: &PromptContext,
    ) -> Result<Option<(usize, FrameState)>, Sam2Error> {
        let Some(track) = self.objects.iter().find(|track| track.id == object) else { return Ok(None) };
        let base = context.base.as_ref().map(|base| &base.mask);
        let is_same = track.contexts.get(&frame.0).is_some_and(|before| before.is(context.candidate, base));
        let Some(answered) = track.points.get(&frame.0).filter(|_| is_same) else { return Ok(None) };
        if !points.starts_with(answered) {
            return Ok(None);
        }
        let state = track.latest(frame.0, &self.spill, self.model.device())?;
        // An adopted mask is not what this model answered.
        let own = state.filter(|state| state.supplied.is_none());
        Ok(own.map(|state| (answered.len(), FrameState { memory: None, ..FrameState::clone(&state) })))
    }

    /// What clicks on the frame start from: as it was with the first of them, what the frame was tracked to where that is
    /// this mask, else the mask as it is.
    fn base(&self, frame: FrameIdx, object: ObjectId, mask: Option<&Arc<Mask>>) -> Result<Option<Base>, Sam2Error> {
        let Some(mask) = mask else { return Ok(None) };
        self.check_size(frame, object, mask)?;
        let track = self.objects.iter().find(|track| track.id == object);
        let context = track.and_then(|track| track.contexts.get(&frame.0)).and_then(|context| context.base.as_ref());
        if let Some(base) = context.filter(|base| base.mask == *mask) {
            return Ok(Some(base.clone()));
        }
        if let Some(track) = track.filter(|track| !track.is_prompted(frame.0))
            && let Some(visit) = track.tracked.get(&frame.0)
            && let Some(state) = track.latest(frame.0, &self.spill, self.model.device())?
            && self.shows(&state, object, mask)?
        {
            let (low_res, is_reverse) = (Some(state.low_res.clone()), visit.is_reverse);
            return Ok(Some(Base { mask: mask.clone(), low_res, is_reverse }));
        }
        let input = (!mask.is_empty()).then(|| self.mask_at_input_size(mask));
        let low_res = input.map(|input| self.model.mask_logits(&input)).transpose()?;
        // A frame before all prompts would be reached from behind.
        let is_reverse = track.and_then(|track| track.cond_frames().next()).is_some_and(|first| frame.0 < first);
        Ok(Some(Base { mask: mask.clone(), low_res, is_reverse }))
    }

    /// The frame's features as its clicks see them: with the object's memories where they correct a tracked mask.
    fn features_to_correct(
        &mut self,
        frames: &mut dyn FrameSource,
        frame: FrameIdx,
        object: ObjectId,
        base: Option<&Base>,
        features: &FrameFeatures,
    ) -> Result<Tensor, Sam2Error> {
        let track = self.objects.iter().find(|track| track.id == object);
        let leads = track.is_some_and(|track| track.cond_frames().any(|other| other != frame.0));
        let Some(base) = base.filter(|_| leads) else { return Ok(self.model.without_memory(features)?) };
        if let Some(kept) = self.correction.as_ref().filter(|c| (c.object, c.frame) == (object, frame)) {
            return Ok(kept.features.clone());
        }
        // The frame does not attend to its own earlier prompts: every answer starts from the same place.
        let mixed = self.conditioned(frames, object, (frame, base.is_reverse), Some(frame), features)?;
        self.correction = Some(CorrectionFeatures { object, frame, features: mixed.clone() });
        Ok(mixed)
    }

    /// Whether the frame conditions with exactly this answer already.
    fn is_standing(&mut self, frame: FrameIdx, object: ObjectId, state: &FrameState) -> Result<bool, Sam2Error> {
        let (spill, device) = (&self.spill, self.model.device());
        let Some(track) = self.objects.iter_mut().find(|track| track.id == object) else { return Ok(false) };
        let Some(standing) = track.cond(frame.0, spill, device)? else { return Ok(false) };
        let values = |s: &FrameState| s.low_res.flatten_all()?.to_vec1::<f32>();
        Ok(standing.supplied == state.supplied && values(&standing)? == values(state)?)
    }

    /// The list in pixels of the model's input, a box as its two corners before the clicks.
    fn checked_points(
        &self,
        frame: FrameIdx,
        object: ObjectId,
        points: &[Point],
        bounds: Option<BoxPrompt>,
    ) -> Result<Vec<PromptPoint>, Sam2Error> {
        let prompt = ClickPrompt { points, bounds, keep_earlier: false };
        self.check_clicks(frame, object, &prompt)?;
        Ok(self.to_model_points(&prompt))
    }
}

impl PromptContext {
    /// Whether it is exactly this.
    fn is(&self, candidate: Option<usize>, base: Option<&Arc<Mask>>) -> bool {
        self.candidate == candidate && self.base.as_ref().map(|base| &base.mask) == base
    }
}

impl Draft {
    fn answer(&self, object: ObjectId) -> Result<Answer, Sam2Error> {
        let is_there = self.state.object_score > 0.0;
        let candidates = self.candidates.iter().filter(|_| is_there);
        Ok(Answer {
            mask: self.state.object_mask(object, true)?,
            candidates: candidates.map(|candidate| candidate.object_mask(object, true)).collect::<Result<_, _>>()?,
        })
    }
}
