//! Each kind of error in a condition, its message and its place.

use super::{complaints, rule};

/// Checks the beginning of the report about a condition (line 3, column 14).
fn condition(condition: &str, expected: &str) {
    let said = complaints(&[&rule("r", condition)]);
    let lines: Vec<_> = said.lines().collect();
    let short = match lines.as_slice() {
        [first, _, caret, rest @ ..] => {
            let column = caret.find('^').unwrap_or(0) - 6;
            let hint = rest.first().map_or("", |line| line.trim());
            format!(
                "{column}: {} | {hint}",
                first.rsplit(": error: ").next().unwrap()
            )
        }
        _ => said.clone(),
    };
    // Columns are those of the condition: `  condition: '` are 14 characters.
    assert_eq!(short, expected, "{condition}\n{said}");
}

#[test]
fn mistakes_in_conditions() {
    condition(
        "proc.nmae = x",
        "14: unknown field 'proc.nmae' | help: did you mean 'proc.name'?",
    );
    condition(
        "proc.name = nc and",
        "32: expected a field, a transformer, a macro or '(', found the end | ",
    );
    condition("(proc.name = nc", "14: parenthesis is not closed | ");
    condition(
        "proc.name = nc)",
        "28: expected 'and', 'or' or the end, found ')' | help: this parenthesis was never opened",
    );
    condition(
        "proc.name contains CASE=tr",
        "37: expected 'and', 'or' or the end, found '=tr' | help: a value that contains ',' '=' or parentheses must be quoted",
    );
    condition(
        "proc.name contians x",
        "24: expected an operator behind 'proc.name', found 'contians' | help: did you mean 'contains'?",
    );
    condition("proc.name =", "25: expected a value, found the end | ");
    condition(
        "proc.name = (a, b)",
        "26: expected a value, found '(' | help: for a list write 'in (…)' or '= anyof (…)'",
    );
    condition("proc.name in (a, b", "27: list is not closed | ");
    condition(
        "proc.name in (a b)",
        "30: expected ',' or ')', found 'b' | ",
    );
    condition("proc.name = \"a", "26: quote is not closed | ");
    condition("proc.pid < x", "25: expected a number, found 'x' | ");
    condition(
        "proc.pid = x",
        "25: 'proc.pid' is a number, 'x' is no whole number | ",
    );
    condition(
        "proc.pid = 1.5",
        "25: 'proc.pid' is a number, '1.5' is no whole number | ",
    );
    condition(
        "proc.pid contains 1",
        "14: operator 'contains' does not compare a number, which 'proc.pid' is | ",
    );
    condition(
        "evt.failed = maybe",
        "27: 'evt.failed' is true or false, not 'maybe' | ",
    );
    condition("fd.sip = 1.2.3", "23: '1.2.3' is no address or network | ");
    condition(
        "fd.snet in (10.0.0.0/33)",
        "26: '10.0.0.0/33' is no address or network | ",
    );
    condition(
        "proc.name regex \"(\"",
        "30: wrong pattern '(': character 1: '(' is not closed | ",
    );
    condition(
        "proc.name bcontains ff",
        "14: operator 'bcontains' compares raw bytes (evt.buffer), but 'proc.name' is text | help: use 'contains'",
    );
    condition(
        "proc.pid = val(proc.name)",
        "14: 'proc.pid' and the value on the right are of different types | ",
    );
    condition(
        "evt.type = exceve",
        "25: unknown event type 'exceve' | help: did you mean 'execve'?",
    );
    condition(
        "spawned",
        "14: unknown macro 'spawned' | help: define it before, or write field operator value",
    );
    condition("toupper(proc.pid) = X", "14: toupper() takes a text | ");
    condition(
        "touper(proc.name) = X",
        "14: unknown transformer 'touper' | help: did you mean 'toupper('?",
    );
    condition("len(fd.ip) = 1", "14: len() takes a text | ");
    condition(
        "concat(proc.name, proc.pid) = x",
        "14: concat() takes texts | ",
    );
    condition(
        "proc.aname[x] = y",
        "14: field 'proc.aname' takes a number in brackets, not 'x' | ",
    );
    condition(
        "proc.aname[17] = y",
        "14: field 'proc.aname' takes at most 16 in brackets, not 17: events have no more | ",
    );
    condition(
        "proc.name[1] = y",
        "14: field 'proc.name' takes no argument | ",
    );
    condition("and", "14: expected a check or a macro, found 'and' | ");
}

#[test]
fn the_signs_of_other_languages_are_answered_with_the_word() {
    for (text, expected) in [
        (
            "proc.name = nc && proc.pid = 1",
            "29: expected 'and', 'or' or the end, found '&&' | help: write 'and'",
        ),
        (
            "(proc.name = nc || proc.pid = 1)",
            "30: expected 'and', 'or' or ')', found '||' | help: write 'or'",
        ),
        (
            "proc.name = nc AND proc.pid = 1",
            "29: expected 'and', 'or' or the end, found 'AND' | help: write 'and'",
        ),
        (
            "!proc.name = nc",
            "14: expected a field, a transformer, a macro or '(', found '!proc.name' | help: write 'not'",
        ),
    ] {
        condition(text, expected);
    }
}

#[test]
fn brackets_without_an_argument_are_no_argument() {
    for text in [
        "proc.aname[] = y",
        "proc.aname[1 = y",
        "proc.aname[1 2] = y",
    ] {
        condition(
            text,
            "14: field 'proc.aname' takes [argument], in quotes if it has blanks, quotes or brackets | ",
        );
    }
}

#[test]
fn a_wrong_pattern_has_its_place_and_the_place_in_it() {
    for (text, expected) in [
        (
            r"proc.name regex '[0-9]+\\d'",
            r"30: wrong pattern '[0-9]+\d': character 7: '\d' is no escape sequence of POSIX syntax, write [0-9] | ",
        ),
        (
            "proc.name regex (?i)nc",
            "30: expected a value, found '(' | help: for a list write 'in (…)' or 'regex anyof (…)'",
        ),
        (
            "proc.name glob [xa-[:alpha:]]",
            "29: wrong pattern '[xa-[:alpha:]]': byte 1: where '[' is closed depends on the text | ",
        ),
        (
            "proc.exepath pmatch (/tmp, /a/[xa-[:alpha:]])",
            "41: wrong pattern '/a/[xa-[:alpha:]]': byte 1: where '[' is closed depends on the text | ",
        ),
    ] {
        condition(text, expected);
    }
}
