//! Ctrl-C and SIGTERM: the first asks to stop, the second ends the process at once.
//!
//! Signals reach the whole process, so each case runs in a child: this very test program, told by a variable what to do.

#![cfg(unix)]

use std::process::{Command, Stdio};

use label_hub::cli::exit::Exit;
use label_hub::cli::signals::StopFlag;
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::low_level::raise;

const CASE_VARIABLE: &str = "LABEL_HUB_SIGNAL_CASE";
/// Ends a child that came through all its signals alive.
const CAME_THROUGH: i32 = 42;

/// Raises the signals of `case`; a signal raised is handled before `raise` returns.
fn child(case: &str) -> ! {
    let stop = StopFlag::install().expect("handlers can be set");
    assert_eq!(stop.requested(), None);
    for (i, name) in case.split(' ').enumerate() {
        let (signal, exit) = match name {
            "INT" => (SIGINT, Exit::Interrupted),
            _ => (SIGTERM, Exit::Terminated),
        };
        raise(signal).expect("a signal to ourselves");
        assert!(i == 0, "the second signal should have ended this process");
        assert_eq!(stop.requested(), Some(exit));
    }
    std::process::exit(CAME_THROUGH)
}

#[test]
fn first_signal_asks_and_second_ends() {
    if let Ok(case) = std::env::var(CASE_VARIABLE) {
        child(&case);
    }
    let cases = [("INT", CAME_THROUGH), ("TERM", CAME_THROUGH), ("INT INT", 130), ("TERM TERM", 75), ("INT TERM", 75)];
    for (case, code) in cases {
        let status = Command::new(std::env::current_exe().expect("this program has a path"))
            .args(["--exact", "first_signal_asks_and_second_ends", "--nocapture"])
            .env(CASE_VARIABLE, case)
            .stdout(Stdio::null())
            .status()
            .expect("this program runs");
        assert_eq!(status.code(), Some(code), "{case}");
    }
}
