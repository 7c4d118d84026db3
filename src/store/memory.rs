//! Keeps masks in memory, compactly, for as long as the program runs.

use std::collections::{HashMap, HashSet};

use super::{Durability, HistoryChange, LabelStore, SaveState, StoreError, runs};
use crate::label::{Edit, Mask, MaskId};

/// A store that ends with the program.
#[derive(Debug, Default)]
pub struct MemoryStore {
    masks: HashMap<MaskId, Box<[u8]>>,
    last_id: u64,
    byte_count: usize,
}

impl LabelStore for MemoryStore {
    fn put(&mut self, mask: &Mask) -> MaskId {
        self.last_id += 1;
        let bytes = runs::encode(mask);
        self.byte_count += bytes.len();
        self.masks.insert(MaskId(self.last_id), bytes);
        MaskId(self.last_id)
    }

    fn get(&self, id: MaskId) -> Result<Mask, StoreError> {
        let bytes = self.masks.get(&id).ok_or(StoreError::Unknown(id))?;
        runs::decode(bytes).map_err(|cause| StoreError::Damaged { id, cause })
    }

    fn record(&mut self, _edit: &Edit) {
        // The world is the only copy there is.
    }

    fn note_history(&mut self, _change: HistoryChange) {}

    fn note_session(&mut self, _session: &str) {}

    fn finish(&mut self, _durability: Durability) {}

    fn close(&mut self) -> Result<(), StoreError> {
        Ok(())
    }

    fn saved(&self) -> SaveState {
        // There is no file that could lag behind.
        SaveState::Saved
    }

    fn keep_only(&mut self, used: &HashSet<MaskId>) {
        self.masks.retain(|id, _| used.contains(id));
        self.byte_count = self.masks.values().map(|bytes| bytes.len()).sum();
    }

    fn byte_count(&self) -> usize {
        self.byte_count
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::label::FrameSize;

    #[test]
    fn masks_are_kept_until_nothing_names_them() {
        let mut store = MemoryStore::default();
        let mask = |n: usize| Mask::from_fn(FrameSize { width: 9, height: 9 }, |i| i < n);
        let (a, b) = (store.put(&mask(3)), store.put(&mask(40)));
        assert_eq!((store.get(a), store.get(b)), (Ok(mask(3)), Ok(mask(40))));
        store.keep_only(&HashSet::from([b]));
        assert_eq!(store.get(a), Err(StoreError::Unknown(a)));
        assert_eq!(store.get(b), Ok(mask(40)));
        let c = store.put(&mask(3));
        assert!(c != a && c != b, "ids are never reused");
    }
}
