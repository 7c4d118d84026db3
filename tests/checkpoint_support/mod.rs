//! Writes small model files for the checkpoint tests: a pickle writer, the zip around it, safetensors.
//!
//! The pickles have `torch.save`'s own form (protocol 2, memo, `OrderedDict` with `_metadata`), written independently of
//! the reader. Tests change one thing at a time to make a file hostile.

#![allow(dead_code, reason = "each test file uses its part")]

use std::io::{Cursor, Write};
use std::path::PathBuf;

use zip::CompressionMethod;
use zip::write::{SimpleFileOptions, ZipWriter};

/// A tensor to be written.
#[derive(Clone)]
pub struct Tensor {
    pub name: String,
    pub class: &'static str,
    pub key: String,
    pub storage_elements: i64,
    pub offset: i64,
    pub shape: Vec<i64>,
    pub strides: Vec<i64>,
    pub data: Vec<u8>,
}

impl Tensor {
    /// A contiguous f32 tensor.
    pub fn f32(name: &str, key: usize, shape: &[i64], values: &[f32]) -> Self {
        let mut strides = vec![1; shape.len()];
        for axis in (1..shape.len()).rev() {
            strides[axis - 1] = strides[axis] * shape[axis];
        }
        Tensor {
            name: name.into(),
            class: "FloatStorage",
            key: key.to_string(),
            storage_elements: values.len() as i64,
            offset: 0,
            shape: shape.to_vec(),
            strides,
            data: values.iter().flat_map(|v| v.to_le_bytes()).collect(),
        }
    }
}

/// Two small tensors, as most tests use them.
pub fn two_tensors() -> Vec<Tensor> {
    vec![
        Tensor::f32("trunk.weight", 0, &[2, 3], &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0]),
        Tensor::f32("trunk.bias", 1, &[2], &[0.5, -0.5]),
    ]
}

/// Writes pickle opcodes.
#[derive(Default, Clone)]
pub struct Pickle {
    pub bytes: Vec<u8>,
    memo: u32,
}

impl Pickle {
    pub fn new() -> Self {
        Pickle { bytes: vec![0x80, 2], memo: 0 }
    }

    pub fn raw(&mut self, bytes: &[u8]) -> &mut Self {
        self.bytes.extend(bytes);
        self
    }

    pub fn put(&mut self) -> &mut Self {
        let slot = self.memo;
        self.memo += 1;
        match u8::try_from(slot) {
            Ok(slot) => self.raw(&[b'q', slot]),
            Err(_) => self.raw(b"r").raw(&slot.to_le_bytes()),
        }
    }

    pub fn str(&mut self, text: &str) -> &mut Self {
        self.raw(b"X").raw(&(text.len() as u32).to_le_bytes()).raw(text.as_bytes()).put()
    }

    pub fn int(&mut self, value: i64) -> &mut Self {
        match value {
            0..=0xff => self.raw(&[b'K', value as u8]),
            0x100..=0xffff => self.raw(b"M").raw(&(value as u16).to_le_bytes()),
            _ if i32::try_from(value).is_ok() => self.raw(b"J").raw(&(value as i32).to_le_bytes()),
            _ => self.raw(&[0x8a, 8]).raw(&value.to_le_bytes()),
        }
    }

    pub fn ints(&mut self, values: &[i64]) -> &mut Self {
        self.raw(b"(");
        for &value in values {
            self.int(value);
        }
        self.raw(b"t").put()
    }

    pub fn global(&mut self, module: &str, name: &str) -> &mut Self {
        self.raw(b"c").raw(module.as_bytes()).raw(b"\n").raw(name.as_bytes()).raw(b"\n").put()
    }

    pub fn ordered_dict(&mut self) -> &mut Self {
        self.global("collections", "OrderedDict").raw(b")R").put()
    }

    pub fn tensor(&mut self, tensor: &Tensor) -> &mut Self {
        self.global("torch._utils", "_rebuild_tensor_v2").raw(b"((").str("storage").global("torch", tensor.class);
        self.str(&tensor.key).str("cpu").int(tensor.storage_elements).raw(b"t").put().raw(b"Q");
        self.int(tensor.offset).ints(&tensor.shape).ints(&tensor.strides).raw(&[0x89]).ordered_dict();
        self.raw(b"t").put().raw(b"R").put()
    }

    /// `OrderedDict` of tensors with the `_metadata` attribute PyTorch adds.
    pub fn state_dict(&mut self, tensors: &[Tensor]) -> &mut Self {
        self.ordered_dict().raw(b"(");
        for tensor in tensors {
            self.str(&tensor.name).tensor(tensor);
        }
        self.raw(b"u}").put().str("_metadata").ordered_dict().raw(b"(");
        self.str("").raw(b"}").put().str("version").int(1).raw(b"su").raw(b"sb")
    }
}

/// `{"model": state dict}`, as the published checkpoints.
pub fn published_pickle(tensors: &[Tensor]) -> Vec<u8> {
    Pickle::new().raw(b"}").put().str("model").state_dict(tensors).raw(b"s.").bytes.clone()
}

/// A bare state dict.
pub fn bare_pickle(tensors: &[Tensor]) -> Vec<u8> {
    Pickle::new().state_dict(tensors).raw(b".").bytes.clone()
}

/// A stored zip of named entries, all in the folder `archive`. `wide` writes ZIP64 fields, as PyTorch may.
pub fn zip_of(entries: &[(String, Vec<u8>)], wide: bool) -> Vec<u8> {
    let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
    let options = SimpleFileOptions::default().compression_method(CompressionMethod::Stored).large_file(wide);
    for (name, content) in entries {
        writer.start_file(format!("archive/{name}"), options).expect("a new entry");
        writer.write_all(content).expect("writing to memory");
    }
    writer.finish().expect("writing to memory").into_inner()
}

/// A whole `.pt` around a pickle.
pub fn pt_with_pickle(pickle: Vec<u8>, tensors: &[Tensor]) -> Vec<u8> {
    let mut entries = vec![("data.pkl".to_owned(), pickle), ("byteorder".to_owned(), b"little".to_vec())];
    entries.extend(tensors.iter().map(|t| (format!("data/{}", t.key), t.data.clone())));
    entries.push(("version".to_owned(), b"3\n".to_vec()));
    zip_of(&entries, false)
}

/// A whole `.pt` in the published layout.
pub fn pt(tensors: &[Tensor]) -> Vec<u8> {
    pt_with_pickle(published_pickle(tensors), tensors)
}

/// A safetensors file from its header and data.
pub fn safetensors(header: &str, data: &[u8]) -> Vec<u8> {
    let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
    bytes.extend(header.as_bytes());
    bytes.extend(data);
    bytes
}

/// A folder with one file in it; the folder goes when the first value is dropped.
pub fn on_disk(content: &[u8]) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("model.bin");
    std::fs::write(&path, content).expect("writing the test file");
    (folder, path)
}
