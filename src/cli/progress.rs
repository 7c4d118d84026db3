//! How commands show what they do: a bar on a terminal, JSON lines with `--json`, plain lines elsewhere.
//!
//! JSON and results go to standard output; bars, notices and what failed go to standard error. What any command may tell
//! is here; a command's own events are beside it. `docs/command-line.md` lists them all.

use std::io::Write;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde::Serialize;

use super::exit::CliError;

/// Shortest time between two JSON lines about progress.
const INTERVAL: Duration = Duration::from_millis(200);

/// What any command may tell.
#[derive(Debug, Serialize)]
#[serde(tag = "event", rename_all = "lowercase")]
enum Event<'a> {
    Progress {
        stage: &'a str,
        done: u64,
        total: Option<u64>,
    },
    Notice {
        message: &'a str,
    },
    Stopped {
        message: &'a str,
        #[serde(flatten)]
        kept: Option<Kept>,
    },
}

/// What a tracking run that was asked to stop leaves behind.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Kept {
    /// Frames tracked by this call.
    pub frames: u32,
    /// Masks in the folder; with a project, masks this call put into it.
    pub masks: usize,
}

/// Shows what a command does.
pub struct Reporter<'a> {
    wants_json: bool,
    bar: Option<ProgressBar>,
    stdout: &'a mut dyn Write,
    stderr: &'a mut dyn Write,
    last_progress: Option<Instant>,
    /// Frames done, and frames in the run.
    frames: (u32, u32),
}

impl<'a> Reporter<'a> {
    /// JSON when asked for, otherwise what suits standard error.
    pub fn new(wants_json: bool, is_terminal: bool, stdout: &'a mut dyn Write, stderr: &'a mut dyn Write) -> Self {
        let bar =
            (is_terminal && !wants_json).then(|| ProgressBar::with_draw_target(Some(0), ProgressDrawTarget::stderr()));
        let reporter = Reporter { wants_json, bar, stdout, stderr, last_progress: None, frames: (0, 0) };
        reporter.look_like("{bar:30} {msg} {human_pos}/{human_len}  {eta} left");
        reporter
    }

    /// Shows numbers as bytes, with their pace.
    pub fn in_bytes(self) -> Self {
        self.look_like("{bar:30} {msg} {decimal_bytes}/{decimal_total_bytes}  {decimal_bytes_per_sec}  {eta} left");
        self
    }

    fn look_like(&self, template: &str) {
        if let Some(bar) = &self.bar {
            bar.set_style(ProgressStyle::with_template(template).expect("the templates are fixed"));
        }
    }

    /// Tells how far a stage is; `total` is `None` where nobody knows.
    ///
    /// # Errors
    /// When standard output is closed or full.
    pub fn progress(&mut self, stage: &str, done: u64, total: Option<u64>) -> Result<(), CliError> {
        if let Some(bar) = &self.bar {
            if bar.is_finished() {
                bar.reset();
            }
            bar.set_message(stage.to_owned());
            bar.set_length(total.unwrap_or(done));
            bar.set_position(done);
        }
        let is_due = self.last_progress.is_none_or(|last| last.elapsed() >= INTERVAL) || total == Some(done);
        if self.wants_json && is_due {
            self.last_progress = Some(Instant::now());
            self.json(&Event::Progress { stage, done, total })?;
        }
        Ok(())
    }

    /// From here on frames are counted, with their pace.
    pub fn expect_frames(&mut self, total: u32) {
        self.frames = (0, total);
        self.look_like("{bar:30} {pos}/{len} frames  {per_sec}  {eta} left  {wide_msg}");
        if let Some(bar) = &self.bar {
            bar.set_length(u64::from(total));
            bar.enable_steady_tick(Duration::from_secs(1));
        }
    }

    /// Tells something that came of a frame: as JSON, on the bar, or as a line.
    ///
    /// # Errors
    /// When standard output is closed or full.
    pub fn of_frame(&mut self, event: &impl Serialize, words: String) -> Result<(), CliError> {
        let (done, total) = self.frames;
        match &self.bar {
            Some(bar) => {
                bar.set_message(words);
                Ok(())
            }
            None => self.tell(event, &format!("{}/{total} {words}", done + 1)),
        }
    }

    /// Counts a frame, whether or not anything came of it.
    pub fn frame_done(&mut self) {
        self.frames.0 += 1;
        if let Some(bar) = &self.bar {
            bar.inc(1);
        }
    }

    /// Tells something the user should know.
    ///
    /// # Errors
    /// When standard output is closed or full.
    pub fn notice(&mut self, message: &str) -> Result<(), CliError> {
        self.tell(&Event::Notice { message }, message)
    }

    /// Tells that the command ends because somebody asked it to.
    ///
    /// # Errors
    /// When standard output is closed or full.
    pub fn stopped(&mut self, message: &str, kept: Option<Kept>) -> Result<(), CliError> {
        self.clear();
        self.tell(&Event::Stopped { message, kept }, message)
    }

    /// Tells an event: as JSON, or in words beside the progress.
    ///
    /// # Errors
    /// When standard output is closed or full.
    pub fn tell(&mut self, event: &impl Serialize, words: &str) -> Result<(), CliError> {
        if self.wants_json {
            return self.json(event);
        }
        let stderr = &mut self.stderr;
        // Nobody may be reading; the work matters more than the words about it.
        let mut write = || writeln!(stderr, "{words}").ok();
        match &self.bar {
            Some(bar) => bar.suspend(write),
            None => write(),
        };
        Ok(())
    }

    /// Tells the result: as JSON, or in words on standard output.
    ///
    /// # Errors
    /// When standard output is closed or full.
    pub fn result(&mut self, event: &impl Serialize, words: &str) -> Result<(), CliError> {
        self.clear();
        if self.wants_json {
            return self.json(event);
        }
        writeln!(self.stdout, "{words}").and_then(|()| self.stdout.flush()).map_err(CliError::from_stdout)
    }

    /// Takes the bar away, so that what comes does not stand in its middle.
    pub fn clear(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }

    fn json(&mut self, event: &impl Serialize) -> Result<(), CliError> {
        let line = serde_json::to_string(event).expect("events have no maps and no foreign types");
        writeln!(self.stdout, "{line}").and_then(|()| self.stdout.flush()).map_err(CliError::from_stdout)
    }
}
