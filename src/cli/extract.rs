//! `label-hub extract`: a clip's frames as image files, exactly the ones the program labels, with a table of their times.
//!
//! Every file appears whole or not at all, and running again goes on where it stopped. What it tells goes through the same
//! [`Reporter`] as that of `track`.

use std::fs;
use std::io::Write;
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::time::Instant;

use anyhow::Context;
use clap::{Args, ValueEnum};
use serde::{Deserialize, Serialize};

use super::clip::{notices_of, open_clip};
use super::exit::{CliError, Exit};
use super::progress::Reporter;
use super::signals::StopFlag;
use super::track::{Surroundings, with_surroundings};
use super::track_events::ranges;
use crate::formats::{PictureFile, encode_picture, write_atomically};
use crate::label::{FrameIdx, chosen_stream, counted};
use crate::video::Clip;

/// Says what a folder of extracted frames was made from, so that going on can be told from mixing up.
const RECORD_NAME: &str = "labelhub-extract.json";
const TABLE_NAME: &str = "frames.csv";

/// Write a clip's frames as images.
#[derive(Debug, Clone, Args)]
pub struct ExtractArgs {
    /// Video file or folder of images.
    pub video: PathBuf,
    /// Video stream of the file, by its number (`info` lists them); the one it shows by itself without.
    #[arg(long, value_name = "N")]
    pub stream: Option<u32>,
    /// Folder to write to; made where it does not exist.
    #[arg(long, value_name = "DIR")]
    pub out: PathBuf,
    /// Take every N-th frame only, beginning with frame 0.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    pub every: u32,
    /// Image format; png keeps every pixel.
    #[arg(long, value_enum, default_value_t = ImageFormat::Png)]
    pub format: ImageFormat,
    /// Report progress as JSON lines on standard output.
    #[arg(long)]
    pub json: bool,
}

impl ExtractArgs {
    /// Frames it takes of a clip.
    fn frame_total(&self, clip: &Clip) -> u32 {
        clip.frame_count().div_ceil(self.every)
    }
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

/// A frame whose picture is there.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Extracted<'a> {
    /// The frame.
    pub frame: FrameIdx,
    /// The file the frame comes from; only folders of images have names.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<&'a str>,
    /// Name of the picture in the output folder.
    pub file: String,
    /// When the frame is shown, in seconds on the clip's own clock.
    pub seconds: f64,
    /// Whether an earlier run had written the picture.
    pub was_there: bool,
    /// Why the picture only stands in for the frame; `None` where the frame is sound.
    pub damage: Option<String>,
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
    #[serde(skip)]
    pub is_stopped: bool,
}

/// With `--json` each is a line, its kind under `event`.
#[derive(Serialize)]
#[serde(tag = "event", rename_all = "lowercase")]
enum Event<'a> {
    Start {
        clip: String,
        out: String,
        frames: u32,
    },
    Frame(&'a Extracted<'a>),
    Done {
        frames: u32,
        #[serde(flatten)]
        summary: &'a ExtractSummary,
        seconds: f64,
        fps: f64,
    },
}

#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Record {
    clip: String,
    every: u32,
    format: ImageFormat,
}

/// Extracts the frames of an open clip. `each` is told of every frame; breaking stops after it.
///
/// # Errors
/// When a frame cannot be read, the folder holds something else or cannot be written, or `each` fails.
pub fn run(
    args: &ExtractArgs,
    clip: &Clip,
    each: &mut dyn FnMut(&Extracted<'_>) -> Result<ControlFlow<()>, CliError>,
) -> anyhow::Result<ExtractSummary> {
    prepare_folder(args, clip)?;
    let mut reader = clip.reader()?;
    let mut summary = ExtractSummary { written: 0, already_there: 0, damaged: Vec::new(), is_stopped: false };
    let mut table = String::from("index,pts,seconds,file,damaged,name\n");
    let mut frames = (0..clip.frame_count()).step_by(args.every as usize).map(FrameIdx).peekable();
    while let Some(idx) = frames.next() {
        let frame = reader.frame(idx)?;
        let file = format!("{:05}.{}", idx.0, args.format.extension());
        let path = args.out.join(&file);
        let was_there = path.exists();
        if was_there {
            summary.already_there += 1;
        } else {
            write_atomically(&path, |file| encode_picture(&frame.to_rgb(), args.format.into(), file))?;
            summary.written += 1;
        }
        let pts = clip.index().pts(idx).expect("idx is below the frame count");
        let name = clip.index().name(idx);
        let damage = frame.damage().map(ToString::to_string);
        let cell = |text: Option<&str>| text.map_or_else(String::new, quoted);
        let (shown_damage, shown_name) = (cell(damage.as_deref()), cell(name));
        let seconds = frame.pts_secs();
        table.push_str(&format!("{idx},{pts},{seconds:.6},{file},{shown_damage},{shown_name}\n"));
        if damage.is_some() {
            summary.damaged.push(idx);
        }
        let flow = each(&Extracted { frame: idx, name, file, seconds, was_there, damage })?;
        if flow.is_break() && frames.peek().is_some() {
            summary.is_stopped = true;
            return Ok(summary);
        }
    }
    write_atomically(&args.out.join(TABLE_NAME), |file| file.write_all(table.as_bytes()))?;
    Ok(summary)
}

/// A field of a table that may hold commas, quotes and line ends.
fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('"', "\"\""))
}

/// `label-hub extract`: [`run`] with its progress told, until somebody asks to stop.
///
/// # Errors
/// As [`run`], or when the clip cannot be opened.
pub fn command(args: &ExtractArgs) -> Result<Exit, CliError> {
    with_surroundings(|around| command_with(args, around))
}

/// [`command`] with its surroundings given.
///
/// # Errors
/// As [`command`].
pub fn command_with(args: &ExtractArgs, around: Surroundings<'_>) -> Result<Exit, CliError> {
    let Surroundings { stop, is_terminal, stdout, stderr } = around;
    let clip = open_clip(&args.video, args.stream, stop)?;
    let mut reporter = Reporter::new(args.json, is_terminal, stdout, stderr);
    let ended = tell_all(args, &clip, stop, &mut reporter);
    reporter.clear();
    ended
}

fn tell_all(args: &ExtractArgs, clip: &Clip, stop: &StopFlag, reporter: &mut Reporter<'_>) -> Result<Exit, CliError> {
    for notice in notices_of(clip) {
        reporter.notice(&notice)?;
    }
    let (out, total, started) = (args.out.display(), args.frame_total(clip), Instant::now());
    reporter.expect_frames(total);
    let start = Event::Start { clip: clip.path().display().to_string(), out: out.to_string(), frames: total };
    reporter.tell(&start, &format!("extracting {} into {out}", counted(total, "frame")))?;
    let mut frames = 0;
    let summary = run(args, clip, &mut |extracted| {
        frames += 1;
        let words = extracted.name.map_or_else(|| extracted.file.clone(), |name| format!("{}, {name}", extracted.file));
        reporter.of_frame(&Event::Frame(extracted), words)?;
        reporter.frame_done();
        Ok(if stop.requested().is_some() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
    })?;
    if summary.is_stopped {
        let words = format!("{out}: stopped after {frames} of {total} frames; run the same command again to go on");
        reporter.stopped(&words, None)?;
        return Ok(stop.requested().unwrap_or(Exit::Interrupted));
    }
    let seconds = started.elapsed().as_secs_f64();
    let fps = if seconds > 0.0 { f64::from(frames) / seconds } else { 0.0 };
    let ExtractSummary { written, already_there, damaged, .. } = &summary;
    let mut words =
        format!("{out}: {} written, {already_there} were there ({fps:.1} frames/s)", counted(*written, "picture"));
    if !damaged.is_empty() {
        words.push_str(&format!("; damaged frames, whose pictures only stand in for them: {}", ranges(damaged)));
    }
    reporter.clear();
    reporter.tell(&Event::Done { frames, summary: &summary, seconds, fps }, &words)?;
    Ok(Exit::Success)
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
            let difference = if chosen_stream(&earlier.clip) != chosen_stream(&record.clip) {
                "another stream, or of another clip".to_owned()
            } else if earlier.clip != record.clip {
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
