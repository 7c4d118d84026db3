//! Where a model's bytes come from: a file, or the program itself. Made by whoever turns a model's name into a model
//! (the `models` room), read by `Checkpoint`.

use std::fmt;
use std::fs::File;
use std::io::{self, Cursor, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

/// A model that is part of the program: safetensors and their description.
#[derive(Clone, Copy)]
pub struct EmbeddedModel {
    /// Its name; no other embedded model has it.
    pub name: &'static str,
    /// The weights, as a safetensors file.
    pub weights: &'static [u8],
    /// The description, as the TOML beside a file would be.
    pub description: &'static str,
}

impl fmt::Debug for EmbeddedModel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "EmbeddedModel({})", self.name)
    }
}

impl PartialEq for EmbeddedModel {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Eq for EmbeddedModel {}

/// Where a checkpoint is read from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CheckpointSource {
    /// A `.pt` or `.safetensors` file; a TOML of the same stem beside it describes a model of one's own.
    File(PathBuf),
    /// A model that ships in the program.
    Embedded(&'static EmbeddedModel),
}

impl CheckpointSource {
    /// The file, where there is one.
    pub fn file(&self) -> Option<&Path> {
        match self {
            CheckpointSource::File(path) => Some(path),
            CheckpointSource::Embedded(_) => None,
        }
    }
}

impl From<PathBuf> for CheckpointSource {
    fn from(path: PathBuf) -> Self {
        CheckpointSource::File(path)
    }
}

/// The bytes themselves.
#[derive(Debug)]
pub(super) enum Content {
    /// On disk.
    File(File),
    /// In the program.
    Memory(Cursor<&'static [u8]>),
}

impl Read for Content {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Content::File(file) => file.read(buffer),
            Content::Memory(bytes) => bytes.read(buffer),
        }
    }
}

impl Seek for Content {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        match self {
            Content::File(file) => file.seek(to),
            Content::Memory(bytes) => bytes.seek(to),
        }
    }
}
