//! Which row each step of the undo history has: two stacks of row ids that follow what the app's history does.

use std::collections::VecDeque;

use super::unit::{Op, Place};
use crate::label::Change;
use crate::store::HistoryChange;

/// The rows of the made and the undone steps.
#[derive(Debug, Default)]
pub struct StepRows {
    /// Row and position, the oldest first.
    done: VecDeque<(i64, i64)>,
    /// Row ids; the position is the index.
    undone: Vec<i64>,
    last_step: i64,
    last_changes: i64,
}

impl StepRows {
    /// The rows of a file: (id, position) of the made steps, ids of the undone ones, each in order, and the highest row
    /// of changes.
    pub fn new(done: VecDeque<(i64, i64)>, undone: Vec<i64>, last_changes: i64) -> Self {
        let last_step = done.iter().map(|(row, _)| *row).chain(undone.iter().copied()).max().unwrap_or(0);
        StepRows { done, undone, last_step, last_changes }
    }

    /// Follows a change; the ops do the same to the tables.
    pub fn follow(&mut self, change: HistoryChange, ops: &mut Vec<Op>) {
        match change {
            HistoryChange::Push { edit, is_follow_up } => {
                self.last_step += 1;
                let (step, place) = (self.last_step, self.put_on_done(self.last_step));
                ops.push(Op::PushStep { step, place, name: edit.name, is_follow_up });
                ops.push(self.add_changes(step, edit.changes));
            }
            HistoryChange::Insert { below, edit } => {
                self.last_step += 1;
                let step = self.last_step;
                let place = self.put_under(below, step, ops);
                ops.push(Op::PushStep { step, place, name: edit.name, is_follow_up: false });
                ops.push(self.add_changes(step, edit.changes));
            }
            HistoryChange::Extend { below, changes } => {
                if let Some(&(step, _)) = self.done.iter().rev().nth(below) {
                    ops.push(self.add_changes(step, changes));
                }
            }
            HistoryChange::Undo(count) => {
                for _ in 0..count {
                    let Some((step, _)) = self.done.pop_back() else { break };
                    let place = Place { is_undone: true, position: self.undone.len() as i64 };
                    self.undone.push(step);
                    ops.push(Op::MoveStep { step, place });
                }
            }
            HistoryChange::Redo(count) => {
                for _ in 0..count {
                    let Some(step) = self.undone.pop() else { break };
                    let place = self.put_on_done(step);
                    ops.push(Op::MoveStep { step, place });
                }
            }
            HistoryChange::DropOldest(count) => {
                let steps = self.done.drain(..count.min(self.done.len())).map(|(step, _)| step).collect();
                drop_steps(steps, ops);
            }
            HistoryChange::ClearUndone => drop_steps(std::mem::take(&mut self.undone), ops),
            HistoryChange::Clear => {
                let done = std::mem::take(&mut self.done).into_iter().map(|(step, _)| step);
                drop_steps(done.chain(std::mem::take(&mut self.undone)).collect(), ops);
            }
        }
    }

    fn add_changes(&mut self, step: i64, changes: Vec<Change>) -> Op {
        self.last_changes += 1;
        Op::AddChanges { row: self.last_changes, step, changes }
    }

    fn put_on_done(&mut self, step: i64) -> Place {
        let position = self.done.back().map_or(0, |(_, position)| position + 1);
        self.done.push_back((step, position));
        Place { is_undone: false, position }
    }

    /// The same under some of the newest, which move up.
    fn put_under(&mut self, below: usize, step: i64, ops: &mut Vec<Op>) -> Place {
        let at = self.done.len().saturating_sub(below);
        let Some(&(_, position)) = self.done.get(at) else { return self.put_on_done(step) };
        for (step, position) in self.done.iter_mut().skip(at) {
            *position += 1;
            ops.push(Op::MoveStep { step: *step, place: Place { is_undone: false, position: *position } });
        }
        self.done.insert(at, (step, position));
        Place { is_undone: false, position }
    }
}

fn drop_steps(steps: Vec<i64>, ops: &mut Vec<Op>) {
    if !steps.is_empty() {
        ops.push(Op::DropSteps(steps));
    }
}
