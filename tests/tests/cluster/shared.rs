//! The cluster of all tests, and the sensor in it.

use std::{
    env,
    fs::{self, File},
    path::{Path, PathBuf},
    sync::{Mutex, MutexGuard, OnceLock, PoisonError},
};

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;
use tests::cluster::{Cluster, Nodes, until};

pub(crate) const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");

/// How the sensor is installed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Installed {
    No,
    Kustomize,
    Helm,
}

/// The cluster, in the hands of one test at a time.
pub(crate) struct Shared {
    pub(crate) cluster: Cluster,
    installed: Installed,
}

/// The cluster with the sensor installed that way. The first caller starts the cluster; other tests
/// wait until this one ends.
pub(crate) fn cluster(how: Installed) -> Result<MutexGuard<'static, Shared>> {
    static SHARED: OnceLock<Result<Mutex<Shared>, String>> = OnceLock::new();
    let shared = SHARED.get_or_init(|| {
        let cluster = image().and_then(|image| Cluster::start(Nodes::Machine, &image));
        let shared = cluster.map(|cluster| Shared {
            cluster,
            installed: Installed::No,
        });
        shared.map(Mutex::new).map_err(|error| format!("{error:#}"))
    });
    let shared = shared
        .as_ref()
        .map_err(|error| anyhow::anyhow!("{error}"))?;
    let mut shared = shared.lock().unwrap_or_else(PoisonError::into_inner);
    shared.install(how)?;
    Ok(shared)
}

/// The archive of the sensor's image.
pub(crate) fn image() -> Result<PathBuf> {
    let path = env::var_os("SENSOR_IMAGE");
    path.map(PathBuf::from)
        .context("`cargo xtask test cluster` makes the image and sets SENSOR_IMAGE")
}

/// The folder of an overlay.
pub(crate) fn overlay(name: &str) -> String {
    format!("{ROOT}/deploy/kubernetes/overlays/{name}")
}

impl Shared {
    fn install(&mut self, how: Installed) -> Result<()> {
        if self.installed == how {
            return Ok(());
        }
        self.uninstall()?;
        match how {
            Installed::No => {}
            Installed::Kustomize => {
                self.cluster
                    .kubectl(&["apply", "-k", &overlay("privileged")])?;
                self.ready()?;
            }
            Installed::Helm => self.install_by_helm()?,
        }
        self.installed = how;
        Ok(())
    }

    /// The commands of deploy/README.md.
    fn install_by_helm(&self) -> Result<()> {
        self.cluster.kubectl(&["create", "namespace", "sensor"])?;
        self.cluster.kubectl(&[
            "label",
            "namespace",
            "sensor",
            "pod-security.kubernetes.io/enforce=privileged",
        ])?;
        let done = self.cluster.helm(&[
            "install",
            "sensor",
            &format!("{ROOT}/deploy/helm/sensor"),
            "--namespace=sensor",
            "--set=tests.image=docker.io/testbed/busybox:1",
        ])?;
        ensure!(
            done.status.success(),
            "helm install: {}",
            String::from_utf8_lossy(&done.stderr)
        );
        self.ready()
    }

    fn uninstall(&mut self) -> Result<()> {
        match self.installed {
            Installed::No => return Ok(()),
            Installed::Kustomize => {
                self.cluster
                    .kubectl(&["delete", "-k", &overlay("privileged")])?;
            }
            Installed::Helm => {
                let done =
                    self.cluster
                        .helm(&["uninstall", "sensor", "--namespace=sensor", "--wait"])?;
                ensure!(done.status.success(), "helm uninstall: {done:?}");
                self.cluster.kubectl(&["delete", "namespace", "sensor"])?;
            }
        }
        self.installed = Installed::No;
        Ok(())
    }

    /// Waits until the sensor is ready, as the page says.
    pub(crate) fn ready(&self) -> Result<()> {
        ready(&self.cluster)
    }

    /// The log of the sensor's pod.
    pub(crate) fn log(&self) -> Result<String> {
        self.cluster
            .kubectl(&["-n", "sensor", "logs", "daemonset/sensor"])
    }

    /// The process of the sensor. In a rollout the pod before it may still be ending.
    pub(crate) fn process(&self) -> Result<u32> {
        until("the sensor's process", || {
            let pods = self
                .cluster
                .kubectl(&["-n", "sensor", "get", "pods", "-o", "json"])?;
            let pods: Value = serde_json::from_str(&pods)?;
            let mut pods = pods["items"].as_array().into_iter().flatten();
            let pod = pods.find(|pod| pod["metadata"]["deletionTimestamp"].is_null());
            let id =
                pod.and_then(|pod| pod["status"]["containerStatuses"][0]["containerID"].as_str());
            let id = id.unwrap_or_default().rsplit('/').next();
            let id = id.unwrap_or_default().to_owned();
            let tasks = self
                .cluster
                .on_node("ctr", &["-n", "k8s.io", "task", "ls"])?;
            let row = tasks
                .lines()
                .find(|row| !id.is_empty() && row.starts_with(&id));
            let running = row.filter(|row| row.ends_with("RUNNING"));
            Ok(running.and_then(|row| row.split_whitespace().nth(1)?.parse().ok()))
        })
    }

    /// The file of the node's lines.
    pub(crate) fn file(&self) -> PathBuf {
        self.cluster.node_log("node1").join("falco/falco-node1.log")
    }

    /// The whole lines of the node's file that contain a text, in the order of the file.
    pub(crate) fn lines(&self, text: &str) -> Result<Vec<Value>> {
        lines(&self.file(), text)
    }
}

/// The whole lines of a file that contain a text.
pub(crate) fn lines(file: &Path, text: &str) -> Result<Vec<Value>> {
    let all = match File::open(file) {
        Ok(_) => fs::read_to_string(file)?,
        Err(_) => return Ok(Vec::new()),
    };
    // The sensor may still be writing the last line.
    let whole = all.rsplit_once('\n').map_or("", |(whole, _)| whole);
    whole
        .lines()
        .filter(|line| line.contains(text))
        .map(|line| serde_json::from_str(line).with_context(|| line.to_owned()))
        .collect()
}

/// Waits until the sensor of a cluster is ready, as the page says.
pub(crate) fn ready(cluster: &Cluster) -> Result<()> {
    let status = [
        "-n",
        "sensor",
        "rollout",
        "status",
        "daemonset/sensor",
        "--timeout=90s",
    ];
    cluster.kubectl(&status).map(drop)
}
