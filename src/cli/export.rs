//! `label-hub export`: the labels of one or several projects as a dataset that other tools read.
//!
//! Projects are only read, so one that its window has open is exported as it was saved last. Several clips become one
//! dataset with one list of classes.

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::classes::{classes_of_projects, read_classes};
use super::exit::{CliError, Exit};
use super::extract::ImageFormat;
use super::progress::Reporter;
use super::project::{Project, no_object};
use super::prompt_args::parse_range;
use super::prompts::check_range;
use super::signals::StopFlag;
use super::track::{Surroundings, with_surroundings};
use crate::formats::{
    self, CheckReport, ClipPlan, ExportPlan, ExportReport, FormatError, FormatId, FrameChoice, FramePicture,
    FramesWith, ImageChoice, ImageSource, OverlayStyle, Progress, Renamed, SourceError, Split, Stage,
};
use crate::label::{FrameIdx, ObjectId, counted};
use crate::video::{Clip, Reader};

/// Arguments of `export`.
#[derive(Debug, Clone, clap::Args)]
#[command(override_usage = "label-hub export [OPTIONS] --format FORMAT --out DIR PROJECT...\n       \
                            label-hub export --format list")]
pub struct ExportArgs {
    /// Project files, or clips that have a project; several become one dataset
    #[arg(value_name = "PROJECT|CLIP")]
    projects: Vec<PathBuf>,
    /// Format of the dataset; `list` lists them
    #[arg(long, value_parser = parse_format)]
    format: FormatChoice,
    /// Folder for the dataset. It appears when all is written and checked
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Objects to export, by number; all without it
    #[arg(long, value_name = "1,2", value_delimiter = ',')]
    objects: Vec<u32>,
    /// Which frames
    #[arg(long, value_enum, default_value = "all")]
    frames: FramesArg,
    /// Every N-th frame only, counted from frame 0
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    every: u32,
    /// Frames of this range only, both included
    #[arg(long, value_name = "A..B", value_parser = parse_range)]
    range: Option<(FrameIdx, FrameIdx)>,
    /// Write the frames' pictures too. Some formats want jpg and get it
    #[arg(long, value_enum)]
    images: Option<ImageFormat>,
    /// What an overlay video shows; only with --format overlay
    #[arg(long, value_enum, value_name = "STYLE")]
    overlay: Option<OverlayArg>,
    /// Classes in the order they are numbered, one a line; without it the projects' lists
    #[arg(long, value_name = "FILE")]
    classes: Option<PathBuf>,
    /// One more project, for the dataset's validation part. Repeatable
    #[arg(long, value_name = "PROJECT|CLIP")]
    val: Vec<PathBuf>,
    /// One more project, for its test part. Repeatable
    #[arg(long, value_name = "PROJECT|CLIP")]
    test: Vec<PathBuf>,
    /// Replace an earlier export in the folder
    #[arg(long)]
    overwrite: bool,
    /// Report as JSON lines on standard output
    #[arg(long)]
    json: bool,
}

/// `--format`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum FormatChoice {
    List,
    One(FormatId),
}

fn parse_format(text: &str) -> Result<FormatChoice, String> {
    match text {
        "list" => Ok(FormatChoice::List),
        name => name.parse().map(FormatChoice::One).map_err(|e: formats::UnknownFormat| e.to_string()),
    }
}

/// `--frames`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum FramesArg {
    /// Every frame
    All,
    /// Frames on which an object is seen
    Masks,
    /// Frames whose masks are all approved
    Approved,
}

/// `--overlay`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum OverlayArg {
    /// The clip with the objects tinted and outlined in their colours; what you get without the flag
    Tint,
    /// White objects on black
    Matte,
    /// The objects as they are, everything else black
    CutOut,
}

impl OverlayArg {
    fn style(self) -> OverlayStyle {
        match self {
            OverlayArg::Tint => OverlayStyle::Tint,
            OverlayArg::Matte => OverlayStyle::Matte,
            OverlayArg::CutOut => OverlayStyle::CutOut,
        }
    }
}

/// All formats, a line each, and which can be imported too.
pub fn formats_help() -> String {
    let line = |id: FormatId| {
        let only = if id.can_import() { "" } else { " (export only)" };
        format!("  {id:<12} {}{only}", id.description())
    };
    let lines: Vec<String> = FormatId::ALL.into_iter().map(line).collect();
    format!("Formats:\n{}", lines.join("\n"))
}

/// What an export tells, as JSON lines.
#[derive(Debug, Serialize)]
#[serde(tag = "event", rename_all = "lowercase")]
enum Event<'a> {
    Start { format: &'a str, out: String, clips: Vec<ClipLine<'a>>, classes: &'a [String] },
    Done(DoneLine<'a>),
}

#[derive(Debug, Serialize)]
struct ClipLine<'a> {
    clip: String,
    project: String,
    split: &'static str,
    name: &'a str,
}

#[derive(Debug, Serialize)]
struct DoneLine<'a> {
    format: &'a str,
    folder: String,
    clips: u64,
    frames: u64,
    masks: u64,
    stale: u64,
    images: u64,
    lost: Vec<String>,
    check: &'a CheckReport,
    renamed: &'a [Renamed],
    notes: &'a [String],
}

/// Runs `label-hub export`.
///
/// # Errors
/// With the exit code and what to do next.
pub fn run(args: &ExportArgs) -> Result<Exit, CliError> {
    with_surroundings(|around| run_with(args, around))
}

/// [`run`] with its surroundings given.
///
/// # Errors
/// As [`run`].
pub fn run_with(args: &ExportArgs, around: Surroundings<'_>) -> Result<Exit, CliError> {
    let format = match args.format {
        FormatChoice::One(format) => format,
        FormatChoice::List => {
            writeln!(around.stdout, "{}", formats_help()).map_err(CliError::from_stdout)?;
            return Ok(Exit::Success);
        }
    };
    let out = args.out.as_deref().ok_or_else(|| CliError::usage("write where the dataset goes: --out DIR"))?;
    match format {
        FormatId::Overlay if args.images.is_some() => {
            return Err(CliError::usage("--images: an overlay is a video and holds no pictures; leave it out"));
        }
        other if other != FormatId::Overlay && args.overlay.is_some() => {
            return Err(CliError::usage("--overlay: only --format overlay has a style; leave it out"));
        }
        _ => {}
    }
    let classes = args.classes.as_deref().map(read_classes).transpose()?;
    let mut reporter = Reporter::new(args.json, around.is_terminal, around.stdout, around.stderr);
    let exported = gather(args, around.stop, &mut reporter).and_then(|projects| match around.stop.requested() {
        Some(exit) => reporter.stopped("stopped; nothing was left behind", None).map(|()| exit),
        None => export(args, format, out, classes, &projects, around.stop, &mut reporter),
    });
    reporter.clear();
    exported
}

/// Opens all projects, in the order they are numbered.
fn gather(args: &ExportArgs, stop: &StopFlag, reporter: &mut Reporter<'_>) -> Result<Vec<(Project, Split)>, CliError> {
    let parts = [(&args.projects, Split::Train), (&args.val, Split::Val), (&args.test, Split::Test)];
    let mut projects: Vec<(Project, Split)> = Vec::new();
    for (named, split) in parts.into_iter().flat_map(|(list, split)| list.iter().map(move |named| (named, split))) {
        if stop.requested().is_some() {
            break;
        }
        let project = Project::open_to_read(named, stop)?;
        for notice in &project.notices {
            reporter.notice(&format!("{}: {notice}", named.display()))?;
        }
        if projects.iter().any(|(other, _)| other.store.path() == project.store.path()) {
            let path = project.store.path().display();
            return Err(CliError::usage(format!("{path}: named twice; name each project once")));
        }
        projects.push((project, split));
    }
    if projects.is_empty() && stop.requested().is_none() {
        return Err(CliError::usage("name a project or a clip to export"));
    }
    Ok(projects)
}

fn export(
    args: &ExportArgs,
    format: FormatId,
    out: &Path,
    classes: Option<Vec<String>>,
    projects: &[(Project, Split)],
    stop: &StopFlag,
    reporter: &mut Reporter<'_>,
) -> Result<Exit, CliError> {
    let all: Vec<&Project> = projects.iter().map(|(project, _)| project).collect();
    let longest = all.iter().map(|project| project.clip.frame_count()).max();
    check_range(args.range, longest.expect("the caller gathered at least one"))?;
    if let Some(id) = args.objects.iter().find(|id| all.iter().all(|project| !project.has_object(**id))) {
        return Err(no_object(*id, &all));
    }
    let classes = classes.unwrap_or_else(|| classes_of_projects(&all));
    let labels: Vec<_> = all.iter().map(|project| project.labels()).collect();
    let mut pictures: Vec<_> =
        all.iter().map(|project| LazyPictures { clip: project.clip.clone(), reader: None }).collect();
    let objects = (!args.objects.is_empty()).then(|| args.objects.iter().map(|id| ObjectId(*id)).collect());
    let clips = labels.iter().zip(&mut pictures).zip(projects).map(|((labels, pictures), (_, split))| ClipPlan {
        labels,
        images: Some(pictures),
        objects: objects.clone(),
        split: *split,
    });
    let plan = ExportPlan {
        clips: clips.collect(),
        classes: classes.clone(),
        frames: args.frame_choice(),
        images: args.images.map_or(ImageChoice::None, |images| match images {
            ImageFormat::Png => ImageChoice::Png,
            ImageFormat::Jpg => ImageChoice::Jpeg,
        }),
        overlay: args.overlay.map_or_else(OverlayStyle::default, OverlayArg::style),
        overwrite: args.overwrite,
    };
    let clips = labels.iter().zip(projects).map(|(labels, (project, split))| ClipLine {
        clip: project.clip.path().display().to_string(),
        project: project.store.path().display().to_string(),
        split: split.name(),
        name: &labels.clip.name,
    });
    let (name, shown) = (format.name(), out.display());
    let start = Event::Start { format: name, out: shown.to_string(), clips: clips.collect(), classes: &classes };
    reporter.tell(&start, &format!("exporting {} as {name} into {shown}", counted(all.len(), "clip")))?;
    let exported = export_plan(format, plan, out, stop, reporter)?;
    match exported {
        None => {
            reporter.stopped("stopped; nothing was left behind", None)?;
            Ok(stop.requested().unwrap_or(Exit::Interrupted))
        }
        Some(report) => {
            if let Some(line) = report.stale_line() {
                reporter.notice(&line)?;
            }
            reporter.result(&Event::Done(DoneLine::of(&report)), &in_words(&report))?;
            Ok(Exit::Success)
        }
    }
}

/// Exports, with its progress shown; `None` when somebody asked to stop.
pub(super) fn export_plan(
    format: FormatId,
    plan: ExportPlan<'_>,
    out: &Path,
    stop: &StopFlag,
    reporter: &mut Reporter<'_>,
) -> Result<Option<ExportReport>, CliError> {
    let mut closed = None;
    let exported = formats::export(format, plan, out, &mut |Progress { stage, done, total }| {
        let stage = match stage {
            Stage::Writing => "writing",
            Stage::Checking => "checking",
        };
        let told = reporter.progress(stage, done, (total > 0).then_some(total));
        closed = told.err();
        if closed.is_some() || stop.requested().is_some() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    });
    match (exported, closed) {
        (_, Some(closed)) => Err(closed),
        (Ok(report), None) => Ok(Some(report)),
        (Err(FormatError::Cancelled), None) => Ok(None),
        (Err(error), None) => Err(error.into()),
    }
}

impl ExportArgs {
    fn frame_choice(&self) -> FrameChoice {
        let with = match self.frames {
            FramesArg::All => FramesWith::Anything,
            FramesArg::Masks => FramesWith::Masks,
            FramesArg::Approved => FramesWith::Approved,
        };
        FrameChoice { with, every: self.every, range: self.range }
    }
}

/// A clip's pictures; its decoder starts when the first one is wanted, which is never without `--images`.
struct LazyPictures {
    clip: Clip,
    reader: Option<Reader>,
}

impl ImageSource for LazyPictures {
    fn picture(&mut self, frame: FrameIdx) -> Result<FramePicture, SourceError> {
        let reader = match self.reader.take() {
            Some(reader) => reader,
            None => self.clip.reader()?,
        };
        self.reader.insert(reader).picture(frame)
    }
}

impl<'a> DoneLine<'a> {
    fn of(report: &'a ExportReport) -> Self {
        DoneLine {
            format: report.format.name(),
            folder: report.folder.display().to_string(),
            clips: report.clips,
            frames: report.frames,
            masks: report.masks,
            stale: report.stale,
            images: report.images,
            lost: report.losses.lines(),
            check: &report.check,
            renamed: &report.renamed,
            notes: &report.notes,
        }
    }
}

fn in_words(report: &ExportReport) -> String {
    let ExportReport { format, folder, clips, frames, masks, images, losses, check, renamed, notes, .. } = report;
    let counts = [(*clips, "clip"), (*frames, "frame"), (*masks, "mask"), (*images, "picture")];
    let counts: Vec<String> = counts.into_iter().map(|(count, what)| counted(count, what)).collect();
    let mut lines = vec![format!("{}: {format}, {}", folder.display(), counts.join(", "))];
    lines.extend(losses.lines().into_iter().map(|line| format!("lost: {line}")));
    if check.masks > 0 {
        let (compared, worst, mean) = (counted(check.masks, "mask"), check.min_iou, check.mean_iou);
        lines.push(format!("read back: {compared}, worst IoU {worst:.4}, mean IoU {mean:.4}"));
    }
    if let Some(first) = check.differences.first() {
        lines.push(format!("not pixel for pixel: {}, the first: {first}", counted(check.difference_count, "mask")));
    }
    for Renamed { kind, name, used } in renamed {
        lines.push(format!("renamed: {kind} {name:?} is {used:?} in the files"));
    }
    lines.extend(notes.iter().map(|note| format!("note: {note}")));
    lines.join("\n")
}
