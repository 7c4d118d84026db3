//! Dataset formats through their public door: what goes out comes back, folders are safe, broken input is listed.

mod consumers;
mod folders;
mod foreign;
mod hostile;
mod lossy;
mod made_up;
#[cfg(feature = "video")]
mod overlay;
mod round_trip;
mod whose_frames;
