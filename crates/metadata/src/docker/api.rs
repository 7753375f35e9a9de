//! HTTP over the unix socket of Docker or Podman: one connection for each request, since requests
//! may wait long (a container that is being started answers when it runs).

use std::{path::PathBuf, time::Duration};

use bytes::{Bytes, BytesMut};
use http_body_util::{BodyExt, Empty};
use hyper::{Request, StatusCode, body::Incoming, client::conn::http1};
use hyper_util::rt::TokioIo;
use serde::de::DeserializeOwned;
use tokio::{net::UnixStream, task::AbortHandle, time::timeout};

use crate::runtime::Error;

/// Largest answer: a list of thousands of containers is some megabytes.
const ANSWER_MAX: usize = 32 << 20;
/// Largest event.
const EVENT_MAX: usize = 1 << 20;
/// Longest time for a connection attempt.
const CONNECT: Duration = Duration::from_secs(5);

/// The API at a socket.
pub(super) struct Client {
    socket: PathBuf,
    timeout: Duration,
}

/// An open answer; dropping it closes the connection.
struct Answer {
    status: StatusCode,
    body: Incoming,
    connection: AbortHandle,
}

impl Drop for Answer {
    fn drop(&mut self) {
        self.connection.abort();
    }
}

impl Client {
    pub(super) fn new(socket: PathBuf, timeout: Duration) -> Self {
        Self { socket, timeout }
    }

    /// Reads an object; none if the runtime does not have it. A refusal concerns this object alone,
    /// any other error the connection.
    pub(super) async fn get<T: DeserializeOwned>(
        &self,
        what: &'static str,
        path: &str,
    ) -> Result<Option<T>, Error> {
        let whole = async {
            let mut answer = self.open(what, path).await?;
            if answer.status == StatusCode::NOT_FOUND {
                return Ok(None);
            }
            let mut bytes = BytesMut::new();
            while let Some(frame) = answer.body.frame().await {
                let frame = frame.map_err(|error| Error::call(what, &error))?;
                if let Some(data) = frame.data_ref() {
                    bytes.extend_from_slice(data);
                }
                if bytes.len() > ANSWER_MAX {
                    return Err(Error::Refused {
                        what,
                        message: "the answer is too long".to_owned(),
                    });
                }
            }
            if !answer.status.is_success() {
                return Err(refusal(what, answer.status, &bytes));
            }
            match serde_json::from_slice(&bytes) {
                Ok(object) => Ok(Some(object)),
                Err(error) => Err(Error::Refused {
                    what,
                    message: error.to_string(),
                }),
            }
        };
        timeout(self.timeout, whole)
            .await
            .unwrap_or(Err(Error::Timeout(what)))
    }

    /// Opens a stream of lines.
    pub(super) async fn lines(&self, what: &'static str, path: &str) -> Result<Lines, Error> {
        let answer = timeout(self.timeout, self.open(what, path))
            .await
            .unwrap_or(Err(Error::Timeout(what)))?;
        if !answer.status.is_success() {
            return Err(refusal(what, answer.status, b""));
        }
        Ok(Lines {
            what,
            answer,
            unread: BytesMut::new(),
        })
    }

    async fn open(&self, what: &'static str, path: &str) -> Result<Answer, Error> {
        let connect = |error: &dyn std::error::Error| Error::Connect(crate::runtime::chain(error));
        let stream = timeout(CONNECT, UnixStream::connect(&self.socket))
            .await
            .map_err(|_| Error::Timeout("the connection"))?
            .map_err(|error| connect(&error))?;
        let (mut sender, connection) = http1::handshake::<_, Empty<Bytes>>(TokioIo::new(stream))
            .await
            .map_err(|error| connect(&error))?;
        let connection = tokio::spawn(async move {
            // A failure also ends the request, which reports it.
            let _ = connection.await;
        })
        .abort_handle();
        let request = Request::get(path)
            .header(hyper::header::HOST, "localhost")
            .body(Empty::new())
            .map_err(|error| Error::call(what, &error))?;
        match sender.send_request(request).await {
            Ok(response) => {
                let (head, body) = response.into_parts();
                Ok(Answer {
                    status: head.status,
                    body,
                    connection,
                })
            }
            Err(error) => {
                connection.abort();
                Err(Error::call(what, &error))
            }
        }
    }
}

/// An answer other than success: its status, and the message that Docker puts into an object.
fn refusal(what: &'static str, status: StatusCode, body: &[u8]) -> Error {
    #[derive(serde::Deserialize)]
    struct Refusal {
        message: String,
    }
    let message = serde_json::from_slice::<Refusal>(body).map(|refusal| refusal.message);
    Error::Refused {
        what,
        message: match message {
            Ok(message) => format!("{status}: {message}"),
            Err(_) => status.to_string(),
        },
    }
}

/// A stream of lines.
pub(crate) struct Lines {
    what: &'static str,
    answer: Answer,
    /// What has arrived of the next lines.
    unread: BytesMut,
}

impl Lines {
    /// The next line. The future may be dropped before it is ready, and loses nothing then.
    pub(super) async fn next(&mut self) -> Result<Bytes, Error> {
        loop {
            if let Some(end) = memchr::memchr(b'\n', &self.unread) {
                return Ok(self.unread.split_to(end + 1).freeze());
            }
            if self.unread.len() > EVENT_MAX {
                return Err(Error::Call {
                    what: self.what,
                    message: "event is too long".to_owned(),
                });
            }
            match self.answer.body.frame().await {
                Some(Ok(frame)) => {
                    if let Some(data) = frame.data_ref() {
                        self.unread.extend_from_slice(data);
                    }
                }
                Some(Err(error)) => return Err(Error::call(self.what, &error)),
                None => return Err(Error::StreamEnded),
            }
        }
    }
}
