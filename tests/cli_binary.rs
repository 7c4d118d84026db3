//! The built program: help, exit codes, and where its words go.

mod checkpoint_support;

use std::path::Path;
use std::process::{Command, Output, Stdio};

fn label_hub(home: &Path, args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_label-hub"))
        .args(args)
        .current_dir(home)
        .env("LABEL_HUB_HOME", home)
        .stdin(Stdio::null())
        .output()
        .expect("the program was built for this test")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn help_lists_commands_and_exit_codes() {
    let home = tempfile::tempdir().expect("a temporary folder");
    let output = label_hub(home.path(), &["--help"]);
    assert_eq!(output.status.code(), Some(0));
    let help = text(&output.stdout);
    for part in ["track", "info", "parity", "bench", "75  stopped by SIGTERM", "130  stopped by Ctrl-C"] {
        assert!(help.contains(part), "{part} is not in: {help}");
    }
    let help = text(&label_hub(home.path(), &["track", "--help"]).stdout);
    let said_of_damage = "No mask is written, but for an object with a prompt on that very frame";
    for part in
        ["FRAME:OBJECT:X,Y[:neg]", "- backward:", said_of_damage, "floating point is refused", "130  stopped by Ctrl-C"]
    {
        assert!(help.contains(part), "{part} is not in: {help}");
    }
    assert_eq!(label_hub(home.path(), &["--version"]).status.code(), Some(0));
}

#[test]
fn wrong_usage_ends_with_2_and_says_what_to_write() {
    let home = tempfile::tempdir().expect("a temporary folder");
    let track = |flags: &[&'static str]| [&["track", "clip.mp4", "--model", "m.pt"], flags].concat();
    let cases: [(Vec<&str>, &str); 13] = [
        (vec!["fly"], "neither a command nor a file"),
        (vec!["--model", "fake", "--resolution", "640"], "1024, 768 or 512"),
        (vec!["track"], "--model"),
        (track(&[]), "no prompt was given"),
        (track(&["--point", "0:1:5"]), "FRAME:OBJECT:X,Y"),
        (track(&["--point", "0:1:nan,5"]), "finite"),
        (track(&["--box", "0:1:5,5,6"]), "X0,Y0,X1,Y1"),
        (track(&["--mask", "0:1:mask.jpg"]), "FILE.png"),
        (track(&["--point", "0:1:1,1", "--range", "3"]), "A..B"),
        (track(&["--point", "0:1:1,1", "--resolution", "640"]), "1024, 768 or 512"),
        (vec!["bench", "--model", "m.pt", "--frames", ".", "--resolution", "700"], "1024, 768 or 512"),
        (track(&["--point", "0:1:1,1", "--device", "tpu"]), "cuda:0"),
        (track(&["--point", "0:1:1,1", "--pad", "11"]), "at most 10"),
    ];
    for (args, part) in cases {
        let output = label_hub(home.path(), &args);
        let stderr = text(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{args:?}: {stderr}");
        assert!(stderr.contains(part), "{args:?}: {part} is not in: {stderr}");
        assert_eq!(text(&output.stdout), "", "{args:?}");
    }
}

#[test]
fn missing_files_have_their_own_exit_codes_and_are_named_once() {
    let home = tempfile::tempdir().expect("a temporary folder");
    std::fs::write(home.path().join("broken.pt"), b"PK\x03\x04").expect("writable");
    let model = "track clip.mp4 --point 0:1:1,1 --model";
    let cases = [
        (format!("{model} sam2.1_hiera_tiny"), 4, "https://dl.fbaipublicfiles.com/segment_anything_2/092824"),
        (format!("{model} weights/none.pt"), 4, "weights/none.pt"),
        (format!("{model} broken.pt"), 4, "broken.pt"),
        ("track clip.mp4 --model m.pt --prompts none.json".to_owned(), 5, "none.json"),
    ];
    for (line, code, part) in cases {
        let output = label_hub(home.path(), &line.split(' ').collect::<Vec<_>>());
        let stderr = text(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{line}: {stderr}");
        assert!(stderr.contains(part), "{line}: {part} is not in: {stderr}");
        assert_eq!(stderr.matches("error:").count(), 1, "{line}: {stderr}");
    }
}

#[test]
fn extract_tells_each_frame_with_its_files_name() {
    let home = tempfile::tempdir().expect("a temporary folder");
    let frames = home.path().join("in");
    std::fs::create_dir(&frames).expect("writable");
    for name in ["a 3.png", "a 7, \"new\".png", "a 20.png"] {
        image::RgbImage::new(8, 8).save(frames.join(name)).expect("writable");
    }
    let output = label_hub(home.path(), &["extract", "in", "--out", "out", "--json"]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let lines: Vec<serde_json::Value> =
        text(&output.stdout).lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    assert_eq!(lines.first(), Some(&serde_json::json!({"event": "start", "clip": "in", "out": "out", "frames": 3})));
    let expected = serde_json::json!({"event": "frame", "frame": 1, "name": "a 7, \"new\".png", "file": "00001.png",
        "seconds": 0.04, "was_there": false, "damage": null});
    assert_eq!(lines.get(2), Some(&expected));
    let done = lines.last().expect("some");
    let counts = ["event", "frames", "written", "already_there", "damaged"].map(|key| done[key].clone());
    assert_eq!(counts, ["done".into(), 3.into(), 3.into(), 0.into(), serde_json::json!([])]);
    let table = std::fs::read_to_string(home.path().join("out/frames.csv")).expect("the table");
    assert_eq!(table.lines().nth(2), Some("1,1,0.040000,00001.png,,\"a 7, \"\"new\"\".png\""));
    let output = label_hub(home.path(), &["extract", "in", "--out", "out"]);
    let words = text(&output.stderr);
    assert!(words.contains("2/3 00001.png") && words.contains("0 pictures written, 3 were there"), "{words}");
}

#[test]
fn info_tells_features_and_models() {
    let home = tempfile::tempdir().expect("a temporary folder");
    std::fs::create_dir(home.path().join("models")).expect("writable");
    std::fs::write(home.path().join("models/tiny.pt"), b"x").expect("writable");
    let output = label_hub(home.path(), &["info"]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let words = text(&output.stdout);
    assert!(words.contains("tiny.pt") && words.contains("device cpu:"), "{words}");
    let output = label_hub(home.path(), &["info", "--json"]);
    let info: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(info["models"][0]["name"], "tiny.pt");
    assert_eq!(info["version"], env!("CARGO_PKG_VERSION"));
}

#[cfg(unix)]
#[test]
fn closed_standard_output_ends_quietly() {
    use std::os::unix::process::ExitStatusExt;
    let (reader, writer) = std::io::pipe().expect("a pipe");
    drop(reader);
    for args in [&["info"][..], &["--help"]] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_label-hub"));
        command.args(args).stdout(writer.try_clone().expect("a copy of the pipe"));
        let output = command.stderr(Stdio::piped()).spawn().and_then(|child| child.wait_with_output());
        let output = output.expect("the program was built for this test");
        assert_eq!(output.status.signal(), Some(13), "{args:?}: SIGPIPE, as for every filter");
        assert_eq!(text(&output.stderr), "", "{args:?}");
    }
}

#[cfg(all(feature = "gui", target_os = "linux"))]
#[test]
fn a_screen_that_is_not_there_is_told_without_a_trace() {
    let home = tempfile::tempdir().expect("a temporary folder");
    let output = Command::new(env!("CARGO_BIN_EXE_label-hub"))
        .env("LABEL_HUB_HOME", home.path())
        .env("DISPLAY", ":7777")
        .env_remove("WAYLAND_DISPLAY")
        .env_remove("WAYLAND_SOCKET")
        .env("RUST_BACKTRACE", "1")
        .stdin(Stdio::null())
        .output()
        .expect("the program was built for this test");
    let stderr = text(&output.stderr);
    assert_eq!(output.status.code(), Some(4), "{stderr}");
    assert!(stderr.contains("error: the screen cannot be reached (DISPLAY=:7777)"), "{stderr}");
    assert!(!stderr.contains("panicked") && !stderr.contains("backtrace"), "{stderr}");
}
