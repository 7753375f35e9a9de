//! Measures the way of an event from its record to its line, with everything in the caches, and the
//! memory of a full node's caches.
//!
//! `cargo xtask bench enrich`. The promise: 500,000 events a second in one thread with the default
//! rule and its output.

use std::{fs, hint::black_box, sync::Arc, time::Duration};

use bytes::BytesMut;
use config::{ByteSize, Config};
use criterion::{Criterion, Throughput, criterion_group};
use events::{EventSource as _, PendingEvents, PendingOptions};
use falco_rules::Priority;
use metadata::{
    Container, ContainerId, ContainerKind, ContainerState, Counters, Domains, Lookup, Metadata,
    Pod, Users, UsersOptions,
};
use outputs::{AlertOptions, Form, Outputs};
use rustix::time::{ClockId, clock_gettime};
use sensor::sources::syscall::{
    SystemCalls,
    event::{Event, Header, Task, builder::RecordBuilder},
    lineage::Lineage,
    pipeline::{Cgroups, Node, Pending, Pipeline, PipelineParts},
    recording::Taps,
    rules::{Options, RuleFile, compile},
};
use telemetry::{Identity, Telemetry};

/// Pods of a full node.
const PODS: usize = 500;

/// The rule that ships.
const RULE: &str = include_str!("../../deploy/rules/execve.yaml");

fn id(kind: u8, n: usize) -> ContainerId {
    ContainerId::new(format!("{kind:02x}{n:062x}").as_bytes()).expect("64 digits are an id")
}

fn containers() -> impl Iterator<Item = Container> {
    (0..PODS).flat_map(|n| {
        let view = |labels: Option<&str>| {
            Some(Arc::new(Pod {
                name: format!("web-7b658bcd76-{n:05}").into(),
                namespace: "shop".into(),
                uid: format!("6a8d9959-b9bc-49a5-9b41-{n:012}").into(),
                labels_text: labels.map(Into::into),
                ..Pod::default()
            }))
        };
        let sandbox = Container {
            kind: ContainerKind::Sandbox,
            sandbox: Some(id(1, n)),
            pod: view(Some("app:web, tier:back")),
            ..Container::new(id(1, n), "containerd")
        };
        let container = Container {
            name: Some("main".into()),
            image: Some("registry.local:5000/team/app:v1.2".into()),
            sandbox: Some(id(1, n)),
            pod: view(None),
            ..Container::new(id(2, n), "containerd")
        };
        [sandbox, container]
    })
}

/// The record of an exec in each pod.
fn records() -> Vec<Vec<u8>> {
    let record = |n: u32| {
        let argv = [
            "curl",
            "--silent",
            "--max-time",
            "5",
            "http://web.shop/api/v1/health",
        ];
        let uid = 0x6a8d_9959_b9bc_49a5_9b41_0000_0000_0000_u128 + u128::from(n);
        let pod = format!("/kubepods/burstable/pod{}", uuid(uid));
        let cgroup = format!("{pod}/{}", id(2, n as usize).full());
        let mut record = RecordBuilder::exec("/usr/bin/curl", &argv).in_cgroup(&cgroup);
        record.task.cgroup_id = 1000 + u64::from(n);
        record.task.tgid = 10_000 + n;
        record.task.image_tgid = record.task.tgid;
        record.build()
    };
    (0..PODS)
        .map(|n| record(u32::try_from(n).expect("pods are few")))
        .collect()
}

fn uuid(number: u128) -> String {
    let digits = format!("{number:032x}");
    let parts = [
        &digits[..8],
        &digits[8..12],
        &digits[12..16],
        &digits[16..20],
        &digits[20..],
    ];
    parts.join("-")
}

/// Counts the bytes of lines.
#[derive(Default)]
struct Lines {
    line: BytesMut,
    bytes: usize,
    count: usize,
}

impl events::Lines for Lines {
    fn line(&mut self, _priority: Priority, mut write: impl FnMut(Form, &mut BytesMut)) {
        self.line.clear();
        write(Form::Configured, &mut self.line);
        self.bytes += black_box(&self.line).len();
        self.count += 1;
    }
}

/// The whole capture thread's part, for those rules.
fn pipeline(rules: &str) -> Pipeline {
    let compiled = compile(&[RuleFile::new("bench.yaml", rules)], &Options::default());
    let counters = Arc::new(Counters::default());
    let identity = Arc::new(Identity::new(&Config::default()));
    Pipeline::new(PipelineParts {
        rules: Arc::new(compiled.set.expect("the rules are good")),
        alerts: AlertOptions::default(),
        node: Node::new("node", "7d21bbb7-8b53-4e6f-8d2c-3a77a1f5b8f4"),
        metadata: Metadata::fixed(containers()).expect("an eventfd is made"),
        pending: Pending::new(PendingOptions::default(), Arc::default()),
        users: Users::new(UsersOptions::default(), counters),
        domains: Domains::default(),
        lineage: Lineage::new(),
        cgroups: Cgroups::new(metadata::Node::default(), vec!["k8s.io".into()]),
        ledger: Arc::new(SystemCalls::ledger()),
        telemetry: Arc::new(Telemetry::new(identity)),
        marker: Arc::default(),
        wider: None,
        taps: Taps::default(),
    })
}

/// Changes a record to an exec of another program, at that time in nanoseconds since boot.
fn set_program(record: &mut [u8], time: u64) {
    let at = size_of::<Header>() + std::mem::offset_of!(Task, image_time);
    record[at..at + size_of::<u64>()].copy_from_slice(&time.to_ne_bytes());
}

fn events(c: &mut Criterion) {
    let mut group = c.benchmark_group("event");
    group.throughput(Throughput::Elements(1));
    let mut records = records();
    group.bench_function("decode", |b| {
        b.iter(|| Event::decode(black_box(&records[0])).map(|event| event.kind));
    });
    let nothing = RULE.replace(
        "container.id != host",
        "container.id != host and proc.name = x",
    );
    let mut all = pipeline(&nothing);
    let (mut lines, mut n) = (Lines::default(), 0);
    group.bench_function("new program, no rule matches", |b| {
        b.iter(|| {
            n += 1;
            let record = &mut records[n % PODS];
            set_program(record, 5_000_001_000 + n as u64);
            all.process(black_box(record), &mut lines);
        });
    });
    for (name, rules) in [("no rule matches", &*nothing), ("default rule", RULE)] {
        let mut pipeline = pipeline(rules);
        let mut lines = Lines::default();
        let mut next = 0;
        group.bench_function(name, |b| {
            b.iter(|| {
                next = (next + 1) % PODS;
                pipeline.process(black_box(&records[next]), &mut lines);
            });
        });
        let totals = pipeline.ledger().totals();
        let (matched, lines_made) = (
            totals.sum(|kind| kind.matched),
            totals.sum(|kind| kind.lines),
        );
        assert_eq!(matched, lines_made, "each event makes one line");
        if let Some(bytes) = lines.bytes.checked_div(lines.count) {
            println!("{bytes} bytes a line");
        }
    }
    group.finish();
}

/// Events between two batches for the outputs.
const PASS: u64 = 64;

/// Measures the capture thread's part of the way to a file that another thread writes, in CPU time,
/// so that the figure includes neither that thread nor other processes.
fn to_a_file(c: &mut Criterion) {
    let directory = tempfile::tempdir().expect("a directory is made");
    let mut config = Config::default();
    config.stdout_output.enabled = false;
    config.file_output.enabled = true;
    config.file_output.filename = directory.path().join("log");
    config.sensor.file_output.rotate.size = ByteSize::mib(64);
    config.sensor.file_output.rotate.keep = 1;
    let identity = Arc::new(Identity::new(&config));
    let mut outputs = Outputs::start(&config, &identity).expect("a file can be written");
    let mut pipeline = pipeline(RULE);
    let records = records();
    let mut next = 0;
    let mut group = c.benchmark_group("event");
    group.throughput(Throughput::Elements(1));
    group.bench_function("default rule, to a file", |b| {
        b.iter_custom(|events| {
            let began = thread_time();
            for event in 1..=events {
                next = (next + 1) % PODS;
                pipeline.process(black_box(&records[next]), &mut outputs);
                if event % PASS == 0 || event == events {
                    outputs.flush();
                    pipeline.flushed();
                }
            }
            thread_time().saturating_sub(began)
        });
    });
    group.finish();
    let [(_, counts)] = outputs.stop(Duration::from_secs(10))[..] else {
        panic!("there is one output");
    };
    assert_eq!(
        counts.offered,
        pipeline.ledger().totals().sum(|kind| kind.lines)
    );
    println!(
        "{} of {} lines dropped",
        counts.dropped_total(),
        counts.offered
    );
}

/// CPU time of this thread.
fn thread_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::try_from(time).expect("a CPU time is not negative")
}

fn enrich(c: &mut Criterion) {
    let mut group = c.benchmark_group("enrich");
    group.throughput(Throughput::Elements(1));
    let ids: Vec<_> = (0..PODS).map(|n| id(2, n)).collect();

    let mut metadata = Metadata::fixed(containers()).expect("an eventfd is made");
    let mut next = 0;
    group.bench_function("lookup, 500 pods", |b| {
        b.iter(|| {
            next = (next + 1) % PODS;
            match metadata.lookup(black_box(&ids[next]), 1) {
                Lookup::Known(container) => container.pod.as_ref().map(|pod| pod.name.len()),
                Lookup::Pending | Lookup::Unknown => unreachable!("all are known"),
            }
        });
    });

    let mut users = Users::new(UsersOptions::default(), Arc::new(Counters::default()));
    group.bench_function("lookup and user name", |b| {
        b.iter(|| {
            next = (next + 1) % PODS;
            if let Lookup::Known(container) = metadata.lookup(black_box(&ids[next]), 1) {
                users.prepare(ContainerState::Known(container), 1, 0);
                black_box(users.user_name(Some(&container.id), 1000));
            }
        });
    });

    let mut pending = PendingEvents::new(PendingOptions::default(), Arc::default());
    group.bench_function("hold and release", |b| {
        b.iter(|| {
            pending.push(ids[0], 0_u64, 1024, 1);
            pending.resolve(&ids[0], 2);
            pending.pop()
        });
    });
    group.finish();
}

/// Anonymous resident memory of this process, KiB.
fn anonymous_kib() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("RssAnon:"));
    let number = line.and_then(|line| line.split_whitespace().next());
    number.and_then(|number| number.parse().ok()).unwrap_or(0)
}

/// Measures the memory for the pods of a full node and for as many programs as the cache keeps.
fn memory() {
    let mut records = records();
    let before = anonymous_kib();
    let mut pipeline = pipeline(RULE);
    let mut lines = Lines::default();
    for n in 0..20_000 {
        let record = &mut records[n % PODS];
        set_program(record, 5_000_001_000 + n as u64);
        pipeline.process(record, &mut lines);
    }
    let grown = anonymous_kib().saturating_sub(before);
    println!(
        "memory with {PODS} pods after {} events: {grown} KiB (RSS anon)",
        lines.count
    );
}

criterion_group!(benches, events, to_a_file, enrich);

fn main() {
    memory();
    benches();
    Criterion::default().configure_from_args().final_summary();
}
