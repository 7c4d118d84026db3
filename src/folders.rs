//! Where the program keeps its own files. Asked by the window, the command line and the model manager; it only names
//! folders, it makes and reads none. `LABEL_HUB_HOME` moves all of them.
//!
//! Every function gives `None` when the system has no home folder and `LABEL_HUB_HOME` is not set.

use std::path::PathBuf;

use directories::{ProjectDirs, UserDirs};

/// Overrides every folder of the program.
pub const HOME_VARIABLE: &str = "LABEL_HUB_HOME";

fn folder(name: &str, of_system: impl Fn(&ProjectDirs) -> PathBuf) -> Option<PathBuf> {
    match std::env::var_os(HOME_VARIABLE).filter(|home| !home.is_empty()) {
        Some(home) => Some(PathBuf::from(home).join(name)),
        None => Some(of_system(&ProjectDirs::from("", "", "label-hub")?)),
    }
}

/// Projects of clips whose own folder cannot be written, and backups.
pub fn data_folder() -> Option<PathBuf> {
    folder("data", |dirs| dirs.data_dir().to_path_buf())
}

/// Where datasets are proposed whose clip's folder cannot be written: somewhere the user looks.
pub fn exports_folder() -> Option<PathBuf> {
    match std::env::var_os(HOME_VARIABLE).filter(|home| !home.is_empty()) {
        Some(home) => Some(PathBuf::from(home).join("exports")),
        None => Some(UserDirs::new()?.home_dir().to_path_buf()),
    }
}

/// Settings and keys.
pub fn config_folder() -> Option<PathBuf> {
    folder("config", |dirs| dirs.config_dir().to_path_buf())
}

/// Model files.
pub fn models_folder() -> Option<PathBuf> {
    folder("models", |dirs| dirs.data_dir().join("models"))
}

/// What can be measured or made again.
pub fn cache_folder() -> Option<PathBuf> {
    folder("cache", |dirs| dirs.cache_dir().to_path_buf())
}

/// What trackers do not keep in memory while they run, a folder for each.
pub fn states_folder() -> Option<PathBuf> {
    Some(cache_folder()?.join("states"))
}
