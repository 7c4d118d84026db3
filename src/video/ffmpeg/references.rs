//! Packets that no other picture is predicted from, told by their first bytes.
//!
//! Damage in such a packet stays in its own picture; damage in any other may be in all that follow. Where the bytes do
//! not tell, the packet counts as one that others are predicted from. Called by the scan.

use ffmpeg_next::codec::{Id, Parameters};
use ffmpeg_next::ffi;

/// How the packets of one stream are told apart.
pub(super) struct References {
    codec: Id,
    is_intra_only: bool,
    /// Bytes of the length before each NAL unit; `None` where start codes part them.
    nal_length_bytes: Option<usize>,
    /// HEVC with one temporal layer, where a picture that its own layer does not refer to is referred to by none.
    has_one_layer: bool,
}

impl References {
    pub fn of(parameters: &Parameters) -> Self {
        let codec = parameters.id();
        // SAFETY: plain fields of parameters that live as long as this call; descriptors are static.
        let (is_intra_only, extradata) = unsafe {
            let raw = parameters.as_ptr();
            let descriptor = ffi::avcodec_descriptor_get((*raw).codec_id);
            let is_intra_only = !descriptor.is_null() && (*descriptor).props & ffi::AV_CODEC_PROP_INTRA_ONLY != 0;
            let length = usize::try_from((*raw).extradata_size).unwrap_or(0);
            let extradata: &[u8] = match (*raw).extradata.is_null() {
                true => &[],
                false => std::slice::from_raw_parts((*raw).extradata, length),
            };
            (is_intra_only, extradata)
        };
        // ISO/IEC 14496-15: `avcC` and `hvcC` start with their version, 1; a stream with start codes starts with 0.
        let length_byte = match codec {
            _ if extradata.first() != Some(&1) => None,
            Id::H264 => extradata.get(4),
            Id::HEVC => extradata.get(21),
            _ => None,
        };
        let nal_length_bytes = length_byte.map(|byte| usize::from(byte & 3) + 1);
        // Bits 3 to 5 hold the number of layers, 0 where the writer did not know.
        let has_one_layer = codec == Id::HEVC && length_byte.is_some_and(|byte| byte >> 3 & 7 == 1);
        References { codec, is_intra_only, nal_length_bytes, has_one_layer }
    }

    /// Whether no other picture is predicted from the one in this packet.
    pub fn is_disposable(&self, data: &[u8]) -> bool {
        match self.codec {
            _ if self.is_intra_only => true,
            // 7.4.1: nal_ref_idc is 0 for all slices (types 1 to 5) of a picture or for none.
            Id::H264 => {
                self.first_nal(data, |nal| (1..=5).contains(&(nal[0] & 0x1f))).is_some_and(|nal| nal[0] & 0x60 == 0)
            }
            // 7.4.2.2: pictures are of types 0 to 31; the even ones below 16 are not referred to by their own layer.
            Id::HEVC if self.has_one_layer => {
                self.first_nal(data, |nal| nal[0] >> 1 & 0x3f < 32).is_some_and(|nal| nal[0] >> 1 & 0x31 == 0)
            }
            // vop_coding_type 2 and picture_coding_type 3: B.
            Id::MPEG4 => after_start_code(data, 0xb6).and_then(|vop| vop.first()).is_some_and(|byte| byte >> 6 == 2),
            Id::MPEG1VIDEO | Id::MPEG2VIDEO => {
                after_start_code(data, 0x00).and_then(|picture| picture.get(1)).is_some_and(|byte| byte >> 3 & 7 == 3)
            }
            _ => false,
        }
    }

    /// The first NAL unit, not empty, that `is_wanted`.
    fn first_nal<'a>(&self, data: &'a [u8], is_wanted: impl Fn(&[u8]) -> bool) -> Option<&'a [u8]> {
        let mut rest = data;
        loop {
            let nal = match self.nal_length_bytes {
                Some(bytes) => {
                    let (length, behind) = rest.split_at_checked(bytes)?;
                    let length = length.iter().fold(0, |length, &byte| length << 8 | usize::from(byte));
                    let (nal, behind) = behind.split_at_checked(length)?;
                    rest = behind;
                    nal
                }
                None => {
                    let start = rest.windows(3).position(|window| window == [0, 0, 1])?;
                    rest = &rest[start + 3..];
                    rest
                }
            };
            if !nal.is_empty() && is_wanted(nal) {
                return Some(nal);
            }
        }
    }
}

/// What follows the first start code with this last byte.
fn after_start_code(data: &[u8], code: u8) -> Option<&[u8]> {
    data.windows(4).position(|window| window == [0, 0, 1, code]).map(|start| &data[start + 4..])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn references(codec: Id, nal_length_bytes: Option<usize>) -> References {
        References { codec, is_intra_only: false, nal_length_bytes, has_one_layer: true }
    }

    #[test]
    fn pictures_nothing_refers_to_are_told_by_their_first_bytes() {
        let h264 = references(Id::H264, Some(4));
        let sei = [0, 0, 0, 2, 0x06, 0x05];
        assert!(h264.is_disposable(&[&sei[..], &[0, 0, 0, 1, 0x01]].concat()), "a slice with nal_ref_idc 0");
        assert!(!h264.is_disposable(&[&sei[..], &[0, 0, 0, 1, 0x41]].concat()), "a slice others refer to");
        assert!(!h264.is_disposable(&sei), "no slice at all");
        assert!(!h264.is_disposable(&[0, 0, 0, 9, 0x01]), "longer than the packet");
        assert!(!h264.is_disposable(&[0; 16]), "nothing but zeros");
        let h264_in_ts = references(Id::H264, None);
        assert!(h264_in_ts.is_disposable(&[0, 0, 0, 1, 0x09, 0xf0, 0, 0, 1, 0x01, 0x9e]));
        assert!(!h264_in_ts.is_disposable(&[0, 0, 0, 1, 0x09, 0xf0, 0, 0, 1, 0x65, 0x9e]));
        let mut hevc = references(Id::HEVC, Some(4));
        assert!(hevc.is_disposable(&[0, 0, 0, 2, 0x00, 0x01]), "TRAIL_N");
        assert!(!hevc.is_disposable(&[0, 0, 0, 2, 0x02, 0x01]), "TRAIL_R");
        assert!(!hevc.is_disposable(&[0, 0, 0, 2, 19 << 1, 0x01]), "IDR");
        hevc.has_one_layer = false;
        assert!(!hevc.is_disposable(&[0, 0, 0, 2, 0x00, 0x01]), "a higher layer may refer to it");
        assert!(references(Id::MPEG4, None).is_disposable(&[0, 0, 1, 0xb6, 0x90]));
        assert!(!references(Id::MPEG4, None).is_disposable(&[0, 0, 1, 0xb6, 0x50]));
        assert!(references(Id::MPEG2VIDEO, None).is_disposable(&[0, 0, 1, 0, 0, 0x18]));
        assert!(!references(Id::MPEG2VIDEO, None).is_disposable(&[0, 0, 1, 0, 0, 0x10]));
        assert!(!references(Id::VP9, None).is_disposable(&[0x86, 0]), "nobody can tell");
    }

    #[test]
    fn codecs_without_prediction_have_disposable_packets_only() {
        let intra_only = References { is_intra_only: true, ..references(Id::MJPEG, None) };
        assert!(intra_only.is_disposable(&[]));
    }
}
