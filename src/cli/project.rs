//! The project a command is about: found, opened for writing or for reading, and handed to exports.
//!
//! The user names a project file or the clip it belongs to. Where a window would ask, a command refuses, so what is
//! given back can be worked on without a further look.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::clip::open_clip;
use super::exit::CliError;
use super::signals::StopFlag;
use crate::folders::data_folder;
use crate::formats::{ClipFacts, GatheredLabels, ObjectInfo, SourceError};
use crate::label::{Change, Edit, FrameIdx, FrameMark, Mask, MaskId, ObjectId};
use crate::store::{
    Durability, HistoryChange, LabelStore, OnOtherClip, OpenNotice, OpenOptions, PROJECT_EXTENSION, ProjectClip,
    ProjectCopy, ProjectStore, Snapshot, canonical_project_path, is_project_there, project_clip, project_path,
    projects_without_clip,
};
use crate::video::Clip;

/// An open project and its clip.
pub struct Project {
    /// The clip.
    pub clip: Clip,
    /// Its masks.
    pub store: ProjectStore,
    /// All that was in it when it was opened but for the marks, which are in `marks`.
    pub snapshot: Snapshot,
    /// The marks as they are now.
    pub marks: BTreeMap<(ObjectId, FrameIdx), FrameMark>,
    /// What the user should know about clip and project.
    pub notices: Vec<String>,
    has_undone: bool,
}

/// What to do about a clip that has no project yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WithoutProject {
    /// Refuse.
    Refuse,
    /// Make one.
    Make,
}

/// A clip, and where its project lies or would lie.
struct Place {
    clip: Clip,
    project: PathBuf,
}

impl Project {
    /// Opens the project the user named for writing.
    ///
    /// # Errors
    /// When clip or project cannot be opened, somebody else has it open, or nothing can be written to it. A damaged
    /// project is recovered into a new file, and that is told as an error: somebody should look at what is lost.
    pub fn open_to_write(named: &Path, without: WithoutProject, stop: &StopFlag) -> Result<Self, CliError> {
        let place = Place::find(named, stop)?;
        place.expect_project(without)?;
        let Place { clip, project } = place;
        let (store, snapshot, notices) = ProjectStore::open(&project, &clip.record(), options())?;
        for notice in &notices {
            match notice {
                OpenNotice::Recovered { .. } => {
                    return Err(CliError::input(format!("{notice} Run the same command again to go on with that.")));
                }
                OpenNotice::ReadOnly { .. } => return Err(CliError::input(notice.to_string())),
                OpenNotice::OpenedRecovered { .. }
                | OpenNotice::OpenedInPlaceOf { .. }
                | OpenNotice::LabelsElsewhere { .. }
                | OpenNotice::Migrated { .. }
                | OpenNotice::Relinked { .. }
                | OpenNotice::WasEmpty { .. }
                | OpenNotice::SetAside { .. }
                | OpenNotice::NotLocked { .. } => {}
            }
        }
        Ok(Self::of(clip, store, snapshot, &notices))
    }

    /// Opens the project the user named for reading, also when its window is open. It stays as it is.
    ///
    /// # Errors
    /// When clip or project cannot be opened.
    pub fn open_to_read(named: &Path, stop: &StopFlag) -> Result<Self, CliError> {
        let place = Place::find(named, stop)?;
        place.expect_project(WithoutProject::Refuse)?;
        let Place { clip, project } = place;
        let (store, snapshot, notices) = ProjectCopy::take(&project)?.open(&clip.record(), &options())?;
        Ok(Self::of(clip, store, snapshot, &notices))
    }

    fn of(clip: Clip, store: ProjectStore, mut snapshot: Snapshot, notices: &[OpenNotice]) -> Self {
        let of_clip = clip.notices().iter().map(ToString::to_string);
        let notices = of_clip.chain(notices.iter().map(ToString::to_string)).collect();
        let marks = std::mem::take(&mut snapshot.marks).into_iter();
        let marks = marks.map(|(object, frame, mark)| ((object, frame), mark)).collect();
        let has_undone = !snapshot.undone.is_empty();
        Project { clip, store, snapshot, marks, notices, has_undone }
    }

    /// Its last frame.
    pub fn last_frame(&self) -> FrameIdx {
        FrameIdx(self.clip.frame_count().saturating_sub(1))
    }

    /// Puts a step of its own on the undo history and makes its changes.
    pub fn push_step(&mut self, edit: Edit, durability: Durability) {
        self.apply(&edit);
        // As in the window, what was undone does not come back after something new.
        if std::mem::take(&mut self.has_undone) {
            self.store.note_history(HistoryChange::ClearUndone);
        }
        self.store.note_history(HistoryChange::Push { edit, is_follow_up: false });
        self.store.finish(durability);
    }

    /// Makes changes that belong to the newest step.
    pub fn extend_step(&mut self, edit: Edit, durability: Durability) {
        self.apply(&edit);
        self.store.note_history(HistoryChange::Extend { below: 0, changes: edit.changes });
        self.store.finish(durability);
    }

    fn apply(&mut self, edit: &Edit) {
        for change in &edit.changes {
            match change {
                Change::Mark { object, frame, after: Some(mark), .. } => {
                    self.marks.insert((*object, *frame), *mark);
                }
                Change::Mark { object, frame, after: None, .. } => {
                    self.marks.remove(&(*object, *frame));
                }
                // The commands read these before they change anything.
                Change::Object { .. } | Change::Prompt { .. } | Change::InOut { .. } | Change::Classes { .. } => {}
            }
        }
        self.store.record(edit);
    }

    /// The labels for an export.
    pub fn labels(&self) -> GatheredLabels<impl Fn(MaskId) -> Result<Mask, SourceError> + '_> {
        let objects = self.snapshot.objects.iter().map(|(id, facts)| ObjectInfo {
            id: *id,
            name: facts.name.clone(),
            class: facts.class.clone(),
            colour: facts.colour,
            revision: facts.revision,
        });
        GatheredLabels {
            clip: ClipFacts::of(&self.clip),
            objects: objects.collect(),
            marks: self.marks.clone(),
            read: |id| Ok(self.store.get(id)?),
        }
    }

    /// Whether it has an object of this number.
    pub fn has_object(&self, id: u32) -> bool {
        self.snapshot.objects.iter().any(|(known, _)| known.0 == id)
    }
}

/// No project has the object; says which objects there are.
pub fn no_object(id: u32, projects: &[&Project]) -> CliError {
    let all = projects.iter().flat_map(|project| &project.snapshot.objects);
    let known: Vec<String> = all.map(|(id, facts)| format!("{id} ({})", facts.name)).collect();
    let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
    CliError::usage(format!("--objects: there is no object {id}; there are {known}"))
}

impl Place {
    fn find(named: &Path, stop: &StopFlag) -> Result<Self, CliError> {
        if named.extension().is_some_and(|ending| ending == PROJECT_EXTENSION) && !named.is_dir() {
            // One that is gone goes on in what was recovered of it.
            let project = fs::canonicalize(named)
                .or_else(|error| recovered_project(named).ok_or(error))
                .map_err(|e| CliError::input(format!("{}: no project there ({e}); check the path", named.display())))?;
            let ProjectClip { path, stream } = project_clip(&project)?;
            let clip = open_clip(&path, stream, stop)?;
            return Ok(Place { clip, project });
        }
        // In full, so that the project remembers where its clip is whatever folder this runs in. A clip that is not
        // there is named as the user did.
        let path = fs::canonicalize(named).unwrap_or_else(|_| named.to_owned());
        let clip = open_clip(&path, None, stop)?;
        // Where the window looks too when the system has no home folder.
        let data = data_folder().unwrap_or_else(|| std::env::temp_dir().join("label-hub"));
        let project = project_path(clip.path(), &data, clip.identity().as_str());
        Ok(Place { clip, project })
    }

    /// Refuses where there is no project and none is to be made; in any case where the clip's labels are in a project
    /// that it lost with its name.
    fn expect_project(&self, without: WithoutProject) -> Result<(), CliError> {
        if is_project_there(&self.project) {
            return Ok(());
        }
        let (clip, project) = (self.clip.path().display(), self.project.display());
        let none = format!("{clip}: has no project yet ({project} is not there)");
        let elsewhere = projects_without_clip(&self.clip.record());
        if !elsewhere.is_empty() {
            let names: Vec<String> = elsewhere.iter().map(|path| path.display().to_string()).collect();
            let names = names.join(", ");
            return Err(CliError::input(format!(
                "{none}, but there are labels of this same clip in {names}; rename that to {project} to go on with \
                 them, or move it away to begin anew"
            )));
        }
        match without {
            WithoutProject::Make => Ok(()),
            WithoutProject::Refuse => {
                Err(CliError::input(format!("{none}; label it in the window, or import labels first")))
            }
        }
    }
}

/// The full path of a project that is not there itself, while what was recovered of it is.
fn recovered_project(named: &Path) -> Option<PathBuf> {
    canonical_project_path(named).ok().filter(|project| is_project_there(project))
}

fn options() -> OpenOptions {
    OpenOptions { on_other_clip: OnOtherClip::Refuse, data_folder: data_folder(), waker: Arc::new(|| {}) }
}
