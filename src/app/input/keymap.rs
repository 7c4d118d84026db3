//! Which key sends which action: a preset, and what the labeller changed about it.
//!
//! Saved as TOML in the config folder. A key means one thing at a time: binding it elsewhere says whose it was. Reads no
//! events; the window asks [`Keymap::action_for`].

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use bevy::prelude::Resource;
use bevy_egui::egui::{Key, Modifiers};
use serde::{Deserialize, Serialize};

use super::super::action::{Action, Panel};
use super::super::settings::{read_toml, write_own_file};
use super::chord::KeyChord;
use super::presets::Preset;
use crate::formats::FormatError;

const FILE_NAME: &str = "keys.toml";

/// Keys and actions.
#[derive(Resource, Debug, Clone, PartialEq)]
pub struct Keymap {
    preset: Preset,
    bindings: Vec<(Action, KeyChord)>,
    /// Entries of the file that no action of this version answers to; they are kept.
    unknown: BTreeMap<String, Vec<String>>,
}

/// The key already sends something else.
#[derive(Debug, Clone, PartialEq)]
pub struct Clash {
    /// What it sends.
    pub holder: Action,
}

#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
struct KeyFile {
    preset: Preset,
    /// All keys of the actions that differ from the preset.
    keys: BTreeMap<String, Vec<String>>,
}

impl Default for Keymap {
    fn default() -> Self {
        Keymap::preset(Preset::Default)
    }
}

impl Keymap {
    /// A preset as it is.
    pub fn preset(preset: Preset) -> Self {
        Keymap { preset, bindings: preset.bindings(), unknown: BTreeMap::new() }
    }

    /// Which preset it started from.
    pub fn preset_name(&self) -> Preset {
        self.preset
    }

    /// The keys of an action.
    pub fn chords<'a>(&'a self, action: &'a Action) -> impl Iterator<Item = KeyChord> + 'a {
        self.bindings.iter().filter(move |(bound, _)| bound == action).map(|(_, chord)| *chord)
    }

    /// An action's keys for menus and tooltips; `None` when it has none.
    pub fn shortcut_text(&self, action: &Action) -> Option<String> {
        self.chords(action).next().map(|chord| chord.to_string())
    }

    /// What a key press means.
    pub fn action_for(&self, key: Key, modifiers: Modifiers) -> Option<Action> {
        let pressed = KeyChord::pressed(key, modifiers);
        self.bindings.iter().find(|(_, chord)| *chord == pressed).map(|(action, _)| action.clone())
    }

    /// Gives a key to an action.
    ///
    /// # Errors
    /// When the key sends something else; nothing is changed then.
    pub fn bind(&mut self, action: &Action, chord: KeyChord) -> Result<(), Clash> {
        let chord = chord.as_pressed();
        match self.bindings.iter().find(|(_, bound)| *bound == chord) {
            Some((holder, _)) if holder != action => Err(Clash { holder: holder.clone() }),
            Some(_) => Ok(()),
            None => {
                self.bindings.push((action.clone(), chord));
                Ok(())
            }
        }
    }

    /// Gives a key to an action and takes it from whoever had it.
    pub fn bind_anyway(&mut self, action: &Action, chord: KeyChord) {
        let chord = chord.as_pressed();
        self.bindings.retain(|(_, bound)| *bound != chord);
        self.bindings.push((action.clone(), chord));
    }

    /// Takes all keys from an action.
    pub fn unbind(&mut self, action: &Action) {
        self.bindings.retain(|(bound, _)| bound != action);
    }

    /// Actions without which a labeller is stuck and which have no key.
    pub fn missing_essentials(&self) -> Vec<Action> {
        let panels = [Panel::CommandPalette, Panel::Settings, Panel::Help].map(Action::TogglePanel);
        let essential = [Action::Undo, Action::Cancel, Action::PlayPause].into_iter().chain(panels);
        essential.filter(|action| self.chords(action).next().is_none()).collect()
    }

    /// Reads the keys in `folder`. The second value says what was wrong with them.
    pub fn load(folder: Option<&Path>) -> (Keymap, Option<String>) {
        let Some(path) = folder.map(|folder| folder.join(FILE_NAME)) else { return (Keymap::default(), None) };
        let file = match read_toml::<KeyFile>(&path) {
            Ok(file) => file.unwrap_or_default(),
            Err(message) => return (Keymap::default(), Some(message)),
        };
        let mut keymap = Keymap::preset(file.preset);
        let actions = Action::without_arguments();
        let mut wrong = Vec::new();
        let mut changed = Vec::new();
        // All keys that moved are freed first: one that was given away still belongs to its old action in the preset.
        for (id, texts) in file.keys {
            let Some(action) = actions.iter().find(|action| action.id() == id) else {
                keymap.unknown.insert(id, texts);
                continue;
            };
            keymap.unbind(action);
            changed.push((action, texts));
        }
        for (action, texts) in changed {
            for text in texts {
                match text.parse::<KeyChord>().map(|chord| (chord, keymap.bind(action, chord))) {
                    Ok((_, Ok(()))) => {}
                    Ok((chord, Err(Clash { holder }))) => {
                        wrong.push(format!("{chord} is {} and {}, the latter stands", holder.label(), action.label()));
                        keymap.bind_anyway(action, chord);
                    }
                    Err(reason) => wrong.push(reason),
                }
            }
        }
        let missing = keymap.missing_essentials();
        wrong.extend(missing.iter().map(|action| format!("\"{}\" has no key", action.label())));
        let message = (!wrong.is_empty()).then(|| format!("{}: {}", path.display(), wrong.join("; ")));
        (keymap, message)
    }

    /// Writes what differs from the preset to `folder`, under a name of its own, if anything does; where it is then.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn put_aside(&self, folder: &Path) -> Result<Option<PathBuf>, FormatError> {
        let file = self.to_file();
        if file.keys.is_empty() {
            return Ok(None);
        }
        let path = folder.join(format!("{FILE_NAME}.bak"));
        write_own_file(&path, file.to_toml().as_bytes())?;
        Ok(Some(path))
    }

    /// Writes what differs from the preset to `folder`.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn save(&self, folder: &Path) -> Result<(), FormatError> {
        write_own_file(&folder.join(FILE_NAME), self.to_file().to_toml().as_bytes())
    }

    fn to_file(&self) -> KeyFile {
        let preset = Keymap::preset(self.preset);
        let mut keys = self.unknown.clone();
        for action in Action::without_arguments() {
            let own: Vec<KeyChord> = self.chords(&action).collect();
            if own != preset.chords(&action).collect::<Vec<_>>() {
                keys.insert(action.id().into_owned(), own.iter().map(KeyChord::to_string).collect());
            }
        }
        KeyFile { preset: self.preset, keys }
    }
}

impl KeyFile {
    fn to_toml(&self) -> String {
        toml::to_string_pretty(self).expect("keys are plain TOML values")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is rare enough to be found in the palette, or needs a deliberate hand.
    const PALETTE_ONLY: [&str; 31] = [
        "save_masks",
        "stop_saving",
        "save_project_copy",
        "import_labels",
        "import_labels_folder",
        "stop_export",
        "mask_as_prompt",
        "open_folder",
        "open_model",
        "import_classes",
        "retry_model",
        "reset_all",
        "track_both",
        "track_damaged_too",
        "track_selected_damaged_too",
        "track_selected_stale",
        "track_selected_forward",
        "track_selected_backward",
        "track_selected_both",
        "track_selected_frame",
        "track_anew",
        "track_selected_anew",
        "stop_tracking",
        "stop_model_job",
        "open_sample",
        "tour_start",
        "tour_next",
        "tour_end",
        "quit",
        "lock",
        "loop",
    ];

    #[test]
    fn every_action_has_a_key_in_every_preset_or_is_meant_for_the_palette() {
        for preset in Preset::ALL {
            let keymap = Keymap::preset(preset);
            for action in Action::without_arguments() {
                let is_meant = PALETTE_ONLY.contains(&action.id().as_ref());
                assert!(is_meant || keymap.chords(&action).next().is_some(), "{preset:?}: {} has no key", action.id());
            }
        }
    }

    #[test]
    fn one_wrong_key_does_not_take_the_others_with_it() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let text = "[keys]\nundo = [\"Ctrl+U\"]\nredo = [\"Hyper+R\"]\n";
        std::fs::write(folder.path().join(FILE_NAME), text).expect("a file");
        let (keymap, message) = Keymap::load(Some(folder.path()));
        assert_eq!(keymap.action_for(Key::U, Modifiers::COMMAND), Some(Action::Undo));
        assert!(message.is_some_and(|text| text.contains("Hyper")));
    }

    #[test]
    fn no_key_means_two_things_in_any_preset() {
        for preset in Preset::ALL {
            let keymap = Keymap::preset(preset);
            for (i, (action, chord)) in keymap.bindings.iter().enumerate() {
                let other = keymap.bindings[..i].iter().find(|(_, bound)| bound == chord);
                assert!(other.is_none(), "{preset:?}: {chord} is {action:?} and {other:?}");
            }
            assert!(keymap.missing_essentials().is_empty(), "{preset:?}");
        }
    }

    #[test]
    fn a_taken_key_is_only_given_away_on_purpose() {
        let mut keymap = Keymap::default();
        let undo_key = KeyChord::plain(Key::Z).command();
        assert_eq!(keymap.bind(&Action::NewObject, undo_key), Err(Clash { holder: Action::Undo }));
        assert_eq!(keymap.action_for(Key::Z, Modifiers::COMMAND), Some(Action::Undo));
        keymap.bind_anyway(&Action::NewObject, undo_key);
        assert_eq!(keymap.action_for(Key::Z, Modifiers::COMMAND), Some(Action::NewObject));
        assert_eq!(keymap.missing_essentials(), [Action::Undo]);
    }

    #[test]
    fn keys_given_away_and_swapped_come_back_without_complaint() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let mut keymap = Keymap::default();
        keymap.bind_anyway(&Action::NewObject, KeyChord::plain(Key::H));
        keymap.bind_anyway(&Action::ToggleHidden(None), KeyChord::plain(Key::N));
        keymap.bind_anyway(&Action::First, KeyChord::plain(Key::End));
        keymap.save(folder.path()).expect("written");
        let (loaded, message) = Keymap::load(Some(folder.path()));
        assert_eq!(message, None);
        for (key, action) in
            [(Key::H, Action::NewObject), (Key::N, Action::ToggleHidden(None)), (Key::End, Action::First)]
        {
            assert_eq!(loaded.action_for(key, Modifiers::NONE), Some(action), "{key:?}");
        }
        assert_eq!(loaded.chords(&Action::Last).next(), None);
    }

    #[test]
    fn shift_before_a_symbol_in_the_file_is_no_dead_key() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        std::fs::write(folder.path().join(FILE_NAME), "[keys]\nloop = [\"Shift+:\"]\n".replace(':', "Colon"))
            .expect("a file");
        let (keymap, message) = Keymap::load(Some(folder.path()));
        assert_eq!(message, None);
        for held in [Modifiers::NONE, Modifiers::SHIFT] {
            assert_eq!(keymap.action_for(Key::Colon, held), Some(Action::ToggleLoop), "{held:?}");
        }
        // The same symbol with Shift is the same key, so it is taken.
        let mut keymap = Keymap::default();
        let clash = keymap.bind(&Action::Undo, KeyChord::plain(Key::OpenBracket).shift());
        assert_eq!(clash, Err(Clash { holder: Action::BrushSmaller }));
    }

    #[test]
    fn changed_keys_come_back_and_foreign_entries_survive() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        std::fs::write(folder.path().join(FILE_NAME), "preset = \"cvat\"\n[keys]\nfrom_tomorrow = [\"Ctrl+B\"]\n")
            .expect("a file");
        let (mut keymap, message) = Keymap::load(Some(folder.path()));
        assert_eq!((keymap.preset_name(), message), (Preset::Cvat, None));
        assert_eq!(keymap.action_for(Key::F, Modifiers::NONE), Some(Action::Step(1)));
        keymap.unbind(&Action::First);
        keymap.bind_anyway(&Action::First, KeyChord::plain(Key::F5));
        keymap.save(folder.path()).expect("written");
        assert_eq!(Keymap::load(Some(folder.path())), (keymap, None));
        let text = std::fs::read_to_string(folder.path().join(FILE_NAME)).expect("the file");
        assert!(text.contains("from_tomorrow"), "{text}");
    }
}
