//! Checks periodically whether another process has changed the settings or classes in the kernel,
//! and restores them.

use std::{
    sync::{Arc, atomic::Ordering::Relaxed},
    time::{Duration, Instant},
};

use falco_rules::Priority;
use outputs::internal::Record;
use telemetry::{Condition, Telemetry};
use tracing::error;

use crate::sources::syscall::capture::{Capture, CaptureError, Tampering};

/// How often the guard checks the settings.
const SETTINGS: Duration = Duration::from_secs(1);
/// How often the guard checks the classes of cgroups and the names, which takes system calls.
const CGROUPS: Duration = Duration::from_secs(30);

/// When the guard last made each check, and whether it has reported a failure.
pub(crate) struct Guard {
    telemetry: Arc<Telemetry>,
    settings: Instant,
    cgroups: Instant,
    refused: bool,
}

impl Guard {
    pub(crate) fn new(telemetry: Arc<Telemetry>) -> Self {
        let now = Instant::now();
        Self {
            telemetry,
            settings: now,
            cgroups: now,
            refused: false,
        }
    }

    /// Makes the checks that are due. Returns an internal record if the guard found a change.
    pub(crate) fn check(&mut self, capture: &mut Capture) -> Option<Record> {
        let now = Instant::now();
        if now.duration_since(self.settings) < SETTINGS {
            return None;
        }
        self.settings = now;
        let mut found = capture.restore_settings();
        if now.duration_since(self.cgroups) >= CGROUPS {
            self.cgroups = now;
            found = found.and_then(|found| {
                Ok(Tampering {
                    settings: found.settings | capture.restore_names()?.settings,
                    cgroups: capture.restore_cgroups()?.cgroups,
                })
            });
        }
        match found {
            Ok(found) => {
                if std::mem::take(&mut self.refused) {
                    self.telemetry.health.hold(Condition::ProgramsAttached);
                }
                found.is_any().then(|| self.found(found))
            }
            Err(error) => self.refused(&error),
        }
    }

    fn found(&self, found: Tampering) -> Record {
        let Tampering { settings, cgroups } = found;
        let counts = &self.telemetry.tampering;
        counts.settings.fetch_add(settings.into(), Relaxed);
        counts.cgroups.fetch_add(cgroups as u64, Relaxed);
        let message = format!(
            "Sensor internal: tampering. Another process changed what the sensor had written for the eBPF programs ({}{} cgroups). The sensor restored it; events since the last check may be missing.",
            if settings { "the settings, " } else { "" },
            cgroups
        );
        error!("{message}");
        Record::new("Sensor internal: tampering", Priority::Critical, message)
            .field("sensor.tampering.settings", settings)
            .field("sensor.tampering.cgroups", cgroups)
    }

    /// If the guard cannot restore a map, the sensor is not ready. Returns a record, once.
    fn refused(&mut self, error: &CaptureError) -> Option<Record> {
        let reason =
            format!("cannot check what the sensor has written for the eBPF programs: {error}");
        self.telemetry
            .health
            .fail(Condition::ProgramsAttached, reason.clone());
        if std::mem::replace(&mut self.refused, true) {
            return None;
        }
        error!("{reason}");
        let message = format!("Sensor internal: tampering. {reason}");
        Some(Record::new(
            "Sensor internal: tampering",
            Priority::Critical,
            message,
        ))
    }
}
