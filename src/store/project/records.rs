//! The records inside the project file's blobs, and the way from the app's words to them and back.
//!
//! They are kept apart from `label` so that a field renamed there does not change the file. Tuples, because CBOR then
//! writes no field names: a run's step holds a change for every frame and object. Their order is part of the file format;
//! changing it needs a migration.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::label::{
    BoxPrompt, Change, FrameIdx, FrameMark, FramePrompt, MaskId, ObjectFacts, ObjectId, Point, PointLabel, Prompt,
    Provenance, Rgb,
};
use crate::store::runs;

/// One change of a step.
#[derive(Debug, Serialize, Deserialize)]
pub enum ChangeRecord {
    /// Object, before, after.
    #[serde(rename = "o")]
    Object(u32, Option<ObjectRecord>, Option<ObjectRecord>),
    /// Object, frame, before, after.
    #[serde(rename = "p")]
    Prompt(u32, u32, Option<PromptRecord>, Option<PromptRecord>),
    /// Object, frame, before, after.
    #[serde(rename = "m")]
    Mark(u32, u32, Option<MarkRecord>, Option<MarkRecord>),
    /// Before, after.
    #[serde(rename = "i")]
    InOut(Option<(u32, u32)>, Option<(u32, u32)>),
    /// Before, after.
    #[serde(rename = "c")]
    Classes(Vec<String>, Vec<String>),
}

/// Name, class, colour, hidden, locked, revision.
#[derive(Debug, Serialize, Deserialize)]
pub struct ObjectRecord(String, Option<String>, Rgb, bool, bool, u64);

/// What is said, the chosen candidate, and the mask that is corrected, which version 1 of the file does not have.
#[derive(Debug, Serialize, Deserialize)]
pub struct PromptRecord(SaidRecord, Option<u8>, #[serde(default)] Option<MaskRecord>);

/// A mask as `runs` writes it.
#[derive(Debug, Serialize, Deserialize)]
pub struct MaskRecord(#[serde(with = "bytes")] Vec<u8>);

#[derive(Debug, Serialize, Deserialize)]
enum SaidRecord {
    /// Points as (x, y, label), box as (x0, y0, x1, y1).
    #[serde(rename = "k")]
    Clicks(Vec<(f32, f32, u8)>, Option<(f32, f32, f32, f32)>),
    /// A mask as `runs` writes it.
    #[serde(rename = "m")]
    Mask(#[serde(with = "bytes")] Vec<u8>),
}

/// Mask, provenance, revision, approved, area, object score, predicted IoU, stability.
#[derive(Debug, Serialize, Deserialize)]
pub struct MarkRecord(u64, u8, u64, bool, u64, f32, f32, f32);

/// Bytes as a CBOR byte string instead of an array of numbers.
mod bytes {
    use serde::de::{Error, Visitor};
    use serde::{Deserializer, Serializer};

    pub fn serialize<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(bytes)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
        struct Bytes;
        impl Visitor<'_> for Bytes {
            type Value = Vec<u8>;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a byte string")
            }
            fn visit_bytes<E: Error>(self, bytes: &[u8]) -> Result<Vec<u8>, E> {
                Ok(bytes.to_vec())
            }
        }
        deserializer.deserialize_byte_buf(Bytes)
    }
}

/// The number that stands for a provenance in the file.
pub fn provenance_code(provenance: Provenance) -> u8 {
    match provenance {
        Provenance::Prompted => 0,
        Provenance::Painted => 1,
        Provenance::Tracked => 2,
    }
}

/// The provenance a number stands for.
///
/// # Errors
/// When it stands for none.
pub fn provenance_from_code(code: u8) -> Result<Provenance, String> {
    match code {
        0 => Ok(Provenance::Prompted),
        1 => Ok(Provenance::Painted),
        2 => Ok(Provenance::Tracked),
        other => Err(format!("no provenance has the number {other}")),
    }
}

impl From<&ObjectFacts> for ObjectRecord {
    fn from(facts: &ObjectFacts) -> Self {
        let ObjectFacts { name, class, colour, is_hidden, is_locked, revision } = facts.clone();
        ObjectRecord(name, class, colour, is_hidden, is_locked, revision)
    }
}

impl From<ObjectRecord> for ObjectFacts {
    fn from(ObjectRecord(name, class, colour, is_hidden, is_locked, revision): ObjectRecord) -> Self {
        ObjectFacts { name, class, colour, is_hidden, is_locked, revision }
    }
}

impl From<&FrameMark> for MarkRecord {
    fn from(mark: &FrameMark) -> Self {
        let FrameMark { mask, provenance, revision, is_approved, area, object_score, predicted_iou, stability } = *mark;
        let code = provenance_code(provenance);
        MarkRecord(mask.0, code, revision, is_approved, area, object_score, predicted_iou, stability)
    }
}

impl TryFrom<MarkRecord> for FrameMark {
    type Error = String;

    fn try_from(record: MarkRecord) -> Result<Self, String> {
        let MarkRecord(mask, code, revision, is_approved, area, object_score, predicted_iou, stability) = record;
        let (mask, provenance) = (MaskId(mask), provenance_from_code(code)?);
        Ok(FrameMark { mask, provenance, revision, is_approved, area, object_score, predicted_iou, stability })
    }
}

impl From<&FramePrompt> for PromptRecord {
    fn from(prompt: &FramePrompt) -> Self {
        let said = match &*prompt.prompt {
            Prompt::Clicks { points, bounds } => SaidRecord::Clicks(
                points.iter().map(|p| (p.x, p.y, u8::from(p.label))).collect(),
                bounds.map(|b| (b.x0, b.y0, b.x1, b.y1)),
            ),
            Prompt::Mask(mask) => SaidRecord::Mask(runs::encode(mask).into_vec()),
        };
        let base = prompt.base.as_ref().map(|mask| MaskRecord(runs::encode(mask).into_vec()));
        PromptRecord(said, prompt.candidate, base)
    }
}

impl TryFrom<PromptRecord> for FramePrompt {
    type Error = String;

    fn try_from(PromptRecord(said, candidate, base): PromptRecord) -> Result<Self, String> {
        let prompt = match said {
            SaidRecord::Clicks(points, bounds) => {
                let point = |(x, y, label)| Ok(Point { x, y, label: PointLabel::try_from(label)? });
                let points = points.into_iter().map(point).collect::<Result<_, String>>()?;
                // Field by field: a box comes back as it was, also one that has its corners the wrong way round.
                let bounds = bounds.map(|(x0, y0, x1, y1)| BoxPrompt { x0, y0, x1, y1 });
                Prompt::Clicks { points, bounds }
            }
            SaidRecord::Mask(bytes) => Prompt::Mask(runs::decode(&bytes)?),
        };
        let base = base.map(|MaskRecord(bytes)| runs::decode(&bytes)).transpose()?.map(Arc::new);
        Ok(FramePrompt { prompt: Arc::new(prompt), candidate, base })
    }
}

impl From<&Change> for ChangeRecord {
    fn from(change: &Change) -> Self {
        let frames = |range: &Option<(FrameIdx, FrameIdx)>| range.map(|(first, last)| (first.0, last.0));
        match change {
            Change::Object { id, before, after } => {
                ChangeRecord::Object(id.0, before.as_ref().map(Into::into), after.as_ref().map(Into::into))
            }
            Change::Prompt { object, frame, before, after } => {
                let (before, after) = (before.as_ref().map(Into::into), after.as_ref().map(Into::into));
                ChangeRecord::Prompt(object.0, frame.0, before, after)
            }
            Change::Mark { object, frame, before, after } => {
                let (before, after) = (before.as_ref().map(Into::into), after.as_ref().map(Into::into));
                ChangeRecord::Mark(object.0, frame.0, before, after)
            }
            Change::InOut { before, after } => ChangeRecord::InOut(frames(before), frames(after)),
            Change::Classes { before, after } => ChangeRecord::Classes(before.to_vec(), after.to_vec()),
        }
    }
}

impl TryFrom<ChangeRecord> for Change {
    type Error = String;

    fn try_from(record: ChangeRecord) -> Result<Self, String> {
        let frames = |range: Option<(u32, u32)>| range.map(|(first, last)| (FrameIdx(first), FrameIdx(last)));
        Ok(match record {
            ChangeRecord::Object(id, before, after) => {
                Change::Object { id: ObjectId(id), before: before.map(Into::into), after: after.map(Into::into) }
            }
            ChangeRecord::Prompt(object, frame, before, after) => Change::Prompt {
                object: ObjectId(object),
                frame: FrameIdx(frame),
                before: before.map(TryInto::try_into).transpose()?,
                after: after.map(TryInto::try_into).transpose()?,
            },
            ChangeRecord::Mark(object, frame, before, after) => Change::Mark {
                object: ObjectId(object),
                frame: FrameIdx(frame),
                before: before.map(TryInto::try_into).transpose()?,
                after: after.map(TryInto::try_into).transpose()?,
            },
            ChangeRecord::InOut(before, after) => Change::InOut { before: frames(before), after: frames(after) },
            ChangeRecord::Classes(before, after) => Change::Classes { before: before.into(), after: after.into() },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::label::{FrameSize, Mask};

    #[test]
    fn words_come_back_with_the_mask_they_correct_and_without_in_records_of_version_1() {
        #[derive(Serialize)]
        struct Version1(SaidRecord, Option<u8>);
        let points = vec![Point { x: 3.0, y: 4.5, label: PointLabel::Negative }];
        let prompt = Arc::new(Prompt::Clicks { points, bounds: None });
        let base = Arc::new(Mask::from_fn(FrameSize { width: 7, height: 5 }, |i| i % 3 == 0));
        let said = FramePrompt { prompt, candidate: Some(1), base: Some(base) };
        let written = |record: &dyn Fn(&mut Vec<u8>)| {
            let mut bytes = Vec::new();
            record(&mut bytes);
            let record: PromptRecord = ciborium::from_reader(bytes.as_slice()).expect("a record");
            FramePrompt::try_from(record).expect("words")
        };
        let now = written(&|bytes| ciborium::into_writer(&PromptRecord::from(&said), bytes).expect("memory"));
        assert_eq!(now, said);
        let then = written(&|bytes| {
            let PromptRecord(words, candidate, _) = PromptRecord::from(&said);
            ciborium::into_writer(&Version1(words, candidate), bytes).expect("memory");
        });
        assert_eq!(then, FramePrompt { base: None, ..said.clone() });
    }
}
