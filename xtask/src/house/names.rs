//! Names that said too little to a stranger do not come back.

use std::fs;

use super::{has_extension, tracked};
use crate::shell::root;

/// This file, which has all old names.
const ITSELF: &str = "xtask/src/house/names.rs";

/// Each old name as it stood in code, and the name that replaced it.
const RENAMED: &[[&str; 2]] = &[
    ["Hold", "PendingEvents"],
    ["Home", "MountGuard"],
    ["Note", "DoneKey"],
    ["Place", "CgroupOwner"],
    ["Previous", "FormerRun"],
    ["Remarks", "Diagnostics"],
    ["Several", "Quantifier"],
    ["Told", "IntendedState"],
    ["Turn", "ProgramCopy"],
    ["Waiting", "PendingFigures"],
    ["Wants", "CaptureRequest"],
    ["Who", "Caller"],
    ["mod ends", "mod endpoints"],
    ["options::wants", "options::capture_request"],
    ["relief", "backup"],
];

/// Old names that are the right word in a folder or file, for the reason beside each.
const EXCEPTIONS: &[[&str; 2]] = &[
    // The configuration has the key `sensor.hold`, and a struct named after the key.
    ["Hold", "crates/config/src/"],
    // The name of a key of the keyboard.
    ["Home", "sensor/src/watch/keys.rs"],
    // The lowest severity of a diagnostic.
    ["Note", "crates/yaml/src/diagnostic.rs"],
    // The benchmark's place is the directory and system in which the other tools run.
    ["Place", "xtask/src/bench/peers/"],
    // The session awaits two sorts of answers of containerd: to a question, and to an event.
    ["Told", "crates/metadata/src/containerd/"],
    // An event that waits in the hold.
    ["Waiting", "crates/events/src/pending.rs"],
    // Requests of the test bed wait for their answers; nothing there is an event.
    ["Waiting", "tests/src/testbed.rs"],
];

/// The code of a line: what stands before a comment and outside of literals of text.
fn code(line: &str) -> String {
    let line = line.split("//").next().unwrap_or(line);
    line.split('"').step_by(2).collect::<Vec<_>>().join("\"")
}

/// Whether code has a name as a whole word.
fn has_word(code: &str, name: &str) -> bool {
    let is_part = |c: char| c.is_alphanumeric() || c == '_';
    code.match_indices(name).any(|(at, _)| {
        let before = code[..at].chars().next_back();
        let after = code[at + name.len()..].chars().next();
        !before.is_some_and(is_part) && !after.is_some_and(is_part)
    })
}

/// The old names in a file, each with its line and the name to use.
fn old_names(file: &str, text: &str) -> Vec<String> {
    let is_excepted = |name: &str| {
        EXCEPTIONS
            .iter()
            .any(|[excepted, at]| *excepted == name && file.starts_with(at))
    };
    let mut found = Vec::new();
    for (line, number) in text.lines().zip(1..) {
        let code = code(line);
        for [old, new] in RENAMED {
            if has_word(&code, old) && !is_excepted(old) {
                found.push(format!("{file}:{number}: {old} is now {new}"));
            }
        }
    }
    found
}

#[test]
fn no_rust_file_uses_a_name_that_was_replaced() {
    let files = tracked();
    let sources = files
        .iter()
        .filter(|file| has_extension(file, "rs") && *file != ITSELF);
    let found: Vec<String> = sources
        .flat_map(|file| {
            let text = fs::read_to_string(root().join(file)).expect("sources are text");
            old_names(file, &text)
        })
        .collect();
    assert!(found.is_empty(), "{found:#?}");
}

#[test]
fn an_old_name_is_found_as_a_whole_word_of_code_only() {
    let text =
        "let a = Wants::default();\n// Wants\nlet Wanted = \"Wants\";\nuse options::wants;\n";
    assert_eq!(
        old_names("sensor/src/a.rs", text),
        [
            "sensor/src/a.rs:1: Wants is now CaptureRequest",
            "sensor/src/a.rs:4: options::wants is now options::capture_request",
        ]
    );
}

#[test]
fn an_old_name_may_stay_where_it_is_the_right_word() {
    assert!(old_names("crates/config/src/sensor.rs", "pub struct Hold {").is_empty());
    assert_eq!(
        old_names("crates/events/src/a.rs", "struct Hold {").len(),
        1
    );
}
