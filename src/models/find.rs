//! From what somebody wrote after `--model` to a model: a name of the registry, a file of one's own, or a path.
//!
//! The one way to do it, for every command and the window. It opens no network; a model that is not here is an error
//! that says how to get it.

use std::path::{Path, PathBuf};

use super::check::check_before_use;
use super::error::{ModelsError, by_hand};
use super::folder::{ENDINGS, ModelsFolder};
use super::registry::{Entry, Origin, Registry};
use super::starter::embedded;
use crate::sam2::checkpoint::CheckpointSource;

/// Finds a model: one that ships in the program, a name in `folder`, or a path.
///
/// # Errors
/// Where it looked, and how to get it.
pub fn find(model: &Path, folder: Option<&ModelsFolder>) -> Result<CheckpointSource, ModelsError> {
    let name = model
        .to_str()
        .filter(|name| !name.contains(['/', '\\']) && !ENDINGS.iter().any(|e| name.ends_with(&format!(".{e}"))));
    if let Some(shipped) = name.and_then(embedded) {
        return Ok(CheckpointSource::Embedded(shipped));
    }
    if let Some(found) = name.zip(folder).and_then(|(name, folder)| folder.installed(name)) {
        return Ok(CheckpointSource::File(found));
    }
    if model.is_file() {
        return Ok(CheckpointSource::File(model.to_owned()));
    }
    let places = name.zip(folder).map(|(name, folder)| folder.places(name)).into_iter().flatten();
    let places: Vec<PathBuf> = places.chain([model.to_owned()]).collect();
    Err(lacking(model.display().to_string(), &places, way_out(name, folder)))
}

/// That a model is not in the folder, and how to get it.
pub fn not_here(name: &str, folder: &ModelsFolder) -> ModelsError {
    lacking(name.to_owned(), &folder.places(name), way_out(Some(name), Some(folder)))
}

fn lacking(name: String, places: &[PathBuf], way_out: String) -> ModelsError {
    let looked_for = places.iter().map(|path| format!("\n  {}", path.display())).collect();
    ModelsError::NotHere { name, looked_for, way_out }
}

/// [`find`], and the check that a published model is what it claims to be before it is used.
///
/// # Errors
/// As [`find`], and when a file in the folder is not the model its name says.
pub fn find_checked(
    model: &Path,
    folder: Option<&ModelsFolder>,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<CheckpointSource, ModelsError> {
    let source = find(model, folder)?;
    check_source(&source, folder, progress)?;
    Ok(source)
}

/// Checks a model that is about to be used; one that is not a registry's file in the folder passes. `progress` is told
/// the bytes hashed and all of them; it is not called for a file that has not changed since it was checked.
///
/// # Errors
/// When it is not the model its name says.
pub fn check_source(
    source: &CheckpointSource,
    folder: Option<&ModelsFolder>,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<(), ModelsError> {
    if let Some((file, entry)) = source.file().and_then(|file| Some((file, entry_of(file, folder?)?))) {
        check_before_use(entry, file, progress)?;
    }
    Ok(())
}

/// The registry's entry a file in the folder stands for.
fn entry_of(file: &Path, folder: &ModelsFolder) -> Option<&'static Entry> {
    let entry = Registry::builtin().get(file.file_stem()?.to_str()?)?;
    // The same folder however it is written; of a link in it the link counts, not where it leads.
    let (of_file, ours) = (file.parent()?.canonicalize().ok()?, folder.path().canonicalize().ok()?);
    (of_file == ours).then_some(entry)
}

fn way_out(name: Option<&str>, folder: Option<&ModelsFolder>) -> String {
    let registry = Registry::builtin();
    let Some(folder) = folder else { return ModelsError::NoFolder.to_string() };
    let Some(name) = name else { return "Check the path.".to_owned() };
    match registry.get(name).map(|entry| (&entry.origin, folder.file(entry))) {
        Some((Origin::Published { address, .. }, file)) => {
            format!("Get it with\n  label-hub models get {name}\n{}", by_hand(address, &file))
        }
        Some((Origin::Program, _)) | None => {
            format!("Known models: {}; or give a path, or put a model of your own into that folder.", registry.names())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_found_in_the_folder_safetensors_first_and_before_the_working_folder() {
        let temporary = tempfile::tempdir().expect("a temporary folder");
        let folder = ModelsFolder::at(temporary.path());
        let touch = |name: &str| std::fs::write(temporary.path().join(name), b"").expect("writable");
        let at = |name: &str| CheckpointSource::File(temporary.path().join(name));
        touch("sam2.1_hiera_tiny.pt");
        assert_eq!(find(Path::new("sam2.1_hiera_tiny"), Some(&folder)).expect("the .pt"), at("sam2.1_hiera_tiny.pt"));
        touch("sam2.1_hiera_tiny.safetensors");
        let found = find(Path::new("sam2.1_hiera_tiny"), Some(&folder)).expect("the safetensors");
        assert_eq!(found, at("sam2.1_hiera_tiny.safetensors"));
        assert_eq!(find(found.file().expect("a file"), None).expect("a path"), found);
        // A file of that name in the working folder: here, one of the crate's own.
        touch("Cargo.toml.pt");
        assert_eq!(find(Path::new("Cargo.toml"), Some(&folder)).expect("found"), at("Cargo.toml.pt"));
        assert_eq!(find(Path::new("Cargo.toml"), None).expect("found"), CheckpointSource::File("Cargo.toml".into()));
    }

    #[test]
    fn the_starter_needs_no_folder() {
        let found = find(Path::new("starter"), None).expect("it ships");
        assert!(matches!(found, CheckpointSource::Embedded(model) if model.name == "starter"));
    }

    #[test]
    fn missing_models_say_where_to_get_them() {
        let folder = ModelsFolder::at("/nonexistent/models");
        let cases: [(&str, &[&str]); 5] = [
            (
                "sam2.1_hiera_large",
                &[
                    "\n  label-hub models get sam2.1_hiera_large\n",
                    "https://dl.fbaipublicfiles.com/segment_anything_2/092824/sam2.1_hiera_large.pt",
                    "put the file here: /nonexistent/models/sam2.1_hiera_large.pt",
                ],
            ),
            ("sam2.1_hiera_tiny", &["\n  /nonexistent/models/sam2.1_hiera_tiny.safetensors\n"]),
            ("my_model", &["/nonexistent/models/my_model.pt", "sam2.1_hiera_base_plus"]),
            ("weights/mine.pt", &["weights/mine.pt", "Check the path"]),
            ("mine.pt", &["Check the path"]),
        ];
        for (model, parts) in cases {
            let error = find(Path::new(model), Some(&folder)).expect_err(model).to_string();
            for part in parts {
                assert!(error.contains(part), "{model}: {part} is not in: {error}");
            }
        }
    }
}
