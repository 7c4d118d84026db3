//! The clip's project file: opened on a thread once the clip is there, turned into the world, watched while it is written.
//!
//! The store writes by itself what `apply` tells it; here is what surrounds that: opening, what to say when it is somebody
//! else's, where the labeller was last time, and the state of saving. Makes no edits.

use std::path::{Path, PathBuf};

use bevy::prelude::*;
use crossbeam_channel::{Receiver, TryRecvError, bounded};
use serde::{Deserialize, Serialize};

use crate::label::{Change, ClipRecord, Edit, FrameIdx, ObjectId, chosen_stream};
use crate::store::{
    OnOtherClip, OpenNotice, OpenOptions, PROJECT_EXTENSION, ProjectClip, ProjectHandle, ProjectStore, SaveState,
    Snapshot, StoreError, named_as_project, project_clip, project_path, separate_project_path,
};
use crate::video::Clip;

use super::action::{Action, FileQuestion, ProjectChoice};
use super::apply;
use super::history::History;
use super::labels::{self, Classes, InOut, LabelIndex};
use super::notices::{Notices, Severity};
use super::state::{Answers, OpenClip, Playhead, Revisions, Selection, Waker};

/// The open project, and the one on its way.
#[derive(Resource, Default)]
pub struct Project {
    /// Where projects lie whose clip's folder cannot be written, and backups; without it there are no backups.
    pub data_folder: Option<PathBuf>,
    /// The open one.
    pub handle: Option<ProjectHandle>,
    /// How writing stood at the last look.
    pub saved: Option<SaveState>,
    /// Why the newest backup could not be made, as it was told.
    backup_problem: Option<String>,
    /// The file that was asked for; after a recovery another one is open.
    asked: Option<PathBuf>,
    /// The classes of the last clip, which this one's project does not hold yet.
    inherits_classes: bool,
    opening: Option<Opening>,
    /// Those that nobody waits for any more. Each has its project's lock until it is closed again.
    abandoned: Vec<Opening>,
    copying: Option<Receiver<Result<PathBuf, StoreError>>>,
}

impl Project {
    /// Nothing is open any more.
    pub(super) fn close(&mut self) {
        (self.handle, self.saved, self.asked, self.inherits_classes) = (None, None, None, false);
        self.backup_problem = None;
    }

    /// Whether this file is the open project, under whatever name.
    fn is_at(&self, path: &Path) -> bool {
        let open = self.handle.as_ref().map(|handle| handle.path().to_owned());
        self.asked.iter().chain(&open).any(|known| is_same_file(known, path))
    }

    /// The clip of this file, while a thread opens it or is about to close it again.
    fn on_its_way(&self, path: &Path) -> Option<&Clip> {
        let mut known = self.opening.iter().chain(&self.abandoned);
        known.find(|opening| is_same_file(&opening.path, path)).map(|opening| &opening.clip)
    }
}

fn is_same_file(one: &Path, other: &Path) -> bool {
    let real = |path: &Path| path.canonicalize().unwrap_or_else(|_| path.to_owned());
    real(one) == real(other)
}

/// Whether a project lies where its clip does. Its path may be the clip's real one.
pub(super) fn is_beside(project: &Path, clip: &Path) -> bool {
    match (project.parent(), clip.parent()) {
        (Some(one), Some(other)) => {
            is_same_file(one, other) || clip.canonicalize().is_ok_and(|clip| clip.parent() == Some(one))
        }
        (None, _) | (_, None) => false,
    }
}

struct Opening {
    path: PathBuf,
    clip: Clip,
    choice: ProjectChoice,
    answer: Receiver<Result<Opened, StoreError>>,
}

impl Opening {
    fn is_of(&self, path: &Path, clip: &Clip, choice: &ProjectChoice) -> bool {
        let is_same_clip = self.clip.path() == clip.path() && self.clip.identity() == clip.identity();
        self.path == path && self.choice == *choice && is_same_clip
    }
}

/// A project that was opened and is not in the world yet.
pub(super) struct Opened {
    store: ProjectStore,
    snapshot: Snapshot,
    notices: Vec<OpenNotice>,
}

/// Where the labeller was.
#[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
struct Session {
    frame: FrameIdx,
    selected: Option<ObjectId>,
}

/// The clip of a project file; `None` when the file is not named like one.
pub(super) fn clip_of(world: &World, file: &Path) -> Option<Result<ProjectClip, String>> {
    file.extension().filter(|extension| *extension == PROJECT_EXTENSION)?;
    // Reading a project that is open here would let go of SQLite's locks on it.
    let project = world.resource::<Project>();
    let open = world.resource::<OpenClip>().clip().filter(|_| project.is_at(file));
    if let Some(clip) = open.or_else(|| project.on_its_way(file)) {
        return Some(Ok(ProjectClip { path: clip.path().to_owned(), stream: clip.chosen_stream() }));
    }
    Some(project_clip(file).map_err(|error| error.to_string()))
}

fn path_of(clip: &Clip, choice: &ProjectChoice, data_folder: Option<&Path>) -> PathBuf {
    let (folder, identity) = (data_folder.map(Path::to_owned), clip.identity().as_str());
    let folder = folder.unwrap_or_else(|| std::env::temp_dir().join("label-hub"));
    match choice {
        ProjectChoice::Own => project_path(clip.path(), &folder, identity),
        ProjectChoice::Separate => separate_project_path(clip.path(), &folder, identity),
        ProjectChoice::At(path) | ProjectChoice::Relink(path) => path.clone(),
    }
}

/// Begins to open the project of a clip that was indexed. Reading a large one takes a moment, so a thread does it.
pub(super) fn begin(world: &mut World, clip: Clip, choice: ProjectChoice) {
    let data_folder = world.resource::<Project>().data_folder.clone();
    let path = path_of(&clip, &choice, data_folder.as_deref());
    let mut project = world.resource_mut::<Project>();
    // Its own lock would keep one that is still on its way from being opened a second time.
    if let Some(known) = project.abandoned.iter().position(|known| known.is_of(&path, &clip, &choice)) {
        project.opening = Some(project.abandoned.swap_remove(known));
        return;
    }
    let record = clip.record();
    let waker = world.resource::<Waker>().0.clone();
    let options = OpenOptions {
        on_other_clip: match choice {
            ProjectChoice::Own | ProjectChoice::Separate | ProjectChoice::At(_) => OnOtherClip::Refuse,
            ProjectChoice::Relink(_) => OnOtherClip::Relink,
        },
        data_folder,
        waker: waker.clone(),
    };
    // Its own lock would keep it from being opened again.
    if world.resource::<Project>().is_at(&path) && !apply::close_clip(world) {
        return;
    }
    let asked = path.clone();
    let (sender, answer) = bounded(1);
    let opening = std::thread::Builder::new().name("open-project".to_owned()).spawn(move || {
        let opened = ProjectStore::open(&path, &record, options);
        let opened = opened.map(|(store, snapshot, notices)| Opened { store, snapshot, notices });
        // The window may have gone: the project is then closed again.
        if sender.send(opened).is_ok() {
            waker();
        }
    });
    match opening {
        Ok(_) => world.resource_mut::<Project>().opening = Some(Opening { path: asked, clip, choice, answer }),
        Err(error) => {
            apply::clip_failed(world);
            let text = format!("The project of {} was not opened: {error}", clip.path().display());
            world.resource_mut::<Notices>().push(Severity::Error, text, Vec::new());
        }
    }
}

/// Another clip was asked for: the project on its way is not wanted any more.
pub(super) fn forget_opening(world: &mut World) {
    let mut project = world.resource_mut::<Project>();
    let opening = project.opening.take();
    project.abandoned.extend(opening);
}

/// Closes what was opened and is not wanted any more; that may wait for a disk, so a thread does it.
fn close_abandoned(project: &mut Project) {
    project.abandoned.retain(|opening| match opening.answer.try_recv() {
        Err(TryRecvError::Empty) => true,
        Ok(Ok(opened)) => {
            let closing = std::thread::Builder::new().name("close-project".to_owned()).spawn(move || drop(opened));
            // Without a thread it was closed here.
            drop(closing);
            false
        }
        // Whoever asks for it again is told why it does not open.
        Ok(Err(_)) | Err(TryRecvError::Disconnected) => false,
    });
}

/// Takes the opened project up.
pub(super) fn receive_project(world: &mut World) {
    let mut project = world.resource_mut::<Project>();
    close_abandoned(&mut project);
    let Some(opening) = project.opening.take() else { return };
    match opening.answer.try_recv() {
        Err(TryRecvError::Empty) => project.opening = Some(opening),
        Err(TryRecvError::Disconnected) => {
            apply::clip_failed(world);
            let text = format!("{}: reading the project failed; the log has the reason", opening.clip.path().display());
            world.resource_mut::<Notices>().push(Severity::Error, text, Vec::new());
        }
        Ok(Ok(opened)) => {
            let elsewhere = elsewhere(&opening);
            if apply::clip_opened(world, opening.clip, &opening.path, opened) {
                if let Some(text) = elsewhere {
                    world.resource_mut::<Notices>().push(Severity::Info, text, Vec::new());
                }
                world.resource_mut::<Project>().asked = Some(opening.path);
            }
        }
        Ok(Err(error)) => {
            apply::clip_failed(world);
            let ways_out = ways_out_of(&error, &opening);
            world.resource_mut::<Notices>().push(Severity::Error, error.to_string(), ways_out);
        }
    }
}

/// What to say when a clip was opened and its project turned out to lie elsewhere.
fn elsewhere(opening: &Opening) -> Option<String> {
    let clip = opening.clip.path();
    let name = clip.file_name().unwrap_or(clip.as_os_str()).to_string_lossy();
    let text = format!("The labels of {name} are not kept beside it but in {}.", opening.path.display());
    (opening.choice == ProjectChoice::Own && !is_beside(&opening.path, clip)).then_some(text)
}

/// What can be done about a project that does not open.
fn ways_out_of(error: &StoreError, opening: &Opening) -> Vec<(String, Action)> {
    let open = |choice| Action::OpenWith(opening.clip.path().to_owned(), opening.clip.chosen_stream(), choice);
    let again = ("Try again".to_owned(), open(opening.choice.clone()));
    let separate = ("Start a separate project".to_owned(), open(ProjectChoice::Separate));
    match error {
        StoreError::Locked { .. } => vec![again],
        StoreError::OtherClip { .. } | StoreError::OtherFrames { .. } => {
            let relink = open(ProjectChoice::Relink(opening.path.clone()));
            vec![("Link the labels to this clip".to_owned(), relink), separate]
        }
        StoreError::Misfit { .. }
        | StoreError::OtherPictures { .. }
        | StoreError::Foreign { .. }
        | StoreError::Newer { .. } => vec![separate],
        StoreError::Unrecoverable { passed_over, .. } => {
            let earlier = passed_over.iter().map(|project| way_to(project, &opening.clip.record()));
            earlier.chain([separate]).collect()
        }
        StoreError::Open { .. } | StoreError::NotSaved { .. } => vec![again, separate],
        StoreError::Unknown(_)
        | StoreError::Damaged { .. }
        | StoreError::Read { .. }
        | StoreError::NoClip { .. }
        | StoreError::Copy { .. } => vec![again],
    }
}

/// Fills the empty world of a clip with what its project holds; gives the store back, for the link.
pub(super) fn take_up(world: &mut World, opened: Opened) -> ProjectStore {
    let Opened { store, snapshot, notices } = opened;
    for notice in notices {
        let ways_out = match &notice {
            OpenNotice::ReadOnly { .. } => {
                vec![("Save a copy…".to_owned(), Action::Ask(FileQuestion::SaveProjectCopy))]
            }
            OpenNotice::LabelsElsewhere { projects, .. } => {
                projects.iter().map(|project| way_to(project, &snapshot.clip)).collect()
            }
            OpenNotice::Recovered { passed_over, .. } => {
                passed_over.iter().map(|project| way_to(project, &snapshot.clip)).collect()
            }
            _ => Vec::new(),
        };
        world.resource_mut::<Notices>().push(Severity::Warning, notice.to_string(), ways_out);
    }
    let Snapshot { objects, prompts, marks, in_out, classes, done, undone, last_revision, session, clip } = snapshot;
    let mut changes: Vec<Change> = Vec::with_capacity(objects.len() + prompts.len() + marks.len());
    changes.extend(objects.into_iter().map(|(id, facts)| Change::Object { id, before: None, after: Some(facts) }));
    changes.extend(prompts.into_iter().map(|(object, frame, said)| Change::Prompt {
        object,
        frame,
        before: None,
        after: Some(said),
    }));
    changes.extend(marks.into_iter().map(|(object, frame, mark)| Change::Mark {
        object,
        frame,
        before: None,
        after: Some(mark),
    }));
    labels::apply(world, &Edit { name: "open".to_owned(), changes });
    world.resource_mut::<InOut>().0 = in_out;
    // A project without classes goes on with those of the last clip, and holds them from its first change on.
    let inherits_classes = classes.is_empty() && !store.is_read_only();
    if !inherits_classes {
        world.resource_mut::<Classes>().0 = classes;
    }
    world.resource_mut::<Revisions>().go_on_from(last_revision);
    let steps = |steps: Vec<crate::store::StoredStep>| steps.into_iter().map(|step| (step.edit, step.is_follow_up));
    world.resource_mut::<History>().restore(steps(done), steps(undone));
    if !store.is_read_only() {
        let unanswered = unanswered(world);
        world.resource_mut::<Answers>().wanted.extend(unanswered);
    }
    let session = session.map_or_else(Session::default, |text| {
        serde_json::from_str(&text).unwrap_or_else(|error| {
            // Only where the labeller was; the labels are all there.
            let text = format!("Where this clip was left is not known ({error}); it starts at its first frame.");
            world.resource_mut::<Notices>().note(Severity::Info, text);
            Session::default()
        })
    });
    world.resource_mut::<Playhead>().0 = session.frame.min(FrameIdx(clip.frame_count - 1));
    let index = world.resource::<LabelIndex>();
    let selected = session.selected.filter(|id| index.object(*id).is_some());
    world.resource_mut::<Selection>().0 = selected;
    let mut project = world.resource_mut::<Project>();
    project.handle = Some(store.handle());
    project.saved = None;
    project.inherits_classes = inherits_classes;
    store
}

/// The way to a clip's labels in another project.
fn way_to(project: &Path, clip: &ClipRecord) -> (String, Action) {
    let name = project.file_name().unwrap_or(project.as_os_str()).to_string_lossy();
    let choice = ProjectChoice::At(project.to_owned());
    (format!("Open {name}"), Action::OpenWith(clip.path.clone(), chosen_stream(&clip.identity), choice))
}

/// Prompts whose mask had not come when the project was closed.
fn unanswered(world: &World) -> Vec<(ObjectId, FrameIdx)> {
    let index = world.resource::<LabelIndex>();
    let prompts = index.objects().flat_map(|(id, _)| index.prompts_of(id).map(move |(frame, _)| (id, frame)));
    let open = labels::open_prompts(world);
    prompts.filter(|(id, frame)| open.contains(&(*id, *frame)) || labels::is_unanswered(world, *id, *frame)).collect()
}

/// With its first change a project takes the classes of the clip before it, unless that change is about classes.
pub(super) fn take_inherited_classes(world: &mut World) -> Option<Edit> {
    if !std::mem::take(&mut world.resource_mut::<Project>().inherits_classes) {
        return None;
    }
    let after = world.resource::<Classes>().0.clone();
    let before = std::sync::Arc::from(Vec::new());
    (!after.is_empty()).then(|| Edit { name: "classes".to_owned(), changes: vec![Change::Classes { before, after }] })
}

/// Where the labeller is, for the next time.
pub(super) fn session(world: &World) -> String {
    let session = Session { frame: world.resource::<Playhead>().0, selected: world.resource::<Selection>().0 };
    serde_json::to_string(&session).expect("numbers are plain JSON")
}

/// Says when writing or a backup begins to fail, and when writing works again.
pub(super) fn watch_saving(mut project: ResMut<Project>, mut notices: ResMut<Notices>) {
    let Some(handle) = &project.handle else { return };
    let (now, backup_problem) = (handle.saved(), handle.backup_problem());
    if backup_problem != project.backup_problem {
        if let Some(problem) = &backup_problem {
            let text = format!("{problem}. The project itself is saved as ever; only its backups are missing.");
            notices.push(Severity::Warning, text, Vec::new());
        }
        project.backup_problem = backup_problem;
    }
    if project.saved.as_ref() == Some(&now) {
        return;
    }
    let is_failing = |state: &SaveState| matches!(state, SaveState::Failed(_));
    let was_failing = project.saved.as_ref().is_some_and(is_failing);
    match &now {
        SaveState::Failed(text) if !was_failing => {
            let ways_out = vec![
                ("Try again".to_owned(), Action::RetryWriting),
                ("Save a copy…".to_owned(), Action::Ask(FileQuestion::SaveProjectCopy)),
            ];
            notices.push(Severity::Error, text.clone(), ways_out);
        }
        SaveState::Saved if was_failing => {
            notices.dismiss_where(|notice| notice.ways_out.iter().any(|(_, action)| *action == Action::RetryWriting));
            notices.push(Severity::Info, "Everything is saved again.", Vec::new());
        }
        // Between two tries it is not yet news.
        SaveState::Saving if was_failing => return,
        SaveState::Failed(_) | SaveState::Saved | SaveState::Saving => {}
    }
    project.saved = Some(now);
}

/// Writes the whole project elsewhere, on a thread; without a project's ending it could not be opened again.
pub(super) fn save_copy(world: &mut World, target: PathBuf) {
    let Some(handle) = world.resource::<Project>().handle.clone() else { return };
    if world.resource::<Project>().copying.is_some() {
        let text = "A copy is being written already; wait until it is told to be there.";
        world.resource_mut::<Notices>().push(Severity::Info, text, Vec::new());
        return;
    }
    let target = named_as_project(target);
    let waker = world.resource::<Waker>().0.clone();
    let (sender, answer) = bounded(1);
    let copying = std::thread::Builder::new().name("copy-project".to_owned()).spawn(move || {
        let copied = handle.save_copy(&target).map(|()| target);
        // The window may have gone; the copy is there all the same.
        if sender.send(copied).is_ok() {
            waker();
        }
    });
    match copying {
        Ok(_) => world.resource_mut::<Project>().copying = Some(answer),
        Err(error) => {
            world.resource_mut::<Notices>().push(
                Severity::Error,
                format!("The copy was not begun: {error}"),
                Vec::new(),
            );
        }
    }
}

/// Says how the copy went.
pub(super) fn receive_copy(mut project: ResMut<Project>, mut notices: ResMut<Notices>) {
    let Some(copied) = project.copying.as_ref().map(Receiver::try_recv) else { return };
    if copied == Err(TryRecvError::Empty) {
        return;
    }
    project.copying = None;
    match copied.map_err(|gone| gone.to_string()).and_then(|copied| copied.map_err(|error| error.to_string())) {
        Ok(path) => notices.push(Severity::Info, format!("The project was copied to {}.", path.display()), Vec::new()),
        Err(error) => {
            let again = ("Choose another place…".to_owned(), Action::Ask(FileQuestion::SaveProjectCopy));
            notices.push(Severity::Error, error, vec![again]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn clip_in(folder: &Path) -> Clip {
        let picture = image::RgbImage::from_pixel(8, 6, image::Rgb([1, 2, 3]));
        picture.save(folder.join("0.png")).expect("writable");
        crate::video::open_quietly(folder).expect("a folder of one image")
    }

    fn opened(path: &Path, clip: &Clip) -> Result<Opened, StoreError> {
        let options =
            OpenOptions { on_other_clip: OnOtherClip::Refuse, data_folder: None, waker: std::sync::Arc::new(|| {}) };
        let opened = ProjectStore::open(path, &clip.record(), options);
        opened.map(|(store, snapshot, notices)| Opened { store, snapshot, notices })
    }

    #[test]
    fn a_project_that_was_given_up_is_taken_up_again_or_closed() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let images = folder.path().join("images");
        std::fs::create_dir(&images).expect("writable");
        let clip = clip_in(&images);
        let path = folder.path().join("p.labelhub");
        let choice = ProjectChoice::At(path.clone());
        let (sender, answer) = bounded(1);
        let opening = Opening { path: path.clone(), clip: clip.clone(), choice: choice.clone(), answer };
        let mut world = World::new();
        world.insert_resource(Project { opening: Some(opening), ..Project::default() });
        forget_opening(&mut world);
        begin(&mut world, clip.clone(), choice);
        let project = world.resource::<Project>();
        assert!(project.opening.is_some() && project.abandoned.is_empty(), "it is the same one");
        forget_opening(&mut world);
        sender.send(opened(&path, &clip)).expect("it is still waited for");
        receive_project(&mut world);
        assert!(world.resource::<Project>().abandoned.is_empty());
        let since = std::time::Instant::now();
        while let Err(error) = opened(&path, &clip) {
            assert!(matches!(error, StoreError::Locked { .. }), "{error}");
            assert!(since.elapsed().as_secs() < 60, "nobody closed it");
            std::thread::yield_now();
        }
    }

    #[test]
    fn a_session_comes_back_and_a_strange_one_is_passed_over() {
        let session = Session { frame: FrameIdx(7), selected: Some(ObjectId(2)) };
        let text = serde_json::to_string(&session).expect("plain");
        assert_eq!(serde_json::from_str::<Session>(&text).expect("own text"), session);
        assert_eq!(
            serde_json::from_str::<Session>(r#"{"from_tomorrow":1}"#).expect("unknown keys"),
            Session::default()
        );
    }
}
