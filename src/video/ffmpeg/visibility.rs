//! Packets that are decoded but never shown, read from their first bytes.
//!
//! VP8 and VP9 hide alternate reference frames in packets of their own; containers do not say so. Called by the scan.

use ffmpeg_next::codec::Id;

/// Whether a packet of this codec shows no picture.
pub(super) fn is_invisible(codec: Id, data: &[u8]) -> bool {
    match codec {
        // RFC 6386, 9.1: bit 4 of the first byte is show_frame.
        Id::VP8 => data.first().is_some_and(|byte| byte & 0x10 == 0),
        Id::VP9 => is_invisible_vp9(data),
        _ => false,
    }
}

/// VP9 bitstream specification, 6.2. A superframe (marked in its last byte) always ends with a shown frame.
fn is_invisible_vp9(data: &[u8]) -> bool {
    let (Some(&first), Some(&last)) = (data.first(), data.last()) else { return false };
    if last & 0xe0 == 0xc0 || first >> 6 != 0b10 {
        return false;
    }
    let bit = |position: u32| first >> (7 - position) & 1 == 1;
    // frame_marker(2) profile_low profile_high [reserved for profile 3] show_existing_frame frame_type show_frame
    let is_profile_3 = bit(2) && bit(3);
    let start = if is_profile_3 { 5 } else { 4 };
    let shows_existing = bit(start);
    !shows_existing && !bit(start + 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn show_bits_are_found() {
        assert!(!is_invisible(Id::VP8, &[0b0001_0000]));
        assert!(is_invisible(Id::VP8, &[0b0000_0001]));
        assert!(!is_invisible(Id::VP9, &[0b1000_0110, 0]), "inter frame, shown");
        assert!(is_invisible(Id::VP9, &[0b1000_0100, 0]), "inter frame, hidden");
        assert!(!is_invisible(Id::VP9, &[0b1000_1000, 0]), "shows an existing frame");
        assert!(!is_invisible(Id::VP9, &[0b1000_0100, 0xc1]), "superframe");
        assert!(!is_invisible(Id::H264, &[0]));
        assert!(!is_invisible(Id::VP9, &[]));
    }
}
