//! Undo and redo: the edits that were made, the newest last, bounded by bytes.
//!
//! Strictly last in, first out, so that taking a step back always finds the world as the step left it. Two kinds of
//! change join a step after it was made, as long as it is the newest: the model's answer to its click, and the frames
//! of a run. Otherwise they become a step of their own. Does not touch the world; `apply` does.
//! Keeps a journal of what happened to the steps, by which the store does the same.

use std::collections::{HashSet, VecDeque};

use bevy::prelude::Resource;

use crate::engine::Generation;
use crate::label::{Change, Edit, MaskId};
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
    /// Came by itself, after the labeller had gone on: goes and comes with its neighbour.
    pub is_follow_up: bool,
}

/// Memory for steps by default, in bytes.
pub const DEFAULT_BUDGET_BYTES: usize = 64 << 20;

/// The steps.
#[derive(Resource, Debug)]
pub struct History {
    done: VecDeque<Step>,
    undone: Vec<Step>,
    budget_bytes: usize,
    done_bytes: usize,
    /// Set when steps were dropped: masks may have lost their last mention.
    pub has_dropped: bool,
    /// What happened to the steps since the store was told.
    pub journal: Vec<HistoryChange>,
}

impl Default for History {
    fn default() -> Self {
        History::new(DEFAULT_BUDGET_BYTES)
    }
}

impl History {
    /// Keeps at most `budget_bytes` of steps, but always the newest.
    pub fn new(budget_bytes: usize) -> Self {
        History {
            done: VecDeque::new(),
            undone: Vec::new(),
            budget_bytes,
            done_bytes: 0,
            has_dropped: false,
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

    /// A new step of the labeller's; what was undone is gone.
    pub fn push(&mut self, edit: Edit, joins: Joins) {
        if !self.undone.is_empty() {
            self.has_dropped = true;
            self.undone.clear();
            self.journal.push(HistoryChange::ClearUndone);
        }
        self.push_new(Step { edit, joins, is_follow_up: false });
    }

    /// Changes that belong to the newest step when `joins` says so, else become a follow-up.
    pub fn follow(&mut self, name: &str, changes: Vec<Change>, belongs_to_newest: bool) {
        match self.done.back_mut().filter(|_| belongs_to_newest) {
            Some(newest) => {
                self.done_bytes += changes.iter().map(Change::byte_count).sum::<usize>();
                newest.edit.changes.extend(changes.clone());
                self.journal.push(HistoryChange::ExtendNewest(changes));
                self.shrink();
            }
            None => {
                let edit = Edit { name: name.to_owned(), changes };
                self.push_new(Step { edit, joins: Joins::Nothing, is_follow_up: true });
            }
        }
    }

    /// Frames of a run: they join its step, or start another one when the labeller did something in between.
    pub fn follow_run(&mut self, run: Generation, name: &str, changes: Vec<Change>) {
        if self.is_newest_run(run) {
            self.follow(name, changes, true);
        } else {
            self.push(Edit { name: name.to_owned(), changes }, Joins::Run(run));
        }
    }

    /// The newest step's edit, for whoever wants to know whether its changes belong there.
    pub fn newest(&self) -> Option<&Edit> {
        self.done.back().map(|step| &step.edit)
    }

    /// Whether the newest step holds frames of this run.
    pub fn is_newest_run(&self, run: Generation) -> bool {
        self.done.back().is_some_and(|step| step.joins == Joins::Run(run))
    }

    /// Takes the newest steps away, follow-ups with the step before them; the newest first.
    pub fn take_undo(&mut self) -> Vec<Edit> {
        let mut edits = Vec::new();
        while let Some(step) = self.done.pop_back() {
            self.done_bytes -= step.edit.byte_count();
            edits.push(step.edit.clone());
            let was_follow_up = step.is_follow_up;
            self.undone.push(Step { joins: Joins::Nothing, ..step });
            if !was_follow_up {
                break;
            }
        }
        if !edits.is_empty() {
            self.journal.push(HistoryChange::Undo(edits.len()));
        }
        edits
    }

    /// Brings steps back, in the order to make them again.
    pub fn take_redo(&mut self) -> Vec<Edit> {
        let mut edits = Vec::new();
        while let Some(step) = self.undone.pop() {
            edits.push(step.edit.clone());
            self.keep(step);
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

    fn push_new(&mut self, step: Step) {
        self.journal.push(HistoryChange::Push { edit: step.edit.clone(), is_follow_up: step.is_follow_up });
        self.keep(step);
        self.shrink();
    }

    fn keep(&mut self, step: Step) {
        self.done_bytes += step.edit.byte_count();
        self.done.push_back(step);
    }

    fn shrink(&mut self) {
        let before = self.done.len();
        while self.done_bytes > self.budget_bytes && self.done.len() > 1 {
            let oldest = self.done.pop_front().expect("more than one step");
            self.done_bytes -= oldest.edit.byte_count();
        }
        if self.done.len() < before {
            self.has_dropped = true;
            self.journal.push(HistoryChange::DropOldest(before - self.done.len()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::label::FrameIdx;

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

    #[test]
    fn a_follow_up_goes_with_the_step_before_it() {
        let mut history = History::default();
        history.push(edit("click", 1), Joins::Nothing);
        history.push(edit("rename", 2), Joins::Nothing);
        history.follow("answer", edit("", 3).changes, false);
        assert_eq!(history.undo_name(), Some("rename"));
        assert_eq!(history.take_undo(), [edit("answer", 3), edit("rename", 2)]);
        assert_eq!(history.take_redo(), [edit("rename", 2), edit("answer", 3)]);
    }

    #[test]
    fn frames_of_a_run_are_one_step_unless_something_came_between() {
        let (mut history, run) = (History::default(), Generation(7));
        history.follow_run(run, "track", edit("", 1).changes);
        history.follow_run(run, "track", edit("", 2).changes);
        history.push(edit("click", 3), Joins::Nothing);
        history.follow_run(run, "track", edit("", 4).changes);
        assert_eq!(history.take_undo().len(), 1);
        assert_eq!(history.take_undo(), [edit("click", 3)]);
        assert_eq!(history.take_undo()[0].changes.len(), 2);
    }

    #[test]
    fn the_oldest_steps_go_when_the_budget_is_full() {
        let mut history = History::new(edit("x", 0).byte_count() * 2);
        for frame in 0..5 {
            history.push(edit("x", frame), Joins::Nothing);
        }
        assert!(history.has_dropped);
        assert_eq!((history.take_undo().len(), history.take_undo().len(), history.take_undo().len()), (1, 1, 0));
    }
}
