//! The app and its project file: what was done is there again, with its undo history, and other people's work is safe.
#![cfg(feature = "gui")]

mod app_support;
mod engine_support;

use app_support::{Lab, click, exclude, test_engine};
use engine_support::DiscClip;
use label_hub::app::action::{Action, ProjectChoice, TrackScope};
use label_hub::app::facts::{AppFacts, ClipState};
use label_hub::app::history::{History, Step};
use label_hub::app::notices::{Notices, Severity};
use label_hub::app::project::Project;
use label_hub::engine::TrackDirection;
use label_hub::label::{FrameIdx, FrameSize, Mask, ObjectId};
use std::collections::HashSet;
use std::sync::{Arc, RwLock};

use label_hub::app::state::{ActionQueue, OpenClip, StoreLink};
use label_hub::label::{Edit, MaskId};
use label_hub::store::{
    Durability, HistoryChange, LabelStore, MemoryStore, OnOtherClip, OpenOptions, ProjectStore, SaveState, StoreError,
    StoredStep,
};

const SIZE: FrameSize = FrameSize { width: 96, height: 64 };

fn disc() -> DiscClip {
    DiscClip::new(SIZE.width, SIZE.height, 8, false)
}

fn wait_until_saved(lab: &mut Lab) {
    lab.wait("everything is saved", |world| {
        world.resource::<Project>().handle.as_ref().is_some_and(|handle| handle.saved() == SaveState::Saved)
    });
}

#[test]
fn labels_that_are_not_kept_beside_their_clip_are_said_to_be_elsewhere() {
    let clip = disc();
    let data = tempfile::tempdir().expect("a temporary folder");
    let mut lab = Lab::new();
    lab.app.world_mut().resource_mut::<Project>().data_folder = Some(data.path().to_owned());
    let open = |lab: &mut Lab, choice| {
        lab.act(Action::OpenWith(clip.path().to_owned(), None, choice));
        lab.wait("the clip is open", |world| world.resource::<AppFacts>().clip == ClipState::Open);
    };
    // As root every folder can be written, so somebody chooses this for it; later it is found there.
    open(&mut lab, ProjectChoice::Separate);
    assert_eq!(lab.said(), Vec::<String>::new(), "it was asked for");
    let place = lab.app.world().resource::<Project>().handle.as_ref().expect("a project").path().to_owned();
    assert!(place.starts_with(data.path()));
    lab.act(click(clip.click(0)));
    wait_until_saved(&mut lab);
    open(&mut lab, ProjectChoice::Own);
    let said = lab.said().last().cloned().expect("it is told");
    assert!(said.ends_with(&format!("not kept beside it but in {}.", place.display())), "{said}");
    lab.act(Action::TellSaved);
    let said = lab.said().last().cloned().expect("it is told");
    assert!(said.contains(&format!("in {}.", place.display())), "{said}");
}

#[test]
fn a_clip_opens_as_it_was_left_and_the_last_steps_can_be_undone() {
    let clip = disc();
    let mut lab = Lab::with_clip(clip.path());
    lab.act(click(clip.click(0)));
    lab.wait_for_answers();
    let clicked = lab.labels();
    lab.act(Action::Track(TrackScope::StaleOrMissing));
    lab.wait_for_run();
    let tracked = lab.labels();
    lab.act(Action::Rename(ObjectId(1), "ball".to_owned()));
    lab.act(Action::GoTo(FrameIdx(5)));
    lab.act(exclude(3.0, 3.0));
    lab.wait_for_answers();
    let corrected = lab.labels();
    wait_until_saved(&mut lab);
    drop(lab);

    let mut lab = Lab::with_project(clip.path());
    assert_eq!(lab.labels(), corrected);
    assert_eq!((lab.facts().frame, lab.facts().selected), (FrameIdx(5), Some(ObjectId(1))), "where it was left");
    lab.act(Action::Undo);
    lab.act(Action::Undo);
    lab.wait_for_answers();
    assert_eq!(lab.labels(), tracked);
    lab.act(Action::Undo);
    assert_eq!(lab.labels(), clicked, "the whole run is one step, in another session too");
    drop(lab);

    let mut lab = Lab::with_project(clip.path());
    assert_eq!(lab.labels(), clicked);
    for _ in 0..3 {
        lab.act(Action::Redo);
    }
    lab.wait_for_answers();
    assert_eq!(lab.labels(), corrected, "what was undone can be made again");
    assert_eq!(
        std::fs::read_dir(clip.project().parent().expect("a folder"))
            .expect("readable")
            .filter(|entry| { entry.as_ref().expect("an entry").file_name().to_string_lossy().contains("-wal") })
            .count(),
        1,
        "the project is in use"
    );
    drop(lab);
    let left: Vec<_> = std::fs::read_dir(clip.project().parent().expect("a folder"))
        .expect("readable")
        .map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned())
        .filter(|name| name.starts_with("disc.labelhub"))
        .collect();
    assert_eq!(left, ["disc.labelhub"], "one file remains");
}

/// Numbers that look random and are the same every time.
fn numbers(seed: u64) -> impl FnMut(u64) -> u64 {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    move |below| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state % below
    }
}

fn any_action(next: &mut impl FnMut(u64) -> u64, clip: &DiscClip, lab: &Lab) -> Action {
    let frame = lab.facts().frame.0;
    match next(16) {
        0 | 1 => Action::GoTo(FrameIdx(next(u64::from(clip.frames)) as u32)),
        2 | 3 => click(clip.click(frame)),
        4 => exclude(next(90) as f32, next(60) as f32),
        5 => {
            let left = next(40) as usize;
            Action::Paint(Mask::from_fn(SIZE, |i| i % 96 >= left && i % 96 < left + 20 && (20..40).contains(&(i / 96))))
        }
        6 => Action::NewObject,
        7 => Action::NextObject,
        8 => Action::Track(TrackScope::StaleOrMissing),
        9 => Action::TrackSelected(TrackScope::From(TrackDirection::Forward)),
        10 => Action::ToggleApproved,
        11 => Action::ClearPrompts,
        12 => Action::Undo,
        13 => Action::Redo,
        14 => Action::SetInOut(FrameIdx(1), FrameIdx(next(6) as u32 + 1)),
        _ => match next(4) {
            0 => Action::DeleteObject(None),
            1 => Action::ResetAll,
            2 => Action::AddClass(format!("class {}", next(5))),
            _ => Action::ToggleHidden(None),
        },
    }
}

#[test]
fn any_work_is_in_the_file_as_it_is_in_the_window() {
    for seed in 1..=6 {
        let clip = disc();
        let mut lab = Lab::with_clip(clip.path());
        let mut next = numbers(seed);
        for _ in 0..60 {
            let action = any_action(&mut next, &clip, &lab);
            lab.act(action);
            lab.wait_for_run();
            lab.wait_for_answers();
        }
        let made = lab.labels();
        let mut steps = 0;
        while lab.facts().undo.is_some() {
            lab.act(Action::Undo);
            lab.wait_for_answers();
            steps += 1;
        }
        assert!(steps > 5, "seed {seed}: {steps} steps are no test");
        let empty = lab.labels();
        drop(lab);

        let mut lab = Lab::with_project(clip.path());
        assert_eq!(lab.labels(), empty, "seed {seed}, all undone");
        for _ in 0..steps {
            lab.act(Action::Redo);
            lab.wait_for_answers();
        }
        assert_eq!(lab.labels(), made, "seed {seed}, all made again in another session");
        drop(lab);
        assert_eq!(Lab::with_project(clip.path()).labels(), made, "seed {seed}, opened once more");
    }
}

/// The undo history in words: steps made and undone.
fn steps(lab: &Lab) -> (Vec<String>, Vec<String>) {
    let (done, undone) = lab.app.world().resource::<History>().steps();
    let words = |step: &Step| format!("{} {:?}", step.is_follow_up, step.edit);
    (done.map(words).collect(), undone.map(words).collect())
}

/// The same of the file as a crash would leave it now: the database and its log, copied while they are open.
fn steps_in_file(lab: &mut Lab, clip: &DiscClip) -> (Vec<String>, Vec<String>) {
    wait_until_saved(lab);
    let folder = tempfile::tempdir().expect("a temporary folder");
    let name = clip.project().file_name().expect("a file").to_string_lossy().into_owned();
    for name in [name.clone(), format!("{name}-wal")] {
        std::fs::copy(clip.project().with_file_name(&name), folder.path().join(&name)).expect("of the open project");
    }
    let record = lab.app.world().resource::<OpenClip>().clip().expect("a clip is open").record();
    let options = OpenOptions { on_other_clip: OnOtherClip::Refuse, data_folder: None, waker: Arc::new(|| {}) };
    let (_store, snapshot, _) = ProjectStore::open(&folder.path().join(name), &record, options).expect("it is sound");
    let words = |step: &StoredStep| format!("{} {:?}", step.is_follow_up, step.edit);
    (snapshot.done.iter().map(words).collect(), snapshot.undone.iter().map(words).collect())
}

/// The labeller does not wait for the model: answers and frames come when other steps lie on theirs.
#[test]
fn hasty_work_has_the_same_history_in_the_file_and_goes_back_and_comes_again() {
    for seed in 1..=8 {
        let clip = disc();
        let mut lab = Lab::with_clip(clip.path());
        let mut next = numbers(seed);
        for round in 0..60 {
            for _ in 0..next(3) + 1 {
                let action = any_action(&mut next, &clip, &lab);
                lab.app.world_mut().resource_mut::<ActionQueue>().send(action);
            }
            lab.app.update();
            if round % 20 == 19 {
                assert_eq!(steps_in_file(&mut lab, &clip), steps(&lab), "seed {seed}, round {round}");
            }
        }
        lab.wait_for_run();
        lab.wait_for_answers();
        let (made, made_steps) = (lab.labels(), steps(&lab));
        assert_eq!(steps_in_file(&mut lab, &clip), made_steps, "seed {seed}");
        drop(lab);

        let mut lab = Lab::with_project(clip.path());
        assert_eq!((lab.labels(), steps(&lab)), (made.clone(), made_steps), "seed {seed}, opened again");
        let mut count = 0;
        while lab.facts().undo.is_some() {
            lab.act(Action::Undo);
            count += 1;
        }
        assert_eq!(lab.facts().objects.len(), 0, "seed {seed}, all undone");
        for _ in 0..count {
            lab.act(Action::Redo);
        }
        lab.wait_for_answers();
        assert_eq!(lab.labels(), made, "seed {seed}, all made again");
    }
}

fn last_notice(lab: &Lab) -> (Severity, String, Vec<Action>) {
    let notice = lab.app.world().resource::<Notices>().on_screen().last().expect("something is told").clone();
    (notice.severity, notice.text, notice.ways_out.into_iter().map(|(_, action)| action).collect())
}

#[test]
fn a_backup_that_cannot_be_made_is_told() {
    let (clip, folder) = (disc(), tempfile::tempdir().expect("a temporary folder"));
    let mut lab = Lab::with_clip(clip.path());
    lab.act(click(clip.click(0)));
    lab.wait_for_answers();
    drop(lab);
    let data_folder = folder.path().join("data");
    std::fs::write(&data_folder, "in the way").expect("a writable folder");
    let mut lab = Lab::new();
    lab.app.world_mut().resource_mut::<Project>().data_folder = Some(data_folder);
    lab.act(Action::Open(clip.path().to_owned()));
    lab.wait("it is told", |world| {
        let mut warnings = world.resource::<Notices>().on_screen().iter();
        warnings.any(|notice| notice.severity == Severity::Warning && notice.text.contains("backup"))
    });
}

/// Opens a clip and waits until it is open or given up.
fn try_open(lab: &mut Lab, action: Action) {
    lab.act(action);
    lab.wait("the clip is open or refused", |world| world.resource::<AppFacts>().clip != ClipState::Opening);
}

#[test]
fn a_second_window_does_not_get_the_project() {
    let clip = disc();
    let mut first = Lab::with_clip(clip.path());
    first.act(click(clip.click(0)));
    first.wait_for_answers();
    let mut second = Lab::new();
    try_open(&mut second, Action::Open(clip.path().to_owned()));
    let (severity, text, ways_out) = last_notice(&second);
    assert_eq!((severity, second.facts().clip), (Severity::Error, ClipState::None), "{text}");
    assert!(text.contains(&std::process::id().to_string()), "{text}");
    drop(first);
    try_open(&mut second, ways_out[0].clone());
    assert_eq!((second.facts().clip, second.facts().objects.len()), (ClipState::Open, 1), "free again");
}

/// Puts other pictures of the same names and sizes in a clip's place.
fn change_pictures(clip: &DiscClip) {
    let other = DiscClip::new(SIZE.width, SIZE.height, 8, true);
    for frame in 0..8 {
        let name = format!("{frame:03}.png");
        std::fs::copy(other.path().join(&name), clip.path().join(&name)).expect("copied");
    }
}

#[test]
fn another_clip_of_the_same_name_does_not_get_the_labels_unasked() {
    let clip = disc();
    let mut lab = Lab::with_clip(clip.path());
    lab.act(click(clip.click(0)));
    lab.wait_for_answers();
    let labels = lab.labels();
    let folder = tempfile::tempdir().expect("a temporary folder");
    let copy = folder.path().join("copy.labelhub");
    lab.act(Action::SaveProjectCopy(copy.clone()));
    lab.wait("the copy is told", |world| {
        world.resource::<Notices>().log().any(|notice| notice.text.contains("copy.labelhub"))
    });
    lab.act(Action::Rename(ObjectId(1), "later".to_owned()));
    let later = lab.labels();
    drop(lab);
    change_pictures(&clip);
    for (choice, project, labels) in [
        (ProjectChoice::Own, clip.project().canonicalize().expect("it is there"), later),
        (ProjectChoice::At(copy.clone()), copy, labels),
    ] {
        let mut lab = Lab::new();
        lab.act(Action::LoadModel(test_engine()));
        try_open(&mut lab, Action::OpenWith(clip.path().to_owned(), None, choice));
        let (_, text, ways_out) = last_notice(&lab);
        assert_eq!(lab.facts().clip, ClipState::None, "{text}");
        let Some(Action::OpenWith(_, _, ProjectChoice::Relink(offered))) = ways_out.first() else {
            panic!("{ways_out:?}");
        };
        assert_eq!(offered.canonicalize().expect("it is there"), project);
        try_open(&mut lab, ways_out[0].clone());
        assert_eq!(lab.labels(), labels, "with consent those of {} are there", project.display());
    }
}

#[test]
fn masks_of_linked_labels_take_the_place_of_those_saved_before_once_that_is_agreed() {
    let clip = disc();
    let mut lab = Lab::with_clip(clip.path());
    lab.act(click(clip.click(0)));
    lab.wait_for_answers();
    lab.act(Action::SaveMasks);
    lab.wait_for_saving();
    drop(lab);
    change_pictures(&clip);
    let mut lab = Lab::new();
    try_open(&mut lab, Action::Open(clip.path().to_owned()));
    let (_, text, ways_out) = last_notice(&lab);
    try_open(&mut lab, ways_out[0].clone());
    assert_eq!(lab.facts().clip, ClipState::Open, "{text}");
    lab.act(Action::SaveMasks);
    lab.wait_for_saving();
    let (severity, text, ways_out) = last_notice(&lab);
    assert_eq!((severity, text.contains("save here anyway")), (Severity::Error, true), "{text}");
    for action in [ways_out[0].clone(), Action::SaveMasks] {
        lab.act(action);
        lab.wait_for_saving();
        let (severity, text, _) = last_notice(&lab);
        assert_eq!((severity, text.starts_with("Saved 1 mask in ")), (Severity::Info, true), "{text}");
    }
}

#[test]
fn trying_again_opens_the_project_that_was_chosen() {
    let clip = disc();
    let mut first = Lab::with_clip(clip.path());
    first.act(click(clip.click(0)));
    first.wait_for_answers();
    let folder = tempfile::tempdir().expect("a temporary folder");
    let copy = folder.path().join("copy.labelhub");
    first.act(Action::SaveProjectCopy(copy.clone()));
    first.wait("the copy is told", |world| {
        world.resource::<Notices>().log().any(|notice| notice.text.contains("copy.labelhub"))
    });
    let mut holder = Lab::new();
    try_open(&mut holder, Action::Open(copy.clone()));
    let mut second = Lab::new();
    try_open(&mut second, Action::Open(copy.clone()));
    let (_, text, ways_out) = last_notice(&second);
    assert_eq!(ways_out[..1], [Action::OpenWith(clip.path().to_owned(), None, ProjectChoice::At(copy))], "{text}");
}

#[test]
fn a_project_opens_with_its_clip_and_so_does_a_copy_of_it() {
    let clip = disc();
    let mut lab = Lab::with_clip(clip.path());
    lab.act(click(clip.click(0)));
    lab.wait_for_answers();
    let first = lab.labels();
    let folder = tempfile::tempdir().expect("a temporary folder");
    let copy = folder.path().join("copy.labelhub");
    lab.act(Action::SaveProjectCopy(copy.clone()));
    lab.wait("the copy is told", |world| {
        world.resource::<Notices>().log().any(|notice| notice.text.contains("copy.labelhub"))
    });
    lab.act(Action::Rename(ObjectId(1), "later".to_owned()));
    let later = lab.labels();
    drop(lab);
    for (file, labels) in [(clip.project(), later), (copy, first)] {
        let mut lab = Lab::new();
        try_open(&mut lab, Action::Open(file.clone()));
        assert_eq!(lab.labels(), labels, "{}", file.display());
    }
}

#[test]
fn a_copy_gets_a_projects_ending_and_replaces_nothing() {
    let clip = disc();
    let mut lab = Lab::with_clip(clip.path());
    lab.act(click(clip.click(0)));
    lab.wait_for_answers();
    let labels = lab.labels();
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (named, copy) = (folder.path().join("rescue"), folder.path().join("rescue.labelhub"));
    let save = |lab: &mut Lab, answer: &str| {
        lab.act(Action::SaveProjectCopy(named.clone()));
        let told = format!("{}{answer}", copy.display());
        lab.wait("it is told", |world| world.resource::<Notices>().log().any(|notice| notice.text.contains(&told)));
    };
    save(&mut lab, ".");
    let before = std::fs::read(&copy).expect("the copy");
    save(&mut lab, ": the copy was not written (there is a file of this name already)");
    assert_eq!((std::fs::read(&copy).ok(), named.exists()), (Some(before), false));
    drop(lab);
    let mut lab = Lab::new();
    try_open(&mut lab, Action::Open(copy));
    assert_eq!(lab.labels(), labels);
}

#[test]
fn the_labels_of_a_clip_that_was_renamed_are_a_button_away() {
    let clip = disc();
    let mut lab = Lab::with_clip(clip.path());
    lab.act(click(clip.click(0)));
    lab.wait_for_answers();
    let labels = lab.labels();
    drop(lab);
    let renamed = clip.path().with_file_name("film");
    std::fs::rename(clip.path(), &renamed).expect("the same disk");
    let mut lab = Lab::new();
    try_open(&mut lab, Action::Open(renamed.clone()));
    let (severity, text, ways_out) = last_notice(&lab);
    assert_eq!((severity, lab.facts().objects.len()), (Severity::Warning, 0), "{text}");
    assert!(text.contains("labels of this same clip") && text.contains("film.labelhub"), "{text}");
    try_open(&mut lab, ways_out[0].clone());
    assert_eq!(lab.labels(), labels);
    assert!(!clip.project().with_file_name("film.labelhub").exists(), "the empty one is gone again");
}

#[test]
fn work_in_an_earlier_recovery_is_a_button_away_when_the_damage_has_become_another() {
    let clip = disc();
    let mut lab = Lab::with_clip(clip.path());
    lab.act(click(clip.click(0)));
    lab.wait_for_answers();
    drop(lab);
    let spoil = |with: u8| {
        let mut bytes = std::fs::read(clip.project()).expect("a project");
        let last = bytes.len() - 4096;
        bytes[last..].fill(with);
        std::fs::write(clip.project(), bytes).expect("writable");
    };
    spoil(0xEE);
    let mut lab = Lab::new();
    try_open(&mut lab, Action::Open(clip.path().to_owned()));
    lab.act(Action::NewObject);
    let labels = lab.labels();
    drop(lab);
    spoil(0xEF);
    let mut lab = Lab::new();
    try_open(&mut lab, Action::Open(clip.path().to_owned()));
    let (_, text, ways_out) = last_notice(&lab);
    assert_ne!(lab.labels(), labels, "{text}");
    try_open(&mut lab, ways_out[0].clone());
    assert_eq!(lab.labels(), labels, "{text}");
}

/// A store whose disk refuses when it matters.
struct NeverClosed(MemoryStore);

impl LabelStore for NeverClosed {
    fn put(&mut self, mask: &Mask) -> MaskId {
        self.0.put(mask)
    }
    fn get(&self, id: MaskId) -> Result<Mask, StoreError> {
        self.0.get(id)
    }
    fn record(&mut self, edit: &Edit) {
        self.0.record(edit);
    }
    fn note_history(&mut self, change: HistoryChange) {
        self.0.note_history(change);
    }
    fn note_session(&mut self, session: &str) {
        self.0.note_session(session);
    }
    fn finish(&mut self, durability: Durability) {
        self.0.finish(durability);
    }
    fn close(&mut self) -> Result<(), StoreError> {
        Err(StoreError::NotSaved { path: "p.labelhub".into(), cause: "the disk is gone".to_owned() })
    }
    fn saved(&self) -> SaveState {
        SaveState::Saving
    }
    fn keep_only(&mut self, used: &HashSet<MaskId>) {
        self.0.keep_only(used);
    }
    fn byte_count(&self) -> usize {
        self.0.byte_count()
    }
}

#[test]
fn what_cannot_be_written_at_the_end_keeps_the_clip_open() {
    let (one, two) = (disc(), disc());
    let mut lab = Lab::with_clip(one.path());
    lab.app.insert_resource(StoreLink(Arc::new(RwLock::new(NeverClosed(MemoryStore::default())))));
    lab.act(click(one.click(0)));
    lab.wait_for_answers();
    let before = lab.labels();
    try_open(&mut lab, Action::Open(two.path().to_owned()));
    assert_eq!((lab.labels(), lab.facts().clip), (before.clone(), ClipState::Open), "nothing was lost");
    let (severity, text, ways_out) = last_notice(&lab);
    let anyway = Action::OpenAnyway(two.path().to_owned(), None, ProjectChoice::Own);
    assert!(severity == Severity::Error && ways_out.contains(&anyway), "{text}");
    lab.act(Action::Quit);
    assert!(lab.app.should_exit().is_none(), "quitting does not lose it either");
    assert_eq!(lab.labels(), before);
    try_open(&mut lab, anyway);
    assert_eq!((lab.labels().len(), lab.facts().clip), (2, ClipState::Open), "with consent it goes");
}

#[test]
fn labels_read_for_a_clip_that_was_left_go_nowhere() {
    let (one, two) = (disc(), disc());
    let mut lab = Lab::with_clip(one.path());
    lab.act(click(one.click(0)));
    lab.wait_for_answers();
    let folder = tempfile::tempdir().expect("a temporary folder");
    lab.act(Action::SaveMasksTo(folder.path().join("masks")));
    lab.wait_for_saving();
    let leave = Action::OpenAnyway(two.path().to_owned(), None, ProjectChoice::Own);
    for action in [Action::ImportLabels(folder.path().join("masks")), Action::Open(two.path().to_owned())] {
        lab.app.world_mut().resource_mut::<ActionQueue>().send(action);
    }
    lab.app.update();
    let (_, text, ways_out) = last_notice(&lab);
    assert!(ways_out.contains(&leave), "leaving asks: {text}");
    lab.act(leave);
    lab.wait("the other clip is there", |world| {
        let facts = world.resource::<AppFacts>();
        facts.clip == ClipState::Open && !facts.is_exporting && facts.objects.is_empty()
    });
    for _ in 0..3 {
        lab.app.update();
    }
    assert_eq!(lab.facts().objects.len(), 0);
}

#[test]
fn a_project_that_can_only_be_read_stays_as_it_is() {
    let clip = disc();
    let mut lab = Lab::with_clip(clip.path());
    lab.act(click(clip.click(0)));
    lab.wait_for_answers();
    lab.act(Action::GoTo(FrameIdx(3)));
    lab.act(click(clip.click(3)));
    let labels = lab.labels();
    assert!(lab.mark(1, 0).is_some() && lab.mark(1, 3).is_none(), "the last click is not answered");
    drop(lab);
    let project = rusqlite::Connection::open(clip.project()).expect("SQLite");
    project.pragma_update(None, "user_version", 99).expect("written");
    drop(project);
    let mut lab = Lab::with_project(clip.path());
    assert!(lab.facts().is_read_only && lab.facts().undo.is_some());
    lab.wait_for_answers();
    assert_eq!(lab.labels(), labels, "the model makes no edits either");
    for action in [Action::Undo, Action::ResetAll, Action::AddClass("class".to_owned()), click(clip.click(0))] {
        lab.act(action);
        assert_eq!(lab.labels(), labels);
    }
    let handle = lab.app.world().resource::<Project>().handle.clone().expect("a project");
    assert_eq!(handle.saved(), SaveState::Saved, "nothing waits to be written");
}
