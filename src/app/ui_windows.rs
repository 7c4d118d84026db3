//! Windows over the window: palette, keys, settings, log, and the dialog of files.

use std::path::Path;

use bevy::prelude::*;
use bevy_egui::egui::{self, Align2, Vec2 as EguiVec};
use egui_file_dialog::{FileDialog, Filter};

use super::action::{Action, FileQuestion, Panel};
use super::export::default_folder;
use super::input::{Clash, KeyChord, Keymap, search};
use super::keyboard::KeyPress;
use super::labels::Classes;
use super::model_files::{ModelFiles, terms};
use super::notices::{Notices, Severity};
use super::panels::UiContext;
use super::panels::export_window::{ExportView, export_ui};
use super::panels::help_window::help_ui;
use super::panels::models_list::{ModelRow, ModelsView};
use super::panels::notices_panel::log_ui;
use super::panels::palette_window::{PaletteState, palette_ui};
use super::panels::settings_window::{SettingsRequest, SettingsView, settings_ui};
use super::settings::Settings;
use super::state::{Model, ModelStatus, OpenClip, Selection, Windows};
use super::theme;
use super::ui::UiState;
use crate::engine::{ModelChoice, ModelSource};
use crate::folders;
use crate::models::{Origin, Registry};
use crate::store::PROJECT_EXTENSION;
use crate::video::is_video_name;

/// A dialog of files and what its answer is for.
pub(super) struct Dialog {
    question: FileQuestion,
    dialog: FileDialog,
}

/// A key is being given to an action.
pub(super) struct Rebinding {
    action: Action,
    /// The key that was pressed and belongs to another action.
    taken: Option<(KeyChord, Action)>,
}

/// The open window, if any.
pub(super) fn windows(
    ctx: &egui::Context,
    world: &mut World,
    cx: &UiContext,
    state: &mut UiState,
    actions: &mut Vec<Action>,
) {
    let Some(panel) = world.resource::<Windows>().panel else {
        state.rebinding = None;
        // The next search begins with nothing.
        state.palette = PaletteState::default();
        return;
    };
    let (title, size) = match panel {
        Panel::CommandPalette => ("Commands", EguiVec::new(520.0, 360.0)),
        Panel::Help => ("Keys", EguiVec::new(880.0, 520.0)),
        Panel::Settings => ("Settings", EguiVec::new(760.0, 480.0)),
        Panel::Log => ("Log", EguiVec::new(640.0, 400.0)),
        Panel::Export => ("Export", EguiVec::new(640.0, 380.0)),
    };
    let mut is_open = true;
    let room = ctx.viewport_rect().size() - EguiVec::splat(48.0);
    let window = egui::Window::new(title).id(egui::Id::new(title)).open(&mut is_open).collapsible(false);
    // In the middle when it is full. Its top stays where it is when there is less in it: tabs and the field that is typed
    // in do not move away.
    let size = size.min(room);
    let top = EguiVec::new(0.0, ((room.y - size.y) / 2.0).round());
    let window = window.resizable(false).fixed_size(size).anchor(Align2::CENTER_TOP, top);
    window.show(ctx, |ui| match panel {
        Panel::CommandPalette => {
            let mut all = Action::without_arguments();
            all.extend(class_actions(world));
            if let Some(action) = palette_ui(ui, cx, &mut state.palette, &|query| search(query, &all)) {
                actions.push(Action::TogglePanel(Panel::CommandPalette));
                actions.push(action);
            }
        }
        Panel::Help => help_ui(ui, cx, &mut state.help_filter),
        Panel::Settings => settings(ui, world, cx, state, actions),
        Panel::Log => log_ui(ui, cx, world.resource::<Notices>()),
        Panel::Export => {
            if let Some(folder) = world.resource_mut::<Windows>().export_folder.take() {
                state.export.set_folder(folder);
            }
            match world.resource::<OpenClip>().clip().cloned() {
                Some(clip) => {
                    let folder = |format| default_folder(&state.exports, clip.path(), clip.chosen_stream(), format);
                    let stale = |object, frames| state.lanes.stale(object, frames);
                    let view = ExportView { proposed: &folder, stale: &stale };
                    export_ui(ui, cx, &view, &mut state.export, actions);
                }
                None => drop(ui.label("No clip is open.")),
            }
        }
    });
    if !is_open {
        actions.push(Action::TogglePanel(panel));
    }
}

/// What the palette offers besides: the classes of the list, for the selected object.
fn class_actions(world: &World) -> impl Iterator<Item = Action> + '_ {
    let selected = world.resource::<Selection>().0;
    let classes = world.resource::<Classes>().0.iter();
    selected.into_iter().flat_map(move |id| {
        let listed = classes.clone().map(move |class| Action::SetClass(id, Some(class.clone())));
        listed.chain([Action::SetClass(id, None)])
    })
}

fn settings(ui: &mut egui::Ui, world: &mut World, cx: &UiContext, state: &mut UiState, actions: &mut Vec<Action>) {
    let mut requests = Vec::new();
    {
        let settings = world.resource::<Settings>();
        let model = world.resource::<Model>();
        let clash = state.rebinding.as_ref().and_then(|rebinding| {
            let (chord, holder) = rebinding.taken.as_ref()?;
            Some(format!("{chord} is \"{}\" already.", holder.label()))
        });
        let view = SettingsView {
            ui_scale: settings.ui_scale,
            fill_opacity: settings.fill_opacity,
            outline_width: settings.outline_width,
            outline_only: settings.outline_only,
            minimap: settings.minimap,
            frame_cache_mb: settings.frame_cache_mb,
            choice: model.choice.as_ref(),
            model_text: model_text(model),
            preset: world.resource::<Keymap>().preset_name(),
            rebinding: state.rebinding.as_ref().map(|rebinding| &rebinding.action),
            clash,
            models: models_view(world),
        };
        settings_ui(ui, cx, &view, &mut state.settings, actions, &mut requests);
    }
    for request in requests {
        take_request(world, state, request);
    }
}

fn models_view(world: &World) -> ModelsView<'_> {
    let (files, model) = (world.resource::<ModelFiles>(), world.resource::<Model>());
    let in_use = model.choice.as_ref().and_then(|choice| files.id_of(choice));
    // What was measured on another device is no help on this one.
    let device = match &model.status {
        ModelStatus::Ready(info) => Some(info.device.as_str()),
        ModelStatus::None | ModelStatus::Loading(_) | ModelStatus::Failed(_) => None,
    };
    let rows = Registry::builtin().entries().iter().map(|entry| {
        let file = files.file(&entry.id);
        let megabytes = match entry.origin {
            Origin::Program => None,
            Origin::Published { about_bytes, .. } => Some(about_bytes as f64 / 1e6),
        };
        ModelRow {
            id: &entry.id,
            good_for: &entry.good_for,
            megabytes,
            is_here: file.is_some() || entry.origin == Origin::Program,
            is_in_use: in_use == Some(entry.id.as_str()),
            speed: device.and_then(|device| files.speed(&entry.id, device)),
            terms: files.folder.as_ref().and_then(|folder| terms(entry, folder)),
        }
    });
    ModelsView { rows: rows.collect(), job: files.job() }
}

fn model_text(model: &Model) -> String {
    match &model.status {
        ModelStatus::None => "No model is loaded: you can open, play and paint, but not click or track.".to_owned(),
        ModelStatus::Loading(_) => "The model is being loaded…".to_owned(),
        ModelStatus::Ready(info) => match info.resolution {
            Some(resolution) => format!("{} is ready on {}, at {resolution} pixels.", info.name, info.device),
            None => format!("{} is ready on {}.", info.name, info.device),
        },
        ModelStatus::Failed(reason) => reason.clone(),
    }
}

fn take_request(world: &mut World, state: &mut UiState, request: SettingsRequest) {
    match request {
        SettingsRequest::Preset(preset) => {
            put_own_keys_aside(world);
            world.insert_resource(Keymap::preset(preset));
        }
        SettingsRequest::Rebind(action) => {
            state.rebinding = Some(Rebinding { action, taken: None });
            return;
        }
        SettingsRequest::CancelRebind => {
            state.rebinding = None;
            return;
        }
        SettingsRequest::BindAnyway => {
            if let Some(Rebinding { action, taken: Some((chord, _)) }) = state.rebinding.take() {
                let mut keymap = world.resource_mut::<Keymap>();
                keymap.unbind(&action);
                keymap.bind_anyway(&action, chord);
            }
        }
        SettingsRequest::Unbind(action) => world.resource_mut::<Keymap>().unbind(&action),
        SettingsRequest::Minimap(minimap) => {
            world.resource_mut::<Settings>().minimap = minimap;
            return;
        }
        SettingsRequest::FrameCacheMb(mb) => {
            world.resource_mut::<Settings>().frame_cache_mb = mb;
            return;
        }
    }
    keep_keys(world);
}

/// A preset takes the place of all own keys: they stay in a file.
fn put_own_keys_aside(world: &mut World) {
    let Some(folder) = folders::config_folder() else { return };
    let (severity, text) = match world.resource::<Keymap>().put_aside(&folder) {
        Ok(None) => return,
        Ok(Some(path)) => {
            let text = format!("Your own keys are in {}; rename it to keys.toml to bring them back.", path.display());
            (Severity::Info, text)
        }
        Err(error) => (Severity::Warning, format!("Your own keys could not be put aside: {error}")),
    };
    world.resource_mut::<Notices>().push(severity, text, Vec::new());
}

/// Writes the keys down; an action nobody can do without must not lose its last key unnoticed.
fn keep_keys(world: &mut World) {
    let keymap = world.resource::<Keymap>();
    let mut messages: Vec<String> =
        keymap.missing_essentials().iter().map(|action| format!("\"{}\" has no key now.", action.label())).collect();
    if let Some(folder) = folders::config_folder()
        && let Err(error) = keymap.save(&folder)
    {
        messages.push(error.to_string());
    }
    for message in messages {
        world.resource_mut::<Notices>().push(Severity::Warning, message, Vec::new());
    }
}

/// While an action waits for a key, the next press is that key. True when it waits.
pub(super) fn take_rebinding_key(presses: &[KeyPress], world: &mut World, state: &mut UiState) -> bool {
    let Some(rebinding) = &mut state.rebinding else { return false };
    let pressed = presses.iter().find(|press| press.is_pressed && !press.is_repeat);
    let pressed = pressed.map(|press| (press.key, press.modifiers));
    match pressed {
        None => {}
        Some((egui::Key::Escape, _)) => state.rebinding = None,
        Some((key, modifiers)) => {
            let chord = KeyChord::pressed(key, modifiers);
            let mut keymap = world.resource_mut::<Keymap>();
            let holder = keymap.action_for(key, modifiers).filter(|holder| *holder != rebinding.action);
            match holder {
                Some(holder) => rebinding.taken = Some((chord, holder)),
                None => {
                    keymap.unbind(&rebinding.action);
                    let bound = keymap.bind(&rebinding.action, chord);
                    debug_assert!(!matches!(bound, Err(Clash { .. })), "nobody held the key");
                    state.rebinding = None;
                    keep_keys(world);
                }
            }
        }
    }
    true
}

/// The dialog of files: opened when somebody asked, answered as an action.
pub(super) fn show_dialog(ctx: &egui::Context, world: &mut World, state: &mut UiState, actions: &mut Vec<Action>) {
    if let Some(question) = world.resource_mut::<Windows>().question.take() {
        state.dialog = Some(open_dialog(question, world, ctx.viewport_rect()));
    }
    let Some(Dialog { question, dialog }) = &mut state.dialog else { return };
    // It writes with the colour that others have behind text.
    let style = ctx.global_style();
    ctx.global_style_mut(|style| theme::strong_selection(&mut style.visuals, world.resource::<Settings>().theme));
    dialog.update(ctx);
    ctx.set_global_style(style);
    if let Some(path) = dialog.take_picked() {
        actions.push(match question {
            FileQuestion::OpenClip | FileQuestion::OpenFolder => Action::Open(path),
            FileQuestion::OpenModel => Action::LoadModel(ModelChoice {
                source: ModelSource::Checkpoint(path.into()),
                device: world.resource::<Model>().device(),
                resolution: None,
            }),
            FileQuestion::ImportClasses => Action::ImportClasses(path),
            FileQuestion::SaveMasksTo => Action::SaveMasksTo(path),
            FileQuestion::SaveProjectCopy => Action::SaveProjectCopy(path),
            FileQuestion::ExportTo => Action::SetExportFolder(path),
            FileQuestion::ImportLabels | FileQuestion::ImportLabelsFolder => Action::ImportLabels(path),
        });
        state.dialog = None;
    } else if *dialog.state() != egui_file_dialog::DialogState::Open {
        state.dialog = None;
    }
}

fn open_dialog(question: FileQuestion, world: &World, window: egui::Rect) -> Dialog {
    let clip = world.resource::<OpenClip>().clip().map(|clip| clip.path().to_owned());
    let last = clip.or_else(|| world.resource::<Settings>().recent.first().cloned());
    let folder = last.as_deref().and_then(Path::parent).filter(|folder| folder.is_dir()).map(Path::to_owned);
    let (title, wants_folder) = match question {
        FileQuestion::OpenClip => ("Open video", false),
        FileQuestion::OpenFolder => ("Open folder of images", true),
        FileQuestion::OpenModel => ("Load model", false),
        FileQuestion::ImportClasses => ("Import class list", false),
        FileQuestion::SaveMasksTo => ("Save masks to", true),
        FileQuestion::SaveProjectCopy => ("Save a copy of the project", false),
        FileQuestion::ExportTo => ("Export to a new folder", false),
        FileQuestion::ImportLabels => ("Import labels", false),
        FileQuestion::ImportLabelsFolder => ("Import labels from a folder", true),
    };
    let size = EguiVec::new(760.0, 480.0);
    let place = window.center() - (size + EguiVec::splat(48.0)) / 2.0;
    let mut dialog = FileDialog::new().title(title).default_size(size).default_pos(place.max(window.min));
    if let Some(folder) = folder {
        dialog = dialog.initial_directory(folder);
    }
    dialog = match question {
        FileQuestion::OpenClip => {
            dialog.add_file_filter(CLIPS, Filter::new(is_clip_or_project)).default_file_filter(CLIPS)
        }
        FileQuestion::OpenModel => {
            dialog.add_file_filter_extensions("Models", vec!["pt", "safetensors"]).default_file_filter("Models")
        }
        FileQuestion::ImportClasses => dialog.add_file_filter_extensions("Text", vec!["txt"]),
        FileQuestion::SaveProjectCopy => dialog.default_file_name(&copy_name(world)),
        FileQuestion::ExportTo => dialog.default_file_name("dataset"),
        FileQuestion::OpenFolder
        | FileQuestion::SaveMasksTo
        | FileQuestion::ImportLabels
        | FileQuestion::ImportLabelsFolder => dialog,
    };
    if matches!(question, FileQuestion::SaveProjectCopy | FileQuestion::ExportTo) {
        dialog.save_file();
    } else if wants_folder {
        dialog.pick_directory();
    } else {
        dialog.pick_file();
    }
    Dialog { question, dialog }
}

/// What is listed when a clip is to be opened, until somebody chooses all files.
const CLIPS: &str = "Videos and projects";

fn is_clip_or_project(path: &Path) -> bool {
    is_video_name(path) || path.extension().is_some_and(|ending| ending == PROJECT_EXTENSION)
}

/// What a copy of the open project is called unless somebody says otherwise.
fn copy_name(world: &World) -> String {
    let handle = world.resource::<super::project::Project>().handle.as_ref();
    let name = handle.and_then(|handle| handle.path().file_name());
    name.map_or_else(|| "copy.labelhub".to_owned(), |name| format!("copy of {}", name.to_string_lossy()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clips_and_projects_are_listed_and_not_what_lies_beside_them() {
        for (name, is_listed) in [
            ("clip.MP4", true),
            ("clip.mp4.labelhub", true),
            ("clip.mp4.labelhub-wal", false),
            ("clip.mp4.labelhub-shm", false),
            ("clip.mp4.labelhub.lock", false),
            ("0_1.npy", false),
        ] {
            assert_eq!(is_clip_or_project(Path::new(name)), is_listed, "{name}");
        }
    }
}
