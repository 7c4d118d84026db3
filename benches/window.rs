//! What an update of the window costs its thread, with all panels: a 4K clip and a clip of two hours, each with 20
//! objects that have a mask on every frame.
//!
//!     cargo bench --bench window
//!
//! Measured as DECISIONS.md says: the main schedule without the render world, by the thread's own CPU clock, median and
//! maximum. Exits 1 when zooming or panning takes 4 ms at the median or a step of scrubbing takes 20 ms. Needs the
//! `ffmpeg` program to make the clips, and Linux for the clock.

#[path = "../tests/window_support/mod.rs"]
mod window_support;

use std::path::Path;
use std::process::{Command, ExitCode};

use bevy::input::ButtonState;
use bevy::prelude::*;
use label_hub::app::action::Action;
use label_hub::app::labels;
use label_hub::app::state::StoreLink;
use label_hub::label::{
    Change, Edit, FrameIdx, FrameMark, FrameSize, Mask, ObjectFacts, ObjectId, Provenance, palette,
};
use window_support::BlindWindow;

/// A clip that the window is measured on.
struct Case {
    name: &'static str,
    size: FrameSize,
    frames: u32,
    rate: u32,
    /// Masks each object has; they repeat along the clip.
    masks: u32,
}

const CASES: [Case; 2] = [
    Case { name: "4K", size: FrameSize { width: 3840, height: 2160 }, frames: 90, rate: 30, masks: 90 },
    Case { name: "two hours", size: FrameSize { width: 480, height: 270 }, frames: 108_000, rate: 15, masks: 30 },
];
const OBJECTS: u32 = 20;
const WINDOW: [u32; 2] = [1920, 1080];
/// A third of the clip's pictures, so that scrubbing has to decode and to let go.
const CACHE_BYTES: usize = 400 << 20;
/// Updates of each kind.
const ROUNDS: usize = 240;
const MAX_MEDIAN_MS: f64 = 4.0;
const MAX_SCRUB_MS: f64 = 20.0;

fn main() -> ExitCode {
    // All of them, also where the first is too slow.
    let measured: Vec<bool> = CASES.iter().map(measure).collect();
    if measured.contains(&false) { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

/// Measures a clip and says whether it stays within the limits.
fn measure(case: &Case) -> bool {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let clip = folder.path().join("clip.mp4");
    make_clip(case, &clip);
    let mut window = BlindWindow::new(WINDOW, CACHE_BYTES);
    window.open(&clip);
    add_objects(case, &mut window);
    window.act(Action::GoTo(FrameIdx(1)));
    window.wait_for_picture();
    println!(
        "{}: {} x {}, {OBJECTS} objects, {} frames, window {} x {}; CPU time of an update",
        case.name, case.size.width, case.size.height, case.frames, WINDOW[0], WINDOW[1]
    );
    println!("{:<28}{:>8}{:>10}{:>10}", "what", "updates", "median", "max");

    let zoom = zoom(&mut window);
    let pan = pan(&mut window);
    report("pointer over the picture", &hover(&mut window));
    report("zoom", &zoom);
    report("pan", &pan);
    let scrub = scrub(case, &mut window);
    report("scrub", &scrub);
    let step = step_through(case, &mut window);
    report("step, with its picture", &step);
    report("approve and take it back", &approve(&mut window));
    report("masks of a run arrive", &run_arrives(&mut window));

    let is_fast = median(&zoom) < MAX_MEDIAN_MS && median(&pan) < MAX_MEDIAN_MS;
    let is_smooth = max(&scrub).max(max(&step)) <= MAX_SCRUB_MS;
    println!(
        "limits: zoom and pan under {MAX_MEDIAN_MS} ms at the median: {}; no step of scrubbing above {MAX_SCRUB_MS} ms: {}",
        word(is_fast),
        word(is_smooth)
    );
    is_fast && is_smooth
}

fn word(holds: bool) -> &'static str {
    if holds { "yes" } else { "NO" }
}

fn make_clip(case: &Case, path: &Path) {
    let source = format!("testsrc2=size={}x{}:rate={}", case.size.width, case.size.height, case.rate);
    let status = Command::new("ffmpeg")
        .args(["-loglevel", "error", "-f", "lavfi", "-i", &source, "-frames:v", &case.frames.to_string()])
        .args(["-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p"])
        .arg(path)
        .status()
        .expect("this bench needs the ffmpeg program");
    assert!(status.success(), "ffmpeg makes the clip");
}

/// Wobbly discs of about 500 pixels, that move, one per object and frame.
fn add_objects(case: &Case, window: &mut BlindWindow) {
    let store = window.app.world().resource::<StoreLink>().clone();
    for number in 0..OBJECTS {
        let id = ObjectId(number + 1);
        let facts = ObjectFacts {
            name: format!("object {id}"),
            class: None,
            colour: palette::colour_of(id),
            is_hidden: false,
            is_locked: false,
            revision: 1,
        };
        let mut changes = vec![Change::Object { id, before: None, after: Some(facts) }];
        let masks: Vec<Mask> = (0..case.masks).map(|frame| disc(case.size, number, frame)).collect();
        let ids: Vec<_> = masks.iter().map(|mask| store.write().put(mask)).collect();
        for frame in 0..case.frames {
            let at = (frame % case.masks) as usize;
            let mark = FrameMark {
                mask: ids[at],
                provenance: Provenance::Tracked,
                revision: 1,
                is_approved: false,
                area: masks[at].area(),
                object_score: 9.0,
                predicted_iou: 0.9,
                stability: 0.95,
            };
            changes.push(Change::Mark { object: id, frame: FrameIdx(frame), before: None, after: Some(mark) });
        }
        labels::apply(window.app.world_mut(), &Edit { name: "add".to_owned(), changes });
    }
    window.act(Action::Select(ObjectId(3)));
}

fn disc(size: FrameSize, number: u32, frame: u32) -> Mask {
    let (column, row) = (number % 5, number / 5);
    // In pixels of a 4K picture, then of this one.
    let scale = f64::from(size.width) / 3840.0;
    let (cx, cy) = (f64::from(column * 760 + 400 + frame * 2) * scale, f64::from(row * 520 + 290 + frame % 30) * scale);
    let mut spans = Vec::new();
    let mut runs = Vec::new();
    for y in 0..size.height {
        let dy = f64::from(y) - cy;
        let radius = (250.0 + 12.0 * (f64::from(y) * 0.7 + f64::from(number)).sin()) * scale;
        if dy.abs() < radius {
            let half = (radius * radius - dy * dy).sqrt();
            let (x0, x1) = ((cx - half).max(0.0) as u32, (cx + half).min(f64::from(size.width)) as u32);
            if x0 < x1 {
                spans.push((y * size.width + x0, y * size.width + x1));
            }
        }
    }
    let mut at = 0;
    for (start, end) in spans {
        runs.extend([start - at, end - start]);
        at = end;
    }
    runs.push(size.area() as u32 - at);
    Mask::from_runs(size, runs).expect("rows one after the other")
}

/// An update, in milliseconds of this thread's CPU time.
fn update(window: &mut BlindWindow) -> f64 {
    let before = thread_secs();
    window.app.update();
    (thread_secs() - before) * 1e3
}

fn thread_secs() -> f64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `time` is a valid place for the answer.
    let answer = unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &raw mut time) };
    assert_eq!(answer, 0, "Linux has a clock for each thread");
    time.tv_sec as f64 + time.tv_nsec as f64 * 1e-9
}

fn hover(window: &mut BlindWindow) -> Vec<f64> {
    let canvas = window.canvas();
    (0..ROUNDS)
        .map(|round| {
            let share = round as f32 / ROUNDS as f32;
            window.move_to(canvas.min + canvas.size() * Vec2::new(share, 0.3 + 0.4 * share));
            update(window)
        })
        .collect()
}

fn zoom(window: &mut BlindWindow) -> Vec<f64> {
    let middle = window.canvas().center();
    window.move_to(middle);
    window.app.update();
    (0..ROUNDS)
        .map(|round| {
            window.wheel(if round % 40 < 20 { 1.0 } else { -1.0 });
            update(window)
        })
        .collect()
}

fn pan(window: &mut BlindWindow) -> Vec<f64> {
    let middle = window.canvas().center();
    window.move_to(middle);
    window.app.update();
    window.wheel(3.0);
    window.app.update();
    window.button(MouseButton::Middle, ButtonState::Pressed);
    window.app.update();
    let times = (0..ROUNDS)
        .map(|round| {
            let angle = round as f32 * 0.1;
            window.move_to(middle + Vec2::new(angle.cos(), angle.sin()) * 150.0);
            update(window)
        })
        .collect();
    window.button(MouseButton::Middle, ButtonState::Released);
    window.app.update();
    times
}

/// Drags along the timeline as fast as updates go; pictures arrive when they are ready.
fn scrub(case: &Case, window: &mut BlindWindow) -> Vec<f64> {
    let canvas = window.canvas();
    // The lanes lie under the canvas, right of their names; the transport bar is between.
    let y = canvas.max.y + 32.0 + 10.0;
    let (left, right) = (150.0, WINDOW[0] as f32 - 10.0);
    window.move_to(Vec2::new(left, y));
    window.app.update();
    window.button(MouseButton::Left, ButtonState::Pressed);
    window.app.update();
    let mut seen = std::collections::BTreeSet::new();
    let times = (0..ROUNDS)
        .map(|round| {
            let share = (round as f32 * 0.013).sin().abs();
            window.move_to(Vec2::new(left + (right - left) * share, y));
            let mut slowest = update(window);
            seen.insert(window.frame());
            while !window.is_picture_here() {
                window.wait_for_news();
                slowest = slowest.max(update(window));
            }
            slowest
        })
        .collect();
    window.button(MouseButton::Left, ButtonState::Released);
    window.app.update();
    assert!(
        seen.len() > (case.frames as usize).min(ROUNDS) / 3,
        "the drag reached {} frames: is the timeline where it was?",
        seen.len()
    );
    times
}

/// Steps frame by frame; the slowest update until its picture is on screen counts.
fn step_through(case: &Case, window: &mut BlindWindow) -> Vec<f64> {
    window.act(Action::First);
    window.wait_for_picture();
    (1..case.frames.min(ROUNDS as u32))
        .map(|_| {
            window.send(Action::Step(1));
            let mut slowest = update(window);
            while !window.is_picture_here() {
                window.wait_for_news();
                slowest = slowest.max(update(window));
            }
            slowest
        })
        .collect()
}

/// A decision about one mask and its undo, by turns.
fn approve(window: &mut BlindWindow) -> Vec<f64> {
    (0..ROUNDS)
        .map(|round| {
            window.send(if round % 2 == 0 { Action::ToggleApproved } else { Action::Undo });
            update(window)
        })
        .collect()
}

/// One object's masks on one frame after the other, as a run brings them.
fn run_arrives(window: &mut BlindWindow) -> Vec<f64> {
    let store = window.app.world().resource::<StoreLink>().clone();
    let object = ObjectId(3);
    (0..ROUNDS)
        .map(|round| {
            let frame = FrameIdx(round as u32 % 80);
            let before = labels::mark(window.app.world(), object, frame);
            let mask = store.read().get(before.expect("it has a mask").mask).expect("it can be read");
            let after = before.map(|mark| FrameMark { mask: store.write().put(&mask), revision: 2, ..mark });
            let change = Change::Mark { object, frame, before, after };
            labels::apply(window.app.world_mut(), &Edit { name: "track".to_owned(), changes: vec![change] });
            update(window)
        })
        .collect()
}

fn median(times: &[f64]) -> f64 {
    let mut sorted = times.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted[sorted.len() / 2]
}

fn max(times: &[f64]) -> f64 {
    times.iter().copied().fold(0.0, f64::max)
}

fn report(what: &str, times: &[f64]) {
    println!("{what:<28}{:>8}{:>7.2} ms{:>7.2} ms", times.len(), median(times), max(times));
}
