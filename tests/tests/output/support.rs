//! Lines to write, and what became of them.

use std::{
    collections::BTreeMap,
    fs,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};

use config::Config;
use sensor::output::{Counts, Identity, Meta, OutputError, Outputs};
use serde_json::Value;

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

    /// Another configuration.
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
        let meta = Meta {
            priority: 7,
            terminal: None,
        };
        self.outputs.push(line.as_bytes(), meta);
    }

    /// Some lines, as one drain pass.
    pub(crate) fn lines(&mut self, n: u64) {
        (0..n).for_each(|_| self.line());
        self.outputs.flush();
    }

    /// `rate` lines a second for so long, in passes of 10 ms; a thread that others kept from its
    /// CPU does not make up for that by a flood. The longest pass: it is the capture thread's time.
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

    /// Waits until an output has written or dropped all it was given.
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

/// How long something took this thread, but for the time that it was ready to run and others had
/// the CPUs: that says how busy the machine is, and not what the thread waits for.
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

/// Waits, but not for ever.
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

/// The log and the files put aside, oldest first.
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

/// What is in some files: numbers of the lines in order, and the sensor's own records.
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

    /// The numbers are in order, none twice; how many are missing before `end`.
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
