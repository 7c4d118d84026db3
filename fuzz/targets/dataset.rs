//! The readers of datasets: the input is one file of a dataset, under the name its reader looks for.
//!
//! One table instead of a file per format, because they differ in nothing but names.

use std::ops::ControlFlow;
use std::path::Path;

use label_hub::formats::{FormatId, ImportTarget, detect, import};

use label_hub::label::FrameSize;

use super::{FRAMES, SIZE, Target, written};

/// A file that lies beside the input: its name and content.
type Beside = (&'static str, &'static str);

/// A file of a dataset.
struct File {
    target: &'static str,
    format: FormatId,
    name: &'static str,
    beside: &'static [Beside],
}

/// A small sound dataset, for what lies beside one.
const COCO: Beside = (
    "annotations/instances_train.json",
    r#"{"images":[{"id":1,"file_name":"clip_00001.jpg"}],"categories":[{"id":1,"name":"dog"}],
"annotations":[{"id":1,"image_id":1,"category_id":1,"track_id":1,"segmentation":{"size":[9,13],"counts":"0e3"}}]}"#,
);
const YOLO_NAMES: Beside = ("data.yaml", "names:\n  0: dog\n  1: cat\n");
const YOLO_OUTLINE: Beside = ("labels/train/clip_00001.txt", "0 0.1 0.1 0.9 0.1 0.9 0.9\n");

const FILES: [File; 11] = [
    File { target: "coco", format: FormatId::Coco, name: "annotations/instances_train.json", beside: &[] },
    File { target: "ytvis", format: FormatId::YtVis, name: "annotations/instances.json", beside: &[] },
    File { target: "sav", format: FormatId::Sav, name: "clip/clip_manual.json", beside: &[] },
    File { target: "datumaro", format: FormatId::Datumaro, name: "annotations/train.json", beside: &[] },
    File { target: "labelstudio", format: FormatId::LabelStudio, name: "tasks.json", beside: &[] },
    File { target: "labelme", format: FormatId::Labelme, name: "clip_00001.json", beside: &[] },
    File { target: "cvat_images", format: FormatId::CvatImages, name: "annotations.xml", beside: &[] },
    File { target: "yolo", format: FormatId::Yolo, name: "labels/train/clip_00001.txt", beside: &[YOLO_NAMES] },
    File { target: "yolo_yaml", format: FormatId::Yolo, name: "data.yaml", beside: &[YOLO_OUTLINE] },
    File { target: "mots_text", format: FormatId::Mots, name: "instances_txt/clip.txt", beside: &[] },
    // What our own exports say about themselves is as foreign as the rest once it is on a disk.
    File { target: "manifest", format: FormatId::Coco, name: "labelhub.json", beside: &[COCO] },
];

/// What the frames are called where the clip is a folder: as numbers, and so that names end like each other.
const NAMES: [&str; FRAMES as usize] =
    ["clip_00001.jpg", "1.jpg", "0100.jpg", "clip.00002.png", "00003.jpg", "00003.png", "a-1.jpg"];

/// The targets.
pub fn targets() -> Vec<Target> {
    let target = |file: File| {
        let File { target, format, name, beside } = file;
        // Outlines cost as many steps as they cross rows, so these are read for a clip of a usual size too.
        let sizes = &[SIZE, FrameSize { width: 1920, height: 1080 }];
        Target::new(target, true, move |folder, input| import_for(folder, sizes, format, name, input, beside))
    };
    FILES.into_iter().map(target).collect()
}

/// Imports a folder that holds the input under `name`. Says what became of it, and checks that all masks fit the clip.
pub fn import_file(folder: &Path, format: FormatId, name: &str, input: &[u8], beside: &[Beside]) -> String {
    import_for(folder, &[SIZE], format, name, input, beside)
}

/// [`import_file`] for clips of some sizes, each as a video and as a folder.
fn import_for(
    folder: &Path,
    sizes: &[FrameSize],
    format: FormatId,
    name: &str,
    input: &[u8],
    beside: &[Beside],
) -> String {
    written(folder, name, input);
    for (name, content) in beside {
        written(folder, name, content.as_bytes());
    }
    let file_names = NAMES.map(str::to_owned).to_vec();
    let clips = sizes.iter().flat_map(|size| [(*size, Vec::new()), (*size, file_names.clone())]);
    let ends: Vec<String> = clips.map(|(size, names)| import_once(folder, format, size, names)).collect();
    format!("{:?} {}", detect(folder), ends.join(" | "))
}

fn import_once(folder: &Path, format: FormatId, size: FrameSize, frame_names: Vec<String>) -> String {
    let target = ImportTarget { name: "clip".to_owned(), identity: None, size, frame_count: FRAMES, frame_names };
    match import(Some(format), folder, &target, &mut |_| ControlFlow::Continue(())) {
        Ok(imported) => {
            let mut masks = 0_usize;
            for (frame, mask) in imported.objects.iter().flat_map(|object| &object.frames) {
                assert!(frame.0 < FRAMES, "frame {frame} of {FRAMES}");
                assert_eq!(mask.size(), size);
                masks += 1;
            }
            let objects = "o".repeat(imported.objects.len().min(8));
            let masks = "m".repeat(masks.min(16));
            let causes: Vec<&str> = imported.errors.iter().take(4).map(|error| error.cause.as_str()).collect();
            format!("{objects} {masks} {}", causes.join("; "))
        }
        Err(error) => error.to_string(),
    }
}
