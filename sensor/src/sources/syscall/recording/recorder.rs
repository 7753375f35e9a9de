//! What the capture thread tells a reader: events, and before each event what the reader does not know
//! yet of its program, container, users and addresses.

use std::{
    net::IpAddr,
    os::fd::OwnedFd,
    sync::{
        Arc, Weak,
        atomic::{AtomicU64, Ordering::Relaxed},
        mpsc::{SyncSender, TrySendError},
    },
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use metadata::{Container, ContainerId, ContainerState};
use outputs::internal::Written;
use rustc_hash::FxHashMap;
use rustix::io::write;
use sensor_ebpf::{Kind, Kinds, WIRE_VERSION};
use telemetry::{Identity, Ledger};

use super::{
    Captured, EventFrame, Frame, Header, KindCounts, OwnFrame, OwnerFrame, ThrottledFrame, Where,
};
use crate::sources::syscall::{
    capture::Watched,
    fields::{Context, endpoints_of},
    lineage::{Key, State},
};

/// Most entries of each table of what the reader knows; a full table makes the reader forget all.
const KNOWN_MAX: usize = 1 << 18;
/// How often the counts of events are recorded.
const COUNTS: Duration = Duration::from_secs(1);

/// When a recorder passes its frames on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pace {
    /// At most so often: somebody watches.
    Live(Duration),
    /// When enough frames for a block have come, or a second has passed.
    Blocks,
}

impl Pace {
    /// For somebody who watches: every frame costs its reader a wakeup of its own otherwise.
    pub const WATCHED: Self = Self::Live(Duration::from_millis(50));

    /// Longest time that frames wait.
    #[must_use]
    pub fn age(self) -> Duration {
        match self {
            Self::Live(age) => age,
            Self::Blocks => BLOCK_AGE,
        }
    }
}

/// Bytes of frames that make a block.
const BLOCK: usize = 256 << 10;
/// Longest time that frames wait for a block to become full.
const BLOCK_AGE: Duration = Duration::from_secs(1);

/// What became of the events of a recording.
#[derive(Debug, Default)]
pub struct Recorded {
    /// Events that were passed on.
    pub events: AtomicU64,
    /// Events that are lost for the reader, since it was too slow.
    pub lost: AtomicU64,
}

/// Records events.
pub struct Recorder {
    chunks: SyncSender<Vec<u8>>,
    /// An eventfd that wakes the reader; it is gone when the reader is.
    wakeup: Option<Weak<OwnedFd>>,
    pace: Pace,
    watched: Option<Watched>,
    captured: Kinds,
    ledger: Arc<Ledger>,
    recorded: Arc<Recorded>,
    known: Known,
    /// The first frame, until the reader has it.
    header: Option<Vec<u8>>,
    chunk: Vec<u8>,
    /// The frames in the chunk of what the sensor wrote about itself.
    own: Vec<u8>,
    /// Events in the chunk.
    events: u64,
    /// Events that the reader lacks, and of which no frame says so.
    gap: u64,
    /// Events that the reader lacks by the frames of the chunk.
    gap_in_chunk: u64,
    /// Whether the reader lacks frames.
    must_forget: bool,
    since: Instant,
    counted: Option<Instant>,
    is_closed: bool,
}

/// What is known of a user or a group.
type Texts = Option<[Box<str>; 3]>;

/// What the reader knows.
#[derive(Default)]
struct Known {
    /// Programs, and what changes when something else is known of them.
    programs: FxHashMap<Key, State>,
    /// Containers with their numbers.
    containers: FxHashMap<ContainerId, (u32, Container)>,
    /// By container, number and whether it is a group: name, home directory and login shell.
    owners: FxHashMap<(Option<ContainerId>, u32, bool), Texts>,
    domains: FxHashMap<IpAddr, Box<[Box<str>]>>,
}

impl Known {
    fn is_full(&self) -> bool {
        let sizes = [
            self.programs.len(),
            self.containers.len(),
            self.owners.len(),
            self.domains.len(),
        ];
        sizes.into_iter().any(|size| size > KNOWN_MAX)
    }
}

impl Recorder {
    /// A recorder that passes chunks of whole frames on. `watched` has the events to record, also if no
    /// rule wants them; none: all that come to the rules.
    #[must_use]
    pub fn new(
        chunks: SyncSender<Vec<u8>>,
        pace: Pace,
        watched: Option<Watched>,
        identity: &Identity,
        ledger: Arc<Ledger>,
    ) -> Self {
        let began = SystemTime::now().duration_since(UNIX_EPOCH);
        let began = began.unwrap_or_default().as_nanos();
        let header = Header {
            sensor: env!("CARGO_PKG_VERSION").to_owned(),
            wire: WIRE_VERSION,
            arch: std::env::consts::ARCH.to_owned(),
            hostname: identity.hostname.clone(),
            boot_id: identity.boot_id.clone(),
            began: u64::try_from(began).unwrap_or(u64::MAX),
        };
        let mut first = Vec::new();
        Frame::Header(header).write(&mut first);
        Self {
            chunks,
            wakeup: None,
            pace,
            watched,
            captured: Kinds::NONE,
            ledger,
            recorded: Arc::default(),
            known: Known::default(),
            header: Some(first),
            chunk: Vec::new(),
            own: Vec::new(),
            events: 0,
            gap: 0,
            gap_in_chunk: 0,
            must_forget: false,
            since: Instant::now(),
            counted: None,
            is_closed: false,
        }
    }

    /// Writes to that eventfd when chunks have come; nobody reads any more when the eventfd is gone.
    #[must_use]
    pub fn waking(self, wakeup: &Arc<OwnedFd>) -> Self {
        Self {
            wakeup: Some(Arc::downgrade(wakeup)),
            ..self
        }
    }

    /// Whether somebody watches, and no file is written.
    #[must_use]
    pub fn is_of_observer(&self) -> bool {
        self.wakeup.is_some()
    }

    /// What the reader wants beyond the rules; none if the recorder takes what comes to the rules.
    #[must_use]
    pub fn watched(&self) -> Option<&Watched> {
        self.watched.as_ref()
    }

    /// When frames that wait are due, or the news of a gap.
    #[must_use]
    pub fn due(&self) -> Option<Instant> {
        let waits = self.must_forget || !self.chunk.is_empty();
        waits.then(|| self.since + self.pace.age())
    }

    /// Tells the reader which kinds of events the sensor captures from here on.
    pub fn captures(&mut self, kinds: Kinds) {
        if self.captured != kinds {
            self.captured = kinds;
            self.tell_captured();
        }
    }

    fn tell_captured(&mut self) {
        Frame::Captured(Captured::of(self.captured)).write(&mut self.chunk);
    }

    /// Counts what becomes of the events.
    #[must_use]
    pub fn recorded(&self) -> Arc<Recorded> {
        Arc::clone(&self.recorded)
    }

    /// When this recorder passes its frames on.
    #[must_use]
    pub fn pace(&self) -> Pace {
        self.pace
    }

    /// Whether nobody reads any more.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        let is_gone = |reader: &Weak<OwnedFd>| reader.strong_count() == 0;
        self.is_closed || self.wakeup.as_ref().is_some_and(is_gone)
    }

    /// Records an event, when all is known about it that rules may look at. `by_rules`: rules look at
    /// the event, and not only observers.
    pub fn record(&mut self, context: &Context<'_>, by_rules: bool) {
        let event = context.event;
        let is_wanted = self.watched.as_ref().map_or(by_rules, |watched| {
            let kinds = match context.container {
                ContainerState::Host => watched.reach.host,
                ContainerState::Unknown(_) | ContainerState::Known(_) => watched.reach.container,
            };
            kinds.contains(event.kind)
        });
        if !is_wanted {
            return;
        }
        if self.must_forget || self.known.is_full() {
            self.forget();
        }
        let place = self.place(context);
        self.programs(context);
        self.owners(context);
        self.domains(context);
        let frame = EventFrame {
            number: context.number,
            boot_to_utc: context.boot_to_utc,
            place,
            record: event.bytes,
        };
        Frame::Event(frame).write(&mut self.chunk);
        self.events += 1;
        if self.chunk.len() >= BLOCK {
            self.send();
        }
    }

    /// Records what the sensor wrote about itself.
    pub fn note(&mut self, record: &Written) {
        if self.must_forget {
            self.forget();
        }
        let start = self.chunk.len();
        Frame::Own(OwnFrame::from(record)).write(&mut self.chunk);
        self.own.extend_from_slice(&self.chunk[start..]);
    }

    fn place(&mut self, context: &Context<'_>) -> Where {
        let container = match context.container {
            ContainerState::Host => return Where::Host,
            ContainerState::Unknown(id) => return Where::Unknown(id),
            ContainerState::Known(container) => container,
        };
        let containers = &mut self.known.containers;
        let next = u32::try_from(containers.len()).unwrap_or_default() + 1;
        let number = match containers.get(&container.id) {
            Some((number, known)) if known == container => return Where::Container(*number),
            Some((number, _)) => *number,
            None => next,
        };
        containers.insert(container.id, (number, container.clone()));
        Frame::Container(number, Box::new(container.clone())).write(&mut self.chunk);
        Where::Container(number)
    }

    fn programs(&mut self, context: &Context<'_>) {
        let (event, lineage) = (context.event, context.lineage);
        let programs = &mut self.known.programs;
        let is_exec = event.kind == Kind::Exec;
        // The reader takes the program of an exec from the record of that exec. An exec that has waited
        // in the hold may find another program there, or none.
        let brings_program = is_exec && lineage.is_as_observed(event);
        if is_exec && !brings_program {
            Frame::Apart.write(&mut self.chunk);
        }
        for (at, (key, state)) in lineage.known(event).enumerate() {
            let is_brought = at == 0 && brings_program;
            if !is_brought && programs.get(&key).copied() != state {
                Frame::Program(key, lineage.known_program(key)).write(&mut self.chunk);
            }
            match state {
                Some(state) => programs.insert(key, state),
                None => programs.remove(&key),
            };
        }
    }

    fn owners(&mut self, context: &Context<'_>) {
        let task = &context.event.task;
        let (id, users) = (context.container_id(), context.users);
        self.owner(id, task.euid, false, users.known_user(id, task.euid));
        let login = users.known_user(None, task.loginuid);
        self.owner(None, task.loginuid, false, login);
        let group = users.known_group(id, task.egid);
        self.owner(id, task.egid, true, group.map(|name| [name, "", ""]));
    }

    fn owner(
        &mut self,
        container: Option<&ContainerId>,
        number: u32,
        is_group: bool,
        texts: Option<[&str; 3]>,
    ) {
        let key = (container.copied(), number, is_group);
        let known = self.known.owners.get(&key).and_then(Option::as_ref);
        let same = match (known, &texts) {
            (None, None) => true,
            (Some(known), Some(texts)) => known
                .iter()
                .zip(texts)
                .all(|(known, text)| **known == **text),
            _ => false,
        };
        if same {
            return;
        }
        let texts = texts.map(|texts| texts.map(Box::<str>::from));
        let frame = OwnerFrame {
            container: key.0,
            number,
            is_group,
            texts: texts.clone(),
        };
        Frame::Owner(frame).write(&mut self.chunk);
        self.known.owners.insert(key, texts);
    }

    fn domains(&mut self, context: &Context<'_>) {
        let Some(connect) = context.event.connect() else {
            return;
        };
        for address in endpoints_of(connect.fixed) {
            let names = context.domains.names(address);
            let known = self.known.domains.get(&address);
            if known.map_or(&[][..], |known| known) == names {
                continue;
            }
            Frame::Domain(address, names.into()).write(&mut self.chunk);
            self.known.domains.insert(address, names.into());
        }
    }

    /// Passes on what has come, if it is time. The capture thread calls this after each batch.
    pub fn flush(&mut self, throttled: &[ThrottledFrame]) {
        if self.since.elapsed() >= self.pace.age() {
            // The reader hears of a gap also if no event follows.
            if self.must_forget {
                self.forget();
            }
            if self.counted.is_none_or(|at| at.elapsed() >= COUNTS) {
                self.counted = Some(Instant::now());
                self.counts();
                if !throttled.is_empty() {
                    Frame::Throttled(throttled.to_vec()).write(&mut self.chunk);
                }
            }
            self.send();
        }
    }

    /// Passes on everything, with the last counts. `waits` says that the recording's end is worth to
    /// wait for a slow disk.
    pub fn finish(&mut self, waits: bool) {
        if self.must_forget {
            self.forget();
        }
        self.counts();
        let mut chunk = self.header.take().unwrap_or_default();
        chunk.append(&mut self.chunk);
        let is_sent = if waits {
            self.chunks.send(chunk).is_ok()
        } else {
            self.chunks.try_send(chunk).is_ok()
        };
        let events = std::mem::take(&mut self.events);
        let counter = if is_sent {
            &self.recorded.events
        } else {
            &self.recorded.lost
        };
        counter.fetch_add(events, Relaxed);
        self.wake();
    }

    /// Makes the reader forget what it knows, and says how many events it lacks.
    fn forget(&mut self) {
        self.must_forget = false;
        self.known = Known::default();
        self.gap_in_chunk += self.gap;
        Frame::Gap(std::mem::take(&mut self.gap)).write(&mut self.chunk);
        // What the sensor wrote about itself comes late instead of never.
        self.chunk.extend_from_slice(&self.own);
        if self.captured != Kinds::NONE {
            self.tell_captured();
        }
    }

    fn wake(&self) {
        if let Some(wakeup) = self.wakeup.as_ref().and_then(Weak::upgrade) {
            // The write fails only if the reader has been woken often enough.
            let _ = write(&*wakeup, &1_u64.to_ne_bytes());
        }
    }

    fn counts(&mut self) {
        let totals = self.ledger.totals();
        let counts = totals.kinds.iter().map(KindCounts::of);
        Frame::Counts(counts.collect()).write(&mut self.chunk);
    }

    fn send(&mut self) {
        self.since = Instant::now();
        if self.chunk.is_empty() {
            return;
        }
        let events = std::mem::take(&mut self.events);
        let gap = std::mem::take(&mut self.gap_in_chunk);
        let mut chunk = self.header.clone().unwrap_or_default();
        chunk.append(&mut self.chunk);
        match self.chunks.try_send(chunk) {
            Ok(()) => {
                self.header = None;
                self.own.clear();
                self.recorded.events.fetch_add(events, Relaxed);
                self.wake();
            }
            Err(TrySendError::Full(_)) => {
                // What the chunk said of programs and containers is lost, too: see `forget`.
                self.gap += events + gap;
                self.recorded.lost.fetch_add(events, Relaxed);
                self.must_forget = true;
            }
            Err(TrySendError::Disconnected(_)) => self.is_closed = true,
        }
    }
}
