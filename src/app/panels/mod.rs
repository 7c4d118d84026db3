//! The panels of the window: functions from plain views to egui, and from clicks to actions.
//!
//! No panel sees the world, reads a file or changes anything but its own small state; what a click means is an
//! [`Action`](super::action::Action) in the list it is given. `ui` gathers the views and lays the panels out.

mod context;

pub use context::UiContext;
