//! An object's frames as stretches. Pure; brought up to date where the object's marks change.

use std::collections::{BTreeMap, BTreeSet};

use crate::app::labels::wants_review;
use crate::label::{FrameIdx, FrameMark, Provenance};

/// What a frame of an object is like. Of several under one pixel the first in this order is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum LaneState {
    /// Something was said here.
    Prompted,
    /// Prompts have changed since.
    Stale,
    /// Painted or imported.
    Painted,
    /// Carried here by the model.
    Tracked,
    /// Looked for and not there.
    Absent,
}

/// Frames in a row that are alike.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Segment<S = LaneState> {
    /// First, included.
    pub first: FrameIdx,
    /// Last, included.
    pub last: FrameIdx,
    /// What they have in common.
    pub state: S,
}

/// Frames in a row for which something holds.
pub type Span = Segment<()>;

/// An object's frames, each list in order.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct LaneFrames {
    /// By state. Frames in none of them have no mask yet.
    pub segments: Vec<Segment>,
    /// Looked at and found right, whatever their state.
    pub approved: Vec<Span>,
    /// Worth a look: where the review stops.
    pub review: Vec<Span>,
    /// Prompts have changed since.
    pub stale: Vec<Span>,
}

impl LaneFrames {
    /// All of an object's frames. `prompted` are those on which something is said, `revision` is the object's.
    pub fn new(marks: &BTreeMap<FrameIdx, FrameMark>, prompted: &BTreeSet<FrameIdx>, revision: u64) -> Self {
        let mut lane = LaneFrames::default();
        lane.refresh(marks, prompted, revision, (FrameIdx(0), FrameIdx(u32::MAX)));
        lane
    }

    /// The same after the marks from `first` to `last` have changed, and nothing else. Costs what lies there, not what the
    /// whole clip holds.
    pub fn refresh(
        &mut self,
        marks: &BTreeMap<FrameIdx, FrameMark>,
        prompted: &BTreeSet<FrameIdx>,
        revision: u64,
        (first, last): (FrameIdx, FrameIdx),
    ) {
        // Whether an object was lost depends on the frame before.
        let last = FrameIdx(last.0.saturating_add(1));
        let fresh = read(marks, prompted, revision, (first, last));
        let range = (first.0, last.0);
        replace(&mut self.segments, range, fresh.segments);
        replace(&mut self.approved, range, fresh.approved);
        replace(&mut self.review, range, fresh.review);
        replace(&mut self.stale, range, fresh.stale);
    }

    /// Frames whose prompts have changed since.
    pub fn stale_count(&self) -> usize {
        self.stale_among((FrameIdx(0), FrameIdx(u32::MAX)), 1)
    }

    /// The same of every `every`-th frame, counted from frame 0, of a range; both ends are included.
    pub fn stale_among(&self, (first, last): (FrameIdx, FrameIdx), every: u32) -> usize {
        let within = self.stale.iter().map(|span| (span.first.max(first).0, span.last.min(last).0));
        let counts = within.filter(|(from, to)| from <= to).map(|(from, to)| {
            // The multiples up to the end, without those before the beginning.
            (to / every + 1).saturating_sub(from.div_ceil(every)) as usize
        });
        counts.sum()
    }

    /// Frames that are worth a look.
    pub fn review_count(&self) -> usize {
        self.review.iter().map(|span| (span.last.0 - span.first.0 + 1) as usize).sum()
    }
}

fn read(
    marks: &BTreeMap<FrameIdx, FrameMark>,
    prompted: &BTreeSet<FrameIdx>,
    revision: u64,
    (first, last): (FrameIdx, FrameIdx),
) -> LaneFrames {
    let mut lane = LaneFrames::default();
    let mut before = first.0.checked_sub(1).and_then(|before| Some((FrameIdx(before), marks.get(&FrameIdx(before))?)));
    // Both are ascending; a prompt without a mask is a frame too.
    let mut waiting = prompted.range(first..=last).copied().peekable();
    for (&frame, mark) in marks.range(first..=last) {
        while let Some(prompt) = waiting.next_if(|prompt| *prompt < frame) {
            push(&mut lane.segments, alone(prompt, LaneState::Prompted));
        }
        let is_prompted = waiting.next_if_eq(&frame).is_some();
        push(&mut lane.segments, alone(frame, state(mark, is_prompted, revision)));
        let just_before = before.filter(|(before, _)| before.0 + 1 == frame.0).map(|(_, mark)| mark);
        for (list, holds) in [
            (&mut lane.approved, mark.is_approved),
            (&mut lane.review, wants_review(mark, just_before, revision)),
            (&mut lane.stale, mark.is_stale(revision)),
        ] {
            if holds {
                push(list, alone(frame, ()));
            }
        }
        before = Some((frame, mark));
    }
    for prompt in waiting {
        push(&mut lane.segments, alone(prompt, LaneState::Prompted));
    }
    lane
}

fn state(mark: &FrameMark, is_prompted: bool, revision: u64) -> LaneState {
    if is_prompted {
        return LaneState::Prompted;
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

fn alone<S>(frame: FrameIdx, state: S) -> Segment<S> {
    Segment { first: frame, last: frame, state }
}

/// What may stand in a stretch.
trait Kind: Copy + PartialEq {
    /// Whether frames in a row become one stretch.
    fn joins(self) -> bool;
}

impl Kind for LaneState {
    fn joins(self) -> bool {
        self != LaneState::Prompted
    }
}

impl Kind for () {
    fn joins(self) -> bool {
        true
    }
}

/// Adds a stretch behind all others.
fn push<S: Kind>(list: &mut Vec<Segment<S>>, next: Segment<S>) {
    match list.last_mut() {
        Some(last) if last.state == next.state && last.last.0 + 1 == next.first.0 && next.state.joins() => {
            last.last = next.last;
        }
        _ => list.push(next),
    }
}

/// Puts `fresh` in the place of what lies from `first` to `last`.
fn replace<S: Kind>(list: &mut Vec<Segment<S>>, (first, last): (u32, u32), fresh: Vec<Segment<S>>) {
    // With a neighbour on each side, which may grow together with what comes between.
    let start = list.partition_point(|segment| segment.last.0 < first).saturating_sub(1);
    let end = (list.partition_point(|segment| segment.first.0 <= last) + 1).min(list.len());
    let mut made = Vec::with_capacity(fresh.len() + 4);
    let around = &list[start..end];
    for segment in around.iter().filter(|segment| segment.first.0 < first) {
        push(&mut made, Segment { last: FrameIdx(segment.last.0.min(first - 1)), ..*segment });
    }
    for segment in fresh {
        push(&mut made, segment);
    }
    for segment in around.iter().filter(|segment| segment.last.0 > last) {
        push(&mut made, Segment { first: FrameIdx(segment.first.0.max(last + 1)), ..*segment });
    }
    list.splice(start..end, made);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::label::MaskId;

    fn mark(provenance: Provenance, revision: u64, area: u64, is_approved: bool) -> FrameMark {
        let (object_score, predicted_iou, stability) = (1.0, 1.0, 1.0);
        FrameMark { mask: MaskId(1), provenance, revision, is_approved, area, object_score, predicted_iou, stability }
    }

    fn spans(list: &[Span]) -> Vec<(u32, u32)> {
        list.iter().map(|span| (span.first.0, span.last.0)).collect()
    }

    #[test]
    fn frames_of_one_state_become_one_stretch() {
        use LaneState::{Absent, Painted, Prompted, Stale, Tracked};
        let t = |revision, area, approved| mark(Provenance::Tracked, revision, area, approved);
        let marks = BTreeMap::from([
            (FrameIdx(3), mark(Provenance::Prompted, 2, 9, true)),
            (FrameIdx(4), t(2, 9, true)),
            (FrameIdx(5), t(2, 9, false)),
            (FrameIdx(6), t(2, 0, false)),
            (FrameIdx(7), t(1, 9, false)),
            (FrameIdx(8), t(1, 9, true)),
            (FrameIdx(9), t(2, 0, true)),
            (FrameIdx(10), mark(Provenance::Painted, 1, 9, false)),
        ]);
        let prompted = BTreeSet::from([FrameIdx(1), FrameIdx(3), FrameIdx(20)]);
        let lane = LaneFrames::new(&marks, &prompted, 2);
        let found: Vec<_> = lane.segments.iter().map(|s| (s.first.0, s.last.0, s.state)).collect();
        let expected = [
            (1, 1, Prompted),
            (3, 3, Prompted),
            (4, 5, Tracked),
            (6, 6, Absent),
            (7, 7, Stale),
            (8, 8, Tracked),
            (9, 9, Absent),
            (10, 10, Painted),
            (20, 20, Prompted),
        ];
        assert_eq!(found, expected);
        assert_eq!(spans(&lane.approved), [(3, 4), (8, 9)], "of a prompted and an absent frame too");
        assert_eq!(spans(&lane.review), [(6, 7)], "lost on 6, stale on 7");
        assert_eq!(lane.stale_count(), 1);
    }

    #[test]
    fn stale_frames_are_counted_among_those_that_are_chosen() {
        let t = mark(Provenance::Tracked, 1, 9, false);
        let marks: BTreeMap<_, _> = (0..10).chain(15..30).map(|frame| (FrameIdx(frame), t)).collect();
        let lane = LaneFrames::new(&marks, &BTreeSet::new(), 2);
        for (first, last, every) in
            [(0, u32::MAX, 1), (0, u32::MAX, 7), (3, 16, 1), (3, 16, 3), (10, 14, 1), (28, 99, 50)]
        {
            let chosen = |frame: &&FrameIdx| (first..=last).contains(&frame.0) && frame.0.is_multiple_of(every);
            let found = lane.stale_among((FrameIdx(first), FrameIdx(last)), every);
            assert_eq!(found, marks.keys().filter(chosen).count(), "{first}..{last}, every {every}");
        }
    }

    fn any_mark() -> impl Strategy<Value = Option<FrameMark>> {
        let provenance = prop_oneof![Just(Provenance::Tracked), Just(Provenance::Painted), Just(Provenance::Prompted)];
        let made = (provenance, 1_u64..3, 0_u64..2, any::<bool>()).prop_map(|(p, r, a, is)| mark(p, r, a, is));
        prop::option::weighted(0.8, made)
    }

    proptest! {
        #[test]
        fn what_changed_is_brought_up_to_date_as_if_all_were_made_anew(
            before in prop::collection::vec(any_mark(), 24),
            changes in prop::collection::vec((0_u32..24, 0_u32..4, any_mark()), 0..12),
            prompted in prop::collection::btree_set(0_u32..24, 0..5),
        ) {
            let prompted: BTreeSet<FrameIdx> = prompted.into_iter().map(FrameIdx).collect();
            let marks = before.into_iter().zip(0..).filter_map(|(mark, frame)| Some((FrameIdx(frame), mark?)));
            let mut marks: BTreeMap<FrameIdx, FrameMark> = marks.collect();
            let mut lane = LaneFrames::new(&marks, &prompted, 2);
            for (first, more, mark) in changes {
                for frame in (first..=first + more).map(FrameIdx) {
                    match mark {
                        Some(mark) => marks.insert(frame, mark),
                        None => marks.remove(&frame),
                    };
                }
                lane.refresh(&marks, &prompted, 2, (FrameIdx(first), FrameIdx(first + more)));
                prop_assert_eq!(&lane, &LaneFrames::new(&marks, &prompted, 2));
            }
        }
    }
}
