//! The video predictor: which prompts were given, which frames remember what, and in which order frames are tracked
//! (`sam2_video_predictor.py`).
//!
//! Frames stream in through [`FrameSource`], masks stream out; nothing here grows with the clip but an index entry per
//! tracked frame. [`Mode::Upstream`] repeats the reference, defects included, and is what parity is proved on.
//! [`Mode::App`] is what labellers get; it differs where the reference loses work:
//!
//! * every prompted frame is a conditioning frame and keeps exactly its mask;
//! * a bounded number of conditioning frames takes part in attention, so corrections do not slow tracking down;
//! * an object starts at its own first prompt, not at the first prompt of any object;
//! * only objects that changed are tracked again.

mod answer;
mod features;
mod prompts;
mod propagate;
mod select;
mod spill;
mod track;

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;

use crate::label::{FrameIdx, FrameSize, Mask, ObjectId};

use super::error::Sam2Error;
use super::image::RgbFrame;
use super::masks::{LowResLogits, masks_at_video_size};
use super::model::Sam2;

pub use answer::{Answer, WholePrompt};
pub use prompts::ClickPrompt;
pub use propagate::{Propagation, PropagationRequest};

use answer::CorrectionFeatures;
use features::FeatureCache;
use spill::Spill;
use track::ObjectTrack;

/// Where frames come from.
pub trait FrameSource {
    /// The picture of a frame, at the clip's size.
    ///
    /// # Errors
    /// Says why the frame cannot be had.
    fn frame(&mut self, frame: FrameIdx) -> Result<RgbFrame, String>;

    /// Whether a frame should be tracked; false for damaged ones that the user wants left out.
    ///
    /// # Errors
    /// Says why the frame cannot be had.
    fn is_usable(&mut self, _frame: FrameIdx) -> Result<bool, String> {
        Ok(true)
    }
}

/// Whose habits to follow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// The reference's, defects included.
    Upstream,
    /// The labeller's.
    App,
}

/// How the predictor works.
#[derive(Debug, Clone)]
pub struct PredictorOptions {
    /// Whose habits to follow.
    pub mode: Mode,
    /// Whether a correction on a tracked frame makes it a conditioning frame. Always on in [`Mode::App`].
    pub corrections_condition: bool,
    /// Most conditioning frames that take part in attention; `None` is all of them.
    pub max_conditioning_frames: Option<usize>,
    /// Holes of at most this many low-resolution pixels are filled; 0 fills none.
    pub fill_hole_area: usize,
    /// Whether objects may not overlap in what is returned: the likelier one has the pixel, but a mask that the user
    /// supplied stays whole, and the others give way to it.
    pub non_overlapping: bool,
    /// Memory for features of recent frames, in bytes; at least one frame is kept.
    pub feature_cache_bytes: usize,
    /// Where states of frames go that are not needed at the moment. `None` makes a temporary folder that goes with the
    /// predictor; a given folder is kept, and tracking can resume from it.
    pub spill_folder: Option<PathBuf>,
}

impl PredictorOptions {
    /// The labeller's defaults.
    pub fn app() -> Self {
        PredictorOptions {
            mode: Mode::App,
            corrections_condition: true,
            max_conditioning_frames: Some(4),
            fill_hole_area: 8,
            non_overlapping: false,
            feature_cache_bytes: 512 << 20,
            spill_folder: None,
        }
    }

    /// [`PredictorOptions::app`] for runs that nobody clicks in: frames are not visited twice, so few features are kept.
    pub fn unattended() -> Self {
        PredictorOptions { feature_cache_bytes: 64 << 20, ..Self::app() }
    }

    /// The reference's defaults, as it runs on a CPU (where it fills no holes).
    pub fn upstream() -> Self {
        PredictorOptions {
            mode: Mode::Upstream,
            corrections_condition: false,
            max_conditioning_frames: None,
            fill_hole_area: 0,
            non_overlapping: false,
            // The reference keeps the features of one frame.
            feature_cache_bytes: 0,
            spill_folder: None,
        }
    }
}

/// One object's mask on one frame.
#[derive(Debug, Clone)]
pub struct ObjectMask {
    /// The object.
    pub object: ObjectId,
    /// Whether the frame was prompted for this object, rather than tracked.
    pub is_prompted: bool,
    /// Above 0 when the object is in the frame.
    pub object_score: f32,
    /// The model's own guess of the mask's IoU.
    pub predicted_iou: f32,
    /// How little the mask changes when its threshold moves (IoU of the masks at logits +1 and -1).
    pub stability: f32,
    /// The mask's logits.
    pub logits: LowResLogits,
    /// A mask the user supplied, which is returned as it is.
    pub supplied: Option<Arc<Mask>>,
    /// The object's pointer, for parity tests.
    pub pointer: Vec<f32>,
}

/// What is known of a frame's objects.
#[derive(Debug, Clone)]
pub struct FrameMasks {
    /// The frame.
    pub frame: FrameIdx,
    /// Its objects, in the order they were added.
    pub objects: Vec<ObjectMask>,
    /// Objects that a run left out because the frame is damaged.
    pub skipped: Vec<ObjectId>,
}

/// Tracks objects through one clip.
pub struct Predictor {
    model: Arc<Sam2>,
    options: PredictorOptions,
    frame_count: u32,
    size: FrameSize,
    objects: Vec<ObjectTrack>,
    features: FeatureCache,
    /// Features of the tracked frame that is being corrected: every click and every look at a click wants them.
    correction: Option<CorrectionFeatures>,
    spill: Spill,
}

impl Predictor {
    /// Starts with a clip of `frame_count` frames of `size` and no objects.
    ///
    /// # Errors
    /// When the spill folder cannot be made.
    pub fn new(
        model: Arc<Sam2>,
        frame_count: u32,
        size: FrameSize,
        options: PredictorOptions,
    ) -> Result<Self, Sam2Error> {
        let spill = Spill::new(options.spill_folder.clone())?;
        let features = FeatureCache::new(options.feature_cache_bytes);
        Ok(Predictor { model, options, frame_count, size, objects: Vec::new(), features, correction: None, spill })
    }

    /// The model.
    pub fn model(&self) -> &Arc<Sam2> {
        &self.model
    }

    /// Size of the clip's frames.
    pub fn size(&self) -> FrameSize {
        self.size
    }

    /// The objects, in the order they were added.
    pub fn objects(&self) -> impl Iterator<Item = ObjectId> + '_ {
        self.objects.iter().map(|track| track.id)
    }

    /// Encodes a frame ahead of a click, so that the click answers at once.
    ///
    /// # Errors
    /// When the frame cannot be read or the device fails.
    pub fn warm(&mut self, frames: &mut dyn FrameSource, frame: FrameIdx) -> Result<(), Sam2Error> {
        self.features.get(&self.model, frames, frame).map(drop)
    }

    /// Whether a frame is encoded: a click on it needs the decoder only.
    pub fn is_warm(&self, frame: FrameIdx) -> bool {
        self.features.holds(frame)
    }

    /// How many frames can be encoded at once before the first of them is let go; `None` before the first is encoded.
    pub fn warm_capacity(&self) -> Option<usize> {
        self.features.capacity()
    }

    /// Frames that carry a prompt of this object.
    pub fn prompted_frames(&self, object: ObjectId) -> BTreeSet<FrameIdx> {
        let track = self.objects.iter().find(|track| track.id == object);
        track.map_or_else(BTreeSet::new, |track| track.prompted().map(FrameIdx).collect())
    }

    /// What is known of an object on a frame, without running the model.
    ///
    /// # Errors
    /// When a spilled state cannot be read back.
    pub fn mask_of(&self, object: ObjectId, frame: FrameIdx) -> Result<Option<ObjectMask>, Sam2Error> {
        let Some(track) = self.objects.iter().find(|track| track.id == object) else { return Ok(None) };
        let state = track.latest(frame.0, &self.spill, self.model.device())?;
        state.map(|state| state.object_mask(object, track.is_prompted(frame.0))).transpose()
    }

    /// What is known of a frame, without running the model: prompted or tracked masks of every object that has one.
    ///
    /// # Errors
    /// When a spilled state cannot be read back.
    pub fn masks(&self, frame: FrameIdx) -> Result<FrameMasks, Sam2Error> {
        let mut objects = Vec::new();
        for track in &self.objects {
            if let Some(state) = track.latest(frame.0, &self.spill, self.model.device())? {
                objects.push(state.object_mask(track.id, track.is_prompted(frame.0))?);
            }
        }
        Ok(FrameMasks { frame, objects, skipped: Vec::new() })
    }

    /// The masks at the clip's size, in the order of `masks.objects`; supplied ones as they were supplied. With
    /// `non_overlapping`, a pixel of a supplied mask belongs to no other object (two supplied ones may share it: both are
    /// what the user wants), and any other goes to the object with the highest logit of those in `masks`: ask for
    /// [`Predictor::masks`] where a run returned only some of a frame's objects.
    pub fn video_masks(&self, masks: &FrameMasks) -> Vec<Mask> {
        let is_app = self.options.mode == Mode::App;
        let supplied = |o: &ObjectMask| o.supplied.clone().filter(|_| is_app);
        let others = masks.objects.iter().filter(|o| supplied(o).is_none());
        let logits: Vec<&LowResLogits> = others.map(|o| &o.logits).collect();
        let all_supplied: Vec<Arc<Mask>> = masks.objects.iter().filter_map(supplied).collect();
        let mut made = masks_at_video_size(&logits, self.size, self.options.non_overlapping).into_iter();
        let mask_of = |o: &ObjectMask| {
            if let Some(mask) = supplied(o) {
                return Mask::clone(&mask);
            }
            let mask = made.next().expect("one for each object without a supplied mask");
            if !self.options.non_overlapping {
                return mask;
            }
            all_supplied.iter().fold(mask, |left, whole| left.without(whole))
        };
        masks.objects.iter().map(mask_of).collect()
    }

    /// Forgets a prompt: the frame is no longer a conditioning frame of this object.
    pub fn clear_prompts(&mut self, frame: FrameIdx, object: ObjectId) {
        self.correction = None;
        if let Some(track) = self.objects.iter_mut().find(|track| track.id == object) {
            track.clear(frame.0, self.options.mode, &self.spill);
        }
    }

    /// Forgets an object with everything it remembers.
    pub fn remove_object(&mut self, object: ObjectId) {
        self.correction = None;
        if let Some(index) = self.objects.iter().position(|track| track.id == object) {
            self.objects.remove(index).forget(&self.spill);
        }
    }

    /// Forgets everything.
    pub fn reset(&mut self) {
        let objects: BTreeSet<ObjectId> = self.objects().collect();
        for object in objects {
            self.remove_object(object);
        }
    }

    /// The track of an object, made if it is new.
    fn track_mut(&mut self, object: ObjectId) -> &mut ObjectTrack {
        let index = self.objects.iter().position(|track| track.id == object).unwrap_or_else(|| {
            self.objects.push(ObjectTrack::new(object));
            self.objects.len() - 1
        });
        &mut self.objects[index]
    }
}
