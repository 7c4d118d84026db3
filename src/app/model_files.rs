//! Model files in the window: which there are, and the one that somebody asked for on its way here.
//!
//! The room `models` does the work on a thread of its own; here its news become notices. A file is checked when it is
//! loaded, on the model's thread. Nothing is downloaded without an action that says so.

use std::path::{Path, PathBuf};

use bevy::prelude::*;

use crate::engine::{DeviceChoice, ModelChoice, ModelSource};
use crate::models::{
    Entry, GetEvent, GetRequest, Getting, Got, HashStatus, ModelsError, ModelsFolder, Origin, Progress, Registry, find,
};

use super::action::Action;
use super::notices::{Notices, Severity};
use super::state::{ActionQueue, Waker};

/// The models the window knows.
#[derive(Resource, Default)]
pub struct ModelFiles {
    /// Where they lie; `None` when the system has no home folder.
    pub folder: Option<ModelsFolder>,
    /// Where downloads come from instead of the publisher; tests have a server of their own.
    pub from: Option<String>,
    /// Those of the registry whose file is here, looked up when something may have changed.
    here: Vec<(String, PathBuf)>,
    /// What is on its way.
    under_way: Option<UnderWay>,
}

struct UnderWay {
    id: String,
    getting: Getting,
    progress: Progress,
}

/// A download or check, for the panels.
#[derive(Debug, Clone, PartialEq)]
pub struct ModelProgress<'a> {
    /// The model.
    pub id: &'a str,
    /// How far it is.
    pub progress: &'a Progress,
}

impl ModelFiles {
    /// The models of a folder.
    pub fn of(folder: Option<ModelsFolder>) -> Self {
        let mut files = ModelFiles { folder, ..ModelFiles::default() };
        files.look();
        files
    }

    /// What is on its way.
    pub fn progress(&self) -> Option<ModelProgress<'_>> {
        self.under_way.as_ref().map(|way| ModelProgress { id: &way.id, progress: &way.progress })
    }

    /// The file of a model that is here.
    pub fn file(&self, id: &str) -> Option<&Path> {
        self.here.iter().find(|(known, _)| known == id).map(|(_, path)| path.as_path())
    }

    /// Looks again at what lies in the folder.
    fn look(&mut self) {
        let Some(folder) = &self.folder else { return };
        let entries = Registry::builtin().entries().iter();
        self.here = entries.filter_map(|entry| Some((entry.id.clone(), folder.installed(&entry.id)?))).collect();
    }

    /// The model to start with when none was chosen before: a published one that is here, quick ones first where there is
    /// no GPU, the best first where there is; else the one that ships.
    pub fn sensible(&self) -> Option<ModelChoice> {
        let sizes = if cfg!(any(feature = "cuda", feature = "metal")) {
            ["large", "base_plus", "small", "tiny"]
        } else {
            ["tiny", "small", "base_plus", "large"]
        };
        let names = ["sam2.1", "sam2"].iter().flat_map(|family| sizes.map(|size| format!("{family}_hiera_{size}")));
        let here = names.into_iter().find(|name| self.file(name).is_some());
        choice_of(&here.unwrap_or_else(|| crate::models::STARTER_NAME.to_owned()), self.folder.as_ref()).ok()
    }
}

fn choice_of(id: &str, folder: Option<&ModelsFolder>) -> Result<ModelChoice, ModelsError> {
    let source = ModelSource::Checkpoint(find(Path::new(id), folder)?);
    Ok(ModelChoice { source, device: DeviceChoice::Auto, resolution: None })
}

/// Acts on what the labeller wants with model files.
pub(super) fn perform(world: &mut World, action: &Action) {
    match action {
        Action::GetModel(id) => begin(world, id),
        Action::StopGettingModel => {
            if let Some(way) = &world.resource::<ModelFiles>().under_way {
                way.getting.cancel();
            }
        }
        Action::RemoveModel(id) => remove(world, id),
        Action::UseModel(id) => {
            let choice = choice_of(id, world.resource::<ModelFiles>().folder.as_ref());
            match choice {
                Ok(choice) => world.resource_mut::<ActionQueue>().send(Action::LoadModel(choice)),
                Err(error) => say(world, Severity::Error, error.to_string(), Vec::new()),
            }
        }
        Action::OfferModel(path) => offer(world, path),
        _ => unreachable!("perform sends actions about model files here"),
    }
}

/// A model file that nobody knows was let go over the window.
fn offer(world: &mut World, path: &Path) {
    let choice = ModelChoice {
        source: ModelSource::Checkpoint(path.to_owned().into()),
        device: DeviceChoice::Auto,
        resolution: None,
    };
    let text = format!(
        "{}: Label Hub does not know where this model comes from. It reads weights only and runs nothing from the file.",
        path.display()
    );
    say(world, Severity::Warning, text, vec![("Load it".to_owned(), Action::LoadModel(choice))]);
}

fn begin(world: &mut World, id: &str) {
    let files = world.resource::<ModelFiles>();
    if let Some(way) = &files.under_way {
        let text = format!("{} is on its way; one model comes at a time.", way.id);
        return say(world, Severity::Info, text, Vec::new());
    }
    let Some(folder) = files.folder.clone() else {
        return say(world, Severity::Error, ModelsError::NoFolder.to_string(), Vec::new());
    };
    let Some(entry) = Registry::builtin().get(id).cloned() else {
        let known = Registry::builtin().names();
        let error = ModelsError::Unknown { name: id.to_owned(), known };
        return say(world, Severity::Error, error.to_string(), Vec::new());
    };
    let waker = world.resource::<Waker>().0.clone();
    let request = GetRequest { from: files.from.clone(), ..GetRequest::new(entry, folder) };
    match Getting::start(request, move || waker()) {
        Ok(getting) => {
            let way = UnderWay { id: id.to_owned(), getting, progress: Progress::Connecting };
            world.resource_mut::<ModelFiles>().under_way = Some(way);
        }
        Err(error) => say(world, Severity::Error, error.to_string(), Vec::new()),
    }
}

fn remove(world: &mut World, id: &str) {
    let files = world.resource::<ModelFiles>();
    let (Some(folder), Some(entry)) = (files.folder.clone(), Registry::builtin().get(id)) else { return };
    match folder.remove(entry) {
        Ok(removed) => {
            let names: Vec<String> = removed.iter().map(|path| path.display().to_string()).collect();
            say(world, Severity::Info, format!("Removed {}.", names.join(" and ")), Vec::new());
        }
        Err(error) => say(world, Severity::Error, error.to_string(), Vec::new()),
    }
    world.resource_mut::<ModelFiles>().look();
}

/// Takes the news of a download up.
pub(super) fn receive_model_files(world: &mut World) {
    let mut files = world.resource_mut::<ModelFiles>();
    let Some(way) = &mut files.under_way else { return };
    let mut ended = None;
    for event in way.getting.events().try_iter() {
        match event {
            GetEvent::Progress(progress) => way.progress = progress,
            GetEvent::Ended(result) => ended = Some(result),
        }
    }
    let Some(result) = ended else { return };
    let way = files.under_way.take().expect("it was just there");
    files.look();
    match result {
        Ok(got) => {
            let ways_out = vec![("Use it".to_owned(), Action::UseModel(way.id.clone()))];
            say(world, Severity::Info, here_text(&way.id, &got), ways_out);
        }
        Err(ModelsError::Cancelled) => {
            let text = format!("{}: stopped; what has come is kept, and the next try goes on there.", way.id);
            say(world, Severity::Info, text, Vec::new());
        }
        Err(error) => {
            let again = ("Try again".to_owned(), Action::GetModel(way.id));
            say(world, Severity::Error, error.to_string(), vec![again]);
        }
    }
}

fn here_text(id: &str, got: &Got) -> String {
    let hash = match got.file.status {
        HashStatus::Published => "its hash is the publisher's".to_owned(),
        HashStatus::FirstSeen => {
            format!(
                "SHA-256 {}…, unverified: the first seen on this machine, later files must match",
                &got.file.sha256[..16]
            )
        }
    };
    format!("{id} is here: {:.0} MB, {hash}.", got.file.bytes as f64 / 1e6)
}

fn say(world: &mut World, severity: Severity, text: String, ways_out: Vec<(String, Action)>) {
    world.resource_mut::<Notices>().push(severity, text, ways_out);
}

/// What is said of where a model comes from, before it is downloaded.
pub fn terms(entry: &Entry, folder: &ModelsFolder) -> Option<String> {
    match &entry.origin {
        Origin::Program => None,
        Origin::Published { address, about_bytes, .. } => Some(format!(
            "About {:.0} MB from {address}, licence {}. Without a network: put the file at {}.",
            *about_bytes as f64 / 1e6,
            entry.licence,
            folder.file(entry).display()
        )),
    }
}
