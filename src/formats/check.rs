//! Reads an export back and compares every mask with the one that went in.

use std::collections::HashMap;

use super::format_id::Fidelity;
use super::outline::{fill, outline_of};
use super::output::{Output, Progress, Stage};
use super::overlap::without_overlap;
use super::reading::{FrameId, FrameRef, ObjectKey, ObjectRef, Place, Sink};
use super::report::CheckReport;
use super::resolved::{Dataset, DatasetClip};
use super::{FormatError, FormatId};
use crate::label::{FrameIdx, Mask};

/// Compares what a reader finds with a dataset.
pub(super) struct CheckSink<'c, 'a, 'o> {
    dataset: &'c Dataset<'a>,
    output: &'c mut Output<'o>,
    fidelity: Fidelity,
    /// Clip and frame by name, where the format keeps names.
    frames: HashMap<String, (usize, FrameIdx)>,
    /// By clip: frames times objects.
    seen: Vec<Vec<bool>>,
    /// What a frame should hold, by object: the one compared last, where objects take pixels from each other.
    apart: Option<Apart>,
    report: CheckReport,
    iou_sum: f64,
    /// What must not happen in this format.
    faults: Faults,
}

/// The masks of one frame without what others took from them, by object.
struct Apart {
    clip: usize,
    frame: FrameIdx,
    masks: Vec<Option<Mask>>,
}

/// Differences that the format does not excuse.
#[derive(Debug, Default)]
pub(super) struct Faults {
    pub count: u64,
    pub first: String,
}

impl<'c, 'a, 'o> CheckSink<'c, 'a, 'o> {
    pub fn new(dataset: &'c Dataset<'a>, output: &'c mut Output<'o>, format: FormatId) -> Self {
        let mut frames = HashMap::new();
        if !format.numbers_frames() {
            for (position, clip) in dataset.clips.iter().enumerate() {
                frames.extend(clip.frames.iter().map(|frame| (frame.name.clone(), (position, frame.idx))));
            }
        }
        CheckSink {
            dataset,
            output,
            fidelity: format.fidelity(),
            frames,
            seen: dataset.clips.iter().map(|clip| vec![false; clip.frames.len() * clip.objects.len()]).collect(),
            apart: None,
            report: CheckReport::default(),
            iou_sum: 0.0,
            faults: Faults::default(),
        }
    }

    /// The findings, after looking for masks that did not come back.
    pub fn finish(mut self) -> Result<(CheckReport, Faults), FormatError> {
        let dataset = self.dataset;
        for (clip_position, clip) in dataset.clips.iter().enumerate() {
            for (position, frame) in clip.frames.iter().enumerate() {
                for (i, object) in clip.objects.iter().enumerate() {
                    let is_seen = self.seen[clip_position][position * clip.objects.len() + i];
                    if !is_seen && clip.labels.mark(object.id, frame.idx).is_some() {
                        self.compare(clip_position, frame.idx, i, &Mask::empty(clip.size()))?;
                    }
                }
            }
        }
        let masks = self.report.masks;
        self.report.mean_iou = if masks == 0 { 1.0 } else { self.iou_sum / masks as f64 };
        Ok((self.report, self.faults))
    }

    fn blame(&mut self, difference: String) {
        if self.faults.count == 0 {
            self.faults.first.clone_from(&difference);
        }
        self.faults.count += 1;
        self.report.note(difference);
    }

    fn compare(&mut self, clip_position: usize, frame: FrameIdx, i: usize, found: &Mask) -> Result<(), FormatError> {
        let dataset = self.dataset;
        let clip = &dataset.clips[clip_position];
        let source = clip.mask(&clip.objects[i], frame)?.unwrap_or_else(|| Mask::empty(clip.size()));
        let iou = source.iou(found);
        let held = match self.fidelity {
            Fidelity::NoOverlap => self.apart_on(clip_position, frame)?[i].clone(),
            Fidelity::Outlines => filled_outline(&source),
            Fidelity::Exact | Fidelity::PictureOnly => Some(source.clone()),
        };
        let held = held.unwrap_or_else(|| Mask::empty(clip.size()));
        if held != *found {
            self.blame(difference_on(clip, i, frame, &held, found));
        } else if self.fidelity == Fidelity::Outlines && source != *found {
            // The outline came back as it was written; what it could not show is a loss and no fault.
            self.report.note(difference_on(clip, i, frame, &source, found));
        }
        if !source.is_empty() {
            self.report.masks += 1;
            self.report.min_iou = self.report.min_iou.min(iou);
            self.iou_sum += iou;
        }
        self.keep_going()
    }

    fn apart_on(&mut self, clip_position: usize, frame: FrameIdx) -> Result<&[Option<Mask>], FormatError> {
        if self.apart.as_ref().is_none_or(|apart| (apart.clip, apart.frame) != (clip_position, frame)) {
            let clip = &self.dataset.clips[clip_position];
            let mut sources = Vec::with_capacity(clip.objects.len());
            for object in &clip.objects {
                sources.push(clip.mask(object, frame)?);
            }
            let masks = without_overlap(clip.size(), &sources).masks;
            self.apart = Some(Apart { clip: clip_position, frame, masks });
        }
        Ok(&self.apart.as_ref().expect("just made").masks)
    }

    /// The position of an object in its clip.
    fn object_position(&self, place: Place, object: &ObjectRef) -> Option<usize> {
        let clip: &DatasetClip<'_> = &self.dataset.clips[place.clip];
        match &object.key {
            ObjectKey::Number(number) => clip.objects.iter().position(|o| u64::from(o.number) == *number),
            ObjectKey::Track(track) | ObjectKey::TrackOfClass(track) => {
                clip.objects.iter().position(|o| u64::from(clip.track(o)) == *track)
            }
            ObjectKey::Instance { class, number } => {
                clip.objects.iter().position(|o| o.number == *number && o.class + 1 == *class as usize)
            }
            ObjectKey::Id(id) => clip.objects.iter().position(|o| o.id.0 == *id),
            ObjectKey::Name(name) => clip.objects.iter().position(|o| o.file_name == *name),
            ObjectKey::Ordinal(ordinal) => {
                let is_there = |id| clip.labels.mark(id, place.frame).is_some_and(|mark| mark.area > 0);
                let mut present = clip.objects.iter().enumerate().filter(|(_, o)| is_there(o.id));
                present.nth(*ordinal as usize).map(|(i, _)| i)
            }
        }
    }

    /// The clip and frame of a reader's frame.
    fn find(&self, frame: &FrameRef<'_>) -> Option<(usize, FrameIdx)> {
        let clips = &self.dataset.clips;
        let by_number = |number: u32| {
            let clip = if clips.len() == 1 { Some(0) } else { clips.iter().position(|c| c.name == frame.sequence) };
            clip.map(|clip| (clip, FrameIdx(number)))
        };
        let found = match frame.id {
            FrameId::Number(number) => by_number(number),
            FrameId::File { name, index } => {
                self.frames.get(name).copied().or_else(|| index.or_else(|| name.parse().ok()).and_then(by_number))
            }
        };
        found.filter(|(clip, idx)| clips[*clip].frames.binary_search_by_key(idx, |frame| frame.idx).is_ok())
    }
}

/// What filling the outline of a mask gives; `None` when there is none.
fn filled_outline(mask: &Mask) -> Option<Mask> {
    fill(mask.size(), &outline_of(mask).ok()??.points).ok()
}

fn difference_on(clip: &DatasetClip<'_>, i: usize, frame: FrameIdx, held: &Mask, found: &Mask) -> String {
    format!(
        "{}, frame {frame}, {:?}: {} pixels went in, {} came back (IoU {:.4})",
        clip.name,
        clip.objects[i].name,
        held.area(),
        found.area(),
        held.iou(found)
    )
}

impl Sink for CheckSink<'_, '_, '_> {
    fn choose_sequences(&mut self, found: &[String]) -> Result<Vec<usize>, FormatError> {
        Ok((0..found.len()).collect())
    }

    fn knows_frame_names(&self) -> bool {
        true
    }

    fn clip_of_file(&self, _: &str) -> String {
        String::new()
    }

    fn locate(&mut self, frame: &FrameRef<'_>) -> Result<Option<Place>, FormatError> {
        let Some((clip, idx)) = self.find(frame) else {
            self.blame(format!("{} of {:?} was never written", frame.shown(), frame.sequence));
            return Ok(None);
        };
        if let FrameId::File { index: Some(index), .. } = frame.id
            && index != idx.0
        {
            self.blame(format!("frame {idx} came back as number {index}"));
        }
        Ok(Some(Place { clip, frame: idx, size: self.dataset.clips[clip].size() }))
    }

    fn mask(&mut self, place: Place, object: &ObjectRef, mask: Mask) -> Result<(), FormatError> {
        let Some(i) = self.object_position(place, object) else {
            self.blame(format!("frame {}: an object {:?} was never written", place.frame, object.key));
            return Ok(());
        };
        let dataset = self.dataset;
        let clip = &dataset.clips[place.clip];
        let class = &dataset.classes[clip.objects[i].class];
        if object.class.as_ref().is_some_and(|found| found != class) {
            self.blame(format!("{:?} came back as class {:?}, not {class:?}", clip.objects[i].name, object.class));
        }
        let position = clip.frames.binary_search_by_key(&place.frame, |frame| frame.idx);
        let position = position.expect("placed by `locate`");
        let seen = &mut self.seen[place.clip][position * clip.objects.len() + i];
        if std::mem::replace(seen, true) {
            self.blame(format!("frame {}, {:?} came back twice", place.frame, clip.objects[i].name));
        }
        self.compare(place.clip, place.frame, i, &mask)
    }

    fn fault(&mut self, item: &str, cause: &str) {
        self.blame(format!("{item}: {cause}"));
    }

    fn notice(&mut self, notice: String) {
        self.blame(notice);
    }

    fn keep_going(&mut self) -> Result<(), FormatError> {
        let progress = Progress { stage: Stage::Checking, done: self.report.masks, total: self.output.masks };
        self.output.tell(progress)
    }
}
