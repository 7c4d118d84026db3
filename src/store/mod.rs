//! Where masks and edits are kept.
//!
//! The app's world holds what is needed to draw and to decide; the masks of a long clip live here, by [`MaskId`]. Callers
//! know the trait [`LabelStore`] and, to open, close and copy a project file, [`ProjectStore`]; [`ProjectCopy`] reads one
//! that others may have open. The room uses `label`, never Bevy, ffmpeg or candle.
//!
//! How a change gets here: the app applies an edit to its world and tells the store what it did, in this order:
//! [`put`](LabelStore::put) for new masks, [`record`](LabelStore::record) for the edit,
//! [`note_history`](LabelStore::note_history) for what its undo history did about it, and then one
//! [`finish`](LabelStore::finish). What lies between two `finish`es is there as a whole after a crash, or not at all.

mod adopt;
mod error;
mod memory;
mod numbers;
mod project;
mod runs;

pub use adopt::{Adopted, adopt};
pub use error::StoreError;
pub use memory::MemoryStore;
pub use project::{
    OnOtherClip, OpenNotice, OpenOptions, PROJECT_EXTENSION, ProjectClip, ProjectCopy, ProjectHandle, ProjectStore,
    Snapshot, StoredStep, Waker, can_write, canonical_project_path, is_project_there, named_as_project, project_clip,
    project_path, projects_without_clip, separate_project_path,
};

use std::collections::HashSet;

use crate::label::{Change, Edit, Mask, MaskId};

/// What the app's undo history did to its two stacks, the steps made and the steps undone.
///
/// Counts that exceed a stack take all of it.
#[derive(Debug, Clone, PartialEq)]
pub enum HistoryChange {
    /// A step was put on top of the made ones. The undone ones stay; [`ClearUndone`](Self::ClearUndone) says when they
    /// go.
    Push {
        /// Name and changes.
        edit: Edit,
        /// It goes and comes with the step before it.
        is_follow_up: bool,
    },
    /// A step was put under so many of the newest made ones; 0 puts it on top of them.
    Insert {
        /// How many.
        below: usize,
        /// Name and changes.
        edit: Edit,
    },
    /// The step that lies under so many of the newest made ones got more changes; 0 is the newest. Where there is no such
    /// step it does nothing.
    Extend {
        /// How many.
        below: usize,
        /// The changes.
        changes: Vec<Change>,
    },
    /// So many steps (follow-ups counted) went from the made ones to the undone ones, the newest first.
    Undo(usize),
    /// So many steps went from the undone ones back to the made ones, the last undone first.
    Redo(usize),
    /// So many of the oldest made steps were forgotten.
    DropOldest(usize),
    /// All undone steps were forgotten.
    ClearUndone,
    /// All steps were forgotten.
    Clear,
}

/// How soon a unit must be safe.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Durability {
    /// A finished action of the labeller: on the disk, even over a power cut, as soon as the disk can.
    Durable,
    /// One of many, such as a tracked frame: neighbours may share a transaction. Over a killed program it is as safe as
    /// the others; over a power cut the last second of them may be missing.
    Batched,
}

/// Whether everything finished so far is in the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SaveState {
    /// It is, and will be after a power cut.
    Saved,
    /// It is on its way.
    Saving,
    /// It could not be written and is kept in memory; the store goes on trying. The text names file, cause and next step.
    Failed(String),
}

/// Keeps masks and takes note of edits.
pub trait LabelStore: Send + Sync {
    /// Keeps a mask under a new id, which is never used again.
    fn put(&mut self, mask: &Mask) -> MaskId;

    /// A mask as it was put, whether or not it is in the file yet.
    ///
    /// # Errors
    /// When there is none under this id, or it is damaged, or the file cannot be read.
    fn get(&self, id: MaskId) -> Result<Mask, StoreError>;

    /// Takes note of an edit that the world has taken up: each change's `after` is what holds now.
    fn record(&mut self, edit: &Edit);

    /// Takes note of what the undo history did.
    fn note_history(&mut self, change: HistoryChange);

    /// Takes note of the app's session: JSON text that only the app reads, such as playhead, selection and what is in
    /// view. It costs nothing and may be called often; it is written with the next unit, or on closing.
    fn note_session(&mut self, session: &str);

    /// Everything told since the last `finish` is one unit, to be there as a whole or not at all.
    fn finish(&mut self, durability: Durability);

    /// Finishes the unit in hand and lets go of the file, when everything is in it. Masks cannot be read afterwards.
    ///
    /// # Errors
    /// When something could not be written. The store then stays open and keeps it.
    fn close(&mut self) -> Result<(), StoreError>;

    /// Whether everything finished is in the file. Cheap enough to ask on every frame.
    fn saved(&self) -> SaveState;

    /// Forgets every mask but these: nothing in the world or its undo history names the others any more.
    fn keep_only(&mut self, used: &HashSet<MaskId>);

    /// Memory or disk the masks take, in bytes.
    fn byte_count(&self) -> usize;
}
