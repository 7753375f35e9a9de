//! Frames → events with all that was known about them → lines of rules.

use std::sync::Arc;

use bytes::BytesMut;
use events::Lines;
use metadata::{Container, ContainerState, Domains, Users};
use outputs::{AlertOptions, internal::Written};
use sensor_ebpf::WIRE_VERSION;
use telemetry::Telemetry;

use super::{EventFrame, Frame, Header, KindCounts, OwnerFrame, Where};
use crate::sources::syscall::{
    event::Event,
    fields::{Context, Syscall},
    lineage::Lineage,
    pipeline::{Evaluator, Node},
    rules::RuleSet,
};

/// Why a recording cannot be played.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PlayError {
    /// The records of events have another form.
    #[error(
        "sensor {sensor} made the recording on {arch}, with records of version {wire}; this sensor reads version {WIRE_VERSION} of {}",
        std::env::consts::ARCH
    )]
    Wire {
        /// Version of the sensor.
        sensor: String,
        /// The machine's architecture.
        arch: String,
        /// Version of the records.
        wire: u16,
    },
    /// An event names a container that the recording does not describe.
    #[error("event {0} names a container that the recording does not describe")]
    Container(u64),
    /// The record of an event is none.
    #[error("event {0}: {1}")]
    Event(u64, String),
}

/// What was played.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Played {
    /// Events.
    pub events: u64,
    /// Events that at least one rule matched.
    pub matched: u64,
    /// Lines.
    pub lines: u64,
    /// Records that the sensor had made about itself.
    pub records: u64,
    /// Events that the recording lacks, since the recorder was too slow.
    pub missing: u64,
    /// The last counts of the sensor that made the recording.
    pub counts: Vec<KindCounts>,
}

/// Plays a recording.
pub struct Player {
    evaluator: Evaluator,
    containers: Vec<Option<Container>>,
    /// See [`Frame::Apart`].
    is_apart: bool,
    played: Played,
    telemetry: Arc<Telemetry>,
}

impl Header {
    /// Checks that this sensor can play the recording.
    ///
    /// # Errors
    /// If the recording has records of another form.
    pub fn check(&self) -> Result<(), PlayError> {
        if self.wire == WIRE_VERSION && self.arch == std::env::consts::ARCH {
            return Ok(());
        }
        Err(PlayError::Wire {
            sensor: self.sensor.clone(),
            arch: self.arch.clone(),
            wire: self.wire,
        })
    }
}

impl Player {
    /// A player with those rules, which does not know anything of a recording yet. The telemetry has
    /// the host's name that lines get.
    #[must_use]
    pub fn new(
        header: &Header,
        rules: Arc<RuleSet>,
        alerts: AlertOptions,
        telemetry: &Arc<Telemetry>,
    ) -> Self {
        let node = Node::new(&header.hostname, &header.boot_id);
        let known = (Users::recorded(), Domains::default());
        let lineage = Lineage::recorded();
        Self {
            evaluator: Evaluator::new(rules, alerts, node, lineage, known, telemetry),
            containers: Vec::new(),
            is_apart: false,
            played: Played::default(),
            telemetry: Arc::clone(telemetry),
        }
    }

    /// What the rules did so far.
    #[must_use]
    pub fn telemetry(&self) -> &Telemetry {
        &self.telemetry
    }

    /// What was played so far.
    #[must_use]
    pub fn played(&self) -> &Played {
        &self.played
    }

    /// Plays a frame: writes the lines of an event, and keeps what other frames say.
    ///
    /// # Errors
    /// If the recording contradicts itself.
    pub fn play(&mut self, frame: Frame<'_>, lines: &mut impl Lines) -> Result<(), PlayError> {
        if let Frame::Own(own) = frame {
            let record = Written::from(own);
            let line = record.line(&self.telemetry.identity);
            lines.line(record.priority, |_, out: &mut BytesMut| {
                out.extend_from_slice(&line);
            });
            self.played.records += 1;
            return Ok(());
        }
        let made = self.look(frame, |engine, context| engine.evaluate(context, lines))?;
        if let Some(made) = made {
            self.played.matched += u64::from(made > 0);
            self.played.lines += made;
        }
        Ok(())
    }

    /// Calls a function with all that is known of an event; keeps what other frames say.
    ///
    /// # Errors
    /// If the recording contradicts itself.
    pub fn look<T>(
        &mut self,
        frame: Frame<'_>,
        each: impl for<'c> FnOnce(&mut events::Evaluator<Syscall>, &'c Context<'c>) -> T,
    ) -> Result<Option<T>, PlayError> {
        let evaluator = &mut self.evaluator;
        match frame {
            Frame::Event(event) => return self.event(event, each).map(Some),
            Frame::Program(key, program) => evaluator.lineage.set(key, program.as_ref()),
            Frame::Container(number, container) => self.describe(number, *container),
            Frame::Owner(owner) => set_owner(&mut evaluator.users, &owner),
            Frame::Domain(address, names) => evaluator.domains.set(address, names),
            Frame::Counts(counts) => self.played.counts = counts,
            Frame::Gap(events) => {
                self.played.missing += events;
                self.containers.clear();
                evaluator.lineage = Lineage::recorded();
                evaluator.users = Users::recorded();
                evaluator.domains = Domains::default();
            }
            Frame::Apart => self.is_apart = true,
            // What the sensor wrote about itself is no event.
            Frame::Header(_) | Frame::Own(_) | Frame::Captured(_) | Frame::Throttled(_) => {}
        }
        Ok(None)
    }

    fn event<T>(
        &mut self,
        frame: EventFrame<'_>,
        each: impl for<'c> FnOnce(&mut events::Evaluator<Syscall>, &'c Context<'c>) -> T,
    ) -> Result<T, PlayError> {
        let EventFrame { number, place, .. } = frame;
        let decoded = Event::decode(frame.record);
        let mut event = decoded.map_err(|error| PlayError::Event(number, error.to_string()))?;
        event.header.number = number;
        let container = match place {
            Where::Host => ContainerState::Host,
            Where::Unknown(id) => ContainerState::Unknown(id),
            Where::Container(at) => {
                let known = self.containers.get(at as usize).and_then(Option::as_ref);
                ContainerState::Known(known.ok_or(PlayError::Container(number))?)
            }
        };
        self.played.events += 1;
        let evaluator = &mut self.evaluator;
        evaluator.clock.set(frame.boot_to_utc);
        if !std::mem::take(&mut self.is_apart) {
            evaluator.lineage.observe(&event);
        }
        Ok(evaluator.with(&event, container, each))
    }

    fn describe(&mut self, number: u32, container: Container) {
        // Recorders number containers from 1 on, without holes.
        let at = (number as usize).min(self.containers.len().max(1));
        if self.containers.len() <= at {
            self.containers.resize_with(at + 1, || None);
        }
        self.containers[at] = Some(container);
    }
}

fn set_owner(users: &mut Users, owner: &OwnerFrame) {
    let texts = owner.texts.as_ref();
    let texts = texts.map(|[name, home, shell]| [&**name, &**home, &**shell]);
    if owner.is_group {
        let name = texts.map(|[name, ..]| name);
        users.set_group(owner.container, owner.number, name);
    } else {
        users.set_user(owner.container, owner.number, texts);
    }
}
