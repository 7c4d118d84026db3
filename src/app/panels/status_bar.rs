//! The line at the bottom: what the next click does, and how clip, model and memory stand.

use bevy_egui::egui::{Align, Layout, RichText, Ui};

use super::super::action::{Action, Panel, Tool};
use super::super::facts::{AppFacts, ClipState, ModelState};
use super::UiContext;
use crate::label::Prompt;

/// What it shows at the right.
pub struct StatusView {
    /// Masks that were written out, in words.
    pub exported: Option<String>,
    /// How safe the labels are.
    pub kept: Kept,
    /// The model and its device.
    pub model: String,
    /// The test engine is no model.
    pub is_test_engine: bool,
    /// Memory in use.
    pub memory: Option<String>,
}

/// How the labels are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kept {
    /// There is no project.
    Nothing,
    /// All in the file.
    Saved,
    /// On their way.
    Saving,
    /// Not written, and tried again.
    Failed,
    /// The project is open for reading only.
    ReadOnly,
}

/// Height of the bar, in points.
pub const STATUS_HEIGHT: f32 = 24.0;

/// Draws it.
pub fn status_bar_ui(ui: &mut Ui, cx: &UiContext, view: &StatusView, actions: &mut Vec<Action>) {
    ui.horizontal_centered(|ui| {
        ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
            if let Some(memory) = &view.memory {
                ui.label(RichText::new(memory).small().color(cx.colours().quiet)).on_hover_text("Memory in use");
            }
            let mut model = RichText::new(&view.model).small();
            model = match cx.facts.model {
                ModelState::Failed => model.color(ui.visuals().error_fg_color),
                ModelState::None => model.color(ui.visuals().warn_fg_color),
                ModelState::Ready if view.is_test_engine => model.color(ui.visuals().warn_fg_color),
                ModelState::Ready | ModelState::Loading => model.color(cx.colours().quiet),
            };
            let response = ui.link(model).on_hover_text("Choose another model in the settings");
            if response.clicked() {
                actions.push(Action::TogglePanel(Panel::Settings));
            }
            let (kept, colour, why) = match view.kept {
                Kept::Nothing => ("", cx.colours().quiet, ""),
                Kept::Saved => ("saved", cx.colours().quiet, "Everything is in the project file"),
                Kept::Saving => ("saving…", cx.colours().quiet, "The last changes are on their way to the disk"),
                Kept::Failed => ("not saved", cx.colours().red, "The disk refused; it is tried again and again"),
                Kept::ReadOnly => {
                    ("read-only", cx.colours().amber, "The project cannot be written; save a copy to go on")
                }
            };
            if !kept.is_empty() {
                ui.label(RichText::new(kept).small().color(colour)).on_hover_text(why);
            }
            if let Some(exported) = &view.exported {
                ui.label(RichText::new(exported).small().color(cx.colours().quiet));
            }
            ui.with_layout(Layout::left_to_right(Align::Center), |ui| {
                ui.add(bevy_egui::egui::Label::new(next_click_hint(cx.facts, cx.shortcut)).truncate());
            });
        });
    });
}

/// What the next click on the picture does; `shortcut` names the key of an action.
pub fn next_click_hint(facts: &AppFacts, shortcut: &dyn Fn(&Action) -> Option<String>) -> String {
    match facts.clip {
        ClipState::None => return "Open a video, or drop one here.".to_owned(),
        ClipState::Opening => return "Reading the clip…".to_owned(),
        ClipState::Open => {}
    }
    let changes_labels = match facts.tool {
        Tool::Select => false,
        Tool::Points | Tool::Box | Tool::Brush | Tool::Eraser => true,
    };
    if changes_labels && facts.is_read_only {
        return "This project can only be read: save a copy of it and open that to change labels.".to_owned();
    }
    if changes_labels && facts.is_selected_locked {
        return "This object is locked: unlock it in the list to change it.".to_owned();
    }
    if changes_labels && facts.is_approved_here {
        let how =
            shortcut(&Action::ToggleApproved).map_or_else(|| "take that back".to_owned(), |key| format!("press {key}"));
        return format!("This frame is approved: {how} to change it again.");
    }
    let whose = if facts.selected.is_some() { "the selected object" } else { "a new object" };
    let sizes = shortcut(&Action::BrushSmaller).zip(shortcut(&Action::BrushLarger));
    let sizes =
        |what: &str| sizes.as_ref().map_or_else(String::new, |(s, l)| format!(" {s} and {l} change the {what}."));
    let hint = match facts.tool {
        Tool::Select => "Click an object to select it.".to_owned(),
        Tool::Points => points_hint(facts, whose),
        Tool::Box => format!("Drag a box around {whose}."),
        Tool::Brush => format!("Paint {whose}.{}", sizes("brush")),
        Tool::Eraser => format!("Erase from {whose}.{}", sizes("eraser")),
    };
    // Selecting and painting need no model.
    let asks_model = match facts.tool {
        Tool::Points | Tool::Box => true,
        Tool::Select | Tool::Brush | Tool::Eraser => false,
    };
    match facts.model {
        ModelState::Loading if asks_model => format!("{hint} The model is loading; clicks wait for it."),
        ModelState::None if asks_model => format!("{hint} No model is loaded; clicks wait for one."),
        ModelState::Failed if asks_model => format!("{hint} The model failed; clicks wait for another."),
        ModelState::Ready | ModelState::Loading | ModelState::None | ModelState::Failed => hint,
    }
}

fn points_hint(facts: &AppFacts, whose: &str) -> String {
    match facts.prompt_here.as_deref() {
        Some(Prompt::Mask(_)) => "Click to replace the painted mask by clicks.".to_owned(),
        Some(Prompt::Clicks { .. }) => {
            "Click to add, right-click to exclude, click a marker to take it away. Shift previews.".to_owned()
        }
        None if facts.has_mask_here => "Click to correct: left adds, right excludes. Shift previews.".to_owned(),
        None => format!("Click {whose}. Shift previews."),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::label::ObjectId;

    #[test]
    fn the_hint_says_what_a_click_does_now() {
        let open = AppFacts { clip: ClipState::Open, model: ModelState::Ready, ..AppFacts::default() };
        let selected = AppFacts { selected: Some(ObjectId(1)), ..open.clone() };
        let clicks = Arc::new(Prompt::Clicks { points: Vec::new(), bounds: None });
        let cases = [
            (AppFacts::default(), "Open a video"),
            (open.clone(), "Click a new object"),
            (selected.clone(), "Click the selected object"),
            (AppFacts { has_mask_here: true, ..selected.clone() }, "Click to correct"),
            (AppFacts { prompt_here: Some(clicks), ..selected.clone() }, "right-click to exclude"),
            (AppFacts { tool: Tool::Select, ..selected.clone() }, "select"),
            (AppFacts { tool: Tool::Box, ..open.clone() }, "Drag a box around a new object"),
            (AppFacts { tool: Tool::Brush, ..selected.clone() }, "Paint the selected object"),
            (AppFacts { tool: Tool::Eraser, ..selected.clone() }, "Erase from"),
            (AppFacts { is_approved_here: true, ..selected.clone() }, "approved"),
            (AppFacts { is_selected_locked: true, ..selected.clone() }, "locked"),
            (AppFacts { is_read_only: true, ..selected.clone() }, "only be read"),
            (AppFacts { model: ModelState::None, ..open.clone() }, "clicks wait for one"),
            (AppFacts { model: ModelState::Loading, ..open.clone() }, "is loading"),
        ];
        for (facts, part) in cases {
            let hint = next_click_hint(&facts, &|_| None);
            assert!(hint.contains(part), "{hint:?} lacks {part:?}");
        }
        for tool in [Tool::Select, Tool::Brush, Tool::Eraser] {
            let hint = next_click_hint(&AppFacts { tool, model: ModelState::Loading, ..open.clone() }, &|_| None);
            assert!(!hint.contains("model"), "{tool:?} needs no model: {hint:?}");
        }
        let approved = AppFacts { is_approved_here: true, ..selected };
        let hint = next_click_hint(&approved, &|action| (*action == Action::ToggleApproved).then(|| "F7".to_owned()));
        assert!(hint.contains("press F7"), "{hint:?}");
    }
}
