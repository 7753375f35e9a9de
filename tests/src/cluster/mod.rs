//! A real Kubernetes without a registry: etcd, API server, controllers, scheduler, and nodes with
//! kubelet and containerd, all of them in namespaces, cgroups and a folder of their own.
//!
//! The programs are those of `cargo xtask test cluster` (`SENSOR_CLUSTER`), which builds them from
//! `tests/cluster/`.

mod control;
mod node;
mod pki;
mod plane;
mod space;

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::{Command, Output},
    sync::{Mutex, MutexGuard, PoisonError},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail};
use harness::container;

pub use self::plane::{ControlPlane, Traffic};
use self::{
    node::Node,
    pki::Pki,
    space::{Guard, Part, run},
};
use crate::{names::NameServer, testbed};

/// How long a cluster may take for what it is asked for.
pub const PATIENCE: Duration = Duration::from_mins(2);
/// Images of pods, beside the sensor's: archives of [`testbed::images`].
const IMAGES: [&str; 3] = ["pause", "tools", "busybox"];

/// What the nodes of a cluster are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Nodes {
    /// One node, which the whole machine is: its sensor sees the containers of other nodes, too.
    Machine,
    /// So many nodes, 1 or 2, each of them in the cgroup of a container, as kind makes them.
    Containers(usize),
}

/// A running cluster. Everything ends when this value is dropped, or when the test is killed.
pub struct Cluster {
    dir: PathBuf,
    programs: PathBuf,
    pki: Pki,
    names: NameServer,
    nodes: Mutex<Vec<Node>>,
    parts: Mutex<Parts>,
    /// The last member, so that it is dropped last.
    _guard: Guard,
}

/// The parts of the control plane that run.
struct Parts {
    server: Option<Part>,
    _others: Vec<Part>,
}

/// Locks a mutex, also after a panic of another test.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Cluster {
    /// Starts a cluster of nodes that have an image, an archive, and waits until the nodes are ready.
    ///
    /// # Errors
    /// If `SENSOR_CLUSTER` is not set, or a part does not start.
    pub fn start(kind: Nodes, image: &Path) -> Result<Self> {
        let programs = programs()?;
        let (name, dir) = folder()?;
        let guard = Guard::start(&name, &dir)?;
        let pki = control::certificates(&dir.join("pki"))?;
        let first = Node::new(1, kind, &name, &dir)?;
        first.first_network()?;
        let names = NameServer::default();
        let server = names.clone();
        let address = format!("{}:53", control::NAMES);
        first.space.within(move || server.start(&address))?;
        let etcd = control::etcd(&first.space)?;
        let server = control::api_server(&first.space, &programs, &pki, &[])?;
        let mut others = vec![etcd];
        others.extend(control::controllers(&first.space, &programs, &pki)?);
        let mut all = vec![first];
        if kind == Nodes::Containers(2) {
            let second = Node::new(2, kind, &name, &dir)?;
            second.second_network(&all[0])?;
            all.push(second);
        }
        let nodes = all.len();
        let images = testbed::images();
        for (node, number) in all.iter_mut().zip(1..) {
            node.start_containerd(number)?;
            for name in IMAGES {
                let archive = images.join(format!("{name}.tar"));
                node.ctr(&["image", "import", &archive.to_string_lossy()])?;
            }
            node.ctr(&["image", "import", &image.to_string_lossy()])?;
            node.start_kubelet(number, &programs, &pki)?;
        }
        let cluster = Self {
            dir,
            programs,
            pki,
            names,
            nodes: Mutex::new(all),
            parts: Mutex::new(Parts {
                server: Some(server),
                _others: others,
            }),
            _guard: guard,
        };
        cluster.wait_for_nodes(nodes)?;
        Ok(cluster)
    }

    /// Waits until the nodes are ready, and pods can be made.
    fn wait_for_nodes(&self, nodes: usize) -> Result<()> {
        for number in 1..=nodes {
            let node = format!("node/node{number}");
            until("the node is ready", || {
                let wait = ["wait", "--for=condition=Ready", "--timeout=60s", &node];
                Ok(self.kubectl(&wait).is_ok().then_some(()))
            })?;
        }
        until("there is a service account", || {
            let get = ["get", "serviceaccount", "default"];
            Ok(self.kubectl(&get).is_ok().then_some(()))
        })
    }

    /// The folder of the cluster's files: logs of its parts, `/var/log` of each node.
    #[must_use]
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// The name server of the pods, which knows the names that a test gives it.
    #[must_use]
    pub fn names(&self) -> &NameServer {
        &self.names
    }

    /// `/var/log` of a node.
    #[must_use]
    pub fn node_log(&self, node: &str) -> PathBuf {
        self.dir.join(node).join("log")
    }

    /// A command of `kubectl` as the one who administers the cluster.
    #[must_use]
    pub fn kubectl_command(&self) -> Command {
        let nodes = lock(&self.nodes);
        control::kubectl(&nodes[0].space, &self.programs, &self.pki)
    }

    /// Runs `kubectl`; returns what it printed.
    ///
    /// # Errors
    /// If it fails, with what it printed.
    pub fn kubectl(&self, args: &[&str]) -> Result<String> {
        run(self.kubectl_command().args(args))
    }

    /// Applies objects, written as YAML.
    ///
    /// # Errors
    /// If the API server refuses one.
    pub fn apply(&self, objects: &str) -> Result<()> {
        let file = self.dir.join("objects.yaml");
        fs::write(&file, objects)?;
        let path = file.to_string_lossy();
        self.kubectl(&["apply", "-f", &path]).map(drop)
    }

    /// A command of `helm` as the one who administers the cluster.
    #[must_use]
    pub fn helm_command(&self) -> Command {
        let nodes = lock(&self.nodes);
        control::client(&nodes[0].space, &self.programs.join("helm"), &self.pki)
    }

    /// Runs `helm`.
    ///
    /// # Errors
    /// If the command cannot be started; whether `helm` failed is in the output.
    pub fn helm(&self, args: &[&str]) -> Result<Output> {
        self.helm_command().args(args).output().context("helm")
    }

    /// Runs a command in the network and mount namespaces of the first node.
    ///
    /// # Errors
    /// If it fails.
    pub fn on_node(&self, program: &str, args: &[&str]) -> Result<String> {
        let mut command = lock(&self.nodes)[0].space.command(program);
        run(command.args(args))
    }

    /// Kills the API server, which would wait for its clients otherwise.
    ///
    /// # Errors
    /// If it cannot be killed.
    pub fn stop_api_server(&self) -> Result<()> {
        lock(&self.parts).server.take().map_or(Ok(()), Part::kill)
    }

    /// Starts the API server again, and waits until it is ready.
    ///
    /// # Errors
    /// If it does not start.
    pub fn start_api_server(&self) -> Result<()> {
        let server = {
            let nodes = lock(&self.nodes);
            control::api_server(&nodes[0].space, &self.programs, &self.pki, &[])?
        };
        lock(&self.parts).server = Some(server);
        Ok(())
    }

    /// Stops containerd of the first node; its containers go on.
    ///
    /// # Errors
    /// If it does not stop.
    pub fn stop_containerd(&self) -> Result<()> {
        lock(&self.nodes)[0].stop_containerd()
    }

    /// Starts containerd of the first node again.
    ///
    /// # Errors
    /// If it does not answer.
    pub fn start_containerd(&self) -> Result<()> {
        lock(&self.nodes)[0].start_containerd(1)
    }
}

/// The folder of the programs.
fn programs() -> Result<PathBuf> {
    env::var_os("SENSOR_CLUSTER")
        .map(PathBuf::from)
        .context("`cargo xtask` builds the programs and sets SENSOR_CLUSTER")
}

/// Names a new cluster, and makes the folder of its files.
fn folder() -> Result<(String, PathBuf)> {
    // By chance, as containers' ids: cgroups may outlive a process id.
    let name = format!("sensor-cluster-{}", &container::id()[..12]);
    let dir = env::temp_dir().join(&name);
    fs::create_dir_all(&dir)?;
    Ok((name, dir))
}

/// Waits until a question has an answer, and returns it.
///
/// # Errors
/// If it has none within [`PATIENCE`], or the question fails.
pub fn until<T>(what: &str, mut ask: impl FnMut() -> Result<Option<T>>) -> Result<T> {
    let begin = Instant::now();
    loop {
        if let Some(answer) = ask()? {
            return Ok(answer);
        }
        if begin.elapsed() > PATIENCE {
            bail!("{what}: not within {PATIENCE:?}");
        }
        thread::sleep(Duration::from_millis(100));
    }
}
