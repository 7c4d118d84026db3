//! A hand in the whole window (but its pixels): where keys go, what a double click is, and what a click on a mask is for.
//!
//! Run with real threads and the test engine; input comes in as winit would send it.
#![cfg(feature = "gui")]

mod engine_support;
mod window_support;

use std::time::{Duration, Instant};

use bevy::input::ButtonState;
use bevy::input::keyboard::{Key, KeyCode};
use bevy::prelude::*;
use bevy::time::TimeUpdateStrategy;
use engine_support::DiscClip;
use label_hub::app::action::{Action, Tool};
use label_hub::app::labels::{self, LabelIndex};
use label_hub::app::state::Crosshair;
use label_hub::label::{FrameIdx, ObjectFacts, ObjectId, PointLabel, Prompt};
use window_support::BlindWindow;

/// The button of the file menu.
const FILE_MENU: Vec2 = Vec2::new(40.0, 20.0);
const F_O_X: [(&str, KeyCode); 3] = [("f", KeyCode::KeyF), ("o", KeyCode::KeyO), ("x", KeyCode::KeyX)];

/// A clip with a click on the disc, answered, as object 1.
fn labelled() -> (DiscClip, BlindWindow) {
    let clip = DiscClip::new(160, 96, 12, false);
    let mut window = BlindWindow::new([1280, 720], 64 << 20);
    window.open(clip.path());
    window.act(Action::AddPoint(clip.click(0)));
    window.wait_for_answers();
    window.app.update();
    (clip, window)
}

fn type_text(window: &mut BlindWindow, letters: &[(&str, KeyCode)]) {
    for (letter, code) in letters {
        window.key(Key::Character((*letter).into()), *code);
    }
}

fn enter(window: &mut BlindWindow) {
    window.key(Key::Enter, KeyCode::Enter);
    window.app.update();
}

fn facts_of(window: &BlindWindow, object: u32) -> ObjectFacts {
    labels::facts(window.app.world(), ObjectId(object)).expect("the object is there").clone()
}

fn clicks(window: &BlindWindow, object: u32) -> usize {
    match labels::frame_prompt(window.app.world(), ObjectId(object), FrameIdx(0)).map(|said| said.prompt.as_ref()) {
        Some(Prompt::Clicks { points, .. }) => points.len(),
        Some(Prompt::Mask(_)) | None => 0,
    }
}

fn object_count(window: &BlindWindow) -> usize {
    window.app.world().resource::<LabelIndex>().objects().count()
}

#[test]
fn keys_do_not_reach_behind_an_open_menu() {
    let (_clip, mut window) = labelled();
    window.click(FILE_MENU);
    window.app.update();
    type_text(&mut window, &[("b", KeyCode::KeyB), ("n", KeyCode::KeyN), ("x", KeyCode::KeyX)]);
    window.key(Key::Space, KeyCode::Space);
    window.app.update();
    assert_eq!((window.facts().tool, object_count(&window), clicks(&window, 1)), (Tool::Points, 1, 1));
    assert!(!window.facts().is_playing);
    window.key(Key::Escape, KeyCode::Escape);
    window.app.update();
    assert_eq!(window.facts().selected, Some(ObjectId(1)), "Escape only closed the menu");
    type_text(&mut window, &[("b", KeyCode::KeyB)]);
    window.app.update();
    assert_eq!(window.facts().tool, Tool::Brush, "with the menu closed the keys count");
}

#[test]
fn a_class_is_typed_as_soon_as_the_list_is_open() {
    let (_clip, mut window) = labelled();
    for _ in 0..2 {
        let list = window.place_of("no class");
        window.click(list);
        window.app.update();
        type_text(&mut window, &F_O_X);
        enter(&mut window);
        assert_eq!(facts_of(&window, 1).class.as_deref(), Some("fox"));
        assert!(!window.facts().is_tracking && window.facts().in_out.is_none() && clicks(&window, 1) == 1);
        window.app.update();
        window.click(list);
        window.app.update();
        let none = window.place_of("no class");
        window.click(none);
        window.app.update();
        assert_eq!(facts_of(&window, 1).class, None, "a class of the list can be clicked all the same");
    }
}

#[test]
fn a_double_click_renames_however_long_the_window_slept() {
    let (_clip, mut window) = labelled();
    let row = window.place_of("object 1");
    window.move_to(row);
    window.app.update();
    // Bevy takes the time from the last picture: what comes first after a rest has the time from before it.
    let before = Instant::now();
    for at in [before, before + Duration::from_secs(3)] {
        window.app.insert_resource(TimeUpdateStrategy::ManualInstant(at));
        for state in [ButtonState::Pressed, ButtonState::Released] {
            window.button(MouseButton::Left, state);
            window.app.update();
        }
    }
    window.app.update();
    type_text(&mut window, &F_O_X);
    enter(&mut window);
    assert_eq!(facts_of(&window, 1).name, "fox", "what is typed replaces the name");
    assert!(!window.facts().is_tracking && clicks(&window, 1) == 1, "and is no shortcut");
}

#[test]
fn a_click_on_a_mask_selects_its_object_where_none_is_selected() {
    let (clip, mut window) = labelled();
    // The same once more, so that one mask covers the other.
    window.act(Action::NewObject);
    window.act(Action::AddPoint(clip.click(0)));
    window.wait_for_answers();
    window.act(Action::Cancel);
    window.app.update();
    window.app.update();
    let middle = clip.click(0);
    let place = window.screen_at(f64::from(middle.x), f64::from(middle.y));
    let state = |window: &BlindWindow| (object_count(window), window.facts().selected.map(|id| id.0));
    window.click(place);
    window.app.update();
    assert_eq!((state(&window), clicks(&window, 1), clicks(&window, 2)), ((2, Some(1)), 1, 1), "the topmost");
    // The next click corrects it.
    let beside = place + Vec2::new(60.0, 0.0);
    window.click(beside);
    window.wait_for_answers();
    assert_eq!(clicks(&window, 1), 2);
    // What is out of sight is not clicked on.
    window.act(Action::ToggleHidden(None));
    window.act(Action::Cancel);
    window.app.update();
    window.app.update();
    window.click(place);
    window.app.update();
    assert_eq!(state(&window), (2, Some(2)));
    // The crosshair does the same.
    window.act(Action::Cancel);
    window.app.world_mut().resource_mut::<Crosshair>().0 = Some(place.to_array());
    window.act(Action::ClickCrosshair(PointLabel::Positive));
    window.app.update();
    assert_eq!((state(&window), clicks(&window, 2)), ((2, Some(2)), 1));
    // With Shift it is what Shift has shown: a new object.
    window.act(Action::Cancel);
    window.half_key(Key::Shift, KeyCode::ShiftLeft, ButtonState::Pressed);
    window.click(place);
    window.half_key(Key::Shift, KeyCode::ShiftLeft, ButtonState::Released);
    assert_eq!(state(&window), (3, Some(3)));
    // So is a click beside all masks.
    window.wait_for_answers();
    window.act(Action::ToggleOverlay);
    window.act(Action::Cancel);
    window.app.update();
    window.app.update();
    window.click(place);
    window.app.update();
    assert_eq!(state(&window), (4, Some(4)), "all masks are hidden");
}

#[test]
fn a_right_click_with_the_box_tool_says_how_a_box_is_made() {
    let (_clip, mut window) = labelled();
    window.act(Action::UseTool(Tool::Box));
    let place = window.screen_at(30.0, 30.0);
    window.click_with(MouseButton::Right, place);
    let said = window.said();
    assert!(said.last().is_some_and(|text| text.contains("left button") && text.contains("(P)")), "{said:?}");
    assert_eq!(clicks(&window, 1), 1);
}
