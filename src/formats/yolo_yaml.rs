//! The class names in a YOLO dataset's `data.yaml`: of YAML only the three ways these lists are written.
//!
//! `names: [a, b]`, `names:` followed by `- a` lines, and `names:` followed by `0: a` lines.

use std::path::Path;

use super::files;

/// Longest `data.yaml` that is read.
const MAX_BYTES: u64 = 1 << 24;
/// Most classes.
const MAX_CLASSES: usize = 100_000;

/// The names by class number; `None` when the file or its list is missing.
pub(super) fn class_names(path: &Path) -> Option<Vec<String>> {
    parse(&files::read_text(path, MAX_BYTES).ok()?)
}

fn parse(text: &str) -> Option<Vec<String>> {
    let mut lines = text.lines().skip_while(|line| !line.starts_with("names:"));
    let rest = lines.next()?.strip_prefix("names:").expect("skipped to it").trim();
    let mut names: Vec<String> = Vec::new();
    if let Some(list) = rest.strip_prefix('[') {
        // A list in brackets may go on over several lines.
        let mut all = list.to_owned();
        let mut is_open = !list.contains(']');
        // Only the new line is looked at: the list may be as long as the file.
        while is_open && let Some(line) = lines.next() {
            is_open = !line.contains(']');
            all.push_str(line);
        }
        let inside = all.split(']').next().expect("split gives at least one");
        names = split_list(inside).into_iter().filter(|name| !name.is_empty()).map(unquoted).collect();
        return (!names.is_empty()).then_some(names);
    }
    for line in lines {
        let entry = line.trim();
        if entry.is_empty() || entry.starts_with('#') {
            continue;
        }
        if let Some(name) = entry.strip_prefix("- ") {
            names.push(unquoted(name));
        } else if line.starts_with([' ', '\t'])
            && let Some((number, name)) = entry.split_once(':')
            && let Ok(number) = number.trim().parse::<usize>()
            && number < MAX_CLASSES
        {
            while names.len() <= number {
                names.push(names.len().to_string());
            }
            names[number] = unquoted(name);
        } else {
            break;
        }
    }
    (!names.is_empty()).then_some(names)
}

/// Splits at commas outside quotes.
fn split_list(text: &str) -> Vec<&str> {
    let (mut parts, mut start, mut quote) = (Vec::new(), 0, None);
    for (i, c) in text.char_indices() {
        match (quote, c) {
            (None, '"' | '\'') => quote = Some(c),
            (Some(open), c) if c == open => quote = None,
            (None, ',') => {
                parts.push(text[start..i].trim());
                start = i + 1;
            }
            _ => {}
        }
    }
    parts.push(text[start..].trim());
    parts
}

/// A plain, 'single' or "double" quoted text.
fn unquoted(text: impl AsRef<str>) -> String {
    let text = text.as_ref().trim();
    if text.starts_with('"')
        && let Some(Ok(name)) = serde_json::Deserializer::from_str(text).into_iter::<String>().next()
    {
        return name;
    }
    if let Some(inside) = text.strip_prefix('\'')
        && let Some((name, _)) = inside.rsplit_once('\'')
    {
        return name.replace("''", "'");
    }
    text.split(" #").next().expect("split gives at least one").trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_way_of_writing_names_is_read() {
        let cases = [
            ("map", "train: x\nnames:\n  0: dog\n  1: \"кот \\\"x\\\"\" \n  2: 'a''b'\nnc: 3\n"),
            ("list", "nc: 3\nnames: [dog, \"кот \\\"x\\\"\", 'a''b']\n"),
            ("dashes", "names:\n- dog # the first\n- \"кот \\\"x\\\"\"\n\n- 'a''b'\nval: y\n"),
            ("list over lines", "names: ['dog',\n  \"кот \\\"x\\\"\",\n  'a''b']\n"),
        ];
        for (name, text) in cases {
            assert_eq!(parse(text).expect(name), ["dog", "кот \"x\"", "a'b"], "{name}");
        }
        for text in ["", "names:", "names: []", "train: x", "names:\n  99999999999: x"] {
            assert_eq!(parse(text), None, "{text:?}");
        }
    }
}
