//! The timeline: a ruler, the in/out range, and one lane per object, drawn by us so that 100,000 frames cost no more
//! than 100.
//!
//! What is drawn is bounded by pixels, never by frames: stretches are found by binary search, and where several fall on
//! one pixel the most telling one is shown.

mod lanes;
mod segments;

use bevy_egui::egui::{
    Align2, Button, Color32, CornerRadius, CursorIcon, FontId, Painter, PointerButton, Pos2, Rect, Response, Sense,
    Stroke, Ui, Vec2,
};

use super::super::action::Action;
use super::UiContext;
use crate::label::{FrameIdx, ObjectId, Rgb};

pub use segments::{LaneFrames, LaneState, Segment, Span};

/// An object's lane.
pub struct LaneView<'a> {
    /// The object.
    pub object: ObjectId,
    /// Its name.
    pub name: &'a str,
    /// Its colour.
    pub colour: Rgb,
    /// Whether it is hidden.
    pub is_hidden: bool,
    /// Its frames.
    pub frames: &'a LaneFrames,
}

/// What the timeline shows.
pub struct TimelineView<'a> {
    /// One per object, in order.
    pub lanes: &'a [LaneView<'a>],
    /// Frames that can be shown without decoding.
    pub cached: &'a [(FrameIdx, FrameIdx)],
    /// The frame being decoded.
    pub is_waiting: bool,
    /// Whether a menu was open when the pass began: a press here only closes it.
    pub had_menu: bool,
}

/// Which part of the clip is shown.
#[derive(Debug, Default)]
pub struct TimelineState {
    /// First frame shown; fractions of a frame count.
    first_visible: f64,
    /// Frames shown; 0 is all.
    frames_visible: f64,
    /// Lanes scrolled away at the top, in points.
    scrolled: f32,
    /// The selection that the lanes were last scrolled to.
    scrolled_to: Option<ObjectId>,
    /// The frame that the view last followed.
    followed: FrameIdx,
    dragged: Option<Dragged>,
    /// The range as it would be if the end that is dragged were let go now.
    wanted_range: Option<(FrameIdx, FrameIdx)>,
}

impl TimelineState {
    /// Shows the whole clip.
    fn fit(&mut self) {
        (self.first_visible, self.frames_visible) = (0.0, 0.0);
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Dragged {
    Playhead,
    /// An end of the range, and where the other one stays.
    RangeEnd {
        fixed: FrameIdx,
    },
}

/// Width of the lanes' names, in points.
pub const NAME_WIDTH: f32 = 132.0;
const RULER_HEIGHT: f32 = 24.0;
const LANE_HEIGHT: f32 = 20.0;
/// Width of the button that shows the whole clip, in points.
const FIT_WIDTH: f32 = 40.0;
/// How near an in or out point the pointer must be to take it, in points.
const HANDLE_REACH: f32 = 6.0;
/// How much of the page stays in view when it is turned.
const PAGE_OVERLAP: f64 = 0.1;
/// The closest zoom, in frames.
const FEWEST_FRAMES: f64 = 8.0;

/// Frames and pixels of what is shown.
#[derive(Debug, Clone, Copy)]
pub(super) struct Scale {
    left: f32,
    points_per_frame: f64,
    first: f64,
}

impl Scale {
    /// Left edge of a frame.
    pub(super) fn x(&self, frame: f64) -> f32 {
        self.left + ((frame - self.first) * self.points_per_frame) as f32
    }

    /// The frame at a place, with fractions.
    pub(super) fn frame(&self, x: f32) -> f64 {
        self.first + f64::from(x - self.left) / self.points_per_frame
    }
}

/// Draws it.
pub fn timeline_ui(
    ui: &mut Ui,
    cx: &UiContext,
    view: &TimelineView,
    state: &mut TimelineState,
    actions: &mut Vec<Action>,
) {
    let (area, response) = ui.allocate_exact_size(ui.available_size(), Sense::click_and_drag());
    let count = f64::from(cx.facts.frame_count);
    if cx.facts.frame_count == 0 {
        return;
    }
    let track = Rect::from_min_max(Pos2::new(area.left() + NAME_WIDTH, area.top()), area.max - Vec2::new(8.0, 0.0));
    move_view(&response, track, count, view.lanes.len(), state);
    follow_playhead(&response, cx, count, state);
    show_selected(cx, view, area.height() - RULER_HEIGHT, state);
    let shown = if state.frames_visible <= 0.0 { count } else { state.frames_visible.min(count) };
    let scale = Scale {
        left: track.left(),
        points_per_frame: f64::from(track.width().max(1.0)) / shown,
        first: state.first_visible.clamp(0.0, count - shown),
    };
    let ruler = Rect::from_min_max(track.min, Pos2::new(track.right(), track.top() + RULER_HEIGHT));
    let lanes = Rect::from_min_max(Pos2::new(area.left(), ruler.bottom()), Pos2::new(track.right(), area.bottom()));
    handle_pointer(&response, cx, view, (ruler, lanes), &scale, state, actions);
    let painter = ui.painter_at(area);
    painter.rect_filled(area, 0.0, cx.colours().field);
    let range = state.wanted_range.or(cx.facts.in_out);
    draw_ruler(&painter, cx, ruler, &scale, view, range);
    draw_lanes(&painter, cx, lanes, track, &scale, view, state);
    draw_playhead(&painter, cx, ruler, area.bottom(), &scale, view.is_waiting);
    hover_text(response, cx, view, (ruler, lanes), &scale, state);
    let corner = Rect::from_min_max(area.min, ruler.left_bottom());
    fit_ui(ui, cx, corner, count, state);
}

/// Wheel and middle button.
fn move_view(response: &Response, track: Rect, count: f64, lanes: usize, state: &mut TimelineState) {
    let (zoom, scroll) = response.ctx.input(|i| (i.zoom_delta(), i.smooth_scroll_delta()));
    let shown = if state.frames_visible <= 0.0 { count } else { state.frames_visible.min(count) };
    let per_point = shown / f64::from(track.width().max(1.0));
    let Some(pos) = response.hover_pos() else { return };
    if zoom != 1.0 {
        let at = state.first_visible + f64::from(pos.x - track.left()) * per_point;
        let wanted = (shown / f64::from(zoom)).clamp(FEWEST_FRAMES.min(count), count);
        // What is under the pointer stays there.
        state.first_visible = at - (at - state.first_visible) * wanted / shown;
        state.frames_visible = if wanted >= count { 0.0 } else { wanted };
    }
    let shown = if state.frames_visible <= 0.0 { count } else { state.frames_visible.min(count) };
    let per_point = shown / f64::from(track.width().max(1.0));
    let hidden = (lanes as f32 * LANE_HEIGHT - (track.height() - RULER_HEIGHT)).max(0.0);
    // With Shift a wheel turns sideways. One that turns up and down moves the lanes where some are hidden, else time too.
    let is_sideways = hidden <= 0.0 && scroll.y.abs() > scroll.x.abs();
    let mut shift = f64::from(if is_sideways { scroll.y } else { scroll.x });
    if response.dragged_by(PointerButton::Middle) {
        shift += f64::from(response.drag_delta().x);
    }
    state.first_visible = (state.first_visible - shift * per_point).clamp(0.0, (count - shown).max(0.0));
    state.scrolled = (state.scrolled - scroll.y).clamp(0.0, hidden);
    let is_on_ruler = pos.y < track.top() + RULER_HEIGHT;
    if response.double_clicked() && is_on_ruler {
        state.fit();
    }
}

/// While only a part is shown: which, and the way back to all of it. Stands over the lanes' names.
fn fit_ui(ui: &mut Ui, cx: &UiContext, corner: Rect, count: f64, state: &mut TimelineState) {
    if state.frames_visible <= 0.0 {
        return;
    }
    let button = Rect::from_min_max(corner.min, Pos2::new(corner.left() + FIT_WIDTH, corner.bottom())).shrink(2.0);
    let fit = ui.put(button, Button::new("Fit").small());
    if fit.on_hover_text("Show the whole clip\nDouble-click on the ruler").clicked() {
        state.fit();
        return;
    }
    let whole = Rect::from_min_max(Pos2::new(button.right() + 8.0, corner.top()), corner.max - Vec2::new(8.0, 0.0));
    let whole = Rect::from_center_size(whole.center(), Vec2::new(whole.width(), 4.0));
    let left = whole.left() + (state.first_visible / count) as f32 * whole.width();
    let width = ((state.frames_visible / count) as f32 * whole.width()).max(2.0);
    let part = Rect::from_min_size(Pos2::new(left, whole.top()), Vec2::new(width, whole.height()));
    ui.painter().rect_filled(whole, 2.0, cx.colours().line);
    ui.painter().rect_filled(part, 2.0, cx.colours().quiet);
}

/// Turns the page when the playhead has left it; not under a hand that drags something.
fn follow_playhead(response: &Response, cx: &UiContext, count: f64, state: &mut TimelineState) {
    if state.followed == cx.facts.frame || response.ctx.input(|i| i.pointer.any_down()) {
        return;
    }
    state.followed = cx.facts.frame;
    let (frame, shown) = (f64::from(cx.facts.frame.0), state.frames_visible);
    // A little of what it came from stays in view.
    let first = if frame < state.first_visible {
        frame + 1.0 - shown * (1.0 - PAGE_OVERLAP)
    } else if frame + 1.0 > state.first_visible + shown {
        frame - shown * PAGE_OVERLAP
    } else {
        return;
    };
    // A view of the whole clip has nowhere to go.
    if shown > 0.0 {
        state.first_visible = first.clamp(0.0, (count - shown).max(0.0));
    }
}

/// Brings the lane of an object that was just selected into view.
fn show_selected(cx: &UiContext, view: &TimelineView, height: f32, state: &mut TimelineState) {
    if state.scrolled_to == cx.facts.selected {
        return;
    }
    state.scrolled_to = cx.facts.selected;
    if let Some(place) = view.lanes.iter().position(|lane| Some(lane.object) == cx.facts.selected) {
        let top = place as f32 * LANE_HEIGHT;
        state.scrolled = state.scrolled.min(top).max(top + LANE_HEIGHT - height).max(0.0);
    }
}

fn frame_at(scale: &Scale, x: f32, frame_count: u32) -> FrameIdx {
    FrameIdx(scale.frame(x).floor().clamp(0.0, f64::from(frame_count - 1)) as u32)
}

/// Scrubbing, in and out points, and the lanes' names.
fn handle_pointer(
    response: &Response,
    cx: &UiContext,
    view: &TimelineView,
    (ruler, lanes): (Rect, Rect),
    scale: &Scale,
    state: &mut TimelineState,
    actions: &mut Vec<Action>,
) {
    // At the press, as in every player: a scrub that waits for the release is no scrub.
    let (is_pressed, is_down, at) = response.ctx.input(|i| {
        (i.pointer.button_pressed(PointerButton::Primary), i.pointer.primary_down(), i.pointer.interact_pos())
    });
    if is_pressed
        && !view.had_menu
        && response.contains_pointer()
        && let Some(pos) = at
    {
        state.dragged = if pos.x < ruler.left() {
            if let Some(lane) = lane_at(view, lanes, state, pos) {
                actions.push(Action::Select(lane.object));
            }
            None
        } else {
            Some(grab(cx, ruler, scale, pos))
        };
    }
    let (Some(dragged), Some(pos)) = (state.dragged, at) else { return };
    let frame = frame_at(scale, pos.x, cx.facts.frame_count);
    match dragged {
        Dragged::Playhead if frame != cx.facts.frame => actions.push(Action::GoTo(frame)),
        Dragged::Playhead => {}
        // The range is set once, when it is let go: one drag is one step to undo. A click without a drag sets nothing.
        Dragged::RangeEnd { fixed } => {
            let origin = response.ctx.input(|i| i.pointer.press_origin());
            if origin.is_some_and(|origin| (origin.x - pos.x).abs() > HANDLE_REACH / 2.0) {
                state.wanted_range = Some((frame.min(fixed), frame.max(fixed)));
            }
        }
    }
    if !is_down {
        state.dragged = None;
        if let Some((first, last)) = state.wanted_range.take() {
            actions.push(Action::SetInOut(first, last));
        }
    }
}

/// What a press on the ruler takes: an in or out point if one is near, else the playhead.
fn grab(cx: &UiContext, ruler: Rect, scale: &Scale, pos: Pos2) -> Dragged {
    let Some((first, last)) = cx.facts.in_out.filter(|_| ruler.contains(pos)) else { return Dragged::Playhead };
    let (left, right) = (scale.x(f64::from(first.0)), scale.x(f64::from(last.0) + 1.0));
    if (pos.x - left).abs() <= HANDLE_REACH {
        Dragged::RangeEnd { fixed: last }
    } else if (pos.x - right).abs() <= HANDLE_REACH {
        Dragged::RangeEnd { fixed: first }
    } else {
        Dragged::Playhead
    }
}

fn lane_at<'a>(view: &'a TimelineView, lanes: Rect, state: &TimelineState, pos: Pos2) -> Option<&'a LaneView<'a>> {
    if !lanes.contains(pos) {
        return None;
    }
    view.lanes.get(((pos.y - lanes.top() + state.scrolled) / LANE_HEIGHT) as usize)
}

fn draw_ruler(
    painter: &Painter,
    cx: &UiContext,
    ruler: Rect,
    scale: &Scale,
    view: &TimelineView,
    range: Option<(FrameIdx, FrameIdx)>,
) {
    let colours = cx.colours();
    painter.rect_filled(ruler, 0.0, colours.panel);
    if let Some((first, last)) = range {
        let range = Rect::from_min_max(
            Pos2::new(scale.x(f64::from(first.0)), ruler.top()),
            Pos2::new(scale.x(f64::from(last.0) + 1.0), ruler.bottom()),
        );
        painter.rect_filled(range.intersect(ruler), 0.0, colours.accent.gamma_multiply(0.25));
        for x in [range.left(), range.right()] {
            painter.line_segment(
                [Pos2::new(x, ruler.top()), Pos2::new(x, ruler.bottom())],
                Stroke::new(2.0, colours.accent),
            );
        }
    }
    for (first, last) in view.cached {
        let (left, right) = (scale.x(f64::from(first.0)), scale.x(f64::from(last.0) + 1.0));
        let strip = Rect::from_min_max(
            Pos2::new(left, ruler.bottom() - 3.0),
            Pos2::new(right.max(left + 1.0), ruler.bottom() - 1.0),
        );
        painter.rect_filled(strip.intersect(ruler), 0.0, colours.quiet.gamma_multiply(0.6));
    }
    let step = tick_step(70.0 / scale.points_per_frame);
    let mut tick = (scale.first / f64::from(step)).floor() as u64 * u64::from(step);
    while tick < u64::from(cx.facts.frame_count) && scale.x(tick as f64) < ruler.right() {
        let x = scale.x(tick as f64);
        if x >= ruler.left() - 40.0 {
            painter.line_segment(
                [Pos2::new(x, ruler.bottom() - 8.0), Pos2::new(x, ruler.bottom())],
                Stroke::new(1.0, colours.line),
            );
            painter.text(
                Pos2::new(x + 3.0, ruler.top() + 2.0),
                Align2::LEFT_TOP,
                tick,
                FontId::monospace(10.0),
                colours.quiet,
            );
        }
        tick += u64::from(step);
    }
}

/// The smallest of 1, 2, 5, 10, 20, 50 … that is at least this many frames.
fn tick_step(least: f64) -> u32 {
    let mut step = 1_u32;
    loop {
        for factor in [1, 2, 5] {
            let candidate = step.saturating_mul(factor);
            if f64::from(candidate) >= least || candidate > 100_000_000 {
                return candidate;
            }
        }
        step = step.saturating_mul(10);
    }
}

fn draw_lanes(
    painter: &Painter,
    cx: &UiContext,
    lanes: Rect,
    track: Rect,
    scale: &Scale,
    view: &TimelineView,
    state: &TimelineState,
) {
    let painter = painter.with_clip_rect(lanes);
    for (place, lane) in view.lanes.iter().enumerate() {
        let top = lanes.top() + place as f32 * LANE_HEIGHT - state.scrolled;
        if top + LANE_HEIGHT < lanes.top() || top > lanes.bottom() {
            continue;
        }
        let row = Rect::from_min_size(Pos2::new(lanes.left(), top), Vec2::new(lanes.width(), LANE_HEIGHT));
        if cx.facts.selected == Some(lane.object) {
            painter.rect_filled(row, 0.0, cx.colours().hovered.gamma_multiply(0.5));
        }
        draw_name(&painter, cx, row, lane);
        let bar =
            Rect::from_min_max(Pos2::new(track.left(), top + 3.0), Pos2::new(track.right(), top + LANE_HEIGHT - 3.0));
        lanes::draw(&painter.with_clip_rect(bar.expand2(Vec2::new(0.0, 3.0)).intersect(lanes)), cx, bar, scale, lane);
    }
}

fn draw_name(painter: &Painter, cx: &UiContext, row: Rect, lane: &LaneView) {
    let [r, g, b] = lane.colour;
    let dot = Pos2::new(row.left() + 14.0, row.center().y);
    painter.circle_filled(dot, 5.0, Color32::from_rgb(r, g, b));
    let colour = if lane.is_hidden { cx.colours().quiet } else { cx.colours().text };
    let text = format!("{}  {}", lane.object, super::top_bar::shorten(lane.name, 15));
    painter.text(
        Pos2::new(row.left() + 26.0, row.center().y),
        Align2::LEFT_CENTER,
        text,
        FontId::proportional(12.0),
        colour,
    );
}

fn draw_playhead(painter: &Painter, cx: &UiContext, ruler: Rect, bottom: f32, scale: &Scale, is_waiting: bool) {
    let frame = f64::from(cx.facts.frame.0);
    let (left, right) = (scale.x(frame), scale.x(frame + 1.0));
    if right < ruler.left() || left > ruler.right() {
        return;
    }
    let colour = if is_waiting { cx.colours().amber } else { cx.colours().accent };
    let band = Rect::from_min_max(Pos2::new(left, ruler.top()), Pos2::new(right.max(left + 1.0), bottom));
    painter.rect_filled(band, 0.0, colour.gamma_multiply(0.22));
    let middle = (left + right) / 2.0;
    painter.line_segment([Pos2::new(middle, ruler.top()), Pos2::new(middle, bottom)], Stroke::new(1.5, colour));
    let head = Rect::from_center_size(Pos2::new(middle, ruler.top() + 4.0), Vec2::new(9.0, 8.0));
    painter.rect_filled(head, CornerRadius::same(2), colour);
}

fn hover_text(
    response: Response,
    cx: &UiContext,
    view: &TimelineView,
    (ruler, lanes): (Rect, Rect),
    scale: &Scale,
    state: &TimelineState,
) {
    let Some(pos) = response.hover_pos().filter(|pos| pos.x >= ruler.left() && state.dragged.is_none()) else { return };
    if grab(cx, ruler, scale, pos) != Dragged::Playhead {
        response.ctx.set_cursor_icon(CursorIcon::ResizeHorizontal);
    }
    let frame = frame_at(scale, pos.x, cx.facts.frame_count);
    let text = match lane_at(view, lanes, state, pos) {
        None => format!("Frame {frame}"),
        Some(lane) => format!("Frame {frame} · {} · {}", lane.name, lanes::words(lane, frame)),
    };
    response.on_hover_text_at_pointer(text);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_round_and_far_enough_apart() {
        for (least, step) in [(0.1, 1), (1.5, 2), (3.0, 5), (7.0, 10), (130.0, 200), (2100.0, 5000)] {
            assert_eq!(tick_step(least), step);
        }
    }
}
