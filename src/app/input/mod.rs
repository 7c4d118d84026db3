//! Keys: chords, the map from keys to actions with its presets, and the search behind the command palette.

mod chord;
mod keymap;
mod presets;
mod search;

pub use chord::KeyChord;
pub use keymap::{Clash, Keymap};
pub use presets::Preset;
pub use search::search;
