//! `label-hub models`: lists, gets, checks, measures and removes model files. The work is the `models` room's; these files ask for
//! consent and show what happens.

mod files;
mod get;
mod list;
mod measure;

use std::io::{self, IsTerminal};
use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::exit::{CliError, Exit};
use crate::engine::DeviceChoice;
use crate::models::{Entry, ModelsError, Registry};

/// Arguments of `models`.
#[derive(Debug, Args)]
pub struct ModelsArgs {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Show which models there are, which are here, and what they cost where that was measured
    List(ListArgs),
    /// Download a published model; asks first
    Get(GetArgs),
    /// Check that model files are what they claim to be: all of them, or one
    Verify(VerifyArgs),
    /// Measure how fast a model is here and what memory it takes, and remember it
    Measure(MeasureArgs),
    /// Print the folder of model files, or the file of one model
    Path(PathArgs),
    /// Remove a model's file
    Remove(RemoveArgs),
}

/// Arguments of `models list`.
#[derive(Debug, Args)]
struct ListArgs {
    /// Where they were measured: auto, cpu, cpu:f32, cuda:N or metal:N
    #[arg(long, default_value = "auto", value_parser = DeviceChoice::parse)]
    device: DeviceChoice,
    /// With how many processor threads
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    threads: Option<u16>,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

/// Arguments of `models get`.
#[derive(Debug, Args)]
struct GetArgs {
    /// The model, for example sam2.1_hiera_tiny
    name: String,
    /// Take it from this address, for example of a mirror; it must be the same file
    #[arg(long, value_name = "URL", value_parser = parse_address)]
    from: Option<String>,
    /// Do not ask
    #[arg(long)]
    yes: bool,
    /// Report progress as JSON lines on standard output
    #[arg(long)]
    json: bool,
}

/// Arguments of `models verify`.
#[derive(Debug, Args)]
struct VerifyArgs {
    /// The model; without it all that are here
    name: Option<String>,
    /// Print JSON lines
    #[arg(long)]
    json: bool,
}

/// Arguments of `models measure`.
#[derive(Debug, Args)]
struct MeasureArgs {
    /// The model: a name, or a file
    name: PathBuf,
    /// Where: auto, cpu, cpu:f32, cuda:N or metal:N
    #[arg(long, default_value = "auto", value_parser = DeviceChoice::parse)]
    device: DeviceChoice,
    /// Processor threads to use
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    threads: Option<u16>,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

/// Arguments of `models path`.
#[derive(Debug, Args)]
struct PathArgs {
    /// The model; without it the folder is printed
    name: Option<String>,
}

/// Arguments of `models remove`.
#[derive(Debug, Args)]
struct RemoveArgs {
    /// The model
    name: String,
}

/// Runs `label-hub models`.
///
/// # Errors
/// With the exit code and what to do next.
pub fn run(args: &ModelsArgs) -> Result<Exit, CliError> {
    match &args.verb {
        Verb::List(args) => list::run(args),
        Verb::Get(args) => get::run(args, &mut ask_on_terminal),
        Verb::Verify(args) => files::verify(args),
        Verb::Measure(args) => measure::run(args),
        Verb::Path(args) => files::path(args),
        Verb::Remove(args) => files::remove(args),
    }
}

/// The model of that name.
fn entry(name: &str) -> Result<&'static Entry, CliError> {
    let registry = Registry::builtin();
    let unknown = || ModelsError::Unknown { name: name.to_owned(), known: registry.names() };
    registry.get(name).ok_or_else(unknown).map_err(CliError::from)
}

/// Asks a question with the answer no; `None` when nobody is there to answer.
fn ask_on_terminal(question: &str) -> Option<bool> {
    if !io::stdin().is_terminal() || !io::stderr().is_terminal() {
        return None;
    }
    eprint!("{question} [y/N] ");
    let mut answer = String::new();
    // A terminal that went away has not said yes.
    io::stdin().read_line(&mut answer).ok()?;
    Some(matches!(answer.trim().to_ascii_lowercase().as_str(), "y" | "yes"))
}

fn parse_address(text: &str) -> Result<String, String> {
    let lower = text.to_ascii_lowercase();
    let rest = lower.strip_prefix("https://").or_else(|| lower.strip_prefix("http://"));
    match rest {
        Some(rest) if !rest.is_empty() => Ok(text.to_owned()),
        Some(_) | None => Err("write the whole address, as https://host/file.pt".to_owned()),
    }
}

/// A size as people say it.
fn megabytes(bytes: u64) -> String {
    format!("{:.0} MB", (bytes as f64 / 1e6).max(1.0))
}

/// A file's path for JSON.
fn shown(path: PathBuf) -> String {
    path.display().to_string()
}
