//! From ffmpeg's pictures to ours: layouts, colour facts, rotation of planes, and swscale for everything else.
//!
//! Called by the frame source and by [`Picture`]. swscale contexts belong to the thread that made them and never leave it.

use std::cell::RefCell;

use ffmpeg_next::format::Pixel;
use ffmpeg_next::software::scaling::{self, Flags};
use ffmpeg_next::{color, ffi, frame};

use crate::label::FrameSize;
use crate::video::colour::{self, Colour, Matrix, Range, Transfer};
use crate::video::frame::{Layout, OwnedPlane, Picture, PlaneFormat, RgbImage, Storage};
use crate::video::orientation::Orientation;

/// swscale reads and writes in wide strides; rows and ends get this much room.
const SPARE_BYTES: usize = 64;
/// swscale contexts kept per thread.
const KEPT_SCALERS: usize = 4;

/// Makes an upright picture. Planes stay in ffmpeg's buffers unless they must be turned or are in a rare layout.
pub(super) fn picture_from(frame: frame::Video, orientation: Orientation) -> Result<Picture, String> {
    let stored = FrameSize { width: frame.width(), height: frame.height() };
    let colour = colour_of(&frame, stored);
    // A negative row length means the picture is stored bottom up; swscale turns it.
    // SAFETY: reads the row lengths of a frame we own.
    let is_top_down = unsafe { (*frame.as_ptr()).linesize }.iter().all(|&bytes| bytes >= 0);
    // Chroma of odd sizes does not line up with luma any more once mirrored.
    let is_even = stored.width.is_multiple_of(2) && stored.height.is_multiple_of(2);
    match format_of(frame.format()) {
        Some(format) if is_top_down && orientation.is_identity() => {
            Ok(Picture { size: stored, format, colour, storage: Storage::Av(frame) })
        }
        Some(format) if is_top_down && (is_even || format.layout.chroma_shift() == (0, 0)) => {
            Ok(turned_planes(&frame, stored, format, colour, orientation))
        }
        _ => Ok(turned_rgb(rgb_from_frame(&frame, stored, colour)?, orientation)),
    }
}

/// Where a plane of an ffmpeg frame lies.
pub(in crate::video) fn plane_of(
    frame: &frame::Video,
    plane: usize,
    size: FrameSize,
    sample_bytes: usize,
) -> (&[u8], usize) {
    // SAFETY: `picture_from` keeps only frames whose format has this plane and whose rows run top down; ffmpeg
    // allocates at least `stride` bytes for all rows but the last and all samples of that one.
    unsafe {
        let raw = frame.as_ptr();
        let stride = (*raw).linesize[plane] as usize;
        let byte_count = stride * (size.height as usize - 1) + size.width as usize * sample_bytes;
        (std::slice::from_raw_parts((*raw).data[plane], byte_count), stride)
    }
}

/// RGB of a YUV or grey picture.
pub(in crate::video) fn rgb_from_planes(picture: &Picture) -> RgbImage {
    let mut data = [std::ptr::null(); 4];
    let mut strides = [0; 4];
    for plane in 0..picture.format.layout.plane_count() {
        let view = picture.plane(plane);
        data[plane] = view.data.as_ptr();
        strides[plane] = view.stride as i32;
    }
    let pixel = pixel_of(picture.format);
    // SAFETY: the planes are alive and as large as layout and size say, with spare bytes behind them.
    unsafe { scale_to_rgb(&data, &strides, pixel, picture.size, picture.colour) }
        .expect("the layout is one swscale reads, and memory for one picture is there")
}

fn format_of(pixel: Pixel) -> Option<PlaneFormat> {
    let (layout, bit_depth) = match pixel {
        Pixel::YUV420P | Pixel::YUVJ420P | Pixel::YUVA420P => (Layout::Yuv420, 8),
        Pixel::YUV422P | Pixel::YUVJ422P | Pixel::YUVA422P => (Layout::Yuv422, 8),
        Pixel::YUV440P | Pixel::YUVJ440P => (Layout::Yuv440, 8),
        Pixel::YUV444P | Pixel::YUVJ444P | Pixel::YUVA444P => (Layout::Yuv444, 8),
        Pixel::NV12 => (Layout::Nv12, 8),
        Pixel::GRAY8 => (Layout::Gray, 8),
        Pixel::RGB24 => (Layout::Rgb, 8),
        Pixel::YUV420P10LE => (Layout::Yuv420, 10),
        Pixel::YUV422P10LE => (Layout::Yuv422, 10),
        Pixel::YUV440P10LE => (Layout::Yuv440, 10),
        Pixel::YUV444P10LE => (Layout::Yuv444, 10),
        Pixel::YUV420P12LE => (Layout::Yuv420, 12),
        Pixel::YUV422P12LE => (Layout::Yuv422, 12),
        Pixel::YUV440P12LE => (Layout::Yuv440, 12),
        Pixel::YUV444P12LE => (Layout::Yuv444, 12),
        Pixel::GRAY10LE => (Layout::Gray, 10),
        Pixel::GRAY12LE => (Layout::Gray, 12),
        _ => return None,
    };
    Some(PlaneFormat { layout, bit_depth })
}

fn pixel_of(format: PlaneFormat) -> Pixel {
    match (format.layout, format.bit_depth) {
        (Layout::Yuv420, 8) => Pixel::YUV420P,
        (Layout::Yuv420, 10) => Pixel::YUV420P10LE,
        (Layout::Yuv420, _) => Pixel::YUV420P12LE,
        (Layout::Yuv422, 8) => Pixel::YUV422P,
        (Layout::Yuv422, 10) => Pixel::YUV422P10LE,
        (Layout::Yuv422, _) => Pixel::YUV422P12LE,
        (Layout::Yuv440, 8) => Pixel::YUV440P,
        (Layout::Yuv440, 10) => Pixel::YUV440P10LE,
        (Layout::Yuv440, _) => Pixel::YUV440P12LE,
        (Layout::Yuv444, 8) => Pixel::YUV444P,
        (Layout::Yuv444, 10) => Pixel::YUV444P10LE,
        (Layout::Yuv444, _) => Pixel::YUV444P12LE,
        (Layout::Nv12, _) => Pixel::NV12,
        (Layout::Gray, 8) => Pixel::GRAY8,
        (Layout::Gray, 10) => Pixel::GRAY10LE,
        (Layout::Gray, _) => Pixel::GRAY12LE,
        (Layout::Rgb, _) => Pixel::RGB24,
    }
}

fn colour_of(frame: &frame::Video, size: FrameSize) -> Colour {
    use Pixel::{YUVJ411P, YUVJ420P, YUVJ422P, YUVJ440P, YUVJ444P};
    let pixel = frame.format();
    let is_rgb = pixel.descriptor().is_some_and(|descriptor| {
        // SAFETY: descriptors are static tables of ffmpeg.
        unsafe { (*descriptor.as_ptr()).flags & u64::from(ffi::AV_PIX_FMT_FLAG_RGB as u32) != 0 }
    });
    let matrix = match frame.color_space() {
        _ if is_rgb => Matrix::Rgb,
        color::Space::BT709 => Matrix::Bt709,
        color::Space::BT470BG | color::Space::SMPTE170M => Matrix::Bt601,
        color::Space::BT2020NCL | color::Space::BT2020CL => Matrix::Bt2020,
        color::Space::FCC => Matrix::Fcc,
        color::Space::SMPTE240M => Matrix::Smpte240m,
        // Nothing said: HD is BT.709 and SD is BT.601, as players assume.
        _ if size.width >= 1280 || size.height > 576 => Matrix::Bt709,
        _ => Matrix::Bt601,
    };
    let is_full = matches!(frame.color_range(), color::Range::JPEG)
        || matches!(pixel, YUVJ411P | YUVJ420P | YUVJ422P | YUVJ440P | YUVJ444P)
        || is_rgb;
    let transfer = match frame.color_transfer_characteristic() {
        color::TransferCharacteristic::SMPTE2084 => Transfer::Pq,
        color::TransferCharacteristic::ARIB_STD_B67 => Transfer::Hlg,
        _ => Transfer::Sdr,
    };
    Colour { matrix, range: if is_full { Range::Full } else { Range::Limited }, transfer }
}

fn turned_planes(
    frame: &frame::Video,
    stored: FrameSize,
    format: PlaneFormat,
    colour: Colour,
    orientation: Orientation,
) -> Picture {
    let layout = match (format.layout, orientation.transpose) {
        (Layout::Yuv422, true) => Layout::Yuv440,
        (Layout::Yuv440, true) => Layout::Yuv422,
        (layout, _) => layout,
    };
    let planes = (0..format.layout.plane_count())
        .map(|plane| {
            let size = format.layout.plane_size(stored, plane);
            let sample_bytes = format.sample_bytes(plane);
            let (data, stride) = plane_of(frame, plane, size, sample_bytes);
            let turned = orientation.size(size);
            let turned_stride = (turned.width as usize * sample_bytes).next_multiple_of(SPARE_BYTES);
            let mut out = vec![0; turned_stride * turned.height as usize + SPARE_BYTES];
            match sample_bytes {
                1 => orientation.apply::<1>(data, stride, size, &mut out, turned_stride),
                2 => orientation.apply::<2>(data, stride, size, &mut out, turned_stride),
                3 => orientation.apply::<3>(data, stride, size, &mut out, turned_stride),
                other => unreachable!("no layout has samples of {other} bytes"),
            }
            OwnedPlane { data: out, stride: turned_stride }
        })
        .collect();
    let format = PlaneFormat { layout, bit_depth: format.bit_depth };
    Picture { size: orientation.size(stored), format, colour, storage: Storage::Owned(planes) }
}

fn turned_rgb(image: RgbImage, orientation: Orientation) -> Picture {
    if orientation.is_identity() {
        return Picture::from_rgb(image);
    }
    let size = orientation.size(image.size);
    let mut pixels = vec![0; image.pixels.len()];
    let (stride, turned_stride) = (image.size.width as usize * 3, size.width as usize * 3);
    orientation.apply::<3>(&image.pixels, stride, image.size, &mut pixels, turned_stride);
    Picture::from_rgb(RgbImage { size, pixels })
}

fn rgb_from_frame(frame: &frame::Video, size: FrameSize, colour: Colour) -> Result<RgbImage, String> {
    let mut data = [std::ptr::null(); 4];
    let mut strides = [0; 4];
    // SAFETY: the frame is alive for the call; its pointers and strides describe it as ffmpeg's own formats ask.
    unsafe {
        let raw = frame.as_ptr();
        for plane in 0..4 {
            data[plane] = (*raw).data[plane].cast_const();
            strides[plane] = (*raw).linesize[plane];
        }
        scale_to_rgb(&data, &strides, frame.format(), size, colour)
    }
}

#[derive(PartialEq, Clone, Copy)]
struct ScalerKey {
    pixel: Pixel,
    size: FrameSize,
    colour: Colour,
}

thread_local! {
    static SCALERS: RefCell<Vec<(ScalerKey, scaling::Context)>> = const { RefCell::new(Vec::new()) };
}

/// # Safety
/// `data` and `strides` describe a picture of `size` in `pixel` format.
unsafe fn scale_to_rgb(
    data: &[*const u8; 4],
    strides: &[i32; 4],
    pixel: Pixel,
    size: FrameSize,
    colour: Colour,
) -> Result<RgbImage, String> {
    let key = ScalerKey { pixel, size, colour };
    SCALERS.with_borrow_mut(|scalers| {
        match scalers.iter().position(|(known, _)| *known == key) {
            Some(position) => scalers[..=position].rotate_right(1),
            None => {
                scalers.truncate(KEPT_SCALERS - 1);
                scalers.insert(0, (key, new_scaler(key)?));
            }
        }
        let scaler = &mut scalers[0].1;
        let sample_bytes = if colour.is_hdr() { 6 } else { 3 };
        let row_bytes = size.width as usize * sample_bytes;
        let stride = row_bytes.next_multiple_of(SPARE_BYTES);
        let mut out = vec![0u8; stride * size.height as usize + SPARE_BYTES];
        // SAFETY: the source is as the caller promises; `out` holds `height` rows of `stride` bytes and spare room.
        let rows = unsafe {
            let mut out_data = [std::ptr::null_mut(); 4];
            out_data[0] = out.as_mut_ptr();
            let out_strides = [stride as i32, 0, 0, 0];
            ffi::sws_scale(
                scaler.as_mut_ptr(),
                data.as_ptr(),
                strides.as_ptr(),
                0,
                size.height as i32,
                out_data.as_ptr(),
                out_strides.as_ptr(),
            )
        };
        if rows != size.height as i32 {
            return Err(format!("swscale converted {rows} of {} rows", size.height));
        }
        let rows = out.chunks_exact(stride).take(size.height as usize);
        let mut pixels = Vec::with_capacity(size.area() * 3);
        if colour.is_hdr() {
            for row in rows {
                for pixel in row[..row_bytes].chunks_exact(6) {
                    let code = |channel: usize| u16::from_le_bytes([pixel[2 * channel], pixel[2 * channel + 1]]);
                    pixels.extend_from_slice(&colour::tone_map([code(0), code(1), code(2)], colour.transfer));
                }
            }
        } else {
            rows.for_each(|row| pixels.extend_from_slice(&row[..row_bytes]));
        }
        Ok(RgbImage { size, pixels })
    })
}

fn new_scaler(key: ScalerKey) -> Result<scaling::Context, String> {
    let target = if key.colour.is_hdr() { Pixel::RGB48LE } else { Pixel::RGB24 };
    let FrameSize { width, height } = key.size;
    let flags = Flags::BICUBIC | Flags::ACCURATE_RND | Flags::FULL_CHR_H_INT;
    let mut scaler = scaling::Context::get(key.pixel, width, height, target, width, height, flags)
        .map_err(|_| format!("swscale cannot read {:?} at {}", key.pixel, key.size))?;
    let coefficients = match key.colour.matrix {
        Matrix::Bt601 | Matrix::Rgb => ffi::SWS_CS_ITU601,
        Matrix::Bt709 => ffi::SWS_CS_ITU709,
        Matrix::Bt2020 => ffi::SWS_CS_BT2020,
        Matrix::Fcc => ffi::SWS_CS_FCC,
        Matrix::Smpte240m => ffi::SWS_CS_SMPTE240M,
    };
    let is_full = match key.colour.range {
        Range::Full => 1,
        Range::Limited => 0,
    };
    // SAFETY: the context was just made; the tables are static. The answer -1 means that the formats need no matrix.
    unsafe {
        let table = ffi::sws_getCoefficients(coefficients);
        ffi::sws_setColorspaceDetails(scaler.as_mut_ptr(), table, is_full, table, 1, 0, 1 << 16, 1 << 16);
    }
    Ok(scaler)
}
