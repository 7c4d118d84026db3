//! `labelhub.json`, which lies in every export: where the labels came from, exactly.
//!
//! Other tools ignore it. Our own import uses it to put masks back on the very frames and objects they came from.

use std::fs::File;
use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::FormatId;
use super::report::Losses;
use super::resolved::{Dataset, DatasetClip};
use crate::label::Rgb;
use crate::video::TimeBase;

/// Its name in the export's folder.
pub const FILE_NAME: &str = "labelhub.json";
/// A larger one is not ours.
const MAX_BYTES: u64 = 1 << 30;

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Manifest {
    /// What wrote it.
    pub label_hub: String,
    /// The dataset's format by [`FormatId::name`].
    pub format: String,
    pub classes: Vec<String>,
    pub clips: Vec<ManifestClip>,
    /// What the format could not hold.
    pub lost: Vec<String>,
    /// Everything directly in the export's folder: what else is found there is not ours to replace.
    #[serde(default)]
    pub entries: Vec<String>,
    /// How many files the export wrote, in its folders too.
    #[serde(default)]
    pub files: Option<u64>,
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct ManifestClip {
    pub name: String,
    /// Its name in the dataset's files.
    pub name_in_files: String,
    /// SHA-256 over the file's length, head and tail.
    pub identity: String,
    pub split: String,
    pub width: u32,
    pub height: u32,
    /// Frames of the clip, exported or not.
    pub frame_count: u32,
    pub time_base: TimeBase,
    pub average_rate: Option<f64>,
    pub objects: Vec<ManifestObject>,
    pub frames: Vec<ManifestFrame>,
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct ManifestObject {
    /// In the project.
    pub id: u32,
    /// In the dataset, within the clip.
    pub number: u32,
    /// In the whole dataset.
    pub track: u32,
    pub name: String,
    pub name_in_files: String,
    pub class: String,
    pub colour: Rgb,
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct ManifestFrame {
    pub index: u32,
    pub pts: i64,
    /// In the dataset's files, without the ending.
    pub name: String,
    /// The clip's own file, with its ending; only folders of images have them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
}

impl Manifest {
    pub fn of(dataset: &Dataset<'_>, format: FormatId, losses: &Losses, entries: Vec<String>, files: u64) -> Self {
        Manifest {
            label_hub: env!("CARGO_PKG_VERSION").to_owned(),
            format: format.name().to_owned(),
            classes: dataset.classes.clone(),
            clips: dataset.clips.iter().map(|clip| ManifestClip::of(clip, &dataset.classes)).collect(),
            lost: losses.lines(),
            entries,
            files: Some(files),
        }
    }

    /// The manifest beside or above a dataset's file, if there is a sound one, and the folder it lies in.
    pub fn near(path: &Path) -> Option<(Manifest, PathBuf)> {
        path.ancestors().take(4).find_map(|folder| Some((Manifest::in_folder(folder)?, folder.to_owned())))
    }

    /// The manifest of an export, if there is a sound one.
    pub fn in_folder(folder: &Path) -> Option<Manifest> {
        let file = File::open(folder.join(FILE_NAME)).ok()?;
        serde_json::from_reader(BufReader::new(file.take(MAX_BYTES))).ok()
    }
}

impl ManifestClip {
    fn of(clip: &DatasetClip<'_>, classes: &[String]) -> Self {
        let facts = clip.facts();
        let objects = clip.objects.iter().map(|object| ManifestObject {
            id: object.id.0,
            number: object.number,
            track: clip.track(object),
            name: object.name.clone(),
            name_in_files: object.file_name.clone(),
            class: classes[object.class].clone(),
            colour: object.colour,
        });
        let frames = clip.frames.iter().map(|frame| {
            let own = &facts.frames[frame.idx.as_usize()];
            ManifestFrame { index: frame.idx.0, pts: own.pts, name: frame.name.clone(), file: own.file_name.clone() }
        });
        ManifestClip {
            name: facts.name.clone(),
            name_in_files: clip.name.clone(),
            identity: facts.identity.as_str().to_owned(),
            split: clip.split.name().to_owned(),
            width: facts.size.width,
            height: facts.size.height,
            frame_count: facts.frames.len() as u32,
            time_base: facts.time_base,
            average_rate: facts.average_rate,
            objects: objects.collect(),
            frames: frames.collect(),
        }
    }
}
