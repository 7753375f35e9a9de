//! Threads that read files of containers. A file system of a container (FUSE) can block a reader
//! for ever, so the capture thread must not read.

use std::{
    io,
    path::PathBuf,
    sync::{
        Arc,
        mpsc::{Receiver, SyncSender, channel, sync_channel},
    },
    thread,
    time::Instant,
};

use super::{
    open::{self, Refused, Root, Stamp},
    table::Table,
};
use crate::{
    ContainerId,
    counters::{Counters, count},
};

/// Most threads; more than one only while others are stuck.
const THREADS_MAX: usize = 4;

/// State of a container's two files; none for a file that does not exist.
pub(super) type Stamps = [Option<Stamp>; 2];

/// A job for a thread: the thread reads below the first root that it can reach.
#[derive(Debug)]
pub(super) struct Job {
    /// The container; none for the host.
    pub(super) container: Option<ContainerId>,
    pub(super) serial: u64,
    pub(super) roots: Vec<Root>,
    /// The state of the files at the last reading.
    pub(super) known: Option<Stamps>,
}

/// The result of a job.
#[derive(Debug)]
pub(super) enum Outcome {
    /// No root could be reached.
    Gone,
    /// The files have not changed.
    Unchanged,
    /// Users and groups.
    Read(Box<(Stamps, [Table; 2])>),
}

pub(super) struct Reply {
    pub(super) container: Option<ContainerId>,
    pub(super) serial: u64,
    pub(super) outcome: Outcome,
    thread: usize,
}

struct Thread {
    jobs: SyncSender<Job>,
    busy: bool,
}

/// The threads.
pub(super) struct Reader {
    threads: Vec<Thread>,
    sender: std::sync::mpsc::Sender<Reply>,
    replies: Receiver<Reply>,
    counters: Arc<Counters>,
}

impl Reader {
    pub(super) fn new(counters: Arc<Counters>) -> Self {
        let (sender, replies) = channel();
        Self {
            threads: Vec::new(),
            sender,
            replies,
            counters,
        }
    }

    /// Gives a job to a thread; returns whether a thread was free.
    pub(super) fn give(&mut self, job: Job) -> bool {
        let free = match self.threads.iter().position(|thread| !thread.busy) {
            Some(free) => free,
            None if self.threads.len() < THREADS_MAX => match self.spawn() {
                Ok(()) => self.threads.len() - 1,
                Err(_) => return false,
            },
            None => return false,
        };
        self.threads[free].busy = self.threads[free].jobs.try_send(job).is_ok();
        self.threads[free].busy
    }

    fn spawn(&mut self) -> io::Result<()> {
        let (jobs, inbox) = sync_channel::<Job>(1);
        let (sender, counters) = (self.sender.clone(), Arc::clone(&self.counters));
        let thread = self.threads.len();
        thread::Builder::new().name("users".into()).spawn(move || {
            for job in inbox {
                let reply = Reply {
                    container: job.container,
                    serial: job.serial,
                    outcome: run(&job, &counters),
                    thread,
                };
                if sender.send(reply).is_err() {
                    break;
                }
            }
        })?;
        self.threads.push(Thread { jobs, busy: false });
        Ok(())
    }

    /// The next reply, if there is one; nearly free of cost while no thread works.
    pub(super) fn ready(&mut self) -> Option<Reply> {
        if !self.threads.iter().any(|thread| thread.busy) {
            return None;
        }
        let reply = self.replies.try_recv().ok()?;
        self.free(&reply);
        Some(reply)
    }

    /// Waits for the next reply until a deadline.
    pub(super) fn reply(&mut self, deadline: Instant) -> Option<Reply> {
        let wait = deadline.saturating_duration_since(Instant::now());
        let reply = self.replies.recv_timeout(wait).ok()?;
        self.free(&reply);
        Some(reply)
    }

    fn free(&mut self, reply: &Reply) {
        if let Some(thread) = self.threads.get_mut(reply.thread) {
            thread.busy = false;
        }
    }
}

const FILES: [&str; 2] = ["etc/passwd", "etc/group"];

fn run(job: &Job, counters: &Counters) -> Outcome {
    let Some(root) = job.roots.iter().find_map(|root| root.open().ok()) else {
        return Outcome::Gone;
    };
    let found = FILES.map(|path| match open::find(&root, path) {
        Ok(found) => Some(found),
        Err(Refused::Errno(rustix::io::Errno::NOENT)) => None,
        Err(_) => {
            count(&counters.users_refused_total);
            None
        }
    });
    let stamps = [0, 1].map(|i| found[i].as_ref().map(|(_, stamp)| *stamp));
    if job.known == Some(stamps) {
        return Outcome::Unchanged;
    }
    let tables = found.map(|found| {
        let Some((file, _)) = found else {
            return Table::default();
        };
        let Ok(content) = open::read(&file) else {
            count(&counters.users_refused_total);
            return Table::default();
        };
        count(&counters.users_reads_total);
        if content.cut {
            count(&counters.users_oversized_total);
        }
        Table::parse(&content.bytes)
    });
    Outcome::Read(Box::new((stamps, tables)))
}

/// Roots to try for a container: the root of its first process, that of the process of the event,
/// and the directory where the runtime mounted the root.
pub(super) fn roots(
    proc: &std::path::Path,
    container: ContainerId,
    pids: impl IntoIterator<Item = u32>,
    rootfs: Option<&str>,
    hosts: &Arc<[(u64, u64)]>,
) -> Vec<Root> {
    let process = |pid| Root::Process {
        proc: proc.to_owned(),
        pid,
        container,
        hosts: Arc::clone(hosts),
    };
    let directory = rootfs.map(|path| Root::Directory(PathBuf::from(path)));
    pids.into_iter().map(process).chain(directory).collect()
}
