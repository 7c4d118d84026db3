//! Keys and gamepad: chords, the map from keys to actions with its presets, the pad's thread and what its buttons mean,
//! and the search behind the command palette.

mod chord;
mod gamepad;
mod keymap;
mod pad_mapper;
mod presets;
mod search;

pub use chord::KeyChord;
pub use gamepad::{GilrsSource, Pad, PadAxis, PadButton, PadEvent, PadLink, PadSource, PadThread, open_gilrs};
pub use keymap::{Clash, Keymap};
pub use pad_mapper::{PadKey, PadMapper, PadOutput, STICK_DEAD_ZONE};
pub use presets::Preset;
pub use search::search;
