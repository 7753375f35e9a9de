//! Commands that capture nothing: lists, checks, the printed configuration.
#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot go on says so by a panic"
)]

use std::{fs, process::Command};

use serde_json::Value;
use tempfile::TempDir;
use tests::programs;

const RULES: &str = "\
- macro: in_a_shell
  condition: proc.name in (sh, bash)
- rule: Shell
  desc: Somebody starts a shell.
  condition: evt.type = execve and in_a_shell
  output: '%proc.cmdline'
  priority: NOTICE
  tags: [shells]
";

/// Exit code, standard output and standard error of the sensor with these arguments and these
/// rules.
fn ask(arguments: &[&str], rules: &str) -> (Option<i32>, String, String) {
    let directory = TempDir::new().unwrap();
    let file = directory.path().join("rules.yaml");
    fs::write(&file, rules).unwrap();
    let mut command = Command::new(programs::sensor());
    command.args(["-o", "json_output=false"]).args(arguments);
    if arguments.last() == Some(&"-V") {
        command.arg(&file);
    } else {
        command.arg("-r").arg(&file);
    }
    let output = programs::alone(|| command.output()).unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (
        output.status.code(),
        text(output.stdout),
        text(output.stderr),
    )
}

/// The standard output of the sensor, which must succeed.
fn answer(arguments: &[&str]) -> String {
    let (code, out, error) = ask(arguments, RULES);
    assert_eq!(code, Some(0), "{error}");
    out
}

#[test]
fn rules_without_a_mistake_are_accepted() {
    for arguments in [&["-V"][..], &["--dry-run"]] {
        assert!(answer(arguments).contains("Ok"), "{arguments:?}");
    }
}

#[test]
fn rules_with_a_mistake_are_refused_with_the_position_of_the_mistake() {
    let wrong = RULES.replace("proc.name", "proc.nam");
    for arguments in [&["-V"][..], &["--dry-run"]] {
        let (code, out, error) = ask(arguments, &wrong);
        assert_eq!(code, Some(1), "{arguments:?}: {out}");
        assert!(out.contains("proc.nam") && error.contains("proc.nam"));
        assert!(out.contains("rules.yaml"), "{out}");
    }
}

#[test]
fn a_report_in_json_says_whether_all_rules_are_valid() {
    for (rules, right) in [(RULES, true), ("- rule: nothing else", false)] {
        let (code, out, _) = ask(&["-o", "json_output=true", "-V"], rules);
        let report: Value = serde_json::from_str(&out).unwrap();
        let result = &report["falco_load_results"][0];
        assert_eq!(result["successful"], right, "{report:#}");
        assert_eq!(code == Some(0), right);
    }
}

#[test]
fn a_check_says_which_rules_cannot_match_and_accepts_them() {
    let rules = RULES.to_owned()
        + "- {rule: Opens, desc: d, condition: open_write and fd.name startswith /etc, output: x, priority: INFO}\n";
    for json in ["json_output=false", "json_output=true"] {
        for check in ["-V", "--dry-run"] {
            let (code, out, error) = ask(&["-o", json, check], &rules);
            assert_eq!(code, Some(0), "{error}");
            assert!(
                error.contains("2 rules from 1 file: 1 active, 1 inactive\n"),
                "{error}"
            );
            let opens = "rule 'Opens' is inactive: no events of types open, openat, openat2";
            assert!(error.contains(opens), "{error}");
            assert!(!out.contains("inactive"), "{out}");
        }
    }
}

#[test]
fn the_base_rules_are_printed_as_a_rules_file_and_can_be_turned_off() {
    let base = answer(&["--print-base-rules"]);
    assert!(base.contains("- macro: spawned_process\n"), "{base}");
    // The same once more, as a file of the user's.
    let (code, _, error) = ask(&["-V"], &base);
    assert_eq!(code, Some(0), "{error}");
    let rule = "- {rule: r, desc: d, condition: spawned_process, output: x, priority: INFO}\n";
    assert_eq!(ask(&["-V"], rule).0, Some(0));
    let (code, out, _) = ask(&["-o", "sensor.rules.base=false", "-V"], rule);
    assert_eq!(code, Some(1));
    assert!(out.contains("unknown macro 'spawned_process'"), "{out}");
}

#[test]
fn rules_are_listed_and_described() {
    assert!(answer(&["-L"]).contains("Shell"));
    let described = answer(&["-l", "Shell"]);
    assert!(
        described.contains("Somebody starts a shell."),
        "{described}"
    );
    let json: Value = serde_json::from_str(&answer(&["-L", "-o", "json_output=true"])).unwrap();
    assert!(json.to_string().contains("Somebody starts a shell."));
    let (code, _, error) = ask(&["-l", "Shel"], RULES);
    assert_eq!(code, Some(1));
    assert!(error.contains("no rule is named 'Shel'"), "{error}");
}

#[test]
fn the_printed_configuration_is_one_that_prints_itself() {
    let printed = answer(&["--print-config", "-o", "priority=warning"]);
    assert!(printed.contains("\npriority: Warning\n"), "{printed}");
    let directory = TempDir::new().unwrap();
    let file = directory.path().join("sensor.yaml");
    fs::write(&file, &printed).unwrap();
    let again = answer(&["--print-config", "-c", file.to_str().unwrap()]);
    // Each sensor has a rule file of its own.
    let rest = |text: &str| -> Vec<String> {
        let lines = text
            .lines()
            .filter(|line| !line.starts_with("rules_files:"));
        lines.map(str::to_owned).collect()
    };
    assert_eq!(rest(&again), rest(&printed));
}

#[test]
fn fields_of_a_class_are_listed_by_name() {
    let names = answer(&["--list=proc", "-N"]);
    assert!(names.lines().count() > 20);
    assert!(
        names.lines().all(|name| name.starts_with("proc.")),
        "{names}"
    );
    let page = answer(&["--list", "--format", "markdown"]);
    assert!(page.contains("`proc.name`"), "{page}");
}

#[test]
fn kinds_of_events_are_listed() {
    let events = answer(&["--list-events"]);
    assert!(events.contains("execve") && events.contains("connect"));
}

/// The errors of a dry run with these options, which must fail.
fn refused(options: &[&str]) -> String {
    let mut arguments = vec!["--dry-run"];
    for option in options {
        arguments.extend(["-o", option]);
    }
    let (code, _, error) = ask(&arguments, RULES);
    assert_eq!(code, Some(1), "{options:?}: {error}");
    error
}

#[test]
fn a_dry_run_finds_what_a_start_would() {
    for (options, told) in [
        (
            &["http_output.enabled=true"][..],
            "http_output is enabled without url",
        ),
        (
            &[
                "http_output.enabled=true",
                "http_output.url=https://h",
                "http_output.ca_cert=/no.pem",
            ],
            "/no.pem",
        ),
        (
            &[
                "http_output.enabled=true",
                "http_output.url=http://u:secret@h:x",
            ],
            "'http://***@h:x': 'x' is no port",
        ),
        (
            &[
                "http_output.enabled=true",
                "http_output.url=https://h",
                "http_output.mtls=true",
                "http_output.client_cert=/no.crt",
            ],
            "/no.crt",
        ),
        (
            &["file_output.enabled=true", "file_output.filename="],
            "file_output is enabled without filename",
        ),
        (
            &[
                "program_output.enabled=true",
                "program_output.program=no-such-program",
            ],
            "there is no program 'no-such-program'",
        ),
        (
            &[
                "webserver.ssl_enabled=true",
                "webserver.ssl_certificate=/no.pem",
            ],
            "check webserver.ssl_certificate",
        ),
        (&["stdout_output.enabled=false"], "no output is enabled"),
    ] {
        let error = refused(options);
        assert!(error.contains(told), "{options:?}: {error}");
        assert!(!error.contains("secret"), "{error}");
    }
    answer(&[
        "--dry-run",
        "-o",
        "program_output.enabled=true",
        "-o",
        "program_output.program=cat | cat",
    ]);
}

#[test]
fn a_strict_dry_run_refuses_an_unknown_key() {
    let (code, _, error) = ask(&["--dry-run", "-o", "file_output.enabld=true"], RULES);
    assert_eq!(code, Some(0), "{error}");
    assert!(
        error.contains("warning: unknown key 'file_output.enabld'"),
        "{error}"
    );
    let (code, _, error) = ask(
        &["--dry-run", "--strict", "-o", "file_output.enabld=true"],
        RULES,
    );
    assert_eq!(code, Some(1), "{error}");
    assert!(
        error.contains("did you mean 'file_output.enabled'?"),
        "{error}"
    );
}

#[test]
fn falco_s_paths_select_rules() {
    let list = |options: &[&str]| {
        let mut arguments = vec!["--print-config"];
        options
            .iter()
            .for_each(|option| arguments.extend(["-o", option]));
        answer(&arguments)
    };
    let printed = list(&["rules[].disable.rule=*", "rules[].enable.tag=shells"]);
    let expected = "\nrules: [{disable: {rule: \"*\"}}, {enable: {tag: shells}}]\n";
    assert!(printed.contains(expected), "{printed}");
}
