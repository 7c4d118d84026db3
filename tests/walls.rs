//! Keeps the walls between the rooms of `src/`: reads every source file and fails where one names a room or a crate
//! that its own room must not use. The table below is the architecture's (see `src/lib.rs`).

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

/// A room under `src/` and what it may use.
struct Room {
    name: &'static str,
    /// The other rooms it may name.
    rooms: &'static [&'static str],
    /// The kinds of crate it must not name.
    no: &'static [Kind],
}

/// What an outside crate is for, as far as walls care.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Bevy,
    Ffmpeg,
    Candle,
    Sqlite,
    Network,
}
use Kind::{Bevy, Candle, Ffmpeg, Network, Sqlite};

const HOUSE: &[Room] = &[
    Room { name: "label", rooms: &[], no: &[Bevy, Ffmpeg, Candle, Sqlite, Network] },
    Room { name: "video", rooms: &["label"], no: &[Bevy, Candle, Network] },
    Room { name: "sam2", rooms: &["label"], no: &[Bevy, Ffmpeg, Network] },
    Room { name: "store", rooms: &["label"], no: &[Bevy, Ffmpeg, Candle, Network] },
    Room { name: "formats", rooms: &["label", "video"], no: &[Bevy, Candle, Network] },
    Room { name: "folders", rooms: &[], no: &[Bevy, Ffmpeg, Candle, Sqlite, Network] },
    Room { name: "models", rooms: &["folders", "label", "sam2"], no: &[Bevy, Ffmpeg, Sqlite] },
    Room { name: "engine", rooms: &["label", "video", "sam2"], no: &[Bevy, Network] },
    Room {
        name: "app",
        rooms: &["folders", "label", "video", "sam2", "store", "formats", "models", "engine"],
        no: &[Network],
    },
    Room {
        name: "cli",
        rooms: &["folders", "label", "video", "sam2", "store", "formats", "models", "engine"],
        no: &[Bevy, Network],
    },
];

fn kind_of(crate_name: &str) -> Option<Kind> {
    let is = |stem: &str| crate_name == stem || crate_name.strip_prefix(stem).is_some_and(|rest| rest.starts_with('_'));
    match crate_name {
        name if is("bevy") || name == "winit" || name == "wgpu" || is("egui") => Some(Bevy),
        _ if is("ffmpeg") => Some(Ffmpeg),
        _ if is("candle") => Some(Candle),
        _ if is("rusqlite") || is("libsqlite3") => Some(Sqlite),
        "ureq" | "reqwest" | "hyper" | "rustls" => Some(Network),
        _ => None,
    }
}

/// The words and signs of a source text, without comments; a string literal becomes one token `"…"`.
fn tokens(source: &str) -> Vec<String> {
    let chars: Vec<char> = source.chars().collect();
    let at = |i: usize| chars.get(i).copied().unwrap_or('\0');
    let (mut found, mut i) = (Vec::new(), 0);
    while i < chars.len() {
        let start = i;
        match chars[i] {
            '/' if at(i + 1) == '/' => i += chars[i..].iter().take_while(|&&c| c != '\n').count(),
            '/' if at(i + 1) == '*' => {
                let mut depth = 0;
                while i < chars.len() {
                    match (at(i), at(i + 1)) {
                        ('/', '*') => (depth, i) = (depth + 1, i + 2),
                        ('*', '/') => (depth, i) = (depth - 1, i + 2),
                        _ => i += 1,
                    }
                    if depth == 0 {
                        break;
                    }
                }
            }
            'r' if at(i + 1) == '"' || (at(i + 1) == '#' && (at(i + 2) == '"' || at(i + 2) == '#')) => {
                let hashes = chars[i + 1..].iter().take_while(|&&c| c == '#').count();
                let end = std::iter::once('"').chain(std::iter::repeat_n('#', hashes)).collect::<Vec<_>>();
                i += hashes + 2;
                while i < chars.len() && !chars[i..].starts_with(&end) {
                    i += 1;
                }
                i += end.len();
                found.push("\"\"".to_owned());
            }
            '"' => {
                i += 1;
                while i < chars.len() && chars[i] != '"' {
                    i += if chars[i] == '\\' { 2 } else { 1 };
                }
                i += 1;
                found.push(chars[start..i.min(chars.len())].iter().collect());
            }
            // A character literal; a lifetime has no closing quote two or three further on.
            '\'' if at(i + 1) == '\\' => {
                i += 3;
                i += chars[i.min(chars.len())..].iter().take_while(|&&c| c != '\'').count() + 1;
            }
            '\'' if at(i + 2) == '\'' => i += 3,
            c if c == '_' || c.is_alphanumeric() => {
                i += chars[i..].iter().take_while(|&&c| c == '_' || c.is_alphanumeric()).count();
                found.push(chars[start..i].iter().collect());
            }
            ':' if at(i + 1) == ':' => {
                i += 2;
                found.push("::".to_owned());
            }
            c => {
                i += 1;
                if !c.is_whitespace() {
                    found.push(c.to_string());
                }
            }
        }
    }
    found
}

/// The index after the bracket that closes the one at `open`.
fn after_group(tokens: &[String], open: usize) -> usize {
    let mut depth = 0;
    for (i, token) in tokens.iter().enumerate().skip(open) {
        match token.as_str() {
            "(" | "[" | "{" => depth += 1,
            ")" | "]" | "}" => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return i + 1;
        }
    }
    tokens.len()
}

/// The first words of the paths that follow the `::` at `i`: one word, or each of a `{…}` group.
fn heads(tokens: &[String], i: usize) -> Vec<&str> {
    match tokens.get(i + 1).map(String::as_str) {
        Some("{") => {
            let (mut words, mut depth, mut fresh) = (Vec::new(), 0, true);
            for token in &tokens[i + 1..after_group(tokens, i + 1)] {
                match token.as_str() {
                    "{" => (depth, fresh) = (depth + 1, depth == 0),
                    "}" => depth -= 1,
                    "," => fresh = depth == 1,
                    word if fresh => {
                        words.push(word);
                        fresh = false;
                    }
                    _ => {}
                }
            }
            words
        }
        Some(word) => vec![word],
        None => Vec::new(),
    }
}

/// What `source`, a file of `room` that lies `depth` modules below the crate's root, uses and must not.
fn breaches(room: &Room, depth: usize, source: &str) -> Vec<String> {
    let tokens = tokens(source);
    let word = |i: usize| tokens.get(i).map_or("", String::as_str);
    let mut found = Vec::new();
    let mut i = 0;
    while i < tokens.len() {
        // Label's types derive Bevy's traits behind the `gui` feature: the one exception.
        let opening = ["cfg_attr", "(", "feature", "=", "\"gui\"", ",", "derive", "("];
        if room.name == "label" && opening.iter().enumerate().all(|(k, expected)| word(i + k) == *expected) {
            let end_of_derive = after_group(&tokens, i + 7);
            if word(end_of_derive) == ")" {
                i = end_of_derive + 1;
                continue;
            }
        }

        // `crate::…`, and as many `super::` as lead out of the room.
        let mut root = (word(i) == "crate" && word(i + 1) == "::").then_some(i + 1);
        if word(i) == "super" {
            let supers = (0..).take_while(|k| word(i + 2 * k) == "super" && word(i + 2 * k + 1) == "::").count();
            if supers >= depth {
                root = Some(i + 2 * supers - 1);
            }
            i += (2 * supers).saturating_sub(2);
        }
        for head in root.map_or(Vec::new(), |colons| heads(&tokens, colons)) {
            if head != room.name && HOUSE.iter().any(|r| r.name == head) && !room.rooms.contains(&head) {
                found.push(format!("room `{head}`"));
            }
        }

        // An outside crate: `name::`, `use name`, `use {a, name::b}`, `extern crate name`.
        let starts_path = word(i + 1) == "::" && (i == 0 || word(i - 1) != "::");
        let imported = i > 0 && matches!(word(i - 1), "use" | "crate") && kind_of(word(i)).is_some();
        if (starts_path || imported)
            && let Some(kind) = kind_of(word(i))
            && room.no.contains(&kind)
        {
            found.push(format!("crate `{}` ({kind:?})", word(i)));
        }
        if word(i) == "std"
            && word(i + 1) == "::"
            && room.no.contains(&Network)
            && heads(&tokens, i + 1).contains(&"net")
        {
            found.push("`std::net` (Network)".to_owned());
        }
        i += 1;
    }
    found
}

fn source_files(folder: &Path, found: &mut Vec<PathBuf>) {
    let entries = std::fs::read_dir(folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display()));
    for entry in entries {
        let path = entry.expect("a listed entry can be read").path();
        if path.is_dir() {
            source_files(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

#[test]
fn no_room_reaches_through_a_wall() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    source_files(&src, &mut files);
    let mut report = String::new();
    for file in &files {
        let inside = file.strip_prefix(&src).expect("listed under src");
        let parts: Vec<&str> = inside.iter().map(|part| part.to_str().expect("file names are UTF-8")).collect();
        let name = parts[0].trim_end_matches(".rs");
        if parts.len() == 1 && matches!(name, "lib" | "main") {
            continue; // they join the rooms
        }
        let Some(room) = HOUSE.iter().find(|room| room.name == name) else {
            writeln!(report, "src/{}: no room of this name in tests/walls.rs", inside.display()).expect("to a String");
            continue;
        };
        let source = std::fs::read_to_string(file).unwrap_or_else(|e| panic!("{}: {e}", file.display()));
        let depth = if parts.last() == Some(&"mod.rs") { parts.len() - 1 } else { parts.len() };
        for breach in breaches(room, depth, &source) {
            writeln!(report, "src/{}: {name} must not use {breach}", inside.display()).expect("to a String");
        }
    }
    assert!(files.len() > 5, "found only {} files under {}", files.len(), src.display());
    assert!(report.is_empty(), "\n{report}");
}

#[test]
fn made_up_breaches_are_seen() {
    let cases: &[(&str, usize, &str, usize)] = &[
        ("cli", 2, "use bevy::prelude::*;", 1),
        ("cli", 2, "fn f() { bevy_egui::open() }", 1),
        ("cli", 2, "use crate::app::run;", 1),
        ("label", 2, "use bevy::prelude::Component;", 1),
        ("label", 2, "#[derive(bevy::prelude::Component)] struct A;", 1),
        ("label", 2, "#[cfg_attr(feature = \"video\", derive(bevy::prelude::Component))] struct A;", 1),
        ("label", 1, "use {std::fmt, rusqlite::Connection};", 1),
        ("video", 2, "use candle_core::Tensor;", 1),
        ("video", 2, "use crate::{label::FrameIdx, sam2::{Model, video}, engine};", 2),
        ("video", 2, "use super::super::sam2::Model;", 1),
        ("video", 1, "use super::sam2::Model;", 1),
        ("sam2", 3, "extern crate ffmpeg_next;", 1),
        ("sam2", 3, "use ffmpeg_next as ffmpeg;", 1),
        ("formats", 2, "fn f() { let a = '\"'; crate::store::open() }", 1),
        ("store", 2, "use std::{io, net::TcpStream};", 1),
        ("engine", 2, "fn f() -> Result<(), ureq::Error> { Ok(()) }", 1),
        ("engine", 2, "use crate::models::Getting;", 1),
        ("models", 2, "use crate::engine::open_device;", 1),
        ("cli", 3, "fn f() { rustls::ClientConfig::builder() }", 1),
    ];
    for &(name, depth, source, expected) in cases {
        let room = HOUSE.iter().find(|room| room.name == name).expect("a room of the table");
        let found = breaches(room, depth, source);
        assert_eq!(found.len(), expected, "{name}: {source}\nfound {found:?}");
    }
}

#[test]
fn what_is_allowed_passes() {
    let cases: &[(&str, usize, &str)] = &[
        ("label", 2, "#[cfg_attr(feature = \"gui\", derive(bevy::prelude::Component))]\nstruct A;"),
        ("label", 2, "// use bevy::prelude::*;\n/* candle_core:: /* nested */ */ const A: &str = \"ffmpeg::x\";"),
        ("label", 2, "const A: &str = r#\"use \"bevy\"::x\"#; use crate::label::mask::Mask;"),
        ("video", 2, "use crate::{label::{FrameIdx, sam2_name}, video::index}; use super::sam2;"),
        ("sam2", 3, "use candle_core::Tensor; use super::super::label; use crate::label::Mask;"),
        ("models", 2, "use crate::{sam2, label}; fn f() { ureq::get(\"x\") } use std::net::IpAddr;"),
        ("app", 2, "use bevy::prelude::*; use crate::engine::Command; use crate::store;"),
        ("cli", 2, "fn f<'a>(x: &'a str) -> char { '\\'' } use crate::video::Reader;"),
    ];
    for &(name, depth, source) in cases {
        let room = HOUSE.iter().find(|room| room.name == name).expect("a room of the table");
        let found = breaches(room, depth, source);
        assert!(found.is_empty(), "{name}: {source}\nfound {found:?}");
    }
}
