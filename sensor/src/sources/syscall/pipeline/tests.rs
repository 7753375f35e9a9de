//! Tests of the whole event path, without a kernel.

use std::sync::Arc;

use bytes::BytesMut;
use config::Config;
use events::{EventSource as _, PendingOptions, Share};
use metadata::{Counters, Domains, Metadata, Users, UsersOptions};
use outputs::AlertOptions;
use sensor_ebpf::task_flag;
use telemetry::{Cache, Identity, Telemetry};

use super::{super::SystemCalls, Cgroups, Node, Pending, Pipeline, PipelineParts};
use crate::sources::syscall::{
    event::builder::RecordBuilder,
    lineage::Lineage,
    recording::Taps,
    rules::{Options, RuleFile, compile},
};

const RULE: &str = include_str!("../../../../../deploy/rules/execve.yaml");

/// A pipeline that knows no container and has no runtime to query.
fn pipeline(telemetry: &Arc<Telemetry>) -> Pipeline {
    with_rules(telemetry, RULE)
}

fn with_rules(telemetry: &Arc<Telemetry>, rules: &str) -> Pipeline {
    let rules = compile(&[RuleFile::new("r.yaml", rules)], &Options::default());
    let counters = Arc::new(Counters::default());
    let nowhere = tempfile::tempdir().unwrap();
    let users = UsersOptions {
        proc: nowhere.path().to_owned(),
        host_root: nowhere.path().to_owned(),
        ..UsersOptions::default()
    };
    Pipeline::new(PipelineParts {
        marker: Arc::default(),
        wider: None,
        taps: Taps::default(),
        rules: Arc::new(rules.set.unwrap()),
        alerts: AlertOptions::default(),
        node: Node::new("node", "boot"),
        metadata: Metadata::fixed([]).unwrap(),
        pending: Pending::new(PendingOptions::default(), Arc::default()),
        users: Users::new(users, counters),
        domains: Domains::default(),
        lineage: Lineage::new(),
        cgroups: Cgroups::new(metadata::Node::default(), vec!["k8s.io".into()]),
        ledger: Arc::new(SystemCalls::ledger()),
        telemetry: Arc::clone(telemetry),
    })
}

/// An exec in the container with that number.
fn exec(n: u32) -> Vec<u8> {
    let mut record = RecordBuilder::exec("/usr/bin/true", &["true", "x"]);
    record = record.in_cgroup(&format!("/kubepods/burstable/pod{n}/{n:064x}"));
    record.time = 1_000_000 * u64::from(n);
    record.task.cgroup_id = u64::from(n);
    record.task.image_time = record.time;
    record.build()
}

#[test]
fn a_cgroup_whose_names_end_below_the_root_is_not_the_hosts() {
    let telemetry = Arc::new(Telemetry::new(Arc::new(Identity::new(&Config::default()))));
    let mut pipeline = pipeline(&telemetry);
    // The names look like those of another container.
    let mut record = RecordBuilder::exec("/usr/bin/true", &["true"]);
    record = record.in_cgroup(&format!("/d/{:064x}", 7));
    record.task.flags &= !task_flag::CGROUP_COMPLETE;
    for _ in 0..2 {
        let mut lines = BytesMut::new();
        pipeline.process(&record.build(), &mut lines);
        let line = String::from_utf8(lines.to_vec()).unwrap();
        assert!(line.contains(r#""container.id":"unknown""#), "{line}");
    }
    assert_eq!(pipeline.take_classes().count(), 0);
}

#[test]
fn a_hundred_thousand_containers_leave_bounded_caches() {
    let telemetry = Arc::new(Telemetry::new(Arc::new(Identity::new(&Config::default()))));
    let mut pipeline = pipeline(&telemetry);
    let mut lines = BytesMut::new();
    let mut most = [0; Cache::ALL.len()];
    for n in 1..=100_000 {
        lines.clear();
        pipeline.process(&exec(n), &mut lines);
        assert!(!lines.is_empty(), "{n}");
        pipeline.report_caches();
        for cache in Cache::ALL {
            let most = &mut most[cache as usize];
            *most = telemetry.caches.entries(cache).max(*most);
        }
    }
    assert_eq!(pipeline.ledger().totals().kinds[0].matched, 100_000);
    let [cgroups, containers, pods, programs, users] = most;
    assert_eq!((containers, pods), (0, 0));
    assert!(programs <= 8192, "{most:?}");
    assert!(users <= 2048, "{most:?}");
    assert!(cgroups <= 16_384, "{most:?}");
}

#[test]
fn events_from_the_time_of_a_takeover_on_are_left_to_the_other_sensor_and_counted() {
    let telemetry = Arc::new(Telemetry::new(Arc::new(Identity::new(&Config::default()))));
    let mut pipeline = pipeline(&telemetry);
    let mut lines = BytesMut::new();
    // The event of number n happens at n milliseconds.
    pipeline.share(Share::Until(2_000_000), &mut lines);
    for n in 1..=3 {
        pipeline.process(&exec(n), &mut lines);
    }
    let totals = pipeline.ledger().totals();
    let execs = &totals.kinds[0];
    assert_eq!((execs.matched, execs.passed_over), (1, 2));
    assert!(totals.is_balanced());
}

#[test]
fn a_sensor_that_takes_over_writes_the_events_that_waited_and_were_not_taken() {
    let telemetry = Arc::new(Telemetry::new(Arc::new(Identity::new(&Config::default()))));
    let (mut former, mut next) = (pipeline(&telemetry), pipeline(&telemetry));
    let (mut of_former, mut of_next) = (BytesMut::new(), BytesMut::new());
    let at = 1_000_000_000;
    former.share(Share::Proposed(at), &mut of_former);
    former.share(Share::Until(at), &mut of_former);
    next.share(Share::Nothing, &mut of_next);
    next.share(Share::From(at), &mut of_next);
    for n in 1..=2000 {
        former.process(&exec(n), &mut of_former);
        next.process(&exec(n), &mut of_next);
    }
    assert!(of_next.is_empty());
    assert!(next.waiting().0 > 1000);
    next.share(Share::Rest(former.around()), &mut of_next);
    assert_eq!(next.waiting().0, 0);
    next.process(&exec(2001), &mut of_next);
    let matched = |pipeline: &Pipeline| pipeline.ledger().totals().kinds[0].matched;
    assert_eq!((matched(&former), matched(&next)), (999, 1002));
    for pipeline in [&former, &next] {
        assert!(pipeline.ledger().totals().is_balanced());
    }
}

#[test]
fn an_unwanted_event_gives_the_class_of_its_cgroup_to_the_kernel_side_again() {
    let telemetry = Arc::new(Telemetry::new(Arc::new(Identity::new(&Config::default()))));
    let mut pipeline = pipeline(&telemetry);
    let record = RecordBuilder::exec("/usr/bin/true", &["true"]);
    let record = record.in_cgroup("/system.slice/a.service").build();
    let mut lines = BytesMut::new();
    for _ in 0..2 {
        (0..3).for_each(|_| pipeline.process(&record, &mut lines));
        assert_eq!(pipeline.take_classes().count(), 1);
    }
    assert!(lines.is_empty());
}

#[test]
fn a_rule_has_the_label_of_its_own_source() {
    let telemetry = Arc::new(Telemetry::new(Arc::new(Identity::new(&Config::default()))));
    let of_another = "- {rule: A, desc: a, condition: ka.verb = get, output: a, priority: DEBUG, source: k8s_audit}";
    let _pipeline = with_rules(&telemetry, &format!("{RULE}\n{of_another}\n"));
    let tables = telemetry.rules.tables();
    let mut labels = tables.iter().flat_map(|table| table.iter());
    let (label, _) = labels.find(|(label, _)| label.name == "A").unwrap();
    assert_eq!(&*label.source, "k8s_audit");
}
