//! Makes the seeds of the corpus: exports of tiny clips by the program itself, and the same things as other programs
//! write them.
//!
//! Called by `--make-seeds` only. What has failed once lies beside them and is left alone.

use std::fs;
use std::path::{Path, PathBuf};

use label_hub::formats::{FormatId, coco_rle};
use label_hub::label::{FrameSize, Mask, ObjectId};

use crate::checkpoint_support::{Tensor, bare_pickle, pt, pt_with_pickle, published_pickle, safetensors, two_tensors};
use crate::made_up::{MadeUp, export_quietly};
use crate::store_support::Both;
use crate::targets::{FRAMES, SIZE, corpus_folder};

/// Longest seed taken of an export, in bytes.
const MAX_BYTES: usize = 12 << 10;

/// Writes all seeds.
pub fn make() {
    exports();
    for (target, name, text) in FOREIGN {
        keep(target, name, text.as_bytes());
    }
    run_lengths();
    checkpoints();
    project();
}

fn keep(target: &str, name: &str, bytes: &[u8]) {
    let folder = corpus_folder(target);
    fs::create_dir_all(&folder).expect("the checkout can be written");
    fs::write(folder.join(name), bytes).expect("the checkout can be written");
}

/// A clip with two objects that have holes, parts and a gap.
fn clip() -> MadeUp {
    let mut clip = MadeUp::clip("clip", SIZE.width, SIZE.height, FRAMES);
    let dog = clip.add_object(1, "a dog", Some("dog"));
    clip.paint(dog, 1, |x, y| x > 1 && x < 7 && y > 1 && y < 7 && (x != 4 || y != 4));
    clip.paint(dog, 2, |x, y| (x + y) % 5 == 0);
    clip.paint(dog, 3, |_, _| false);
    let cat = clip.add_object(4, "кот", Some("cat"));
    clip.paint(cat, 1, |x, y| x > 8 && y > 3);
    clip.paint(cat, 5, |x, _| x == 12);
    clip
}

/// Which files of an export become whose seeds: target, format, what the name must contain.
const EXPORTED: [(&str, FormatId, &str); 17] = [
    ("coco", FormatId::Coco, "instances_train.json"),
    ("ytvis", FormatId::YtVis, "annotations/"),
    ("sav", FormatId::Sav, "_manual.json"),
    ("datumaro", FormatId::Datumaro, "annotations/"),
    ("labelstudio", FormatId::LabelStudio, "tasks.json"),
    ("labelme", FormatId::Labelme, "00001.json"),
    ("cvat_images", FormatId::CvatImages, "annotations.xml"),
    ("yolo", FormatId::Yolo, "00001.txt"),
    ("yolo_yaml", FormatId::Yolo, "data.yaml"),
    ("mots_text", FormatId::Mots, "instances_txt/"),
    ("mots_png", FormatId::Mots, "instances/000001.png"),
    ("davis_png", FormatId::Davis, "00001.png"),
    ("npy_stack", FormatId::NpyStack, "masks/"),
    ("npy_frames", FormatId::Npy, "1_1.npy"),
    ("binary_png", FormatId::Png, "00001.png"),
    ("sav_png", FormatId::Sav, "00001.png"),
    ("manifest", FormatId::Coco, "labelhub.json"),
];

fn exports() {
    let clip = clip();
    let exported = |format: FormatId| {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let target = folder.path().join("out");
        export_quietly(format, clip.plan(), &target).unwrap_or_else(|error| panic!("{format}: {error}"));
        let mut files = Vec::new();
        gather(&target, &mut files);
        files
    };
    for (target, format, part) in EXPORTED {
        let mut files = exported(format);
        files.retain(|(path, bytes)| path.to_str().is_some_and(|path| path.contains(part)) && bytes.len() <= MAX_BYTES);
        assert!(!files.is_empty(), "{target}: no exported file");
        for (i, (path, bytes)) in files.into_iter().enumerate().take(2) {
            let ending = path.extension().map_or("", |ending| ending.to_str().unwrap_or(""));
            keep(target, &format!("own_{i}.{ending}"), &bytes);
        }
    }
    for (target, format, part) in [("npy", FormatId::Npy, "npy"), ("mask_png", FormatId::Png, "png")] {
        let mut files = exported(format);
        files.retain(|(path, _)| path.extension().is_some_and(|ending| ending == part));
        for (i, (_, bytes)) in files.into_iter().enumerate().take(2) {
            keep(target, &format!("own_{i}.{part}"), &bytes);
        }
    }
    colours();
}

/// PNGs of the other kinds of pixel.
fn colours() {
    use image::{ExtendedColorType, ImageEncoder, codecs::png::PngEncoder};
    let kinds = [
        ("rgb", ExtendedColorType::Rgb8, 3),
        ("rgba", ExtendedColorType::Rgba8, 4),
        ("grey_alpha_16", ExtendedColorType::La16, 4),
        ("grey_16", ExtendedColorType::L16, 2),
    ];
    for (name, kind, pixel_bytes) in kinds {
        let pixels: Vec<u8> = (0..SIZE.area() * pixel_bytes).map(|i| (i / 7 % 3) as u8 * 100).collect();
        let mut bytes = Vec::new();
        PngEncoder::new(&mut bytes).write_image(&pixels, SIZE.width, SIZE.height, kind).expect("encoding in memory");
        keep("mask_png", &format!("{name}.png"), &bytes);
    }
}

fn gather(folder: &Path, files: &mut Vec<(PathBuf, Vec<u8>)>) {
    let entries = fs::read_dir(folder).expect("readable");
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.expect("readable").path()).collect();
    paths.sort();
    for path in paths {
        if path.is_dir() {
            gather(&path, files);
        } else {
            let bytes = fs::read(&path).expect("readable");
            files.push((path, bytes));
        }
    }
}

fn run_lengths() {
    type IsObject = fn(usize) -> bool;
    let masks: [(&str, FrameSize, IsObject); 4] = [
        ("empty", SIZE, |_| false),
        ("full", SIZE, |_| true),
        ("stripes", SIZE, |i| i % 3 == 0),
        ("long", FrameSize { width: 255, height: 200 }, |i| (i / 1000).is_multiple_of(3)),
    ];
    for (name, size, is_object) in masks {
        let mut input = vec![size.width as u8, size.height as u8];
        input.extend(coco_rle::encode(&Mask::from_fn(size, is_object)).bytes());
        keep("coco_rle", name, &input);
    }
}

fn checkpoints() {
    let tensors = two_tensors();
    let mut halves = two_tensors();
    halves[0] = Tensor { class: "HalfStorage", data: [0, 0x3C].repeat(6), ..halves[0].clone() };
    halves[1] = Tensor { class: "BFloat16Storage", data: [0x80, 0x3F].repeat(2), ..halves[1].clone() };
    keep("pt", "published.pt", &pt(&tensors));
    keep("pt", "halves.pt", &pt(&halves));
    keep("pt", "bare.pt", &pt_with_pickle(bare_pickle(&tensors), &tensors));
    keep("pickle", "published.pkl", &published_pickle(&tensors));
    keep("pickle", "bare.pkl", &bare_pickle(&tensors));
    let data = [1.0_f32, 2.0, 3.0, 4.0, 5.0, 6.0, 0.5, -0.5].map(f32::to_le_bytes).concat();
    let header = r#"{"__metadata__":{"format":"pt"},"trunk.weight":{"dtype":"F32","shape":[2,3],"data_offsets":[0,24]},"trunk.bias":{"dtype":"F32","shape":[2],"data_offsets":[24,32]}}"#;
    keep("safetensors", "two.safetensors", &safetensors(header, &data));
    let header = r#"{"a":{"dtype":"F16","shape":[4,4],"data_offsets":[0,32]}}"#;
    keep("safetensors", "half.safetensors", &safetensors(header, &[0, 0x3C].repeat(16)));
}

/// A project with a few clicks, a step undone and classes.
fn project() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join(crate::targets::PROJECT_SEED);
    let mut project = Both::new(&path);
    for seed in 0..4 {
        project.click(1 + seed % 2, seed, seed);
    }
    assert!(project.model.objects.contains_key(&ObjectId(1)));
    drop(project.reopen());
    keep("project", crate::targets::PROJECT_SEED, &fs::read(&path).expect("just written"));
    // Table, column, row, kind, number, two bytes more: an integer, bytes in a blob, a row less.
    keep("project_values", "integer", &[4, 6, 1, 1, 255, 255, 255, 255, 0, 0, 0, 0, 0, 0]);
    keep("project_values", "bytes", &[7, 2, 0, 7, 0, 0xFB, 0, 0, 0, 0, 0, 0, 9, 0]);
    keep("project_values", "row", &[5, 0, 1, 6, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    let all: Vec<u8> = (0..8).flat_map(|table| [table, 2, 0, 7, 1, 1, 2, 3, 4, 5, 6, 7, 3, 0]).collect();
    keep("project_values", "every_table", &all);
}

/// What other programs write: target, name, text.
const FOREIGN: [(&str, &str, &str); 13] = [
    (
        "coco",
        "polygons.json",
        r#"{"info":{},"images":[{"id":1,"file_name":"a/00001.jpg","width":13,"height":9},{"id":2,"file_name":"00002.jpg"}],
"annotations":[{"id":1,"image_id":1,"category_id":1,"iscrowd":0,"segmentation":[[1,1,8,1.5,8,7,1,7],[9,2,12,2,12,8]]},
{"id":2,"image_id":2,"category_id":2,"iscrowd":1,"segmentation":{"size":[9,13],"counts":[10,20,87]}}],
"categories":[{"id":1,"name":"dog"},{"id":2,"name":"cat"}]}"#,
    ),
    (
        "ytvis",
        "polygons.json",
        r#"{"videos":[{"id":1,"file_names":["clip/00000.jpg","clip/00001.jpg"]},{"id":2,"file_names":["other/0.jpg"]}],
"annotations":[{"id":1,"video_id":1,"category_id":1,"segmentations":[null,[[1,1,5,1,5,5]]]}],"categories":[{"id":1,"name":"a"}]}"#,
    ),
    (
        "cvat_images",
        "shapes.xml",
        r#"<?xml version="1.0" encoding="utf-8"?><annotations><version>1.1</version>
<image id="0" name="clip_00001.png" width="13" height="9"><polygon label="dog" points="1,1;8.5,1;8,7" z_order="0">
<attribute name="track_id">3</attribute></polygon><box label="dog" xtl="0" ytl="0" xbr="1" ybr="1"/>
<mask label="cat" rle="2, 3, 4" left="2" top="3" width="3" height="3"><attribute name="name">x &amp; y</attribute></mask></image></annotations>"#,
    ),
    (
        "labelstudio",
        "export.json",
        r#"[{"id":1,"data":{"image":"/data/upload/1/00001.png"},"predictions":[],"annotations":[{"id":1,"result":[
{"id":"a","type":"rectanglelabels","value":{}},{"id":"b","type":"brushlabels","original_width":13,"original_height":9,
"value":{"format":"rle","brushlabels":["dog"],"rle":[0,0,1,212,57,27,252,119,15,175,248,72,128,0]}}]}]}]"#,
    ),
    (
        "labelme",
        "shapes.json",
        r#"{"version":"5","flags":{},"imagePath":"00001.jpg","imageData":null,"imageHeight":9,"imageWidth":13,"shapes":[
{"label":"dog","points":[[1,1],[8.5,1],[8,7]],"group_id":1,"shape_type":"polygon"},
{"label":"dog","points":[[1,1],[3,4]],"group_id":1,"shape_type":"rectangle"},{"label":"x","points":[[1,1]],"shape_type":"point"}]}"#,
    ),
    (
        "datumaro",
        "polygons.json",
        r#"{"categories":{"label":{"labels":[{"name":"dog"}]}},"items":[{"id":"00001","annotations":[
{"id":1,"type":"polygon","label_id":0,"points":[1,1,8,1,8,7]},{"id":2,"type":"bbox","bbox":[0,0,1,1]}]}]}"#,
    ),
    (
        "sav",
        "auto.json",
        r#"{"video_id":"clip","video_height":9.0,"video_width":13.0,"masklet_id":[0],"masklet_num":1,"fps":6,
"masklet":[[{"size":[9,13],"counts":"e3"}],[{"size":[9,13],"counts":"0e3"}]]}"#,
    ),
    ("yolo", "box_and_outline.txt", "0 0.5 0.5 0.2 0.2\n1 0.1 0.1 0.9 0.1 0.9 0.9 0.1 0.9\n"),
    ("yolo_yaml", "list.yaml", "path: .\ntrain: images/train\nnames: [dog, 'cat', \"x\"] # all\nnc: 3\n"),
    ("mots_text", "kitti.txt", "1 1001 1 9 13 0e3\n1 10000 10 9 13 e3\n2 2001 2 9 13 b02c2\n"),
    (
        "prompts",
        "all.json",
        r#"{"objects":[{"id":1,"name":"dog","prompts":[{"frame":0,"points":[[1.5,2]],"labels":[1],"box":[0,0,5,5.5]},
{"frame":2,"mask":{"size":{"width":13,"height":9},"runs":[10,20,87]}}]},{"id":2,"prompts":[{"frame":1,"mask":"m.png"}]}],"range":[0,3]}"#,
    ),
    (
        "keymap",
        "keys.toml",
        "preset = \"cvat\"\n[keys]\nfirst = [\"Home\", \"Ctrl+F5\"]\nundo = [\"Ctrl+Z\"]\nloop = [\"Shift+Colon\"]\nfrom_tomorrow = [\"Ctrl+B\"]\n",
    ),
    (
        "keymap",
        "none.toml",
        "preset = \"default\"\n[keys]\nundo = []\nnew_object = [\"Q\", \"Q\", \"Ctrl+Shift+Alt+N\"]\n",
    ),
];
