//! `label-hub extract`: a clip's frames as image files, exactly the ones the program labels, with a table of their times.
//!
//! Every file appears whole or not at all, and running again goes on where it stopped. Called by the command line; knows
//! nothing of terminals: progress and stopping go through a callback.

use std::fs;
use std::io::Write;
use std::ops::ControlFlow;
use std::path::PathBuf;

use anyhow::Context;
use clap::{Args, ValueEnum};
use serde::{Deserialize, Serialize};

use super::exit::{CliError, Exit};
use super::signals::StopFlag;
use crate::formats::{PictureFile, encode_picture, write_atomically};
use crate::label::FrameIdx;
use crate::video::{self, Clip};

/// Says what a folder of extracted frames was made from, so that going on can be told from mixing up.
const RECORD_NAME: &str = "labelhub-extract.json";
const TABLE_NAME: &str = "frames.csv";

/// Write a clip's frames as images.
#[derive(Debug, Clone, Args)]
pub struct ExtractArgs {
    /// Video file or folder of images.
    pub video: PathBuf,
    /// Folder to write to; made where it does not exist.
    #[arg(long, value_name = "DIR")]
    pub out: PathBuf,
    /// Take every N-th frame only, beginning with frame 0.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    pub every: u32,
    /// Image format; png keeps every pixel.
    #[arg(long, value_enum, default_value_t = ImageFormat::Png)]
    pub format: ImageFormat,
}

/// Format of the images.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ImageFormat {
    /// Lossless.
    Png,
    /// Smaller, quality 95.
    Jpg,
}

impl ImageFormat {
    fn extension(self) -> &'static str {
        match self {
            ImageFormat::Png => "png",
            ImageFormat::Jpg => "jpg",
        }
    }
}

impl From<ImageFormat> for PictureFile {
    fn from(format: ImageFormat) -> Self {
        match format {
            ImageFormat::Png => PictureFile::Png,
            ImageFormat::Jpg => PictureFile::Jpeg,
        }
    }
}

/// What a run did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ExtractSummary {
    /// Files written now.
    pub written: u32,
    /// Files an earlier run had written.
    pub already_there: u32,
    /// Frames that are damaged; their files show what stands in for them.
    pub damaged: Vec<FrameIdx>,
    /// Whether the callback stopped it; running again goes on.
    pub is_stopped: bool,
}

#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Record {
    clip: String,
    every: u32,
    format: ImageFormat,
}

/// Extracts the frames. `progress` gets (done, all) after every frame; breaking stops after it.
pub fn run(
    args: &ExtractArgs,
    progress: &mut dyn FnMut(u32, u32) -> ControlFlow<()>,
) -> anyhow::Result<ExtractSummary> {
    let clip = video::open_quietly(&args.video)?;
    prepare_folder(args, &clip)?;
    let mut reader = clip.reader()?;
    let mut summary = ExtractSummary { written: 0, already_there: 0, damaged: Vec::new(), is_stopped: false };
    let mut table = String::from("index,pts,seconds,file,damaged\n");
    let total = clip.frame_count().div_ceil(args.every);
    for (done, idx) in (0..clip.frame_count()).step_by(args.every as usize).map(FrameIdx).enumerate() {
        let frame = reader.frame(idx)?;
        let name = format!("{:05}.{}", idx.0, args.format.extension());
        let path = args.out.join(&name);
        if path.exists() {
            summary.already_there += 1;
        } else {
            write_atomically(&path, |file| encode_picture(&frame.to_rgb(), args.format.into(), file))?;
            summary.written += 1;
        }
        let pts = clip.index().pts(idx).expect("idx is below the frame count");
        let damage = frame.damage().map(ToString::to_string).unwrap_or_default().replace(['"', '\n'], " ");
        table.push_str(&format!("{idx},{pts},{:.6},{name},\"{damage}\"\n", frame.pts_secs()));
        if frame.damage().is_some() {
            summary.damaged.push(idx);
        }
        let done = u32::try_from(done + 1).expect("no more than there are frames");
        if progress(done, total).is_break() && done < total {
            summary.is_stopped = true;
            return Ok(summary);
        }
    }
    write_atomically(&args.out.join(TABLE_NAME), |file| file.write_all(table.as_bytes()))?;
    Ok(summary)
}

/// `label-hub extract`: [`run`] with its progress on standard error, until somebody asks to stop.
///
/// # Errors
/// As [`run`].
pub fn command(args: &ExtractArgs) -> Result<Exit, CliError> {
    let stop = StopFlag::install_for_command()?;
    let bar = indicatif::ProgressBar::no_length();
    let summary = run(args, &mut |done, all| {
        bar.set_length(u64::from(all));
        bar.set_position(u64::from(done));
        if stop.requested().is_some() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    })?;
    bar.finish_and_clear();
    let out = args.out.display();
    if !summary.damaged.is_empty() {
        let list: Vec<String> = summary.damaged.iter().map(ToString::to_string).collect();
        super::tell(&format!("damaged frames, whose pictures only stand in for them: {}", list.join(" ")));
    }
    super::tell(&format!("{out}: {} pictures written, {} were there", summary.written, summary.already_there));
    match stop.requested().filter(|_| summary.is_stopped) {
        Some(exit) => {
            super::tell(&format!("{out}: run the same command again to go on"));
            Ok(exit)
        }
        None => Ok(Exit::Success),
    }
}

/// Makes the folder, or checks that what lies in it comes from the same clip and options.
fn prepare_folder(args: &ExtractArgs, clip: &Clip) -> anyhow::Result<()> {
    let out = &args.out;
    fs::create_dir_all(out).with_context(|| format!("{}: cannot be made. Choose another folder", out.display()))?;
    let record = Record { clip: clip.identity().to_string(), every: args.every, format: args.format };
    let path = out.join(RECORD_NAME);
    if path.exists() {
        let text = fs::read_to_string(&path).with_context(|| format!("{}: cannot be read", path.display()))?;
        let earlier: Record = serde_json::from_str(&text)
            .with_context(|| format!("{}: damaged. Choose another folder or empty this one", path.display()))?;
        if earlier != record {
            let difference = if earlier.clip != record.clip {
                "another clip".to_owned()
            } else {
                format!("--every {} --format {}", earlier.every, earlier.format.extension())
            };
            let message =
                format!("{}: holds frames of {difference}. Choose another folder or empty this one", out.display());
            return Err(CliError::usage(message).into());
        }
        return Ok(());
    }
    let is_empty = fs::read_dir(out).with_context(|| format!("{}: cannot be read", out.display()))?.next().is_none();
    if !is_empty {
        let message =
            format!("{}: is not empty, and nothing in it is ever overwritten. Choose another folder", out.display());
        return Err(CliError::usage(message).into());
    }
    let text = serde_json::to_string_pretty(&record).expect("strings and numbers always serialise");
    write_atomically(&path, |file| file.write_all(text.as_bytes()))?;
    Ok(())
}
