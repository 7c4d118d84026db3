//! What is exported comes back on import: every mask, name, class and frame.

use label_hub::formats::{
    ClipFacts, FormatError, FormatId, ImportTarget, Imported, LabelSource, ObjectInfo, SourceError, import,
};
use label_hub::label::{FrameIdx, FrameMark, Mask, ObjectId};

use super::made_up::{MadeUp, difficult, export_quietly, overlapping, plan};

/// Formats that hold every pixel of every mask and can be imported.
const EXACT: &[FormatId] = &[
    FormatId::Npy,
    FormatId::NpyStack,
    FormatId::Png,
    FormatId::Coco,
    FormatId::YtVis,
    FormatId::Sav,
    FormatId::CvatImages,
    FormatId::Datumaro,
    FormatId::LabelStudio,
    FormatId::Labelme,
];
/// Formats that hold one object per pixel and can be imported.
const NO_OVERLAP: &[FormatId] = &[FormatId::Davis, FormatId::Mots];

fn import_quietly(format: FormatId, folder: &std::path::Path, clip: &MadeUp) -> Imported {
    import(Some(format), folder, &ImportTarget::of(&clip.facts), &mut |_| std::ops::ControlFlow::Continue(()))
        .unwrap_or_else(|e| panic!("{format}: {e}"))
}

fn assert_came_back(format: FormatId, clip: &MadeUp, imported: &Imported) {
    assert_eq!(imported.errors, [], "{format}, {}", clip.facts.name);
    let mut objects: Vec<_> = clip.objects.iter().collect();
    objects.sort_by_key(|object| object.id);
    objects.retain(|object| !clip.masks_of(object.id).is_empty());
    let names: Vec<_> = imported.objects.iter().filter(|o| o.frames.iter().any(|(_, m)| !m.is_empty())).collect();
    assert_eq!(names.len(), objects.len(), "{format}, {}", clip.facts.name);
    for object in objects {
        let found = imported.objects.iter().find(|found| found.name == object.name);
        let found = found.unwrap_or_else(|| panic!("{format}: no {:?} in {:?}", object.name, imported.objects));
        assert_eq!(found.class, object.class, "{format}");
        let masks: Vec<_> = found.frames.iter().filter(|(_, mask)| !mask.is_empty()).cloned().collect();
        assert_eq!(masks, clip.masks_of(object.id), "{format}, {}, {:?}", clip.facts.name, object.name);
    }
}

#[test]
fn exact_formats_give_every_mask_back() {
    for &format in EXACT {
        for (width, height) in [(13, 9), (1, 8), (8, 1), (1, 1), (64, 48), (33, 2)] {
            let clip = overlapping("clip", width, height);
            let folder = tempfile::tempdir().expect("a temporary folder");
            let target = folder.path().join("out");
            let report = export_quietly(format, clip.plan(), &target).unwrap_or_else(|e| panic!("{format}: {e}"));
            assert_eq!(report.frames, 7, "{format}");
            assert_eq!(report.masks, report.check.masks, "{format}");
            assert_eq!((report.check.min_iou, report.check.mean_iou), (1.0, 1.0), "{format}");
            assert_came_back(format, &clip, &import_quietly(format, &target, &clip));
        }
    }
}

#[test]
fn formats_without_overlap_give_every_mask_back_that_has_none() {
    for &format in NO_OVERLAP {
        for (width, height) in [(13, 9), (1, 8), (8, 1), (64, 48)] {
            let clip = difficult("clip", width, height);
            let folder = tempfile::tempdir().expect("a temporary folder");
            let target = folder.path().join("out");
            let report = export_quietly(format, clip.plan(), &target).unwrap_or_else(|e| panic!("{format}: {e}"));
            let overlaps = report.losses.overlap_pixels > 0;
            if !overlaps {
                assert_eq!(report.check.min_iou, 1.0, "{format}");
                assert_came_back(format, &clip, &import_quietly(format, &target, &clip));
            }
            assert_eq!(overlaps, width == 1 || height == 1, "the thin clips have parts that overlap");
        }
    }
}

#[test]
fn overlaps_go_to_the_lowest_id_and_are_counted() {
    for &format in NO_OVERLAP {
        let mut clip = MadeUp::clip("clip", 4, 2, 2);
        let (low, high) = (clip.add_object(5, "low", None), clip.add_object(9, "high", None));
        clip.paint(low, 0, |x, _| x < 2);
        clip.paint(high, 0, |x, _| x >= 1);
        clip.paint(high, 1, |_, _| true);
        let folder = tempfile::tempdir().expect("a temporary folder");
        let target = folder.path().join("out");
        let report = export_quietly(format, clip.plan(), &target).unwrap_or_else(|e| panic!("{format}: {e}"));
        assert_eq!((report.losses.overlap_pixels, report.losses.overlap_frames), (2, 1), "{format}");
        assert!((report.check.min_iou - 4.0 / 6.0).abs() < 1e-9, "{format}: {}", report.check.min_iou);
        let imported = import_quietly(format, &target, &clip);
        let high = imported.objects.iter().find(|object| object.name == "high").expect("it is there");
        assert_eq!(high.frames[0].1.to_pixels(), [0, 0, 1, 1, 0, 0, 1, 1], "{format}");
    }
}

#[test]
fn several_clips_are_told_apart() {
    for &format in EXACT.iter().chain(NO_OVERLAP) {
        let clips = [difficult("Clip", 13, 9), difficult("clip", 6, 9), difficult("third", 13, 9)];
        let folder = tempfile::tempdir().expect("a temporary folder");
        let target = folder.path().join("out");
        export_quietly(format, plan(&clips.each_ref()), &target).unwrap_or_else(|e| panic!("{format}: {e}"));
        for clip in &clips {
            assert_came_back(format, clip, &import_quietly(format, &target, clip));
        }
    }
}

#[test]
fn names_of_any_length_keep_frames_apart() {
    let long = "ж".repeat(300);
    for &format in EXACT.iter().chain(NO_OVERLAP) {
        let clips = [difficult(&long, 13, 9), difficult(&format!("{long}2"), 13, 9)];
        let folder = tempfile::tempdir().expect("a temporary folder");
        let target = folder.path().join("out");
        export_quietly(format, plan(&clips.each_ref()), &target).unwrap_or_else(|e| panic!("{format}: {e}"));
        for clip in &clips {
            assert_came_back(format, clip, &import_quietly(format, &target, clip));
        }
    }
}

#[test]
fn images_keep_their_names() {
    let names = ["img 2.png", "img_10.JPG", "img_10.png", "x.y.tif", "CON.png", "7.bmp", "8.webp"];
    for &format in EXACT.iter().chain(NO_OVERLAP) {
        let clip = difficult("folder", 13, 9).with_names(&names);
        let folder = tempfile::tempdir().expect("a temporary folder");
        let target = folder.path().join("out");
        export_quietly(format, clip.plan(), &target).unwrap_or_else(|e| panic!("{format}: {e}"));
        assert_came_back(format, &clip, &import_quietly(format, &target, &clip));
    }
}

#[test]
fn foreign_datasets_find_their_frames_by_name_or_number() {
    for &format in EXACT.iter().chain(NO_OVERLAP) {
        let clip = difficult("clip", 13, 9);
        let folder = tempfile::tempdir().expect("a temporary folder");
        let target = folder.path().join("out");
        export_quietly(format, clip.plan(), &target).unwrap_or_else(|e| panic!("{format}: {e}"));
        std::fs::remove_file(target.join("labelhub.json")).expect("every export has one");
        let imported = import_quietly(format, &target, &clip);
        assert_eq!(imported.errors, [], "{format}");
        let frames: Vec<FrameIdx> = imported.objects[1].frames.iter().map(|(frame, _)| *frame).collect();
        assert!(frames.contains(&FrameIdx(3)), "{format}: {frames:?}");
    }
}

#[test]
fn exported_part_of_a_clip_comes_back_on_its_frames() {
    for &format in EXACT.iter().chain(NO_OVERLAP) {
        let clip = difficult("clip", 13, 9);
        let folder = tempfile::tempdir().expect("a temporary folder");
        let target = folder.path().join("out");
        let mut plan = clip.plan();
        plan.frames.every = 2;
        export_quietly(format, plan, &target).unwrap_or_else(|e| panic!("{format}: {e}"));
        let mut part = clip.clone();
        part.masks.retain(|(_, frame), _| frame.0 % 2 == 0);
        assert_came_back(format, &part, &import_quietly(format, &target, &part));
    }
}

#[test]
fn class_names_keep_their_signs_but_for_control_characters() {
    for &format in EXACT.iter().chain(NO_OVERLAP).chain(&[FormatId::Yolo, FormatId::YtVos, FormatId::CvatVideo]) {
        let mut clip = MadeUp::clip("clip", 5, 4, 2);
        let classes = ["a: b # c", "- x", "'q' \"d\" \\", "[1, 2]", "two\nlines\u{1}", " spaces ", "\u{202E}rtl", "{}"];
        for (id, class) in (1..).zip(classes) {
            let object = clip.add_object(id, &format!("object\t{id}"), Some(class));
            clip.paint(object, 0, |x, y| y * 5 + x == id);
        }
        let folder = tempfile::tempdir().expect("a temporary folder");
        let target = folder.path().join("out");
        let report = export_quietly(format, clip.plan(), &target).unwrap_or_else(|e| panic!("{format}: {e}"));
        let renamed =
            report.renamed.iter().find(|renamed| renamed.kind == "class").expect("one has control characters");
        assert_eq!(renamed.used, "two lines ", "{format}");
    }
}

#[test]
fn unsound_sources_fail_the_check_and_leave_nothing() {
    /// Changes a mask once all have been given.
    struct Fickle(MadeUp, std::cell::Cell<u64>);
    impl LabelSource for Fickle {
        fn clip(&self) -> &ClipFacts {
            self.0.clip()
        }
        fn objects(&self) -> &[ObjectInfo] {
            self.0.objects()
        }
        fn mark(&self, object: ObjectId, frame: FrameIdx) -> Option<FrameMark> {
            self.0.mark(object, frame)
        }
        fn mask(&self, object: ObjectId, frame: FrameIdx) -> Result<Option<Mask>, SourceError> {
            self.1.set(self.1.get() + 1);
            let changed = self.1.get() > 12 && (object, frame) == (ObjectId(3), FrameIdx(1));
            // Pixels are only taken away, so that it gives and takes none to and from others where they must not overlap.
            if changed { Ok(Some(Mask::from_fn(self.0.size(), |i| i == 0))) } else { self.0.mask(object, frame) }
        }
    }
    for &format in EXACT.iter().chain(NO_OVERLAP).chain(&[FormatId::Yolo]) {
        let source = Fickle(difficult("clip", 13, 9), std::cell::Cell::new(0));
        let folder = tempfile::tempdir().expect("a temporary folder");
        let mut plan = source.0.plan();
        plan.clips[0].labels = &source;
        let failed = export_quietly(format, plan, &folder.path().join("out"));
        match failed {
            Err(FormatError::SelfCheck { count, first, .. }) => {
                assert_eq!(count, 1, "{format}: {first}");
                assert!(first.contains("a dog") && first.contains("frame 1"), "{format}: {first}");
            }
            other => panic!("{format}: {other:?}"),
        }
        assert_eq!(std::fs::read_dir(folder.path()).expect("readable").count(), 0, "{format}");
    }
}
