//! Which texts are read, and the messages about others.

use std::fmt::Write as _;

use super::{Diagnostic, Limits, Node, Parsed, Position, Source, parse};

mod differential;
mod generate;
mod random;
mod shapes;
mod write;

fn read(text: &str) -> (Source, Parsed) {
    let source = Source::new("t.yaml", text);
    let parsed = parse(&source, &Limits::default()).unwrap();
    (source, parsed)
}

fn fails(text: &str, limits: &Limits) -> Diagnostic {
    parse(&Source::new("t.yaml", text), limits).unwrap_err()
}

fn at(line: u32, column: u32, offset: u32) -> Position {
    Position {
        line,
        column,
        offset,
    }
}

fn first(parsed: &Parsed) -> &Node {
    &parsed.documents[0]
}

#[test]
fn nodes_know_their_line_column_and_offset() {
    let (_, parsed) = read("# é\na: 1\nb:\n  - x\n  - ü: z\n");
    let root = first(&parsed);
    assert_eq!(root.get("a").unwrap().position, at(2, 4, 8));
    let list = root.get("b").unwrap().as_sequence().unwrap();
    assert_eq!(list[0].position, at(4, 5, 17));
    assert_eq!(list[1].get("ü").unwrap().position, at(5, 8, 27));
}

#[test]
fn documents_of_one_text_are_read_in_order() {
    let (_, parsed) = read("- a\n---\n- b\n");
    assert_eq!(parsed.documents.len(), 2);
}

#[test]
fn an_empty_text_has_no_document() {
    assert!(read("").1.documents.is_empty());
    assert!(read("# nothing\n").1.documents.is_empty());
}

#[test]
fn typed_getters_read_falcos_spellings() {
    let (_, parsed) = read("a: yes\nb: 0x10\nc: 1.5\nd: ~\ne: '8'\n");
    let root = first(&parsed);
    assert_eq!(root.get("a").unwrap().as_bool(), Some(true));
    assert_eq!(root.get("b").unwrap().as_i64(), Some(16));
    assert_eq!(root.get("c").unwrap().as_f64(), Some(1.5));
    assert!(root.get("d").unwrap().is_null());
    assert_eq!(root.get("e").unwrap().as_u64(), Some(8));
}

#[test]
fn a_key_that_is_there_twice_is_reported_and_the_first_counts() {
    let (_, parsed) = read("a: 1\nb: 2\na: 3\n");
    assert_eq!(first(&parsed).get("a").unwrap().as_str(), Some("1"));
    assert_eq!(
        parsed.warnings[0].to_string(),
        "t.yaml:3:1: warning: key 'a' is here twice\n  3 | a: 3\n    | ^\n  \
         help: the first one counts; remove the other"
    );
}

#[test]
fn broken_yaml_is_an_error_with_its_place() {
    let error = fails("a: [1, 2\nb: 3\n", &Limits::default());
    assert_eq!(error.position.line, 2, "{error}");
}

#[test]
fn deep_nesting_is_refused() {
    let error = fails(&"[".repeat(100_000), &Limits::default());
    assert!(error.message.contains("levels") || error.message.contains("recursion"));
    let block: String = (0..500).map(|n| " ".repeat(n) + "-\n").collect();
    assert!(
        fails(&block, &Limits::default())
            .message
            .contains("64 levels")
    );
}

#[test]
fn an_alias_bomb_is_refused() {
    let mut text = String::from("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
    for n in 1..12 {
        let alias = format!("*a{}", n - 1);
        let aliases = [alias.as_str(); 10].join(", ");
        writeln!(text, "a{n}: &a{n} [{aliases}]").unwrap();
    }
    assert!(
        fails(&text, &Limits::default())
            .message
            .contains("more than")
    );
}

#[test]
fn an_alias_stands_for_its_anchor() {
    let (_, parsed) = read("a: &x [1, 2]\nb: *x\n");
    assert_eq!(
        first(&parsed)
            .get("b")
            .unwrap()
            .as_sequence()
            .unwrap()
            .len(),
        2
    );
}

#[test]
fn a_long_text_is_refused() {
    let limits = Limits {
        bytes: 10,
        ..Limits::default()
    };
    assert!(fails("aaaaaaaaaaaaa", &limits).message.contains("13 bytes"));
}

/// Checks that the position of a word in a scalar's value is the position of the word in the file.
fn word_is_found(text: &str) {
    let (source, parsed) = read(text);
    let scalar = first(&parsed).get("k").unwrap();
    let value = scalar.as_str().unwrap();
    let offset = value.find("HERE").unwrap();
    let found = source.position_in(scalar, offset).offset as usize;
    assert_eq!(found, text.find("HERE").unwrap(), "{text:?} {scalar:?}");
}

#[test]
fn places_in_a_scalar_are_found_in_every_style() {
    word_is_found("k: a b HERE c\n");
    word_is_found("k: a b\n   c  HERE c\n");
    word_is_found("k: >\n   a b\n   c  HERE c\n");
    word_is_found("k: >-\n\n   é b\n\n\n   c  HERE c\n");
    word_is_found("k: |2\n   a b\n  c  HERE c\n");
    word_is_found(
        "k: | # words\n   a b\n  HERE c\n"
            .replace("  HERE", "   HERE")
            .as_str(),
    );
    word_is_found("k: 'it''s a HERE c'\n");
    word_is_found("k: \"a\\n\\t\\x41 \\\"é \\\n   HERE c\"\n");
}

#[test]
fn a_place_behind_the_end_is_the_end() {
    let (source, parsed) = read("k: >\n   a b\nz: 1\n");
    let scalar = first(&parsed).get("k").unwrap();
    assert_eq!(source.position_in(scalar, 99).line, 2);
    assert_eq!(source.position_in(scalar, 99).column, 7);
}

#[test]
fn a_long_line_is_cut_around_the_place() {
    let text = "x".repeat(10_000) + "HERE";
    let source = Source::new("t", &text);
    let shown = Diagnostic::error(&source, source.position(10_000), "m").to_string();
    let lines: Vec<_> = shown.lines().collect();
    let caret = lines[2].find('^').unwrap();
    assert!(lines[1][caret..].starts_with("HERE"), "{shown}");
    assert!(shown.len() < 1000);
}
