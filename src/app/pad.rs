//! The gamepad at work: what its mapper says becomes actions, moves of the crosshair, and panning.
//!
//! The pad is read by its own thread (`input/gamepad.rs`), which wakes the window; here its events are only translated. While a
//! window, dialog or menu covers the picture, nothing of the pad reaches what is behind it.

use bevy::math::DVec2;
use bevy::prelude::*;
use bevy::window::RequestRedraw;

use crate::label::PointLabel;

use super::action::Action;
use super::canvas::Canvas;
use super::input::{Pad, PadKey, PadLink, PadThread, open_gilrs};
use super::notices::{Notices, Severity};
use super::pointer::Pointer;
use super::state::{ActionQueue, OpenClip, ToolInHand, ViewRequest, ViewRequests, Waker, Windows};
use super::ui::UiState;

/// Starts reading gamepads; without support for them the window works as well, and says why there are none.
pub(super) fn start(app: &mut App) {
    let waker = app.world().resource::<Waker>().0.clone();
    let started = open_gilrs().and_then(|source| PadThread::spawn(source, waker).map_err(|e| e.to_string()));
    match started {
        Ok(thread) => {
            app.insert_resource(PadLink(thread));
        }
        Err(reason) => app.world_mut().resource_mut::<Notices>().note(Severity::Info, format!("No gamepad: {reason}")),
    }
}

/// What the pad's buttons mean to the windows over the picture, until the next pass of the panels takes it.
#[derive(Resource, Debug, Default)]
pub(super) struct PadKeys(pub Vec<PadKey>);

pub(super) fn read_pad(
    (link, time): (Option<Res<PadLink>>, Res<Time<Real>>),
    (clip, tool): (Res<OpenClip>, Res<ToolInHand>),
    (windows, ui): (Res<Windows>, Res<UiState>),
    (mut pad, mut keys): (ResMut<Pad>, ResMut<PadKeys>),
    (mut canvas, mut pointer): (ResMut<Canvas>, ResMut<Pointer>),
    mut queue: ResMut<ActionQueue>,
    mut requests: ResMut<ViewRequests>,
    mut redraw: MessageWriter<RequestRedraw>,
) {
    let Some(link) = link else { return };
    let now = time.elapsed_secs_f64();
    pad.mapper.set_tool(tool.tool);
    pad.mapper.set_covered(windows.panel.is_some() || ui.is_over_picture());
    for event in link.0.events().try_iter() {
        pad.mapper.event(&event, now);
    }
    let mut output = pad.mapper.update(now);
    // A dialog of files has no window over it.
    output.actions.retain(|action| !(ui.has_dialog() && matches!(action, Action::TogglePanel(_))));
    queue.0.extend(output.actions);
    keys.0.extend(output.keys);
    let moves = output.cursor_delta != [0.0; 2];
    if output.pan_delta != [0.0; 2] {
        canvas.view.pan(DVec2::new(f64::from(output.pan_delta[0]), f64::from(output.pan_delta[1])));
    }
    if clip.clip().is_some() {
        requests.0.extend(moves.then_some(ViewRequest::MoveCrosshair(output.cursor_delta)));
        // B in the middle of a drag ends that, as Escape does, and is no click.
        output.clicks.retain(|label| *label == PointLabel::Positive || !pointer.call_off());
        queue.0.extend(output.clicks.into_iter().map(Action::ClickCrosshair));
    }
    if output.needs_redraw || moves || !keys.0.is_empty() {
        redraw.write(RequestRedraw);
    }
}
