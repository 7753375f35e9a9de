//! The door for observers: programs that watch the events of this sensor, through a unix socket.
//! [docs/observers.md](../../../docs/observers.md) has what both sides say.

mod client;
mod door;
#[cfg(test)]
mod tests;

use std::{
    io::{self, BufReader, Read as _, Write as _},
    os::unix::net::UnixStream,
    path::Path,
    time::Duration,
};

use sensor_ebpf::Kinds;
use serde::{Deserialize, Serialize};

pub use self::door::Observers;
use crate::sources::syscall::{
    capture::{Connects, Reach, Watched},
    event::Kind,
    recording::Captured,
    rules::Requirements,
};

/// The version of what both sides say.
pub const VERSION: u32 = 1;
/// Most observers at a time.
pub const MOST: usize = 16;
/// Longest time for the first message of either side, and most bytes of it.
const GREETING: Duration = Duration::from_secs(5);
const GREETING_MAX: usize = 4096;

/// The first message of each side, one line of JSON.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Greeting {
    /// The version of what the side says, see [`VERSION`].
    pub version: u32,
    /// The observer: the events that it wants; without these, those of the sensor's rules.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub wants: Option<WantedEvents>,
    /// Why the sensor refuses the observer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// The sensor: the kinds of events that it captures, and those that it does not.
    #[serde(flatten)]
    pub captured: Captured,
}

/// The events that an observer wants.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct WantedEvents {
    /// Kinds of events in containers. The sensor leaves out names that it does not know.
    pub container: Vec<String>,
    /// Kinds of events outside of containers.
    pub host: Vec<String>,
    /// The connects among them.
    pub connects: WantedConnects,
}

/// The connects that an observer wants.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "independent switches, each a bit in the kernel's settings"
)]
pub struct WantedConnects {
    /// Connects to unix sockets.
    pub unix: bool,
    /// Connects of IPv4 and IPv6 sockets.
    pub inet: bool,
    /// Connects of these to loopback addresses.
    pub loopback: bool,
    /// Connects of other families.
    pub other_families: bool,
}

impl From<&Requirements> for WantedEvents {
    fn from(requirements: &Requirements) -> Self {
        let names = |kinds: Kinds| kinds.iter().map(|kind| kind.name().to_owned()).collect();
        let Connects {
            unix,
            inet,
            loopback,
            other_families,
            // The observer itself leaves out the connects of other processes.
            names: _,
        } = requirements.connects;
        Self {
            container: names(requirements.reach.container),
            host: names(requirements.reach.host),
            connects: WantedConnects {
                unix,
                inet,
                loopback,
                other_families,
            },
        }
    }
}

impl From<&WantedEvents> for Watched {
    fn from(wants: &WantedEvents) -> Self {
        let kinds = |names: &[String]| {
            let has = |kind: Kind| names.iter().any(|name| name == kind.name());
            let add = |kinds: Kinds, kind| kinds.with_if(kind, has(kind));
            Kind::ALL.into_iter().fold(Kinds::NONE, add)
        };
        let WantedConnects {
            unix,
            inet,
            loopback,
            other_families,
        } = wants.connects;
        Self {
            reach: Reach {
                container: kinds(&wants.container),
                host: kinds(&wants.host),
            },
            connects: Connects {
                unix,
                inet,
                loopback,
                other_families,
                names: None,
            },
        }
    }
}

impl Greeting {
    fn line(&self) -> io::Result<Vec<u8>> {
        let mut line = serde_json::to_vec(self)?;
        line.push(b'\n');
        Ok(line)
    }
}

/// Reads the first message of the other side.
fn hear(stream: &UnixStream) -> io::Result<Greeting> {
    stream.set_read_timeout(Some(GREETING))?;
    let mut line = Vec::new();
    // One byte at a time: what follows the line is not for this function.
    let bytes = BufReader::with_capacity(1, stream).take(GREETING_MAX as u64);
    for byte in bytes.bytes() {
        match byte? {
            b'\n' => break,
            byte => line.push(byte),
        }
    }
    stream.set_read_timeout(None)?;
    Ok(serde_json::from_slice(&line)?)
}

/// Attaches to a sensor: the kinds of events that it captures and does not capture, and the stream
/// of its recording with the events that `wants` names.
///
/// # Errors
/// If no sensor listens there, or the sensor refuses.
pub fn attach(path: &Path, wants: WantedEvents) -> io::Result<(Captured, UnixStream)> {
    let stream = UnixStream::connect(path)?;
    let own = Greeting {
        version: VERSION,
        wants: Some(wants),
        ..Greeting::default()
    };
    // A sensor that refuses at once may have closed the socket, and has said why before.
    let said = (&stream).write_all(&own.line()?);
    let greeting = match (hear(&stream), said) {
        (Ok(greeting), _) => greeting,
        (Err(_), Err(error)) | (Err(error), Ok(())) => return Err(error),
    };
    match greeting.error {
        Some(why) => Err(io::Error::other(format!("the sensor refuses: {why}"))),
        None => Ok((greeting.captured, stream)),
    }
}
