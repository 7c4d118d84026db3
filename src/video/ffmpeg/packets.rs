//! The packet table: which packet holds which frame, and where decoding can start.
//!
//! Filled by the scan, read by the frame source. Packets are numbered in file order; that number travels through the
//! decoder as the timestamp, so a picture says exactly which packet it came from, whatever the file's own timestamps
//! are worth. Pure data, no ffmpeg calls.

use std::collections::BTreeSet;

/// Rank of a packet that holds no frame of its own.
pub(super) const NO_FRAME: u32 = u32::MAX;

/// What the demuxer says about one packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct PacketFact {
    pub pts: Option<i64>,
    pub dts: Option<i64>,
    pub position: i64,
    pub byte_count: u32,
    pub is_key: bool,
    /// The demuxer knows that bytes are missing or wrong.
    pub is_corrupt: bool,
    /// Outside the edit list: decoded, never shown.
    pub is_discarded: bool,
    /// Holds no picture to show (an alternate reference, an empty packet).
    pub is_invisible: bool,
    /// No other picture is predicted from what it holds.
    pub is_disposable: bool,
}

/// Recognises a packet after a seek.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Fingerprint {
    position: i64,
    pts: Option<i64>,
    byte_count: u32,
}

impl PacketFact {
    pub fn fingerprint(&self) -> Fingerprint {
        Fingerprint { position: self.position, pts: self.pts, byte_count: self.byte_count }
    }
}

/// A packet at which decoding can start.
#[derive(Debug, Clone, Copy)]
pub(super) struct KeyPacket {
    pub packet: u32,
    /// Frames of this rank and later are exact when decoding starts here.
    pub rank: u32,
    pub fingerprint: Fingerprint,
    /// Where to ask the container to go, `None` when the packet has no timestamp.
    pub seek_timestamp: Option<i64>,
}

/// See the file's header.
#[derive(Debug)]
pub(super) struct PacketTable {
    /// Per packet: rank of its frame, or [`NO_FRAME`].
    ranks: Vec<u32>,
    /// Per packet: size, to notice that reading lost its place.
    byte_counts: Vec<u32>,
    /// Per packet: whether no other picture is predicted from what it holds.
    is_disposable: Vec<bool>,
    /// Packets of which the demuxer knows that bytes are missing or wrong.
    corrupt: BTreeSet<u32>,
    /// Per frame: its packet.
    frame_packets: Vec<u32>,
    keys: Vec<KeyPacket>,
    can_seek: bool,
    palettes: Palettes,
    is_parsed: bool,
}

/// Colours of a stream of numbered ones: the first packet of each palette, and its bytes.
pub(super) type Palettes = Vec<(u32, Vec<u8>)>;

/// A frame as the ordering found it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Placed {
    pub packet: u32,
    pub pts: i64,
}

impl PacketTable {
    /// A table over `frames` in display order. `is_parsed` says that the demuxer cuts packets out of a byte stream: where
    /// that stream is damaged, packets read after a seek may differ from those of the scan, so it is read in turn.
    pub fn new(facts: &[PacketFact], frames: &[Placed], is_parsed: bool) -> Self {
        let mut ranks = vec![NO_FRAME; facts.len()];
        for (rank, frame) in frames.iter().enumerate() {
            ranks[frame.packet as usize] = as_u32(rank);
        }
        let first_packet = first_key(facts);
        let mut keys: Vec<KeyPacket> = Vec::new();
        for (packet, fact) in facts.iter().enumerate().skip(first_packet) {
            if packet != first_packet && (!fact.is_key || fact.byte_count == 0) {
                continue;
            }
            let rank = match ranks[packet] {
                // A discarded key frame: everything shown at or after its time is exact.
                NO_FRAME => match fact.pts {
                    Some(pts) => as_u32(frames.partition_point(|frame| frame.pts < pts)),
                    None if packet == first_packet => 0,
                    None => continue,
                },
                rank => rank,
            };
            // Both are needed: a demuxer may sort its own index by either.
            let seek_timestamp = match (fact.pts, fact.dts) {
                (Some(pts), Some(dts)) => Some(pts.max(dts)),
                (pts, dts) => pts.or(dts),
            };
            keys.push(KeyPacket { packet: as_u32(packet), rank, fingerprint: fact.fingerprint(), seek_timestamp });
        }
        let mut fingerprints: Vec<Fingerprint> = keys.iter().map(|key| key.fingerprint).collect();
        fingerprints.sort_unstable();
        let can_seek = fingerprints.windows(2).all(|pair| pair[0] != pair[1])
            && keys.iter().all(|key| key.seek_timestamp.is_some())
            && !(is_parsed && facts.iter().any(|fact| fact.is_corrupt));
        PacketTable {
            ranks,
            byte_counts: facts.iter().map(|fact| fact.byte_count).collect(),
            is_disposable: facts.iter().map(|fact| fact.is_disposable).collect(),
            corrupt: (0..).zip(facts).filter(|(_, fact)| fact.is_corrupt).map(|(packet, _)| packet).collect(),
            frame_packets: frames.iter().map(|frame| frame.packet).collect(),
            keys,
            can_seek,
            palettes: Palettes::new(),
            is_parsed,
        }
    }

    /// The same for a stream with palettes, in the order of their packets.
    pub fn with_palettes(self, palettes: Palettes) -> Self {
        PacketTable { palettes, ..self }
    }

    /// The colours a packet is decoded with. Demuxers give them with the first packet that has them, which is not met
    /// where decoding starts after a seek.
    pub fn palette_of(&self, packet: u32) -> Option<&[u8]> {
        let behind = self.palettes.partition_point(|(first, _)| *first <= packet);
        behind.checked_sub(1).map(|last| self.palettes[last].1.as_slice())
    }

    pub fn packet_count(&self) -> u32 {
        as_u32(self.ranks.len())
    }

    /// Rank of the frame in a packet.
    pub fn rank_of(&self, packet: u32) -> Option<u32> {
        self.ranks.get(packet as usize).copied().filter(|&rank| rank != NO_FRAME)
    }

    /// The packet of the frame at `rank`, which there is.
    pub fn packet_of(&self, rank: u32) -> u32 {
        self.frame_packets[rank as usize]
    }

    pub fn frame_count(&self) -> u32 {
        as_u32(self.frame_packets.len())
    }

    pub fn byte_count_of(&self, packet: u32) -> Option<u32> {
        self.byte_counts.get(packet as usize).copied()
    }

    /// Whether no other picture is predicted from what the packet holds.
    pub fn is_disposable(&self, packet: u32) -> bool {
        self.is_disposable.get(packet as usize).is_some_and(|&is_disposable| is_disposable)
    }

    /// Packets of which the demuxer knows that bytes are missing or wrong.
    pub fn corrupt(&self) -> &BTreeSet<u32> {
        &self.corrupt
    }

    pub fn keys(&self) -> &[KeyPacket] {
        &self.keys
    }

    /// Whether keys can be told apart and asked for.
    pub fn can_seek(&self) -> bool {
        self.can_seek
    }

    /// Whether what is read after a seek is what is read in turn, damaged data included.
    pub fn can_seek_amid_damage(&self) -> bool {
        self.can_seek && !self.is_parsed
    }

    /// The last key from which the frame at `rank` decodes exactly: before it in the file, and not after it on screen.
    pub fn anchor_of(&self, rank: u32) -> usize {
        let packet = self.frame_packets[rank as usize];
        let behind = self.keys.partition_point(|key| key.packet <= packet);
        (0..behind).rev().find(|&key| self.keys[key].rank <= rank).unwrap_or(0)
    }

    /// Frames of this rank and later are exact when decoding starts at a key. From the first one, all that come are.
    pub fn first_exact_rank(&self, key: usize) -> u32 {
        if key == 0 { 0 } else { self.keys[key].rank }
    }

    /// Finds the key a packet is, after a seek.
    pub fn key_with(&self, fingerprint: Fingerprint) -> Option<usize> {
        // Keys are few and sought rarely: no second table for them.
        self.keys.iter().position(|key| key.fingerprint == fingerprint)
    }
}

/// The first packet from which anything decodes.
pub(super) fn first_key(facts: &[PacketFact]) -> usize {
    facts.iter().position(|fact| fact.is_key && fact.byte_count > 0).unwrap_or(0)
}

/// How far a clock has to jump back for a new segment to start, in ticks. At a key frame a little is enough: nothing that
/// is decoded before it is shown after it. Elsewhere it may be a muxer's carelessness.
#[derive(Debug, Clone, Copy)]
pub(super) struct Jump {
    pub at_key: i64,
    pub anywhere: i64,
}

/// Whether the timestamps give the order of decoding alone, as where a stream was copied from a container that has no
/// others. Known only if every packet has both and they are always the same.
pub(super) fn are_times_of_decoding(facts: &[PacketFact]) -> bool {
    facts.iter().all(|fact| fact.pts.is_some() && fact.pts == fact.dts)
}

/// Packets that hold frames, by presentation time. `None` when timestamps are missing and the decoder has to be asked.
///
/// Where the clock jumps back (a spliced transport stream), later packets continue after earlier ones instead of being
/// mixed among them.
pub(super) fn order_by_time(facts: &[PacketFact], can_reorder: bool, jump: Jump) -> Option<Vec<Placed>> {
    let mut frames = Vec::new();
    let (mut last_dts, mut shift, mut end): (Option<i64>, i64, i64) = (None, 0, i64::MIN);
    let mut segment_start = 0;
    for (packet, fact) in facts.iter().enumerate().skip(first_key(facts)) {
        if let (Some(dts), Some(last)) = (fact.dts, last_dts)
            && dts < last.saturating_sub(if fact.is_key { jump.at_key } else { jump.anywhere })
        {
            frames[segment_start..].sort_by_key(|frame: &Placed| frame.pts);
            segment_start = frames.len();
            shift = end.saturating_add(1).saturating_sub(dts.min(fact.pts.unwrap_or(dts)));
        }
        last_dts = fact.dts.or(last_dts);
        if fact.is_discarded || fact.is_invisible || fact.byte_count == 0 {
            continue;
        }
        let time = if can_reorder { fact.pts? } else { fact.pts.or(fact.dts)? };
        let pts = time.saturating_add(shift);
        end = end.max(pts);
        frames.push(Placed { packet: as_u32(packet), pts });
    }
    frames[segment_start..].sort_by_key(|frame| frame.pts);
    // A splice may still overlap its predecessor by a few reordered pictures: keep time from running backwards.
    for later in 1..frames.len() {
        frames[later].pts = frames[later].pts.max(frames[later - 1].pts);
    }
    Some(frames)
}

pub(super) fn as_u32(count: usize) -> u32 {
    u32::try_from(count).expect("limits::MAX_PACKETS is below 2^32")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fact(pts: i64, dts: i64, is_key: bool) -> PacketFact {
        PacketFact {
            pts: Some(pts),
            dts: Some(dts),
            position: dts * 100,
            byte_count: 10,
            is_key,
            is_corrupt: false,
            is_discarded: false,
            is_invisible: false,
            is_disposable: false,
        }
    }

    const JUMP: Jump = Jump { at_key: 1, anywhere: 50 };

    fn packets(frames: &[Placed]) -> Vec<u32> {
        frames.iter().map(|frame| frame.packet).collect()
    }

    #[test]
    fn leading_pictures_of_an_open_gop_start_one_key_earlier() {
        // I0 P2 B1 | I5 B3 B4 P6: the two B pictures follow I5 in the file and precede it on screen.
        let facts =
            [(0, 0, true), (2, 1, false), (1, 2, false), (5, 3, true), (3, 4, false), (4, 5, false), (6, 6, false)]
                .map(|(pts, dts, is_key)| fact(pts, dts, is_key));
        let frames = order_by_time(&facts, true, JUMP).expect("all have pts");
        assert_eq!(packets(&frames), [0, 2, 1, 4, 5, 3, 6]);
        let table = PacketTable::new(&facts, &frames, false);
        let anchors: Vec<usize> = (0..7).map(|rank| table.anchor_of(rank)).collect();
        assert_eq!(anchors, [0, 0, 0, 0, 0, 1, 1]);
        assert_eq!(table.first_exact_rank(1), 5);
    }

    #[test]
    fn packets_before_the_first_key_discarded_and_invisible_ones_have_no_frame() {
        let mut facts = [(0, 0, false), (1, 1, true), (2, 2, false), (3, 3, false), (4, 4, false)]
            .map(|(pts, dts, is_key)| fact(pts, dts, is_key));
        facts[1].is_discarded = true;
        facts[3].is_invisible = true;
        let frames = order_by_time(&facts, true, JUMP).expect("all have pts");
        assert_eq!(packets(&frames), [2, 4]);
        let table = PacketTable::new(&facts, &frames, false);
        assert_eq!((table.rank_of(0), table.rank_of(1), table.rank_of(4)), (None, None, Some(1)));
        assert_eq!(table.keys()[0].packet, 1, "decoding starts at the discarded key");
        assert_eq!(table.anchor_of(0), 0);
    }

    #[test]
    fn a_palette_holds_until_the_next() {
        let table = PacketTable::new(&[], &[], false).with_palettes(vec![(2, vec![1]), (5, vec![2])]);
        let palettes: Vec<_> = [0, 2, 4, 5, 9].map(|packet| table.palette_of(packet).map(|bytes| bytes[0])).into();
        assert_eq!(palettes, [None, Some(1), Some(1), Some(2), Some(2)]);
    }

    #[test]
    fn a_clock_that_jumps_back_starts_a_new_segment() {
        let facts = [(100, 100, true), (101, 101, false), (0, 0, true), (1, 1, false)]
            .map(|(pts, dts, is_key)| fact(pts, dts, is_key));
        let frames = order_by_time(&facts, true, JUMP).expect("all have pts");
        assert_eq!(packets(&frames), [0, 1, 2, 3]);
        assert!(frames.is_sorted_by(|a, b| a.pts < b.pts), "{frames:?}");
    }

    #[test]
    fn a_small_jump_back_is_a_splice_at_a_key_frame_only() {
        let facts = |is_key| {
            [(10, 10, true), (11, 11, false), (12, 12, false), (10, 10, is_key), (11, 11, false)]
                .map(|(pts, dts, is_key)| fact(pts, dts, is_key))
        };
        let order = |is_key| packets(&order_by_time(&facts(is_key), true, JUMP).expect("all have pts"));
        assert_eq!(order(true), [0, 1, 2, 3, 4]);
        assert_eq!(order(false), [0, 3, 1, 4, 2]);
    }

    #[test]
    fn missing_timestamps_are_not_guessed_where_pictures_reorder() {
        let mut facts = [fact(0, 0, true), fact(1, 1, false)];
        facts[1].pts = None;
        assert_eq!(order_by_time(&facts, true, JUMP), None);
        assert_eq!(packets(&order_by_time(&facts, false, JUMP).expect("dts will do")), [0, 1]);
    }
}
