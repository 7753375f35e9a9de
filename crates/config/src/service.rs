//! Health, metrics and what is said about losses: keys of falco.yaml.

use std::{
    net::{IpAddr, Ipv4Addr},
    path::PathBuf,
};

use super::Span;

/// `webserver.*`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Webserver {
    /// Serve health and metrics.
    pub enabled: bool,
    /// Port; 0 is any free one.
    pub listen_port: u16,
    /// Address.
    pub listen_address: IpAddr,
    /// Path of the health check.
    pub k8s_healthz_endpoint: String,
    /// Serve `/metrics`.
    pub prometheus_metrics_enabled: bool,
    /// Serve HTTPS.
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

/// What is done when events are lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DropAction {
    /// Nothing.
    Ignore,
    /// A log line.
    Log,
    /// A record in the stream.
    Alert,
    /// The sensor stops.
    Exit,
}

/// `syscall_event_drops.*`
#[derive(Clone, Debug, PartialEq)]
pub struct SyscallEventDrops {
    /// Share of lost events from which something is done (0 to 1).
    pub threshold: f64,
    /// What is done.
    pub actions: Vec<DropAction>,
    /// How often a second, over a longer time.
    pub rate: f64,
    /// How often at once.
    pub max_burst: u64,
    /// Pretend that events are lost, for tests.
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
    /// Write metrics to the stream or to a file, regularly.
    pub enabled: bool,
    /// How often.
    pub interval: Span,
    /// As a record in the stream.
    pub output_rule: bool,
    /// As a line appended to this file.
    pub output_file: Option<PathBuf>,
    /// Number of matches of each rule.
    pub rules_counters_enabled: bool,
    /// CPU and memory.
    pub resource_utilization_enabled: bool,
    /// Counters of the state kept about processes and containers.
    pub state_counters_enabled: bool,
    /// Counters of the kernel side.
    pub kernel_event_counters_enabled: bool,
    /// Counters of the kernel side by CPU.
    pub kernel_event_counters_per_cpu_enabled: bool,
    /// Run times of the BPF programs, where the kernel measures them anyway.
    pub libbpf_stats_enabled: bool,
    /// Leave out what is zero.
    pub include_empty_values: bool,
    /// Memory in MiB instead of bytes.
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
