//! NumPy stacks: one array [frames, height, width] per object.
//!
//! ```text
//! CLIP/masks/OBJECT.npy   uint8, 0 and 1
//! CLIP/frames.npy         int64: the clip's frame number of each layer
//! images/CLIP/00000.png   where pictures are wanted
//! ```
//!
//! `numpy.load(file, mmap_mode="r")` reads stacks larger than memory. napari shows them with
//! `viewer.add_labels(numpy.load(file))`.

use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::Path;

use ndarray_npy::npy::header::Layout;

use super::npy_header::{self, ArrayHeader, HeaderFault};
use super::output::Output;
use super::reading::{FrameRef, ObjectKey, ObjectRef, Sink};
use super::resolved::Dataset;
use super::{FormatError, FormatId, files};
use crate::label::Mask;

/// Layers of a stack that are read: as many as a clip can have frames.
const MAX_LAYERS: usize = 24 * 3600 * 240;
/// Lies beside or above the stacks and says which frames their layers are.
const NUMBERS_FILE: &str = "frames.npy";

/// Writes the dataset.
pub(super) fn write(dataset: &Dataset<'_>, output: &mut Output<'_>) -> Result<(), FormatError> {
    for clip in &dataset.clips {
        let count = clip.frames.len();
        let mut numbers = output.file(&format!("{}/frames.npy", clip.name))?;
        numbers.bytes(&npy_header::written("<i8", &[count]))?;
        for frame in &clip.frames {
            numbers.bytes(&i64::from(frame.idx.0).to_le_bytes())?;
        }
        numbers.finish()?;
        let shape = [count, clip.size().height as usize, clip.size().width as usize];
        let mut stacks = Vec::with_capacity(clip.objects.len());
        for object in &clip.objects {
            let mut file = output.file(&format!("{}/masks/{}.npy", clip.name, object.file_name))?;
            file.bytes(&npy_header::written("|u1", &shape))?;
            stacks.push(file);
        }
        for frame in &clip.frames {
            for (object, file) in clip.objects.iter().zip(&mut stacks) {
                let mask = clip.mask(object, frame.idx)?.unwrap_or_else(|| Mask::empty(clip.size()));
                file.bytes(&mask.to_pixels())?;
                output.masks += u64::from(!mask.is_empty());
            }
            output.image(clip, frame, &format!("images/{}/{}", clip.name, frame.name))?;
            output.frame_done()?;
        }
        for file in stacks {
            file.finish()?;
        }
    }
    Ok(())
}

/// Reads a dataset, one clip's folder, its `masks`, or one stack.
pub(super) fn read(path: &Path, sink: &mut dyn Sink) -> Result<(), FormatError> {
    if path.is_file() {
        let folder = clip_folder(path.parent().unwrap_or(path));
        if !sink.choose_sequences(&[files::name_of(folder)])?.is_empty() {
            let numbers = read_numbers(path.parent().unwrap_or(path), sink);
            read_stack(path, &files::name_of(folder), numbers.as_deref(), sink)?;
        }
        return Ok(());
    }
    let mut clips = files::folders_in(path)?;
    clips.retain(|folder| folder.join("masks").is_dir());
    if clips.is_empty() {
        clips.push(path.to_owned());
    }
    let names: Vec<String> = clips.iter().map(|folder| files::name_of(clip_folder(folder))).collect();
    let chosen = sink.choose_sequences(&names)?;
    let mut has_stacks = chosen.is_empty();
    for chosen in chosen {
        let (folder, sequence) = (&clips[chosen], &names[chosen]);
        let masks = folder.join("masks");
        let holder = if masks.is_dir() { &masks } else { folder };
        let mut stacks = files::with_ending(holder, &["npy"])?;
        stacks.retain(|file| files::name_of(file) != NUMBERS_FILE);
        if stacks.is_empty() {
            continue;
        }
        has_stacks = true;
        let numbers = read_numbers(holder, sink);
        for file in stacks {
            read_stack(&file, sequence, numbers.as_deref(), sink)?;
        }
    }
    if has_stacks {
        return Ok(());
    }
    let cause = "no OBJECT.npy is in it; choose the folder of a clip".to_owned();
    Err(FormatError::Dataset { path: path.to_owned(), format: FormatId::NpyStack, cause })
}

/// The clip's folder for one that holds stacks.
fn clip_folder(holder: &Path) -> &Path {
    if files::name_of(holder) == "masks" { holder.parent().unwrap_or(holder) } else { holder }
}

/// The frame number of each layer, from the folder that holds the stacks or the one above it.
fn read_numbers(holder: &Path, sink: &mut dyn Sink) -> Option<Vec<u32>> {
    let places = [Some(holder), holder.parent()];
    let found = places.into_iter().flatten().map(|folder| folder.join(NUMBERS_FILE)).find(|file| file.is_file());
    match found.as_deref().map(numbers_in) {
        Some(Ok(numbers)) => return Some(numbers),
        Some(Err(cause)) => sink.fault(NUMBERS_FILE, &format!("{cause}; layers are taken as frames 0, 1, 2 …")),
        None => sink.notice(format!(
            "{}: no frames.npy says which frames the layers are; they are taken as frames 0, 1, 2 …",
            files::name_of(holder)
        )),
    }
    None
}

fn numbers_in(path: &Path) -> Result<Vec<u32>, String> {
    let mut file = File::open(path).map_err(|e| format!("cannot read it ({e})"))?;
    let header = npy_header::read(&mut file).map_err(cause_of)?;
    let &[count] = header.shape.as_slice() else { return Err("it is no plain list".to_owned()) };
    if header.dtype.trim_start_matches('<') != "i8" || count > MAX_LAYERS {
        return Err("it is no list of int64".to_owned());
    }
    let mut bytes = vec![0; count * 8];
    file.read_exact(&mut bytes).map_err(|e| e.to_string())?;
    let number = |bytes: &[u8]| i64::from_le_bytes(bytes.try_into().expect("chunks of eight"));
    let numbers = bytes.chunks_exact(8).map(|bytes| u32::try_from(number(bytes)));
    numbers.collect::<Result<_, _>>().map_err(|_| "a frame number is negative or too large".to_owned())
}

fn read_stack(path: &Path, sequence: &str, numbers: Option<&[u32]>, sink: &mut dyn Sink) -> Result<(), FormatError> {
    let name = files::name_of(path);
    let mut file = File::open(path).map_err(FormatError::reading(path))?;
    let header = match npy_header::read(&mut file).map_err(cause_of).and_then(check_stack) {
        Ok(header) => header,
        Err(cause) => {
            sink.fault(&name, &cause);
            return Ok(());
        }
    };
    let &[layers, height, width] = header.shape.as_slice() else { return Ok(()) };
    let object = ObjectRef { key: ObjectKey::Name(files::stem_of(path)), name: None, class: None };
    let mut file = BufReader::new(file);
    let mut pixels = Vec::new();
    for layer in 0..layers {
        let number = numbers.map_or(Some(layer as u32), |numbers| numbers.get(layer).copied());
        let Some(number) = number else {
            sink.fault(&name, &format!("frames.npy names no frame for layer {layer}"));
            return Ok(());
        };
        let Some(place) = sink.locate(&FrameRef::number(sequence, number))? else {
            if let Err(source) = skip(&mut file, (height * width * header.element_bytes) as u64) {
                sink.fault(&name, &format!("it ends early ({source})"));
                return Ok(());
            }
            continue;
        };
        if (width, height) != (place.size.width as usize, place.size.height as usize) {
            sink.fault(&name, &format!("it is {width}x{height}, the clip's frames are {}", place.size));
            return Ok(());
        }
        pixels.resize(height * width * header.element_bytes, 0);
        if let Err(source) = file.read_exact(&mut pixels) {
            sink.fault(&name, &format!("it ends in layer {layer} of {layers} ({source})"));
            return Ok(());
        }
        let is_object = |i: usize| pixels[i * header.element_bytes..][..header.element_bytes].iter().any(|&b| b != 0);
        sink.mask(place, &object, Mask::from_fn(place.size, is_object))?;
    }
    Ok(())
}

fn check_stack(header: ArrayHeader) -> Result<ArrayHeader, String> {
    if !matches!(header.layout, Layout::Standard) {
        return Err("it is in Fortran order; save numpy.ascontiguousarray of it".to_owned());
    }
    match header.shape.as_slice() {
        &[layers, height, width] if layers <= MAX_LAYERS && height.checked_mul(width).is_some_and(|a| a < 1 << 32) => {
            Ok(header)
        }
        shape => Err(format!("its shape is {shape:?}, not [frames, height, width]")),
    }
}

fn skip(file: &mut impl Read, bytes: u64) -> io::Result<()> {
    let skipped = io::copy(&mut file.take(bytes), &mut io::sink())?;
    if skipped == bytes { Ok(()) } else { Err(io::ErrorKind::UnexpectedEof.into()) }
}

fn cause_of(fault: HeaderFault) -> String {
    match fault {
        HeaderFault::Io(source) => format!("cannot read it ({source})"),
        HeaderFault::Unsound(cause) => cause,
    }
}

/// Whether a file or folder looks like this format.
pub(super) fn is_likely(path: &Path) -> bool {
    let is_stack = |file: &Path| {
        let header = File::open(file).ok().and_then(|mut file| npy_header::read(&mut file).ok());
        header.is_some_and(|header| header.shape.len() == 3)
    };
    if path.is_file() {
        return is_stack(path);
    }
    files::folders_with(path, "npy", 2).is_ok_and(|folders| {
        folders.iter().take(3).any(|folder| {
            let mut found = files::with_ending(folder, &["npy"]).unwrap_or_else(|_| Vec::new());
            found.truncate(3);
            found.extend(files::with_ending(&folder.join("masks"), &["npy"]).unwrap_or_else(|_| Vec::new()));
            found.iter().take(4).any(|file| is_stack(file))
        })
    })
}
