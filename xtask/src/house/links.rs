//! Links between pages lead to existing files, folders and headings.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
};

use super::{has_extension, tracked};
use crate::shell::root;

/// The lines of a page that are not in a block of code.
pub(super) fn unfenced(page: &str) -> Vec<&str> {
    let mut fenced = false;
    let mut lines = Vec::new();
    for line in page.lines() {
        if line.trim_start().starts_with("```") {
            fenced = !fenced;
        } else if !fenced {
            lines.push(line);
        }
    }
    lines
}

/// The lines of a page that are not code, each without its code in backticks.
fn prose(page: &str) -> Vec<String> {
    let outside = |line: &str| line.split('`').step_by(2).collect::<Vec<_>>().join("`");
    unfenced(page).into_iter().map(outside).collect()
}

/// The targets of a page's links, except those into the network.
fn targets(page: &str) -> Vec<String> {
    let mut targets = Vec::new();
    for line in prose(page) {
        let inline = line.split("](").skip(1).filter_map(|rest| {
            let end = rest.find([')', ' '])?;
            rest.get(..end)
        });
        targets.extend(inline.map(str::to_owned));
        if line.starts_with('[')
            && let Some((_, target)) = line.split_once("]: ")
        {
            targets.push(target.trim().to_owned());
        }
    }
    targets.retain(|target| !target.contains("://") && !target.starts_with("mailto:"));
    targets
}

/// The anchor of a heading: its words in lower case with hyphens between them; further headings
/// with the same words get a number.
fn anchors(page: &str) -> BTreeSet<String> {
    let mut seen: BTreeMap<String, usize> = BTreeMap::new();
    let mut anchors = BTreeSet::new();
    for line in unfenced(page) {
        let heading = line.trim_start_matches('#');
        let marks = line.len() - heading.len();
        if !(1..=6).contains(&marks) || !heading.starts_with(' ') {
            continue;
        }
        let anchor: String = heading
            .trim()
            .to_lowercase()
            .chars()
            .filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'))
            .map(|c| if c == ' ' { '-' } else { c })
            .collect();
        let before = seen.entry(anchor.clone()).or_default();
        anchors.insert(match *before {
            0 => anchor,
            number => format!("{anchor}-{number}"),
        });
        *before += 1;
    }
    anchors
}

/// The path of a link's target in the repository; none for a path outside of it.
pub(super) fn resolve(page: &str, target: &str) -> Option<String> {
    let mut parts: Vec<&str> = page.split('/').collect();
    parts.pop();
    for part in target.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop()?;
            }
            part => parts.push(part),
        }
    }
    Some(parts.join("/"))
}

/// Whether a path is a file, a folder, or the root of the repository.
pub(super) fn is_there(path: &str, files: &[String]) -> bool {
    let inside = format!("{path}/");
    let is_it = |file: &String| *file == path || file.starts_with(&inside);
    path.is_empty() || files.iter().any(is_it)
}

/// The problems of a page's links. `read` returns the text of a page.
fn problems(name: &str, files: &[String], read: &dyn Fn(&str) -> String) -> Vec<String> {
    let text = read(name);
    let wrong = |target: &String| {
        let (path, anchor) = target
            .split_once('#')
            .map_or((target.as_str(), None), |(path, anchor)| {
                (path, Some(anchor))
            });
        let file = match path {
            "" => Some(name.to_owned()),
            path => resolve(name, path),
        };
        let Some(file) = file else {
            return Some(format!("{name}: {target} leads out of the repository"));
        };
        if !is_there(&file, files) {
            return Some(format!("{name}: {target}: no such file or folder"));
        }
        let anchor = anchor?;
        let found = has_extension(&file, "md") && anchors(&read(&file)).contains(anchor);
        (!found).then(|| format!("{name}: {target}: no such heading"))
    };
    targets(&text).iter().filter_map(wrong).collect()
}

#[test]
fn each_link_of_a_page_leads_to_a_file_folder_or_heading() {
    let files = tracked();
    let read = |name: &str| fs::read_to_string(root().join(name)).expect("pages are text");
    let problems: Vec<String> = files
        .iter()
        .filter(|file| has_extension(file, "md"))
        .flat_map(|page| problems(page, &files, &read))
        .collect();
    assert!(problems.is_empty(), "{problems:#?}");
}

/// The problems of `docs/page.md` with this text, beside `README.md` and `deploy/`.
fn of_text(text: &str) -> Vec<String> {
    let files = ["README.md", "docs/page.md", "deploy/run"].map(str::to_owned);
    problems("docs/page.md", &files, &|name| {
        match name {
            "docs/page.md" => text,
            _ => "# Read me\n## Two commands\n## Two commands\n",
        }
        .to_owned()
    })
}

#[test]
fn links_to_files_folders_headings_and_the_network_are_right() {
    let text = "# Own\n[a](../README.md) [b](../deploy/) [c](#own) ![d](../deploy/run)\n\
        [e](../README.md#two-commands) [f](../README.md#two-commands-1 \"title\")\n\
        [g](https://example.org/#x)\n[h]: ../README.md\n";
    assert_eq!(of_text(text), [""; 0]);
}

#[test]
fn links_to_what_is_not_there_are_problems() {
    let text = "[a](gone.md) [b](../../out.md)\n[c](../README.md#one-command)\n[d]: nowhere\n";
    assert_eq!(
        of_text(text),
        [
            "docs/page.md: gone.md: no such file or folder",
            "docs/page.md: ../../out.md leads out of the repository",
            "docs/page.md: ../README.md#one-command: no such heading",
            "docs/page.md: nowhere: no such file or folder",
        ]
    );
}

#[test]
fn what_looks_like_a_link_in_code_is_none() {
    let text = "`[a](gone.md)`\n```\n[b](gone.md)\n```\n";
    assert_eq!(of_text(text), [""; 0]);
}

#[test]
fn a_heading_is_linked_by_its_words_without_punctuation() {
    let page = "# How `--quick` was chosen\n## Security, and more\n```\n# no heading\n```\n#none\n";
    let expected = ["how---quick-was-chosen", "security-and-more"].map(str::to_owned);
    assert_eq!(anchors(page), BTreeSet::from(expected));
}
