//! Project files: the bytes of a small one, changed.

use std::path::Path;

use label_hub::label::Change;
use label_hub::store::{LabelStore, OpenNotice, ProjectCopy, ProjectStore, Snapshot};

use super::{Target, written};
use crate::store_support::{self, FRAMES};

/// The sound project among the kept inputs.
pub const SEED: &str = "small.labelhub";

/// The target.
pub fn target() -> Target {
    Target::new("project", false, |folder, input| read(&written(folder, SEED, input)))
}

/// Opens a project as its window does and as an export does, and reads all masks.
pub fn read(path: &Path) -> String {
    let copied = match ProjectCopy::take(path) {
        Ok(copy) => match copy.clip() {
            Ok(clip) => match copy.open(&clip, &store_support::options()) {
                Ok((store, snapshot, _)) => format!("copy {}", masks(&store, &snapshot)),
                Err(error) => format!("copy: {error}"),
            },
            Err(error) => format!("clip: {error}"),
        },
        Err(error) => format!("no copy: {error}"),
    };
    let (mut store, snapshot, notices) = match store_support::open(path) {
        Ok(opened) => opened,
        Err(error) => return format!("{error} {copied}"),
    };
    check_frames(&snapshot);
    let said = masks(&store, &snapshot);
    let notices: Vec<String> = notices.iter().map(kind_of).collect();
    let kept = store.path().to_owned();
    store.close().expect("a writable folder");
    drop(store);
    reads_the_same(&kept, &snapshot);
    format!("{said} {} {copied}", notices.join(" "))
}

/// What the program relies on: all frames are frames of the clip.
fn check_frames(snapshot: &Snapshot) {
    let of_prompts = snapshot.prompts.iter().map(|(_, frame, _)| *frame);
    let of_marks = snapshot.marks.iter().map(|(_, frame, _)| *frame);
    let in_and_out = snapshot.in_out.into_iter().flat_map(|(first, last)| [first, last]);
    for frame in of_prompts.chain(of_marks).chain(in_and_out) {
        assert!(frame.0 < FRAMES, "labels on frame {frame} of {FRAMES}");
    }
}

/// What opened once opens again with the same labels.
fn reads_the_same(path: &Path, before: &Snapshot) {
    if !path.exists() {
        // One without any labels is taken away on closing.
        return;
    }
    let (_, after, _) = store_support::open(path).unwrap_or_else(|error| panic!("opened before, now not: {error}"));
    // As text, because scores may be NaN.
    assert_eq!(format!("{before:?}"), format!("{after:?}"), "the same labels as before");
}

/// How many masks can be read, and why the first of the others cannot.
fn masks(store: &ProjectStore, snapshot: &Snapshot) -> String {
    let steps = snapshot.done.iter().chain(&snapshot.undone).flat_map(|step| &step.edit.changes);
    let in_steps = steps.filter_map(|change| match change {
        Change::Mark { before, after, .. } => Some(before.iter().chain(after)),
        _ => None,
    });
    let ids = snapshot.marks.iter().map(|(_, _, mark)| mark).chain(in_steps.flatten()).map(|mark| mark.mask);
    let (mut sound, mut first_fault) = (0, None);
    for id in ids {
        match store.get(id) {
            Ok(mask) => {
                assert_eq!(mask.size(), snapshot.clip.size, "{id:?}");
                sound += 1;
            }
            Err(error) => first_fault = first_fault.or_else(|| Some(error.to_string())),
        }
    }
    let (objects, prompts, steps) = (snapshot.objects.len(), snapshot.prompts.len(), snapshot.done.len());
    let some = |letter: &str, count: usize| letter.repeat(count.min(8));
    let counts = [some("o", objects), some("p", prompts), some("s", steps), some("m", sound)].join(" ");
    first_fault.map_or(counts.clone(), |fault| format!("{counts} {fault}"))
}

/// A notice without its paths and times.
fn kind_of(notice: &OpenNotice) -> String {
    match notice {
        OpenNotice::Recovered { lost, .. } => format!("recovered without {}", lost.join(", ")),
        OpenNotice::OpenedRecovered { .. } => "opened recovered".to_owned(),
        OpenNotice::ReadOnly { reason, .. } => format!("read only: {reason}"),
        OpenNotice::Migrated { .. } => "migrated".to_owned(),
        other => other.to_string(),
    }
}
