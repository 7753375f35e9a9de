//! Metrics as an internal record, and the summary at the end.

use std::{collections::BTreeMap, fmt::Write};

use config::Metrics;
use falco_rules::Priority;
use outputs::internal::{Record, nanoseconds};
use serde_json::{Value, json};
use telemetry::{Cache, KindTotals, Resources, SourceTotals, Telemetry};

use super::OutputReport;

/// Makes an internal record of the metrics, at intervals.
#[derive(Debug, Default)]
pub struct Snapshots {
    last: Vec<SourceTotals>,
    seconds: f64,
    number: u64,
}

#[expect(clippy::cast_precision_loss, reason = "rates need no more")]
fn float(n: u64) -> f64 {
    n as f64
}

impl Snapshots {
    /// Makes the record `Falco internal: metrics snapshot`, with the parts that the configuration
    /// includes.
    pub fn record(
        &mut self,
        telemetry: &Telemetry,
        outputs: &OutputReport,
        config: &Metrics,
    ) -> Record {
        let totals = telemetry.totals();
        let seconds = telemetry.uptime();
        let id = &telemetry.identity;
        let seen = Telemetry::sum(&totals, KindTotals::seen);
        let lost = Telemetry::sum(&totals, KindTotals::lost);
        let span = (seconds - self.seconds).max(0.001);
        let rate = |of: fn(&KindTotals) -> u64| {
            let before = Telemetry::sum(&self.last, of);
            float(Telemetry::sum(&totals, of).saturating_sub(before)) / span
        };
        let mut record = Record::new(
            "Falco internal: metrics snapshot",
            Priority::Informational,
            "Falco metrics snapshot",
        );
        let mut fields: BTreeMap<&str, Value> = [
            ("evt.hostname", id.hostname.clone().into()),
            ("evt.source", "syscall".into()),
            ("evt.time", nanoseconds(record.time).into()),
            ("falco.duration_sec", seconds.floor().into()),
            ("falco.evts_rate_sec", rate(KindTotals::seen).into()),
            ("falco.host_num_cpus", cpus().into()),
            ("falco.kernel_release", id.kernel.clone().into()),
            ("falco.num_evts", seen.into()),
            ("falco.outputs_queue_num_drops", outputs.dropped().into()),
            ("falco.start_ts", nanoseconds(id.started).into()),
            ("falco.version", id.version().into()),
            ("scap.engine_name", "modern_bpf".into()),
            ("sensor.snapshot", self.number.into()),
        ]
        .into();
        if config.kernel_event_counters_enabled || config.kernel_event_counters_per_cpu_enabled {
            let share = 100.0 * float(lost) / float(seen.max(1));
            fields.insert("scap.evts_drop_rate_sec", rate(KindTotals::lost).into());
            fields.insert("scap.evts_rate_sec", rate(KindTotals::seen).into());
            fields.insert("scap.n_drops", lost.into());
            fields.insert("scap.n_drops_perc", share.into());
            fields.insert("scap.n_evts", seen.into());
        }
        if config.resource_utilization_enabled {
            let resources = Resources::now();
            let cpu = 100.0 * (resources.user + resources.system) / seconds.max(0.001);
            fields.insert("falco.cpu_usage_perc", cpu.into());
            let (name, memory) = if config.convert_memory_to_mb {
                ("falco.memory_rss_mb", float(resources.rss) / 1_048_576.0)
            } else {
                ("falco.memory_rss_bytes", float(resources.rss))
            };
            fields.insert(name, memory.into());
        }
        let tables = telemetry.rules.tables();
        let rules = || tables.iter().flat_map(|table| table.iter());
        if config.rules_counters_enabled {
            let matches: u64 = rules().map(|(_, n)| n).sum();
            fields.insert("falco.rules.matches_total", matches.into());
            // Rules of two sources may have one name.
            let mut by_name = BTreeMap::<String, u64>::new();
            for (rule, matches) in rules() {
                let name = rule.name.replace([' ', '.'], "_");
                *by_name.entry(name).or_default() += matches;
            }
            for (name, matches) in by_name {
                record = record.field(&format!("falco.rules.{name}"), matches);
            }
        }
        if config.state_counters_enabled {
            for cache in Cache::ALL {
                let name = format!("sensor.cache.{}", cache.name());
                record = record.field(&name, telemetry.caches.entries(cache));
            }
        }
        for (name, value) in fields {
            record = record.field(name, value);
        }
        telemetry.described(config, &mut record.fields);
        if !config.include_empty_values {
            record.fields.retain(|_, value| value.as_f64() != Some(0.0));
        }
        (self.last, self.seconds) = (totals, seconds);
        self.number += 1;
        record
    }

    /// The last record as a line of `metrics.output_file`, in Falco's form.
    #[must_use]
    pub fn sample(&self, record: &Record) -> Vec<u8> {
        let line = json!({"output_fields": record.fields, "sample": self.number});
        format!("{line}\n").into_bytes()
    }
}

fn cpus() -> u64 {
    std::thread::available_parallelism().map_or(1, |n| n.get() as u64)
}

/// Falco's names of priorities in its summary.
fn severity(priority: Priority) -> String {
    match priority {
        Priority::Informational => "INFO".into(),
        other => other.as_str().to_ascii_uppercase(),
    }
}

/// The summary of alerts that Falco prints at its end.
#[must_use]
pub fn summary(telemetry: &Telemetry) -> String {
    let tables = telemetry.rules.tables();
    let rules = tables.iter().flat_map(|table| table.iter());
    let hit: Vec<_> = rules.filter(|(_, n)| *n > 0).collect();
    let total: u64 = hit.iter().map(|(_, n)| n).sum();
    let mut out = format!("Events detected: {total}\nRule counts by severity:\n");
    for priority in Priority::ALL {
        let of = hit.iter().filter(|(rule, _)| rule.priority == priority);
        let count: u64 = of.map(|(_, n)| n).sum();
        if count > 0 {
            // Writing to a string cannot fail.
            let _ = writeln!(out, "   {}: {count}", severity(priority));
        }
    }
    out += "Triggered rules by rule name:\n";
    for (rule, count) in hit {
        let _ = writeln!(out, "   {}: {count}", rule.name);
    }
    out
}

/// What each rule's condition has cost, the most expensive first; nothing unless the configuration
/// asks for it.
#[must_use]
pub fn rule_costs(telemetry: &Telemetry) -> String {
    let tables = telemetry.rules.tables();
    let costs = tables.iter().flat_map(|table| table.costs());
    let mut costs: Vec<_> = costs.filter(|(_, cost)| cost.evaluations > 0).collect();
    costs.sort_by_key(|(_, cost)| std::cmp::Reverse(cost.time));
    let mut out = String::new();
    for (rule, cost) in costs {
        let each = cost.time.as_nanos() / u128::from(cost.evaluations);
        // Writing to a string cannot fail.
        let _ = writeln!(
            out,
            "rule {:?}: evaluations={} seconds={:.6} mean_ns={each}",
            rule.name,
            cost.evaluations,
            cost.time.as_secs_f64()
        );
    }
    out
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use config::Config;
    use telemetry::{Identity, Lookups, RuleLabel};

    use super::*;

    fn telemetry() -> Telemetry {
        let telemetry = Telemetry::new(Arc::new(Identity::new(&Config::default())));
        let rule = |name: &str, priority| RuleLabel {
            name: name.into(),
            state: "active",
            source: "syscall".into(),
            priority,
            tags: Vec::new(),
        };
        let table = telemetry.rules.load(
            "syscall",
            vec![
                rule("A b", Priority::Informational),
                rule("C", Priority::Notice),
                rule("D", Priority::Debug),
            ],
        );
        table.matched(0);
        table.matched(1);
        table.matched(1);
        telemetry
    }

    /// The first record.
    fn record(telemetry: &Telemetry, config: &Metrics) -> Record {
        Snapshots::default().record(telemetry, &OutputReport::default(), config)
    }

    #[test]
    fn a_snapshot_has_falcos_fields() {
        let record = record(&telemetry(), &Metrics::default());
        assert_eq!(record.message, "Falco metrics snapshot");
        assert_eq!(record.fields["falco.rules.matches_total"], 3);
        assert_eq!(record.fields["falco.rules.A_b"], 1);
        assert_eq!(record.fields["evt.source"], "syscall");
        assert!(record.fields["falco.memory_rss_mb"].as_f64() > Some(1.0));
        assert!(
            !record.fields.contains_key("scap.n_drops"),
            "empty values are left out"
        );
    }

    #[test]
    fn the_matches_of_rules_with_one_name_are_added() {
        let telemetry = telemetry();
        let rule = RuleLabel {
            name: "C".into(),
            state: "active",
            source: "another".into(),
            priority: Priority::Debug,
            tags: Vec::new(),
        };
        telemetry.rules.load("another", vec![rule]).matched(0);
        let record = record(&telemetry, &Metrics::default());
        assert_eq!(record.fields["falco.rules.C"], 3);
    }

    #[test]
    fn a_line_of_the_file_has_falcos_form() {
        let mut snapshots = Snapshots::default();
        let telemetry = telemetry();
        for number in 1..3 {
            let record =
                snapshots.record(&telemetry, &OutputReport::default(), &Metrics::default());
            let line = String::from_utf8(snapshots.sample(&record)).unwrap();
            assert!(
                line.starts_with(r#"{"output_fields":{"evt.hostname":"#),
                "{line}"
            );
            let line: Value = serde_json::from_str(line.strip_suffix('\n').unwrap()).unwrap();
            assert_eq!(line["sample"], number);
            assert_eq!(line["output_fields"]["falco.rules.matches_total"], 3);
        }
    }

    #[test]
    fn each_switch_of_the_configuration_includes_its_fields() {
        let telemetry = telemetry();
        telemetry
            .caches
            .report(Cache::Containers, 7, Lookups::default());
        telemetry.describe(Box::new(|config, fields| {
            if config.libbpf_stats_enabled {
                fields.insert("scap.exec.run_cnt".into(), 5.into());
            }
        }));
        let of = |change: fn(&mut Metrics)| {
            let mut config = Metrics {
                include_empty_values: true,
                ..Metrics::default()
            };
            change(&mut config);
            record(&telemetry, &config).fields
        };
        let all = of(|_| {});
        assert_eq!(all["sensor.cache.containers"], 7);
        assert_eq!(all["scap.exec.run_cnt"], 5);
        let lacks = |name: &str, change| !of(change).contains_key(name);
        assert!(lacks("sensor.cache.containers", |c| {
            c.state_counters_enabled = false;
        }));
        assert!(lacks("scap.exec.run_cnt", |c| c.libbpf_stats_enabled = false));
        assert!(lacks("scap.n_evts", |c| {
            c.kernel_event_counters_enabled = false;
        }));
        assert!(!lacks("scap.n_evts", |c| {
            c.kernel_event_counters_enabled = false;
            c.kernel_event_counters_per_cpu_enabled = true;
        }));
    }

    #[test]
    fn the_summary_is_falcos() {
        assert_eq!(
            summary(&telemetry()),
            "Events detected: 3\nRule counts by severity:\n   NOTICE: 2\n   INFO: 1\n\
             Triggered rules by rule name:\n   A b: 1\n   C: 2\n"
        );
    }
}
