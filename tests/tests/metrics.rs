//! `/metrics` after a sensor has seen every kind of event, and the snapshots in
//! `metrics.output_file`.
#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot go on says so by a panic"
)]

use std::{
    fmt::Write as _,
    fs,
    io::{Read, Write},
    net::TcpStream,
    process::{Command, Stdio},
    time::Duration,
};

use serde_json::Value;
use telemetry::catalog;
use tests::{
    Act, Event, Sensor, Setup, Statistics,
    connects::tcp,
    proxy::Proxy,
    sensor::wait_for,
    testbed::{PodSpec, TestBed},
};

const RULES: &str = "
- rule: Exec or connect in a container
  desc: What pods do.
  condition: evt.type in (execve, connect) and container.id != host
  priority: NOTICE
  output: '%proc.name %proc.pname %user.name %container.name %k8s.pod.name'
- rule: Opens
  desc: What the sensor does not see.
  condition: open_read
  priority: NOTICE
  output: x
- rule: Connects of the test
  desc: What the actor does.
  condition: evt.type = connect and proc.name = actor
  priority: NOTICE
  output: '%proc.name %fd.name'
";

/// Metrics that can be 0, or without a sample, in a run without faults.
const MAY_BE_NOTHING: &[&str] = &[
    // tests/tests/start_broken.rs has a broken file.
    "sensor_rules_broken",
    // Only after a fault, or for something that does not happen in this test.
    "sensor_events_lost_total",
    "sensor_events_incomplete_total",
    "sensor_events_unwatched_total",
    "sensor_observers",
    "sensor_observers_lost_events_total",
    "sensor_recursion_misses_total",
    "sensor_cache_evictions_total",
    "sensor_throttlings_total",
    "sensor_tampering_total",
    "sensor_panics_total",
    "sensor_snapshots_lost_total",
    "sensor_output_lines_dropped_total",
    "sensor_output_errors_total",
    "sensor_output_timeouts_total",
    "sensor_output_rotations_total",
    "sensor_output_reopens_total",
    "falcosecurity_falco_outputs_queue_num_drops_total",
    "falcosecurity_scap_n_drops_total",
    "falcosecurity_scap_n_drops_buffer_total",
    // At rest no event waits.
    "sensor_ring_buffer_fill_bytes",
    "sensor_output_lines_spooled",
    "sensor_output_spool_bytes",
    "sensor_hold_events",
    "sensor_hold_bytes",
];

/// A page of a sensor's web server.
fn get(sensor: &Sensor, path: &str) -> String {
    let stderr = sensor.stderr();
    let address = stderr
        .lines()
        .find_map(|line| line.split_once("webserver listens at "))
        .map(|(_, address)| address.trim())
        .unwrap();
    let mut stream = TcpStream::connect(address).unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.1 200"), "{head}\n{body}");
    body.to_owned()
}

/// Values of a metric's samples.
fn values(page: &str, name: &str) -> Vec<f64> {
    let of_name = |line: &&str| {
        let rest = line.strip_prefix(name);
        rest.is_some_and(|rest| {
            ["", "_count"].iter().any(|suffix| {
                let rest = rest.strip_prefix(suffix);
                rest.is_some_and(|rest| rest.starts_with(['{', ' ']))
            })
        })
    };
    let samples = page.lines().filter(of_name);
    samples
        .map(|line| line.rsplit(' ').next().unwrap().parse().unwrap())
        .collect()
}

/// Lets promtool check a text, if promtool is installed.
fn promtool(arguments: &[&str], input: &str) {
    let child = Command::new("promtool")
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let mut child = child.expect("promtool is installed: `cargo xtask setup --tests`");
    child
        .stdin
        .take()
        .unwrap()
        .write_all(input.as_bytes())
        .unwrap();
    let output = child.wait_with_output().unwrap();
    let said = [output.stdout, output.stderr].map(|bytes| String::from_utf8(bytes).unwrap());
    assert!(output.status.success(), "promtool {arguments:?}: {said:?}");
}

#[test]
fn every_metric_of_the_catalog_is_fed_and_promtool_finds_no_fault() {
    let _statistics = Statistics::on().unwrap();
    let bed = TestBed::start();
    let proxy = Proxy::start(&bed.dir().join("proxy.sock"), &bed.socket());
    let sensor = Setup::of_the_machine()
        .rules(RULES)
        .option("webserver.enabled", true)
        .option("webserver.listen_port", 0)
        .option("webserver.listen_address", "127.0.0.1")
        .option("sensor.self_test.enabled", true)
        .option("sensor.rules.profile", true)
        .option("sensor.containerd.enabled", true)
        .option("sensor.containerd.sockets[]", proxy.path().display())
        .start();
    assert!(wait_for(|| sensor.stderr().contains("containerd answers")));
    // The first exec of the pod has to wait until containerd answers again.
    proxy.stall(Duration::from_secs(1));
    let pod = bed.pod(&PodSpec::new("fed", "shop"));
    let _ = bed.exec(&pod.container, &["/usr/bin/true"]);
    let connect = Act::new().just("net-namespace").listen(99, "127.0.0.1:80");
    let connect = connect.and(tcp(libc::AF_INET)).connect("127.0.0.1:80", 0);
    let _ = connect.start().go();
    sensor.reload(RULES);
    // The sensor reports the figures of caches once a second.
    let mut page = String::new();
    let fed = || {
        page = get(&sensor, "/metrics");
        unfed(&page).is_empty()
    };
    assert!(wait_for(fed), "not fed: {:?}\n{page}", unfed(&page));
    // A gauge with Falco's name, which promtool does not accept for a gauge.
    let is_ours = |line: &&str| !line.contains("falcosecurity_falco_host_num_cpus_total");
    let lines: Vec<&str> = page.lines().filter(is_ours).collect();
    promtool(&["check", "metrics"], &(lines.join("\n") + "\n"));
    for expression in expressions() {
        for metric in names(&expression) {
            let there = page.lines().any(|line| line.starts_with(&metric));
            assert!(there, "no sample of {metric}, which is in {expression}");
        }
    }
    let seen = sensor.stop();
    seen.counters().assert_complete();
}

/// Metrics without a sample, or with zeros only, that must have a value.
fn unfed(page: &str) -> Vec<&'static str> {
    let metrics = catalog::ALL.iter().map(|metric| metric.name);
    let unfed = metrics.filter(|name| {
        let values = values(page, name);
        let zero = values.iter().all(|value| *value == 0.0);
        zero && !MAY_BE_NOTHING.contains(name)
    });
    unfed.collect()
}

#[test]
fn snapshots_are_appended_to_the_file_that_is_named_and_to_nothing_else() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("stats-n1.jsonl");
    // A full disk cut this line.
    fs::write(&file, "{\"sample\"").unwrap();
    let sensor = Setup::watching(std::process::id())
        .option("sensor.node", "n1")
        .option("metrics.enabled", true)
        .option("metrics.interval", "200ms")
        .option("metrics.output_rule", false)
        .option(
            "metrics.output_file",
            dir.path().join("stats-{node}.jsonl").display(),
        )
        .option("metrics.kernel_event_counters_per_cpu_enabled", true)
        .start();
    assert!(Command::new("true").status().unwrap().success());
    let whole = || -> Vec<Value> {
        let text = fs::read_to_string(&file).unwrap();
        let lines = text.split_inclusive('\n').skip(1);
        let whole = lines.filter(|line| line.ends_with('\n'));
        whole.map(|l| serde_json::from_str(l).unwrap()).collect()
    };
    let has_seen = |sample: &Value| sample["output_fields"]["scap.n_evts"].as_u64() > Some(0);
    assert!(wait_for(
        || whole().len() > 1 && whole().iter().any(has_seen)
    ));
    let seen = sensor.stop();
    for (at, sample) in whole().iter().enumerate() {
        assert_eq!(sample["sample"], at + 1, "{sample}");
        assert_eq!(sample.as_object().unwrap().len(), 2, "{sample}");
        for name in [
            "evt.hostname",
            "evt.source",
            "evt.time",
            "falco.host_num_cpus",
            "falco.kernel_release",
            "falco.memory_rss_mb",
            "falco.start_ts",
            "falco.version",
            "scap.engine_name",
        ] {
            let value = &sample["output_fields"][name];
            assert!(value.is_string() || value.is_number(), "{name}: {sample}");
        }
    }
    let samples = whole();
    let fields = samples.last().unwrap()["output_fields"]
        .as_object()
        .unwrap();
    let of_cpus = fields
        .iter()
        .filter(|(name, _)| name.starts_with("scap.n_evts_cpu_"));
    let sum: u64 = of_cpus.map(|(_, events)| events.as_u64().unwrap()).sum();
    // The sensor reads these values after the total.
    assert!(fields["scap.n_evts"].as_u64().unwrap() <= sum, "{fields:?}");
    let in_stream = |event: &Event| event.0["rule"] == "Falco internal: metrics snapshot";
    assert!(!seen.internal.iter().any(in_stream));
}

const ALERTS: &str = include_str!("../../deploy/monitoring/alerts.yaml");
const DASHBOARD: &str = include_str!("../../deploy/monitoring/dashboard.json");

/// The Prometheus expressions of the alert rules and of the dashboard.
fn expressions() -> Vec<String> {
    let alerts = ALERTS
        .lines()
        .filter_map(|line| line.trim().strip_prefix("expr: "));
    let dashboard: Value = serde_json::from_str(DASHBOARD).unwrap();
    let panels = dashboard["panels"].as_array().unwrap().iter();
    let targets = panels.flat_map(|panel| panel["targets"].as_array().unwrap());
    let shown = targets.map(|target| target["expr"].as_str().unwrap());
    let all = alerts.chain(shown);
    // Grafana replaces this variable by a span of time.
    all.map(|expression| expression.replace("$__rate_interval", "5m"))
        .collect()
}

/// The metrics in an expression.
fn names(expression: &str) -> Vec<String> {
    let words = expression.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_'));
    let metrics = words.filter(|word| word.starts_with("sensor_"));
    metrics.map(str::to_owned).collect()
}

#[test]
fn promtool_finds_no_fault_in_the_alert_rules_and_the_dashboard() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("alerts.yaml");
    fs::write(&file, ALERTS).unwrap();
    promtool(&["check", "rules", file.to_str().unwrap()], "");
    let mut rules = "groups:\n- name: dashboard\n  rules:\n".to_owned();
    for (number, expression) in expressions().iter().enumerate() {
        let expression = serde_json::to_string(expression).unwrap();
        writeln!(rules, "  - {{record: \"r:{number}\", expr: {expression}}}").unwrap();
    }
    fs::write(&file, rules).unwrap();
    promtool(&["check", "rules", file.to_str().unwrap()], "");
}

/// How each alert reacts to series that are made for it, and to those of a run without faults.
const ALERT_TESTS: &str = include_str!("alerts.test.yaml");

#[test]
fn every_alert_fires_on_its_fault_and_on_nothing_else() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("alerts.yaml"), ALERTS).unwrap();
    let file = dir.path().join("alerts.test.yaml");
    fs::write(&file, ALERT_TESTS).unwrap();
    for name in ALERTS
        .lines()
        .filter_map(|line| line.trim().strip_prefix("- alert: "))
    {
        let asked = ALERT_TESTS
            .lines()
            .filter(|line| line.ends_with(&format!("alertname: {name}")));
        assert!(
            asked.count() >= 2,
            "{name} is to fire once and not to fire once"
        );
    }
    promtool(&["test", "rules", file.to_str().unwrap()], "");
}
