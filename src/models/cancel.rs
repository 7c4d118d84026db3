//! How a download is stopped from another thread: at once, also while it waits for a server that says nothing.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Stops what it was given to. Clones stop the same thing.
#[derive(Clone, Default)]
pub struct Cancel(Arc<Shared>);

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    was_cancelled: Condvar,
}

#[derive(Default)]
struct State {
    is_cancelled: bool,
    /// Its connections are closed when somebody cancels.
    agent: Option<ureq::Agent>,
}

impl Cancel {
    /// Stops it, now and for good.
    pub fn cancel(&self) {
        let agent = {
            let mut state = self.lock();
            state.is_cancelled = true;
            state.agent.take()
        };
        self.0.was_cancelled.notify_all();
        if let Some(agent) = agent {
            agent.shutdown();
        }
    }

    /// Whether somebody asked to stop.
    pub fn is_cancelled(&self) -> bool {
        self.lock().is_cancelled
    }

    /// Closes the connections of `agent` too when somebody cancels.
    pub(super) fn watch(&self, agent: &ureq::Agent) {
        self.lock().agent = Some(agent.clone());
    }

    /// Waits for so long, or until somebody cancels.
    pub(super) fn wait(&self, time: Duration) {
        let waited = self.0.was_cancelled.wait_timeout_while(self.lock(), time, |state| !state.is_cancelled);
        drop(waited.unwrap_or_else(PoisonError::into_inner));
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // A panic elsewhere leaves a flag and an agent, both whole.
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
