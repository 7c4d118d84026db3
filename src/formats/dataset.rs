//! What an export takes: clips with their labels, which of it to write, and the pictures.
//!
//! The window and the command line implement [`LabelSource`] over their project; nothing here knows where labels come
//! from. `resolved.rs` turns a plan into what the writers see.

use std::error::Error;
use std::path::PathBuf;

use crate::label::{FrameIdx, FrameMark, FrameSize, Mask, ObjectId, Rgb, clip_name};
use crate::video::{Clip, ClipIdentity, Damage, Reader, RgbImage, TimeBase};

/// What a project or a decoder says when it cannot give what it was asked for.
pub type SourceError = Box<dyn Error + Send + Sync>;

/// One frame of a clip.
#[derive(Debug, Clone, PartialEq)]
pub struct FrameFacts {
    /// Presentation time in ticks of the clip's time base.
    pub pts: i64,
    /// Presentation time in seconds.
    pub secs: f64,
    /// File name with its ending; only folders of images have names.
    pub file_name: Option<String>,
}

/// What an export must know of a clip.
#[derive(Debug, Clone, PartialEq)]
pub struct ClipFacts {
    /// Its name: the file's name without the ending, or the folder's.
    pub name: String,
    /// The file or folder; an export never replaces it.
    pub path: PathBuf,
    /// Which clip it is, whatever its name.
    pub identity: ClipIdentity,
    /// Size of every frame and mask.
    pub size: FrameSize,
    /// Seconds per tick.
    pub time_base: TimeBase,
    /// Every frame, by index.
    pub frames: Vec<FrameFacts>,
    /// Average frames per second; a single frame has none.
    pub average_rate: Option<f64>,
}

impl ClipFacts {
    /// The facts of an opened clip.
    pub fn of(clip: &Clip) -> Self {
        let (path, index) = (clip.path(), clip.index());
        let frames = (0..clip.frame_count()).map(FrameIdx).map(|idx| FrameFacts {
            pts: index.pts(idx).expect("below the frame count"),
            secs: index.pts_secs(idx).expect("below the frame count"),
            file_name: index.name(idx).map(str::to_owned),
        });
        ClipFacts {
            name: clip_name(path).to_string_lossy().into_owned(),
            path: path.to_owned(),
            identity: clip.identity().clone(),
            size: clip.size(),
            time_base: index.time_base(),
            frames: frames.collect(),
            average_rate: index.average_rate(),
        }
    }
}

/// What an export must know of an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObjectInfo {
    /// Its id in the project.
    pub id: ObjectId,
    /// What it is called; anything.
    pub name: String,
    /// Its class; objects without one are exported as class `object`.
    pub class: Option<String>,
    /// Its colour on screen.
    pub colour: Rgb,
    /// The revision of its prompts: tracked masks of another one are stale.
    pub revision: u64,
}

/// The labels of one clip.
pub trait LabelSource {
    /// The clip.
    fn clip(&self) -> &ClipFacts;

    /// All objects, in any order.
    fn objects(&self) -> &[ObjectInfo];

    /// What is known of an object on a frame, `None` where it has no mask. Asked for every object and frame, so it must
    /// be cheap.
    fn mark(&self, object: ObjectId, frame: FrameIdx) -> Option<FrameMark>;

    /// The mask of an object on a frame, `None` where it has none. Asked twice for each mask: to write it and to check
    /// what was written.
    ///
    /// # Errors
    /// When the project cannot give a mask it has; the export stops.
    fn mask(&self, object: ObjectId, frame: FrameIdx) -> Result<Option<Mask>, SourceError>;
}

/// A frame's picture for a dataset.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FramePicture {
    /// The picture, upright, of the clip's size.
    pub image: RgbImage,
    /// Why it is not what was recorded; `None` for a good frame.
    pub damage: Option<Damage>,
}

/// The pictures of one clip.
pub trait ImageSource {
    /// The picture of a frame; frames are asked for in ascending order.
    ///
    /// # Errors
    /// When the clip is out of reach.
    fn picture(&mut self, frame: FrameIdx) -> Result<FramePicture, SourceError>;
}

impl ImageSource for Reader {
    fn picture(&mut self, frame: FrameIdx) -> Result<FramePicture, SourceError> {
        let frame = self.frame(frame)?;
        Ok(FramePicture { image: frame.to_rgb(), damage: frame.damage().cloned() })
    }
}

/// Which frames an export holds, by what the chosen objects have on them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum FramesWith {
    /// Every frame.
    #[default]
    Anything,
    /// Frames on which at least one chosen object has a mask that is not empty.
    Masks,
    /// Frames on which at least one chosen object has a mask and every mask of a chosen object is approved.
    Approved,
}

/// Which frames an export holds. All three conditions must hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FrameChoice {
    /// By what is on them.
    pub with: FramesWith,
    /// Every n-th frame, counted from frame 0 of the clip; 0 and 1 mean every frame.
    pub every: u32,
    /// First and last frame, both included; `None` is the whole clip.
    pub range: Option<(FrameIdx, FrameIdx)>,
}

impl FrameChoice {
    /// Every frame of the clip.
    pub const ALL: FrameChoice = FrameChoice { with: FramesWith::Anything, every: 1, range: None };
}

/// Which part of a dataset a clip belongs to. Formats without such parts put all clips side by side.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum Split {
    /// To learn from.
    #[default]
    Train,
    /// To choose by.
    Val,
    /// To judge by.
    Test,
}

impl Split {
    /// All of them.
    pub const ALL: [Split; 3] = [Split::Train, Split::Val, Split::Test];

    /// As folders and files are called.
    pub fn name(self) -> &'static str {
        match self {
            Split::Train => "train",
            Split::Val => "val",
            Split::Test => "test",
        }
    }
}

/// Whether the frames' pictures are written too.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ImageChoice {
    /// Masks only.
    #[default]
    None,
    /// Exact pictures. Formats whose readers look for `.jpg` only get JPEG all the same.
    Png,
    /// Smaller, slightly changed pictures (quality 95).
    Jpeg,
}

/// What the overlay video shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OverlayStyle {
    /// The clip with the objects tinted and outlined in their colours.
    #[default]
    Tint,
    /// White objects on black.
    Matte,
    /// The objects as they are, everything else black.
    CutOut,
}

/// One clip of an export.
pub struct ClipPlan<'a> {
    /// Its labels.
    pub labels: &'a dyn LabelSource,
    /// Its pictures; needed when images are to be written, and by the overlay video unless it is a matte.
    pub images: Option<&'a mut dyn ImageSource>,
    /// The objects to export; `None` is all of them.
    pub objects: Option<Vec<ObjectId>>,
    /// Its part of the dataset.
    pub split: Split,
}

/// What to export.
pub struct ExportPlan<'a> {
    /// The clips, in the order they are numbered.
    pub clips: Vec<ClipPlan<'a>>,
    /// All classes in the order they are numbered. Empty: taken from the clips by [`classes_of`].
    pub classes: Vec<String>,
    /// Which frames.
    pub frames: FrameChoice,
    /// Whether pictures are written too.
    pub images: ImageChoice,
    /// What the overlay video shows; other formats do not ask.
    pub overlay: OverlayStyle,
    /// Consent to replace an earlier export under the same name.
    pub overwrite: bool,
}

/// The class of objects that have none.
pub const NO_CLASS: &str = "object";

impl ObjectInfo {
    /// Its class in the dataset.
    pub fn class_name(&self) -> &str {
        self.class.as_deref().unwrap_or(NO_CLASS)
    }
}

/// The classes of a dataset, each once: first those that are listed, in their order, so that a class has the same number
/// in every export of a project; then those of objects that no list names, in the order they first occur.
pub fn classes_of<'a>(
    listed: impl IntoIterator<Item = &'a String>,
    clips: impl IntoIterator<Item = &'a dyn LabelSource>,
) -> Vec<String> {
    let mut classes: Vec<String> = Vec::new();
    let mut add = |name: &str| {
        if !classes.iter().any(|class| class == name) {
            classes.push(name.to_owned());
        }
    };
    listed.into_iter().filter(|name| !name.is_empty()).for_each(|name| add(name));
    clips.into_iter().flat_map(LabelSource::objects).for_each(|object| add(object.class_name()));
    classes
}
