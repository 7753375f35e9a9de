//! The web server: `/healthz`, `/readyz`, `/metrics`, `/versions`.

use std::{
    convert::Infallible,
    io,
    net::{IpAddr, SocketAddr},
    os::fd::{AsFd as _, OwnedFd},
    path::PathBuf,
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;
use config::Webserver;
use http_body_util::Full;
use hyper::{
    Method, Request, Response, StatusCode, body::Incoming, header::CONTENT_TYPE,
    server::conn::http1, service::service_fn,
};
use hyper_util::rt::TokioIo;
use serde_json::json;
use telemetry::Telemetry;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpSocket, TcpStream},
    task::AbortHandle,
    time::timeout,
};
use tokio_rustls::TlsAcceptor;
use tracing::warn;

use super::versions;

/// Most connections at a time.
const CONNECTIONS: usize = 64;
/// Most connections that wait for the server.
const BACKLOG: u32 = 1024;
/// How long a connection lives: from its handshake to the last byte of the answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// Why the web server cannot start.
#[derive(Debug, thiserror::Error)]
pub enum ServerError {
    /// The server cannot listen at the address.
    #[error(
        "webserver: cannot listen at {address}: {source}: choose another webserver.listen_port or listen_address"
    )]
    Bind {
        /// The configured address.
        address: SocketAddr,
        /// The error of the operating system.
        source: io::Error,
    },
    /// The certificate or key is missing or not valid.
    #[error("webserver.ssl_certificate: {what}")]
    Certificate {
        /// The file.
        path: PathBuf,
        /// What is wrong with the file; begins with its path.
        what: String,
    },
}

/// A web server that listens but does not serve yet.
pub struct Server {
    listener: TcpListener,
    address: SocketAddr,
    tls: Option<TlsAcceptor>,
    config: Webserver,
}

impl std::fmt::Debug for Server {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Server({})", self.address)
    }
}

impl Server {
    /// Listens at the configured address. `shared` allows for another sensor that listens there and
    /// shares its port ([`Self::port`]).
    ///
    /// # Errors
    /// If the address cannot be used, or the certificate is not valid.
    pub async fn bind(config: &Webserver, shared: bool) -> Result<Self, ServerError> {
        let tls = if config.ssl_enabled {
            let path = &config.ssl_certificate;
            let acceptor = outputs::tls::acceptor(path);
            Some(acceptor.map_err(|what| ServerError::Certificate {
                path: path.clone(),
                what,
            })?)
        } else {
            None
        };
        let address = SocketAddr::new(config.listen_address, config.listen_port);
        let wrong = |source| ServerError::Bind { address, source };
        let listener = if shared {
            listen_too(address).map_err(wrong)?
        } else {
            TcpListener::bind(address).await.map_err(wrong)?
        };
        let address = listener.local_addr().map_err(wrong)?;
        Ok(Self {
            listener,
            address,
            tls,
            config: config.clone(),
        })
    }

    /// The address at which the server listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// A copy of the socket, whose option `SO_REUSEPORT` lets a sensor that takes over listen at the
    /// same address.
    ///
    /// # Errors
    /// If the kernel gives no descriptor.
    pub fn port(&self) -> io::Result<OwnedFd> {
        self.listener.as_fd().try_clone_to_owned()
    }

    /// Serves until the caller drops the task.
    pub async fn run(self, telemetry: Arc<Telemetry>) {
        let pages = Arc::new(Pages {
            telemetry,
            config: self.config,
        });
        let mut connections = Connections::default();
        loop {
            let (stream, peer) = match self.listener.accept().await {
                Ok(accepted) => accepted,
                Err(error) => {
                    warn!("webserver: {error}");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                    continue;
                }
            };
            let serving = accepted(stream, self.tls.clone(), Arc::clone(&pages));
            // The server cuts off a client that is too slow.
            let task = tokio::spawn(async move { drop(timeout(PATIENCE, serving).await) });
            connections.add(peer.ip(), task.abort_handle());
        }
    }
}

/// Listens where another sensor may listen too.
fn listen_too(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = match address {
        SocketAddr::V4(_) => TcpSocket::new_v4(),
        SocketAddr::V6(_) => TcpSocket::new_v6(),
    }?;
    socket.set_reuseaddr(true)?;
    socket.set_reuseport(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

/// The open connections, in the order in which they came.
#[derive(Default)]
struct Connections(Vec<(IpAddr, AbortHandle)>);

impl Connections {
    /// Adds a connection. If there is no room, the server cuts off the oldest connection of the
    /// address with the most connections, so that one client cannot keep out the probes of others.
    fn add(&mut self, peer: IpAddr, task: AbortHandle) {
        let Self(all) = self;
        all.retain(|(_, task)| !task.is_finished());
        if all.len() >= CONNECTIONS {
            let of = |peer| all.iter().filter(|(other, _)| *other == peer).count();
            // `max_by_key` returns the last maximum; backwards, the last one is the oldest.
            let oldest = (0..all.len()).rev().max_by_key(|&at| of(all[at].0));
            if let Some(oldest) = oldest {
                all.remove(oldest).1.abort();
            }
        }
        all.push((peer, task));
    }
}

async fn accepted(stream: TcpStream, tls: Option<TlsAcceptor>, pages: Arc<Pages>) {
    match tls {
        None => serve(stream, pages).await,
        Some(tls) => {
            // The server drops a client that does not speak TLS.
            if let Ok(stream) = tls.accept(stream).await {
                serve(stream, pages).await;
            }
        }
    }
}

/// Serves one connection, from any listener.
pub async fn serve_stream<S>(stream: S, telemetry: Arc<Telemetry>, config: Webserver)
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    serve(stream, Arc::new(Pages { telemetry, config })).await;
}

async fn serve<S>(stream: S, pages: Arc<Pages>)
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let service = service_fn(move |request| {
        let response = pages.answer(&request);
        async move { Ok::<_, Infallible>(response) }
    });
    // The server ignores connections that clients break.
    let _ = http1::Builder::new()
        .keep_alive(false)
        .max_buf_size(16 << 10)
        .serve_connection(TokioIo::new(stream), service)
        .await;
}

const JSON: &str = "application/json";

struct Pages {
    telemetry: Arc<Telemetry>,
    config: Webserver,
}

impl Pages {
    fn answer(&self, request: &Request<Incoming>) -> Response<Full<Bytes>> {
        if !matches!(*request.method(), Method::GET | Method::HEAD) {
            return page(StatusCode::METHOD_NOT_ALLOWED, "text/plain", String::new());
        }
        match request.uri().path() {
            path if path == self.config.k8s_healthz_endpoint => {
                page(StatusCode::OK, JSON, "{\"status\": \"ok\"}".into())
            }
            "/readyz" => {
                let telemetry = &self.telemetry;
                telemetry.probe();
                let ready = telemetry.health.is_ready();
                let conditions: serde_json::Map<_, _> = telemetry
                    .health
                    .conditions()
                    .into_iter()
                    .map(|(c, reason)| {
                        (
                            c.name().into(),
                            reason.unwrap_or_else(|| "ok".into()).into(),
                        )
                    })
                    .collect();
                let status = if ready {
                    StatusCode::OK
                } else {
                    StatusCode::SERVICE_UNAVAILABLE
                };
                let text = if ready { "ok" } else { "not ready" };
                let body = json!({ "status": text, "conditions": conditions });
                page(status, JSON, body.to_string())
            }
            "/metrics" if self.config.prometheus_metrics_enabled => page(
                StatusCode::OK,
                "text/plain; version=0.0.4; charset=utf-8",
                self.telemetry.render(),
            ),
            "/versions" => {
                let body = versions::object(self.telemetry.identity.version());
                page(StatusCode::OK, JSON, body.to_string())
            }
            _ => page(StatusCode::NOT_FOUND, "text/plain", String::new()),
        }
    }
}

fn page(status: StatusCode, kind: &'static str, body: String) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(body.into()));
    *response.status_mut() = status;
    response
        .headers_mut()
        .insert(CONTENT_TYPE, hyper::header::HeaderValue::from_static(kind));
    response
}
