//! Tests with events that rules match.
#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot go on says so by a panic"
)]

use std::{sync::Arc, time::Duration};

use config::Config;
use events::{EventSource as _, PendingOptions};
use metadata::{Counters, Domains, Metadata, Users, UsersOptions};
use outputs::{AlertOptions, Outputs};
use sensor::sources::syscall::{
    SystemCalls,
    event::builder::RecordBuilder,
    lineage::Lineage,
    pipeline::{Cgroups, Node, Pending, Pipeline, PipelineParts},
    recording::Taps,
    rules::{Options, RuleFile, compile},
};
use sensor_ebpf::Connect;
use telemetry::{Identity, Telemetry};

use crate::allocations;

/// The output has escaped texts, numbers, addresses, lists, columns and a text of its own.
const RULES: &str = r#"
- rule: First
  desc: d
  condition: evt.type = connect
  output: >
    "quoted" %evt.time %proc.name %proc.cmdline %proc.exepath %proc.pid %fd.name %fd.sip %fd.sport
    %container.id %20proc.name %proc.aname[1] %proc.argv %evt.hostname
  priority: NOTICE
  tags: [one, two]
- rule: Second
  desc: d
  condition: fd.sport = 443 and proc.cmdline contains silent
  output: port=%fd.sport
  priority: DEBUG
"#;

/// A pipeline without a runtime to query.
fn pipeline() -> Pipeline {
    let options = Options {
        rules: falco_rules::Options {
            matching: sensor::sources::syscall::rules::Matching::All,
            ..falco_rules::Options::default()
        },
        ..Options::default()
    };
    let compiled = compile(&[RuleFile::new("rules.yaml", RULES)], &options);
    let counters = Arc::new(Counters::default());
    let nowhere = tempfile::tempdir().unwrap();
    let users = UsersOptions {
        proc: nowhere.path().to_owned(),
        host_root: nowhere.path().to_owned(),
        ..UsersOptions::default()
    };
    let identity = Arc::new(Identity::new(&Config::default()));
    Pipeline::new(PipelineParts {
        wider: None,
        taps: Taps::default(),
        rules: Arc::new(compiled.set.unwrap()),
        alerts: AlertOptions::default(),
        node: Node::new("node", "7d21bbb7-8b53-4e6f-8d2c-3a77a1f5b8f4"),
        metadata: Metadata::fixed([]).unwrap(),
        pending: Pending::new(PendingOptions::default(), Arc::default()),
        users: Users::new(users, counters),
        domains: Domains::default(),
        lineage: Lineage::new(),
        cgroups: Cgroups::new(metadata::Node::default(), Vec::new()),
        ledger: Arc::new(SystemCalls::ledger()),
        telemetry: Arc::new(Telemetry::new(identity)),
        marker: Arc::default(),
    })
}

/// The exec of a program, and a connect of the same program.
fn records() -> [Vec<u8>; 2] {
    let argv = ["curl", "--silent", "say \"hello\"\n"];
    let mut connect = Connect {
        family: 2,
        given_family: 2,
        given_port: 443,
        socket_type: 1,
        protocol: 6,
        remote_port: 443,
        local_port: 40_000,
        ..Connect::default()
    };
    connect.given[..4].copy_from_slice(&[93, 184, 216, 34]);
    connect.remote[..4].copy_from_slice(&[93, 184, 216, 34]);
    connect.local[..4].copy_from_slice(&[10, 1, 2, 3]);
    [
        RecordBuilder::exec("/usr/bin/curl", &argv).build(),
        RecordBuilder::connect(connect).build(),
    ]
}

#[test]
fn an_event_that_two_rules_match_allocates_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let mut config = Config::default();
    config.stdout_output.enabled = false;
    config.file_output.enabled = true;
    config.file_output.filename = directory.path().join("log");
    let identity = Arc::new(Identity::new(&config));
    let mut outputs = Outputs::start(&config, &identity).unwrap();
    let mut pipeline = pipeline();
    let [exec, connect] = records();
    pipeline.process(&exec, &mut outputs);
    // One pass is far from filling a buffer, so few passes change the buffer.
    let (passes, events) = (1000, 10);
    let mut pass = || {
        let by_event = allocations(|| {
            for _ in 0..events {
                pipeline.process(&connect, &mut outputs);
            }
        });
        let by_pass = allocations(|| {
            outputs.flush();
            pipeline.flushed();
        });
        (by_event, by_pass)
    };
    for _ in 0..100 {
        pass();
    }
    let (mut allocating, mut most) = (0, 0);
    for _ in 0..passes {
        let (by_event, by_pass) = pass();
        allocating += u32::from(by_event > 0);
        most = most.max(by_pass);
    }
    let counts = outputs.stop(Duration::from_mins(1))[0].1;
    assert_eq!(counts.written, 2 * events * (100 + passes));
    let written = std::fs::read(directory.path().join("log")).unwrap().len();
    let buffers = u32::try_from(written / (200 << 10)).unwrap();
    assert!(
        allocating <= buffers,
        "{allocating} passes allocated before they were handed out, with {buffers} buffers"
    );
    assert!(most <= 4, "{most} allocations to hand out a batch");
}
