//! Measures rule sets of 1, 10, 100 and 1,000 rules in the style of Falco's public rules: how long
//! they take to load, and how much an event costs that matches no rule.
//!
//! `cargo bench --package sensor --bench rules`. The promise: 100 rules load in 50 ms, and an exec
//! event that matches none of them costs 2 µs.

use std::{fmt::Write as _, hint::black_box};

use bumpalo::Bump;
use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use metadata::{Container, ContainerId, ContainerState, Domains, Users};
use sensor::sources::syscall::{
    event::{Event, builder::RecordBuilder},
    fields::{Context, Environment, Memo},
    lineage::Lineage,
    rules::{Options, RuleFile, RuleSet, Scratch, compile},
};

/// Macros and lists that all rules share.
const COMMON: &str = r"
- macro: spawned_process
  condition: (evt.type in (execve, execveat) and evt.failed = false)
- macro: container
  condition: (container.id != host)
- list: shell_binaries
  items: [ash, bash, csh, ksh, sh, tcsh, zsh, dash]
- list: package_mgmt_binaries
  items: [dpkg, apt, apt-get, aptitude, rpm, yum, dnf, apk, pip, pip3, npm, gem]
- macro: shell_procs
  condition: proc.name in (shell_binaries)
- macro: package_mgmt_procs
  condition: proc.name in (package_mgmt_binaries)
- macro: known_parents
  condition: (proc.pname in (systemd, cron, sshd, containerd-shim) or proc.aname[2] in (systemd, cron))
- macro: trusted_images
  condition: (container.image.repository in (registry.example/base, registry.example/tools) or container.image.repository endswith /trusted)
";

/// A rule file with that number of rules.
fn text(rules: usize) -> String {
    let mut text = COMMON.to_owned();
    for n in 0..rules {
        let condition = match n % 10 {
            0 => format!(
                "spawned_process and container and proc.name in (tool{n}, helper{n}, shell_binaries) and proc.tty != 0 and not known_parents"
            ),
            1 => format!(
                "spawned_process and container and package_mgmt_procs and not trusted_images and not proc.pname in (builder{n}, shell_binaries)"
            ),
            2 => format!(
                "spawned_process and container and (proc.cmdline contains \"secret{n}\" or proc.cmdline contains \"--password{n}\") and not user.name = root{n}"
            ),
            3 => format!(
                "spawned_process and proc.name = miner{n} and proc.args contains \"stratum{n}\""
            ),
            4 => format!(
                "spawned_process and container and proc.exepath startswith /opt/app{n}/ and proc.pname in (shell_binaries) and not trusted_images"
            ),
            5 => format!(
                "spawned_process and container and shell_procs and proc.pname in (nginx{n}, httpd{n}, java{n}) and not proc.cmdline in (\"sh -c healthcheck{n}\")"
            ),
            6 => format!(
                "spawned_process and container and proc.is_exe_upper_layer = true and proc.exepath pmatch (/tmp/drop{n}, /var/tmp/drop{n}) and not known_parents"
            ),
            7 => format!(
                "evt.type = connect and container and fd.sport in ({}, {}) and not fd.snet in (\"10.0.0.0/8\", \"192.168.0.0/16\")",
                3000 + n,
                9000 + n
            ),
            8 => format!(
                "spawned_process and proc.name in (nsenter{n}, unshare{n}) and user.uid = 0 and proc.aname[2] = sh{n}"
            ),
            _ => format!(
                "(evt.type in (open, openat) and fd.name startswith /etc/app{n}) or (spawned_process and proc.cmdline icontains \"/etc/shadow{n}\")"
            ),
        };
        let _ = write!(
            text,
            "- rule: Rule number {n}\n  desc: A rule in the style of the public ones.\n  condition: >\n    {condition}\n  \
             output: Something happened (user=%user.name command=%proc.cmdline parent=%proc.pname container=%container.id image=%container.image.repository pod=%k8s.pod.name)\n  \
             priority: WARNING\n  tags: [container, process, number{n}]\n  exceptions:\n    - name: images\n      fields: [proc.name, container.image.repository]\n      comps: [=, startswith]\n      values: [[exempt{n}, registry.example/]]\n"
        );
    }
    text
}

fn set(rules: usize) -> RuleSet {
    compile(
        &[RuleFile::new("bench.yaml", text(rules))],
        &Options::default(),
    )
    .set
    .expect("the rules are good")
}

fn load(c: &mut Criterion) {
    let mut group = c.benchmark_group("load");
    group.sample_size(10);
    for rules in [1, 10, 100, 1000] {
        let files = [RuleFile::new("bench.yaml", text(rules))];
        group.bench_with_input(BenchmarkId::from_parameter(rules), &files, |b, files| {
            b.iter(|| compile(black_box(files), &Options::default()));
        });
    }
    group.finish();
}

fn evaluate(c: &mut Criterion) {
    let id = ContainerId::new(b"0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef")
        .expect("an id");
    let container = Container {
        repository: Some("registry.example/team/app".into()),
        ..Container::new(id, "containerd")
    };
    for (name, argv, state) in [
        (
            "no match",
            &["true", "--verbose", "/srv/data/file"][..],
            ContainerState::Known(&container),
        ),
        (
            "no match, shell",
            &["sh", "-c", "/usr/bin/true --verbose --name value"],
            ContainerState::Known(&container),
        ),
        ("no match, host", &["true"], ContainerState::Host),
    ] {
        let exe = format!("/usr/bin/{}", argv[0]);
        let record = RecordBuilder::exec(&exe, argv).build();
        let event = Event::decode(&record).expect("a record");
        let (lineage, users) = (Lineage::default(), Users::default());
        let mut group = c.benchmark_group(name);
        for rules in [1, 10, 100, 1000] {
            let set = set(rules);
            let mut scratch = Scratch::default();
            let mut arena = Bump::with_capacity(64 << 10);
            group.bench_function(BenchmarkId::from_parameter(rules), |b| {
                b.iter(|| {
                    arena.reset();
                    let context = Context {
                        event: &event,
                        arena: &arena,
                        number: 1,
                        time: 1_795_233_338_582_871_057,
                        boot_to_utc: 1_000_000_000,
                        hostname: "node",
                        boot_id: 1,
                        container: state,
                        env: &Environment::ALL,
                        lineage: &lineage,
                        users: &users,
                        domains: &Domains::default(),
                        memo: Memo::default(),
                    };
                    set.evaluate(&mut scratch, black_box(&context), &mut |rule| {
                        panic!("'{}' matches", rule.name);
                    });
                });
            });
        }
        group.finish();
    }
}

criterion_group!(benches, load, evaluate);
criterion_main!(benches);
