//! The section *Folders* of ARCHITECTURE.md has a line for each folder, and each line a folder.
//!
//! A folder with Rust files needs a line of its own. Of the other folders those down to a depth of
//! [`DEPTH`] need one, and it covers their subfolders.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
};

use super::{has_extension, tracked};
use crate::shell::root;

const PAGE: &str = "ARCHITECTURE.md";
const SECTION: &str = "## Folders";
/// Down to this depth a folder without Rust files needs a line.
const DEPTH: usize = 2;
/// Fewest words of a sentence.
const WORDS: usize = 3;

/// The folder of a file, without a slash at its end; none for a file of the root.
fn folder(file: &str) -> Option<&str> {
    file.rsplit_once('/').map(|(folder, _)| folder)
}

/// The folders that need a line.
fn needed(files: &[String]) -> BTreeSet<String> {
    let with_rust: BTreeSet<&str> = files
        .iter()
        .filter(|file| has_extension(file, "rs"))
        .filter_map(|file| folder(file))
        .collect();
    files
        .iter()
        .filter_map(|file| folder(file))
        .map(|folder| {
            if with_rust.contains(folder) {
                return folder.to_owned();
            }
            let parts: Vec<&str> = folder.split('/').take(DEPTH).collect();
            parts.join("/")
        })
        .collect()
}

/// The problems of a page, for a repository with these files.
fn problems(page: &str, files: &[String]) -> Vec<String> {
    let mut problems = Vec::new();
    let mut lines = BTreeMap::new();
    let section = page.lines().skip_while(|line| *line != SECTION).skip(1);
    for line in section.take_while(|line| !line.starts_with("## ")) {
        if !line.starts_with("- ") {
            continue;
        }
        let parts = line
            .strip_prefix("- `")
            .and_then(|line| line.split_once("/` — "));
        let Some((folder, sentence)) = parts else {
            problems.push(format!(
                "not of the form \"- `folder/` — Sentence.\": {line}"
            ));
            continue;
        };
        if sentence.split_whitespace().count() < WORDS || !sentence.ends_with('.') {
            problems.push(format!("no sentence: {folder}/"));
        }
        if lines.insert(folder, sentence).is_some() {
            problems.push(format!("two lines: {folder}/"));
        }
        let inside = format!("{folder}/");
        if !files.iter().any(|file| file.starts_with(&inside)) {
            problems.push(format!("no such folder: {folder}/"));
        }
    }
    let without = needed(files)
        .into_iter()
        .filter(|folder| !lines.contains_key(folder.as_str()));
    problems.extend(without.map(|folder| format!("no line: {folder}/")));
    problems
}

#[test]
fn each_folder_has_a_line_in_the_architecture_and_each_line_a_folder() {
    let page = fs::read_to_string(root().join(PAGE)).expect("the page is here");
    let problems = problems(&page, &tracked());
    assert!(
        problems.is_empty(),
        "{PAGE}, section {SECTION}: {problems:#?}"
    );
}

/// The problems of a page whose section has these lines.
fn of_lines(lines: &str, files: &[&str]) -> Vec<String> {
    let page = format!("# Page\n\n{SECTION}\n\n{lines}\n\n## Next\n- `nowhere/` — Not read.\n");
    let files: Vec<String> = files.iter().map(|file| (*file).to_owned()).collect();
    problems(&page, &files)
}

#[test]
fn a_folder_with_rust_files_needs_a_line_at_any_depth() {
    let files = ["a/src/lib.rs", "a/src/deep/down/mod.rs"];
    assert_eq!(
        of_lines("- `a/src/` — The crate's root.", &files),
        ["no line: a/src/deep/down/"]
    );
}

#[test]
fn a_folder_without_rust_files_needs_a_line_down_to_a_depth_of_two() {
    let files = [
        "Cargo.toml",
        "docs/page.md",
        "deploy/helm/sensor/values.yaml",
    ];
    assert_eq!(
        of_lines("- `docs/` — Pages for everybody.", &files),
        ["no line: deploy/helm/"]
    );
}

#[test]
fn a_line_without_a_folder_or_a_sentence_is_a_problem() {
    let lines = "- `docs/` — \n- `gone/` — It was there once.\n- docs: pages";
    assert_eq!(
        of_lines(lines, &["docs/page.md"]),
        [
            "no sentence: docs/",
            "no such folder: gone/",
            "not of the form \"- `folder/` — Sentence.\": - docs: pages",
        ]
    );
}

#[test]
fn a_folder_with_two_lines_is_a_problem() {
    let lines = "- `docs/` — Pages for everybody.\n- `docs/` — Pages for nobody.";
    assert_eq!(of_lines(lines, &["docs/page.md"]), ["two lines: docs/"]);
}
