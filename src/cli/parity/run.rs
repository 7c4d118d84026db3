//! Runs a scenario and gathers its results under the golden's keys.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex};

use anyhow::{Context, bail, ensure};
use candle_core::{DType, Device, Tensor};

use crate::cli::clip::open_clip;
use crate::cli::signals::StopFlag;
use crate::engine::{ClipFrames, OpenDevice};
use crate::label::{BoxPrompt, FrameIdx, Mask, ObjectId, Point, PointLabel};
use crate::sam2::Sam2;
use crate::sam2::checkpoint::Checkpoint;
use crate::sam2::model::{LoadOptions, Observation};
use crate::sam2::position_encoding::sine_2d;
use crate::sam2::predictor::{ClickPrompt, FrameMasks, FrameSource, Predictor, PredictorOptions, PropagationRequest};

use super::scenario::{Options, Scenario, Step};

/// Samples and results by golden key.
pub type Results = BTreeMap<String, Vec<f32>>;

/// Video logits are kept at every eighth pixel.
const VIDEO_STEP: usize = 8;

/// Runs the scenario; probes are sampled when the golden holds any.
pub fn run(
    scenario: &Scenario,
    checkpoint: &Path,
    frames: &Path,
    device: &OpenDevice,
    golden: &Checkpoint,
) -> anyhow::Result<Results> {
    // Nobody asks this flag to stop: Ctrl-C ends a comparison at once.
    let mut source = ClipFrames::of(open_clip(frames, None, &StopFlag::default())?, false)?;
    ensure!(
        source.frame_count() >= scenario.frames,
        "{}: the scenario needs {} frames, there are {}",
        frames.display(),
        scenario.frames,
        source.frame_count()
    );
    let Options { image_size, float32_memories, .. } = scenario.options;
    let mut options = LoadOptions { image_size, float32_memories, ..device.load_options(None) };
    if let Some(bias) = scenario.object_score_bias {
        options.replace.insert("sam_mask_decoder.pred_obj_score_head.layers.2.bias".to_owned(), vec![bias]);
    }
    let model = Arc::new(Sam2::load_with(checkpoint, &options, &device.device)?);
    let size = source.size();
    let options = PredictorOptions {
        corrections_condition: scenario.options.add_all_frames_to_correct_as_cond,
        ..PredictorOptions::upstream()
    };
    let mut predictor = Predictor::new(model.clone(), scenario.frames, size, options)?;

    let results = Arc::new(Mutex::new(Results::new()));
    let has_probes = scenario.probes || golden.tensors().contains_key("input.frame0");
    if has_probes {
        watch_input(&model, &results);
    }
    // The reference encodes frame 0 when it opens a clip, and keeps the features of one frame.
    predictor.warm(&mut source, FrameIdx(0))?;
    if has_probes {
        watch_modules(&model, &results)?;
    }
    for (number, step) in scenario.steps.iter().enumerate() {
        run_step(&mut predictor, &mut source, number, step, &results)
            .with_context(|| format!("step {number} of the scenario"))?;
    }
    model.observe(None);
    let results = std::mem::take(&mut *results.lock().expect("the observers are gone"));
    Ok(results)
}

fn run_step(
    predictor: &mut Predictor,
    source: &mut dyn FrameSource,
    number: usize,
    step: &Step,
    results: &Mutex<Results>,
) -> anyhow::Result<()> {
    let record = |predictor: &Predictor, masks: &FrameMasks| {
        record_masks(predictor, number, masks, &mut results.lock().expect("no observer panicked"));
    };
    match step {
        Step::AddPoints { frame, object, points, labels, bounds, clear_old } => {
            ensure!(points.len() == labels.len(), "{} points with {} labels", points.len(), labels.len());
            let points = points
                .iter()
                .zip(labels)
                .map(|(&[x, y], &label)| Ok(Point { x, y, label: PointLabel::try_from(label)? }))
                .collect::<Result<Vec<_>, String>>();
            let points = match points {
                Ok(points) => points,
                Err(reason) => bail!(reason),
            };
            let bounds = bounds.map(|[x0, y0, x1, y1]| BoxPrompt { x0, y0, x1, y1 });
            let prompt = ClickPrompt { points: &points, bounds, keep_earlier: !clear_old };
            let masks = predictor.add_clicks(source, FrameIdx(*frame), ObjectId(*object), prompt)?;
            record(predictor, &masks);
        }
        Step::AddMask { frame, object, rect: [x0, y0, x1, y1] } => {
            let size = predictor.size();
            let width = size.width as usize;
            let mask = Mask::from_fn(size, |i| {
                let (x, y) = ((i % width) as u32, (i / width) as u32);
                (*x0..*x1).contains(&x) && (*y0..*y1).contains(&y)
            });
            let masks = predictor.add_mask(source, FrameIdx(*frame), ObjectId(*object), &mask)?;
            record(predictor, &masks);
        }
        Step::Propagate { start, reverse, max, record: only } => {
            let request = PropagationRequest {
                start: start.map(FrameIdx),
                max_frames: *max,
                is_reverse: *reverse,
                objects: None,
            };
            let mut run = predictor.start(source, &request)?;
            while let Some(masks) = predictor.step(&mut run, source)? {
                if only.as_ref().is_none_or(|only| only.contains(&masks.frame.0)) {
                    record(predictor, &masks);
                }
            }
        }
        Step::ClearPoints { frame, object } => predictor.clear_prompts(FrameIdx(*frame), ObjectId(*object)),
        Step::RemoveObject { object } => predictor.remove_object(ObjectId(*object)),
        Step::Reset => predictor.reset(),
    }
    Ok(())
}

fn record_masks(predictor: &Predictor, number: usize, masks: &FrameMasks, results: &mut Results) {
    let size = predictor.size();
    for object in &masks.objects {
        let key = |what: &str| format!("step{number}.f{}.o{}.{what}", masks.frame, object.object);
        let video = object.logits.at_video_size(size);
        let area = video.iter().filter(|v| **v > 0.0).count();
        let sampled = video
            .chunks_exact(size.width as usize)
            .step_by(VIDEO_STEP)
            .flat_map(|row| row.iter().copied().step_by(VIDEO_STEP))
            .collect();
        results.insert(key("low_res_logits"), object.logits.values.to_vec());
        results.insert(key("video_logits"), sampled);
        results.insert(key("area"), vec![area as f32]);
        results.insert(key("object_score"), vec![object.object_score]);
        results.insert(key("object_pointer"), object.pointer.clone());
    }
}

/// Samples the normalised input of the frame encoded next.
fn watch_input(model: &Sam2, results: &Arc<Mutex<Results>>) {
    let side = model.config().image_size;
    let results = results.clone();
    model.observe(Some(Box::new(move |observation, _| {
        if let Observation::Input(input) = observation {
            let values = map_sample(input, side, &[1, 16, 16]);
            results.lock().expect("one thread").insert("input.frame0".to_owned(), values);
        }
    })));
}

/// Samples what each module returns, call by call.
fn watch_modules(model: &Arc<Sam2>, results: &Arc<Mutex<Results>>) -> anyhow::Result<()> {
    let features = model.config().feature_side();
    let positions = sine_2d(features, model.config().image_encoder.d_model, &Device::Cpu)?;
    let results = results.clone();
    let mut calls: BTreeMap<&'static str, usize> = BTreeMap::new();
    model.observe(Some(Box::new(move |observation, _| {
        let mut results = results.lock().expect("one thread");
        let mut name = |module: &'static str| {
            let call = calls.entry(module).or_default();
            *call += 1;
            format!("{module}.{}", *call - 1)
        };
        match observation {
            Observation::Input(_) => {}
            Observation::ImageEncoder(pyramid) => {
                let call = name("encoder");
                let levels = [(&pyramid.level0, 4, 16), (&pyramid.level1, 2, 8), (&pyramid.level2, 1, 4)];
                for (level, (map, scale, step)) in levels.into_iter().enumerate() {
                    let values = map_sample(map, features * scale, &[8, step, step]);
                    results.insert(format!("{call}.fpn{level}"), values);
                }
                results.insert(format!("{call}.pos2"), map_sample(&positions, features, &[8, 4, 4]));
            }
            Observation::MemoryAttention(out) => {
                let call = name("memory_attention");
                let channels = out.dim(1).expect("a map has channels");
                let values = sample(&host(out), &[features, features, channels], &[4, 4, 4]);
                results.insert(format!("{call}.out"), values);
            }
            Observation::MemoryEncoder(memory) => {
                let call = name("memory_encoder");
                results.insert(format!("{call}.features"), map_sample(memory, features, &[4, 2, 2]));
            }
            Observation::PromptEncoder(tokens) => {
                let call = name("prompt_encoder");
                results.insert(format!("{call}.sparse"), host(tokens));
            }
            Observation::MaskDecoder(decoded) => {
                let call = name("mask_decoder");
                let masks = decoded.masks.dim(0).expect("masks are rows");
                let side = features * 4;
                results
                    .insert(format!("{call}.masks"), sample(&host(&decoded.masks), &[masks, side, side], &[1, 4, 4]));
                results.insert(format!("{call}.ious"), decoded.ious.clone());
                results.insert(format!("{call}.tokens"), host(&decoded.tokens));
                results.insert(format!("{call}.object_score"), vec![decoded.object_score]);
            }
        }
    })));
    Ok(())
}

/// A tensor's values, row-major.
fn host(tensor: &Tensor) -> Vec<f32> {
    tensor
        .to_dtype(DType::F32)
        .and_then(|t| t.flatten_all())
        .and_then(|t| t.to_vec1())
        .expect("a tensor that was just computed can be read")
}

/// A map `[side * side, channels]` as `[channels, side, side]`, every so many values of each.
fn map_sample(map: &Tensor, side: usize, steps: &[usize; 3]) -> Vec<f32> {
    let channels = map.dim(1).expect("a map has channels");
    sample(&host(&map.t().and_then(|t| t.contiguous()).expect("a map can be turned")), &[channels, side, side], steps)
}

/// Every so many values along each of three axes.
fn sample(values: &[f32], shape: &[usize; 3], steps: &[usize; 3]) -> Vec<f32> {
    let mut out = Vec::new();
    for a in (0..shape[0]).step_by(steps[0]) {
        for b in (0..shape[1]).step_by(steps[1]) {
            let row = &values[(a * shape[1] + b) * shape[2]..][..shape[2]];
            out.extend(row.iter().step_by(steps[2]));
        }
    }
    out
}
