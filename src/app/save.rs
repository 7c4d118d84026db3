//! Writes the masks out the way the tool this one replaces did: `<frame>_<object>.npy` in `<clip>_masks`.
//!
//! Runs on a thread of its own over a snapshot of what there is to write. Each file is written whole or not at all.
//! A list of the files lies beside them, written before the first of them, so that saving again, also after it was
//! stopped or failed, can take away those that are no longer masks and leaves everybody else's files alone. It says of
//! which clip they are: two clips may be called alike, and masks of any clip are.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crossbeam_channel::{Receiver, Sender, bounded};
use serde::{Deserialize, Serialize};

use crate::formats::{npy, write_atomically};
use crate::label::{FrameIdx, MaskId, ObjectId, name_with_stream};
use crate::video::ClipIdentity;

use super::state::StoreLink;

const LIST_NAME: &str = "labelhub-masks.json";
/// Messages that may wait to be read; then the thread waits too.
const EVENT_CAPACITY: usize = 64;

/// What to write.
pub struct SaveJob {
    /// Where.
    pub folder: PathBuf,
    /// The clip they are of.
    pub clip: PathBuf,
    /// Which clip that is, wherever it lies.
    pub identity: ClipIdentity,
    /// The masks.
    pub masks: Vec<(FrameIdx, ObjectId, MaskId)>,
    /// Where the masks are.
    pub store: StoreLink,
    /// Takes the place of another clip's masks that a list names; the labeller has agreed.
    pub replaces_other_clip: bool,
    /// Set by whoever wants it to end.
    pub is_stopped: Arc<AtomicBool>,
}

/// Where a save that failed may be tried again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Retry {
    /// In the same folder.
    Here,
    /// There too, once the labeller agrees that another clip's masks are replaced.
    InPlaceOfOtherClip,
    /// Elsewhere only: the folder holds masks that nobody here wrote.
    Elsewhere,
}

/// How it goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SaveEvent {
    /// So many files are written.
    Progress(usize),
    /// All are written.
    Done {
        /// Where.
        folder: PathBuf,
        /// How many.
        files: usize,
        /// Files of an earlier save that were taken away.
        removed: usize,
    },
    /// It was stopped; what was written stays.
    Stopped {
        /// Where.
        folder: PathBuf,
        /// How many are written.
        files: usize,
    },
    /// It failed; what was written is whole.
    Failed {
        /// Where.
        folder: PathBuf,
        /// Why, and what to do.
        message: String,
        /// Where to try again.
        retry: Retry,
    },
}

/// The folder the replaced tool used: `<file stem>_masks` beside the clip. That of a stream that was chosen has its number
/// in it.
pub fn default_folder(clip: &Path, stream: Option<u32>) -> PathBuf {
    let mut folder = name_with_stream(clip, stream);
    folder.push("_masks");
    clip.with_file_name(folder)
}

#[derive(Debug, Serialize, Deserialize)]
struct FileList {
    /// The clip they are of. Earlier versions do not say it.
    #[serde(default)]
    identity: Option<ClipIdentity>,
    /// Its file or folder, for messages.
    #[serde(default)]
    clip: Option<String>,
    files: BTreeSet<String>,
}

impl FileList {
    fn of(job: &SaveJob, files: BTreeSet<String>) -> Self {
        let clip = job.clip.file_name().map(|name| name.to_string_lossy().into_owned());
        FileList { identity: Some(job.identity.clone()), clip, files }
    }

    /// Whether the files are of the clip that is saved. One that does not say it is taken by its folder's name.
    fn is_of(&self, job: &SaveJob) -> bool {
        match &self.identity {
            Some(identity) => *identity == job.identity,
            None => job.folder.file_name() == default_folder(&job.clip, job.identity.chosen_stream()).file_name(),
        }
    }
}

/// Starts writing. `waker` is called after each message.
///
/// # Errors
/// When no thread can be started.
pub fn spawn(job: SaveJob, waker: Arc<dyn Fn() + Send + Sync>) -> io::Result<Receiver<SaveEvent>> {
    let (sender, receiver) = bounded(EVENT_CAPACITY);
    std::thread::Builder::new().name("save-masks".to_owned()).spawn(move || {
        let end = write_all(&job, &|event| report(&sender, &*waker, event));
        report(&sender, &*waker, end.unwrap_or_else(|failed| failed));
    })?;
    Ok(receiver)
}

fn report(sender: &Sender<SaveEvent>, waker: &(dyn Fn() + Send + Sync), event: SaveEvent) {
    // Without a receiver the window has gone; the files are still worth finishing.
    if sender.send(event).is_ok() {
        waker();
    }
}

fn write_all(job: &SaveJob, report: &dyn Fn(SaveEvent)) -> Result<SaveEvent, SaveEvent> {
    let folder = &job.folder;
    let failed = |path: &Path, what: &str, cause: &str| failed(folder, path, what, cause);
    fs::create_dir_all(folder).map_err(|e| failed(folder, "the folder cannot be made", &e.to_string()))?;
    let earlier = earlier_files(job)?;
    let files: BTreeSet<String> =
        job.masks.iter().map(|(frame, object, _)| npy::file_name(*frame, *object, 0)).collect();
    write_list(job, earlier.union(&files).cloned().collect())?;
    for (count, (frame, object, id)) in job.masks.iter().enumerate() {
        if job.is_stopped.load(Ordering::Relaxed) {
            return Ok(SaveEvent::Stopped { folder: folder.clone(), files: count });
        }
        let name = npy::file_name(*frame, *object, 0);
        let mask = job.store.read().get(*id);
        let mask = mask.map_err(|e| failed(&folder.join(&name), "not written", &e.to_string()))?;
        npy::write_mask(&folder.join(&name), &mask)
            .map_err(|e| failed(folder, "not all masks were written", &e.to_string()))?;
        report(SaveEvent::Progress(count + 1));
    }
    let mut removed = 0;
    for name in earlier.difference(&files).filter(|name| npy::is_mask_name(name)) {
        match fs::remove_file(folder.join(name)) {
            Ok(()) => removed += 1,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(failed(&folder.join(name), "an old mask cannot be removed", &error.to_string())),
        }
    }
    let count = files.len();
    write_list(job, files)?;
    Ok(SaveEvent::Done { folder: folder.clone(), files: count, removed })
}

fn write_list(job: &SaveJob, files: BTreeSet<String>) -> Result<(), SaveEvent> {
    let folder = &job.folder;
    let list = serde_json::to_vec_pretty(&FileList::of(job, files)).expect("names are strings");
    write_atomically(&folder.join(LIST_NAME), |writer| io::Write::write_all(writer, &list))
        .map_err(|e| failed(folder, folder, "the list of files was not written", &e.to_string()))
}

/// The files of an earlier save; refuses a folder with masks that somebody else wrote, or that are of another clip unless
/// these may be replaced.
fn earlier_files(job: &SaveJob) -> Result<BTreeSet<String>, SaveEvent> {
    let folder = &job.folder;
    let unreadable =
        |e: String| failed(folder, &folder.join(LIST_NAME), "the list of an earlier save cannot be read", &e);
    let list: Option<FileList> = match fs::read(folder.join(LIST_NAME)) {
        Ok(bytes) => Some(serde_json::from_slice(&bytes).map_err(|e| unreadable(e.to_string()))?),
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(error) => return Err(unreadable(error.to_string())),
    };
    let (origin, retry, advice) = match &list {
        Some(list) if job.replaces_other_clip || list.is_of(job) => return Ok(list.files.clone()),
        Some(FileList { clip, .. }) => {
            let origin = match clip {
                Some(clip) => format!("of another clip, {clip}"),
                None => "that may be of another clip".to_owned(),
            };
            let advice =
                "save here anyway if they are of the same footage, which replaces them, or choose another folder";
            (origin, Retry::InPlaceOfOtherClip, advice)
        }
        None => ("of another origin".to_owned(), Retry::Elsewhere, "choose another folder"),
    };
    let entries = fs::read_dir(folder).map_err(|e| unreadable(e.to_string()))?;
    let mut names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    match names.find(|name| npy::is_mask_name(name)) {
        None => Ok(BTreeSet::new()),
        Some(name) => Err(SaveEvent::Failed {
            folder: folder.clone(),
            message: format!("{}: it holds masks {origin} ({name}). Nothing was written; {advice}", folder.display()),
            retry,
        }),
    }
}

fn failed(folder: &Path, path: &Path, what: &str, cause: &str) -> SaveEvent {
    let message = format!("{}: {what}: {cause}. Free space or choose another folder, then save again", path.display());
    SaveEvent::Failed { folder: folder.to_owned(), message, retry: Retry::Here }
}

#[cfg(test)]
mod tests {
    use std::sync::RwLock;

    use super::*;
    use crate::label::{FrameSize, Mask};
    use crate::store::{LabelStore, MemoryStore};

    fn job(folder: &Path, frames: &[u32]) -> SaveJob {
        let mut store = MemoryStore::default();
        let size = FrameSize { width: 5, height: 4 };
        let masks = frames
            .iter()
            .map(|f| (FrameIdx(*f), ObjectId(1), store.put(&Mask::from_fn(size, |i| i < *f as usize))))
            .collect();
        SaveJob {
            folder: folder.to_owned(),
            clip: "/nowhere/shot.mp4".into(),
            identity: ClipIdentity::of_bytes(b"shot"),
            masks,
            store: StoreLink(Arc::new(RwLock::new(store))),
            replaces_other_clip: false,
            is_stopped: Arc::default(),
        }
    }

    fn names(folder: &Path) -> BTreeSet<String> {
        let entries = fs::read_dir(folder).expect("the folder");
        entries.map(|entry| entry.expect("an entry").file_name().into_string().expect("plain")).collect()
    }

    #[test]
    fn saving_again_takes_away_what_is_no_longer_a_mask() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let folder = folder.path().join("clip_masks");
        let end = write_all(&job(&folder, &[0, 3, 7]), &|_| {}).expect("written");
        assert_eq!(end, SaveEvent::Done { folder: folder.clone(), files: 3, removed: 0 });
        let size = FrameSize { width: 5, height: 4 };
        let mask = npy::read_mask(&folder.join("3_1.npy"), size).expect("readable");
        assert_eq!(mask, Mask::from_fn(size, |i| i < 3));
        fs::write(folder.join("notes.txt"), "mine").expect("a file");
        let end = write_all(&job(&folder, &[3]), &|_| {}).expect("written");
        assert_eq!(end, SaveEvent::Done { folder: folder.clone(), files: 1, removed: 2 });
        assert_eq!(names(&folder), ["3_1.npy", LIST_NAME, "notes.txt"].map(str::to_owned).into());
    }

    #[test]
    fn what_was_stopped_half_way_can_be_saved_again() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let job = job(folder.path(), &[0, 1, 2]);
        let end = write_all(&job, &|event| job.is_stopped.store(event == SaveEvent::Progress(1), Ordering::Relaxed));
        assert_eq!(end, Ok(SaveEvent::Stopped { folder: folder.path().to_owned(), files: 1 }));
        assert_eq!(names(folder.path()), ["0_1.npy", LIST_NAME].map(str::to_owned).into());
        job.is_stopped.store(false, Ordering::Relaxed);
        let end = write_all(&job, &|_| {});
        assert_eq!(end, Ok(SaveEvent::Done { folder: folder.path().to_owned(), files: 3, removed: 0 }));
    }

    #[test]
    fn a_save_that_was_cut_short_can_be_done_again() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let folder = folder.path().join("clip_masks");
        let mut cut = job(&folder, &[0, 3, 7]);
        cut.masks[2].2 = MaskId(99);
        let end = write_all(&cut, &|_| {}).expect_err("the store has no such mask");
        assert!(matches!(&end, SaveEvent::Failed { folder: at, retry: Retry::Here, .. } if *at == folder), "{end:?}");
        assert_eq!(names(&folder), ["0_1.npy", "3_1.npy", LIST_NAME].map(str::to_owned).into());
        let end = write_all(&job(&folder, &[3, 7]), &|_| {}).expect("written");
        assert_eq!(end, SaveEvent::Done { folder: folder.clone(), files: 2, removed: 1 });
        assert_eq!(names(&folder), ["3_1.npy", "7_1.npy", LIST_NAME].map(str::to_owned).into());
    }

    #[test]
    fn masks_of_another_origin_are_not_touched() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        fs::write(folder.path().join("0_1.npy"), "theirs").expect("a file");
        let end = write_all(&job(folder.path(), &[0]), &|_| {}).expect_err("refused");
        assert!(matches!(end, SaveEvent::Failed { retry: Retry::Elsewhere, .. }), "{end:?}");
        assert_eq!(fs::read_to_string(folder.path().join("0_1.npy")).expect("still there"), "theirs");
    }

    #[test]
    fn masks_of_another_clip_are_not_touched() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let folder = folder.path().join("shot_masks");
        write_all(&job(&folder, &[0, 1]), &|_| {}).expect("written");
        let mut other = job(&folder, &[1, 2]);
        (other.clip, other.identity) = ("/nowhere/shot.mkv".into(), ClipIdentity::of_bytes(b"other"));
        let before = names(&folder);
        match write_all(&other, &|_| {}) {
            Err(SaveEvent::Failed { retry: Retry::InPlaceOfOtherClip, message, .. }) => {
                assert!(message.contains("shot.mp4"), "{message}")
            }
            end => panic!("{end:?}"),
        }
        assert_eq!(names(&folder), before);
        // Unless the labeller agrees, as after the labels were linked to the clip; from then on they are its own.
        let linked = tempfile::tempdir().expect("a temporary folder");
        write_all(&job(linked.path(), &[0, 1]), &|_| {}).expect("written");
        let own = |mut job: SaveJob, agreed| {
            (job.identity, job.replaces_other_clip) = (other.identity.clone(), agreed);
            write_all(&job, &|_| {})
        };
        assert!(own(job(linked.path(), &[1, 2]), false).is_err());
        let end = own(job(linked.path(), &[1, 2]), true).expect("agreed");
        assert_eq!(end, SaveEvent::Done { folder: linked.path().to_owned(), files: 2, removed: 1 });
        assert!(own(job(linked.path(), &[2]), false).is_ok());
        // Once they were taken away there is nothing to lose.
        for frame in [0, 1] {
            fs::remove_file(folder.join(npy::file_name(FrameIdx(frame), ObjectId(1), 0))).expect("written");
        }
        let end = write_all(&other, &|_| {}).expect("written");
        assert_eq!(end, SaveEvent::Done { folder, files: 2, removed: 0 });
    }

    #[test]
    fn lists_of_earlier_versions_are_of_the_clip_their_folder_is_named_after() {
        let parent = tempfile::tempdir().expect("a temporary folder");
        for (name, is_ours) in [("shot_masks", true), ("masks", false)] {
            let folder = parent.path().join(name);
            fs::create_dir(&folder).expect("a folder");
            fs::write(folder.join("0_1.npy"), "an earlier mask").expect("a file");
            fs::write(folder.join(LIST_NAME), r#"{"files":["0_1.npy"]}"#).expect("a file");
            match write_all(&job(&folder, &[3]), &|_| {}) {
                Ok(end) => assert_eq!((end, is_ours), (SaveEvent::Done { folder, files: 1, removed: 1 }, true)),
                Err(end) => {
                    let is_refused = matches!(end, SaveEvent::Failed { retry: Retry::InPlaceOfOtherClip, .. });
                    assert!(!is_ours && is_refused, "{end:?}");
                }
            }
        }
    }
}
