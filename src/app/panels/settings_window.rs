//! Looks, model, keys, memory. What is not an action is asked of the window as a [`SettingsRequest`].

use bevy_egui::egui::{Button, ComboBox, Grid, RichText, ScrollArea, Slider, Ui};
use egui_phosphor::regular as icon;

use super::super::action::{Action, FileQuestion, Theme};
use super::super::facts::ModelState;
use super::super::input::Preset;
use super::UiContext;
use super::models_list::{Asking, ModelsView, models_ui};
use crate::engine::{DeviceChoice, ModelChoice, ModelSource, open_device};
use crate::models;
use crate::sam2::checkpoint::CheckpointSource;

/// What the settings ask for beyond actions.
#[derive(Debug, Clone, PartialEq)]
pub enum SettingsRequest {
    /// Takes a set of keys.
    Preset(Preset),
    /// The next key pressed is for this action.
    Rebind(Action),
    /// No key after all.
    CancelRebind,
    /// Takes the key from whoever has it.
    BindAnyway,
    /// Takes an action's keys away.
    Unbind(Action),
    /// Shows or hides the minimap.
    Minimap(bool),
    /// Memory for pictures, in MiB; from the next start.
    FrameCacheMb(u32),
}

/// What they show.
pub struct SettingsView<'a> {
    /// Size of the interface.
    pub ui_scale: f32,
    /// Opacity of fills relative to the default.
    pub fill_opacity: f32,
    /// Width of outlines relative to the default.
    pub outline_width: f32,
    /// No fills.
    pub outline_only: bool,
    /// Minimap while zoomed in.
    pub minimap: bool,
    /// Memory for pictures, in MiB.
    pub frame_cache_mb: u32,
    /// The model that was chosen.
    pub choice: Option<&'a ModelChoice>,
    /// What is known of it, or why it failed.
    pub model_text: String,
    /// The set of keys.
    pub preset: Preset,
    /// The action that waits for a key.
    pub rebinding: Option<&'a Action>,
    /// The key that was pressed, and what it does so far.
    pub clash: Option<String>,
    /// The models there are.
    pub models: ModelsView<'a>,
}

/// What the settings remember between passes.
#[derive(Debug, Default)]
pub struct SettingsState {
    /// The open tab.
    pub tab: SettingsTab,
    /// What is being asked about a model.
    pub asking: Option<Asking>,
}

/// The open tab.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum SettingsTab {
    /// Looks.
    #[default]
    Appearance,
    /// The model.
    Model,
    /// Keys.
    Keys,
}

/// Draws them.
pub fn settings_ui(
    ui: &mut Ui,
    cx: &UiContext,
    view: &SettingsView,
    state: &mut SettingsState,
    actions: &mut Vec<Action>,
    requests: &mut Vec<SettingsRequest>,
) {
    ui.horizontal(|ui| {
        for (each, name) in
            [(SettingsTab::Appearance, "Appearance"), (SettingsTab::Model, "Model"), (SettingsTab::Keys, "Keys")]
        {
            ui.selectable_value(&mut state.tab, each, name);
        }
    });
    ui.separator();
    match state.tab {
        SettingsTab::Appearance => appearance_ui(ui, cx, view, actions, requests),
        SettingsTab::Model => model_ui(ui, cx, view, &mut state.asking, actions),
        SettingsTab::Keys => keys_ui(ui, cx, view, requests),
    }
}

fn appearance_ui(
    ui: &mut Ui,
    cx: &UiContext,
    view: &SettingsView,
    actions: &mut Vec<Action>,
    requests: &mut Vec<SettingsRequest>,
) {
    Grid::new("appearance").num_columns(2).spacing([24.0, 8.0]).show(ui, |ui| {
        ui.label("Theme");
        ui.horizontal(|ui| {
            for (theme, name) in [(Theme::Dark, "Dark"), (Theme::Light, "Light")] {
                if ui.selectable_label(cx.theme == theme, name).clicked() {
                    actions.push(Action::SetTheme(theme));
                }
            }
        });
        ui.end_row();
        let mut slider = |ui: &mut Ui,
                          name: &str,
                          value: f32,
                          range: std::ops::RangeInclusive<f32>,
                          make: fn(f32) -> Action| {
            ui.label(name);
            let mut percent = value * 100.0;
            let range = range.start() * 100.0..=range.end() * 100.0;
            let response =
                ui.add(Slider::new(&mut percent, range).suffix(" %").step_by(5.0).update_while_editing(false));
            // The interface must not change its size under the hand that drags.
            let is_settled = !matches!(make(1.0), Action::SetUiScale(_)) || !response.dragged();
            if (response.changed() || response.drag_stopped()) && is_settled && (percent / 100.0 - value).abs() > 1e-3 {
                actions.push(make(percent / 100.0));
            }
            ui.end_row();
        };
        slider(ui, "Interface size", view.ui_scale, 0.75..=3.0, Action::SetUiScale);
        slider(ui, "Fill of masks", view.fill_opacity, 0.0..=2.0, Action::SetFillOpacity);
        slider(ui, "Outline of masks", view.outline_width, 0.0..=4.0, Action::SetOutlineWidth);
        ui.label("Outlines only");
        let mut outline_only = view.outline_only;
        if ui.checkbox(&mut outline_only, "").changed() {
            actions.push(Action::ToggleOutlineOnly);
        }
        ui.end_row();
        ui.label("Minimap while zoomed in");
        let mut minimap = view.minimap;
        if ui.checkbox(&mut minimap, "").changed() {
            requests.push(SettingsRequest::Minimap(minimap));
        }
        ui.end_row();
        ui.label("Memory for pictures");
        let mut mb = view.frame_cache_mb;
        let field =
            bevy_egui::egui::DragValue::new(&mut mb).range(64..=65_536).suffix(" MiB").update_while_editing(false);
        if ui.add(field).on_hover_text("From the next start").changed() {
            requests.push(SettingsRequest::FrameCacheMb(mb));
        }
        ui.end_row();
    });
}

/// The model: which one there is, how to get one, where and how sharp it runs.
fn model_ui(ui: &mut Ui, cx: &UiContext, view: &SettingsView, asking: &mut Option<Asking>, actions: &mut Vec<Action>) {
    let colour = match cx.facts.model {
        ModelState::Failed => cx.colours().red,
        ModelState::None => cx.colours().amber,
        ModelState::Loading | ModelState::Ready => cx.colours().text,
    };
    ui.label(RichText::new(&view.model_text).color(colour));
    if let Some(choice) = view.choice {
        ui.add_space(8.0);
        choice_ui(ui, choice, actions);
    }
    ui.add_space(8.0);
    ui.separator();
    ScrollArea::vertical().auto_shrink([false, false]).show(ui, |ui| {
        models_ui(ui, cx, &view.models, asking, actions);
        ui.add_space(8.0);
        ui.horizontal(|ui| {
            let load = Button::new(format!("{} Another file…", icon::FOLDER_OPEN));
            cx.action_widget(ui, load, Action::Ask(FileQuestion::OpenModel), actions);
            let test = ModelChoice { source: ModelSource::TestEngine, device: DeviceChoice::Cpu, resolution: None };
            cx.action_widget(ui, Button::new("Use the test engine"), Action::LoadModel(test), actions)
                .on_hover_text("It grows regions of one colour: good for trying the window, not for labelling");
            if cx.facts.model == ModelState::Failed {
                cx.action_widget(ui, Button::new("Try again"), Action::RetryModel, actions);
            }
        });
        let text = "Models by Meta, from their own address. Draft with a small one or a small picture size; \
                    \"Track everything again\" repeats it with a larger one from the same prompts.";
        ui.label(RichText::new(text).color(cx.colours().quiet));
    });
}

fn choice_ui(ui: &mut Ui, choice: &ModelChoice, actions: &mut Vec<Action>) {
    Grid::new("model").num_columns(2).spacing([24.0, 8.0]).show(ui, |ui| {
        ui.label("Weights");
        let (name, hint) = match &choice.source {
            ModelSource::TestEngine => ("test engine".to_owned(), None),
            ModelSource::Checkpoint(CheckpointSource::Embedded(model)) => {
                (model.name.to_owned(), Some(models::STARTER_NOTE.to_owned()))
            }
            ModelSource::Checkpoint(CheckpointSource::File(path)) => {
                let name = path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned();
                (name, Some(path.display().to_string()))
            }
        };
        let label = ui.label(super::top_bar::shorten(&name, 48));
        if let Some(hint) = hint {
            label.on_hover_text(hint);
        }
        ui.end_row();
        if choice.source == ModelSource::TestEngine {
            return;
        }
        if !matches!(choice.source, ModelSource::Checkpoint(CheckpointSource::Embedded(_))) {
            resolution_ui(ui, choice, actions);
        }
        ui.label("Device");
        ui.horizontal(|ui| {
            let mut devices = vec![(DeviceChoice::Auto, "automatic"), (DeviceChoice::Cpu, "processor")];
            if open_device(DeviceChoice::CpuBf16).is_ok() {
                devices.push((DeviceChoice::CpuF32, "processor, slower and a little more exact"));
            }
            if cfg!(feature = "cuda") {
                devices.push((DeviceChoice::Cuda(0), "CUDA"));
            }
            if cfg!(feature = "metal") {
                devices.push((DeviceChoice::Metal(0), "Metal"));
            }
            for (device, name) in devices {
                // Where bf16 was asked for by name, "processor" is the same.
                let is_chosen =
                    choice.device == device || (choice.device, device) == (DeviceChoice::CpuBf16, DeviceChoice::Cpu);
                if ui.selectable_label(is_chosen, name).clicked() && choice.device != device {
                    actions.push(Action::LoadModel(ModelChoice { device, ..choice.clone() }));
                }
            }
        });
        ui.end_row();
    });
}

/// Smaller pictures, for the published models: the one that ships is made for small ones.
fn resolution_ui(ui: &mut Ui, choice: &ModelChoice, actions: &mut Vec<Action>) {
    ui.label("Picture size");
    ui.horizontal(|ui| {
        for (resolution, name) in [(None, "full"), (Some(768), "768, quicker"), (Some(512), "512, a draft")] {
            if ui.selectable_label(choice.resolution == resolution, name).clicked() && choice.resolution != resolution {
                actions.push(Action::LoadModel(ModelChoice { resolution, ..choice.clone() }));
            }
        }
    });
    ui.end_row();
}

fn keys_ui(ui: &mut Ui, cx: &UiContext, view: &SettingsView, requests: &mut Vec<SettingsRequest>) {
    ui.horizontal(|ui| {
        ui.label("Keys as in");
        ComboBox::from_id_salt("preset").selected_text(view.preset.label()).width(200.0).show_ui(ui, |ui| {
            for preset in Preset::ALL {
                if ui.selectable_label(view.preset == preset, preset.label()).clicked() {
                    requests.push(SettingsRequest::Preset(preset));
                }
            }
        });
        if ui.button("Restore").on_hover_text("Takes this set of keys as it is").clicked() {
            requests.push(SettingsRequest::Preset(view.preset));
        }
    });
    if let Some(action) = view.rebinding {
        ui.horizontal(|ui| {
            let text = view.clash.clone().unwrap_or_else(|| format!("Press a key for \"{}\"…", action.label()));
            ui.label(RichText::new(text).color(cx.colours().amber));
            if view.clash.is_some() && ui.button("Use it here instead").clicked() {
                requests.push(SettingsRequest::BindAnyway);
            }
            if ui.button("Cancel").clicked() {
                requests.push(SettingsRequest::CancelRebind);
            }
        });
    }
    ui.separator();
    ScrollArea::vertical().auto_shrink([false, false]).show(ui, |ui| {
        Grid::new("bindings").num_columns(4).spacing([16.0, 4.0]).show(ui, |ui| {
            for action in Action::without_arguments() {
                ui.label(action.label());
                let keys = (cx.shortcut)(&action).unwrap_or_else(|| "–".to_owned());
                ui.label(RichText::new(keys).font(super::super::theme::figures()));
                if ui.small_button("Change").clicked() {
                    requests.push(SettingsRequest::Rebind(action.clone()));
                }
                if ui.small_button("None").on_hover_text("Takes its keys away").clicked() {
                    requests.push(SettingsRequest::Unbind(action.clone()));
                }
                ui.end_row();
            }
        });
    });
}
