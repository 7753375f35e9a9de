//! What Falco takes although it is probably a mistake; and secrets, which no message shows.

use super::*;

fn warnings(text: &str) -> String {
    let (dir, inputs) = inputs(text);
    let warnings = load(&inputs).unwrap().warnings;
    let warnings: Vec<_> = warnings.iter().map(ToString::to_string).collect();
    let place = dir.path().to_str().unwrap();
    warnings.join("\n").replace(place, "")
}

#[test]
fn an_unknown_key_is_a_warning_with_its_place_and_the_nearest_one() {
    assert_eq!(
        warnings("json_output: true\nsensor:\n  capture:\n    argv_limt: 4KiB\n"),
        "/falco.yaml:5:5: warning: unknown key 'sensor.capture.argv_limt'\n  \
         5 |     argv_limt: 4KiB\n    |     ^^^^^^^^^\n  help: did you mean 'sensor.capture.argv_limit'?"
    );
    for text in ["zebra: 1\n", "zebra: {a: [1]}\n", "webserver: {zebra: }\n"] {
        assert!(warnings(text).contains("unknown key"), "{text}");
    }
    assert!(warnings("[1]: 2\n").contains("a key is a list"));
    let told = warnings("append_output: [{sugested_output: true, match: {rul: a}}]\n");
    assert!(told.contains("did you mean 'suggested_output'?"), "{told}");
    assert!(
        told.contains("unknown key 'rul' in append_output.match"),
        "{told}"
    );
}

#[test]
fn a_strict_configuration_refuses_what_is_otherwise_a_warning() {
    for text in [
        "zebra: 1\n",
        "json_output: maybe\n",
        "rules: [{enable: {rule: a, tga: b}}]\n",
        "json_output: true\n---\na: b\n",
        "rules_file: /a\nrules_files: [/b]\n",
    ] {
        assert_eq!(
            warnings(text).matches("warning").count(),
            1 + usize::from(text.contains("rules_file:")),
            "{text}"
        );
        let (_dir, mut inputs) = inputs(text);
        inputs.overrides = vec!["sensor.strict_config=true".into()];
        let error = load(&inputs).unwrap_err().to_string();
        assert_eq!(error.matches("error: ").count(), 1, "{error}");
    }
    let strict = "sensor: {strict_config: true}\nplugins: [{name: json}]\n";
    assert!(warnings(strict).contains("no effect here"), "no mistake");
}

#[test]
fn a_key_without_a_value_has_its_default() {
    let text = "json_output:\nfile_output:\n  enabled:\n  filename:\npriority:\nwebserver:\n  listen_port: ~\n\
                http_output: {user_agent: null}\nmetrics:\nrules_files:\nsensor:\n  hold: {timeout: }\n";
    let expected = Config {
        config_files: Vec::new(),
        ..Config::default()
    };
    assert_eq!(read(text), expected);
    assert_eq!(warnings(text), "");
}

#[test]
fn falco_s_switches_and_numbers_fall_back_to_the_default_with_a_warning() {
    let text = "json_output: maybe\nwebserver: {listen_port: http}\n";
    let config = read(text);
    assert!(config.json_output);
    assert_eq!(config.webserver.listen_port, 8765);
    let told = warnings(text);
    assert!(
        told.contains("json_output: expected true or false, not 'maybe': true counts, the default"),
        "{told}"
    );
    assert!(told.contains("not 'http': 8765 counts"), "{told}");
}

#[test]
fn one_text_is_a_list_of_one() {
    let config = read("syscall_event_drops: {actions: exit}\nrules_files: /a\n");
    assert_eq!(config.syscall_event_drops.actions, [DropAction::Exit]);
    assert_eq!(config.rules_files, [PathBuf::from("/a")]);
}

#[test]
fn the_first_of_two_equal_keys_counts() {
    let text = "json_output: false\njson_output: true\nwebserver: {enabled: false}\nwebserver: {enabled: true}\n";
    let config = read(text);
    assert!(!config.json_output);
    assert!(!config.webserver.enabled);
}

#[test]
fn no_message_and_no_list_shows_a_password() {
    let url = "http://joe:s3cret@h/x";
    let config = read(&format!("http_output: {{url: '{url}'}}\n"));
    assert_eq!(config.http_output.url, url);
    assert!(print(&config).contains("url: \"http://***@h/x\"\n"));
    let config = read(&format!(
        "program_output: {{program: 'curl {url} -d @-'}}\n"
    ));
    assert!(print(&config).contains("program: \"curl http://***@h/x -d @-\"\n"));
    for text in [
        "http_output: {url: 'ftp://joe:s3cret@h'}\n".to_owned(),
        format!("http_output: {{url: [{url}]}}\n"),
        format!("http_output:\n  url: {url}\n  url: 'joe:s3cret@h'\n   a: b\n"),
        format!("{url}: 1\npriority: {url}\n"),
        "http_output: {urll: 'joe:s3cret@h', enabled: true}\n".to_owned(),
    ] {
        let (_dir, inputs) = inputs(&text);
        let told = load(&inputs).unwrap_err().to_string();
        assert!(!told.contains("s3cret"), "{told}");
    }
    let told = warnings(&format!(
        "http_output: {{urll: 'joe:s3cret@h'}}\n{url}: 1\nx: {url}\n"
    ));
    assert!(!told.contains("s3cret"), "{told}");
    for option in [
        "http_output.url=ftp://joe:s3cret@h",
        "http_output.ur[=http://joe:s3cret@h",
    ] {
        let told = overridden(&[option]).unwrap_err();
        assert!(!told.contains("s3cret"), "{told}");
    }
}
