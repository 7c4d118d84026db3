//! How to open a project, and what the user should know about an opening that worked.

use std::fmt;
use std::path::PathBuf;

use super::Waker;

/// How to open.
#[derive(Clone)]
pub struct OpenOptions {
    /// What to do with another clip's project.
    pub on_other_clip: OnOtherClip,
    /// The program's data folder, for backups; without it there are none.
    pub data_folder: Option<PathBuf>,
    /// Told when the state of saving may have changed.
    pub waker: Waker,
}

/// What to do when a project belongs to another clip than the one given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnOtherClip {
    /// Refuse with [`StoreError::OtherClip`](crate::store::StoreError::OtherClip), or with
    /// [`StoreError::OtherFrames`](crate::store::StoreError::OtherFrames) where only the frames are counted otherwise.
    Refuse,
    /// The user has agreed to link the labels to this clip. Refused all the same when size or frame count differ.
    Relink,
}

/// What the user should know about an opening that worked. `Display` gives the text to show.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum OpenNotice {
    /// The project was damaged; what could be read is in a new file, which is open now.
    Recovered {
        /// The damaged file, as it was.
        damaged: PathBuf,
        /// The new one.
        recovered: PathBuf,
        /// What is missing, a phrase each; empty when nothing is.
        lost: Vec<String>,
        /// The newest earlier recovery, of other damage; what was done in that one since is not in the new one.
        passed_over: Option<PathBuf>,
        /// The newest backup.
        newest_backup: Option<PathBuf>,
    },
    /// The project is damaged and was recovered before; that file is open now.
    OpenedRecovered {
        /// The damaged file.
        damaged: PathBuf,
        /// The one that is open.
        recovered: PathBuf,
    },
    /// The project is gone; what was recovered from it before is open now.
    OpenedInPlaceOf {
        /// Where it was.
        gone: PathBuf,
        /// The one that is open.
        recovered: PathBuf,
    },
    /// It is new, and other projects in the clip's folder hold labels of the same content; their own clip is gone, as
    /// when it was given another name without its project.
    LabelsElsewhere {
        /// The new project.
        path: PathBuf,
        /// The others.
        projects: Vec<PathBuf>,
    },
    /// It is open for reading only.
    ReadOnly {
        /// The file.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// It was made by an older program and brought up to date.
    Migrated {
        /// Its version before.
        from: i64,
        /// Its version now.
        to: i64,
        /// The copy that was made before.
        backup: PathBuf,
    },
    /// The labels now belong to the clip that was given.
    Relinked {
        /// Where their clip was before.
        from: PathBuf,
    },
    /// The file was empty, as after a power cut, and was started anew.
    WasEmpty {
        /// The file.
        path: PathBuf,
        /// The newest backup.
        newest_backup: Option<PathBuf>,
    },
    /// Files of a project that is gone lay there and were renamed.
    SetAside {
        /// Their new names.
        files: Vec<PathBuf>,
    },
    /// Nothing keeps other programs from opening it at the same time.
    NotLocked {
        /// The file.
        path: PathBuf,
        /// Why.
        reason: String,
    },
}

fn listed(files: &[PathBuf]) -> String {
    let names: Vec<String> = files.iter().map(|path| path.display().to_string()).collect();
    names.join(", ")
}

impl fmt::Display for OpenNotice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let backup = |newest: &Option<PathBuf>| {
            newest.as_ref().map_or_else(String::new, |path| format!(" The newest backup is {}.", path.display()))
        };
        match self {
            OpenNotice::Recovered { damaged, recovered, lost, passed_over, newest_backup } => {
                let earlier = passed_over.as_ref().map_or_else(String::new, |earlier| {
                    format!(" Work that went on after an earlier recovery is in {}.", earlier.display())
                });
                let lost = if lost.is_empty() { "nothing".to_owned() } else { lost.join(", ") };
                write!(
                    f,
                    "{}: the project was damaged and is left as it was. What could be read is now in {}; lost: {lost}.{earlier}{}",
                    damaged.display(),
                    recovered.display(),
                    backup(newest_backup),
                )
            }
            OpenNotice::OpenedRecovered { damaged, recovered } => write!(
                f,
                "{}: the project is damaged; what was recovered from it earlier, {}, is open instead.",
                damaged.display(),
                recovered.display()
            ),
            OpenNotice::OpenedInPlaceOf { gone, recovered } => write!(
                f,
                "{}: the project is not there any more; what was recovered from it earlier, {}, is open instead.",
                gone.display(),
                recovered.display()
            ),
            OpenNotice::LabelsElsewhere { path, projects } => write!(
                f,
                "{}: a new project, but there are labels of this same clip in {}. To go on with them, open that, or \
                 close this clip and rename that to {}.",
                path.display(),
                listed(projects),
                path.display()
            ),
            OpenNotice::ReadOnly { path, reason } => write!(
                f,
                "{}: open for reading only, {reason}. Save a copy elsewhere to change labels.",
                path.display()
            ),
            OpenNotice::Migrated { from, to, backup } => write!(
                f,
                "The project was brought from version {from} to {to}. A copy from before is in {}.",
                backup.display()
            ),
            OpenNotice::Relinked { from } => {
                write!(f, "The labels of {} now belong to this clip.", from.display())
            }
            OpenNotice::WasEmpty { path, newest_backup } => {
                write!(
                    f,
                    "{}: the project file was empty and was started anew.{}",
                    path.display(),
                    backup(newest_backup)
                )
            }
            OpenNotice::SetAside { files } => {
                write!(f, "Files of an earlier project whose main file is gone were renamed: {}.", listed(files))
            }
            OpenNotice::NotLocked { path, reason } => write!(
                f,
                "{}: this disk cannot lock files ({reason}). Do not open the project in a second window.",
                path.display()
            ),
        }
    }
}
