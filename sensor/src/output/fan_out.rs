//! One stream of lines to all outputs.

use std::{
    os::fd::OwnedFd,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use super::{
    Account, Batch, Counts, Identity, Limit, OutputError, Queue, batch::Builder, file, http,
    program, stdout, syslog, terminal, worker::Worker,
};
use crate::config::Config;

/// What is known of a line beside its text.
#[derive(Clone, Copy, Debug, Default)]
pub struct Meta<'a> {
    /// 0 Emergency … 7 Debug.
    pub priority: u8,
    /// The same event as a readable line for a terminal, newline included; used
    /// where [`Outputs::wants_terminal_text`].
    pub terminal: Option<&'a [u8]>,
}

/// A batch that is as long is handed out before the end of a drain pass.
const BATCH: usize = 256 << 10;
/// Most bytes that wait before an output that is not a file.
const QUEUE_BYTES: u64 = 64 << 20;

/// One output in service.
#[derive(Debug)]
struct Output {
    name: &'static str,
    queue: Arc<Queue>,
    workers: Vec<Worker>,
    /// Gets the lines for a terminal.
    terminal: bool,
    /// Waits for a stalled system call at the end: it cannot be left behind.
    patient: bool,
}

/// All outputs. Belongs to the capture thread; nothing in here waits for an output.
#[derive(Debug)]
pub struct Outputs {
    running: Vec<Output>,
    lines: Builder,
    terminal_lines: Builder,
    wants_terminal: bool,
    wants_plain: bool,
    identity: Arc<Identity>,
    config: Config,
    control: Control,
}

/// A handle on the outputs for other threads; cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Control(Arc<Mutex<Vec<Shared>>>);

#[derive(Clone, Debug)]
struct Shared {
    name: &'static str,
    account: Arc<Account>,
    queue: Option<Arc<Queue>>,
}

impl Control {
    fn with<T>(&self, action: impl FnOnce(&mut Vec<Shared>) -> T) -> T {
        action(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Asks for files to be opened again (`USR1`).
    pub fn reopen(&self) {
        self.with(|outputs| {
            for queue in outputs.iter().filter_map(|output| output.queue.as_ref()) {
                queue.reopen();
            }
        });
    }

    /// Name and account of each output that there has been, in service or not.
    #[must_use]
    pub fn accounts(&self) -> Vec<(&'static str, Arc<Account>)> {
        self.with(|outputs| {
            outputs
                .iter()
                .map(|output| (output.name, Arc::clone(&output.account)))
                .collect()
        })
    }

    /// Name and account of each output in service.
    #[must_use]
    pub fn active(&self) -> Vec<(&'static str, Arc<Account>)> {
        self.with(|outputs| {
            outputs
                .iter()
                .filter(|output| output.queue.is_some())
                .map(|output| (output.name, Arc::clone(&output.account)))
                .collect()
        })
    }

    /// The account of an output: the one it had before, if it is started again.
    fn account(&self, name: &'static str) -> Arc<Account> {
        self.with(|outputs| {
            if let Some(output) = outputs.iter().find(|output| output.name == name) {
                return Arc::clone(&output.account);
            }
            let account = Arc::<Account>::default();
            outputs.push(Shared {
                name,
                account: Arc::clone(&account),
                queue: None,
            });
            account
        })
    }

    fn set_queue(&self, name: &str, queue: Option<&Arc<Queue>>) {
        self.with(|outputs| {
            for output in outputs.iter_mut().filter(|output| output.name == name) {
                output.queue = queue.cloned();
            }
        });
    }
}

impl Outputs {
    /// Starts the outputs that the configuration enables.
    ///
    /// # Errors
    /// If none is enabled, or one cannot work for a reason that does not go away.
    pub fn start(config: &Config, identity: &Arc<Identity>) -> Result<Self, OutputError> {
        let mut outputs = Self {
            running: Vec::new(),
            lines: Builder::default(),
            terminal_lines: Builder::default(),
            wants_terminal: false,
            wants_plain: false,
            identity: Arc::clone(identity),
            config: config.clone(),
            control: Control::default(),
        };
        let wanted: Vec<_> = KINDS.iter().filter(|kind| (kind.enabled)(config)).collect();
        if wanted.is_empty() {
            return Err(OutputError::None);
        }
        for kind in wanted {
            outputs.add(kind)?;
        }
        Ok(outputs)
    }

    fn add(&mut self, kind: &Kind) -> Result<(), OutputError> {
        let account = self.control.account(kind.name);
        let limit = (kind.limit)(&self.config);
        let queue = Arc::new(Queue::new(limit, account));
        let terminal = kind.name == "stdout" && terminal::wants_colour();
        let workers = (kind.start)(&self.config, &self.identity, &queue)?;
        self.control.set_queue(kind.name, Some(&queue));
        self.running.push(Output {
            name: kind.name,
            queue,
            workers,
            terminal,
            patient: kind.patient,
        });
        self.wants_terminal = self.running.iter().any(|output| output.terminal);
        self.wants_plain = self.running.iter().any(|output| !output.terminal);
        Ok(())
    }

    /// Whether [`Meta::terminal`] is used: standard output is a terminal.
    #[must_use]
    pub fn wants_terminal_text(&self) -> bool {
        self.wants_terminal
    }

    /// Whether lines are used at all: not if the terminal is the only output.
    #[must_use]
    pub fn wants_lines(&self) -> bool {
        self.wants_plain
    }

    /// A handle for other threads.
    #[must_use]
    pub fn control(&self) -> Control {
        self.control.clone()
    }

    /// Adds one whole line, newline included.
    pub fn push(&mut self, line: &[u8], meta: Meta<'_>) {
        if self.wants_plain {
            self.lines.push(line, meta.priority);
        }
        if self.wants_terminal {
            let text = meta.terminal.unwrap_or(line);
            self.terminal_lines.push(text, meta.priority);
        }
        if self.lines.len() >= BATCH || self.terminal_lines.len() >= BATCH {
            self.flush();
        }
    }

    /// Hands what was added to each output: at the end of each drain pass.
    pub fn flush(&mut self) {
        for terminal in [false, true] {
            let builder = if terminal {
                &mut self.terminal_lines
            } else {
                &mut self.lines
            };
            if builder.is_empty() {
                continue;
            }
            let batch: Batch = builder.take();
            for output in self.running.iter().filter(|o| o.terminal == terminal) {
                output.queue.push(batch.clone());
            }
        }
    }

    /// Goes over to another configuration: outputs that it changes are stopped and
    /// started, the others go on. Counts go on in any case.
    ///
    /// # Errors
    /// If an output cannot be started; the former one is in service again then.
    pub fn reconfigure(&mut self, config: &Config) -> Result<(), OutputError> {
        self.flush();
        if !KINDS.iter().any(|kind| (kind.enabled)(config)) {
            return Err(OutputError::None);
        }
        let former = std::mem::replace(&mut self.config, config.clone());
        for kind in KINDS {
            if !changed(kind, &former, config) {
                continue;
            }
            self.remove(kind.name);
            if !(kind.enabled)(config) {
                continue;
            }
            if let Err(error) = self.add(kind) {
                self.config = former;
                if (kind.enabled)(&self.config) {
                    self.add(kind)?;
                }
                return Err(error);
            }
        }
        Ok(())
    }

    fn remove(&mut self, name: &str) {
        if let Some(at) = self.running.iter().position(|o| o.name == name) {
            let output = self.running.remove(at);
            let deadline = Instant::now() + self.config.sensor.stop_deadline.0;
            output.queue.close(deadline);
            output.finish(deadline);
            self.control.set_queue(name, None);
        }
    }

    /// Writes what waits and stops; what is not written by the deadline is counted
    /// as lost. Name and final counts of each output.
    #[must_use = "the counts tell what was lost"]
    pub fn stop(mut self, deadline: Duration) -> Vec<(&'static str, Counts)> {
        self.flush();
        let deadline = Instant::now() + deadline;
        for output in &self.running {
            output.queue.close(deadline);
        }
        for output in self.running.drain(..) {
            output.finish(deadline);
        }
        self.control
            .accounts()
            .into_iter()
            .map(|(name, account)| (name, account.counts()))
            .collect()
    }
}

impl Output {
    /// Waits for the threads: a little longer than the deadline, and for a file as
    /// long as the file system keeps it, because the process could not end either.
    fn finish(self, deadline: Instant) {
        let grace = Duration::from_millis(500);
        for worker in &self.workers {
            let mut until = deadline + grace;
            while !worker.wait(until) {
                let account = self.queue.account();
                if self.patient {
                    until = Instant::now() + grace;
                    continue;
                }
                // It is stuck where no deadline reaches it, with lines in its hands.
                let left = account.counts().spooled;
                account.give_up(super::DropCause::Stopped, left);
                crate::log_error!("output {} does not stop; left behind", self.name);
                return;
            }
        }
    }
}

type Start = fn(&Config, &Arc<Identity>, &Arc<Queue>) -> Result<Vec<Worker>, OutputError>;

/// A kind of output: one row, and a module that starts it.
struct Kind {
    name: &'static str,
    enabled: fn(&Config) -> bool,
    limit: fn(&Config) -> Limit,
    patient: bool,
    start: Start,
}

const KINDS: &[Kind] = &[
    Kind {
        name: "stdout",
        enabled: |config| config.stdout_output.enabled,
        limit: queue_limit,
        patient: false,
        start: |_, identity, queue| {
            let fd = duplicate_stdout()?;
            stdout::start(fd, terminal::wants_colour(), identity, queue)
        },
    },
    Kind {
        name: "file",
        enabled: |config| config.file_output.enabled,
        limit: |config| Limit {
            lines: config.outputs_queue.capacity,
            bytes: config.sensor.file_output.spool.memory.0,
        },
        patient: true,
        start: file::start,
    },
    Kind {
        name: "http",
        enabled: |config| config.http_output.enabled,
        limit: queue_limit,
        patient: false,
        start: http::start,
    },
    Kind {
        name: "syslog",
        enabled: |config| config.syslog_output.enabled,
        limit: queue_limit,
        patient: false,
        start: |_, identity, queue| syslog::start(syslog::SOCKET, identity, queue),
    },
    Kind {
        name: "program",
        enabled: |config| config.program_output.enabled,
        limit: queue_limit,
        patient: false,
        start: program::start,
    },
];

fn queue_limit(config: &Config) -> Limit {
    Limit {
        lines: config.outputs_queue.capacity,
        bytes: QUEUE_BYTES,
    }
}

fn duplicate_stdout() -> Result<OwnedFd, OutputError> {
    rustix::io::fcntl_dupfd_cloexec(std::io::stdout(), 3).map_err(|error| OutputError::File {
        path: "/dev/stdout".into(),
        source: error.into(),
        hint: "open standard output, or set stdout_output.enabled to false",
    })
}

/// Whether a kind of output must be started anew for another configuration.
fn changed(kind: &Kind, a: &Config, b: &Config) -> bool {
    if (kind.enabled)(a) != (kind.enabled)(b) {
        return true;
    }
    if a.outputs_queue != b.outputs_queue || a.buffered_outputs != b.buffered_outputs {
        return true;
    }
    match kind.name {
        "file" => a.file_output != b.file_output || a.sensor.file_output != b.sensor.file_output,
        "http" => a.http_output != b.http_output || a.sensor.http_output != b.sensor.http_output,
        "program" => a.program_output != b.program_output,
        _ => false,
    }
}
