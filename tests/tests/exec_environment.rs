//! A variable hides in a large environment: the rule that names it sees it wherever it stands, and
//! an event whose environment is cut says so.

use rustix::process::Signal;
use serde_json::{Value, json};
use tests::{Act, Event, Scene, Seen, Setup, connects::tcp};

/// A rule for execs with `LD_PRELOAD=/evil.so` by `condition`, and one for all others.
fn rules(condition: &str, output: &str) -> String {
    let rule = |name: &str, condition: &str| {
        format!(
            "- {{rule: {name}, desc: d, condition: '{condition}', output: '{output}', priority: INFO}}\n"
        )
    };
    let all = "evt.type in (execve, connect)";
    rule("Preload", &format!("{all} and {condition}")) + &rule("Other", all)
}

const NAMED: &str = "proc.env[LD_PRELOAD] = /evil.so";
const OUTPUT: &str = "%proc.env[LD_PRELOAD] %proc.env_truncated %proc.name";

/// Lets a program with that environment run and end at once, under these rules.
fn seen<T: AsRef<str>>(env: &[T], rules: &str) -> (Event, Seen) {
    let scene = Scene::new();
    let tool = scene.program("tool");
    let act = Act::new()
        .then("exec-environment", [&tool])
        .argv(["tool"])
        .argv(env.iter().map(AsRef::as_ref));
    let (seen, ..) = scene.act_under(act, |setup| setup.rules(rules));
    (seen.exec("tool").clone(), seen)
}

/// The rule that the exec of a program with that environment matches, `LD_PRELOAD`, and whether the
/// environment is cut.
fn found<T: AsRef<str>>(env: &[T]) -> (Value, Value, Value) {
    let (event, _) = seen(env, &rules(NAMED, OUTPUT));
    (
        event.0["rule"].clone(),
        event.field("proc.env[LD_PRELOAD]").clone(),
        event.field("proc.env_truncated").clone(),
    )
}

/// The variable, behind that many bytes of others.
fn behind(bytes: usize) -> Vec<String> {
    let other = |n| format!("V{n:04}={}", "x".repeat(93));
    let mut env: Vec<_> = (0..bytes / 100).map(other).collect();
    env.push("LD_PRELOAD=/evil.so".to_owned());
    env
}

fn caught(value: &str) -> (Value, Value, Value) {
    (json!("Preload"), json!(value), json!(false))
}

#[test]
fn a_variable_behind_5_kb_is_found() {
    assert_eq!(found(&behind(5 << 10)), caught("/evil.so"));
}

#[test]
fn a_variable_behind_100_kb_is_found() {
    assert_eq!(found(&behind(100 << 10)), caught("/evil.so"));
}

#[test]
fn a_variable_behind_a_megabyte_is_found() {
    assert_eq!(found(&behind(1 << 20)), caught("/evil.so"));
}

#[test]
fn a_variable_behind_the_longest_that_the_kernel_takes_is_found() {
    let long = format!("X={}", "x".repeat((128 << 10) - 3));
    assert_eq!(found(&[&*long, "LD_PRELOAD=/evil.so"]), caught("/evil.so"));
}

#[test]
fn a_variable_at_each_place_around_the_limit_is_found() {
    // The record of an exec has 4,096 bytes of the environment; the rest comes apart.
    for before in (4096 - 24..4096 + 4).step_by(3) {
        let other = format!("X={}", "x".repeat(before - 3));
        let env = [&*other, "LD_PRELOAD=/evil.so", "Y="];
        assert_eq!(found(&env), caught("/evil.so"), "{before}");
    }
}

#[test]
fn each_value_of_a_variable_that_is_there_twice_counts() {
    let good = "LD_PRELOAD=/good.so";
    let evil = "LD_PRELOAD=/evil.so";
    assert_eq!(found(&[good, evil]), caught("/good.so /evil.so"));
    assert_eq!(found(&[evil, good]), caught("/evil.so /good.so"));
    let mut env = behind(100 << 10);
    env.insert(0, good.to_owned());
    assert_eq!(found(&env), caught("/good.so /evil.so"));
}

#[test]
fn a_variable_behind_empty_texts_and_empty_names_is_found() {
    let env = ["", "", "=x", "LD_PRELOAD", "=", "LD_PRELOAD=/evil.so", ""];
    assert_eq!(found(&env), caught("/evil.so"));
}

#[test]
fn another_variable_is_not_taken_for_it() {
    for env in [
        ["LD_PRELOAD_=/evil.so", "XLD_PRELOAD=/evil.so"],
        ["X=LD_PRELOAD=/evil.so", "LD_PRELOAD"],
    ] {
        let mut all = behind(9000);
        all.pop();
        all.extend(env.map(str::to_owned));
        assert_eq!(found(&all), (json!("Other"), Value::Null, json!(false)));
    }
}

#[test]
fn conditions_on_the_whole_environment_see_all_of_it() {
    for condition in [
        "proc.env contains \"LD_PRELOAD=/evil.so\"",
        "proc.env icontains \"ld_preload=/EVIL.so\"",
        "proc.env endswith \"LD_PRELOAD=/evil.so\"",
    ] {
        let rules = rules(condition, "%proc.name %proc.env %proc.env_truncated");
        let (event, _) = seen(&behind(300 << 10), &rules);
        assert_eq!(event.0["rule"], "Preload", "{condition}");
        event.assert_fields(&json!({"proc.env_truncated": false}));
        let printed = event.text("proc.env");
        assert_eq!(printed.len(), 4096, "an output prints the beginning");
        assert!(printed.starts_with("V0000=xxx"), "{printed}");
    }
}

#[test]
fn a_variable_is_found_at_a_connect_of_the_program_too() {
    let scene = Scene::new();
    let actor = scene.actor("hidden");
    let steps = Act::new().just("net-namespace").and(tcp(libc::AF_INET));
    let steps = steps.connect("127.0.0.1:1", libc::ECONNREFUSED);
    // Without a name that means something to the loader of the actor.
    let other = |text: &str| text.replace("LD_PRELOAD", "HIDDEN");
    let env = behind(200 << 10);
    let env = env.iter().map(|variable| other(variable));
    let act = Act::new().exec_actor_in(env, actor, steps);
    let rules = other(&rules(NAMED, &format!("%evt.type {OUTPUT}")));
    let (seen, ..) = scene.act_under(act, |setup| setup.rules(&rules));
    for kind in ["execve", "connect"] {
        let event = seen.only(kind, |event| event.field("evt.type") == kind);
        assert_eq!(event.0["rule"], "Preload");
        event.assert_fields(&json!({
            "proc.name": "hidden",
            "proc.env[HIDDEN]": "/evil.so",
            "proc.env_truncated": false,
        }));
    }
}

#[test]
fn an_environment_that_does_not_fit_is_marked_and_counted() {
    let scene = Scene::new();
    let tool = scene.program("tool");
    let act = Act::new()
        .then("exec-environment", [&tool])
        .argv(["tool"])
        .argv(behind(1200 << 10));
    let actor = act.start();
    let sensor = Setup::watching(actor.pid())
        .rules(&rules(NAMED, OUTPUT))
        // One MiB, which the sensor cannot empty while it is stopped.
        .option("engine.modern_ebpf.buf_size_preset", 1)
        .start();
    sensor.signal(Signal::STOP);
    let _ = actor.go();
    sensor.signal(Signal::CONT);
    let seen = sensor.stop();
    let event = seen.exec("tool");
    assert_eq!(event.0["rule"], "Other");
    event.assert_fields(&json!({
        "proc.env[LD_PRELOAD]": null,
        "proc.env_truncated": true,
    }));
    let counters = seen.counters();
    counters.assert_complete();
    assert_eq!(counters.kernel("environment"), 1);
}

#[test]
fn no_environment_is_read_if_no_rule_asks_for_it() {
    let rules = "- {rule: All, desc: d, condition: evt.type = execve, output: '%proc.name', priority: INFO}\n";
    let (_, seen) = seen(&behind(100 << 10), rules);
    assert_eq!(seen.counters().kernel("environment"), 0);
}
