//! `label-hub bench`: how long tracking takes on this machine, stage by stage.
//!
//! The keys are those of the script that times the reference, so that both can be printed side by side.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use clap::Args;
use serde::Serialize;

use crate::engine::{self, ClipFrames, DeviceChoice};
use crate::label::{FrameIdx, ObjectId, Point, PointLabel};
use crate::sam2::Sam2;
use crate::sam2::image::RgbFrame;
use crate::sam2::kernels::Precision;
use crate::sam2::model::Observation;
use crate::sam2::predictor::{ClickPrompt, FrameSource, Predictor, PredictorOptions, PropagationRequest};

use super::clip::open_clip;
use super::exit::CliError;
use super::model_file::open_model;
use super::signals::StopFlag;
use super::track::parse_resolution;

/// Time the model on this machine.
#[derive(Debug, Args)]
pub struct BenchArgs {
    /// Model name or checkpoint file.
    #[arg(long)]
    pub model: PathBuf,
    /// Video or folder of pictures; frames repeat when it has fewer than asked for.
    #[arg(long, value_name = "DIR|VIDEO")]
    pub frames: PathBuf,
    /// Video stream of the file, by its number; the one it shows by itself without.
    #[arg(long, value_name = "N")]
    pub stream: Option<u32>,
    /// Device: auto, cpu, cpu:f32, cuda:0, metal:0.
    #[arg(long, default_value = "cpu", value_parser = DeviceChoice::parse)]
    pub device: DeviceChoice,
    /// Threads; all cores by default.
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub threads: Option<u16>,
    /// Frames to track.
    #[arg(long, default_value_t = 14, value_parser = clap::value_parser!(u32).range(2..=100_000))]
    pub count: u32,
    /// Input size in pixels; the model's own by default.
    #[arg(long, value_parser = parse_resolution, value_name = "1024|768|512")]
    pub resolution: Option<u32>,
    /// Print one JSON object.
    #[arg(long)]
    pub json: bool,
}

/// Tracked frames from this one on have a full memory bank.
const FULL_BANK: usize = 8;

/// Medians in milliseconds; absent where nothing was timed.
#[derive(Debug, Serialize)]
pub struct BenchReport {
    /// The model's name.
    pub model: String,
    /// Arithmetic of the large products.
    pub dtype: &'static str,
    /// Threads.
    pub threads: usize,
    /// Input size.
    pub resolution: usize,
    /// A second click on a frame whose features are there.
    pub click_cached_ms: f64,
    /// A tracked frame of one object with a full memory bank: picture to mask and memory, decoding excluded.
    pub track_ms: Option<f64>,
    /// The image encoder.
    pub image_encoder_ms: Option<f64>,
    /// Memory attention with a full bank.
    pub memory_attention_ms: Option<f64>,
    /// The memory encoder.
    pub memory_encoder_ms: Option<f64>,
    /// The mask decoder.
    pub mask_decoder_ms: Option<f64>,
    /// Frames per second at that pace.
    pub frames_per_second: Option<f64>,
    /// Largest resident memory of the process so far.
    pub peak_memory_mib: Option<u64>,
}

/// Frames held in memory, so that reading them is not timed.
struct HeldFrames(Vec<Arc<RgbFrame>>);

impl FrameSource for HeldFrames {
    fn frame(&mut self, frame: FrameIdx) -> Result<RgbFrame, String> {
        Ok(RgbFrame::clone(&self.0[frame.as_usize() % self.0.len()]))
    }
}

/// Runs the benchmark and prints it.
///
/// # Errors
/// When the model or the frames cannot be read, or the model fails.
pub fn run(args: &BenchArgs) -> anyhow::Result<()> {
    let report = measure(args)?;
    let text = if args.json { serde_json::to_string(&report)? } else { in_words(&report) };
    writeln!(io::stdout(), "{text}").map_err(CliError::from_stdout)?;
    Ok(())
}

fn in_words(report: &BenchReport) -> String {
    let mut lines =
        vec![format!("{} at {} px, {}, {} threads", report.model, report.resolution, report.dtype, report.threads)];
    let rows = [
        ("tracked frame", report.track_ms),
        ("  image encoder", report.image_encoder_ms),
        ("  memory attention", report.memory_attention_ms),
        ("  memory encoder", report.memory_encoder_ms),
        ("  mask decoder", report.mask_decoder_ms),
        ("click, cached frame", Some(report.click_cached_ms)),
    ];
    lines.extend(rows.map(|(name, ms)| match ms {
        Some(ms) => format!("{name:20} {ms:10.1} ms"),
        None => format!("{name:20}          - (too few frames)"),
    }));
    lines.extend(report.frames_per_second.map(|fps| format!("{:20} {fps:10.3} frames/s", "pace")));
    lines.extend(report.peak_memory_mib.map(|mib| format!("{:20} {mib:10} MiB", "peak memory")));
    lines.join("\n")
}

fn measure(args: &BenchArgs) -> anyhow::Result<BenchReport> {
    let threads = super::threads::use_threads(args.threads.map(usize::from))?;
    let device = engine::open_device(args.device)?;
    let options = device.load_options(args.resolution);
    let model = Arc::new(Sam2::from_checkpoint(&open_model(&args.model)?, &options, &device.device)?);
    // Nobody asks this flag to stop: Ctrl-C ends a measurement at once.
    let mut clip = ClipFrames::of(open_clip(&args.frames, args.stream, &StopFlag::default())?, false)?;
    let available = clip.frame_count().min(args.count);
    let held: Vec<Arc<RgbFrame>> = (0..available)
        .map(|i| clip.frame(FrameIdx(i)).map(Arc::new))
        .collect::<Result<_, _>>()
        .map_err(anyhow::Error::msg)?;
    let mut frames = HeldFrames(held);

    let count = args.count;
    let mut predictor = Predictor::new(model.clone(), count, clip.size(), PredictorOptions::unattended())?;
    let size = clip.size();
    // The first good click of the shared bedroom clip, as a share of the picture.
    let at =
        |x: f32, y: f32| Point { x: x * size.width as f32, y: y * size.height as f32, label: PointLabel::Positive };
    let clicks = [at(0.219, 0.648), at(0.26, 0.407)];
    let object = ObjectId(1);
    let first = ClickPrompt { points: &clicks[..1], bounds: None, keep_earlier: false };
    predictor.add_clicks(&mut frames, FrameIdx(0), object, first)?;
    let start = Instant::now();
    let second = ClickPrompt { points: &clicks[1..], bounds: None, keep_earlier: true };
    let answer = predictor.add_clicks(&mut frames, FrameIdx(0), object, second)?;
    // What a labeller waits for is the mask at the video's size.
    let masks = predictor.video_masks(&answer);
    let click = start.elapsed();
    drop(masks);

    let stages = watch(&model);
    let request = PropagationRequest::default();
    let mut run = predictor.start(&mut frames, &request)?;
    let mut tracked = Vec::new();
    loop {
        let start = Instant::now();
        let Some(masks) = predictor.step(&mut run, &mut frames)? else { break };
        let masks = predictor.video_masks(&masks);
        tracked.push(start.elapsed());
        drop(masks);
    }
    model.observe(None);
    let stages = stages.lock().expect("the observer is gone");
    let stage = |name: &str, skip: usize| median(stages.get(name).map_or(&[][..], |t| t.get(skip..).unwrap_or(&[])));
    let track_ms = median(tracked.get(FULL_BANK..).unwrap_or(&[]));
    Ok(BenchReport {
        model: model.config().name.clone(),
        dtype: match device.precision {
            Precision::F32 => "fp32",
            Precision::Bf16 => "bf16",
        },
        threads,
        resolution: model.config().image_size,
        click_cached_ms: milliseconds(click),
        track_ms,
        image_encoder_ms: stage("image_encoder", 0),
        memory_attention_ms: stage("memory_attention", FULL_BANK - 1),
        memory_encoder_ms: stage("memory_encoder", 0),
        mask_decoder_ms: stage("mask_decoder", 0),
        frames_per_second: track_ms.map(|ms| 1000.0 / ms),
        peak_memory_mib: engine::peak_mib(),
    })
}

type StageTimes = Arc<Mutex<BTreeMap<&'static str, Vec<Duration>>>>;

fn watch(model: &Sam2) -> StageTimes {
    let times = StageTimes::default();
    let kept = times.clone();
    model.observe(Some(Box::new(move |observation, elapsed| {
        let stage = match observation {
            Observation::Input(_) => "input",
            Observation::ImageEncoder(_) => "image_encoder",
            Observation::MemoryAttention(_) => "memory_attention",
            Observation::MemoryEncoder(_) => "memory_encoder",
            Observation::PromptEncoder(_) => "prompt_encoder",
            Observation::MaskDecoder(_) => "mask_decoder",
        };
        kept.lock().expect("one thread").entry(stage).or_default().push(elapsed);
    })));
    times
}

fn milliseconds(time: Duration) -> f64 {
    (time.as_secs_f64() * 1e4).round() / 10.0
}

fn median(times: &[Duration]) -> Option<f64> {
    let mut sorted = times.to_vec();
    sorted.sort_unstable();
    let middle = sorted.len() / 2;
    match sorted.len() {
        0 => None,
        n if n % 2 == 1 => Some(milliseconds(sorted[middle])),
        _ => Some(milliseconds((sorted[middle - 1] + sorted[middle]) / 2)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn medians_of_odd_even_and_no_times() {
        let ms = |n: u64| Duration::from_millis(n);
        assert_eq!(median(&[]), None);
        assert_eq!(median(&[ms(30), ms(10), ms(20)]), Some(20.0));
        assert_eq!(median(&[ms(40), ms(10), ms(20), ms(30)]), Some(25.0));
    }
}
