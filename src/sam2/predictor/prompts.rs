//! Answers to prompts: clicks, boxes and masks on one frame of one object.

use std::sync::Arc;

use crate::label::{BoxPrompt, FrameIdx, Mask, ObjectId, Point, PointLabel};

use super::super::error::Sam2Error;
use super::super::masks::{fill_holes, mask_at_input_size};
use super::super::model::HeadsOutput;
use super::super::prompt_encoder::{PointKind, PromptPoint};
use super::spill::{LOGIT_LIMIT, spilled_logits};
use super::track::FrameState;
use super::{FrameMasks, FrameSource, Mode, Predictor};

/// Most clicks a prompt may have at which three masks are weighed against each other instead of one being made.
const AMBIGUOUS_POINTS: usize = 1;

/// Clicks and a box.
#[derive(Debug, Clone, Copy)]
pub struct ClickPrompt<'a> {
    /// In pixels of the clip.
    pub points: &'a [Point],
    /// A box; it starts the prompt anew.
    pub bounds: Option<BoxPrompt>,
    /// Whether these clicks are added to those the frame already has.
    pub keep_earlier: bool,
}

impl Predictor {
    /// Adds clicks or a box and returns the frame's masks (`add_new_points_or_box` of `sam2_video_predictor.py`). A frame that was tracked before is corrected from what it
    /// has; others start from the picture alone.
    ///
    /// # Errors
    /// When the prompt is empty or the frame does not exist, the frame cannot be read, or the model fails.
    pub fn add_clicks(
        &mut self,
        frames: &mut dyn FrameSource,
        frame: FrameIdx,
        object: ObjectId,
        prompt: ClickPrompt,
    ) -> Result<FrameMasks, Sam2Error> {
        self.check_clicks(frame, object, &prompt)?;
        let earlier = self.objects.iter().find(|t| t.id == object).and_then(|t| t.points.get(&frame.0));
        let mut points = earlier.filter(|_| prompt.keep_earlier).cloned().unwrap_or_default();
        points.extend(self.to_model_points(&prompt));
        let output = self.answer_points(frames, frame, object, &points)?;
        self.keep_answer(frame, object, FrameState::new(output, None))?;
        self.track_mut(object).points.insert(frame.0, points);
        self.masks(frame)
    }

    /// Whether clicks can be answered at all.
    pub(super) fn check_clicks(
        &self,
        frame: FrameIdx,
        object: ObjectId,
        prompt: &ClickPrompt,
    ) -> Result<(), Sam2Error> {
        let wrong = |reason: &str| Sam2Error::Prompt { object, frame, reason: reason.to_owned() };
        if prompt.points.is_empty() && prompt.bounds.is_none() {
            return Err(wrong("the prompt has neither a click nor a box"));
        }
        if prompt.bounds.is_some() && prompt.keep_earlier {
            return Err(wrong("a box starts a prompt anew, it cannot be added to earlier clicks"));
        }
        let corners = prompt.bounds.map(|b| [b.x0, b.y0, b.x1, b.y1]);
        let numbers = prompt.points.iter().flat_map(|p| [p.x, p.y]).chain(corners.into_iter().flatten());
        if !numbers.into_iter().all(f32::is_finite) {
            return Err(wrong("a coordinate is not a number"));
        }
        self.check_frame(frame, object)
    }

    /// Takes a mask as the object's mask on a frame and returns the frame's masks (`add_new_mask`).
    ///
    /// # Errors
    /// When the mask has another size than the clip or the frame does not exist, the frame cannot be read, or the
    /// model fails.
    pub fn add_mask(
        &mut self,
        frames: &mut dyn FrameSource,
        frame: FrameIdx,
        object: ObjectId,
        mask: &Mask,
    ) -> Result<FrameMasks, Sam2Error> {
        let output = self.take_mask(frames, frame, object, mask)?;
        self.keep_answer(frame, object, FrameState::new(output, Some(Arc::new(mask.clone()))))?;
        self.track_mut(object).points.remove(&frame.0);
        self.masks(frame)
    }

    /// The heads' answer to a mask.
    pub(super) fn take_mask(
        &mut self,
        frames: &mut dyn FrameSource,
        frame: FrameIdx,
        object: ObjectId,
        mask: &Mask,
    ) -> Result<HeadsOutput, Sam2Error> {
        self.check_size(frame, object, mask)?;
        self.check_frame(frame, object)?;
        let features = self.features.get(&self.model, frames, frame)?;
        let input = self.mask_at_input_size(mask);
        Ok(self.model.take_mask(&features, &input)?)
    }

    /// A mask at the model's input size. For a labeller no object is too small to be there.
    pub(super) fn mask_at_input_size(&self, mask: &Mask) -> Vec<f32> {
        let keeps_specks = self.options.mode == Mode::App;
        mask_at_input_size(mask, self.model.config().image_size, keeps_specks)
    }

    pub(super) fn check_size(&self, frame: FrameIdx, object: ObjectId, mask: &Mask) -> Result<(), Sam2Error> {
        if mask.size() == self.size {
            return Ok(());
        }
        let reason = format!("the mask is {}, the clip {}", mask.size(), self.size);
        Err(Sam2Error::Prompt { object, frame, reason })
    }

    fn check_frame(&self, frame: FrameIdx, object: ObjectId) -> Result<(), Sam2Error> {
        if frame.0 < self.frame_count {
            return Ok(());
        }
        let reason = format!("the clip ends with frame {}", self.frame_count.saturating_sub(1));
        Err(Sam2Error::Prompt { object, frame, reason })
    }

    /// Pixels of the clip to pixels of the model's input; a box becomes two points before the clicks.
    pub(super) fn to_model_points(&self, prompt: &ClickPrompt) -> Vec<PromptPoint> {
        let side = self.model.config().image_size as f32;
        let (width, height) = (self.size.width as f32, self.size.height as f32);
        let at = |x: f32, y: f32, kind: PointKind| PromptPoint { x: x / width * side, y: y / height * side, kind };
        let corners =
            prompt.bounds.map(|b| [at(b.x0, b.y0, PointKind::TopLeft), at(b.x1, b.y1, PointKind::BottomRight)]);
        let clicks = prompt.points.iter().map(|p| {
            let kind = match p.label {
                PointLabel::Positive => PointKind::Positive,
                PointLabel::Negative => PointKind::Negative,
            };
            at(p.x, p.y, kind)
        });
        corners.into_iter().flatten().chain(clicks).collect()
    }

    fn answer_points(
        &mut self,
        frames: &mut dyn FrameSource,
        frame: FrameIdx,
        object: ObjectId,
        points: &[PromptPoint],
    ) -> Result<HeadsOutput, Sam2Error> {
        let features = self.features.get(&self.model, frames, frame)?;
        let model = self.model.clone();
        let conditions = self.conditions(frame, object);
        let mut tracked = None;
        // Refinement starts from the newest answer this prompt can see; a new object has none.
        let mut previous = None;
        if let Some(track) = self.objects.iter_mut().find(|t| t.id == object) {
            let (spill, device) = (&self.spill, model.device());
            tracked = track.tracked.get(&frame.0).copied();
            previous = match track.pending(conditions, frame.0) {
                Some(state) => Some(state.low_res.clone()),
                None => match track.cond(frame.0, spill, device)? {
                    Some(state) => Some(state.low_res.clone()),
                    None => track.other(frame.0, spill, device)?.map(|state| state.low_res.clone()),
                },
            };
        }
        let previous = previous.map(|logits| logits.clamp(-LOGIT_LIMIT, LOGIT_LIMIT)).transpose()?;
        let conditioned = match tracked {
            None => model.without_memory(&features)?,
            Some(tracked) => self.conditioned(frames, object, (frame, tracked.is_reverse), None, &features)?,
        };
        let multimask = points.len() <= AMBIGUOUS_POINTS;
        Ok(model.predict(&features, &conditioned, points, previous.as_ref(), multimask)?)
    }

    /// Whether a prompt on this frame makes it a conditioning frame.
    fn conditions(&self, frame: FrameIdx, object: ObjectId) -> bool {
        let is_tracked = self.objects.iter().any(|t| t.id == object && t.tracked.contains_key(&frame.0));
        !is_tracked || self.options.corrections_condition || self.options.mode == Mode::App
    }

    fn keep_answer(&mut self, frame: FrameIdx, object: ObjectId, state: FrameState) -> Result<(), Sam2Error> {
        let conditions = self.conditions(frame, object);
        let state = self.settled(state, frame, object)?;
        self.track_mut(object).set_pending(conditions, frame.0, state);
        Ok(())
    }

    /// A fresh state, checked to hold numbers, with its final logits.
    pub(super) fn settled(
        &self,
        mut state: FrameState,
        frame: FrameIdx,
        object: ObjectId,
    ) -> Result<FrameState, Sam2Error> {
        state.check(object, frame)?;
        self.settle(&mut state)?;
        Ok(state)
    }

    /// Gives a fresh state its final logits: small holes filled, and, in the labeller's mode, rounded as the spill
    /// folder rounds them, so that a mask is the same whether its state stayed in memory or came back from disk.
    pub(super) fn settle(&self, state: &mut FrameState) -> Result<(), Sam2Error> {
        if self.options.fill_hole_area > 0 {
            let side = state.low_res.dim(0)?;
            let mut logits: Vec<f32> = state.low_res.flatten_all()?.to_vec1()?;
            fill_holes(&mut logits, side, self.options.fill_hole_area);
            state.low_res = candle_core::Tensor::from_vec(logits, (side, side), state.low_res.device())?;
        }
        if self.options.mode == Mode::App {
            state.low_res = spilled_logits(&state.low_res)?.to_dtype(candle_core::DType::F32)?;
        }
        Ok(())
    }
}
