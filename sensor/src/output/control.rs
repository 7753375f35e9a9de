//! Which outputs there are, for all threads.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use config::Config;

use super::{
    Account, Identity, OutputError,
    kinds::{KINDS, Kind},
    service::Service,
};

/// A handle on the outputs for other threads; cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Control(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    /// What is in force.
    config: Option<Config>,
    /// Of each output that there has been, in service or not.
    accounts: Vec<(&'static str, Arc<Account>)>,
    running: Vec<Arc<Service>>,
    /// Replaced, and perhaps not at their end yet.
    ending: Vec<Arc<Service>>,
}

/// Outputs that another configuration starts and stops: the new ones have started,
/// the former ones are in service until [`Outputs::apply`](super::Outputs::apply).
/// If that is never called, the new ones end.
#[derive(Debug)]
#[must_use]
pub struct Change {
    control: Control,
    config: Config,
    started: Vec<Arc<Service>>,
    replaced: Vec<&'static str>,
}

impl Drop for Change {
    fn drop(&mut self) {
        let unused = self.started.drain(..);
        self.control.with(|state| {
            for output in unused {
                output.close(Instant::now());
                state.ending.push(output);
            }
        });
    }
}

impl Control {
    fn with<T>(&self, action: impl FnOnce(&mut State) -> T) -> T {
        action(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Asks for files to be opened again (`USR1`).
    pub fn reopen(&self) {
        self.with(|state| {
            for output in &state.running {
                output.queue.reopen();
            }
        });
    }

    /// Name and account of each output that there has been, in service or not.
    #[must_use]
    pub fn accounts(&self) -> Vec<(&'static str, Arc<Account>)> {
        self.with(|state| state.accounts.clone())
    }

    /// Name and account of each output in service.
    #[must_use]
    pub fn active(&self) -> Vec<(&'static str, Arc<Account>)> {
        self.with(|state| {
            let running = state.running.iter();
            running.map(|o| (o.name, o.queue.account())).collect()
        })
    }

    /// Starts what another configuration changes, beside what is in service. This may
    /// take seconds: it is not for the capture thread.
    ///
    /// # Errors
    /// If no output is enabled, or one cannot work for a reason that does not go away;
    /// nothing has changed then.
    pub fn prepare(
        &self,
        config: &Config,
        identity: &Arc<Identity>,
    ) -> Result<Change, OutputError> {
        if !KINDS.iter().any(|kind| (kind.enabled)(config)) {
            return Err(OutputError::None);
        }
        let (former, others) = self.with(|state| {
            let others = state.running.iter().chain(&state.ending).cloned();
            (state.config.clone(), others.collect::<Vec<_>>())
        });
        let mut change = Change {
            control: self.clone(),
            config: config.clone(),
            started: Vec::new(),
            replaced: Vec::new(),
        };
        let changed = |kind: &&Kind| kind.changes(former.as_ref(), config);
        for kind in KINDS.iter().filter(changed) {
            change.replaced.push(kind.name);
            if (kind.enabled)(config) {
                let account = self.account(kind.name);
                let output = Service::start(kind, config, identity, account, &others)?;
                change.started.push(Arc::new(output));
            }
        }
        Ok(change)
    }

    /// The account of an output: the one it had before, if it is started again.
    fn account(&self, name: &'static str) -> Arc<Account> {
        self.with(|state| {
            let known = state.accounts.iter().find(|(known, _)| *known == name);
            if let Some((_, account)) = known {
                return Arc::clone(account);
            }
            let account = Arc::<Account>::default();
            state.accounts.push((name, Arc::clone(&account)));
            account
        })
    }

    /// Takes new outputs into service, and lets those that they replace end by
    /// themselves. What is in service then.
    pub(super) fn take(&self, change: &mut Change) -> Vec<Arc<Service>> {
        self.with(|state| {
            let config = state.config.replace(change.config.clone());
            let time = config.map_or(Duration::ZERO, |config| config.sensor.stop_deadline.0);
            let deadline = Instant::now() + time;
            let (replaced, mut running): (Vec<_>, Vec<_>) = state
                .running
                .drain(..)
                .partition(|output| change.replaced.contains(&output.name));
            running.append(&mut change.started);
            state.running.clone_from(&running);
            state.ending.retain(|output| !output.has_ended());
            for output in replaced {
                output.close(deadline);
                state.ending.push(output);
            }
            running
        })
    }

    /// All that have not ended, replaced ones included.
    pub(super) fn all(&self) -> Vec<Arc<Service>> {
        self.with(|state| state.ending.iter().chain(&state.running).cloned().collect())
    }
}
