//! How close sequential decoding through [`Reader`](label_hub::video::Reader) comes to the `ffmpeg` program alone.
//!
//! `cargo bench --no-default-features --features video --bench decode -- [VIDEO ...] [--threads N]`
//! Both sides decode the same file with the same threads and throw the pictures away; the best of three rounds counts.
//! The ratio is our frames per second over ffmpeg's; at least 0.9 is wanted.

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::Instant;

use label_hub::label::FrameIdx;
use label_hub::video;

const ROUNDS: usize = 3;
const WANTED_RATIO: f64 = 0.9;

fn main() -> ExitCode {
    let mut threads = std::thread::available_parallelism().map_or(1, usize::from);
    let mut videos: Vec<PathBuf> = Vec::new();
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            // Cargo passes this to every bench.
            "--bench" => {}
            "--threads" => match arguments.next().and_then(|count| count.parse().ok()) {
                Some(count) => threads = count,
                None => {
                    eprintln!("--threads wants a number");
                    return ExitCode::from(2);
                }
            },
            _ => videos.push(argument.into()),
        }
    }
    if videos.is_empty() {
        videos.push(generated());
        let shared = std::env::var_os("LABEL_HUB_SHARED").map_or_else(|| "../shared".into(), PathBuf::from);
        let real = ["bedroom.mp4", "juggle.mp4", "dog.mp4"].map(|name| shared.join("video").join(name));
        videos.extend(real.into_iter().filter(|path| path.exists()));
    }
    let mut is_good = true;
    for path in &videos {
        let (ours_secs, frames, theirs_secs) = measure(path, threads);
        let ratio = theirs_secs / ours_secs;
        is_good &= ratio >= WANTED_RATIO;
        println!(
            "{}: {frames} frames, {threads} threads, reader {:.1} frames/s, ffmpeg {:.1} frames/s, ratio {ratio:.2}",
            path.display(),
            f64::from(frames) / ours_secs,
            f64::from(frames) / theirs_secs,
        );
    }
    if is_good { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Best times of both sides, taken in turn so that a busy moment hits both.
fn measure(path: &Path, threads: usize) -> (f64, u32, f64) {
    let clip = video::open_quietly(path).unwrap_or_else(|error| panic!("{error}"));
    let (mut ours_secs, mut theirs_secs) = (f64::INFINITY, f64::INFINITY);
    for _ in 0..ROUNDS {
        let started = Instant::now();
        let mut reader = clip.reader_with_threads(threads).unwrap_or_else(|error| panic!("{error}"));
        for idx in (0..clip.frame_count()).map(FrameIdx) {
            let frame = reader.frame(idx).unwrap_or_else(|error| panic!("{error}"));
            assert_eq!(frame.idx(), idx);
        }
        ours_secs = ours_secs.min(started.elapsed().as_secs_f64());
        let started = Instant::now();
        let status = Command::new("ffmpeg")
            .args(["-hide_banner", "-loglevel", "error", "-nostdin", "-threads", &threads.to_string(), "-i"])
            .arg(path)
            .args(["-map", "0:v:0", "-f", "null", "-"])
            .status()
            .expect("the ffmpeg program is installed");
        assert!(status.success(), "ffmpeg cannot decode {}", path.display());
        theirs_secs = theirs_secs.min(started.elapsed().as_secs_f64());
    }
    (ours_secs, clip.frame_count(), theirs_secs)
}

/// A 1080p clip of 300 frames, made once.
fn generated() -> PathBuf {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join("bench-1080p.mp4");
    if !path.exists() {
        let unfinished = path.with_extension("part.mp4");
        let status = Command::new("ffmpeg")
            .args(["-hide_banner", "-loglevel", "error", "-nostdin", "-y", "-f", "lavfi"])
            .args(["-i", "testsrc2=size=1920x1080:rate=30:duration=10,noise=alls=8:allf=t"])
            .args(["-c:v", "libx264", "-preset", "veryfast", "-bf", "2", "-pix_fmt", "yuv420p"])
            .arg(&unfinished)
            .status()
            .expect("the ffmpeg program is installed");
        assert!(status.success(), "ffmpeg cannot make the clip");
        std::fs::rename(&unfinished, &path).expect("both names lie in one folder");
    }
    path
}
