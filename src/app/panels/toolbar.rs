//! The tools at the left.

use bevy_egui::egui::{Button, RichText, Ui, Vec2};
use egui_phosphor::regular as icon;

use super::super::action::{Action, Tool};
use super::UiContext;

/// Width of the toolbar, in points.
pub const TOOLBAR_WIDTH: f32 = 44.0;

fn icon_of(tool: Tool) -> &'static str {
    match tool {
        Tool::Select => icon::CURSOR,
        Tool::Points => icon::CROSSHAIR,
        Tool::Box => icon::BOUNDING_BOX,
        Tool::Brush => icon::PAINT_BRUSH,
        Tool::Eraser => icon::ERASER,
    }
}

/// Draws it. `brush_diameter` is in pixels of the clip.
pub fn toolbar_ui(ui: &mut Ui, cx: &UiContext, brush_diameter: f32, actions: &mut Vec<Action>) {
    ui.vertical_centered(|ui| {
        ui.add_space(4.0);
        for tool in Tool::ALL {
            let is_in_hand = cx.facts.tool == tool;
            let mut text = RichText::new(icon_of(tool)).size(18.0);
            if is_in_hand {
                text = text.color(cx.colours().on_accent);
            }
            let mut button = Button::new(text).min_size(Vec2::splat(32.0));
            button = if is_in_hand { button.fill(cx.colours().accent) } else { button.frame(false) };
            let response = cx.action_widget(ui, button, Action::UseTool(tool), actions);
            cx.name(&response, &Action::UseTool(tool));
        }
        match cx.facts.tool {
            Tool::Brush | Tool::Eraser => {
                ui.add_space(8.0);
                cx.icon_button(ui, icon::PLUS, Action::BrushLarger, actions);
                ui.label(RichText::new(format!("{brush_diameter:.0}")).font(super::super::theme::figures()))
                    .on_hover_text("Diameter of the brush, in pixels of the clip");
                cx.icon_button(ui, icon::MINUS, Action::BrushSmaller, actions);
            }
            Tool::Select | Tool::Points | Tool::Box => {}
        }
    });
}
