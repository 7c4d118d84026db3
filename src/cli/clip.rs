//! Opens a clip for a command, until somebody asks to stop.

use std::ops::ControlFlow;
use std::path::Path;

use super::exit::CliError;
use super::signals::StopFlag;
use crate::video::{self, Clip, VideoError};

/// Opens a video file or a folder of pictures.
///
/// # Errors
/// When it cannot be read (code 5), this build cannot read it (code 3), or somebody asked to stop meanwhile.
pub fn open_clip(path: &Path, stop: &StopFlag) -> Result<Clip, CliError> {
    let go_on = |_| if stop.requested().is_some() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) };
    video::open(path, &mut { go_on }).map_err(|e| match (&e, stop.requested()) {
        (VideoError::Cancelled { .. }, Some(exit)) => {
            CliError::new(exit, format!("{}: stopped while it was read; nothing was written", path.display()))
        }
        _ => CliError::from(e),
    })
}
