//! What the sensor derives from the rules: which events the kernel side sends, and which parts of
//! them.

use std::fmt::Write as _;

use sensor_ebpf::{Kind, Kinds};
use serde_json::{Value, json};

use crate::sources::syscall::{capture::CaptureRequest, fields::Needs, rules::Requirements};

/// The row's name as a key of JSON, the name for people, and the value.
type Row = (&'static str, &'static str, Value);

/// The derived settings as a text table, to be printed below the table of rules.
pub(super) fn text(request: &CaptureRequest, requirements: &Requirements) -> String {
    let mut out = format!("\n{:<50} Value\n{:<50} -----\n", "Derived", "-------");
    for (_, name, value) in rows(request, requirements) {
        let list = |parts: &[Value], between: &str| {
            let parts: Vec<_> = parts.iter().filter_map(Value::as_str).collect();
            parts.join(between)
        };
        let value = match value {
            Value::Array(parts) if !parts.is_empty() => list(&parts, ", "),
            Value::Object(calls) if !calls.is_empty() => {
                let call = |(name, places): (&String, &Value)| {
                    let places = places.as_array().map_or(&[][..], Vec::as_slice);
                    format!("{name} of {}", list(places, " and "))
                };
                calls.iter().map(call).collect::<Vec<_>>().join(", ")
            }
            Value::Array(_) | Value::Object(_) => "none".to_owned(),
            value => value.to_string(),
        };
        // Writing to a string cannot fail.
        let _ = writeln!(out, "{name:<50} {value}");
    }
    out
}

/// The derived settings as a JSON object.
pub(super) fn object(request: &CaptureRequest, requirements: &Requirements) -> Value {
    let rows = rows(request, requirements).into_iter();
    Value::Object(
        rows.map(|(key, _, value)| (key.to_owned(), value))
            .collect(),
    )
}

fn rows(request: &CaptureRequest, requirements: &Requirements) -> [Row; 9] {
    let reach = |kind: Kind| {
        names([
            (request.reach.container.contains(kind), "containers"),
            (request.reach.host.contains(kind), "host"),
        ])
    };
    let kinds = request.reach.kinds();
    let connects = |is: bool| kinds.contains(Kind::Connect) && is;
    let needs = requirements.needs;
    let calls = Kinds::CALLS.iter().filter(|kind| kinds.contains(*kind));
    let calls = calls.map(|kind| (kind.name().to_owned(), reach(kind)));
    [
        ("exec", "Execs of", reach(Kind::Exec)),
        ("exec_failed", "Failed execs of", reach(Kind::ExecFailed)),
        ("connect", "Connects of", reach(Kind::Connect)),
        (
            "peers",
            "Connects to",
            names([
                (connects(request.connects.inet), "IPv4 and IPv6"),
                (connects(request.connects.loopback), "loopback"),
                (connects(request.connects.unix), "unix sockets"),
                (connects(request.connects.other_families), "other families"),
            ]),
        ),
        ("calls", "System calls", Value::Object(calls.collect())),
        ("ancestors", "Ancestors", json!(request.ancestors)),
        ("argv_bytes", "Bytes of argv", json!(request.argv_limit)),
        (
            "env_bytes",
            "Bytes of the environment",
            json!(request.env_limit),
        ),
        (
            "metadata",
            "Metadata",
            names([
                (needs.contains(Needs::CONTAINER), "containers"),
                (needs.contains(Needs::POD), "pods"),
                (needs.contains(Needs::USERS), "users and groups"),
            ]),
        ),
    ]
}

fn names<const N: usize>(choices: [(bool, &str); N]) -> Value {
    let chosen = choices.into_iter().filter(|(is, _)| *is);
    chosen.map(|(_, name)| name).collect()
}

#[cfg(test)]
mod tests {
    use config::Config;

    use super::*;
    use crate::sources::syscall::{
        options,
        rules::{Options, RuleFile, compile},
    };

    /// The text and JSON that the sensor derives from a rule with that condition and output.
    fn derived(condition: &str, output: &str) -> (String, Value) {
        let text = format!(
            "- rule: r\n  desc: d\n  condition: {condition}\n  output: '{output}'\n  priority: DEBUG\n"
        );
        let compilation = compile(&[RuleFile::new("r.yaml", text)], &Options::default());
        let set = compilation.set.unwrap();
        let mut config = Config::default();
        config.engine.modern_ebpf.drop_failed_exit = false;
        let request = options::capture_request(&config, set.requirements());
        (
            super::text(&request, set.requirements()),
            object(&request, set.requirements()),
        )
    }

    #[test]
    fn an_exec_rule_needs_no_connects() {
        let (text, json) = derived(
            "evt.type = execve and evt.failed = false and container.id != host",
            "%proc.aname[3] %k8s.pod.name",
        );
        let line = |name: &str, value: &str| format!("{name:<50} {value}\n");
        assert_eq!(
            text,
            [
                "\n".to_owned(),
                line("Derived", "Value"),
                line("-------", "-----"),
                line("Execs of", "containers"),
                line("Failed execs of", "none"),
                line("Connects of", "none"),
                line("Connects to", "none"),
                line("System calls", "none"),
                line("Ancestors", "3"),
                line("Bytes of argv", "32768"),
                line("Bytes of the environment", "0"),
                line("Metadata", "containers"),
            ]
            .concat()
        );
        assert_eq!(json["exec"], json!(["containers"]));
        assert_eq!(json["ancestors"], 3);
    }

    #[test]
    fn a_rule_requests_only_what_its_fields_need() {
        let (_, json) = derived("evt.type = execve and evt.failed = true", "%proc.env[A]");
        assert_eq!(json["exec_failed"], json!(["containers", "host"]));
        assert!(json["env_bytes"].as_u64() > Some(0));
        let (_, json) = derived(
            "evt.type = connect and fd.typechar = 4 and container.id != host",
            "%user.name %container.name",
        );
        assert_eq!(json["connect"], json!(["containers"]));
        assert_eq!(json["peers"], json!(["IPv4 and IPv6", "loopback"]));
        assert_eq!(json["metadata"], json!(["containers", "users and groups"]));
    }

    #[test]
    fn each_system_call_is_listed_with_the_places_that_rules_want() {
        let (text, json) = derived("evt.type = setns and container.id != host", "x");
        assert!(text.contains("setns of containers\n"), "{text}");
        assert_eq!(json["calls"], json!({"setns": ["containers"]}));
        let (text, json) = derived("evt.type = setns", "x");
        assert!(text.contains("setns of containers and host\n"), "{text}");
        assert_eq!(json["calls"], json!({"setns": ["containers", "host"]}));
    }

    #[test]
    fn a_rule_on_the_program_of_a_connect_also_requests_execs() {
        let containers = "evt.type = connect and container.id != host";
        let failed = "evt.type = execve and evt.failed = true";
        for (condition, output, execs) in [
            (containers, "%proc.name %proc.pcmdline", json!([])),
            (containers, "%proc.cmdline", json!(["containers"])),
            (containers, "%proc.acmdline[0]", json!(["containers"])),
            (
                "evt.type = connect",
                "%proc.cwd",
                json!(["containers", "host"]),
            ),
            (
                "evt.type = connect and proc.args contains x",
                "x",
                json!(["containers", "host"]),
            ),
            ("evt.type = setns", "%proc.name", json!([])),
            (
                "evt.type = setns and container.id = host",
                "%proc.cmdline",
                json!(["host"]),
            ),
            (failed, "%proc.name", json!([])),
            (failed, "%proc.exe", json!(["containers", "host"])),
        ] {
            let (_, json) = derived(condition, output);
            assert_eq!(json["exec"], execs, "{condition}: {output}");
        }
    }
}
