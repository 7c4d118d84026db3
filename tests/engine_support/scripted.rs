//! A model that does what the test says: its steps wait to be let, and some clicks make it fail or panic.

use std::sync::{Arc, Mutex, PoisonError};

use crossbeam_channel::{Receiver, Sender, bounded};

use super::{A, next, small_clip, test_engine};
use label_hub::engine::{
    Answered, ClipFrames, EngineCommand, EngineError, EngineEvent, EngineThread, FramePrompt, LedBy, ModelInfo,
    ObjectResult, Preparation, PromptRequest, Segmenter, StepDone, TrackRequest,
};
use label_hub::label::{FrameIdx, Mask, ObjectId, Prompt};

/// A click at this x makes the scripted model panic.
pub const PANIC_X: f32 = -1.0;
/// A click at this x makes it fail.
pub const FAIL_X: f32 = -2.0;

/// Takes three steps a run, each only when it is let.
struct Scripted {
    steps_left: u32,
    is_encoded: bool,
    script: Script,
}

#[derive(Clone)]
struct Script {
    /// Sent when a step is in work.
    in_work: Sender<()>,
    /// Received before it is done; a closed channel lets everything pass.
    permission: Receiver<()>,
    started: Arc<Mutex<Vec<TrackRequest>>>,
}

/// The test's ends of a [`Script`].
pub struct Director {
    in_work: Receiver<()>,
    permission: Sender<()>,
    started: Arc<Mutex<Vec<TrackRequest>>>,
}

fn script() -> (Script, Director) {
    let (entered, in_work) = bounded(100);
    let (permission, permitted) = bounded(100);
    let started = Arc::new(Mutex::new(Vec::new()));
    let script = Script { in_work: entered, permission: permitted, started: Arc::clone(&started) };
    (script, Director { in_work, permission, started })
}

impl Director {
    pub fn wait_until_in_work(&self) {
        self.in_work.recv().expect("the model works on");
    }

    pub fn let_pass(&self, steps: usize) {
        (0..steps).for_each(|_| self.permission.send(()).expect("the model listens"));
    }

    pub fn started(&self) -> Vec<TrackRequest> {
        self.started.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

pub fn x_of(prompt: &FramePrompt) -> f32 {
    match &*prompt.prompt {
        Prompt::Clicks { points, .. } => points[0].x,
        Prompt::Mask(_) => panic!("the tests click"),
    }
}

/// Carries the click's x back, so that answers can be told apart.
fn echo(object: ObjectId, x: f32, frames: &ClipFrames) -> ObjectResult {
    let mask = Mask::empty(frames.size());
    ObjectResult { object, mask, object_score: 1.0, predicted_iou: x, stability: 1.0 }
}

impl Segmenter for Scripted {
    fn info(&self) -> ModelInfo {
        ModelInfo { name: "scripted".to_owned(), device: "CPU".to_owned(), resolution: None, has_candidates: false }
    }
    fn forget_clip(&mut self) {}
    fn is_encoded(&self, _frame: FrameIdx) -> bool {
        self.is_encoded
    }
    fn encoded_capacity(&self) -> usize {
        2
    }
    fn encode(&mut self, _frames: &mut ClipFrames, _frame: FrameIdx) -> Result<(), EngineError> {
        Ok(())
    }
    fn answer(&mut self, frames: &mut ClipFrames, request: &PromptRequest) -> Result<Answered, EngineError> {
        let result = self.preview(frames, request)?;
        Ok(Answered { result, candidates: Vec::new() })
    }
    fn preview(&mut self, frames: &mut ClipFrames, request: &PromptRequest) -> Result<ObjectResult, EngineError> {
        let x = x_of(&request.prompt);
        assert!(x != PANIC_X, "the script says so");
        if x == FAIL_X {
            Err(EngineError::Inference("scripted".to_owned()))
        } else {
            Ok(echo(request.object, x, frames))
        }
    }
    fn clear_prompt(&mut self, _object: ObjectId, _frame: FrameIdx) {}
    fn forget(&mut self, _object: ObjectId) {
        panic!("forgetting is not in the script");
    }
    fn start(&mut self, _frames: &mut ClipFrames, request: &TrackRequest) -> Result<(), EngineError> {
        self.script.started.lock().unwrap_or_else(PoisonError::into_inner).push(request.clone());
        self.steps_left = 3;
        Ok(())
    }
    fn prepare(&mut self, _frames: &mut ClipFrames) -> Result<Preparation, EngineError> {
        Ok(Preparation::Ready { frames: self.steps_left, led_by: LedBy::new() })
    }
    fn step(&mut self, frames: &mut ClipFrames) -> Result<Option<StepDone>, EngineError> {
        self.script.in_work.send(()).expect("the test watches");
        // When the test has gone, everything passes.
        self.script.permission.recv().ok();
        if self.steps_left == 0 {
            return Ok(None);
        }
        self.steps_left -= 1;
        let frame = FrameIdx(2 - self.steps_left);
        let x = self.script.started.lock().unwrap_or_else(PoisonError::into_inner).last().map(|r| r.first.0);
        match x {
            Some(7) => Err(EngineError::Inference("scripted".to_owned())),
            Some(8) => panic!("the script says so"),
            Some(_) | None => {
                let results = vec![echo(A, 0.0, frames)];
                Ok(Some(StepDone { frame, results, skipped: Vec::new(), remaining: self.steps_left }))
            }
        }
    }
}

/// A thread that loads a scripted model whichever is asked for.
pub fn scripted_thread(is_encoded: bool, waker: impl Fn() + Send + 'static) -> (EngineThread, Director) {
    let (script, director) = script();
    let loader = Box::new(move |_: &_| {
        Ok(Box::new(Scripted { steps_left: 0, is_encoded, script: script.clone() }) as Box<dyn Segmenter>)
    });
    (EngineThread::spawn_with(loader, waker).expect("a thread can be started"), director)
}

/// A thread with a clip and a scripted model.
pub fn scripted(is_encoded: bool) -> (EngineThread, Director) {
    let (engine, director) = scripted_thread(is_encoded, || {});
    engine.send(EngineCommand::UseClip(small_clip()));
    engine.send(EngineCommand::Load(test_engine()));
    assert!(matches!(next(&engine), EngineEvent::ModelReady { .. }));
    (engine, director)
}
