//! Tests of the project file that need to reach behind its doors: failing disks, other schemas, other clocks. The rest
//! is in `tests/store_*.rs`.

mod failures;
mod folding;
mod migration_kills;
mod surroundings;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::notice::{OnOtherClip, OpenNotice, OpenOptions};
use super::open::{Surroundings, open};
use super::writer::Control;
use super::{ClipRecord, ProjectStore, Snapshot};
use crate::label::{Change, Edit, FrameIdx, FrameMark, FrameSize, Mask, MaskId, ObjectFacts, ObjectId};
use crate::store::{Durability, HistoryChange, LabelStore, StoreError};

const SIZE: FrameSize = FrameSize { width: 640, height: 360 };
const FRAMES: u32 = 100;

fn clip() -> ClipRecord {
    ClipRecord {
        path: PathBuf::from("/footage/clip.mp4"),
        identity: "0123456789abcdef".repeat(4),
        size: SIZE,
        frame_count: FRAMES,
        time_base: (1, 1000),
        pts: (0..i64::from(FRAMES)).map(|n| n * 40).collect(),
        average_rate: None,
    }
}

fn folder() -> tempfile::TempDir {
    tempfile::tempdir().expect("a temporary folder")
}

fn options(waker: impl Fn() + Send + Sync + 'static) -> OpenOptions {
    OpenOptions { on_other_clip: OnOtherClip::Refuse, data_folder: None, waker: Arc::new(waker) }
}

fn open_plainly(path: &Path) -> (ProjectStore, Snapshot, Vec<OpenNotice>) {
    open(path, &clip(), &options(|| {}), &Surroundings::default()).unwrap_or_else(|error| panic!("{error}"))
}

/// A mask with a few hundred runs, different for every seed.
fn mask(seed: u32) -> Mask {
    Mask::from_fn(SIZE, |i| (i as u32).wrapping_mul(seed * 2 + 1) % 1009 < 4 + seed % 3)
}

/// One finished action: a new mask for object 1, as a step of its own.
fn click(store: &mut ProjectStore, frame: u32) -> MaskId {
    let id = store.put(&mask(frame));
    let facts = ObjectFacts {
        name: "fox".to_owned(),
        class: None,
        colour: [1, 2, 3],
        is_hidden: false,
        is_locked: false,
        revision: 1,
    };
    let mark = FrameMark::painted(id, &mask(frame), 1);
    let changes = vec![
        Change::Object { id: ObjectId(1), before: None, after: Some(facts) },
        Change::Mark { object: ObjectId(1), frame: FrameIdx(frame), before: None, after: Some(mark) },
    ];
    let edit = Edit { name: "paint".to_owned(), changes };
    store.record(&edit);
    store.note_history(HistoryChange::Push { edit, is_follow_up: false });
    store.finish(Durability::Durable);
    id
}

/// The frames that have a mask, each checked to be the right one.
fn frames(store: &ProjectStore, snapshot: &Snapshot) -> Vec<u32> {
    let check = |(_, frame, mark): &(ObjectId, FrameIdx, FrameMark)| {
        assert_eq!(store.get(mark.mask), Ok(mask(frame.0)), "frame {frame}");
        frame.0
    };
    snapshot.marks.iter().map(check).collect()
}

/// Does something to the writing connection, and waits until it is done.
fn on_connection(store: &ProjectStore, act: impl FnOnce(&mut rusqlite::Connection) + Send + 'static) {
    let (done, wait) = crossbeam_channel::bounded(1);
    let act = Box::new(move |connection: &mut rusqlite::Connection| {
        act(connection);
        done.send(()).expect("the test waits");
    });
    store.handle.control.send(Control::Run(act)).expect("the thread runs");
    wait.recv().expect("the thread answers");
}

/// Opening must be refused; gives the refusal.
fn refusal(opened: Result<super::open::Opened, StoreError>) -> StoreError {
    opened.map(|(store, ..)| store.path().to_owned()).expect_err("it must be refused")
}
