//! The decode thread: opens clips and brings frames to the window without ever making it wait.
//!
//! The app sends [`VideoCommand`]s and drains [`VideoEvent`]s once per update. Only the newest request of a kind counts:
//! a newer one replaces an unanswered older one, also in the middle of decoding. Frames passed on the way stay in a
//! cache, and while nothing is asked for the thread decodes ahead in the direction of travel. What is in the cache is
//! answered where it is asked for, so that a disk that stalls holds back only what must be read. No ffmpeg type crosses.

use std::ops::ControlFlow;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};

use crossbeam_channel::{Receiver, Select, Sender, TrySendError, bounded};

use super::IndexProgress;
use super::cache::FrameCache;
use super::clip::Clip;
use super::errors::VideoError;
use super::frame::{Frame, RgbImage};
use super::reader::Reader;
use crate::label::FrameIdx;

/// Events that may wait to be drained; then the thread waits too.
const EVENT_CAPACITY: usize = 64;

/// Tells requests apart; a larger one is newer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Generation(pub u64);

/// What the thread can be asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum VideoCommand {
    /// Opens a clip and closes the one before.
    Open {
        /// File or folder.
        path: PathBuf,
        /// The video stream to show, as the container counts; `None` for the best.
        stream: Option<u32>,
    },
    /// Takes over a clip that is open already.
    Use {
        /// Wrapped so that commands can be compared by path.
        clip: SameClip,
    },
    /// Closes the clip, or stops reading one that is being opened; nothing answers.
    Close,
    /// Brings a frame of the open clip.
    Show {
        /// The frame.
        idx: FrameIdx,
        /// Whether to convert it to RGB here as well.
        with_rgb: bool,
    },
}

/// A clip, equal to itself only.
#[derive(Debug, Clone)]
pub struct SameClip(pub Clip);

impl PartialEq for SameClip {
    fn eq(&self, other: &Self) -> bool {
        std::ptr::eq(self.0.index(), other.0.index())
    }
}

impl Eq for SameClip {}

/// What the thread answers. Every request that is not replaced by a newer one gets one answer.
#[derive(Debug)]
pub enum VideoEvent {
    /// Opening goes on.
    Progress {
        /// The request.
        generation: Generation,
        /// How far.
        progress: IndexProgress,
    },
    /// A clip is open.
    Opened {
        /// The request.
        generation: Generation,
        /// The clip.
        clip: Clip,
    },
    /// A frame is there.
    Frame {
        /// The request.
        generation: Generation,
        /// The frame.
        frame: Arc<Frame>,
        /// Its RGB, where asked for.
        rgb: Option<RgbImage>,
    },
    /// A request failed.
    Failed {
        /// The request.
        generation: Generation,
        /// The frame asked for; `None` when opening failed.
        idx: Option<FrameIdx>,
        /// Why.
        error: VideoError,
    },
}

/// How much the thread may use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WorkerOptions {
    /// Budget of the frame cache.
    pub cache_bytes: usize,
    /// Frames decoded ahead in the direction of travel.
    pub look_ahead: u32,
    /// Decoder threads, 0 for one per core.
    pub threads: usize,
}

impl Default for WorkerOptions {
    fn default() -> Self {
        WorkerOptions { cache_bytes: 1 << 30, look_ahead: 24, threads: 0 }
    }
}

/// The running thread. Dropping it stops and joins it.
pub struct VideoThread {
    mailbox: Arc<Mailbox>,
    events: Option<Receiver<VideoEvent>>,
    thread: Option<JoinHandle<()>>,
}

impl VideoThread {
    /// Starts the thread. `waker` is called after every event, to wake a sleeping event loop.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub fn spawn(options: WorkerOptions, waker: impl Fn() + Send + Sync + 'static) -> Result<Self, VideoError> {
        let (event_sender, events) = bounded(EVENT_CAPACITY);
        let (token_sender, token_receiver) = bounded(1);
        let mailbox = Arc::new(Mailbox {
            slots: Mutex::new(Slots::default()),
            shelf: Mutex::new(Shelf::new(options.cache_bytes, None)),
            cached: Mutex::new(Vec::new()),
            events: event_sender,
            waker: Box::new(waker),
            token: token_sender,
            last_generation: AtomicU64::new(0),
            newest_clip: AtomicU64::new(0),
            newest_show: AtomicU64::new(0),
            must_stop: AtomicBool::new(false),
        });
        let worker =
            Worker { options, mailbox: Arc::clone(&mailbox), tokens: token_receiver, reader: None, playhead: None };
        let thread = thread::Builder::new()
            .name("video-decode".to_owned())
            .spawn(move || worker.run())
            .map_err(|error| VideoError::Thread { detail: error.to_string() })?;
        Ok(VideoThread { mailbox, events: Some(events), thread: Some(thread) })
    }

    /// Sends a command; never blocks. The answer carries the generation returned here.
    pub fn send(&self, command: VideoCommand) -> Generation {
        self.mailbox.put(command)
    }

    /// The ranges of frames, both ends included and ascending, that can be shown without decoding.
    pub fn cached(&self) -> Vec<(FrameIdx, FrameIdx)> {
        self.mailbox.cached.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Where answers arrive.
    pub fn events(&self) -> &Receiver<VideoEvent> {
        self.events.as_ref().expect("taken only when dropped")
    }
}

impl Drop for VideoThread {
    fn drop(&mut self) {
        self.mailbox.must_stop.store(true, Ordering::Relaxed);
        // Without a receiver a full event channel no longer holds the thread back.
        self.events = None;
        self.mailbox.wake();
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            // Its panic has been reported by the panic hook; nothing is left to stop.
        }
    }
}

#[derive(Default)]
struct Slots {
    clip: Option<(Generation, ClipRequest)>,
    show: Option<ShowRequest>,
}

#[derive(Clone, Copy)]
struct ShowRequest {
    generation: Generation,
    idx: FrameIdx,
    with_rgb: bool,
    /// The frame was in the cache; what is left to do is to decode ahead from there.
    is_answered: bool,
}

/// The frames at hand.
struct Shelf {
    frames: FrameCache,
    /// Which clip's, by the request that opened it; `None` before it is open.
    clip: Option<Generation>,
    /// The newest request for a frame that was answered.
    answered: Generation,
}

impl Shelf {
    fn new(cache_bytes: usize, clip: Option<Generation>) -> Self {
        Shelf { frames: FrameCache::new(cache_bytes), clip, answered: Generation(0) }
    }
}

enum ClipRequest {
    Open(PathBuf, Option<u32>),
    Use(Clip),
    Close,
}

/// One slot per kind of command, so that it can neither fill up nor hold anybody back.
struct Mailbox {
    slots: Mutex<Slots>,
    /// Locked for a moment only, never while a file is read or an event waits for room.
    shelf: Mutex<Shelf>,
    events: Sender<VideoEvent>,
    waker: Box<dyn Fn() + Send + Sync>,
    /// For the timeline; replaced whole by the thread.
    cached: Mutex<Vec<(FrameIdx, FrameIdx)>>,
    token: Sender<()>,
    last_generation: AtomicU64,
    newest_clip: AtomicU64,
    newest_show: AtomicU64,
    must_stop: AtomicBool,
}

impl Mailbox {
    fn put(&self, command: VideoCommand) -> Generation {
        let mut slots = self.lock();
        let generation = Generation(self.last_generation.fetch_add(1, Ordering::Relaxed) + 1);
        let mut is_answered = false;
        let request = match command {
            VideoCommand::Show { idx, with_rgb } => {
                self.newest_show.store(generation.0, Ordering::Relaxed);
                // To convert a frame takes too long for whoever asks.
                is_answered = !with_rgb && self.answer_from_shelf(generation, idx);
                slots.show = Some(ShowRequest { generation, idx, with_rgb, is_answered });
                None
            }
            VideoCommand::Open { path, stream } => Some(ClipRequest::Open(path, stream)),
            VideoCommand::Use { clip } => Some(ClipRequest::Use(clip.0)),
            VideoCommand::Close => Some(ClipRequest::Close),
        };
        if let Some(request) = request {
            self.newest_clip.store(generation.0, Ordering::Relaxed);
            slots.clip = Some((generation, request));
            // A frame asked for earlier belongs to the clip before.
            slots.show = None;
        }
        drop(slots);
        self.wake();
        if is_answered {
            (self.waker)();
        }
        generation
    }

    /// Answers with a frame that is at hand, if the channel has room. Called with the slots locked: no clip is asked for
    /// meanwhile.
    fn answer_from_shelf(&self, generation: Generation, idx: FrameIdx) -> bool {
        let mut shelf = self.shelf();
        if shelf.clip != Some(Generation(self.newest_clip.load(Ordering::Relaxed))) {
            return false;
        }
        let Some(frame) = shelf.frames.get(idx) else { return false };
        let is_sent = self.events.try_send(VideoEvent::Frame { generation, frame, rgb: None }).is_ok();
        if is_sent {
            shelf.answered = generation;
        }
        is_sent
    }

    /// Answers a request for a frame, unless a newer one was answered while this one was read.
    fn answer_show(&self, generation: Generation, mut event: VideoEvent) {
        loop {
            let mut shelf = self.shelf();
            if shelf.answered > generation {
                return;
            }
            match self.events.try_send(event) {
                Ok(()) => {
                    shelf.answered = generation;
                    drop(shelf);
                    return (self.waker)();
                }
                Err(TrySendError::Full(back)) => event = back,
                // The owner is gone; the thread ends by itself.
                Err(TrySendError::Disconnected(_)) => return,
            }
            drop(shelf);
            let mut room = Select::new();
            room.send(&self.events);
            room.ready();
        }
    }

    fn shelf(&self) -> MutexGuard<'_, Shelf> {
        // Frames are put in and taken out whole, so a panic elsewhere leaves them sound.
        self.shelf.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wake(&self) {
        match self.token.try_send(()) {
            // A full channel has woken the thread already; a closed one means that it has ended.
            Ok(()) | Err(TrySendError::Full(()) | TrySendError::Disconnected(())) => {}
        }
    }

    fn is_stale_show(&self, generation: Generation) -> bool {
        self.newest_show.load(Ordering::Relaxed) > generation.0 || self.is_stale_clip(generation)
    }

    fn is_stale_clip(&self, generation: Generation) -> bool {
        self.newest_clip.load(Ordering::Relaxed) > generation.0 || self.must_stop.load(Ordering::Relaxed)
    }

    fn lock(&self) -> MutexGuard<'_, Slots> {
        // Slots are replaced whole, so a panic elsewhere leaves them sound.
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

struct Worker {
    options: WorkerOptions,
    mailbox: Arc<Mailbox>,
    tokens: Receiver<()>,
    reader: Option<Reader>,
    playhead: Option<Playhead>,
}

#[derive(Clone, Copy)]
struct Playhead {
    generation: Generation,
    idx: FrameIdx,
    is_backward: bool,
    byte_count: usize,
    /// Look-ahead steps still allowed; a bound, in case the cache is too small to hold what it decodes.
    steps_left: u32,
}

impl Worker {
    fn run(mut self) {
        while !self.mailbox.must_stop.load(Ordering::Relaxed) {
            let mut slots = self.mailbox.lock();
            let (clip, show) = (slots.clip.take(), slots.show.take());
            drop(slots);
            let is_idle = clip.is_none() && show.is_none();
            if let Some((generation, request)) = clip {
                self.change_clip(generation, request);
            }
            if let Some(request) = show {
                self.show(request);
            }
            if is_idle && !self.look_ahead() && self.tokens.recv().is_err() {
                return;
            }
        }
    }

    fn change_clip(&mut self, generation: Generation, request: ClipRequest) {
        self.reader = None;
        self.playhead = None;
        *self.mailbox.shelf() = Shelf::new(self.options.cache_bytes, None);
        self.publish_cached();
        let opened = match request {
            ClipRequest::Close => return,
            ClipRequest::Use(clip) => Ok(clip),
            ClipRequest::Open(path, stream) => super::open_stream(&path, stream, &mut |progress| {
                if self.mailbox.is_stale_clip(generation) {
                    return ControlFlow::Break(());
                }
                // Progress is a courtesy: when nobody drains it, it is not worth waiting for.
                if self.mailbox.events.try_send(VideoEvent::Progress { generation, progress }).is_ok() {
                    (self.mailbox.waker)();
                }
                ControlFlow::Continue(())
            }),
        };
        let opened = opened.and_then(|clip| Ok((clip.reader_with_threads(self.options.threads)?, clip)));
        if self.mailbox.is_stale_clip(generation) {
            return;
        }
        match opened {
            Ok((reader, clip)) => {
                self.reader = Some(reader);
                self.mailbox.shelf().clip = Some(generation);
                self.answer(VideoEvent::Opened { generation, clip });
            }
            Err(error) => self.answer(VideoEvent::Failed { generation, idx: None, error }),
        }
    }

    fn show(&mut self, request: ShowRequest) {
        let ShowRequest { generation, idx, with_rgb, is_answered } = request;
        if is_answered {
            let frame = self.mailbox.shelf().frames.get(idx);
            if let Some(frame) = frame {
                self.go_on_from(generation, &frame);
            }
            return;
        }
        match self.fetch(generation, idx) {
            Ok(Some(frame)) => {
                self.go_on_from(generation, &frame);
                let rgb = with_rgb.then(|| frame.to_rgb());
                self.mailbox.answer_show(generation, VideoEvent::Frame { generation, frame, rgb });
            }
            // Replaced by a newer request, which will be answered instead.
            Ok(None) => {}
            Err(error) => {
                self.mailbox.answer_show(generation, VideoEvent::Failed { generation, idx: Some(idx), error });
            }
        }
    }

    /// From here the thread decodes ahead.
    fn go_on_from(&mut self, generation: Generation, frame: &Frame) {
        let is_backward = self.playhead.is_some_and(|playhead| frame.idx() < playhead.idx);
        let (idx, byte_count, steps_left) = (frame.idx(), frame.byte_count(), self.options.look_ahead);
        self.playhead = Some(Playhead { generation, idx, is_backward, byte_count, steps_left });
    }

    /// From the cache or the decoder; `None` when a newer request came in between.
    fn fetch(&mut self, generation: Generation, idx: FrameIdx) -> Result<Option<Arc<Frame>>, VideoError> {
        if let Some(frame) = self.mailbox.shelf().frames.get(idx) {
            return Ok(Some(frame));
        }
        let reader = self.reader.as_mut().ok_or_else(|| VideoError::Thread { detail: "no clip is open".to_owned() })?;
        let mailbox = &self.mailbox;
        let frame = reader.frame_or_stop(idx, &mut |passed| {
            mailbox.shelf().frames.insert(passed);
            if mailbox.is_stale_show(generation) { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        })?;
        if let Some(frame) = &frame {
            self.mailbox.shelf().frames.insert(Arc::clone(frame));
        }
        self.publish_cached();
        Ok(frame)
    }

    fn publish_cached(&self) {
        let ranges = self.mailbox.shelf().frames.ranges();
        *self.mailbox.cached.lock().unwrap_or_else(PoisonError::into_inner) = ranges;
    }

    /// Decodes one frame that will probably be asked for next. False when there is nothing left to do.
    fn look_ahead(&mut self) -> bool {
        let (Some(playhead), Some(reader)) = (self.playhead, &self.reader) else { return false };
        // Half the budget at most: what is behind the playhead must stay for stepping back.
        let room = self.options.cache_bytes / 2 / playhead.byte_count.max(1);
        let reach = self.options.look_ahead.min(u32::try_from(room).unwrap_or(u32::MAX));
        let last = reader.clip().frame_count() - 1;
        let shelf = self.mailbox.shelf();
        let is_missing = |idx: &u32| !shelf.frames.contains(FrameIdx(*idx));
        let wanted = if playhead.is_backward {
            // The nearest first: those before it come along on the way.
            (playhead.idx.0.saturating_sub(reach)..playhead.idx.0).rev().find(is_missing)
        } else {
            (playhead.idx.0 + 1..=playhead.idx.0.saturating_add(reach).min(last)).find(is_missing)
        };
        drop(shelf);
        let Some(wanted) = wanted.filter(|_| playhead.steps_left > 0) else { return false };
        self.playhead = Some(Playhead { steps_left: playhead.steps_left - 1, ..playhead });
        match self.fetch(playhead.generation, FrameIdx(wanted)) {
            // Keep what is on screen from becoming the oldest.
            Ok(_) => self.mailbox.shelf().frames.get(playhead.idx).is_some(),
            Err(_) => {
                // Nobody asked for this frame; whoever does will get the error.
                self.playhead = None;
                false
            }
        }
    }

    fn answer(&self, event: VideoEvent) {
        // A closed channel means that the owner is gone; the loop ends by itself.
        if self.mailbox.events.send(event).is_ok() {
            (self.mailbox.waker)();
        }
    }
}
