//! The door for observers: programs that watch the events of this sensor, through a unix socket.
//! [docs/observers.md](../../docs/observers.md) has what both sides say.

use std::{
    io::{self, BufReader, Read as _, Write},
    os::unix::net::{UnixListener, UnixStream},
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
        mpsc::{Sender, sync_channel},
    },
    thread,
    time::Duration,
};

use serde::{Deserialize, Serialize};
use telemetry::{Identity, Ledger};
use tracing::warn;

use crate::{
    lifecycle::SocketName,
    sources::syscall::{
        capture::Reach,
        event::Kind,
        recording::{MAGIC, Pace, Recorder, append_block},
    },
};

/// The version of what both sides say.
pub const VERSION: u32 = 1;
/// Most observers at a time.
pub const MOST: usize = 16;
/// Most chunks that wait for an observer, of at most some hundred KiB each.
const WAITING: usize = 16;
/// Longest time for the observer's first message, and most bytes of it.
const GREETING: Duration = Duration::from_secs(5);
const GREETING_MAX: u64 = 4096;

/// The first message of each side, one line of JSON.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Greeting {
    /// The version of what the side says, see [`VERSION`].
    pub version: u32,
    /// Why the sensor refuses the observer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// The kinds of events that the rules of the sensor make it capture.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub captured: Vec<String>,
    /// The kinds of events that the sensor does not capture.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub not_captured: Vec<String>,
}

/// What the thread of an observer needs of the sensor.
#[derive(Clone)]
struct Sensor {
    identity: Arc<Identity>,
    ledger: Arc<Ledger>,
    taps: Sender<Recorder>,
    reach: Reach,
    attached: Arc<AtomicUsize>,
}

/// The open door. Dropping this value removes the socket.
#[derive(Debug)]
pub struct Observers {
    _name: SocketName,
}

impl Observers {
    /// Opens the door at that path. Recorders of observers go to `taps`.
    ///
    /// # Errors
    /// If the socket or the thread cannot be made.
    pub fn listen(
        path: &Path,
        identity: &Arc<Identity>,
        ledger: &Arc<Ledger>,
        taps: Sender<Recorder>,
        reach: Reach,
    ) -> io::Result<Self> {
        let (listener, name) = SocketName::listen(path)?;
        let sensor = Sensor {
            identity: Arc::clone(identity),
            ledger: Arc::clone(ledger),
            taps,
            reach,
            attached: Arc::default(),
        };
        thread::Builder::new()
            .name("observers".into())
            .spawn(move || accept(&listener, &sensor))?;
        Ok(Self { _name: name })
    }
}

fn accept(listener: &UnixListener, sensor: &Sensor) {
    for stream in listener.incoming() {
        let stream = match stream {
            Ok(stream) => stream,
            Err(error) => {
                warn!("no observers any more: {error}");
                return;
            }
        };
        if sensor.attached.fetch_add(1, Relaxed) >= MOST {
            sensor.attached.fetch_sub(1, Relaxed);
            refuse(&stream, &format!("{MOST} observers watch already"));
            continue;
        }
        let sensor = sensor.clone();
        let served = thread::Builder::new()
            .name("observer".into())
            .spawn(move || {
                // An observer that has gone knows the reason.
                let _ = serve(&stream, &sensor);
                sensor.attached.fetch_sub(1, Relaxed);
            });
        if let Err(error) = served {
            warn!("no thread for an observer: {error}");
        }
    }
}

fn refuse(stream: &UnixStream, why: &str) {
    let greeting = Greeting {
        version: VERSION,
        error: Some(why.to_owned()),
        ..Greeting::default()
    };
    // An observer that has gone misses nothing.
    let _ = say(stream, &greeting);
}

fn say(mut stream: &UnixStream, greeting: &Greeting) -> io::Result<()> {
    let mut line = serde_json::to_vec(greeting)?;
    line.push(b'\n');
    stream.write_all(&line)
}

/// Reads the first message of the other side.
fn hear(stream: &UnixStream) -> io::Result<Greeting> {
    stream.set_read_timeout(Some(GREETING))?;
    let mut line = Vec::new();
    // One byte at a time: what follows the line is not for this function.
    let bytes = BufReader::with_capacity(1, stream).take(GREETING_MAX);
    for byte in bytes.bytes() {
        match byte? {
            b'\n' => break,
            byte => line.push(byte),
        }
    }
    stream.set_read_timeout(None)?;
    Ok(serde_json::from_slice(&line)?)
}

fn serve(stream: &UnixStream, sensor: &Sensor) -> io::Result<()> {
    let theirs = match hear(stream) {
        Ok(greeting) => greeting,
        Err(error) => {
            refuse(stream, &format!("no greeting: {error}"));
            return Err(error);
        }
    };
    if theirs.version != VERSION {
        let version = theirs.version;
        let text = format!("this sensor speaks version {VERSION}, and not {version}");
        refuse(stream, &text);
        return Ok(());
    }
    let names = |is_captured: bool| {
        let kinds = Kind::ALL.into_iter();
        let kinds = kinds.filter(|kind| sensor.reach.kinds().contains(*kind) == is_captured);
        kinds.map(|kind| kind.name().to_owned()).collect()
    };
    let greeting = Greeting {
        version: VERSION,
        error: None,
        captured: names(true),
        not_captured: names(false),
    };
    say(stream, &greeting)?;
    let (chunks, received) = sync_channel(WAITING);
    let ledger = Arc::clone(&sensor.ledger);
    let recorder = Recorder::new(chunks, Pace::Live, None, &sensor.identity, ledger);
    if sensor.taps.send(recorder).is_err() {
        return Ok(());
    }
    let mut out = stream;
    out.write_all(MAGIC)?;
    let mut block = Vec::new();
    for chunk in received {
        block.clear();
        append_block(&chunk, &mut block);
        out.write_all(&block)?;
    }
    Ok(())
}

/// Attaches to a sensor: the kinds of events that it captures and does not capture, and the stream
/// of its recording.
///
/// # Errors
/// If no sensor listens there, or the sensor refuses.
pub fn attach(path: &Path) -> io::Result<(Greeting, UnixStream)> {
    let stream = UnixStream::connect(path)?;
    let own = Greeting {
        version: VERSION,
        ..Greeting::default()
    };
    say(&stream, &own)?;
    let greeting = hear(&stream)?;
    match greeting.error {
        Some(why) => Err(io::Error::other(format!("the sensor refuses: {why}"))),
        None => Ok((greeting, stream)),
    }
}

#[cfg(test)]
mod tests {
    use std::{
        io::BufRead as _,
        os::unix::fs::PermissionsExt as _,
        path::PathBuf,
        sync::mpsc::{Receiver, channel},
    };

    use config::Config;
    use events::EventSource as _;
    use sensor_ebpf::Kinds;

    use super::*;
    use crate::sources::syscall::{SystemCalls, recording::Reader};

    fn door(directory: &Path) -> (Observers, PathBuf, Receiver<Recorder>) {
        let path = directory.join("observers.sock");
        let identity = Arc::new(Identity::new(&Config::default()));
        let ledger = Arc::new(SystemCalls::ledger());
        let (taps, recorders) = channel();
        let reach = Reach::everywhere(Kinds::NONE.with(Kind::Exec));
        let door = Observers::listen(&path, &identity, &ledger, taps, reach).unwrap();
        (door, path, recorders)
    }

    #[test]
    fn an_observer_hears_what_is_captured_and_gets_a_recording() {
        let directory = tempfile::tempdir().unwrap();
        let (door, path, recorders) = door(directory.path());
        let mode = std::fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        let (greeting, stream) = attach(&path).unwrap();
        assert_eq!(greeting.captured, ["exec"]);
        assert!(greeting.not_captured.contains(&"connect".to_owned()));
        recorders.recv().unwrap().finish(false);
        let mut reader = Reader::new(stream).unwrap();
        assert!(reader.block().unwrap().is_some());
        assert!(reader.block().unwrap().is_none());
        drop(door);
        assert!(!path.exists());
    }

    #[test]
    fn an_observer_of_another_version_is_refused_with_the_reason() {
        let directory = tempfile::tempdir().unwrap();
        let (_door, path, _recorders) = door(directory.path());
        let stream = UnixStream::connect(&path).unwrap();
        let newer = Greeting {
            version: 9,
            ..Greeting::default()
        };
        say(&stream, &newer).unwrap();
        let why = hear(&stream).unwrap().error.unwrap();
        assert_eq!(why, "this sensor speaks version 1, and not 9");
    }

    #[test]
    fn the_seventeenth_observer_is_refused_with_the_reason() {
        let directory = tempfile::tempdir().unwrap();
        let (_door, path, _recorders) = door(directory.path());
        let _attached: Vec<_> = (0..MOST).map(|_| attach(&path).unwrap()).collect();
        let refused = attach(&path).err().unwrap().to_string();
        assert_eq!(refused, "the sensor refuses: 16 observers watch already");
    }

    #[test]
    fn somebody_who_does_not_greet_is_answered() {
        let directory = tempfile::tempdir().unwrap();
        let (_door, path, _recorders) = door(directory.path());
        let mut stream = UnixStream::connect(&path).unwrap();
        stream.write_all(b"GET / HTTP/1.1\n").unwrap();
        let mut answer = String::new();
        BufReader::new(stream).read_line(&mut answer).unwrap();
        assert!(answer.contains("no greeting"), "{answer}");
    }
}
