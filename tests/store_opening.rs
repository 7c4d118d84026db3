//! Opening a project that is not simply there: in use, protected, of another origin, of another clip.

mod store_support;

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use label_hub::label::{Change, ClipRecord, Edit, FrameSize, ObjectId};
use label_hub::store::{
    Durability, LabelStore, OnOtherClip, OpenNotice, OpenOptions, ProjectClip, ProjectStore, SaveState, StoreError,
    project_clip, project_path,
};
use store_support::{Both, check, clip, facts, file_names, mask, open, options};

fn folder() -> tempfile::TempDir {
    tempfile::tempdir().expect("a temporary folder")
}

/// A closed project with a few labels, and what is in it.
fn project(path: &Path) -> store_support::Model {
    let mut both = Both::new(path);
    for n in 0..8 {
        both.click(n % 3, n, n * 7);
    }
    both.store.close().expect("a writable folder");
    both.model
}

fn refusal(path: &Path) -> StoreError {
    open(path).map(|(store, ..)| store.path().to_owned()).expect_err("it must be refused")
}

fn protect(path: &Path, is_on: bool) {
    let mut permissions = fs::metadata(path).expect("it is there").permissions();
    permissions.set_readonly(is_on);
    fs::set_permissions(path, permissions).expect("it is ours");
}

/// Holds a project open in another process until it is killed; run through `holder`.
#[test]
fn child_holds_a_project_open() {
    let Some(path) = std::env::var_os("LABEL_HUB_TEST_HOLD") else { return };
    let (store, ..) = open(Path::new(&path)).expect("nobody else has it");
    println!("holding");
    std::io::stdout().flush().expect("the parent reads");
    let mut line = String::new();
    std::io::stdin().read_line(&mut line).expect("the parent's pipe");
    drop(store);
}

fn holder(path: &Path) -> Child {
    held_by("child_holds_a_project_open", path)
}

fn held_by(test: &str, path: &Path) -> Child {
    let mut child = Command::new(std::env::current_exe().expect("this test"))
        .args([test, "--exact", "--nocapture"])
        .env("LABEL_HUB_TEST_HOLD", path)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("this test runs twice");
    let output = BufReader::new(child.stdout.as_mut().expect("piped"));
    let found = output.lines().any(|line| line.expect("text").contains("holding"));
    assert!(found, "the child opened the project");
    child
}

#[test]
fn a_project_open_elsewhere_is_refused_with_host_and_process_until_that_one_is_gone() {
    let folder = folder();
    let path = folder.path().join("p.labelhub");
    let model = project(&path);
    let mut child = holder(&path);
    let link = folder.path().join("link.labelhub");
    #[cfg(unix)]
    std::os::unix::fs::symlink(&path, &link).expect("a link");
    #[cfg(not(unix))]
    let link = path.clone();
    for name in [&path, &link, &folder.path().join(".").join("p.labelhub")] {
        match refusal(name) {
            StoreError::Locked { path: locked, host, pid } => {
                assert_eq!((locked, pid), (path.canonicalize().expect("it is there"), child.id()));
                assert!(!host.is_empty() && host != "unknown", "{host}");
            }
            other => panic!("{other}"),
        }
    }
    child.kill().expect("it runs");
    child.wait().expect("it ends");
    drop(check(&path, &model));
    let names: Vec<String> = file_names(folder.path());
    assert!(!names.iter().any(|name| name.ends_with(".lock")), "{names:?}");
}

/// Goes on as a user who is not root, for whom files of root's are write-protected; run through `held_by`.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
#[test]
fn child_holds_a_project_open_as_nobody() {
    if std::env::var_os("LABEL_HUB_TEST_HOLD").is_some() {
        become_nobody();
        child_holds_a_project_open();
    }
}

/// Says how a project opens for a user who is not root; run by the test below.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
#[test]
fn child_tries_a_project_as_nobody() {
    let Some(path) = std::env::var_os("LABEL_HUB_TEST_TRY") else { return };
    become_nobody();
    match open(Path::new(&path)) {
        Ok((store, _, notices)) => println!("opened, reading only: {}, {notices:?}", store.is_read_only()),
        Err(error) => println!("refused: {error:?}"),
    }
}

#[cfg(all(target_os = "linux", target_env = "gnu"))]
fn become_nobody() {
    const NOBODY: libc::uid_t = 65_534;
    // SAFETY: it takes a number and only changes whose this process is.
    assert_eq!(unsafe { libc::setuid(NOBODY) }, 0, "root can be anybody");
}

#[cfg(all(target_os = "linux", target_env = "gnu"))]
#[test]
fn a_lock_file_that_somebody_else_left_still_keeps_a_second_window_out() {
    use std::os::unix::fs::PermissionsExt;
    // SAFETY: it only tells whose this process is.
    if unsafe { libc::geteuid() } != 0 {
        eprintln!("SKIPPED: only root can leave a lock file that another user may not write");
        return;
    }
    let folder = folder();
    let path = folder.path().join("p.labelhub");
    project(&path);
    let allow = |path: &Path, mode| fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("it is ours");
    allow(folder.path(), 0o777);
    allow(&path, 0o666);
    let lock = folder.path().join("p.labelhub.lock");
    fs::write(&lock, "elsewhere\n1\n").expect("writable");
    allow(&lock, 0o644);
    let tried = || {
        let output = Command::new(std::env::current_exe().expect("this test"))
            .args(["child_tries_a_project_as_nobody", "--exact", "--nocapture"])
            .env("LABEL_HUB_TEST_TRY", &path)
            .output()
            .expect("this test runs twice");
        String::from_utf8(output.stdout).expect("text")
    };
    let mut child = held_by("child_holds_a_project_open_as_nobody", &path);
    let second = tried();
    assert!(second.contains("refused: Locked"), "{second}");
    child.kill().expect("it runs");
    child.wait().expect("it ends");
    let alone = tried();
    assert!(alone.contains("reading only: false"), "{alone}");
    // It was taken away at the end; one that cannot even be opened lets nobody write.
    fs::write(&lock, "elsewhere\n1\n").expect("writable");
    allow(&lock, 0o600);
    let barred = tried();
    assert!(barred.contains("reading only: true") && barred.contains("its lock file"), "{barred}");
}

#[test]
fn a_second_window_of_the_same_program_is_refused_too() {
    let folder = folder();
    let path = folder.path().join("p.labelhub");
    let both = Both::new(&path);
    assert!(matches!(refusal(&path), StoreError::Locked { pid, .. } if pid == std::process::id()));
    drop(both);
    drop(open(&path).expect("it is free again"));
}

#[test]
fn files_of_another_origin_are_refused_and_left_alone() {
    let folder = folder();
    let other_database = {
        let path = folder.path().join("made-elsewhere");
        let connection = rusqlite::Connection::open(&path).expect("a new database");
        connection.execute_batch("CREATE TABLE a(b); PRAGMA application_id = 77").expect("SQL");
        connection.close().expect("closed");
        fs::read(&path).expect("the database")
    };
    fs::remove_file(folder.path().join("made-elsewhere")).expect("it was made here");
    let cases: [(&str, Vec<u8>); 4] = [
        ("another database", other_database),
        ("text", b"SQLite is a fine thing, and this is a diary\n".repeat(100)),
        ("one byte", vec![b'x']),
        ("random", (0..5000_u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8).collect()),
    ];
    for (name, bytes) in cases {
        let path = folder.path().join("p.labelhub");
        fs::write(&path, &bytes).expect("writable");
        assert!(matches!(refusal(&path), StoreError::Foreign { .. }), "{name}");
        assert_eq!(fs::read(&path).expect("still there"), bytes, "{name}");
        assert_eq!(file_names(folder.path()), ["p.labelhub"], "{name}");
    }
}

#[test]
fn an_empty_file_is_started_anew_and_said_so() {
    let folder = folder();
    let path = folder.path().join("p.labelhub");
    fs::write(&path, "").expect("writable");
    let (_store, snapshot, notices) = open(&path).expect("a new project");
    assert_eq!(snapshot.objects, []);
    assert!(matches!(&notices[..], [OpenNotice::WasEmpty { .. }]), "{notices:?}");
}

#[test]
fn the_log_of_a_project_that_is_gone_does_not_get_into_a_new_one() {
    let folder = folder();
    let path = folder.path().join("p.labelhub");
    let log = {
        let mut both = Both::new(&path);
        both.click(1, 2, 3);
        both.store.handle().flush().expect("a writable folder");
        fs::read(folder.path().join("p.labelhub-wal")).expect("the open project's log")
    };
    fs::remove_file(&path).expect("the project is removed by hand");
    fs::write(folder.path().join("p.labelhub-wal"), &log).expect("writable");
    let (store, snapshot, notices) = open(&path).expect("a new project");
    assert_eq!(snapshot.objects, []);
    let aside = folder.path().canonicalize().expect("it is there").join("p.labelhub-wal.aside-1");
    assert_eq!(notices, [OpenNotice::SetAside { files: vec![aside.clone()] }]);
    assert_eq!(fs::read(aside).expect("still there"), log);
    drop(store);
}

#[test]
fn labels_of_another_clip_are_shown_only_with_consent_and_where_they_fit() {
    let folder = folder();
    let path = folder.path().join("p.labelhub");
    let model = project(&path);
    let before = fs::read(&path).expect("the project");
    let other = ClipRecord { identity: "cd".repeat(32), path: PathBuf::from("/other/clip.mp4"), ..clip() };
    let open_with =
        |clip: &ClipRecord, on_other_clip| ProjectStore::open(&path, clip, OpenOptions { on_other_clip, ..options() });
    let refused = |clip: &ClipRecord, on_other_clip| {
        let error = open_with(clip, on_other_clip).map(|_| ()).expect_err("refused");
        assert_eq!(fs::read(&path).expect("the project"), before, "untouched");
        assert_eq!(file_names(folder.path()), ["p.labelhub"]);
        error
    };
    let error = refused(&other, OnOtherClip::Refuse);
    let real = path.canonicalize().expect("it is there");
    assert_eq!(
        error,
        StoreError::OtherClip { path: real, recorded: clip().path, which: String::new(), given: other.path.clone() }
    );
    let shorter = ClipRecord { frame_count: 19, pts: clip().pts[..19].to_vec(), ..other.clone() };
    let larger = ClipRecord { size: FrameSize { width: 96, height: 64 }, ..other.clone() };
    let same_but_larger = ClipRecord { size: larger.size, ..clip() };
    let same_but_cut = ClipRecord { frame_count: 5, pts: clip().pts[..5].to_vec(), ..clip() };
    for (name, clip, reason) in [
        ("shorter", shorter, "19 frames"),
        ("larger", larger, "96x64"),
        ("indexed with another size", same_but_larger, "96x64"),
        ("indexed with too few frames", same_but_cut, "labels on frame 7"),
    ] {
        let error = refused(&clip, OnOtherClip::Relink);
        assert!(matches!(&error, StoreError::Misfit { reason: why, .. } if why.contains(reason)), "{name}: {error}");
    }

    let (mut store, snapshot, notices) = open_with(&other, OnOtherClip::Relink).expect("it fits");
    assert_eq!(notices, [OpenNotice::Relinked { from: clip().path }]);
    assert_eq!(snapshot.clip, other);
    store.close().expect("a writable folder");
    assert!(matches!(open_with(&clip(), OnOtherClip::Refuse), Err(StoreError::OtherClip { .. })));
    let (_store, snapshot, notices) = open_with(&other, OnOtherClip::Refuse).expect("it is this clip's now");
    assert_eq!((snapshot.marks, notices), (model.snapshot().marks, Vec::new()));
}

#[test]
fn the_same_clip_with_its_frames_counted_otherwise_does_not_get_the_labels_unasked() {
    let folder = folder();
    let path = folder.path().join("p.labelhub");
    let model = project(&path);
    let open_with =
        |clip: &ClipRecord, on_other_clip| ProjectStore::open(&path, clip, OpenOptions { on_other_clip, ..options() });
    let from_second = ClipRecord { pts: clip().pts.iter().map(|at| at + 512).collect(), ..clip() };
    let in_other_ticks = ClipRecord { time_base: (1, 25), ..clip() };
    for given in [&from_second, &in_other_ticks] {
        let error = open_with(given, OnOtherClip::Refuse).map(|_| ()).expect_err("refused");
        assert!(matches!(error, StoreError::OtherFrames { .. }), "{error}");
    }
    // There are labels up to frame 7; what comes behind moves none of them.
    let later = |n: usize| ClipRecord {
        pts: clip().pts.iter().enumerate().map(|(i, at)| at + i64::from(i >= n) * 512).collect(),
        ..clip()
    };
    assert!(matches!(open_with(&later(7), OnOtherClip::Refuse), Err(StoreError::OtherFrames { .. })));
    let unknown = ClipRecord { pts: Vec::new(), ..clip() };
    for given in [clip(), later(8), unknown, clip()] {
        let (mut store, ..) = open_with(&given, OnOtherClip::Refuse).unwrap_or_else(|error| panic!("{error}"));
        store.close().expect("a writable folder");
    }
    let (_store, snapshot, notices) = open_with(&from_second, OnOtherClip::Relink).expect("with consent");
    assert_eq!((snapshot.marks, notices.len()), (model.snapshot().marks, 1));
}

#[test]
fn a_clip_that_moved_is_remembered_at_its_new_place() {
    let folder = folder();
    let path = folder.path().join("p.labelhub");
    project(&path);
    let moved = ClipRecord { path: PathBuf::from("/new/place.mp4"), ..clip() };
    let (mut store, _, notices) = ProjectStore::open(&path, &moved, options()).expect("the same content");
    assert_eq!(notices, []);
    store.close().expect("a writable folder");
    let other = ClipRecord { identity: "ee".repeat(32), ..clip() };
    let error = ProjectStore::open(&path, &other, options()).map(|_| ()).expect_err("another clip");
    assert!(matches!(&error, StoreError::OtherClip { recorded, .. } if *recorded == moved.path), "{error}");
}

fn clip_of(project: &Path) -> Result<PathBuf, StoreError> {
    project_clip(project).map(|clip| clip.path)
}

#[test]
fn a_project_knows_the_stream_its_labels_are_of() {
    let folder = folder();
    let of_stream = |path: &Path| ClipRecord {
        path: path.to_owned(),
        identity: format!("{}:1", "0123456789abcdef".repeat(4)),
        ..clip()
    };
    let file = folder.path().canonicalize().expect("it is there").join("clip.mp4");
    fs::write(&file, "two streams").expect("a writable folder");
    let (own, other) = (clip().identity, of_stream(&file).identity);
    let path = project_path(&file, folder.path(), &other);
    assert_eq!(path, file.with_file_name("clip.mp4.stream1.labelhub"));
    assert_eq!(project_path(&file, folder.path(), &own), file.with_file_name("clip.mp4.labelhub"), "as ever");
    let open = |path: &Path, clip: &ClipRecord| ProjectStore::open(path, clip, options()).map(|(store, ..)| store);
    let is_of = |path: &Path, stream| {
        assert_eq!(project_clip(path), Ok(ProjectClip { path: file.clone(), stream }), "{}", path.display());
    };

    let mut store = open(&path, &of_stream(&file)).expect("a new project");
    let object = Change::Object { id: ObjectId(1), before: None, after: Some(facts(1)) };
    store.record(&Edit { name: "new".to_owned(), changes: vec![object] });
    store.finish(Durability::Durable);
    is_of(&path, Some(1));
    store.close().expect("a writable folder");
    drop(store);
    is_of(&path, Some(1));
    // Whatever it is called.
    let renamed = folder.path().join("labels.labelhub");
    fs::copy(&path, &renamed).expect("a writable folder");
    is_of(&renamed, Some(1));
    let beside = folder.path().canonicalize().expect("it is there").join("clip.mp4.labelhub");
    fs::copy(&path, &beside).expect("a writable folder");
    is_of(&beside, Some(1));
    let text = open(&beside, &ClipRecord { path: file.clone(), ..clip() }).map(drop).expect_err("another").to_string();
    assert!(text.contains("clip.mp4, stream 1)"), "{text}");
    // Where nothing can be read, its name says it.
    fs::write(&path, "gone").expect("a writable folder");
    is_of(&path, Some(1));
    fs::write(&beside, "gone").expect("a writable folder");
    is_of(&beside, None);
}

#[test]
fn the_clip_of_a_project_is_beside_it_or_where_it_was_last() {
    let folder = folder();
    let path = folder.path().join("50 %20 #1?.labelhub");
    let (first, second) = (folder.path().join("first.mp4"), folder.path().join("second.mp4"));
    let at = |place: &Path| ClipRecord { path: place.to_owned(), ..clip() };
    let (mut store, ..) = ProjectStore::open(&path, &at(&first), options()).expect("a new project");
    let object = Change::Object { id: ObjectId(1), before: None, after: Some(facts(1)) };
    store.record(&Edit { name: "new".to_owned(), changes: vec![object] });
    store.finish(Durability::Durable);
    store.close().expect("a writable folder");
    drop(store);
    let error = project_clip(&path).expect_err("there is none");
    assert!(matches!(&error, StoreError::NoClip { recorded, .. } if *recorded == first), "{error}");
    fs::write(&first, "a clip").expect("a writable folder");
    assert_eq!(clip_of(&path), Ok(first.clone()));

    // While the project is open, where it went is in the WAL only.
    fs::rename(&first, &second).expect("the same disk");
    let (store, ..) = ProjectStore::open(&path, &at(&second), options()).expect("the same content");
    store.handle().flush().expect("a writable folder");
    assert_eq!(clip_of(&path), Ok(second.clone()));
    drop(store);
    assert_eq!(clip_of(&path), Ok(second));
    let beside = folder.path().join("50 %20 #1?");
    fs::write(&beside, "a clip").expect("a writable folder");
    assert_eq!(clip_of(&path), Ok(beside));
}

#[test]
fn what_is_write_protected_is_read_and_can_be_copied_with_the_changes() {
    let folder = folder();
    for protects_folder in [false, true] {
        let place = folder.path().join(format!("protected-{protects_folder}"));
        fs::create_dir(&place).expect("a new folder");
        let path = place.join("p.labelhub");
        let mut model = project(&path);
        let protected = if protects_folder { place.clone() } else { path.clone() };
        protect(&protected, true);
        let before = fs::read(&path).expect("the project");

        let (store, snapshot, notices) = open(&path).expect("readable");
        assert_eq!(snapshot, model.snapshot());
        assert!(matches!(&notices[..], [OpenNotice::ReadOnly { .. }]), "{notices:?}");
        assert!(store.is_read_only());
        let mut both = Both { store, model };
        for (id, mask) in &both.model.masks {
            assert_eq!(both.store.get(*id).as_ref(), Ok(mask));
        }
        both.store.note_session("{}");
        both.store.finish(Durability::Batched);
        assert_eq!(both.store.saved(), SaveState::Saved, "nothing was changed");
        both.click(1, 9, 33);
        let error = both.store.handle().flush().expect_err("it must not be written");
        assert!(error.to_string().contains("write-protected"), "{error}");
        assert!(matches!(both.store.saved(), SaveState::Failed(text) if text.contains("Save a copy")));
        let copy = folder.path().join(format!("copy-{protects_folder}.labelhub"));
        both.store.handle().save_copy(&copy).expect("a writable folder");
        assert!(both.store.close().is_err());
        model = both.model;
        drop(both.store);

        protect(&protected, false);
        assert_eq!(fs::read(&path).expect("the project"), before, "untouched");
        assert_eq!(file_names(&place), ["p.labelhub"]);
        drop(check(&copy, &model));
    }
}

#[test]
fn a_protected_project_that_a_crash_left_with_its_log_is_read_whole() {
    let folder = folder();
    let path = folder.path().join("p.labelhub");
    let mut both = Both::new(&path);
    for n in 0..8 {
        both.click(n % 3, n, n * 7);
    }
    both.store.handle().flush().expect("a writable folder");
    let place = folder.path().join("protected");
    fs::create_dir(&place).expect("a new folder");
    for name in ["p.labelhub", "p.labelhub-wal"] {
        fs::copy(folder.path().join(name), place.join(name)).expect("copied");
    }
    protect(&place, true);
    let names = file_names(&place);
    let (store, snapshot, _) = open(&place.join("p.labelhub")).expect("readable");
    assert_eq!(snapshot, both.model.snapshot());
    assert!(store.get(both.model.marks.values().next().expect("a mark").mask).is_ok());
    drop(store);
    assert_eq!(file_names(&place), names);
    protect(&place, false);
}

#[test]
fn a_project_lies_beside_its_clip_or_in_the_data_folder_where_it_is_found_again() {
    let folder = folder();
    let (clips, data) = (folder.path().join("clips"), folder.path().join("data"));
    fs::create_dir(&clips).expect("a new folder");
    let clips = clips.canonicalize().expect("it is there");
    let (clip, images) = (clips.join("clip.mp4"), clips.join("images.v2"));
    fs::write(&clip, "").expect("writable");
    fs::create_dir(&images).expect("a new folder");
    let identity = "0123456789abcdef".repeat(4);
    assert_eq!(project_path(&clip, &data, &identity), clips.join("clip.mp4.labelhub"));
    assert_eq!(project_path(&images, &data, &identity), clips.join("images.v2.labelhub"));
    assert_eq!(file_names(&clips), ["clip.mp4", "images.v2"], "asking leaves nothing behind");

    protect(&clips, true);
    let in_data = data.join("projects").join("clip-0123456789ab.labelhub");
    // Root may write there all the same; then the project lies beside the clip.
    let is_kept_out = fs::File::create(clips.join("probe")).is_err();
    if is_kept_out {
        assert_eq!(project_path(&clip, &data, &identity), in_data);
    } else {
        protect(&clips, false);
        fs::remove_file(clips.join("probe")).expect("it was made here");
    }
    protect(&clips, false);
    fs::create_dir_all(data.join("projects")).expect("a new folder");
    fs::write(&in_data, "").expect("writable");
    let renamed = clips.join("renamed.mp4");
    assert_eq!(project_path(&renamed, &data, &identity), in_data, "found by what the clip is");
    assert_eq!(project_path(&renamed, &data, &"ff".repeat(32)), clips.join("renamed.mp4.labelhub"));
    fs::write(clips.join("clip.mp4.labelhub"), "").expect("writable");
    assert_eq!(project_path(&clip, &data, &identity), clips.join("clip.mp4.labelhub"), "beside the clip comes first");
}

#[test]
fn masks_of_another_size_do_not_come_out() {
    let folder = folder();
    let path = folder.path().join("p.labelhub");
    let mut both = Both::new(&path);
    let id = both.store.put(&label_hub::label::Mask::empty(FrameSize { width: 3, height: 2 }));
    assert!(matches!(both.store.get(id), Err(StoreError::Damaged { .. })));
    let good = both.store.put(&mask(3));
    assert_eq!(both.store.get(good), Ok(mask(3)));
}
