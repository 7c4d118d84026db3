//! Downloads from a server that stalls, breaks, lies and changes its mind. Whatever it does, a file under the model's
//! name is the right one, or there is none.

mod models_support;

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use label_hub::models::{
    Cancel, GetEvent, GetRequest, Getting, Got, HashStatus, ModelsError, Origin, Progress, get, verify,
};
use models_support::{
    Reply, Request, Server, Then, content, entry, files, is_content, model_file, request, wait_for_bytes,
};

fn run(server: &Server, folder: &Path) -> Result<Got, ModelsError> {
    get(&request(server, folder), &Cancel::default(), &mut |_| ())
}

/// Runs it and checks that the right file, its record and nothing else are there.
fn expect_right_file(name: &str, replies: Vec<Reply>) -> Vec<Request> {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let server = Server::start(replies);
    let got = run(&server, folder.path()).unwrap_or_else(|error| panic!("{name}: {error}"));
    assert_eq!(got.file.path, model_file(folder.path()), "{name}");
    assert_eq!((got.file.status, got.was_here), (HashStatus::FirstSeen, false), "{name}");
    assert_eq!(fs::read(model_file(folder.path())).expect("it is there"), content(), "{name}");
    assert_eq!(files(folder.path()), ["testmodel.pt", "testmodel.pt.seen.toml"], "{name}");
    server.requests()
}

/// Runs it and checks that nothing but perhaps a part is there; gives the message and the number of requests.
fn expect_nothing(name: &str, replies: Vec<Reply>, left: &[&str]) -> (ModelsError, usize) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let server = Server::start(replies);
    let error = run(&server, folder.path()).expect_err(name);
    assert_eq!(files(folder.path()), left, "{name}: {error}");
    (error, server.requests().len())
}

#[test]
fn a_plain_download_is_recorded_and_not_repeated() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let server = Server::start(vec![Reply::whole(&content())]);
    let mut seen = Vec::new();
    let got = get(&request(&server, folder.path()), &Cancel::default(), &mut |p| seen.push(p)).expect("it comes");
    assert_eq!(seen.first(), Some(&Progress::Connecting));
    let bytes = content().len() as u64;
    assert!(
        seen.iter()
            .any(|p| matches!(p, Progress::Downloading { done, total, .. } if *done == bytes && *total == Some(bytes)))
    );
    assert_eq!(seen.last(), Some(&Progress::Checking { done: bytes, total: bytes }));
    let record = fs::read_to_string(folder.path().join("models/testmodel.pt.seen.toml")).expect("a record");
    assert!(record.contains(&got.file.sha256) && record.contains("unverified, first seen"), "{record}");
    assert!(record.contains(&server.url()), "{record}");
    let again = run(&server, folder.path()).expect("it is here");
    assert_eq!((again.was_here, again.file), (true, got.file));
    assert_eq!(server.requests().len(), 1);
    assert_eq!(server.requests()[0].header("accept-encoding"), Some("identity"));
}

#[test]
fn what_came_before_a_break_or_a_stall_is_gone_on_with() {
    let content = content();
    for then in [Then::Close, Then::Stall] {
        let first = Reply::whole(&content).cut(70_000, then);
        let requests = expect_right_file("resumed", vec![first, Reply::rest(&content, 70_000)]);
        assert_eq!(requests.len(), 2);
        assert_eq!(requests[1].header("range"), Some("bytes=70000-"));
        assert_eq!(requests[1].header("if-range"), Some("\"one\""));
    }
    let first = Reply::whole(&content).cut(70_000, Then::Close);
    let second = Reply::rest(&content, 70_000).cut(50_000, Then::Close);
    let requests = expect_right_file("twice", vec![first, second, Reply::rest(&content, 120_000)]);
    assert_eq!(requests[2].header("range"), Some("bytes=120000-"));
    let stalled = Reply { then: Then::Stall, ..Reply::new("", b"") };
    expect_right_file("no answer at all", vec![stalled, Reply::whole(&content)]);
}

#[test]
fn a_server_that_does_not_resume_begins_anew() {
    let content = content();
    let first = Reply::whole(&content).cut(70_000, Then::Close);
    let mut other = content.clone();
    other.rotate_left(1);
    let part = || Reply::rest(&content, 70_000);
    let whole = || Reply::whole(&content);
    let after_first = [
        ("the whole file to a request for a part", vec![whole()]),
        ("a part from elsewhere", vec![part().with("Content-Range", "bytes 0-129999/200000"), whole()]),
        ("a part of another length", vec![part().with("Content-Range", "bytes 70000-199999/300000"), whole()]),
        ("no range at all", vec![part().with("Content-Range", "none"), whole()]),
        ("the rest of a changed file", vec![part().with("ETag", "\"two\""), whole()]),
        ("no such part", vec![Reply::new("416 Range Not Satisfiable", b""), whole()]),
        ("a busy moment", vec![Reply::new("503 Busy", b""), part()]),
        // It says nothing of a change, but it is another file: the whole is wrong, and a second try is right.
        ("a lie about the content", vec![Reply::rest(&other, 70_000), whole()]),
    ];
    for (name, rest) in after_first {
        let replies = [vec![first.clone()], rest].concat();
        let count = replies.len();
        let requests = expect_right_file(name, replies);
        assert_eq!(requests.len(), count, "{name}");
        assert_eq!(requests[1].header("range"), Some("bytes=70000-"), "{name}");
    }
    // Nothing says that a second answer is about the same file.
    for mark in ["", "W/\"one\""] {
        let first = first.clone().with("ETag", mark);
        let requests = expect_right_file("no strong mark", vec![first, whole()]);
        assert_eq!(requests[1].header("range"), None, "{mark}");
    }
}

#[test]
fn what_is_no_model_is_refused_at_once() {
    let content = content();
    let page = b"<!DOCTYPE html><title>Log in</title>";
    let cases = [
        ("a page", Reply::whole(page).with("Content-Type", "text/html"), "a page came"),
        ("a page called a file", Reply::new("200 OK", &[page.as_slice(), &content[36..]].concat()), "a page came"),
        ("a short file", Reply::whole(&content[..1000]), "is not this model"),
        ("a promise of too much", Reply::whole(&content).with("Content-Length", 900_000), "is not this model"),
        ("too little without a length", Reply::new("200 OK", &content[..1000]), "is not this model"),
        ("a body without end", Reply { then: Then::Endless, ..Reply::new("200 OK", &content) }, "does not end"),
        ("a compressed file", Reply::whole(&content).with("Content-Encoding", "gzip"), "encoded"),
        ("not there", Reply::new("404 Not Found", b"no"), "does not have it (404)"),
        ("login", Reply::new("403 Forbidden", b"no"), "wants a login"),
    ];
    for (name, reply, part) in cases {
        let (error, requests) = expect_nothing(name, vec![reply], &[]);
        let message = error.to_string();
        assert!(matches!(error, ModelsError::Refused { .. }), "{name}: {message}");
        assert!(message.contains(part) && message.contains("put the file here: "), "{name}: {message}");
        assert_eq!(requests, 1, "{name}");
    }
    // As long as it says, and something else.
    let (error, _) = expect_nothing("cut short", vec![Reply::whole(&content).with("Content-Length", 190_000)], &[]);
    assert!(matches!(error, ModelsError::NotTheModel { .. }), "{error}");
    assert!(error.to_string().contains("190000 other bytes"), "{error}");
}

#[test]
fn a_server_that_never_finishes_is_given_up_and_the_part_stays() {
    let content = content();
    let folder = tempfile::tempdir().expect("a temporary folder");
    // It promises more than it has, each time.
    let lies = vec![Reply::whole(&content[..150_000]).with("Content-Length", 200_000), Reply::new("503 Busy", b"")];
    let server = Server::start(lies);
    let error = run(&server, folder.path()).expect_err("it never comes");
    assert!(matches!(&error, ModelsError::Unreachable { attempts: 4, .. }), "{error}");
    assert!(error.to_string().contains("goes on from what is there"), "{error}");
    assert_eq!(files(folder.path()), ["testmodel.pt.part", "testmodel.pt.part.toml"]);
    // The next time, at the same address.
    let better = Server::start(vec![Reply::rest(&content, 150_000), Reply::whole(&content)]);
    let notes = folder.path().join("models/testmodel.pt.part.toml");
    let text = fs::read_to_string(&notes).expect("notes").replace(&server.url(), &better.url());
    fs::write(&notes, text).expect("writable");
    run(&better, folder.path()).expect("the rest comes");
    assert_eq!(better.requests()[0].header("range"), Some("bytes=150000-"));
    assert_eq!(fs::read(model_file(folder.path())).expect("it is there"), content);
    let (error, requests) = expect_nothing("always busy", vec![Reply::new("500 Broken", b"")], &[]);
    assert!(matches!(error, ModelsError::Unreachable { .. }) && requests == 4, "{error}");
}

#[test]
fn a_part_is_only_gone_on_with_at_its_address_and_checked_as_a_whole() {
    let content = content();
    let folder = tempfile::tempdir().expect("a temporary folder");
    let cut = Server::start(vec![Reply::whole(&content).cut(70_000, Then::Close), Reply::new("404 Gone", b"")]);
    run(&cut, folder.path()).expect_err("it breaks, then it is gone");
    assert_eq!(files(folder.path()), ["testmodel.pt.part", "testmodel.pt.part.toml"]);
    let other = Server::start(vec![Reply::whole(&content)]);
    run(&other, folder.path()).expect("another server has it");
    assert_eq!(other.requests()[0].header("range"), None);

    // A part that was damaged on the disk: seen at the end, and fetched once more in one piece.
    let folder = tempfile::tempdir().expect("a temporary folder");
    let replies = vec![
        Reply::whole(&content).cut(70_000, Then::Close),
        Reply::new("404 Gone", b""),
        Reply::rest(&content, 70_000),
        Reply::whole(&content),
    ];
    let server = Server::start(replies);
    run(&server, folder.path()).expect_err("it breaks, then it is gone");
    let part = folder.path().join("models/testmodel.pt.part");
    let mut damaged = fs::read(&part).expect("a part");
    damaged[5] ^= 1;
    fs::write(&part, damaged).expect("writable");
    run(&server, folder.path()).expect("it comes in one piece");
    assert_eq!(fs::read(model_file(folder.path())).expect("it is there"), content);
    assert_eq!(server.requests().len(), 4);
}

#[test]
fn redirects_are_followed_with_the_part_and_not_without_end() {
    let content = content();
    let target = Server::start(vec![Reply::whole(&content).cut(70_000, Then::Close), Reply::rest(&content, 70_000)]);
    let away = Reply::new("302 Found", b"").with("Location", target.url()).with("Content-Length", 0);
    expect_right_file("redirected", vec![away]);
    assert_eq!(target.requests()[1].header("range"), Some("bytes=70000-"));
    let circle = Reply::new("302 Found", b"").with("Location", "/model.pt").with("Content-Length", 0);
    let (error, requests) = expect_nothing("in circles", vec![circle], &[]);
    assert!(matches!(error, ModelsError::Refused { .. }) && requests < 10, "{error}");
}

#[test]
fn a_later_file_must_be_the_one_first_seen_or_the_published_one() {
    let content = content();
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut other = content.clone();
    other[9] ^= 1;
    let server = Server::start(vec![Reply::whole(&content), Reply::whole(&other), Reply::whole(&content)]);
    let mut request = request(&server, folder.path());
    request.confirm = |_, _| Ok(());
    let get = |request: &GetRequest| get(request, &Cancel::default(), &mut |_| ());
    let first = get(&request).expect("it comes");
    let removed = request.folder.remove(&request.entry).expect("removed");
    assert_eq!(removed, [model_file(folder.path())]);
    let error = get(&request).expect_err("another file");
    assert!(matches!(&error, ModelsError::HashDiffers { record: Some(_), .. }), "{error}");
    assert_eq!(files(folder.path()), ["testmodel.pt.seen.toml"]);
    assert_eq!(get(&request).expect("the same file").file.sha256, first.file.sha256);

    // The same with a hash the publisher gives.
    request.folder.remove(&request.entry).expect("removed");
    let Origin::Published { sha256, .. } = &mut request.entry.origin else { panic!("it is published") };
    *sha256 = Some(first.file.sha256.clone());
    assert_eq!(get(&request).expect("the same file").file.status, HashStatus::Published);
    request.folder.remove(&request.entry).expect("removed");
    let Origin::Published { sha256, .. } = &mut request.entry.origin else { panic!("it is published") };
    *sha256 = Some("0".repeat(64));
    assert!(matches!(get(&request), Err(ModelsError::HashDiffers { record: None, .. })));
    assert_eq!(files(folder.path()), ["testmodel.pt.seen.toml"]);
}

#[test]
fn a_file_put_there_by_hand_is_checked_and_watched() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let entry = entry("http://models.invalid/model.pt");
    let file = model_file(folder.path());
    fs::create_dir_all(folder.path().join("models")).expect("writable");
    fs::write(&file, content()).expect("writable");
    let check = || verify(&entry, &file, is_content, &Cancel::default(), &mut |_, _| ());
    assert_eq!(label_hub::models::known(&entry, &file).expect("readable"), None);
    let first = check().expect("the right file");
    assert_eq!(label_hub::models::known(&entry, &file).expect("readable"), Some(first));
    let mut other = content();
    other[3] ^= 1;
    fs::write(&file, other).expect("writable");
    assert!(matches!(check(), Err(ModelsError::HashDiffers { .. })));
    fs::remove_file(folder.path().join("models/testmodel.pt.seen.toml")).expect("it was there");
    assert!(matches!(check(), Err(ModelsError::NotTheModel { .. })));
}

#[test]
fn one_download_at_a_time_and_it_stops_at_once() {
    let content = content();
    let folder = tempfile::tempdir().expect("a temporary folder");
    let first = Reply::whole(&content).cut(70_000, Then::Stall);
    let server = Server::start(vec![first, Reply::rest(&content, 70_000)]);
    let mut patient = request(&server, folder.path());
    patient.patience.stall = Duration::from_secs(600);
    let getting = Getting::start(patient, || {}).expect("a thread");
    server.expect_requests(1);
    let part = folder.path().join("models/testmodel.pt.part");
    wait_for_bytes(&part, 70_000);
    assert!(matches!(run(&server, folder.path()), Err(ModelsError::Busy { .. })));
    assert!(matches!(request(&server, folder.path()).folder.remove(&entry("")), Err(ModelsError::Busy { .. })));
    let start = Instant::now();
    getting.cancel();
    let ended = getting.events().iter().find_map(|event| match event {
        GetEvent::Ended(ended) => Some(ended),
        GetEvent::Progress(_) => None,
    });
    assert!(matches!(ended, Some(Err(ModelsError::Cancelled))), "{ended:?}");
    assert!(start.elapsed() < Duration::from_secs(120), "it waited for the server: {:?}", start.elapsed());
    drop(getting);
    run(&server, folder.path()).expect("it goes on");
    assert_eq!(server.requests()[1].header("range"), Some("bytes=70000-"));
    assert_eq!(fs::read(model_file(folder.path())).expect("it is there"), content);
}

#[test]
fn a_disk_without_room_is_seen_before_anything_is_asked() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let server = Server::start(vec![Reply::whole(&content())]);
    let mut request = request(&server, folder.path());
    let Origin::Published { about_bytes, .. } = &mut request.entry.origin else { panic!("it is published") };
    *about_bytes = 1 << 60;
    let error = get(&request, &Cancel::default(), &mut |_| ()).expect_err("no disk is so large");
    assert!(matches!(error, ModelsError::NoRoom { .. }), "{error}");
    assert_eq!((server.requests().len(), files(folder.path()).len()), (0, 0));
}
