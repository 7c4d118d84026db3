//! The JSON form of a run's prompts: `--prompts FILE.json`, and the same inside a run's manifest.
//!
//! `{"objects":[{"id":1,"name":"…","prompts":[{"frame":0,"points":[[x,y]],"labels":[1],"box":[x0,y0,x1,y1],
//! "mask":"file.png"}]}],"range":[a,b]}`; `mask` is a file, relative to the JSON, or runs:
//! `{"size":{"width":w,"height":h},"runs":[background, object, background, …]}`.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::exit::CliError;
use super::prompts::{JobPrompts, MaskSource, Statement, Statements};
use crate::label::{BoxPrompt, FrameIdx, Mask, ObjectId, Point, PointLabel, Prompt};

/// Longest prompts file or manifest, in bytes.
pub const MAX_JSON_BYTES: u64 = 256 << 20;

/// The whole file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PromptFile {
    /// Objects, in any order.
    pub objects: Vec<ObjectEntry>,
    /// First and last frame, both included.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub range: Option<(FrameIdx, FrameIdx)>,
}

/// An object.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ObjectEntry {
    /// Its id.
    pub id: ObjectId,
    /// What the user calls it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// What is said about it.
    pub prompts: Vec<PromptEntry>,
}

/// What is said about an object on a frame.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PromptEntry {
    /// The frame.
    pub frame: FrameIdx,
    /// Clicks, x and y.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub points: Vec<[f32; 2]>,
    /// One label per click: 1 on the object, 0 beside it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub labels: Vec<PointLabel>,
    /// A box.
    #[serde(default, rename = "box", skip_serializing_if = "Option::is_none")]
    pub bounds: Option<BoxPrompt>,
    /// A mask.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mask: Option<MaskEntry>,
}

/// A mask as a file's name or as runs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum MaskEntry {
    /// A `.png` or `.npy`, relative to the JSON file.
    File(PathBuf),
    /// Runs.
    Runs(Mask),
}

/// Reads JSON of bounded length.
///
/// # Errors
/// When the file cannot be read, is too long, or is not of that form.
pub fn read_json<T: for<'de> Deserialize<'de>>(path: &Path) -> Result<T, CliError> {
    let unreadable = |e| CliError::input(format!("{}: cannot read it ({e}); check the path", path.display()));
    let mut file = File::open(path).map_err(unreadable)?.take(MAX_JSON_BYTES + 1);
    let mut text = Vec::new();
    file.read_to_end(&mut text).map_err(unreadable)?;
    if text.len() as u64 > MAX_JSON_BYTES {
        return Err(CliError::input(format!("{}: longer than {MAX_JSON_BYTES} bytes", path.display())));
    }
    serde_json::from_slice(&text).map_err(|e| CliError::usage(format!("{}: {e}; correct that line", path.display())))
}

/// Reads `--prompts FILE.json` into statements, to which flags may add.
///
/// # Errors
/// As [`read_json`], and when clicks and labels do not pair up.
pub fn read_prompt_file(path: &Path) -> Result<Statements, CliError> {
    let file: PromptFile = read_json(path)?;
    let folder = path.parent().unwrap_or(Path::new(""));
    let mut statements = Statements { range: file.range, ..Statements::default() };
    for object in file.objects {
        if let Some(name) = object.name {
            statements.names.insert(object.id, name);
        }
        for prompt in object.prompts {
            let (points, labels) = (prompt.points.len(), prompt.labels.len());
            if points != labels {
                let (shown, id, frame) = (path.display(), object.id, prompt.frame);
                return Err(CliError::usage(format!(
                    "{shown}: object {id}, frame {frame}: {points} points and {labels} labels; give one label per point"
                )));
            }
            if points == 0 && prompt.bounds.is_none() && prompt.mask.is_none() {
                let (shown, id, frame) = (path.display(), object.id, prompt.frame);
                let message =
                    format!("{shown}: object {id}, frame {frame}: no points, box or mask; add one or remove it");
                return Err(CliError::usage(message));
            }
            let clicks = prompt.points.iter().zip(prompt.labels);
            let clicks = clicks.map(|(&[x, y], label)| Statement::Click(Point { x, y, label }));
            let mask = prompt.mask.map(|mask| match mask {
                MaskEntry::File(file) => MaskSource::File(folder.join(file)),
                MaskEntry::Runs(mask) => MaskSource::Inline(mask),
            });
            let all = clicks.chain(prompt.bounds.map(Statement::Bounds)).chain(mask.map(Statement::Mask));
            statements.list.extend(all.map(|statement| (prompt.frame, object.id, statement)));
        }
    }
    Ok(statements)
}

impl From<&JobPrompts> for PromptFile {
    /// The one way to write these prompts: objects and frames in order, masks as runs. Manifests compare by it.
    fn from(job: &JobPrompts) -> Self {
        let objects = job.objects.iter().map(|(&id, object)| ObjectEntry {
            id,
            name: object.name.clone(),
            prompts: object.frames.iter().map(|(&frame, prompt)| prompt_entry(frame, prompt)).collect(),
        });
        PromptFile { objects: objects.collect(), range: job.range }
    }
}

fn prompt_entry(frame: FrameIdx, prompt: &Prompt) -> PromptEntry {
    let empty = PromptEntry { frame, points: Vec::new(), labels: Vec::new(), bounds: None, mask: None };
    match prompt {
        Prompt::Clicks { points, bounds } => PromptEntry {
            points: points.iter().map(|point| [point.x, point.y]).collect(),
            labels: points.iter().map(|point| point.label).collect(),
            bounds: *bounds,
            ..empty
        },
        Prompt::Mask(mask) => PromptEntry { mask: Some(MaskEntry::Runs(mask.clone())), ..empty },
    }
}
