//! The telemetry of the sensor: all counters, in one place.

use std::{
    collections::BTreeMap,
    fmt,
    sync::{
        Arc, PoisonError, RwLock,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::{Instant, UNIX_EPOCH},
};

use config::Metrics;
use serde_json::Value;

use super::{
    Caches, Exposition, Health, Histogram, Identity, KindTotals, Ledger, Meaning, Resources, Rules,
    SourceTotals, catalog as c,
};

/// Adds the samples of one part of the sensor.
pub type Collector = Box<dyn Fn(&mut Exposition) + Send + Sync>;
/// Checks a readiness condition, and reports the result.
pub type Probe = Box<dyn Fn(&Health) + Send + Sync>;
/// Adds fields to a snapshot, as far as the configuration includes them.
pub type Describer = Box<dyn Fn(&Metrics, &mut BTreeMap<String, Value>) + Send + Sync>;
/// How often the guard found a change that another process had made.
#[derive(Debug, Default)]
pub struct Tampering {
    /// The settings of the kernel side.
    pub settings: AtomicU64,
    /// The class of a cgroup.
    pub cgroups: AtomicU64,
}

/// Programs that watch the events of this sensor.
#[derive(Debug, Default)]
pub struct Observers {
    /// How many there are now.
    pub attached: AtomicU64,
    /// Events that are lost for observers, since these did not read in time.
    pub lost: AtomicU64,
}

/// All counters of the sensor. All parts share this value; the event path writes only [`Ledger`]
/// and [`super::RuleTable`].
pub struct Telemetry {
    /// Matches of each rule.
    pub rules: Rules,
    /// Readiness.
    pub health: Health,
    /// Times from the event in the kernel to the outputs' queues.
    pub delay: Histogram,
    /// Times that held events waited.
    pub enrichment: Histogram,
    /// Figures of the caches.
    pub caches: Caches,
    /// Reloads that succeeded.
    pub reloads: AtomicU64,
    /// Reloads that failed.
    pub failed_reloads: AtomicU64,
    /// Throttlings: how often a container used up its budget.
    pub throttlings: AtomicU64,
    /// Panics.
    pub panics: AtomicU64,
    /// Snapshots that could not be written to `metrics.output_file`.
    pub snapshots_lost: AtomicU64,
    /// Changes that other processes made to the sensor's maps.
    pub tampering: Tampering,
    /// Programs that watch.
    pub observers: Observers,
    /// The identity of the sensor.
    pub identity: Arc<Identity>,
    /// When the sensor started.
    pub since: Instant,
    ledgers: RwLock<Vec<Arc<Ledger>>>,
    collectors: RwLock<Vec<Collector>>,
    describers: RwLock<Vec<Describer>>,
    probes: RwLock<Vec<Probe>>,
}

impl fmt::Debug for Telemetry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Telemetry").finish_non_exhaustive()
    }
}

impl Telemetry {
    /// Telemetry in which all counters are zero.
    #[must_use]
    pub fn new(identity: Arc<Identity>) -> Self {
        Self {
            rules: Rules::default(),
            health: Health::default(),
            delay: Histogram::default(),
            enrichment: Histogram::default(),
            caches: Caches::default(),
            reloads: AtomicU64::new(0),
            failed_reloads: AtomicU64::new(0),
            throttlings: AtomicU64::new(0),
            panics: AtomicU64::new(0),
            snapshots_lost: AtomicU64::new(0),
            tampering: Tampering::default(),
            observers: Observers::default(),
            identity,
            since: Instant::now(),
            ledgers: RwLock::default(),
            collectors: RwLock::default(),
            describers: RwLock::default(),
            probes: RwLock::default(),
        }
    }

    /// Adds the ledger of a source.
    pub fn add_source(&self, ledger: Arc<Ledger>) {
        self.ledgers
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .push(ledger);
    }

    /// Adds the samples of another part, with metrics of the catalog.
    pub fn collect(&self, collector: Collector) {
        self.collectors
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .push(collector);
    }

    /// Adds the fields of another part to snapshots.
    pub fn describe(&self, describer: Describer) {
        self.describers
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .push(describer);
    }

    /// Adds a check of a readiness condition.
    pub fn add_probe(&self, probe: Probe) {
        self.probes
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .push(probe);
    }

    /// Runs the checks of readiness conditions: about once a second, and before each answer about
    /// readiness.
    pub fn probe(&self) {
        let probes = self.probes.read().unwrap_or_else(PoisonError::into_inner);
        probes.iter().for_each(|probe| probe(&self.health));
    }

    /// Adds the fields of the other parts to a snapshot.
    pub fn described(&self, config: &Metrics, fields: &mut BTreeMap<String, Value>) {
        let describers = self
            .describers
            .read()
            .unwrap_or_else(PoisonError::into_inner);
        describers.iter().for_each(|add| add(config, fields));
    }

    /// The counts of each source's events at this moment.
    #[must_use]
    pub fn totals(&self) -> Vec<SourceTotals> {
        let ledgers = self.ledgers.read().unwrap_or_else(PoisonError::into_inner);
        ledgers.iter().map(|ledger| ledger.totals()).collect()
    }

    /// The sum of a count over all kinds of all sources.
    #[must_use]
    pub fn sum(totals: &[SourceTotals], of: impl Fn(&KindTotals) -> u64) -> u64 {
        totals.iter().map(|source| source.sum(&of)).sum()
    }

    /// All metrics, in Prometheus's text format.
    #[must_use]
    pub fn render(&self) -> String {
        let mut out = Exposition::default();
        self.process(&mut out);
        self.event_counts(&mut out);
        self.rule_counts(&mut out);
        self.caches.expose(&mut out);
        let collectors = self
            .collectors
            .read()
            .unwrap_or_else(PoisonError::into_inner);
        collectors.iter().for_each(|collect| collect(&mut out));
        out.render()
    }

    fn process(&self, out: &mut Exposition) {
        let id = &self.identity;
        let started = id.started.duration_since(UNIX_EPOCH).unwrap_or_default();
        let labels = [id.version(), &id.kernel, std::env::consts::ARCH];
        out.add(&c::BUILD_INFO, &labels, 1);
        out.add(&c::START_TIME, &[], started.as_secs_f64());
        out.add(&c::READY, &[], self.health.is_ready());
        for (condition, reason) in self.health.conditions() {
            out.add(&c::CONDITION, &[condition.name()], reason.is_none());
        }
        let resources = Resources::now();
        out.add(&c::MEMORY_RSS, &[], resources.rss);
        out.add(&c::MEMORY_ANONYMOUS, &[], resources.anonymous);
        out.add(&c::CPU, &["user"], resources.user);
        out.add(&c::CPU, &["system"], resources.system);
        out.add(&c::RELOADS, &["ok"], self.reloads.load(Relaxed));
        out.add(&c::RELOADS, &["failed"], self.failed_reloads.load(Relaxed));
        out.add(&c::THROTTLINGS, &[], self.throttlings.load(Relaxed));
        out.add(&c::PANICS, &[], self.panics.load(Relaxed));
        let lost = self.snapshots_lost.load(Relaxed);
        out.add(&c::SNAPSHOTS_LOST, &[], lost);
        let Tampering { settings, cgroups } = &self.tampering;
        out.add(&c::TAMPERING, &["settings"], settings.load(Relaxed));
        out.add(&c::TAMPERING, &["cgroups"], cgroups.load(Relaxed));
        let Observers { attached, lost } = &self.observers;
        out.add(&c::OBSERVERS, &[], attached.load(Relaxed));
        out.add(&c::OBSERVERS_LOST, &[], lost.load(Relaxed));
        let seconds = self.since.elapsed().as_secs_f64();
        out.add(&c::FALCO_VERSION, &[id.version()], 1);
        out.add(&c::FALCO_KERNEL, &[&id.kernel], 1);
        out.add(&c::FALCO_HOSTNAME, &[&id.hostname], 1);
        out.add(&c::FALCO_DURATION, &[], seconds.floor());
        out.add(&c::FALCO_RSS, &[], resources.rss);
        let cpu = (resources.user + resources.system) / seconds.max(0.001);
        out.add(&c::FALCO_CPU, &[], cpu);
        let cpus = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        out.add(&c::FALCO_HOST_CPUS, &[], cpus as u64);
    }

    fn event_counts(&self, out: &mut Exposition) {
        let totals = self.totals();
        let mut full: BTreeMap<&str, u64> = BTreeMap::new();
        for kind in totals.iter().flat_map(|source| &source.kinds) {
            let name = kind.kind.name;
            for count in &kind.counts {
                let (metric, has_cause) = match count.meaning {
                    Meaning::Seen => (&c::EVENTS_SEEN, false),
                    Meaning::Captured => (&c::EVENTS_CAPTURED, false),
                    Meaning::Filtered => (&c::EVENTS_FILTERED, true),
                    Meaning::Lost => (&c::EVENTS_LOST, true),
                    Meaning::Incomplete => (&c::EVENTS_INCOMPLETE, true),
                    Meaning::Unwatched => (&c::EVENTS_UNWATCHED, false),
                };
                let labels = [name, count.name];
                let labels = &labels[..=usize::from(has_cause)];
                out.add(metric, labels, count.events);
            }
            out.add(&c::EVENTS_MATCHED, &[name], kind.matched);
            out.add(&c::EVENTS_FILTERED, &[name, "user_space"], kind.passed_over);
            out.add(&c::EVENTS_UNMATCHED, &[name], kind.unmatched);
            *full.entry(kind.kind.buffer).or_default() += kind.named(Meaning::Lost, "ring_full");
        }
        for (buffer, lost) in full {
            out.add(&c::FALCO_DROPS_BUFFER, &["exit", buffer], lost);
        }
        let seen = Self::sum(&totals, KindTotals::seen);
        out.add(&c::FALCO_EVENTS, &[], seen);
        let lost = Self::sum(&totals, KindTotals::lost);
        out.add(&c::FALCO_DROPS, &[], lost);
        out.histogram(&c::EVENT_DELAY, &self.delay);
        out.histogram(&c::ENRICHMENT_LATENCY, &self.enrichment);
    }

    fn rule_counts(&self, out: &mut Exposition) {
        let tables = self.rules.tables();
        let rules = || tables.iter().flat_map(|table| table.iter());
        for state in ["active", "partly", "inactive", "off"] {
            let alike = rules().filter(|(rule, _)| rule.state == state);
            out.add(&c::RULES, &[state], alike.count() as u64);
        }
        for (rule, _) in rules().filter(|(rule, _)| matches!(rule.state, "partly" | "inactive")) {
            out.add(&c::RULE_NOT_ACTIVE, &[&rule.name, rule.state], 1);
        }
        for (rule, cost) in tables.iter().flat_map(|table| table.costs()) {
            out.add(&c::RULE_EVALUATIONS, &[&rule.name], cost.evaluations);
            out.add(&c::RULE_TIME, &[&rule.name], cost.time.as_secs_f64());
        }
        for (rule, matches) in rules().filter(|(_, matches)| *matches > 0) {
            out.add(&c::RULE_MATCHES, &[&rule.name], matches);
            let priority = (rule.priority as u8).to_string();
            let tags: Vec<String> = rule.tags.iter().map(|tag| format!("tag_{tag}")).collect();
            let mut labels = vec![
                ("priority", priority.as_str()),
                ("rule_name", &rule.name),
                ("source", &rule.source),
            ];
            labels.extend(tags.iter().map(|tag| (tag.as_str(), "true")));
            out.add_with(&c::FALCO_RULES, &labels, matches);
        }
    }

    /// Seconds since the start, on a clock that nobody sets.
    #[must_use]
    pub fn uptime(&self) -> f64 {
        self.since.elapsed().as_secs_f64()
    }
}

#[cfg(test)]
mod tests {
    use config::Config;
    use falco_rules::Priority;

    use super::*;
    use crate::{RuleLabel, catalog::ALL};

    fn telemetry() -> Telemetry {
        Telemetry::new(Arc::new(Identity::new(&Config::default())))
    }

    #[test]
    fn every_line_belongs_to_a_documented_metric() {
        let telemetry = telemetry();
        let rule = RuleLabel {
            name: "Log \"x\"".into(),
            state: "active",
            source: "syscall".into(),
            priority: Priority::Notice,
            tags: vec!["a-b".into()],
        };
        telemetry.rules.load("syscall", vec![rule]).matched(0);
        let text = telemetry.render();
        for line in text.lines().filter(|line| !line.starts_with('#')) {
            let name = line.split(['{', ' ']).next().unwrap();
            let known = ALL.iter().any(|m| {
                name.strip_prefix(m.name)
                    .is_some_and(|rest| matches!(rest, "" | "_bucket" | "_sum" | "_count"))
            });
            assert!(known, "{line}");
        }
        assert!(text.contains("sensor_rules{state=\"active\"} 1\n"));
        assert!(text.contains("sensor_rules{state=\"inactive\"} 0\n"));
        assert!(text.contains(concat!(
            "falcosecurity_falco_rules_matches_total{priority=\"5\",",
            "rule_name=\"Log \\\"x\\\"\",source=\"syscall\",tag_a_b=\"true\"} 1\n"
        )));
    }
}
