//! Tests of the example of another source of events, with its own fields and rules.

use std::{
    env,
    io::Write as _,
    process::{Command, Stdio},
};

use crate::shell::workspace_cargo;

/// Standard output and standard error of the example for that input.
fn run(input: &str) -> (Vec<serde_json::Value>, String) {
    let built = workspace_cargo("build", &["--quiet", "--example", "json_lines"]).status();
    assert!(built.expect("cargo runs").success());
    let own = env::current_exe().expect("this program has a path");
    let target = own.ancestors().nth(2).expect("it is in a target directory");
    let mut child = Command::new(target.join("examples/json_lines"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the example runs");
    let mut stdin = child.stdin.take().expect("the example runs");
    stdin.write_all(input.as_bytes()).expect("the example runs");
    drop(stdin);
    let output = child.wait_with_output().expect("the example runs");
    let words = String::from_utf8(output.stderr).expect("the example runs");
    assert!(output.status.success(), "{words}");
    let lines = String::from_utf8(output.stdout).expect("the example runs");
    let lines = lines
        .lines()
        .map(|line| serde_json::from_str(line).expect("the example runs"));
    (lines.collect(), words)
}

#[test]
fn another_source_has_fields_rules_and_counts_of_its_own() {
    let (lines, words) = run(
        "{\"user\": \"eve\", \"status\": 401}\nno json\n{\"status\": 200}\n{\"user\": \"bob\", \"status\": 401}",
    );
    let users: Vec<_> = lines
        .iter()
        .map(|line| &line["output_fields"]["json.value[/user]"])
        .collect();
    assert_eq!(users, ["eve", "bob"]);
    assert_eq!(lines[0]["source"], "json");
    assert_eq!(lines[0]["rule"], "Login refused");
    assert!(words.contains("received: 4"), "{words}");
    assert!(words.contains("unmatched: 1, matched: 2"), "{words}");
    assert!(
        words.contains(r#"name: "undecodable", events: 1"#),
        "{words}"
    );
}
