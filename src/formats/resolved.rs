//! A plan with every choice made: what the writers and the self-check see.

use super::dataset::{ClipFacts, ExportPlan, FrameChoice, FramesWith, LabelSource, Split, classes_of};
use super::file_names::{FileNames, Renamed, prefix, stem};
use super::{FormatError, FormatId};
use crate::label::{FrameIdx, FrameSize, Mask, ObjectId, Rgb, counted};

/// Everything an export writes, but for the pictures.
pub(super) struct Dataset<'a> {
    /// The clips, in order.
    pub clips: Vec<DatasetClip<'a>>,
    /// The classes, in order.
    pub classes: Vec<String>,
    /// Names that the files cannot carry as they are.
    pub renamed: Vec<Renamed>,
    /// What of the plan its author may not expect.
    pub notes: Vec<String>,
    /// Masks whose prompts have changed since they were tracked.
    pub stale: u64,
}

/// One clip.
pub(super) struct DatasetClip<'a> {
    pub labels: &'a dyn LabelSource,
    /// Its position in the plan.
    pub position: usize,
    /// Its name in the files; no two clips share one.
    pub name: String,
    pub split: Split,
    /// By number, ascending by id.
    pub objects: Vec<DatasetObject>,
    /// Ascending; at least one.
    pub frames: Vec<DatasetFrame>,
    /// Added to an object's number it gives the track id, which is unique in the dataset.
    pub tracks_before: u32,
}

/// One object of a clip.
pub(super) struct DatasetObject {
    pub id: ObjectId,
    /// From 1, without gaps.
    pub number: u32,
    /// As in the project.
    pub name: String,
    /// Its name in the files; no two objects of a clip share one.
    pub file_name: String,
    /// Its class's position in [`Dataset::classes`].
    pub class: usize,
    pub colour: Rgb,
    /// The revision of its prompts.
    pub revision: u64,
}

/// One frame of a clip.
pub(super) struct DatasetFrame {
    pub idx: FrameIdx,
    /// Its file's name without the ending: five digits or more, or, where the format keeps names, one that no other
    /// frame of the dataset has.
    pub name: String,
}

impl DatasetClip<'_> {
    pub fn size(&self) -> FrameSize {
        self.labels.clip().size
    }

    pub fn facts(&self) -> &ClipFacts {
        self.labels.clip()
    }

    /// The mask of an object; `None` where it has none.
    pub fn mask(&self, object: &DatasetObject, frame: FrameIdx) -> Result<Option<Mask>, FormatError> {
        if self.labels.mark(object.id, frame).is_none() {
            return Ok(None);
        }
        let fault = |cause: String| FormatError::Labels {
            clip: self.facts().name.clone(),
            object: object.name.clone(),
            frame,
            cause,
        };
        let mask = self.labels.mask(object.id, frame).map_err(|e| fault(e.to_string()))?;
        match mask {
            Some(mask) if mask.size() != self.size() => {
                Err(fault(format!("it is {}, the frames are {}", mask.size(), self.size())))
            }
            mask => Ok(mask),
        }
    }

    /// The objects that are in the frame, with their masks, by number.
    pub fn masks_on(&self, frame: FrameIdx) -> Result<Vec<(&DatasetObject, Mask)>, FormatError> {
        let mut found = Vec::new();
        for object in &self.objects {
            if let Some(mask) = self.mask(object, frame)?.filter(|mask| !mask.is_empty()) {
                found.push((object, mask));
            }
        }
        Ok(found)
    }

    /// The id of an object's track, unique in the dataset.
    pub fn track(&self, object: &DatasetObject) -> u32 {
        self.tracks_before + object.number
    }
}

impl<'a> Dataset<'a> {
    /// Makes every choice of the plan.
    pub fn resolve(plan: &ExportPlan<'a>, format: FormatId) -> Result<Self, FormatError> {
        let (classes, renamed, notes) = (plan.classes.clone(), Vec::new(), Vec::new());
        let mut dataset = Dataset { clips: Vec::new(), classes, renamed, notes, stale: 0 };
        if dataset.classes.is_empty() {
            dataset.classes = classes_of([], plan.clips.iter().map(|clip| clip.labels));
        }
        dataset.clean_classes();
        let (mut clip_names, mut frame_names) = (FileNames::default(), FileNames::default());
        frame_names.reserve(format.reserved_names());
        let mut unlabelled = 0;
        let mut tracks_before = 0;
        for (position, clip) in plan.clips.iter().enumerate() {
            let facts = clip.labels.clip();
            let name = clip_names.take(&facts.name, "clip");
            dataset.note_name("clip", &facts.name, &name);
            let objects = dataset.objects(clip.labels, clip.objects.as_deref())?;
            let chosen = chosen_frames(clip.labels, &objects, plan.frames);
            if chosen.is_empty() {
                dataset.notes.push(format!("{}: left out, none of its frames meets the choice", facts.name));
                continue;
            }
            let has_mark = |frame: &FrameIdx| objects.iter().any(|o| clip.labels.mark(o.id, *frame).is_some());
            unlabelled += chosen.iter().filter(|frame| !has_mark(frame)).count();
            let pairs = objects.iter().flat_map(|o| chosen.iter().map(move |frame| (o, *frame)));
            let marks = pairs.filter_map(|(o, frame)| Some((o.revision, clip.labels.mark(o.id, frame)?)));
            dataset.stale += marks.filter(|(revision, mark)| mark.is_stale(*revision)).count() as u64;
            let digits = facts.frames.len().saturating_sub(1).to_string().len().max(5);
            let mut frames = Vec::with_capacity(chosen.len());
            for idx in chosen {
                let number = format!("{:0digits$}", idx.0);
                let name = if format.numbers_frames() {
                    number
                } else {
                    let own = facts.frames[idx.as_usize()].file_name.as_deref();
                    let stem = own.map(stem);
                    let wanted = match stem {
                        Some(stem) if plan.clips.len() == 1 => stem.to_owned(),
                        Some(stem) => format!("{}_{stem}", prefix(&name)),
                        None => format!("{}_{number}", prefix(&name)),
                    };
                    let used = frame_names.take(&wanted, &number);
                    dataset.note_name("frame", &wanted, &used);
                    used
                };
                frames.push(DatasetFrame { idx, name });
            }
            let count = objects.len() as u32;
            let (labels, split) = (clip.labels, clip.split);
            dataset.clips.push(DatasetClip { labels, position, name, split, objects, frames, tracks_before });
            tracks_before += count;
        }
        if unlabelled > 0 && format.says_absent() {
            dataset.notes.push(format!(
                "{} without a mask, exported as empty; choose the frames with masks to leave them out",
                counted(unlabelled, "frame")
            ));
        }
        if dataset.clips.is_empty() { Err(FormatError::NothingToExport) } else { Ok(dataset) }
    }

    fn objects(
        &mut self,
        labels: &dyn LabelSource,
        chosen: Option<&[ObjectId]>,
    ) -> Result<Vec<DatasetObject>, FormatError> {
        let mut infos: Vec<_> = labels.objects().iter().collect();
        if let Some(chosen) = chosen {
            infos.retain(|info| chosen.contains(&info.id));
        }
        infos.sort_by_key(|info| info.id);
        let mut file_names = FileNames::default();
        let mut objects = Vec::with_capacity(infos.len());
        for (number, info) in (1..).zip(infos) {
            let class_name = clean_class(info.class_name());
            let class = self.classes.iter().position(|class| *class == class_name).ok_or_else(|| {
                FormatError::UnknownClass { object: info.name.clone(), class: info.class_name().to_owned() }
            })?;
            let file_name = file_names.take(&info.name, &format!("object_{}", info.id));
            self.note_name("object", &info.name, &file_name);
            let (id, name, colour, revision) = (info.id, info.name.clone(), info.colour, info.revision);
            objects.push(DatasetObject { id, number, name, file_name, class, colour, revision });
        }
        Ok(objects)
    }

    /// Takes control characters out of class names: some formats are lists of lines, and XML cannot hold them.
    fn clean_classes(&mut self) {
        for class in std::mem::take(&mut self.classes) {
            let clean = clean_class(&class);
            self.note_name("class", &class, &clean);
            if !self.classes.contains(&clean) {
                self.classes.push(clean);
            }
        }
    }

    fn note_name(&mut self, kind: &'static str, name: &str, used: &str) {
        if name != used {
            self.renamed.push(Renamed { kind, name: name.to_owned(), used: used.to_owned() });
        }
    }

    /// The clips of a part of the dataset.
    pub fn clips_of(&self, split: Split) -> impl Iterator<Item = &DatasetClip<'a>> {
        self.clips.iter().filter(move |clip| clip.split == split)
    }

    /// The parts that have clips.
    pub fn splits(&self) -> impl Iterator<Item = Split> {
        Split::ALL.into_iter().filter(|split| self.clips_of(*split).next().is_some())
    }

    /// Frames of all clips.
    pub fn frame_count(&self) -> u64 {
        self.clips.iter().map(|clip| clip.frames.len() as u64).sum()
    }
}

fn clean_class(class: &str) -> String {
    class.replace(|c: char| c.is_control() || matches!(c, '\u{2028}' | '\u{2029}' | '\u{FFFE}' | '\u{FFFF}'), " ")
}

fn chosen_frames(labels: &dyn LabelSource, objects: &[DatasetObject], choice: FrameChoice) -> Vec<FrameIdx> {
    let count = labels.clip().frames.len() as u32;
    let (first, last) = choice.range.map_or((0, u32::MAX), |(first, last)| (first.0, last.0));
    let has_wanted = |frame: FrameIdx| {
        let mut marks = objects.iter().filter_map(|object| labels.mark(object.id, frame));
        match choice.with {
            FramesWith::Anything => true,
            FramesWith::Masks => marks.any(|mark| mark.area > 0),
            FramesWith::Approved => {
                let first = marks.next();
                first.is_some_and(|mark| mark.is_approved) && marks.all(|mark| mark.is_approved)
            }
        }
    };
    (first..=last.min(count.saturating_sub(1)))
        .filter(|idx| *idx < count && idx.is_multiple_of(choice.every.max(1)))
        .map(FrameIdx)
        .filter(|frame| has_wanted(*frame))
        .collect()
}
