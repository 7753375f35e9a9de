//! The system log: datagrams of RFC 3164's form, as the C library's `syslog` writes them.

use std::{
    io::{self, Write as _},
    os::unix::net::UnixDatagram,
    path::Path,
    time::{Duration, SystemTime},
};

use falco_rules::Priority;
use time::{OffsetDateTime, UtcOffset};

/// Path of the socket of the log daemon.
pub const SOCKET: &str = "/dev/log";
/// Facility `user`, as in Falco.
const FACILITY: u8 = 1;
/// How long a datagram waits while the log daemon does not read.
const BUSY: Duration = Duration::from_secs(1);

/// A connection to the system log. It is opened by the first datagram, and again after a failure.
#[derive(Debug)]
pub struct Syslog {
    path: &'static Path,
    ident: Box<str>,
    offset: UtcOffset,
    socket: Option<UnixDatagram>,
    message: Vec<u8>,
}

impl Syslog {
    /// A connection to the socket at `path`, for lines of this name; times have this offset from
    /// UTC.
    #[must_use]
    pub fn new(path: &'static Path, ident: &str, offset: UtcOffset) -> Self {
        Self {
            path,
            ident: ident.into(),
            offset,
            socket: None,
            message: Vec::new(),
        }
    }

    /// Connects, if it is not connected.
    ///
    /// # Errors
    /// If no process listens.
    pub fn connect(&mut self) -> io::Result<&UnixDatagram> {
        if self.socket.is_none() {
            let socket = UnixDatagram::unbound()?;
            socket.connect(self.path)?;
            socket.set_write_timeout(Some(BUSY))?;
            self.socket = Some(socket);
        }
        self.socket
            .as_ref()
            .ok_or_else(|| io::ErrorKind::NotConnected.into())
    }

    /// Makes the datagram of a line: `<14>Nov 21 05:01:46 falco: text`. As in Falco, the number of
    /// the process is not in it.
    pub fn format(&mut self, line: &[u8], priority: Priority) {
        let t = OffsetDateTime::from(SystemTime::now()).to_offset(self.offset);
        let month = &t.month().to_string()[..3];
        self.message.clear();
        // Writing to memory cannot fail.
        let _ = write!(
            self.message,
            "<{}>{month} {:2} {:02}:{:02}:{:02} {}: ",
            FACILITY * 8 + priority.number(),
            t.day(),
            t.hour(),
            t.minute(),
            t.second(),
            self.ident
        );
        self.message.extend_from_slice(line.trim_ascii_end());
    }

    /// Sends the datagram; returns its length in bytes.
    ///
    /// # Errors
    /// If no process listens, the log daemon is busy for longer than a second, or the datagram is
    /// too long for the kernel.
    pub fn send(&mut self) -> io::Result<usize> {
        let message = std::mem::take(&mut self.message);
        let sent = self.connect().and_then(|socket| socket.send(&message));
        self.message = message;
        if sent.is_err() {
            self.socket = None;
        }
        sent
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_datagram_has_facility_and_severity_time_and_name() {
        let offset = UtcOffset::from_hms(2, 0, 0).unwrap();
        let mut syslog = Syslog::new(Path::new(SOCKET), "falco", offset);
        syslog.format(b"rules loaded\n", Priority::Informational);
        let message = String::from_utf8(syslog.message).unwrap();
        let (head, text) = message.split_at("<14>Nov 21 05:01:46".len());
        assert_eq!(text, " falco: rules loaded");
        assert_eq!(&head[..4], "<14>");
        let parts: Vec<usize> = head[4..].split([' ', ':']).map(str::len).collect();
        assert!(
            parts == [3, 2, 2, 2, 2] || parts == [3, 0, 1, 2, 2, 2],
            "{head}"
        );
    }
}
