//! The tour for somebody who sees the program for the first time: which step they are at. It follows from what is there;
//! nothing is drawn here, and nothing depends on it.

use bevy::prelude::*;

use super::action::{Panel, TourMove};
use super::facts::AppFacts;
use super::settings::Settings;

/// The name under which the settings remember that it is over.
const HINT: &str = "tour";

/// Where the tour is; `None` when it is over.
#[derive(Resource, Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Tour(pub Option<TourStep>);

/// A step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TourStep {
    /// Open a clip.
    Open,
    /// Click an object.
    Click,
    /// Track it.
    Track,
    /// Correct where it drifts.
    Correct,
    /// Export.
    Export,
}

impl TourStep {
    /// All, in order.
    pub const ALL: [TourStep; 5] =
        [TourStep::Open, TourStep::Click, TourStep::Track, TourStep::Correct, TourStep::Export];

    fn next(self) -> Option<TourStep> {
        TourStep::ALL.into_iter().skip_while(|step| *step != self).nth(1)
    }

    /// Whether what it asks for is there.
    fn is_done(self, facts: &AppFacts) -> bool {
        match self {
            TourStep::Open => facts.clip == super::facts::ClipState::Open,
            TourStep::Click => facts.has_prompts,
            TourStep::Track => facts.has_tracked,
            // Before it is tracked again the correction holds on its own frame only.
            TourStep::Correct => facts.has_correction && !facts.has_stale,
            TourStep::Export => facts.panel == Some(Panel::Export) || facts.is_exporting,
        }
    }
}

/// The tour at the start of the program: from the first step, unless it was gone through before.
pub(super) fn at_start(settings: &Settings) -> Tour {
    Tour((!settings.hints_seen.contains(HINT)).then_some(TourStep::Open))
}

pub(super) fn perform(world: &mut World, step: TourMove) {
    let now = world.resource::<Tour>().0;
    let next = match step {
        TourMove::Start => Some(TourStep::Open),
        TourMove::Next => now.and_then(TourStep::next),
        TourMove::End => None,
    };
    world.resource_mut::<Tour>().0 = next;
    if next.is_none() {
        world.resource_mut::<Settings>().hints_seen.insert(HINT.to_owned());
    }
}

/// Goes on while what the step asks for is there.
pub(super) fn advance(mut tour: ResMut<Tour>, facts: Res<AppFacts>, mut settings: ResMut<Settings>) {
    let Some(step) = tour.0.filter(|step| step.is_done(&facts)) else { return };
    tour.0 = step.next();
    if tour.0.is_none() {
        settings.hints_seen.insert(HINT.to_owned());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::facts::ClipState;

    #[test]
    fn steps_follow_what_the_labeller_does_and_are_not_told_twice() {
        let mut world = World::new();
        world.insert_resource(Settings::default());
        world.insert_resource(at_start(&Settings::default()));
        let mut facts = AppFacts::default();
        let step_with = |world: &mut World, facts: &AppFacts| {
            world.insert_resource(facts.clone());
            world.run_system_cached(advance).expect("it runs");
            world.resource::<Tour>().0
        };
        assert_eq!(step_with(&mut world, &facts), Some(TourStep::Open));
        facts.clip = ClipState::Open;
        assert_eq!(step_with(&mut world, &facts), Some(TourStep::Click));
        assert_eq!(step_with(&mut world, &facts), Some(TourStep::Click));
        facts.has_prompts = true;
        assert_eq!(step_with(&mut world, &facts), Some(TourStep::Track));
        facts.has_tracked = true;
        assert_eq!(step_with(&mut world, &facts), Some(TourStep::Correct));
        (facts.has_correction, facts.has_stale) = (true, true);
        assert_eq!(step_with(&mut world, &facts), Some(TourStep::Correct), "it is to be tracked again");
        let tracked_again = AppFacts { has_stale: false, ..facts.clone() };
        let mut other = World::new();
        other.insert_resource(Settings::default());
        other.insert_resource(*world.resource::<Tour>());
        assert_eq!(step_with(&mut other, &tracked_again), Some(TourStep::Export));
        // Nothing drifted.
        perform(&mut world, TourMove::Next);
        assert_eq!(step_with(&mut world, &facts), Some(TourStep::Export));
        facts.panel = Some(Panel::Export);
        assert_eq!(step_with(&mut world, &facts), None);
        assert_eq!(at_start(world.resource::<Settings>()), Tour(None));
        perform(&mut world, TourMove::Start);
        assert_eq!(world.resource::<Tour>().0, Some(TourStep::Open));
    }
}
