//! The gamepad at work: what its mapper says becomes actions, moves of the crosshair, and panning.
//!
//! The pad is read by its own thread (`input/gamepad.rs`), which wakes the window; here its events are only translated.

use bevy::math::DVec2;
use bevy::prelude::*;
use bevy::window::RequestRedraw;

use super::action::Action;
use super::canvas::Canvas;
use super::input::{Pad, PadLink, PadThread, open_gilrs};
use super::notices::{Notices, Severity};
use super::state::{ActionQueue, OpenClip, ToolInHand, ViewRequest, ViewRequests, Waker};

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

pub(super) fn read_pad(
    link: Option<Res<PadLink>>,
    time: Res<Time<Real>>,
    clip: Res<OpenClip>,
    tool: Res<ToolInHand>,
    mut pad: ResMut<Pad>,
    mut canvas: ResMut<Canvas>,
    mut queue: ResMut<ActionQueue>,
    mut requests: ResMut<ViewRequests>,
    mut redraw: MessageWriter<RequestRedraw>,
) {
    let Some(link) = link else { return };
    let now = time.elapsed_secs_f64();
    pad.mapper.set_tool(tool.tool);
    for event in link.0.events().try_iter() {
        pad.mapper.event(&event, now);
    }
    let output = pad.mapper.update(now);
    queue.0.extend(output.actions);
    let moves = output.cursor_delta != [0.0; 2];
    if output.pan_delta != [0.0; 2] {
        canvas.view.pan(DVec2::new(f64::from(output.pan_delta[0]), f64::from(output.pan_delta[1])));
    }
    if clip.clip().is_some() {
        requests.0.extend(moves.then_some(ViewRequest::MoveCrosshair(output.cursor_delta)));
        queue.0.extend(output.clicks.into_iter().map(Action::ClickCrosshair));
    }
    if output.needs_redraw || moves {
        redraw.write(RequestRedraw);
    }
}
