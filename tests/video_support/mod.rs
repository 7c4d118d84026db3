//! Clips for the video tests, made by the `ffmpeg` program, with the frame number burnt in.
//!
//! Every frame's top row of 16x16 blocks is its number in binary, lowest bit first, so that a test reads the number back
//! from the pixels. Clips lie in the target folder and are made once.

#![allow(dead_code, reason = "each test file uses its own part")]

use std::fs;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, PoisonError};

use label_hub::label::FrameIdx;
use label_hub::video::{self, Clip, Frame, RgbImage, VideoError};

/// Columns of the clips.
pub const WIDTH: u32 = 160;
/// Rows of the clips.
pub const HEIGHT: u32 = 120;
/// Frames of the base clip.
pub const FRAMES: u32 = 60;

static MAKING: Mutex<()> = Mutex::new(());

/// The folder the clips lie in; raise the number when the clips change.
pub fn folder() -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("video-clips-1");
    fs::create_dir_all(&folder).expect("the target folder is writable");
    folder
}

/// Runs ffmpeg; the panic shows its words.
pub fn ffmpeg(arguments: &[&str]) {
    let output = Command::new("ffmpeg")
        .args(["-hide_banner", "-loglevel", "error", "-nostdin", "-y"])
        .args(arguments)
        .output()
        .expect("the ffmpeg program is installed (scripts/setup installs it)");
    assert!(output.status.success(), "ffmpeg {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
}

/// Whether ffmpeg has an encoder; says so when it has not.
pub fn has_encoder(name: &str) -> bool {
    let output = Command::new("ffmpeg").args(["-hide_banner", "-encoders"]).output().expect("ffmpeg is installed");
    let is_there = String::from_utf8_lossy(&output.stdout).split_whitespace().any(|word| word == name);
    if !is_there {
        eprintln!("SKIPPED: this ffmpeg has no encoder {name}");
    }
    is_there
}

/// Makes a file once: `make` writes to the path it is given, which then gets its name in one step.
pub fn made(name: &str, make: impl FnOnce(&Path)) -> PathBuf {
    let path = folder().join(name);
    let _guard = MAKING.lock().unwrap_or_else(PoisonError::into_inner);
    if !path.exists() {
        let unfinished = folder().join(format!("part-{}-{name}", std::process::id()));
        make(&unfinished);
        fs::rename(&unfinished, &path).expect("both names lie in one folder");
    }
    path
}

/// The uncompressed clip all others are made from.
pub fn base() -> PathBuf {
    made("base.y4m", |path| {
        let block = "mod(floor(N/pow(2,floor(X/16))),2)";
        let filter = format!(
            "geq=lum='if(lt(Y,16),16+219*{block},lum(X,Y))':cb='if(lt(Y,8),128,cb(X,Y))':cr='if(lt(Y,8),128,cr(X,Y))'"
        );
        let source = format!("testsrc2=size={WIDTH}x{HEIGHT}:rate=25:duration=10,format=yuv420p");
        let frames = FRAMES.to_string();
        ffmpeg(&["-f", "lavfi", "-i", &source, "-vf", &filter, "-frames:v", &frames, &text(path)]);
    })
}

/// The base clip encoded with these arguments. The name's ending chooses the container.
pub fn encoded(name: &str, arguments: &[&str]) -> PathBuf {
    let base = base();
    made(name, |path| {
        let base = text(&base);
        let mut all = vec!["-i", base.as_str(), "-an"];
        all.extend_from_slice(arguments);
        // Bit-exact files: a clip made again is the same clip.
        all.extend_from_slice(&["-bitexact"]);
        let path = text(path);
        all.push(&path);
        ffmpeg(&all);
    })
}

/// Plain H.264 in MP4 with B-frames and a key frame every 12.
pub fn plain() -> PathBuf {
    encoded("h264_bframes.mp4", &["-c:v", "libx264", "-bf", "3", "-g", "12"])
}

/// Stream 0 is the base clip, which is shown by default; stream 1 is its frames from 20 on, a little lower. The name's
/// ending chooses the container.
pub fn two_streams(name: &str) -> PathBuf {
    let base = text(&base());
    made(name, |path| {
        let filter = "[0:v]split[whole][tail];[tail]trim=start_frame=20,setpts=PTS-STARTPTS,crop=160:96:0:0[later]";
        let mut arguments = vec!["-i", &base, "-filter_complex", filter, "-map", "[whole]", "-map", "[later]"];
        arguments.extend(["-c:v:0", "libx264", "-bf", "2", "-g", "12", "-c:v:1", "mpeg4", "-q:v:1", "2"]);
        arguments.extend(["-disposition:v:0", "default", "-disposition:v:1", "0", "-bitexact"]);
        let path = text(path);
        arguments.push(&path);
        ffmpeg(&arguments);
    })
}

/// A path as ffmpeg's argument.
pub fn text(path: &Path) -> String {
    path.to_str().expect("the target folder has a UTF-8 name").to_owned()
}

/// Opens a clip that must open.
pub fn open(path: &Path) -> Clip {
    video::open_quietly(path).unwrap_or_else(|error| panic!("{error}"))
}

/// Opens one of a clip's streams.
pub fn open_stream(path: &Path, stream: u32) -> Result<Clip, VideoError> {
    video::open_stream(path, Some(stream), &mut |_| ControlFlow::Continue(()))
}

/// The frame number burnt into a picture.
pub fn number_in(image: &RgbImage) -> u32 {
    (0..(image.size.width / 16).min(10))
        .map(|bit| {
            let mut sum = 0;
            for y in 4..8 {
                for x in 6..10 {
                    sum += u32::from(image.pixel(bit * 16 + x, y)[1]);
                }
            }
            u32::from(sum / 16 > 128) << bit
        })
        .sum()
}

/// A hash of all a frame shows and says.
pub fn hash_of(frame: &Frame) -> u64 {
    use std::hash::{DefaultHasher, Hash, Hasher};
    let mut hasher = DefaultHasher::new();
    (frame.idx(), frame.size(), frame.pts_secs().to_bits(), frame.format()).hash(&mut hasher);
    format!("{:?}", frame.damage()).hash(&mut hasher);
    for (number, plane) in frame.planes().enumerate() {
        let row_bytes = plane.size.width as usize * frame.format().sample_bytes(number);
        for row in plane.data.chunks(plane.stride).take(plane.size.height as usize) {
            row[..row_bytes].hash(&mut hasher);
        }
    }
    hasher.finish()
}

/// A small generator of numbers, the same on every run.
pub struct Seeded(pub u64);

impl Seeded {
    /// A number below `end`.
    pub fn below(&mut self, end: u32) -> u32 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 33) as u32 % end
    }
}

/// Reads all frames in order, then 200 at random with steps back, the first and the last; all must be the same.
/// Gives the numbers burnt in.
pub fn check_random_equals_sequential(path: &Path) -> Vec<u32> {
    check_jumps(path, 200)
}

/// The same with fewer jumps, for large clips.
pub fn check_jumps(path: &Path, jumps: usize) -> Vec<u32> {
    check_jumps_in(&open(path), jumps)
}

/// The same for a clip that is open.
pub fn check_jumps_in(clip: &Clip, jumps: usize) -> Vec<u32> {
    let name = clip.path().display();
    let mut reader = clip.reader_with_threads(2).expect("a reader");
    let mut hashes = Vec::new();
    let mut numbers = Vec::new();
    for idx in (0..clip.frame_count()).map(FrameIdx) {
        let frame = reader.frame(idx).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!((frame.idx(), frame.size()), (idx, clip.size()), "{name}");
        assert_eq!(Some(frame.pts_secs()), clip.index().pts_secs(idx), "{name}");
        hashes.push(hash_of(&frame));
        numbers.push(number_in(&frame.to_rgb()));
    }
    let last = clip.frame_count() - 1;
    let mut seeded = Seeded(0x9e37_79b9_7f4a_7c15);
    let mut targets = vec![last, 0, last, last.saturating_sub(1)];
    while targets.len() < jumps {
        let target = seeded.below(clip.frame_count());
        targets.extend([target, target.saturating_sub(1), target.saturating_sub(2)]);
    }
    // One reader that jumps about, and one that has never seen the clip in order.
    for (position, target) in targets.into_iter().enumerate() {
        if position == jumps / 2 {
            reader = clip.reader_with_threads(1).expect("a reader");
        }
        let frame = reader.frame(FrameIdx(target)).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(hash_of(&frame), hashes[target as usize], "{name}: jump {position} to frame {target}");
    }
    numbers
}

/// Frame numbers of damaged frames.
pub fn damaged_frames(path: &Path) -> Vec<u32> {
    let clip = open(path);
    let mut reader = clip.reader().expect("a reader");
    (0..clip.frame_count())
        .filter(|&idx| reader.frame(FrameIdx(idx)).unwrap_or_else(|error| panic!("{error}")).damage().is_some())
        .collect()
}

/// Where `needle` starts in `haystack`.
pub fn find(haystack: &[u8], needle: &[u8]) -> usize {
    haystack.windows(needle.len()).position(|window| window == needle).expect("the bytes are in the file")
}
