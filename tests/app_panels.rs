//! Panels as a hand meets them: clicks, drags and keys on single panels, read back through the accessibility tree.
#![cfg(feature = "gui")]

use std::cell::RefCell;
use std::rc::Rc;

use bevy_egui::egui::{self, Event, Key, Modifiers, PointerButton, Pos2, Vec2};
use egui_kittest::Harness;
use egui_kittest::kittest::Queryable;
use label_hub::app::action::{Action, FileQuestion, Panel, ProjectChoice, Theme};
use label_hub::app::facts::{AppFacts, ClipState, ModelState};
use label_hub::app::input::search;
use label_hub::app::notices::{Notices, Severity};
use label_hub::app::panels::UiContext;
use label_hub::app::panels::export_window::{ExportDraft, ExportView, export_ui};
use label_hub::app::panels::models_list::{ModelRow, ModelsView, models_ui};
use label_hub::app::panels::notices_panel::notices_ui;
use label_hub::app::panels::objects::{ObjectRow, ObjectsState, ObjectsView, objects_ui};
use label_hub::app::panels::palette_window::{PaletteState, palette_ui};
use label_hub::app::panels::status_bar::{Kept, StatusView, status_bar_ui};
use label_hub::app::panels::timeline::{
    LaneFrames, LaneState, LaneView, NAME_WIDTH, Segment, Span, TimelineState, TimelineView, timeline_ui,
};
use label_hub::app::panels::toolbar::toolbar_ui;
use label_hub::app::panels::top_bar::{StreamRow, TopBarView, top_bar_ui};
use label_hub::app::panels::transport::{TransportView, transport_ui};
use label_hub::label::{FrameIdx, ObjectId};

type Sent = Rc<RefCell<Vec<Action>>>;

fn open(frame_count: u32) -> AppFacts {
    AppFacts { clip: ClipState::Open, model: ModelState::Ready, frame_count, ..AppFacts::default() }
}

fn context(facts: &AppFacts) -> UiContext<'_> {
    UiContext { facts, theme: Theme::Dark, shortcut: &|_| None }
}

/// A panel and what it sent.
fn panel<'a>(
    size: Vec2,
    facts: AppFacts,
    mut draw: impl FnMut(&mut egui::Ui, &UiContext, &mut Vec<Action>) + 'a,
) -> (Harness<'a>, Sent) {
    let sent = Sent::default();
    let into = sent.clone();
    let harness =
        Harness::builder().with_size(size).build_ui(move |ui| draw(ui, &context(&facts), &mut into.borrow_mut()));
    (harness, sent)
}

fn press(harness: &mut Harness, at: Pos2, pressed: bool) {
    harness.event(Event::PointerMoved(at));
    harness.event(Event::PointerButton {
        pos: at,
        button: PointerButton::Primary,
        pressed,
        modifiers: Modifiers::NONE,
    });
    harness.run();
}

#[test]
fn a_tool_is_taken_up_by_its_button() {
    let (mut harness, sent) =
        panel(Vec2::new(44.0, 300.0), open(10), |ui, cx, actions| toolbar_ui(ui, cx, 10.0, actions));
    harness.get_by_label("Brush tool").click();
    harness.run();
    assert_eq!(*sent.borrow(), [Action::UseTool(label_hub::app::action::Tool::Brush)]);
}

#[test]
fn what_cannot_be_done_is_greyed_and_sends_nothing() {
    let (mut harness, sent) = panel(Vec2::new(300.0, 40.0), open(10), |ui, cx, actions| {
        cx.icon_button(ui, "u", Action::Undo, actions);
    });
    harness.get_by_label("Undo").click();
    harness.run();
    assert_eq!(*sent.borrow(), []);
    let facts = AppFacts { undo: Some("click".to_owned()), ..open(10) };
    let (mut harness, sent) = panel(Vec2::new(300.0, 40.0), facts, |ui, cx, actions| {
        cx.icon_button(ui, "u", Action::Undo, actions);
    });
    harness.get_by_label("Undo").click();
    harness.run();
    assert_eq!(*sent.borrow(), [Action::Undo]);
}

#[test]
fn what_is_left_to_review_is_counted_and_a_button_away() {
    let transport = |to_review| {
        // As much as the line can have to hold, in a window of the usual size.
        let in_out = Some((FrameIdx(100_000), FrameIdx(900_000)));
        let facts = AppFacts { has_masks: true, in_out, ..open(1_000_000) };
        panel(Vec2::new(1280.0, 40.0), facts, move |ui, cx, actions| {
            let (secs, end_secs, speed) = (36_000.0, 40_000.0, Some(-16.0));
            let view = TransportView {
                secs,
                end_secs,
                speed,
                is_looping: false,
                is_waiting: false,
                zoom_percent: 1600.0,
                to_review,
            };
            transport_ui(ui, cx, &view, actions);
        })
    };
    let (mut harness, sent) = transport(123_456);
    let count = harness.get_by_label("123456 to review").rect();
    assert!(count.right() < harness.get_by_label_contains("1600 %").rect().left(), "{count} is under the zoom");
    for action in [Action::NextToReview, Action::PreviousToReview] {
        harness.get_by_label(&action.label()).click();
        harness.run();
        assert_eq!(sent.borrow_mut().pop(), Some(action));
    }
    let (harness, _) = transport(0);
    assert!(harness.query_by_label_contains("to review").is_none(), "without any it is not there");
}

fn row(id: u32, name: &str) -> ObjectRow {
    let (colour, class) = ([200, 100, 0], None);
    let (is_hidden, is_solo, is_locked) = (false, false, false);
    ObjectRow {
        id: ObjectId(id),
        name: name.to_owned(),
        class,
        colour,
        is_hidden,
        is_solo,
        is_locked,
        masks: 3,
        prompts: 1,
        stale: 0,
    }
}

#[test]
fn a_name_is_typed_and_taken_with_enter() {
    let rows = [row(1, "player"), row(2, "ball")];
    let facts = AppFacts { objects: vec![ObjectId(1), ObjectId(2)], selected: Some(ObjectId(1)), ..open(10) };
    let mut state = ObjectsState::default();
    state.rename(ObjectId(1), "");
    let (mut harness, sent) = panel(Vec2::new(264.0, 300.0), facts, move |ui, cx, actions| {
        objects_ui(ui, cx, &ObjectsView { rows: &rows, classes: &[] }, &mut state, actions);
    });
    harness.run_steps(3);
    harness.event(Event::Text("goalie".to_owned()));
    harness.run_steps(2);
    harness.key_press(Key::Enter);
    harness.run_steps(3);
    assert_eq!(*sent.borrow(), [Action::Rename(ObjectId(1), "goalie".to_owned())]);
}

#[test]
fn a_click_on_a_row_selects_its_object() {
    let rows = [row(1, "player"), row(2, "ball")];
    let facts = AppFacts { objects: vec![ObjectId(1), ObjectId(2)], selected: Some(ObjectId(1)), ..open(10) };
    let mut state = ObjectsState::default();
    let (mut harness, sent) = panel(Vec2::new(264.0, 300.0), facts, move |ui, cx, actions| {
        objects_ui(ui, cx, &ObjectsView { rows: &rows, classes: &[] }, &mut state, actions);
    });
    harness.get_by_role_and_label(egui::accesskit::Role::Button, "ball").click();
    harness.run();
    assert_eq!(*sent.borrow(), [Action::Select(ObjectId(2))]);
}

#[test]
fn a_class_is_renamed_and_removed_in_the_list() {
    let rows = [ObjectRow { class: Some("car".to_owned()), ..row(1, "player") }];
    let facts = AppFacts { objects: vec![ObjectId(1)], selected: Some(ObjectId(1)), ..open(10) };
    let classes = ["car".to_owned(), "dog".to_owned()];
    let mut state = ObjectsState::default();
    let (mut harness, sent) = panel(Vec2::new(264.0, 400.0), facts, move |ui, cx, actions| {
        objects_ui(ui, cx, &ObjectsView { rows: &rows, classes: &classes }, &mut state, actions);
    });
    harness.run();
    harness.get_by_role(egui::accesskit::Role::ComboBox).click();
    harness.run();
    harness.get_by_label("Remove class dog").click();
    harness.run();
    assert_eq!(*sent.borrow(), [Action::RemoveClass("dog".to_owned())]);
    harness.get_by_label("Rename class dog").click();
    harness.run_steps(3);
    harness.key_press_modifiers(Modifiers::COMMAND, Key::A);
    harness.event(Event::Text("wolf".to_owned()));
    harness.run_steps(2);
    harness.key_press(Key::Enter);
    harness.run_steps(3);
    assert_eq!(sent.borrow().last(), Some(&Action::RenameClass("dog".to_owned(), "wolf".to_owned())));
    harness.get_by_label("dog").click();
    harness.run();
    assert_eq!(sent.borrow().last(), Some(&Action::SetClass(ObjectId(1), Some("dog".to_owned()))));
}

const TIMELINE: Vec2 = Vec2::new(NAME_WIDTH + 8.0 + 1000.0, 160.0);

fn timeline<'a>(facts: AppFacts, frames: &'a LaneFrames) -> (Harness<'a>, Sent) {
    timeline_with(facts, frames, false)
}

fn timeline_with<'a>(facts: AppFacts, frames: &'a LaneFrames, had_menu: bool) -> (Harness<'a>, Sent) {
    let mut state = TimelineState::default();
    panel(TIMELINE, facts, move |ui, cx, actions| {
        let lanes: Vec<LaneView> = (1..=20)
            .map(|id| LaneView { object: ObjectId(id), name: "lane", colour: [9, 99, 200], is_hidden: false, frames })
            .collect();
        let view = TimelineView { lanes: &lanes, cached: &[], is_waiting: false, had_menu };
        timeline_ui(ui, cx, &view, &mut state, actions);
    })
}

/// Where the timeline begins in the harness, whose panel has a margin.
fn origin(harness: &Harness) -> Pos2 {
    harness.ctx.content_rect().min + Vec2::splat(8.0)
}

#[test]
fn a_click_on_the_timeline_goes_to_the_very_frame() {
    let empty = LaneFrames::default();
    let (mut harness, sent) = timeline(open(100), &empty);
    harness.run();
    let width = harness.ctx.content_rect().width() - 16.0 - NAME_WIDTH - 8.0;
    for frame in [0_u32, 37, 99] {
        sent.borrow_mut().clear();
        let x = origin(&harness).x + NAME_WIDTH + width * (frame as f32 + 0.5) / 100.0;
        let at = Pos2::new(x, origin(&harness).y + 10.0);
        press(&mut harness, at, true);
        press(&mut harness, at, false);
        let gone_to = sent.borrow().iter().rev().find_map(|action| match action {
            Action::GoTo(frame) => Some(frame.0),
            _ => None,
        });
        // The playhead is on frame 0 already.
        assert_eq!(gone_to.unwrap_or(0), frame);
    }
}

#[test]
fn zooming_in_keeps_what_is_under_the_pointer() {
    let empty = LaneFrames::default();
    let (mut harness, sent) = timeline(open(900), &empty);
    harness.run();
    let width = harness.ctx.content_rect().width() - 16.0 - NAME_WIDTH - 8.0;
    let at = Pos2::new(origin(&harness).x + NAME_WIDTH + width * 0.75, origin(&harness).y + 10.0);
    harness.event(Event::PointerMoved(at));
    harness.run();
    for _ in 0..6 {
        harness.event(Event::Zoom(1.3));
        harness.run();
    }
    press(&mut harness, at, true);
    press(&mut harness, at, false);
    let gone_to = sent.borrow().iter().rev().find_map(|action| match action {
        Action::GoTo(frame) => Some(frame.0),
        _ => None,
    });
    assert!(gone_to.is_some_and(|frame| frame.abs_diff(675) <= 2), "{gone_to:?} is not near 675");
}

#[test]
fn dragging_an_end_of_the_range_sets_it_once() {
    let facts = AppFacts { in_out: Some((FrameIdx(20), FrameIdx(79))), ..open(100) };
    let empty = LaneFrames::default();
    let (mut harness, sent) = timeline(facts, &empty);
    harness.run();
    let width = harness.ctx.content_rect().width() - 16.0 - NAME_WIDTH - 8.0;
    let at = |frame: f32| Pos2::new(NAME_WIDTH + 8.0 + width * frame / 100.0, 16.0);
    press(&mut harness, at(80.0), true);
    for frame in [75.5, 70.5, 60.5] {
        harness.event(Event::PointerMoved(at(frame)));
        harness.run();
    }
    press(&mut harness, at(60.5), false);
    assert_eq!(*sent.borrow(), [Action::SetInOut(FrameIdx(20), FrameIdx(60))]);
}

#[test]
fn a_hundred_thousand_frames_draw_no_more_than_a_thousand() {
    let segment = |i: u32| Segment {
        first: FrameIdx(i),
        last: FrameIdx(i),
        state: if i.is_multiple_of(2) { LaneState::Tracked } else { LaneState::Absent },
    };
    let span = |i: u32| Span { first: FrameIdx(i), last: FrameIdx(i), state: () };
    let shapes = |frames: u32| {
        // Every second one is approved, every third wants a look: the worst there is.
        let lane = LaneFrames {
            segments: (0..frames).map(segment).collect(),
            approved: (0..frames).step_by(2).map(span).collect(),
            review: (0..frames).step_by(3).map(span).collect(),
            ..LaneFrames::default()
        };
        let (mut harness, _) = timeline(open(frames), &lane);
        harness.run();
        harness.output().shapes.len()
    };
    let (few, many) = (shapes(1_000), shapes(100_000));
    assert!(many <= few * 2, "{few} shapes for 1,000 frames, {many} for 100,000");
}

#[test]
fn a_press_that_closes_a_menu_does_not_scrub() {
    let empty = LaneFrames::default();
    for (had_menu, expected) in [(true, vec![]), (false, vec![Action::GoTo(FrameIdx(50))])] {
        let (mut harness, sent) = timeline_with(open(100), &empty, had_menu);
        harness.run();
        let width = harness.ctx.content_rect().width() - 16.0 - NAME_WIDTH - 8.0;
        let at = origin(&harness) + Vec2::new(NAME_WIDTH + width * 0.505, 10.0);
        press(&mut harness, at, true);
        sent.borrow_mut().dedup();
        assert_eq!(*sent.borrow(), expected, "a menu was open: {had_menu}");
    }
}

/// The colours of what is drawn over the first lane at a frame's middle, from top to bottom.
fn colours_at(harness: &Harness, frame: f32, frame_count: f32) -> Vec<egui::Color32> {
    let width = harness.ctx.content_rect().width() - 16.0 - NAME_WIDTH - 8.0;
    let lane = origin(harness) + Vec2::new(NAME_WIDTH + width * (frame + 0.5) / frame_count, 24.0 + 10.0);
    let rects = harness.output().shapes.iter().filter_map(|clipped| match &clipped.shape {
        egui::Shape::Rect(rect) if rect.fill != egui::Color32::TRANSPARENT => Some(rect),
        _ => None,
    });
    // No bar and no row; what stands over or under one, and what is cut away for it.
    let rects = rects.filter(|rect| (2.0..6.0).contains(&rect.rect.height()) && rect.rect.x_range().contains(lane.x));
    let rects = rects.filter(|rect| (rect.rect.center().y - lane.y).abs() < 8.0);
    let mut found: Vec<_> = rects.map(|rect| (rect.rect.top(), rect.fill)).collect();
    found.sort_by(|a, b| a.0.total_cmp(&b.0));
    found.into_iter().map(|(_, fill)| fill).collect()
}

#[test]
fn approval_and_what_wants_a_look_are_drawn_and_said_whatever_the_state() {
    let segment = |first: u32, last: u32, state| Segment { first: FrameIdx(first), last: FrameIdx(last), state };
    let span = |first: u32, last: u32| Span { first: FrameIdx(first), last: FrameIdx(last), state: () };
    let lane = LaneFrames {
        segments: vec![
            segment(0, 0, LaneState::Prompted),
            segment(1, 5, LaneState::Tracked),
            segment(6, 7, LaneState::Absent),
        ],
        approved: vec![span(0, 1), span(7, 7)],
        review: vec![span(3, 3), span(6, 6)],
        ..LaneFrames::default()
    };
    let (mut harness, _) = timeline(open(10), &lane);
    harness.run();
    let colours = label_hub::app::theme::Colours::of(Theme::Dark);
    let (line, amber) = (vec![colours.field, colours.text], vec![colours.field, colours.amber]);
    let none = Vec::new;
    let expected = [line.clone(), line.clone(), none(), amber.clone(), none(), none(), amber, line, none(), none()];
    for (frame, expected) in expected.into_iter().enumerate() {
        assert_eq!(colours_at(&harness, frame as f32, 10.0), expected, "frame {frame}");
    }
    let width = harness.ctx.content_rect().width() - 16.0 - NAME_WIDTH - 8.0;
    for (frame, words) in [(0, "prompted, approved"), (3, "tracked, worth a look"), (7, "not in the frame, approved")] {
        let x = NAME_WIDTH + width * (frame as f32 + 0.5) / 10.0;
        harness.event(Event::PointerMoved(origin(&harness) + Vec2::new(x, 34.0)));
        harness.run_steps(40);
        assert!(harness.query_by_label_contains(words).is_some(), "frame {frame}");
    }
}

#[test]
fn a_tick_can_be_told_from_a_lane_of_its_own_colour() {
    let all = |state| Segment { first: FrameIdx(0), last: FrameIdx(999), state };
    let review = vec![Span { first: FrameIdx(500), last: FrameIdx(500), state: () }];
    let lane = LaneFrames { segments: vec![all(LaneState::Tracked)], review, ..LaneFrames::default() };
    let (mut harness, _) = timeline(open(1000), &lane);
    harness.run();
    let colours = label_hub::app::theme::Colours::of(Theme::Dark);
    let width = harness.ctx.content_rect().width() - 16.0 - NAME_WIDTH - 8.0;
    let lane = origin(&harness) + Vec2::new(NAME_WIDTH + width * 0.5005, 24.0 + 5.0);
    let filled = |colour| {
        let mut rects = harness.output().shapes.iter().filter_map(move |clipped| match &clipped.shape {
            egui::Shape::Rect(rect) if rect.fill == colour => Some(rect.rect),
            _ => None,
        });
        rects.rfind(|rect| rect.contains(lane) && rect.width() < 20.0).expect("it is drawn")
    };
    let (tick, cut) = (filled(colours.amber), filled(colours.field));
    assert_eq!(cut, egui::Rect::from_min_max(tick.min - Vec2::new(1.0, 0.0), tick.max + Vec2::splat(1.0)));
}

#[test]
fn the_wheel_moves_the_time_where_no_lane_is_hidden_and_a_button_shows_all_again() {
    let at_left = |harness: &mut Harness, sent: &Sent| {
        sent.borrow_mut().clear();
        let at = origin(harness) + Vec2::new(NAME_WIDTH + 1.0, 10.0);
        press(harness, at, true);
        press(harness, at, false);
        let gone_to = sent.borrow().iter().rev().find_map(|action| match action {
            Action::GoTo(frame) => Some(frame.0),
            _ => None,
        });
        // The playhead is on frame 450.
        gone_to.unwrap_or(450)
    };
    for (lanes, is_moved) in [(2, true), (20, false)] {
        let (facts, empty) = (AppFacts { frame: FrameIdx(450), ..open(900) }, LaneFrames::default());
        let mut state = TimelineState::default();
        let (mut harness, sent) = panel(TIMELINE, facts, move |ui, cx, actions| {
            let lane = |id| LaneView {
                object: ObjectId(id),
                name: "lane",
                colour: [9, 99, 200],
                is_hidden: false,
                frames: &empty,
            };
            let lanes: Vec<LaneView> = (1..=lanes).map(lane).collect();
            let view = TimelineView { lanes: &lanes, cached: &[], is_waiting: false, had_menu: false };
            timeline_ui(ui, cx, &view, &mut state, actions);
        });
        harness.run();
        assert!(harness.query_by_label("Fit").is_none(), "all is shown");
        harness.event(Event::PointerMoved(origin(&harness) + Vec2::new(NAME_WIDTH + 500.0, 60.0)));
        for _ in 0..6 {
            harness.event(Event::Zoom(1.3));
            harness.run();
        }
        let before = at_left(&mut harness, &sent);
        let wheel = |harness: &mut Harness, modifiers| {
            harness.event(Event::PointerMoved(origin(harness) + Vec2::new(NAME_WIDTH + 500.0, 60.0)));
            let (unit, phase) = (egui::MouseWheelUnit::Line, egui::TouchPhase::Move);
            harness.event(Event::MouseWheel { unit, delta: Vec2::new(0.0, -1.0), phase, modifiers });
            // It is smoothed over some passes.
            harness.run_steps(30);
        };
        wheel(&mut harness, Modifiers::NONE);
        let moved = at_left(&mut harness, &sent);
        assert_eq!(moved > before, is_moved, "{lanes} lanes: from {before} to {moved}");
        wheel(&mut harness, Modifiers::SHIFT);
        let sideways = at_left(&mut harness, &sent);
        assert!(sideways > moved, "{lanes} lanes: from {moved} to {sideways}");
        harness.get_by_label("Fit").click();
        harness.run();
        assert!(harness.query_by_label("Fit").is_none() && at_left(&mut harness, &sent) == 0);
    }
}

#[test]
fn stale_masks_are_told_before_they_are_exported() {
    let told = |facts: AppFacts, stale: usize| {
        let mut draft = ExportDraft::default();
        let proposed = |_| std::path::PathBuf::from("clip_coco");
        let (mut harness, _) = panel(Vec2::new(700.0, 500.0), facts, move |ui, cx, actions| {
            let view = ExportView { proposed: &proposed, stale: &|object, _| if object.is_none() { stale } else { 0 } };
            export_ui(ui, cx, &view, &mut draft, actions);
        });
        harness.run();
        let has = |harness: &Harness| harness.query_by_label_contains("stale").is_some();
        let before = has(&harness);
        harness.get_by_label("the selected one").click();
        harness.run();
        assert!(!has(&harness), "those of the others do not matter");
        before
    };
    let facts = AppFacts { objects: vec![ObjectId(1)], selected: Some(ObjectId(1)), ..open(10) };
    assert!(told(facts.clone(), 3) && !told(facts, 0));
}

#[test]
fn the_list_of_objects_takes_what_it_needs_and_shows_classes() {
    for (count, least, most) in [(2, 60.0, 170.0), (40, 200.0, 240.0)] {
        let mut rows: Vec<ObjectRow> = (1..=count).map(|id| row(id, "player")).collect();
        rows[0].class = Some("person".to_owned());
        let facts = AppFacts { objects: rows.iter().map(|row| row.id).collect(), ..open(10) };
        let facts = AppFacts { selected: Some(ObjectId(2)), ..facts };
        let (mut state, height) = (ObjectsState::default(), Rc::new(std::cell::Cell::new(0.0)));
        let taken = height.clone();
        let (mut harness, _) = panel(Vec2::new(264.0, 600.0), facts, move |ui, cx, actions| {
            let shown = ui.allocate_ui(Vec2::new(240.0, 240.0), |ui| {
                objects_ui(ui, cx, &ObjectsView { rows: &rows, classes: &[] }, &mut state, actions);
            });
            taken.set(shown.response.rect.height());
        });
        harness.run();
        assert!(harness.query_all_by_label("person").next().is_some());
        assert!((least..=most).contains(&height.get()), "{count} rows: {}", height.get());
    }
}

#[test]
fn enter_in_the_palette_runs_the_best_hit() {
    let facts = AppFacts { undo: Some("click".to_owned()), ..open(10) };
    let all = Action::without_arguments();
    let mut state = PaletteState::default();
    let (mut harness, sent) = panel(Vec2::new(520.0, 360.0), facts, move |ui, cx, actions| {
        actions.extend(palette_ui(ui, cx, &mut state, &|query| search(query, &all)));
    });
    harness.run_steps(3);
    harness.event(Event::Text("undo".to_owned()));
    harness.run_steps(2);
    harness.key_press(Key::Enter);
    harness.run_steps(2);
    assert_eq!(*sent.borrow(), [Action::Undo]);
}

#[test]
fn the_timeline_turns_the_page_when_the_playhead_leaves_it() {
    let facts = Rc::new(RefCell::new(open(900)));
    let (sent, mut state) = (Sent::default(), TimelineState::default());
    let (shared, into) = (facts.clone(), sent.clone());
    let mut harness = Harness::builder().with_size(TIMELINE).build_ui(move |ui| {
        let facts = shared.borrow();
        let view = TimelineView { lanes: &[], cached: &[], is_waiting: false, had_menu: false };
        timeline_ui(ui, &context(&facts), &view, &mut state, &mut into.borrow_mut());
    });
    harness.run();
    let at = Pos2::new(origin(&harness).x + NAME_WIDTH + 10.0, origin(&harness).y + 10.0);
    harness.event(Event::PointerMoved(at));
    harness.run();
    for _ in 0..12 {
        harness.event(Event::Zoom(1.3));
        harness.run();
    }
    let shown_at = |harness: &mut Harness| {
        sent.borrow_mut().clear();
        press(harness, at, true);
        press(harness, at, false);
        sent.borrow().iter().rev().find_map(|action| match action {
            Action::GoTo(frame) => Some(frame.0),
            _ => None,
        })
    };
    for frame in [800, 300] {
        facts.borrow_mut().frame = FrameIdx(frame);
        harness.run();
        let near = shown_at(&mut harness).expect("another frame than the current one");
        assert!(near.abs_diff(frame) < 60, "frame {frame} is out of view, {near} is shown");
    }
}

#[test]
fn a_way_out_that_only_asks_leaves_the_notice() {
    let mut notices = Notices::default();
    let copy = Action::Ask(FileQuestion::SaveProjectCopy);
    let ways_out = vec![("Try again".to_owned(), Action::RetryWriting), ("Save a copy…".to_owned(), copy.clone())];
    notices.push(Severity::Error, "The disk is full.", ways_out);
    let facts = AppFacts { has_project: true, ..open(10) };
    let (mut harness, sent) = panel(Vec2::new(600.0, 300.0), facts, move |ui, cx, actions| {
        notices_ui(ui.ctx(), cx, &notices, Vec2::splat(16.0), actions);
    });
    harness.run_steps(3);
    harness.get_by_label("Save a copy…").click();
    harness.run();
    assert_eq!(*sent.borrow(), [copy]);
    harness.get_by_label("Try again").click();
    harness.run();
    assert_eq!(sent.borrow().len(), 3, "a way out that was taken takes the notice along: {:?}", sent.borrow());
}

#[test]
fn not_saved_leads_to_a_copy() {
    for (kept, text) in [(Kept::Failed, "not saved"), (Kept::ReadOnly, "read-only")] {
        let facts = AppFacts { has_project: true, ..open(10) };
        let (mut harness, sent) = panel(Vec2::new(900.0, 40.0), facts, move |ui, cx, actions| {
            let (model, memory) = ("no model".to_owned(), None);
            let view = StatusView { exported: None, kept, model, is_test_engine: false, memory };
            status_bar_ui(ui, cx, &view, actions);
        });
        harness.get_by_label(text).click();
        harness.run();
        assert_eq!(*sent.borrow(), [Action::Ask(FileQuestion::SaveProjectCopy)]);
    }
}

#[test]
fn the_file_menu_has_what_goes_in_and_out() {
    let rows = [
        ("Export…", Action::TogglePanel(Panel::Export)),
        ("Import labels from a file…", Action::Ask(FileQuestion::ImportLabels)),
        ("Import labels from a folder…", Action::Ask(FileQuestion::ImportLabelsFolder)),
        ("Save a copy of the project…", Action::Ask(FileQuestion::SaveProjectCopy)),
    ];
    for (text, action) in rows {
        let facts = AppFacts { has_project: true, ..open(10) };
        let (mut harness, sent) = panel(Vec2::new(900.0, 700.0), facts, |ui, cx, actions| {
            let view = TopBarView {
                clip_name: Some("clip.mp4".to_owned()),
                streams: Vec::new(),
                recent: &[],
                progress: None,
                cost: &|| None,
                saving: None,
                exporting: None,
                has_errors: false,
            };
            top_bar_ui(ui, cx, &view, actions);
        });
        harness.get_by_label_contains("clip.mp4").click();
        harness.run();
        harness.get_by_label_contains(text).click();
        harness.run();
        assert_eq!(*sent.borrow(), [action]);
    }
}

#[test]
fn the_file_menu_offers_the_other_video_streams() {
    let show = |stream| Action::OpenWith("clip.mkv".into(), Some(stream), ProjectChoice::Own);
    let (mut harness, sent) = panel(Vec2::new(900.0, 700.0), open(10), move |ui, cx, actions| {
        let row = |stream: u32| StreamRow {
            name: format!("{stream} (h264, 640x480)"),
            show: show(stream),
            is_shown: stream == 0,
        };
        let view = TopBarView {
            clip_name: Some("clip.mkv".to_owned()),
            streams: vec![row(0), row(2)],
            recent: &[],
            progress: None,
            cost: &|| None,
            saving: None,
            exporting: None,
            has_errors: false,
        };
        top_bar_ui(ui, cx, &view, actions);
    });
    harness.get_by_label_contains("clip.mkv").click();
    harness.run();
    harness.get_by_label_contains("Video stream").click();
    harness.run();
    harness.get_by_label("0 (h264, 640x480), shown");
    harness.get_by_label_contains("2 (h264").click();
    harness.run();
    assert_eq!(*sent.borrow(), [show(2)]);
}

#[test]
fn a_model_is_removed_only_after_a_question() {
    let mut asking = None;
    let (mut harness, sent) = panel(Vec2::new(760.0, 300.0), open(10), move |ui, cx, actions| {
        let row = ModelRow {
            id: "sam2.1_hiera_large",
            good_for: "the finest masks",
            megabytes: Some(898.0),
            is_here: true,
            is_in_use: false,
            speed: None,
            terms: None,
        };
        models_ui(ui, cx, &ModelsView { rows: vec![row], job: None }, &mut asking, actions);
    });
    let remove = Action::RemoveModel("sam2.1_hiera_large".to_owned());
    harness.get_by_label(&remove.label()).click();
    harness.run();
    assert_eq!(*sent.borrow(), []);
    harness.get_by_label("Cancel").click();
    harness.run();
    assert!(harness.query_by_label("Remove").is_none() && sent.borrow().is_empty());
    harness.get_by_label(&remove.label()).click();
    harness.run();
    harness.get_by_label("Remove").click();
    harness.run();
    assert_eq!(*sent.borrow(), [remove]);
}
