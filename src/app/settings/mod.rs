//! What the labeller set up once and wants to find again: looks, layout, recent clips, the model.
//!
//! A TOML file in the config folder. A file that cannot be understood is kept beside it as `.bad` and said; labelling
//! goes on with the defaults. Keys of other versions survive a rewrite. Pure data; nothing here draws.

pub(super) mod keeper;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use bevy::prelude::Resource;
use serde::{Deserialize, Serialize};

use crate::engine::{DeviceChoice, ModelChoice, ModelSource};
use crate::formats::{FormatError, write_atomically};
use crate::models;
use crate::sam2::checkpoint::CheckpointSource;

use super::action::Theme;

const FILE_NAME: &str = "settings.toml";
/// Recent clips that are remembered.
const MOST_RECENT: usize = 12;

/// The settings.
#[derive(Resource, Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Settings {
    /// Dark or light.
    pub theme: Theme,
    /// Size of the user interface; 1 is the system's own.
    pub ui_scale: f32,
    /// Opacity of mask fills relative to the default.
    pub fill_opacity: f32,
    /// Width of outlines relative to the default.
    pub outline_width: f32,
    /// No fills.
    pub outline_only: bool,
    /// Whether a minimap shows while zoomed in.
    pub minimap: bool,
    /// Width of the right panel, in points.
    pub right_panel_width: f32,
    /// Height of the timeline, in points.
    pub timeline_height: f32,
    /// Size of the window, in logical pixels.
    pub window_size: Option<[u32; 2]>,
    /// Clips opened last, the newest first.
    pub recent: Vec<PathBuf>,
    /// The model used last.
    pub model: Option<RememberedModel>,
    /// Memory for decoded pictures, in MiB.
    pub frame_cache_mb: u32,
    /// Hints that were followed and need not come again.
    pub hints_seen: BTreeSet<String>,
}

/// A model as the file knows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RememberedModel {
    /// The weights' file; the test engine and a model that ships in the program have none.
    pub path: Option<PathBuf>,
    /// The name of a model that ships in the program.
    pub embedded: Option<String>,
    /// `auto`, `cpu`, `cpu:f32`, `cuda:0` …
    pub device: String,
    /// Side of the square the model sees, in pixels.
    pub resolution: Option<u32>,
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            theme: Theme::default(),
            ui_scale: 1.0,
            fill_opacity: 1.0,
            outline_width: 1.0,
            outline_only: false,
            minimap: true,
            right_panel_width: 264.0,
            timeline_height: 168.0,
            window_size: None,
            recent: Vec::new(),
            model: None,
            frame_cache_mb: 1024,
            hints_seen: BTreeSet::new(),
        }
    }
}

impl Settings {
    /// Reads the settings in `folder`. The second value says what was wrong with them.
    pub fn load(folder: Option<&Path>) -> (Settings, Option<String>) {
        let Some(path) = folder.map(|folder| folder.join(FILE_NAME)) else { return (Settings::default(), None) };
        match read_toml(&path) {
            Ok(None) => (Settings::default(), None),
            Ok(Some(settings)) => (Settings::clamped(settings), None),
            Err(message) => (Settings::default(), Some(message)),
        }
    }

    /// Writes the settings to `folder`, keeping keys of other versions.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn save(&self, folder: &Path) -> Result<(), FormatError> {
        let path = folder.join(FILE_NAME);
        // TOML holds text; a path that is none cannot be remembered.
        let mut kept = self.clone();
        kept.recent.retain(|path| path.to_str().is_some());
        kept.model = kept.model.filter(|model| model.path.as_ref().is_none_or(|path| path.to_str().is_some()));
        let own = toml::Table::try_from(kept).expect("without such paths, settings are plain TOML values");
        let mut table = match std::fs::read_to_string(&path).map(|text| text.parse::<toml::Table>()) {
            Ok(Ok(table)) => table,
            // No file to be kept, or one that was moved aside.
            Ok(Err(_)) | Err(_) => toml::Table::new(),
        };
        // An option that is `None` has no key, so what it was before must go.
        for key in ["window_size", "model"] {
            table.remove(key);
        }
        table.extend(own);
        write_own_file(&path, table.to_string().as_bytes())
    }

    fn clamped(mut self) -> Settings {
        let fit = |value: f32, low: f32, high: f32, default: f32| {
            if value.is_finite() { value.clamp(low, high) } else { default }
        };
        self.ui_scale = fit(self.ui_scale, 0.75, 3.0, 1.0);
        self.fill_opacity = fit(self.fill_opacity, 0.0, 2.0, 1.0);
        self.outline_width = fit(self.outline_width, 0.0, 4.0, 1.0);
        self.right_panel_width = fit(self.right_panel_width, 200.0, 800.0, 264.0);
        self.timeline_height = fit(self.timeline_height, 80.0, 1200.0, 168.0);
        self.frame_cache_mb = self.frame_cache_mb.clamp(64, 65_536);
        self.window_size = self.window_size.map(|[w, h]| [w.clamp(400, 16_384), h.clamp(300, 16_384)]);
        self.recent.truncate(MOST_RECENT);
        self
    }

    /// Puts a clip at the front of the recent ones.
    pub fn add_recent(&mut self, clip: &Path) {
        // Where the path cannot be made absolute, as it is must do.
        let path = std::path::absolute(clip).unwrap_or_else(|_| clip.to_owned());
        self.recent.retain(|known| *known != path);
        self.recent.insert(0, path);
        self.recent.truncate(MOST_RECENT);
    }

    /// Remembers a model for the next start.
    pub fn remember_model(&mut self, choice: &ModelChoice) {
        let (path, embedded) = match &choice.source {
            ModelSource::TestEngine => (None, None),
            ModelSource::Checkpoint(CheckpointSource::File(path)) => {
                (Some(std::path::absolute(path).unwrap_or_else(|_| path.clone())), None)
            }
            ModelSource::Checkpoint(CheckpointSource::Embedded(model)) => (None, Some(model.name.to_owned())),
        };
        let device = choice.device.to_string();
        self.model = Some(RememberedModel { path, embedded, device, resolution: choice.resolution });
    }

    /// The remembered model, where this build has it. A device it does not know becomes the automatic choice.
    pub fn model_choice(&self) -> Option<ModelChoice> {
        let model = self.model.as_ref()?;
        let source = match (&model.embedded, &model.path) {
            (Some(name), _) => ModelSource::Checkpoint(CheckpointSource::Embedded(models::embedded(name)?)),
            (None, Some(path)) => ModelSource::Checkpoint(path.clone().into()),
            (None, None) => ModelSource::TestEngine,
        };
        let device = DeviceChoice::parse(&model.device).unwrap_or(DeviceChoice::Auto);
        Some(ModelChoice { source, device, resolution: model.resolution })
    }
}

/// Reads a TOML file of ours; `None` where there is none. One that makes no sense is moved aside and told.
pub(super) fn read_toml<T: serde::de::DeserializeOwned>(path: &Path) -> Result<Option<T>, String> {
    let shown = path.display();
    let text = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) if error.kind() == std::io::ErrorKind::InvalidData => return Err(set_aside(path, "it is not text")),
        Err(error) => return Err(format!("{shown}: cannot be read ({error}); the defaults are used")),
    };
    toml::from_str(&text).map(Some).map_err(|cause| set_aside(path, cause.message()))
}

/// Moves a file that makes no sense to a name of its own beside it, and says so.
fn set_aside(path: &Path, cause: &str) -> String {
    let name = |n: u32| path.with_extension(if n == 0 { "toml.bad".to_owned() } else { format!("toml.bad{n}") });
    let aside = (0..1000).map(name).find(|aside| !aside.exists()).unwrap_or_else(|| name(0));
    let kept = match std::fs::rename(path, &aside) {
        Ok(()) => format!("it was kept as {}", aside.display()),
        Err(error) => format!("it could not be moved aside ({error}) and will be written over"),
    };
    format!("{}: makes no sense ({cause}); {kept}, the defaults are used", path.display())
}

/// Writes a file of ours, whole or not at all, and makes its folder.
pub(super) fn write_own_file(path: &Path, bytes: &[u8]) -> Result<(), FormatError> {
    let folder = path.parent().expect("files of ours lie in a folder");
    std::fs::create_dir_all(folder).map_err(|source| FormatError::Write { path: folder.to_owned(), source })?;
    write_atomically(path, |writer| std::io::Write::write_all(writer, bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_come_back_as_they_were_written() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let folder = folder.path().join("config");
        assert_eq!(Settings::load(Some(&folder)), (Settings::default(), None));
        let mut settings = Settings { theme: Theme::Light, ui_scale: 1.5, ..Settings::default() };
        settings.add_recent(Path::new("/clips/a.mp4"));
        settings.add_recent(Path::new("/clips/b.mp4"));
        settings.add_recent(Path::new("/clips/a.mp4"));
        assert_eq!(settings.recent, ["/clips/a.mp4", "/clips/b.mp4"].map(PathBuf::from));
        let starter = models::embedded(models::STARTER_NAME).expect("it ships");
        for source in [
            ModelSource::TestEngine,
            ModelSource::Checkpoint(CheckpointSource::Embedded(starter)),
            ModelSource::Checkpoint(PathBuf::from("/models/mine.pt").into()),
        ] {
            let choice = ModelChoice { source, device: DeviceChoice::Cuda(1), resolution: Some(512) };
            settings.remember_model(&choice);
            settings.save(&folder).expect("written");
            let (loaded, message) = Settings::load(Some(&folder));
            assert_eq!((&loaded, message), (&settings, None));
            assert_eq!(loaded.model_choice(), Some(choice));
        }
    }

    #[test]
    fn keys_of_other_versions_survive_and_nonsense_is_moved_aside() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join(FILE_NAME);
        std::fs::write(&path, "from_tomorrow = 3\nui_scale = 99.0\n").expect("a file");
        let (settings, message) = Settings::load(Some(folder.path()));
        assert_eq!((settings.ui_scale, message), (3.0, None));
        settings.save(folder.path()).expect("written");
        assert!(std::fs::read_to_string(&path).expect("the file").contains("from_tomorrow = 3"));
        std::fs::write(&path, "ui_scale = \"large\"").expect("a file");
        let (settings, message) = Settings::load(Some(folder.path()));
        assert_eq!(settings, Settings::default());
        assert!(message.is_some_and(|text| text.contains("settings.toml.bad")));
        assert!(folder.path().join("settings.toml.bad").exists() && !path.exists());
        std::fs::write(&path, [0xFF, 0xFE]).expect("a file");
        let (_, message) = Settings::load(Some(folder.path()));
        assert!(message.is_some_and(|text| text.contains("settings.toml.bad1")), "the first one is not written over");
    }

    #[cfg(unix)]
    #[test]
    fn paths_that_are_no_text_do_not_stop_the_rest() {
        use std::os::unix::ffi::OsStrExt;
        let folder = tempfile::tempdir().expect("a temporary folder");
        let mut settings = Settings { ui_scale: 2.0, ..Settings::default() };
        settings.add_recent(Path::new(std::ffi::OsStr::from_bytes(b"/clips/caf\xe9.mp4")));
        settings.add_recent(Path::new("/clips/tea.mp4"));
        settings.save(folder.path()).expect("written");
        let (loaded, _) = Settings::load(Some(folder.path()));
        assert_eq!((loaded.ui_scale, loaded.recent), (2.0, vec![PathBuf::from("/clips/tea.mp4")]));
    }
}
