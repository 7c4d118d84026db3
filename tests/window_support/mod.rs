//! The whole window but its pixels: real threads, panels, canvas and keys, without a graphics adapter or a screen.
//!
//! Used by the long run and by the bench of what an update costs (`benches/window.rs`). Input comes in as winit would
//! send it; nothing here calls into the app's own functions.

#![allow(dead_code, reason = "the test and the bench each use their own part")]

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bevy::app::PluginGroupBuilder;
use bevy::ecs::schedule::{Schedules, SingleThreadedExecutor};
use bevy::input::ButtonState;
use bevy::input::keyboard::{Key, KeyCode, KeyboardInput};
use bevy::input::mouse::{MouseButtonInput, MouseScrollUnit, MouseWheel};
use bevy::prelude::*;
use bevy::render::RenderPlugin;
use bevy::render::settings::WgpuSettings;
use bevy::window::{CursorMoved, PrimaryWindow, WindowEvent, WindowResolution};
use bevy_egui::{EguiContext, EguiFullOutput, EguiInput, EguiPostUpdateSet, PrimaryEguiContext, egui};
use crossbeam_channel::{Receiver, bounded};
use label_hub::app::action::Action;
use label_hub::app::canvas::Canvas;
use label_hub::app::facts::{AppFacts, ClipState, ModelState};
use label_hub::app::input::Keymap;
use label_hub::app::notices::Notices;
use label_hub::app::settings::Settings;
use label_hub::app::state::{ActionQueue, Answers, EngineLink, Shown, VideoLink, Waker};
use label_hub::app::window::WindowPlugin;
use label_hub::engine::{DeviceChoice, EngineThread, ModelChoice, ModelSource};
use label_hub::label::FrameIdx;
use label_hub::video::{VideoThread, WorkerOptions};

/// Longer than anything here takes; reaching it is a failure.
const TOO_LONG: Duration = Duration::from_secs(120);

/// A window nobody sees.
pub struct BlindWindow {
    pub app: App,
    window: Entity,
    woken: Receiver<()>,
}

impl BlindWindow {
    /// Of `size` logical pixels, with a picture cache of `cache_bytes`.
    pub fn new(size: [u32; 2], cache_bytes: usize) -> Self {
        let (sender, woken) = bounded(1);
        let waker = Waker(Arc::new(move || {
            // A full channel has woken us already.
            sender.try_send(()).ok();
        }));
        let mut app = App::new();
        app.add_plugins(plugins(size));
        let (for_video, for_engine) = (waker.0.clone(), waker.0.clone());
        let options = WorkerOptions { cache_bytes, ..WorkerOptions::default() };
        app.insert_resource(VideoLink(VideoThread::spawn(options, move || for_video()).expect("a thread")));
        app.insert_resource(EngineLink(EngineThread::spawn(move || for_engine()).expect("a thread")));
        // Sizes as at the very first start, nothing of the user's own.
        app.insert_resource(Settings::default()).insert_resource(Keymap::default()).insert_resource(waker);
        app.add_plugins(WindowPlugin);
        app.finish();
        app.cleanup();
        // All systems on this thread: its clock then shows what they cost.
        for (_, schedule) in app.world_mut().resource_mut::<Schedules>().iter_mut() {
            schedule.set_executor(SingleThreadedExecutor::new());
        }
        let window = app.world_mut().query_filtered::<Entity, With<PrimaryWindow>>().single(app.world());
        let window = window.expect("the window plugin makes one");
        BlindWindow { app, window, woken }
    }

    /// Opens a clip and the test engine and waits for both.
    pub fn open(&mut self, clip: &Path) {
        let engine = ModelChoice { source: ModelSource::TestEngine, device: DeviceChoice::Cpu, resolution: None };
        self.send(Action::LoadModel(engine));
        self.send(Action::Open(clip.to_owned()));
        self.wait("clip and model are there", |world| {
            let facts = world.resource::<AppFacts>();
            facts.clip == ClipState::Open && facts.model == ModelState::Ready
        });
        self.wait_for_picture();
    }

    /// Puts an action in the queue.
    pub fn send(&mut self, action: Action) {
        self.app.world_mut().resource_mut::<ActionQueue>().send(action);
    }

    /// Sends an action and lets an update pass.
    pub fn act(&mut self, action: Action) {
        self.send(action);
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

    /// Waits for one waker's call without an update.
    pub fn wait_for_news(&mut self) {
        self.woken.recv_timeout(TOO_LONG).expect("a thread has news");
    }

    pub fn is_picture_here(&self) -> bool {
        let world = self.app.world();
        world.resource::<Shown>().idx() == Some(world.resource::<AppFacts>().frame)
    }

    pub fn wait_for_picture(&mut self) {
        self.wait("the picture is there", |world| {
            world.resource::<Shown>().idx() == Some(world.resource::<AppFacts>().frame)
        });
    }

    pub fn wait_for_answers(&mut self) {
        self.wait("all prompts are answered", |world| {
            let answers = world.resource::<Answers>();
            answers.wanted.is_empty() && answers.pending.is_empty()
        });
    }

    pub fn wait_for_run(&mut self) {
        self.wait("the run is over", |world| !world.resource::<AppFacts>().is_tracking);
    }

    pub fn facts(&self) -> &AppFacts {
        self.app.world().resource::<AppFacts>()
    }

    pub fn said(&self) -> Vec<String> {
        self.app.world().resource::<Notices>().log().map(|notice| notice.text.clone()).collect()
    }

    /// Lets an update pass; what is written on the screen then, over the picture too.
    pub fn texts(&mut self) -> Vec<String> {
        self.written().iter().map(|(text, _)| text.clone()).collect()
    }

    /// Lets an update pass; where a text is written on the screen then, its middle.
    pub fn place_of(&mut self, wanted: &str) -> Vec2 {
        let written = self.written();
        let found = written.iter().find(|(text, _)| text == wanted);
        found.unwrap_or_else(|| panic!("{wanted:?} is not among {written:?}")).1
    }

    fn written(&mut self) -> &[(String, Vec2)] {
        if !self.app.world().contains_resource::<Texts>() {
            self.app.init_resource::<Texts>();
            let between = collect_texts.after(EguiPostUpdateSet::EndPass).before(EguiPostUpdateSet::ProcessOutput);
            self.app.add_systems(PostUpdate, between);
        }
        self.app.update();
        &self.app.world().resource::<Texts>().0
    }

    /// Text is typed, and an update passes.
    pub fn type_text(&mut self, text: &str) {
        let mut inputs = self.app.world_mut().query::<&mut EguiInput>();
        for mut input in inputs.iter_mut(self.app.world_mut()) {
            input.events.push(egui::Event::Text(text.to_owned()));
        }
        self.app.update();
    }

    /// Where a window of the panels is.
    pub fn area(&mut self, title: &str) -> egui::Rect {
        let mut contexts = self.app.world_mut().query_filtered::<&mut EguiContext, With<PrimaryEguiContext>>();
        let mut context = contexts.single_mut(self.app.world_mut()).expect("the window has one");
        let rect = context.get_mut().memory(|memory| memory.area_rect(egui::Id::new(title)));
        rect.unwrap_or_else(|| panic!("{title:?} is not open"))
    }

    /// Where a pixel of the frame is in the window.
    pub fn screen_at(&self, x: f64, y: f64) -> Vec2 {
        self.app.world().resource::<Canvas>().view.screen_from_frame(bevy::math::DVec2::new(x, y)).as_vec2()
    }

    /// The canvas in the window.
    pub fn canvas(&self) -> Rect {
        self.app.world().resource::<Canvas>().rect
    }

    pub fn frame(&self) -> FrameIdx {
        self.facts().frame
    }

    pub fn move_to(&mut self, position: Vec2) {
        let moved = CursorMoved { window: self.window, position, delta: None };
        self.app.world_mut().write_message(moved.clone());
        self.app.world_mut().write_message(WindowEvent::CursorMoved(moved));
    }

    pub fn button(&mut self, button: MouseButton, state: ButtonState) {
        let input = MouseButtonInput { button, state, window: self.window };
        self.app.world_mut().write_message(input);
        self.app.world_mut().write_message(WindowEvent::MouseButtonInput(input));
    }

    pub fn wheel(&mut self, notches: f32) {
        let wheel = MouseWheel {
            unit: MouseScrollUnit::Line,
            x: 0.0,
            y: notches,
            window: self.window,
            phase: bevy::input::touch::TouchPhase::Moved,
        };
        self.app.world_mut().write_message(wheel);
    }

    /// A key is pressed and let go, an update for each half.
    pub fn key(&mut self, logical_key: Key, key_code: KeyCode) {
        for state in [ButtonState::Pressed, ButtonState::Released] {
            self.half_key(logical_key.clone(), key_code, state);
        }
    }

    /// A key is pressed or let go, and an update passes.
    pub fn half_key(&mut self, logical_key: Key, key_code: KeyCode, state: ButtonState) {
        let input = KeyboardInput { key_code, logical_key, state, text: None, repeat: false, window: self.window };
        self.app.world_mut().write_message(input.clone());
        self.app.world_mut().write_message(WindowEvent::KeyboardInput(input));
        self.app.update();
    }

    /// A press at one place and the way to another, an update for each; the button stays down.
    pub fn drag(&mut self, from: Vec2, to: Vec2) {
        self.move_to(from);
        self.app.update();
        self.button(MouseButton::Left, ButtonState::Pressed);
        self.app.update();
        for step in 1..=4 {
            self.move_to(from.lerp(to, step as f32 / 4.0));
            self.app.update();
        }
    }

    /// The left button is let go, and what that asked for is done.
    pub fn let_go(&mut self) {
        self.button(MouseButton::Left, ButtonState::Released);
        self.app.update();
        self.app.update();
    }

    /// A click of the left button, an update for each half.
    pub fn click(&mut self, position: Vec2) {
        self.click_with(MouseButton::Left, position);
    }

    /// A click of any button, an update for each half.
    pub fn click_with(&mut self, button: MouseButton, position: Vec2) {
        self.move_to(position);
        self.app.update();
        self.button(button, ButtonState::Pressed);
        self.app.update();
        self.button(button, ButtonState::Released);
        self.app.update();
    }
}

/// What was written in the last pass, and the middle of each.
#[derive(Resource, Default)]
struct Texts(Vec<(String, Vec2)>);

fn collect_texts(outputs: Query<&EguiFullOutput>, mut texts: ResMut<Texts>) {
    fn collect(shape: &egui::Shape, texts: &mut Vec<(String, Vec2)>) {
        match shape {
            egui::Shape::Text(text) => {
                let middle = text.visual_bounding_rect().center();
                texts.push((text.galley.text().to_owned(), Vec2::new(middle.x, middle.y)));
            }
            egui::Shape::Vec(shapes) => shapes.iter().for_each(|shape| collect(shape, texts)),
            _ => {}
        }
    }
    texts.0.clear();
    let outputs = outputs.iter().filter_map(|output| output.0.as_ref());
    outputs.flat_map(|output| &output.shapes).for_each(|clipped| collect(&clipped.shape, &mut texts.0));
}

fn plugins([width, height]: [u32; 2]) -> PluginGroupBuilder {
    let window = Window { resolution: WindowResolution::new(width, height), ..Window::default() };
    DefaultPlugins
        .set(bevy::window::WindowPlugin { primary_window: Some(window), ..default() })
        .set(RenderPlugin {
            render_creation: WgpuSettings { backends: None, ..WgpuSettings::default() }.into(),
            ..default()
        })
        .disable::<bevy::winit::WinitPlugin>()
        .disable::<bevy::log::LogPlugin>()
}
