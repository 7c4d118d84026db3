//! Damaged project files: never a panic, never a wrong mask, the original as it was, and the rest recovered.

mod store_support;

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

use label_hub::label::{Change, Edit, FrameIdx, FrameMark, ObjectId};
use label_hub::store::{
    Durability, HistoryChange, LabelStore, OpenNotice, ProjectCopy, ProjectStore, Snapshot, StoreError,
};
use store_support::{Both, FRAMES, Model, check, clip, file_names, mark, open, options};

const OBJECTS: u32 = 60;
const PAGE: usize = 4096;

fn folder() -> tempfile::TempDir {
    tempfile::tempdir().expect("a temporary folder")
}

/// A closed project of some fifty pages, and what is in it.
fn project(path: &Path) -> Model {
    let mut both = Both::new(path);
    both.note_session("{\"playhead\":7}");
    for object in 1..=OBJECTS {
        both.click(object, object % FRAMES, object);
    }
    for frame in 0..FRAMES {
        let changes: Vec<Change> = (1..=OBJECTS)
            .map(|object| {
                let seed = object * 31 + frame;
                let id = both.put(seed);
                let (object, frame) = (ObjectId(object), FrameIdx(frame));
                let before = both.model.marks.get(&(object, frame)).copied();
                Change::Mark { object, frame, before, after: Some(mark(id, seed)) }
            })
            .collect();
        both.record(&Edit { name: "track".to_owned(), changes: changes.clone() });
        both.note_history(HistoryChange::Extend { below: 0, changes });
        both.store.finish(Durability::Batched);
    }
    both.store.close().expect("a writable folder");
    both.model
}

/// What came of opening a damaged file.
enum Outcome {
    /// Everything that is there is right: where each mark's mask is, and what was said to be lost.
    Opened {
        right: usize,
        lost: Option<Vec<String>>,
    },
    Refused(StoreError),
}

/// Opens `bytes` as a project in a folder of their own and checks what must hold whatever the damage.
fn open_damaged(name: &str, bytes: &[u8], model: &Model) -> Outcome {
    let folder = folder();
    let path = folder.path().join("clip.mp4.labelhub");
    fs::write(&path, bytes).expect("writable");
    let outcome = match open(&path) {
        Err(error) => Outcome::Refused(error),
        Ok((store, snapshot, notices)) => {
            let lost = notices.iter().find_map(|notice| match notice {
                OpenNotice::Recovered { lost, .. } => Some(lost.clone()),
                _ => None,
            });
            if lost.is_some() {
                assert!(store.path().ends_with("clip.mp4.recovered-1.labelhub"), "{name}");
            }
            let right = right_masks(name, &store, &snapshot, model);
            assert!(lost.is_none() || right == snapshot.marks.len(), "{name}: what was recovered is whole");
            drop(store);
            Outcome::Opened { right, lost }
        }
    };
    let is_left_alone = match &outcome {
        // Nothing was noticed: it is an open project like any other.
        Outcome::Opened { lost: None, .. } => true,
        Outcome::Opened { .. } | Outcome::Refused(_) => fs::read(&path).expect("still there") == bytes,
    };
    assert!(is_left_alone, "{name}: the damaged file was changed");
    let expected: &[&str] = match &outcome {
        Outcome::Opened { lost: Some(_), .. } => &["clip.mp4.labelhub", "clip.mp4.recovered-1.labelhub"],
        Outcome::Opened { lost: None, .. } | Outcome::Refused(_) => &["clip.mp4.labelhub"],
    };
    assert_eq!(file_names(folder.path()), expected, "{name}");
    outcome
}

/// Counts the marks whose mask comes out right; one that comes out must be right.
fn right_masks(name: &str, store: &ProjectStore, snapshot: &Snapshot, model: &Model) -> usize {
    let by_id: HashMap<_, _> = model.masks.iter().collect();
    let is_right = |(_, _, mark): &&(ObjectId, FrameIdx, FrameMark)| match store.get(mark.mask) {
        Ok(found) => {
            assert_eq!(by_id.get(&mark.mask), Some(&&found), "{name}: a mask came out wrong");
            true
        }
        Err(StoreError::Damaged { .. } | StoreError::Unknown(_) | StoreError::Read { .. }) => false,
        Err(other) => panic!("{name}: {other}"),
    };
    snapshot.marks.iter().filter(is_right).count()
}

#[test]
fn a_page_of_nonsense_costs_about_what_lay_on_it() {
    let folder = folder();
    let path = folder.path().join("whole.labelhub");
    let model = project(&path);
    let whole = fs::read(&path).expect("the project");
    let (pages, total) = (whole.len() / PAGE, model.marks.len());
    assert!(pages > 40, "{pages} pages");
    let (mut noticed, mut refused, mut least) = (0, Vec::new(), total);
    for page in 0..pages {
        for (kind, fill) in [("zeros", None), ("noise", Some(page as u32))] {
            let mut bytes = whole.clone();
            let range = page * PAGE..(page + 1) * PAGE;
            match fill {
                None => bytes[range].fill(0),
                Some(seed) => bytes[range].iter_mut().zip(0_u32..).for_each(|(byte, n)| {
                    *byte = ((n ^ seed).wrapping_mul(2_654_435_761) >> 11) as u8;
                }),
            }
            let name = format!("page {} of {pages}, {kind}", page + 1);
            match open_damaged(&name, &bytes, &model) {
                Outcome::Refused(error) => refused.push(format!("{name}: {error}")),
                Outcome::Opened { right, lost } => {
                    noticed += usize::from(lost.is_some());
                    assert!(lost.is_none_or(|lost| right == total || !lost.is_empty()), "{name}: losses are told");
                    least = least.min(right);
                }
            }
        }
    }
    println!("{pages} pages, {noticed} of {} damages recovered, at least {least} of {total} masks right", pages * 2);
    println!("refused: {refused:#?}");
    assert!(refused.is_empty(), "{refused:#?}");
    // Pages that are in no table's tree hold nothing that could be noticed.
    assert!(noticed > pages, "{noticed}");
    // Also when the page is one that leads to many others.
    assert!(least * 10 > total * 9, "{least} of {total}");
}

#[test]
fn a_cut_file_gives_back_what_is_left() {
    let folder = folder();
    let path = folder.path().join("whole.labelhub");
    let model = project(&path);
    let whole = fs::read(&path).expect("the project");
    let mut ends: Vec<usize> = vec![1, 15, 16, 50, 99, 100, 512, PAGE - 1, PAGE, PAGE + 1];
    ends.extend((1..20).map(|n| whole.len() * n / 20 + n * 37));
    ends.extend([whole.len() - PAGE, whole.len() - 1]);
    let mut told = Vec::new();
    for end in ends {
        let name = format!("cut at {end} of {}", whole.len());
        match open_damaged(&name, &whole[..end], &model) {
            Outcome::Refused(error) => {
                assert!(end < whole.len() / 10, "{name}: {error}");
                let is_explained = matches!(error, StoreError::Unrecoverable { .. } | StoreError::Foreign { .. });
                assert!(is_explained, "{name}: {error}");
            }
            Outcome::Opened { right, lost } => {
                assert!(lost.is_some(), "{name}: noticed");
                told.push((end * 100 / whole.len(), right * 100 / model.marks.len()));
            }
        }
    }
    println!("percent of the file, percent of the masks: {told:?}");
    assert!(told.iter().any(|(_, right)| *right > 90), "{told:?}");
}

#[test]
fn a_flipped_bit_is_found_or_harmless() {
    let folder = folder();
    let path = folder.path().join("whole.labelhub");
    let model = project(&path);
    let whole = fs::read(&path).expect("the project");
    let (mut noticed, mut count, mut refused) = (0, 0, Vec::new());
    // Every byte of the head, then some all over.
    let places = (0..120).chain((120..whole.len()).step_by(1009));
    for at in places {
        let mut bytes = whole.clone();
        bytes[at] ^= 1 << (at % 8);
        count += 1;
        match open_damaged(&format!("byte {at}"), &bytes, &model) {
            Outcome::Refused(error) => refused.push(format!("byte {at}: {error}")),
            Outcome::Opened { lost, .. } => noticed += usize::from(lost.is_some()),
        }
    }
    println!("{count} flips, {noticed} recovered from, refused: {refused:#?}");
    assert!(refused.is_empty(), "{refused:#?}");
}

#[test]
fn damage_in_the_log_costs_the_last_units_at_most() {
    let folder = folder();
    let path = folder.path().join("p.labelhub");
    let mut both = Both::new(&path);
    for n in 0..40 {
        both.click(1 + n % 5, n % FRAMES, n);
        both.note_session(&n.to_string());
    }
    both.store.handle().flush().expect("a writable folder");
    let (database, log) =
        (fs::read(&path).expect("open"), fs::read(folder.path().join("p.labelhub-wal")).expect("open"));
    for n in 0..40 {
        let other = folder.path().join(format!("{n}"));
        fs::create_dir(&other).expect("a new folder");
        let path = other.join("p.labelhub");
        fs::write(&path, &database).expect("writable");
        let mut bytes = log.clone();
        let at = log.len() * n / 40 + n;
        if n.is_multiple_of(2) {
            bytes.truncate(at)
        } else {
            bytes[at] ^= 0x40
        }
        fs::write(other.join("p.labelhub-wal"), bytes).expect("writable");
        let (store, snapshot, notices) = open(&path).unwrap_or_else(|error| panic!("log damaged at {at}: {error}"));
        assert_eq!(notices, [], "log damaged at {at}: whole units up to there");
        assert_eq!(right_masks("log", &store, &snapshot, &both.model), snapshot.marks.len());
        assert_eq!(
            snapshot.done.len(),
            snapshot.session.map_or(0, |n| n.parse::<usize>().expect("a number") + 2).max(snapshot.done.len().min(1))
        );
    }
}

#[test]
fn work_goes_on_in_the_recovered_project_and_it_is_found_again() {
    let folder = folder();
    let path = folder.path().join("clip.mp4.labelhub");
    let whole = project(&path);
    let damaged = spoil(&path);
    let first = open_with_model(&path, &whole);
    let recovered = folder.path().canonicalize().expect("there").join("clip.mp4.recovered-1.labelhub");
    assert_eq!(first.store.path(), recovered);
    let mut both = first;
    both.click(1, 1, 555);
    both.store.close().expect("a writable folder");
    let model = both.model;
    drop(both.store);

    // The next day: the clip's own project is still damaged, the work is in the other.
    let (store, snapshot, notices) = open(&path).expect("recovered before");
    let real: PathBuf = path.canonicalize().expect("there");
    assert_eq!(notices, [OpenNotice::OpenedRecovered { damaged: real, recovered: recovered.clone() }]);
    assert_eq!((snapshot.marks, store.path()), (model.snapshot().marks, recovered.as_path()));
    drop(store);

    // That one gets damaged as well.
    let damaged_again = spoil(&recovered);
    let both = open_with_model(&path, &model);
    assert!(both.store.path().ends_with("clip.mp4.recovered-2.labelhub"));
    drop(both);
    assert_eq!(fs::read(&path).expect("still there"), damaged);
    assert_eq!(fs::read(&recovered).expect("still there"), damaged_again);

    // A backup put in the damaged one's place is a project like any other.
    let backup = folder.path().join("backup.labelhub");
    let model = project(&backup);
    fs::rename(&backup, &path).expect("by hand");
    drop(check(&path, &model));
}

/// Spoils a page in the middle; gives what the file is then.
fn spoil(path: &Path) -> Vec<u8> {
    let mut bytes = fs::read(path).expect("a project");
    let middle = bytes.len() / PAGE / 2 * PAGE;
    bytes[middle..middle + PAGE].fill(0xEE);
    fs::write(path, &bytes).expect("writable");
    bytes
}

#[test]
fn a_project_put_back_worked_on_and_damaged_again_is_recovered_anew() {
    let folder = folder();
    let path = folder.path().join("clip.mp4.labelhub");
    let model = project(&path);
    let good = fs::read(&path).expect("a project");
    let first_damage = spoil(&path);
    drop(open_with_model(&path, &model));
    let recovered = |number: u32| {
        let name = format!("clip.mp4.recovered-{number}.labelhub");
        folder.path().canonicalize().expect("it is there").join(name)
    };
    let first = fs::read(recovered(1)).expect("it was recovered");

    fs::write(&path, &good).expect("put back");
    let mut both = check(&path, &model);
    for n in 0..20 {
        both.click(100 + n, n, 900 + n);
    }
    both.store.close().expect("a writable folder");
    let model = both.model;
    drop(both.store);
    let second_damage = spoil(&path);
    let both = open_with_model(&path, &model);
    assert_eq!(both.store.path(), recovered(2));
    assert!(both.model.objects.len() > OBJECTS as usize, "with the work since: {}", both.model.objects.len());
    drop(both);
    assert_eq!((fs::read(&path).ok(), fs::read(recovered(1)).ok()), (Some(second_damage.clone()), Some(first)));

    // Each damage has its own, under whatever date the file comes back.
    for (damage, number) in [(&first_damage, 1), (&second_damage, 2)] {
        fs::write(&path, damage).expect("put back");
        let (store, _, notices) = open(&path).expect("recovered before");
        let damaged = path.canonicalize().expect("it is there");
        assert_eq!(notices, [OpenNotice::OpenedRecovered { damaged, recovered: recovered(number) }]);
        drop(store);
    }
}

#[test]
fn work_in_an_earlier_recovery_is_named_when_the_damage_has_become_another() {
    let folder = folder();
    let path = folder.path().canonicalize().expect("it is there").join("clip.mp4.labelhub");
    let model = project(&path);
    spoil(&path);
    let mut both = open_with_model(&path, &model);
    both.click(100, 1, 555);
    both.store.close().expect("a writable folder");
    let earlier = both.store.path().to_owned();
    drop(both.store);
    let mut bytes = fs::read(&path).expect("a project");
    let middle = bytes.len() / PAGE / 2 * PAGE;
    bytes[middle] ^= 1;
    fs::write(&path, bytes).expect("writable");

    let refused = ProjectCopy::take(&path).expect("readable").open(&clip(), &options()).map(drop);
    let text = refused.expect_err("nothing fits").to_string();
    assert!(
        text.contains(&format!("work that went on after an earlier recovery is in {}", earlier.display())),
        "{text}"
    );
    let (store, _, notices) = open(&path).expect("recovered anew");
    let [notice @ OpenNotice::Recovered { passed_over: Some(told), .. }] = &notices[..] else { panic!("{notices:?}") };
    assert_eq!((told, notice.to_string().contains(told.to_str().expect("a plain path"))), (&earlier, true));
    drop(store);
    // Of what cannot be recovered at all it is said too.
    fs::write(&path, vec![0; 8 * PAGE]).expect("writable");
    let error = open(&path).map(drop).expect_err("nothing in it");
    let newest = path.with_file_name("clip.mp4.recovered-2.labelhub");
    assert!(matches!(&error, StoreError::Unrecoverable { passed_over: Some(told), .. } if *told == newest), "{error}");
}

#[test]
fn what_was_recovered_is_opened_when_the_project_is_gone() {
    let folder = folder();
    let path = folder.path().canonicalize().expect("it is there").join("clip.mp4.labelhub");
    let model = project(&path);
    spoil(&path);
    let mut both = open_with_model(&path, &model);
    both.click(1, 1, 555);
    both.store.close().expect("a writable folder");
    let (model, recovered) = (both.model, both.store.path().to_owned());
    drop(both.store);
    fs::remove_file(&path).expect("by hand");
    let told = [OpenNotice::OpenedInPlaceOf { gone: path.clone(), recovered: recovered.clone() }];
    let (store, snapshot, notices) = open(&path).expect("recovered before");
    assert_eq!((snapshot.marks, notices.as_slice()), (model.snapshot().marks, &told[..]));
    drop(store);
    let copy = ProjectCopy::take(&path).expect("recovered before");
    let (copied, snapshot, notices) = copy.open(&clip(), &options()).expect("recovered before");
    assert_eq!((snapshot.marks, notices.as_slice()), (model.snapshot().marks, &told[..]));
    drop(copied);
    assert_eq!(file_names(folder.path()), ["clip.mp4.recovered-1.labelhub"], "nothing new was made");

    // That one gets damaged as well.
    spoil(&recovered);
    let both = open_with_model(&path, &model);
    assert!(both.store.path().ends_with("clip.mp4.recovered-2.labelhub"));
}

#[test]
fn what_is_only_in_the_log_is_recovered_from_pages_that_cannot_be_reached_too() {
    let folder = folder();
    let path = folder.path().join("clip.mp4.labelhub");
    let model = project(&path);
    let mut both = check(&path, &model);
    // The same size as before, so that only the leaf changes.
    let key = (ObjectId(OBJECTS / 2), FrameIdx(FRAMES / 2));
    let before = both.model.marks[&key];
    let after = FrameMark { object_score: 77.5, ..before };
    both.act("change", vec![Change::Mark { object: key.0, frame: key.1, before: Some(before), after: Some(after) }]);
    both.store.handle().flush().expect("a writable folder");
    let place = folder.path().join("after a crash");
    fs::create_dir(&place).expect("a new folder");
    let copy = place.join("clip.mp4.labelhub");
    fs::copy(folder.path().join("clip.mp4.labelhub-wal"), place.join("clip.mp4.labelhub-wal")).expect("copied");
    let mut bytes = fs::read(&path).expect("a project");
    drop(both);
    let connection = rusqlite::Connection::open(&path).expect("a project");
    let sql = "SELECT rootpage FROM sqlite_schema WHERE name = 'mark'";
    let root = connection.query_row(sql, [], |row| row.get::<_, u32>(0)).expect("the table is there") as usize;
    bytes[(root - 1) * PAGE..root * PAGE].fill(0xEE);
    fs::write(&copy, bytes).expect("writable");
    let (_store, snapshot, notices) = open(&copy).expect("most of it can be read");
    assert!(matches!(&notices[..], [OpenNotice::Recovered { .. }]), "{notices:?}");
    let mark = snapshot.marks.iter().find(|(object, frame, _)| (*object, *frame) == key).map(|(.., mark)| *mark);
    assert_eq!(mark, Some(after));
}

/// Opens a damaged project; the model becomes what was recovered.
fn open_with_model(path: &Path, before: &Model) -> Both {
    let (store, snapshot, notices) = open(path).unwrap_or_else(|error| panic!("{error}"));
    assert!(matches!(&notices[..], [OpenNotice::Recovered { .. }]), "{notices:?}");
    assert!(snapshot.marks.len() * 2 > before.marks.len(), "{} of {}", snapshot.marks.len(), before.marks.len());
    let mut model = Model {
        objects: snapshot.objects.into_iter().collect(),
        prompts: snapshot.prompts.into_iter().map(|(o, f, prompt)| ((o, f), prompt)).collect(),
        marks: snapshot.marks.into_iter().map(|(o, f, mark)| ((o, f), mark)).collect(),
        in_out: snapshot.in_out,
        classes: snapshot.classes.to_vec(),
        done: snapshot.done,
        undone: snapshot.undone,
        last_revision: snapshot.last_revision,
        session: snapshot.session,
        ..Model::default()
    };
    model.masks =
        before.masks.iter().filter(|(id, _)| model.used().contains(id)).map(|(i, m)| (*i, m.clone())).collect();
    Both { store, model }
}
