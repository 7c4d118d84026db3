//! What a format's writer writes through: files in the export's folder, pictures, counts, progress.

use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::dataset::{ImageChoice, ImageSource, OverlayStyle};
use super::picture_file::{PictureFile, encode_picture, write_buffered};
use super::report::Losses;
use super::resolved::{DatasetClip, DatasetFrame};
use super::{FormatError, FormatId};
use crate::video::RgbImage;

/// What an export is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// Writing files.
    Writing,
    /// Reading them back.
    Checking,
}

/// How far an export has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// What it is doing.
    pub stage: Stage,
    /// Frames written, or masks compared.
    pub done: u64,
    /// Out of how many; 0 where that is not known.
    pub total: u64,
}

/// Where a writer puts things.
pub(super) struct Output<'a> {
    root: PathBuf,
    pub format: FormatId,
    images: ImageChoice,
    pub overlay: OverlayStyle,
    /// By position in the plan.
    image_sources: Vec<Option<&'a mut (dyn ImageSource + 'a)>>,
    progress: &'a mut dyn FnMut(Progress) -> ControlFlow<()>,
    frames_done: u64,
    frames_total: u64,
    pub masks: u64,
    pub images_written: u64,
    pub losses: Losses,
    pub notes: Vec<String>,
}

impl<'a> Output<'a> {
    pub fn new(
        root: &Path,
        format: FormatId,
        images: ImageChoice,
        image_sources: Vec<Option<&'a mut dyn ImageSource>>,
        frames_total: u64,
        progress: &'a mut dyn FnMut(Progress) -> ControlFlow<()>,
    ) -> Self {
        Output {
            root: root.to_owned(),
            format,
            images: if format.wants_jpeg() && images == ImageChoice::Png { ImageChoice::Jpeg } else { images },
            overlay: OverlayStyle::default(),
            image_sources,
            progress,
            frames_done: 0,
            frames_total,
            masks: 0,
            images_written: 0,
            losses: Losses::default(),
            notes: Vec::new(),
        }
    }

    /// The full path of a file of the export; its folder is made.
    pub fn path(&self, name: &str) -> Result<PathBuf, FormatError> {
        let path = self.root.join(name);
        let folder = path.parent().expect("a file lies in a folder");
        fs::create_dir_all(folder).map_err(FormatError::writing(folder))?;
        Ok(path)
    }

    /// A file of the export, open for writing.
    pub fn file(&self, name: &str) -> Result<OutFile, FormatError> {
        OutFile::create(self.path(name)?)
    }

    /// Counts a frame as written.
    ///
    /// # Errors
    /// When the user stops the export.
    pub fn frame_done(&mut self) -> Result<(), FormatError> {
        self.frames_done += 1;
        self.keep_going()
    }

    /// Called where a writer works for long before a frame is done.
    ///
    /// # Errors
    /// When the user stops the export.
    pub fn keep_going(&mut self) -> Result<(), FormatError> {
        self.tell(Progress { stage: Stage::Writing, done: self.frames_done, total: self.frames_total })
    }

    /// Tells how far it is.
    ///
    /// # Errors
    /// When the user stops the export.
    pub fn tell(&mut self, progress: Progress) -> Result<(), FormatError> {
        if (self.progress)(progress).is_break() { Err(FormatError::Cancelled) } else { Ok(()) }
    }

    /// The ending of a frame's picture, dot included, whether or not it is written: a folder's own images keep theirs.
    pub fn image_ending(&self, clip: &DatasetClip<'_>, frame: &DatasetFrame) -> String {
        match self.images {
            ImageChoice::Png => ".png".to_owned(),
            ImageChoice::Jpeg => ".jpg".to_owned(),
            ImageChoice::None => {
                let own = clip.facts().frames[frame.idx.as_usize()].file_name.as_deref();
                let ending = own.and_then(|own| own.rsplit_once('.')).map(|(_, ending)| format!(".{ending}"));
                ending.filter(|_| !self.format.wants_jpeg()).unwrap_or_else(|| ".jpg".to_owned())
            }
        }
    }

    /// Writes a frame's picture under `name` without ending, where pictures are wanted.
    pub fn image(&mut self, clip: &DatasetClip<'_>, frame: &DatasetFrame, name: &str) -> Result<(), FormatError> {
        if self.images == ImageChoice::None {
            return Ok(());
        }
        let path = self.path(&format!("{name}{}", self.image_ending(clip, frame)))?;
        let image = self.picture(clip, frame)?;
        let kind = if self.images == ImageChoice::Jpeg { PictureFile::Jpeg } else { PictureFile::Png };
        write_buffered(&path, |file| encode_picture(&image, kind, file)).map_err(FormatError::writing(&path))?;
        self.images_written += 1;
        Ok(())
    }

    /// A frame's picture from the clip; damaged ones are counted.
    pub fn picture(&mut self, clip: &DatasetClip<'_>, frame: &DatasetFrame) -> Result<RgbImage, FormatError> {
        let fault = |cause: String| FormatError::Picture { clip: clip.facts().name.clone(), frame: frame.idx, cause };
        let source = self.image_sources[clip.position].as_mut();
        let source = source.ok_or_else(|| fault("the clip is not open".to_owned()))?;
        let picture = source.picture(frame.idx).map_err(|e| fault(e.to_string()))?;
        if picture.image.size != clip.size() {
            return Err(fault(format!("it is {}, the clip is {}", picture.image.size, clip.size())));
        }
        self.losses.damaged_pictures += u64::from(picture.damage.is_some());
        Ok(picture.image)
    }
}

/// A file being written; errors name it.
pub(super) struct OutFile {
    path: PathBuf,
    writer: BufWriter<File>,
}

impl OutFile {
    pub fn create(path: PathBuf) -> Result<Self, FormatError> {
        let file = File::create(&path).map_err(FormatError::writing(&path))?;
        Ok(OutFile { path, writer: BufWriter::new(file) })
    }

    pub fn bytes(&mut self, bytes: &[u8]) -> Result<(), FormatError> {
        self.writer.write_all(bytes).map_err(FormatError::writing(&self.path))
    }

    pub fn text(&mut self, text: &str) -> Result<(), FormatError> {
        self.bytes(text.as_bytes())
    }

    pub fn json(&mut self, value: &impl Serialize) -> Result<(), FormatError> {
        serde_json::to_writer(&mut self.writer, value).map_err(|e| FormatError::writing(&self.path)(e.into()))
    }

    /// Waits for the last byte to be handed to the system.
    pub fn finish(mut self) -> Result<(), FormatError> {
        self.writer.flush().map_err(FormatError::writing(&self.path))
    }
}
