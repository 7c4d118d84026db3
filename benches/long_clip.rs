//! Whether memory stays bounded on a long clip: tracks one object through 5,000 small frames and watches the process's
//! resident memory from frame 500 on.
//!
//!     cargo bench --no-default-features --features video --bench long_clip
//!
//! Needs the `ffmpeg` program to make the clip, and Linux to read resident memory. Exits 1 when memory grew by 50 MB.

use std::path::Path;
use std::process::{Command, ExitCode};
use std::sync::Arc;
use std::time::Instant;

use candle_core::Device;

use label_hub::engine::ClipFrames;
use label_hub::engine::{keep_freed, resident_kib};
use label_hub::label::{FrameIdx, ObjectId, Point, PointLabel};
use label_hub::sam2::Sam2;
use label_hub::sam2::predictor::{ClickPrompt, Predictor, PredictorOptions, PropagationRequest};

const FRAMES: u32 = 5000;
/// Caches are full and thread pools started by then.
const SETTLED: u32 = 500;
const MAX_GROWTH_KIB: u64 = 50 * 1000 * 1000 / 1024;

fn main() -> ExitCode {
    keep_freed();
    let folder = tempfile::tempdir().expect("a temporary folder");
    let clip = folder.path().join("long.mp4");
    make_clip(&clip);
    let mut frames = ClipFrames::open(&clip).expect("the clip opens");
    assert_eq!(frames.frame_count(), FRAMES);
    let model = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/small/small.safetensors");
    let model = Arc::new(Sam2::load(&model, None, &Device::Cpu).expect("the small model loads"));
    let mut predictor =
        Predictor::new(model, FRAMES, frames.size(), PredictorOptions::unattended()).expect("a temporary folder");
    let click = [Point { x: 48.0, y: 36.0, label: PointLabel::Positive }];
    let prompt = ClickPrompt { points: &click, bounds: None, keep_earlier: false };
    predictor.add_clicks(&mut frames, FrameIdx(0), ObjectId(1), prompt).expect("the click is answered");

    let started = Instant::now();
    let mut run = predictor.start(&mut frames, &PropagationRequest::default()).expect("the run starts");
    let (mut settled, mut largest, mut tracked) = (0, 0, 0);
    while let Some(masks) = predictor.step(&mut run, &mut frames).expect("the frame is tracked") {
        assert_eq!(predictor.video_masks(&masks).len(), 1);
        tracked += 1;
        let frame = masks.frame.0;
        let resident = resident_kib().expect("this bench needs Linux");
        if frame == SETTLED {
            settled = resident;
        }
        if frame >= SETTLED {
            largest = largest.max(resident);
        }
        if frame % SETTLED == 0 {
            println!(
                "frame {frame:5}: {:7.1} MiB resident, {:.0} s",
                resident as f64 / 1024.0,
                started.elapsed().as_secs_f64()
            );
        }
    }
    let growth = largest - settled;
    let verdict = if growth < MAX_GROWTH_KIB && tracked == FRAMES { "ok" } else { "FAIL" };
    println!(
        "{verdict}: {tracked} frames tracked, memory grew by {:.1} MiB after frame {SETTLED}",
        growth as f64 / 1024.0
    );
    if verdict == "ok" { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn make_clip(path: &Path) {
    let source = format!("testsrc2=size=96x72:rate=25:duration={}", FRAMES / 25);
    let status = Command::new("ffmpeg")
        .args(["-v", "error", "-f", "lavfi", "-i", &source, "-pix_fmt", "yuv420p", "-c:v", "libx264"])
        .arg(path)
        .status()
        .expect("the ffmpeg program is installed");
    assert!(status.success(), "ffmpeg made the clip");
}
