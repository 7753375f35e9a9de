//! Tests with events that no rule matches.

use std::{fs, path::Path, sync::Arc};

use bytes::BytesMut;
use config::Config;
use events::{EventSource as _, PendingOptions};
use metadata::{
    Container, ContainerId, ContainerKind, Counters, Domains, Metadata, Pod, Users, UsersOptions,
};
use outputs::AlertOptions;
use sensor::sources::syscall::{
    SystemCalls,
    event::{Ancestor, Connect, builder::RecordBuilder},
    lineage::Lineage,
    pipeline::{Cgroups, Node, Pending, Pipeline, PipelineParts},
    recording::Taps,
    rules::{Options, RuleFile, compile},
};
use telemetry::{Identity, Telemetry};

use crate::allocations;

/// Events that must not allocate.
const EVENTS: u32 = 10_000;
/// Events before the count: more execs than the cache keeps programs, and the first evaluation of
/// each rule.
const BEFORE: u32 = 30_000;
/// Containers of the events, each with a pod and users of its own.
const CONTAINERS: u32 = 50;
/// Time between two events, nanoseconds: all events are over before the sensor reads the
/// containers' user files again.
const PACE: u64 = 100_000;

/// Rules that read facts of the event, of its ancestors' programs, of its container, its pod and
/// its users, and that match nothing.
const RULES: &str = r#"
- macro: known_images
  condition: (container.image.repository in (registry.local/base) or container.image.repository endswith /trusted)
- rule: Exec
  desc: Looks at execs.
  condition: >
    evt.type in (execve, execveat) and container.id != host and user.name != root
    and k8s.ns.name = shop and k8s.pod.label[app] exists and not known_images
    and proc.cmdline contains "--secret" and proc.pcmdline startswith "sh -c nothing"
  output: "%proc.cmdline %proc.aname[2] %container.name"
  priority: WARNING
- rule: Names
  desc: Looks at the names of processes.
  condition: >
    evt.type = execve and proc.aname[2] = nobody and proc.exepath startswith /opt/
    and proc.env icontains ld_preload and proc.cwd glob "/tmp/*"
  output: "%proc.env"
  priority: NOTICE
- rule: Connect
  desc: Looks at connects.
  condition: >
    evt.type = connect and container.id != host and fd.sport = 4444
    and (proc.cmdline contains stratum or proc.pcmdline contains stratum or user.name = app1000)
  output: "%fd.name %proc.cmdline %user.name"
  priority: WARNING
- rule: Exec names in a file
  desc: Looks at arguments.
  condition: spawned and proc.args contains "/etc/shadow" and group.name = shadow
  output: "%proc.args"
  priority: WARNING
- macro: spawned
  condition: (evt.type = execve and evt.failed = false)
"#;

fn id(kind: u8, n: u32) -> ContainerId {
    ContainerId::new(format!("{kind:02x}{n:062x}").as_bytes()).expect("64 digits are an id")
}

fn containers(root: &Path) -> impl Iterator<Item = Container> {
    (0..CONTAINERS).flat_map(move |n| {
        let view = |labels: Option<&str>| {
            Some(Arc::new(Pod {
                name: format!("web-{n}").into(),
                namespace: "shop".into(),
                uid: format!("6a8d9959-b9bc-49a5-9b41-{n:012}").into(),
                labels: Box::new([("app".into(), "web".into())]),
                labels_text: labels.map(Into::into),
                ..Pod::default()
            }))
        };
        let sandbox = Container {
            kind: ContainerKind::Sandbox,
            sandbox: Some(id(1, n)),
            pod: view(Some("app:web")),
            ..Container::new(id(1, n), "containerd")
        };
        let container = Container {
            name: Some("main".into()),
            image: Some("registry.local/team/app:v1.2".into()),
            repository: Some("registry.local/team/app".into()),
            created: Some(1),
            rootfs: root.to_str().map(Into::into),
            sandbox: Some(id(1, n)),
            pod: view(None),
            ..Container::new(id(2, n), "containerd")
        };
        [sandbox, container]
    })
}

/// The capture thread's part, with all containers known.
fn pipeline(root: &Path) -> Pipeline {
    fs::create_dir(root.join("etc")).expect("it is new");
    fs::write(root.join("etc/passwd"), "app:x:1000:1000:::\n").expect("it is written");
    fs::write(root.join("etc/group"), "app:x:1000:\n").expect("it is written");
    let compiled = compile(&[RuleFile::new("r.yaml", RULES)], &Options::default());
    let counters = Arc::new(Counters::default());
    let users = UsersOptions {
        host_root: root.to_owned(),
        patience: std::time::Duration::from_secs(10),
        ..UsersOptions::default()
    };
    Pipeline::new(PipelineParts {
        wider: None,
        taps: Taps::default(),
        rules: Arc::new(compiled.set.expect("the rules are good")),
        alerts: AlertOptions::default(),
        node: Node::new("node", "7d21bbb7-8b53-4e6f-8d2c-3a77a1f5b8f4"),
        metadata: Metadata::fixed(containers(root)).expect("an eventfd is made"),
        pending: Pending::new(PendingOptions::default(), Arc::default()),
        users: Users::new(users, counters),
        domains: Domains::default(),
        lineage: Lineage::new(),
        cgroups: Cgroups::new(metadata::Node::default(), vec!["k8s.io".into()]),
        ledger: Arc::new(SystemCalls::ledger()),
        telemetry: Arc::new(Telemetry::new(Arc::new(Identity::new(&Config::default())))),
        marker: Arc::default(),
    })
}

/// The records of the events: of three events two are execs, and one is a connect of the program
/// before it. The parent of a process is the process before it in its container; arguments vary in
/// length.
fn record(n: u32) -> Vec<u8> {
    let (container, is_connect) = (n / 3 % CONTAINERS, n % 3 == 2);
    let image = |n: u32| (u64::from(n) * PACE + 1_000_000_000, 10_000 + n % 20_000);
    let exec = n - u32::from(is_connect);
    let (time, tgid) = image(exec);
    let (parent_time, parent) = image(exec.saturating_sub(3 * CONTAINERS));
    let argument = "x".repeat((n as usize * 7919) % 700);
    let argv = ["curl", "--silent", &argument, "http://web.shop/health"];
    let mut record = if is_connect {
        RecordBuilder::connect(Connect::default())
    } else {
        RecordBuilder::exec("/usr/bin/curl", &argv)
    };
    record.time = u64::from(n) * PACE + 1_000_000_000;
    record.task.start = time;
    record.task.image_time = time;
    record.task.image_start = time;
    record.task.image_tgid = tgid;
    record.task.tgid = tgid;
    record.task.cgroup_id = 1000 + u64::from(container);
    record.task.uid = 1000;
    record.task.gid = 1000;
    record.ancestors[0] = Ancestor {
        start: parent_time,
        image_time: parent_time,
        image_start: parent_time,
        image_tgid: parent,
        tgid: parent,
        ..record.ancestors[0]
    };
    record.env = vec![b"HOME=/root".to_vec(), b"PATH=/usr/bin:/bin".to_vec()];
    let cgroup = format!("/kubepods/burstable/pod{container}/{}", id(2, container));
    record.in_cgroup(&cgroup).build()
}

#[test]
fn events_that_no_rule_matches_allocate_nothing_once_their_containers_are_known() {
    let root = tempfile::tempdir().expect("a directory is made");
    let mut pipeline = pipeline(root.path());
    let mut lines = BytesMut::new();
    let records: Vec<_> = (0..BEFORE + EVENTS).map(record).collect();
    let (before, measured) = records.split_at(BEFORE as usize);
    for record in before {
        pipeline.process(record, &mut lines);
    }
    pipeline.take_classes().for_each(drop);
    let allocations = allocations(|| {
        for record in measured {
            pipeline.process(record, &mut lines);
        }
    });
    let totals = pipeline.ledger().totals();
    let unmatched = totals.sum(|kind| kind.unmatched);
    assert_eq!(unmatched, u64::from(BEFORE + EVENTS), "{totals:?}");
    assert!(lines.is_empty());
    assert_eq!(allocations, 0, "in {EVENTS} events");
}
