//! Which file writes and which reads a format.

use std::path::Path;

use super::output::Output;
use super::reading::Sink;
use super::resolved::Dataset;
use super::{FormatError, FormatId, coco, davis};

/// Writes a dataset.
pub(super) fn write(format: FormatId, dataset: &Dataset<'_>, output: &mut Output<'_>) -> Result<(), FormatError> {
    match format {
        FormatId::Coco => coco::write(dataset, output),
        FormatId::Davis => davis::write(dataset, output),
        _ => Err(FormatError::NoImport { format }),
    }
}

/// Reads a dataset back, for the import and for the check of an export.
pub(super) fn read(format: FormatId, path: &Path, sink: &mut dyn Sink) -> Result<(), FormatError> {
    match format {
        FormatId::Coco => coco::read(path, sink),
        FormatId::Davis => davis::read(path, sink),
        _ => Err(FormatError::NoImport { format }),
    }
}
