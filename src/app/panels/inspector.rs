//! "This frame": what was said about the selected object here, and what came of it.

use bevy_egui::egui::{Button, Color32, Grid, RichText, Ui, WidgetInfo, WidgetType};
use egui_phosphor::regular as icon;

use super::super::action::Action;
use super::UiContext;
use crate::label::{FrameMark, LEAST_SURE_IOU, LEAST_SURE_STABILITY, PointLabel, Prompt, Provenance, Rgb};

/// What it shows.
pub struct InspectorView<'a> {
    /// The selected object's name and colour.
    pub object: Option<(&'a str, Rgb)>,
    /// What is said here.
    pub prompt: Option<&'a Prompt>,
    /// What is known of the mask.
    pub mark: Option<FrameMark>,
    /// Whether prompts have changed since it was made.
    pub is_stale: bool,
    /// Pixels of a frame.
    pub frame_area: u64,
    /// The candidates of a first click, as the model rates them.
    pub candidates: &'a [f32],
    /// Which of them stands.
    pub chosen: Option<u8>,
    /// Why the frame is damaged.
    pub damage: Option<&'a str>,
    /// Whether the model still owes the answer.
    pub is_waiting_for_answer: bool,
}

/// Draws it; returns the marker under the pointer.
pub fn inspector_ui(ui: &mut Ui, cx: &UiContext, view: &InspectorView, actions: &mut Vec<Action>) -> Option<usize> {
    ui.label(RichText::new("THIS FRAME").small().color(cx.colours().quiet));
    if let Some(damage) = view.damage {
        ui.label(RichText::new(format!("{} The frame {damage}.", icon::WARNING)).color(ui.visuals().warn_fg_color));
    }
    let Some((name, _)) = view.object else {
        ui.label(RichText::new("No object is selected.").color(cx.colours().quiet));
        return None;
    };
    ui.label(RichText::new(name).strong());
    let hovered = prompt_ui(ui, cx, view, actions);
    if view.is_waiting_for_answer {
        ui.label(RichText::new("Waiting for the model…").color(ui.visuals().warn_fg_color));
    }
    candidates_ui(ui, cx, view, actions);
    match &view.mark {
        Some(mark) => mark_ui(ui, cx, view, mark),
        None => {
            ui.label(RichText::new("No mask on this frame yet.").color(cx.colours().quiet));
        }
    }
    ui.horizontal(|ui| {
        let text = if cx.facts.is_approved_here { "Approved" } else { "Approve" };
        let mut approve = Button::new(format!("{} {text}", icon::SEAL_CHECK));
        if cx.facts.is_approved_here {
            approve = approve.fill(ui.visuals().selection.bg_fill);
        }
        cx.action_widget(ui, approve, Action::ToggleApproved, actions);
        cx.action_widget(ui, Button::new("Clear"), Action::ClearPrompts, actions);
        cx.action_widget(ui, Button::new("Absent"), Action::MarkAbsent, actions);
    });
    hovered
}

fn prompt_ui(ui: &mut Ui, cx: &UiContext, view: &InspectorView, actions: &mut Vec<Action>) -> Option<usize> {
    let mut hovered = None;
    match view.prompt {
        None => {}
        Some(Prompt::Mask(mask)) => {
            ui.label(format!("{} painted, {} px", icon::PAINT_BRUSH, mask.area()));
        }
        Some(Prompt::Clicks { points, bounds }) => {
            ui.horizontal_wrapped(|ui| {
                for (index, point) in points.iter().enumerate() {
                    let (sign, word) = match point.label {
                        PointLabel::Positive => ("+", "adds"),
                        PointLabel::Negative => ("−", "excludes"),
                    };
                    let place = format!("{word} at {:.0}, {:.0}; click to take it away", point.x, point.y);
                    let chip = Button::new(RichText::new(sign).strong()).min_size(bevy_egui::egui::vec2(24.0, 24.0));
                    let response = ui.add(chip).on_hover_text(&place);
                    response.widget_info(|| {
                        WidgetInfo::labeled(WidgetType::Button, true, format!("Point {index} {place}"))
                    });
                    if response.hovered() {
                        hovered = Some(index);
                    }
                    let delete = Action::DeletePoint { index };
                    if response.clicked() && delete.unavailable_because(cx.facts).is_none() {
                        actions.push(delete);
                    }
                }
                if let Some(b) = bounds {
                    let size = format!("{:.0} × {:.0}", b.x1 - b.x0, b.y1 - b.y0);
                    ui.label(format!("{} box {size}", icon::BOUNDING_BOX));
                }
            });
        }
    }
    hovered
}

/// The candidates of a first click.
fn candidates_ui(ui: &mut Ui, cx: &UiContext, view: &InspectorView, actions: &mut Vec<Action>) {
    if view.candidates.len() < 2 {
        return;
    }
    ui.horizontal(|ui| {
        let text = format!("{} Next candidate", icon::ARROWS_CLOCKWISE);
        cx.action_widget(ui, Button::new(text), Action::CycleCandidate, actions);
        for (index, iou) in view.candidates.iter().enumerate() {
            let is_chosen = usize::from(view.chosen.unwrap_or(0)) == index;
            let colour = if is_chosen { cx.colours().text } else { cx.colours().quiet };
            ui.label(RichText::new(format!("{iou:.2}")).font(super::super::theme::figures()).color(colour));
        }
    });
}

fn mark_ui(ui: &mut Ui, cx: &UiContext, view: &InspectorView, mark: &FrameMark) {
    let figure = |text: String, colour: Color32| RichText::new(text).font(super::super::theme::figures()).color(colour);
    let (text, warn) = (cx.colours().text, ui.visuals().warn_fg_color);
    Grid::new("mark").num_columns(2).spacing([16.0, 4.0]).show(ui, |ui| {
        let row = |ui: &mut Ui, name: &str, value: RichText| {
            ui.label(RichText::new(name).color(cx.colours().quiet));
            ui.label(value);
            ui.end_row();
        };
        let share = 100.0 * mark.area as f64 / view.frame_area.max(1) as f64;
        row(ui, "Area", figure(format!("{} px  {share:.2} %", mark.area), text));
        let word = match mark.area {
            0 => "absent",
            _ => super::super::canvas_content::provenance_word(mark.provenance),
        };
        let state = match (mark.is_approved, view.is_stale) {
            (true, _) => format!("{word}, approved"),
            (false, true) => format!("{word}, stale"),
            (false, false) => word.to_owned(),
        };
        row(ui, "Mask", RichText::new(state).color(if view.is_stale { warn } else { text }));
        match mark.provenance {
            Provenance::Painted => {}
            Provenance::Prompted | Provenance::Tracked => {
                let is_doubtful = |value: f32, least: f32| if value < least { warn } else { text };
                row(
                    ui,
                    "Object score",
                    figure(format!("{:.2}", mark.object_score), is_doubtful(mark.object_score, 0.0)),
                );
                row(
                    ui,
                    "Predicted IoU",
                    figure(format!("{:.2}", mark.predicted_iou), is_doubtful(mark.predicted_iou, LEAST_SURE_IOU)),
                );
                row(
                    ui,
                    "Stability",
                    figure(format!("{:.2}", mark.stability), is_doubtful(mark.stability, LEAST_SURE_STABILITY)),
                );
            }
        }
    });
}
