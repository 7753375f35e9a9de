//! The socket of a runtime: how to connect, and whether the socket is still the same file.

use std::{
    io,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    time::Duration,
};

use containerd_client::tonic::transport::{Channel, Endpoint};

use super::{Error, chain};

/// Longest time for a connection attempt.
const CONNECT: Duration = Duration::from_secs(5);
/// Identity of the file of a socket.
pub(crate) struct Socket {
    path: PathBuf,
    file: (u64, u64),
}

impl Socket {
    /// The file that is at that path now.
    pub(crate) fn find(path: &Path) -> Result<Self, Error> {
        let metadata = path.metadata().map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => Error::Absent,
            _ => Error::Unreachable(error),
        })?;
        Ok(Self {
            path: path.to_owned(),
            file: (metadata.dev(), metadata.ino()),
        })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Whether another file is at the path: the runtime was restarted. A missing file does not
    /// count, since the connection can still work.
    pub(crate) fn was_replaced(&self) -> bool {
        self.path
            .metadata()
            .is_ok_and(|now| (now.dev(), now.ino()) != self.file)
    }

    /// Connects by gRPC. Without pings: a unix socket tells when the other end is gone, and gRPC's
    /// servers close a connection that pings often (`too_many_pings`).
    pub(crate) async fn connect(&self) -> Result<Channel, Error> {
        let path = self.path.to_str().ok_or(Error::Path)?;
        let error = |error| Error::Connect(chain(&error));
        Endpoint::from_shared(format!("unix://{path}"))
            .map_err(error)?
            .connect_timeout(CONNECT)
            .connect()
            .await
            .map_err(error)
    }
}

#[cfg(test)]
mod tests {
    use tokio::{
        io::{AsyncReadExt as _, AsyncWriteExt as _},
        net::UnixListener,
    };

    use super::*;

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

    /// The types of the HTTP/2 frames in what a client has sent, behind its preface.
    fn frames(sent: &[u8]) -> Vec<u8> {
        const PREFACE: usize = 24;
        let mut rest = &sent[PREFACE..];
        let mut types = Vec::new();
        while let [a, b, c, kind, _, _, _, _, _, after @ ..] = rest {
            types.push(*kind);
            let length = u32::from_be_bytes([0, *a, *b, *c]) as usize;
            rest = after.get(length..).unwrap_or_default();
        }
        types
    }

    #[tokio::test]
    async fn a_connection_that_is_idle_for_an_hour_sends_no_ping() {
        const SETTINGS: u8 = 4;
        const PING: u8 = 6;
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("s");
        let listener = UnixListener::bind(&path).unwrap();
        let server = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let settings = [0, 0, 0, SETTINGS, 0, 0, 0, 0, 0];
            stream.write_all(&settings).await.unwrap();
            let mut sent = Vec::new();
            stream.read_to_end(&mut sent).await.unwrap();
            sent
        });
        let channel = Socket::find(&path).unwrap().connect().await.unwrap();
        tokio::time::pause();
        tokio::time::sleep(Duration::from_hours(1)).await;
        drop(channel);
        let frames = frames(&server.await.unwrap());
        assert!(frames.contains(&SETTINGS), "{frames:?}");
        assert!(!frames.contains(&PING), "{frames:?}");
    }
}
