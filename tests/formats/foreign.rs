//! Datasets as other programs and their users leave them: objects stay apart, and what can be meant in two ways is told.

use std::fs;
use std::ops::ControlFlow;
use std::path::Path;

use label_hub::formats::{FormatId, ImportTarget, Imported, import};
use serde_json::json;

use super::made_up::{MadeUp, export_quietly};

fn read(format: FormatId, path: &Path, clip: &MadeUp) -> Imported {
    import(Some(format), path, &ImportTarget::of(&clip.facts), &mut |_| ControlFlow::Continue(()))
        .unwrap_or_else(|e| panic!("{format}: {e}"))
}

/// An object's class, and its areas by frame.
type Found<'a> = (Option<&'a str>, Vec<(u32, u64)>);

fn objects(imported: &Imported) -> Vec<Found<'_>> {
    let areas = |frames: &[(label_hub::label::FrameIdx, label_hub::label::Mask)]| {
        frames.iter().map(|(frame, mask)| (frame.0, mask.area())).collect()
    };
    imported.objects.iter().map(|object| (object.class.as_deref(), areas(&object.frames))).collect()
}

#[test]
fn masks_made_in_cvat_are_objects_by_themselves() {
    let mut clip = MadeUp::clip("clip", 9, 6, 2);
    let dog = clip.add_object(1, "a dog", Some("dog"));
    clip.paint(dog, 0, |x, y| x < 2 && y < 3);
    clip.paint(dog, 1, |x, y| x < 2 && y < 3);
    let folder = tempfile::tempdir().expect("a temporary folder");
    let target = folder.path().join("out");
    export_quietly(FormatId::CvatImages, clip.plan(), &target).expect("a new folder");
    // What CVAT writes for masks that its user adds: our attributes with their defaults.
    let added = |label: &str, left: u32, track: &str| {
        format!(
            "<mask label=\"{label}\" source=\"manual\" occluded=\"0\" rle=\"0, 1\" left=\"{left}\" top=\"5\" width=\"1\" \
             height=\"1\" z_order=\"0\"><attribute name=\"track_id\">{track}</attribute>\
             <attribute name=\"name\"></attribute></mask>\n</image>"
        )
    };
    let file = target.join("annotations.xml");
    let mut text = fs::read_to_string(&file).expect("written");
    for (label, left, track) in [("dog", 3, "0"), ("dog", 4, "0"), ("cat", 5, "0"), ("cat", 6, ""), ("cat", 7, "1")] {
        text = text.replacen("</image>", &added(label, left, track), 1);
    }
    fs::write(&file, text).expect("writable");
    let imported = read(FormatId::CvatImages, &target, &clip);
    assert_eq!(imported.errors, []);
    let mut found = objects(&imported);
    found.sort();
    let one = || vec![(0, 1)];
    let expected = [
        (Some("cat"), one()),
        (Some("cat"), one()),
        (Some("cat"), one()),
        (Some("dog"), one()),
        (Some("dog"), one()),
        (Some("dog"), vec![(0, 6), (1, 6)]),
    ];
    assert_eq!(found, expected);
}

#[test]
fn groups_of_labelme_are_numbered_for_each_label() {
    let rectangle = |label: &str, group: Option<u32>, x: u32| json!({"label": label, "group_id": group, "shape_type": "rectangle", "points": [[x, 0], [x + 1, 2]]});
    let shapes = [
        rectangle("dog", Some(1), 0),
        rectangle("cat", Some(1), 2),
        rectangle("dog", Some(1), 4),
        rectangle("dog", None, 6),
        rectangle("dog", None, 7),
    ];
    let frame = json!({"imagePath": "clip_00001.jpg", "shapes": shapes, "imageHeight": 3, "imageWidth": 9});
    let folder = tempfile::tempdir().expect("a temporary folder");
    fs::write(folder.path().join("clip_00001.json"), frame.to_string()).expect("writable");
    let imported = read(FormatId::Labelme, folder.path(), &MadeUp::clip("clip", 9, 3, 2));
    assert_eq!(imported.errors, []);
    let mut found = objects(&imported);
    found.sort();
    let expected = [
        (Some("cat"), vec![(1, 2)]),
        (Some("dog"), vec![(1, 2)]),
        (Some("dog"), vec![(1, 2)]),
        (Some("dog"), vec![(1, 4)]),
    ];
    assert_eq!(found, expected);
}

#[test]
fn masks_of_davis_2016_are_one_object() {
    let clip = MadeUp::clip("clip", 3, 1, 3);
    for (has_others, expected) in [(false, vec![(1, 2), (2, 1)]), (true, vec![(2, 1)])] {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let frames = folder.path().join("Annotations/480p/clip");
        fs::create_dir_all(&frames).expect("writable");
        let last = if has_others { [255, 1, 0] } else { [255, 0, 0] };
        for (name, pixels) in [("00000", [0, 0, 0]), ("00001", [0, 255, 255]), ("00002", last)] {
            let picture = image::GrayImage::from_raw(3, 1, pixels.to_vec()).expect("three pixels");
            picture.save(frames.join(format!("{name}.png"))).expect("writable");
        }
        let imported = read(FormatId::Davis, folder.path(), &clip);
        assert_eq!(objects(&imported), [(None, expected)], "{has_others}");
        assert_eq!(imported.notices.len(), usize::from(!has_others), "{:?}", imported.notices);
    }
}

#[test]
fn masks_made_by_hand_come_before_those_of_a_machine() {
    let mut clip = MadeUp::clip("clip", 9, 6, 2);
    let dog = clip.add_object(1, "a dog", Some("dog"));
    clip.paint(dog, 0, |x, _| x < 2);
    let folder = tempfile::tempdir().expect("a temporary folder");
    let target = folder.path().join("out");
    export_quietly(FormatId::Sav, clip.plan(), &target).expect("a new folder");
    let texts = target.join("clip");
    fs::remove_file(target.join("labelhub.json")).expect("written");
    fs::remove_dir_all(target.join("Annotations_6fps")).expect("written");
    fs::write(texts.join("clip_auto.json"), "{\"masklet\": []}").expect("writable");
    let imported = read(FormatId::Sav, &target, &clip);
    assert_eq!(imported.objects.len(), 1);
    assert!(imported.notices[0].contains("clip_auto.json"), "{:?}", imported.notices);
    let automatic = read(FormatId::Sav, &texts.join("clip_auto.json"), &clip);
    assert_eq!((automatic.objects.len(), automatic.error_count), (0, 0));
}

#[test]
fn imports_can_be_stopped_where_no_mask_is_found() {
    let images: Vec<_> = (0..1000).map(|id| json!({"id": id, "file_name": format!("frame_{}.jpg", id + 7)})).collect();
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("x.json");
    let coco = json!({"images": images, "annotations": [], "categories": []});
    fs::write(&path, coco.to_string()).expect("writable");
    let target = ImportTarget::of(&MadeUp::clip("clip", 3, 1, 2).facts);
    let mut calls = 0;
    let read = import(Some(FormatId::Coco), &path, &target, &mut |_| {
        calls += 1;
        if calls == 3 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    });
    assert!(matches!(read, Err(label_hub::formats::FormatError::Cancelled)), "{read:?}");
}
