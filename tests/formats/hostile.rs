//! Broken and hostile datasets: what is broken is listed, the rest is read, nothing panics.

use std::fs;
use std::ops::ControlFlow;

use label_hub::formats::{FormatId, ImportTarget, Imported, import};

use super::made_up::MadeUp;

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
