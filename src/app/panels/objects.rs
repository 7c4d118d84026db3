//! The list of objects: what they are, how they look, what they have.

use std::ops::Range;

use bevy_egui::egui::{
    Align, Button, Color32, ComboBox, CornerRadius, Key, Label, Layout, PopupCloseBehavior, Response, RichText,
    ScrollArea, Sense, Stroke, StrokeKind, TextEdit, Ui, Vec2, WidgetInfo, WidgetType, text,
};
use egui_phosphor::regular as icon;

use super::super::action::{Action, FileQuestion};
use super::UiContext;
use crate::label::{ObjectId, Rgb, counted, palette};

/// One object.
#[derive(Debug, Clone)]
pub struct ObjectRow {
    /// The object.
    pub id: ObjectId,
    /// Its name.
    pub name: String,
    /// Its class.
    pub class: Option<String>,
    /// Its colour.
    pub colour: Rgb,
    /// Not drawn.
    pub is_hidden: bool,
    /// The only one drawn.
    pub is_solo: bool,
    /// Protected.
    pub is_locked: bool,
    /// Frames with a mask.
    pub masks: usize,
    /// Frames with a prompt.
    pub prompts: usize,
    /// Frames whose mask is stale.
    pub stale: usize,
}

/// What it shows.
pub struct ObjectsView<'a> {
    /// In order.
    pub rows: &'a [ObjectRow],
    /// The classes to choose from.
    pub classes: &'a [String],
}

/// What is being typed.
#[derive(Debug, Default)]
pub struct ObjectsState {
    renaming: Option<(ObjectId, String)>,
    new_class: String,
    /// The class whose name is being typed, and what it is to be called.
    renaming_class: Option<(String, String)>,
    /// The list of classes was open in the last pass.
    had_classes: bool,
    /// The selection that the list was last scrolled to.
    scrolled_to: Option<ObjectId>,
    /// The rows that were in view.
    in_view: Range<usize>,
}

impl ObjectsState {
    /// Opens a name for typing.
    pub fn rename(&mut self, id: ObjectId, name: &str) {
        self.renaming = Some((id, name.to_owned()));
    }
}

/// Height of a row, in points.
const ROW_HEIGHT: f32 = 28.0;
/// Height of what stands under the list about the selected object, in points.
const DETAILS_HEIGHT: f32 = 56.0;
/// Width of a name in the list of classes, in points.
const CLASS_WIDTH: f32 = 140.0;

/// Draws it.
pub fn objects_ui(
    ui: &mut Ui,
    cx: &UiContext,
    view: &ObjectsView,
    state: &mut ObjectsState,
    actions: &mut Vec<Action>,
) {
    ui.horizontal(|ui| {
        ui.label(RichText::new("OBJECTS").small().color(cx.colours().quiet));
        ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
            let keys = (cx.shortcut)(&Action::NewObject).map(|keys| format!("  {keys}")).unwrap_or_default();
            let button = Button::new(format!("{} New{keys}", icon::PLUS)).frame(false);
            cx.action_widget(ui, button, Action::NewObject, actions);
        });
    });
    // A name whose object has gone is not typed on.
    state.renaming.take_if(|(id, _)| view.rows.iter().all(|row| row.id != *id));
    if view.rows.is_empty() {
        ui.label(
            RichText::new("Click something in the picture: that makes the first object.").color(cx.colours().quiet),
        );
        return;
    }
    let chosen = view.rows.iter().find(|row| Some(row.id) == cx.facts.selected);
    let room = ui.available_height() - chosen.map_or(0.0, |_| DETAILS_HEIGHT);
    let mut list = ScrollArea::vertical().id_salt("objects").auto_shrink([false, true]).max_height(room);
    if let Some(offset) = scroll_offset(ui, cx, view, state) {
        list = list.vertical_scroll_offset(offset);
    }
    list.show_rows(ui, ROW_HEIGHT, view.rows.len(), |ui, shown| {
        state.in_view = shown.clone();
        for row in &view.rows[shown] {
            row_ui(ui, cx, row, state, actions);
        }
    });
    if let Some(row) = chosen {
        details_ui(ui, cx, row, view.classes, state, actions);
    }
}

/// Where to scroll to when another object was selected and its row is out of view.
fn scroll_offset(ui: &Ui, cx: &UiContext, view: &ObjectsView, state: &mut ObjectsState) -> Option<f32> {
    if state.scrolled_to == cx.facts.selected {
        return None;
    }
    state.scrolled_to = cx.facts.selected;
    let place = view.rows.iter().position(|row| Some(row.id) == cx.facts.selected)?;
    // The last row of those in view may be cut.
    let is_in_view = state.in_view.start <= place && place + 1 < state.in_view.end;
    (!is_in_view).then(|| place.saturating_sub(2) as f32 * (ROW_HEIGHT + ui.spacing().item_spacing.y))
}

fn row_ui(ui: &mut Ui, cx: &UiContext, row: &ObjectRow, state: &mut ObjectsState, actions: &mut Vec<Action>) {
    let is_selected = cx.facts.selected == Some(row.id);
    let width = ui.available_width();
    let (rect, response) = ui.allocate_exact_size(Vec2::new(width, ROW_HEIGHT), Sense::click());
    let fill = if is_selected {
        ui.visuals().selection.bg_fill
    } else if response.hovered() {
        ui.visuals().widgets.hovered.bg_fill
    } else {
        Color32::TRANSPARENT
    };
    ui.painter().rect_filled(rect, CornerRadius::same(4), fill);
    let mut ui = ui.new_child(
        bevy_egui::egui::UiBuilder::new()
            .max_rect(rect.shrink2(Vec2::new(4.0, 0.0)))
            .layout(Layout::left_to_right(Align::Center)),
    );
    let number = RichText::new(format!("{:>2}", row.id.0)).font(super::super::theme::figures());
    ui.label(number);
    swatch(&mut ui, row, actions);
    ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
        let eye = if row.is_hidden { icon::EYE_SLASH } else { icon::EYE };
        cx.icon_button(ui, eye, Action::ToggleHidden(Some(row.id)), actions);
        let lock = if row.is_locked { icon::LOCK_SIMPLE } else { icon::LOCK_SIMPLE_OPEN };
        cx.icon_button(ui, lock, Action::ToggleLock(Some(row.id)), actions);
        if row.is_solo {
            let solo = RichText::new("solo").small().color(cx.colours().accent);
            ui.label(solo).on_hover_text("The only object that is shown");
        }
        if row.stale > 0 {
            let stale = RichText::new(format!("{}", row.stale))
                .font(super::super::theme::figures())
                .color(ui.visuals().warn_fg_color);
            ui.label(stale).on_hover_text(format!("Stale: {}. Track to renew.", counted(row.stale, "mask")));
        }
        if let Some(class) = &row.class {
            let shown = super::top_bar::shorten(class, 12);
            ui.label(RichText::new(shown).small().color(cx.colours().quiet)).on_hover_text(format!("Class: {class}"));
        }
        ui.with_layout(Layout::left_to_right(Align::Center), |ui| name_ui(ui, cx, row, state, actions));
    });
    let key = (cx.shortcut)(&Action::StartRename).map_or_else(String::new, |key| format!(" or {key}"));
    let response = response.on_hover_text(format!("Double-click{key} to rename"));
    response.widget_info(|| WidgetInfo::selected(WidgetType::SelectableLabel, true, is_selected, &row.name));
    if response.clicked() {
        actions.push(Action::Select(row.id));
    }
    // A click that selects and a double click soon after are three to egui.
    if response.double_clicked() || response.triple_clicked() {
        state.renaming = Some((row.id, row.name.clone()));
    }
}

/// The name, or the field in which it is changed.
fn name_ui(ui: &mut Ui, cx: &UiContext, row: &ObjectRow, state: &mut ObjectsState, actions: &mut Vec<Action>) {
    match &mut state.renaming {
        Some((id, text)) if *id == row.id => {
            let field = name_field(ui, text, ui.available_width());
            if ui.input(|i| i.key_pressed(Key::Escape)) {
                state.renaming = None;
            } else if field.lost_focus() {
                actions.push(Action::Rename(row.id, std::mem::take(text)));
                state.renaming = None;
            }
        }
        Some(_) | None => {
            let is_out_of_sight = row.is_hidden || cx.facts.solo.is_some_and(|solo| solo != row.id);
            let colour = if is_out_of_sight { cx.colours().quiet } else { cx.colours().text };
            let name = RichText::new(&row.name).color(colour);
            ui.add(Label::new(name).truncate().selectable(false).sense(Sense::hover()));
        }
    }
}

/// The field for a name that is changed. It takes the keys, at first with the whole name selected: what is typed replaces
/// it.
fn name_field(ui: &mut Ui, name: &mut String, width: f32) -> Response {
    let mut field = TextEdit::singleline(name).desired_width(width).show(ui);
    let response = field.response.response;
    if !response.has_focus() && !response.lost_focus() {
        field.state.cursor.set_char_range(Some(text::CCursorRange::select_all(&field.galley)));
        field.state.store(ui.ctx(), response.id);
        response.request_focus();
    }
    response
}

/// The colour, which opens the palette.
fn swatch(ui: &mut Ui, row: &ObjectRow, actions: &mut Vec<Action>) {
    let [r, g, b] = row.colour;
    let (rect, response) = ui.allocate_exact_size(Vec2::splat(16.0), Sense::click());
    ui.painter().rect_filled(rect, CornerRadius::same(8), Color32::from_rgb(r, g, b));
    ui.painter().rect_stroke(
        rect,
        CornerRadius::same(8),
        Stroke::new(1.0, ui.visuals().window_stroke.color),
        StrokeKind::Inside,
    );
    let response = response.on_hover_text("Colour");
    response.widget_info(|| WidgetInfo::labeled(WidgetType::Button, true, format!("Colour of {}", row.name)));
    bevy_egui::egui::Popup::menu(&response).show(|ui| {
        bevy_egui::egui::Grid::new("palette").spacing(Vec2::splat(4.0)).show(ui, |ui| {
            for (i, colour) in palette::PALETTE.iter().enumerate() {
                let [r, g, b] = *colour;
                let button = Button::new("").fill(Color32::from_rgb(r, g, b)).min_size(Vec2::splat(24.0));
                if ui.add(button).clicked() {
                    actions.push(Action::SetColour(row.id, *colour));
                    ui.close();
                }
                if i % 6 == 5 {
                    ui.end_row();
                }
            }
        });
    });
}

/// A class of the list: choose it, give it another name, take it from the list.
fn class_ui(
    ui: &mut Ui,
    cx: &UiContext,
    row: &ObjectRow,
    class: &str,
    state: &mut ObjectsState,
    actions: &mut Vec<Action>,
) {
    if let Some((_, text)) = state.renaming_class.as_mut().filter(|(renamed, _)| renamed == class) {
        let field = name_field(ui, text, 112.0);
        if ui.input(|i| i.key_pressed(Key::Escape)) {
            state.renaming_class = None;
        } else if field.lost_focus() {
            actions.push(Action::RenameClass(class.to_owned(), std::mem::take(text)));
            state.renaming_class = None;
        }
        return;
    }
    ui.horizontal(|ui| {
        let is_chosen = row.class.as_deref() == Some(class);
        // What stands at its right, be it nothing, keeps the name at the left.
        let name = Button::selectable(is_chosen, class).right_text("").truncate();
        let name = name.min_size(Vec2::new(CLASS_WIDTH, 24.0));
        let name = ui.add(name);
        name.widget_info(|| WidgetInfo::selected(WidgetType::SelectableLabel, true, is_chosen, class));
        if name.clicked() {
            actions.push(Action::SetClass(row.id, Some(class.to_owned())));
            ui.close();
        }
        let rename = Action::RenameClass(class.to_owned(), class.to_owned());
        let mut asked = Vec::new();
        cx.icon_button(ui, icon::PENCIL_SIMPLE, rename, &mut asked);
        if !asked.is_empty() {
            state.renaming_class = Some((class.to_owned(), class.to_owned()));
        }
        cx.icon_button(ui, icon::TRASH, Action::RemoveClass(class.to_owned()), actions);
    });
}

/// The selected object's class, counts, solo and delete.
fn details_ui(
    ui: &mut Ui,
    cx: &UiContext,
    row: &ObjectRow,
    classes: &[String],
    state: &mut ObjectsState,
    actions: &mut Vec<Action>,
) {
    ui.add_space(4.0);
    ui.horizontal(|ui| {
        let shown = row.class.as_deref().unwrap_or("no class");
        // Names are typed in it, so a click inside does not close it.
        let list = ComboBox::from_id_salt("class").close_behavior(PopupCloseBehavior::CloseOnClickOutside);
        let opened = list.selected_text(shown).width(120.0).show_ui(ui, |ui| {
            if ui.selectable_label(row.class.is_none(), "no class").clicked() {
                actions.push(Action::SetClass(row.id, None));
                ui.close();
            }
            for class in classes {
                class_ui(ui, cx, row, class, state, actions);
            }
            ui.separator();
            let field = ui.add(TextEdit::singleline(&mut state.new_class).hint_text("new class…").desired_width(112.0));
            if !std::mem::replace(&mut state.had_classes, true) {
                field.request_focus();
            }
            if field.lost_focus() && ui.input(|i| i.key_pressed(Key::Enter)) && !state.new_class.trim().is_empty() {
                actions.push(Action::SetClass(row.id, Some(std::mem::take(&mut state.new_class))));
                ui.close();
            }
            if ui.button("Import list…").clicked() {
                actions.push(Action::Ask(FileQuestion::ImportClasses));
                ui.close();
            }
        });
        if opened.inner.is_none() {
            state.renaming_class = None;
            state.had_classes = false;
        }
        ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
            let delete = cx.icon_button(ui, icon::TRASH, Action::DeleteObject(Some(row.id)), actions);
            delete.on_hover_text(format!(
                "{} and {} go with it; undo brings them back",
                counted(row.masks, "mask"),
                counted(row.prompts, "prompt")
            ));
            let solo =
                ui.selectable_label(row.is_solo, "Solo").on_hover_text(cx.tooltip(&Action::ToggleSolo(Some(row.id))));
            if solo.clicked() {
                actions.push(Action::ToggleSolo(Some(row.id)));
            }
        });
    });
    let counts = format!("{} · {} prompted · {} stale", counted(row.masks, "mask"), row.prompts, row.stale);
    ui.label(RichText::new(counts).small().color(cx.colours().quiet));
}
