//! LIST and WATCH.

use std::{error::Error, future::Future, time::Duration};

use http_body_util::BodyExt;
use hyper::{Request, Response, StatusCode, header::RETRY_AFTER};
use kube::{Client, client::Body};
use tokio::time::{Instant, timeout};

use super::{
    frames::Lines,
    object::{PodList, PodObject, StatusObject, WatchEvent},
};
use crate::{KubeOptions, backoff};

/// Longest wait for the head of the answer to a WATCH.
const HEAD: Duration = Duration::from_secs(30);
/// How long the server shall keep a WATCH open (`timeoutSeconds`), at least. Up to as much again is
/// added by chance: nodes whose watches began together do not ask together for the next ones.
const WATCH: Duration = Duration::from_secs(290);
/// Most bytes of an error's text.
const ERROR_MAX: usize = 1 << 16;

/// The resource version from which a request starts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Version {
    /// LIST from the server's cache.
    FromCache,
    /// LIST of the newest state.
    Newest,
    /// WATCH the changes after this version.
    After(String),
}

/// Why a request, or a watch, failed.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failure {
    /// 410: the version is too old.
    #[error("resource version expired")]
    Expired,
    /// 401.
    #[error("token refused (401)")]
    Unauthorized,
    /// 403.
    #[error("forbidden: {0}; the sensor needs list and watch on pods")]
    Forbidden(String),
    /// 429.
    #[error("too many requests (429)")]
    Throttled(Option<Duration>),
    /// The server did not answer a request in time.
    #[error("no answer for {0:?}")]
    Late(Duration),
    /// A WATCH is open, and nothing came for so long.
    #[error("nothing came for {0:?}")]
    Idle(Duration),
    /// A WATCH ended in the middle of an object.
    #[error("watch broke off: {0}")]
    Broken(String),
    /// Anything else.
    #[error("{0}")]
    Other(String),
}

impl Failure {
    /// A failure with the causes of an error.
    pub(super) fn other(what: &str, error: &dyn Error) -> Self {
        let mut text = format!("{what}: {error}");
        let mut cause = error.source();
        while let Some(error) = cause {
            let message = error.to_string();
            if !text.ends_with(&message) {
                text = format!("{text}: {message}");
            }
            cause = error.source();
        }
        Self::Other(text)
    }

    fn status(code: u16, message: String, retry_after: Option<Duration>) -> Self {
        match code {
            401 => Self::Unauthorized,
            403 => Self::Forbidden(message),
            410 => Self::Expired,
            429 => Self::Throttled(retry_after),
            _ => Self::Other(format!("status {code}: {message}")),
        }
    }
}

/// The pods of a node.
pub(super) struct Api {
    client: Client,
    selector: String,
    options: KubeOptions,
}

/// A change of the pods.
pub(super) enum Change {
    /// New, or changed.
    Applied(Box<PodObject>),
    /// Deleted.
    Deleted(Box<PodObject>),
    /// A bookmark: no change up to this version.
    Bookmark(String),
    /// An object that cannot be parsed.
    Unreadable,
}

/// A running WATCH.
pub(super) struct Watch {
    lines: Lines,
    idle: Duration,
    /// When the server should end the watch.
    end: Instant,
}

impl Api {
    pub(super) fn new(client: Client, node: &str, options: &KubeOptions) -> Self {
        Self {
            client,
            selector: format!("/api/v1/pods?fieldSelector=spec.nodeName%3D{node}"),
            options: options.clone(),
        }
    }

    /// All pods, and the version of the list.
    pub(super) async fn list(
        &self,
        version: &Version,
    ) -> Result<(Vec<PodObject>, String), Failure> {
        let from_cache = match version {
            Version::FromCache => "&resourceVersion=0",
            Version::Newest | Version::After(_) => "",
        };
        let limit = self.options.list_timeout;
        within(limit, async {
            let response = self.get(format!("{}{from_cache}", self.selector)).await?;
            let body = collect(response.into_body(), self.options.list_bytes).await?;
            let list: PodList = serde_json::from_slice(&body)
                .map_err(|error| Failure::other("LIST of pods", &error))?;
            Ok((list.items, list.metadata.resource_version))
        })
        .await
    }

    /// Begins a WATCH for the changes after a version.
    pub(super) async fn watch(&self, after: &str) -> Result<Watch, Failure> {
        let time = WATCH + backoff::part_of(WATCH);
        let uri = format!(
            "{}&watch=true&allowWatchBookmarks=true&resourceVersion={after}&timeoutSeconds={}",
            self.selector,
            time.as_secs()
        );
        let end = Instant::now() + Duration::from_secs(time.as_secs());
        let response = within(HEAD.min(self.options.idle_timeout), self.get(uri)).await?;
        Ok(Watch {
            lines: Lines::new(response.into_body(), self.options.object_bytes),
            // By chance, too: where no pod changes, the server may send nothing to anybody.
            idle: self.options.idle_timeout + backoff::part_of(self.options.idle_timeout),
            end,
        })
    }

    async fn get(&self, uri: String) -> Result<Response<Body>, Failure> {
        let request = Request::get(uri)
            .body(Body::empty())
            .map_err(|error| Failure::other("request", &error))?;
        let response = self
            .client
            .send(request)
            .await
            .map_err(|error| Failure::other("request", &error))?;
        if response.status() == StatusCode::OK {
            return Ok(response);
        }
        let code = response.status().as_u16();
        let retry_after = response
            .headers()
            .get(RETRY_AFTER)
            .and_then(|value| value.to_str().ok()?.parse().ok())
            .map(Duration::from_secs);
        let body = collect(response.into_body(), ERROR_MAX)
            .await
            .unwrap_or_default();
        let message = match serde_json::from_slice::<StatusObject>(&body) {
            Ok(status) if !status.message.is_empty() => status.message,
            _ => String::from_utf8_lossy(&body).chars().take(200).collect(),
        };
        Err(Failure::status(code, message, retry_after))
    }
}

impl Watch {
    /// The next change; none if the server ended the WATCH.
    pub(super) async fn next(&mut self) -> Result<Option<Change>, Failure> {
        let line = timeout(self.idle, self.lines.next()).await;
        let line = line.unwrap_or(Err(Failure::Idle(self.idle)))?;
        let Some(line) = line else {
            return Ok(None);
        };
        let Ok(event) = serde_json::from_slice::<WatchEvent>(&line) else {
            return Ok(Some(Change::Unreadable));
        };
        Ok(Some(match event.kind.as_str() {
            "ADDED" | "MODIFIED" => Change::Applied(event.object),
            "DELETED" => Change::Deleted(event.object),
            "BOOKMARK" => Change::Bookmark(event.object.metadata.resource_version),
            "ERROR" => {
                let object = event.object;
                return Err(Failure::status(object.code, object.message, None));
            }
            _ => Change::Unreadable,
        }))
    }

    /// Whether the server, which has ended the WATCH, kept it open for as long as it should.
    pub(super) fn is_whole(&self) -> bool {
        // The server's clock began when it had the request, and the answer takes its time.
        Instant::now() + Duration::from_secs(1) >= self.end
    }
}

async fn within<T>(
    limit: Duration,
    work: impl Future<Output = Result<T, Failure>>,
) -> Result<T, Failure> {
    timeout(limit, work)
        .await
        .unwrap_or(Err(Failure::Late(limit)))
}

/// A whole body of bounded size.
async fn collect(mut body: Body, max: usize) -> Result<Vec<u8>, Failure> {
    let mut bytes = Vec::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| Failure::other("answer", &error))?;
        if let Ok(data) = frame.into_data() {
            if bytes.len() + data.len() > max {
                return Err(Failure::Other(format!("answer has more than {max} bytes")));
            }
            bytes.extend_from_slice(&data);
        }
    }
    Ok(bytes)
}
