//! Observing the node, from the start to the last words.

use std::{
    sync::{Arc, mpsc},
    time::{Duration, Instant},
};

use anyhow::{Context as _, bail};

use super::{rules, summary};
use crate::{
    agent::{Agent, Cgroups, Node, Parts, Reload, settings},
    capture::Capture,
    cli::Args,
    config::Loaded,
    enrich::{self, Hold, Lineage, Notice, Users},
    log_error, log_info, log_warning,
    output::{Identity, Outputs},
    rules::{Compilation, RuleSet},
};

/// How often the main thread looks whether something is to be done.
const TICK: Duration = Duration::from_millis(50);

/// Observes until it is told to stop, or something breaks. False if something broke.
///
/// # Errors
/// If it cannot start.
pub fn run(args: &Args, loaded: &Loaded) -> anyhow::Result<bool> {
    let config = &loaded.config;
    for warning in &loaded.warnings {
        log_warning!("{warning}");
    }
    let rules = Arc::new(rules_of(loaded)?);
    let identity = Arc::new(Identity::new(config));
    let outputs = Outputs::start(config, &identity)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .thread_name("metadata")
        .enable_all()
        .build()
        .context("cannot start the threads for containerd and the API server")?;
    let counters = Arc::new(enrich::Counters::default());
    let metadata_options = settings::metadata(config);
    let namespaces = metadata_options.containerd.namespaces.clone();
    let (metadata, _tasks) = enrich::start(
        metadata_options,
        runtime.handle(),
        &counters,
        Arc::new(|notice| announce(&notice)),
    )
    .context("cannot start the metadata tasks")?;
    let wants = settings::wants(config, rules.requirements());
    let (capture, ring, kernel) = Capture::start(&settings::capture(config), &wants)?;
    log_info!(
        "programs attached: {}",
        capture.attached().collect::<Vec<_>>().join(", ")
    );
    if let Some(refused) = capture.refused() {
        log_warning!("system calls are hooked raw, which costs every one of them: {refused}");
    }
    let mut lineage = Lineage::new();
    lineage.scan(&config.sensor.proc_root);
    let parts = Parts {
        rules: Arc::clone(&rules),
        alerts: settings::alerts(config),
        node: Node::new(&identity.hostname, &identity.boot_id),
        metadata,
        hold: Hold::new(settings::hold(config), Arc::clone(&counters)),
        users: Users::new(settings::users(config), Arc::clone(&counters)),
        lineage,
        cgroups: Cgroups::new(namespaces),
    };
    let control = outputs.control();
    let signals = signals()?;
    let agent = Agent::start(capture, ring, kernel, parts, outputs)
        .context("cannot start the capture thread")?;
    log_info!("ready");

    let end = args
        .stop_after
        .map(|seconds| Instant::now() + Duration::from_secs(seconds));
    loop {
        match signals.recv_timeout(TICK) {
            Ok(libc::SIGHUP) => reload(args, &agent),
            Ok(libc::SIGUSR1) => control.reopen(),
            Ok(_) => break,
            Err(_) => {}
        }
        if agent.has_ended() || end.is_some_and(|end| Instant::now() >= end) {
            break;
        }
    }
    log_info!("stopping");
    let Ok(finished) = agent.stop() else {
        bail!("the capture thread panicked");
    };
    let counts = finished.outputs.stop(config.sensor.stop_deadline.0);
    eprint!("{}", summary::text(&finished.snapshot, &counts));
    if let Some(error) = finished.error {
        log_error!("the capture thread ended: {error}");
        return Ok(false);
    }
    Ok(true)
}

fn rules_of(loaded: &Loaded) -> anyhow::Result<RuleSet> {
    match rules::load(&loaded.config) {
        Ok(Compilation {
            set: Some(set),
            report,
        }) => {
            for problem in report.problems() {
                log_warning!("{}", problem.diagnostic);
            }
            Ok(set)
        }
        Ok(Compilation { set: None, report }) | Err(report) => bail!("{}", report.text()),
    }
}

/// Reads configuration and rules again. Anything wrong leaves the old ones in force.
fn reload(args: &Args, agent: &Agent) {
    let loaded = match crate::cli::configuration(args) {
        Ok(loaded) => loaded,
        Err(error) => return log_error!("not reloaded, the old configuration stays: {error}"),
    };
    let rules = match rules_of(&loaded) {
        Ok(rules) => Arc::new(rules),
        Err(error) => return log_error!("not reloaded, the old rules stay: {error:#}"),
    };
    let (done, result) = mpsc::channel();
    agent.reload(Reload {
        wants: settings::wants(&loaded.config, rules.requirements()),
        alerts: settings::alerts(&loaded.config),
        rules,
        done,
    });
    match result.recv() {
        Ok(Ok(())) => log_info!("reloaded"),
        Ok(Err(error)) => log_error!("not reloaded, the old rules stay: {error}"),
        Err(_) => log_error!("not reloaded: the capture thread has ended"),
    }
}

fn announce(notice: &Notice) {
    match notice {
        Notice::ContainerdUp { .. } | Notice::KubeUp { .. } => log_info!("{notice}"),
        _ => log_warning!("{notice}"),
    }
}

/// Signals as they come, by a thread of their own.
fn signals() -> anyhow::Result<mpsc::Receiver<i32>> {
    let wanted = [libc::SIGTERM, libc::SIGINT, libc::SIGHUP, libc::SIGUSR1];
    let mut signals =
        signal_hook::iterator::Signals::new(wanted).context("cannot receive signals")?;
    let (sender, receiver) = mpsc::channel();
    std::thread::Builder::new()
        .name("signals".into())
        .spawn(move || {
            for signal in &mut signals {
                if sender.send(signal).is_err() {
                    return;
                }
            }
        })
        .context("cannot start the thread for signals")?;
    Ok(receiver)
}
