//! The gamepad at work: what its mapper says becomes actions, a cursor on the canvas, and panning.
//!
//! The pad is read by its own thread (`input/gamepad.rs`), which wakes the window; here its events are only translated.

use bevy::math::DVec2;
use bevy::prelude::*;
use bevy::window::RequestRedraw;

use crate::label::Point;

use super::action::Action;
use super::canvas::Canvas;
use super::input::{Pad, PadLink, PadThread, open_gilrs};
use super::notices::{Notices, Severity};
use super::state::{ActionQueue, OpenClip, ToolInHand, Waker};

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
    if (moves || !output.clicks.is_empty()) && clip.clip().is_some() {
        let rect = canvas.rect;
        let [x, y] = pad.cursor.unwrap_or(rect.center().to_array());
        let x = (x + output.cursor_delta[0]).clamp(rect.min.x, rect.max.x);
        let y = (y + output.cursor_delta[1]).clamp(rect.min.y, rect.max.y);
        pad.cursor = Some([x, y]);
        let at = canvas.view.frame_from_screen(DVec2::new(f64::from(x), f64::from(y)));
        for label in output.clicks.into_iter().filter(|_| canvas.view.is_on_picture(at)) {
            queue.send(Action::AddPoint(Point { x: at.x as f32, y: at.y as f32, label }));
        }
    }
    if output.needs_redraw || moves {
        redraw.write(RequestRedraw);
    }
}
