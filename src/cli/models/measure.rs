//! `label-hub models measure`: what a model costs on this machine. The window runs it too, as a program of its own, so
//! that the memory is this model's and stopping it leaves nothing behind.

use std::io::{self, Write};
use std::sync::Arc;

use super::MeasureArgs;
use super::list::in_words_of_speed;
use crate::cli::exit::{CliError, Exit};
use crate::cli::model_file::open_model;
use crate::cli::{tell, threads};
use crate::engine::{open_device, peak_mib};
use crate::models::{self, Measured, Speed, SpeedKey, Speeds};
use crate::sam2::Sam2;

/// Runs `models measure`.
pub fn run(args: &MeasureArgs) -> Result<Exit, CliError> {
    let threads = threads::use_threads(args.threads.map(usize::from))?;
    let checkpoint = open_model(&args.name)?;
    let key_of = |device| checkpoint.sha256().map(|sha256| SpeedKey { sha256, device, threads });
    let device = open_device(args.device)?;
    let key = key_of(device.words())?;
    let model = Sam2::from_checkpoint(&checkpoint, &device.load_options(None), &device.device)?;
    let speed = models::measure_speed(Arc::new(model))?;
    let speed = Speed { memory_mib: peak_mib(), ..speed };
    if let Err(error) = Speeds::load().put(&key, speed) {
        tell(&format!("what {} costs is not remembered: {error}", args.name.display()));
    }
    let text = if args.json {
        serde_json::to_string(&Measured { key, speed }).expect("plain data")
    } else {
        let on = format!("{}, {threads} threads", key.device);
        format!("{}: {}", args.name.display(), in_words_of_speed(speed, &on))
    };
    writeln!(io::stdout(), "{text}").map_err(CliError::from_stdout)?;
    Ok(Exit::Success)
}
