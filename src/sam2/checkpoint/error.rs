//! What can be wrong with a model file, in words that name the file, the cause and a way on.
//!
//! Made by the readers in this folder, shown by whoever opens a model. Nothing here reads files.

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::path::PathBuf;

use super::archive::ArchiveError;
use super::pickle::PickleError;

/// Why a model file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum CheckpointError {
    /// The operating system refused.
    #[error("{}: cannot read the model file ({source}); check the path and its permissions", path.display())]
    Read {
        /// The model file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Neither of the two formats.
    #[error(
        "{}: not a model file: {found}; expected a PyTorch checkpoint (.pt, saved by PyTorch 1.6 or newer) \
         or a safetensors file", path.display()
    )]
    NotACheckpoint {
        /// The model file.
        path: PathBuf,
        /// What it looks like instead.
        found: String,
    },
    /// Above a limit of this reader.
    #[error("{}: {what} is {got}, the limit is {limit}; this is not a SAM 2 model", path.display())]
    TooLarge {
        /// The model file.
        path: PathBuf,
        /// What is too large.
        what: &'static str,
        /// Its size.
        got: u64,
        /// The most accepted.
        limit: u64,
    },
    /// The zip container is unsound.
    #[error("{}: the model file is damaged or not a PyTorch checkpoint: {cause}; download or copy it again", path.display())]
    Archive {
        /// The model file.
        path: PathBuf,
        /// What is wrong with it.
        #[source]
        cause: ArchiveError,
    },
    /// The list of tensors inside a `.pt` is unsound or holds something else than tensors.
    #[error(
        "{}: the model file is damaged or of an unknown kind: {cause}; download it again, or convert it to safetensors",
        path.display()
    )]
    Pickle {
        /// The model file.
        path: PathBuf,
        /// What is wrong with it.
        #[source]
        cause: PickleError,
    },
    /// The safetensors header is unsound.
    #[error("{}: the safetensors file is damaged: {cause}; download or convert it again", path.display())]
    Safetensors {
        /// The model file.
        path: PathBuf,
        /// What is wrong with it.
        cause: String,
    },
    /// One tensor cannot be used.
    #[error("{}: tensor `{name}`: {cause}; download or convert the file again", path.display())]
    Tensor {
        /// The model file.
        path: PathBuf,
        /// The tensor.
        name: String,
        /// What is wrong with it.
        cause: TensorFault,
    },
    /// The file holds other tensors than the model has.
    #[error("{}: this is not the expected model, or not all of it:{difference}", path.display())]
    Mismatch {
        /// The model file.
        path: PathBuf,
        /// All that differs.
        difference: Difference,
    },
}

/// What is wrong with a single tensor.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TensorFault {
    /// The file has no such tensor.
    #[error("it is not in the file")]
    Absent,
    /// An element type SAM 2 weights never have.
    #[error("its element type {0} is not supported (f32, f16, bf16, f64 and i64 are)")]
    UnsupportedType(String),
    /// The archive has no bytes for it.
    #[error("its data `{0}` is not in the archive")]
    NoData(String),
    /// The archive's entry is not as long as the tensor's storage.
    #[error("its storage should be {expected} bytes, the file holds {found}")]
    WrongStorageSize {
        /// By the tensor list.
        expected: u64,
        /// In the archive.
        found: u64,
    },
    /// Shape, strides and offset reach outside the storage or do not fit each other.
    #[error("its shape {shape:?} does not fit its storage of {storage} elements")]
    OutsideStorage {
        /// The shape.
        shape: Vec<usize>,
        /// Elements in the storage.
        storage: u64,
    },
    /// A weight is NaN or infinite.
    #[error("element {index} is {value}, weights must be finite")]
    NotFinite {
        /// Row-major position.
        index: usize,
        /// `NaN`, `inf` or `-inf`.
        value: String,
    },
    /// The bytes do not have the checksum the archive gives.
    #[error("its data does not match the archive's checksum, so the file is damaged")]
    Checksum,
}

/// How a file's tensors differ from a model's. At least one list is not empty.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Difference {
    /// In the model, not in the file.
    pub missing: Vec<String>,
    /// In the file, not in the model.
    pub unexpected: Vec<String>,
    /// In both with different shapes: name, the model's shape, the file's shape.
    pub wrongly_shaped: Vec<(String, Vec<usize>, Vec<usize>)>,
}

impl Difference {
    /// Compares what a model needs with what a file has.
    pub(super) fn between<'a>(
        expected: &BTreeMap<String, Vec<usize>>,
        found: impl Iterator<Item = (&'a String, &'a [usize])>,
    ) -> Self {
        let found: BTreeMap<&String, &[usize]> = found.collect();
        let missing = expected.keys().filter(|name| !found.contains_key(name)).cloned().collect();
        let unexpected = found.keys().filter(|name| !expected.contains_key(**name)).map(|n| (*n).clone()).collect();
        let wrongly_shaped = expected
            .iter()
            .filter_map(|(name, shape)| {
                let has = found.get(name)?;
                (*has != shape.as_slice()).then(|| (name.clone(), shape.clone(), has.to_vec()))
            })
            .collect();
        Difference { missing, unexpected, wrongly_shaped }
    }

    /// Whether nothing differs.
    pub fn is_empty(&self) -> bool {
        self.missing.is_empty() && self.unexpected.is_empty() && self.wrongly_shaped.is_empty()
    }
}

impl fmt::Display for Difference {
    /// One line per group and one per tensor.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.missing.is_empty() {
            write!(f, "\n  missing ({}):", self.missing.len())?;
            for name in &self.missing {
                write!(f, "\n    {name}")?;
            }
        }
        if !self.unexpected.is_empty() {
            write!(f, "\n  unexpected ({}):", self.unexpected.len())?;
            for name in &self.unexpected {
                write!(f, "\n    {name}")?;
            }
        }
        if !self.wrongly_shaped.is_empty() {
            write!(f, "\n  wrongly shaped ({}):", self.wrongly_shaped.len())?;
            for (name, expected, found) in &self.wrongly_shaped {
                write!(f, "\n    {name}: {found:?} in the file, {expected:?} in the model")?;
            }
        }
        write!(f, "\n  choose the checkpoint that belongs to this model")
    }
}
