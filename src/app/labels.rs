//! The labels as entities: objects, what was said about them, and the masks near the playhead.
//!
//! [`apply`] is the only function that changes them, and it takes an [`Edit`]; everything else reads. An object entity
//! carries its [`ObjectId`], [`ObjectFacts`] and [`Marks`], the compact state of all its frames. Prompts are entities of
//! their own. Mask entities exist for frames near the playhead only; all masks are in the store. [`LabelIndex`] finds
//! entities by frame and is kept by component hooks.

use std::collections::{BTreeMap, HashSet, VecDeque};
use std::sync::Arc;

use bevy::ecs::lifecycle::HookContext;
use bevy::ecs::world::DeferredWorld;
use bevy::prelude::*;

use crate::label::{Change, Edit, FrameIdx, FrameMark, FramePrompt, Mask, MaskId, ObjectFacts, ObjectId, Provenance};

/// The state of every frame an object has a mask on.
#[derive(Component, Debug, Default)]
pub struct Marks {
    /// By frame.
    pub frames: BTreeMap<FrameIdx, FrameMark>,
    /// Counts changes, for whoever draws them.
    pub changes: u64,
    /// The frames of the latest changes, the newest last.
    recent: VecDeque<FrameIdx>,
}

/// Changes whose frames are remembered; whoever is farther behind looks at all frames again.
const RECENT_CHANGES: usize = 256;

impl Marks {
    /// Whether a frame's mask is worth a look of the labeller's, who has not approved it: it is stale, the model was not
    /// sure of it, or the object was lost here, being there on the frame before.
    pub fn wants_review(&self, frame: FrameIdx, revision: u64) -> bool {
        let before = || frame.0.checked_sub(1).and_then(|before| self.frames.get(&FrameIdx(before)));
        self.frames.get(&frame).is_some_and(|mark| wants_review(mark, before(), revision))
    }

    /// Sets or removes a frame's mark.
    pub fn set(&mut self, frame: FrameIdx, mark: Option<FrameMark>) {
        match mark {
            Some(mark) => self.frames.insert(frame, mark),
            None => self.frames.remove(&frame),
        };
        self.changes += 1;
        if self.recent.len() == RECENT_CHANGES {
            self.recent.pop_front();
        }
        self.recent.push_back(frame);
    }

    /// The frames that have changed since `changes` was this; `None` when those are not known any more.
    pub fn changed_since(&self, changes: u64) -> Option<impl Iterator<Item = FrameIdx> + '_> {
        let missed = usize::try_from(self.changes.checked_sub(changes)?).ok()?;
        let known = self.recent.len().checked_sub(missed)?;
        Some(self.recent.range(known..).copied())
    }
}

/// See [`Marks::wants_review`]; `before` is the mark of the frame before.
pub fn wants_review(mark: &FrameMark, before: Option<&FrameMark>, revision: u64) -> bool {
    let is_lost = mark.provenance == Provenance::Tracked && mark.area == 0 && before.is_some_and(|b| b.area > 0);
    !mark.is_approved && (mark.is_stale(revision) || mark.is_doubtful() || is_lost)
}

/// A prompt belongs to an object.
#[derive(Component, Debug)]
#[relationship(relationship_target = Prompts)]
pub struct PromptOf(pub Entity);

/// The prompts of an object; they go when it goes.
#[derive(Component, Debug)]
#[relationship_target(relationship = PromptOf, linked_spawn)]
pub struct Prompts(Vec<Entity>);

/// A mask belongs to an object.
#[derive(Component, Debug)]
#[relationship(relationship_target = Masks)]
pub struct MaskOf(pub Entity);

/// The masks of an object that are unpacked; they go when it goes.
#[derive(Component, Debug)]
#[relationship_target(relationship = MaskOf, linked_spawn)]
pub struct Masks(Vec<Entity>);

/// Where a prompt stands.
#[derive(Component, Debug, Clone, Copy, PartialEq, Eq)]
#[component(immutable, on_insert = index_prompt, on_discard = unindex_prompt)]
pub struct PromptAt {
    /// The object.
    pub object: ObjectId,
    /// The frame.
    pub frame: FrameIdx,
}

/// What a prompt says.
#[derive(Component, Debug, Clone)]
pub struct PromptContent(pub FramePrompt);

/// Where a mask lies.
#[derive(Component, Debug, Clone, Copy, PartialEq, Eq)]
#[component(immutable, on_insert = index_mask, on_discard = unindex_mask)]
pub struct MaskAt {
    /// The object.
    pub object: ObjectId,
    /// The frame.
    pub frame: FrameIdx,
}

/// An unpacked mask.
#[derive(Component, Debug, Clone)]
pub struct MaskPixels {
    /// Its place in the store.
    pub id: MaskId,
    /// The mask.
    pub mask: Arc<Mask>,
}

/// An object's name for the index.
#[derive(Component, Debug, Clone, Copy, PartialEq, Eq)]
#[component(immutable, on_insert = index_object, on_discard = unindex_object)]
pub struct ObjectKey(pub ObjectId);

/// Finds entities. Kept by hooks of the components above.
#[derive(Resource, Debug, Default)]
pub struct LabelIndex {
    objects: BTreeMap<ObjectId, Entity>,
    prompts: BTreeMap<(ObjectId, FrameIdx), Entity>,
    prompted_frames: BTreeMap<FrameIdx, u32>,
    masks: BTreeMap<(FrameIdx, ObjectId), Entity>,
}

impl LabelIndex {
    /// The objects, in order.
    pub fn objects(&self) -> impl DoubleEndedIterator<Item = (ObjectId, Entity)> + '_ {
        self.objects.iter().map(|(id, entity)| (*id, *entity))
    }

    /// An object's entity.
    pub fn object(&self, id: ObjectId) -> Option<Entity> {
        self.objects.get(&id).copied()
    }

    /// The entity of what is said about an object on a frame.
    pub fn prompt(&self, object: ObjectId, frame: FrameIdx) -> Option<Entity> {
        self.prompts.get(&(object, frame)).copied()
    }

    /// The frames on which something is said about an object, in order.
    pub fn prompts_of(&self, object: ObjectId) -> impl DoubleEndedIterator<Item = (FrameIdx, Entity)> + '_ {
        let all = (object, FrameIdx(0))..=(object, FrameIdx(u32::MAX));
        self.prompts.range(all).map(|((_, frame), entity)| (*frame, *entity))
    }

    /// The first frame after this one on which something is said.
    pub fn prompted_after(&self, frame: FrameIdx) -> Option<FrameIdx> {
        let after = std::ops::Bound::Excluded(frame);
        self.prompted_frames.range((after, std::ops::Bound::Unbounded)).next().map(|(f, _)| *f)
    }

    /// The last frame before this one on which something is said.
    pub fn prompted_before(&self, frame: FrameIdx) -> Option<FrameIdx> {
        self.prompted_frames.range(..frame).next_back().map(|(f, _)| *f)
    }

    /// Number of prompts.
    pub fn prompt_count(&self) -> usize {
        self.prompts.len()
    }

    /// The unpacked mask of an object on a frame.
    pub fn mask(&self, object: ObjectId, frame: FrameIdx) -> Option<Entity> {
        self.masks.get(&(frame, object)).copied()
    }

    /// All unpacked masks, by frame and object.
    pub fn masks(&self) -> impl Iterator<Item = (FrameIdx, ObjectId, Entity)> + '_ {
        self.masks.iter().map(|((frame, object), entity)| (*frame, *object, *entity))
    }
}

fn index_object(mut world: DeferredWorld, context: HookContext) {
    if let Some(&ObjectKey(id)) = world.get::<ObjectKey>(context.entity) {
        world.resource_mut::<LabelIndex>().objects.insert(id, context.entity);
    }
}

fn unindex_object(mut world: DeferredWorld, context: HookContext) {
    if let Some(&ObjectKey(id)) = world.get::<ObjectKey>(context.entity) {
        world.resource_mut::<LabelIndex>().objects.remove(&id);
    }
}

fn index_prompt(mut world: DeferredWorld, context: HookContext) {
    if let Some(&PromptAt { object, frame }) = world.get::<PromptAt>(context.entity) {
        let mut index = world.resource_mut::<LabelIndex>();
        index.prompts.insert((object, frame), context.entity);
        *index.prompted_frames.entry(frame).or_insert(0) += 1;
    }
}

fn unindex_prompt(mut world: DeferredWorld, context: HookContext) {
    if let Some(&PromptAt { object, frame }) = world.get::<PromptAt>(context.entity) {
        let mut index = world.resource_mut::<LabelIndex>();
        index.prompts.remove(&(object, frame));
        if let Some(count) = index.prompted_frames.get_mut(&frame) {
            *count -= 1;
            if *count == 0 {
                index.prompted_frames.remove(&frame);
            }
        }
    }
}

fn index_mask(mut world: DeferredWorld, context: HookContext) {
    if let Some(&MaskAt { object, frame }) = world.get::<MaskAt>(context.entity) {
        world.resource_mut::<LabelIndex>().masks.insert((frame, object), context.entity);
    }
}

fn unindex_mask(mut world: DeferredWorld, context: HookContext) {
    if let Some(&MaskAt { object, frame }) = world.get::<MaskAt>(context.entity) {
        world.resource_mut::<LabelIndex>().masks.remove(&(frame, object));
    }
}

/// The in/out range, both ends included; `None` is the whole clip.
#[derive(Resource, Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct InOut(pub Option<(FrameIdx, FrameIdx)>);

/// The classes to choose from, in order.
#[derive(Resource, Debug, Clone, PartialEq, Eq, Default)]
pub struct Classes(pub Arc<[String]>);

/// Makes the world what the edit says. Called by the one writer and by undo, nobody else.
pub fn apply(world: &mut World, edit: &Edit) {
    // Objects that appear come first: what joined their removal later stands before them when that is taken back.
    let appears = |change: &&Change| matches!(change, Change::Object { before: None, after: Some(_), .. });
    let others = edit.changes.iter().filter(|change| !appears(change));
    for change in edit.changes.iter().filter(appears).chain(others) {
        match change {
            Change::Object { id, after, .. } => apply_object(world, *id, after.as_ref()),
            Change::Prompt { object, frame, after, .. } => apply_prompt(world, *object, *frame, after.as_ref()),
            Change::Mark { object, frame, after, .. } => apply_mark(world, *object, *frame, *after),
            Change::InOut { after, .. } => world.resource_mut::<InOut>().0 = *after,
            Change::Classes { after, .. } => world.resource_mut::<Classes>().0 = after.clone(),
        }
    }
}

fn apply_object(world: &mut World, id: ObjectId, after: Option<&ObjectFacts>) {
    let entity = world.resource::<LabelIndex>().object(id);
    match (entity, after) {
        (Some(entity), Some(facts)) => {
            world.entity_mut(entity).insert(facts.clone());
        }
        (Some(entity), None) => world.entity_mut(entity).despawn(),
        (None, Some(facts)) => {
            world.spawn((ObjectKey(id), id, facts.clone(), Marks::default()));
        }
        (None, None) => {}
    }
}

fn apply_prompt(world: &mut World, object: ObjectId, frame: FrameIdx, after: Option<&FramePrompt>) {
    let index = world.resource::<LabelIndex>();
    match (index.prompt(object, frame), index.object(object), after) {
        (Some(entity), _, Some(said)) => {
            world.entity_mut(entity).insert(PromptContent(said.clone()));
        }
        (Some(entity), _, None) => world.entity_mut(entity).despawn(),
        (None, Some(owner), Some(said)) => {
            world.spawn((PromptOf(owner), PromptAt { object, frame }, frame, PromptContent(said.clone())));
        }
        // Without its object there is nothing to say or to take back.
        (None, _, None) | (None, None, Some(_)) => {}
    }
}

fn apply_mark(world: &mut World, object: ObjectId, frame: FrameIdx, after: Option<FrameMark>) {
    let index = world.resource::<LabelIndex>();
    let (Some(owner), unpacked) = (index.object(object), index.mask(object, frame)) else { return };
    let mut marks = world.get_mut::<Marks>(owner).expect("every object entity is made with marks");
    marks.set(frame, after);
    let is_other = |pixels: &MaskPixels| after.is_none_or(|mark| mark.mask != pixels.id);
    if let Some(entity) = unpacked
        && world.get::<MaskPixels>(entity).is_some_and(is_other)
    {
        world.entity_mut(entity).despawn();
    }
}

/// Facts of an object.
pub fn facts(world: &World, object: ObjectId) -> Option<&ObjectFacts> {
    world.get::<ObjectFacts>(world.resource::<LabelIndex>().object(object)?)
}

/// What is said about an object on a frame.
pub fn frame_prompt(world: &World, object: ObjectId, frame: FrameIdx) -> Option<&FramePrompt> {
    Some(&world.get::<PromptContent>(world.resource::<LabelIndex>().prompt(object, frame)?)?.0)
}

/// All that is said about an object.
pub fn said_of(world: &World, object: ObjectId) -> BTreeMap<FrameIdx, FramePrompt> {
    let prompts = world.resource::<LabelIndex>().prompts_of(object);
    prompts.filter_map(|(frame, entity)| Some((frame, world.get::<PromptContent>(entity)?.0.clone()))).collect()
}

/// The marks of an object.
pub fn marks(world: &World, object: ObjectId) -> Option<&Marks> {
    world.get::<Marks>(world.resource::<LabelIndex>().object(object)?)
}

/// The prompts whose answer never came, though there may be a mask that answered less than is said now.
pub fn open_prompts(world: &World) -> HashSet<(ObjectId, FrameIdx)> {
    let history = world.resource::<super::history::History>();
    history.open_prompts(|object, frame| mark(world, object, frame).map(|mark| mark.mask))
}

/// Whether what is said on a frame has no answer yet: there is no mask, or still the one that is corrected. A mask that
/// answered less than is said now is not seen here, but by [`open_prompts`].
pub fn is_unanswered(world: &World, object: ObjectId, frame: FrameIdx) -> bool {
    let is_older = |mark: FrameMark| mark.provenance == Provenance::Tracked;
    frame_prompt(world, object, frame).is_some() && mark(world, object, frame).is_none_or(is_older)
}

/// The mark of an object on a frame.
pub fn mark(world: &World, object: ObjectId, frame: FrameIdx) -> Option<FrameMark> {
    marks(world, object)?.frames.get(&frame).copied()
}
