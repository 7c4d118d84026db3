//! Where masks and edits are kept.
//!
//! The app's world holds what is needed to draw and to decide; the masks of a long clip live here, by [`MaskId`]. Callers
//! know the trait [`LabelStore`] only. The room uses `label`, never Bevy, ffmpeg or candle.

mod memory;
mod runs;

pub use memory::MemoryStore;

use std::collections::HashSet;

use crate::label::{Edit, Mask, MaskId};

/// Why the store could not do what it was asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// No mask has this id.
    #[error("mask {0:?} is not in the store; undo the last steps, or track this frame again")]
    Unknown(MaskId),
    /// What is stored for a mask is not a mask.
    #[error("mask {id:?} is damaged in the store ({cause}); track this frame again")]
    Damaged {
        /// The mask.
        id: MaskId,
        /// What is wrong with it.
        cause: String,
    },
}

/// Keeps masks and takes note of edits.
pub trait LabelStore: Send + Sync {
    /// Keeps a mask under a new id.
    fn put(&mut self, mask: &Mask) -> MaskId;

    /// A mask as it was put.
    ///
    /// # Errors
    /// When there is none under this id, or it is damaged.
    fn get(&self, id: MaskId) -> Result<Mask, StoreError>;

    /// Takes note of an edit that the world has taken up.
    fn record(&mut self, edit: &Edit);

    /// Forgets every mask but these: nothing in the world or its undo history names the others any more.
    fn keep_only(&mut self, used: &HashSet<MaskId>);

    /// Memory or disk the masks take, in bytes.
    fn byte_count(&self) -> usize;
}
