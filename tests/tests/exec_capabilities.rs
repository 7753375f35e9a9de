//! A sensor with exactly the capabilities of `deploy/kubernetes/components/least-privilege`.
//!
//! In a guest of `cargo xtask vm` the kernel also refuses perf events to processes without
//! `CAP_SYS_ADMIN`, as administrators of Debian and Ubuntu can choose.

use std::{env, fs};

use tests::{Act, Scene, Seen, Setup, connects, rights};

const PARANOID: &str = "/proc/sys/kernel/perf_event_paranoid";

/// Lets an actor exec, fail to exec and connect, under a sensor with few rights.
fn seen_with_few_rights() -> Seen {
    let scene = Scene::new();
    let tool = scene.program("tool");
    let act = Act::new()
        .fail("/nonexistent/tool", libc::ENOENT, ["tool"])
        .and(connects::tcp(libc::AF_INET).connect("127.0.0.1:9", libc::ECONNREFUSED))
        .exec(&tool, ["tool"])
        .after(Act::new().just("net-namespace"));
    let actor = act.start();
    let mut capabilities = rights::LEAST_PRIVILEGE.to_vec();
    if is_older_than_5_11() {
        capabilities.push(rights::SYS_RESOURCE);
    }
    let rules = format!(
        "{}\n{}",
        include_str!("../harness/src/rules.yaml"),
        connects::RULES
    );
    let sensor = Setup::watching(actor.pid())
        .rules(&rules)
        .option("engine.modern_ebpf.drop_failed_exit", false)
        .with_capabilities(capabilities)
        .start();
    let _printed = actor.go();
    let seen = sensor.stop();
    seen.counters().assert_complete();
    seen
}

fn is_older_than_5_11() -> bool {
    let release = fs::read_to_string("/proc/sys/kernel/osrelease").expect("/proc is there");
    let mut numbers = release
        .split(['.', '-'])
        .map_while(|part| part.parse::<u32>().ok());
    (numbers.next(), numbers.next()) < (Some(5), Some(11))
}

#[test]
fn execs_failures_and_connects_arrive_also_where_perf_events_are_refused() {
    let in_guest = env::var_os("SENSOR_TEST_GUEST").is_some();
    if in_guest {
        fs::write(PARANOID, "3").expect("root may set it");
    }
    let paranoid: i32 = fs::read_to_string(PARANOID)
        .ok()
        .and_then(|text| text.trim().parse().ok())
        .unwrap_or_default();
    let seen = seen_with_few_rights();
    eprintln!("perf_event_paranoid={paranoid}\n{}", seen.stderr);
    let _ = seen.exec("tool");
    let failed = seen.events.iter().filter(|event| {
        event.0["output_fields"].get("evt.arg.filename").is_some() && event.is("evt.failed")
    });
    assert_eq!(failed.count(), 1, "{seen:#?}");
    let connect = seen.only("of a connect", |event| event.field("evt.type") == "connect");
    assert_eq!(connect.text("evt.res"), "ECONNREFUSED");
    if in_guest && paranoid >= 3 {
        let expected = if tests::connects::hooks().contains(&"fexit") {
            "fexit_exec"
        } else {
            "hooked raw"
        };
        assert!(seen.stderr.contains(expected), "{}", seen.stderr);
    }
}
