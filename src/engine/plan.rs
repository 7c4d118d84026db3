//! Which frames a run visits, in which order, and what of them the app is waiting for. Plain arithmetic on frame numbers;
//! it runs no model.
//!
//! An object is visited from its origin (its first prompt going forward, its last going backward) up to the last frame
//! the app lacks in that direction, within the range. On the way there are frames the app holds: the model runs on
//! those that are not current, because later frames attend to them, and their masks are not delivered. Frames that are
//! current and held are not visited at all.
//!
//! A range that begins on the way is led in to: the frames just before it that the app holds and the model does not know
//! are run as well, back to one it knows or to the origin, which makes the run what it would be without a break. Where
//! that is too far, the model remembers the masks the app holds on the nearest of them: the run goes on from what is on
//! the screen, close to what one run would bring, not the same.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use crate::label::{FrameIdx, Mask, ObjectId};

use super::protocol::{EngineError, ObjectPrompts, TrackDirection, TrackRequest};

/// A frame to visit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlannedFrame {
    /// The frame.
    pub frame: FrameIdx,
    /// Whether it is reached going backward.
    pub is_reverse: bool,
    /// The objects, in the request's order.
    pub objects: Vec<PlannedObject>,
}

/// An object on a frame to visit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlannedObject {
    /// The object.
    pub object: ObjectId,
    /// Whether the app lacks its mask here.
    pub is_wanted: bool,
    /// The app's mask, to be remembered as it is instead of a run.
    pub held: Option<Arc<Mask>>,
}

/// Most frames that lead in to a range: as many as a frame of the published models attends to.
const LEAD_IN: u32 = 16;

/// The frames that may lead in to a range of a clip of `frame_count` frames; a request brings the masks along that the app
/// holds there.
pub fn lead_in_frames(
    first: FrameIdx,
    last: FrameIdx,
    direction: TrackDirection,
    frame_count: u32,
) -> impl Iterator<Item = FrameIdx> {
    let before = if direction == TrackDirection::Backward { 0..0 } else { first.0.saturating_sub(LEAD_IN)..first.0 };
    let after = last.0.saturating_add(1)..last.0.saturating_add(1 + LEAD_IN).min(frame_count);
    let after = if direction == TrackDirection::Forward { 0..0 } else { after };
    before.chain(after).map(FrameIdx)
}

impl ObjectPrompts {
    /// Whether the app holds an up-to-date mask on a frame.
    pub fn holds(&self, frame: FrameIdx) -> bool {
        self.has.iter().any(|(first, last)| (first..=last).contains(&&frame))
    }
}

/// A run's frames.
#[derive(Debug, Default)]
pub struct Plan {
    frames: VecDeque<PlannedFrame>,
    /// All objects of the run.
    pub objects: Vec<ObjectId>,
}

impl Plan {
    /// Plans a run through a clip of `frame_count` frames; `is_current` says where the model knows a mask that is made from
    /// all that was said.
    ///
    /// # Errors
    /// When no object has a prompt, or the range is empty.
    pub fn new(
        request: &TrackRequest,
        frame_count: u32,
        is_current: &dyn Fn(ObjectId, FrameIdx) -> bool,
    ) -> Result<Plan, EngineError> {
        let objects: Vec<&ObjectPrompts> = request.objects.iter().filter(|o| !o.frames.is_empty()).collect();
        if objects.is_empty() {
            let reason = "there is nothing to track; click, box or paint the object on one frame first";
            return Err(EngineError::Prompt(reason.to_owned()));
        }
        let last = request.last.0.min(frame_count.saturating_sub(1));
        if request.first.0 > last {
            let reason = format!("there is no frame from {} to {} in this clip", request.first, request.last);
            return Err(EngineError::Prompt(reason));
        }
        let passes: &[bool] = match request.direction {
            TrackDirection::Forward => &[false],
            TrackDirection::Backward => &[true],
            TrackDirection::Both => &[false, true],
        };
        let mut plan = Plan { frames: VecDeque::new(), objects: objects.iter().map(|o| o.object).collect() };
        for &is_reverse in passes {
            let mut visits: BTreeMap<u32, Vec<PlannedObject>> = BTreeMap::new();
            for prompts in &objects {
                let visited = visits_of(prompts, request, last, is_reverse, is_current);
                let led_in = lead_in_to(&visited, prompts, request, is_reverse, is_current);
                for (frame, planned) in led_in.into_iter().chain(visited) {
                    visits.entry(frame).or_default().push(planned);
                }
            }
            let planned = |(frame, objects)| PlannedFrame { frame: FrameIdx(frame), is_reverse, objects };
            if is_reverse {
                plan.frames.extend(visits.into_iter().rev().map(planned));
            } else {
                plan.frames.extend(visits.into_iter().map(planned));
            }
        }
        Ok(plan)
    }

    /// The frame to visit next.
    pub fn next(&self) -> Option<&PlannedFrame> {
        self.frames.front()
    }

    /// Takes the next frame off the plan.
    pub fn done(&mut self) {
        self.frames.pop_front();
    }

    /// Frames still to be visited.
    pub fn remaining(&self) -> u32 {
        u32::try_from(self.frames.len()).unwrap_or(u32::MAX)
    }
}

/// How many frames a run would bring masks for: what the app lacks within the run's reach. Frames that turn out to be
/// damaged are counted too.
///
/// # Errors
/// When no object has a prompt, or the range is empty.
pub fn lacking_frames(request: &TrackRequest, frame_count: u32) -> Result<u32, EngineError> {
    // Nothing has to be run again for a model that knows everything.
    Ok(Plan::new(request, frame_count, &|_, _| true)?.remaining())
}

/// The frames of one pass on which an object has work, in any order.
fn visits_of(
    prompts: &ObjectPrompts,
    request: &TrackRequest,
    last: u32,
    is_reverse: bool,
    is_current: &dyn Fn(ObjectId, FrameIdx) -> bool,
) -> Vec<(u32, PlannedObject)> {
    let (Some((earliest, _)), Some((latest, _))) = (prompts.frames.first_key_value(), prompts.frames.last_key_value())
    else {
        return Vec::new();
    };
    let first = request.first.0;
    let is_lacking = |frame: u32| !prompts.holds(FrameIdx(frame));
    let reach = match (request.direction, is_reverse) {
        (TrackDirection::Both, true) => {
            // The forward pass has done everything from the first prompt on.
            let Some(before) = earliest.0.checked_sub(1) else { return Vec::new() };
            first..=last.min(before)
        }
        (TrackDirection::Forward | TrackDirection::Backward, true) => first..=last.min(latest.0),
        (TrackDirection::Forward | TrackDirection::Backward | TrackDirection::Both, false) => {
            first.max(earliest.0)..=last
        }
    };
    let reach = if is_reverse {
        match reach.clone().find(|frame| is_lacking(*frame)) {
            Some(furthest) => furthest..=*reach.end(),
            None => return Vec::new(),
        }
    } else {
        match reach.clone().rev().find(|frame| is_lacking(*frame)) {
            Some(furthest) => *reach.start()..=furthest,
            None => return Vec::new(),
        }
    };
    reach
        .map(|frame| (frame, PlannedObject { object: prompts.object, is_wanted: is_lacking(frame), held: None }))
        .filter(|(frame, planned)| planned.is_wanted || !is_current(prompts.object, FrameIdx(*frame)))
        .collect()
}

/// The frames just before the first one visited that the app holds and the model does not know, as far back as one it
/// knows or the object's origin: run where one of these is near and none is lacking on the way, else held as they are.
fn lead_in_to(
    visited: &[(u32, PlannedObject)],
    prompts: &ObjectPrompts,
    request: &TrackRequest,
    is_reverse: bool,
    is_current: &dyn Fn(ObjectId, FrameIdx) -> bool,
) -> Vec<(u32, PlannedObject)> {
    let frames = visited.iter().map(|(frame, _)| *frame);
    let begin = if is_reverse { frames.max() } else { frames.min() };
    // Both ways, what lies behind the first prompt is the forward pass's.
    let is_from_last = is_reverse && request.direction != TrackDirection::Both;
    let origin = if is_from_last { prompts.frames.keys().next_back() } else { prompts.frames.keys().next() };
    let (Some(begin), Some(origin)) = (begin, origin) else { return Vec::new() };
    let before = |back: u32| {
        let frame = if is_reverse { begin.checked_add(back) } else { begin.checked_sub(back) }?;
        let is_reached = if is_reverse { frame <= origin.0 } else { frame >= origin.0 };
        is_reached.then_some(frame)
    };
    // A prompted frame conditions as it is, and says nothing of whether those behind it are known.
    let is_prompted = |frame: u32| prompts.frames.contains_key(&FrameIdx(frame));
    let is_unknown = |frame: &u32| is_prompted(*frame) || !is_current(prompts.object, FrameIdx(*frame));
    let walked: Vec<u32> = (1..=LEAD_IN).map_while(before).take_while(is_unknown).collect();
    let has_no_gap = walked.iter().all(|frame| is_prompted(*frame) || prompts.holds(FrameIdx(*frame)));
    let is_near = walked.len() < LEAD_IN as usize || walked.last() == Some(&origin.0);
    let held = |frame| prompts.masks.get(&frame).filter(|_| !(is_near && has_no_gap)).cloned();
    let leads = walked.into_iter().map(FrameIdx).filter(|frame| prompts.holds(*frame) && !is_prompted(frame.0));
    leads
        .map(|frame| (frame.0, PlannedObject { object: prompts.object, is_wanted: false, held: held(frame) }))
        .collect()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::super::protocol::FramePrompt;
    use super::*;
    use crate::label::Prompt;

    fn object(id: u32, prompts: &[u32], has: &[(u32, u32)]) -> ObjectPrompts {
        let prompt = Arc::new(Prompt::Clicks { points: Vec::new(), bounds: None });
        let frames = prompts
            .iter()
            .map(|f| (FrameIdx(*f), FramePrompt { prompt: prompt.clone(), candidate: None, base: None }))
            .collect();
        let has = has.iter().map(|(a, b)| (FrameIdx(*a), FrameIdx(*b))).collect();
        ObjectPrompts { object: ObjectId(id), frames, masks: BTreeMap::new(), has, asked: None }
    }

    /// Frame, and each object with whether it is wanted.
    fn planned(request: &TrackRequest, current: &[u32]) -> Vec<(u32, Vec<(u32, bool)>)> {
        let plan = Plan::new(request, 60, &|_, frame| current.contains(&frame.0)).expect("a plan");
        let objects = |f: &PlannedFrame| f.objects.iter().map(|o| (o.object.0, o.is_wanted)).collect();
        plan.frames.iter().map(|f| (f.frame.0, objects(f))).collect()
    }

    fn request(objects: Vec<ObjectPrompts>, first: u32, last: u32, direction: TrackDirection) -> TrackRequest {
        TrackRequest { objects, first: FrameIdx(first), last: FrameIdx(last), direction, uses_damaged: false }
    }

    #[test]
    fn directions_start_at_the_prompts_and_stay_in_the_range() {
        use TrackDirection::{Backward, Both, Forward};
        let cases: [(&str, TrackDirection, &[u32], &[u32]); 7] = [
            ("forward from the prompt", Forward, &[5], &[5, 6, 7, 8]),
            ("backward from the prompt", Backward, &[5], &[5, 4, 3, 2]),
            ("both", Both, &[5], &[5, 6, 7, 8, 4, 3, 2]),
            ("both, from the first of two", Both, &[4, 7], &[4, 5, 6, 7, 8, 3, 2]),
            ("a prompt before the range", Both, &[0], &[2, 3, 4, 5, 6, 7, 8]),
            ("a prompt after the range", Both, &[12], &[8, 7, 6, 5, 4, 3, 2]),
            ("out of reach", Forward, &[12], &[]),
        ];
        for (name, direction, prompts, expected) in cases {
            let plan = planned(&request(vec![object(1, prompts, &[])], 2, 8, direction), &[]);
            assert_eq!(plan.iter().map(|(f, _)| *f).collect::<Vec<_>>(), expected, "{name}");
        }
    }

    #[test]
    fn held_frames_run_only_where_later_ones_need_them() {
        let forward = |has: &[(u32, u32)], current: &[u32]| {
            planned(&request(vec![object(1, &[2], has)], 0, 8, TrackDirection::Forward), current)
        };
        assert_eq!(forward(&[(0, 19)], &[]), [], "everything is held");
        let on_the_way = forward(&[(0, 4), (7, 8)], &[]);
        let expected: Vec<(u32, Vec<(u32, bool)>)> =
            [(2, false), (3, false), (4, false), (5, true), (6, true)].map(|(f, w)| (f, vec![(1, w)])).into();
        assert_eq!(on_the_way, expected, "nothing after the last frame that is lacking");
        let current = forward(&[(0, 4)], &[2, 3, 4, 5]);
        assert_eq!(current.iter().map(|(f, _)| *f).collect::<Vec<_>>(), [5, 6, 7, 8], "5 is current but lacking");
    }

    #[test]
    fn held_frames_just_before_the_range_lead_in_to_it() {
        use TrackDirection::{Backward, Both, Forward};
        type Case<'a> = (&'a str, TrackDirection, &'a [u32], &'a [(u32, u32)], &'a [u32], (u32, u32), bool);
        // The range is 30 to 32. The frames that lead in to it, and whether they are run; 0, 0 is none.
        let cases: [Case; 10] = [
            ("from the origin, where it is near", Forward, &[14], &[(14, 29)], &[], (15, 29), true),
            ("as they are, where it is far", Forward, &[13], &[(13, 29)], &[], (14, 29), false),
            ("from what is known", Forward, &[0], &[(0, 29)], &[5, 14], (15, 29), true),
            ("not where all is known", Forward, &[0], &[(0, 29)], &[29], (0, 0), true),
            ("not where nothing is held", Forward, &[0], &[], &[], (0, 0), true),
            ("over a prompt, which needs no run", Forward, &[0, 29], &[(0, 29)], &[29], (14, 28), false),
            ("backward from the last prompt", Backward, &[3, 40], &[(33, 40)], &[], (33, 39), true),
            ("backward from far", Backward, &[3, 50], &[(33, 50)], &[], (33, 48), false),
            ("backward of both passes from the first", Both, &[35, 38], &[(33, 38)], &[], (33, 34), true),
            ("forward of both", Both, &[0], &[(0, 29)], &[], (14, 29), false),
        ];
        for (name, direction, prompts, has, current, (from, to), is_run) in cases {
            let mut prompts = object(1, prompts, has);
            let mask = Arc::new(Mask::empty(crate::label::FrameSize { width: 4, height: 4 }));
            let brought = lead_in_frames(FrameIdx(30), FrameIdx(32), direction, 60);
            prompts.masks = brought.map(|frame| (frame, mask.clone())).collect();
            let is_current = |_, frame: FrameIdx| current.contains(&frame.0);
            let plan = Plan::new(&request(vec![prompts], 30, 32, direction), 60, &is_current).expect("a plan");
            let led_in = plan.frames.iter().filter(|planned| !(30..=32).contains(&planned.frame.0));
            let mut frames: Vec<u32> = led_in.clone().map(|planned| planned.frame.0).collect();
            frames.sort_unstable();
            let expected = if to == 0 { Vec::new() } else { (from..=to).collect() };
            assert_eq!(frames, expected, "{name}");
            for planned in led_in {
                let [object] = &planned.objects[..] else { panic!("{name}: {planned:?}") };
                assert!(!object.is_wanted, "{name}: not delivered again");
                assert_eq!(object.held.is_none(), is_run, "{name}");
            }
            assert_eq!(plan.frames.len(), frames.len() + 3, "{name}");
            let is_first = plan.frames.front().is_some_and(|planned| planned.is_reverse || planned.frame.0 <= 30);
            assert!(is_first, "{name}: they come before the range");
        }
        let mut over_a_gap = object(1, &[25], &[(25, 27), (29, 29)]);
        let mask = Arc::new(Mask::empty(crate::label::FrameSize { width: 4, height: 4 }));
        over_a_gap.masks = [26, 27, 29].map(|frame| (FrameIdx(frame), mask.clone())).into();
        let plan = Plan::new(&request(vec![over_a_gap], 30, 30, Forward), 60, &|_, _| false).expect("a plan");
        let led_in = plan.frames.iter().map(|planned| (planned.frame.0, planned.objects[0].held.is_some()));
        assert_eq!(led_in.collect::<Vec<_>>(), [(26, true), (27, true), (29, true), (30, false)], "over a gap");
        let all_held = request(vec![object(1, &[0], &[(0, 59)])], 30, 32, Forward);
        assert_eq!(planned(&all_held, &[]), [], "nothing to lead in to");
    }

    #[test]
    fn lacking_frames_are_those_a_run_would_bring() {
        let lacking = |has: &[(u32, u32)], direction| {
            lacking_frames(&request(vec![object(1, &[2], has), object(2, &[6], &[(0, 19)])], 1, 8, direction), 20)
        };
        assert_eq!(lacking(&[], TrackDirection::Both), Ok(8));
        assert_eq!(lacking(&[(2, 4), (8, 8)], TrackDirection::Both), Ok(4), "1, 5, 6 and 7");
        assert_eq!(lacking(&[(2, 8)], TrackDirection::Forward), Ok(0));
        assert_eq!(lacking(&[(1, 8)], TrackDirection::Both), Ok(0));
    }

    #[test]
    fn objects_share_visits_and_those_without_prompts_are_ignored() {
        let both = request(
            vec![object(1, &[2], &[]), object(2, &[4], &[]), object(3, &[], &[])],
            2,
            5,
            TrackDirection::Forward,
        );
        let expected = [
            (2, vec![(1, true)]),
            (3, vec![(1, true)]),
            (4, vec![(1, true), (2, true)]),
            (5, vec![(1, true), (2, true)]),
        ];
        assert_eq!(planned(&both, &[]), expected);
    }

    #[test]
    fn nothing_to_track_and_empty_ranges_are_refused() {
        let refused =
            |request: &TrackRequest| matches!(Plan::new(request, 20, &|_, _| false), Err(EngineError::Prompt(_)));
        assert!(refused(&request(vec![object(1, &[], &[])], 0, 9, TrackDirection::Both)));
        assert!(refused(&request(vec![object(1, &[2], &[])], 9, 3, TrackDirection::Both)));
        assert!(refused(&request(vec![object(1, &[2], &[])], 20, 30, TrackDirection::Both)));
    }
}
