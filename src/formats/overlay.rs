//! A video of the clip with its masks drawn on it, to look at and to show; or the masks alone, or the objects alone.
//!
//! ```text
//! CLIP.mp4
//! ```
//!
//! Frames keep their times. Where objects overlap the one with the lowest number is drawn on top. It holds no labels, so
//! the check of the export only counts the frames that can be read back.

use super::dataset::OverlayStyle;
use super::output::Output;
use super::resolved::{Dataset, DatasetClip, DatasetFrame};
use super::{FormatError, crop};
use crate::label::{FrameSize, Mask, Rgb};
use crate::video::{RgbImage, VideoWriter, open_quietly};

/// Rate of a clip of one frame.
const DEFAULT_RATE: f64 = 25.0;

/// Writes the videos and counts their frames.
pub(super) fn write(dataset: &Dataset<'_>, output: &mut Output<'_>) -> Result<(), FormatError> {
    for clip in &dataset.clips {
        let path = output.path(&format!("{}.mp4", clip.name))?;
        let facts = clip.facts();
        let rate = facts.average_rate.unwrap_or(DEFAULT_RATE);
        let mut writer = VideoWriter::create(&path, clip.size(), rate)?;
        let secs = |frame: &DatasetFrame| facts.frames[frame.idx.as_usize()].secs;
        let start = secs(&clip.frames[0]);
        for (i, frame) in clip.frames.iter().enumerate() {
            let image = draw(clip, frame, output)?;
            let duration = clip.frames.get(i + 1).map_or(1.0 / rate, |next| secs(next) - secs(frame));
            writer.write(&image, secs(frame) - start, duration)?;
            output.frame_done()?;
        }
        writer.finish()?;
        let count = open_quietly(&path)?.frame_count();
        if count as usize != clip.frames.len() {
            let first = format!("{}.mp4 has {count} frames, {} were written", clip.name, clip.frames.len());
            return Err(FormatError::SelfCheck { path, count: 1, first });
        }
    }
    Ok(())
}

fn draw(clip: &DatasetClip<'_>, frame: &DatasetFrame, output: &mut Output<'_>) -> Result<RgbImage, FormatError> {
    let masks = clip.masks_on(frame.idx)?;
    output.masks += masks.len() as u64;
    let size = clip.size();
    match output.overlay {
        OverlayStyle::Tint => {
            let mut image = output.picture(clip, frame)?;
            for (object, mask) in masks.iter().rev() {
                tint(&mut image, mask, object.colour);
            }
            Ok(image)
        }
        OverlayStyle::Matte => {
            let mut image = RgbImage { size, pixels: vec![0; size.area() * 3] };
            for (start, end) in masks.iter().flat_map(|(_, mask)| mask.spans()) {
                image.pixels[3 * start..3 * end].fill(255);
            }
            Ok(image)
        }
        OverlayStyle::CutOut => {
            let whole = output.picture(clip, frame)?;
            let mut image = RgbImage { size, pixels: vec![0; size.area() * 3] };
            for (start, end) in masks.iter().flat_map(|(_, mask)| mask.spans()) {
                image.pixels[3 * start..3 * end].copy_from_slice(&whole.pixels[3 * start..3 * end]);
            }
            Ok(image)
        }
    }
}

/// Half the object's colour inside, all of it on the rim.
fn tint(image: &mut RgbImage, mask: &Mask, colour: Rgb) {
    let FrameSize { width, height } = image.size;
    let width_px = width as usize;
    let pixels = mask.to_pixels();
    // Thicker on larger frames, so that it is seen when the video is shown small.
    let rim = (height.max(width) / 1000 + 1) as usize;
    for (y, x0, x1) in crop::row_spans(mask) {
        for x in x0..x1 {
            let (x, y) = (x as usize, y as usize);
            let at = y * width_px + x;
            let is_inside = x >= rim
                && y >= rim
                && x + rim < width_px
                && y + rim < height as usize
                && [at - rim, at + rim, at - rim * width_px, at + rim * width_px].iter().all(|&at| pixels[at] != 0);
            for (channel, &wanted) in colour.iter().enumerate() {
                let pixel = &mut image.pixels[3 * at + channel];
                *pixel = if is_inside { u8::midpoint(*pixel, wanted) } else { wanted };
            }
        }
    }
}
