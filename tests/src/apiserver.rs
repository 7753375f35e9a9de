//! An API server in the test's process that has pods and behaves like the real one: chunked
//! watches, bookmarks, versions that expire inside of an HTTP 200, refused tokens, Retry-After,
//! connections that fall silent.

use std::{
    collections::BTreeMap,
    convert::Infallible,
    net::SocketAddr,
    path::{Path, PathBuf},
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use hyper::{
    Request, Response, StatusCode,
    body::{Body, Frame, Incoming},
    header::{AUTHORIZATION, CONTENT_TYPE, RETRY_AFTER},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::{
    net::TcpListener,
    runtime::Runtime,
    sync::{mpsc, watch},
    time::{sleep, timeout},
};

/// The node whose pods the sensor asks for.
pub const NODE: &str = "node-1";
/// The body of a refusal, as a real server sends it.
const FORBIDDEN: &str = include_str!("../testbed/fixtures/forbidden-403.json");

/// How the server behaves, and the requests that it got.
pub struct State {
    pods: BTreeMap<String, Value>,
    version: u64,
    /// Events after `compacted`.
    history: Vec<(u64, &'static str, Value)>,
    compacted: u64,
    /// The only token that the server accepts.
    pub token: String,
    /// The server answers this many requests with 429.
    pub throttle: u32,
    /// The server answers all requests with 403.
    pub forbidden: bool,
    /// How long a LIST takes.
    pub list_delay: Duration,
    /// Watches send nothing and stay open.
    pub silent: bool,
    /// Time between bookmarks.
    pub bookmarks: Duration,
    /// Watches end after this many events; 0: never.
    pub watch_events: usize,
    /// Paths and queries of all requests.
    pub requests: Vec<String>,
}

/// The running server; dropping this value stops it.
pub struct ApiServer {
    address: SocketAddr,
    state: Arc<Mutex<State>>,
    changed: watch::Sender<u64>,
    _runtime: Runtime,
}

/// Locks a mutex, also after a panic of another test.
fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

impl ApiServer {
    /// Starts a server without pods; its token is `token-1`.
    ///
    /// # Panics
    /// If the machine refuses a port or threads.
    #[must_use]
    pub fn start() -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .expect("runtime starts");
        let state = Arc::new(Mutex::new(State {
            pods: BTreeMap::new(),
            version: 100,
            history: Vec::new(),
            compacted: 0,
            token: "token-1".into(),
            throttle: 0,
            forbidden: false,
            list_delay: Duration::ZERO,
            silent: false,
            bookmarks: Duration::from_millis(50),
            watch_events: 0,
            requests: Vec::new(),
        }));
        let (sender, changes) = watch::channel(0);
        let listener = runtime
            .block_on(TcpListener::bind("127.0.0.1:0"))
            .expect("a port is free");
        let address = listener.local_addr().expect("listener has an address");
        let server = Server {
            state: Arc::clone(&state),
            changes,
        };
        runtime.spawn(server.accept(listener));
        Self {
            address,
            state,
            changed: sender,
            _runtime: runtime,
        }
    }

    /// A kubeconfig whose token is in a file, as that of a service account.
    ///
    /// # Panics
    /// If the file cannot be written.
    #[must_use]
    pub fn kubeconfig(&self, dir: &Path) -> PathBuf {
        let path = dir.join("kubeconfig");
        let token = dir.join("token");
        std::fs::write(&token, "token-1").expect("token is written");
        let text = json!({
            "apiVersion": "v1", "kind": "Config", "current-context": "c",
            "clusters": [{ "name": "c", "cluster": { "server": format!("http://{}", self.address) } }],
            "users": [{ "name": "u", "user": { "tokenFile": token } }],
            "contexts": [{ "name": "c", "context": { "cluster": "c", "user": "u" } }],
        });
        std::fs::write(&path, text.to_string()).expect("kubeconfig is written");
        path
    }

    /// Changes the behaviour of the server.
    pub fn set(&self, change: impl FnOnce(&mut State)) {
        change(&mut lock(&self.state));
        self.changed.send_modify(|n| *n += 1);
    }

    /// The requests so far.
    #[must_use]
    pub fn requests(&self) -> Vec<String> {
        lock(&self.state).requests.clone()
    }

    /// Creates or changes a pod.
    pub fn apply(&self, pod: Value) {
        self.set(|state| {
            let uid = pod["metadata"]["uid"]
                .as_str()
                .unwrap_or_default()
                .to_owned();
            let kind = if state.pods.contains_key(&uid) {
                "MODIFIED"
            } else {
                "ADDED"
            };
            let pod = state.log(kind, pod);
            state.pods.insert(uid, pod);
        });
    }

    /// Deletes a pod.
    pub fn delete(&self, uid: &str) {
        self.set(|state| {
            if let Some(pod) = state.pods.remove(uid) {
                state.log("DELETED", pod);
            }
        });
    }

    /// Deletes a pod without an event for the watches.
    pub fn delete_unseen(&self, uid: &str) {
        self.delete(uid);
        self.expire();
    }

    /// Forgets the history: all versions up to now are expired, and all watches end.
    pub fn expire(&self) {
        self.set(|state| {
            state.version += 1;
            state.compacted = state.version;
            state.history.clear();
        });
    }
}

/// The object of a pod, as the server sends it.
#[must_use]
pub fn pod(name: &str, uid: &str, labels: &[(&str, &str)]) -> Value {
    let labels: BTreeMap<_, _> = labels.iter().copied().collect();
    json!({
        "kind": "Pod", "apiVersion": "v1",
        "metadata": {
            "name": name, "namespace": "shop", "uid": uid, "labels": labels,
            "annotations": { "note": "hello", "other": "x" },
            "managedFields": [{ "manager": "kubelet", "fieldsV1": { "f:status": {} } }],
        },
        "spec": { "nodeName": NODE, "serviceAccountName": "default",
                  "containers": [{ "name": "main", "image": "busybox" }] },
        "status": { "phase": "Running", "podIP": "10.244.0.9" },
    })
}

impl State {
    fn log(&mut self, kind: &'static str, mut pod: Value) -> Value {
        self.version += 1;
        pod["metadata"]["resourceVersion"] = self.version.to_string().into();
        self.history.push((self.version, kind, pod.clone()));
        pod
    }
}

/// The next message of a watch.
#[derive(Default)]
struct Next {
    lines: Vec<String>,
    bookmarks: Option<Duration>,
    most: usize,
    expired: bool,
}

impl State {
    fn lines(&self, after: &mut u64) -> Next {
        if *after < self.compacted {
            let expired = json!({ "type": "ERROR", "object": {
                "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
                "message": format!("too old resource version: {after} ({})", self.version),
                "reason": "Expired", "code": 410,
            }});
            return Next {
                lines: vec![format!("{expired}\n")],
                expired: true,
                ..Next::default()
            };
        }
        if self.silent {
            return Next::default();
        }
        let begin = *after;
        let new = self.history.iter().filter(|(version, ..)| *version > begin);
        let line = |(version, kind, pod): &(u64, &str, Value)| {
            *after = *version;
            format!("{}\n", json!({ "type": kind, "object": pod }))
        };
        Next {
            lines: new.map(line).collect(),
            bookmarks: Some(self.bookmarks),
            most: self.watch_events,
            expired: false,
        }
    }
}

#[derive(Clone)]
struct Server {
    state: Arc<Mutex<State>>,
    changes: watch::Receiver<u64>,
}

impl Server {
    async fn accept(self, listener: TcpListener) {
        while let Ok((stream, _)) = listener.accept().await {
            let server = self.clone();
            tokio::spawn(async move {
                let answer = service_fn(move |request| server.clone().answer(request));
                let _ = http1::Builder::new()
                    .serve_connection(TokioIo::new(stream), answer)
                    .await;
            });
        }
    }

    async fn answer(self, request: Request<Incoming>) -> Result<Response<Chunks>, Infallible> {
        let token = request.headers().get(AUTHORIZATION);
        let token = token
            .and_then(|t| t.to_str().ok())
            .unwrap_or_default()
            .to_owned();
        let uri = request.uri().to_string();
        let delay = {
            let mut state = lock(&self.state);
            state.requests.push(uri.clone());
            if token != format!("Bearer {}", state.token) {
                return Ok(status(401, "Unauthorized"));
            }
            if state.throttle > 0 {
                state.throttle -= 1;
                let mut response = status(429, "too many requests, please try again later");
                response.headers_mut().insert(RETRY_AFTER, 1.into());
                return Ok(response);
            }
            if state.forbidden {
                return Ok(full(StatusCode::FORBIDDEN, FORBIDDEN.into()));
            }
            state.list_delay
        };
        let selector = format!("/api/v1/pods?fieldSelector=spec.nodeName%3D{NODE}");
        if !uri.starts_with(&selector) {
            return Ok(status(400, "not the pods of this node"));
        }
        let version = uri.split("resourceVersion=").nth(1);
        let version = version.and_then(|v| v.split('&').next()?.parse().ok());
        if !uri.contains("watch=true") {
            sleep(delay).await;
            let state = lock(&self.state);
            let list = json!({
                "kind": "PodList", "apiVersion": "v1",
                "metadata": { "resourceVersion": state.version.to_string() },
                "items": state.pods.values().collect::<Vec<_>>(),
            });
            return Ok(full(StatusCode::OK, list.to_string()));
        }
        let (sender, receiver) = mpsc::channel(1);
        tokio::spawn(self.watch(version.unwrap_or(0), sender));
        Ok(response(StatusCode::OK, Chunks(receiver)))
    }

    /// Sends the events after a version.
    async fn watch(mut self, mut after: u64, out: mpsc::Sender<Bytes>) {
        let mut sent = 0;
        loop {
            let next = lock(&self.state).lines(&mut after);
            let Next {
                lines,
                bookmarks,
                most,
                expired,
            } = next;
            for line in lines {
                // A chunk can end anywhere.
                let (head, tail) = line.split_at(line.len() / 2);
                for part in [head, tail] {
                    if out.send(part.to_owned().into()).await.is_err() {
                        return;
                    }
                }
                sent += 1;
            }
            if expired || (most != 0 && sent >= most) {
                return;
            }
            let pause = bookmarks.unwrap_or(Duration::from_hours(1));
            let changed = tokio::select! {
                changed = timeout(pause, self.changes.changed()) => changed,
                () = out.closed() => return,
            };
            if changed.is_err() && bookmarks.is_some() {
                let bookmark = json!({ "type": "BOOKMARK", "object": {
                    "kind": "Pod", "apiVersion": "v1",
                    "metadata": { "resourceVersion": after.to_string(), "creationTimestamp": null },
                    "spec": { "containers": null }, "status": {},
                }});
                if out.send(format!("{bookmark}\n").into()).await.is_err() {
                    return;
                }
            }
        }
    }
}

fn status(code: u16, message: &str) -> Response<Chunks> {
    let body = json!({ "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
        "message": message, "code": code });
    let code = StatusCode::from_u16(code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    full(code, body.to_string())
}

fn full(code: StatusCode, body: String) -> Response<Chunks> {
    let (sender, receiver) = mpsc::channel(1);
    // The channel has room for one.
    let _ = sender.try_send(body.into());
    response(code, Chunks(receiver))
}

fn response(code: StatusCode, body: Chunks) -> Response<Chunks> {
    let mut response = Response::new(body);
    *response.status_mut() = code;
    let kind = hyper::header::HeaderValue::from_static("application/json");
    response.headers_mut().insert(CONTENT_TYPE, kind);
    response
}

/// A body in chunks.
struct Chunks(mpsc::Receiver<Bytes>);

impl Body for Chunks {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        self.0
            .poll_recv(context)
            .map(|chunk| chunk.map(|bytes| Ok(Frame::data(bytes))))
    }
}
