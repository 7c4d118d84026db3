//! Where exports may be written, what they replace, and which frames and objects they hold.

use std::fs;
use std::ops::ControlFlow;
use std::path::Path;

use label_hub::formats::{ExportPlan, FormatError, FormatId, FrameChoice, FramesWith, ImageChoice, Split, export};
use label_hub::label::{FrameIdx, ObjectId};

use super::made_up::{MadeUp, Pictures, difficult, export_quietly, plan};

fn entries(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(folder)
        .expect("a readable folder")
        .map(|entry| entry.expect("readable").file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}

#[test]
fn existing_export_is_replaced_only_with_consent() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let target = folder.path().join("out");
    let clip = difficult("clip", 13, 9);
    export_quietly(FormatId::Coco, clip.plan(), &target).expect("a new folder");
    let again = export_quietly(FormatId::Davis, clip.plan(), &target);
    assert!(matches!(again, Err(FormatError::Exists { .. })));
    assert!(target.join("annotations").is_dir());
    let mut consenting = clip.plan();
    consenting.overwrite = true;
    export_quietly(FormatId::Davis, consenting, &target).expect("consent was given");
    assert!(!target.join("annotations").exists() && target.join("Annotations").is_dir());
    assert_eq!(entries(folder.path()), ["out"]);
}

#[test]
fn what_is_no_export_is_never_replaced() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let clip = difficult("clip", 13, 9);
    let overwriting = |target: &Path| {
        let mut plan = clip.plan();
        plan.overwrite = true;
        export_quietly(FormatId::Coco, plan, target)
    };
    let photos = folder.path().join("photos");
    fs::create_dir(&photos).expect("writable");
    fs::write(photos.join("wedding.jpg"), b"x").expect("writable");
    assert!(matches!(overwriting(&photos), Err(FormatError::NotAnExport { .. })));
    let file = folder.path().join("file");
    fs::write(&file, b"x").expect("writable");
    assert!(overwriting(&file).is_err());
    assert!(overwriting(Path::new("/")).is_err());
    assert!(photos.join("wedding.jpg").exists() && file.exists());
    let empty = folder.path().join("empty");
    fs::create_dir(&empty).expect("writable");
    export_quietly(FormatId::Coco, clip.plan(), &empty).expect("an empty folder holds nothing to lose");
}

#[test]
fn what_somebody_put_into_an_export_is_never_replaced() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let target = folder.path().join("out");
    let clip = difficult("clip", 13, 9);
    let overwriting = || {
        let mut plan = clip.plan();
        plan.overwrite = true;
        export_quietly(FormatId::Coco, plan, &target)
    };
    export_quietly(FormatId::Coco, clip.plan(), &target).expect("a new folder");
    let notes = target.join("my notes.txt");
    fs::write(&notes, b"x").expect("writable");
    let message = overwriting().expect_err("it holds the user's file").to_string();
    assert!(message.contains("my notes.txt") && notes.exists(), "{message}");
    fs::remove_file(&notes).expect("it is there");
    let notes = target.join("annotations").join("my notes.txt");
    fs::write(&notes, b"x").expect("writable");
    let message = overwriting().expect_err("a folder of it holds the user's file").to_string();
    assert!(message.contains("holds 4 files") && message.contains("wrote 3") && notes.exists(), "{message}");
    fs::remove_file(&notes).expect("it is there");
    overwriting().expect("nothing of the user's is in it");
}

#[test]
fn what_an_earlier_replacement_left_is_no_hindrance() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let target = folder.path().join("out");
    let clip = difficult("clip", 13, 9);
    export_quietly(FormatId::Coco, clip.plan(), &target).expect("a new folder");
    for name in ["out.old", "out.old-2"] {
        fs::create_dir(folder.path().join(name)).expect("writable");
        fs::write(folder.path().join(name).join("x"), b"x").expect("writable");
    }
    let mut again = clip.plan();
    again.overwrite = true;
    export_quietly(FormatId::Coco, again, &target).expect("there is another name");
    assert_eq!(entries(folder.path()), ["out", "out.old", "out.old-2"]);
}

#[test]
fn what_an_export_leaves_out_or_fills_up_is_told() {
    let mut clips = [difficult("one", 13, 9), MadeUp::clip("two", 13, 9, 3)];
    clips[0].masks.retain(|(_, frame), _| frame.0 > 2);
    let folder = tempfile::tempdir().expect("a temporary folder");
    let notes = |format: FormatId, with: FramesWith, name: &str| {
        let mut plan = plan(&clips.each_ref());
        plan.frames.with = with;
        export_quietly(format, plan, &folder.path().join(name)).expect(name).notes.join("; ")
    };
    let all = notes(FormatId::Coco, FramesWith::Anything, "all");
    assert!(all.starts_with("6 frames without a mask") && !all.contains("left out,"), "{all}");
    let some = notes(FormatId::Coco, FramesWith::Masks, "some");
    assert_eq!(some, "two: left out, none of its frames meets the choice");
    assert_eq!(notes(FormatId::Npy, FramesWith::Anything, "npy"), "", "no file is no claim");
    assert_eq!(entries(&folder.path().join("npy/one")).first().map(String::as_str), Some("3_3.npy"));
}

#[test]
fn exports_can_be_stopped_before_the_first_frame_is_done() {
    let clip = difficult("clip", 13, 9);
    for format in [FormatId::CvatVideo, FormatId::Sav, FormatId::YtVis] {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let mut calls = 0;
        let stopped = export(format, clip.plan(), &folder.path().join("out"), &mut |progress| {
            calls += 1;
            assert_eq!(progress.done, 0, "{format}");
            if calls == 5 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        });
        assert!(matches!(stopped, Err(FormatError::Cancelled)), "{format}: {stopped:?}");
    }
}

#[test]
fn tracks_for_cvat_end_where_the_next_frame_is_not_exported() {
    let mut clip = MadeUp::clip("clip", 5, 4, 6);
    let object = clip.add_object(1, "x", None);
    (0..6).for_each(|frame| clip.paint(object, frame, |x, _| x == 2));
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut third = clip.plan();
    third.frames.every = 3;
    export_quietly(FormatId::CvatVideo, third, &folder.path().join("out")).expect("a new folder");
    let text = fs::read_to_string(folder.path().join("out/annotations.xml")).expect("written");
    let mask = |line: &str| {
        let value = |key: &str| line.split(&format!(" {key}=\"")).nth(1)?.split('"').next().map(str::to_owned);
        Some((value("frame")?, value("outside")?))
    };
    let masks: Vec<_> = text.lines().filter(|line| line.starts_with("<mask")).filter_map(mask).collect();
    let expected = [("0", "0"), ("1", "1"), ("3", "0"), ("4", "1")];
    assert_eq!(masks, expected.map(|(frame, outside)| (frame.to_owned(), outside.to_owned())));
}

#[test]
fn images_for_cvat_have_their_frames_for_ids() {
    let clips = [difficult("one", 13, 9), difficult("two", 13, 9)];
    let folder = tempfile::tempdir().expect("a temporary folder");
    let ids = |mut plan: ExportPlan<'_>, name: &str| -> Vec<String> {
        plan.frames.every = 3;
        export_quietly(FormatId::CvatImages, plan, &folder.path().join(name)).expect("a new folder");
        let text = fs::read_to_string(folder.path().join(name).join("annotations.xml")).expect("written");
        text.lines().filter_map(|line| Some(line.strip_prefix("<image id=\"")?.split_once('"')?.0.to_owned())).collect()
    };
    assert_eq!(ids(clips[0].plan(), "one"), ["0", "3", "6"]);
    // No two images may share one.
    assert_eq!(ids(plan(&clips.each_ref()), "both"), ["0", "1", "2", "3", "4", "5"]);
}

#[test]
fn the_clip_itself_is_never_replaced() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let inner = folder.path().join("a").join("b");
    fs::create_dir_all(&inner).expect("writable");
    let video = inner.join("clip.mp4");
    fs::write(&video, b"x").expect("writable");
    let mut clip = difficult("clip", 13, 9);
    for (path, targets) in [
        (video.clone(), vec![video.clone(), inner.clone(), folder.path().join("a")]),
        (inner.clone(), vec![inner.clone()]),
    ] {
        clip.facts.path = path;
        for target in targets {
            let mut plan = clip.plan();
            plan.overwrite = true;
            let refused = export_quietly(FormatId::Coco, plan, &target);
            assert!(matches!(refused, Err(FormatError::HoldsClip { .. })), "{}: {refused:?}", target.display());
        }
    }
    // Beside the images is no danger.
    export_quietly(FormatId::Coco, clip.plan(), &inner.join("labels")).expect("a new folder");
    assert!(video.exists());
}

#[test]
fn broken_and_cancelled_exports_leave_nothing() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let target = folder.path().join("out");
    let clip = difficult("clip", 13, 9);
    for stop_at in [1, 5, 9, 15] {
        let mut calls = 0;
        let cancelled = export(FormatId::Coco, clip.plan(), &target, &mut |_| {
            calls += 1;
            if calls == stop_at { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        });
        assert!(matches!(cancelled, Err(FormatError::Cancelled)), "at {stop_at}: {cancelled:?}");
        assert_eq!(entries(folder.path()), [""; 0]);
    }
    fs::create_dir_all(target.with_file_name("out.part").join("annotations")).expect("writable");
    fs::write(target.with_file_name("out.part").join("leftover"), b"x").expect("writable");
    let refused = export_quietly(FormatId::Coco, clip.plan(), &target);
    assert!(matches!(refused, Err(FormatError::InTheWay { .. })), "no export left that: {refused:?}");
    assert!(target.with_file_name("out.part").join("leftover").exists());
    fs::write(target.with_file_name("out.part").join("labelhub-unfinished"), b"").expect("writable");
    export_quietly(FormatId::Coco, clip.plan(), &target).expect("what a killed export left is replaced");
    assert_eq!(entries(folder.path()), ["out"]);
    assert_eq!(entries(&target), ["annotations", "labelhub-names.json", "labelhub.json"]);
}

#[test]
fn source_errors_name_what_is_missing() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let target = folder.path().join("out");
    let mut clip = difficult("clip", 13, 9);
    let small = MadeUp::clip("small", 2, 2, 1);
    let wrong = label_hub::label::Mask::empty(small.size());
    clip.masks.insert((ObjectId(3), FrameIdx(2)), wrong);
    let message = export_quietly(FormatId::Coco, clip.plan(), &target).expect_err("a mask of another size").to_string();
    assert!(message.contains("a dog") && message.contains("frame 2") && message.contains("13x9"), "{message}");
    assert_eq!(entries(folder.path()), [""; 0]);

    let mut listed = difficult("clip", 13, 9);
    let clip = std::mem::replace(&mut listed, difficult("clip", 13, 9));
    let mut with_classes = clip.plan();
    with_classes.classes = vec!["dog".to_owned()];
    let message = export_quietly(FormatId::Coco, with_classes, &target).expect_err("an unlisted class").to_string();
    assert!(message.contains("object") || message.contains("кот"), "{message}");

    let mut with_images = clip.plan();
    with_images.images = ImageChoice::Png;
    let message = export_quietly(FormatId::Coco, with_images, &target).expect_err("no pictures given").to_string();
    assert!(message.contains("frame 0"), "{message}");
}

#[test]
fn chosen_frames_and_objects_are_exported() {
    let mut clip = difficult("clip", 13, 9);
    clip.approved = vec![(ObjectId(3), FrameIdx(0)), (ObjectId(3), FrameIdx(1)), (ObjectId(2), FrameIdx(5))];
    let all = FrameChoice::ALL;
    let range = Some((FrameIdx(1), FrameIdx(3)));
    type Case = (&'static str, FrameChoice, Option<Vec<ObjectId>>, u64, u64);
    let cases: [Case; 7] = [
        ("all", all, None, 7, 11),
        ("with masks", FrameChoice { with: FramesWith::Masks, ..all }, None, 7, 11),
        ("with masks of one", FrameChoice { with: FramesWith::Masks, ..all }, Some(vec![ObjectId(2)]), 2, 2),
        ("approved", FrameChoice { with: FramesWith::Approved, ..all }, None, 2, 2),
        ("every third", FrameChoice { every: 3, ..all }, None, 3, 5),
        ("a range", FrameChoice { range, ..all }, None, 3, 6),
        ("a range past the end", FrameChoice { range: Some((FrameIdx(6), FrameIdx(99))), ..all }, None, 1, 2),
    ];
    for (name, frames, objects, frame_count, masks) in cases {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let mut plan = clip.plan();
        plan.frames = frames;
        plan.clips[0].objects = objects;
        let report = export_quietly(FormatId::Coco, plan, &folder.path().join("out")).expect(name);
        assert_eq!((report.frames, report.masks), (frame_count, masks), "{name}");
    }
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut nothing = clip.plan();
    nothing.frames.range = Some((FrameIdx(50), FrameIdx(60)));
    let refused = export_quietly(FormatId::Coco, nothing, &folder.path().join("out"));
    assert!(matches!(refused, Err(FormatError::NothingToExport)));
}

#[test]
fn pictures_are_written_beside_the_masks() {
    let clip = difficult("clip", 13, 9);
    for (format, choice, file) in [
        (FormatId::Coco, ImageChoice::Png, "images/train/clip_00003.png"),
        (FormatId::Coco, ImageChoice::Jpeg, "images/train/clip_00003.jpg"),
        (FormatId::Davis, ImageChoice::Png, "JPEGImages/480p/clip/00003.jpg"),
    ] {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let mut pictures = Pictures(clip.size());
        let mut plan = clip.plan();
        plan.images = choice;
        plan.clips[0].images = Some(&mut pictures);
        let report = export_quietly(format, plan, &folder.path().join("out")).expect("pictures are given");
        assert_eq!(report.images, 7);
        let picture = image::open(folder.path().join("out").join(file)).expect(file);
        assert_eq!((picture.width(), picture.height()), (13, 9));
        let expected = [21.0, 44.0, 60.0];
        for (found, expected) in picture.to_rgb8().get_pixel(3, 4).0.into_iter().zip(expected) {
            assert!((f64::from(found) - expected).abs() < 25.0, "{file}: {found} is not near {expected}");
        }
    }
}

#[test]
fn parts_of_a_dataset_are_kept_apart() {
    let clips = [difficult("one", 13, 9), difficult("two", 13, 9)];
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut plan = plan(&clips.each_ref());
    plan.clips[1].split = Split::Val;
    export_quietly(FormatId::Coco, plan, &folder.path().join("out")).expect("a new folder");
    assert_eq!(entries(&folder.path().join("out/annotations")), ["instances_train.json", "instances_val.json"]);
}

#[test]
fn manifest_tells_where_everything_came_from() {
    let clip = difficult("a/clip", 13, 9);
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut plan = clip.plan();
    plan.frames.every = 2;
    let report = export_quietly(FormatId::Davis, plan, &folder.path().join("out")).expect("a new folder");
    let read = |name: &str| -> serde_json::Value {
        let text = fs::read_to_string(folder.path().join("out").join(name)).expect(name);
        serde_json::from_str(&text).expect(name)
    };
    let manifest = read("labelhub.json");
    let in_files = &manifest["clips"][0];
    assert_eq!(manifest["format"], "davis");
    assert_eq!((&in_files["name"], &in_files["name_in_files"]), (&"a/clip".into(), &"a_clip".into()));
    assert_eq!(in_files["identity"], clip.facts.identity.as_str());
    assert_eq!(in_files["frames"][2], serde_json::json!({"index": 4, "pts": 2048, "name": "00004"}));
    assert_eq!(in_files["objects"][0]["id"], 2);
    assert_eq!(in_files["objects"][0]["number"], 1);
    let renamed: Vec<_> = report.renamed.iter().map(|renamed| (renamed.kind, renamed.used.as_str())).collect();
    assert!(renamed.contains(&("clip", "a_clip")), "{renamed:?}");
    assert_eq!(read("labelhub-names.json")["renamed"].as_array().map(Vec::len), Some(report.renamed.len()));
}

#[test]
fn too_many_objects_for_a_palette_are_refused() {
    let mut clip = MadeUp::clip("clip", 20, 20, 1);
    for id in 1..=254 {
        let object = clip.add_object(id, &format!("object {id}"), None);
        clip.paint(object, 0, |x, y| y * 20 + x == id);
    }
    let folder = tempfile::tempdir().expect("a temporary folder");
    let report = export_quietly(FormatId::Davis, clip.plan(), &folder.path().join("a")).expect("254 fit");
    assert_eq!((report.masks, report.check.min_iou), (254, 1.0));
    clip.add_object(255, "one too many", None);
    let message = export_quietly(FormatId::Davis, clip.plan(), &folder.path().join("b")).expect_err("255").to_string();
    assert!(message.contains("254") && message.contains("png"), "{message}");
}
