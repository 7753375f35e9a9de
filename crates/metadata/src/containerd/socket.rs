//! Sockets of containerd: where they are, and whether the socket is still the same file.

use std::{
    io,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    time::Duration,
};

use containerd_client::tonic::transport::{Channel, Endpoint};

use super::Error;
use crate::{ContainerdOptions, SOCKETS_MAX};

/// Longest time for a connection attempt.
const CONNECT: Duration = Duration::from_secs(5);
/// Interval and time limit of keep-alive pings: after their sum without an answer the connection
/// counts as dead.
const KEEP_ALIVE: Duration = Duration::from_secs(20);

/// The sockets that the tasks use: the configured ones, under the host's root.
pub(crate) fn sockets(options: &ContainerdOptions) -> Vec<PathBuf> {
    let place = |socket: &PathBuf| match &options.host_root {
        Some(root) => root.join(socket.strip_prefix("/").unwrap_or(socket)),
        None => socket.clone(),
    };
    options
        .sockets
        .iter()
        .take(SOCKETS_MAX)
        .map(place)
        .collect()
}

/// Identity of the file of a socket.
pub(super) struct Socket {
    path: PathBuf,
    file: (u64, u64),
}

impl Socket {
    /// The file that is at that path now.
    pub(super) fn find(path: &Path) -> Result<Self, Error> {
        let metadata = path.metadata().map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => Error::Absent,
            _ => Error::Unreachable(error),
        })?;
        Ok(Self {
            path: path.to_owned(),
            file: (metadata.dev(), metadata.ino()),
        })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Whether another file is at the path: containerd was restarted. A missing file does not
    /// count, since the connection can still work.
    pub(super) fn was_replaced(&self) -> bool {
        self.path
            .metadata()
            .is_ok_and(|now| (now.dev(), now.ino()) != self.file)
    }

    /// Connects.
    pub(super) async fn connect(&self) -> Result<Channel, Error> {
        let path = self.path.to_str().ok_or(Error::Path)?;
        let error = |error| Error::Connect(chain(&error));
        Endpoint::from_shared(format!("unix://{path}"))
            .map_err(error)?
            .connect_timeout(CONNECT)
            .http2_keep_alive_interval(KEEP_ALIVE)
            .keep_alive_timeout(KEEP_ALIVE)
            .keep_alive_while_idle(true)
            .connect()
            .await
            .map_err(error)
    }
}

/// The text of an error with its causes.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_sockets_are_sought_under_the_hosts_root() {
        let options = ContainerdOptions {
            host_root: Some("/host".into()),
            ..ContainerdOptions::default()
        };
        let found = sockets(&options);
        assert_eq!(found[0], Path::new("/host/run/containerd/containerd.sock"));
        assert_eq!(
            found[1],
            Path::new("/host/var/snap/microk8s/common/run/containerd.sock")
        );
    }

    #[test]
    fn a_new_file_at_the_path_is_a_replaced_socket() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("s");
        let other = dir.path().join("t");
        std::fs::write(&path, "").unwrap();
        std::fs::write(&other, "").unwrap();
        let socket = Socket::find(&path).unwrap();
        assert!(!socket.was_replaced());
        std::fs::rename(&other, &path).unwrap();
        assert!(socket.was_replaced());
        std::fs::remove_file(&path).unwrap();
        assert!(!socket.was_replaced());
    }
}
