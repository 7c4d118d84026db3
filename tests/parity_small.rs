//! Every module and the whole predictor against what the reference returned for the project's own small models
//! (`tests/data/small`, made by `scripts/reference/make_test_data.py`).

use std::path::{Path, PathBuf};
use std::process::Command;

use label_hub::cli::parity::{ParityArgs, Thresholds, compare};
use label_hub::engine::DeviceChoice;

fn data() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/small")
}

fn args(scenario: &str) -> ParityArgs {
    let data = data();
    let model = if scenario.starts_with("sam20") { "small20" } else { "small" };
    ParityArgs {
        scenario: data.join(format!("scenarios/{scenario}.json")),
        checkpoint: data.join(format!("{model}.safetensors")),
        frames: data.join("frames"),
        golden: data.join(format!("goldens/{scenario}.safetensors")),
        device: DeviceChoice::CpuF32,
        thresholds: Thresholds::F32,
    }
}

#[test]
fn small_models_agree_with_the_reference_in_every_scenario() {
    let mut scenarios: Vec<String> = std::fs::read_dir(data().join("scenarios"))
        .expect("the test data is in the repository")
        .map(|entry| entry.expect("readable folder").path())
        .map(|path| path.file_stem().expect("a file").to_string_lossy().into_owned())
        .collect();
    scenarios.sort();
    assert!(scenarios.len() >= 10, "scenarios are missing: {scenarios:?}");
    let mut modules = std::collections::BTreeSet::new();
    for scenario in scenarios {
        let report = compare(&args(&scenario)).expect("the scenario runs");
        let failures: Vec<String> =
            report.keys.iter().filter(|key| key.failure.is_some()).map(ToString::to_string).collect();
        assert!(failures.is_empty(), "{scenario}:\n{}", failures.join("\n"));
        println!("{scenario}: {}", report.summary());
        modules.extend(report.keys.iter().filter_map(|key| key.name.split('.').next().map(str::to_owned)));
    }
    for module in ["input", "encoder", "memory_attention", "memory_encoder", "prompt_encoder", "mask_decoder"] {
        assert!(modules.contains(module), "no scenario probes {module}");
    }
}

#[test]
fn a_golden_of_another_scenario_is_not_taken_for_parity() {
    let wrong = ParityArgs { golden: data().join("goldens/upstream_correction.safetensors"), ..args("size_128") };
    let report = compare(&wrong).expect("the scenario runs");
    assert!(!report.is_passed());

    // Every key has its line, those that the run did not produce too, and the last line is what it always is.
    let shown = |path: &Path| path.display().to_string();
    let output = Command::new(env!("CARGO_BIN_EXE_label-hub"))
        .args(["parity", &shown(&wrong.scenario), "--checkpoint", &shown(&wrong.checkpoint)])
        .args(["--frames", &shown(&wrong.frames), "--golden", &shown(&wrong.golden)])
        .output()
        .expect("the program was built for this test");
    let (words, errors) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert_eq!(output.status.code(), Some(1), "{words}{errors}");
    let lines: Vec<&str> = words.lines().collect();
    assert_eq!(lines.len(), report.keys.len() + 1);
    let is_missing = |line: &&&str| line.starts_with("FAIL") && line.contains("not produced by the run");
    assert!(lines.iter().filter(is_missing).count() > 0, "{words}");
    assert!(lines.last().is_some_and(|line| line.starts_with("parity: ")), "{words}");
}
