//! The search for inputs that fail: one target, for a while, in a process of its own.
//!
//! `supervise` starts that process and tells what became of it, so that an input that ends the process (an overflowing
//! stack, memory refused) or never ends is found as well. `search` is what the process does.

use std::collections::{BTreeMap, HashSet};
use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use crate::corpus;
use crate::mutate::{Mutator, Random};
use crate::run::{Fault, Run, Scratch, run_twice_if_slow};
use crate::targets::Target;

/// Inputs that the pool holds at most.
const MAX_POOL: usize = 4000;
/// Longest input that the pool takes up; what comes of longer ones takes too long to try.
const MAX_POOL_BYTES: usize = 1 << 17;
/// Different faults after which a search stops.
const MAX_FAULTS: usize = 5;
/// Runs spent on making a failing input smaller.
const SHRINKING_RUNS: usize = 300;
/// What a search may take beyond its time before it counts as hanging.
const PATIENCE: Duration = Duration::from_secs(40);
/// The input in hand, and the report at the end, in the folder the two processes share.
const CURRENT: &str = "current";
const REPORT: &str = "report";

/// Runs `target` in a process of its own for `seconds`. Gives the line of the table, and what failed.
pub fn supervise(target: &Target, seconds: u64, seed: u64) -> (String, Vec<String>) {
    let scratch = Scratch::new();
    let shared = scratch.path();
    let program = std::env::current_exe().expect("the program knows its file");
    let arguments = ["--target", target.name, "--mutate", &seconds.to_string(), "--seed", &seed.to_string()];
    let mut child = Command::new(program)
        .args(arguments)
        .arg("--shared")
        .arg(shared)
        // Copies that the parsers make of their files go with the rest.
        .env("TMPDIR", shared)
        .spawn()
        .expect("the program can be started again");
    let deadline = Instant::now() + Duration::from_secs(seconds * 2) + PATIENCE;
    let ended = loop {
        match child.try_wait().expect("own child") {
            Some(status) => break status.to_string(),
            None if Instant::now() > deadline => {
                child.kill().expect("own child");
                child.wait().expect("own child");
                break "it hung".to_owned();
            }
            None => std::thread::sleep(Duration::from_millis(20)),
        }
    };
    // Without a line of its own the search did not come to its end.
    if let Ok(report) = fs::read_to_string(shared.join(REPORT))
        && let Some(line) = report.lines().next()
    {
        return (line.to_owned(), report.lines().skip(1).map(str::to_owned).collect());
    }
    let input = fs::read(shared.join(CURRENT)).unwrap_or_else(|_| Vec::new());
    let kept = corpus::keep(&target.corpus_folder(), "ended", &input);
    (format!("{:16}  ended: {ended}", target.name), vec![format!("{}: {ended}: {}", target.name, kept.display())])
}

/// Searches and leaves a report in `shared`.
pub fn search(target: &Target, seconds: u64, seed: u64, shared: &Path) {
    let scratch = Scratch::new();
    let mut pool: Vec<Vec<u8>> = corpus::read(&target.corpus_folder()).into_iter().map(|(_, input)| input).collect();
    let corpus_size = pool.len();
    let mutator = Mutator::new(target.is_text, &pool);
    let mut random = Random::new(seed ^ u64::from(crc32fast::hash(target.name.as_bytes())));
    let (mut seen, mut faults): (HashSet<String>, BTreeMap<String, String>) = (HashSet::new(), BTreeMap::new());
    let (mut runs, mut slowest, mut peak_bytes) = (0_u64, Duration::ZERO, 0);
    let started = Instant::now();
    let mut known = pool.clone().into_iter();
    while started.elapsed() < Duration::from_secs(seconds) && faults.len() < MAX_FAULTS {
        let input = known.next().unwrap_or_else(|| {
            let mut input = mutated(&mutator, &mut random, &pool);
            if let Some(repair) = target.repair.filter(|_| !random.once_in(4)) {
                repair(&mut input);
            }
            input
        });
        fs::write(shared.join(CURRENT), &input).expect("own folder");
        let Run { outcome, time, peak_bytes: peak } = run_twice_if_slow(target, &scratch, &input);
        runs += 1;
        slowest = slowest.max(time);
        peak_bytes = peak_bytes.max(peak);
        match outcome {
            Ok(signature) => {
                let is_new = seen.insert(signature) && runs > corpus_size as u64;
                if is_new && pool.len() < MAX_POOL && input.len() <= MAX_POOL_BYTES {
                    pool.push(input);
                }
            }
            Err(fault) if !faults.contains_key(&fault.kind) => {
                let smaller = shrunk(target, &scratch, input, &fault);
                let kept = corpus::keep(&target.corpus_folder(), "failed", &smaller);
                faults.insert(fault.kind, format!("{}: {}: {}", target.name, fault.message, kept.display()));
            }
            Err(_) => {}
        }
    }
    let verdict = match faults.len() {
        0 => "ok".to_owned(),
        count => format!("{count} faults"),
    };
    let per_second = runs as f64 / started.elapsed().as_secs_f64();
    let mut report = format!(
        "{:16} {runs:9} {per_second:8.0} {corpus_size:7} {:6} {:8} {:7.1}  {verdict}",
        target.name,
        pool.len(),
        slowest.as_millis(),
        peak_bytes as f64 / 1e6,
    );
    for fault in faults.values() {
        report.push('\n');
        report.push_str(&fault.replace('\n', " "));
    }
    fs::write(shared.join(REPORT), report).expect("own folder");
}

/// The head of the table whose lines [`search`] writes.
pub fn table_head() -> String {
    format!(
        "{:16} {:>9} {:>8} {:>7} {:>6} {:>8} {:>7}  verdict",
        "target", "runs", "runs/s", "corpus", "pool", "max ms", "max MB"
    )
}

/// A new input from the pool; what was found last is tried more often.
fn mutated(mutator: &Mutator, random: &mut Random, pool: &[Vec<u8>]) -> Vec<u8> {
    let young = if random.once_in(2) { pool.len() * 3 / 4 } else { 0 };
    let empty = Vec::new();
    let input = random.pick(&pool[young..]).unwrap_or(&empty);
    let other = random.pick(pool).unwrap_or(&empty);
    mutator.changed(random, input, other)
}

/// The input with blocks taken out, as long as it fails the same way.
fn shrunk(target: &Target, scratch: &Scratch, mut input: Vec<u8>, fault: &Fault) -> Vec<u8> {
    // Slow ones would take minutes, and what is too much memory depends on the length.
    if matches!(fault.kind.as_str(), "slow" | "memory") {
        return input;
    }
    let (mut block, mut runs) = (input.len().div_ceil(2), 0);
    while block > 0 && runs < SHRINKING_RUNS {
        let mut at = 0;
        while at < input.len() && runs < SHRINKING_RUNS {
            let mut shorter = input.clone();
            shorter.drain(at..(at + block).min(input.len()));
            runs += 1;
            match run_twice_if_slow(target, scratch, &shorter).outcome {
                Err(other) if other.kind == fault.kind => input = shorter,
                Ok(_) | Err(_) => at += block,
            }
        }
        block /= 2;
    }
    input
}
