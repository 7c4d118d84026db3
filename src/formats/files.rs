//! Files and folders of a dataset, in the order a person expects.

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use super::file_names::{NAMES_FILE, stem};
use super::{FormatError, FormatId, manifest};
use crate::video::natural_order;

/// Entries of one folder that are looked at; a dataset of more frames is beyond every limit of a clip.
const MAX_ENTRIES: usize = 10_000_000;

/// The files of a folder with one of these endings, in either case, hidden ones left out.
pub(super) fn with_ending(folder: &Path, endings: &[&str]) -> Result<Vec<PathBuf>, FormatError> {
    let has_ending =
        |path: &Path| path.extension().is_some_and(|own| endings.iter().any(|ending| own.eq_ignore_ascii_case(ending)));
    entries(folder, |path| has_ending(path) && path.is_file())
}

/// The folders of a folder, hidden ones left out. Links are not followed: they may lead in circles.
pub(super) fn folders_in(folder: &Path) -> Result<Vec<PathBuf>, FormatError> {
    entries(folder, |path| fs::symlink_metadata(path).is_ok_and(|metadata| metadata.is_dir()))
}

fn entries(folder: &Path, is_wanted: impl Fn(&Path) -> bool) -> Result<Vec<PathBuf>, FormatError> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).map_err(FormatError::reading(folder))?.take(MAX_ENTRIES) {
        let path = entry.map_err(FormatError::reading(folder))?.path();
        if !name_of(&path).starts_with('.') && is_wanted(&path) {
            found.push(path);
        }
    }
    found.sort_by(|a, b| natural_order(&name_of(a), &name_of(b)));
    Ok(found)
}

/// The last part of a path.
pub(super) fn name_of(path: &Path) -> String {
    path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}

/// The last part of a path without its ending.
pub(super) fn stem_of(path: &Path) -> String {
    path.file_stem().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}

/// The last part of a path in a dataset's text, without its ending; both kinds of slash separate.
pub(super) fn stem_of_text(path: &str) -> &str {
    stem(path.rsplit(['/', '\\']).next().expect("split gives at least one"))
}

/// The nearest folders that hold files with this ending: `path` itself, or else those below it, up to `depth` levels
/// down, all from one level.
pub(super) fn folders_with(path: &Path, ending: &str, depth: usize) -> Result<Vec<PathBuf>, FormatError> {
    let mut level = vec![path.to_owned()];
    for _ in 0..=depth {
        let (mut holders, mut below) = (Vec::new(), Vec::new());
        for folder in level {
            below.extend(folders_in(&folder)?);
            if !with_ending(&folder, &[ending])?.is_empty() {
                holders.push(folder);
            }
        }
        if !holders.is_empty() {
            return Ok(holders);
        }
        level = below;
    }
    Ok(Vec::new())
}

/// A text file of limited length; what is no UTF-8 becomes `�`.
///
/// # Errors
/// Says what is wrong with it.
pub(super) fn read_text(path: &Path, max_bytes: u64) -> Result<String, String> {
    let file = File::open(path).map_err(|e| format!("cannot read it ({e})"))?;
    let mut bytes = Vec::new();
    file.take(max_bytes + 1).read_to_end(&mut bytes).map_err(|e| format!("cannot read it ({e})"))?;
    if bytes.len() as u64 > max_bytes {
        return Err(format!("it is longer than {max_bytes} bytes"));
    }
    Ok(in_utf8(bytes))
}

/// Takes a line by its number, or what is wrong with it.
pub(super) type TakeLine<'a> = dyn FnMut(u64, Result<&str, String>) -> Result<(), FormatError> + 'a;

/// The lines of a text file of any length, numbered from 1, without their ends. One that is too long for memory, or the
/// end of what can be read, is handed over as what is wrong with it, and is the last.
///
/// # Errors
/// When `line` fails.
pub(super) fn for_each_line(path: &Path, max_bytes: u64, line: &mut TakeLine<'_>) -> Result<(), FormatError> {
    let mut reader = match File::open(path) {
        Ok(file) => BufReader::new(file),
        Err(e) => return line(1, Err(format!("cannot read it ({e})"))),
    };
    for number in 1.. {
        let mut bytes = Vec::new();
        match (&mut reader).take(max_bytes + 1).read_until(b'\n', &mut bytes) {
            Ok(0) => return Ok(()),
            Ok(read) if read as u64 > max_bytes => {
                return line(number, Err(format!("it is longer than {max_bytes} bytes")));
            }
            Ok(_) => line(number, Ok(in_utf8(bytes).trim_end_matches(['\n', '\r'])))?,
            Err(e) => return line(number, Err(format!("cannot read it ({e})"))),
        }
    }
    Ok(())
}

/// The text; only one that is not sound is copied.
fn in_utf8(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes).unwrap_or_else(|e| String::from_utf8_lossy(e.as_bytes()).into_owned())
}

/// Whether a file is one that every export of ours may hold beside the dataset.
pub(super) fn is_own_note(file: &Path) -> bool {
    file.file_name().is_some_and(|name| name == manifest::FILE_NAME || name == NAMES_FILE)
}

/// A JSON dataset's files: `path` itself when it is a file, else those in its folder `annotations`, else in it. Our own
/// notes are left out.
///
/// # Errors
/// When there are none.
pub(super) fn json_files(path: &Path, format: FormatId) -> Result<Vec<PathBuf>, FormatError> {
    if !path.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let annotations = path.join("annotations");
    let mut found = with_ending(if annotations.is_dir() { &annotations } else { path }, &["json"])?;
    found.retain(|file| !is_own_note(file));
    if found.is_empty() {
        let cause = "no JSON file is in it; choose the file or its folder".to_owned();
        return Err(FormatError::Dataset { path: path.to_owned(), format, cause });
    }
    Ok(found)
}
