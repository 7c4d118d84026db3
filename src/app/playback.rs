//! Playing: the playhead follows the clock through the clip's own times.
//!
//! Late pictures are skipped, never the sound of the clock: a slow decoder shows fewer frames, at the right moments.

use bevy::prelude::*;

use crate::label::FrameIdx;

use super::labels::InOut;
use super::state::{OpenClip, Playback, Playhead};

/// Where the playhead goes, or that playing ends there.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Next {
    At(FrameIdx),
    StartOver { at: FrameIdx, from_secs: f64 },
    EndAt(FrameIdx),
}

pub(super) fn advance(
    clip: Res<OpenClip>,
    in_out: Res<InOut>,
    time: Res<Time<Real>>,
    mut playback: ResMut<Playback>,
    mut playhead: ResMut<Playhead>,
) {
    let (Some(clip), Some(stretch)) = (clip.clip(), playback.running) else { return };
    let index = clip.index();
    let last = FrameIdx(clip.frame_count() - 1);
    let range = in_out.0.unwrap_or((FrameIdx(0), last));
    let passed = time.elapsed().saturating_sub(stretch.since).as_secs_f64();
    let secs = stretch.from_secs + passed * stretch.speed;
    let start_of = |frame: FrameIdx| index.pts_secs(frame).unwrap_or(0.0);
    let end_secs =
        if range.1 == last { index.start_secs() + index.duration_secs() } else { start_of(FrameIdx(range.1.0 + 1)) };
    let next = next(stretch.speed > 0.0, secs, (start_of(range.0), end_secs), range, playback.is_looping, |secs| {
        index.frame_at_secs(secs)
    });
    match next {
        Next::At(frame) => playhead.set_if_neq(Playhead(frame)),
        Next::StartOver { at, from_secs } => {
            playback.running = Some(super::state::Stretch { from_secs, since: time.elapsed(), ..stretch });
            playhead.set_if_neq(Playhead(at))
        }
        Next::EndAt(frame) => {
            playback.running = None;
            playhead.set_if_neq(Playhead(frame))
        }
    };
}

fn next(
    is_forward: bool,
    secs: f64,
    (start_secs, end_secs): (f64, f64),
    (first, last): (FrameIdx, FrameIdx),
    is_looping: bool,
    frame_at: impl Fn(f64) -> FrameIdx,
) -> Next {
    if is_forward && secs >= end_secs {
        return if is_looping { Next::StartOver { at: first, from_secs: start_secs } } else { Next::EndAt(last) };
    }
    if !is_forward && secs < start_secs {
        return if is_looping { Next::StartOver { at: last, from_secs: end_secs } } else { Next::EndAt(first) };
    }
    // Who starts outside the range plays into it, or on to its end.
    Next::At(frame_at(secs))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn playing_ends_or_starts_over_at_the_range() {
        let range = (FrameIdx(10), FrameIdx(19));
        let at = |secs: f64| FrameIdx((secs * 10.0) as u32);
        let go = |forward, secs, looping| next(forward, secs, (1.0, 2.0), range, looping, at);
        assert_eq!(go(true, 1.5, false), Next::At(FrameIdx(15)));
        assert_eq!(go(true, 2.0, false), Next::EndAt(FrameIdx(19)));
        assert_eq!(go(true, 2.3, true), Next::StartOver { at: FrameIdx(10), from_secs: 1.0 });
        assert_eq!(go(false, 0.9, false), Next::EndAt(FrameIdx(10)));
        assert_eq!(go(false, 0.9, true), Next::StartOver { at: FrameIdx(19), from_secs: 2.0 });
    }
}
