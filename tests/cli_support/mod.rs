//! What the tests of commands on projects share: projects with something in them, the built program, a look at what a
//! project holds.

#![allow(dead_code, reason = "each test file uses its own part")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::Arc;

use label_hub::cli::project::Project;
use label_hub::cli::signals::StopFlag;
use label_hub::label::{Change, Edit, FrameIdx, FrameMark, FramePrompt, Mask, ObjectFacts, ObjectId};
use label_hub::store::{
    Durability, HistoryChange, LabelStore, OnOtherClip, OpenOptions, ProjectStore, Snapshot, StoredStep,
};
use label_hub::video::Clip;
use serde_json::Value;

use crate::engine_support::{self, DiscClip, clicks};

/// Frames of the clips here.
pub const FRAMES: u32 = 12;

pub fn disc() -> DiscClip {
    DiscClip::new(96, 64, FRAMES, true)
}

/// The built program, with its own folders in `home`.
pub fn command(home: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_label-hub"));
    command.args(args).current_dir(home).env("LABEL_HUB_HOME", home).stdin(Stdio::null());
    command
}

pub fn run(home: &Path, args: &[&str]) -> Output {
    command(home, args).output().expect("the program was built for this test")
}

/// Runs it with both outputs piped.
pub fn start(home: &Path, args: &[&str]) -> Child {
    let mut command = command(home, args);
    command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the program was built for this test")
}

pub fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Runs it, checks the exit code, and gives what it said on standard output and standard error.
pub fn expect(home: &Path, code: i32, args: &[&str]) -> (String, String) {
    let output = run(home, args);
    let (stdout, stderr) = (text(&output.stdout), text(&output.stderr));
    assert_eq!(output.status.code(), Some(code), "{args:?}: {stdout}{stderr}");
    (stdout, stderr)
}

/// JSON lines.
pub fn json_lines(stdout: &str) -> Vec<Value> {
    stdout.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
}

/// The lines of one kind.
pub fn of_kind<'a>(lines: &'a [Value], kind: &str) -> Vec<&'a Value> {
    lines.iter().filter(|line| line["event"] == kind).collect()
}

pub fn shown(path: &Path) -> &str {
    path.to_str().expect("temporary folders have plain names")
}

/// An object to begin with, with a click on the disc on some frames.
pub struct Seed {
    pub id: u32,
    pub name: &'static str,
    pub class: Option<&'static str>,
    pub is_locked: bool,
    pub clicked: &'static [u32],
}

pub fn fox(clicked: &'static [u32]) -> Seed {
    Seed { id: 1, name: "fox", class: Some("animal"), is_locked: false, clicked }
}

/// Does one undo step to a project, as its window would; makes the project where there is none.
pub fn act(clip: &DiscClip, make: impl FnOnce(&mut ProjectStore, &Snapshot) -> Vec<Change>) {
    act_on(clip.path(), make);
}

/// [`act`] for any clip.
pub fn act_on(clip: &Path, make: impl FnOnce(&mut ProjectStore, &Snapshot) -> Vec<Change>) {
    act_in(&project_of(clip), &engine_support::open(clip), make);
}

/// [`act`] for any clip and any project of it.
pub fn act_in(project: &Path, clip: &Clip, make: impl FnOnce(&mut ProjectStore, &Snapshot) -> Vec<Change>) {
    let options = OpenOptions { on_other_clip: OnOtherClip::Refuse, data_folder: None, waker: Arc::new(|| {}) };
    let (mut store, snapshot, _) = ProjectStore::open(project, &clip.record(), options).expect("a project");
    let changes = make(&mut store, &snapshot);
    let edit = Edit { name: "labels".to_owned(), changes };
    store.record(&edit);
    store.note_history(HistoryChange::Push { edit, is_follow_up: false });
    store.finish(Durability::Durable);
    store.close().expect("a writable folder");
}

/// Where a clip's project lies.
pub fn project_of(clip: &Path) -> PathBuf {
    let mut name = clip.as_os_str().to_owned();
    name.push(".labelhub");
    PathBuf::from(name)
}

/// Makes a project with objects.
pub fn begin(clip: &DiscClip, seeds: &[Seed]) {
    begin_on(clip.path(), seeds, |frame| click(clip, frame));
}

/// [`begin`] for any clip, with what `said` says on a frame.
pub fn begin_on(clip: &Path, seeds: &[Seed], said: impl Fn(u32) -> FramePrompt) {
    begin_in(&project_of(clip), &engine_support::open(clip), seeds, said);
}

/// [`begin`] for any clip and any project of it.
pub fn begin_in(project: &Path, clip: &Clip, seeds: &[Seed], said: impl Fn(u32) -> FramePrompt) {
    act_in(project, clip, |_, _| {
        let mut changes = Vec::new();
        for seed in seeds {
            let id = ObjectId(seed.id);
            let facts = ObjectFacts {
                name: seed.name.to_owned(),
                class: seed.class.map(str::to_owned),
                colour: [9, 8, 7],
                is_hidden: false,
                is_locked: seed.is_locked,
                revision: u64::from(seed.id),
            };
            changes.push(Change::Object { id, before: None, after: Some(facts) });
            changes.extend(seed.clicked.iter().map(|&frame| Change::Prompt {
                object: id,
                frame: FrameIdx(frame),
                before: None,
                after: Some(said(frame)),
            }));
        }
        changes
    });
}

pub fn click(clip: &DiscClip, frame: u32) -> FramePrompt {
    clicks(&[clip.click(frame)])
}

/// A list of classes.
pub fn classes(names: &[&str]) -> Arc<[String]> {
    names.iter().map(|&name| name.to_owned()).collect()
}

/// What a project holds.
#[derive(Debug, Clone, PartialEq)]
pub struct Seen {
    pub objects: BTreeMap<u32, ObjectFacts>,
    /// By object and frame.
    pub marks: BTreeMap<(u32, u32), FrameMark>,
    pub masks: BTreeMap<(u32, u32), Mask>,
    pub done: Vec<StoredStep>,
    pub classes: Vec<String>,
}

impl Seen {
    /// The frames on which an object has a mask.
    pub fn frames(&self, object: u32) -> Vec<u32> {
        self.marks.keys().filter(|(of, _)| *of == object).map(|(_, frame)| *frame).collect()
    }

    pub fn steps(&self) -> Vec<&str> {
        self.done.iter().map(|step| step.edit.name.as_str()).collect()
    }
}

/// Looks into a project, given by its file or its clip, without touching it.
pub fn look(named: &Path) -> Seen {
    let project = Project::open_to_read(named, &StopFlag::default()).unwrap_or_else(|error| panic!("{error}"));
    let masks = project.marks.iter().map(|((object, frame), mark)| {
        let mask = project.store.get(mark.mask).unwrap_or_else(|error| panic!("{error}"));
        ((object.0, frame.0), mask)
    });
    Seen {
        masks: masks.collect(),
        marks: project.marks.iter().map(|((object, frame), mark)| ((object.0, frame.0), *mark)).collect(),
        objects: project.snapshot.objects.iter().map(|(id, facts)| (id.0, facts.clone())).collect(),
        done: project.snapshot.done.clone(),
        classes: project.snapshot.classes.to_vec(),
    }
}
