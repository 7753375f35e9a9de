//! An HTTP server that gets one POST for each line, as falcosidekick expects.

mod connect;
mod proxy;
mod target;
mod url;

use std::{
    io,
    sync::{Arc, atomic::Ordering::Relaxed},
    time::{Duration, Instant},
};

use bytes::Bytes;
use config::{Config, HttpTuning, hide_user_info};
use http_body_util::{BodyExt, Limited};
use hyper::StatusCode;
use telemetry::Identity;
use tokio::runtime::Runtime;
use tracing::{error, info};

use self::{connect::Connection, target::Target};
use super::{
    Account, Batch, DropCause, OutputError, Queue,
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

/// Whether the output can work as it is configured.
///
/// # Errors
/// If it cannot.
pub(super) fn check(config: &Config) -> Result<(), OutputError> {
    Target::new(config).map(drop)
}

struct Http {
    runtime: Runtime,
    target: Target,
    /// The URL for messages.
    shown: String,
    echo: bool,
    tuning: HttpTuning,
    connection: Option<Connection>,
    failing: bool,
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
            target: Target::new(config)?,
            shown: hide_user_info(&config.http_output.url),
            echo: config.http_output.echo,
            tuning: config.sensor.http_output.clone(),
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
            echo,
            connection,
            ..
        } = self;
        let attempt = async {
            let reused = connection.as_ref().is_some_and(|c| !c.is_closed());
            let mut own = match connection.take() {
                Some(own) if reused => own,
                _ => target.connect().await?,
            };
            let outcome = send(&mut own, target, *echo, body.clone()).await;
            let outcome = match outcome {
                // The server has closed an idle connection.
                Err(_) if reused => {
                    own = target.connect().await?;
                    send(&mut own, target, *echo, body).await
                }
                outcome => outcome,
            };
            let outcome = outcome.map_err(|error| own.reason(error));
            if outcome.is_ok() {
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
                        info!("http_output: {} takes lines again", self.shown);
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
            error!("http_output: {}: {problem}", self.shown);
        }
    }
}

async fn send(
    connection: &mut Connection,
    target: &Target,
    echo: bool,
    body: Bytes,
) -> io::Result<Answer> {
    let response = connection.send(target.request(body)?).await?;
    let status = response.status();
    let answer = Limited::new(response.into_body(), ANSWER)
        .collect()
        .await
        .map_err(io::Error::other)?
        .to_bytes();
    if echo {
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

#[cfg(test)]
mod tests;
#[cfg(test)]
mod tunnel_tests;
