//! The app without a window: real threads, the test engine, and waiting for what they bring.

#![allow(dead_code, reason = "each test file uses its own part")]

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bevy::prelude::*;
use crossbeam_channel::{Receiver, bounded};
use label_hub::app::CorePlugin;
use label_hub::app::action::Action;
use label_hub::app::facts::{AppFacts, ClipState, ModelState};
use label_hub::app::labels::{self, LabelIndex};
use label_hub::app::notices::Notices;
use label_hub::app::state::{ActionQueue, Answers, EngineLink, Saving, Shown, StoreLink, VideoLink, Waker};
use label_hub::engine::{DeviceChoice, EngineThread, ModelChoice, ModelSource};
use label_hub::label::{FrameIdx, FrameMark, Mask, ObjectId, Point, PointLabel};
use label_hub::video::{VideoThread, WorkerOptions};

/// Longer than anything here takes; reaching it is a failure.
const TOO_LONG: Duration = Duration::from_secs(120);

/// An app on its way.
pub struct Lab {
    pub app: App,
    woken: Receiver<()>,
}

impl Lab {
    /// Without clip and model.
    pub fn new() -> Self {
        let (sender, woken) = bounded(1);
        let waker = Waker(Arc::new(move || {
            // A full channel has woken the test already.
            sender.try_send(()).ok();
        }));
        let mut app = App::new();
        let (for_video, for_engine) = (waker.0.clone(), waker.0.clone());
        let options = WorkerOptions { cache_bytes: 64 << 20, ..WorkerOptions::default() };
        app.insert_resource(VideoLink(VideoThread::spawn(options, move || for_video()).expect("a thread")));
        app.insert_resource(EngineLink(EngineThread::spawn(move || for_engine()).expect("a thread")));
        app.insert_resource(waker);
        app.add_plugins((bevy::time::TimePlugin, CorePlugin));
        Lab { app, woken }
    }

    /// With a clip that was never labelled, and the test engine.
    pub fn with_clip(clip: &Path) -> Self {
        let mut project = clip.as_os_str().to_owned();
        project.push(".labelhub");
        match std::fs::remove_file(&project) {
            Ok(()) => {}
            Err(error) => assert_eq!(error.kind(), std::io::ErrorKind::NotFound, "{}", project.display()),
        }
        Lab::with_project(clip)
    }

    /// With a clip and what its project holds, and the test engine.
    pub fn with_project(clip: &Path) -> Self {
        let mut lab = Lab::new();
        lab.act(Action::LoadModel(test_engine()));
        lab.act(Action::Open(clip.to_owned()));
        lab.wait("the clip and the model are there", |world| {
            let facts = world.resource::<AppFacts>();
            facts.clip == ClipState::Open && facts.model == ModelState::Ready
        });
        lab
    }

    /// Sends an action and lets an update pass.
    pub fn act(&mut self, action: Action) {
        self.app.world_mut().resource_mut::<ActionQueue>().send(action);
        self.app.update();
    }

    /// Sends actions that come in one update: nothing a thread brings lies between them.
    pub fn act_at_once(&mut self, actions: impl IntoIterator<Item = Action>) {
        for action in actions {
            self.app.world_mut().resource_mut::<ActionQueue>().send(action);
        }
        self.app.update();
    }

    /// Lets updates pass until something holds; the threads' wakers say when to look again.
    pub fn wait(&mut self, what: &str, holds: impl Fn(&World) -> bool) {
        loop {
            self.app.update();
            if holds(self.app.world()) {
                return;
            }
            if self.woken.recv_timeout(TOO_LONG).is_err() {
                panic!("waited too long until {what}; said so far: {:?}", self.said());
            }
        }
    }

    /// Waits until every prompt has its mask.
    pub fn wait_for_answers(&mut self) {
        self.wait("all prompts are answered", |world| {
            let answers = world.resource::<Answers>();
            answers.wanted.is_empty() && answers.pending.is_empty()
        });
    }

    /// Waits until the run is over.
    pub fn wait_for_run(&mut self) {
        self.wait("the run is over", |world| !world.resource::<AppFacts>().is_tracking);
    }

    /// Waits until masks are written.
    pub fn wait_for_saving(&mut self) {
        self.wait("masks are written", |world| world.resource::<Saving>().progress.is_none());
    }

    /// Waits until the playhead's picture is there.
    pub fn wait_for_picture(&mut self) {
        self.wait("the picture is there", |world| {
            world.resource::<Shown>().idx() == Some(world.resource::<AppFacts>().frame)
        });
    }

    pub fn facts(&self) -> &AppFacts {
        self.app.world().resource::<AppFacts>()
    }

    pub fn said(&self) -> Vec<String> {
        self.app.world().resource::<Notices>().log().map(|notice| notice.text.clone()).collect()
    }

    pub fn mark(&self, object: u32, frame: u32) -> Option<FrameMark> {
        labels::mark(self.app.world(), ObjectId(object), FrameIdx(frame))
    }

    pub fn mask(&self, object: u32, frame: u32) -> Option<Mask> {
        let mark = self.mark(object, frame)?;
        let store = self.app.world().resource::<StoreLink>();
        Some(store.0.read().expect("nobody panics").get(mark.mask).expect("the store has it"))
    }

    pub fn is_stale(&self, object: u32, frame: u32) -> bool {
        let facts = labels::facts(self.app.world(), ObjectId(object)).expect("the object is there");
        self.mark(object, frame).expect("a mask").is_stale(facts.revision)
    }

    /// Everything that is labelled, as text that can be compared.
    pub fn labels(&self) -> Vec<String> {
        let world = self.app.world();
        let index = world.resource::<LabelIndex>();
        let mut all = vec![
            format!("{:?}", world.resource::<labels::InOut>()),
            format!("{:?}", world.resource::<labels::Classes>()),
        ];
        for (id, _) in index.objects() {
            all.push(format!("{id} {:?}", labels::facts(world, id)));
            all.extend(
                index
                    .prompts_of(id)
                    .map(|(frame, _)| format!("{id} {frame} {:?}", labels::frame_prompt(world, id, frame))),
            );
            let marks = labels::marks(world, id).into_iter().flat_map(|marks| marks.frames.iter());
            all.extend(marks.map(|(frame, mark)| format!("{id} {frame} {mark:?}")));
        }
        all
    }
}

pub fn test_engine() -> ModelChoice {
    ModelChoice { source: ModelSource::TestEngine, device: DeviceChoice::Cpu, resolution: None }
}

pub fn click(point: Point) -> Action {
    Action::AddPoint(point)
}

pub fn exclude(x: f32, y: f32) -> Action {
    Action::AddPoint(Point { x, y, label: PointLabel::Negative })
}
