//! Opening clips and models, saving masks, class lists.

use std::path::{Path, PathBuf};

use bevy::prelude::*;

use crate::engine::{EngineCommand, ModelChoice, ModelSource};
use crate::label::{Change, FrameIdx};
use crate::video::{Clip, SameClip, VideoCommand};

use super::super::action::{Action, FileQuestion};
use super::super::history::{History, Joins};
use super::super::labels::{Classes, InOut, LabelIndex, Marks};
use super::super::notices::Severity;
use super::super::save::{SaveJob, default_folder, spawn};
use super::super::settings::Settings;
use super::super::siblings::next_clip;
use super::super::state::{
    Answers, ClipStatus, CurrentRun, EngineLink, Model, ModelStatus, OpenClip, Overlay, Playback, Playhead, Preview,
    Saving, Selection, Shown, StoreLink, VideoLink, ViewRequest, ViewRequests, Waker, Windows,
};
use super::{commit, tell};

/// Class lists are short; a larger file is something else.
const MAX_CLASS_FILE_BYTES: u64 = 1 << 20;

pub(super) fn perform(world: &mut World, action: Action) {
    match action {
        Action::Ask(question) => world.resource_mut::<Windows>().question = Some(question),
        Action::Open(path) => {
            if may_leave(world, "opening another clip", "Open anyway", Action::OpenAnyway(path.clone())) {
                open(world, path);
            }
        }
        Action::OpenAnyway(path) => open(world, path),
        Action::NextClip => {
            if let Some(path) = world.resource::<OpenClip>().next.clone() {
                perform(world, Action::Open(path));
            }
        }
        Action::SaveMasks => {
            let folder = world.resource::<OpenClip>().clip().map(|clip| default_folder(clip.path()));
            if let Some(folder) = folder {
                save(world, folder);
            }
        }
        Action::SaveMasksTo(folder) => save(world, folder),
        Action::ImportClasses(path) => import_classes(world, &path),
        Action::LoadModel(choice) => load_model(world, choice),
        Action::RetryModel => {
            if let Some(choice) = world.resource::<Model>().choice.clone() {
                load_model(world, choice);
            }
        }
        Action::Quit => {
            if may_leave(world, "quitting", "Quit anyway", Action::QuitAnyway) {
                world.write_message(AppExit::Success);
            }
        }
        Action::QuitAnyway => {
            world.write_message(AppExit::Success);
        }
        _ => unreachable!("perform sends actions about files here"),
    }
}

/// Whether the open clip may be left. With labels that are not saved it may not, and the labeller is told the ways on.
fn may_leave(world: &mut World, what: &str, anyway: &str, action: Action) -> bool {
    if !world.resource::<Saving>().is_unsaved() || world.resource::<LabelIndex>().objects().next().is_none() {
        return true;
    }
    let ways_out = vec![("Save masks".to_owned(), Action::SaveMasks), (anyway.to_owned(), action)];
    let text = format!("The labels of this clip are not saved; {what} would lose them.");
    tell(world, Severity::Warning, text, ways_out);
    false
}

/// Asks for a clip. The labels of the one that is open stay until the new one is there.
fn open(world: &mut World, path: PathBuf) {
    super::edits::disown_run(world);
    let generation = world.resource::<VideoLink>().0.send(VideoCommand::Open { path: path.clone() });
    world.insert_resource(Shown::default());
    world.resource_mut::<Playback>().running = None;
    let mut open = world.resource_mut::<OpenClip>();
    let status = ClipStatus::Opening { path, generation, progress: None };
    if let ClipStatus::Open(clip) = std::mem::replace(&mut open.status, status) {
        open.before = Some(clip);
    }
}

/// The clip that was asked for cannot be opened: the one before comes back as it was.
pub(in super::super) fn clip_failed(world: &mut World) {
    let mut open = world.resource_mut::<OpenClip>();
    let Some(clip) = open.before.take() else {
        open.status = ClipStatus::None;
        return;
    };
    open.status = ClipStatus::Open(clip.clone());
    world.insert_resource(Shown::default());
    world.resource::<VideoLink>().0.send(VideoCommand::Use { clip: SameClip(clip) });
}

/// Forgets everything about the clip that was open.
fn close(world: &mut World) {
    let entities: Vec<Entity> = world.resource::<LabelIndex>().objects().map(|(_, entity)| entity).collect();
    for entity in entities {
        world.entity_mut(entity).despawn();
    }
    world.resource_mut::<History>().clear();
    world.resource_mut::<InOut>().0 = None;
    world.insert_resource(Playhead::default());
    world.insert_resource(Shown::default());
    world.insert_resource(Selection::default());
    world.insert_resource(Overlay::default());
    world.insert_resource(Preview::default());
    world.insert_resource(Answers::default());
    world.insert_resource(OpenClip::default());
    world.insert_resource(CurrentRun::default());
    world.resource_mut::<Playback>().running = None;
    world.insert_resource(StoreLink::default());
    let mut saving = world.resource_mut::<Saving>();
    // A save under way has its own hold on the masks and finishes; it says nothing about the next clip.
    saving.last = None;
    (saving.changes, saving.saved_changes, saving.saving_changes) = (0, 0, 0);
}

/// The clip is open: everything starts over with it.
pub(in super::super) fn clip_opened(world: &mut World, clip: Clip) {
    close(world);
    for notice in clip.notices() {
        tell(world, Severity::Warning, notice.to_string(), Vec::new());
    }
    world.resource_mut::<Settings>().add_recent(clip.path());
    world.resource::<EngineLink>().0.send(EngineCommand::UseClip(clip.clone()));
    let next = next_clip(clip.path());
    world.insert_resource(OpenClip { status: ClipStatus::Open(clip), next, before: None });
    world.resource_mut::<Playhead>().0 = FrameIdx(0);
    world.resource_mut::<ViewRequests>().0.push(ViewRequest::Fit);
}

fn load_model(world: &mut World, choice: ModelChoice) {
    let generation = world.resource::<EngineLink>().0.send(EngineCommand::Load(choice.clone()));
    let mut answers = world.resource_mut::<Answers>();
    // The next model is asked again what the last one did not answer.
    let pending = std::mem::take(&mut answers.pending);
    answers.wanted.extend(pending.into_keys());
    answers.encoded.clear();
    answers.candidates = None;
    world.resource_mut::<Settings>().remember_model(&choice);
    *world.resource_mut::<Model>() = Model { choice: Some(choice), status: ModelStatus::Loading(generation) };
}

fn save(world: &mut World, folder: PathBuf) {
    let index = world.resource::<LabelIndex>();
    let mut masks = Vec::new();
    for (object, entity) in index.objects() {
        let marks = world.get::<Marks>(entity).into_iter().flat_map(|marks| marks.frames.iter());
        masks.extend(marks.map(|(frame, mark)| (*frame, object, mark.mask)));
    }
    masks.sort_unstable();
    let total = masks.len();
    let job = SaveJob { folder: folder.clone(), masks, store: world.resource::<StoreLink>().0.clone() };
    match spawn(job, world.resource::<Waker>().0.clone()) {
        Ok(progress) => {
            let mut saving = world.resource_mut::<Saving>();
            saving.progress = Some(progress);
            saving.counts = (0, total);
            saving.saving_changes = saving.changes;
        }
        Err(error) => {
            let ways_out = vec![("Save again".to_owned(), Action::SaveMasksTo(folder))];
            tell(world, Severity::Error, format!("Saving could not start: {error}"), ways_out);
        }
    }
}

/// Adds the names in a text file to the classes, one a line; empty lines and known names are passed over.
fn import_classes(world: &mut World, path: &Path) {
    let shown = path.display();
    let again = vec![("Choose another file…".to_owned(), Action::Ask(FileQuestion::ImportClasses))];
    let text = std::fs::metadata(path).and_then(|facts| {
        if facts.len() > MAX_CLASS_FILE_BYTES {
            return Err(std::io::Error::other("it is larger than 1 MiB, which no class list is"));
        }
        std::fs::read_to_string(path)
    });
    let text = match text {
        Ok(text) => text,
        Err(error) => return tell(world, Severity::Error, format!("{shown}: no classes were read: {error}"), again),
    };
    let before = world.resource::<Classes>().0.clone();
    let mut after: Vec<String> = before.to_vec();
    for name in text.lines().map(|line| line.trim_start_matches('\u{feff}').trim()).filter(|name| !name.is_empty()) {
        if !after.iter().any(|known| known == name) {
            after.push(name.to_owned());
        }
    }
    let added = after.len() - before.len();
    commit(world, "import classes", vec![Change::Classes { before, after: after.into() }], Joins::Nothing);
    tell(world, Severity::Info, format!("{added} classes were added from {shown}."), Vec::new());
}

/// What the settings remember of a model.
pub(in super::super) fn is_test_engine(choice: &ModelChoice) -> bool {
    match choice.source {
        ModelSource::TestEngine => true,
        ModelSource::Checkpoint(_) => false,
    }
}
