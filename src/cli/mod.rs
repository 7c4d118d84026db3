//! The command line, one file per sub-command.
//!
//! `main.rs` calls [`main`]; it reads the arguments, runs one command and returns the exit code. Commands print results
//! to standard output and everything about their progress to standard error, return errors instead of printing them,
//! and never use Bevy.

pub mod bench;
mod classes;
mod clip;
pub mod clip_facts;
pub mod exit;
pub mod export;
pub mod extract;
pub mod import;
pub mod info;
pub mod manifest;
pub mod model_file;
pub mod models;
pub mod parity;
pub mod progress;
pub mod project;
pub mod prompt_args;
pub mod prompt_file;
pub mod prompts;
pub mod run_folder;
mod sam2_tracker;
pub mod score;
pub mod signals;
mod threads;
pub mod track;
mod track_events;
mod track_project;
pub mod tracker;
pub mod window;

use std::ffi::OsString;
use std::io::Write;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use exit::{CliError, EXIT_CODES_HELP, Exit};

/// Label objects in video: click, see the mask, track it with SAM 2.1, correct it, export a dataset.
#[derive(Debug, Parser)]
#[command(name = "label-hub", version, after_help = EXIT_CODES_HELP, args_conflicts_with_subcommands = true)]
pub struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    window: window::WindowArgs,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Track objects through a clip and write one mask per frame and object
    #[command(after_help = EXIT_CODES_HELP)]
    Track(Box<track::TrackArgs>),
    /// Write the labels of projects as a dataset that other tools read
    #[command(after_help = format!("{}\n\n{EXIT_CODES_HELP}", export::formats_help()))]
    Export(Box<export::ExportArgs>),
    /// Read a dataset's masks as new objects of a project
    #[command(after_help = format!("{}\n\n{EXIT_CODES_HELP}", export::formats_help()))]
    Import(import::ImportArgs),
    /// Write exact frames of a clip as pictures, with a table of their times
    Extract(extract::ExtractArgs),
    /// Show devices, codecs, models, and what is known about a clip
    Info(info::InfoArgs),
    /// List, download, check and remove models
    #[command(after_help = EXIT_CODES_HELP)]
    Models(models::ModelsArgs),
    /// Compare the model with recorded reference outputs
    Parity(parity::ParityArgs),
    /// Measure the model's speed, stage by stage
    Bench(bench::BenchArgs),
}

/// Runs the command line `arguments` (the program's name first) and returns the process's exit code. `open_window` is
/// the window, in a build that has one.
pub fn main(arguments: impl IntoIterator<Item = OsString>, open_window: Option<window::OpenWindow>) -> ExitCode {
    let outcome = match Cli::try_parse_from(arguments) {
        Ok(cli) => run(cli, open_window),
        // Help and version go to standard output with code 0, errors to standard error with code 2.
        Err(error) => match error.print() {
            Ok(()) if error.use_stderr() => Ok(Exit::Usage),
            Ok(()) => Ok(Exit::Success),
            Err(closed) => Err(CliError::from_stdout(closed)),
        },
    };
    match outcome {
        Ok(exit) => ExitCode::from(exit.code()),
        Err(CliError::Told { exit, message }) => {
            tell(&format!("error: {message}"));
            ExitCode::from(exit.code())
        }
        Err(CliError::StdoutClosed) => signals::end_as_sigpipe(),
    }
}

fn run(cli: Cli, open_window: Option<window::OpenWindow>) -> Result<Exit, CliError> {
    match cli.command {
        None => window::run(cli.window, open_window),
        Some(Command::Track(args)) => track::run(&args),
        Some(Command::Export(args)) => export::run(&args),
        Some(Command::Import(args)) => import::run(&args),
        Some(Command::Info(args)) => info::run(&args),
        Some(Command::Extract(args)) => extract::command(&args),
        Some(Command::Models(args)) => models::run(&args),
        Some(Command::Parity(args)) => Ok(if parity::run(&args)? { Exit::Success } else { Exit::SomeFailed }),
        Some(Command::Bench(args)) => {
            bench::run(&args)?;
            Ok(Exit::Success)
        }
    }
}

/// Writes a line to standard error.
pub(crate) fn tell(message: &str) {
    // Standard error may be closed too; then there is nobody left to tell.
    writeln!(std::io::stderr(), "{message}").ok();
}
