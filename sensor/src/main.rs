//! Parses the command line, builds the agent, runs it, drains it.

use std::{
    io::Write as _,
    path::PathBuf,
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use clap::Parser;
use sensor::{
    agent::{Pipeline, RuleSet},
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
    let mut pipeline = Pipeline::new(rules, AlertOptions::default(), hostname);
    let mut file = filename.map(std::fs::File::create).transpose()?;
    eprintln!("sensor: ready");
    let mut out = Vec::new();
    let started = std::time::Instant::now();
    loop {
        let stopping = STOP.load(Ordering::Relaxed)
            || args
                .seconds
                .is_some_and(|s| started.elapsed().as_secs() >= s);
        pipeline.begin_batch();
        let mut answers = Vec::new();
        let drained = ring.drain(1024, |record| {
            answers.extend(pipeline.process(record, &mut out));
        });
        for (key, class) in answers {
            capture.classify(key, class)?;
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
