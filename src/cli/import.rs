//! `label-hub import`: a dataset's masks as new objects of a project, in one undo step.
//!
//! What is in the project stays as it is. Items that cannot be read are listed, the rest is imported.

use std::collections::BTreeSet;
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::sync::Arc;

use serde::Serialize;

use super::exit::{CliError, Exit};
use super::progress::Reporter;
use super::project::{Project, WithoutProject};
use super::signals::StopFlag;
use super::track::{Surroundings, with_surroundings};
use crate::formats::{self, ClipFacts, FormatError, FormatId, ImportTarget, Imported, ItemError};
use crate::label::{Change, ObjectId, counted};
use crate::store::{Adopted, Durability, adopt};

/// Arguments of `import`.
#[derive(Debug, Clone, clap::Args)]
pub struct ImportArgs {
    /// Project file, or a clip; a clip without a project gets one
    #[arg(value_name = "PROJECT|CLIP")]
    project: PathBuf,
    /// The dataset: its folder, or one of its files
    #[arg(value_name = "FILE|DIR")]
    dataset: PathBuf,
    /// Its format; found out by itself where that is possible
    #[arg(long, value_parser = str::parse::<FormatId>)]
    format: Option<FormatId>,
    /// Report as JSON lines on standard output
    #[arg(long)]
    json: bool,
}

/// What an import tells, as JSON lines.
#[derive(Debug, Serialize)]
#[serde(tag = "event", rename_all = "lowercase")]
enum Event<'a> {
    Start { dataset: String, project: String },
    Item { item: &'a str, cause: &'a str },
    Done { format: &'a str, project: String, objects: Vec<ObjectLine<'a>>, masks: usize, failed: u64 },
}

#[derive(Debug, Serialize)]
struct ObjectLine<'a> {
    id: ObjectId,
    name: &'a str,
    class: Option<&'a str>,
    masks: usize,
}

/// Runs `label-hub import`.
///
/// # Errors
/// With the exit code and what to do next.
pub fn run(args: &ImportArgs) -> Result<Exit, CliError> {
    with_surroundings(|around| run_with(args, around))
}

/// [`run`] with its surroundings given.
///
/// # Errors
/// As [`run`].
pub fn run_with(args: &ImportArgs, around: Surroundings<'_>) -> Result<Exit, CliError> {
    let mut reporter = Reporter::new(args.json, around.is_terminal, around.stdout, around.stderr);
    let imported = import(args, around.stop, &mut reporter);
    reporter.clear();
    imported
}

fn import(args: &ImportArgs, stop: &StopFlag, reporter: &mut Reporter<'_>) -> Result<Exit, CliError> {
    let mut project = Project::open_to_write(&args.project, WithoutProject::Make, stop)?;
    for notice in &project.notices {
        reporter.notice(notice)?;
    }
    let (dataset, shown) = (args.dataset.display().to_string(), project.store.path().display().to_string());
    let words = format!("importing {dataset} into {shown}");
    reporter.tell(&Event::Start { dataset, project: shown.clone() }, &words)?;
    let Some(imported) = read(args, &project, stop, reporter)? else {
        reporter.stopped("stopped; nothing was imported", None)?;
        return Ok(stop.requested().unwrap_or(Exit::Interrupted));
    };
    let Imported { format, objects, errors, error_count, notices } = imported;
    for notice in &notices {
        reporter.notice(notice)?;
    }
    for ItemError { item, cause } in &errors {
        reporter.tell(&Event::Item { item, cause }, &format!("not imported: {item}: {cause}"))?;
    }
    let untold = error_count - errors.len() as u64;
    if untold > 0 {
        reporter.notice(&format!("{untold} more items were not imported"))?;
    }
    if objects.is_empty() {
        let message = "no masks for this clip could be imported from it; check that it was made for this clip";
        return Err(CliError::input(format!("{}: {message}", args.dataset.display())));
    }
    let objects: Vec<Adopted> = objects
        .into_iter()
        .map(|object| Adopted { name: object.name, class: object.class, masks: object.frames })
        .collect();
    let ids = take_in(&mut project, format, objects.clone());
    project.store.close()?;
    let lines = objects.iter().zip(ids).map(|(object, id)| ObjectLine {
        id,
        name: &object.name,
        class: object.class.as_deref(),
        masks: object.masks.len(),
    });
    let lines: Vec<ObjectLine<'_>> = lines.collect();
    let masks = lines.iter().map(|line| line.masks).sum();
    let words = in_words(&shown, format, &lines, masks, error_count);
    let done = Event::Done { format: format.name(), project: shown, objects: lines, masks, failed: error_count };
    reporter.result(&done, &words)?;
    Ok(if error_count == 0 { Exit::Success } else { Exit::SomeFailed })
}

/// Reads the dataset; `None` when somebody asked to stop.
fn read(
    args: &ImportArgs,
    project: &Project,
    stop: &StopFlag,
    reporter: &mut Reporter<'_>,
) -> Result<Option<Imported>, CliError> {
    let target = ImportTarget::of(&ClipFacts::of(&project.clip));
    let mut closed = None;
    let read = formats::import(args.format, &args.dataset, &target, &mut |masks| {
        closed = reporter.progress("reading", masks, None).err();
        if closed.is_some() || stop.requested().is_some() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    });
    match (read, closed) {
        (_, Some(closed)) => Err(closed),
        (_, None) if stop.requested().is_some() => Ok(None),
        (Ok(imported), None) => Ok(Some(imported)),
        (Err(FormatError::Cancelled), None) => Ok(None),
        (Err(error), None) => Err(error.into()),
    }
}

/// Puts the objects into the project, as one undo step; gives their numbers, in order.
fn take_in(project: &mut Project, format: FormatId, objects: Vec<Adopted>) -> Vec<ObjectId> {
    let taken: BTreeSet<ObjectId> = project.snapshot.objects.iter().map(|(id, _)| *id).collect();
    let classes = Arc::clone(&project.snapshot.classes);
    let revision = project.snapshot.last_revision + 1;
    let edit = adopt(&mut project.store, &taken, &classes, revision, format!("import {format}"), objects);
    let new = edit.changes.iter().filter_map(|change| match change {
        Change::Object { id, .. } => Some(*id),
        Change::Prompt { .. } | Change::Mark { .. } | Change::InOut { .. } | Change::Classes { .. } => None,
    });
    let new = new.collect();
    project.push_step(edit, Durability::Durable);
    new
}

fn in_words(project: &str, format: FormatId, objects: &[ObjectLine<'_>], masks: usize, failed: u64) -> String {
    let (count, masks) = (counted(objects.len(), "new object"), counted(masks, "mask"));
    let mut lines = vec![format!("{project}: {count} with {masks} from {format}")];
    for ObjectLine { id, name, class, masks } in objects {
        let class = class.map_or_else(String::new, |class| format!(", class {class}"));
        lines.push(format!("object {id}: {name:?}{class}, {}", counted(*masks, "mask")));
    }
    if failed > 0 {
        lines.push(format!("{} could not be imported", counted(failed, "item")));
    }
    lines.join("\n")
}
