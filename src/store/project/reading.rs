//! Reads a project that stays as it is, whoever has it open: a copy is taken and read in its place.
//!
//! Called by whoever only needs the labels, such as an export. The project itself is neither held, migrated, recovered
//! nor written; what its window does after the copy was taken is not seen.

use std::path::{Path, PathBuf};

use rusqlite::ErrorCode;

use super::lock::{ProjectLock, Taken};
use super::notice::{OpenNotice, OpenOptions};
use super::open::{Opened, Surroundings, open_copy};
use super::recover::Recoveries;
use super::{ClipRecord, Snapshot, backups, clip, copy, create, paths, recover, schema};
use crate::label::chosen_stream;
use crate::store::{ProjectStore, StoreError};

/// A copy of a project that nobody else sees.
#[derive(Debug)]
pub struct Private {
    /// Goes with it.
    pub folder: tempfile::TempDir,
    /// The database.
    pub path: PathBuf,
}

impl Private {
    /// A place for a copy.
    pub fn empty() -> std::io::Result<Self> {
        let folder = tempfile::tempdir()?;
        let path = recover::copied_path(folder.path());
        Ok(Private { folder, path })
    }

    /// A copy of the files of a project that nobody writes.
    pub fn of_files(project: &Path) -> std::io::Result<Self> {
        let private = Self::empty()?;
        recover::copy_with_companions(project, private.folder.path())?;
        Ok(private)
    }
}

/// A copy of a project in a temporary folder; it goes with this value, or with the store that was opened from it.
#[derive(Debug)]
pub struct ProjectCopy {
    /// The project it was taken of.
    project: PathBuf,
    /// The project in whose place this one is read, because it is gone and this was recovered from it.
    gone: Option<PathBuf>,
    private: Private,
}

impl ProjectCopy {
    /// Copies a project, or what was recovered from one that is gone. Where another program has it open, what that one
    /// has saved so far is copied, in one piece. Not to be called by the program that has it open.
    ///
    /// # Errors
    /// When there is none, it is not a project, it cannot be read, or whoever has it open lets nobody read it.
    pub fn take(project: &Path) -> Result<Self, StoreError> {
        let failed = |cause: String| StoreError::Open { path: project.to_owned(), cause };
        let project = paths::canonical(project).map_err(|error| failed(error.to_string()))?;
        match create::look(&project).map_err(|error| failed(error.to_string()))? {
            create::Kind::Ours => {}
            create::Kind::Foreign(cause) => return Err(StoreError::Foreign { path: project, cause }),
            create::Kind::Absent => {
                let recovered = recover::earlier_recoveries(&project, None).fitting;
                let recovered = recovered.ok_or_else(|| failed("there is no such file".to_owned()))?;
                return Ok(ProjectCopy { gone: Some(project), ..Self::take(&recovered)? });
            }
            create::Kind::Empty => return Err(failed("it is empty".to_owned())),
        }
        let files = || Private::of_files(&project).map_err(|error| failed(format!("no copy to read: {error}")));
        let private = match ProjectLock::take(&project) {
            // Held until the files are copied.
            Ok(Taken::Held(_lock)) => files()?,
            Ok(Taken::ReadOnlyFolder) => files()?,
            // Nobody knows whether somebody is writing; SQLite's own locks may still work.
            Ok(Taken::NoLocks(_) | Taken::Barred(_)) => saved_so_far(&project).or_else(|_| files())?,
            Err(locked @ StoreError::Locked { .. }) => saved_so_far(&project).map_err(|_| locked)?,
            Err(other) => return Err(other),
        };
        Ok(ProjectCopy { project, gone: None, private })
    }

    /// The clip the labels are of.
    ///
    /// # Errors
    /// When the project is damaged there.
    pub fn clip(&self) -> Result<ClipRecord, StoreError> {
        let damaged = |cause: String| damaged(&self.project, &cause, None, None);
        let read = schema::open_writer(&self.private.path).and_then(|connection| clip::read(&connection));
        let record = read.map_err(|error| match error.sqlite_error_code() {
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => damaged(error.to_string()),
            _ => StoreError::Open { path: self.project.clone(), cause: error.to_string() },
        })?;
        record.ok_or_else(|| damaged("the clip's record is missing".to_owned()))?.map_err(damaged)
    }

    /// Opens the copy for a clip. The store can be read and nothing more. A damaged project is read from what was
    /// recovered of it earlier, if anything was.
    ///
    /// # Errors
    /// When it belongs to another clip, is damaged, or is too new to be read.
    pub fn open(
        self,
        clip: &ClipRecord,
        options: &OpenOptions,
    ) -> Result<(ProjectStore, Snapshot, Vec<OpenNotice>), StoreError> {
        let ProjectCopy { project, gone, private } = self;
        let opened = open_copy(&project, private, clip, options, &Surroundings::default())?;
        let (store, snapshot, mut notices) =
            opened.or_else(|damage| open_recovered(&project, &damage, clip, options))?;
        notices.extend(gone.map(|gone| OpenNotice::OpenedInPlaceOf { gone, recovered: project }));
        Ok((store, snapshot, notices))
    }
}

/// The clip of a project.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProjectClip {
    /// The file or folder.
    pub path: PathBuf,
    /// The stream that the labels are of, as the file's container counts; `None` where it is the one that the file shows
    /// by itself.
    pub stream: Option<u32>,
}

/// The clip of a project: at the project's own path without its ending, or else where it was last. Not to be called by the
/// program that has the project open.
///
/// # Errors
/// When it is at neither, or where it was cannot be read.
pub fn project_clip(project: &Path) -> Result<ProjectClip, StoreError> {
    // Without a copy, which for a project of many hours takes long, and without what is still in the WAL.
    let in_place = schema::open_unlocked(project).and_then(|connection| clip::read(&connection));
    let in_place = if let Ok(Some(Ok(clip))) = in_place { Some(clip) } else { None };
    let (beside, stream_in_name) = paths::clip_beside(project);
    if beside.exists() {
        // Why nothing can be read is told when the project is opened.
        let recorded = in_place.or_else(|| ProjectCopy::take(project).and_then(|copy| copy.clip()).ok());
        let stream = recorded.map_or(stream_in_name, |clip| chosen_stream(&clip.identity));
        return Ok(ProjectClip { path: beside, stream });
    }
    // A path that was remembered from some working folder can only be meant from here.
    let from_here = |clip: ClipRecord| ProjectClip {
        stream: chosen_stream(&clip.identity),
        path: project.parent().unwrap_or(Path::new("")).join(clip.path),
    };
    // What may be out of date is believed only where there is a clip.
    if let Some(clip) = in_place.map(from_here).filter(|clip| clip.path.exists()) {
        return Ok(clip);
    }
    let recorded = from_here(ProjectCopy::take(project)?.clip()?);
    if recorded.path.exists() {
        return Ok(recorded);
    }
    Err(StoreError::NoClip { path: project.to_owned(), beside, recorded: recorded.path })
}

fn damaged(project: &Path, cause: &str, passed_over: Option<PathBuf>, newest_backup: Option<PathBuf>) -> StoreError {
    let cause = format!("{cause}; it was only read here, opening it in the window recovers what can be read");
    StoreError::Unrecoverable { path: project.to_owned(), cause, passed_over, newest_backup }
}

/// Opens what was recovered from a damaged project, as its window does.
fn open_recovered(
    project: &Path,
    damage: &str,
    clip: &ClipRecord,
    options: &OpenOptions,
) -> Result<Opened, StoreError> {
    let made_of = recover::fingerprint(project).ok();
    let Recoveries { fitting, passed_over, .. } = recover::earlier_recoveries(project, made_of.as_deref());
    let Some(recovered) = fitting else {
        let folder = options.data_folder.as_deref().map(|data| backups::folder(data, clip, project));
        let newest_backup = folder.and_then(|folder| backups::newest(&folder));
        return Err(damaged(project, damage, passed_over, newest_backup));
    };
    let (store, snapshot, mut notices) = ProjectCopy::take(&recovered)?.open(clip, options)?;
    notices.push(OpenNotice::OpenedRecovered { damaged: project.to_owned(), recovered });
    Ok((store, snapshot, notices))
}

/// A copy of what is in a database that somebody else writes: SQLite reads it as it was at one moment.
fn saved_so_far(project: &Path) -> Result<Private, StoreError> {
    let failed = |cause: String| StoreError::Open { path: project.to_owned(), cause };
    let private = Private::empty().map_err(|error| failed(error.to_string()))?;
    let source = schema::open_reader(project).map_err(|error| failed(error.to_string()))?;
    copy::write_copy(&source, &private.path, |_| Ok(()))?;
    Ok(private)
}
