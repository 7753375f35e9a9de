//! The sensor's own log: destinations and form of its lines, and how a reload changes them.

use std::{
    fs,
    io::{Read as _, Write as _},
    net::TcpListener,
    os::unix::net::UnixDatagram,
    path::Path,
    process::Command,
};

use rustix::process::Signal;
use serde_json::Value;
use tests::{Scene, Sensor, Setup, programs, sensor::wait_for};

use super::syslog::{SOCKET, in_own_mounts, listen, receive};

/// The line that the sensor prints behind the last line of its log.
const COUNTS: &str = "Syscall event drop monitoring:";

fn setup() -> Setup {
    Setup::watching(std::process::id())
}

fn assert_logged(sensor: &Sensor, text: &str) {
    let logged = wait_for(|| sensor.stderr().contains(text));
    assert!(logged, "no {text} in:\n{}", sensor.stderr());
}

/// The datagrams that the system log gets, up to a line that ends with this text.
fn received(system: &UnixDatagram, end: &str) -> Vec<String> {
    let mut messages = Vec::new();
    loop {
        messages.push(receive(system));
        if messages
            .last()
            .is_some_and(|message| message.ends_with(end))
        {
            return messages;
        }
    }
}

#[test]
fn each_line_of_json_is_an_object_with_time_level_target_and_message() {
    let sensor = setup().option("sensor.log_format", "json").start();
    let seen = sensor.stop();
    let (log, _) = seen.stderr.split_once(COUNTS).unwrap();
    let lines: Vec<Value> = log
        .lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}")))
        .collect();
    for line in &lines {
        let keys: Vec<&String> = line.as_object().unwrap().keys().collect();
        assert_eq!(keys, ["time", "level", "target", "message"], "{line}");
        assert!(line["time"].as_str().unwrap().ends_with('Z'), "{line}");
        assert!(line["target"].as_str().unwrap().starts_with("sensor::"));
    }
    for message in ["ready", "rights given up", "stopping"] {
        let line = lines.iter().find(|line| line["message"] == message);
        assert_eq!(line.unwrap()["level"], "Informational", "{message}");
    }
}

#[test]
fn without_log_stderr_nothing_is_logged_there() {
    let scene = Scene::new();
    let events = scene.path("events.json");
    let mut sensor = Command::new(programs::sensor());
    sensor.args(["-o", "sensor.state_dir="]);
    sensor.args(["-c", "/dev/null", "-M", "1"]);
    for option in [
        "log_stderr=false",
        "log_syslog=false",
        "stdout_output.enabled=false",
        "file_output.enabled=true",
        "webserver.enabled=false",
        "config_files=[]",
        "sensor.containerd.enabled=false",
        "sensor.kube.enabled=false",
        "sensor.capture.tree.mode=only",
    ] {
        sensor.args(["-o", option]);
    }
    for (key, path) in [
        ("file_output.filename", &events),
        ("sensor.instance", &scene.path("instance")),
    ] {
        sensor.args(["-o", &format!("{key}={}", path.display())]);
    }
    let output = programs::alone(|| sensor.output()).unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{stderr}");
    assert!(stderr.starts_with(COUNTS), "{stderr}");
    assert!(fs::metadata(events).unwrap().len() > 0);
}

#[test]
fn the_system_log_gets_the_lines_also_after_the_rights_are_given_up() {
    in_own_mounts(|| {
        // The socket is the standard input of children.
        fs::write("/dev/null", "").unwrap();
        let system = listen();
        let sensor = setup().option("log_syslog", true).start();
        let name = " falco: ";
        let start = received(&system, &format!("{name}ready"));
        // Facility user (1), severity informational (6).
        let head = |message: &String| message.starts_with("<14>") && message.contains(name);
        assert!(start.iter().all(head), "{start:#?}");
        assert!(start.iter().any(|line| line.ends_with("rights given up")));

        // The log daemon starts again.
        drop(system);
        fs::remove_file(SOCKET).unwrap();
        let system = listen();
        sensor.write_rules("- rule: broken\n");
        sensor.reload_in_vain();
        let failed = received(&system, "");
        // Severity error (3).
        assert!(failed[0].starts_with("<11>"), "{failed:#?}");
        assert!(failed[0].contains(": not reloaded, "), "{failed:#?}");

        // Without standard error, the system log still gets lines.
        sensor.append_to_configuration("log_stderr: false\n");
        sensor.write_rules(include_str!("../../harness/src/rules.yaml"));
        sensor.signal(Signal::HUP);
        received(&system, "1 active");
        let seen = sensor.stop();
        assert!(!seen.stderr.contains(": reloaded"), "{}", seen.stderr);
        received(&system, ": stopping");
    });
}

#[test]
fn the_absence_of_a_system_log_is_not_reported() {
    in_own_mounts(|| {
        fs::write("/dev/null", "").unwrap();
        assert!(!Path::new(SOCKET).exists());
        let seen = setup().option("log_syslog", true).start().stop();
        for word in ["syslog", SOCKET, ": Warning: ", ": Error: "] {
            assert!(!seen.stderr.contains(word), "{word}: {}", seen.stderr);
        }
    });
}

#[test]
fn a_reload_changes_form_and_level_of_the_lines() {
    let scene = Scene::new();
    let config = scene.path("log.yaml");
    fs::write(&config, "log_level: info\n").unwrap();
    let sensor = setup().option("watch_config_files", true).start();
    sensor.append_to_configuration(&format!("config_files: [{}]\n", config.display()));
    assert_logged(&sensor, ": Informational: reloaded");
    fs::write(&config, "log_level: error\n").unwrap();
    // The configuration turns off the line about this reload.
    std::thread::sleep(std::time::Duration::from_secs(4));
    fs::write(&config, "sensor: {log_format: json}\n").unwrap();
    assert_logged(&sensor, "\"message\":\"reloaded: ");
    let seen = sensor.stop();
    let text = seen.stderr.matches(": Informational: reloaded").count();
    let json = seen.stderr.matches("\"message\":\"reloaded: ").count();
    assert_eq!((text, json), (1, 1), "{}", seen.stderr);
}

#[test]
fn libraries_are_heard_with_their_targets_where_a_level_is_set_for_them() {
    // The client of the API server and rustls log an error about this server.
    let scene = Scene::new();
    let server = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = server.local_addr().unwrap();
    std::thread::spawn(move || {
        for connection in server.incoming() {
            let mut connection = connection.unwrap();
            let _ = connection.read(&mut [0; 4096]);
            let _ = connection.write_all(b"what is not TLS");
        }
    });
    let kubeconfig = scene.path("kubeconfig");
    let text = format!(
        "{{apiVersion: v1, kind: Config, current-context: c, users: [{{name: u, user: {{token: t}}}}],\n\
         clusters: [{{name: k, cluster: {{server: 'https://{address}', insecure-skip-tls-verify: true}}}}],\n\
         contexts: [{{name: c, context: {{cluster: k, user: u}}}}]}}\n"
    );
    fs::write(&kubeconfig, text).unwrap();
    let with = |level: &str| {
        setup()
            .option("sensor.kube.enabled", true)
            .option("sensor.kube.kubeconfig", kubeconfig.display())
            .option("sensor.kube.node", "n1")
            .option("log_level", level)
            .start()
    };
    let sensor = with("info,hyper_util=trace,rustls=debug,kube_client=debug");
    for target in ["hyper_util::", "rustls::", "kube_client::"] {
        assert_logged(&sensor, &format!(": Debug: {target}"));
    }
    drop(sensor.stop());
    let seen = with("debug").stop();
    assert!(!seen.stderr.contains(": Debug: "), "{}", seen.stderr);
}
