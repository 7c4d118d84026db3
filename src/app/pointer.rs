//! The pointer on the canvas: clicks, drags and strokes become actions; wheel and middle button move the view.
//!
//! The canvas is one egui response and the only source of pointer input here, so what lies above it (panels, windows,
//! notices) never clicks through. What a press is for is decided when it comes: one that closes a menu, or falls beside an
//! open window or on the minimap, is not meant for the picture, however it ends. Changes nothing of the labels itself: a
//! drag lives here until it is let go, and ends unused when its object, tool or frame is no longer the one it began with.

use std::sync::Arc;

use bevy::math::DVec2;
use bevy::prelude::Resource;
use bevy_egui::egui::{self, PointerButton, Pos2, Response};

use crate::label::{BoxPrompt, FrameIdx, FrameSize, Mask, ObjectId, Point, PointLabel, Prompt, Stroke};

use super::action::{Action, Tool};
use super::canvas::{Canvas, ViewTransform};
use super::state::ConsideredClick;

/// How near a marker the pointer must be to mean it, in points.
const MARKER_REACH: f32 = 10.0;
/// How far a press must move to be a drag, in points.
const DRAG_THRESHOLD: f32 = 4.0;
/// Zoom of one notch of a wheel (50 points of scrolling in egui).
const ZOOM_PER_POINT: f64 = 0.004;

/// What is being dragged.
#[derive(Debug, Default)]
pub(super) enum Drag {
    /// Nothing.
    #[default]
    None,
    /// Called off, or never meant for the picture: nothing comes of it until the button is let go.
    Over,
    /// The view, by the minimap.
    Minimap,
    /// A marker: its place in the list and where it is now, in pixels of the frame.
    Marker {
        /// Its place in the list.
        index: usize,
        /// Where it is now.
        at: [f32; 2],
        /// Whether it has moved far enough to be a drag and not a click.
        has_moved: bool,
    },
    /// A box: its corners so far.
    Box {
        /// Where it was begun.
        from: [f32; 2],
        /// Where the pointer is.
        to: [f32; 2],
    },
    /// A stroke over a mask.
    Stroke {
        /// Where the brush was.
        stroke: Stroke,
        /// The mask as it would be now, for the eye.
        result: Arc<Mask>,
    },
}

/// What a drag is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Target {
    /// The tool in hand.
    pub tool: Tool,
    /// The selected object.
    pub object: Option<ObjectId>,
    /// The frame.
    pub frame: FrameIdx,
}

/// The pointer's state between updates.
#[derive(Resource, Debug, Default)]
pub(super) struct Pointer {
    /// What is being dragged.
    pub drag: Drag,
    /// What it was about when it began.
    target: Option<Target>,
    /// The first corner of a box that the crosshair draws, and what it is about.
    pub first_corner: Option<([f32; 2], Target)>,
    /// The marker under the pointer.
    pub hovered_marker: Option<usize>,
    /// The object under the pointer.
    pub hovered_object: Option<ObjectId>,
    /// Where the pointer is, in pixels of the frame.
    pub at: Option<[f32; 2]>,
    /// The view was moved while the space bar was held: letting it go must not start playing.
    pub space_moved_view: bool,
    /// The click whose mask is to be previewed.
    pub preview_point: Option<ConsideredClick>,
}

impl Pointer {
    /// Ends what is being dragged or drawn; nothing comes of it. False when nothing is.
    pub(super) fn call_off(&mut self) -> bool {
        let had_corner = self.first_corner.take().is_some();
        match self.drag {
            Drag::None | Drag::Over => had_corner,
            Drag::Minimap | Drag::Marker { .. } | Drag::Box { .. } | Drag::Stroke { .. } => {
                self.drag = Drag::Over;
                true
            }
        }
    }
}

/// What the pointer needs to know.
pub(super) struct PointerView<'a> {
    /// Tool, object and frame.
    pub target: Target,
    /// Radius of brush and eraser, in pixels of the frame.
    pub brush_radius: f32,
    /// Size of the frame.
    pub size: FrameSize,
    /// What is said about the selected object here.
    pub prompt: Option<&'a Prompt>,
    /// The selected object's mask here.
    pub selected_mask: Option<Arc<Mask>>,
    /// Why the selected object cannot be changed here.
    pub is_protected: bool,
    /// Whether the picture on screen is the frame the labeller is on; clicks on another one would land wrongly.
    pub is_current: bool,
    /// Whether a window or dialog is open, or there is no picture: it is out of reach then.
    pub is_covered: bool,
    /// Whether a menu was open when the pass began; a press beside it only closes it.
    pub had_menu: bool,
}

/// Handles one pass over the canvas. `actions` has what keys and panels sent before, which is done first.
pub(super) fn handle(
    response: &Response,
    canvas: &mut Canvas,
    pointer: &mut Pointer,
    view: &PointerView,
    actions: &mut Vec<Action>,
) {
    move_view(response, &mut canvas.view, pointer);
    pointer.first_corner = pointer.first_corner.take().filter(|(_, target)| *target == view.target);
    let hover = response.hover_pos().or_else(|| response.interact_pointer_pos());
    take_press(response, canvas, pointer, view);
    pan_by_minimap(response, canvas, pointer);
    let is_on_picture = match pointer.drag {
        Drag::Over | Drag::Minimap => false,
        Drag::Marker { .. } | Drag::Box { .. } | Drag::Stroke { .. } => true,
        Drag::None => !view.is_covered && !hover.is_some_and(|pos| is_on_minimap(canvas, pos)),
    };
    let hover = hover.filter(|_| is_on_picture);
    let at = hover.map(|pos| frame_at(&canvas.view, pos));
    pointer.at = at.filter(|_| response.hovered() || response.dragged());
    pointer.hovered_marker = hover.and_then(|pos| marker_at(&canvas.view, view.prompt, pos));
    pointer.hovered_object = at.and_then(|at| object_at(canvas, at));
    let (modifiers, is_space_down, is_down) =
        response.ctx.input(|i| (i.modifiers, i.key_down(egui::Key::Space), i.pointer.any_down()));
    let is_out_of_reach = is_space_down || !view.is_current || view.is_covered;
    match pointer.drag {
        Drag::None => pointer.target = Some(view.target),
        Drag::Over | Drag::Minimap => {}
        Drag::Marker { .. } | Drag::Box { .. } | Drag::Stroke { .. } => {
            let is_same = pointer.target == Some(view.target) && actions.iter().all(leaves_drag);
            if is_out_of_reach || !is_same {
                pointer.drag = Drag::Over;
            }
        }
    }
    let is_over = matches!(pointer.drag, Drag::Over | Drag::Minimap);
    if is_over && !is_down {
        pointer.drag = Drag::None;
    }
    if is_over || is_out_of_reach {
        pointer.preview_point = None;
        return;
    }
    match view.target.tool {
        Tool::Select => select(response, pointer, view, &canvas.view, actions),
        Tool::Points => points(response, pointer, view, &canvas.view, actions),
        Tool::Box => drag_box(response, pointer, view, &canvas.view, actions),
        Tool::Brush => paint(response, pointer, view, &canvas.view, false, actions),
        Tool::Eraser => paint(response, pointer, view, &canvas.view, true, actions),
    }
    preview(pointer, view, modifiers, response.hovered());
}

/// Decides at the press what it is for.
fn take_press(response: &Response, canvas: &Canvas, pointer: &mut Pointer, view: &PointerView) {
    let (is_pressed, is_primary, is_space_down, pos) = response.ctx.input(|i| {
        let is_primary = i.pointer.button_pressed(PointerButton::Primary);
        let pos = i.pointer.press_origin().or_else(|| i.pointer.interact_pos());
        (i.pointer.any_pressed(), is_primary, i.key_down(egui::Key::Space), pos)
    });
    let is_ours = is_pressed && response.contains_pointer() && matches!(pointer.drag, Drag::None);
    let Some(pos) = pos.filter(|_| is_ours) else { return };
    if view.is_covered || view.had_menu || is_space_down {
        pointer.drag = Drag::Over;
    } else if is_on_minimap(canvas, pos) {
        pointer.drag = if is_primary { Drag::Minimap } else { Drag::Over };
    }
}

fn is_on_minimap(canvas: &Canvas, pos: Pos2) -> bool {
    canvas.minimap.is_some_and(|minimap| minimap.contains(bevy::math::Vec2::new(pos.x, pos.y)))
}

/// Brings what is under the pointer on the minimap to the middle.
fn pan_by_minimap(response: &Response, canvas: &mut Canvas, pointer: &Pointer) {
    let pos = response.ctx.input(|i| i.pointer.interact_pos());
    if let (Drag::Minimap, Some(minimap), Some(pos)) = (&pointer.drag, canvas.minimap, pos) {
        let small = canvas.view.fitted_into(minimap, canvas.pixels_per_point);
        canvas.view.centre_on(small.frame_from_screen(dvec(pos)));
    }
}

/// Whether a drag or click means the same after an action: it changes neither what is labelled nor what would be. A click
/// on the picture also ends the typing of a name, so it comes with that.
fn leaves_drag(action: &Action) -> bool {
    matches!(
        action,
        Action::BrushLarger
            | Action::BrushSmaller
            | Action::ZoomIn
            | Action::ZoomOut
            | Action::ZoomFit
            | Action::ZoomActual
            | Action::MoveCrosshair(..)
            | Action::ToggleOutlineOnly
            | Action::ToggleOverlay
            | Action::Track(_)
            | Action::TrackSelected(_)
            | Action::StopTracking
            | Action::Rename(..)
            | Action::RenameClass(..)
            | Action::DismissNotice(_)
    )
}

fn dvec(pos: Pos2) -> DVec2 {
    DVec2::new(f64::from(pos.x), f64::from(pos.y))
}

/// The place under the pointer, in pixels of the frame.
pub(super) fn frame_at(view: &ViewTransform, pos: Pos2) -> [f32; 2] {
    let at = view.frame_from_screen(dvec(pos));
    [at.x as f32, at.y as f32]
}

/// Where a place of the frame is on screen.
pub(super) fn screen_at(view: &ViewTransform, x: f32, y: f32) -> Pos2 {
    let at = view.screen_from_frame(DVec2::new(f64::from(x), f64::from(y)));
    Pos2::new(at.x as f32, at.y as f32)
}

/// Wheel and pinch zoom at the pointer; the middle button, or the space bar with the left one, pans.
fn move_view(response: &Response, view: &mut ViewTransform, pointer: &mut Pointer) {
    let (zoom, scroll, is_space_down, is_space_released) = response.ctx.input(|i| {
        (i.zoom_delta(), i.smooth_scroll_delta(), i.key_down(egui::Key::Space), i.key_released(egui::Key::Space))
    });
    if let Some(pos) = response.hover_pos() {
        let factor = f64::from(zoom) * (f64::from(scroll.y) * ZOOM_PER_POINT).exp();
        if (factor - 1.0).abs() > 1e-6 {
            view.zoom_at(dvec(pos), factor);
        }
    }
    let pans =
        response.dragged_by(PointerButton::Middle) || (is_space_down && response.dragged_by(PointerButton::Primary));
    let delta = response.drag_delta();
    if pans && delta != egui::Vec2::ZERO {
        view.pan(DVec2::new(f64::from(delta.x), f64::from(delta.y)));
        pointer.space_moved_view |= is_space_down;
    }
    if !is_space_down && !is_space_released {
        pointer.space_moved_view = false;
    }
}

fn marker_at(view: &ViewTransform, prompt: Option<&Prompt>, pos: Pos2) -> Option<usize> {
    let Some(Prompt::Clicks { points, .. }) = prompt else { return None };
    let distance = |point: &Point| screen_at(view, point.x, point.y).distance(pos);
    let nearest = points.iter().enumerate().min_by(|a, b| distance(a.1).total_cmp(&distance(b.1)))?;
    (distance(nearest.1) <= MARKER_REACH).then_some(nearest.0)
}

/// The topmost visible object under a place.
pub(super) fn object_at(canvas: &Canvas, [x, y]: [f32; 2]) -> Option<ObjectId> {
    let (x, y) = (x.round(), y.round());
    if x < 0.0 || y < 0.0 {
        return None;
    }
    let hit = canvas.layers.iter().rev().find(|layer| layer.is_visible && layer.mask.contains(x as u32, y as u32));
    hit.map(|layer| layer.object)
}

/// Shift held over the picture, or a marker being dragged, asks what the mask would be.
fn preview(pointer: &mut Pointer, view: &PointerView, modifiers: egui::Modifiers, is_hovered: bool) {
    // Whole pixels: a preview for every tenth of one would only keep the model busy.
    let considered =
        |[x, y]: [f32; 2], label, moved| ConsideredClick { point: Point { x: x.round(), y: y.round(), label }, moved };
    pointer.preview_point = match (&pointer.drag, view.prompt) {
        (Drag::Marker { index, at, has_moved: true }, Some(Prompt::Clicks { points, .. })) => {
            points.get(*index).map(|point| considered(*at, point.label, Some(*index)))
        }
        (Drag::None, _) => {
            let is_wanted = view.target.tool == Tool::Points && modifiers.shift && is_hovered && !view.is_protected;
            let label = if modifiers.command { PointLabel::Negative } else { PointLabel::Positive };
            let on_picture = pointer.at.filter(|at| is_wanted && is_inside(view.size, *at));
            on_picture.map(|at| considered(at, label, None))
        }
        _ => None,
    };
}

fn is_inside(size: FrameSize, [x, y]: [f32; 2]) -> bool {
    x >= -0.5 && y >= -0.5 && x <= size.width as f32 - 0.5 && y <= size.height as f32 - 0.5
}

/// A box of less than two pixels is a slip of the hand.
pub(super) fn is_worth_a_box(bounds: BoxPrompt) -> bool {
    bounds.x1 - bounds.x0 >= 2.0 && bounds.y1 - bounds.y0 >= 2.0
}

pub(super) fn clamp_inside(size: FrameSize, [x, y]: [f32; 2]) -> [f32; 2] {
    [x.clamp(0.0, size.width as f32 - 1.0), y.clamp(0.0, size.height as f32 - 1.0)]
}

fn select(
    response: &Response,
    pointer: &mut Pointer,
    view: &PointerView,
    transform: &ViewTransform,
    actions: &mut Vec<Action>,
) {
    if drag_marker(response, pointer, view, transform, actions) {
        return;
    }
    if response.clicked() {
        actions.push(pointer.hovered_object.map_or(Action::Cancel, Action::Select));
    }
}

fn points(
    response: &Response,
    pointer: &mut Pointer,
    view: &PointerView,
    transform: &ViewTransform,
    actions: &mut Vec<Action>,
) {
    if drag_marker(response, pointer, view, transform, actions) {
        return;
    }
    let (modifiers, pos) = (response.ctx.input(|i| i.modifiers), response.interact_pointer_pos());
    let label = if response.secondary_clicked() || (response.clicked() && (modifiers.command || modifiers.alt)) {
        PointLabel::Negative
    } else if response.clicked() {
        PointLabel::Positive
    } else {
        return;
    };
    if !actions.iter().all(leaves_drag) {
        // A key came with the button: the point would go to another object or frame than the one that was seen.
        return;
    }
    let Some(at) = pos.map(|pos| frame_at(transform, pos)).filter(|at| is_inside(view.size, *at)) else { return };
    // A click on a marker takes it away, whichever button.
    match pos.and_then(|pos| marker_at(transform, view.prompt, pos)) {
        Some(index) => actions.push(Action::DeletePoint { index }),
        None => actions.push(match pointer.hovered_object.filter(|_| !modifiers.shift) {
            // What Shift has previewed is taken as it was shown.
            Some(object) if is_to_select(view.target, label) => Action::Select(object),
            Some(_) | None => {
                let [x, y] = clamp_inside(view.size, at);
                Action::AddPoint(Point { x, y, label })
            }
        }),
    }
}

/// Whether a click on a visible mask selects its object: with none selected it would make a second object of the same.
pub(super) fn is_to_select(target: Target, label: PointLabel) -> bool {
    target.object.is_none() && label == PointLabel::Positive
}

/// Moves the marker that the drag began on. True while there is one.
fn drag_marker(
    response: &Response,
    pointer: &mut Pointer,
    view: &PointerView,
    transform: &ViewTransform,
    actions: &mut Vec<Action>,
) -> bool {
    if response.drag_started_by(PointerButton::Primary) && !view.is_protected {
        let origin = response.ctx.input(|i| i.pointer.press_origin());
        if let Some(index) = origin.and_then(|pos| marker_at(transform, view.prompt, pos)) {
            let at = origin.map_or([0.0; 2], |pos| frame_at(transform, pos));
            pointer.drag = Drag::Marker { index, at, has_moved: false };
        }
    }
    let Drag::Marker { index, at, has_moved } = &mut pointer.drag else { return false };
    if let Some(pos) = response.interact_pointer_pos() {
        *at = clamp_inside(view.size, frame_at(transform, pos));
        *has_moved |= response.total_drag_delta().is_some_and(|moved| moved.length() > DRAG_THRESHOLD);
    }
    if response.drag_stopped() {
        let (index, [x, y], has_moved) = (*index, *at, *has_moved);
        pointer.drag = Drag::None;
        if has_moved {
            actions.push(Action::MovePoint { index, x, y });
        }
    }
    true
}

fn drag_box(
    response: &Response,
    pointer: &mut Pointer,
    view: &PointerView,
    transform: &ViewTransform,
    actions: &mut Vec<Action>,
) {
    let here = response.interact_pointer_pos().map(|pos| clamp_inside(view.size, frame_at(transform, pos)));
    if response.drag_started_by(PointerButton::Primary)
        && let Some(origin) = response.ctx.input(|i| i.pointer.press_origin())
    {
        let from = clamp_inside(view.size, frame_at(transform, origin));
        pointer.drag = Drag::Box { from, to: from };
    }
    let Drag::Box { from, to } = &mut pointer.drag else { return };
    *to = here.unwrap_or(*to);
    if response.drag_stopped() {
        let bounds = BoxPrompt::from([from[0], from[1], to[0], to[1]]);
        pointer.drag = Drag::None;
        if is_worth_a_box(bounds) {
            actions.push(Action::SetBox(bounds));
        }
    }
}

fn paint(
    response: &Response,
    pointer: &mut Pointer,
    view: &PointerView,
    transform: &ViewTransform,
    is_eraser: bool,
    actions: &mut Vec<Action>,
) {
    let (is_pressed, is_down) =
        response.ctx.input(|i| (i.pointer.button_pressed(PointerButton::Primary), i.pointer.primary_down()));
    // The mask as it is now, not as it was at the press: the model may have answered since.
    let base = || view.selected_mask.clone().unwrap_or_else(|| Arc::new(Mask::empty(view.size)));
    if is_pressed && response.contains_pointer() && !view.is_protected {
        let stroke = Stroke::new(view.size, view.brush_radius);
        pointer.drag = Drag::Stroke { stroke, result: base() };
    }
    let Drag::Stroke { stroke, result } = &mut pointer.drag else { return };
    // Every place the pointer passed since the last pass, so that quick strokes stay round.
    for pos in pointer_path(&response.ctx) {
        let [x, y] = frame_at(transform, pos);
        stroke.move_to(x, y);
    }
    let base = base();
    *result = Arc::new(if is_eraser { base.erased(stroke) } else { base.painted(stroke) });
    if !is_down {
        if !stroke.is_empty() && **result != *base {
            actions.push(Action::Paint(Mask::clone(result)));
        }
        pointer.drag = Drag::None;
    }
}

/// Where the pointer went since the last pass.
fn pointer_path(ctx: &egui::Context) -> Vec<Pos2> {
    ctx.input(|i| {
        let passed = i.events.iter().filter_map(|event| match event {
            egui::Event::PointerMoved(pos) => Some(*pos),
            egui::Event::PointerButton { pos, .. } => Some(*pos),
            _ => None,
        });
        let mut path: Vec<Pos2> = passed.collect();
        if path.is_empty() {
            path.extend(i.pointer.latest_pos());
        }
        path
    })
}
