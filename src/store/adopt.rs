//! Masks made elsewhere become new objects of a project: nothing that is there is touched. The window and the command
//! line import through it.

use std::collections::BTreeSet;

use super::LabelStore;
use crate::label::palette::colour_of;
use crate::label::{Change, Edit, FrameIdx, FrameMark, Mask, ObjectFacts, ObjectId};

/// An object made elsewhere.
#[derive(Debug, Clone, PartialEq)]
pub struct Adopted {
    /// What it is called.
    pub name: String,
    /// Its class.
    pub class: Option<String>,
    /// Its masks, of the clip's size; each frame once.
    pub masks: Vec<(FrameIdx, Mask)>,
}

/// Puts the masks into the store and gives the edit that makes the objects. They get ids of their own, above all of
/// `taken`; the masks count as the labeller's own, so that tracking leaves them alone. `revision` is one that no object
/// has had. The caller applies the edit, records it and finishes the unit.
pub fn adopt(
    store: &mut dyn LabelStore,
    taken: &BTreeSet<ObjectId>,
    revision: u64,
    name: impl Into<String>,
    objects: Vec<Adopted>,
) -> Edit {
    let first = taken.last().map_or(1, |id| id.0 + 1);
    let mut changes = Vec::new();
    for (id, object) in (first..).map(ObjectId).zip(objects) {
        let facts = ObjectFacts {
            name: object.name,
            class: object.class,
            colour: colour_of(id),
            is_hidden: false,
            is_locked: false,
            revision,
        };
        changes.push(Change::Object { id, before: None, after: Some(facts) });
        for (frame, mask) in object.masks {
            let mark = FrameMark::painted(store.put(&mask), &mask, revision);
            changes.push(Change::Mark { object: id, frame, before: None, after: Some(mark) });
        }
    }
    Edit { name: name.into(), changes }
}
