//! The event's path from its record to its line, with everything cached, and what
//! the caches of a full node take.
//!
//! `cargo xtask bench enrich`; promised: 500,000 events a second in one thread with
//! the default rule and its output.

use std::{fs, hint::black_box, sync::Arc};

use criterion::{Criterion, Throughput, criterion_group};
use sensor::{
    agent::{Cgroups, Node, Parts, Pipeline, Sink},
    config::Config,
    enrich::{
        Container, ContainerKind, ContainerState, Counters, Hold, HoldOptions, Lineage, Lookup,
        Metadata, Pod, Users, UsersOptions,
    },
    event::{ContainerId, Event, Header, Task, builder::RecordBuilder},
    output::{AlertOptions, Identity},
    rules::{Options, RuleFile, compile},
    telemetry::Telemetry,
};

/// Pods of a full node.
const PODS: usize = 500;

/// The rule that is shipped.
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

/// The records of an exec in each pod.
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

/// Takes lines, and looks only at their size.
#[derive(Default)]
struct Lines {
    bytes: usize,
    lines: usize,
}

impl Sink for Lines {
    fn wants_lines(&self) -> bool {
        true
    }

    fn wants_text(&self) -> bool {
        false
    }

    fn line(&mut self, line: &[u8], _text: &[u8], _priority: u8) {
        self.bytes += black_box(line).len();
        self.lines += 1;
    }
}

/// Everything that the capture thread has, for those rules.
fn pipeline(rules: &str) -> Pipeline {
    let compiled = compile(&[RuleFile::new("bench.yaml", rules)], &Options::default());
    let counters = Arc::new(Counters::default());
    let identity = Arc::new(Identity::new(&Config::default()));
    Pipeline::new(Parts {
        rules: Arc::new(compiled.set.expect("the rules are good")),
        alerts: AlertOptions::default(),
        node: Node::new("node", "7d21bbb7-8b53-4e6f-8d2c-3a77a1f5b8f4"),
        metadata: Metadata::fixed(containers()).expect("an eventfd is made"),
        hold: Hold::new(HoldOptions::default(), Arc::clone(&counters)),
        users: Users::new(UsersOptions::default(), counters),
        lineage: Lineage::new(),
        cgroups: Cgroups::new(vec!["k8s.io".into()]),
        telemetry: Arc::new(Telemetry::new(identity)),
        marker: Arc::default(),
    })
}

/// Makes a record that of another program: its exec was at that time, nanoseconds since boot.
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
        let counts = pipeline.counts();
        assert_eq!(counts.matched, counts.lines, "each event makes one line");
        if let Some(bytes) = lines.bytes.checked_div(lines.lines) {
            println!("{bytes} bytes a line");
        }
    }
    group.finish();
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

    let mut hold = Hold::new(HoldOptions::default(), Arc::new(Counters::default()));
    let record = bytes::Bytes::from(vec![0; 1024]);
    group.bench_function("hold and release", |b| {
        b.iter(|| {
            hold.push(ids[0], record.clone(), 1);
            hold.resolve(&ids[0], 2);
            hold.pop()
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

/// What the pods of a full node and as many programs as are kept take.
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
        "memory with {PODS} pods after {} execs: {grown} KiB (RSS anon)",
        lines.lines
    );
}

criterion_group!(benches, events, enrich);

fn main() {
    memory();
    benches();
    Criterion::default().configure_from_args().final_summary();
}
