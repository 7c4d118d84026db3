//! Models: which there are, which are here, how to get one, whether a file is what it claims to be, what it costs.
//!
//! The only room that may use the network, and it does so only in [`get`](get()), which runs when somebody asked for a
//! model. Everything it writes lies in the user's models folder ([`ModelsFolder`]) and cache folder. `--model NAME`
//! becomes a model in [`find_checked`]. The command line and the window call this room; it knows neither.

mod cancel;
mod check;
mod download;
mod error;
mod find;
mod folder;
mod get;
mod record;
mod registry;
mod speed;
mod starter;

pub use cancel::Cancel;
pub use check::{CheckedFile, Confirm, HashStatus, check_before_use, confirm_model, known, verify};
pub use download::{Patience, Progress};
pub use error::ModelsError;
pub use find::{check_source, find, find_checked, not_here};
pub use folder::ModelsFolder;
pub use get::{GetEvent, GetRequest, Getting, Got, get};
pub use registry::{Entry, Origin, Registry};
pub use speed::{Measured, Speed, SpeedKey, Speeds, measure_speed};
pub use starter::{STARTER_NAME, STARTER_NOTE, embedded};
