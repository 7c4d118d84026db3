//! Which memories and pointers a frame attends to: the rules of `_prepare_memory_conditioned_features`, as plain
//! arithmetic on frame numbers.

/// What is known of an object when a frame is tracked.
pub struct Known<'a> {
    /// Conditioning frames, in order.
    pub cond: &'a [u32],
    /// Whether a frame is remembered without conditioning.
    pub is_remembered: &'a dyn Fn(u32) -> bool,
}

/// The rules' parameters.
#[derive(Debug, Clone, Copy)]
pub struct Rules {
    /// Places in the memory bank.
    pub num_maskmem: usize,
    /// Most pointers, before the clip's length cuts it.
    pub max_pointers: usize,
    /// Most conditioning frames in attention.
    pub max_cond: Option<usize>,
    /// Frames of the clip.
    pub frame_count: u32,
}

/// A frame to take something from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pick {
    /// The frame.
    pub frame: u32,
    /// Whether it is taken as a conditioning frame or as a remembered one.
    pub is_cond: bool,
    /// For a memory, its row of the time table; for a pointer, its distance in frames.
    pub time: i64,
}

/// What to attend to.
#[derive(Debug, PartialEq, Eq)]
pub struct Selection {
    /// Memories.
    pub memories: Vec<Pick>,
    /// Pointers.
    pub pointers: Vec<Pick>,
    /// Most pointers this clip can have: the unit of their distances.
    pub max_pointers: usize,
}

/// The conditioning frames nearest to `frame`: the nearest before, the nearest at or after, then by distance.
fn nearest_cond(cond: &[u32], frame: u32, max: Option<usize>) -> Vec<u32> {
    let Some(max) = max.map(|max| max.max(2)).filter(|max| cond.len() > *max) else { return cond.to_vec() };
    let before = cond.iter().rev().find(|t| **t < frame);
    let after = cond.iter().find(|t| **t >= frame);
    let mut chosen: Vec<u32> = before.into_iter().chain(after).copied().collect();
    let mut rest: Vec<u32> = cond.iter().copied().filter(|t| !chosen.contains(t)).collect();
    rest.sort_by_key(|t| t.abs_diff(frame));
    chosen.extend(rest.into_iter().take(max - chosen.len()));
    chosen
}

/// Chooses for one frame of one object.
pub fn select(frame: u32, is_reverse: bool, known: &Known, rules: &Rules) -> Selection {
    let chosen = nearest_cond(known.cond, frame, rules.max_cond);
    // Where a frame is wanted that conditions but was not chosen, it serves as a remembered one.
    let find = |t: i64| -> Option<(u32, bool)> {
        let t = u32::try_from(t).ok()?;
        if (known.is_remembered)(t) {
            return Some((t, false));
        }
        (known.cond.contains(&t) && !chosen.contains(&t)).then_some((t, true))
    };
    let here = i64::from(frame);
    let step = if is_reverse { 1 } else { -1 };
    let places = rules.num_maskmem as i64;

    let mut memories: Vec<Pick> = chosen.iter().map(|&t| Pick { frame: t, is_cond: true, time: places - 1 }).collect();
    for back in (1..places).rev() {
        if let Some((t, is_cond)) = find(here + step * back) {
            memories.push(Pick { frame: t, is_cond, time: back - 1 });
        }
    }

    let max_pointers = rules.max_pointers.min(rules.frame_count as usize);
    let in_the_past = |t: u32| if is_reverse { t >= frame } else { t <= frame };
    let mut pointers: Vec<Pick> = chosen
        .iter()
        .filter(|t| in_the_past(**t))
        .map(|&t| Pick { frame: t, is_cond: true, time: (here - i64::from(t)) * -step })
        .collect();
    for back in 1..max_pointers as i64 {
        let t = here + step * back;
        if t < 0 || t >= i64::from(rules.frame_count) {
            break;
        }
        if let Some((t, is_cond)) = find(t) {
            pointers.push(Pick { frame: t, is_cond, time: back });
        }
    }
    Selection { memories, pointers, max_pointers }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RULES: Rules = Rules { num_maskmem: 7, max_pointers: 16, max_cond: None, frame_count: 100 };

    fn frames(picks: &[Pick]) -> Vec<(u32, i64)> {
        picks.iter().map(|p| (p.frame, p.time)).collect()
    }

    #[test]
    fn forward_takes_the_prompt_and_the_six_frames_before() {
        let known = Known { cond: &[0], is_remembered: &|t| (1..20).contains(&t) };
        let s = select(10, false, &known, &RULES);
        assert_eq!(frames(&s.memories), [(0, 6), (4, 5), (5, 4), (6, 3), (7, 2), (8, 1), (9, 0)]);
        let expected: Vec<(u32, i64)> = std::iter::once((0, 10)).chain((1..=9).map(|d| (10 - d as u32, d))).collect();
        assert_eq!(frames(&s.pointers), expected);
    }

    #[test]
    fn backward_looks_the_other_way_and_distances_stay_positive() {
        let known = Known { cond: &[50], is_remembered: &|t| (48..50).contains(&t) };
        let s = select(47, true, &known, &RULES);
        assert_eq!(frames(&s.memories), [(50, 6), (49, 1), (48, 0)]);
        assert_eq!(frames(&s.pointers), [(50, 3), (48, 1), (49, 2)]);
    }

    #[test]
    fn a_prompt_in_the_future_lends_its_memory_but_not_its_pointer() {
        let known = Known { cond: &[20], is_remembered: &|_| false };
        let s = select(10, false, &known, &RULES);
        assert_eq!(frames(&s.memories), [(20, 6)]);
        assert_eq!(s.pointers, []);
    }

    #[test]
    fn many_prompts_are_capped_and_the_rest_serve_as_remembered_frames() {
        let known = Known { cond: &[0, 30, 39, 41, 90], is_remembered: &|t| t == 40 };
        let rules = Rules { max_cond: Some(2), ..RULES };
        let s = select(42, false, &known, &rules);
        assert_eq!(frames(&s.memories), [(41, 6), (90, 6), (39, 2), (40, 1)]);
        let memory_of = |t: u32| s.memories.iter().find(|p| p.frame == t).expect("picked");
        assert!(memory_of(39).is_cond && !memory_of(40).is_cond);
        assert_eq!(frames(&s.pointers), [(41, 1), (40, 2), (39, 3), (30, 12)]);
    }

    #[test]
    fn short_clips_have_fewer_pointers() {
        let known = Known { cond: &[0], is_remembered: &|t| t > 0 };
        let s = select(4, false, &known, &Rules { frame_count: 5, ..RULES });
        assert_eq!((s.max_pointers, s.pointers.len()), (5, 4));
    }
}
