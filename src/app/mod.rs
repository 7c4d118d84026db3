//! Everything Bevy: the window and what is in it.

pub mod canvas;
