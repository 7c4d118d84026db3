//! The project file through its public doors: everything told to it is there when it is opened again.

mod store_support;

use std::sync::Arc;

use label_hub::label::{Change, Edit, FrameIdx, FrameMark, ObjectId};
use label_hub::store::{Durability, HistoryChange, LabelStore, SaveState, StoreError};
use proptest::prelude::*;
use store_support::{Both, Model, check, clip, facts, file_names, mark, mask, open, prompt};

fn folder() -> tempfile::TempDir {
    tempfile::tempdir().expect("a temporary folder")
}

/// One of each kind of change, each way: thing comes, changes, goes.
#[test]
fn every_kind_of_change_comes_back() {
    let folder = folder();
    let path = folder.path().join("clip.mp4.labelhub");
    let mut both = Both::new(&path);
    let (object, frame) = (ObjectId(3), FrameIdx(7));
    let (a, b, painted) = (both.put(1), both.put(2), both.put(4));
    let classes = |names: &[&str]| -> Arc<[String]> { names.iter().map(|&n| n.to_owned()).collect() };
    let frames = |first, last| Some((FrameIdx(first), FrameIdx(last)));
    let named: Vec<(&str, Change)> = vec![
        ("object comes", Change::Object { id: object, before: None, after: Some(facts(9)) }),
        ("object changes", Change::Object { id: object, before: Some(facts(9)), after: Some(facts(10)) }),
        ("clicks", Change::Prompt { object, frame, before: None, after: Some(prompt(4)) }),
        ("box", Change::Prompt { object, frame, before: Some(prompt(4)), after: Some(prompt(3)) }),
        ("mask prompt", Change::Prompt { object, frame, before: Some(prompt(3)), after: Some(prompt(5)) }),
        ("mark", Change::Mark { object, frame, before: None, after: Some(mark(a, 1)) }),
        ("mark changes", Change::Mark { object, frame, before: Some(mark(a, 1)), after: Some(mark(b, 2)) }),
        ("painted", Change::Mark { object, frame, before: Some(mark(b, 2)), after: Some(mark(painted, 4)) }),
        ("in and out", Change::InOut { before: None, after: frames(2, 19) }),
        ("in and out change", Change::InOut { before: frames(2, 19), after: frames(5, 5) }),
        ("classes", Change::Classes { before: classes(&[]), after: classes(&["fox", "\u{202E}", "a\"b\\"]) }),
        ("mark goes", Change::Mark { object, frame, before: Some(mark(painted, 4)), after: None }),
        ("prompt goes", Change::Prompt { object, frame, before: Some(prompt(5)), after: None }),
        ("in and out go", Change::InOut { before: frames(5, 5), after: None }),
        ("classes go", Change::Classes { before: classes(&["fox", "\u{202E}", "a\"b\\"]), after: classes(&[]) }),
        ("object goes", Change::Object { id: object, before: Some(facts(10)), after: None }),
    ];
    for (name, change) in named {
        both.act(name, vec![change]);
        both = both.reopen();
    }
    drop(both);
    assert_eq!(file_names(folder.path()), ["clip.mp4.labelhub"], "one file remains");
}

#[test]
fn scores_that_are_no_numbers_survive() {
    let folder = folder();
    let path = folder.path().join("p.labelhub");
    let (mut store, ..) = open(&path).expect("a new project");
    let id = store.put(&mask(1));
    let odd = FrameMark {
        object_score: f32::NEG_INFINITY,
        predicted_iou: f32::NAN,
        stability: f32::MIN_POSITIVE / 2.0,
        revision: u64::MAX,
        area: u64::MAX,
        ..mark(id, 1)
    };
    let change = Change::Mark { object: ObjectId(u32::MAX), frame: FrameIdx(19), before: Some(odd), after: Some(odd) };
    let edit = Edit { name: "odd".to_owned(), changes: vec![change] };
    store.record(&edit);
    store.note_history(HistoryChange::Push { edit, is_follow_up: true });
    store.finish(Durability::Batched);
    store.close().expect("a writable folder");
    drop(store);
    let (_store, snapshot, _) = open(&path).expect("the project");
    let Change::Mark { before: Some(before), after: Some(after), .. } = &snapshot.done[0].edit.changes[0] else {
        panic!("{:?}", snapshot.done)
    };
    for mark in [&snapshot.marks[0].2, before, after] {
        assert_eq!(format!("{mark:?}"), format!("{odd:?}"));
        assert_eq!(mark.stability.to_bits(), odd.stability.to_bits());
    }
    assert_eq!(snapshot.last_revision, u64::MAX);
}

#[test]
fn a_project_put_in_the_place_of_an_empty_one_stays() {
    let folder = folder();
    let (path, other) = (folder.path().join("p.labelhub"), folder.path().join("other.labelhub"));
    let mut both = Both::new(&other);
    both.click(1, 2, 3);
    drop(both);
    for by_copy in [true, false] {
        let (store, ..) = open(&path).expect("a new project");
        // Over the same file, or a new file of the same name.
        let elsewhere = folder.path().join("elsewhere");
        let target = if by_copy { &path } else { &elsewhere };
        std::fs::copy(&other, target).expect("copied");
        if !by_copy {
            std::fs::rename(&elsewhere, &path).expect("renamed");
        }
        drop(store);
        let (_, snapshot, _) = open(&path).expect("it is still there");
        assert_eq!(snapshot.objects.len(), 1, "by copy: {by_copy}");
        std::fs::remove_file(&path).expect("ours");
    }
}

#[test]
fn a_project_nothing_was_put_into_leaves_no_file() {
    let folder = folder();
    let path = folder.path().join("p.labelhub");
    let (mut store, ..) = open(&path).expect("a new project");
    store.note_session("{\"playhead\":3}");
    drop(store);
    assert_eq!(file_names(folder.path()), Vec::<String>::new());
    let mut both = Both::new(&path);
    both.click(1, 2, 3);
    both.note_session("{\"playhead\":4}");
    both = both.reopen();
    drop(both);
    assert_eq!(file_names(folder.path()), ["p.labelhub"]);
}

#[test]
fn masks_are_found_before_and_after_they_are_in_the_file() {
    let folder = folder();
    let path = folder.path().join("p.labelhub");
    let mut both = Both::new(&path);
    let (kept, dropped) = (both.put(1), both.put(2));
    assert_eq!(both.store.get(kept), Ok(mask(1)), "not finished");
    both.store.finish(Durability::Batched);
    assert_eq!(both.store.get(kept), Ok(mask(1)), "on its way");
    both.store.handle().flush().expect("a writable folder");
    assert_eq!(both.store.saved(), SaveState::Saved);
    assert_eq!(both.store.get(kept), Ok(mask(1)), "in the file");
    let bytes = both.store.byte_count();
    both.store.keep_only(&[kept].into());
    assert_eq!(both.store.get(dropped), Err(StoreError::Unknown(dropped)));
    assert!(both.store.byte_count() < bytes && both.store.byte_count() > 0);
    both.model.masks.remove(&dropped);
    both = both.reopen();
    assert_eq!(both.store.get(dropped), Err(StoreError::Unknown(dropped)));
    let next = both.put(3);
    assert!(next > dropped, "ids are never used again, also in another session");
}

#[test]
fn what_was_finished_is_there_when_the_program_just_ends() {
    let folder = folder();
    let path = folder.path().join("p.labelhub");
    let mut both = Both::new(&path);
    for n in 0..30 {
        both.click(n % 4, n % 20, n);
    }
    both.store.handle().flush().expect("a writable folder");
    // What a crash leaves: the database and its log as they are, copied while the store is open.
    let other = folder.path().join("after the crash");
    std::fs::create_dir(&other).expect("a new folder");
    for name in ["p.labelhub", "p.labelhub-wal"] {
        std::fs::copy(folder.path().join(name), other.join(name)).expect("a file of the open project");
    }
    drop(check(&other.join("p.labelhub"), &both.model));
    assert_eq!(file_names(&other), ["p.labelhub"]);
}

/// What a random test does to store and model.
#[derive(Debug, Clone)]
enum Doing {
    Click { object: u32, frame: u32, seed: u32 },
    Erase { object: u32, frame: u32 },
    Remove { object: u32 },
    InOut(Option<(u32, u32)>),
    Classes(u8),
    Extend { below: usize, object: u32, frame: u32, seed: u32 },
    Insert { below: usize, object: u32, frame: u32, seed: u32 },
    FollowUp { object: u32, frame: u32, seed: u32 },
    Undo(usize),
    Redo(usize),
    DropOldest(usize),
    ClearUndone,
    Clear,
    KeepOnlyUsed,
    Session(u8),
    Finish(bool),
    Reopen,
}

fn doing() -> impl Strategy<Value = Doing> {
    let at = || (1..4_u32, 0..6_u32, 0..1000_u32);
    prop_oneof![
        6 => at().prop_map(|(object, frame, seed)| Doing::Click { object, frame, seed }),
        2 => at().prop_map(|(object, frame, _)| Doing::Erase { object, frame }),
        1 => (1..4_u32).prop_map(|object| Doing::Remove { object }),
        1 => proptest::option::of((0..5_u32, 5..20_u32)).prop_map(Doing::InOut),
        1 => any::<u8>().prop_map(Doing::Classes),
        5 => (0..4_usize, at()).prop_map(|(below, (object, frame, seed))| Doing::Extend { below, object, frame, seed }),
        2 => (0..4_usize, at()).prop_map(|(below, (object, frame, seed))| Doing::Insert { below, object, frame, seed }),
        2 => at().prop_map(|(object, frame, seed)| Doing::FollowUp { object, frame, seed }),
        4 => (0..4_usize).prop_map(Doing::Undo),
        3 => (0..4_usize).prop_map(Doing::Redo),
        1 => (0..3_usize).prop_map(Doing::DropOldest),
        1 => Just(Doing::ClearUndone),
        1 => Just(Doing::KeepOnlyUsed),
        1 => any::<u8>().prop_map(Doing::Session),
        3 => any::<bool>().prop_map(Doing::Finish),
        1 => Just(Doing::Reopen),
        1 => (0..6_u8).prop_map(|n| if n == 0 { Doing::Clear } else { Doing::ClearUndone }),
    ]
}

fn mark_change(both: &mut Both, object: u32, frame: u32, seed: u32) -> Change {
    let id = both.put(seed);
    let (object, frame) = (ObjectId(object), FrameIdx(frame));
    let before = both.model.marks.get(&(object, frame)).copied();
    Change::Mark { object, frame, before, after: Some(mark(id, seed)) }
}

fn perform(both: Both, doing: Doing) -> Both {
    let mut both = both;
    match doing {
        Doing::Click { object, frame, seed } => both.click(object, frame, seed),
        Doing::Erase { object, frame } => {
            let (object, frame) = (ObjectId(object), FrameIdx(frame));
            let before = both.model.marks.get(&(object, frame)).copied();
            both.act("erase", vec![Change::Mark { object, frame, before, after: None }]);
        }
        Doing::Remove { object } => {
            let id = ObjectId(object);
            let before = both.model.objects.get(&id).cloned();
            both.act("remove", vec![Change::Object { id, before, after: None }]);
        }
        Doing::InOut(frames) => {
            let after = frames.map(|(first, last)| (FrameIdx(first), FrameIdx(last)));
            both.act("in and out", vec![Change::InOut { before: both.model.in_out, after }]);
        }
        Doing::Classes(n) => {
            let after: Arc<[String]> = (0..n % 4).map(|k| format!("class {k}")).collect();
            both.act("classes", vec![Change::Classes { before: both.model.classes.clone().into(), after }]);
        }
        Doing::Extend { below, object, frame, seed } => {
            let changes = vec![mark_change(&mut both, object, frame, seed)];
            both.record(&Edit { name: "track".to_owned(), changes: changes.clone() });
            both.note_history(HistoryChange::Extend { below, changes });
            both.store.finish(Durability::Batched);
        }
        Doing::Insert { below, object, frame, seed } => {
            let edit = Edit { name: "track".to_owned(), changes: vec![mark_change(&mut both, object, frame, seed)] };
            both.record(&edit);
            both.note_history(HistoryChange::Insert { below, edit });
            both.store.finish(Durability::Batched);
        }
        Doing::FollowUp { object, frame, seed } => {
            let edit = Edit { name: "answer".to_owned(), changes: vec![mark_change(&mut both, object, frame, seed)] };
            both.record(&edit);
            both.note_history(HistoryChange::Push { edit, is_follow_up: true });
        }
        Doing::Undo(count) => {
            let steps: Vec<Edit> = both.model.done.iter().rev().take(count).map(|s| s.edit.reversed()).collect();
            steps.iter().for_each(|edit| both.record(edit));
            both.note_history(HistoryChange::Undo(count));
        }
        Doing::Redo(count) => {
            let steps: Vec<Edit> = both.model.undone.iter().rev().take(count).map(|s| s.edit.clone()).collect();
            steps.iter().for_each(|edit| both.record(edit));
            both.note_history(HistoryChange::Redo(count));
        }
        Doing::DropOldest(count) => both.note_history(HistoryChange::DropOldest(count)),
        Doing::ClearUndone => both.note_history(HistoryChange::ClearUndone),
        Doing::Clear => both.note_history(HistoryChange::Clear),
        Doing::KeepOnlyUsed => both.keep_only_used(),
        Doing::Session(n) => both.note_session(&format!("{{\"playhead\":{n}}}")),
        Doing::Finish(is_durable) => {
            both.store.finish(if is_durable { Durability::Durable } else { Durability::Batched });
        }
        Doing::Reopen => both = both.reopen(),
    }
    both
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, ..ProptestConfig::default() })]

    #[test]
    fn whatever_is_done_is_there_again(doings in proptest::collection::vec(doing(), 1..60)) {
        let folder = folder();
        let mut both = Both::new(&folder.path().join("p.labelhub"));
        both.click(1, 1, 1); // so that the file stays
        for doing in doings {
            both = perform(both, doing);
        }
        drop(both.reopen());
    }
}

#[test]
fn a_new_clip_starts_empty() {
    let folder = folder();
    let (_store, snapshot, notices) = open(&folder.path().join("p.labelhub")).expect("a new project");
    assert_eq!((snapshot.clip.clone(), notices), (clip(), Vec::new()));
    assert_eq!(snapshot, Model::default().snapshot());
}
