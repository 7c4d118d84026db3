//! What is drawn over the picture at screen resolution: markers, boxes, brush, numbers, the minimap's frame, states.
//!
//! egui's painter draws it, so it is sharp at every zoom and never part of a mask. Reads only.

use bevy_egui::egui::{self, Align2, Color32, FontId, Painter, Pos2, Rect, Stroke, StrokeKind, Vec2};

use crate::label::{BoxPrompt, Mask, Point, PointLabel, Prompt, Rgb};

use super::action::Tool;
use super::canvas::{Canvas, Layer, ViewTransform};
use super::pointer::{Drag, Pointer, frame_at, screen_at};

/// Radius of a marker, in points, at any zoom.
const MARKER_RADIUS: f32 = 7.0;
/// How much larger the hovered one is.
const HOVERED_GROWTH: f32 = 1.35;
/// Radius of the ring around the place of the tour's first click, in points.
const GUIDE_RADIUS: f32 = 22.0;
/// Side of the minimap, in points.
const MINIMAP_SIDE: f32 = 160.0;
/// Distance of the minimap from the canvas's corner, in points.
const MINIMAP_MARGIN: f32 = 12.0;

/// Width of the stripes in place of a missing picture, and the way from one to the next, in points.
const HATCH_WIDTH: f32 = 3.5;
/// See there.
const HATCH_STEP: f32 = 16.0;

/// What is drawn.
pub(super) struct Marks<'a> {
    /// What is said about the selected object here, with its colour.
    pub prompt: Option<(&'a Prompt, Rgb)>,
    /// The tool in hand.
    pub tool: Tool,
    /// Radius of brush and eraser, in pixels of the frame.
    pub brush_radius: f32,
    /// The model is encoding this frame for a click.
    pub is_encoding: bool,
    /// What is wrong with the picture: damaged, missing, too large.
    pub trouble: Option<String>,
    /// Whether there is none at all.
    pub is_missing: bool,
    /// The colour of the hatching in its place.
    pub hatch: Color32,
    /// Whether the minimap is wanted.
    pub has_minimap: bool,
    /// The accent colour of the theme.
    pub accent: Color32,
    /// Where the pointer of keyboard and gamepad is.
    pub crosshair: Option<[f32; 2]>,
    /// A marker hovered in the inspector.
    pub hovered_marker: Option<usize>,
    /// Where the tour wants the first click, in pixels of the frame.
    pub guide: Option<[f32; 2]>,
}

/// Draws it all; returns where the minimap goes.
pub(super) fn draw(painter: &Painter, canvas: &Canvas, pointer: &Pointer, marks: &Marks) -> Option<Rect> {
    let area = painter.clip_rect();
    if marks.is_missing {
        hatch(painter, &canvas.view, marks.hatch);
    }
    // That of the selected object lies over the others.
    let (selected, others): (Vec<_>, Vec<_>) =
        canvas.layers.iter().filter(|layer| layer.is_visible).partition(|layer| layer.is_selected);
    others.into_iter().chain(selected).for_each(|layer| number(painter, &canvas.view, layer));
    if let Some((prompt, colour)) = marks.prompt {
        draw_prompt(painter, &canvas.view, prompt, colour, pointer, marks);
    }
    match &pointer.drag {
        Drag::Box { from, to } => {
            let bounds = BoxPrompt::from([from[0], from[1], to[0], to[1]]);
            draw_box(painter, &canvas.view, bounds, Color32::WHITE);
        }
        Drag::None | Drag::Over | Drag::Minimap | Drag::Marker { .. } | Drag::Stroke { .. } => {}
    }
    if let (Tool::Brush | Tool::Eraser, Some([x, y])) = (marks.tool, pointer.at) {
        let radius = marks.brush_radius.max(0.5) * canvas.view.points_per_texel().y as f32;
        let centre = screen_at(&canvas.view, x, y);
        painter.circle_stroke(centre, radius, Stroke::new(3.0, Color32::from_black_alpha(120)));
        painter.circle_stroke(centre, radius, Stroke::new(1.5, Color32::WHITE));
    }
    if let Some([x, y]) = marks.crosshair {
        let at = Pos2::new(x, y);
        if let Some((from, _)) = pointer.first_corner {
            let to = frame_at(&canvas.view, at);
            draw_box(painter, &canvas.view, BoxPrompt::from([from[0], from[1], to[0], to[1]]), Color32::WHITE);
        }
        for (width, colour) in [(4.0, Color32::from_black_alpha(160)), (2.0, Color32::WHITE)] {
            painter.circle_stroke(at, 9.0, Stroke::new(width, colour));
            painter.line_segment([at - Vec2::new(4.0, 0.0), at + Vec2::new(4.0, 0.0)], Stroke::new(width, colour));
            painter.line_segment([at - Vec2::new(0.0, 4.0), at + Vec2::new(0.0, 4.0)], Stroke::new(width, colour));
        }
    }
    if let Some([x, y]) = marks.guide {
        let at = screen_at(&canvas.view, x, y);
        for (width, colour) in [(6.0, Color32::from_black_alpha(160)), (3.0, marks.accent)] {
            painter.circle_stroke(at, GUIDE_RADIUS, Stroke::new(width, colour));
        }
        label(painter, at + Vec2::new(0.0, GUIDE_RADIUS + 8.0), Align2::CENTER_TOP, "Click here");
    }
    if marks.is_encoding {
        let bar = Rect::from_min_size(area.min, Vec2::new(area.width(), 3.0));
        painter.rect_filled(bar, 0.0, marks.accent);
        let text = "Reading this frame for the model…";
        label(painter, area.center_top() + Vec2::new(0.0, 12.0), Align2::CENTER_TOP, text);
    }
    if let Some(trouble) = &marks.trouble {
        wrapped_label(painter, area.shrink(12.0), trouble);
    }
    let wants_minimap = marks.has_minimap && canvas.frame.is_some() && !canvas.view.is_all_visible();
    wants_minimap.then(|| draw_minimap(painter, &canvas.view, area))
}

fn colour_of([r, g, b]: Rgb) -> Color32 {
    Color32::from_rgb(r, g, b)
}

/// Dark or light, whichever reads better on a colour.
fn ink_on([r, g, b]: Rgb) -> Color32 {
    let light = 0.299 * f32::from(r) + 0.587 * f32::from(g) + 0.114 * f32::from(b);
    if light > 140.0 { Color32::BLACK } else { Color32::WHITE }
}

/// The object's number at the top of its mask: colours alone do not tell a dozen objects apart.
fn number(painter: &Painter, view: &ViewTransform, layer: &Layer) {
    let Some((x, y)) = top_of(&layer.mask) else { return };
    let at = screen_at(view, x, y - 0.5) - Vec2::new(0.0, 10.0);
    let (font, ink) = (FontId::proportional(11.0), ink_on(layer.colour));
    let galley = painter.layout_no_wrap(layer.object.to_string(), font, ink);
    let plate = Rect::from_center_size(at, Vec2::new(galley.size().x.max(8.0) + 8.0, 16.0));
    painter.rect_filled(plate, 3.0, colour_of(layer.colour));
    painter.rect_stroke(plate, 3.0, Stroke::new(1.0, Color32::from_black_alpha(160)), StrokeKind::Outside);
    painter.galley(plate.center() - galley.size() / 2.0, galley, ink);
}

/// The top of the mask where it is widest: a place that is certainly on the object. Its very first pixel may be a speck far
/// from it.
fn top_of(mask: &Mask) -> Option<(f32, f32)> {
    let width = mask.size().width as usize;
    // Of each row the runs, as start and end in the mask.
    let rows = mask.spans().flat_map(|(start, end)| {
        let cut = move |row: usize| (start.max(row * width), end.min((row + 1) * width));
        (start / width..=(end - 1) / width).map(cut)
    });
    let runs: Vec<(usize, usize)> = rows.collect();
    let widest = (0..runs.len()).rev().max_by_key(|place| runs[*place].1 - runs[*place].0)?;
    let (mut start, mut end) = runs[widest];
    for (above_start, above_end) in runs[..widest].iter().rev() {
        // It touches the run from above.
        if above_start + width < end && above_end + width > start {
            (start, end) = (*above_start, *above_end);
        }
    }
    Some((((start + end) / 2 % width) as f32, (start / width) as f32))
}

fn draw_prompt(
    painter: &Painter,
    view: &ViewTransform,
    prompt: &Prompt,
    colour: Rgb,
    pointer: &Pointer,
    marks: &Marks,
) {
    let Prompt::Clicks { points, bounds } = prompt else { return };
    if let Some(bounds) = bounds {
        draw_box(painter, view, *bounds, colour_of(colour));
    }
    for (index, point) in points.iter().enumerate() {
        let at = match &pointer.drag {
            Drag::Marker { index: dragged, at, .. } if *dragged == index => *at,
            Drag::None | Drag::Over | Drag::Minimap | Drag::Marker { .. } | Drag::Box { .. } | Drag::Stroke { .. } => {
                [point.x, point.y]
            }
        };
        let is_hovered = pointer.hovered_marker == Some(index) || marks.hovered_marker == Some(index);
        marker(painter, screen_at(view, at[0], at[1]), point, colour, is_hovered);
    }
}

/// A filled disc with a plus, or a ring with a minus.
fn marker(painter: &Painter, at: Pos2, point: &Point, colour: Rgb, is_hovered: bool) {
    let radius = MARKER_RADIUS * if is_hovered { HOVERED_GROWTH } else { 1.0 };
    let arm = radius * 0.5;
    let halo = Stroke::new(2.0, Color32::from_black_alpha(190));
    painter.circle_stroke(at, radius + 1.0, halo);
    let (fill, ink) = match point.label {
        PointLabel::Positive => (colour_of(colour), ink_on(colour)),
        PointLabel::Negative => (Color32::from_black_alpha(200), Color32::WHITE),
    };
    painter.circle(at, radius, fill, Stroke::new(1.5, Color32::WHITE));
    let line = Stroke::new(2.0, ink);
    painter.line_segment([at - Vec2::new(arm, 0.0), at + Vec2::new(arm, 0.0)], line);
    match point.label {
        PointLabel::Positive => {
            painter.line_segment([at - Vec2::new(0.0, arm), at + Vec2::new(0.0, arm)], line);
        }
        PointLabel::Negative => {
            painter.circle_stroke(at, radius, Stroke::new(2.0, colour_of(colour)));
        }
    }
}

fn draw_box(painter: &Painter, view: &ViewTransform, bounds: BoxPrompt, colour: Color32) {
    let rect = Rect::from_two_pos(screen_at(view, bounds.x0, bounds.y0), screen_at(view, bounds.x1, bounds.y1));
    painter.rect_stroke(rect, 0.0, Stroke::new(4.0, Color32::from_black_alpha(120)), StrokeKind::Middle);
    painter.rect_stroke(rect, 0.0, Stroke::new(2.0, colour), StrokeKind::Middle);
}

fn label(painter: &Painter, at: Pos2, anchor: Align2, text: &str) {
    let galley = painter.layout_no_wrap(text.to_owned(), FontId::proportional(13.0), Color32::WHITE);
    let plate = anchor.anchor_size(at, galley.size() + Vec2::new(16.0, 8.0));
    painter.rect_filled(plate, 4.0, Color32::from_black_alpha(200));
    painter.galley(plate.center() - galley.size() / 2.0, galley, Color32::WHITE);
}

/// The same at the top left of an area, in as many lines as it takes.
fn wrapped_label(painter: &Painter, area: Rect, text: &str) {
    let room = (area.width() - 16.0).max(1.0);
    let galley = painter.layout(text.to_owned(), FontId::proportional(13.0), Color32::WHITE, room);
    painter.rect_filled(
        Rect::from_min_size(area.min, galley.size() + Vec2::new(16.0, 8.0)),
        4.0,
        Color32::from_black_alpha(200),
    );
    painter.galley(area.min + Vec2::new(8.0, 4.0), galley, Color32::WHITE);
}

/// Stripes where the picture would be, as the shader draws them over a damaged one.
fn hatch(painter: &Painter, view: &ViewTransform, colour: Color32) {
    let whole = view.visible_frame_rect();
    let corner = |at: bevy::math::DVec2| screen_at(view, at.x as f32, at.y as f32);
    let place = Rect::from_two_pos(corner(whole.min), corner(whole.max)).intersect(painter.clip_rect());
    let painter = painter.with_clip_rect(place);
    painter.rect_filled(place, 0.0, Color32::from_black_alpha(120));
    let stroke = Stroke::new(HATCH_WIDTH, colour.gamma_multiply(0.35));
    let mut x = place.left() - place.height();
    while x < place.right() {
        painter.line_segment([Pos2::new(x, place.bottom()), Pos2::new(x + place.height(), place.top())], stroke);
        x += HATCH_STEP;
    }
}

/// The frame around the minimap and the part of it that is on the canvas.
fn draw_minimap(painter: &Painter, view: &ViewTransform, area: Rect) -> Rect {
    let corner = area.right_bottom() - Vec2::splat(MINIMAP_MARGIN);
    let place = Rect::from_min_max(corner - Vec2::splat(MINIMAP_SIDE), corner);
    let bevy_place = bevy::math::Rect::new(place.min.x, place.min.y, place.max.x, place.max.y);
    let small = view.fitted_into(bevy_place, painter.pixels_per_point());
    let whole = small.visible_frame_rect();
    let on_screen = |min: bevy::math::DVec2, max: bevy::math::DVec2| {
        let corner = |at: bevy::math::DVec2| screen_at(&small, at.x as f32, at.y as f32);
        Rect::from_two_pos(corner(min), corner(max))
    };
    let outer = on_screen(whole.min, whole.max);
    let visible = view.visible_frame_rect();
    painter.rect_stroke(outer, 0.0, Stroke::new(1.0, Color32::from_gray(20)), StrokeKind::Outside);
    let inner = on_screen(visible.min, visible.max).intersect(outer);
    painter.rect_stroke(inner, 0.0, Stroke::new(3.0, Color32::from_black_alpha(150)), StrokeKind::Inside);
    painter.rect_stroke(inner, 0.0, Stroke::new(1.5, Color32::WHITE), StrokeKind::Inside);
    outer
}

/// The cursor that tells what the tool does.
pub(super) fn cursor(tool: Tool, is_over_marker: bool) -> egui::CursorIcon {
    match tool {
        _ if is_over_marker => egui::CursorIcon::PointingHand,
        Tool::Select => egui::CursorIcon::Default,
        Tool::Points | Tool::Box => egui::CursorIcon::Crosshair,
        // The circle is the cursor.
        Tool::Brush | Tool::Eraser => egui::CursorIcon::None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::label::FrameSize;

    fn mask(rows: &[&str]) -> Mask {
        let size = FrameSize { width: rows[0].len() as u32, height: rows.len() as u32 };
        let pixels: Vec<u8> = rows.iter().flat_map(|row| row.bytes().map(|b| u8::from(b == b'#'))).collect();
        Mask::from_pixels(size, &pixels).expect("rows of one length")
    }

    #[test]
    fn a_number_stands_on_top_of_the_largest_part() {
        let speck = ["......#", ".##....", ".###...", "#####..", ".###..."];
        assert_eq!(top_of(&mask(&speck)), Some((2.0, 1.0)));
        // Runs that go on from row to row, and a mask of nothing.
        assert_eq!(top_of(&mask(&["..##", "####", "####", "#..."])), Some((3.0, 0.0)));
        assert_eq!(top_of(&mask(&["...", "..."])), None);
    }
}
