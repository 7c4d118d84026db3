//! The line at the bottom: what the next click does, and how clip, model and memory stand.

use bevy_egui::egui::{Align, Layout, Link, RichText, Ui};

use super::super::action::{Action, FileQuestion, Panel, Tool};
use super::super::facts::{AppFacts, ClipState, ModelState};
use super::UiContext;
use crate::label::{PointLabel, Prompt};

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
                Kept::Failed => (
                    "not saved",
                    cx.colours().red,
                    "The disk refused; it is tried again and again. Click to save a copy",
                ),
                Kept::ReadOnly => {
                    ("read-only", cx.colours().amber, "The project cannot be written; click to save a copy and go on")
                }
            };
            let text = RichText::new(kept).small().color(colour);
            match view.kept {
                Kept::Nothing => {}
                Kept::Saved | Kept::Saving => drop(ui.label(text).on_hover_text(why)),
                // The way out: a copy where there is room and leave to write.
                Kept::Failed | Kept::ReadOnly => {
                    let copy = Action::Ask(FileQuestion::SaveProjectCopy);
                    cx.action_widget(ui, Link::new(text), copy, actions).on_hover_text(why);
                }
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

/// What the next click on the picture does, and before that what is out of sight; `shortcut` names the key of an action.
pub fn next_click_hint(facts: &AppFacts, shortcut: &dyn Fn(&Action) -> Option<String>) -> String {
    let key = |action: &Action| shortcut(action).map_or_else(String::new, |key| format!(" ({key})"));
    let hint = next_click(facts, shortcut);
    match (facts.clip, facts.solo) {
        (ClipState::None | ClipState::Opening, _) => hint,
        (ClipState::Open, _) if facts.is_overlay_off => {
            format!("All masks are hidden{}. {hint}", key(&Action::ToggleOverlay))
        }
        (ClipState::Open, Some(object)) => {
            format!("Only object {object} is shown{}. {hint}", key(&Action::ToggleSolo(None)))
        }
        (ClipState::Open, None) if facts.is_selected_hidden => {
            format!("The selected object is hidden{}. {hint}", key(&Action::ToggleHidden(None)))
        }
        (ClipState::Open, None) => hint,
    }
}

fn next_click(facts: &AppFacts, shortcut: &dyn Fn(&Action) -> Option<String>) -> String {
    match facts.clip {
        ClipState::None => return "Open a video, or drop one here.".to_owned(),
        ClipState::Opening => return "Reading the clip…".to_owned(),
        ClipState::Open => {}
    }
    if facts.panel.is_some() {
        let how = shortcut(&Action::Cancel).map_or_else(|| "close it".to_owned(), |key| format!("press {key}"));
        return format!("A window is open over the picture: {how} to go on.");
    }
    if facts.is_unreadable {
        return "This frame cannot be read, so clicks do nothing here; leave it and come back to try again.".to_owned();
    }
    if facts.largest_side.is_some() {
        return "This picture is too large to be shown here, so clicks do nothing; see above for what helps."
            .to_owned();
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
        Tool::Points => points_hint(facts, shortcut),
        Tool::Box => format!("Drag a box around {whose}."),
        Tool::Brush => format!("Paint {whose}.{}", sizes("brush")),
        Tool::Eraser => format!("Erase from {whose}.{}", sizes("eraser")),
    };
    let hint = if facts.is_crosshair_shown { format!("{hint} {}", crosshair_hint(facts, shortcut)) } else { hint };
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

/// What the crosshair's two buttons do with the tool in hand.
fn crosshair_hint(facts: &AppFacts, shortcut: &dyn Fn(&Action) -> Option<String>) -> String {
    let button = |label, on_pad: &str| match shortcut(&Action::ClickCrosshair(label)) {
        Some(key) => format!("{key} (pad: {on_pad})"),
        None => format!("The pad's {on_pad}"),
    };
    let (first, second) = (button(PointLabel::Positive, "A"), button(PointLabel::Negative, "B"));
    match facts.tool {
        Tool::Select => format!("{first} selects what is under the crosshair."),
        Tool::Points => format!("{first} adds at the crosshair, {second} excludes."),
        Tool::Box if facts.has_first_corner => format!("{first} sets the other corner, {second} drops the first."),
        Tool::Box => format!("{first} sets a corner at the crosshair."),
        Tool::Brush => format!("{first} makes a dab at the crosshair, {second} erases one."),
        Tool::Eraser => format!("{first} erases a dab at the crosshair."),
    }
}

fn points_hint(facts: &AppFacts, shortcut: &dyn Fn(&Action) -> Option<String>) -> String {
    let hint = match facts.prompt_here.as_deref() {
        Some(Prompt::Mask(_)) => "Click to replace the painted mask by clicks.".to_owned(),
        Some(Prompt::Clicks { .. }) => {
            "Click to add, right-click to exclude, click a marker to take it away. Shift previews.".to_owned()
        }
        None if facts.has_mask_here => "Click to correct: left adds, right excludes. Shift previews.".to_owned(),
        None if facts.selected.is_some() => "Click the selected object. Shift previews.".to_owned(),
        None if facts.has_masks => "Click a new object, or a mask to correct its object. Shift previews.".to_owned(),
        None => "Click a new object. Shift previews.".to_owned(),
    };
    // A click on a mask has selected its object; who wanted another one there reads how.
    match shortcut(&Action::NewObject).filter(|_| facts.has_mask_here) {
        Some(key) => format!("{hint} {key} begins a new object."),
        None => hint,
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
            (open.clone(), "Click a new object. "),
            (AppFacts { has_masks: true, ..open.clone() }, "a mask to correct its object"),
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
            (AppFacts { is_unreadable: true, ..selected.clone() }, "cannot be read"),
            (AppFacts { largest_side: Some(8192), ..selected.clone() }, "too large"),
            (AppFacts { is_overlay_off: true, ..selected.clone() }, "All masks are hidden. Click"),
            (AppFacts { solo: Some(ObjectId(3)), ..selected.clone() }, "Only object 3 is shown. Click"),
            (AppFacts { is_selected_hidden: true, ..selected.clone() }, "object is hidden. Click"),
            (AppFacts { panel: Some(Panel::Settings), ..selected.clone() }, "A window is open"),
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
        for (tool, part) in [
            (Tool::Select, "selects"),
            (Tool::Points, "adds at the crosshair"),
            (Tool::Box, "sets a corner"),
            (Tool::Brush, "makes a dab"),
            (Tool::Eraser, "erases a dab"),
        ] {
            let facts = AppFacts { tool, is_crosshair_shown: true, ..open.clone() };
            let hint = next_click_hint(&facts, &|_| Some("Enter".to_owned()));
            assert!(hint.contains("Enter (pad: A)") && hint.contains(part), "{tool:?}: {hint:?}");
        }
        let keys = |action: &Action| match action {
            Action::ToggleOverlay => Some("M".to_owned()),
            Action::ToggleSolo(None) => Some("Shift+H".to_owned()),
            _ => None,
        };
        let hidden = AppFacts { is_overlay_off: true, solo: Some(ObjectId(1)), ..selected.clone() };
        assert!(next_click_hint(&hidden, &keys).starts_with("All masks are hidden (M). "));
        let solo = AppFacts { is_overlay_off: false, ..hidden };
        assert!(next_click_hint(&solo, &keys).starts_with("Only object 1 is shown (Shift+H). "));
        let on_mask = AppFacts { has_mask_here: true, ..selected.clone() };
        let new_object = |action: &Action| (*action == Action::NewObject).then(|| "N".to_owned());
        assert!(next_click_hint(&on_mask, &new_object).ends_with("N begins a new object."));
        let approved = AppFacts { is_approved_here: true, ..selected };
        let hint = next_click_hint(&approved, &|action| (*action == Action::ToggleApproved).then(|| "F7".to_owned()));
        assert!(hint.contains("press F7"), "{hint:?}");
    }
}
