//! The key sheet: every action with its key, and what mouse and gamepad do.

use bevy_egui::egui::{Grid, RichText, ScrollArea, TextEdit, Ui};

use super::super::action::Action;
use super::UiContext;

/// What mouse and gamepad do, where no table of keys could say it.
const BY_HAND: [(&str, &str); 20] = [
    ("Click / right-click (points)", "add / exclude; on a marker: take it away"),
    ("Ctrl+click or Alt+click (points)", "exclude"),
    ("Shift held (points)", "preview the mask a click would give; with Ctrl: of an exclusion"),
    ("Drag a marker", "move it"),
    ("Drag (box, brush, eraser)", "draw, paint, erase"),
    ("Wheel, pinch", "zoom to the pointer"),
    ("Middle drag, Space + drag", "move the picture"),
    ("Drag on ruler or lanes", "go through time; in and out points can be dragged"),
    ("Ctrl+wheel on the timeline", "zoom in time; double-click on the ruler: fit"),
    ("Wheel, middle drag on the timeline", "move it; the wheel alone scrolls lanes first where some are hidden"),
    ("Double-click an object's name", "rename it"),
    ("Pad: D-pad ← → (LB: 10)", "previous, next frame"),
    ("Pad: D-pad ↑ ↓", "previous, next prompted frame"),
    ("Pad: RT / LT", "shuttle forward, back"),
    ("Pad: A / B", "add / exclude at the crosshair"),
    ("Pad: Y (held)", "undo (redo)"),
    ("Pad: left stick / right stick", "crosshair / move the picture"),
    ("Pad: press left / right stick", "fit / actual pixels"),
    ("Pad: RB / LB+RB", "next object / track"),
    ("Pad: Start / Select", "command palette / masks on, off"),
];

/// Draws it.
pub fn help_ui(ui: &mut Ui, cx: &UiContext, filter: &mut String) {
    ui.add(TextEdit::singleline(filter).hint_text("Filter…").desired_width(220.0));
    ui.add_space(4.0);
    let wanted = filter.trim().to_lowercase();
    let matches = |text: &str| wanted.is_empty() || text.to_lowercase().contains(&wanted);
    // In a narrow window it is moved sideways: it would stick out of the window's frame.
    ScrollArea::both().auto_shrink([false, false]).show(ui, |ui| {
        ui.columns(2, |columns| {
            let rows: Vec<(String, String, Option<&str>)> = Action::without_arguments()
                .into_iter()
                .map(|action| {
                    let keys = (cx.shortcut)(&action).unwrap_or_default();
                    (action.label().into_owned(), keys, action.unavailable_because(cx.facts))
                })
                .filter(|(label, keys, _)| matches(label) || matches(keys))
                .collect();
            let half = rows.len().div_ceil(2);
            for (place, rows) in rows.chunks(half.max(1)).take(2).enumerate() {
                keys_ui(&mut columns[place], cx, place, rows);
            }
        });
        ui.add_space(8.0);
        ui.label(RichText::new("MOUSE AND GAMEPAD").small().color(cx.colours().quiet));
        Grid::new("by hand").num_columns(2).spacing([16.0, 4.0]).show(ui, |ui| {
            for (what, does) in BY_HAND.iter().filter(|(what, does)| matches(what) || matches(does)) {
                ui.label(*what);
                ui.label(RichText::new(*does).color(cx.colours().quiet));
                ui.end_row();
            }
        });
    });
}

fn keys_ui(ui: &mut Ui, cx: &UiContext, place: usize, rows: &[(String, String, Option<&str>)]) {
    Grid::new(("keys", place)).num_columns(2).spacing([16.0, 4.0]).show(ui, |ui| {
        for (label, keys, reason) in rows {
            ui.label(RichText::new(keys).font(super::super::theme::figures()));
            let colour = if reason.is_some() { cx.colours().quiet } else { cx.colours().text };
            let name = ui.label(RichText::new(label).color(colour));
            if let Some(reason) = reason {
                name.on_hover_text(*reason);
            }
            ui.end_row();
        }
    });
}
