//! Whether the project file carries a long clip: 100,000 masks as a tracker gives them, 20 objects over 5,000 frames.
//!
//!     cargo bench --no-default-features --bench project -- [--frames N]
//!
//! Wanted: under 200 MB, opened in under 2 s, a frame's 20 masks read in under 10 ms. Exits 1 when one does not hold.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Instant;

use label_hub::label::{
    Change, ClipRecord, Edit, FrameIdx, FrameMark, FrameSize, Mask, ObjectFacts, ObjectId, Provenance, palette,
};
use label_hub::store::{
    Durability, HistoryChange, LabelStore, OnOtherClip, OpenOptions, ProjectStore, SaveState, Snapshot,
};

const OBJECTS: u32 = 20;
const SIZE: FrameSize = FrameSize { width: 1920, height: 1080 };
const MAX_BYTES: u64 = 200_000_000;
const MAX_OPEN_SECS: f64 = 2.0;
const MAX_FRAME_MILLIS: f64 = 10.0;
const ROUNDS: usize = 5;

fn main() -> ExitCode {
    let mut frames = 5000;
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        match (argument.as_str(), arguments.next().and_then(|count| count.parse().ok())) {
            ("--bench", _) => {} // cargo passes this, alone or at the end
            ("--frames", Some(count)) => frames = count,
            _ => {
                eprintln!("usage: --frames N");
                return ExitCode::from(2);
            }
        }
    }
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("clip.mp4.labelhub");
    let (fill_secs, finish_millis) = fill(&path, frames);
    let byte_count = std::fs::metadata(&path).expect("the project").len();
    let open_secs: Vec<f64> = (0..ROUNDS).map(|_| time(|| drop(open(&path)))).collect();
    let (load_millis, runs) = load_frames(&path, frames);
    let copy_secs = {
        let (store, _) = open(&path);
        time(|| store.handle().save_copy(&folder.path().join("copy.labelhub")).expect("room for a copy"))
    };

    let masks = u64::from(frames) * u64::from(OBJECTS);
    let (load_median, load_max) = median_and_max(load_millis);
    let (open_median, open_max) = median_and_max(open_secs);
    let (finish_median, finish_max) = median_and_max(finish_millis);
    println!("{masks} masks of {OBJECTS} objects on {frames} frames of {SIZE}, {runs} runs a mask on average\n");
    println!("| what | figure | wanted |\n|---|---|---|");
    println!(
        "| file | {:.1} MB, {} bytes a mask | < {} MB |",
        byte_count as f64 / 1e6,
        byte_count / masks,
        MAX_BYTES / 1_000_000
    );
    println!(
        "| open, undo history included | {open_median:.2} s median, {open_max:.2} s most of {ROUNDS} | < {MAX_OPEN_SECS} s |"
    );
    println!(
        "| a frame's {OBJECTS} masks | {load_median:.2} ms median, {load_max:.2} ms most | < {MAX_FRAME_MILLIS} ms |"
    );
    println!("| telling the store a frame | {finish_median:.2} ms median, {finish_max:.2} ms most | |");
    println!("| writing it all | {fill_secs:.1} s, {:.0} frames/s | |", f64::from(frames) / fill_secs);
    println!("| a complete copy | {copy_secs:.2} s | |");
    let is_good = byte_count < MAX_BYTES && open_max < MAX_OPEN_SECS && load_max < MAX_FRAME_MILLIS;
    if is_good { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn clip() -> ClipRecord {
    ClipRecord {
        path: PathBuf::from("/footage/clip.mp4"),
        identity: "ab".repeat(32),
        size: SIZE,
        frame_count: 1_000_000,
        time_base: (1, 90_000),
        pts: (0..1_000_000).map(|n| n * 3003).collect(),
        average_rate: Some(29.97),
    }
}

fn open(path: &Path) -> (ProjectStore, Snapshot) {
    let options = OpenOptions { on_other_clip: OnOtherClip::Refuse, data_folder: None, waker: Arc::new(|| {}) };
    let (store, snapshot, notices) = ProjectStore::open(path, &clip(), options).expect("the project opens");
    assert_eq!(notices, []);
    (store, snapshot)
}

/// Writes the project as a run would; gives the time it took, and that of telling each frame.
fn fill(path: &Path, frames: u32) -> (f64, Vec<f64>) {
    let (mut store, _) = open(path);
    let object = |n: u32| ObjectFacts {
        name: format!("object {n}"),
        class: None,
        colour: palette::colour_of(ObjectId(n)),
        is_hidden: false,
        is_locked: false,
        revision: 1,
    };
    let changes = (1..=OBJECTS).map(|n| Change::Object { id: ObjectId(n), before: None, after: Some(object(n)) });
    tell(&mut store, "new objects", changes.collect(), true);
    let started = Instant::now();
    let millis = (0..frames)
        .map(|frame| {
            let masks: Vec<Mask> = (1..=OBJECTS).map(|object| blob(object, frame)).collect();
            time(|| {
                let changes = masks.iter().zip(1..).map(|(mask, object)| {
                    let after = FrameMark {
                        mask: store.put(mask),
                        provenance: Provenance::Tracked,
                        revision: 1,
                        is_approved: false,
                        area: mask.area(),
                        object_score: 7.0 + (frame % 97) as f32 * 0.013,
                        predicted_iou: 0.9 + (frame % 89) as f32 * 0.0007,
                        stability: 0.95 + (frame % 83) as f32 * 0.0003,
                    };
                    Change::Mark { object: ObjectId(object), frame: FrameIdx(frame), before: None, after: Some(after) }
                });
                let changes = changes.collect();
                tell(&mut store, "track", changes, frame == 0);
            }) * 1e3
        })
        .collect();
    store.close().expect("room for the project");
    assert_eq!(store.saved(), SaveState::Saved);
    (started.elapsed().as_secs_f64(), millis)
}

fn tell(store: &mut ProjectStore, name: &str, changes: Vec<Change>, is_new_step: bool) {
    let edit = Edit { name: name.to_owned(), changes };
    store.record(&edit);
    store.note_history(if is_new_step {
        HistoryChange::Push { edit, is_follow_up: false }
    } else {
        HistoryChange::Extend { below: 0, changes: edit.changes }
    });
    store.finish(Durability::Batched);
}

/// An uneven blob about 300 rows high that drifts, breathes and has a wobbly edge, as tracked masks do.
fn blob(object: u32, frame: u32) -> Mask {
    let (object, time) = (f64::from(object), f64::from(frame) * 0.04);
    let centre_x = 960.0 + 500.0 * (time * 0.11 + object).sin();
    let centre_y = 540.0 + 250.0 * (time * 0.07 + object * 1.7).cos();
    let (half_height, width) = (150.0 + 12.0 * (time * 0.5 + object).sin(), 110.0 + 30.0 * (object * 2.3).sin());
    let edge = |row: f64, side: f64| {
        let wave = 14.0 * (row * 0.05 + side * 2.0 + time).sin() + 6.0 * (row * 0.21 + side + time * 1.3).sin();
        // What changes from row to row and frame to frame without a pattern.
        let seed = (row * 12.9898 + side * 78.233 + time * 37.719 + object).sin() * 43758.5453;
        wave + (seed - seed.floor()) * 2.5
    };
    let area = SIZE.area() as u32;
    let (mut runs, mut at) = (Vec::with_capacity(700), 0_u32);
    let first = (centre_y - half_height).max(0.0) as u32;
    let last = ((centre_y + half_height) as u32).min(SIZE.height - 1);
    for row in first..=last {
        let y = (f64::from(row) - centre_y) / half_height;
        let half = width * (1.0 - y * y).max(0.0).sqrt();
        let left = (centre_x - half + edge(f64::from(row), 0.0)).clamp(0.0, 1918.0) as u32;
        let right = (centre_x + half + edge(f64::from(row), 1.0)).clamp(f64::from(left) + 1.0, 1919.0) as u32;
        let (start, end) = (row * SIZE.width + left, row * SIZE.width + right);
        runs.extend([start - at, end - start]);
        at = end;
    }
    runs.push(area - at);
    Mask::from_runs(SIZE, runs).expect("runs of rows in order")
}

/// Times the reading of each frame's masks, in an order that jumps about; gives the average number of runs too.
fn load_frames(path: &Path, frames: u32) -> (Vec<f64>, usize) {
    let (store, snapshot) = open(path);
    let mut by_frame = vec![Vec::new(); frames as usize];
    for (_, frame, mark) in &snapshot.marks {
        by_frame[frame.as_usize()].push(mark.mask);
    }
    let (mut runs, mut masks) = (0, 0);
    let count = by_frame.len();
    let order = (0..count).map(|n| n * 1237 % count);
    let millis = order
        .map(|frame| {
            time(|| {
                for id in &by_frame[frame] {
                    runs += store.get(*id).expect("a mask of the snapshot").runs().len();
                    masks += 1;
                }
            }) * 1e3
        })
        .collect();
    (millis, runs / masks.max(1))
}

fn time(act: impl FnOnce()) -> f64 {
    let started = Instant::now();
    act();
    started.elapsed().as_secs_f64()
}

fn median_and_max(mut figures: Vec<f64>) -> (f64, f64) {
    figures.sort_by(f64::total_cmp);
    (figures[figures.len() / 2], figures[figures.len() - 1])
}
