//! What of a project is in its file, without the log beside it.

use std::time::{Duration, Instant};

use super::*;
use crate::store::project::schema;

/// Longer than the store waits before it folds the log in; reaching it is a failure.
const TOO_LONG: Duration = Duration::from_secs(60);

/// Steps in the database as it lies there; an error while the log is just being folded in.
fn steps_without_log(path: &Path) -> rusqlite::Result<i64> {
    let connection = schema::open_unlocked(path)?;
    connection.query_row("SELECT count(*) FROM step", [], |row| row.get(0))
}

#[test]
fn after_a_silence_the_file_alone_holds_everything() {
    let folder = folder();
    let path = folder.path().join("p.labelhub");
    let (mut store, ..) = open_plainly(&path);
    for frame in 0..12 {
        click(&mut store, frame);
    }
    store.handle().flush().expect("a writable folder");
    let since = Instant::now();
    while steps_without_log(&path) != Ok(12) {
        assert!(since.elapsed() < TOO_LONG, "in the file are {:?}", steps_without_log(&path));
        std::thread::yield_now();
    }
    // Between two commands nothing is being folded in. As after a crash, and whoever copies it forgets the log.
    let copy = folder.path().join("copy.labelhub");
    let (from, to) = (path.clone(), copy.clone());
    on_connection(&store, move |_| {
        std::fs::copy(from, to).expect("a writable folder");
    });
    let (copied, snapshot, notices) = open_plainly(&copy);
    assert_eq!((frames(&copied, &snapshot), notices), ((0..12).collect(), Vec::new()));
    // Work goes on as before.
    click(&mut store, 12);
    store.close().expect("a writable folder");
    let (store, snapshot, _) = open_plainly(&path);
    assert_eq!(frames(&store, &snapshot), (0..13).collect::<Vec<_>>());
}

#[test]
fn what_a_reader_keeps_out_of_the_file_goes_in_after_it() {
    let folder = folder();
    let path = folder.path().join("p.labelhub");
    let (mut store, ..) = open_plainly(&path);
    click(&mut store, 0);
    store.handle().flush().expect("a writable folder");
    let reader = schema::open_reader(&path).expect("a project");
    reader.execute_batch("BEGIN; SELECT count(*) FROM step").expect("it is read");
    click(&mut store, 1);
    store.handle().flush().expect("a reader keeps nobody from writing");
    let fold = |expected| {
        on_connection(&store, move |connection| assert_eq!(schema::checkpoint(connection), Ok(expected)));
    };
    fold(false);
    reader.execute_batch("COMMIT").expect("it is done");
    fold(true);
    assert_eq!(steps_without_log(&path), Ok(2));
}
