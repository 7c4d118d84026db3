//! Where model files are: `--model NAME|PATH` to a file.

use std::path::{Path, PathBuf};

use super::exit::{CliError, Exit};

/// Overrides every folder of the program: models are in its `models`.
pub const HOME_VARIABLE: &str = "LABEL_HUB_HOME";

/// Endings a model file may have, in the order they are tried.
const ENDINGS: [&str; 2] = ["safetensors", "pt"];

/// The published models, by name, and their folder on the official server.
pub const PUBLISHED: [(&str, &str); 8] = [
    ("sam2.1_hiera_tiny", "092824"),
    ("sam2.1_hiera_small", "092824"),
    ("sam2.1_hiera_base_plus", "092824"),
    ("sam2.1_hiera_large", "092824"),
    ("sam2_hiera_tiny", "072824"),
    ("sam2_hiera_small", "072824"),
    ("sam2_hiera_base_plus", "072824"),
    ("sam2_hiera_large", "072824"),
];

/// The folder models are looked for in; `None` when the system has no home folder and none is set.
pub fn models_folder() -> Option<PathBuf> {
    let home = match std::env::var_os(HOME_VARIABLE).filter(|home| !home.is_empty()) {
        Some(home) => PathBuf::from(home),
        None => directories::ProjectDirs::from("", "", "label-hub")?.data_dir().to_path_buf(),
    };
    Some(home.join("models"))
}

/// The program's data folder: projects of clips whose own folder cannot be written, and backups. `None` as above.
pub fn data_folder() -> Option<PathBuf> {
    match std::env::var_os(HOME_VARIABLE).filter(|home| !home.is_empty()) {
        Some(home) => Some(PathBuf::from(home).join("data")),
        None => Some(directories::ProjectDirs::from("", "", "label-hub")?.data_dir().to_path_buf()),
    }
}

/// The official address of a published model.
pub fn official_address(name: &str) -> Option<String> {
    let (name, folder) = PUBLISHED.iter().find(|(published, _)| *published == name)?;
    Some(format!("https://dl.fbaipublicfiles.com/segment_anything_2/{folder}/{name}.pt"))
}

/// Finds the file of `--model`: a path as it is, or a name in `folder`.
///
/// # Errors
/// With exit code 4, where it looked and where published models come from.
pub fn find_model(model: &Path, folder: Option<&Path>) -> Result<PathBuf, CliError> {
    if model.is_file() {
        return Ok(model.to_path_buf());
    }
    let shown = model.display();
    let name = model
        .to_str()
        .filter(|name| !name.contains(['/', '\\']) && !ENDINGS.iter().any(|e| name.ends_with(&format!(".{e}"))));
    let Some(name) = name else {
        return Err(CliError::new(Exit::Model, format!("{shown}: no such model file; check the path")));
    };
    let Some(folder) = folder else {
        let message = format!("{shown}: no such model file, and no folder for models is known; set {HOME_VARIABLE}");
        return Err(CliError::new(Exit::Model, message));
    };
    let candidates = ENDINGS.map(|ending| folder.join(format!("{name}.{ending}")));
    if let Some(found) = candidates.iter().find(|path| path.is_file()) {
        return Ok(found.clone());
    }
    let mut message = format!("model `{name}` was not found; looked for");
    for place in std::iter::once(model).chain(candidates.iter().map(PathBuf::as_path)) {
        message.push_str(&format!("\n  {}", place.display()));
    }
    match official_address(name) {
        Some(address) => {
            message.push_str(&format!("\nDownload it from {address}\ninto {}, or give a path.", folder.display()));
        }
        None => {
            let names: Vec<&str> = PUBLISHED.iter().map(|(name, _)| *name).collect();
            message.push_str(&format!("\nPublished models: {}; or give a path.", names.join(", ")));
        }
    }
    Err(CliError::new(Exit::Model, message))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_found_in_the_folder_safetensors_first() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let touch = |name: &str| std::fs::write(folder.path().join(name), b"").expect("writable");
        touch("sam2.1_hiera_tiny.pt");
        let found = find_model(Path::new("sam2.1_hiera_tiny"), Some(folder.path())).expect("the .pt");
        assert_eq!(found, folder.path().join("sam2.1_hiera_tiny.pt"));
        touch("sam2.1_hiera_tiny.safetensors");
        let found = find_model(Path::new("sam2.1_hiera_tiny"), Some(folder.path())).expect("the safetensors");
        assert_eq!(found, folder.path().join("sam2.1_hiera_tiny.safetensors"));
        assert_eq!(find_model(&found, None).expect("a path"), found);
    }

    #[test]
    fn missing_models_say_where_to_get_them() {
        let folder = Path::new("/nonexistent/models");
        let cases = [
            ("sam2.1_hiera_large", "https://dl.fbaipublicfiles.com/segment_anything_2/092824/sam2.1_hiera_large.pt"),
            ("sam2_hiera_small", "https://dl.fbaipublicfiles.com/segment_anything_2/072824/sam2_hiera_small.pt"),
            ("sam2.1_hiera_tiny", "/nonexistent/models/sam2.1_hiera_tiny.safetensors"),
            ("my_model", "sam2.1_hiera_base_plus"),
            ("weights/mine.pt", "check the path"),
            ("mine.pt", "check the path"),
        ];
        for (model, part) in cases {
            let error = find_model(Path::new(model), Some(folder)).expect_err(model);
            assert!(matches!(error, CliError::Told { exit: Exit::Model, .. }), "{model}");
            assert!(error.to_string().contains(part), "{model}: {part} is not in: {error}");
        }
    }
}
