//! `labelhub-run.json`: what an output folder was made from, so that a second run knows whether it may go on.
//!
//! `run_folder` reads, compares and writes it. The same inputs go on to the same bytes; different ones are refused.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::prompt_file::PromptFile;
use super::tracker::{DamagedFrames, Direction};
use crate::label::{FrameIdx, FrameSize, ObjectId, chosen_stream};

/// Format of this file; raised when an older program could misread it.
pub const FORMAT: u32 = 1;

/// All inputs that decide the masks, and what came of them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Manifest {
    /// [`FORMAT`].
    pub format: u32,
    /// The program and its version.
    pub program: String,
    /// The clip.
    pub clip: ClipEntry,
    /// The model.
    pub model: ModelEntry,
    /// The prompts, in the form of `--prompts`.
    pub prompts: PromptFile,
    /// Options that change masks or their names.
    pub options: OptionsEntry,
    /// Frames found not to decode, by this run and those it goes on from.
    #[serde(default)]
    pub damaged: BTreeSet<FrameIdx>,
    /// Mask files, set when the run has come to its end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub finished_masks: Option<u64>,
}

/// Which clip.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ClipEntry {
    /// File name, for people; the identity decides.
    pub name: String,
    /// Hash that names the clip whatever its path.
    pub identity: String,
    /// Size of its frames.
    pub size: FrameSize,
    /// Number of its frames.
    pub frames: u32,
}

/// Which model.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ModelEntry {
    /// File name, for people; the hashes decide.
    pub name: String,
    /// SHA-256 of the weights.
    pub sha256: String,
    /// SHA-256 of the description (TOML) beside them, if there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description_sha256: Option<String>,
}

/// Options that change masks or their names.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct OptionsEntry {
    /// `--direction`
    pub direction: Direction,
    /// `--resolution`; `None` is the model's own.
    pub resolution: Option<u32>,
    /// `--damaged`
    pub damaged: DamagedFrames,
    /// The device in words: `auto` may be another one tomorrow.
    pub device: String,
    /// `--pad`
    pub pad: usize,
    /// `--no-overlap`
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub no_overlap: bool,
}

impl Manifest {
    /// Whether a run with these inputs can have written this mask.
    pub fn covers(&self, frame: FrameIdx, object: ObjectId) -> bool {
        frame.0 < self.clip.frames && self.prompts.objects.iter().any(|entry| entry.id == object)
    }

    /// The first input in which a folder's manifest (`self`) differs from a new run's, in words.
    pub fn first_difference(&self, new: &Manifest) -> Option<String> {
        let say = |what: &str, old: &dyn std::fmt::Display, new: &dyn std::fmt::Display| {
            Some(format!("{what} was {old} and is now {new}"))
        };
        if self.clip.identity != new.clip.identity {
            let (old, now) = (&self.clip, &new.clip);
            let streams = [old, now].map(|clip| chosen_stream(&clip.identity));
            if old.name == now.name && streams[0] != streams[1] {
                let word = |stream: Option<u32>| stream.map_or("not given".to_owned(), |stream| stream.to_string());
                return say("--stream", &word(streams[0]), &word(streams[1]));
            }
            let old = format!("{} ({}, {} frames)", old.name, old.size, old.frames);
            return say("the clip", &old, &format!("{} ({}, {} frames)", now.name, now.size, now.frames));
        }
        if self.clip.frames != new.clip.frames || self.clip.size != new.clip.size {
            let old = format!("{} frames of {}", self.clip.frames, self.clip.size);
            return say("the clip", &old, &format!("{} frames of {}", new.clip.frames, new.clip.size));
        }
        if self.model.sha256 != new.model.sha256 {
            let old = format!("{} ({})", self.model.name, short(&self.model.sha256));
            return say("the model", &old, &format!("{} ({})", new.model.name, short(&new.model.sha256)));
        }
        if self.model.description_sha256 != new.model.description_sha256 {
            return Some(format!("the description of the model {} has changed", new.model.name));
        }
        if let Some(difference) = prompts_difference(&self.prompts, &new.prompts) {
            return Some(difference);
        }
        let (old, now) = (&self.options, &new.options);
        if old.direction != now.direction {
            return say("--direction", &word(&old.direction), &word(&now.direction));
        }
        if old.resolution != now.resolution {
            let word = |side: Option<u32>| side.map_or("the model's own".to_owned(), |side| side.to_string());
            return say("--resolution", &word(old.resolution), &word(now.resolution));
        }
        if old.damaged != now.damaged {
            return say("--damaged", &word(&old.damaged), &word(&now.damaged));
        }
        if old.device != now.device {
            // One begun before bf16 was used by itself, or on a processor without it.
            let is_now_rounded = old.device == "CPU" && now.device == "CPU (bf16)";
            let way = if is_now_rounded { "; --device cpu:f32 goes on with it" } else { "" };
            return say("--device", &old.device, &format!("{}{way}", now.device));
        }
        if old.pad != now.pad {
            return say("--pad", &old.pad, &now.pad);
        }
        if old.no_overlap != now.no_overlap {
            let word = |is_on| if is_on { "given" } else { "not given" };
            return say("--no-overlap", &word(old.no_overlap), &word(now.no_overlap));
        }
        if self.program != new.program {
            return say("the program", &self.program, &new.program);
        }
        None
    }
}

fn short(hash: &str) -> &str {
    hash.get(..12).unwrap_or(hash)
}

fn word(value: &impl std::fmt::Debug) -> String {
    format!("{value:?}").to_lowercase()
}

fn prompts_difference(old: &PromptFile, new: &PromptFile) -> Option<String> {
    if old.range != new.range {
        let word = |range: Option<(FrameIdx, FrameIdx)>| match range {
            Some((first, last)) => format!("{first}..{last}"),
            None => "the whole clip".to_owned(),
        };
        return Some(format!("--range was {} and is now {}", word(old.range), word(new.range)));
    }
    for object in &old.objects {
        let id = object.id;
        let Some(same) = new.objects.iter().find(|other| other.id == id) else {
            return Some(format!("object {id} is no longer prompted"));
        };
        for prompt in &object.prompts {
            let frame = prompt.frame;
            match same.prompts.iter().find(|other| other.frame == frame) {
                None => return Some(format!("object {id} is no longer prompted on frame {frame}")),
                Some(other) if other != prompt => {
                    return Some(format!("the prompt of object {id} on frame {frame} has changed"));
                }
                Some(_) => {}
            }
        }
        let added = same.prompts.iter().find(|p| !object.prompts.iter().any(|q| q.frame == p.frame));
        if let Some(prompt) = added {
            return Some(format!("object {id} has a new prompt on frame {}", prompt.frame));
        }
    }
    let added = new.objects.iter().find(|object| !old.objects.iter().any(|other| other.id == object.id));
    added.map(|object| format!("object {} is new", object.id))
    // Names are for people; a changed one changes no mask.
}
