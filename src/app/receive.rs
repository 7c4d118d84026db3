//! Takes what the threads sent since the last update. Edits are left to `apply`.

use std::sync::Arc;

use bevy::prelude::*;

use crate::label::counted;
use crate::video::VideoEvent;

use super::action::{Action, FileQuestion};
use super::apply::{EngineInbox, clip_failed, clip_indexed};
use super::notices::{Notices, Severity};
use super::save::{Retry, SaveEvent};
use super::state::{ClipStatus, EngineLink, OpenClip, Playhead, Saving, Shown, VideoLink};

/// The decode thread's news.
pub(super) fn receive_video(world: &mut World) {
    let events: Vec<VideoEvent> = world.resource::<VideoLink>().0.events().try_iter().collect();
    for event in events {
        match event {
            VideoEvent::Progress { generation, progress: news } => {
                if let ClipStatus::Opening { generation: asked, progress, .. } =
                    &mut world.resource_mut::<OpenClip>().status
                    && *asked == generation
                {
                    *progress = Some(news);
                }
            }
            VideoEvent::Opened { generation, clip } => {
                if is_opening(world, generation) {
                    clip_indexed(world, clip);
                }
            }
            VideoEvent::Frame { generation, frame, rgb } => {
                let mut shown = world.resource_mut::<Shown>();
                // Frames of a clip that was closed since were asked for by nobody.
                let Some((asked, _)) = shown.asked else { continue };
                if generation == asked {
                    shown.asked = None;
                }
                shown.failed = None;
                shown.frame = Some(frame);
                shown.rgb = rgb.map(Arc::new);
            }
            VideoEvent::Failed { generation, idx: None, error } => {
                if is_opening(world, generation) {
                    clip_failed(world);
                    let ways_out = vec![("Open another…".to_owned(), Action::Ask(FileQuestion::OpenClip))];
                    world.resource_mut::<Notices>().push(Severity::Error, error.to_string(), ways_out);
                }
            }
            VideoEvent::Failed { generation, idx: Some(idx), error } => {
                let mut shown = world.resource_mut::<Shown>();
                if shown.asked.is_some_and(|(asked, _)| asked == generation) {
                    shown.asked = None;
                    shown.failed = Some((idx, error.to_string()));
                    let text = format!("Frame {idx} could not be read: {error}");
                    let ways_out = vec![("Try again".to_owned(), Action::GoTo(idx))];
                    world.resource_mut::<Notices>().push(Severity::Error, text, ways_out);
                }
            }
        }
    }
}

fn is_opening(world: &World, generation: crate::video::Generation) -> bool {
    match &world.resource::<OpenClip>().status {
        ClipStatus::Opening { generation: asked, .. } => *asked == generation,
        ClipStatus::None | ClipStatus::Open(_) => false,
    }
}

/// The engine's news, for `apply`.
pub(super) fn receive_engine(engine: Res<EngineLink>, mut inbox: ResMut<EngineInbox>) {
    inbox.0.extend(engine.0.events().try_iter());
}

/// How saving goes.
pub(super) fn receive_saving(mut saving: ResMut<Saving>, mut notices: ResMut<Notices>) {
    let Some(progress) = saving.progress.clone() else { return };
    for event in progress.try_iter() {
        match event {
            SaveEvent::Progress(written) => saving.counts.0 = written,
            SaveEvent::Done { folder, files, removed } => {
                saving.progress = None;
                let clock = super::action_log::rfc3339(std::time::SystemTime::now());
                saving.last = Some(format!("{} saved {} UTC", counted(files, "mask"), &clock[11..16]));
                let gone = if removed > 0 { format!(" Old files removed: {removed}.") } else { String::new() };
                let text = format!("Saved {} in {}.{gone}", counted(files, "mask"), folder.display());
                notices.push(Severity::Info, text, Vec::new());
            }
            SaveEvent::Stopped { folder, files } => {
                saving.progress = None;
                let all = counted(saving.counts.1, "mask");
                let text = format!("Stopped; {files} of {all} are written in {}.", folder.display());
                let again = ("Write the others".to_owned(), Action::SaveMasksTo(folder));
                notices.push(Severity::Info, text, vec![again]);
            }
            SaveEvent::Failed { folder, message, retry } => {
                saving.progress = None;
                let again = match retry {
                    Retry::Here => Some(("Save again", Action::SaveMasksTo(folder))),
                    Retry::InPlaceOfOtherClip => Some(("Save here anyway", Action::SaveMasksAnyway(folder))),
                    Retry::Elsewhere => None,
                };
                let elsewhere = ("Choose a folder…", Action::Ask(FileQuestion::SaveMasksTo));
                let ways_out = again.into_iter().chain([elsewhere]);
                let ways_out = ways_out.map(|(words, action)| (words.to_owned(), action)).collect();
                notices.push(Severity::Error, message, ways_out);
            }
        }
    }
}

/// Whether the picture on screen is not yet the one the labeller is on.
pub(super) fn is_waiting(shown: &Shown, playhead: Playhead) -> bool {
    shown.idx() != Some(playhead.0) && shown.failure(playhead.0).is_none()
}
