//! Label Hub labels objects in video: open a clip, click an object, see its mask, track it through the clip with
//! SAM 2.1, correct it where it drifts, and export a dataset that other tools read.
//!
//! The crate is a house of rooms with walls between them; `tests/walls.rs` fails when a wall is broken.
//!
//! | room | what lives there | must not use |
//! |---|---|---|
//! | [`label`] | the vocabulary: frames, objects, prompts, masks | Bevy (but for derives), ffmpeg, candle |
//! | [`video`] | frame index, exact seek, decode thread, frame cache, image folders | Bevy, candle |
//! | [`sam2`] | SAM 2.1 in candle, its predictor, its CPU kernels | Bevy, ffmpeg |
//! | [`models`] | published models and the starter model: registry, download, checks, measured speed; the only room with the network | Bevy, ffmpeg |
//! | [`engine`] | the boundary to the model: its words, its thread, the test engine | Bevy |
//! | [`store`] | masks and edits, kept | Bevy, ffmpeg, candle |
//! | [`formats`] | files other tools read, one Rust file per format | Bevy, candle |
//! | [`folders`] | where the program keeps its own files | all of these |
//! | `app` (feature `gui`) | the window: state, actions, panels, canvas | the network |
//! | [`cli`] | the command line, one file per sub-command | Bevy |
//!
//! Where to start: `app` tells how a click becomes a mask on screen, [`sam2`] how a picture and a click become a mask,
//! [`cli`] what there is without a window.
//!
//! Data flows one way: [`video`] turns a file into frames, [`sam2`] turns frames and prompts into masks,
//! [`engine`] runs that on a thread of its own for the window, [`store`] keeps the masks and [`formats`] turns them into
//! files. [`label`] holds the words they all speak.

#[cfg(feature = "gui")]
pub mod app;
pub mod cli;
pub mod engine;
pub mod folders;
pub mod formats;
pub mod label;
pub mod models;
pub mod sam2;
pub mod store;
pub mod video;
