//! What the engine's tests share: clips they make themselves, requests in one line, and waiting for answers.

#![allow(dead_code, reason = "each test file uses its own part")]

pub mod scripted;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use label_hub::engine::{
    DeviceChoice, EngineCommand, EngineEvent, EngineThread, FramePrompt, Generation, ModelChoice, ModelSource,
    ObjectPrompts, ObjectResult, PromptRequest, TrackDirection, TrackEnd, TrackRequest,
};
use label_hub::label::{FrameIdx, FrameSize, Mask, ObjectId, Point, PointLabel, Prompt};
use label_hub::video::{self, Clip};

pub const A: ObjectId = ObjectId(1);
pub const B: ObjectId = ObjectId(2);

/// A disc that moves over a plain or a speckled background, in a folder of pictures.
pub struct DiscClip {
    folder: tempfile::TempDir,
    pictures: PathBuf,
    pub size: FrameSize,
    pub frames: u32,
}

/// Where the disc of a [`DiscClip`] is.
fn disc_at(size: FrameSize, frame: u32) -> (f64, f64, f64) {
    let (width, height) = (f64::from(size.width), f64::from(size.height));
    let along = f64::from(frame);
    (width * (0.25 + 0.02 * along), height * (0.5 + 0.1 * (along * 0.4).sin()), height * 0.18)
}

/// Whether a pixel of a [`DiscClip`] belongs to the disc.
fn is_disc(size: FrameSize, frame: u32, i: usize) -> bool {
    let (cx, cy, radius) = disc_at(size, frame);
    let (x, y) = (i % size.width as usize, i / size.width as usize);
    (x as f64 - cx).hypot(y as f64 - cy) <= radius
}

impl DiscClip {
    pub fn new(width: u32, height: u32, frames: u32, is_speckled: bool) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let size = FrameSize { width, height };
        // One deeper, so that what the program puts beside the clip goes with the folder.
        let pictures = folder.path().join("disc");
        std::fs::create_dir(&pictures).expect("a folder");
        for frame in 0..frames {
            let picture = image::RgbImage::from_fn(width, height, |x, y| {
                if is_disc(size, frame, (y * width + x) as usize) {
                    return image::Rgb([210, 60, 40]);
                }
                let speckle = if is_speckled { ((x / 6 * 7 + y / 6 * 13) % 5) as u8 * 12 } else { 0 };
                image::Rgb([40 + speckle, 90 + speckle, 120 + speckle / 2])
            });
            picture.save(pictures.join(format!("{frame:03}.png"))).expect("a picture is written");
        }
        DiscClip { folder, pictures, size, frames }
    }

    pub fn path(&self) -> &Path {
        &self.pictures
    }

    /// Where the clip's project lies.
    pub fn project(&self) -> PathBuf {
        self.folder.path().join("disc.labelhub")
    }

    pub fn open(&self) -> Clip {
        open(&self.pictures)
    }

    /// Makes a frame unreadable.
    pub fn damage(&self, frame: u32) {
        std::fs::write(self.pictures.join(format!("{frame:03}.png")), b"not a picture").expect("writable");
    }

    pub fn truth(&self, frame: u32) -> Mask {
        Mask::from_fn(self.size, |i| is_disc(self.size, frame, i))
    }

    /// A click on the disc's middle.
    pub fn click(&self, frame: u32) -> Point {
        let (x, y, _) = disc_at(self.size, frame);
        positive(x as f32, y as f32)
    }
}

pub fn open(path: &Path) -> Clip {
    video::open_quietly(path).expect("the clip opens")
}

/// The frames the small model's data come with.
pub fn small_clip() -> Clip {
    open(&data().join("frames"))
}

fn data() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/small")
}

pub fn test_engine() -> ModelChoice {
    ModelChoice { source: ModelSource::TestEngine, device: DeviceChoice::Cpu, resolution: None }
}

pub fn small_model() -> ModelChoice {
    let source = ModelSource::Checkpoint(data().join("small.safetensors").into());
    ModelChoice { source, device: DeviceChoice::Cpu, resolution: None }
}

pub fn positive(x: f32, y: f32) -> Point {
    Point { x, y, label: PointLabel::Positive }
}

pub fn negative(x: f32, y: f32) -> Point {
    Point { x, y, label: PointLabel::Negative }
}

pub fn clicks(points: &[Point]) -> FramePrompt {
    let prompt = Prompt::Clicks { points: points.to_vec(), bounds: None };
    FramePrompt { prompt: Arc::new(prompt), candidate: None, base: None }
}

/// Clicks that correct a mask.
pub fn correcting(base: &Mask, points: &[Point]) -> FramePrompt {
    FramePrompt { base: Some(Arc::new(base.clone())), ..clicks(points) }
}

pub fn painted(mask: &Mask) -> FramePrompt {
    FramePrompt { prompt: Arc::new(Prompt::Mask(mask.clone())), candidate: None, base: None }
}

pub fn request(object: ObjectId, frame: u32, prompt: &FramePrompt) -> PromptRequest {
    PromptRequest { object, frame: FrameIdx(frame), prompt: prompt.clone() }
}

pub fn object(object: ObjectId, prompts: &[(u32, FramePrompt)], has: &[(u32, u32)]) -> ObjectPrompts {
    let frames: BTreeMap<FrameIdx, FramePrompt> = prompts.iter().map(|(f, p)| (FrameIdx(*f), p.clone())).collect();
    let has = has.iter().map(|(a, b)| (FrameIdx(*a), FrameIdx(*b))).collect();
    ObjectPrompts { object, frames, masks: BTreeMap::new(), has, asked: None }
}

pub fn run(objects: Vec<ObjectPrompts>, first: u32, last: u32, direction: TrackDirection) -> TrackRequest {
    TrackRequest { objects, first: FrameIdx(first), last: FrameIdx(last), direction, uses_damaged: false }
}

/// A rectangle of a clip's frame.
pub fn rectangle(clip: &Clip, x0: usize, y0: usize, x1: usize, y1: usize) -> Mask {
    let width = clip.size().width as usize;
    Mask::from_fn(clip.size(), |i| (x0..x1).contains(&(i % width)) && (y0..y1).contains(&(i / width)))
}

/// An engine with a clip and a model.
pub fn engine(clip: &Clip, model: ModelChoice) -> EngineThread {
    let engine = EngineThread::spawn(|| {}).expect("a thread can be started");
    engine.send(EngineCommand::UseClip(clip.clone()));
    let generation = engine.send(EngineCommand::Load(model));
    match next(&engine) {
        EngineEvent::ModelReady { generation: of, .. } => assert_eq!(of, generation),
        other => panic!("{other:?}"),
    }
    engine
}

pub fn next(engine: &EngineThread) -> EngineEvent {
    engine.events().recv().expect("the thread lives as long as its owner")
}

/// The next event that does not speak of encoding.
pub fn next_answer(engine: &EngineThread) -> EngineEvent {
    loop {
        match next(engine) {
            EngineEvent::Encoding { .. } | EngineEvent::Encoded { .. } => {}
            event => return event,
        }
    }
}

/// A prompt's answer: the mask and the candidates.
pub fn ask(engine: &EngineThread, request: PromptRequest) -> (ObjectResult, Vec<ObjectResult>) {
    let generation = engine.send(EngineCommand::Prompt(request));
    match next_answer(engine) {
        EngineEvent::Answer { generation: of, result, candidates, .. } if of == generation => (result, candidates),
        other => panic!("{other:?}"),
    }
}

pub fn preview(engine: &EngineThread, request: PromptRequest) -> ObjectResult {
    let generation = engine.send(EngineCommand::Preview(request));
    match next_answer(engine) {
        EngineEvent::Previewed { generation: of, result, .. } if of == generation => result,
        other => panic!("{other:?}"),
    }
}

/// What a run brought.
#[derive(Debug, PartialEq)]
pub struct Brought {
    /// Frames visited, in order.
    pub visited: Vec<u32>,
    /// Masks delivered, in order.
    pub masks: Vec<(u32, ObjectResult)>,
    /// Frames on which an object was left out.
    pub skipped: Vec<(u32, ObjectId)>,
}

impl Brought {
    /// Frames delivered for an object, in order.
    pub fn frames(&self, object: ObjectId) -> Vec<u32> {
        self.masks.iter().filter(|(_, result)| result.object == object).map(|(frame, _)| *frame).collect()
    }

    pub fn mask(&self, frame: u32, object: ObjectId) -> &Mask {
        let found = self.masks.iter().find(|(f, result)| (*f, result.object) == (frame, object));
        &found.unwrap_or_else(|| panic!("frame {frame} of object {object} was delivered")).1.mask
    }
}

/// Collects a run's events up to its end.
pub fn until_finished(engine: &EngineThread, generation: Generation) -> (Brought, TrackEnd) {
    let mut brought = Brought { visited: Vec::new(), masks: Vec::new(), skipped: Vec::new() };
    let mut expected = None;
    loop {
        match next_answer(engine) {
            EngineEvent::TrackStarted { generation: of, frames, .. } if of == generation => expected = Some(frames),
            EngineEvent::Tracked { generation: of, frame, results, skipped, remaining, .. } if of == generation => {
                expected = expected.map(|frames| frames - 1);
                assert_eq!(Some(remaining), expected, "every frame brings the end nearer by one");
                brought.visited.push(frame.0);
                brought.masks.extend(results.into_iter().map(|result| (frame.0, result)));
                brought.skipped.extend(skipped.into_iter().map(|object| (frame.0, object)));
            }
            EngineEvent::TrackFinished { generation: of, end } if of == generation => return (brought, end),
            other => panic!("{other:?}"),
        }
    }
}

/// Tracks to the end.
pub fn track(engine: &EngineThread, request: TrackRequest) -> Brought {
    let generation = engine.send(EngineCommand::Track(request));
    let (brought, end) = until_finished(engine, generation);
    assert_eq!(end, TrackEnd::Completed);
    brought
}
