//! A private containerd with pods; see `tests/testbed/containerd.sh`.

use std::{
    collections::HashMap,
    io::{BufRead, BufReader, Write},
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::{Child, ChildStdin, Command, Stdio},
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
        mpsc::{Receiver, Sender, channel},
    },
    thread,
    time::Duration,
};

use harness::container;
use serde_json::{Value, json};

/// The image that pods run: this machine's dash and coreutils.
pub const TOOLS: &str = "docker.io/testbed/tools:1";

const SCRIPTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/testbed");
const IMAGES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../target/testbed-images");
/// How long anything may take.
const PATIENCE: Duration = Duration::from_mins(3);

/// A containerd of its own, with its own files, network namespace and cgroups.
/// Everything ends when this is dropped, or when the test is killed.
pub struct TestBed {
    name: String,
    dir: PathBuf,
    guard: Child,
    rpc: Rpc,
}

/// A pod to make.
#[derive(Clone, Debug)]
pub struct PodSpec {
    request: Value,
}

/// A pod that was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pod {
    /// Id of its sandbox.
    pub sandbox: String,
    /// Id of its container.
    pub container: String,
    /// Its uid.
    pub uid: String,
}

impl PodSpec {
    /// A pod whose container sleeps.
    #[must_use]
    pub fn new(name: &str, namespace: &str) -> Self {
        let request = json!({
            "do": "pod", "name": name, "namespace": namespace, "image": TOOLS, "labels": {},
        });
        Self { request }
    }

    fn with(mut self, key: &str, value: Value) -> Self {
        self.request[key] = value;
        self
    }

    /// Runs this instead.
    #[must_use]
    pub fn command(self, command: &[&str]) -> Self {
        self.with("command", json!(command))
    }

    /// With a label.
    #[must_use]
    pub fn label(mut self, key: &str, value: &str) -> Self {
        self.request["labels"][key] = value.into();
        self
    }

    /// With that uid.
    #[must_use]
    pub fn uid(self, uid: &str) -> Self {
        self.with("uid", uid.into())
    }

    /// Name of its container; `main` otherwise.
    #[must_use]
    pub fn container(self, name: &str) -> Self {
        self.with("container", name.into())
    }

    /// Privileged.
    #[must_use]
    pub fn privileged(self) -> Self {
        self.with("privileged", true.into())
    }

    /// As that user.
    #[must_use]
    pub fn run_as(self, uid: u32) -> Self {
        self.with("user", uid.into())
    }

    /// In the host's pid namespace.
    #[must_use]
    pub fn host_pid(self) -> Self {
        self.with("host_pid", true.into())
    }

    /// With a directory of the host.
    #[must_use]
    pub fn mount(self, host: &str, container: &str) -> Self {
        self.with("mounts", json!([[host, container]]))
    }
}

impl TestBed {
    /// Starts one.
    ///
    /// # Panics
    /// If a package is missing or containerd does not start.
    #[must_use]
    pub fn start() -> Self {
        // By chance, as containers' ids: cgroups and network namespaces may outlive a process id.
        let name = format!("sb{}", &container::id()[..12]);
        let dir = std::env::temp_dir().join(format!("sensor-{name}"));
        let settings = [
            ("TB_DIR", dir.display().to_string()),
            ("TB_NETNS", name.clone()),
            ("TB_CGROUP", format!("/{name}")),
            ("TB_IMAGES", IMAGES.into()),
        ];
        let script = format!("{SCRIPTS}/containerd.sh");
        // In a session of its own: it cleans up also after a test that was killed.
        let guard = Command::new("setsid")
            .args(["sh", "-c", "cat > /dev/null; exec \"$0\" down", &script])
            .envs(settings)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .process_group(0)
            .spawn()
            .expect("setsid runs");
        run(&name, &dir, &["images"]);
        run(&name, &dir, &["start"]);
        let rpc = Rpc::start(&dir.join("run/containerd.sock"), &format!("/{name}"));
        Self {
            name,
            dir,
            guard,
            rpc,
        }
    }

    /// containerd's socket.
    #[must_use]
    pub fn socket(&self) -> PathBuf {
        self.dir.join("run/containerd.sock")
    }

    /// Its files.
    #[must_use]
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Cgroup below which all its pods are.
    #[must_use]
    pub fn cgroup(&self) -> String {
        format!("/{}", self.name)
    }

    /// Stops containerd; its containers go on.
    pub fn stop_containerd(&self) {
        run(&self.name, &self.dir, &["stop"]);
    }

    /// Starts containerd again: its socket is a new file.
    ///
    /// # Panics
    /// If it does not answer.
    pub fn start_containerd(&self) {
        run(&self.name, &self.dir, &["start"]);
        // The client's connection is one to the former socket until it finds that out.
        wait(&self.rpc.ask(json!({ "do": "wait" })));
    }

    /// Runs `ctr`, in namespace `default`.
    pub fn ctr(&self, args: &[&str]) {
        run(&self.name, &self.dir, &[&["ctr"], args].concat());
    }

    /// Makes a pod.
    ///
    /// # Panics
    /// If containerd refuses.
    #[must_use]
    pub fn pod(&self, spec: &PodSpec) -> Pod {
        self.begin_pod(spec).wait()
    }

    /// Begins to make a pod.
    #[must_use]
    pub fn begin_pod(&self, spec: &PodSpec) -> PodBegun {
        let mut request = spec.request.clone();
        request["logs"] = self.dir.join("log/pods").display().to_string().into();
        PodBegun {
            answer: self.rpc.ask(request),
        }
    }

    /// Runs a command in a container; its output.
    ///
    /// # Panics
    /// If it fails.
    #[must_use]
    pub fn exec(&self, container: &str, command: &[&str]) -> String {
        let request = json!({ "do": "exec", "container": container, "command": command });
        let answer = wait(&self.rpc.ask(request));
        assert_eq!(answer["code"], 0, "{answer}");
        answer["stdout"].as_str().unwrap_or_default().to_owned()
    }

    /// Removes a pod.
    ///
    /// # Panics
    /// If containerd refuses.
    pub fn remove(&self, pod: &Pod) {
        wait(
            &self
                .rpc
                .ask(json!({ "do": "remove", "sandbox": pod.sandbox })),
        );
    }
}

impl Drop for TestBed {
    fn drop(&mut self) {
        self.rpc.stop();
        drop(self.guard.stdin.take());
        let _ = self.guard.wait();
    }
}

/// A pod that is being made.
pub struct PodBegun {
    answer: Receiver<Value>,
}

impl PodBegun {
    /// Waits for it.
    ///
    /// # Panics
    /// If containerd refuses.
    #[must_use]
    pub fn wait(self) -> Pod {
        let answer = wait(&self.answer);
        let text = |key: &str| answer[key].as_str().unwrap_or_default().to_owned();
        Pod {
            sandbox: text("sandbox"),
            container: text("container"),
            uid: text("uid"),
        }
    }
}

fn wait(answer: &Receiver<Value>) -> Value {
    let answer = answer.recv_timeout(PATIENCE).expect("test bed answers");
    assert!(answer["error"].is_null(), "test bed: {answer}");
    answer
}

/// Makes the images of pods, once for all test beds; returns the folder of their archives.
#[must_use]
pub(crate) fn images() -> &'static Path {
    run("images", Path::new(IMAGES), &["images"]);
    Path::new(IMAGES)
}

fn run(name: &str, dir: &Path, args: &[&str]) {
    let output = Command::new(format!("{SCRIPTS}/containerd.sh"))
        .args(args)
        .env("TB_DIR", dir)
        .env("TB_NETNS", name)
        .env("TB_CGROUP", format!("/{name}"))
        .env("TB_IMAGES", IMAGES)
        .output()
        .expect("test bed's script runs");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "containerd.sh {args:?}: {errors}");
}

type Waiting = Arc<Mutex<HashMap<u64, Sender<Value>>>>;

/// The client of CRI.
struct Rpc {
    child: Child,
    stdin: Mutex<Option<ChildStdin>>,
    waiting: Waiting,
    next: AtomicU64,
}

impl Rpc {
    fn start(socket: &Path, cgroup: &str) -> Self {
        let mut child = Command::new("/usr/bin/python3")
            .arg(format!("{SCRIPTS}/rpc.py"))
            .args([socket.as_os_str(), "serve".as_ref(), cgroup.as_ref()])
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("python3 runs");
        let stdin = child.stdin.take();
        let stdout = child.stdout.take().expect("stdout is piped");
        let waiting = Waiting::default();
        let answers = Arc::clone(&waiting);
        thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                let Ok(answer) = serde_json::from_str::<Value>(&line) else {
                    continue;
                };
                let number = answer["n"].as_u64().unwrap_or(0);
                let asker = answers.lock().ok().and_then(|mut all| all.remove(&number));
                if let Some(asker) = asker {
                    let _ = asker.send(answer);
                }
            }
        });
        Self {
            child,
            stdin: Mutex::new(stdin),
            waiting,
            next: AtomicU64::new(0),
        }
    }

    fn ask(&self, mut request: Value) -> Receiver<Value> {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        request["n"] = number.into();
        let (sender, answer) = channel();
        if let Ok(mut waiting) = self.waiting.lock() {
            waiting.insert(number, sender);
        }
        let mut stdin = self.stdin.lock().expect("no asker panics");
        let stdin = stdin.as_mut().expect("test bed runs");
        writeln!(stdin, "{request}").expect("test bed takes requests");
        answer
    }

    fn stop(&mut self) {
        if let Ok(stdin) = self.stdin.get_mut() {
            drop(stdin.take());
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
