//! Broken and hostile datasets: what is broken is listed, the rest is read, nothing panics.

use std::fs;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use label_hub::formats::{FormatError, FormatId, ImportTarget, Imported, detect, import};
use proptest::prelude::*;

use super::made_up::{MadeUp, difficult, export_quietly};

fn read_coco(json: &str) -> Imported {
    let clip = MadeUp::clip("clip", 4, 3, 3);
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("x.json");
    fs::write(&path, json).expect("writable");
    import(Some(FormatId::Coco), &path, &ImportTarget::of(&clip.facts), &mut |_| ControlFlow::Continue(()))
        .expect("broken items do not spoil the file")
}

#[test]
fn broken_coco_items_are_listed_and_the_rest_is_read() {
    let good = r#"{"id": 1, "image_id": 1, "category_id": 1, "segmentation": {"size": [3, 4], "counts": "0<"}}"#;
    let with = |annotation: &str| {
        format!(
            r#"{{"images": [{{"id": 1, "file_name": "a/00001.jpg", "width": 4, "height": 3}},
                            {{"id": 2, "file_name": "00002.jpg"}}],
                "annotations": [{annotation}, {good}], "categories": [{{"id": 1, "name": "dog"}}]}}"#
        )
    };
    let annotation = |id: u32, segmentation: &str| {
        format!(r#"{{"id": {id}, "image_id": 2, "category_id": 1, "segmentation": {segmentation}}}"#)
    };
    let cases = [
        ("short runs", annotation(9, r#"{"size": [3, 4], "counts": [0, 11]}"#), "cover 11"),
        ("long runs", annotation(9, r#"{"size": [3, 4], "counts": [0, 13]}"#), "cover 13"),
        ("negative run", annotation(9, r#"{"size": [3, 4], "counts": [-1, 13]}"#), "negative"),
        ("half a run", annotation(9, r#"{"size": [3, 4], "counts": [0.5, 11.5]}"#), "whole"),
        ("huge run", annotation(9, r#"{"size": [3, 4], "counts": [1e300]}"#), "run"),
        ("NaN in runs", annotation(9, r#"{"size": [3, 4], "counts": [NaN, 12]}"#), "run"),
        ("overlong number", annotation(9, r#"{"size": [3, 4], "counts": "oooooooooooo0"}"#), "run 0"),
        ("cut number", annotation(9, r#"{"size": [3, 4], "counts": "o"}"#), "middle"),
        ("no runs", annotation(9, r#"{"size": [3, 4], "counts": ""}"#), "cover 0"),
        ("foreign letters", annotation(9, r#"{"size": [3, 4], "counts": "é"}"#), "character"),
        ("wrong size", annotation(9, r#"{"size": [4, 3], "counts": "0<"}"#), "3x4"),
        ("enormous size", annotation(9, r#"{"size": [4000000000, 4000000000], "counts": "0<"}"#), "4000000000"),
        ("NaN in a polygon", annotation(9, "[[0, 0, NaN, 2, 2, 2]]"), "number"),
        ("odd polygon", annotation(9, "[[0, 0, 1, 2, 2, 2, 3]]"), "without a y"),
        ("two corners", annotation(9, "[[0, 0, 1, 2]]"), "corners"),
        ("no mask", annotation(9, "null"), "no mask"),
        (
            "missing image",
            good.replace("\"image_id\": 1", "\"image_id\": 77").replace("\"id\": 1", "\"id\": 5"),
            "no image 77",
        ),
        ("not an object", "17".to_owned(), "image_id"),
        (
            "category 0",
            annotation(9, r#"{"size": [3, 4], "counts": "0<"}"#).replace("\"category_id\": 1", "\"category_id\": 0"),
            "not in the list",
        ),
        ("duplicate id", format!("{good}, {good}"), "twice"),
    ];
    for (name, broken, cause) in cases {
        let imported = read_coco(&with(&broken));
        assert!(imported.error_count >= 1, "{name}");
        assert!(imported.errors[0].cause.contains(cause), "{name}: {:?}", imported.errors);
        let dog = imported.objects.iter().find(|object| object.class.as_deref() == Some("dog"));
        let masks = &dog.unwrap_or_else(|| panic!("{name}: {imported:?}")).frames;
        assert!(masks.iter().any(|(frame, mask)| frame.0 == 1 && mask.area() == 12), "{name}: {masks:?}");
    }
}

#[test]
fn images_that_do_not_fit_are_listed() {
    let imported = read_coco(
        r#"{"images": [{"id": 1, "file_name": "00001.jpg", "width": 5, "height": 3}, {"id": 1, "file_name": "00002.jpg"},
            {"id": 2}, {"file_name": "x"}, {"id": 3, "file_name": "00099.jpg"}], "annotations": [], "categories": 
            [{"id": 1, "name": "a"}, {"id": 1, "name": "b"}, {"name": "c"}, {"id": 9}, 5]}"#,
    );
    let causes: Vec<&str> = imported.errors.iter().map(|error| error.cause.as_str()).collect();
    for cause in ["5x3", "twice", "no file_name", "no id", "no such frame", "no name"] {
        assert!(causes.iter().any(|found| found.contains(cause)), "{cause} is not in {causes:?}");
    }
}

/// Names within a folder, and contents.
type Files = Vec<(PathBuf, Vec<u8>)>;

/// A small export of every format that can be read.
fn exports() -> &'static [(FormatId, Files)] {
    static EXPORTS: OnceLock<Vec<(FormatId, Files)>> = OnceLock::new();
    EXPORTS.get_or_init(|| {
        let clip = difficult("clip", 13, 9);
        let formats = FormatId::ALL.into_iter().filter(|format| format.can_import());
        let export = |format: FormatId| {
            let folder = tempfile::tempdir().expect("a temporary folder");
            let target = folder.path().join("out");
            export_quietly(format, clip.plan(), &target).unwrap_or_else(|e| panic!("{format}: {e}"));
            let mut files = Vec::new();
            gather(&target, &target, &mut files);
            (format, files)
        };
        formats.map(export).collect()
    })
}

fn gather(root: &Path, folder: &Path, files: &mut Files) {
    for entry in fs::read_dir(folder).expect("readable") {
        let path = entry.expect("readable").path();
        if path.is_dir() {
            gather(root, &path, files);
        } else {
            let name = path.strip_prefix(root).expect("below it").to_owned();
            files.push((name, fs::read(&path).expect("readable")));
        }
    }
}

/// What befalls a file.
#[derive(Debug, Clone)]
enum Harm {
    Cut(usize),
    Flip(usize, u8),
    Put(usize, Vec<u8>),
    Drop(usize, usize),
    Digit(usize, u8),
}

fn harm() -> impl Strategy<Value = Harm> {
    prop_oneof![
        any::<usize>().prop_map(Harm::Cut),
        (any::<usize>(), 1_u8..).prop_map(|(at, bits)| Harm::Flip(at, bits)),
        (any::<usize>(), prop::collection::vec(any::<u8>(), 1..9)).prop_map(|(at, bytes)| Harm::Put(at, bytes)),
        (any::<usize>(), 1_usize..40).prop_map(|(at, count)| Harm::Drop(at, count)),
        (any::<usize>(), b'0'..=b'9').prop_map(|(at, digit)| Harm::Digit(at, digit)),
    ]
}

fn harmed(bytes: &[u8], harms: &[Harm]) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    for harm in harms {
        let place = |at: usize| at % bytes.len().max(1);
        match harm {
            Harm::Cut(at) => bytes.truncate(place(*at)),
            Harm::Flip(at, bits) => {
                let at = place(*at);
                bytes.iter_mut().skip(at).take(1).for_each(|byte| *byte ^= bits);
            }
            Harm::Put(at, more) => {
                let at = place(*at).min(bytes.len());
                bytes.splice(at..at, more.iter().copied());
            }
            Harm::Drop(at, count) => {
                let at = place(*at).min(bytes.len());
                let end = (at + count).min(bytes.len());
                bytes.drain(at..end);
            }
            // Other numbers in the same places get past the parsers.
            Harm::Digit(at, digit) => {
                let digits: Vec<usize> = (0..bytes.len()).filter(|&i| bytes[i].is_ascii_digit()).collect();
                if let Some(&i) = digits.get(at % digits.len().max(1)) {
                    bytes[i] = *digit;
                }
            }
        }
    }
    bytes
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 600, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn harmed_datasets_are_read_as_far_as_they_go(
        which in any::<prop::sample::Index>(),
        file in any::<prop::sample::Index>(),
        harms in prop::collection::vec(harm(), 1..4),
    ) {
        let (format, files) = which.get(exports());
        let harmed_file = file.index(files.len());
        let folder = tempfile::tempdir().expect("a temporary folder");
        for (i, (name, bytes)) in files.iter().enumerate() {
            let path = folder.path().join(name);
            fs::create_dir_all(path.parent().expect("below the folder")).expect("writable");
            let bytes = if i == harmed_file { harmed(bytes, &harms) } else { bytes.clone() };
            fs::write(path, bytes).expect("writable");
        }
        detect(folder.path());
        let clip = MadeUp::clip("clip", 13, 9, 7);
        let read = import(Some(*format), folder.path(), &ImportTarget::of(&clip.facts), &mut |_| {
            ControlFlow::Continue(())
        });
        if let Ok(imported) = read {
            for (frame, mask) in imported.objects.iter().flat_map(|object| &object.frames) {
                prop_assert!(frame.0 < 7);
                prop_assert_eq!(mask.size(), clip.size());
            }
        }
    }
}

#[test]
fn pictures_that_ask_for_too_much_are_refused_by_their_head() {
    // A palette PNG of 30000 x 30000 pixels in a few bytes: only its header is right.
    let mut bomb = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR".to_vec();
    bomb.extend([0, 0, 0x75, 0x30, 0, 0, 0x75, 0x30, 8, 3, 0, 0, 0]);
    bomb.extend(0xe5d4_2f2a_u32.to_be_bytes());
    let clip = MadeUp::clip("clip", 13, 9, 2);
    let folder = tempfile::tempdir().expect("a temporary folder");
    fs::write(folder.path().join("00000.png"), &bomb).expect("writable");
    let imported =
        import(
            Some(FormatId::Davis),
            folder.path(),
            &ImportTarget::of(&clip.facts),
            &mut |_| ControlFlow::Continue(()),
        )
        .expect("one broken file");
    assert_eq!((imported.objects.len(), imported.error_count), (0, 1));
}

#[test]
fn missing_datasets_say_so() {
    let clip = MadeUp::clip("clip", 13, 9, 2);
    let folder = tempfile::tempdir().expect("a temporary folder");
    for format in FormatId::ALL.into_iter().filter(|format| format.can_import()) {
        for path in [folder.path().to_owned(), folder.path().join("absent")] {
            let read = import(Some(format), &path, &ImportTarget::of(&clip.facts), &mut |_| ControlFlow::Continue(()));
            let message = read.map(|read| format!("{format} read {read:?}")).expect_err("nothing is there").to_string();
            assert!(message.contains(folder.path().to_str().expect("UTF-8")), "{format}: {message}");
        }
    }
    let zip = folder.path().join("export.zip");
    fs::write(&zip, b"PK\x03\x04").expect("writable");
    let message = import(None, &zip, &ImportTarget::of(&clip.facts), &mut |_| ControlFlow::Continue(()))
        .expect_err("an archive")
        .to_string();
    assert!(message.contains("unpack"), "{message}");
}

#[test]
fn stopped_imports_end() {
    let clip = difficult("clip", 13, 9);
    let folder = tempfile::tempdir().expect("a temporary folder");
    let target = folder.path().join("out");
    export_quietly(FormatId::Coco, clip.plan(), &target).expect("a new folder");
    let mut masks = 0;
    let read = import(None, &target, &ImportTarget::of(&clip.facts), &mut |count| {
        masks = count;
        if count == 3 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    });
    assert!(matches!(read, Err(FormatError::Cancelled)));
    assert_eq!(masks, 3);
}
