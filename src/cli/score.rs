//! `track --truth DIR`: how close a run's masks are to the ground truth, as the DAVIS benchmark measures it.
//!
//! Every frame counts whose truth is known, but for those on which the object was prompted: an object's figures are
//! means over its frames, the run's are means over its objects. The truth is read and checked before the model is
//! loaded; the masks are read back from the run's folder, so a run that is finished already can be scored too.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::exit::CliError;
use super::prompts::JobPrompts;
use super::run_folder::RunFolder;
use super::tracker::TrackedClip;
use crate::formats::{Truth, npy};
use crate::label::{FrameIdx, FrameSize, ObjectId, Similarity, counted};

/// The figures of a run.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Score {
    /// Means over the objects.
    #[serde(flatten)]
    pub mean: Figures,
    /// Frames on which at least one object was judged.
    pub frames: usize,
    /// Each object's figures.
    pub objects: Vec<ObjectScore>,
}

/// The figures of an object.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ObjectScore {
    /// Its number.
    pub object: ObjectId,
    /// What the prompts call it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Means over its frames.
    #[serde(flatten)]
    pub mean: Figures,
    /// Frames on which it was judged.
    pub frames: usize,
}

/// J&F and what it is the mean of, 0 to 1.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Figures {
    /// Mean of both.
    pub j_and_f: f64,
    /// Region: intersection over union.
    pub j: f64,
    /// Boundary: harmonic mean of precision and recall.
    pub f: f64,
}

impl Figures {
    /// Means; `None` of nothing.
    fn mean(all: impl ExactSizeIterator<Item = (f64, f64)>) -> Option<Self> {
        let count = all.len() as f64;
        let (j, f) = all.fold((0.0, 0.0), |(j, f), (more_j, more_f)| (j + more_j, f + more_f));
        (count > 0.0).then(|| Figures { j_and_f: f64::midpoint(j, f) / count, j: j / count, f: f / count })
    }
}

impl fmt::Display for Figures {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "J&F {:.2} (J {:.2}, F {:.2})", self.j_and_f, self.j, self.f)
    }
}

impl fmt::Display for Score {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (frames, objects) = (counted(self.frames, "frame"), counted(self.objects.len(), "object"));
        write!(out, "{} over {frames}, {objects}", self.mean)?;
        for ObjectScore { object, name, mean, frames } in &self.objects {
            let name = name.as_ref().map_or_else(String::new, |name| format!(" {name}"));
            write!(out, "\nobject {object}{name}: {mean} over {}", counted(*frames, "frame"))?;
        }
        Ok(())
    }
}

/// The truth of a run's clip, and what is to be judged of it.
pub struct RunTruth {
    folder: PathBuf,
    truth: Truth,
    size: FrameSize,
    /// The run's objects with their names and the frames they are prompted on.
    objects: BTreeMap<ObjectId, (Option<String>, BTreeSet<FrameIdx>)>,
}

impl RunTruth {
    /// Reads the truth and checks that it is about this clip and these objects.
    ///
    /// # Errors
    /// When the truth cannot be read, is of another clip, or does not know one of the objects.
    pub fn open(folder: &Path, clip: &TrackedClip, prompts: &JobPrompts) -> Result<Self, CliError> {
        let truth = Truth::read(folder, clip.size, clip.frame_count)?;
        let known = truth.objects();
        if let Some(unknown) = prompts.objects.keys().find(|id| !known.contains(id)) {
            let known: Vec<String> = known.iter().map(ObjectId::to_string).collect();
            return Err(CliError::usage(format!(
                "{}: object {unknown} is on none of its frames, which have the objects {}; number the objects alike",
                folder.display(),
                known.join(", ")
            )));
        }
        let objects = prompts.objects.iter();
        let objects = objects.map(|(id, said)| (*id, (said.name.clone(), said.frames.keys().copied().collect())));
        Ok(RunTruth { folder: folder.to_owned(), truth, size: clip.size, objects: objects.collect() })
    }

    /// Judges the masks of a finished run. The second value are notices: what could not be judged.
    ///
    /// # Errors
    /// When a mask cannot be read, or no mask is on a frame whose truth is known.
    pub fn score(&self, run: &RunFolder) -> Result<(Score, Vec<String>), CliError> {
        let mut judged: BTreeMap<ObjectId, Vec<Similarity>> = BTreeMap::new();
        let (mut frames, mut without_truth) = (BTreeSet::new(), BTreeSet::new());
        for &(frame, object) in run.done() {
            let is_prompted = self.objects.get(&object).is_none_or(|(_, prompted)| prompted.contains(&frame));
            if is_prompted {
                continue;
            }
            let mask = npy::read_mask(&run.path().join(run.mask_name(frame, object)), self.size)?;
            match self.truth.compare(frame, object, &mask) {
                Some(similarity) => {
                    judged.entry(object).or_default().push(similarity);
                    frames.insert(frame);
                }
                None => {
                    without_truth.insert(frame);
                }
            }
        }
        let objects: Vec<ObjectScore> = judged.iter().filter_map(|(id, all)| self.of_object(*id, all)).collect();
        let Some(mean) = Figures::mean(objects.iter().map(|object| (object.mean.j, object.mean.f))) else {
            let shown = self.folder.display();
            return Err(CliError::usage(format!(
                "{shown}: it has no frame of this run apart from the prompted ones, so there is no score; \
                 the masks are in {}",
                run.path().display()
            )));
        };
        Ok((Score { mean, frames: frames.len(), objects }, self.notices(&judged, without_truth.len())))
    }

    fn of_object(&self, object: ObjectId, all: &[Similarity]) -> Option<ObjectScore> {
        let mean = Figures::mean(all.iter().map(|one| (one.region, one.boundary)))?;
        Some(ObjectScore { object, name: self.objects.get(&object)?.0.clone(), mean, frames: all.len() })
    }

    fn notices(&self, judged: &BTreeMap<ObjectId, Vec<Similarity>>, without_truth: usize) -> Vec<String> {
        let shown = self.folder.display();
        let list = |ids: Vec<ObjectId>| ids.iter().map(ObjectId::to_string).collect::<Vec<_>>().join(", ");
        let unjudged = list(self.objects.keys().filter(|id| !judged.contains_key(id)).copied().collect());
        let untracked = list(self.truth.objects().into_iter().filter(|id| !self.objects.contains_key(id)).collect());
        let mut notices = Vec::new();
        if without_truth > 0 {
            notices
                .push(format!("{shown}: not scored, as their truth is not there: {}", counted(without_truth, "frame")));
        }
        if !unjudged.is_empty() {
            notices.push(format!("{shown}: not scored, as no frame of theirs has a truth: objects {unjudged}"));
        }
        if !untracked.is_empty() {
            notices.push(format!("{shown}: not scored, as this run does not track them: objects {untracked}"));
        }
        notices
    }
}
