//! What the front of the store and its writer's thread share: units on their way to the file, and how that goes.
//!
//! The queue is a deque under a lock, not a channel, because a full channel would have to stop the window or lose work.
//! Its bound is in bytes: over it, the front waits a moment for the disk, then goes on all the same. The lock is only
//! ever held to move pointers; the bounded channel beside it carries wake-ups and questions.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::time::Duration;

use super::unit::{Op, Unit};
use crate::label::MaskId;
use crate::store::{Durability, SaveState};

/// Memory that units on their way may take before the front waits for the disk.
const BYTE_BOUND: usize = 64 << 20;
/// Longest such wait. Short enough not to be taken for a hang, long enough to slow a run down to what the disk takes.
const LONGEST_WAIT: Duration = Duration::from_millis(100);
/// Most units in one transaction, and bytes after which it is full anyway.
const BATCH_UNITS: usize = 16;
const BATCH_BYTES: usize = 16 << 20;

/// The shared part.
#[derive(Debug, Default)]
pub struct Shared {
    queue: Mutex<Queue>,
    /// Units have left the queue.
    has_room: Condvar,
}

/// What is on its way.
#[derive(Debug)]
pub struct Queue {
    /// Finished and not yet taken by the writer.
    pub waiting: VecDeque<Arc<Unit>>,
    /// In the transaction that is being written, or that failed and is tried again.
    pub in_hand: Vec<Arc<Unit>>,
    /// Masks that are not committed yet, those of the unfinished unit too.
    pub pending: HashMap<MaskId, Arc<[u8]>>,
    /// Where it stands.
    pub state: SaveState,
    /// Why the newest backup could not be made.
    pub backup_problem: Option<String>,
    byte_count: usize,
}

impl Default for Queue {
    fn default() -> Self {
        Queue {
            waiting: VecDeque::new(),
            in_hand: Vec::new(),
            pending: HashMap::new(),
            state: SaveState::Saved,
            backup_problem: None,
            byte_count: 0,
        }
    }
}

impl Shared {
    /// Looks at the queue or changes it. Hold it for moments only.
    pub fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().expect("no holder of the queue panics")
    }

    /// Takes a finished unit. Waits up to [`LONGEST_WAIT`] when too much is on its way and the disk still takes it.
    pub fn push(&self, unit: Unit) {
        let mut queue = self.lock();
        let is_over = |queue: &mut Queue| queue.byte_count > BYTE_BOUND && queue.state == SaveState::Saving;
        if is_over(&mut queue) {
            let waited = self.has_room.wait_timeout_while(queue, LONGEST_WAIT, is_over);
            queue = waited.expect("no holder of the queue panics").0;
        }
        queue.byte_count += unit.byte_count;
        queue.waiting.push_back(Arc::new(unit));
        if queue.state == SaveState::Saved {
            queue.state = SaveState::Saving;
        }
    }

    /// Takes units in hand for the next transaction, unless some are: the oldest, up to the first that must be durable
    /// or as many as fit. Gives what is in hand; empty when there is nothing to write.
    pub fn take_batch(&self) -> Vec<Arc<Unit>> {
        let mut queue = self.lock();
        if queue.in_hand.is_empty() {
            let mut bytes = 0;
            while let Some(unit) = queue.waiting.pop_front() {
                bytes += unit.byte_count;
                let is_last = unit.durability == Durability::Durable;
                queue.in_hand.push(unit);
                if is_last || queue.in_hand.len() == BATCH_UNITS || bytes >= BATCH_BYTES {
                    break;
                }
            }
        }
        queue.in_hand.clone()
    }

    /// What is in hand is in the file.
    pub fn committed(&self) {
        let mut queue = self.lock();
        for unit in std::mem::take(&mut queue.in_hand) {
            queue.byte_count -= unit.byte_count;
            for op in &unit.ops {
                if let Op::PutMask(id, _) = op {
                    queue.pending.remove(id);
                }
            }
        }
        self.has_room.notify_all();
    }

    /// A commit has worked, and so says whether everything is in the file; `is_sealed`: also over a power cut.
    pub fn settle(&self, is_sealed: bool) {
        let mut queue = self.lock();
        let is_all = queue.waiting.is_empty() && queue.in_hand.is_empty() && is_sealed;
        queue.state = if is_all { SaveState::Saved } else { SaveState::Saving };
    }

    /// What is in hand could not be written, or the file is not where it was.
    pub fn failed(&self, message: String) {
        self.lock().state = SaveState::Failed(message);
        self.has_room.notify_all();
    }
}
