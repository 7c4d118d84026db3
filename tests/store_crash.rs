//! Killed while it writes: what was acknowledged is there, and nothing is there by half.

mod store_support;

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;

use crossbeam_channel::bounded;
use label_hub::label::{Change, Edit, FrameIdx, ObjectId};
use label_hub::store::{Durability, HistoryChange, LabelStore, OpenOptions, ProjectStore, SaveState};
use store_support::{Both, FRAMES, Model, clip, mark, options};

const KILLS: u32 = 20;
/// Units a child writes when nobody kills it.
const UNITS: u32 = 3000;

/// The unit of a number, the same in every process: mostly tracked frames, now and then an action, an undo, a clearing.
fn tell(both: &mut Both, number: u32) {
    both.note_session(&number.to_string());
    match number % 11 {
        0 => both.click(1 + number % 3, number % FRAMES, number),
        5 => {
            let undone: Vec<Edit> = both.model.done.iter().rev().take(1).map(|step| step.edit.reversed()).collect();
            undone.iter().for_each(|edit| both.record(edit));
            both.note_history(HistoryChange::Undo(undone.len()));
            both.store.finish(Durability::Durable);
        }
        7 if number.is_multiple_of(3) => {
            both.note_history(HistoryChange::ClearUndone);
            both.note_history(HistoryChange::DropOldest(both.model.done.len().saturating_sub(8)));
            both.keep_only_used();
            both.store.finish(Durability::Durable);
        }
        _ => {
            let changes: Vec<Change> = (1..4)
                .map(|object| {
                    let seed = number * 3 + object;
                    let id = both.put(seed);
                    let (object, frame) = (ObjectId(object), FrameIdx(number % FRAMES));
                    let before = both.model.marks.get(&(object, frame)).copied();
                    Change::Mark { object, frame, before, after: Some(mark(id, seed)) }
                })
                .collect();
            both.record(&Edit { name: "track".to_owned(), changes: changes.clone() });
            both.note_history(HistoryChange::Extend { below: 0, changes });
            both.store.finish(Durability::Batched);
        }
    }
}

/// Writes units and says which are saved; run by the test below, and killed by it.
#[test]
fn child_writes_until_it_is_killed() {
    let Some(path) = std::env::var_os("LABEL_HUB_TEST_WRITE") else { return };
    let (sender, news) = bounded(1);
    let waker = move || {
        // Full: there is a wake-up that was not seen yet.
        sender.try_send(()).ok();
    };
    let options = OpenOptions { waker: Arc::new(waker), ..options() };
    let (store, ..) = ProjectStore::open(Path::new(&path), &clip(), options).expect("a project");
    let mut both = Both { store, model: Model::default() };
    let mut out = std::io::stdout();
    for number in 0..UNITS {
        tell(&mut both, number);
        writeln!(out, "\ntold {number}").expect("the parent reads");
        // Wait for some of the actions, so that there is something to hold the store to; let the frames gather.
        if number % 11 == 5 {
            while both.store.saved() != SaveState::Saved {
                news.recv().expect("the thread is there");
            }
            writeln!(out, "saved {number}").expect("the parent reads");
        }
        out.flush().expect("the parent reads");
    }
}

#[test]
fn every_acknowledged_unit_survives_being_killed() {
    let mut checked = Vec::new();
    for kill in 0..KILLS {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("p.labelhub");
        let mut child = Command::new(std::env::current_exe().expect("this test"))
            .args(["child_writes_until_it_is_killed", "--exact", "--nocapture"])
            .env("LABEL_HUB_TEST_WRITE", &path)
            .stdout(Stdio::piped())
            .spawn()
            .expect("this test runs twice");
        // Each kill at another point, in the middle of whatever the thread is doing then.
        let kill_after = 3 + kill * 13;
        let (mut saved, mut lines_left) = (None, kill_after);
        for line in BufReader::new(child.stdout.take().expect("piped")).lines() {
            let line = line.expect("text");
            saved = line.strip_prefix("saved ").map(|number| number.parse::<u32>().expect("a number")).or(saved);
            if line.starts_with("told ") {
                lines_left -= u32::from(lines_left > 0);
            }
            if lines_left == 0 {
                child.kill().expect("it runs"); // SIGKILL; lines already in the pipe are read on
                lines_left = u32::MAX;
            }
        }
        child.wait().expect("it ends");

        let (mut store, snapshot, notices) = store_support::open(&path).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(notices, [], "kill {kill}");
        let there: Option<u32> = snapshot.session.as_ref().map(|text| text.parse().expect("a number"));
        assert!(there >= saved, "kill {kill}: {there:?} is there, {saved:?} was acknowledged");
        let mut expected = Both::new(&folder.path().join("again.labelhub"));
        for number in 0..there.map_or(0, |last| last + 1) {
            tell(&mut expected, number);
        }
        assert_eq!(snapshot, expected.model.snapshot(), "kill {kill}: as after unit {there:?}, to the last detail");
        for id in expected.model.used() {
            assert_eq!(store.get(id), Ok(expected.model.masks[&id].clone()), "kill {kill}");
        }
        store.close().expect("a writable folder");
        let connection = rusqlite::Connection::open(&path).expect("the project");
        let check: String = connection.query_row("PRAGMA integrity_check", [], |row| row.get(0)).expect("a database");
        assert_eq!(check, "ok", "kill {kill}");
        checked.push((kill_after, saved, there));
    }
    println!("told before the kill, acknowledged, found: {checked:?}");
}
