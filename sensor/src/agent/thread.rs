//! The thread that owns the ring buffer, the caches and the outputs' near end.

use std::{
    io,
    os::fd::{AsFd, OwnedFd},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::Ordering::Relaxed,
        mpsc::{Receiver, Sender, channel},
    },
    thread::JoinHandle,
    time::{Duration, Instant},
};

use events::PendingStatistics;
use metadata::boot_now;
use rustix::{
    event::{EventfdFlags, PollFd, PollFlags, Timespec, eventfd, poll},
    io::{read, write},
};
use sensor_ebpf::{Counter, Kind};
use telemetry::Telemetry;
use tracing::{info, warn};

use super::{
    Parts, Pipeline,
    guard::Guard,
    throttling::{BEGUN, Throttlings},
};
use crate::{
    capture::{Capture, CaptureError, KernelCounts, Ring, Throttled, Wants, rest},
    output::{AlertOptions, Change, Meta, Outputs, internal::Record},
    rules::RuleSet,
};

/// Most records taken before metadata and commands are looked at again.
const BATCH: usize = 1024;
/// Longest sleep, so that the clock's drift is followed and figures stay fresh.
const LONGEST_SLEEP: Duration = Duration::from_secs(1);

/// Figures of a moment.
#[derive(Clone, Debug, Default)]
pub struct Snapshot {
    /// Events that wait for their container.
    pub held: usize,
    /// Their bytes.
    pub held_bytes: usize,
    /// How long events waited.
    pub hold: PendingStatistics,
}

/// Other rules, and what goes with them.
pub struct Reload {
    /// The rules.
    pub rules: Arc<RuleSet>,
    /// How their alerts are written.
    pub alerts: AlertOptions,
    /// What the kernel side is to send.
    pub wants: Wants,
    /// Other outputs, which have started.
    pub outputs: Change,
    /// Told how it went. The old rules stay where the kernel side cannot give what the
    /// new ones want.
    pub done: Sender<Result<(), CaptureError>>,
}

enum Command {
    Reload(Box<Reload>),
    Line(Vec<u8>, u8),
    Stop,
}

/// What is left when the thread has ended.
pub struct Finished {
    /// The last figures.
    pub snapshot: Snapshot,
    /// The outputs, to be stopped.
    pub outputs: Outputs,
    /// Why it ended before it was asked to.
    pub error: Option<io::Error>,
}

/// The running thread, as others see it.
pub struct Agent {
    thread: JoinHandle<Finished>,
    commands: Sender<Command>,
    wakeup: Arc<OwnedFd>,
    snapshot: Arc<Mutex<Snapshot>>,
}

impl Agent {
    /// Starts the thread.
    ///
    /// # Errors
    /// If the kernel refuses a thread or a descriptor.
    pub fn start(
        capture: Capture,
        ring: Ring,
        kernel: Arc<KernelCounts>,
        throttled: Throttled,
        parts: Parts,
        outputs: Outputs,
    ) -> io::Result<Self> {
        let wakeup = Arc::new(eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?);
        let (commands, received) = channel();
        let snapshot = Arc::<Mutex<Snapshot>>::default();
        let guard = Guard::new(Arc::clone(&parts.telemetry));
        let worker = Worker {
            capture,
            ring,
            kernel,
            telemetry: Arc::clone(&parts.telemetry),
            pipeline: Pipeline::new(parts),
            guard,
            throttlings: Throttlings::new(throttled),
            outputs,
            commands: received,
            wakeup: Arc::clone(&wakeup),
            snapshot: Arc::clone(&snapshot),
            stop: false,
        };
        let thread = std::thread::Builder::new()
            .name("capture".into())
            .spawn(move || worker.run())?;
        Ok(Self {
            thread,
            commands,
            wakeup,
            snapshot,
        })
    }

    /// Gives figures, at most a second old.
    pub fn figures(&self) -> impl Fn() -> Snapshot + Send + Sync + 'static {
        let snapshot = Arc::clone(&self.snapshot);
        move || {
            let figures = snapshot.lock().unwrap_or_else(PoisonError::into_inner);
            figures.clone()
        }
    }

    /// Whether the thread has ended, which it does unasked only after an error.
    #[must_use]
    pub fn has_ended(&self) -> bool {
        self.thread.is_finished()
    }

    /// Hands over other rules; they count from the next event on.
    pub fn reload(&self, reload: Reload) {
        self.command(Command::Reload(Box::new(reload)));
    }

    /// Puts a line that the sensor made about itself into the stream.
    pub fn line(&self, line: Vec<u8>, priority: u8) {
        self.command(Command::Line(line, priority));
    }

    /// Takes everything that is in the ring buffer, lets held events go, and ends.
    ///
    /// # Errors
    /// If the thread panicked.
    pub fn stop(self) -> Result<Finished, Box<dyn std::any::Any + Send>> {
        self.command(Command::Stop);
        self.thread.join()
    }

    fn command(&self, command: Command) {
        // A thread that has ended takes no commands: `stop` tells why.
        let _ = self.commands.send(command);
        let _ = write(&*self.wakeup, &1_u64.to_ne_bytes());
    }
}

struct Worker {
    capture: Capture,
    ring: Ring,
    kernel: Arc<KernelCounts>,
    pipeline: Pipeline,
    guard: Guard,
    telemetry: Arc<Telemetry>,
    throttlings: Throttlings,
    outputs: Outputs,
    commands: Receiver<Command>,
    wakeup: Arc<OwnedFd>,
    snapshot: Arc<Mutex<Snapshot>>,
    stop: bool,
}

impl Worker {
    fn run(mut self) -> Finished {
        prefer_this_thread();
        let error = self.pass_until_stopped().err();
        self.pipeline.finish(&mut self.outputs);
        self.look_at_throttlings();
        let ended = self.throttlings.finish();
        self.announce(ended);
        self.outputs.flush();
        self.pipeline.flushed();
        // From here on nothing more is counted: what is still attached is detached.
        let Self {
            capture,
            pipeline,
            outputs,
            ..
        } = self;
        let snapshot = figures(&pipeline);
        drop(capture);
        Finished {
            snapshot,
            outputs,
            error,
        }
    }

    fn pass_until_stopped(&mut self) -> io::Result<()> {
        let mut published = Instant::now();
        loop {
            self.commands();
            let stopping = self.stop;
            if stopping {
                // What happens from here on is not taken, and not counted as seen.
                self.capture.detach();
            }
            self.pipeline.begin_batch(&mut self.outputs);
            let Self {
                ring,
                pipeline,
                outputs,
                ..
            } = self;
            let drained = ring.drain(BATCH, |record| pipeline.process(record, outputs));
            #[cfg(feature = "bpf-log")]
            self.capture.take_over_log();
            for (key, class) in self.pipeline.take_classes() {
                self.capture
                    .classify(key, class)
                    .map_err(io::Error::other)?;
            }
            if self.throttlings.due() {
                self.look_at_throttlings();
                self.pipeline.tell_caches();
            }
            if let Some(record) = self.guard.check(&mut self.capture) {
                self.write(&record);
            }
            self.outputs.flush();
            self.pipeline.flushed();
            if published.elapsed() >= LONGEST_SLEEP {
                published = Instant::now();
                let figures = figures(&self.pipeline);
                *self.snapshot.lock().unwrap_or_else(PoisonError::into_inner) = figures;
            }
            if stopping && !drained.more {
                return Ok(());
            }
            match rest(drained) {
                Some(Duration::ZERO) => {}
                Some(pause) => std::thread::sleep(pause),
                None => self.sleep()?,
            }
        }
    }

    fn look_at_throttlings(&mut self) {
        let kernel = &self.kernel;
        let refused = Kind::ALL.map(|kind| kernel.get(kind, Counter::Throttled));
        let records = self
            .throttlings
            .look(refused, |key| self.pipeline.place_of(key));
        let begun = records.iter().filter(|record| record.rule == BEGUN);
        let begun = u64::try_from(begun.count()).unwrap_or(u64::MAX);
        self.telemetry.throttlings.fetch_add(begun, Relaxed);
        self.announce(records);
    }

    /// Puts records into the stream, and says them.
    fn announce(&mut self, records: Vec<Record>) {
        for record in records {
            warn!("{}", record.message);
            self.write(&record);
        }
    }

    /// Puts a record about the sensor itself into the stream.
    fn write(&mut self, record: &Record) {
        let line = record.line(&self.telemetry.identity);
        self.push(&line, record.priority as u8);
    }

    fn push(&mut self, line: &[u8], priority: u8) {
        let terminal = self.outputs.wants_terminal_text().then_some(line);
        self.outputs.push(line, Meta { priority, terminal });
    }

    fn commands(&mut self) {
        let mut count = [0; 8];
        let _ = read(&*self.wakeup, &mut count);
        while let Ok(command) = self.commands.try_recv() {
            match command {
                Command::Stop => self.stop = true,
                Command::Line(line, priority) => self.push(&line, priority),
                Command::Reload(reload) => {
                    let Reload {
                        rules,
                        alerts,
                        wants,
                        outputs,
                        done,
                    } = *reload;
                    let applied = self.capture.apply(&wants);
                    if applied.is_ok() {
                        tell_attached(&self.capture);
                        self.outputs.apply(outputs);
                        self.pipeline.set_rules(rules, alerts);
                    }
                    // Whoever asked may have gone.
                    let _ = done.send(applied);
                }
            }
        }
    }

    /// Waits for records, metadata, commands, or for the time of a held event.
    fn sleep(&mut self) -> io::Result<()> {
        let mut timeout = LONGEST_SLEEP;
        if let Some(deadline) = self.pipeline.deadline() {
            timeout = timeout.min(Duration::from_nanos(deadline.saturating_sub(boot_now())));
        }
        let timeout = Timespec {
            tv_sec: i64::try_from(timeout.as_secs()).unwrap_or(1),
            tv_nsec: timeout.subsec_nanos().into(),
        };
        let metadata = self.pipeline.wakeup();
        let mut fds = [
            PollFd::new(&self.ring, PollFlags::IN),
            PollFd::new(&metadata, PollFlags::IN),
            PollFd::from_borrowed_fd(self.wakeup.as_fd(), PollFlags::IN),
        ];
        match poll(&mut fds, Some(&timeout)) {
            Ok(_) | Err(rustix::io::Errno::INTR) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}

/// Logs what the kernel runs for us, and whether it costs more than it should.
pub fn tell_attached(capture: &Capture) {
    let mut attached: Vec<_> = capture.attached().collect();
    attached.dedup(); // a program on two hooks
    info!("programs attached: {}", attached.join(", "));
    if let Some(refused) = capture.refused() {
        warn!("system calls are hooked raw, which costs every one of them: {refused}");
    }
}

/// Niceness of the capture thread: where every CPU is busy, the ring buffer would
/// fill while its reader waits for its turn. It runs a few per cent of the time.
const NICENESS: i32 = -10;

/// Asks for more of the CPU than others get; without `CAP_SYS_NICE` it is refused,
/// and then the thread is one among others.
fn prefer_this_thread() {
    let _ = rustix::process::setpriority_process(Some(rustix::thread::gettid()), NICENESS);
}

fn figures(pipeline: &Pipeline) -> Snapshot {
    Snapshot {
        held: pipeline.held().0,
        held_bytes: pipeline.held().1,
        hold: pipeline.hold_statistics(),
    }
}
