//! Everything that is counted, in one place.

use std::{
    collections::BTreeMap,
    fmt,
    sync::{
        Arc, Mutex, PoisonError, RwLock,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use sensor_ebpf::{Counter as Kernel, Kind};
use serde_json::Value;

use super::{
    Caches, Condition, Events, Exposition, Finding, Health, Histogram, KernelCounts, Loss,
    Resources, Rules, Stalls, Totals,
    catalog::{self as c, Metric},
    groups::Group,
};
use crate::{
    config::{Metrics, Priority},
    output::{Control, DropCause, Identity},
};

/// Adds what some part of the sensor counts.
pub type Collector = Box<dyn Fn(&mut Exposition) + Send + Sync>;
/// Adds fields to a snapshot, as far as the configuration includes them.
pub type Describer = Box<dyn Fn(&Metrics, &mut BTreeMap<String, Value>) + Send + Sync>;
/// Reads the counters of the kernel side.
pub type KernelSource = Box<dyn Fn() -> KernelCounts + Send + Sync>;

/// How often somebody else was found to have changed something.
#[derive(Debug, Default)]
pub struct Tampering {
    /// The settings of the kernel side.
    pub settings: AtomicU64,
    /// The class of a cgroup.
    pub cgroups: AtomicU64,
}

/// Everything that is counted. Shared by all parts; the event path only touches
/// [`Events`] and [`super::RuleTable`].
pub struct Telemetry {
    /// What became of events.
    pub events: Events,
    /// Matches of rules.
    pub rules: Rules,
    /// Readiness.
    pub health: Health,
    /// From the event in the kernel to the outputs' queues.
    pub delay: Histogram,
    /// How long held events waited.
    pub enrichment: Histogram,
    /// How the caches do.
    pub caches: Caches,
    /// Reloads that succeeded.
    pub reloads: AtomicU64,
    /// Reloads that failed.
    pub failed_reloads: AtomicU64,
    /// Times that a container used up its budget.
    pub throttlings: AtomicU64,
    /// Panics.
    pub panics: AtomicU64,
    /// Snapshots that `metrics.output_file` did not take.
    pub snapshots_lost: AtomicU64,
    /// What others changed of what the kernel side was told.
    pub tampering: Tampering,
    /// Who runs.
    pub identity: Arc<Identity>,
    /// When it began.
    pub since: Instant,
    outputs: Mutex<Control>,
    stalls: Mutex<Stalls>,
    kernel: RwLock<Option<KernelSource>>,
    collectors: RwLock<Vec<Collector>>,
    describers: RwLock<Vec<Describer>>,
}

impl fmt::Debug for Telemetry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Telemetry").finish_non_exhaustive()
    }
}

impl Telemetry {
    /// Nothing counted yet.
    #[must_use]
    pub fn new(identity: Arc<Identity>) -> Self {
        Self {
            events: Events::default(),
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
            identity,
            since: Instant::now(),
            outputs: Mutex::default(),
            stalls: Mutex::default(),
            kernel: RwLock::default(),
            collectors: RwLock::default(),
            describers: RwLock::default(),
        }
    }

    /// The outputs whose accounts are exposed, and whose health counts.
    pub fn set_outputs(&self, control: Control) {
        *self.outputs.lock().unwrap_or_else(PoisonError::into_inner) = control;
    }

    /// Where the counters of the kernel side come from.
    pub fn set_kernel(&self, source: KernelSource) {
        *self.kernel.write().unwrap_or_else(PoisonError::into_inner) = Some(source);
    }

    /// Adds what another part counts, by metrics of the catalog.
    pub fn collect(&self, collector: Collector) {
        self.collectors
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .push(collector);
    }

    /// Adds what another part counts to snapshots.
    pub fn describe(&self, describer: Describer) {
        self.describers
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .push(describer);
    }

    /// What the other parts add to a snapshot.
    pub(super) fn described(&self, config: &Metrics, fields: &mut BTreeMap<String, Value>) {
        let describers = self
            .describers
            .read()
            .unwrap_or_else(PoisonError::into_inner);
        describers.iter().for_each(|add| add(config, fields));
    }

    /// The outputs.
    #[must_use]
    pub fn outputs(&self) -> Control {
        self.outputs
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// The counts of events as they are now.
    #[must_use]
    pub fn totals(&self) -> Totals {
        let source = self.kernel.read().unwrap_or_else(PoisonError::into_inner);
        // The kernel side first: what it has counted may be done by the time the
        // user side is read, but not the other way round.
        let kernel = source.as_ref().map_or_else(Default::default, |read| read());
        self.events.totals(&kernel)
    }

    /// Lines that all outputs lost.
    #[must_use]
    pub fn output_drops(&self) -> u64 {
        let accounts = self.outputs().accounts();
        accounts
            .iter()
            .map(|(_, a)| a.counts().dropped_total())
            .sum()
    }

    /// How long an output may take, see [`Stalls`].
    pub fn set_output_timeout(&self, timeout: Duration) {
        let mut stalls = self.stalls.lock().unwrap_or_else(PoisonError::into_inner);
        stalls.set_timeout(timeout);
    }

    /// Looks at the outputs: are they written? To be called now and then.
    pub fn check_outputs(&self) {
        let (now, active) = (Instant::now(), self.outputs().active());
        let mut stalls = self.stalls.lock().unwrap_or_else(PoisonError::into_inner);
        let mut failing = Vec::new();
        for (name, account) in active {
            let found = stalls.look(now, name, &account.counts());
            if found == Finding::Blocked {
                account.timeouts.fetch_add(1, Relaxed);
            }
            if found != Finding::Well || !account.healthy.load(Relaxed) {
                failing.push(name);
            }
        }
        drop(stalls);
        if failing.is_empty() {
            self.health.hold(Condition::OutputsWritable);
        } else {
            let reason = format!("not written: {}", failing.join(", "));
            self.health.fail(Condition::OutputsWritable, reason);
        }
    }

    /// All metrics, in Prometheus's text form.
    #[must_use]
    pub fn render(&self) -> String {
        let mut out = Exposition::default();
        self.process(&mut out);
        self.event_counts(&mut out);
        self.rule_counts(&mut out);
        self.output_counts(&mut out);
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
        for priority in Priority::ALL {
            let lines = super::lines(priority);
            if lines > 0 {
                out.add(&c::LOG_LINES, &[priority.name()], lines);
            }
        }
        let seconds = self.since.elapsed().as_secs_f64();
        out.add(&c::FALCO_VERSION, &[id.version()], 1);
        out.add(&c::FALCO_KERNEL, &[&id.kernel], 1);
        out.add(&c::FALCO_HOSTNAME, &[&id.hostname], 1);
        out.add(&c::FALCO_ENGINE, &["modern_bpf", "syscall"], 1);
        out.add(&c::FALCO_DURATION, &[], seconds.floor());
        out.add(&c::FALCO_RSS, &[], resources.rss);
        let cpu = (resources.user + resources.system) / seconds.max(0.001);
        out.add(&c::FALCO_CPU, &[], cpu);
        let cpus = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        out.add(&c::FALCO_HOST_CPUS, &[], cpus as u64);
    }

    fn event_counts(&self, out: &mut Exposition) {
        let totals = self.totals();
        for kind in Kind::ALL {
            let name = kind.name();
            let mut kernel = |metric: &'static Metric, second: &[&str], counter| {
                let labels: Vec<&str> = [name].into_iter().chain(second.iter().copied()).collect();
                out.add(metric, &labels, totals.kernel(kind, counter));
            };
            kernel(&c::EVENTS_SEEN, &[], Kernel::Seen);
            kernel(&c::EVENTS_CAPTURED, &[], Kernel::Written);
            kernel(&c::EVENTS_FILTERED, &["host"], Kernel::FilteredHost);
            kernel(&c::EVENTS_FILTERED, &["tree"], Kernel::FilteredTree);
            kernel(&c::EVENTS_FILTERED, &["other"], Kernel::FilteredOther);
            kernel(&c::EVENTS_LOST, &["ring_full"], Kernel::RingFull);
            kernel(&c::EVENTS_LOST, &["no_scratch"], Kernel::NoScratch);
            kernel(&c::EVENTS_LOST, &["throttled"], Kernel::Throttled);
            kernel(&c::EVENTS_INCOMPLETE, &["truncated"], Kernel::Truncated);
            kernel(&c::EVENTS_INCOMPLETE, &["unreadable"], Kernel::Unreadable);
            kernel(&c::EVENTS_INCOMPLETE, &["path"], Kernel::PathIncomplete);
            let index = kind as usize;
            out.add(&c::EVENTS_MATCHED, &[name], totals.matched[index]);
            out.add(&c::EVENTS_UNMATCHED, &[name], totals.unmatched[index]);
            for cause in Loss::ALL {
                let lost = totals.lost[index][cause as usize];
                out.add(&c::EVENTS_LOST, &[name, cause.name()], lost);
            }
        }
        for group in Group::ALL {
            let full = group.sum(&totals, Kernel::RingFull);
            out.add(&c::FALCO_DROPS_BUFFER, &["exit", group.name()], full);
        }
        out.add(&c::FALCO_EVENTS, &[], totals.sum(Totals::seen));
        out.add(&c::FALCO_DROPS, &[], totals.sum(Totals::lost));
        out.histogram(&c::EVENT_DELAY, &self.delay);
        out.histogram(&c::ENRICHMENT_LATENCY, &self.enrichment);
    }

    fn rule_counts(&self, out: &mut Exposition) {
        for (rule, matches) in self.rules.table().iter().filter(|(_, n)| *n > 0) {
            out.add(&c::RULE_MATCHES, &[&rule.name], matches);
            let priority = (rule.priority as u8).to_string();
            let tags: Vec<String> = rule.tags.iter().map(|tag| format!("tag_{tag}")).collect();
            let mut labels = vec![
                ("priority", priority.as_str()),
                ("rule_name", &rule.name),
                ("source", "syscall"),
            ];
            labels.extend(tags.iter().map(|tag| (tag.as_str(), "true")));
            out.add_with(&c::FALCO_RULES, &labels, matches);
        }
    }

    fn output_counts(&self, out: &mut Exposition) {
        for (name, account) in self.outputs().accounts() {
            let counts = account.counts();
            out.add(&c::OUTPUT_OFFERED, &[name], counts.offered);
            out.add(&c::OUTPUT_WRITTEN, &[name], counts.written);
            out.add(&c::OUTPUT_SPOOLED, &[name], counts.spooled);
            for cause in DropCause::ALL {
                let labels = [name, cause.name()];
                out.add(&c::OUTPUT_DROPPED, &labels, counts.dropped[cause as usize]);
            }
            let mut count = |metric: &'static Metric, labels: &[&str], value: &AtomicU64| {
                out.add(metric, labels, value.load(Relaxed));
            };
            count(&c::OUTPUT_BYTES, &[name], &account.bytes);
            count(&c::OUTPUT_ERRORS, &[name], &account.errors);
            count(&c::OUTPUT_TIMEOUTS, &[name], &account.timeouts);
            count(&c::OUTPUT_ROTATIONS, &[name], &account.rotations);
            count(&c::OUTPUT_REOPENS, &[name], &account.reopens);
            count(
                &c::OUTPUT_SPOOL_BYTES,
                &[name, "memory"],
                &account.memory_bytes,
            );
            count(&c::OUTPUT_SPOOL_BYTES, &[name, "disk"], &account.disk_bytes);
            let healthy = account.healthy.load(Relaxed);
            out.add(&c::OUTPUT_HEALTHY, &[name], healthy);
        }
        out.add(&c::FALCO_QUEUE_DROPS, &[], self.output_drops());
    }

    /// Seconds since the start, whatever the clock does meanwhile.
    #[must_use]
    pub fn uptime(&self) -> f64 {
        self.since.elapsed().as_secs_f64()
    }

    /// When the sensor started.
    #[must_use]
    pub fn started(&self) -> SystemTime {
        self.identity.started
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        config::Config,
        telemetry::{RuleLabel, catalog::ALL},
    };

    fn telemetry() -> Telemetry {
        Telemetry::new(Arc::new(Identity::new(&Config::default())))
    }

    #[test]
    fn every_line_belongs_to_a_documented_metric() {
        let telemetry = telemetry();
        let rule = RuleLabel {
            name: "Log \"x\"".into(),
            priority: Priority::Notice,
            tags: vec!["a-b".into()],
        };
        telemetry.rules.load(vec![rule]).matched(0);
        let text = telemetry.render();
        for line in text.lines().filter(|line| !line.starts_with('#')) {
            let name = line.split(['{', ' ']).next().unwrap();
            let known = ALL.iter().any(|m| {
                name.strip_prefix(m.name)
                    .is_some_and(|rest| matches!(rest, "" | "_bucket" | "_sum" | "_count"))
            });
            assert!(known, "{line}");
        }
        assert!(text.contains(concat!(
            "falcosecurity_falco_rules_matches_total{priority=\"5\",",
            "rule_name=\"Log \\\"x\\\"\",source=\"syscall\",tag_a_b=\"true\"} 1\n"
        )));
    }

    #[test]
    fn readiness_follows_the_outputs() {
        let telemetry = telemetry();
        telemetry.check_outputs();
        assert!(telemetry.health.is_ready());
    }
}
