//! Handles on the outputs, for all threads.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use config::Config;
use telemetry::Identity;

use super::{
    Account, Gate, OutputError,
    kinds::{KINDS, Kind},
    service::Service,
    stdout,
};

/// A handle on the outputs for other threads; cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Control(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    /// The configuration in force.
    config: Option<Config>,
    /// The accounts of all outputs since the start, in service or not.
    accounts: Vec<(&'static str, Arc<Account>)>,
    /// Where another process still writes.
    gate: Gate,
    running: Vec<Arc<Service>>,
    /// Outputs that were replaced, and have perhaps not ended yet.
    ending: Vec<Arc<Service>>,
}

/// The outputs that a changed configuration starts and stops. The new ones have started, the old
/// ones stay in service until [`Outputs::apply`](super::Outputs::apply). If this value is dropped
/// instead, the new ones end.
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
    /// A handle for outputs that begin when the gate opens.
    pub(super) fn behind(gate: Gate) -> Self {
        let control = Self::default();
        control.with(|state| state.gate = gate);
        control
    }

    fn with<T>(&self, action: impl FnOnce(&mut State) -> T) -> T {
        action(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Asks the outputs to open their files again (signal `USR1`).
    pub fn reopen(&self) {
        self.with(|state| {
            for output in &state.running {
                output.queue.reopen();
            }
        });
    }

    /// Name and account of each output since the start, in service or not.
    #[must_use]
    pub fn accounts(&self) -> Vec<(&'static str, Arc<Account>)> {
        self.with(|state| state.accounts.clone())
    }

    /// Whether the output to standard output is in service, and nobody reads there any more.
    #[must_use]
    pub fn is_unread(&self) -> bool {
        let writes = self.with(|state| state.running.iter().any(|output| output.name == "stdout"));
        writes && stdout::is_unread()
    }

    /// Name and account of each output in service.
    #[must_use]
    pub fn active(&self) -> Vec<(&'static str, Arc<Account>)> {
        self.with(|state| {
            let running = state.running.iter();
            running.map(|o| (o.name, o.queue.account())).collect()
        })
    }

    /// Starts the outputs that a changed configuration adds, beside those in service. This can take
    /// seconds, so the capture thread must not call it.
    ///
    /// # Errors
    /// If no output is enabled, or one cannot work for a lasting reason; nothing has changed then.
    pub fn prepare(
        &self,
        config: &Config,
        identity: &Arc<Identity>,
    ) -> Result<Change, OutputError> {
        if !KINDS.iter().any(|kind| (kind.enabled)(config)) {
            return Err(OutputError::None);
        }
        let (former, others, gate) = self.with(|state| {
            let others = state.running.iter().chain(&state.ending).cloned();
            let others: Vec<_> = others.collect();
            (state.config.clone(), others, state.gate.clone())
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
                let output = Service::start(kind, config, identity, account, (&others, &gate))?;
                change.started.push(Arc::new(output));
            }
        }
        Ok(change)
    }

    /// The account of an output; a restarted output keeps its former account.
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

    /// Takes new outputs into service, and lets the outputs that they replace end by themselves.
    /// Returns the outputs in service.
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

    /// All outputs that have not ended, replaced ones included.
    pub(super) fn all(&self) -> Vec<Arc<Service>> {
        self.with(|state| state.ending.iter().chain(&state.running).cloned().collect())
    }
}
