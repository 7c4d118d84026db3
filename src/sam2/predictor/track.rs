//! One object's prompts, states and progress, kept by the predictor. It does not run the model.

use std::collections::BTreeMap;
use std::sync::Arc;

use candle_core::{Device, Tensor};

use crate::label::{FrameIdx, Mask, ObjectId};

use super::super::error::Sam2Error;
use super::super::mask_decoder::stability;
use super::super::masks::LowResLogits;
use super::super::model::HeadsOutput;
use super::super::prompt_encoder::PromptPoint;
use super::spill::Spill;
use super::{Mode, ObjectMask};

/// Offset of the two thresholds that measure stability, in logits (SAM's own value).
const STABILITY_OFFSET: f32 = 1.0;

/// What an object's frame left behind.
#[derive(Debug, Clone)]
pub struct FrameState {
    /// The mask's logits, `[low-res side, low-res side]`.
    pub low_res: Tensor,
    /// `[1, d_model]`.
    pub pointer: Tensor,
    /// Above 0 when the object is in the frame.
    pub object_score: f32,
    /// The model's guess of the mask's IoU.
    pub predicted_iou: f32,
    /// `[feature rows, memory channels]` as [`Sam2::remember`] gives it; not there before the frame takes part in tracking.
    pub memory: Option<Tensor>,
    /// A mask the user supplied.
    pub supplied: Option<Arc<Mask>>,
}

impl FrameState {
    /// From the mask heads; no memory yet.
    pub fn new(output: HeadsOutput, supplied: Option<Arc<Mask>>) -> Self {
        FrameState {
            low_res: output.low_res,
            pointer: output.pointer,
            object_score: output.object_score,
            predicted_iou: output.predicted_iou,
            memory: None,
            supplied,
        }
    }

    /// Checks that it holds numbers.
    pub fn check(&self, object: ObjectId, frame: FrameIdx) -> Result<(), Sam2Error> {
        let sum = self.low_res.sum_all()?.to_scalar::<f32>()? + self.pointer.sum_all()?.to_scalar::<f32>()?;
        if sum.is_finite() && self.object_score.is_finite() {
            return Ok(());
        }
        Err(Sam2Error::NotANumber { object, frame })
    }

    /// What the caller sees of it.
    pub fn object_mask(&self, object: ObjectId, is_prompted: bool) -> Result<ObjectMask, Sam2Error> {
        let side = self.low_res.dim(0)?;
        let values: Vec<f32> = self.low_res.flatten_all()?.to_vec1()?;
        Ok(ObjectMask {
            object,
            is_prompted,
            object_score: self.object_score,
            predicted_iou: self.predicted_iou,
            stability: stability(&self.low_res, STABILITY_OFFSET)?,
            logits: LowResLogits { side, values: values.into() },
            supplied: self.supplied.clone(),
            pointer: self.pointer.flatten_all()?.to_vec1()?,
        })
    }
}

/// A state that may have gone to the spill folder.
type Slot = Option<Arc<FrameState>>;

/// How far a frame attends.
#[derive(Debug, Clone, Copy)]
pub struct Reach {
    /// Frames to the farthest memory.
    pub memories: u32,
    /// Frames to the farthest pointer.
    pub pointers: u32,
    /// How many of the nearest conditioning frames; `None` is all.
    pub conditioning: Option<usize>,
}

/// How a frame was tracked.
#[derive(Debug, Clone, Copy)]
pub struct Visit {
    /// Backward.
    pub is_reverse: bool,
    /// The object's revision at the time.
    pub revision: u32,
    /// It was not: its mask was taken over, for frames after it to go on from.
    pub is_taken_over: bool,
}

/// What a frame's clicks were answered with beside themselves.
#[derive(Debug, Clone)]
pub struct PromptContext {
    /// Which candidate of the first click was chosen.
    pub candidate: Option<usize>,
    /// What they correct; `None` when they start from the picture alone.
    pub base: Option<Base>,
}

/// The mask that clicks correct.
#[derive(Debug, Clone)]
pub struct Base {
    /// As the caller gave it.
    pub mask: Arc<Mask>,
    /// Its logits, `[low-res side, low-res side]`: those it was tracked to, or made from it. `None` for an empty mask that
    /// was not tracked: it says nothing of where the object is.
    pub low_res: Option<Tensor>,
    /// Whether it was, or would have been, tracked backward.
    pub is_reverse: bool,
}

/// An object's states and progress. Frames are plain numbers in here: the rules do arithmetic on them.
pub struct ObjectTrack {
    /// The object.
    pub id: ObjectId,
    /// Points given so far per frame, in pixels of the model's input; later clicks are added to them.
    pub points: BTreeMap<u32, Vec<PromptPoint>>,
    /// Of frames answered by [`Predictor::answer`](super::Predictor::answer).
    pub contexts: BTreeMap<u32, PromptContext>,
    /// Answers to prompts that take part in tracking from the next run on, in the order they were first given.
    pub pending_cond: Vec<(u32, FrameState)>,
    /// The same for corrections that the reference does not let condition.
    pub pending_other: Vec<(u32, FrameState)>,
    cond: BTreeMap<u32, Slot>,
    other: BTreeMap<u32, Slot>,
    /// Frames tracked since the last reset.
    pub tracked: BTreeMap<u32, Visit>,
    /// Counts changes of prompts taken up: frames tracked at an older revision are stale.
    pub revision: u32,
    /// Prompts were taken back since the last run began. A run that is under way goes on without what it remembered.
    is_cut_off: bool,
}

impl ObjectTrack {
    /// Without prompts.
    pub fn new(id: ObjectId) -> Self {
        ObjectTrack {
            id,
            points: BTreeMap::new(),
            contexts: BTreeMap::new(),
            pending_cond: Vec::new(),
            pending_other: Vec::new(),
            cond: BTreeMap::new(),
            other: BTreeMap::new(),
            tracked: BTreeMap::new(),
            revision: 0,
            is_cut_off: false,
        }
    }

    /// Frames that condition, in order.
    pub fn cond_frames(&self) -> impl DoubleEndedIterator<Item = u32> + '_ {
        self.cond.keys().copied()
    }

    /// Whether a frame conditions.
    pub fn is_cond(&self, frame: u32) -> bool {
        self.cond.contains_key(&frame)
    }

    /// Whether a frame carries a prompt, taken up in tracking or not.
    pub fn is_prompted(&self, frame: u32) -> bool {
        let holds = |pending: &[(u32, FrameState)]| pending.iter().any(|(f, _)| *f == frame);
        self.is_cond(frame) || holds(&self.pending_cond) || holds(&self.pending_other)
    }

    /// Frames that carry a prompt.
    pub fn prompted(&self) -> impl Iterator<Item = u32> + '_ {
        let pending = self.pending_cond.iter().chain(&self.pending_other);
        self.cond_frames().chain(pending.map(|(frame, _)| *frame))
    }

    /// Whether a frame was tracked with everything said that was taken up.
    pub fn is_current(&self, frame: u32) -> bool {
        self.is_known(frame) && self.tracked.get(&frame).is_some_and(|visit| !visit.is_taken_over)
    }

    /// The same, also for a frame whose mask was taken over.
    pub fn is_known(&self, frame: u32) -> bool {
        self.tracked.get(&frame).is_some_and(|visit| visit.revision == self.revision)
    }

    /// Files a frame as tracked. Where a mask was taken over before, the frames that were tracked from that are stale now.
    pub fn visited(&mut self, frame: u32, is_reverse: bool) {
        let visit = Visit { is_reverse, revision: self.revision, is_taken_over: false };
        if !self.tracked.insert(frame, visit).is_some_and(|before| before.is_taken_over) {
            return;
        }
        let is_behind = |other: u32| if is_reverse { other < frame } else { other > frame };
        let from_it =
            self.tracked.iter_mut().filter(|(other, visit)| is_behind(**other) && visit.is_reverse == is_reverse);
        for (_, visit) in from_it.filter(|(_, visit)| !visit.is_taken_over) {
            // Older than the first prompt.
            visit.revision = 0;
        }
    }

    /// Whether a frame is remembered without conditioning.
    pub fn is_remembered(&self, frame: u32) -> bool {
        self.other.contains_key(&frame)
    }

    /// Puts an answer where the next run finds it, in place of an earlier one for the same frame.
    pub fn set_pending(&mut self, conditions: bool, frame: u32, state: FrameState) {
        let pending = if conditions { &mut self.pending_cond } else { &mut self.pending_other };
        match pending.iter_mut().find(|(f, _)| *f == frame) {
            Some((_, old)) => *old = state,
            None => pending.push((frame, state)),
        }
    }

    /// Takes an answer back that was not taken up, in favour of the conditioning one before it.
    pub fn drop_pending(&mut self, frame: u32) {
        self.pending_cond.retain(|(f, _)| *f != frame);
    }

    /// The next answer to take up, conditioning ones last.
    pub fn next_pending(&self) -> Option<(bool, u32, FrameState)> {
        let next = |conditions: bool, pending: &[(u32, FrameState)]| {
            pending.first().map(|(frame, state)| (conditions, *frame, state.clone()))
        };
        next(false, &self.pending_other).or_else(|| next(true, &self.pending_cond))
    }

    /// A run begins: what an earlier one tracked after prompts were taken back is stale.
    pub fn begin_run(&mut self) {
        if std::mem::take(&mut self.is_cut_off) {
            self.revision += 1;
        }
    }

    /// Removes an answer that was taken up. Frames tracked without it are stale from now on.
    pub fn taken_up(&mut self, conditions: bool, frame: u32) {
        let pending = if conditions { &mut self.pending_cond } else { &mut self.pending_other };
        pending.retain(|(f, _)| *f != frame);
        self.revision += 1;
    }

    /// A pending answer.
    pub fn pending(&self, conditions: bool, frame: u32) -> Option<&FrameState> {
        let pending = if conditions { &self.pending_cond } else { &self.pending_other };
        pending.iter().find(|(f, _)| *f == frame).map(|(_, state)| state)
    }

    /// Stores a conditioning frame's state; whatever was remembered there otherwise goes.
    pub fn store_cond(&mut self, frame: u32, state: FrameState, spill: &Spill) -> Result<(), Sam2Error> {
        spill.write(self.id, frame, &state)?;
        self.other.remove(&frame);
        self.cond.insert(frame, Some(Arc::new(state)));
        Ok(())
    }

    /// Stores a tracked frame's state, unless the frame conditions: then that state stands.
    pub fn store_other(&mut self, frame: u32, state: FrameState, spill: &Spill) -> Result<(), Sam2Error> {
        if self.is_cond(frame) {
            return Ok(());
        }
        spill.write(self.id, frame, &state)?;
        self.other.insert(frame, Some(Arc::new(state)));
        Ok(())
    }

    /// Takes up a tracked frame whose state an earlier run left in the spill folder.
    pub fn adopt(&mut self, frame: u32, is_reverse: bool) {
        self.other.insert(frame, None);
        self.visited(frame, is_reverse);
    }

    /// The state of a conditioning frame.
    pub fn cond(&mut self, frame: u32, spill: &Spill, device: &Device) -> Result<Slot, Sam2Error> {
        load(&mut self.cond, self.id, frame, spill, device)
    }

    /// The state of a remembered frame that does not condition.
    pub fn other(&mut self, frame: u32, spill: &Spill, device: &Device) -> Result<Slot, Sam2Error> {
        load(&mut self.other, self.id, frame, spill, device)
    }

    /// The newest answer for a frame: pending, conditioning, tracked. A state that is read back for this is not kept:
    /// looking at masks costs no memory.
    pub fn latest(&self, frame: u32, spill: &Spill, device: &Device) -> Result<Slot, Sam2Error> {
        let pending = self.pending(true, frame).or_else(|| self.pending(false, frame));
        if let Some(state) = pending {
            return Ok(Some(Arc::new(state.clone())));
        }
        match self.cond.get(&frame).or_else(|| self.other.get(&frame)) {
            Some(Some(state)) => Ok(Some(state.clone())),
            Some(None) => Ok(Some(Arc::new(spill.read(self.id, frame, device)?))),
            None => Ok(None),
        }
    }

    /// Forgets the prompt on a frame.
    pub fn clear(&mut self, frame: u32, mode: Mode, spill: &Spill) {
        self.points.remove(&frame);
        self.contexts.remove(&frame);
        self.pending_cond.retain(|(f, _)| *f != frame);
        self.pending_other.retain(|(f, _)| *f != frame);
        let Some(slot) = self.cond.remove(&frame) else { return };
        self.revision += 1;
        match mode {
            // The frame's mask stays as that of a tracked frame, which may be tracked anew.
            Mode::Upstream => {
                self.other.insert(frame, slot);
                self.tracked.remove(&frame);
            }
            // What was tracked from a prompt that is gone must not lead later frames, so it goes as well.
            Mode::App => {
                spill.remove_state(self.id, frame);
                for other in std::mem::take(&mut self.other).into_keys() {
                    spill.remove_state(self.id, other);
                }
                self.tracked.clear();
                self.is_cut_off = true;
            }
        }
    }

    /// Removes everything the spill folder keeps of it.
    pub fn forget(self, spill: &Spill) {
        for frame in self.cond.into_keys().chain(self.other.into_keys()) {
            spill.remove_state(self.id, frame);
        }
    }

    /// Puts a state back whose memory was made anew.
    pub fn restore(&mut self, frame: u32, is_cond: bool, state: FrameState) {
        let slots = if is_cond { &mut self.cond } else { &mut self.other };
        slots.insert(frame, Some(Arc::new(state)));
    }

    /// Lets go of what frames near `frame` do not attend to; states stay in the spill folder. Tracked ones stay there
    /// without their memory, except near conditioning frames, where a run in the other direction may begin.
    pub fn evict(&mut self, frame: u32, reach: Reach, spill: &Spill) {
        for (other, slot) in &mut self.other {
            let distance = other.abs_diff(frame);
            let nearby = other.saturating_sub(reach.memories)..=other.saturating_add(reach.memories);
            if distance > reach.memories
                && let Some(state) = slot
                && state.memory.is_some()
                && self.cond.range(nearby).next().is_none()
            {
                spill.drop_memory(self.id, *other);
                *slot = Some(Arc::new(FrameState { memory: None, ..FrameState::clone(state) }));
            }
            if distance > reach.pointers {
                *slot = None;
            }
        }
        let (keep_cond, window) = (reach.conditioning, reach.pointers);
        let Some(keep) = keep_cond else { return };
        let mut distances: Vec<u32> = self.cond.keys().map(|f| f.abs_diff(frame)).collect();
        distances.sort_unstable();
        if let Some(&furthest) = distances.get(keep) {
            for (cond, slot) in &mut self.cond {
                if cond.abs_diff(frame) > furthest.max(window) {
                    *slot = None;
                }
            }
        }
    }
}

fn load(
    slots: &mut BTreeMap<u32, Slot>,
    object: ObjectId,
    frame: u32,
    spill: &Spill,
    device: &Device,
) -> Result<Slot, Sam2Error> {
    let Some(slot) = slots.get_mut(&frame) else { return Ok(None) };
    if slot.is_none() {
        *slot = Some(Arc::new(spill.read(object, frame, device)?));
    }
    Ok(slot.clone())
}
