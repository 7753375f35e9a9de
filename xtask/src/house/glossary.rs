//! The glossary has each term once, in alphabetical order, with a meaning.

use std::fs;

use crate::shell::root;

/// The terms of a glossary's table, each with its meaning.
fn terms(page: &str) -> Vec<(&str, &str)> {
    let rows = page.lines().filter_map(|line| line.strip_prefix("| **"));
    rows.filter_map(|row| {
        let (term, rest) = row.split_once("** | ")?;
        let (meaning, _) = rest.split_once(" | ")?;
        Some((term, meaning))
    })
    .collect()
}

/// The problems of a glossary.
fn problems(page: &str) -> Vec<String> {
    let terms = terms(page);
    let mut problems = Vec::new();
    for pair in terms.windows(2) {
        let [(before, _), (after, _)] = pair else {
            continue;
        };
        if before.to_lowercase() >= after.to_lowercase() {
            problems.push(format!("{after} comes after {before}"));
        }
    }
    let without = terms.iter().filter(|(_, meaning)| !meaning.contains('.'));
    problems.extend(without.map(|(term, _)| format!("no sentence: {term}")));
    problems
}

#[test]
fn the_glossary_has_each_term_once_in_order_with_a_meaning() {
    let page = root().join("docs/glossary.md");
    let page = fs::read_to_string(page).expect("the glossary is here");
    assert!(!terms(&page).is_empty(), "no terms");
    let problems = problems(&page);
    assert!(problems.is_empty(), "{problems:#?}");
}

#[test]
fn a_term_that_comes_twice_or_too_late_or_without_a_meaning_is_a_problem() {
    let page = "| Term | Meaning | In Falco |\n|---|---|---|\n\
        | **event** | One exec. | |\n| **Event** | Two execs. | |\n| **cache** | a table | |\n";
    assert_eq!(
        problems(page),
        [
            "Event comes after event",
            "cache comes after Event",
            "no sentence: cache",
        ]
    );
}
