//! What the app relies on in every model behind the engine, the test engine and SAM 2.1 alike: the same words give the
//! same mask, previews leave no trace, held frames are not delivered again, corrections stay.

mod engine_support;

use std::sync::Arc;

use engine_support::{
    A, B, Brought, DiscClip, ask, clicks, correcting, engine, negative, object, painted, positive, preview, rectangle,
    request, run, small_clip, small_model, test_engine, track,
};
use label_hub::engine::{EngineCommand, EngineThread, FramePrompt, ModelChoice, TrackDirection, TrackRequest};
use label_hub::label::{FrameIdx, Mask, Point};
use label_hub::video::Clip;

/// A model with a clip it makes sense of, and clicks on that clip: on an object, and elsewhere.
struct Case {
    name: &'static str,
    clip: Clip,
    model: ModelChoice,
    on: Point,
    off: Point,
    /// Keeps a generated clip's folder.
    _made: Option<DiscClip>,
}

impl Case {
    fn engine(&self) -> EngineThread {
        engine(&self.clip, self.model.clone())
    }

    fn click(&self) -> FramePrompt {
        clicks(&[self.on])
    }
}

fn cases() -> [Case; 2] {
    let disc = DiscClip::new(160, 96, 16, false);
    let (clip, on) = (disc.open(), disc.click(0));
    [
        Case { name: "test engine", clip, model: test_engine(), on, off: negative(150.0, 5.0), _made: Some(disc) },
        Case {
            name: "sam2",
            clip: small_clip(),
            model: small_model(),
            on: positive(30.0, 40.0),
            off: negative(70.0, 25.0),
            _made: None,
        },
    ]
}

const FORWARD: TrackDirection = TrackDirection::Forward;

#[test]
fn the_same_words_give_the_same_mask_whatever_came_before() {
    for case in cases() {
        let list = [case.on, case.off, positive(case.on.x + 3.0, case.on.y + 2.0)];
        let fresh = ask(&case.engine(), request(A, 3, &clicks(&list))).0;
        let engine = case.engine();
        for until in 1..=3 {
            let (answer, _) = ask(&engine, request(A, 3, &clicks(&list[..until])));
            assert!(until < 3 || answer == fresh, "{}: one click after the other", case.name);
        }
        let other = [case.on, negative(case.on.x + 9.0, case.on.y), list[2]];
        ask(&engine, request(A, 3, &clicks(&other)));
        assert_eq!(ask(&engine, request(A, 3, &clicks(&list))).0, fresh, "{}: after a detour", case.name);
        ask(&engine, request(A, 3, &clicks(&list[1..])));
        assert_eq!(ask(&engine, request(A, 3, &clicks(&list))).0, fresh, "{}: after a removal", case.name);
        engine.send(EngineCommand::ClearPrompt { object: A, frame: FrameIdx(3) });
        assert_eq!(ask(&engine, request(A, 3, &clicks(&list))).0, fresh, "{}: after clearing", case.name);
        engine.send(EngineCommand::Forget { object: A });
        assert_eq!(ask(&engine, request(A, 3, &clicks(&list))).0, fresh, "{}: after forgetting", case.name);
        let mask = rectangle(&case.clip, 5, 5, 30, 30);
        assert_eq!(
            ask(&engine, request(A, 3, &painted(&mask))).0.mask,
            mask,
            "{}: a mask is taken as it is",
            case.name
        );
        assert_eq!(ask(&engine, request(A, 3, &clicks(&list))).0, fresh, "{}: after a mask", case.name);
    }
}

#[test]
fn prompts_taken_up_by_a_run_are_answered_as_before() {
    for case in cases() {
        let list = [case.on, case.off];
        let engine = case.engine();
        ask(&engine, request(A, 0, &clicks(&list[..1])));
        track(&engine, run(vec![object(A, &[(0, clicks(&list[..1]))], &[])], 0, 6, FORWARD));
        let after = ask(&engine, request(A, 0, &clicks(&list))).0;
        let fresh = ask(&case.engine(), request(A, 0, &clicks(&list))).0;
        assert_eq!(after, fresh, "{}", case.name);
    }
}

#[test]
fn a_single_click_has_three_candidates_and_the_chosen_one_is_built_upon() {
    for case in cases() {
        let engine = case.engine();
        let (answer, candidates) = ask(&engine, request(A, 0, &case.click()));
        assert_eq!(candidates.len(), 3, "{}", case.name);
        assert_eq!(candidates[0], answer, "{}: the likeliest one stands", case.name);
        assert!(candidates.is_sorted_by(|a, b| a.predicted_iou >= b.predicted_iou), "{}", case.name);
        for (index, candidate) in candidates.iter().enumerate() {
            let chosen = FramePrompt { candidate: Some(index as u8), ..case.click() };
            assert_eq!(ask(&engine, request(A, 0, &chosen)).0, *candidate, "{}: candidate {index}", case.name);
            let brought = track(&engine, run(vec![object(A, &[(0, chosen.clone())], &[])], 0, 2, FORWARD));
            assert_eq!(*brought.mask(0, A), candidate.mask, "{}: what a run starts from", case.name);
            let more = FramePrompt { candidate: Some(index as u8), ..clicks(&[case.on, case.off]) };
            let (refined, none) = ask(&engine, request(A, 0, &more));
            assert_eq!(none, [], "{}: two clicks have one candidate", case.name);
            assert_eq!(ask(&case.engine(), request(A, 0, &more)).0, refined, "{}: on a fresh engine", case.name);
        }
    }
}

#[test]
fn a_preview_leaves_no_trace() {
    for case in cases() {
        let engine = case.engine();
        let considered = preview(&engine, request(A, 0, &case.click()));
        let (answer, _) = ask(&engine, request(A, 0, &case.click()));
        assert_eq!(considered, answer, "{}: a preview shows what the click would bring", case.name);
        let prompts = [(0, case.click())];
        let before = track(&engine, run(vec![object(A, &prompts, &[])], 0, 5, FORWARD));
        let more = clicks(&[case.on, case.off]);
        for frame in [0, 3, 9] {
            preview(&engine, request(A, frame, &more));
            preview(&engine, request(B, frame, &case.click()));
        }
        let again = track(&engine, run(vec![object(A, &prompts, &[])], 0, 5, FORWARD));
        assert_eq!(again, before, "{}", case.name);
        assert_eq!(
            ask(&engine, request(A, 0, &more)).0,
            preview(&case.engine(), request(A, 0, &more)),
            "{}",
            case.name
        );
    }
}

#[test]
fn held_frames_are_not_delivered_again() {
    for case in cases() {
        let engine = case.engine();
        let prompts = [(2, case.click())];
        let whole = track(&engine, run(vec![object(A, &prompts, &[])], 0, 9, TrackDirection::Both));
        assert_eq!(whole.frames(A), [2, 3, 4, 5, 6, 7, 8, 9, 1, 0], "{}", case.name);
        let none = track(&engine, run(vec![object(A, &prompts, &[(0, 9)])], 0, 9, TrackDirection::Both));
        assert_eq!((none.visited.len(), none.masks.len()), (0, 0), "{}: nothing is left to do", case.name);
        // An engine that knows nothing runs through the held frames for their memory, and delivers the others.
        let fresh = track(&case.engine(), run(vec![object(A, &prompts, &[(0, 5)])], 0, 9, TrackDirection::Both));
        assert_eq!(fresh.visited, [3, 4, 5, 6, 7, 8, 9], "{}", case.name);
        assert_eq!(fresh.frames(A), [6, 7, 8, 9], "{}", case.name);
        for frame in 6..=9 {
            assert_eq!(fresh.mask(frame, A), whole.mask(frame, A), "{}: frame {frame}", case.name);
        }
    }
}

#[test]
fn masks_the_app_let_go_come_back_as_they_were() {
    for case in cases() {
        let engine = case.engine();
        let prompts = [(1, case.click())];
        let request = run(vec![object(A, &prompts, &[])], 0, 9, TrackDirection::Both);
        let before = track(&engine, request.clone());
        assert_eq!(track(&engine, request), before, "{}: the whole run undone", case.name);
        let part = track(&engine, run(vec![object(A, &prompts, &[(0, 6)])], 0, 9, TrackDirection::Both));
        assert_eq!(part.visited, [7, 8, 9], "{}: only what is lacking is visited", case.name);
        assert!((7..10).all(|f| part.mask(f, A) == before.mask(f, A)), "{}", case.name);
    }
}

#[test]
fn a_correction_keeps_exactly_its_mask_and_reaches_later_frames() {
    for case in cases() {
        let engine = case.engine();
        let first = (0, case.click());
        let before = track(&engine, run(vec![object(A, std::slice::from_ref(&first), &[])], 0, 9, FORWARD));
        let correction = correcting(before.mask(4, A), &[negative(case.on.x + 4.0, case.on.y)]);
        let (corrected, candidates) = ask(&engine, request(A, 4, &correction));
        assert_ne!(corrected.mask, *before.mask(4, A), "{}: the click does something", case.name);
        // Said differently and taken back, it is the same correction still.
        ask(&engine, request(A, 4, &correcting(before.mask(4, A), &[case.off])));
        assert_eq!(ask(&engine, request(A, 4, &correction)), (corrected.clone(), candidates), "{}", case.name);
        let after = track(&engine, run(vec![object(A, &[first, (4, correction)], &[])], 0, 9, FORWARD));
        assert_eq!(*after.mask(4, A), corrected.mask, "{}: what the labeller saw is what stays", case.name);
        assert_eq!(after.mask(0, A), before.mask(0, A), "{}: the first prompt's mask stays", case.name);
        assert!((5..10).any(|f| after.mask(f, A) != before.mask(f, A)), "{}", case.name);
        let painted_mask = rectangle(&case.clip, 8, 8, 40, 40);
        let painted = painted(&painted_mask);
        let prompts = [(0, case.click()), (4, painted)];
        let after = track(&engine, run(vec![object(A, &prompts, &[])], 0, 9, FORWARD));
        assert_eq!(*after.mask(4, A), painted_mask, "{}: a painted frame stays", case.name);
    }
}

#[test]
fn an_engine_that_knows_nothing_takes_over_the_masks_of_the_request() {
    for case in cases() {
        // No answer of the model's own looks like these.
        let masks = [(0, rectangle(&case.clip, 8, 8, 40, 40)), (4, rectangle(&case.clip, 30, 10, 60, 50))];
        let correction = correcting(&masks[0].1, &[negative(case.on.x + 4.0, case.on.y)]);
        let mut prompts = object(A, &[(0, case.click()), (4, correction.clone())], &[]);
        prompts.masks = masks.iter().map(|(frame, mask)| (FrameIdx(*frame), Arc::new(mask.clone()))).collect();
        let engine = case.engine();
        let brought = track(&engine, run(vec![prompts.clone()], 0, 6, FORWARD));
        for (frame, mask) in &masks {
            assert_eq!(brought.mask(*frame, A), mask, "{}: frame {frame} keeps its mask", case.name);
        }
        // It is remembered like an answer: nothing is to be done for it again, and later frames go by it.
        prompts.has = vec![(FrameIdx(0), FrameIdx(5))];
        assert_eq!(track(&engine, run(vec![prompts], 0, 6, FORWARD)).visited, [6], "{}", case.name);
        let own = [object(A, &[(0, case.click()), (4, correction)], &[])];
        let own = track(&case.engine(), run(own.to_vec(), 0, 6, FORWARD));
        assert!((5..=6).any(|frame| own.mask(frame, A) != brought.mask(frame, A)), "{}", case.name);
    }
}

#[test]
fn clicks_correct_the_mask_that_comes_with_them() {
    for case in cases() {
        let (one, other) = (rectangle(&case.clip, 8, 8, 40, 40), rectangle(&case.clip, 30, 10, 60, 50));
        let points = [negative(case.on.x + 4.0, case.on.y)];
        let answer = |engine: &EngineThread, base: &Mask| ask(engine, request(A, 4, &correcting(base, &points))).0;
        let engine = case.engine();
        let of_one = answer(&engine, &one);
        assert_ne!(answer(&engine, &other), of_one, "{}", case.name);
        assert_eq!(answer(&engine, &one), of_one, "{}: the same words again", case.name);
        assert_eq!(answer(&case.engine(), &one), of_one, "{}: on a fresh engine", case.name);
    }
}

#[test]
fn words_taken_back_and_said_again_leave_the_run_current() {
    let [_, case] = cases();
    let engine = case.engine();
    let prompts = [(0, case.click())];
    track(&engine, run(vec![object(A, &prompts, &[])], 0, 9, FORWARD));
    ask(&engine, request(A, 0, &clicks(&[case.on, case.off])));
    ask(&engine, request(A, 0, &case.click()));
    let again = track(&engine, run(vec![object(A, &prompts, &[(0, 8)])], 0, 9, FORWARD));
    assert_eq!(again.visited, [9], "frames 0 to 8 need not run for the sake of frame 9");
}

#[test]
fn a_run_goes_by_its_request_not_by_what_was_said_before() {
    for case in cases() {
        let asked = run(vec![object(A, &[(0, case.click())], &[])], 0, 5, FORWARD);
        let fresh = track(&case.engine(), asked.clone());
        let engine = case.engine();
        ask(&engine, request(A, 0, &clicks(&[case.on, case.off])));
        ask(&engine, request(A, 3, &painted(&rectangle(&case.clip, 1, 1, 20, 20))));
        ask(&engine, request(B, 2, &case.click()));
        track(&engine, run(vec![object(A, &[(3, painted(&rectangle(&case.clip, 1, 1, 20, 20)))], &[])], 0, 5, FORWARD));
        assert_eq!(track(&engine, asked), fresh, "{}", case.name);
    }
}

#[test]
fn only_the_changed_object_is_visited() {
    for case in cases() {
        let engine = case.engine();
        let (a, b) = ([(0, case.click())], [(2, clicks(&[positive(case.on.x, case.on.y - 2.0)]))]);
        let both = |a_has: &[(u32, u32)], b_has: &[(u32, u32)], b_more: Option<(u32, FramePrompt)>| {
            let b: Vec<_> = b.iter().cloned().chain(b_more).collect();
            run(vec![object(A, &a, a_has), object(B, &b, b_has)], 0, 7, FORWARD)
        };
        let first = track(&engine, both(&[], &[], None));
        assert_eq!((first.frames(A).len(), first.frames(B).len()), (8, 6), "{}", case.name);
        let correction = (5, painted(&rectangle(&case.clip, 10, 10, 40, 40)));
        let second = track(&engine, both(&[(0, 7)], &[(2, 3)], Some(correction)));
        assert_eq!(second.frames(A), [0_u32; 0], "{}", case.name);
        assert_eq!(second.frames(B), [4, 5, 6, 7], "{}", case.name);
    }
}

#[test]
fn damaged_frames_are_left_out_and_named() {
    let disc = DiscClip::new(160, 96, 8, false);
    disc.damage(3);
    let clip = disc.open();
    for model in [test_engine(), small_model()] {
        let engine = engine(&clip, model.clone());
        let prompts = [(1, clicks(&[disc.click(1)]))];
        let brought: Brought = track(&engine, run(vec![object(A, &prompts, &[])], 1, 7, FORWARD));
        assert_eq!(brought.skipped, [(3, A)], "{model:?}");
        assert_eq!(brought.frames(A), [1, 2, 4, 5, 6, 7], "{model:?}");
        // Unless they are asked for; what is there already stays.
        let rest = run(vec![object(A, &prompts, &[(1, 2), (4, 7)])], 1, 7, FORWARD);
        let brought = track(&engine, TrackRequest { uses_damaged: true, ..rest });
        assert_eq!((brought.skipped.as_slice(), brought.frames(A)), ([].as_slice(), vec![3]), "{model:?}");
    }
}
