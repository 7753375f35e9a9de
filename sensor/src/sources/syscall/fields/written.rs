//! Events of this source that carry their fields by name: test cases, and lines that a sensor or
//! Falco wrote.

use std::{net::IpAddr, sync::OnceLock};

use falco_rules::{Fields, Table, TimeForm, Writable};

use super::{Syscall, Value, errno};

/// Beginnings of the names of fields that only events of containers have.
const OF_CONTAINERS: [&str; 3] = ["container.", "k8s.", "k8smeta."];

/// Fields for conditions only, and the fields whose values they stand for.
const EITHER: [(&str, &[&str]); 6] = [
    ("fd.cnet", &["fd.cip"]),
    ("fd.snet", &["fd.sip"]),
    ("fd.lnet", &["fd.lip"]),
    ("fd.rnet", &["fd.rip"]),
    ("fd.ip", &["fd.cip", "fd.sip"]),
    ("fd.port", &["fd.cport", "fd.sport"]),
];

/// The fields of the endpoints in `fd.name`, of the one before the arrow first. Who
/// connects is the client.
const ENDPOINTS: [[&str; 4]; 2] = [
    ["fd.cip", "fd.cport", "fd.lip", "fd.lport"],
    ["fd.sip", "fd.sport", "fd.rip", "fd.rport"],
];

impl Writable for Syscall {
    fn table() -> &'static OnceLock<Table<Self>> {
        static TABLE: OnceLock<Table<Syscall>> = OnceLock::new();
        &TABLE
    }

    fn time_form(field: &str) -> TimeForm {
        match field {
            "evt.time" => TimeForm::Clock,
            "evt.time.s" => TimeForm::ClockSeconds,
            "evt.time.iso8601" => TimeForm::Iso8601,
            "evt.datetime" => TimeForm::DateTime,
            "evt.datetime.s" => TimeForm::DateTimeSeconds,
            _ => TimeForm::Raw,
        }
    }

    /// An event that says nothing about a container is one of the host. A line without a type is a
    /// connect if the line has a descriptor, and an exec otherwise.
    fn complete(fields: &mut Fields, is_line: bool) {
        let any = |fields: &Fields, begins: &[&str]| {
            let mut names = fields.names();
            names.any(|name| begins.iter().any(|begin| name.starts_with(begin)))
        };
        if !any(fields, &OF_CONTAINERS) {
            fields.add("container.id", Value::Str("host"));
        }
        if is_line {
            let ty = if any(fields, &["fd."]) {
                "connect"
            } else {
                "execve"
            };
            fields.add("evt.type", Value::Str(ty));
        }
        if let Some(result) = fields.text("evt.res").and_then(errno::number) {
            fields.add("evt.rawres", Value::Int(result));
        }
        endpoints(fields);
        for (name, others) in EITHER {
            fields.add_from(name, others);
        }
        fields.add_from("fd.net", &["fd.ip"]);
    }
}

/// The fields of both endpoints, from `fd.name` of a connection: `10.0.0.9:41234->10.0.0.1:443`.
fn endpoints(fields: &mut Fields) {
    let name = fields.text("fd.name").unwrap_or_default();
    let Some((local, remote)) = name.split_once("->") else {
        return;
    };
    let endpoint = |text: &str| -> Option<(IpAddr, u64)> {
        let (address, port) = text.rsplit_once(':')?;
        Some((address.parse().ok()?, port.parse().ok()?))
    };
    for (names, endpoint) in ENDPOINTS
        .into_iter()
        .zip([endpoint(local), endpoint(remote)])
    {
        let Some((address, port)) = endpoint else {
            continue;
        };
        let [client_ip, client_port, local_ip, local_port] = names;
        fields.add(client_ip, Value::Ip(address));
        fields.add(local_ip, Value::Ip(address));
        fields.add(client_port, Value::Uint(port));
        fields.add(local_port, Value::Uint(port));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(json: &str, is_line: bool) -> Fields {
        let object = serde_json::from_str(json).unwrap();
        Fields::new::<Syscall>(&object, is_line).unwrap()
    }

    #[test]
    fn a_line_without_a_type_is_a_connect_if_it_has_a_descriptor_and_an_exec_otherwise() {
        assert_eq!(
            fields(r#"{"proc.name":"sh"}"#, true).text("evt.type"),
            Some("execve")
        );
        let connect = fields(r#"{"fd.sport":443}"#, true);
        assert_eq!(connect.text("evt.type"), Some("connect"));
    }

    #[test]
    fn an_event_without_a_container_is_of_the_host() {
        let host = fields(r#"{"evt.type":"execve"}"#, false);
        assert_eq!(host.text("container.id"), Some("host"));
        let pod = fields(r#"{"evt.type":"execve","k8s.pod.name":"p"}"#, false);
        assert!(!pod.has("container.id"));
    }

    #[test]
    fn the_name_of_a_connection_has_both_endpoints() {
        let event = fields(
            r#"{"evt.type":"connect","evt.res":"ECONNREFUSED","fd.name":"fd00::9:41234->10.0.0.1:443","fd.rport":1}"#,
            false,
        );
        for name in ["fd.cip", "fd.sip", "fd.snet", "fd.ip", "fd.net", "fd.port"] {
            assert!(event.has(name), "{name}");
        }
        let expected = fields(
            r#"{"evt.type":"connect","evt.res":"ECONNREFUSED","evt.rawres":-111,"fd.name":"fd00::9:41234->10.0.0.1:443",
               "fd.cip":"fd00::9","fd.lip":"fd00::9","fd.cport":41234,"fd.lport":41234,
               "fd.sip":"10.0.0.1","fd.rip":"10.0.0.1","fd.sport":443,"fd.rport":1}"#,
            false,
        );
        assert!(event.has("evt.rawres"));
        assert_eq!(
            event.names().collect::<Vec<_>>(),
            expected.names().collect::<Vec<_>>()
        );
    }
}
