//! Datasets: begins exports and imports, says how they ended, takes imported objects in.

use std::collections::BTreeSet;
use std::path::Path;

use bevy::prelude::*;
use crossbeam_channel::TryRecvError;

use crate::formats::{ExportReport, FormatError, Imported};
use crate::label::{ObjectId, counted};
use crate::store::{Adopted, adopt};

use super::super::action::{Action, Panel};
use super::super::export::{ExportEvent, ExportRequest, Exporting, begin_export, begin_import};
use super::super::history::Joins;
use super::super::labels::{Classes, LabelIndex};
use super::super::notices::Severity;
use super::super::state::{Revisions, StoreLink, Windows};
use super::{commit, tell};

/// Item errors told one by one; the log of the command line lists all.
const MOST_TOLD: usize = 5;

pub(super) fn perform(world: &mut World, action: Action) {
    let begun = match action {
        Action::Export(request) => begin_export(world, *request),
        Action::ImportLabels(path) => begin_import(world, path),
        Action::StopExport => {
            world.resource::<Exporting>().stop();
            return;
        }
        _ => unreachable!("perform sends actions about datasets here"),
    };
    match begun {
        Ok(()) => {
            // The dialog has done its work.
            world.resource_mut::<Windows>().panel.take_if(|panel| *panel == Panel::Export);
        }
        Err(reason) => tell(world, Severity::Error, reason, Vec::new()),
    }
}

/// What the thread said since the last update.
pub(super) fn take_events(world: &mut World) {
    let Some(events) = world.resource::<Exporting>().events.clone() else { return };
    loop {
        match events.try_recv() {
            Ok(ExportEvent::Progress(done, total)) => world.resource_mut::<Exporting>().counts = (done, total),
            Ok(last) => {
                let request = end(world);
                return match last {
                    ExportEvent::Exported(report) => exported(world, &report),
                    ExportEvent::Imported(path, imported) => take_in(world, &path, *imported),
                    ExportEvent::Failed(error) => failed(world, &error, request),
                    ExportEvent::Progress(..) => unreachable!("progress is taken above"),
                };
            }
            Err(TryRecvError::Empty) => return,
            Err(TryRecvError::Disconnected) => {
                end(world);
                let text = "Writing or reading the dataset failed; what the program printed has the reason.";
                return tell(world, Severity::Error, text, Vec::new());
            }
        }
    }
}

fn end(world: &mut World) -> Option<ExportRequest> {
    std::mem::take(&mut *world.resource_mut::<Exporting>()).request
}

fn exported(world: &mut World, report: &ExportReport) {
    // An overlay holds nothing that could be compared.
    let compared = match report.check.masks {
        0 => String::new(),
        _ => format!("; read back and compared, the worst IoU is {:.4}", report.check.min_iou),
    };
    let mut lines = vec![format!(
        "Exported {} on {} as {} to {}{compared}.",
        counted(report.masks, "mask"),
        counted(report.frames, "frame"),
        report.format,
        report.folder.display(),
    )];
    let losses = report.losses.lines();
    let severity = if losses.is_empty() && report.stale == 0 { Severity::Info } else { Severity::Warning };
    lines.extend(report.stale_line().map(|line| format!("{line}.")));
    lines.extend(losses);
    lines.extend(report.notes.iter().cloned());
    if !report.renamed.is_empty() {
        lines.push(format!("Names changed for the files: {}; see labelhub-names.json.", report.renamed.len()));
    }
    tell(world, severity, lines.join("\n"), Vec::new());
}

fn failed(world: &mut World, error: &FormatError, request: Option<ExportRequest>) {
    if matches!(error, FormatError::Cancelled) {
        return tell(world, Severity::Info, "Stopped; nothing was left behind.", Vec::new());
    }
    let mut ways_out = match (error, request) {
        (FormatError::Exists { .. }, Some(request)) => {
            let again = ExportRequest { overwrite: true, ..request };
            vec![("Replace it".to_owned(), Action::Export(Box::new(again)))]
        }
        (_, Some(request)) => vec![("Try again".to_owned(), Action::Export(Box::new(request)))],
        (_, None) => Vec::new(),
    };
    // All that an export reads as files lies in its folder.
    let is_about_folder = matches!(
        error,
        FormatError::Read { .. }
            | FormatError::Write { .. }
            | FormatError::Exists { .. }
            | FormatError::NotAnExport { .. }
            | FormatError::HoldsOther { .. }
            | FormatError::HoldsMore { .. }
            | FormatError::InTheWay { .. }
            | FormatError::HoldsClip { .. }
    );
    if is_about_folder && !ways_out.is_empty() {
        ways_out.push(("Choose another folder…".to_owned(), Action::TogglePanel(Panel::Export)));
    }
    tell(world, Severity::Error, error.to_string(), ways_out);
}

fn take_in(world: &mut World, path: &Path, imported: Imported) {
    let objects = imported.objects.len();
    let masks: usize = imported.objects.iter().map(|object| object.frames.len()).sum();
    if objects > 0 {
        let adopted = imported.objects.into_iter().map(|object| Adopted {
            name: object.name,
            class: object.class,
            masks: object.frames,
        });
        let taken: BTreeSet<ObjectId> = world.resource::<LabelIndex>().objects().map(|(id, _)| id).collect();
        let classes = world.resource::<Classes>().0.clone();
        let revision = world.resource_mut::<Revisions>().give();
        let store = world.resource::<StoreLink>().clone();
        let mut held = store.write();
        let name = format!("import {}", counted(objects, "object"));
        let edit = adopt(&mut *held, &taken, &classes, revision, name, adopted.collect());
        drop(held);
        commit(world, edit.name, edit.changes, Joins::Nothing);
    }
    let mut text = format!(
        "Imported {} with {} ({}) from {}.",
        counted(objects, "object"),
        counted(masks, "mask"),
        imported.format,
        path.display()
    );
    for notice in imported.notices.iter().take(MOST_TOLD) {
        text.push_str(&format!("\n{notice}"));
    }
    for error in imported.errors.iter().take(MOST_TOLD) {
        text.push_str(&format!("\n{}: {}", error.item, error.cause));
    }
    if imported.error_count > MOST_TOLD as u64 {
        text.push_str(&format!("\nand {} more that could not be read.", imported.error_count - MOST_TOLD as u64));
    }
    let severity = if imported.error_count > 0 { Severity::Warning } else { Severity::Info };
    let ways_out = if objects > 0 { vec![("Undo".to_owned(), Action::Undo)] } else { Vec::new() };
    tell(world, severity, text, ways_out);
}
