//! The published models on the shared scenarios. They take minutes each, so they run in `make test-parity`, which sets
//! `LABEL_HUB_PARITY`; elsewhere this test says that it was left out.

use std::path::{Path, PathBuf};

use label_hub::cli::parity::{ParityArgs, Scenario, Thresholds, compare};
use label_hub::engine::DeviceChoice;

fn shared() -> PathBuf {
    std::env::var_os("LABEL_HUB_SHARED")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared"), PathBuf::from)
}

fn checkpoints() -> PathBuf {
    let cache = std::env::var_os("LABEL_HUB_CACHE").map(PathBuf::from);
    let home = || PathBuf::from(std::env::var_os("HOME").expect("a home folder")).join(".cache/label-hub");
    cache.unwrap_or_else(home).join("checkpoints")
}

#[test]
fn published_models_agree_with_the_reference_in_every_shared_scenario() {
    if std::env::var_os("LABEL_HUB_PARITY").is_none() {
        println!("SKIPPED: the shared parity scenarios; run `make test-parity`");
        return;
    }
    let folder = shared().join("parity");
    if !folder.is_dir() {
        println!("SKIPPED: no shared scenarios in {} (LABEL_HUB_SHARED)", folder.display());
        return;
    }
    let mut scenarios: Vec<PathBuf> = std::fs::read_dir(folder.join("scenarios"))
        .expect("the shared folder holds scenarios")
        .map(|entry| entry.expect("readable folder").path())
        .collect();
    scenarios.sort();
    let mut failures = Vec::new();
    for path in scenarios {
        let name = path.file_stem().expect("a file").to_string_lossy().into_owned();
        let text = std::fs::read_to_string(&path).expect("a readable scenario");
        let scenario: Scenario = serde_json::from_str(&text).expect("a scenario");
        let started = std::time::Instant::now();
        let args = ParityArgs {
            checkpoint: checkpoints().join(format!("{}.pt", scenario.model)),
            frames: shared().join("video/bedroom_png"),
            golden: folder.join(format!("goldens/{name}.safetensors")),
            scenario: path,
            device: DeviceChoice::CpuF32,
            thresholds: Thresholds::F32,
        };
        let report = compare(&args).expect("the scenario runs");
        println!("{name}: {} ({:.0} s)", report.summary(), started.elapsed().as_secs_f64());
        failures.extend(report.keys.iter().filter(|key| key.failure.is_some()).map(|key| format!("{name}: {key}")));
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}
