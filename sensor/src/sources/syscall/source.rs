//! The kernel's ring buffer as a source of events.

use std::{
    io,
    os::fd::{AsFd as _, BorrowedFd},
    sync::{Arc, atomic::Ordering::Relaxed},
    time::Duration,
};

use bytes::BytesMut;
use config::RuleCapture;
use events::{Around, EventSource, Lines, Next, PendingStatistics, Share};
use outputs::{
    AlertOptions,
    internal::{Record, Written},
};
use sensor_ebpf::{Counter, Kind, Part};
use telemetry::{Condition, Telemetry};
use tracing::{info, warn};

use super::{
    capture::{
        Capture, CaptureError, CaptureRequest, HookMode, KernelCounts, Ring, Throttled, rest,
    },
    fields::Syscall,
    pipeline::{BEGUN, Cgroups, Guard, Pipeline, PipelineParts, Throttlings},
    rules::{Requirements, RuleSet},
};

/// The figures of the events in the hold.
#[derive(Clone, Debug, Default)]
pub struct PendingFigures {
    /// Number of events in the hold.
    pub events: usize,
    /// Bytes of the events in the hold.
    pub bytes: usize,
    /// How long events have waited so far.
    pub statistics: PendingStatistics,
}

/// The rules of system calls, and how the sensor writes their alerts.
pub struct Rules {
    /// The rules.
    pub set: Arc<RuleSet>,
    /// The form of their alerts.
    pub alerts: AlertOptions,
    /// The recordings that rules start.
    pub rule_recordings: RuleCapture,
    /// What recorders need beyond the rules.
    pub wider: Option<Requirements>,
}

/// The kernel side, and the pipeline that makes lines from its records.
pub struct SystemCalls {
    capture: Capture,
    ring: Ring,
    kernel: Arc<KernelCounts>,
    pipeline: Pipeline,
    guard: Guard,
    throttlings: Throttlings,
    telemetry: Arc<Telemetry>,
}

impl SystemCalls {
    /// Makes the source from a started capture and the parts of a pipeline.
    #[must_use]
    pub fn new(
        capture: Capture,
        ring: Ring,
        kernel: Arc<KernelCounts>,
        throttled: Throttled,
        parts: PipelineParts,
    ) -> Self {
        let telemetry = Arc::clone(&parts.telemetry);
        let mut pipeline = Pipeline::new(parts);
        pipeline.captures(capture.captured());
        Self {
            capture,
            ring,
            kernel,
            pipeline,
            guard: Guard::new(Arc::clone(&telemetry)),
            throttlings: Throttlings::new(throttled),
            telemetry,
        }
    }

    fn look_at_throttlings(&mut self, lines: &mut impl Lines) {
        let kernel = &self.kernel;
        let refused = Kind::ALL.map(|kind| kernel.get(kind, Counter::Throttled));
        let records = self
            .throttlings
            .look(refused, |key| self.pipeline.owner_of(key));
        self.pipeline.throttled(self.throttlings.places());
        let begun = records.iter().filter(|record| record.rule == BEGUN);
        let begun = u64::try_from(begun.count()).unwrap_or(u64::MAX);
        self.telemetry.throttlings.fetch_add(begun, Relaxed);
        self.announce(&records, lines);
    }

    /// Writes internal records to the outputs, and logs them.
    fn announce(&mut self, records: &[Record], lines: &mut impl Lines) {
        for record in records {
            warn!("{}", record.message);
            self.write(record, lines);
        }
    }

    /// Writes an internal record to the outputs and the recordings.
    fn write(&mut self, record: &Record, lines: &mut impl Lines) {
        let identity = &self.telemetry.identity;
        let record = record.written(identity);
        let line = record.line(identity);
        lines.line(record.priority, |_, out: &mut BytesMut| {
            out.extend_from_slice(&line);
        });
        self.pipeline.note(&record);
    }
}

impl EventSource for SystemCalls {
    type Language = Syscall;
    type Rules = Rules;
    type Demand = CaptureRequest;
    type Error = CaptureError;
    type Figures = PendingFigures;

    const CAUSES: &'static [&'static str] = &["undecodable"];
    const RIGHTS: &'static [&'static str] = &["CAP_BPF", "CAP_PERFMON"];
    const CONDITIONS: &'static [Condition] = &[Condition::ProgramsAttached];

    fn kinds() -> Vec<telemetry::Kind> {
        let kinds = Kind::ALL.into_iter().map(|kind| telemetry::Kind {
            name: kind.name(),
            buffer: match kind.part() {
                Part::Exec => "execve",
                Part::Connect => "connect",
                Part::Call(_) => "other_interest",
            },
        });
        kinds.collect()
    }

    fn begin(&mut self) {
        prefer_this_thread();
    }

    fn pass(&mut self, most: usize, lines: &mut impl Lines) -> io::Result<Next> {
        self.pipeline.begin_batch(lines);
        if let Some(watched) = self.pipeline.take_watched()
            && let Err(error) = self.capture.watch(watched)
        {
            warn!("observers see only what the rules want: {error}");
        }
        if self.pipeline.is_full() {
            return Ok(Next::After(FULL));
        }
        let Self { ring, pipeline, .. } = self;
        let drained = ring.drain(most, |record| pipeline.process(record, lines));
        #[cfg(feature = "bpf-log")]
        self.capture.take_over_log();
        for (key, class) in self.pipeline.take_classes() {
            self.capture
                .classify(key, class)
                .map_err(io::Error::other)?;
        }
        if self.throttlings.due() {
            self.look_at_throttlings(lines);
            self.pipeline.report_caches();
        }
        if let Some(record) = self.guard.check(&mut self.capture) {
            self.write(&record, lines);
        }
        for record in self.pipeline.take_said() {
            self.write(&record, lines);
        }
        Ok(match rest(drained) {
            Some(Duration::ZERO) => Next::Now,
            Some(pause) => Next::After(pause),
            None => Next::Wakeup,
        })
    }

    fn wakeups(&self) -> Vec<BorrowedFd<'_>> {
        let of_pipeline = self.pipeline.wakeups();
        of_pipeline.chain([self.ring.as_fd()]).collect()
    }

    fn patience(&mut self) -> Duration {
        self.pipeline.patience()
    }

    fn flushed(&mut self) {
        self.pipeline.flushed();
    }

    fn reload(&mut self, rules: Rules, demand: CaptureRequest) -> Result<(), CaptureError> {
        self.capture.apply(&demand)?;
        say_attached(&self.capture);
        self.pipeline.captures(self.capture.captured());
        let wider = rules.wider.as_ref();
        self.pipeline
            .set_rules(rules.set, rules.alerts, &rules.rule_recordings, wider);
        Ok(())
    }

    fn note(&mut self, record: &Written) {
        self.pipeline.note(record);
    }

    fn share(&mut self, share: Share, lines: &mut impl Lines) {
        self.pipeline.share(share, lines);
    }

    fn around(&mut self) -> Around {
        self.pipeline.around()
    }

    fn detach(&mut self) {
        self.capture.detach();
    }

    fn finish(&mut self, lines: &mut impl Lines) {
        self.pipeline.finish(lines);
        self.look_at_throttlings(lines);
        let ended = self.throttlings.finish();
        self.announce(&ended, lines);
        self.pipeline.end_recordings();
    }

    fn figures(&mut self) -> PendingFigures {
        let (events, bytes) = self.pipeline.waiting();
        PendingFigures {
            events,
            bytes,
            statistics: self.pipeline.waits(),
        }
    }
}

/// Has the kernel side drop the events of other nodes, where nodes share the kernel.
///
/// # Errors
/// If the kernel refuses the setting.
pub fn confine(capture: &mut Capture, cgroups: &Cgroups) -> Result<(), CaptureError> {
    let node = cgroups.node();
    if node.is_whole_machine() {
        return Ok(());
    }
    info!(
        "the node is a container itself: its cgroup is {}, and events outside of it belong to other nodes (sensor.node_cgroup)",
        node.path()
    );
    capture.confine()
}

/// Logs the attached programs, and a warning if the hook mode costs more than necessary.
pub fn say_attached(capture: &Capture) {
    let mut attached: Vec<&str> = Vec::new();
    for program in capture.attached() {
        // A program may have several hooks.
        if !attached.contains(&program) {
            attached.push(program);
        }
    }
    info!("programs attached: {}", attached.join(", "));
    for (mode, refused) in capture.refused() {
        let mode = mode.name();
        info!("the kernel refuses hooks of mode {mode}: {refused}");
    }
    if capture.mode() == HookMode::Raw && !capture.refused().is_empty() {
        warn!("system calls are hooked raw, which costs every one of them");
    }
}

/// Pause while no more events can wait for the end of a takeover.
const FULL: Duration = Duration::from_millis(2);

/// Niceness of the capture thread. On a machine whose CPUs are all busy, the ring buffer would fill
/// while the thread waits for its turn. The thread runs a few per cent of the time.
const NICENESS: i32 = -10;

/// Raises the priority of the capture thread. Without `CAP_SYS_NICE` the kernel refuses, and the
/// thread stays at the normal priority.
fn prefer_this_thread() {
    let _ = rustix::process::setpriority_process(Some(rustix::thread::gettid()), NICENESS);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lifecycle::KEPT;

    #[test]
    fn the_lock_down_keeps_the_capabilities_that_the_source_needs() {
        for right in SystemCalls::RIGHTS {
            assert!(KEPT.iter().any(|(name, ..)| name == right), "{right}");
        }
    }
}
