//! Reads a dataset as labels for one clip: item by item, so that what is broken costs only itself.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, HashMap};
use std::ops::ControlFlow;
use std::path::Path;

use super::dataset::{ClipFacts, NO_CLASS};
use super::file_names::safe_name;
use super::manifest::{Manifest, ManifestClip, ManifestObject};
use super::reading::{FrameRef, ObjectKey, ObjectRef, Place, Sink};
use super::{FormatError, FormatId, registry};
use crate::label::{FrameIdx, FrameSize, Mask};
use crate::video::ClipIdentity;

/// Faults told one by one; the rest is counted.
const MAX_TOLD: usize = 1000;
/// Runs of all masks together: 2 GiB. A dataset of a thousand 4K frames with twenty objects has a tenth of it.
const MAX_RUNS: usize = 1 << 29;

/// The clip that labels are read for.
#[derive(Debug, Clone, PartialEq)]
pub struct ImportTarget {
    /// Its name, to find it in a dataset of several clips.
    pub name: String,
    /// Which clip it is; finds it in our own exports under any name.
    pub identity: Option<ClipIdentity>,
    /// The size masks must have.
    pub size: FrameSize,
    /// Number of frames.
    pub frame_count: u32,
    /// File names of the frames; empty for a video.
    pub frame_names: Vec<String>,
}

impl ImportTarget {
    /// The target for a clip.
    pub fn of(facts: &ClipFacts) -> Self {
        ImportTarget {
            name: facts.name.clone(),
            identity: Some(facts.identity.clone()),
            size: facts.size,
            frame_count: facts.frames.len() as u32,
            frame_names: facts.frames.iter().filter_map(|frame| frame.file_name.clone()).collect(),
        }
    }
}

/// Labels read from a dataset.
#[derive(Debug, Clone, PartialEq)]
pub struct Imported {
    /// The format that was read.
    pub format: FormatId,
    /// The objects, by number where they have one.
    pub objects: Vec<ImportedObject>,
    /// The first 1000 items that could not be read.
    pub errors: Vec<ItemError>,
    /// How many items could not be read.
    pub error_count: u64,
}

/// One object read from a dataset.
#[derive(Debug, Clone, PartialEq)]
pub struct ImportedObject {
    /// What it is called; made up where the dataset does not say.
    pub name: String,
    /// Its class, where the dataset says it.
    pub class: Option<String>,
    /// Its masks by ascending frame, of the target's size. An empty mask says that the object is not in the frame.
    pub frames: Vec<(FrameIdx, Mask)>,
}

/// One item of a dataset that could not be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ItemError {
    /// Which one: file and what is in it.
    pub item: String,
    /// What is wrong with it.
    pub cause: String,
}

/// Reads the dataset at `path`, a folder or one of its files, as labels of `target`. `format: None` lets
/// [`detect`](super::detect) decide. `progress` is called with the number of masks read; breaking stops the import.
///
/// # Errors
/// When the format is unknown or has no reader, the dataset as a whole cannot be read, or the user stops it. Items that
/// cannot be read are listed in the result instead.
pub fn import(
    format: Option<FormatId>,
    path: &Path,
    target: &ImportTarget,
    progress: &mut dyn FnMut(u64) -> ControlFlow<()>,
) -> Result<Imported, FormatError> {
    let detected = || super::detect(path).ok_or_else(|| FormatError::Unrecognised { path: path.to_owned() });
    let format = format.map_or_else(detected, Ok)?;
    let read = registry::importer(format).ok_or(FormatError::NoImport { format })?;
    let mut sink = CollectSink::new(format, path, target, progress);
    read(path, &mut sink)?;
    Ok(sink.finish())
}

/// Gathers the masks of one clip.
struct CollectSink<'a> {
    format: FormatId,
    path: &'a Path,
    target: &'a ImportTarget,
    manifest: Option<Manifest>,
    /// Position of the target in the manifest.
    manifest_clip: Option<usize>,
    /// Frames by the name the manifest, or else the clip, gives them.
    frames: HashMap<String, FrameIdx>,
    objects: Vec<(ObjectKey, ImportedObjectBuilder)>,
    by_key: HashMap<(ObjectKey, Option<String>), usize>,
    /// Objects without a name so far, by frame and class.
    ordinals: HashMap<(FrameIdx, Option<String>), u32>,
    runs: usize,
    masks: u64,
    errors: Vec<ItemError>,
    error_count: u64,
    progress: &'a mut dyn FnMut(u64) -> ControlFlow<()>,
}

struct ImportedObjectBuilder {
    name: String,
    class: Option<String>,
    frames: BTreeMap<FrameIdx, Mask>,
}

impl<'a> CollectSink<'a> {
    fn new(
        format: FormatId,
        path: &'a Path,
        target: &'a ImportTarget,
        progress: &'a mut dyn FnMut(u64) -> ControlFlow<()>,
    ) -> Self {
        let manifest = Manifest::near(path).filter(|manifest| manifest.format == format.name());
        let manifest_clip = manifest.as_ref().and_then(|manifest| {
            let has_identity = |clip: &ManifestClip| {
                target.identity.as_ref().is_some_and(|identity| identity.as_hex() == clip.identity)
            };
            let by_identity = manifest.clips.iter().position(has_identity);
            let by_name = || manifest.clips.iter().position(|clip| clip.name == target.name);
            by_identity.or_else(by_name).or((manifest.clips.len() == 1).then_some(0))
        });
        let stem = |name: &str| name.rsplit_once('.').map_or(name, |(stem, _)| stem).to_owned();
        let frames = match manifest.as_ref().zip(manifest_clip) {
            Some((manifest, clip)) => {
                manifest.clips[clip].frames.iter().map(|frame| (frame.name.clone(), FrameIdx(frame.index))).collect()
            }
            None => target.frame_names.iter().map(|name| stem(name)).zip((0..).map(FrameIdx)).collect(),
        };
        CollectSink {
            format,
            path,
            target,
            manifest,
            manifest_clip,
            frames,
            objects: Vec::new(),
            by_key: HashMap::new(),
            ordinals: HashMap::new(),
            runs: 0,
            masks: 0,
            errors: Vec::new(),
            error_count: 0,
            progress,
        }
    }

    fn finish(self) -> Imported {
        let mut objects = self.objects;
        objects.sort_by_key(|(key, _)| match key {
            ObjectKey::Number(number) | ObjectKey::Track(number) => *number,
            ObjectKey::Instance { class, number } => u64::from(*class) * 1000 + u64::from(*number),
            ObjectKey::Id(id) => u64::from(*id),
            ObjectKey::Name(_) | ObjectKey::Ordinal(_) => 0,
        });
        let objects = objects.into_iter().map(|(_, object)| ImportedObject {
            name: object.name,
            class: object.class,
            frames: object.frames.into_iter().collect(),
        });
        Imported { format: self.format, objects: objects.collect(), errors: self.errors, error_count: self.error_count }
    }

    /// What our own export says about an object.
    fn known_object(&self, key: &ObjectKey) -> Option<&ManifestObject> {
        let clip = &self.manifest.as_ref()?.clips[self.manifest_clip?];
        clip.objects.iter().find(|object| match key {
            ObjectKey::Number(number) => u64::from(object.number) == *number,
            ObjectKey::Track(track) => u64::from(object.track) == *track,
            ObjectKey::Instance { number, .. } => object.number == *number,
            ObjectKey::Id(id) => object.id == *id,
            ObjectKey::Name(name) => object.name_in_files == *name,
            ObjectKey::Ordinal(_) => false,
        })
    }

    fn object_position(&mut self, place: Place, object: &ObjectRef) -> usize {
        let known = self.known_object(&object.key);
        let class = known.map(|known| known.class.clone()).or_else(|| object.class.clone());
        let class = class.filter(|class| class != NO_CLASS);
        let known_name = known.map(|known| known.name.clone()).or_else(|| object.name.clone());
        let key = match object.key {
            ObjectKey::Ordinal(_) => {
                let next = self.ordinals.entry((place.frame, class.clone())).or_insert(0);
                *next += 1;
                ObjectKey::Ordinal(*next)
            }
            ref key => key.clone(),
        };
        // A number says which object it is; a mere place in the row only among its class.
        let class_of_key = matches!(key, ObjectKey::Ordinal(_)).then(|| class.clone()).flatten();
        *self.by_key.entry((key.clone(), class_of_key)).or_insert_with(|| {
            let made_up = || {
                let what = class.as_deref().unwrap_or(NO_CLASS);
                match &key {
                    ObjectKey::Number(number) | ObjectKey::Track(number) => format!("{what} {number}"),
                    ObjectKey::Instance { number, .. } => format!("{what} {number}"),
                    ObjectKey::Id(id) => format!("{what} {id}"),
                    ObjectKey::Ordinal(ordinal) => format!("{what} {ordinal}"),
                    ObjectKey::Name(name) => name.clone(),
                }
            };
            let name = known_name.unwrap_or_else(made_up);
            self.objects.push((key.clone(), ImportedObjectBuilder { name, class, frames: BTreeMap::new() }));
            self.objects.len() - 1
        })
    }
}

impl Sink for CollectSink<'_> {
    fn choose_sequences(&mut self, found: &[String]) -> Result<Vec<usize>, FormatError> {
        let known = self.manifest.as_ref().zip(self.manifest_clip);
        let wanted = known.map_or_else(
            || safe_name(&self.target.name, "clip"),
            |(manifest, clip)| manifest.clips[clip].name_in_files.clone(),
        );
        let by_name = found.iter().position(|name| *name == wanted || *name == self.target.name);
        match (by_name, found) {
            (Some(position), _) => Ok(vec![position]),
            (None, [_only]) => Ok(vec![0]),
            (None, []) => Ok(Vec::new()),
            (None, _) => Err(FormatError::Dataset {
                path: self.path.to_owned(),
                format: self.format,
                cause: format!(
                    "it holds the clips {}, none is called {:?}; choose the folder of one of them",
                    found.iter().take(10).map(String::as_str).collect::<Vec<_>>().join(", "),
                    self.target.name
                ),
            }),
        }
    }

    fn locate(&mut self, frame: &FrameRef<'_>) -> Option<Place> {
        let number = || {
            let digits = frame.name.len() - frame.name.trim_end_matches(|c: char| c.is_ascii_digit()).len();
            frame.index.or_else(|| frame.name[frame.name.len() - digits..].parse().ok()).map(FrameIdx)
        };
        let by_name = self.frames.get(frame.name).copied();
        let found = match (self.manifest_clip.is_some(), self.format.numbers_frames()) {
            // Our own export lists every frame of the clip; a name it does not list belongs to another one.
            (true, false) => by_name,
            (true, true) => number(),
            (false, _) => by_name.or_else(number),
        };
        let Some(idx) = found.filter(|idx| idx.0 < self.target.frame_count) else {
            let is_of_another_clip = self.manifest.as_ref().is_some_and(|manifest| manifest.clips.len() > 1);
            if !is_of_another_clip {
                self.fault(frame.name, "the clip has no such frame");
            }
            return None;
        };
        Some(Place { clip: 0, frame: idx, size: self.target.size })
    }

    fn mask(&mut self, place: Place, object: &ObjectRef, mask: Mask) -> Result<(), FormatError> {
        self.masks += 1;
        if (self.progress)(self.masks).is_break() {
            return Err(FormatError::Cancelled);
        }
        self.runs += mask.runs().len();
        if self.runs > MAX_RUNS {
            return Err(FormatError::Dataset {
                path: self.path.to_owned(),
                format: self.format,
                cause: format!("its masks have more than {MAX_RUNS} runs; import fewer frames at a time"),
            });
        }
        let position = self.object_position(place, object);
        let (_, object) = &mut self.objects[position];
        match object.frames.entry(place.frame) {
            Entry::Vacant(free) => {
                free.insert(mask);
            }
            Entry::Occupied(_) => {
                let item = format!("{:?} on frame {}", object.name, place.frame);
                self.fault(&item, "it is there twice; the first one is kept");
            }
        }
        Ok(())
    }

    fn fault(&mut self, item: &str, cause: &str) {
        self.error_count += 1;
        if self.errors.len() < MAX_TOLD {
            self.errors.push(ItemError { item: shortened(item), cause: shortened(cause) });
        }
    }
}

/// A foreign text may be of any length.
fn shortened(text: &str) -> String {
    const MAX_CHARS: usize = 300;
    match text.char_indices().nth(MAX_CHARS) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}
