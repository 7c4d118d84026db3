//! Which file writes and which reads a format.

use std::path::Path;

use super::output::Output;
use super::reading::Sink;
use super::resolved::Dataset;
use super::{
    FormatError, FormatId, binary_png, coco, cvat_images, cvat_video, datumaro, davis, labelme, labelstudio, mots,
    npy_frames, npy_stack, overlay, sav, yolo, ytvis, ytvos,
};

/// Walks through a dataset's files and hands over what it finds.
pub(super) type ReadFn = fn(&Path, &mut dyn Sink) -> Result<(), FormatError>;

/// Writes a dataset.
pub(super) fn write(format: FormatId, dataset: &Dataset<'_>, output: &mut Output<'_>) -> Result<(), FormatError> {
    match format {
        FormatId::Npy => npy_frames::write(dataset, output),
        FormatId::NpyStack => npy_stack::write(dataset, output),
        FormatId::Davis => davis::write(dataset, output),
        FormatId::Png => binary_png::write(dataset, output),
        FormatId::Coco => coco::write(dataset, output),
        FormatId::YtVos => ytvos::write(dataset, output),
        FormatId::YtVis => ytvis::write(dataset, output),
        FormatId::Sav => sav::write(dataset, output),
        FormatId::Yolo => yolo::write(dataset, output),
        FormatId::Mots => mots::write(dataset, output),
        FormatId::CvatImages => cvat_images::write(dataset, output),
        FormatId::CvatVideo => cvat_video::write(dataset, output),
        FormatId::Datumaro => datumaro::write(dataset, output),
        FormatId::LabelStudio => labelstudio::write(dataset, output),
        FormatId::Labelme => labelme::write(dataset, output),
        FormatId::Overlay => overlay::write(dataset, output),
    }
}

/// The readers that check an export: one for each copy of the masks that it holds.
pub(super) fn checkers(format: FormatId) -> &'static [ReadFn] {
    match format {
        FormatId::Sav => &[sav::read_pngs, sav::read_jsons],
        FormatId::Mots => &[mots::read, mots::read_texts],
        FormatId::YtVos => &[ytvos::read],
        FormatId::CvatVideo => &[cvat_video::read],
        FormatId::Overlay => &[],
        FormatId::Npy => &[npy_frames::read],
        FormatId::NpyStack => &[npy_stack::read],
        FormatId::Davis => &[davis::read],
        FormatId::Png => &[binary_png::read],
        FormatId::Coco => &[coco::read],
        FormatId::YtVis => &[ytvis::read],
        FormatId::Yolo => &[yolo::read],
        FormatId::CvatImages => &[cvat_images::read],
        FormatId::Datumaro => &[datumaro::read],
        FormatId::LabelStudio => &[labelstudio::read],
        FormatId::Labelme => &[labelme::read],
    }
}

/// The reader for labels from elsewhere; `None` where there is none.
pub(super) fn importer(format: FormatId) -> Option<ReadFn> {
    match format {
        FormatId::YtVos | FormatId::CvatVideo | FormatId::Overlay => None,
        FormatId::Sav => Some(sav::read),
        FormatId::Npy
        | FormatId::NpyStack
        | FormatId::Davis
        | FormatId::Png
        | FormatId::Coco
        | FormatId::YtVis
        | FormatId::Yolo
        | FormatId::Mots
        | FormatId::CvatImages
        | FormatId::Datumaro
        | FormatId::LabelStudio
        | FormatId::Labelme => checkers(format).first().copied(),
    }
}
