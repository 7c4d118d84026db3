//! The command palette: type a few letters of anything the program can do.

use bevy_egui::egui::text::LayoutJob;
use bevy_egui::egui::{
    self, Align, FontId, Key, Layout, Modifiers, RichText, ScrollArea, Sense, TextEdit, TextFormat, Ui, Vec2,
};

use super::super::action::Action;
use super::UiContext;

/// What is typed and chosen.
#[derive(Debug, Default)]
pub struct PaletteState {
    query: String,
    chosen: usize,
}

/// An action that was found, and the places of the matching letters in its label.
pub type Hit = (Action, Vec<usize>);

const ROW_HEIGHT: f32 = 26.0;

/// Draws it; the chosen action, when one was chosen.
pub fn palette_ui(
    ui: &mut Ui,
    cx: &UiContext,
    state: &mut PaletteState,
    search: &dyn Fn(&str) -> Vec<Hit>,
) -> Option<Action> {
    let (up, down, enter) = ui.input_mut(|i| {
        (
            i.consume_key(Modifiers::NONE, Key::ArrowUp),
            i.consume_key(Modifiers::NONE, Key::ArrowDown),
            i.consume_key(Modifiers::NONE, Key::Enter),
        )
    });
    let field =
        ui.add(TextEdit::singleline(&mut state.query).hint_text("Search commands…").desired_width(f32::INFINITY));
    field.request_focus();
    if field.changed() {
        state.chosen = 0;
    }
    let hits = search(&state.query);
    if hits.is_empty() {
        ui.label(RichText::new("No command is called that.").color(cx.colours().quiet));
        return None;
    }
    if down {
        state.chosen = (state.chosen + 1) % hits.len();
    }
    if up {
        state.chosen = (state.chosen + hits.len() - 1) % hits.len();
    }
    state.chosen = state.chosen.min(hits.len() - 1);
    let mut picked = enter.then(|| hits[state.chosen].0.clone());
    ScrollArea::vertical().max_height(ROW_HEIGHT * 12.0).auto_shrink([false, true]).show(ui, |ui| {
        for (place, (action, matches)) in hits.iter().enumerate() {
            let response = hit_ui(ui, cx, action, matches, place == state.chosen);
            if place == state.chosen && (up || down) {
                response.scroll_to_me(None);
            }
            if response.clicked() {
                picked = Some(action.clone());
            }
        }
    });
    let picked = picked.filter(|action| action.unavailable_because(cx.facts).is_none());
    if picked.is_some() {
        *state = PaletteState::default();
    }
    picked
}

fn hit_ui(ui: &mut Ui, cx: &UiContext, action: &Action, matches: &[usize], is_chosen: bool) -> egui::Response {
    let reason = action.unavailable_because(cx.facts);
    let (rect, response) = ui.allocate_exact_size(Vec2::new(ui.available_width(), ROW_HEIGHT), Sense::click());
    if is_chosen || response.hovered() {
        ui.painter().rect_filled(rect, 4.0, ui.visuals().selection.bg_fill);
    }
    let colours = cx.colours();
    let plain = if reason.is_some() { colours.quiet } else { colours.text };
    let mut job = LayoutJob::default();
    for (place, letter) in action.label().chars().enumerate() {
        let colour = if matches.contains(&place) { colours.accent } else { plain };
        job.append(&letter.to_string(), 0.0, TextFormat::simple(FontId::proportional(13.0), colour));
    }
    let inner = rect.shrink2(Vec2::new(8.0, 0.0));
    let mut row = ui.new_child(egui::UiBuilder::new().max_rect(inner).layout(Layout::right_to_left(Align::Center)));
    let keys = (cx.shortcut)(action).unwrap_or_default();
    row.label(RichText::new(keys).font(super::super::theme::figures()).color(colours.quiet));
    if let Some(reason) = reason {
        row.label(RichText::new(reason).small().color(colours.quiet));
    }
    row.with_layout(Layout::left_to_right(Align::Center), |ui| {
        ui.add(egui::Label::new(job).selectable(false).truncate())
    });
    response.widget_info(|| egui::WidgetInfo::labeled(egui::WidgetType::Button, reason.is_none(), action.label()));
    response
}
