//! The card of the first-run tour at the lower left of the canvas: what to do now, with the keys that are bound.

use bevy_egui::egui::{Align, Align2, Area, Button, Context, Frame, Id, Layout, Margin, Order, RichText, Stroke, Vec2};

use super::super::action::{Action, Panel, TourMove, TrackScope};
use super::super::tour::TourStep;
use super::UiContext;

/// Width of the card, in points.
const WIDTH: f32 = 300.0;

/// Draws it, `offset` away from the window's lower left corner. `first_click` says what to click on a clip whose content
/// is known.
pub fn tour_ui(
    ctx: &Context,
    cx: &UiContext,
    step: TourStep,
    first_click: Option<&str>,
    offset: Vec2,
    actions: &mut Vec<Action>,
) {
    let place = Vec2::new(offset.x, -offset.y);
    let area = Area::new(Id::new("tour")).order(Order::Middle).anchor(Align2::LEFT_BOTTOM, place);
    area.show(ctx, |ui| {
        let frame = Frame::new().fill(cx.colours().panel).stroke(Stroke::new(1.0, cx.colours().accent));
        frame.corner_radius(4).inner_margin(Margin::same(12)).show(ui, |ui| {
            ui.set_width(WIDTH);
            let number = TourStep::ALL.iter().position(|known| *known == step).map_or(0, |place| place + 1);
            let (title, text) = words(cx, step, first_click);
            let of = format!("{number} of {}", TourStep::ALL.len());
            ui.label(RichText::new(of).small().color(cx.colours().quiet));
            ui.label(RichText::new(title).strong());
            ui.label(text);
            ui.add_space(8.0);
            ui.horizontal(|ui| {
                cx.action_widget(ui, Button::new("Skip the tour"), Action::Tour(TourMove::End), actions);
                ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
                    let next = match step {
                        // These come by themselves.
                        TourStep::Open | TourStep::Click | TourStep::Track => return,
                        TourStep::Correct => "Nothing to correct",
                        TourStep::Export => "Done",
                    };
                    cx.action_widget(ui, Button::new(next), Action::Tour(TourMove::Next), actions);
                });
            });
        });
    });
}

/// Title and text of a step.
fn words(cx: &UiContext, step: TourStep, first_click: Option<&str>) -> (&'static str, String) {
    // Without a key there is still the button or the palette.
    let key = |action: Action| match (cx.shortcut)(&action) {
        Some(keys) => keys,
        None => format!("\"{}\"", action.label()),
    };
    match step {
        TourStep::Open => ("Open a clip", "Drop a video or a folder of images here, or try the sample.".to_owned()),
        TourStep::Click => {
            let what = first_click.map_or_else(|| "Click on an object".to_owned(), str::to_owned);
            let text = format!("{what}: its mask appears. Click what is missing, right-click what is too much.");
            ("Click an object", text)
        }
        TourStep::Track => {
            let text = format!(
                "{} or the Track button carries the mask through the clip. You can go on working meanwhile.",
                key(Action::Track(TrackScope::StaleOrMissing))
            );
            ("Track it", text)
        }
        TourStep::Correct => {
            let text = format!(
                "Go through the frames with {} and {}, or drag in the timeline. Where the mask is wrong, click again, \
                 then track again: only what depends on it runs.",
                key(Action::Step(-1)),
                key(Action::Step(1))
            );
            ("Correct where it drifts", text)
        }
        TourStep::Export => {
            let text = format!(
                "{} writes a dataset. There is no save button: your work is in the project file already.",
                key(Action::TogglePanel(Panel::Export))
            );
            ("Export", text)
        }
    }
}
