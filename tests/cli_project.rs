//! `export` and `import` on project files, and how commands find and open them. Clips are folders of pictures, so this
//! needs neither ffmpeg nor a window.

mod cli_support;
mod engine_support;

use std::fs;
use std::io::{self, Write};
use std::path::Path;
use std::sync::Arc;

use clap::Parser;
use cli_support::{Seed, act, begin, classes, disc, expect, fox, json_lines, look, of_kind, shown};
use engine_support::DiscClip;
use label_hub::cli::exit::{CliError, Exit};
use label_hub::cli::export::{ExportArgs, run_with};
use label_hub::cli::signals::StopFlag;
use label_hub::cli::track::Surroundings;
use label_hub::cli::window::{WindowArgs, run as run_window};
use label_hub::label::{Change, FrameIdx, FrameMark, Mask, ObjectFacts, ObjectId};
use label_hub::store::{LabelStore, OnOtherClip, OpenOptions, ProjectStore};
use serde_json::Value;

fn home() -> tempfile::TempDir {
    tempfile::tempdir().expect("a temporary folder")
}

fn car() -> Seed {
    Seed { id: 4, name: "car \u{1F697}", class: Some("vehicle"), is_locked: false, clicked: &[] }
}

/// A bar of a clip's frame that the disc never reaches.
fn bar(clip: &DiscClip, frame: u32) -> Mask {
    let width = clip.size.width as usize;
    Mask::from_fn(clip.size, |i| i / width < 6 && i % width >= frame as usize && i % width < 30)
}

/// A project with the disc tracked as `fox`, and a bar painted as `car` on two frames, one of them approved.
fn labelled() -> (DiscClip, tempfile::TempDir) {
    let (clip, home) = (disc(), home());
    begin(&clip, &[fox(&[4]), car()]);
    expect(home.path(), 0, &["track", "--project", shown(clip.path()), "--model", "fake"]);
    act(&clip, |store, _| {
        let mark = |frame: u32, is_approved: bool, store: &mut ProjectStore| {
            let mask = bar(&clip, frame);
            let after = FrameMark { is_approved, ..FrameMark::painted(store.put(&mask), &mask, 90) };
            Change::Mark { object: ObjectId(4), frame: FrameIdx(frame), before: None, after: Some(after) }
        };
        vec![mark(2, true, store), mark(3, false, store)]
    });
    (clip, home)
}

#[test]
fn exported_labels_come_back_in_another_project() {
    let (clip, home) = labelled();
    let before = look(clip.path());
    for format in ["npy", "png", "coco", "davis"] {
        let out = home.path().join(format);
        let (stdout, _) =
            expect(home.path(), 0, &["export", shown(clip.path()), "--format", format, "--out", shown(&out)]);
        assert!(stdout.contains("14 masks") && stdout.contains("worst IoU 1.0000"), "{format}: {stdout}");
        assert!(stdout.starts_with(shown(&out)), "{format}: says where it is: {stdout}");

        // The same pictures elsewhere, with an object of their own already.
        let other = disc();
        begin(&other, &[Seed { id: 7, name: "mine", class: None, is_locked: false, clicked: &[0] }]);
        let (stdout, _) = expect(home.path(), 0, &["import", shown(&other.project()), shown(&out), "--json"]);
        let lines = json_lines(&stdout);
        let done = of_kind(&lines, "done")[0];
        assert_eq!((&done["format"], &done["failed"]), (&format.into(), &0.into()));
        let after = look(other.path());
        assert_eq!(after.objects[&7].name, "mine", "what was there stays");
        // Not every format keeps their order.
        let of_class = |class: &str| {
            let found = after.objects.iter().find(|(_, facts)| facts.class.as_deref() == Some(class));
            *found.unwrap_or_else(|| panic!("{format}: no {class} in {:?}", after.objects)).0
        };
        for (from, class) in [(1, "animal"), (4, "vehicle")] {
            let to = of_class(class);
            assert!(to == 8 || to == 9, "{format}: above what is taken");
            for frame in before.frames(from) {
                assert_eq!(after.masks[&(to, frame)], before.masks[&(from, frame)], "{format}, {from}, {frame}");
            }
        }
        assert_eq!(after.steps(), ["labels".to_owned(), format!("import {format}")]);
        let mut classes = after.classes.clone();
        classes.sort();
        assert_eq!(classes, ["animal", "vehicle"], "{format}: to choose from now");
    }
    assert_eq!(look(clip.path()), before, "an export changes nothing");
}

#[test]
fn a_clip_without_a_project_gets_one_by_an_import_and_only_by_that() {
    let (clip, home) = labelled();
    let out = home.path().join("out");
    expect(home.path(), 0, &["export", shown(clip.path()), "--format", "npy", "--out", shown(&out)]);
    let other = disc();
    let refused = |args: &[&str]| {
        let (_, stderr) = expect(home.path(), 5, args);
        assert!(stderr.contains("has no project yet"), "{stderr}");
        assert!(!other.project().exists());
    };
    refused(&["export", shown(other.path()), "--format", "npy", "--out", shown(&home.path().join("none"))]);
    refused(&["track", "--project", shown(other.path()), "--model", "fake"]);
    let empty = home.path().join("empty");
    fs::create_dir(&empty).expect("writable");
    expect(home.path(), 5, &["import", shown(other.path()), shown(&empty)]);
    assert!(!other.project().exists(), "nothing came of it");
    expect(home.path(), 0, &["import", shown(other.path()), shown(&out)]);
    assert_eq!(look(other.path()).objects.len(), 2);
}

#[test]
fn what_cannot_be_imported_is_listed_and_the_rest_is_there() {
    let (clip, home) = labelled();
    let out = home.path().join("out");
    expect(home.path(), 0, &["export", shown(clip.path()), "--format", "npy", "--out", shown(&out)]);
    fs::write(out.join("5_1.npy"), b"no array").expect("writable");
    fs::write(out.join("notes.npy"), b"x").expect("writable");
    let other = disc();
    let (_, stderr) = expect(home.path(), 1, &["import", shown(other.path()), shown(&out)]);
    assert!(stderr.contains("5_1.npy") && stderr.contains("notes.npy"), "{stderr}");
    let frames = look(other.path()).frames(1);
    assert_eq!(frames, [0, 1, 2, 3, 4, 6, 7, 8, 9, 10, 11]);
}

/// The names of a COCO file's categories by id, and the category of each annotation.
fn categories(file: &Path) -> (Vec<(u64, String)>, Vec<u64>) {
    let json: Value = serde_json::from_slice(&fs::read(file).expect("the export made it")).expect("JSON");
    let number = |value: &Value| value.as_u64().expect("a number");
    let categories = json["categories"].as_array().expect("a list").iter();
    let named = categories.map(|c| (number(&c["id"]), c["name"].as_str().expect("a name").to_owned())).collect();
    let annotations = json["annotations"].as_array().expect("a list").iter();
    let mut used: Vec<u64> = annotations.map(|a| number(&a["category_id"])).collect();
    used.dedup();
    (named, used)
}

#[test]
fn several_projects_become_one_dataset_with_one_list_of_classes() {
    let home = home();
    let (first, second) = (disc(), DiscClip::new(64, 48, 5, false));
    for (clip, name, class, list) in [(&first, "rex", "dog", ["wolf", "dog"]), (&second, "tom", "cat", ["dog", "cat"])]
    {
        begin(clip, &[Seed { id: 1, name, class: Some(class), is_locked: false, clicked: &[0] }]);
        act(clip, |_, _| vec![Change::Classes { before: classes(&[]), after: classes(&list) }]);
        expect(home.path(), 0, &["track", "--project", shown(clip.path()), "--model", "fake"]);
    }
    let (first, second) = (first.project(), second.path().to_owned());
    let out = home.path().join("coco");
    let export = |code: i32, flags: &[&str]| {
        let fixed = ["export", shown(&first), "--val", shown(&second), "--format", "coco", "--out", shown(&out)];
        expect(home.path(), code, &[&fixed[..], flags].concat())
    };
    let (stdout, _) = export(0, &["--json", "--images", "jpg"]);
    let lines = json_lines(&stdout);
    let splits: Vec<&Value> = of_kind(&lines, "start")[0]["clips"].as_array().expect("clips").iter().collect();
    assert_eq!((&splits[0]["split"], &splits[1]["split"]), (&"train".into(), &"val".into()));
    let done = of_kind(&lines, "done")[0];
    assert_eq!((&done["clips"], &done["frames"], &done["images"]), (&2.into(), &17.into(), &17.into()));
    assert_eq!((&done["check"]["min_iou"], &done["check"]["masks"]), (&1.0.into(), &done["masks"]));
    let named = |names: [&str; 3]| (1..).zip(names.map(str::to_owned)).collect::<Vec<_>>();
    let file = |part: &str| out.join(format!("annotations/instances_{part}.json"));
    assert_eq!(categories(&file("train")), (named(["wolf", "dog", "cat"]), vec![2]));
    assert_eq!(categories(&file("val")), (named(["wolf", "dog", "cat"]), vec![3]));

    let (_, stderr) = export(2, &[]);
    assert!(stderr.contains("--overwrite"), "{stderr}");
    let list = home.path().join("classes.txt");
    fs::write(&list, "cat\nbird\ndog\n").expect("writable");
    export(0, &["--overwrite", "--classes", shown(&list)]);
    assert_eq!(categories(&file("train")), (named(["cat", "bird", "dog"]), vec![3]));
    fs::write(&list, "cat\n").expect("writable");
    let (_, stderr) = export(2, &["--overwrite", "--classes", shown(&list)]);
    assert!(stderr.contains("\"dog\""), "{stderr}");
    let (_, stderr) = export(2, &["--test", shown(&first.with_extension("")), "--overwrite"]);
    assert!(stderr.contains("named twice"), "{stderr}");
}

#[test]
fn stale_masks_are_told_with_an_export() {
    let (clip, home) = labelled();
    act(&clip, |_, snapshot| {
        let (id, facts) = snapshot.objects[0].clone();
        let after = ObjectFacts { revision: snapshot.last_revision + 1, ..facts.clone() };
        vec![Change::Object { id, before: Some(facts), after: Some(after) }]
    });
    let out = home.path().join("out");
    let export = |flags: &[&str]| {
        let fixed = ["export", shown(clip.path()), "--format", "npy", "--out", shown(&out), "--overwrite"];
        expect(home.path(), 0, &[&fixed[..], flags].concat())
    };
    let (_, stderr) = export(&[]);
    assert!(stderr.contains("exported masks are stale"), "{stderr}");
    let (stdout, _) = export(&["--json"]);
    let stale = of_kind(&json_lines(&stdout), "done")[0]["stale"].as_u64().expect("a count");
    assert!(stale > 1 && stderr.contains(&format!("{stale} exported masks")), "{stale}: {stderr}");
    // The car is painted.
    let (stdout, stderr) = export(&["--json", "--objects", "4"]);
    assert_eq!(of_kind(&json_lines(&stdout), "done")[0]["stale"], 0);
    assert!(!stderr.contains("stale"), "{stderr}");
}

#[test]
fn frames_and_objects_can_be_chosen() {
    let (clip, home) = labelled();
    let cases: [(&str, &[&str]); 6] = [
        // The car was painted on two frames; on the others nobody has said where it is.
        ("0_1 4_1 8_1", &["--every", "4"]),
        ("2_1 2_4 3_1 3_4", &["--range", "2..3"]),
        ("2_4 3_4", &["--objects", "4", "--frames", "masks"]),
        ("2_4", &["--objects", "4", "--frames", "approved"]),
        ("10_1 11_1", &["--objects", "1", "--range", "10..11"]),
        ("3_1 3_4", &["--objects", "1,4", "--range", "3..3"]),
    ];
    for (n, (expected, flags)) in cases.into_iter().enumerate() {
        let out = home.path().join(n.to_string());
        let fixed = ["export", shown(clip.path()), "--format", "npy", "--out", shown(&out)];
        expect(home.path(), 0, &[&fixed[..], flags].concat());
        let mut expected: Vec<String> = expected.split(' ').map(|name| format!("{name}.npy")).collect();
        expected.push("labelhub.json".to_owned());
        expected.sort();
        let mut found: Vec<String> = fs::read_dir(&out)
            .expect("the export made it")
            .map(|entry| entry.expect("readable").file_name().to_string_lossy().into_owned())
            .filter(|name| name != "labelhub-names.json")
            .collect();
        found.sort();
        assert_eq!(found, expected, "{flags:?}");
    }
}

#[test]
fn wrong_usage_ends_with_2_and_says_what_to_write() {
    let (clip, home) = labelled();
    let (project, out) = (clip.project(), home.path().join("out"));
    let export = ["export", shown(&project), "--format", "npy", "--out", shown(&out)];
    let track = ["track", "--project", shown(&project), "--model", "fake"];
    let cases: [(&[&str], &[&str], &str); 15] = [
        (&["export", shown(&project), "--format", "npy"], &[], "--out DIR"),
        (&["export", "--format", "npy", "--out", "out"], &[], "name a project"),
        (&export[..2], &["--format", "cocoa"], "labelstudio"),
        (&export, &["--objects", "1,3"], "no object 3; there are 1 (fox), 4 (car"),
        (&export, &["--range", "5..12"], "last frame, 11"),
        (&export, &["--range", "5..4"], "runs backwards"),
        (&export, &["--every", "0"], "1.."),
        (&export, &["--objects", "4", "--range", "8..9", "--frames", "masks"], "no frame meets"),
        (&export, &["--overlay", "matte"], "only --format overlay"),
        (&["export", shown(&project), "--format", "overlay", "--out", "out"], &["--images", "png"], "--images"),
        (&track[..3], &[], "--model"),
        (&track, &["--point", "0:1:2,2"], "cannot be used with"),
        (&track, &["--objects", "2"], "no object 2"),
        (&track, &["--objects", "4"], "nothing to track"),
        (&["track", "clip.mp4", "--model", "fake"], &["--objects", "4"], "--project"),
    ];
    for (args, flags, part) in cases {
        let (_, stderr) = expect(home.path(), 2, &[args, flags].concat());
        assert!(stderr.contains(part), "{args:?} {flags:?}: {part} is not in: {stderr}");
    }
    assert!(!out.exists());
}

#[test]
fn formats_are_listed() {
    let home = home();
    let (list, _) = expect(home.path(), 0, &["export", "--format", "list"]);
    let (help, _) = expect(home.path(), 0, &["export", "--help"]);
    for id in label_hub::formats::FormatId::ALL {
        assert!(list.contains(id.description()), "{id}: {list}");
        assert!(help.contains(id.description()), "{id}: {help}");
    }
    assert!(list.contains("mask tracks) (export only)"), "{list}");
}

/// Opens a project in this process, as another window.
fn hold(clip: &DiscClip) -> ProjectStore {
    let options = OpenOptions { on_other_clip: OnOtherClip::Refuse, data_folder: None, waker: Arc::new(|| {}) };
    ProjectStore::open(&clip.project(), &clip.open().record(), options).expect("a project").0
}

#[test]
fn a_project_that_is_open_elsewhere_is_exported_and_nothing_else() {
    let (clip, home) = labelled();
    let mut held = hold(&clip);
    // Saved but not folded into the main file yet.
    let mask = bar(&clip, 9);
    let after = FrameMark::painted(held.put(&mask), &mask, 99);
    let change = Change::Mark { object: ObjectId(4), frame: FrameIdx(9), before: None, after: Some(after) };
    held.record(&label_hub::label::Edit { name: "paint".to_owned(), changes: vec![change] });
    held.finish(label_hub::store::Durability::Durable);
    held.handle().flush().expect("writable");

    let out = home.path().join("out");
    let (stdout, _) = expect(home.path(), 0, &["export", shown(clip.path()), "--format", "npy", "--out", shown(&out)]);
    assert!(stdout.contains("15 masks"), "the newest is among them: {stdout}");
    for args in [
        &["import", shown(clip.path()), shown(&out)][..],
        &["track", "--project", shown(&clip.project()), "--model", "fake"],
    ] {
        let (_, stderr) = expect(home.path(), 5, args);
        assert!(stderr.contains("is open in another window"), "{stderr}");
        assert!(stderr.contains(&std::process::id().to_string()), "{stderr}");
    }
    held.close().expect("writable");
    let beside = fs::read_dir(clip.path().parent().expect("a folder")).expect("readable");
    let mut names: Vec<_> = beside.map(|entry| entry.expect("readable").file_name()).collect();
    names.sort();
    assert_eq!(names, ["disc", "disc.labelhub"], "closing leaves one file, as ever");
}

#[test]
fn a_project_is_found_with_its_clip_wherever_both_are() {
    let (clip, home) = labelled();
    let moved = home.path().join("elsewhere.labelhub");
    fs::rename(clip.project(), &moved).expect("the same disk");
    let export =
        |project: &Path, out: &str| ["export", shown(project), "--format", "npy", "--out", out].map(str::to_owned);
    let run = |code: i32, args: [String; 6]| expect(home.path(), code, &args.each_ref().map(String::as_str));
    run(0, export(&moved, "recorded"));
    let beside = home.path().join("elsewhere");
    fs::rename(clip.path(), &beside).expect("the same disk");
    run(0, export(&moved, "beside"));
    let gone = home.path().join("gone");
    fs::rename(&beside, &gone).expect("the same disk");
    let (_, stderr) = run(5, export(&moved, "none"));
    assert!(stderr.contains("its clip is not there") && stderr.contains(shown(&beside)), "{stderr}");
    let (_, stderr) = run(5, export(&home.path().join("no.labelhub"), "none"));
    assert!(stderr.contains("no project there"), "{stderr}");
}

#[test]
fn a_project_that_is_gone_is_found_by_its_own_name_too_in_what_was_recovered_of_it() {
    let (clip, home) = labelled();
    let project = clip.project();
    let mut bytes = fs::read(&project).expect("readable");
    let last = bytes.len() - 4096;
    bytes[last..].fill(0xEE);
    fs::write(&project, bytes).expect("writable");
    drop(hold(&clip));
    fs::remove_file(&project).expect("by hand");
    for (named, out) in [(clip.path(), "by-clip"), (&project, "by-name")] {
        expect(home.path(), 0, &["export", shown(named), "--format", "npy", "--out", out]);
        assert!(home.path().join(out).join("3_1.npy").exists(), "{}", named.display());
    }
    // The window gets as far as that this build has none here.
    let open = |clip: &Path| run_window(WindowArgs { clip: Some(clip.to_owned()), ..WindowArgs::default() }, None);
    for (named, expected) in [(&project, Exit::NotInBuild), (&project.with_file_name("no.labelhub"), Exit::Usage)] {
        match open(named) {
            Err(CliError::Told { exit, message }) => assert_eq!(exit, expected, "{message}"),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn a_clip_that_was_renamed_is_told_where_its_labels_are() {
    let (clip, home) = labelled();
    let renamed = clip.path().with_file_name("film");
    fs::rename(clip.path(), &renamed).expect("the same disk");
    let export = ["export", shown(&renamed), "--format", "npy", "--out", "out"];
    for args in [&export[..], &["import", shown(&renamed), shown(home.path())]] {
        let (_, stderr) = expect(home.path(), 5, args);
        assert!(stderr.contains("has no project yet") && stderr.contains("disc.labelhub"), "{stderr}");
        assert!(stderr.contains("film.labelhub to go on with them"), "{stderr}");
    }
    let project = clip.project().with_file_name("film.labelhub");
    assert!(!project.exists(), "none was made");
    fs::rename(clip.project(), project).expect("the same disk");
    expect(home.path(), 0, &export);
}

#[test]
fn projects_that_are_not_right_are_refused_in_the_stores_words() {
    let refuse = |spoil: &dyn Fn(&DiscClip), part: &str| {
        let (clip, home) = labelled();
        spoil(&clip);
        let before = fs::read(clip.project()).expect("readable");
        for args in [
            &["export", shown(&clip.project()), "--format", "npy", "--out", "out"][..],
            &["track", "--project", shown(&clip.project()), "--model", "fake"],
            &["import", shown(clip.path()), shown(clip.path())],
        ] {
            let (_, stderr) = expect(home.path(), 5, args);
            assert!(stderr.contains(part), "{args:?}: {part} is not in: {stderr}");
        }
        assert_eq!(fs::read(clip.project()).expect("readable"), before, "{part}: left as it is");
        (clip, home)
    };
    refuse(&|clip| fs::write(clip.project(), b"something else").expect("writable"), "not a Label Hub project");
    refuse(
        &|clip| {
            let other = DiscClip::new(96, 64, 12, false);
            fs::copy(other.path().join("003.png"), clip.path().join("003.png")).expect("writable");
        },
        "the labels are of another clip",
    );
    let damage = |clip: &DiscClip| {
        let mut bytes = fs::read(clip.project()).expect("readable");
        // Every page but the first, which says what the file is, and the last.
        let (from, to) = (4096, bytes.len() - 4096);
        bytes[from..to].iter_mut().step_by(97).for_each(|byte| *byte ^= 0xA5);
        fs::write(clip.project(), bytes).expect("writable");
    };
    refuse(&damage, "damaged");
}

#[test]
fn a_newer_project_is_read_and_never_written() {
    let (clip, home) = labelled();
    let connection = rusqlite::Connection::open(clip.project()).expect("a database");
    connection.pragma_update(None, "user_version", 99).expect("writable");
    drop(connection);
    expect(home.path(), 0, &["export", shown(clip.path()), "--format", "npy", "--out", "out"]);
    let (_, stderr) = expect(home.path(), 5, &["track", "--project", shown(clip.path()), "--model", "fake"]);
    assert!(stderr.contains("newer Label Hub"), "{stderr}");
}

/// `export`'s arguments, for a run inside this process.
#[derive(Parser)]
struct Line {
    #[command(flatten)]
    args: ExportArgs,
}

/// Asks to stop as soon as a line with `word` comes by.
struct StopAt<'a> {
    word: &'a str,
    stop: StopFlag,
    written: Vec<u8>,
}

impl Write for StopAt<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.written.extend(bytes);
        if String::from_utf8_lossy(&self.written).contains(self.word) {
            self.stop.interrupt();
        }
        Ok(bytes.len())
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_stopped_export_leaves_nothing_behind() {
    let (clip, home) = labelled();
    for word in ["\"event\":\"start\"", "\"stage\":\"writing\"", "\"stage\":\"checking\""] {
        let out = home.path().join("out");
        let line = ["export", shown(clip.path()), "--format", "coco", "--json", "--out", shown(&out)];
        let args = Line::try_parse_from(line).expect("sound flags").args;
        let stop = StopFlag::default();
        let mut stdout = StopAt { word, stop: stop.clone(), written: Vec::new() };
        let around = Surroundings { stop: &stop, is_terminal: false, stdout: &mut stdout, stderr: &mut io::sink() };
        let outcome = run_with(&args, around);
        assert_eq!(outcome.expect("it stops in order"), Exit::Interrupted, "{word}");
        assert_eq!(fs::read_dir(home.path()).expect("readable").count(), 1, "{word}: only the program's data folder");
    }
}

#[test]
fn closed_standard_output_ends_an_export_quietly() {
    struct Closed;
    impl Write for Closed {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(io::ErrorKind::BrokenPipe.into())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let (clip, home) = labelled();
    let out = home.path().join("out");
    let line = ["export", shown(clip.path()), "--format", "coco", "--json", "--out", shown(&out)];
    let args = Line::try_parse_from(line).expect("sound flags").args;
    let around =
        Surroundings { stop: &StopFlag::default(), is_terminal: false, stdout: &mut Closed, stderr: &mut io::sink() };
    assert!(matches!(run_with(&args, around), Err(CliError::StdoutClosed)));
    assert!(!out.exists());
}
