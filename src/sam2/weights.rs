//! Hands a checkpoint's tensors to the modules, strictly: every tensor asked for must be there in that shape, and every
//! tensor there must be asked for.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;

use candle_core::{Device, Tensor};

use super::checkpoint::Checkpoint;
use super::error::Sam2Error;
use super::kernels::Precision;

/// A place in the tree of parameter names.
#[derive(Clone)]
pub struct Weights<'a> {
    root: &'a Root<'a>,
    prefix: String,
    precision: Precision,
}

/// The checkpoint and what has been asked of it.
pub struct Root<'a> {
    checkpoint: &'a Checkpoint,
    device: Device,
    replace: &'a BTreeMap<String, Vec<f32>>,
    wanted: RefCell<BTreeMap<String, Vec<usize>>>,
    /// Whether tensors hold what the file holds, rather than one zero each that stands for all their elements.
    has_values: bool,
    /// Values of tensors that are not there as described.
    missing: Cell<usize>,
}

/// Values that may stand in for missing tensors (1 GiB of them) before reading stops.
const MAX_MISSING: usize = 1 << 28;

impl<'a> Root<'a> {
    /// Starts reading `checkpoint` onto `device`; tensors named in `replace` take the values given there.
    pub fn new(checkpoint: &'a Checkpoint, device: Device, replace: &'a BTreeMap<String, Vec<f32>>) -> Self {
        Root { checkpoint, device, replace, wanted: RefCell::default(), has_values: true, missing: Cell::new(0) }
    }

    /// For names and shapes alone: no weight is read, and none takes memory.
    pub fn without_values(self) -> Self {
        Root { has_values: false, ..self }
    }

    /// The top of the tree.
    pub fn weights(&'a self) -> Weights<'a> {
        Weights { root: self, prefix: String::new(), precision: Precision::F32 }
    }

    /// Compares what was asked for with what is there.
    ///
    /// # Errors
    /// Lists every missing, unexpected or wrongly shaped tensor by name.
    pub fn finish(self) -> Result<(), Sam2Error> {
        Ok(self.checkpoint.expect_exactly(&self.wanted.into_inner())?)
    }
}

impl Weights<'_> {
    /// The subtree below `name`.
    pub fn at(&self, name: impl std::fmt::Display) -> Self {
        let prefix = if self.prefix.is_empty() { name.to_string() } else { format!("{}.{name}", self.prefix) };
        Weights { prefix, ..*self }
    }

    /// The same subtree, for a module whose large products are to be of that precision.
    pub fn with_precision(&self, precision: Precision) -> Self {
        Weights { prefix: self.prefix.clone(), precision, ..*self }
    }

    /// Precision of the module's large products.
    pub fn precision(&self) -> Precision {
        self.precision
    }

    /// The tensor `name` in f32. One that is missing or has another shape reads as zeros here and is reported by
    /// [`Root::finish`], so that a wrong file is described completely, not tensor by tensor.
    ///
    /// # Errors
    /// When the file cannot be read or the device is out of memory.
    pub fn get(&self, name: &str, shape: &[usize]) -> Result<Tensor, Sam2Error> {
        let full = self.at(name).prefix;
        let fits = self.root.checkpoint.tensors().get(&full).is_some_and(|facts| facts.shape == shape);
        self.root.wanted.borrow_mut().insert(full.clone(), shape.to_vec());
        if !fits {
            let missing = self.root.missing.get().saturating_add(shape.iter().product());
            self.root.missing.set(missing);
            if missing > MAX_MISSING {
                // A description far from its file: do not fill memory with zeros only to say so later.
                self.root.checkpoint.expect_exactly(&self.root.wanted.borrow())?;
            }
        }
        if !self.root.has_values {
            let zero = Tensor::zeros(1, candle_core::DType::F32, &self.root.device)?;
            return Ok(zero.broadcast_as(shape)?);
        }
        if !fits {
            return Ok(Tensor::zeros(shape, candle_core::DType::F32, &self.root.device)?);
        }
        let values = match self.root.replace.get(&full) {
            Some(values) => values.clone(),
            None => self.root.checkpoint.read_f32(&full)?,
        };
        Ok(Tensor::from_vec(values, shape, &self.root.device)?)
    }

    /// A tensor the published files hold but no forward pass uses.
    pub fn unused(&self, name: &str, shape: &[usize]) {
        self.root.wanted.borrow_mut().insert(self.at(name).prefix, shape.to_vec());
    }

    /// Where the tensors go.
    pub fn device(&self) -> &Device {
        &self.root.device
    }
}
