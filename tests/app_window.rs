//! A hand in the whole window (but its pixels): what a press on the canvas is for, and what it is not.
//!
//! Run with real threads and the test engine; input comes in as winit would send it.
#![cfg(feature = "gui")]

mod engine_support;
#[cfg(feature = "video")]
mod video_support;
mod window_support;

use bevy::input::ButtonState;
use bevy::input::keyboard::{Key, KeyCode};
use bevy::prelude::*;
use crossbeam_channel::{Receiver, Sender, bounded};
use engine_support::DiscClip;
use label_hub::app::action::{Action, FileQuestion, Panel, Tool};
use label_hub::app::canvas::{Canvas, LargestPicture};
use label_hub::app::input::{PadButton, PadEvent, PadLink, PadSource, PadThread};
use label_hub::app::labels::{self, LabelIndex};
use label_hub::app::panels::status_bar::next_click_hint;
use label_hub::app::state::{Crosshair, Preview, Shown, Waker};
use label_hub::label::{FrameIdx, ObjectId, Point, PointLabel, Prompt};
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
        all.push(format!("{id} {:?} {marks:?}", labels::frame_prompt(world, id, FrameIdx(0))));
    }
    all
}

fn clicks(window: &BlindWindow, object: u32) -> usize {
    match labels::frame_prompt(window.app.world(), ObjectId(object), FrameIdx(0)).map(|said| said.prompt.as_ref()) {
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
fn a_click_that_ends_the_typing_of_a_name_is_a_click_too() {
    let (clip, mut window) = labelled();
    let name = |window: &BlindWindow| labels::facts(window.app.world(), ObjectId(1)).map(|facts| facts.name.clone());
    let type_name = |window: &mut BlindWindow| {
        window.key(Key::F2, KeyCode::F2);
        letter(window, "z", KeyCode::KeyZ);
    };
    let at = clip.click(0);
    let place = window.screen_at(f64::from(at.x) + 8.0, f64::from(at.y) + 8.0);
    type_name(&mut window);
    window.click(place);
    window.wait_for_answers();
    assert_eq!((name(&window).as_deref(), clicks(&window, 1)), (Some("z"), 2));
    // And a dab of the brush.
    window.act(Action::UseTool(Tool::Brush));
    let before = labels_of(&window);
    type_name(&mut window);
    let place = window.screen_at(140.0, 80.0);
    window.click(place);
    window.app.update();
    assert_ne!(labels_of(&window), before);
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
fn a_dragged_marker_previews_the_mask_it_would_give() {
    let (clip, mut window) = labelled();
    let at = clip.click(0);
    window.act(Action::AddPoint(Point { x: 140.0, y: 80.0, label: PointLabel::Negative }));
    window.wait_for_answers();
    window.app.update();
    let from = window.screen_at(f64::from(at.x), f64::from(at.y));
    for tool in [Tool::Points, Tool::Select] {
        window.act(Action::UseTool(tool));
        let place = window.screen_at(f64::from(at.x.round()) + 2.0, f64::from(at.y.round()) + 1.0);
        window.drag(from, place);
        window.wait("the preview is there", |world| {
            let preview = world.resource::<Preview>();
            preview.pending.is_none() && preview.mask.is_some()
        });
        let preview = window.app.world().resource::<Preview>();
        let considered = preview.point.expect("a click is considered");
        assert_eq!((considered.moved, considered.point.label), (Some(0), PointLabel::Positive), "{tool:?}");
        let shown = preview.mask.clone().expect("a mask");
        window.let_go();
        window.wait_for_answers();
        window.app.update();
        assert_eq!((mask_of(&window, 1), clicks(&window, 1)), (shown.as_ref().clone(), 2), "{tool:?}");
        assert!(window.app.world().resource::<Preview>().point.is_none());
        window.act(Action::Undo);
        window.wait_for_answers();
        window.app.update();
    }
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
    let late = Vec2::new(1000.0, window.canvas().max.y + 45.0);
    window.click(late);
    window.app.update();
    assert_eq!(window.frame(), FrameIdx(0), "nor did the timeline scrub");
    window.click(late);
    window.app.update();
    assert_ne!(window.frame(), FrameIdx(0));
    window.act(Action::GoTo(FrameIdx(0)));
    window.wait_for_picture();
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

#[test]
fn a_picture_too_large_for_the_device_says_so_and_takes_no_clicks() {
    let (_clip, mut window) = labelled();
    window.app.insert_resource(LargestPicture(100));
    window.app.update();
    window.app.update();
    let canvas = window.app.world().resource::<Canvas>();
    assert!(canvas.frame.is_none() && canvas.layers.is_empty());
    assert_eq!(window.facts().largest_side, Some(100));
    assert!(next_click_hint(window.facts(), &|_| None).contains("too large"));
    let text = window.texts().into_iter().find(|text| text.contains("160x96")).expect("a reason on the canvas");
    assert!(text.contains("ends at 100") && text.contains("Scale the images down to 100"), "{text}");
    let place = window.screen_at(140.0, 80.0);
    for tool in [Tool::Points, Tool::Brush, Tool::Box] {
        window.act(Action::UseTool(tool));
        window.click(place);
        window.act(Action::ClickCrosshair(PointLabel::Positive));
        window.app.update();
        window.drag(place, place - Vec2::new(90.0, 60.0));
        window.let_go();
    }
    assert_eq!((window.app.world().resource::<LabelIndex>().prompt_count(), clicks(&window, 1)), (1, 1));
    // One that fits is there again at once.
    window.app.insert_resource(LargestPicture(160));
    window.app.update();
    window.app.update();
    assert!(window.app.world().resource::<Canvas>().frame.is_some() && window.facts().largest_side.is_none());
}

/// A gamepad under the test's fingers.
struct TestPad(Receiver<PadEvent>);

impl PadSource for TestPad {
    fn next(&mut self, wait: std::time::Duration) -> Option<PadEvent> {
        self.0.recv_timeout(wait).ok()
    }
}

fn plug_in(window: &mut BlindWindow) -> Sender<PadEvent> {
    let (sender, events) = bounded(4);
    let waker = window.app.world().resource::<Waker>().0.clone();
    window.app.insert_resource(PadLink(PadThread::spawn(TestPad(events), waker).expect("a thread")));
    sender
}

/// A button is pressed and let go, and what that asked for is done.
fn pad(window: &mut BlindWindow, fingers: &Sender<PadEvent>, button: PadButton) {
    for event in [PadEvent::Pressed(button), PadEvent::Released(button)] {
        fingers.send(event).expect("the pad's thread lives");
        while window.app.world().resource::<PadLink>().0.events().is_empty() {
            window.wait_for_news();
        }
        window.app.update();
    }
    window.app.update();
    window.app.update();
}

#[test]
fn the_pad_does_not_reach_behind_what_covers_the_picture() {
    let (_clip, mut window) = labelled();
    let fingers = plug_in(&mut window);
    let before = labels_of(&window);
    let buttons = [PadButton::South, PadButton::North, PadButton::West, PadButton::Right, PadButton::RightBumper];
    for panel in [Panel::Settings, Panel::Export, Panel::Help] {
        window.act(Action::TogglePanel(panel));
        window.app.update();
        for button in buttons {
            pad(&mut window, &fingers, button);
        }
        let facts = window.facts();
        assert_eq!((facts.panel, facts.tool, facts.frame), (Some(panel), Tool::Points, FrameIdx(0)));
        assert_eq!(labels_of(&window), before, "{panel:?}");
        pad(&mut window, &fingers, PadButton::East);
        assert_eq!((window.facts().panel, window.facts().selected), (None, Some(ObjectId(1))), "B closes it");
    }
    window.click(FILE_MENU);
    window.app.update();
    pad(&mut window, &fingers, PadButton::South);
    assert_eq!(labels_of(&window), before, "nor behind a menu");
    pad(&mut window, &fingers, PadButton::East);
    assert_eq!(labels_of(&window), before, "B closes the menu");
    // The picture is free again.
    pad(&mut window, &fingers, PadButton::South);
    assert_eq!(clicks(&window, 1), 2);
}

#[test]
fn the_pad_chooses_in_the_palette() {
    let (_clip, mut window) = labelled();
    let fingers = plug_in(&mut window);
    pad(&mut window, &fingers, PadButton::Start);
    assert_eq!(window.facts().panel, Some(Panel::CommandPalette));
    let place = Action::without_arguments().iter().position(|action| *action == Action::TogglePanel(Panel::Export));
    for _ in 0..=place.expect("it is there") {
        pad(&mut window, &fingers, PadButton::Down);
    }
    pad(&mut window, &fingers, PadButton::Up);
    pad(&mut window, &fingers, PadButton::South);
    assert_eq!(window.facts().panel, Some(Panel::Export), "A runs the command that is chosen");
    pad(&mut window, &fingers, PadButton::Start);
    pad(&mut window, &fingers, PadButton::Start);
    assert_eq!(window.facts().panel, None, "Start closes the palette");
    // Over a dialog of files no window opens; B closes it.
    window.act(Action::Ask(FileQuestion::OpenClip));
    window.app.update();
    pad(&mut window, &fingers, PadButton::Start);
    pad(&mut window, &fingers, PadButton::South);
    assert_eq!((window.facts().panel, clicks(&window, 1)), (None, 1));
    pad(&mut window, &fingers, PadButton::East);
    assert_eq!((window.facts().selected, clicks(&window, 1)), (Some(ObjectId(1)), 1));
    pad(&mut window, &fingers, PadButton::South);
    assert_eq!(clicks(&window, 1), 2, "the picture is free again");
}

#[test]
fn b_in_a_drag_ends_only_that() {
    let (_clip, mut window) = labelled();
    let fingers = plug_in(&mut window);
    let before = labels_of(&window);
    for tool in [Tool::Brush, Tool::Box] {
        window.act(Action::UseTool(tool));
        let (from, to) = (window.screen_at(30.0, 30.0), window.screen_at(90.0, 70.0));
        window.drag(from, to);
        pad(&mut window, &fingers, PadButton::East);
        window.let_go();
        assert_eq!((window.facts().selected, labels_of(&window)), (Some(ObjectId(1)), before.clone()), "{tool:?}");
    }
}

/// Puts the crosshair on a pixel of the frame.
fn aim(window: &mut BlindWindow, x: f64, y: f64) {
    let at = window.screen_at(x, y);
    window.app.world_mut().resource_mut::<Crosshair>().0 = Some(at.to_array());
}

fn crosshair(window: &mut BlindWindow, label: PointLabel) {
    window.act(Action::ClickCrosshair(label));
    window.app.update();
    window.wait_for_answers();
    window.app.update();
}

fn mask_of(window: &BlindWindow, object: u32) -> label_hub::label::Mask {
    let world = window.app.world();
    let mark = labels::mark(world, ObjectId(object), FrameIdx(0)).expect("a mask");
    let store = world.resource::<label_hub::app::state::StoreLink>();
    store.0.read().expect("nobody panics").get(mark.mask).expect("the store has it")
}

#[test]
fn the_crosshair_does_what_the_tool_does() {
    use PointLabel::{Negative, Positive};
    let (_clip, mut window) = labelled();
    // The brush: a dab more and a dab less, never a point in place of what is painted.
    window.act(Action::UseTool(Tool::Brush));
    let before = mask_of(&window, 1);
    assert!(!before.contains(140, 80));
    aim(&mut window, 140.0, 80.0);
    crosshair(&mut window, Positive);
    let painted = mask_of(&window, 1);
    assert!(painted.contains(140, 80) && painted.area() > before.area() && clicks(&window, 1) == 0);
    crosshair(&mut window, Negative);
    assert_eq!((mask_of(&window, 1), clicks(&window, 1)), (before.clone(), 0));
    crosshair(&mut window, Positive);
    window.act(Action::UseTool(Tool::Eraser));
    crosshair(&mut window, Positive);
    assert_eq!(mask_of(&window, 1), before);
    // Select: what is under it, or nothing.
    window.act(Action::UseTool(Tool::Select));
    aim(&mut window, 140.0, 80.0);
    crosshair(&mut window, Negative);
    assert_eq!(window.facts().selected, Some(ObjectId(1)), "B selects nothing");
    crosshair(&mut window, Positive);
    assert_eq!(window.facts().selected, None);
    let (x, y) = (0..160_u32)
        .flat_map(|x| (0..96_u32).map(move |y| (x, y)))
        .find(|(x, y)| before.contains(*x, *y))
        .expect("a pixel");
    aim(&mut window, f64::from(x), f64::from(y));
    crosshair(&mut window, Positive);
    assert_eq!(window.facts().selected, Some(ObjectId(1)));
    // Box: one corner, then the other.
    window.act(Action::NewObject);
    window.act(Action::UseTool(Tool::Box));
    let bounds = |window: &BlindWindow| match labels::frame_prompt(window.app.world(), ObjectId(2), FrameIdx(0))
        .map(|said| said.prompt.as_ref())
    {
        Some(Prompt::Clicks { points, bounds: Some(b) }) if points.is_empty() => {
            Some([b.x0, b.y0, b.x1, b.y1].map(f32::round))
        }
        _ => None,
    };
    aim(&mut window, 90.0, 70.0);
    crosshair(&mut window, Positive);
    assert!(bounds(&window).is_none() && window.facts().has_first_corner);
    crosshair(&mut window, Negative);
    assert!(!window.facts().has_first_corner, "B drops the first corner");
    crosshair(&mut window, Positive);
    aim(&mut window, 30.0, 20.0);
    crosshair(&mut window, Positive);
    assert_eq!(bounds(&window), Some([30.0, 20.0, 90.0, 70.0]));
    // A corner goes with its object, and with Escape.
    crosshair(&mut window, Positive);
    window.act(Action::Select(ObjectId(1)));
    window.app.update();
    window.app.update();
    assert!(!window.facts().has_first_corner);
    crosshair(&mut window, Positive);
    escape(&mut window);
    window.app.update();
    assert_eq!((window.facts().has_first_corner, window.facts().selected), (false, Some(ObjectId(1))));
}

#[test]
fn windows_keep_their_place_and_their_frame() {
    let (_clip, mut window) = labelled();
    window.act(Action::TogglePanel(Panel::CommandPalette));
    window.app.update();
    window.app.update();
    let full = window.area("Commands");
    window.type_text("nothing is called that");
    window.app.update();
    assert!(window.texts().iter().any(|text| text == "No command is called that."));
    let small = window.area("Commands");
    assert!(small.height() < full.height() && small.min == full.min, "{small} after {full}");
    drop(window);
    // Smaller than what it has to say.
    let mut window = BlindWindow::new([800, 600], 64 << 20);
    window.act(Action::TogglePanel(Panel::Help));
    for _ in 0..3 {
        window.app.update();
    }
    let help = window.area("Keys");
    assert!(help.min.x >= 0.0 && help.max.x <= 800.0, "{help}");
}

#[cfg(feature = "video")]
#[test]
fn the_decode_thread_tone_maps_hdr() {
    let path = video_support::made("window-hdr.mkv", |path| {
        let source = "testsrc2=size=160x96:rate=4:duration=1,format=yuv420p10le,setparams=color_trc=smpte2084";
        let path = video_support::text(path);
        let arguments = ["-f", "lavfi", "-i", source, "-c:v", "ffv1", "-color_trc", "smpte2084", &path];
        video_support::ffmpeg(&arguments);
    });
    let mut window = BlindWindow::new([1280, 720], 64 << 20);
    window.open(&path);
    for frame in [0, 2, 0] {
        window.act(Action::GoTo(FrameIdx(frame)));
        window.wait_for_picture();
        window.app.update();
        let canvas = window.app.world().resource::<Canvas>();
        let (picture, rgb) = (canvas.frame.as_ref().expect("a picture"), canvas.rgb.as_ref().expect("its RGB"));
        assert!(picture.colour().is_hdr() && picture.idx() == FrameIdx(frame));
        assert_eq!(**rgb, picture.to_rgb());
    }
    // Others are the shader's affair.
    let clip = DiscClip::new(160, 96, 12, false);
    window.open(clip.path());
    window.app.update();
    assert!(window.app.world().resource::<Canvas>().rgb.is_none());
}
