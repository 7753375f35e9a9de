//! Options of the command line: paths as Falco's, values as they stand.

use super::*;

#[test]
fn the_command_line_overrides() {
    let config = overridden(&[
        "json_output=false",
        "rules_files[]=/a",
        "rules_files[]=/b",
        "rules_files[0]=/c",
        "file_output={enabled: true, filename: /f}",
        "http_output.user_agent=",
    ])
    .unwrap();
    assert!(!config.json_output);
    assert_eq!(config.rules_files, ["/c", "/b"].map(PathBuf::from));
    assert_eq!(config.file_output.filename, PathBuf::from("/f"));
    assert_eq!(config.http_output.user_agent, "");
}

#[test]
fn a_path_leads_into_the_elements_of_a_list() {
    let config = overridden(&[
        "rules[].disable.rule=*",
        "rules[].enable.tag=x",
        "rules[1].enable.rule=[a]: &b",
        "append_output[].suggested_output=true",
        "append_output[0].match.source=syscall",
        "append_output[].extra_fields[]=proc.name",
        "append_output[1].extra_fields[1]={k: '%evt.num'}",
        "config_files[0].path=/no",
    ])
    .unwrap();
    let [all, some] = &config.rules[..] else {
        panic!("{:?}", config.rules)
    };
    assert_eq!((all.enable, all.rule.as_deref()), (false, Some("*")));
    assert_eq!((some.enable, some.tag.as_deref()), (true, Some("x")));
    assert_eq!(some.rule.as_deref(), Some("[a]: &b"));
    assert!(config.append_output[0].suggested_output);
    assert_eq!(config.append_output[0].source.as_deref(), Some("syscall"));
    assert_eq!(config.append_output[1].extra_fields, ["proc.name"]);
    assert_eq!(
        config.append_output[1].extra_templates,
        [("k".into(), "%evt.num".into())]
    );
    assert_eq!(config.config_files[0].path, PathBuf::from("/no"));
}

#[test]
fn a_path_goes_on_from_the_files_of_configuration() {
    let (_dir, mut inputs) = inputs("rules:\n- disable: {tag: a}\nrules_files: [/a, /b]\n");
    inputs.overrides = ["rules[0].disable.tag=b", "rules_files[2]=/c"]
        .map(str::to_owned)
        .to_vec();
    let config = load(&inputs).unwrap().config;
    assert_eq!(config.rules[0].tag.as_deref(), Some("b"));
    assert_eq!(config.rules_files, ["/a", "/b", "/c"].map(PathBuf::from));
}

#[test]
fn a_value_is_a_text_as_it_stands() {
    for text in [
        "*", "&a", "!x", "a: b", "- a", "#no", "'", "%x", "@y", "a # b", "{", "[", "\"q\"",
    ] {
        let config = overridden(&[&format!("http_output.user_agent={text}")]).unwrap();
        assert_eq!(config.http_output.user_agent, text);
    }
}

#[test]
fn an_empty_value_is_taken() {
    let config = overridden(&["file_output.filename=", "rules_files=", "json_output="]).unwrap();
    assert_eq!(config.file_output.filename, PathBuf::new());
    assert_eq!(config.rules_files, Vec::<PathBuf>::new());
    assert!(config.json_output, "the default");
}

#[test]
fn an_enabled_output_without_its_value_is_an_error() {
    for (output, key) in [
        ("file_output", "filename"),
        ("http_output", "url"),
        ("program_output", "program"),
    ] {
        let options = [format!("{output}.enabled=true"), format!("{output}.{key}=")];
        let error = overridden(&options.each_ref().map(String::as_str)).unwrap_err();
        let expected = format!("error: {output} is enabled without {key}\n");
        assert!(error.contains(&expected), "{error}");
        assert!(error.contains(&format!("set {output}.{key} to")), "{error}");
    }
}

#[test]
fn a_wrong_option_names_the_key_once() {
    let error = |option| overridden(&[option]).unwrap_err();
    for (option, key, told) in [
        ("json_output", "json_output", "has no '='"),
        ("rules_files[5]=/a", "rules_files", "there is no [5]"),
        ("rules_files[x]=/a", "rules_files", "'x' is no number"),
        ("rules[0]x=1", "rules[0]x", "'.' or '[' expected after ']'"),
        (
            "sensor.hold.timeout=2 hours",
            "sensor.hold.timeout",
            "not '2 hours'",
        ),
        (
            "rules[].disable=x",
            "rules",
            "expected a list of enable or disable",
        ),
        ("priority[0]=x", "priority", "is a text: it has no elements"),
        ("webserver={a: [}", "webserver", "not YAML"),
    ] {
        let error = error(option);
        assert!(error.contains(told), "{error}");
        assert_eq!(error.matches(key).count(), 1, "{error}");
        assert!(error.starts_with("-o"), "{error}");
    }
}

#[test]
fn the_default_and_what_is_put_into_it_read_back() {
    let config = overridden(&["sensor.http_output.headers.X-Token=a b"]).unwrap();
    let headers = &config.sensor.http_output.headers.0;
    assert_eq!(*headers, [("X-Token".into(), "a b".into())]);
    let printed = print(&config);
    assert!(printed.contains("headers: {X-Token: \"***\"}"), "{printed}");
    assert!(!format!("{config:?}").contains("a b"), "{config:?}");
}
