//! Parses the command line, builds the agent, runs it, drains it.

use std::{
    io::Write as _,
    path::PathBuf,
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use clap::Parser;
use sensor::{
    agent::{Cgroups, Node, Parts, Pipeline, RuleSet},
    capture::{Capture, HookMode, Options, TreeMode, Wants, rest},
    output::AlertOptions,
};
use sensor_ebpf::Counter;

#[derive(Parser)]
struct Args {
    #[arg(short = 'c')]
    config: Option<PathBuf>,
    #[arg(short = 'r')]
    rules: Vec<PathBuf>,
    #[arg(short = 'o')]
    set: Vec<String>,
    #[arg(short = 'M')]
    seconds: Option<u64>,
}

static STOP: AtomicBool = AtomicBool::new(false);

extern "C" fn stop(_: i32) {
    STOP.store(true, Ordering::Relaxed);
}

fn main() -> anyhow::Result<()> {
    let args = Args::parse();
    // SAFETY: the handler only stores to an atomic.
    unsafe {
        libc::signal(libc::SIGTERM, stop as *const () as usize);
        libc::signal(libc::SIGINT, stop as *const () as usize);
    }
    let mut settings = std::collections::HashMap::new();
    for set in &args.set {
        if let Some((k, v)) = set.split_once('=') {
            settings.insert(k.to_owned(), v.to_owned());
        }
    }
    let get = |k: &str| settings.get(k).map(String::as_str);
    let tree = match (
        get("sensor.capture.tree.mode"),
        get("sensor.capture.tree.root"),
    ) {
        (Some("only"), Some(root)) => TreeMode::Only(root.parse()?),
        _ => TreeMode::ExcludeSelf,
    };
    let mut filename = get("file_output.filename").map(str::to_owned);
    if let Some(config) = &args.config {
        let text = std::fs::read_to_string(config)?;
        if let Some(at) = text.find("filename: \"") {
            filename = text[at + 11..].split('"').next().map(str::to_owned);
        }
    }
    let rules = RuleSet::load(&args.rules[0])?;
    let argv: u32 = get("sensor.capture.argv_limit").map_or(Ok(32768), str::parse)?;
    let wants = Wants {
        exec_failed: get("engine.modern_ebpf.drop_failed_exit") == Some("false"),
        host: rules.want_host(),
        connect: rules.want_connect(),
        argv_limit: argv,
        ..Wants::default()
    };
    let options = Options {
        tree,
        argv_capacity: argv,
        hooks: match get("sensor.capture.hooks") {
            Some("raw") => HookMode::Raw,
            Some("perf") => HookMode::Perf,
            _ => HookMode::Auto,
        },
        ..Options::default()
    };
    let (mut capture, mut ring, counts) = Capture::start(&options, &wants)?;
    let hostname = rustix::system::uname()
        .nodename()
        .to_string_lossy()
        .into_owned();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()?;
    let counters = std::sync::Arc::new(sensor::enrich::Counters::default());
    let mut metadata_options = sensor::enrich::MetadataOptions::default();
    metadata_options.containerd.enabled = get("sensor.containerd.enabled") == Some("true");
    if let Some(socket) = get("sensor.containerd.sockets") {
        metadata_options.containerd.enabled = true;
        metadata_options.containerd.sockets = vec![socket.into()];
    }
    metadata_options.kube.enabled = false;
    let (metadata, _tasks) = sensor::enrich::start(
        metadata_options,
        runtime.handle(),
        &counters,
        std::sync::Arc::new(|n| eprintln!("{n:?}")),
    )?;
    let mut lineage = sensor::enrich::Lineage::new();
    lineage.scan(std::path::Path::new("/proc"));
    let mut pipeline = Pipeline::new(Parts {
        rules,
        alerts: AlertOptions::default(),
        node: Node {
            hostname,
            boot_id: 0,
        },
        metadata,
        hold: sensor::enrich::Hold::new(Default::default(), counters.clone()),
        users: sensor::enrich::Users::new(Default::default(), counters.clone()),
        lineage,
        cgroups: Cgroups::new(vec!["default".into(), "k8s.io".into(), "moby".into()]),
    });
    let mut file = filename.map(std::fs::File::create).transpose()?;
    eprintln!("sensor: ready");
    let mut out = Vec::new();
    let started = std::time::Instant::now();
    loop {
        let stopping = STOP.load(Ordering::Relaxed)
            || args
                .seconds
                .is_some_and(|s| started.elapsed().as_secs() >= s);
        pipeline.begin_batch(&mut out);
        let drained = ring.drain(1024, |record| pipeline.process(record, &mut out));
        for (key, class) in pipeline.take_classes() {
            capture.classify(key, class)?;
        }
        if stopping && !drained.more {
            pipeline.finish(&mut out);
        }
        if !out.is_empty() {
            if let Some(file) = &mut file {
                file.write_all(&out)?;
            }
            out.clear();
        }
        if stopping && !drained.more {
            break;
        }
        match rest(drained) {
            Some(pause) => std::thread::sleep(pause),
            None => {
                let mut fds = [rustix::event::PollFd::new(
                    &ring,
                    rustix::event::PollFlags::IN,
                )];
                let timeout = rustix::event::Timespec {
                    tv_sec: 0,
                    tv_nsec: 200_000_000,
                };
                let _ = rustix::event::poll(&mut fds, Some(&timeout));
            }
        }
        let _ = Duration::ZERO;
    }
    let totals = counts.read()?;
    for counter in Counter::ALL {
        eprintln!("kernel {counter:?}: {}", totals.all(counter));
    }
    eprintln!("user {:?}", pipeline.counts());
    Ok(())
}
