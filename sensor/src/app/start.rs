//! Starts the parts of the process, each part before those that use it.

use std::{
    os::fd::OwnedFd,
    sync::{Arc, atomic::Ordering::Relaxed, mpsc},
};

use anyhow::Context as _;
use config::Config;
use events::{EventSource as _, Feed, ReleaseCounts, Share};
use metadata::{Counters, Domains, Metadata, MetadataTasks, Notice, Resolver, Users};
use outputs::{Gate, Outputs};
use telemetry::{Condition, Identity, Ledger, Loaded, Telemetry};
use tokio::runtime::Runtime;
use tracing::{info, warn};

use super::{
    gap::{Heartbeat, Moment},
    metrics,
    observe::Running,
    options,
    record::RecordTo,
    takeover::Own,
};
use crate::{
    lifecycle::{self, Request, Signals},
    reports::{OutputReport, Server},
    sources::syscall::{
        self, SystemCalls,
        capture::{self, Capture, OwnPlace},
        lineage::Lineage,
        pipeline::{Cgroups, Node, Pending, PipelineParts},
        recording::{self, RuleRecordings, Taps},
        rules::RuleSet,
        say_attached,
        self_test::{Marker, SelfTest},
    },
};

/// Starts all parts. A sensor that stands by (`stands_by`) takes no events yet, and its outputs to
/// files do not begin.
///
/// # Errors
/// If a part cannot start.
pub(super) fn start(
    loaded: &config::Loaded,
    rules: Arc<RuleSet>,
    record: Option<RecordTo<'_>>,
    stands_by: bool,
) -> anyhow::Result<Running> {
    let config = &loaded.config;
    let identity = Arc::new(Identity::new(config));
    identity.set_loaded(Loaded::new(config, &loaded.digest, rules.digest()));
    let telemetry = telemetry_of(config, &identity);
    let (signals, sender, requests) = listen(config, &telemetry)?;
    let writes_lines = record.as_ref().is_none_or(|record| record.writes_lines);
    let gate = gate(stands_by, &telemetry);
    let behind = writes_lines.then(|| gate.clone());
    let (outputs, report) = start_outputs(config, behind, &identity, &telemetry)?;
    let control = outputs.control();
    let ledger = Arc::new(SystemCalls::ledger());
    let (door, taps) = recorders(config, &identity, &ledger)?;
    let wider = record.as_ref().map(|record| record.requirements(&rules));
    let begin = |record: RecordTo<'_>| record.start(&identity, &ledger, &door);
    let recording = record.map(begin).transpose()?;
    let runtime = runtime()?;
    let counters = Arc::new(Counters::default());
    let (caches, metadata) = start_metadata(config, &runtime, &counters, &telemetry)?;
    let request =
        syscall::options::capture_request(config, &rules.requirements_with(wider.as_ref()));
    let marker = Arc::<Marker>::default();
    let self_test = start_self_test(config, &telemetry, &marker);
    let options = syscall::options::capture(config, self_test.is_some());
    let capture::Started {
        mut capture,
        ring,
        counts,
        throttled,
        fill,
        programs,
        own,
        place,
    } = start_capture(&options, &request, &telemetry)?;
    marker.set_parent(own);
    let cgroups = confined(config, &mut capture, place.as_ref())?;
    let attached = Moment::now();
    let lineage = lineage(config, &rules, &counters);
    let kernel = Arc::new(counts);
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
    let broken = metrics::broken_rules(&telemetry);
    let (domains, resolver) = start_resolver(config, &rules, &counters)?;
    let parts = PipelineParts {
        rules,
        alerts: options::alerts(config),
        node: Node::new(&identity.hostname, &identity.boot_id),
        metadata: caches,
        pending: Pending::new(options::hold(config), Arc::clone(&releases)),
        users: Users::new(options::users(config), Arc::clone(&counters)),
        domains,
        lineage,
        cgroups,
        ledger: Arc::clone(&ledger),
        telemetry: Arc::clone(&telemetry),
        marker,
        wider: wider.clone(),
        taps,
    };
    let port = start_server(config, stands_by, &runtime, &telemetry)?;
    let source = SystemCalls::new(capture, ring, kernel, throttled, parts);
    let feed = start_feed(source, outputs, stands_by, &telemetry)?;
    let heartbeat = Heartbeat::new(&identity.boot_id, attached, &ledger);
    Ok(Running {
        feed,
        telemetry,
        ledger,
        outputs: report,
        control,
        identity,
        metadata,
        resolver,
        self_test,
        reach: request.reach,
        programs,
        wider,
        recording,
        observers: door,
        gate,
        port,
        own: Own::default(),
        heartbeat,
        attached,
        broken,
        sender,
        requests,
        reload_later: false,
        _signals: signals,
        _runtime: runtime,
    })
}

/// The recorders that rules start, and those that come through the door.
fn recorders(
    config: &Config,
    identity: &Arc<Identity>,
    ledger: &Arc<Ledger>,
) -> anyhow::Result<(recording::Door, Taps)> {
    let rule_recordings = RuleRecordings::new(&config.capture, identity, ledger);
    Taps::new(Some(rule_recordings)).context("cannot make a descriptor for observers")
}

/// The gate before the outputs to files. A sensor that stands by is not ready before it can take over.
fn gate(stands_by: bool, telemetry: &Telemetry) -> Gate {
    if !stands_by {
        return Gate::default();
    }
    telemetry.health.require(Condition::TakeoverPossible);
    Gate::closed()
}

/// Starts the capture thread.
fn start_feed(
    mut source: SystemCalls,
    mut outputs: Outputs,
    stands_by: bool,
    telemetry: &Telemetry,
) -> anyhow::Result<Feed<SystemCalls>> {
    if stands_by {
        source.share(Share::Nothing, &mut outputs);
    }
    let identity = Arc::clone(&telemetry.identity);
    let feed = Feed::start("capture", source, outputs, identity)
        .context("cannot start the capture thread")?;
    metrics::figures(telemetry, feed.figures());
    Ok(feed)
}

/// The owners of cgroups on the sensor's own node; the kernel side leaves out what lies outside.
fn confined(
    config: &Config,
    capture: &mut Capture,
    place: Option<&OwnPlace>,
) -> anyhow::Result<Cgroups> {
    let namespaces = options::metadata(config).runtimes.namespaces;
    let cgroups = syscall::options::cgroups(config, place, namespaces);
    syscall::confine(capture, &cgroups)?;
    Ok(cgroups)
}

fn telemetry_of(config: &Config, identity: &Arc<Identity>) -> Arc<Telemetry> {
    let telemetry = Telemetry::new(Arc::clone(identity));
    telemetry.rules.set_profiling(config.sensor.rules.profile);
    Arc::new(telemetry)
}

/// The outputs, and what the sensor says of them; a sensor that writes no lines has none, and no
/// gate.
fn start_outputs(
    config: &Config,
    behind: Option<Gate>,
    identity: &Arc<Identity>,
    telemetry: &Arc<Telemetry>,
) -> anyhow::Result<(Outputs, OutputReport)> {
    let outputs = match behind {
        Some(gate) => Outputs::start_behind(gate, config, identity)?,
        None => Outputs::default(),
    };
    let report = OutputReport::new(outputs.control());
    report.connect(telemetry);
    report.set_timeout(config.output_timeout.0);
    telemetry.health.require(Condition::OutputsWritable);
    Ok((outputs, report))
}

/// What passes on signals, and the two ends of the channel of requests.
type Listening = (Signals, mpsc::Sender<Request>, mpsc::Receiver<Request>);

/// Receives signals, and makes a request of a panic.
fn listen(config: &Config, telemetry: &Arc<Telemetry>) -> anyhow::Result<Listening> {
    let (sender, requests) = mpsc::channel();
    let signals = {
        let sender = sender.clone();
        Signals::listen(move |request| sender.send(request).is_ok())
            .context("cannot receive signals")?
    };
    let telemetry = Arc::clone(telemetry);
    lifecycle::set_patience(config.sensor.stop_deadline.0);
    let its = sender.clone();
    lifecycle::install_panic_hook(move || {
        telemetry.panics.fetch_add(1, Relaxed);
        // The thread that receives requests may be the one that panicked.
        let _ = its.send(Request::Stop);
    });
    Ok((signals, sender, requests))
}

/// The threads for the tasks that query container runtimes and the API server, and for the web server.
fn runtime() -> anyhow::Result<Runtime> {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .thread_name("metadata")
        .enable_all()
        .build()
        .context("cannot start the threads for container runtimes and the API server")
}

/// The caches of containers and pods, and the tasks that fill them.
fn start_metadata(
    config: &Config,
    runtime: &Runtime,
    counters: &Arc<Counters>,
    telemetry: &Telemetry,
) -> anyhow::Result<(Metadata, MetadataTasks)> {
    let options = options::metadata(config);
    if !options.runtimes.sockets.is_empty() {
        telemetry.health.require(Condition::ContainerdAnswered);
    }
    metadata::start(
        options,
        runtime.handle(),
        counters,
        Arc::new(|notice| announce(&notice)),
    )
    .context("cannot start the metadata tasks")
}

/// The programs that run now.
fn lineage(config: &Config, rules: &RuleSet, counters: &Arc<Counters>) -> Lineage {
    let variables = rules.requirements().variables.clone();
    Lineage::scan(&config.sensor.proc_root, variables, Arc::clone(counters))
}

/// Starts to resolve the domain names that rules mention.
fn start_resolver(
    config: &Config,
    rules: &RuleSet,
    counters: &Arc<Counters>,
) -> anyhow::Result<(Domains, Resolver)> {
    let notify = Arc::new(|notice| announce(&notice));
    let (domains, resolver) = Resolver::new(Arc::clone(counters), notify);
    resolver
        .set(&rules.requirements().domains, config.sensor.dns.refresh.0)
        .context("cannot start the threads that resolve names")?;
    Ok((domains, resolver))
}

/// Starts the web server if the configuration enables it, and returns its port.
fn start_server(
    config: &Config,
    stands_by: bool,
    runtime: &Runtime,
    telemetry: &Arc<Telemetry>,
) -> anyhow::Result<Option<OwnedFd>> {
    if !config.webserver.enabled {
        return Ok(None);
    }
    let server = runtime.block_on(Server::bind(&config.webserver, stands_by))?;
    info!("webserver listens at {}", server.address());
    let port = server.port().context("webserver")?;
    runtime.spawn(server.run(Arc::clone(telemetry)));
    Ok(Some(port))
}

/// Loads and attaches the eBPF programs, and logs which programs are attached.
fn start_capture(
    options: &capture::Options,
    request: &capture::CaptureRequest,
    telemetry: &Telemetry,
) -> anyhow::Result<capture::Started> {
    let conditions = SystemCalls::CONDITIONS.iter();
    conditions.for_each(|condition| telemetry.health.require(*condition));
    let started = Capture::start(options, request)?;
    say_attached(&started.capture);
    telemetry.health.hold(Condition::ProgramsAttached);
    Ok(started)
}

/// Starts the self-test where the sensor can run one: readiness then depends on its result.
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

fn announce(notice: &Notice) {
    match notice {
        Notice::RuntimeUp { .. } | Notice::KubeUp { .. } | Notice::DomainResolved { .. } => {
            info!("{notice}");
        }
        // The configuration leaves open whether there is one; a pod runs in one.
        Notice::RuntimesAbsent {
            is_required: false, ..
        } if !is_in_a_pod() => info!("{notice}"),
        _ => warn!("{notice}"),
    }
}

/// Whether Kubernetes started this process: it gives each pod the address of its API server.
fn is_in_a_pod() -> bool {
    std::env::var_os("KUBERNETES_SERVICE_HOST").is_some()
}
