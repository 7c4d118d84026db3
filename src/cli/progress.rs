//! What a track run says while it works: a bar on a terminal, JSON lines with `--json`, plain lines elsewhere.
//!
//! JSON goes to standard output, one object a line, for programs; bars and lines go to standard error, for people. A
//! score is a result and goes to standard output in either form.

use std::collections::BTreeSet;
use std::io::Write;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde::Serialize;

use super::exit::CliError;
use super::score::Score;
use super::tell;
use crate::label::{FrameIdx, ObjectId};

/// What happens in a run. With `--json` each is a line, its kind under `event`.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "event", rename_all = "lowercase")]
pub enum Event {
    /// The run begins.
    Start {
        /// The clip's path.
        clip: String,
        /// The output folder, or the project.
        out: String,
        /// Frames that will be tracked.
        frames: u32,
        /// Objects that will be tracked.
        objects: Vec<ObjectId>,
        /// Masks that are there already.
        resumed: usize,
    },
    /// A mask is on the disk, or on its way into the project.
    Frame {
        /// Frame.
        frame: FrameIdx,
        /// Object.
        object: ObjectId,
        /// Object pixels.
        area: u64,
        /// Object score; above 0 the object is there.
        score: f32,
        /// The model's guess of the mask's IoU.
        iou: f32,
        /// File name in the output folder; masks in a project have none.
        #[serde(skip_serializing_if = "Option::is_none")]
        file: Option<String>,
    },
    /// Something the user should know.
    Notice {
        /// In words.
        message: String,
    },
    /// The run came to its end.
    Done {
        /// Frames tracked by this call.
        frames: u32,
        /// Masks in the folder; with a project, masks this call put into it.
        masks: usize,
        /// Time this call took.
        seconds: f64,
        /// Frames per second of this call.
        fps: f64,
        /// Frames that did not decode.
        damaged: Vec<FrameIdx>,
    },
    /// How close the masks are to the ground truth.
    Score(Score),
    /// The run was asked to stop; the same command goes on.
    Stopped {
        /// Frames tracked by this call.
        frames: u32,
        /// Masks in the folder; with a project, masks this call put into it.
        masks: usize,
        /// How to go on, in words.
        next: String,
    },
}

/// How events are shown.
pub enum Reporter<'a> {
    /// JSON lines.
    Json(&'a mut dyn Write),
    /// A bar with frames per second and time left.
    Bar {
        /// Where a score goes.
        stdout: &'a mut dyn Write,
        /// It draws itself on standard error.
        bar: ProgressBar,
    },
    /// A line per mask.
    Plain {
        /// Where a score goes.
        stdout: &'a mut dyn Write,
        /// Where lines go.
        stderr: &'a mut dyn Write,
        /// Frames in the run, once known.
        frame_total: u32,
        /// Frames that have a mask now.
        seen: BTreeSet<FrameIdx>,
    },
}

impl<'a> Reporter<'a> {
    /// JSON when asked for, otherwise what suits standard error.
    pub fn new(wants_json: bool, is_terminal: bool, stdout: &'a mut dyn Write, stderr: &'a mut dyn Write) -> Self {
        if wants_json {
            return Reporter::Json(stdout);
        }
        if is_terminal {
            let style = ProgressStyle::with_template("{bar:30} {pos}/{len} frames  {per_sec}  {eta} left  {msg}");
            let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
            bar.set_style(style.expect("the template is fixed"));
            return Reporter::Bar { stdout, bar };
        }
        Reporter::Plain { stdout, stderr, frame_total: 0, seen: BTreeSet::new() }
    }

    /// Shows an event.
    ///
    /// # Errors
    /// When standard output is closed or full.
    pub fn show(&mut self, event: &Event) -> Result<(), CliError> {
        match (self, event) {
            (Reporter::Json(stdout), _) => {
                let line = serde_json::to_string(event).expect("events have no maps and no foreign types");
                writeln!(stdout, "{line}").and_then(|()| stdout.flush()).map_err(CliError::from_stdout)?;
            }
            (Reporter::Bar { stdout, .. } | Reporter::Plain { stdout, .. }, Event::Score(score)) => {
                writeln!(stdout, "{score}").and_then(|()| stdout.flush()).map_err(CliError::from_stdout)?;
            }
            (Reporter::Bar { bar, .. }, _) => show_on_bar(bar, event),
            (Reporter::Plain { stderr, frame_total, seen, .. }, _) => {
                // Nobody may be reading; the masks matter more than the words about them.
                writeln!(stderr, "{}", line_for(frame_total, seen, event)).ok();
            }
        }
        Ok(())
    }

    /// Takes the bar away, so that an error does not stand in its middle.
    pub fn clear(&self) {
        match self {
            Reporter::Bar { bar, .. } => bar.finish_and_clear(),
            Reporter::Json(_) | Reporter::Plain { .. } => {}
        }
    }

    /// Counts a frame, whether or not it gave masks.
    pub fn frame_done(&self) {
        match self {
            Reporter::Bar { bar, .. } => bar.inc(1),
            Reporter::Json(_) | Reporter::Plain { .. } => {}
        }
    }
}

fn show_on_bar(bar: &ProgressBar, event: &Event) {
    match event {
        Event::Start { frames, .. } => {
            bar.set_length(u64::from(*frames));
            bar.enable_steady_tick(Duration::from_secs(1));
        }
        Event::Frame { frame, object, file, .. } => {
            bar.set_message(file.clone().unwrap_or_else(|| format!("frame {frame} object {object}")));
        }
        Event::Notice { message } => bar.suspend(|| tell(message)),
        Event::Done { .. } | Event::Score(_) | Event::Stopped { .. } => {
            bar.finish_and_clear();
            tell(&summary(event));
        }
    }
}

fn line_for(frame_total: &mut u32, seen: &mut BTreeSet<FrameIdx>, event: &Event) -> String {
    match event {
        Event::Start { frames, out, .. } => {
            *frame_total = *frames;
            format!("tracking {frames} frames into {out}")
        }
        Event::Frame { frame, object, area, file, .. } => {
            seen.insert(*frame);
            let file = file.as_ref().map_or_else(String::new, |file| format!(", {file}"));
            format!("{}/{frame_total} frame {frame} object {object}: {area} pixels{file}", seen.len())
        }
        Event::Notice { message } => message.clone(),
        Event::Done { .. } | Event::Score(_) | Event::Stopped { .. } => summary(event),
    }
}

fn summary(event: &Event) -> String {
    match event {
        Event::Done { frames, masks, seconds, fps, damaged } => {
            let mut text = format!("done: {frames} frames in {seconds:.1} s ({fps:.2} frames/s), {masks} masks");
            if !damaged.is_empty() {
                let list: Vec<String> = damaged.iter().map(FrameIdx::to_string).collect();
                text.push_str(&format!("; {} damaged frames: {}", damaged.len(), list.join(" ")));
            }
            text
        }
        Event::Stopped { frames, masks, next } => {
            format!("stopped after {frames} frames; {masks} masks are kept; {next}")
        }
        Event::Score(score) => score.to_string(),
        Event::Start { .. } | Event::Frame { .. } | Event::Notice { .. } => String::new(),
    }
}

/// Frames per second since `start`; 0 before any time has passed.
pub fn frames_per_second(frames: u32, start: Instant) -> (f64, f64) {
    let seconds = start.elapsed().as_secs_f64();
    let fps = if seconds > 0.0 { f64::from(frames) / seconds } else { 0.0 };
    (seconds, fps)
}
