//! Events with all fields.
#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot go on says so by a panic"
)]

use std::process::Command;

use libc::AF_INET;
use serde_json::Value;
use tests::{Act, Event, Scene, connects::tcp, programs};

struct Field {
    name: String,
    kind: String,
    of_execs: bool,
    of_connects: bool,
}

/// The fields in `--list` that take no argument and are allowed in an output.
fn fields() -> Vec<Field> {
    let mut list = Command::new(programs::sensor());
    list.args(["--list", "--format", "json"]);
    let output = programs::alone(|| list.output()).unwrap();
    let list: Value = serde_json::from_slice(&output.stdout).unwrap();
    let all = list["fields"].as_array().unwrap();
    let plain = all
        .iter()
        .filter(|field| field["usage"] == field["name"] && field["condition_only"] == false);
    let field = |field: &Value| {
        let text = |key: &str| field[key].as_str().unwrap().to_owned();
        let events = field["events"].to_string();
        Field {
            name: text("name"),
            kind: text("type"),
            of_execs: events.contains("execve"),
            of_connects: events.contains("connect"),
        }
    };
    plain.map(field).collect()
}

/// An exec, a failed exec and a connect, with all fields.
fn events(fields: &[Field]) -> Vec<Event> {
    let scene = Scene::new();
    let tool = scene.program("tool");
    let names: Vec<_> = fields.iter().map(|field| field.name.as_str()).collect();
    let output = format!("%{}", names.join(" %"));
    let rules = format!(
        "- rule: All\n  desc: d\n  condition: evt.type in (execve, execveat, connect)\n  priority: DEBUG\n  output: {output:?}\n"
    );
    let act = Act::new()
        .then("fail", ["/nonexistent/tool", "2"])
        .argv(["tool"])
        .and(tcp(AF_INET).connect("127.0.0.1:1", libc::ECONNREFUSED))
        .exec(&tool, ["tool", "argument"]);
    let (seen, ..) = scene.act_under(act, |setup| {
        let setup = setup.rules(&rules);
        setup.option("engine.modern_ebpf.drop_failed_exit", false)
    });
    seen.events
}

#[test]
fn each_field_is_of_the_type_that_the_list_says() {
    let fields = fields();
    assert!(fields.len() > 150, "{}", fields.len());
    let events = events(&fields);
    assert_eq!(events.len(), 3, "{events:#?}");
    for event in &events {
        let values = event.0["output_fields"].as_object().unwrap();
        let is_connect = event.field("evt.type") == "connect";
        for field in &fields {
            let value = &values[&field.name];
            let is_of_type = match field.kind.as_str() {
                "number" => value.is_number(),
                "boolean" => value.is_boolean(),
                // The only field whose value is an array.
                "string" if field.name == "proc.argv" => value.is_array(),
                "string" => value.is_string(),
                _ => value.is_number() || value.is_string(),
            };
            assert!(value.is_null() || is_of_type, "{}: {value}", field.name);
            let belongs = if is_connect {
                field.of_connects
            } else {
                field.of_execs
            };
            assert!(belongs || value.is_null(), "{}: {value}", field.name);
        }
    }
}

#[test]
fn what_is_fixed_says_so() {
    let fields = fields();
    for event in events(&fields) {
        event.assert_fields(&serde_json::json!({
            "evt.source": "syscall",
            "evt.is_syscall": true,
            "evt.is_async": false,
            "evt.dir": "<",
            "evt.count": 1,
        }));
        assert_eq!(event.field("evt.info"), event.field("evt.args"));
        assert_eq!(event.field("syscall.type"), event.field("evt.type"));
        let whole = event.number("evt.rawtime.s") * 1_000_000_000;
        assert_eq!(
            whole + event.number("evt.rawtime.ns"),
            event.number("evt.rawtime")
        );
    }
}

/// The environment of a program and of its parent, as a rule sees it under a setting.
fn environment(setting: &str) -> Event {
    let scene = Scene::new();
    let tool = scene.program("tool");
    let rules = "- rule: All\n  desc: d\n  condition: evt.type in (execve, execveat)\n  priority: DEBUG\n  output: '%proc.env %proc.env[A] %proc.env[B] %proc.aenv'\n";
    let act = Act::new()
        .then("exec-environment", [&tool])
        .argv(["tool"])
        .argv(["AB=0", "A=1", "B=2", "A", "C=A=1"]);
    let (seen, ..) = scene.act_under(act, |setup| {
        setup.rules(rules).option("sensor.capture.env", setting)
    });
    let [event] = <[Event; 1]>::try_from(seen.events).unwrap();
    event
}

#[test]
fn rules_see_those_variables_of_the_environment_that_are_named() {
    let named = environment("[A, NONE]");
    assert_eq!(named.field("proc.env"), "A=1");
    assert_eq!(named.field("proc.env[A]"), "1");
    assert!(named.field("proc.env[B]").is_null());
    let all = environment("true");
    assert_eq!(all.field("proc.env"), "AB=0 A=1 B=2 A C=A=1");
    assert_eq!(all.field("proc.env[B]"), "2");
    let none = environment("false");
    for field in ["proc.env", "proc.env[A]", "proc.env[B]", "proc.aenv"] {
        assert!(none.field(field).is_null(), "{field}: {:?}", none.0);
    }
}
