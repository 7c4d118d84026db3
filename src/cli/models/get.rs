//! `label-hub models get NAME`: says what would be downloaded, asks, downloads, and says what is here then.

use std::io::{self, IsTerminal};
use std::time::Duration;

use crossbeam_channel::RecvTimeoutError;
use serde::Serialize;

use super::{GetArgs, entry, megabytes, shown};
use crate::cli::exit::{CliError, Exit};
use crate::cli::progress::Reporter;
use crate::cli::signals::StopFlag;
use crate::models::{GetEvent, GetRequest, Getting, Got, ModelsFolder, Origin, Progress, STARTER_NOTE};

/// How often Ctrl-C is looked for while nothing happens.
const PATIENCE: Duration = Duration::from_millis(100);

#[derive(Serialize)]
#[serde(tag = "event", rename = "done")]
struct Done {
    name: String,
    path: String,
    bytes: u64,
    sha256: String,
    /// What vouches for the hash, in words.
    hash: String,
    was_here: bool,
}

/// Runs it. `ask` puts a question to whoever is there.
pub fn run(args: &GetArgs, ask: &mut dyn FnMut(&str) -> Option<bool>) -> Result<Exit, CliError> {
    let entry = entry(&args.name)?;
    let (mut stdout, mut stderr) = (io::stdout(), io::stderr());
    let mut reporter = Reporter::new(args.json, io::stderr().is_terminal(), &mut stdout, &mut stderr).in_bytes();
    let Origin::Published { address, about_bytes, .. } = &entry.origin else {
        let message = format!("{} ships in the program, there is nothing to download: {STARTER_NOTE}", entry.id);
        reporter.notice(&message)?;
        return Ok(Exit::Success);
    };
    let folder = ModelsFolder::of_user()?;
    let address = args.from.as_ref().unwrap_or(address);
    if !args.yes && folder.installed(&entry.id).is_none() {
        let file = folder.file(entry);
        let offer = format!(
            "{}: about {} from {address}\ninto {}\nlicence: {}; good for {}",
            entry.id,
            megabytes(*about_bytes),
            file.display(),
            entry.licence,
            entry.good_for
        );
        match ask(&format!("{offer}\nDownload it?")) {
            Some(true) => {}
            Some(false) => {
                reporter.stopped("Nothing was downloaded.", None)?;
                return Ok(Exit::SomeFailed);
            }
            None => {
                let message = format!(
                    "{offer}\nNobody is here to say yes; add --yes to download it, or put the file there by hand"
                );
                return Err(CliError::usage(message));
            }
        }
    }
    let stop = StopFlag::install_for_command()?;
    let mut request = GetRequest::new(entry.clone(), folder);
    request.from.clone_from(&args.from);
    let getting = Getting::start(request, || {})?;
    let ended = follow(&getting, &stop, &mut reporter);
    reporter.clear();
    match (ended?, stop.requested()) {
        (Ok(got), _) => {
            let (done, words) = result(&args.name, got);
            reporter.result(&done, &words)?;
            Ok(Exit::Success)
        }
        (Err(error), Some(exit)) => {
            reporter.stopped(&error.to_string(), None)?;
            Ok(exit)
        }
        (Err(error), None) => Err(error.into()),
    }
}

type Ended = Result<Got, crate::models::ModelsError>;

/// Shows what happens until it is over.
fn follow(getting: &Getting, stop: &StopFlag, reporter: &mut Reporter<'_>) -> Result<Ended, CliError> {
    loop {
        if stop.requested().is_some() {
            getting.cancel();
        }
        match getting.events().recv_timeout(PATIENCE) {
            Ok(GetEvent::Progress(Progress::Connecting)) => reporter.progress("connecting", 0, None)?,
            Ok(GetEvent::Progress(Progress::Downloading { done, total, .. })) => {
                reporter.progress("downloading", done, total)?;
            }
            Ok(GetEvent::Progress(Progress::Checking { done, total })) => {
                reporter.progress("checking", done, Some(total))?;
            }
            Ok(GetEvent::Progress(Progress::Retrying { reason, wait })) => {
                reporter.notice(&format!("{reason}; trying again in {:.0} s", wait.as_secs_f64().ceil()))?;
            }
            Ok(GetEvent::Ended(ended)) => return Ok(ended),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => {
                let message = "the download ended without a word, which is a defect of this program; try again";
                return Err(CliError::new(Exit::Model, message));
            }
        }
    }
}

fn result(name: &str, got: Got) -> (Done, String) {
    let Got { file, was_here } = got;
    let words = format!(
        "{name} {}: {} ({})\nSHA-256 {} ({})",
        if was_here { "was here already" } else { "is here" },
        file.path.display(),
        megabytes(file.bytes),
        file.sha256,
        file.status
    );
    let done = Done {
        name: name.to_owned(),
        path: shown(file.path),
        bytes: file.bytes,
        sha256: file.sha256,
        hash: file.status.to_string(),
        was_here,
    };
    (done, words)
}
