//! One opened container: whitelisted, limited, interruptible; gives packets of one video stream and seeks.
//!
//! The scan and every decoder run open their own. It interprets nothing but the choice of stream and its metadata.

use std::ffi::{CStr, CString};
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::ptr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Once};
use std::time::{Duration, Instant};

use ffmpeg_next::codec::packet::Packet;
use ffmpeg_next::format::context::Input;
use ffmpeg_next::format::stream::Disposition;
use ffmpeg_next::util::interrupt;
use ffmpeg_next::{Dictionary, Error, codec, ffi, media};

use super::patches;
use crate::label::FrameSize;
use crate::video::clip::VideoStream;
use crate::video::errors::VideoError;
use crate::video::index::TimeBase;
use crate::video::limits;
use crate::video::orientation::Orientation;

/// Stops ffmpeg's waiting when one step takes longer than [`limits::STALL_LIMIT`].
#[derive(Debug)]
pub(super) struct Watch {
    started: Instant,
    deadline_ms: AtomicU64,
}

impl Watch {
    pub fn new() -> Arc<Self> {
        let watch = Watch { started: Instant::now(), deadline_ms: AtomicU64::new(0) };
        watch.rearm();
        Arc::new(watch)
    }

    fn rearm(&self) {
        self.deadline_ms.store(self.elapsed_ms(limits::STALL_LIMIT), Ordering::Relaxed);
    }

    fn must_stop(&self) -> bool {
        self.elapsed_ms(Duration::ZERO) > self.deadline_ms.load(Ordering::Relaxed)
    }

    fn elapsed_ms(&self, ahead: Duration) -> u64 {
        u64::try_from((self.started.elapsed() + ahead).as_millis()).expect("a program does not run for ages")
    }
}

fn timed_out(path: &Path) -> VideoError {
    VideoError::TimedOut { path: path.to_owned(), limit_secs: limits::STALL_LIMIT.as_secs() }
}

/// What reading one packet gave.
pub(super) enum Read1 {
    /// A packet of our stream.
    Packet,
    /// The file ends here.
    End,
    /// This part of the file is unreadable; reading on may work.
    Damaged,
}

/// What a parser reads from a packet's own bytes.
pub(super) struct Parsed {
    pub size: Option<FrameSize>,
    /// One of the two fields of a picture, not both.
    pub is_field: bool,
    /// Predicted from one side. Neither this nor the next is set for other pictures, nor by parsers that do not look.
    pub is_p: bool,
    /// Predicted from both sides.
    pub is_b: bool,
}

/// An opened container and the video stream chosen in it.
pub(super) struct Demuxer {
    input: Input,
    stream: usize,
    /// Whether nobody had to ask for it.
    is_best_stream: bool,
    /// What could be chosen when the file was opened; some containers show more of themselves later.
    video_streams: Vec<VideoStream>,
    path: PathBuf,
    watch: Arc<Watch>,
}

impl Demuxer {
    /// Opens the file for the packets of one video stream; `None` takes the best.
    pub fn open(path: &Path, stream: Option<u32>, watch: Arc<Watch>) -> Result<Self, VideoError> {
        static QUIET: Once = Once::new();
        // Its lines on stderr would tear the progress bar; what matters comes back as errors and damage, but for one.
        QUIET.call_once(patches::listen);
        check_regular(path)?;
        let input = open_input(path, &watch).map_err(|error| explain_open_error(path, error))?;
        let video_streams = video_streams(&input);
        let best = best_stream(&input).ok_or_else(|| VideoError::NoVideoStream { path: path.to_owned() })?;
        let stream = match stream {
            None => best,
            Some(asked) if video_streams.iter().any(|stream| stream.index == asked) => asked as usize,
            Some(stream) => {
                return Err(VideoError::NoSuchStream { path: path.to_owned(), stream, streams: video_streams });
            }
        };
        Ok(Demuxer { input, stream, is_best_stream: stream == best, video_streams, path: path.to_owned(), watch })
    }

    /// Reads until a packet of our stream comes; `packet` is replaced.
    pub fn read(&mut self, packet: &mut Packet) -> Result<Read1, VideoError> {
        loop {
            self.watch.rearm();
            *packet = Packet::empty();
            match packet.read(&mut self.input) {
                Ok(()) if packet.stream() == self.stream => return Ok(Read1::Packet),
                Ok(()) => {}
                Err(Error::Eof) => return Ok(Read1::End),
                Err(Error::Exit) => return Err(timed_out(&self.path)),
                // Damaged data and failing storage alike: the caller counts and gives up after a few.
                Err(_) => return Ok(Read1::Damaged),
            }
        }
    }

    /// Whether bytes are known to be missing or wrong where our stream starts. No packet comes out of the parser while it
    /// takes in that part of a transport stream, so no packet is marked with it. Opens the file anew.
    pub fn is_start_corrupt(&self) -> Result<bool, VideoError> {
        if self.format_name() != "mpegts" {
            return Ok(false);
        }
        let mut unparsed = Demuxer::open(&self.path, Some(self.stream_number()), Watch::new())?;
        unparsed.watch.rearm();
        // SAFETY: the context is open and owned by `input`. Going back to the start drops its parsers, and the flags keep
        // it from making new ones.
        let answer = unsafe {
            let context = unparsed.input.as_mut_ptr();
            (*context).flags |= ffi::AVFMT_FLAG_NOPARSE | ffi::AVFMT_FLAG_NOFILLIN;
            ffi::av_seek_frame(context, -1, 0, ffi::AVSEEK_FLAG_BYTE)
        };
        let mut packet = Packet::empty();
        Ok(answer >= 0 && matches!(unparsed.read(&mut packet)?, Read1::Packet) && packet.is_corrupt())
    }

    /// Moves to a place at or before `timestamp`, in the stream's own time base. False when the container cannot.
    pub fn seek(&mut self, timestamp: i64) -> bool {
        self.watch.rearm();
        // SAFETY: the context is open and owned by `input`; the stream index was taken from it.
        let answer = unsafe {
            ffi::avformat_seek_file(self.input.as_mut_ptr(), self.stream as i32, i64::MIN, timestamp, timestamp, 0)
        };
        answer >= 0
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    pub fn stream(&self) -> ffmpeg_next::Stream<'_> {
        self.input.stream(self.stream).expect("the stream was chosen from this input")
    }

    pub fn stream_number(&self) -> u32 {
        number_of(self.stream)
    }

    /// Whether it is the one that is taken when none is asked for.
    pub fn is_best_stream(&self) -> bool {
        self.is_best_stream
    }

    pub fn stream_count(&self) -> u32 {
        self.input.nb_streams()
    }

    pub fn parameters(&self) -> codec::Parameters {
        self.stream().parameters()
    }

    pub fn time_base(&self) -> TimeBase {
        let time_base = self.stream().time_base();
        TimeBase { num: time_base.numerator().max(1), den: time_base.denominator().max(1) }
    }

    pub fn format_name(&self) -> String {
        self.input.format().name().to_owned()
    }

    /// Length of the file, for progress.
    pub fn byte_count(&self) -> Option<u64> {
        self.input.io_size().and_then(|size| u64::try_from(size).ok()).filter(|&size| size > 0)
    }

    /// Duration the container's header announces, in seconds.
    pub fn announced_secs(&self) -> Option<f64> {
        let duration = self.input.duration();
        (duration > 0).then(|| duration as f64 / f64::from(ffi::AV_TIME_BASE))
    }

    /// Video streams that are not cover art.
    pub fn video_streams(&self) -> &[VideoStream] {
        &self.video_streams
    }

    /// What the stream's parser read last; only some containers and codecs have a parser.
    pub fn parsed(&self) -> Option<Parsed> {
        // SAFETY: the stream belongs to the open input; the parser, where there is one, lives as long as the stream.
        let parser = unsafe { ffi::av_stream_get_parser(self.stream().as_ptr()).as_ref() }?;
        let size = FrameSize { width: parser.width.max(0).unsigned_abs(), height: parser.height.max(0).unsigned_abs() };
        let is = |kind: ffi::AVPictureType| parser.pict_type == kind as i32;
        Some(Parsed {
            size: (size.width > 0 && size.height > 0).then_some(size),
            is_field: matches!(
                parser.picture_structure,
                ffi::AVPictureStructure::AV_PICTURE_STRUCTURE_TOP_FIELD
                    | ffi::AVPictureStructure::AV_PICTURE_STRUCTURE_BOTTOM_FIELD
            ),
            is_p: is(ffi::AVPictureType::AV_PICTURE_TYPE_P),
            is_b: is(ffi::AVPictureType::AV_PICTURE_TYPE_B),
        })
    }

    /// Width to height of a pixel on screen, as numerator and denominator; `None` where neither the container nor the
    /// codec says. The container's word comes first, as in players.
    pub fn sample_aspect_ratio(&mut self) -> Option<(u32, u32)> {
        // SAFETY: the stream belongs to the open input; without a frame the answer is made from the two alone.
        let aspect = unsafe {
            let context = self.input.as_mut_ptr();
            let stream = *(*context).streams.add(self.stream);
            ffi::av_guess_sample_aspect_ratio(context, stream, ptr::null_mut())
        };
        match (u32::try_from(aspect.num), u32::try_from(aspect.den)) {
            (Ok(num), Ok(den)) if num > 0 && den > 0 => Some((num, den)),
            _ => None,
        }
    }

    /// How long the container says our stream goes on, in seconds from its clock's zero. Matroska has it per track, where
    /// the writer put it. What may stand beside it is not asked, the number of frames and the same again with a language:
    /// ffmpeg writes this one anew when it cuts and copies those as they were.
    pub fn announced_track_secs(&self) -> Option<f64> {
        let stream = self.stream();
        // SAFETY: the tags belong to the open input. A tag's value ends in a zero byte; whether it is text is checked.
        let clock = unsafe {
            let tags = (*stream.as_ptr()).metadata;
            let tag = ffi::av_dict_get(tags, c"DURATION".as_ptr(), ptr::null(), 0);
            CStr::from_ptr(tag.as_ref()?.value).to_str().ok()?
        };
        let mut parts = clock.splitn(3, ':').map(|part| part.parse::<f64>().ok());
        let (hours, minutes, seconds) = (parts.next()??, parts.next()??, parts.next()??);
        Some((hours * 60.0 + minutes) * 60.0 + seconds).filter(|&secs| secs > 0.0 && secs.is_finite())
    }

    /// How to turn pictures for display; `None` when the matrix is no right angle.
    pub fn orientation(&self) -> Option<Orientation> {
        for side_data in self.stream().side_data() {
            if side_data.kind() == codec::packet::side_data::Type::DisplayMatrix && side_data.data().len() >= 36 {
                let mut matrix = [0; 9];
                for (value, bytes) in matrix.iter_mut().zip(side_data.data().chunks_exact(4)) {
                    *value = i32::from_ne_bytes(bytes.try_into().expect("chunks of four"));
                }
                return Orientation::from_display_matrix(matrix);
            }
        }
        Some(Orientation::default())
    }
}

fn check_regular(path: &Path) -> Result<(), VideoError> {
    let io_error = |source| VideoError::Io { path: path.to_owned(), source };
    // Opening first finds missing rights; a pipe or device would block, so look before that.
    let metadata = std::fs::metadata(path).map_err(io_error)?;
    let not_a_video = |detail: &str| VideoError::NotAVideo { path: path.to_owned(), detail: detail.to_owned() };
    if !metadata.is_file() {
        return Err(not_a_video("it is not a regular file"));
    }
    if metadata.len() == 0 {
        return Err(not_a_video("the file is empty"));
    }
    File::open(path).map(drop).map_err(io_error)
}

fn open_input(path: &Path, watch: &Arc<Watch>) -> Result<Input, Error> {
    // The explicit scheme keeps a name like `concat:a|b` or `http:x` a file name.
    let mut url = b"file:".to_vec();
    url.extend_from_slice(path.as_os_str().as_encoded_bytes());
    let url = CString::new(url).map_err(|_| Error::InvalidData)?;
    let mut options = Dictionary::new();
    options.set("protocol_whitelist", limits::PROTOCOL_WHITELIST);
    let formats: Vec<&str> = limits::FORMAT_WHITELIST.iter().map(|(name, _)| *name).collect();
    options.set("format_whitelist", &formats.join(","));
    options.set("max_streams", &limits::MAX_STREAMS.to_string());
    // Only image2 knows this one: a `%d` in a name is a letter, not a request for more files.
    options.set("pattern_type", "none");
    let callback_watch = Arc::clone(watch);
    let callback = interrupt::new(Box::new(move || callback_watch.must_stop()));
    watch.rearm();
    // SAFETY: the context is allocated here, given to ffmpeg (which frees it when opening fails) and then to `Input`,
    // which closes it. The callback's guard moves along with it, so the closure outlives every call.
    unsafe {
        ffi::av_max_alloc(limits::MAX_ALLOC_BYTES);
        let mut context = ffi::avformat_alloc_context();
        if context.is_null() {
            return Err(Error::Other { errno: ffmpeg_next::error::ENOMEM });
        }
        (*context).interrupt_callback = callback.interrupt;
        let mut raw_options = options.disown();
        let answer = ffi::avformat_open_input(&mut context, url.as_ptr(), ptr::null(), &mut raw_options);
        drop(Dictionary::own(raw_options));
        if answer < 0 {
            return Err(Error::from(answer));
        }
        let input = Input::wrap_with_interrupt(context, callback.guard);
        watch.rearm();
        find_stream_info(context)?;
        Ok(input)
    }
}

/// Probes the streams with the pixel limit already in force.
///
/// # Safety
/// `context` is an open format context.
unsafe fn find_stream_info(context: *mut ffi::AVFormatContext) -> Result<(), Error> {
    let max_pixels = CString::new(limits::MAX_PIXELS.to_string()).expect("digits only");
    // SAFETY: one dictionary per stream, as the function asks; each is freed afterwards. Streams found while probing
    // have no dictionary, which ffmpeg allows for: it reads only as many as there were before the call.
    unsafe {
        let mut options: Vec<*mut ffi::AVDictionary> = vec![ptr::null_mut(); (*context).nb_streams as usize];
        for option in &mut options {
            ffi::av_dict_set(option, c"max_pixels".as_ptr(), max_pixels.as_ptr(), 0);
        }
        let answer = ffi::avformat_find_stream_info(context, options.as_mut_ptr());
        for option in &mut options {
            ffi::av_dict_free(option);
        }
        if answer < 0 { Err(Error::from(answer)) } else { Ok(()) }
    }
}

fn is_moving_picture(stream: &ffmpeg_next::Stream<'_>) -> bool {
    let is_still = stream.disposition().contains(Disposition::ATTACHED_PIC);
    stream.parameters().medium() == media::Type::Video && !is_still
}

fn video_streams(input: &Input) -> Vec<VideoStream> {
    let streams = input.streams().filter(is_moving_picture).map(|stream| {
        let (width, height) = announced_size(&stream);
        VideoStream {
            index: number_of(stream.index()),
            codec: stream.parameters().id().name().to_owned(),
            size: FrameSize { width: width.unsigned_abs(), height: height.unsigned_abs() },
        }
    });
    streams.collect()
}

fn number_of(stream: usize) -> u32 {
    u32::try_from(stream).expect("limits::MAX_STREAMS is small")
}

fn announced_size(stream: &ffmpeg_next::Stream<'_>) -> (i32, i32) {
    let parameters = stream.parameters();
    // SAFETY: plain fields; the parameters belong to the open input.
    unsafe { ((*parameters.as_ptr()).width, (*parameters.as_ptr()).height) }
}

/// The default stream, else the largest; the first of equals.
fn best_stream(input: &Input) -> Option<usize> {
    let mut best: Option<(usize, (bool, i64))> = None;
    for stream in input.streams().filter(is_moving_picture) {
        let (width, height) = announced_size(&stream);
        let area = i64::from(width) * i64::from(height);
        let worth = (stream.disposition().contains(Disposition::DEFAULT), area);
        if best.is_none_or(|(_, best_worth)| worth > best_worth) {
            best = Some((stream.index(), worth));
        }
    }
    best.map(|(index, _)| index)
}

fn explain_open_error(path: &Path, error: Error) -> VideoError {
    match error {
        Error::Exit => timed_out(path),
        Error::InvalidData if lacks_moov(path) => VideoError::MoovMissing { path: path.to_owned() },
        Error::InvalidData => VideoError::NotAVideo {
            path: path.to_owned(),
            detail: "no known container, or a damaged header".to_owned(),
        },
        Error::Other { errno } if errno == ffmpeg_next::error::EINVAL => {
            VideoError::NotAVideo { path: path.to_owned(), detail: "its format is not on the list".to_owned() }
        }
        // So ffmpeg answers to a stream too many as well as to an allocation too large.
        Error::Other { errno } if errno == ffmpeg_next::error::ENOMEM => VideoError::HeaderTooLarge {
            path: path.to_owned(),
            streams: limits::MAX_STREAMS,
            mebibytes: limits::MAX_ALLOC_BYTES >> 20,
        },
        other => VideoError::NotAVideo { path: path.to_owned(), detail: other.to_string() },
    }
}

/// Whether the file is an MP4 family file whose top-level boxes hold no `moov`.
fn lacks_moov(path: &Path) -> bool {
    let Ok(mut file) = File::open(path) else { return false };
    let (mut position, mut is_mp4) = (0u64, false);
    for _ in 0..10_000 {
        let mut header = [0; 16];
        if file.seek(SeekFrom::Start(position)).is_err() || file.read_exact(&mut header[..8]).is_err() {
            break;
        }
        let short = u32::from_be_bytes(header[..4].try_into().expect("four bytes"));
        match &header[4..8] {
            b"moov" => return false,
            b"ftyp" | b"mdat" | b"free" | b"wide" | b"skip" | b"uuid" | b"pnot" => is_mp4 = true,
            _ if position == 0 => return false,
            _ => {}
        }
        let length = match short {
            0 => break,
            1 if file.read_exact(&mut header[8..]).is_ok() => {
                u64::from_be_bytes(header[8..].try_into().expect("eight bytes"))
            }
            _ => u64::from(short),
        };
        let Some(next) = position.checked_add(length.max(8)) else { break };
        position = next;
    }
    is_mp4
}
