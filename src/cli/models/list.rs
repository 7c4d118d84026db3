//! `label-hub models list`: the registry, what of it is here, and what it costs where that was measured. It reads no model.

use std::io::{self, Write};

use serde::Serialize;

use super::{ListArgs, megabytes, shown};
use crate::cli::exit::{CliError, Exit};
use crate::cli::threads;
use crate::engine::open_device;
use crate::models::{self, Entry, ModelsFolder, Origin, Registry, Speed, SpeedKey, Speeds};
use crate::sam2::checkpoint::{Checkpoint, CheckpointSource};

#[derive(Serialize)]
struct List {
    folder: String,
    device: String,
    threads: usize,
    models: Vec<Row>,
    /// Files in the folder that are not in the registry.
    own_files: Vec<String>,
}

#[derive(Serialize)]
struct Row {
    name: String,
    state: State,
    /// The file's length; of one that is not here the publisher's rough size.
    bytes: u64,
    licence: String,
    good_for: String,
    /// To be shown with it.
    note: Option<&'static str>,
    address: Option<String>,
    path: Option<String>,
    sha256: Option<String>,
    /// What vouches for the hash, in words.
    hash: Option<String>,
    speed: Option<Speed>,
}

#[derive(Serialize, Clone, Copy, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
enum State {
    /// Part of the program.
    Program,
    /// In the folder, and as it was when it was checked.
    Here,
    /// In the folder, to be checked before its next use.
    Unchecked,
    Absent,
}

/// Runs `models list`.
pub fn run(args: &ListArgs) -> Result<Exit, CliError> {
    let folder = ModelsFolder::of_user()?;
    let threads = threads::use_threads(args.threads.map(usize::from))?;
    let device = open_device(args.device)?;
    let speeds = Speeds::load();
    let mut rows = Vec::new();
    for entry in Registry::builtin().entries() {
        let mut row = row(entry, &folder)?;
        let key = row.sha256.clone().map(|sha256| SpeedKey { sha256, device: device.words(), threads });
        row.speed = key.as_ref().and_then(|key| speeds.get(key));
        rows.push(row);
    }
    let own_files = folder.own_files(Registry::builtin())?.into_iter().map(shown).collect();
    let device = device.words();
    let list = List { folder: shown(folder.path().to_owned()), device, threads, models: rows, own_files };
    let text = if args.json { serde_json::to_string(&list).expect("plain data") } else { in_words(&list) };
    writeln!(io::stdout(), "{text}").map_err(CliError::from_stdout)?;
    Ok(Exit::Success)
}

/// What is known of a model.
fn row(entry: &Entry, folder: &ModelsFolder) -> Result<Row, CliError> {
    let mut row = Row {
        name: entry.id.clone(),
        state: State::Absent,
        bytes: 0,
        licence: entry.licence.clone(),
        good_for: entry.good_for.clone(),
        note: entry.note(),
        address: None,
        path: None,
        sha256: None,
        hash: None,
        speed: None,
    };
    match &entry.origin {
        Origin::Program => {
            let shipped = models::embedded(&entry.id).expect("the registry names only what ships");
            row.state = State::Program;
            row.bytes = shipped.weights.len() as u64;
            row.sha256 = Some(Checkpoint::of(&CheckpointSource::Embedded(shipped))?.sha256()?);
        }
        Origin::Published { address, about_bytes, .. } => {
            row.bytes = *about_bytes;
            row.address = Some(address.clone());
        }
    }
    if let (Some(file), Origin::Published { .. }) = (folder.installed(&entry.id), &entry.origin) {
        row.state = State::Unchecked;
        if let Some(known) = models::known(entry, &file)? {
            row.state = State::Here;
            row.bytes = known.bytes;
            row.sha256 = Some(known.sha256);
            row.hash = Some(known.status.to_string());
        }
        row.path = Some(shown(file));
    }
    Ok(row)
}

/// What a model costs, in a line.
pub(super) fn in_words_of_speed(speed: Speed, on: &str) -> String {
    let memory = speed.memory_mib.map_or_else(String::new, |mib| format!(", {mib} MiB of memory"));
    let (size, encode, tracked) = (speed.image_size, speed.encode_ms, speed.tracked_frame_ms);
    format!("at {size} pixels on {on}: a new frame {encode:.0} ms, a tracked frame {tracked:.0} ms{memory}")
}

fn in_words(list: &List) -> String {
    let mut lines = Vec::new();
    for row in &list.models {
        let state = match (row.state, &row.hash) {
            (State::Program, _) => "in the program".to_owned(),
            (State::Here, Some(hash)) => format!("here ({hash})"),
            (State::Here, None) | (State::Unchecked, _) => "here, checked before its next use".to_owned(),
            (State::Absent, _) => format!("label-hub models get {}", row.name),
        };
        lines.push(format!("{:24} {:>7}  {state}", row.name, megabytes(row.bytes)));
        lines.push(format!("    {}", row.good_for));
        if let Some(speed) = row.speed {
            let on = format!("{}, {} threads", list.device, list.threads);
            lines.push(format!("    {}", in_words_of_speed(speed, &on)));
        }
    }
    for file in &list.own_files {
        lines.push(format!("{file}\n    your own"));
    }
    lines.push(format!("Model files are in {}", list.folder));
    lines.join("\n")
}
