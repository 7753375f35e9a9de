//! Configurations that were written for Falco.

use super::*;

/// Every key of the newest falco.yaml, including those that it has as comments.
const NEWEST: &str = "\
watch_config_files: true
rules_files: [/etc/falco/falco_rules.yaml, /etc/falco/falco_rules.local.yaml, /etc/falco/rules.d]
rules: [{disable: {rule: '*'}}, {enable: {tag: network}}]
engine:
  kind: modern_ebpf
  kmod: {buf_size_preset: 4, drop_failed_exit: false}
  modern_ebpf: {cpus_for_each_buffer: 2, buf_size_preset: 4, drop_failed_exit: false, disable_iterators: false}
  replay: {capture_file: /tmp/a.scap}
capture: {enabled: false, path_prefix: /tmp/falco, mode: rules, default_duration: 5000}
load_plugins: []
plugins:
- {name: json, library_path: libjson.so, init_config: '', open_params: ''}
plugins_hostinfo: true
time_format_iso_8601: false
buffer_format_base64: false
priority: debug
json_output: false
json_include_output_property: true
json_include_message_property: false
json_include_output_fields_property: true
json_include_tags_property: true
buffered_outputs: false
rule_matching: first
outputs_queue: {capacity: 0}
append_output:
- suggested_output: true
- match: {source: syscall, tags: [a], rule: b}
  extra_output: on %evt.cpu
  extra_fields: [evt.hostname, {home: '${HOME}'}]
static_fields: {a: b}
stdout_output: {enabled: true}
syslog_output: {enabled: true}
file_output: {enabled: false, keep_alive: false, filename: ./events.txt}
http_output:
  enabled: false
  url: ''
  user_agent: falcosecurity/falco
  insecure: false
  ca_cert: ''
  ca_bundle: ''
  ca_path: ''
  mtls: false
  client_cert: /etc/ssl/certs/client.crt
  client_key: /etc/ssl/certs/client.key
  echo: false
  compress_uploads: false
  keep_alive: false
  max_consecutive_timeouts: 5
program_output: {enabled: false, keep_alive: false, program: cat}
webserver:
  enabled: true
  threadiness: 0
  listen_port: 8765
  listen_address: 0.0.0.0
  k8s_healthz_endpoint: /healthz
  prometheus_metrics_enabled: false
  ssl_enabled: false
  ssl_certificate: /etc/falco/falco.pem
log_stderr: true
log_syslog: true
log_level: info
libs_logger: {enabled: true, severity: info}
output_timeout: 2000
syscall_event_timeouts: {max_consecutives: 1000}
syscall_event_drops: {threshold: .1, actions: [log, alert], rate: .03333, max_burst: 1, simulate_drops: false}
metrics:
  enabled: false
  interval: 1h
  output_rule: true
  output_file: /tmp/stats.jsonl
  rules_counters_enabled: true
  resource_utilization_enabled: true
  state_counters_enabled: true
  kernel_event_counters_enabled: true
  kernel_event_counters_per_cpu_enabled: false
  kernel_iter_event_counters_enabled: true
  libbpf_stats_enabled: true
  plugins_metrics_enabled: true
  jemalloc_stats_enabled: false
  convert_memory_to_mb: true
  include_empty_values: false
base_syscalls: {custom_set: [], repair: false, all: false}
falco_libs:
  thread_table_size: 262144
  thread_table_auto_purging_interval_s: 300
  thread_table_auto_purging_thread_timeout_s: 300
  snaplen: 80
";

/// Keys that only former versions of Falco have.
const FORMER: &str = "\
rules_file: [/etc/falco/falco_rules.yaml, /etc/falco/rules.d]
outputs: {rate: 1, max_burst: 1000}
outputs_queue: {capacity: 0, recovery: exit}
metadata_download: {max_mb: 100, chunk_wait_us: 1000, watch_freq_sec: 1}
syscall_buf_size_preset: 4
syscall_drop_failed_exit: false
modern_bpf: {cpus_for_each_syscall_buffer: 2}
engine:
  kind: ebpf
  ebpf: {probe: /p.o, buf_size_preset: 4, drop_failed_exit: false}
  gvisor: {config: /c, root: /r}
container_engines:
  docker: {enabled: true}
  cri: {enabled: true, sockets: [/run/containerd/containerd.sock], disable_async: false}
grpc: {enabled: false, bind_address: 'unix:///run/falco.sock', threadiness: 0}
grpc_output: {enabled: false}
webserver: {k8s_audit_endpoint: /k8s-audit}
";

#[test]
fn a_configuration_with_every_key_of_falco_loads() {
    let config = read(NEWEST);
    assert_eq!(config.rules_files.len(), 3);
    assert_eq!(config.append_output.len(), 2);
    assert!(!config.engine.modern_ebpf.drop_failed_exit);
}

#[test]
fn a_configuration_with_keys_of_former_versions_loads() {
    let config = read(FORMER);
    assert_eq!(
        config.rules_files,
        ["/etc/falco/falco_rules.yaml", "/etc/falco/rules.d"].map(PathBuf::from)
    );
}

#[test]
fn a_key_without_effect_in_a_section_is_a_warning_with_the_reason() {
    let (_dir, inputs) = inputs("metrics:\n  enabled: true\n  jemalloc_stats_enabled: true\n");
    let loaded = load(&inputs).unwrap();
    assert!(loaded.config.metrics.enabled);
    assert_eq!(loaded.warnings.len(), 1);
    let warning = loaded.warnings[0].to_string();
    assert!(
        warning
            .contains(":4:3: warning: 'metrics.jemalloc_stats_enabled' has no effect here: memory"),
        "{warning}"
    );
}

#[test]
fn the_former_name_of_a_key_is_read_with_a_warning() {
    for text in ["rules_file: /a\n", "rules_file:\n- /a\n"] {
        let (_dir, inputs) = inputs(text);
        let loaded = load(&inputs).unwrap();
        assert_eq!(loaded.config.rules_files, [PathBuf::from("/a")]);
        assert_eq!(loaded.warnings.len(), 1);
        let warning = loaded.warnings[0].to_string();
        assert!(
            warning.contains(":2:1: warning: 'rules_file' is the former name of 'rules_files'"),
            "{warning}"
        );
    }
}

#[test]
fn a_key_under_both_its_names_has_both_values() {
    for text in [
        "rules_file: /a\nrules_files: [/b]\n",
        "rules_files: [/a]\nrules_file: [/b]\n",
    ] {
        let (_dir, inputs) = inputs(text);
        let loaded = load(&inputs).unwrap();
        assert_eq!(loaded.config.rules_files, ["/a", "/b"].map(PathBuf::from));
        let told = loaded.warnings.iter().any(|warning| {
            let warning = warning.to_string();
            warning.contains("are one key: both count")
        });
        assert!(told, "{:?}", loaded.warnings);
    }
}

#[test]
fn every_engine_that_falco_and_its_chart_know_is_read() {
    for kind in [
        "auto",
        "modern_ebpf",
        "kmod",
        "ebpf",
        "gvisor",
        "nodriver",
        "replay",
    ] {
        let (_dir, inputs) = inputs(&format!("engine: {{kind: {kind}}}\n"));
        let loaded = load(&inputs).unwrap();
        assert_eq!(loaded.warnings.len(), 0, "{kind}: {:?}", loaded.warnings);
    }
}

#[test]
fn former_names_of_the_engine_s_keys_are_read() {
    let config = read("syscall_buf_size_preset: 6\nsyscall_drop_failed_exit: false\n");
    assert_eq!(config.engine.modern_ebpf.buf_size_preset, 6);
    assert!(!config.engine.modern_ebpf.drop_failed_exit);
}

#[test]
fn a_stock_configuration_loads_without_a_warning() {
    let (_dir, inputs) = inputs(NEWEST);
    let loaded = load(&inputs).unwrap();
    // What the text asks for beyond the stock: plugins are in the list, and none is loaded.
    let told: Vec<_> = loaded.warnings.iter().map(|w| &*w.message).collect();
    assert_eq!(
        told,
        ["'static_fields' has no effect here: add fields by append_output"]
    );
}

#[test]
fn plugins_are_named_only_where_one_would_be_loaded() {
    let told = |text: &str| {
        let (_dir, inputs) = inputs(text);
        load(&inputs).unwrap().warnings.len()
    };
    let list = "plugins: [{name: container}, {name: json}]\n";
    assert_eq!(told(list), 1);
    assert_eq!(told(&format!("{list}load_plugins: [container]\n")), 0);
    assert_eq!(told(&format!("{list}load_plugins: [container, json]\n")), 1);
    assert_eq!(told("plugins: [{name: container}]\n"), 0);
}

#[test]
fn a_path_alone_is_a_list_of_one() {
    assert_eq!(read("rules_files: /a\n").rules_files, [PathBuf::from("/a")]);
    let config = overridden(&["rules_files=/b"]).unwrap();
    assert_eq!(config.rules_files, [PathBuf::from("/b")]);
}

/// A YAML text as a validator of JSON schemas sees it.
fn json(node: &yaml::Node) -> serde_json::Value {
    use serde_json::Value;
    match &node.kind {
        yaml::Kind::Sequence(items) => items.iter().map(json).collect(),
        yaml::Kind::Mapping(entries) => {
            let entry = |(key, value): &(yaml::Node, yaml::Node)| {
                (key.as_str().unwrap().to_owned(), json(value))
            };
            Value::Object(entries.iter().map(entry).collect())
        }
        yaml::Kind::Scalar(text, yaml::Style::Plain) if !node.is_null() => match &**text {
            "true" => true.into(),
            "false" => false.into(),
            text => match (text.parse::<i64>(), text.parse::<f64>()) {
                (Ok(number), _) => number.into(),
                (_, Ok(number)) => number.into(),
                _ => text.into(),
            },
        },
        yaml::Kind::Scalar(..) if node.is_null() => Value::Null,
        yaml::Kind::Scalar(text, _) => (&**text).into(),
    }
}

/// What a validator of JSON schemas says of a configuration.
fn validated(text: &str) -> Result<(), String> {
    let mut schemas = boon::Schemas::new();
    let mut compiler = boon::Compiler::new();
    compiler
        .add_resource("file:///schema", crate::schema())
        .unwrap();
    let schema = compiler.compile("file:///schema", &mut schemas).unwrap();
    let parsed = yaml::parse(&yaml::Source::new("f", text), &yaml::Limits::default()).unwrap();
    let value = json(&parsed.documents[0]);
    let result = schemas.validate(&value, schema);
    result.map_err(|error| error.to_string())
}

#[test]
fn the_schema_holds_for_what_the_sensor_reads_without_an_error() {
    for text in [NEWEST, FORMER, &crate::print(&Config::default())] {
        validated(text).unwrap_or_else(|error| panic!("{error}"));
    }
    // Falco's own file, which is not part of this project: SENSOR_FALCO_YAML=PATH.
    if let Ok(path) = std::env::var("SENSOR_FALCO_YAML") {
        let text = std::fs::read_to_string(path).unwrap();
        validated(&text).unwrap_or_else(|error| panic!("{error}"));
    }
}

#[test]
fn the_schema_refuses_what_the_sensor_does_not_read() {
    for text in [
        "json_outptu: true",
        "json_output: maybe",
        "webserver: {listen_port: 70000}",
        "priority: loud",
        "rules: [{switch: {rule: a}}]",
        "sensor: {capture: {hooks: fast}}",
        "append_output: [{match: {rules: a}}]",
        "metrics: [1]",
    ] {
        assert!(validated(text).is_err(), "{text}");
    }
}

#[test]
fn the_schema_knows_the_type_of_each_key() {
    let schema = crate::schema();
    for key in crate::keys() {
        let mut place = &schema;
        for part in key.name.split('.') {
            place = &place["properties"][part];
        }
        let described = place["description"].as_str().unwrap();
        assert!(described.contains(key.doc), "{}", key.name);
        assert!(
            place.as_object().unwrap().len() > 1,
            "{}: {}",
            key.name,
            key.ty
        );
    }
}
