//! Counts the pictures a decoder patches, by the line it logs for each.
//!
//! A picture says itself that it was patched, but not always where threads decode: the thread of a later one may make it
//! ready to be given out before its own has found that something is missing. The line comes from its own thread, and
//! ffmpeg waits for that before it gives the picture out. Errors are told in another way; this is for what a decoder
//! patches without one. Called by the demuxer, which is opened first, and by decoder runs.

use std::ffi::{CStr, c_char, c_int, c_void};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use ffmpeg_next::ffi;

/// How the line begins that `ff_er_frame_end` logs, in every ffmpeg there is.
const LINE_START: &[u8] = b"concealing ";

/// From now on ffmpeg's lines come here, and nowhere else.
pub(super) fn listen() {
    // SAFETY: the function may be called from any thread, and reads only what the caller of a log function gives it.
    unsafe { ffi::av_log_set_callback(Some(on_line)) };
}

/// Has a decoder count its patched pictures.
///
/// # Safety
/// `decoder` is ours and not yet open, so that its threads get copies of what is set here, and is closed before `count`
/// is dropped.
pub(super) unsafe fn count(decoder: *mut ffi::AVCodecContext, count: &Arc<AtomicU32>) {
    // SAFETY: a plain field that is the user's own.
    unsafe { (*decoder).opaque = Arc::as_ptr(count).cast_mut().cast() };
}

/// `V` is what a C compiler makes of `va_list`, which differs from platform to platform.
unsafe extern "C" fn on_line<V>(speaker: *mut c_void, _level: c_int, format: *const c_char, _arguments: V) {
    // SAFETY: ffmpeg gives a format that ends in a zero byte, and a speaker that is null or starts with its class. In what
    // is a decoder by that, the user's own field is null, or has the counter of `count`.
    unsafe {
        if speaker.is_null() || !CStr::from_ptr(format).to_bytes().starts_with(LINE_START) {
            return;
        }
        let class = *speaker.cast::<*const ffi::AVClass>();
        if class.is_null() || CStr::from_ptr((*class).class_name) != c"AVCodecContext" {
            return;
        }
        let decoder = speaker.cast::<ffi::AVCodecContext>();
        if let Some(count) = (*decoder).opaque.cast::<AtomicU32>().as_ref() {
            count.fetch_add(1, Ordering::Relaxed);
        }
    }
}
