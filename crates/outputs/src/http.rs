//! An HTTP server that gets one POST for each line, as falcosidekick expects.

use std::{
    error::Error as _,
    io,
    sync::{Arc, OnceLock, atomic::Ordering::Relaxed},
    time::{Duration, Instant},
};

use bytes::Bytes;
use config::{Config, HttpOutput, HttpTuning};
use http_body_util::{BodyExt, Full, Limited};
use hyper::{
    Request, StatusCode, Uri,
    client::conn::http1::{SendRequest, handshake},
    header::{CONTENT_TYPE, HOST, USER_AGENT},
};
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use telemetry::Identity;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
    runtime::Runtime,
};
use tokio_rustls::TlsConnector;
use tracing::{error, info};

use super::{
    Account, Batch, DropCause, OutputError, Queue, tls,
    worker::{Deliver, Delivered, Worker, expired, run},
};

/// Most bytes of an answer that the output reads.
const ANSWER: usize = 64 << 10;
/// Pause between attempts while the sensor stops.
const PAUSE_STOPPING: Duration = Duration::from_millis(50);

/// Starts the thread of the HTTP output.
pub(super) fn start(
    config: &Config,
    identity: &Arc<Identity>,
    queue: &Arc<Queue>,
) -> Result<Vec<Worker>, OutputError> {
    let http = Http::new(config)?;
    let (queue_, identity) = (Arc::clone(queue), Arc::clone(identity));
    let worker = Worker::spawn("out-http", queue, move || {
        run(http, "http", &queue_, &identity);
    })?;
    Ok(vec![worker])
}

struct Http {
    runtime: Runtime,
    target: Target,
    config: HttpOutput,
    tuning: HttpTuning,
    content_type: &'static str,
    connection: Option<Connection>,
    failing: bool,
}

/// The server and the path of the requests.
struct Target {
    uri: Uri,
    host: String,
    port: u16,
    tls: Option<(TlsConnector, ServerName<'static>)>,
}

/// The result of a request.
enum Answer {
    /// 2xx.
    Taken,
    /// A status after which a retry cannot succeed.
    Refused(StatusCode),
    /// A status after which a retry can succeed.
    Later(StatusCode),
}

impl Target {
    fn new(config: &HttpOutput) -> Result<Self, OutputError> {
        let wrong = |what: String, hint| OutputError::Http { what, hint };
        let url = &config.url;
        let hint = "set http_output.url to something like http://falcosidekick:2801/";
        let uri: Uri = url
            .parse()
            .map_err(|error| wrong(format!("'{url}': {error}"), hint))?;
        let host = uri
            .host()
            .ok_or_else(|| wrong(format!("'{url}' names no server"), hint))?
            .trim_matches(['[', ']'])
            .to_owned();
        let secure = uri.scheme_str() == Some("https");
        let tls = if secure {
            let client = tls::client(config).map_err(|what| {
                wrong(
                    what,
                    "check ca_cert, ca_bundle, ca_path, client_cert and client_key",
                )
            })?;
            let name = ServerName::try_from(host.clone())
                .map_err(|error| wrong(format!("'{host}': {error}"), hint))?;
            Some((TlsConnector::from(Arc::new(client)), name))
        } else {
            None
        };
        Ok(Self {
            port: uri.port_u16().unwrap_or(if secure { 443 } else { 80 }),
            uri,
            host,
            tls,
        })
    }

    async fn connect(&self) -> io::Result<Connection> {
        let stream = TcpStream::connect((self.host.as_str(), self.port)).await?;
        stream.set_nodelay(true)?;
        match &self.tls {
            None => shake(stream).await,
            Some((tls, name)) => shake(tls.connect(name.clone(), stream).await?).await,
        }
    }
}

/// A connection to the server.
struct Connection {
    sender: SendRequest<Full<Bytes>>,
    /// Why the connection broke: a server that demands another certificate says so only here.
    broken: Arc<OnceLock<String>>,
}

impl Connection {
    /// The text for a request that failed.
    fn reason(&self, error: io::Error) -> io::Error {
        match self.broken.get() {
            Some(reason) => io::Error::other(reason.clone()),
            None => error,
        }
    }
}

async fn shake<S>(stream: S) -> io::Result<Connection>
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
        if let Err(error) = connection.await {
            let cause = error.source().map(|cause| format!(": {cause}"));
            let _ = failure.set(format!("{error}{}", cause.unwrap_or_default()));
        }
    });
    Ok(Connection { sender, broken })
}

impl Http {
    fn new(config: &Config) -> Result<Self, OutputError> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|source| OutputError::Thread {
                name: "http",
                source,
            })?;
        Ok(Self {
            runtime,
            target: Target::new(&config.http_output)?,
            config: config.http_output.clone(),
            tuning: config.sensor.http_output.clone(),
            content_type: if config.json_output {
                "application/json"
            } else {
                "text/plain"
            },
            connection: None,
            failing: false,
        })
    }

    /// Makes one attempt.
    fn post(&mut self, line: &[u8], limit: Duration) -> io::Result<Answer> {
        let body = Bytes::copy_from_slice(line.trim_ascii_end());
        let Self {
            runtime,
            target,
            config,
            content_type,
            connection,
            ..
        } = self;
        let attempt = async {
            let reused = connection.as_ref().is_some_and(|c| !c.sender.is_closed());
            let mut own = match connection.take() {
                Some(own) if reused => own,
                _ => target.connect().await?,
            };
            let outcome = send(&mut own.sender, target, config, content_type, body.clone()).await;
            let outcome = match outcome {
                // The server has closed an idle connection.
                Err(_) if reused => {
                    own = target.connect().await?;
                    send(&mut own.sender, target, config, content_type, body).await
                }
                outcome => outcome,
            };
            let outcome = outcome.map_err(|error| own.reason(error));
            if config.keep_alive && outcome.is_ok() {
                *connection = Some(own);
            }
            outcome
        };
        runtime
            .block_on(async { tokio::time::timeout(limit, attempt).await })
            .unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
    }

    /// Retries one line until the server takes it or the output gives it up. None: the deadline for
    /// stopping has passed.
    fn line(
        &mut self,
        line: &[u8],
        queue: &Queue,
        account: &Account,
    ) -> Option<Result<(), DropCause>> {
        let began = Instant::now();
        let mut pause = self.tuning.retry_min.0;
        loop {
            let mut limit = self.tuning.timeout.0;
            if let Some(deadline) = queue.deadline() {
                limit = limit.min(deadline.saturating_duration_since(Instant::now()));
            }
            account.in_call.store(true, Relaxed);
            let answer = self.post(line, limit);
            account.in_call.store(false, Relaxed);
            let problem = match answer {
                Ok(Answer::Taken) => {
                    account.healthy.store(true, Relaxed);
                    account.bytes.fetch_add(line.len() as u64, Relaxed);
                    if std::mem::replace(&mut self.failing, false) {
                        info!("http_output: {} takes lines again", self.config.url);
                    }
                    return Some(Ok(()));
                }
                Ok(Answer::Refused(status)) => {
                    self.failed(account, &status.to_string());
                    return Some(Err(DropCause::Rejected));
                }
                Ok(Answer::Later(status)) => status.to_string(),
                Err(error) => error.to_string(),
            };
            self.failed(account, &problem);
            if expired(queue) {
                return None;
            }
            if began.elapsed() >= self.tuning.retry_for.0 {
                return Some(Err(DropCause::Undelivered));
            }
            if queue.sleep(Instant::now() + pause) {
                std::thread::sleep(pause.min(PAUSE_STOPPING));
            }
            pause = (pause * 2).min(self.tuning.retry_max.0);
        }
    }

    fn failed(&mut self, account: &Account, problem: &str) {
        account.errors.fetch_add(1, Relaxed);
        account.healthy.store(false, Relaxed);
        if !std::mem::replace(&mut self.failing, true) {
            error!("http_output: {}: {problem}", self.config.url);
        }
    }
}

async fn send(
    sender: &mut SendRequest<Full<Bytes>>,
    target: &Target,
    config: &HttpOutput,
    content_type: &str,
    body: Bytes,
) -> io::Result<Answer> {
    let authority = target.uri.authority().map_or("", |a| a.as_str());
    let authority = authority
        .rsplit_once('@')
        .map_or(authority, |(_, host)| host);
    let path = target.uri.path_and_query().map_or("/", |p| p.as_str());
    let request = Request::post(path)
        .header(HOST, authority)
        .header(USER_AGENT, &config.user_agent)
        .header(CONTENT_TYPE, content_type)
        .body(Full::new(body))
        .map_err(io::Error::other)?;
    sender.ready().await.map_err(io::Error::other)?;
    let response = sender
        .send_request(request)
        .await
        .map_err(io::Error::other)?;
    let status = response.status();
    let answer = Limited::new(response.into_body(), ANSWER)
        .collect()
        .await
        .map_err(io::Error::other)?
        .to_bytes();
    if config.echo {
        let text: String = String::from_utf8_lossy(&answer)
            .chars()
            .take(200)
            .map(|c| if c.is_control() { ' ' } else { c })
            .collect();
        info!("http_output: {status}: {text}");
    }
    Ok(match status {
        status if status.is_success() => Answer::Taken,
        StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_MANY_REQUESTS => Answer::Later(status),
        status if status.is_server_error() => Answer::Later(status),
        status => Answer::Refused(status),
    })
}

impl Deliver for Http {
    fn deliver(&mut self, batch: &Batch, queue: &Queue) -> Delivered {
        let account = queue.account();
        let counts = batch.count() > 0;
        let mut delivered = 0;
        for (line, _) in batch.lines() {
            let Some(outcome) = self.line(line, queue, &account) else {
                break;
            };
            if !counts {
                continue;
            }
            match outcome {
                Ok(()) => account.wrote(1),
                Err(cause) => account.give_up(cause, 1),
            }
            delivered += 1;
        }
        Delivered(delivered)
    }
}
