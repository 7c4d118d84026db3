//! Pictures to an MP4: H.264 where this ffmpeg can, else MPEG-4.
//!
//! Used by [`VideoWriter`](crate::video::VideoWriter) alone. Times are kept as they are given, so a clip of variable
//! rate stays one.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Once;

use ffmpeg_next::format::Pixel;
use ffmpeg_next::software::scaling::{self, Flags};
use ffmpeg_next::{Dictionary, Packet, Rational, codec, color, encoder, ffi, format, frame};

use crate::label::FrameSize;
use crate::video::errors::VideoError;
use crate::video::frame::RgbImage;

/// Ticks per second: whole for 24, 25, 30, 50 and 60 frames a second and for 30000/1001; MPEG-4 takes no more than 65535.
const TICKS_PER_SEC: i32 = 60_000;
/// Encoders by preference, with their options for a picture that looks like the original.
const ENCODERS: [(&str, &[(&str, &str)]); 3] =
    [("libx264", &[("crf", "18"), ("preset", "veryfast")]), ("libopenh264", &[]), ("mpeg4", &[("qscale", "3")])];
/// Quality of MPEG-4 in ffmpeg's unit, lower is better.
const MPEG4_QUALITY: i32 = 3 * ffi::FF_QP2LAMBDA;

/// An MP4 being written.
pub(in crate::video) struct Encoder {
    path: PathBuf,
    size: FrameSize,
    output: format::context::Output,
    encoder: encoder::Video,
    scaler: scaling::Context,
    picture: frame::Video,
    rgb: frame::Video,
    last_ticks: Option<i64>,
    /// By pts, of pictures that are still inside the encoder.
    durations: HashMap<i64, i64>,
}

impl Encoder {
    pub fn create(path: &Path, size: FrameSize, frames_per_sec: f64) -> Result<Self, VideoError> {
        static QUIET: Once = Once::new();
        QUIET.call_once(|| ffmpeg_next::log::set_level(ffmpeg_next::log::Level::Quiet));
        let fault = |detail: String| VideoError::Encode { path: path.to_owned(), detail };
        let av = |what: &str| {
            let what = what.to_owned();
            move |e: ffmpeg_next::Error| fault(format!("{what}: {e}"))
        };
        // Without the scheme a name such as `pipe:1` would be taken for one.
        let name = format!("file:{}", path.to_str().ok_or_else(|| fault("its path is not UTF-8".to_owned()))?);
        let mut output = format::output_as(&name, "mp4").map_err(av("cannot open it"))?;
        let (encoder_name, options) = ENCODERS
            .into_iter()
            .find(|(name, _)| encoder::find_by_name(name).is_some())
            .ok_or_else(|| fault("the installed ffmpeg has no encoder for H.264 or MPEG-4".to_owned()))?;
        let codec = encoder::find_by_name(encoder_name).expect("just found");
        // Chroma is halved, so sides must be even.
        let (width, height) = (size.width.next_multiple_of(2), size.height.next_multiple_of(2));
        let mut context = codec::context::Context::new_with_codec(codec).encoder().video().map_err(av("encoder"))?;
        context.set_width(width);
        context.set_height(height);
        context.set_format(Pixel::YUV420P);
        context.set_time_base(Rational(1, TICKS_PER_SEC));
        context.set_frame_rate(Some(Rational::from(frames_per_sec.clamp(0.1, 1000.0))));
        context.set_colorspace(color::Space::BT709);
        context.set_color_range(color::Range::MPEG);
        context.set_color_primaries(color::Primaries::BT709);
        context.set_color_transfer_characteristic(color::TransferCharacteristic::BT709);
        if encoder_name == "mpeg4" {
            context.set_global_quality(MPEG4_QUALITY);
        }
        let mut flags = codec::Flags::empty();
        flags.set(codec::Flags::GLOBAL_HEADER, output.format().flags().contains(format::Flags::GLOBAL_HEADER));
        flags.set(codec::Flags::QSCALE, encoder_name == "mpeg4");
        context.set_flags(flags);
        let mut dictionary = Dictionary::new();
        options.iter().for_each(|(key, value)| dictionary.set(key, value));
        let encoder = context.open_with(dictionary).map_err(av(encoder_name))?;
        let mut stream = output.add_stream(codec).map_err(av("stream"))?;
        stream.set_parameters(&encoder);
        stream.set_time_base(Rational(1, TICKS_PER_SEC));
        let mut muxing = Dictionary::new();
        muxing.set("movflags", "+faststart");
        output.write_header_with(muxing).map_err(av("header"))?;
        let scaler = new_scaler(width, height).map_err(fault)?;
        Ok(Encoder {
            path: path.to_owned(),
            size,
            output,
            encoder,
            scaler,
            picture: frame::Video::new(Pixel::YUV420P, width, height),
            rgb: frame::Video::new(Pixel::RGB24, width, height),
            last_ticks: None,
            durations: HashMap::new(),
        })
    }

    pub fn write(&mut self, image: &RgbImage, secs: f64, duration_secs: f64) -> Result<(), VideoError> {
        assert_eq!(image.size, self.size, "every picture has the size of the video");
        let stride = self.rgb.stride(0);
        let row_bytes = image.size.width as usize * 3;
        let (rows, last_row) = (self.rgb.height() as usize, image.size.height as usize - 1);
        let padded = self.rgb.width() as usize * 3;
        for (y, row) in self.rgb.data_mut(0).chunks_mut(stride).take(rows).enumerate() {
            let from = y.min(last_row) * row_bytes;
            row[..row_bytes].copy_from_slice(&image.pixels[from..from + row_bytes]);
            // An odd side repeats its last pixel.
            row.copy_within(row_bytes - 3..row_bytes, padded - 3);
        }
        self.fail_on("picture", |this| this.scaler.run(&this.rgb, &mut this.picture))?;
        let ticks = (secs * f64::from(TICKS_PER_SEC)).round() as i64;
        let ticks = self.last_ticks.map_or(ticks, |last| ticks.max(last + 1));
        self.last_ticks = Some(ticks);
        self.picture.set_pts(Some(ticks));
        let duration = (duration_secs * f64::from(TICKS_PER_SEC)).round().max(1.0) as i64;
        self.durations.insert(ticks, duration);
        self.fail_on("encoding", |this| this.encoder.send_frame(&this.picture))?;
        self.write_packets()
    }

    pub fn finish(mut self) -> Result<(), VideoError> {
        self.fail_on("encoding", |this| this.encoder.send_eof())?;
        self.write_packets()?;
        self.fail_on("closing", |this| this.output.write_trailer())
    }

    fn write_packets(&mut self) -> Result<(), VideoError> {
        loop {
            let mut packet = Packet::empty();
            if self.encoder.receive_packet(&mut packet).is_err() {
                // Wants more pictures, or has given all.
                return Ok(());
            }
            let time_base = self.output.stream(0).expect("it has one stream").time_base();
            packet.set_stream(0);
            // Not every encoder says how long a picture lasts, and the last one would last no time.
            if let Some(duration) = packet.pts().and_then(|pts| self.durations.remove(&pts)) {
                packet.set_duration(duration);
            }
            packet.rescale_ts(Rational(1, TICKS_PER_SEC), time_base);
            self.fail_on("writing", |this| packet.write_interleaved(&mut this.output))?;
        }
    }

    fn fail_on<T>(
        &mut self,
        what: &str,
        act: impl FnOnce(&mut Self) -> Result<T, ffmpeg_next::Error>,
    ) -> Result<T, VideoError> {
        act(self).map_err(|e| VideoError::Encode { path: self.path.clone(), detail: format!("{what}: {e}") })
    }
}

fn new_scaler(width: u32, height: u32) -> Result<scaling::Context, String> {
    let flags = Flags::BICUBIC | Flags::ACCURATE_RND | Flags::FULL_CHR_H_INP;
    let mut scaler = scaling::Context::get(Pixel::RGB24, width, height, Pixel::YUV420P, width, height, flags)
        .map_err(|e| format!("swscale: {e}"))?;
    // SAFETY: the context was just made; the tables are static.
    unsafe {
        let table = ffi::sws_getCoefficients(ffi::SWS_CS_ITU709);
        ffi::sws_setColorspaceDetails(scaler.as_mut_ptr(), table, 1, table, 0, 0, 1 << 16, 1 << 16);
    }
    Ok(scaler)
}
