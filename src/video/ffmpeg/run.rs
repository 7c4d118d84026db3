//! A decoder run: one demuxer and one decoder walking forward from a key packet, giving pictures with packet numbers.
//!
//! Used by the scan and by the frame source. It knows packets, not frames or damage policy.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use ffmpeg_next::codec::packet::{Packet, side_data};
use ffmpeg_next::codec::{Context, Flags, Id, decoder};
use ffmpeg_next::{Error, ffi, frame};

use super::demuxer::{Demuxer, Read1, Watch};
use super::packets::{PacketFact, PacketTable};
use super::patches;
use crate::video::errors::VideoError;
use crate::video::limits;

/// A picture as the decoder gave it.
pub(super) struct Decoded {
    /// Number of the packet it came in.
    pub packet: u32,
    /// The decoder reported errors in it, or patched it.
    pub is_suspect: bool,
    pub frame: frame::Video,
}

/// What the run met.
pub(super) enum Step {
    Picture(Decoded),
    /// The decoder refused a packet, or its threads patched one: the last fed, or one of the few before it that they were
    /// still busy with.
    Trouble {
        first: u32,
        last: u32,
    },
    End,
}

#[derive(PartialEq)]
enum State {
    Feeding,
    Draining,
    Ended,
}

pub(super) struct Run {
    demuxer: Demuxer,
    decoder: decoder::Video,
    table: Option<Arc<PacketTable>>,
    /// Number of the next packet the demuxer will give.
    next_packet: u32,
    state: State,
    /// Whether every packet since the start of the file was read in turn.
    is_linear: bool,
    read_errors: u32,
    errors_in_a_row: u32,
    waiting: Option<Packet>,
    /// A picture that came and was not given out yet.
    decoded: Option<Decoded>,
    threads: usize,
    /// Counts as long as there is the decoder, which is dropped before.
    patch_count: Arc<AtomicU32>,
    known_patch_count: u32,
}

impl Run {
    /// Opens a stream of the file anew; the run stands before its first packet. `threads` 0 means one per core.
    pub fn open(path: &Path, stream: u32, threads: usize, table: Option<Arc<PacketTable>>) -> Result<Self, VideoError> {
        let demuxer = Demuxer::open(path, Some(stream), Watch::new())?;
        let patch_count = Arc::default();
        let decoder = open_decoder(&demuxer, threads, &patch_count)?;
        Ok(Run {
            demuxer,
            decoder,
            table,
            next_packet: 0,
            state: State::Feeding,
            is_linear: true,
            read_errors: 0,
            errors_in_a_row: 0,
            waiting: None,
            decoded: None,
            threads,
            patch_count,
            known_patch_count: 0,
        })
    }

    /// Places the run so that the next packet fed is the given key. Tries the container's own seek, checks where it
    /// landed, goes back further when it landed late, and reads from the start of the file when all else fails.
    pub fn seek_to_key(&mut self, key: usize) -> Result<(), VideoError> {
        let table = Arc::clone(self.table.as_ref().expect("runs of the frame source have a table"));
        self.waiting = None;
        if table.can_seek() && key > 0 {
            self.is_linear = false;
            let mut back = 0;
            while back <= 4 {
                let from = table.keys()[key.saturating_sub(back)];
                let timestamp = from.seek_timestamp.expect("checked by can_seek");
                if self.demuxer.seek(timestamp) && self.find_key(&table, key)? {
                    self.flush();
                    return Ok(());
                }
                back = back * 2 + 1;
            }
        }
        self.read_to_key(key)
    }

    /// Like [`seek_to_key`](Run::seek_to_key) by reading alone: slow in long files, and exactly the packets of the scan
    /// also in containers whose packets come out of a seek a little different.
    pub fn read_to_key(&mut self, key: usize) -> Result<(), VideoError> {
        let table = Arc::clone(self.table.as_ref().expect("runs of the frame source have a table"));
        let wanted = table.keys()[key].packet;
        self.waiting = None;
        if self.next_packet > wanted || self.state != State::Feeding || !self.is_linear {
            self.restart()?;
        }
        self.flush();
        let mut packet = Packet::empty();
        while self.next_packet < wanted {
            match self.demuxer.read(&mut packet)? {
                Read1::Packet => self.next_packet += 1,
                Read1::End => return Err(self.changed("it is shorter now")),
                Read1::Damaged => {
                    self.count_read_error()?;
                    if self.state != State::Feeding {
                        return Err(self.changed("it can no longer be read to the end"));
                    }
                }
            }
        }
        self.read_errors = 0;
        Ok(())
    }

    /// Decodes on to the next picture.
    pub fn step(&mut self) -> Result<Step, VideoError> {
        loop {
            // Before the picture: it may be the patched one.
            if self.has_patched() {
                return Ok(self.trouble());
            }
            if let Some(decoded) = self.decoded.take() {
                return Ok(Step::Picture(decoded));
            }
            if self.state == State::Ended {
                return Ok(Step::End);
            }
            let mut frame = frame::Video::empty();
            match self.decoder.receive_frame(&mut frame) {
                Ok(()) => {
                    self.errors_in_a_row = 0;
                    let Some(packet) = frame.pts().and_then(|number| u32::try_from(number).ok()) else {
                        // No number, no identity: such a picture cannot be told from others.
                        continue;
                    };
                    let is_suspect = frame.is_corrupt() || has_decode_errors(&frame);
                    self.decoded = Some(Decoded { packet, is_suspect, frame });
                }
                Err(Error::Eof) => self.state = State::Ended,
                Err(Error::Other { errno }) if errno == ffmpeg_next::error::EAGAIN => {
                    if let Some(trouble) = self.feed()? {
                        return Ok(trouble);
                    }
                }
                Err(_) => {
                    self.errors_in_a_row += 1;
                    if self.errors_in_a_row > limits::MAX_READ_ERRORS && self.state == State::Draining {
                        self.state = State::Ended;
                    }
                    return Ok(self.trouble());
                }
            }
        }
    }

    fn feed(&mut self) -> Result<Option<Step>, VideoError> {
        let mut packet = match self.waiting.take() {
            Some(packet) => packet,
            None => {
                let mut packet = Packet::empty();
                match self.demuxer.read(&mut packet)? {
                    Read1::Packet => {}
                    Read1::End => return Ok(self.drain()),
                    Read1::Damaged => {
                        self.count_read_error()?;
                        return Ok((self.state == State::Draining).then(|| self.trouble()));
                    }
                }
                self.read_errors = 0;
                let number = self.next_packet;
                if let Some(table) = &self.table {
                    match table.byte_count_of(number) {
                        // The file has grown since it was indexed: frames beyond the index do not exist.
                        None => return Ok(self.drain()),
                        Some(expected) if expected as usize == packet.size() => {}
                        Some(_) => return Err(self.changed("its packets have other sizes")),
                    }
                }
                self.next_packet += 1;
                if packet.size() == 0 {
                    // An empty packet would tell the decoder that the stream ends.
                    return Ok(None);
                }
                packet.set_pts(Some(i64::from(number)));
                packet.set_dts(Some(i64::from(number)));
                packet
            }
        };
        if let (Some(table), Some(number)) = (&self.table, packet.pts())
            && let Some(palette) = u32::try_from(number).ok().and_then(|number| table.palette_of(number))
        {
            set_palette(&mut packet, palette);
        }
        match self.decoder.send_packet(&packet) {
            Ok(()) => Ok(None),
            Err(Error::Other { errno }) if errno == ffmpeg_next::error::EAGAIN => {
                self.waiting = Some(packet);
                Ok(None)
            }
            Err(_) => Ok(Some(self.trouble())),
        }
    }

    /// Whether a sound packet may give neither a picture nor an error: the second field of a picture, or a frame that is
    /// "not coded". Damaged ones are refused by these decoders.
    pub fn may_pass_over(&self) -> bool {
        matches!(self.demuxer.parameters().id(), Id::H264 | Id::MPEG4)
    }

    fn trouble(&self) -> Step {
        let busy = self.thread_count();
        Step::Trouble { first: self.next_packet.saturating_sub(busy), last: self.next_packet.saturating_sub(1) }
    }

    /// Whether threads have patched a picture since this was last asked. A single thread says so in the picture itself.
    fn has_patched(&mut self) -> bool {
        let count = self.patch_count.load(Ordering::Relaxed);
        std::mem::replace(&mut self.known_patch_count, count) != count && self.thread_count() > 1
    }

    fn thread_count(&self) -> u32 {
        // SAFETY: reads a plain field of the open decoder.
        let threads = unsafe { (*self.decoder.as_ptr()).thread_count };
        u32::try_from(threads.max(1)).expect("at least one")
    }

    /// Forgets what was fed, given out or not.
    fn flush(&mut self) {
        self.decoder.flush();
        self.decoded = None;
        self.has_patched();
    }

    fn drain(&mut self) -> Option<Step> {
        if self.state == State::Draining {
            self.state = State::Ended;
            return Some(Step::End);
        }
        self.state = State::Draining;
        // An error is what a thread has to say of a packet fed before; the pictures held back still come out.
        self.decoder.send_eof().err().map(|_| self.trouble())
    }

    /// Reads on after a seek until the wanted key, which is kept for feeding. False when the seek landed after it.
    fn find_key(&mut self, table: &PacketTable, key: usize) -> Result<bool, VideoError> {
        let mut packet = Packet::empty();
        // Landing far too early is as useless as landing late; a seek that works needs a few packets.
        for _ in 0..4096 {
            match self.demuxer.read(&mut packet)? {
                Read1::Packet => {}
                Read1::End | Read1::Damaged => return Ok(false),
            }
            if !packet.is_key() {
                continue;
            }
            match table.key_with(fact_of(&packet, false).fingerprint()) {
                Some(found) if found == key => {
                    let number = table.keys()[key].packet;
                    self.next_packet = number + 1;
                    packet.set_pts(Some(i64::from(number)));
                    packet.set_dts(Some(i64::from(number)));
                    self.waiting = Some(packet);
                    self.state = State::Feeding;
                    self.read_errors = 0;
                    return Ok(true);
                }
                Some(found) if found > key => return Ok(false),
                // An earlier key, or one that came out of the seek incomplete.
                Some(_) | None => {}
            }
        }
        Ok(false)
    }

    fn restart(&mut self) -> Result<(), VideoError> {
        let path = self.demuxer.path().to_owned();
        *self = Run::open(&path, self.demuxer.stream_number(), self.threads, self.table.take())?;
        Ok(())
    }

    fn count_read_error(&mut self) -> Result<(), VideoError> {
        self.read_errors += 1;
        if self.read_errors > limits::MAX_READ_ERRORS {
            // The rest of the file is lost, which is trouble in any case; what was fed still comes out.
            self.drain();
        }
        Ok(())
    }

    fn changed(&self, detail: &str) -> VideoError {
        VideoError::Changed { path: self.demuxer.path().to_owned(), detail: detail.to_owned() }
    }
}

/// The palette a packet brings along.
pub(super) fn palette_of(packet: &Packet) -> Option<Vec<u8>> {
    let mut side_data = packet.side_data();
    side_data.find(|data| data.kind() == side_data::Type::Palette).map(|palette| palette.data().to_vec())
}

/// Gives a packet its palette, in place of one that it has. Without memory for it the decoder keeps the one it knows.
fn set_palette(packet: &mut Packet, palette: &[u8]) {
    use ffmpeg_next::codec::packet::Mut as _;
    let kind = ffi::AVPacketSideDataType::AV_PKT_DATA_PALETTE;
    // SAFETY: the packet is ours; the answer is null or as many bytes as were asked for, which belong to the packet.
    unsafe {
        let bytes = ffi::av_packet_new_side_data(packet.as_mut_ptr(), kind, palette.len());
        if !bytes.is_null() {
            bytes.copy_from_nonoverlapping(palette.as_ptr(), palette.len());
        }
    }
}

/// The facts of a packet just read, before its timestamps are replaced.
pub(super) fn fact_of(packet: &Packet, is_invisible: bool) -> PacketFact {
    use ffmpeg_next::codec::packet::Ref as _;
    // SAFETY: reads a plain field of the packet we borrow.
    let flags = unsafe { (*packet.as_ptr()).flags };
    PacketFact {
        pts: packet.pts(),
        dts: packet.dts(),
        position: packet.position() as i64,
        byte_count: u32::try_from(packet.size()).expect("packets are limited to 2 GiB"),
        is_key: packet.is_key(),
        is_corrupt: packet.is_corrupt(),
        is_discarded: flags & ffi::AV_PKT_FLAG_DISCARD != 0,
        is_invisible,
        is_disposable: flags & ffi::AV_PKT_FLAG_DISPOSABLE != 0,
    }
}

fn open_decoder(demuxer: &Demuxer, threads: usize, patch_count: &Arc<AtomicU32>) -> Result<decoder::Video, VideoError> {
    let path = demuxer.path();
    let codec = demuxer.parameters().id();
    let no_decoder = || VideoError::NoDecoder { path: path.to_owned(), codec: codec.name().to_owned() };
    let mut context = Context::from_parameters(demuxer.parameters()).map_err(|_| no_decoder())?;
    // Pictures with errors are shown and marked, not swallowed.
    context.set_flags(Flags::OUTPUT_CORRUPT);
    // SAFETY: plain fields of a context that is ours and not yet open.
    unsafe {
        let raw = context.as_mut_ptr();
        (*raw).max_pixels = limits::MAX_PIXELS as i64;
        patches::count(raw, patch_count);
        // What threads patch in damaged pictures differs from run to run. These decoders report it on request, and a
        // single thread does the patching; the older ones cannot (MPEG-4 aborts the program) and are quick enough alone.
        let reports_damage = matches!(codec, Id::H264 | Id::HEVC);
        let patches_alone = matches!(
            codec,
            Id::MPEG4 | Id::MPEG1VIDEO | Id::MPEG2VIDEO | Id::H263 | Id::FLV1 | Id::MSMPEG4V2 | Id::MSMPEG4V3 | Id::VC1
        );
        let threads = if patches_alone { 1 } else { threads };
        (*raw).thread_count = i32::try_from(threads).unwrap_or(0);
        // Motion JPEG is patched in silence unless asked; its pictures stand alone, so refusing one loses no other.
        if (threads != 1 && reports_damage) || codec == Id::MJPEG {
            (*raw).err_recognition |= ffi::AV_EF_EXPLODE;
        }
    }
    context.decoder().video().map_err(|_| no_decoder())
}

fn has_decode_errors(frame: &frame::Video) -> bool {
    // SAFETY: reads a plain field of the frame we borrow.
    unsafe { (*frame.as_ptr()).decode_error_flags != 0 }
}
