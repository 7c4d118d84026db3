//! `label-hub info [CLIP]`: devices, codecs, models, and what is known about a clip.

use std::fs;
use std::io::{self, IsTerminal, Write};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::clip::open_clip;
use super::clip_facts::{ClipReport, decoder_version};
use super::exit::{CliError, Exit};
use super::progress::Reporter;
use super::signals::StopFlag;
use crate::engine::{DeviceChoice, open_device};
use crate::folders::models_folder;
use crate::models::{STARTER_NAME, STARTER_NOTE};
use crate::video;

/// Arguments of `info`.
#[derive(Debug, Clone, clap::Args)]
pub struct InfoArgs {
    /// Video file, or folder of images
    #[arg(value_name = "VIDEO|DIR")]
    clip: Option<PathBuf>,
    /// Video stream of the clip to tell about, by its number; the one it shows by itself without
    #[arg(long, value_name = "N", requires = "clip")]
    stream: Option<u32>,
    /// Decode every frame of the clip and list the damaged ones
    #[arg(long, requires = "clip")]
    damage: bool,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

/// Everything `info` tells.
#[derive(Debug, Serialize)]
struct Info {
    version: &'static str,
    features: Vec<&'static str>,
    devices: Vec<Device>,
    /// ffmpeg's version; absent when this build reads folders of images only.
    ffmpeg: Option<String>,
    /// Common codecs that can be decoded.
    codecs: Vec<&'static str>,
    /// Models that are part of the program.
    shipped_models: Vec<&'static str>,
    models_folder: Option<PathBuf>,
    models: Vec<ModelFile>,
    #[serde(skip_serializing_if = "Option::is_none")]
    clip: Option<ClipReport>,
}

#[derive(Debug, Serialize)]
struct Device {
    name: &'static str,
    /// In words: threads of the processor, or whether this build can use a GPU.
    detail: String,
}

#[derive(Debug, Serialize)]
struct ModelFile {
    name: String,
    bytes: u64,
}

/// Runs `label-hub info`.
///
/// # Errors
/// When the clip cannot be read, or standard output is closed.
pub fn run(args: &InfoArgs) -> Result<Exit, CliError> {
    let folder = models_folder();
    let info = Info {
        version: env!("CARGO_PKG_VERSION"),
        features: features(),
        devices: devices(),
        ffmpeg: decoder_version(),
        codecs: video::common_decoders(),
        shipped_models: vec![STARTER_NAME],
        models: folder.as_deref().map(list_models).transpose()?.unwrap_or_default(),
        models_folder: folder,
        clip: args.clip.as_deref().map(|clip| clip_facts(clip, args)).transpose()?,
    };
    let text = if args.json { serde_json::to_string(&info).expect("plain data") } else { in_words(&info) };
    writeln!(io::stdout(), "{text}").map_err(CliError::from_stdout)?;
    Ok(Exit::Success)
}

/// Facts about a clip; every frame is decoded when its damage is asked for, which takes long and is shown on a terminal.
fn clip_facts(path: &Path, args: &InfoArgs) -> Result<ClipReport, CliError> {
    let stop = StopFlag::install_for_command()?;
    let clip = open_clip(path, args.stream, &stop)?;
    let mut facts = ClipReport::of(&clip);
    if args.damage {
        let (mut stdout, mut stderr) = (io::stdout(), io::stderr());
        // Standard output gets one object and nothing else.
        let shows_bar = stderr.is_terminal() && !args.json;
        let mut reporter = Reporter::new(false, shows_bar, &mut stdout, &mut stderr);
        reporter.expect_frames(clip.frame_count());
        let looked = facts.look_for_damage(&clip, &mut || {
            reporter.frame_done();
            if stop.requested().is_some() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        });
        reporter.clear();
        looked?;
        if let (None, Some(exit)) = (&facts.damaged_frames, stop.requested()) {
            return Err(CliError::new(exit, format!("{}: stopped before all frames were read", path.display())));
        }
    }
    Ok(facts)
}

fn features() -> Vec<&'static str> {
    let all = [
        ("gui", cfg!(feature = "gui")),
        ("video", cfg!(feature = "video")),
        ("cuda", cfg!(feature = "cuda")),
        ("metal", cfg!(feature = "metal")),
    ];
    all.into_iter().filter_map(|(name, is_on)| is_on.then_some(name)).collect()
}

fn devices() -> Vec<Device> {
    let threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let arithmetic = if open_device(DeviceChoice::CpuBf16).is_ok() { ", bf16 (cpu:f32 for f32)" } else { "" };
    let gpu = |is_compiled_in: bool, choice: DeviceChoice| match open_device(choice) {
        Ok(_) => "ready".to_owned(),
        Err(_) if !is_compiled_in => "not compiled in".to_owned(),
        Err(error) => error.to_string(),
    };
    vec![
        Device { name: "cpu", detail: format!("{threads} threads{arithmetic}") },
        Device { name: "cuda", detail: gpu(cfg!(feature = "cuda"), DeviceChoice::Cuda(0)) },
        Device { name: "metal", detail: gpu(cfg!(feature = "metal"), DeviceChoice::Metal(0)) },
    ]
}

/// Model files by name; a folder that does not exist has none.
fn list_models(folder: &Path) -> Result<Vec<ModelFile>, CliError> {
    let unreadable = |e: io::Error| CliError::input(format!("{}: cannot read it ({e}); check it", folder.display()));
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(e) => return Err(unreadable(e)),
    };
    let mut models = Vec::new();
    for entry in entries {
        let path = entry.map_err(unreadable)?.path();
        let is_model = path.extension().is_some_and(|ending| ending == "pt" || ending == "safetensors");
        // A link that leads nowhere is no model; `track` says so when it is asked for.
        if let (true, Ok(facts)) = (is_model, fs::metadata(&path)) {
            let name = path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned();
            models.push(ModelFile { name, bytes: facts.len() });
        }
    }
    models.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(models)
}

fn in_words(info: &Info) -> String {
    let features = if info.features.is_empty() { "none".to_owned() } else { info.features.join(" ") };
    let mut lines = vec![format!("label-hub {}", info.version), format!("features: {features}")];
    for device in &info.devices {
        lines.push(format!("device {}: {}", device.name, device.detail));
    }
    lines.push(match &info.ffmpeg {
        Some(version) => format!("video: ffmpeg, {version}; decodes {}", info.codecs.join(" ")),
        None => "video: folders of images only".to_owned(),
    });
    for name in &info.shipped_models {
        lines.push(format!("model in the program: {name}, {STARTER_NOTE}"));
    }
    match &info.models_folder {
        Some(folder) if info.models.is_empty() => lines.push(format!("models: none in {}", folder.display())),
        Some(folder) => lines.push(format!("models in {}:", folder.display())),
        None => lines.push("models: no folder is known; set LABEL_HUB_HOME".to_owned()),
    }
    for model in &info.models {
        lines.push(format!("  {} ({:.0} MB)", model.name, model.bytes as f64 / 1e6));
    }
    if let Some(clip) = &info.clip {
        lines.push(format!("\n{clip}").trim_end().to_owned());
    }
    lines.join("\n")
}
