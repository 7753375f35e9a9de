//! Keys of falco.yaml about the web server, metrics and losses.

use std::{
    net::{IpAddr, Ipv4Addr},
    path::PathBuf,
};

use super::Span;

/// `webserver.*`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Webserver {
    /// Whether to serve health and metrics.
    pub enabled: bool,
    /// TCP port; 0: any free port.
    pub listen_port: u16,
    /// IP address to listen on.
    pub listen_address: IpAddr,
    /// Path of the health check.
    pub k8s_healthz_endpoint: String,
    /// Whether to serve `/metrics`.
    pub prometheus_metrics_enabled: bool,
    /// Whether to serve HTTPS.
    pub ssl_enabled: bool,
    /// PEM file with the certificate and its key.
    pub ssl_certificate: PathBuf,
}

impl Default for Webserver {
    fn default() -> Self {
        Self {
            enabled: true,
            listen_port: 8765,
            listen_address: IpAddr::V4(Ipv4Addr::UNSPECIFIED),
            k8s_healthz_endpoint: "/healthz".into(),
            prometheus_metrics_enabled: true,
            ssl_enabled: false,
            ssl_certificate: "/etc/falco/falco.pem".into(),
        }
    }
}

/// What the sensor does when events are lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DropAction {
    /// Nothing.
    Ignore,
    /// Writes a log line.
    Log,
    /// Writes a record into the stream.
    Alert,
    /// The sensor stops.
    Exit,
}

/// `syscall_event_drops.*`
#[derive(Clone, Debug, PartialEq)]
pub struct SyscallEventDrops {
    /// Share of lost events (0 to 1) from which on the sensor acts.
    pub threshold: f64,
    /// The actions.
    pub actions: Vec<DropAction>,
    /// Most actions a second over a longer time.
    pub rate: f64,
    /// Most actions at once.
    pub max_burst: u64,
    /// Whether to pretend that events are lost, for tests.
    pub simulate_drops: bool,
}

impl Default for SyscallEventDrops {
    fn default() -> Self {
        Self {
            threshold: 0.1,
            actions: vec![DropAction::Log, DropAction::Alert],
            rate: 0.03333,
            max_burst: 1,
            simulate_drops: false,
        }
    }
}

/// `metrics.*`
#[expect(clippy::struct_excessive_bools, reason = "each is a key of falco.yaml")]
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Metrics {
    /// Whether to write metrics regularly to the stream or to a file.
    pub enabled: bool,
    /// Interval between two snapshots.
    pub interval: Span,
    /// Whether to write a snapshot as a record in the stream.
    pub output_rule: bool,
    /// File to which each snapshot is appended as a line.
    pub output_file: Option<PathBuf>,
    /// Whether to include the number of matches of each rule.
    pub rules_counters_enabled: bool,
    /// Whether to include CPU time and memory.
    pub resource_utilization_enabled: bool,
    /// Whether to include counters of caches of processes and containers.
    pub state_counters_enabled: bool,
    /// Whether to include counters of the kernel side.
    pub kernel_event_counters_enabled: bool,
    /// Whether to include counters of the kernel side for each CPU.
    pub kernel_event_counters_per_cpu_enabled: bool,
    /// Whether to include run times of eBPF programs, where the kernel measures them anyway.
    pub libbpf_stats_enabled: bool,
    /// Whether to leave out metrics that are zero.
    pub include_empty_values: bool,
    /// Whether to print memory in MiB instead of bytes.
    pub convert_memory_to_mb: bool,
}

impl Default for Metrics {
    fn default() -> Self {
        Self {
            enabled: false,
            interval: Span::from_secs(3600),
            output_rule: true,
            output_file: None,
            rules_counters_enabled: true,
            resource_utilization_enabled: true,
            state_counters_enabled: true,
            kernel_event_counters_enabled: true,
            kernel_event_counters_per_cpu_enabled: false,
            libbpf_stats_enabled: true,
            include_empty_values: false,
            convert_memory_to_mb: true,
        }
    }
}
