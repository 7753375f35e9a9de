//! `ptrace`: its requests, its targets and its errors.

use serde_json::json;
use tests::{Act, Container, Event, Scene, Seen, act::actor_program, calls, calls::check};

/// Requests of include/uapi/linux/ptrace.h.
const TRACEME: i64 = 0;
const PEEKDATA: i64 = 2;
const POKEUSR: i64 = 6;
const ATTACH: i64 = 16;
const SEIZE: i64 = 0x4206;
/// A process id that no process has.
const NOBODY: i64 = 1 << 22;

/// The conditions of Falco's rules on `ptrace`.
const RULES: &str = "
- macro: proc_name_exists
  condition: (not proc.name in (\"<NA>\",\"N/A\"))
- macro: ptrace_attach_or_injection
  condition: >
    (evt.type=ptrace and
    (evt.arg.request contains PTRACE_POKETEXT or
    evt.arg.request contains PTRACE_POKEDATA or
    evt.arg.request contains PTRACE_ATTACH or
    evt.arg.request contains PTRACE_SEIZE or
    evt.arg.request contains PTRACE_SETREGS))
- rule: PTRACE attached to process
  desc: d
  condition: ptrace_attach_or_injection and proc_name_exists
  output: '%proc.name %evt.arg.request %evt.arg.pid'
  priority: WARNING
- rule: PTRACE anti-debug attempt
  desc: d
  condition: evt.type=ptrace and evt.arg.request contains PTRACE_TRACEME and proc_name_exists
  output: '%proc.name %evt.arg.request %container.id'
  priority: NOTICE
";

fn ptrace(act: Act, arguments: [i64; 4], errno: i32) -> Act {
    act.call(libc::SYS_ptrace, arguments, errno)
}

fn events<const N: usize>(seen: &Seen) -> [&Event; N] {
    let events: Vec<_> = seen.events.iter().collect();
    events
        .try_into()
        .unwrap_or_else(|_| panic!("not {N} events: {seen:#?}"))
}

#[test]
fn a_ptrace_event_has_its_request_and_its_target_process() {
    // Waits until the test ends, and allows root to trace it.
    let tracee = Act::new().start();
    let pid = tracee.pid();
    check(
        "ptrace",
        |_| ptrace(Act::new(), [SEIZE, pid.into(), 0, 0], 0),
        |seen, actor| {
            let [seize] = events(seen);
            seize.assert_fields(&json!({
                "evt.type": "ptrace", "evt.category": "process", "evt.res": "SUCCESS",
                "evt.rawres": 0, "evt.failed": false, "fd.num": null,
                "evt.args": format!("res=0 addr=0 data=0 request=PTRACE_SEIZE pid={pid}"),
                "proc.pid": actor, "proc.name": "actor", "container.id": "host",
            }));
        },
    );
}

#[test]
fn a_ptrace_that_fails_has_its_errno_and_what_was_tried() {
    check(
        "ptrace",
        |_| {
            let act = ptrace(Act::new(), [ATTACH, NOBODY, 0, 0], libc::ESRCH);
            let act = ptrace(act, [POKEUSR, NOBODY, 0x7ffd_1234, 171], libc::ESRCH);
            let act = ptrace(act, [PEEKDATA, NOBODY, -1, 0], libc::ESRCH);
            let act = ptrace(act, [9999, NOBODY, 0, 0], libc::ESRCH);
            let act = ptrace(act, [TRACEME, 0, 0, 0], 0);
            ptrace(act, [TRACEME, -1, 0, 0], libc::EPERM)
        },
        |seen, _| {
            let events: [&Event; 6] = events(seen);
            let arguments = events.map(|event| event.text("evt.args"));
            assert_eq!(
                arguments,
                [
                    "res=ESRCH addr=0 data=0 request=PTRACE_ATTACH pid=4194304",
                    "res=ESRCH addr=7FFD1234 data=AB request=PTRACE_POKEUSR pid=4194304",
                    "res=ESRCH addr=FFFFFFFFFFFFFFFF data=0 request=PTRACE_PEEKDATA pid=4194304",
                    "res=ESRCH addr=0 data=0 request=PTRACE_UNKNOWN pid=4194304",
                    "res=0 addr=0 data=0 request=PTRACE_TRACEME pid=0",
                    "res=EPERM addr=0 data=0 request=PTRACE_TRACEME pid=-1",
                ]
            );
            events[5].assert_fields(&json!({
                "evt.res": "EPERM", "evt.rawres": -libc::EPERM, "evt.failed": true,
            }));
        },
    );
}

#[test]
fn falcos_rules_on_ptrace_match_on_the_host_and_in_containers() {
    for hooks in tests::connects::hooks() {
        let scene = Scene::new();
        let number = libc::SYS_ptrace.to_string();
        let argv = [
            "actor", "--now", "call", "1", &number, "0", "0", "0", "0", "0",
        ];
        let container = Container::new(&scene, &argv);
        container.add("bin/actor", &actor_program());
        let act = ptrace(Act::new(), [ATTACH, NOBODY, 0, 0], libc::ESRCH);
        let act = ptrace(act, [PEEKDATA, NOBODY, 0, 0], libc::ESRCH);
        let (seen, ..) = scene.act_under(container.run(act), |setup| {
            setup.rules(RULES).option("sensor.capture.hooks", hooks)
        });
        let [host, inside] = events(&seen);
        assert_eq!(host.0["rule"], "PTRACE attached to process");
        host.assert_fields(&json!({"evt.arg.request": "PTRACE_ATTACH", "evt.arg.pid": "4194304"}));
        assert_eq!(inside.0["rule"], "PTRACE anti-debug attempt");
        inside.assert_fields(&json!({"container.id": container.short_id()}));
    }
}

#[test]
fn a_rule_on_setns_hooks_no_ptrace() {
    for hooks in tests::connects::hooks() {
        let scene = Scene::new();
        let act = ptrace(Act::new(), [ATTACH, NOBODY, 0, 0], libc::ESRCH);
        let act = act.call(libc::SYS_setns, [987, 0, 0, 0], libc::EBADF);
        let (seen, ..) = scene.act_under(act, |setup| {
            let setup = setup.rules(&calls::rules("setns"));
            setup.option("sensor.capture.hooks", hooks)
        });
        let [setns] = events(&seen);
        assert_eq!(setns.text("evt.type"), "setns");
        let reported = seen
            .stderr
            .lines()
            .find(|line| line.starts_with("kernel ptrace:"));
        let reported = reported.expect("the sensor reports its counters at the end");
        assert!(
            reported.starts_with("kernel ptrace: seen=0 written=0 "),
            "{reported}"
        );
    }
}

/// 32-bit programs.
#[cfg(target_arch = "x86_64")]
mod compat {
    use std::process::Command;

    use tests::{elf, programs};

    use super::*;

    /// The machine code of `ptrace(PTRACE_TRACEME, 0, 0, 0)`.
    const CODE: &[u8] = &[
        0x31, 0xdb, // xor ebx, ebx
        0x31, 0xc9, // xor ecx, ecx
        0x31, 0xd2, // xor edx, edx
        0x31, 0xf6, // xor esi, esi
        0xb8, 0x1a, 0, 0, 0, // mov eax, ptrace (26)
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
            let program = scene.executable("ptrace32", elf::i386_after(CODE));
            let act = Act::new().exec(program, ["p"]);
            let (seen, ..) = scene.act_under(act, |setup| {
                let setup = setup.rules(&calls::rules("ptrace"));
                setup.option("sensor.capture.hooks", hooks)
            });
            if hooks == "perf" {
                assert!(seen.events.is_empty(), "{seen:#?}");
                continue;
            }
            let [event] = events(&seen);
            event.assert_fields(&json!({
                "proc.name": "ptrace32",
                "evt.args": "res=0 addr=0 data=0 request=PTRACE_TRACEME pid=0",
            }));
        }
    }
}
