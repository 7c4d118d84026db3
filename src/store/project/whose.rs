//! Whether a project's labels belong to the clip that is open.

use std::path::Path;

use super::notice::{OnOtherClip, OpenNotice};
use super::{ClipRecord, Snapshot};
use crate::label::{FrameIdx, chosen_stream};
use crate::store::StoreError;

/// Whether the labels fit the clip that was given; says whether the clip's record is to be written anew.
pub fn check_clip(
    path: &Path,
    snapshot: &Snapshot,
    given: &ClipRecord,
    on_other_clip: OnOtherClip,
    notices: &mut Vec<OpenNotice>,
) -> Result<bool, StoreError> {
    let recorded = &snapshot.clip;
    let misfit = |reason: String| StoreError::Misfit { path: path.to_owned(), reason };
    let has_other_content = recorded.identity != given.identity;
    let last_frame = last_frame(snapshot);
    let is_other = has_other_content || last_frame.is_some_and(|last| are_frames_elsewhere(recorded, given, last));
    // Labels are found by their frame's number, so not even with consent would they come to lie on their own pictures.
    if has_other_content && recorded.frame_count != given.frame_count && given.path.is_dir() {
        return Err(StoreError::OtherPictures {
            path: path.to_owned(),
            recorded: recorded.path.clone(),
            recorded_count: recorded.frame_count,
            given: given.path.clone(),
            given_count: given.frame_count,
        });
    }
    if is_other && on_other_clip == OnOtherClip::Refuse {
        if !has_other_content {
            return Err(StoreError::OtherFrames { path: path.to_owned() });
        }
        let which = match (chosen_stream(&recorded.identity), chosen_stream(&given.identity)) {
            (Some(stream), _) => format!(", stream {stream}"),
            (None, Some(_)) => ", the stream it shows by itself".to_owned(),
            (None, None) => String::new(),
        };
        let (recorded, given) = (recorded.path.clone(), given.path.clone());
        return Err(StoreError::OtherClip { path: path.to_owned(), recorded, which, given });
    }
    if recorded.size != given.size {
        return Err(misfit(format!("its frames are {}, the labels are for {}", given.size, recorded.size)));
    }
    if is_other && recorded.frame_count != given.frame_count {
        let (has, wants) = (given.frame_count, recorded.frame_count);
        return Err(misfit(format!("it has {has} frames, the labels are for {wants}")));
    }
    // The same content may be indexed differently by another version of the program.
    if let Some(frame) = last_frame.filter(|frame| frame.0 >= given.frame_count) {
        return Err(misfit(format!("it has {} frames, there are labels on frame {frame}", given.frame_count)));
    }
    if is_other {
        notices.push(OpenNotice::Relinked { from: recorded.path.clone() });
    }
    Ok(recorded != given)
}

/// Whether the frames up to `last` are shown at other times than when they were labelled, as far as both times are known:
/// a label would then lie on another picture.
fn are_frames_elsewhere(recorded: &ClipRecord, given: &ClipRecord, last: FrameIdx) -> bool {
    let mut times = recorded.pts.iter().zip(&given.pts).take(last.as_usize() + 1);
    recorded.time_base != given.time_base || times.any(|(then, now)| then != now)
}

/// The last frame that anything is said about.
fn last_frame(snapshot: &Snapshot) -> Option<FrameIdx> {
    let prompts = snapshot.prompts.iter().map(|(_, frame, _)| *frame);
    let marks = snapshot.marks.iter().map(|(_, frame, _)| *frame);
    prompts.chain(marks).chain(snapshot.in_out.map(|(_, last)| last)).max()
}
