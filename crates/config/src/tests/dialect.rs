//! YAML as Falco's library reads it.

use std::fs;

use super::*;

#[test]
fn numbers_and_truth_values_can_be_in_quotes() {
    let config = read(
        "json_output: \"yes\"\noutputs_queue: {capacity: '7'}\nwebserver:\n  listen_port: \"0x1F90\"\n\
         syscall_event_drops:\n  rate: \".5\"\noutput_timeout: '1500'\nbuffered_outputs: On\n",
    );
    assert!(config.json_output && config.buffered_outputs);
    assert_eq!(config.outputs_queue.capacity, 7);
    assert_eq!(config.webserver.listen_port, 8080);
    assert_eq!(config.output_timeout.to_string(), "1500ms");
}

#[test]
fn a_text_can_be_a_number() {
    let config = read("http_output:\n  user_agent: 5\nfile_output: {filename: 0x10}\n");
    assert_eq!(config.http_output.user_agent, "5");
    assert_eq!(config.file_output.filename, PathBuf::from("0x10"));
}

#[test]
fn an_empty_value_is_the_default() {
    let config = read(
        "json_output:\nfile_output:\n  enabled: ~\n  filename:\nhttp_output:\n  user_agent: null\n\
         webserver:\noutputs_queue:\n  capacity:\npriority: ~\nrules_files:\n",
    );
    let expected = Config {
        config_files: Vec::new(),
        rules_files: Vec::new(),
        optional_rules_files: Vec::new(),
        ..Config::default()
    };
    assert_eq!(config, expected);
}

#[test]
fn an_empty_element_is_none() {
    let config = read(
        "rules_files:\n  - /a\n  -\n  - /b\nappend_output:\n  - match:\n    suggested_output:\n    \
         extra_fields:\n    extra_output: x\n",
    );
    assert_eq!(config.rules_files, [PathBuf::from("/a"), "/b".into()]);
    assert_eq!(config.append_output[0].extra_output.as_deref(), Some("x"));
}

#[test]
fn an_empty_value_of_a_merged_file_takes_a_value_back() {
    let dir = tempfile::tempdir().unwrap();
    let (main, more) = (dir.path().join("falco.yaml"), dir.path().join("more.yaml"));
    let text = format!(
        "config_files: ['{}']\nbuffered_outputs: true\n",
        more.display()
    );
    fs::write(&main, text).unwrap();
    fs::write(&more, "buffered_outputs:\n").unwrap();
    let inputs = Inputs {
        file: Some(main),
        ..Inputs::default()
    };
    assert!(!load(&inputs).unwrap().config.buffered_outputs);
}

#[test]
fn the_first_document_is_the_configuration() {
    let (dir, inputs) = inputs("json_output: true\n---\njson_output: [\n");
    let loaded = load(&inputs).unwrap();
    assert!(loaded.config.json_output);
    let warning = loaded.warnings[0].to_string();
    assert_eq!(
        warning.replace(dir.path().to_str().unwrap(), ""),
        "/falco.yaml:3:1: warning: what stands from here on is not read\n  3 | ---\n    | ^\n  \
         help: only the first document counts: remove the others"
    );
}

#[test]
fn broken_yaml_has_its_place() {
    assert_eq!(
        fails("json_output: true\nfile_output:\n  enabled: true\n   filename: /x\n"),
        "/falco.yaml:5:12: error: not YAML: no key stands before this ':'\n  \
         5 |    filename: /x\n    |            ^\n  \
         help: compare the indentation with the lines above: this one goes on with their text"
    );
    assert!(fails("a: [\n\n").starts_with("/falco.yaml:2:4: error: not YAML: this bracket"));
}

#[test]
fn a_configuration_can_be_in_utf_16() {
    let (_dir, inputs) = inputs("");
    let text: Vec<u8> = "\u{feff}config_files: []\r\njson_output: true\r\n"
        .encode_utf16()
        .flat_map(u16::to_le_bytes)
        .collect();
    fs::write(inputs.file.as_ref().unwrap(), text).unwrap();
    assert!(load(&inputs).unwrap().config.json_output);
}
