//! Prompts from flags and files: what is accepted, what is adjusted, and what is refused with which words.

use std::path::Path;

use label_hub::cli::exit::{CliError, Exit};
use label_hub::cli::prompt_args::{parse_box, parse_mask, parse_point};
use label_hub::cli::prompt_file::{PromptFile, read_prompt_file};
use label_hub::cli::prompts::{JobPrompts, Statements};
use label_hub::cli::tracker::Direction;
use label_hub::formats::npy;
use label_hub::label::{BoxPrompt, FrameIdx, FrameSize, Mask, ObjectId, Prompt};

const SIZE: FrameSize = FrameSize { width: 8, height: 6 };
const FRAMES: u32 = 10;

fn statements(points: &[&str], boxes: &[&str]) -> Statements {
    let points = points.iter().map(|text| parse_point(text).expect("a point"));
    let boxes = boxes.iter().map(|text| parse_box(text).expect("a box"));
    let list = points.chain(boxes).map(|arg| (arg.frame, arg.object, arg.statement));
    Statements { list: list.collect(), ..Statements::default() }
}

fn refusal(statements: Statements, case: &str) -> String {
    match statements.check(SIZE, FRAMES) {
        Err(CliError::Told { exit: Exit::Usage, message }) => message,
        other => panic!("{case}: {other:?}"),
    }
}

#[test]
fn clicks_keep_their_order_and_gather_by_object_and_frame() {
    let given = statements(&["3:1:1,1", "0:2:2,2", "3:1:4,4:neg", "3:1:3,3"], &["3:1:0,0,5,5"]);
    let (job, hints) = given.check(SIZE, FRAMES).expect("all inside");
    assert!(hints.is_empty());
    assert_eq!(job.objects.len(), 2);
    let Prompt::Clicks { points, bounds } = &job.objects[&ObjectId(1)].frames[&FrameIdx(3)] else {
        panic!("clicks and a box")
    };
    assert_eq!(points.iter().map(|p| p.x).collect::<Vec<_>>(), [1.0, 4.0, 3.0]);
    assert_eq!(*bounds, Some(BoxPrompt { x0: 0.0, y0: 0.0, x1: 5.0, y1: 5.0 }));
}

#[test]
fn prompts_that_make_no_sense_are_refused_with_their_place() {
    let many: Vec<String> = (0..1001).map(|i| format!("0:1:{},2", i % 8)).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    type List<'a> = &'a [&'a str];
    let cases: [(&str, List, List, List); 9] = [
        ("nothing", &[], &[], &["no prompt", "--point"]),
        ("right of the picture", &["0:1:7.6,2"], &[], &["object 1, frame 0", "7.6,2", "8x6"]),
        ("above the picture", &["0:1:2,-0.6"], &[], &["outside"]),
        ("frame after the end", &["10:1:2,2"], &[], &["frame 10", "0 to 9"]),
        ("box without width", &[], &["0:1:2,2,2,5"], &["covers nothing"]),
        ("box without height", &[], &["0:1:2,5,4,5"], &["covers nothing"]),
        ("box outside", &[], &["0:1:20,20,30,30"], &["covers nothing"]),
        ("two boxes", &[], &["0:1:1,1,2,2", "0:1:1,1,3,3"], &["two boxes"]),
        ("1001 clicks", &many, &[], &["1001 clicks", "1000"]),
    ];
    for (case, points, boxes, parts) in cases {
        let message = refusal(statements(points, boxes), case);
        for part in parts {
            assert!(message.contains(part), "{case}: {part} is not in: {message}");
        }
    }
}

#[test]
fn an_object_begins_with_something_positive() {
    use Direction::{Backward, Both, Forward};
    type List<'a> = &'a [&'a str];
    let cases: [(&str, List, Direction, Option<&str>); 6] = [
        ("only negative", &["0:1:2,2:neg", "4:1:3,3:neg"], Forward, Some("object 1 begins on frame 0")),
        ("beside another object's positive", &["0:1:2,2", "0:2:2,2:neg"], Forward, Some("object 2 begins on frame 0")),
        ("positive later", &["0:1:2,2:neg", "4:1:3,3"], Both, Some("object 1 begins on frame 0")),
        ("positive later, backward", &["0:1:2,2:neg", "4:1:3,3"], Backward, None),
        ("a correction", &["0:1:2,2", "4:1:3,3:neg"], Both, None),
        ("a correction, backward", &["0:1:2,2", "4:1:3,3:neg"], Backward, Some("object 1 begins on frame 4")),
    ];
    for (case, points, direction, expected) in cases {
        let (job, _) = statements(points, &[]).check(SIZE, FRAMES).expect("all inside");
        match (job.expect_start(direction), expected) {
            (Ok(()), None) => {}
            (Err(CliError::Told { exit: Exit::Usage, message }), Some(part)) => {
                assert!(message.contains(part) && message.contains("positive click"), "{case}: {message}");
            }
            (other, _) => panic!("{case}: {other:?}"),
        }
    }
}

#[test]
fn picture_edges_and_later_negatives_are_accepted() {
    let given = statements(&["0:1:-0.5,-0.5", "0:1:7.5,5.5", "5:1:3,3:neg"], &["2:2:0,0,8,6"]);
    let (job, hints) = given.check(SIZE, FRAMES).expect("all inside");
    assert_eq!((job.objects.len(), hints.len()), (2, 0));
    assert!(statements(&(0..1000).map(|_| "0:1:1,1").collect::<Vec<_>>(), &[]).check(SIZE, FRAMES).is_ok());
}

#[test]
fn box_over_the_border_is_cut_with_a_hint() {
    let (job, hints) = statements(&[], &["0:1:-3,2,100,4"]).check(SIZE, FRAMES).expect("partly inside");
    let Prompt::Clicks { bounds: Some(bounds), .. } = &job.objects[&ObjectId(1)].frames[&FrameIdx(0)] else {
        panic!("a box")
    };
    assert_eq!(*bounds, BoxPrompt { x0: 0.0, y0: 2.0, x1: 8.0, y1: 4.0 });
    assert!(hints[0].contains("cut at the border"), "{hints:?}");
}

#[test]
fn ranges_are_checked_against_clip_and_prompts() {
    let cases = [((5, 2), "backwards"), ((0, 10), "last frame, 9"), ((1, 9), "outside the range")];
    for ((first, last), part) in cases {
        let range = Some((FrameIdx(first), FrameIdx(last)));
        let message = refusal(Statements { range, ..statements(&["0:1:1,1"], &[]) }, part);
        assert!(message.contains(part), "{part} is not in: {message}");
    }
}

#[test]
fn masks_are_read_and_checked() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let write = |name: &str, mask: &Mask| {
        let path = folder.path().join(name);
        npy::write_mask(&path, mask).expect("writable");
        path
    };
    let mask = Mask::from_fn(SIZE, |i| i % 3 == 0);
    let other_size = FrameSize { width: 6, height: 8 };
    let good = write("good.npy", &mask);
    let empty = write("empty.npy", &Mask::empty(SIZE));
    let turned = write("turned.npy", &Mask::from_fn(other_size, |_| true));
    let missing = folder.path().join("missing.png");
    let given = |paths: &[&Path], points: &[&str]| {
        let mut all = statements(points, &[]);
        for path in paths {
            let arg = parse_mask(format!("2:1:{}", path.display()).as_ref()).expect("a mask");
            all.list.push((arg.frame, arg.object, arg.statement));
        }
        all
    };
    let (job, _) = given(&[&good], &[]).check(SIZE, FRAMES).expect("a sound mask");
    assert_eq!(job.objects[&ObjectId(1)].frames[&FrameIdx(2)], Prompt::Mask(mask));

    let cases: [(&str, Statements, Exit, &str); 5] = [
        ("empty", given(&[&empty], &[]), Exit::Usage, "no object pixel"),
        ("other size", given(&[&turned], &[]), Exit::Usage, "6x8"),
        ("missing", given(&[&missing], &[]), Exit::Input, "missing.png"),
        ("mask and click", given(&[&good], &["2:1:1,1"]), Exit::Usage, "stands alone"),
        ("two masks", given(&[&good, &good], &[]), Exit::Usage, "two masks"),
    ];
    for (case, statements, expected, part) in cases {
        let Err(CliError::Told { exit, message }) = statements.check(SIZE, FRAMES) else { panic!("{case}") };
        assert_eq!(exit, expected, "{case}: {message}");
        assert!(message.contains(part), "{case}: {part} is not in: {message}");
    }
}

#[test]
fn the_documented_prompt_file_is_one() {
    let page = include_str!("../docs/command-line.md");
    let (_, rest) = page.split_once("```json").expect("an example");
    let (example, _) = rest.split_once("```").expect("its end");
    let file: PromptFile = serde_json::from_str(example).expect("as documented");
    assert_eq!((file.objects.len(), file.range), (2, Some((FrameIdx(0), FrameIdx(80)))));
}

#[test]
fn prompt_file_says_the_same_as_flags_and_survives_writing() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("prompts.json");
    npy::write_mask(&folder.path().join("m.npy"), &Mask::from_fn(SIZE, |i| i > 40)).expect("writable");
    let text = r#"{"objects":[
        {"id":7,"name":"ball","prompts":[{"frame":4,"mask":"m.npy"}]},
        {"id":1,"prompts":[{"frame":0,"points":[[1,2],[3,4.5]],"labels":[1,0],"box":[0,0,5,5]},
            {"frame":3,"mask":{"size":{"width":8,"height":6},"runs":[40,8]}}]}],"range":[0,8]}"#;
    std::fs::write(&path, text).expect("writable");
    let read = |path: &Path| read_prompt_file(path).expect("sound").check(SIZE, FRAMES).expect("inside").0;
    let job: JobPrompts = read(&path);
    assert_eq!(job.range, Some((FrameIdx(0), FrameIdx(8))));
    assert_eq!(job.objects[&ObjectId(7)].name.as_deref(), Some("ball"));
    let flags = statements(&["0:1:1,2", "0:1:3,4.5:neg"], &["0:1:0,0,5,5"]).check(SIZE, FRAMES).expect("inside").0;
    assert_eq!(job.objects[&ObjectId(1)].frames[&FrameIdx(0)], flags.objects[&ObjectId(1)].frames[&FrameIdx(0)]);

    let again = folder.path().join("again.json");
    std::fs::write(&again, serde_json::to_string(&PromptFile::from(&job)).expect("plain data")).expect("writable");
    assert_eq!(read(&again), job);
}

#[test]
fn unsound_prompt_files_are_refused_with_name_and_reason() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("prompts.json");
    let prompt = |prompt: &str| format!(r#"{{"objects":[{{"id":1,"prompts":[{prompt}]}}]}}"#);
    let cases = [
        ("expected", "[1".to_owned()),
        ("unknown field `point`", prompt(r#"{"frame":0,"point":[[1,1]],"labels":[1]}"#)),
        ("2 points and 1 labels", prompt(r#"{"frame":0,"points":[[1,1],[2,2]],"labels":[1]}"#)),
        ("not 2", prompt(r#"{"frame":0,"points":[[1,1]],"labels":[2]}"#)),
        ("no points, box or mask", prompt(r#"{"frame":0}"#)),
        ("invalid value", prompt(r#"{"frame":-1,"points":[[1,1]],"labels":[1]}"#)),
        ("did not match", prompt(r#"{"frame":0,"mask":{"size":{"width":8,"height":6},"runs":[40]}}"#)),
    ];
    for (part, text) in cases {
        std::fs::write(&path, text).expect("writable");
        let message = read_prompt_file(&path).expect_err(part).to_string();
        assert!(message.contains(part) && message.contains("prompts.json"), "{part} is not in: {message}");
    }
    std::fs::write(&path, prompt(r#"{"frame":0,"points":[[1e39,1]],"labels":[1]}"#)).expect("writable");
    let message = refusal(read_prompt_file(&path).expect("JSON is sound"), "an x beyond f32");
    assert!(message.contains("outside"), "{message}");
}
