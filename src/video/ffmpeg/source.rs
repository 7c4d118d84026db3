//! Exact frames of a video file: where to start decoding, what counts as damaged, what stands in for it.
//!
//! Used by [`Reader`](crate::video::Reader). Two runs share the work. The *fast* one decodes with threads. When it meets
//! an error in a group of pictures, that group is decoded again by the *careful* one, with a single thread and from a key
//! frame that is itself good, because threaded decoding of damaged data is not repeatable. So a frame is the same
//! whichever way it is reached.
//!
//! Damage spreads: what a decoder predicts from a damaged picture it gives out as good. So every frame that comes after
//! damage in the file is marked, up to the next good key frame, but for damage in packets that nothing is predicted from.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::sync::Arc;

use super::packets::{self, PacketTable};
use super::pixels;
use super::run::{Decoded, Run, Step};
use crate::label::{FrameIdx, FrameSize};
use crate::video::errors::VideoError;
use crate::video::frame::{Damage, Frame, Picture};
use crate::video::index::FrameIndex;
use crate::video::orientation::Orientation;

/// Decoding this many frames onward is preferred to a seek.
const ONWARD_FRAMES: u32 = 16;
/// A frame counts as missing when this many later ones have come out of the careful run.
const PATIENCE: usize = 32;
/// Damaged key frames skipped on the way back to a good one.
const MAX_KEYS_BACK: usize = 64;

/// What every source of a clip shares.
pub(in crate::video) struct Shared {
    pub path: PathBuf,
    /// The stream's number in the container.
    pub stream: u32,
    pub(super) table: Arc<PacketTable>,
    pub orientation: Orientation,
    /// Size of the pictures as stored; others are refused.
    pub stored_size: FrameSize,
    pub index: Arc<FrameIndex>,
}

/// See the file's header.
pub(in crate::video) struct FrameSource {
    shared: Arc<Shared>,
    threads: usize,
    fast: Option<Walk>,
    careful: Option<Walk>,
    /// Groups of pictures, by key, in which the fast run met errors.
    troubled_keys: BTreeSet<usize>,
}

/// A run and how far it got.
struct Walk {
    run: Run,
    /// The key frame it was started for.
    anchor: usize,
    /// Frames before this rank are not exact.
    first_exact: u32,
    /// The last rank delivered in order, if any.
    last_rank: Option<u32>,
    /// The last good picture and its rank.
    last_good: Option<Arc<Picture>>,
    /// Pictures that came out before their turn.
    early: BTreeMap<u32, Ready>,
    /// Packets the decoder reported errors in.
    refused_packets: BTreeSet<u32>,
    /// Packets whose pictures are damaged or missing.
    damaged_packets: BTreeSet<u32>,
}

struct Ready {
    picture: Option<Arc<Picture>>,
    damage: Option<Damage>,
}

/// What a step of the decoder gave.
enum Advance {
    Sound,
    /// These packets are damaged, or one of them.
    Hurt {
        first: u32,
        last: u32,
    },
    End,
}

enum Sought {
    Found(Frame),
    Stopped,
    Troubled,
}

impl FrameSource {
    pub fn new(shared: Arc<Shared>, threads: usize) -> Self {
        FrameSource { shared, threads, fast: None, careful: None, troubled_keys: BTreeSet::new() }
    }

    /// The frame at `idx`, which the caller has checked. Frames decoded on the way go to `passed`, which may stop the
    /// search; then the answer is `None`.
    pub fn frame(
        &mut self,
        idx: FrameIdx,
        passed: &mut dyn FnMut(Frame) -> ControlFlow<()>,
    ) -> Result<Option<Frame>, VideoError> {
        let anchor = self.shared.table.anchor_of(idx.0);
        if !self.troubled_keys.contains(&anchor) {
            match self.fast_frame(idx.0, anchor, passed)? {
                Sought::Found(frame) => return Ok(Some(frame)),
                Sought::Stopped => return Ok(None),
                Sought::Troubled => {}
            }
        }
        match self.careful_frame(idx.0, anchor, passed)? {
            Sought::Found(frame) => Ok(Some(frame)),
            Sought::Stopped | Sought::Troubled => Ok(None),
        }
    }

    fn fast_frame(
        &mut self,
        rank: u32,
        anchor: usize,
        passed: &mut dyn FnMut(Frame) -> ControlFlow<()>,
    ) -> Result<Sought, VideoError> {
        let shared = Arc::clone(&self.shared);
        let mut walk = match self.fast.take() {
            Some(walk) if walk.can_reach(rank, shared.table.first_exact_rank(anchor)) => walk,
            other => {
                let run = match other {
                    Some(walk) => walk.run,
                    None => Run::open(&shared.path, shared.stream, self.threads, Some(Arc::clone(&shared.table)))?,
                };
                self.start(run, anchor)?
            }
        };
        for wanted in walk.next_rank()..=rank {
            let group = shared.table.anchor_of(wanted);
            while !self.troubled_keys.contains(&group) && !shared.is_settled(&walk, wanted) {
                match shared.advance(&mut walk)? {
                    Advance::Sound => {}
                    Advance::Hurt { first, last } => (first..=last).for_each(|packet| self.note_trouble(packet)),
                    Advance::End => {
                        self.troubled_keys.insert(anchor);
                        return Ok(Sought::Troubled);
                    }
                }
                // Pictures come in order of display; a gap means that one is missing.
                if shared.has_gap(&walk, wanted) {
                    self.troubled_keys.insert(group);
                }
                if self.troubled_keys.contains(&anchor) {
                    self.fast = Some(walk);
                    return Ok(Sought::Troubled);
                }
            }
            if self.troubled_keys.contains(&group) {
                walk.skip(wanted);
                continue;
            }
            let ready = shared.take(&mut walk, wanted);
            if ready.damage.is_some() {
                self.troubled_keys.insert(group);
            }
            let frame = shared.frame(wanted, &mut walk, ready);
            let sought = if self.troubled_keys.contains(&anchor) {
                Sought::Troubled
            } else if wanted == rank {
                Sought::Found(frame)
            } else if !self.troubled_keys.contains(&group) && passed(frame).is_break() {
                Sought::Stopped
            } else {
                continue;
            };
            self.fast = Some(walk);
            return Ok(sought);
        }
        unreachable!("the walk stands before the frame it was chosen for")
    }

    fn careful_frame(
        &mut self,
        rank: u32,
        anchor: usize,
        passed: &mut dyn FnMut(Frame) -> ControlFlow<()>,
    ) -> Result<Sought, VideoError> {
        let shared = Arc::clone(&self.shared);
        let mut walk = match self.careful.take() {
            // One group at a time, always from its own key: what is patched depends on what was decoded before.
            Some(walk) if walk.anchor == anchor && rank >= walk.next_rank() => walk,
            other => self.start_carefully(other.map(|walk| walk.run), anchor)?,
        };
        for wanted in walk.next_rank()..=rank {
            let ready = shared.await_rank(&mut walk, wanted)?;
            let frame = shared.frame(wanted, &mut walk, ready);
            if wanted == rank {
                self.careful = Some(walk);
                return Ok(Sought::Found(frame));
            }
            // Only frames of troubled groups are exact here and not better found by the fast run.
            if self.troubled_keys.contains(&shared.table.anchor_of(wanted)) && passed(frame).is_break() {
                self.careful = Some(walk);
                return Ok(Sought::Stopped);
            }
        }
        unreachable!("the walk stands before the frame it was chosen for")
    }

    /// A walk from a key that decodes without errors, at or before `anchor`.
    fn start_carefully(&mut self, run: Option<Run>, anchor: usize) -> Result<Walk, VideoError> {
        let shared = Arc::clone(&self.shared);
        let mut run = match run {
            Some(run) => run,
            None => Run::open(&shared.path, shared.stream, 1, Some(Arc::clone(&shared.table)))?,
        };
        let anchor_rank = shared.table.first_exact_rank(anchor);
        let mut key = anchor;
        for _ in 0..MAX_KEYS_BACK {
            let rank = shared.table.first_exact_rank(key);
            if rank > anchor_rank {
                key -= 1;
                continue;
            }
            if shared.table.can_seek_amid_damage() {
                run.seek_to_key(key)?;
            } else {
                run.read_to_key(key)?;
            }
            let mut walk = self.walk_from(run, key);
            walk.anchor = anchor;
            let ready = shared.await_rank(&mut walk, rank)?;
            let is_good = ready.damage.is_none();
            walk.early.insert(rank, ready);
            if is_good || key == 0 {
                return Ok(walk);
            }
            key -= 1;
            run = walk.run;
        }
        run.read_to_key(0)?;
        Ok(Walk { anchor, ..self.walk_from(run, 0) })
    }

    fn start(&self, mut run: Run, key: usize) -> Result<Walk, VideoError> {
        run.seek_to_key(key)?;
        Ok(self.walk_from(run, key))
    }

    fn walk_from(&self, run: Run, key: usize) -> Walk {
        Walk {
            run,
            anchor: key,
            first_exact: self.shared.table.first_exact_rank(key),
            last_rank: None,
            last_good: None,
            early: BTreeMap::new(),
            refused_packets: BTreeSet::new(),
            damaged_packets: BTreeSet::new(),
        }
    }

    fn note_trouble(&mut self, packet: u32) {
        let table = &self.shared.table;
        if let Some(rank) = table.rank_of(packet) {
            self.troubled_keys.insert(table.anchor_of(rank));
        }
        // Threads report late, and a leading picture belongs to two groups: mark the group in the file as well.
        let behind = table.keys().partition_point(|key| key.packet <= packet);
        self.troubled_keys.insert(behind.saturating_sub(1));
    }
}

impl Walk {
    /// Whether going on leads to the frame exactly, and sooner than a seek to its key.
    fn can_reach(&self, rank: u32, anchor_rank: u32) -> bool {
        rank >= self.next_rank() && anchor_rank <= self.next_rank().saturating_add(ONWARD_FRAMES)
    }

    fn next_rank(&self) -> u32 {
        self.last_rank.map_or(self.first_exact, |last| last + 1)
    }

    /// Moves past the next frame, decoded or not.
    fn skip(&mut self, rank: u32) {
        self.early.remove(&rank);
        self.last_rank = Some(rank);
    }
}

impl Shared {
    fn ready(&self, decoded: Decoded, is_hurt: bool) -> Ready {
        let found = FrameSize { width: decoded.frame.width(), height: decoded.frame.height() };
        if found != self.stored_size {
            return Ready { picture: None, damage: Some(Damage::OtherSize { found }) };
        }
        match pixels::picture_from(decoded.frame, self.orientation) {
            Ok(picture) => Ready { picture: Some(Arc::new(picture)), damage: is_hurt.then_some(Damage::Concealed) },
            Err(_) => Ready { picture: None, damage: Some(Damage::Missing) },
        }
    }

    /// Decodes until the frame of this rank is there, and all that says whether it is sound, or is known to be missing;
    /// others wait in `early`.
    fn await_rank(&self, walk: &mut Walk, rank: u32) -> Result<Ready, VideoError> {
        while !self.is_settled(walk, rank) && walk.early.len() < PATIENCE {
            if matches!(self.advance(walk)?, Advance::End) {
                break;
            }
        }
        Ok(self.take(walk, rank))
    }

    /// One step of the walk's decoder.
    fn advance(&self, walk: &mut Walk) -> Result<Advance, VideoError> {
        match walk.run.step()? {
            Step::Picture(decoded) => {
                let packet = decoded.packet;
                let found = self.table.rank_of(packet);
                if found.is_some_and(|found| found < walk.first_exact) {
                    return Ok(Advance::Sound);
                }
                let is_known_damage = walk.refused_packets.contains(&packet) || self.table.corrupt().contains(&packet);
                let is_hurt = decoded.is_suspect || is_known_damage;
                if is_hurt {
                    walk.damaged_packets.insert(packet);
                }
                if let Some(found) = found.filter(|&found| found >= walk.next_rank()) {
                    walk.early.entry(found).or_insert_with(|| self.ready(decoded, is_hurt));
                }
                Ok(if is_hurt { Advance::Hurt { first: packet, last: packet } } else { Advance::Sound })
            }
            // With a single thread it is the packet just fed; what comes of it is not to be trusted.
            Step::Trouble { first, last } => {
                for packet in first..=last {
                    walk.refused_packets.insert(packet);
                    walk.damaged_packets.insert(packet);
                }
                Ok(Advance::Hurt { first, last })
            }
            Step::End => Ok(Advance::End),
        }
    }

    /// The frame of this rank as it came, or as missing; damaged where it may be predicted from damage.
    fn take(&self, walk: &mut Walk, rank: u32) -> Ready {
        let missing: Vec<u32> = self.unsettled(walk, rank).collect();
        if !walk.run.may_pass_over() {
            walk.damaged_packets.extend(missing.into_iter().map(|missing| self.table.packet_of(missing)));
        }
        let mut ready = walk.early.remove(&rank).unwrap_or(Ready { picture: None, damage: Some(Damage::Missing) });
        if ready.damage.is_none() && self.is_predicted_from_damage(walk, rank) {
            ready.damage = Some(Damage::Concealed);
        }
        ready
    }

    /// Whether the frame of this rank is there, and all that says whether it is sound.
    fn is_settled(&self, walk: &Walk, rank: u32) -> bool {
        self.unsettled(walk, rank).next().is_none()
    }

    /// Whether a later picture came before one that this rank waits for.
    fn has_gap(&self, walk: &Walk, rank: u32) -> bool {
        let newest = walk.early.last_key_value().map(|(&newest, _)| newest);
        self.unsettled(walk, rank).any(|awaited| newest.is_some_and(|newest| awaited < newest))
    }

    /// Those of [`needed`](Shared::needed) that did not come yet, and are not known to be damaged.
    fn unsettled(&self, walk: &Walk, rank: u32) -> impl Iterator<Item = u32> {
        self.needed(rank).filter(move |&needed| {
            let is_known_damage = needed != rank && walk.damaged_packets.contains(&self.table.packet_of(needed));
            !walk.early.contains_key(&needed) && !is_known_damage
        })
    }

    /// The frame itself, and those shown later that it may be predicted from: decoders say of a picture that it is
    /// damaged when they give it out.
    fn needed(&self, rank: u32) -> impl Iterator<Item = u32> {
        let key = self.table.keys()[self.table.anchor_of(rank)];
        let before = key.packet..self.table.packet_of(rank);
        let end = rank.saturating_add(1 + packets::as_u32(PATIENCE)).min(self.table.frame_count());
        let later = (rank + 1..end).filter(move |&later| {
            let packet = self.table.packet_of(later);
            before.contains(&packet) && !self.table.is_disposable(packet)
        });
        std::iter::once(rank).chain(later)
    }

    /// Whether damage may have come into the frame: nothing before the key from which it is exact can.
    fn is_predicted_from_damage(&self, walk: &Walk, rank: u32) -> bool {
        let key = self.table.keys()[self.table.anchor_of(rank)];
        let before = key.packet..self.table.packet_of(rank);
        // Nothing shown after a key is predicted from what follows it in the file and is shown before it.
        let spreads = |&packet: &u32| {
            let is_leading = self.table.rank_of(packet).is_some_and(|leading| leading < key.rank && key.rank <= rank);
            !is_leading && !self.table.is_disposable(packet)
        };
        walk.damaged_packets.range(before.clone()).any(spreads) || self.table.corrupt().range(before).any(spreads)
    }

    /// Makes the frame of a rank and moves the walk past it. Frames without a picture repeat the last good one.
    fn frame(&self, rank: u32, walk: &mut Walk, ready: Ready) -> Frame {
        walk.last_rank = Some(rank);
        let picture = match ready.picture {
            Some(picture) => picture,
            None => match &walk.last_good {
                Some(picture) => Arc::clone(picture),
                None => Arc::new(Picture::black(self.orientation.size(self.stored_size))),
            },
        };
        if ready.damage.is_none() {
            walk.last_good = Some(Arc::clone(&picture));
        }
        let idx = FrameIdx(rank);
        let pts_secs = self.index.pts_secs(idx).expect("ranks come from the table the index was made from");
        Frame { idx, pts_secs, damage: ready.damage, picture }
    }
}
