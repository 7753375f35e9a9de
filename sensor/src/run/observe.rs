//! Observing the node, from the start to the last words.

use std::{
    path::PathBuf,
    sync::{Arc, atomic::Ordering::Relaxed, mpsc},
    time::{Duration, Instant},
};

use anyhow::{Context as _, bail};
use config::{Config, ConfigError, WantedEnv};
use events::ReleaseCounts;
use metadata::{Counters, MetadataTasks, Notice, Users};
use telemetry::{Condition, Ledger, Telemetry};
use tokio::runtime::Runtime;
use tracing::{error, info, warn};

use super::{
    metrics,
    monitor::{Monitor, Observed},
    rights, rules, summary,
};
use crate::{
    agent::{Agent, Cgroups, Node, Parts, Pending, Reload, ledger, settings, tell_attached},
    capture::{self, Capture, Programs},
    cli::{self, Args},
    fields::Needs,
    lifecycle::{self, Instance, PidFile, Request, Signals, Watch},
    lineage::Lineage,
    logging,
    output::{Control, Identity, Loaded, Outputs},
    reports::{self, OutputReport, Server},
    rules::{Code, Compilation, RuleSet},
    self_test::{Marker, SelfTest},
};

/// How often the main thread looks whether something is to be done that nobody asks it for.
const TICK: Duration = Duration::from_millis(500);

/// How often freed memory is given back to the kernel.
const GIVE_BACK: Duration = Duration::from_secs(10);

/// Observes until it is told to stop, or something breaks. False if something broke.
///
/// # Errors
/// If it cannot start.
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
    info!(
        "rules loaded: {} of {} files",
        rules.rules().len(),
        rules.files().len()
    );
    let _instance = Instance::take(&config.sensor.instance)?;
    let _pid_file = match &args.pid_file {
        Some(path) => Some(PidFile::create(path).with_context(|| path.display().to_string())?),
        None => None,
    };
    let mut started = start(loaded, rules)?;
    info!("ready");
    let asked = started.wait(args, loaded, watch);
    info!("stopping");
    started.stop(config, asked)
}

/// The running sensor.
struct Running {
    agent: Agent,
    telemetry: Arc<Telemetry>,
    ledger: Arc<Ledger>,
    outputs: OutputReport,
    control: Control,
    identity: Arc<Identity>,
    metadata: MetadataTasks,
    self_test: Option<SelfTest>,
    programs: Programs,
    requests: mpsc::Receiver<Request>,
    _signals: Signals,
    _runtime: Runtime,
}

fn start(loaded: &config::Loaded, rules: Arc<RuleSet>) -> anyhow::Result<Running> {
    let config = &loaded.config;
    let identity = Arc::new(Identity::new(config));
    identity.set_loaded(Loaded {
        rules: rules.digest().to_owned(),
        config: loaded.digest.clone(),
    });
    let telemetry = Arc::new(Telemetry::new(Arc::clone(&identity)));
    let (sender, requests) = mpsc::channel();
    let signals = {
        let sender = sender.clone();
        Signals::listen(move |request| sender.send(request).is_ok())
            .context("cannot receive signals")?
    };
    {
        let telemetry = Arc::clone(&telemetry);
        lifecycle::install_panic_hook(config.sensor.stop_deadline.0, move || {
            telemetry.panics.fetch_add(1, Relaxed);
            // Whoever waits for requests may be the one that panicked.
            let _ = sender.send(Request::Stop);
        });
    }
    let outputs = Outputs::start(config, &identity)?;
    let control = outputs.control();
    let report = OutputReport::new(control.clone());
    report.connect(&telemetry);
    report.set_timeout(config.output_timeout.0);
    telemetry.health.require(Condition::OutputsWritable);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .thread_name("metadata")
        .enable_all()
        .build()
        .context("cannot start the threads for containerd and the API server")?;
    let counters = Arc::new(Counters::default());
    let options = settings::metadata(config);
    let namespaces = options.containerd.namespaces.clone();
    if options.containerd.enabled {
        telemetry.health.require(Condition::ContainerdAnswered);
    }
    let (caches, metadata) = metadata::start(
        options,
        runtime.handle(),
        &counters,
        Arc::new(|notice| announce(&notice)),
    )
    .context("cannot start the metadata tasks")?;
    let wants = settings::wants(config, rules.requirements());
    let marker = Arc::<Marker>::default();
    let self_test = start_self_test(config, &telemetry, &marker);
    let capture::Started {
        capture,
        ring,
        counts,
        throttled,
        fill,
        programs,
    } = start_capture(&settings::capture(config, &marker), &wants, &telemetry)?;
    let lineage = Lineage::scan(&config.sensor.proc_root, Arc::clone(&counters));
    let kernel = Arc::new(counts);
    let ledger = Arc::new(ledger());
    let releases = Arc::<ReleaseCounts>::default();
    let sources = metrics::Sources {
        ledger: Arc::clone(&ledger),
        kernel: Arc::clone(&kernel),
        fill,
        programs: programs.clone(),
        enrichment: Arc::clone(&counters),
        releases: Arc::clone(&releases),
        marker: Arc::clone(&marker),
    };
    metrics::connect(&telemetry, sources);
    let parts = Parts {
        rules,
        alerts: settings::alerts(config),
        node: Node::new(&identity.hostname, &identity.boot_id),
        metadata: caches,
        pending: Pending::new(settings::hold(config), Arc::clone(&releases)),
        users: Users::new(settings::users(config), Arc::clone(&counters)),
        lineage,
        cgroups: Cgroups::new(namespaces),
        ledger: Arc::clone(&ledger),
        telemetry: Arc::clone(&telemetry),
        marker,
    };
    if config.webserver.enabled {
        let server = runtime.block_on(Server::bind(&config.webserver))?;
        info!("webserver listens at {}", server.address());
        runtime.spawn(server.run(Arc::clone(&telemetry)));
    }
    let agent = Agent::start(capture, ring, kernel, throttled, parts, outputs)
        .context("cannot start the capture thread")?;
    metrics::figures(&telemetry, agent.figures());
    rights::give_up(config, &identity);
    lifecycle::give_back();
    Ok(Running {
        agent,
        telemetry,
        ledger,
        outputs: report,
        control,
        identity,
        metadata,
        self_test,
        programs,
        requests,
        _signals: signals,
        _runtime: runtime,
    })
}

impl Running {
    /// Until it is to stop. What the monitor counted.
    fn wait(&mut self, args: &Args, loaded: &config::Loaded, mut watch: Watch) -> (u64, u64) {
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
            if self.agent.has_ended() || end.is_some_and(|end| Instant::now() >= end) {
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
            if reload && let Some(new) = self.reload(args, &mut watch) {
                monitor.reconfigure(&new.config, &self.telemetry);
                config = new.config;
            }
            let observed = Observed {
                telemetry: &self.telemetry,
                ledger: &self.ledger,
                outputs: &self.outputs,
                identity: &self.identity,
            };
            if monitor.tick(&observed, &config, &self.agent) {
                error!("events are lost, and syscall_event_drops.actions says to stop then");
                break;
            }
        }
        monitor.counts()
    }

    fn look_at_health(&self) {
        let health = &self.telemetry.health;
        self.telemetry.probe();
        if self.metadata.health().containerd_ready() {
            health.hold(Condition::ContainerdAnswered);
        } else {
            health.fail(
                Condition::ContainerdAnswered,
                "no socket of containerd answers",
            );
        }
    }

    /// Reads configuration and rules again. Anything wrong leaves the old ones in force.
    fn reload(&self, args: &Args, watch: &mut Watch) -> Option<config::Loaded> {
        let done = self.try_reload(args, watch);
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

    fn try_reload(&self, args: &Args, watch: &mut Watch) -> anyhow::Result<config::Loaded> {
        let loaded = configuration(args, watch)?;
        for warning in &loaded.warnings {
            warn!("{warning}");
        }
        let rules = Arc::new(rules_of(&loaded)?);
        let digest = rules.digest().to_owned();
        let outputs = self.control.prepare(&loaded.config, &self.identity)?;
        let (done, result) = mpsc::channel();
        self.agent.reload(Reload {
            wants: settings::wants(&loaded.config, rules.requirements()),
            alerts: settings::alerts(&loaded.config),
            outputs,
            rules,
            done,
        });
        result.recv().context("the capture thread has ended")??;
        self.outputs.set_timeout(loaded.config.output_timeout.0);
        logging::apply(&loaded.config);
        self.identity.set_loaded(Loaded {
            rules: digest,
            config: loaded.digest.clone(),
        });
        Ok(loaded)
    }

    fn stop(self, config: &Config, drops: (u64, u64)) -> anyhow::Result<bool> {
        let Ok(finished) = self.agent.stop() else {
            bail!("the capture thread panicked");
        };
        let counts = finished.outputs.stop(config.sensor.stop_deadline.0);
        eprint!(
            "{}",
            reports::drop_summary(&self.telemetry, &self.outputs, drops)
        );
        eprint!(
            "{}",
            summary::text(&self.ledger.totals(), &finished.snapshot, &counts)
        );
        eprint!("{}", summary::skipped(&self.programs.read()));
        if let Some(error) = finished.error {
            error!("the capture thread ended: {error}");
            return Ok(false);
        }
        Ok(!lifecycle::panicked())
    }
}

/// Loads and attaches the programs, and says which.
fn start_capture(
    options: &capture::Options,
    wants: &capture::Wants,
    telemetry: &Telemetry,
) -> anyhow::Result<capture::Started> {
    telemetry.health.require(Condition::ProgramsAttached);
    let started = Capture::start(options, wants)?;
    tell_attached(&started.capture);
    telemetry.health.hold(Condition::ProgramsAttached);
    Ok(started)
}

/// The self-test, where there can be one: readiness then waits for it.
fn start_self_test(
    config: &Config,
    telemetry: &Telemetry,
    marker: &Arc<Marker>,
) -> Option<SelfTest> {
    let config = &config.sensor.self_test;
    if !config.enabled {
        return None;
    }
    match SelfTest::start(config, marker) {
        Ok(test) => {
            telemetry.health.require(Condition::SelfTestPassed);
            Some(test)
        }
        Err(error) => {
            warn!("no self-test: {error}");
            None
        }
    }
}

/// Reads the configuration. Whatever is changed from here on, of it or of its rules,
/// while they are still being read too, is a change to `watch`.
fn configuration(args: &Args, watch: &mut Watch) -> Result<config::Loaded, ConfigError> {
    loop {
        // What has changed until now is about to be read.
        watch.changed();
        let read = cli::configuration(args);
        let new = match &read {
            Ok(loaded) => watch.add(watched(loaded)),
            Err(error) => watch.add(error.files()),
        };
        // What was not watched while it was read is read again.
        if !new {
            return read;
        }
    }
}

/// The files that are looked at for changes.
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
                    info!("{}", problem.diagnostic);
                } else {
                    warn!("{}", problem.diagnostic);
                }
            }
            let wants_env = set.requirements().needs.contains(Needs::ENV);
            if wants_env && *set.env() == WantedEnv::None {
                warn!(
                    "rules look at the environment, of which they see nothing: name variables in sensor.capture.env"
                );
            }
            Ok(set)
        }
        Ok(Compilation { set: None, report }) | Err(report) => bail!("{}", report.text()),
    }
}

fn announce(notice: &Notice) {
    match notice {
        Notice::ContainerdUp { .. } | Notice::KubeUp { .. } => info!("{notice}"),
        _ => warn!("{notice}"),
    }
}
