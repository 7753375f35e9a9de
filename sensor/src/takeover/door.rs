//! The running sensor's side until it hands over: a door at which a successor waits.

use std::{
    io,
    os::{
        fd::{AsFd as _, OwnedFd},
        unix::net::{UnixListener, UnixStream},
    },
    path::Path,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    thread,
    time::{Duration, Instant},
};

use rustix::net::sockopt::set_socket_reuseport;
use tracing::{info, warn};

use super::{
    message::{Greeting, Message, VERSION, When},
    reached,
    wire::Wire,
};
use crate::lifecycle::SocketName;

/// Longest time for the successor's greeting.
const GREETING: Duration = Duration::from_secs(5);
/// How often the door looks whether the successor is still there.
const LOOK: Duration = Duration::from_millis(100);

/// What the successor gets, so that no third sensor starts when this one ends.
#[derive(Debug)]
pub struct Locks {
    /// The lock of the state folder.
    pub folder: OwnedFd,
    /// The lock of the instance.
    pub instance: Option<OwnedFd>,
    /// The socket of the web server, whose port the successor shares for a while.
    pub port: Option<OwnedFd>,
}

/// Called when a successor is ready and wants to take over at once.
type Call = Box<dyn Fn() + Send + Sync>;

/// A successor that is ready.
#[derive(Debug)]
pub struct Successor {
    pub(super) wire: Wire,
    /// Its process id, in its own pid namespace.
    pub pid: u32,
    /// Its version.
    pub sensor: String,
}

/// The one room for a successor.
#[derive(Debug, Default)]
enum Room {
    #[default]
    Free,
    /// A successor has come and is not ready, or the sensor hands over to it.
    Taken,
    Ready(Successor),
}

/// The open door. Dropping this value removes the socket.
#[derive(Debug)]
pub struct Door {
    _name: SocketName,
    room: Arc<Mutex<Room>>,
}

fn lock(room: &Mutex<Room>) -> MutexGuard<'_, Room> {
    room.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Door {
    /// Opens the door at that path.
    ///
    /// # Errors
    /// If the socket or the thread cannot be made.
    pub fn open(path: &Path, locks: Locks, call: Call) -> io::Result<Self> {
        let (listener, name) = SocketName::listen(path)?;
        let room = Arc::<Mutex<Room>>::default();
        let shared = Arc::new((locks, Arc::clone(&room), call));
        thread::Builder::new()
            .name("takeover".into())
            .spawn(move || accept(&listener, &shared))?;
        Ok(Self { _name: name, room })
    }

    /// The successor, if one is ready. The next one is refused until [`Self::free`].
    #[must_use]
    pub fn successor(&self) -> Option<Successor> {
        let mut room = lock(&self.room);
        match std::mem::replace(&mut *room, Room::Taken) {
            Room::Ready(successor) => Some(successor),
            other => {
                *room = other;
                None
            }
        }
    }

    /// The successor has not taken over: another one may come.
    pub fn free(&self) {
        *lock(&self.room) = Room::Free;
    }
}

/// Serves each that comes in a thread of its own.
fn accept(listener: &UnixListener, shared: &Arc<(Locks, Arc<Mutex<Room>>, Call)>) {
    for stream in listener.incoming() {
        let shared = Arc::clone(shared);
        let served = stream.and_then(|stream| {
            thread::Builder::new()
                .name("takeover".into())
                .spawn(move || serve(stream, &shared.0, &shared.1, &shared.2))
        });
        if let Err(error) = served {
            warn!("no other sensor can take over now: {error}");
            thread::sleep(LOOK);
        }
    }
}

/// Answers one that wants to take over, and watches it until this sensor hands over or it has gone.
fn serve(stream: UnixStream, locks: &Locks, room: &Mutex<Room>, call: &Call) {
    let greeted = Wire::new(stream).and_then(|wire| greet(wire, locks, room));
    let (mut wire, greeting) = match greeted {
        Ok(Some(greeted)) => greeted,
        Ok(None) => return,
        Err(error) => return info!("somebody asked to take over, and did not go on: {error}"),
    };
    reached("greeted");
    let Greeting { pid, sensor, .. } = greeting;
    if let Err(error) = hear_ready(&mut wire) {
        info!("sensor {sensor} (pid {pid}) does not take over: {error}");
        *lock(room) = Room::Free;
        return;
    }
    info!("sensor {sensor} (pid {pid}) is ready to take over");
    *lock(room) = Room::Ready(Successor { wire, pid, sensor });
    reached("awaited");
    if greeting.when == When::Ready {
        call();
    }
    watch(room);
}

/// Answers the greeting; none if the answer was a refusal.
fn greet(
    mut wire: Wire,
    locks: &Locks,
    room: &Mutex<Room>,
) -> io::Result<Option<(Wire, Greeting)>> {
    let theirs: Option<Greeting> = wire.receive(Instant::now() + GREETING)?;
    let theirs = theirs.ok_or_else(|| io::Error::from(io::ErrorKind::TimedOut))?;
    if theirs.version != VERSION {
        let version = theirs.version;
        let why =
            format!("this sensor speaks version {VERSION} of the takeover, and not {version}");
        wire.send(&Greeting::refusal(&why))?;
        return Ok(None);
    }
    let is_free = {
        let mut room = lock(room);
        let is_free = matches!(*room, Room::Free);
        if is_free {
            *room = Room::Taken;
        }
        is_free
    };
    if !is_free {
        wire.send(&Greeting::refusal("another sensor waits already"))?;
        return Ok(None);
    }
    if let Some(port) = &locks.port {
        set_socket_reuseport(port, true)?;
    }
    let mut descriptors = vec![locks.folder.as_fd()];
    if theirs.instance
        && let Some(instance) = &locks.instance
    {
        descriptors.push(instance.as_fd());
    }
    match wire.send_with(&Greeting::own(), &descriptors) {
        Ok(()) => Ok(Some((wire, theirs))),
        Err(error) => {
            *lock(room) = Room::Free;
            Err(error)
        }
    }
}

/// Waits until the successor is ready, which can take as long as its start.
fn hear_ready(wire: &mut Wire) -> io::Result<()> {
    loop {
        match wire.receive(Instant::now() + GREETING)? {
            Some(Message::Ready) => return wire.send(&Message::Noted),
            Some(other) => return Err(io::Error::other(format!("it says {other:?}"))),
            None => {}
        }
    }
}

/// Frees the room if the successor goes while it waits.
fn watch(room: &Mutex<Room>) {
    loop {
        thread::sleep(LOOK);
        let mut room = lock(room);
        let Room::Ready(successor) = &*room else {
            return;
        };
        if successor.wire.has_ended() {
            let Successor { pid, sensor, .. } = successor;
            info!("sensor {sensor} (pid {pid}) has gone before it took over");
            *room = Room::Free;
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;

    use super::*;

    fn null() -> OwnedFd {
        std::fs::File::open("/dev/null").unwrap().into()
    }

    fn open(path: &Path) -> (Door, std::sync::mpsc::Receiver<()>) {
        let (called, calls) = channel();
        let locks = Locks {
            folder: null(),
            instance: Some(null()),
            port: None,
        };
        let call = move || called.send(()).unwrap();
        (Door::open(path, locks, Box::new(call)).unwrap(), calls)
    }

    fn knock(path: &Path, greeting: &Greeting) -> (Wire, Greeting, usize) {
        let mut wire = Wire::new(UnixStream::connect(path).unwrap()).unwrap();
        wire.send(greeting).unwrap();
        let (answer, descriptors) = wire.receive_with().unwrap();
        (wire, answer, descriptors.len())
    }

    fn eventually<T>(mut look: impl FnMut() -> Option<T>) -> T {
        let begin = Instant::now();
        loop {
            if let Some(found) = look() {
                return found;
            }
            assert!(begin.elapsed() < Duration::from_secs(20));
            thread::sleep(Duration::from_millis(5));
        }
    }

    #[test]
    fn a_successor_gets_the_locks_it_needs_and_is_there_once_it_is_ready() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("takeover.sock");
        let (door, calls) = open(&path);
        let greeting = Greeting {
            instance: true,
            ..Greeting::own()
        };
        let (mut wire, answer, descriptors) = knock(&path, &greeting);
        assert_eq!((answer.error, descriptors), (None, 2));
        assert!(door.successor().is_none());
        let (_, answer, descriptors) = knock(&path, &greeting);
        assert_eq!(answer.error.unwrap(), "another sensor waits already");
        assert_eq!(descriptors, 0);
        wire.send(&Message::Ready).unwrap();
        calls.recv().unwrap();
        assert!(eventually(|| door.successor()).pid == std::process::id());
        assert!(door.successor().is_none());
        drop(door);
        assert!(!path.exists());
    }

    #[test]
    fn a_successor_that_goes_makes_room_for_the_next() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("takeover.sock");
        let (_door, calls) = open(&path);
        for _ in 0..2 {
            let waiting = || {
                let knocked = knock(&path, &Greeting::own());
                knocked.1.error.is_none().then_some(knocked)
            };
            let (mut wire, _, descriptors) = eventually(waiting);
            assert_eq!(descriptors, 1);
            wire.send(&Message::Ready).unwrap();
            calls.recv().unwrap();
        }
    }

    #[test]
    fn another_version_is_refused_with_the_reason() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("takeover.sock");
        let (_door, _calls) = open(&path);
        let newer = Greeting {
            version: 9,
            ..Greeting::own()
        };
        let why = knock(&path, &newer).1.error.unwrap();
        assert!(
            why.ends_with("version 1 of the takeover, and not 9"),
            "{why}"
        );
    }
}
