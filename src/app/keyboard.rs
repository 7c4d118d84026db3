//! Key presses in the order they happened, each with the modifiers that were held at that moment.
//!
//! egui is told the modifiers once per update. Where an update takes long (software rendering, a busy machine), Shift may
//! be let go again by then, and Shift+→ would become →. So keys that mean actions are read here instead; text fields stay
//! egui's. What a key means is the keymap's affair.

use bevy::input::ButtonState;
use bevy::input::keyboard::{Key, KeyboardFocusLost, KeyboardInput};
use bevy::prelude::*;
use bevy_egui::egui::{self, Modifiers};
use bevy_egui::helpers::{bevy_to_egui_key, bevy_to_egui_physical_key};

/// A press or release.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct KeyPress {
    /// The key.
    pub key: egui::Key,
    /// What was held with it.
    pub modifiers: Modifiers,
    /// Pressed, not let go.
    pub is_pressed: bool,
    /// Came from holding the key.
    pub is_repeat: bool,
}

/// The presses since the last pass of the panels.
#[derive(Resource, Debug, Default)]
pub(super) struct KeyPresses {
    /// In order.
    pub presses: Vec<KeyPress>,
    held: Modifiers,
}

pub(super) fn collect_keys(
    mut inputs: MessageReader<KeyboardInput>,
    mut lost: MessageReader<KeyboardFocusLost>,
    mut keys: ResMut<KeyPresses>,
) {
    if lost.read().next().is_some() {
        // What is let go elsewhere is not heard of.
        keys.held = Modifiers::NONE;
    }
    for input in inputs.read() {
        let is_pressed = input.state == ButtonState::Pressed;
        let held = &mut keys.held;
        match input.logical_key {
            Key::Shift => held.shift = is_pressed,
            Key::Alt => held.alt = is_pressed,
            Key::Control => {
                held.ctrl = is_pressed;
                if !cfg!(target_os = "macos") {
                    held.command = is_pressed;
                }
            }
            Key::Super | Key::Meta if cfg!(target_os = "macos") => {
                held.mac_cmd = is_pressed;
                held.command = is_pressed;
            }
            _ => {
                // Keyboards without Latin letters are read by place.
                let key = bevy_to_egui_key(&input.logical_key).or_else(|| bevy_to_egui_physical_key(&input.key_code));
                if let Some(key) = key {
                    let modifiers = keys.held;
                    keys.presses.push(KeyPress { key, modifiers, is_pressed, is_repeat: input.repeat });
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use bevy::input::keyboard::KeyCode;

    use super::*;

    fn input(logical_key: Key, key_code: KeyCode, state: ButtonState) -> KeyboardInput {
        KeyboardInput { key_code, logical_key, state, text: None, repeat: false, window: Entity::PLACEHOLDER }
    }

    #[test]
    fn a_chord_within_one_update_keeps_its_modifiers() {
        use ButtonState::{Pressed, Released};
        let mut app = App::new();
        app.add_message::<KeyboardInput>().add_message::<KeyboardFocusLost>().init_resource::<KeyPresses>();
        app.add_systems(Update, collect_keys);
        for (key, code, state) in [
            (Key::Shift, KeyCode::ShiftLeft, Pressed),
            (Key::ArrowRight, KeyCode::ArrowRight, Pressed),
            (Key::ArrowRight, KeyCode::ArrowRight, Released),
            (Key::Shift, KeyCode::ShiftLeft, Released),
            (Key::ArrowLeft, KeyCode::ArrowLeft, Pressed),
        ] {
            app.world_mut().write_message(input(key, code, state));
        }
        app.update();
        let presses = &app.world().resource::<KeyPresses>().presses;
        let found: Vec<_> = presses.iter().map(|p| (p.key, p.modifiers.shift, p.is_pressed)).collect();
        let expected = [
            (egui::Key::ArrowRight, true, true),
            (egui::Key::ArrowRight, true, false),
            (egui::Key::ArrowLeft, false, true),
        ];
        assert_eq!(found, expected);
    }
}
