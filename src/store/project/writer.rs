//! The thread "store": the only one that writes to the project file.
//!
//! It takes units in order, a transaction at a time. When a transaction fails it keeps the units in hand and tries
//! again, later and later; nothing is dropped. It also answers the questions that need its connection: copies, flushing,
//! closing; backups are made beside it, on the thread "backup". Knows nothing of the app; the waker tells whoever wants
//! to look at [`SaveState`](crate::store::SaveState).

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender};
use rusqlite::{Connection, ErrorCode, InterruptHandle, TransactionBehavior};

use super::backups::Backups;
use super::queue::Shared;
use super::unit::{Unit, write_meta};
use super::{Waker, copy, schema};
use crate::store::{Durability, SaveState, StoreError};

/// Waits between attempts after a failure: doubled each time up to the longest.
const FIRST_RETRY: Duration = Duration::from_secs(1);
const LONGEST_RETRY: Duration = Duration::from_secs(30);
/// After batched commits and then so long a silence, one durable commit makes them safe over a power cut.
const SEAL_DELAY: Duration = Duration::from_millis(500);
/// While batched commits go on and on, one as often as this is durable.
const LONGEST_UNSEALED: Duration = Duration::from_secs(1);
/// After so long a silence the log is folded into the database, once: the file that somebody takes along after a crash,
/// without its log, then lacks the last moments at most. Doubled each time that a reader keeps some of it out.
const FOLD_DELAY: Duration = Duration::from_secs(2);

/// What the thread is asked beside the queue.
pub enum Control {
    /// Something is in the queue.
    Wake,
    /// Try again at once.
    Retry,
    /// Write a complete copy.
    SaveCopy { target: PathBuf, reply: Sender<Result<(), StoreError>> },
    /// Write everything now, durably, and say whether that worked.
    Flush { reply: Sender<Result<(), StoreError>> },
    /// End; fold the WAL into the database when everything is written, or take a file away that nothing was put into.
    End { is_to_be_removed: bool },
    /// Run something on the writing connection, to provoke failures.
    #[cfg(test)]
    Run(Box<dyn FnOnce(&mut Connection) + Send>),
}

/// The thread's own state.
pub struct Writer {
    pub connection: Connection,
    pub path: PathBuf,
    pub shared: Arc<Shared>,
    pub control: Receiver<Control>,
    /// Dropped when the thread ends, which is how others see it.
    _alive: Sender<()>,
    pub waker: Waker,
    /// Why nothing may be written; units are then only kept.
    pub refusal: Option<String>,
    /// Where backups go; `None` also while one is being made beside this thread.
    pub backups: Option<Backups>,
    backing_up: Option<BackingUp>,
    /// Commits so far in the life of the file.
    commits: i64,
    retry_delay: Duration,
    retry_at: Option<Instant>,
    /// Since when the last commits are not yet safe over a power cut.
    unsealed_since: Option<Instant>,
    fold_delay: Duration,
    /// When the log is to be folded in; `None` when it holds nothing that the database does not, as far as is known.
    fold_at: Option<Instant>,
    file: FileId,
    /// Commits go into a log beside the database, and readers hold none of them up.
    has_log: bool,
    /// Something was written since a backup was last thought of.
    has_news: bool,
    is_to_be_removed: bool,
}

impl Writer {
    pub fn new(
        connection: Connection,
        path: PathBuf,
        shared: Arc<Shared>,
        control: Receiver<Control>,
        alive: Sender<()>,
        waker: Waker,
    ) -> rusqlite::Result<Self> {
        let commits = connection
            .query_row("SELECT value FROM meta WHERE key = 'commits'", [], |row| row.get(0))
            .or_else(|error| if error == rusqlite::Error::QueryReturnedNoRows { Ok(0) } else { Err(error) })?;
        let journal: String = connection.pragma_query_value(None, "journal_mode", |row| row.get(0))?;
        Ok(Writer {
            file: FileId::of(&path),
            has_log: journal == "wal",
            connection,
            path,
            shared,
            control,
            _alive: alive,
            waker,
            refusal: None,
            backups: None,
            backing_up: None,
            commits,
            retry_delay: FIRST_RETRY,
            retry_at: None,
            unsealed_since: None,
            fold_delay: FOLD_DELAY,
            // A crash may have left a log with something in it.
            fold_at: Some(Instant::now() + FOLD_DELAY),
            has_news: false,
            is_to_be_removed: false,
        })
    }

    /// Runs until it is told to end.
    pub fn run(mut self) {
        let (shared, path, waker) = (self.shared.clone(), self.path.clone(), self.waker.clone());
        let bell = EndBell { shared, path, waker, is_silent: false };
        // Of the project as it was found: nothing is done to it before.
        if let Some(mut backups) = self.take_due_backups() {
            make_backup(&mut backups, &self.connection, &self.shared, &self.waker);
            self.backups = Some(backups);
        }
        loop {
            while let Ok(control) = self.control.try_recv() {
                if self.answer(control) {
                    return self.end(bell);
                }
            }
            if self.may_try() && self.write_batch() {
                continue;
            }
            if std::mem::take(&mut self.has_news) {
                self.back_up_beside();
            }
            let control = match self.next_deadline() {
                None => self.control.recv().map_err(|_| RecvTimeoutError::Disconnected),
                Some(at) => self.control.recv_deadline(at),
            };
            match control {
                Ok(control) => {
                    if self.answer(control) {
                        return self.end(bell);
                    }
                }
                Err(RecvTimeoutError::Timeout) => self.act_on_deadline(),
                Err(RecvTimeoutError::Disconnected) => return self.end(bell),
            }
        }
    }

    /// Answers; says whether this was the end.
    fn answer(&mut self, control: Control) -> bool {
        // Whoever asked may have gone; the answer is then nobody's.
        match control {
            Control::Wake => {}
            Control::Retry => self.try_again(),
            Control::SaveCopy { target, reply } => {
                reply.send(self.save_copy(&target)).ok();
            }
            Control::Flush { reply } => {
                reply.send(self.flush()).ok();
            }
            Control::End { is_to_be_removed } => {
                self.is_to_be_removed = is_to_be_removed;
                return true;
            }
            #[cfg(test)]
            Control::Run(act) => act(&mut self.connection),
        }
        false
    }

    fn may_try(&self) -> bool {
        self.retry_at.is_none_or(|at| at <= Instant::now())
    }

    fn next_deadline(&self) -> Option<Instant> {
        self.retry_at.or_else(|| self.unsealed_since.map(|since| since + SEAL_DELAY)).or(self.fold_at)
    }

    /// Writes the next transaction, if there is one; says whether it did.
    fn write_batch(&mut self) -> bool {
        let batch = self.shared.take_batch();
        if batch.is_empty() {
            return false;
        }
        if let Some(refusal) = &self.refusal {
            // Nothing will change about it, so there is no point in trying again.
            self.shared.failed(refusal.clone());
            (self.waker)();
            return false;
        }
        let is_overdue = self.unsealed_since.is_some_and(|since| since.elapsed() >= LONGEST_UNSEALED);
        let is_durable = is_overdue || batch.iter().any(|unit| unit.durability == Durability::Durable);
        match self.commit(&batch, is_durable) {
            Ok(()) => {
                self.shared.committed();
                self.succeeded(is_durable);
                true
            }
            Err(error) => {
                self.failed(&error);
                false
            }
        }
    }

    fn commit(&mut self, batch: &[Arc<Unit>], is_durable: bool) -> rusqlite::Result<()> {
        self.connection.pragma_update(None, "synchronous", if is_durable { "FULL" } else { "NORMAL" })?;
        let transaction = self.connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        apply_all(&transaction, batch)?;
        write_meta(&transaction, "commits", self.commits + 1)?;
        transaction.commit()?;
        self.commits += 1;
        Ok(())
    }

    fn succeeded(&mut self, is_durable: bool) {
        (self.retry_delay, self.retry_at) = (FIRST_RETRY, None);
        self.unsealed_since = if is_durable { None } else { self.unsealed_since.or(Some(Instant::now())) };
        (self.fold_delay, self.fold_at) = (FOLD_DELAY, Some(Instant::now() + FOLD_DELAY));
        self.has_news = true;
        self.shared.settle(is_durable);
        if self.file.is_gone(&self.path) {
            self.shared.failed(format!(
                "{}: the project file was moved, replaced or deleted while it was open. Save a copy to keep the labels",
                self.path.display()
            ));
        }
        (self.waker)();
    }

    fn failed(&mut self, error: &rusqlite::Error) {
        self.shared.failed(failure_text(&self.path, error));
        self.retry_at = Some(Instant::now() + self.retry_delay);
        self.retry_delay = (self.retry_delay * 2).min(LONGEST_RETRY);
        (self.waker)();
    }

    /// Time to try again, or to make batched commits durable because nothing came after them for a while, or, after a
    /// longer while, to fold the log in.
    fn act_on_deadline(&mut self) {
        if self.retry_at.is_some() {
            self.try_again();
        } else if self.unsealed_since.is_some() {
            self.seal();
        } else if self.fold_at.take().is_some() && self.is_half_folded() {
            self.fold_delay *= 2;
            self.fold_at = Some(Instant::now() + self.fold_delay);
        }
    }

    /// Folds the log in; whether somebody who reads in it keeps some of it from that.
    fn is_half_folded(&self) -> bool {
        // Where the disk refuses, everything is in the log as before; the next commit, or closing, leads here again.
        schema::checkpoint(&self.connection).is_ok_and(|is_whole| !is_whole)
    }

    /// The loop tries what is in hand; without anything, a commit of nothing shows whether the file can be written.
    fn try_again(&mut self) {
        self.retry_at = None;
        let is_idle = {
            let queue = self.shared.lock();
            queue.in_hand.is_empty() && queue.waiting.is_empty() && queue.state != SaveState::Saved
        };
        if is_idle && self.refusal.is_none() {
            self.seal();
        }
    }

    fn seal(&mut self) {
        match self.commit(&[], true) {
            Ok(()) => self.succeeded(true),
            Err(error) => self.failed(&error),
        }
    }

    /// Makes a backup while this thread goes on writing: a copy of a long project takes seconds. Without a log the copy
    /// would hold up every commit in that time; then there is one on opening only.
    fn back_up_beside(&mut self) {
        if !self.has_log {
            return;
        }
        if let Some(done) = self.backing_up.take_if(|backing_up| backing_up.thread.is_finished()) {
            match done.thread.join() {
                Ok(backups) => self.backups = Some(backups),
                Err(_) => self.tell_no_backup("no more until the project is opened again, by an error in the program"),
            }
        }
        let Some(mut backups) = self.take_due_backups() else { return };
        let reader = match schema::open_reader(&self.path) {
            Ok(reader) => reader,
            Err(error) => {
                self.backups = Some(backups);
                return self.tell_no_backup(&format!("none could be made this time: {error}"));
            }
        };
        let interrupt = reader.get_interrupt_handle();
        let (shared, waker) = (self.shared.clone(), self.waker.clone());
        let make = move || {
            make_backup(&mut backups, &reader, &shared, &waker);
            backups
        };
        match thread::Builder::new().name("backup".to_owned()).spawn(make) {
            Ok(thread) => self.backing_up = Some(BackingUp { thread, interrupt }),
            Err(error) => self.tell_no_backup(&format!("no more until the project is opened again: {error}")),
        }
    }

    fn tell_no_backup(&self, cause: &str) {
        self.shared.lock().backup_problem = Some(format!("{}: backups: {cause}", self.path.display()));
        (self.waker)();
    }

    /// The backups, when it is time for one and the newest holds less than the file.
    fn take_due_backups(&mut self) -> Option<Backups> {
        // An untouched project is not worth a copy.
        let commits = Some(self.commits).filter(|commits| *commits > 0)?;
        self.backups.take_if(|backups| backups.is_due() && backups.begin(commits))
    }

    fn flush(&mut self) -> Result<(), StoreError> {
        self.retry_at = None;
        while self.retry_at.is_none() && self.write_batch() {}
        if self.retry_at.is_none() && self.unsealed_since.is_some() {
            self.seal();
        }
        match &self.shared.lock().state {
            SaveState::Failed(cause) => Err(StoreError::NotSaved { path: self.path.clone(), cause: cause.clone() }),
            _ => Ok(()),
        }
    }

    /// A complete copy: the file as it is, and on top of it what is not in it yet.
    fn save_copy(&mut self, target: &Path) -> Result<(), StoreError> {
        let units: Vec<_> = {
            let queue = self.shared.lock();
            queue.in_hand.iter().chain(&queue.waiting).cloned().collect()
        };
        copy::write_copy(&self.connection, target, |connection| {
            let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            apply_all(&transaction, &units)?;
            transaction.commit()
        })
    }

    /// Folds the WAL into the database, so that one file remains. The front has closed its reader.
    fn end(mut self, mut bell: EndBell) {
        // What is being copied is in the file; nobody should wait for the copy.
        if let Some(BackingUp { thread, interrupt }) = self.backing_up.take() {
            interrupt.interrupt();
            thread.join().ok();
        }
        let is_clean = self.shared.lock().in_hand.is_empty() && self.refusal.is_none();
        // Where this fails, the WAL stays beside the database and is folded in when it is next opened.
        if is_clean && schema::checkpoint_on_close(&self.connection, true).is_ok() {
            schema::checkpoint(&self.connection).ok();
        }
        let is_unused = self.is_to_be_removed && self.commits == 0 && is_clean && !self.file.is_gone(&self.path);
        let unused = is_unused.then(|| self.path.clone());
        drop(self);
        // Somebody may have put another project in its place meanwhile: what is there now decides.
        if let Some(path) = unused.filter(|path| holds_nothing(path)) {
            // One that stays behind is an empty project, which does no harm.
            std::fs::remove_file(path).ok();
        }
        bell.is_silent = true;
    }
}

/// A backup that is being made, and the way to stop it.
struct BackingUp {
    thread: JoinHandle<Backups>,
    interrupt: InterruptHandle,
}

fn make_backup(backups: &mut Backups, connection: &Connection, shared: &Shared, waker: &Waker) {
    let problem = backups.make(connection).err();
    shared.lock().backup_problem = problem.map(|error| error.to_string());
    waker();
}

/// Whether a project is there that nothing was put into.
fn holds_nothing(path: &Path) -> bool {
    let rows = "SELECT (SELECT count(*) FROM object) + (SELECT count(*) FROM mask) + (SELECT count(*) FROM step)";
    Connection::open(path).and_then(|found| found.query_row(rows, [], |row| row.get::<_, i64>(0))).is_ok_and(|n| n == 0)
}

/// Everything the units say, with the counters that go with the last of them.
fn apply_all(connection: &Connection, units: &[Arc<Unit>]) -> rusqlite::Result<()> {
    units.iter().try_for_each(|unit| unit.apply(connection))?;
    if let Some(last) = units.last() {
        write_meta(connection, "last_revision", last.last_revision as i64)?;
        write_meta(connection, "last_mask", last.last_mask as i64)?;
    }
    Ok(())
}

/// Says so when the thread ends otherwise than by being told to: a store that saves nothing must not look saved.
struct EndBell {
    shared: Arc<Shared>,
    path: PathBuf,
    waker: Waker,
    /// The thread was told to end.
    is_silent: bool,
}

impl Drop for EndBell {
    fn drop(&mut self) {
        if self.is_silent {
            return;
        }
        self.shared.failed(format!(
            "{}: saving has stopped by an error in the program. Open the project again; what was saved is there",
            self.path.display()
        ));
        // Perhaps it was the waker that panicked; a second panic here would end the program.
        std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| (self.waker)())).ok();
    }
}

/// Which file a path leads to.
#[derive(Debug, PartialEq, Eq)]
struct FileId(Option<(u64, u64)>);

impl FileId {
    #[cfg(unix)]
    fn of(path: &Path) -> Self {
        use std::os::unix::fs::MetadataExt;
        FileId(std::fs::metadata(path).ok().map(|facts| (facts.dev(), facts.ino())))
    }

    /// Elsewhere an open file cannot be replaced; it is enough to see that it is there.
    #[cfg(not(unix))]
    fn of(path: &Path) -> Self {
        FileId(path.exists().then_some((0, 0)))
    }

    fn is_gone(&self, path: &Path) -> bool {
        self.0.is_some() && *self != FileId::of(path)
    }
}

/// File, cause and next step of a write that failed.
fn failure_text(path: &Path, error: &rusqlite::Error) -> String {
    let (cause, advice) = match error.sqlite_error_code() {
        Some(ErrorCode::DiskFull) => ("the disk is full".to_owned(), "Free space on it"),
        Some(ErrorCode::ReadOnly | ErrorCode::PermissionDenied) => {
            ("it may not be written".to_owned(), "Give yourself permission to write the file and its folder")
        }
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
            ("another program is using it".to_owned(), "Close it there")
        }
        Some(ErrorCode::CannotOpen) => {
            (format!("it cannot be reached ({error})"), "Check that the disk is still there")
        }
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => {
            (format!("the file was damaged while it was open ({error})"), "Open it again to have it recovered")
        }
        _ => (format!("the disk reports an error ({error})"), "Check the disk"),
    };
    format!(
        "{}: not saved, {cause}. {advice}, or save a copy elsewhere; the changes are kept in memory and tried again",
        path.display()
    )
}
