//! The labeller's keys, `keys.toml` in the config folder.

use label_hub::app::input::Keymap;

use super::{Target, written};

/// The target.
pub fn target() -> Target {
    Target::new("keymap", true, |folder, input| {
        written(folder, "keys.toml", input);
        let (keymap, message) = Keymap::load(Some(folder));
        keymap.save(folder).expect("own folder");
        let (again, _) = Keymap::load(Some(folder));
        assert_eq!(again.preset_name(), keymap.preset_name(), "what is written reads back");
        format!("{:?} {}", keymap.preset_name(), message.unwrap_or_else(|| "nothing wrong".to_owned()))
    })
}
