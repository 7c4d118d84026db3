//! Clips that got another name or other pictures without their project.

mod store_support;

use std::fs;
use std::path::{Path, PathBuf};

use label_hub::label::ClipRecord;
use label_hub::store::{OpenNotice, ProjectStore, StoreError, project_clip, project_path, projects_without_clip};
use store_support::{Both, Model, clip, options};

fn at(place: &Path) -> ClipRecord {
    ClipRecord { path: place.to_owned(), ..clip() }
}

/// A labelled clip at a place, and its project beside it.
fn labelled(place: &Path) -> PathBuf {
    fs::write(place, "a clip").expect("a writable folder");
    let project = project_path(place, Path::new("/nowhere"), &clip().identity);
    let (store, ..) = ProjectStore::open(&project, &at(place), options()).expect("a new project");
    let mut both = Both { store, model: Model::default() };
    both.click(1, 2, 3);
    both.store.close().expect("a writable folder");
    project
}

#[test]
fn labels_of_a_clip_that_has_another_name_now_are_told_and_can_be_had() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let folder = folder.path().canonicalize().expect("it is there");
    let (old, new) = (folder.join("clip.mp4"), folder.join("film.mp4"));
    let project = labelled(&old);
    labelled(&folder.join("other.mp4"));
    for (name, bytes) in [("text.labelhub", &b"no project"[..]), ("empty.labelhub", b"")] {
        fs::write(folder.join(name), bytes).expect("a writable folder");
    }
    fs::copy(&project, folder.join("copy of clip.mp4.labelhub")).expect("a writable folder");
    assert_eq!(projects_without_clip(&at(&new)), [] as [&Path; 0], "its clip is there");
    fs::remove_file(folder.join("copy of clip.mp4.labelhub")).expect("it was made here");
    fs::rename(&old, &new).expect("the same disk");
    let of_other_content = ClipRecord { identity: "ee".repeat(32), ..at(&new) };
    assert_eq!(projects_without_clip(&of_other_content), [] as [&Path; 0]);

    let empty = project_path(&new, Path::new("/nowhere"), &clip().identity);
    let open = |path: &Path| ProjectStore::open(path, &at(&new), options()).expect("the same content");
    let told = [OpenNotice::LabelsElsewhere { path: empty.clone(), projects: vec![project.clone()] }];
    let is_told = || {
        let (mut store, snapshot, notices) = open(&empty);
        assert_eq!((snapshot.objects.len(), &notices[..]), (0, &told[..]));
        store.close().expect("a writable folder");
        assert!(!empty.exists(), "nothing was put into it");
    };
    is_told();
    for part in ["film.mp4.labelhub: a new project", "clip.mp4.labelhub. To go on", "rename that to"] {
        assert!(told[0].to_string().contains(part), "{part}: {}", told[0]);
    }
    // As the notice's button does.
    let (mut store, snapshot, notices) = open(&project);
    assert_eq!((snapshot.objects.len(), notices), (1, Vec::new()));
    store.close().expect("a writable folder");
    drop(store);
    is_told();
    // As its words say.
    fs::rename(&project, &empty).expect("the same disk");
    let (_store, snapshot, notices) = open(&empty);
    assert_eq!((snapshot.objects.len(), notices), (1, Vec::new()));
}

#[test]
fn a_project_without_its_clip_says_how_to_bring_them_together() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (old, new) = (folder.path().join("clip.mp4"), folder.path().join("film.mp4"));
    let project = labelled(&old);
    fs::rename(&old, &new).expect("the same disk");
    let text = project_clip(&project).expect_err("its clip is gone").to_string();
    assert!(text.contains("move this project beside it and name it after it, as film.mp4.labelhub"), "{text}");
    let renamed = folder.path().join("film.mp4.labelhub");
    fs::rename(&project, &renamed).expect("the same disk");
    assert_eq!(project_clip(&renamed).map(|clip| clip.path), Ok(new));
}

#[test]
fn a_folder_with_a_picture_more_or_less_is_told_as_that() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let images = folder.path().join("images");
    fs::create_dir(&images).expect("a new folder");
    let project = folder.path().join("images.labelhub");
    let open = |count: u32, content: &str| {
        let clip = ClipRecord { frame_count: count, pts: Vec::new(), identity: content.repeat(32), ..at(&images) };
        ProjectStore::open(&project, &clip, options()).map(|(store, ..)| store)
    };
    let mut both = Both { store: open(12, "ab").expect("a new project"), model: Model::default() };
    both.click(1, 2, 3);
    both.store.close().expect("a writable folder");
    drop(both);
    for count in [11, 13] {
        let error = open(count, "cd").map(drop).expect_err("the labels would lie on other pictures");
        assert!(matches!(error, StoreError::OtherPictures { recorded_count: 12, .. }), "{error}");
        let text = error.to_string();
        for part in ["for the 12 pictures of", &format!("images has {count}."), "put it back as it was"] {
            assert!(text.contains(part), "{part}: {text}");
        }
    }
    drop(open(12, "ab").expect("the folder as it was"));
    let same_count = open(12, "cd").map(drop).expect_err("other pictures");
    assert!(matches!(same_count, StoreError::OtherClip { .. }), "these can be linked: {same_count}");
}
