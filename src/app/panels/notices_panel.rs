//! Notices over the canvas, and the log of all of them.

use bevy_egui::egui::{
    Align2, Area, Button, Color32, Context, Frame, Id, Label, Margin, Order, RichText, ScrollArea, Stroke, Ui, Vec2,
};
use egui_phosphor::regular as icon;

use super::super::action::{Action, Panel};
use super::super::notices::{Notice, Notices, Severity};
use super::UiContext;

/// Width of a notice, in points.
const WIDTH: f32 = 380.0;

fn colour(cx: &UiContext, severity: Severity) -> Color32 {
    match severity {
        Severity::Info => cx.colours().quiet,
        Severity::Warning => cx.colours().amber,
        Severity::Error => cx.colours().red,
    }
}

fn icon_of(severity: Severity) -> &'static str {
    match severity {
        Severity::Info => icon::INFO,
        Severity::Warning => icon::WARNING,
        Severity::Error => icon::WARNING_CIRCLE,
    }
}

/// The stack at the bottom right, `offset` away from the window's corner. True while the pointer is over it.
pub fn notices_ui(ctx: &Context, cx: &UiContext, notices: &Notices, offset: Vec2, actions: &mut Vec<Action>) -> bool {
    if notices.on_screen().is_empty() {
        return false;
    }
    let area = Area::new(Id::new("notices")).order(Order::Middle).anchor(Align2::RIGHT_BOTTOM, -offset);
    let response = area.show(ctx, |ui| {
        ui.set_width(WIDTH);
        let (all, most) = (notices.on_screen(), 5);
        if all.len() > most {
            let more = Button::new(format!("{} more in the log", all.len() - most));
            cx.action_widget(ui, more, Action::TogglePanel(Panel::Log), actions);
        }
        for notice in &all[all.len().saturating_sub(most)..] {
            let frame = Frame::new().fill(cx.colours().panel).stroke(Stroke::new(1.0, colour(cx, notice.severity)));
            frame.corner_radius(4).inner_margin(Margin::same(8)).show(ui, |ui| notice_ui(ui, cx, notice, actions));
        }
    });
    response.response.contains_pointer()
}

fn notice_ui(ui: &mut Ui, cx: &UiContext, notice: &Notice, actions: &mut Vec<Action>) {
    ui.set_width(WIDTH - 18.0);
    ui.horizontal_top(|ui| {
        ui.label(RichText::new(icon_of(notice.severity)).size(16.0).color(colour(cx, notice.severity)));
        // What is left between the icon and the cross.
        let room = ui.available_width() - 40.0;
        ui.scope(|ui| {
            ui.set_width(room);
            ui.add(Label::new(said(notice)).wrap());
        });
        let close = Button::new(icon::X).frame(false).min_size(Vec2::splat(24.0));
        cx.action_widget(ui, close, Action::DismissNotice(notice.id), actions);
    });
    if !notice.ways_out.is_empty() {
        ui.horizontal_wrapped(|ui| {
            ui.add_space(24.0);
            for (text, action) in &notice.ways_out {
                let is_clicked = cx.action_widget(ui, Button::new(text), action.clone(), actions).clicked();
                // A question may be left without an answer: the way out is needed again then.
                if is_clicked && !matches!(action, Action::Ask(_)) {
                    actions.push(Action::DismissNotice(notice.id));
                }
            }
        });
    }
}

fn said(notice: &Notice) -> String {
    if notice.count > 1 { format!("{} (×{})", notice.text, notice.count) } else { notice.text.clone() }
}

/// All that was said, the newest first.
pub fn log_ui(ui: &mut Ui, cx: &UiContext, notices: &Notices) {
    if notices.log().len() == 0 {
        ui.label(RichText::new("Nothing has been said yet.").color(cx.colours().quiet));
        return;
    }
    ScrollArea::vertical().auto_shrink([false, false]).show(ui, |ui| {
        for notice in notices.log().rev() {
            ui.horizontal_wrapped(|ui| {
                let at = super::super::action_log::rfc3339(notice.at);
                let time = RichText::new(&at[11..19]).font(super::super::theme::figures()).color(cx.colours().quiet);
                ui.label(time).on_hover_text(format!("{at} (UTC)"));
                ui.label(RichText::new(icon_of(notice.severity)).color(colour(cx, notice.severity)));
                ui.label(said(notice));
            });
        }
    });
}
