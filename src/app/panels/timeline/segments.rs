//! An object's frames as stretches of one state. Pure; made anew when the object's marks change.

use std::collections::{BTreeMap, BTreeSet};

use crate::label::{FrameIdx, FrameMark, Provenance};

/// What a frame of an object is like. Of several under one pixel the first in this order is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum LaneState {
    /// Something was said here.
    Prompted,
    /// Prompts have changed since.
    Stale,
    /// Looked at and found right.
    Approved,
    /// Painted or imported.
    Painted,
    /// Carried here by the model.
    Tracked,
    /// Looked for and not there.
    Absent,
}

/// Frames in a row of one state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Segment {
    /// First, included.
    pub first: FrameIdx,
    /// Last, included.
    pub last: FrameIdx,
    /// Their state.
    pub state: LaneState,
}

/// The stretches of an object's frames, in order. Frames in none of them have no mask yet.
pub fn segments(marks: &BTreeMap<FrameIdx, FrameMark>, prompted: &BTreeSet<FrameIdx>, revision: u64) -> Vec<Segment> {
    let mut found: Vec<Segment> = Vec::new();
    let mut add = |frame: FrameIdx, state: LaneState| match found.last_mut() {
        Some(last) if last.state == state && last.last.0 + 1 == frame.0 && state != LaneState::Prompted => {
            last.last = frame;
        }
        _ => found.push(Segment { first: frame, last: frame, state }),
    };
    // Both are ascending; a prompt without a mask is a frame too.
    let mut waiting = prompted.iter().copied().peekable();
    for (&frame, mark) in marks {
        while let Some(prompt) = waiting.next_if(|prompt| *prompt < frame) {
            add(prompt, LaneState::Prompted);
        }
        let is_prompted = waiting.next_if_eq(&frame).is_some();
        add(frame, state(mark, is_prompted, revision));
    }
    for prompt in waiting {
        add(prompt, LaneState::Prompted);
    }
    found
}

fn state(mark: &FrameMark, is_prompted: bool, revision: u64) -> LaneState {
    if is_prompted {
        return LaneState::Prompted;
    }
    if mark.is_approved {
        return LaneState::Approved;
    }
    if mark.is_stale(revision) {
        return LaneState::Stale;
    }
    match mark.provenance {
        _ if mark.area == 0 => LaneState::Absent,
        Provenance::Painted => LaneState::Painted,
        Provenance::Prompted | Provenance::Tracked => LaneState::Tracked,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::label::MaskId;

    fn mark(provenance: Provenance, revision: u64, area: u64, is_approved: bool) -> FrameMark {
        let (object_score, predicted_iou, stability) = (1.0, 1.0, 1.0);
        FrameMark { mask: MaskId(1), provenance, revision, is_approved, area, object_score, predicted_iou, stability }
    }

    #[test]
    fn frames_of_one_state_become_one_stretch() {
        use LaneState::{Absent, Approved, Painted, Prompted, Stale, Tracked};
        let t = |revision, area, approved| mark(Provenance::Tracked, revision, area, approved);
        let marks = BTreeMap::from([
            (FrameIdx(3), mark(Provenance::Prompted, 2, 9, false)),
            (FrameIdx(4), t(2, 9, false)),
            (FrameIdx(5), t(2, 9, false)),
            (FrameIdx(6), t(2, 0, false)),
            (FrameIdx(7), t(1, 9, false)),
            (FrameIdx(8), t(1, 9, true)),
            (FrameIdx(10), mark(Provenance::Painted, 1, 9, false)),
        ]);
        let prompted = BTreeSet::from([FrameIdx(1), FrameIdx(3), FrameIdx(20)]);
        let found: Vec<_> =
            segments(&marks, &prompted, 2).into_iter().map(|s| (s.first.0, s.last.0, s.state)).collect();
        let expected = [
            (1, 1, Prompted),
            (3, 3, Prompted),
            (4, 5, Tracked),
            (6, 6, Absent),
            (7, 7, Stale),
            (8, 8, Approved),
            (10, 10, Painted),
            (20, 20, Prompted),
        ];
        assert_eq!(found, expected);
    }
}
