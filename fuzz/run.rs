//! One run: a target reads one input, and what must not happen is noticed.
//!
//! Called by the replay of the corpus and by the search. A fault is a panic on any thread, more than two seconds, or more
//! than 256 MB at once.

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::allocator;
use crate::targets::Target;

/// Longest that one input may take.
const MAX_TIME: Duration = Duration::from_secs(2);
/// Most that one input may hold at once.
const MAX_BYTES: usize = 256 << 20;

/// The first panic since it was last taken: where, and what it says.
static PANIC: Mutex<Option<String>> = Mutex::new(None);

/// How a run ended.
pub struct Run {
    /// What the target said, without what differs from input to input; `Err` tells the fault.
    pub outcome: Result<String, Fault>,
    /// Time it took.
    pub time: Duration,
    /// Bytes held at the peak.
    pub peak_bytes: usize,
}

/// What must not happen.
#[derive(Debug, Clone)]
pub struct Fault {
    /// The same for faults that are likely one and the same.
    pub kind: String,
    /// For the reader.
    pub message: String,
}

/// A folder that is empty at the start of every run, in memory where the system has such a place.
pub struct Scratch {
    folder: tempfile::TempDir,
}

impl Scratch {
    /// A new one.
    pub fn new() -> Self {
        let memory = Path::new("/dev/shm");
        let folder = if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() };
        Scratch { folder: folder.expect("a temporary folder can be made") }
    }

    /// The folder itself.
    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// A folder in it, emptied.
    fn emptied(&self) -> PathBuf {
        let inside = self.folder.path().join("run");
        if inside.exists() {
            fs::remove_dir_all(&inside).expect("own folder");
        }
        fs::create_dir(&inside).expect("own folder");
        inside
    }
}

/// From now on panics are kept for [`run`] and not printed.
pub fn keep_panics() {
    std::panic::set_hook(Box::new(|info| {
        let place = info.location().map_or_else(String::new, |at| format!("{}:{}", at.file(), at.line()));
        let payload = info.payload();
        let text = payload.downcast_ref::<&str>().map(|text| (*text).to_owned());
        let text = text.or_else(|| payload.downcast_ref::<String>().cloned()).unwrap_or_else(|| "?".to_owned());
        let mut first = PANIC.lock().unwrap_or_else(PoisonError::into_inner);
        first.get_or_insert(format!("{place}\n{text}"));
    }));
}

/// Reads `input` with the target.
pub fn run(target: &Target, scratch: &Scratch, input: &[u8]) -> Run {
    let folder = scratch.emptied();
    let before = allocator::begin();
    let started = Instant::now();
    let read = catch_unwind(AssertUnwindSafe(|| (target.read)(&folder, input)));
    let time = started.elapsed();
    let peak_bytes = allocator::peak_since(before);
    let panic = PANIC.lock().unwrap_or_else(PoisonError::into_inner).take();
    let fault = |kind: &str, message: String| Err(Fault { kind: kind.to_owned(), message });
    let outcome = match (read, panic) {
        (_, Some(panic)) => {
            let (place, text) = panic.split_once('\n').unwrap_or((&panic, ""));
            fault(place, format!("panicked at {place}: {text}"))
        }
        (Err(_), None) => fault("panic", "panicked".to_owned()),
        (Ok(_), None) if time > MAX_TIME => fault("slow", format!("took {:.1} s", time.as_secs_f64())),
        (Ok(_), None) if peak_bytes > MAX_BYTES => fault("memory", format!("held {} MB", peak_bytes >> 20)),
        (Ok(said), None) => Ok(signature(&said, &folder)),
    };
    Run { outcome, time, peak_bytes }
}

/// As [`run`]; what took too long is tried again, because the machine may have been busy.
pub fn run_twice_if_slow(target: &Target, scratch: &Scratch, input: &[u8]) -> Run {
    let first = run(target, scratch, input);
    if matches!(&first.outcome, Err(fault) if fault.kind == "slow") { run(target, scratch, input) } else { first }
}

/// A text without the run's folder, digits, what stands in quotes and foreign letters, cut to a bounded length.
fn signature(said: &str, folder: &Path) -> String {
    const MAX_CHARS: usize = 100;
    let said = said.replace(folder.to_str().unwrap_or("\0"), "");
    let mut is_quoted = false;
    let kept = said.chars().filter(|&c| {
        is_quoted ^= c == '"';
        !is_quoted && c != '"' && c.is_ascii() && !c.is_ascii_digit()
    });
    kept.take(MAX_CHARS).collect()
}
