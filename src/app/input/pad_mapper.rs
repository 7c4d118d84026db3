//! What a gamepad's buttons and sticks mean.
//!
//! Pure: events and the time go in, actions and movements come out. The window feeds it what [`PadThread`] reports and
//! does what [`PadMapper::update`] says. Holds no clock, no window and no labels.
//!
//! [`PadThread`]: super::PadThread

use super::super::action::{Action, Panel, Tool, TrackScope};
use super::gamepad::{PadAxis, PadButton, PadEvent};
use crate::label::PointLabel;

/// A stick nearer to its middle than this, of 1, is at rest.
pub const STICK_DEAD_ZONE: f32 = 0.15;
/// Y held this long is redo.
const REDO_HOLD_SECS: f64 = 0.5;
/// Frames of a step with the left bumper held.
const LARGE_STEP: i32 = 10;
/// A trigger is pressed past this, of 1.
const TRIGGER_PRESSED: f32 = 0.5;
/// It is let go below this; the gap keeps a trembling finger from pressing it again and again.
const TRIGGER_RELEASED: f32 = 0.4;
/// The cursor's speed when the stick has just been pushed all the way, in points a second.
const CURSOR_START_SPEED: f32 = 250.0;
/// Its speed in the end.
const CURSOR_TOP_SPEED: f32 = 1400.0;
/// How long the stick is held until then.
const CURSOR_RAMP_SECS: f64 = 1.0;
/// The view's speed with the stick pushed all the way, in points a second.
const PAN_SPEED: f32 = 900.0;
/// The longest time one update moves anything for: after a hitch, the cursor must not leap.
const LONGEST_STEP_SECS: f64 = 0.1;

/// What the pad asks for since the last update.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct PadOutput {
    /// In order.
    pub actions: Vec<Action>,
    /// How far the cursor moves, in points; right and down are positive.
    pub cursor_delta: [f32; 2],
    /// How far the picture is dragged, in points, as `ViewTransform::pan` takes it; the stick to the right shows what
    /// lies to the right, so the picture goes left.
    pub pan_delta: [f32; 2],
    /// Clicks where the cursor is after its move.
    pub clicks: Vec<PointLabel>,
    /// What is meant for the window, dialog or menu that covers the picture.
    pub keys: Vec<PadKey>,
    /// Whether time alone changes something: a stick or Y is held. The next update should come soon then.
    pub needs_redraw: bool,
}

/// What a button means to a window that covers the picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PadKey {
    /// A: take what is chosen.
    Accept,
    /// B: close it.
    Cancel,
    /// D-pad: choose the one above.
    Up,
    /// D-pad: choose the one below.
    Down,
}

/// The state of all pads taken as one.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct PadMapper {
    name: Option<String>,
    is_left_bumper_held: bool,
    left_trigger: Trigger,
    right_trigger: Trigger,
    left_stick: Stick,
    right_stick: Stick,
    /// When Y went down; `None` when it is up or its redo has been sent.
    undo_held_since: Option<f64>,
    is_brush: bool,
    is_covered: bool,
    last_update: Option<f64>,
    actions: Vec<Action>,
    clicks: Vec<PointLabel>,
    keys: Vec<PadKey>,
}

impl PadMapper {
    /// What the connected pad calls itself, for its glyphs; `None` without one.
    pub fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    /// Says which tool is in use, so that X knows what to swap; to be told whenever it is changed elsewhere.
    pub fn set_tool(&mut self, tool: Tool) {
        self.is_brush = tool == Tool::Brush;
    }

    /// Says whether something covers the picture: nothing then reaches the labels behind it, only [`PadKey`]s and Start go
    /// through.
    pub fn set_covered(&mut self, is_covered: bool) {
        self.is_covered = is_covered;
        if is_covered {
            // Y held from before must not redo behind a window.
            self.undo_held_since = None;
        }
    }

    /// Takes in what happened. `now_secs` counts from anywhere, the same for every call, and never goes back.
    pub fn event(&mut self, event: &PadEvent, now_secs: f64) {
        match event {
            PadEvent::Connected(name) => self.name = Some(name.clone()),
            PadEvent::Disconnected => self.let_go(),
            PadEvent::Pressed(button) => self.press(*button, now_secs),
            PadEvent::Released(PadButton::LeftBumper) => self.is_left_bumper_held = false,
            PadEvent::Released(PadButton::North) => self.release_undo(now_secs),
            PadEvent::Released(_) => {}
            PadEvent::Axis(axis, value) => self.move_axis(*axis, *value, now_secs),
        }
    }

    /// What is to be done now.
    pub fn update(&mut self, now_secs: f64) -> PadOutput {
        if self.undo_held_since.is_some_and(|since| now_secs - since >= REDO_HOLD_SECS) {
            self.undo_held_since = None;
            self.actions.push(Action::Redo);
        }
        let last_update = self.last_update.replace(now_secs);
        let cursor_speed = CURSOR_START_SPEED
            + (CURSOR_TOP_SPEED - CURSOR_START_SPEED)
                * (self.left_stick.held_secs(now_secs) / CURSOR_RAMP_SECS).min(1.0) as f32;
        let travel = |stick: Stick, speed: f32| match self.is_covered {
            true => [0.0, 0.0],
            false => stick.travel(speed, last_update, now_secs),
        };
        let cursor_delta = travel(self.left_stick, cursor_speed);
        let [pan_x, pan_y] = travel(self.right_stick, PAN_SPEED);
        let is_stick_held = self.left_stick.is_held() || self.right_stick.is_held();
        PadOutput {
            actions: std::mem::take(&mut self.actions),
            cursor_delta,
            // From zero, so that rest is 0 and not -0.
            pan_delta: [0.0 - pan_x, 0.0 - pan_y],
            clicks: std::mem::take(&mut self.clicks),
            keys: std::mem::take(&mut self.keys),
            needs_redraw: (is_stick_held && !self.is_covered) || self.undo_held_since.is_some(),
        }
    }

    fn press(&mut self, button: PadButton, now_secs: f64) {
        if self.is_covered {
            return self.press_covered(button);
        }
        let step = if self.is_left_bumper_held { LARGE_STEP } else { 1 };
        let action = match button {
            PadButton::Left => Action::Step(-step),
            PadButton::Right => Action::Step(step),
            PadButton::Up => Action::PreviousPrompted,
            PadButton::Down => Action::NextPrompted,
            PadButton::South => return self.clicks.push(PointLabel::Positive),
            PadButton::East => return self.clicks.push(PointLabel::Negative),
            PadButton::West => {
                self.is_brush = !self.is_brush;
                Action::UseTool(if self.is_brush { Tool::Brush } else { Tool::Points })
            }
            PadButton::North => {
                self.undo_held_since = Some(now_secs);
                return;
            }
            PadButton::LeftBumper => {
                self.is_left_bumper_held = true;
                return;
            }
            PadButton::RightBumper if self.is_left_bumper_held => Action::Track(TrackScope::StaleOrMissing),
            PadButton::RightBumper => Action::NextObject,
            PadButton::Start => Action::TogglePanel(Panel::CommandPalette),
            PadButton::Select => Action::ToggleOverlay,
            PadButton::LeftStick => Action::ZoomFit,
            PadButton::RightStick => Action::ZoomActual,
        };
        self.actions.push(action);
    }

    fn press_covered(&mut self, button: PadButton) {
        match button {
            PadButton::South => self.keys.push(PadKey::Accept),
            PadButton::East => self.keys.push(PadKey::Cancel),
            PadButton::Up => self.keys.push(PadKey::Up),
            PadButton::Down => self.keys.push(PadKey::Down),
            PadButton::Start => self.actions.push(Action::TogglePanel(Panel::CommandPalette)),
            PadButton::LeftBumper => self.is_left_bumper_held = true,
            PadButton::West
            | PadButton::North
            | PadButton::RightBumper
            | PadButton::Select
            | PadButton::LeftStick
            | PadButton::RightStick
            | PadButton::Left
            | PadButton::Right => {}
        }
    }

    fn release_undo(&mut self, now_secs: f64) {
        if let Some(since) = self.undo_held_since.take() {
            self.actions.push(if now_secs - since < REDO_HOLD_SECS { Action::Undo } else { Action::Redo });
        }
    }

    fn move_axis(&mut self, axis: PadAxis, value: f32, now_secs: f64) {
        match axis {
            PadAxis::LeftX => self.left_stick.set([value, self.left_stick.at[1]], now_secs),
            PadAxis::LeftY => self.left_stick.set([self.left_stick.at[0], value], now_secs),
            PadAxis::RightX => self.right_stick.set([value, self.right_stick.at[1]], now_secs),
            PadAxis::RightY => self.right_stick.set([self.right_stick.at[0], value], now_secs),
            PadAxis::LeftTrigger => {
                let change = self.left_trigger.set(value);
                let other = self.right_trigger.is_held.then_some(Action::ShuttleForward);
                self.shuttle(change, Action::ShuttleBack, other);
            }
            PadAxis::RightTrigger => {
                let change = self.right_trigger.set(value);
                let other = self.left_trigger.is_held.then_some(Action::ShuttleBack);
                self.shuttle(change, Action::ShuttleForward, other);
            }
        }
    }

    /// `other` is what the other trigger goes on with when this one is let go.
    fn shuttle(&mut self, change: Option<TriggerChange>, pressed: Action, other: Option<Action>) {
        match change {
            None => {}
            Some(TriggerChange::Pressed) if self.is_covered => {}
            Some(TriggerChange::Pressed) => self.actions.push(pressed),
            // Also behind a window: the clip must not play on.
            Some(TriggerChange::Released) => {
                self.actions.push(Action::ShuttleStop);
                self.actions.extend(other.filter(|_| !self.is_covered));
            }
        }
    }

    /// A pad that has gone holds nothing any more; above all the clip must not play on.
    fn let_go(&mut self) {
        if self.left_trigger.is_held || self.right_trigger.is_held {
            self.actions.push(Action::ShuttleStop);
        }
        self.name = None;
        self.is_left_bumper_held = false;
        self.left_trigger = Trigger::default();
        self.right_trigger = Trigger::default();
        self.left_stick = Stick::default();
        self.right_stick = Stick::default();
        self.undo_held_since = None;
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum TriggerChange {
    Pressed,
    Released,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Trigger {
    is_held: bool,
}

impl Trigger {
    fn set(&mut self, value: f32) -> Option<TriggerChange> {
        if !self.is_held && value > TRIGGER_PRESSED {
            self.is_held = true;
            Some(TriggerChange::Pressed)
        } else if self.is_held && value < TRIGGER_RELEASED {
            self.is_held = false;
            Some(TriggerChange::Released)
        } else {
            None
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Default)]
struct Stick {
    /// As the pad says it: right and up are positive.
    at: [f32; 2],
    /// When it left the dead zone.
    held_since: Option<f64>,
}

impl Stick {
    fn set(&mut self, at: [f32; 2], now_secs: f64) {
        self.at = at;
        if self.reach() <= STICK_DEAD_ZONE {
            self.held_since = None;
        } else if self.held_since.is_none() {
            self.held_since = Some(now_secs);
        }
    }

    fn reach(&self) -> f32 {
        self.at[0].hypot(self.at[1])
    }

    fn is_held(&self) -> bool {
        self.held_since.is_some()
    }

    fn held_secs(&self, now_secs: f64) -> f64 {
        self.held_since.map_or(0.0, |since| (now_secs - since).max(0.0))
    }

    /// How far it moves something since the last update, in points on the screen. Slow near the dead zone: the square
    /// of how far the stick is out of it.
    fn travel(&self, points_per_sec: f32, last_update: Option<f64>, now_secs: f64) -> [f32; 2] {
        let Some(since) = self.held_since else { return [0.0, 0.0] };
        let from = last_update.map_or(since, |last| last.max(since));
        let secs = (now_secs - from).clamp(0.0, LONGEST_STEP_SECS) as f32;
        let reach = self.reach();
        let push = (reach.min(1.0) - STICK_DEAD_ZONE) / (1.0 - STICK_DEAD_ZONE);
        let points = points_per_sec * push * push * secs;
        [self.at[0] / reach * points, 0.0 - self.at[1] / reach * points]
    }
}

#[cfg(test)]
mod tests {
    use super::PadAxis::{LeftTrigger, LeftX, LeftY, RightTrigger, RightX, RightY};
    use super::PadButton::{
        Down, East, Left, LeftBumper, LeftStick, North, Right, RightBumper, RightStick, Select, Start, Up, West,
    };
    use super::PadEvent::{Axis, Disconnected, Pressed, Released};
    use super::*;

    /// Sends events at 0 s and says what they ask for.
    fn actions(events: &[PadEvent]) -> Vec<Action> {
        let mut mapper = PadMapper::default();
        for event in events {
            mapper.event(event, 0.0);
        }
        mapper.update(0.0).actions
    }

    #[test]
    fn events_become_actions() {
        let track = Action::Track(TrackScope::StaleOrMissing);
        let (brush, points) = (Action::UseTool(Tool::Brush), Action::UseTool(Tool::Points));
        let palette = Action::TogglePanel(Panel::CommandPalette);
        let (back, stop, forward) = (Action::ShuttleBack, Action::ShuttleStop, Action::ShuttleForward);
        let cases: Vec<(&str, Vec<PadEvent>, Vec<Action>)> = vec![
            ("left", vec![Pressed(Left), Released(Left)], vec![Action::Step(-1)]),
            ("right", vec![Pressed(Right)], vec![Action::Step(1)]),
            ("LB and left", vec![Pressed(LeftBumper), Pressed(Left)], vec![Action::Step(-10)]),
            ("LB and right", vec![Pressed(LeftBumper), Pressed(Right)], vec![Action::Step(10)]),
            ("LB let go", vec![Pressed(LeftBumper), Released(LeftBumper), Pressed(Right)], vec![Action::Step(1)]),
            ("up", vec![Pressed(Up)], vec![Action::PreviousPrompted]),
            ("down", vec![Pressed(Down)], vec![Action::NextPrompted]),
            ("X twice", vec![Pressed(West), Released(West), Pressed(West)], vec![brush, points]),
            ("RB", vec![Pressed(RightBumper)], vec![Action::NextObject]),
            ("LB and RB", vec![Pressed(LeftBumper), Pressed(RightBumper)], vec![track]),
            ("start", vec![Pressed(Start)], vec![palette]),
            ("select", vec![Pressed(Select)], vec![Action::ToggleOverlay]),
            ("left stick", vec![Pressed(LeftStick)], vec![Action::ZoomFit]),
            ("right stick", vec![Pressed(RightStick)], vec![Action::ZoomActual]),
            ("RT at half", vec![Axis(RightTrigger, 0.5)], vec![]),
            ("RT past half, farther", vec![Axis(RightTrigger, 0.6), Axis(RightTrigger, 1.0)], vec![forward.clone()]),
            (
                "RT and let go",
                vec![
                    Axis(RightTrigger, 0.6),
                    Axis(RightTrigger, 0.45),
                    Axis(RightTrigger, 0.55),
                    Axis(RightTrigger, 0.0),
                ],
                vec![forward.clone(), stop.clone()],
            ),
            ("LT and let go", vec![Axis(LeftTrigger, 1.0), Axis(LeftTrigger, 0.0)], vec![back.clone(), stop.clone()]),
            (
                "LT over RT",
                vec![Axis(RightTrigger, 1.0), Axis(LeftTrigger, 1.0), Axis(LeftTrigger, 0.0)],
                vec![forward.clone(), back, stop.clone(), forward.clone()],
            ),
            ("RT and unplugged", vec![Axis(RightTrigger, 1.0), Disconnected], vec![forward, stop]),
            ("LB and unplugged", vec![Pressed(LeftBumper), Disconnected, Pressed(Right)], vec![Action::Step(1)]),
            ("unplugged at rest", vec![Disconnected], vec![]),
        ];
        for (name, events, expected) in cases {
            assert_eq!(actions(&events), expected, "{name}");
        }
    }

    #[test]
    fn a_and_b_click_once() {
        let mut mapper = PadMapper::default();
        for button in [PadButton::South, East] {
            mapper.event(&Pressed(button), 0.0);
            mapper.event(&Released(button), 0.1);
        }
        assert_eq!(mapper.update(0.1).clicks, [PointLabel::Positive, PointLabel::Negative]);
        assert_eq!(mapper.update(0.2), PadOutput::default());
    }

    #[test]
    fn behind_a_window_only_what_is_meant_for_it_passes() {
        let mut mapper = PadMapper::default();
        mapper.event(&Axis(RightTrigger, 1.0), 0.0);
        mapper.event(&Pressed(North), 0.0);
        assert_eq!(mapper.update(0.0).actions, [Action::ShuttleForward]);
        mapper.set_covered(true);
        let behind = [North, West, Left, Right, RightBumper, Select, LeftStick, RightStick, LeftBumper];
        for button in behind {
            mapper.event(&Pressed(button), 0.1);
            mapper.event(&Released(button), 0.2);
        }
        for axis in [LeftX, RightY, LeftTrigger] {
            mapper.event(&Axis(axis, 1.0), 0.2);
        }
        mapper.event(&Axis(RightTrigger, 0.0), 0.2);
        let output = mapper.update(1.0);
        assert_eq!(output, PadOutput { actions: vec![Action::ShuttleStop], ..PadOutput::default() });
        for button in [PadButton::South, East, Up, Down, Start] {
            mapper.event(&Pressed(button), 1.1);
        }
        let output = mapper.update(1.2);
        assert_eq!(output.keys, [PadKey::Accept, PadKey::Cancel, PadKey::Up, PadKey::Down]);
        assert_eq!(output.actions, [Action::TogglePanel(Panel::CommandPalette)]);
        assert_eq!(output.clicks, []);
        // When it is closed the stick that is still held counts again, from now on.
        mapper.set_covered(false);
        let [across, _] = mapper.update(1.3).cursor_delta;
        assert!(across > 0.0);
    }

    #[test]
    fn x_swaps_the_tool_in_use() {
        let mut mapper = PadMapper::default();
        mapper.set_tool(Tool::Brush);
        mapper.event(&Pressed(West), 0.0);
        mapper.set_tool(Tool::Box);
        mapper.event(&Pressed(West), 0.1);
        assert_eq!(mapper.update(0.1).actions, [Action::UseTool(Tool::Points), Action::UseTool(Tool::Brush)]);
    }

    #[test]
    fn y_undoes_and_held_redoes_once() {
        let mut mapper = PadMapper::default();
        mapper.event(&Pressed(North), 1.0);
        let held = mapper.update(1.49);
        assert!(held.actions.is_empty() && held.needs_redraw);
        mapper.event(&Released(North), 1.49);
        assert_eq!(mapper.update(1.5), PadOutput { actions: vec![Action::Undo], ..PadOutput::default() });

        mapper.event(&Pressed(North), 2.0);
        assert_eq!(mapper.update(2.5), PadOutput { actions: vec![Action::Redo], ..PadOutput::default() });
        mapper.event(&Released(North), 3.0);
        assert_eq!(mapper.update(3.0), PadOutput::default());

        // No update came between.
        mapper.event(&Pressed(North), 4.0);
        mapper.event(&Released(North), 4.6);
        assert_eq!(mapper.update(4.6).actions, [Action::Redo]);

        mapper.event(&Pressed(North), 5.0);
        mapper.event(&Disconnected, 5.1);
        assert_eq!(mapper.update(6.0), PadOutput::default());
    }

    #[test]
    fn sticks_rest_in_the_dead_zone() {
        let mut mapper = PadMapper::default();
        for axis in [LeftX, LeftY, RightX, RightY] {
            mapper.event(&Axis(axis, 0.1), 0.0);
        }
        assert_eq!(mapper.update(0.1), PadOutput::default());
        // Each axis is within it, the stick is not.
        mapper.event(&Axis(LeftX, 0.13), 0.1);
        mapper.event(&Axis(LeftY, 0.13), 0.1);
        assert!(mapper.update(0.1).needs_redraw);
    }

    #[test]
    fn left_stick_moves_the_cursor_faster_and_faster() {
        let mut mapper = PadMapper::default();
        mapper.update(0.0);
        mapper.event(&Axis(LeftX, 1.0), 100.0);
        let at_once = mapper.update(100.0);
        assert_eq!((at_once.cursor_delta, at_once.needs_redraw), ([0.0, 0.0], true));
        let moves: Vec<f32> = (1..=150).map(|i| mapper.update(100.0 + f64::from(i) / 100.0).cursor_delta[0]).collect();
        assert!(moves[0] > 0.01 * CURSOR_START_SPEED && moves[0] < 0.011 * CURSOR_START_SPEED + 0.2, "{}", moves[0]);
        assert!(moves[..100].is_sorted_by(|a, b| a < b));
        assert!((moves[149] - 0.01 * CURSOR_TOP_SPEED).abs() < 0.01, "{}", moves[149]);
        // A hitch of a second is no leap.
        assert!(mapper.update(102.5).cursor_delta[0] <= CURSOR_TOP_SPEED * 0.1 + 0.01);
        mapper.event(&Axis(LeftX, 0.0), 103.0);
        assert_eq!(mapper.update(103.0), PadOutput::default());
        // Held anew, it is slow again.
        mapper.event(&Axis(LeftX, -1.0), 104.0);
        let again = mapper.update(104.01).cursor_delta;
        assert!(again[0] < 0.0 && (again[0] + moves[0]).abs() < 0.01, "{again:?}");
    }

    #[test]
    fn up_is_up_and_half_a_push_is_slower() {
        let travel = |axis, value| {
            let mut mapper = PadMapper::default();
            mapper.event(&Axis(axis, value), 0.0);
            let output = mapper.update(0.1);
            (output.cursor_delta, output.pan_delta)
        };
        let (cursor, pan) = travel(LeftY, 1.0);
        assert!(cursor[0] == 0.0 && cursor[1] < 0.0 && pan == [0.0, 0.0]);
        assert!(travel(LeftY, 0.5).0[1] > cursor[1] / 2.0);
        let (cursor, pan) = travel(RightX, 1.0);
        assert!(cursor == [0.0, 0.0] && (pan[0] + PAN_SPEED * 0.1).abs() < 0.1 && pan[1] == 0.0, "{pan:?}");
        assert!(travel(RightY, 1.0).1[1] > 0.0);
    }
}
