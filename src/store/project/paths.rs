//! Where a clip's project lies, and what the files beside it are called.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use super::recover;
use crate::label::{chosen_stream, clip_name};

/// What every project file's name ends in.
pub const EXTENSION: &str = "labelhub";
/// Marks the projects of streams that were chosen; their number follows.
const STREAM: &str = "stream";
const SHORT_IDENTITY_CHARS: usize = 12;

/// The project file of a clip, whether or not it exists yet.
///
/// It lies beside the clip as `clip.mp4.labelhub` (beside a folder of images as `folder.labelhub`), that of a stream that
/// was chosen as `clip.mp4.stream1.labelhub`: its labels fit no other picture. Where that folder cannot be written it
/// lies in `data_folder/projects` under the clip's name and identity, where it is found again when the clip has another
/// name or place. A project beside the clip comes before one in the data folder.
pub fn project_path(clip: &Path, data_folder: &Path, identity: &str) -> PathBuf {
    let clip = clip.canonicalize().unwrap_or_else(|_| clip.to_owned());
    let beside = match chosen_stream(identity) {
        None => with_suffix(&clip, EXTENSION),
        Some(stream) => with_suffix(&with_suffix(&clip, &format!("{STREAM}{stream}")), EXTENSION),
    };
    if is_project_there(&beside) {
        return beside;
    }
    let folder = data_folder.join("projects");
    if let Some(known) = known_project(&folder, identity) {
        return known;
    }
    if clip.parent().is_some_and(can_write) {
        return beside;
    }
    separate_project_path(&clip, data_folder, identity)
}

/// Whether something can be written into a folder. Trying is the only way to know: permissions, read-only mounts and
/// quotas all count.
pub fn can_write(folder: &Path) -> bool {
    tempfile::Builder::new().prefix(".labelhub-").tempfile_in(folder).is_ok()
}

/// Whether there is something to open at a project's path: the project, or what was recovered of one that is gone.
pub fn is_project_there(project: &Path) -> bool {
    project.exists() || recover::earlier_recoveries(project, None).fitting.is_some()
}

/// The path with a project's ending, which it may have already.
pub fn named_as_project(path: PathBuf) -> PathBuf {
    let has_ending = path.extension().is_some_and(|ending| ending == EXTENSION);
    if has_ending { path } else { with_suffix(&path, EXTENSION) }
}

/// The clip that a project would lie beside, and the stream of it that the project's name speaks of.
pub fn clip_beside(project: &Path) -> (PathBuf, Option<u32>) {
    let clip = project.with_extension("");
    let mark = clip.extension().and_then(|mark| mark.to_str()?.strip_prefix(STREAM)?.parse().ok());
    if mark.is_some() && !clip.exists() { (clip.with_extension(""), mark) } else { (clip, None) }
}

/// A project for a clip that leaves alone what lies beside it.
pub fn separate_project_path(clip: &Path, data_folder: &Path, identity: &str) -> PathBuf {
    let folder = data_folder.join("projects");
    known_project(&folder, identity)
        .unwrap_or_else(|| folder.join(with_suffix(Path::new(&keyed_name(clip, identity)), EXTENSION)))
}

/// A project in the data folder that was made for the same content.
fn known_project(folder: &Path, identity: &str) -> Option<PathBuf> {
    let end = format!("-{}.{EXTENSION}", short(identity));
    let entries = std::fs::read_dir(folder).ok()?;
    let mut names: Vec<PathBuf> = entries
        .filter_map(|entry| entry.ok().map(|entry| entry.path()))
        .filter(|path| path.file_name().is_some_and(|name| name.to_string_lossy().ends_with(&end)))
        .collect();
    names.sort();
    names.into_iter().next()
}

/// `<name>-<first 12 of the identity>`: a name for what belongs to a clip and lies elsewhere.
pub fn keyed_name(clip: &Path, identity: &str) -> OsString {
    let mut name = clip_name(clip).to_owned();
    name.push("-");
    name.push(short(identity));
    name
}

fn short(identity: &str) -> String {
    identity.chars().filter(char::is_ascii_hexdigit).take(SHORT_IDENTITY_CHARS).collect()
}

/// `NAME.suffix`.
pub fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".");
    name.push(suffix);
    PathBuf::from(name)
}

/// `clip.mp4.MARK.labelhub` of `clip.mp4.labelhub`: another state of the same project.
pub fn with_mark(project: &Path, mark: &str) -> PathBuf {
    let end = format!(".{EXTENSION}");
    let name = project.file_name().map(std::ffi::OsStr::to_os_string).unwrap_or_else(|| "project".into());
    // Where the name is not text, it keeps its ending inside.
    let stem = name.to_str().and_then(|text| text.strip_suffix(&end)).map_or_else(|| name.clone(), OsString::from);
    with_suffix(&with_suffix(&project.with_file_name(stem), mark), EXTENSION)
}

/// The files that belong to a database beside it: the log, and the journal of the other mode.
pub const COMPANIONS: [&str; 2] = ["wal", "journal"];

/// The file beside a database that SQLite calls `NAME-wal`.
pub fn companion(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push("-");
    name.push(suffix);
    PathBuf::from(name)
}

/// One file for all its names: without symbolic links, and absolute. A file that is yet to be made counts as being in
/// its folder's real place.
///
/// # Errors
/// When its folder is not there or cannot be read, or the path names no file.
pub fn canonical(path: &Path) -> std::io::Result<PathBuf> {
    if let Ok(real) = path.canonicalize() {
        return Ok(real);
    }
    let name = path.file_name().ok_or(std::io::ErrorKind::InvalidInput)?;
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    Ok(folder.canonicalize()?.join(name))
}
