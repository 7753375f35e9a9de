//! Recordings that rules start: `capture.*` of falco.yaml.
//!
//! As in Falco there is one recording at a time. It begins with the event that a rule with `capture:
//! true` matches, and ends when its time is over; each further match of any rule prolongs that time.

use std::{
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
        mpsc::{Receiver, sync_channel},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use config::{CaptureMode, RuleCapture};
use events::RecordingDemand;
use falco_rules::Priority;
use metadata::boot_now;
use outputs::internal::Record;
use telemetry::{Identity, Ledger};
use tracing::{info, warn};

use super::{Pace, Recorded, Recorder, file::write_new};
use crate::sources::syscall::fields::Context;

/// Most chunks that wait for the disk, of some hundred KiB each.
const WAITING: usize = 64;
/// Time after the end of a recording in which events of that time may still come.
const GRACE: Duration = Duration::from_secs(1);
/// Longest time that the end of the sensor waits for the file of a recording.
const PATIENCE: Duration = Duration::from_secs(5);
/// Falco's name of the record that says why a recording ends early.
const SIZE_LIMIT: &str = "Falco internal: capture size limit reached";

/// Starts and ends the recordings.
pub struct RuleRecordings {
    settings: RuleCapture,
    identity: Arc<Identity>,
    ledger: Arc<Ledger>,
    current: Option<Current>,
    /// When the recording ends, nanoseconds since boot; 0: no rule has matched since the last end.
    deadline: u64,
    /// The threads that write files.
    threads: Vec<JoinHandle<()>>,
}

/// The recording in progress.
struct Current {
    recorder: Recorder,
    written: Arc<AtomicU64>,
}

impl RuleRecordings {
    /// No recording yet, and those settings.
    #[must_use]
    pub fn new(settings: &RuleCapture, identity: &Arc<Identity>, ledger: &Arc<Ledger>) -> Self {
        Self {
            settings: settings.clone(),
            identity: Arc::clone(identity),
            ledger: Arc::clone(ledger),
            current: None,
            deadline: 0,
            threads: Vec::new(),
        }
    }

    /// Takes other settings, which hold from the next recording on.
    pub(super) fn set(&mut self, settings: &RuleCapture) {
        self.settings = settings.clone();
    }

    /// The recorder of the recording in progress.
    pub(super) fn recorder(&mut self) -> Option<&mut Recorder> {
        self.current.as_mut().map(|current| &mut current.recorder)
    }

    /// Records an event; `demand` is there if a rule matched.
    #[inline]
    pub(super) fn record(&mut self, context: &Context<'_>, demand: Option<RecordingDemand>) {
        if demand.is_none() && self.current.is_none() {
            return;
        }
        let time = context.event.header.time;
        if let Some(demand) = demand.filter(|_| self.settings.enabled) {
            let duration = demand.duration(self.settings.default_duration.0);
            let duration = u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
            self.deadline = self.deadline.max(time.saturating_add(duration));
            let starts = demand.asked || self.settings.mode == CaptureMode::AllRules;
            if starts && self.current.is_none() {
                self.start(context);
            }
        }
        if let Some(current) = &mut self.current {
            current.recorder.record(context, true);
            if time > self.deadline {
                self.end();
            }
        }
    }

    fn start(&mut self, context: &Context<'_>) {
        let path = path(&self.settings.path_prefix, context.time, context.number);
        let (chunks, received) = sync_channel(WAITING);
        let ledger = Arc::clone(&self.ledger);
        let recorder = Recorder::new(chunks, Pace::Blocks, None, &self.identity, ledger);
        let written = Arc::<AtomicU64>::default();
        let (bytes, counts) = (Arc::clone(&written), recorder.recorded());
        // A disk may be slow to make a file, and the capture thread does not wait.
        let thread = thread::Builder::new()
            .name("rule-recording".into())
            .spawn(move || write(&path, &received, &bytes, &counts));
        match thread {
            Ok(thread) => {
                self.threads.retain(|thread| !thread.is_finished());
                self.threads.push(thread);
                self.current = Some(Current { recorder, written });
            }
            Err(error) => warn!("no thread for a recording that a rule starts: {error}"),
        }
    }

    /// Ends the recording, without a wait for the disk.
    fn end(&mut self) {
        self.deadline = 0;
        if let Some(mut current) = self.current.take() {
            current.recorder.finish(false);
        }
    }

    /// Passes on what is due, and ends the recording if its time is over or its file is large. Returns
    /// what the sensor says of that.
    pub(super) fn flush(&mut self) -> Option<Record> {
        let current = self.current.as_mut()?;
        current.recorder.flush(&[]);
        let grace = u64::try_from(GRACE.as_nanos()).unwrap_or_default();
        let written = current.written.load(Relaxed);
        let limit = self.settings.max_file_size_mb;
        if current.recorder.is_closed() || boot_now() > self.deadline.saturating_add(grace) {
            self.end();
        } else if limit > 0 && written >= limit.saturating_mul(1_000_000) {
            self.end();
            let message = format!("{SIZE_LIMIT}. Configured limit: {limit} MB.");
            let record = Record::new(SIZE_LIMIT, Priority::Informational, message)
                .field("max_file_size_mb", limit)
                .field("written_bytes", written);
            return Some(record);
        }
        None
    }

    /// Ends the recording at the end of the sensor, and waits a while until all files are whole.
    pub(super) fn finish(&mut self) {
        self.end();
        let began = Instant::now();
        while !self.threads.iter().all(JoinHandle::is_finished) {
            if began.elapsed() >= PATIENCE {
                warn!(
                    "the last recording that a rule started may lack its end: its disk does not answer"
                );
                return;
            }
            thread::sleep(Duration::from_millis(5));
        }
    }
}

/// The path of the recording that begins with an event, as Falco names its files.
fn path(prefix: &Path, time: u64, number: u64) -> PathBuf {
    let mut path = prefix.as_os_str().to_owned();
    path.push(format!("_{time:020}_{number:020}.rec"));
    path.into()
}

/// Writes a recording, and says what has become of it.
fn write(path: &Path, chunks: &Receiver<Vec<u8>>, written: &AtomicU64, recorded: &Recorded) {
    let bytes = write_new(path, chunks, written);
    let path = path.display();
    let lost = match recorded.lost.load(Relaxed) {
        0 => String::new(),
        lost => format!("; {lost} events are not in it, since the disk was too slow"),
    };
    match bytes {
        Ok(bytes) => {
            let events = recorded.events.load(Relaxed);
            info!("a rule started the recording {path}: {events} events in {bytes} bytes{lost}");
        }
        Err(error) => warn!("a rule starts the recording {path}, which cannot be written: {error}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_has_the_time_and_the_number_of_its_first_event_in_its_name() {
        assert_eq!(
            path(Path::new("/var/log/c/falco"), 1_795_233_338_582_871_057, 42),
            Path::new("/var/log/c/falco_01795233338582871057_00000000000000000042.rec")
        );
    }
}
