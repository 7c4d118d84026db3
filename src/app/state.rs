//! What the window knows besides the labels: clip, playhead, selection, tool, model, run, view.
//!
//! Plain resources. `apply` changes them; systems and panels read them. No logic beyond small questions about oneself.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::{Duration, Instant};

use bevy::prelude::*;

use crate::engine::{DeviceChoice, EngineThread, Generation, ModelChoice, ModelInfo};
use crate::label::{FrameIdx, ObjectId, Point, PointLabel};
use crate::store::{LabelStore, MemoryStore};
use crate::video::{self, Clip, Frame, IndexProgress, RgbImage, VideoThread};

use super::action::{Action, FileQuestion, Panel, ProjectChoice, Tool, TrackSpan};

/// Intents that wait to be acted on, in order.
#[derive(Resource, Debug, Default)]
pub struct ActionQueue(pub VecDeque<Action>);

impl ActionQueue {
    /// Adds one.
    pub fn send(&mut self, action: Action) {
        self.0.push_back(action);
    }
}

/// The decode thread.
#[derive(Resource)]
pub struct VideoLink(pub VideoThread);

/// The model's thread.
#[derive(Resource)]
pub struct EngineLink(pub EngineThread);

/// Where masks are kept; shared with the thread that writes them out.
#[derive(Resource, Clone)]
pub struct StoreLink(pub Arc<RwLock<dyn LabelStore>>);

impl StoreLink {
    /// The masks, to be read; others may read at the same time.
    pub fn read(&self) -> RwLockReadGuard<'_, dyn LabelStore + 'static> {
        self.0.read().expect("no holder of the store panics while writing")
    }

    /// The store, to be told something; nobody reads meanwhile.
    pub fn write(&self) -> RwLockWriteGuard<'_, dyn LabelStore + 'static> {
        self.0.write().expect("no holder of the store panics while writing")
    }
}

impl Default for StoreLink {
    fn default() -> Self {
        StoreLink(Arc::new(RwLock::new(MemoryStore::default())))
    }
}

/// The clip.
#[derive(Debug, Default)]
pub enum ClipStatus {
    /// None is open.
    #[default]
    None,
    /// Being indexed.
    Opening {
        /// File or folder.
        path: PathBuf,
        /// Which video stream of it, as its container counts; `None` is the one it shows by itself.
        stream: Option<u32>,
        /// With which project.
        choice: ProjectChoice,
        /// Whether the labeller agreed to lose what of the open clip cannot be saved.
        may_lose: bool,
        /// The request.
        generation: video::Generation,
        /// How far.
        progress: Option<IndexProgress>,
    },
    /// Open.
    Open(Clip),
}

/// The open clip.
#[derive(Resource, Debug, Default)]
pub struct OpenClip {
    /// How it stands.
    pub status: ClipStatus,
    /// The next clip of its folder.
    pub next: Option<PathBuf>,
    /// The clip that was open when another was asked for: its labels stay until the other one is there, and it comes
    /// back when the other cannot be opened.
    pub before: Option<Clip>,
}

impl OpenClip {
    /// The clip, once it is open.
    pub fn clip(&self) -> Option<&Clip> {
        match &self.status {
            ClipStatus::Open(clip) => Some(clip),
            ClipStatus::None | ClipStatus::Opening { .. } => None,
        }
    }
}

/// The frame the labeller is on. The picture follows as soon as it is decoded.
#[derive(Resource, Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Playhead(pub FrameIdx);

/// The picture on screen, and the one on its way.
#[derive(Resource, Debug, Default)]
pub struct Shown {
    /// The last picture that arrived.
    pub frame: Option<Arc<Frame>>,
    /// The same as RGB, where the graphics device cannot make that of it: tone mapping is the decode thread's work.
    pub rgb: Option<Arc<RgbImage>>,
    /// What was asked for and has not been answered.
    pub asked: Option<(video::Generation, FrameIdx)>,
    /// The frame whose reading failed, and why; asked for again when somebody goes to it.
    pub failed: Option<(FrameIdx, String)>,
}

impl Shown {
    /// The frame on screen.
    pub fn idx(&self) -> Option<FrameIdx> {
        self.frame.as_ref().map(|frame| frame.idx())
    }

    /// Why a frame could not be read.
    pub fn failure(&self, frame: FrameIdx) -> Option<&str> {
        self.failed.as_ref().filter(|(failed, _)| *failed == frame).map(|(_, reason)| reason.as_str())
    }
}

/// Playing.
#[derive(Resource, Debug, Clone, Copy, PartialEq, Default)]
pub struct Playback {
    /// Speed while it plays: 1 is the clip's own, negative is backward.
    pub running: Option<Stretch>,
    /// Whether it starts over at the end of the range.
    pub is_looping: bool,
}

/// A stretch of playing at one speed.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Stretch {
    /// 1 is the clip's own speed, negative is backward.
    pub speed: f64,
    /// Clip time at the start, in seconds on the file's own clock.
    pub from_secs: f64,
    /// The moment it started, as app time.
    pub since: Duration,
}

/// The object that clicks go to.
#[derive(Resource, Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Selection(pub Option<ObjectId>);

/// The tool in hand.
#[derive(Resource, Debug, Clone, Copy, PartialEq)]
pub struct ToolInHand {
    /// Which.
    pub tool: Tool,
    /// Radius of brush and eraser, in pixels of the clip.
    pub brush_radius: f32,
}

impl Default for ToolInHand {
    fn default() -> Self {
        ToolInHand { tool: Tool::default(), brush_radius: 12.0 }
    }
}

/// How masks are shown; never part of the labels.
#[derive(Resource, Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Overlay {
    /// All masks are out of sight.
    pub is_off: bool,
    /// Only this object is shown.
    pub solo: Option<ObjectId>,
}

/// Windows and dialogs.
#[derive(Resource, Debug, Clone, Default)]
pub struct Windows {
    /// The open panel.
    pub panel: Option<Panel>,
    /// The selected object's name is to be opened for typing.
    pub is_rename_wanted: bool,
    /// A dialog to be opened.
    pub question: Option<FileQuestion>,
    /// A folder that was picked for the export dialog, until that takes it.
    pub export_folder: Option<PathBuf>,
}

/// What the view is asked to do; the canvas knows its own size.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum ViewRequest {
    /// Closer.
    ZoomIn,
    /// Farther.
    ZoomOut,
    /// The whole picture.
    Fit,
    /// One to one.
    Actual,
    /// The crosshair, so many points to the right and down.
    MoveCrosshair([f32; 2]),
    /// A click where the crosshair stands, meant for this frame.
    ClickCrosshair(PointLabel, FrameIdx),
}

/// The pointer of keyboard and gamepad, in points of the window; `None` until one of them moves it.
#[derive(Resource, Debug, Clone, Copy, PartialEq, Default)]
pub struct Crosshair(pub Option<[f32; 2]>);

/// View requests that wait.
#[derive(Resource, Debug, Default)]
pub struct ViewRequests(pub Vec<ViewRequest>);

/// The model.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum ModelStatus {
    /// None was chosen.
    #[default]
    None,
    /// Being loaded.
    Loading(Generation),
    /// Ready.
    Ready(ModelInfo),
    /// Could not be loaded, or died.
    Failed(String),
}

/// The model that was chosen.
#[derive(Resource, Debug, Clone, Default)]
pub struct Model {
    /// Which.
    pub choice: Option<ModelChoice>,
    /// How it stands.
    pub status: ModelStatus,
}

impl Model {
    /// The device that was chosen, which another model goes on with.
    pub fn device(&self) -> DeviceChoice {
        self.choice.as_ref().map_or(DeviceChoice::Auto, |choice| choice.device)
    }
}

/// A tracking run.
#[derive(Debug, Clone, PartialEq)]
pub struct Tracking {
    /// The request.
    pub generation: Generation,
    /// What undo will call it.
    pub name: String,
    /// Frames it will visit.
    pub total: u32,
    /// Frames still to be visited.
    pub remaining: u32,
    /// Objects it tracks, with the revisions its masks get: the object's whose words lead it, and after any change of its
    /// prompts one that nothing else has. Words that come when its frames have begun reach them in the next run only.
    pub revisions: BTreeMap<ObjectId, u64>,
    /// Where the prompt changed since it was asked for: the labeller's newer words are not its to answer.
    pub reworded: BTreeSet<(ObjectId, FrameIdx)>,
    /// Of those, what the model is still to be told, while that can lead the run.
    pub untold: BTreeSet<(ObjectId, FrameIdx)>,
    /// When the model was last told that a prompt is taken back.
    pub taken_back: Option<Generation>,
    /// Its frames have begun.
    pub has_begun: bool,
    /// Whether any object's prompt changed since, be it one that it does not track.
    pub is_outdated: bool,
    /// What is stale or missing is tracked when it has ended: it was asked for again after such a change.
    pub goes_on: bool,
    /// What it covers. Where it makes everything anew, it also answers clicks and boxes that were answered before.
    pub span: TrackSpan,
    /// Masks taken up.
    pub masks: usize,
    /// Frames left out because they are damaged.
    pub damaged: BTreeSet<FrameIdx>,
    /// When its first frame began.
    pub since: Instant,
    /// Its frames are taken no more: it was undone or reset while it ran.
    pub is_disowned: bool,
}

/// The run that is going on.
#[derive(Resource, Debug, Default)]
pub struct CurrentRun(pub Option<Tracking>);

/// Seconds the loaded model took for a frame of an object in its last run, where that was long enough to tell.
#[derive(Resource, Debug, Default)]
pub struct Pace(pub Option<f32>);

/// The candidates of the last first click.
#[derive(Debug, Clone, PartialEq)]
pub struct Candidates {
    /// The object.
    pub object: ObjectId,
    /// The frame.
    pub frame: FrameIdx,
    /// The model's guess of each one's IoU, best first.
    pub predicted_ious: Vec<f32>,
}

/// Questions to the model about prompts.
#[derive(Resource, Debug, Default)]
pub struct Answers {
    /// To be asked, as soon as there is a model.
    pub wanted: BTreeSet<(ObjectId, FrameIdx)>,
    /// Asked; only this answer counts.
    pub pending: BTreeMap<(ObjectId, FrameIdx), Generation>,
    /// Candidates of the latest single first click.
    pub candidates: Option<Candidates>,
    /// The frame the model is encoding for a click.
    pub encoding: Option<FrameIdx>,
    /// Frames that answer at once.
    pub encoded: BTreeSet<FrameIdx>,
}

/// A click that is considered.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ConsideredClick {
    /// Where, and which kind.
    pub point: Point,
    /// The click of the list in whose place it would come; `None` is one more.
    pub moved: Option<usize>,
}

/// The mask a click would give.
#[derive(Resource, Debug, Default)]
pub struct Preview {
    /// The click that is considered.
    pub point: Option<ConsideredClick>,
    /// Asked and not answered.
    pub pending: Option<Generation>,
    /// The answer.
    pub mask: Option<Arc<crate::label::Mask>>,
}

/// Counts revisions of objects; never goes back, not even by undo.
#[derive(Resource, Debug, Default)]
pub struct Revisions(u64);

impl Revisions {
    /// A number that was never given before.
    pub fn give(&mut self) -> u64 {
        self.0 += 1;
        self.0
    }

    /// After another clip was opened: no number up to this one was given by us, but by whoever made its project.
    pub fn go_on_from(&mut self, last: u64) {
        self.0 = self.0.max(last);
    }
}

/// Masks being written to a folder.
#[derive(Resource, Debug, Default)]
pub struct Saving {
    /// The thread's messages; `None` when nothing is being written.
    pub progress: Option<crossbeam_channel::Receiver<super::save::SaveEvent>>,
    /// Files written and to be written.
    pub counts: (usize, usize),
    /// When masks were last written, in words.
    pub last: Option<String>,
    /// Tells the thread to end.
    pub is_stopped: Arc<AtomicBool>,
}

impl Saving {
    /// Ends it before the next file.
    pub fn stop(&self) {
        self.is_stopped.store(true, Ordering::Relaxed);
    }
}

/// Wakes a sleeping event loop; threads get clones.
#[derive(Resource, Clone)]
pub struct Waker(pub Arc<dyn Fn() + Send + Sync>);

impl Default for Waker {
    fn default() -> Self {
        Waker(Arc::new(|| {}))
    }
}
