//! Every mask of an import belongs to the clip, and lies on the frame it was made for; what cannot be told is refused.

use std::collections::BTreeMap;
use std::fs;
use std::ops::ControlFlow;
use std::path::Path;

use label_hub::formats::{FormatError, FormatId, ImportTarget, Imported, Split, import};
use label_hub::label::{FrameIdx, Mask};
use label_hub::video::ClipIdentity;
use serde_json::json;

use super::made_up::{MadeUp, export_quietly, plan};

/// Formats that keep the names of a folder's images.
const NAMED: [FormatId; 6] = [
    FormatId::Coco,
    FormatId::Yolo,
    FormatId::CvatImages,
    FormatId::Datumaro,
    FormatId::LabelStudio,
    FormatId::Labelme,
];

/// Formats that number a folder's images by their place.
const NUMBERED: [FormatId; 7] =
    [FormatId::Npy, FormatId::NpyStack, FormatId::Davis, FormatId::Png, FormatId::YtVis, FormatId::Sav, FormatId::Mots];

fn importable() -> impl Iterator<Item = FormatId> {
    FormatId::ALL.into_iter().filter(|format| format.can_import())
}

/// A clip whose one object is a bar that says which frame it is on; `shift` tells clips apart.
fn bars(name: &str, frames: u32, shift: u32) -> MadeUp {
    let mut clip = MadeUp::clip(name, 40, 6, frames);
    let object = clip.add_object(1, &format!("bar of {name}"), Some("bar"));
    (0..frames).for_each(|frame| clip.paint(object, frame, |x, _| x == frame + shift));
    clip
}

fn read(format: FormatId, path: &Path, clip: &MadeUp) -> Result<Imported, FormatError> {
    import(Some(format), path, &ImportTarget::of(&clip.facts), &mut |_| ControlFlow::Continue(()))
}

/// All masks that are not empty, of whatever object, by frame.
fn masks_in(imported: &Imported) -> BTreeMap<u32, Vec<Mask>> {
    let mut found: BTreeMap<u32, Vec<Mask>> = BTreeMap::new();
    let all = imported.objects.iter().flat_map(|object| &object.frames).filter(|(_, mask)| !mask.is_empty());
    all.for_each(|(frame, mask)| found.entry(frame.0).or_default().push(mask.clone()));
    found
}

fn masks_of(clip: &MadeUp) -> BTreeMap<u32, Vec<Mask>> {
    clip.masks.iter().map(|((_, frame), mask)| (frame.0, vec![mask.clone()])).collect()
}

fn without_manifest(folder: &Path) {
    fs::remove_file(folder.join("labelhub.json")).expect("every export has one");
}

#[test]
fn clips_of_one_dataset_find_their_own_masks_and_others_none() {
    for format in importable() {
        let clips = [bars("one", 4, 0), bars("two", 4, 20)];
        let folder = tempfile::tempdir().expect("a temporary folder");
        let target = folder.path().join("out");
        let mut plan = plan(&clips.each_ref());
        plan.clips[1].split = Split::Val;
        export_quietly(format, plan, &target).unwrap_or_else(|e| panic!("{format}: {e}"));
        for has_manifest in [true, false] {
            if !has_manifest {
                without_manifest(&target);
            }
            for clip in &clips {
                let imported = read(format, &target, clip).unwrap_or_else(|e| panic!("{format}: {e}"));
                assert_eq!(imported.errors, [], "{format}, manifest: {has_manifest}");
                assert_eq!(masks_in(&imported), masks_of(clip), "{format}, manifest: {has_manifest}");
            }
            let message = read(format, &target, &bars("third", 4, 0)).expect_err("it is in none of them").to_string();
            assert!(message.contains("one") && message.contains("two"), "{format}: {message}");
        }
    }
}

#[test]
fn a_part_that_holds_only_other_clips_gives_nothing() {
    let clips = [bars("one", 4, 0), bars("two", 4, 20)];
    let folder = tempfile::tempdir().expect("a temporary folder");
    let target = folder.path().join("out");
    let mut both = plan(&clips.each_ref());
    both.clips[1].split = Split::Val;
    export_quietly(FormatId::YtVis, both, &target).expect("a new folder");
    let imported = read(FormatId::YtVis, &target.join("annotations/val.json"), &clips[0]).expect("sound");
    assert_eq!(imported.objects, []);
    // Whoever chooses the folder of a clip means that clip, whatever their own is called.
    let target = folder.path().join("davis");
    export_quietly(FormatId::Davis, plan(&clips.each_ref()), &target).expect("a new folder");
    let third = bars("third", 4, 0);
    let chosen = read(FormatId::Davis, &target.join("Annotations/480p/two"), &third).expect("sound");
    assert_eq!(masks_in(&chosen), masks_of(&clips[1]));
    let other = read(FormatId::Davis, &target.join("Annotations/480p/two"), &clips[0]).expect("sound");
    assert_eq!(other.objects, []);
}

#[test]
fn numbers_are_positions_in_the_clip_whatever_its_files_are_called() {
    let clip = bars("clip", 3, 0).with_names(&["1.jpg", "2.jpg", "3.jpg"]);
    for (format, path) in [
        (FormatId::Npy, ""),
        (FormatId::NpyStack, ""),
        (FormatId::Sav, "clip/clip_manual.json"),
        (FormatId::Mots, "instances_txt/clip.txt"),
    ] {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let target = folder.path().join("out");
        export_quietly(format, clip.plan(), &target).unwrap_or_else(|e| panic!("{format}: {e}"));
        without_manifest(&target);
        let imported = read(format, &target.join(path), &clip).unwrap_or_else(|e| panic!("{format}: {e}"));
        assert_eq!((imported.errors.as_slice(), masks_in(&imported)), (&[][..], masks_of(&clip)), "{format}");
    }
    // Where the number is a file's name, it is one like any other.
    for format in [FormatId::Davis, FormatId::Png, FormatId::Mots] {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let target = folder.path().join("out");
        export_quietly(format, clip.plan(), &target).unwrap_or_else(|e| panic!("{format}: {e}"));
        without_manifest(&target);
        let imported = read(format, &target, &clip).unwrap_or_else(|e| panic!("{format}: {e}"));
        assert_eq!((imported.objects.len(), imported.error_count), (0, 3), "{format}: {:?}", imported.errors);
        assert!(imported.errors[0].cause.contains("no such frame"), "{format}: {:?}", imported.errors);
    }
}

#[test]
fn frames_of_a_folder_are_found_by_their_names_alone() {
    let all = bars("shots", 6, 0).with_names(&["0000.jpg", "0001.jpg", "0002.jpg", "0003.jpg", "0004.jpg", "0005.jpg"]);
    // The first three were taken away since, and three more were added.
    let mut rest =
        bars("shots", 6, 0).with_names(&["0003.jpg", "0004.jpg", "0005.jpg", "0006.jpg", "0007.jpg", "0008.jpg"]);
    rest.facts.identity = ClipIdentity::of_bytes(b"changed");
    let expected: BTreeMap<u32, Vec<Mask>> =
        (0..3).map(|frame| (frame, masks_of(&all)[&(frame + 3)].clone())).collect();
    let cases = NAMED.map(|format| (format, true)).into_iter().chain(NAMED.map(|format| (format, false)));
    for (format, has_manifest) in cases.chain(NUMBERED.map(|format| (format, true))) {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let target = folder.path().join("out");
        export_quietly(format, all.plan(), &target).unwrap_or_else(|e| panic!("{format}: {e}"));
        if !has_manifest {
            without_manifest(&target);
        }
        let imported = read(format, &target, &rest).unwrap_or_else(|e| panic!("{format}: {e}"));
        assert_eq!(masks_in(&imported), expected, "{format}, manifest: {has_manifest}");
        assert_eq!(imported.error_count, 3, "{format}, manifest: {has_manifest}: {:?}", imported.errors);
    }
}

#[test]
fn exports_of_earlier_versions_name_the_files_of_a_folder_where_the_format_does() {
    let all = bars("shots", 3, 0).with_names(&["a.jpg", "b.jpg", "c.jpg"]);
    let mut rest = bars("shots", 3, 0).with_names(&["b.jpg", "c.jpg", "d.jpg"]);
    rest.facts.identity = ClipIdentity::of_bytes(b"changed");
    let mut fewer = bars("shots", 2, 0).with_names(&["b.jpg", "c.jpg"]);
    fewer.facts.identity = ClipIdentity::of_bytes(b"fewer");
    for format in [FormatId::Coco, FormatId::Davis] {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let target = folder.path().join("out");
        export_quietly(format, all.plan(), &target).unwrap_or_else(|e| panic!("{format}: {e}"));
        let manifest = target.join("labelhub.json");
        let text = fs::read_to_string(&manifest).expect("written");
        let mut value: serde_json::Value = serde_json::from_str(&text).expect("JSON");
        for frame in value["clips"][0]["frames"].as_array_mut().expect("a list") {
            frame.as_object_mut().expect("an object").remove("file").expect("it is written now");
        }
        fs::write(&manifest, value.to_string()).expect("writable");
        if format == FormatId::Coco {
            let imported = read(format, &target, &rest).expect("names are in it");
            assert_eq!(masks_in(&imported)[&0], masks_of(&all)[&1]);
        } else {
            let imported = read(format, &target, &rest).expect("as many frames");
            assert!(imported.notices[0].contains("another clip"), "{:?}", imported.notices);
            let message = read(format, &target, &fewer).expect_err("nothing says which").to_string();
            assert!(message.contains("3 frames"), "{message}");
        }
    }
}

#[test]
fn exports_of_another_video_are_told_from_those_of_this_one() {
    let clip = bars("clip", 4, 0);
    let mut other = clip.clone();
    other.facts.identity = ClipIdentity::of_bytes(b"encoded again");
    let mut longer = bars("clip", 5, 0);
    longer.facts.identity = ClipIdentity::of_bytes(b"longer");
    for format in importable() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let target = folder.path().join("out");
        export_quietly(format, clip.plan(), &target).unwrap_or_else(|e| panic!("{format}: {e}"));
        let imported = read(format, &target, &clip).unwrap_or_else(|e| panic!("{format}: {e}"));
        assert_eq!(imported.notices, Vec::<String>::new(), "{format}");
        let imported = read(format, &target, &other).unwrap_or_else(|e| panic!("{format}: {e}"));
        assert_eq!(masks_in(&imported), masks_of(&clip), "{format}");
        assert!(imported.notices[0].contains("another clip"), "{format}: {:?}", imported.notices);
        let message = read(format, &target, &longer).expect_err("of another length").to_string();
        assert!(message.contains("4 frames, this one 5"), "{format}: {message}");
    }
}

#[test]
fn files_of_a_folder_are_not_taken_for_the_frames_of_a_video_that_end_with_the_same_number() {
    let video = bars("clip", 12, 0);
    let names: Vec<String> = (1..14).map(|number| format!("{number:05}.png")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let pictures = bars("pictures", 12, 0).with_names(&names[..12]);
    let more = bars("pictures", 13, 0).with_names(&names);
    let part = (FrameIdx(3), FrameIdx(6));
    for (format, range) in NAMED.into_iter().flat_map(|format| [(format, None), (format, Some(part))]) {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let target = folder.path().join("out");
        let mut plan = video.plan();
        plan.frames.range = range;
        export_quietly(format, plan, &target).unwrap_or_else(|e| panic!("{format}: {e}"));
        let mut expected = masks_of(&video);
        expected.retain(|frame, _| range.is_none_or(|(first, last)| (first.0..=last.0).contains(frame)));
        let imported = read(format, &target, &pictures).unwrap_or_else(|e| panic!("{format}: {e}"));
        assert_eq!((imported.errors.as_slice(), masks_in(&imported)), (&[][..], expected), "{format}, {range:?}");
        assert!(imported.notices[0].contains("another clip"), "{format}: {:?}", imported.notices);
        let message = read(format, &target, &more).expect_err("of another length").to_string();
        assert!(message.contains("12 frames, this one 13"), "{format}: {message}");
    }
}

#[test]
fn numbers_that_contradict_the_names_are_refused() {
    let video = bars("clip", 12, 0);
    let all: Vec<String> = (0..12).map(|number| format!("frame_{number:06}.png")).collect();
    let folder_of_all = bars("clip", 12, 0).with_names(&all.iter().map(String::as_str).collect::<Vec<_>>());
    for format in [FormatId::Datumaro, FormatId::Coco, FormatId::LabelStudio] {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let export = |name: &str, clip: &MadeUp| {
            let target = folder.path().join(name);
            export_quietly(format, clip.plan(), &target).unwrap_or_else(|e| panic!("{format}: {e}"));
            without_manifest(&target);
            target
        };
        // As CVAT exports a task of chosen pictures: the number is the place in the task.
        let chosen = bars("clip", 3, 0).with_names(&["frame_000000.png", "frame_000003.png", "frame_000006.png"]);
        let target = export("chosen", &chosen);
        let message = read(format, &target, &video).expect_err("nothing says which number counts").to_string();
        assert!(message.contains("frame_000003: its name says 3, its frame number 1"), "{format}: {message}");
        let imported = read(format, &target, &folder_of_all).unwrap_or_else(|e| panic!("{format}: {e}"));
        let expected = [0, 1, 2].map(|frame| (3 * frame, masks_of(&chosen)[&frame].clone()));
        assert_eq!(masks_in(&imported), BTreeMap::from(expected), "{format}");
        // Names counted from 1 say the same as the numbers.
        let target = export("from-one", &bars("clip", 3, 0).with_names(&["a_1.png", "a_2.png", "a_3.png"]));
        let imported = read(format, &target, &video).unwrap_or_else(|e| panic!("{format}: {e}"));
        assert_eq!(masks_in(&imported), masks_of(&bars("clip", 3, 0)), "{format}");
        assert!(imported.notices[0].contains("its name says 1, its frame number 0"), "{:?}", imported.notices);
        let target = export("same", &bars("clip", 3, 0));
        let imported = read(format, &target, &video).unwrap_or_else(|e| panic!("{format}: {e}"));
        assert_eq!((masks_in(&imported), imported.notices), (masks_of(&bars("clip", 3, 0)), Vec::new()), "{format}");
    }
}

#[test]
fn frames_counted_from_one_are_refused_or_told() {
    let clip = bars("clip", 4, 0);
    let image = |number: u32| {
        let pixels: Vec<u8> = (0..40 * 6).map(|i| u8::from(i % 40 == number)).collect();
        image::GrayImage::from_raw(40, 6, pixels).expect("40 by 6")
    };
    for (numbers, is_refused, has_notice) in
        [(1..5, true, false), (0..4, false, false), (1..4, false, true), (1..6, false, true)]
    {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let frames = folder.path().join("Annotations/480p/clip");
        fs::create_dir_all(&frames).expect("writable");
        let mut lines = String::new();
        for number in numbers.clone() {
            image(number).save(frames.join(format!("{number:05}.png"))).expect("writable");
            lines.push_str(&format!("{number} 1001 1 6 40 0f7\n"));
        }
        let text = folder.path().join("clip.txt");
        fs::write(&text, lines).expect("writable");
        for (format, path) in [(FormatId::Davis, folder.path()), (FormatId::Mots, text.as_path())] {
            match read(format, path, &clip) {
                Ok(imported) => {
                    assert!(!is_refused, "{format}: {numbers:?}");
                    assert_eq!(
                        !imported.notices.is_empty(),
                        has_notice,
                        "{format}, {numbers:?}: {:?}",
                        imported.notices
                    );
                }
                Err(error) => {
                    let message = error.to_string();
                    assert!(
                        is_refused && message.contains("numbered 1 to 4, the clip's 0 to 3"),
                        "{format}: {message}"
                    );
                }
            }
        }
    }
}

#[test]
fn numbers_beside_the_names_are_not_counted_from_one_in_silence() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("x.json");
    for (numbers, is_refused) in [(1..5, true), (1..4, false)] {
        let image = |number: u32| json!({"id": number, "file_name": "frame.jpg", "frame_index": number});
        let images: Vec<_> = numbers.map(image).collect();
        let coco = json!({"images": images, "annotations": [], "categories": []});
        fs::write(&path, coco.to_string()).expect("writable");
        match read(FormatId::Coco, &path, &bars("clip", 4, 0)) {
            Ok(imported) => assert!(!is_refused && imported.notices[0].contains("number is 1"), "{imported:?}"),
            Err(error) => assert!(is_refused && error.to_string().contains("numbered 1 to 4"), "{error}"),
        }
    }
}

#[test]
fn all_exports_from_label_studio_in_a_folder_are_read() {
    let clip = bars("clip", 4, 0).with_names(&["1.jpg", "2.jpg", "3.jpg", "4.jpg"]);
    let folder = tempfile::tempdir().expect("a temporary folder");
    let target = folder.path().join("out");
    export_quietly(FormatId::LabelStudio, clip.plan(), &target).expect("a new folder");
    without_manifest(&target);
    let tasks: Vec<serde_json::Value> =
        serde_json::from_str(&fs::read_to_string(target.join("tasks.json")).expect("written")).expect("JSON");
    fs::remove_file(target.join("tasks.json")).expect("written");
    for (name, part) in [("project-1.json", &tasks[..1]), ("project-2.json", &tasks[1..])] {
        fs::write(target.join(name), serde_json::to_string(part).expect("JSON")).expect("writable");
    }
    fs::write(target.join("a-list-of-something.json"), "[{\"data\": 1}]").expect("writable");
    let imported = read(FormatId::LabelStudio, &target, &clip).expect("sound");
    assert_eq!((imported.errors.as_slice(), masks_in(&imported)), (&[][..], masks_of(&clip)));
}

#[test]
fn names_of_uploads_are_read_without_what_was_put_before_them() {
    let clip = bars("clip", 3, 0).with_names(&["1.jpg", "2.jpg", "3.jpg"]);
    let folder = tempfile::tempdir().expect("a temporary folder");
    let target = folder.path().join("out");
    export_quietly(FormatId::LabelStudio, clip.plan(), &target).expect("a new folder");
    without_manifest(&target);
    let file = target.join("tasks.json");
    let text = fs::read_to_string(&file).expect("written");
    let text = text.replace("/data/local-files/?d=images/", "/data/upload/7/ab12cd34-");
    fs::write(&file, text.replace("\"clip\":", "\"x\":").replace("\"frame\":", "\"y\":")).expect("writable");
    let imported = read(FormatId::LabelStudio, &target, &clip).expect("sound");
    assert_eq!((imported.errors.as_slice(), masks_in(&imported)), (&[][..], masks_of(&clip)));
}

#[test]
fn folders_tell_clips_apart_where_names_do_not() {
    let image = |id: u32, file: &str| json!({"id": id, "file_name": file});
    let mask = |id: u32, at: &str| json!({"id": id, "image_id": id, "category_id": 1, "segmentation": {"size": [1, 3], "counts": at}});
    let coco = json!({
        "images": [image(1, "train/vidA/00001.jpg"), image(2, "train/vidB/00001.jpg")],
        "annotations": [mask(1, "012"), mask(2, "111")],
        "categories": [{"id": 1, "name": "dog"}],
    });
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("x.json");
    fs::write(&path, coco.to_string()).expect("writable");
    for names in [&[][..], &["00000.jpg", "00001.jpg"]] {
        let clip = |name: &str| {
            let clip = MadeUp::clip(name, 3, 1, 2);
            if names.is_empty() { clip } else { clip.with_names(names) }
        };
        for (name, pixels) in [("vidA", [1, 0, 0]), ("vidB", [0, 1, 0])] {
            let imported = read(FormatId::Coco, &path, &clip(name)).expect("the clip is in it");
            assert_eq!(imported.errors, [], "{name}");
            let masks: Vec<_> = imported.objects.iter().flat_map(|object| &object.frames).collect();
            assert_eq!((masks.len(), masks[0].0, masks[0].1.to_pixels().as_slice()), (1, FrameIdx(1), &pixels[..]));
        }
        let message = read(FormatId::Coco, &path, &clip("vidC")).expect_err("it is not in it").to_string();
        assert!(message.contains("vidA") && message.contains("vidC"), "{message}");
    }
}

#[test]
fn stacks_are_put_on_the_frames_their_list_names_however_they_are_chosen() {
    let clip = bars("clip", 7, 0);
    let mut odd = clip.clone();
    odd.masks.retain(|(_, frame), _| frame.0 >= 3);
    let folder = tempfile::tempdir().expect("a temporary folder");
    let target = folder.path().join("out");
    let mut part = clip.plan();
    part.frames.range = Some((FrameIdx(3), FrameIdx(6)));
    export_quietly(FormatId::NpyStack, part, &target).expect("a new folder");
    let stack = "clip/masks/bar of clip.npy";
    for has_manifest in [true, false] {
        if !has_manifest {
            without_manifest(&target);
        }
        for path in ["", "clip", "clip/masks", stack] {
            let imported =
                read(FormatId::NpyStack, &target.join(path), &clip).unwrap_or_else(|e| panic!("{path}: {e}"));
            assert_eq!(masks_in(&imported), masks_of(&odd), "{path:?}, manifest: {has_manifest}");
            assert_eq!((imported.errors, imported.notices), (Vec::new(), Vec::<String>::new()), "{path:?}");
        }
    }
    fs::remove_file(target.join("clip/frames.npy")).expect("it was written");
    for path in ["", "clip", "clip/masks", stack] {
        let imported = read(FormatId::NpyStack, &target.join(path), &clip).unwrap_or_else(|e| panic!("{path}: {e}"));
        assert_eq!(masks_in(&imported).keys().copied().collect::<Vec<_>>(), [0, 1, 2, 3], "{path:?}");
        assert!(imported.notices[0].contains("0, 1, 2"), "{:?}", imported.notices);
    }
}

#[test]
fn names_that_formats_use_themselves_are_no_hindrance() {
    let names =
        ["test.png", "train.jpg", "val.png", "classes.png", "labelhub.png", "labelhub-names.jpg", "labelhubs.png"];
    for format in importable() {
        let clip = bars("clip", 7, 0).with_names(&names);
        let folder = tempfile::tempdir().expect("a temporary folder");
        let target = folder.path().join("out");
        export_quietly(format, clip.plan(), &target).unwrap_or_else(|e| panic!("{format}: {e}"));
        let imported = read(format, &target, &clip).unwrap_or_else(|e| panic!("{format}: {e}"));
        assert_eq!((imported.errors.as_slice(), masks_in(&imported)), (&[][..], masks_of(&clip)), "{format}");
    }
}
