//! Model files: PyTorch `.pt` checkpoints and safetensors, read on demand and never trusted.
//!
//! `sam2`'s model loading opens a [`Checkpoint`], recognises the model by the tensors' names and shapes, checks that the
//! file holds exactly those ([`Checkpoint::expect_exactly`]) and reads them one by one. Opening reads the list of
//! tensors only, so it takes milliseconds whatever the file's size, and a tensor's bytes are in memory only while it is
//! converted. Files come from the internet: whatever they claim is checked before it is used, nothing in them is run,
//! and a tensor that cannot be read is an error, never skipped.

mod archive;
mod error;
mod layout;
mod pickle;
mod safetensors;
mod source;
mod state_dict;
mod value;

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Cursor, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use ::safetensors::tensor::Dtype;
use sha2::{Digest, Sha256};

use super::error::Sam2Error;
use crate::label::hex;
use archive::{Archive, read_range};
use layout::Elements;
use source::Content;

pub use archive::ArchiveError;
pub use error::{CheckpointError, Difference, TensorFault};
pub use layout::StoredDtype;
pub use pickle::PickleError;
pub use source::{CheckpointSource, EmbeddedModel};

/// Longest model file accepted, in bytes; the large model has 0.9 GB.
const MAX_FILE_BYTES: u64 = 4 << 30;
/// Longest description of a model accepted, in bytes; one has about a thousand.
const MAX_DESCRIPTION_BYTES: u64 = 1 << 20;
/// How many times the file's length its tensors may take. The published files have one storage for each tensor; twice
/// leaves room for weights that layers have in common.
const MAX_SHARING: u64 = 2;

/// An open model file: its tensors are known, their values are read on demand.
#[derive(Debug)]
pub struct Checkpoint {
    source: CheckpointSource,
    /// The file, or the name of a model in the program; what messages say.
    path: PathBuf,
    /// Reading moves the position, so readers take turns; converting happens outside the lock.
    content: Mutex<Content>,
    tensors: BTreeMap<String, TensorFacts>,
    /// The zip container of a `.pt`; `None` for safetensors.
    archive: Option<Archive>,
    sha256: OnceLock<String>,
}

/// What is known about a tensor without reading it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TensorFacts {
    /// Shape, outermost dimension first.
    pub shape: Vec<usize>,
    /// How its elements are stored; they are always handed out as f32.
    pub dtype: StoredDtype,
    place: Place,
}

/// Where a tensor's bytes lie.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Place {
    /// In an entry of the zip archive.
    Entry { key: String, elements: Elements },
    /// In the file itself, from this byte on, row-major.
    File { start: u64 },
}

impl TensorFacts {
    /// Bytes that have to be read for it: its elements, and what lies between them.
    fn bytes(&self) -> u64 {
        let elements = match &self.place {
            Place::Entry { elements, .. } => elements.span,
            Place::File { .. } => 0,
        };
        elements.max(self.shape.iter().product::<usize>() as u64).saturating_mul(self.dtype.size_bytes())
    }
}

impl Checkpoint {
    /// Opens a model file and reads its list of tensors. What it is follows from its content, not from its name.
    ///
    /// # Errors
    /// When the file cannot be read, is of no known kind, is damaged, or holds something else than tensors.
    pub fn open(path: &Path) -> Result<Checkpoint, CheckpointError> {
        Self::of(&CheckpointSource::File(path.to_path_buf()))
    }

    /// [`Checkpoint::open`] for a file or a model in the program.
    ///
    /// # Errors
    /// As [`Checkpoint::open`].
    pub fn of(source: &CheckpointSource) -> Result<Checkpoint, CheckpointError> {
        let (path, mut file, file_bytes) = match source {
            CheckpointSource::File(path) => match open_regular(path) {
                Ok((file, file_bytes)) => (path.clone(), Content::File(file), file_bytes),
                Err(source) => return Err(CheckpointError::Read { path: path.clone(), source }),
            },
            CheckpointSource::Embedded(model) => {
                let content = Content::Memory(Cursor::new(model.weights));
                (PathBuf::from(model.name), content, model.weights.len() as u64)
            }
        };
        if file_bytes > MAX_FILE_BYTES {
            return Err(CheckpointError::TooLarge {
                path,
                what: "its length in bytes",
                got: file_bytes,
                limit: MAX_FILE_BYTES,
            });
        }
        let first_bytes = match read_range(&mut file, 0, file_bytes.min(16)) {
            Ok(bytes) => bytes,
            Err(source) => return Err(CheckpointError::Read { path, source }),
        };
        let (tensors, archive) = if first_bytes.starts_with(b"PK\x03\x04") {
            let (tensors, archive) = open_archive(&path, &mut file, file_bytes)?;
            (tensors, Some(archive))
        } else if safetensors::is_safetensors(&first_bytes) {
            (open_safetensors(&path, &mut file, file_bytes)?, None)
        } else {
            let found = describe_stranger(&first_bytes).to_owned();
            return Err(CheckpointError::NotACheckpoint { path, found });
        };
        let content = Mutex::new(file);
        Ok(Checkpoint { source: source.clone(), path, content, tensors, archive, sha256: OnceLock::new() })
    }

    /// The description of a model that is not a published one: the TOML beside the file, where there is one, and where
    /// it lies.
    ///
    /// # Errors
    /// When it is there and cannot be read, or is far too long for a description.
    pub fn description(&self) -> Result<Option<(PathBuf, String)>, Sam2Error> {
        let path = self.path.with_extension("toml");
        match &self.source {
            CheckpointSource::Embedded(model) => Ok(Some((path, model.description.to_owned()))),
            CheckpointSource::File(_) => match read_description(&path) {
                Ok(text) => Ok(Some((path, text))),
                Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
                Err(source) => Err(Sam2Error::ReadConfig { path, source }),
            },
        }
    }

    /// Where it is read from.
    pub fn source(&self) -> &CheckpointSource {
        &self.source
    }

    /// The file; of a model in the program, its name.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// All tensors by name.
    pub fn tensors(&self) -> &BTreeMap<String, TensorFacts> {
        &self.tensors
    }

    /// A tensor's values in row-major order.
    ///
    /// # Errors
    /// When there is no such tensor, its bytes are damaged, or a value is NaN or infinite.
    pub fn read_f32(&self, name: &str) -> Result<Vec<f32>, CheckpointError> {
        let facts = self.tensors.get(name).ok_or_else(|| self.tensor_error(name, TensorFault::Absent))?;
        let size_bytes = facts.dtype.size_bytes();
        let (elements, bytes) = match &facts.place {
            Place::File { start } => {
                let elements = Elements::contiguous(facts.shape.iter().product::<usize>() as u64);
                let bytes = read_range(&mut self.lock(), *start, elements.span * size_bytes);
                let bytes = bytes.map_err(|source| CheckpointError::Read { path: self.path.clone(), source })?;
                (elements, bytes)
            }
            Place::Entry { key, elements } => {
                let archive = self.archive.as_ref().expect("only archives have entries");
                let entry = archive.entry(key).expect("open found every entry");
                let (start, length) = (elements.first * size_bytes, elements.span * size_bytes);
                let content = archive.read(&mut self.lock(), entry, start, length);
                let content = content.map_err(|cause| CheckpointError::Archive { path: self.path.clone(), cause })?;
                if content.checksum_holds == Some(false) {
                    return Err(self.tensor_error(name, TensorFault::Checksum));
                }
                (elements.clone(), content.bytes)
            }
        };
        elements.to_f32(facts.dtype, &bytes, &facts.shape).map_err(|cause| self.tensor_error(name, cause))
    }

    /// SHA-256 of the whole file in lower-case hex; computed once (about a second per GB on a fast disk).
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn sha256(&self) -> Result<String, CheckpointError> {
        if let Some(known) = self.sha256.get() {
            return Ok(known.clone());
        }
        let hash =
            hash_file(&mut self.lock()).map_err(|source| CheckpointError::Read { path: self.path.clone(), source })?;
        Ok(self.sha256.get_or_init(|| hash).clone())
    }

    /// Checks that the file holds exactly these tensors with these shapes.
    ///
    /// # Errors
    /// Names every tensor that is missing, unexpected or wrongly shaped.
    pub fn expect_exactly(&self, expected: &BTreeMap<String, Vec<usize>>) -> Result<(), CheckpointError> {
        let found = self.tensors.iter().map(|(name, facts)| (name, facts.shape.as_slice()));
        let difference = Difference::between(expected, found);
        if difference.is_empty() {
            return Ok(());
        }
        Err(CheckpointError::Mismatch { path: self.path.clone(), difference })
    }

    fn lock(&self) -> MutexGuard<'_, Content> {
        // Every read seeks first, so a reader that panicked left nothing behind that matters.
        self.content.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn tensor_error(&self, name: &str, cause: TensorFault) -> CheckpointError {
        CheckpointError::Tensor { path: self.path.clone(), name: name.to_owned(), cause }
    }
}

fn open_regular(path: &Path) -> io::Result<(File, u64)> {
    // Before opening: opening a pipe would wait for its other end.
    if !std::fs::metadata(path)?.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is not a regular file"));
    }
    let file = File::open(path)?;
    let file_bytes = file.metadata()?.len();
    Ok((file, file_bytes))
}

fn read_description(path: &Path) -> io::Result<String> {
    let (file, file_bytes) = open_regular(path)?;
    if file_bytes > MAX_DESCRIPTION_BYTES {
        let reason = format!("it has {file_bytes} bytes, a description has at most {MAX_DESCRIPTION_BYTES}");
        return Err(io::Error::new(io::ErrorKind::InvalidData, reason));
    }
    let mut text = String::new();
    file.take(MAX_DESCRIPTION_BYTES).read_to_string(&mut text)?;
    Ok(text)
}

fn open_archive(
    path: &Path,
    file: &mut Content,
    file_bytes: u64,
) -> Result<(BTreeMap<String, TensorFacts>, Archive), CheckpointError> {
    let damaged = |cause| CheckpointError::Archive { path: path.to_path_buf(), cause };
    let archive = Archive::open(file, file_bytes).map_err(damaged)?;
    let pickle = archive.read_pickle(file).map_err(damaged)?;
    let pickled = state_dict::read_state_dict(&pickle)
        .map_err(|cause| CheckpointError::Pickle { path: path.to_path_buf(), cause })?;
    let mut tensors = BTreeMap::new();
    let mut bytes = 0_u64;
    for (name, tensor) in pickled {
        let facts = match place_in_archive(&archive, tensor) {
            Ok(facts) => facts,
            Err(cause) => return Err(CheckpointError::Tensor { path: path.to_path_buf(), name, cause }),
        };
        bytes = bytes.saturating_add(facts.bytes());
        tensors.insert(name, facts);
    }
    // Tensors may share a storage, and thousands that do would make hundreds of GB out of a small file.
    let limit = file_bytes.saturating_mul(MAX_SHARING);
    if bytes > limit {
        let what = "the length of its tensors together in bytes";
        return Err(CheckpointError::TooLarge { path: path.to_path_buf(), what, got: bytes, limit });
    }
    Ok((tensors, archive))
}

/// Checks a tensor against the archive entry that holds its storage.
fn place_in_archive(archive: &Archive, tensor: state_dict::PickledTensor) -> Result<TensorFacts, TensorFault> {
    let dtype = match tensor.storage_class {
        "FloatStorage" => StoredDtype::F32,
        "HalfStorage" => StoredDtype::F16,
        "BFloat16Storage" => StoredDtype::BF16,
        "DoubleStorage" => StoredDtype::F64,
        "LongStorage" => StoredDtype::I64,
        other => return Err(TensorFault::UnsupportedType(other.to_owned())),
    };
    let key = format!("data/{}", tensor.storage_key);
    let found = archive.entry(&key).ok_or_else(|| TensorFault::NoData(key.clone()))?.size;
    let expected = tensor.storage_elements.saturating_mul(dtype.size_bytes());
    if found != expected {
        return Err(TensorFault::WrongStorageSize { expected, found });
    }
    let elements = Elements::checked(tensor.offset, &tensor.shape, &tensor.strides, tensor.storage_elements)?;
    Ok(TensorFacts { shape: tensor.shape, dtype, place: Place::Entry { key, elements } })
}

fn open_safetensors(
    path: &Path,
    file: &mut Content,
    file_bytes: u64,
) -> Result<BTreeMap<String, TensorFacts>, CheckpointError> {
    let header = safetensors::read_header(file, file_bytes)
        .map_err(|cause| CheckpointError::Safetensors { path: path.to_path_buf(), cause })?;
    let mut tensors = BTreeMap::new();
    for tensor in header {
        let dtype = match tensor.dtype {
            Dtype::F32 => StoredDtype::F32,
            Dtype::F16 => StoredDtype::F16,
            Dtype::BF16 => StoredDtype::BF16,
            Dtype::F64 => StoredDtype::F64,
            Dtype::I64 => StoredDtype::I64,
            // The crate may add types; none of the others holds SAM 2 weights.
            other => {
                let cause = TensorFault::UnsupportedType(format!("{other:?}"));
                return Err(CheckpointError::Tensor { path: path.to_path_buf(), name: tensor.name, cause });
            }
        };
        let place = Place::File { start: tensor.start };
        tensors.insert(tensor.name, TensorFacts { shape: tensor.shape, dtype, place });
    }
    Ok(tensors)
}

/// Says what a file that is no model file looks like.
fn describe_stranger(first_bytes: &[u8]) -> &'static str {
    const KNOWN: [(&[u8], &str); 6] = [
        (b"PK\x05\x06", "it is an empty zip file"),
        (b"\x80\x02\x8a\x0al\xfc\x9c\x46", "it is in PyTorch's format from before version 1.6; save it again"),
        (b"\x80", "it is a bare Python pickle"),
        (b"<", "it is a web page, so the download went wrong"),
        (b"version https://", "it is a Git LFS pointer, so the real file was not fetched"),
        (b"\x1f\x8b", "it is a gzip file; unpack it first"),
    ];
    if first_bytes.is_empty() {
        return "it is empty";
    }
    KNOWN.iter().find(|(start, _)| first_bytes.starts_with(start)).map_or("its content is of no known kind", |k| k.1)
}

fn hash_file(file: &mut Content) -> io::Result<String> {
    file.seek(SeekFrom::Start(0))?;
    let mut hasher = Sha256::new();
    let mut buffer = vec![0; 1 << 20];
    loop {
        match file.read(&mut buffer) {
            Ok(0) => break,
            Ok(count) => hasher.update(&buffer[..count]),
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
    Ok(hex(hasher.finalize()))
}
