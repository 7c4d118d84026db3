//! `label-hub models verify`, `path` and `remove`: what is in the folder.

use std::io::{self, IsTerminal, Write};
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::{PathArgs, RemoveArgs, VerifyArgs, entry, shown};
use crate::cli::exit::{CliError, Exit};
use crate::cli::progress::Reporter;
use crate::cli::signals::StopFlag;
use crate::models::{self, Cancel, Entry, ModelsError, ModelsFolder, Origin, Registry, STARTER_NOTE};
use crate::sam2::checkpoint::CheckpointSource;

#[derive(Serialize)]
#[serde(tag = "event", rename = "verified")]
struct Verified {
    name: String,
    path: String,
    is_sound: bool,
    sha256: Option<String>,
    /// What vouches for the hash, or what is wrong, in words.
    detail: String,
}

/// Runs `models verify`.
pub fn verify(args: &VerifyArgs) -> Result<Exit, CliError> {
    let folder = ModelsFolder::of_user()?;
    let files = match &args.name {
        Some(name) => {
            let entry = entry(name)?;
            vec![(entry, file_of(entry, &folder, "verify")?)]
        }
        None => {
            let entries = Registry::builtin().entries().iter();
            entries.filter_map(|entry| Some((entry, folder.installed(&entry.id)?))).collect()
        }
    };
    let stop = StopFlag::install_for_command()?;
    let (mut stdout, mut stderr) = (io::stdout(), io::stderr());
    let mut reporter = Reporter::new(args.json, io::stderr().is_terminal(), &mut stdout, &mut stderr).in_bytes();
    if files.is_empty() {
        reporter.notice(&format!("no published model is in {}", folder.path().display()))?;
    }
    let mut exit = Exit::Success;
    for (entry, file) in files {
        let verified = match verify_one(entry, &file, &stop, &mut reporter)? {
            Ok(verified) => verified,
            Err(ModelsError::Cancelled) => return Ok(stop.requested().unwrap_or(Exit::Interrupted)),
            Err(error) => {
                exit = Exit::SomeFailed;
                let detail = error.to_string();
                Verified { name: entry.id.clone(), path: shown(file), is_sound: false, sha256: None, detail }
            }
        };
        let words = match &verified.sha256 {
            Some(sha256) => format!("{}: sound, SHA-256 {sha256} ({})", verified.name, verified.detail),
            None => format!("{}: NOT SOUND: {}", verified.name, verified.detail),
        };
        reporter.result(&verified, &words)?;
    }
    Ok(exit)
}

fn verify_one(
    entry: &Entry,
    file: &Path,
    stop: &StopFlag,
    reporter: &mut Reporter<'_>,
) -> Result<Result<Verified, ModelsError>, CliError> {
    let cancel = Cancel::default();
    let mut closed = None;
    let checked = models::verify(entry, file, models::confirm_model, &cancel, &mut |done, total| {
        if stop.requested().is_some() {
            cancel.cancel();
        }
        if let Err(error) = reporter.progress(&entry.id, done, Some(total)) {
            closed = Some(error);
            cancel.cancel();
        }
    });
    if let Some(error) = closed {
        return Err(error);
    }
    Ok(checked.map(|checked| Verified {
        name: entry.id.clone(),
        path: shown(checked.path),
        is_sound: true,
        sha256: Some(checked.sha256),
        detail: checked.status.to_string(),
    }))
}

/// Runs `models path`.
pub fn path(args: &PathArgs) -> Result<Exit, CliError> {
    let folder = ModelsFolder::of_user()?;
    let path = match &args.name {
        None => folder.path().to_owned(),
        Some(name) => match Registry::builtin().get(name) {
            Some(entry) => file_of(entry, &folder, "name")?,
            // A model of one's own in the folder.
            None => match models::find(Path::new(name), Some(&folder))? {
                CheckpointSource::File(file) => file,
                CheckpointSource::Embedded(shipped) => PathBuf::from(shipped.name),
            },
        },
    };
    writeln!(io::stdout(), "{}", path.display()).map_err(CliError::from_stdout)?;
    Ok(Exit::Success)
}

/// Runs `models remove`.
pub fn remove(args: &RemoveArgs) -> Result<Exit, CliError> {
    let folder = ModelsFolder::of_user()?;
    let entry = entry(&args.name)?;
    file_of(entry, &folder, "remove").or_else(|error| match &entry.origin {
        // What an interrupted download left may still go.
        Origin::Published { .. } if folder.has_part(entry) => Ok(PathBuf::new()),
        Origin::Published { .. } | Origin::Program => Err(error),
    })?;
    let removed = folder.remove(entry)?;
    let mut words: Vec<String> = removed.iter().map(|path| format!("removed {}", path.display())).collect();
    if removed.is_empty() {
        words.push(format!("removed what an unfinished download of {} had left", entry.id));
    }
    writeln!(io::stdout(), "{}", words.join("\n")).map_err(CliError::from_stdout)?;
    Ok(Exit::Success)
}

/// The file of a published model that is here.
fn file_of(entry: &Entry, folder: &ModelsFolder, action: &'static str) -> Result<PathBuf, CliError> {
    if entry.origin == Origin::Program {
        let error = ModelsError::InProgram { name: entry.id.clone(), note: STARTER_NOTE, action };
        return Err(error.into());
    }
    match folder.installed(&entry.id) {
        Some(file) => Ok(file),
        // Its words say how to get it.
        None => Err(models::not_here(&entry.id, folder).into()),
    }
}
