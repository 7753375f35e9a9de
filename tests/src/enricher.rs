//! Enrichment alone, driven as the capture thread drives it, with events made from the cgroups of a
//! test bed: a container makes its first events when its cgroup appears, some 40 ms before the
//! first exec.

use std::{
    collections::HashMap,
    fs,
    path::PathBuf,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
        mpsc::{Receiver, Sender, channel},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use events::{PendingEvents, PendingOptions, PendingStatistics, Release, ReleaseCounts};
use metadata::{
    Container, ContainerId, Counters, Health, Lookup, Metadata, MetadataOptions, Notice, boot_now,
    start,
};

/// Number of events that each container makes.
pub const EVENTS: u64 = 5;

/// An event after its enrichment.
#[derive(Clone, Debug)]
pub struct Enriched {
    /// The container of the event.
    pub id: ContainerId,
    /// The number of the event among those of its container.
    pub number: u64,
    /// What enrichment knew about the container.
    pub container: Option<Container>,
    /// Why the hold released the event, if the event was held.
    pub outcome: Option<Release>,
}

#[derive(Default)]
struct Shared {
    out: Vec<Enriched>,
    statistics: PendingStatistics,
    notices: Vec<Notice>,
}

/// A question of the test: which container had the id at that time?
type Question = (ContainerId, u64, Sender<Option<Container>>);

/// The running enrichment.
pub struct Enricher {
    questions: Sender<Question>,
    shared: Arc<Mutex<Shared>>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
    /// The counters of enrichment.
    pub counters: Arc<Counters>,
    /// How many events the hold released, by reason.
    pub releases: Arc<ReleaseCounts>,
    /// The state of the tasks.
    pub health: Arc<Health>,
    _runtime: tokio::runtime::Runtime,
}

impl Enricher {
    /// Starts enrichment, and waits until containerd answers.
    ///
    /// # Panics
    /// If containerd does not answer.
    #[must_use]
    pub fn start(options: MetadataOptions, cgroup: &str) -> Self {
        let enricher = Self::start_unready(options, cgroup);
        enricher.wait("containerd", |e| e.health.runtimes_ready());
        enricher
    }

    /// Starts enrichment.
    ///
    /// # Panics
    /// If the machine refuses threads.
    #[must_use]
    pub fn start_unready(options: MetadataOptions, cgroup: &str) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .expect("runtime starts");
        let counters = Arc::new(Counters::default());
        let releases = Arc::<ReleaseCounts>::default();
        let shared = Arc::new(Mutex::new(Shared::default()));
        let notices = Arc::clone(&shared);
        let notify = Arc::new(move |notice| {
            notices
                .lock()
                .expect("no holder of this lock panicked")
                .notices
                .push(notice);
        });
        let (metadata, tasks) =
            start(options, runtime.handle(), &counters, notify).expect("tasks start");
        let health = tasks.health();
        let stop = Arc::new(AtomicBool::new(false));
        let (questions, asked) = channel();
        let pipeline = Pipeline {
            asked,
            metadata,
            pending: PendingEvents::new(PendingOptions::default(), Arc::clone(&releases)),
            shared: Arc::clone(&shared),
            given: HashMap::new(),
            places: places(cgroup),
        };
        let flag = Arc::clone(&stop);
        let thread = thread::spawn(move || {
            pipeline.run(&flag);
            drop(tasks);
        });
        Self {
            questions,
            shared,
            stop,
            thread: Some(thread),
            counters,
            releases,
            health,
            _runtime: runtime,
        }
    }

    /// The events of a container, in the order in which the hold released them.
    ///
    /// # Panics
    /// If the enrichment's thread panicked.
    #[must_use]
    pub fn events(&self, id: &str) -> Vec<Enriched> {
        let shared = self.shared.lock().expect("no holder of this lock panicked");
        let of = |e: &&Enriched| e.id.full() == id;
        shared.out.iter().filter(of).cloned().collect()
    }

    /// Waits until all events of a container are released.
    #[must_use]
    pub fn all_events(&self, id: &str) -> Vec<Enriched> {
        self.wait(id, |e| e.events(id).len() as u64 >= EVENTS);
        self.events(id)
    }

    /// Waits until a container is known; returns the time.
    #[must_use]
    pub fn look(&self, name: &str) -> u64 {
        self.wait(name, |e| e.look_at(name, boot_now()).is_some());
        boot_now()
    }

    /// The container that had an id at that time, if enrichment knows it.
    ///
    /// # Panics
    /// If the id is invalid, or the enrichment's thread panicked.
    #[must_use]
    pub fn look_at(&self, name: &str, happened: u64) -> Option<Container> {
        let id = ContainerId::new(name.as_bytes()).expect("name is an id");
        let (sender, answer) = channel();
        let _ = self.questions.send((id, happened, sender));
        answer.recv().expect("enrichment runs")
    }

    /// How long events were held.
    ///
    /// # Panics
    /// If the enrichment's thread panicked.
    #[must_use]
    pub fn statistics(&self) -> PendingStatistics {
        self.shared
            .lock()
            .expect("no holder of this lock panicked")
            .statistics
    }

    /// The notices of the tasks, in their order.
    ///
    /// # Panics
    /// If the enrichment's thread panicked.
    #[must_use]
    pub fn notices(&self) -> Vec<Notice> {
        self.shared
            .lock()
            .expect("no holder of this lock panicked")
            .notices
            .clone()
    }

    /// Waits until a condition is true.
    ///
    /// # Panics
    /// If the condition does not become true in time.
    pub fn wait(&self, what: &str, done: impl Fn(&Self) -> bool) {
        let deadline = Instant::now() + Duration::from_mins(1);
        while !done(self) {
            let notices = self.notices();
            assert!(
                Instant::now() < deadline,
                "{what} does not come: {notices:?}"
            );
            thread::sleep(Duration::from_millis(5));
        }
    }
}

impl Drop for Enricher {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::SeqCst);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Directories in which the pods of a test bed appear, in any cgroup hierarchy.
fn places(cgroup: &str) -> Vec<PathBuf> {
    let root = PathBuf::from("/sys/fs/cgroup");
    let below = format!("{}/kubepods/besteffort", cgroup.trim_start_matches('/'));
    ["", "unified", "pids", "memory", "cpu,cpuacct"]
        .map(|hierarchy| root.join(hierarchy).join(&below))
        .to_vec()
}

/// The part of the capture thread.
struct Pipeline {
    asked: Receiver<Question>,
    metadata: Metadata,
    /// Number and time of each held event.
    pending: PendingEvents<ContainerId, (u64, u64)>,
    shared: Arc<Mutex<Shared>>,
    given: HashMap<ContainerId, ContainerEvents>,
    places: Vec<PathBuf>,
}

/// The events that a container has made so far.
#[derive(Default)]
struct ContainerEvents {
    events: u64,
    last_seen: u64,
}

impl Pipeline {
    fn run(mut self, stop: &AtomicBool) {
        // As the sensor's capture thread does: otherwise short-lived containers come and go unseen
        // on busy CPUs.
        let _ = rustix::process::setpriority_process(Some(rustix::thread::gettid()), -10);
        while !stop.load(Ordering::SeqCst) {
            for (id, number, happened) in self.due() {
                self.event(id, number, happened);
            }
            while let Ok((id, happened, answer)) = self.asked.try_recv() {
                let _ = answer.send(match self.metadata.lookup(&id, happened) {
                    Lookup::Known(container) => Some(container.clone()),
                    Lookup::Pending | Lookup::Unknown => None,
                });
            }
            let now = boot_now();
            for id in self.metadata.apply_updates(now) {
                self.pending.resolve(id, now);
            }
            self.pending.expire(now);
            while let Some(released) = self.pending.pop() {
                let (number, happened) = released.event;
                self.finish(released.key, number, happened, Some(released.outcome));
            }
            thread::sleep(Duration::from_micros(500));
        }
    }

    /// The next event of each container that has not given all of them. Also of one that is gone
    /// by now: where others keep the CPUs busy, this thread looks in less often than a container
    /// has events.
    fn due(&mut self) -> Vec<(ContainerId, u64, u64)> {
        for (id, at) in self.seen() {
            self.given.entry(id).or_default().last_seen = at;
        }
        let given = self.given.iter_mut();
        let due = given.filter(|(_, given)| given.events < EVENTS);
        due.map(|(id, given)| {
            given.events += 1;
            (*id, given.events, given.last_seen)
        })
        .collect()
    }

    /// The containers that are there, and when each was found: before that it may not have been.
    fn seen(&self) -> Vec<(ContainerId, u64)> {
        let pods = self
            .places
            .iter()
            .filter_map(|place| fs::read_dir(place).ok());
        let containers = pods
            .flatten()
            .flatten()
            .filter_map(|pod| fs::read_dir(pod.path()).ok());
        containers
            .flatten()
            .flatten()
            .filter_map(|c| ContainerId::new(c.file_name().as_encoded_bytes()))
            .filter(|id| id.full().len() == 64)
            .map(|id| (id, boot_now()))
            .collect()
    }

    fn event(&mut self, id: ContainerId, number: u64, happened: u64) {
        let must_wait = self.pending.is_waiting(&id)
            || matches!(self.metadata.lookup(&id, happened), Lookup::Pending);
        if must_wait {
            self.pending.push(id, (number, happened), 16, happened);
        } else {
            self.finish(id, number, happened, None);
        }
    }

    fn finish(&mut self, id: ContainerId, number: u64, happened: u64, outcome: Option<Release>) {
        let container = match self.metadata.lookup(&id, happened) {
            Lookup::Known(container) => Some(container.clone()),
            Lookup::Pending | Lookup::Unknown => None,
        };
        let mut shared = self.shared.lock().expect("no holder of this lock panicked");
        shared.out.push(Enriched {
            id,
            number,
            container,
            outcome,
        });
        shared.statistics = self.pending.statistics();
    }
}
