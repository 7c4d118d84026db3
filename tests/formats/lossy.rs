//! Formats that cannot hold everything, or are not imported: what they lose is measured and told.

use std::fs;

use label_hub::formats::{FormatError, FormatId, ImportTarget, detect, import};

use super::made_up::{MadeUp, difficult, export_quietly, overlapping};

#[test]
fn yolo_measures_what_outlines_lose() {
    let mut clip = MadeUp::clip("clip", 40, 30, 3);
    let disc = clip.add_object(1, "disc", Some("dog"));
    let inside = |x: u32, y: u32, radius: i64| {
        let (dx, dy) = (i64::from(x) - 15, i64::from(y) - 15);
        dx * dx + dy * dy <= radius * radius
    };
    clip.paint(disc, 0, |x, y| inside(x, y, 9));
    clip.paint(disc, 1, |x, y| inside(x, y, 9) && !inside(x, y, 4));
    clip.paint(disc, 2, |x, y| inside(x, y, 9) || (x > 35 && y > 25) || (x == 38 && y == 2));
    let folder = tempfile::tempdir().expect("a temporary folder");
    let target = folder.path().join("out");
    let report = export_quietly(FormatId::Yolo, clip.plan(), &target).expect("a new folder");
    assert_eq!((report.losses.holes, report.losses.joined_parts, report.losses.tiny_parts), (1, 1, 1));
    assert_eq!(report.check.masks, 3);
    assert_eq!(report.check.difference_count, 2, "{:?}", report.check.differences);
    let area = |frame: u32| clip.masks[&(disc, label_hub::label::FrameIdx(frame))].area() as f64;
    assert!((report.check.min_iou - area(1) / area(0)).abs() < 1e-9, "the hole is the worst: {:?}", report.check);
    let imported = import(None, &target, &ImportTarget::of(&clip.facts), &mut |_| std::ops::ControlFlow::Continue(()))
        .expect("its own export");
    assert_eq!((imported.format, imported.objects.len(), imported.error_count), (FormatId::Yolo, 1, 0));
    assert_eq!(imported.objects[0].class.as_deref(), Some("dog"));
    assert_eq!(imported.objects[0].frames[0].1, clip.masks[&(disc, label_hub::label::FrameIdx(0))]);
}

#[test]
fn difficult_masks_survive_yolo_in_outline() {
    for (width, height) in [(13, 9), (1, 8), (8, 1), (1, 1), (64, 48), (33, 2), (1920, 3)] {
        let clip = overlapping("clip", width, height);
        let folder = tempfile::tempdir().expect("a temporary folder");
        let report = export_quietly(FormatId::Yolo, clip.plan(), &folder.path().join("out"))
            .unwrap_or_else(|e| panic!("{width}x{height}: {e}"));
        assert_eq!(report.check.masks, report.masks, "{width}x{height}");
    }
}

#[test]
fn formats_without_import_check_themselves_and_say_so() {
    for format in [FormatId::YtVos, FormatId::CvatVideo] {
        for (width, height) in [(13, 9), (1, 8), (64, 48)] {
            let clip = difficult("clip", width, height);
            let folder = tempfile::tempdir().expect("a temporary folder");
            let target = folder.path().join("out");
            let report = export_quietly(format, clip.plan(), &target).unwrap_or_else(|e| panic!("{format}: {e}"));
            assert_eq!(report.check.masks, report.masks, "{format}");
            let refused = import(Some(format), &target, &ImportTarget::of(&clip.facts), &mut |_| {
                std::ops::ControlFlow::Continue(())
            });
            assert!(matches!(refused, Err(FormatError::NoImport { .. })));
        }
    }
}

#[test]
fn every_export_is_recognised() {
    for format in FormatId::ALL.into_iter().filter(|format| format.can_import()) {
        let clip = difficult("clip", 13, 9);
        let folder = tempfile::tempdir().expect("a temporary folder");
        let target = folder.path().join("out");
        export_quietly(format, clip.plan(), &target).unwrap_or_else(|e| panic!("{format}: {e}"));
        assert_eq!(detect(&target), Some(format));
    }
    let folder = tempfile::tempdir().expect("a temporary folder");
    fs::write(folder.path().join("notes.json"), "{\"a\": 1}").expect("writable");
    fs::write(folder.path().join("x.txt"), "x").expect("writable");
    assert_eq!(detect(folder.path()), None);
    assert_eq!(detect(&folder.path().join("absent")), None);
}
