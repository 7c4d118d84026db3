//! Exports of every format, with the truth beside them, for the programs that will read them.
//!
//! Run by `scripts/test_formats.py` (`make test-formats`); not a test by itself.

use std::fs;
use std::path::PathBuf;

use label_hub::formats::{FormatId, ImageChoice, npy};
use label_hub::label::ObjectId;
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
    let many = many_objects();
    write_truth(&out, "many", &[&many]);
    export_quietly(FormatId::Davis, many.plan(), &out.join("many-davis")).expect("254 objects fit");
}

/// Every mask as `.npy`, and who is who.
fn write_truth(out: &std::path::Path, name: &str, clips: &[&MadeUp]) {
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
