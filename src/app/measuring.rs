//! Measures a model in a program of its own: `label-hub models measure`, started by the window. The memory it takes is
//! then that model's alone, and stopping it leaves nothing behind. It knows nothing of what the window shows.

use std::io::{self, Read};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;

use crossbeam_channel::{Receiver, bounded};

use crate::models::Measured;

/// A measurement that is going on. Dropping it stops it.
pub struct Measuring {
    child: Child,
    /// What the program said on standard output and standard error, once it has closed both.
    said: Receiver<io::Result<[String; 2]>>,
    is_stopped: bool,
}

impl Measuring {
    /// Starts it; `waker` is called when it has ended.
    ///
    /// # Errors
    /// When the program or a thread cannot be started.
    pub fn start(program: &Path, id: &str, waker: impl Fn() + Send + 'static) -> io::Result<Self> {
        let mut command = Command::new(program);
        command.args(["models", "measure", id, "--json"]);
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
        let mut stdout = child.stdout.take().expect("piped");
        let mut stderr = child.stderr.take().expect("piped");
        let (sender, said) = bounded(1);
        // From here on dropping it ends the child.
        let measuring = Measuring { child, said, is_stopped: false };
        let listen = move || {
            let mut texts = [String::new(), String::new()];
            // It says little on standard error: nothing waits there for standard output to end.
            let read = stdout.read_to_string(&mut texts[0]).and_then(|_| stderr.read_to_string(&mut texts[1]));
            // Whoever asked may have gone.
            if sender.send(read.map(|_| texts)).is_ok() {
                waker();
            }
        };
        thread::Builder::new().name("measuring".to_owned()).spawn(listen)?;
        Ok(measuring)
    }

    /// What was measured, or why not; `None` while it goes on.
    pub fn ended(&mut self) -> Option<Result<Measured, String>> {
        let said = self.said.try_recv().ok()?;
        // It has closed its output, so it is at its end.
        let status = self.child.wait();
        if self.is_stopped {
            return Some(Err("stopped".to_owned()));
        }
        Some(match (said, status) {
            (Ok([line, _]), Ok(status)) if status.success() => {
                serde_json::from_str(&line).map_err(|e| format!("what it said makes no sense ({e}): {line}"))
            }
            (Ok([_, words]), Ok(status)) => Err(if words.trim().is_empty() { status.to_string() } else { words }),
            (Err(error), _) | (_, Err(error)) => Err(error.to_string()),
        })
    }

    /// Stops it; [`Measuring::ended`] then says so.
    pub fn stop(&mut self) {
        self.is_stopped = true;
        // It may have ended by itself.
        self.child.kill().ok();
    }
}

impl Drop for Measuring {
    fn drop(&mut self) {
        self.stop();
        self.child.wait().ok();
    }
}
