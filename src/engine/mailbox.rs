//! What waits for the engine's thread: commands in order, newest-only slots for previews and frames to warm, and the rule
//! of what replaces what. Sending never blocks; what waits is bounded by the objects and frames of the clip, since a newer
//! word about an object on a frame replaces an older one.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crossbeam_channel::{Receiver, Sender, TrySendError, bounded};

use crate::label::{FrameIdx, ObjectId};
use crate::video::Clip;

use super::protocol::{EngineCommand, FramePrompt, Generation, ModelChoice, PromptRequest, TrackRequest};

/// A command that is carried out in its turn.
pub(super) enum Order {
    Load(ModelChoice),
    UseClip(Clip),
    Prompt(PromptRequest),
    ClearPrompt { object: ObjectId, frame: FrameIdx },
    Forget { object: ObjectId },
    Track(TrackRequest),
}

/// What the thread should do next.
pub(super) enum Next {
    /// The run is to end.
    EndRun,
    /// A waiting run was dropped.
    Dropped(Generation),
    Order(Generation, Order),
    Preview(Generation, PromptRequest),
    /// Go on with the run, or with what there is to do while idle.
    Nothing,
}

#[derive(Default)]
struct Slots {
    last_generation: u64,
    orders: VecDeque<(Generation, Order)>,
    preview: Option<(Generation, PromptRequest)>,
    warm: Option<(Generation, VecDeque<FrameIdx>)>,
    /// How many frames of the latest wish were taken.
    warmed: usize,
    /// Runs older than this end.
    stop: Option<Generation>,
    /// Waiting runs that ended before they began.
    dropped: VecDeque<Generation>,
}

pub(super) struct Mailbox {
    slots: Mutex<Slots>,
    token: Sender<()>,
    must_stop: AtomicBool,
}

impl Mailbox {
    /// The mailbox, and what arrives when something was put in.
    pub fn new() -> (Self, Receiver<()>) {
        let (token, tokens) = bounded(1);
        (Mailbox { slots: Mutex::new(Slots::default()), token, must_stop: AtomicBool::new(false) }, tokens)
    }

    pub fn put(&self, command: EngineCommand) -> Generation {
        let mut slots = self.lock();
        slots.last_generation += 1;
        let generation = Generation(slots.last_generation);
        slots.put(generation, command);
        drop(slots);
        self.wake();
        generation
    }

    /// What to do next; `run` is the run in progress, which a waiting one waits for.
    pub fn next(&self, run: Option<Generation>) -> Next {
        let mut slots = self.lock();
        if let Some(run) = run
            && slots.stop.is_some_and(|stop| stop > run)
        {
            return Next::EndRun;
        }
        if let Some(generation) = slots.dropped.pop_front() {
            return Next::Dropped(generation);
        }
        let is_next = |order: &Order| run.is_none() || !matches!(order, Order::Track(_));
        if let Some(at) = slots.orders.iter().position(|(_, order)| is_next(order)) {
            let (generation, order) = slots.orders.remove(at).expect("the position was just found");
            return Next::Order(generation, order);
        }
        if let Some((generation, request)) = slots.preview.take() {
            return Next::Preview(generation, request);
        }
        Next::Nothing
    }

    /// The frame to encode next while idle, of those that fit.
    pub fn next_warm(&self, capacity: impl FnOnce() -> usize) -> Option<(Generation, FrameIdx)> {
        let mut slots = self.lock();
        let warmed = slots.warmed;
        let (generation, frames) = slots.warm.as_mut()?;
        let generation = *generation;
        // Frames beyond what fits would push out the more wanted ones before them.
        let frame = if warmed > 0 && warmed >= capacity() { None } else { frames.pop_front() };
        match frame {
            Some(frame) => {
                slots.warmed += 1;
                Some((generation, frame))
            }
            None => {
                slots.warm = None;
                None
            }
        }
    }

    pub fn stop(&self) {
        self.must_stop.store(true, Ordering::Relaxed);
        self.wake();
    }

    pub fn must_stop(&self) -> bool {
        self.must_stop.load(Ordering::Relaxed)
    }

    fn wake(&self) {
        match self.token.try_send(()) {
            // A full channel has woken the thread already; a closed one means that it has ended.
            Ok(()) | Err(TrySendError::Full(()) | TrySendError::Disconnected(())) => {}
        }
    }

    fn lock(&self) -> MutexGuard<'_, Slots> {
        // Slots are changed in whole steps that cannot panic, so a panic elsewhere leaves them sound.
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Slots {
    fn put(&mut self, generation: Generation, command: EngineCommand) {
        let order = match command {
            EngineCommand::Preview(request) => {
                self.preview = Some((generation, request));
                return;
            }
            EngineCommand::Warm(frames) => {
                self.warm = Some((generation, frames.into()));
                self.warmed = 0;
                return;
            }
            EngineCommand::StopTracking => {
                self.end_runs(generation);
                return;
            }
            EngineCommand::Load(choice) => {
                self.end_runs(generation);
                Order::Load(choice)
            }
            EngineCommand::UseClip(clip) => {
                self.end_runs(generation);
                // What was wished for belongs to the clip before.
                self.preview = None;
                self.warm = None;
                Order::UseClip(clip)
            }
            EngineCommand::Prompt(request) => {
                self.drop_prompts(request.object, Some(request.frame));
                self.amend_waiting_runs(request.object, request.frame, Some(&request.prompt));
                Order::Prompt(request)
            }
            EngineCommand::ClearPrompt { object, frame } => {
                self.drop_prompts(object, Some(frame));
                self.amend_waiting_runs(object, frame, None);
                Order::ClearPrompt { object, frame }
            }
            EngineCommand::Forget { object } => {
                self.drop_prompts(object, None);
                self.waiting_runs().for_each(|run| run.objects.retain(|prompts| prompts.object != object));
                Order::Forget { object }
            }
            EngineCommand::Track(request) => Order::Track(request),
        };
        self.orders.push_back((generation, order));
    }

    /// Drops unanswered prompts about an object, on one frame or on all.
    fn drop_prompts(&mut self, object: ObjectId, frame: Option<FrameIdx>) {
        self.orders.retain(|(_, order)| match order {
            Order::Prompt(old) => old.object != object || frame.is_some_and(|frame| old.frame != frame),
            Order::Load(_) | Order::UseClip(_) | Order::ClearPrompt { .. } | Order::Forget { .. } | Order::Track(_) => {
                true
            }
        });
    }

    fn waiting_runs(&mut self) -> impl Iterator<Item = &mut TrackRequest> {
        self.orders.iter_mut().filter_map(|(_, order)| match order {
            Order::Track(request) => Some(request),
            Order::Load(_)
            | Order::UseClip(_)
            | Order::Prompt(_)
            | Order::ClearPrompt { .. }
            | Order::Forget { .. } => None,
        })
    }

    /// A run that still waits goes by what is said when it begins, or it would take newer words back.
    fn amend_waiting_runs(&mut self, object: ObjectId, frame: FrameIdx, prompt: Option<&FramePrompt>) {
        self.waiting_runs().for_each(|run| run.amend(object, frame, prompt));
    }

    fn end_runs(&mut self, generation: Generation) {
        self.stop = Some(generation);
        let dropped = &mut self.dropped;
        self.orders.retain(|(generation, order)| {
            let is_run = matches!(order, Order::Track(_));
            if is_run {
                dropped.push_back(*generation);
            }
            !is_run
        });
    }
}
