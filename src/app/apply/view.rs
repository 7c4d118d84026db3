//! What only the eye sees: tools, zoom, overlay, panels. Nothing of it is a label, so nothing of it is undone.

use bevy::prelude::*;

use super::super::action::{Action, Panel};
use super::super::notices::Notices;
use super::super::settings::Settings;
use super::super::state::{Overlay, Playback, Preview, Selection, ToolInHand, ViewRequest, ViewRequests, Windows};
use super::super::tour;
use super::{clips, playhead};

/// Smallest and largest brush radius, in pixels of the clip.
const BRUSH_RADII: (f32, f32) = (0.5, 512.0);
/// How much one press of a key changes the brush.
const BRUSH_STEP: f32 = 1.25;

pub(super) fn perform(world: &mut World, action: &Action) {
    match action {
        Action::UseTool(tool) => world.resource_mut::<ToolInHand>().tool = *tool,
        Action::BrushLarger => scale_brush(world, BRUSH_STEP),
        Action::BrushSmaller => scale_brush(world, 1.0 / BRUSH_STEP),
        Action::ZoomIn => ask_view(world, ViewRequest::ZoomIn),
        Action::ZoomOut => ask_view(world, ViewRequest::ZoomOut),
        Action::ZoomFit => ask_view(world, ViewRequest::Fit),
        Action::ZoomActual => ask_view(world, ViewRequest::Actual),
        Action::MoveCrosshair(dx, dy) => {
            ask_view(world, ViewRequest::MoveCrosshair([f32::from(*dx), f32::from(*dy)]));
        }
        Action::ClickCrosshair(label) => {
            // It is for the picture that is on screen; the next one would take its place before the canvas sees it.
            world.resource_mut::<Playback>().running = None;
            let frame = playhead(world);
            ask_view(world, ViewRequest::ClickCrosshair(*label, frame));
        }
        Action::ToggleOutlineOnly => {
            let mut settings = world.resource_mut::<Settings>();
            settings.outline_only = !settings.outline_only;
        }
        Action::ToggleOverlay => {
            let mut overlay = world.resource_mut::<Overlay>();
            overlay.is_off = !overlay.is_off;
        }
        Action::SetFillOpacity(opacity) => world.resource_mut::<Settings>().fill_opacity = *opacity,
        Action::SetOutlineWidth(width) => world.resource_mut::<Settings>().outline_width = *width,
        Action::SetUiScale(scale) => world.resource_mut::<Settings>().ui_scale = *scale,
        Action::SetTheme(theme) => world.resource_mut::<Settings>().theme = *theme,
        Action::TogglePanel(panel) => {
            let mut windows = world.resource_mut::<Windows>();
            windows.panel = if windows.panel == Some(*panel) { None } else { Some(*panel) };
        }
        Action::SetExportFolder(folder) => world.resource_mut::<Windows>().export_folder = Some(folder.clone()),
        Action::StartRename => world.resource_mut::<Windows>().is_rename_wanted = true,
        Action::Tour(step) => tour::perform(world, *step),
        Action::DismissNotice(id) => world.resource_mut::<Notices>().dismiss(*id),
        Action::Cancel => cancel(world),
        _ => unreachable!("perform sends actions about the view here"),
    }
}

fn scale_brush(world: &mut World, by: f32) {
    let mut tool = world.resource_mut::<ToolInHand>();
    tool.brush_radius = (tool.brush_radius * by).clamp(BRUSH_RADII.0, BRUSH_RADII.1);
}

fn ask_view(world: &mut World, request: ViewRequest) {
    world.resource_mut::<ViewRequests>().0.push(request);
}

/// Lets go of the innermost thing: a panel, then the preview, then solo, then the selection.
fn cancel(world: &mut World) {
    let mut windows = world.resource_mut::<Windows>();
    let open: Option<Panel> = windows.panel.take();
    if open.is_some() || clips::cancel_opening(world) {
        return;
    }
    let mut preview = world.resource_mut::<Preview>();
    if preview.mask.is_some() || preview.point.is_some() {
        *preview = Preview::default();
        return;
    }
    let mut overlay = world.resource_mut::<Overlay>();
    if overlay.solo.take().is_none() {
        world.resource_mut::<Selection>().0 = None;
    }
}
