//! Decoded frames kept within a byte budget, the least recently used dropped first.
//!
//! Shared by the decode thread and whoever asks it. Stepping back costs nothing because frames passed on the way to another land here too.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use super::frame::Frame;
use crate::label::FrameIdx;

/// A least-recently-used cache of frames.
#[derive(Debug)]
pub struct FrameCache {
    budget_bytes: usize,
    used_bytes: usize,
    clock: u64,
    frames: HashMap<FrameIdx, Slot>,
    by_age: BTreeMap<u64, FrameIdx>,
}

#[derive(Debug)]
struct Slot {
    frame: Arc<Frame>,
    byte_count: usize,
    used_at: u64,
}

impl FrameCache {
    /// An empty cache.
    pub fn new(budget_bytes: usize) -> Self {
        FrameCache { budget_bytes, used_bytes: 0, clock: 0, frames: HashMap::new(), by_age: BTreeMap::new() }
    }

    /// The frame, if it is here; it becomes the most recently used.
    pub fn get(&mut self, idx: FrameIdx) -> Option<Arc<Frame>> {
        let slot = self.frames.get_mut(&idx)?;
        self.by_age.remove(&slot.used_at);
        self.clock += 1;
        slot.used_at = self.clock;
        self.by_age.insert(self.clock, idx);
        Some(Arc::clone(&slot.frame))
    }

    /// Whether the frame is here, without touching its age.
    pub fn contains(&self, idx: FrameIdx) -> bool {
        self.frames.contains_key(&idx)
    }

    /// The ranges of frames that are here, both ends included and ascending.
    pub fn ranges(&self) -> Vec<(FrameIdx, FrameIdx)> {
        let mut all: Vec<FrameIdx> = self.frames.keys().copied().collect();
        all.sort_unstable();
        let mut ranges: Vec<(FrameIdx, FrameIdx)> = Vec::new();
        for idx in all {
            match ranges.last_mut() {
                Some((_, last)) if last.0 + 1 == idx.0 => *last = idx,
                _ => ranges.push((idx, idx)),
            }
        }
        ranges
    }

    /// Keeps a frame and drops the oldest ones beyond the budget. The newest frame stays even when it alone exceeds it.
    pub fn insert(&mut self, frame: Arc<Frame>) {
        let idx = frame.idx();
        self.remove(idx);
        self.clock += 1;
        let byte_count = frame.byte_count();
        self.used_bytes += byte_count;
        self.by_age.insert(self.clock, idx);
        self.frames.insert(idx, Slot { frame, byte_count, used_at: self.clock });
        while self.used_bytes > self.budget_bytes && self.frames.len() > 1 {
            let (_, &oldest) = self.by_age.first_key_value().expect("two lists of one length");
            self.remove(oldest);
        }
    }

    /// Bytes held.
    pub fn used_bytes(&self) -> usize {
        self.used_bytes
    }

    /// Frames held.
    pub fn len(&self) -> usize {
        self.frames.len()
    }

    /// Whether nothing is held.
    pub fn is_empty(&self) -> bool {
        self.frames.is_empty()
    }

    fn remove(&mut self, idx: FrameIdx) {
        if let Some(slot) = self.frames.remove(&idx) {
            self.by_age.remove(&slot.used_at);
            self.used_bytes -= slot.byte_count;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::label::FrameSize;
    use crate::video::frame::Picture;

    fn frame(idx: u32) -> Arc<Frame> {
        let picture = Arc::new(Picture::black(FrameSize { width: 10, height: 10 }));
        Arc::new(Frame { idx: FrameIdx(idx), pts_secs: 0.0, damage: None, picture })
    }

    #[test]
    fn oldest_frames_leave_when_the_budget_is_spent() {
        let mut cache = FrameCache::new(900);
        for idx in 0..3 {
            cache.insert(frame(idx));
        }
        assert_eq!((cache.len(), cache.used_bytes()), (3, 900));
        assert!(cache.get(FrameIdx(0)).is_some(), "touched, so frame 1 is now the oldest");
        cache.insert(frame(3));
        assert!(!cache.contains(FrameIdx(1)));
        assert!(cache.contains(FrameIdx(0)) && cache.contains(FrameIdx(2)) && cache.contains(FrameIdx(3)));
        assert_eq!(cache.used_bytes(), 900);
        cache.insert(frame(3));
        assert_eq!(cache.used_bytes(), 900, "replacing a frame does not count it twice");
    }

    #[test]
    fn one_frame_stays_even_beyond_the_budget() {
        let mut cache = FrameCache::new(1);
        cache.insert(frame(0));
        cache.insert(frame(1));
        assert_eq!(cache.len(), 1);
        assert!(cache.contains(FrameIdx(1)));
    }
}
