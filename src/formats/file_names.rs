//! File names from labels: safe on every system, and no two alike.
//!
//! A label may be anything a person can type. What is changed is written to `labelhub-names.json` beside the data.

use std::collections::{HashMap, HashSet};

use serde::Serialize;

/// Where names are listed that the files could not carry.
pub(super) const NAMES_FILE: &str = "labelhub-names.json";
/// Longest name made, in bytes; leaves room for a clip's name, a frame's number and an ending below 255.
const MAX_BYTES: usize = 100;
/// Longest name of a clip where it comes before each frame's.
const MAX_PREFIX_BYTES: usize = 60;
/// Names that Windows keeps for devices, with or without an ending.
const DEVICES: [&str; 4] = ["CON", "PRN", "AUX", "NUL"];

/// A name that could not be used as it was.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Renamed {
    /// What it names: `clip`, `object`, `frame` or `class`.
    pub kind: &'static str,
    /// The name in the project.
    pub name: String,
    /// The name in the files.
    pub used: String,
}

/// Gives out names that differ from each other in every writing of case.
#[derive(Debug, Default)]
pub(super) struct FileNames {
    taken: HashSet<String>,
    /// By name in small letters: the number to try next.
    next: HashMap<String, u32>,
}

impl FileNames {
    /// Never gives out these names, which are in small letters.
    pub fn reserve(&mut self, names: &[&str]) {
        self.taken.extend(names.iter().map(|name| (*name).to_owned()));
    }

    /// A safe name for `wanted` that was not given out before; `fallback` stands in where nothing usable is left.
    pub fn take(&mut self, wanted: &str, fallback: &str) -> String {
        let safe = safe_name(wanted, fallback);
        let mut name = safe.clone();
        while !self.taken.insert(name.to_lowercase()) {
            let next = self.next.entry(safe.to_lowercase()).or_insert(2);
            name = format!("{safe}-{next}");
            *next += 1;
        }
        name
    }
}

/// A file's name without its ending.
pub(super) fn stem(name: &str) -> &str {
    name.rsplit_once('.').map_or(name, |(stem, _)| stem)
}

/// The beginning of a safe name, short enough to come before a frame's.
pub(super) fn prefix(name: &str) -> &str {
    &name[..name.floor_char_boundary(MAX_PREFIX_BYTES)]
}

/// The name with everything replaced that some file system or reader cannot take.
pub(super) fn safe_name(wanted: &str, fallback: &str) -> String {
    // Stands for what is replaced until the ends are trimmed; no name holds it.
    const REPLACED: char = '\0';
    let mut name = String::new();
    for c in wanted.chars() {
        match c {
            // Marks that turn the direction of writing make a name read as another one.
            '\u{200B}'..='\u{200F}' | '\u{202A}'..='\u{202E}' | '\u{2060}'..='\u{206F}' | '\u{FEFF}' => {}
            '/' | '\\' | ':' | '*' | '?' | '"' | '<' | '>' | '|' => name.push(REPLACED),
            c if c.is_control() || (c.is_whitespace() && c != ' ') => name.push(REPLACED),
            c => name.push(c),
        }
    }
    let mut name = name.trim_matches(|c| matches!(c, '.' | ' ' | REPLACED)).replace(REPLACED, "_");
    if name.is_empty() {
        name = fallback.to_owned();
    }
    if name.len() > MAX_BYTES {
        name.truncate(name.floor_char_boundary(MAX_BYTES));
        name = name.trim_end_matches(['.', ' ']).to_owned();
    }
    let stem = name.split('.').next().expect("split gives at least one").to_ascii_uppercase();
    let is_port =
        |prefix| stem.strip_prefix(prefix).is_some_and(|n: &str| n.len() == 1 && n.as_bytes()[0].is_ascii_digit());
    if DEVICES.contains(&stem.as_str()) || is_port("COM") || is_port("LPT") {
        name.insert(0, '_');
    }
    name
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_become_safe_names() {
        let long = "ж".repeat(300);
        let cases = [
            ("dog", "dog"),
            ("../../x", "x"),
            ("a/b", "a_b"),
            ("..\\..\\x", "x"),
            ("/etc/passwd", "etc_passwd"),
            ("CON", "_CON"),
            ("nul.txt", "_nul.txt"),
            ("com1", "_com1"),
            ("company", "company"),
            ("two\nlines", "two_lines"),
            ("trailing. ", "trailing"),
            (".hidden", "hidden"),
            ("", "object"),
            ("...", "object"),
            ("🐶 dog", "🐶 dog"),
            ("_my image", "_my image"),
            ("\u{202E}gnp.exe", "gnp.exe"),
            ("שלום", "שלום"),
            ("a\0b", "a_b"),
            (long.as_str(), &long[..100]),
        ];
        for (label, expected) in cases {
            assert_eq!(safe_name(label, "object"), expected, "{label:?}");
        }
    }

    #[test]
    fn names_that_differ_by_case_get_a_number() {
        let mut names = FileNames::default();
        let taken: Vec<String> =
            ["Dog", "dog", "DOG", "dog-2", "cat"].iter().map(|label| names.take(label, "object")).collect();
        assert_eq!(taken, ["Dog", "dog-2", "DOG-3", "dog-2-2", "cat"]);
    }
}
