//! One output in service: its queue and its threads.

use std::{
    path::PathBuf,
    sync::{Arc, atomic::Ordering::Relaxed},
    time::{Duration, Instant},
};

use config::Config;
use telemetry::Identity;
use tracing::error;

use super::{
    Account, Form, Gate, OutputError, Queue,
    kinds::Kind,
    worker::{Worker, expired},
};

/// How often an output checks whether the output that it replaces has ended.
const LOOK: Duration = Duration::from_millis(20);
/// Pause after a start that failed.
const AGAIN: Duration = Duration::from_secs(1);

/// One output in service.
#[derive(Debug)]
pub(super) struct Service {
    pub(super) name: &'static str,
    pub(super) queue: Arc<Queue>,
    /// The form of its lines.
    pub(super) form: Form,
    workers: Vec<Worker>,
    /// Whether the stop waits for a stalled system call, since the process cannot leave it behind.
    patient: bool,
    places: Vec<PathBuf>,
}

impl Service {
    /// Starts an output. If one of the others, or another process, writes to the same place, the new
    /// output begins when that one has ended; until then its lines wait.
    pub(super) fn start(
        kind: &'static Kind,
        config: &Config,
        identity: &Arc<Identity>,
        account: Arc<Account>,
        (others, gate): (&[Arc<Self>], &Gate),
    ) -> Result<Self, OutputError> {
        let places = (kind.places)(config, identity);
        let shares = |other: &Self| other.places.iter().any(|place| places.contains(place));
        let former: Vec<_> = others
            .iter()
            .filter(|other| shares(other) && !other.has_ended())
            .cloned()
            .collect();
        let queue = Arc::new(Queue::new((kind.limit)(config), account));
        let is_kept_out = gate.is_closed() && !places.is_empty();
        let workers = if former.is_empty() && !is_kept_out {
            (kind.start)(config, identity, &queue)?
        } else {
            if is_kept_out {
                (kind.try_places)(config, identity)?;
            }
            let (config, identity) = (config.clone(), Arc::clone(identity));
            let (its, gate) = (Arc::clone(&queue), gate.clone());
            let follow = move || follow(&former, &gate, kind, (&config, &identity), &its);
            vec![Worker::spawn("out-next", &queue, follow)?]
        };
        Ok(Self {
            name: kind.name,
            queue,
            form: (kind.form)(),
            workers,
            patient: kind.patient,
            places,
        })
    }

    /// Sets the deadline of the output, unless it has an earlier one.
    pub(super) fn close(&self, deadline: Instant) {
        if self
            .queue
            .deadline()
            .is_none_or(|current| current > deadline)
        {
            self.queue.close(deadline);
        }
    }

    pub(super) fn has_ended(&self) -> bool {
        self.workers.iter().all(Worker::has_ended)
    }

    /// Waits for the threads: a little longer than the deadline, and for a file as long as the file
    /// system blocks, because the process could not end either. False if the output is stuck where
    /// no deadline reaches it, with lines in its hands.
    pub(super) fn finish(&self, deadline: Instant) -> bool {
        let grace = Duration::from_millis(500);
        for worker in &self.workers {
            let mut until = deadline + grace;
            while !worker.wait(until) {
                if !self.patient {
                    error!("output {} does not stop; left behind", self.name);
                    return false;
                }
                until = Instant::now() + grace;
            }
        }
        true
    }
}

/// Waits for those that write to the same place, starts the output, and returns when it has ended.
fn follow(
    former: &[Arc<Service>],
    gate: &Gate,
    kind: &Kind,
    (config, identity): (&Config, &Arc<Identity>),
    queue: &Arc<Queue>,
) {
    while gate.is_closed() || former.iter().any(|former| !former.has_ended()) {
        if expired(queue) {
            queue.abandon();
            return;
        }
        std::thread::sleep(LOOK);
    }
    let mut failing = false;
    loop {
        let error = match (kind.start)(config, identity, queue) {
            Ok(workers) => return workers.into_iter().for_each(Worker::join),
            Err(error) => error,
        };
        let account = queue.account();
        account.errors.fetch_add(1, Relaxed);
        account.healthy.store(false, Relaxed);
        if !std::mem::replace(&mut failing, true) {
            error!("{error}; lines wait");
        }
        if queue.sleep(Instant::now() + AGAIN) {
            queue.abandon();
            return;
        }
    }
}
