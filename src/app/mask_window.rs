//! Keeps mask entities for the frames around the playhead: what is near is unpacked, what is far goes.

use std::collections::BTreeSet;
use std::sync::Arc;

use bevy::prelude::*;

use crate::label::{FrameIdx, MaskId, ObjectId};
use crate::store::StoreError;

use super::labels::{LabelIndex, Marks, MaskAt, MaskOf, MaskPixels};
use super::notices::{Notices, Severity};
use super::state::{Playhead, Shown, StoreLink};

/// Frames on each side of the playhead whose masks stay unpacked once they are.
const KEPT_AROUND: u32 = 8;

/// Masks that could not be read; each is reported once.
#[derive(Resource, Debug, Default)]
pub struct BrokenMasks(BTreeSet<MaskId>);

pub(super) fn unpack_masks(
    mut commands: Commands,
    playhead: Res<Playhead>,
    shown: Res<Shown>,
    store: Res<StoreLink>,
    index: Res<LabelIndex>,
    objects: Query<&Marks>,
    mut broken: ResMut<BrokenMasks>,
    mut notices: ResMut<Notices>,
) {
    let on_screen = shown.idx();
    let is_far = |frame: FrameIdx| frame.0.abs_diff(playhead.0.0) > KEPT_AROUND && Some(frame) != on_screen;
    for (frame, _, entity) in index.masks() {
        if is_far(frame) {
            commands.entity(entity).despawn();
        }
    }
    let frames: BTreeSet<FrameIdx> = on_screen.into_iter().chain([playhead.0]).collect();
    for (object, owner) in index.objects() {
        let Ok(marks) = objects.get(owner) else { continue };
        for frame in &frames {
            let Some(mark) = marks.frames.get(frame) else { continue };
            if index.mask(object, *frame).is_some() || broken.0.contains(&mark.mask) {
                continue;
            }
            match unpack(&store, object, *frame, mark.mask, owner) {
                Ok(mask) => {
                    commands.spawn(mask);
                }
                Err(error) => {
                    // A disk that did not answer may do so the next time.
                    if !matches!(error, StoreError::Read { .. }) {
                        broken.0.insert(mark.mask);
                    }
                    notices.push(Severity::Error, format!("Object {object}, frame {frame}: {error}"), Vec::new());
                }
            }
        }
    }
}

fn unpack(
    store: &StoreLink,
    object: ObjectId,
    frame: FrameIdx,
    id: MaskId,
    owner: Entity,
) -> Result<(MaskOf, MaskAt, FrameIdx, MaskPixels), StoreError> {
    let mask = store.read().get(id);
    let mask = Arc::new(mask?);
    Ok((MaskOf(owner), MaskAt { object, frame }, frame, MaskPixels { id, mask }))
}
