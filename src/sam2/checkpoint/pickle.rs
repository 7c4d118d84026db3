//! A small unpickler for what `torch.save` writes, and for nothing else.
//!
//! Called by `state_dict`. It never calls anything: objects it does not know are an error that names them. A pickle is a
//! program, so this one runs under limits: every opcode makes at most one node in an arena and nodes refer to each other
//! by index, so neither memo tricks nor nesting can make it grow, copy or recurse; strings stay slices of the input.
//! Opcodes: Python's `pickletools.py`, the subset of protocols 2 to 5 that state dicts use.

use std::collections::HashMap;

use super::value::{Global, Node, NodeId, Unpickled};

/// Most opcodes run; the large model has about 40 per tensor, 36,000 in all.
const MAX_OPCODES: usize = 1_000_000;
/// Most values on the stack; Python's pickler flushes a dict every 1,000 pairs.
const MAX_STACK: usize = 1 << 16;
/// Longest name of a global, in bytes.
const MAX_GLOBAL_BYTES: usize = 200;

/// Why a pickle is not a PyTorch state dict.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PickleError {
    /// The bytes end inside an opcode.
    #[error("the tensor list ends early, at byte {at}")]
    Truncated {
        /// Where more was needed.
        at: usize,
    },
    /// An opcode no state dict needs.
    #[error("the tensor list has an unknown instruction {opcode:#04x} at byte {at}")]
    UnknownOpcode {
        /// The opcode.
        opcode: u8,
        /// Where it stands.
        at: usize,
    },
    /// A class or function that is not part of a state dict. It was not called.
    #[error("the tensor list refers to `{name}`, which no SAM 2 checkpoint needs (nothing was run)")]
    UnknownGlobal {
        /// `module.name`.
        name: String,
    },
    /// More than this reader accepts.
    #[error("the tensor list has more than {limit} {what}")]
    Limit {
        /// What there is too much of.
        what: &'static str,
        /// The most accepted.
        limit: usize,
    },
    /// An opcode that does not fit what came before it.
    #[error("the tensor list is malformed at byte {at}: {what}")]
    Malformed {
        /// Where.
        at: usize,
        /// What is wrong.
        what: String,
    },
    /// A sound pickle of something else.
    #[error("{what}")]
    NotAStateDict {
        /// What it holds instead.
        what: String,
    },
}

/// Runs a pickle to its end.
pub(super) fn unpickle(bytes: &[u8]) -> Result<Unpickled<'_>, PickleError> {
    let mut machine =
        Machine { bytes, at: 0, nodes: Vec::new(), stack: Vec::new(), marks: Vec::new(), memo: HashMap::new() };
    for _ in 0..MAX_OPCODES {
        if let Some(root) = machine.step()? {
            return Ok(Unpickled::new(machine.nodes, root));
        }
        if machine.stack.len() > MAX_STACK || machine.marks.len() > MAX_STACK {
            return Err(PickleError::Limit { what: "values waiting at once", limit: MAX_STACK });
        }
    }
    Err(PickleError::Limit { what: "instructions", limit: MAX_OPCODES })
}

struct Machine<'a> {
    bytes: &'a [u8],
    at: usize,
    nodes: Vec<Node<'a>>,
    stack: Vec<NodeId>,
    /// Heights of the stack at open marks.
    marks: Vec<usize>,
    memo: HashMap<u32, NodeId>,
}

impl<'a> Machine<'a> {
    /// Runs one opcode; gives the result at STOP.
    fn step(&mut self) -> Result<Option<NodeId>, PickleError> {
        let start = self.at;
        let opcode = self.take(1)?[0];
        match opcode {
            0x80 => {
                let version = self.take(1)?[0];
                if version > 5 {
                    return Err(self.malformed(format!("protocol {version} is not known")));
                }
            }
            // FRAME: a hint for buffering; only its length must be there.
            0x95 => drop(self.take(8)?),
            b'.' => return self.pop().map(Some),
            b'(' => self.marks.push(self.stack.len()),
            b'0' => drop(self.pop()?),
            b'1' => drop(self.pop_mark()?),
            b'N' => self.push(Node::None),
            0x88 => self.push(Node::Bool(true)),
            0x89 => self.push(Node::Bool(false)),
            b'K' => {
                let value = self.take(1)?[0];
                self.push(Node::Int(i64::from(value)));
            }
            b'M' => {
                let value = self.little_endian(2)?;
                self.push(Node::Int(value as i64));
            }
            b'J' => {
                let value = self.little_endian(4)? as u32 as i32;
                self.push(Node::Int(i64::from(value)));
            }
            0x8a => self.long()?,
            b'G' => {
                self.take(8)?;
                self.push(Node::Float);
            }
            b'X' | b'T' => self.string(4)?,
            0x8c | b'U' => self.string(1)?,
            0x8d => self.string(8)?,
            b'B' => self.raw_bytes(4)?,
            b'C' => self.raw_bytes(1)?,
            b']' => self.push(Node::List(Vec::new())),
            b')' => self.push(Node::Tuple(Vec::new())),
            b'}' => self.push(Node::Dict(Vec::new())),
            b'a' => {
                let item = self.pop()?;
                self.top_list()?.push(item);
            }
            b'e' => {
                let items = self.pop_mark()?;
                self.top_list()?.extend(items);
            }
            b't' => {
                let items = self.pop_mark()?;
                self.push(Node::Tuple(items));
            }
            0x85..=0x87 => self.tuple(usize::from(opcode - 0x84))?,
            b's' => {
                let (value, key) = (self.pop()?, self.pop()?);
                self.top_dict()?.push((key, value));
            }
            b'u' => self.set_items()?,
            b'q' => {
                let slot = u32::from(self.take(1)?[0]);
                self.memo_put(slot)?;
            }
            b'r' => {
                let slot = self.little_endian(4)? as u32;
                self.memo_put(slot)?;
            }
            0x94 => {
                let slot = self.memo.len() as u32; // below MAX_OPCODES
                self.memo_put(slot)?;
            }
            b'h' => {
                let slot = u32::from(self.take(1)?[0]);
                self.memo_get(slot)?;
            }
            b'j' => {
                let slot = self.little_endian(4)? as u32;
                self.memo_get(slot)?;
            }
            b'c' => {
                let (module, name) = (self.line()?, self.line()?);
                self.global(module, name)?;
            }
            0x93 => self.stack_global()?,
            b'Q' => {
                let id = self.pop()?;
                self.push(Node::Persistent(id));
            }
            b'R' => self.reduce()?,
            b'b' => {
                // Attributes of an OrderedDict: a state dict's `_metadata`, which loading does not need.
                self.pop()?;
                self.top_dict()?;
            }
            opcode => return Err(PickleError::UnknownOpcode { opcode, at: start }),
        }
        Ok(None)
    }

    fn malformed(&self, what: impl Into<String>) -> PickleError {
        PickleError::Malformed { at: self.at, what: what.into() }
    }

    fn take(&mut self, count: usize) -> Result<&'a [u8], PickleError> {
        let end = self.at.checked_add(count).filter(|&end| end <= self.bytes.len());
        let end = end.ok_or(PickleError::Truncated { at: self.at })?;
        let taken = &self.bytes[self.at..end];
        self.at = end;
        Ok(taken)
    }

    /// An unsigned number of up to 8 bytes.
    fn little_endian(&mut self, count: usize) -> Result<u64, PickleError> {
        Ok(self.take(count)?.iter().rev().fold(0, |value, &byte| value << 8 | u64::from(byte)))
    }

    fn line(&mut self) -> Result<&'a str, PickleError> {
        let rest = &self.bytes[self.at..];
        let window = &rest[..rest.len().min(MAX_GLOBAL_BYTES + 1)];
        let Some(length) = window.iter().position(|&byte| byte == b'\n') else {
            return Err(if rest.len() > MAX_GLOBAL_BYTES {
                self.malformed("the name of a class is too long")
            } else {
                PickleError::Truncated { at: self.bytes.len() }
            });
        };
        let line = self.take(length)?;
        self.take(1)?;
        std::str::from_utf8(line).map_err(|_| self.malformed("the name of a class is not UTF-8"))
    }

    /// LONG1: a signed number of `n` bytes; none in a state dict needs more than 8.
    fn long(&mut self) -> Result<(), PickleError> {
        let count = usize::from(self.take(1)?[0]);
        if count > 8 {
            return Err(self.malformed(format!("an integer of {count} bytes")));
        }
        let raw = self.little_endian(count)?;
        let unused_bits = 64 - 8 * count as u32;
        // Shifting up and back copies the sign bit; a count of 0 is the number 0.
        let value = if count == 0 { 0 } else { ((raw << unused_bits) as i64) >> unused_bits };
        self.push(Node::Int(value));
        Ok(())
    }

    fn counted(&mut self, count_bytes: usize) -> Result<&'a [u8], PickleError> {
        let length = self.little_endian(count_bytes)?;
        let length = usize::try_from(length).map_err(|_| PickleError::Truncated { at: self.at })?;
        self.take(length)
    }

    fn string(&mut self, count_bytes: usize) -> Result<(), PickleError> {
        let raw = self.counted(count_bytes)?;
        let text = std::str::from_utf8(raw).map_err(|_| self.malformed("a string is not UTF-8"))?;
        self.push(Node::Str(text));
        Ok(())
    }

    fn raw_bytes(&mut self, count_bytes: usize) -> Result<(), PickleError> {
        self.counted(count_bytes)?;
        self.push(Node::Bytes);
        Ok(())
    }

    fn push(&mut self, node: Node<'a>) {
        self.stack.push(self.nodes.len());
        self.nodes.push(node);
    }

    /// Takes the top value, but never one from below an open mark.
    fn pop(&mut self) -> Result<NodeId, PickleError> {
        if self.stack.len() <= self.marks.last().copied().unwrap_or(0) {
            return Err(self.malformed("a value is missing on the stack"));
        }
        Ok(self.stack.pop().expect("the stack is higher than the mark"))
    }

    fn pop_mark(&mut self) -> Result<Vec<NodeId>, PickleError> {
        let height = self.marks.pop().ok_or_else(|| self.malformed("a mark is missing on the stack"))?;
        Ok(self.stack.split_off(height))
    }

    fn top(&self) -> Result<NodeId, PickleError> {
        if self.stack.len() <= self.marks.last().copied().unwrap_or(0) {
            return Err(self.malformed("a value is missing on the stack"));
        }
        Ok(*self.stack.last().expect("the stack is higher than the mark"))
    }

    fn top_list(&mut self) -> Result<&mut Vec<NodeId>, PickleError> {
        let (top, at) = (self.top()?, self.at);
        match &mut self.nodes[top] {
            Node::List(items) => Ok(items),
            _ => Err(PickleError::Malformed { at, what: "a list is missing on the stack".into() }),
        }
    }

    fn top_dict(&mut self) -> Result<&mut Vec<(NodeId, NodeId)>, PickleError> {
        let (top, at) = (self.top()?, self.at);
        match &mut self.nodes[top] {
            Node::Dict(pairs) => Ok(pairs),
            _ => Err(PickleError::Malformed { at, what: "a dict is missing on the stack".into() }),
        }
    }

    fn tuple(&mut self, count: usize) -> Result<(), PickleError> {
        let mut items = Vec::with_capacity(count);
        for _ in 0..count {
            items.push(self.pop()?);
        }
        items.reverse();
        self.push(Node::Tuple(items));
        Ok(())
    }

    fn set_items(&mut self) -> Result<(), PickleError> {
        let items = self.pop_mark()?;
        if items.len() % 2 != 0 {
            return Err(self.malformed("a dict's key has no value"));
        }
        self.top_dict()?.extend(items.chunks_exact(2).map(|pair| (pair[0], pair[1])));
        Ok(())
    }

    fn memo_put(&mut self, slot: u32) -> Result<(), PickleError> {
        let top = self.top()?;
        self.memo.insert(slot, top);
        Ok(())
    }

    fn memo_get(&mut self, slot: u32) -> Result<(), PickleError> {
        let id = *self.memo.get(&slot).ok_or_else(|| self.malformed("it refers to a value that does not exist"))?;
        self.stack.push(id);
        Ok(())
    }

    fn global(&mut self, module: &str, name: &str) -> Result<(), PickleError> {
        match Global::named(module, name) {
            Some(global) => self.push(Node::Global(global)),
            None => {
                let name = format!("{}.{}", module.escape_debug(), name.escape_debug());
                return Err(PickleError::UnknownGlobal { name });
            }
        }
        Ok(())
    }

    fn stack_global(&mut self) -> Result<(), PickleError> {
        let (name, module) = (self.pop()?, self.pop()?);
        let (Node::Str(module), Node::Str(name)) = (&self.nodes[module], &self.nodes[name]) else {
            return Err(self.malformed("the name of a class is not a string"));
        };
        if module.len() > MAX_GLOBAL_BYTES || name.len() > MAX_GLOBAL_BYTES {
            return Err(self.malformed("the name of a class is too long"));
        }
        self.global(module, name)
    }

    /// Notes what a call would make; calls nothing.
    fn reduce(&mut self) -> Result<(), PickleError> {
        let (arguments_id, callable) = (self.pop()?, self.pop()?);
        let (Node::Global(callable), Node::Tuple(arguments)) = (&self.nodes[callable], &self.nodes[arguments_id])
        else {
            return Err(self.malformed("a call without a known function or arguments"));
        };
        match (callable, arguments.as_slice()) {
            (Global::OrderedDict, []) => self.push(Node::Dict(Vec::new())),
            (Global::RebuildTensor, [_, _, _, _, _, _] | [_, _, _, _, _, _, _]) => {
                self.push(Node::Tensor(arguments_id))
            }
            // (tensor, requires_grad, hooks) is the tensor; (items) is the items' tuple.
            (Global::RebuildParameter, &[tensor, _, _]) => self.stack.push(tensor),
            (Global::Size, &[items]) => self.stack.push(items),
            (callable, arguments) => {
                return Err(self.malformed(format!("{callable:?} with {} arguments", arguments.len())));
            }
        }
        Ok(())
    }
}
