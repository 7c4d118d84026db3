//! The sample that comes with the project is what its README says: clip, truth and clicks, and that they agree.

#![cfg(feature = "video")]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use label_hub::cli::prompt_file::read_prompt_file;
use label_hub::cli::prompts::Statement;
use label_hub::engine::{DeviceChoice, open_device};
use label_hub::formats::Truth;
use label_hub::label::{FrameIdx, FrameSize, Mask, ObjectId, Point, PointLabel};
use label_hub::video::{Clip, RgbImage, open_quietly};

const FRAMES: u32 = 100;
const SIZE: FrameSize = FrameSize { width: 854, height: 480 };
const KOI: ObjectId = ObjectId(1);
const RING: ObjectId = ObjectId(2);
const DUCK: ObjectId = ObjectId(3);
const BALL: ObjectId = ObjectId(4);

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("assets/sample")
}

fn clip() -> Clip {
    open_quietly(&folder().join("pond.mp4")).expect("the sample opens")
}

fn truth() -> Truth {
    Truth::read(&folder().join("truth"), SIZE, FRAMES).expect("the truth is sound")
}

/// An object's pixels, frame by frame.
fn areas(truth: &Truth, object: ObjectId) -> Vec<u64> {
    (0..FRAMES).map(|frame| truth.mask(FrameIdx(frame), object).expect("every frame has a truth").area()).collect()
}

#[test]
fn clip_and_truth_have_the_size_and_the_frames_the_readme_says() {
    let clip = clip();
    assert_eq!((clip.frame_count(), clip.size()), (FRAMES, SIZE));
    let rate = clip.frame_rate_hint().expect("an mp4 says its rate");
    assert!((rate - 24.0).abs() < 0.01, "{rate}");
    assert!(clip.notices().is_empty(), "{:?}", clip.notices());
    assert!(truth().frames().eq((0..FRAMES).map(FrameIdx)));
    let readme = fs::read_to_string(folder().join("README.md")).expect("it is there");
    assert!(readme.contains("100 frames at 24 a second, 854x480"), "the README's first lines");
}

#[test]
fn all_of_it_is_under_3_megabytes() {
    let bytes = |folder: &Path| -> u64 {
        let entries = fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("readable"));
        entries.map(|entry| entry.metadata().expect("readable").len()).sum()
    };
    let all = bytes(&folder()) + bytes(&folder().join("truth"));
    assert!(all < 3_000_000, "{all} bytes");
}

#[test]
fn clicks_of_the_readme_and_the_prompts_are_the_same_and_lie_on_their_objects() {
    let (truth, readme) = (truth(), fs::read_to_string(folder().join("README.md")).expect("it is there"));
    let prompts = read_prompt_file(&folder().join("prompts.json")).expect("sound");
    let rows = readme.lines().filter_map(|line| {
        let cells: Vec<&str> = line.split('|').map(str::trim).collect();
        let object = ObjectId(cells.get(1)?.parse().ok()?);
        let (x, y) = cells[4].split_once(',').expect("x,y");
        let click = Point { x: x.parse().ok()?, y: y.parse().ok()?, label: PointLabel::Positive };
        Some((object, (cells[2].to_owned(), FrameIdx(cells[3].parse().ok()?), click)))
    });
    let rows: BTreeMap<ObjectId, _> = rows.collect();
    assert!(rows.keys().copied().eq([KOI, RING, DUCK, BALL]), "{rows:?}");
    assert_eq!(truth.objects(), rows.keys().copied().collect());
    for (object, (name, frame, click)) in rows {
        assert_eq!(prompts.names[&object], name);
        assert!(prompts.list.contains(&(frame, object, Statement::Click(click))), "{name}");
    }
    for (frame, object, statement) in &prompts.list {
        let Statement::Click(Point { x, y, label: PointLabel::Positive }) = statement else { continue };
        let mask = truth.mask(*frame, *object).expect("every frame has a truth");
        // Well inside: a hand that misses by a few pixels still hits.
        for (dx, dy) in [(0, 0), (-12, 0), (12, 0), (0, -12), (0, 12)] {
            assert!(mask.contains((*x as i32 + dx) as u32, (*y as i32 + dy) as u32), "{object}: {x},{y} {dx},{dy}");
        }
    }
}

#[test]
fn what_the_readme_tells_of_each_object_happens() {
    let truth = truth();
    let most = |areas: &[u64]| *areas.iter().max().expect("frames") as f64;
    let picture = SIZE.area() as f64;
    for object in [KOI, RING, DUCK, BALL] {
        let share = most(&areas(&truth, object)) / picture;
        assert!((0.04..0.15).contains(&share), "object {object} covers {share} of the picture");
    }

    let koi = areas(&truth, KOI);
    let hidden = koi.iter().filter(|&&area| (area as f64) < 0.5 * most(&koi)).count();
    assert!(hidden >= 40 && koi.iter().all(|&area| area > 0), "hidden on {hidden} frames");

    let ring = truth.mask(FrameIdx(0), RING).expect("a truth");
    let around = ring.bounding_box().expect("it is there");
    assert!(!ring.contains(around.x0.midpoint(around.x1), around.y0.midpoint(around.y1)), "its hole");

    let ball = areas(&truth, BALL);
    let leaves = ball.iter().position(|&area| area == 0).expect("it leaves");
    let returns = leaves + ball[leaves..].iter().position(|&area| area > 0).expect("it comes back");
    assert!((12..40).contains(&(returns - leaves)), "away from frame {leaves} to {returns}");
    assert!(*ball.last().expect("frames") as f64 > 0.9 * most(&ball), "whole at the end");
}

/// How much brightness or colour changes across the left and right ends of a mask's rows.
fn step_at_the_edge(image: &RgbImage, mask: &Mask) -> f64 {
    let width = SIZE.width as usize;
    let pixel = |at: usize| [0, 1, 2].map(|channel| i32::from(image.pixels[3 * at + channel]));
    let step = |a: usize, b: usize| pixel(a).iter().zip(pixel(b)).map(|(a, b)| (a - b).abs()).sum::<i32>();
    let ends = mask.spans().filter(|(start, end)| start % width > 2 && end % width > 0 && end % width + 2 < width);
    let steps: Vec<i32> = ends.flat_map(|(start, end)| [step(start + 1, start - 2), step(end - 2, end + 1)]).collect();
    f64::from(steps.iter().sum::<i32>()) / steps.len() as f64
}

/// The ball moves fast, so its outline on the frame before or after would miss it.
#[test]
fn truth_lies_on_the_decoded_pictures_of_its_own_frames() {
    let (clip, truth) = (clip(), truth());
    let mut reader = clip.reader().expect("a reader");
    for frame in [3, 6, 9, 11] {
        let image = reader.frame(FrameIdx(frame)).expect("it decodes").to_rgb();
        let step = |frame| step_at_the_edge(&image, &truth.mask(FrameIdx(frame), BALL).expect("a truth"));
        let (before, here, after) = (step(frame - 1), step(frame), step(frame + 1));
        assert!(here > before && here > after, "frame {frame}: {before:.0}, {here:.0}, {after:.0}");
    }
    for object in [KOI, RING, DUCK, BALL] {
        let image = reader.frame(FrameIdx(0)).expect("it decodes").to_rgb();
        let step = step_at_the_edge(&image, &truth.mask(FrameIdx(0), object).expect("a truth"));
        assert!(step > 90.0, "object {object}: {step:.0}");
    }
}

/// Tracks the duck from one click with the model that ships; returns what the program told.
fn track_the_duck(device: &str, out: &Path) -> String {
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_label-hub"));
    command.arg("track").arg(folder().join("pond.mp4")).args(["--model", "starter", "--point", "0:3:594,150"]);
    command.args(["--range", "0..20", "--json", "--device", device, "--truth"]).arg(folder().join("truth"));
    let output = command.arg("--out").arg(out).output().expect("the program starts");
    let told = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{told}{}", String::from_utf8_lossy(&output.stderr));
    told
}

#[test]
fn the_starter_follows_the_duck_from_one_click() {
    let out = tempfile::tempdir().expect("a temporary folder");
    let told = track_the_duck("cpu", &out.path().join("masks"));
    let lines = told.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).expect("a JSON line"));
    let score = lines.into_iter().find(|line| line["event"] == "score").expect("a score");
    let j = score["j"].as_f64().expect("a number");
    // A model that finds nothing, or everything, is far below; which model it is exactly is the held-out table's matter.
    assert!(j > 0.8, "J is {j}");
}

#[test]
fn rounded_products_find_the_same_duck() {
    if open_device(DeviceChoice::CpuBf16).is_err() {
        println!("SKIPPED: this processor has no instructions for bf16");
        return;
    }
    let out = tempfile::tempdir().expect("a temporary folder");
    let folders = ["cpu:f32", "cpu:bf16"].map(|device| {
        let masks = out.path().join(device.replace(':', "-"));
        track_the_duck(device, &masks);
        masks
    });
    let mut are_equal = true;
    for frame in 0..=20 {
        let [f32, bf16] = folders.each_ref().map(|folder| {
            let path = folder.join(format!("{frame}_3.npy"));
            let mask: ndarray::Array2<u8> = ndarray_npy::read_npy(&path).expect("a mask");
            mask
        });
        let count = |of: fn(&u8, &u8) -> bool| f32.iter().zip(&bf16).filter(|(a, b)| of(a, b)).count() as f64;
        let iou = count(|a, b| a & b > 0) / count(|a, b| a | b > 0);
        assert!(iou >= 0.98, "frame {frame}: IoU {iou}");
        are_equal &= f32 == bf16;
    }
    assert!(!are_equal, "nothing was rounded");
}
