//! Which frame of a clip a dataset means.
//!
//! A wrong frame is worse than none: a mask that lies one frame off looks right in a list and spoils what is learnt from
//! it. So nothing here guesses where a name could mean two frames, and the frames of a folder are found by their names
//! alone.

use std::collections::HashMap;

use super::file_names::{prefix, stem};
use super::files;
use super::manifest::{ManifestClip, ManifestFrame};
use super::reading::FrameId;
use super::side_by_side::{before_number, folder_of, without_separators};
use crate::label::FrameIdx;

const NO_SUCH_FRAME: &str = "the clip has no such frame";
const AMBIGUOUS: &str = "several frames of the clip are called so";
const GONE: &str = "the file it was made for is not in the clip any more";

/// Finds the frames of one clip.
pub(super) struct FrameFinder {
    names: Names,
    frame_count: u32,
}

/// How files are called.
enum Names {
    /// As our own export lists them; `None` is a frame that the clip has no more. Another name belongs to another clip.
    Listed(HashMap<String, Option<FrameIdx>>),
    /// In our own export, by their frame's number.
    Numbers,
    /// The same, of a folder whose files were others then: where those of each number are now.
    Moved(HashMap<u32, FrameIdx>),
    /// As the clip's own files, without endings; `None` where several share a name.
    Folder(HashMap<String, Option<FrameIdx>>),
    /// The clip is a video: names end with a number.
    Video,
}

impl FrameFinder {
    /// For what our own export says of the clip, whose frames are where they were.
    pub fn listed(clip: &ManifestClip, numbers_frames: bool, frame_count: u32) -> Self {
        let listed = || clip.frames.iter().map(|frame| (frame.name.clone(), Some(FrameIdx(frame.index)))).collect();
        let names = if numbers_frames { Names::Numbers } else { Names::Listed(listed()) };
        FrameFinder { names, frame_count }
    }

    /// For what our own export says of a folder whose files are others now: each frame is where its file is. `None`
    /// where the export does not say what the files were called, or is one of a video.
    pub fn moved(clip: &ManifestClip, numbers_frames: bool, file_names: &[String]) -> Option<Self> {
        let has_files = clip.frames.iter().all(|frame| frame.file.is_some());
        if !has_files && (numbers_frames || is_called_as_a_video(clip)) {
            return None;
        }
        let now = by_stem(file_names.iter().map(String::as_str).zip(0..));
        let then = by_stem(clip.frames.iter().filter_map(|frame| Some((frame.file.as_deref()?, frame.index))));
        let place = |frame: &ManifestFrame| match frame.file.as_deref().map(stem) {
            Some(name) => then.get(name).copied().flatten().and_then(|_| *now.get(name)?),
            // Earlier versions say it only by the dataset's own names.
            None => in_folder(&now, &frame.name).ok().map(|(_, idx)| idx),
        };
        let names = if numbers_frames {
            Names::Moved(clip.frames.iter().filter_map(|frame| Some((frame.index, place(frame)?))).collect())
        } else {
            Names::Listed(clip.frames.iter().map(|frame| (frame.name.clone(), place(frame))).collect())
        };
        Some(FrameFinder { names, frame_count: file_names.len() as u32 })
    }

    /// For a dataset from elsewhere, by the names of the clip's files; a video has none.
    pub fn of_clip(file_names: &[String], frame_count: u32) -> Self {
        if file_names.is_empty() {
            return FrameFinder { names: Names::Video, frame_count };
        }
        let names = by_stem(file_names.iter().map(String::as_str).zip(0..));
        FrameFinder { names: Names::Folder(names), frame_count }
    }

    /// Whether the names are those of our own export.
    pub fn is_listed(&self) -> bool {
        matches!(self.names, Names::Listed(_) | Names::Numbers | Names::Moved(_))
    }

    /// Whether our own export lists no such frame of this clip.
    pub fn is_unlisted(&self, id: FrameId<'_>) -> bool {
        match (id, &self.names) {
            (FrameId::File { name, .. }, Names::Listed(names)) => !names.contains_key(name),
            _ => false,
        }
    }

    /// The number that a frame is found by, where another program chose how to count, and the one its name says.
    pub fn foreign_numbers(&self, id: FrameId<'_>) -> Option<(u32, Option<u32>)> {
        match (id, &self.names) {
            (FrameId::Number(number), Names::Folder(_) | Names::Video) => Some((number, None)),
            (FrameId::File { name, index }, Names::Video) => {
                let in_name = number_of(name);
                index.or(in_name).map(|used| (used, in_name))
            }
            _ => None,
        }
    }

    /// The frame.
    ///
    /// # Errors
    /// Says why there is none.
    pub fn find(&self, id: FrameId<'_>) -> Result<FrameIdx, &'static str> {
        let found = match (id, &self.names) {
            (FrameId::Number(number), Names::Moved(places)) => Some(*places.get(&number).ok_or(GONE)?),
            (FrameId::File { name, .. }, Names::Moved(places)) => {
                number_of(name).map(|number| places.get(&number).copied().ok_or(GONE)).transpose()?
            }
            (FrameId::Number(number), _) => Some(FrameIdx(number)),
            (FrameId::File { name, .. }, Names::Listed(names)) => {
                names.get(name).map(|place| place.ok_or(GONE)).transpose()?
            }
            (FrameId::File { name, .. }, Names::Numbers) => number_of(name).map(FrameIdx),
            (FrameId::File { name, .. }, Names::Folder(names)) => Some(in_folder(names, name)?.1),
            (FrameId::File { name, index }, Names::Video) => index.or_else(|| number_of(name)).map(FrameIdx),
        };
        found.filter(|idx| idx.0 < self.frame_count).ok_or(NO_SUCH_FRAME)
    }

    /// The clip a file belongs to by its folder and by what stands before the frame's part of its name.
    pub fn clip_of_file(&self, file: &str) -> String {
        let (folder, name) = (folder_of(file), files::stem_of_text(file));
        let before = match &self.names {
            // What no frame is called is not put anywhere, so it need not be told apart.
            Names::Folder(names) => in_folder(names, name).map_or("", |(before, _)| without_separators(before)),
            Names::Listed(_) | Names::Numbers | Names::Moved(_) | Names::Video => before_number(name),
        };
        let between = if folder.is_empty() || before.is_empty() { "" } else { "/" };
        format!("{folder}{between}{before}")
    }
}

/// Frames by their files' names without endings; `None` where several share one.
fn by_stem<'n>(frames: impl Iterator<Item = (&'n str, u32)>) -> HashMap<String, Option<FrameIdx>> {
    let mut found = HashMap::new();
    for (name, idx) in frames {
        found.entry(stem(name).to_owned()).and_modify(|known| *known = None).or_insert(Some(FrameIdx(idx)));
    }
    found
}

/// Whether an export that says no files names a clip's frames as those of a video: by the clip and their numbers. A file
/// of a folder that ends with such a number need not be that frame.
fn is_called_as_a_video(clip: &ManifestClip) -> bool {
    let before = format!("{}_", prefix(&clip.name_in_files));
    let is_numbered =
        |frame: &ManifestFrame| before_digits(&frame.name) == before && number_of(&frame.name) == Some(frame.index);
    clip.frames.iter().all(is_numbered)
}

/// The number at the end of a name.
fn number_of(name: &str) -> Option<u32> {
    name[before_digits(name).len()..].parse().ok()
}

fn before_digits(name: &str) -> &str {
    name.trim_end_matches(|c: char| c.is_ascii_digit())
}

/// The frame of a folder that is called so, or whose name comes last in `name`, behind `-` or `_`: what programs put
/// before the names of uploads ends so. Also what stands before it.
fn in_folder<'n>(
    names: &HashMap<String, Option<FrameIdx>>,
    name: &'n str,
) -> Result<(&'n str, FrameIdx), &'static str> {
    if let Some(known) = names.get(name) {
        return known.map(|idx| ("", idx)).ok_or(AMBIGUOUS);
    }
    let ends = name.match_indices(['-', '_']).map(|(at, _)| name.split_at(at + 1));
    let mut found = ends.filter_map(|(before, end)| names.get(end).map(|known| (before, *known)));
    match (found.next(), found.next()) {
        (None, _) => Err(NO_SUCH_FRAME),
        (Some((before, Some(idx))), None) => Ok((before, idx)),
        (Some(_), _) => Err(AMBIGUOUS),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn finder(names: &[&str]) -> FrameFinder {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        FrameFinder::of_clip(&names, if names.is_empty() { 10 } else { names.len() as u32 })
    }

    fn file(name: &str) -> FrameId<'_> {
        FrameId::File { name, index: Some(0) }
    }

    #[test]
    fn frames_of_a_folder_are_found_by_name_alone() {
        let finder = finder(&["0100.jpg", "0101.jpg", "a_1.jpg", "1.jpg", "twice.jpg", "twice.png"]);
        let cases = [
            ("0100", Ok(FrameIdx(0))),
            ("ab12cd34-0101", Ok(FrameIdx(1))),
            ("0000", Err(NO_SUCH_FRAME)),
            ("x0100", Err(NO_SUCH_FRAME)),
            ("a_1", Ok(FrameIdx(2))),
            ("x-a_1", Err(AMBIGUOUS)),
            ("twice", Err(AMBIGUOUS)),
            ("x_twice", Err(AMBIGUOUS)),
        ];
        for (name, expected) in cases {
            assert_eq!(finder.find(file(name)), expected, "{name}");
        }
        assert_eq!(finder.find(FrameId::Number(1)), Ok(FrameIdx(1)));
        assert_eq!(finder.find(FrameId::Number(6)), Err(NO_SUCH_FRAME));
    }

    #[test]
    fn frames_of_a_video_are_found_by_number() {
        let finder = finder(&[]);
        let named = |name| finder.find(FrameId::File { name, index: None });
        assert_eq!((named("frame_000007"), named("7")), (Ok(FrameIdx(7)), Ok(FrameIdx(7))));
        assert_eq!((named("frame"), named("frame_10")), (Err(NO_SUCH_FRAME), Err(NO_SUCH_FRAME)));
        assert_eq!(finder.find(FrameId::File { name: "frame_9", index: Some(2) }), Ok(FrameIdx(2)));
    }

    #[test]
    fn files_say_which_clip_they_belong_to() {
        let (video, folder) = (finder(&[]), finder(&["cat.jpg", "00001.jpg"]));
        for (file, of_video, of_folder) in [
            ("a/00001.jpg", "a", "a"),
            ("A_00001.jpg", "A", "A"),
            ("a/B_00001.jpg", "a/B", "a/B"),
            ("images/cat.jpg", "cat", ""),
            ("dog.jpg", "dog", ""),
        ] {
            assert_eq!((video.clip_of_file(file), folder.clip_of_file(file)), (of_video.into(), of_folder.into()));
        }
    }
}
