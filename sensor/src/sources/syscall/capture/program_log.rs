//! Copies the log of the eBPF programs into the sensor's log. Only the feature `bpf-log` compiles
//! this module and the programs' lines.

use aya::Ebpf;
use aya_log::EbpfLogger;
use log::{Level, Log, Metadata, Record};
use tracing::{debug, error, info, warn};

use super::CaptureError;

/// The map through which the lines arrive.
const MAP: &str = "AYA_LOGS";

/// The lines that the programs have logged and that the sensor has not copied yet.
pub(super) struct ProgramLog(EbpfLogger<SensorLog>);

impl ProgramLog {
    /// The log of a loaded object.
    pub(super) fn of(bpf: &mut Ebpf) -> Result<Self, CaptureError> {
        let logger = EbpfLogger::init_with_logger(bpf, SensorLog);
        logger.map(Self).map_err(|error| match error {
            aya_log::Error::MapError(source) => CaptureError::Map { map: MAP, source },
            _ => CaptureError::Missing {
                what: "map",
                name: MAP,
            },
        })
    }

    /// Copies the lines that have arrived.
    pub(super) fn take_over(&mut self) {
        self.0.flush();
    }
}

/// The sensor's log, as aya writes to it.
struct SensorLog;

impl Log for SensorLog {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true // the sensor's log has a level of its own
    }

    fn log(&self, record: &Record<'_>) {
        let message = record.args();
        match record.level() {
            Level::Error => error!("eBPF: {message}"),
            Level::Warn => warn!("eBPF: {message}"),
            Level::Info => info!("eBPF: {message}"),
            Level::Debug | Level::Trace => debug!("eBPF: {message}"),
        }
    }

    fn flush(&self) {}
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use config::Config;
    use falco_rules::Priority;

    use crate::{
        logging,
        sources::syscall::capture::{Capture, CaptureRequest, Options, TreeMode},
    };

    #[test]
    fn a_line_of_a_program_reaches_the_sensors_log() {
        logging::start();
        let config = Config {
            log_level: "debug".parse().expect("a level"),
            ..Config::default()
        };
        logging::apply(&config);
        let options = Options {
            tree: TreeMode::Only(std::process::id()),
            ..Options::default()
        };
        let mut started =
            Capture::start(&options, &CaptureRequest::default()).expect("the programs run");
        let before = logging::lines(Priority::Debug);
        let status = Command::new("/bin/true").status().expect("it runs");
        assert!(status.success());
        started.capture.take_over_log();
        assert!(logging::lines(Priority::Debug) > before);
    }
}
