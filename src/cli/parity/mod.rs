//! `label-hub parity`: runs a scenario through our predictor and compares every value with what the reference returned.
//!
//! Also called by the parity tests. Scenarios and goldens have the form that `scripts/reference/README.md` describes.

mod compare;
mod run;
mod scenario;

use std::io::{self, Write};
use std::path::PathBuf;

use anyhow::Context;
use clap::Args;

use crate::cli::exit::CliError;
use crate::engine::{self, DeviceChoice};
use crate::sam2::checkpoint::Checkpoint;

pub use compare::{KeyReport, Thresholds};
pub use scenario::Scenario;

/// Compare this program's model with the reference implementation, value by value.
#[derive(Debug, Args)]
pub struct ParityArgs {
    /// The scenario: prompts, propagations and options, as JSON.
    pub scenario: PathBuf,
    /// The model's weights (.pt or .safetensors; a .toml of the same name beside them describes a model of your own).
    #[arg(long)]
    pub checkpoint: PathBuf,
    /// Folder of pictures, used in name order.
    #[arg(long)]
    pub frames: PathBuf,
    /// What the reference returned.
    #[arg(long)]
    pub golden: PathBuf,
    /// Device to run on: cpu:f32, cpu:bf16, cuda:0, metal:0.
    #[arg(long, default_value = "cpu:f32", value_parser = DeviceChoice::parse)]
    pub device: DeviceChoice,
    /// How close: f32, or half for arithmetic of half precision such as bf16.
    #[arg(long, value_enum, default_value_t = Thresholds::F32)]
    pub thresholds: Thresholds,
}

/// The outcome of a comparison.
#[derive(Debug)]
pub struct ParityReport {
    /// One entry per golden key, in the golden's order.
    pub keys: Vec<KeyReport>,
}

impl ParityReport {
    /// Whether every threshold was met.
    pub fn is_passed(&self) -> bool {
        self.keys.iter().all(|key| key.failure.is_none())
    }

    /// The closing line.
    pub fn summary(&self) -> String {
        let worst_iou = self.keys.iter().filter_map(|key| key.iou).fold(1.0, f64::min);
        // Areas are pixels, not logits; they have a threshold of their own.
        let logits = self.keys.iter().filter(|key| !key.name.ends_with(".area"));
        let larger = |worst: f64, max: f64| if max > worst || max.is_nan() { max } else { worst };
        let worst = logits.map(|key| key.max).fold(0.0, larger);
        format!("parity: {} keys, worst IoU {worst_iou:.6}, worst max |d| {worst:.3e}", self.keys.len())
    }
}

/// Runs the scenario and compares. A key of the golden that the run did not produce is one that failed.
///
/// # Errors
/// When a file cannot be read, or the model fails.
pub fn compare(args: &ParityArgs) -> anyhow::Result<ParityReport> {
    let text = std::fs::read_to_string(&args.scenario)
        .with_context(|| format!("{}: the scenario cannot be read", args.scenario.display()))?;
    let scenario: Scenario =
        serde_json::from_str(&text).with_context(|| format!("{}: not a parity scenario", args.scenario.display()))?;
    let golden = Checkpoint::open(&args.golden)?;
    engine::keep_freed();
    let device = engine::open_device(args.device)?;
    let results = run::run(&scenario, &args.checkpoint, &args.frames, &device, &golden)?;
    let mut keys = Vec::new();
    for (name, facts) in golden.tensors() {
        let expected = golden.read_f32(name)?;
        keys.push(match results.get(name) {
            Some(ours) => compare::compare(name, &facts.shape, ours, &expected, args.thresholds),
            None => KeyReport::not_produced(name),
        });
    }
    Ok(ParityReport { keys })
}

/// Prints a line per key and the closing line; true when every threshold was met.
///
/// # Errors
/// As [`compare`].
pub fn run(args: &ParityArgs) -> anyhow::Result<bool> {
    let report = compare(args)?;
    let mut text: String = report.keys.iter().map(|key| format!("{key}\n")).collect();
    text.push_str(&report.summary());
    writeln!(io::stdout(), "{text}").map_err(CliError::from_stdout)?;
    Ok(report.is_passed())
}
