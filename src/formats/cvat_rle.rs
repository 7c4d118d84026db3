//! CVAT's masks: the rectangle around the object, and runs along its rows.
//!
//! The runs start with background (which may be 0 long) and add up to the rectangle's area. An empty mask has no
//! rectangle; what it becomes is for the writer to say.

use super::crop::Crop;
use super::xml_stream::Attributes;
use crate::label::{FrameSize, Mask};

/// The attributes `rle left top width height` of a mask; `None` when it is empty.
pub(super) fn attributes(mask: &Mask) -> Option<String> {
    let crop = Crop::around(mask)?;
    let mut runs: Vec<String> = Vec::new();
    if crop.pixels.first().is_some_and(|&pixel| pixel != 0) {
        runs.push("0".to_owned());
    }
    runs.extend(crop.pixels.chunk_by(|a, b| a == b).map(|same| same.len().to_string()));
    let Crop { x, y, width, height, .. } = crop;
    Some(format!("rle=\"{}\" left=\"{x}\" top=\"{y}\" width=\"{width}\" height=\"{height}\"", runs.join(", ")))
}

/// The mask of a tag with these attributes.
///
/// # Errors
/// Says what is wrong with them.
pub(super) fn read(tag: &Attributes<'_>, size: FrameSize) -> Result<Mask, String> {
    let number = |key: &str| tag.number(key).ok_or_else(|| format!("its {key} is no whole number"));
    let (x, y, width, height) = (number("left")?, number("top")?, number("width")?, number("height")?);
    let area = u64::from(width) * u64::from(height);
    if u64::from(x) + u64::from(width) > u64::from(size.width)
        || u64::from(y) + u64::from(height) > u64::from(size.height)
    {
        return Err(format!("its rectangle {width}x{height} at {x}, {y} lies outside the {size} frame"));
    }
    let mut pixels = Vec::with_capacity(area as usize);
    for (i, run) in tag.get("rle").ok_or("it has no rle")?.split(',').enumerate() {
        let run: u64 = run.trim().parse().map_err(|_| format!("run {i} is negative or no whole number"))?;
        if run > area - pixels.len() as u64 {
            return Err(format!("its runs are longer than its {width}x{height} rectangle"));
        }
        pixels.resize(pixels.len() + run as usize, (i % 2) as u8);
    }
    if (pixels.len() as u64) < area {
        return Err(format!("its runs cover {} pixels of {area}", pixels.len()));
    }
    Crop { x, y, width, height, pixels }.to_mask(size)
}
