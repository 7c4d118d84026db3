//! SAM 2.1 as the engine's segmenter: turns the app's requests into calls of the predictor.
//!
//! **What a changed prompt re-runs.** The predictor counts an object's changes of prompts; every frame tracked at an
//! older count is stale. So after a new, changed or removed prompt the whole object is tracked again, from its first
//! prompt on (backward: from its last), as far as the run's range goes and the app lacks masks; prompted frames keep
//! exactly their masks, and other objects are not touched. A prompt that is said, taken back and said again before the
//! next run changes nothing. Removing a frame's prompts also drops what was tracked, since it may have come from them.
//! A prompt given before a run's frames begin is taken up with the others. One given later is shown when the run gets to
//! its frame; other frames feel it in the next run.
//!
//! **What it does not remember.** A predictor that is new, because the program was started anew or another model loaded,
//! takes over the masks that come with the request. Where its own answer is the same, it goes on from that, as if it had
//! never been gone. Held frames just before a run's range lead in to it (see `plan.rs`).

use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::Arc;

use crate::label::{FrameIdx, ObjectId, Prompt};
use crate::sam2::checkpoint::{Checkpoint, CheckpointSource};
use crate::sam2::predictor::{FrameMasks, ObjectMask, Predictor, PredictorOptions, WholePrompt};
use crate::sam2::{Sam2, Sam2Error};

use super::device::open_device;
use super::frames::ClipFrames;
use super::memory::keep_freed;
use super::plan::{Plan, PlannedFrame};
use super::protocol::{
    DeviceChoice, EngineError, FramePrompt, LedBy, ModelInfo, ObjectResult, PromptRequest, TrackRequest,
};
use super::segmenter::{Answered, Preparation, Segmenter, StepDone};
use super::state_folder::StateFolder;

/// Frames assumed to fit in the feature cache before the first one says how large they are.
const CAPACITY_UNKNOWN: usize = 1;

/// A loaded model, and the predictor of the open clip.
pub struct Sam2Segmenter {
    model: Arc<Sam2>,
    info: ModelInfo,
    /// Made with the first request about a clip.
    predictor: Option<Predictor>,
    /// Where folders of states are made; `None` is the system's place for temporary ones.
    states_in: Option<PathBuf>,
    /// The predictor's own.
    states: Option<StateFolder>,
    plan: Plan,
    /// The run that is being prepared, and the prompts still to be gone through: frame, and place of the object in it.
    preparing: Option<(TrackRequest, VecDeque<(FrameIdx, usize)>)>,
}

impl Sam2Segmenter {
    /// Loads a checkpoint.
    ///
    /// # Errors
    /// When the device cannot be used or the file is no model we know.
    pub fn load(source: &CheckpointSource, device: DeviceChoice, resolution: Option<u32>) -> Result<Self, EngineError> {
        keep_freed();
        let device = open_device(device).map_err(cannot_load)?;
        let checkpoint = Checkpoint::of(source).map_err(|e| cannot_load(e.into()))?;
        let model = Sam2::from_checkpoint(&checkpoint, &device.load_options(resolution), &device.device)
            .map_err(cannot_load)?;
        let info = ModelInfo {
            name: short_name(&model.config().name, source),
            device: device.words(),
            resolution: u32::try_from(model.config().image_size).ok(),
            has_candidates: true,
        };
        Ok(Sam2Segmenter {
            model: Arc::new(model),
            info,
            predictor: None,
            states_in: None,
            states: None,
            plan: Plan::default(),
            preparing: None,
        })
    }

    /// What is not kept in memory goes to a folder of its own in this one, which a crash does not leave behind for good.
    pub fn with_states_in(self, folder: Option<PathBuf>) -> Self {
        Sam2Segmenter { states_in: folder, ..self }
    }

    fn predictor(&mut self, frames: &ClipFrames) -> Result<&mut Predictor, EngineError> {
        let predictor = match self.predictor.take() {
            Some(predictor) => predictor,
            None => {
                // Where that folder cannot be used, the system's temporary one serves as well.
                self.states = self.states_in.as_deref().and_then(|folder| StateFolder::make(folder).ok());
                let spill_folder = self.states.as_ref().map(|states| states.path().to_owned());
                let options = PredictorOptions { spill_folder, ..PredictorOptions::app() };
                Predictor::new(self.model.clone(), frames.frame_count(), frames.size(), options).map_err(failed)?
            }
        };
        Ok(self.predictor.insert(predictor))
    }

    /// Sees to it that a prompt of the run is answered and remembered.
    fn prepare_prompt(
        &mut self,
        frames: &mut ClipFrames,
        request: &TrackRequest,
        (frame, object): (FrameIdx, usize),
    ) -> Result<Preparation, EngineError> {
        let predictor = self.predictor(frames)?;
        let prompts = &request.objects[object];
        // Taken back since the run was asked for.
        let Some(prompt) = prompts.frames.get(&frame) else { return Ok(Preparation::GoesOn) };
        let (object, whole, mask) = (prompts.object, whole_prompt(prompt), prompts.masks.get(&frame));
        let is_answered = predictor.is_answered(frame, object, &whole, mask.map(|mask| &**mask)).map_err(failed)?;
        if is_answered && !predictor.is_pending(object, frame) {
            return Ok(Preparation::GoesOn);
        }
        if !predictor.is_warm(frame) {
            return Ok(Preparation::Needs(frame));
        }
        if !is_answered {
            match mask {
                Some(mask) => predictor.adopt(frames, frame, object, &whole, mask).map_err(failed)?,
                None => predictor.answer(frames, frame, object, &whole).map(drop).map_err(failed)?,
            }
        }
        predictor.take_up(frames, object, frame).map_err(failed)?;
        Ok(Preparation::GoesOn)
    }
}

impl Segmenter for Sam2Segmenter {
    fn info(&self) -> ModelInfo {
        self.info.clone()
    }

    fn forget_clip(&mut self) {
        self.predictor = None;
        self.states = None;
        self.plan = Plan::default();
        self.preparing = None;
    }

    fn is_encoded(&self, frame: FrameIdx) -> bool {
        self.predictor.as_ref().is_some_and(|predictor| predictor.is_warm(frame))
    }

    fn encoded_capacity(&self) -> usize {
        self.predictor.as_ref().and_then(Predictor::warm_capacity).unwrap_or(CAPACITY_UNKNOWN)
    }

    fn encode(&mut self, frames: &mut ClipFrames, frame: FrameIdx) -> Result<(), EngineError> {
        self.predictor(frames)?.warm(frames, frame).map_err(failed)
    }

    fn answer(&mut self, frames: &mut ClipFrames, request: &PromptRequest) -> Result<Answered, EngineError> {
        let whole = whole_prompt(&request.prompt);
        let predictor = self.predictor(frames)?;
        let answer = predictor.answer(frames, request.frame, request.object, &whole).map_err(failed)?;
        let answered = Answered {
            result: results(predictor, request.frame, vec![answer.mask]).remove(0),
            candidates: results(predictor, request.frame, answer.candidates),
        };
        if let Some((run, prompts)) = &mut self.preparing {
            run.amend(request.object, request.frame, Some(&request.prompt));
            // Taken up like those the run was asked for with: the plan counts on it.
            let place = run.objects.iter().position(|prompts| prompts.object == request.object);
            prompts.extend(place.map(|place| (request.frame, place)));
        }
        Ok(answered)
    }

    fn preview(&mut self, frames: &mut ClipFrames, request: &PromptRequest) -> Result<ObjectResult, EngineError> {
        let predictor = self.predictor(frames)?;
        let considered = predictor.consider(frames, request.frame, request.object, &whole_prompt(&request.prompt));
        Ok(results(predictor, request.frame, vec![considered.map_err(failed)?]).remove(0))
    }

    fn clear_prompt(&mut self, object: ObjectId, frame: FrameIdx) {
        if let Some(predictor) = &mut self.predictor {
            predictor.clear_prompts(frame, object);
        }
        if let Some((run, _)) = &mut self.preparing {
            run.amend(object, frame, None);
        }
    }

    fn forget(&mut self, object: ObjectId) {
        if let Some(predictor) = &mut self.predictor {
            predictor.remove_object(object);
        }
        if let Some((run, _)) = &mut self.preparing {
            let of_object = run.objects.iter_mut().filter(|prompts| prompts.object == object);
            of_object.for_each(|prompts| prompts.frames.clear());
        }
    }

    fn start(&mut self, frames: &mut ClipFrames, request: &TrackRequest) -> Result<(), EngineError> {
        // Planned twice: a request that makes no sense should not cost a run of the model.
        self.plan = Plan::new(request, frames.frame_count(), &|_, _| false)?;
        let run = self.plan.objects.clone();
        let predictor = self.predictor(frames)?;
        let mut prompts = Vec::new();
        for (place, object) in request.objects.iter().enumerate() {
            for frame in predictor.prompted_frames(object.object) {
                if !object.frames.contains_key(&frame) {
                    predictor.clear_prompts(frame, object.object);
                }
            }
            prompts.extend(object.frames.keys().map(|frame| (*frame, place)));
        }
        predictor.begin_run(&run);
        // By frame, so that each is encoded once for all its objects.
        prompts.sort_unstable();
        self.preparing = Some((request.clone(), prompts.into()));
        Ok(())
    }

    fn prepare(&mut self, frames: &mut ClipFrames) -> Result<Preparation, EngineError> {
        let Some((request, mut prompts)) = self.preparing.take() else {
            return Ok(Preparation::Ready { frames: self.plan.remaining(), led_by: LedBy::new() });
        };
        let Some(&prompt) = prompts.front() else {
            let predictor = self.predictor(frames)?;
            let is_known = |object, frame| predictor.is_known(object, frame);
            self.plan = Plan::new(&request, frames.frame_count(), &is_known)?;
            let led_by = request.objects.into_iter().map(|prompts| (prompts.object, prompts.frames)).collect();
            return Ok(Preparation::Ready { frames: self.plan.remaining(), led_by });
        };
        let prepared = self.prepare_prompt(frames, &request, prompt)?;
        if prepared == Preparation::GoesOn {
            prompts.pop_front();
        }
        self.preparing = Some((request, prompts));
        Ok(prepared)
    }

    fn step(&mut self, frames: &mut ClipFrames) -> Result<Option<StepDone>, EngineError> {
        let Some(PlannedFrame { frame, is_reverse, objects }) = self.plan.next().cloned() else { return Ok(None) };
        let run = self.plan.objects.clone();
        let predictor = self.predictor(frames)?;
        for planned in &objects {
            if let Some(mask) = &planned.held {
                predictor.take_over(frames, frame, planned.object, mask, is_reverse).map_err(failed)?;
            }
        }
        let visited: Vec<ObjectId> = objects.iter().filter(|p| p.held.is_none()).map(|p| p.object).collect();
        let mut made = predictor.visit(frames, frame, &visited, &run, is_reverse).map_err(failed)?;
        let wanted: Vec<ObjectId> = objects.iter().filter(|p| p.is_wanted).map(|p| p.object).collect();
        made.skipped.retain(|object| wanted.contains(object));
        let mut masks = Vec::with_capacity(wanted.len());
        for object in wanted {
            match made.objects.iter().position(|mask| mask.object == object) {
                Some(at) => masks.push(made.objects.swap_remove(at)),
                // The app lost it, or never got it: the predictor still knows it.
                None if predictor.is_current(object, frame) => {
                    masks.extend(predictor.mask_of(object, frame).map_err(failed)?);
                }
                // Damaged, or its prompts were taken back during the run.
                None => {}
            }
        }
        let results = results(predictor, frame, masks);
        self.plan.done();
        Ok(Some(StepDone { frame, results, skipped: made.skipped, remaining: self.plan.remaining() }))
    }
}

fn whole_prompt(prompt: &FramePrompt) -> WholePrompt<'_> {
    match &*prompt.prompt {
        Prompt::Clicks { points, bounds } => WholePrompt::Clicks {
            points,
            bounds: *bounds,
            candidate: prompt.candidate.map(usize::from),
            base: prompt.base.as_ref(),
        },
        Prompt::Mask(mask) => WholePrompt::Mask(mask),
    }
}

/// Masks at the clip's size.
fn results(predictor: &Predictor, frame: FrameIdx, objects: Vec<ObjectMask>) -> Vec<ObjectResult> {
    let masks = FrameMasks { frame, objects, skipped: Vec::new() };
    let made = predictor.video_masks(&masks);
    let pairs = masks.objects.into_iter().zip(made);
    pairs
        .map(|(object, mask)| ObjectResult {
            object: object.object,
            mask,
            object_score: object.object_score,
            predicted_iou: object.predicted_iou,
            stability: object.stability,
        })
        .collect()
}

/// "tiny" for the published 2.1 models, "tiny (2.0)" for the older ones; a model of one's own as its description or its
/// file calls it. One that ships in the program is small and must not pass for a published one.
fn short_name(name: &str, source: &CheckpointSource) -> String {
    let path = match source {
        CheckpointSource::Embedded(model) => return format!("{}, for trying", model.name),
        CheckpointSource::File(path) => path,
    };
    let spaced = |size: &str| size.replace('_', " ");
    if let Some(size) = name.strip_prefix("sam2.1_hiera_") {
        return spaced(size);
    }
    if let Some(size) = name.strip_prefix("sam2_hiera_") {
        return format!("{} (2.0)", spaced(size));
    }
    if !name.is_empty() {
        return name.to_owned();
    }
    path.file_stem().map_or_else(|| "model".to_owned(), |stem| stem.to_string_lossy().into_owned())
}

fn cannot_load(error: Sam2Error) -> EngineError {
    EngineError::Model(match error {
        // The room's own words speak of command-line options.
        Sam2Error::Device { device, reason } => {
            format!("device {device} cannot be used: {reason}; choose the processor in the settings")
        }
        other => other.to_string(),
    })
}

fn failed(error: Sam2Error) -> EngineError {
    match error {
        Sam2Error::Frame { frame, reason } => EngineError::Frame { frame, reason },
        Sam2Error::Prompt { .. } | Sam2Error::NoPrompt { .. } | Sam2Error::NoObjects => {
            EngineError::Prompt(error.to_string())
        }
        Sam2Error::Compute(cause) => EngineError::Inference(cause.to_string()),
        Sam2Error::NotANumber { .. } | Sam2Error::Spill { .. } => EngineError::Inference(error.to_string()),
        Sam2Error::Checkpoint(_)
        | Sam2Error::ReadConfig { .. }
        | Sam2Error::BadConfig { .. }
        | Sam2Error::UnknownModel { .. }
        | Sam2Error::BadImageSize { .. }
        | Sam2Error::Device { .. } => cannot_load(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sam2::checkpoint::EmbeddedModel;

    #[test]
    fn names_are_short() {
        let cases = [
            ("sam2.1_hiera_tiny", "tiny"),
            ("sam2.1_hiera_base_plus", "base plus"),
            ("sam2_hiera_large", "large (2.0)"),
            ("my model", "my model"),
            ("", "weights"),
        ];
        for (name, expected) in cases {
            let file = CheckpointSource::File("/models/weights.pt".into());
            assert_eq!(short_name(name, &file), expected);
        }
        const SHIPPED: EmbeddedModel = EmbeddedModel { name: "starter", weights: b"", description: "" };
        assert_eq!(short_name("starter", &CheckpointSource::Embedded(&SHIPPED)), "starter, for trying");
    }
}
