//! What a sound model file gives: both formats, all element types, views, the hash, the comparison with a model.

mod checkpoint_support;

use std::collections::BTreeMap;

use checkpoint_support::{Pickle, Tensor, bare_pickle, on_disk, pt, pt_with_pickle, safetensors, two_tensors, zip_of};
use label_hub::sam2::checkpoint::{Checkpoint, CheckpointError, StoredDtype, TensorFault};

fn expected_shapes() -> BTreeMap<String, Vec<usize>> {
    BTreeMap::from([("trunk.bias".to_owned(), vec![2]), ("trunk.weight".to_owned(), vec![2, 3])])
}

#[test]
fn every_layout_of_the_same_tensors_gives_the_same_values() {
    let tensors = two_tensors();
    let wide: Vec<_> = [("data.pkl".to_owned(), bare_pickle(&tensors))]
        .into_iter()
        .chain(tensors.iter().map(|t| (format!("data/{}", t.key), t.data.clone())))
        .collect();
    let header = r#"{"trunk.weight":{"dtype":"F32","shape":[2,3],"data_offsets":[0,24]},
        "trunk.bias":{"dtype":"F32","shape":[2],"data_offsets":[24,32]},"__metadata__":{"format":"pt"}}"#;
    let data: Vec<u8> = tensors.iter().flat_map(|t| t.data.clone()).collect();
    let cases = [
        ("published layout", pt(&tensors)),
        ("bare state dict", pt_with_pickle(bare_pickle(&tensors), &tensors)),
        ("zip64, no byteorder entry", zip_of(&wide, true)),
        ("safetensors", safetensors(header, &data)),
    ];
    for (name, content) in cases {
        let (_folder, path) = on_disk(&content);
        let checkpoint = Checkpoint::open(&path).expect(name);
        checkpoint.expect_exactly(&expected_shapes()).expect(name);
        assert_eq!(checkpoint.read_f32("trunk.weight").expect(name), [1.0, 2.0, 3.0, 4.0, 5.0, 6.0], "{name}");
        assert_eq!(checkpoint.read_f32("trunk.bias").expect(name), [0.5, -0.5], "{name}");
        assert_eq!(checkpoint.tensors()["trunk.bias"].dtype, StoredDtype::F32, "{name}");
        assert_eq!(checkpoint.path(), path, "{name}");
    }
}

#[test]
fn newer_protocols_and_parameters_are_understood() {
    let tensors = two_tensors();
    // Protocol 4: frames, short strings, STACK_GLOBAL, MEMOIZE; the value wrapped in a Parameter.
    let mut pickle = Pickle::default();
    pickle.raw(&[0x80, 4, 0x95, 9, 0, 0, 0, 0, 0, 0, 0]);
    pickle.raw(b"}\x94\x8c\x0atrunk.bias\x94\x8c\x0ctorch._utils\x8c\x12_rebuild_parameter\x93\x94(");
    pickle.tensor(&tensors[1]).raw(&[0x88]).ordered_dict().raw(b"tRs.");
    let (_folder, path) = on_disk(&pt_with_pickle(pickle.bytes, &tensors));
    let checkpoint = Checkpoint::open(&path).expect("a protocol 4 state dict");
    assert_eq!(checkpoint.read_f32("trunk.bias").expect("present"), [0.5, -0.5]);
}

#[test]
fn element_types_convert_exactly() {
    let cases: [(&str, StoredDtype, Vec<u8>); 5] = [
        ("FloatStorage", StoredDtype::F32, [1.5_f32, -2.0].iter().flat_map(|v| v.to_le_bytes()).collect()),
        ("HalfStorage", StoredDtype::F16, vec![0x00, 0x3e, 0x00, 0xc0]),
        ("BFloat16Storage", StoredDtype::BF16, vec![0xc0, 0x3f, 0x00, 0xc0]),
        ("DoubleStorage", StoredDtype::F64, [1.5_f64, -2.0].iter().flat_map(|v| v.to_le_bytes()).collect()),
        ("LongStorage", StoredDtype::I64, [7_i64, -2].iter().flat_map(|v| v.to_le_bytes()).collect()),
    ];
    for (class, dtype, data) in cases {
        let tensor = Tensor { class, data, ..Tensor::f32("w", 0, &[2], &[0.0, 0.0]) };
        let (_folder, path) = on_disk(&pt(&[tensor]));
        let checkpoint = Checkpoint::open(&path).expect(class);
        assert_eq!(checkpoint.tensors()["w"].dtype, dtype, "{class}");
        let first = if class == "LongStorage" { 7.0 } else { 1.5 };
        assert_eq!(checkpoint.read_f32("w").expect(class), [first, -2.0], "{class}");
    }
}

#[test]
fn views_of_a_shared_storage_follow_their_strides() {
    let whole = Tensor::f32("whole", 0, &[2, 3], &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
    let view = |name: &str, offset, shape: &[i64], strides: &[i64]| Tensor {
        name: name.into(),
        offset,
        shape: shape.to_vec(),
        strides: strides.to_vec(),
        ..whole.clone()
    };
    let tensors = [
        whole.clone(),
        view("transposed", 0, &[3, 2], &[1, 3]),
        view("last column", 2, &[2], &[3]),
        view("second row", 3, &[3], &[1]),
        view("odd stride on a side of one", 3, &[1, 3], &[i64::MAX, 1]),
        view("odd stride inside", 0, &[3, 1, 2], &[1, i64::MAX, 3]),
        view("scalar", 4, &[], &[]),
        view("nothing", 6, &[0, 3], &[3, 1]),
    ];
    let expected: [(&str, &[f32]); 8] = [
        ("whole", &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0]),
        ("transposed", &[1.0, 4.0, 2.0, 5.0, 3.0, 6.0]),
        ("last column", &[3.0, 6.0]),
        ("second row", &[4.0, 5.0, 6.0]),
        ("odd stride on a side of one", &[4.0, 5.0, 6.0]),
        ("odd stride inside", &[1.0, 4.0, 2.0, 5.0, 3.0, 6.0]),
        ("scalar", &[5.0]),
        ("nothing", &[]),
    ];
    let (_folder, path) = on_disk(&pt_with_pickle(checkpoint_support::published_pickle(&tensors), &tensors[..1]));
    let checkpoint = Checkpoint::open(&path).expect("views are sound");
    for (name, values) in expected {
        assert_eq!(checkpoint.read_f32(name).expect(name), values, "{name}");
    }
}

#[test]
fn hash_is_the_files_sha256_and_stays_known() {
    let (_folder, path) = on_disk(&pt(&two_tensors()));
    let checkpoint = Checkpoint::open(&path).expect("sound");
    let first = checkpoint.sha256().expect("readable");
    // Reading tensors in between moves the file's position; the hash must not care.
    checkpoint.read_f32("trunk.bias").expect("present");
    assert_eq!(checkpoint.sha256().expect("cached"), first);

    let header = r#"{"w":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}"#;
    let (_folder, path) = on_disk(&safetensors(header, &1.0_f32.to_le_bytes()));
    let hash = Checkpoint::open(&path).expect("sound").sha256().expect("readable");
    assert_eq!(hash, "79704046079abf4a598ac667f78c51c2adcf0b1f08a718c3468a07b9941cb658");
}

#[test]
fn differences_from_the_model_are_all_listed_by_name() {
    let (_folder, path) = on_disk(&pt(&[
        Tensor::f32("kept", 0, &[1], &[1.0]),
        Tensor::f32("reshaped", 1, &[2, 1], &[1.0, 2.0]),
        Tensor::f32("extra.a", 2, &[1], &[1.0]),
        Tensor::f32("extra.b", 3, &[1], &[1.0]),
    ]));
    let model = BTreeMap::from([
        ("kept".to_owned(), vec![1]),
        ("reshaped".to_owned(), vec![1, 2]),
        ("gone.a".to_owned(), vec![1]),
        ("gone.b".to_owned(), vec![3]),
    ]);
    let error = Checkpoint::open(&path).expect("sound").expect_exactly(&model).expect_err("it differs");
    let message = error.to_string();
    let CheckpointError::Mismatch { difference, .. } = error else { panic!("{message}") };
    assert_eq!(difference.missing, ["gone.a", "gone.b"]);
    assert_eq!(difference.unexpected, ["extra.a", "extra.b"]);
    assert_eq!(difference.wrongly_shaped, [("reshaped".to_owned(), vec![1, 2], vec![2, 1])]);
    for part in ["model.bin", "missing (2)", "gone.a", "gone.b", "extra.a", "extra.b", "reshaped: [2, 1]"] {
        assert!(message.contains(part), "{part} is not in: {message}");
    }
}

#[test]
fn a_name_the_file_does_not_hold_is_an_error() {
    let (_folder, path) = on_disk(&pt(&two_tensors()));
    let error = Checkpoint::open(&path).expect("sound").read_f32("trunk").expect_err("absent");
    assert!(matches!(error, CheckpointError::Tensor { cause: TensorFault::Absent, .. }), "{error}");
}
