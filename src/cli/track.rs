//! `label-hub track`: prompts in, one mask per frame and object out.
//!
//! Checks everything that can be checked before the model is loaded (flags, clip, prompts, output folder), then takes
//! frames from a [`MaskStream`] and writes each mask as it comes. A stopped run goes on when
//! the same command is given again. `track --project` is `track_project.rs`.

use std::collections::BTreeSet;
use std::io::{self, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::time::Instant;

use sha2::{Digest, Sha256};

use super::exit::{CliError, Exit};
use super::manifest::{ClipEntry, FORMAT, Manifest, ModelEntry, OptionsEntry};
use super::model_file::open_model;
use super::progress::{Kept, Reporter};
use super::prompt_args::{MaskParser, PromptArg, parse_box, parse_point, parse_range};
use super::prompt_file::{PromptFile, read_prompt_file};
use super::prompts::{JobPrompts, Statements};
use super::run_folder::{MAX_PAD, RunFolder, default_folder};
use super::score::RunTruth;
use super::signals::StopFlag;
use super::track_events::{self, Done, MaskMade, Start};
use super::tracker::{
    DamagedFrames, Direction, MaskStream, TrackJob, TrackedClip, TrackedFrame, TrackedMask, Tracker, open_tracker,
};
use crate::engine::{DeviceChoice, OpenDevice, open_device};
use crate::label::{FrameIdx, ObjectId, Prompt, chosen_stream};
use crate::sam2::checkpoint::Checkpoint;

/// Arguments of `track`.
#[derive(Debug, Clone, clap::Args)]
pub struct TrackArgs {
    /// Video file, or folder of images
    #[arg(value_name = "VIDEO|DIR", required_unless_present = "project")]
    clip: Option<PathBuf>,
    /// Video stream of the file, by its number (`info` lists them); the one it shows by itself without. A project has its
    /// own
    #[arg(long, value_name = "N", conflicts_with = "project")]
    stream: Option<u32>,
    /// Track what is stale or missing in a project (its file, or its clip), from the project's own prompts; the masks
    /// go into the project
    #[arg(long, value_name = "PROJECT|CLIP", conflicts_with_all = ["clip", "points", "boxes", "masks", "prompts", "pad", "no_overlap", "truth"])]
    pub(super) project: Option<PathBuf>,
    /// With --project: the objects to track, by number; all that have prompts without it
    #[arg(long, value_name = "1,2", value_delimiter = ',')]
    pub(super) objects: Vec<u32>,
    /// Model: a name such as sam2.1_hiera_tiny (see `models list`), or a .pt or .safetensors file; with --project also `fake`, the test
    /// engine
    #[arg(long, value_name = "NAME|PATH")]
    pub(super) model: PathBuf,
    /// Where the model runs: auto, cpu, cuda:0, metal:0; cpu:f32 does without the bf16 arithmetic that is quicker on some
    /// processors
    #[arg(long, default_value = "auto", value_parser = DeviceChoice::parse)]
    pub(super) device: DeviceChoice,
    /// Click on an object; `:neg` beside it. Pixels from the top left. Where the object was tracked to the frame already,
    /// clicks correct what it was tracked to, from that frame on. Repeatable
    #[arg(long = "point", value_name = "FRAME:OBJECT:X,Y[:neg]", value_parser = parse_point, allow_hyphen_values = true)]
    points: Vec<PromptArg>,
    /// Box around an object. Repeatable
    #[arg(long = "box", value_name = "FRAME:OBJECT:X0,Y0,X1,Y1", value_parser = parse_box, allow_hyphen_values = true)]
    boxes: Vec<PromptArg>,
    /// Mask of an object, as large as the frames; what is not 0 or black is the object: 0 and 1, or 0 and 255. An .npy
    /// holds uint8, bool or another integer type; floating point is refused. Repeatable
    #[arg(long = "mask", value_name = "FRAME:OBJECT:FILE.png|FILE.npy", value_parser = MaskParser)]
    masks: Vec<PromptArg>,
    /// Prompts as JSON: {"objects":[{"id":1,"prompts":[{"frame":0,"points":[[x,y]],"labels":[1]}]}]}
    #[arg(long, value_name = "FILE.json")]
    prompts: Option<PathBuf>,
    /// Frames to track, both included; without it the whole clip, or the project's in and out frames
    #[arg(long, value_name = "A..B", value_parser = parse_range)]
    pub(super) range: Option<(FrameIdx, FrameIdx)>,
    /// Which way to track from the prompts; forward without it, both ways with --project
    #[arg(long, value_enum)]
    pub(super) direction: Option<Direction>,
    /// Side of the picture the model sees; smaller is faster and coarser. By default the model's own (1024 for the
    /// published models)
    #[arg(long, value_parser = parse_resolution, value_name = "1024|768|512")]
    pub(super) resolution: Option<u32>,
    /// Folder for the masks; without it `CLIP_masks` (`CLIP_stream1_masks`) beside the clip, or here where that is
    /// read-only. With --project masks are written only where this says so, when all are tracked
    #[arg(long, value_name = "DIR")]
    pub(super) out: Option<PathBuf>,
    /// Pad frame numbers in file names to this many digits
    #[arg(long, default_value_t = 0, value_name = "N")]
    pad: usize,
    /// Start anew: remove the masks an earlier run wrote to the folder
    #[arg(long)]
    pub(super) overwrite: bool,
    /// What to do on frames that do not decode whole, or refer to such a one
    #[arg(long, value_enum, default_value = "skip")]
    pub(super) damaged: DamagedFrames,
    /// Give a pixel that several objects claim to the likeliest one alone. A mask from --mask stays as it is, and the
    /// others give way to it, as the backward pass does to what the forward pass wrote
    #[arg(long)]
    no_overlap: bool,
    /// Ground truth to score the masks against: a folder of DAVIS palette PNGs, each named by its frame (00000.png)
    #[arg(long, value_name = "DIR")]
    truth: Option<PathBuf>,
    /// Processor threads to use
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub(super) threads: Option<u16>,
    /// Report progress as JSON lines on standard output
    #[arg(long)]
    pub(super) json: bool,
}

impl TrackArgs {
    fn clip(&self) -> &Path {
        self.clip.as_deref().expect("clap asks for a clip or a project, and a project goes another way")
    }

    fn direction(&self) -> Direction {
        self.direction.unwrap_or(Direction::Forward)
    }
}

pub(super) fn parse_resolution(text: &str) -> Result<u32, String> {
    match text {
        "1024" => Ok(1024),
        "768" => Ok(768),
        "512" => Ok(512),
        _ => Err("write 1024, 768 or 512".to_owned()),
    }
}

/// Runs `label-hub track`.
///
/// # Errors
/// With the exit code and what to do next.
pub fn run(args: &TrackArgs) -> Result<Exit, CliError> {
    with_surroundings(|around| {
        let stop = around.stop;
        run_with(args, &|clip| open_tracker(clip, args.stream, stop), around)
    })
}

/// Runs a command with the process's own signals, terminal and streams.
///
/// # Errors
/// As the command, or when signals cannot be watched.
pub(super) fn with_surroundings(
    run: impl FnOnce(Surroundings<'_>) -> Result<Exit, CliError>,
) -> Result<Exit, CliError> {
    let stop = StopFlag::install_for_command()?;
    run(Surroundings {
        stop: &stop,
        is_terminal: io::stderr().is_terminal(),
        stdout: &mut io::stdout(),
        stderr: &mut io::stderr(),
    })
}

/// What a run needs of the process around it; tests give their own.
pub struct Surroundings<'a> {
    /// Asked after every frame.
    pub stop: &'a StopFlag,
    /// Whether standard error can show a bar.
    pub is_terminal: bool,
    /// For JSON lines.
    pub stdout: &'a mut dyn Write,
    /// For words.
    pub stderr: &'a mut dyn Write,
}

/// Opens a clip for tracking; [`open_tracker`], or a test's fake.
pub type OpenTracker<'a> = dyn Fn(&Path) -> Result<Box<dyn Tracker>, CliError> + 'a;

/// [`run`] with its surroundings given: tests put a fake tracker and a buffer in.
///
/// # Errors
/// As [`run`].
pub fn run_with(args: &TrackArgs, open: &OpenTracker<'_>, around: Surroundings<'_>) -> Result<Exit, CliError> {
    if let Some(project) = &args.project {
        return super::track_project::run(args, project, around);
    }
    if !args.objects.is_empty() {
        // Not `requires`: clap does not ask for an argument that another one has ruled out.
        return Err(CliError::usage("--objects chooses among a project's objects; it goes with --project"));
    }
    if args.pad > MAX_PAD {
        return Err(CliError::usage(format!("--pad {} is too wide; write at most {MAX_PAD}", args.pad)));
    }
    let statements = gather_statements(args)?;
    statements.expect_some()?;
    let model = open_model(&args.model)?;
    let device = open_device(args.device)?;
    let mut tracker = open(args.clip())?;
    let clip = tracker.clip().clone();
    let (prompts, hints) = statements.check(clip.size, clip.frame_count)?;
    prompts.expect_start(args.direction())?;
    let truth = args.truth.as_deref().map(|folder| RunTruth::open(folder, &clip, &prompts)).transpose()?;

    let mut reporter = Reporter::new(args.json, around.is_terminal, around.stdout, around.stderr);
    for message in clip.notices.iter().chain(&hints) {
        reporter.notice(message)?;
    }
    let folder_path = match &args.out {
        Some(folder) => folder.clone(),
        None => default_folder(args.clip(), chosen_stream(&clip.identity), Path::new("")),
    };
    let manifest = manifest(args, &clip, &model, &device, &prompts)?;
    let mut folder = RunFolder::open(&folder_path, manifest, args.overwrite)?;
    let exit = if folder.is_finished() {
        let masks = folder.done().len();
        reporter.notice(&format!("{}: all {masks} masks are already there", folder_path.display()))?;
        let done = Done { frames: 0, masks, seconds: 0.0, fps: 0.0, damaged: folder.damaged() };
        track_events::done(&mut reporter, &done, args.damaged)?;
        Exit::Success
    } else {
        let job = job(args, prompts, &clip, device, &folder);
        follow(args, tracker.as_mut(), &model, &job, &mut folder, around.stop, &mut reporter)?
    };
    if let (Some(truth), Exit::Success) = (truth, exit) {
        let (score, notices) = truth.score(&folder)?;
        for message in notices {
            reporter.notice(&message)?;
        }
        track_events::score(&mut reporter, &score)?;
    }
    Ok(exit)
}

fn gather_statements(args: &TrackArgs) -> Result<Statements, CliError> {
    let mut statements = match &args.prompts {
        Some(path) => read_prompt_file(path)?,
        None => Statements::default(),
    };
    let flags = args.points.iter().chain(&args.boxes).chain(&args.masks).cloned();
    statements.list.extend(flags.map(|flag| (flag.frame, flag.object, flag.statement)));
    statements.range = args.range.or(statements.range);
    Ok(statements)
}

fn manifest(
    args: &TrackArgs,
    clip: &TrackedClip,
    model: &Checkpoint,
    device: &OpenDevice,
    prompts: &JobPrompts,
) -> Result<Manifest, CliError> {
    let name = |path: &Path| path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned();
    Ok(Manifest {
        format: FORMAT,
        program: concat!("label-hub ", env!("CARGO_PKG_VERSION")).to_owned(),
        clip: ClipEntry {
            name: name(args.clip()),
            identity: clip.identity.clone(),
            size: clip.size,
            frames: clip.frame_count,
        },
        model: ModelEntry {
            name: name(model.path()),
            sha256: model.sha256()?,
            description_sha256: description_sha256(model)?,
        },
        prompts: PromptFile::from(prompts),
        options: OptionsEntry {
            direction: args.direction(),
            resolution: args.resolution,
            damaged: args.damaged,
            device: device.words(),
            pad: args.pad,
            no_overlap: args.no_overlap,
        },
        damaged: BTreeSet::new(),
        finished_masks: None,
    })
}

/// A model of the family that is not a published one is described by a TOML beside its weights.
fn description_sha256(model: &Checkpoint) -> Result<Option<String>, CliError> {
    let description = model.description()?;
    Ok(description.map(|(_, text)| crate::label::hex(Sha256::digest(text))))
}

fn job(args: &TrackArgs, prompts: JobPrompts, clip: &TrackedClip, device: OpenDevice, folder: &RunFolder) -> TrackJob {
    let last_of_clip = FrameIdx(clip.frame_count.saturating_sub(1));
    let (first, last) = prompts.range.unwrap_or((FrameIdx(0), last_of_clip));
    TrackJob {
        prompts,
        first,
        last,
        direction: args.direction(),
        resolution: args.resolution,
        damaged: args.damaged,
        no_overlap: args.no_overlap,
        device,
        threads: args.threads.map(usize::from),
        done: folder.done().clone(),
        state_folder: folder.state_folder(),
    }
}

/// Takes frames from the model until the end or until somebody asks to stop.
fn follow(
    args: &TrackArgs,
    tracker: &mut dyn Tracker,
    model: &Checkpoint,
    job: &TrackJob,
    folder: &mut RunFolder,
    stop: &StopFlag,
    reporter: &mut Reporter<'_>,
) -> Result<Exit, CliError> {
    let start = Start {
        clip: args.clip().display().to_string(),
        out: folder.path().display().to_string(),
        frames: tracker.frame_total(job),
        objects: job.prompts.objects.keys().copied().collect(),
        resumed: job.done.len(),
    };
    track_events::start(reporter, &start)?;
    let followed = follow_stream(tracker.start(model, job)?.as_mut(), job, folder, stop, reporter);
    if followed.is_err() {
        reporter.clear();
    }
    followed
}

fn follow_stream(
    stream: &mut dyn MaskStream,
    job: &TrackJob,
    folder: &mut RunFolder,
    stop: &StopFlag,
    reporter: &mut Reporter<'_>,
) -> Result<Exit, CliError> {
    let started = Instant::now();
    let mut frames = 0;
    loop {
        if let Some(exit) = stop.requested() {
            track_events::stopped(reporter, Kept { frames, masks: folder.done().len() })?;
            return Ok(exit);
        }
        let Some(mut frame) = stream.next_frame().transpose()? else { break };
        frames += 1;
        if frame.is_damaged {
            folder.note_damaged(frame.frame)?;
        }
        if job.no_overlap {
            cut_overlaps(&mut frame, job, folder)?;
        }
        for made in frame.masks {
            let file = folder.write_mask(frame.frame, made.object, &made.mask)?;
            let made = MaskMade {
                frame: frame.frame,
                name: frame.name.clone(),
                object: made.object,
                area: made.mask.area(),
                score: made.object_score,
                iou: made.predicted_iou,
                stability: made.stability,
                file: Some(file),
            };
            track_events::mask(reporter, &made)?;
        }
        reporter.frame_done();
    }
    folder.finish()?;
    let done = Done::since(started, frames, folder.done().len(), folder.damaged());
    track_events::done(reporter, &done, job.damaged)?;
    Ok(Exit::Success)
}

/// Cuts a frame's masks so that none covers another. Those the model made together share no pixel already; here they give
/// way to what was written before, by the other pass or a stopped run, and held ones to what is said of a damaged frame.
fn cut_overlaps(frame: &mut TrackedFrame, job: &TrackJob, folder: &RunFolder) -> Result<(), CliError> {
    let said = |object: ObjectId| job.prompts.objects.get(&object).and_then(|of| of.frames.get(&frame.frame));
    let is_given = |made: &TrackedMask| matches!(said(made.object), Some(Prompt::Mask(_)));
    let objects: Vec<ObjectId> = frame.masks.iter().map(|made| made.object).collect();
    let mut taken = folder.masks_of_others(frame.frame, &objects)?;
    taken.extend(frame.masks.iter().filter(|made| is_given(made)).map(|made| made.mask.clone()));
    for made in frame.masks.iter_mut().filter(|made| !is_given(made)) {
        made.mask = taken.iter().fold(made.mask.clone(), |left, other| left.without(other));
        taken.push(made.mask.clone());
    }
    Ok(())
}
