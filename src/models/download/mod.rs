//! Fetches one file into its `.part`: goes on where an earlier attempt ended, tries again when the network fails, and
//! refuses what cannot be a model. What comes out is as long as the server said; whether it is the right file is judged
//! by `check`, and only `get` gives it its name.

pub(super) mod answer;
mod http;
pub(super) mod part;

use std::fs::File;
use std::io::{self, Read, Write};
use std::ops::RangeInclusive;
use std::path::Path;
use std::time::{Duration, Instant};

use super::cancel::Cancel;
use super::error::ModelsError;
use answer::{Verdict, judge, wrong_length};
use http::Trouble;
use part::Part;

pub use http::Patience;

/// Bytes read at once.
const CHUNK: usize = 64 << 10;
/// Shortest time between two reports.
const REPORT_EVERY: Duration = Duration::from_millis(100);
/// Room left on the disk, for the system's sake.
const SPARE_BYTES: u64 = 16 << 20;

/// How far a model's download is.
#[derive(Debug, Clone, PartialEq)]
pub enum Progress {
    /// A server is being asked.
    Connecting,
    /// Bytes arrive.
    Downloading {
        /// Bytes that are there, those of earlier attempts among them.
        done: u64,
        /// All bytes, where the server says.
        total: Option<u64>,
        /// Lately; 0 at first.
        bytes_per_second: f64,
    },
    /// It failed and is tried again after a pause.
    Retrying {
        /// What went wrong.
        reason: String,
        /// The pause.
        wait: Duration,
    },
    /// It is all there and is being checked.
    Checking {
        /// Bytes hashed.
        done: u64,
        /// All bytes.
        total: u64,
    },
}

/// A file to be fetched.
pub(super) struct Download<'a> {
    pub address: &'a str,
    /// What the file will be called; for messages.
    pub file: &'a Path,
    pub part: &'a Part,
    /// Lengths it may have.
    pub accepted: RangeInclusive<u64>,
    pub patience: &'a Patience,
    pub cancel: &'a Cancel,
    pub on_progress: &'a mut dyn FnMut(Progress),
}

/// How an attempt ended.
enum Attempt {
    /// The part is the whole file.
    Complete,
    /// Not all of it came: why, and how many bytes did.
    Failed { reason: String, gained: u64 },
}

impl Download<'_> {
    /// Fetches until the part is whole; gives whether bytes of an earlier attempt are in it.
    pub fn run(&mut self) -> Result<bool, ModelsError> {
        let agent = http::agent(self.address, self.patience);
        self.cancel.watch(&agent);
        let mut was_resumed = false;
        let mut failures = 0;
        loop {
            self.stop_if_cancelled()?;
            let (reason, gained) = match self.attempt(&agent, &mut was_resumed)? {
                Attempt::Complete => return Ok(was_resumed),
                Attempt::Failed { reason, gained } => (reason, gained),
            };
            self.stop_if_cancelled()?;
            failures = if gained >= self.patience.worthwhile_bytes { 1 } else { failures + 1 };
            if failures >= self.patience.attempts {
                return Err(ModelsError::Unreachable {
                    address: self.address.to_owned(),
                    reason,
                    attempts: failures,
                    file: self.file.to_owned(),
                });
            }
            let wait = self.patience.pause.saturating_mul(1 << (failures - 1).min(16)).min(self.patience.longest_pause);
            (self.on_progress)(Progress::Retrying { reason, wait });
            self.cancel.wait(wait);
        }
    }

    fn attempt(&mut self, agent: &ureq::Agent, was_resumed: &mut bool) -> Result<Attempt, ModelsError> {
        let held = self.part.held(self.address).map_err(ModelsError::io(self.part.path(), "read"))?;
        let held = held.filter(|held| self.accepted.contains(&held.total));
        if held.as_ref().is_some_and(|held| held.bytes == held.total) {
            *was_resumed = true;
            return Ok(Attempt::Complete);
        }
        (self.on_progress)(Progress::Connecting);
        let (headers, mut body) = match http::ask(agent, self.address, held.as_ref()) {
            Ok(answer) => answer,
            Err(Trouble::Passing(reason)) => return Ok(Attempt::Failed { reason, gained: 0 }),
            Err(Trouble::Lasting(reason)) => return Err(self.refused(reason)),
        };
        let (file, done, total) = match judge(&headers, held.as_ref(), &self.accepted) {
            Verdict::GoOn => {
                let held = held.as_ref().expect("only a held part is gone on with");
                *was_resumed = true;
                self.expect_room(held.total - held.bytes)?;
                (self.part.resume(), held.bytes, Some(held.total))
            }
            Verdict::Begin { total, etag } => {
                *was_resumed = false;
                self.expect_room(total.unwrap_or(*self.accepted.end()))?;
                (self.part.begin(self.address, etag.as_deref(), total), 0, total)
            }
            Verdict::StartOver(reason) => {
                self.part.clear().map_err(ModelsError::io(self.part.path(), "removed"))?;
                return Ok(Attempt::Failed { reason, gained: 0 });
            }
            Verdict::AskAgain(reason) => return Ok(Attempt::Failed { reason, gained: 0 }),
            Verdict::Refuse(reason) => return Err(self.refused(reason)),
        };
        let mut file = file.map_err(ModelsError::io(self.part.path(), "written"))?;
        self.receive(&mut body, &mut file, done, total)
    }

    /// Writes the body behind the `done` bytes that are there.
    fn receive(
        &mut self,
        body: &mut dyn Read,
        file: &mut File,
        done: u64,
        total: Option<u64>,
    ) -> Result<Attempt, ModelsError> {
        let mut buffer = vec![0; CHUNK];
        let mut pace = Pace::new(done);
        let mut now = done;
        let end = loop {
            let read = body.read(&mut buffer);
            self.stop_if_cancelled()?;
            let count = match read {
                Ok(count) => count,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => continue,
                Err(e) => break Some(http::body_trouble(&e)),
            };
            if count == 0 {
                break None;
            }
            if now == 0 && looks_like_a_page(&buffer[..count]) {
                self.part.clear().map_err(ModelsError::io(self.part.path(), "removed"))?;
                return Err(self.refused("a page came instead of a model, perhaps the login page of a network".into()));
            }
            now += count as u64;
            // The client stops at the length it was told; where none was told, this is the only end there is.
            if now > total.unwrap_or(*self.accepted.end()) {
                self.part.clear().map_err(ModelsError::io(self.part.path(), "removed"))?;
                return Err(self.refused(format!("it does not end; {}", wrong_length(now, &self.accepted))));
            }
            file.write_all(&buffer[..count]).map_err(ModelsError::io(self.part.path(), "written"))?;
            if let Some(bytes_per_second) = pace.report(now) {
                (self.on_progress)(Progress::Downloading { done: now, total, bytes_per_second });
            }
        };
        (self.on_progress)(Progress::Downloading { done: now, total, bytes_per_second: pace.bytes_per_second });
        file.sync_all().map_err(ModelsError::io(self.part.path(), "written"))?;
        let gained = now - done;
        match (end, total) {
            (None, Some(total)) if now == total => Ok(Attempt::Complete),
            (None, None) if self.accepted.contains(&now) => Ok(Attempt::Complete),
            (None, None) => {
                self.part.clear().map_err(ModelsError::io(self.part.path(), "removed"))?;
                Err(self.refused(wrong_length(now, &self.accepted)))
            }
            (None, Some(total)) => {
                Ok(Attempt::Failed { reason: format!("it ended after {now} of {total} bytes"), gained })
            }
            (Some(reason), _) => Ok(Attempt::Failed { reason, gained }),
        }
    }

    fn stop_if_cancelled(&self) -> Result<(), ModelsError> {
        if self.cancel.is_cancelled() { Err(ModelsError::Cancelled) } else { Ok(()) }
    }

    fn expect_room(&self, needed: u64) -> Result<(), ModelsError> {
        let folder = self.part.path().parent().expect("a part lies in a folder");
        expect_room(folder, needed)
    }

    fn refused(&self, reason: String) -> ModelsError {
        ModelsError::Refused { address: self.address.to_owned(), reason, file: self.file.to_owned() }
    }
}

/// Whether the disk has room for so many bytes.
pub(super) fn expect_room(folder: &Path, needed: u64) -> Result<(), ModelsError> {
    let free = fs4::available_space(folder).map_err(ModelsError::io(folder, "looked at"))?;
    if free < needed.saturating_add(SPARE_BYTES) {
        return Err(ModelsError::NoRoom { path: folder.to_owned(), needed, free });
    }
    Ok(())
}

/// No model file begins so.
fn looks_like_a_page(first_bytes: &[u8]) -> bool {
    first_bytes.trim_ascii_start().starts_with(b"<")
}

/// How fast bytes arrive, and when it is time to say so.
struct Pace {
    last: Instant,
    last_bytes: u64,
    bytes_per_second: f64,
}

impl Pace {
    fn new(bytes: u64) -> Self {
        Pace { last: Instant::now(), last_bytes: bytes, bytes_per_second: 0.0 }
    }

    /// The pace of the last seconds, when a report is due.
    fn report(&mut self, bytes: u64) -> Option<f64> {
        let elapsed = self.last.elapsed();
        if elapsed < REPORT_EVERY {
            return None;
        }
        let latest = (bytes - self.last_bytes) as f64 / elapsed.as_secs_f64();
        let is_first = self.bytes_per_second == 0.0;
        self.bytes_per_second = if is_first { latest } else { 0.9 * self.bytes_per_second + 0.1 * latest };
        (self.last, self.last_bytes) = (Instant::now(), bytes);
        Some(self.bytes_per_second)
    }
}
