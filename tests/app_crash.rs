//! Kills a labelling program at random moments and looks whether anything it had called saved is missing.
//!
//! `make test-crash` runs it (100 kills; CRASH_KILLS changes that). The program that is killed is this test itself, in a
//! process of its own: it clicks, paints, tracks, undoes and writes masks, says on its output what the labels are after
//! each update, and says `saved` when the project says so. After each kill the project must open as sound, and hold a
//! state the program said after (or when) it last said `saved`, or what the act it was killed in made of that.
#![cfg(all(feature = "gui", unix))]

mod app_support;
mod engine_support;

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use app_support::{Lab, click, exclude};
use engine_support::DiscClip;
use label_hub::app::action::{Action, TrackScope};
use label_hub::app::notices::{Notices, Severity};
use label_hub::app::project::Project;
use label_hub::label::{FrameIdx, FrameSize, Mask};
use label_hub::store::SaveState;

const CLIP_VARIABLE: &str = "LABEL_HUB_CRASH_CLIP";
const SEED_VARIABLE: &str = "LABEL_HUB_CRASH_SEED";
const SIZE: FrameSize = FrameSize { width: 96, height: 64 };
const FRAMES: u32 = 24;
/// Lines that a program lives at most.
const MOST_LINES: u64 = 80;
/// And so long after its last line.
const MOST_MICROS: u64 = 6000;

/// Numbers that look random and are the same every time.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % limit
    }
}

/// The labels in two parts: what was said, and which masks there are.
#[derive(Debug, Clone, PartialEq, Eq)]
struct State {
    words: u64,
    masks: BTreeSet<String>,
}

fn state_of(lab: &Lab) -> State {
    use std::hash::{DefaultHasher, Hash, Hasher};
    let (masks, words): (Vec<_>, Vec<_>) = lab.labels().into_iter().partition(|line| line.contains("FrameMark"));
    let mut hasher = DefaultHasher::new();
    words.hash(&mut hasher);
    let place = |line: String| line.split(' ').take(2).collect::<Vec<_>>().join(":");
    State { words: hasher.finish(), masks: masks.into_iter().map(place).collect() }
}

fn tell(line: &str) {
    let mut out = std::io::stdout().lock();
    // Nobody listens any more: the parent is about to kill us.
    writeln!(out, "{line}").and_then(|()| out.flush()).ok();
}

fn tell_state(lab: &Lab) {
    let state = state_of(lab);
    let masks: Vec<_> = state.masks.into_iter().collect();
    tell(&format!("state {} {}", state.words, masks.join(",")));
}

/// The life of the program that is killed.
#[test]
#[ignore = "run by the test below, in a process of its own"]
fn the_program_that_is_killed() {
    let (Ok(clip), Ok(seed)) = (std::env::var(CLIP_VARIABLE), std::env::var(SEED_VARIABLE)) else { return };
    let mut numbers = Numbers(seed.parse().expect("a number"));
    let mut lab = Lab::with_project(Path::new(&clip));
    let disc = DiscClip::new(SIZE.width, SIZE.height, FRAMES, false);
    tell_state(&lab);
    tell("saved");
    loop {
        let frame = lab.facts().frame.0;
        let (action, what) = match numbers.below(12) {
            0..=2 => (Action::GoTo(FrameIdx(numbers.below(u64::from(FRAMES)) as u32)), "seek"),
            3 | 4 => (click(disc.click(frame)), "click"),
            5 => (exclude(numbers.below(90) as f32, 2.0), "click"),
            6 => (Action::Paint(Mask::from_fn(SIZE, |i| i % 96 < 9 + frame as usize && i / 96 > 30)), "stroke"),
            7 | 8 => (Action::Track(TrackScope::StaleOrMissing), "track"),
            9 => (Action::Undo, "undo"),
            10 if lab.facts().objects.len() < 3 => (Action::NewObject, "object"),
            10 => (Action::DeleteObject(None), "object"),
            _ => (Action::SaveMasksTo(Path::new(&clip).with_file_name("masks")), "export"),
        };
        tell(&format!("begin {what}"));
        lab.act(action);
        loop {
            tell_state(&lab);
            let world = lab.app.world();
            let answers = world.resource::<label_hub::app::state::Answers>();
            let is_settled = answers.wanted.is_empty() && answers.pending.is_empty() && !lab.facts().is_tracking;
            let handle = world.resource::<Project>().handle.as_ref().expect("a project is open");
            if is_settled && handle.saved() == SaveState::Saved {
                break;
            }
            lab.app.update();
        }
        tell("saved");
    }
}

/// What a program said until it was killed.
#[derive(Default)]
struct Said {
    /// States since the last `saved`, the one before it included.
    states: Vec<State>,
    last: Option<State>,
    doing: String,
    saved: u64,
}

impl Said {
    fn hear(&mut self, line: &str) {
        let mut words = line.split(' ');
        match words.next() {
            Some("state") => {
                let number = words.next().and_then(|word| word.parse().ok());
                let (Some(number), Some(masks)) = (number, words.next()) else { return };
                let masks = masks.split(',').filter(|mask| !mask.is_empty()).map(str::to_owned).collect();
                let state = State { words: number, masks };
                self.last = Some(state.clone());
                self.states.push(state);
            }
            Some("saved") => {
                self.saved += 1;
                self.states = self.last.clone().into_iter().collect();
            }
            Some("begin") => self.doing = words.next().unwrap_or("nothing").to_owned(),
            _ => {}
        }
    }
}

fn start(clip: &Path, seed: u64) -> Child {
    Command::new(std::env::current_exe().expect("this test is a program"))
        .args(["--ignored", "--exact", "the_program_that_is_killed", "--nocapture"])
        .env(CLIP_VARIABLE, clip)
        .env(SEED_VARIABLE, seed.to_string())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("this test starts again")
}

/// Lets a program live for a while and kills it; what it said.
fn live_and_die(clip: &Path, seed: u64, numbers: &mut Numbers) -> Said {
    let mut child = start(clip, seed);
    let mut lines = BufReader::new(child.stdout.take().expect("piped")).lines();
    let mut said = Said::default();
    let mut left = 1 + numbers.below(MOST_LINES);
    for line in lines.by_ref() {
        said.hear(&line.expect("text"));
        // Opening is not part of the life.
        if said.saved > 0 {
            left -= 1;
        }
        if left == 0 {
            break;
        }
    }
    let until = Instant::now() + Duration::from_micros(numbers.below(MOST_MICROS));
    while Instant::now() < until {
        std::hint::spin_loop();
    }
    child.kill().expect("SIGKILL");
    child.wait().expect("it is gone");
    for line in lines {
        // The last line may be cut.
        said.hear(&line.expect("text"));
    }
    said
}

/// Whether the project holds a state that was said since the last `saved`, or one that only the act in hand can have
/// made of it: what an update made is in the file a moment before it is said, and a run adds masks between two lines.
/// Such a state is one step of the history away from the saved one.
fn holds(lab: &mut Lab, found: &State, said: &Said) -> bool {
    if said.states.contains(found) {
        return true;
    }
    lab.act(if said.doing == "undo" { Action::Redo } else { Action::Undo });
    said.states.first() == Some(&state_of(lab))
}

#[test]
#[ignore = "takes minutes; `make test-crash` runs it"]
fn nothing_that_was_saved_is_lost_when_the_program_is_killed() {
    let kills: u64 = std::env::var("CRASH_KILLS").map_or(100, |text| text.parse().expect("CRASH_KILLS is a number"));
    let disc = DiscClip::new(SIZE.width, SIZE.height, FRAMES, false);
    let mut numbers = Numbers(0x9E37_79B9_7F4A_7C15);
    let (mut lost, mut saved, mut during) = (0, 0, std::collections::BTreeMap::<String, u64>::new());
    for kill in 0..kills {
        let said = live_and_die(disc.path(), kill * 7919 + 1, &mut numbers);
        *during.entry(said.doing.clone()).or_default() += 1;
        saved += said.saved;
        let mut lab = Lab::with_project(disc.path());
        let told = lab.app.world().resource::<Notices>().log().filter(|notice| notice.severity != Severity::Info);
        let told: Vec<_> = told.map(|notice| notice.text.clone()).collect();
        assert!(told.is_empty(), "kill {kill} during {}: the project is not sound: {told:?}", said.doing);
        let found = state_of(&lab);
        if !holds(&mut lab, &found, &said) {
            lost += 1;
            println!("kill {kill} during {}: found {found:?}, said {:?}", said.doing, said.states);
        }
    }
    println!("killed during: {during:?}; {saved} actions were acknowledged");
    println!("{kills} kills, {lost} acknowledged actions lost");
    assert_eq!(lost, 0);
}
