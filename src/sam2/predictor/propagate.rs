//! Tracking: taking prompted frames up into memory, then frame by frame.

use std::sync::Arc;

use candle_core::Tensor;

use crate::label::{FrameIdx, Mask, ObjectId};

use super::super::error::Sam2Error;
use super::super::model::{FrameFeatures, MemoryAt, PointerAt};
use super::select::{Known, Pick, Rules, select};
use super::track::{FrameState, ObjectTrack, Reach, Visit};
use super::{FrameMasks, FrameSource, Mode, Predictor};

/// What to track.
#[derive(Debug, Clone, Default)]
pub struct PropagationRequest {
    /// Where to start; by default at the first prompted frame of any object (backward: the last).
    pub start: Option<FrameIdx>,
    /// How many frames beyond the start; by default to the end of the clip.
    pub max_frames: Option<u32>,
    /// Towards frame 0.
    pub is_reverse: bool,
    /// Only these objects; by default all.
    pub objects: Option<Vec<ObjectId>>,
}

/// A run of tracking. It holds no frame and no mask, so it may be dropped at any moment; what was tracked stays.
#[derive(Debug)]
pub struct Propagation {
    frames: Vec<u32>,
    next: usize,
    is_reverse: bool,
    objects: Vec<ObjectId>,
}

impl Propagation {
    /// Whether it goes towards frame 0.
    pub fn is_reverse(&self) -> bool {
        self.is_reverse
    }

    /// Frames still to be visited.
    pub fn remaining(&self) -> usize {
        self.frames.len() - self.next
    }
}

impl Predictor {
    /// Takes new prompts up and plans a run (`propagate_in_video_preflight`, and the order of `propagate_in_video`).
    ///
    /// # Errors
    /// When there is nothing to track, a prompted frame cannot be read, or the model fails.
    pub fn start(
        &mut self,
        frames: &mut dyn FrameSource,
        request: &PropagationRequest,
    ) -> Result<Propagation, Sam2Error> {
        self.take_up_prompts(frames)?;
        let chosen = |id: &ObjectId| request.objects.as_ref().is_none_or(|objects| objects.contains(id));
        let objects: Vec<ObjectId> = self.objects().filter(chosen).collect();
        if objects.is_empty() {
            return Err(Sam2Error::NoObjects);
        }
        let prompted = || {
            let of_chosen = self.objects.iter().filter(|track| objects.contains(&track.id));
            of_chosen.flat_map(|track| track.cond_frames())
        };
        let last = self.frame_count - 1;
        let default_start = match self.options.mode {
            // The reference starts at the first prompted frame in both directions.
            Mode::App if request.is_reverse => prompted().max(),
            Mode::App | Mode::Upstream => prompted().min(),
        };
        let start = request.start.map(|f| f.0).or(default_start).ok_or(Sam2Error::NoObjects)?.min(last);
        let span = request.max_frames.unwrap_or(self.frame_count);
        let frames = match (request.is_reverse, start) {
            // The reference has nothing to do backward from frame 0, not even that frame.
            (true, 0) if self.options.mode == Mode::Upstream => Vec::new(),
            (true, _) => (start.saturating_sub(span)..=start).rev().collect(),
            (false, _) => (start..=start.saturating_add(span).min(last)).collect(),
        };
        Ok(Propagation { frames, next: 0, is_reverse: request.is_reverse, objects })
    }

    /// Tracks the next frame that has work and returns its masks; `None` when the run is over. On a damaged frame only
    /// what the user prompted stands; the other objects are named in [`FrameMasks::skipped`].
    ///
    /// # Errors
    /// When a frame cannot be read or the model fails; the frames tracked so far stay, and calling again tries the same
    /// frame again.
    pub fn step(
        &mut self,
        run: &mut Propagation,
        frames: &mut dyn FrameSource,
    ) -> Result<Option<FrameMasks>, Sam2Error> {
        while let Some(&frame) = run.frames.get(run.next) {
            let has_work = |id: &ObjectId| self.has_work(*id, frame, run.is_reverse);
            let objects: Vec<ObjectId> = run.objects.iter().copied().filter(has_work).collect();
            if objects.is_empty() {
                run.next += 1;
                continue;
            }
            let masks = self.track_objects(frames, FrameIdx(frame), objects, run.is_reverse)?;
            run.next += 1;
            self.let_go(&run.objects, frame);
            return Ok(Some(masks));
        }
        Ok(None)
    }

    /// Begins a run over these objects that the caller leads through the frames, by [`Predictor::visit`], after
    /// [`Predictor::take_up`] of their prompts. [`Predictor::start`] does both.
    pub fn begin_run(&mut self, objects: &[ObjectId]) {
        self.correction = None;
        self.objects.iter_mut().filter(|track| objects.contains(&track.id)).for_each(ObjectTrack::begin_run);
    }

    /// Whether the prompt of an object on a frame takes part in tracking from the next [`Predictor::take_up`] on.
    pub fn is_pending(&self, object: ObjectId, frame: FrameIdx) -> bool {
        let is_pending = |track: &ObjectTrack| track.pending(true, frame.0).is_some();
        self.objects.iter().any(|track| track.id == object && is_pending(track))
    }

    /// Takes up the prompt of an object on a frame, given since the last run.
    ///
    /// An object with a new or changed prompt is stale from then on, on all its frames: which of them the prompt reaches
    /// is known only once they are tracked again.
    ///
    /// # Errors
    /// When the frame cannot be read, or the model fails.
    pub fn take_up(
        &mut self,
        frames: &mut dyn FrameSource,
        object: ObjectId,
        frame: FrameIdx,
    ) -> Result<(), Sam2Error> {
        // What is being corrected may attend to this from now on.
        self.correction = None;
        let Some(index) = self.objects.iter().position(|track| track.id == object) else { return Ok(()) };
        let Some(state) = self.objects[index].pending(true, frame.0).cloned() else { return Ok(()) };
        self.take_up_answer(frames, index, (true, frame.0, state))
    }

    /// Whether a frame of an object carries a prompt, or was tracked with every prompt that was taken up.
    pub fn is_current(&self, object: ObjectId, frame: FrameIdx) -> bool {
        let is_current = |track: &ObjectTrack| track.is_current(frame.0) || track.is_prompted(frame.0);
        self.objects.iter().any(|track| track.id == object && is_current(track))
    }

    /// The same, also for a frame whose mask was taken over: frames after it can go on from it.
    pub fn is_known(&self, object: ObjectId, frame: FrameIdx) -> bool {
        let is_known = |track: &ObjectTrack| track.is_known(frame.0) || track.is_prompted(frame.0);
        self.objects.iter().any(|track| track.id == object && is_known(track))
    }

    /// Tracks one frame: those of `objects` that are reached from a prompt in this direction and are not current. Frames
    /// are to be visited in order; `run` names all objects of the run, whose states far from here are let go.
    ///
    /// # Errors
    /// As [`Predictor::step`].
    pub fn visit(
        &mut self,
        frames: &mut dyn FrameSource,
        frame: FrameIdx,
        objects: &[ObjectId],
        run: &[ObjectId],
        is_reverse: bool,
    ) -> Result<FrameMasks, Sam2Error> {
        let has_work = |id: &ObjectId| self.has_work(*id, frame.0, is_reverse);
        let objects: Vec<ObjectId> = objects.iter().copied().filter(has_work).collect();
        if objects.is_empty() {
            return Ok(FrameMasks { frame, objects: Vec::new(), skipped: Vec::new() });
        }
        let masks = self.track_objects(frames, frame, objects, is_reverse)?;
        self.let_go(run, frame.0);
        Ok(masks)
    }

    /// Remembers a mask as what an object was tracked to on a frame, where that is to be visited and not damaged: one from
    /// before the program was started anew, or of another model. Frames are tracked from it as from a tracked one, but for
    /// what a mask does not say: how sure the model was. It is no answer of this model's: a [`Predictor::visit`] tracks the
    /// frame.
    ///
    /// # Errors
    /// When the mask has another size than the clip, the frame cannot be read, or the model fails.
    pub fn take_over(
        &mut self,
        frames: &mut dyn FrameSource,
        frame: FrameIdx,
        object: ObjectId,
        mask: &Arc<Mask>,
        is_reverse: bool,
    ) -> Result<(), Sam2Error> {
        let is_usable = frames.is_usable(frame).map_err(|reason| Sam2Error::Frame { frame, reason })?;
        if !is_usable || !self.has_work(object, frame.0, is_reverse) {
            return Ok(());
        }
        let output = self.take_mask(frames, frame, object, mask)?;
        let features = self.features.get(&self.model, frames, frame)?;
        let memory = self.model.remember(&features, &output.low_res, output.object_score, false)?;
        let mut state = self.settled(FrameState::new(output, Some(mask.clone())), frame, object)?;
        state.memory = Some(memory);
        let track = self.objects.iter_mut().find(|track| track.id == object).expect("an object with work exists");
        track.store_other(frame.0, state, &self.spill)?;
        track.tracked.insert(frame.0, Visit { is_reverse, revision: track.revision, is_taken_over: true });
        Ok(())
    }

    /// Tracks a frame of these objects; on a damaged one only what the user prompted stands.
    fn track_objects(
        &mut self,
        frames: &mut dyn FrameSource,
        frame: FrameIdx,
        mut objects: Vec<ObjectId>,
        is_reverse: bool,
    ) -> Result<FrameMasks, Sam2Error> {
        self.correction = None;
        let mut skipped = Vec::new();
        let is_usable = frames.is_usable(frame).map_err(|reason| Sam2Error::Frame { frame, reason })?;
        if !is_usable {
            let is_prompted = |id: &ObjectId| self.objects.iter().any(|t| t.id == *id && t.is_prompted(frame.0));
            (objects, skipped) = objects.into_iter().partition(is_prompted);
        }
        let mut masks = Vec::with_capacity(objects.len());
        let is_app = self.options.mode == Mode::App;
        for &object in &objects {
            // An answer given while this run was under way is shown at once; the next run takes it up. The frame is
            // tracked all the same: frames after it go by that, and it is what stands when the answer is taken back.
            let answer = self.track_mut(object).pending(true, frame.0).filter(|_| is_app).cloned();
            let shown = match answer {
                Some(answer) if !is_usable => Arc::new(answer),
                answer => {
                    let tracked = self.track_frame(frames, object, frame, is_reverse)?;
                    self.track_mut(object).visited(frame.0, is_reverse);
                    answer.map_or(tracked, Arc::new)
                }
            };
            masks.push(shown.object_mask(object, self.track_mut(object).is_prompted(frame.0))?);
        }
        Ok(FrameMasks { frame, objects: masks, skipped })
    }

    /// Takes up a tracked frame that an earlier run left in the spill folder; false when it left none that can be read,
    /// and the frame is to be tracked anew.
    pub fn resume_frame(&mut self, frame: FrameIdx, object: ObjectId, is_reverse: bool) -> bool {
        let Some(track) = self.objects.iter_mut().find(|track| track.id == object) else { return false };
        if track.is_cond(frame.0) {
            return true;
        }
        let is_there = self.spill.read(object, frame.0, self.model.device()).is_ok();
        if is_there {
            track.adopt(frame.0, is_reverse);
        }
        is_there
    }

    /// Whether a frame of an object must be visited.
    fn has_work(&self, object: ObjectId, frame: u32, is_reverse: bool) -> bool {
        let Some(track) = self.objects.iter().find(|track| track.id == object) else { return false };
        match self.options.mode {
            Mode::Upstream => true,
            Mode::App => {
                let mut cond = track.cond_frames();
                let is_reached = match if is_reverse { cond.next_back() } else { cond.next() } {
                    Some(origin) if is_reverse => frame <= origin,
                    Some(origin) => frame >= origin,
                    None => false,
                };
                is_reached && !track.is_current(frame)
            }
        }
    }

    /// Makes memories of prompted frames and files their states.
    fn take_up_prompts(&mut self, frames: &mut dyn FrameSource) -> Result<(), Sam2Error> {
        if self.objects.is_empty() {
            return Err(Sam2Error::NoObjects);
        }
        self.correction = None;
        for index in 0..self.objects.len() {
            self.objects[index].begin_run();
            while let Some(pending) = self.objects[index].next_pending() {
                self.take_up_answer(frames, index, pending)?;
            }
            let track = &self.objects[index];
            if track.cond_frames().next().is_none() && self.options.mode == Mode::Upstream {
                return Err(Sam2Error::NoPrompt { object: track.id });
            }
        }
        Ok(())
    }

    /// Makes the memory of an answer and files it. An answer leaves the list only when it is stored: after an error the
    /// next attempt finds it again.
    fn take_up_answer(
        &mut self,
        frames: &mut dyn FrameSource,
        index: usize,
        (conditions, frame, mut state): (bool, u32, FrameState),
    ) -> Result<(), Sam2Error> {
        let features = self.features.get(&self.model, frames, FrameIdx(frame))?;
        state.memory = Some(self.model.remember(&features, &state.low_res, state.object_score, true)?);
        let track = &mut self.objects[index];
        if conditions {
            track.store_cond(frame, state, &self.spill)?;
        } else {
            // On a frame that conditions already, the reference drops this answer again; so do we.
            track.store_other(frame, state, &self.spill)?;
        }
        track.taken_up(conditions, frame);
        Ok(())
    }

    /// The state of a frame: as it stands where it conditions, tracked elsewhere.
    fn track_frame(
        &mut self,
        frames: &mut dyn FrameSource,
        object: ObjectId,
        frame: FrameIdx,
        is_reverse: bool,
    ) -> Result<Arc<FrameState>, Sam2Error> {
        let model = self.model.clone();
        let spill = &self.spill;
        let track = self.objects.iter_mut().find(|track| track.id == object).expect("the run's objects exist");
        if let Some(state) = track.cond(frame.0, spill, model.device())? {
            return Ok(state);
        }
        let features = self.features.get(&model, frames, frame)?;
        let conditioned = self.conditioned(frames, object, (frame, is_reverse), None, &features)?;
        let output = model.predict(&features, &conditioned, &[], None, true)?;
        // The memory is made of the mask as predicted, before holes are filled.
        let memory = model.remember(&features, &output.low_res, output.object_score, false)?;
        let mut state = FrameState::new(output, None);
        state.memory = Some(memory);
        state.check(object, frame)?;
        self.settle(&mut state)?;
        let spill = &self.spill;
        let track = self.objects.iter_mut().find(|track| track.id == object).expect("the run's objects exist");
        track.store_other(frame.0, state.clone(), spill)?;
        Ok(Arc::new(state))
    }

    /// A frame's features with the object's memories mixed in, except that of the conditioning frame `without`; `at` says
    /// the frame and whether it is tracked backward.
    pub(super) fn conditioned(
        &mut self,
        frames: &mut dyn FrameSource,
        object: ObjectId,
        at: (FrameIdx, bool),
        without: Option<FrameIdx>,
        features: &FrameFeatures,
    ) -> Result<Tensor, Sam2Error> {
        let (frame, is_reverse) = at;
        let config = self.model.config();
        let rules = Rules {
            num_maskmem: config.memory.num_maskmem,
            max_pointers: config.memory.max_obj_ptrs_in_encoder,
            max_cond: self.options.max_conditioning_frames,
            frame_count: self.frame_count,
        };
        let index = self.objects.iter().position(|t| t.id == object).expect("the caller's object exists");
        let selection = {
            let track = &self.objects[index];
            let cond: Vec<u32> = track.cond_frames().filter(|t| Some(FrameIdx(*t)) != without).collect();
            let is_remembered = |t: u32| track.is_remembered(t);
            select(frame.0, is_reverse, &Known { cond: &cond, is_remembered: &is_remembered }, &rules)
        };
        let memories = selection
            .memories
            .iter()
            .map(|pick| Ok((self.memory_of(frames, index, pick)?, pick.time)))
            .collect::<Result<Vec<_>, Sam2Error>>()?;
        let pointers = selection
            .pointers
            .iter()
            .map(|pick| Ok((self.state_of(index, pick)?.pointer.clone(), pick.time)))
            .collect::<Result<Vec<_>, Sam2Error>>()?;
        if memories.is_empty() {
            return Err(Sam2Error::NoPrompt { object });
        }
        let memories: Vec<MemoryAt> =
            memories.iter().map(|(memory, time)| MemoryAt { memory, time: *time as usize }).collect();
        let pointers: Vec<PointerAt> =
            pointers.iter().map(|(pointer, distance)| PointerAt { pointer, distance: *distance }).collect();
        Ok(self.model.with_memory(features, &memories, &pointers, selection.max_pointers)?)
    }

    fn state_of(&mut self, index: usize, pick: &Pick) -> Result<Arc<FrameState>, Sam2Error> {
        let track = &mut self.objects[index];
        let state = if pick.is_cond {
            track.cond(pick.frame, &self.spill, self.model.device())?
        } else {
            track.other(pick.frame, &self.spill, self.model.device())?
        };
        Ok(state.expect("selection names frames that are kept"))
    }

    /// The memory of a kept frame. Where it was let go it is made anew from the frame and the stored logits, which is
    /// close to what it was, not the same: holes are filled and logits rounded by then.
    fn memory_of(&mut self, frames: &mut dyn FrameSource, index: usize, pick: &Pick) -> Result<Tensor, Sam2Error> {
        let state = self.state_of(index, pick)?;
        if let Some(memory) = &state.memory {
            return Ok(memory.clone());
        }
        let features = self.features.get(&self.model, frames, FrameIdx(pick.frame))?;
        let memory = self.model.remember(&features, &state.low_res, state.object_score, pick.is_cond)?;
        let restored = FrameState { memory: Some(memory.clone()), ..FrameState::clone(&state) };
        self.objects[index].restore(pick.frame, pick.is_cond, restored);
        Ok(memory)
    }

    /// Lets go of states that the frames to come do not attend to. Objects that are not in the run keep theirs: their
    /// own run goes on elsewhere.
    fn let_go(&mut self, objects: &[ObjectId], frame: u32) {
        if self.options.mode == Mode::Upstream {
            return;
        }
        let memory = &self.model.config().memory;
        let reach = Reach {
            memories: memory.num_maskmem as u32,
            pointers: memory.num_maskmem.max(memory.max_obj_ptrs_in_encoder) as u32,
            conditioning: self.options.max_conditioning_frames,
        };
        for track in self.objects.iter_mut().filter(|track| objects.contains(&track.id)) {
            track.evict(frame, reach, &self.spill);
        }
    }
}
