//! The list of classes of an export: from a file, or from the projects.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use super::exit::CliError;
use super::project::Project;
use crate::formats::classes_of;

/// Class lists are short; a larger file is something else.
const MAX_FILE_BYTES: u64 = 1 << 20;

/// Reads a list of classes, one a line; empty lines are passed over, a name that comes again counts once.
///
/// # Errors
/// When it cannot be read, is too large, or holds no name.
pub fn read_classes(path: &Path) -> Result<Vec<String>, CliError> {
    let shown = path.display();
    let mut text = String::new();
    let read = File::open(path).and_then(|file| file.take(MAX_FILE_BYTES + 1).read_to_string(&mut text));
    read.map_err(|e| CliError::input(format!("{shown}: cannot read the classes ({e}); write one a line, as UTF-8")))?;
    if text.len() as u64 > MAX_FILE_BYTES {
        return Err(CliError::input(format!(
            "{shown}: larger than 1 MiB, which no list of classes is; check the path"
        )));
    }
    let mut classes = Vec::new();
    for name in text.lines().map(|line| line.trim_start_matches('\u{feff}').trim()) {
        add(&mut classes, name);
    }
    if classes.is_empty() {
        return Err(CliError::input(format!("{shown}: no class in it; write one a line")));
    }
    Ok(classes)
}

/// The classes of all projects: first their lists, in order, then those of objects that no list names.
pub fn classes_of_projects(projects: &[&Project]) -> Vec<String> {
    let labels: Vec<_> = projects.iter().map(|project| project.labels()).collect();
    let listed = projects.iter().flat_map(|project| project.snapshot.classes.iter());
    classes_of(listed, labels.iter().map(|labels| labels as _))
}

fn add(classes: &mut Vec<String>, name: &str) {
    if !name.is_empty() && !classes.iter().any(|known| known == name) {
        classes.push(name.to_owned());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_one_name_a_line() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("classes.txt");
        let read = |text: &str| {
            std::fs::write(&path, text).expect("writable");
            read_classes(&path).ok()
        };
        let names = |names: &[&str]| Some(names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>());
        assert_eq!(read("fox\nred car\n"), names(&["fox", "red car"]));
        assert_eq!(read("\u{feff}fox\r\n\r\n  car \nfox"), names(&["fox", "car"]));
        assert_eq!(read("\n \n"), None);
        assert_eq!(read(&"x\n".repeat(600_000)), None, "over 1 MiB");
    }
}
