//! Test helpers: lines to write, and the counts afterwards.

use std::{
    collections::BTreeMap,
    fs,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};

use config::Config;
use falco_rules::Priority;
use outputs::{Counts, OutputError, Outputs};
use serde_json::Value;
use telemetry::Identity;

/// Outputs under test, and the number of the next line.
pub(crate) struct Bench {
    pub(crate) outputs: Outputs,
    pub(crate) next: u64,
    identity: Arc<Identity>,
}

/// A configuration that writes `directory/log.json` only.
pub(crate) fn file_config(directory: &Path) -> Config {
    let mut config = Config::default();
    config.stdout_output.enabled = false;
    config.file_output.enabled = true;
    config.file_output.filename = directory.join("log.json");
    config.sensor.node = Some("n1".into());
    config
}

impl Bench {
    pub(crate) fn start(config: &Config) -> Self {
        let identity = Arc::new(Identity::new(config));
        let outputs = Outputs::start(config, &identity).expect("outputs start");
        Self {
            outputs,
            next: 0,
            identity,
        }
    }

    /// Applies another configuration.
    pub(crate) fn change(&mut self, config: &Config) -> Result<(), OutputError> {
        let change = self.outputs.control().prepare(config, &self.identity)?;
        self.outputs.apply(change);
        Ok(())
    }

    /// One numbered line of about 300 bytes.
    pub(crate) fn line(&mut self) {
        let line = format!(
            "{{\"output_fields\":{{\"evt.num\":{},\"proc.cmdline\":\"{}\"}},\"rule\":\"r\",\"time\":\"2026-11-21T03:55:38.{:09}Z\"}}\n",
            self.next,
            "x".repeat(200),
            self.next % 1_000_000_000
        );
        self.next += 1;
        self.add(&line);
    }

    /// One line.
    pub(crate) fn add(&mut self, line: &str) {
        self.outputs.line(Priority::Debug, |_, out| {
            out.extend_from_slice(line.as_bytes());
        });
    }

    /// Some lines, as one drain pass.
    pub(crate) fn lines(&mut self, n: u64) {
        (0..n).for_each(|_| self.line());
        self.outputs.flush();
    }

    /// Adds `rate` lines a second for that time, in passes of 10 ms; after a delay by other
    /// processes the thread does not catch up with a flood. Returns the longest pass, which is the
    /// capture thread's delay.
    pub(crate) fn storm(&mut self, rate: u64, time: Duration) -> Duration {
        let began = Instant::now();
        let first = self.next;
        let mut longest = Duration::ZERO;
        while began.elapsed() < time {
            let micros = u64::try_from(began.elapsed().as_micros()).expect("a short time");
            let due = first + rate * micros / 1_000_000;
            let lines = due.saturating_sub(self.next).min(rate / 20);
            longest = longest.max(held_up(|| self.lines(lines)));
            std::thread::sleep(Duration::from_millis(10));
        }
        longest
    }

    pub(crate) fn counts(&self, name: &str) -> Counts {
        let accounts = self.outputs.control().accounts();
        let account = accounts.iter().find(|(n, _)| *n == name).expect("output");
        account.1.counts()
    }

    /// Waits until an output has written or dropped all lines that it was offered.
    pub(crate) fn settle(&self, name: &str) -> Counts {
        eventually(name, || self.counts(name).spooled == 0);
        self.counts(name)
    }

    pub(crate) fn stop(self) -> Counts {
        self.stop_within(Duration::from_secs(5))
    }

    pub(crate) fn stop_within(self, deadline: Duration) -> Counts {
        self.outputs.stop(deadline)[0].1
    }
}

/// How long a call took this thread, without the time that it waited for a CPU: that time shows how
/// busy the machine is, and not what the call waits for.
pub(crate) fn held_up(run: impl FnOnce()) -> Duration {
    // Time on a CPU, time in the queue for one, both in ns: Documentation/scheduler/sched-stats.rst.
    let queued = || {
        let text = fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
        let queued = text.split(' ').nth(1).and_then(|ns| ns.parse().ok());
        Duration::from_nanos(queued.unwrap_or_default())
    };
    let (began, before) = (Instant::now(), queued());
    run();
    let queued = queued().saturating_sub(before);
    began.elapsed().saturating_sub(queued)
}

/// Waits until a condition is true, with a time limit.
pub(crate) fn eventually(what: &str, condition: impl Fn() -> bool) {
    let began = Instant::now();
    while !condition() {
        assert!(
            began.elapsed() < Duration::from_mins(1),
            "timed out: {what}"
        );
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// The log and the rotated files, oldest first.
pub(crate) fn files(directory: &Path) -> Vec<PathBuf> {
    let mut aside: Vec<PathBuf> = fs::read_dir(directory)
        .expect("directory")
        .map(|entry| entry.expect("entry").path())
        .filter(|path| path.to_string_lossy().contains("log.json."))
        .collect();
    aside.sort();
    let log = directory.join("log.json");
    aside.extend(log.exists().then_some(log));
    aside
}

/// The content of some files: numbers of the lines in order, and the internal records.
#[derive(Debug, Default)]
pub(crate) struct Content {
    pub(crate) numbers: Vec<u64>,
    pub(crate) own: Vec<Value>,
}

pub(crate) fn read(files: &[PathBuf]) -> Content {
    let mut content = Content::default();
    for path in files {
        let text = fs::read_to_string(path).expect("file is text");
        content.add(&text, &path.display().to_string());
    }
    content
}

impl Content {
    pub(crate) fn add(&mut self, text: &str, name: &str) {
        assert!(text.is_empty() || text.ends_with('\n'), "{name}: half line");
        for line in text.lines() {
            let value: Value = serde_json::from_str(line)
                .unwrap_or_else(|error| panic!("{name}: {error} in {line:?}"));
            match value["output_fields"]["evt.num"].as_u64() {
                Some(number) => self.numbers.push(number),
                None => self.own.push(value),
            }
        }
    }

    /// Checks that the numbers ascend; returns how many are missing before `end`.
    pub(crate) fn missing(&self, end: u64) -> u64 {
        for pair in self.numbers.windows(2) {
            assert!(pair[0] < pair[1], "{} is followed by {}", pair[0], pair[1]);
        }
        assert!(self.numbers.last().is_none_or(|last| *last < end));
        end - self.numbers.len() as u64
    }

    pub(crate) fn rules(&self) -> BTreeMap<String, usize> {
        let mut rules = BTreeMap::new();
        for record in &self.own {
            let rule = record["rule"].as_str().expect("rule").to_owned();
            *rules.entry(rule).or_default() += 1;
        }
        rules
    }
}

pub(crate) fn inode(path: &Path) -> u64 {
    fs::metadata(path).expect("file").ino()
}
