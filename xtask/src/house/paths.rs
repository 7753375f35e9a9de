//! Paths of the repository that pages name in backticks exist.

use std::{collections::BTreeSet, fs};

use super::{
    has_extension,
    links::{is_there, resolve, unfenced},
    tracked,
};
use crate::shell::root;

/// The page that also names removed paths.
const HISTORY: &str = "CHANGELOG.md";

/// The paths that a page names: words in backticks with a slash, which begin with a folder of the
/// repository's root.
fn named<'a>(page: &'a str, folders: &BTreeSet<&str>) -> Vec<&'a str> {
    let is_path = |word: &&str| {
        let plain = |c: char| c.is_ascii_alphanumeric() || "._-/".contains(c);
        let first = word.split_once('/').map(|(first, _)| first);
        word.chars().all(plain) && first.is_some_and(|first| folders.contains(first))
    };
    let spans = |line: &'a str| line.split('`').skip(1).step_by(2);
    let lines = unfenced(page).into_iter();
    lines.flat_map(spans).filter(is_path).collect()
}

/// The paths on a page that exist neither in the repository nor beside the page.
fn missing(name: &str, page: &str, files: &[String]) -> Vec<String> {
    let folders = files.iter().filter_map(|file| file.split_once('/'));
    let folders: BTreeSet<&str> = folders.map(|(folder, _)| folder).collect();
    let is_missing = |path: &&str| {
        let from = [
            Some(path.trim_end_matches('/').to_owned()),
            resolve(name, path),
        ];
        !from.iter().flatten().any(|path| is_there(path, files))
    };
    let paths = named(page, &folders).into_iter().filter(is_missing);
    paths.map(|path| format!("{name}: {path}")).collect()
}

#[test]
fn each_path_that_a_page_names_is_there() {
    let files = tracked();
    let pages = files
        .iter()
        .filter(|file| has_extension(file, "md") && *file != HISTORY);
    let missing: Vec<String> = pages
        .flat_map(|name| {
            let page = fs::read_to_string(root().join(name)).expect("pages are text");
            missing(name, &page, &files)
        })
        .collect();
    assert!(missing.is_empty(), "{missing:#?}");
}

#[test]
fn paths_of_the_repository_and_beside_the_page_are_there_and_others_are_missing() {
    let files = ["deploy/tests/run", "deploy/README.md", "tests/src/lib.rs"].map(str::to_owned);
    let page = "`tests/run` `tests/src/` `deploy/tests/run`\n\
        `tests/src/gone.rs` `target/x` `tests/*.rs` and/or\n```\n`tests/code.rs`\n```\n";
    assert_eq!(
        missing("deploy/README.md", page, &files),
        ["deploy/README.md: tests/src/gone.rs"]
    );
}
