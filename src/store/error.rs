//! What can go wrong with a store.
//!
//! Each message names the file, the cause and what to do next; the app shows them as they are.

use std::path::PathBuf;

use super::PROJECT_EXTENSION;
use crate::label::{MaskId, counted};

/// Why the store could not do what it was asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// No mask has this id.
    #[error("mask {0:?} is not in the store; undo the last steps, or track this frame again")]
    Unknown(MaskId),
    /// What is stored for a mask is not a mask.
    #[error("mask {id:?} is damaged in the store ({cause}); track this frame again")]
    Damaged {
        /// The mask.
        id: MaskId,
        /// What is wrong with it.
        cause: String,
    },
    /// A mask could not be read from the file.
    #[error("{}: a mask cannot be read ({cause}); check that the disk is still there", path.display())]
    Read {
        /// The project file.
        path: PathBuf,
        /// What the system said.
        cause: String,
    },
    /// The project file could not be opened or made.
    #[error("{}: the project cannot be opened ({cause}); check the path, its permissions and the free space", path.display())]
    Open {
        /// The project file.
        path: PathBuf,
        /// What the system said.
        cause: String,
    },
    /// Another program, or another window of this one, has the project open.
    #[error("{}: the project is open in another window (computer {host}, process {pid}); close it there first", path.display())]
    Locked {
        /// The project file.
        path: PathBuf,
        /// The computer's name, as the holder wrote it; "unknown" when it cannot be read.
        host: String,
        /// The process, as the holder wrote it; 0 when it cannot be read.
        pid: u32,
    },
    /// Not a project of this program. It was not touched.
    #[error("{}: not a Label Hub project ({cause}), and left as it is; move it away to start a project here", path.display())]
    Foreign {
        /// The file.
        path: PathBuf,
        /// How it was seen.
        cause: String,
    },
    /// A newer program's project that this one cannot even read.
    #[error("{}: made by a newer Label Hub (project version {version}) and not readable by this one ({cause}); update Label Hub", path.display())]
    Newer {
        /// The project file.
        path: PathBuf,
        /// Its version.
        version: i64,
        /// What could not be read.
        cause: String,
    },
    /// The project belongs to another clip.
    #[error("{}: the labels are of another clip ({}{which}); open that one, or link the labels to this clip if it is the same footage", path.display(), recorded.display())]
    OtherClip {
        /// The project file.
        path: PathBuf,
        /// Where the project's own clip was.
        recorded: PathBuf,
        /// Which of its streams that was, in words after a comma; empty where neither clip is one of several.
        which: String,
        /// The clip that was to be opened.
        given: PathBuf,
    },
    /// The clip is a folder of more or fewer images than the project's labels are for.
    #[error("{}: the labels are for the {} of {}, and {} has {given_count}. If pictures were added to the folder or taken from it, put it back as it was and the labels are there again; or start a separate project", path.display(), counted(*recorded_count, "picture"), recorded.display(), given.display())]
    OtherPictures {
        /// The project file.
        path: PathBuf,
        /// Where the project's own clip was.
        recorded: PathBuf,
        /// Frames of that.
        recorded_count: u32,
        /// The folder that was to be opened.
        given: PathBuf,
        /// Images in it.
        given_count: u32,
    },
    /// The clip is the project's own, but its frames are counted otherwise than when they were labelled.
    #[error("{}: the frames of this clip are counted otherwise than when it was labelled, by another version of the program or of ffmpeg; open it with that one, or link the labels to it all the same and look whether they lie on their frames", path.display())]
    OtherFrames {
        /// The project file.
        path: PathBuf,
    },
    /// The project's labels do not fit the clip, so they cannot be linked to it.
    #[error("{}: the labels do not fit this clip: {reason}; open the clip they were made on, or start a new project", path.display())]
    Misfit {
        /// The project file.
        path: PathBuf,
        /// What differs.
        reason: String,
    },
    /// The project's clip is not where it could be.
    #[error("{}: its clip is not there, neither {} nor {}; put the clip back, or move this project beside it and name it after it, as film.mp4.{PROJECT_EXTENSION} for film.mp4", path.display(), beside.display(), recorded.display())]
    NoClip {
        /// The project file.
        path: PathBuf,
        /// The project's own path without its ending.
        beside: PathBuf,
        /// Where the clip was last.
        recorded: PathBuf,
    },
    /// A damaged project from which nothing could be saved into a new one.
    #[error("{}: the project is damaged and could not be recovered ({cause}). It was not changed{}", path.display(), advice(passed_over.as_ref(), newest_backup.as_ref()))]
    Unrecoverable {
        /// The project file.
        path: PathBuf,
        /// What failed.
        cause: String,
        /// What was recovered earlier, of other damage, with the work that went on in it.
        passed_over: Option<PathBuf>,
        /// The newest backup, to open instead.
        newest_backup: Option<PathBuf>,
    },
    /// A copy could not be written; nothing is left at its place.
    #[error("{}: the copy was not written ({cause}); choose another place with enough free space", path.display())]
    Copy {
        /// Where the copy was to go.
        path: PathBuf,
        /// Why not.
        cause: String,
    },
    /// The last changes are not in the file; the store stays open and keeps them.
    #[error("{}: the last changes are not saved ({cause}); free space or save a copy elsewhere, then try again", path.display())]
    NotSaved {
        /// The project file.
        path: PathBuf,
        /// Why not.
        cause: String,
    },
}

fn advice(passed_over: Option<&PathBuf>, newest_backup: Option<&PathBuf>) -> String {
    if passed_over.or(newest_backup).is_none() {
        return "; if there is a copy, open that".to_owned();
    }
    let earlier = passed_over.map(|path| {
        format!("; work that went on after an earlier recovery is in {}, open that to have it", path.display())
    });
    let backup = newest_backup.map(|path| format!("; its newest backup is {}, copy that to its place", path.display()));
    earlier.into_iter().chain(backup).collect()
}
