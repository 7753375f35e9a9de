//! One sensor a node.

use std::{
    io,
    os::{
        linux::net::SocketAddrExt,
        unix::net::{SocketAddr, UnixListener, UnixStream},
    },
};

/// Why this is not the only sensor.
#[derive(Debug, thiserror::Error)]
pub enum InstanceError {
    /// There is another one.
    #[error(
        "another sensor runs already{}: stop it, or give this one another sensor.instance and output file",
        pid.map_or(String::new(), |pid| format!(" (pid {pid})"))
    )]
    Taken {
        /// Its process id, if it can be told from here.
        pid: Option<i32>,
    },
    /// It cannot be told.
    #[error("cannot tell whether another sensor runs: {0}")]
    Socket(#[from] io::Error),
}

/// Keeps others from starting as long as it lives.
///
/// An abstract unix socket: nothing is left behind by a crash. It is known in one
/// network namespace, the host's if the pod has `hostNetwork`.
#[derive(Debug)]
pub struct Instance {
    _listener: UnixListener,
}

impl Instance {
    /// Takes the name.
    ///
    /// # Errors
    /// If another process has it.
    pub fn take(name: &str) -> Result<Self, InstanceError> {
        let address = SocketAddr::from_abstract_name(format!("sensor-instance/{name}"))?;
        match UnixListener::bind_addr(&address) {
            Ok(listener) => Ok(Self {
                _listener: listener,
            }),
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => Err(InstanceError::Taken {
                pid: owner(&address),
            }),
            Err(error) => Err(error.into()),
        }
    }
}

fn owner(address: &SocketAddr) -> Option<i32> {
    let stream = UnixStream::connect_addr(address).ok()?;
    let peer = rustix::net::sockopt::socket_peercred(&stream).ok()?;
    Some(peer.pid.as_raw_nonzero().get())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_second_is_told_who_the_first_is() {
        let name = format!("test-{}", std::process::id());
        let first = Instance::take(&name).unwrap();
        let error = Instance::take(&name).unwrap_err();
        let own = std::process::id().cast_signed();
        assert!(matches!(error, InstanceError::Taken { pid: Some(pid) } if pid == own));
        drop(first);
        Instance::take(&name).unwrap();
    }
}
