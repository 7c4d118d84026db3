//! The bar at the top: the clip, undo, the one big verb and its progress, the ways to everything else.

use std::path::PathBuf;

use bevy_egui::egui::{Align, Button, Layout, ProgressBar, RichText, Ui, Vec2};
use egui_phosphor::regular as icon;

use super::super::action::{Action, FileQuestion, Panel, TrackScope};
use super::UiContext;
use crate::engine::TrackDirection;

/// What it shows.
pub struct TopBarView<'a> {
    /// The open clip's name.
    pub clip_name: Option<String>,
    /// The open clip's video streams, where there are several.
    pub streams: Vec<StreamRow>,
    /// Clips opened last.
    pub recent: &'a [PathBuf],
    /// The run.
    pub progress: Option<ProgressView>,
    /// What tracking would take, asked for while the button is hovered.
    pub cost: &'a dyn Fn() -> Option<String>,
    /// Files written and to be written, while masks are saved.
    pub saving: Option<(usize, usize)>,
    /// Frames done and to do while a dataset is written or read; to do is 0 while it is not known.
    pub exporting: Option<(u64, u64)>,
    /// Errors in the log that nobody has looked at.
    pub has_errors: bool,
}

/// A video stream of the open clip.
pub struct StreamRow {
    /// Its number and what it is like.
    pub name: String,
    /// Opens it.
    pub show: Action,
    /// Whether it is on screen.
    pub is_shown: bool,
}

/// How a run goes.
pub struct ProgressView {
    /// Frames done.
    pub done: u32,
    /// Frames to do.
    pub total: u32,
    /// Speed, once there is one.
    pub frames_per_sec: Option<f32>,
    /// Time left, once it can be told.
    pub secs_left: Option<f32>,
    /// What is tracked.
    pub name: String,
}

/// Height of the bar, in points.
pub const TOP_BAR_HEIGHT: f32 = 40.0;

/// Draws it.
pub fn top_bar_ui(ui: &mut Ui, cx: &UiContext, view: &TopBarView, actions: &mut Vec<Action>) {
    ui.horizontal_centered(|ui| {
        file_menu(ui, cx, view, actions);
        ui.separator();
        undo_buttons(ui, cx, actions);
        ui.separator();
        match &view.progress {
            Some(progress) => progress_ui(ui, cx, progress, actions),
            None => track_button(ui, cx, view.cost, actions),
        }
        if let Some((written, total)) = view.saving {
            ui.label(RichText::new(format!("Masks {written} / {total}")).font(super::super::theme::figures()));
            cx.icon_button(ui, icon::X, Action::StopSaving, actions);
        }
        if let Some((done, total)) = view.exporting {
            let total = if total > 0 { format!(" / {total}") } else { String::new() };
            ui.label(RichText::new(format!("Dataset {done}{total}")).font(super::super::theme::figures()));
            cx.icon_button(ui, icon::X, Action::StopExport, actions);
        }
        ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
            cx.icon_button(ui, icon::QUESTION, Action::TogglePanel(Panel::Help), actions);
            cx.icon_button(ui, icon::COMMAND, Action::TogglePanel(Panel::CommandPalette), actions);
            cx.icon_button(ui, icon::GEAR_SIX, Action::TogglePanel(Panel::Settings), actions);
            let log = if view.has_errors { icon::WARNING_CIRCLE } else { icon::LIST_BULLETS };
            cx.icon_button(ui, log, Action::TogglePanel(Panel::Log), actions);
        });
    });
}

fn file_menu(ui: &mut Ui, cx: &UiContext, view: &TopBarView, actions: &mut Vec<Action>) {
    let name = view.clip_name.as_deref().unwrap_or("File");
    let shown = shorten(name, 32);
    let response = ui.menu_button(format!("{shown} {}", icon::CARET_DOWN), |ui| {
        cx.menu_item(ui, "Open video…", Action::Ask(FileQuestion::OpenClip), actions);
        cx.menu_item(ui, "Open folder of images…", Action::Ask(FileQuestion::OpenFolder), actions);
        if !view.recent.is_empty() {
            ui.menu_button("Recent", |ui| {
                for path in view.recent {
                    let name = path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned();
                    cx.menu_item(ui, shorten(&name, 48), Action::Open(path.clone()), actions);
                }
            });
        }
        if !view.streams.is_empty() {
            ui.menu_button("Video stream", |ui| {
                for StreamRow { name, show, is_shown } in &view.streams {
                    if *is_shown {
                        ui.add_enabled(false, Button::new(format!("{name}, shown")));
                    } else {
                        cx.menu_item(ui, name.clone(), show.clone(), actions);
                    }
                }
            });
        }
        cx.menu_item(ui, "Next clip in this folder", Action::NextClip, actions);
        cx.menu_item(ui, "Open the sample", Action::OpenSample, actions);
        ui.separator();
        cx.menu_item(ui, "Save masks as .npy…", Action::Ask(FileQuestion::SaveMasksTo), actions);
        cx.menu_item(ui, "Save masks as .npy beside the clip", Action::SaveMasks, actions);
        cx.menu_item(ui, "Save a copy of the project…", Action::Ask(FileQuestion::SaveProjectCopy), actions);
        ui.separator();
        cx.menu_item(ui, "Export…", Action::TogglePanel(Panel::Export), actions);
        cx.menu_item(ui, "Import labels from a file…", Action::Ask(FileQuestion::ImportLabels), actions);
        cx.menu_item(ui, "Import labels from a folder…", Action::Ask(FileQuestion::ImportLabelsFolder), actions);
        cx.menu_item(ui, "Import class list…", Action::Ask(FileQuestion::ImportClasses), actions);
        ui.separator();
        cx.menu_item(ui, "Load model…", Action::Ask(FileQuestion::OpenModel), actions);
        cx.menu_item(ui, "Settings…", Action::TogglePanel(Panel::Settings), actions);
        ui.separator();
        cx.menu_item(ui, "Reset all", Action::ResetAll, actions);
        cx.menu_item(ui, "Quit", Action::Quit, actions);
    });
    if shown != name {
        response.response.on_hover_text(name);
    }
}

/// The beginning of a name that is too long.
pub(super) fn shorten(name: &str, most: usize) -> String {
    if name.chars().count() <= most {
        return name.to_owned();
    }
    name.chars().take(most - 1).chain(['…']).collect()
}

fn undo_buttons(ui: &mut Ui, cx: &UiContext, actions: &mut Vec<Action>) {
    let undo = cx.icon_button(ui, icon::ARROW_U_UP_LEFT, Action::Undo, actions);
    if let Some(what) = &cx.facts.undo {
        undo.on_hover_text(format!("Takes back: {what}"));
    }
    let redo = cx.icon_button(ui, icon::ARROW_U_UP_RIGHT, Action::Redo, actions);
    if let Some(what) = &cx.facts.redo {
        redo.on_hover_text(format!("Makes again: {what}"));
    }
}

fn track_button(ui: &mut Ui, cx: &UiContext, cost: &dyn Fn() -> Option<String>, actions: &mut Vec<Action>) {
    let action = Action::Track(TrackScope::StaleOrMissing);
    let is_possible = action.unavailable_because(cx.facts).is_none();
    let mut text = RichText::new("Track").size(14.0).strong();
    let fill = is_possible.then(|| ui.visuals().hyperlink_color);
    if is_possible {
        text = text.color(cx.colours().on_accent);
    }
    let mut button = Button::new(text).min_size(Vec2::new(88.0, 28.0));
    if let Some(fill) = fill {
        button = button.fill(fill);
    }
    let button = cx.action_widget(ui, button, action, actions);
    if is_possible
        && button.hovered()
        && let Some(cost) = cost()
    {
        button.on_hover_text(cost);
    }
    ui.menu_button(icon::CARET_DOWN, |ui| {
        use TrackDirection::{Backward, Both, Forward};
        for (text, scope) in [
            ("Stale or missing, whole range", TrackScope::StaleOrMissing),
            ("Damaged frames too", TrackScope::DamagedToo),
            ("Forward from here", TrackScope::From(Forward)),
            ("Backward from here", TrackScope::From(Backward)),
            ("Both ways, whole range", TrackScope::From(Both)),
            ("This frame only", TrackScope::ThisFrame),
            ("Everything again, with this model", TrackScope::Anew),
        ] {
            cx.menu_item(ui, text, Action::Track(scope), actions);
        }
        ui.separator();
        ui.label(RichText::new("Selected object only").small());
        for (text, scope) in [
            ("Stale or missing", TrackScope::StaleOrMissing),
            ("Damaged frames too", TrackScope::DamagedToo),
            ("Forward from here", TrackScope::From(Forward)),
            ("Backward from here", TrackScope::From(Backward)),
            ("This frame", TrackScope::ThisFrame),
            ("Everything again, with this model", TrackScope::Anew),
        ] {
            cx.menu_item(ui, text, Action::TrackSelected(scope), actions);
        }
    })
    .response
    .on_hover_text("What to track");
}

fn progress_ui(ui: &mut Ui, cx: &UiContext, view: &ProgressView, actions: &mut Vec<Action>) {
    let share = if view.total == 0 { 0.0 } else { view.done as f32 / view.total as f32 };
    let figures = super::super::theme::figures();
    ui.add(ProgressBar::new(share).fill(cx.colours().accent).desired_width(160.0).desired_height(12.0))
        .on_hover_text(&view.name);
    let count = if view.total == 0 { "starting…".to_owned() } else { format!("{} / {}", view.done, view.total) };
    ui.label(RichText::new(count).font(figures.clone()));
    if let Some(speed) = view.frames_per_sec {
        ui.label(RichText::new(format!("{speed:.1} fps")).font(figures.clone()));
    }
    if let Some(secs) = view.secs_left {
        ui.label(RichText::new(format!("{} left", clock(secs))).font(figures));
    }
    let stop = Button::new(format!("{} Stop", icon::STOP));
    cx.action_widget(ui, stop, Action::StopTracking, actions);
}

/// Seconds as people read them.
pub fn clock(secs: f32) -> String {
    let whole = secs.max(0.0).round() as u64;
    let (hours, minutes, seconds) = (whole / 3600, whole / 60 % 60, whole % 60);
    if hours > 0 { format!("{hours}:{minutes:02}:{seconds:02}") } else { format!("{minutes}:{seconds:02}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_short() {
        for (secs, text) in [(0.4, "0:00"), (59.6, "1:00"), (167.0, "2:47"), (3723.0, "1:02:03")] {
            assert_eq!(clock(secs), text);
        }
    }
}
