//! The panels of the window: functions from plain views to egui, and from clicks to actions.
//!
//! No panel sees the world, reads a file or changes anything but its own small state; what a click means is an
//! [`Action`](super::action::Action) in the list it is given. `ui` gathers the views and lays the panels out.

mod context;
pub mod export_window;
pub mod help_window;
pub mod inspector;
pub mod models_list;
pub mod notices_panel;
pub mod objects;
pub mod palette_window;
pub mod settings_window;
pub mod status_bar;
pub mod timeline;
pub mod toolbar;
pub mod top_bar;
pub mod tour_card;
pub mod transport;
pub mod welcome;

pub use context::UiContext;
