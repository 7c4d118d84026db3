//! Changes to the labels, in a form that goes both ways.
//!
//! An [`Edit`] is what one action did. The app applies it to its world, keeps it for undo and hands it to the store. It
//! names masks by id and copies none, so that a whole propagation is a small edit.

use std::collections::{HashMap, HashSet};
use std::mem::{size_of, size_of_val};
use std::sync::Arc;

use super::{FrameIdx, FrameMark, FramePrompt, Mask, MaskId, ObjectFacts, ObjectId, Prompt};

/// One change; `None` means that the thing does not exist.
#[derive(Debug, Clone, PartialEq)]
pub enum Change {
    /// An object comes, goes, or is described anew.
    Object {
        /// The object.
        id: ObjectId,
        /// Before.
        before: Option<ObjectFacts>,
        /// After.
        after: Option<ObjectFacts>,
    },
    /// What is said about an object on a frame.
    Prompt {
        /// The object.
        object: ObjectId,
        /// The frame.
        frame: FrameIdx,
        /// Before.
        before: Option<FramePrompt>,
        /// After.
        after: Option<FramePrompt>,
    },
    /// An object's mask on a frame.
    Mark {
        /// The object.
        object: ObjectId,
        /// The frame.
        frame: FrameIdx,
        /// Before.
        before: Option<FrameMark>,
        /// After.
        after: Option<FrameMark>,
    },
    /// The in and out frames, both included; `None` is the whole clip.
    InOut {
        /// Before.
        before: Option<(FrameIdx, FrameIdx)>,
        /// After.
        after: Option<(FrameIdx, FrameIdx)>,
    },
    /// The list of classes to choose from.
    Classes {
        /// Before.
        before: Arc<[String]>,
        /// After.
        after: Arc<[String]>,
    },
}

/// The prompts that have no answer: no mask came after the newest prompt of an object on a frame, or the mask that did
/// is not the one that is there now, which `mask` tells. Only of prompts that `edits`, the oldest first, tell of.
pub fn open_prompts<'a>(
    edits: impl DoubleEndedIterator<Item = &'a Edit> + Clone,
    mask: impl Fn(ObjectId, FrameIdx) -> Option<MaskId>,
) -> HashSet<(ObjectId, FrameIdx)> {
    // A run's step has a mask on every frame, and nearly all of them are not asked about.
    let said = edits.clone().flat_map(|edit| &edit.changes).filter_map(|change| match change {
        Change::Prompt { object, frame, .. } => Some((*object, *frame)),
        _ => None,
    });
    let said: HashSet<(ObjectId, FrameIdx)> = said.collect();
    // The newest mask of each place, and whether one came since its newest prompt.
    let mut answers: HashMap<(ObjectId, FrameIdx), (Option<MaskId>, bool)> = HashMap::new();
    let (mut seen, mut open) = (HashSet::new(), HashSet::new());
    for change in edits.rev().flat_map(|edit| edit.changes.iter().rev()) {
        match change {
            Change::Mark { object, frame, before, after }
                if said.contains(&(*object, *frame)) && !seen.contains(&(*object, *frame)) =>
            {
                let (before, after) = (before.map(|mark| mark.mask), after.map(|mark| mark.mask));
                answers.entry((*object, *frame)).or_insert((after, false)).1 |= before != after;
            }
            Change::Prompt { object, frame, after, .. } if seen.insert((*object, *frame)) => {
                let answer = answers.get(&(*object, *frame)).filter(|(_, has_come)| *has_come);
                if after.is_some() && answer.is_none_or(|(answer, _)| *answer != mask(*object, *frame)) {
                    open.insert((*object, *frame));
                }
            }
            Change::Mark { .. }
            | Change::Prompt { .. }
            | Change::Object { .. }
            | Change::InOut { .. }
            | Change::Classes { .. } => {}
        }
    }
    open
}

impl Change {
    /// The change that takes this one back.
    #[must_use]
    pub fn reversed(&self) -> Change {
        match self.clone() {
            Change::Object { id, before, after } => Change::Object { id, before: after, after: before },
            Change::Prompt { object, frame, before, after } => {
                Change::Prompt { object, frame, before: after, after: before }
            }
            Change::Mark { object, frame, before, after } => {
                Change::Mark { object, frame, before: after, after: before }
            }
            Change::InOut { before, after } => Change::InOut { before: after, after: before },
            Change::Classes { before, after } => Change::Classes { before: after, after: before },
        }
    }

    /// Whether nothing changes.
    pub fn is_idle(&self) -> bool {
        match self {
            Change::Object { before, after, .. } => before == after,
            Change::Prompt { before, after, .. } => before == after,
            Change::Mark { before, after, .. } => before == after,
            Change::InOut { before, after } => before == after,
            Change::Classes { before, after } => before == after,
        }
    }

    /// Memory it takes, about; prompts that both sides of neighbouring edits share are counted in each.
    pub fn byte_count(&self) -> usize {
        let prompt = |p: &Option<FramePrompt>| p.as_ref().map_or(0, frame_prompt_bytes);
        let heap = match self {
            Change::Object { before, after, .. } => {
                before.iter().chain(after).map(|f| f.name.len() + f.class.as_ref().map_or(0, String::len)).sum()
            }
            Change::Prompt { before, after, .. } => prompt(before) + prompt(after),
            Change::Mark { .. } | Change::InOut { .. } => 0,
            Change::Classes { before, after } => before.iter().chain(after.iter()).map(|c| c.len() + 24).sum(),
        };
        size_of::<Change>() + heap
    }
}

fn frame_prompt_bytes(said: &FramePrompt) -> usize {
    let mask_bytes = |mask: &Mask| size_of_val(mask.runs());
    let words = match &*said.prompt {
        Prompt::Clicks { points, .. } => size_of_val(points.as_slice()),
        Prompt::Mask(mask) => mask_bytes(mask),
    };
    size_of::<Prompt>() + words + said.base.as_deref().map_or(0, mask_bytes)
}

/// What one action changed.
#[derive(Debug, Clone, PartialEq)]
pub struct Edit {
    /// What the undo button says, for example "click".
    pub name: String,
    /// In the order they were made.
    pub changes: Vec<Change>,
}

impl Edit {
    /// The edit that takes this one back.
    #[must_use]
    pub fn reversed(&self) -> Edit {
        Edit { name: self.name.clone(), changes: self.changes.iter().rev().map(Change::reversed).collect() }
    }

    /// Memory it takes, about.
    pub fn byte_count(&self) -> usize {
        size_of::<Edit>() + self.name.len() + self.changes.iter().map(Change::byte_count).sum::<usize>()
    }
}
