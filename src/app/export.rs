//! Exports and imports of datasets, each on a thread of its own; what they say comes back as notices.
//!
//! The formats do the work (`formats::export`, `formats::import`); here their questions are answered from the world as it
//! was when the labeller asked. An import's masks come back to `apply`, which alone changes labels.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bevy::prelude::*;
use crossbeam_channel::{Receiver, Sender, bounded};

use crate::formats::{
    self, ClipFacts, ClipPlan, ExportPlan, ExportReport, FormatError, FormatId, FrameChoice, FramesWith,
    GatheredLabels, ImageChoice, ImageSource, ImportTarget, Imported, LabelSource, ObjectInfo, OverlayStyle, Split,
};
use crate::label::{FrameIdx, ObjectId, name_with_stream};
use crate::store::can_write;
use crate::video::Clip;

use super::labels::{Classes, InOut, LabelIndex, Marks};
use super::state::{OpenClip, Selection, StoreLink, Waker};

/// Messages that may wait to be read; then the thread waits too.
const EVENT_CAPACITY: usize = 64;

/// What to export.
#[derive(Debug, Clone, PartialEq)]
pub struct ExportRequest {
    /// As what.
    pub format: FormatId,
    /// Into which new folder.
    pub folder: PathBuf,
    /// Which frames.
    pub frames: FramesWith,
    /// Every n-th of them.
    pub every: u32,
    /// Only the in/out range.
    pub is_in_range: bool,
    /// Only the selected object.
    pub is_selected_only: bool,
    /// Whether pictures come too.
    pub images: ImageChoice,
    /// What the overlay video shows.
    pub overlay: OverlayStyle,
    /// Consent to replace an earlier export.
    pub overwrite: bool,
}

/// How it goes.
pub enum ExportEvent {
    /// So many of so many.
    Progress(u64, u64),
    /// The dataset is there.
    Exported(Box<ExportReport>),
    /// Labels were read.
    Imported(PathBuf, Box<Imported>),
    /// It ended without a result.
    Failed(FormatError),
}

/// The export or import that is under way.
#[derive(Resource, Default)]
pub struct Exporting {
    /// The thread's messages.
    pub events: Option<Receiver<ExportEvent>>,
    /// How far.
    pub counts: (u64, u64),
    /// The request, for another try.
    pub request: Option<ExportRequest>,
    is_stopped: Arc<AtomicBool>,
}

impl Exporting {
    /// Ends it as soon as it looks.
    pub fn stop(&self) {
        self.is_stopped.store(true, Ordering::Relaxed);
    }
}

/// Where the dialog proposes to put the datasets of a clip: beside it or, where nothing can be written there, `elsewhere`.
pub fn proposed_parent(clip: &Path, elsewhere: Option<PathBuf>) -> PathBuf {
    let beside = clip.parent().unwrap_or(Path::new("")).to_owned();
    if can_write(&beside) { beside } else { elsewhere.unwrap_or(beside) }
}

/// The folder that it proposes there for a clip, or for a stream of it that was chosen.
pub fn default_folder(parent: &Path, clip: &Path, stream: Option<u32>, format: FormatId) -> PathBuf {
    let mut folder = name_with_stream(clip, stream);
    folder.push(format!("_{format}"));
    parent.join(folder)
}

/// Begins an export.
///
/// # Errors
/// When no clip is open or no thread can be started; the text says so.
pub(super) fn begin_export(world: &mut World, request: ExportRequest) -> Result<(), String> {
    let clip = world.resource::<OpenClip>().clip().cloned().ok_or("No clip is open")?;
    let labels = gather(world, &clip);
    let listed = world.resource::<Classes>().0.clone();
    let selected = world.resource::<Selection>().0.filter(|_| request.is_selected_only);
    let frames = FrameChoice {
        with: request.frames,
        every: request.every,
        range: world.resource::<InOut>().0.filter(|_| request.is_in_range),
    };
    let asked = request.clone();
    start(world, Some(request), "export", move |report, is_stopped| {
        let mut reader = clip.reader().map_err(|source| FormatError::Picture {
            clip: clip.path().display().to_string(),
            frame: FrameIdx(0),
            cause: source.to_string(),
        })?;
        let plan = ExportPlan {
            clips: vec![ClipPlan {
                labels: &labels,
                images: Some(&mut reader as &mut dyn ImageSource),
                objects: selected.map(|object| vec![object]),
                split: Split::Train,
            }],
            classes: formats::classes_of(listed.iter(), [&labels as &dyn LabelSource]),
            frames,
            images: asked.images,
            overlay: asked.overlay,
            overwrite: asked.overwrite,
        };
        let mut progress = |news: formats::Progress| {
            report(ExportEvent::Progress(news.done, news.total));
            if is_stopped.load(Ordering::Relaxed) { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        };
        let done = formats::export(asked.format, plan, &asked.folder, &mut progress)?;
        Ok(ExportEvent::Exported(Box::new(done)))
    })
}

/// Begins to read a dataset's labels.
///
/// # Errors
/// As above.
pub(super) fn begin_import(world: &mut World, path: PathBuf) -> Result<(), String> {
    let clip = world.resource::<OpenClip>().clip().cloned().ok_or("No clip is open")?;
    start(world, None, "import", move |report, is_stopped| {
        let target = ImportTarget::of(&ClipFacts::of(&clip));
        let mut progress = |masks: u64| {
            report(ExportEvent::Progress(masks, 0));
            if is_stopped.load(Ordering::Relaxed) { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        };
        let imported = formats::import(None, &path, &target, &mut progress)?;
        Ok(ExportEvent::Imported(path, Box::new(imported)))
    })
}

type Report<'a> = &'a dyn Fn(ExportEvent);

fn start(
    world: &mut World,
    request: Option<ExportRequest>,
    name: &str,
    work: impl FnOnce(Report<'_>, &AtomicBool) -> Result<ExportEvent, FormatError> + Send + 'static,
) -> Result<(), String> {
    let waker = world.resource::<Waker>().0.clone();
    let (sender, events): (Sender<ExportEvent>, _) = bounded(EVENT_CAPACITY);
    let is_stopped = Arc::new(AtomicBool::new(false));
    let stop = is_stopped.clone();
    let thread = std::thread::Builder::new().name(name.to_owned()).spawn(move || {
        let report = |event| {
            // Without a receiver the window has gone; the work is still worth finishing.
            if sender.send(event).is_ok() {
                waker();
            }
        };
        let end = work(&report, &stop);
        report(end.unwrap_or_else(ExportEvent::Failed));
    });
    thread.map_err(|error| format!("It could not be started: {error}"))?;
    world.insert_resource(Exporting { events: Some(events), counts: (0, 0), request, is_stopped });
    Ok(())
}

/// The labels as they are now; masks stay in the store until they are asked for.
fn gather(
    world: &World,
    clip: &Clip,
) -> GatheredLabels<impl Fn(crate::label::MaskId) -> Result<crate::label::Mask, formats::SourceError> + use<>> {
    let index = world.resource::<LabelIndex>();
    let mut objects = Vec::new();
    let mut marks: BTreeMap<(ObjectId, FrameIdx), _> = BTreeMap::new();
    for (id, entity) in index.objects() {
        let Some(facts) = world.get::<crate::label::ObjectFacts>(entity) else { continue };
        let (name, class) = (facts.name.clone(), facts.class.clone());
        objects.push(ObjectInfo { id, name, class, colour: facts.colour, revision: facts.revision });
        let of_object = world.get::<Marks>(entity).into_iter().flat_map(|marks| marks.frames.iter());
        marks.extend(of_object.map(|(frame, mark)| ((id, *frame), *mark)));
    }
    let store = world.resource::<StoreLink>().clone();
    let read = move |id| {
        let mask = store.read().get(id);
        mask.map_err(|error| Box::new(error) as formats::SourceError)
    };
    GatheredLabels { clip: ClipFacts::of(clip), objects, marks, read }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn datasets_lie_beside_the_clip_or_where_they_can_be_written() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let home = folder.path().join("home");
        let clip = folder.path().join("a.b.mp4");
        let parent = proposed_parent(&clip, Some(home.clone()));
        assert_eq!(default_folder(&parent, &clip, None, FormatId::Coco), folder.path().join("a.b_coco"));
        // As root no folder refuses; one that is not there does.
        let clip = folder.path().join("gone/clip.mp4");
        assert_eq!(proposed_parent(&clip, Some(home.clone())), home);
        assert_eq!(proposed_parent(&clip, None), folder.path().join("gone"));
    }
}
