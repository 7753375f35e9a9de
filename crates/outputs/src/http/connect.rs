//! Connections to a web server or a proxy.

use std::{
    error::Error as _,
    io,
    sync::{Arc, OnceLock},
    time::Duration,
};

use bytes::Bytes;
use http_body_util::Full;
use hyper::{
    Request, Response,
    body::Incoming,
    client::conn::http1::{SendRequest, handshake},
};
use hyper_util::rt::TokioIo;
use rustix::net::sockopt;
use rustls::pki_types::ServerName;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
};
use tokio_rustls::TlsConnector;

/// How long a connection is idle before the kernel probes it, as in libcurl.
const IDLE: Duration = Duration::from_mins(1);

/// What TLS needs: the connector, and the name that the certificate must have.
pub(super) type Tls<'a> = (&'a TlsConnector, ServerName<'static>);

/// Connects to a server.
pub(super) async fn dial(host: &str, port: u16, probes: bool) -> io::Result<TcpStream> {
    let stream = TcpStream::connect((host, port)).await?;
    stream.set_nodelay(true)?;
    if probes {
        sockopt::set_socket_keepalive(&stream, true)?;
        sockopt::set_tcp_keepidle(&stream, IDLE)?;
        sockopt::set_tcp_keepintvl(&stream, IDLE)?;
    }
    Ok(stream)
}

/// A connection over which requests go.
pub(super) struct Connection {
    sender: SendRequest<Full<Bytes>>,
    /// Why the connection broke: a server that demands another certificate says so only here.
    broken: Arc<OnceLock<String>>,
}

impl Connection {
    /// Speaks HTTP over a stream, with TLS between them if that is wanted.
    pub(super) async fn over<S>(stream: S, tls: Option<Tls<'_>>) -> io::Result<Self>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        match tls {
            None => Self::shake(stream).await,
            Some((tls, name)) => Self::shake(tls.connect(name, stream).await?).await,
        }
    }

    async fn shake<S>(stream: S) -> io::Result<Self>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let (sender, connection) = handshake(TokioIo::new(stream))
            .await
            .map_err(io::Error::other)?;
        let broken = Arc::<OnceLock<String>>::default();
        let failure = Arc::clone(&broken);
        // The sender notices when the connection has ended.
        tokio::spawn(async move {
            if let Err(error) = connection.with_upgrades().await {
                let cause = error.source().map(|cause| format!(": {cause}"));
                let _ = failure.set(format!("{error}{}", cause.unwrap_or_default()));
            }
        });
        Ok(Self { sender, broken })
    }

    /// Whether the server has closed the connection.
    pub(super) fn is_closed(&self) -> bool {
        self.sender.is_closed()
    }

    /// Sends a request.
    pub(super) async fn send(
        &mut self,
        request: Request<Full<Bytes>>,
    ) -> io::Result<Response<Incoming>> {
        self.sender.ready().await.map_err(io::Error::other)?;
        let answer = self.sender.send_request(request).await;
        answer.map_err(io::Error::other)
    }

    /// Asks a proxy for a tunnel, and returns its stream.
    pub(super) async fn tunnel(
        mut self,
        request: Request<Full<Bytes>>,
    ) -> io::Result<impl AsyncRead + AsyncWrite + Unpin + Send + 'static> {
        let answer = self.send(request).await;
        let answer = answer.map_err(|error| self.reason(error))?;
        let status = answer.status();
        if !status.is_success() {
            return Err(io::Error::other(format!("the proxy answers {status}")));
        }
        let upgraded = hyper::upgrade::on(answer).await.map_err(io::Error::other)?;
        Ok(TokioIo::new(upgraded))
    }

    /// The text for a request that failed.
    pub(super) fn reason(&self, error: io::Error) -> io::Error {
        match self.broken.get() {
            Some(reason) => io::Error::other(reason.clone()),
            None => error,
        }
    }
}
