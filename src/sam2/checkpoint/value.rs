//! The values a pickle can hold, in an arena: they refer to each other by position.
//!
//! Filled by `pickle`, read by `state_dict`. No value owns another, so nothing here recurses, not even dropping.

/// Position of a value in the arena.
pub(super) type NodeId = usize;

/// The classes and functions a state dict may name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Global {
    OrderedDict,
    RebuildTensor,
    RebuildParameter,
    Size,
    /// A storage class, by its name (`FloatStorage`).
    Storage(&'static str),
}

/// `torch.*Storage` classes; whether an element type is usable is decided where tensors are read.
const STORAGES: [&str; 10] = [
    "FloatStorage",
    "HalfStorage",
    "BFloat16Storage",
    "DoubleStorage",
    "LongStorage",
    "IntStorage",
    "ShortStorage",
    "CharStorage",
    "ByteStorage",
    "BoolStorage",
];

impl Global {
    /// The global `module.name`, if a state dict may name it.
    pub(super) fn named(module: &str, name: &str) -> Option<Self> {
        match (module, name) {
            ("collections", "OrderedDict") => Some(Global::OrderedDict),
            ("torch._utils", "_rebuild_tensor_v2") => Some(Global::RebuildTensor),
            ("torch._utils", "_rebuild_parameter") => Some(Global::RebuildParameter),
            ("torch", "Size") => Some(Global::Size),
            ("torch", class) => STORAGES.iter().find(|known| **known == class).map(|known| Global::Storage(known)),
            _ => None,
        }
    }
}

/// A value. Containers hold positions in the arena, strings are slices of the pickle.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Node<'a> {
    None,
    Bool(bool),
    Int(i64),
    /// A float; state dicts have none that matter, so its value is not kept.
    Float,
    Str(&'a str),
    /// Raw bytes in metadata; not kept.
    Bytes,
    Tuple(Vec<NodeId>),
    List(Vec<NodeId>),
    Dict(Vec<(NodeId, NodeId)>),
    Global(Global),
    /// A storage: the tuple of its persistent id.
    Persistent(NodeId),
    /// `_rebuild_tensor_v2` and its arguments, a tuple; not called.
    Tensor(NodeId),
}

/// What a pickle holds: all values, and which one it returns.
#[derive(Debug)]
pub(super) struct Unpickled<'a> {
    nodes: Vec<Node<'a>>,
    /// The value the pickle stands for.
    pub(super) root: NodeId,
}

impl<'a> Unpickled<'a> {
    pub(super) fn new(nodes: Vec<Node<'a>>, root: NodeId) -> Self {
        Unpickled { nodes, root }
    }

    /// The value at `id`.
    pub(super) fn node(&self, id: NodeId) -> &Node<'a> {
        &self.nodes[id]
    }
}
