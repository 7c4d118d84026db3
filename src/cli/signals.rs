//! Ctrl-C, SIGTERM and a closed standard output.
//!
//! The first signal asks the running command to stop after the frame it is on, so that what it has is whole; a second
//! one ends the process at once (masks are renamed into place, so even then no half-written one is left).

use std::io;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::flag;

use super::exit::{CliError, Exit};

/// Whether somebody asked the command to stop, and how.
#[derive(Debug, Clone, Default)]
pub struct StopFlag {
    /// 0, or the signal's number.
    signal: Arc<AtomicUsize>,
}

impl StopFlag {
    /// Watches SIGINT and SIGTERM from now on.
    ///
    /// # Errors
    /// When the system refuses a handler.
    pub fn install() -> io::Result<Self> {
        let stop = StopFlag::default();
        let is_second = Arc::new(AtomicBool::new(false));
        for (signal, exit) in [(SIGINT, Exit::Interrupted), (SIGTERM, Exit::Terminated)] {
            // In this order: the first signal finds the flag unset and sets it, the second finds it set.
            flag::register_conditional_shutdown(signal, i32::from(exit.code()), Arc::clone(&is_second))?;
            flag::register(signal, Arc::clone(&is_second))?;
            let number = usize::try_from(signal).expect("signal numbers are positive");
            flag::register_usize(signal, Arc::clone(&stop.signal), number)?;
        }
        Ok(stop)
    }

    /// [`StopFlag::install`] for a command, which cannot go on without.
    ///
    /// # Errors
    /// When the system refuses a handler.
    pub fn install_for_command() -> Result<Self, CliError> {
        Self::install()
            .map_err(|e| CliError::new(Exit::SomeFailed, format!("Ctrl-C cannot be watched ({e}); run it again")))
    }

    /// Asks to stop, as Ctrl-C does.
    pub fn interrupt(&self) {
        self.signal.store(SIGINT as usize, Ordering::SeqCst);
    }

    /// The exit code to stop with, if somebody asked.
    pub fn requested(&self) -> Option<Exit> {
        match self.signal.load(Ordering::SeqCst) {
            0 => None,
            signal if signal == SIGTERM as usize => Some(Exit::Terminated),
            _ => Some(Exit::Interrupted),
        }
    }
}

/// Ends as every Unix filter does when its reader goes away: killed by SIGPIPE, without a word.
pub fn end_as_sigpipe() -> ExitCode {
    #[cfg(unix)]
    if let Err(error) = signal_hook::low_level::emulate_default_handler(signal_hook::consts::SIGPIPE) {
        super::tell(&format!("error: standard output was closed ({error})"));
    }
    ExitCode::from(Exit::SomeFailed.code())
}
