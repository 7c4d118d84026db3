//! Datasets from the window: export, a second one with consent, import as new objects, and back again.
#![cfg(feature = "gui")]

mod app_support;
mod engine_support;

use app_support::{Lab, click};
use engine_support::DiscClip;
use label_hub::app::action::{Action, TrackScope};
use label_hub::app::export::ExportRequest;
use label_hub::app::facts::AppFacts;
use label_hub::app::notices::{Notice, Notices, Severity};
use label_hub::formats::{FormatId, FramesWith, ImageChoice, OverlayStyle};
use label_hub::label::FrameIdx;

fn request(folder: std::path::PathBuf, format: FormatId) -> ExportRequest {
    ExportRequest {
        format,
        folder,
        frames: FramesWith::Anything,
        every: 1,
        is_in_range: false,
        is_selected_only: false,
        images: ImageChoice::Png,
        overlay: OverlayStyle::default(),
        overwrite: false,
    }
}

fn wait_for_dataset(lab: &mut Lab) -> Notice {
    lab.wait("the dataset is done", |world| !world.resource::<AppFacts>().is_exporting);
    lab.app.world().resource::<Notices>().log().last().expect("it is told").clone()
}

#[test]
fn masks_go_out_and_come_back_as_new_objects() {
    let clip = DiscClip::new(96, 64, 6, false);
    let mut lab = Lab::with_clip(clip.path());
    lab.act(click(clip.click(0)));
    lab.wait_for_answers();
    lab.act(Action::Track(TrackScope::StaleOrMissing));
    lab.wait_for_run();
    let folder = tempfile::tempdir().expect("a temporary folder");
    let before = lab.labels();
    for format in FormatId::ALL {
        let target = folder.path().join(format.name());
        lab.act(Action::Export(Box::new(request(target.clone(), format))));
        let notice = wait_for_dataset(&mut lab);
        assert!(notice.severity < Severity::Error, "{format}: {}", notice.text);
        assert!(target.join("labelhub.json").is_file(), "{format}: {}", notice.text);
    }
    assert_eq!(lab.labels(), before, "an export changes nothing");
    lab.act(Action::ImportLabels(folder.path().join("coco")));
    let notice = wait_for_dataset(&mut lab);
    assert_eq!((notice.severity, lab.facts().objects.len()), (Severity::Info, 2), "{}", notice.text);
    for frame in 0..6 {
        assert_eq!(lab.mask(2, frame), lab.mask(1, frame), "frame {frame}");
    }
    // The imported mask can be tracked from, and tracking leaves the imported ones alone.
    let imported = lab.labels();
    lab.act(Action::Select(label_hub::label::ObjectId(2)));
    lab.act(Action::GoTo(FrameIdx(3)));
    lab.act(Action::UseMaskAsPrompt);
    lab.act(Action::TrackSelected(TrackScope::StaleOrMissing));
    lab.wait_for_run();
    assert_eq!(lab.mask(2, 5), lab.mask(1, 5));
    while lab.labels() != imported {
        assert!(lab.facts().undo.is_some(), "the way back leads past the import");
        lab.act(Action::Undo);
    }
    lab.act(Action::Undo);
    assert_eq!(lab.labels(), before, "an import is one step");
}

#[test]
fn an_earlier_export_is_replaced_only_with_consent() {
    let clip = DiscClip::new(96, 64, 3, false);
    let mut lab = Lab::with_clip(clip.path());
    lab.act(click(clip.click(0)));
    lab.wait_for_answers();
    let folder = tempfile::tempdir().expect("a temporary folder");
    let target = folder.path().join("out");
    lab.act(Action::Export(Box::new(request(target.clone(), FormatId::Davis))));
    wait_for_dataset(&mut lab);
    lab.act(Action::Export(Box::new(request(target.clone(), FormatId::Png))));
    let refusal = wait_for_dataset(&mut lab);
    assert_eq!(refusal.severity, Severity::Error, "{}", refusal.text);
    let (label, replace) = &refusal.ways_out[0];
    assert_eq!(label, "Replace it");
    assert!(!refusal.text.contains("--"), "the window has no flags: {}", refusal.text);
    lab.act(replace.clone());
    let done = wait_for_dataset(&mut lab);
    assert!(done.severity < Severity::Error && done.text.contains("png"), "{}", done.text);
}

#[test]
fn stale_masks_are_told_and_a_folder_that_refuses_is_not_the_only_one() {
    let clip = DiscClip::new(96, 64, 6, false);
    let mut lab = Lab::with_clip(clip.path());
    lab.act(click(clip.click(0)));
    lab.wait_for_answers();
    lab.act(Action::Track(TrackScope::StaleOrMissing));
    lab.wait_for_run();
    let folder = tempfile::tempdir().expect("a temporary folder");
    let export = |lab: &mut Lab, name: &str| {
        lab.act(Action::Export(Box::new(request(folder.path().join(name), FormatId::Davis))));
        wait_for_dataset(lab)
    };
    let fresh = export(&mut lab, "fresh");
    assert!(fresh.severity == Severity::Info && !fresh.text.contains("stale"), "{}", fresh.text);
    lab.act(Action::GoTo(FrameIdx(3)));
    lab.act(click(clip.click(3)));
    lab.wait_for_answers();
    let stale = (0..6).filter(|frame| lab.is_stale(1, *frame)).count();
    assert!(stale > 1);
    let told = export(&mut lab, "stale");
    assert!(told.text.contains(&format!("{stale} exported masks are stale")), "{}", told.text);
    assert_eq!(told.severity, Severity::Warning);
    std::fs::write(folder.path().join("file"), "no folder").expect("writable");
    let refusal = export(&mut lab, "file/out");
    let ways: Vec<&str> = refusal.ways_out.iter().map(|(label, _)| label.as_str()).collect();
    assert_eq!(ways, ["Try again", "Choose another folder…"], "{}", refusal.text);
}

#[test]
fn classes_are_numbered_by_the_list_and_those_of_an_import_join_it() {
    let clip = DiscClip::new(96, 64, 3, false);
    let mut lab = Lab::with_clip(clip.path());
    let folder = tempfile::tempdir().expect("a temporary folder");
    let list = folder.path().join("classes.txt");
    std::fs::write(&list, "zebra\nant\n").expect("writable");
    lab.act(Action::ImportClasses(list));
    lab.act(click(clip.click(0)));
    lab.wait_for_answers();
    lab.act(Action::SetClass(label_hub::label::ObjectId(1), Some("ant".to_owned())));
    let target = folder.path().join("out");
    lab.act(Action::Export(Box::new(request(target.clone(), FormatId::Coco))));
    wait_for_dataset(&mut lab);
    let file = target.join("annotations/instances_train.json");
    let text = std::fs::read_to_string(&file).expect("written");
    let coco: serde_json::Value = serde_json::from_str(&text).expect("sound");
    let names = [&coco["categories"][0]["name"], &coco["categories"][1]["name"]];
    assert_eq!(names, ["zebra", "ant"]);
    assert_eq!(coco["annotations"][0]["category_id"], 2);
    // Another program has renamed the class since.
    std::fs::write(&file, text.replace("\"ant\"", "\"whale\"")).expect("writable");
    lab.act(Action::ImportLabels(target));
    wait_for_dataset(&mut lab);
    let classes = |lab: &Lab| lab.app.world().resource::<label_hub::app::labels::Classes>().0.to_vec();
    assert_eq!(classes(&lab), ["zebra", "ant", "whale"]);
    lab.act(Action::Undo);
    assert_eq!(classes(&lab), ["zebra", "ant"], "it is one step with the import");
}

#[test]
fn nothing_is_said_to_be_compared_where_nothing_was() {
    let clip = DiscClip::new(96, 64, 3, false);
    let mut lab = Lab::with_clip(clip.path());
    lab.act(click(clip.click(0)));
    lab.wait_for_answers();
    let folder = tempfile::tempdir().expect("a temporary folder");
    for (format, is_compared) in [(FormatId::Overlay, false), (FormatId::Coco, true)] {
        lab.act(Action::Export(Box::new(request(folder.path().join(format.name()), format))));
        let notice = wait_for_dataset(&mut lab);
        assert_eq!(notice.text.contains("compared"), is_compared, "{}", notice.text);
    }
}
