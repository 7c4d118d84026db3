//! Writes a dataset and checks it: the one door for the window and the command line.

use std::ops::ControlFlow;
use std::path::Path;

use serde::Serialize;

use super::check::CheckSink;
use super::dataset::ExportPlan;
use super::export_folder::ExportFolder;
use super::file_names::{NAMES_FILE, Renamed};
use super::manifest::{self, Manifest};
use super::output::{Output, Progress};
use super::report::{CheckReport, ExportReport};
use super::resolved::Dataset;
use super::{FormatError, FormatId, registry};

/// Writes `plan` as a dataset of `format` into the new folder `folder`, then reads every mask back and compares it.
///
/// The folder appears only when all is written and checked; until then everything lies in `FOLDER.part`. `progress` is
/// called for every frame written and every mask compared; breaking stops the export.
///
/// # Errors
/// When the folder may not be written or replaced, a mask or picture cannot be had, the format cannot hold the objects,
/// writing fails, what was written does not read back as it must, or the user stops it. Nothing is then left behind.
pub fn export(
    format: FormatId,
    mut plan: ExportPlan<'_>,
    folder: &Path,
    progress: &mut dyn FnMut(Progress) -> ControlFlow<()>,
) -> Result<ExportReport, FormatError> {
    let dataset = Dataset::resolve(&plan, format)?;
    let clips: Vec<_> = plan.clips.iter().map(|clip| clip.labels.clip().path.clone()).collect();
    let target = ExportFolder::begin(folder, &clips, plan.overwrite)?;
    let image_sources =
        plan.clips.iter_mut().map(|clip| clip.images.as_mut().map(|images| &mut **images as _)).collect();
    let mut output = Output::new(target.part(), format, plan.images, image_sources, dataset.frame_count(), progress);
    output.overlay = plan.overlay;
    output.notes.clone_from(&dataset.notes);
    let finished = write_and_check(format, &dataset, target.part(), &mut output).and_then(|check| {
        write_facts(format, &dataset, &target, &output)?;
        output.notes.extend(target.finish()?);
        Ok(check)
    });
    match finished {
        Ok(check) => Ok(ExportReport {
            format,
            folder: folder.to_owned(),
            clips: dataset.clips.len() as u64,
            frames: dataset.frame_count(),
            masks: output.masks,
            stale: dataset.stale,
            images: output.images_written,
            losses: output.losses,
            check,
            notes: output.notes,
            renamed: dataset.renamed,
        }),
        Err(error) => {
            target.abandon();
            Err(error)
        }
    }
}

fn write_and_check(
    format: FormatId,
    dataset: &Dataset<'_>,
    part: &Path,
    output: &mut Output<'_>,
) -> Result<CheckReport, FormatError> {
    registry::write(format, dataset, output)?;
    let mut report = CheckReport::default();
    for read in registry::checkers(format) {
        let mut sink = CheckSink::new(dataset, output, format);
        read(part, &mut sink)?;
        let faults;
        (report, faults) = sink.finish()?;
        if faults.count > 0 {
            return Err(FormatError::SelfCheck { path: part.to_owned(), count: faults.count, first: faults.first });
        }
    }
    Ok(report)
}

/// Writes what is not part of the format: where everything came from, and which names were changed.
fn write_facts(
    format: FormatId,
    dataset: &Dataset<'_>,
    target: &ExportFolder,
    output: &Output<'_>,
) -> Result<(), FormatError> {
    #[derive(Serialize)]
    struct Names<'a> {
        renamed: &'a [Renamed],
    }
    if !dataset.renamed.is_empty() {
        let mut file = output.file(NAMES_FILE)?;
        file.json(&Names { renamed: &dataset.renamed })?;
        file.finish()?;
    }
    let (mut entries, files) = (target.entries()?, target.file_count()?);
    entries.push(manifest::FILE_NAME.to_owned());
    let mut file = output.file(manifest::FILE_NAME)?;
    file.json(&Manifest::of(dataset, format, &output.losses, entries, files + 1))?;
    file.finish()
}
