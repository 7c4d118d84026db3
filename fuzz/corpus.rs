//! The kept inputs of a target: `fuzz/corpus/TARGET/`, seeds and whatever failed once.

use std::fs;
use std::path::{Path, PathBuf};

/// The inputs in a folder, by name, so that every run takes them in the same order.
pub fn read(folder: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.expect("a listed entry can be read").path()).collect();
    paths.sort();
    let content = |path: PathBuf| {
        let bytes = fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        (path, bytes)
    };
    paths.into_iter().map(content).collect()
}

/// Keeps an input; the name follows from what it is and what is in it. Gives the file.
pub fn keep(folder: &Path, what: &str, input: &[u8]) -> PathBuf {
    let path = folder.join(format!("{what}-{:08x}", crc32fast::hash(input)));
    fs::create_dir_all(folder).expect("the checkout can be written");
    fs::write(&path, input).expect("the checkout can be written");
    path
}
