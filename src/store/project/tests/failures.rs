//! What happens when the disk does not take what it is given.

use crossbeam_channel::{Receiver, bounded};

use super::*;
use crate::store::SaveState;

/// A store whose news the test can wait for.
fn open_with_news(path: &Path) -> (ProjectStore, Receiver<()>) {
    let (sender, news) = bounded(1000);
    let waker = move || {
        // Full or closed: the test has seen enough.
        sender.try_send(()).ok();
    };
    let (store, ..) = open(path, &clip(), &options(waker), &Surroundings::default()).expect("a new project");
    (store, news)
}

fn wait_for(store: &ProjectStore, news: &Receiver<()>, is_it: impl Fn(&SaveState) -> bool) -> SaveState {
    loop {
        let state = store.saved();
        if is_it(&state) {
            return state;
        }
        news.recv().expect("the thread is there");
    }
}

fn fill_disk(store: &ProjectStore) {
    // Clamped to the pages there are: not one more may be added.
    on_connection(store, |connection| connection.pragma_update(None, "max_page_count", 1).expect("a limit"));
}

fn free_disk(store: &ProjectStore) {
    on_connection(store, |connection| connection.pragma_update(None, "max_page_count", 1_000_000).expect("no limit"));
}

#[test]
fn a_full_disk_loses_nothing_and_saving_goes_on_when_there_is_room() {
    let folder = folder();
    let path = folder.path().join("p.labelhub");
    let (mut store, news) = open_with_news(&path);
    click(&mut store, 0);
    wait_for(&store, &news, |state| *state == SaveState::Saved);
    fill_disk(&store);
    let ids: Vec<MaskId> = (1..60).map(|frame| click(&mut store, frame)).collect();
    let state = wait_for(&store, &news, |state| matches!(state, SaveState::Failed(_)));
    let SaveState::Failed(text) = state else { unreachable!() };
    for part in [path.to_str().expect("plain"), "the disk is full", "Free space", "save a copy"] {
        assert!(text.contains(part), "{part} in: {text}");
    }
    for (id, frame) in ids.iter().zip(1..) {
        assert_eq!(store.get(*id), Ok(mask(frame)), "kept in memory");
    }
    let error = store.close().expect_err("not everything is saved");
    assert!(matches!(error, StoreError::NotSaved { .. }), "{error}");

    let copy = folder.path().join("copy.labelhub");
    store.handle().save_copy(&copy).expect("the copy has no limit");
    let (copied, snapshot, notices) = open_plainly(&copy);
    assert_eq!(frames(&copied, &snapshot), (0..60).collect::<Vec<_>>());
    assert_eq!((snapshot.done.len(), notices), (60, Vec::new()));
    drop(copied);

    free_disk(&store);
    store.handle().retry_now();
    wait_for(&store, &news, |state| *state == SaveState::Saved);
    click(&mut store, 60);
    store.close().expect("there is room");
    let (store, snapshot, _) = open_plainly(&path);
    assert_eq!(frames(&store, &snapshot), (0..61).collect::<Vec<_>>());
    assert_eq!(snapshot.done.len(), 61);
}

#[test]
fn what_cannot_be_saved_at_the_end_costs_only_itself() {
    let folder = folder();
    let path = folder.path().join("p.labelhub");
    let (mut store, news) = open_with_news(&path);
    for frame in 0..5 {
        click(&mut store, frame);
    }
    wait_for(&store, &news, |state| *state == SaveState::Saved);
    fill_disk(&store);
    for frame in 5..50 {
        click(&mut store, frame);
    }
    drop(store);
    let (store, snapshot, notices) = open_plainly(&path);
    let frames = frames(&store, &snapshot);
    assert!(frames.len() >= 5 && frames.len() < 50, "{frames:?}");
    assert_eq!((frames, notices), ((0..snapshot.done.len() as u32).collect(), Vec::new()));
}

#[test]
fn a_batch_that_fails_halfway_leaves_no_half_unit() {
    let folder = folder();
    let path = folder.path().join("p.labelhub");
    let (mut store, news) = open_with_news(&path);
    fill_disk(&store);
    // One unit with more masks than free pages: some inserts work before one fails.
    for frame in 0..50 {
        let id = store.put(&mask(frame));
        let mark = FrameMark::painted(id, &mask(frame), 1);
        let change = Change::Mark { object: ObjectId(1), frame: FrameIdx(frame), before: None, after: Some(mark) };
        store.record(&Edit { name: "track".to_owned(), changes: vec![change] });
    }
    store.finish(Durability::Batched);
    wait_for(&store, &news, |state| matches!(state, SaveState::Failed(_)));
    drop(store);
    let (_store, snapshot, _) = open_plainly(&path);
    assert_eq!(snapshot.marks, []);
}

#[test]
fn a_project_deleted_while_open_is_noticed_and_can_be_copied() {
    let folder = folder();
    let path = folder.path().join("p.labelhub");
    let (mut store, news) = open_with_news(&path);
    click(&mut store, 0);
    wait_for(&store, &news, |state| *state == SaveState::Saved);
    std::fs::rename(&path, folder.path().join("elsewhere")).expect("an open file can be renamed here");
    click(&mut store, 1);
    let state = wait_for(&store, &news, |state| matches!(state, SaveState::Failed(_)));
    assert!(format!("{state:?}").contains("moved, replaced or deleted"), "{state:?}");
    let copy = folder.path().join("copy.labelhub");
    store.handle().save_copy(&copy).expect("a writable folder");
    let (copied, snapshot, _) = open_plainly(&copy);
    assert_eq!(frames(&copied, &snapshot), [0, 1]);
    std::fs::rename(folder.path().join("elsewhere"), &path).expect("back");
    store.handle().retry_now();
    wait_for(&store, &news, |state| *state == SaveState::Saved);
}

#[test]
fn a_thread_that_dies_is_not_taken_for_one_that_saved() {
    let folder = folder();
    let (mut store, news) = open_with_news(&folder.path().join("p.labelhub"));
    click(&mut store, 0);
    wait_for(&store, &news, |state| *state == SaveState::Saved);
    let control = Control::Run(Box::new(|_| panic!("as the test wants")));
    store.handle.control.send(control).expect("the thread runs");
    let state = wait_for(&store, &news, |state| matches!(state, SaveState::Failed(_)));
    assert!(format!("{state:?}").contains("error in the program"), "{state:?}");
    click(&mut store, 1);
    assert!(matches!(store.saved(), SaveState::Failed(_)));
    assert!(matches!(store.close(), Err(StoreError::NotSaved { .. })));
}

#[test]
fn a_copy_is_whole_or_not_there_and_replaces_nothing() {
    let folder = folder();
    let (mut store, _news) = open_with_news(&folder.path().join("p.labelhub"));
    click(&mut store, 0);
    let taken = folder.path().join("taken.labelhub");
    std::fs::write(&taken, "mine").expect("writable");
    let missing = folder.path().join("no such folder").join("copy.labelhub");
    for target in [&taken, &missing, &folder.path().join("p.labelhub")] {
        let error = store.handle().save_copy(target).expect_err("refused");
        assert!(matches!(error, StoreError::Copy { .. }), "{error}");
    }
    assert_eq!(std::fs::read(&taken).expect("still there"), b"mine");
    let names: Vec<_> =
        std::fs::read_dir(folder.path()).expect("readable").map(|e| e.expect("an entry").path()).collect();
    assert!(!names.iter().any(|name| name.to_string_lossy().ends_with(".part")), "{names:?}");
}
