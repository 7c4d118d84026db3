//! From an unpickled value to a list of tensors: names, shapes, and where their elements lie.
//!
//! Called by `Checkpoint` for PyTorch files. It looks at a fixed depth only (the dict, its `model`, a tensor, its
//! numbers), so no shape of the value can make it recurse; whatever is not a tensor is an error, never skipped.

use std::collections::BTreeMap;

use super::pickle::{PickleError, unpickle};
use super::value::{Global, Node, NodeId, Unpickled};

/// Most tensors in a state dict; the large model has 903.
const MAX_TENSORS: usize = 10_000;
/// Longest name of a tensor, in bytes.
const MAX_NAME_BYTES: usize = 256;
/// Most dimensions of a tensor.
const MAX_RANK: usize = 16;

/// A tensor as the pickle describes it. Nothing is checked against the archive yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct PickledTensor {
    /// Name of the storage's entry under `data/`.
    pub(super) storage_key: String,
    /// Storage class, for example `FloatStorage`.
    pub(super) storage_class: &'static str,
    /// Elements in the storage.
    pub(super) storage_elements: u64,
    /// First element of the tensor.
    pub(super) offset: u64,
    /// Shape.
    pub(super) shape: Vec<usize>,
    /// Elements between neighbours, per dimension.
    pub(super) strides: Vec<u64>,
}

/// Reads the state dict out of `data.pkl`: `{"model": {..}}` or a bare one.
pub(super) fn read_state_dict(pickle: &[u8]) -> Result<BTreeMap<String, PickledTensor>, PickleError> {
    let values = unpickle(pickle)?;
    let mut tensors = BTreeMap::new();
    for &(key, value) in model_dict(&values)? {
        let &Node::Str(name) = values.node(key) else {
            return Err(not_a_state_dict("the state dict has a key that is not a string"));
        };
        if name.is_empty() || name.len() > MAX_NAME_BYTES || name.chars().any(char::is_control) {
            return Err(not_a_state_dict("the state dict has a name that no tensor could have"));
        }
        if tensors.len() == MAX_TENSORS {
            return Err(PickleError::Limit { what: "tensors", limit: MAX_TENSORS });
        }
        let &Node::Tensor(arguments) = values.node(value) else {
            return Err(not_a_state_dict(format!(
                "`{name}` in the state dict is {}, not a tensor",
                kind(&values, value)
            )));
        };
        let tensor = tensor(&values, arguments)
            .ok_or_else(|| not_a_state_dict(format!("the description of tensor `{name}` is malformed")))?;
        if tensors.insert(name.to_owned(), tensor).is_some() {
            return Err(not_a_state_dict(format!("tensor `{name}` appears twice")));
        }
    }
    Ok(tensors)
}

fn not_a_state_dict(what: impl Into<String>) -> PickleError {
    PickleError::NotAStateDict { what: what.into() }
}

/// The published files wrap the state dict in `{"model": ..}`; training scripts add more beside it.
fn model_dict<'v>(values: &'v Unpickled<'_>) -> Result<&'v [(NodeId, NodeId)], PickleError> {
    let Node::Dict(pairs) = values.node(values.root) else {
        let what = kind(values, values.root);
        return Err(not_a_state_dict(format!("the file holds {what} where a state dict is expected")));
    };
    for &(key, value) in pairs {
        if let (Node::Str("model"), Node::Dict(inner)) = (values.node(key), values.node(value)) {
            return Ok(inner);
        }
    }
    if pairs.is_empty() {
        return Err(not_a_state_dict("the state dict is empty"));
    }
    Ok(pairs)
}

fn kind(values: &Unpickled<'_>, id: NodeId) -> &'static str {
    match values.node(id) {
        Node::None => "None",
        Node::Bool(_) => "a truth value",
        Node::Int(_) | Node::Float => "a number",
        Node::Str(_) => "a string",
        Node::Bytes => "bytes",
        Node::Tuple(_) => "a tuple",
        Node::List(_) => "a list",
        Node::Dict(_) => "a dict",
        Node::Global(_) => "a class",
        Node::Persistent(_) => "a storage",
        Node::Tensor(_) => "a tensor",
    }
}

/// `_rebuild_tensor_v2(storage, offset, size, stride, requires_grad, hooks)`; `None` when the arguments are malformed.
fn tensor(values: &Unpickled<'_>, arguments: NodeId) -> Option<PickledTensor> {
    let &[storage, offset, size, stride, ..] = tuple(values, arguments)? else { return None };
    let &Node::Persistent(storage) = values.node(storage) else { return None };
    // ("storage", class, key, device, elements)
    let &[tag, class, key, _device, elements] = tuple(values, storage)? else { return None };
    let Node::Str("storage") = values.node(tag) else { return None };
    let &Node::Global(Global::Storage(storage_class)) = values.node(class) else { return None };
    let &Node::Str(storage_key) = values.node(key) else { return None };
    if storage_key.len() > MAX_NAME_BYTES {
        return None;
    }
    let shape = natural_numbers(values, size)?;
    let strides = natural_numbers(values, stride)?;
    if shape.len() != strides.len() {
        return None;
    }
    Some(PickledTensor {
        storage_key: storage_key.to_owned(),
        storage_class,
        storage_elements: natural_number(values, elements)?,
        offset: natural_number(values, offset)?,
        shape: shape.into_iter().map(|n| usize::try_from(n).ok()).collect::<Option<_>>()?,
        strides,
    })
}

fn tuple<'v>(values: &'v Unpickled<'_>, id: NodeId) -> Option<&'v [NodeId]> {
    match values.node(id) {
        Node::Tuple(items) => Some(items),
        _ => None,
    }
}

fn natural_numbers(values: &Unpickled<'_>, id: NodeId) -> Option<Vec<u64>> {
    let items = tuple(values, id)?;
    if items.len() > MAX_RANK {
        return None;
    }
    items.iter().map(|&item| natural_number(values, item)).collect()
}

fn natural_number(values: &Unpickled<'_>, id: NodeId) -> Option<u64> {
    match values.node(id) {
        &Node::Int(value) => u64::try_from(value).ok(),
        _ => None,
    }
}
