//! Objects: made, chosen, described, hidden, locked, deleted.

use std::sync::Arc;

use bevy::prelude::*;

use crate::label::{Change, ObjectFacts, ObjectId, counted, palette};

use super::super::action::Action;
use super::super::history::Joins;
use super::super::labels::{self, Classes, LabelIndex, PromptContent};
use super::super::notices::Severity;
use super::super::state::{Overlay, Revisions, Selection};
use super::{commit, tell};

pub(super) fn perform(world: &mut World, action: Action) {
    match action {
        Action::NewObject => {
            let (id, change) = creation(world);
            commit(world, "new object", vec![change], Joins::Nothing);
            select(world, id);
        }
        // The digit is the object's number, whatever was deleted before it.
        Action::SelectNth(place) => select(world, ObjectId(u32::from(place) + 1)),
        Action::Select(id) => select(world, id),
        Action::NextObject => select_neighbour(world, 1),
        Action::PreviousObject => select_neighbour(world, -1),
        Action::DeleteObject(which) => delete(world, which),
        Action::Rename(id, name) => {
            let name = name.trim().to_owned();
            if !name.is_empty() {
                describe(world, id, "rename", |facts| facts.name = name);
            }
        }
        Action::SetClass(id, class) => {
            let class = class.map(|class| class.trim().to_owned()).filter(|class| !class.is_empty());
            let addition = class.as_deref().and_then(|class| class_addition(world, class));
            describe_and(world, id, "class", |facts| facts.class = class, addition);
        }
        Action::AddClass(class) => {
            let addition = class_addition(world, class.trim());
            commit(world, "add class", addition.into_iter().collect(), Joins::Nothing);
        }
        Action::RenameClass(from, to) => rename_class(world, &from, to.trim()),
        Action::RemoveClass(class) => remove_class(world, &class),
        Action::SetColour(id, colour) => describe(world, id, "colour", |facts| facts.colour = colour),
        Action::ToggleHidden(which) => with_target(world, which, |world, id| {
            describe(world, id, "hide", |facts| facts.is_hidden = !facts.is_hidden);
        }),
        Action::ToggleSolo(which) => with_target(world, which, |world, id| {
            select(world, id);
            let mut overlay = world.resource_mut::<Overlay>();
            overlay.solo = if overlay.solo == Some(id) { None } else { Some(id) };
        }),
        Action::ToggleLock(which) => with_target(world, which, |world, id| {
            describe(world, id, "lock", |facts| facts.is_locked = !facts.is_locked);
        }),
        _ => unreachable!("perform sends actions about objects here"),
    }
}

/// A new object's id and the change that makes it.
pub(super) fn creation(world: &mut World) -> (ObjectId, Change) {
    let last = world.resource::<LabelIndex>().objects().next_back().map_or(0, |(id, _)| id.0);
    let id = ObjectId(last + 1);
    let facts = ObjectFacts {
        name: format!("object {id}"),
        class: None,
        colour: palette::colour_of(id),
        is_hidden: false,
        is_locked: false,
        revision: world.resource_mut::<Revisions>().give(),
    };
    (id, Change::Object { id, before: None, after: Some(facts) })
}

/// The changes that remove an object with all it has.
pub(super) fn removal(world: &World, id: ObjectId) -> Vec<Change> {
    let index = world.resource::<LabelIndex>();
    let mut changes = Vec::new();
    for (frame, entity) in index.prompts_of(id) {
        let before = world.get::<PromptContent>(entity).map(|said| said.0.clone());
        changes.push(Change::Prompt { object: id, frame, before, after: None });
    }
    let marks = labels::marks(world, id).into_iter().flat_map(|marks| marks.frames.iter());
    changes.extend(marks.map(|(frame, mark)| Change::Mark {
        object: id,
        frame: *frame,
        before: Some(*mark),
        after: None,
    }));
    changes.push(Change::Object { id, before: labels::facts(world, id).cloned(), after: None });
    changes
}

/// Selects an object.
pub(super) fn select(world: &mut World, id: ObjectId) {
    world.resource_mut::<Selection>().0 = Some(id);
}

/// Solo goes with the selection: what is worked on must not be out of sight.
pub(super) fn mend_solo(world: &mut World) {
    let Some(solo) = world.resource::<Overlay>().solo else { return };
    let is_there = world.resource::<LabelIndex>().object(solo).is_some();
    let wanted = world.resource::<Selection>().0.or(Some(solo).filter(|_| is_there));
    world.resource_mut::<Overlay>().solo = wanted;
}

fn select_neighbour(world: &mut World, by: isize) {
    let ids: Vec<_> = world.resource::<LabelIndex>().objects().map(|(id, _)| id).collect();
    let at = world.resource::<Selection>().0.and_then(|selected| ids.iter().position(|id| *id == selected));
    let count = ids.len() as isize;
    let next = at.map_or(0, |at| (at as isize + by).rem_euclid(count));
    select(world, ids[next as usize]);
}

fn with_target(world: &mut World, which: Option<ObjectId>, act: impl FnOnce(&mut World, ObjectId)) {
    if let Some(id) = which.or(world.resource::<Selection>().0) {
        act(world, id);
    }
}

/// Changes what an object is called, how it looks and so on; a locked object only lets itself be unlocked or hidden.
fn describe(world: &mut World, id: ObjectId, what: &str, change: impl FnOnce(&mut ObjectFacts)) {
    describe_and(world, id, what, change, None);
}

/// The same, with a change that belongs to it.
fn describe_and(
    world: &mut World,
    id: ObjectId,
    what: &str,
    change: impl FnOnce(&mut ObjectFacts),
    addition: Option<Change>,
) {
    let Some(before) = labels::facts(world, id).cloned() else { return };
    let mut after = before.clone();
    change(&mut after);
    let touches_labels = (&before.name, &before.class) != (&after.name, &after.class);
    if before.is_locked && touches_labels {
        tell(world, Severity::Info, format!("{} is locked; unlock it first", before.name), Vec::new());
        return;
    }
    let change = Change::Object { id, before: Some(before), after: Some(after) };
    commit(world, what, addition.into_iter().chain([change]).collect(), Joins::Nothing);
}

/// What adds a class to the list, unless it is there.
fn class_addition(world: &World, class: &str) -> Option<Change> {
    let before = world.resource::<Classes>().0.clone();
    if class.is_empty() || before.iter().any(|known| known == class) {
        return None;
    }
    let after: Arc<[String]> = before.iter().cloned().chain([class.to_owned()]).collect();
    Some(Change::Classes { before, after })
}

/// The objects of a class, with what is known of them.
fn objects_of(world: &World, class: &str) -> Vec<(ObjectId, ObjectFacts)> {
    let all =
        world.resource::<LabelIndex>().objects().filter_map(|(id, _)| Some((id, labels::facts(world, id)?.clone())));
    all.filter(|(_, facts)| facts.class.as_deref() == Some(class)).collect()
}

fn rename_class(world: &mut World, from: &str, to: &str) {
    let before = world.resource::<Classes>().0.clone();
    if to.is_empty() || to == from || !before.iter().any(|class| class == from) {
        return;
    }
    if before.iter().any(|class| class == to) {
        tell(world, Severity::Info, format!("There is a class {to} already."), Vec::new());
        return;
    }
    let objects = objects_of(world, from);
    if let Some((_, facts)) = objects.iter().find(|(_, facts)| facts.is_locked) {
        let text = format!("{from} is the class of {}, which is locked; unlock it first.", facts.name);
        tell(world, Severity::Info, text, Vec::new());
        return;
    }
    let after: Arc<[String]> = before.iter().map(|class| if class == from { to } else { class }.to_owned()).collect();
    let mut changes = vec![Change::Classes { before, after }];
    changes.extend(objects.into_iter().map(|(id, before)| {
        let after = ObjectFacts { class: Some(to.to_owned()), ..before.clone() };
        Change::Object { id, before: Some(before), after: Some(after) }
    }));
    commit(world, "rename class", changes, Joins::Nothing);
}

fn remove_class(world: &mut World, class: &str) {
    let users = objects_of(world, class);
    if let Some((_, facts)) = users.first() {
        let others = if users.len() > 1 { format!(" and {} more", users.len() - 1) } else { String::new() };
        let text = format!("{class} is the class of {}{others}; give them another one first.", facts.name);
        tell(world, Severity::Info, text, Vec::new());
        return;
    }
    let before = world.resource::<Classes>().0.clone();
    let after: Arc<[String]> = before.iter().filter(|known| *known != class).cloned().collect();
    commit(world, "remove class", vec![Change::Classes { before, after }], Joins::Nothing);
}

fn delete(world: &mut World, which: Option<ObjectId>) {
    let Some(id) = which.or(world.resource::<Selection>().0) else { return };
    let Some(facts) = labels::facts(world, id).cloned() else { return };
    if facts.is_locked {
        tell(world, Severity::Info, format!("{} is locked; unlock it first", facts.name), Vec::new());
        return;
    }
    let changes = removal(world, id);
    let masks = changes.iter().filter(|change| matches!(change, Change::Mark { .. })).count();
    commit(world, format!("delete {}", facts.name), changes, Joins::Nothing);
    let text = format!("{} was deleted with {}.", facts.name, counted(masks, "mask"));
    tell(world, Severity::Info, text, vec![("Undo".to_owned(), Action::Undo)]);
}
