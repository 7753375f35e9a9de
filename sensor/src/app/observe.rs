//! Observes the node, from the start to the summary.

use std::{
    io::{self, IsTerminal as _},
    os::fd::OwnedFd,
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError, atomic::Ordering::Relaxed, mpsc},
    time::{Duration, Instant},
};

use anyhow::{Context as _, bail};
use config::{Config, ConfigError, EngineKind};
use events::{Feed, Reload};
use metadata::{MetadataTasks, Resolver};
use outputs::{Control, DropCause, Gate};
use telemetry::{Condition, Identity, Ledger, Loaded, Telemetry};
use tokio::runtime::Runtime;
use tracing::{error, info, warn};

use super::{
    Outcome,
    broken_rules::{self, Broken},
    gap::{self, Heartbeat, Moment},
    good_rules::{GoodRules, good_rules, start_rules},
    inspect::refused,
    monitor::{Monitor, Observed},
    options,
    quiet::Quiet,
    readiness::{Readiness, judge_runtimes},
    record::{self, RecordTo, Recording},
    replay, rights,
    rules::RuleLog,
    seat::Seat,
    start::start,
    summary::Summary,
    takeover::Own,
    tree,
};
use crate::{
    cli::{self, Args},
    lifecycle::{self, PidFile, Request, Signals, Watch},
    logging::{self, explain},
    reports::OutputReport,
    sources::syscall::{
        self, Rules, SystemCalls,
        capture::{Programs, Reach},
        recording,
        rules::Requirements,
        self_test::SelfTest,
    },
    takeover::Handing,
};

/// How often the main thread does its periodic work, between requests.
const TICK: Duration = Duration::from_millis(500);

/// How often it does so until the sensor is ready.
const START_TICK: Duration = Duration::from_millis(10);

/// How often the sensor gives freed memory back to the kernel.
const GIVE_BACK: Duration = Duration::from_secs(10);

/// Observes until a request stops the sensor or a part of it fails.
///
/// # Errors
/// If the sensor cannot start.
pub fn run(args: &Args) -> anyhow::Result<Outcome> {
    lifecycle::keep_large_apart();
    let mut watch = Watch::default();
    let loaded = &configuration(args, &mut watch)?;
    let config = &loaded.config;
    logging::apply(config);
    if config.engine.kind == EngineKind::Replay && args.recording().is_none() {
        return replay::configured(config);
    }
    rights::check()?;
    for warning in &loaded.warnings {
        warn!("{warning}");
    }
    tree::check(config)?;
    let seat = Seat::take(config)?;
    let (rules, broken) = start_rules(loaded, seat.folder())?;
    let mut remarks = RuleLog::default();
    remarks.say("starting", &rules.set);
    let _pid_file = match &args.pid_file {
        Some(path) => {
            let file = PidFile::create(path);
            Some(file.with_context(|| format!("cannot write the pid file {}", path.display()))?)
        }
        None => None,
    };
    let recording = args.recording().map(|(path, writes_lines)| RecordTo {
        path,
        writes_lines,
        everything: args.rules.is_empty(),
    });
    let stands_by = matches!(seat, Seat::Behind(_));
    let mut started = start(loaded, Arc::clone(&rules.set), recording, stands_by)?;
    match &broken {
        Some(broken) => started.say_broken(broken),
        None => started.telemetry.health.hold(Condition::RulesGood),
    }
    let predecessor = match seat {
        Seat::Alone(instance, state) => {
            if let Some(former) = gap::former(state.as_ref()) {
                let gap = former.gap(&started.identity.boot_id, started.attached);
                started.feed.record(gap);
            }
            started.own = Own::new(&started, state, Some(instance));
            None
        }
        Seat::Behind(predecessor) => Some(predecessor),
    };
    // Who waits for the log line of this step finds the doors in the state folder open.
    rights::give_up(config, &started.identity);
    lifecycle::give_back();
    if let Some(predecessor) = predecessor
        && !started.take_over_from(*predecessor, args)?
    {
        // What the outputs have is nothing: the other sensor writes.
        started.leave(Duration::ZERO);
        return Ok(Outcome::Done);
    }
    match broken {
        Some(broken) => started.take_over_broken(broken),
        None => started.take_over(&rules),
    }
    let end = started.wait(args, loaded, watch, remarks);
    if end.unread {
        started.leave(end.config.sensor.stop_deadline.0);
        return Ok(Outcome::Unread);
    }
    info!("stopping");
    started.stop(&end.config, end.drops, end.handing)
}

/// Why the sensor stops waiting.
struct End {
    /// The configuration in force.
    config: Config,
    /// The counts of the monitor, see [`Monitor::counts`].
    drops: (u64, u64),
    /// Whether nobody reads the lines any more.
    unread: bool,
    /// The sensor that has taken over.
    handing: Option<Handing>,
}

/// The running sensor.
pub(super) struct Running {
    pub(super) feed: Feed<SystemCalls>,
    pub(super) telemetry: Arc<Telemetry>,
    pub(super) ledger: Arc<Ledger>,
    pub(super) outputs: OutputReport,
    pub(super) control: Control,
    pub(super) identity: Arc<Identity>,
    pub(super) metadata: MetadataTasks,
    pub(super) resolver: Resolver,
    pub(super) self_test: Option<SelfTest>,
    pub(super) reach: Reach,
    pub(super) programs: Programs,
    /// What recorders need beyond the rules.
    pub(super) wider: Option<Requirements>,
    pub(super) recording: Option<Recording>,
    /// Where observers come in.
    pub(super) observers: recording::Door,
    /// Closed until the predecessor has written its last line.
    pub(super) gate: Gate,
    /// The socket of the web server.
    pub(super) port: Option<OwnedFd>,
    /// What only one sensor of an instance has.
    pub(super) own: Own,
    pub(super) heartbeat: Heartbeat,
    /// From this moment on the sensor sees events.
    pub(super) attached: Moment,
    /// The files that were broken at the start, until a reload finds all files good.
    pub(super) broken: Arc<Mutex<Vec<Box<str>>>>,
    pub(super) sender: mpsc::Sender<Request>,
    pub(super) requests: mpsc::Receiver<Request>,
    /// Whether a reload was asked for while the sensor stood by.
    pub(super) reload_later: bool,
    pub(super) _signals: Signals,
    pub(super) _runtime: Runtime,
}

impl Running {
    /// Says in readiness which rules files are broken.
    fn say_broken(&self, broken: &Broken) {
        let health = &self.telemetry.health;
        health.fail(Condition::RulesGood, broken.to_string());
    }

    /// Says in the stream and in metrics which rules files are broken.
    fn take_over_broken(&self, broken: Broken) {
        self.feed.record(broken.record());
        *self.broken.lock().unwrap_or_else(PoisonError::into_inner) = broken.files;
    }

    /// Keeps rules that are in force, all of whose files are good.
    fn take_over(&self, rules: &GoodRules) {
        broken_rules::keep(&rules.files, self.own.state.as_ref());
        self.telemetry.health.hold(Condition::RulesGood);
        let mut broken = self.broken.lock().unwrap_or_else(PoisonError::into_inner);
        broken.clear();
    }

    /// Waits until the sensor has to stop.
    fn wait(
        &mut self,
        args: &Args,
        loaded: &config::Loaded,
        mut watch: Watch,
        mut remarks: RuleLog,
    ) -> End {
        let mut config = loaded.config.clone();
        let mut monitor = Monitor::new(&config, &self.telemetry, self.self_test.take());
        let mut readiness = Readiness::new();
        let mut quiet = Quiet::new(self.reach);
        let (mut unread, mut said_unread) = (false, false);
        let figures = self.feed.figures();
        let (mut looked, mut beaten) = (Instant::now(), Instant::now());
        let mut given_back = Instant::now();
        let end = args
            .stop_after
            .filter(|seconds| *seconds > 0)
            .and_then(|seconds| Instant::now().checked_add(Duration::from_secs(seconds)));
        let mut handing = None;
        loop {
            let mut reload = std::mem::take(&mut self.reload_later);
            let mut tick = if reload { Duration::ZERO } else { TICK };
            if !readiness.is_settled() {
                self.look_at_health(&mut readiness);
                tick = START_TICK;
            }
            let left = end.map_or(tick, |end| end.saturating_duration_since(Instant::now()));
            match self.requests.recv_timeout(left.min(tick)) {
                Ok(Request::Stop) | Err(mpsc::RecvTimeoutError::Disconnected) => break,
                Ok(Request::HandOver) => {
                    handing = self.hand_over();
                    if handing.is_some() {
                        break;
                    }
                }
                Ok(Request::Reload) => reload = true,
                Ok(Request::Reopen) => self.control.reopen(),
                Err(mpsc::RecvTimeoutError::Timeout) => {}
            }
            let has_recorded = self.recording.as_ref().is_some_and(Recording::has_ended);
            if has_recorded || self.feed.has_ended() || end.is_some_and(|end| Instant::now() >= end)
            {
                break;
            }
            if self.control.is_unread() {
                if self.control.active().len() == 1 {
                    unread = true;
                    break;
                }
                if !std::mem::replace(&mut said_unread, true) {
                    error!("nobody reads standard output any more; the other outputs go on");
                }
            }
            if looked.elapsed() >= Duration::from_secs(1) {
                looked = Instant::now();
                reload |= config.watch_config_files && watch.changed();
                self.look_at_health(&mut readiness);
            }
            if beaten.elapsed() >= gap::BEAT {
                beaten = Instant::now();
                let (held, state) = (figures().events, self.own.state.as_ref());
                self.heartbeat
                    .beat(&self.ledger, held, &self.control, state);
            }
            if let Some(ready) = readiness.ready_since() {
                quiet.look(Instant::now(), ready, || self.ledger.totals(), &config);
            }
            if given_back.elapsed() >= GIVE_BACK {
                given_back = Instant::now();
                lifecycle::give_back();
            }
            if reload && let Some(new) = self.reload(args, &mut watch, &mut remarks) {
                monitor.reconfigure(&new.config, &self.telemetry);
                config = new.config;
            }
            let observed = Observed {
                telemetry: &self.telemetry,
                ledger: &self.ledger,
                outputs: &self.outputs,
            };
            if monitor.tick(&observed, &config, &self.feed) {
                error!("events are lost, and syscall_event_drops.actions says to stop then");
                break;
            }
        }
        if handing.is_none() && !unread && !self.feed.has_ended() {
            handing = self.hand_over();
        }
        End {
            config,
            drops: monitor.counts(),
            unread,
            handing,
        }
    }

    pub(super) fn look_at_health(&self, readiness: &mut Readiness) {
        self.telemetry.probe();
        let health = &self.telemetry.health;
        judge_runtimes(&self.metadata.health(), health);
        readiness.look(health, Instant::now());
    }

    /// Reads configuration and rules again. After any error the old configuration and rules stay in
    /// force.
    fn reload(
        &self,
        args: &Args,
        watch: &mut Watch,
        remarks: &mut RuleLog,
    ) -> Option<config::Loaded> {
        let done = self.try_reload(args, watch, remarks);
        let telemetry = &self.telemetry;
        match done {
            Ok(loaded) => {
                telemetry.reloads.fetch_add(1, Relaxed);
                watch.keep(watched(&loaded));
                Some(loaded)
            }
            Err(error) => {
                telemetry.failed_reloads.fetch_add(1, Relaxed);
                error!(
                    "not reloaded, the old configuration and rules stay: {}",
                    explain(error.as_ref())
                );
                None
            }
        }
    }

    fn try_reload(
        &self,
        args: &Args,
        watch: &mut Watch,
        remarks: &mut RuleLog,
    ) -> anyhow::Result<config::Loaded> {
        let loaded = configuration(args, watch)?;
        for warning in &loaded.warnings {
            warn!("{warning}");
        }
        let good = good_rules(&loaded).map_err(|report| refused(&report))?;
        let rules = &good.set;
        let digest = rules.digest().to_owned();
        let outputs = self.control.prepare(&loaded.config, &self.identity)?;
        let domains = rules.requirements().domains.clone();
        let (done, result) = mpsc::channel();
        let profile = loaded.config.sensor.rules.profile;
        self.telemetry.rules.set_profiling(profile);
        self.feed.reload(Reload {
            demand: syscall::options::capture_request(
                &loaded.config,
                &rules.requirements_with(self.wider.as_ref()),
            ),
            rules: Rules {
                set: Arc::clone(rules),
                alerts: options::alerts(&loaded.config),
                rule_recordings: loaded.config.capture.clone(),
                wider: self.wider.clone(),
            },
            outputs: Some(outputs),
            done,
        });
        result.recv().context("the capture thread has ended")??;
        self.take_over(&good);
        let refresh = loaded.config.sensor.dns.refresh.0;
        // The new rules are in force by now, so a refused thread must not read as a refused reload.
        if let Err(error) = self.resolver.set(&domains, refresh) {
            warn!("the domain names of the new rules are not resolved: {error}");
        }
        self.outputs.set_timeout(loaded.config.output_timeout.0);
        logging::apply(&loaded.config);
        remarks.say("reloaded", rules);
        lifecycle::set_patience(loaded.config.sensor.stop_deadline.0);
        let now = Loaded::new(&loaded.config, &loaded.digest, &digest);
        self.identity.set_loaded(now);
        Ok(loaded)
    }

    /// Stops, tells the sensor that has taken over how far it is, and prints the summary.
    fn stop(
        mut self,
        config: &Config,
        drops: (u64, u64),
        mut handing: Option<Handing>,
    ) -> anyhow::Result<Outcome> {
        let at = handing.as_ref().map(|handing| Moment::of(handing.at));
        let before = at.unwrap_or_else(Moment::now);
        let Ok(finished) = self.feed.stop() else {
            bail!("the capture thread panicked");
        };
        if let Some(handing) = &mut handing {
            said(handing.handed(finished.around));
        }
        let recorded = self.recording.map(Recording::finish).transpose()?;
        let summary = Summary {
            outputs: finished.outputs.stop(config.sensor.stop_deadline.0),
            telemetry: &self.telemetry,
            totals: self.ledger.totals(),
            waiting: finished.figures,
            programs: self.programs.read(),
            drops,
        };
        if finished.error.is_none() && !lifecycle::panicked() {
            self.heartbeat.stopped(before, self.own.state.as_ref());
        }
        // The doors close before the next sensor opens its own.
        self.own.close();
        if let Some(handing) = &mut handing {
            let outputs = summary.outputs.iter();
            let dropped = outputs.map(|(_, counts)| counts.dropped[DropCause::Stopped as usize]);
            said(handing.written(dropped.sum()));
        }
        let text = if std::io::stderr().is_terminal() {
            summary.for_people()
        } else {
            summary.for_programs()
        };
        eprint!("{}", recorded.unwrap_or(text));
        if let Some(error) = finished.error {
            error!("the capture thread ended: {error}");
            return Ok(Outcome::Failed);
        }
        Ok(if lifecycle::panicked() {
            Outcome::Failed
        } else {
            Outcome::Done
        })
    }

    /// Stops without a word, since nobody reads what the sensor writes.
    fn leave(self, deadline: Duration) {
        if let Ok(finished) = self.feed.stop() {
            // Nobody is left who would hear of lines that are lost.
            let _ = finished.outputs.stop(deadline);
        }
    }
}

/// Reads the configuration. `watch` reports any change of the configuration or its rules from here
/// on, also a change made while this function reads them.
fn configuration(args: &Args, watch: &mut Watch) -> anyhow::Result<config::Loaded> {
    loop {
        // The next lines read whatever has changed until now.
        watch.changed();
        let mut read = cli::configuration(args);
        if let (Some((_, writes_lines)), Ok(loaded)) = (args.recording(), &mut read) {
            record::apart(&mut loaded.config, writes_lines, args.rules.is_empty());
        }
        let new = match &read {
            Ok(loaded) => watch.add(watched(loaded)),
            Err(error) => match error.downcast_ref::<ConfigError>() {
                Some(error) => watch.add(error.files()),
                None => false,
            },
        };
        // The configuration named a file that was not watched while it was read, so read everything
        // again.
        if !new {
            return read;
        }
    }
}

/// The files that the sensor watches for changes.
fn watched(loaded: &config::Loaded) -> impl Iterator<Item = &PathBuf> {
    loaded.files.iter().chain(&loaded.config.rules_files)
}

/// The sensor that takes over may have ended meanwhile; the next one tells the gap.
fn said(told: io::Result<()>) {
    if let Err(error) = told {
        warn!("the sensor that has taken over does not listen: {error}");
    }
}
