//! The companion: a sensor that watches the whole machine while the test suite runs.
//!
//! The companion proves two things. The tests beside it are green, so no test takes the events of
//! another sensor for its own. And the companion loses no event, so a sensor with enough room loses
//! nothing, whatever the tests do.

use std::time::Duration;

use crate::{Counters, Seen, Sensor, Setup, connects, counters::may_be_skipped, sensor::wait_for};

/// The shipped rules, and the harness's rules that write every exec and every connect.
const RULES: [&str; 6] = [
    include_str!("../../../deploy/rules/detections.yaml"),
    include_str!("../../../deploy/rules/execve.yaml"),
    include_str!("../../../deploy/rules/connect.yaml"),
    include_str!("../../../deploy/rules/development.yaml"),
    include_str!("rules.yaml"),
    connects::RULES,
];

/// Settings of the companion with which a loss is a defect, however busy the machine is.
const OPTIONS: [(&str, &str); 14] = [
    // Every event counts: failed execs too, and each event is a line for every rule that matches.
    ("engine.modern_ebpf.drop_failed_exit", "false"),
    ("rule_matching", "all"),
    ("sensor.self_test.enabled", "true"),
    // On two CPUs with a storm on each, an exec of the helper can be slow. After a minute it counts
    // as lost.
    ("sensor.self_test.interval", "5s"),
    ("sensor.self_test.timeout", "60s"),
    // 128 MiB. A test makes 20,000 execs or connects at once, with a record of 1 to 3 KiB each: all
    // of them fit, even if the companion does not run meanwhile.
    ("engine.modern_ebpf.buf_size_preset", "8"),
    // Some tests flood on purpose: `exec_fairness` tests the budget of the sensor under test.
    ("sensor.fairness.enabled", "false"),
    // A storm makes more than one line for each exec, of 1 to 3 KiB each. Lines wait while the disk
    // is busy: some tests keep it busy.
    ("outputs_queue.capacity", "0"),
    ("sensor.file_output.spool.memory", "256MiB"),
    // Nobody reads the lines; only the number of written ones counts. At most 48 MiB of disk.
    ("sensor.file_output.rotate.size", "16MiB"),
    ("sensor.file_output.rotate.keep", "2"),
    // The stop writes all lines that wait for the file, however long this takes.
    ("sensor.stop_deadline", "60s"),
    // No event waits for containerd: the machine's containerd does not know the containers of the
    // test beds. If events waited, the hold would have room for two storms.
    ("sensor.hold.max_events", "100000"),
    ("sensor.hold.max_bytes", "256MiB"),
];

/// A test suite ends within this time. After it the companion stops by itself, which is a defect.
const LONGEST: Duration = Duration::from_hours(3);

/// The running companion.
#[derive(Debug)]
pub struct Companion(Sensor);

/// The result of a stopped companion.
#[derive(Debug)]
pub struct CompanionReport {
    seen: Seen,
    passed: f64,
    failed: f64,
    sees: bool,
}

impl Companion {
    /// Starts the companion, and waits until its first self-test has come back.
    ///
    /// # Panics
    /// If the companion does not become ready.
    #[must_use]
    pub fn start() -> Self {
        let setup = Setup::of_the_machine()
            .rules(&RULES.join("\n"))
            .with_web_server()
            .at_most(LONGEST);
        let with = |setup: Setup, (key, value): (&str, &str)| setup.option(key, value);
        let sensor = OPTIONS.into_iter().fold(setup, with).start();
        let _ready = sensor.wait_for_readiness(200);
        Self(sensor)
    }

    /// Stops the companion.
    ///
    /// # Panics
    /// If it ended before, or does not stop in order.
    #[must_use]
    pub fn finish(mut self) -> CompanionReport {
        let ended = self.0.ended();
        assert!(
            ended.is_none(),
            "the companion ended before it was stopped, {ended:?}:\n{}",
            self.0.stderr()
        );
        // One more self-test: nothing that the tests did has made the companion blind.
        let tests = |outcome: &str| {
            let name = format!("sensor_self_tests_total{{outcome=\"{outcome}\"}}");
            self.0.metric(&name)
        };
        let before = tests("passed");
        let sees = wait_for(|| tests("passed") > before);
        CompanionReport {
            passed: tests("passed"),
            failed: tests("failed"),
            sees,
            seen: self.0.stop(),
        }
    }
}

impl CompanionReport {
    /// What the companion saw, in one line.
    #[must_use]
    pub fn summary(&self) -> String {
        let counters = self.seen.counters();
        format!(
            "the companion saw {} events, wrote {} lines and lost {}; {} self-tests passed",
            counters.kernel("seen"),
            counters.output("written"),
            counters.lost(),
            self.passed
        )
    }

    /// All defects, a sentence for each; empty if the companion lost nothing.
    #[must_use]
    pub fn defects(&self) -> Vec<String> {
        let counters = self.seen.counters();
        let mut defects = losses(&counters);
        if let Some(place) = counters.incomplete() {
            defects.push(format!("the companion's counters do not add up: {place}"));
        }
        if !self.sees {
            defects.push("the companion's last self-test did not come back".to_owned());
        }
        if self.failed > 0.0 {
            defects.push(format!(
                "{} self-tests of the companion failed",
                self.failed
            ));
        }
        defects
    }

    /// The standard error of the companion.
    #[must_use]
    pub fn stderr(&self) -> &str {
        &self.seen.stderr
    }
}

/// A sentence for each cause of losses.
fn losses(counters: &Counters) -> Vec<String> {
    let lost = counters.losses();
    let lost = lost
        .iter()
        .map(|(cause, events)| format!("the companion lost {events} events by {cause}"));
    // The kernel skips a few runs of programs that it preempts, see `deploy/support.md`.
    let skipped = counters.skipped().into_iter();
    let skipped = skipped.filter(|(program, _)| !may_be_skipped(program));
    let skipped = skipped.map(|(program, runs)| {
        format!("the kernel skipped {runs} runs of the companion's program {program}")
    });
    lost.chain(skipped).collect()
}

#[cfg(test)]
mod tests {
    use super::CompanionReport;
    use crate::Seen;

    const WORDS: &str = "kernel exec: seen=5 written=3 filtered_host=0 filtered_tree=2 filtered_other=0 filtered_other_node=0 ring_full=0 no_scratch=0 throttled=0
events: received=3 undecodable=0 filtered=0 unmatched=0 matched=3 held=0 lines=3
output file: offered=3 written=3 spooled=0 dropped=0
";

    fn company(words: &str) -> CompanionReport {
        CompanionReport {
            seen: Seen {
                events: Vec::new(),
                internal: Vec::new(),
                stderr: words.to_owned(),
            },
            passed: 2.0,
            failed: 0.0,
            sees: true,
        }
    }

    #[test]
    fn a_companion_that_lost_nothing_has_no_defect() {
        let company = company(WORDS);
        assert_eq!(company.defects(), Vec::<String>::new());
        assert_eq!(
            company.summary(),
            "the companion saw 5 events, wrote 3 lines and lost 0; 2 self-tests passed"
        );
    }

    #[test]
    fn each_cause_of_a_loss_is_a_defect_with_its_events() {
        let words = WORDS
            .replace("written=3 filtered_host", "written=2 filtered_host")
            .replace("ring_full=0", "ring_full=1")
            .replace("received=3", "received=2")
            .replace("matched=3", "matched=2")
            .replace(
                "written=3 spooled=0 dropped=0",
                "written=1 spooled=0 dropped=2",
            );
        assert_eq!(
            company(&words).defects(),
            [
                "the companion lost 1 events by ring_full",
                "the companion lost 2 events by dropped"
            ]
        );
    }

    #[test]
    fn an_event_that_nobody_counted_is_a_defect() {
        let defects = company(&WORDS.replace("seen=5", "seen=6")).defects();
        assert_eq!(
            defects,
            [
                "the companion's counters do not add up: the kernel side: 6 events, and 5 in its parts"
            ]
        );
    }

    #[test]
    fn a_companion_that_became_blind_is_a_defect() {
        let blind = CompanionReport {
            sees: false,
            ..company(WORDS)
        };
        assert_eq!(
            blind.defects(),
            ["the companion's last self-test did not come back"]
        );
    }
}
