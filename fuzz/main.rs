//! Feeds damaged and hostile inputs to every parser of foreign bytes.
//!
//! `cargo test` replays the kept inputs, in a second. `make fuzz` makes new ones out of them for `FUZZ_SECS` seconds per
//! target and keeps each that fails in `fuzz/corpus`, where it stays as a test. There is no coverage to steer by on the
//! stable toolchain; an input is interesting when its outcome (error, counts) has not been seen before.
//!
//! ```text
//! cargo test --test fuzz -- --mutate SECONDS [--seed N] [--target NAME]
//! cargo test --test fuzz -- --make-seeds       writes the seeds anew, with the program's own exporters
//! cargo test --test fuzz -- --target NAME      replays the inputs of some targets
//! ```

mod allocator;
#[path = "../tests/checkpoint_support/mod.rs"]
mod checkpoint_support;
mod corpus;
#[path = "../tests/formats/made_up.rs"]
#[allow(dead_code, reason = "the tests of formats use more of it")]
mod made_up;
mod mutate;
mod run;
mod search;
mod seeds;
#[path = "../tests/store_support/mod.rs"]
mod store_support;
mod targets;

use std::path::PathBuf;
use std::process::ExitCode;
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime};

use run::Scratch;
use targets::Target;

#[global_allocator]
static ALLOCATOR: allocator::Counting = allocator::Counting;

/// What the command line asks for. The words of Rust's own test programs are understood as far as `cargo test` passes
/// them to all.
#[derive(Default)]
struct Arguments {
    seconds: Option<u64>,
    seed: Option<u64>,
    target: Option<String>,
    makes_seeds: bool,
    /// Folder shared with the process that supervises this one.
    shared: Option<PathBuf>,
    is_list: bool,
    is_ignored_only: bool,
    filters: Vec<String>,
}

impl Arguments {
    fn read() -> Self {
        let mut arguments = Arguments::default();
        let mut words = std::env::args().skip(1);
        while let Some(word) = words.next() {
            match word.as_str() {
                "--mutate" => arguments.seconds = Some(number(&word, words.next())),
                "--seed" => arguments.seed = Some(number(&word, words.next())),
                "--target" => arguments.target = words.next(),
                "--shared" => arguments.shared = words.next().map(PathBuf::from),
                "--make-seeds" => arguments.makes_seeds = true,
                "--list" => arguments.is_list = true,
                "--ignored" => arguments.is_ignored_only = true,
                flag if flag.starts_with('-') => {}
                filter => arguments.filters.push(filter.to_owned()),
            }
        }
        arguments
    }
}

fn number(flag: &str, text: Option<String>) -> u64 {
    let parsed = text.as_ref().and_then(|text| text.parse().ok());
    parsed.unwrap_or_else(|| panic!("{flag} needs a whole number, not {text:?}"))
}

fn main() -> ExitCode {
    let arguments = Arguments::read();
    if arguments.is_list {
        println!("fuzz_corpus: test");
        return ExitCode::SUCCESS;
    }
    if arguments.makes_seeds {
        seeds::make();
        return ExitCode::SUCCESS;
    }
    let is_filtered =
        !arguments.filters.is_empty() && !arguments.filters.iter().any(|f| "fuzz_corpus".contains(f.as_str()));
    if is_filtered || arguments.is_ignored_only {
        return ExitCode::SUCCESS;
    }
    run::keep_panics();
    let mut targets = targets::all();
    targets.retain(|target| arguments.target.as_ref().is_none_or(|wanted| target.name.contains(wanted.as_str())));
    let faults = match (arguments.seconds, arguments.shared) {
        (Some(seconds), Some(shared)) => {
            let seed = arguments.seed.expect("the supervisor gives a seed");
            let wanted = arguments.target.expect("the supervisor names a target");
            let target = targets.into_iter().find(|target| target.name == wanted).expect("a target of the table");
            // A thread of its own has the stack that the program's workers have.
            let searching = on_thread("search", move || search::search(&target, seconds, seed, &shared));
            searching.join().expect("faults of a target are caught inside");
            Vec::new()
        }
        (Some(seconds), None) => mutate(&targets, seconds, arguments.seed),
        (None, _) => replay(targets),
    };
    for fault in &faults {
        eprintln!("FAILED {fault}");
    }
    if faults.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn on_thread(name: &str, work: impl FnOnce() + Send + 'static) -> JoinHandle<()> {
    std::thread::Builder::new().name(name.to_owned()).spawn(work).expect("the system gives a thread")
}

/// Searches with every target in turn and prints the table.
fn mutate(targets: &[Target], seconds: u64, seed: Option<u64>) -> Vec<String> {
    let clock = || SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(1, |time| time.as_secs());
    let seed = seed.unwrap_or_else(clock);
    println!("{} targets, {seconds} s each, FUZZ_SEED={seed}", targets.len());
    println!("{}", search::table_head());
    let mut faults = Vec::new();
    for target in targets {
        let (line, found) = search::supervise(target, seconds, seed);
        println!("{line}");
        faults.extend(found);
    }
    faults
}

/// Longest that the replay waits for one input before it calls it hanging.
const PATIENCE: Duration = Duration::from_secs(60);

/// What the replay meets.
enum Step {
    Begins(String),
    Failed(String),
    Ended,
}

/// Runs every kept input once.
fn replay(targets: Vec<Target>) -> Vec<String> {
    let started = Instant::now();
    let (count_of_targets, mut count, mut faults) = (targets.len(), 0, Vec::new());
    let (sender, steps) = crossbeam_channel::bounded(16);
    let replaying = on_thread("replay", move || {
        let tell = |step: Step| sender.send(step).expect("the receiver waits for the end");
        let scratch = Scratch::new();
        for target in &targets {
            let inputs = corpus::read(&target.corpus_folder());
            if inputs.is_empty() {
                tell(Step::Failed(format!("{}: no inputs in {}", target.name, target.corpus_folder().display())));
            }
            for (path, input) in inputs {
                tell(Step::Begins(path.display().to_string()));
                if let Err(fault) = run::run_twice_if_slow(target, &scratch, &input).outcome {
                    tell(Step::Failed(format!("{}: {}: {}", target.name, fault.message, path.display())));
                }
            }
        }
        tell(Step::Ended);
    });
    let mut current = String::new();
    loop {
        match steps.recv_timeout(PATIENCE) {
            Ok(Step::Begins(input)) => {
                count += 1;
                current = input;
            }
            Ok(Step::Failed(fault)) => faults.push(fault),
            Ok(Step::Ended) => {
                replaying.join().expect("it has ended");
                break;
            }
            // The thread is left behind; the program ends with it.
            Err(_) => {
                faults.push(format!("no end after {} s, or a panic in the harness: {current}", PATIENCE.as_secs()));
                break;
            }
        }
    }
    let (seconds, failed) = (started.elapsed().as_secs_f64(), faults.len());
    println!(
        "\nfuzz corpus: {count} inputs of {count_of_targets} targets replayed in {seconds:.2} s, {failed} failed\n"
    );
    faults
}
