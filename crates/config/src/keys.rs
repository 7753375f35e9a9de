//! The table of keys, from which the sensor reads, prints and documents its configuration.

use sensor_ebpf::{ARGV_LIMIT_MAX, ARGV_LIMIT_MIN, ENV_LIMIT_MAX};
use yaml::Node;

use super::{Config, Fairness, setting::Setting};

/// A key of the configuration.
pub struct Key {
    /// Its name, with dots.
    pub name: &'static str,
    /// What the value must look like, in words.
    pub ty: &'static str,
    /// The meaning of the key.
    pub doc: &'static str,
    /// Whether falco.yaml has the key too.
    pub falco: bool,
    /// The value in a configuration, as YAML.
    pub show: fn(&Config) -> String,
    /// Sets the value; false if the node has another type.
    pub(super) set: fn(&mut Config, &Node) -> bool,
    /// Sets the default.
    pub(super) reset: fn(&mut Config),
    /// Whether Falco takes the default for a text that is no such value.
    pub(super) falls_back: bool,
}

impl Key {
    /// Whether the value is a list.
    pub(super) fn is_list(&self) -> bool {
        self.ty.starts_with("a list")
    }
}

impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name)
    }
}

/// What the value at a place must look like, in words, and whether Falco falls back to the
/// default.
fn type_of<T: Setting>(_: fn(&Config) -> &T) -> (&'static str, bool) {
    (T::TYPE, T::FALLS_BACK)
}

macro_rules! keys {
    ($($($part:ident).+: $doc:literal;)*) => {
        /// Every key, in the order in which it is printed.
        #[must_use]
        pub fn all() -> &'static [Key] {
            static KEYS: std::sync::LazyLock<Vec<Key>> = std::sync::LazyLock::new(|| vec![
                $(Key {
                    name: concat_dots!($($part).+),
                    ty: type_of(|config: &Config| &config.$($part).+).0,
                    falls_back: type_of(|config: &Config| &config.$($part).+).1,
                    doc: $doc,
                    falco: !concat_dots!($($part).+).starts_with("sensor."),
                    show: |config| config.$($part).+.show(),
                    set: |config, node| match Setting::read(node) {
                        Some(value) => { config.$($part).+ = value; true }
                        None => false,
                    },
                    reset: |config| config.$($part).+ = Config::default().$($part).+,
                },)*
            ]);
            &KEYS
        }
    };
}

macro_rules! concat_dots {
    ($first:ident $(. $rest:ident)*) => {
        concat!(stringify!($first) $(, ".", stringify!($rest))*)
    };
}

keys! {
    config_files: "Files and directories of configuration that the sensor merges in, in order (directories: `.yaml` and `.yml`, sorted). It skips files that are not there. `strategy` says what happens to a key that has a value already: `append` appends lists and replaces other values, `override` replaces lists too, `add-only` keeps the value. The sensor merges sections key by key, where Falco replaces them whole.";
    watch_config_files: "Reload when a configuration or rules file changes.";
    rules_files: "Files and directories of rules, in order. The sensor skips files that are not there, but at least one must be there. Empty: the built-in rules.";
    rules: "Switches of rules, in order: `enable:` or `disable:` with `{rule: NAME}` (`*` stands for any text) or `{tag: TAG}`.";
    priority: "Least urgent priority of the rules that the sensor loads.";
    rule_matching: "Whether an event triggers the first rule that matches, or all that do.";
    json_output: "JSON lines instead of text.";
    json_include_output_property: "Include `output`, the text line, in JSON lines.";
    json_include_message_property: "Include `message`, the text line without time and priority, in JSON lines.";
    json_include_output_fields_property: "Include `output_fields` in JSON lines.";
    json_include_tags_property: "Include `tags` in JSON lines.";
    time_format_iso_8601: "Times in text as `YYYY-MM-DDTHH:MM:SS.nnnnnnnnn+0000` instead of local time of day.";
    append_output: "Additions to rule outputs: `match: {source, tags, rule}`, `extra_output`, `extra_fields`, `suggested_output`.";
    buffered_outputs: "Under load, let lines wait up to a second, so that the sensor writes more of them together.";
    outputs_queue.capacity: "Most lines that wait before each output; 0: as many as fit into 64 MiB (into `sensor.file_output.spool.memory` before the file).";
    output_timeout: "Longest time that an output may write no line while lines wait. After that the sensor logs and counts the stall and is not ready; as in Falco, it waits for the output all the same. It checks once a second; 0: never. A number alone is in milliseconds.";
    stdout_output.enabled: "Write lines to standard output; readable and coloured if it is a terminal.";
    file_output.enabled: "Write lines to a file.";
    file_output.keep_alive: "Keep the file open; otherwise the sensor closes the file whenever no line waits.";
    file_output.filename: "Path of the file; `{node}` and `{hostname}` are replaced. Each node needs a file of its own: NFS has no atomic append.";
    http_output.enabled: "POST each line to a web server (falcosidekick, for example).";
    http_output.url: "Address of the web server, `http://…` or `https://…`; a user and a password in front of the host become an `Authorization` header. The proxies of curl's variables apply: `http_proxy`, `https_proxy`, `all_proxy`, `no_proxy`.";
    http_output.user_agent: "`User-Agent` of the requests.";
    http_output.insecure: "Do not check the server's certificate.";
    http_output.ca_cert: "PEM file of the authority that signed the server's certificate.";
    http_output.ca_bundle: "PEM file of more than one authority.";
    http_output.ca_path: "Directory of PEM files of authorities, beside those of the system; where the system has none, as in the image, those that Mozilla trusted when the sensor was built. Without effect beside `ca_cert` or `ca_bundle`, of which the first counts.";
    http_output.mtls: "Present a certificate to the server.";
    http_output.client_cert: "PEM file of that certificate.";
    http_output.client_key: "PEM file of its key.";
    http_output.echo: "Log the server's answers.";
    http_output.compress_uploads: "Tell the server that it may compress its answers (`TE: gzip`), as Falco does.";
    http_output.keep_alive: "Let the kernel probe an idle connection (TCP keepalive). The connection is kept for further requests in any case.";
    syslog_output.enabled: "Send lines to the system log, `/dev/log`; the facility is `user`, the severity is the rule's priority.";
    program_output.enabled: "Give lines to a program, on its standard input.";
    program_output.keep_alive: "Keep the program running; otherwise the sensor starts the program for each line.";
    program_output.program: "The program and its arguments. What only a shell reads (pipes, variables) needs `/bin/sh`, which the sensor's image lacks.";
    webserver.enabled: "Serve health and metrics by HTTP.";
    webserver.listen_port: "Port of the web server; 0: any free one.";
    webserver.listen_address: "Address of the web server.";
    webserver.k8s_healthz_endpoint: "Path of the health check.";
    webserver.prometheus_metrics_enabled: "Serve `/metrics`.";
    webserver.ssl_enabled: "Serve HTTPS.";
    webserver.ssl_certificate: "PEM file with certificate and key.";
    syscall_event_drops.threshold: "Share of lost events (0 to 1) above which the sensor takes the actions.";
    syscall_event_drops.actions: "What the sensor does when events are lost.";
    syscall_event_drops.rate: "How often in a second, over a longer time, the sensor takes the actions.";
    syscall_event_drops.max_burst: "How often at once the sensor takes the actions.";
    syscall_event_drops.simulate_drops: "Pretend that events are lost, to test the actions.";
    metrics.enabled: "Write metrics regularly, as a record in the stream or to a file.";
    metrics.interval: "How often. A number alone is in milliseconds.";
    metrics.output_rule: "Write them as a record `Falco internal: metrics snapshot` in the stream.";
    metrics.output_file: "Append metrics to this file, a line of JSON with `output_fields` and `sample` each time; the sensor replaces `{node}` and `{hostname}`, and applies `sensor.file_output.mode` and `.owner`.";
    metrics.rules_counters_enabled: "Include the number of matches of each rule.";
    metrics.resource_utilization_enabled: "Include CPU and memory.";
    metrics.state_counters_enabled: "Include the number of entries of each cache (processes, containers, …).";
    metrics.kernel_event_counters_enabled: "Include the counters of the kernel side.";
    metrics.kernel_event_counters_per_cpu_enabled: "Include the counters of the kernel side, also by CPU.";
    metrics.libbpf_stats_enabled: "Include run times of the BPF programs, where the kernel measures them anyway.";
    metrics.include_empty_values: "Include what is zero.";
    metrics.convert_memory_to_mb: "Memory in MB instead of bytes.";
    capture.enabled: "Record events from the match of a rule on, into a file of `sensor record`'s form ([recordings](../docs/recordings.md#recordings-that-rules-start)).";
    capture.path_prefix: "The beginning of the files' paths; the time and the number of the event follow, and `.rec`. *A directory of the node that others cannot write to.*";
    capture.mode: "Which rules start a recording: those with `capture: true`, or all.";
    capture.default_duration: "How long a recording lasts from a match on, if the rule has no `capture_duration`. A number alone is in milliseconds.";
    capture.max_file_size_mb: "Megabytes after which a recording ends, about; 0: without limit.";
    engine.kind: "Where events come from: `replay` plays `engine.replay.capture_file`, any other engine of Falco stands for the live events of this machine.";
    engine.replay.capture_file: "A recording that `sensor record` made, for `engine.kind: replay`. *Not a .scap file.*";
    engine.modern_ebpf.buf_size_preset: "Size of the ring buffer: 1 to 10 for 1, 2, 4, … 512 MiB. *Raise it when `sensor_events_lost_total{cause=\"ring_full\"}` grows.*";
    engine.modern_ebpf.drop_failed_exit: "Leave out failed execs (other failed calls are there if a rule wants the call). *Set to false if rules need them. In the hook modes `perf` and `raw` their hook costs every system call of the node.*";
    log_stderr: "Log to standard error.";
    log_syslog: "Log to the system log, `/dev/log`, where there is one.";
    log_level: "Least urgent log lines. `TARGET=LEVEL` sets another level for a module of the sensor or for a library, and for what is in it; libraries are otherwise heard from warnings on. Beside Falco's levels there are `off` and `trace`; the log has none above error: what is more urgent means errors, too.";
    sensor.node: "Name of the node, `{node}`. Default: `NODE_NAME`, else the host's name.";
    sensor.node_cgroup: "Cgroup of the node, from the kernel's root on, where the node is a container itself and shares the kernel with other nodes (kind, k3d, minikube): the sensor leaves out what happens outside of it. `/`: the whole machine. Default: the container around the sensor's own, if there is one.";
    sensor.hostname: "`hostname` in records. Default: `FALCO_HOSTNAME`, else `NODE_NAME`, else the host's name.";
    sensor.host_root: "Where the host's root directory is mounted. Default: `HOST_ROOT`, else `/`.";
    sensor.proc_root: "Where the host's `/proc` is mounted.";
    sensor.stop_deadline: "How long a stop may take. The sensor counts lines that it has not written by then as dropped.";
    sensor.instance: "Name of the lock that keeps a second sensor from starting on the node.";
    sensor.state_dir: "Local directory in which the sensor keeps a folder for each `sensor.instance`, with what the next run needs: the last good rules. The sensor makes it with mode 0700, and runs without it where that fails; an empty text: without it in any case. A reload does not change it.";
    sensor.takeover: "What a start does if another sensor of the same `sensor.instance` and `sensor.state_dir` runs. `off`: it fails. `on`: it takes over without a gap as soon as it is ready, and the other sensor ends. `at_stop`: it is ready, and takes over when the other sensor is told to stop, as in a rollout of Kubernetes (a container that ended by itself would start again). A reload does not change it.";
    sensor.strict_config: "Refuse a configuration with unknown keys, or with values for which Falco takes the default; otherwise the sensor warns of them. `--dry-run --strict` sets the key.";
    sensor.syslog.ident: "Name (ident) in front of each line of the system log, of alerts and of the sensor's own log.";
    sensor.log_format: "How the log's lines look: `text`, or `json`: an object a line, with `time`, `level`, `target` (the module), `message` and, where there are any, `fields`.";
    sensor.rules.base: "Load macros and lists before the first rules file: those that the rule files of the Falco project define (`spawned_process`, `container`, `shell_binaries`, …), with the same meaning. A definition in a rules file takes the place of the one here. `sensor --print-base-rules` prints them.";
    sensor.rules.profile: "Measure how often each rule's condition is evaluated and how long the evaluations take: in metrics, and in the summary at the end. *Costs two readings of the clock for each evaluation.*";
    sensor.rules.broken: "What a start does if a file of `rules_files` is broken. `keep`: it goes on with the last good rules of the state folder, or without the broken files and the rules that depend on them; the log, an internal record, metrics and `/readyz` name the broken files until a reload finds all files good. `stop`: the sensor does not start, as Falco. Broken rules of `-r` always stop the start; a reload with broken rules always keeps the old ones.";
    sensor.capture.argv_limit: "Most bytes of argv to capture, 1KiB to 256KiB. A reload cannot raise the limit above 32KiB; a restart can.";
    sensor.capture.env: "Environment variables that rules may see: all, none, or those named. Captured only if a rule looks at them. *They often hold secrets.*";
    sensor.capture.env_limit: "Most bytes of the environment that an output prints, up to 32KiB. Conditions and `proc.env[NAME]` see all of it; what is beyond this limit takes room in the ring buffer for a moment.";
    sensor.capture.tree.mode: "A process tree: `all` treats it like any other, `exclude` leaves it out, `only` leaves out all others.";
    sensor.capture.tree.root: "Process at the root of that tree. Default: the sensor.";
    sensor.capture.hooks: "How the sensor hooks the exits of system calls (hook mode). *`fexit` costs no other system call anything, and sees no call that seccomp refused; `raw` costs every system call more; `perf` sees no call of 32-bit processes.*";
    sensor.containerd.enabled: "Ask containerd about containers. `true`: the sensor is not ready without it.";
    sensor.containerd.sockets: "containerd's sockets; the sensor uses each one that answers. Empty: the known ones (containerd, microk8s, k3s, RKE2, k0s).";
    sensor.containerd.namespaces: "containerd's namespaces whose containers the sensor asks for. Empty: k8s.io, moby, default.";
    sensor.cri.enabled: "Ask any other runtime with CRI (CRI-O, cri-dockerd).";
    sensor.cri.sockets: "Sockets of CRI; where containerd answers, the sensor uses containerd's own API. Empty: the known ones.";
    sensor.docker.enabled: "Ask Docker about containers.";
    sensor.docker.sockets: "Docker's sockets. Empty: the known one.";
    sensor.podman.enabled: "Ask Podman about containers. Its socket exists only while its service runs (`podman.socket` of systemd).";
    sensor.podman.sockets: "Podman's sockets. Empty: those of root and of each user.";
    sensor.label_max_len: "Most bytes of a label's value; longer labels are left out. Falco: `label_max_len` of the container plugin.";
    sensor.kube.enabled: "Ask the API server about pods.";
    sensor.kube.kubeconfig: "File with the API server's address and credentials. Default: those of the service account.";
    sensor.kube.node: "Name of the node. Default: `sensor.node`.";
    sensor.kube.annotations: "Annotations of pods to keep.";
    sensor.kube.deletion_delay: "How long the sensor remembers a deleted pod, for late events.";
    sensor.dns.refresh: "How often to resolve the domain names with which rules compare `fd.sip.name` and its like, 1 s to 1 h.";
    sensor.hold.timeout: "Longest time that an event waits for its container to be known.";
    sensor.hold.max_events: "Most events that wait.";
    sensor.hold.max_bytes: "Most bytes that wait.";
    sensor.fairness.enabled: "Give each cgroup a budget of events, so that one container (or service of the host) cannot use up what all share. The sensor counts the events beyond the budget, and announces them by internal records.";
    sensor.fairness.rate: "Events a second that one container may have over a longer time, up to 1000000000; 0: without limit. A record above 4 KiB (a large argv) counts as one more event for each further KiB.";
    sensor.fairness.burst: "Events that one container may have at once, up to 1000000000; a sixteenth of that while more than three quarters of the ring buffer are full.";
    sensor.self_test.enabled: "Now and then let a process of the sensor's own execute itself; if that event does not come back, the sensor is not ready.";
    sensor.self_test.interval: "How often, at least 100ms.";
    sensor.self_test.timeout: "How long that event may take.";
    sensor.file_output.mode: "Permissions of a log file that is created.";
    sensor.file_output.owner: "Owner of a log file that is created. *A share with root_squash does not allow it.*";
    sensor.file_output.sync: "Longest time until the sensor asks the disk or the server to confirm lines. Until then the sensor keeps the lines, and writes them again if the file turns out to lack them. 0: the sensor does not ask.";
    sensor.file_output.rotate.size: "Size at which the sensor rotates the log file to `NAME.NNNNNN`; 0: never.";
    sensor.file_output.rotate.age: "Age at which the sensor rotates the log file; 0: never.";
    sensor.file_output.rotate.keep: "How many rotated files the sensor keeps; 0: all.";
    sensor.file_output.spool.memory: "Bytes that wait in memory while the file cannot be written.";
    sensor.file_output.spool.directory: "Local directory for lines beyond that. Default: none.";
    sensor.file_output.spool.size: "Bytes that may wait in that directory.";
    sensor.http_output.headers: "Further headers of the requests, as `NAME: value`. *They are secrets: no list or log shows their values.*";
    sensor.http_output.timeout: "How long one request may take.";
    sensor.http_output.retry_for: "How long the sensor tries to deliver a line before it drops the line.";
    sensor.http_output.retry_min: "First pause after a failure; it doubles with each further one.";
    sensor.http_output.retry_max: "Longest pause.";
}

/// Conditions that a type alone does not express: key, condition, the condition in words.
type Range = (&'static str, fn(&Config) -> bool, &'static str);

const RANGES: &[Range] = &[
    (
        "engine.modern_ebpf.buf_size_preset",
        |c| (1..=10).contains(&c.engine.modern_ebpf.buf_size_preset),
        "must be 1 (1 MiB) to 10 (512 MiB)",
    ),
    (
        "sensor.capture.argv_limit",
        |c| {
            (ARGV_LIMIT_MIN.into()..=ARGV_LIMIT_MAX.into()).contains(&c.sensor.capture.argv_limit.0)
        },
        "must be 1KiB to 256KiB",
    ),
    (
        "sensor.capture.env_limit",
        |c| c.sensor.capture.env_limit.0 <= ENV_LIMIT_MAX.into(),
        "must be at most 32KiB",
    ),
    (
        "sensor.fairness.rate",
        |c| c.sensor.fairness.rate <= Fairness::MOST,
        "must be at most 1000000000",
    ),
    (
        "sensor.fairness.burst",
        |c| c.sensor.fairness.burst <= Fairness::MOST,
        "must be at most 1000000000",
    ),
    (
        "sensor.capture.tree.root",
        |c| c.sensor.capture.tree.root != Some(0),
        "must be the number of a process",
    ),
    (
        "syscall_event_drops.threshold",
        |c| (0.0..=1.0).contains(&c.syscall_event_drops.threshold),
        "must be 0 to 1",
    ),
    (
        "syscall_event_drops.rate",
        |c| c.syscall_event_drops.rate > 0.0,
        "must be more than 0",
    ),
    (
        "metrics.interval",
        |c| c.metrics.interval.0.as_millis() >= 100,
        "must be at least 100ms",
    ),
    (
        "webserver.k8s_healthz_endpoint",
        |c| c.webserver.k8s_healthz_endpoint.starts_with('/'),
        "must begin with /",
    ),
    (
        "sensor.file_output.spool.memory",
        |c| c.sensor.file_output.spool.memory.0 >= 64 << 10,
        "must be at least 64KiB",
    ),
    (
        "sensor.file_output.rotate.size",
        |c| matches!(c.sensor.file_output.rotate.size.0, 0 | 4096..),
        "must be 0 or at least 4KiB",
    ),
    (
        "sensor.http_output.timeout",
        |c| !c.sensor.http_output.timeout.0.is_zero(),
        "must not be 0",
    ),
    (
        "sensor.http_output.retry_min",
        |c| !c.sensor.http_output.retry_min.0.is_zero(),
        "must not be 0",
    ),
    (
        "sensor.self_test.interval",
        |c| c.sensor.self_test.interval.0.as_millis() >= 100,
        "must be at least 100ms",
    ),
    (
        "sensor.self_test.timeout",
        |c| !c.sensor.self_test.timeout.0.is_zero(),
        "must not be 0",
    ),
    (
        "sensor.dns.refresh",
        |c| (1..=3600).contains(&c.sensor.dns.refresh.0.as_secs()),
        "must be 1s to 1h",
    ),
    (
        "sensor.hold.timeout",
        |c| c.sensor.hold.timeout.0.as_secs() <= 60,
        "must be at most 1m",
    ),
    (
        "http_output.url",
        |c| {
            // The output takes quotes around the URL away, as Falco does, and adds what lacks.
            let url = c.http_output.url.trim_start_matches(['"', '\'']);
            let scheme = url
                .split_once("://")
                .map(|(scheme, _)| scheme.to_ascii_lowercase());
            scheme.is_none_or(|scheme| matches!(&*scheme, "http" | "https"))
        },
        "must begin with http:// or https://",
    ),
    (
        "sensor.host_root",
        |c| !c.sensor.host_root.as_os_str().is_empty(),
        "must be a path",
    ),
    (
        "sensor.proc_root",
        |c| !c.sensor.proc_root.as_os_str().is_empty(),
        "must be a path",
    ),
    (
        "sensor.syslog.ident",
        |c| {
            let ident = &c.sensor.syslog.ident;
            let is_word = |b: u8| b.is_ascii_graphic() && b != b':' && b != b'[';
            (1..=48).contains(&ident.len()) && ident.bytes().all(is_word)
        },
        "must be 1 to 48 printable ASCII characters without blank, ':' and '['",
    ),
    (
        "sensor.instance",
        |c| (1..64).contains(&c.sensor.instance.len()),
        "must be 1 to 63 characters",
    ),
];

/// The problem with the value of a key, if it has one.
pub(super) fn out_of_range(name: &str, config: &Config) -> Option<&'static str> {
    RANGES
        .iter()
        .find(|(key, holds, _)| *key == name && !holds(config))
        .map(|(.., message)| *message)
}
