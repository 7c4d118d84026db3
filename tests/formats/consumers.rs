//! Exports of every format, with the truth beside them, for the programs that will read them; and our import of what
//! those programs write.
//!
//! Run by `scripts/test_formats.py` (`make test-formats`); no tests by themselves.

use std::fs;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use label_hub::formats::{FormatId, ImageChoice, ImportTarget, NO_CLASS, detect, import, npy};
use label_hub::label::ObjectId;
use serde::Deserialize;
use serde_json::json;

use super::made_up::{MadeUp, Pictures, difficult, export_quietly, overlapping, plan};

/// Clips that together have every mask that breaks encoders; the last one moves smooth shapes, as real objects do.
fn clips() -> Vec<MadeUp> {
    let mut shapes = MadeUp::clip("shapes", 160, 120, 7);
    let disc = shapes.add_object(1, "disc", Some("dog"));
    let bar = shapes.add_object(2, "bar, \"quoted\"", None);
    for frame in 0..7 {
        let centre = (40 + 10 * i64::from(frame), 60_i64);
        shapes.paint(disc, frame, |x, y| {
            (i64::from(x) - centre.0).pow(2) + (i64::from(y) - centre.1).pow(2) < 25_i64.pow(2)
        });
        shapes.paint(bar, frame, |x, y| frame != 3 && (20 + frame..30 + frame).contains(&x) && y > 10 && y < 110);
    }
    vec![overlapping("wide", 64, 48), difficult("Odd Ünïcode", 33, 17), overlapping("thin", 1, 8), shapes]
}

fn many_objects() -> MadeUp {
    let mut clip = MadeUp::clip("many", 40, 30, 2);
    for id in 1..=254 {
        let object = clip.add_object(id, &format!("object {id}"), Some("dot"));
        clip.paint(object, 0, |x, y| y * 40 + x == 4 * id);
        clip.paint(object, 1, |x, y| y * 40 + x == 1199 - 4 * id);
    }
    clip
}

#[test]
#[ignore = "writes what scripts/test_formats.py reads; needs LABEL_HUB_FORMATS_OUT"]
fn write_exports_for_their_consumers() {
    let out = PathBuf::from(std::env::var_os("LABEL_HUB_FORMATS_OUT").expect("LABEL_HUB_FORMATS_OUT names a folder"));
    let clips = clips();
    write_truth(&out, "clips", &clips.iter().collect::<Vec<_>>());
    for format in FormatId::ALL {
        if format == FormatId::Overlay && !cfg!(feature = "video") {
            continue;
        }
        let mut pictures: Vec<Pictures> = clips.iter().map(|clip| Pictures(clip.size())).collect();
        let mut plan = plan(&clips.iter().collect::<Vec<_>>());
        plan.images = ImageChoice::Png;
        for (clip, pictures) in plan.clips.iter_mut().zip(&mut pictures) {
            clip.images = Some(pictures);
        }
        let report = export_quietly(format, plan, &out.join(format.name())).unwrap_or_else(|e| panic!("{format}: {e}"));
        let told = json!({
            "masks": report.masks,
            "frames": report.frames,
            "min_iou": report.check.min_iou,
            "mean_iou": report.check.mean_iou,
            "losses": report.losses,
        });
        fs::write(out.join(format!("{format}.report.json")), told.to_string()).expect("writable");
    }
    let mut part = clips[3].plan();
    part.frames.every = 3;
    export_quietly(FormatId::CvatImages, part, &out.join("part-cvat-images")).expect("a new folder");
    let many = many_objects();
    write_truth(&out, "many", &[&many]);
    export_quietly(FormatId::Davis, many.plan(), &out.join("many-davis")).expect("254 objects fit");
}

#[derive(Deserialize)]
struct Foreign {
    width: u32,
    height: u32,
    frames: u32,
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    name: String,
    format: String,
    path: String,
    min_iou: f64,
    masks: Vec<ForeignMask>,
}

#[derive(Deserialize)]
struct ForeignMask {
    frame: u32,
    class: Option<String>,
    file: String,
}

#[test]
#[ignore = "reads what scripts/format_readers.py wrote; needs LABEL_HUB_FORMATS_OUT"]
fn read_datasets_of_other_programs() {
    let out = PathBuf::from(std::env::var_os("LABEL_HUB_FORMATS_OUT").expect("LABEL_HUB_FORMATS_OUT names a folder"));
    let root = out.join("foreign");
    let text = fs::read_to_string(root.join("cases.json")).expect("format_readers.py wrote it");
    let foreign: Foreign = serde_json::from_str(&text).expect("as written there");
    // Another name than the datasets have: they must be found all the same.
    let clip = MadeUp::clip("my clip", foreign.width, foreign.height, foreign.frames);
    let rows: Vec<_> = foreign.cases.iter().map(|case| read_case(&root, case, &clip)).collect();
    fs::write(root.join("results.json"), json!(rows).to_string()).expect("writable");
}

fn read_case(root: &Path, case: &Case, clip: &MadeUp) -> serde_json::Value {
    let path = root.join(&case.path);
    let mut wrong = Vec::new();
    let detected = detect(&path).map_or_else(|| "nothing".to_owned(), |format| format.to_string());
    if detected != case.format {
        wrong.push(format!("taken for {detected}"));
    }
    let format = case.format.parse().expect("one of ours");
    let target = ImportTarget::of(&clip.facts);
    let mut worst = 1.0_f64;
    match import(Some(format), &path, &target, &mut |_| ControlFlow::Continue(())) {
        Err(error) => wrong.push(error.to_string()),
        Ok(imported) => {
            wrong.extend(imported.errors.iter().map(|error| format!("{}: {}", error.item, error.cause)));
            let mut found: Vec<_> = imported
                .objects
                .iter()
                .flat_map(|object| object.frames.iter().map(|(frame, mask)| (frame.0, object.class.clone(), mask)))
                .filter(|(_, _, mask)| !mask.is_empty())
                .collect();
            for expected in &case.masks {
                let mask = npy::read_mask(&root.join(&expected.file), clip.size()).expect("written by NumPy");
                // Our import takes the class `object` for none.
                let class = expected.class.clone().filter(|class| class != NO_CLASS);
                let same = found.iter().enumerate().filter(|(_, f)| f.0 == expected.frame && f.1 == class);
                let best = same.map(|(i, f)| (i, f.2.iou(&mask))).max_by(|a, b| a.1.total_cmp(&b.1));
                let iou = best.map_or(0.0, |(_, iou)| iou);
                worst = worst.min(iou);
                if iou < case.min_iou {
                    wrong.push(format!("{} of class {class:?}: IoU {iou:.4}", expected.file));
                }
                best.map(|(i, _)| found.swap_remove(i));
            }
            wrong.extend(found.iter().map(|f| format!("a mask of {:?} on frame {} too many", f.1, f.0)));
        }
    }
    let verdict = match wrong.first() {
        Some(first) => format!("WRONG: {}, first {first}", wrong.len()),
        None if worst == 1.0 => "exact".to_owned(),
        None => format!("ok, at least {}", case.min_iou),
    };
    json!({
        "format": case.format, "reader": format!("<- {}", case.name), "frames": clip.facts.frames.len(),
        "masks": case.masks.len(), "worst_iou": worst, "verdict": verdict,
    })
}

/// Every mask as `.npy`, and who is who.
fn write_truth(out: &Path, name: &str, clips: &[&MadeUp]) {
    let folder = out.join(format!("{name}.truth"));
    fs::create_dir_all(&folder).expect("writable");
    let mut track = 0;
    let clips = clips.iter().enumerate().map(|(c, clip)| {
        let mut ids: Vec<ObjectId> = clip.objects.iter().map(|object| object.id).collect();
        ids.sort();
        let objects = (1..).zip(&ids).map(|(number, id)| {
            let info = clip.objects.iter().find(|object| object.id == *id).expect("one of them");
            track += 1;
            let class = info.class.as_deref().unwrap_or("object");
            json!({"id": id.0, "number": number, "track": track, "name": info.name, "class": class})
        });
        let objects: Vec<_> = objects.collect();
        for ((object, frame), mask) in &clip.masks {
            npy::write_mask(&folder.join(format!("{c}_{frame}_{object}.npy")), mask).expect("writable");
        }
        let size = clip.size();
        json!({
            "name": clip.facts.name, "width": size.width, "height": size.height,
            "frames": clip.facts.frames.len(), "objects": objects,
        })
    });
    let clips: Vec<_> = clips.collect();
    fs::write(out.join(format!("{name}.truth.json")), json!(clips).to_string()).expect("writable");
}
