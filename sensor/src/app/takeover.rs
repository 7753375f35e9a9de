//! The sensor's life beside another sensor: it stands by until it has taken over, and hands over.

use std::{
    os::fd::{AsFd, BorrowedFd},
    sync::mpsc,
    time::{Duration, Instant},
};

use anyhow::{Context as _, bail};
use falco_rules::Priority;
use outputs::internal::Record;
use telemetry::Condition;
use tracing::{info, warn};

use super::{
    gap::{self, Heartbeat, Moment},
    monitor::judge,
    observe::Running,
    readiness::Readiness,
};
use crate::{
    cli::Args,
    lifecycle::{Instance, Request, StateFolder},
    observers::Observers,
    sources::syscall::self_test::SelfTest,
    takeover::{Door, Handing, How, Locks, Predecessor, Step, Took, hand_over},
};

/// How long a sensor that is to take over at once may need to become ready.
const PATIENCE: Duration = Duration::from_mins(1);
/// How often it looks at its health.
const LOOK: Duration = Duration::from_millis(200);

/// What belongs to the one sensor of an instance.
#[derive(Default)]
pub(super) struct Own {
    pub(super) state: Option<StateFolder>,
    /// Nobody else gets the name of the instance.
    instance: Option<Instance>,
    observers: Option<Observers>,
    door: Option<Door>,
}

impl Own {
    /// Opens the doors in the state folder.
    pub(super) fn new(
        running: &Running,
        state: Option<StateFolder>,
        instance: Option<Instance>,
    ) -> Self {
        let mut own = Self {
            state,
            instance,
            ..Self::default()
        };
        let Some(state) = &own.state else {
            return own;
        };
        let (telemetry, ledger) = (&running.telemetry, &running.ledger);
        let recorders = running.observers.clone();
        match Observers::listen(&state.door(), telemetry, ledger, recorders) {
            Ok(observers) => own.observers = Some(observers),
            Err(error) => warn!("`sensor watch` cannot attach to this sensor: {error}"),
        }
        match own.open_door(state, running) {
            Ok(door) => own.door = Some(door),
            Err(error) => warn!("no other sensor can take over from this one: {error:#}"),
        }
        own
    }

    /// Closes the doors; the locks stay until the process ends.
    pub(super) fn close(&mut self) {
        self.door = None;
        self.observers = None;
    }

    fn open_door(&self, state: &StateFolder, running: &Running) -> anyhow::Result<Door> {
        let folder = state.lock().context("the state folder is not locked")?;
        let instance = self.instance.as_ref().map(AsFd::as_fd);
        let port = running.port.as_ref().map(AsFd::as_fd);
        let copy = |fd: BorrowedFd<'_>| fd.try_clone_to_owned();
        let locks = Locks {
            folder: copy(folder)?,
            instance: instance.map(copy).transpose()?,
            port: port.map(copy).transpose()?,
        };
        let requests = running.sender.clone();
        let call = move || {
            // A sensor that stops hears no more requests.
            let _ = requests.send(Request::HandOver);
        };
        Ok(Door::open(&state.takeover_door(), locks, Box::new(call))?)
    }
}

impl Running {
    /// Hands over to the successor that waits, if there is one.
    pub(super) fn hand_over(&self) -> Option<Handing> {
        let door = self.own.door.as_ref()?;
        let successor = door.successor()?;
        match hand_over(&self.feed, successor) {
            Ok(handing) => Some(handing),
            Err(error) => {
                warn!("{error}");
                if let Some(from) = error.left_from {
                    self.feed.record(gap::left(Moment::of(from), Moment::now()));
                }
                door.free();
                None
            }
        }
    }

    /// Waits until this sensor has taken over from its predecessor. Returns false if it has to stop
    /// before.
    ///
    /// # Errors
    /// If the predecessor goes on, and does not hand over.
    pub(super) fn take_over_from(
        &mut self,
        mut predecessor: Predecessor,
        args: &Args,
    ) -> anyhow::Result<bool> {
        let health = &self.telemetry.health;
        let mut self_test = self.self_test.take();
        let mut readiness = Readiness::new();
        let begin = Instant::now();
        let limit = args.stop_after.filter(|seconds| *seconds > 0);
        let mut looked: Option<Instant> = None;
        let mut is_ready = false;
        let took = loop {
            match self.requests.try_recv() {
                Ok(Request::Stop) | Err(mpsc::TryRecvError::Disconnected) => return Ok(false),
                // A reload reads everything again, also what has changed meanwhile.
                Ok(Request::Reload) => self.reload_later = true,
                Ok(Request::Reopen | Request::HandOver) | Err(mpsc::TryRecvError::Empty) => {}
            }
            if limit.is_some_and(|limit| begin.elapsed() >= Duration::from_secs(limit)) {
                return Ok(false);
            }
            if self.feed.has_ended() {
                bail!("the capture thread has ended");
            }
            if looked.is_none_or(|looked| looked.elapsed() >= LOOK) {
                looked = Some(Instant::now());
                self.test_itself(self_test.as_mut());
                self.look_at_health(&mut readiness);
                is_ready = self.reasons_to_wait().is_empty();
            }
            let step = predecessor.step(&self.feed, is_ready);
            match step.context("the running sensor does not hand over, and goes on")? {
                Step::Waits => {}
                Step::IsAble => health.hold(Condition::TakeoverPossible),
                Step::Took(took) => break took,
            }
            if !is_ready && predecessor.is_awaited() && begin.elapsed() >= PATIENCE {
                bail!(
                    "not ready within {PATIENCE:?}, so the running sensor goes on: {}",
                    self.reasons_to_wait().join("; ")
                );
            }
        };
        self.self_test = self_test;
        let (folder, instance) = predecessor.into_locks();
        self.succeed(took, folder, instance);
        Ok(true)
    }

    /// The readiness conditions that do not hold, but for the one about the takeover.
    fn reasons_to_wait(&self) -> Vec<String> {
        let conditions = self.telemetry.health.conditions().into_iter();
        conditions
            .filter(|(condition, _)| *condition != Condition::TakeoverPossible)
            .filter_map(|(condition, reason)| Some(format!("{}: {}", condition.name(), reason?)))
            .collect()
    }

    /// The log says what the self-test finds; the stream is the predecessor's.
    fn test_itself(&self, test: Option<&mut SelfTest>) {
        if let Some(verdict) = test.and_then(|test| test.tick(Instant::now())) {
            let _ = judge(verdict, &self.telemetry);
        }
    }

    /// This sensor is the one of its instance from now on.
    fn succeed(&mut self, took: Took, folder: StateFolder, instance: Option<Instance>) {
        let at = Moment::of(took.at);
        let former = gap::former(Some(&folder));
        let record = match (took.how, former) {
            (How::Handed { dropped }, _) => Some(handed(at, dropped)),
            (How::Ended { doubled }, Some(former)) => {
                Some(former.gap_at_takeover(&self.identity.boot_id, at, doubled))
            }
            (How::Ended { .. }, None) => None,
        };
        if let Some(record) = record {
            info!("{}", record.message);
            self.feed.record(record);
        }
        self.heartbeat = Heartbeat::new(&self.identity.boot_id, at, &self.ledger);
        self.own = Own::new(self, Some(folder), instance);
        self.gate.open();
        self.telemetry.health.forget(Condition::TakeoverPossible);
    }
}

/// The record of a takeover without a gap.
fn handed(at: Moment, dropped: u64) -> Record {
    let rule = "Sensor internal: takeover";
    let lines = match dropped {
        0 => String::new(),
        dropped => format!(", but for {dropped} lines that it counted as dropped"),
    };
    let message = format!(
        "{rule}. The former sensor has written each event before {}{lines}; this one writes the others.",
        at.text()
    );
    Record::new(rule, Priority::Informational, message)
        .field("sensor.takeover.at", at.utc())
        .field("sensor.takeover.dropped", dropped)
}
