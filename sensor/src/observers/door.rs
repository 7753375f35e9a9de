//! The thread of all observers.

use std::{
    io::{self, ErrorKind},
    os::{fd::AsFd as _, unix::net::UnixListener},
    path::Path,
    sync::{Arc, atomic::Ordering::Relaxed},
    thread,
    time::{Duration, Instant},
};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use telemetry::{Ledger, Telemetry};
use tracing::{info, warn};

use super::{
    MOST,
    client::{Client, Next, refuse},
};
use crate::{
    lifecycle::SocketName,
    sources::syscall::recording::{Captured, Door, Pace, Recorder},
};

/// Longest sleep, so that figures are never older.
const LONGEST_SLEEP: Duration = Duration::from_secs(1);

/// The open door. Dropping this value removes the socket.
#[derive(Debug)]
pub struct Observers {
    _name: SocketName,
}

impl Observers {
    /// Opens the door at that path.
    ///
    /// # Errors
    /// If the socket or the thread cannot be made.
    pub fn listen(
        path: &Path,
        telemetry: &Arc<Telemetry>,
        ledger: &Arc<Ledger>,
        door: Door,
    ) -> io::Result<Self> {
        let (listener, name) = SocketName::listen(path)?;
        listener.set_nonblocking(true)?;
        let mut doorkeeper = Doorkeeper {
            listener,
            telemetry: Arc::clone(telemetry),
            ledger: Arc::clone(ledger),
            door,
            clients: Vec::new(),
            lost: 0,
        };
        thread::Builder::new()
            .name("observers".into())
            .spawn(move || {
                let Err(error) = doorkeeper.run();
                warn!("no observers any more: {error}");
            })?;
        Ok(Self { _name: name })
    }
}

struct Doorkeeper {
    listener: UnixListener,
    telemetry: Arc<Telemetry>,
    ledger: Arc<Ledger>,
    door: Door,
    clients: Vec<Client>,
    /// Events that are lost for observers that have gone.
    lost: u64,
}

impl Doorkeeper {
    fn run(&mut self) -> io::Result<std::convert::Infallible> {
        loop {
            self.sleep()?;
            self.accept();
            for client in std::mem::take(&mut self.clients) {
                self.step(client);
            }
            self.report();
        }
    }

    /// Sleeps until somebody comes, or an observer can go on.
    fn sleep(&self) -> io::Result<()> {
        let deadline = self.clients.iter().filter_map(Client::deadline).min();
        let until = deadline.map(|at| at.saturating_duration_since(Instant::now()));
        let longest = (!self.clients.is_empty()).then_some(LONGEST_SLEEP);
        let timeout = until.into_iter().chain(longest).min().map(|time| Timespec {
            tv_sec: i64::try_from(time.as_secs()).unwrap_or(1),
            tv_nsec: time.subsec_nanos().into(),
        });
        let of_clients = self.clients.iter().flat_map(Client::awaits);
        let mut descriptors: Vec<_> = of_clients
            .chain([(self.listener.as_fd(), PollFlags::IN)])
            .map(|(descriptor, events)| PollFd::from_borrowed_fd(descriptor, events))
            .collect();
        match poll(&mut descriptors, timeout.as_ref()) {
            Ok(_) | Err(rustix::io::Errno::INTR) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    fn accept(&mut self) {
        loop {
            let stream = match self.listener.accept() {
                Ok((stream, _)) => stream,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return,
                Err(error) => {
                    // For example, there are no descriptors left.
                    warn!("an observer cannot attach: {error}");
                    return thread::sleep(LONGEST_SLEEP);
                }
            };
            if self.clients.len() >= MOST {
                refuse(&stream, &format!("{MOST} observers watch already"));
                continue;
            }
            match Client::new(stream) {
                Ok(client) => self.clients.push(client),
                Err(error) => warn!("an observer cannot attach: {error}"),
            }
        }
    }

    fn step(&mut self, client: Client) {
        let was_watching = matches!(client, Client::Watching(_));
        match client.step() {
            Next::Stays(client) => self.clients.push(client),
            Next::Gone(lost) => {
                self.lost += lost;
                if was_watching {
                    info!("an observer has gone");
                    self.door.knock();
                }
            }
            Next::Begins(stream, watched) => {
                let captured = Captured::of(self.door.captured());
                let Self {
                    telemetry, ledger, ..
                } = self;
                let begun = Client::begin(stream, captured, |chunks| {
                    let ledger = Arc::clone(ledger);
                    Recorder::new(chunks, Pace::WATCHED, watched, &telemetry.identity, ledger)
                });
                match begun {
                    Ok((client, recorder)) => {
                        info!("an observer watches");
                        // If the capture thread has ended, the sensor stops.
                        let _ = self.door.send(recorder);
                        // The greeting goes out at once.
                        self.step(client);
                    }
                    Err(error) => warn!("an observer cannot attach: {error}"),
                }
            }
        }
    }

    fn report(&self) {
        let watching = self.clients.iter();
        let watching = watching.filter(|client| matches!(client, Client::Watching(_)));
        let observers = &self.telemetry.observers;
        let attached = u64::try_from(watching.count()).unwrap_or(u64::MAX);
        observers.attached.store(attached, Relaxed);
        let lost: u64 = self.clients.iter().map(Client::lost).sum();
        observers.lost.store(self.lost + lost, Relaxed);
    }
}
