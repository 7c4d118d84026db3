//! The eight published models are recognised by the names and shapes of their tensors, as listed in the shared folder.
//!
//! The files here have the published tensors and no weights in them (they are holes), so nothing large is read or kept.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};

use label_hub::sam2::checkpoint::Checkpoint;
use label_hub::sam2::{Sam2, Sam2Error};

type Shapes = BTreeMap<String, Vec<usize>>;

fn shared() -> PathBuf {
    std::env::var_os("LABEL_HUB_SHARED")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared"), PathBuf::from)
}

/// A safetensors file with these tensors, all zero.
fn hollow(path: &Path, shapes: &Shapes) {
    let mut end = 0;
    let entry = |(name, shape): (&String, &Vec<usize>)| {
        let start = end;
        end += 4 * shape.iter().product::<usize>();
        (name.clone(), serde_json::json!({"dtype": "F32", "shape": shape, "data_offsets": [start, end]}))
    };
    let header: serde_json::Map<String, serde_json::Value> = shapes.iter().map(entry).collect();
    let mut header = serde_json::to_vec(&header).expect("names and numbers");
    header.resize(header.len().next_multiple_of(8), b' ');
    let mut file = File::create(path).expect("writable");
    file.write_all(&(header.len() as u64).to_le_bytes()).expect("writable");
    file.write_all(&header).expect("writable");
    file.set_len((8 + header.len() + end) as u64).expect("a file may have holes");
}

#[test]
fn every_published_model_is_recognised_by_names_and_shapes() {
    let list = shared().join("parity/state_dict_shapes.json");
    let Ok(text) = std::fs::read_to_string(&list) else {
        println!("SKIPPED: no list of the published models' tensors in {} (LABEL_HUB_SHARED)", list.display());
        return;
    };
    let models: BTreeMap<String, Shapes> = serde_json::from_str(&text).expect("shapes by model and tensor");
    assert_eq!(models.len(), 8, "SAM 2 and 2.1, each tiny, small, base+ and large");
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("weights.safetensors");
    let recognise = |shapes: &Shapes| {
        hollow(&path, shapes);
        Sam2::recognise(&Checkpoint::open(&path).expect("a sound file"))
    };
    for (name, shapes) in &models {
        let config = recognise(shapes).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(config.name, *name);

        // One tensor too few, one too many, or one of another shape: each is named.
        let some = "memory_encoder.out_proj.bias".to_owned();
        let mut fewer = shapes.clone();
        fewer.remove(&some);
        let mut more = shapes.clone();
        more.insert("extra.weight".to_owned(), vec![2]);
        let mut other = shapes.clone();
        other.insert(some.clone(), vec![3]);
        for (shapes, tensor) in [(&fewer, some.as_str()), (&more, "extra.weight"), (&other, some.as_str())] {
            let Err(error @ Sam2Error::Checkpoint(_)) = recognise(shapes) else {
                panic!("{name} is taken with another {tensor}");
            };
            assert!(error.to_string().contains(tensor), "{name}: {error}");
        }
    }
}
