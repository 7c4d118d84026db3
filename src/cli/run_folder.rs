//! The output folder of a track run: masks under their names, the manifest, the lock.
//!
//! A folder belongs to one run. `track` opens it before loading the model: a folder with masks made from other inputs, one
//! that another process is writing, or one with somebody else's masks in it is refused before anything costs time.

use std::collections::BTreeSet;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use super::exit::{CliError, Exit};
use super::manifest::{FORMAT, Manifest};
use super::prompt_file::read_json;
use crate::formats::{npy, write_atomically};
use crate::label::{FrameIdx, Mask, ObjectId, name_with_stream};
use crate::store::can_write;

const MANIFEST_NAME: &str = "labelhub-run.json";
const LOCK_NAME: &str = ".labelhub-run.lock";
const STATE_NAME: &str = ".labelhub-state";
/// Ending of a file that is being written.
const PART: &str = ".part";
/// Most digits a frame's number is padded to.
pub const MAX_PAD: usize = 10;

/// An open run folder; the lock is held until this is dropped.
#[derive(Debug)]
pub struct RunFolder {
    path: PathBuf,
    manifest: Manifest,
    done: BTreeSet<(FrameIdx, ObjectId)>,
    /// Keeps other processes out; `None` where the file system has no locks.
    _lock: Option<File>,
}

impl RunFolder {
    /// Makes or enters `path` for a run with these inputs.
    ///
    /// # Errors
    /// When the folder cannot be made, is in use, or holds masks from other inputs.
    pub fn open(path: &Path, manifest: Manifest, overwrite: bool) -> Result<Self, CliError> {
        fs::create_dir_all(path).map_err(|e| write_error(path, &e))?;
        let lock = lock_folder(path)?;
        let manifest_path = path.join(MANIFEST_NAME);
        let found = mask_files(path)?;
        let is_ours = manifest_path.exists();
        if let (false, Some(name)) = (is_ours, found.first()) {
            let shown = path.display();
            return Err(CliError::usage(format!(
                "{shown}: it already holds masks of another origin ({name}); choose another --out or move them away"
            )));
        }
        if is_ours && !overwrite {
            let old = read_record(&manifest_path)?;
            match old.first_difference(&manifest) {
                None => {
                    let done = found.iter().filter_map(|name| mask_of_run(name, &old)).collect();
                    return Ok(RunFolder { path: path.to_path_buf(), manifest: old, done, _lock: lock });
                }
                // A run that failed before its first mask, as on a model that does not load, is not in the way of the
                // corrected one.
                Some(_) if found.iter().all(|name| name.ends_with(PART)) => {}
                Some(difference) => return Err(other_inputs(&manifest_path, &difference)),
            }
        }
        if is_ours {
            let is_of_run: Box<dyn Fn(&str) -> bool> = match read_json::<Manifest>(&manifest_path) {
                Ok(old) => Box::new(move |name| mask_of_run(name, &old).is_some()),
                // A damaged record cannot say which; the folder is a run's, so what looks like its masks is.
                Err(CliError::Told { exit: Exit::Usage, .. }) => Box::new(|_| true),
                // One that cannot be read at all is no leave to delete.
                Err(unreadable) => return Err(unreadable),
            };
            remove_run(path, found.iter().filter(|name| is_of_run(name.strip_suffix(PART).unwrap_or(name))))?;
        }
        let folder = RunFolder { path: path.to_path_buf(), manifest, done: BTreeSet::new(), _lock: lock };
        folder.write_manifest()?;
        Ok(folder)
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// A place for the tracker's own state. Not made yet.
    pub fn state_folder(&self) -> PathBuf {
        self.path.join(STATE_NAME)
    }

    /// The masks that are there.
    pub fn done(&self) -> &BTreeSet<(FrameIdx, ObjectId)> {
        &self.done
    }

    /// Whether an earlier run came to its end and all its masks are still there.
    pub fn is_finished(&self) -> bool {
        self.manifest.finished_masks == Some(self.done.len() as u64)
    }

    /// Frames found not to decode.
    pub fn damaged(&self) -> Vec<FrameIdx> {
        self.manifest.damaged.iter().copied().collect()
    }

    /// Name of a mask's file.
    pub fn mask_name(&self, frame: FrameIdx, object: ObjectId) -> String {
        npy::file_name(frame, object, self.manifest.options.pad)
    }

    /// Writes a mask, unless it is there already. Gives its file name.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn write_mask(&mut self, frame: FrameIdx, object: ObjectId, mask: &Mask) -> Result<String, CliError> {
        let name = self.mask_name(frame, object);
        if !self.done.contains(&(frame, object)) {
            npy::write_mask(&self.path.join(&name), mask)?;
            self.done.insert((frame, object));
        }
        Ok(name)
    }

    /// The masks that are there of a frame, but for those of `objects`.
    ///
    /// # Errors
    /// When one cannot be read.
    pub fn masks_of_others(&self, frame: FrameIdx, objects: &[ObjectId]) -> Result<Vec<Mask>, CliError> {
        let of_frame = self.done.range((frame, ObjectId(0))..=(frame, ObjectId(u32::MAX)));
        let others = of_frame.map(|(_, object)| *object).filter(|object| !objects.contains(object));
        let read = |object| npy::read_mask(&self.path.join(self.mask_name(frame, object)), self.manifest.clip.size);
        Ok(others.map(read).collect::<Result<_, _>>()?)
    }

    /// Notes a frame that does not decode, at once: a run that goes on later may not see it again.
    ///
    /// # Errors
    /// When the manifest cannot be written.
    pub fn note_damaged(&mut self, frame: FrameIdx) -> Result<(), CliError> {
        if self.manifest.damaged.insert(frame) { self.write_manifest() } else { Ok(()) }
    }

    /// Notes that the run came to its end and removes the state that only a stopped run needs.
    ///
    /// # Errors
    /// When the manifest cannot be written or the state cannot be removed.
    pub fn finish(&mut self) -> Result<(), CliError> {
        self.manifest.finished_masks = Some(self.done.len() as u64);
        self.write_manifest()?;
        let state = self.state_folder();
        match std::fs::remove_dir_all(&state) {
            Ok(()) => Ok(()),
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(()),
            Err(e) => {
                let message = format!("{}: cannot be removed ({e}); remove it by hand", state.display());
                Err(CliError::new(Exit::SomeFailed, message))
            }
        }
    }

    fn write_manifest(&self) -> Result<(), CliError> {
        let path = self.path.join(MANIFEST_NAME);
        write_atomically(&path, |writer| {
            serde_json::to_writer_pretty(&mut *writer, &self.manifest)?;
            writer.write_all(b"\n")
        })?;
        Ok(())
    }
}

/// The folder used without `--out`: `<file stem>_masks` beside the clip, or in `working` where that is read-only. That of a
/// stream that was chosen has its number in it.
pub fn default_folder(clip: &Path, stream: Option<u32>, working: &Path) -> PathBuf {
    // `.` and `frames/..` have no name of their own; the full path does.
    let full = fs::canonicalize(clip).unwrap_or_else(|_| clip.to_path_buf());
    let mut name = name_with_stream(&full, stream);
    name.push("_masks");
    // Beside the path as the user wrote it: a linked clip's masks belong beside the link.
    let parent = match clip.parent() {
        Some(parent) if clip.file_name().is_some() && !parent.as_os_str().is_empty() => parent.to_path_buf(),
        Some(_) if clip.file_name().is_some() => working.to_path_buf(),
        Some(_) | None => full.parent().unwrap_or(working).to_path_buf(),
    };
    let beside = parent.join(&name);
    if beside.is_dir() || can_write(&parent) { beside } else { working.join(&name) }
}

fn parse_mask_name(name: &str, pad: usize) -> Option<(FrameIdx, ObjectId)> {
    let (frame, object) = npy::frame_and_object(name.strip_suffix(".npy")?)?;
    // `+1_1.npy` and `01_1.npy` parse too, but are not names this run would give.
    (npy::file_name(frame, object, pad) == name).then_some((frame, object))
}

/// The frame and object of a file, if the run can have written it.
fn mask_of_run(name: &str, manifest: &Manifest) -> Option<(FrameIdx, ObjectId)> {
    parse_mask_name(name, manifest.options.pad).filter(|&(frame, object)| manifest.covers(frame, object))
}

/// Names in the folder that look like masks of any run, finished or in part, sorted.
fn mask_files(folder: &Path) -> Result<Vec<String>, CliError> {
    let looks_like_mask = |name: &str| npy::is_mask_name(name.strip_suffix(PART).unwrap_or(name));
    let mut names = Vec::new();
    for entry in fs::read_dir(folder).map_err(|e| read_error(folder, &e))? {
        let name = entry.map_err(|e| read_error(folder, &e))?.file_name();
        if let Some(name) = name.to_str().filter(|name| looks_like_mask(name)) {
            names.push(name.to_owned());
        }
    }
    names.sort();
    Ok(names)
}

/// The record of the run in the folder.
fn read_record(manifest_path: &Path) -> Result<Manifest, CliError> {
    let shown = manifest_path.display();
    let old: Manifest = read_json(manifest_path).map_err(|error| {
        CliError::usage(format!("{error}\nThe run's record is damaged; --overwrite starts the run anew"))
    })?;
    if old.format > FORMAT {
        return Err(CliError::usage(format!("{shown}: written by a newer version ({}); use that one", old.program)));
    }
    Ok(old)
}

fn other_inputs(manifest_path: &Path, difference: &str) -> CliError {
    CliError::usage(format!(
        "{}: these masks were made from other inputs: {difference}; choose another --out, or --overwrite to start anew",
        manifest_path.display()
    ))
}

/// Removes what a run wrote, and nothing else. The manifest goes last: while it is there the folder is known to be
/// ours, so a removal cut short can be repeated; the state goes first, because it speaks of masks that are there.
fn remove_run<'a>(folder: &Path, masks: impl Iterator<Item = &'a String>) -> Result<(), CliError> {
    let remove = |path: &Path| fs::remove_file(path).map_err(|e| write_error(path, &e));
    let state = folder.join(STATE_NAME);
    if state.exists() {
        fs::remove_dir_all(&state).map_err(|e| write_error(&state, &e))?;
    }
    for name in masks {
        remove(&folder.join(name))?;
    }
    remove(&folder.join(MANIFEST_NAME))
}

fn lock_folder(folder: &Path) -> Result<Option<File>, CliError> {
    let path = folder.join(LOCK_NAME);
    let opened = OpenOptions::new().create(true).truncate(false).write(true).open(&path);
    let file = opened.map_err(|e| write_error(&path, &e))?;
    match file.try_lock() {
        Ok(()) => Ok(Some(file)),
        Err(TryLockError::WouldBlock) => Err(CliError::usage(format!(
            "{}: another label-hub is writing here; wait for it, or choose another --out",
            folder.display()
        ))),
        Err(TryLockError::Error(e)) if e.kind() == io::ErrorKind::Unsupported => Ok(None),
        Err(TryLockError::Error(e)) => Err(write_error(&path, &e)),
    }
}

fn write_error(path: &Path, error: &io::Error) -> CliError {
    let shown = path.display();
    CliError::new(Exit::SomeFailed, format!("{shown}: cannot write there ({error}); choose another --out"))
}

fn read_error(path: &Path, error: &io::Error) -> CliError {
    CliError::input(format!("{}: cannot read it ({error}); check its permissions", path.display()))
}
