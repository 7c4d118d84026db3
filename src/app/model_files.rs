//! Model files in the window: which there are, what they cost here, and what is being done with one.
//!
//! The room `models` does the work on a thread of its own, and this program, started once more, measures; here their news
//! become notices. A file is also checked when it is loaded, on the model's thread. Nothing is downloaded without an
//! action that says so.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use bevy::prelude::*;

use crate::engine::{DeviceChoice, ModelChoice, ModelSource, available_kib, open_device};
use crate::models::{
    Entry, GetEvent, GetRequest, Getting, Got, HashStatus, Measured, ModelsError, ModelsFolder, Origin, Progress,
    Registry, STARTER_NAME, Speed, SpeedKey, Speeds, embedded, find, known,
};
use crate::sam2::checkpoint::{Checkpoint, CheckpointSource};

use super::action::Action;
use super::measuring::Measuring;
use super::notices::{Notices, Severity};
use super::state::{ActionQueue, Model, Waker};

/// The models the window knows.
#[derive(Resource, Default)]
pub struct ModelFiles {
    /// Where they lie; `None` when the system has no home folder.
    pub folder: Option<ModelsFolder>,
    /// Where downloads come from instead of the publisher; tests have a server of their own.
    pub from: Option<String>,
    /// The program that measures; this one. `None` when the system does not say where it is.
    pub program: Option<PathBuf>,
    /// What was measured on this machine.
    pub speeds: Speeds,
    /// Those of the registry that are here, looked up when something may have changed.
    here: Vec<Here>,
    /// What is being done.
    job: Option<Job>,
}

/// A model that can be used.
struct Here {
    id: String,
    /// `None` for one that ships in the program.
    file: Option<PathBuf>,
    /// `None` while the file is unchecked.
    sha256: Option<String>,
}

struct Job {
    id: String,
    work: Work,
}

enum Work {
    Getting { getting: Getting, progress: Progress },
    Measuring(Measuring),
}

/// What is being done with a model, for the panels.
#[derive(Debug, Clone, PartialEq)]
pub struct ModelJob<'a> {
    /// The model.
    pub id: &'a str,
    /// How far its download or check is; `None` while it is measured.
    pub progress: Option<&'a Progress>,
}

impl ModelFiles {
    /// The models of a folder, and those that ship, with what is known of their cost.
    pub fn of(folder: Option<ModelsFolder>, speeds: Speeds) -> Self {
        let program = std::env::current_exe().ok();
        let mut files = ModelFiles { folder, speeds, program, ..ModelFiles::default() };
        files.look();
        files
    }

    /// What is being done.
    pub fn job(&self) -> Option<ModelJob<'_>> {
        self.job.as_ref().map(|job| {
            let progress = match &job.work {
                Work::Getting { progress, .. } => Some(progress),
                Work::Measuring(_) => None,
            };
            ModelJob { id: &job.id, progress }
        })
    }

    fn here(&self, id: &str) -> Option<&Here> {
        self.here.iter().find(|here| here.id == id)
    }

    /// The file of a published model that is here.
    pub fn file(&self, id: &str) -> Option<&Path> {
        self.here(id)?.file.as_deref()
    }

    /// What a model that is here costs on a device, where it was measured.
    pub fn speed(&self, id: &str, device: &str) -> Option<Speed> {
        let sha256 = self.here(id)?.sha256.clone()?;
        self.speeds.get(&SpeedKey { sha256, device: device.to_owned(), threads: rayon::current_num_threads() })
    }

    /// The registry's name of what a choice loads, where it is one that is here.
    pub fn id_of(&self, choice: &ModelChoice) -> Option<&str> {
        let is_it = |here: &&Here| match (&choice.source, &here.file) {
            (ModelSource::Checkpoint(CheckpointSource::File(path)), Some(file)) => file == path,
            (ModelSource::Checkpoint(CheckpointSource::Embedded(model)), None) => model.name == here.id,
            _ => false,
        };
        self.here.iter().find(is_it).map(|here| here.id.as_str())
    }

    /// Looks again at what lies in the folder.
    fn look(&mut self) {
        let here = |entry: &Entry| {
            let file = match entry.origin {
                Origin::Program => None,
                Origin::Published { .. } => Some(self.folder.as_ref()?.installed(&entry.id)?),
            };
            let sha256 = match &file {
                None => shipped_hash(&entry.id),
                // What is wrong with it is told when it is used.
                Some(file) => known(entry, file).ok().flatten().map(|checked| checked.sha256),
            };
            Some(Here { id: entry.id.clone(), file, sha256 })
        };
        self.here = Registry::builtin().entries().iter().filter_map(here).collect();
    }

    /// The model to start with when none was chosen before: of the published ones that are here and do not need more
    /// memory than there is, the best that was measured to be quick; on a GPU the best, elsewhere the quickest where none
    /// was. Else the one that ships.
    pub fn sensible(&self) -> Option<ModelChoice> {
        // A build that can use a GPU need not run where there is one: what opening it gives counts.
        let device = open_device(DeviceChoice::Auto).ok()?;
        let id = self.sensible_on(&device.words(), !device.device.is_cpu());
        choice_of(id.as_deref().unwrap_or(STARTER_NAME), self.folder.as_ref(), DeviceChoice::Auto).ok()
    }

    /// The registry's name of the published model that [`ModelFiles::sensible`] chooses on a device.
    fn sensible_on(&self, device: &str, is_gpu: bool) -> Option<String> {
        let free_mib = available_kib().map(|kib| kib / 1024);
        let families = ["sam2.1", "sam2"].iter();
        let best_first = families
            .flat_map(|family| ["large", "base_plus", "small", "tiny"].map(|size| format!("{family}_hiera_{size}")));
        let here: Vec<(String, Option<Speed>)> = best_first
            .filter(|id| self.file(id).is_some())
            .map(|id| (id.clone(), self.speed(&id, device)))
            .filter(|(_, speed)| fits(*speed, free_mib))
            .collect();
        most_sensible(&here, is_gpu).map(str::to_owned)
    }
}

/// A tracked frame that takes longer than this makes a labeller wait.
const QUICK_MS: f64 = 1000.0;

fn fits(speed: Option<Speed>, free_mib: Option<u64>) -> bool {
    let needed = speed.and_then(|speed| speed.memory_mib);
    needed.zip(free_mib).is_none_or(|(needed, free)| needed <= free)
}

/// See [`ModelFiles::sensible`]; `here` is best first.
fn most_sensible(here: &[(String, Option<Speed>)], is_gpu: bool) -> Option<&str> {
    let is_quick = |speed: &Speed| speed.tracked_frame_ms <= QUICK_MS;
    let quick = here.iter().find(|(_, speed)| speed.as_ref().is_some_and(is_quick));
    // The last of the newer family, which comes first, is the quickest that is not older than it need be.
    let quickest = || here.iter().rev().find(|(id, _)| id.starts_with("sam2.1")).or(here.last());
    let chosen = quick.or_else(|| if is_gpu { here.first() } else { quickest() });
    chosen.map(|(id, _)| id.as_str())
}

/// The hash of a model that ships in the program; taken once.
fn shipped_hash(id: &str) -> Option<String> {
    static HASH: OnceLock<Option<String>> = OnceLock::new();
    if id != STARTER_NAME {
        return None;
    }
    let take = || Checkpoint::of(&CheckpointSource::Embedded(embedded(STARTER_NAME)?)).ok()?.sha256().ok();
    HASH.get_or_init(take).clone()
}

fn choice_of(id: &str, folder: Option<&ModelsFolder>, device: DeviceChoice) -> Result<ModelChoice, ModelsError> {
    let source = ModelSource::Checkpoint(find(Path::new(id), folder)?);
    Ok(ModelChoice { source, device, resolution: None })
}

/// Acts on what the labeller wants with model files.
pub(super) fn perform(world: &mut World, action: &Action) {
    match action {
        Action::GetModel(id) => work_on_file(world, id, Getting::start),
        Action::CheckModel(id) => work_on_file(world, id, Getting::start_check),
        Action::MeasureModel(id) => measure(world, id),
        Action::StopModelJob => match world.resource_mut::<ModelFiles>().job.as_mut().map(|job| &mut job.work) {
            Some(Work::Getting { getting, .. }) => getting.cancel(),
            Some(Work::Measuring(measuring)) => measuring.stop(),
            None => {}
        },
        Action::RemoveModel(id) => remove(world, id),
        Action::UseModel(id) => {
            let device = world.resource::<Model>().device();
            let choice = choice_of(id, world.resource::<ModelFiles>().folder.as_ref(), device);
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
        device: world.resource::<Model>().device(),
        resolution: None,
    };
    let text = format!(
        "{}: Label Hub does not know where this model comes from. It reads weights only and runs nothing from the file.",
        path.display()
    );
    say(world, Severity::Warning, text, vec![("Load it".to_owned(), Action::LoadModel(choice))]);
}

/// [`Getting::start`] or [`Getting::start_check`].
type Start = fn(GetRequest, Box<dyn Fn() + Send>) -> Result<Getting, ModelsError>;

fn work_on_file(world: &mut World, id: &str, start: Start) {
    let files = world.resource::<ModelFiles>();
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
    match start(request, Box::new(move || waker())) {
        Ok(getting) => {
            let work = Work::Getting { getting, progress: Progress::Connecting };
            world.resource_mut::<ModelFiles>().job = Some(Job { id: id.to_owned(), work });
        }
        Err(error) => say(world, Severity::Error, error.to_string(), Vec::new()),
    }
}

/// Starts this program once more to measure a model.
fn measure(world: &mut World, id: &str) {
    let Some(program) = world.resource::<ModelFiles>().program.clone() else {
        let text = format!("This system does not say where Label Hub's program is. Run: label-hub models measure {id}");
        return say(world, Severity::Error, text, Vec::new());
    };
    let waker = world.resource::<Waker>().0.clone();
    match Measuring::start(&program, id, move || waker()) {
        Ok(measuring) => {
            let job = Job { id: id.to_owned(), work: Work::Measuring(measuring) };
            world.resource_mut::<ModelFiles>().job = Some(job);
        }
        Err(error) => {
            let text = format!("{}: it cannot be started to measure {id}: {error}", program.display());
            say(world, Severity::Error, text, Vec::new());
        }
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

/// Takes up the news of what is being done with a model.
pub(super) fn receive_model_files(world: &mut World) {
    let mut files = world.resource_mut::<ModelFiles>();
    let ended = match files.job.as_mut().map(|job| &mut job.work) {
        None => None,
        Some(Work::Measuring(measuring)) => measuring.ended().map(Ended::Measured),
        Some(Work::Getting { getting, progress }) => {
            let mut ended = None;
            for event in getting.events().try_iter() {
                match event {
                    GetEvent::Progress(news) => *progress = news,
                    GetEvent::Ended(result) => ended = Some(Ended::Got(result)),
                }
            }
            ended
        }
    };
    let Some(ended) = ended else { return };
    let id = files.job.take().expect("it was just there").id;
    files.look();
    match ended {
        Ended::Got(Ok(got)) => {
            let ways_out = vec![("Use it".to_owned(), Action::UseModel(id.clone()))];
            say(world, Severity::Info, here_text(&id, &got), ways_out);
        }
        Ended::Got(Err(ModelsError::Cancelled)) => {
            let text = format!("{id}: stopped; what has come is kept, and the next try goes on there.");
            say(world, Severity::Info, text, Vec::new());
        }
        // A file that is wrong is not mended by trying again; its words say what to do.
        Ended::Got(Err(error)) if files_of(world).file(&id).is_some() => {
            say(world, Severity::Error, error.to_string(), Vec::new());
        }
        Ended::Got(Err(error)) => {
            let again = ("Try again".to_owned(), Action::GetModel(id));
            say(world, Severity::Error, error.to_string(), vec![again]);
        }
        Ended::Measured(Ok(Measured { key, speed })) => {
            let text = format!("{id}: {}", in_words(speed));
            files_of(world).speeds.know(&key, speed);
            say(world, Severity::Info, text, Vec::new());
        }
        Ended::Measured(Err(reason)) => {
            say(world, Severity::Error, format!("{id} could not be measured: {reason}"), Vec::new());
        }
    }
}

enum Ended {
    Got(Result<Got, ModelsError>),
    Measured(Result<Measured, String>),
}

fn files_of(world: &mut World) -> Mut<'_, ModelFiles> {
    world.resource_mut::<ModelFiles>()
}

/// What a model costs here, as it is told.
pub fn in_words(speed: Speed) -> String {
    let memory = speed.memory_mib.map_or_else(String::new, |mib| format!(", {:.1} GB of memory", mib as f64 / 1024.0));
    format!(
        "{} a tracked frame of one object, {} until a click on a new frame is answered{memory}",
        secs(speed.tracked_frame_ms),
        secs(speed.encode_ms)
    )
}

/// A time as short as it may be.
pub fn secs(ms: f64) -> String {
    if ms < 1000.0 { format!("{ms:.0} ms") } else { format!("{:.1} s", ms / 1000.0) }
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

#[cfg(test)]
mod tests {
    use super::*;

    fn took(ms: f64, memory_mib: u64) -> Option<Speed> {
        Some(Speed { encode_ms: ms, tracked_frame_ms: ms, image_size: 1024, memory_mib: Some(memory_mib) })
    }

    #[test]
    fn the_best_quick_model_is_sensible_and_without_measurements_the_quickest() {
        let sensible = |here: &[(&str, Option<Speed>)], is_gpu| {
            let here: Vec<_> = here.iter().map(|(id, speed)| ((*id).to_owned(), *speed)).collect();
            most_sensible(&here, is_gpu).map(str::to_owned)
        };
        let (large, tiny, old) = ("sam2.1_hiera_large", "sam2.1_hiera_tiny", "sam2_hiera_tiny");
        assert_eq!(sensible(&[], false), None);
        assert_eq!(sensible(&[(large, None), (tiny, None), (old, None)], false).as_deref(), Some(tiny));
        assert_eq!(sensible(&[(large, None), (tiny, None)], true).as_deref(), Some(large));
        assert_eq!(sensible(&[(large, took(900.0, 1)), (tiny, took(90.0, 1))], false).as_deref(), Some(large));
        assert_eq!(sensible(&[(large, took(9000.0, 1)), (tiny, took(5000.0, 1))], false).as_deref(), Some(tiny));
        assert_eq!(sensible(&[(old, None)], false).as_deref(), Some(old));
    }

    #[test]
    fn what_was_measured_counts_on_the_device_it_was_measured_on() {
        let (large, tiny) = ("sam2.1_hiera_large", "sam2.1_hiera_tiny");
        let mut files = ModelFiles::default();
        for id in [large, tiny] {
            files.here.push(Here { id: id.to_owned(), file: Some(id.into()), sha256: Some(id.to_owned()) });
        }
        let sensible = |files: &ModelFiles, device, is_gpu| files.sensible_on(device, is_gpu).expect("one is here");
        let know = |files: &mut ModelFiles, id: &str, device: &str, ms| {
            let threads = rayon::current_num_threads();
            let key = SpeedKey { sha256: id.to_owned(), device: device.to_owned(), threads };
            files.speeds.know(&key, took(ms, 1).expect("a speed"));
        };
        know(&mut files, large, "CPU", 9000.0);
        know(&mut files, tiny, "CPU", 900.0);
        assert_eq!(sensible(&files, "CPU", false), tiny);
        assert_eq!(sensible(&files, "CUDA 0", true), large, "nothing was measured there");
        know(&mut files, large, "CUDA 0", 9000.0);
        know(&mut files, tiny, "CUDA 0", 900.0);
        assert_eq!(sensible(&files, "CUDA 0", true), tiny, "an old GPU");
    }

    #[test]
    fn a_model_that_needs_more_memory_than_there_is_does_not_fit() {
        assert!(!fits(took(1.0, 4000), Some(2000)));
        assert!(fits(took(1.0, 2000), Some(2000)));
        assert!(fits(None, Some(10)) && fits(took(1.0, 4000), None));
    }

    #[test]
    fn times_are_told_in_the_unit_that_fits() {
        assert_eq!((secs(64.4), secs(5251.7)), ("64 ms".to_owned(), "5.3 s".to_owned()));
    }
}
