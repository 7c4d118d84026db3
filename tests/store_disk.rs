//! A disk that really refuses: the system's own limit on file sizes, in a process of its own.

#![cfg(all(target_os = "linux", target_env = "gnu"))]

mod store_support;

use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use crossbeam_channel::bounded;
use label_hub::store::{LabelStore, OpenOptions, ProjectStore, SaveState, StoreError};
use store_support::{Both, Model, check, clip, file_names, options};

const ACTIONS: u32 = 200;

fn limit_file_size(bytes: libc::rlim_t) {
    let limit = libc::rlimit { rlim_cur: bytes, rlim_max: libc::RLIM_INFINITY };
    // SAFETY: both calls only change settings of this process; `limit` lives through the call.
    let is_set = unsafe {
        libc::signal(libc::SIGXFSZ, libc::SIG_IGN);
        libc::setrlimit(libc::RLIMIT_FSIZE, &raw const limit) == 0
    };
    assert!(is_set, "the limit is set");
}

fn click(both: &mut Both, n: u32) {
    both.click(1 + n % 4, n % 20, n);
}

/// Run by the test below.
#[test]
fn child_writes_against_a_limit() {
    let Some(path) = std::env::var_os("LABEL_HUB_TEST_LIMIT") else { return };
    let path = Path::new(&path);
    let (sender, news) = bounded(1);
    let waker = move || {
        // Full: there is a wake-up that was not seen yet.
        sender.try_send(()).ok();
    };
    let options = OpenOptions { waker: Arc::new(waker), ..options() };
    let (store, ..) = ProjectStore::open(path, &clip(), options).expect("a new project");
    let mut both = Both { store, model: Model::default() };
    let wait_for = |store: &ProjectStore, is_it: &dyn Fn(&SaveState) -> bool| {
        while !is_it(&store.saved()) {
            news.recv().expect("the thread is there");
        }
    };
    click(&mut both, 0);
    wait_for(&both.store, &|state| *state == SaveState::Saved);
    limit_file_size(160 << 10);
    for n in 1..ACTIONS {
        click(&mut both, n);
    }
    wait_for(&both.store, &|state| matches!(state, SaveState::Failed(_)));
    let SaveState::Failed(text) = both.store.saved() else { panic!("it failed a moment ago") };
    assert!(text.contains("the disk") && text.contains("p.labelhub") && text.contains("kept in memory"), "{text}");
    for (id, mask) in &both.model.masks {
        assert_eq!(both.store.get(*id).as_ref(), Ok(mask));
    }
    let copy = path.with_file_name("copy.labelhub");
    // A copy is smaller than the project with its log, and would still find room.
    limit_file_size(8 << 10);
    assert!(matches!(both.store.handle().save_copy(&copy), Err(StoreError::Copy { .. })), "the limit holds there too");
    assert!(matches!(both.store.close(), Err(StoreError::NotSaved { .. })));

    limit_file_size(libc::RLIM_INFINITY);
    both.store.handle().retry_now();
    wait_for(&both.store, &|state| *state == SaveState::Saved);
    both.store.handle().save_copy(&copy).expect("there is room");
    both.store.close().expect("there is room");
}

#[test]
fn a_disk_that_refuses_loses_nothing() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("p.labelhub");
    let output = Command::new(std::env::current_exe().expect("this test"))
        .args(["child_writes_against_a_limit", "--exact"])
        .env("LABEL_HUB_TEST_LIMIT", &path)
        .output()
        .expect("this test runs twice");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    assert_eq!(file_names(folder.path()), ["copy.labelhub", "p.labelhub"]);

    let again = folder.path().join("again.labelhub");
    let mut expected = Both::new(&again);
    (0..ACTIONS).for_each(|n| click(&mut expected, n));
    for name in ["p.labelhub", "copy.labelhub"] {
        drop(check(&folder.path().join(name), &expected.model));
    }
}
