//! The image as it ships, run by a real containerd with the mounts, the configuration and the
//! rules of `deploy/kubernetes`, once privileged and once with the capabilities of the
//! least-privilege overlay and no more.
//!
//! `SENSOR_IMAGE` names an archive; otherwise `cargo xtask image` makes it.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::OnceLock,
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail, ensure};
use serde_json::Value;
use tempfile::TempDir;

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");
const IMAGE: &str = "localhost/sensor:test";
const PATIENCE: Duration = Duration::from_mins(1);
/// Capabilities that `ctr` gives a container by default.
const DEFAULT: [&str; 14] = [
    "CHOWN",
    "DAC_OVERRIDE",
    "FSETID",
    "FOWNER",
    "MKNOD",
    "NET_RAW",
    "SETGID",
    "SETUID",
    "SETFCAP",
    "SETPCAP",
    "NET_BIND_SERVICE",
    "SYS_CHROOT",
    "KILL",
    "AUDIT_WRITE",
];
/// Capabilities that the overlay adds.
const LEAST: [&str; 4] = ["BPF", "PERFMON", "SYS_PTRACE", "DAC_READ_SEARCH"];

#[test]
fn the_image_writes_what_a_pod_executes_when_privileged() -> Result<()> {
    let node = Node::start()?;
    let sensor = node.sensor(&["--privileged".to_owned()], &[])?;
    node.a_pods_exec_is_written(&sensor)
}

#[test]
fn the_image_captures_with_four_capabilities_and_raw_tracepoints() -> Result<()> {
    let dropped = DEFAULT.map(|name| format!("--cap-drop=CAP_{name}"));
    let added = LEAST.map(|name| format!("--cap-add=CAP_{name}"));
    let node = Node::start()?;
    let sensor = node.sensor(
        &[dropped.as_slice(), &added].concat(),
        // As on a kernel that refuses perf tracepoints.
        &["-o", "sensor.capture.hooks=raw"],
    )?;
    let status = fs::read_to_string(format!("/proc/{}/status", sensor.pid(&node)?))?;
    let bounding = status
        .lines()
        .find_map(|line| line.strip_prefix("CapBnd:"))
        .context("no CapBnd")?;
    // CAP_DAC_READ_SEARCH, CAP_SYS_PTRACE, CAP_PERFMON, CAP_BPF.
    let allowed = 1 << 2 | 1 << 19 | 1 << 38 | 1u64 << 39;
    let held = u64::from_str_radix(bounding.trim(), 16)?;
    ensure!(
        held & !allowed == 0,
        "more capabilities than meant: {held:x}"
    );
    node.a_pods_exec_is_written(&sensor)
}

#[test]
fn the_image_is_the_same_when_it_is_made_again() -> Result<()> {
    let directory = tempfile::tempdir()?;
    let again = directory.path().join("again.tar");
    make(&again)?;
    ensure!(
        fs::read(archive()?)? == fs::read(&again)?,
        "the archives differ"
    );
    Ok(())
}

fn make(output: &Path) -> Result<()> {
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command.args(["run", "--quiet", "--package", "xtask", "--", "image"]);
    command.args(["--name", IMAGE, "--output"]).arg(output);
    for (name, _) in env::vars_os() {
        // Without cargo's own variables for this test, which would confuse the build of another
        // crate.
        if name.to_string_lossy().starts_with("CARGO_PKG_") || name == "CARGO_MANIFEST_DIR" {
            command.env_remove(name);
        }
    }
    run(command.current_dir(ROOT)).map(drop)
}

/// The archive under test, built once.
fn archive() -> Result<PathBuf> {
    static MADE: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    let made = MADE.get_or_init(|| {
        if let Some(path) = env::var_os("SENSOR_IMAGE") {
            return Ok(path.into());
        }
        let directory = Path::new(ROOT).join("target/image");
        let path = directory.join("test.oci.tar");
        // Another run of these tests may read the archive now, so a rename replaces it.
        let new = directory.join(format!("test-{}.oci.tar", std::process::id()));
        let made = make(&new).and_then(|()| Ok(fs::rename(&new, &path)?));
        made.map(|()| path).map_err(|error| format!("{error:#}"))
    });
    made.clone().map_err(anyhow::Error::msg)
}

/// Runs a command until it ends; returns what it printed.
fn run(command: &mut Command) -> Result<String> {
    let shown = format!("{command:?}");
    let done = command
        .stdin(Stdio::null())
        .output()
        .context(shown.clone())?;
    let printed = String::from_utf8_lossy(&done.stdout).into_owned();
    if !done.status.success() {
        bail!(
            "{shown}: {}\n{printed}{}",
            done.status,
            String::from_utf8_lossy(&done.stderr)
        );
    }
    Ok(printed)
}

/// A containerd for this test with the image in it, and a log directory.
struct Node {
    directory: TempDir,
    containerd: Child,
    /// A process of the host, whose pid namespace the sensor's container shares.
    host: Child,
    id: String,
}

impl Node {
    fn start() -> Result<Self> {
        let directory = tempfile::tempdir()?;
        let path = |name: &str| directory.path().join(name);
        for name in ["run", "logs", "rules"] {
            fs::create_dir(path(name))?;
        }
        let config = format!(
            "version = 2\nroot = '{0}/root'\nstate = '{0}/run/state'\n\
             disabled_plugins = ['io.containerd.grpc.v1.cri']\n\
             [grpc]\naddress = '{0}/run/containerd.sock'\n",
            directory.path().display()
        );
        fs::write(path("containerd.toml"), config)?;
        let log = fs::File::create(path("containerd.log"))?;
        let containerd = Command::new("containerd")
            .arg("--config")
            .arg(path("containerd.toml"))
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()
            .context("containerd: `cargo xtask setup --tests` installs it")?;
        let host = Command::new("sleep").arg("600").spawn()?;
        let id = format!(
            "{:032x}",
            u128::from(containerd.id()) << 32 | u128::from(host.id())
        );
        let node = Self {
            directory,
            containerd,
            host,
            id,
        };
        node.until("containerd answers", || Ok(node.ctr(&["version"]).is_ok()))?;
        let archive = archive()?;
        node.ctr(&["image", "import", &archive.to_string_lossy()])?;
        Ok(node)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn ctr(&self, arguments: &[&str]) -> Result<String> {
        let mut command = Command::new("ctr");
        command
            .arg("--address")
            .arg(self.path("run/containerd.sock"));
        run(command.args(["--namespace", "k8s.io"]).args(arguments))
    }

    fn until(&self, what: &str, mut reached: impl FnMut() -> Result<bool>) -> Result<()> {
        let deadline = Instant::now() + PATIENCE;
        while !reached()? {
            if Instant::now() > deadline {
                let log = |name| fs::read_to_string(self.path(name)).unwrap_or_default();
                bail!(
                    "{what}: not within {PATIENCE:?}\n{}{}",
                    log("containerd.log"),
                    log("sensor.log")
                );
            }
            thread::sleep(Duration::from_millis(100));
        }
        Ok(())
    }

    /// Starts the sensor as the `DaemonSet` does.
    fn sensor(&self, rights: &[String], options: &[&str]) -> Result<Sensor> {
        let base = Path::new(ROOT).join("deploy/kubernetes/base");
        let mount = |from: &Path, to: &str, how: &str| {
            format!(
                "--mount=type=bind,src={},dst={to},options=rbind:{how}",
                from.display()
            )
        };
        let mounts = [
            mount(&base, "/etc/sensor/config", "ro"),
            mount(&base.join("rules"), "/etc/sensor/rules.d", "ro"),
            mount(&self.path("rules"), "/etc/sensor/custom.d", "ro"),
            mount(&self.path("run"), "/host/run/containerd", "ro:rslave"),
            mount(Path::new("/etc"), "/host/etc", "ro"),
            mount(Path::new("/sys/fs/cgroup"), "/sys/fs/cgroup", "ro"),
            mount(
                Path::new("/sys/kernel/tracing"),
                "/sys/kernel/tracing",
                "ro",
            ),
            mount(&self.path("logs"), "/var/log/falco", "rw"),
        ];
        let log = fs::File::create(self.path("sensor.log"))?;
        let name = format!("sensor-{}", self.id);
        let child = Command::new("ctr")
            .arg("--address")
            .arg(self.path("run/containerd.sock"))
            .args(["--namespace", "k8s.io", "run", "--rm", "--read-only"])
            .arg(format!("--with-ns=pid:/proc/{}/ns/pid", self.host.id()))
            .args(["--env", "NODE_NAME=node-1", "--env", "HOST_ROOT=/host"])
            .args(rights)
            .args(mounts)
            .args([IMAGE, &name, "/usr/bin/sensor"])
            .args(["-c", "/etc/sensor/config/sensor.yaml"])
            .args(options)
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()?;
        Ok(Sensor { name, child })
    }

    /// Runs containers with a pod's labels until the log has one of their execs, which must be
    /// right and name the pod.
    fn a_pods_exec_is_written(&self, sensor: &Sensor) -> Result<()> {
        let mut number = 0;
        let mut found = None;
        self.until("a line of the pod", || {
            sensor.pid(self).context("the sensor has ended")?;
            number += 1;
            // Tests run side by side, and each sensor sees the containers of the others: their
            // first twelve digits differ.
            let id = format!(
                "{:08x}{number:04x}{}{}",
                self.host.id(),
                self.id,
                "0".repeat(20)
            );
            // The command fails (unknown option); only its exec counts.
            let _ = self.ctr(&[
                "run",
                "--rm",
                "--label",
                "io.cri-containerd.kind=container",
                "--label",
                "io.kubernetes.container.name=main",
                "--label",
                "io.kubernetes.pod.name=hello",
                "--label",
                "io.kubernetes.pod.namespace=shop",
                "--label",
                "io.kubernetes.pod.uid=0f6d9d3b-2f1e-4d0c-8c0e-3f6f0f6c1a11",
                IMAGE,
                &id,
                "/usr/bin/sensor",
                "--no-such-option",
            ]);
            found = self.line(&id[..12])?;
            Ok(found.is_some())
        })?;
        let line = found.context("found above")?;
        let fields = &line["output_fields"];
        for (name, wanted) in [
            ("proc.cmdline", "sensor --no-such-option"),
            ("proc.exepath", "/usr/bin/sensor"),
            ("user.name", "root"),
            ("container.name", "main"),
            ("container.image.repository", "localhost/sensor"),
            ("container.image.tag", "test"),
            ("k8s.pod.name", "hello"),
            ("k8s.ns.name", "shop"),
            ("k8s.pod.uid", "0f6d9d3b-2f1e-4d0c-8c0e-3f6f0f6c1a11"),
        ] {
            ensure!(fields[name] == wanted, "{name}: {} in {line}", fields[name]);
        }
        ensure!(
            line["rule"] == "Log Execve Syscalls for Elasticsearch",
            "{line}"
        );
        ensure!(
            self.path("logs/falco-node-1.log").is_file(),
            "the file is not the node's"
        );
        Ok(())
    }

    /// The line of a container's own exec, if it is in the log. runc executes itself again,
    /// sometimes in the container's cgroup already.
    fn line(&self, container: &str) -> Result<Option<Value>> {
        for entry in fs::read_dir(self.path("logs"))? {
            let text = fs::read_to_string(entry?.path())?;
            // The sensor may still be writing the last line.
            let whole = text.rsplit_once('\n').map_or("", |(whole, _)| whole);
            for line in whole.lines() {
                let line: Value = serde_json::from_str(line).with_context(|| line.to_owned())?;
                let fields = &line["output_fields"];
                if fields["container.id"] == container && fields["proc.name"] == "sensor" {
                    return Ok(Some(line));
                }
            }
        }
        Ok(None)
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        let tasks = self.ctr(&["task", "ls", "-q"]).unwrap_or_default();
        for task in tasks.lines() {
            let _ = self.ctr(&["task", "rm", "--force", task]);
        }
        for child in [&mut self.containerd, &mut self.host] {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// The `ctr run` in whose container the sensor runs.
struct Sensor {
    name: String,
    child: Child,
}

impl Sensor {
    /// The process of the sensor, once it runs.
    fn pid(&self, node: &Node) -> Result<u32> {
        let mut found = None;
        node.until("the sensor's process", || {
            let tasks = node.ctr(&["task", "ls"])?;
            let row = tasks.lines().find(|row| row.starts_with(&self.name));
            found = row.and_then(|row| row.split_whitespace().nth(1)?.parse().ok());
            Ok(found.is_some())
        })?;
        found.context("found above")
    }
}

impl Drop for Sensor {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
