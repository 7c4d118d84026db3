//! The engine's thread, with a scripted model that stops where the test wants it: what is answered when, what replaces
//! what, and that nothing that goes wrong in a model ends more than the model.

mod engine_support;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use engine_support::scripted::{FAIL_X, PANIC_X, scripted, x_of};
use engine_support::{
    A, B, DiscClip, clicks, next, next_answer, object, positive, request, run, small_clip, small_model, test_engine,
    until_finished,
};
use label_hub::engine::{
    EngineCommand, EngineError, EngineEvent, EngineThread, FramePrompt, Generation, TrackDirection, TrackEnd,
    TrackRequest,
};
use label_hub::label::{FrameIdx, ObjectId};

fn prompt(x: f32) -> FramePrompt {
    clicks(&[positive(x, 0.0)])
}

fn send_prompt(engine: &EngineThread, object: ObjectId, frame: u32, x: f32) -> Generation {
    engine.send(EngineCommand::Prompt(request(object, frame, &prompt(x))))
}

fn send_run(engine: &EngineThread, first: u32) -> Generation {
    let objects = vec![object(A, &[(0, prompt(1.0))], &[(0, 4)])];
    engine.send(EngineCommand::Track(run(objects, first, 9, TrackDirection::Forward)))
}

/// An event in a few letters.
fn told(engine: &EngineThread) -> String {
    match next(engine) {
        EngineEvent::ModelReady { .. } => "ready".to_owned(),
        EngineEvent::ModelFailed { error: EngineError::Panicked(_), .. } => "model panicked".to_owned(),
        EngineEvent::ModelFailed { .. } => "model failed".to_owned(),
        EngineEvent::Encoding { frame } => format!("encoding {frame}"),
        EngineEvent::Encoded { frame } => format!("encoded {frame}"),
        EngineEvent::Answer { generation, frame, result, .. } => {
            format!("{}: answer {frame} x={}", generation.0, result.predicted_iou)
        }
        EngineEvent::Previewed { generation, frame, result } => {
            format!("{}: preview {frame} x={}", generation.0, result.predicted_iou)
        }
        EngineEvent::Failed { generation, frame, error, .. } => match error {
            EngineError::Panicked(_) => format!("{}: panicked {frame}", generation.0),
            other => format!("{}: failed {frame}: {other}", generation.0),
        },
        EngineEvent::TrackStarted { generation, frames, .. } => format!("{}: started {frames}", generation.0),
        EngineEvent::Tracked { generation, frame, .. } => format!("{}: tracked {frame}", generation.0),
        EngineEvent::TrackFinished { generation, end } => match end {
            TrackEnd::Completed => format!("{}: completed", generation.0),
            TrackEnd::Stopped => format!("{}: stopped", generation.0),
            TrackEnd::Failed(EngineError::Panicked(_)) => format!("{}: run panicked", generation.0),
            TrackEnd::Failed(_) => format!("{}: run failed", generation.0),
        },
    }
}

fn tells(engine: &EngineThread, expected: &[String]) {
    let got: Vec<String> = expected.iter().map(|_| told(engine)).collect();
    assert_eq!(got, expected);
}

fn line(generation: Generation, words: &str) -> String {
    format!("{}: {words}", generation.0)
}

#[test]
fn prompts_are_answered_between_two_frames_of_a_run() {
    let (engine, director) = scripted(true);
    let run = send_run(&engine, 0);
    director.wait_until_in_work();
    let one = send_prompt(&engine, A, 4, 1.0);
    let two = send_prompt(&engine, B, 4, 2.0);
    let look = engine.send(EngineCommand::Preview(request(A, 5, &prompt(3.0))));
    assert!(run < one && one < two && two < look, "later requests have larger generations");
    director.let_pass(4);
    tells(
        &engine,
        &[
            line(run, "started 3"),
            line(run, "tracked 0"),
            line(one, "answer 4 x=1"),
            line(two, "answer 4 x=2"),
            line(look, "preview 5 x=3"),
            line(run, "tracked 1"),
            line(run, "tracked 2"),
            line(run, "completed"),
        ],
    );
}

#[test]
fn a_newer_word_about_an_object_on_a_frame_replaces_an_unanswered_one() {
    let (engine, director) = scripted(true);
    let run = send_run(&engine, 0);
    director.wait_until_in_work();
    send_prompt(&engine, A, 0, 1.0);
    let other_frame = send_prompt(&engine, A, 1, 2.0);
    send_prompt(&engine, A, 2, 3.0);
    let newer = send_prompt(&engine, A, 0, 4.0);
    engine.send(EngineCommand::ClearPrompt { object: A, frame: FrameIdx(2) });
    engine.send(EngineCommand::Preview(request(A, 5, &prompt(5.0))));
    let look = engine.send(EngineCommand::Preview(request(A, 6, &prompt(6.0))));
    director.let_pass(4);
    tells(
        &engine,
        &[
            line(run, "started 3"),
            line(run, "tracked 0"),
            line(other_frame, "answer 1 x=2"),
            line(newer, "answer 0 x=4"),
            line(look, "preview 6 x=6"),
            line(run, "tracked 1"),
        ],
    );
}

#[test]
fn stopping_ends_the_run_after_the_frame_in_work_and_drops_waiting_ones() {
    let (engine, director) = scripted(true);
    let first = send_run(&engine, 0);
    director.wait_until_in_work();
    let second = send_run(&engine, 1);
    engine.send(EngineCommand::StopTracking);
    let third = send_run(&engine, 2);
    director.let_pass(5);
    tells(
        &engine,
        &[
            line(first, "started 3"),
            line(first, "tracked 0"),
            line(first, "stopped"),
            line(second, "stopped"),
            line(third, "started 3"),
            line(third, "tracked 0"),
        ],
    );
    assert_eq!(director.started().len(), 2, "the dropped run never began");
}

#[test]
fn a_second_run_waits_for_the_first_and_goes_by_the_newest_words() {
    let (engine, director) = scripted(true);
    let first = send_run(&engine, 0);
    director.wait_until_in_work();
    let second = send_run(&engine, 1);
    send_prompt(&engine, A, 0, 5.0);
    send_prompt(&engine, A, 3, 6.0);
    director.let_pass(8);
    let mut order = Vec::new();
    while order.last().is_none_or(|event| *event != line(second, "completed")) {
        order.push(told(&engine));
    }
    let at = |event: String| order.iter().position(|told| *told == event).expect("told");
    assert!(at(line(first, "completed")) < at(line(second, "started 3")));
    let started = director.started();
    let prompts = &started[1].objects[0];
    assert_eq!(prompts.frames.values().map(x_of).collect::<Vec<_>>(), [5.0, 6.0]);
    assert_eq!(prompts.has, [], "what the app held when it asked is out of date");
    assert_eq!(started[0].objects[0].has.len(), 1);
}

#[test]
fn a_waiting_run_is_as_it_was_asked_for_when_newer_words_are_taken_back() {
    let (engine, director) = scripted(true);
    send_run(&engine, 0);
    director.wait_until_in_work();
    let second = send_run(&engine, 0);
    send_prompt(&engine, A, 3, 6.0);
    engine.send(EngineCommand::ClearPrompt { object: A, frame: FrameIdx(3) });
    director.let_pass(8);
    while told(&engine) != line(second, "completed") {}
    let started = director.started();
    assert_eq!(started[1], started[0]);
}

#[test]
fn loading_a_model_or_opening_a_clip_ends_the_run() {
    for is_load in [true, false] {
        let (engine, director) = scripted(true);
        let run = send_run(&engine, 0);
        director.wait_until_in_work();
        let expected = if is_load {
            engine.send(EngineCommand::Load(test_engine()));
            "ready".to_owned()
        } else {
            engine.send(EngineCommand::UseClip(small_clip()));
            line(send_prompt(&engine, A, 0, 1.0), "answer 0 x=1")
        };
        director.let_pass(1);
        tells(&engine, &[line(run, "started 3"), line(run, "tracked 0"), line(run, "stopped"), expected]);
    }
}

#[test]
fn a_panic_ends_the_model_and_not_the_thread() {
    let (engine, _director) = scripted(true);
    let bad = send_prompt(&engine, A, 0, PANIC_X);
    let next_one = send_prompt(&engine, A, 1, 1.0);
    let no_model = format!("failed 1: {}", EngineError::NoModel);
    tells(&engine, &["model panicked".to_owned(), line(bad, "panicked 0"), line(next_one, &no_model)]);
    engine.send(EngineCommand::Load(test_engine()));
    let good = send_prompt(&engine, A, 1, 1.0);
    tells(&engine, &["ready".to_owned(), line(good, "answer 1 x=1")]);
    engine.send(EngineCommand::Forget { object: A });
    tells(&engine, &["model panicked".to_owned()]);
}

#[test]
fn a_panic_during_a_run_ends_the_run_too() {
    let (engine, director) = scripted(true);
    let run = send_run(&engine, 0);
    director.wait_until_in_work();
    let bad = send_prompt(&engine, A, 0, PANIC_X);
    director.let_pass(1);
    let expected = ["started 3", "tracked 0"].map(|words| line(run, words));
    tells(&engine, &expected);
    tells(&engine, &["model panicked".to_owned(), line(run, "run panicked"), line(bad, "panicked 0")]);
    engine.send(EngineCommand::Load(test_engine()));
    let run = send_run(&engine, 8);
    director.let_pass(1);
    tells(
        &engine,
        &["ready".to_owned(), line(run, "started 3"), "model panicked".to_owned(), line(run, "run panicked")],
    );
}

#[test]
fn failures_are_answers_and_leave_the_model_at_work() {
    let (engine, director) = scripted(true);
    let bad = send_prompt(&engine, A, 0, FAIL_X);
    let failing = send_run(&engine, 7);
    director.let_pass(1);
    let good = send_prompt(&engine, A, 1, 1.0);
    let (words, run_failed) = (line(bad, "failed 0: the model failed: scripted"), line(failing, "run failed"));
    let events: Vec<String> = (0..4).map(|_| told(&engine)).collect();
    assert_eq!(events[0], words);
    // The answer comes between two pieces of the run, or after it.
    let of_run: Vec<&String> = events[1..].iter().filter(|event| **event != line(good, "answer 1 x=1")).collect();
    assert_eq!(of_run, [&line(failing, "started 3"), &run_failed], "{events:?}");
    let beyond = send_prompt(&engine, A, 5000, 1.0);
    assert!(told(&engine).starts_with(&line(beyond, "failed 5000: frame 5000: the clip ends with frame")));
}

#[test]
fn requests_without_a_model_or_a_clip_say_what_is_missing() {
    let engine = EngineThread::spawn(|| {}).expect("a thread can be started");
    let early = send_prompt(&engine, A, 0, 1.0);
    tells(&engine, &[line(early, &format!("failed 0: {}", EngineError::NoModel))]);
    engine.send(EngineCommand::Load(test_engine()));
    let clipless = send_prompt(&engine, A, 0, 1.0);
    tells(&engine, &["ready".to_owned(), line(clipless, &format!("failed 0: {}", EngineError::NoClip))]);
    let run = send_run(&engine, 0);
    match next(&engine) {
        EngineEvent::TrackFinished { generation, end } => {
            assert_eq!((generation, end), (run, TrackEnd::Failed(EngineError::NoClip)));
        }
        other => panic!("{other:?}"),
    }
    let mut missing = small_model();
    missing.source = label_hub::engine::ModelSource::Checkpoint(std::path::PathBuf::from("/no/such/model.pt").into());
    engine.send(EngineCommand::Load(missing));
    tells(&engine, &["model failed".to_owned()]);
    engine.send(EngineCommand::UseClip(small_clip()));
    let nothing = engine.send(EngineCommand::Load(test_engine()));
    assert!(matches!(next(&engine), EngineEvent::ModelReady { generation, .. } if generation == nothing));
    let empty = engine.send(EngineCommand::Track(run_of_nothing()));
    let (_, end) = until_finished(&engine, empty);
    assert!(matches!(end, TrackEnd::Failed(EngineError::Prompt(_))));
}

fn run_of_nothing() -> TrackRequest {
    run(vec![object(A, &[], &[])], 0, 9, TrackDirection::Both)
}

#[test]
fn a_prompt_says_when_it_has_to_wait_for_its_frame() {
    let (engine, _director) = scripted(false);
    let prompt = send_prompt(&engine, A, 3, 1.0);
    tells(&engine, &["encoding 3".to_owned(), "encoded 3".to_owned(), line(prompt, "answer 3 x=1")]);
}

#[test]
fn wished_for_frames_are_encoded_while_idle_as_far_as_they_fit() {
    let (engine, director) = scripted(false);
    let run = send_run(&engine, 0);
    director.wait_until_in_work();
    engine.send(EngineCommand::Warm([9, 8].map(FrameIdx).into()));
    engine.send(EngineCommand::Warm([5, 6, 7].map(FrameIdx).into()));
    director.let_pass(4);
    let done = ["started 3", "tracked 0", "tracked 1", "tracked 2", "completed"].map(|words| line(run, words));
    tells(&engine, &done);
    tells(&engine, &["encoded 5".to_owned(), "encoded 6".to_owned()]);
    // Two fit: 7 would push 5 out.
    let prompt = send_prompt(&engine, A, 1, 1.0);
    tells(&engine, &["encoding 1".to_owned(), "encoded 1".to_owned(), line(prompt, "answer 1 x=1")]);
    engine.send(EngineCommand::Warm(vec![FrameIdx(5000)]));
    assert!(told(&engine).contains("failed 5000"), "a wish that cannot be had is answered too");
}

#[test]
fn a_warmed_frame_answers_at_once_in_both_models() {
    for model in [test_engine(), small_model()] {
        let engine = engine_support::engine(&small_clip(), model);
        engine.send(EngineCommand::Warm(vec![FrameIdx(6)]));
        tells(&engine, &["encoded 6".to_owned()]);
        engine.send(EngineCommand::Prompt(request(A, 6, &clicks(&[positive(30.0, 40.0)]))));
        assert!(matches!(next(&engine), EngineEvent::Answer { .. }), "nothing is encoded");
    }
}

#[test]
fn dropping_the_thread_in_the_middle_of_a_run_ends_it() {
    let disc = DiscClip::new(64, 48, 120, false);
    for model in [test_engine(), small_model()] {
        let engine = engine_support::engine(&disc.open(), model);
        let objects = vec![object(A, &[(0, clicks(&[disc.click(0)]))], &[])];
        engine.send(EngineCommand::Track(run(objects, 0, 119, TrackDirection::Forward)));
        assert!(matches!(next_answer(&engine), EngineEvent::TrackStarted { .. }));
        // Nobody drains the events: the thread is at work, or waits for room, when it is dropped.
        drop(engine);
    }
    let (engine, director) = scripted(true);
    send_run(&engine, 0);
    director.wait_until_in_work();
    drop(director);
    drop(engine);
}

#[test]
fn the_waker_is_called_for_every_event() {
    let wakes = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&wakes);
    let engine = EngineThread::spawn(move || {
        counter.fetch_add(1, Ordering::SeqCst);
    })
    .expect("a thread can be started");
    engine.send(EngineCommand::Load(test_engine()));
    tells(&engine, &["ready".to_owned()]);
    send_prompt(&engine, A, 0, 1.0);
    told(&engine);
    drop(engine);
    assert_eq!(wakes.load(Ordering::SeqCst), 2);
}

#[test]
fn a_stopped_run_goes_on_where_it_stopped() {
    let disc = DiscClip::new(160, 96, 40, false);
    let prompt = clicks(&[disc.click(0)]);
    let asked = |has: &[(u32, u32)]| run(vec![object(A, &[(0, prompt.clone())], has)], 0, 19, TrackDirection::Forward);
    for model in [test_engine(), small_model()] {
        let whole = engine_support::track(&engine_support::engine(&disc.open(), model.clone()), asked(&[]));
        let engine = engine_support::engine(&disc.open(), model);
        let generation = engine.send(EngineCommand::Track(asked(&[])));
        while !matches!(next_answer(&engine), EngineEvent::Tracked { frame: FrameIdx(3), .. }) {}
        engine.send(EngineCommand::StopTracking);
        let mut last = 3;
        let end = loop {
            match next_answer(&engine) {
                EngineEvent::Tracked { frame, .. } => last = frame.0,
                EngineEvent::TrackFinished { generation: of, end } => {
                    assert_eq!(of, generation);
                    break end;
                }
                other => panic!("{other:?}"),
            }
        };
        // The run may have come to its end by itself before the word reached it.
        assert!(end == TrackEnd::Stopped || (end == TrackEnd::Completed && last == 19));
        let rest = engine_support::track(&engine, asked(&[(0, last)]));
        assert_eq!(rest.visited, (last + 1..20).collect::<Vec<_>>());
        assert!(rest.masks.iter().all(|(frame, result)| result.mask == *whole.mask(*frame, A)));
    }
}
