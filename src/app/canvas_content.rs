//! Tells the canvas what to show: the picture that has arrived, the masks of that very frame, how they look.
//!
//! Masks are those of the frame on screen, never of the one that is still being decoded. Runs last in an update.

use std::sync::Arc;

use bevy::math::DVec2;
use bevy::prelude::*;
use bevy::window::RequestRedraw;

use crate::label::{ObjectFacts, Provenance};

use super::canvas::{Canvas, CanvasStyle, LargestPicture, Layer};
use super::crosshair::{self, CrosshairView};
use super::labels::{LabelIndex, Marks, MaskPixels};
use super::pointer::{Drag, Pointer, Target};
use super::receive::is_waiting;
use super::settings::Settings;
use super::state::{
    ActionQueue, Crosshair, OpenClip, Overlay, Playhead, Preview, Selection, Shown, ToolInHand, ViewRequest,
    ViewRequests, Windows,
};
use super::theme::canvas_background;
use super::ui::UiState;

/// Zoom of one step of a key or button.
const ZOOM_STEP: f64 = 1.25;

pub(super) fn fill_canvas(
    mut canvas: ResMut<Canvas>,
    (clip, largest): (Res<OpenClip>, Res<LargestPicture>),
    (shown, playhead): (Res<Shown>, Res<Playhead>),
    index: Res<LabelIndex>,
    (selection, overlay, settings): (Res<Selection>, Res<Overlay>, Res<Settings>),
    (pointer, preview): (Res<Pointer>, Res<Preview>),
    objects: Query<(&ObjectFacts, &Marks)>,
    masks: Query<&MaskPixels>,
) {
    // The picture before would pass for the one that cannot be read; one that is too large the device would refuse.
    let is_too_large = clip.clip().is_some_and(|clip| !largest.fits(clip.size()));
    let is_unreadable = shown.failure(playhead.0).is_some() || is_too_large;
    canvas.frame = shown.frame.clone().filter(|_| clip.clip().is_some() && !is_unreadable);
    canvas.rgb = shown.rgb.clone().filter(|_| canvas.frame.is_some());
    canvas.is_waiting = clip.clip().is_some() && is_waiting(&shown, *playhead);
    canvas.is_damaged = shown.frame.as_ref().is_some_and(|frame| frame.damage().is_some());
    canvas.style = style(&settings);
    if let Some(clip) = clip.clip() {
        let (width, height) = clip.sample_aspect_ratio();
        canvas.view.set_frame(clip.size(), f64::from(width) / f64::from(height.max(1)));
    }
    canvas.layers.clear();
    canvas.preview = None;
    let Some(on_screen) = canvas.frame.as_ref().map(|frame| frame.idx()) else { return };
    // The lowest id is drawn last, so it lies on top; exports give it the pixel too.
    for (object, entity) in index.objects().rev() {
        let Ok((facts, marks)) = objects.get(entity) else { continue };
        let is_selected = selection.0 == Some(object);
        let stroke = stroke_result(&pointer).filter(|_| is_selected && on_screen == playhead.0);
        let unpacked = index.mask(object, on_screen).and_then(|entity| masks.get(entity).ok());
        let Some(mask) = stroke.or_else(|| unpacked.map(|pixels| pixels.mask.clone())) else { continue };
        let is_soloed_away = overlay.solo.is_some_and(|solo| solo != object);
        canvas.layers.push(Layer {
            object,
            mask,
            colour: facts.colour,
            is_visible: !overlay.is_off && !facts.is_hidden && !is_soloed_away,
            is_selected,
            is_hovered: pointer.hovered_object == Some(object),
            is_dimmed: marks.frames.get(&on_screen).is_some_and(|mark| mark.is_stale(facts.revision)),
        });
    }
    if on_screen == playhead.0 {
        let new_stroke = stroke_result(&pointer).filter(|_| selection.0.is_none());
        canvas.preview = new_stroke.or_else(|| preview.mask.clone());
    }
}

fn stroke_result(pointer: &Pointer) -> Option<Arc<crate::label::Mask>> {
    match &pointer.drag {
        Drag::Stroke { result, .. } => Some(result.clone()),
        Drag::None | Drag::Over | Drag::Minimap | Drag::Marker { .. } | Drag::Box { .. } => None,
    }
}

fn style(settings: &Settings) -> CanvasStyle {
    let default = CanvasStyle::default();
    CanvasStyle {
        fill_opacity: (default.fill_opacity * settings.fill_opacity).min(1.0),
        selected_fill_opacity: (default.selected_fill_opacity * settings.fill_opacity).min(1.0),
        outline_width: default.outline_width * settings.outline_width,
        selected_outline_width: default.selected_outline_width * settings.outline_width,
        is_outline_only: settings.outline_only,
        background: canvas_background(settings.theme),
        ..default
    }
}

/// What keys, buttons and pad ask of the view; it alone knows where things are on screen.
pub(super) fn answer_view_requests(
    mut canvas: ResMut<Canvas>,
    (mut requests, mut crosshair): (ResMut<ViewRequests>, ResMut<Crosshair>),
    mut queue: ResMut<ActionQueue>,
    mut pointer: ResMut<Pointer>,
    (clip, largest): (Res<OpenClip>, Res<LargestPicture>),
    (shown, playhead): (Res<Shown>, Res<Playhead>),
    (selection, tool, windows, ui): (Res<Selection>, Res<ToolInHand>, Res<Windows>, Res<UiState>),
    (index, masks): (Res<LabelIndex>, Query<&MaskPixels>),
    mut redraw: MessageWriter<RequestRedraw>,
) {
    let requests_now = std::mem::take(&mut requests.0);
    let Some(clip) = clip.clip() else { return };
    let is_covered = windows.panel.is_some() || ui.is_over_picture();
    for request in requests_now {
        let rect = canvas.rect;
        // What the pointer is over stays there; from elsewhere it is the middle.
        let hovered = pointer.at.map(|[x, y]| canvas.view.screen_from_frame(DVec2::new(f64::from(x), f64::from(y))));
        let fixed = hovered.unwrap_or(rect.center().as_dvec2());
        match request {
            ViewRequest::ZoomIn => canvas.view.zoom_at(fixed, ZOOM_STEP),
            ViewRequest::ZoomOut => canvas.view.zoom_at(fixed, 1.0 / ZOOM_STEP),
            ViewRequest::Fit => canvas.view.fit(),
            ViewRequest::Actual => canvas.view.one_to_one(),
            ViewRequest::MoveCrosshair([dx, dy]) => {
                let [x, y] = crosshair.0.unwrap_or(rect.center().to_array());
                crosshair.0 = Some([(x + dx).clamp(rect.min.x, rect.max.x), (y + dy).clamp(rect.min.y, rect.max.y)]);
            }
            // On another picture the click would land wrongly: it waits for the right one.
            ViewRequest::ClickCrosshair(_, frame) if frame != playhead.0 => {}
            // Nor is there anything to click on behind a window, or where there is no picture.
            ViewRequest::ClickCrosshair(..) if is_covered || !largest.fits(clip.size()) => {}
            ViewRequest::ClickCrosshair(..) if shown.failure(playhead.0).is_some() => {}
            ViewRequest::ClickCrosshair(..) if is_waiting(&shown, *playhead) => {
                requests.0.push(request);
                continue;
            }
            ViewRequest::ClickCrosshair(label, frame) => {
                let [x, y] = *crosshair.0.get_or_insert(rect.center().to_array());
                let at = canvas.view.frame_from_screen(DVec2::new(f64::from(x), f64::from(y)));
                if canvas.view.is_on_picture(at) {
                    let mask = selection.0.and_then(|object| masks.get(index.mask(object, frame)?).ok());
                    let view = CrosshairView {
                        canvas: &canvas,
                        target: Target { tool: tool.tool, object: selection.0, frame },
                        brush_radius: tool.brush_radius,
                        size: clip.size(),
                        mask: mask.map(|pixels| pixels.mask.clone()),
                    };
                    queue.0.extend(crosshair::click(&view, at.as_vec2().to_array(), label, &mut pointer));
                }
            }
        }
        // What lies over the picture was drawn before.
        redraw.write(RequestRedraw);
    }
}

/// What a provenance is called.
pub(super) fn provenance_word(provenance: Provenance) -> &'static str {
    match provenance {
        Provenance::Prompted => "prompted",
        Provenance::Painted => "painted",
        Provenance::Tracked => "tracked",
    }
}
