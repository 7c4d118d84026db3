//! `label-hub models` and `--model NAME`, as the built program does them, against a server on this machine.

mod models_support;

use std::fs::{self, File};
use std::io::Write;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use label_hub::sam2::checkpoint::CheckpointError;
use label_hub::sam2::{Sam2, Sam2Error};
use models_support::{Reply, Server, Then, wait_for_bytes};
use serde_json::Value;

const NAME: &str = "sam2.1_hiera_tiny";

fn command(home: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_label-hub"));
    command.args(args).current_dir(home).env("LABEL_HUB_HOME", home).stdin(Stdio::null());
    for name in ["ALL_PROXY", "HTTPS_PROXY", "HTTP_PROXY", "NO_PROXY"] {
        command.env_remove(name).env_remove(name.to_ascii_lowercase());
    }
    command
}

/// Runs it, checks the exit code, and gives what it said on standard output and standard error.
fn expect(home: &Path, code: i32, args: &[&str]) -> (String, String) {
    told(code, args, command(home, args).output().expect("the program was built for this test"))
}

fn told(code: i32, args: &[&str], output: Output) -> (String, String) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let (stdout, stderr) = (text(&output.stdout), text(&output.stderr));
    assert_eq!(output.status.code(), Some(code), "{args:?}: {stdout}{stderr}");
    (stdout, stderr)
}

fn expect_parts(text: &str, parts: &[&str]) {
    for part in parts {
        assert!(text.contains(part), "{part} is not in: {text}");
    }
}

/// A line of JSON.
fn json(text: &str) -> Value {
    serde_json::from_str(text.lines().last().expect("a line")).expect("JSON")
}

/// A file with the tensors of the tiny model, all zero. Its names and shapes come from what the model says it misses.
fn zeros(path: &Path) {
    let mut tensors = vec![
        ("image_encoder.trunk.patch_embed.proj.bias".to_owned(), vec![96]),
        ("no_obj_embed_spatial".to_owned(), vec![1, 64]),
    ];
    tensors.extend((0..12).map(|i| (format!("image_encoder.trunk.blocks.{i}.norm1.weight"), vec![1])));
    loop {
        write_zeros(path, &tensors);
        match Sam2::load(path, None, &candle_core::Device::Cpu) {
            Ok(_) => return,
            Err(Sam2Error::Checkpoint(CheckpointError::Mismatch { difference, .. })) => {
                assert!(difference.unexpected.is_empty(), "{difference}");
                tensors.extend(difference.missing.into_iter().map(|name| (name, vec![1])));
                for (name, shape, _) in difference.wrongly_shaped {
                    tensors.iter_mut().find(|(known, _)| *known == name).expect("it is there").1 = shape;
                }
            }
            Err(error) => panic!("{error}"),
        }
    }
}

/// Safetensors; the zeros are a hole in the file.
fn write_zeros(path: &Path, tensors: &[(String, Vec<usize>)]) {
    let mut header = serde_json::Map::new();
    let mut end = 0;
    for (name, shape) in tensors {
        let start = end;
        end += 4 * shape.iter().product::<usize>();
        let facts = serde_json::json!({ "dtype": "F32", "shape": shape, "data_offsets": [start, end] });
        header.insert(name.clone(), facts);
    }
    let header = serde_json::to_vec(&header).expect("plain data");
    let mut file = File::create(path).expect("writable");
    file.write_all(&(header.len() as u64).to_le_bytes()).expect("writable");
    file.write_all(&header).expect("writable");
    file.set_len((8 + header.len() + end) as u64).expect("writable");
}

#[test]
fn list_shows_every_model_and_says_what_the_starter_is_for() {
    let home = tempfile::tempdir().expect("a temporary folder");
    let (words, _) = expect(home.path(), 0, &["models", "list"]);
    let folder = home.path().join("models");
    expect_parts(&words, &["label-hub models get sam2.1_hiera_large", "898 MB", "no replacement for the published"]);
    expect_parts(&words, &[folder.to_str().expect("a plain name")]);
    fs::create_dir(&folder).expect("writable");
    fs::write(folder.join("mine.safetensors"), b"x").expect("writable");
    fs::write(folder.join(format!("{NAME}.pt")), b"x").expect("writable");
    let (line, _) = expect(home.path(), 0, &["models", "list", "--json"]);
    let list = json(&line);
    let of = |name: &str| {
        let models = list["models"].as_array().expect("a list");
        models.iter().find(|model| model["name"] == name).expect("in the registry").clone()
    };
    assert_eq!(list["models"].as_array().map(Vec::len), Some(9));
    assert_eq!((&of("starter")["state"], &of(NAME)["state"]), (&"program".into(), &"unchecked".into()));
    assert_eq!(of("sam2_hiera_small")["state"], "absent");
    assert_eq!(of("sam2_hiera_small")["licence"], "Apache-2.0");
    expect_parts(of("starter")["note"].as_str().expect("a note"), &["does not replace the published models"]);
    expect_parts(list["own_files"][0].as_str().expect("a path"), &["mine.safetensors"]);
}

#[test]
fn nothing_is_downloaded_without_consent() {
    let home = tempfile::tempdir().expect("a temporary folder");
    let server = Server::start(vec![Reply::new("404 Not Found", b"")]);
    let from = server.url();
    let (_, words) = expect(home.path(), 2, &["models", "get", NAME, "--from", &from]);
    expect_parts(&words, &[&from, "156 MB", "Apache-2.0", "--yes", "models/sam2.1_hiera_tiny.pt"]);
    assert_eq!(server.requests().len(), 0);
    let (_, words) = expect(home.path(), 2, &["models", "get", NAME, "--yes", "--from", "model.pt"]);
    expect_parts(&words, &["https://host/file.pt"]);
    let (_, words) = expect(home.path(), 2, &["models", "get", "sam3"]);
    expect_parts(&words, &["sam3", "sam2.1_hiera_base_plus"]);
    let (_, words) = expect(home.path(), 0, &["models", "get", "starter"]);
    expect_parts(&words, &["ships in the program", "does not replace"]);
}

#[test]
fn what_cannot_be_had_says_where_to_put_it_by_hand() {
    let home = tempfile::tempdir().expect("a temporary folder");
    let server = Server::start(vec![Reply::whole(b"<html>").with("Content-Type", "text/html")]);
    let (_, words) = expect(home.path(), 4, &["models", "get", NAME, "--yes", "--from", &server.url()]);
    let file = home.path().join("models/sam2.1_hiera_tiny.pt");
    expect_parts(&words, &["a page came", &format!("put the file here: {}", file.display())]);
    for model in [NAME, "sam2_hiera_large"] {
        let line = format!("track clip.mp4 --point 0:1:1,1 --model {model}");
        let (_, words) = expect(home.path(), 4, &line.split(' ').collect::<Vec<_>>());
        expect_parts(&words, &[&format!("\n  label-hub models get {model}\n"), home.path().to_str().expect("plain")]);
    }
    for verb in ["path", "verify", "remove"] {
        let (_, words) = expect(home.path(), 4, &["models", verb, NAME]);
        expect_parts(&words, &["label-hub models get sam2.1_hiera_tiny"]);
        let (_, words) = expect(home.path(), 2, &["models", verb, "starter"]);
        expect_parts(&words, &["ships in the program", "does not replace"]);
    }
}

#[test]
fn a_file_that_is_not_the_model_is_never_used() {
    let home = tempfile::tempdir().expect("a temporary folder");
    let folder = home.path().join("models");
    fs::create_dir(&folder).expect("writable");
    let small = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/small/small.safetensors");
    fs::copy(small, folder.join(format!("{NAME}.pt"))).expect("writable");
    let line = format!("bench --frames none --model {NAME}");
    let (_, words) = expect(home.path(), 4, &line.split(' ').collect::<Vec<_>>());
    expect_parts(&words, &["this is not sam2.1_hiera_tiny", "label-hub models remove sam2.1_hiera_tiny"]);
    let (line, _) = expect(home.path(), 1, &["models", "verify", "--json"]);
    assert_eq!((&json(&line)["name"], &json(&line)["is_sound"]), (&NAME.into(), &false.into()));
    let (words, _) = expect(home.path(), 0, &["models", "remove", NAME]);
    expect_parts(&words, &["removed", "sam2.1_hiera_tiny.pt"]);
    let (words, _) = expect(home.path(), 0, &["models", "path"]);
    assert_eq!(Path::new(words.trim()), folder);
}

#[cfg(unix)]
#[test]
fn a_published_model_comes_after_ctrl_c_too_and_is_checked() {
    let home = tempfile::tempdir().expect("a temporary folder");
    let served = home.path().join("served");
    zeros(&served);
    let content = fs::read(&served).expect("just written");
    let first = Reply::whole(&content).cut(9_000_000, Then::Stall);
    let server = Server::start(vec![first, Reply::rest(&content, 9_000_000)]);
    let url = server.url();
    let args = ["models", "get", NAME, "--yes", "--json", "--from", &url];
    let child = command(home.path(), &args).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("built");
    let part = home.path().join("models/sam2.1_hiera_tiny.pt.part");
    wait_for_bytes(&part, 9_000_000);
    let id = child.id().to_string();
    assert!(Command::new("sh").args(["-c", "kill -INT $0", &id]).status().expect("a shell").success());
    let (lines, _) = told(130, &args, child.wait_with_output().expect("it ends"));
    let stopped = json(&lines);
    assert!(stopped["event"] == "stopped" && stopped["message"].is_string(), "{stopped}");

    let (lines, _) = expect(home.path(), 0, &args);
    let done = json(&lines);
    assert_eq!((&done["event"], &done["hash"]), (&"done".into(), &"unverified, first seen".into()));
    assert_eq!(server.requests()[1].header("range"), Some("bytes=9000000-"));
    let (words, _) = expect(home.path(), 0, &["models", "path", NAME]);
    assert_eq!(words.trim(), done["path"].as_str().expect("a path"));
    let (words, _) = expect(home.path(), 0, &["models", "verify", NAME]);
    expect_parts(&words, &["sound", done["sha256"].as_str().expect("a hash")]);
    let (words, _) = expect(home.path(), 0, &["models", "list"]);
    expect_parts(&words, &["here (unverified, first seen)"]);
    expect(home.path(), 0, &["models", "remove", NAME]);
    assert!(!home.path().join("models/sam2.1_hiera_tiny.pt").exists());
}

#[test]
fn a_proxy_is_asked_where_one_is_set() {
    let home = tempfile::tempdir().expect("a temporary folder");
    let proxy = Server::start(vec![Reply::new("403 Forbidden", b"")]);
    // Never looked up: the proxy refuses every attempt to reach it, and the first one is enough to see here.
    let args = ["models", "get", NAME, "--yes", "--from", "http://models.invalid/model.pt"];
    let mut command = command(home.path(), &args);
    let mut child = command.env("HTTP_PROXY", proxy.origin()).stderr(Stdio::null()).spawn().expect("built");
    proxy.expect_requests(1);
    child.kill().expect("it runs");
    child.wait().expect("it ends");
    expect_parts(&proxy.requests()[0].line, &["models.invalid"]);
    // And not for what NO_PROXY names.
    let server = Server::start(vec![Reply::new("404 Not Found", b"")]);
    let url = server.url();
    let args = ["models", "get", NAME, "--yes", "--from", &url];
    let mut command = self::command(home.path(), &args);
    command.env("HTTP_PROXY", proxy.origin()).env("NO_PROXY", "127.0.0.1");
    let (_, words) = told(4, &args, command.output().expect("built"));
    expect_parts(&words, &["does not have it (404)"]);
    assert_eq!(server.requests().len(), 1);
}

#[test]
fn the_starter_works_wherever_a_model_is_named() {
    let home = tempfile::tempdir().expect("a temporary folder");
    let frames = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/small/frames");
    let frames = frames.to_str().expect("a plain path");
    let track = ["track", frames, "--model", "starter", "--point", "0:1:20,20", "--range", "0..1", "--out", "masks"];
    let (_, words) = expect(home.path(), 0, &track);
    expect_parts(&words, &["starter", "does not replace the published models"]);
    assert!(home.path().join("masks/1_1.npy").is_file());
    // The same again: the run knows its model.
    let (_, words) = expect(home.path(), 0, &track);
    expect_parts(&words, &["already there"]);
    let bench = ["bench", "--model", "starter", "--frames", frames, "--count", "2", "--json"];
    let (line, _) = expect(home.path(), 0, &bench);
    assert_eq!(json(&line)["model"], "starter");
    let (line, _) = expect(home.path(), 0, &["models", "measure", "starter", "--device", "cpu", "--json"]);
    assert!(json(&line)["tracked_frame_ms"].as_f64().is_some_and(|ms| ms > 0.0), "{line}");
    if cfg!(target_os = "linux") {
        assert!(json(&line)["memory_mib"].as_u64().is_some_and(|mib| mib > 10), "{line}");
    }
    let (list, _) = expect(home.path(), 0, &["models", "list", "--device", "cpu", "--json"]);
    assert_eq!(json(&list)["models"][0]["speed"]["tracked_frame_ms"], json(&line)["tracked_frame_ms"], "{list}");
    let (words, _) = expect(home.path(), 0, &["models", "list", "--device", "cpu"]);
    expect_parts(&words, &["a tracked frame"]);
    expect(home.path(), 4, &["models", "measure", "no_such_model"]);
}
