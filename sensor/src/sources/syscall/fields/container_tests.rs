//! Container and pod fields in each state of the metadata.

use std::sync::Arc;

use bumpalo::Bump;
use metadata::{ContainerId, ContainerKind, Domains, Owner, Pod, Users};

use super::*;
use crate::sources::syscall::{
    event::{Event, builder::RecordBuilder, task_flag},
    fields::{Environment, FieldRef},
    lineage::Lineage,
};

const ID: &str = "39998b0e5110ede0c3bdaaec083bd506409f84bd2026a25b0a12b5f736528d21";
const SANDBOX: &str = "4836c437aad0d06aab896a913efbb79c1cc79b12b684bf08f528b4bfc84b7ffc";

fn id(text: &str) -> ContainerId {
    ContainerId::new(text.as_bytes()).unwrap()
}

fn pairs_of(pairs: &[(&str, &str)]) -> Box<[(Box<str>, Box<str>)]> {
    pairs
        .iter()
        .map(|(k, v)| ((*k).into(), (*v).into()))
        .collect()
}

fn demo() -> Container {
    Container {
        kind: ContainerKind::Container,
        name: Some("main".into()),
        image: Some("peer.local:5000/team/app:v1.2".into()),
        repository: Some("peer.local:5000/team/app".into()),
        tag: Some("v1.2".into()),
        privileged: Some(true),
        host_network: Some(false),
        mounts: [
            ("/var/log", "/logs", true, "rslave"),
            ("/proc/self", "/p", false, "private"),
        ]
        .into_iter()
        .map(|(source, dest, read_write, propagation)| Mount {
            source: source.into(),
            dest: dest.into(),
            mode: "".into(),
            read_write,
            propagation: propagation.into(),
        })
        .collect(),
        labels: pairs_of(&[("a", "b"), ("e", "")]),
        sandbox: Some(id(SANDBOX)),
        pod: Some(Arc::new(Pod {
            name: "web-0".into(),
            namespace: "shop".into(),
            uid: "u-1".into(),
            labels: pairs_of(&[("app", "demo"), ("empty", "")]),
            labels_text: Some("app:demo, empty".into()),
            owner: Some(Owner {
                kind: "Deployment".into(),
                name: "web".into(),
                uid: None,
            }),
            controller: Some(Owner {
                kind: "ReplicaSet".into(),
                name: "web-7b658bcd76".into(),
                uid: Some("u-2".into()),
            }),
            ..Pod::default()
        })),
        ..Container::new(id(ID), "containerd")
    }
}

/// The value of a field, as text.
fn text(container: ContainerState<'_>, field: &str) -> std::string::String {
    let record = RecordBuilder::exec("/bin/true", &["true"]);
    text_of(&record, container, field)
}

/// The value of a field of an event, as text.
fn text_of(
    record: &RecordBuilder,
    container: ContainerState<'_>,
    field: &str,
) -> std::string::String {
    let record = record.build();
    let event = Event::decode(&record).unwrap();
    let arena = Bump::new();
    let lineage = Lineage::default();
    let users = Users::default();
    let context = Context {
        event: &event,
        arena: &arena,
        number: 1,
        time: 5_000_000_000,
        boot_to_utc: 1_000_000_000,
        hostname: "node",
        boot_id: 1,
        container,
        env: &Environment::ALL,
        lineage: &lineage,
        users: &users,
        domains: &Domains::default(),
        memo: crate::sources::syscall::fields::Memo::default(),
    };
    let mut out = Vec::new();
    FieldRef::parse(field)
        .unwrap()
        .get(&context)
        .write_text(&mut out);
    std::string::String::from_utf8(out).unwrap()
}

fn check(container: ContainerState<'_>, expected: &[(&str, &str)]) {
    for (field, value) in expected {
        assert_eq!(text(container, field), *value, "{field}");
    }
}

#[test]
fn a_host_process_has_the_values_of_falco() {
    check(
        ContainerState::Host,
        &[
            ("container.id", "host"),
            ("container.full_id", "host"),
            ("container.name", "host"),
            ("container.type", "host"),
            ("container.image", ""),
            ("container.image.digest", ""),
            ("container.privileged", "false"),
            ("k8s.pod.name", "<NA>"),
            ("k8s.pod.labels", ""),
            ("k8s.pod.label[app]", "<NA>"),
            ("k8s.pod.sandbox_id", ""),
        ],
    );
}

#[test]
fn a_container_that_no_runtime_knows_has_only_its_id() {
    check(
        ContainerState::Unknown(id(ID)),
        &[
            ("container.id", "39998b0e5110"),
            ("container.full_id", "<NA>"),
            ("container.name", "<NA>"),
            ("container.type", "<NA>"),
            ("container.image", "<NA>"),
            ("container.privileged", "<NA>"),
            ("container.mounts", "<NA>"),
            ("k8s.pod.labels", "<NA>"),
            ("k8s.pod.sandbox_id", "<NA>"),
        ],
    );
}

#[test]
fn a_known_container_has_all_fields_of_its_pod() {
    let demo = demo();
    check(
        ContainerState::Known(&demo),
        &[
            ("container.id", "39998b0e5110"),
            ("container.full_id", ID),
            ("container.name", "main"),
            ("container.type", "containerd"),
            ("container.image", "peer.local:5000/team/app:v1.2"),
            ("container.image.repository", "peer.local:5000/team/app"),
            ("container.image.tag", "v1.2"),
            ("container.image.digest", "<NA>"),
            ("container.privileged", "true"),
            ("container.host_network", "false"),
            ("container.labels", "a:b, e"),
            ("container.label[a]", "b"),
            ("k8s.pod.name", "web-0"),
            ("k8s.ns.name", "shop"),
            ("k8s.pod.uid", "u-1"),
            ("k8s.pod.id", "u-1"),
            ("k8s.pod.labels", "app:demo, empty"),
            ("k8s.pod.label[app]", "demo"),
            ("k8s.pod.label[empty]", ""),
            ("k8s.pod.label[none]", "<NA>"),
            ("k8s.pod.sandbox_id", "4836c437aad0"),
            ("k8s.pod.full_sandbox_id", SANDBOX),
            ("k8s.deployment.name", "web"),
            ("k8s.owner.kind", "Deployment"),
            ("k8s.pod.ip", "<NA>"),
            ("k8smeta.pod.name", "web-0"),
            ("k8smeta.pod.uid", "u-1"),
            ("k8smeta.ns.name", "shop"),
            ("k8smeta.pod.label[app]", "demo"),
            ("k8smeta.pod.labels", "(app:demo,empty:)"),
            ("k8smeta.pod.ip", "<NA>"),
            ("k8smeta.deployment.name", "web"),
            ("k8smeta.rs.name", "web-7b658bcd76"),
            ("k8smeta.rs.uid", "u-2"),
            ("k8smeta.rc.name", "<NA>"),
            ("k8smeta.rc.uid", "<NA>"),
        ],
    );
}

#[test]
fn mounts_are_found_by_number_by_source_and_by_destination() {
    let demo = demo();
    check(
        ContainerState::Known(&demo),
        &[
            (
                "container.mounts",
                "/var/log:/logs::true:rslave,/proc/self:/p::false:private",
            ),
            ("container.mount[1]", "/proc/self:/p::false:private"),
            ("container.mount.dest[/proc*]", "/p"),
            ("container.mount.dest[/var/log]", "/logs"),
            ("container.mount.dest[/etc]", "<NA>"),
            ("container.mount.source[/logs]", "/var/log"),
            ("container.mount.rdwr[/proc*]", "false"),
            ("container.mount.propagation[0]", "rslave"),
            ("container.mount.mode[0]", ""),
            ("container.mount.dest[7]", "<NA>"),
        ],
    );
}

#[test]
fn wildcards_cross_slashes() {
    for (pattern, text, expected) in [
        ("/proc*", "/proc", true),
        ("/proc*", "/proc/1/root", true),
        ("/proc", "/proc/1", false),
        ("/?ar/*/x", "/var/a/b/x", true),
        ("*", "", true),
        ("**a", "ba", true),
        ("a*b*c", "a1b2b3c", true),
        ("a*b*c", "a1c2b", false),
        ("", "x", false),
    ] {
        assert_eq!(
            matches(pattern.as_bytes(), text.as_bytes()),
            expected,
            "{pattern} {text}"
        );
    }
}

#[test]
fn the_first_process_of_a_pid_namespace_has_no_session_leader() {
    let mut record = RecordBuilder::exec("/bin/true", &["true"]);
    record.task.vtgid = 1;
    record.task.vsid = 1;
    let name = |record: &RecordBuilder| text_of(record, ContainerState::Host, "proc.sname");
    assert_ne!(name(&record), "", "the machine's own first process");
    record.task.flags &= !task_flag::INITIAL_PID_NS;
    assert_eq!(name(&record), "");
}

#[test]
fn a_process_that_copies_the_look_of_runc_init_is_not_the_runtimes() {
    let field = "proc.is_container_runtime";
    let mut runtime = RecordBuilder::exec("", &["runc", "init"]);
    runtime.exec.flags |= sensor_ebpf::exec_flag::MEMFD;
    let mut copy = runtime.clone();
    copy.task.flags &= !task_flag::INITIAL_PID_NS;
    copy.task.vtgid = copy.task.tgid;
    let with = |host_pid| Container { host_pid, ..demo() };
    let of = |record: &RecordBuilder, host_pid| {
        let container = with(host_pid);
        text_of(record, ContainerState::Known(&container), field)
    };
    assert_eq!(of(&runtime, Some(false)), "true");
    assert_eq!(of(&copy, Some(false)), "false");
    for unsure in [Some(true), None] {
        assert_eq!(of(&runtime, unsure), "<NA>");
        assert_eq!(of(&copy, unsure), "false");
    }
    let unknown = ContainerState::Unknown(id(ID));
    assert_eq!(text_of(&runtime, unknown, field), "<NA>");
    assert_eq!(text_of(&runtime, ContainerState::Host, field), "false");
}
