//! One sensor for each node.

use std::{
    io,
    os::{
        fd::{AsFd, BorrowedFd, OwnedFd},
        linux::net::SocketAddrExt,
        unix::net::{SocketAddr, UnixListener, UnixStream},
    },
};

/// Why this sensor may not start.
#[derive(Debug, thiserror::Error)]
pub enum InstanceError {
    /// Another sensor runs.
    #[error(
        "another sensor runs already{}: stop it, or give this one another sensor.instance and output file",
        pid.map_or(String::new(), |pid| format!(" (pid {pid})"))
    )]
    Taken {
        /// Process id of the other sensor, if the kernel reports it in this pid namespace.
        pid: Option<i32>,
    },
    /// The socket failed, so the sensor cannot find out.
    #[error("cannot tell whether another sensor runs: {0}")]
    Socket(#[from] io::Error),
}

/// Keeps other sensors from starting as long as this value lives.
///
/// The value is an abstract unix socket, so a crash leaves nothing behind. The socket's name is
/// visible in one network namespace, which is the host's if the pod has `hostNetwork`.
#[derive(Debug)]
pub struct Instance {
    listener: UnixListener,
}

impl AsFd for Instance {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.listener.as_fd()
    }
}

/// The instance of another process, which has passed its socket on: nobody else gets the name
/// when that process ends.
impl From<OwnedFd> for Instance {
    fn from(socket: OwnedFd) -> Self {
        Self {
            listener: socket.into(),
        }
    }
}

impl Instance {
    /// Takes the name of the instance.
    ///
    /// # Errors
    /// If another process has the name.
    pub fn take(name: &str) -> Result<Self, InstanceError> {
        let address = SocketAddr::from_abstract_name(format!("sensor-instance/{name}"))?;
        match UnixListener::bind_addr(&address) {
            Ok(listener) => Ok(Self { listener }),
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
    fn a_second_instance_reports_the_process_id_of_the_first() {
        let name = format!("test-{}", std::process::id());
        let first = Instance::take(&name).unwrap();
        let error = Instance::take(&name).unwrap_err();
        let own = std::process::id().cast_signed();
        assert!(matches!(error, InstanceError::Taken { pid: Some(pid) } if pid == own));
        drop(first);
        Instance::take(&name).unwrap();
    }
}
