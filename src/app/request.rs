//! Asks the threads for what the state calls for: the playhead's picture, the preview, frames encoded ahead.

use std::sync::Arc;

use bevy::prelude::*;

use crate::engine::{EngineCommand, PromptRequest};
use crate::label::{FrameIdx, FramePrompt, Mask, MaskId, Prompt};
use crate::video::VideoCommand;

use super::labels::{LabelIndex, Marks, PromptContent};
use super::state::{
    Answers, ConsideredClick, CurrentRun, EngineLink, Model, ModelStatus, OpenClip, Playback, Playhead, Preview,
    Selection, Shown, StoreLink, VideoLink,
};

/// Frames ahead of the playhead that are encoded while there is nothing else to do.
const WARM_AHEAD: u32 = 2;

/// The picture of the frame the labeller is on.
pub(super) fn request_frame(
    video: Res<VideoLink>,
    clip: Res<OpenClip>,
    playhead: Res<Playhead>,
    playback: Res<Playback>,
    mut shown: ResMut<Shown>,
) {
    let Some(clip) = clip.clip() else { return };
    let wanted = playhead.0;
    let asked = shown.asked.map(|(_, idx)| idx);
    let is_settled = asked.is_none() && (shown.idx() == Some(wanted) || shown.failure(wanted).is_some());
    // While playing, the next picture is asked for when the last one is there: otherwise a decoder slower than the
    // clip would be interrupted for ever and show nothing.
    let must_wait = playback.running.is_some() && asked.is_some();
    if asked == Some(wanted) || is_settled || must_wait {
        return;
    }
    // Tone mapping takes too long for this thread, and the shader does not do it.
    let with_rgb = clip.facts().colour.is_hdr();
    let generation = video.0.send(VideoCommand::Show { idx: wanted, with_rgb });
    shown.asked = Some((generation, wanted));
}

/// The mask that a click under the pointer would give; one question at a time, the newest point.
pub(super) fn ask_preview(
    engine: Res<EngineLink>,
    model: Res<Model>,
    playhead: Res<Playhead>,
    selection: Res<Selection>,
    index: Res<LabelIndex>,
    store: Res<StoreLink>,
    (said, marks): (Query<&PromptContent>, Query<&Marks>),
    mut preview: ResMut<Preview>,
    mut last_asked: Local<Option<ConsideredClick>>,
    mut corrected: Local<Option<(MaskId, Arc<Mask>)>>,
) {
    let Some(considered) = preview.point else {
        // Its number may be another mask's in the next clip.
        (*last_asked, *corrected) = (None, None);
        if preview.mask.is_some() || preview.pending.is_some() {
            (preview.mask, preview.pending) = (None, None);
        }
        return;
    };
    if preview.pending.is_some() || *last_asked == Some(considered) || !matches!(model.status, ModelStatus::Ready(_)) {
        return;
    }
    // Without a selected object the click would make a new one; any id that nobody has will do.
    let object = selection.0.unwrap_or(crate::label::ObjectId(u32::MAX));
    let here = index.prompt(object, playhead.0).and_then(|entity| said.get(entity).ok());
    let (mut points, bounds) = match here.map(|said| said.0.prompt.as_ref()) {
        Some(Prompt::Clicks { points, bounds }) => (points.clone(), *bounds),
        Some(Prompt::Mask(_)) | None => (Vec::new(), None),
    };
    match considered.moved {
        None => points.push(considered.point),
        Some(index) => match points.get_mut(index) {
            Some(point) => *point = considered.point,
            // The click was taken away meanwhile.
            None => return,
        },
    }
    let base = match here {
        Some(said) => said.0.base.clone(),
        None => {
            let mark = index.object(object).and_then(|entity| marks.get(entity).ok()?.frames.get(&playhead.0));
            mark.and_then(|mark| mask_of(mark.mask, &store, &mut corrected))
        }
    };
    // A click that was moved is read anew, as the move itself will be.
    let candidate = here.and_then(|said| said.0.candidate).filter(|_| considered.moved.is_none());
    let prompt = FramePrompt { prompt: Arc::new(Prompt::Clicks { points, bounds }), candidate, base };
    let request = PromptRequest { object, frame: playhead.0, prompt };
    preview.pending = Some(engine.0.send(EngineCommand::Preview(request)));
    *last_asked = Some(considered);
}

/// The mask that is looked at, read once. `None` when it cannot be read: the click itself will say why.
fn mask_of(id: MaskId, store: &StoreLink, kept: &mut Option<(MaskId, Arc<Mask>)>) -> Option<Arc<Mask>> {
    if kept.as_ref().is_none_or(|(of, _)| *of != id) {
        let mask = store.read().get(id).ok()?;
        *kept = Some((id, Arc::new(mask)));
    }
    kept.as_ref().map(|(_, mask)| mask.clone())
}

/// Frames near the playhead, so that the next click answers at once. The engine bounds what it keeps.
pub(super) fn warm_frames(
    engine: Res<EngineLink>,
    model: Res<Model>,
    clip: Res<OpenClip>,
    playhead: Res<Playhead>,
    playback: Res<Playback>,
    run: Res<CurrentRun>,
    answers: Res<Answers>,
    mut last_asked: Local<Option<(FrameIdx, bool)>>,
) {
    let (Some(clip), ModelStatus::Ready(_)) = (clip.clip(), &model.status) else {
        *last_asked = None;
        return;
    };
    // A run needs the model for itself, and while playing nobody clicks.
    let is_busy = run.0.is_some() || playback.running.is_some() || !answers.pending.is_empty();
    if *last_asked == Some((playhead.0, is_busy)) {
        return;
    }
    *last_asked = Some((playhead.0, is_busy));
    let last = clip.frame_count() - 1;
    let near = (playhead.0.0..=playhead.0.0.saturating_add(WARM_AHEAD).min(last)).map(FrameIdx);
    let wishes = if is_busy { Vec::new() } else { near.collect() };
    engine.0.send(EngineCommand::Warm(wishes));
}
