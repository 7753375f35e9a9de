//! Which configurations are accepted, and the messages about others.

use std::{collections::BTreeSet, fs, path::PathBuf};

use super::*;

mod dialect;
mod files;
mod lenient;
mod options;
mod runtimes;
mod stock;

fn inputs(text: &str) -> (tempfile::TempDir, Inputs) {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("falco.yaml");
    // The default directory must have no influence.
    fs::write(&file, format!("config_files: []\n{text}")).unwrap();
    let inputs = Inputs {
        file: Some(file),
        ..Inputs::default()
    };
    (dir, inputs)
}

fn read(text: &str) -> Config {
    let (_dir, inputs) = inputs(text);
    load(&inputs).unwrap().config
}

/// The messages, without the temporary directory's name.
fn fails(text: &str) -> String {
    let (dir, inputs) = inputs(text);
    let error = load(&inputs).unwrap_err().to_string();
    error.replace(dir.path().to_str().unwrap(), "")
}

fn overridden(overrides: &[&str]) -> Result<Config, String> {
    let (_dir, mut inputs) = inputs("");
    inputs.overrides = overrides.iter().map(|o| (*o).to_owned()).collect();
    load(&inputs)
        .map(|loaded| loaded.config)
        .map_err(|e| e.to_string())
}

#[test]
fn nothing_configured_is_the_default() {
    let expected = Config {
        config_files: Vec::new(),
        ..Config::default()
    };
    assert_eq!(read(""), expected);
}

#[test]
fn falcos_keys_are_read() {
    let config = read(
        "json_output: no\npriority: INFO\nfile_output:\n  enabled: true\n  filename: /x/${UNSET}y\n\
         outputs_queue: {capacity: 7}\noutput_timeout: 1500\nmetrics:\n  interval: 15m\n\
         syscall_event_drops:\n  actions: [log, exit]\n  rate: .5\nengine:\n  modern_ebpf:\n    buf_size_preset: 10\n",
    );
    assert!(!config.json_output);
    assert_eq!(config.priority, Priority::Informational);
    assert_eq!(config.file_output.filename, PathBuf::from("/x/y"));
    assert_eq!(config.outputs_queue.capacity, 7);
    assert_eq!(config.output_timeout, Span::from_millis(1500));
    assert_eq!(config.metrics.interval, Span::from_secs(900));
    assert_eq!(
        config.syscall_event_drops.actions,
        [DropAction::Log, DropAction::Exit]
    );
    assert_eq!(config.engine.modern_ebpf.ring_bytes(), 512 << 20);
}

#[test]
fn our_keys_are_read() {
    let config = read(
        "sensor:\n  capture:\n    argv_limit: 256KiB\n    env: [HOME, PATH]\n    tree: {mode: only, root: 42}\n    hooks: raw\n  \
         kube: {enabled: false}\n  file_output:\n    mode: 0600\n    owner: 1000:1000\n    rotate: {size: 1MiB, age: 1d, keep: 3}\n    \
         spool: {directory: /spool}\n",
    );
    let capture = &config.sensor.capture;
    assert_eq!(capture.argv_limit, ByteSize::kib(256));
    assert_eq!(
        capture.env,
        WantedEnv::Named(vec!["HOME".into(), "PATH".into()])
    );
    assert_eq!(
        (capture.tree.mode, capture.tree.root),
        (TreeMode::Only, Some(42))
    );
    assert_eq!(capture.hooks, Hooks::Raw);
    assert_eq!(config.sensor.kube.enabled, Toggle::Off);
    let file = &config.sensor.file_output;
    assert_eq!(file.mode, Mode(0o600));
    assert_eq!(file.rotate.age, Span::from_secs(86_400));
    assert_eq!(file.spool.directory.as_deref(), Some("/spool".as_ref()));
}

#[test]
fn switches_of_rules_are_read_in_order() {
    let config = read("rules:\n- disable: {rule: '*'}\n- enable: {tag: network}\n");
    assert_eq!(config.rules.len(), 2);
    assert!(!config.rules[0].enable && config.rules[1].enable);
    assert_eq!(config.rules[0].rule.as_deref(), Some("*"));
    assert_eq!(config.rules[1].tag.as_deref(), Some("network"));
}

#[test]
fn append_output_is_read() {
    let config = read(
        "append_output:\n- suggested_output: true\n- match:\n    source: syscall\n    tags: [a]\n  extra_output: \"on %evt.hostname\"\n  \
         extra_fields:\n  - proc.aexepath[2]\n  - k: \"%proc.name!\"\n",
    );
    assert!(config.append_output[0].suggested_output);
    let second = &config.append_output[1];
    assert_eq!(second.tags, ["a"]);
    assert_eq!(second.extra_fields, ["proc.aexepath[2]"]);
    assert_eq!(second.extra_templates, [("k".into(), "%proc.name!".into())]);
}

#[test]
fn keys_of_recordings_that_rules_start_are_read() {
    let config = read(
        "capture:\n  enabled: true\n  path_prefix: /var/c\n  mode: all_rules\n  default_duration: 1500\n  max_file_size_mb: 7\n",
    );
    let expected = RuleCapture {
        enabled: true,
        path_prefix: "/var/c".into(),
        mode: CaptureMode::AllRules,
        default_duration: Span::from_millis(1500),
        max_file_size_mb: 7,
    };
    assert_eq!(config.capture, expected);
    let default = RuleCapture::default();
    assert!(!default.enabled && default.mode == CaptureMode::Rules);
    assert_eq!(default.default_duration, Span::from_secs(5));
    assert!(fails("capture: {mode: some}\n").contains("expected rules or all_rules, not 'some'"));
}

#[test]
fn a_wrong_type_is_an_error_with_its_place() {
    assert_eq!(
        fails("sensor:\n  self_test:\n    enabled: maybe\n"),
        "/falco.yaml:4:14: error: sensor.self_test.enabled: expected true or false, not 'maybe'\n  \
         4 |     enabled: maybe\n    |              ^^^^^"
    );
    assert!(fails("rules_files: {a: b}\n").contains("expected a list of paths, not a mapping"));
    assert!(fails("webserver: 5\n").contains("webserver is a text, expected keys and values"));
    assert!(fails("webserver:\n  listen_port: 70000\n").contains("from 0 to 65535"));
}

#[test]
fn keys_of_the_log_are_read() {
    let config = read("log_level: warning,metadata=debug\nsensor: {log_format: json}\n");
    assert_eq!(config.log_level.to_string(), "Warning,metadata=Debug");
    assert_eq!(config.sensor.log_format, LogFormat::Json);
    let config = overridden(&["log_level=kube_client=info"]).unwrap();
    assert_eq!(
        config.log_level.to_string(),
        "Informational,kube_client=Informational"
    );
}

#[test]
fn a_level_that_does_not_exist_is_an_error_with_its_place() {
    let reported = fails("log_level: info,metadata=loud\n");
    assert!(
        reported.starts_with("/falco.yaml:2:12: error: log_level: expected emergency, "),
        "{reported}"
    );
    assert!(reported.contains("not 'info,metadata=loud'"), "{reported}");
    assert!(fails("sensor: {log_format: xml}\n").contains("expected text or json, not 'xml'"));
}

#[test]
fn a_value_out_of_range_is_an_error() {
    assert!(fails("sensor: {capture: {argv_limit: 1MiB}}\n").contains("must be 1KiB to 256KiB"));
    assert!(fails("engine: {modern_ebpf: {buf_size_preset: 11}}\n").contains("must be 1 (1 MiB)"));
    assert!(fails("http_output: {url: 'ftp://x'}\n").contains("must begin with http://"));
}

/// Checks a limit of the kernel side: the largest value is accepted, one more is an error, and the
/// error and the key's meaning name the limit.
fn assert_limit(key: &str, most: u64, as_text: &str) {
    assert!(overridden(&[&format!("{key}={most}")]).is_ok(), "{key}");
    let error = overridden(&[&format!("{key}={}", most + 1)]).unwrap_err();
    assert!(error.contains(&format!("{key}: must be ")), "{error}");
    assert!(error.contains(as_text), "{error}");
    let row = keys().iter().find(|row| row.name == key).unwrap();
    assert!(row.doc.contains(as_text), "{}", row.doc);
}

#[test]
fn what_the_kernel_side_cannot_do_is_an_error_that_says_the_limit() {
    for (key, most) in [
        ("sensor.capture.argv_limit", sensor_ebpf::ARGV_LIMIT_MAX),
        ("sensor.capture.env_limit", sensor_ebpf::ENV_LIMIT_MAX),
    ] {
        let most = u64::from(most);
        assert_limit(key, most, &ByteSize(most).to_string());
    }
    let least = u64::from(sensor_ebpf::ARGV_LIMIT_MIN);
    let argv = |limit| overridden(&[&format!("sensor.capture.argv_limit={limit}")]);
    assert!(argv(least).is_ok());
    let error = argv(least - 1).unwrap_err();
    assert!(error.contains(&ByteSize(least).to_string()), "{error}");
    for key in ["sensor.fairness.rate", "sensor.fairness.burst"] {
        assert_limit(key, Fairness::MOST, &Fairness::MOST.to_string());
    }
}

#[test]
fn all_errors_are_reported_at_once() {
    let message = fails("priority: loud\nwebserver: 7\nrule_matching: last\n");
    assert_eq!(message.matches("error:").count(), 3, "{message}");
}

#[test]
fn a_key_without_effect_is_one_warning_with_the_reason() {
    let (_dir, inputs) =
        inputs("plugins:\n- name: k8saudit\n  library_path: x\ngrpc:\n  enabled: true\n");
    let warnings = load(&inputs).unwrap().warnings;
    assert_eq!(warnings.len(), 2);
    assert!(
        warnings[0].message.contains("plugins are not supported"),
        "{}",
        warnings[0]
    );
    assert_eq!(warnings[0].position.line, 2);
}

#[test]
fn the_environment_sets_our_keys() {
    let (_dir, mut inputs) = inputs("sensor: {hostname: from-file}\n");
    for (name, value) in [
        ("NODE_NAME", "n1"),
        ("FALCO_HOSTNAME", "not-this"),
        ("HOST_ROOT", "/host"),
        ("SENSOR_CAPTURE_HOOKS", "perf"),
        ("SENSOR_CONTAINERD_SOCKETS", "/a.sock, /b.sock"),
        ("SENSOR_CAPTURE_ENV", "true"),
        ("SENSOR_SERVICE_HOST", "10.0.0.1"),
        ("SENSOR_HOLD_TIMEOT", "1s"),
    ] {
        inputs.environment.insert(name.into(), value.into());
    }
    let loaded = load(&inputs).unwrap();
    let sensor = loaded.config.sensor;
    assert_eq!(sensor.node.as_deref(), Some("n1"));
    assert_eq!(sensor.hostname.as_deref(), Some("from-file"));
    assert_eq!(sensor.host_root, PathBuf::from("/host"));
    assert_eq!(sensor.capture.hooks, Hooks::Perf);
    assert_eq!(
        sensor.containerd.sockets,
        ["/a.sock", "/b.sock"].map(PathBuf::from)
    );
    assert_eq!(sensor.capture.env, WantedEnv::All);
    assert_eq!(loaded.warnings.len(), 1, "{:?}", loaded.warnings);
    assert!(
        loaded.warnings[0]
            .to_string()
            .contains("SENSOR_HOLD_TIMEOUT")
    );
}

#[test]
fn a_wrong_variable_names_itself() {
    let (_dir, mut inputs) = inputs("");
    inputs
        .environment
        .insert("SENSOR_CAPTURE_HOOKS".into(), "fast".into());
    let error = load(&inputs).unwrap_err().to_string();
    assert!(
        error.starts_with("environment variable SENSOR_CAPTURE_HOOKS:1:1: error"),
        "{error}"
    );
}

#[test]
fn an_error_names_the_files_whose_change_may_correct_the_error() {
    let (dir, inputs) = inputs("priority: error\n");
    let extra = dir.path().join("extra.yaml");
    fs::write(&extra, "priority: loud\n").unwrap();
    let file = inputs.file.clone().unwrap();
    let text = format!("config_files: [{}]\n", extra.display());
    fs::write(&file, text).unwrap();
    assert_eq!(load(&inputs).unwrap_err().files(), [file, extra]);
}

#[test]
fn a_missing_file_is_an_error() {
    let inputs = Inputs {
        file: Some("/nonexistent/x.yaml".into()),
        ..Inputs::default()
    };
    assert!(matches!(load(&inputs), Err(ConfigError::Read { .. })));
}

#[test]
fn a_printed_configuration_reads_as_the_same_configuration() {
    let mut config = read(
        "rules: [{disable: {rule: 'a *'}}, {enable: {tag: t, rule: u}}]\nappend_output:\n- {match: {source: syscall, tags: [a, b], rule: 'x y'}, extra_output: 'a: %b', extra_fields: [p, {k: '%v'}]}\n- {match: {rule: 'a}'}, extra_output: 'b}}'}\n\
         sensor: {capture: {env: [A]}, node: 'true', file_output: {owner: ':10'}}\n",
    );
    let (_dir, inputs) = inputs(&print(&config).replace("config_files: []\n", ""));
    config.config_files = Vec::new();
    assert_eq!(load(&inputs).unwrap().config, config);
}

#[test]
fn no_text_is_a_panic() {
    for text in [
        "",
        "~",
        "a",
        "- a",
        "? [a]\n: b",
        "sensor:\n",
        "sensor: {capture: ~}",
        "a: *b",
        "\0",
        "append_output: [1]",
    ] {
        let (_dir, mut inputs) = inputs("");
        fs::write(inputs.file.as_ref().unwrap(), text).unwrap();
        inputs.overrides = vec![
            text.into(),
            format!("{text}=1"),
            format!("a{text}[9]={text}"),
        ];
        let _ = load(&inputs);
    }
}

#[test]
fn every_key_has_a_row_and_a_meaning() {
    let mut names = BTreeSet::new();
    for key in keys() {
        assert!(names.insert(key.name), "{} twice", key.name);
        assert!(key.doc.ends_with(['.', '*']), "{}", key.name);
        assert!(NOT_APPLICABLE.iter().all(|row| row.name != key.name));
    }
    // A field that has no row prints the same in two configurations that differ.
    let debug = format!("{:#?}", Config::default());
    let fields = debug
        .lines()
        .filter(|l| l.contains(": ") && !l.ends_with('{'))
        .count();
    assert!(names.len() <= fields + 20, "{} {fields}", names.len());
}

#[test]
fn the_page_of_keys_is_true() {
    let page = concat!(env!("CARGO_MANIFEST_DIR"), "/../../deploy/configuration.md");
    if std::env::var_os("UPDATE").is_some() {
        fs::create_dir_all(concat!(env!("CARGO_MANIFEST_DIR"), "/../../deploy")).unwrap();
        fs::write(page, markdown()).unwrap();
    }
    let there = fs::read_to_string(page).unwrap_or_default();
    assert!(
        there == markdown(),
        "run UPDATE=1 cargo test -p config the_page_of"
    );
}

#[test]
fn defaults_that_are_documented_to_differ_are_the_defaults() {
    for line in markdown()
        .lines()
        .skip_while(|line| !line.contains("Defaults that differ"))
    {
        let cells: Vec<&str> = line
            .split(" | ")
            .map(|c| c.trim_matches(['|', ' ', '`']))
            .collect();
        if let Some(key) = keys().iter().find(|key| key.name == cells[0]) {
            assert_eq!(
                (key.show)(&Config::default()).trim_matches('"'),
                cells[2],
                "{}",
                key.name
            );
        }
    }
}
