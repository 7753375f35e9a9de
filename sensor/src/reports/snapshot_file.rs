//! Writes snapshots to a file, `metrics.output_file`, on a thread of its own, as a file can stall.

use std::{
    io,
    path::PathBuf,
    sync::{
        Arc,
        atomic::Ordering::Relaxed,
        mpsc::{Receiver, SyncSender, sync_channel},
    },
    thread,
};

use config::{Config, Mode, Owner};
use outputs::file::append;
use telemetry::{Identity, Telemetry};
use tracing::{error, info};

/// Most lines in the queue of a file that stalls.
const WAITING: usize = 16;

/// The file's path, and how the sensor creates the file.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Target {
    path: PathBuf,
    mode: Mode,
    owner: Option<Owner>,
}

impl Target {
    fn of(config: &Config, identity: &Identity) -> Option<Self> {
        let path = config.metrics.output_file.as_ref()?;
        let tuning = &config.sensor.file_output;
        config.metrics.enabled.then(|| Self {
            path: identity.expand(path),
            mode: tuning.mode,
            owner: tuning.owner,
        })
    }
}

/// The file of snapshots. Dropping the value ends the thread after it has written all queued lines.
#[derive(Debug)]
pub struct SnapshotFile {
    target: Target,
    lines: SyncSender<Vec<u8>>,
    telemetry: Arc<Telemetry>,
    stalls: bool,
}

impl SnapshotFile {
    /// Starts a file if the configuration asks for one; keeps `former` if it writes the same file.
    #[must_use]
    pub fn start(
        config: &Config,
        telemetry: &Arc<Telemetry>,
        former: Option<Self>,
    ) -> Option<Self> {
        let target = Target::of(config, &telemetry.identity)?;
        if let Some(former) = former.filter(|former| former.target == target) {
            return Some(former);
        }
        let (lines, waiting) = sync_channel(WAITING);
        let (target_, telemetry_) = (target.clone(), Arc::clone(telemetry));
        let started = thread::Builder::new()
            .name("snapshots".into())
            .spawn(move || run(&target_, &waiting, &telemetry_));
        if let Err(error) = started {
            error!("{}: no thread for it: {error}", target.path.display());
            return None;
        }
        Some(Self {
            target,
            lines,
            telemetry: Arc::clone(telemetry),
            stalls: false,
        })
    }

    /// Queues a line without waiting; counts the line as lost if the queue is full.
    pub fn write(&mut self, line: Vec<u8>) {
        let is_full = self.lines.try_send(line).is_err();
        if is_full {
            self.telemetry.snapshots_lost.fetch_add(1, Relaxed);
        }
        if is_full && !self.stalls {
            error!(
                "{}: does not answer; snapshots are lost",
                self.target.path.display()
            );
        }
        self.stalls = is_full;
    }
}

fn run(target: &Target, lines: &Receiver<Vec<u8>>, telemetry: &Telemetry) {
    let Target { path, mode, owner } = target;
    let mut failing = false;
    let mut report = |outcome: io::Result<()>| match outcome {
        Err(error) if !failing => {
            failing = true;
            error!("{}: no snapshots are written: {error}", path.display());
        }
        Ok(()) if failing => {
            failing = false;
            info!("{}: snapshots are written again", path.display());
        }
        _ => {}
    };
    // Open the file at once, so that the log shows a wrong path before the first interval is over.
    report(append(path, *mode, *owner, b""));
    for line in lines {
        let outcome = append(path, *mode, *owner, &line);
        if outcome.is_err() {
            telemetry.snapshots_lost.fetch_add(1, Relaxed);
        }
        report(outcome);
    }
}

#[cfg(test)]
mod tests {
    use std::{
        fs,
        time::{Duration, Instant},
    };

    use super::*;

    fn config(path: &std::path::Path) -> Config {
        let mut config = Config::default();
        config.metrics.enabled = true;
        config.metrics.output_file = Some(path.to_owned());
        config.sensor.node = Some("n1".into());
        config
    }

    fn telemetry(config: &Config) -> Arc<Telemetry> {
        Arc::new(Telemetry::new(Arc::new(Identity::new(config))))
    }

    fn wait_for(reached: impl Fn() -> bool) {
        let deadline = Instant::now() + Duration::from_secs(30);
        while !reached() {
            assert!(Instant::now() < deadline, "not in time");
            thread::sleep(Duration::from_millis(5));
        }
    }

    #[test]
    fn each_node_has_its_own_file_with_a_line_for_each_snapshot() {
        let dir = tempfile::tempdir().unwrap();
        let config = config(&dir.path().join("stats-{node}.jsonl"));
        let telemetry = telemetry(&config);
        let mut file = SnapshotFile::start(&config, &telemetry, None).unwrap();
        file.write(b"{}\n".to_vec());
        file.write(b"{}\n".to_vec());
        let path = dir.path().join("stats-n1.jsonl");
        wait_for(|| fs::read_to_string(&path).is_ok_and(|text| text == "{}\n{}\n"));
        assert_eq!(telemetry.snapshots_lost.load(Relaxed), 0);
    }

    #[test]
    fn lines_that_a_file_refuses_are_counted_and_delay_no_thread() {
        let dir = tempfile::tempdir().unwrap();
        let config = config(dir.path());
        let telemetry = telemetry(&config);
        let mut file = SnapshotFile::start(&config, &telemetry, None).unwrap();
        for _ in 0..100 {
            file.write(b"{}\n".to_vec());
        }
        wait_for(|| telemetry.snapshots_lost.load(Relaxed) == 100);
    }

    #[test]
    fn a_reload_keeps_the_file_unless_it_names_another_or_none() {
        let dir = tempfile::tempdir().unwrap();
        let former = config(&dir.path().join("a"));
        let telemetry = telemetry(&former);
        let file = SnapshotFile::start(&former, &telemetry, None);
        let file = SnapshotFile::start(&former, &telemetry, file).unwrap();
        let other = config(&dir.path().join("b"));
        let file = SnapshotFile::start(&other, &telemetry, Some(file)).unwrap();
        assert_eq!(file.target.path, dir.path().join("b"));
        assert!(SnapshotFile::start(&Config::default(), &telemetry, Some(file)).is_none());
    }
}
