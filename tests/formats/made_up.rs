//! Clips, labels and pictures made up for the tests.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::path::Path;

use label_hub::formats::{
    ClipFacts, ClipPlan, ExportPlan, ExportReport, FormatError, FormatId, FrameChoice, FrameFacts, FramePicture,
    ImageChoice, ImageSource, LabelSource, ObjectInfo, OverlayStyle, SourceError, Split, export,
};
use label_hub::label::{FrameIdx, FrameMark, FrameSize, Mask, MaskId, ObjectId, palette};
use label_hub::video::{ClipIdentity, RgbImage, TimeBase};

/// A clip and its labels.
#[derive(Debug, Clone)]
pub struct MadeUp {
    pub facts: ClipFacts,
    pub objects: Vec<ObjectInfo>,
    pub masks: BTreeMap<(ObjectId, FrameIdx), Mask>,
    pub approved: Vec<(ObjectId, FrameIdx)>,
}

impl MadeUp {
    /// A clip at 25 frames per second without objects.
    pub fn clip(name: &str, width: u32, height: u32, frame_count: u32) -> Self {
        let time_base = TimeBase { num: 1, den: 12800 };
        let facts = ClipFacts {
            name: name.to_owned(),
            path: format!("/nowhere/{name}.mp4").into(),
            identity: ClipIdentity::of_bytes(format!("{name} {width} {height}").as_bytes()),
            size: FrameSize { width, height },
            time_base,
            frames: (0..i64::from(frame_count))
                .map(|i| FrameFacts { pts: i * 512, secs: time_base.secs(i * 512), file_name: None })
                .collect(),
            average_rate: Some(25.0),
        };
        MadeUp { facts, objects: Vec::new(), masks: BTreeMap::new(), approved: Vec::new() }
    }

    /// The clip as a folder of images with these names.
    pub fn with_names(mut self, names: &[&str]) -> Self {
        assert_eq!(names.len(), self.facts.frames.len());
        for (frame, name) in self.facts.frames.iter_mut().zip(names) {
            frame.file_name = Some((*name).to_owned());
        }
        self
    }

    pub fn size(&self) -> FrameSize {
        self.facts.size
    }

    pub fn add_object(&mut self, id: u32, name: &str, class: Option<&str>) -> ObjectId {
        let id = ObjectId(id);
        let (name, class) = (name.to_owned(), class.map(str::to_owned));
        self.objects.push(ObjectInfo { id, name, class, colour: palette::colour_of(id), revision: 0 });
        id
    }

    /// Sets a mask by pixel: column, row.
    pub fn paint(&mut self, object: ObjectId, frame: u32, is_object: impl Fn(u32, u32) -> bool) {
        let size = self.size();
        let mask = Mask::from_fn(size, |i| is_object(i as u32 % size.width, i as u32 / size.width));
        self.masks.insert((object, FrameIdx(frame)), mask);
    }

    /// Masks of an object that are not empty, by frame.
    pub fn masks_of(&self, object: ObjectId) -> Vec<(FrameIdx, Mask)> {
        let of_object = self.masks.iter().filter(|((id, _), mask)| *id == object && !mask.is_empty());
        of_object.map(|((_, frame), mask)| (*frame, mask.clone())).collect()
    }

    pub fn plan(&self) -> ExportPlan<'_> {
        plan(&[self])
    }
}

/// All of some clips.
pub fn plan<'a>(clips: &[&'a MadeUp]) -> ExportPlan<'a> {
    let clip = |labels: &&'a MadeUp| ClipPlan { labels: *labels, images: None, objects: None, split: Split::Train };
    ExportPlan {
        clips: clips.iter().map(clip).collect(),
        classes: Vec::new(),
        frames: FrameChoice::ALL,
        images: ImageChoice::None,
        overlay: OverlayStyle::Tint,
        overwrite: false,
    }
}

/// Exports without a progress bar.
pub fn export_quietly(format: FormatId, plan: ExportPlan<'_>, folder: &Path) -> Result<ExportReport, FormatError> {
    export(format, plan, folder, &mut |_| ControlFlow::Continue(()))
}

impl LabelSource for MadeUp {
    fn clip(&self) -> &ClipFacts {
        &self.facts
    }

    fn objects(&self) -> &[ObjectInfo] {
        &self.objects
    }

    fn mark(&self, object: ObjectId, frame: FrameIdx) -> Option<FrameMark> {
        let mask = self.masks.get(&(object, frame))?;
        let mark = FrameMark::painted(MaskId(1), mask, 0);
        Some(FrameMark { is_approved: self.approved.contains(&(object, frame)), ..mark })
    }

    fn mask(&self, object: ObjectId, frame: FrameIdx) -> Result<Option<Mask>, SourceError> {
        Ok(self.masks.get(&(object, frame)).cloned())
    }
}

/// Pictures whose colours tell the frame and the place.
pub struct Pictures(pub FrameSize);

impl ImageSource for Pictures {
    fn picture(&mut self, frame: FrameIdx) -> Result<FramePicture, SourceError> {
        let (width, height) = (self.0.width, self.0.height);
        let pixel = |i: u32| [(i % width * 7) as u8, (i / width * 11) as u8, (frame.0 * 20) as u8];
        let pixels = (0..width * height).flat_map(pixel).collect();
        Ok(FramePicture { image: RgbImage { size: self.0, pixels }, damage: None })
    }
}

/// A clip with the masks that break encoders: empty, full, corners, checkerboard, hole, two parts, single rows and
/// columns; labels that break files; object ids with gaps. No two objects overlap.
pub fn difficult(name: &str, width: u32, height: u32) -> MadeUp {
    let mut clip = MadeUp::clip(name, width, height, 7);
    let (w, h) = (width, height);
    let one = clip.add_object(3, "a dog", Some("dog"));
    clip.paint(one, 0, |_, _| true);
    clip.paint(one, 1, |x, y| (x + y) % 2 == 0);
    clip.paint(one, 2, |x, y| x == 0 || y == 0 || x + 1 == w || y + 1 == h);
    clip.paint(one, 3, |x, y| (x == 0 || x + 1 == w) && (y == 0 || y + 1 == h));
    clip.paint(one, 4, |_, _| false);
    clip.paint(one, 6, |x, _| x < w / 2);
    let two = clip.add_object(7, "../../x\n<&\"'>", Some("кот 🐈 \"&<'"));
    clip.paint(two, 1, |x, y| (x + y) % 2 == 1);
    clip.paint(two, 2, |x, y| x > 0 && y > 0 && x + 1 < w && y + 1 < h && (x != w / 2 || y != h / 2));
    clip.paint(two, 3, |x, y| (x == 0 && y == h / 2) || (x == w / 2 && y == 0));
    clip.paint(two, 6, |x, _| x >= w / 2);
    let three = clip.add_object(2, "A DOG", None);
    clip.paint(three, 4, |x, y| y == h / 2 && x > 0);
    clip.paint(three, 5, |x, y| x == w / 2 && y > 0);
    clip
}

/// As [`difficult`], with objects that overlap.
pub fn overlapping(name: &str, width: u32, height: u32) -> MadeUp {
    let mut clip = difficult(name, width, height);
    let four = clip.add_object(40, "over all", Some("dog"));
    (0..7).for_each(|frame| clip.paint(four, frame, |x, y| (x * 3 + y) % 4 != frame % 4));
    clip
}
