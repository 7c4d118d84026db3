//! The head of a CVAT file: the task and its labels.

use super::FormatError;
use super::output::OutFile;
use super::palette_png::voc_palette;
use super::xml_stream::escaped;

/// The track of masks that have none; ours start at 1. CVAT wants a number as the attribute's default.
pub(super) const NO_TRACK: u64 = 0;

/// Writes everything down to `</meta>`. `mode` is `annotation` for images and `interpolation` for video.
pub(super) fn write_head(
    file: &mut OutFile,
    task: &str,
    mode: &str,
    frame_count: usize,
    size: Option<(u32, u32)>,
    classes: &[String],
) -> Result<(), FormatError> {
    file.text("<?xml version=\"1.0\" encoding=\"utf-8\"?>\n<annotations>\n<version>1.1</version>\n<meta><task>\n")?;
    file.text(&format!("<name>{}</name><size>{frame_count}</size><mode>{mode}</mode>\n<labels>\n", escaped(task)))?;
    let palette = voc_palette();
    for (i, class) in classes.iter().enumerate() {
        let colour = &palette[3 * ((i + 1) % 256)..][..3];
        file.text(&format!(
            "<label><name>{}</name><color>#{:02x}{:02x}{:02x}</color><type>mask</type><attributes>\
             <attribute><name>track_id</name><mutable>False</mutable><input_type>number</input_type>\
             <default_value>{NO_TRACK}</default_value><values>{NO_TRACK}\n4294967295\n1</values></attribute>\
             <attribute><name>name</name><mutable>False</mutable><input_type>text</input_type>\
             <default_value></default_value><values></values></attribute>\
             </attributes></label>\n",
            escaped(class),
            colour[0],
            colour[1],
            colour[2],
        ))?;
    }
    file.text("</labels>\n")?;
    if let Some((width, height)) = size {
        file.text(&format!("<original_size><width>{width}</width><height>{height}</height></original_size>\n"))?;
    }
    file.text("</task></meta>\n")
}

/// The attributes that tell objects apart, as CVAT writes them.
pub(super) fn attribute_tags(track: u32, name: &str) -> String {
    format!("<attribute name=\"track_id\">{track}</attribute><attribute name=\"name\">{}</attribute>", escaped(name))
}
