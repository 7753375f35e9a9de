//! Keys that falco.yaml does not have: `sensor.*`.

use std::path::PathBuf;

use super::{ByteSize, HttpTuning, LogFormat, Mode, Owner, Rotate, Span, Spool};

/// `sensor.*`
#[derive(Clone, Debug, PartialEq)]
pub struct Sensor {
    /// Name of the node, for `{node}`; by default the name of the host.
    pub node: Option<String>,
    /// The cgroup of the node, from the kernel's root on; by default the sensor finds out.
    pub node_cgroup: Option<String>,
    /// Name of the host in records (`hostname`); by default the name that the kernel has.
    pub hostname: Option<String>,
    /// Where the host's root directory is mounted.
    pub host_root: PathBuf,
    /// Where the host's `/proc` is mounted.
    pub proc_root: PathBuf,
    /// Time limit for a stop.
    pub stop_deadline: Span,
    /// Name of the lock that prevents a second sensor on the node.
    pub instance: String,
    /// Where the state folder is; empty: nowhere.
    pub state_dir: PathBuf,
    /// What a start does if another sensor has the state folder.
    pub takeover: Takeover,
    /// Whether mistakes that Falco takes are errors.
    pub strict_config: bool,
    /// Lines in the system log.
    pub syslog: Syslog,
    /// Form of log lines.
    pub log_format: LogFormat,
    /// What comes before the rule files.
    pub rules: SensorRules,
    /// What the kernel side captures.
    pub capture: Capture,
    /// containerd.
    pub containerd: Containerd,
    /// Any other runtime with CRI.
    pub cri: Runtime,
    /// Docker.
    pub docker: Runtime,
    /// Podman.
    pub podman: Runtime,
    /// Most bytes of a label's value; Falco's `label_max_len`.
    pub label_max_len: u32,
    /// The API server.
    pub kube: Kube,
    /// The domain names that rules mention.
    pub dns: Dns,
    /// The hold: events whose container is not known yet.
    pub hold: Hold,
    /// Budgets, which protect all containers from a flood of one.
    pub fairness: Fairness,
    /// The self-test, which proves that events arrive.
    pub self_test: SelfTest,
    /// Keys beside those of `file_output`.
    pub file_output: FileTuning,
    /// Keys beside those of `http_output`.
    pub http_output: HttpTuning,
}

impl Default for Sensor {
    fn default() -> Self {
        Self {
            node: None,
            node_cgroup: None,
            hostname: None,
            host_root: "/".into(),
            proc_root: "/proc".into(),
            stop_deadline: Span::from_secs(5),
            instance: "sensor".into(),
            state_dir: "/var/lib/sensor".into(),
            takeover: Takeover::default(),
            strict_config: false,
            syslog: Syslog::default(),
            log_format: LogFormat::default(),
            rules: SensorRules::default(),
            capture: Capture::default(),
            containerd: Containerd::default(),
            cri: Runtime::default(),
            docker: Runtime::default(),
            podman: Runtime::default(),
            label_max_len: 100,
            kube: Kube::default(),
            dns: Dns::default(),
            hold: Hold::default(),
            fairness: Fairness::default(),
            self_test: SelfTest::default(),
            file_output: FileTuning::default(),
            http_output: HttpTuning::default(),
        }
    }
}

/// `sensor.syslog.*`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Syslog {
    /// Name in front of each line, by which log daemons filter.
    pub ident: String,
}

impl Default for Syslog {
    fn default() -> Self {
        Self {
            ident: "falco".into(),
        }
    }
}

/// `sensor.rules.*`
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SensorRules {
    /// Whether rules find the macros and lists of the base files.
    pub base: bool,
    /// Whether the sensor measures what each rule costs.
    pub profile: bool,
    /// What a start does about broken rules files.
    pub broken: BrokenRules,
}

impl Default for SensorRules {
    fn default() -> Self {
        Self {
            base: true,
            profile: false,
            broken: BrokenRules::default(),
        }
    }
}

/// What a start does if a rules file of the configuration is broken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum BrokenRules {
    /// It goes on with the last good rules, or without the broken files.
    #[default]
    Keep,
    /// It fails.
    Stop,
}

/// What a start does if another sensor of the same `sensor.instance` runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Takeover {
    /// It fails.
    #[default]
    Off,
    /// It takes over from that sensor as soon as it is ready.
    On,
    /// The sensor that starts becomes ready, waits, and takes over when the running sensor receives SIGTERM.
    AtStop,
}

/// `sensor.capture.*`
#[derive(Clone, Debug, PartialEq)]
pub struct Capture {
    /// Most bytes of argv to capture: [`sensor_ebpf::ARGV_LIMIT_MIN`] to
    /// [`sensor_ebpf::ARGV_LIMIT_MAX`].
    pub argv_limit: ByteSize,
    /// Environment variables that rules may see.
    pub env: WantedEnv,
    /// Most bytes of the environment that the record of an exec has and an output prints, up to
    /// [`sensor_ebpf::ENV_LIMIT_MAX`].
    pub env_limit: ByteSize,
    /// The process tree whose events the sensor leaves out or observes alone.
    pub tree: Tree,
    /// The hook mode.
    pub hooks: Hooks,
}

impl Default for Capture {
    fn default() -> Self {
        Self {
            argv_limit: ByteSize::kib(32),
            env: WantedEnv::All,
            env_limit: ByteSize::kib(4),
            tree: Tree::default(),
            hooks: Hooks::Auto,
        }
    }
}

/// Which environment variables of a process rules can use.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum WantedEnv {
    /// None.
    None,
    /// All.
    #[default]
    All,
    /// The variables with these names.
    Named(Vec<String>),
}

/// `sensor.capture.tree.*`
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tree {
    /// What the sensor does with the events of the tree.
    pub mode: TreeMode,
    /// Process id of the root of the tree; none: the sensor itself.
    pub root: Option<u32>,
}

/// What the sensor does with the events of a process tree.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TreeMode {
    /// Nothing special: the tree is like any other.
    All,
    /// The sensor leaves its events out.
    #[default]
    Exclude,
    /// The sensor observes the tree alone.
    Only,
}

/// The hook mode: how the sensor hooks the exits of system calls.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Hooks {
    /// The first of the other modes, in their order, that the kernel allows.
    #[default]
    Auto,
    /// By the exits of the kernel's functions: other system calls cost nothing more.
    Fexit,
    /// By perf tracepoints only; the start fails where the kernel refuses them.
    Perf,
    /// By raw tracepoints: they see 32-bit processes, and every system call costs more.
    Raw,
}

/// `sensor.docker.*`, `sensor.podman.*`, `sensor.cri.*`
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Runtime {
    /// Whether to use the runtime.
    pub enabled: Toggle,
    /// Its sockets; the sensor uses each one that answers; none: the known ones.
    pub sockets: Vec<PathBuf>,
}

/// `sensor.containerd.*`
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Containerd {
    /// Whether to use containerd.
    pub enabled: Toggle,
    /// Its sockets; the sensor uses each one that answers; none: the known ones.
    pub sockets: Vec<PathBuf>,
    /// The containerd namespaces; none: `k8s.io`, `moby` and `default`.
    pub namespaces: Vec<String>,
}

/// Whether to use a service that can be absent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Toggle {
    /// Use it if it exists.
    #[default]
    Auto,
    /// Always use it: its absence is an error.
    On,
    /// Never use it.
    Off,
}

/// `sensor.kube.*`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kube {
    /// Whether to use the API server.
    pub enabled: Toggle,
    /// Path of a kubeconfig with address and credentials; none: those of the service account.
    pub kubeconfig: Option<PathBuf>,
    /// Name of the node; none: `sensor.node`.
    pub node: Option<String>,
    /// Annotations of pods to keep.
    pub annotations: Vec<String>,
    /// How long the sensor keeps a deleted pod.
    pub deletion_delay: Span,
}

impl Default for Kube {
    fn default() -> Self {
        Self {
            enabled: Toggle::Auto,
            kubeconfig: None,
            node: None,
            annotations: Vec::new(),
            deletion_delay: Span::from_secs(60),
        }
    }
}

/// `sensor.dns.*`
#[derive(Clone, Debug, PartialEq)]
pub struct Dns {
    /// Time between two look-ups of a name.
    pub refresh: Span,
}

impl Default for Dns {
    fn default() -> Self {
        Self {
            refresh: Span::from_secs(30),
        }
    }
}

/// `sensor.hold.*`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hold {
    /// Longest time that an event waits until its container is known.
    pub timeout: Span,
    /// Most events in the hold.
    pub max_events: u64,
    /// Most bytes in the hold.
    pub max_bytes: ByteSize,
}

impl Default for Hold {
    fn default() -> Self {
        Self {
            timeout: Span::from_secs(2),
            max_events: 100_000,
            max_bytes: ByteSize::mib(64),
        }
    }
}

/// `sensor.fairness.*`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fairness {
    /// Whether each container has a budget.
    pub enabled: bool,
    /// Events a second that a container may have over a longer time.
    pub rate: u64,
    /// Events that a container may have at once.
    pub burst: u64,
}

impl Fairness {
    /// Largest rate and largest burst: the kernel side counts at least a nanosecond for an event.
    pub const MOST: u64 = 1_000_000_000;
}

impl Default for Fairness {
    fn default() -> Self {
        Self {
            enabled: true,
            rate: 20_000,
            burst: 100_000,
        }
    }
}

/// `sensor.self_test.*`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SelfTest {
    /// Whether the sensor executes its helper regularly to prove that it sees events.
    pub enabled: bool,
    /// Interval between two self-tests.
    pub interval: Span,
    /// Time limit for the event of a self-test.
    pub timeout: Span,
}

impl Default for SelfTest {
    fn default() -> Self {
        Self {
            enabled: true,
            interval: Span::from_secs(30),
            timeout: Span::from_secs(5),
        }
    }
}

/// `sensor.file_output.*`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileTuning {
    /// Permissions of a file that is created.
    pub mode: Mode,
    /// Owner of a file that is created; none: the sensor's user.
    pub owner: Option<Owner>,
    /// Longest time until a line is confirmed on the disk or server; 0: the sensor never asks for a
    /// confirmation.
    pub sync: Span,
    /// When the sensor rotates a file.
    pub rotate: Rotate,
    /// Where lines wait while the file cannot be written.
    pub spool: Spool,
}

impl Default for FileTuning {
    fn default() -> Self {
        Self {
            mode: Mode(0o640),
            owner: None,
            sync: Span::from_secs(1),
            rotate: Rotate::default(),
            spool: Spool::default(),
        }
    }
}
