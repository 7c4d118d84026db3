//! Opening clips and models, saving masks, class lists.

use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, RwLock};

use bevy::prelude::*;

use crate::engine::{EngineCommand, ModelChoice, ModelSource};
use crate::label::{Change, counted};
use crate::store::{SaveState, StoreError};
use crate::video::{Clip, Notice as ClipNotice, SameClip, VideoCommand, VideoStream};

use super::super::action::{Action, FileQuestion, Panel, ProjectChoice};
use super::super::export::Exporting;
use super::super::history::{History, Joins};
use super::super::input::Keymap;
use super::super::labels::{Classes, InOut, LabelIndex, Marks};
use super::super::mask_window::BrokenMasks;
use super::super::notices::{Notices, Severity};
use super::super::project::{self, Project};
use super::super::sample;
use super::super::save::{SaveJob, default_folder, spawn};
use super::super::settings::Settings;
use super::super::siblings::next_clip;
use super::super::state::{
    Answers, ClipStatus, CurrentRun, EngineLink, Model, ModelStatus, OpenClip, Overlay, Pace, Playback, Playhead,
    Preview, Saving, Selection, Shown, StoreLink, Tracking, VideoLink, ViewRequest, ViewRequests, Waker, Windows,
};
use super::{commit, tell};

/// Class lists are short; a larger file is something else.
const MAX_CLASS_FILE_BYTES: u64 = 1 << 20;

pub(super) fn perform(world: &mut World, action: Action) {
    match action {
        Action::Ask(question) => world.resource_mut::<Windows>().question = Some(question),
        Action::Open(path) => match project::clip_of(world, &path) {
            None => perform(world, Action::OpenWith(path, None, ProjectChoice::Own)),
            Some(Ok(clip)) => perform(world, Action::OpenWith(clip.path, clip.stream, ProjectChoice::At(path))),
            Some(Err(reason)) => tell(world, Severity::Error, reason, Vec::new()),
        },
        Action::OpenAnyway(path, stream, choice) => open(world, path, stream, choice, true),
        Action::OpenWith(path, stream, choice) => {
            let anyway = Action::OpenAnyway(path.clone(), stream, choice.clone());
            if may_leave(world, "opening another clip", "Open anyway", anyway) {
                open(world, path, stream, choice, false);
            }
        }
        Action::RetryWriting => {
            if let Some(handle) = &world.resource::<Project>().handle {
                handle.retry_now();
            }
        }
        Action::SaveProjectCopy(target) => project::save_copy(world, target),
        Action::OpenSample => open_sample(world),
        Action::NextClip => {
            if let Some(path) = world.resource::<OpenClip>().next.clone() {
                perform(world, Action::Open(path));
            }
        }
        Action::SaveMasks => {
            let clip = world.resource::<OpenClip>().clip();
            let folder = clip.map(|clip| default_folder(clip.path(), clip.chosen_stream()));
            if let Some(folder) = folder {
                save(world, folder, false);
            }
        }
        Action::SaveMasksTo(folder) => save(world, folder, false),
        Action::SaveMasksAnyway(folder) => save(world, folder, true),
        Action::StopSaving => world.resource::<Saving>().stop(),
        Action::TellSaved => tell_saved(world),
        Action::ImportClasses(path) => import_classes(world, &path),
        Action::LoadModel(choice) => load_model(world, choice),
        Action::RetryModel => {
            if let Some(choice) = world.resource::<Model>().choice.clone() {
                load_model(world, choice);
            }
        }
        Action::Quit => {
            if may_leave(world, "quitting", "Quit anyway", Action::QuitAnyway) {
                match close_project(world) {
                    Ok(()) => drop(world.write_message(AppExit::Success)),
                    Err(error) => not_left(world, &error, "Quit anyway", Action::QuitAnyway),
                }
            }
        }
        Action::QuitAnyway => {
            // Agreed: what cannot be written now is lost.
            if let Err(error) = close_project(world) {
                tell(world, Severity::Error, error.to_string(), Vec::new());
            }
            world.write_message(AppExit::Success);
        }
        _ => unreachable!("perform sends actions about files here"),
    }
}

fn open_sample(world: &mut World) {
    let data_folder = world.resource::<Project>().data_folder.clone();
    match data_folder.as_deref().map(sample::put) {
        Some(Ok(path)) => perform(world, Action::OpenWith(path, None, ProjectChoice::Own)),
        Some(Err(error)) => {
            let text = format!("The sample could not be put in place: {error}");
            tell(world, Severity::Error, text, vec![("Try again".to_owned(), Action::OpenSample)]);
        }
        None => {
            let text =
                "The sample has no place: this system has no folder for the program's data (set LABEL_HUB_HOME).";
            tell(world, Severity::Error, text, Vec::new());
        }
    }
}

/// Whether the open clip may be left. While something of it is not written it may not, and the labeller is told the ways
/// on.
fn may_leave(world: &mut World, what: &str, anyway: &str, action: Action) -> bool {
    let saving = world.resource::<Saving>();
    if saving.progress.is_some() {
        let (written, total) = saving.counts;
        let text = format!("Masks are still being written, {written} of {total}; {what} would end that.");
        tell(world, Severity::Warning, text, vec![(anyway.to_owned(), action)]);
        return false;
    }
    if world.resource::<Exporting>().events.is_some() {
        let text = format!("A dataset is being written or read; {what} would end that.");
        tell(world, Severity::Warning, text, vec![(anyway.to_owned(), action)]);
        return false;
    }
    if let Some(run) = world.resource::<CurrentRun>().0.as_ref().filter(|run| !run.is_disowned) {
        let made = counted(run.masks, "mask");
        let text = format!("{} {what} would end that; the {made} it has brought would stay.", going_on(run));
        tell(world, Severity::Warning, text, vec![(anyway.to_owned(), action)]);
        return false;
    }
    let state = world.resource::<StoreLink>().read().saved();
    match state {
        // Closing waits for what is on its way.
        SaveState::Saved | SaveState::Saving => true,
        SaveState::Failed(reason) => {
            let text = format!("The last changes are not saved, and {what} would lose them. {reason}");
            tell(world, Severity::Warning, text, ways_to_leave(anyway, action));
            false
        }
    }
}

/// What is said of a run that keeps the labeller here; it leaves the screen with the run.
pub(super) fn going_on(run: &Tracking) -> String {
    format!("\"{}\" is going on:", run.name)
}

fn ways_to_save() -> Vec<(String, Action)> {
    vec![
        ("Try again".to_owned(), Action::RetryWriting),
        ("Save a copy…".to_owned(), Action::Ask(FileQuestion::SaveProjectCopy)),
    ]
}

/// The same for whoever may also leave without.
fn ways_to_leave(anyway: &str, action: Action) -> Vec<(String, Action)> {
    ways_to_save().into_iter().chain([(anyway.to_owned(), action)]).collect()
}

/// The last changes could not be written when the clip was to be left: it stays, and so do they.
fn not_left(world: &mut World, error: &StoreError, anyway: &str, action: Action) {
    tell(world, Severity::Error, error.to_string(), ways_to_leave(anyway, action));
}

/// Lets go of the project; its store writes what is left and closes the file.
///
/// # Errors
/// When something could not be written; the project is then open as before.
fn close_project(world: &mut World) -> Result<(), StoreError> {
    let session = project::session(world);
    let store = world.resource::<StoreLink>().clone();
    let mut held = store.write();
    held.note_session(&session);
    held.close()?;
    drop(held);
    world.insert_resource(StoreLink::default());
    world.resource_mut::<Project>().close();
    Ok(())
}

/// Asks for a clip. The labels of the one that is open stay until the new one is there.
fn open(world: &mut World, path: PathBuf, stream: Option<u32>, choice: ProjectChoice, may_lose: bool) {
    project::forget_opening(world);
    let generation = world.resource::<VideoLink>().0.send(VideoCommand::Open { path: path.clone(), stream });
    world.insert_resource(Shown::default());
    world.resource_mut::<Playback>().running = None;
    let mut open = world.resource_mut::<OpenClip>();
    let status = ClipStatus::Opening { path, stream, choice, may_lose, generation, progress: None };
    if let ClipStatus::Open(clip) = std::mem::replace(&mut open.status, status) {
        open.before = Some(clip);
    }
}

/// The labeller does not want the clip any more that is being opened. False when none is.
pub(super) fn cancel_opening(world: &mut World) -> bool {
    let ClipStatus::Opening { path, .. } = &world.resource::<OpenClip>().status else { return false };
    let text = format!("{} was not opened.", path.display());
    project::forget_opening(world);
    clip_failed(world);
    tell(world, Severity::Info, text, Vec::new());
    true
}

/// The clip that was asked for cannot be opened, or shall not be: the one before comes back as it was.
pub(in super::super) fn clip_failed(world: &mut World) {
    let mut open = world.resource_mut::<OpenClip>();
    let Some(clip) = open.before.take() else {
        open.status = ClipStatus::None;
        world.resource::<VideoLink>().0.send(VideoCommand::Close);
        return;
    };
    open.status = ClipStatus::Open(clip.clone());
    world.insert_resource(Shown::default());
    world.resource::<VideoLink>().0.send(VideoCommand::Use { clip: SameClip(clip) });
}

/// Forgets everything about the clip that was open, in favour of the one that is being opened. It does not come back when
/// that one fails. False when its last changes cannot be written: then it comes back now, and the labeller is told.
pub(in super::super) fn close_clip(world: &mut World) -> bool {
    super::edits::disown_run(world);
    if let Err(error) = close_project(world) {
        let (path, stream, choice, may_lose) = match &world.resource::<OpenClip>().status {
            ClipStatus::Opening { path, stream, choice, may_lose, .. } => {
                (path.clone(), *stream, choice.clone(), *may_lose)
            }
            ClipStatus::None | ClipStatus::Open(_) => unreachable!("a clip is closed when another is being opened"),
        };
        if !may_lose {
            clip_failed(world);
            not_left(world, &error, "Open anyway", Action::OpenAnyway(path, stream, choice));
            return false;
        }
        tell(world, Severity::Error, error.to_string(), Vec::new());
        world.resource_mut::<Project>().close();
    }
    let status = std::mem::take(&mut world.resource_mut::<OpenClip>().status);
    let entities: Vec<Entity> = world.resource::<LabelIndex>().objects().map(|(_, entity)| entity).collect();
    for entity in entities {
        world.entity_mut(entity).despawn();
    }
    world.resource_mut::<History>().clear();
    let told = world.resource::<OpenClip>().before.as_ref().map_or_else(Vec::new, |clip| clip.notices().to_vec());
    let mut notices = world.resource_mut::<Notices>();
    notices.settle(true);
    notices.dismiss_where(|notice| {
        notice.ways_out.iter().any(|(_, action)| is_about_clip(action))
            || told.iter().any(|of_clip| of_clip.to_string() == notice.text)
    });
    world.resource_mut::<InOut>().0 = None;
    world.insert_resource(Playhead::default());
    world.insert_resource(Shown::default());
    world.insert_resource(Selection::default());
    world.insert_resource(Overlay::default());
    world.insert_resource(Preview::default());
    world.insert_resource(Answers::default());
    world.insert_resource(OpenClip { status, ..OpenClip::default() });
    world.insert_resource(CurrentRun::default());
    world.resource_mut::<Playback>().running = None;
    world.insert_resource(StoreLink::default());
    world.insert_resource(BrokenMasks::default());
    world.resource::<Saving>().stop();
    world.resource::<Exporting>().stop();
    world.insert_resource(Exporting::default());
    world.resource_mut::<ViewRequests>().0.clear();
    world.resource_mut::<Saving>().last = None;
    true
}

/// Whether an action means the clip that is open, or asks for one in place of one that could not be opened: from a notice
/// about another one it would do harm, or come too late.
fn is_about_clip(action: &Action) -> bool {
    let is_question = |question: &FileQuestion| {
        use FileQuestion::{ExportTo, OpenClip, SaveMasksTo, SaveProjectCopy};
        matches!(question, SaveProjectCopy | SaveMasksTo | ExportTo | OpenClip)
    };
    match action {
        Action::Ask(question) => is_question(question),
        Action::Export(_)
        | Action::ImportLabels(_)
        | Action::SaveMasks
        | Action::SaveMasksTo(_)
        | Action::SaveMasksAnyway(_)
        | Action::SaveProjectCopy(_)
        | Action::RetryWriting
        | Action::GoTo(_)
        | Action::AskAgain(..)
        | Action::Track(_)
        | Action::TrackSelected(_) => true,
        other => other.is_undoable(),
    }
}

/// The clip is there; its project comes next.
pub(in super::super) fn clip_indexed(world: &mut World, clip: Clip) {
    let choice = match &world.resource::<OpenClip>().status {
        ClipStatus::Opening { choice, .. } => choice.clone(),
        ClipStatus::None | ClipStatus::Open(_) => return,
    };
    project::begin(world, clip, choice);
}

/// Clip and project are open: everything goes on from what the project holds. False when the clip before cannot be left.
/// `project` is the file that was asked for.
pub(in super::super) fn clip_opened(world: &mut World, clip: Clip, project: &Path, opened: project::Opened) -> bool {
    if !close_clip(world) {
        return false;
    }
    for notice in clip.notices() {
        let ways_out = match notice {
            ClipNotice::SeveralVideoStreams { .. } => other_streams(&clip),
            _ => Vec::new(),
        };
        tell(world, Severity::Warning, notice.to_string(), ways_out);
    }
    // By its path a clip comes back with the stream that it shows by itself; a project knows its own.
    let recent = clip.chosen_stream().map_or(clip.path(), |_| project);
    world.resource_mut::<Settings>().add_recent(recent);
    world.resource::<EngineLink>().0.send(EngineCommand::UseClip(clip.clone()));
    let next = next_clip(clip.path());
    world.insert_resource(OpenClip { status: ClipStatus::Open(clip), next, before: None });
    let store = project::take_up(world, opened);
    world.insert_resource(StoreLink(Arc::new(RwLock::new(store))));
    world.resource_mut::<ViewRequests>().0.push(ViewRequest::Fit);
    true
}

/// The ways to the streams of a clip that are not shown.
fn other_streams(clip: &Clip) -> Vec<(String, Action)> {
    let others = clip.facts().streams.iter().filter(|stream| Some(stream.index) != clip.facts().stream);
    let show = |stream: &VideoStream| {
        let action = Action::OpenWith(clip.path().to_owned(), Some(stream.index), ProjectChoice::Own);
        (format!("Show stream {stream}"), action)
    };
    others.map(show).collect()
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
    world.insert_resource(Pace::default());
    *world.resource_mut::<Model>() = Model { choice: Some(choice), status: ModelStatus::Loading(generation) };
}

fn save(world: &mut World, folder: PathBuf, replaces_other_clip: bool) {
    let Some(clip) = world.resource::<OpenClip>().clip() else { return };
    let (clip, identity) = (clip.path().to_owned(), clip.identity().clone());
    let index = world.resource::<LabelIndex>();
    let mut masks = Vec::new();
    for (object, entity) in index.objects() {
        let marks = world.get::<Marks>(entity).into_iter().flat_map(|marks| marks.frames.iter());
        masks.extend(marks.map(|(frame, mark)| (*frame, object, mark.mask)));
    }
    masks.sort_unstable();
    let total = masks.len();
    let is_stopped = Arc::new(AtomicBool::new(false));
    let store = world.resource::<StoreLink>().clone();
    let (at, stop) = (folder.clone(), is_stopped.clone());
    let job = SaveJob { folder: at, clip, identity, masks, store, replaces_other_clip, is_stopped: stop };
    match spawn(job, world.resource::<Waker>().0.clone()) {
        Ok(progress) => {
            let mut saving = world.resource_mut::<Saving>();
            saving.progress = Some(progress);
            saving.counts = (0, total);
            saving.is_stopped = is_stopped;
        }
        Err(error) => {
            let ways_out = vec![("Save again".to_owned(), Action::SaveMasksTo(folder))];
            tell(world, Severity::Error, format!("Saving could not start: {error}"), ways_out);
        }
    }
}

/// Nothing needs to be saved by hand: says so, and what the labeller may have wanted instead.
fn tell_saved(world: &mut World) {
    let Some(handle) = world.resource::<Project>().handle.clone() else { return };
    if handle.is_read_only() {
        let text = "This project is open for reading only: nothing is saved, and nothing was changed.";
        let copy = ("Save a copy…".to_owned(), Action::Ask(FileQuestion::SaveProjectCopy));
        return tell(world, Severity::Warning, text, vec![copy]);
    }
    let place = match world.resource::<OpenClip>().clip() {
        Some(clip) if project::is_beside(handle.path(), clip.path()) => handle.path().file_name(),
        Some(_) | None => None,
    };
    let place = Path::new(place.unwrap_or(handle.path().as_os_str())).display();
    match handle.saved() {
        SaveState::Saved | SaveState::Saving => {
            let export = Action::TogglePanel(Panel::Export);
            let keys = world.get_resource::<Keymap>().and_then(|keymap| keymap.shortcut_text(&export));
            let exports = keys.map(|keys| format!(" {keys} exports.")).unwrap_or_default();
            let text = format!("Everything is saved already, in {place}.{exports}");
            tell(world, Severity::Info, text, vec![("Export…".to_owned(), export)]);
        }
        SaveState::Failed(reason) => {
            tell(world, Severity::Error, format!("The last changes are not saved. {reason}"), ways_to_save());
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
