//! Masks made elsewhere become new objects of a project: nothing that is there is touched. The window and the command
//! line import through it.

use std::collections::BTreeSet;
use std::sync::Arc;

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
/// `taken` where there are any; the masks count as the labeller's own, so that tracking leaves them alone. `revision` is
/// one that no object has had. Classes that are not in `classes` join that list, as they do when the labeller types one.
/// The caller applies the edit, records it and finishes the unit.
pub fn adopt(
    store: &mut dyn LabelStore,
    taken: &BTreeSet<ObjectId>,
    classes: &Arc<[String]>,
    revision: u64,
    name: impl Into<String>,
    objects: Vec<Adopted>,
) -> Edit {
    let above = taken.last().map_or(1, |id| id.0.saturating_add(1));
    let free = (above..=u32::MAX).chain(1..above).map(ObjectId).filter(|id| !taken.contains(id));
    let mut changes = Vec::new();
    let mut known = classes.to_vec();
    for (id, object) in free.zip(objects) {
        if let Some(class) = object.class.as_ref().filter(|class| !known.contains(class)) {
            known.push(class.clone());
        }
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
    if known.len() > classes.len() {
        changes.push(Change::Classes { before: Arc::clone(classes), after: known.into() });
    }
    Edit { name: name.into(), changes }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::MemoryStore;

    fn adopted(taken: &[u32], classes: &[&str]) -> (Vec<u32>, Option<Vec<String>>) {
        let object =
            |class: Option<&str>| Adopted { name: "x".to_owned(), class: class.map(str::to_owned), masks: vec![] };
        let objects = [Some("dog"), None, Some("cat"), Some("dog")].map(object).to_vec();
        let taken = taken.iter().copied().map(ObjectId).collect();
        let classes: Arc<[String]> = classes.iter().map(|class| (*class).to_owned()).collect();
        let edit = adopt(&mut MemoryStore::default(), &taken, &classes, 1, "import", objects);
        let ids = edit.changes.iter().filter_map(|change| match change {
            Change::Object { id, .. } => Some(id.0),
            _ => None,
        });
        let list = edit.changes.iter().find_map(|change| match change {
            Change::Classes { after, .. } => Some(after.to_vec()),
            _ => None,
        });
        (ids.collect(), list)
    }

    #[test]
    fn objects_get_free_ids_and_their_classes_join_the_list() {
        let list = |names: &[&str]| Some(names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>());
        assert_eq!(adopted(&[], &[]), (vec![1, 2, 3, 4], list(&["dog", "cat"])));
        assert_eq!(adopted(&[3], &["cat"]), (vec![4, 5, 6, 7], list(&["cat", "dog"])));
        assert_eq!(adopted(&[1, u32::MAX - 1], &["cat", "dog"]), (vec![u32::MAX, 2, 3, 4], None));
        assert_eq!(adopted(&[2, u32::MAX], &["cat", "dog"]).0, [1, 3, 4, 5]);
    }
}
