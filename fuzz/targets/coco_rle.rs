//! COCO's run lengths as a string. The input: width and height, a byte each, then the string.

use label_hub::formats::coco_rle;
use label_hub::label::FrameSize;

use super::Target;

/// The target.
pub fn target() -> Target {
    Target::new("coco_rle", true, |_, input| {
        let &[width, height, ref text @ ..] = input else { return "too short".to_owned() };
        let size = FrameSize { width: u32::from(width).max(1), height: u32::from(height).max(1) };
        match coco_rle::decode(size, &String::from_utf8_lossy(text)) {
            Ok(mask) => {
                assert_eq!(mask.size(), size);
                let again = coco_rle::decode(size, &coco_rle::encode(&mask));
                assert_eq!(again.as_ref(), Ok(&mask), "what is written reads back");
                assert_eq!(coco_rle::mask_from_counts(size, &coco_rle::counts(&mask)), Ok(mask.clone()));
                format!("read, {} runs", ".".repeat(mask.runs().len().ilog2() as usize))
            }
            Err(error) => error.to_string(),
        }
    })
}
