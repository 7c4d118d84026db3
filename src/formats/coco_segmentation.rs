//! The three ways COCO writes a mask: polygons, runs as numbers, runs as a string.

use serde_json::Value;

use super::reading::whole_number;
use super::{coco_rle, polygon_fill};
use crate::label::{FrameSize, Mask};

/// The mask in `segmentation`, which must have the size of the frame.
///
/// # Errors
/// Says what is wrong with it.
pub(super) fn read_segmentation(segmentation: &Value, size: FrameSize) -> Result<Mask, String> {
    match segmentation {
        Value::Object(_) => read_runs(segmentation, size),
        Value::Array(polygons) if polygons.is_empty() => Err("its segmentation is empty".to_owned()),
        Value::Array(polygons) => {
            let rings: Result<Vec<_>, String> = polygons.iter().map(ring).collect();
            polygon_fill::fill(size, &rings?)
        }
        Value::Null => Err("it has no mask".to_owned()),
        Value::Bool(_) | Value::Number(_) | Value::String(_) => Err("its segmentation is no mask".to_owned()),
    }
}

/// The mask in an object of `size` and `counts`.
///
/// # Errors
/// Says what is wrong with it.
pub(super) fn read_runs(segmentation: &Value, size: FrameSize) -> Result<Mask, String> {
    let side = |i: usize| whole_number(&segmentation["size"][i]);
    let (height, width) = side(0).zip(side(1)).ok_or("its runs have no size [height, width]")?;
    if (width, height) != (u64::from(size.width), u64::from(size.height)) {
        return Err(format!("its mask is {width}x{height}, the clip's frames are {size}"));
    }
    match &segmentation["counts"] {
        Value::String(text) => coco_rle::decode(size, text).map_err(|e| e.to_string()),
        Value::Array(counts) => {
            let run = |value: &Value| whole_number(value).and_then(|run| u32::try_from(run).ok());
            let counts: Option<Vec<u32>> = counts.iter().map(run).collect();
            let counts = counts.ok_or("a run is negative, too long or not a whole number")?;
            coco_rle::mask_from_counts(size, &counts).map_err(|e| e.to_string())
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_) => Err("it has no runs".to_owned()),
    }
}

/// A polygon's corners from its list of numbers x, y, x, y …
fn ring(polygon: &Value) -> Result<Vec<(f64, f64)>, String> {
    let numbers = polygon.as_array().ok_or("a polygon is no list of numbers")?;
    let numbers: Option<Vec<f64>> = numbers.iter().map(Value::as_f64).collect();
    let numbers = numbers.ok_or("a polygon holds something that is no number")?;
    if numbers.len() % 2 == 1 {
        return Err("a polygon has an x without a y".to_owned());
    }
    Ok(numbers.chunks_exact(2).map(|pair| (pair[0], pair[1])).collect())
}
