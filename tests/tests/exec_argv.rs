//! Command lines in Falco's form, byte by byte.

use std::{ffi::OsString, os::unix::ffi::OsStringExt as _};

use serde_json::json;
use tests::{Act, Event, Scene};

/// The event of a program named `tool`, executed with that argv.
fn seen_with(argv: &[&str]) -> Event {
    let scene = Scene::new();
    let tool = scene.program("tool");
    scene.act(Act::new().exec(tool, argv)).exec("tool").clone()
}

/// The same for bytes that are not UTF-8.
fn seen_with_bytes(argument: &[u8]) -> Event {
    let scene = Scene::new();
    let tool = scene.program("tool");
    let argv = ["tool".into(), OsString::from_vec(argument.to_vec())];
    scene.act(Act::new().exec(tool, argv)).exec("tool").clone()
}

#[test]
fn arguments_are_joined_by_blanks() {
    seen_with(&["t", "a", "b"]).assert_fields(&json!({
        "evt.type": "execve",
        "evt.rawres": 0,
        "evt.res": "SUCCESS",
        "evt.failed": false,
        "proc.name": "tool",
        "proc.exe": "t",
        "proc.args": "a b",
        "proc.cmdline": "tool a b",
        "proc.exeline": "t a b",
        "proc.cmdnargs": 2,
        "proc.cmdlenargs": 2,
        "proc.args[0]": "a",
        "proc.args[1]": "b",
    }));
}

#[test]
fn a_login_shells_argv0_is_the_exe_and_not_the_name() {
    seen_with(&["-zsh", "-c", "id"]).assert_fields(&json!({
        "proc.name": "tool",
        "proc.exe": "-zsh",
        "proc.cmdline": "tool -c id",
    }));
}

#[test]
fn no_argument_leaves_no_trailing_blank() {
    seen_with(&["tool"]).assert_fields(&json!({
        "proc.exe": "tool",
        "proc.args": "",
        "proc.cmdline": "tool",
        "proc.cmdnargs": 0,
        "proc.cmdlenargs": 0,
        "proc.args[0]": "",
    }));
}

#[test]
fn an_empty_argv_is_one_empty_string() {
    seen_with(&[]).assert_fields(&json!({
        "proc.exe": "",
        "proc.args": "",
        "proc.cmdline": "tool",
        "proc.cmdnargs": 0,
    }));
}

#[test]
fn a_null_argv_is_one_empty_string() {
    let scene = Scene::new();
    let tool = scene.program("tool");
    let seen = scene.act(Act::new().then("exec-null-argv", [tool]));
    seen.exec("tool").assert_fields(&json!({
        "proc.exe": "",
        "proc.args": "",
        "proc.cmdline": "tool",
    }));
}

#[test]
fn an_empty_argv0_keeps_its_arguments() {
    seen_with(&["", "a"]).assert_fields(&json!({
        "proc.exe": "",
        "proc.args": "a",
        "proc.cmdline": "tool a",
    }));
}

#[test]
fn empty_arguments_are_kept() {
    seen_with(&["t", "", "CASE", "", ""]).assert_fields(&json!({
        "proc.exe": "t",
        "proc.args": " CASE  ",
        "proc.cmdline": "tool  CASE  ",
        "proc.cmdnargs": 4,
        "proc.cmdlenargs": 4,
    }));
}

#[test]
fn blanks_in_arguments_are_kept() {
    seen_with(&["t", "a  b", " c"]).assert_fields(&json!({
        "proc.args": "a  b  c",
        "proc.cmdnargs": 2,
        "proc.args[0]": "a  b",
        "proc.args[1]": " c",
    }));
}

#[test]
fn each_control_character_becomes_one_replacement_character() {
    seen_with(&["t", "a\nb\tc\rd\x1b[0me\x7f"]).assert_fields(&json!({
        "proc.args": "a\u{fffd}b\u{fffd}c\u{fffd}d\u{fffd}[0me\u{fffd}",
        "proc.cmdline": "tool a\u{fffd}b\u{fffd}c\u{fffd}d\u{fffd}[0me\u{fffd}",
    }));
}

#[test]
fn a_c1_control_character_becomes_one_replacement_character() {
    let event = seen_with(&["t", "a\u{85}b\u{9f}c"]);
    assert_eq!(event.text("proc.args"), "a\u{fffd}b\u{fffd}c");
}

#[test]
fn each_invalid_piece_of_utf8_becomes_one_replacement_character() {
    let event = seen_with_bytes(b"\xff\xfe caf\xe9 \xc3");
    assert_eq!(
        event.text("proc.args"),
        "\u{fffd}\u{fffd} caf\u{fffd} \u{fffd}"
    );
}

#[test]
fn valid_utf8_is_unchanged() {
    let event = seen_with(&["t", "é", "🦀", "€"]);
    assert_eq!(event.text("proc.args"), "é 🦀 €");
}

#[test]
fn quotes_backslashes_and_percent_signs_are_unchanged() {
    let event = seen_with(&["t", "\"dq\"", "'sq'", "back\\slash", "%proc.name"]);
    assert_eq!(
        event.text("proc.args"),
        "\"dq\" 'sq' back\\slash %proc.name"
    );
}

#[test]
fn the_text_output_holds_the_arguments_on_one_line() {
    let event = seen_with(&["t", "a\nb"]);
    let output = event.0["output"].as_str().unwrap();
    assert!(output.contains(" cmdline=tool a\u{fffd}b "), "{output}");
    assert!(!output.contains('\n'), "{output}");
}
