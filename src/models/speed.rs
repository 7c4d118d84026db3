//! What a model costs on this machine: measured by a short probe when somebody asks, remembered in the cache folder.
//!
//! The probe runs the real model on made-up pictures: how long a frame takes does not depend on what is in it.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use super::error::ModelsError;
use super::folder::write_whole;
use crate::folders;
use crate::label::{FrameIdx, FrameSize, ObjectId, Point, PointLabel};
use crate::sam2::image::RgbFrame;
use crate::sam2::predictor::{ClickPrompt, FrameSource, Predictor, PredictorOptions, PropagationRequest};
use crate::sam2::{Sam2, Sam2Error};

/// Tracked frames until the memory is as full as it gets, and two to measure.
const TRACKED_FRAMES: u32 = 9;
/// A slow model is measured with what memory it has after this time.
const TIME_LIMIT: Duration = Duration::from_secs(20);
/// The made-up clip's frames.
const WIDTH: u32 = 640;
const HEIGHT: u32 = 360;
/// The file in the cache folder.
const FILE_NAME: &str = "model-speeds.json";

/// What a model costs.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Speed {
    /// Until a click on a new frame can be answered: the image encoder.
    pub encode_ms: f64,
    /// A tracked frame of one object.
    pub tracked_frame_ms: f64,
    /// Side of the square the model saw.
    pub image_size: usize,
    /// The most memory a process took that did only this, in MiB; `None` where the system does not say.
    #[serde(default)]
    pub memory_mib: Option<u64>,
}

/// What a speed holds for, besides this version of the program.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SpeedKey {
    /// The model file's SHA-256.
    pub sha256: String,
    /// The device in words.
    pub device: String,
    /// Processor threads.
    pub threads: usize,
}

impl SpeedKey {
    fn text(&self) -> String {
        format!("{} {} {} {}", env!("CARGO_PKG_VERSION"), self.sha256, self.device, self.threads)
    }
}

/// What was measured, as `label-hub models measure --json` prints it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Measured {
    /// What it holds for.
    #[serde(flatten)]
    pub key: SpeedKey,
    /// What it costs.
    #[serde(flatten)]
    pub speed: Speed,
}

/// A picture of soft stripes that move from frame to frame.
struct Stripes;

impl FrameSource for Stripes {
    fn frame(&mut self, frame: FrameIdx) -> Result<RgbFrame, String> {
        let at = |x: u32, y: u32| ((x + 3 * frame.0) / 4 * 7 + y / 4 * 5) as u8;
        let pixels = (0..HEIGHT).flat_map(|y| (0..WIDTH).flat_map(move |x| [at(x, y), at(y, x), at(x + y, y)]));
        Ok(RgbFrame { size: FrameSize { width: WIDTH, height: HEIGHT }, pixels: pixels.collect() })
    }
}

/// Measures how fast a loaded model is; takes a few seconds, on a slow machine with a large model about half a minute.
/// What memory that took is for the caller to say, who knows what else the process did.
///
/// # Errors
/// When the model fails.
pub fn measure_speed(model: Arc<Sam2>) -> Result<Speed, Sam2Error> {
    let image_size = model.config().image_size;
    let size = FrameSize { width: WIDTH, height: HEIGHT };
    let mut predictor = Predictor::new(model, TRACKED_FRAMES + 1, size, PredictorOptions::unattended())?;
    let mut frames = Stripes;
    // The first run of all pays for memory and tables; the second frame is what every other one costs.
    predictor.warm(&mut frames, FrameIdx(1))?;
    let start = Instant::now();
    predictor.warm(&mut frames, FrameIdx(0))?;
    let encode = start.elapsed();
    let points = [Point { x: 320.0, y: 180.0, label: PointLabel::Positive }];
    let click = ClickPrompt { points: &points, bounds: None, keep_earlier: false };
    predictor.add_clicks(&mut frames, FrameIdx(0), ObjectId(1), click)?;
    let mut run = predictor.start(&mut frames, &PropagationRequest::default())?;
    let mut latest = encode;
    let begun = Instant::now();
    loop {
        let start = Instant::now();
        let Some(masks) = predictor.step(&mut run, &mut frames)? else { break };
        drop(predictor.video_masks(&masks));
        latest = start.elapsed();
        // The prompted frame comes first and costs nothing; frame 1 is encoded already.
        if masks.frame.0 >= 2 && begun.elapsed() > TIME_LIMIT {
            break;
        }
    }
    let ms = |time: Duration| (time.as_secs_f64() * 1e4).round() / 10.0;
    Ok(Speed { encode_ms: ms(encode), tracked_frame_ms: ms(latest), image_size, memory_mib: None })
}

/// The speeds that were measured on this machine.
#[derive(Debug, Clone, Default)]
pub struct Speeds {
    path: Option<PathBuf>,
    by_key: BTreeMap<String, Speed>,
}

impl Speeds {
    /// Reads the user's. Without a cache folder, or with a file that makes no sense, nothing is known.
    pub fn load() -> Self {
        Self::load_from(folders::cache_folder().as_deref())
    }

    /// [`Speeds::load`] from any folder.
    pub fn load_from(folder: Option<&Path>) -> Self {
        let path = folder.map(|folder| folder.join(FILE_NAME));
        let text = path.as_ref().and_then(|path| fs::read_to_string(path).ok());
        // A cache that is lost is measured again.
        let by_key = text.and_then(|text| serde_json::from_str(&text).ok()).unwrap_or_default();
        Speeds { path, by_key }
    }

    /// Takes up what was measured and is in the cache folder already.
    pub fn know(&mut self, key: &SpeedKey, speed: Speed) {
        self.by_key.insert(key.text(), speed);
    }

    /// What is known.
    pub fn get(&self, key: &SpeedKey) -> Option<Speed> {
        self.by_key.get(&key.text()).copied()
    }

    /// Remembers a speed, here and in the cache folder. What other versions of the program measured is dropped.
    ///
    /// # Errors
    /// When it cannot be written; it is known here all the same.
    pub fn put(&mut self, key: &SpeedKey, speed: Speed) -> Result<(), ModelsError> {
        let ours = concat!(env!("CARGO_PKG_VERSION"), " ");
        self.by_key.retain(|key, _| key.starts_with(ours));
        self.by_key.insert(key.text(), speed);
        let Some(path) = &self.path else { return Ok(()) };
        let folder = path.parent().expect("it lies in the cache folder");
        let text = serde_json::to_string_pretty(&self.by_key).map_err(io::Error::from);
        let written = fs::create_dir_all(folder).and(text).and_then(|text| write_whole(path, &text));
        written.map_err(ModelsError::io(path, "written"))
    }
}

#[cfg(test)]
mod tests {
    use candle_core::Device;

    use super::*;
    use crate::models::{STARTER_NAME, embedded};
    use crate::sam2::checkpoint::{Checkpoint, CheckpointSource};
    use crate::sam2::model::LoadOptions;

    #[test]
    fn a_model_is_measured_and_its_speed_found_again() {
        let starter = CheckpointSource::Embedded(embedded(STARTER_NAME).expect("it ships"));
        let checkpoint = Checkpoint::of(&starter).expect("sound");
        let model = Sam2::from_checkpoint(&checkpoint, &LoadOptions::default(), &Device::Cpu).expect("it loads");
        let speed = measure_speed(Arc::new(model)).expect("it runs");
        assert!(speed.encode_ms > 0.0 && speed.tracked_frame_ms > 0.0, "{speed:?}");

        let folder = tempfile::tempdir().expect("a temporary folder");
        let cache = folder.path().join("cache");
        let key = SpeedKey { sha256: "ab".to_owned(), device: "CPU".to_owned(), threads: 2 };
        let mut speeds = Speeds::load_from(Some(&cache));
        assert_eq!(speeds.get(&key), None);
        speeds.put(&key, speed).expect("writable");
        let found = Speeds::load_from(Some(&cache));
        assert_eq!(found.get(&key), Some(speed));
        assert_eq!(found.get(&SpeedKey { threads: 1, ..key.clone() }), None);
        fs::write(cache.join(FILE_NAME), "{").expect("writable");
        assert_eq!(Speeds::load_from(Some(&cache)).get(&key), None);
    }
}
