//! `--stream` through the built program: which of a file's video streams a command works on, and what keeps two of them
//! apart.

#![cfg(feature = "video")]

mod cli_support;
mod engine_support;
mod video_support;

use std::fs;
use std::path::{Path, PathBuf};

use cli_support::{begin_in, expect, fox, json_lines, look, of_kind, project_of, shown};
use engine_support::{clicks, positive};
use label_hub::label::FrameSize;
use label_hub::store::project_path;
use label_hub::video::RgbImage;
use video_support::{number_in, open, open_stream, two_streams};

/// Frames of stream 1: the base clip's from this one on.
const FIRST_OF_1: u32 = 20;
const FRAMES_OF_1: u32 = 40;
const SIZE_OF_1: FrameSize = FrameSize { width: 160, height: 96 };

/// A clip with two streams in a folder of its own.
fn clip_at_home() -> (tempfile::TempDir, PathBuf) {
    let home = tempfile::tempdir().expect("a temporary folder");
    let clip = home.path().canonicalize().expect("it is there").join("two.mp4");
    fs::copy(two_streams("two_streams.mp4"), &clip).expect("writable");
    (home, clip)
}

fn small_model() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/small/small.safetensors")
}

fn number_in_file(path: &Path) -> u32 {
    let image = image::open(path).unwrap_or_else(|error| panic!("{}: {error}", path.display())).into_rgb8();
    number_in(&RgbImage { size: FrameSize { width: image.width(), height: image.height() }, pixels: image.into_raw() })
}

#[test]
fn extract_takes_the_frames_of_the_stream_and_mixes_no_folder() {
    let (home, clip) = clip_at_home();
    let extract =
        |flags: &[&'static str]| [&["extract", shown(&clip), "--out", "frames", "--every", "15"], flags].concat();
    let (_, stderr) = expect(home.path(), 0, &extract(&["--stream", "1"]));
    assert!(!stderr.contains("video streams"), "whoever asks for a stream knows: {stderr}");
    for frame in (0..FRAMES_OF_1).step_by(15) {
        let picture = home.path().join(format!("frames/{frame:05}.png"));
        assert_eq!(number_in_file(&picture), frame + FIRST_OF_1);
    }
    let (stdout, _) = expect(home.path(), 0, &extract(&["--stream", "1", "--json"]));
    assert_eq!(of_kind(&json_lines(&stdout), "done")[0]["already_there"], 3, "the same stream goes on");
    let (_, stderr) = expect(home.path(), 2, &extract(&[]));
    assert!(stderr.contains("holds frames of another stream"), "{stderr}");
    assert!(stderr.contains("choose another with --stream N: 1 (mpeg4, 160x96)"), "{stderr}");
}

#[test]
fn a_stream_that_is_not_there_is_wrong_usage() {
    let (home, clip) = clip_at_home();
    for command in ["extract two.mp4 --out frames", "info two.mp4"] {
        let args: Vec<&str> = command.split(' ').chain(["--stream", "7"]).collect();
        let (_, stderr) = expect(home.path(), 2, &args);
        for part in ["two.mp4: stream 7 is not", "0 (h264, 160x120), 1 (mpeg4, 160x96)"] {
            assert!(stderr.contains(part), "{command}: {part} is not in: {stderr}");
        }
    }
    let images = home.path().join("images");
    expect(home.path(), 0, &["extract", shown(&clip), "--out", shown(&images), "--every", "30"]);
    let (_, stderr) = expect(home.path(), 2, &["info", shown(&images), "--stream", "0"]);
    assert!(stderr.contains("images have no streams"), "{stderr}");
    let (_, stderr) = expect(home.path(), 2, &["info", "--stream", "0"]);
    assert!(stderr.contains("VIDEO|DIR"), "{stderr}");
    let project = ["track", "--project", "two.mp4.labelhub", "--model", "fake", "--stream", "1"];
    let (_, stderr) = expect(home.path(), 2, &project);
    assert!(stderr.contains("--stream"), "{stderr}");
    fs::write(home.path().join("two.mp4.labelhub"), "for its name").expect("writable");
    let (_, stderr) = expect(home.path(), 2, &["two.mp4.labelhub", "--stream", "1"]);
    assert!(stderr.contains("a project has a stream of its own"), "{stderr}");
}

#[test]
fn info_lists_the_streams() {
    let (home, clip) = clip_at_home();
    let (stdout, _) = expect(home.path(), 0, &["info", shown(&clip)]);
    for part in
        ["0 (h264, 160x120), shown; 1 (mpeg4, 160x96); --stream N shows another", "2 video streams: stream 0 is shown"]
    {
        assert!(stdout.contains(part), "{part} is not in: {stdout}");
    }
    let json = |flags: &[&'static str]| {
        let (stdout, _) = expect(home.path(), 0, &[&["info", shown(&clip), "--json"], flags].concat());
        json_lines(&stdout)[0]["clip"].clone()
    };
    let (by_default, asked, other) = (json(&[]), json(&["--stream", "0"]), json(&["--stream", "1"]));
    assert_eq!(by_default["identity"], asked["identity"]);
    assert_eq!((&other["stream"], &other["codec"], &other["frame_count"]), (&1.into(), &"mpeg4".into(), &40.into()));
    assert_eq!(other["streams"], by_default["streams"]);
    let size = serde_json::json!({"width": 160, "height": 96});
    assert_eq!(other["streams"][1], serde_json::json!({"index": 1, "codec": "mpeg4", "size": size}));
    assert_ne!(other["identity"], by_default["identity"]);
}

#[test]
fn a_run_goes_on_with_its_own_stream_only() {
    let (home, clip) = clip_at_home();
    let model = small_model();
    let track = |flags: &[&'static str]| {
        let run = ["track", shown(&clip), "--model", shown(&model), "--device", "cpu", "--point", "0:1:80,50"];
        [&run[..], &["--range", "0..1"], flags].concat()
    };
    let (_, stderr) = expect(home.path(), 0, &track(&["--stream", "1"]));
    assert!(!stderr.contains("--stream N"), "{stderr}");
    let masks = home.path().join("two_stream1_masks");
    let first = fs::read(masks.join("0_1.npy")).expect("a mask");
    label_hub::formats::npy::read_mask(&masks.join("1_1.npy"), SIZE_OF_1).expect("as large as the stream's frames");

    let (_, stderr) = expect(home.path(), 0, &track(&["--stream", "1"]));
    assert!(stderr.contains("all 2 masks are already there"), "{stderr}");
    let (_, stderr) = expect(home.path(), 2, &track(&["--out", "two_stream1_masks"]));
    assert!(stderr.contains("--stream was 1 and is now not given"), "{stderr}");
    assert_eq!(fs::read(masks.join("0_1.npy")).expect("a mask"), first);

    let (_, stderr) = expect(home.path(), 0, &track(&[]));
    assert!(stderr.contains("choose another with --stream N"), "{stderr}");
    let manifest = fs::read_to_string(home.path().join("two_masks/labelhub-run.json")).expect("beside the masks");
    assert!(!manifest.contains("stream"), "the default is not recorded: {manifest}");
    let (_, stderr) = expect(home.path(), 0, &track(&["--stream", "0"]));
    assert!(stderr.contains("all 2 masks are already there"), "asked for by its number it is the same: {stderr}");
    let (_, stderr) = expect(home.path(), 2, &track(&["--stream", "1", "--out", "two_masks"]));
    assert!(stderr.contains("--stream was not given and is now 1"), "{stderr}");
}

#[test]
fn a_project_goes_on_with_its_own_stream() {
    let (home, clip) = clip_at_home();
    let chosen = open_stream(&clip, 1).unwrap_or_else(|error| panic!("{error}"));
    let project = project_path(&clip, home.path(), chosen.identity().as_str());
    assert_eq!(project, clip.with_file_name("two.mp4.stream1.labelhub"));
    begin_in(&project, &chosen, &[fox(&[0])], |_| clicks(&[positive(80.0, 50.0)]));
    expect(home.path(), 0, &["track", "--project", shown(&project), "--model", "fake"]);
    let seen = look(&project);
    assert_eq!(seen.frames(1), (0..FRAMES_OF_1).collect::<Vec<u32>>());
    assert!(seen.masks.values().all(|mask| mask.size() == SIZE_OF_1));

    let export = ["export", shown(&project), "--format", "davis", "--images", "png", "--every", "30"];
    let (stdout, _) = expect(home.path(), 0, &[&export[..], &["--out", "davis"]].concat());
    assert!(stdout.contains("2 masks, 2 pictures"), "{stdout}");
    expect(home.path(), 0, &["import", shown(&project), "davis"]);
    assert_eq!(look(&project).objects.len(), 2, "what was exported came back");

    let (_, stderr) = expect(home.path(), 5, &["export", shown(&clip), "--format", "npy", "--out", "none"]);
    assert!(stderr.contains("has no project yet"), "the clip's own stream has none: {stderr}");
    // Each is read by its own decoder in one dataset.
    begin_in(&project_of(&clip), &open(&clip), &[fox(&[0])], |_| clicks(&[positive(80.0, 50.0)]));
    expect(home.path(), 0, &["track", "--project", shown(&clip), "--model", "fake", "--range", "0..9"]);
    let both = ["export", shown(&clip), shown(&project), "--format", "coco", "--images", "png", "--every", "5"];
    let (stdout, _) = expect(home.path(), 0, &[&both[..], &["--frames", "masks", "--out", "both"]].concat());
    assert!(stdout.contains("12 masks, 10 pictures"), "{stdout}");
    for (picture, number) in [("two_00005.png", 5), ("two-2_00005.png", 5 + FIRST_OF_1)] {
        assert_eq!(number_in_file(&home.path().join("both/images/train").join(picture)), number, "{picture}");
    }
    // Both where nobody looked for them.
    let elsewhere = home.path().join("elsewhere");
    fs::create_dir(&elsewhere).expect("writable");
    let moved = elsewhere.join("two.mp4.stream1.labelhub");
    fs::rename(&project, &moved).expect("the same disk");
    fs::rename(&clip, elsewhere.join("two.mp4")).expect("the same disk");
    assert_eq!(look(&moved).frames(1).len(), FRAMES_OF_1 as usize);
}
