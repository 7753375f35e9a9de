//! `setns`, as an example of every plain system call.

use serde_json::json;
use tests::{Act, Container, Scene, Seen, act::actor_program, calls, calls::check};

/// `CLONE_NEWUTS`, `CLONE_NEWNS` and `CLONE_NEWPID` of include/uapi/linux/sched.h.
const UTS: i64 = 0x0400_0000;
const MOUNTS_AND_PIDS: i64 = 0x2002_0000;

/// The programs for plain system calls, one for each hook mode.
const PROGRAMS: [&str; 3] = ["fexit_call", "exit_call", "exit_call_raw"];

/// Steps that open the actor's own UTS namespace as descriptor 100.
fn uts() -> Act {
    Act::new().then("open", ["100", "/proc/self/ns/uts"])
}

fn setns(act: Act, fd: i64, namespaces: i64, errno: i32) -> Act {
    act.call(libc::SYS_setns, [fd, namespaces, 0, 0], errno)
}

#[test]
fn a_setns_has_its_arguments_and_its_caller() {
    check(
        "setns",
        |_| setns(uts(), 100, UTS, 0),
        |seen, pid| {
            let event = seen.only("at all", |_| true);
            event.assert_fields(&json!({
                "evt.type": "setns", "evt.category": "process",
                "evt.rawres": 0, "evt.res": "SUCCESS", "evt.failed": false, "evt.arg.res": "0",
                "evt.args": "res=0 fd=100 nstype=CLONE_NEWUTS",
                "fd.num": 100, "fd.name": null,
                "proc.pid": pid, "thread.tid": pid, "proc.name": "actor",
                "proc.exepath": actor_program(), "user.uid": 0, "container.id": "host",
            }));
            assert!(event.text("proc.cmdline").starts_with("actor open 100"));
        },
    );
}

#[test]
fn a_setns_that_fails_has_its_errno_and_what_was_tried() {
    check(
        "setns",
        |_| {
            let act = setns(uts(), 987, MOUNTS_AND_PIDS, libc::EBADF);
            setns(act, 100, MOUNTS_AND_PIDS, libc::EINVAL)
        },
        |seen, _| {
            let [bad, invalid] = two(seen);
            bad.assert_fields(&json!({
                "evt.rawres": -libc::EBADF, "evt.res": "EBADF", "evt.failed": true,
                "evt.args": "res=EBADF fd=987 nstype=CLONE_NEWNS|CLONE_NEWPID", "fd.num": 987,
            }));
            invalid.assert_fields(&json!({
                "evt.res": "EINVAL", "evt.args": "res=EINVAL fd=100 nstype=CLONE_NEWNS|CLONE_NEWPID",
            }));
        },
    );
}

fn two(seen: &Seen) -> [&tests::Event; 2] {
    let events: Vec<_> = seen.events.iter().collect();
    events
        .try_into()
        .unwrap_or_else(|_| panic!("not two events: {seen:#?}"))
}

#[test]
fn a_setns_with_0_accepts_a_descriptor_of_any_namespace() {
    check(
        "setns",
        |_| setns(uts(), 100, 0, 0),
        |seen, _| {
            let event = seen.only("at all", |_| true);
            event.assert_fields(&json!({"evt.args": "res=0 fd=100 nstype=0"}));
        },
    );
}

#[test]
fn a_setns_in_a_container_has_that_container() {
    for hooks in tests::connects::hooks() {
        let scene = Scene::new();
        let number = libc::SYS_setns.to_string();
        let errno = libc::EBADF.to_string();
        let argv = [
            "actor", "--now", "call", "1", &number, &errno, "987", "0", "0", "0",
        ];
        let container = Container::new(&scene, &argv);
        container.add("bin/actor", &actor_program());
        let rules = calls::rules("setns and proc.name = actor");
        let (seen, ..) = scene.act_under(container.run(setns(uts(), 100, UTS, 0)), |setup| {
            setup.rules(&rules).option("sensor.capture.hooks", hooks)
        });
        let [host, inside] = two(&seen);
        host.assert_fields(&json!({"container.id": "host", "evt.res": "SUCCESS"}));
        inside.assert_fields(&json!({
            "container.id": container.short_id(), "evt.res": "EBADF", "fd.num": 987,
            "proc.exepath": "/bin/actor",
        }));
    }
}

#[test]
fn setns_calls_of_the_host_stay_in_the_kernel_if_rules_want_those_of_containers() {
    for hooks in tests::connects::hooks() {
        let scene = Scene::new();
        let rules = calls::rules("setns and container.id != host");
        // The first call can be an event, before the sensor has classified its cgroup.
        let act = Act::new().calls(100, libc::SYS_setns, [987, 0, 0, 0], libc::EBADF);
        let act = act.then("pause", ["500"]);
        let act = act.calls(100, libc::SYS_setns, [987, 0, 0, 0], libc::EBADF);
        let (seen, ..) = scene.act_under(act, |setup| {
            setup.rules(&rules).option("sensor.capture.hooks", hooks)
        });
        assert!(seen.events.is_empty(), "{seen:#?}");
        let counters = seen.counters();
        assert!(counters.kernel("filtered_host") >= 100, "{}", seen.stderr);
    }
}

#[test]
fn a_call_that_no_rule_wants_is_not_hooked() {
    for hooks in tests::connects::hooks() {
        let scene = Scene::new();
        let tool = scene.program("tool");
        let act = setns(uts(), 100, UTS, 0).exec(&tool, ["tool"]);
        let (seen, ..) = scene.act_under(act, |setup| setup.option("sensor.capture.hooks", hooks));
        assert_eq!(seen.events.len(), 1, "{seen:#?}");
        let setns = seen
            .stderr
            .lines()
            .find(|line| line.starts_with("kernel setns:"));
        let setns = setns.expect("the sensor reports its counters at the end");
        assert!(
            setns.starts_with("kernel setns: seen=0 written=0 "),
            "{setns}"
        );
    }
}

#[test]
fn ten_thousand_calls_are_ten_thousand_lines() {
    const CALLS: usize = 10_000;
    for hooks in tests::connects::hooks() {
        let scene = Scene::new();
        let act = Act::new().calls(CALLS, libc::SYS_setns, [987, 0, 0, 0], libc::EBADF);
        let (seen, ..) = scene.act_under(act, |setup| {
            let setup = setup.rules(&calls::rules("setns"));
            let setup = setup.option("engine.modern_ebpf.buf_size_preset", 6);
            setup.option("sensor.capture.hooks", hooks)
        });
        let counters = seen.counters();
        // A raw program that the kernel skips was mostly to look at some other system call.
        let skipped = counters.skipped().into_iter();
        let skipped =
            skipped.filter(|(name, _)| PROGRAMS.contains(name) || *name == "process_fork");
        let missed = CALLS - seen.events.len();
        let most = skipped.map(|(_, runs)| runs).sum::<u64>().min(20);
        assert!(missed as u64 <= most, "{missed}: {}", seen.stderr);
        assert_eq!(counters.lost(), 0, "{}", seen.stderr);
    }
}

#[test]
fn a_flood_of_calls_is_throttled_and_each_refused_one_counted() {
    const CALLS: usize = 10_000;
    let scene = Scene::new();
    let act = Act::new().calls(CALLS, libc::SYS_setns, [987, 0, 0, 0], libc::EBADF);
    let (seen, ..) = scene.act_under(act, |setup| {
        let setup = setup.rules(&calls::rules("setns"));
        let setup = setup.option("sensor.fairness.rate", 20);
        setup.option("sensor.fairness.burst", 1000)
    });
    let counters = seen.counters();
    let refused = usize::try_from(counters.kernel("throttled")).expect("it is a small number");
    assert!(refused > 5_000, "{}", seen.stderr);
    let all = counters.all_or_skipped(CALLS, &PROGRAMS);
    assert!(
        all.contains(&(seen.events.len() + refused)),
        "{}",
        seen.stderr
    );
    let over = seen
        .internal
        .iter()
        .map(|record| &record.0["output_fields"]);
    let reported: u64 = over
        .filter_map(|fields| fields["sensor.throttled.setns"].as_u64())
        .max()
        .unwrap_or(0);
    assert_eq!(
        reported,
        counters.kernel("throttled"),
        "{:#?}",
        seen.internal
    );
}

/// A rule as Falco has it: any process that changes a namespace, except those whose job it is.
#[test]
fn a_rule_on_changed_namespaces_matches_in_containers_alone() {
    let rules = "
- rule: Change thread namespace
  desc: d
  condition: >
    evt.type=setns and container.id != host and proc.name exists
    and not proc.name in (nsenter, runc) and not proc.name startswith \"runc:\"
  output: '%proc.name %evt.type %container.id'
  priority: NOTICE
";
    let scene = Scene::new();
    let number = libc::SYS_setns.to_string();
    let errno = libc::EBADF.to_string();
    let argv = [
        "actor", "--now", "call", "1", &number, &errno, "987", "0", "0", "0",
    ];
    let container = Container::new(&scene, &argv);
    container.add("bin/actor", &actor_program());
    let act = container.run(setns(uts(), 100, UTS, 0));
    let (seen, ..) = scene.act_under(act, |setup| setup.rules(rules));
    let event = seen.only("at all", |_| true);
    assert_eq!(event.0["rule"], "Change thread namespace");
    event.assert_fields(&json!({"container.id": container.short_id(), "proc.name": "actor"}));
}

/// 32-bit programs.
#[cfg(target_arch = "x86_64")]
mod compat {
    use std::process::Command;

    use tests::{elf, programs};

    use super::*;

    /// The machine code of `setns(987, CLONE_NEWUTS)`.
    const CODE: &[u8] = &[
        0xbb, 0xdb, 0x03, 0, 0, // mov ebx, 987
        0xb9, 0, 0, 0, 0x04, // mov ecx, CLONE_NEWUTS
        0xb8, 0x5a, 0x01, 0, 0, // mov eax, setns (346)
        0xcd, 0x80, // int 0x80
    ];

    #[test]
    fn a_32_bit_call_is_seen_by_all_hooks_but_perfs() {
        let dir = tempfile::tempdir().expect("a temporary directory can be made");
        let trial = dir.path().join("trial");
        programs::write(&trial, &elf::i386());
        if programs::alone(|| Command::new(&trial).status()).is_err() {
            eprintln!("this kernel runs no 32-bit programs: nothing to see");
            return;
        }
        for hooks in tests::connects::hooks() {
            let scene = Scene::new();
            let program = scene.executable("setns32", elf::i386_after(CODE));
            let act = Act::new().exec(program, ["s"]);
            let (seen, ..) = scene.act_under(act, |setup| {
                let setup = setup.rules(&calls::rules("setns"));
                setup.option("sensor.capture.hooks", hooks)
            });
            if hooks == "perf" {
                assert!(seen.events.is_empty(), "{seen:#?}");
                continue;
            }
            let event = seen.only("at all", |_| true);
            event.assert_fields(&json!({
                "proc.name": "setns32", "evt.type": "setns",
                "evt.args": "res=EBADF fd=987 nstype=CLONE_NEWUTS", "fd.num": 987,
            }));
        }
    }
}
