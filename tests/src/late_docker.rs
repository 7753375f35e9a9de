//! A Docker whose answers about containers come late: a real one cannot be made to wait.

use std::{
    collections::BTreeMap,
    io::{BufRead as _, BufReader, Write as _},
    os::unix::net::{UnixListener, UnixStream},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    thread,
    time::Duration,
};

use serde_json::{Value, json};

/// What a real Docker says about a container.
const CONTAINER: &str = include_str!("../testbed/fixtures/docker-container.json");

/// Containers by their ids.
type Containers = Arc<Mutex<BTreeMap<String, Value>>>;

/// The server. Its threads end with the process of the test.
#[derive(Debug)]
pub struct LateDocker {
    socket: PathBuf,
    containers: Containers,
}

impl LateDocker {
    /// Starts a server whose answer about a container takes `delay`.
    ///
    /// # Panics
    /// If the socket cannot be made.
    #[must_use]
    pub fn start(dir: &Path, delay: Duration) -> Self {
        let socket = dir.join("docker.sock");
        let listener = UnixListener::bind(&socket).expect("a socket can be made");
        let containers = Containers::default();
        let known = Arc::clone(&containers);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let known = Arc::clone(&known);
                thread::spawn(move || serve(stream, &known, delay));
            }
        });
        Self { socket, containers }
    }

    /// The path of the socket.
    #[must_use]
    pub fn socket(&self) -> &Path {
        &self.socket
    }

    /// Adds a container, which belongs to a pod of the namespace `shop`.
    ///
    /// # Panics
    /// If the recorded answer of Docker is no JSON.
    pub fn add(&self, id: &str, name: &str, pod: &str, uid: &str) {
        let mut container: Value = serde_json::from_str(CONTAINER).expect("the fixture is JSON");
        container["Id"] = id.into();
        container["Name"] = format!("/{name}").into();
        // No process of this machine.
        container["State"]["Pid"] = 0.into();
        container["Config"]["Labels"] = json!({
            "io.kubernetes.container.name": name,
            "io.kubernetes.pod.name": pod,
            "io.kubernetes.pod.namespace": "shop",
            "io.kubernetes.pod.uid": uid,
        });
        let mut containers = self
            .containers
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        containers.insert(id.to_owned(), container);
    }
}

/// Answers requests until the client has gone.
fn serve(stream: UnixStream, containers: &Containers, delay: Duration) {
    let Ok(mut answers) = stream.try_clone() else {
        return;
    };
    let mut lines = BufReader::new(stream).lines().map_while(Result::ok);
    while let Some(request) = lines.next() {
        // The head ends with an empty line, and no request has a body.
        lines
            .by_ref()
            .take_while(|line| !line.is_empty())
            .for_each(drop);
        let path = request.split(' ').nth(1).unwrap_or_default();
        let (status, body) = match path {
            "/version" => ("200 OK", json!({"Version": "28.0.0"})),
            path if path.starts_with("/events") => {
                let head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n";
                if answers.write_all(head.as_bytes()).is_err() {
                    return;
                }
                // Nothing happens, until the client goes.
                continue;
            }
            path if path.starts_with("/containers/json") => ("200 OK", json!([])),
            path => {
                thread::sleep(delay);
                let containers = containers.lock().unwrap_or_else(PoisonError::into_inner);
                let id = path.split('/').nth(2).unwrap_or_default();
                match containers.get(id) {
                    Some(container) => ("200 OK", container.clone()),
                    None => ("404 Not Found", json!({"message": "no such container"})),
                }
            }
        };
        let body = body.to_string();
        let head = format!(
            "HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
            body.len()
        );
        if answers.write_all((head + &body).as_bytes()).is_err() {
            return;
        }
    }
}
