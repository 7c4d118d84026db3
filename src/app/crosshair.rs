//! What a click at the crosshair of keyboard and gamepad does: what the tool in hand does, and never anything else.
//!
//! A crosshair cannot drag. So the brush makes one dab, and a box is two clicks, one for each corner.

use std::sync::Arc;

use crate::label::{BoxPrompt, FrameSize, Mask, Point, PointLabel, Stroke};

use super::action::{Action, Tool};
use super::canvas::Canvas;
use super::pointer::{Pointer, Target, clamp_inside, is_to_select, is_worth_a_box, object_at};

/// What the click is about.
pub(super) struct CrosshairView<'a> {
    /// The picture with its masks.
    pub canvas: &'a Canvas,
    /// Tool, object and frame.
    pub target: Target,
    /// Radius of brush and eraser, in pixels of the frame.
    pub brush_radius: f32,
    /// Size of the frame.
    pub size: FrameSize,
    /// The selected object's mask here.
    pub mask: Option<Arc<Mask>>,
}

/// The action of a click at a place on the picture, in pixels of the frame; `None` when there is none (yet).
pub(super) fn click(view: &CrosshairView, at: [f32; 2], label: PointLabel, pointer: &mut Pointer) -> Option<Action> {
    let is_first_button = label == PointLabel::Positive;
    match view.target.tool {
        Tool::Points => Some(match object_at(view.canvas, at) {
            Some(object) if is_to_select(view.target, label) => Action::Select(object),
            Some(_) | None => Action::AddPoint(Point { x: at[0], y: at[1], label }),
        }),
        Tool::Brush => dab(view, at, !is_first_button),
        Tool::Eraser => dab(view, at, true),
        Tool::Box if is_first_button => corner(view, at, pointer),
        Tool::Box => {
            pointer.first_corner = None;
            None
        }
        Tool::Select if is_first_button => Some(object_at(view.canvas, at).map_or(Action::Cancel, Action::Select)),
        Tool::Select => None,
    }
}

fn dab(view: &CrosshairView, [x, y]: [f32; 2], erases: bool) -> Option<Action> {
    let mut stroke = Stroke::new(view.size, view.brush_radius);
    stroke.move_to(x, y);
    let base = view.mask.clone().unwrap_or_else(|| Arc::new(Mask::empty(view.size)));
    let result = if erases { base.erased(&stroke) } else { base.painted(&stroke) };
    (result != *base).then_some(Action::Paint(result))
}

fn corner(view: &CrosshairView, at: [f32; 2], pointer: &mut Pointer) -> Option<Action> {
    let at = clamp_inside(view.size, at);
    let Some((from, _)) = pointer.first_corner.filter(|(_, target)| *target == view.target) else {
        pointer.first_corner = Some((at, view.target));
        return None;
    };
    let bounds = BoxPrompt::from([from[0], from[1], at[0], at[1]]);
    is_worth_a_box(bounds).then(|| {
        pointer.first_corner = None;
        Action::SetBox(bounds)
    })
}
