//! Looks now and then whether somebody has changed what the kernel side was told.

use std::{
    sync::{Arc, atomic::Ordering::Relaxed},
    time::{Duration, Instant},
};

use config::Priority;
use telemetry::{Condition, Telemetry};
use tracing::error;

use crate::{
    capture::{Capture, CaptureError, Tampering},
    output::internal::Record,
};

/// How often the settings are looked at.
const SETTINGS: Duration = Duration::from_secs(1);
/// How often the classes of cgroups and the names are looked at, which takes system calls.
const CGROUPS: Duration = Duration::from_secs(30);

/// When was looked at what.
pub(super) struct Guard {
    telemetry: Arc<Telemetry>,
    settings: Instant,
    cgroups: Instant,
    refused: bool,
}

impl Guard {
    pub(super) fn new(telemetry: Arc<Telemetry>) -> Self {
        let now = Instant::now();
        Self {
            telemetry,
            settings: now,
            cgroups: now,
            refused: false,
        }
    }

    /// Does what is due. A record for the stream, if something was found.
    pub(super) fn check(&mut self, capture: &mut Capture) -> Option<Record> {
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
            "Sensor internal: tampering. Somebody changed what the eBPF programs were told ({}{} cgroups); it was put right, and events since the last look may be missing.",
            if settings { "the settings, " } else { "" },
            cgroups
        );
        error!("{message}");
        Record::new("Sensor internal: tampering", Priority::Critical, message)
            .field("sensor.tampering.settings", settings)
            .field("sensor.tampering.cgroups", cgroups)
    }

    /// What cannot be put right makes the sensor not ready; it is said once.
    fn refused(&mut self, error: &CaptureError) -> Option<Record> {
        let reason = format!("what the eBPF programs were told cannot be checked: {error}");
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
