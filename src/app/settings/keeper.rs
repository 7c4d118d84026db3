//! Writes the settings when they have changed: at most once a second, and when the window closes.

use std::time::{Duration, Instant};

use bevy::prelude::*;
use bevy::window::PrimaryWindow;

use super::super::notices::{Notices, Severity};
use super::Settings;
use crate::folders;

/// Shortest time between two writes: a panel being dragged changes the settings all the time.
const PAUSE: Duration = Duration::from_secs(1);

/// What is on disk.
#[derive(Debug, Default)]
pub struct OnDisk {
    settings: Option<Settings>,
    written: Option<Instant>,
}

/// The system.
pub fn keep_settings(
    mut settings: ResMut<Settings>,
    windows: Query<&Window, With<PrimaryWindow>>,
    mut exits: MessageReader<AppExit>,
    mut on_disk: Local<OnDisk>,
    mut notices: ResMut<Notices>,
) {
    if let Ok(window) = windows.single() {
        let size = Some([window.width() as u32, window.height() as u32]);
        if settings.window_size != size {
            settings.bypass_change_detection().window_size = size;
        }
    }
    let is_leaving = exits.read().next().is_some();
    if on_disk.settings.is_none() {
        // What was loaded is what is there.
        on_disk.settings = Some(settings.clone());
        return;
    }
    let is_soon = on_disk.written.is_some_and(|written| written.elapsed() < PAUSE);
    if on_disk.settings.as_ref() == Some(&*settings) || (is_soon && !is_leaving) {
        return;
    }
    on_disk.settings = Some(settings.clone());
    on_disk.written = Some(Instant::now());
    if let Some(folder) = folders::config_folder()
        && let Err(error) = settings.save(&folder)
    {
        notices.push(Severity::Warning, error.to_string(), Vec::new());
    }
}
