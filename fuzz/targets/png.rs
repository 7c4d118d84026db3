//! PNGs: a painted mask, palette masks (DAVIS), 16-bit ones (MOTS), black and white ones (png, SA-V).

use label_hub::formats::{FormatId, mask_png};

use super::dataset::import_file;
use super::{SIZE, Target, written};

/// The targets.
pub fn targets() -> Vec<Target> {
    let mask = Target::new("mask_png", false, |folder, input| {
        match mask_png::read_mask(&written(folder, "mask.png", input), SIZE) {
            Ok(mask) => {
                assert_eq!(mask.size(), SIZE);
                format!("read, {}", if mask.is_empty() { "empty" } else { "not empty" })
            }
            Err(error) => error.to_string(),
        }
    });
    let palette = Target::new("davis_png", false, |folder, input| {
        import_file(folder, FormatId::Davis, "Annotations/480p/clip/00000.png", input, &[])
    });
    let grey = Target::new("mots_png", false, |folder, input| {
        import_file(folder, FormatId::Mots, "clip/instances/000000.png", input, &[])
    });
    let binary = Target::new("binary_png", false, |folder, input| {
        import_file(folder, FormatId::Png, "masks/clip/dog/00001.png", input, &[])
    });
    let sav = Target::new("sav_png", false, |folder, input| {
        import_file(folder, FormatId::Sav, "Annotations_6fps/clip/000/00001.png", input, &[])
    });
    [mask, palette, grey, binary, sav].into_iter().map(|target| target.with_repair(repair)).collect()
}

/// Makes the checksums of the chunks right again, as far as their lengths make sense.
fn repair(bytes: &mut [u8]) {
    let mut at = 8;
    while let Some(length) = bytes.get(at..at + 4) {
        let length = u32::from_be_bytes(length.try_into().expect("four bytes")) as usize;
        let end = at.saturating_add(8).saturating_add(length);
        let Some(content) = bytes.get(at + 4..end) else { return };
        let checksum = crc32fast::hash(content).to_be_bytes();
        let Some(place) = bytes.get_mut(end..end + 4) else { return };
        place.copy_from_slice(&checksum);
        at = end + 4;
    }
}
