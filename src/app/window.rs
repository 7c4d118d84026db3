//! The real window: threads, plugins, cameras, sleeping and waking.
//!
//! An idle window costs nothing: it waits for input, for a thread's waker or for egui's own wishes, and for nothing else.
//! While the clip plays it draws without pause. What is drawn is decided elsewhere.

use std::any::Any;
use std::panic::{self, AssertUnwindSafe};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bevy::app::{PluginGroupBuilder, TaskPoolThreadAssignmentPolicy};
use bevy::asset::AssetEventSystems;
use bevy::prelude::*;
use bevy::render::RenderPlugin;
use bevy::window::{ExitCondition, PresentMode, PrimaryWindow, RequestRedraw, WindowCloseRequested, WindowResolution};
use bevy::winit::{EventLoopProxyWrapper, UpdateMode, WinitSettings, WinitUserEvent};
use bevy_egui::{
    EguiGlobalSettings, EguiInput, EguiPlugin, EguiPostUpdateSet, EguiPreUpdateSet, EguiPrimaryContextPass,
    PrimaryEguiContext, egui,
};

use crate::engine::{self, EngineError, EngineThread, Loader, ModelChoice, ModelSource, keep_freed};
use crate::folders;
use crate::models::{self, ModelsFolder, Speeds};
use crate::video::{VideoThread, WorkerOptions};

use super::action::{Action, ProjectChoice};
use super::action_log::ActionLog;
use super::canvas::{CanvasPlugin, CanvasSet};
use super::canvas_content::{answer_view_requests, fill_canvas};
use super::input::{Keymap, Pad};
use super::keyboard::{KeyPresses, collect_keys};
use super::model_files::ModelFiles;
use super::notices::{Notices, Severity};
use super::pointer::Pointer;
use super::project::Project;
use super::settings::Settings;
use super::state::{ActionQueue, EngineLink, OpenClip, Playback, VideoLink, Waker};
use super::tour;
use super::ui::{UiState, draw_ui};
use super::ui_views::clip_title;
use super::{AppStage, CorePlugin};

/// The camera egui draws with, over the canvas.
const UI_CAMERA_ORDER: isize = 1;
/// Longest sleep without a reason to wake: none.
const IDLE_WAIT: Duration = Duration::from_secs(3600);
/// Size of the window at the very first start.
const DEFAULT_SIZE: [u32; 2] = [1280, 720];

/// Opens the window, with a clip (and a video stream of it), and a model if they are given (else the model of last time),
/// and runs until it is closed. `log` is the file for `--log`.
///
/// # Errors
/// When there is no screen or no graphics driver, a thread cannot be started, or the log cannot be opened.
pub fn run(
    clip: Option<PathBuf>,
    stream: Option<u32>,
    model: Option<ModelChoice>,
    log: Option<PathBuf>,
) -> anyhow::Result<()> {
    let folder = folders::config_folder();
    let (settings, message) = Settings::load(folder.as_deref());
    let (keymap, key_message) = Keymap::load(folder.as_deref());
    let log = match &log {
        None => ActionLog::default(),
        Some(path) => ActionLog::to_file(path)
            .map_err(|e| anyhow::anyhow!("{}: the log cannot be written: {e}", path.display()))?,
    };
    let mut app = App::new();
    add_bevy(&mut app, default_plugins(&settings))?;
    let waker = waker(&app);
    let video = WorkerOptions { cache_bytes: (settings.frame_cache_mb as usize) << 20, ..WorkerOptions::default() };
    let wake = waker.0.clone();
    app.insert_resource(VideoLink(VideoThread::spawn(video, move || wake())?));
    let wake = waker.0.clone();
    app.insert_resource(EngineLink(EngineThread::spawn_with(loader(), move || wake())?));
    // Where there is no folder for models, those that ship are there all the same.
    let model_files = ModelFiles::of(ModelsFolder::of_user().ok(), Speeds::load());
    let model = model.or_else(|| settings.model_choice()).or_else(|| model_files.sensible());
    let tour = tour::at_start(&settings);
    app.insert_resource(settings).insert_resource(keymap).insert_resource(log).insert_resource(waker);
    app.add_plugins(WindowPlugin).insert_resource(tour).insert_resource(model_files);
    app.world_mut().resource_mut::<Project>().data_folder = folders::data_folder();
    super::pad::start(&mut app);
    let mut notices = app.world_mut().resource_mut::<Notices>();
    for message in message.into_iter().chain(key_message) {
        notices.push(Severity::Warning, message, Vec::new());
    }
    let mut queue = app.world_mut().resource_mut::<ActionQueue>();
    queue.0.extend(model.map(Action::LoadModel));
    queue.0.extend(clip.map(|clip| match stream {
        None => Action::Open(clip),
        Some(_) => Action::OpenWith(clip, stream, ProjectChoice::Own),
    }));
    match app.run() {
        AppExit::Success => Ok(()),
        AppExit::Error(code) => anyhow::bail!("the window ended with an error ({code})"),
    }
}

/// Loads a model; a published one is checked first when it is new here or has changed.
fn loader() -> Loader {
    Box::new(|choice| {
        if let ModelSource::Checkpoint(source) = &choice.source {
            // Without a folder there are no published models in it.
            let folder = ModelsFolder::of_user().ok();
            models::check_source(source, folder.as_ref(), &mut |_, _| ())
                .map_err(|error| EngineError::Model(error.to_string()))?;
        }
        engine::load_model(choice, folders::states_folder().as_deref())
    })
}

/// Adds Bevy's plugins. They open the screen and the graphics device and panic where they cannot; whoever started the
/// program is told what to do instead, without the insides of the program.
fn add_bevy(app: &mut App, plugins: PluginGroupBuilder) -> anyhow::Result<()> {
    let hook = panic::take_hook();
    panic::set_hook(Box::new(|_| ()));
    let added = panic::catch_unwind(AssertUnwindSafe(|| {
        app.add_plugins(plugins);
    }));
    panic::set_hook(hook);
    added.map_err(|cause| anyhow::anyhow!(why_no_window(&*cause)))
}

/// A plugin's panic in words. Only its text says what it was about.
fn why_no_window(cause: &(dyn Any + Send)) -> String {
    let text = cause.downcast_ref::<String>().map(String::as_str).or(cause.downcast_ref::<&str>().copied());
    let text = text.and_then(|text| text.lines().next()).unwrap_or("no reason given");
    let reason = if text.contains("event loop") {
        let named = ["WAYLAND_DISPLAY", "DISPLAY"].map(|name| (name, std::env::var_os(name)));
        let named = named.into_iter().filter_map(|(name, value)| Some(format!("{name}={}", value?.to_string_lossy())));
        let named: Vec<String> = named.collect();
        format!("the screen cannot be reached ({}); check DISPLAY and WAYLAND_DISPLAY", named.join(", "))
    } else if text.contains("find a GPU") {
        "no graphics device was found; install a Vulkan driver (on Debian: mesa-vulkan-drivers)".to_owned()
    } else {
        format!("the window cannot be opened: {text}")
    };
    format!("{reason}; `label-hub track` works without a screen")
}

fn default_plugins(settings: &Settings) -> PluginGroupBuilder {
    let [width, height] = settings.window_size.unwrap_or(DEFAULT_SIZE);
    let window = Window {
        title: "Label Hub".to_owned(),
        name: Some("label-hub".to_owned()),
        resolution: WindowResolution::new(width, height),
        present_mode: PresentMode::AutoVsync,
        ..Window::default()
    };
    // Bevy's pools would take every core at once; the model and the decoder need them more.
    let few_threads = bevy::app::TaskPoolOptions {
        compute: TaskPoolThreadAssignmentPolicy {
            min_threads: 1,
            max_threads: 2,
            percent: 0.25,
            on_thread_spawn: None,
            on_thread_destroy: None,
        },
        ..bevy::app::TaskPoolOptions::default()
    };
    DefaultPlugins
        .set(bevy::window::WindowPlugin {
            primary_window: Some(window),
            exit_condition: ExitCondition::OnPrimaryClosed,
            close_when_requested: false,
            ..default()
        })
        .set(TaskPoolPlugin { task_pool_options: few_threads })
        // A pipeline that is compiled behind the back would be ready after the last redraw, and the picture would stay
        // black until something else happens.
        .set(RenderPlugin { synchronous_pipeline_compilation: true, ..default() })
}

/// Wakes the sleeping event loop from any thread.
fn waker(app: &App) -> Waker {
    match app.world().get_resource::<EventLoopProxyWrapper>() {
        None => Waker::default(),
        Some(proxy) => {
            let proxy = (**proxy).clone();
            Waker(Arc::new(move || {
                // A loop that has ended needs no waking.
                proxy.send_event(WinitUserEvent::WakeUp).ok();
            }))
        }
    }
}

/// Everything in the window but the threads and Bevy's own plugins, which whoever adds it brings: [`CorePlugin`] with
/// egui, canvas, keys and pointer around it. Without a graphics adapter it does all but draw.
pub struct WindowPlugin;

impl Plugin for WindowPlugin {
    fn build(&self, app: &mut App) {
        // A 4K picture handed back to the system and asked for again costs more than drawing it, and now and then 20 ms.
        keep_freed();
        app.add_plugins((EguiPlugin::default(), CorePlugin, CanvasPlugin));
        app.init_resource::<Pointer>()
            .init_resource::<UiState>()
            .insert_resource(WinitSettings { focused_mode: idle_mode(), unfocused_mode: idle_mode() })
            .add_systems(Startup, spawn_ui_camera)
            .init_resource::<KeyPresses>()
            .init_resource::<Pad>()
            .init_resource::<super::pad::PadKeys>()
            .add_systems(Update, super::pad::read_pad.in_set(AppStage::Receive))
            .add_systems(PreUpdate, (drop_repeated_modifiers, date_input).after(EguiPreUpdateSet::ProcessInput))
            .add_systems(PreUpdate, collect_keys.after(bevy::input::InputSystems))
            .add_systems(EguiPrimaryContextPass, draw_ui)
            .add_systems(Update, (take_dropped_files, close_button, pace, title).in_set(AppStage::Sync))
            .add_systems(Update, super::settings::keeper::keep_settings.in_set(AppStage::Request))
            .configure_sets(PostUpdate, CanvasSet.after(EguiPostUpdateSet::EndPass))
            // Else letters that are drawn for the first time reach the GPU an update later, and a window that sleeps
            // until then shows gaps in their place.
            .configure_sets(PostUpdate, EguiPostUpdateSet::PostProcessOutput.before(AssetEventSystems))
            .add_systems(
                PostUpdate,
                (answer_view_requests, fill_canvas, wake_for_actions)
                    .chain()
                    .after(EguiPostUpdateSet::EndPass)
                    .before(CanvasSet),
            );
        app.world_mut().resource_mut::<EguiGlobalSettings>().auto_create_primary_context = false;
    }
}

/// bevy_egui 0.42 tells egui the modifiers in every update, and egui answers any event with a wish to be drawn again: an
/// idle window would draw for ever. Only changes are let through.
fn drop_repeated_modifiers(mut inputs: Query<&mut EguiInput>, mut last: Local<egui::Modifiers>) {
    for mut input in &mut inputs {
        input.events.retain(|event| match event {
            egui::Event::ModifiersChanged(modifiers) => std::mem::replace(&mut *last, *modifiers) != *modifiers,
            _ => true,
        });
    }
}

/// Bevy's clock shows when the last picture was drawn. In a window that slept since, a click would be dated back by as
/// long, and the second one of a double click would come too late.
fn date_input(mut inputs: Query<&mut EguiInput>, start: Local<Start>) {
    for mut input in &mut inputs {
        input.time = Some(start.0.elapsed().as_secs_f64());
    }
}

/// When egui's clock began.
struct Start(Instant);

impl Default for Start {
    fn default() -> Self {
        Start(Instant::now())
    }
}

fn idle_mode() -> UpdateMode {
    UpdateMode::reactive_low_power(IDLE_WAIT)
}

fn spawn_ui_camera(mut commands: Commands) {
    commands.spawn((
        Camera2d,
        Camera { order: UI_CAMERA_ORDER, clear_color: ClearColorConfig::None, ..default() },
        Msaa::Off,
        bevy::core_pipeline::tonemapping::Tonemapping::None,
        PrimaryEguiContext,
    ));
}

/// Files let go over the window are opened, model files after a question; of several, the first.
fn take_dropped_files(mut drops: MessageReader<FileDragAndDrop>, mut queue: ResMut<ActionQueue>) {
    for drop in drops.read() {
        match drop {
            FileDragAndDrop::DroppedFile { path_buf, .. } => {
                let is_model = path_buf.extension().is_some_and(|ending| ending == "pt" || ending == "safetensors");
                queue.send(if is_model {
                    Action::OfferModel(path_buf.clone())
                } else {
                    Action::Open(path_buf.clone())
                });
                drops.clear();
                return;
            }
            FileDragAndDrop::HoveredFile { .. } | FileDragAndDrop::HoveredFileCanceled { .. } => {}
        }
    }
}

/// The window's own cross asks like the menu does.
fn close_button(mut requests: MessageReader<WindowCloseRequested>, mut queue: ResMut<ActionQueue>) {
    if requests.read().next().is_some() {
        requests.clear();
        queue.send(Action::Quit);
    }
}

/// Draws without pause while the clip plays, and only then.
fn pace(playback: Res<Playback>, notices: Res<Notices>, mut winit: ResMut<WinitSettings>) {
    let mode = match (playback.running, notices.next_expiry_secs()) {
        (Some(_), _) => UpdateMode::Continuous,
        // Wakes once, when the next notice may leave.
        (None, Some(secs)) => UpdateMode::reactive_low_power(Duration::from_secs_f32(secs.max(0.1))),
        (None, None) => idle_mode(),
    };
    if winit.focused_mode != mode {
        winit.focused_mode = mode;
        winit.unfocused_mode = mode;
    }
}

/// What a pass of the panels asked for is done in an update of its own, at once.
fn wake_for_actions(queue: Res<ActionQueue>, mut redraw: MessageWriter<RequestRedraw>) {
    if !queue.0.is_empty() {
        redraw.write(RequestRedraw);
    }
}

/// The clip's name in the title bar.
fn title(clip: Res<OpenClip>, mut windows: Query<&mut Window, With<PrimaryWindow>>) {
    if !clip.is_changed() {
        return;
    }
    let title = clip_title(&clip).map_or_else(|| "Label Hub".to_owned(), |name| format!("{name} – Label Hub"));
    for mut window in &mut windows {
        window.title.clone_from(&title);
    }
}
