//! Labels of a clip that was given another name without its project.
//!
//! A project is found by its clip's name. Before a new one is made, the clip's folder is looked through for one of the
//! same content whose own clip is gone. It is only told, never taken: nobody knows what else was meant by the renaming.

use std::path::{Path, PathBuf};

use super::{ClipRecord, clip, paths, schema};

/// Entries of a folder that are looked at, projects among them that are read, and projects that are told.
const MOST_ENTRIES: usize = 20_000;
const MOST_READ: usize = 50;
const MOST_TOLD: usize = 3;

/// The projects in a clip's folder, by name, that hold labels of the same content and whose own clip is not there:
/// neither the one of their name, nor the one they were made for unless it is this one. At most three.
pub fn projects_without_clip(given: &ClipRecord) -> Vec<PathBuf> {
    let folder = given.path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    // A folder that cannot be listed keeps nobody from a new project.
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    let named = entries.take(MOST_ENTRIES).filter_map(|entry| entry.ok().map(|entry| entry.path()));
    let named = named.filter(|path| path.extension().is_some_and(|ending| ending == paths::EXTENSION));
    let mut lone: Vec<PathBuf> = named.filter(|path| !paths::clip_beside(path).0.exists()).take(MOST_READ).collect();
    lone.sort();
    lone.into_iter().filter(|path| is_for(path, given)).take(MOST_TOLD).collect()
}

/// Whether a project was made for this content, and its clip is this one or is gone.
fn is_for(project: &Path, given: &ClipRecord) -> bool {
    // Opening something else than a file, such as a pipe, may take for ever.
    if !project.is_file() {
        return false;
    }
    let read = schema::open_unlocked(project).and_then(|connection| clip::read_place(&connection));
    // What cannot be read here is not told; it is as it was.
    let Ok(Some((recorded, identity))) = read else { return false };
    let recorded = project.parent().unwrap_or(Path::new("")).join(recorded);
    let is_given = || matches!((recorded.canonicalize(), given.path.canonicalize()), (Ok(a), Ok(b)) if a == b);
    identity == given.identity && (!recorded.exists() || is_given())
}
