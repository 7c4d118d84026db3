//! Hostile and damaged model files give errors: no panic, no large allocation, nothing skipped.

mod checkpoint_support;

use std::alloc::{GlobalAlloc, Layout, System};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

use candle_core::Device;
use checkpoint_support::{
    Pickle, Tensor, on_disk, pt, pt_with_pickle, published_pickle, safetensors, two_tensors, zip_of,
};
use label_hub::sam2::checkpoint::{ArchiveError, Checkpoint, CheckpointError, PickleError, TensorFault};
use label_hub::sam2::{Sam2, Sam2Error};

/// Notes the largest single allocation, which is how a hostile length would show.
struct Watching;

static LARGEST_ALLOCATION_BYTES: AtomicUsize = AtomicUsize::new(0);

// SAFETY: passes every call on to the system's allocator unchanged.
unsafe impl GlobalAlloc for Watching {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        LARGEST_ALLOCATION_BYTES.fetch_max(layout.size(), Ordering::Relaxed);
        // SAFETY: the caller keeps `alloc`'s contract.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the caller keeps `dealloc`'s contract.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        LARGEST_ALLOCATION_BYTES.fetch_max(layout.size(), Ordering::Relaxed);
        // SAFETY: the caller keeps `alloc_zeroed`'s contract.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        LARGEST_ALLOCATION_BYTES.fetch_max(new_size, Ordering::Relaxed);
        // SAFETY: the caller keeps `realloc`'s contract.
        unsafe { System.realloc(pointer, layout, new_size) }
    }
}

#[global_allocator]
static ALLOCATOR: Watching = Watching;

/// The arena of a pickle at its limit of a million opcodes; nothing in this file may allocate more at once.
const ALLOCATION_LIMIT_BYTES: usize = 96 << 20;

/// Opens a file and reads all of it.
fn read_all(content: &[u8]) -> Result<(), CheckpointError> {
    let (_folder, path) = on_disk(content);
    let result = Checkpoint::open(&path).and_then(|checkpoint| {
        for name in checkpoint.tensors().keys() {
            checkpoint.read_f32(name)?;
        }
        Ok(())
    });
    let largest = LARGEST_ALLOCATION_BYTES.load(Ordering::Relaxed);
    assert!(largest < ALLOCATION_LIMIT_BYTES, "{largest} bytes were allocated at once");
    result
}

fn fault_of(content: &[u8], case: &str) -> CheckpointError {
    let error = read_all(content).expect_err(case);
    assert!(error.to_string().contains("model.bin"), "{case}: the file is not named in: {error}");
    error
}

fn pickle_fault(pickle: &[u8], case: &str) -> PickleError {
    match fault_of(&pt_with_pickle(pickle.to_vec(), &two_tensors()), case) {
        CheckpointError::Pickle { cause, .. } => cause,
        other => panic!("{case}: {other}"),
    }
}

fn tensor_fault(tensor: Tensor, case: &str) -> TensorFault {
    match fault_of(&pt(&[tensor]), case) {
        CheckpointError::Tensor { cause, name, .. } => {
            assert_eq!(name, "w", "{case}");
            cause
        }
        other => panic!("{case}: {other}"),
    }
}

#[test]
fn files_of_another_kind_are_named_as_what_they_are() {
    let cases: [(&[u8], &str); 6] = [
        (b"", "empty"),
        (b"<!DOCTYPE html><html>", "web page"),
        (b"version https://git-lfs.github.com/spec/v1", "LFS"),
        (b"\x80\x02\x8a\x0al\xfc\x9c\x46\xf9\x20j\xa8P\x19.", "before version 1.6"),
        (b"\x80\x04.", "pickle"),
        (b"MZ\x90\0\x03\0\0\0\x04\0\0\0", "no known kind"),
    ];
    for (content, part) in cases {
        let error = fault_of(content, part);
        assert!(matches!(error, CheckpointError::NotACheckpoint { .. }), "{part}: {error}");
        assert!(error.to_string().contains(part), "{part} is not in: {error}");
    }
    let folder = tempfile::tempdir().expect("a temporary folder");
    for path in [folder.path().to_owned(), folder.path().join("absent.pt")] {
        let error = Checkpoint::open(&path).expect_err("a folder, then nothing");
        assert!(matches!(error, CheckpointError::Read { .. }), "{error}");
    }
}

#[test]
fn file_over_the_size_limit_is_refused_unread() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("model.bin");
    let file = std::fs::File::create(&path).expect("a new file");
    file.set_len((4 << 30) + 1).expect("a sparse file");
    let error = Checkpoint::open(&path).expect_err("over 4 GiB");
    assert!(matches!(error, CheckpointError::TooLarge { .. }), "{error}");
}

#[test]
fn archive_cut_anywhere_is_an_error() {
    let whole = pt(&two_tensors());
    for length in 0..whole.len() {
        fault_of(&whole[..length], &format!("cut to {length} of {} bytes", whole.len()));
    }
}

#[test]
fn flipped_bit_in_the_weights_is_found_by_the_checksum() {
    let mut content = pt(&two_tensors());
    let at = content.windows(4).position(|w| w == 6.0_f32.to_le_bytes()).expect("the last weight");
    content[at] ^= 1;
    let error = fault_of(&content, "flipped bit");
    assert!(matches!(error, CheckpointError::Tensor { cause: TensorFault::Checksum, .. }), "{error}");
}

#[test]
fn unsound_archives_are_refused() {
    let entry = |name: &str| (name.to_owned(), published_pickle(&two_tensors()));
    let many: Vec<_> = (0..2001).map(|i| (format!("data/{i}"), Vec::new())).collect();
    let mut big_endian = two_tensors().iter().map(|t| (format!("data/{}", t.key), t.data.clone())).collect::<Vec<_>>();
    big_endian.extend([entry("data.pkl"), ("byteorder".to_owned(), b"big".to_vec())]);
    let cases = [
        ("no data.pkl", zip_of(&[entry("other.pkl")], false), "no data.pkl"),
        ("two data.pkl", zip_of(&[entry("data.pkl"), entry("inner/data.pkl")], false), "more than one"),
        ("too many entries", zip_of(&many, false), "number of entries"),
        ("large pickle", zip_of(&[("data.pkl".into(), vec![b'('; (16 << 20) + 1])], false), "data.pkl is"),
        ("big endian", zip_of(&big_endian, false), "byte order"),
    ];
    for (name, content, part) in cases {
        let error = fault_of(&content, name);
        assert!(matches!(error, CheckpointError::Archive { .. }), "{name}: {error}");
        assert!(error.to_string().contains(part), "{name}: {part} is not in: {error}");
    }
}

#[test]
fn directory_fields_that_lie_are_refused() {
    // The fields of the first directory entry, and what they are set to.
    let cases: [(&str, usize, &[u8]); 5] = [
        ("compressed", 10, &[8, 0]),
        ("encrypted", 8, &[1, 0]),
        ("size beyond the file", 20, &[0, 0, 0, 0x7f, 0, 0, 0, 0x7f]),
        ("packed size differs", 20, &[1, 0, 0, 0]),
        ("header beyond the file", 42, &[0, 0, 0, 0x7f]),
    ];
    let whole = pt(&two_tensors());
    let entry = whole.windows(4).position(|w| w == b"PK\x01\x02").expect("a directory");
    for (name, field, value) in cases {
        let mut content = whole.clone();
        content[entry + field..entry + field + value.len()].copy_from_slice(value);
        let error = fault_of(&content, name);
        assert!(matches!(error, CheckpointError::Archive { cause: ArchiveError::Unsound(_), .. }), "{name}: {error}");
    }
}

#[test]
fn malformed_pickles_are_refused() {
    let start = Pickle::new();
    let pickle = |bytes: &[u8]| start.clone().raw(bytes).bytes.clone();
    let cases = [
        ("nothing", vec![]),
        ("no stop", pickle(b"N")),
        ("stop on an empty stack", pickle(b".")),
        ("newer protocol", vec![0x80, 6, b'N', b'.']),
        ("huge unicode length", pickle(b"X\xff\xff\xff\xffabc")),
        ("huge long unicode length", pickle(b"\x8d\xff\xff\xff\xff\xff\xff\xff\xffabc")),
        ("bad UTF-8", pickle(b"X\x01\0\0\0\xff.")),
        ("huge integer", pickle(b"\x8a\xff\x01\x02.")),
        ("pop through a mark", pickle(b"N(0.")),
        ("items without a mark", pickle(b"}u.")),
        ("key without a value", pickle(b"}(Nu.")),
        ("items for a tuple", pickle(b")(NNu.")),
        ("memo never written", pickle(b"h\x05.")),
        ("call of a string", Pickle::new().str("print").raw(b")R.").bytes.clone()),
        ("call without arguments", Pickle::new().global("collections", "OrderedDict").raw(b"NR.").bytes.clone()),
        ("short tuple", Pickle::new().global("torch._utils", "_rebuild_tensor_v2").raw(b"(NtR.").bytes.clone()),
        ("endless class name", pickle(&[b'c'; 5000])),
    ];
    for (name, bytes) in cases {
        let cause = pickle_fault(&bytes, name);
        assert!(matches!(cause, PickleError::Malformed { .. } | PickleError::Truncated { .. }), "{name}: {cause:?}");
    }
}

#[test]
fn unknown_instructions_and_classes_are_named() {
    assert_eq!(pickle_fault(b"\x80\x02\x81.", "NEWOBJ"), PickleError::UnknownOpcode { opcode: 0x81, at: 2 });
    let cases: [(&str, &str, &str); 4] = [
        ("os", "system", "os.system"),
        ("builtins", "eval", "builtins.eval"),
        ("torch", "UntypedStorage", "torch.UntypedStorage"),
        ("a\x1b[2J", "b", "a\\u{1b}[2J.b"),
    ];
    for (module, class, named) in cases {
        let by_line = Pickle::new().global(module, class).str("echo").raw(b"\x85R.").bytes.clone();
        let by_stack = Pickle::new().str(module).str(class).raw(b"\x93).").bytes.clone();
        for bytes in [by_line, by_stack] {
            assert_eq!(pickle_fault(&bytes, named), PickleError::UnknownGlobal { name: named.into() });
        }
    }
}

#[test]
fn bombs_stay_small() {
    // Each tuple holds the one before it ten times: 10^1000 values if anything copied them.
    let mut memo_bomb = Pickle::new();
    memo_bomb.raw(b")q\0");
    for _ in 0..1000 {
        memo_bomb.raw(b"(h\0h\0h\0h\0h\0h\0h\0h\0h\0h\0tq\0");
    }
    memo_bomb.raw(b".");
    let mut nested = Pickle::new();
    nested.raw(b"N").raw(&[0x85].repeat(900_000)).raw(b".");
    let mut in_itself = Pickle::new();
    in_itself.raw(b"}q\0").str("model").raw(b"h\0s.");
    let cases = [
        ("memo bomb", memo_bomb.bytes),
        ("900,000 tuples in each other", nested.bytes),
        ("a dict in itself", in_itself.bytes),
    ];
    for (name, bytes) in cases {
        let cause = pickle_fault(&bytes, name);
        assert!(matches!(cause, PickleError::NotAStateDict { .. }), "{name}: {cause:?}");
    }
    for (name, byte) in [("marks", b'('), ("values", b'N'), ("frames of nothing", 0x88)] {
        let cause = pickle_fault(&[byte].repeat(2_000_000), name);
        assert!(matches!(cause, PickleError::Limit { .. }), "{name}: {cause:?}");
    }
    let cause = pickle_fault(&b"N0".repeat(1_000_000), "endless");
    assert!(matches!(cause, PickleError::Limit { what: "instructions", .. }), "{cause:?}");
}

#[test]
fn values_that_are_no_tensors_are_an_error_never_skipped() {
    let tensor = &two_tensors()[0];
    let dict = || {
        let mut pickle = Pickle::new();
        pickle.raw(b"}");
        pickle
    };
    let cases = [
        ("a number", Pickle::new().raw(b"K\x01.").bytes.clone()),
        ("is empty", dict().raw(b".").bytes.clone()),
        ("`epoch`", dict().str("w").tensor(tensor).raw(b"s").str("epoch").raw(b"K\x01s.").bytes.clone()),
        ("not a string", dict().raw(b"K\x01").tensor(tensor).raw(b"s.").bytes.clone()),
        ("twice", dict().str("w").tensor(tensor).raw(b"s").str("w").tensor(tensor).raw(b"s.").bytes.clone()),
        ("no tensor could have", dict().str("w\n").tensor(tensor).raw(b"s.").bytes.clone()),
        ("no tensor could have", dict().str(&"w".repeat(10_000)).tensor(tensor).raw(b"s.").bytes.clone()),
    ];
    for (part, bytes) in cases {
        let cause = pickle_fault(&bytes, part);
        assert!(matches!(cause, PickleError::NotAStateDict { .. }), "{part}: {cause:?}");
        assert!(cause.to_string().contains(part), "{part} is not in: {cause}");
    }
}

#[test]
fn tensors_outside_their_storage_are_refused() {
    let good = Tensor::f32("w", 0, &[2, 3], &[0.0; 6]);
    let big = 1_i64 << 40;
    let cases = [
        ("larger than its storage", Tensor { shape: vec![2, 4], strides: vec![4, 1], ..good.clone() }),
        ("offset too far", Tensor { offset: 1, ..good.clone() }),
        ("offset far outside", Tensor { offset: i64::MAX, ..good.clone() }),
        ("stride too far", Tensor { strides: vec![4, 1], ..good.clone() }),
        ("overflowing strides", Tensor { strides: vec![i64::MAX, i64::MAX], ..good.clone() }),
        ("overflowing shape", Tensor { shape: vec![big, big], ..good.clone() }),
        ("repeats its storage", Tensor { shape: vec![big, 1], strides: vec![0, 1], ..good.clone() }),
    ];
    for (name, tensor) in cases {
        let fault = tensor_fault(tensor, name);
        assert!(matches!(fault, TensorFault::OutsideStorage { .. }), "{name}: {fault:?}");
    }
    let lying = Tensor { storage_elements: big, shape: vec![big], strides: vec![1], ..good.clone() };
    assert!(matches!(tensor_fault(lying, "claims a terabyte"), TensorFault::WrongStorageSize { found: 24, .. }));
    let absent =
        pt_with_pickle(published_pickle(&[Tensor { key: "9".into(), ..good.clone() }]), std::slice::from_ref(&good));
    let error = fault_of(&absent, "no such entry");
    assert!(matches!(error, CheckpointError::Tensor { cause: TensorFault::NoData(_), .. }), "{error}");

    for (name, tensor) in [
        ("negative stride", Tensor { strides: vec![-3, 1], ..good.clone() }),
        ("negative side", Tensor { shape: vec![-2, 3], ..good.clone() }),
        ("negative offset", Tensor { offset: -1, ..good.clone() }),
        ("strides of another rank", Tensor { strides: vec![1], ..good.clone() }),
        ("twenty dimensions", Tensor { shape: vec![1; 20], strides: vec![1; 20], ..good.clone() }),
    ] {
        let error = fault_of(&pt(&[tensor]), name);
        assert!(matches!(error, CheckpointError::Pickle { .. }), "{name}: {error}");
    }
}

#[test]
fn tensors_that_share_a_storage_too_often_are_refused() {
    let shared = Tensor::f32("w", 0, &[128, 128], &[0.5; 128 * 128]);
    // Each names the one storage, whole or by its two ends.
    let ends = Tensor { shape: vec![2], strides: vec![128 * 128 - 1], ..shared.clone() };
    for (name, tensor) in [("whole", shared.clone()), ("ends", ends)] {
        let sharing = |count: usize| {
            let tensors: Vec<Tensor> = (0..count).map(|i| Tensor { name: format!("w{i}"), ..tensor.clone() }).collect();
            pt_with_pickle(published_pickle(&tensors), std::slice::from_ref(&shared))
        };
        read_all(&sharing(2))
            .unwrap_or_else(|error| panic!("{name}: two layers may have their weights in common: {error}"));
        let error = fault_of(&sharing(100), name);
        assert!(matches!(error, CheckpointError::TooLarge { .. }), "{name}: {error}");
    }
}

#[test]
fn element_types_no_weights_have_are_named() {
    let fault = tensor_fault(Tensor { class: "BoolStorage", ..Tensor::f32("w", 0, &[1], &[0.0]) }, "bool");
    assert_eq!(fault, TensorFault::UnsupportedType("BoolStorage".into()));
    let header = r#"{"w":{"dtype":"F8_E4M3","shape":[4],"data_offsets":[0,4]}}"#;
    let error = fault_of(&safetensors(header, &[0; 4]), "fp8");
    assert!(error.to_string().contains("F8_E4M3"), "{error}");
}

#[test]
fn weights_that_are_not_finite_are_refused_by_name() {
    for value in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
        let tensor = Tensor::f32("w", 0, &[2, 2], &[0.0, 1.0, value, 2.0]);
        let expected = TensorFault::NotFinite { index: 2, value: value.to_string() };
        assert_eq!(tensor_fault(tensor, "pt"), expected);
        let header = r#"{"w":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}"#;
        let error = fault_of(&safetensors(header, &value.to_le_bytes()), "safetensors");
        assert!(error.to_string().contains("`w`"), "{error}");
    }
}

#[test]
fn unsound_safetensors_are_refused() {
    let tensor = |name: &str, from: u64, to: u64| {
        format!(r#""{name}":{{"dtype":"F32","shape":[2],"data_offsets":[{from},{to}]}}"#)
    };
    let sound = format!("{{{},{}}}", tensor("a", 0, 8), tensor("b", 8, 16));
    let mut header_over_file = safetensors(&sound, &[0; 16]);
    header_over_file[..8].copy_from_slice(&u64::MAX.to_le_bytes());
    let mut large_header = safetensors("{}", &vec![b' '; 17 << 20]);
    large_header[..8].copy_from_slice(&(17_u64 << 20).to_le_bytes());
    let cases = [
        ("header over the file", header_over_file),
        ("header over the limit", large_header),
        ("overlap", safetensors(&format!("{{{},{}}}", tensor("a", 0, 8), tensor("b", 4, 12)), &[0; 12])),
        ("gap", safetensors(&format!("{{{},{}}}", tensor("a", 0, 8), tensor("b", 12, 20)), &[0; 20])),
        ("backwards", safetensors(&format!("{{{}}}", tensor("a", 8, 0)), &[0; 8])),
        ("beyond the file", safetensors(&format!("{{{}}}", tensor("a", 0, u64::MAX)), &[0; 8])),
        ("length is not the shape's", safetensors(&format!("{{{}}}", tensor("a", 0, 12)), &[0; 12])),
        ("data cut", safetensors(&sound, &[0; 15])),
        ("data too long", safetensors(&sound, &[0; 17])),
        ("no JSON", safetensors("{\"a\":", &[])),
        ("nested JSON", safetensors(&"{\"a\":[".repeat(100_000), &[])),
        ("other JSON", safetensors("{\"a\":1}", &[])),
    ];
    read_all(&safetensors(&sound, &[0; 16])).expect("the unchanged file is sound");
    for (name, content) in cases {
        let error = fault_of(&content, name);
        assert!(matches!(error, CheckpointError::Safetensors { .. }), "{name}: {error}");
    }
}

/// splitmix64: the same mutations on every run.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((z ^ (z >> 31)) % limit as u64) as usize
    }

    fn mutate(&mut self, bytes: &mut Vec<u8>) {
        for _ in 0..=self.below(4) {
            let at = self.below(bytes.len());
            match self.below(5) {
                0 => bytes[at] = self.below(256) as u8,
                1 => bytes[at] ^= 1 << self.below(8),
                2 => bytes[at] = [0x00, 0xff, 0x7f, 0x80][self.below(4)],
                3 => drop(bytes.remove(at)),
                _ => bytes.insert(at, self.below(256) as u8),
            }
        }
    }
}

#[test]
fn mutated_files_never_panic() {
    let tensors = two_tensors();
    let header = r#"{"a":{"dtype":"F32","shape":[2,1],"data_offsets":[0,8]},"b":{"dtype":"F16","shape":[2],"data_offsets":[8,12]}}"#;
    type Make = fn(&[Tensor], Vec<u8>) -> Vec<u8>;
    let cases: [(&str, Vec<u8>, Make); 3] = [
        ("whole archive", pt(&tensors), |_, bytes| bytes),
        ("pickle in a sound archive", published_pickle(&tensors), |tensors, bytes| pt_with_pickle(bytes, tensors)),
        ("safetensors", safetensors(header, &[0; 12]), |_, bytes| bytes),
    ];
    for (name, original, make) in cases {
        let mut random = Random(2026);
        let mut refused = 0;
        for _ in 0..1000 {
            let mut bytes = original.clone();
            random.mutate(&mut bytes);
            if read_all(&make(&tensors, bytes)).is_err() {
                refused += 1;
            }
        }
        // Most mutations hit something that matters; a reader that accepts everything would show here.
        assert!(refused > 500, "{name}: only {refused} of 1000 damaged files were refused");
    }
}

/// The small test model with another description beside it.
fn with_description(describe: impl FnOnce(&Path)) -> (tempfile::TempDir, PathBuf) {
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/small");
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("small.safetensors");
    std::fs::copy(data.join("small.safetensors"), &path).expect("writable");
    describe(&folder.path().join("small.toml"));
    (folder, path)
}

#[test]
fn descriptions_of_models_no_computer_holds_are_refused() {
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/small");
    let sound = std::fs::read_to_string(data.join("small.toml")).expect("it is in the repository");
    let cases = [("image_size", 4096, "embed_dim", 4096), ("image_size", 2048, "embed_dim", 2048)];
    for (side, side_value, width, width_value) in cases {
        let set = |text: &str, name: &str, value: usize| -> String {
            let is_it = |line: &&str| line.starts_with(&format!("{name} ="));
            let line = text.lines().find(is_it).expect("the description says it");
            text.replace(line, &format!("{name} = {value}"))
        };
        let text = set(&set(&sound, side, side_value), width, width_value);
        let (_folder, path) = with_description(|toml| std::fs::write(toml, &text).expect("writable"));
        match Sam2::load(&path, None, &Device::Cpu).map(drop) {
            Err(Sam2Error::BadConfig { reason, .. }) => {
                assert!(reason.contains(width) && reason.contains("numbers"), "{reason}");
            }
            other => panic!("{width} = {width_value}: {other:?}"),
        }
    }
    let largest = LARGEST_ALLOCATION_BYTES.load(Ordering::Relaxed);
    assert!(largest < ALLOCATION_LIMIT_BYTES, "{largest} bytes were allocated at once");
}

#[test]
#[cfg(unix)]
fn descriptions_that_are_no_short_files_are_refused() {
    type Describe = fn(&Path);
    let cases: [(&str, Describe); 3] = [
        ("a pipe", |toml| {
            let made = std::process::Command::new("mkfifo").arg(toml).status().expect("it is on every Linux");
            assert!(made.success());
        }),
        ("a device without end", |toml| std::os::unix::fs::symlink("/dev/zero", toml).expect("writable")),
        ("far too long", |toml| std::fs::write(toml, "# nothing\n".repeat(200_000)).expect("writable")),
    ];
    for (name, describe) in cases {
        let (_folder, path) = with_description(describe);
        match Sam2::load(&path, None, &Device::Cpu).map(drop) {
            Err(error @ Sam2Error::ReadConfig { .. }) => assert!(error.to_string().contains("small.toml"), "{error}"),
            other => panic!("{name}: {other:?}"),
        }
    }
}
