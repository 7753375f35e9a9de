//! The catalog of metrics: the sensor exposes only metrics in here, and documents all of them.

/// The type of a metric.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MetricKind {
    /// A counter: its values only grow.
    Counter,
    /// A gauge: its values go up and down.
    Gauge,
    /// A histogram.
    Histogram,
}

impl MetricKind {
    /// The name of the type in the exposition format.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
        }
    }
}

/// A metric.
#[derive(Debug, PartialEq, Eq)]
pub struct Metric {
    /// Its name.
    pub name: &'static str,
    /// Its type.
    pub kind: MetricKind,
    /// Names of its labels.
    pub labels: &'static [&'static str],
    /// Its meaning, one sentence.
    pub help: &'static str,
}

macro_rules! catalog {
    ($($id:ident $kind:ident $name:literal [$($label:literal),*] $help:literal;)*) => {
        $(
            #[doc = $help]
            pub static $id: Metric = Metric {
                name: $name,
                kind: MetricKind::$kind,
                labels: &[$($label),*],
                help: $help,
            };
        )*

        /// All metrics.
        pub static ALL: &[&Metric] = &[$(&$id),*];
    };
}

catalog! {
    BUILD_INFO Gauge "sensor_build_info" ["version", "kernel", "arch"] "Always 1; the labels say what runs where.";
    START_TIME Gauge "sensor_start_time_seconds" [] "When the sensor started, seconds since the epoch.";
    READY Gauge "sensor_ready" [] "1 if all readiness conditions hold.";
    CONDITION Gauge "sensor_condition" ["condition"] "1 if the readiness condition holds.";
    EVENTS_SEEN Counter "sensor_events_seen_total" ["kind"] "Events that the kernel side ran for. Seen = filtered + matched + unmatched + lost (+ in flight). Runs that the kernel skipped (`sensor_recursion_misses_total`) are not among them.";
    EVENTS_FILTERED Counter "sensor_events_filtered_total" ["kind", "reason"] "Events that no rule wants: the kernel side drops them, and user space (`user_space`) the few that it sends all the same.";
    EVENTS_CAPTURED Counter "sensor_events_captured_total" ["kind"] "Events that entered the ring buffer.";
    EVENTS_MATCHED Counter "sensor_events_matched_total" ["kind"] "Events that a rule matched.";
    EVENTS_UNMATCHED Counter "sensor_events_unmatched_total" ["kind"] "Events for which rules were evaluated, and that none matched.";
    EVENTS_LOST Counter "sensor_events_lost_total" ["kind", "cause"] "Events that are lost.";
    EVENTS_INCOMPLETE Counter "sensor_events_incomplete_total" ["kind", "what"] "Events with a part cut or missing.";
    EVENTS_UNWATCHED Counter "sensor_events_unwatched_total" ["kind"] "Events that no rule wants, that observers (`sensor watch`) asked for, and that observers lack, since such events had used up their share of the ring buffer or their budget.";
    RECURSION_MISSES Counter "sensor_recursion_misses_total" ["program"] "Runs of an eBPF program for an event that the kernel skipped, since the CPU was running a program already; the sensor did not see these events. From Linux 5.12 on.";
    RING_SIZE Gauge "sensor_ring_buffer_size_bytes" [] "Size of the ring buffer.";
    RING_FILL Gauge "sensor_ring_buffer_fill_bytes" [] "Bytes in the ring buffer that the sensor has not read yet.";
    BPF_RUNS Counter "sensor_bpf_runs_total" ["program"] "Runs of a BPF program, where the kernel's statistics are on.";
    BPF_RUN_TIME Counter "sensor_bpf_run_seconds_total" ["program"] "Time that a BPF program ran, where the kernel's statistics are on.";
    HOLD_EVENTS Gauge "sensor_hold_events" [] "Events that wait for their container to be known.";
    HOLD_BYTES Gauge "sensor_hold_bytes" [] "Bytes of these events.";
    HOLD_RELEASED Counter "sensor_hold_released_total" ["outcome"] "Events that left the hold: their container became known, their time was up, or the hold was full.";
    ENRICHMENT Counter "sensor_enrichment_total" ["what"] "Counters of enrichment by name: of the tasks for containerd and the API server, the hold, the users' names, and the programs of processes.";
    CACHE_ENTRIES Gauge "sensor_cache_entries" ["cache"] "Entries of a cache.";
    CACHE_HITS Counter "sensor_cache_hits_total" ["cache"] "Look-ups that a cache answered.";
    CACHE_MISSES Counter "sensor_cache_misses_total" ["cache"] "Look-ups that a cache could not answer.";
    CACHE_EVICTIONS Counter "sensor_cache_evictions_total" ["cache"] "Entries that a cache dropped to make room, those used longest ago first.";
    ENRICHMENT_LATENCY Histogram "sensor_enrichment_latency_seconds" [] "From the first event of a container to its metadata; 0 if the metadata came first.";
    HOLD_MEDIAN Gauge "sensor_hold_median_seconds" [] "Median of the time that held events waited.";
    HOLD_MAX Gauge "sensor_hold_max_seconds" [] "Longest time that a held event waited.";
    EVENT_DELAY Histogram "sensor_event_delay_seconds" [] "From the event in the kernel to its line in the outputs' queues.";
    RULES Gauge "sensor_rules" ["state"] "Loaded rules: that can match in all cases for which they are written (`active`), in some (`partly`), never (`inactive`), or that are disabled (`off`).";
    RULE_NOT_ACTIVE Gauge "sensor_rule_not_active" ["rule", "state"] "1 for each loaded rule that is `partly` or `inactive`; `sensor -L` says why.";
    RULES_BROKEN Gauge "sensor_rules_broken" ["file"] "1 for each rules file that was broken at the start, until a reload finds all files good.";
    RULE_MATCHES Counter "sensor_rule_matches_total" ["rule"] "Matches of a rule.";
    RULE_EVALUATIONS Counter "sensor_rule_evaluations_total" ["rule"] "Evaluations of a rule's condition, where `sensor.rules.profile` is on.";
    RULE_TIME Counter "sensor_rule_seconds_total" ["rule"] "Time that the evaluations of a rule's condition took, where `sensor.rules.profile` is on. What rules share counts for the rule that needs the value first.";
    THROTTLINGS Counter "sensor_throttlings_total" [] "Times that a container used up its budget; `sensor_events_lost_total` counts the events beyond the budget.";
    OUTPUT_OFFERED Counter "sensor_output_lines_offered_total" ["output"] "Lines handed to an output. Offered = written + spooled + dropped.";
    OUTPUT_WRITTEN Counter "sensor_output_lines_written_total" ["output"] "Lines that left through an output.";
    OUTPUT_SPOOLED Gauge "sensor_output_lines_spooled" ["output"] "Lines that wait before an output, in memory or in the spool directory.";
    OUTPUT_DROPPED Counter "sensor_output_lines_dropped_total" ["output", "cause"] "Lines that an output dropped.";
    OUTPUT_SPOOL_BYTES Gauge "sensor_output_spool_bytes" ["output", "place"] "Bytes that wait before an output.";
    OUTPUT_BYTES Counter "sensor_output_bytes_total" ["output"] "Bytes that left through an output.";
    OUTPUT_ERRORS Counter "sensor_output_errors_total" ["output"] "Failed attempts of an output.";
    OUTPUT_TIMEOUTS Counter "sensor_output_timeouts_total" ["output"] "Times that lines waited before an output and none was written for longer than `output_timeout`.";
    OUTPUT_ROTATIONS Counter "sensor_output_rotations_total" ["output"] "Files that the output rotated.";
    OUTPUT_REOPENS Counter "sensor_output_reopens_total" ["output"] "Files that the output opened again.";
    OUTPUT_HEALTHY Gauge "sensor_output_healthy" ["output"] "1 if an output's last attempt succeeded.";
    SELF_TESTS Counter "sensor_self_tests_total" ["outcome"] "Self-tests, by whether the sensor's own exec came back in time.";
    SNAPSHOTS_LOST Counter "sensor_snapshots_lost_total" [] "Snapshots of the metrics that could not be appended to `metrics.output_file`.";
    OBSERVERS Gauge "sensor_observers" [] "Programs that watch the events of this sensor (`sensor watch`).";
    OBSERVERS_LOST Counter "sensor_observers_lost_events_total" [] "Events that are lost for an observer, since it did not read in time; lines lack nothing.";
    TAMPERING Counter "sensor_tampering_total" ["what"] "Changes that others made to settings and classes in the kernel, which the sensor found and undid.";
    RELOADS Counter "sensor_reloads_total" ["outcome"] "Reloads of configuration and rules.";
    LOG_LINES Counter "sensor_log_lines_total" ["priority"] "Lines logged.";
    PANICS Counter "sensor_panics_total" [] "Panics. The process ends after one.";
    MEMORY_RSS Gauge "sensor_memory_rss_bytes" [] "Memory in use, the mapped ring buffer included.";
    MEMORY_ANONYMOUS Gauge "sensor_memory_anonymous_bytes" [] "Anonymous memory in use: neither files nor shared memory.";
    CPU Counter "sensor_cpu_seconds_total" ["mode"] "CPU time used.";
    FALCO_VERSION Gauge "falcosecurity_falco_version_info" ["version"] "1; as in Falco.";
    FALCO_KERNEL Gauge "falcosecurity_falco_kernel_release_info" ["kernel_release"] "1; as in Falco.";
    FALCO_HOSTNAME Gauge "falcosecurity_evt_hostname_info" ["hostname"] "1; as in Falco.";
    FALCO_ENGINE Gauge "falcosecurity_scap_engine_name_info" ["engine_name", "evt_source"] "1; as in Falco.";
    FALCO_DURATION Counter "falcosecurity_falco_duration_seconds_total" [] "Seconds since the start; as in Falco.";
    FALCO_RSS Gauge "falcosecurity_falco_memory_rss_bytes" [] "Memory in use; as in Falco.";
    FALCO_CPU Gauge "falcosecurity_falco_cpu_usage_ratio" [] "CPU time used since the start, in parts of one CPU; as in Falco.";
    FALCO_HOST_CPUS Gauge "falcosecurity_falco_host_num_cpus_total" [] "CPUs of the host; as in Falco.";
    FALCO_RULES Counter "falcosecurity_falco_rules_matches_total" ["priority", "rule_name", "source", "tag_*"] "Matches of a rule; as in Falco.";
    FALCO_QUEUE_DROPS Counter "falcosecurity_falco_outputs_queue_num_drops_total" [] "Lines that all outputs dropped; as in Falco.";
    FALCO_EVENTS Counter "falcosecurity_scap_n_evts_total" [] "Events seen; as in Falco.";
    FALCO_DROPS Counter "falcosecurity_scap_n_drops_total" [] "Events lost; as in Falco.";
    FALCO_DROPS_BUFFER Counter "falcosecurity_scap_n_drops_buffer_total" ["dir", "drop"] "Events lost because the ring buffer was full; as in Falco.";
}

/// The text of the page `deploy/metrics.md`.
#[must_use]
pub fn markdown() -> String {
    use std::fmt::Write;

    let mut out = String::from(
        "<!-- Generated from the table of metrics (crates/telemetry/src/catalog.rs); a test holds it true. -->\n\
         # Metrics\n\n`GET /metrics` on the port of `webserver.listen_port`, in Prometheus's text form.\n\n\
         | Metric | Kind | Labels | Meaning |\n|---|---|---|---|\n",
    );
    for metric in ALL {
        let labels: Vec<String> = metric.labels.iter().map(|l| format!("`{l}`")).collect();
        // Writing to a string cannot fail.
        let _ = writeln!(
            out,
            "| `{}` | {} | {} | {} |",
            metric.name,
            metric.kind.name(),
            labels.join(" "),
            metric.help
        );
    }
    out
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn names_are_unique_and_counters_end_in_total() {
        let mut names = BTreeSet::new();
        for metric in ALL {
            assert!(names.insert(metric.name), "{}", metric.name);
            let total = metric.name.ends_with("_total");
            // The names are Falco's, also where they break the rules for names.
            if metric.name.starts_with("sensor_") {
                assert_eq!(metric.kind == MetricKind::Counter, total, "{}", metric.name);
            }
        }
    }

    #[test]
    fn the_page_of_metrics_is_true() {
        let page = concat!(env!("CARGO_MANIFEST_DIR"), "/../../deploy/metrics.md");
        if std::env::var_os("UPDATE").is_some() {
            std::fs::write(page, markdown()).unwrap();
        }
        let there = std::fs::read_to_string(page).unwrap_or_default();
        assert!(
            there == markdown(),
            "run UPDATE=1 cargo test -p telemetry the_page_of"
        );
    }
}
