//! Undo and redo: the edits that were made, the newest last, bounded by bytes.
//!
//! A step is an act of the labeller's. What comes of it later joins it, wherever it lies by then: the model's answer the
//! step of its prompt, the frames of a run the run's step. Where a later step has touched the same object on the same
//! frame, they join that one instead, so that taking a step back always finds the world as the step left it. Does not
//! touch the world; `apply` does. Keeps a journal of what happened to the steps, by which the store does the same.

use std::collections::{BTreeMap, HashSet, VecDeque};

use bevy::prelude::Resource;

use crate::engine::Generation;
use crate::label::{Change, Edit, FrameIdx, MaskId, ObjectId, open_prompts};
use crate::store::HistoryChange;

/// What may still join a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Joins {
    /// Nothing.
    Nothing,
    /// The frames of this run.
    Run(Generation),
}

/// A step.
#[derive(Debug, Clone, PartialEq)]
pub struct Step {
    /// What it changed.
    pub edit: Edit,
    /// What may join it.
    pub joins: Joins,
    /// Goes and comes with the step before it. Projects of earlier versions have such steps.
    pub is_follow_up: bool,
}

/// Memory for steps by default, in bytes: a run over 20 objects and 80,000 frames fits.
pub const DEFAULT_BUDGET_BYTES: usize = 256 << 20;
/// Steps kept however large they are, so that a click after a long run does not make the run final.
const LEAST_STEPS: usize = 3;

/// The steps.
#[derive(Resource, Debug)]
pub struct History {
    done: VecDeque<Step>,
    undone: Vec<Step>,
    /// What the undone steps are about, once a run has asked: its frames ask one by one. Made anew when the steps change.
    undone_places: Option<Places>,
    /// The run that has brought nothing yet, and how many steps its own will lie on.
    awaited: Option<(Generation, usize)>,
    budget_bytes: usize,
    done_bytes: usize,
    /// Changes of masks in the steps that were dropped: so many masks may have lost their last mention.
    pub dropped_marks: usize,
    /// What happened to the steps since the store was told.
    pub journal: Vec<HistoryChange>,
}

impl Default for History {
    fn default() -> Self {
        History::new(DEFAULT_BUDGET_BYTES)
    }
}

impl History {
    /// Keeps at most `budget_bytes` of steps, but always the newest few.
    pub fn new(budget_bytes: usize) -> Self {
        History {
            done: VecDeque::new(),
            undone: Vec::new(),
            undone_places: None,
            awaited: None,
            budget_bytes,
            done_bytes: 0,
            dropped_marks: 0,
            journal: Vec::new(),
        }
    }

    /// What undo would take back.
    pub fn undo_name(&self) -> Option<&str> {
        self.done.iter().rev().find(|step| !step.is_follow_up).map(|step| step.edit.name.as_str())
    }

    /// What redo would make again.
    pub fn redo_name(&self) -> Option<&str> {
        self.undone.last().map(|step| step.edit.name.as_str())
    }

    /// The steps made and those undone, each the oldest first.
    pub fn steps(&self) -> (impl Iterator<Item = &Step>, impl Iterator<Item = &Step>) {
        (self.done.iter(), self.undone.iter())
    }

    /// A new step of the labeller's; what was undone is gone.
    pub fn push(&mut self, edit: Edit, joins: Joins) {
        self.clear_undone();
        self.journal.push(HistoryChange::Push { edit: edit.clone(), is_follow_up: false });
        self.keep(Step { edit, joins, is_follow_up: false });
        self.shrink();
    }

    /// The labeller started a run. Its step comes with its first frames, and lies under what is done until then.
    pub fn await_run(&mut self, run: Generation) {
        self.awaited = Some((run, self.done.len()));
    }

    /// The answer to a prompt joins the step that last touched its object on its frame. Without such a step the prompt
    /// cannot be undone, and neither can its answer.
    pub fn follow_prompt(&mut self, answer: Change) {
        if let Some(at) = self.newest_that_touches(&answer, 0) {
            self.extend(at, vec![answer]);
            self.shrink();
        }
    }

    /// Frames of a run join its step, or start it. What was undone on one of them is gone.
    pub fn follow_run(&mut self, run: Generation, name: &str, changes: Vec<Change>) {
        let undone = self.undone_places.get_or_insert_with(|| Places::of(&self.undone));
        if changes.iter().any(|change| undone.touches(change)) {
            self.clear_undone();
        }
        let own = self.done.iter().rposition(|step| step.joins == Joins::Run(run));
        let awaited = self.awaited.filter(|(awaited, _)| *awaited == run).map(|(_, place)| place);
        let later = own.map(|own| own + 1).or(awaited).unwrap_or(0);
        let mut of_steps: BTreeMap<Option<usize>, Vec<Change>> = BTreeMap::new();
        for change in changes {
            of_steps.entry(self.newest_that_touches(&change, later)).or_default().push(change);
        }
        let of_run = of_steps.remove(&None);
        for (at, changes) in of_steps {
            self.extend(at.expect("the run's own were taken out"), changes);
        }
        match (of_run, own, awaited) {
            (Some(changes), Some(own), _) => self.extend(own, changes),
            (Some(changes), None, Some(place)) => {
                self.awaited = None;
                let edit = Edit { name: name.to_owned(), changes };
                self.journal.push(HistoryChange::Insert { below: self.done.len() - place, edit: edit.clone() });
                self.done_bytes += edit.byte_count();
                self.done.insert(place, Step { edit, joins: Joins::Run(run), is_follow_up: false });
            }
            // The run's step was dropped to save memory: it cannot be undone any more.
            (Some(_), None, None) | (None, _, _) => {}
        }
        self.shrink();
    }

    /// Whether the run is the last thing the labeller did.
    pub fn is_newest_run(&self, run: Generation) -> bool {
        self.is_awaited_newest(run) || self.done.back().is_some_and(|step| step.joins == Joins::Run(run))
    }

    /// The same for a run that has changed nothing yet.
    pub fn is_awaited_newest(&self, run: Generation) -> bool {
        self.awaited == Some((run, self.done.len()))
    }

    /// Takes the newest steps away, follow-ups with the step before them; the newest first.
    pub fn take_undo(&mut self) -> Vec<Edit> {
        let mut edits = Vec::new();
        while let Some(step) = self.done.pop_back() {
            self.done_bytes -= step.edit.byte_count();
            edits.push(step.edit.clone());
            let was_follow_up = step.is_follow_up;
            self.undone.push(Step { joins: Joins::Nothing, ..step });
            self.undone_places = None;
            if !was_follow_up {
                break;
            }
        }
        if !edits.is_empty() {
            self.journal.push(HistoryChange::Undo(edits.len()));
        }
        self.awaited = self.awaited.map(|(run, place)| (run, place.min(self.done.len())));
        edits
    }

    /// Brings steps back, in the order to make them again.
    pub fn take_redo(&mut self) -> Vec<Edit> {
        let mut edits = Vec::new();
        while let Some(step) = self.undone.pop() {
            edits.push(step.edit.clone());
            self.keep(step);
            self.undone_places = None;
            if !self.undone.last().is_some_and(|next| next.is_follow_up) {
                break;
            }
        }
        if !edits.is_empty() {
            self.journal.push(HistoryChange::Redo(edits.len()));
        }
        self.shrink();
        edits
    }

    /// Takes the steps of a project that was opened, the oldest first in both. Nothing joins them any more.
    pub fn restore(&mut self, done: impl Iterator<Item = (Edit, bool)>, undone: impl Iterator<Item = (Edit, bool)>) {
        self.clear();
        let step = |(edit, is_follow_up)| Step { edit, joins: Joins::Nothing, is_follow_up };
        done.map(step).for_each(|step| self.keep(step));
        self.undone.extend(undone.map(step));
        self.shrink();
    }

    /// Forgets everything, as for another clip.
    pub fn clear(&mut self) {
        *self = History::new(self.budget_bytes);
    }

    /// Adds every mask that a step names.
    pub fn add_masks(&self, used: &mut HashSet<MaskId>) {
        for change in self.done.iter().chain(&self.undone).flat_map(|step| &step.edit.changes) {
            if let Change::Mark { before, after, .. } = change {
                used.extend(before.iter().chain(after).map(|mark| mark.mask));
            }
        }
    }

    /// The prompts without an answer, as far as the steps tell; `mask` says which mask is there now.
    pub fn open_prompts(&self, mask: impl Fn(ObjectId, FrameIdx) -> Option<MaskId>) -> HashSet<(ObjectId, FrameIdx)> {
        open_prompts(self.done.iter().map(|step| &step.edit), mask)
    }

    /// The newest step from `first` on that touches what the change is about.
    fn newest_that_touches(&self, change: &Change, first: usize) -> Option<usize> {
        (first..self.done.len()).rev().find(|at| touches(&self.done[*at].edit, change))
    }

    fn extend(&mut self, at: usize, changes: Vec<Change>) {
        self.done_bytes += changes.iter().map(Change::byte_count).sum::<usize>();
        self.done[at].edit.changes.extend(changes.iter().cloned());
        self.journal.push(HistoryChange::Extend { below: self.done.len() - 1 - at, changes });
    }

    fn clear_undone(&mut self) {
        if !self.undone.is_empty() {
            self.dropped_marks += self.undone.iter().map(mark_changes).sum::<usize>();
            self.undone.clear();
            self.undone_places = None;
            self.journal.push(HistoryChange::ClearUndone);
        }
    }

    fn keep(&mut self, step: Step) {
        self.done_bytes += step.edit.byte_count();
        self.done.push_back(step);
    }

    fn shrink(&mut self) {
        let before = self.done.len();
        while self.done_bytes > self.budget_bytes && self.done.len() > LEAST_STEPS {
            let oldest = self.done.pop_front().expect("more than the least");
            self.done_bytes -= oldest.edit.byte_count();
            self.dropped_marks += mark_changes(&oldest);
        }
        let dropped = before - self.done.len();
        if dropped > 0 {
            self.awaited = self.awaited.map(|(run, place)| (run, place.saturating_sub(dropped)));
            self.journal.push(HistoryChange::DropOldest(dropped));
        }
    }
}

fn mark_changes(step: &Step) -> usize {
    step.edit.changes.iter().filter(|change| matches!(change, Change::Mark { .. })).count()
}

/// The object and frame that a change is about.
fn place_of(change: &Change) -> Option<(ObjectId, FrameIdx)> {
    match change {
        Change::Prompt { object, frame, .. } | Change::Mark { object, frame, .. } => Some((*object, *frame)),
        Change::Object { .. } | Change::InOut { .. } | Change::Classes { .. } => None,
    }
}

/// What steps are about, for a question that is asked often: as [`touches`] of each of them answers it.
#[derive(Debug)]
struct Places {
    on_frames: HashSet<(ObjectId, FrameIdx)>,
    /// Objects that were made or removed: they are about every frame.
    objects: HashSet<ObjectId>,
}

impl Places {
    fn of(steps: &[Step]) -> Places {
        let mut places = Places { on_frames: HashSet::new(), objects: HashSet::new() };
        for change in steps.iter().flat_map(|step| &step.edit.changes) {
            match change {
                Change::Object { id, before, after } if before.is_none() || after.is_none() => {
                    places.objects.insert(*id);
                }
                _ => places.on_frames.extend(place_of(change)),
            }
        }
        places
    }

    fn touches(&self, change: &Change) -> bool {
        place_of(change).is_some_and(|place| self.on_frames.contains(&place) || self.objects.contains(&place.0))
    }
}

/// Whether an edit says anything about what a change is about: the object on that frame, or that there is such an object.
fn touches(edit: &Edit, change: &Change) -> bool {
    let Some((object, frame)) = place_of(change) else { return false };
    edit.changes.iter().any(|other| match other {
        Change::Object { id, before, after } => *id == object && (before.is_none() || after.is_none()),
        _ => place_of(other) == Some((object, frame)),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::label::FrameMark;

    fn edit(name: &str, frame: u32) -> Edit {
        let change = Change::InOut { before: None, after: Some((FrameIdx(frame), FrameIdx(frame))) };
        Edit { name: name.to_owned(), changes: vec![change] }
    }

    #[test]
    fn steps_go_back_and_come_again() {
        let mut history = History::default();
        history.push(edit("a", 1), Joins::Nothing);
        history.push(edit("b", 2), Joins::Nothing);
        assert_eq!((history.undo_name(), history.redo_name()), (Some("b"), None));
        assert_eq!(history.take_undo(), [edit("b", 2)]);
        assert_eq!((history.undo_name(), history.redo_name()), (Some("a"), Some("b")));
        assert_eq!(history.take_redo(), [edit("b", 2)]);
        assert_eq!(history.take_redo(), []);
        history.take_undo();
        history.push(edit("c", 3), Joins::Nothing);
        assert_eq!((history.undo_name(), history.redo_name()), (Some("c"), None));
    }

    fn mark(object: u32, frame: u32, before: Option<u64>, after: u64) -> Change {
        let size = crate::label::FrameSize { width: 1, height: 1 };
        let mark = |id| FrameMark::painted(MaskId(id), &crate::label::Mask::empty(size), 0);
        Change::Mark {
            object: ObjectId(object),
            frame: FrameIdx(frame),
            before: before.map(mark),
            after: Some(mark(after)),
        }
    }

    fn prompt(object: u32, frame: u32) -> Edit {
        let change = Change::Prompt { object: ObjectId(object), frame: FrameIdx(frame), before: None, after: None };
        Edit { name: "click".to_owned(), changes: vec![change] }
    }

    fn names(history: &History) -> Vec<(&str, usize)> {
        history.done.iter().map(|step| (step.edit.name.as_str(), step.edit.changes.len())).collect()
    }

    #[test]
    fn a_follow_up_of_an_earlier_version_goes_with_the_step_before_it() {
        let mut history = History::default();
        let done = [(edit("click", 1), false), (edit("rename", 2), false), (edit("answer", 3), true)];
        history.restore(done.into_iter(), std::iter::empty());
        assert_eq!(history.undo_name(), Some("rename"));
        assert_eq!(history.take_undo(), [edit("answer", 3), edit("rename", 2)]);
        assert_eq!(history.take_redo(), [edit("rename", 2), edit("answer", 3)]);
    }

    #[test]
    fn an_answer_joins_the_step_of_its_prompt() {
        let mut history = History::default();
        history.push(prompt(1, 5), Joins::Nothing);
        history.push(edit("new object", 0), Joins::Nothing);
        history.push(prompt(1, 6), Joins::Nothing);
        history.take_undo();
        history.follow_prompt(mark(1, 5, None, 1));
        assert_eq!(names(&history), [("click", 2), ("new object", 1)]);
        assert_eq!(history.redo_name(), Some("click"), "what was undone can still be made again");
        history.follow_prompt(mark(2, 5, None, 2));
        assert_eq!(names(&history), [("click", 2), ("new object", 1)], "a prompt nobody can undo");
    }

    #[test]
    fn frames_of_a_run_are_one_step_whatever_came_between() {
        let (mut history, run) = (History::default(), Generation(7));
        history.push(edit("first", 0), Joins::Nothing);
        history.await_run(run);
        assert!(history.is_awaited_newest(run));
        history.push(edit("in between", 1), Joins::Nothing);
        assert!(!history.is_newest_run(run));
        history.follow_run(run, "track", vec![mark(1, 1, None, 1)]);
        history.push(prompt(1, 3), Joins::Nothing);
        for frame in 2..5 {
            history.follow_run(run, "track", vec![mark(1, frame, None, u64::from(frame))]);
        }
        assert_eq!(names(&history), [("first", 1), ("track", 3), ("in between", 1), ("click", 2)]);
        assert_eq!(history.take_undo()[0].changes, [prompt(1, 3).changes, vec![mark(1, 3, None, 3)]].concat());
        history.follow_run(run, "track", vec![mark(1, 6, None, 6)]);
        assert_eq!(history.redo_name(), Some("click"), "another frame than the one undone");
        history.follow_run(run, "track", vec![mark(1, 3, None, 7)]);
        assert_eq!(history.redo_name(), None, "made again it would not find what it left");
        history.take_undo();
        assert!(history.is_newest_run(run));
    }

    #[test]
    fn an_undone_object_cannot_come_back_once_a_run_brings_it() {
        let run = Generation(1);
        let mut history = History::default();
        let facts = crate::label::ObjectFacts {
            name: String::new(),
            class: None,
            colour: [0; 3],
            is_hidden: false,
            is_locked: false,
            revision: 0,
        };
        let made = Change::Object { id: ObjectId(2), before: None, after: Some(facts) };
        history.push(Edit { name: "object".to_owned(), changes: vec![made] }, Joins::Nothing);
        history.push(edit("later", 1), Joins::Nothing);
        history.await_run(run);
        history.take_undo();
        history.follow_run(run, "track", vec![mark(2, 5, None, 1)]);
        assert_eq!(history.redo_name(), Some("later"), "nothing on that frame is undone yet");
        history.take_undo();
        history.take_undo();
        history.follow_run(run, "track", vec![mark(2, 6, None, 2)]);
        assert_eq!(history.redo_name(), None, "the object itself is undone by now");
    }

    /// Random acts, answers and frames, in a world of masks: every step taken back or made again finds what it left.
    #[test]
    fn steps_find_the_world_as_they_left_it() {
        type World = BTreeMap<(ObjectId, FrameIdx), FrameMark>;
        fn make(world: &mut World, edit: &Edit) {
            for change in &edit.changes {
                let Change::Mark { object, frame, before, after } = change else { continue };
                assert_eq!(world.get(&(*object, *frame)), before.as_ref(), "{edit:?}");
                match after {
                    Some(mark) => world.insert((*object, *frame), *mark),
                    None => world.remove(&(*object, *frame)),
                };
            }
        }
        let mut state = 0x9E37_79B9_7F4A_7C15_u64;
        let mut next = |below: u64| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state % below
        };
        let (mut history, mut world, mut run) = (History::new(4000), World::new(), Generation(0));
        let mut made_again = 0;
        for round in 1..20_000_u64 {
            let key = (ObjectId(next(3) as u32), FrameIdx(next(6) as u32));
            let change = |world: &World| {
                let Change::Mark { after, .. } = mark(0, 0, None, round) else { unreachable!("it is a mark") };
                Change::Mark { object: key.0, frame: key.1, before: world.get(&key).copied(), after }
            };
            match next(8) {
                0 => history.push(prompt(key.0.0, key.1.0), Joins::Nothing),
                1 => {
                    let edit = Edit { name: "paint".to_owned(), changes: vec![change(&world)] };
                    make(&mut world, &edit);
                    history.push(edit, Joins::Nothing);
                }
                2 => {
                    run = Generation(round);
                    history.await_run(run);
                }
                3 | 4 => {
                    let changes = vec![change(&world)];
                    make(&mut world, &Edit { name: "track".to_owned(), changes: changes.clone() });
                    history.follow_run(run, "track", changes);
                }
                5 if history.undone.is_empty() => {
                    let change = change(&world);
                    make(&mut world, &Edit { name: "answer".to_owned(), changes: vec![change.clone()] });
                    history.follow_prompt(change);
                }
                5 | 6 => {
                    for edit in history.take_undo() {
                        make(&mut world, &edit.reversed());
                    }
                }
                _ => {
                    for edit in history.take_redo() {
                        make(&mut world, &edit);
                        made_again += 1;
                    }
                }
            }
            assert_eq!(history.done_bytes, history.done.iter().map(|step| step.edit.byte_count()).sum::<usize>());
        }
        assert!(history.dropped_marks > 0 && made_again > 100, "{made_again} steps made again are no test");
    }

    #[test]
    fn the_oldest_steps_go_when_the_budget_is_full() {
        let mut history = History::new(edit("x", 0).byte_count() * 2);
        for frame in 0..5 {
            history.push(edit("x", frame), Joins::Nothing);
        }
        assert_eq!(history.dropped_marks, 0, "no step was about a mask");
        let mut undone = Vec::new();
        while let Some(edit) = history.take_undo().pop() {
            undone.push(edit);
        }
        assert_eq!(undone, [edit("x", 4), edit("x", 3), edit("x", 2)], "the newest few stay whatever they take");
    }
}
