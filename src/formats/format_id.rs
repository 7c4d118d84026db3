//! The dataset formats by the names the command line and the window use.

use std::fmt;
use std::str::FromStr;

/// A dataset format.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FormatId {
    /// One `.npy` per frame and object.
    Npy,
    /// One `.npy` per object, frames stacked.
    NpyStack,
    /// DAVIS 2016/2017.
    Davis,
    /// One black-and-white PNG per frame and object.
    Png,
    /// COCO instances.
    Coco,
    /// YouTube-VOS.
    YtVos,
    /// YouTube-VIS.
    YtVis,
    /// SA-V.
    Sav,
    /// Ultralytics YOLO segmentation.
    Yolo,
    /// MOTS.
    Mots,
    /// CVAT for images.
    CvatImages,
    /// CVAT for video.
    CvatVideo,
    /// Datumaro's own.
    Datumaro,
    /// Label Studio tasks with brush labels.
    LabelStudio,
    /// labelme.
    Labelme,
    /// A video with the masks drawn on it.
    Overlay,
}

use FormatId::{
    Coco, CvatImages, CvatVideo, Datumaro, Davis, LabelStudio, Labelme, Mots, Npy, NpyStack, Overlay, Png, Sav, Yolo,
    YtVis, YtVos,
};

impl FormatId {
    /// All of them, in the order they are offered.
    pub const ALL: [FormatId; 16] = [
        Npy,
        NpyStack,
        Davis,
        Png,
        Coco,
        YtVos,
        YtVis,
        Sav,
        Yolo,
        Mots,
        CvatImages,
        CvatVideo,
        Datumaro,
        LabelStudio,
        Labelme,
        Overlay,
    ];

    /// The name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Npy => "npy",
            NpyStack => "npy-stack",
            Davis => "davis",
            Png => "png",
            Coco => "coco",
            YtVos => "ytvos",
            YtVis => "ytvis",
            Sav => "sav",
            Yolo => "yolo",
            Mots => "mots",
            CvatImages => "cvat-images",
            CvatVideo => "cvat-video",
            Datumaro => "datumaro",
            LabelStudio => "labelstudio",
            Labelme => "labelme",
            Overlay => "overlay",
        }
    }

    /// One line for lists and help.
    pub fn description(self) -> &'static str {
        match self {
            Npy => "NumPy, one array per frame and object: FRAME_OBJECT.npy",
            NpyStack => "NumPy, one array [frames, height, width] per object",
            Davis => "DAVIS: one palette PNG per frame, objects must not overlap",
            Png => "black-and-white PNG per frame and object, in a folder per object",
            Coco => "COCO instances with run-length masks and track ids",
            YtVos => "YouTube-VOS: palette PNGs and meta.json",
            YtVis => "YouTube-VIS: one JSON with a run-length mask per frame",
            Sav => "SA-V: one JSON of masklets, and a PNG per frame and object",
            Yolo => "YOLO segmentation (Ultralytics): polygons without holes",
            Mots => "MOTS: 16-bit PNGs and text, objects must not overlap",
            CvatImages => "CVAT for images 1.1 (XML)",
            CvatVideo => "CVAT for video 1.1 (XML, mask tracks)",
            Datumaro => "Datumaro JSON",
            LabelStudio => "Label Studio tasks with brush masks, one per frame",
            Labelme => "labelme: one JSON per frame",
            Overlay => "a video with the masks drawn on it",
        }
    }

    /// Whether it can be read back as labels.
    pub fn can_import(self) -> bool {
        super::registry::importer(self).is_some()
    }

    /// Whether readers take the frame's number from its file name, within a folder per clip. The other formats keep the
    /// names of a folder's images and put all clips side by side.
    pub(super) fn numbers_frames(self) -> bool {
        match self {
            Npy | NpyStack | Davis | Png | YtVos | YtVis | Sav | Mots | CvatVideo | Overlay => true,
            Coco | Yolo | CvatImages | Datumaro | LabelStudio | Labelme => false,
        }
    }

    /// Whether some programs number its frames from 1. In the others the number is ours, or a place in a list.
    pub(super) fn may_count_from_one(self) -> bool {
        match self {
            Npy | NpyStack | Sav => false,
            Davis | Png | Coco | YtVos | YtVis | Yolo | Mots | CvatImages | CvatVideo | Datumaro | LabelStudio
            | Labelme | Overlay => true,
        }
    }

    /// Whether readers look for `.jpg` files only, whatever the user would like.
    pub(super) fn wants_jpeg(self) -> bool {
        match self {
            Davis | YtVos | YtVis | Sav => true,
            Npy | NpyStack | Png | Coco | Yolo | Mots | CvatImages | CvatVideo | Datumaro | LabelStudio | Labelme
            | Overlay => false,
        }
    }

    /// Names that no frame's files may have, because every export has files called so where this format puts frames.
    pub(super) fn reserved_names(self) -> &'static [&'static str] {
        match self {
            Labelme => &["labelhub", "labelhub-names"],
            Npy | NpyStack | Davis | Png | Coco | YtVos | YtVis | Sav | Yolo | Mots | CvatImages | CvatVideo
            | Datumaro | LabelStudio | Overlay => &[],
        }
    }

    /// Whether a frame without a mask reads as one without objects.
    pub(super) fn says_absent(self) -> bool {
        match self {
            Npy | CvatVideo | Overlay => false,
            NpyStack | Davis | Png | Coco | YtVos | YtVis | Sav | Yolo | Mots | CvatImages | Datumaro | LabelStudio
            | Labelme => true,
        }
    }

    /// What must hold when its files are read back.
    pub(super) fn fidelity(self) -> Fidelity {
        match self {
            Npy | NpyStack | Png | Coco | YtVis | Sav | CvatImages | CvatVideo | Datumaro | LabelStudio | Labelme => {
                Fidelity::Exact
            }
            Davis | YtVos | Mots => Fidelity::NoOverlap,
            Yolo => Fidelity::Outlines,
            Overlay => Fidelity::PictureOnly,
        }
    }
}

/// How much of the masks a format holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fidelity {
    /// Every pixel of every mask.
    Exact,
    /// One object per pixel; where masks overlap the lowest number has it.
    NoOverlap,
    /// Outer outlines.
    Outlines,
    /// Nothing to read back.
    PictureOnly,
}

impl fmt::Display for FormatId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// The name is not one of ours.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "no format {0:?}; there are npy npy-stack davis png coco ytvos ytvis sav yolo mots cvat-images cvat-video datumaro labelstudio labelme overlay"
)]
pub struct UnknownFormat(pub String);

impl FromStr for FormatId {
    type Err = UnknownFormat;

    fn from_str(name: &str) -> Result<Self, UnknownFormat> {
        FormatId::ALL.into_iter().find(|id| id.name() == name).ok_or_else(|| UnknownFormat(name.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_back_and_listed_in_the_error() {
        let error = "coc".parse::<FormatId>().expect_err("no such format").to_string();
        for id in FormatId::ALL {
            assert_eq!(id.to_string().parse(), Ok(id));
            assert!(error.contains(id.name()), "{id} is not in: {error}");
        }
    }
}
