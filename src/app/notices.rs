//! What the labeller is told: short, specific, with a way out, and kept in a log.
//!
//! Whoever notices something pushes it here once. Good news leaves by itself after it could be read; warnings and errors
//! stay until they are dismissed. Draws nothing.

use std::collections::VecDeque;
use std::time::SystemTime;

use bevy::prelude::Resource;

use super::action::Action;

/// How much it matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// Good to know.
    Info,
    /// Look at this.
    Warning,
    /// Something failed.
    Error,
}

/// Something said.
#[derive(Debug, Clone, PartialEq)]
pub struct Notice {
    /// Its own number.
    pub id: u64,
    /// How much it matters.
    pub severity: Severity,
    /// The text.
    pub text: String,
    /// What can be done about it, as buttons.
    pub ways_out: Vec<(String, Action)>,
    /// When it was said last.
    pub at: SystemTime,
    /// How often it was said.
    pub count: u32,
    /// How long it has been on screen, in seconds; `None` before it was drawn for the first time.
    shown_secs: Option<f32>,
    /// How many things had been said when it was said last, itself among them.
    said: u64,
}

/// How long good news stays, in seconds.
const INFO_SECS: f32 = 7.0;
/// Notices on screen at once, unless more of them are lasting; the log has the others.
const MOST_ON_SCREEN: usize = 5;
/// Notices in the log.
const LOG_LENGTH: usize = 1000;

/// Everything that was said.
#[derive(Resource, Debug, Default)]
pub struct Notices {
    on_screen: Vec<Notice>,
    log: VecDeque<Notice>,
    last_id: u64,
    /// How many things were said.
    said: u64,
    /// How many had been said when the last action or event was done with.
    settled: u64,
}

impl Notices {
    /// Says something. The same thing said again is counted, not stacked; its ways out are those of the last time.
    pub fn push(&mut self, severity: Severity, text: impl Into<String>, ways_out: Vec<(String, Action)>) {
        let (text, at) = (text.into(), SystemTime::now());
        self.said += 1;
        if let Some(same) =
            self.on_screen.iter_mut().find(|notice| (notice.severity, &notice.text) == (severity, &text))
        {
            (same.count, same.at, same.shown_secs, same.said) = (same.count + 1, at, None, self.said);
            same.ways_out.clone_from(&ways_out);
            let id = same.id;
            if let Some(logged) = self.log.iter_mut().find(|notice| notice.id == id) {
                (logged.count, logged.at, logged.ways_out) = (logged.count + 1, at, ways_out);
            }
            return;
        }
        self.last_id += 1;
        let (id, said) = (self.last_id, self.said);
        let notice = Notice { id, severity, text, ways_out, at, count: 1, shown_secs: None, said };
        self.keep(notice.clone());
        self.on_screen.push(notice);
        // Good news makes room, the oldest first, but for what was just said; what is lasting lasts.
        while self.on_screen.len() > MOST_ON_SCREEN
            && let Some(oldest) = self.on_screen.iter().position(|notice| notice.severity == Severity::Info)
            && oldest + 1 < self.on_screen.len()
        {
            self.on_screen.remove(oldest);
        }
    }

    /// Writes something down for whoever opens the log, without putting it on screen.
    pub fn note(&mut self, severity: Severity, text: impl Into<String>) {
        self.last_id += 1;
        let (text, at) = (text.into(), SystemTime::now());
        let (id, ways_out, said) = (self.last_id, Vec::new(), self.said);
        self.keep(Notice { id, severity, text, ways_out, at, count: 1, shown_secs: None, said });
    }

    fn keep(&mut self, notice: Notice) {
        self.log.push_back(notice);
        if self.log.len() > LOG_LENGTH {
            self.log.pop_front();
        }
    }

    /// Takes one from the screen; it stays in the log.
    pub fn dismiss(&mut self, id: u64) {
        self.on_screen.retain(|notice| notice.id != id);
    }

    /// Takes those from the screen that have become untrue.
    pub fn dismiss_where(&mut self, is_untrue: impl Fn(&Notice) -> bool) {
        self.on_screen.retain(|notice| !is_untrue(notice));
    }

    /// An action or event is done with. When it made or took back a step, "Undo" would no longer take back what was said
    /// before it: what offers that leaves the screen.
    pub(super) fn settle(&mut self, has_made_step: bool) {
        let settled = std::mem::replace(&mut self.settled, self.said);
        if has_made_step {
            let offers_undo = |notice: &Notice| notice.ways_out.iter().any(|(_, action)| *action == Action::Undo);
            self.dismiss_where(|notice| notice.said <= settled && offers_undo(notice));
        }
    }

    /// Those on screen, the newest last.
    pub fn on_screen(&self) -> &[Notice] {
        &self.on_screen
    }

    /// All of them, the newest last.
    pub fn log(&self) -> impl DoubleEndedIterator<Item = &Notice> + ExactSizeIterator {
        self.log.iter()
    }

    /// Lets time pass for those that leave by themselves; not while the pointer is over them.
    pub fn age(&mut self, shown_secs: f32, is_hovered: bool) {
        if is_hovered {
            return;
        }
        self.on_screen.retain_mut(|notice| match notice.severity {
            Severity::Info => {
                // The window may have slept long before it drew the notice: that time does not count.
                let so_far = notice.shown_secs.map_or(0.0, |so_far| so_far + shown_secs);
                notice.shown_secs = Some(so_far);
                so_far < INFO_SECS
            }
            Severity::Warning | Severity::Error => true,
        });
    }

    /// When the next one leaves by itself, in seconds from now.
    pub fn next_expiry_secs(&self) -> Option<f32> {
        let leaving = self.on_screen.iter().filter(|notice| notice.severity == Severity::Info);
        leaving.map(|notice| INFO_SECS - notice.shown_secs.unwrap_or(0.0)).min_by(f32::total_cmp)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn good_news_leaves_and_errors_stay() {
        let mut notices = Notices::default();
        notices.push(Severity::Info, "saved", Vec::new());
        notices.push(Severity::Error, "disk full", Vec::new());
        notices.age(INFO_SECS + 1.0, false);
        assert_eq!(notices.on_screen().len(), 2, "time before it was drawn does not count");
        notices.age(INFO_SECS + 1.0, true);
        assert_eq!(notices.on_screen().len(), 2, "not while it is hovered");
        assert!(notices.next_expiry_secs().is_some());
        notices.age(INFO_SECS + 1.0, false);
        assert_eq!(notices.on_screen().iter().map(|n| n.text.as_str()).collect::<Vec<_>>(), ["disk full"]);
        assert_eq!((notices.next_expiry_secs(), notices.log().len()), (None, 2));
        notices.dismiss(notices.on_screen()[0].id);
        assert!(notices.on_screen().is_empty());
    }

    #[test]
    fn repeats_are_counted_and_many_are_bounded() {
        let mut notices = Notices::default();
        for _ in 0..3 {
            notices.push(Severity::Error, "no answer", Vec::new());
        }
        assert_eq!((notices.on_screen().len(), notices.on_screen()[0].count), (1, 3));
        for i in 0..2000 {
            notices.push(Severity::Info, format!("news {i}"), Vec::new());
        }
        assert_eq!((notices.on_screen().len(), notices.log().len()), (MOST_ON_SCREEN, LOG_LENGTH));
        assert_eq!(notices.on_screen()[0].text, "no answer", "errors outlast good news");
        for i in 0..10 {
            notices.push(Severity::Error, format!("failure {i}"), Vec::new());
        }
        assert_eq!(notices.on_screen().len(), 11, "errors do not drive each other away");
    }

    #[test]
    fn what_was_just_said_is_seen_however_much_lasts() {
        let mut notices = Notices::default();
        for number in 0..MOST_ON_SCREEN + 2 {
            notices.push(Severity::Warning, format!("warning {number}"), Vec::new());
        }
        for text in ["first", "second"] {
            notices.push(Severity::Info, text, Vec::new());
            assert_eq!(notices.on_screen().last().map(|notice| notice.text.as_str()), Some(text));
            assert_eq!(notices.on_screen().len(), MOST_ON_SCREEN + 3);
        }
    }
}
