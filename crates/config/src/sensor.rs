//! Keys that falco.yaml does not have: `sensor.*`.

use std::path::PathBuf;

use super::{ByteSize, HttpTuning, LogFormat, Mode, Owner, Rotate, Span, Spool};

/// `sensor.*`
#[derive(Clone, Debug, PartialEq)]
pub struct Sensor {
    /// Name of the node, `{node}`; the host's name if it is not given.
    pub node: Option<String>,
    /// Name of the host in records (`hostname`); the host's name if it is not given.
    pub hostname: Option<String>,
    /// Where the host's root directory is mounted.
    pub host_root: PathBuf,
    /// Where the host's `/proc` is mounted.
    pub proc_root: PathBuf,
    /// How long stopping may take.
    pub stop_deadline: Span,
    /// Name of the lock that keeps a second sensor from starting on the node.
    pub instance: String,
    /// How the log's lines look.
    pub log_format: LogFormat,
    /// What the kernel side captures.
    pub capture: Capture,
    /// The container runtime.
    pub containerd: Containerd,
    /// The API server.
    pub kube: Kube,
    /// Events of containers that are not known yet.
    pub hold: Hold,
    /// Protection of all containers from one.
    pub fairness: Fairness,
    /// Proof that events arrive.
    pub self_test: SelfTest,
    /// Beside `file_output`.
    pub file_output: FileTuning,
    /// Beside `http_output`.
    pub http_output: HttpTuning,
}

impl Default for Sensor {
    fn default() -> Self {
        Self {
            node: None,
            hostname: None,
            host_root: "/".into(),
            proc_root: "/proc".into(),
            stop_deadline: Span::from_secs(5),
            instance: "sensor".into(),
            log_format: LogFormat::default(),
            capture: Capture::default(),
            containerd: Containerd::default(),
            kube: Kube::default(),
            hold: Hold::default(),
            fairness: Fairness::default(),
            self_test: SelfTest::default(),
            file_output: FileTuning::default(),
            http_output: HttpTuning::default(),
        }
    }
}

/// `sensor.capture.*`
#[derive(Clone, Debug, PartialEq)]
pub struct Capture {
    /// Most bytes of argv to capture: [`sensor_ebpf::ARGV_LIMIT_MIN`] to
    /// [`sensor_ebpf::ARGV_LIMIT_MAX`].
    pub argv_limit: ByteSize,
    /// Environment variables that rules may see.
    pub env: WantedEnv,
    /// Most bytes of the environment to capture, up to [`sensor_ebpf::ENV_LIMIT_MAX`].
    pub env_limit: ByteSize,
    /// Whose events are wanted.
    pub tree: Tree,
    /// How system call exits are hooked.
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

/// Which environment variables rules may see.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum WantedEnv {
    /// None.
    None,
    /// All.
    #[default]
    All,
    /// Those of these names.
    Named(Vec<String>),
}

/// `sensor.capture.tree.*`
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tree {
    /// What the tree is for.
    pub mode: TreeMode,
    /// Process at the tree's root; none: the sensor itself.
    pub root: Option<u32>,
}

/// What is done with the events of a process tree.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TreeMode {
    /// The tree is like any other.
    All,
    /// They are left out.
    #[default]
    Exclude,
    /// No others are wanted.
    Only,
}

/// How system call exits are hooked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Hooks {
    /// By perf tracepoints where the kernel allows it, else by raw tracepoints.
    #[default]
    Auto,
    /// By perf tracepoints, or not at all.
    Perf,
    /// By raw tracepoints: 32-bit processes are seen, every system call costs more.
    Raw,
}

/// `sensor.containerd.*`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Containerd {
    /// Ask containerd.
    pub enabled: bool,
    /// Its sockets, in the order in which they are tried; none: the known ones.
    pub sockets: Vec<PathBuf>,
    /// Its namespaces; none: `k8s.io`, `moby` and `default`.
    pub namespaces: Vec<String>,
}

impl Default for Containerd {
    fn default() -> Self {
        Self {
            enabled: true,
            sockets: Vec::new(),
            namespaces: Vec::new(),
        }
    }
}

/// Whether to use something that may not be there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Toggle {
    /// If it is there.
    #[default]
    Auto,
    /// Always; that it is not there is an error.
    On,
    /// Never.
    Off,
}

/// `sensor.kube.*`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kube {
    /// Ask the API server.
    pub enabled: Toggle,
    /// Its address and credentials; none: those of the service account.
    pub kubeconfig: Option<PathBuf>,
    /// Name of the node; none: `sensor.node`.
    pub node: Option<String>,
    /// Annotations of pods to keep.
    pub annotations: Vec<String>,
    /// How long a deleted pod is remembered.
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

/// `sensor.hold.*`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hold {
    /// Longest time that an event waits for its container to be known.
    pub timeout: Span,
    /// Most events that wait.
    pub max_events: u64,
    /// Most bytes that wait.
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
    /// Keep one container from using up what all share.
    pub enabled: bool,
    /// Events a second that a container may have over a longer time.
    pub rate: u64,
    /// Events that it may have at once.
    pub burst: u64,
}

impl Fairness {
    /// Largest rate and largest burst: an event costs a nanosecond or more.
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
    /// Let a process of the sensor's own execute itself now and then.
    pub enabled: bool,
    /// How often.
    pub interval: Span,
    /// How long its event may take.
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
    /// Longest time until lines are known to be on the disk or on the server; 0:
    /// that is never asked.
    pub sync: Span,
    /// When a file is put aside.
    pub rotate: Rotate,
    /// Where lines wait.
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
