//! Lays the panels out around the canvas, once per pass of egui: views are gathered from the world, panels draw them,
//! actions go into the queue.
//!
//! Keys are read here too, so that a key never reaches both a text field and the labels. Changes nothing else.

use std::time::Instant;

use bevy::prelude::*;
use bevy_egui::egui::{
    self, CentralPanel, Frame, LayerId, Margin, Panel as Side, Rect as EguiRect, Sense, UiBuilder, Vec2 as EguiVec,
};
use bevy_egui::{EguiContext, PrimaryEguiContext};

use crate::folders;
use crate::label::FrameIdx;

use super::action::{Action, Panel, Tool};
use super::canvas::Canvas;
use super::canvas_marks;
use super::export::{Exporting, proposed_parent};
use super::facts::{AppFacts, ClipState};
use super::input::{Keymap, PadKey};
use super::keyboard::KeyPresses;
use super::labels::{self, LabelIndex, MaskPixels};
use super::notices::{Notices, Severity};
use super::pad::PadKeys;
use super::panels::inspector::inspector_ui;
use super::panels::notices_panel::notices_ui;
use super::panels::objects::{ObjectsState, ObjectsView, objects_ui};
use super::panels::status_bar::{STATUS_HEIGHT, status_bar_ui};
use super::panels::timeline::{LaneFrames, LaneView, TimelineState, TimelineView, timeline_ui};
use super::panels::toolbar::{TOOLBAR_WIDTH, toolbar_ui};
use super::panels::top_bar::{TOP_BAR_HEIGHT, TopBarView, top_bar_ui};
use super::panels::tour_card::tour_ui;
use super::panels::transport::{TRANSPORT_HEIGHT, TransportView, transport_ui};
use super::panels::welcome::{opening_ui, welcome_ui};
use super::panels::{UiContext, palette_window, settings_window};
use super::pointer::{self, Pointer, PointerView, Target};
use super::sample;
use super::settings::Settings;
use super::state::{
    ActionQueue, Answers, Crosshair, OpenClip, Playback, Playhead, Preview, Saving, Selection, Shown, ToolInHand,
    VideoLink, Windows,
};
use super::theme;
use super::tour::{Tour, TourStep};
use super::ui_views::{self, LaneCache};
use super::ui_windows::{self, Dialog};

/// What the panels remember between passes.
#[derive(Resource, Default)]
pub struct UiState {
    pub(super) objects: ObjectsState,
    pub(super) timeline: TimelineState,
    pub(super) palette: palette_window::PaletteState,
    pub(super) help_filter: String,
    pub(super) export: super::panels::export_window::ExportDraft,
    pub(super) settings: settings_window::SettingsState,
    pub(super) rebinding: Option<ui_windows::Rebinding>,
    pub(super) dialog: Option<Dialog>,
    pub(super) lanes: LaneCache,
    /// Where datasets of the open clip are proposed to go.
    pub(super) exports: std::path::PathBuf,
    hovered_marker: Option<usize>,
    /// Whether a text field had the focus at the end of the last pass. egui lets go of it on Escape before we are asked.
    was_typing: bool,
    /// Whether a menu was open when the pass began: a press beside it only closes it, and so does Escape.
    had_menu: bool,
    /// The same when it ended.
    has_menu: bool,
    /// Recent clips and whether they are there: asked of the disk when the list changes, not in every pass.
    recent: Vec<(std::path::PathBuf, bool)>,
    /// The clip that the timeline and the export were set up for.
    clip: Option<(std::path::PathBuf, Option<u32>)>,
    look: Option<(super::action::Theme, f32)>,
    aged: Option<Instant>,
}

impl UiState {
    /// Whether a dialog or a menu covers the picture; of windows, [`Windows`] knows.
    pub(super) fn is_over_picture(&self) -> bool {
        self.has_dialog() || self.has_menu
    }

    /// Whether a dialog of files is open.
    pub(super) fn has_dialog(&self) -> bool {
        self.dialog.is_some()
    }
}

/// The pass.
pub(super) fn draw_ui(world: &mut World) {
    let mut contexts = world.query_filtered::<&mut EguiContext, With<PrimaryEguiContext>>();
    let Ok(mut context) = contexts.single_mut(world) else { return };
    let ctx = context.get_mut().clone();
    world.resource_scope(|world, mut state: Mut<UiState>| {
        let mut actions = Vec::new();
        state.had_menu = egui::Popup::is_any_open(&ctx);
        look(&ctx, world, &mut state);
        begin_clip(world, &mut state);
        pad_keys(&ctx, world, &mut state, &mut actions);
        ui_windows::show_dialog(&ctx, world, &mut state, &mut actions);
        keys(&ctx, world, &mut state, &mut actions);
        let facts = world.resource::<AppFacts>().clone();
        let keymap = world.resource::<Keymap>().clone();
        let shortcut = |action: &Action| keymap.shortcut_text(action);
        let cx = UiContext { facts: &facts, theme: world.resource::<Settings>().theme, shortcut: &shortcut };
        panels(&ctx, world, &cx, &mut state, &mut actions);
        ui_windows::windows(&ctx, world, &cx, &mut state, &mut actions);
        notices(&ctx, world, &cx, &mut state, &mut actions);
        tour(&ctx, world, &cx, &mut actions);
        state.was_typing = ctx.text_edit_focused();
        state.has_menu = egui::Popup::is_any_open(&ctx);
        world.resource_mut::<ActionQueue>().0.extend(actions);
    });
}

/// Theme and scale, when they have changed.
fn look(ctx: &egui::Context, world: &World, state: &mut UiState) {
    let settings = world.resource::<Settings>();
    let wanted = (settings.theme, settings.ui_scale);
    if state.look == Some(wanted) {
        return;
    }
    if state.look.is_none() {
        theme::install_fonts(ctx);
        // Ctrl and + are ours.
        ctx.options_mut(|options| options.zoom_with_keyboard = false);
    }
    theme::apply(ctx, settings.theme);
    ctx.set_zoom_factor(settings.ui_scale);
    state.look = Some(wanted);
}

/// What was set up for one clip is not carried to the next.
fn begin_clip(world: &World, state: &mut UiState) {
    let Some(clip) = world.resource::<OpenClip>().clip() else { return };
    let clip = (clip.path().to_owned(), clip.chosen_stream());
    if state.clip.as_ref() != Some(&clip) {
        // It is tried out on the disk, so not in every pass.
        state.exports = proposed_parent(&clip.0, folders::exports_folder());
        state.clip = Some(clip);
        state.timeline = TimelineState::default();
        state.export.begin_clip();
    }
}

/// Key presses become actions, unless somebody is typing.
fn keys(ctx: &egui::Context, world: &mut World, state: &mut UiState, actions: &mut Vec<Action>) {
    let presses = std::mem::take(&mut world.resource_mut::<KeyPresses>().presses);
    if state.dialog.is_some() {
        return;
    }
    if ui_windows::take_rebinding_key(&presses, world, state) {
        return;
    }
    let panel = world.resource::<Windows>().panel;
    // The palette takes letters from the moment it is asked for.
    let is_typing = ctx.text_edit_focused() || state.was_typing || panel == Some(Panel::CommandPalette);
    if !is_typing && panel.is_none() && !state.had_menu {
        // Tab walks through objects and Space plays: no button may keep the focus and take them.
        if let Some(focused) = ctx.memory(|memory| memory.focused()) {
            ctx.memory_mut(|memory| memory.surrender_focus(focused));
        }
    }
    let space_moved_view = world.resource::<Pointer>().space_moved_view;
    for press in presses {
        let Some(action) = world.resource::<Keymap>().action_for(press.key, press.modifiers) else { continue };
        // Behind an open menu or window the labels are out of reach; a window closes by its own key or Escape.
        let is_allowed = match panel {
            _ if state.had_menu => matches!(action, Action::Cancel | Action::Quit),
            Some(_) => {
                matches!(action, Action::Cancel | Action::Quit)
                    || (!is_typing && matches!(action, Action::TogglePanel(_)))
            }
            None => !is_typing,
        };
        // The space bar held moves the picture, so it plays when it is let go.
        let is_now =
            if press.key == egui::Key::Space { !press.is_pressed && !space_moved_view } else { press.is_pressed };
        if is_allowed && is_now && (!press.is_repeat || may_repeat(&action)) {
            if action == Action::Cancel {
                cancel(world, state, actions);
                continue;
            }
            let opens_window = matches!(action, Action::TogglePanel(_) | Action::Ask(_));
            actions.push(action);
            if opens_window {
                // What was typed after it was meant for the window, which is not there yet: no shortcut.
                break;
            }
        }
    }
}

/// The innermost goes first: a drag, then an open menu, which egui closes itself.
fn cancel(world: &mut World, state: &UiState, actions: &mut Vec<Action>) {
    if !world.resource_mut::<Pointer>().call_off() && !state.had_menu {
        actions.push(Action::Cancel);
    }
}

/// The pad's buttons go to what covers the picture: B closes it, D-pad and A choose in the palette.
fn pad_keys(ctx: &egui::Context, world: &mut World, state: &mut UiState, actions: &mut Vec<Action>) {
    let is_palette = world.resource::<Windows>().panel == Some(Panel::CommandPalette);
    for key in std::mem::take(&mut world.resource_mut::<PadKeys>().0) {
        let key = match key {
            PadKey::Cancel if state.dialog.take().is_some() || state.rebinding.take().is_some() => continue,
            PadKey::Cancel if state.had_menu => {
                egui::Popup::close_all(ctx);
                continue;
            }
            PadKey::Cancel => {
                cancel(world, state, actions);
                continue;
            }
            PadKey::Accept => egui::Key::Enter,
            PadKey::Up => egui::Key::ArrowUp,
            PadKey::Down => egui::Key::ArrowDown,
        };
        if is_palette {
            let (modifiers, pressed, repeat, physical_key) = (egui::Modifiers::NONE, true, false, None);
            let event = egui::Event::Key { key, physical_key, pressed, repeat, modifiers };
            ctx.input_mut(|input| input.events.push(event));
        }
    }
}

/// Whether holding the key goes on doing it.
fn may_repeat(action: &Action) -> bool {
    matches!(
        action,
        Action::Step(_)
            | Action::BrushLarger
            | Action::BrushSmaller
            | Action::ZoomIn
            | Action::ZoomOut
            | Action::MoveCrosshair(..)
            | Action::Undo
            | Action::Redo
    )
}

fn panels(ctx: &egui::Context, world: &mut World, cx: &UiContext, state: &mut UiState, actions: &mut Vec<Action>) {
    let builder = UiBuilder::new().layer_id(LayerId::background()).max_rect(ctx.viewport_rect());
    let mut root = egui::Ui::new(ctx.clone(), "window".into(), builder);
    let fill = cx.colours().panel;
    let bar = Frame::new().fill(fill).inner_margin(Margin::symmetric(8, 0));
    Side::top("top").exact_size(TOP_BAR_HEIGHT).frame(bar).show(&mut root, |ui| {
        let settings = world.resource::<Settings>();
        let view = TopBarView {
            clip_name: ui_views::clip_title(world.resource()),
            streams: ui_views::streams(world),
            recent: &settings.recent,
            progress: ui_views::progress(world),
            cost: &|| ui_views::cost(world),
            saving: world.resource::<Saving>().progress.as_ref().map(|_| world.resource::<Saving>().counts),
            exporting: world.resource::<Exporting>().events.as_ref().map(|_| world.resource::<Exporting>().counts),
            has_errors: ui_views::has_errors(world),
        };
        top_bar_ui(ui, cx, &view, actions);
    });
    Side::bottom("status").exact_size(STATUS_HEIGHT).frame(bar).show(&mut root, |ui| {
        status_bar_ui(ui, cx, &ui_views::status(world), actions);
    });
    if cx.facts.clip == ClipState::Open {
        ui_views::refresh_lanes(world, &mut state.lanes);
        timeline_panel(&mut root, world, cx, state, bar, actions);
        Side::left("tools").exact_size(TOOLBAR_WIDTH).resizable(false).frame(Frame::new().fill(fill)).show(
            &mut root,
            |ui| {
                toolbar_ui(ui, cx, world.resource::<ToolInHand>().brush_radius * 2.0, actions);
            },
        );
        right_panel(&mut root, world, cx, state, actions);
    }
    CentralPanel::default().frame(Frame::NONE).show(&mut root, |ui| canvas_panel(ui, world, cx, state, actions));
}

fn timeline_panel(
    root: &mut egui::Ui,
    world: &mut World,
    cx: &UiContext,
    state: &mut UiState,
    bar: Frame,
    actions: &mut Vec<Action>,
) {
    let height = world.resource::<Settings>().timeline_height;
    let panel = Side::bottom("timeline").resizable(true).default_size(height).size_range(80.0..=600.0).frame(bar);
    let shown = panel.show(root, |ui| {
        let view = TransportView {
            secs: ui_views::secs(world),
            end_secs: ui_views::end_secs(world),
            speed: world.resource::<Playback>().running.map(|stretch| stretch.speed),
            is_looping: world.resource::<Playback>().is_looping,
            is_waiting: ui_views::is_waiting(world),
            zoom_percent: world.resource::<Canvas>().view.percent(),
            to_review: state.lanes.review_count(),
        };
        let (strip, _) = ui.allocate_exact_size(EguiVec::new(ui.available_width(), TRANSPORT_HEIGHT), Sense::hover());
        let mut transport = ui.new_child(UiBuilder::new().max_rect(strip));
        transport_ui(&mut transport, cx, &view, actions);
        let rows = ui_views::object_rows(world, &state.lanes);
        let empty = LaneFrames::default();
        let lanes: Vec<LaneView> = rows
            .iter()
            .map(|row| LaneView {
                object: row.id,
                name: &row.name,
                colour: row.colour,
                is_hidden: row.is_hidden,
                frames: state.lanes.frames(row.id).unwrap_or(&empty),
            })
            .collect();
        let cached = world.resource::<VideoLink>().0.cached();
        let (is_waiting, had_menu) = (view.is_waiting, state.had_menu);
        let view = TimelineView { lanes: &lanes, cached: &cached, is_waiting, had_menu };
        timeline_ui(ui, cx, &view, &mut state.timeline, actions);
    });
    remember(world, shown.response.rect.height(), |settings| &mut settings.timeline_height);
}

fn right_panel(root: &mut egui::Ui, world: &mut World, cx: &UiContext, state: &mut UiState, actions: &mut Vec<Action>) {
    let width = world.resource::<Settings>().right_panel_width;
    let frame = Frame::new().fill(cx.colours().panel).inner_margin(Margin::same(8));
    let panel = Side::right("objects").resizable(true).default_size(width).size_range(220.0..=480.0).frame(frame);
    let shown = panel.show(root, |ui| {
        let rows = ui_views::object_rows(world, &state.lanes);
        if std::mem::take(&mut world.resource_mut::<Windows>().is_rename_wanted)
            && let Some(row) = rows.iter().find(|row| Some(row.id) == cx.facts.selected)
        {
            state.objects.rename(row.id, &row.name);
        }
        let classes = world.resource::<labels::Classes>().0.clone();
        // What it does not need is the inspector's.
        let half = (ui.available_height() * 0.5).max(160.0);
        ui.allocate_ui(EguiVec::new(ui.available_width(), half), |ui| {
            let view = ObjectsView { rows: &rows, classes: &classes };
            objects_ui(ui, cx, &view, &mut state.objects, actions);
        });
        ui.separator();
        egui::ScrollArea::vertical().id_salt("inspector").auto_shrink([false, false]).show(ui, |ui| {
            let parts = ui_views::InspectorParts::gather(world);
            state.hovered_marker = inspector_ui(ui, cx, &parts.view(), actions);
        });
    });
    remember(world, shown.response.rect.width(), |settings| &mut settings.right_panel_width);
}

/// Keeps a panel's size for the next start.
fn remember(world: &mut World, size: f32, place: impl Fn(&mut Settings) -> &mut f32) {
    let mut settings = world.resource_mut::<Settings>();
    let is_same = (*place(settings.bypass_change_detection()) - size).abs() < 0.5;
    if !is_same {
        *place(&mut settings) = size;
    }
}

fn canvas_panel(ui: &mut egui::Ui, world: &mut World, cx: &UiContext, state: &mut UiState, actions: &mut Vec<Action>) {
    let area = ui.available_rect_before_wrap();
    match cx.facts.clip {
        ClipState::Open => {}
        ClipState::None => {
            ui.painter().rect_filled(area, 0.0, cx.colours().canvas);
            let recent = &world.resource::<Settings>().recent;
            if !state.recent.iter().map(|(path, _)| path).eq(recent) {
                state.recent = recent.iter().map(|path| (path.clone(), path.exists())).collect();
            }
            let frame = Frame::new().fill(cx.colours().panel).inner_margin(Margin::same(16));
            frame.show(ui, |ui| {
                ui.set_min_size(ui.available_size());
                welcome_ui(ui, cx, &state.recent, actions);
            });
        }
        ClipState::Opening => {
            let frame = Frame::new().fill(cx.colours().panel).inner_margin(Margin::same(16));
            frame.show(ui, |ui| {
                ui.set_min_size(ui.available_size());
                opening_ui(ui, cx, &ui_views::opening(world), actions);
            });
        }
    }
    let place = |world: &mut World, rect: Rect| {
        let mut canvas = world.resource_mut::<Canvas>();
        canvas.rect = rect;
        canvas.pixels_per_point = ui.ctx().pixels_per_point();
        canvas.view.set_layout(rect, ui.ctx().pixels_per_point());
    };
    if cx.facts.clip != ClipState::Open {
        place(world, Rect::EMPTY);
        // What was dragged on the clip before means nothing on the next one.
        world.resource_mut::<Pointer>().call_off();
        return;
    }
    place(world, Rect::new(area.min.x, area.min.y, area.max.x, area.max.y));
    let response = ui.allocate_rect(area, Sense::click_and_drag());
    if response.clicked() || response.secondary_clicked() {
        // The hand is at the mouse again.
        world.resource_mut::<Crosshair>().0 = None;
        world.resource_mut::<Pointer>().first_corner = None;
    }
    world.resource_scope(|world, mut canvas: Mut<Canvas>| {
        world.resource_scope(|world, mut pointer: Mut<Pointer>| {
            pointer_on_canvas(&response, world, cx, state, &mut canvas, &mut pointer, actions);
            let painter = ui.painter_at(area);
            let minimap = marks_on_canvas(&painter, world, cx, state, &canvas, &pointer);
            canvas.minimap = minimap.map(|r: EguiRect| Rect::new(r.min.x, r.min.y, r.max.x, r.max.y));
            // Where the tool does nothing, its cursor would lie.
            if response.hovered() && pointer.at.is_some() {
                let is_over_marker =
                    pointer.hovered_marker.is_some() && matches!(cx.facts.tool, Tool::Points | Tool::Select);
                ui.ctx().set_cursor_icon(canvas_marks::cursor(cx.facts.tool, is_over_marker));
            }
        });
    });
}

fn pointer_on_canvas(
    response: &egui::Response,
    world: &mut World,
    cx: &UiContext,
    state: &UiState,
    canvas: &mut Canvas,
    pointer: &mut Pointer,
    actions: &mut Vec<Action>,
) {
    let Some(size) = world.resource::<OpenClip>().clip().map(crate::video::Clip::size) else { return };
    let frame = world.resource::<Playhead>().0;
    let selected_mask = world.resource::<Selection>().0.and_then(|object| {
        let entity = world.resource::<LabelIndex>().mask(object, frame)?;
        world.get::<MaskPixels>(entity).map(|pixels| pixels.mask.clone())
    });
    let view = PointerView {
        target: Target { tool: cx.facts.tool, object: cx.facts.selected, frame },
        brush_radius: world.resource::<ToolInHand>().brush_radius,
        size,
        prompt: cx.facts.prompt_here.as_deref(),
        selected_mask,
        is_protected: cx.facts.is_selected_locked || cx.facts.is_approved_here,
        is_current: world.resource::<Shown>().idx() == Some(frame),
        is_covered: cx.facts.panel.is_some()
            || state.dialog.is_some()
            || cx.facts.is_unreadable
            || cx.facts.largest_side.is_some(),
        had_menu: state.had_menu,
    };
    pointer::handle(response, canvas, pointer, &view, actions);
    if cx.facts.tool == Tool::Box && response.secondary_clicked() && pointer.at.is_some() {
        let key = (cx.shortcut)(&Action::UseTool(Tool::Points)).map_or_else(String::new, |key| format!(" ({key})"));
        let text = format!("A box is dragged with the left button; to exclude, right-click with the Points tool{key}.");
        world.resource_mut::<Notices>().push(Severity::Info, text, Vec::new());
    }
    let wanted = pointer.preview_point;
    let mut preview = world.resource_mut::<Preview>();
    if preview.point != wanted {
        preview.point = wanted;
        // The question is sent in the next update.
        response.ctx.request_repaint();
    }
}

fn marks_on_canvas(
    painter: &egui::Painter,
    world: &World,
    cx: &UiContext,
    state: &UiState,
    canvas: &Canvas,
    pointer: &Pointer,
) -> Option<EguiRect> {
    let shown = world.resource::<Shown>();
    let is_current = shown.idx() == Some(cx.facts.frame);
    let colour = cx.facts.selected.and_then(|object| labels::facts(world, object)).map(|facts| facts.colour);
    let prompt = cx.facts.prompt_here.as_deref().filter(|_| is_current).zip(colour);
    let failure = shown.failure(cx.facts.frame);
    let damage = shown.frame.as_ref().filter(|_| failure.is_none()).and_then(|frame| frame.damage());
    let trouble = ui_views::too_large(world, cx.facts.largest_side)
        .or_else(|| damage.map(|damage| format!("Frame {damage}")))
        .or_else(|| failure.map(|reason| format!("Frame {} {}", cx.facts.frame, ui_views::unreadable(reason))));
    let marks = canvas_marks::Marks {
        prompt,
        tool: cx.facts.tool,
        brush_radius: world.resource::<ToolInHand>().brush_radius,
        is_encoding: world.resource::<Answers>().encoding == Some(cx.facts.frame),
        trouble,
        is_missing: failure.is_some() || cx.facts.largest_side.is_some(),
        hatch: cx.colours().amber,
        has_minimap: world.resource::<Settings>().minimap,
        accent: cx.colours().accent,
        crosshair: world.resource::<Crosshair>().0,
        hovered_marker: state.hovered_marker,
        guide: first_click(world).filter(|_| is_current && cx.facts.frame == FrameIdx(0)).map(|(_, at)| at),
    };
    canvas_marks::draw(painter, canvas, pointer, &marks)
}

/// Out of the way while a window is open.
fn tour(ctx: &egui::Context, world: &World, cx: &UiContext, actions: &mut Vec<Action>) {
    let Some(step) = world.resource::<Tour>().0.filter(|_| cx.facts.panel.is_none()) else { return };
    let (left, bottom) = match cx.facts.clip {
        ClipState::Open => (TOOLBAR_WIDTH, world.resource::<Settings>().timeline_height),
        ClipState::None | ClipState::Opening => (0.0, 0.0),
    };
    let offset = EguiVec::new(left + 16.0, bottom + STATUS_HEIGHT + 16.0);
    tour_ui(ctx, cx, step, first_click(world).map(|(what, _)| what), offset, actions);
}

/// What to click first and where, while the tour is at that and the sample is open.
fn first_click(world: &World) -> Option<(&'static str, [f32; 2])> {
    let is_wanted = world.resource::<Tour>().0 == Some(TourStep::Click);
    let clip = world.resource::<OpenClip>().clip().filter(|_| is_wanted)?;
    sample::is_sample(clip.path()).then_some(sample::FIRST_CLICK)
}

fn notices(ctx: &egui::Context, world: &mut World, cx: &UiContext, state: &mut UiState, actions: &mut Vec<Action>) {
    let settings = world.resource::<Settings>();
    let (right, bottom) = match cx.facts.clip {
        ClipState::Open => (settings.right_panel_width, settings.timeline_height),
        ClipState::None | ClipState::Opening => (0.0, 0.0),
    };
    let offset = EguiVec::new(right + 16.0, bottom + STATUS_HEIGHT + 16.0);
    let is_hovered = notices_ui(ctx, cx, world.resource::<Notices>(), offset, actions);
    let now = Instant::now();
    let passed = state.aged.replace(now).map_or(0.0, |then| now.duration_since(then).as_secs_f32());
    if world.resource::<Notices>().next_expiry_secs().is_some() {
        world.resource_mut::<Notices>().age(passed, is_hovered);
    }
}
