//! Where the program keeps its own files; `LABEL_HUB_HOME` moves all of them.

use std::path::PathBuf;

/// Overrides every folder of the program.
const HOME_VARIABLE: &str = "LABEL_HUB_HOME";

fn folder(name: &str, of_system: impl Fn(&directories::ProjectDirs) -> PathBuf) -> Option<PathBuf> {
    match std::env::var_os(HOME_VARIABLE).filter(|home| !home.is_empty()) {
        Some(home) => Some(PathBuf::from(home).join(name)),
        None => Some(of_system(&directories::ProjectDirs::from("", "", "label-hub")?)),
    }
}

/// Projects of clips whose own folder cannot be written, and backups; `None` as below.
pub fn data_folder() -> Option<PathBuf> {
    folder("data", |dirs| dirs.data_dir().to_path_buf())
}

/// Settings and keys; `None` when the system has no home folder and none is set.
pub fn config_folder() -> Option<PathBuf> {
    folder("config", |dirs| dirs.config_dir().to_path_buf())
}
