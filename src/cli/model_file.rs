//! `--model NAME|PATH` to a model, for every command: what the `models` room finds, with a word while a new file is
//! checked.

use std::path::Path;

use super::exit::CliError;
use crate::engine::ModelSource;
use crate::models::{self, ModelsFolder};
use crate::sam2::checkpoint::{Checkpoint, CheckpointSource};

/// The name of the test engine.
const TEST_ENGINE: &str = "fake";

/// Finds the model of `--model` and checks a published one that is new here or has changed.
///
/// # Errors
/// Where it looked and how to get it, or what is wrong with the file.
pub fn find_model(model: &Path) -> Result<CheckpointSource, CliError> {
    // Without a folder there are still paths and the starter model.
    let folder = ModelsFolder::of_user().ok();
    let mut is_told = false;
    let found = models::find_checked(model, folder.as_ref(), &mut |_, total| {
        if !is_told {
            super::tell(&format!("checking {} ({:.0} MB), which is new here", model.display(), total as f64 / 1e6));
            is_told = true;
        }
    })?;
    if let CheckpointSource::Embedded(shipped) = &found {
        super::tell(&format!("{}: {}", shipped.name, models::STARTER_NOTE));
    }
    Ok(found)
}

/// [`find_model`], opened.
///
/// # Errors
/// As [`find_model`], and when the file is no model.
pub fn open_model(model: &Path) -> Result<Checkpoint, CliError> {
    Ok(Checkpoint::of(&find_model(model)?)?)
}

/// [`find_model`] where the test engine counts as a model too.
///
/// # Errors
/// As [`find_model`].
pub fn model_source(model: &Path) -> Result<ModelSource, CliError> {
    if model.as_os_str() == TEST_ENGINE {
        return Ok(ModelSource::TestEngine);
    }
    find_model(model).map(ModelSource::Checkpoint)
}
