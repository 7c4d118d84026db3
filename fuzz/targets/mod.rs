//! Every parser of foreign bytes, as something that reads one input.
//!
//! A target writes the input to where its parser looks for it, reads it, and checks what must hold of whatever came out.
//! What it returns tells kinds of outcome apart: the search keeps inputs whose outcome is new. To add one: a file here, a
//! line in [`all`], and seeds in `seeds.rs`.

mod checkpoint;
mod coco_rle;
mod dataset;
#[cfg(feature = "gui")]
mod keymap;
mod npy;
mod png;
mod project;
mod project_values;
mod prompts;

pub use project::SEED as PROJECT_SEED;

use std::path::{Path, PathBuf};

use label_hub::label::FrameSize;

/// Size of the masks that targets expect.
pub const SIZE: FrameSize = FrameSize { width: 13, height: 9 };
/// Frames of the clip that targets read for.
pub const FRAMES: u32 = 7;

/// A parser under test.
pub struct Target {
    /// Also its folder in the corpus.
    pub name: &'static str,
    /// Whether inputs are mostly text.
    pub is_text: bool,
    /// Makes lengths and checksums right again, so that a change gets past them; used for most inputs.
    pub repair: Option<fn(&mut [u8])>,
    /// Reads an input, with a folder to put it in. Panics where something does not hold that must.
    pub read: Read,
}

/// Says how reading ended.
pub type Read = Box<dyn Fn(&Path, &[u8]) -> String + Send + Sync>;

impl Target {
    fn new(name: &'static str, is_text: bool, read: impl Fn(&Path, &[u8]) -> String + Send + Sync + 'static) -> Self {
        Target { name, is_text, repair: None, read: Box::new(read) }
    }

    fn with_repair(mut self, repair: fn(&mut [u8])) -> Self {
        self.repair = Some(repair);
        self
    }

    /// Where its inputs are kept.
    pub fn corpus_folder(&self) -> PathBuf {
        corpus_folder(self.name)
    }
}

/// Where a target's inputs are kept.
pub fn corpus_folder(target: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(target)
}

/// All of them.
pub fn all() -> Vec<Target> {
    let mut all = vec![coco_rle::target()];
    all.extend(npy::targets());
    all.extend(png::targets());
    all.extend(dataset::targets());
    all.extend(checkpoint::targets());
    all.extend([project::target(), project_values::target()]);
    all.push(prompts::target());
    #[cfg(feature = "gui")]
    all.push(keymap::target());
    all
}

/// Puts an input where a parser finds it.
fn written(folder: &Path, name: &str, input: &[u8]) -> PathBuf {
    let path = folder.join(name);
    std::fs::create_dir_all(path.parent().expect("below the folder")).expect("own folder");
    std::fs::write(&path, input).expect("own folder");
    path
}
