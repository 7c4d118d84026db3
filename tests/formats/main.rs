//! Dataset formats through their public door: what goes out comes back, folders are safe, broken input is listed.

mod folders;
mod hostile;
mod lossy;
mod made_up;
mod round_trip;
