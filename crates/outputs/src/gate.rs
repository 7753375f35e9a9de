//! Where another process still writes.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering::Relaxed},
};

/// Says whether another process still writes to the files of this process. As long as the gate is
/// closed, the outputs to these files do not begin, and their lines wait. Clones are the same gate.
#[derive(Clone, Debug, Default)]
pub struct Gate(Arc<AtomicBool>);

impl Gate {
    /// A gate that is closed.
    #[must_use]
    pub fn closed() -> Self {
        Self(Arc::new(AtomicBool::new(true)))
    }

    /// The other process writes no more.
    pub fn open(&self) {
        self.0.store(false, Relaxed);
    }

    pub(super) fn is_closed(&self) -> bool {
        self.0.load(Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use std::{fs, path::Path, time::Duration};

    use config::Config;
    use falco_rules::Priority;
    use telemetry::Identity;

    use super::*;
    use crate::{OutputError, Outputs};

    fn config(file: &Path) -> Config {
        let mut config = Config::default();
        config.stdout_output.enabled = false;
        config.syslog_output.enabled = false;
        config.file_output.enabled = true;
        config.file_output.filename = file.to_owned();
        config
    }

    fn identity() -> Arc<Identity> {
        Arc::new(Identity::new(&Config::default()))
    }

    #[test]
    fn lines_wait_until_the_other_process_has_written_its_last_one() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("log");
        fs::write(&file, "its first\n").unwrap();
        let gate = Gate::closed();
        let mut outputs = Outputs::start_behind(gate.clone(), &config(&file), &identity()).unwrap();
        outputs.line(Priority::Debug, |_, out| out.extend_from_slice(b"own\n"));
        outputs.flush();
        std::thread::sleep(Duration::from_millis(100));
        assert_eq!(fs::read_to_string(&file).unwrap(), "its first\n");
        fs::write(&file, "its first\nits last\n").unwrap();
        gate.open();
        let counts = outputs.stop(Duration::from_secs(20));
        assert_eq!((counts[0].1.written, counts[0].1.dropped_total()), (1, 0));
        let log = fs::read_to_string(&file).unwrap();
        let lines: Vec<_> = log.lines().collect();
        assert_eq!(lines[..2], ["its first", "its last"]);
        assert!(lines[2].contains("Sensor internal: start"), "{log}");
        assert_eq!(lines[3], "own");
    }

    #[test]
    fn a_file_that_cannot_be_opened_is_an_error_before_the_gate_opens() {
        let dir = tempfile::tempdir().unwrap();
        let refused = Outputs::start_behind(Gate::closed(), &config(dir.path()), &identity());
        assert!(
            matches!(refused, Err(OutputError::File { .. })),
            "{refused:?}"
        );
    }
}
