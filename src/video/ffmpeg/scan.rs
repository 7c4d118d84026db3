//! Opening a video file: one pass over its packets makes the index, one picture says what frames look like.
//!
//! Called by [`open`](crate::video::open). Nothing is decoded but the first picture, unless the timestamps do not give the
//! order of the frames; then everything is decoded once to learn it.

use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;

use ffmpeg_next::codec::Id;
use ffmpeg_next::codec::packet::Packet;
use ffmpeg_next::{ffi, frame};

use super::demuxer::{Demuxer, Read1, Watch};
use super::packets::{self, Jump, PacketFact, PacketTable, Palettes, Placed};
use super::references::References;
use super::run::{self, Run, Step};
use super::source::Shared;
use super::visibility;
use super::{keys, pixels};
use crate::label::FrameSize;
use crate::video::clip::StreamFacts;
use crate::video::errors::{Notice, VideoError};
use crate::video::frame::Picture;
use crate::video::identity::ClipIdentity;
use crate::video::index::{FrameEntry, FrameIndex, TimeBase};
use crate::video::{IndexProgress, limits};

/// Packets between two calls of the progress callback.
const PROGRESS_PACKETS: usize = 64;
/// A clock that jumps back further than this starts a new segment, wherever it does.
const JUMP_SECS: f64 = 1.0;
/// The same at a key frame, in frames.
const JUMP_FRAMES: i64 = 1;
/// Pictures may end this much before the time their track announces.
const END_TOLERANCE_SECS: f64 = 0.2;
/// Assumed where a file says nothing.
const FALLBACK_RATE: f64 = 25.0;

type Progress<'a> = &'a mut dyn FnMut(IndexProgress) -> ControlFlow<()>;

/// What opening a video finds.
pub(in crate::video) struct OpenedVideo {
    pub shared: Arc<Shared>,
    pub size: FrameSize,
    pub sample_aspect_ratio: (u32, u32),
    pub frame_rate_hint: Option<f64>,
    pub notices: Vec<Notice>,
    pub facts: StreamFacts,
}

pub(in crate::video) fn open_video(
    path: &Path,
    stream: Option<u32>,
    progress: Progress<'_>,
) -> Result<OpenedVideo, VideoError> {
    let io_error = |source| VideoError::Io { path: path.to_owned(), source };
    let mut demuxer = Demuxer::open(path, stream, Watch::new())?;
    let header = Header::of(&mut demuxer);
    let mut scanned = read_packets(&mut demuxer, &header, progress)?;
    let mut notices = Vec::new();
    let mut frames = place_frames(path, &header, &scanned, &mut notices, progress)?;
    if frames.is_empty() {
        return Err(VideoError::NoFrames { path: path.to_owned() });
    }
    let table = scanned.table_of(&frames, &header);
    let probe = probe_first_picture(path, header.stream, &table, progress)?;
    let table = if probe.lost_leading.is_empty() {
        table
    } else {
        notices.push(Notice::LeadingPicturesDropped { count: packets::as_u32(probe.lost_leading.len()) });
        // They are damaged, and nothing shown after the key frame is predicted from them.
        for &lost in &probe.lost_leading {
            scanned.facts[table.packet_of(lost) as usize].is_disposable = true;
        }
        frames.retain(|frame| table.rank_of(frame.packet).is_none_or(|rank| !probe.lost_leading.contains(&rank)));
        scanned.table_of(&frames, &header)
    };

    let of_file = ClipIdentity::of_file(path).map_err(io_error)?;
    // Asked for or not: the stream that the file shows by itself is one clip.
    let identity = if demuxer.is_best_stream() { of_file } else { of_file.of_stream(header.stream) };
    let index = Arc::new(frame_index(&header, &scanned.facts, &frames, identity));
    collect_notices(&demuxer, &header, &scanned, &probe, &index, &mut notices);
    let count = packets::as_u32(demuxer.video_streams().len());
    // Whoever asked for a stream knows.
    if count > 1 && stream.is_none() {
        notices.push(Notice::SeveralVideoStreams { count, chosen: header.stream });
    }
    if scanned.has_unknown_keys || (!table.can_seek() && table.keys().len() > 1) {
        notices.push(Notice::SequentialOnly);
    }

    let orientation = demuxer.orientation().unwrap_or_else(|| {
        notices.push(Notice::OddRotationIgnored);
        crate::video::orientation::Orientation::default()
    });
    let stored_size = FrameSize { width: probe.frame.width(), height: probe.frame.height() };
    limits::check_size(path, stored_size)?;
    let pixel_format =
        probe.frame.format().descriptor().map_or_else(|| "unknown".to_owned(), |known| known.name().to_owned());
    let picture: Picture = pixels::picture_from(probe.frame, orientation)
        .map_err(|detail| VideoError::NotAVideo { path: path.to_owned(), detail })?;
    if picture.colour.is_hdr() {
        notices.push(Notice::HdrToneMapped);
    }
    let (rotation_degrees, is_mirrored) = orientation.degrees_and_mirror();
    let facts = StreamFacts {
        container: demuxer.format_name(),
        codec: header.codec.name().to_owned(),
        pixel_format,
        colour: picture.colour,
        stream: Some(header.stream),
        streams: demuxer.video_streams().to_vec(),
        stored_size,
        rotation_degrees,
        is_mirrored,
    };
    let (across, down) = header.sample_aspect_ratio;
    let sample_aspect_ratio = if orientation.transpose { (down, across) } else { (across, down) };
    let size = picture.size;
    let shared =
        Arc::new(Shared { path: path.to_owned(), stream: header.stream, table, orientation, stored_size, index });
    Ok(OpenedVideo { shared, size, sample_aspect_ratio, frame_rate_hint: header.rate, notices, facts })
}

/// What the container says about the stream.
struct Header {
    /// Its number in the container.
    stream: u32,
    codec: Id,
    time_base: TimeBase,
    rate: Option<f64>,
    announced_packets: Option<u64>,
    can_reorder: bool,
    /// The decoder holds pictures back before it shows them.
    has_delay: bool,
    /// Packets are cut out of a byte stream by a parser.
    is_elementary: bool,
    is_avi: bool,
    is_interlaced: bool,
    sample_aspect_ratio: (u32, u32),
}

impl Header {
    fn of(demuxer: &mut Demuxer) -> Self {
        let sample_aspect_ratio = demuxer.sample_aspect_ratio().unwrap_or((1, 1));
        let stream = demuxer.stream();
        let parameters = demuxer.parameters();
        let codec = parameters.id();
        // SAFETY: plain fields of structures owned by the open input.
        let (delay, field_order) = unsafe {
            let raw = parameters.as_ptr();
            ((*raw).video_delay, (*raw).field_order)
        };
        let rates = [stream.avg_frame_rate(), stream.rate()];
        let rate = rates
            .iter()
            .filter(|rate| rate.numerator() > 0 && rate.denominator() > 0)
            .map(|rate| f64::from(*rate))
            .find(|rate| (0.001..=1000.0).contains(rate));
        let is_interlaced =
            !matches!(field_order, ffi::AVFieldOrder::AV_FIELD_UNKNOWN | ffi::AVFieldOrder::AV_FIELD_PROGRESSIVE);
        let format = demuxer.format_name();
        let is_one_of = |names: &[&str]| format.split(',').any(|name| names.contains(&name));
        let reorders = matches!(codec, Id::H264 | Id::HEVC | Id::VC1 | Id::MPEG4 | Id::MPEG2VIDEO);
        Header {
            stream: demuxer.stream_number(),
            codec,
            time_base: demuxer.time_base(),
            rate,
            announced_packets: u64::try_from(stream.frames()).ok().filter(|&count| count > 0),
            can_reorder: delay > 0 || reorders,
            has_delay: delay > 0,
            is_elementary: is_one_of(&["mpegts", "h264", "hevc", "mpeg"]),
            is_avi: is_one_of(&["avi"]),
            is_interlaced,
            sample_aspect_ratio,
        }
    }

    /// How long a frame is shown, in ticks.
    fn frame_ticks(&self) -> i64 {
        self.time_base.ticks(1.0 / self.rate.unwrap_or(FALLBACK_RATE)).max(1)
    }
}

struct Scanned {
    facts: Vec<PacketFact>,
    palettes: Palettes,
    other_size: Option<(FrameSize, FrameSize)>,
    /// The two fields of a picture come as two packets.
    has_field_packets: bool,
    /// Nothing says that there are no pictures predicted from both sides.
    may_have_b: bool,
    /// Key frames cannot be told from others: all but the first count as others.
    has_unknown_keys: bool,
}

impl Scanned {
    fn table_of(&self, frames: &[Placed], header: &Header) -> Arc<PacketTable> {
        let table = PacketTable::new(&self.facts, frames, header.is_elementary);
        Arc::new(table.with_palettes(self.palettes.clone()))
    }

    /// Packets read, with those that ffmpeg passes over: an AVI counts a frame that was dropped while recording, and has a
    /// packet without bytes for it. There the time of decoding is the number of the packet.
    fn counted_packets(&self, header: &Header) -> u64 {
        let packets = self.facts.len() as u64;
        let last = self.facts.iter().filter_map(|fact| fact.dts).max().filter(|_| header.is_avi);
        last.and_then(|last| u64::try_from(last.saturating_add(1)).ok()).map_or(packets, |counted| counted.max(packets))
    }

    /// Whether pictures are shown in another order than the timestamps say.
    fn hides_order(&self, header: &Header) -> bool {
        header.has_delay
            && self.may_have_b
            && self.facts.iter().any(|fact| !fact.is_key)
            && packets::are_times_of_decoding(&self.facts)
    }
}

fn read_packets(demuxer: &mut Demuxer, header: &Header, progress: Progress<'_>) -> Result<Scanned, VideoError> {
    let path = demuxer.path().to_owned();
    let file_bytes = demuxer.byte_count();
    let references = References::of(&demuxer.parameters());
    let (mut facts, mut palettes) = (Vec::<PacketFact>::new(), Palettes::new());
    let (mut first_size, mut other_size, mut errors_in_a_row) = (None, None, 0);
    let (mut has_parser, mut has_field_packets) = (false, false);
    let (mut has_p, mut has_b, mut are_keys_told) = (false, false, false);
    let mut is_next_corrupt = header.is_elementary && demuxer.is_start_corrupt()?;
    let mut packet = Packet::empty();
    loop {
        match demuxer.read(&mut packet)? {
            Read1::Packet => errors_in_a_row = 0,
            Read1::End => break,
            Read1::Damaged => {
                errors_in_a_row += 1;
                if errors_in_a_row > limits::MAX_READ_ERRORS {
                    break;
                }
                continue;
            }
        }
        // A packet may have no bytes, as for a picture shown again: then there is nothing to read from them.
        let data = packet.data().unwrap_or(&[]);
        let mut fact = run::fact_of(&packet, visibility::is_invisible(header.codec, data));
        fact.is_disposable |= references.is_disposable(data);
        if header.is_elementary {
            // A parser gives out a packet while it takes in the bytes of the next, and marks it with what is wrong there.
            fact.is_corrupt = std::mem::replace(&mut is_next_corrupt, fact.is_corrupt);
            // Others that are lost may have ended up in it, or be missing behind it.
            fact.is_disposable &= !fact.is_corrupt;
        }
        let (parsed, says_key) = (demuxer.parsed(), keys::is_key(header.codec, data));
        // Where the packet itself says that it is none, the container's word does not count.
        fact.is_key &= says_key.unwrap_or(true);
        are_keys_told |= says_key.is_some();
        has_parser |= parsed.is_some();
        has_p |= parsed.as_ref().is_some_and(|parsed| parsed.is_p);
        has_b |= parsed.as_ref().is_some_and(|parsed| parsed.is_b);
        // Elsewhere a packet that starts with a field holds the other one as well; HEVC shows each by itself.
        has_field_packets |=
            header.is_elementary && header.codec == Id::H264 && parsed.as_ref().is_some_and(|parsed| parsed.is_field);
        if let Some(size) = parsed.and_then(|parsed| parsed.size) {
            let first = *first_size.get_or_insert(size);
            if first != size && other_size.is_none() {
                other_size = Some((first, size));
            }
        }
        if let Some(palette) = run::palette_of(&packet)
            && palettes.last().is_none_or(|(_, known)| *known != palette)
        {
            palettes.push((packets::as_u32(facts.len()), palette));
        }
        facts.push(fact);
        if facts.len() > limits::MAX_PACKETS {
            return Err(VideoError::TooLarge {
                path,
                what: "the number of frames".to_owned(),
                limit: limits::MAX_PACKETS.to_string(),
            });
        }
        if facts.len() % PROGRESS_PACKETS == 1 {
            let fraction = file_bytes.map(|total| (fact.position.max(0) as f64 / total as f64).min(1.0) as f32);
            report(&path, facts.len(), fraction, progress)?;
        }
    }
    let has_unknown_keys = facts.len() > 1
        && facts.iter().all(|fact| fact.is_key)
        && !are_keys_told
        && keys::are_doubtful(header.codec, header.is_avi && !has_parser);
    if has_unknown_keys {
        facts[1..].iter_mut().for_each(|fact| fact.is_key = false);
    }
    Ok(Scanned { facts, palettes, other_size, has_field_packets, may_have_b: has_b || !has_p, has_unknown_keys })
}

fn report(path: &Path, frames: usize, fraction: Option<f32>, progress: Progress<'_>) -> Result<(), VideoError> {
    match progress(IndexProgress { frames_seen: packets::as_u32(frames), fraction }) {
        ControlFlow::Continue(()) => Ok(()),
        ControlFlow::Break(()) => Err(VideoError::Cancelled { path: path.to_owned() }),
    }
}

/// Display order by timestamps where they can be trusted, else by asking the decoder.
fn place_frames(
    path: &Path,
    header: &Header,
    scanned: &Scanned,
    notices: &mut Vec<Notice>,
    progress: Progress<'_>,
) -> Result<Vec<Placed>, VideoError> {
    let facts = &scanned.facts;
    if !scanned.has_field_packets && !scanned.hides_order(header) {
        let anywhere = header.time_base.ticks(JUMP_SECS).max(1);
        let jump = Jump { at_key: (header.frame_ticks() * JUMP_FRAMES).min(anywhere), anywhere };
        if let Some(frames) = packets::order_by_time(facts, header.can_reorder, jump) {
            return Ok(frames);
        }
    }
    notices.push(Notice::OrderFoundByDecoding);
    let order = match order_by_decoding(path, header.stream, facts, 0, progress)? {
        Some(order) => order,
        // Threads drop frames near damage in ways that differ from run to run; the index must not.
        None => order_by_decoding(path, header.stream, facts, 1, progress)?.expect("a single thread takes what comes"),
    };
    let shown = || order.iter().map(|&packet| &facts[packet as usize]);
    let have_pts = shown().all(|fact| fact.pts.is_some());
    let mut times: Vec<Option<i64>> = shown().map(|fact| if have_pts { fact.pts } else { fact.dts }).collect();
    times.sort_unstable();
    let is_usable = times.windows(2).all(|pair| pair[0].is_some() && pair[0] < pair[1]);
    let placed = order.iter().zip(times).enumerate().map(|(rank, (&packet, time))| {
        let nominal = rank as i64 * header.frame_ticks();
        Placed { packet, pts: time.filter(|_| is_usable).unwrap_or(nominal) }
    });
    Ok(placed.collect())
}

/// Packets in the order their pictures come out. `None` when threads met damage.
fn order_by_decoding(
    path: &Path,
    stream: u32,
    facts: &[PacketFact],
    threads: usize,
    progress: Progress<'_>,
) -> Result<Option<Vec<u32>>, VideoError> {
    let mut run = Run::open(path, stream, threads, None)?;
    let first = packets::as_u32(packets::first_key(facts));
    let mut order = Vec::new();
    let mut is_seen = vec![false; facts.len()];
    loop {
        match run.step()? {
            Step::Picture(decoded) => {
                if decoded.is_suspect && threads != 1 {
                    return Ok(None);
                }
                let Some(is_seen) = is_seen.get_mut(decoded.packet as usize) else { continue };
                if decoded.packet >= first && !std::mem::replace(is_seen, true) {
                    order.push(decoded.packet);
                }
                if order.len() % PROGRESS_PACKETS == 1 {
                    report(path, order.len(), Some(order.len() as f32 / facts.len() as f32), progress)?;
                }
            }
            Step::Trouble { .. } if threads != 1 => return Ok(None),
            Step::Trouble { .. } => {}
            Step::End => return Ok(Some(order)),
        }
    }
}

/// The first good picture, and what came of the pictures before the first key frame.
struct Probe {
    frame: frame::Video,
    /// Ranks before the first key frame that do not decode.
    lost_leading: Vec<u32>,
}

fn probe_first_picture(
    path: &Path,
    stream: u32,
    table: &Arc<PacketTable>,
    progress: Progress<'_>,
) -> Result<Probe, VideoError> {
    let mut run = Run::open(path, stream, 1, Some(Arc::clone(table)))?;
    run.seek_to_key(0)?;
    let first_rank = table.keys().first().map_or(0, |key| key.rank);
    let mut lost_leading: Vec<u32> = (0..first_rank).collect();
    let mut patched = None;
    let mut steps = 0;
    loop {
        match run.step()? {
            Step::Picture(decoded) => {
                let Some(rank) = table.rank_of(decoded.packet) else { continue };
                if decoded.is_suspect {
                    patched.get_or_insert(decoded.frame);
                } else if rank < first_rank {
                    lost_leading.retain(|&lost| lost != rank);
                } else {
                    return Ok(Probe { frame: decoded.frame, lost_leading });
                }
            }
            Step::Trouble { .. } => {}
            Step::End => break,
        }
        steps += 1;
        if steps % PROGRESS_PACKETS == 1 {
            report(path, table.packet_count() as usize, None, progress)?;
        }
    }
    match patched {
        Some(frame) => Ok(Probe { frame, lost_leading: Vec::new() }),
        None => Err(VideoError::NoFrames { path: path.to_owned() }),
    }
}

fn frame_index(header: &Header, facts: &[PacketFact], frames: &[Placed], identity: ClipIdentity) -> FrameIndex {
    let entries: Vec<FrameEntry> =
        frames.iter().map(|frame| FrameEntry { pts: frame.pts, is_key: facts[frame.packet as usize].is_key }).collect();
    let last_duration = match entries.as_slice() {
        [.., before, last] if last.pts > before.pts && header.rate.is_none() => last.pts - before.pts,
        _ => header.frame_ticks(),
    };
    FrameIndex::new(header.time_base, entries, last_duration, Vec::new(), identity)
}

fn collect_notices(
    demuxer: &Demuxer,
    header: &Header,
    scanned: &Scanned,
    probe: &Probe,
    index: &FrameIndex,
    notices: &mut Vec<Notice>,
) {
    if let Some(announced) = announced_frames(demuxer, header, scanned, index)
        && announced > index.len()
    {
        notices.push(Notice::Truncated { readable: index.len(), announced: Some(announced) });
    }
    if let Some((first, other)) = scanned.other_size {
        notices.push(Notice::SizeChanges { first, other });
    }
    if header.is_interlaced || probe.frame.is_interlaced() {
        notices.push(Notice::Interlaced);
    }
}

/// Frames the header promises, where it says enough and they are not all there.
fn announced_frames(demuxer: &Demuxer, header: &Header, scanned: &Scanned, index: &FrameIndex) -> Option<u32> {
    if let Some(announced) = header.announced_packets {
        let missing = announced.checked_sub(scanned.counted_packets(header))?;
        return u32::try_from(u64::from(index.len()) + missing).ok();
    }
    if !demuxer.format_name().contains("matroska") {
        return None;
    }
    // Matroska's header has a duration for all tracks together, and sound may well go on for longer than the pictures.
    let of_only_track = || demuxer.announced_secs().filter(|_| demuxer.stream_count() == 1);
    let announced_secs = demuxer.announced_track_secs().or_else(of_only_track)?;
    let missing_secs = announced_secs - (index.start_secs().max(0.0) + index.duration_secs());
    let missing = (missing_secs * header.rate?).round();
    (missing_secs > END_TOLERANCE_SECS).then(|| index.len().saturating_add(missing as u32))
}
