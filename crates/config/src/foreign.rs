//! Keys of falco.yaml that have no effect here.

use yaml::{Kind, Node};

/// A key of falco.yaml that has no effect here; its row includes all keys below it.
#[derive(Debug)]
pub struct Foreign {
    /// Its name, with dots.
    pub name: &'static str,
    /// Why it has no effect.
    pub reason: &'static str,
    /// Whether something is lost with a value; none: it never is.
    loses: Option<fn(&Node) -> bool>,
}

impl Foreign {
    /// Whether something is lost with a value of the key, or of a key below it.
    pub(super) fn is_lost(&self, name: &str, node: &Node) -> bool {
        let is_whole = name == self.name;
        self.loses
            .is_some_and(|loses| if is_whole { loses(node) } else { !is_off(node) })
    }
}

type Loses = Option<fn(&Node) -> bool>;

/// Something is lost unless the value says *no*.
const ON: Loses = Some(|node| !is_off(node));
/// Something is lost if the section is enabled.
const ENABLED: Loses = Some(|node| node.get("enabled").is_some_and(|node| !is_off(node)));
/// Nothing is lost.
const NEVER: Loses = None;

/// Whether a value, with all in it, is nothing, false or 0.
fn is_off(node: &Node) -> bool {
    match &node.kind {
        Kind::Scalar(text, _) => {
            text.is_empty()
                || node.is_null()
                || node.as_bool() == Some(false)
                || node.as_f64() == Some(0.0)
        }
        Kind::Sequence(items) => items.iter().all(is_off),
        Kind::Mapping(entries) => entries.iter().all(|(_, value)| is_off(value)),
    }
}

/// Whether a list of plugins, or of their names, has others than the one that is built in.
fn other_plugins(node: &Node) -> bool {
    let name = |item: &Node| item.get("name").unwrap_or(item).as_str() == Some("container");
    !node.as_sequence().unwrap_or_default().iter().all(name)
}

/// Keys of falco.yaml that have no effect here, with the reason. The sensor warns of such a
/// key if the key's value asks for something that the sensor does not do.
pub const NOT_APPLICABLE: &[Foreign] = &[
    row(
        "base_syscalls",
        "the kernel side is chosen from the loaded rules",
        NEVER,
    ),
    row(
        "buffer_format_base64",
        "buffers of reads and writes are not captured",
        ON,
    ),
    row("collectors", "see sensor.containerd and sensor.kube", ON),
    row("container_engines", "see sensor.containerd", NEVER),
    row("engine.ebpf", "there is one engine, modern_ebpf", NEVER),
    row("engine.gvisor", "there is one engine, modern_ebpf", NEVER),
    row("engine.kmod", "there is one engine, modern_ebpf", NEVER),
    row(
        "engine.modern_ebpf.cpus_for_each_buffer",
        "there is one ring buffer for all CPUs, in the kernel's order",
        NEVER,
    ),
    row(
        "engine.modern_ebpf.disable_iterators",
        "there are none; processes from before the start are read from /proc",
        NEVER,
    ),
    row("engine.nodriver", "there is one engine, modern_ebpf", NEVER),
    row(
        "falco_libs",
        "caches are sized by themselves, within bounds",
        NEVER,
    ),
    row("grpc", "Falco has removed it", ENABLED),
    row("grpc_output", "Falco has removed it", ENABLED),
    row(
        "http_output.max_consecutive_timeouts",
        "see sensor.http_output.retry_for",
        NEVER,
    ),
    row(
        "json_include_output_fields_property_null",
        "values that are not available are always null",
        NEVER,
    ),
    row(
        "libs_logger",
        "there are no such libraries here; see log_level",
        NEVER,
    ),
    row(
        "load_plugins",
        "plugins are not supported; what the container plugin does is built in",
        Some(other_plugins),
    ),
    row(
        "metadata_download",
        "Falco has removed it; see sensor.kube",
        NEVER,
    ),
    row(
        "metrics.jemalloc_stats_enabled",
        "memory does not come from jemalloc",
        ON,
    ),
    row(
        "metrics.kernel_iter_event_counters_enabled",
        "there are no iterators in the kernel",
        NEVER,
    ),
    row(
        "metrics.plugins_metrics_enabled",
        "plugins are not supported; what the container plugin does is built in",
        NEVER,
    ),
    row(
        "modern_bpf",
        "there is one ring buffer for all CPUs, in the kernel's order",
        NEVER,
    ),
    row(
        "outputs",
        "Falco has removed it; see sensor.fairness",
        NEVER,
    ),
    row(
        "outputs_queue.recovery",
        "a full queue drops lines and counts them",
        NEVER,
    ),
    row(
        "plugins",
        "plugins are not supported; what the container plugin does is built in",
        Some(other_plugins),
    ),
    row(
        "plugins_hostinfo",
        "plugins are not supported; what the container plugin does is built in",
        NEVER,
    ),
    row(
        "rule_files",
        "Falco does not read it either; see rules_files",
        ON,
    ),
    row("scap_files", "Falco has removed it; see engine.replay", ON),
    row("static_fields", "add fields by append_output", ON),
    row(
        "syscall_event_timeouts",
        "an idle node is not an error",
        NEVER,
    ),
    row(
        "webserver.k8s_audit_endpoint",
        "Falco has removed it; see deploy/kubernetes/audit",
        ON,
    ),
    row(
        "webserver.threadiness",
        "the web server uses the runtime's threads",
        NEVER,
    ),
];

const fn row(name: &'static str, reason: &'static str, loses: Loses) -> Foreign {
    Foreign {
        name,
        reason,
        loses,
    }
}
