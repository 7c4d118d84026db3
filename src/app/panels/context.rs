//! What every panel gets besides its own view: the facts, the keys, and buttons that know when they cannot act.

use bevy_egui::egui::{self, Button, Response, RichText, Ui, WidgetText};

use super::super::action::{Action, Theme};
use super::super::facts::AppFacts;
use super::super::theme::Colours;

/// What panels share while they are drawn.
pub struct UiContext<'a> {
    /// The app's state in plain words.
    pub facts: &'a AppFacts,
    /// Dark or light.
    pub theme: Theme,
    /// The key that sends an action, for tooltips and menus.
    pub shortcut: &'a dyn Fn(&Action) -> Option<String>,
}

impl UiContext<'_> {
    /// The theme's colours.
    pub fn colours(&self) -> Colours {
        Colours::of(self.theme)
    }

    /// What hovering says: the action, its key, and why it cannot be done just now.
    pub fn tooltip(&self, action: &Action) -> String {
        let mut text = action.label().into_owned();
        if let Some(keys) = (self.shortcut)(action) {
            text = format!("{text}   {keys}");
        }
        match action.unavailable_because(self.facts) {
            Some(reason) => format!("{text}\n{reason}"),
            None => text,
        }
    }

    /// Any widget for an action: greyed with its reason when it cannot be done, and sent when clicked.
    pub fn action_widget(
        &self,
        ui: &mut Ui,
        widget: impl egui::Widget,
        action: Action,
        actions: &mut Vec<Action>,
    ) -> Response {
        let is_possible = action.unavailable_because(self.facts).is_none();
        let tooltip = self.tooltip(&action);
        let mut response = ui.add_enabled(is_possible, widget);
        // The name alone is on the widget already; a button with an icon only says it itself.
        if tooltip != action.label() {
            response = response.on_hover_text(&tooltip).on_disabled_hover_text(&tooltip);
        }
        if response.clicked() {
            actions.push(action);
        }
        response
    }

    /// A small frameless button with an icon; its name for the screen reader and for tests is the action's label.
    pub fn icon_button(&self, ui: &mut Ui, icon: &str, action: Action, actions: &mut Vec<Action>) -> Response {
        let button = Button::new(RichText::new(icon).size(16.0)).frame(false).min_size(egui::vec2(24.0, 24.0));
        let mut response = self.action_widget(ui, button, action.clone(), actions);
        if self.tooltip(&action) == action.label() {
            response = response.on_hover_text(action.label());
        }
        self.name(&response, &action);
        response
    }

    /// Names a widget that shows an icon only, for the screen reader and for tests.
    pub fn name(&self, response: &Response, action: &Action) {
        let is_possible = action.unavailable_because(self.facts).is_none();
        response.widget_info(|| egui::WidgetInfo::labeled(egui::WidgetType::Button, is_possible, action.label()));
    }

    /// A row of a menu: text at the left, key at the right. Closes the menu when clicked.
    pub fn menu_item(&self, ui: &mut Ui, text: impl Into<WidgetText>, action: Action, actions: &mut Vec<Action>) {
        let keys = (self.shortcut)(&action).unwrap_or_default();
        let button = Button::new(text.into()).shortcut_text(keys).min_size(egui::vec2(220.0, 24.0));
        if self.action_widget(ui, button, action, actions).clicked() {
            ui.close();
        }
    }
}
