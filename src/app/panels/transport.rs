//! Going through time: buttons, the frame number, the clock, the in/out range, the zoom.

use bevy_egui::egui::{Align, DragValue, Layout, RichText, Ui};
use egui_phosphor::regular as icon;

use super::super::action::Action;
use super::UiContext;
use crate::label::{FrameIdx, counted};

/// What it shows.
pub struct TransportView {
    /// When the current frame is shown, in seconds from the first.
    pub secs: f64,
    /// The same for the last frame.
    pub end_secs: f64,
    /// Speed while playing; 1 is the clip's own.
    pub speed: Option<f64>,
    /// Whether playing starts over at the end.
    pub is_looping: bool,
    /// Whether the picture is still being decoded.
    pub is_waiting: bool,
    /// Zoom, in percent.
    pub zoom_percent: f64,
    /// Masks of all objects that are worth a look.
    pub to_review: usize,
}

/// Height of the bar, in points.
pub const TRANSPORT_HEIGHT: f32 = 32.0;

/// Draws it.
pub fn transport_ui(ui: &mut Ui, cx: &UiContext, view: &TransportView, actions: &mut Vec<Action>) {
    let figures = super::super::theme::figures();
    ui.horizontal_centered(|ui| {
        cx.icon_button(ui, icon::SKIP_BACK, Action::First, actions);
        cx.icon_button(ui, icon::CARET_LEFT, Action::Step(-1), actions);
        let play = if cx.facts.is_playing { icon::PAUSE } else { icon::PLAY };
        cx.icon_button(ui, play, Action::PlayPause, actions);
        cx.icon_button(ui, icon::CARET_RIGHT, Action::Step(1), actions);
        cx.icon_button(ui, icon::SKIP_FORWARD, Action::Last, actions);
        ui.add_space(8.0);
        frame_number(ui, cx, view, actions);
        // As wide at the clip's end as at its start, so that nothing after it moves while it plays.
        let width = clock(view.end_secs).len();
        let mut time = RichText::new(format!("{:>width$}", clock(view.secs))).font(figures.clone());
        if view.is_waiting {
            time = time.color(ui.visuals().warn_fg_color);
        }
        ui.label(time);
        if let Some(speed) = view.speed.filter(|speed| *speed != 1.0) {
            ui.label(RichText::new(format!("{speed}×")).font(figures.clone()).color(ui.visuals().hyperlink_color));
        }
        ui.add_space(8.0);
        let range = match cx.facts.in_out {
            Some((first, last)) => format!("in {first} … out {last}"),
            None => format!("in 0 … out {}", cx.facts.frame_count.saturating_sub(1)),
        };
        let keys = [Action::SetIn, Action::SetOut, Action::ClearInOut].map(|action| cx.tooltip(&action)).join("\n");
        ui.label(RichText::new(range).font(figures.clone()).color(cx.colours().quiet))
            .on_hover_text(format!("The range that playing and tracking stay in\n{keys}"));
        let is_looping =
            ui.selectable_label(view.is_looping, icon::REPEAT).on_hover_text(cx.tooltip(&Action::ToggleLoop));
        cx.name(&is_looping, &Action::ToggleLoop);
        if is_looping.clicked() {
            actions.push(Action::ToggleLoop);
        }
        if view.to_review > 0 {
            review_ui(ui, cx, view.to_review, actions);
        }
        ui.with_layout(Layout::right_to_left(Align::Center), |ui| zoom_menu(ui, cx, view, actions));
    });
}

/// The way through the masks that want a look. Last in the line, so that nothing moves when it comes or goes.
fn review_ui(ui: &mut Ui, cx: &UiContext, count: usize, actions: &mut Vec<Action>) {
    ui.add_space(8.0);
    cx.icon_button(ui, icon::ARROW_LEFT, Action::PreviousToReview, actions);
    cx.icon_button(ui, icon::ARROW_RIGHT, Action::NextToReview, actions);
    let text = RichText::new(format!("{count} to review")).color(cx.colours().amber);
    ui.label(text).on_hover_text(format!(
        "{} not approved and worth a look: stale, doubtful, or where the object was lost",
        counted(count, "mask")
    ));
}

/// The frame number, which can be dragged and typed into.
fn frame_number(ui: &mut Ui, cx: &UiContext, view: &TransportView, actions: &mut Vec<Action>) {
    let last = cx.facts.frame_count.saturating_sub(1);
    let digits = last.to_string().len().max(5);
    let mut frame = cx.facts.frame.0;
    let number = DragValue::new(&mut frame)
        .range(0..=last)
        .speed(0.25)
        .update_while_editing(false)
        .custom_formatter(move |value, _| format!("{:0digits$}", value as u32));
    let response = ui.add_enabled(cx.facts.frame_count > 0, number).on_hover_text("Frame: drag, or click to type");
    if view.is_waiting {
        let bottom = response.rect.left_bottom()..=response.rect.right_bottom();
        ui.painter().line_segment([*bottom.start(), *bottom.end()], (2.0, ui.visuals().warn_fg_color));
    }
    if response.changed() && frame != cx.facts.frame.0 {
        actions.push(Action::GoTo(FrameIdx(frame)));
    }
    ui.label(RichText::new(format!("/ {:0digits$}", cx.facts.frame_count)).font(super::super::theme::figures()));
}

fn zoom_menu(ui: &mut Ui, cx: &UiContext, view: &TransportView, actions: &mut Vec<Action>) {
    let text =
        RichText::new(format!("{:.0} % {}", view.zoom_percent, icon::CARET_DOWN)).font(super::super::theme::figures());
    ui.menu_button(text, |ui| {
        cx.menu_item(ui, "Fit", Action::ZoomFit, actions);
        cx.menu_item(ui, "Actual pixels", Action::ZoomActual, actions);
        cx.menu_item(ui, "Zoom in", Action::ZoomIn, actions);
        cx.menu_item(ui, "Zoom out", Action::ZoomOut, actions);
        ui.separator();
        cx.menu_item(ui, "Outlines only", Action::ToggleOutlineOnly, actions);
        cx.menu_item(ui, "Show or hide all masks", Action::ToggleOverlay, actions);
    });
}

/// Seconds as a clock shows them: `7.133 s`, `2:07.500`, `1:59:59.900`.
fn clock(secs: f64) -> String {
    let millis = (secs.max(0.0) * 1e3).round() as u64;
    let (hours, minutes, seconds, rest) = (millis / 3_600_000, millis / 60_000 % 60, millis / 1000 % 60, millis % 1000);
    match (hours, minutes) {
        (0, 0) => format!("{seconds}.{rest:03} s"),
        (0, _) => format!("{minutes}:{seconds:02}.{rest:03}"),
        _ => format!("{hours}:{minutes:02}:{seconds:02}.{rest:03}"),
    }
}

#[cfg(test)]
mod tests {
    use super::clock;

    #[test]
    fn long_times_are_hours_and_minutes() {
        for (secs, text) in [(7.1334, "7.133 s"), (59.9996, "1:00.000"), (127.5, "2:07.500"), (7199.9, "1:59:59.900")] {
            assert_eq!(clock(secs), text);
        }
    }
}
