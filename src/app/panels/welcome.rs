//! What stands where the picture will be: no clip yet, or one that is being read.

use std::path::{Path, PathBuf};

use bevy_egui::egui::{Align, Button, Layout, ProgressBar, RichText, Ui, Vec2};
use egui_phosphor::regular as icon;

use super::super::action::{Action, FileQuestion, Panel};
use super::super::facts::ModelState;
use super::UiContext;
use crate::label::counted;

/// Width of the column, in points.
const COLUMN_WIDTH: f32 = 360.0;

/// Without a clip. `recent` are the clips opened last and whether they are still there.
pub fn welcome_ui(ui: &mut Ui, cx: &UiContext, recent: &[(PathBuf, bool)], actions: &mut Vec<Action>) {
    column(ui, 340.0 + recent.len().min(6) as f32 * 28.0, |ui| {
        ui.label(RichText::new(icon::FILM_STRIP).size(40.0).color(cx.colours().quiet));
        ui.heading("Drop a video here");
        ui.label(RichText::new("or a folder of images").color(cx.colours().quiet));
        ui.add_space(8.0);
        let wide = Vec2::new(COLUMN_WIDTH, 32.0);
        let open = Button::new(RichText::new("Open video…").color(cx.colours().on_accent)).fill(cx.colours().accent);
        cx.action_widget(ui, open.min_size(wide), Action::Ask(FileQuestion::OpenClip), actions);
        let folder = Button::new("Open folder of images…").min_size(wide);
        cx.action_widget(ui, folder, Action::Ask(FileQuestion::OpenFolder), actions);
        cx.action_widget(ui, Button::new("Try the sample").min_size(wide), Action::OpenSample, actions);
        if !recent.is_empty() {
            ui.add_space(16.0);
            ui.label(RichText::new("RECENT").small().color(cx.colours().quiet));
            for (path, is_there) in recent.iter().take(6) {
                recent_ui(ui, path, *is_there, actions);
            }
        }
        if cx.facts.model == ModelState::None {
            ui.add_space(16.0);
            let text = "No model is loaded yet. You can open, play and paint without one.";
            ui.label(RichText::new(text).color(cx.colours().quiet));
            let settings = Button::new("How to get one").min_size(wide);
            cx.action_widget(ui, settings, Action::TogglePanel(Panel::Settings), actions);
        }
    });
}

fn recent_ui(ui: &mut Ui, path: &Path, is_there: bool, actions: &mut Vec<Action>) {
    let name = path.file_name().unwrap_or(path.as_os_str()).to_string_lossy();
    let button = Button::new(super::top_bar::shorten(&name, 48)).frame(false).min_size(Vec2::new(COLUMN_WIDTH, 24.0));
    let response = ui.add_enabled(is_there, button).on_hover_text(path.display().to_string());
    if response.on_disabled_hover_text(format!("{} is not there any more", path.display())).clicked() {
        actions.push(Action::Open(path.to_owned()));
    }
}

/// While a clip is being read.
pub struct OpeningView {
    /// The file's name.
    pub name: String,
    /// Frames found so far.
    pub frames: Option<u32>,
    /// Share of the file read, where it is known.
    pub fraction: Option<f32>,
}

/// Draws it.
pub fn opening_ui(ui: &mut Ui, cx: &UiContext, view: &OpeningView, actions: &mut Vec<Action>) {
    column(ui, 150.0, |ui| {
        ui.heading(format!("Reading {}", super::top_bar::shorten(&view.name, 40)));
        let frames = view
            .frames
            .map_or_else(|| "opening…".to_owned(), |frames| format!("{} found so far", counted(frames, "frame")));
        ui.label(RichText::new(frames).color(cx.colours().quiet));
        if let Some(fraction) = view.fraction {
            ui.add(
                ProgressBar::new(fraction).fill(cx.colours().accent).desired_width(COLUMN_WIDTH).desired_height(8.0),
            );
        }
        ui.add_space(8.0);
        if ui.button("Cancel").on_hover_text("Stop reading; a clip that was open comes back").clicked() {
            actions.push(Action::Cancel);
        }
    });
}

/// A column in the middle of the canvas.
fn column(ui: &mut Ui, height: f32, contents: impl FnOnce(&mut Ui)) {
    let above = ((ui.available_height() - height) / 2.0).max(8.0);
    ui.add_space(above);
    ui.with_layout(Layout::top_down(Align::Center), |ui| {
        ui.set_max_width(COLUMN_WIDTH);
        contents(ui);
    });
}
