//! Reads a dataset as labels for one clip: item by item, so that what is broken costs only itself.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, HashMap};
use std::ops::ControlFlow;
use std::path::Path;

use super::dataset::{ClipFacts, NO_CLASS};
use super::file_names::safe_name;
use super::frame_finder::FrameFinder;
use super::manifest::{Manifest, ManifestClip, ManifestObject};
use super::numbering::Numbering;
use super::reading::{FrameRef, ObjectKey, ObjectRef, Place, Sink};
use super::{FormatError, FormatId, registry};
use crate::label::{FrameIdx, FrameSize, Mask};
use crate::video::ClipIdentity;

/// Faults told one by one; the rest is counted.
const MAX_TOLD: usize = 1000;
/// Runs of all masks together: 2 GiB. A dataset of a thousand 4K frames with twenty objects has a tenth of it.
const MAX_RUNS: usize = 1 << 29;
/// Steps without a mask between two looks whether to stop.
const STEPS_PER_LOOK: u32 = 64;

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
    /// What was understood in one of several ways, and how.
    pub notices: Vec<String>,
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
    let mut sink = CollectSink::new(format, path, target, progress)?;
    read(path, &mut sink)?;
    sink.check_numbers()?;
    Ok(sink.finish())
}

/// Gathers the masks of one clip.
struct CollectSink<'a> {
    format: FormatId,
    path: &'a Path,
    target: &'a ImportTarget,
    manifest: Option<Manifest>,
    /// Position of the target in the manifest; there is one where there is a manifest.
    manifest_clip: Option<usize>,
    frames: FrameFinder,
    objects: Vec<(ObjectKey, ImportedObjectBuilder)>,
    by_key: HashMap<(ObjectKey, Option<String>), usize>,
    /// Objects without a name so far, by frame and class.
    ordinals: HashMap<(FrameIdx, Option<String>), u32>,
    runs: usize,
    masks: u64,
    errors: Vec<ItemError>,
    error_count: u64,
    notices: Vec<String>,
    /// How another program counted the frames.
    numbering: Numbering,
    progress: &'a mut dyn FnMut(u64) -> ControlFlow<()>,
    /// Steps since `progress` was called last.
    steps: u32,
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
    ) -> Result<Self, FormatError> {
        let found = Manifest::near(path).filter(|(manifest, _)| manifest.format == format.name());
        let (manifest, manifest_clip) = match found {
            Some((manifest, folder)) => match clip_in(&manifest, path.strip_prefix(&folder).unwrap_or(path), target) {
                Some(clip) => (Some(manifest), Some(clip)),
                None => {
                    let names: Vec<String> = manifest.clips.iter().map(|clip| clip.name.clone()).collect();
                    return Err(no_such_clip(path, format, &names, target));
                }
            },
            None => (None, None),
        };
        let mut notices = Vec::new();
        let frames = match manifest.as_ref().zip(manifest_clip) {
            Some((manifest, clip)) => {
                let clip = &manifest.clips[clip];
                listed_frames(clip, format, target, &mut notices).map_err(|cause| FormatError::Dataset {
                    path: path.to_owned(),
                    format,
                    cause,
                })?
            }
            None => FrameFinder::of_clip(&target.frame_names, target.frame_count),
        };
        Ok(CollectSink {
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
            notices,
            numbering: Numbering::default(),
            progress,
            steps: 0,
        })
    }

    fn look(&mut self) -> Result<(), FormatError> {
        self.steps = 0;
        if (self.progress)(self.masks).is_break() { Err(FormatError::Cancelled) } else { Ok(()) }
    }

    /// Refuses frames that were counted from 1, and says so where it cannot be told.
    fn check_numbers(&mut self) -> Result<(), FormatError> {
        let told = self.numbering.finish(self.target.frame_count, self.format.may_count_from_one());
        told.map_err(|cause| self.unusable(cause))?.into_iter().for_each(|notice| self.notice(notice));
        Ok(())
    }

    fn unusable(&self, cause: String) -> FormatError {
        FormatError::Dataset { path: self.path.to_owned(), format: self.format, cause }
    }

    fn finish(self) -> Imported {
        let mut objects = self.objects;
        objects.sort_by_key(|(key, _)| match key {
            ObjectKey::Number(number) | ObjectKey::Track(number) | ObjectKey::TrackOfClass(number) => *number,
            ObjectKey::Instance { class, number } => u64::from(*class) * 1000 + u64::from(*number),
            ObjectKey::Id(id) => u64::from(*id),
            ObjectKey::Name(_) | ObjectKey::Ordinal(_) => 0,
        });
        let objects = objects.into_iter().map(|(_, object)| ImportedObject {
            name: object.name,
            class: object.class,
            frames: object.frames.into_iter().collect(),
        });
        Imported {
            format: self.format,
            objects: objects.collect(),
            errors: self.errors,
            error_count: self.error_count,
            notices: self.notices,
        }
    }

    /// What our own export says about an object.
    fn known_object(&self, key: &ObjectKey) -> Option<&ManifestObject> {
        let clip = &self.manifest.as_ref()?.clips[self.manifest_clip?];
        clip.objects.iter().find(|object| match key {
            ObjectKey::Number(number) => u64::from(object.number) == *number,
            ObjectKey::Track(track) | ObjectKey::TrackOfClass(track) => u64::from(object.track) == *track,
            ObjectKey::Instance { number, .. } => object.number == *number,
            ObjectKey::Id(id) => object.id == *id,
            ObjectKey::Name(name) => object.name_in_files == *name,
            ObjectKey::Ordinal(_) => false,
        })
    }

    fn object_position(&mut self, place: Place, object: &ObjectRef) -> usize {
        let known = self.known_object(&object.key);
        // The class may have been changed since.
        let class = object.class.clone().or_else(|| known.map(|known| known.class.clone()));
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
        // A number says which object it is, unless every class has its own; a mere place in the row only among its class.
        let is_of_class = matches!(key, ObjectKey::Ordinal(_) | ObjectKey::TrackOfClass(_));
        let class_of_key = if is_of_class { class.clone() } else { None };
        *self.by_key.entry((key.clone(), class_of_key)).or_insert_with(|| {
            let made_up = || {
                let what = class.as_deref().unwrap_or(NO_CLASS);
                match &key {
                    ObjectKey::Number(number) | ObjectKey::Track(number) | ObjectKey::TrackOfClass(number) => {
                        format!("{what} {number}")
                    }
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

/// The target's position in a manifest. `below` is what was chosen, seen from the manifest's folder.
fn clip_in(manifest: &Manifest, below: &Path, target: &ImportTarget) -> Option<usize> {
    let position = |is_it: &dyn Fn(&ManifestClip) -> bool| manifest.clips.iter().position(is_it);
    let identity = target.identity.as_ref().map(ClipIdentity::as_str);
    // Whoever chooses the folder of one clip, or its file, means that one.
    let is_named = |clip: &ManifestClip| {
        below.iter().any(|part| Path::new(part) == Path::new(&clip.name_in_files))
            || below.file_stem().is_some_and(|stem| *stem == *clip.name_in_files)
    };
    let by_identity = position(&|clip| identity == Some(clip.identity.as_str()));
    let by_name = || position(&|clip| clip.name == target.name);
    by_identity.or_else(by_name).or((manifest.clips.len() == 1).then_some(0)).or_else(|| position(&is_named))
}

/// Where the frames of our own export are in the target.
///
/// # Errors
/// Says why that cannot be known.
fn listed_frames(
    clip: &ManifestClip,
    format: FormatId,
    target: &ImportTarget,
    notices: &mut Vec<String>,
) -> Result<FrameFinder, String> {
    let is_same = target.identity.as_ref().is_some_and(|identity| identity.as_str() == clip.identity);
    if is_same {
        return Ok(FrameFinder::listed(clip, format.numbers_frames(), target.frame_count));
    }
    if !target.frame_names.is_empty()
        && let Some(moved) = FrameFinder::moved(clip, format.numbers_frames(), &target.frame_names)
    {
        return Ok(moved);
    }
    if clip.frame_count != target.frame_count {
        return Err(format!(
            "it was exported from another clip, {}, which has {} frames, this one {}; open that clip to import it",
            shortened(&clip.name),
            clip.frame_count,
            target.frame_count
        ));
    }
    notices.push(format!(
        "it was exported from another clip, {}, of as many frames; masks were put on the frames of the same number",
        shortened(&clip.name)
    ));
    Ok(FrameFinder::listed(clip, format.numbers_frames(), target.frame_count))
}

fn no_such_clip(path: &Path, format: FormatId, found: &[String], target: &ImportTarget) -> FormatError {
    const MAX_NAMED: usize = 10;
    let named = found.iter().filter(|name| !name.is_empty()).take(MAX_NAMED).map(|name| shortened(name));
    let named: Vec<String> = named.collect();
    let cause = format!(
        "it holds the clips {}{}, none is called {:?}; choose the folder of one of them, or leave only one in it",
        named.join(", "),
        if found.len() > MAX_NAMED { " …" } else { "" },
        target.name
    );
    FormatError::Dataset { path: path.to_owned(), format, cause }
}

impl Sink for CollectSink<'_> {
    fn choose_sequences(&mut self, found: &[String]) -> Result<Vec<usize>, FormatError> {
        let all_called = |is_it: &dyn Fn(&str) -> bool| -> Vec<usize> {
            found.iter().enumerate().filter(|(_, name)| is_it(name)).map(|(position, _)| position).collect()
        };
        if let Some((manifest, clip)) = self.manifest.as_ref().zip(self.manifest_clip) {
            // The folder of an export of one clip may have been given any name; among several the name counts.
            let is_alone = manifest.clips.len() == 1 && found.len() == 1;
            let name = &manifest.clips[clip].name_in_files;
            return Ok(all_called(&|found| is_alone || found == name));
        }
        let wanted = [safe_name(&self.target.name, "clip"), self.target.name.clone()];
        let is_named = |found: &str| wanted.iter().any(|name| found == name);
        let mut named = all_called(&is_named);
        if named.is_empty() {
            named = all_called(&|found| found.split('/').any(is_named));
        }
        // What has no name says nothing of its clip.
        let others = (0..found.len())
            .filter(|position| !found[*position].is_empty() && named.binary_search(position).is_err())
            .count();
        match (named.is_empty(), others) {
            (_, 0) | (true, 1) => Ok((0..found.len()).collect()),
            (false, _) => Ok(named),
            (true, _) => Err(no_such_clip(self.path, self.format, found, self.target)),
        }
    }

    fn knows_frame_names(&self) -> bool {
        self.frames.is_listed()
    }

    fn clip_of_file(&self, file: &str) -> String {
        self.frames.clip_of_file(file)
    }

    fn locate(&mut self, frame: &FrameRef<'_>) -> Result<Option<Place>, FormatError> {
        self.keep_going()?;
        if let Some((used, in_name)) = self.frames.foreign_numbers(frame.id) {
            self.numbering.note(&frame.shown(), used, in_name).map_err(|cause| self.unusable(cause))?;
        }
        match self.frames.find(frame.id) {
            Ok(idx) => Ok(Some(Place { clip: 0, frame: idx, size: self.target.size })),
            Err(cause) => {
                let has_others = self.manifest.as_ref().is_some_and(|manifest| manifest.clips.len() > 1);
                if !(has_others && self.frames.is_unlisted(frame.id)) {
                    self.fault(&frame.shown(), cause);
                }
                Ok(None)
            }
        }
    }

    fn mask(&mut self, place: Place, object: &ObjectRef, mask: Mask) -> Result<(), FormatError> {
        self.masks += 1;
        self.look()?;
        self.runs += mask.runs().len();
        if self.runs > MAX_RUNS {
            return Err(
                self.unusable(format!("its masks have more than {MAX_RUNS} runs; import fewer frames at a time"))
            );
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

    fn notice(&mut self, notice: String) {
        if self.notices.len() < MAX_TOLD {
            self.notices.push(shortened(&notice));
        }
    }

    fn keep_going(&mut self) -> Result<(), FormatError> {
        self.steps += 1;
        if self.steps < STEPS_PER_LOOK { Ok(()) } else { self.look() }
    }
}

/// A foreign text may be of any length.
pub(super) fn shortened(text: &str) -> String {
    const MAX_CHARS: usize = 300;
    match text.char_indices().nth(MAX_CHARS) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}
