//! The engine's thread: loads the model, answers prompts and tracks, so that the window never waits for any of it.
//!
//! The app sends [`EngineCommand`]s and drains [`EngineEvent`]s once per update. Commands are carried out in order, but
//! prompts do not wait for a run: between two of its frames everything that waits is answered. While there is nothing
//! else to do, the frames of the latest [`EngineCommand::Warm`] are encoded, one at a time. Every prompt that is not
//! replaced by a newer one gets one answer, every run gets one end. A panic in a segmenter ends the model, not the
//! thread.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use crossbeam_channel::{Receiver, SendTimeoutError, Sender, bounded};

use crate::label::{FrameIdx, ObjectId};
use crate::video::Clip;

use super::frames::ClipFrames;
use super::mailbox::{Mailbox, Next, Order};
use super::protocol::{
    EngineCommand, EngineError, EngineEvent, Generation, ModelChoice, ModelSource, PromptRequest, TrackEnd,
    TrackRequest,
};
use super::sam2::Sam2Segmenter;
use super::segmenter::{Answered, Preparation, Segmenter};
use super::test_engine::TestEngine;

/// Events that may wait to be drained; then the thread waits too.
const EVENT_CAPACITY: usize = 64;
/// How often a thread that waits for room looks whether it should end.
const SEND_PATIENCE: Duration = Duration::from_millis(100);

/// Makes a segmenter from a choice, on the engine's thread.
pub type Loader = Box<dyn FnMut(&ModelChoice) -> Result<Box<dyn Segmenter>, EngineError> + Send>;

/// The running thread. Dropping it stops and joins it, after the frame in work.
pub struct EngineThread {
    mailbox: Arc<Mailbox>,
    events: Option<Receiver<EngineEvent>>,
    thread: Option<JoinHandle<()>>,
}

impl EngineThread {
    /// Starts the thread, without a model and without a clip. `waker` is called after every event, to wake a sleeping
    /// event loop.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub fn spawn(waker: impl Fn() + Send + 'static) -> Result<Self, EngineError> {
        Self::spawn_with(Box::new(|choice| load_model(choice, None)), waker)
    }

    /// [`EngineThread::spawn`] with a loader of one's own.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub fn spawn_with(loader: Loader, waker: impl Fn() + Send + 'static) -> Result<Self, EngineError> {
        let (event_sender, events) = bounded(EVENT_CAPACITY);
        let (mailbox, tokens) = Mailbox::new();
        let mailbox = Arc::new(mailbox);
        let worker_mailbox = Arc::clone(&mailbox);
        let thread = thread::Builder::new()
            .name("engine".to_owned())
            .spawn(move || {
                let worker = Worker {
                    mailbox: worker_mailbox,
                    tokens,
                    events: event_sender,
                    waker: Box::new(waker),
                    loader,
                    model: None,
                    clip: Err(EngineError::NoClip),
                    run: None,
                    heard: Generation(0),
                };
                worker.run();
            })
            .map_err(|e| {
                EngineError::Model(format!("the model's thread cannot be started: {e}; close other programs"))
            })?;
        Ok(EngineThread { mailbox, events: Some(events), thread: Some(thread) })
    }

    /// Sends a command; never blocks. Answers carry the generation returned here.
    pub fn send(&self, command: EngineCommand) -> Generation {
        self.mailbox.put(command)
    }

    /// Where answers arrive.
    pub fn events(&self) -> &Receiver<EngineEvent> {
        self.events.as_ref().expect("taken only when dropped")
    }
}

impl Drop for EngineThread {
    fn drop(&mut self) {
        self.mailbox.stop();
        // Without a receiver a full event channel no longer holds the thread back.
        self.events = None;
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            // Its panic has been reported by the panic hook; nothing is left to stop.
        }
    }
}

/// The program's own loader; [`EngineThread::spawn`] uses it as it is. What the tracker does not keep in memory goes to a
/// folder of its own in `states`; by default among the system's temporary files, where a crash leaves it.
///
/// # Errors
/// When the model cannot be read or the device cannot be used.
pub fn load_model(choice: &ModelChoice, states: Option<&Path>) -> Result<Box<dyn Segmenter>, EngineError> {
    Ok(match &choice.source {
        ModelSource::TestEngine => Box::new(TestEngine::new()),
        ModelSource::Checkpoint(source) => {
            let model = Sam2Segmenter::load(source, choice.device, choice.resolution)?;
            Box::new(model.with_states_in(states.map(Path::to_path_buf)))
        }
    })
}

/// A clip and its decoder.
struct OpenClip {
    clip: Clip,
    frames: ClipFrames,
}

struct Worker {
    mailbox: Arc<Mailbox>,
    tokens: Receiver<()>,
    events: Sender<EngineEvent>,
    waker: Box<dyn Fn() + Send>,
    loader: Loader,
    model: Option<Box<dyn Segmenter>>,
    /// The clip, or what to say to requests that need one.
    clip: Result<OpenClip, EngineError>,
    /// The run in progress.
    run: Option<Run>,
    /// The newest command that was carried out.
    heard: Generation,
}

/// A run in progress.
#[derive(Clone, Copy)]
struct Run {
    generation: Generation,
    /// Whether its frames have begun.
    is_ready: bool,
}

impl Worker {
    fn run(mut self) {
        while !self.mailbox.must_stop() {
            match self.mailbox.next(self.run.map(|run| run.generation)) {
                Next::EndRun => self.end_run(TrackEnd::Stopped),
                Next::Dropped(generation) => {
                    self.tell(EngineEvent::TrackFinished { generation, end: TrackEnd::Stopped });
                }
                Next::Order(generation, order) => self.carry_out(generation, order),
                Next::Preview(generation, request) => self.preview(generation, &request),
                Next::Nothing if self.run.is_some() => self.step(),
                Next::Nothing => {
                    if !self.warm_one() && self.tokens.recv().is_err() {
                        return;
                    }
                }
            }
        }
    }

    fn carry_out(&mut self, generation: Generation, order: Order) {
        // Not always in order: a run waits for the one before it, newer commands do not.
        self.heard = self.heard.max(generation);
        match order {
            Order::Load(choice) => self.load(generation, &choice),
            Order::UseClip(clip) => self.use_clip(generation, clip),
            Order::Prompt(request) => self.prompt(generation, &request),
            Order::ClearPrompt { object, frame } => {
                self.tell_model(generation, |model| model.clear_prompt(object, frame));
            }
            Order::Forget { object } => self.tell_model(generation, |model| model.forget(object)),
            Order::Track(request) => self.track(generation, &request),
        }
    }

    fn load(&mut self, generation: Generation, choice: &ModelChoice) {
        // The old model goes first: two large ones may not fit side by side.
        self.drop_model();
        let loader = &mut self.loader;
        let loaded = catch_unwind(AssertUnwindSafe(|| {
            let model = loader(choice)?;
            Ok((model.info(), model))
        }));
        match loaded.unwrap_or_else(|payload| Err(EngineError::Panicked(panic_words(&*payload)))) {
            Ok((info, model)) => {
                self.model = Some(model);
                self.tell(EngineEvent::ModelReady { generation, info });
            }
            Err(error) => self.tell(EngineEvent::ModelFailed { generation, error }),
        }
    }

    fn use_clip(&mut self, generation: Generation, clip: Clip) {
        self.tell_model(generation, |model| model.forget_clip());
        self.clip = open(clip);
    }

    fn prompt(&mut self, generation: Generation, request: &PromptRequest) {
        let answered = self
            .make_ready(generation, request.frame)
            .and_then(|()| self.with_model(generation, |model, frames| model.answer(frames, request)));
        let frame = request.frame;
        match answered {
            Ok(Answered { result, candidates }) => {
                self.tell(EngineEvent::Answer { generation, frame, result, candidates });
            }
            Err(error) => self.fail(generation, frame, Some(request.object), error),
        }
    }

    fn preview(&mut self, generation: Generation, request: &PromptRequest) {
        let previewed = self
            .make_ready(generation, request.frame)
            .and_then(|()| self.with_model(generation, |model, frames| model.preview(frames, request)));
        let frame = request.frame;
        match previewed {
            Ok(result) => self.tell(EngineEvent::Previewed { generation, frame, result }),
            Err(error) => self.fail(generation, frame, Some(request.object), error),
        }
    }

    fn track(&mut self, generation: Generation, request: &TrackRequest) {
        let started = self.with_model(generation, |model, frames| {
            frames.use_damaged(request.uses_damaged);
            model.start(frames, request)
        });
        match started {
            Ok(()) => self.run = Some(Run { generation, is_ready: false }),
            Err(error) => self.tell(EngineEvent::TrackFinished { generation, end: TrackEnd::Failed(error) }),
        }
    }

    /// Does a frame of the run, or a piece of what comes before the first.
    fn step(&mut self) {
        let Some(Run { generation, is_ready }) = self.run else { return };
        if !is_ready {
            return self.prepare(generation);
        }
        let stepped = self.with_model(generation, |model, frames| {
            let done = model.step(frames)?;
            Ok(done.map(|done| (frames.damaged().contains(&done.frame), done)))
        });
        match stepped {
            Ok(Some((is_damaged, done))) => self.tell(EngineEvent::Tracked {
                generation,
                frame: done.frame,
                results: done.results,
                skipped: done.skipped,
                is_damaged,
                remaining: done.remaining,
            }),
            Ok(None) => self.end_run(TrackEnd::Completed),
            // Where the model died, the run has ended with it.
            Err(error) => self.end_run(TrackEnd::Failed(error)),
        }
    }

    fn prepare(&mut self, generation: Generation) {
        let prepared = self.with_model(generation, |model, frames| model.prepare(frames));
        match prepared {
            Ok(Preparation::Needs(frame)) => {
                if let Err(error) = self.make_ready(generation, frame) {
                    self.end_run(TrackEnd::Failed(error));
                }
            }
            Ok(Preparation::GoesOn) => {}
            Ok(Preparation::Ready { frames, led_by }) => {
                self.run = Some(Run { generation, is_ready: true });
                self.tell(EngineEvent::TrackStarted { generation, frames, led_by, heard: self.heard });
            }
            Err(error) => self.end_run(TrackEnd::Failed(error)),
        }
    }

    fn end_run(&mut self, end: TrackEnd) {
        if let Some(Run { generation, .. }) = self.run.take() {
            self.tell(EngineEvent::TrackFinished { generation, end });
        }
    }

    /// Encodes one of the frames that are wished for. False when there is none, or nothing to encode it with.
    fn warm_one(&mut self) -> bool {
        let (Some(model), Ok(_)) = (&self.model, &self.clip) else { return false };
        let Some((generation, frame)) = self.mailbox.next_warm(|| model.encoded_capacity()) else { return false };
        let is_encoded = self.with_model(generation, |model, frames| {
            check_frame(frames, frame)?;
            if model.is_encoded(frame) { Ok(()) } else { model.encode(frames, frame) }
        });
        match is_encoded {
            Ok(()) => self.tell(EngineEvent::Encoded { frame }),
            Err(error) => self.fail(generation, frame, None, error),
        }
        true
    }

    /// Encodes a frame a request waits for, where it is not yet.
    fn make_ready(&mut self, generation: Generation, frame: FrameIdx) -> Result<(), EngineError> {
        let is_encoded = self.with_model(generation, |model, frames| {
            check_frame(frames, frame)?;
            Ok(model.is_encoded(frame))
        })?;
        if !is_encoded {
            self.tell(EngineEvent::Encoding { frame });
            self.with_model(generation, |model, frames| model.encode(frames, frame))?;
            self.tell(EngineEvent::Encoded { frame });
        }
        Ok(())
    }

    /// Asks the model something about the clip. A panic is reported and ends the model.
    fn with_model<T>(
        &mut self,
        generation: Generation,
        ask: impl FnOnce(&mut dyn Segmenter, &mut ClipFrames) -> Result<T, EngineError>,
    ) -> Result<T, EngineError> {
        let model = self.model.as_mut().ok_or(EngineError::NoModel)?;
        let clip = self.clip.as_mut().map_err(|error| error.clone())?;
        match catch_unwind(AssertUnwindSafe(|| ask(&mut **model, &mut clip.frames))) {
            Ok(answer) => answer,
            Err(payload) => Err(self.bury(generation, &*payload)),
        }
    }

    /// Tells the model something, if there is one; nobody waits for an answer.
    fn tell_model(&mut self, generation: Generation, say: impl FnOnce(&mut dyn Segmenter)) {
        let Some(model) = self.model.as_mut() else { return };
        if let Err(payload) = catch_unwind(AssertUnwindSafe(|| say(&mut **model))) {
            self.bury(generation, &*payload);
        }
    }

    /// Ends a model that panicked, and the run with it.
    fn bury(&mut self, generation: Generation, payload: &(dyn Any + Send)) -> EngineError {
        let error = EngineError::Panicked(panic_words(payload));
        self.drop_model();
        // The decoder may have been in the middle of something.
        if let Ok(open_clip) = &self.clip {
            self.clip = open(open_clip.clip.clone());
        }
        self.tell(EngineEvent::ModelFailed { generation, error: error.clone() });
        self.end_run(TrackEnd::Failed(error.clone()));
        error
    }

    fn drop_model(&mut self) {
        let model = self.model.take();
        if catch_unwind(AssertUnwindSafe(|| drop(model))).is_err() {
            // The panic hook has reported it, and the model is gone either way.
        }
    }

    fn fail(&self, generation: Generation, frame: FrameIdx, object: Option<ObjectId>, error: EngineError) {
        self.tell(EngineEvent::Failed { generation, frame, object, error });
    }

    fn tell(&self, event: EngineEvent) {
        let mut event = event;
        loop {
            match self.events.send_timeout(event, SEND_PATIENCE) {
                Ok(()) => break (self.waker)(),
                Err(SendTimeoutError::Timeout(unsent)) if !self.mailbox.must_stop() => event = unsent,
                // The owner is gone or going; the loop ends by itself.
                Err(SendTimeoutError::Timeout(_) | SendTimeoutError::Disconnected(_)) => break,
            }
        }
    }
}

fn open(clip: Clip) -> Result<OpenClip, EngineError> {
    match ClipFrames::of(clip.clone(), false) {
        Ok(frames) => Ok(OpenClip { clip, frames }),
        Err(error) => Err(EngineError::Frame { frame: FrameIdx(0), reason: error.to_string() }),
    }
}

fn check_frame(frames: &ClipFrames, frame: FrameIdx) -> Result<(), EngineError> {
    if frame.0 < frames.frame_count() {
        return Ok(());
    }
    let reason = format!("the clip ends with frame {}", frames.frame_count().saturating_sub(1));
    Err(EngineError::Frame { frame, reason })
}

fn panic_words(payload: &(dyn Any + Send)) -> String {
    let text = payload.downcast_ref::<&str>().copied();
    let text = text.or_else(|| payload.downcast_ref::<String>().map(String::as_str));
    text.unwrap_or("no message").to_owned()
}
