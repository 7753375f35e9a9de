//! Tests of the rule files that ship.

use std::path::PathBuf;

use metadata::ContainerState;
use sensor_ebpf::Kinds;

use super::{Options, RuleSet, compile, container, matches, netcat};
use crate::sources::syscall::{
    event::{
        Kind,
        builder::{RecordBuilder, set_comm},
    },
    rules::{Activity, Code, read},
};

fn load(names: &[&str]) -> RuleSet {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../deploy/rules");
    let paths: Vec<_> = names.iter().map(|name| folder.join(name)).collect();
    let compilation = compile(&read(&paths).unwrap(), &Options::default());
    // Only the user's own rule may spell its priority in another way.
    let problems = compilation.report.problems();
    let problems = problems.filter(|problem| problem.code != Code::Spelling);
    assert_eq!(problems.count(), 0, "{}", compilation.report.text());
    let set = compilation.set.unwrap();
    assert!(
        set.info()
            .iter()
            .all(|info| info.activity == Activity::Active)
    );
    set
}

#[test]
fn the_default_rule_has_the_fields_of_the_pipeline() {
    let set = load(&["execve.yaml"]);
    let rule = &set.rules()[0];
    assert_eq!(&*rule.name, "Log Execve Syscalls for Elasticsearch");
    assert_eq!(
        rule.output.text(),
        "%user.name %user.uid %group.gid %proc.pid %proc.ppid %proc.name %proc.cmdline %proc.exepath \
         %proc.args %proc.cwd %container.id %container.name %container.name \
         %container.image.repository:%container.image.tag %k8s.pod.name %k8s.pod.name %k8s.pod.uid \
         %k8s.pod.uid %k8s.ns.name %k8s.ns.name %k8s.pod.labels %container.privileged \
         %proc.aname[1] %proc.aname[2]"
    );
    assert!(set.requirements().reach.host == Kinds::NONE);
    let container = container();
    assert_eq!(
        matches(&set, &netcat(), ContainerState::Known(&container)).len(),
        1
    );
    assert!(matches(&set, &netcat(), ContainerState::Host).is_empty());
}

#[test]
fn the_connect_rule_needs_connects_of_containers_only() {
    let r = load(&["connect.yaml"]).requirements().clone();
    let connects = Kinds::NONE.with(Kind::Connect);
    assert_eq!((r.reach.container, r.reach.host), (connects, Kinds::NONE));
    let peers = r.connects;
    assert!(!peers.unix && !peers.loopback && !peers.other_families);
}

#[test]
fn every_exec_of_the_host_is_logged_in_development() {
    let set = load(&["development.yaml"]);
    assert!(set.requirements().reach.host.contains(Kind::Exec));
    assert_eq!(
        matches(&set, &netcat(), ContainerState::Host),
        ["Log every exec"]
    );
}

fn run(exe: &str, argv: &[&str], parent: &str, tty: bool) -> RecordBuilder {
    let mut record = RecordBuilder::exec(exe, argv);
    set_comm(&mut record.ancestors[0].comm, parent);
    record.task.tty = if tty { 34816 } else { 0 };
    record
}

#[test]
fn each_detection_matches_its_attack() {
    let set = load(&["detections.yaml"]);
    let container = container();
    let inside = ContainerState::Known(&container);
    for (record, state, expected) in [
        (
            run("/bin/sh", &["sh"], "containerd-shim", true),
            inside,
            "Terminal shell in container",
        ),
        (
            run("/bin/sh", &["sh"], "containerd-shim", false),
            inside,
            "",
        ),
        (run("/bin/sh", &["sh"], "node", true), inside, ""),
        (
            run("/bin/sh", &["sh"], "containerd-shim", true),
            ContainerState::Host,
            "",
        ),
        (
            run("/usr/bin/apt-get", &["apt-get", "update"], "sh", false),
            inside,
            "Package management in container",
        ),
        (
            run("/tmp/xmrig", &["xmrig"], "sh", false),
            inside,
            "Crypto mining detected",
        ),
        (
            run(
                "/tmp/x",
                &["x", "-o", "stratum+tcp://pool:3333"],
                "sh",
                false,
            ),
            inside,
            "Crypto mining detected",
        ),
        (
            run(
                "/usr/bin/runc",
                &["runc", "--root", "/run/x", "exec", "id"],
                "containerd-shim",
                false,
            ),
            ContainerState::Host,
            "Kubectl exec detected",
        ),
        (run("/usr/bin/true", &["true"], "sh", true), inside, ""),
    ] {
        assert_eq!(
            matches(&set, &record, state).join(","),
            expected,
            "{:?}",
            record.argv
        );
    }
}
