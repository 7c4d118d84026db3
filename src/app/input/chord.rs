//! A key with its modifiers, as people write it: `Ctrl+Shift+Z`.
//!
//! Keys are logical, so `?` and `[` are found where the keyboard has them. Knows nothing of actions.

use std::fmt;
use std::str::FromStr;

use bevy_egui::egui::{Key, Modifiers};
use serde::{Deserialize, Serialize};

/// A key and the modifiers held with it. `command` is Ctrl, or ⌘ on a Mac.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct KeyChord {
    /// The key.
    pub key: Key,
    /// Ctrl, or ⌘ on a Mac.
    pub command: bool,
    /// Shift.
    pub shift: bool,
    /// Alt.
    pub alt: bool,
}

impl KeyChord {
    /// A key alone.
    pub const fn plain(key: Key) -> Self {
        KeyChord { key, command: false, shift: false, alt: false }
    }

    /// With Ctrl, or ⌘ on a Mac.
    pub const fn command(self) -> Self {
        KeyChord { command: true, ..self }
    }

    /// With Shift.
    pub const fn shift(self) -> Self {
        KeyChord { shift: true, ..self }
    }

    /// With Alt.
    pub const fn alt(self) -> Self {
        KeyChord { alt: true, ..self }
    }

    /// What was pressed. Keys that are reached with Shift on some keyboards mean the same with and without it.
    pub fn pressed(key: Key, modifiers: Modifiers) -> Self {
        KeyChord { key, command: modifiers.command, shift: modifiers.shift, alt: modifiers.alt }.as_pressed()
    }

    /// As a press reports it. A chord that says Shift with a symbol would otherwise never be matched.
    pub(super) const fn as_pressed(self) -> Self {
        KeyChord { shift: self.shift && !is_shifted_symbol(self.key), ..self }
    }
}

/// Symbols that many keyboards put on the Shift level.
const fn is_shifted_symbol(key: Key) -> bool {
    matches!(
        key,
        Key::OpenBracket
            | Key::CloseBracket
            | Key::Minus
            | Key::Equals
            | Key::Comma
            | Key::Period
            | Key::Semicolon
            | Key::Quote
            | Key::Slash
            | Key::Backslash
            | Key::Backtick
            | Key::Questionmark
            | Key::Plus
            | Key::Exclamationmark
            | Key::OpenCurlyBracket
            | Key::CloseCurlyBracket
            | Key::Pipe
            | Key::Colon
    )
}

const COMMAND_NAME: &str = if cfg!(target_os = "macos") { "Cmd" } else { "Ctrl" };

impl fmt::Display for KeyChord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (is_held, name) in [(self.command, COMMAND_NAME), (self.alt, "Alt"), (self.shift, "Shift")] {
            if is_held {
                write!(f, "{name}+")?;
            }
        }
        f.write_str(shown_name(self.key))
    }
}

/// Short and as printed on the key.
fn shown_name(key: Key) -> &'static str {
    match key {
        Key::ArrowLeft => "←",
        Key::ArrowRight => "→",
        Key::ArrowUp => "↑",
        Key::ArrowDown => "↓",
        Key::PageUp => "PgUp",
        Key::PageDown => "PgDn",
        Key::Escape => "Esc",
        Key::Questionmark => "?",
        Key::Plus => "+",
        Key::Minus => "-",
        Key::Equals => "=",
        Key::Comma => ",",
        Key::Period => ".",
        Key::OpenBracket => "[",
        Key::CloseBracket => "]",
        other => other.name(),
    }
}

impl FromStr for KeyChord {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        // The key itself may be a plus.
        let (modifiers, name) = match text.strip_suffix("++").map(|rest| (rest, "+")) {
            Some(found) => found,
            None if text == "+" => ("", "+"),
            None => text.rsplit_once('+').unwrap_or(("", text)),
        };
        let named = |key: &&Key| shown_name(**key) == name || key.name() == name;
        let key = *Key::ALL.iter().find(named).ok_or_else(|| format!("{text}: there is no key {name}"))?;
        let mut chord = KeyChord::plain(key);
        for modifier in modifiers.split('+').filter(|part| !part.is_empty()) {
            match modifier {
                "Ctrl" | "Cmd" => chord.command = true,
                "Shift" => chord.shift = true,
                "Alt" => chord.alt = true,
                other => return Err(format!("{text}: {other} is none of Ctrl, Cmd, Shift, Alt")),
            }
        }
        Ok(chord)
    }
}

impl From<KeyChord> for String {
    fn from(chord: KeyChord) -> String {
        chord.to_string()
    }
}

impl TryFrom<String> for KeyChord {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_chord_reads_back_as_it_is_written() {
        for &key in Key::ALL {
            for held in 0..8 {
                let chord = KeyChord { key, command: held & 1 > 0, shift: held & 2 > 0, alt: held & 4 > 0 };
                assert_eq!(chord.to_string().parse(), Ok(chord), "{chord}");
            }
        }
    }

    #[test]
    fn nonsense_is_refused() {
        for text in ["", "Ctrl", "Hyper+A", "Ctrl+Nothing", "Ctrl+"] {
            assert!(text.parse::<KeyChord>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_shifted_symbol_means_the_same_with_and_without_shift() {
        let pressed = KeyChord::pressed(Key::Questionmark, Modifiers::SHIFT);
        assert_eq!(pressed, KeyChord::plain(Key::Questionmark));
        assert!(KeyChord::pressed(Key::A, Modifiers::SHIFT).shift);
    }
}
