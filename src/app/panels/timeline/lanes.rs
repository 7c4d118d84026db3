//! One lane: its stretches as bars, dense ones column by column; a line under what is approved, amber over what wants a
//! look.

use bevy_egui::egui::{Color32, Painter, Pos2, Rangef, Rect, Shape, Stroke, StrokeKind, Vec2};

use super::super::UiContext;
use super::{LaneState, LaneView, Scale, Segment, Span};
use crate::label::FrameIdx;

/// Between the dots of frames without a mask, in points.
const DOT_SPACING: f32 = 12.0;
/// The line under approved frames, in points: how high, and how wide at least.
const APPROVED_HEIGHT: f32 = 3.0;
const APPROVED_WIDTH: f32 = 1.0;
/// The tick over frames that want a look.
const REVIEW_HEIGHT: f32 = 4.0;
const REVIEW_WIDTH: f32 = 3.0;
/// Between these and the bar, in points.
const EDGE: f32 = 1.0;

/// Draws what of a lane is in `bar`. The number of shapes is bounded by its width.
pub(super) fn draw(painter: &Painter, cx: &UiContext, bar: Rect, scale: &Scale, lane: &LaneView) {
    let [r, g, b] = lane.colour;
    let colour = Color32::from_rgb(r, g, b);
    painter.rect_filled(bar, 0.0, cx.colours().panel.gamma_multiply(0.6));
    let visible = visible(&lane.frames.segments, scale, bar);
    let is_dense = visible.len() as f32 > bar.width() / 3.0;
    if is_dense {
        draw_columns(painter, cx, bar, scale, visible, colour);
    } else {
        dots(painter, cx, bar, scale, visible);
        for segment in visible {
            draw_segment(painter, cx, bar, scale, segment, colour);
        }
    }
    let (approved, review) = (&lane.frames.approved, &lane.frames.review);
    let (low, high) = (bar.bottom() - APPROVED_HEIGHT, bar.top() + REVIEW_HEIGHT);
    // The bar is cut away around them: there are objects as amber as the ticks, and as light as the line.
    for (spans, least, line, edge, colour) in [
        (approved, APPROVED_WIDTH, Rangef::new(low, bar.bottom()), Rangef::new(low - EDGE, low), cx.colours().text),
        (review, REVIEW_WIDTH, Rangef::new(bar.top(), high), Rangef::new(high, high + EDGE), cx.colours().amber),
    ] {
        ticks(bar, scale, spans, least, |range| {
            let cut =
                Rect::from_x_y_ranges(range.expand(EDGE), line).union(Rect::from_x_y_ranges(range.expand(EDGE), edge));
            painter.rect_filled(cut, 0.0, cx.colours().field);
            painter.rect_filled(Rect::from_x_y_ranges(range, line), 0.0, colour);
        });
    }
    if !is_dense {
        // Last, so that no bar covers half of one.
        for segment in visible.iter().filter(|segment| segment.state == LaneState::Prompted) {
            draw_diamond(painter, cx, stretch(bar, scale, segment).center());
        }
    }
}

/// Several frames to a pixel: of each column the most telling one.
fn draw_columns(painter: &Painter, cx: &UiContext, bar: Rect, scale: &Scale, visible: &[Segment], colour: Color32) {
    let mut at = 0;
    let mut column = bar.left().floor();
    while column < bar.right() && at < visible.len() {
        let (from, to) = (scale.frame(column), scale.frame(column + 2.0));
        while at < visible.len() && f64::from(visible[at].last.0) + 1.0 <= from {
            at += 1;
        }
        let here = visible[at..].iter().take_while(|segment| f64::from(segment.first.0) < to);
        if let Some(state) = here.map(|segment| segment.state).min() {
            let rect = Rect::from_min_size(Pos2::new(column, bar.top()), Vec2::new(2.0, bar.height()));
            painter.rect_filled(rect, 0.0, tone(cx, state, colour));
        }
        column += 2.0;
    }
}

/// Draws what stands over or under the frames that spans hold, each wide enough to be seen. What the eye cannot tell apart becomes one,
/// so their number is bounded by the bar's width, and the way from one to the next is a search, however many lie there.
fn ticks(bar: Rect, scale: &Scale, spans: &[Span], least: f32, mut draw: impl FnMut(Rangef)) {
    let mut rest = visible(spans, scale, bar);
    while let Some(span) = rest.first() {
        let (mut range, mut taken) = (widened(stretch(bar, scale, span), least), 0);
        loop {
            let reached = scale.frame(range.max + 1.0);
            let next = rest.partition_point(|span| f64::from(span.first.0) <= reached).max(1);
            if next == taken {
                break;
            }
            taken = next;
            range.max = range.max.max(widened(stretch(bar, scale, &rest[next - 1]), least).max);
        }
        draw(range);
        rest = &rest[taken..];
    }
}

fn widened(rect: Rect, least: f32) -> Rangef {
    rect.x_range().expand(((least - rect.width()) / 2.0).max(0.0))
}

/// The stretches that reach into the bar.
fn visible<'a, S>(segments: &'a [Segment<S>], scale: &Scale, bar: Rect) -> &'a [Segment<S>] {
    let (from, to) = (scale.frame(bar.left()), scale.frame(bar.right()));
    let start = segments.partition_point(|segment| f64::from(segment.last.0) + 1.0 <= from);
    let end = segments.partition_point(|segment| f64::from(segment.first.0) < to);
    &segments[start.min(end)..end]
}

fn tone(cx: &UiContext, state: LaneState, colour: Color32) -> Color32 {
    match state {
        LaneState::Prompted => cx.colours().text,
        LaneState::Stale => colour.gamma_multiply(0.35),
        LaneState::Painted | LaneState::Tracked => colour,
        LaneState::Absent => cx.colours().line,
    }
}

/// Where a stretch is drawn; a little beyond the bar at most, so that its ends look cut there.
fn stretch<S>(bar: Rect, scale: &Scale, segment: &Segment<S>) -> Rect {
    let left = scale.x(f64::from(segment.first.0)).max(bar.left() - 4.0);
    let right = scale.x(f64::from(segment.last.0) + 1.0).min(bar.right() + 4.0);
    Rect::from_min_max(Pos2::new(left, bar.top()), Pos2::new(right.max(left + 1.0), bar.bottom()))
}

/// A dot every so often where no frame has a mask yet.
fn dots(painter: &Painter, cx: &UiContext, bar: Rect, scale: &Scale, visible: &[Segment]) {
    let clip = scale.x(0.0).max(bar.left())..scale.x(f64::from(cx.facts.frame_count)).min(bar.right());
    let mut segments = visible.iter().peekable();
    let mut x = clip.start + DOT_SPACING / 2.0;
    while x < clip.end {
        while segments.next_if(|segment| scale.x(f64::from(segment.last.0) + 1.0) + 2.0 < x).is_some() {}
        let is_free = segments.peek().is_none_or(|segment| scale.x(f64::from(segment.first.0)) - 2.0 > x);
        if is_free {
            painter.circle_filled(Pos2::new(x, bar.center().y), 1.0, cx.colours().quiet.gamma_multiply(0.6));
        }
        x += DOT_SPACING;
    }
}

fn draw_diamond(painter: &Painter, cx: &UiContext, centre: Pos2) {
    let half = 5.0;
    let corners = [Vec2::new(0.0, -half), Vec2::new(half, 0.0), Vec2::new(0.0, half), Vec2::new(-half, 0.0)];
    let points = corners.map(|corner| centre + corner).to_vec();
    painter.add(Shape::convex_polygon(points, cx.colours().text, Stroke::new(1.0, cx.colours().field)));
}

fn draw_segment(painter: &Painter, cx: &UiContext, bar: Rect, scale: &Scale, segment: &Segment, colour: Color32) {
    let rect = stretch(bar, scale, segment);
    match segment.state {
        // Its diamond comes after all bars.
        LaneState::Prompted => {
            painter.rect_filled(rect, 0.0, colour);
        }
        LaneState::Tracked | LaneState::Painted => {
            painter.rect_filled(rect, 0.0, colour);
            if segment.state == LaneState::Painted {
                let line = [rect.left_top() + Vec2::new(0.0, 1.0), rect.right_top() + Vec2::new(0.0, 1.0)];
                painter.line_segment(line, Stroke::new(2.0, cx.colours().text));
            }
        }
        LaneState::Stale => {
            painter.rect_filled(rect, 0.0, tone(cx, LaneState::Stale, colour));
            hatch(painter, rect, colour);
        }
        LaneState::Absent => {
            painter.rect_stroke(
                rect.shrink2(Vec2::new(0.0, 3.0)),
                0.0,
                Stroke::new(1.0, cx.colours().quiet),
                StrokeKind::Inside,
            );
        }
    }
}

/// Slanted lines, so that stale is told without colour.
fn hatch(painter: &Painter, rect: Rect, colour: Color32) {
    let painter = painter.with_clip_rect(rect.intersect(painter.clip_rect()));
    let mut x = (rect.left() / 6.0).floor() * 6.0 - rect.height();
    while x < rect.right() {
        painter.line_segment(
            [Pos2::new(x, rect.bottom()), Pos2::new(x + rect.height(), rect.top())],
            Stroke::new(1.5, colour),
        );
        x += 6.0;
    }
}

/// What a frame of a lane is like, in words.
pub(super) fn words(lane: &LaneView, frame: FrameIdx) -> String {
    let state = match find(&lane.frames.segments, frame).map(|segment| segment.state) {
        None => "no mask yet",
        Some(LaneState::Prompted) => "prompted",
        Some(LaneState::Stale) => "stale",
        Some(LaneState::Painted) => "painted",
        Some(LaneState::Tracked) => "tracked",
        Some(LaneState::Absent) => "not in the frame",
    };
    let approved = find(&lane.frames.approved, frame).map_or("", |_| ", approved");
    let review = find(&lane.frames.review, frame).map_or("", |_| ", worth a look");
    format!("{state}{approved}{review}")
}

fn find<S>(segments: &[Segment<S>], frame: FrameIdx) -> Option<&Segment<S>> {
    let at = segments.partition_point(|segment| segment.last < frame);
    segments.get(at).filter(|segment| segment.first <= frame)
}
