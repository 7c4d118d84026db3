//! The window: everything Bevy.
//!
//! ```text
//! pointer, keys, pad ─► Action ─► apply (the only writer) ─► Edit ─► world ─► canvas, panels
//!                                   │                          └───► store
//!                                   ├─ EngineCommand ─► engine thread ─► EngineEvent ─► masks
//!                                   └─ VideoCommand  ─► decode thread ─► VideoEvent  ─► picture
//! ```
//!
//! Start with [`action`] (what a labeller can want), [`state`] and [`labels`] (what is known) and `apply` (the one place
//! that changes it). [`CorePlugin`] is all of that without a window, which is how tests run it; [`window`] adds the
//! window, the `canvas` the picture, `ui` and [`panels`] what lies around it. One update goes through the stages of
//! [`AppStage`] in order. Nothing in this room decodes video or runs a model.

pub mod action;
pub mod action_log;
mod apply;
pub mod canvas;
mod canvas_content;
mod canvas_marks;
mod crosshair;
pub mod export;
pub mod facts;
mod gather;
pub mod history;
pub mod input;
mod keyboard;
pub mod labels;
mod mask_window;
mod measuring;
pub mod model_files;
pub mod notices;
mod pad;
pub mod panels;
mod playback;
mod pointer;
pub mod project;
mod receive;
mod request;
mod sample;
pub mod save;
pub mod settings;
mod siblings;
pub mod state;
pub mod theme;
pub mod tour;
mod ui;
mod ui_views;
mod ui_windows;
pub mod window;

use bevy::prelude::*;

/// The stages of an update, in order.
#[derive(SystemSet, Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum AppStage {
    /// What the threads sent.
    Receive,
    /// Actions become edits, edits change the world. Playing goes on only then: actions are about the frame that was on
    /// screen.
    Apply,
    /// What follows from it is asked of the threads.
    Request,
    /// The world becomes what the canvas shows.
    Sync,
}

/// State, writer and threads' links; no window, no drawing.
///
/// Whoever adds it inserts [`state::VideoLink`] and [`state::EngineLink`] first.
pub struct CorePlugin;

impl Plugin for CorePlugin {
    fn build(&self, app: &mut App) {
        use AppStage::{Apply, Receive, Request, Sync};
        app.configure_sets(Update, (Receive, Apply, Request, Sync).chain())
            .init_resource::<action_log::ActionLog>()
            .init_resource::<apply::EngineInbox>()
            .init_resource::<export::Exporting>()
            .init_resource::<facts::AppFacts>()
            .init_resource::<history::History>()
            .init_resource::<labels::Classes>()
            .init_resource::<labels::InOut>()
            .init_resource::<labels::LabelIndex>()
            .init_resource::<mask_window::BrokenMasks>()
            .init_resource::<model_files::ModelFiles>()
            .init_resource::<notices::Notices>()
            .init_resource::<project::Project>()
            .init_resource::<settings::Settings>()
            .init_resource::<state::ActionQueue>()
            .init_resource::<state::Answers>()
            .init_resource::<state::Crosshair>()
            .init_resource::<state::CurrentRun>()
            .init_resource::<state::Model>()
            .init_resource::<state::OpenClip>()
            .init_resource::<state::Overlay>()
            .init_resource::<state::Pace>()
            .init_resource::<state::Playback>()
            .init_resource::<state::Playhead>()
            .init_resource::<state::Preview>()
            .init_resource::<state::Revisions>()
            .init_resource::<state::Saving>()
            .init_resource::<state::Selection>()
            .init_resource::<state::Shown>()
            .init_resource::<state::StoreLink>()
            .init_resource::<state::ToolInHand>()
            .init_resource::<state::ViewRequests>()
            .init_resource::<state::Waker>()
            .init_resource::<state::Windows>()
            .init_resource::<tour::Tour>()
            .add_systems(
                Update,
                (
                    (
                        receive::receive_video,
                        project::receive_project,
                        project::receive_copy,
                        project::watch_saving,
                        receive::receive_engine,
                        receive::receive_saving,
                        model_files::receive_model_files,
                    )
                        .chain()
                        .in_set(Receive),
                    apply::apply_everything.in_set(Apply),
                    tour::advance.in_set(Apply).after(apply::apply_everything),
                    (request::request_frame, apply::ask_model, request::ask_preview, request::warm_frames)
                        .chain()
                        .in_set(Request),
                    mask_window::unpack_masks.in_set(Sync),
                ),
            );
    }
}
