//! Opens a clip for a command, until somebody asks to stop.

use std::ops::ControlFlow;
use std::path::Path;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::exit::CliError;
use super::signals::StopFlag;
use crate::video::{self, Clip, IndexProgress, Notice, VideoError};

/// Opening is silent for this long; then a bar says how far it is.
const PATIENCE: Duration = Duration::from_millis(500);
/// Marks on the bar's way; a fraction is rounded to them.
const MARKS: u64 = 1000;

/// Opens a video file, with this video stream or the best one, or a folder of pictures. Where that takes long, a terminal
/// shows how far it is.
///
/// # Errors
/// When there is no such stream (code 2), it cannot be read (code 5), this build cannot read it (code 3), or
/// somebody asked to stop meanwhile.
pub fn open_clip(path: &Path, stream: Option<u32>, stop: &StopFlag) -> Result<Clip, CliError> {
    let started = Instant::now();
    let mut bar = None;
    let mut go_on = |progress| {
        if started.elapsed() >= PATIENCE {
            show(bar.get_or_insert_with(indexing_bar), progress);
        }
        if stop.requested().is_some() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    };
    let opened = video::open_stream(path, stream, &mut go_on);
    if let Some(bar) = bar {
        bar.finish_and_clear();
    }
    opened.map_err(|e| match (&e, stop.requested()) {
        (VideoError::Cancelled { .. }, Some(exit)) => {
            CliError::new(exit, format!("{}: stopped while it was read; nothing was written", path.display()))
        }
        _ => CliError::from(e),
    })
}

/// What the user should know about a clip, and how to choose another of its streams.
pub fn notices_of(clip: &Clip) -> Vec<String> {
    let words = |notice: &Notice| match notice {
        Notice::SeveralVideoStreams { chosen, .. } => {
            let others = clip.facts().streams.iter().filter(|stream| stream.index != *chosen);
            let others: Vec<String> = others.map(ToString::to_string).collect();
            format!("{notice}; choose another with --stream N: {}", others.join(", "))
        }
        other => other.to_string(),
    };
    clip.notices().iter().map(words).collect()
}

/// Hidden where standard error is no terminal.
fn indexing_bar() -> ProgressBar {
    let style = ProgressStyle::with_template("{bar:30} indexing  {msg}  {eta} left").expect("the template is fixed");
    ProgressBar::with_draw_target(Some(MARKS), ProgressDrawTarget::stderr()).with_style(style)
}

fn show(bar: &ProgressBar, progress: IndexProgress) {
    bar.set_message(format!("{} frames", progress.frames_seen));
    match progress.fraction {
        Some(fraction) => bar.set_position((f64::from(fraction.clamp(0.0, 1.0)) * MARKS as f64) as u64),
        // Nobody knows how much is left.
        None => {
            bar.set_style(ProgressStyle::with_template("{spinner} indexing  {msg}").expect("the template is fixed"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::exit::Exit;

    #[test]
    fn a_stop_while_a_clip_is_read_ends_it_at_once() {
        let clip = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/small/frames");
        let stop = StopFlag::default();
        assert!(open_clip(&clip, None, &stop).is_ok());
        stop.interrupt();
        let stopped = open_clip(&clip, None, &stop);
        assert!(matches!(stopped, Err(CliError::Told { exit: Exit::Interrupted, .. })), "{stopped:?}");
    }
}
