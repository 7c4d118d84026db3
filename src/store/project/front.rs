//! The store as the app holds it: takes what it is told without waiting for the disk, and finds masks wherever they are.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use crossbeam_channel::{Receiver, Sender, TrySendError, bounded, select};
use rusqlite::{Connection, OptionalExtension};

use super::lock::ProjectLock;
use super::notice::{OpenNotice, OpenOptions};
use super::open::{Surroundings, open};
use super::queue::Shared;
use super::snapshot::revision_of;
use super::steps::StepRows;
use super::unit::{Op, Unit};
use super::writer::Control;
use super::{ClipRecord, Snapshot, blob};
use crate::label::{Edit, FrameSize, Mask, MaskId};
use crate::store::{Durability, HistoryChange, LabelStore, SaveState, StoreError, runs};

/// An open project file. Dropping it finishes the queue, as far as the disk takes it, and leaves a single file.
#[derive(Debug)]
pub struct ProjectStore {
    pub(super) handle: ProjectHandle,
    /// Reads masks that are in the file; gone once the store is closed.
    pub(super) reader: Option<Mutex<Connection>>,
    pub(super) thread: Option<JoinHandle<()>>,
    pub(super) steps: StepRows,
    /// Every mask there is, and its length in bytes.
    pub(super) masks: HashMap<MaskId, u32>,
    pub(super) byte_count: usize,
    pub(super) last_mask: u64,
    pub(super) last_revision: u64,
    /// The unit that is not finished.
    pub(super) ops: Vec<Op>,
    /// A session that is not in a unit yet.
    pub(super) session: Option<String>,
    pub(super) size: FrameSize,
    /// The file was made by this opening, and nothing was ever put into it.
    pub(super) is_untouched: bool,
    pub(super) lock: Option<ProjectLock>,
    /// Holds the copy that is read in place of a file that cannot be written.
    pub(super) private_folder: Option<tempfile::TempDir>,
}

/// Asks and tells an open project things from anywhere, without holding the store.
#[derive(Debug, Clone)]
pub struct ProjectHandle {
    pub(super) shared: Arc<Shared>,
    pub(super) control: Sender<Control>,
    /// Disconnected when the thread has ended; nothing is ever sent.
    pub(super) ended: Receiver<()>,
    pub(super) path: PathBuf,
    pub(super) is_read_only: bool,
}

impl ProjectStore {
    /// Opens the project at `path`, or makes one there, for a clip.
    ///
    /// A damaged file is recovered into a new one beside it, an older one is brought up to date after a backup, one that
    /// cannot be written is opened for reading; the notices say so. `path` of the store may therefore differ from the one
    /// given. Takes as long as reading the whole file once, about half a second for 100,000 masks.
    ///
    /// # Errors
    /// When somebody else has it open (a store in this program that is not closed yet counts too), it is not a project,
    /// belongs to another clip (see [`OnOtherClip`](super::OnOtherClip)), or cannot be read. The file is then as it was.
    pub fn open(
        path: &Path,
        clip: &ClipRecord,
        options: OpenOptions,
    ) -> Result<(ProjectStore, Snapshot, Vec<OpenNotice>), StoreError> {
        open(path, clip, &options, &Surroundings::default())
    }

    /// A handle for other threads, and for whoever knows the store only as a [`LabelStore`].
    pub fn handle(&self) -> ProjectHandle {
        self.handle.clone()
    }

    /// The project file.
    pub fn path(&self) -> &Path {
        &self.handle.path
    }

    /// Whether it is open for reading only. What is told is then kept in memory, [`saved`](LabelStore::saved) says that
    /// it is not saved, and [`ProjectHandle::save_copy`] writes it elsewhere.
    pub fn is_read_only(&self) -> bool {
        self.handle.is_read_only
    }

    /// Finishes the unit in hand, waits until everything is in the file, and closes it; only one file remains.
    ///
    /// # Errors
    /// When something could not be written. The store then stays open and keeps it.
    pub fn close(&mut self) -> Result<(), StoreError> {
        if self.thread.is_none() {
            return Ok(());
        }
        if !self.is_untouched {
            self.finish(Durability::Durable);
            self.handle.flush()?;
        }
        self.end();
        Ok(())
    }

    /// Ends the thread. The reader goes first, so that the last connection is one that can fold in the WAL.
    fn end(&mut self) {
        self.reader = None;
        let Some(thread) = self.thread.take() else { return };
        if self.handle.control.send(Control::End { is_to_be_removed: self.is_untouched }).is_ok() {
            // A panic there was reported by the thread itself.
            thread.join().ok();
        }
        self.lock = None;
        self.private_folder = None;
    }

    fn push(&mut self, op: Op) {
        self.is_untouched &= matches!(op, Op::Session(_) | Op::Clip(_));
        self.ops.push(op);
    }
}

impl Drop for ProjectStore {
    fn drop(&mut self) {
        if self.close().is_err() {
            // Whoever cares has called `close` before.
            self.end();
        }
    }
}

impl LabelStore for ProjectStore {
    fn put(&mut self, mask: &Mask) -> MaskId {
        self.last_mask += 1;
        let id = MaskId(self.last_mask);
        let data = blob::sealed(mask_key(id), &runs::encode(mask));
        self.byte_count += data.len();
        self.masks.insert(id, u32::try_from(data.len()).expect("a mask's runs are far under 4 GiB"));
        self.handle.shared.lock().pending.insert(id, data.clone());
        self.push(Op::PutMask(id, data));
        id
    }

    fn get(&self, id: MaskId) -> Result<Mask, StoreError> {
        if !self.masks.contains_key(&id) {
            return Err(StoreError::Unknown(id));
        }
        let damaged = |cause| StoreError::Damaged { id, cause };
        let pending = self.handle.shared.lock().pending.get(&id).cloned();
        let mask = match pending {
            Some(data) => mask_from(id, &data).map_err(damaged)?,
            None => self.read(id)?.ok_or(StoreError::Unknown(id))?.map_err(damaged)?,
        };
        if mask.size() == self.size {
            Ok(mask)
        } else {
            Err(damaged(format!("it is {}, the clip {}", mask.size(), self.size)))
        }
    }

    fn record(&mut self, edit: &Edit) {
        self.last_revision = edit.changes.iter().map(revision_of).max().unwrap_or(0).max(self.last_revision);
        self.push(Op::Apply(edit.clone()));
    }

    fn note_history(&mut self, change: HistoryChange) {
        let mut ops = Vec::new();
        self.steps.follow(change, &mut ops);
        ops.into_iter().for_each(|op| self.push(op));
    }

    fn note_session(&mut self, session: &str) {
        self.session = Some(session.to_owned());
    }

    /// Never waits for the disk, but for one case: with more than 64 MiB on the way to a disk that does take them, it
    /// waits up to 0.1 s, so that a run slows down to what the disk can do.
    fn finish(&mut self, durability: Durability) {
        // Where nothing may be written, a session alone is nothing to complain about.
        if let Some(session) = self.session.take().filter(|_| !self.handle.is_read_only) {
            self.push(Op::Session(session));
        }
        if self.ops.is_empty() {
            return;
        }
        let ops = std::mem::take(&mut self.ops);
        let byte_count = ops.iter().map(Op::byte_count).sum();
        let (last_revision, last_mask) = (self.last_revision, self.last_mask);
        self.handle.shared.push(Unit { ops, durability, last_revision, last_mask, byte_count });
        self.handle.send(Control::Wake);
    }

    fn close(&mut self) -> Result<(), StoreError> {
        ProjectStore::close(self)
    }

    fn saved(&self) -> SaveState {
        self.handle.saved()
    }

    fn keep_only(&mut self, used: &HashSet<MaskId>) {
        let dropped: Vec<MaskId> = self.masks.keys().filter(|id| !used.contains(id)).copied().collect();
        if dropped.is_empty() {
            return;
        }
        let mut queue = self.handle.shared.lock();
        for id in &dropped {
            queue.pending.remove(id);
            self.byte_count -= self.masks.remove(id).expect("it was just listed") as usize;
        }
        drop(queue);
        self.push(Op::DropMasks(dropped));
    }

    fn byte_count(&self) -> usize {
        self.byte_count
    }
}

impl ProjectStore {
    /// A mask from the file; `None` when it is not there.
    fn read(&self, id: MaskId) -> Result<Option<Result<Mask, String>>, StoreError> {
        let unreadable = |cause: String| StoreError::Read { path: self.handle.path.clone(), cause };
        let reader = self.reader.as_ref().ok_or_else(|| unreadable("the project is closed".to_owned()))?;
        let reader = reader.lock().expect("no reader panics");
        reader
            .prepare_cached("SELECT data FROM mask WHERE id = ?1")
            .and_then(|mut statement| {
                statement.query_row([id.0 as i64], |row| Ok(mask_from(id, row.get_ref(0)?.as_blob()?))).optional()
            })
            .map_err(|error| unreadable(error.to_string()))
    }
}

/// A mask from its row.
pub(super) fn mask_from(id: MaskId, data: &[u8]) -> Result<Mask, String> {
    runs::decode(blob::unsealed(mask_key(id), data)?)
}

fn mask_key(id: MaskId) -> blob::RowKey {
    [id.0 as i64, 0]
}

impl ProjectHandle {
    /// The project file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// See [`ProjectStore::is_read_only`].
    pub fn is_read_only(&self) -> bool {
        self.is_read_only
    }

    /// See [`LabelStore::saved`].
    pub fn saved(&self) -> SaveState {
        self.shared.lock().state.clone()
    }

    /// Why the newest backup could not be made; `None` when it could, or none was due. It does not touch the project.
    pub fn backup_problem(&self) -> Option<String> {
        self.shared.lock().backup_problem.clone()
    }

    /// After a failure: try again now instead of after the next wait. Does not wait.
    pub fn retry_now(&self) {
        self.send(Control::Retry);
    }

    /// Writes everything that was finished, saved or not, as a complete project to `target`. Waits until that is done,
    /// so call it from a thread that may wait. The store goes on with its own file.
    ///
    /// # Errors
    /// When there is a file of that name, or it cannot be written; no file is left there then.
    pub fn save_copy(&self, target: &Path) -> Result<(), StoreError> {
        let failed = |cause: &str| StoreError::Copy { path: target.to_owned(), cause: cause.to_owned() };
        let target = super::paths::canonical(target).map_err(|error| failed(&error.to_string()))?;
        self.ask(|reply| Control::SaveCopy { target, reply }).unwrap_or_else(|| Err(failed("the project is closed")))
    }

    /// Waits until everything finished is in the file, durably.
    ///
    /// # Errors
    /// When something could not be written; it is kept and tried again.
    pub fn flush(&self) -> Result<(), StoreError> {
        let closed =
            || Err(StoreError::NotSaved { path: self.path.clone(), cause: "the project is closed".to_owned() });
        self.ask(|reply| Control::Flush { reply }).unwrap_or_else(closed)
    }

    /// Asks the thread and waits for its answer; `None` when it has ended.
    fn ask<T>(&self, question: impl FnOnce(Sender<T>) -> Control) -> Option<T> {
        let (reply, answer) = bounded(1);
        self.control.send(question(reply)).ok()?;
        // A question that was under way when the thread ended stays in the channel, and with it the way to answer.
        select! {
            recv(answer) -> answer => answer.ok(),
            recv(self.ended) -> _ => answer.try_recv().ok(),
        }
    }

    /// Tells the thread something that it need not be told twice.
    fn send(&self, control: Control) {
        match self.control.try_send(control) {
            // Full: it has enough to wake for. Closed: there is nothing left to tell.
            Ok(()) | Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) => {}
        }
    }
}
