//! A hand in the whole window (but its pixels): what a press on the canvas is for, and what it is not.
//!
//! Run with real threads and the test engine; input comes in as winit would send it.
#![cfg(feature = "gui")]

mod engine_support;
mod window_support;

use bevy::input::ButtonState;
use bevy::input::keyboard::{Key, KeyCode};
use bevy::prelude::*;
use engine_support::DiscClip;
use label_hub::app::action::{Action, Panel, Tool};
use label_hub::app::canvas::Canvas;
use label_hub::app::labels::{self, LabelIndex};
use label_hub::app::state::Shown;
use label_hub::label::{FrameIdx, ObjectId, PointLabel, Prompt};
use window_support::BlindWindow;

/// The button of the file menu.
const FILE_MENU: Vec2 = Vec2::new(40.0, 20.0);

fn open() -> (DiscClip, BlindWindow) {
    let clip = DiscClip::new(160, 96, 12, false);
    let mut window = BlindWindow::new([1280, 720], 64 << 20);
    window.open(clip.path());
    (clip, window)
}

/// With a click on the disc, answered, as object 1.
fn labelled() -> (DiscClip, BlindWindow) {
    let (clip, mut window) = open();
    window.act(Action::AddPoint(clip.click(0)));
    window.wait_for_answers();
    window.app.update();
    (clip, window)
}

fn escape(window: &mut BlindWindow) {
    window.key(Key::Escape, KeyCode::Escape);
}

fn letter(window: &mut BlindWindow, letter: &str, code: KeyCode) {
    window.key(Key::Character(letter.into()), code);
}

/// What is labelled, as text that can be compared.
fn labels_of(window: &BlindWindow) -> Vec<String> {
    let world = window.app.world();
    let mut all = Vec::new();
    for (id, _) in world.resource::<LabelIndex>().objects() {
        let marks = labels::marks(world, id).map(|marks| marks.frames.clone());
        all.push(format!("{id} {:?} {marks:?}", labels::said(world, id, FrameIdx(0))));
    }
    all
}

fn clicks(window: &BlindWindow, object: u32) -> usize {
    match labels::said(window.app.world(), ObjectId(object), FrameIdx(0)).map(|said| said.prompt.as_ref()) {
        Some(Prompt::Clicks { points, .. }) => points.len(),
        Some(Prompt::Mask(_)) | None => 0,
    }
}

#[test]
fn escape_in_a_stroke_or_box_ends_only_that() {
    let (_clip, mut window) = labelled();
    let before = labels_of(&window);
    for tool in [Tool::Brush, Tool::Eraser, Tool::Box] {
        window.act(Action::UseTool(tool));
        let (from, to) = (window.screen_at(30.0, 30.0), window.screen_at(90.0, 70.0));
        window.drag(from, to);
        escape(&mut window);
        window.let_go();
        assert_eq!(window.facts().selected, Some(ObjectId(1)), "{tool:?}");
        assert_eq!(labels_of(&window), before, "{tool:?}");
    }
    // The same without Escape is a stroke.
    window.act(Action::UseTool(Tool::Brush));
    let (from, to) = (window.screen_at(30.0, 30.0), window.screen_at(90.0, 70.0));
    window.drag(from, to);
    window.let_go();
    assert_ne!(labels_of(&window), before);
}

#[test]
fn a_stroke_does_not_go_over_to_another_object() {
    let (_clip, mut window) = labelled();
    window.act(Action::NewObject);
    window.act(Action::Select(ObjectId(1)));
    window.act(Action::UseTool(Tool::Brush));
    let before = labels_of(&window);
    let (from, to) = (window.screen_at(30.0, 30.0), window.screen_at(90.0, 70.0));
    window.drag(from, to);
    window.key(Key::Tab, KeyCode::Tab);
    assert_eq!(window.facts().selected, Some(ObjectId(2)));
    window.let_go();
    assert_eq!(labels_of(&window), before, "nothing was painted, on either");
}

#[test]
fn a_stroke_goes_with_what_undo_left() {
    let (_clip, mut window) = labelled();
    window.act(Action::UseTool(Tool::Brush));
    let before = labels_of(&window);
    let (from, to) = (window.screen_at(30.0, 30.0), window.screen_at(90.0, 70.0));
    window.drag(from, to);
    window.let_go();
    window.drag(to, from);
    window.act(Action::Undo);
    window.let_go();
    window.act(Action::Undo);
    assert_eq!(labels_of(&window), before, "what was undone did not come back with the stroke");
}

#[test]
fn a_tool_taken_up_while_a_marker_is_dragged_leaves_clicks_alone() {
    let (clip, mut window) = labelled();
    let at = clip.click(0);
    let from = window.screen_at(f64::from(at.x), f64::from(at.y));
    window.drag(from, from + Vec2::new(40.0, 0.0));
    letter(&mut window, "b", KeyCode::KeyB);
    window.let_go();
    letter(&mut window, "p", KeyCode::KeyP);
    assert_eq!((window.facts().tool, clicks(&window, 1)), (Tool::Points, 1));
    let place = window.screen_at(f64::from(at.x) + 8.0, f64::from(at.y) + 8.0);
    window.click(place);
    window.wait_for_answers();
    assert_eq!(clicks(&window, 1), 2, "the next click counts");
}

#[test]
fn a_press_on_the_minimap_pans_there() {
    let (_clip, mut window) = labelled();
    let corner = window.screen_at(5.0, 5.0);
    window.move_to(corner);
    window.app.update();
    for _ in 0..6 {
        window.act(Action::ZoomIn);
    }
    window.app.update();
    let world = window.app.world();
    let canvas = world.resource::<Canvas>();
    let minimap = canvas.minimap.expect("zoomed in there is one");
    let before = canvas.view.visible_frame_rect();
    assert!(before.min.x < 5.0, "the keys zoom at the pointer: {before:?}");
    let count = clicks(&window, 1);
    window.click(minimap.max - 4.0);
    window.app.update();
    let canvas = window.app.world().resource::<Canvas>();
    let visible = canvas.view.visible_frame_rect();
    assert!(visible.max.x > 155.0 && visible.min.x > before.max.x, "{visible:?}");
    assert_eq!(clicks(&window, 1), count, "and nothing is placed beneath it");
}

#[test]
fn what_closes_a_menu_does_nothing_else() {
    let (_clip, mut window) = labelled();
    window.click(FILE_MENU);
    window.app.update();
    // Away from the disc, far from the menu.
    let place = window.screen_at(140.0, 80.0);
    window.click(place);
    window.app.update();
    assert_eq!(clicks(&window, 1), 1, "the click only closed the menu");
    window.click(FILE_MENU);
    window.app.update();
    escape(&mut window);
    window.app.update();
    assert_eq!(window.facts().selected, Some(ObjectId(1)), "Escape only closed the menu");
    window.click(place);
    window.app.update();
    assert_eq!(clicks(&window, 1), 2, "with the menu closed the click counts");
    escape(&mut window);
    window.app.update();
    assert_eq!(window.facts().selected, None, "and so does Escape");
}

#[test]
fn beside_an_open_window_nothing_is_clicked() {
    let (_clip, mut window) = labelled();
    let place = window.screen_at(155.0, 92.0);
    for panel in [Panel::Settings, Panel::Export, Panel::CommandPalette] {
        window.act(Action::TogglePanel(panel));
        window.app.update();
        window.click(place);
        window.app.update();
        assert_eq!((window.facts().panel, clicks(&window, 1)), (Some(panel), 1));
        window.act(Action::TogglePanel(panel));
        window.app.update();
    }
    window.click(place);
    window.app.update();
    assert_eq!(clicks(&window, 1), 2);
}

#[test]
fn a_frame_that_cannot_be_read_does_not_look_like_the_one_before() {
    let (_clip, mut window) = labelled();
    let mut shown = window.app.world_mut().resource_mut::<Shown>();
    shown.failed = Some((FrameIdx(7), "the disk is gone".to_owned()));
    window.app.world_mut().resource_mut::<label_hub::app::state::Playhead>().0 = FrameIdx(7);
    for _ in 0..3 {
        window.app.update();
    }
    let canvas = window.app.world().resource::<Canvas>();
    assert!(canvas.frame.is_none() && canvas.layers.is_empty(), "neither its picture nor its masks");
    assert!(window.facts().is_unreadable);
    let place = window.screen_at(140.0, 80.0);
    window.click(place);
    window.act(Action::ClickCrosshair(PointLabel::Positive));
    window.app.update();
    assert_eq!(window.app.world().resource::<LabelIndex>().prompt_count(), 1, "a click does nothing");
    // "Try again" goes to the frame one is on.
    window.act(Action::GoTo(FrameIdx(7)));
    window.wait_for_picture();
    window.app.update();
    assert!(!window.facts().is_unreadable && window.app.world().resource::<Canvas>().frame.is_some());
}

#[test]
fn another_clip_begins_with_the_whole_timeline() {
    let (_clip, mut window) = open();
    // The ruler, over its last frame: the window's lower edge has status line and lanes.
    let place = Vec2::new(1260.0, window.canvas().max.y + 45.0);
    window.move_to(place);
    window.half_key(Key::Control, KeyCode::ControlLeft, ButtonState::Pressed);
    for _ in 0..20 {
        window.wheel(1.0);
        window.app.update();
    }
    window.half_key(Key::Control, KeyCode::ControlLeft, ButtonState::Released);
    let middle = Vec2::new(700.0, place.y);
    window.click(middle);
    let zoomed = window.frame();
    window.act(Action::GoTo(FrameIdx(0)));
    let other = DiscClip::new(160, 96, 12, false);
    window.open(other.path());
    window.click(middle);
    assert!(window.frame() < zoomed, "{} is in the middle of the whole, {zoomed} was zoomed in", window.frame());
}
