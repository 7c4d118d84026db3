//! `label-hub [CLIP]`: the way to the window. Reads and checks the arguments; the window itself is not this room's.

use std::path::PathBuf;

use clap::Args;

use super::exit::{CliError, Exit};
use super::model_file::model_source;
use crate::engine::{DeviceChoice, ModelChoice};
use crate::store::{PROJECT_EXTENSION, is_project_there};

/// What the window is opened with.
#[derive(Debug, Clone, Default, Args)]
pub struct WindowArgs {
    /// Video file or folder of images to open in the window
    pub clip: Option<PathBuf>,
    /// Video stream of the file, by its number; the one it shows by itself without. A project has its own
    #[arg(long, value_name = "N", requires = "clip")]
    pub stream: Option<u32>,
    /// Model for the window: a name (see `models list`), a path, or `fake` for the test engine; by default the one of last time
    #[arg(long)]
    pub model: Option<PathBuf>,
    /// Where the model runs: auto, cpu, cpu:f32, cuda:N or metal:N
    #[arg(long, default_value = "auto", value_parser = DeviceChoice::parse)]
    pub device: DeviceChoice,
    /// Side of the square the model sees: 1024, 768 or 512; by default the model's own
    #[arg(long, value_parser = super::track::parse_resolution)]
    pub resolution: Option<u32>,
    /// Write what was done and when to this file, one JSON line per action
    #[arg(long, value_name = "FILE")]
    pub log: Option<PathBuf>,
}

/// Opens the window and returns when it is closed. Its arguments: the clip, its video stream, the model (`None` takes the
/// one of last time), the file for `--log`.
pub type OpenWindow = fn(Option<PathBuf>, Option<u32>, Option<ModelChoice>, Option<PathBuf>) -> anyhow::Result<()>;

/// Checks the arguments and hands over to the window, where this build has one.
///
/// # Errors
/// When the clip or the model is not there, there is no screen, or this build has no window.
pub fn run(args: WindowArgs, open: Option<OpenWindow>) -> Result<Exit, CliError> {
    let is_project = |clip: &PathBuf| !clip.is_dir() && clip.extension().is_some_and(|end| end == PROJECT_EXTENSION);
    // A project that is gone goes on in what was recovered of it.
    let is_there = |clip: &PathBuf| clip.exists() || (is_project(clip) && is_project_there(clip));
    if let Some(clip) = args.clip.as_ref().filter(|clip| !is_there(clip)) {
        let shown = clip.display();
        return Err(CliError::usage(format!(
            "{shown}: neither a command nor a file that is there; see label-hub --help"
        )));
    }
    if let (Some(clip), Some(_)) = (args.clip.as_ref().filter(|clip| is_project(clip)), args.stream) {
        let shown = clip.display();
        return Err(CliError::usage(format!("{shown}: a project has a stream of its own; leave --stream away")));
    }
    let source = args.model.as_deref().map(model_source).transpose()?;
    let model = source.map(|source| ModelChoice { source, device: args.device, resolution: args.resolution });
    let Some(open) = open else {
        let message = "this build has no window (built without `gui`); use one of the commands, see label-hub --help";
        return Err(CliError::new(Exit::NotInBuild, message));
    };
    if !has_screen() {
        let message = "there is no screen to open a window on (neither DISPLAY nor WAYLAND_DISPLAY is set); \
                       `label-hub track` works without one";
        return Err(CliError::new(Exit::Model, message));
    }
    open(args.clip, args.stream, model, args.log).map_err(|error| CliError::new(Exit::Model, format!("{error:#}")))?;
    Ok(Exit::Success)
}

/// Whether a window system is there, where that can be told beforehand.
fn has_screen() -> bool {
    let is_set = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    !cfg!(all(unix, not(target_os = "macos")))
        || is_set("DISPLAY")
        || is_set("WAYLAND_DISPLAY")
        || is_set("WAYLAND_SOCKET")
}
