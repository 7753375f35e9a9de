//! Observes the node, from the start to the summary.

use std::{
    path::PathBuf,
    sync::{Arc, atomic::Ordering::Relaxed, mpsc},
    time::{Duration, Instant},
};

use anyhow::{Context as _, bail};
use config::{Config, ConfigError, WantedEnv};
use events::{Feed, Reload};
use metadata::{MetadataTasks, Resolver};
use outputs::Control;
use telemetry::{Condition, Identity, Ledger, Loaded, Telemetry};
use tokio::runtime::Runtime;
use tracing::{debug, error, info, warn};

use super::{
    monitor::{Monitor, Observed},
    options,
    rules::{self, Remarks},
    start::start,
    summary,
};
use crate::{
    cli::{self, Args},
    lifecycle::{self, Instance, PidFile, Request, Signals, Watch},
    logging,
    reports::{self, OutputReport},
    sources::syscall::{
        self, Rules, SystemCalls,
        capture::Programs,
        fields::Needs,
        rules::{Code, Compilation, RuleSet},
        self_test::SelfTest,
    },
};

/// How often the main thread does its periodic work, between requests.
const TICK: Duration = Duration::from_millis(500);

/// How often the sensor gives freed memory back to the kernel.
const GIVE_BACK: Duration = Duration::from_secs(10);

/// Observes until a request stops the sensor or a part of it fails. Returns false after a failure.
///
/// # Errors
/// If the sensor cannot start.
pub fn run(args: &Args) -> anyhow::Result<bool> {
    lifecycle::keep_large_apart();
    let mut watch = Watch::default();
    let loaded = &configuration(args, &mut watch)?;
    let config = &loaded.config;
    logging::apply(config);
    for warning in &loaded.warnings {
        warn!("{warning}");
    }
    let rules = Arc::new(rules_of(loaded)?);
    let mut remarks = Remarks::default();
    remarks.say(&rules);
    let _instance = Instance::take(&config.sensor.instance)?;
    let _pid_file = match &args.pid_file {
        Some(path) => Some(PidFile::create(path).with_context(|| path.display().to_string())?),
        None => None,
    };
    let mut started = start(loaded, rules)?;
    info!("ready");
    let asked = started.wait(args, loaded, watch, remarks);
    info!("stopping");
    started.stop(config, asked)
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
    pub(super) programs: Programs,
    pub(super) requests: mpsc::Receiver<Request>,
    pub(super) _signals: Signals,
    pub(super) _runtime: Runtime,
}

impl Running {
    /// Waits until the sensor has to stop. Returns the counts of the monitor, see
    /// [`Monitor::counts`].
    fn wait(
        &mut self,
        args: &Args,
        loaded: &config::Loaded,
        mut watch: Watch,
        mut remarks: Remarks,
    ) -> (u64, u64) {
        let mut config = loaded.config.clone();
        let mut monitor = Monitor::new(&config, &self.telemetry, self.self_test.take());
        let mut looked = Instant::now();
        let mut given_back = Instant::now();
        let end = args
            .stop_after
            .map(|seconds| Instant::now() + Duration::from_secs(seconds));
        loop {
            let mut reload = false;
            let left = end.map_or(TICK, |end| end.saturating_duration_since(Instant::now()));
            match self.requests.recv_timeout(left.min(TICK)) {
                Ok(Request::Stop) | Err(mpsc::RecvTimeoutError::Disconnected) => break,
                Ok(Request::Reload) => reload = true,
                Ok(Request::Reopen) => self.control.reopen(),
                Err(mpsc::RecvTimeoutError::Timeout) => {}
            }
            if self.feed.has_ended() || end.is_some_and(|end| Instant::now() >= end) {
                break;
            }
            if looked.elapsed() >= Duration::from_secs(1) {
                looked = Instant::now();
                reload |= config.watch_config_files && watch.changed();
                self.look_at_health();
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
        monitor.counts()
    }

    fn look_at_health(&self) {
        let health = &self.telemetry.health;
        self.telemetry.probe();
        if self.metadata.health().runtimes_ready() {
            health.hold(Condition::ContainerdAnswered);
        } else {
            health.fail(
                Condition::ContainerdAnswered,
                "a container runtime does not answer",
            );
        }
    }

    /// Reads configuration and rules again. After any error the old configuration and rules stay in
    /// force.
    fn reload(
        &self,
        args: &Args,
        watch: &mut Watch,
        remarks: &mut Remarks,
    ) -> Option<config::Loaded> {
        let done = self.try_reload(args, watch, remarks);
        let telemetry = &self.telemetry;
        match done {
            Ok(loaded) => {
                telemetry.reloads.fetch_add(1, Relaxed);
                info!("reloaded");
                watch.keep(watched(&loaded));
                Some(loaded)
            }
            Err(error) => {
                telemetry.failed_reloads.fetch_add(1, Relaxed);
                error!("not reloaded, the old configuration and rules stay: {error:#}");
                None
            }
        }
    }

    fn try_reload(
        &self,
        args: &Args,
        watch: &mut Watch,
        remarks: &mut Remarks,
    ) -> anyhow::Result<config::Loaded> {
        let loaded = configuration(args, watch)?;
        for warning in &loaded.warnings {
            warn!("{warning}");
        }
        let rules = Arc::new(rules_of(&loaded)?);
        let digest = rules.digest().to_owned();
        let outputs = self.control.prepare(&loaded.config, &self.identity)?;
        let domains = rules.requirements().domains.clone();
        let (done, result) = mpsc::channel();
        self.feed.reload(Reload {
            demand: syscall::options::capture_request(&loaded.config, rules.requirements()),
            rules: Rules {
                set: Arc::clone(&rules),
                alerts: options::alerts(&loaded.config),
            },
            outputs,
            done,
        });
        result.recv().context("the capture thread has ended")??;
        remarks.say(&rules);
        let refresh = loaded.config.sensor.dns.refresh.0;
        self.resolver.set(&domains, refresh)?;
        self.outputs.set_timeout(loaded.config.output_timeout.0);
        logging::apply(&loaded.config);
        self.identity.set_loaded(Loaded {
            rules: digest,
            config: loaded.digest.clone(),
        });
        Ok(loaded)
    }

    fn stop(self, config: &Config, drops: (u64, u64)) -> anyhow::Result<bool> {
        let Ok(finished) = self.feed.stop() else {
            bail!("the capture thread panicked");
        };
        let counts = finished.outputs.stop(config.sensor.stop_deadline.0);
        eprint!(
            "{}",
            reports::drop_summary(&self.telemetry, &self.outputs, drops)
        );
        eprint!(
            "{}",
            summary::text(&self.ledger.totals(), &finished.figures, &counts)
        );
        eprint!("{}", summary::skipped(&self.programs.read()));
        if let Some(error) = finished.error {
            error!("the capture thread ended: {error}");
            return Ok(false);
        }
        Ok(!lifecycle::panicked())
    }
}

/// Reads the configuration. `watch` reports any change of the configuration or its rules from here
/// on, also a change made while this function reads them.
fn configuration(args: &Args, watch: &mut Watch) -> Result<config::Loaded, ConfigError> {
    loop {
        // The next lines read whatever has changed until now.
        watch.changed();
        let read = cli::configuration(args);
        let new = match &read {
            Ok(loaded) => watch.add(watched(loaded)),
            Err(error) => watch.add(error.files()),
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

fn rules_of(loaded: &config::Loaded) -> anyhow::Result<RuleSet> {
    match rules::load(&loaded.config) {
        Ok(Compilation {
            set: Some(set),
            report,
        }) => {
            for problem in report.problems() {
                if problem.code == Code::Spelling {
                    // Falco takes the spelling silently.
                    debug!("{}", problem.diagnostic);
                } else {
                    warn!("{}", problem.diagnostic);
                }
            }
            let wants_env = set.requirements().needs.contains(Needs::ENV);
            if wants_env && set.env().variables == WantedEnv::None {
                warn!(
                    "rules look at the environment, of which they see nothing: name variables in sensor.capture.env"
                );
            }
            Ok(set)
        }
        Ok(Compilation { set: None, report }) | Err(report) => bail!("{}", report.text()),
    }
}
