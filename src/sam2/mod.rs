//! SAM 2 and SAM 2.1 in candle: from a picture, prompts and memories to masks.
//!
//! One Rust file per file of the reference (facebookresearch/sam2), so that either can be read beside the other:
//! [`hieradet`] and [`image_encoder`] make features of a frame, [`memory_attention`] mixes memories into them,
//! [`prompt_encoder`] and [`mask_decoder`] answer with masks, [`memory_encoder`] makes a memory of the answer. [`model`]
//! holds them together for one frame and one object, [`predictor`] leads objects through a clip. [`kernels`] holds the
//! arithmetic, [`checkpoint`] reads weights from files nobody vouches for.
//!
//! Maps are `[height * width, channels]` everywhere. The room knows masks and prompts from [`crate::label`]; it knows
//! neither windows nor video files: pictures come in as bytes through [`predictor::FrameSource`].

pub mod checkpoint;
pub mod config;
pub mod error;
pub mod hieradet;
pub mod image;
pub mod image_encoder;
pub mod kernels;
pub mod layers;
pub mod mask_decoder;
pub mod masks;
pub mod memory_attention;
pub mod memory_encoder;
pub mod model;
pub mod position_encoding;
pub mod predictor;
pub mod prompt_encoder;
pub mod transformer;
pub mod weights;

pub use config::ModelConfig;
pub use error::Sam2Error;
pub use model::Sam2;
