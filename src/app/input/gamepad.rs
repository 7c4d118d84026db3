//! Gamepads: a thread that waits for them, so that a sleeping window wakes for a button and for nothing else.
//!
//! The window starts a [`PadThread`] over [`open_gilrs`], takes its events each update and hands them to a
//! [`PadMapper`]. What a button means is not here.

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use bevy::prelude::Resource;
use crossbeam_channel::{Receiver, Sender, TryRecvError, bounded};
use gilrs::ev::filter::{Filter, axis_dpad_to_button};
use gilrs::{Axis, Button, EventType, Gilrs, GilrsBuilder};

use super::pad_mapper::PadMapper;

/// Events that may wait to be taken; then the thread waits too.
const EVENT_CAPACITY: usize = 64;
/// The longest wait of the thread for a pad, and so the longest that dropping it takes.
const LONGEST_WAIT: Duration = Duration::from_millis(250);
/// A stick's axis nearer to 0 than this reads 0. Two of them are still within the mapper's dead zone.
const REST: f32 = 0.1;
/// Smaller changes of an axis are its noise: they would wake the window for nothing.
const SMALLEST_CHANGE: f32 = 0.02;
/// So many times in a row gilrs may come back early without an event, which it does after most events.
const EARLY_RETURNS: u32 = 16;
/// The pause when it does so more often, as for a pad that is being unplugged.
const EARLY_PAUSE: Duration = Duration::from_millis(10);

/// A button, by its place; the letters are those of an Xbox pad.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PadButton {
    /// A.
    South,
    /// B.
    East,
    /// X.
    West,
    /// Y.
    North,
    /// LB, over the left trigger.
    LeftBumper,
    /// RB, over the right trigger.
    RightBumper,
    /// Select, view, share.
    Select,
    /// Start, menu, options.
    Start,
    /// The left stick, pressed.
    LeftStick,
    /// The right stick, pressed.
    RightStick,
    /// D-pad.
    Up,
    /// D-pad.
    Down,
    /// D-pad.
    Left,
    /// D-pad.
    Right,
}

/// What has more than two states.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PadAxis {
    /// -1 left to 1 right.
    LeftX,
    /// -1 down to 1 up.
    LeftY,
    /// -1 left to 1 right.
    RightX,
    /// -1 down to 1 up.
    RightY,
    /// LT, 0 to 1 pressed.
    LeftTrigger,
    /// RT, 0 to 1 pressed.
    RightTrigger,
}

/// What happened to a pad. Several pads count as one.
#[derive(Debug, Clone, PartialEq)]
pub enum PadEvent {
    /// A button went down.
    Pressed(PadButton),
    /// A button came up.
    Released(PadButton),
    /// An axis moved to this.
    Axis(PadAxis, f32),
    /// There is a pad of this name.
    Connected(String),
    /// A pad has gone.
    Disconnected,
}

/// Where events come from.
pub trait PadSource: Send {
    /// The next event; `None` when none came within `wait`, and not much earlier: the caller asks again at once.
    fn next(&mut self, wait: Duration) -> Option<PadEvent>;
}

/// The system's gamepads.
pub struct GilrsSource {
    gilrs: Gilrs,
    /// Pads that were there at the start.
    found: VecDeque<PadEvent>,
}

/// Looks for gamepads.
///
/// # Errors
/// When the system offers none to programs: a sentence for the labeller, who can go on without.
pub fn open_gilrs() -> Result<GilrsSource, String> {
    // Its own filters would keep a call from returning for as long as a stick trembles; see `Quiet`.
    let builder = GilrsBuilder::new().with_default_filters(false).set_update_state(false).with_force_feedback(false);
    let gilrs = builder.build().map_err(|error| match error {
        gilrs::Error::NotImplemented(_) => "Gamepads cannot be used: this system is not supported.".to_owned(),
        other => format!("Gamepads cannot be used: {other}. Keyboard and mouse do everything a gamepad does."),
    })?;
    let found = gilrs.gamepads().map(|(_, pad)| PadEvent::Connected(pad.name().to_owned())).collect();
    Ok(GilrsSource { gilrs, found })
}

impl PadSource for GilrsSource {
    fn next(&mut self, wait: Duration) -> Option<PadEvent> {
        if let Some(event) = self.found.pop_front() {
            return Some(event);
        }
        let end = Instant::now() + wait;
        let mut early_returns = 0;
        loop {
            let left = end.saturating_duration_since(Instant::now());
            let event = self.gilrs.next_event_blocking(Some(left)).filter_ev(&axis_dpad_to_button, &mut self.gilrs);
            match event {
                Some(event) => {
                    self.gilrs.update(&event);
                    if let Some(plain) = self.plain(&event) {
                        return Some(plain);
                    }
                }
                None if early_returns < EARLY_RETURNS => early_returns += 1,
                None => thread::sleep(EARLY_PAUSE.min(left)),
            }
            if left.is_zero() {
                return None;
            }
        }
    }
}

impl GilrsSource {
    /// An event as ours; `None` when it means nothing here.
    fn plain(&self, event: &gilrs::Event) -> Option<PadEvent> {
        Some(match event.event {
            EventType::ButtonPressed(button, _) => PadEvent::Pressed(pad_button(button)?),
            EventType::ButtonReleased(button, _) => PadEvent::Released(pad_button(button)?),
            EventType::ButtonChanged(Button::LeftTrigger2, value, _) => PadEvent::Axis(PadAxis::LeftTrigger, value),
            EventType::ButtonChanged(Button::RightTrigger2, value, _) => PadEvent::Axis(PadAxis::RightTrigger, value),
            EventType::AxisChanged(axis, value, _) => PadEvent::Axis(pad_axis(axis)?, value),
            EventType::Connected => PadEvent::Connected(self.gilrs.gamepad(event.id).name().to_owned()),
            EventType::Disconnected => PadEvent::Disconnected,
            // Changes of plain buttons come as pressed and released too; the rest gilrs makes only when asked.
            _ => return None,
        })
    }
}

fn pad_button(button: Button) -> Option<PadButton> {
    Some(match button {
        Button::South => PadButton::South,
        Button::East => PadButton::East,
        Button::West => PadButton::West,
        Button::North => PadButton::North,
        Button::LeftTrigger => PadButton::LeftBumper,
        Button::RightTrigger => PadButton::RightBumper,
        Button::Select => PadButton::Select,
        Button::Start => PadButton::Start,
        Button::LeftThumb => PadButton::LeftStick,
        Button::RightThumb => PadButton::RightStick,
        Button::DPadUp => PadButton::Up,
        Button::DPadDown => PadButton::Down,
        Button::DPadLeft => PadButton::Left,
        Button::DPadRight => PadButton::Right,
        // The lower triggers are axes here.
        Button::LeftTrigger2 | Button::RightTrigger2 => return None,
        Button::C | Button::Z | Button::Mode | Button::Unknown => return None,
    })
}

fn pad_axis(axis: Axis) -> Option<PadAxis> {
    match axis {
        Axis::LeftStickX => Some(PadAxis::LeftX),
        Axis::LeftStickY => Some(PadAxis::LeftY),
        Axis::RightStickX => Some(PadAxis::RightX),
        Axis::RightStickY => Some(PadAxis::RightY),
        Axis::LeftZ | Axis::RightZ | Axis::DPadX | Axis::DPadY | Axis::Unknown => None,
    }
}

/// Takes the trembling out of axes: rest is 0, said once, and small changes are not said.
#[derive(Debug, Default)]
struct Quiet {
    said: [f32; 6],
}

impl Quiet {
    fn pass(&mut self, event: PadEvent) -> Option<PadEvent> {
        match event {
            PadEvent::Axis(axis, value) => {
                let value = if value.abs() < REST { 0.0 } else { value.clamp(-1.0, 1.0) };
                let said = &mut self.said[axis as usize];
                let is_end = value == 0.0 || value.abs() == 1.0;
                let is_news = if is_end { value != *said } else { (value - *said).abs() >= SMALLEST_CHANGE };
                is_news.then(|| {
                    *said = value;
                    PadEvent::Axis(axis, value)
                })
            }
            PadEvent::Disconnected => {
                self.said = Quiet::default().said;
                Some(event)
            }
            PadEvent::Pressed(_) | PadEvent::Released(_) | PadEvent::Connected(_) => Some(event),
        }
    }
}

/// The running thread. Dropping it stops and joins it, within a quarter of a second.
pub struct PadThread {
    /// Never sent through: that it has gone tells the thread to end.
    stop: Option<Sender<()>>,
    events: Option<Receiver<PadEvent>>,
    thread: Option<JoinHandle<()>>,
}

impl PadThread {
    /// Starts the thread. `waker` is called after every event, to wake a sleeping event loop.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub fn spawn(source: impl PadSource + 'static, waker: Arc<dyn Fn() + Send + Sync>) -> io::Result<PadThread> {
        let (stop, is_stopped) = bounded(0);
        let (sender, events) = bounded(EVENT_CAPACITY);
        let thread = thread::Builder::new()
            .name("gamepad".to_owned())
            .spawn(move || watch(source, &is_stopped, &sender, &*waker))?;
        Ok(PadThread { stop: Some(stop), events: Some(events), thread: Some(thread) })
    }

    /// Where events arrive.
    pub fn events(&self) -> &Receiver<PadEvent> {
        self.events.as_ref().expect("taken only when dropped")
    }
}

impl Drop for PadThread {
    fn drop(&mut self) {
        self.stop = None;
        // Without a receiver a full event channel no longer holds the thread back.
        self.events = None;
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            // Its panic has been reported by the panic hook; nothing is left to stop.
        }
    }
}

fn watch(mut source: impl PadSource, stop: &Receiver<()>, sender: &Sender<PadEvent>, waker: &(dyn Fn() + Send + Sync)) {
    let mut quiet = Quiet::default();
    while stop.try_recv() != Err(TryRecvError::Disconnected) {
        let Some(event) = source.next(LONGEST_WAIT).and_then(|event| quiet.pass(event)) else { continue };
        if sender.send(event).is_err() {
            return;
        }
        waker();
    }
}

/// The thread, where the window's systems find it; absent where there are no gamepads.
#[derive(Resource)]
pub struct PadLink(pub PadThread);

/// What the pad does in the window.
#[derive(Resource, Debug, Default)]
pub struct Pad {
    /// What buttons and sticks mean.
    pub mapper: PadMapper,
}

#[cfg(test)]
mod tests {
    use crossbeam_channel::RecvTimeoutError;

    use super::*;

    /// Long enough for any machine; only a failing test waits it out.
    const PATIENCE: Duration = Duration::from_secs(20);

    /// Hands out what the test sends, and says when it is asked and when it is gone.
    struct Scripted {
        script: Receiver<PadEvent>,
        asked: Sender<Duration>,
        /// Nothing is sent: its receiver learns that the source is gone.
        _alive: Sender<()>,
    }

    impl PadSource for Scripted {
        fn next(&mut self, wait: Duration) -> Option<PadEvent> {
            // The test need not listen.
            self.asked.try_send(wait).ok();
            self.script.recv_timeout(wait).ok()
        }
    }

    struct Bench {
        thread: PadThread,
        script: Sender<PadEvent>,
        asked: Receiver<Duration>,
        alive: Receiver<()>,
        woken: Receiver<Option<String>>,
    }

    fn bench() -> Bench {
        let (script, script_end) = bounded(1000);
        let (asked_end, asked) = bounded(1);
        let (alive_end, alive) = bounded(0);
        let (woken_end, woken) = bounded(1000);
        let waker = Arc::new(move || {
            woken_end.send(thread::current().name().map(str::to_owned)).expect("the test listens");
        });
        let source = Scripted { script: script_end, asked: asked_end, _alive: alive_end };
        let thread = PadThread::spawn(source, waker).expect("the system gives a thread");
        Bench { thread, script, asked, alive, woken }
    }

    #[test]
    fn an_event_wakes_an_idle_window() {
        let bench = bench();
        let wait = bench.asked.recv_timeout(PATIENCE).expect("the thread asks its source");
        assert_eq!(wait, LONGEST_WAIT);
        assert!(bench.woken.is_empty(), "nothing has happened yet");
        bench.script.send(PadEvent::Pressed(PadButton::South)).expect("the source listens");
        let waker_thread = bench.woken.recv_timeout(PATIENCE).expect("the waker is called");
        assert_eq!(waker_thread.as_deref(), Some("gamepad"));
        // It was there before the waker was called.
        assert_eq!(bench.thread.events().try_recv(), Ok(PadEvent::Pressed(PadButton::South)));
    }

    #[test]
    fn dropping_ends_an_idle_thread() {
        let bench = bench();
        bench.asked.recv_timeout(PATIENCE).expect("the thread asks its source");
        drop(bench.thread);
        // The script is still open: the source has gone because its thread has ended.
        assert_eq!(bench.alive.recv_timeout(Duration::ZERO), Err(RecvTimeoutError::Disconnected));
        assert!(bench.script.send(PadEvent::Disconnected).is_err());
    }

    #[test]
    fn dropping_ends_a_thread_that_waits_for_room() {
        let bench = bench();
        for _ in 0..EVENT_CAPACITY * 2 {
            bench.script.send(PadEvent::Pressed(PadButton::South)).expect("the source listens");
        }
        for _ in 0..EVENT_CAPACITY {
            bench.woken.recv_timeout(PATIENCE).expect("the waker is called");
        }
        drop(bench.thread);
        assert_eq!(bench.alive.recv_timeout(Duration::ZERO), Err(RecvTimeoutError::Disconnected));
    }

    #[test]
    fn a_trembling_stick_wakes_nobody() {
        let bench = bench();
        let axis = |value| PadEvent::Axis(PadAxis::LeftX, value);
        let trigger = PadEvent::Axis(PadAxis::LeftTrigger, 0.5);
        let script = [
            axis(0.05),
            axis(-0.09),
            axis(0.5),
            axis(0.51),
            axis(0.495),
            trigger.clone(),
            axis(0.99),
            axis(1.0),
            axis(0.03),
            axis(0.0),
            axis(0.5),
            PadEvent::Disconnected,
            axis(0.5),
        ];
        let expected =
            [axis(0.5), trigger, axis(0.99), axis(1.0), axis(0.0), axis(0.5), PadEvent::Disconnected, axis(0.5)];
        for event in script {
            bench.script.send(event).expect("the source listens");
        }
        for event in &expected {
            assert_eq!(bench.thread.events().recv_timeout(PATIENCE).as_ref(), Ok(event));
            bench.woken.recv_timeout(PATIENCE).expect("one call for each event");
        }
        assert!(bench.woken.is_empty());
    }

    #[test]
    fn a_machine_without_pads_is_no_panic() {
        match open_gilrs() {
            Ok(source) => {
                let thread = PadThread::spawn(source, Arc::new(|| {})).expect("the system gives a thread");
                drop(thread);
            }
            Err(message) => assert!(message.starts_with("Gamepads cannot be used: "), "{message}"),
        }
    }

    #[test]
    fn every_button_has_one_place() {
        let all = [
            Button::South,
            Button::East,
            Button::West,
            Button::North,
            Button::LeftTrigger,
            Button::RightTrigger,
            Button::Select,
            Button::Start,
            Button::LeftThumb,
            Button::RightThumb,
            Button::DPadUp,
            Button::DPadDown,
            Button::DPadLeft,
            Button::DPadRight,
        ];
        let places: std::collections::HashSet<_> = all.into_iter().filter_map(pad_button).collect();
        assert_eq!(places.len(), all.len());
        assert_eq!(pad_button(Button::LeftTrigger2), None);
    }
}
