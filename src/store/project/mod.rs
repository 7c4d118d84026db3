//! The project file: one SQLite database that holds a clip's labels, their masks and the undo history.
//!
//! [`ProjectStore::open`] makes or opens it and gives a [`Snapshot`] from which the app's world goes on, undo history
//! included. From then on the store follows what it is told and writes it on a thread of its own; see the order of calls
//! in [`super`]. Nothing is dropped when the disk fails: the units stay in memory and are tried again, and
//! [`ProjectHandle::save_copy`] writes everything elsewhere.
//!
//! | file | what it does |
//! |---|---|
//! | `front` | what the app calls |
//! | `open`, `create`, `whose`, `notice` | the rules of opening: whose file, which version, which clip, sound or not |
//! | `reading` | a copy for whoever only reads, also of a project that somebody has open |
//! | `paths`, `lock`, `filesystem` | where the file lies, who has it, what kind of disk that is |
//! | `schema`, `records`, `blob`, `clip`, `snapshot` | what is in it, and how it is read |
//! | `unit`, `steps`, `queue`, `writer` | the way of a change into it |
//! | `copy`, `backups`, `clock` | complete copies, and the rolling ones |
//! | `renamed` | labels of a clip that has another name now |
//! | `recover`, `salvage`, `leaves` | what can be read of a damaged file, into a new one |

mod backups;
mod blob;
mod clip;
mod clock;
mod copy;
mod create;
mod filesystem;
mod front;
mod leaves;
mod lock;
mod notice;
mod open;
mod paths;
mod queue;
mod reading;
mod records;
mod recover;
mod renamed;
mod salvage;
mod schema;
mod snapshot;
mod steps;
mod unit;
mod whose;
mod writer;

pub use front::{ProjectHandle, ProjectStore};
pub use notice::{OnOtherClip, OpenNotice, OpenOptions};
pub use paths::{
    EXTENSION as PROJECT_EXTENSION, can_write, canonical as canonical_project_path, is_project_there, named_as_project,
    project_path, separate_project_path,
};
pub use reading::{ProjectClip, ProjectCopy, project_clip};
pub use renamed::projects_without_clip;

use std::sync::Arc;

use crate::label::{ClipRecord, Edit, FrameIdx, FrameMark, FramePrompt, ObjectFacts, ObjectId};

/// Called, from the store's thread, whenever [`saved`](super::LabelStore::saved) may have changed.
pub type Waker = Arc<dyn Fn() + Send + Sync>;

/// Everything a project holds but the masks' pixels.
#[derive(Debug, Clone, PartialEq)]
pub struct Snapshot {
    /// By id.
    pub objects: Vec<(ObjectId, ObjectFacts)>,
    /// By object and frame.
    pub prompts: Vec<(ObjectId, FrameIdx, FramePrompt)>,
    /// By object and frame.
    pub marks: Vec<(ObjectId, FrameIdx, FrameMark)>,
    /// The in and out frames, both included; `None` is the whole clip.
    pub in_out: Option<(FrameIdx, FrameIdx)>,
    /// The list of classes to choose from.
    pub classes: Arc<[String]>,
    /// The steps made, the oldest first.
    pub done: Vec<StoredStep>,
    /// The steps undone; the last is the first to come back.
    pub undone: Vec<StoredStep>,
    /// The highest revision ever given; go on from the next.
    pub last_revision: u64,
    /// What the app last noted about its session.
    pub session: Option<String>,
    /// The clip as it was given on opening.
    pub clip: ClipRecord,
}

/// A step of the undo history.
#[derive(Debug, Clone, PartialEq)]
pub struct StoredStep {
    /// Name and changes.
    pub edit: Edit,
    /// It goes and comes with the step before it.
    pub is_follow_up: bool,
}

#[cfg(test)]
mod tests;
