//! Gathers what the panels show from the world. Reads only.

use std::collections::{BTreeMap, BTreeSet};

use bevy::prelude::*;

use crate::formats::{FrameChoice, FramesWith};
use crate::label::{FrameIdx, FrameMark, FramePrompt, FrameSize, ObjectId, Rgb, counted};
use crate::models::Speed;
use crate::store::SaveState;

use super::action::{Action, ProjectChoice};
use super::labels::{self, LabelIndex, Marks};
use super::model_files::ModelFiles;
use super::notices::{Notices, Severity};
use super::panels::inspector::InspectorView;
use super::panels::objects::ObjectRow;
use super::panels::status_bar::{Kept, StatusView};
use super::panels::timeline::LaneFrames;
use super::panels::top_bar::{ProgressView, StreamRow};
use super::panels::welcome::OpeningView;
use super::state::{
    Answers, ClipStatus, CurrentRun, Model, ModelStatus, OpenClip, Overlay, Pace, Playhead, Saving, Selection, Shown,
};

/// The open clip's name.
pub(super) fn clip_name(world: &World) -> Option<String> {
    name_of(world.resource::<OpenClip>())
}

fn name_of(open: &OpenClip) -> Option<String> {
    let path = open.clip()?.path();
    Some(path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned())
}

/// The same with the stream, where one was chosen.
pub(super) fn clip_title(open: &OpenClip) -> Option<String> {
    let (name, stream) = (name_of(open)?, open.clip()?.chosen_stream());
    Some(stream.map_or_else(|| name.clone(), |stream| format!("{name}, stream {stream}")))
}

/// The video streams to choose among; none where there is no choice.
pub(super) fn streams(world: &World) -> Vec<StreamRow> {
    let Some(clip) = world.resource::<OpenClip>().clip() else { return Vec::new() };
    let facts = clip.facts();
    let rows = facts.streams.iter().filter(|_| facts.streams.len() > 1).map(|stream| StreamRow {
        name: stream.to_string(),
        show: Action::OpenWith(clip.path().to_owned(), Some(stream.index), ProjectChoice::Own),
        is_shown: facts.stream == Some(stream.index),
    });
    rows.collect()
}

/// How the run goes.
pub(super) fn progress(world: &World) -> Option<ProgressView> {
    let run = world.resource::<CurrentRun>().0.as_ref().filter(|run| !run.is_disowned)?;
    let done = run.total.saturating_sub(run.remaining);
    let passed = run.since.elapsed().as_secs_f32();
    // The first frame comes sooner or later than all others, and tells nothing.
    let frames_per_sec = (done > 1 && passed > LEAST_MEASURED_SECS).then(|| done as f32 / passed);
    let secs_left = frames_per_sec.map(|speed| run.remaining as f32 / speed);
    Some(ProgressView { done, total: run.total, frames_per_sec, secs_left, name: run.name.clone() })
}

/// What tracking what is stale or missing would take, in words; `None` when that is nothing.
pub(super) fn cost(world: &World) -> Option<String> {
    let masks = super::apply::pairs_to_track(world);
    if masks == 0 {
        return None;
    }
    let masks_text = counted(masks, "mask");
    let measured = measured_speed(world);
    let pace = world.resource::<Pace>().0.map(|secs| (secs, "in the last run"));
    let pace = pace.or(measured.map(|speed| (speed.tracked_frame_ms as f32 / 1000.0, "measured here")));
    let time = match pace {
        Some((secs, source)) => {
            let time = super::panels::top_bar::clock(secs * masks as f32);
            format!(", about {time} at {secs:.2} s each as {source}")
        }
        None => {
            "; how long one takes shows after the first run, or when the model is measured in the settings".to_owned()
        }
    };
    let memory = measured.and_then(|speed| speed.memory_mib).map_or_else(String::new, |mib| {
        format!(". The model takes about {:.1} GB of memory, however long the clip is", mib as f64 / 1024.0)
    });
    Some(format!("{masks_text} to make{time}{memory}"))
}

/// What the loaded model costs at the size it runs at, where that was measured.
fn measured_speed(world: &World) -> Option<Speed> {
    let model = world.resource::<Model>();
    let (ModelStatus::Ready(info), Some(choice)) = (&model.status, &model.choice) else { return None };
    let files = world.resource::<ModelFiles>();
    let speed = files.speed(files.id_of(choice)?, &info.device)?;
    (choice.resolution.is_none_or(|side| side as usize == speed.image_size)).then_some(speed)
}

/// A speed measured over less is a guess.
const LEAST_MEASURED_SECS: f32 = 0.5;

/// Whether an error is on screen.
pub(super) fn has_errors(world: &World) -> bool {
    world.resource::<Notices>().on_screen().iter().any(|notice| notice.severity == Severity::Error)
}

/// Clip, model, memory.
pub(super) fn status(world: &World) -> StatusView {
    let model = world.resource::<Model>();
    let is_test_engine = model.choice.as_ref().is_some_and(super::apply::is_test_engine);
    let text = match &model.status {
        ModelStatus::None => "no model".to_owned(),
        ModelStatus::Loading(_) => "loading the model…".to_owned(),
        ModelStatus::Ready(info) => match info.resolution {
            Some(resolution) => format!("{} on {}, {resolution} px", info.name, info.device),
            None => format!("{} on {}", info.name, info.device),
        },
        ModelStatus::Failed(_) => "the model failed".to_owned(),
    };
    let saving = world.resource::<Saving>();
    let saved = match (&saving.progress, &saving.last) {
        (Some(_), _) => Some("writing masks…".to_owned()),
        (None, last) => last.clone(),
    };
    let project = world.resource::<super::project::Project>();
    let kept = match project.handle.as_ref().map(|handle| (handle.is_read_only(), handle.saved())) {
        None => Kept::Nothing,
        Some((true, _)) => Kept::ReadOnly,
        Some((false, SaveState::Saved)) => Kept::Saved,
        Some((false, SaveState::Saving)) => Kept::Saving,
        Some((false, SaveState::Failed(_))) => Kept::Failed,
    };
    let memory = crate::engine::resident_kib().map(|kib| format!("{:.1} GB", kib as f64 / 1_048_576.0));
    StatusView { exported: saved, kept, model: text, is_test_engine, memory }
}

/// The clip that is being read.
pub(super) fn opening(world: &World) -> OpeningView {
    match &world.resource::<OpenClip>().status {
        ClipStatus::Opening { path, progress, .. } => OpeningView {
            name: path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned(),
            frames: progress.map(|progress| progress.frames_seen),
            fraction: progress.and_then(|progress| progress.fraction),
        },
        ClipStatus::None | ClipStatus::Open(_) => OpeningView { name: String::new(), frames: None, fraction: None },
    }
}

/// Seconds from the clip's first frame to the current one.
pub(super) fn secs(world: &World) -> f64 {
    let Some(clip) = world.resource::<OpenClip>().clip() else { return 0.0 };
    let at = clip.index().pts_secs(world.resource::<Playhead>().0);
    at.map_or(0.0, |at| at - clip.index().start_secs())
}

/// The same for the last frame.
pub(super) fn end_secs(world: &World) -> f64 {
    let Some(clip) = world.resource::<OpenClip>().clip() else { return 0.0 };
    let last = clip.index().pts_secs(FrameIdx(clip.frame_count() - 1));
    last.map_or(0.0, |at| at - clip.index().start_secs())
}

/// Whether the current frame's picture is on its way.
pub(super) fn is_waiting(world: &World) -> bool {
    super::receive::is_waiting(world.resource::<Shown>(), *world.resource::<Playhead>())
}

/// The objects, in order. Counts come from the lanes, which are made anew only when something has changed.
pub(super) fn object_rows(world: &World, lanes: &LaneCache) -> Vec<ObjectRow> {
    let solo = world.resource::<Overlay>().solo;
    let index = world.resource::<LabelIndex>();
    let rows = index.objects().filter_map(|(id, entity)| {
        let facts = labels::facts(world, id)?;
        let marks = world.get::<Marks>(entity)?;
        Some(ObjectRow {
            id,
            name: facts.name.clone(),
            class: facts.class.clone(),
            colour: facts.colour,
            is_hidden: facts.is_hidden,
            is_solo: solo == Some(id),
            is_locked: facts.is_locked,
            masks: marks.frames.len(),
            prompts: lanes.0.get(&id).map_or(0, |lane| lane.key.prompts),
            stale: lanes.0.get(&id).map_or(0, |lane| lane.stale),
        })
    });
    rows.collect()
}

/// What made a lane as it is; when it differs, the lane is brought up to date.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct LaneKey {
    /// Another object may come by the same number.
    entity: Entity,
    changes: u64,
    revision: u64,
    prompts: usize,
}

/// The lanes' stretches, kept while their objects do not change.
#[derive(Debug, Default)]
pub(super) struct LaneCache(BTreeMap<ObjectId, Lane>);

/// A lane as it was last made.
#[derive(Debug)]
struct Lane {
    key: LaneKey,
    frames: LaneFrames,
    stale: usize,
    review: usize,
}

impl LaneCache {
    /// An object's stretches.
    pub(super) fn frames(&self, object: ObjectId) -> Option<&LaneFrames> {
        self.0.get(&object).map(|lane| &lane.frames)
    }

    /// How many masks of an object, of all without one, an export of these frames would bring stale.
    pub(super) fn stale(&self, object: Option<ObjectId>, frames: FrameChoice) -> usize {
        // What is approved is not stale.
        if frames.with == FramesWith::Approved {
            return 0;
        }
        let lanes = self.0.iter().filter(|(id, _)| object.is_none_or(|object| object == **id));
        let range = frames.range.unwrap_or((FrameIdx(0), FrameIdx(u32::MAX)));
        lanes.map(|(_, lane)| lane.frames.stale_among(range, frames.every)).sum()
    }

    /// Masks of all objects that are worth a look.
    pub(super) fn review_count(&self) -> usize {
        self.0.values().map(|lane| lane.review).sum()
    }
}

/// Brings the lanes up to date: only the frames whose marks have changed, where nothing else has. A run brings a frame of
/// every object at a time, and must not cost the whole clip each time.
pub(super) fn refresh_lanes(world: &World, cache: &mut LaneCache) {
    let index = world.resource::<LabelIndex>();
    cache.0.retain(|object, _| index.object(*object).is_some());
    for (object, entity) in index.objects() {
        let (Some(facts), Some(marks)) = (labels::facts(world, object), world.get::<Marks>(entity)) else { continue };
        let revision = facts.revision;
        let key = LaneKey { entity, changes: marks.changes, revision, prompts: index.prompts_of(object).count() };
        if cache.0.get(&object).is_some_and(|lane| lane.key == key) {
            continue;
        }
        let prompted: BTreeSet<_> = index.prompts_of(object).map(|(frame, _)| frame).collect();
        let old = cache.0.remove(&object).filter(|lane| LaneKey { changes: key.changes, ..lane.key } == key);
        let changed = old.and_then(|lane| Some((marks.changed_since(lane.key.changes)?, lane.frames)));
        let frames = match changed {
            Some((changed, mut frames)) => {
                changed.for_each(|f| frames.refresh(&marks.frames, &prompted, revision, (f, f)));
                frames
            }
            None => LaneFrames::new(&marks.frames, &prompted, revision),
        };
        let (stale, review) = (frames.stale_count(), frames.review_count());
        cache.0.insert(object, Lane { key, frames, stale, review });
    }
}

/// What is said of a frame that cannot be read, after its name or number.
pub(super) fn unreadable(reason: &str) -> String {
    format!("cannot be read: {reason}")
}

/// Why there is no picture when the graphics device ends at `largest_side`, and what to do about it.
pub(super) fn too_large(world: &World, largest_side: Option<u32>) -> Option<String> {
    let (clip, side) = (world.resource::<OpenClip>().clip()?, largest_side?);
    let size = clip.size();
    let way_out = match clip_name(world).filter(|_| !clip.path().is_dir()) {
        Some(name) => {
            // ffmpeg would choose by another rule.
            let stream = clip.facts().stream.filter(|_| clip.facts().streams.len() > 1);
            scaling_down(&name, stream, size, side)
        }
        None => format!("Scale the images down to {side} pixels at most and open those."),
    };
    Some(format!("The picture of {size} pixels cannot be shown: this graphics device ends at {side} a side. {way_out}"))
}

fn scaling_down(name: &str, stream: Option<u32>, size: FrameSize, side: u32) -> String {
    // Even sides, as most encoders want them; the shorter one follows the longer.
    let side = side & !1;
    let scale = if size.width >= size.height { format!("{side}:-2") } else { format!("-2:{side}") };
    let map = stream.map_or_else(String::new, |stream| format!(" -map 0:{stream}"));
    format!("Scale the clip down and open that: ffmpeg -i \"{name}\"{map} -vf scale={scale} -crf 12 smaller.mp4")
}

/// What the inspector shows, owned.
pub(super) struct InspectorParts {
    object: Option<(String, Rgb)>,
    said: Option<FramePrompt>,
    mark: Option<FrameMark>,
    is_stale: bool,
    frame_area: u64,
    candidates: Vec<f32>,
    damage: Option<String>,
    is_waiting_for_answer: bool,
}

impl InspectorParts {
    /// From the world.
    pub(super) fn gather(world: &World) -> Self {
        let frame = world.resource::<Playhead>().0;
        let object = world.resource::<Selection>().0;
        let answers = world.resource::<Answers>();
        let shown = world.resource::<Shown>();
        let damage = shown.frame.as_ref().filter(|shown| shown.idx() == frame).and_then(|shown| shown.damage());
        let mut parts = InspectorParts {
            object: None,
            said: None,
            mark: None,
            is_stale: false,
            frame_area: world.resource::<OpenClip>().clip().map_or(1, |clip| clip.size().area() as u64),
            candidates: Vec::new(),
            damage: damage.map(ToString::to_string).or_else(|| shown.failure(frame).map(unreadable)),
            is_waiting_for_answer: false,
        };
        let Some((id, facts)) = object.and_then(|id| Some((id, labels::facts(world, id)?))) else { return parts };
        parts.object = Some((facts.name.clone(), facts.colour));
        parts.said = labels::frame_prompt(world, id, frame).cloned();
        parts.mark = labels::mark(world, id, frame);
        parts.is_stale = parts.mark.is_some_and(|mark| mark.is_stale(facts.revision));
        let key = (id, frame);
        parts.is_waiting_for_answer = answers.pending.contains_key(&key) || answers.wanted.contains(&key);
        if let Some(candidates) = answers.candidates.as_ref().filter(|c| (c.object, c.frame) == key) {
            parts.candidates.clone_from(&candidates.predicted_ious);
        }
        parts
    }

    /// As the panel takes it.
    pub(super) fn view(&self) -> InspectorView<'_> {
        InspectorView {
            object: self.object.as_ref().map(|(name, colour)| (name.as_str(), *colour)),
            prompt: self.said.as_ref().map(|said| said.prompt.as_ref()),
            mark: self.mark,
            is_stale: self.is_stale,
            frame_area: self.frame_area,
            candidates: &self.candidates,
            chosen: self.said.as_ref().and_then(|said| said.candidate),
            damage: self.damage.as_deref(),
            is_waiting_for_answer: self.is_waiting_for_answer,
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::label::{Change, Edit, MaskId, ObjectFacts, Provenance};

    use super::*;

    fn mark(area: u64) -> FrameMark {
        let (object_score, predicted_iou, stability) = (1.0, 1.0, 1.0);
        let (provenance, revision, is_approved) = (Provenance::Tracked, 1, false);
        FrameMark { mask: MaskId(1), provenance, revision, is_approved, area, object_score, predicted_iou, stability }
    }

    fn set(world: &mut World, frames: std::ops::Range<u32>, mark: FrameMark) {
        let object = ObjectId(1);
        let change = |frame| Change::Mark { object, frame: FrameIdx(frame), before: None, after: Some(mark) };
        labels::apply(world, &Edit { name: "track".to_owned(), changes: frames.map(change).collect() });
    }

    #[test]
    fn a_tracked_frame_does_not_cost_the_whole_lane() {
        let mut world = World::new();
        world.init_resource::<LabelIndex>();
        let facts = ObjectFacts {
            name: "ball".to_owned(),
            class: None,
            colour: [0; 3],
            is_hidden: false,
            is_locked: false,
            revision: 1,
        };
        let made = Change::Object { id: ObjectId(1), before: None, after: Some(facts) };
        labels::apply(&mut world, &Edit { name: "new".to_owned(), changes: vec![made] });
        set(&mut world, 0..1000, mark(9));
        let mut cache = LaneCache::default();
        refresh_lanes(&world, &mut cache);
        let entity = world.resource::<LabelIndex>().object(ObjectId(1)).expect("it was made");
        // Nobody tells of this one: whoever looks at all frames would see it.
        world.get_mut::<Marks>(entity).expect("marks").frames.insert(FrameIdx(10), mark(0));
        set(&mut world, 500..501, mark(0));
        refresh_lanes(&world, &mut cache);
        let frames = |cache: &LaneCache| cache.frames(ObjectId(1)).expect("a lane").clone();
        let states = |cache: &LaneCache| frames(cache).segments.iter().map(|s| s.first.0).collect::<Vec<_>>();
        assert_eq!(states(&cache), [0, 500, 501]);
        assert_eq!(frames(&cache).review.len(), 1, "lost on 500");
        // After more changes than are remembered all frames are looked at.
        set(&mut world, 600..999, mark(9));
        refresh_lanes(&world, &mut cache);
        assert_eq!(states(&cache), [0, 10, 11, 500, 501]);
    }

    #[test]
    fn a_clip_is_scaled_down_along_its_longer_side() {
        let text = |width, height| scaling_down("pan.mp4", None, FrameSize { width, height }, 8191);
        assert!(text(20_000, 4_000).contains("ffmpeg -i \"pan.mp4\" -vf scale=8190:-2"), "{}", text(20_000, 4_000));
        assert!(text(4_000, 20_000).contains("scale=-2:8190"));
    }
}
