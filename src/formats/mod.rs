//! Files other tools read and write, one Rust file per format.
//!
//! Everything read here may come from anywhere: sizes are checked before memory is asked for them, and an error names
//! the file, what is wrong and a way on. Everything written appears under its name only when it is whole.
//!
//! [`export`] writes a dataset, reads it back and compares; [`import`] reads one as labels for a clip; [`detect`]
//! guesses its format. A format is a file with `write(&Dataset, &mut Output)`, which puts its files through
//! `output`, and `read(&Path, &mut dyn Sink)`, which hands over every mask it finds: to the import, or to the check
//! of an export. To add one: its file, its lines in `format_id.rs`, `detect.rs` and in the tables of `registry.rs`.

mod atomic;
mod binary_png;
mod budget;
mod check;
mod coco;
pub mod coco_rle;
mod coco_segmentation;
mod crop;
mod cvat_images;
mod cvat_meta;
mod cvat_rle;
mod cvat_video;
mod dataset;
mod datumaro;
mod davis;
mod detect;
mod error;
mod export;
mod export_folder;
mod file_names;
mod files;
mod format_id;
mod frame_finder;
mod gathered;
mod import;
mod json_stream;
mod labelme;
mod labelstudio;
mod labelstudio_rle;
mod manifest;
pub mod mask_png;
mod mots;
pub mod npy;
mod npy_frames;
mod npy_header;
mod npy_stack;
mod numbering;
mod outline;
mod output;
mod overlap;
mod overlay;
mod palette_png;
mod picture_file;
mod polygon_fill;
mod reading;
mod registry;
mod report;
mod resolved;
mod row_spans;
mod sav;
mod side_by_side;
mod truth;
mod xml_stream;
mod yolo;
mod yolo_yaml;
mod ytvis;
mod ytvos;

pub use atomic::write_atomically;
pub use dataset::{
    ClipFacts, ClipPlan, ExportPlan, FrameChoice, FrameFacts, FramePicture, FramesWith, ImageChoice, ImageSource,
    LabelSource, NO_CLASS, ObjectInfo, OverlayStyle, SourceError, Split, classes_of,
};
pub use detect::detect;
pub use error::FormatError;
pub use export::export;
pub use export_folder::check_target;
pub use file_names::Renamed;
pub use format_id::{FormatId, UnknownFormat};
pub use gathered::GatheredLabels;
pub use import::{ImportTarget, Imported, ImportedObject, ItemError, import};
pub use manifest::FILE_NAME as MANIFEST_NAME;
pub use output::{Progress, Stage};
pub use picture_file::{PictureFile, encode_picture};
pub use report::{CheckReport, ExportReport, Losses};
pub use truth::Truth;
