//! Whether decoding can start at a packet, read from its first bytes.
//!
//! ffmpeg flags every packet of an AVI whose index was never written as a key frame, and every one of H.263 and H.261
//! wherever it lies; copies into other containers keep the flags. Most codecs have a parser that finds the truth; those
//! here have none, or one that does not look. Called by the scan.

use ffmpeg_next::codec::Id;
use ffmpeg_next::ffi;

/// Whether a packet says that it is a key frame; `None` where the codec's packets do not say, or too few bytes are there.
pub(super) fn is_key(codec: Id, data: &[u8]) -> Option<bool> {
    let mut bits = Bits { data, position: 0 };
    match codec {
        // RFC 9043, 4.4: the first symbol of the range coder, whose probability is one half.
        Id::FFV1 => Some(bits.take(16)? >= 0x7f80),
        // The picture's type comes first; version 1 has a start code and a number before it.
        Id::MSMPEG4V1 => bits.skip(32 + 5)?.take(2).map(|kind| kind == 0),
        Id::MSMPEG4V2 | Id::MSMPEG4V3 | Id::WMV1 => bits.take(2).map(|kind| kind == 0),
        Id::WMV2 => bits.take(1).map(|kind| kind == 0),
        Id::FLV1 => is_key_of_flash_video(bits),
        Id::H263 | Id::H263P => is_key_of_h263(bits),
        Id::ZMBV => Some(data.first()? & 1 == 1),
        Id::CINEPAK => is_key_of_cinepak(data),
        _ => None,
    }
}

/// Whether key flags that are on every packet are worth nothing, where the packets themselves do not say.
/// `is_avi_alone` says that they are an AVI's, without a parser.
pub(super) fn are_doubtful(codec: Id, is_avi_alone: bool) -> bool {
    // SAFETY: the answer is null or points to a static table.
    let properties = unsafe { ffi::avcodec_descriptor_get(codec.into()).as_ref() }.map_or(0, |known| known.props);
    // These two have pictures on their own only, though ffmpeg's table does not say so.
    let is_intra = properties & ffi::AV_CODEC_PROP_INTRA_ONLY != 0 || matches!(codec, Id::PNG | Id::CFHD);
    // Other containers flag each packet by itself; of H.261, ffmpeg never knows.
    !is_intra && (is_avi_alone || codec == Id::H261)
}

/// As in Flash Video, 1.1: start code (17), version (5), picture number (8), size, then the type.
fn is_key_of_flash_video(mut bits: Bits<'_>) -> Option<bool> {
    let size_bits = match bits.skip(17 + 5 + 8)?.take(3)? {
        0 => 16,
        1 => 32,
        _ => 0,
    };
    bits.skip(size_bits)?.take(2).map(|kind| kind == 0)
}

/// ITU-T H.263, 5.1: start code (22), time (8), five flags, format (3), then the type, which the extended header has
/// behind another one.
fn is_key_of_h263(mut bits: Bits<'_>) -> Option<bool> {
    match bits.skip(22 + 8 + 5)?.take(3)? {
        // PLUSPTYPE: UFEP (3), OPPTYPE (18) where announced, then MPPTYPE.
        7 => {
            let has_options = bits.take(3)? == 1;
            bits.skip(if has_options { 18 } else { 0 })?.take(3).map(|kind| kind == 0)
        }
        _ => bits.take(1).map(|kind| kind == 0),
    }
}

/// A frame header of ten bytes, then strips: type (2 bytes, 0x1000 is a whole one) and length (2 bytes).
fn is_key_of_cinepak(data: &[u8]) -> Option<bool> {
    let strip_count = u16::from_be_bytes([*data.get(8)?, *data.get(9)?]);
    let mut start = 10;
    for _ in 0..strip_count {
        let header = data.get(start..start + 4)?;
        if header[0] != 0x10 {
            return Some(false);
        }
        start += usize::from(u16::from_be_bytes([header[2], header[3]])).max(4);
    }
    Some(strip_count > 0)
}

/// Bits, highest first.
struct Bits<'a> {
    data: &'a [u8],
    position: usize,
}

impl Bits<'_> {
    fn take(&mut self, count: usize) -> Option<u32> {
        let mut value = 0;
        for position in self.position..self.position + count {
            value = value << 1 | u32::from(self.data.get(position / 8)? >> (7 - position % 8) & 1);
        }
        self.position += count;
        Some(value)
    }

    fn skip(&mut self, count: usize) -> Option<&mut Self> {
        self.position += count;
        (self.position < self.data.len() * 8).then_some(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packets_say_whether_they_are_keys() {
        assert_eq!(is_key(Id::FFV1, &[0x80, 0]), Some(true));
        assert_eq!(is_key(Id::FFV1, &[0x7f, 0x7f]), Some(false));
        assert_eq!(is_key(Id::MSMPEG4V3, &[0b0011_1111]), Some(true));
        assert_eq!(is_key(Id::MSMPEG4V3, &[0b0100_0000]), Some(false));
        assert_eq!(is_key(Id::WMV2, &[0b1000_0000]), Some(false));
        assert_eq!(is_key(Id::ZMBV, &[1]), Some(true));
        assert_eq!(is_key(Id::H264, &[0; 64]), None, "it has a parser");
        for codec in [Id::FFV1, Id::MSMPEG4V1, Id::WMV2, Id::FLV1, Id::H263, Id::ZMBV, Id::CINEPAK] {
            assert_eq!(is_key(codec, &[]), None, "{codec:?}");
        }
    }

    #[test]
    fn pictures_on_their_own_are_not_doubted() {
        for codec in [Id::MJPEG, Id::PNG, Id::RAWVIDEO, Id::HUFFYUV, Id::PRORES, Id::DNXHD, Id::CFHD] {
            assert!(!are_doubtful(codec, true), "{codec:?}");
        }
        assert!(are_doubtful(Id::MSVIDEO1, true) && !are_doubtful(Id::QTRLE, false) && are_doubtful(Id::H261, false));
    }
}
