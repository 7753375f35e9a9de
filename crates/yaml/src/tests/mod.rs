//! Which texts are read, and the messages about others.

use std::fmt::Write as _;

use super::{Diagnostic, Limits, Node, Parsed, Position, Source, decode, parse};

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
fn a_bracket_can_close_at_any_column() {
    for text in [
        "a: [\n  x,\n  y\n]\nb: z\n",
        "a: [\nx,\ny]\nb: z\n",
        "a: [x,# comment\n y]\nb: z\n",
        "a:\t[x, y]\nb: z\n",
    ] {
        let (_, parsed) = read(text);
        let root = first(&parsed);
        let list = root.get("a").unwrap().as_sequence().unwrap();
        let items: Vec<_> = list.iter().filter_map(Node::as_str).collect();
        assert_eq!(items, ["x", "y"], "{text:?}");
        assert_eq!(root.get("b").unwrap().as_str(), Some("z"), "{text:?}");
    }
}

#[test]
fn a_quoted_text_can_go_on_at_its_keys_column() {
    let (_, parsed) = read("a: \"x\ny\"\nb: z\n");
    assert_eq!(first(&parsed).get("a").unwrap().as_str(), Some("x y"));
}

#[test]
fn an_empty_value_stands_behind_its_key() {
    let (_, parsed) = read("a:\nb: 1\n");
    let value = first(&parsed).get("a").unwrap();
    assert!(value.is_null());
    assert_eq!(value.position, at(1, 3, 2));
}

#[test]
fn a_tag_makes_a_text_of_null() {
    let (_, parsed) = read("a: !!str ~\nb: ~\n");
    assert!(!first(&parsed).get("a").unwrap().is_null());
    assert!(first(&parsed).get("b").unwrap().is_null());
}

#[test]
fn behind_the_last_document_that_is_wanted_nothing_is_read() {
    let source = Source::new("t.yaml", "a: 1\n---\nb: ]\n");
    let limits = Limits {
        documents: 1,
        ..Limits::default()
    };
    let parsed = parse(&source, &limits).unwrap();
    assert_eq!(parsed.documents.len(), 1);
    assert!(
        parsed.warnings[0]
            .to_string()
            .starts_with("t.yaml:2:1: warning: what stands from here on is not read\n  2 | ---\n")
    );
}

#[test]
fn bytes_that_are_no_text_give_a_warning() {
    let source = Source::new("t.yaml", decode(b"a: 1\nb: \xe9\n"));
    let parsed = parse(&source, &Limits::default()).unwrap();
    assert!(parsed.warnings[0].message.contains("no UTF-8"));
    assert_eq!(parsed.warnings[0].position, at(2, 4, 8));
}

#[test]
fn a_quote_that_is_open_at_the_end_gives_a_warning() {
    let (_, parsed) = read("a: 1\nb: \"c\n");
    assert_eq!(
        parsed.warnings[0].to_string(),
        "t.yaml:2:4: warning: this quote is not closed\n  2 | b: \"c\n    |    ^"
    );
}

#[test]
fn an_error_shows_its_line_the_place_and_what_to_do() {
    let shown = |text| fails(text, &Limits::default()).to_string();
    assert_eq!(
        shown("a: 1\nb: c: d\n"),
        "t.yaml:2:5: error: not YAML: no key stands before this ':'\n  2 | b: c: d\n    |     ^\n  \
         help: put the text into quotes if the sign is a part of it"
    );
    assert_eq!(
        shown("a:\n  b: 1\n   c: 2\n"),
        "t.yaml:3:5: error: not YAML: no key stands before this ':'\n  3 |    c: 2\n    |     ^\n  \
         help: compare the indentation with the lines above: this one goes on with their text"
    );
    assert_eq!(
        shown("a:\n\tb: 1\n"),
        "t.yaml:2:3: error: not YAML: no key stands before this ':'\n  2 |  b: 1\n    |   ^\n  \
         help: indent with spaces"
    );
    assert_eq!(
        shown("a: *.log\n"),
        "t.yaml:1:4: error: not YAML: no anchor '&.log' stands above\n  1 | a: *.log\n    |    ^\n  \
         help: put a text that begins with '*' into quotes"
    );
    assert_eq!(
        shown("a: 1\r\nb: %c\r\n"),
        "t.yaml:2:4: error: not YAML: a text without quotes cannot begin with '%'\n  2 | b: %c\n    |    ^\n  \
         help: put the text into quotes"
    );
    assert_eq!(
        shown("a:\n  - b: [é,\n    c\n"),
        "t.yaml:2:8: error: not YAML: this bracket is not closed\n  2 |   - b: [é,\n    |        ^"
    );
    assert_eq!(
        shown("- a: 1\n  b: 2\n c: 3\n"),
        "t.yaml:3:2: error: not YAML: expected '-' of the next item, not a key\n  3 |  c: 3\n    |  ^\n  \
         help: compare the indentation with the lines above"
    );
    assert_eq!(
        shown("a: 1\nb: \"c\\d\"\n"),
        "t.yaml:2:6: error: not YAML: '\\d' is no escape sequence\n  2 | b: \"c\\d\"\n    |      ^\n  \
         help: write \\\\ for a backslash, or use single quotes"
    );
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
fn aliases_add_no_levels_and_no_bytes_above_the_limits() {
    let mut deep = String::from("- &a0 [x]\n");
    for n in 1..100 {
        writeln!(deep, "- &a{n} [*a{}]", n - 1).unwrap();
    }
    assert!(
        fails(&deep, &Limits::default())
            .message
            .contains("64 levels")
    );
    let limits = Limits {
        bytes: 1000,
        ..Limits::default()
    };
    let long = format!("- &a {}\n{}", "x".repeat(300), "- *a\n".repeat(10));
    assert!(fails(&long, &limits).message.contains("1000 bytes"));
}

#[test]
fn an_alias_within_its_own_anchor_is_refused() {
    let error = fails("- &a [1, *a]\n", &Limits::default());
    assert_eq!(error.position, at(1, 10, 9));
}

#[test]
fn tokens_that_wait_for_a_key_are_bounded() {
    let limits = Limits {
        nodes: 100,
        ..Limits::default()
    };
    let error = fails(&format!("[{}", "a,".repeat(10_000)), &limits);
    assert!(error.message.contains("more than 100 values"), "{error}");
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
    word_is_found("k: \"a\\x20\\u000a b HERE c\"\n");
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
