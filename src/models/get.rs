//! Gets a model that somebody asked for: download, check, and only then its name. [`Getting`] does it on a thread of
//! its own, with reports and a way to stop; the command line and the window use that.
//!
//! Nothing calls this by itself: no model is downloaded without being asked for.

use std::fs;
use std::thread::{self, JoinHandle};

use crossbeam_channel::{Receiver, Sender, bounded};

use super::cancel::Cancel;
use super::check::{CheckedFile, Confirm, confirm_model, examine, known, verify};
use super::download::part::Part;
use super::download::{Download, Patience, Progress, expect_room};
use super::error::ModelsError;
use super::find::not_here;
use super::folder::{ModelsFolder, lock, sync_folder};
use super::record::Record;
use super::registry::{Entry, Origin};
use super::starter::STARTER_NOTE;

/// How far a file's length may be from the registry's rough size, in percent.
const TOLERANCE_PERCENT: u64 = 20;
/// Reports that wait for a reader who is busy; further ones are dropped.
const EVENTS: usize = 64;

/// What to get, and how.
#[derive(Debug, Clone)]
pub struct GetRequest {
    /// The model.
    pub entry: Entry,
    /// Where it goes.
    pub folder: ModelsFolder,
    /// Another address than the publisher's, for example a mirror. The same checks hold.
    pub from: Option<String>,
    /// How patient to be.
    pub patience: Patience,
    /// How the file is confirmed to be the model.
    pub confirm: Confirm,
}

impl GetRequest {
    /// Gets a model from its publisher.
    pub fn new(entry: Entry, folder: ModelsFolder) -> Self {
        GetRequest { entry, folder, from: None, patience: Patience::default(), confirm: confirm_model }
    }
}

/// A model that is here now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Got {
    /// Its file.
    pub file: CheckedFile,
    /// Whether it was here before, and nothing was downloaded.
    pub was_here: bool,
}

/// Gets a model on this thread.
///
/// # Errors
/// When it cannot be had, or what came is not it; nothing is then under its name.
pub fn get(request: &GetRequest, cancel: &Cancel, on_progress: &mut dyn FnMut(Progress)) -> Result<Got, ModelsError> {
    let GetRequest { entry, folder, from, patience, confirm } = request;
    let Origin::Published { address, about_bytes, .. } = &entry.origin else {
        return Err(ModelsError::InProgram { name: entry.id.clone(), note: STARTER_NOTE, action: "get" });
    };
    let address = from.as_ref().unwrap_or(address);
    fs::create_dir_all(folder.path()).map_err(ModelsError::io(folder.path(), "made"))?;
    let file = folder.file(entry);
    let _lock = lock(&file)?;
    if let Some(installed) = folder.installed(&entry.id) {
        let checked = match known(entry, &installed)? {
            Some(checked) => checked,
            None => verify(entry, &installed, *confirm, cancel, &mut |done, total| {
                on_progress(Progress::Checking { done, total });
            })?,
        };
        return Ok(Got { file: checked, was_here: true });
    }
    let part = Part::of(&file);
    let slack = about_bytes / 100 * TOLERANCE_PERCENT;
    let accepted = about_bytes - slack..=about_bytes.saturating_add(slack);
    let held = part.held(address).map_err(ModelsError::io(part.path(), "read"))?;
    expect_room(folder.path(), about_bytes.saturating_sub(held.map_or(0, |held| held.bytes)))?;
    let before = Record::read(&file)?;
    loop {
        let mut download =
            Download { address, file: &file, part: &part, accepted: accepted.clone(), patience, cancel, on_progress };
        let was_resumed = download.run()?;
        let mut hashed = |done, total| on_progress(Progress::Checking { done, total });
        let error = match examine(entry, part.path(), &file, before.as_ref(), *confirm, cancel, &mut hashed) {
            Ok((checked, facts)) => {
                let record = Record::new(checked.sha256.clone(), checked.status, facts, Some(address.clone()));
                record.write(&file)?;
                fs::rename(part.path(), &file).map_err(ModelsError::io(&file, "written"))?;
                sync_folder(folder.path()).map_err(ModelsError::io(folder.path(), "written"))?;
                part.forget().map_err(ModelsError::io(part.path(), "removed"))?;
                return Ok(Got { file: checked, was_here: false });
            }
            Err(error @ (ModelsError::HashDiffers { .. } | ModelsError::NotTheModel { .. })) => {
                from_address(error, address)
            }
            Err(error) => return Err(error),
        };
        part.clear().map_err(ModelsError::io(part.path(), "removed"))?;
        // What an earlier attempt left may have been damaged since; the file deserves one try in one piece.
        if !was_resumed {
            return Err(error);
        }
        on_progress(Progress::Retrying { reason: error.to_string(), wait: std::time::Duration::ZERO });
    }
}

/// Reads all of a model's file that is here, whatever is known of it, and says what is wrong with it. Downloads nothing.
///
/// # Errors
/// When it is not here, or not the file it should be.
pub fn check(request: &GetRequest, cancel: &Cancel, on_progress: &mut dyn FnMut(Progress)) -> Result<Got, ModelsError> {
    let GetRequest { entry, folder, confirm, .. } = request;
    let file = folder.installed(&entry.id).ok_or_else(|| not_here(&entry.id, folder))?;
    let mut hashed = |done, total| on_progress(Progress::Checking { done, total });
    Ok(Got { file: verify(entry, &file, *confirm, cancel, &mut hashed)?, was_here: true })
}

/// Says where a wrong file came from; the part it was in is gone.
fn from_address(error: ModelsError, address: &str) -> ModelsError {
    match error {
        ModelsError::HashDiffers { found, expected, record, .. } => {
            ModelsError::HashDiffers { path: address.into(), found, expected, record }
        }
        ModelsError::NotTheModel { id, reason, .. } => {
            ModelsError::NotTheModel { path: address.into(), id, reason: format!("{reason}\nNothing of it was kept.") }
        }
        other => other,
    }
}

/// What a running download or check tells.
#[derive(Debug)]
pub enum GetEvent {
    /// How far it is.
    Progress(Progress),
    /// It is over; nothing follows.
    Ended(Result<Got, ModelsError>),
}

/// A download or a check on a thread of its own. Dropping it stops it; what has come stays for the next time.
pub struct Getting {
    cancel: Cancel,
    events: Option<Receiver<GetEvent>>,
    thread: Option<JoinHandle<()>>,
}

impl Getting {
    /// Starts getting a model; `waker` is called after every event.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub fn start(request: GetRequest, waker: impl Fn() + Send + 'static) -> Result<Self, ModelsError> {
        Self::spawn(get, request, waker)
    }

    /// Starts checking a model that is here; `waker` is called after every event.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub fn start_check(request: GetRequest, waker: impl Fn() + Send + 'static) -> Result<Self, ModelsError> {
        Self::spawn(check, request, waker)
    }

    fn spawn(work: Work, request: GetRequest, waker: impl Fn() + Send + 'static) -> Result<Self, ModelsError> {
        let (sender, events) = bounded(EVENTS);
        let cancel = Cancel::default();
        let stop = cancel.clone();
        let path = request.folder.path().to_owned();
        let thread = thread::Builder::new()
            .name("model-files".to_owned())
            .spawn(move || run(work, &request, &stop, &sender, &waker))
            .map_err(ModelsError::io(&path, "filled, since no thread can be started"))?;
        Ok(Getting { cancel, events: Some(events), thread: Some(thread) })
    }

    /// Where it tells what it does; the last event is [`GetEvent::Ended`].
    pub fn events(&self) -> &Receiver<GetEvent> {
        self.events.as_ref().expect("taken only when dropped")
    }

    /// Stops it; it ends with [`ModelsError::Cancelled`].
    pub fn cancel(&self) {
        self.cancel.cancel();
    }
}

impl Drop for Getting {
    fn drop(&mut self) {
        self.cancel.cancel();
        // Without a receiver a full channel no longer holds the thread back.
        self.events = None;
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            // Its panic has been reported by the panic hook; nothing is left to stop.
        }
    }
}

/// [`get`] or [`check`].
type Work = fn(&GetRequest, &Cancel, &mut dyn FnMut(Progress)) -> Result<Got, ModelsError>;

fn run(work: Work, request: &GetRequest, cancel: &Cancel, events: &Sender<GetEvent>, waker: &dyn Fn()) {
    let ended = work(request, cancel, &mut |progress| {
        // A reader who is busy needs the latest report, not every one; the next is a tenth of a second away.
        if events.try_send(GetEvent::Progress(progress)).is_ok() {
            waker();
        }
    });
    // Nobody may be there to hear it.
    if events.send(GetEvent::Ended(ended)).is_ok() {
        waker();
    }
}
