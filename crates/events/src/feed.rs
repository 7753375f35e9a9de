//! The thread of a source.

use std::{
    any::Any,
    fmt, io,
    os::fd::{AsFd as _, OwnedFd},
    sync::{
        Arc, Mutex, PoisonError,
        mpsc::{Receiver, Sender, channel},
    },
    thread::JoinHandle,
    time::{Duration, Instant},
};

use bytes::BytesMut;
use outputs::{Change, Outputs, internal::Record};
use rustix::{
    event::{EventfdFlags, PollFd, PollFlags, Timespec, eventfd, poll},
    io::{read, write},
};
use telemetry::Identity;

use crate::{Around, EventSource, Next, Share};

/// Most events of one pass.
const BATCH: usize = 1024;
/// Longest sleep, so that figures are never older.
const LONGEST_SLEEP: Duration = Duration::from_secs(1);

/// Other rules for a source, with everything that depends on them.
pub struct Reload<S: EventSource> {
    /// The rules.
    pub rules: S::Rules,
    /// The requirements of the rules.
    pub demand: S::Demand,
    /// Other outputs, which have started already; none: the outputs stay.
    pub outputs: Option<Change>,
    /// Receives the result. The former rules stay where the source cannot fulfil the requirements
    /// of the new ones.
    pub done: Sender<Result<(), S::Error>>,
}

enum Command<S: EventSource> {
    Reload(Box<Reload<S>>),
    Record(Box<Record>),
    Share(Share, Sender<()>),
    Stop,
}

/// What a thread returns when it has ended.
pub struct Finished<S: EventSource> {
    /// The last figures of the source.
    pub figures: S::Figures,
    /// The outputs, which the caller has to stop.
    pub outputs: Outputs,
    /// The events around the moment of a takeover, if there was one.
    pub around: Around,
    /// The error with which the thread ended by itself, if it did.
    pub error: Option<io::Error>,
}

/// A handle on the thread of a source.
pub struct Feed<S: EventSource> {
    thread: JoinHandle<Finished<S>>,
    commands: Sender<Command<S>>,
    wakeup: Arc<OwnedFd>,
    figures: Arc<Mutex<S::Figures>>,
}

impl<S: EventSource> fmt::Debug for Feed<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Feed").finish_non_exhaustive()
    }
}

impl<S: EventSource> Feed<S> {
    /// Starts the thread, under that name.
    ///
    /// # Errors
    /// If the kernel refuses a thread or a descriptor.
    pub fn start(
        name: &str,
        source: S,
        outputs: Outputs,
        identity: Arc<Identity>,
    ) -> io::Result<Self> {
        let wakeup = Arc::new(eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?);
        let (commands, received) = channel();
        let figures = Arc::<Mutex<S::Figures>>::default();
        let driver = Driver {
            source,
            outputs,
            identity,
            commands: received,
            wakeup: Arc::clone(&wakeup),
            figures: Arc::clone(&figures),
            stop: false,
        };
        let thread = std::thread::Builder::new()
            .name(name.into())
            .spawn(move || driver.run())?;
        Ok(Self {
            thread,
            commands,
            wakeup,
            figures,
        })
    }

    /// The figures of the source, at most a second old, and after a command those of the next pass.
    pub fn figures(&self) -> impl Fn() -> S::Figures + Send + Sync + 'static {
        let figures = Arc::clone(&self.figures);
        move || {
            let figures = figures.lock().unwrap_or_else(PoisonError::into_inner);
            figures.clone()
        }
    }

    /// Whether the thread has ended: by itself after an error, or because no event follows.
    #[must_use]
    pub fn has_ended(&self) -> bool {
        self.thread.is_finished()
    }

    /// Passes other rules to the thread; they apply from the next event on.
    pub fn reload(&self, reload: Reload<S>) {
        self.command(Command::Reload(Box::new(reload)));
    }

    /// Puts a record that the sensor made about itself into the stream.
    pub fn record(&self, record: Record) {
        self.command(Command::Record(Box::new(record)));
    }

    /// Takes another share of the events, see [`EventSource::share`]. The receiver gets a message
    /// when the thread has done so.
    #[must_use]
    pub fn share(&self, share: Share) -> Receiver<()> {
        let (done, shared) = channel();
        self.command(Command::Share(share, done));
        shared
    }

    /// Takes every event that has come, releases the events that wait, and ends.
    ///
    /// # Errors
    /// If the thread panicked.
    pub fn stop(self) -> Result<Finished<S>, Box<dyn Any + Send>> {
        self.command(Command::Stop);
        self.thread.join()
    }

    /// Waits until no event follows, see [`Next::End`].
    ///
    /// # Errors
    /// If the thread panicked.
    pub fn join(self) -> Result<Finished<S>, Box<dyn Any + Send>> {
        self.thread.join()
    }

    fn command(&self, command: Command<S>) {
        // A thread that has ended takes no commands; `stop` returns the reason.
        let _ = self.commands.send(command);
        let _ = write(&*self.wakeup, &1_u64.to_ne_bytes());
    }
}

struct Driver<S: EventSource> {
    source: S,
    outputs: Outputs,
    identity: Arc<Identity>,
    commands: Receiver<Command<S>>,
    wakeup: Arc<OwnedFd>,
    figures: Arc<Mutex<S::Figures>>,
    stop: bool,
}

impl<S: EventSource> Driver<S> {
    fn run(mut self) -> Finished<S> {
        self.source.begin();
        let error = self.pass_until_stopped().err();
        self.source.finish(&mut self.outputs);
        self.outputs.flush();
        self.source.flushed();
        let figures = self.source.figures();
        let around = self.source.around();
        // The thread counts nothing from here on.
        let Self {
            source, outputs, ..
        } = self;
        drop(source);
        Finished {
            figures,
            outputs,
            around,
            error,
        }
    }

    fn pass_until_stopped(&mut self) -> io::Result<()> {
        let mut published = Instant::now();
        loop {
            let commanded = self.commands();
            let stopping = self.stop;
            if stopping {
                // The source takes and counts no event that happens from here on.
                self.source.detach();
            }
            let next = self.source.pass(BATCH, &mut self.outputs)?;
            self.outputs.flush();
            self.source.flushed();
            if commanded || published.elapsed() >= LONGEST_SLEEP {
                published = Instant::now();
                let figures = self.source.figures();
                *self.figures.lock().unwrap_or_else(PoisonError::into_inner) = figures;
            }
            match next {
                Next::Now => {}
                Next::End => return Ok(()),
                _ if stopping => return Ok(()),
                Next::After(pause) => std::thread::sleep(pause),
                Next::Wakeup => self.sleep()?,
            }
        }
    }

    /// Obeys the commands that have come; returns whether there was one.
    fn commands(&mut self) -> bool {
        let mut any = false;
        let mut count = [0; 8];
        // The read fails if the thread woke for another reason.
        let _ = read(&*self.wakeup, &mut count);
        while let Ok(command) = self.commands.try_recv() {
            any = true;
            match command {
                Command::Stop => self.stop = true,
                Command::Share(share, done) => {
                    self.source.share(share, &mut self.outputs);
                    // Who does not wait for it has dropped the receiver.
                    let _ = done.send(());
                }
                Command::Record(record) => {
                    let record = record.written(&self.identity);
                    let line = record.line(&self.identity);
                    let write = |_, out: &mut BytesMut| out.extend_from_slice(&line);
                    self.outputs.line(record.priority, write);
                    self.source.note(&record);
                }
                Command::Reload(reload) => {
                    let Reload {
                        rules,
                        demand,
                        outputs,
                        done,
                    } = *reload;
                    let applied = self.source.reload(rules, demand);
                    if applied.is_ok()
                        && let Some(outputs) = outputs
                    {
                        self.outputs.apply(outputs);
                    }
                    // The receiver may have ended meanwhile.
                    let _ = done.send(applied);
                }
            }
        }
        any
    }

    /// Sleeps until the source has events, a command comes, or the time of the source is up.
    fn sleep(&mut self) -> io::Result<()> {
        let timeout = self.source.patience().min(LONGEST_SLEEP);
        let timeout = Timespec {
            tv_sec: i64::try_from(timeout.as_secs()).unwrap_or(1),
            tv_nsec: timeout.subsec_nanos().into(),
        };
        let sources = self.source.wakeups();
        let mut descriptors: Vec<_> = sources
            .iter()
            .map(|descriptor| PollFd::from_borrowed_fd(*descriptor, PollFlags::IN))
            .chain([PollFd::from_borrowed_fd(self.wakeup.as_fd(), PollFlags::IN)])
            .collect();
        match poll(&mut descriptors, Some(&timeout)) {
            Ok(_) | Err(rustix::io::Errno::INTR) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}
