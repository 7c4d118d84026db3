//! Model files in the window: the starter is used by name, a download is asked for, followed, stopped, refused and told.
#![cfg(feature = "gui")]

mod app_support;
mod engine_support;

use std::io::{Read, Write};
use std::net::TcpListener;
use std::path::Path;

use app_support::Lab;
use bevy::prelude::World;
use label_hub::app::action::Action;
use label_hub::app::facts::{AppFacts, ModelState};
use label_hub::app::model_files::ModelFiles;
use label_hub::app::notices::Notices;
use label_hub::app::state::Model;
use label_hub::engine::{DeviceChoice, ModelChoice, open_device};
use label_hub::models::{ModelsFolder, Speeds};

const TINY: &str = "sam2.1_hiera_tiny";

/// A server that answers every request with these bytes and then says nothing more. Gives its address.
fn server(answer: &'static [u8]) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = format!("http://{}/model.pt", listener.local_addr().expect("an address"));
    let answering = move || {
        let mut open = Vec::new();
        for stream in listener.incoming() {
            let mut stream = stream.expect("a connection");
            let mut request = [0; 4096];
            // Whoever asked may have gone already.
            let _ = stream.read(&mut request).and_then(|_| stream.write_all(answer)).and_then(|()| stream.flush());
            open.push(stream);
        }
    };
    std::thread::Builder::new().name("test-server".to_owned()).spawn(answering).expect("a thread");
    address
}

fn lab(folder: &Path, from: String) -> Lab {
    let mut lab = Lab::new();
    let mut files = ModelFiles::of(Some(ModelsFolder::at(folder)), Speeds::default());
    files.from = Some(from);
    lab.app.insert_resource(files);
    lab
}

fn wait_for_end(lab: &mut Lab) -> Vec<String> {
    lab.wait("the download is over", |world| world.resource::<ModelFiles>().job().is_none());
    lab.said()
}

#[test]
fn the_starter_is_loaded_by_name() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut lab = lab(folder.path(), String::new());
    lab.act(Action::UseModel("starter".to_owned()));
    lab.wait("the model is ready", |world| world.resource::<AppFacts>().model == ModelState::Ready);
    lab.act(Action::UseModel(TINY.to_owned()));
    let said = lab.said();
    assert!(said.last().is_some_and(|text| text.contains("label-hub models get")), "{said:?}");
}

#[test]
fn another_model_goes_on_with_the_device_that_was_chosen() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut lab = lab(folder.path(), String::new());
    lab.act(Action::UseModel("starter".to_owned()));
    lab.wait("the model is ready", |world| world.resource::<AppFacts>().model == ModelState::Ready);
    let choice = lab.app.world().resource::<Model>().choice.clone().expect("it was chosen");
    lab.act(Action::LoadModel(ModelChoice { device: DeviceChoice::CpuF32, resolution: Some(512), ..choice }));
    lab.act(Action::UseModel("starter".to_owned()));
    let has_own_size =
        |world: &World| world.resource::<Model>().choice.as_ref().is_some_and(|c| c.resolution.is_none());
    lab.wait("it is chosen anew", has_own_size);
    assert_eq!(lab.app.world().resource::<Model>().device(), DeviceChoice::CpuF32);
    lab.act(Action::OfferModel(folder.path().join("own.pt")));
    let notices = lab.app.world().resource::<Notices>().on_screen();
    let offered = notices.iter().flat_map(|notice| &notice.ways_out).find_map(|(_, action)| match action {
        Action::LoadModel(choice) => Some(choice.device),
        _ => None,
    });
    assert_eq!(offered, Some(DeviceChoice::CpuF32));
}

#[test]
fn a_download_can_be_stopped_and_one_comes_at_a_time() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let stalled = b"HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\nContent-Length: 156000000\r\n\r\nPK";
    let mut lab = lab(folder.path(), server(stalled));
    assert!(!lab.facts().has_model_job);
    lab.act(Action::GetModel(TINY.to_owned()));
    assert!(lab.facts().has_model_job);
    lab.act(Action::GetModel("sam2.1_hiera_small".to_owned()));
    let said = lab.said();
    assert!(said.last().is_some_and(|text| text.contains("One model at a time")), "{said:?}");
    lab.act(Action::StopModelJob);
    let said = wait_for_end(&mut lab);
    assert!(said.last().is_some_and(|text| text.contains("stopped")), "{said:?}");
    assert!(!folder.path().join(format!("{TINY}.pt")).exists());
}

#[test]
fn a_page_in_place_of_a_model_is_refused_with_a_way_on() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let page = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 13\r\n\r\n<html></html>";
    let mut lab = lab(folder.path(), server(page));
    lab.act(Action::GetModel(TINY.to_owned()));
    wait_for_end(&mut lab);
    let notices = lab.app.world().resource::<Notices>();
    let last = notices.on_screen().last().expect("it was told");
    assert!(last.ways_out.iter().any(|(_, action)| *action == Action::GetModel(TINY.to_owned())), "{last:?}");
    assert!(!folder.path().join(format!("{TINY}.pt")).exists());
}

#[test]
fn a_model_that_nobody_knows_is_loaded_after_a_question() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut lab = lab(folder.path(), String::new());
    lab.act(Action::OfferModel("/somewhere/mine.pt".into()));
    assert_eq!(lab.facts().model, ModelState::None, "nothing is loaded unasked");
    let notices = lab.app.world().resource::<Notices>();
    let last = notices.on_screen().last().expect("the question");
    assert!(matches!(&last.ways_out[..], [(_, Action::LoadModel(_))]), "{last:?}");
}

#[test]
fn a_file_that_is_no_model_is_found_out_without_a_download() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join(format!("{TINY}.pt"));
    std::fs::write(&file, b"not a model").expect("writable");
    // Whoever asked this address for anything would be told so.
    let mut lab = lab(folder.path(), "http://127.0.0.1:9/nothing.pt".to_owned());
    lab.act(Action::CheckModel(TINY.to_owned()));
    wait_for_end(&mut lab);
    let notices = lab.app.world().resource::<Notices>();
    let last = notices.on_screen().last().expect("it was told");
    assert!(last.text.contains(&format!("label-hub models remove {TINY}")), "{last:?}");
    assert!(last.ways_out.is_empty(), "trying again would not help: {last:?}");
    lab.act(Action::CheckModel("sam2.1_hiera_small".to_owned()));
    let said = wait_for_end(&mut lab);
    assert!(said.last().is_some_and(|text| text.contains("models get sam2.1_hiera_small")), "{said:?}");
}

/// The program, in a home of its own.
#[cfg(unix)]
fn program(home: &Path) -> std::path::PathBuf {
    use std::os::unix::fs::PermissionsExt;
    let script = home.join("label-hub");
    let program = env!("CARGO_BIN_EXE_label-hub");
    let text = format!("#!/bin/sh\nLABEL_HUB_HOME='{}' exec '{program}' \"$@\"\n", home.display());
    std::fs::write(&script, text).expect("writable");
    std::fs::set_permissions(&script, std::fs::Permissions::from_mode(0o755)).expect("ours");
    script
}

#[cfg(unix)]
#[test]
fn a_model_is_measured_and_its_cost_is_known() {
    let home = tempfile::tempdir().expect("a temporary folder");
    let mut lab = lab(home.path(), String::new());
    lab.app.world_mut().resource_mut::<ModelFiles>().program = Some(program(home.path()));
    lab.act(Action::MeasureModel("starter".to_owned()));
    assert!(lab.facts().has_model_job);
    let said = wait_for_end(&mut lab);
    assert!(said.last().is_some_and(|text| text.contains("a tracked frame")), "{said:?}");
    let here = open_device(DeviceChoice::Auto).expect("the processor is there").words();
    let speed = lab.app.world().resource::<ModelFiles>().speed("starter", &here).expect("it is known now");
    assert!(speed.tracked_frame_ms > 0.0, "{speed:?}");

    lab.act(Action::MeasureModel("starter".to_owned()));
    lab.act(Action::StopModelJob);
    let said = wait_for_end(&mut lab);
    assert!(said.last().is_some_and(|text| text.contains("stopped")), "{said:?}");
    lab.act(Action::MeasureModel(TINY.to_owned()));
    let said = wait_for_end(&mut lab);
    assert!(said.last().is_some_and(|text| text.contains("models get")), "{said:?}");
}
