//! Hours of work in a minute: 3,600 actions in the whole window (but its pixels), and memory that does not grow.
//!
//! Run by `make test-long`, part of `make ci`. Alone in its file, because it watches the resident memory of the process. All caches are small enough to be full by
//! action 300.
#![cfg(all(feature = "gui", feature = "video", target_os = "linux"))]

mod engine_support;
mod window_support;

use bevy::input::ButtonState;
use bevy::prelude::*;
use engine_support::DiscClip;
use label_hub::app::action::{Action, Tool, TrackScope};
use label_hub::app::history::History;
use label_hub::app::labels::LabelIndex;
use label_hub::engine::resident_kib;
use label_hub::label::FrameIdx;
use window_support::BlindWindow;

const ACTIONS: usize = 3600;
/// Caches are full by then.
const SETTLED: usize = 300;
const FRAMES: u32 = 36;
const SIZE: (u32, u32) = (320, 240);
/// A dozen pictures.
const CACHE_BYTES: usize = 12 * 320 * 240 * 3;
const HISTORY_BYTES: usize = 32 << 10;
const MAX_OBJECTS: usize = 4;

#[test]
#[ignore = "takes a minute and a half; `make test-long` runs it"]
fn memory_stays_as_it_is_over_thousands_of_actions() {
    let clip = DiscClip::new(SIZE.0, SIZE.1, FRAMES, false);
    let mut window = BlindWindow::new([1280, 720], CACHE_BYTES);
    window.open(clip.path());
    window.app.insert_resource(History::new(HISTORY_BYTES));
    let mut settled_kib = 0;
    let mut counts = std::collections::BTreeMap::<&str, usize>::new();
    for number in 0..ACTIONS {
        let what = act(&mut window, &clip, number);
        *counts.entry(what).or_default() += 1;
        if number == SETTLED {
            settled_kib = resident_kib().expect("Linux tells");
        }
    }
    let end_kib = resident_kib().expect("Linux tells");
    let growth = (end_kib as f64 / settled_kib as f64 - 1.0) * 100.0;
    eprintln!("{ACTIONS} actions: {counts:?}");
    eprintln!("resident: {settled_kib} KiB at action {SETTLED}, {end_kib} KiB at the end ({growth:+.1} %)");
    let added = window.app.world().resource::<LabelIndex>().prompt_count();
    assert!(added > 0, "the script labels something");
    assert!(growth < 10.0, "memory grew by {growth:.1} %");
}

/// The next action of the script, by what a labeller's hand does; says which kind it was.
fn act(window: &mut BlindWindow, clip: &DiscClip, number: usize) -> &'static str {
    // A step that shares no factor with the clip's length visits all frames.
    let frame = (number as u32 * 5) % FRAMES;
    match number % 12 {
        0 | 4 => {
            window.act(Action::GoTo(FrameIdx(frame)));
            window.wait_for_picture();
            "seek"
        }
        1 | 5 => {
            window.act(Action::UseTool(Tool::Points));
            let here = window.frame().0;
            let at = clip.click(here);
            let place = window.screen_at(f64::from(at.x), f64::from(at.y));
            window.click(place);
            window.wait_for_answers();
            "click"
        }
        2 | 6 => {
            window.act(Action::UseTool(if number % 24 < 12 { Tool::Brush } else { Tool::Eraser }));
            stroke(window, number);
            window.wait_for_answers();
            "stroke"
        }
        3 => {
            if number % 36 == 3 {
                window.act(Action::Track(TrackScope::StaleOrMissing));
                window.wait_for_run();
                "track"
            } else {
                window.act(Action::Step(if number.is_multiple_of(2) { 1 } else { -1 }));
                window.wait_for_picture();
                "step"
            }
        }
        7 | 8 => {
            window.act(Action::Undo);
            window.wait_for_answers();
            "undo"
        }
        9 => {
            window.act(Action::Redo);
            window.wait_for_answers();
            "redo"
        }
        10 => {
            let objects = window.app.world().resource::<LabelIndex>().objects().count();
            // A click on a marker would take it away, and locked labels would stop the script.
            window.act(if objects < MAX_OBJECTS { Action::NewObject } else { Action::DeleteObject(None) });
            "object"
        }
        _ => {
            let middle = window.canvas().center();
            window.move_to(middle);
            window.app.update();
            window.wheel(if number % 24 < 12 { 1.0 } else { -1.0 });
            window.app.update();
            window.act(Action::NextObject);
            window.act(Action::ZoomFit);
            "zoom"
        }
    }
}

/// Paints or erases along a line in the picture's middle.
fn stroke(window: &mut BlindWindow, number: usize) {
    let middle = window.canvas().center();
    let start = middle + Vec2::new((number % 50) as f32 - 25.0, -20.0);
    window.move_to(start);
    window.app.update();
    window.button(MouseButton::Left, ButtonState::Pressed);
    window.app.update();
    for step in 1..=6 {
        window.move_to(start + Vec2::new(step as f32 * 8.0, step as f32 * 5.0));
        window.app.update();
    }
    window.button(MouseButton::Left, ButtonState::Released);
    window.app.update();
}
